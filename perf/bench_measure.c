/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_measure.c - time a case.
 */
#include "bench_measure.h"

#include "tools/stop.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#if defined(__x86_64__) || defined(__i386__)
#    include <x86intrin.h>
#endif

#define NS_PER_S       1000000000u

/* Calibration ends once a run takes this part of what a repeat shall take: long enough to
 * tell the rest by, and short beside it. */
#define CALIBRATE_PART 10u

/* More would not end within a life; also keeps the sums below from wrapping. */
#define ROUNDS_MAX     (UINT64_C(1) << 48)

struct stamp {
    uint64_t ns;
    uint64_t cycles;
};

static struct stamp now(void)
{
    struct timespec time;
    int error = clock_gettime(CLOCK_MONOTONIC, &time);
    assert(error == 0);
    (void)error;
    struct stamp stamp = {.ns = (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec};
#if defined(__x86_64__) || defined(__i386__)
    stamp.cycles = __rdtsc();
#endif
    return stamp;
}

uint64_t rp_bench_measure_scale(uint64_t rounds, uint64_t elapsed_ns, uint64_t time_ns)
{
    const double wanted = (double)rounds * (double)time_ns / (double)(elapsed_ns + 1);
    if (wanted < 1) {
        return 1;
    }
    return wanted < (double)ROUNDS_MAX ? (uint64_t)wanted : ROUNDS_MAX;
}

static int compare(const void *left, const void *right)
{
    const double a = *(const double *)left;
    const double b = *(const double *)right;
    return (a > b) - (a < b);
}

double rp_bench_measure_median(double *values, size_t count)
{
    assert(count > 0);
    qsort(values, count, sizeof(values[0]), compare);
    return count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* One timed run whose result must be `checksum`. */
static int time_run(struct rp_bench_work *work,
                    uint64_t rounds,
                    uint64_t checksum,
                    struct stamp *elapsed_out)
{
    uint64_t got = 0;
    if (rp_stop_is_asked()) {
        return -EINTR;
    }
    const struct stamp from = now();
    int error = work->what->run(work, rounds, &got);
    const struct stamp to = now();
    if (error != 0) {
        return error;
    }
    *elapsed_out = (struct stamp){to.ns - from.ns, to.cycles - from.cycles};
    return got == checksum ? 0 : -EILSEQ;
}

/* Also warms caches and branch predictors up. */
static int calibrate(struct rp_bench_work *work,
                     uint64_t time_ns,
                     uint64_t checksum,
                     uint64_t *rounds_out)
{
    uint64_t rounds = 1;
    for (;;) {
        struct stamp elapsed = {0};
        int error = time_run(work, rounds, checksum, &elapsed);
        if (error != 0) {
            return error;
        }
        if (elapsed.ns >= time_ns / CALIBRATE_PART || rounds >= ROUNDS_MAX) {
            *rounds_out = rp_bench_measure_scale(rounds, elapsed.ns, time_ns);
            return 0;
        }
        rounds *= 2;
    }
}

static int repeat(struct rp_bench_work *work,
                  const struct rp_bench_measure *measure,
                  struct rp_bench_result *result)
{
    static double ns[RP_BENCH_REPEAT_MAX]; /* one thread; too large for the stack */
    static double cycles[RP_BENCH_REPEAT_MAX];
    const double units = (double)work->units * (double)result->rounds;
    for (unsigned at = 0; at < measure->repeat; at++) {
        struct stamp elapsed = {0};
        int error = time_run(work, result->rounds, result->checksum, &elapsed);
        if (error != 0) {
            return error;
        }
        ns[at] = (double)elapsed.ns / units;
        cycles[at] = (double)elapsed.cycles / units;
    }
    result->ns_median = rp_bench_measure_median(ns, measure->repeat);
    result->ns_min = ns[0];
    result->ns_max = ns[measure->repeat - 1];
    result->cycles_median = rp_bench_measure_median(cycles, measure->repeat);
    /* A clock that did not move at all, with one short round, must not become a division. */
    const double second = NS_PER_S / (result->ns_median > 0 ? result->ns_median : 1);
    result->units_per_s = second;
    result->octets_per_s = second * (double)work->octets / (double)work->units;
    return 0;
}

int rp_bench_measure_run(const struct rp_bench_case *what,
                         const struct rp_bench_setup *setup,
                         const struct rp_bench_measure *measure,
                         struct rp_bench_result *result_out)
{
    assert(measure->repeat >= 1 && measure->repeat <= RP_BENCH_REPEAT_MAX);
    struct rp_bench_work work = {.what = what};
    int error = what->open(what, setup, &work);
    if (error != 0) {
        return error;
    }
    struct rp_bench_result result = {.rounds = measure->rounds > 0 ? measure->rounds : 1};
    error = what->run(&work, 1, &result.checksum);
    if (error == 0 && measure->rounds == 0 && measure->time_ns > 0) {
        error = calibrate(&work, measure->time_ns, result.checksum, &result.rounds);
    }
    error = error != 0 ? error : repeat(&work, measure, &result);
    what->close(&work);
    if (error == 0) {
        *result_out = result;
    }
    return error;
}

int rp_bench_measure_checksum(const struct rp_bench_case *what,
                              const struct rp_bench_setup *setup,
                              uint64_t *checksum_out)
{
    struct rp_bench_work work = {.what = what};
    int error = what->open(what, setup, &work);
    if (error != 0) {
        return error;
    }
    error = what->run(&work, 1, checksum_out);
    what->close(&work);
    return error;
}
