/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_measure.h - time a case: how many rounds, how often, and what the figures are.
 *
 * Time is CLOCK_MONOTONIC. Cycles are those of the time stamp counter (x86), which ticks at
 * one rate whatever the core's clock is; elsewhere there are none.
 */
#ifndef PERF_BENCH_MEASURE_H
#define PERF_BENCH_MEASURE_H

#include "bench_case.h"

#define RP_BENCH_REPEAT_MAX 1000u

struct rp_bench_measure {
    uint64_t time_ns; /* that a repeat shall take; 0: one round */
    uint64_t rounds;  /* of each repeat; 0: as many as time_ns asks for */
    unsigned repeat;  /* 1 to RP_BENCH_REPEAT_MAX */
};

struct rp_bench_result {
    uint64_t rounds;   /* of a repeat */
    uint64_t checksum; /* of a round */
    double ns_median;  /* all of these: a unit, over the repeats */
    double ns_min;
    double ns_max;
    double cycles_median; /* 0: no counter */
    double units_per_s;   /* by the median */
    double octets_per_s;  /* 0 where the case has none */
};

/*
 * Open, measure and close a case. 0; or -errno: the case could not be opened or run;
 * -EILSEQ: its rounds did not all give the same result; -EINTR: rp_stop_is_asked.
 */
int rp_bench_measure_run(const struct rp_bench_case *what,
                         const struct rp_bench_setup *setup,
                         const struct rp_bench_measure *measure,
                         struct rp_bench_result *result_out);

/* Open, run for one round and close a case. 0 or -errno. */
int rp_bench_measure_checksum(const struct rp_bench_case *what,
                              const struct rp_bench_setup *setup,
                              uint64_t *checksum_out);

/* How many rounds take time_ns, where `rounds` took elapsed_ns; at least 1. */
uint64_t rp_bench_measure_scale(uint64_t rounds, uint64_t elapsed_ns, uint64_t time_ns);

/* The middle one, or the mean of the two in the middle. Sorts `values`; count is at least 1. */
double rp_bench_measure_median(double *values, size_t count);

#endif
