/* SPDX-License-Identifier: GPL-3.0-or-later */
/* retire.c - see retire.h. */
#include "retire.h"

#include "log.h"
#include "op.h"

#include "spool/rp_spool_format.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static uint64_t tag(void)
{
    return rp_op_tag(RP_OP_RETIRE, 0);
}

void rp_retire_init(struct rp_retire *retire, struct rp_io *io, int dir_fd)
{
    *retire = (struct rp_retire){
        .io = io,
        .dir_fd = dir_fd,
        .segment = {.fd = -1},
        .index_fd = -1,
    };
    for (uint32_t i = 0; i < RP_SEGMENTS_CACHED; i++) {
        retire->cached_fds[i] = -1;
    }
}

static void write_index(struct rp_retire *retire)
{
    retire->iov = (struct iovec){
        .iov_base = retire->index + retire->index_off,
        .iov_len = (size_t)(retire->index_len - retire->index_off),
    };
    rp_io_write(retire->io, tag(), retire->index_fd, &retire->iov, 1, retire->index_off, false);
}

/* The index is done with: the segment stays open a little, the oldest one of those does not. */
static void begin_close(struct rp_retire *retire)
{
    retire->closing = 0;
    if (retire->index_fd >= 0) {
        retire->closing++;
        rp_io_close_fd(retire->io, tag(), retire->index_fd);
        retire->index_fd = -1;
    }
    int *oldest = &retire->cached_fds[retire->count++ % RP_SEGMENTS_CACHED];
    if (*oldest >= 0) {
        retire->closing++;
        rp_io_forget_and_close_fd(retire->io, tag(), *oldest);
    }
    *oldest = retire->segment.fd;
    retire->segment.fd = -1;
    if (retire->closing == 0) {
        retire->step = RP_RETIRE_IDLE;
    }
}

/* Ask for the operation of the step. */
static void begin(struct rp_retire *retire)
{
    switch (retire->step) {
    case RP_RETIRE_PUNCH:
        rp_io_punch(retire->io, tag(), retire->segment.fd, retire->used,
                    retire->size - retire->used);
        break;
    case RP_RETIRE_OPEN:
        rp_io_open_file(retire->io, tag(), retire->dir_fd, retire->name,
                        O_WRONLY | O_CREAT | O_TRUNC, 0640);
        break;
    case RP_RETIRE_WRITE: write_index(retire); break;
    case RP_RETIRE_SYNC: rp_io_sync(retire->io, tag(), retire->index_fd, true); break;
    case RP_RETIRE_CLOSE: begin_close(retire); break;
    case RP_RETIRE_IDLE: assert(false && "no step with an operation");
    }
}

static void go_to(struct rp_retire *retire, enum rp_retire_step step)
{
    retire->step = step;
    begin(retire);
}

void rp_retire_begin(struct rp_retire *retire, const struct rp_retire_order *order)
{
    assert(retire->step == RP_RETIRE_IDLE);
    retire->segment = order->segment;
    retire->used = order->used;
    retire->size = order->size;
    retire->index = order->index;
    retire->index_len = order->index_len;
    retire->index_off = 0;
    (void)snprintf(retire->name, sizeof(retire->name), RP_SPOOL_INDEX_FORMAT,
                   (unsigned long long)order->segment.number);
    bool is_worth_it = order->used + RP_PUNCH_MIN <= order->size;
    go_to(retire, is_worth_it ? RP_RETIRE_PUNCH : RP_RETIRE_OPEN);
}

static void fail(struct rp_retire *retire, int error)
{
    rp_log(RP_CONFIG_LOG_WARNING,
           "spool: cannot write the index %s: %s; the next start will scan the segment instead",
           retire->name, strerror(error));
    go_to(retire, RP_RETIRE_CLOSE);
}

static void go_on(struct rp_retire *retire, int32_t res)
{
    switch (retire->step) {
    case RP_RETIRE_PUNCH: go_to(retire, RP_RETIRE_OPEN); break;
    case RP_RETIRE_OPEN:
        retire->index_fd = res;
        go_to(retire, RP_RETIRE_WRITE);
        break;
    case RP_RETIRE_WRITE:
        retire->index_off += (uint32_t)res;
        go_to(retire, retire->index_off < retire->index_len ? RP_RETIRE_WRITE : RP_RETIRE_SYNC);
        break;
    case RP_RETIRE_SYNC: go_to(retire, RP_RETIRE_CLOSE); break;
    case RP_RETIRE_CLOSE:
    case RP_RETIRE_IDLE: assert(false && "no step is under way");
    }
}

void rp_retire_completed(struct rp_retire *retire, int32_t res)
{
    if (retire->step == RP_RETIRE_CLOSE) {
        if (--retire->closing == 0) { /* nothing was left to be written to them */
            retire->step = RP_RETIRE_IDLE;
        }
    } else if (res == -EINTR || res == -EAGAIN) {
        begin(retire);
    } else if (res < 0 && retire->step == RP_RETIRE_PUNCH) {
        go_to(retire, RP_RETIRE_OPEN); /* a file system without holes: the space stays taken */
    } else if (res < 0 || (res == 0 && retire->step == RP_RETIRE_WRITE)) {
        fail(retire, res < 0 ? -res : EIO);
    } else {
        go_on(retire, res);
    }
}

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd); /* all of it is synced, or the next start does without */
    }
    *fd = -1;
}

void rp_retire_close(struct rp_retire *retire)
{
    close_fd(&retire->segment.fd);
    close_fd(&retire->index_fd);
    for (uint32_t i = 0; i < RP_SEGMENTS_CACHED; i++) {
        close_fd(&retire->cached_fds[i]);
    }
}
