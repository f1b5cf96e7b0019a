/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_report.h - what ringpost-load shows: a line while it runs, a summary, JSON, a page.
 */
#ifndef PERF_LOAD_REPORT_H
#define PERF_LOAD_REPORT_H

#include "load_stats.h"
#include "load_verify.h"
#include "tools/failure.h"

#include <stdbool.h>
#include <stdint.h>

/* "p99=20ms", "errors=0", "rate=10000", ...: --threshold. */
struct rp_load_threshold {
    const char *text; /* as given; a loan */
    uint8_t what;     /* private to load_threshold.c, as is the next */
    bool is_share;    /* limit is a share of all messages ("1%"), not a number */
    double limit;
};
#define RP_LOAD_THRESHOLDS_MAX 32u

/* What was asked for and what else is known; strings are for people, and never NULL where nothing
 * is said of that. */
struct rp_load_report {
    const struct rp_load_stats *stats; /* the sum */
    const char *target;                /* "127.0.0.1:2525" */
    const char *mode;                  /* "plain", "pipelined", "bdat" */
    const char *size;                  /* as given: "10240", "1024-65536", "eml:DIR" */
    uint32_t connections;
    uint32_t workers;
    uint32_t cores; /* that the workers can use: no more than workers; 0: not known, as workers */
    uint32_t recipients;
    uint64_t per_connection; /* 0: no limit */
    double rate;             /* messages/s asked for; 0: closed loop */
    bool is_poisson;
    bool is_lmtp;
    bool is_interrupted;      /* Ctrl-C */
    double client_cpu_s;      /* CPU time of ringpost-load itself in the timed part */
    double server_cpu_s;      /* of --cpu-stat; negative: not known */
    uint64_t started_wall_ns; /* since 1970 */
    const struct rp_load_verify_result *verify; /* NULL: not asked for */
    const char *verify_error;                   /* the spool could not be read; NULL: it could */
    const char *fatal;                          /* why the run was given up; NULL: it was not */
    bool has_been_ready;                        /* at least one connection could take mail */
    const struct rp_load_threshold *thresholds;
    uint32_t threshold_count;
    const char *command; /* the command line, without a password; NULL: not told */
};

/* The live line: rewritten on a terminal, else a line now and then; to stderr. Texts of refusals
 * and errors are told once, when they are new. */
struct rp_load_progress {
    bool is_terminal; /* what can go back on its line; set by init, as the next */
    bool is_utf8;
    bool is_shown;        /* something stands on the line */
    uint64_t total;       /* messages to send; 0: a duration */
    uint64_t duration_ns; /* 0: a number of messages */
    uint64_t drawn_ns;    /* when the line was written last; 0: never */
    uint64_t measured_ns; /* when the next four were taken; 0: never */
    uint64_t measured_accepted;
    struct rp_histogram measured_latency; /* p99 is that of the time since */
    double rate;                          /* messages/s in the second before measured_ns */
    uint64_t p99_ns;                      /* of that second */
    uint64_t told[RP_LOAD_SAMPLES_MAX];   /* hashes of samples that were told */
    uint32_t told_count;
};
void rp_load_progress_init(struct rp_load_progress *progress, uint64_t total, uint64_t duration_ns);
/* Call about ten times a second, with the sum so far; decides itself when to print. */
void rp_load_progress_show(struct rp_load_progress *progress,
                           const struct rp_load_stats *sum,
                           uint64_t now_ns);
void rp_load_progress_clear(struct rp_load_progress *progress);

/* Each: RP_EXIT_FINE; or RP_EXIT_FAILED, and what was wrong was told on stderr. `path` "-" is
 * stdout. A file is written aside and renamed: whole or not; its mode is what the umask leaves. */
enum rp_failure_exit rp_load_summary_print(const struct rp_load_report *report); /* to stdout */
enum rp_failure_exit rp_load_json_write(const struct rp_load_report *report, const char *path);
enum rp_failure_exit rp_load_html_write(const struct rp_load_report *report, const char *path);

/* 0 or -EINVAL with one line in `error` that lists what would be right. */
int rp_load_threshold_parse(const char *text,
                            struct rp_load_threshold *threshold_out,
                            char *error,
                            size_t error_len);
/* True: met. Else one line for people in `text_out` ("p99 is 31.2 ms, the threshold 20 ms"). */
bool rp_load_threshold_is_met(const struct rp_load_threshold *threshold,
                              const struct rp_load_report *report,
                              char *text_out,
                              size_t text_len);
/* Does it say how many errors there may be? */
bool rp_load_threshold_is_on_errors(const struct rp_load_threshold *threshold);

#endif
