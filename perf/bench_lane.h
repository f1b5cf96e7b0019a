/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_lane.h - a lane of a spool that benchmarks write: always the same messages.
 *
 *     rp_bench_lane_open(&lane, 10240, 64, identity, doorbell);
 *     rp_bench_lane_enter(&lane, 1, segment_size, index);
 *     error = rp_bench_lane_plan(&lane, 64);       -ENOSPC: the segment is full
 *     ...write lane.batch.iov at lane.batch.off...
 *     (void)rp_spool_batch_commit(&lane.batch);
 *
 * The writer and its batch are those of spool/rp_spool_writer.h. One thread.
 */
#ifndef PERF_BENCH_LANE_H
#define PERF_BENCH_LANE_H

#include "spool/rp_spool_writer.h"

struct rp_bench_lane {
    struct rp_spool_writer writer;
    struct rp_spool_batch batch;
    size_t message_max; /* messages of a batch, each with octets of its own */
    size_t head_len;    /* octets of a record's header and envelope */
    size_t body_len;
    uint8_t *heads;  /* owned: message_max of them, HEAD_ROOM octets apart */
    uint8_t *bodies; /* owned: message_max of them, behind one another */
};

/* Makes the messages. Keeps the pointer to the doorbell. 0 or -ENOMEM. */
int rp_bench_lane_open(struct rp_bench_lane *lane,
                       size_t body_len,
                       size_t message_max,
                       const uint8_t identity[16],
                       struct rp_spool_doorbell *doorbell);

/* Takes a zeroed struct, too. */
void rp_bench_lane_close(struct rp_bench_lane *lane);

/* Go on in this segment; one that is open is closed first. */
void rp_bench_lane_enter(struct rp_bench_lane *lane,
                         uint64_t segment,
                         uint64_t size,
                         uint8_t *index);

/* A sealed batch of `count` messages, or -ENOSPC and no batch is under way. */
int rp_bench_lane_plan(struct rp_bench_lane *lane, size_t count)
    __attribute__((warn_unused_result));

/* What the messages of the batch under way are, but for their place: lengths and hashes. */
uint64_t rp_bench_lane_sum(const struct rp_bench_lane *lane);

/* "Write" the sealed batch into an image of its segment. */
void rp_bench_lane_copy(const struct rp_bench_lane *lane, uint8_t *image);

/* Write the sealed batch to the file of its segment; flags as pwritev2(2). 0 or -errno. */
int rp_bench_lane_write(const struct rp_bench_lane *lane, int fd, int flags)
    __attribute__((warn_unused_result));

#endif
