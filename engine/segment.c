/* SPDX-License-Identifier: GPL-3.0-or-later */
/* segment.c - see segment.h. */
#include "segment.h"

#include "limits.h"
#include "log.h"
#include "op.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const uint8_t zeros[RP_ZERO_PIECE] __attribute__((aligned(RP_SPOOL_BLOCK)));

static const struct rp_segment no_segment = {.fd = -1, .index_fd = -1};

void rp_segment_maker_init(struct rp_segment_maker *maker,
                           struct rp_io *io,
                           int dir_fd,
                           uint64_t size,
                           uint64_t next_number)
{
    *maker = (struct rp_segment_maker){
        .io = io,
        .dir_fd = dir_fd,
        .size = size,
        .next_number = next_number,
        .segment = no_segment,
        .retiring = no_segment,
    };
    for (uint32_t i = 0; i < RP_SEGMENTS_CACHED; i++) {
        maker->cached_fds[i] = -1;
    }
}

static uint64_t tag(void)
{
    return rp_op_tag(RP_OP_SEGMENT, 0);
}

static void write_zeros(struct rp_segment_maker *maker)
{
    uint64_t left = maker->size - maker->zero_off;
    maker->zero_iov = (struct iovec){
        .iov_base = (void *)(uintptr_t)zeros,
        .iov_len = left < RP_ZERO_PIECE ? (size_t)left : RP_ZERO_PIECE,
    };
    rp_io_write(maker->io, tag(), maker->segment.fd, &maker->zero_iov, 1, maker->zero_off, false);
}

/* Zeros need not pass through the page cache: direct I/O took 61 us of CPU a MiB where buffered
 * took 207, and 2 ms on pages that a virtual machine touches for the first time. Only a wish: a
 * file system that cannot do it (tmpfs) goes on buffered. */
void rp_segment_set_direct(int fd, bool is_on)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0) {
        (void)fcntl(fd, F_SETFL, is_on ? flags | O_DIRECT : flags & ~O_DIRECT);
    }
}

void rp_segment_maker_start(struct rp_segment_maker *maker)
{
    if (maker->step != RP_SEGMENT_IDLE || rp_io_now_ns(maker->io) < maker->retry_ns) {
        return;
    }
    maker->segment = no_segment;
    maker->segment.number = maker->next_number++;
    unsigned long long number = maker->segment.number;
    (void)snprintf(maker->name, sizeof(maker->name), RP_SPOOL_SEGMENT_FORMAT, number);
    (void)snprintf(maker->index_name, sizeof(maker->index_name), RP_SPOOL_INDEX_FORMAT, number);
    maker->zero_off = 0;
    maker->step = RP_SEGMENT_OPEN_FILE;
    rp_io_open_file(maker->io, tag(), maker->dir_fd, maker->name, O_RDWR | O_CREAT | O_EXCL, 0640);
}

uint64_t rp_segment_maker_retry_ns(const struct rp_segment_maker *maker)
{
    return maker->step == RP_SEGMENT_IDLE && maker->error != 0 ? maker->retry_ns : UINT64_MAX;
}

static void end_undo(struct rp_segment_maker *maker)
{
    maker->step = RP_SEGMENT_IDLE;
    maker->retry_ns = rp_io_now_ns(maker->io) + RP_SEGMENT_RETRY_NS;
}

/* Close and unlink what a failed preparation left; the number is not used again. */
static void undo(struct rp_segment_maker *maker, int error)
{
    if (error != maker->error) {
        rp_log(RP_CONFIG_LOG_ERROR, "spool: cannot prepare segment %s: %s; trying until it works",
               maker->name, strerror(error));
    }
    maker->error = error;
    maker->step = RP_SEGMENT_UNDO;
    maker->undo_pending = 0;
    if (maker->segment.index != NULL) {
        (void)munmap(maker->segment.index, RP_SPOOL_INDEX_LEN(maker->size));
    }
    /* What an open of ours did not make (-EEXIST) is not ours to remove. */
    if (maker->segment.index_fd >= 0) {
        maker->undo_pending += 2;
        rp_io_unlink(maker->io, tag(), maker->dir_fd, maker->index_name);
        rp_io_close_fd(maker->io, tag(), maker->segment.index_fd);
    }
    if (maker->segment.fd >= 0) {
        maker->undo_pending += 2;
        rp_io_unlink(maker->io, tag(), maker->dir_fd, maker->name);
        rp_io_close_fd(maker->io, tag(), maker->segment.fd);
    }
    if (maker->undo_pending == 0) {
        end_undo(maker);
    }
    maker->segment = no_segment;
}

static int map_index(struct rp_segment_maker *maker)
{
    void *memory = mmap(NULL, RP_SPOOL_INDEX_LEN(maker->size), PROT_READ | PROT_WRITE, MAP_SHARED,
                        maker->segment.index_fd, 0);
    if (memory == MAP_FAILED) {
        return -errno;
    }
    maker->segment.index = memory;
    return 0;
}

static void begin_zeros(struct rp_segment_maker *maker)
{
    maker->step = RP_SEGMENT_ZERO;
    rp_segment_set_direct(maker->segment.fd, true);
    write_zeros(maker);
}

static void sync_file(struct rp_segment_maker *maker)
{
    maker->step = RP_SEGMENT_SYNC;
    rp_io_sync(maker->io, tag(), maker->segment.fd, false);
}

/* The step that `maker->step` names went well: begin the next one. */
static void go_on(struct rp_segment_maker *maker, int32_t res)
{
    int err = 0;
    switch (maker->step) {
    case RP_SEGMENT_OPEN_FILE:
        maker->segment.fd = res;
        if (maker->is_bulk) {
            maker->step = RP_SEGMENT_ALLOCATE;
            rp_io_fallocate(maker->io, tag(), res, maker->size);
            break;
        }
        begin_zeros(maker);
        break;
    case RP_SEGMENT_ALLOCATE: sync_file(maker); break;
    case RP_SEGMENT_ZERO:
        maker->zero_off += (uint32_t)res;
        if (maker->zero_off % RP_SPOOL_BLOCK != 0) {
            rp_segment_set_direct(maker->segment.fd, false); /* the rest has no alignment left */
        }
        if (maker->zero_off < maker->size) {
            write_zeros(maker);
            break;
        }
        rp_segment_set_direct(maker->segment.fd, false);
        sync_file(maker);
        break;
    case RP_SEGMENT_SYNC:
        maker->step = RP_SEGMENT_OPEN_INDEX;
        rp_io_open_file(maker->io, tag(), maker->dir_fd, maker->index_name,
                        O_RDWR | O_CREAT | O_EXCL, 0640);
        break;
    case RP_SEGMENT_OPEN_INDEX:
        maker->segment.index_fd = res;
        maker->step = RP_SEGMENT_ALLOCATE_INDEX;
        rp_io_fallocate(maker->io, tag(), maker->segment.index_fd, RP_SPOOL_INDEX_LEN(maker->size));
        break;
    case RP_SEGMENT_ALLOCATE_INDEX:
        err = map_index(maker);
        maker->step = RP_SEGMENT_SYNC_INDEX;
        if (err == 0) {
            rp_io_sync(maker->io, tag(), maker->segment.index_fd, false);
        }
        break;
    case RP_SEGMENT_SYNC_INDEX:
        maker->step = RP_SEGMENT_SYNC_DIR;
        rp_io_sync(maker->io, tag(), maker->dir_fd, false);
        break;
    case RP_SEGMENT_SYNC_DIR:
        maker->step = RP_SEGMENT_READY;
        if (maker->error != 0) {
            rp_log(RP_CONFIG_LOG_INFO, "spool: segments can be prepared again");
        }
        maker->error = 0;
        break;
    case RP_SEGMENT_IDLE:
    case RP_SEGMENT_READY:
    case RP_SEGMENT_UNDO: assert(false && "no step is under way");
    }
    if (err < 0) {
        undo(maker, -err);
    }
}

void rp_segment_maker_step(struct rp_segment_maker *maker, int32_t res)
{
    if (maker->step == RP_SEGMENT_UNDO) {
        /* Whatever a clean-up operation says: recovery removes what is left at the next start. */
        if (--maker->undo_pending == 0) {
            end_undo(maker);
        }
    } else if (res == -EOPNOTSUPP && maker->step == RP_SEGMENT_ALLOCATE) {
        begin_zeros(maker); /* a file system that cannot allocate */
    } else if (res < 0) {
        undo(maker, -res);
    } else if (maker->step == RP_SEGMENT_ZERO && res == 0) {
        undo(maker, EIO); /* a write that writes nothing would go on for ever */
    } else {
        go_on(maker, res);
    }
}

struct rp_segment rp_segment_maker_take(struct rp_segment_maker *maker)
{
    assert(maker->step == RP_SEGMENT_READY);
    struct rp_segment segment = maker->segment;
    maker->segment = no_segment;
    maker->step = RP_SEGMENT_IDLE;
    return segment;
}

bool rp_segment_maker_retire(struct rp_segment_maker *maker, const struct rp_segment *segment)
{
    if (maker->retire_pending > 0) {
        return false;
    }
    maker->retiring = *segment;
    (void)munmap(segment->index, RP_SPOOL_INDEX_LEN(maker->size));
    maker->retiring.index = NULL;
    maker->retire_pending = 1;
    rp_io_sync(maker->io, rp_op_tag(RP_OP_RETIRE, 0), segment->index_fd, true);
    return true;
}

void rp_segment_maker_retired(struct rp_segment_maker *maker, uint32_t slot, int32_t res)
{
    maker->retire_pending--;
    if (slot != 0) {
        return; /* a file is closed; nothing was left to be written to it */
    }
    if (res < 0) {
        rp_log(RP_CONFIG_LOG_WARNING,
               "spool: cannot sync the index of segment %llu: %s; it will be rebuilt if need be",
               (unsigned long long)maker->retiring.number, strerror(-res));
    }
    maker->retire_pending = 1;
    rp_io_close_fd(maker->io, rp_op_tag(RP_OP_RETIRE, 1), maker->retiring.index_fd);
    int *oldest = &maker->cached_fds[maker->retired_count++ % RP_SEGMENTS_CACHED];
    if (*oldest >= 0) {
        maker->retire_pending++;
        rp_io_forget_and_close_fd(maker->io, rp_op_tag(RP_OP_RETIRE, 2), *oldest);
    }
    *oldest = maker->retiring.fd;
    maker->retiring = no_segment;
}

void rp_segment_close(struct rp_segment *segment, uint64_t size)
{
    if (segment->index != NULL) {
        (void)munmap(segment->index, RP_SPOOL_INDEX_LEN(size));
    }
    if (segment->index_fd >= 0) {
        (void)close(segment->index_fd); /* nothing is left to be written */
    }
    if (segment->fd >= 0) {
        (void)close(segment->fd);
    }
    *segment = no_segment;
}

void rp_segment_maker_close(struct rp_segment_maker *maker)
{
    rp_segment_close(&maker->segment, maker->size);
    rp_segment_close(&maker->retiring, maker->size);
    for (uint32_t i = 0; i < RP_SEGMENTS_CACHED; i++) {
        if (maker->cached_fds[i] >= 0) {
            (void)close(maker->cached_fds[i]); /* all of it is synced */
            maker->cached_fds[i] = -1;
        }
    }
}
