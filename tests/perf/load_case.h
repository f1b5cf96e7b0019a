/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_case.h - results of runs that never were, for the tests of the reports.
 *
 *     static struct load_case run;
 *     load_case_open(&run, "normal");
 *     rp_load_json_write(&run.report, path);
 *     load_case_close(&run);
 *
 * The same numbers each time. "normal": 20 s with a stall and some refusals; "empty": nothing;
 * "one": one message in one interval; "long": 4096 intervals; "hostile": texts that try to be
 * more than text; "open": as normal with a rate asked for, LMTP, an interrupted run, two
 * thresholds.
 */
#ifndef TESTS_PERF_LOAD_CASE_H
#define TESTS_PERF_LOAD_CASE_H

#include "perf/load_report.h"
#include "tests/tools/suite.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#define LOAD_CASE_SECOND UINT64_C(1000000000)
#define LOAD_CASE_BEGIN  (1000 * LOAD_CASE_SECOND)
#define LOAD_CASE_HOSTILE                              \
    "550 </title></text><script>alert(\"1\")</script>" \
    "<img src='http://x/'>&amp;\x1b[31m\xff\xe2\x80\xae"

struct load_case {
    struct rp_load_stats *stats;
    struct rp_load_verify_result verify;
    struct rp_load_report report;
    struct rp_load_threshold thresholds[2];
};

static inline double load_case_random(uint64_t *state)
{
    return (double)(suite_random_below(state, 1u << 30) + 1) / (1u << 30);
}

/* About as a server does it: a floor, a tail, and now and then something else. */
static inline uint64_t load_case_latency(uint64_t *state)
{
    double ns = 300e3 - 250e3 * log(load_case_random(state));
    if (load_case_random(state) < 0.004) {
        ns *= 1 + 30 * load_case_random(state);
    }
    return (uint64_t)ns;
}

static inline void load_case_message(struct load_case *run, uint64_t *state, uint64_t at_ns)
{
    static const double parts[] = {0.05, 0.06, 0.1, 0.7};
    uint64_t ns = load_case_latency(state);
    for (unsigned index = 0; index < 4; index++) {
        enum rp_load_phase phase = (enum rp_load_phase)(RP_LOAD_PHASE_MAIL + index);
        double part = parts[index] * (0.7 + 0.6 * load_case_random(state));
        rp_load_stats_latency(run->stats, phase, (uint64_t)((double)ns * part));
        rp_load_stats_reply(run->stats, phase, phase == RP_LOAD_PHASE_DATA ? 354 : 250);
    }
    run->stats->started++;
    rp_load_stats_accepted(run->stats, at_ns, ns, 10240);
}

static inline void load_case_refuse(struct load_case *run, uint64_t at_ns, const char *text)
{
    char code[4] = {text[0], text[1], text[2], '\0'};
    run->stats->started++;
    rp_load_stats_reply(run->stats, RP_LOAD_PHASE_RCPT, (unsigned)strtoul(code, NULL, 10));
    rp_load_stats_sample(run->stats, "rcpt", text, strlen(text));
    rp_load_stats_refused(run->stats, at_ns);
}

/* `count` intervals of `step_ns` with about `each` messages. */
static inline void load_case_fill(struct load_case *run,
                                  uint64_t count,
                                  uint64_t step_ns,
                                  unsigned each)
{
    uint64_t state = SUITE_SEED;
    for (uint64_t index = 0; index < count; index++) {
        uint64_t at_ns = LOAD_CASE_BEGIN + index * step_ns;
        bool is_stalled = index * 10 / count == 6 && index * 100 / count < 64;
        unsigned messages = each + (unsigned)suite_random_below(&state, each / 4 + 1);
        messages = index + 1 == count ? messages * 2 / 3 : messages; /* it ends early, see below */
        for (unsigned message = 0; message < (is_stalled ? 0 : messages); message++) {
            load_case_message(run, &state, at_ns);
        }
    }
    for (unsigned index = 0; index < 100; index++) {
        rp_load_stats_latency(run->stats, RP_LOAD_PHASE_CONNECT, 40000 + 500 * index);
        rp_load_stats_latency(run->stats, RP_LOAD_PHASE_GREETING, 90000 + 900 * index);
        rp_load_stats_reply(run->stats, RP_LOAD_PHASE_GREETING, 220);
    }
    run->stats->connections = 100;
    run->stats->end_ns = LOAD_CASE_BEGIN + count * step_ns - step_ns / 3;
}

static inline void load_case_fill_normal(struct load_case *run)
{
    load_case_fill(run, 200, LOAD_CASE_SECOND / 10, 500);
    for (unsigned index = 0; index < 400; index++) {
        load_case_refuse(run, LOAD_CASE_BEGIN + (5 + index % 2) * LOAD_CASE_SECOND,
                         index % 8 == 0 ? "452 4.5.3 too many recipients"
                                        : "550 5.1.1 no such user");
    }
    rp_load_stats_error(run->stats, LOAD_CASE_BEGIN + 12 * LOAD_CASE_SECOND, RP_LOAD_ERROR_CLOSED);
    rp_load_stats_sample(run->stats, "closed", "after DATA", 10);
    /* A stall is one long wait for those that were under way. */
    rp_load_stats_accepted(run->stats, LOAD_CASE_BEGIN + 128 * LOAD_CASE_SECOND / 10,
                           800 * LOAD_CASE_SECOND / 1000, 10240);
    rp_load_stats_latency(run->stats, RP_LOAD_PHASE_END, 790 * LOAD_CASE_SECOND / 1000);
}

static inline void load_case_verify(struct load_case *run)
{
    run->verify.accepted = run->stats->accepted;
    run->verify.found = run->stats->accepted;
    run->verify.unaccepted = 2;
    run->report.verify = &run->verify;
}

static inline void load_case_hostile(struct load_case *run)
{
    load_case_fill(run, 2, LOAD_CASE_SECOND, 20);
    load_case_refuse(run, LOAD_CASE_BEGIN, LOAD_CASE_HOSTILE);
    rp_load_stats_sample(run->stats, "protocol", LOAD_CASE_HOSTILE, strlen(LOAD_CASE_HOSTILE));
    load_case_verify(run);
    run->verify.lost = 1;
    run->verify.example_count = 1;
    (void)snprintf(run->verify.examples[0], sizeof(run->verify.examples[0]), "lost: <b>17</b>");
    run->report.target = "<i>host</i>:25";
    run->report.size = "eml:/\"<u>";
    run->report.command = "ringpost-load '<s>' --size 'eml:/\"<u>'";
}

static inline void load_case_threshold(struct load_case *run, const char *text)
{
    char error[512];
    int err = rp_load_threshold_parse(text, &run->thresholds[run->report.threshold_count], error,
                                      sizeof(error));
    assert(err == 0);
    run->report.thresholds = run->thresholds;
    run->report.threshold_count++;
}

static inline void load_case_open(struct load_case *run, const char *name)
{
    memset(run, 0, sizeof(*run));
    int error = rp_load_stats_open(&run->stats);
    assert(error == 0);
    rp_load_stats_begin(run->stats, LOAD_CASE_BEGIN);
    run->report = (struct rp_load_report){
        .stats = run->stats,
        .target = "127.0.0.1:2525",
        .mode = "pipelined",
        .size = "10240",
        .connections = 100,
        .workers = 2,
        .cores = 1,
        .recipients = 1,
        .client_cpu_s = 1.2,
        .server_cpu_s = -1,
        .started_wall_ns = UINT64_C(1795622400123456789), /* 2026-11-25T16:00:00 */
    };
    bool is_open = strcmp(name, "open") == 0;
    if (strcmp(name, "normal") == 0 || is_open) {
        load_case_fill_normal(run);
        load_case_verify(run);
        run->report.command = "ringpost-load --pipelining --size 10240 --duration 20s";
        run->report.server_cpu_s = 1.5;
        run->report.rate = is_open ? 7000 : 0;
        run->report.is_poisson = is_open;
        run->report.is_lmtp = is_open;
        run->report.is_interrupted = is_open;
        run->report.client_cpu_s = is_open ? 19.9 : 1.2;
        run->stats->late = is_open ? 321 : 0;
        run->stats->never_sent = is_open ? 17 : 0;
        run->stats->connections_refused = is_open ? 9 : 0;
        if (is_open) {
            load_case_threshold(run, "p99=1h");
            load_case_threshold(run, "never_sent=16");
        }
    } else if (strcmp(name, "one") == 0) {
        run->report.client_cpu_s = 0.001;
        rp_load_stats_accepted(run->stats, LOAD_CASE_BEGIN + 1, 1500000, 1000);
        run->stats->end_ns = LOAD_CASE_BEGIN + LOAD_CASE_SECOND / 50;
    } else if (strcmp(name, "long") == 0) {
        load_case_fill(run, 4096, LOAD_CASE_SECOND / 10, 20);
    } else if (strcmp(name, "hostile") == 0) {
        load_case_hostile(run);
    } else {
        assert(strcmp(name, "empty") == 0);
    }
}

static inline void load_case_close(struct load_case *run)
{
    rp_load_stats_close(run->stats);
    run->stats = NULL;
}

#endif
