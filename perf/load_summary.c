/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_summary.c - the result of a run for people: a table on stdout.
 */
#include "load_figures.h"
#include "load_peaks.h"
#include "load_report.h"
#include "tools/output.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

static struct rp_output output; /* one thread; 64 KiB */

/* Numbers end in one column below each other; words begin in the next. */
#define LABEL_LEN  14
#define NUMBER_LEN 14

static const char *time_text(double ns)
{
    static char text[RP_LOAD_FIGURES_TEXT_LEN + 1];
    rp_load_figures_time(ns, text);
    return text;
}

static void put_words(const char *text)
{
    rp_output_escaped(&output, (const uint8_t *)text, strlen(text));
}

static void put_plural(const char *before, uint32_t count, const char *noun)
{
    rp_output_text(&output, "%s%s %s%s", before, rp_load_figures_count_text(count), noun,
                   count == 1 ? "" : "s");
}

static void put_question(const struct rp_load_report *report)
{
    rp_output_text(&output, "%-*s", LABEL_LEN, "target");
    put_words(report->target);
    rp_output_text(&output, " (%s), %s\n", report->is_lmtp ? "LMTP" : "SMTP", report->mode);
    rp_output_text(&output, "%-*s", LABEL_LEN, "load");
    put_plural("", report->connections, "connection");
    put_plural(", ", report->workers, "worker");
    put_plural(", ", report->recipients, "recipient");
    rp_output_text(&output, ", size ");
    put_words(report->size);
    if (report->per_connection > 0) {
        rp_output_text(&output, ", %s messages a connection",
                       rp_load_figures_count_text(report->per_connection));
    }
    rp_output_text(&output, "\n");
}

static void put_pace(const struct rp_load_report *report, const struct rp_load_figures *figures)
{
    const struct rp_load_stats *stats = report->stats;
    rp_output_text(&output, "%-*s", LABEL_LEN, "pace");
    if (report->rate > 0) {
        rp_output_text(&output, "%s messages/s asked for (%s), ",
                       rp_load_figures_number_text(report->rate),
                       report->is_poisson ? "Poisson" : "constant");
        rp_output_text(&output, "%s/s accepted; ",
                       rp_load_figures_number_text(figures->messages_per_s));
        rp_output_text(&output, "%s began 1 ms late or more",
                       rp_load_figures_count_text(stats->late));
        rp_output_text(&output, ", %s never\n", rp_load_figures_count_text(stats->never_sent));
    } else {
        rp_output_text(&output, "closed loop: the next message when the last has its reply\n");
    }
}

static void put_counts(const struct rp_load_report *report, const struct rp_load_figures *figures)
{
    const struct rp_load_stats *stats = report->stats;
    rp_output_text(&output, "%-*s%*s messages in %.2f s%s: ", LABEL_LEN, "accepted", NUMBER_LEN,
                   rp_load_figures_count_text(stats->accepted), figures->seconds,
                   report->is_interrupted ? " (interrupted)" : "");
    rp_output_text(&output, "%s messages/s, ",
                   rp_load_figures_number_text(figures->messages_per_s));
    rp_output_text(&output, "%s MB/s\n", rp_load_figures_number_text(figures->octets_per_s / 1e6));
    rp_output_text(&output, "%-*s%*s", LABEL_LEN, "refused", NUMBER_LEN,
                   rp_load_figures_count_text(stats->refused));
    if (stats->recipients_refused > 0) {
        rp_output_text(&output, " messages, %s recipients",
                       rp_load_figures_count_text(stats->recipients_refused));
    }
    if (stats->connections_refused > 0) {
        rp_output_text(&output, "%s, %s connections",
                       stats->recipients_refused > 0 ? "" : " messages",
                       rp_load_figures_count_text(stats->connections_refused));
    }
    rp_output_text(&output, "\n%-*s%*s", LABEL_LEN, "errors", NUMBER_LEN,
                   rp_load_figures_count_text(figures->errors));
    const char *before = " ";
    for (unsigned error = 0; error < RP_LOAD_ERROR_COUNT; error++) {
        if (stats->errors[error] > 0) {
            rp_output_text(&output, "%s%s %s", before,
                           rp_load_error_name((enum rp_load_error)error),
                           rp_load_figures_count_text(stats->errors[error]));
            before = ", ";
        }
    }
    rp_output_text(&output, "\n");
}

static void put_latency_row(enum rp_load_phase phase, const struct rp_histogram *latency)
{
    rp_output_text(&output, "  %-*s%*s%10s", LABEL_LEN - 2, rp_load_phase_name(phase), NUMBER_LEN,
                   rp_load_figures_count_text(latency->count),
                   time_text(rp_histogram_mean(latency)));
    for (size_t index = 0; index < RP_LOAD_FIGURES_QUANTILES; index++) {
        double share = rp_load_figures_quantiles[index].share;
        rp_output_text(&output, "%10s", time_text((double)rp_histogram_quantile(latency, share)));
    }
    rp_output_text(&output, "%10s\n", time_text((double)latency->max));
}

static void put_latency(const struct rp_load_report *report)
{
    rp_output_text(&output, "\n%-*s%*s%10s", LABEL_LEN, "latency", NUMBER_LEN, "count", "mean");
    for (size_t index = 0; index < RP_LOAD_FIGURES_QUANTILES; index++) {
        rp_output_text(&output, "%10s", rp_load_figures_quantiles[index].name);
    }
    rp_output_text(&output, "%10s\n", "max");
    for (unsigned phase = 0; phase < RP_LOAD_PHASE_COUNT; phase++) {
        const struct rp_histogram *latency = &report->stats->latency[phase];
        if (latency->count > 0 || phase == RP_LOAD_PHASE_MESSAGE) {
            put_latency_row((enum rp_load_phase)phase, latency);
        }
    }
    rp_output_text(&output, "%s",
                   report->rate > 0
                       ? "  A message's latency counts from the time it was to begin, so that no "
                         "stall is hidden.\n"
                       : "  A closed loop hides stalls: while the server is slow, it is asked "
                         "less. See --rate.\n");
}

static void put_peaks(const struct rp_load_stats *stats)
{
    struct rp_load_peak peaks[RP_LOAD_PEAKS_MAX];
    uint32_t count = rp_load_peaks_find(stats, peaks);
    for (uint32_t index = 0; index < count; index++) {
        const struct rp_load_peak *peak = &peaks[index];
        rp_output_text(&output, "%s%-*s%*s  waited from %.3f to %.3f s", index == 0 ? "\n" : "",
                       LABEL_LEN, index == 0 ? "worst" : "", NUMBER_LEN,
                       time_text((double)peak->latency_ns), (double)peak->from_ns / 1e9,
                       (double)peak->to_ns / 1e9);
        rp_output_text(&output, "; accepted in these %s: %s\n",
                       time_text((double)stats->interval_ns),
                       rp_load_figures_count_text(stats->series[peak->interval].accepted));
    }
}

static bool has_refusal(const struct rp_load_stats *stats)
{
    for (unsigned phase = 0; phase < RP_LOAD_PHASE_COUNT; phase++) {
        for (unsigned code = 400; code < 600; code++) {
            if (stats->codes[phase][code] > 0) {
                return true;
            }
        }
    }
    return false;
}

static void put_refusals(const struct rp_load_stats *stats)
{
    if (!has_refusal(stats)) {
        return;
    }
    rp_output_text(&output, "\n%-*s%*s\n", LABEL_LEN, "refusals", NUMBER_LEN, "count");
    for (unsigned phase = 0; phase < RP_LOAD_PHASE_COUNT; phase++) {
        for (unsigned code = 400; code < 600; code++) {
            uint64_t count = stats->codes[phase][code];
            if (count == 0) {
                continue;
            }
            const char *text = rp_load_figures_sample(stats, (enum rp_load_phase)phase, code);
            const char *name = rp_load_phase_name((enum rp_load_phase)phase);
            rp_output_text(&output, "  %-8s%-*u%*s  ", name, LABEL_LEN - 10, code, NUMBER_LEN,
                           rp_load_figures_count_text(count));
            put_words(text != NULL ? text : "");
            rp_output_text(&output, "\n");
        }
    }
}

/* What no row of the refusals shows: errors, and other texts of the same refusal. */
static void put_samples(const struct rp_load_stats *stats)
{
    bool is_first = true;
    for (uint32_t index = 0; index < stats->sample_count; index++) {
        if (!rp_load_figures_is_shown(stats, index)) {
            rp_output_text(&output, "%s  ", is_first ? "\nalso seen\n" : "");
            put_words(stats->samples[index]);
            rp_output_text(&output, "\n");
            is_first = false;
        }
    }
}

static void put_cpu(const struct rp_load_figures *figures)
{
    rp_output_text(&output, "\n%-*s%*s us a message; ", LABEL_LEN, "client CPU", NUMBER_LEN,
                   rp_load_figures_number_text(figures->client_us_per_message));
    rp_output_text(&output, "the generator used %.0f %% of %u core%s\n",
                   figures->client_share * 100, figures->client_cores,
                   figures->client_cores == 1 ? "" : "s");
    if (figures->is_client_busy) {
        rp_output_text(&output, "  WARNING: that is all it could get: it measured itself, not the "
                                "server. Give it more\n  cores (--workers), or ask for less "
                                "(--rate).\n");
    }
    if (figures->has_server_cpu) {
        rp_output_text(&output, "%-*s%*s us a message\n", LABEL_LEN, "server CPU", NUMBER_LEN,
                       rp_load_figures_number_text(figures->server_us_per_message));
    }
}

static void put_verify(const struct rp_load_verify_result *verify)
{
    const struct {
        const char *name;
        uint64_t count;
    } rows[] = {
        {"lost",       verify->lost      },
        {"duplicated", verify->duplicated},
        {"corrupted",  verify->corrupted },
        {"damaged",    verify->damaged   },
    };
    bool is_fine = rp_load_verify_is_fine(verify);
    rp_output_text(&output, "%-*s%*s", LABEL_LEN, "verify", NUMBER_LEN, is_fine ? "fine" : "BAD");
    rp_output_text(&output, ": %s accepted, ", rp_load_figures_count_text(verify->accepted));
    rp_output_text(&output, "%s of them found whole", rp_load_figures_count_text(verify->found));
    for (size_t index = 0; index < sizeof(rows) / sizeof(rows[0]); index++) {
        rp_output_text(&output, ", %s %s", rp_load_figures_count_text(rows[index].count),
                       rows[index].name);
    }
    rp_output_text(&output, "\n");
    if (verify->unaccepted > 0) {
        rp_output_text(&output,
                       "  %s more came in whole, but the reply did not reach us: allowed\n",
                       rp_load_figures_count_text(verify->unaccepted));
    }
    for (uint32_t index = 0; index < verify->example_count; index++) {
        rp_output_text(&output, "  ");
        put_words(verify->examples[index]);
        rp_output_text(&output, "\n");
    }
}

enum rp_failure_exit rp_load_summary_print(const struct rp_load_report *report)
{
    struct rp_load_figures figures;
    rp_load_figures_init(&figures, report);
    rp_output_init(&output, STDOUT_FILENO);
    put_question(report);
    put_pace(report, &figures);
    put_counts(report, &figures);
    put_latency(report);
    put_peaks(report->stats);
    put_refusals(report->stats);
    put_samples(report->stats);
    put_cpu(&figures);
    if (report->verify != NULL) {
        put_verify(report->verify);
    }
    int error = rp_output_flush(&output);
    return error == 0 ? RP_EXIT_FINE : rp_failure_stdout(error);
}
