/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * retire.h - what becomes of a segment that is full: its index is written and synced, the space
 * that it did not use is given back, and the file is closed a little later.
 *
 * Nothing depends on any of this: without an index the next start scans the segment.
 */
#ifndef RETIRE_H
#define RETIRE_H

#include "io.h"
#include "limits.h"
#include "segment.h"

#include <stdbool.h>

enum rp_retire_step {
    RP_RETIRE_IDLE,
    RP_RETIRE_PUNCH, /* the space behind its last batch */
    RP_RETIRE_OPEN,  /* the index's file is made */
    RP_RETIRE_WRITE,
    RP_RETIRE_SYNC,
    RP_RETIRE_CLOSE, /* of the index, and of the segment that was retired longest ago */
};

struct rp_retire {
    struct rp_io *io;
    int dir_fd; /* of the lane */
    enum rp_retire_step step;
    uint32_t closing; /* descriptors that are being closed */
    struct rp_segment segment;
    uint64_t used; /* octets of the segment that say something */
    uint64_t size; /* of the segment */
    int index_fd;
    uint8_t *index; /* what is written; the lane's memory */
    uint64_t index_len;
    uint64_t index_off;
    struct iovec iov;
    char name[32];
    int cached_fds[RP_SEGMENTS_CACHED]; /* those retired last, still in the page cache */
    uint64_t count;
};

void rp_retire_init(struct rp_retire *retire, struct rp_io *io, int dir_fd);

/* A segment on its way out. All of it stays the caller's until the step is IDLE again. */
struct rp_retire_order {
    struct rp_segment segment; /* whose file it takes over */
    uint64_t used;             /* octets of it that say something */
    uint64_t size;
    uint8_t *index;
    uint64_t index_len;
};

/* The step must be IDLE. */
void rp_retire_begin(struct rp_retire *retire, const struct rp_retire_order *order);

/* A completion of RP_OP_RETIRE. */
void rp_retire_completed(struct rp_retire *retire, int32_t res);

/* Close what is open, at once, with plain system calls: the ring is gone. */
void rp_retire_close(struct rp_retire *retire);

#endif
