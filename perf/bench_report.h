/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_report.h - results as a table for people, or as JSON lines.
 *
 *     rp_bench_report_begin(&report, &output, is_json);
 *     rp_bench_report_put(&report, one, &result, ratio);
 *
 * Errors of the output are the output's to tell (rp_output_flush).
 */
#ifndef PERF_BENCH_REPORT_H
#define PERF_BENCH_REPORT_H

#include "bench_measure.h"
#include "tools/output.h"

struct rp_bench_report {
    struct rp_output *output; /* the caller's */
    bool is_json;
    bool has_head; /* the head of the table was printed */
};

/* The head of the table comes with its first line. */
void rp_bench_report_begin(struct rp_bench_report *report, struct rp_output *output, bool is_json);

/* One case. `ratio`: its octets a second as a part of its baseline's; 0: it has none.
 * 0, or -ENOMEM: the line is not whole. */
int rp_bench_report_put(struct rp_bench_report *report,
                        const struct rp_bench_case *what,
                        const struct rp_bench_result *result,
                        double ratio) __attribute__((warn_unused_result));

/* One line of --list; 0 or -ENOMEM. */
int rp_bench_report_list(struct rp_bench_report *report, const struct rp_bench_case *what)
    __attribute__((warn_unused_result));

#define RP_BENCH_NUMBER_LEN 31u

/* For people: about four digits that count, thousands as "k", "M", "G": "0.0312", "15.20",
 * "2341", "41.3M". */
void rp_bench_report_number(double value, char text_out[RP_BENCH_NUMBER_LEN + 1]);

#endif
