/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_load_file.c - a report's file.
 *
 * Goal: its mode is what the umask leaves, also where it takes the place of another file; what is
 * no regular file keeps its mode.
 * Method: umasks, a directory of the test's own.
 */
#include "perf/load_file.h"
#include "tests/tools/suite.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct rp_target target;
static char folder[] = "/tmp/ringpost-load-file-XXXXXX";

static mode_t mode_of(const char *path)
{
    struct stat status;
    CU_ASSERT_EQUAL_FATAL(stat(path, &status), 0);
    return status.st_mode & 07777;
}

static void test_modes(void)
{
    static const mode_t masks[] = {022, 0, 027, 077, 0222};
    char path[64];
    (void)snprintf(path, sizeof(path), "%s/report", folder);
    for (size_t index = 0; index < sizeof(masks) / sizeof(masks[0]); index++) {
        mode_t before = umask(masks[index]);
        CU_ASSERT_EQUAL_FATAL(rp_load_file_open(&target, path), RP_EXIT_FINE);
        rp_output_text(&target.output, "%zu", index);
        CU_ASSERT_EQUAL(rp_target_commit(&target), RP_EXIT_FINE);
        CU_ASSERT_EQUAL(umask(before), masks[index]); /* as it was */
        CU_ASSERT_EQUAL(mode_of(path), 0666 & ~masks[index]);
    }
    CU_ASSERT_EQUAL(unlink(path), 0);
}

/* A pipe is written to, and stays as it is. */
static void test_pipe(void)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "%s/pipe", folder);
    CU_ASSERT_EQUAL_FATAL(mkfifo(path, 0600), 0);
    int reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    CU_ASSERT_TRUE_FATAL(reader >= 0);
    CU_ASSERT_EQUAL(rp_load_file_open(&target, path), RP_EXIT_FINE);
    CU_ASSERT_EQUAL(rp_target_commit(&target), RP_EXIT_FINE);
    CU_ASSERT_EQUAL(mode_of(path), 0600);
    CU_ASSERT_EQUAL(close(reader), 0);
    CU_ASSERT_EQUAL(unlink(path), 0);
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"mode of a file", test_modes},
        {"a pipe",         test_pipe },
    };
    if (mkdtemp(folder) == NULL) {
        perror(folder);
        return 1;
    }
    int outcome = SUITE_RUN("perf/load_file", tests, argc, argv);
    if (rmdir(folder) != 0) {
        perror(folder);
        outcome = 1;
    }
    return outcome;
}
