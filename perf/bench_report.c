/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_report.c - results as a table for people, or as JSON lines.
 */
#include "bench_report.h"

#include "tools/json.h"

#include <inttypes.h>
#include <stdio.h>

#define OCTETS_PER_MB 1e6
#define PERCENT       100.0
#define NAME_WIDTH    26

void rp_bench_report_number(double value, char text_out[RP_BENCH_NUMBER_LEN + 1])
{
    static const char *const marks[] = {"", "k", "M", "G", "T"};
    size_t mark = 0;
    while (value >= 99999.5 && mark + 1 < sizeof(marks) / sizeof(marks[0])) {
        value /= 1000;
        mark++;
    }
    const int places = value >= 999.5 ? 0 : value >= 99.95 ? 1 : value >= 9.995 ? 2 : 3;
    (void)snprintf(text_out, RP_BENCH_NUMBER_LEN + 1, "%.*f%s", places, value, marks[mark]);
}

void rp_bench_report_begin(struct rp_bench_report *report, struct rp_output *output, bool is_json)
{
    *report = (struct rp_bench_report){.output = output, .is_json = is_json};
}

static double spread(const struct rp_bench_result *result)
{
    return result->ns_median > 0 ? PERCENT * (result->ns_max - result->ns_min) / result->ns_median
                                 : 0;
}

static int put_json(struct rp_output *output,
                    const struct rp_bench_case *what,
                    const struct rp_bench_result *result,
                    double ratio)
{
    char checksum[17];
    (void)snprintf(checksum, sizeof(checksum), "%016" PRIx64, result->checksum);
    struct rp_json json;
    rp_json_open(&json);
    rp_json_set_text(&json, "name", what->name);
    rp_json_set_text(&json, "unit", what->unit);
    rp_json_set(&json, "ns", json_real(result->ns_median));
    rp_json_set(&json, "ns_min", json_real(result->ns_min));
    rp_json_set(&json, "ns_max", json_real(result->ns_max));
    rp_json_set(&json, "cycles",
                result->cycles_median > 0 ? json_real(result->cycles_median) : json_null());
    rp_json_set(&json, "units_per_s", json_real(result->units_per_s));
    rp_json_set(&json, "mb_per_s",
                result->octets_per_s > 0 ? json_real(result->octets_per_s / OCTETS_PER_MB)
                                         : json_null());
    if (what->baseline != NULL) {
        rp_json_set_text(&json, "baseline", what->baseline);
        rp_json_set(&json, "ratio", ratio > 0 ? json_real(ratio) : json_null());
    }
    rp_json_set_number(&json, "rounds", result->rounds);
    rp_json_set_text(&json, "checksum", checksum);
    return rp_json_put(&json, output);
}

static void put_head(struct rp_output *output)
{
    rp_output_text(output, "%-*s %-8s %9s %9s %7s %9s %9s %9s %7s  %s\n", NAME_WIDTH, "NAME",
                   "UNIT", "ns/unit", "min", "spread", "cycles", "units/s", "MB/s", "ratio",
                   "CHECKSUM");
}

static void put_line(struct rp_output *output,
                     const struct rp_bench_case *what,
                     const struct rp_bench_result *result,
                     double ratio)
{
    char ns[RP_BENCH_NUMBER_LEN + 1];
    char least[RP_BENCH_NUMBER_LEN + 1];
    char cycles[RP_BENCH_NUMBER_LEN + 1] = "-";
    char units[RP_BENCH_NUMBER_LEN + 1];
    char octets[RP_BENCH_NUMBER_LEN + 1] = "-";
    char part[RP_BENCH_NUMBER_LEN + 1] = "";
    rp_bench_report_number(result->ns_median, ns);
    rp_bench_report_number(result->ns_min, least);
    rp_bench_report_number(result->units_per_s, units);
    if (result->cycles_median > 0) {
        rp_bench_report_number(result->cycles_median, cycles);
    }
    if (result->octets_per_s > 0) {
        rp_bench_report_number(result->octets_per_s / OCTETS_PER_MB, octets);
    }
    if (ratio > 0) {
        (void)snprintf(part, sizeof(part), "%.3f", ratio);
    }
    rp_output_text(output, "%-*s %-8s %9s %9s %6.1f%% %9s %9s %9s %7s  %016" PRIx64 "\n",
                   NAME_WIDTH, what->name, what->unit, ns, least, spread(result), cycles, units,
                   octets, part, result->checksum);
}

int rp_bench_report_put(struct rp_bench_report *report,
                        const struct rp_bench_case *what,
                        const struct rp_bench_result *result,
                        double ratio)
{
    if (report->is_json) {
        return put_json(report->output, what, result, ratio);
    }
    if (!report->has_head) {
        put_head(report->output);
        report->has_head = true;
    }
    put_line(report->output, what, result, ratio);
    return 0;
}

int rp_bench_report_list(struct rp_bench_report *report, const struct rp_bench_case *what)
{
    if (report->is_json) {
        struct rp_json json;
        rp_json_open(&json);
        rp_json_set_text(&json, "name", what->name);
        rp_json_set_text(&json, "unit", what->unit);
        rp_json_set_text(&json, "help", what->help);
        return rp_json_put(&json, report->output);
    }
    rp_output_text(report->output, "%-*s  %s\n", NAME_WIDTH, what->name, what->help);
    return 0;
}
