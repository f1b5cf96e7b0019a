/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reader_file.c - the system calls of those who read a spool.
 */
#include "reader_file.h"

#include "format.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK (1u << 20) /* octets a read: large enough that the calls cost nothing */

static int open_regular(int dir_fd, const char *name, int mode, int *fd_out, uint64_t *len_out)
{
    int fd;
    do {
        fd = openat(dir_fd, name, mode | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        return -errno;
    }
    struct stat status;
    int error = fstat(fd, &status) != 0 ? -errno : 0;
    if (error == 0 && !S_ISREG(status.st_mode)) {
        error = S_ISDIR(status.st_mode) ? -EISDIR : -EINVAL;
    }
    if (error != 0) {
        (void)close(fd); /* it was only read */
        return error;
    }
    *fd_out = fd;
    *len_out = (uint64_t)status.st_size;
    return 0;
}

int rp_reader_file_open(int dir_fd, const char *name, int *fd_out, uint64_t *len_out)
{
    return open_regular(dir_fd, name, O_RDONLY, fd_out, len_out);
}

int rp_reader_file_open_dir(int dir_fd, const char *name, int *fd_out)
{
    int fd;
    do {
        fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        return errno == ELOOP ? -ENOTDIR : -errno;
    }
    *fd_out = fd;
    return 0;
}

int rp_reader_file_read(int fd, void *ptr, size_t len, uint64_t off, size_t *got_out)
{
    size_t got = 0;
    while (got < len) {
        ssize_t step = pread(fd, (uint8_t *)ptr + got, len - got, (off_t)(off + got));
        if (step < 0 && errno == EINTR) {
            continue;
        }
        if (step < 0) {
            return -errno;
        }
        if (step == 0) {
            break;
        }
        got += (size_t)step;
    }
    *got_out = got;
    return 0;
}

/* A part of the disk cannot be read: take what can be, in the smallest pieces that make sense. */
static void read_blocks(int fd, uint8_t *base, size_t len, uint64_t off)
{
    for (size_t at = 0; at < len; at += RP_SPOOL_BLOCK) {
        size_t want = len - at < RP_SPOOL_BLOCK ? len - at : RP_SPOOL_BLOCK;
        size_t got;
        if (rp_reader_file_read(fd, base + at, want, off + at, &got) != 0) {
            memset(base + at, 0, want);
        }
    }
}

static bool is_zero(const uint8_t *base, size_t len)
{
    return len == 0 || (base[0] == 0 && memcmp(base, base + 1, len - 1) == 0);
}

int rp_reader_file_load(int fd, uint64_t file_len, struct rp_reader_file_image *image_out)
{
    size_t len = file_len < RP_SPOOL_SEGMENT_MAX ? (size_t)file_len : (size_t)RP_SPOOL_SEGMENT_MAX;
    if (len == 0) {
        *image_out = (struct rp_reader_file_image){0};
        return 0;
    }
    void *base =
        mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) {
        return -errno;
    }
    struct rp_reader_file_image image = {.base = base, .len = len};
    for (size_t off = 0; off < len; off += CHUNK) {
        size_t want = len - off < CHUNK ? len - off : CHUNK;
        size_t got = 0;
        int error = rp_reader_file_read(fd, image.base + off, want, off, &got);
        if (error == -EIO) {
            read_blocks(fd, image.base + off, want, off);
        } else if (error != 0) {
            rp_reader_file_unload(&image);
            return error;
        }
        if (is_zero(image.base + off, want)) {
            /* Gives the pages back; they read as zeros again. Should it fail, they just stay. */
            (void)madvise(image.base + off, want, MADV_DONTNEED);
        }
    }
    *image_out = image;
    return 0;
}

void rp_reader_file_unload(struct rp_reader_file_image *image)
{
    if (image->base != NULL) {
        int error = munmap(image->base, image->len);
        assert(error == 0);
    }
    *image = (struct rp_reader_file_image){0};
}

int rp_reader_file_map(int dir_fd,
                       const char *name,
                       size_t len,
                       bool *is_writable_out,
                       void **map_out)
{
    int fd;
    uint64_t file_len;
    bool is_writable = true;
    int error = open_regular(dir_fd, name, O_RDWR, &fd, &file_len);
    if (error == -EACCES || error == -EROFS || error == -EPERM) {
        is_writable = false;
        error = open_regular(dir_fd, name, O_RDONLY, &fd, &file_len);
    }
    if (error != 0) {
        return error;
    }
    void *map = MAP_FAILED;
    if (file_len < len) {
        error = -EINVAL;
    } else {
        map = mmap(NULL, len, is_writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
        error = map == MAP_FAILED ? -errno : 0;
    }
    (void)close(fd); /* the mapping does without it */
    if (error == 0) {
        *is_writable_out = is_writable;
        *map_out = map;
    }
    return error;
}

int rp_reader_file_map_body(int dir_fd, const char *name, uint64_t len, const uint8_t **map_out)
{
    assert(len > 0);
    int fd;
    uint64_t file_len;
    int error = open_regular(dir_fd, name, O_RDONLY, &fd, &file_len);
    if (error != 0) {
        return error;
    }
    if (file_len != len) {
        error = -EBADMSG;
    } else {
        void *map = mmap(NULL, (size_t)len, PROT_READ, MAP_SHARED, fd, 0);
        if (map == MAP_FAILED) {
            error = -errno;
        } else {
            *map_out = map;
        }
    }
    (void)close(fd); /* the mapping does without it */
    return error;
}

void rp_reader_file_unmap_body(const uint8_t *map, uint64_t len)
{
    int error = munmap((void *)(uintptr_t)map, (size_t)len);
    assert(error == 0);
}

uint64_t rp_reader_file_mark(int dir_fd, const char *name)
{
    struct stat status;
    if (fstatat(dir_fd, name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
        return 0;
    }
    const uint64_t facts[] = {
        (uint64_t)status.st_ino,
        (uint64_t)status.st_size,
        (uint64_t)status.st_mtim.tv_sec,
        (uint64_t)status.st_mtim.tv_nsec,
    };
    return rp_format_hash(facts, sizeof facts, 0);
}

uint64_t rp_reader_file_inode(int dir_fd, const char *name)
{
    struct stat status;
    return fstatat(dir_fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0 ? (uint64_t)status.st_ino : 0;
}

uint64_t rp_reader_file_blocks(int dir_fd, const char *name)
{
    struct stat status;
    if (fstatat(dir_fd, name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
        return 0;
    }
    return (uint64_t)status.st_blocks * 512; /* its unit, whatever the file system's block is */
}

/* "f2a5c0de-..." : 32 digits, dashes between them. */
int rp_reader_file_boot_id(uint8_t boot_id_out[16])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    char text[64];
    size_t got = 0;
    int error = rp_reader_file_read(fd, text, sizeof text, 0, &got);
    (void)close(fd); /* it was only read */
    uint8_t id[16] = {0};
    size_t digits = 0;
    for (size_t i = 0; error == 0 && i < got && digits < 32; i++) {
        char c = text[i];
        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')) {
            int value = c <= '9' ? c - '0' : c - 'a' + 10;
            id[digits / 2] = (uint8_t)(id[digits / 2] << 4 | value);
            digits++;
        }
    }
    if (error != 0 || digits < 32) {
        return error != 0 ? error : -EINVAL;
    }
    memcpy(boot_id_out, id, sizeof id);
    return 0;
}

int rp_reader_file_list(int dir_fd, rp_reader_file_fn each, void *context)
{
    /* A descriptor of its own: the position of a shared one would be shared, too. */
    int fd;
    int error = rp_reader_file_open_dir(dir_fd, ".", &fd);
    if (error != 0) {
        return error;
    }
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        error = -errno;
        (void)close(fd); /* it was only read */
        return error;
    }
    while (error == 0) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (entry == NULL) {
            error = -errno;
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            error = each(context, entry->d_name);
        }
    }
    (void)closedir(dir); /* it was only read */
    return error;
}

struct numbers {
    uint64_t *list;
    size_t count;
    size_t cap;
};

static int add_segment(void *context, const char *name)
{
    struct numbers *numbers = context;
    uint64_t number;
    if (!rp_format_segment_name_parse(name, &number)) {
        return 0;
    }
    if (numbers->count == numbers->cap) {
        size_t cap = numbers->cap == 0 ? 64 : numbers->cap * 2;
        uint64_t *list = realloc(numbers->list, cap * sizeof *list);
        if (list == NULL) {
            return -ENOMEM;
        }
        numbers->list = list;
        numbers->cap = cap;
    }
    numbers->list[numbers->count++] = number;
    return 0;
}

static int compare_numbers(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

int rp_reader_file_segments(int lane_fd, uint64_t **numbers_out, size_t *count_out)
{
    struct numbers numbers = {0};
    int error = rp_reader_file_list(lane_fd, add_segment, &numbers);
    if (error != 0) {
        free(numbers.list);
        return error;
    }
    if (numbers.count > 0) {
        qsort(numbers.list, numbers.count, sizeof *numbers.list, compare_numbers);
    }
    *numbers_out = numbers.list;
    *count_out = numbers.count;
    return 0;
}
