/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * segment.h - prepare a lane's next segment ahead of time. What becomes of a full one is
 * retire.h's.
 *
 * A prepared segment is a file of zeros that were really written and synced: a commit then
 * changes no size and no extent (a growing or merely fallocated file was measured at 1.6 to 3.2 x
 * per commit). Where commits are large (is_bulk) writing everything twice costs more than that:
 * then it is only allocated. The zeros are written in small pieces, about as many octets as
 * messages were committed meanwhile, so that no commit waits behind more than one of them.
 */
#ifndef SEGMENT_H
#define SEGMENT_H

#include "io.h"
#include "limits.h"
#include "spool/rp_spool_format.h"

#include <stdbool.h>

enum rp_segment_step {
    RP_SEGMENT_IDLE,     /* nothing prepared, nothing under way */
    RP_SEGMENT_RESERVE,  /* its number goes into spool.meta: no other segment will ever have it */
    RP_SEGMENT_OPEN,     /* the file is made */
    RP_SEGMENT_ALLOCATE, /* is_bulk: instead of ZERO */
    RP_SEGMENT_ZERO,     /* pieces of zeros, as far as they are paid for */
    RP_SEGMENT_SYNC,
    RP_SEGMENT_SYNC_DIR,
    RP_SEGMENT_READY, /* to be taken */
    RP_SEGMENT_UNDO,  /* a step failed, or it is not wanted any more: what is there of it goes */
};

struct rp_segment {
    uint64_t number;
    int fd;
    bool is_direct; /* the file has O_DIRECT now */
};

/* What a maker needs to know of its lane, all of which stays. */
struct rp_segment_place {
    struct rp_io *io;
    int dir_fd;  /* of the lane */
    int meta_fd; /* spool.meta */
    uint32_t lane;
    uint64_t size;           /* of a segment */
    uint64_t next_number;    /* of the next one */
    uint64_t created_ns;     /* of the spool */
    const uint8_t *identity; /* of the spool, 16 octets */
};

struct rp_segment_maker {
    struct rp_segment_place place;
    enum rp_segment_step step;
    bool is_under_way;  /* an operation is */
    bool is_stopping;   /* what is prepared goes, nothing is begun any more */
    bool is_urgent;     /* somebody waits for it: no pacing */
    bool is_bulk;       /* the next one is for few, large commits: it is allocated, not written */
    bool cannot_direct; /* the file system refuses direct I/O */
    int error;          /* why the last one failed (an errno), or 0 */
    uint64_t retry_ns;
    uint64_t zero_off;
    uint64_t paid; /* octets of zeros that may be written by now */
    struct iovec iov;
    struct rp_spool_lane_meta reservation;
    uint32_t undo_pending;
    struct rp_segment segment; /* the one being prepared */
    char name[32];
};

void rp_segment_maker_init(struct rp_segment_maker *maker, const struct rp_segment_place *place);

/* Start preparing one, where none is under way and the last failure is long enough ago.
 * `committed`: the sequence behind the lane's last committed message. */
void rp_segment_maker_start(struct rp_segment_maker *maker, uint64_t committed);

/* So many octets were committed: a little more may be prepared. */
void rp_segment_maker_pay(struct rp_segment_maker *maker, uint64_t octets);

/* Nothing else can be done before it is READY: go on at once. */
void rp_segment_maker_hurry(struct rp_segment_maker *maker);

/* When to call rp_segment_maker_start again after a failure; UINT64_MAX: no need. */
uint64_t rp_segment_maker_retry_ns(const struct rp_segment_maker *maker);

/* A completion of RP_OP_SEGMENT. */
void rp_segment_maker_step(struct rp_segment_maker *maker, int32_t res);

/* Direct I/O on a file, on or off. Only a wish: not all file systems have it. */
void rp_segment_set_direct(int fd, bool is_on);

/* Step is READY: take it; the next one can be started. False: somebody has removed its file. */
bool rp_segment_maker_take(struct rp_segment_maker *maker, struct rp_segment *segment_out);

/* Octets of the disk that the segment that is being prepared, or is next to be, will still take. */
uint64_t rp_segment_maker_debt(const struct rp_segment_maker *maker);

/* Remove what is prepared; nothing more will be. Done when the step is IDLE. */
void rp_segment_maker_stop(struct rp_segment_maker *maker);

/* Close what is open, at once, with plain system calls: the ring is gone. */
void rp_segment_maker_close(struct rp_segment_maker *maker);
void rp_segment_close(struct rp_segment *segment);

#endif
