/* SPDX-License-Identifier: GPL-3.0-or-later */
/* segment.c - see segment.h. */
#include "segment.h"

#include "log.h"
#include "op.h"

#include "spool/format.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const uint8_t zeros[RP_ZERO_PIECE_MAX] __attribute__((aligned(RP_SPOOL_BLOCK)));

static const struct rp_segment no_segment = {.fd = -1};

void rp_segment_maker_init(struct rp_segment_maker *maker, const struct rp_segment_place *place)
{
    *maker = (struct rp_segment_maker){
        .place = *place,
        .segment = no_segment,
    };
}

static uint64_t tag(void)
{
    return rp_op_tag(RP_OP_SEGMENT, 0);
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

static void set_direct(struct rp_segment_maker *maker, bool is_on)
{
    if (maker->segment.is_direct != is_on) {
        rp_segment_set_direct(maker->segment.fd, is_on);
        maker->segment.is_direct = is_on;
    }
}

/* ---- the steps ---- */

/* The number is used up before there is a file of it: it stays so when all files are removed. */
static void reserve(struct rp_segment_maker *maker)
{
    const struct rp_segment_place *place = &maker->place;
    maker->iov = (struct iovec){&maker->reservation, sizeof(maker->reservation)};
    rp_io_write(place->io, tag(), place->meta_fd, &maker->iov, 1,
                RP_SPOOL_LANE_META_OFF(place->lane), true);
}

static void write_zeros(struct rp_segment_maker *maker)
{
    const uint64_t left = maker->place.size - maker->zero_off;
    const uint64_t due = maker->is_urgent ? RP_ZERO_PIECE_MAX : maker->paid - maker->zero_off;
    const uint64_t piece =
        due < RP_ZERO_PIECE_MAX ? due / RP_SPOOL_BLOCK * RP_SPOOL_BLOCK : RP_ZERO_PIECE_MAX;
    /* Direct as long as the place has the alignment for it: a short write may have lost it. */
    set_direct(maker, maker->zero_off % RP_SPOOL_BLOCK == 0 && !maker->cannot_direct);
    maker->iov = (struct iovec){
        .iov_base = (void *)(uintptr_t)zeros,
        .iov_len = (size_t)(left < piece ? left : piece),
    };
    rp_io_write(maker->place.io, tag(), maker->segment.fd, &maker->iov, 1, maker->zero_off, false);
}

/* Ask for the operation of the step that the maker is at. */
static void begin(struct rp_segment_maker *maker)
{
    const struct rp_segment_place *place = &maker->place;
    assert(!maker->is_under_way);
    maker->is_under_way = true;
    switch (maker->step) {
    case RP_SEGMENT_RESERVE: reserve(maker); break;
    case RP_SEGMENT_OPEN:
        rp_io_open_file(place->io, tag(), place->dir_fd, maker->name, O_RDWR | O_CREAT | O_EXCL,
                        0640);
        break;
    case RP_SEGMENT_ALLOCATE:
        rp_io_fallocate(place->io, tag(), maker->segment.fd, place->size);
        break;
    case RP_SEGMENT_ZERO: write_zeros(maker); break;
    case RP_SEGMENT_SYNC: rp_io_sync(place->io, tag(), maker->segment.fd, false); break;
    case RP_SEGMENT_SYNC_DIR: rp_io_sync(place->io, tag(), place->dir_fd, false); break;
    case RP_SEGMENT_IDLE:
    case RP_SEGMENT_READY:
    case RP_SEGMENT_UNDO: assert(false && "no step with an operation");
    }
}

/* A piece of zeros is due: it is paid for, or somebody waits. */
static bool has_due_zeros(const struct rp_segment_maker *maker)
{
    return maker->is_urgent || maker->paid >= maker->zero_off + RP_ZERO_PIECE;
}

static void go_to(struct rp_segment_maker *maker, enum rp_segment_step step)
{
    maker->step = step;
    if (step != RP_SEGMENT_ZERO || has_due_zeros(maker)) {
        begin(maker);
    }
}

void rp_segment_maker_start(struct rp_segment_maker *maker, uint64_t committed)
{
    const struct rp_segment_place *place = &maker->place;
    if (maker->step != RP_SEGMENT_IDLE || maker->is_stopping ||
        rp_io_now_ns(place->io) < maker->retry_ns) {
        return;
    }
    maker->segment = no_segment;
    maker->segment.number = maker->place.next_number++;
    (void)snprintf(maker->name, sizeof(maker->name), RP_SPOOL_SEGMENT_FORMAT,
                   (unsigned long long)maker->segment.number);
    maker->reservation = (struct rp_spool_lane_meta){
        .lane = place->lane,
        .next_segment = maker->place.next_number,
        .next_sequence = committed,
        .created_ns = place->created_ns,
    };
    memcpy(maker->reservation.identity, place->identity, sizeof(maker->reservation.identity));
    rp_format_lane_meta_seal(&maker->reservation);
    maker->zero_off = 0;
    maker->paid = 0;
    maker->is_urgent = false;
    go_to(maker, RP_SEGMENT_RESERVE);
}

uint64_t rp_segment_maker_retry_ns(const struct rp_segment_maker *maker)
{
    bool is_due = maker->step == RP_SEGMENT_IDLE && maker->error != 0 && !maker->is_stopping;
    return is_due ? maker->retry_ns : UINT64_MAX;
}

static void continue_zeros(struct rp_segment_maker *maker)
{
    if (maker->step == RP_SEGMENT_ZERO && !maker->is_under_way && has_due_zeros(maker)) {
        begin(maker);
    }
}

void rp_segment_maker_pay(struct rp_segment_maker *maker, uint64_t octets)
{
    maker->paid += octets + octets / RP_ZERO_LEAD_PART;
    continue_zeros(maker);
}

void rp_segment_maker_hurry(struct rp_segment_maker *maker)
{
    maker->is_urgent = true;
    continue_zeros(maker);
}

uint64_t rp_segment_maker_debt(const struct rp_segment_maker *maker)
{
    switch (maker->step) {
    case RP_SEGMENT_IDLE:
    case RP_SEGMENT_RESERVE:
    case RP_SEGMENT_OPEN:
    case RP_SEGMENT_ALLOCATE:
    case RP_SEGMENT_UNDO: return maker->place.size;
    case RP_SEGMENT_ZERO: return maker->place.size - maker->zero_off;
    case RP_SEGMENT_SYNC:
    case RP_SEGMENT_SYNC_DIR:
    case RP_SEGMENT_READY: break;
    }
    return 0;
}

/* ---- undoing ---- */

static void end_undo(struct rp_segment_maker *maker)
{
    maker->step = RP_SEGMENT_IDLE;
    maker->retry_ns = maker->error != 0 ? rp_io_now_ns(maker->place.io) + RP_SEGMENT_RETRY_NS : 0;
}

/* Close and unlink what there is; the number is not used again. */
static void undo(struct rp_segment_maker *maker)
{
    struct rp_io *io = maker->place.io;
    maker->step = RP_SEGMENT_UNDO;
    maker->undo_pending = 0;
    /* What an open of ours did not make (-EEXIST) is not ours to remove. */
    if (maker->segment.fd >= 0) {
        maker->undo_pending = 2;
        rp_io_unlink(io, tag(), maker->place.dir_fd, maker->name);
        rp_io_close_fd(io, tag(), maker->segment.fd);
    }
    maker->segment = no_segment;
    if (maker->undo_pending == 0) {
        end_undo(maker);
    }
}

static void fail(struct rp_segment_maker *maker, int error)
{
    if (error != maker->error) {
        rp_log(RP_CONFIG_LOG_ERROR, "spool: cannot prepare segment %s: %s; trying until it works",
               maker->name, strerror(error));
    }
    maker->error = error;
    undo(maker);
}

void rp_segment_maker_stop(struct rp_segment_maker *maker)
{
    maker->is_stopping = true;
    bool is_waiting = maker->step == RP_SEGMENT_ZERO && !maker->is_under_way;
    if (maker->step == RP_SEGMENT_READY || is_waiting) {
        undo(maker);
    }
}

/* ---- completions ---- */

/* The operation of the step went well. */
static void go_on(struct rp_segment_maker *maker, int32_t res)
{
    switch (maker->step) {
    case RP_SEGMENT_RESERVE: go_to(maker, RP_SEGMENT_OPEN); break;
    case RP_SEGMENT_OPEN:
        maker->segment.fd = res;
        go_to(maker, maker->is_bulk ? RP_SEGMENT_ALLOCATE : RP_SEGMENT_ZERO);
        break;
    case RP_SEGMENT_ALLOCATE: go_to(maker, RP_SEGMENT_SYNC); break;
    case RP_SEGMENT_ZERO:
        maker->zero_off += (uint32_t)res;
        if (maker->zero_off < maker->place.size) {
            go_to(maker, RP_SEGMENT_ZERO);
            break;
        }
        set_direct(maker, false);
        go_to(maker, RP_SEGMENT_SYNC);
        break;
    case RP_SEGMENT_SYNC: go_to(maker, RP_SEGMENT_SYNC_DIR); break;
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
}

/* A write that was not whole: of the reservation all is written again. */
static bool is_short(const struct rp_segment_maker *maker, int32_t res)
{
    return maker->step == RP_SEGMENT_RESERVE && res < (int32_t)sizeof(maker->reservation);
}

void rp_segment_maker_step(struct rp_segment_maker *maker, int32_t res)
{
    if (maker->step == RP_SEGMENT_UNDO) {
        /* Whatever a clean-up operation says: recovery removes what is left at the next start. */
        if (--maker->undo_pending == 0) {
            end_undo(maker);
        }
        return;
    }
    maker->is_under_way = false;
    bool is_write = maker->step == RP_SEGMENT_ZERO || maker->step == RP_SEGMENT_RESERVE;
    if (res == -EINTR || res == -EAGAIN) {
        begin(maker);
    } else if (res == -EINVAL && maker->step == RP_SEGMENT_ZERO && maker->segment.is_direct) {
        maker->cannot_direct = true; /* a file system with wishes of its own: buffered, then */
        begin(maker);
    } else if (res == -EOPNOTSUPP && maker->step == RP_SEGMENT_ALLOCATE) {
        go_to(maker, RP_SEGMENT_ZERO); /* a file system that cannot allocate */
    } else if (res < 0) {
        fail(maker, -res);
    } else if (is_write && (res == 0 || is_short(maker, res))) {
        fail(maker, EIO); /* a write that writes nothing would go on for ever */
    } else if (maker->is_stopping) {
        maker->segment.fd = maker->step == RP_SEGMENT_OPEN ? res : maker->segment.fd;
        undo(maker);
    } else {
        go_on(maker, res);
    }
}

bool rp_segment_maker_take(struct rp_segment_maker *maker, struct rp_segment *segment_out)
{
    assert(maker->step == RP_SEGMENT_READY);
    if (rp_io_link_count(maker->place.io, maker->segment.fd) == 0) {
        fail(maker, ENOENT); /* somebody removed it: what is written to it would be gone */
        return false;
    }
    *segment_out = maker->segment;
    maker->segment = no_segment;
    maker->step = RP_SEGMENT_IDLE;
    return true;
}

void rp_segment_close(struct rp_segment *segment)
{
    if (segment->fd >= 0) {
        (void)close(segment->fd); /* all of it is synced, or of no message */
    }
    *segment = no_segment;
}

void rp_segment_maker_close(struct rp_segment_maker *maker)
{
    rp_segment_close(&maker->segment);
}
