/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_figures.h - what summary, JSON, page and thresholds compute from a report, and how they
 * write numbers for people.
 *
 *     struct rp_load_figures figures;
 *     rp_load_figures_init(&figures, report);
 *     char text[RP_LOAD_FIGURES_TEXT_LEN + 1];
 *     rp_load_figures_time(figures.latency_mean_ns, text);     "1.62 ms"
 *
 * Pure, but for memory that the caller owns. What cannot be known is 0, or says so in a bool.
 */
#ifndef PERF_LOAD_FIGURES_H
#define PERF_LOAD_FIGURES_H

#include "load_report.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RP_LOAD_FIGURES_TEXT_LEN 31u
#define RP_LOAD_FIGURES_BUSY     0.9 /* from here on the generator measured itself */

struct rp_load_figures {
    double seconds; /* of the timed part */
    double messages_per_s;
    double octets_per_s;
    uint64_t errors;
    uint64_t ended; /* accepted, refused and errors */
    double latency_mean_ns;
    double client_us_per_message; /* CPU; 0 where no message was accepted */
    double client_cores_used;
    uint32_t client_cores; /* 1 at least */
    double client_share;   /* of client_cores, 0 to 1 */
    bool is_client_busy;   /* client_share >= RP_LOAD_FIGURES_BUSY */
    bool has_server_cpu;
    double server_us_per_message;
};

void rp_load_figures_init(struct rp_load_figures *figures, const struct rp_load_report *report);

/* How many intervals of the series the run covers: where nothing happens at the end, more than
 * were counted; those are all zeros. */
uint32_t rp_load_figures_intervals(const struct rp_load_report *report);

/* The length of one of them, seconds: the last one ends with the run. */
double rp_load_figures_interval(const struct rp_load_report *report, uint32_t index);

/* The first sample of a phase's replies of this code: "550 5.1.1 no such user"; NULL: none. */
const char *rp_load_figures_sample(const struct rp_load_stats *stats,
                                   enum rp_load_phase phase,
                                   unsigned code);

/* True: that sample is what a row of the codes' table shows. */
bool rp_load_figures_is_shown(const struct rp_load_stats *stats, uint32_t sample);

/* Nanoseconds with three digits and a unit: "812 ns", "16.2 us", "1.62 ms", "73.1 s",
 * "12.5 min". ASCII, as not every terminal shows a Greek letter. */
void rp_load_figures_time(double ns, char text_out[RP_LOAD_FIGURES_TEXT_LEN + 1]);

/* The same with the unit's right letter: a page has one encoding. */
void rp_load_figures_time_page(double ns, char text_out[RP_LOAD_FIGURES_TEXT_LEN + 1]);

/* With a comma before each three digits: "32,900". */
void rp_load_figures_count(uint64_t number, char text_out[RP_LOAD_FIGURES_TEXT_LEN + 1]);

/* Not negative; three digits or all whole ones: "0.0123", "1.50", "97.3", "32,900". */
void rp_load_figures_number(double number, char text_out[RP_LOAD_FIGURES_TEXT_LEN + 1]);

/* The same two in memory of the function's own, good until its next call. One thread. */
const char *rp_load_figures_count_text(uint64_t number);
const char *rp_load_figures_number_text(double number);

/* A duration for people: "3.4 s", "2 min 05 s", "3 h 07 min". */
void rp_load_figures_duration(double seconds, char text_out[RP_LOAD_FIGURES_TEXT_LEN + 1]);

/* What kept a closed loop over loopback from going faster, by how busy each side's threads and the
 * CPUs that they could use were, 0 to 1: "generator", "server"; "CPUs"; "waiting": for each
 * other's words. */
const char *rp_load_figures_bound(double client_share, double server_share, double cpus_share);

/* The quantiles that all reports show. */
struct rp_load_figures_quantile {
    double share;
    const char *name;     /* "p99.9" */
    const char *key_name; /* "p99_9": of JSON */
};
#define RP_LOAD_FIGURES_QUANTILES 5u
extern const struct rp_load_figures_quantile rp_load_figures_quantiles[RP_LOAD_FIGURES_QUANTILES];

#endif
