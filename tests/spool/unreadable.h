/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * unreadable.h - for tests: a disk that cannot read some octets of one file. Defines pread(2) for
 * the program that includes it, once.
 *
 *     test_unreadable_set(dir_fd, name, 8192, 4096);
 *     ...reads of these octets fail with EIO...
 *     test_unreadable_clear();
 */
#ifndef TESTS_SPOOL_UNREADABLE_H
#define TESTS_SPOOL_UNREADABLE_H

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
    uint64_t inode; /* 0: all can be read */
    uint64_t from;
    uint64_t to;
} test_unreadable;

ssize_t pread(int fd, void *ptr, size_t len, off_t off)
{
    struct stat status;
    if (test_unreadable.inode != 0 && (uint64_t)off < test_unreadable.to &&
        (uint64_t)off + len > test_unreadable.from && fstat(fd, &status) == 0 &&
        (uint64_t)status.st_ino == test_unreadable.inode) {
        errno = EIO;
        return -1;
    }
    return syscall(SYS_pread64, fd, ptr, len, off);
}

static inline void test_unreadable_set(int dir_fd, const char *name, uint64_t from, uint64_t len)
{
    struct stat status;
    int error = fstatat(dir_fd, name, &status, AT_SYMLINK_NOFOLLOW);
    assert(error == 0);
    test_unreadable.inode = (uint64_t)status.st_ino;
    test_unreadable.from = from;
    test_unreadable.to = from + len;
}

static inline void test_unreadable_clear(void)
{
    test_unreadable.inode = 0;
}

#endif
