/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_load_peaks.c - when the largest latencies of a run were.
 *
 * Goal: the worst intervals in order, a stall and its backlog once, at most RP_LOAD_PEAKS_MAX.
 * Method: rows; random series against properties that every answer must have.
 */
#include "perf/load_peaks.h"
#include "tests/tools/suite.h"

#include <string.h>

#define SECOND UINT64_C(1000000000)
#define MS     UINT64_C(1000000)
#define BEGIN  (1000 * SECOND)

static struct rp_load_peak peaks[RP_LOAD_PEAKS_MAX];

static struct rp_load_stats *open_stats(void)
{
    struct rp_load_stats *stats = NULL;
    CU_ASSERT_EQUAL_FATAL(rp_load_stats_open(&stats), 0);
    rp_load_stats_begin(stats, BEGIN);
    return stats;
}

/* A message of each interval, all fast but the given ones. */
static void fill(struct rp_load_stats *stats, uint32_t count)
{
    for (uint32_t index = 0; index < count; index++) {
        rp_load_stats_accepted(stats, BEGIN + index * 100 * MS + 50 * MS, MS, 10);
    }
}

static void test_none(void)
{
    struct rp_load_stats *stats = open_stats();
    CU_ASSERT_EQUAL(rp_load_peaks_find(stats, peaks), 0);
    rp_load_stats_refused(stats, BEGIN); /* an interval without a latency */
    CU_ASSERT_EQUAL(rp_load_peaks_find(stats, peaks), 0);
    rp_load_stats_close(stats);
}

static void test_one(void)
{
    struct rp_load_stats *stats = open_stats();
    rp_load_stats_accepted(stats, BEGIN + 250 * MS, 3 * MS, 10);
    CU_ASSERT_EQUAL_FATAL(rp_load_peaks_find(stats, peaks), 1);
    CU_ASSERT_EQUAL(peaks[0].interval, 2);
    CU_ASSERT_EQUAL(peaks[0].latency_ns, 3 * MS);
    CU_ASSERT_EQUAL(peaks[0].from_ns, 247 * MS);
    CU_ASSERT_EQUAL(peaks[0].to_ns, 250 * MS);
    rp_load_stats_close(stats);
}

/* It began before the timed part, or ended before it. */
static void test_early(void)
{
    struct rp_load_stats *stats = open_stats();
    rp_load_stats_accepted(stats, BEGIN + MS, 30 * MS, 10);
    CU_ASSERT_EQUAL_FATAL(rp_load_peaks_find(stats, peaks), 1);
    CU_ASSERT_EQUAL(peaks[0].from_ns, 0);
    CU_ASSERT_EQUAL(peaks[0].to_ns, MS);
    rp_load_stats_close(stats);
    stats = open_stats();
    rp_load_stats_accepted(stats, BEGIN - MS, 30 * MS, 10);
    CU_ASSERT_EQUAL_FATAL(rp_load_peaks_find(stats, peaks), 1);
    CU_ASSERT_EQUAL(peaks[0].to_ns, 0);
    rp_load_stats_close(stats);
}

/* 800 ms at 12.8 s, and what drains behind it: one peak. One far from it is another. */
static void test_backlog(void)
{
    struct rp_load_stats *stats = open_stats();
    fill(stats, 200);
    for (uint64_t step = 0; step <= 8; step++) {
        rp_load_stats_accepted(stats, BEGIN + 12800 * MS + step * 100 * MS, (800 - 95 * step) * MS,
                               10);
    }
    rp_load_stats_accepted(stats, BEGIN + 5050 * MS, 20 * MS, 10);
    CU_ASSERT_EQUAL_FATAL(rp_load_peaks_find(stats, peaks), RP_LOAD_PEAKS_MAX);
    CU_ASSERT_EQUAL(peaks[0].interval, 128);
    CU_ASSERT_EQUAL(peaks[0].from_ns, 12 * SECOND);
    CU_ASSERT_EQUAL(peaks[0].to_ns, 12800 * MS);
    CU_ASSERT_EQUAL(peaks[1].interval, 50);
    CU_ASSERT_EQUAL(peaks[1].latency_ns, 20 * MS);
    CU_ASSERT_EQUAL(peaks[2].latency_ns, MS);
    rp_load_stats_close(stats);
}

/* A long run: the intervals are folded, and the place within them is still known. */
static void test_folded(void)
{
    struct rp_load_stats *stats = open_stats();
    rp_load_stats_accepted(stats, BEGIN + 777777 * MS, 400 * MS, 10);
    rp_load_stats_accepted(stats, BEGIN + 100000 * SECOND, MS, 10);
    CU_ASSERT_TRUE(stats->interval_ns > 20 * SECOND);
    CU_ASSERT_EQUAL_FATAL(rp_load_peaks_find(stats, peaks), 2);
    CU_ASSERT_EQUAL(peaks[0].to_ns, 777777 * MS);
    CU_ASSERT_EQUAL(peaks[0].from_ns, 777377 * MS);
    rp_load_stats_close(stats);
}

/* Whether one of the first `count` peaks is worse and no further from this than its latency. */
static bool is_explained(const struct rp_load_stats *stats, uint32_t index, uint32_t count)
{
    uint64_t low_ns = index * stats->interval_ns;
    uint64_t high_ns = low_ns + stats->interval_ns - 1;
    for (uint32_t peak = 0; peak < count; peak++) {
        uint64_t to_ns = peaks[peak].to_ns;
        uint64_t off_ns = to_ns < low_ns ? low_ns - to_ns : to_ns > high_ns ? to_ns - high_ns : 0;
        if (off_ns <= peaks[peak].latency_ns &&
            peaks[peak].latency_ns >= stats->series[index].latency_max_ns) {
            return true;
        }
    }
    return false;
}

/* What is no peak is explained by one that is worse, or all places are taken by worse ones. */
static void check_random(struct rp_load_stats *stats)
{
    uint32_t count = rp_load_peaks_find(stats, peaks);
    for (uint32_t index = 0; index < count; index++) {
        CU_ASSERT_FALSE(is_explained(stats, peaks[index].interval, index));
        CU_ASSERT_TRUE(index == 0 || peaks[index].latency_ns <= peaks[index - 1].latency_ns);
    }
    for (uint32_t index = 0; index < stats->series_count; index++) {
        uint64_t latency_ns = stats->series[index].latency_max_ns;
        CU_ASSERT_TRUE(latency_ns == 0 || is_explained(stats, index, count) ||
                       (count == RP_LOAD_PEAKS_MAX && latency_ns <= peaks[count - 1].latency_ns));
    }
}

static void test_random(void)
{
    uint64_t state = suite_seed;
    for (unsigned round = 0; round < 500; round++) {
        struct rp_load_stats *stats = open_stats();
        uint64_t span_ns = (1 + suite_random_below(&state, 100)) * 100 * MS;
        uint64_t most_ns = (UINT64_C(1) << suite_random_below(&state, 12)) * MS;
        uint64_t messages = suite_random_below(&state, 200);
        for (uint64_t index = 0; index < messages; index++) {
            rp_load_stats_accepted(stats, BEGIN + suite_random_below(&state, span_ns),
                                   1 + suite_random_below(&state, most_ns), 10);
        }
        check_random(stats);
        rp_load_stats_close(stats);
    }
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"none",                    test_none   },
        {"one",                     test_one    },
        {"before the timed part",   test_early  },
        {"a stall and its backlog", test_backlog},
        {"folded intervals",        test_folded },
        {"random",                  test_random },
    };
    return SUITE_RUN("perf/load_peaks", tests, argc, argv);
}
