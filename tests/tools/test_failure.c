/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_failure.c - one line on stderr for each failure.
 *
 * Goal: what failed, where, and what would be right, on one line whatever a path holds, with
 * the exit status that belongs to it. Method: every error that opening a spool can give,
 * and paths with line ends, escapes and great length.
 */
#include "capture.h"
#include "suite.h"
#include "tools/failure.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>

static struct capture capture;

static void test_status(void)
{
    int old = capture_stderr(&capture);
    enum rp_failure_exit failed = rp_failure("%s: it %d", "here", 17);
    enum rp_failure_exit usage = rp_failure_usage("--x: no");
    const char *text = capture_end_stderr(&capture, old);
    CU_ASSERT_EQUAL(failed, RP_EXIT_FAILED);
    CU_ASSERT_EQUAL(usage, RP_EXIT_USAGE);
    CU_ASSERT_STRING_EQUAL(text, "ringpost-spool: here: it 17\nringpost-spool: --x: no\n");
}

static void test_name(void)
{
    int old = capture_stderr(&capture);
    rp_failure_name("ringpost-load");
    (void)rp_failure_usage("--x: no");
    rp_failure_name("ringpost-spool");
    (void)rp_failure_usage("--x: no");
    CU_ASSERT_STRING_EQUAL(capture_end_stderr(&capture, old),
                           "ringpost-load: --x: no\nringpost-spool: --x: no\n");
}

static void test_open(void)
{
    static const struct {
        const char *dir;
        int error;
        const char *text;
    } rows[] = {
  /* clang-format off */
        {"/", -EINVAL,
         "ringpost-spool: /: no spool here (there is no spool.meta); give the directory that "
         "ringpostd's -s names\n"},
        {"x", -ENOENT,
         "ringpost-spool: x: there is no such directory; give the directory that ringpostd's -s "
         "names\n"},
        {"x", -ENOTDIR,
         "ringpost-spool: x: this is no directory; give the directory that ringpostd's -s names\n"},
        {"x", -EPROTONOSUPPORT,
         "ringpost-spool: x: the spool is of another version than this program " RP_VERSION
         " reads; use the ringpost-spool that came with its ringpostd\n"},
        {"x", -EBADMSG,
         "ringpost-spool: x/spool.meta: damaged (its checksum is wrong), and no other file says "
         "what it was; restore this file from a backup\n"},
        {"x", -EACCES,
         "ringpost-spool: x: permission denied; run it as the user that ringpostd runs as\n"},
        {"x", -ENOMEM, "ringpost-spool: x: cannot open the spool: Cannot allocate memory\n"},
  /* clang-format on */
    };
    for (size_t index = 0; index < sizeof(rows) / sizeof(rows[0]); index++) {
        int old = capture_stderr(&capture);
        enum rp_failure_exit outcome = rp_failure_open(rows[index].dir, rows[index].error);
        const char *text = capture_end_stderr(&capture, old);
        CU_ASSERT_EQUAL(outcome, RP_EXIT_FAILED);
        CU_ASSERT_STRING_EQUAL(text, rows[index].text);
    }
}

/* A spool.meta that is none. */
static void test_other_meta(void)
{
    char dir[] = "/tmp/test_failure.XXXXXX";
    char path[64];
    char wanted[256];
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/spool.meta", dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(close(fd), 0);
    int old = capture_stderr(&capture);
    enum rp_failure_exit outcome = rp_failure_open(dir, -EINVAL);
    const char *text = capture_end_stderr(&capture, old);
    CU_ASSERT_EQUAL(outcome, RP_EXIT_FAILED);
    (void)snprintf(wanted, sizeof(wanted),
                   "ringpost-spool: %s: no spool here (its spool.meta is something else); give the "
                   "directory that ringpostd's -s names\n",
                   dir);
    CU_ASSERT_STRING_EQUAL(text, wanted);
    CU_ASSERT_EQUAL(unlink(path), 0);
    CU_ASSERT_EQUAL(rmdir(dir), 0);
}

static void test_one_line(void)
{
    int old = capture_stderr(&capture);
    enum rp_failure_exit outcome = rp_failure("%s: gone", "a\nb\x1b[31m");
    const char *text = capture_end_stderr(&capture, old);
    CU_ASSERT_EQUAL(outcome, RP_EXIT_FAILED);
    CU_ASSERT_STRING_EQUAL(text, "ringpost-spool: a\\x0ab\\x1b[31m: gone\n");

    static char path[3 * PATH_MAX];
    memset(path, 'x', sizeof(path) - 1);
    old = capture_stderr(&capture);
    outcome = rp_failure("%s: gone", path);
    text = capture_end_stderr(&capture, old);
    CU_ASSERT_EQUAL(outcome, RP_EXIT_FAILED);
    CU_ASSERT_PTR_EQUAL(strchr(text, '\n'), text + capture.len - 1);
}

static void test_stdout(void)
{
    int old = capture_stderr(&capture);
    enum rp_failure_exit outcome = rp_failure_stdout(-ENOSPC);
    const char *text = capture_end_stderr(&capture, old);
    CU_ASSERT_EQUAL(outcome, RP_EXIT_FAILED);
    CU_ASSERT_STRING_EQUAL(text, "ringpost-spool: standard output: No space left on device\n");
}

/* A reader that has gone is no failure, and hides none. */
static void test_finish(void)
{
    static const struct {
        enum rp_failure_exit outcome;
        int error;
        enum rp_failure_exit expected;
        bool is_told;
    } rows[] = {
        {RP_EXIT_FINE,   0,       RP_EXIT_FINE,   false},
        {RP_EXIT_FAILED, 0,       RP_EXIT_FAILED, false},
        {RP_EXIT_FINE,   -EPIPE,  RP_EXIT_FINE,   false},
        {RP_EXIT_FAILED, -EPIPE,  RP_EXIT_FAILED, false},
        {RP_EXIT_FINE,   -ENOSPC, RP_EXIT_FAILED, true },
        {RP_EXIT_FAILED, -ENOSPC, RP_EXIT_FAILED, true },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int old = capture_stderr(&capture);
        enum rp_failure_exit outcome = rp_failure_finish(rows[i].outcome, rows[i].error);
        const char *text = capture_end_stderr(&capture, old);
        CU_ASSERT_EQUAL(outcome, rows[i].expected);
        CU_ASSERT_EQUAL(text[0] != '\0', rows[i].is_told);
    }
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"exit status",               test_status    },
        {"program's name",            test_name      },
        {"what opening a spool says", test_open      },
        {"another file of that name", test_other_meta},
        {"always one line",           test_one_line  },
        {"stdout",                    test_stdout    },
        {"finish",                    test_finish    },
    };
    capture_open(&capture);
    int outcome = SUITE_RUN("tools/failure", tests, argc, argv);
    capture_close(&capture);
    return outcome;
}
