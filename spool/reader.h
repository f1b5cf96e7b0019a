/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reader.h - what the files of the reader library share: the reader itself.
 */
#ifndef READER_H
#define READER_H

#include "reader_lane.h"

struct rp_spool_reader {
    struct rp_reader_spool spool;
    uint32_t lane_count;
    struct rp_reader_lane lanes[RP_SPOOL_LANES_MAX];
    uint64_t seen[RP_SPOOL_LANES_MAX]; /* tails when rp_spool_reader_next last gave 0 */
    uint32_t seen_generation;
    uint64_t mark; /* of the files, when they were last listed */
};

/* Look at doorbell and files anew, where there is reason to; true: something is different. */
int rp_reader_refresh(struct rp_spool_reader *reader, bool *is_changed_out);

/* Load the segment numbers[i] and get its entries. -EAGAIN, -ENOENT: there is nothing in it;
 * -ESTALE: refresh, then try again. */
int rp_reader_load(const struct rp_spool_reader *reader,
                   struct rp_reader_lane *lane,
                   size_t i,
                   struct rp_reader_lane_entries *entries_out);

/* What the caller of the library gets to see of the entry at `position`. */
void rp_reader_fill_entry(const struct rp_reader_lane *lane,
                          const struct rp_reader_lane_entries *entries,
                          uint64_t position,
                          struct rp_spool_entry *out);

/*
 * The index entry of a message, and the lane's open segment file. -ENOENT: it is gone.
 */
int rp_reader_find_entry(struct rp_spool_reader *reader,
                         const struct rp_spool_entry *entry,
                         struct rp_spool_index_entry *index_entry_out,
                         int *fd_out);

#endif
