/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_json.c - the result of a run for machines: one JSON object.
 *
 * Keys are stable: new ones may come, these do not change. ringpost-load.1 tells what they mean.
 */
#include "load_figures.h"
#include "load_file.h"
#include "load_peaks.h"
#include "load_report.h"
#include "load_verdict.h"
#include "tools/json.h"
#include "tools/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define REAL_DIGITS 12 /* 12.3 is not to become 12.300000000000001 */

static struct rp_target target; /* one thread; 64 KiB */

/* Both take over `value`, which may be NULL; a failure shows in *json. */
static void append(struct rp_json *json, json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) != 0) {
        json->has_failed = true;
    }
}

/* An object inside of another: NULL, where memory ran out, is for rp_json_set to notice. */
static void set_object(struct rp_json *json, const char *name, struct rp_json *inner)
{
    rp_json_set(json, name, rp_json_take(inner));
}

static void set_real(struct rp_json *json, const char *name, double value)
{
    rp_json_set(json, name, json_real(value));
}

static void set_us(struct rp_json *json, const char *name, double ns)
{
    set_real(json, name, ns / 1e3);
}

static void set_flag(struct rp_json *json, const char *name, bool value)
{
    rp_json_set(json, name, json_boolean(value));
}

/* A text that may hold anything: as it is where it is UTF-8. */
static void set_words(struct rp_json *json, const char *name, const char *text)
{
    rp_json_set_octets(json, name, (const uint8_t *)text, strlen(text));
}

static void set_question(struct rp_json *json, const struct rp_load_report *report)
{
    const char *open_loop = report->is_poisson ? "poisson" : "constant";
    rp_json_set_text(json, "program", "ringpost-load");
    rp_json_set_text(json, "version", RP_VERSION);
    rp_json_set_time(json, "started", report->started_wall_ns);
    set_words(json, "target", report->target);
    set_words(json, "mode", report->mode);
    rp_json_set_text(json, "protocol", report->is_lmtp ? "lmtp" : "smtp");
    set_words(json, "size", report->size);
    rp_json_set_number(json, "connections", report->connections);
    rp_json_set_number(json, "workers", report->workers);
    rp_json_set_number(json, "recipients", report->recipients);
    rp_json_set_number(json, "per_connection", report->per_connection);
    if (report->command != NULL) {
        set_words(json, "command", report->command);
    }
    rp_json_set_text(json, "arrivals", report->rate > 0 ? open_loop : "closed");
    if (report->rate > 0) {
        set_real(json, "rate", report->rate);
    }
    set_flag(json, "interrupted", report->is_interrupted);
}

static void set_counts(struct rp_json *json, const struct rp_load_stats *stats)
{
    struct rp_json errors;
    rp_json_open(&errors);
    for (unsigned error = 0; error < RP_LOAD_ERROR_COUNT; error++) {
        rp_json_set_number(&errors, rp_load_error_name((enum rp_load_error)error),
                           stats->errors[error]);
    }
    rp_json_set_number(json, "begun", stats->started);
    rp_json_set_number(json, "accepted", stats->accepted);
    rp_json_set_number(json, "refused", stats->refused);
    set_object(json, "errors", &errors);
    rp_json_set_number(json, "recipients_refused", stats->recipients_refused);
    rp_json_set_number(json, "connections_refused", stats->connections_refused);
    rp_json_set_number(json, "connected", stats->connections);
    rp_json_set_number(json, "late", stats->late);
    rp_json_set_number(json, "never_sent", stats->never_sent);
    rp_json_set_number(json, "octets", stats->octets);
}

static void set_figures(struct rp_json *json, const struct rp_load_report *report)
{
    struct rp_load_figures figures;
    rp_load_figures_init(&figures, report);
    set_real(json, "seconds", figures.seconds);
    set_counts(json, report->stats);
    set_real(json, "messages_per_s", figures.messages_per_s);
    set_real(json, "octets_per_s", figures.octets_per_s);
    set_real(json, "client_cpu_s", report->client_cpu_s);
    set_real(json, "client_cpu_us_per_message", figures.client_us_per_message);
    rp_json_set_number(json, "client_cores", figures.client_cores);
    set_real(json, "client_share", figures.client_share);
    if (figures.has_server_cpu) {
        set_real(json, "server_cpu_s", report->server_cpu_s);
        set_real(json, "server_cpu_us_per_message", figures.server_us_per_message);
    }
}

static void set_latency(struct rp_json *json, const struct rp_load_stats *stats)
{
    struct rp_json phases;
    rp_json_open(&phases);
    for (unsigned phase = 0; phase < RP_LOAD_PHASE_COUNT; phase++) {
        const struct rp_histogram *latency = &stats->latency[phase];
        if (latency->count == 0) {
            continue;
        }
        struct rp_json one;
        rp_json_open(&one);
        rp_json_set_number(&one, "count", latency->count);
        set_us(&one, "mean", rp_histogram_mean(latency));
        set_us(&one, "min", (double)latency->min);
        for (size_t index = 0; index < RP_LOAD_FIGURES_QUANTILES; index++) {
            const struct rp_load_figures_quantile *quantile = &rp_load_figures_quantiles[index];
            set_us(&one, quantile->key_name,
                   (double)rp_histogram_quantile(latency, quantile->share));
        }
        set_us(&one, "max", (double)latency->max);
        set_object(&phases, rp_load_phase_name((enum rp_load_phase)phase), &one);
    }
    set_object(json, "latency_us", &phases);
}

static void set_replies(struct rp_json *json, const struct rp_load_stats *stats)
{
    struct rp_json phases;
    rp_json_open(&phases);
    for (unsigned phase = 0; phase < RP_LOAD_PHASE_COUNT; phase++) {
        struct rp_json codes;
        bool is_empty = true;
        rp_json_open(&codes);
        for (unsigned code = 0; code < RP_LOAD_CODES_MAX; code++) {
            if (stats->codes[phase][code] > 0) {
                char name[16];
                (void)snprintf(name, sizeof(name), "%03u", code);
                rp_json_set_number(&codes, name, stats->codes[phase][code]);
                is_empty = false;
            }
        }
        if (is_empty) {
            json_decref(rp_json_take(&codes));
        } else {
            set_object(&phases, rp_load_phase_name((enum rp_load_phase)phase), &codes);
        }
    }
    set_object(json, "replies", &phases);
}

static void set_series(struct rp_json *json, const struct rp_load_report *report)
{
    const struct rp_load_stats *stats = report->stats;
    json_t *array = json_array();
    uint32_t count = rp_load_figures_intervals(report);
    for (uint32_t index = 0; index < count; index++) {
        const struct rp_load_interval *interval = &stats->series[index];
        double accepted = (double)interval->accepted;
        double sum_ns = (double)interval->latency_sum_ns;
        struct rp_json one;
        rp_json_open(&one);
        set_real(&one, "t_s", (double)(index * stats->interval_ns) / 1e9);
        set_real(&one, "seconds", rp_load_figures_interval(report, index));
        rp_json_set_number(&one, "accepted", interval->accepted);
        rp_json_set_number(&one, "refused", interval->refused);
        rp_json_set_number(&one, "errors", interval->errors);
        rp_json_set_number(&one, "octets", interval->octets);
        set_us(&one, "latency_mean_us", interval->accepted > 0 ? sum_ns / accepted : 0);
        set_us(&one, "latency_max_us", (double)interval->latency_max_ns);
        append(json, array, rp_json_take(&one));
    }
    rp_json_set(json, "series", array);
}

static void set_peaks(struct rp_json *json, const struct rp_load_stats *stats)
{
    struct rp_load_peak peaks[RP_LOAD_PEAKS_MAX];
    uint32_t count = rp_load_peaks_find(stats, peaks);
    json_t *array = json_array();
    for (uint32_t index = 0; index < count; index++) {
        struct rp_json one;
        rp_json_open(&one);
        set_real(&one, "t_s", (double)(peaks[index].interval * stats->interval_ns) / 1e9);
        set_us(&one, "latency_us", (double)peaks[index].latency_ns);
        set_real(&one, "from_s", (double)peaks[index].from_ns / 1e9);
        set_real(&one, "to_s", (double)peaks[index].to_ns / 1e9);
        append(json, array, rp_json_take(&one));
    }
    rp_json_set(json, "peaks", array);
}

static void set_histogram(struct rp_json *json, const struct rp_histogram *histogram)
{
    json_t *array = json_array();
    size_t position = 0;
    uint64_t low = 0;
    uint64_t high = 0;
    uint64_t count = 0;
    while (rp_histogram_next(histogram, &position, &low, &high, &count)) {
        json_t *row = json_array();
        append(json, row, json_real((double)low / 1e3));
        append(json, row, json_real((double)high / 1e3));
        append(json, row, json_integer((json_int_t)count));
        append(json, array, row);
    }
    rp_json_set(json, "histogram", array);
}

/* What comes from strangers, with \xNN where it is no UTF-8: an array has no NAME_base64. */
static json_t *words(const char *text)
{
    size_t len = strlen(text);
    if (rp_text_is_utf8((const uint8_t *)text, len)) {
        return json_stringn(text, len);
    }
    char escaped[2048]; /* of more than that the end is left out */
    size_t at = 0;
    while (len > 0 && at + 4 < sizeof(escaped)) {
        size_t sequence_len = rp_text_sequence_len((const uint8_t *)text, len);
        if (sequence_len > 0) {
            memcpy(escaped + at, text, sequence_len);
            at += sequence_len;
        } else {
            at += (size_t)snprintf(escaped + at, 5, "\\x%02x", (unsigned)(unsigned char)*text);
        }
        text += sequence_len > 0 ? sequence_len : 1;
        len -= sequence_len > 0 ? sequence_len : 1;
    }
    return json_stringn(escaped, at);
}

static void set_verdict(struct rp_json *json, const struct rp_load_report *report)
{
    static struct rp_load_verdict verdict; /* one thread; too large for the stack */
    json_t *thresholds = json_array();
    json_t *reasons = json_array();
    struct rp_json one;
    rp_load_verdict_init(&verdict, report);
    for (uint32_t index = 0; index < report->threshold_count; index++) {
        char text[256];
        bool is_met =
            rp_load_threshold_is_met(&report->thresholds[index], report, text, sizeof(text));
        rp_json_open(&one);
        rp_json_set_text(&one, "threshold", report->thresholds[index].text);
        set_flag(&one, "met", is_met);
        append(json, thresholds, rp_json_take(&one));
    }
    for (uint32_t index = 0; index < verdict.count; index++) {
        append(json, reasons, words(verdict.reasons[index]));
    }
    rp_json_open(&one);
    set_flag(&one, "passed", verdict.count == 0);
    rp_json_set(&one, "reasons", reasons);
    rp_json_set(json, "thresholds", thresholds);
    set_object(json, "verdict", &one);
}

static void set_verify(struct rp_json *json, const struct rp_load_verify_result *verify)
{
    struct rp_json one;
    json_t *examples = json_array();
    rp_json_open(&one);
    set_flag(&one, "fine", rp_load_verify_is_fine(verify));
    rp_json_set_number(&one, "accepted", verify->accepted);
    rp_json_set_number(&one, "found", verify->found);
    rp_json_set_number(&one, "lost", verify->lost);
    rp_json_set_number(&one, "duplicated", verify->duplicated);
    rp_json_set_number(&one, "corrupted", verify->corrupted);
    rp_json_set_number(&one, "damaged", verify->damaged);
    rp_json_set_number(&one, "unaccepted", verify->unaccepted);
    rp_json_set_number(&one, "foreign", verify->foreign);
    for (uint32_t index = 0; index < verify->example_count; index++) {
        append(&one, examples, words(verify->examples[index]));
    }
    rp_json_set(&one, "examples", examples);
    set_object(json, "verify", &one);
}

static void set_samples(struct rp_json *json, const struct rp_load_stats *stats)
{
    json_t *array = json_array();
    for (uint32_t index = 0; index < stats->sample_count; index++) {
        append(json, array, words(stats->samples[index]));
    }
    rp_json_set(json, "samples", array);
}

static int put_piece(const char *ptr, size_t len, void *output)
{
    rp_output_put(output, ptr, len);
    return 0;
}

static int write_object(const struct rp_load_report *report, struct rp_output *output)
{
    struct rp_json json;
    rp_json_open(&json);
    set_question(&json, report);
    set_figures(&json, report);
    set_latency(&json, report->stats);
    set_replies(&json, report->stats);
    set_series(&json, report);
    set_peaks(&json, report->stats);
    set_histogram(&json, &report->stats->latency[RP_LOAD_PHASE_MESSAGE]);
    if (report->verify != NULL) {
        set_verify(&json, report->verify);
    }
    set_verdict(&json, report);
    set_samples(&json, report->stats);
    json_t *object = rp_json_take(&json);
    size_t flags = JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(REAL_DIGITS);
    int error = object == NULL ? -ENOMEM : 0;
    if (error == 0 && json_dump_callback(object, put_piece, output, flags) != 0) {
        error = -ENOMEM;
    }
    json_decref(object);
    rp_output_put(output, "\n", 1);
    return error;
}

enum rp_failure_exit rp_load_json_write(const struct rp_load_report *report, const char *path)
{
    enum rp_failure_exit outcome = rp_load_file_open(&target, path);
    if (outcome != RP_EXIT_FINE) {
        return outcome;
    }
    if (write_object(report, &target.output) != 0) {
        rp_target_abort(&target);
        return rp_failure("%s: no memory for the JSON object", path);
    }
    return rp_target_commit(&target);
}
