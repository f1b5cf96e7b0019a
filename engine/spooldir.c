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

#include "spooldir_bell.h"
#include "spooldir_lane.h"

#include "spool/format.h"
#include "spool/meta.h"
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
#define META_TEMP  RP_SPOOL_META_NAME ".tmp"
#define WRITE_OPEN (O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)

struct opening {
    struct rp_spooldir *dir;
    const char *path;
    char *error; /* the caller's line */
    size_t error_len;
    uint8_t boot_id[16];
    struct rp_spool_meta meta; /* what spool.meta says, or the other files in its place */
    bool is_new;               /* there is none, nor anything else */
    bool is_meta_damaged;
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

static void close_fd(int fd)
{
    if (fd >= 0) {
        (void)close(fd); /* directories, and spool.meta, which is synced */
    }
}

int rp_spooldir_sync(int fd)
{
    int result;
    do {
        result = fsync(fd);
    } while (result != 0 && errno == EINTR);
    return result == 0 ? 0 : -errno;
}

int rp_spooldir_write(int fd, const void *ptr, size_t len, uint64_t off)
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

static int make_dir(int dir_fd, const char *name, int *fd_out)
{
    if (mkdirat(dir_fd, name, DIR_MODE) != 0 && errno != EEXIST) {
        return -errno;
    }
    return rp_reader_file_open_dir(dir_fd, name, fd_out);
}

/* ---- the directory, its locks and spool.meta ---- */

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
    if (strcmp(name, META_TEMP) == 0) {
        return 0;
    }
    (void)snprintf(foreign->name, sizeof foreign->name, "%s", name);
    return -EEXIST;
}

/* 0, or -ENOENT where there is none, and nothing that says what it was. */
static int read_meta(struct opening *opening, struct rp_spool_meta *meta_out, bool *is_damaged_out)
{
    int error = rp_meta_load(opening->dir->fd, meta_out, is_damaged_out);
    switch (error) {
    case 0:
    case -ENOENT: return error;
    case -EPROTONOSUPPORT:
        return fail(opening, error, NULL, "the spool is of another version",
                    "use the ringpost that made it");
    case -EBADMSG:
    case -EINVAL:
        return fail(opening, -EBADMSG, RP_SPOOL_META_NAME, "it is damaged",
                    "bring it back from a copy");
    default: return fail_system(opening, error, RP_SPOOL_META_NAME);
    }
}

static int fail_busy(struct opening *opening)
{
    return fail(opening, -EBUSY, NULL, "another daemon uses this spool",
                "stop it, or give this one a directory of its own");
}

/* The directory is what cannot be swapped away under a daemon. */
static int lock_directory(struct opening *opening)
{
    if (flock(opening->dir->fd, LOCK_EX | LOCK_NB) == 0) {
        return 0;
    }
    switch (errno) {
    case EWOULDBLOCK: return fail_busy(opening);
    case EBADF:
    case EINVAL:
    case EOPNOTSUPP:
    case ENOSYS:
    case ENOLCK: return 0; /* a file system that locks no directories: spool.meta is locked, too */
    default: return fail_system(opening, -errno, NULL);
    }
}

/* Refuse what is no spool before anything is written into it. */
static int check_content(struct opening *opening)
{
    int error = read_meta(opening, &opening->meta, &opening->is_meta_damaged);
    opening->is_new = error == -ENOENT;
    if (!opening->is_new) {
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

/*
 * All that spool.meta says, where it belongs in `fd`. Of the lanes: numbers and sequences as they
 * are from now on, also for a start that finds no files any more; before they are recovered,
 * nothing.
 */
static int write_meta_to(const struct opening *opening, int fd)
{
    const struct rp_spooldir *dir = opening->dir;
    int error = rp_spooldir_write(fd, &opening->meta, sizeof opening->meta, 0);
    for (uint32_t i = 0; error == 0 && i < dir->lane_count; i++) {
        const struct rp_spooldir_lane *lane = &dir->lanes[i];
        struct rp_spool_lane_meta meta = {
            .lane = i,
            .next_segment = lane->next_segment,
            .next_sequence = lane->next_sequence - lane->skipped,
            .created_ns = dir->created_ns,
        };
        memcpy(meta.identity, dir->identity, sizeof meta.identity);
        rp_format_lane_meta_seal(&meta);
        if (lane->next_segment > 0) {
            error = rp_spooldir_write(fd, &meta, sizeof meta, RP_SPOOL_LANE_META_OFF(i));
        }
    }
    return error == 0 ? rp_spooldir_sync(fd) : error;
}

static int lock_file(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_OFD_SETLK, &lock) == 0 ? 0 : -errno;
}

/*
 * A file with all of opening->meta, and what there is to say of the lanes, in the place of the one
 * that is there, if any: by a temporary file, which has the lock before anybody sees it.
 * *lock_fd_out is that.
 */
static int replace_meta(const struct opening *opening, int *lock_fd_out)
{
    const struct rp_spooldir *dir = opening->dir;
    int fd = openat(dir->fd, META_TEMP, WRITE_OPEN, FILE_MODE);
    if (fd < 0) {
        return -errno;
    }
    int error = lock_file(fd);
    if (error == 0 && ftruncate(fd, (off_t)RP_SPOOL_META_LEN) != 0) {
        error = -errno;
    }
    if (error == 0) {
        error = write_meta_to(opening, fd);
    }
    if (error == 0 && renameat(dir->fd, META_TEMP, dir->fd, RP_SPOOL_META_NAME) != 0) {
        error = -errno;
    }
    if (error != 0) {
        (void)close(fd); /* nobody wants it any more */
        return error;
    }
    *lock_fd_out = fd;
    return 0;
}

static int open_meta(struct opening *opening, int *fd_out)
{
    *fd_out = openat(opening->dir->fd, RP_SPOOL_META_NAME, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    return *fd_out >= 0 ? 0 : fail_system(opening, -errno, RP_SPOOL_META_NAME);
}

/* Make spool.meta where there is none; lock it. It is written when the lanes are known. */
static int settle_meta(struct opening *opening, uint32_t lanes, uint64_t segment_size)
{
    struct rp_spooldir *dir = opening->dir;
    struct rp_spool_meta *meta = &opening->meta;
    int error = opening->is_new ? fill_meta(meta) : 0;
    if (error != 0) {
        return fail_system(opening, error, RP_SPOOL_META_NAME);
    }
    meta->lane_count = meta->lane_count > lanes ? meta->lane_count : lanes;
    meta->segment_size = segment_size;
    rp_format_meta_seal(meta);
    memcpy(dir->identity, meta->identity, sizeof dir->identity);
    dir->created_ns = meta->created_ns;
    dir->segment_size = segment_size;
    dir->lane_count = meta->lane_count;
    dir->report.is_new = opening->is_new;
    dir->report.is_meta_rebuilt = opening->is_meta_damaged && !opening->is_new;
    if (faccessat(dir->fd, RP_SPOOL_META_NAME, F_OK, AT_SYMLINK_NOFOLLOW) != 0) {
        error = replace_meta(opening, &dir->lock_fd);
        return error == 0 ? 0 : fail_system(opening, error, RP_SPOOL_META_NAME);
    }
    error = open_meta(opening, &dir->lock_fd);
    if (error != 0) {
        return error;
    }
    error = lock_file(dir->lock_fd);
    switch (error) {
    case 0: return 0;
    case -EAGAIN:
    case -EACCES: return fail_busy(opening);
    default: return fail_system(opening, error, RP_SPOOL_META_NAME);
    }
}

static int settle_directories(struct opening *opening)
{
    struct rp_spooldir *dir = opening->dir;
    int error = make_dir(dir->fd, RP_SPOOL_BIG_NAME, &dir->big_fd);
    if (error != 0) {
        return fail_system(opening, error, RP_SPOOL_BIG_NAME);
    }
    for (uint32_t i = 0; i < dir->lane_count; i++) {
        char name[RP_FORMAT_LANE_NAME];
        rp_format_lane_name(i, name);
        error = make_dir(dir->fd, name, &dir->lanes[i].fd);
        if (error != 0) {
            return fail_system(opening, error, name);
        }
    }
    /* Also when nothing is new: a start that was cut short may have left it out. */
    error = rp_spooldir_sync(dir->fd);
    return error == 0 ? 0 : fail_system(opening, error, NULL);
}

/* ---- lanes ---- */

/* In place; where the disk cannot read, and so not change, what is there: in its place. */
static int write_meta(struct opening *opening)
{
    struct rp_spooldir *dir = opening->dir;
    int error = open_meta(opening, &dir->meta_fd);
    if (error != 0) {
        return error;
    }
    error = write_meta_to(opening, dir->meta_fd);
    if (error != -EIO) {
        return error == 0 ? 0 : fail_system(opening, error, RP_SPOOL_META_NAME);
    }
    close_fd(dir->meta_fd);
    dir->meta_fd = -1;
    const int before = dir->lock_fd;
    error = replace_meta(opening, &dir->lock_fd);
    if (error == 0) {
        close_fd(before);
        error = rp_spooldir_sync(dir->fd);
    }
    return error == 0 ? open_meta(opening, &dir->meta_fd)
                      : fail_system(opening, error, RP_SPOOL_META_NAME);
}

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
    int error = write_meta(opening);
    if (error != 0) {
        return error;
    }
    error = rp_spooldir_lane_clean_bigs(&opening->recovery);
    return error == 0 ? 0 : fail_system(opening, error, RP_SPOOL_BIG_NAME);
}

/* ---- the doorbell ---- */

static int open_doorbell(struct opening *opening)
{
    int error = rp_reader_file_boot_id(opening->boot_id);
    if (error != 0) {
        return fail(opening, error, RP_SPOOL_DOORBELL_NAME, NULL, "/proc must be mounted");
    }
    error = rp_spooldir_bell_open(opening->dir, opening->recovery.tails);
    return error == 0 ? 0 : fail_system(opening, error, RP_SPOOL_DOORBELL_NAME);
}

/* ---- open and close ---- */

static void release(struct rp_spooldir *dir)
{
    rp_spooldir_bell_close(dir);
    for (uint32_t i = 0; i < RP_SPOOL_LANES_MAX; i++) {
        close_fd(dir->lanes[i].fd);
    }
    close_fd(dir->big_fd);
    close_fd(dir->meta_fd);
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
    *dir = (struct rp_spooldir){.fd = -1, .big_fd = -1, .meta_fd = -1, .lock_fd = -1};
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
        result = lock_directory(&opening);
    }
    /* Once more under the lock: another daemon may have been making the spool. */
    if (result == 0) {
        result = check_content(&opening);
    }
    if (result == 0) {
        result = settle_meta(&opening, lanes, segment_size);
    }
    if (result == 0) {
        result = settle_directories(&opening);
    }
    if (result == 0) {
        result = open_doorbell(&opening);
    }
    if (result == 0) {
        result = settle_lanes(&opening);
    }
    if (result == 0) {
        rp_spooldir_bell_fill(dir, opening.boot_id);
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
