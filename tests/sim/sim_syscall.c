/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_syscall.c - see sim_syscall.h: wrappers of libc's functions.
 */
#include "sim_syscall.h"

#include "sim_random.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK    4096u
#define NAME_LEN 64

struct spoilt {
    char name[NAME_LEN];
    uint64_t block;
};

static struct {
    struct sim_random random;
    struct sim_syscall_faults faults;
    bool is_armed;
    uint64_t calls;
    struct spoilt *spoilt;
    size_t spoilt_count;
} calls;

void sim_syscall_arm(uint64_t seed, const struct sim_syscall_faults *faults)
{
    static const struct sim_syscall_faults none = {0};
    calls.random = sim_random_from(seed, "syscall");
    calls.faults = faults != NULL ? *faults : none;
    calls.calls = 0;
    calls.is_armed = true;
}

void sim_syscall_disarm(void)
{
    calls.is_armed = false;
}

void sim_syscall_spoil(const char *name, uint64_t block)
{
    calls.spoilt = reallocarray(calls.spoilt, calls.spoilt_count + 1, sizeof(*calls.spoilt));
    assert(calls.spoilt != NULL && strlen(name) < NAME_LEN);
    struct spoilt *spoilt = &calls.spoilt[calls.spoilt_count++];
    *spoilt = (struct spoilt){.block = block};
    (void)snprintf(spoilt->name, sizeof(spoilt->name), "%s", name);
}

void sim_syscall_heal(void)
{
    free(calls.spoilt);
    calls.spoilt = NULL;
    calls.spoilt_count = 0;
}

/* ---- blocks that cannot be read ---- */

/* The index of a spoilt block of that file in [off, off + len); spoilt_count: there is none. */
static size_t find_spoilt(int fd, size_t len, off_t off)
{
    char link[64];
    char path[512] = "";
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t path_len = calls.spoilt_count > 0 ? readlink(link, path, sizeof(path) - 1) : 0;
    for (size_t i = 0; path_len > 0 && i < calls.spoilt_count; i++) {
        const struct spoilt *spoilt = &calls.spoilt[i];
        size_t name_len = strlen(spoilt->name);
        uint64_t from = spoilt->block * BLOCK;
        bool is_it = (size_t)path_len > name_len &&
                     strcmp(path + (size_t)path_len - name_len, spoilt->name) == 0;
        if (is_it && from < (uint64_t)off + len && (uint64_t)off < from + BLOCK) {
            return i;
        }
    }
    return calls.spoilt_count;
}

/* ---- calls that fail by chance ---- */

/* Whether this call is to fail; errno is set. */
static bool fails(uint32_t ppm)
{
    static const int errors[] = {EIO, ENOSPC, EMFILE, EINTR};
    if (!calls.is_armed) {
        return false;
    }
    calls.calls++;
    bool is_dead = calls.faults.dead_after != 0 && calls.calls > calls.faults.dead_after;
    if (is_dead || sim_random_chance(&calls.random, ppm)) {
        errno = is_dead ? EIO : errors[sim_random_below(&calls.random, 4)];
        return true;
    }
    return false;
}

/* The names are the linker's. */
/* clang-format off */
ssize_t __real_pread64(int fd, void *ptr, size_t len, off_t off);
ssize_t __wrap_pread64(int fd, void *ptr, size_t len, off_t off);
ssize_t __real_pwrite64(int fd, const void *ptr, size_t len, off_t off);
ssize_t __wrap_pwrite64(int fd, const void *ptr, size_t len, off_t off);
int __real_openat64(int dir_fd, const char *name, int flags, ...);
int __wrap_openat64(int dir_fd, const char *name, int flags, ...);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __real_unlinkat(int dir_fd, const char *name, int flags);
int __wrap_unlinkat(int dir_fd, const char *name, int flags);
int __real_ftruncate64(int fd, off_t len);
int __wrap_ftruncate64(int fd, off_t len);
int __real_fallocate64(int fd, int mode, off_t off, off_t len);
int __wrap_fallocate64(int fd, int mode, off_t off, off_t len);
int __real_mkdirat(int dir_fd, const char *name, mode_t mode);
int __wrap_mkdirat(int dir_fd, const char *name, mode_t mode);
/* clang-format on */

ssize_t __wrap_pread64(int fd, void *ptr, size_t len, off_t off)
{
    if (calls.is_armed && find_spoilt(fd, len, off) < calls.spoilt_count) {
        errno = EIO;
        return -1;
    }
    if (calls.is_armed && sim_random_chance(&calls.random, calls.faults.read_error_ppm)) {
        errno = EIO;
        return -1;
    }
    return fails(0) ? -1 : __real_pread64(fd, ptr, len, off);
}

ssize_t __wrap_pwrite64(int fd, const void *ptr, size_t len, off_t off)
{
    if (fails(calls.faults.call_error_ppm)) {
        return -1;
    }
    size_t i;
    while ((i = find_spoilt(fd, len, off)) < calls.spoilt_count) {
        calls.spoilt[i] = calls.spoilt[--calls.spoilt_count]; /* the disk has better ones */
    }
    return __real_pwrite64(fd, ptr, len, off);
}

int __wrap_openat64(int dir_fd, const char *name, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    return fails(calls.faults.call_error_ppm) ? -1 : __real_openat64(dir_fd, name, flags, mode);
}

int __wrap_fsync(int fd)
{
    return fails(calls.faults.call_error_ppm) ? -1 : __real_fsync(fd);
}

int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    return fails(calls.faults.call_error_ppm) ? -1 : __real_renameat(from_fd, from, to_fd, to);
}

int __wrap_unlinkat(int dir_fd, const char *name, int flags)
{
    return fails(calls.faults.call_error_ppm) ? -1 : __real_unlinkat(dir_fd, name, flags);
}

int __wrap_ftruncate64(int fd, off_t len)
{
    return fails(calls.faults.call_error_ppm) ? -1 : __real_ftruncate64(fd, len);
}

int __wrap_fallocate64(int fd, int mode, off_t off, off_t len)
{
    return fails(calls.faults.call_error_ppm) ? -1 : __real_fallocate64(fd, mode, off, len);
}

int __wrap_mkdirat(int dir_fd, const char *name, mode_t mode)
{
    return fails(calls.faults.call_error_ppm) ? -1 : __real_mkdirat(dir_fd, name, mode);
}
