/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * spooldir_lane.h - recovery of the lanes and of big/, for spooldir.c alone.
 *
 * Everything returns 0 or -errno, and can be done again after it was cut short at any
 * point: the result is the same.
 */
#ifndef SPOOLDIR_LANE_H
#define SPOOLDIR_LANE_H

#include "spooldir.h"

/* A big body that a record names. */
struct rp_spooldir_big {
    uint32_t lane;
    uint64_t big_id;
};

struct rp_spooldir_recovery {
    struct rp_spooldir *dir;
    uint64_t tails[RP_SPOOL_LANES_MAX]; /* what the doorbell proves: all below were committed */
    struct rp_spooldir_big *bigs;       /* of all lanes so far; for spooldir.c to free */
    size_t big_count;
    size_t big_cap;
    bool is_unsure[RP_SPOOL_LANES_MAX]; /* a record that was lost may name any big body */
};

/* Fills in dir->lanes[number] but for its descriptor, and adds to dir->report. Durable. */
int rp_spooldir_lane_recover(struct rp_spooldir_recovery *recovery, uint32_t number);

/* When all lanes are recovered: remove the big bodies that no record names. Durable. */
int rp_spooldir_lane_clean_bigs(struct rp_spooldir_recovery *recovery);

/* ---- in spooldir.c ---- */

int rp_spooldir_sync(int fd);

/* Write all of it, at `off`. */
int rp_spooldir_write(int fd, const void *ptr, size_t len, uint64_t off);

#endif
