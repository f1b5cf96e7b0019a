/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * segment.h - prepare a lane's next segment ahead of time, and retire the full one.
 *
 * A prepared segment is a file of zeros that were really written and synced, with an
 * allocated, mapped index beside it: a commit then changes no size and no extent (a
 * growing or merely fallocated file was measured at 1.6 to 3.2 x per commit), and
 * writing to the mapped index cannot fail for want of disk space. Where commits are large
 * (is_bulk) writing everything twice costs more than that: then it is only allocated.
 */
#ifndef SEGMENT_H
#define SEGMENT_H

#include "io.h"
#include "limits.h"
#include "spool/rp_spool_format.h"

#include <stdbool.h>

enum rp_segment_step {
    RP_SEGMENT_IDLE, /* nothing prepared, nothing under way */
    RP_SEGMENT_OPEN_FILE,
    RP_SEGMENT_ALLOCATE, /* is_bulk: instead of ZERO */
    RP_SEGMENT_ZERO,
    RP_SEGMENT_SYNC,
    RP_SEGMENT_OPEN_INDEX,
    RP_SEGMENT_ALLOCATE_INDEX,
    RP_SEGMENT_SYNC_INDEX,
    RP_SEGMENT_SYNC_DIR,
    RP_SEGMENT_READY, /* to be taken */
    RP_SEGMENT_UNDO,  /* a step failed: what is there of it goes */
};

/* A file and its index, open and mapped. */
struct rp_segment {
    uint64_t number;
    int fd;
    int index_fd;
    bool is_direct;                      /* the file has O_DIRECT now */
    struct rp_spool_index_header *index; /* mapped */
};

struct rp_segment_maker {
    struct rp_io *io;
    int dir_fd;    /* of the lane */
    uint64_t size; /* of a segment */
    enum rp_segment_step step;
    int error; /* why the last one failed, or 0 */
    uint64_t retry_ns;
    bool is_bulk; /* the next one is for few, large commits: it is allocated, not written */
    uint64_t zero_off;
    struct iovec zero_iov;
    uint64_t next_number;
    uint32_t undo_pending;
    struct rp_segment segment; /* the one being prepared */
    char name[32];
    char index_name[32];

    /* A full one, on its way out. */
    uint32_t retire_pending;
    struct rp_segment retiring;
    int cached_fds[RP_SEGMENTS_CACHED]; /* those retired last, still in the page cache */
    uint64_t retired_count;
};

void rp_segment_maker_init(struct rp_segment_maker *maker,
                           struct rp_io *io,
                           int dir_fd,
                           uint64_t size,
                           uint64_t next_number);

/* Start preparing one, where none is under way and the last failure is long enough ago. */
void rp_segment_maker_start(struct rp_segment_maker *maker);

/* When to call rp_segment_maker_start again after a failure; UINT64_MAX: no need. */
uint64_t rp_segment_maker_retry_ns(const struct rp_segment_maker *maker);

/* A completion of RP_OP_SEGMENT. */
void rp_segment_maker_step(struct rp_segment_maker *maker, int32_t res);

/* Direct I/O on a file, on or off. Only a wish: not all file systems have it. */
void rp_segment_set_direct(int fd, bool is_on);

/* Step is READY: take it; the next one can be started. */
struct rp_segment rp_segment_maker_take(struct rp_segment_maker *maker);

/* Sync the index (closed by rp_spool_writer_close_segment) and close both files, on the ring.
 * False: one is still on its way out; ask again after its RP_OP_RETIRE completions. */
bool rp_segment_maker_retire(struct rp_segment_maker *maker, const struct rp_segment *segment);

/* A completion of RP_OP_RETIRE. */
void rp_segment_maker_retired(struct rp_segment_maker *maker, uint32_t slot, int32_t res);

/* Close what is open, at once, with plain system calls: the ring is gone. */
void rp_segment_maker_close(struct rp_segment_maker *maker);
void rp_segment_close(struct rp_segment *segment, uint64_t size);

#endif
