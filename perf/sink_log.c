/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sink_log.c - the log of the floor.
 */
#include "sink_log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE_SIZE    4096u /* what O_DIRECT asks of offsets, lengths and memory, at most */
#define BUFFER_COUNT 2u
#define LOG_SIZE_MIN RP_SINK_BUFFER_SIZE_MAX

static uint8_t *buffer_at(const struct rp_sink_log *log, uint32_t index)
{
    return log->buffers + index * log->capacity;
}

/* ---- open and close ---- */

static int fail(char *error, size_t error_len, const char *path, const char *what, int err)
{
    (void)snprintf(error, error_len, "%s: %s: %s", path, what, strerror(-err));
    return err;
}

static int make_file(struct rp_sink_log *log, const char *path, char *error, size_t error_len)
{
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | (log->is_direct ? O_DIRECT : 0);
    log->fd = open(path, flags, 0600);
    if (log->fd >= 0) {
        return 0;
    }
    int err = -errno;
    if (err == -EEXIST) {
        (void)snprintf(error, error_len,
                       "%s: is there already and would be overwritten; name a new file", path);
    } else if (err == -EINVAL && log->is_direct) {
        (void)unlink(path); /* open() made it before it refused O_DIRECT */
        (void)snprintf(error, error_len, "%s: this file system has no O_DIRECT; leave --direct out",
                       path);
    } else {
        (void)fail(error, error_len, path, "cannot be made", err);
    }
    return err;
}

/* Zeros to the end: blocks are allocated and initialised before the start. */
static int fill_file(struct rp_sink_log *log, const char *path, char *error, size_t error_len)
{
    uint64_t off = 0;
    while (off < log->size) {
        size_t len = log->size - off < log->capacity ? (size_t)(log->size - off) : log->capacity;
        ssize_t written = pwrite(log->fd, log->buffers, len, (off_t)off);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return fail(error, error_len, path, "cannot be filled", written < 0 ? -errno : -EIO);
        }
        off += (uint64_t)written;
    }
    if (fsync(log->fd) != 0) {
        return fail(error, error_len, path, "fsync", -errno);
    }
    return 0;
}

static int make_buffers(struct rp_sink_log *log, struct io_uring *ring)
{
    size_t len = BUFFER_COUNT * log->capacity;
    void *memory =
        mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED) {
        return -errno;
    }
    log->buffers = memory;
    struct iovec parts[BUFFER_COUNT];
    for (uint32_t i = 0; i < BUFFER_COUNT; i++) {
        parts[i] = (struct iovec){
            .iov_base = buffer_at(log, i),
            .iov_len = log->capacity,
        };
    }
    /* Where memory may not be locked (RLIMIT_MEMLOCK) the plain write does it. */
    log->is_registered = io_uring_register_buffers(ring, parts, BUFFER_COUNT) == 0;
    return 0;
}

int rp_sink_log_open(struct rp_sink_log *log,
                     const struct rp_sink_options *options,
                     struct io_uring *ring,
                     char *error,
                     size_t error_len)
{
    *log = (struct rp_sink_log){
        .fd = -1,
        .is_direct = options->is_direct,
        .commit = options->commit,
        .size = options->log_size / PAGE_SIZE * PAGE_SIZE,
        .gathering = 1,
    };
    if (log->size < LOG_SIZE_MIN) {
        (void)snprintf(error, error_len,
                       "%s: the log's size is %llu octets; at least %u are needed", options->log,
                       (unsigned long long)options->log_size, LOG_SIZE_MIN);
        return -EINVAL;
    }
    log->capacity = log->size < RP_SINK_LOG_BUFFER_MAX ? (size_t)log->size : RP_SINK_LOG_BUFFER_MAX;
    int err = make_buffers(log, ring);
    if (err < 0) {
        (void)snprintf(error, error_len, "no memory for the log's buffers: %s", strerror(-err));
        return err;
    }
    err = make_file(log, options->log, error, error_len);
    if (err == 0) {
        err = fill_file(log, options->log, error, error_len);
        if (err < 0) {
            (void)unlink(options->log); /* half a file, made here */
        }
    }
    if (err < 0) {
        rp_sink_log_close(log);
    }
    return err;
}

void rp_sink_log_close(struct rp_sink_log *log)
{
    if (log->fd >= 0) {
        (void)close(log->fd); /* what counts was synced */
        log->fd = -1;
    }
    if (log->buffers != NULL) {
        (void)munmap(log->buffers, BUFFER_COUNT * log->capacity);
        log->buffers = NULL;
    }
}

/* ---- groups ---- */

bool rp_sink_log_has_room(const struct rp_sink_log *log, size_t len)
{
    return len <= log->capacity - log->len;
}

void rp_sink_log_append(struct rp_sink_log *log, const uint8_t *octets, size_t len)
{
    assert(rp_sink_log_has_room(log, len));
    memcpy(buffer_at(log, log->filling) + log->len, octets, len);
    log->len += len;
}

static struct io_uring_sqe *get_request(struct io_uring *ring)
{
    struct io_uring_sqe *request = io_uring_get_sqe(ring);
    if (request == NULL) {
        (void)io_uring_submit(ring); /* what it refuses stays queued, and the next one says so */
        request = io_uring_get_sqe(ring);
    }
    return request;
}

/* A whole number of pages for O_DIRECT, the rest of the last one zeros. */
static size_t pad(struct rp_sink_log *log)
{
    size_t len = (log->len + PAGE_SIZE - 1) / PAGE_SIZE * PAGE_SIZE;
    memset(buffer_at(log, log->filling) + log->len, 0, len - log->len);
    return len;
}

void rp_sink_log_begin(struct rp_sink_log *log, struct io_uring *ring, uint64_t tag_base)
{
    assert(!log->is_busy && log->len > 0);
    size_t len = log->is_direct ? pad(log) : log->len;
    if (log->size - log->off < len) {
        log->off = 0;
    }
    /* The two of a link must be submitted together. */
    if (io_uring_sq_space_left(ring) < 2) {
        (void)io_uring_submit(ring);
    }
    struct io_uring_sqe *request = get_request(ring);
    assert(request != NULL);
    const uint8_t *octets = buffer_at(log, log->filling);
    if (log->is_registered) {
        io_uring_prep_write_fixed(request, log->fd, octets, (unsigned)len, log->off,
                                  (int)log->filling);
    } else {
        io_uring_prep_write(request, log->fd, octets, (unsigned)len, log->off);
    }
    io_uring_sqe_set_data64(request, tag_base | RP_SINK_LOG_WRITE);
    log->pending = 1;
    if (log->commit == RP_SINK_COMMIT_DSYNC) {
        request->rw_flags = RWF_DSYNC;
    } else if (log->commit == RP_SINK_COMMIT_FDATASYNC) {
        request->flags |= IOSQE_IO_LINK;
        request = get_request(ring);
        assert(request != NULL);
        io_uring_prep_fsync(request, log->fd, IORING_FSYNC_DATASYNC);
        io_uring_sqe_set_data64(request, tag_base | RP_SINK_LOG_SYNC);
        log->pending = 2;
    }
    log->off += len;
    log->writing_len = len;
    log->filling = 1 - log->filling;
    log->len = 0;
    log->gathering++;
    log->is_busy = true;
}

int rp_sink_log_complete(struct rp_sink_log *log, enum rp_sink_log_tag tag, int res)
{
    assert(log->is_busy && log->pending > 0);
    if (res < 0) {
        return res;
    }
    if (tag == RP_SINK_LOG_WRITE && (size_t)res != log->writing_len) {
        return -EIO; /* a short write into a file that was written in full */
    }
    log->pending--;
    if (log->pending > 0) {
        return 0;
    }
    log->is_busy = false;
    log->commits++;
    return 1;
}
