/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sink_log.h - one file, written in a circle: a write and its sync for a group of messages.
 *
 *     rp_sink_log_open(&log, &options, ring, error, sizeof(error));
 *     rp_sink_log_append(&log, octets, len);       only where rp_sink_log_has_room
 *     rp_sink_log_begin(&log, ring);               when !is_busy: the group is under way
 *     rp_sink_log_complete(&log, tag, res);        its completions, until it answers 1
 *
 * There are two buffers: one gathers while the other is written. What is appended belongs to
 * group number `gathering`; when the group is complete all before it is, too. Offsets never
 * pass the end of the file, which was written in full before: no commit changes its size
 * or where it lies on the disk.
 */
#ifndef PERF_SINK_LOG_H
#define PERF_SINK_LOG_H

#include "sink.h"

#include <liburing.h>

/* Octets of each buffer, at most; the log's size where that is less. Groups of small messages
 * use the front only, which stays in the cache; 1000 connections with 100 KiB each fill all of
 * it, and with 2 MiB took 1.6 times the CPU, for its many commits. */
#define RP_SINK_LOG_BUFFER_MAX (32u << 20)

enum rp_sink_log_tag {
    RP_SINK_LOG_WRITE,
    RP_SINK_LOG_SYNC,
};

struct rp_sink_log {
    int fd;
    bool is_direct;
    bool is_registered; /* the buffers are known to the ring: no page is looked up per write */
    enum rp_sink_commit commit;
    uint64_t size;
    uint64_t off; /* where the next group goes */
    uint8_t *buffers;
    size_t capacity;    /* octets of each of the two */
    uint32_t filling;   /* which of them */
    size_t len;         /* octets in it */
    size_t writing_len; /* of the write under way */
    uint64_t gathering; /* number of the group, from 1 */
    uint64_t commits;
    uint32_t pending; /* completions that are still to come */
    bool is_busy;
};

/*
 * Make the file and write it in full; the ring is told of the buffers. 0, or -errno with one
 * line in `error`. A file that is there already is refused: it might be somebody's.
 */
int rp_sink_log_open(struct rp_sink_log *log,
                     const struct rp_sink_options *options,
                     struct io_uring *ring,
                     char *error,
                     size_t error_len);
void rp_sink_log_close(struct rp_sink_log *log); /* one that was not opened is fine: fd is -1 */

bool rp_sink_log_has_room(const struct rp_sink_log *log, size_t len);
void rp_sink_log_append(struct rp_sink_log *log, const uint8_t *octets, size_t len);

/* What to submit for the group that gathers; user data are `tag_base` and the log's tag. */
void rp_sink_log_begin(struct rp_sink_log *log, struct io_uring *ring, uint64_t tag_base);

/* 1: the group is complete; 0: more is to come; or -errno: the log is broken. */
int rp_sink_log_complete(struct rp_sink_log *log, enum rp_sink_log_tag tag, int res);

#endif
