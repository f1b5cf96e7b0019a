/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_charts.h - the plots of ringpost-load's page. Each writes one SVG element, or a sentence
 * where there is nothing to plot. One thread at a time.
 */
#ifndef PERF_LOAD_CHARTS_H
#define PERF_LOAD_CHARTS_H

#include "load_report.h"
#include "tools/output.h"

/* Latency by share of messages, as far out as their number allows; the commands' beside it. */
void rp_load_charts_percentiles(const struct rp_load_report *report, struct rp_output *output);

/* How many messages took how long, by the logarithm of the time. */
void rp_load_charts_histogram(const struct rp_load_report *report, struct rp_output *output);

/* Messages a second, and refusals and errors, over time. */
void rp_load_charts_throughput(const struct rp_load_report *report, struct rp_output *output);

/* Mean and largest latency over time, the worst intervals marked (load_peaks.h). */
void rp_load_charts_latency(const struct rp_load_report *report, struct rp_output *output);

#endif
