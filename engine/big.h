/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * big.h - bodies that get a file of their own, written while they come.
 *
 * The way of one: opened in big/, its message's slices written as they gather, at the
 * end of the body synced, big/ synced (once for all that wait for it), closed; then
 * its message goes to the lane, whose record refers to it. A failure at any step is
 * the message's `failure`; the file goes.
 */
#ifndef BIG_H
#define BIG_H

#include "limits.h"
#include "message.h"

struct rp_worker;

enum rp_big_step {
    RP_BIG_OPENING,
    RP_BIG_OPEN,    /* to be written to; perhaps a write is under way */
    RP_BIG_SYNCING, /* all is written */
    RP_BIG_NAMING,  /* waits for a sync of big/ that begins from now on, or is under way */
    RP_BIG_CLOSING, /* the last operations; then the slot is free */
};

struct rp_big {
    enum rp_big_step step;
    int fd;           /* -1: none */
    uint32_t message; /* RP_NONE: nobody wants it any more */
    uint32_t next;    /* among those that wait for their turn, or for big/ */
    uint32_t pending; /* operations under way while CLOSING */
    bool is_writing;
    bool is_queued;   /* waits for its turn to write or sync */
    bool is_direct;   /* O_DIRECT, as long as offset and length are multiples of a block */
    bool is_complete; /* the end of data was seen */
    uint64_t id;
    uint64_t off; /* octets written */
    size_t iov_first, iov_count;
    struct rp_slices writing; /* what the write under way reads from */
    struct iovec iov[RP_BIG_IOV];
    char name[32];
};

/* The big bodies of a worker. */
struct rp_bigs {
    struct rp_pool pool;
    int dir_fd;           /* big/ */
    uint64_t next_id;     /* unique for ever: begins with the time of the start */
    uint32_t dir_waiting; /* a list of those NAMING, for the next sync of big/ */
    uint32_t dir_syncing; /* and for the one under way */
    bool is_dir_syncing;
    uint32_t busy_count;              /* writes and syncs under way */
    uint32_t queue_first, queue_last; /* those that wait for their turn */
};

/* Give this message's body a file. False: no slot; the message is as it was. */
bool rp_big_begin(struct rp_worker *worker, uint32_t message_index);

/* There is more to write, or (is_complete) this was all: `message->is_complete` is set. */
void rp_big_more(struct rp_worker *worker, struct rp_message *message);

/* The message goes away: its file, too. */
void rp_big_abort(struct rp_worker *worker, struct rp_message *message);

/* The record of this file was refused for good: remove it. */
void rp_big_remove(struct rp_worker *worker, uint64_t big_id);

/* A completion of RP_OP_BIG_*. */
void rp_big_completed(struct rp_worker *worker, uint64_t tag, int32_t res);

/* Close all files, at once, with plain system calls: the ring is gone. */
void rp_bigs_close(struct rp_worker *worker);

#endif
