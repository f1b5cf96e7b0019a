/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_load_json.c - JSON where memory runs out; what it holds is test_load_json.py's.
 *
 * Goal: a failed allocation is told, leaves no file and no memory behind, and the old file whole.
 * Method: jansson's allocator fails from the nth call on, for every n until all is written.
 */
#include "load_case.h"
#include "tests/tools/capture.h"
#include "tools/json.h"

#include <limits.h>
#include <sys/stat.h>

static struct capture capture;
static struct load_case run;
static char dir[] = "/tmp/test_load_json.XXXXXX";
static char path[PATH_MAX];
static char temp_path[PATH_MAX];

static size_t allocations_left;
static size_t allocations_open;

static void *allocate(size_t size)
{
    if (allocations_left == 0) {
        return NULL;
    }
    allocations_left--;
    allocations_open++;
    return malloc(size);
}

static void release(void *ptr)
{
    allocations_open -= ptr != NULL ? 1 : 0;
    free(ptr);
}

/* Octets of the file; -1: there is none. */
static off_t size_of(const char *name)
{
    struct stat status;
    return stat(name, &status) == 0 ? status.st_size : -1;
}

static void test_no_memory(void)
{
    load_case_open(&run, "hostile");
    json_set_alloc_funcs(allocate, release);
    enum rp_failure_exit outcome = RP_EXIT_FAILED;
    size_t rounds = 0;
    for (; outcome != RP_EXIT_FINE && rounds < 20000; rounds++) {
        allocations_left = rounds;
        int old = capture_stderr(&capture);
        outcome = rp_load_json_write(&run.report, path);
        const char *told = capture_end_stderr(&capture, old);
        CU_ASSERT_EQUAL(allocations_open, 0);
        CU_ASSERT_EQUAL(size_of(temp_path), -1);
        CU_ASSERT_EQUAL(size_of(path) > 0, outcome == RP_EXIT_FINE);
        CU_ASSERT_EQUAL(strstr(told, ": no memory for the JSON object\n") != NULL,
                        outcome != RP_EXIT_FINE);
    }
    CU_ASSERT_EQUAL(outcome, RP_EXIT_FINE);
    CU_ASSERT_TRUE(rounds > 200); /* so many did fail before */
    off_t whole = size_of(path);
    allocations_left = 100;
    int old = capture_stderr(&capture);
    CU_ASSERT_EQUAL(rp_load_json_write(&run.report, path), RP_EXIT_FAILED);
    (void)capture_end_stderr(&capture, old);
    CU_ASSERT_EQUAL(size_of(path), whole);
    json_set_alloc_funcs(malloc, free);
    load_case_close(&run);
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"no memory from the nth allocation on", test_no_memory},
    };
    if (mkdtemp(dir) == NULL) {
        return 1;
    }
    (void)snprintf(path, sizeof(path), "%s/result.json", dir);
    (void)snprintf(temp_path, sizeof(temp_path), "%s/result.json.tmp", dir);
    capture_open(&capture);
    int outcome = SUITE_RUN("perf/load_json", tests, argc, argv);
    capture_close(&capture);
    (void)unlink(path); /* not there after a failure */
    return rmdir(dir) == 0 ? outcome : 1;
}
