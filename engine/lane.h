/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * lane.h - group commit: complete messages in, one write and its sync for many, then
 * their replies.
 *
 * No timer: while one commit is under way, the next batch gathers.
 */
#ifndef LANE_H
#define LANE_H

#include "limits.h"
#include "message.h"
#include "retire.h"
#include "segment.h"
#include "stage.h"

struct rp_worker;

struct rp_lane_queue {
    uint32_t first, last; /* RP_NONE: empty */
};

enum rp_lane_state {
    RP_LANE_IDLE,
    RP_LANE_WRITING, /* the batch is under way */
    RP_LANE_VOIDING, /* the header of the segment after an abandoned one is under way */
};

struct rp_lane {
    enum rp_lane_state state;
    bool is_open; /* `segment` is */
    struct rp_spool_writer writer;
    bool is_finishing; /* what is open is closed in good order, nothing more is committed */
    struct rp_segment segment;
    struct rp_segment_maker maker;
    struct rp_retire retire;
    uint8_t *index_memory[2];       /* of the open segment, and of the one that is retired */
    uint32_t index_turn;            /* which of them is the open segment's */
    struct rp_lane_queue waiting;   /* complete, for the next batch */
    struct rp_lane_queue writing;   /* in the batch under way */
    struct rp_lane_queue failed;    /* of an abandoned batch: refused once it is void */
    const struct rp_reply *failure; /* what they are told */
    uint64_t waiting_octets;        /* of bodies that `waiting` will put into records */
    uint64_t segment_commits;       /* of the open segment */
    uint64_t committed_off;         /* behind its last committed batch */
    bool is_direct;                 /* the batch is written past the page cache */
    bool cannot_direct;             /* the file system refused that: not asked again */
    struct iovec *iov;              /* what is written: of the batch, or of the stage */
    size_t iov_count;
    size_t iov_first; /* those before it are written */
    uint64_t written; /* octets of the batch that are written */
    struct rp_stage stage;
    struct rp_spool_batch batch;
    struct iovec head_iov[RP_MESSAGE_BLOCKS_MAX + 1]; /* of the message that is appended */
    struct iovec body_iov[RP_MESSAGE_SLICES_MAX];
};

/* 0 or -ENOMEM. */
int rp_lane_init(struct rp_worker *worker);

/* A message is complete and its body is in its slices or, durable, in its file. */
void rp_lane_add(struct rp_worker *worker, uint32_t message_index);

/* Start the next commit, where none is under way and there is something to do. */
void rp_lane_pump(struct rp_worker *worker);

/* A completion of RP_OP_COMMIT. */
void rp_lane_completed(struct rp_worker *worker, int32_t res);

/* Nothing waits and nothing is under way. */
bool rp_lane_is_idle(const struct rp_lane *lane);

/* There is no place for a message now, or soon: what to tell those who ask; NULL: there is. */
const struct rp_reply *rp_lane_refusal(const struct rp_lane *lane);

/* A completion of RP_OP_SEGMENT or RP_OP_RETIRE. */
void rp_lane_segment_step(struct rp_worker *worker, int32_t res);
void rp_lane_retired(struct rp_worker *worker, int32_t res);

/* Prepare the next segment, if it is due. */
void rp_lane_prepare(struct rp_worker *worker);

/*
 * The lane is idle, and nothing more will be committed: write the index, give back what is
 * prepared, so that no recovery has anything to do. To be called until it says true: all is done.
 */
bool rp_lane_finish(struct rp_worker *worker);

/* Close what is open, at once. */
void rp_lane_close(struct rp_worker *worker);

/* The engine's own troubles, as replies: never 5xx. */
extern const struct rp_reply rp_lane_no_space;  /* 452 4.3.1: ENOSPC, EDQUOT, EMFILE, ... */
extern const struct rp_reply rp_lane_io_error;  /* 451 4.3.0: EIO and the rest */
extern const struct rp_reply rp_lane_no_memory; /* 452 4.3.1 */

/* The one of them that a failed operation's errno (positive) asks for. */
const struct rp_reply *rp_lane_reply_for_error(int error);

#endif
