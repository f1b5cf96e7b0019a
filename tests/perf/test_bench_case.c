/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_bench_case.c - every micro-benchmark, run small.
 *
 * Goal: each one does the same work in each round and as its twin, says truly how much that
 * is, and leaves no file behind. Method: all cases of the list, opened one after the other in
 * a directory of the test's own; the sums that they are built on, by rows.
 */
#include "perf/bench_case.h"
#include "tests/tools/suite.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define CASES_LEAST 30u /* so many there are on any machine */
#define ROUNDS      3u

static char dir[] = "/tmp/test_bench_case.XXXXXX";
static const struct rp_bench_setup setup = {.dir = dir, .is_small = true};

static uint64_t checksum(const struct rp_bench_case *one, uint64_t rounds)
{
    struct rp_bench_work work = {.what = one};
    uint64_t sum = 0;
    CU_ASSERT_EQUAL_FATAL(one->open(one, &setup, &work), 0);
    CU_ASSERT_EQUAL(one->run(&work, rounds, &sum), 0);
    one->close(&work);
    return sum;
}

static void test_rounds(void)
{
    const struct rp_bench_case *one;
    size_t index = 0;
    for (; (one = rp_bench_case_get(index)) != NULL; index++) {
        const uint64_t sum = checksum(one, 1);
        if (checksum(one, ROUNDS) != sum ||
            (one->twin != NULL && checksum(rp_bench_case_find(one->twin), 1) != sum)) {
            (void)printf("%s: another checksum\n", one->name);
            CU_FAIL("checksums differ");
        }
    }
    CU_ASSERT_TRUE(index >= CASES_LEAST);
}

/* One work that is open may be run again and again. */
static void test_again(void)
{
    const struct rp_bench_case *one;
    for (size_t index = 0; (one = rp_bench_case_get(index)) != NULL; index++) {
        struct rp_bench_work work = {.what = one};
        uint64_t first = 0;
        uint64_t second = 1;
        CU_ASSERT_EQUAL_FATAL(one->open(one, &setup, &work), 0);
        CU_ASSERT_EQUAL(one->run(&work, ROUNDS, &first), 0);
        CU_ASSERT_EQUAL(one->run(&work, 1, &second), 0);
        CU_ASSERT_EQUAL(first, second);
        CU_ASSERT_TRUE(work.units > 0);
        one->close(&work);
    }
}

static uint64_t octets(const struct rp_bench_case *one)
{
    struct rp_bench_work work = {.what = one};
    CU_ASSERT_EQUAL_FATAL(one->open(one, &setup, &work), 0);
    const uint64_t count = work.octets;
    one->close(&work);
    return count;
}

static void test_list(void)
{
    const struct rp_bench_case *one;
    for (size_t index = 0; (one = rp_bench_case_get(index)) != NULL; index++) {
        CU_ASSERT_PTR_EQUAL(rp_bench_case_find(one->name), one); /* no name is there twice */
        CU_ASSERT_TRUE(strchr(one->name, '/') != NULL && one->unit[0] != '\0');
        CU_ASSERT_TRUE(one->help[0] != '\0');
        if (one->twin != NULL) {
            CU_ASSERT_PTR_NOT_NULL_FATAL(rp_bench_case_find(one->twin));
        }
        if (one->baseline != NULL) {
            const struct rp_bench_case *baseline = rp_bench_case_find(one->baseline);
            CU_ASSERT_PTR_NOT_NULL_FATAL(baseline);
            CU_ASSERT_PTR_NULL(baseline->baseline);
            CU_ASSERT_EQUAL(octets(baseline), octets(one));
        }
    }
    CU_ASSERT_PTR_NULL(rp_bench_case_find("proto"));
    CU_ASSERT_PTR_NULL(rp_bench_case_find(""));
}

/* Each scanner that this machine has is measured, on each body. */
static void test_scanners(void)
{
    static const char *const bodies[] = {"text", "base64", "dots"};
    static const char *const ways[] = {"whole", "32k"};
    for (size_t body = 0; body < 3; body++) {
        for (size_t way = 0; way < 2; way++) {
            char name[64];
            (void)snprintf(name, sizeof(name), "dot/%s/%s/table", bodies[body], ways[way]);
            const struct rp_bench_case *table = rp_bench_case_find(name);
            CU_ASSERT_PTR_NOT_NULL_FATAL(table);
            (void)snprintf(name, sizeof(name), "dot/%s/whole/table", bodies[body]);
            /* However it is cut, the same comes out. */
            CU_ASSERT_EQUAL(checksum(table, 1), checksum(rp_bench_case_find(name), 1));
        }
    }
    CU_ASSERT_NOT_EQUAL(checksum(rp_bench_case_find("dot/text/whole/table"), 1),
                        checksum(rp_bench_case_find("dot/base64/whole/table"), 1));
}

/* A directory that is not there is told, and nothing stays open. */
static void test_no_dir(void)
{
    static const struct rp_bench_setup nowhere = {.dir = "/tmp/no/such/place", .is_small = true};
    static const char *const names[] = {"append/disk/1k-1", "reader/next", "reader/find"};
    for (size_t at = 0; at < sizeof(names) / sizeof(names[0]); at++) {
        const struct rp_bench_case *one = rp_bench_case_find(names[at]);
        struct rp_bench_work work = {.what = one};
        CU_ASSERT_PTR_NOT_NULL_FATAL(one);
        CU_ASSERT_EQUAL(one->open(one, &nowhere, &work), -ENOENT);
    }
}

static void test_sum(void)
{
    static const struct {
        uint64_t values[3];
        bool is_same;
    } rows[] = {
        {{5, 5, 5},                   true },
        {{0, 0, 0},                   true },
        {{5, 5, 4},                   false},
        {{5, 4, 5},                   false},
        {{4, 5, 5},                   false},
        {{0, 1, 0},                   false},
        {{UINT64_MAX, UINT64_MAX, 0}, false},
    };
    for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
        struct rp_bench_sum sum = {0};
        for (size_t at = 0; at < 3; at++) {
            rp_bench_sum_add(&sum, rows[row].values[at]);
        }
        const uint64_t got = rp_bench_sum_get(&sum);
        CU_ASSERT_EQUAL(got == rows[row].values[0], rows[row].is_same);
    }
    CU_ASSERT_NOT_EQUAL(rp_bench_mix(rp_bench_mix(0, 1), 2), rp_bench_mix(rp_bench_mix(0, 2), 1));
}

/* Last: what the cases above made is gone. */
static void test_nothing_left(void)
{
    DIR *stream = opendir(dir);
    CU_ASSERT_PTR_NOT_NULL_FATAL(stream);
    size_t count = 0;
    for (const struct dirent *entry; (entry = readdir(stream)) != NULL;) {
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    }
    CU_ASSERT_EQUAL(closedir(stream), 0);
    CU_ASSERT_EQUAL(count, 0);
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"rounds and twins", test_rounds      },
        {"run again",        test_again       },
        {"the list",         test_list        },
        {"scanners",         test_scanners    },
        {"no directory",     test_no_dir      },
        {"sums",             test_sum         },
        {"nothing is left",  test_nothing_left},
    };
    if (mkdtemp(dir) == NULL) {
        perror(dir);
        return 1;
    }
    int status = SUITE_RUN("perf/bench_case", tests, argc, argv);
    return rmdir(dir) == 0 ? status : 1;
}
