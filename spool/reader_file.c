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
#include <time.h>
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

/* What a failing disk, or one that is going away, says to a read. */
static bool is_disk_error(int error)
{
    return error == -EIO || error == -ENODATA || error == -EUCLEAN || error == -EREMOTEIO ||
           error == -EBADMSG;
}

/* pread(2), not interrupted: octets, or -errno. */
static ssize_t read_once(int fd, void *ptr, size_t len, uint64_t off)
{
    ssize_t got;
    do {
        got = pread(fd, ptr, len, (off_t)off);
    } while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

/*
 * The page cache reads more than it was asked for, and gives none of it where the disk cannot read
 * a part. So look at the block itself, past the cache. As read_once, but not beyond the block.
 */
static ssize_t read_past_cache(int fd, void *ptr, size_t len, uint64_t off)
{
    static _Thread_local uint8_t block[RP_SPOOL_BLOCK] __attribute__((aligned(RP_SPOOL_BLOCK)));
    const size_t skip = off % RP_SPOOL_BLOCK;
    const int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_DIRECT) != 0) {
        return -EIO; /* a file system that cannot: what it said before holds */
    }
    ssize_t got = read_once(fd, block, sizeof block, off - skip);
    (void)fcntl(fd, F_SETFL, flags); /* as it was: cannot fail where the other did not */
    if (got < 0) {
        return -EIO;
    }
    size_t there = (size_t)got > skip ? (size_t)got - skip : 0;
    there = there < len ? there : len;
    memcpy(ptr, block + skip, there);
    return (ssize_t)there;
}

int rp_reader_file_read(int fd, void *ptr, size_t len, uint64_t off, size_t *got_out)
{
    size_t got = 0;
    bool is_failing = false; /* the disk: block by block, then */
    while (got < len) {
        uint8_t *place = (uint8_t *)ptr + got;
        ssize_t step = is_failing ? read_past_cache(fd, place, len - got, off + got)
                                  : read_once(fd, place, len - got, off + got);
        if (!is_failing && is_disk_error((int)step)) {
            is_failing = true;
            continue;
        }
        if (step < 0) {
            return (int)step;
        }
        if (step == 0) {
            break;
        }
        got += (size_t)step;
    }
    *got_out = got;
    return 0;
}

/* A part of the disk cannot be read: take what can be, block by block, and mark the others. */
static int read_blocks(int fd, struct rp_reader_file_image *image, size_t off, size_t len)
{
    if (image->is_unreadable == NULL) {
        image->is_unreadable =
            calloc(image->len / RP_SPOOL_BLOCK + 1, sizeof *image->is_unreadable);
        if (image->is_unreadable == NULL) {
            return -ENOMEM;
        }
    }
    for (size_t at = off; at < off + len; at += RP_SPOOL_BLOCK) {
        size_t left = off + len - at;
        size_t want = left < RP_SPOOL_BLOCK ? left : RP_SPOOL_BLOCK;
        size_t got;
        if (rp_reader_file_read(fd, image->base + at, want, at, &got) != 0) {
            memset(image->base + at, 0, want);
            image->is_unreadable[at / RP_SPOOL_BLOCK] = true;
        }
    }
    return 0;
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
        if (is_disk_error(error)) {
            error = read_blocks(fd, &image, off, want);
        }
        if (error != 0) {
            rp_reader_file_unload(&image);
            return error;
        }
        if (rp_format_is_zero(image.base + off, want)) {
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
    free(image->is_unreadable);
    *image = (struct rp_reader_file_image){0};
}

int rp_reader_file_map(int dir_fd,
                       const char *name,
                       size_t len,
                       bool *is_writable_out,
                       void **map_out)
{
    int fd = -1;
    uint64_t file_len = 0;
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

int rp_reader_file_map_body(int fd, uint64_t len, const uint8_t **map_out)
{
    assert(len > 0);
    void *map = mmap(NULL, (size_t)len, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        return -errno;
    }
    *map_out = map;
    return 0;
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

int64_t rp_reader_file_age_ns(int dir_fd, const char *name)
{
    struct stat status;
    struct timespec now;
    if (fstatat(dir_fd, name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
        clock_gettime(CLOCK_REALTIME, &now) != 0) {
        return 0;
    }
    int64_t age =
        (now.tv_sec - status.st_mtim.tv_sec) * 1000000000ll + now.tv_nsec - status.st_mtim.tv_nsec;
    return age < 0 ? -age : age;
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
    int fd = -1;
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
    if (!rp_format_segment_name_parse(name, &number) &&
        !rp_format_index_name_parse(name, &number)) {
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
    size_t count = 0;
    if (numbers.count > 0) {
        qsort(numbers.list, numbers.count, sizeof *numbers.list, compare_numbers);
    }
    for (size_t i = 0; i < numbers.count; i++) {
        if (count == 0 || numbers.list[count - 1] != numbers.list[i]) {
            numbers.list[count++] = numbers.list[i]; /* each may be there as segment and index */
        }
    }
    *numbers_out = numbers.list;
    *count_out = count;
    return 0;
}

bool rp_reader_file_is_gone(int error)
{
    switch (-error) {
    case ENOENT:
    case EISDIR:
    case ELOOP:
    case EINVAL:
    case ENXIO:
    case ENODEV: return true;
    default: return false;
    }
}

bool rp_reader_file_is_locked(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}
