/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_peaks.c - when the largest latencies of a run were.
 */
#include "load_peaks.h"

#include <stdbool.h>

static uint64_t less(uint64_t from, uint64_t what)
{
    return from > what ? from - what : 0;
}

/* Does the interval touch what is within the peak's latency of the peak's end? */
static bool is_of(const struct rp_load_peak *peak, uint64_t begin_ns, uint64_t end_ns)
{
    return begin_ns <= peak->to_ns + peak->latency_ns &&
           end_ns > less(peak->to_ns, peak->latency_ns);
}

static bool is_taken(const struct rp_load_stats *stats,
                     uint32_t index,
                     const struct rp_load_peak *peaks,
                     uint32_t count)
{
    uint64_t begin_ns = index * stats->interval_ns;
    for (uint32_t peak = 0; peak < count; peak++) {
        if (index == peaks[peak].interval ||
            is_of(&peaks[peak], begin_ns, begin_ns + stats->interval_ns)) {
            return true;
        }
    }
    return false;
}

/* The interval with the largest latency of those that are of no peak yet; series_count: none. */
static uint32_t find_next(const struct rp_load_stats *stats,
                          const struct rp_load_peak *peaks,
                          uint32_t count)
{
    uint32_t worst = stats->series_count;
    uint64_t worst_ns = 0;
    for (uint32_t index = 0; index < stats->series_count; index++) {
        uint64_t latency_ns = stats->series[index].latency_max_ns;
        if (latency_ns > worst_ns && !is_taken(stats, index, peaks, count)) {
            worst = index;
            worst_ns = latency_ns;
        }
    }
    return worst;
}

uint32_t rp_load_peaks_find(const struct rp_load_stats *stats,
                            struct rp_load_peak peaks_out[RP_LOAD_PEAKS_MAX])
{
    uint32_t count = 0;
    while (count < RP_LOAD_PEAKS_MAX) {
        uint32_t index = find_next(stats, peaks_out, count);
        if (index == stats->series_count) {
            break;
        }
        const struct rp_load_interval *interval = &stats->series[index];
        uint64_t to_ns = less(interval->latency_max_end_ns, stats->begin_ns);
        peaks_out[count++] = (struct rp_load_peak){
            .interval = index,
            .latency_ns = interval->latency_max_ns,
            .from_ns = less(to_ns, interval->latency_max_ns),
            .to_ns = to_ns,
        };
    }
    return count;
}
