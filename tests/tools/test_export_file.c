/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_export_file.c - a body as a file that is there whole, or not at all.
 *
 * Goal: the file is the body, also when it is empty or larger than any buffer; what fails
 * leaves no file. Method: bodies around the size of the buffer; a limit on the size of
 * files for a full disk; a directory, a link and a file where a directory should be.
 */
#include "fake_reader.h"
#include "suite.h"
#include "tools/export.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

static char dir[] = "/tmp/test_export.XXXXXX";
static struct rp_export export;
static int dir_fd;

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

static uint8_t body[3 * RP_OUTPUT_BUFFER_LEN];

static int put(const char *name, size_t len, bool is_synced)
{
    struct fake_message message = {.body = body, .body_len = len};
    export.dir_fd = dir_fd;
    return rp_export_file_put(&export, dir_fd, name, fake_view(&message), is_synced);
}

static void check_body(size_t len)
{
    static uint8_t back[sizeof(body) + 1];
    CU_ASSERT_EQUAL(put("m", len, len % 2 == 0), 0);
    int fd = openat(dir_fd, "m", O_RDONLY | O_CLOEXEC);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(read(fd, back, sizeof(back)), (ssize_t)len);
    CU_ASSERT_EQUAL(memcmp(back, body, len), 0);
    struct stat status;
    CU_ASSERT_EQUAL(fstat(fd, &status), 0);
    CU_ASSERT_EQUAL(status.st_mode & 0777u, 0600);
    CU_ASSERT_EQUAL(close(fd), 0);
    CU_ASSERT_EQUAL(count_files(), 1);
    CU_ASSERT_EQUAL(unlinkat(dir_fd, "m", 0), 0);
}

static void test_bodies(void)
{
    uint64_t state = suite_seed;
    for (size_t index = 0; index < sizeof(body); index++) {
        body[index] = (uint8_t)(suite_random(&state) >> 32);
    }
    static const size_t lens[] = {0,
                                  1,
                                  4096,
                                  RP_OUTPUT_BUFFER_LEN - 1,
                                  RP_OUTPUT_BUFFER_LEN,
                                  RP_OUTPUT_BUFFER_LEN + 1,
                                  sizeof(body)};
    for (size_t index = 0; index < sizeof(lens) / sizeof(lens[0]); index++) {
        check_body(lens[index]);
    }
}

static void test_no_room(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    CU_ASSERT_EQUAL(sigaction(SIGXFSZ, &ignore, NULL), 0);
    struct rlimit old;
    CU_ASSERT_EQUAL(getrlimit(RLIMIT_FSIZE, &old), 0);
    struct rlimit small = {.rlim_cur = 5000, .rlim_max = old.rlim_max};
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &small), 0);
    CU_ASSERT_EQUAL(put("m", 5001, false), -EFBIG);
    CU_ASSERT_EQUAL(put("m", sizeof(body), true), -EFBIG);
    CU_ASSERT_EQUAL(count_files(), 0);
    CU_ASSERT_EQUAL(put("m", 5000, true), 0);
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &old), 0);
    CU_ASSERT_EQUAL(unlinkat(dir_fd, "m", 0), 0);
}

/* The rename fails: a directory has the name. */
static void test_name_taken(void)
{
    CU_ASSERT_EQUAL_FATAL(mkdirat(dir_fd, "m", 0700), 0);
    CU_ASSERT_EQUAL(put("m", 10, false), -EISDIR);
    CU_ASSERT_EQUAL(count_files(), 1);
    CU_ASSERT_EQUAL(unlinkat(dir_fd, "m", AT_REMOVEDIR), 0);
}

static void test_dir(void)
{
    int fd = rp_export_file_dir(dir_fd, "sub");
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(close(fd), 0);
    struct stat status;
    CU_ASSERT_EQUAL(fstatat(dir_fd, "sub", &status, 0), 0);
    CU_ASSERT_EQUAL(status.st_mode & 0777u, 0700);
    fd = rp_export_file_dir(dir_fd, "sub"); /* it is there by now */
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(close(fd), 0);
    CU_ASSERT_EQUAL(unlinkat(dir_fd, "sub", AT_REMOVEDIR), 0);

    CU_ASSERT_EQUAL(put("file", 3, false), 0);
    CU_ASSERT_EQUAL(rp_export_file_dir(dir_fd, "file"), -ENOTDIR);
    CU_ASSERT_EQUAL(rp_export_file_dir(dir_fd, "no/sub"), -ENOENT);
    CU_ASSERT_EQUAL(unlinkat(dir_fd, "file", 0), 0);
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"bodies",            test_bodies    },
        {"no room",           test_no_room   },
        {"the name is taken", test_name_taken},
        {"directories",       test_dir       },
    };
    if (mkdtemp(dir) == NULL) {
        return 1;
    }
    dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int outcome = SUITE_RUN("tools/export_file", tests, argc, argv);
    (void)close(dir_fd);
    return rmdir(dir) == 0 ? outcome : 1;
}
