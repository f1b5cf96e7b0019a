/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_load_stats.c - what a worker counts, and the sum of all workers.
 *
 * Goal: nothing is lost when the series is folded, when stats of other interval lengths are
 * added, or when they are added while their thread writes; texts are kept once.
 * Method: rows; random events against plain totals and a series of the test's own; a thread.
 */
#include "perf/load_stats.h"
#include "tests/tools/suite.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>

#define SECOND UINT64_C(1000000000)
#define BEGIN  (1000 * SECOND)

static struct rp_load_stats *open_stats(void)
{
    struct rp_load_stats *stats = NULL;
    CU_ASSERT_EQUAL_FATAL(rp_load_stats_open(&stats), 0);
    rp_load_stats_begin(stats, BEGIN);
    return stats;
}

static void test_names(void)
{
    for (unsigned phase = 0; phase < RP_LOAD_PHASE_COUNT; phase++) {
        CU_ASSERT_TRUE(strlen(rp_load_phase_name((enum rp_load_phase)phase)) >= 3);
    }
    CU_ASSERT_STRING_EQUAL(rp_load_phase_name(RP_LOAD_PHASE_CONNECT), "connect");
    CU_ASSERT_STRING_EQUAL(rp_load_phase_name(RP_LOAD_PHASE_MESSAGE), "message");
    CU_ASSERT_STRING_EQUAL(rp_load_error_name(RP_LOAD_ERROR_CONNECT), "connect");
    CU_ASSERT_STRING_EQUAL(rp_load_error_name(RP_LOAD_ERROR_TIMEOUT), "timeout");
}

static void count_one_of_each(struct rp_load_stats *stats)
{
    rp_load_stats_accepted(stats, BEGIN + 1, 5000, 100);
    rp_load_stats_accepted(stats, BEGIN + SECOND / 10, 7000, 100);
    rp_load_stats_refused(stats, BEGIN + SECOND / 4);
    rp_load_stats_error(stats, BEGIN - 1, RP_LOAD_ERROR_CLOSED); /* before: the first interval */
    rp_load_stats_latency(stats, RP_LOAD_PHASE_RCPT, 300);
    rp_load_stats_reply(stats, RP_LOAD_PHASE_RCPT, 250);
    rp_load_stats_reply(stats, RP_LOAD_PHASE_RCPT, 999);
    rp_load_stats_sample(stats, "rcpt", "550 no\r\n", 8);
}

static void test_rows(void)
{
    struct rp_load_stats *stats = open_stats();
    count_one_of_each(stats);
    CU_ASSERT_EQUAL(stats->accepted, 2);
    CU_ASSERT_EQUAL(stats->octets, 200);
    CU_ASSERT_EQUAL(stats->refused, 1);
    CU_ASSERT_EQUAL(rp_load_stats_errors(stats), 1);
    CU_ASSERT_EQUAL(stats->errors[RP_LOAD_ERROR_CLOSED], 1);
    CU_ASSERT_EQUAL(stats->codes[RP_LOAD_PHASE_RCPT][250], 1);
    CU_ASSERT_EQUAL(stats->codes[RP_LOAD_PHASE_RCPT][999], 1);
    CU_ASSERT_EQUAL(stats->latency[RP_LOAD_PHASE_RCPT].count, 1);
    CU_ASSERT_EQUAL(stats->latency[RP_LOAD_PHASE_MESSAGE].count, 2);
    CU_ASSERT_EQUAL(stats->latency[RP_LOAD_PHASE_MESSAGE].max, 7000);
    CU_ASSERT_EQUAL(stats->series_count, 3);
    CU_ASSERT_EQUAL(stats->series[0].accepted, 1);
    CU_ASSERT_EQUAL(stats->series[0].errors, 1);
    CU_ASSERT_EQUAL(stats->series[1].accepted, 1);
    CU_ASSERT_EQUAL(stats->series[1].latency_max_ns, 7000);
    CU_ASSERT_EQUAL(stats->series[1].latency_max_end_ns, BEGIN + SECOND / 10);
    CU_ASSERT_EQUAL(stats->series[2].refused, 1);
    CU_ASSERT_STRING_EQUAL(stats->samples[0], "rcpt: 550 no");
    rp_load_stats_close(stats);
    rp_load_stats_close(NULL);
}

/* After a begin nothing is left but texts nobody counts; what follows is as in a new one. */
static void test_begin_again(void)
{
    struct rp_load_stats *stats = open_stats();
    struct rp_load_stats *fresh = open_stats();
    count_one_of_each(stats);
    rp_load_stats_accepted(stats, BEGIN + 100000 * SECOND, 1, 1); /* folds */
    stats->end_ns = BEGIN + 1;
    stats->connections_refused = 1;
    rp_load_stats_begin(stats, BEGIN);
    memset(stats->samples, 0, sizeof(stats->samples));
    CU_ASSERT_EQUAL(memcmp(stats, fresh, sizeof(*fresh)), 0);
    rp_load_stats_close(fresh);
    rp_load_stats_close(stats);
}

static void test_fold(void)
{
    struct rp_load_stats *stats = open_stats();
    uint64_t step = RP_LOAD_INTERVAL_NS;
    for (uint64_t index = 0; index < RP_LOAD_SERIES_MAX; index++) {
        rp_load_stats_accepted(stats, BEGIN + index * step, index, 10);
    }
    CU_ASSERT_EQUAL(stats->interval_ns, step);
    CU_ASSERT_EQUAL(stats->series_count, RP_LOAD_SERIES_MAX);
    rp_load_stats_refused(stats, BEGIN + RP_LOAD_SERIES_MAX * step);
    CU_ASSERT_EQUAL(stats->interval_ns, 2 * step);
    CU_ASSERT_EQUAL_FATAL(stats->series_count, RP_LOAD_SERIES_MAX / 2 + 1);
    for (uint64_t index = 0; index < RP_LOAD_SERIES_MAX / 2; index++) {
        const struct rp_load_interval *interval = &stats->series[index];
        CU_ASSERT_EQUAL(interval->accepted, 2);
        CU_ASSERT_EQUAL(interval->octets, 20);
        CU_ASSERT_EQUAL(interval->latency_sum_ns, 4 * index + 1);
        CU_ASSERT_EQUAL(interval->latency_max_ns, 2 * index + 1);
        CU_ASSERT_EQUAL(interval->latency_max_end_ns, BEGIN + (2 * index + 1) * step);
    }
    CU_ASSERT_EQUAL(stats->series[RP_LOAD_SERIES_MAX / 2].refused, 1);
    CU_ASSERT_EQUAL(stats->series[RP_LOAD_SERIES_MAX / 2].accepted, 0);
    /* A very late one: folded as often as it takes; an odd count has a last one alone. */
    rp_load_stats_error(stats, BEGIN + 1000000 * SECOND, RP_LOAD_ERROR_TIMEOUT);
    CU_ASSERT_EQUAL(stats->interval_ns, step << 12);
    CU_ASSERT_EQUAL(stats->series[0].accepted, RP_LOAD_SERIES_MAX);
    CU_ASSERT_EQUAL(stats->series[1].refused, 1);
    rp_load_stats_close(stats);
}

/* Stats whose runs differ in length, so that their intervals do, in either order. */
static void check_mixed(uint64_t *state, bool is_long_first)
{
    struct rp_load_stats *sum = open_stats();
    struct rp_load_stats *parts[2] = {open_stats(), open_stats()};
    static uint64_t seconds[6000];
    memset(seconds, 0, sizeof(seconds));
    for (unsigned part = 0; part < 2; part++) {
        uint64_t span = (part == 0) == is_long_first ? 6000 * SECOND : 100 * SECOND;
        for (unsigned index = 0; index < 20000; index++) {
            uint64_t at = suite_random_below(state, span);
            seconds[at / SECOND]++;
            rp_load_stats_accepted(parts[part], BEGIN + at, 10, 1);
        }
    }
    rp_load_stats_add(sum, parts[0]);
    rp_load_stats_add(sum, parts[1]);
    CU_ASSERT_EQUAL(sum->accepted, 40000);
    CU_ASSERT_EQUAL(sum->interval_ns, 16 * RP_LOAD_INTERVAL_NS); /* 1.6 s * 4096 > 6000 s */
    for (uint64_t index = 0; index < 6000 / 8; index++) {        /* 8 s: five intervals */
        uint64_t want = 0;
        uint64_t got = 0;
        for (unsigned second = 0; second < 8; second++) {
            want += seconds[8 * index + second];
        }
        for (unsigned interval = 0; interval < 5; interval++) {
            got += sum->series[5 * index + interval].accepted;
        }
        CU_ASSERT_EQUAL(got, want);
    }
    rp_load_stats_close(parts[0]);
    rp_load_stats_close(parts[1]);
    rp_load_stats_close(sum);
}

static void test_mixed_intervals(void)
{
    uint64_t state = suite_seed;
    check_mixed(&state, true);
    check_mixed(&state, false);
}

static void test_add(void)
{
    struct rp_load_stats *sum = open_stats();
    struct rp_load_stats *part = open_stats();
    count_one_of_each(part);
    part->connections = 3;
    part->connections_refused = 7;
    part->recipients_refused = 4;
    part->started = 5;
    part->late = 6;
    part->end_ns = BEGIN + SECOND;
    rp_load_stats_add(sum, part);
    CU_ASSERT_EQUAL(memcmp(sum, part, sizeof(*sum)), 0); /* the first one: all of it */
    rp_load_stats_add(sum, part);
    CU_ASSERT_EQUAL(sum->accepted, 4);
    CU_ASSERT_EQUAL(sum->connections, 6);
    CU_ASSERT_EQUAL(sum->connections_refused, 14);
    CU_ASSERT_EQUAL(sum->late, 12);
    CU_ASSERT_EQUAL(sum->codes[RP_LOAD_PHASE_RCPT][999], 2);
    CU_ASSERT_EQUAL(sum->series[1].accepted, 2);
    CU_ASSERT_EQUAL(sum->series[1].latency_max_ns, 7000);
    CU_ASSERT_EQUAL(sum->end_ns, BEGIN + SECOND);
    CU_ASSERT_EQUAL(sum->sample_count, 1); /* the text is the same */
    rp_load_stats_close(part);
    rp_load_stats_close(sum);
}

static void sample(struct rp_load_stats *stats, const char *what, const char *text)
{
    rp_load_stats_sample(stats, what, text, strlen(text));
}

static void test_samples(void)
{
    struct rp_load_stats *stats = open_stats();
    sample(stats, "mail", "452 full");
    sample(stats, "mail", "452 full\n");
    CU_ASSERT_EQUAL(stats->sample_count, 1);
    sample(stats, "rcpt", "452 full");
    sample(stats, "mail", "452 queue 2");
    sample(stats, "mail", "452 queue 3");
    CU_ASSERT_EQUAL(stats->sample_count, 4);
    sample(stats, "mail", "452 queue 4"); /* enough of this kind */
    CU_ASSERT_EQUAL(stats->sample_count, 4);
    sample(stats, "mail", "550 no");
    rp_load_stats_sample(stats, "end", "a\0b\xff", 4);
    sample(stats, "end", "");
    CU_ASSERT_EQUAL(stats->sample_count, 7);
    CU_ASSERT_STRING_EQUAL(stats->samples[5], "end: a?b\xff");
    CU_ASSERT_STRING_EQUAL(stats->samples[6], "end: ");
    char large[1000];
    memset(large, 'x', sizeof(large));
    rp_load_stats_sample(stats, "end", large, sizeof(large));
    CU_ASSERT_EQUAL(strlen(stats->samples[7]), RP_LOAD_SAMPLE_LEN);
    for (unsigned index = 0; index < 100; index++) {
        char what[16];
        (void)snprintf(what, sizeof(what), "kind %u", index);
        sample(stats, what, "x");
    }
    CU_ASSERT_EQUAL(stats->sample_count, RP_LOAD_SAMPLES_MAX);
    rp_load_stats_close(stats);
}

#define EVENTS 200000u
static bool is_done;

static void *count_many(void *argument)
{
    struct rp_load_stats *stats = argument;
    uint64_t state = suite_seed;
    for (uint64_t index = 0; index < EVENTS; index++) {
        uint64_t now_ns = BEGIN + index * SECOND / 100; /* 2000 s: folds three times */
        if (index == EVENTS / 4) {
            rp_load_stats_begin(stats, BEGIN); /* the end of a warm-up */
        }
        rp_load_stats_accepted(stats, now_ns, suite_random(&state) >> 40, 10);
        rp_load_stats_latency(stats, RP_LOAD_PHASE_MAIL, index);
        rp_load_stats_reply(stats, RP_LOAD_PHASE_MAIL, 250);
        if (index % 1000 == 0) {
            char text[32];
            int len = snprintf(text, sizeof(text), "%" PRIu64 " text", index);
            rp_load_stats_sample(stats, "mail", text, (size_t)len);
            rp_load_stats_refused(stats, now_ns);
        }
    }
    __atomic_store_n(&is_done, true, __ATOMIC_RELEASE);
    return NULL;
}

/* The sum is taken again and again while the thread counts; the last one is exact. */
static void test_concurrent(void)
{
    struct rp_load_stats *sum = open_stats();
    struct rp_load_stats *part = open_stats();
    pthread_t thread;
    is_done = false;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, count_many, part), 0);
    while (!__atomic_load_n(&is_done, __ATOMIC_ACQUIRE)) {
        rp_load_stats_begin(sum, BEGIN);
        rp_load_stats_add(sum, part);
        CU_ASSERT_TRUE(sum->accepted <= EVENTS);
    }
    CU_ASSERT_EQUAL(pthread_join(thread, NULL), 0);
    rp_load_stats_begin(sum, BEGIN);
    rp_load_stats_add(sum, part);
    CU_ASSERT_EQUAL(sum->accepted, EVENTS - EVENTS / 4);
    CU_ASSERT_EQUAL(sum->octets, 10 * sum->accepted);
    uint64_t accepted = 0;
    for (uint32_t index = 0; index < sum->series_count; index++) {
        accepted += sum->series[index].accepted;
    }
    CU_ASSERT_EQUAL(accepted, sum->accepted);
    CU_ASSERT_TRUE(sum->sample_count > 2);
    rp_load_stats_close(part);
    rp_load_stats_close(sum);
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"names",                      test_names          },
        {"rows",                       test_rows           },
        {"begin again",                test_begin_again    },
        {"fold",                       test_fold           },
        {"intervals of other lengths", test_mixed_intervals},
        {"add",                        test_add            },
        {"samples",                    test_samples        },
        {"added while it is written",  test_concurrent     },
    };
    return SUITE_RUN("perf/load_stats", tests, argc, argv);
}
