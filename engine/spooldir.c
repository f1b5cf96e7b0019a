/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * spooldir.c - bring a spool's directory into the state that lanes can be written to: what is
 * of the whole spool. spooldir_lane.c recovers the lanes.
 *
 * Every step can be cut short by a crash, and the next start does it again with the same
 * result: what is in a segment is found by spool/survey.h without changing anything; a segment
 * is cut and synced before its index says where it ends; an index appears by rename; files go
 * last. What tells readers about all that, the doorbell, is not durable and need not be.
 */
#include "spooldir.h"

#include "spooldir_lane.h"

#include "spool/format.h"
#include "spool/reader_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define DIR_MODE   0750
#define FILE_MODE  0640
#define LOCK_NAME  "lock"
#define WRITE_OPEN (O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)

struct opening {
    struct rp_spooldir *dir;
    const char *path;
    char *error; /* the caller's line */
    size_t error_len;
    struct rp_spooldir_recovery recovery;
};

/* Say what is wrong with `name` in the spool (NULL: the spool itself); returns `error`. */
static int fail(struct opening *opening,
                int error,
                const char *name,
                const char *what,
                const char *advice)
{
    (void)snprintf(opening->error, opening->error_len, "%s%s%s: %s%s%s", opening->path,
                   name != NULL ? "/" : "", name != NULL ? name : "",
                   what != NULL ? what : strerrordesc_np(-error), advice != NULL ? "; " : "",
                   advice != NULL ? advice : "");
    return error;
}

static int fail_system(struct opening *opening, int error, const char *name)
{
    return fail(opening, error, name, NULL, NULL);
}

/* ---- writing ---- */

int rp_spooldir_sync(int fd)
{
    int result;
    do {
        result = fsync(fd);
    } while (result != 0 && errno == EINTR);
    return result == 0 ? 0 : -errno;
}

static int write_all(int fd, const void *ptr, size_t len, uint64_t off)
{
    size_t done = 0;
    while (done < len) {
        ssize_t step = pwrite(fd, (const uint8_t *)ptr + done, len - done, (off_t)(off + done));
        if (step < 0 && errno == EINTR) {
            continue;
        }
        if (step <= 0) {
            return step < 0 ? -errno : -EIO;
        }
        done += (size_t)step;
    }
    return 0;
}

int rp_spooldir_replace_file(int dir_fd,
                             const char *name,
                             const void *head,
                             size_t head_len,
                             const void *tail,
                             size_t tail_len)
{
    char temp[RP_FORMAT_FILE_NAME + sizeof RP_SPOOLDIR_TEMP];
    (void)snprintf(temp, sizeof temp, "%s%s", name, RP_SPOOLDIR_TEMP);
    int fd = openat(dir_fd, temp, WRITE_OPEN, FILE_MODE);
    if (fd < 0) {
        return -errno;
    }
    int error = write_all(fd, head, head_len, 0);
    if (error == 0) {
        error = write_all(fd, tail, tail_len, head_len);
    }
    if (error == 0) {
        error = rp_spooldir_sync(fd);
    }
    if (close(fd) != 0 && error == 0) {
        error = -errno;
    }
    if (error == 0 && renameat(dir_fd, temp, dir_fd, name) != 0) {
        error = -errno;
    }
    return error;
}

static int make_dir(int dir_fd, const char *name, int *fd_out)
{
    if (mkdirat(dir_fd, name, DIR_MODE) != 0 && errno != EEXIST) {
        return -errno;
    }
    return rp_reader_file_open_dir(dir_fd, name, fd_out);
}

/* ---- the directory, its lock and spool.meta ---- */

static int open_directory(struct opening *opening)
{
    struct rp_spooldir *dir = opening->dir;
    bool is_made = mkdir(opening->path, DIR_MODE) == 0;
    if (!is_made && errno != EEXIST) {
        return fail_system(opening, -errno, NULL);
    }
    dir->fd = open(opening->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir->fd < 0) {
        return fail_system(opening, -errno, NULL);
    }
    int parent;
    if (is_made && rp_reader_file_open_dir(dir->fd, "..", &parent) == 0) {
        int error = rp_spooldir_sync(parent);
        (void)close(parent); /* nothing was written through it */
        if (error != 0) {
            return fail_system(opening, error, "..");
        }
    }
    return 0;
}

struct foreign {
    char name[NAME_MAX + 1];
};

/* In a directory without spool.meta only what an interrupted start has made may be. */
static int look_foreign(void *context, const char *name)
{
    struct foreign *foreign = context;
    if (strcmp(name, LOCK_NAME) == 0 || strcmp(name, RP_SPOOL_META_NAME RP_SPOOLDIR_TEMP) == 0) {
        return 0;
    }
    (void)snprintf(foreign->name, sizeof foreign->name, "%s", name);
    return -EEXIST;
}

/* 0, or -ENOENT where there is none. */
static int read_meta(struct opening *opening, struct rp_spool_meta *meta_out)
{
    int fd;
    uint64_t len;
    int error = rp_reader_file_open(opening->dir->fd, RP_SPOOL_META_NAME, &fd, &len);
    if (error == -ENOENT) {
        return error;
    }
    if (error != 0) {
        return fail_system(opening, error, RP_SPOOL_META_NAME);
    }
    struct rp_spool_meta meta = {0};
    size_t got = 0;
    error = rp_reader_file_read(fd, &meta, sizeof meta, 0, &got);
    (void)close(fd); /* it was only read */
    if (error != 0) {
        return fail_system(opening, error, RP_SPOOL_META_NAME);
    }
    error = got < sizeof meta ? -EBADMSG : rp_format_meta_check(&meta);
    switch (error) {
    case 0: *meta_out = meta; return 0;
    case -EPROTONOSUPPORT:
        return fail(opening, error, NULL, "the spool is of a newer version",
                    "use the ringpost that made it, or newer");
    default:
        return fail(opening, -EBADMSG, RP_SPOOL_META_NAME, "it is damaged",
                    "bring it back from a copy");
    }
}

static int take_lock(struct opening *opening)
{
    struct rp_spooldir *dir = opening->dir;
    dir->lock_fd = openat(dir->fd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
    if (dir->lock_fd < 0) {
        return fail_system(opening, -errno, LOCK_NAME);
    }
    if (flock(dir->lock_fd, LOCK_EX | LOCK_NB) == 0) {
        return 0;
    }
    if (errno == EWOULDBLOCK) {
        return fail(opening, -EBUSY, NULL, "another daemon uses this spool",
                    "stop it, or give this one a directory of its own");
    }
    return fail_system(opening, -errno, LOCK_NAME);
}

/* Refuse what is no spool before anything is written into it. */
static int check_content(struct opening *opening)
{
    struct rp_spool_meta meta;
    int error = read_meta(opening, &meta);
    if (error != -ENOENT) {
        return error;
    }
    struct foreign foreign = {0};
    error = rp_reader_file_list(opening->dir->fd, look_foreign, &foreign);
    if (error == -EEXIST) {
        return fail(opening, error, foreign.name,
                    "this directory holds something else, it is no spool",
                    "give an empty or a new one");
    }
    return error == 0 ? 0 : fail_system(opening, error, NULL);
}

static int fill_meta(struct rp_spool_meta *meta)
{
    struct timespec now;
    *meta = (struct rp_spool_meta){
        .magic = RP_SPOOL_META_MAGIC,
        .version = RP_SPOOL_VERSION,
    };
    ssize_t got;
    do {
        got = getrandom(meta->identity, sizeof meta->identity, 0);
    } while (got < 0 && errno == EINTR);
    if (got != (ssize_t)sizeof meta->identity || clock_gettime(CLOCK_REALTIME, &now) != 0) {
        return got < 0 ? -errno : -EIO;
    }
    meta->created_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    return 0;
}

/* Read spool.meta, make it, or make it say what is wanted now; then the directories. */
static int settle_meta(struct opening *opening, uint32_t lanes, uint64_t segment_size)
{
    struct rp_spooldir *dir = opening->dir;
    struct rp_spool_meta meta;
    int error = read_meta(opening, &meta);
    bool is_new = error == -ENOENT;
    if (is_new) {
        error = fill_meta(&meta);
        if (error != 0) {
            return fail_system(opening, error, RP_SPOOL_META_NAME);
        }
    } else if (error != 0) {
        return error;
    }
    bool is_same = !is_new && meta.lane_count >= lanes && meta.segment_size == segment_size;
    if (!is_same) {
        meta.lane_count = meta.lane_count > lanes ? meta.lane_count : lanes;
        meta.segment_size = segment_size;
        rp_format_meta_seal(&meta);
        error = rp_spooldir_replace_file(dir->fd, RP_SPOOL_META_NAME, &meta, sizeof meta, NULL, 0);
    }
    if (error == 0) {
        error = make_dir(dir->fd, RP_SPOOL_BIG_NAME, &dir->big_fd);
    }
    for (uint32_t i = 0; error == 0 && i < meta.lane_count; i++) {
        char name[RP_FORMAT_LANE_NAME];
        rp_format_lane_name(i, name);
        error = make_dir(dir->fd, name, &dir->lanes[i].fd);
        if (error != 0) {
            return fail_system(opening, error, name);
        }
    }
    /* Also when nothing is new: a start that was cut short may have left it out. */
    if (error == 0) {
        error = rp_spooldir_sync(dir->fd);
    }
    if (error != 0) {
        return fail_system(opening, error, RP_SPOOL_META_NAME);
    }
    memcpy(dir->identity, meta.identity, sizeof dir->identity);
    dir->segment_size = segment_size;
    dir->lane_count = meta.lane_count;
    dir->report.is_new = is_new;
    return 0;
}

/* ---- lanes ---- */

static int settle_lanes(struct opening *opening)
{
    for (uint32_t i = 0; i < opening->dir->lane_count; i++) {
        int error = rp_spooldir_lane_recover(&opening->recovery, i);
        if (error != 0) {
            char name[RP_FORMAT_LANE_NAME];
            rp_format_lane_name(i, name);
            return fail_system(opening, error, name);
        }
    }
    int error = rp_spooldir_lane_clean_bigs(&opening->recovery);
    return error == 0 ? 0 : fail_system(opening, error, RP_SPOOL_BIG_NAME);
}

/* ---- the doorbell ---- */

static int map_doorbell(struct opening *opening)
{
    struct rp_spooldir *dir = opening->dir;
    const size_t len = sizeof *dir->doorbell;
    int fd = openat(dir->fd, RP_SPOOL_DOORBELL_NAME,
                    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, FILE_MODE);
    if (fd < 0) {
        return -errno;
    }
    /* With its blocks: a store into a hole of a full disk would kill us. */
    int error = -posix_fallocate(fd, 0, (off_t)len);
    void *map = MAP_FAILED;
    if (error == 0) {
        map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        error = map == MAP_FAILED ? -errno : 0;
    }
    (void)close(fd); /* the mapping does without it */
    if (error == 0) {
        dir->doorbell = map;
    }
    return error;
}

/* Readers may be looking: of the last run of this boot, or at one that does not count. */
static void fill_doorbell(struct rp_spooldir *dir, const uint8_t boot_id[16])
{
    struct rp_spool_doorbell *bell = dir->doorbell;
    bool is_of_this_boot = bell->magic == RP_SPOOL_DOORBELL_MAGIC &&
                           bell->version == RP_SPOOL_VERSION &&
                           memcmp(bell->boot_id, boot_id, sizeof bell->boot_id) == 0 &&
                           memcmp(bell->identity, dir->identity, sizeof bell->identity) == 0;
    if (!is_of_this_boot) {
        __atomic_store_n(&bell->magic, 0, __ATOMIC_SEQ_CST);
        bell->version = RP_SPOOL_VERSION;
        memcpy(bell->boot_id, boot_id, sizeof bell->boot_id);
        memcpy(bell->identity, dir->identity, sizeof bell->identity);
        __atomic_store_n(&bell->waiters, 0, __ATOMIC_RELAXED);
        memset(bell->reserved, 0, sizeof bell->reserved);
        memset(bell->lanes, 0, sizeof bell->lanes);
    }
    /* Who sees one of the new tails sees that the files are new ones, too. */
    __atomic_fetch_add(&bell->generation, 1, __ATOMIC_SEQ_CST);
    for (uint32_t i = 0; i < dir->lane_count; i++) {
        __atomic_store_n(&bell->lanes[i].tail, dir->lanes[i].next_sequence, __ATOMIC_RELEASE);
    }
    __atomic_store_n(&bell->lane_count, dir->lane_count, __ATOMIC_RELEASE);
    __atomic_store_n(&bell->magic, RP_SPOOL_DOORBELL_MAGIC, __ATOMIC_RELEASE);
    __atomic_fetch_add(&bell->ring, 1, __ATOMIC_SEQ_CST);
    (void)syscall(SYS_futex, &bell->ring, FUTEX_WAKE, INT_MAX, NULL, NULL, 0); /* nobody: fine */
}

static int settle_doorbell(struct opening *opening)
{
    uint8_t boot_id[16];
    int error = rp_reader_file_boot_id(boot_id);
    if (error != 0) {
        return fail(opening, error, RP_SPOOL_DOORBELL_NAME, NULL, "/proc must be mounted");
    }
    error = map_doorbell(opening);
    if (error != 0) {
        return fail_system(opening, error, RP_SPOOL_DOORBELL_NAME);
    }
    fill_doorbell(opening->dir, boot_id);
    return 0;
}

/* ---- open and close ---- */

static void close_fd(int fd)
{
    if (fd >= 0) {
        (void)close(fd); /* directories and the lock: nothing was written through it */
    }
}

static void release(struct rp_spooldir *dir)
{
    if (dir->doorbell != NULL) {
        int error = munmap(dir->doorbell, sizeof *dir->doorbell);
        assert(error == 0);
    }
    for (uint32_t i = 0; i < RP_SPOOL_LANES_MAX; i++) {
        close_fd(dir->lanes[i].fd);
    }
    close_fd(dir->big_fd);
    close_fd(dir->lock_fd);
    close_fd(dir->fd);
    *dir = (struct rp_spooldir){0};
}

static int check_arguments(struct opening *opening, uint32_t lanes, uint64_t segment_size)
{
    if (lanes == 0 || lanes > RP_SPOOL_LANES_MAX) {
        return fail(opening, -EINVAL, NULL, "too many workers", "a spool has 1 to 255 lanes");
    }
    if (segment_size < RP_SPOOL_SEGMENT_MIN || segment_size > RP_SPOOL_SEGMENT_MAX ||
        segment_size % RP_SPOOL_BLOCK != 0) {
        return fail(opening, -EINVAL, NULL, "no such segment size",
                    "give 1mb to 1gb, a multiple of 4kb");
    }
    return 0;
}

int rp_spooldir_open(struct rp_spooldir *dir,
                     const char *path,
                     uint32_t lanes,
                     uint64_t segment_size,
                     char *error,
                     size_t error_len)
{
    assert(error_len > 0);
    *dir = (struct rp_spooldir){.fd = -1, .big_fd = -1, .lock_fd = -1};
    for (uint32_t i = 0; i < RP_SPOOL_LANES_MAX; i++) {
        dir->lanes[i].fd = -1;
    }
    struct opening opening = {
        .dir = dir, .path = path, .error = error, .error_len = error_len, .recovery = {.dir = dir}};
    int result = check_arguments(&opening, lanes, segment_size);
    if (result == 0) {
        result = open_directory(&opening);
    }
    if (result == 0) {
        result = check_content(&opening);
    }
    if (result == 0) {
        result = take_lock(&opening);
    }
    /* Once more under the lock: another daemon may have been making the spool. */
    if (result == 0) {
        result = check_content(&opening);
    }
    if (result == 0) {
        result = settle_meta(&opening, lanes, segment_size);
    }
    if (result == 0) {
        result = settle_lanes(&opening);
    }
    if (result == 0) {
        result = settle_doorbell(&opening);
    }
    free(opening.recovery.bigs);
    if (result != 0) {
        release(dir);
    }
    return result;
}

void rp_spooldir_close(struct rp_spooldir *dir)
{
    /* Zeroed: its descriptors would be standard input. */
    if (dir->doorbell != NULL) {
        release(dir);
    }
}
