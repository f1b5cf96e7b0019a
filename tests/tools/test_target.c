/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_target.c - a file is there whole, or not at all.
 *
 * Goal: until commit the old content stands, after abort or an error no trace is left.
 * Method: a directory of its own with every kind of thing at the path; a limit on the size
 * of files stands in for a full disk.
 */
#include "capture.h"
#include "suite.h"
#include "tools/target.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

static struct capture capture;
static struct rp_target target;
static char dir[] = "/tmp/test_target.XXXXXX";

static const char *path_of(const char *name)
{
    static char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static size_t count_files(void)
{
    DIR *stream = opendir(dir);
    size_t count = 0;
    while (stream != NULL && readdir(stream) != NULL) {
        count++;
    }
    CU_ASSERT_FATAL(stream != NULL && closedir(stream) == 0);
    return count - 2; /* . and .. */
}

static const char *read_file(const char *name)
{
    static char text[256];
    int fd = open(path_of(name), O_RDONLY | O_CLOEXEC);
    CU_ASSERT_FATAL(fd >= 0);
    ssize_t len = read(fd, text, sizeof(text) - 1);
    CU_ASSERT_FATAL(len >= 0);
    text[len] = '\0';
    (void)close(fd);
    return text;
}

static void commit(const char *text)
{
    CU_ASSERT_EQUAL_FATAL(rp_target_open(&target, path_of("file")), RP_EXIT_FINE);
    rp_output_text(&target.output, "%s", text);
    CU_ASSERT_EQUAL(rp_target_commit(&target), RP_EXIT_FINE);
}

static void test_commit(void)
{
    commit("one");
    CU_ASSERT_STRING_EQUAL(read_file("file"), "one");
    CU_ASSERT_EQUAL(count_files(), 1);

    CU_ASSERT_EQUAL_FATAL(rp_target_open(&target, path_of("file")), RP_EXIT_FINE);
    rp_output_text(&target.output, "two");
    CU_ASSERT_EQUAL(rp_output_flush(&target.output), 0);
    CU_ASSERT_STRING_EQUAL(read_file("file"), "one"); /* the old one, until commit */
    rp_target_abort(&target);
    CU_ASSERT_STRING_EQUAL(read_file("file"), "one");
    CU_ASSERT_EQUAL(count_files(), 1);
    rp_target_abort(&target); /* twice is fine */

    commit("three");
    CU_ASSERT_STRING_EQUAL(read_file("file"), "three");
    CU_ASSERT_EQUAL(unlink(path_of("file")), 0);
}

/* A new file has the mode that the umask leaves; one that is replaced keeps its own. */
static void test_mode(void)
{
    static const mode_t masks[] = {0, 022, 027, 077};
    struct stat status;
    mode_t old = umask(0);
    for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
        (void)umask(masks[i]);
        commit("new");
        CU_ASSERT_EQUAL(stat(path_of("file"), &status), 0);
        CU_ASSERT_EQUAL(status.st_mode & 07777u, 0666u & ~masks[i]);
        CU_ASSERT_EQUAL(chmod(path_of("file"), 0640), 0);
        commit("again");
        CU_ASSERT_EQUAL(stat(path_of("file"), &status), 0);
        CU_ASSERT_EQUAL(status.st_mode & 07777u, 0640);
        CU_ASSERT_EQUAL(unlink(path_of("file")), 0);
    }
    (void)umask(old);
}

static void test_relative(void)
{
    CU_ASSERT_EQUAL_FATAL(chdir(dir), 0);
    CU_ASSERT_EQUAL_FATAL(rp_target_open(&target, "here"), RP_EXIT_FINE);
    CU_ASSERT_EQUAL(rp_target_commit(&target), RP_EXIT_FINE);
    CU_ASSERT_STRING_EQUAL(read_file("here"), "");
    CU_ASSERT_EQUAL(unlink("here"), 0);
    CU_ASSERT_EQUAL(chdir("/"), 0);
    CU_ASSERT_EQUAL(rp_target_sync_parent("/nothing"), 0);
    CU_ASSERT_EQUAL(rp_target_sync_parent("/nothing/nothing"), -ENOENT);
}

static void check_refused(const char *path, const char *text)
{
    int old = capture_stderr(&capture);
    enum rp_failure_exit outcome = rp_target_open(&target, path);
    const char *said = capture_end_stderr(&capture, old);
    CU_ASSERT_EQUAL(outcome, RP_EXIT_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(said, text));
    rp_target_abort(&target);
}

static void test_refused(void)
{
    int fd = open(path_of("file.tmp"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(close(fd), 0);
    check_refused(path_of("file"), "file.tmp: it is there already: another export is running");
    CU_ASSERT_EQUAL(count_files(), 1); /* it was not ours to remove */
    CU_ASSERT_EQUAL(unlink(path_of("file.tmp")), 0);

    check_refused(dir, "cannot write to it: Is a directory");
    check_refused(path_of("no/file"), "file.tmp: cannot create it: No such file or directory");
    static char path[PATH_MAX];
    memset(path, 'x', sizeof(path) - 3);
    check_refused(path, "the path is too long");
    CU_ASSERT_EQUAL(count_files(), 0);
}

static void check_write_fails(const char *path, size_t len, const char *text)
{
    static const uint8_t zeros[100000];
    CU_ASSERT_EQUAL_FATAL(rp_target_open(&target, path), RP_EXIT_FINE);
    rp_output_put(&target.output, zeros, len);
    int old = capture_stderr(&capture);
    enum rp_failure_exit outcome = rp_target_commit(&target);
    const char *said = capture_end_stderr(&capture, old);
    CU_ASSERT_EQUAL(outcome, RP_EXIT_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(said, text));
}

static void test_full(void)
{
    check_write_fails("/dev/full", 1, "/dev/full: No space left on device");
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    CU_ASSERT_EQUAL(sigaction(SIGXFSZ, &ignore, NULL), 0);
    struct rlimit old;
    CU_ASSERT_EQUAL(getrlimit(RLIMIT_FSIZE, &old), 0);
    struct rlimit small = {.rlim_cur = 8192, .rlim_max = old.rlim_max};
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &small), 0);
    check_write_fails(path_of("file"), 8193, "file: File too large");
    check_write_fails(path_of("file"), 100000, "file: File too large");
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &old), 0);
    CU_ASSERT_EQUAL(count_files(), 0);
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"the mode",                  test_mode    },
        {"commit and abort",          test_commit  },
        {"a path without a slash",    test_relative},
        {"what cannot be written to", test_refused },
        {"no room",                   test_full    },
    };
    if (mkdtemp(dir) == NULL) {
        return 1;
    }
    capture_open(&capture);
    int outcome = SUITE_RUN("tools/target", tests, argc, argv);
    capture_close(&capture);
    return rmdir(dir) == 0 ? outcome : 1;
}
