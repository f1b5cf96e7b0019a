/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * histogram.h - log-linear histogram of 64-bit values: three significant digits everywhere.
 *
 *     rp_histogram_add(&histogram, ns, 1);
 *     uint64_t p99 = rp_histogram_quantile(&histogram, 0.99);
 *
 * Fixed size, no allocation; a zeroed one is empty. Values 0 to 2047 have a bucket each; above,
 * each power of two is cut into 1024 buckets, so that a bucket is at most 0.1 % of its value
 * wide. One thread adds; others may read and merge meanwhile (relaxed atomics). (Debian 12 has no
 * package of an HDR histogram library in C.)
 */
#ifndef PERF_HISTOGRAM_H
#define PERF_HISTOGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RP_HISTOGRAM_SUB_BITS       10u
#define RP_HISTOGRAM_VALUE_BITS_MAX 42u /* larger values count as 2^42 - 1: 73 minutes in ns */
#define RP_HISTOGRAM_BUCKETS \
    ((RP_HISTOGRAM_VALUE_BITS_MAX - RP_HISTOGRAM_SUB_BITS + 1u) << RP_HISTOGRAM_SUB_BITS)

struct rp_histogram {
    uint64_t count;
    uint64_t sum;
    uint64_t min; /* of what was added; 0 while count is 0 */
    uint64_t max;
    uint64_t buckets[RP_HISTOGRAM_BUCKETS];
};

void rp_histogram_add(struct rp_histogram *histogram, uint64_t value, uint64_t times);

/* Empty it again; its thread only, others may read meanwhile. Costs what the used part costs. */
void rp_histogram_clear(struct rp_histogram *histogram);

/* Add what `other` holds to `histogram`. What its thread adds meanwhile is there or not; the
 * count is in any case that of the buckets. */
void rp_histogram_merge(struct rp_histogram *histogram, const struct rp_histogram *other);

/* The value that a share of `quantile` (0 to 1) of all does not exceed: the highest value of its
 * bucket, never more than max. 0 where there is none. */
uint64_t rp_histogram_quantile(const struct rp_histogram *histogram, double quantile);

/* The same over what came since `before` was copied from it: buckets only grow. */
uint64_t rp_histogram_quantile_since(const struct rp_histogram *histogram,
                                     const struct rp_histogram *before,
                                     double quantile);

double rp_histogram_mean(const struct rp_histogram *histogram); /* 0 where there is none */

/* The buckets that hold something, in order: *position begins at 0. False: no more. Values from
 * *low_out to *high_out, both included. */
bool rp_histogram_next(const struct rp_histogram *histogram,
                       size_t *position,
                       uint64_t *low_out,
                       uint64_t *high_out,
                       uint64_t *count_out);

#endif
