/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * spooldir_case.h - what the tests of spooldir*.c share: system calls that end the process, fail,
 * or cannot read, at the test's will (wrappers that the linker puts in between, see meson.build),
 * and a spool's files as one number.
 */
#ifndef TESTS_ENGINE_SPOOLDIR_CASE_H
#define TESTS_ENGINE_SPOOLDIR_CASE_H

#include "engine/spooldir.h"

#include "tests/spool/spool.h"
#include "tests/tools/suite.h"

#include <stdarg.h>
#include <sys/wait.h>

#define SEGMENT RP_SPOOL_SEGMENT_MIN

/* ---- system calls that change something ---- */

static int calls_left = -1; /* before the next one is the last; -1: no limit */
static bool calls_fail;     /* true: it fails with EIO; false: the process ends */
static int calls_made;

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_ftruncate64(int fd, off_t len);
int __wrap_ftruncate64(int fd, off_t len);
ssize_t __real_pwrite64(int fd, const void *ptr, size_t len, off_t off);
ssize_t __wrap_pwrite64(int fd, const void *ptr, size_t len, off_t off);
int __real_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __real_unlinkat(int fd, const char *name, int flags);
int __wrap_unlinkat(int fd, const char *name, int flags);
int __real_mkdirat(int fd, const char *name, mode_t mode);
int __wrap_mkdirat(int fd, const char *name, mode_t mode);
int __real_posix_fallocate64(int fd, off_t off, off_t len);
int __wrap_posix_fallocate64(int fd, off_t off, off_t len);
int __real_openat64(int fd, const char *name, int flags, ...);
int __wrap_openat64(int fd, const char *name, int flags, ...);

#define CRASHED 77

/* True: this call fails. */
static inline bool count_call(void)
{
    calls_made++;
    if (calls_left < 0 || calls_left-- > 0) {
        return false;
    }
    if (!calls_fail) {
        _exit(CRASHED);
    }
    calls_left = -1;
    errno = EIO;
    return true;
}

/* What is in the page cache is there for the next run: the order of calls is under test here,
 * the simulator loses what was not synced. */
int __wrap_fsync(int fd)
{
    (void)fd; /* nothing is synced */
    return count_call() ? -1 : 0;
}

int __wrap_ftruncate64(int fd, off_t len)
{
    return count_call() ? -1 : __real_ftruncate64(fd, len);
}

/* Only half of it, so that the loops that go on are gone through, too. */
ssize_t __wrap_pwrite64(int fd, const void *ptr, size_t len, off_t off)
{
    return count_call() ? -1 : __real_pwrite64(fd, ptr, len > 2048 ? len / 2 : len, off);
}

int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    return count_call() ? -1 : __real_renameat(from_fd, from, to_fd, to);
}

int __wrap_unlinkat(int fd, const char *name, int flags)
{
    return count_call() ? -1 : __real_unlinkat(fd, name, flags);
}

int __wrap_mkdirat(int fd, const char *name, mode_t mode)
{
    return count_call() ? -1 : __real_mkdirat(fd, name, mode);
}

int __wrap_posix_fallocate64(int fd, off_t off, off_t len)
{
    return count_call() ? EIO : __real_posix_fallocate64(fd, off, len);
}

int __wrap_openat64(int fd, const char *name, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(list, mode_t) : 0;
    va_end(list);
    return (flags & O_CREAT) != 0 && count_call() ? -1 : __real_openat64(fd, name, flags, mode);
}

/* A part of a file that the disk cannot read: pread says EIO where it would touch it. */
static struct {
    ino_t inode;
    uint64_t from, to; /* the same: everything can be read */
} unreadable;

ssize_t __real_pread64(int fd, void *ptr, size_t len, off_t off);
ssize_t __wrap_pread64(int fd, void *ptr, size_t len, off_t off);

ssize_t __wrap_pread64(int fd, void *ptr, size_t len, off_t off)
{
    struct stat status;
    bool is_hit = unreadable.from < unreadable.to && (uint64_t)off < unreadable.to &&
                  (uint64_t)off + len > unreadable.from;
    if (is_hit && fstat(fd, &status) == 0 && status.st_ino == unreadable.inode) {
        errno = EIO;
        return -1;
    }
    return __real_pread64(fd, ptr, len, off);
}

/* ---- helpers ---- */

static struct test_spool spool;
static struct rp_spooldir dir;
static char error[256];

static inline int open_dir(const char *path, uint32_t lanes)
{
    error[0] = '\0';
    return rp_spooldir_open(&dir, path, lanes, SEGMENT, error, sizeof error);
}

/* Names, lengths and octets of all files but the doorbell, as one number. */
static inline uint64_t hash_tree(int fd)
{
    uint64_t sum = 0;
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = fdopendir(copy);
    test_must(list != NULL, "fdopendir");
    for (const struct dirent *entry; (entry = readdir(list)) != NULL;) {
        struct stat status;
        const char *name = entry->d_name;
        test_must(fstatat(fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0, name);
        if (S_ISREG(status.st_mode) && strcmp(name, RP_SPOOL_DOORBELL_NAME) != 0) {
            int file = openat(fd, name, O_RDONLY | O_CLOEXEC);
            struct rp_reader_file_image image;
            test_must(file >= 0, name);
            test_must(rp_reader_file_load(file, (uint64_t)status.st_size, &image) == 0, name);
            uint64_t seed = rp_format_hash(name, strlen(name), image.len);
            sum += rp_format_hash(image.base, image.len, seed);
            rp_reader_file_unload(&image);
            (void)close(file);
        } else if (S_ISDIR(status.st_mode)) {
            sum += rp_format_hash(name, strlen(name), 1);
        }
    }
    (void)closedir(list);
    return sum;
}

static inline uint64_t hash_spool(const char *path)
{
    static const char *const names[] = {".", "big", "lane-000", "lane-001"};
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    test_must(fd >= 0, path);
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        int sub = openat(fd, names[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (sub >= 0) {
            sum = sum * 31 + hash_tree(sub);
            (void)close(sub);
        }
    }
    (void)close(fd);
    return sum;
}

static inline int count_fds(void)
{
    int count = 0;
    DIR *list = opendir("/proc/self/fd");
    test_must(list != NULL, "/proc/self/fd");
    while (readdir(list) != NULL) {
        count++;
    }
    (void)closedir(list);
    return count;
}

static inline void make_path(char path[64])
{
    (void)snprintf(path, 64, "%s/rp-dir-XXXXXX", test_base());
    test_must(mkdtemp(path) != NULL, "mkdtemp");
    test_must(rmdir(path) == 0, "rmdir");
}

#endif
