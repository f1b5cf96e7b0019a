/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_peaks.h - when the largest latencies of a run were: what summary, JSON and page mark.
 *
 *     struct rp_load_peak peaks[RP_LOAD_PEAKS_MAX];
 *     uint32_t count = rp_load_peaks_find(stats, peaks);
 *
 * A peak is an interval of the series, by its largest latency. A stall makes a message wait from
 * the stall's begin to its end, and those behind it for as long again until the backlog is gone:
 * so intervals that are no further from a peak than its latency are of that peak, and are none
 * themselves. Pure.
 */
#ifndef PERF_LOAD_PEAKS_H
#define PERF_LOAD_PEAKS_H

#include "load_stats.h"

#include <stdint.h>

#define RP_LOAD_PEAKS_MAX 5u

struct rp_load_peak {
    uint32_t interval;   /* index in the series */
    uint64_t latency_ns; /* the largest of the interval */
    uint64_t from_ns;    /* since when that message waited, from the begin of the timed part on */
    uint64_t to_ns;      /* and until when */
};

/* The worst first; their number. */
uint32_t rp_load_peaks_find(const struct rp_load_stats *stats,
                            struct rp_load_peak peaks_out[RP_LOAD_PEAKS_MAX]);

#endif
