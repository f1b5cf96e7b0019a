/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_stats.h - what a worker of ringpost-load counts, and the sum of all workers.
 *
 *     struct rp_load_stats *stats;
 *     rp_load_stats_open(&stats);                         one a worker, and one for the sum
 *     rp_load_stats_latency(stats, RP_LOAD_PHASE_MAIL, ns);
 *     rp_load_stats_reply(stats, RP_LOAD_PHASE_MAIL, 250);
 *     rp_load_stats_accepted(stats, now_ns, body_len);
 *     ...
 *     rp_load_stats_add(sum, stats);
 *
 * One thread writes an rp_load_stats. Any other may read the counters and call
 * rp_load_stats_add on it meanwhile: every number is stored whole (relaxed atomics), though
 * not all of them of the same instant: of the series, which is folded when it is full, only what
 * is read after the thread's end is exact. No allocation after open.
 */
#ifndef PERF_LOAD_STATS_H
#define PERF_LOAD_STATS_H

#include "histogram.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is timed: from the command's last octet queued to its reply read, ns. */
enum rp_load_phase {
    RP_LOAD_PHASE_CONNECT,  /* connect(2) to its end */
    RP_LOAD_PHASE_GREETING, /* connected to 220 */
    RP_LOAD_PHASE_EHLO,     /* or LHLO */
    RP_LOAD_PHASE_AUTH,     /* the whole exchange */
    RP_LOAD_PHASE_MAIL,
    RP_LOAD_PHASE_RCPT, /* each one */
    RP_LOAD_PHASE_DATA, /* to the 354 */
    RP_LOAD_PHASE_END,  /* end of body (or BDAT LAST) to its (last) reply */
    RP_LOAD_PHASE_QUIT,
    RP_LOAD_PHASE_MESSAGE, /* the whole message, from its intended start (open loop) or MAIL */
    RP_LOAD_PHASE_COUNT,
};
const char *rp_load_phase_name(enum rp_load_phase phase); /* "connect", "mail", ... */

/* What ends a message or a connection without a reply that says so. */
enum rp_load_error {
    RP_LOAD_ERROR_CONNECT,  /* connect(2), socket(2), bind(2) failed */
    RP_LOAD_ERROR_CLOSED,   /* the server closed or reset the connection */
    RP_LOAD_ERROR_PROTOCOL, /* a reply that is none, or to nothing */
    RP_LOAD_ERROR_TIMEOUT,  /* no reply for --timeout */
    RP_LOAD_ERROR_COUNT,
};
const char *rp_load_error_name(enum rp_load_error error);

#define RP_LOAD_CODES_MAX     1000u /* reply codes are three digits */
#define RP_LOAD_SERIES_MAX    4096u /* intervals; used up, each becomes twice as long */
#define RP_LOAD_SAMPLES_MAX   16u   /* texts kept of errors and refusals */
#define RP_LOAD_SAMPLE_LEN    200u
/* Of a kind: texts that differ only by a number must not take the room of all others. */
#define RP_LOAD_SAMPLES_ALIKE 3u
#define RP_LOAD_INTERVAL_NS   UINT64_C(100000000) /* of the series, at first: 6.8 minutes fit */

struct rp_load_interval {
    uint64_t accepted;
    uint64_t refused;
    uint64_t errors;
    uint64_t octets;
    uint64_t latency_sum_ns; /* of accepted messages */
    uint64_t latency_max_ns;
    uint64_t latency_max_end_ns; /* when the message that took longest ended; CLOCK_MONOTONIC */
};

struct rp_load_stats {
    uint64_t accepted; /* messages with their 250 (LMTP: with one at least) */
    uint64_t refused;  /* messages that a reply of 4xx or 5xx ended */
    uint64_t errors[RP_LOAD_ERROR_COUNT];
    uint64_t octets;              /* bodies of accepted messages, before dot-stuffing */
    uint64_t connections;         /* that got their greeting */
    uint64_t connections_refused; /* greeting, EHLO or AUTH was answered with 4xx or 5xx */
    uint64_t recipients_refused;
    uint64_t started;    /* messages begun */
    uint64_t late;       /* open loop: messages that began after their intended time by 1 ms+ */
    uint64_t never_sent; /* open loop: arrivals that were due before its end, and never begun */
    uint64_t codes[RP_LOAD_PHASE_COUNT][RP_LOAD_CODES_MAX];
    struct rp_histogram latency[RP_LOAD_PHASE_COUNT]; /* ns */
    uint64_t begin_ns;                                /* of the timed part; CLOCK_MONOTONIC */
    uint64_t end_ns;                                  /* 0 while it runs */
    uint64_t interval_ns;                             /* length of each of `series` */
    uint32_t series_count;
    struct rp_load_interval series[RP_LOAD_SERIES_MAX];
    uint32_t sample_count; /* written before it is counted: readers see whole texts */
    char samples[RP_LOAD_SAMPLES_MAX][RP_LOAD_SAMPLE_LEN + 1]; /* "rcpt: 550 5.1.1 no such user" */
};

/* 0 or -ENOMEM. interval_ns starts at 100 ms; begin_ns is set by rp_load_stats_begin. */
int rp_load_stats_open(struct rp_load_stats **stats_out);
void rp_load_stats_close(struct rp_load_stats *stats); /* NULL is fine */

/* Forget all (of a warm-up) and begin the timed part now. All workers get the same now_ns, and
 * so does the sum before each round of adding. */
void rp_load_stats_begin(struct rp_load_stats *stats, uint64_t now_ns);

void rp_load_stats_latency(struct rp_load_stats *stats, enum rp_load_phase phase, uint64_t ns);
void rp_load_stats_reply(struct rp_load_stats *stats, enum rp_load_phase phase, unsigned code);

/* A message ended; its latency goes into the histogram and the series. */
void rp_load_stats_accepted(struct rp_load_stats *stats,
                            uint64_t now_ns,
                            uint64_t latency_ns,
                            uint64_t body_len);
void rp_load_stats_refused(struct rp_load_stats *stats, uint64_t now_ns);
void rp_load_stats_error(struct rp_load_stats *stats, uint64_t now_ns, enum rp_load_error error);

/* Keep the text of a refusal or an error, if there is room, it is not there yet and fewer than
 * RP_LOAD_SAMPLES_ALIKE of this `what` with the same first three characters (the code) are.
 * `what` is rp_load_phase_name for a reply, else words. `text` need not end with NUL, and may
 * hold anything; line ends at its end are cut, NULs become "?". */
void rp_load_stats_sample(struct rp_load_stats *stats,
                          const char *what,
                          const char *text,
                          size_t text_len);

uint64_t rp_load_stats_errors(const struct rp_load_stats *stats); /* of all kinds */

/* Add `other`, which may be in use by its thread, to `sum`; its end_ns is the later one. */
void rp_load_stats_add(struct rp_load_stats *sum, const struct rp_load_stats *other);

#endif
