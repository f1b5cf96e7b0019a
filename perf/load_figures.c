/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_figures.c - what the reports compute, and numbers as text.
 */
#include "load_figures.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define NS_PER_SECOND 1e9

const struct rp_load_figures_quantile rp_load_figures_quantiles[RP_LOAD_FIGURES_QUANTILES] = {
    {0.5,   "p50",   "p50"  },
    {0.9,   "p90",   "p90"  },
    {0.95,  "p95",   "p95"  },
    {0.99,  "p99",   "p99"  },
    {0.999, "p99.9", "p99_9"},
};

static double ratio(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

void rp_load_figures_init(struct rp_load_figures *figures, const struct rp_load_report *report)
{
    const struct rp_load_stats *stats = report->stats;
    double accepted = (double)stats->accepted;
    *figures = (struct rp_load_figures){0};
    if (stats->end_ns > stats->begin_ns) {
        figures->seconds = (double)(stats->end_ns - stats->begin_ns) / NS_PER_SECOND;
    }
    figures->messages_per_s = ratio(accepted, figures->seconds);
    figures->octets_per_s = ratio((double)stats->octets, figures->seconds);
    figures->errors = rp_load_stats_errors(stats);
    figures->ended = stats->accepted + stats->refused + figures->errors;
    figures->latency_mean_ns = rp_histogram_mean(&stats->latency[RP_LOAD_PHASE_MESSAGE]);
    figures->client_us_per_message = ratio(report->client_cpu_s * 1e6, accepted);
    figures->client_cores_used = ratio(report->client_cpu_s, figures->seconds);
    figures->client_cores = report->cores > 0 ? report->cores : report->workers;
    figures->client_cores = figures->client_cores > 0 ? figures->client_cores : 1;
    figures->client_share = ratio(figures->client_cores_used, figures->client_cores);
    figures->is_client_busy = figures->client_share >= RP_LOAD_FIGURES_BUSY;
    figures->has_server_cpu = report->server_cpu_s >= 0;
    if (figures->has_server_cpu) {
        figures->server_us_per_message = ratio(report->server_cpu_s * 1e6, accepted);
    }
}

uint32_t rp_load_figures_intervals(const struct rp_load_report *report)
{
    const struct rp_load_stats *stats = report->stats;
    if (stats->end_ns <= stats->begin_ns) {
        return stats->series_count;
    }
    uint64_t covered = (stats->end_ns - stats->begin_ns - 1) / stats->interval_ns + 1;
    covered = covered > stats->series_count ? covered : stats->series_count;
    return covered < RP_LOAD_SERIES_MAX ? (uint32_t)covered : RP_LOAD_SERIES_MAX;
}

double rp_load_figures_interval(const struct rp_load_report *report, uint32_t index)
{
    const struct rp_load_stats *stats = report->stats;
    uint32_t count = rp_load_figures_intervals(report);
    assert(index < count);
    uint64_t begin_ns = stats->begin_ns + index * stats->interval_ns;
    uint64_t len_ns = stats->interval_ns;
    if (index + 1 == count && stats->end_ns > begin_ns) {
        len_ns = stats->end_ns - begin_ns;
    }
    return (double)len_ns / NS_PER_SECOND;
}

/* "rcpt: 550 5.1.1 no" for RCPT and 550: what stands behind the name; else NULL. */
static const char *behind_phase(const char *sample, enum rp_load_phase phase, unsigned code)
{
    const char *name = rp_load_phase_name(phase);
    size_t len = strlen(name);
    char digits[16];
    (void)snprintf(digits, sizeof(digits), "%03u", code);
    if (strncasecmp(sample, name, len) != 0 || strncmp(sample + len, ": ", 2) != 0) {
        return NULL;
    }
    const char *text = sample + len + 2;
    return strncmp(text, digits, strlen(digits)) == 0 ? text : NULL;
}

const char *rp_load_figures_sample(const struct rp_load_stats *stats,
                                   enum rp_load_phase phase,
                                   unsigned code)
{
    for (uint32_t index = 0; index < stats->sample_count; index++) {
        const char *text = behind_phase(stats->samples[index], phase, code);
        if (text != NULL) {
            return text;
        }
    }
    return NULL;
}

bool rp_load_figures_is_shown(const struct rp_load_stats *stats, uint32_t sample)
{
    const char *text = stats->samples[sample];
    for (unsigned phase = 0; phase < RP_LOAD_PHASE_COUNT; phase++) {
        for (unsigned code = 400; code < 600; code++) {
            if (stats->codes[phase][code] > 0) {
                const char *shown = rp_load_figures_sample(stats, (enum rp_load_phase)phase, code);
                /* The same octets of the same sample: those that begin inside of it. */
                if (shown != NULL && shown > text && shown < text + RP_LOAD_SAMPLE_LEN) {
                    return true;
                }
            }
        }
    }
    return false;
}

/* Three digits: 1.62, 16.2, 162, 1620. */
static void write_digits(double number, const char *unit, char *text_out)
{
    /* What would be rounded to one digit more is written with one decimal less. */
    int decimals = number < 9.995 ? 2 : number < 99.95 ? 1 : 0;
    (void)snprintf(text_out, RP_LOAD_FIGURES_TEXT_LEN + 1, "%.*f %s", decimals, number, unit);
}

void rp_load_figures_time(double ns, char text_out[RP_LOAD_FIGURES_TEXT_LEN + 1])
{
    if (ns < 999.5) {
        (void)snprintf(text_out, RP_LOAD_FIGURES_TEXT_LEN + 1, "%.0f ns", ns);
    } else if (ns < 999.5e3) {
        write_digits(ns / 1e3, "us", text_out);
    } else if (ns < 999.5e6) {
        write_digits(ns / 1e6, "ms", text_out);
    } else if (ns < 120e9) {
        write_digits(ns / NS_PER_SECOND, "s", text_out);
    } else {
        write_digits(ns / 60e9, "min", text_out);
    }
}

void rp_load_figures_time_page(double ns, char text_out[RP_LOAD_FIGURES_TEXT_LEN + 1])
{
    rp_load_figures_time(ns, text_out);
    char *unit = strstr(text_out, "us");
    if (unit != NULL) {
        memcpy(unit, "µs", sizeof("µs")); /* one octet more: there is room */
    }
}

void rp_load_figures_count(uint64_t number, char text_out[RP_LOAD_FIGURES_TEXT_LEN + 1])
{
    char digits[RP_LOAD_FIGURES_TEXT_LEN + 1];
    int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)number);
    size_t at = 0;
    for (int index = 0; index < len; index++) {
        if (index > 0 && (len - index) % 3 == 0) {
            text_out[at++] = ',';
        }
        text_out[at++] = digits[index];
    }
    text_out[at] = '\0';
}

void rp_load_figures_number(double number, char text_out[RP_LOAD_FIGURES_TEXT_LEN + 1])
{
    assert(number >= 0);
    if (number >= 99.95) {
        double most = 1e18; /* far beyond any rate, and within an integer */
        rp_load_figures_count((uint64_t)((number < most ? number : most) + 0.5), text_out);
    } else if (number >= 0.9995) {
        (void)snprintf(text_out, RP_LOAD_FIGURES_TEXT_LEN + 1, "%.*f", number < 9.995 ? 2 : 1,
                       number);
    } else {
        (void)snprintf(text_out, RP_LOAD_FIGURES_TEXT_LEN + 1, "%.3g", number);
    }
}

const char *rp_load_figures_count_text(uint64_t number)
{
    static char text[RP_LOAD_FIGURES_TEXT_LEN + 1];
    rp_load_figures_count(number, text);
    return text;
}

const char *rp_load_figures_number_text(double number)
{
    static char text[RP_LOAD_FIGURES_TEXT_LEN + 1];
    rp_load_figures_number(number, text);
    return text;
}

void rp_load_figures_duration(double seconds, char text_out[RP_LOAD_FIGURES_TEXT_LEN + 1])
{
    double most = 3600.0 * 24 * 36500;
    uint64_t whole = (uint64_t)((seconds < most ? seconds : most) + 0.5);
    unsigned long long minutes = whole / 60;
    if (seconds < 99.95) {
        (void)snprintf(text_out, RP_LOAD_FIGURES_TEXT_LEN + 1, "%.1f s", seconds);
    } else if (minutes < 60) {
        (void)snprintf(text_out, RP_LOAD_FIGURES_TEXT_LEN + 1, "%llu min %02u s", minutes,
                       (unsigned)(whole % 60));
    } else {
        (void)snprintf(text_out, RP_LOAD_FIGURES_TEXT_LEN + 1, "%llu h %02u min", minutes / 60,
                       (unsigned)(minutes % 60));
    }
}

const char *rp_load_figures_bound(double client_share, double server_share, double cpus_share)
{
    bool is_client = client_share >= server_share;
    if ((is_client ? client_share : server_share) >= RP_LOAD_FIGURES_BUSY) {
        return is_client ? "generator" : "server";
    }
    return cpus_share >= RP_LOAD_FIGURES_BUSY ? "CPUs" : "waiting";
}
