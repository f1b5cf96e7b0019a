/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * states_files.c - see states_files.h.
 *
 * A descriptor of ours is a number far above those of the system; closing one does nothing.
 */
#include "states_files.h"

#include "spool/format.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FD_ROOT = 1 << 28,
    FD_LANE,
    FD_BIG,
    FD_BOOT, /* the boot's id */
    FD_FILE, /* the first of the images */
};

#define POOL_COUNT 4u
#define POOL_LEN   STATES_SEGMENT_LEN

static const struct states_disk *shown;
/* Images of segments come and go with every state: these stay, so that no page is faulted in. */
static struct {
    uint8_t *base;
    bool is_used;
} pool[POOL_COUNT];
/* A directory that is listed; one at a time. */
static struct {
    int fd;
    uint32_t next;
    struct dirent64 entry;
} listing;

void states_files_show(const struct states_disk *disk)
{
    shown = disk;
}

/* What the linker makes of the library's calls, and the functions behind them. */
int __real_open64(const char *path, int flags, ...);
int __real_openat64(int dir_fd, const char *name, int flags, ...);
int __real_fstat64(int fd, struct stat64 *status);
int __real_fstatat64(int dir_fd, const char *name, struct stat64 *status, int flags);
ssize_t __real_pread64(int fd, void *ptr, size_t len, off64_t off);
int __real_close(int fd);
int __real_fcntl64(int fd, int command, ...);
void *__real_mmap64(void *place, size_t len, int protection, int flags, int fd, off64_t off);
int __real_munmap(void *base, size_t len);
int __real_madvise(void *base, size_t len, int advice);
DIR *__real_fdopendir(int fd);
struct dirent64 *__real_readdir64(DIR *dir);
int __real_closedir(DIR *dir);

int __wrap_open64(const char *path, int flags, ...);
int __wrap_openat64(int dir_fd, const char *name, int flags, ...);
int __wrap_fstat64(int fd, struct stat64 *status);
int __wrap_fstatat64(int dir_fd, const char *name, struct stat64 *status, int flags);
ssize_t __wrap_pread64(int fd, void *ptr, size_t len, off64_t off);
int __wrap_close(int fd);
int __wrap_fcntl64(int fd, int command, ...);
void *__wrap_mmap64(void *place, size_t len, int protection, int flags, int fd, off64_t off);
int __wrap_munmap(void *base, size_t len);
int __wrap_madvise(void *base, size_t len, int advice);
DIR *__wrap_fdopendir(int fd);
struct dirent64 *__wrap_readdir64(DIR *dir);
int __wrap_closedir(DIR *dir);

/* ---- names ---- */

static int fail(int error)
{
    errno = error;
    return -1;
}

static bool is_ours(int fd)
{
    return fd >= FD_ROOT;
}

static int dir_of(enum states_file_kind kind)
{
    return kind == STATES_META || kind == STATES_BELL ? FD_ROOT
           : kind == STATES_BIG                       ? FD_BIG
                                                      : FD_LANE;
}

static void name_of(const struct states_file *file, char name[RP_FORMAT_FILE_NAME])
{
    switch (file->kind) {
    case STATES_META: memcpy(name, RP_SPOOL_META_NAME, sizeof RP_SPOOL_META_NAME); break;
    case STATES_BELL: memcpy(name, RP_SPOOL_DOORBELL_NAME, sizeof RP_SPOOL_DOORBELL_NAME); break;
    case STATES_SEGMENT: rp_format_segment_name(file->number, name); break;
    case STATES_INDEX: rp_format_index_name(file->number, name); break;
    case STATES_BIG: rp_format_big_name(0, file->number, name); break;
    }
}

/* The descriptor of a name, or -1. */
static int find(int dir_fd, const char *name)
{
    if (strcmp(name, ".") == 0) {
        return dir_fd;
    }
    if (dir_fd == FD_ROOT && strcmp(name, "lane-000") == 0) {
        return FD_LANE;
    }
    if (dir_fd == FD_ROOT && strcmp(name, RP_SPOOL_BIG_NAME) == 0) {
        return FD_BIG;
    }
    for (uint32_t i = 0; i < shown->history->file_count; i++) {
        char own[RP_FORMAT_FILE_NAME];
        const struct states_file *file = &shown->history->files[i];
        if (shown->images[i].exists && dir_of(file->kind) == dir_fd) {
            name_of(file, own);
            if (strcmp(own, name) == 0) {
                return FD_FILE + (int)i;
            }
        }
    }
    return -1;
}

static const struct states_image *image_of(int fd)
{
    return &shown->images[fd - FD_FILE];
}

/* ---- the calls ---- */

int __wrap_open64(const char *path, int flags, ...)
{
    if (shown != NULL && strcmp(path, STATES_FILES_ROOT) == 0) {
        return FD_ROOT;
    }
    if (shown != NULL && strcmp(path, "/proc/sys/kernel/random/boot_id") == 0) {
        return FD_BOOT;
    }
    va_list list;
    va_start(list, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(list, mode_t) : 0;
    va_end(list);
    return __real_open64(path, flags, mode);
}

int __wrap_openat64(int dir_fd, const char *name, int flags, ...)
{
    if (is_ours(dir_fd)) {
        int fd = find(dir_fd, name);
        return fd >= 0 ? fd : fail(ENOENT);
    }
    va_list list;
    va_start(list, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(list, mode_t) : 0;
    va_end(list);
    return __real_openat64(dir_fd, name, flags, mode);
}

static void fill_status(int fd, struct stat64 *status)
{
    memset(status, 0, sizeof *status);
    status->st_ino = (ino64_t)fd;
    status->st_mode = fd >= FD_FILE || fd == FD_BOOT ? S_IFREG | 0600 : S_IFDIR | 0700;
    status->st_size = fd >= FD_FILE ? (off64_t)image_of(fd)->len : 0;
}

int __wrap_fstat64(int fd, struct stat64 *status)
{
    if (!is_ours(fd)) {
        return __real_fstat64(fd, status);
    }
    fill_status(fd, status);
    return 0;
}

int __wrap_fstatat64(int dir_fd, const char *name, struct stat64 *status, int flags)
{
    if (!is_ours(dir_fd)) {
        return __real_fstatat64(dir_fd, name, status, flags);
    }
    int fd = find(dir_fd, name);
    if (fd < 0) {
        return fail(ENOENT);
    }
    fill_status(fd, status);
    return 0;
}

/* As the kernel does: what is before a block that cannot be read, then the error. */
static ssize_t read_image(const struct states_image *image, void *ptr, size_t len, uint64_t off)
{
    if (off >= image->len) {
        return 0;
    }
    len = len < image->len - off ? len : (size_t)(image->len - off);
    for (uint64_t at = off; image->has_unreadable && at < off + len;
         at = (at / RP_SPOOL_BLOCK + 1) * RP_SPOOL_BLOCK) {
        if (image->unreadable[at / RP_SPOOL_BLOCK]) {
            if (at == off) {
                return fail(EIO);
            }
            len = (size_t)(at - off);
        }
    }
    memcpy(ptr, image->base + off, len);
    return (ssize_t)len;
}

ssize_t __wrap_pread64(int fd, void *ptr, size_t len, off64_t off)
{
    static const char boot_id[] = "00000000-0000-4000-8000-000000000001\n";
    if (!is_ours(fd)) {
        return __real_pread64(fd, ptr, len, off);
    }
    if (fd == FD_BOOT) {
        size_t left = (size_t)off < sizeof boot_id - 1 ? sizeof boot_id - 1 - (size_t)off : 0;
        len = len < left ? len : left;
        memcpy(ptr, boot_id + off, len);
        return (ssize_t)len;
    }
    return read_image(image_of(fd), ptr, len, (uint64_t)off);
}

int __wrap_close(int fd)
{
    return is_ours(fd) ? 0 : __real_close(fd);
}

int __wrap_fcntl64(int fd, int command, ...)
{
    va_list list;
    va_start(list, command);
    void *argument = va_arg(list, void *);
    va_end(list);
    if (is_ours(fd) && command == F_OFD_GETLK) {
        ((struct flock *)argument)->l_type = F_UNLCK; /* no daemon is at work */
        return 0;
    }
    return __real_fcntl64(fd, command, argument);
}

void *__wrap_mmap64(void *place, size_t len, int protection, int flags, int fd, off64_t off)
{
    if (is_ours(fd)) {
        return image_of(fd)->base + off;
    }
    for (size_t i = 0; fd < 0 && len <= POOL_LEN && shown != NULL && i < POOL_COUNT; i++) {
        if (!pool[i].is_used) {
            pool[i].base = pool[i].base != NULL ? pool[i].base : malloc(POOL_LEN);
            assert(pool[i].base != NULL);
            pool[i].is_used = true;
            return pool[i].base;
        }
    }
    return __real_mmap64(place, len, protection, flags, fd, off);
}

/* 1: of the pool; 2: an image; 0: not ours. */
static int owner_of(const uint8_t *base, size_t *slot_out)
{
    for (size_t i = 0; i < POOL_COUNT; i++) {
        if (pool[i].base != NULL && base >= pool[i].base && base < pool[i].base + POOL_LEN) {
            *slot_out = i;
            return 1;
        }
    }
    for (uint32_t i = 0; shown != NULL && i < shown->history->file_count; i++) {
        const struct states_image *image = &shown->images[i];
        if (base >= image->base && base < image->base + image->cap) {
            return 2;
        }
    }
    return 0;
}

int __wrap_munmap(void *base, size_t len)
{
    size_t slot;
    int owner = owner_of(base, &slot);
    if (owner == 1) {
        pool[slot].is_used = false;
    }
    return owner != 0 ? 0 : __real_munmap(base, len);
}

int __wrap_madvise(void *base, size_t len, int advice)
{
    size_t slot;
    return owner_of(base, &slot) != 0 ? 0 : __real_madvise(base, len, advice);
}

DIR *__wrap_fdopendir(int fd)
{
    if (!is_ours(fd)) {
        return __real_fdopendir(fd);
    }
    listing.fd = fd;
    listing.next = 0;
    return (DIR *)(void *)&listing;
}

struct dirent64 *__wrap_readdir64(DIR *dir)
{
    if ((void *)dir != (void *)&listing) {
        return __real_readdir64(dir);
    }
    while (listing.next < shown->history->file_count) {
        uint32_t i = listing.next++;
        const struct states_file *file = &shown->history->files[i];
        if (shown->images[i].exists && dir_of(file->kind) == listing.fd) {
            name_of(file, listing.entry.d_name);
            return &listing.entry;
        }
    }
    return NULL;
}

int __wrap_closedir(DIR *dir)
{
    return (void *)dir == (void *)&listing ? 0 : __real_closedir(dir);
}

/* ---- a real directory ---- */

static int write_file(int dir_fd, const char *name, const struct states_image *image)
{
    int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return -errno;
    }
    int error = ftruncate(fd, (off_t)image->len) != 0 ? -errno : 0;
    for (size_t at = 0; error == 0 && at < image->len; at += RP_SPOOL_BLOCK) {
        size_t len = image->len - at < RP_SPOOL_BLOCK ? image->len - at : RP_SPOOL_BLOCK;
        if (!rp_format_is_zero(image->base + at, len) &&
            pwrite(fd, image->base + at, len, (off_t)at) != (ssize_t)len) {
            error = errno != 0 ? -errno : -EIO;
        }
    }
    return close(fd) != 0 && error == 0 ? -errno : error;
}

int states_files_write(const struct states_disk *disk, int dir_fd)
{
    static const char *const dirs[] = {"lane-000", RP_SPOOL_BIG_NAME};
    int fds[2];
    for (size_t i = 0; i < 2; i++) {
        if (mkdirat(dir_fd, dirs[i], 0700) != 0) {
            return -errno;
        }
        fds[i] = openat(dir_fd, dirs[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert(fds[i] >= 0);
    }
    int error = 0;
    for (uint32_t i = 0; error == 0 && i < disk->history->file_count; i++) {
        const struct states_file *file = &disk->history->files[i];
        char name[RP_FORMAT_FILE_NAME];
        name_of(file, name);
        int dir = dir_of(file->kind);
        if (disk->images[i].exists) {
            error =
                write_file(dir == FD_ROOT ? dir_fd : fds[dir == FD_BIG], name, &disk->images[i]);
        }
    }
    (void)close(fds[0]); /* they were only read */
    (void)close(fds[1]);
    return error;
}

static void empty_dir(int parent_fd, const char *name)
{
    int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        (void)unlinkat(dirfd(dir), entry->d_name, 0);
    }
    if (dir != NULL) {
        (void)closedir(dir); /* it was only read */
    }
}

void states_files_remove(int dir_fd)
{
    static const char *const dirs[] = {"lane-000", RP_SPOOL_BIG_NAME};
    for (size_t i = 0; i < 2; i++) {
        empty_dir(dir_fd, dirs[i]);
        (void)unlinkat(dir_fd, dirs[i], AT_REMOVEDIR);
    }
    empty_dir(dir_fd, ".");
}
