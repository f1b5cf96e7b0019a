/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_verdict.c - whether a run passed, and if not, why.
 */
#include "load_verdict.h"

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static void add_reason(struct rp_load_verdict *verdict, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add_reason(struct rp_load_verdict *verdict, const char *format, ...)
{
    va_list arguments;
    assert(verdict->count < RP_LOAD_VERDICT_REASONS_MAX);
    va_start(arguments, format);
    (void)vsnprintf(verdict->reasons[verdict->count], RP_LOAD_VERDICT_TEXT_LEN + 1, format,
                    arguments); /* what does not fit is left out */
    va_end(arguments);
    verdict->count++;
}

/* "rcpt: 550 no", and not "connect: Connection refused". */
static bool is_refusal(const char *sample)
{
    const char *colon = strstr(sample, ": ");
    return colon != NULL && (colon[2] == '4' || colon[2] == '5');
}

/* "; closed: while the answer to end was awaited": the first of an error's words, or nothing. */
static void write_sample(const struct rp_load_stats *stats,
                         bool is_any,
                         char text_out[RP_LOAD_SAMPLE_LEN + 3])
{
    text_out[0] = '\0';
    for (uint32_t index = 0; index < stats->sample_count; index++) {
        const char *sample = stats->samples[index];
        if (is_any || !is_refusal(sample)) {
            (void)snprintf(text_out, RP_LOAD_SAMPLE_LEN + 3, "; %s", sample);
            return;
        }
    }
}

static void judge_spool(struct rp_load_verdict *verdict, const struct rp_load_report *report)
{
    const struct rp_load_verify_result *found = report->verify;
    if (report->verify_error != NULL) {
        add_reason(verdict, "--verify %s", report->verify_error);
    } else if (found != NULL && !rp_load_verify_is_fine(found)) {
        add_reason(verdict, "--verify: %llu lost, %llu duplicated, %llu corrupted, %llu damaged",
                   (unsigned long long)found->lost, (unsigned long long)found->duplicated,
                   (unsigned long long)found->corrupted, (unsigned long long)found->damaged);
    }
}

static bool has_error_threshold(const struct rp_load_report *report)
{
    for (uint32_t index = 0; index < report->threshold_count; index++) {
        if (rp_load_threshold_is_on_errors(&report->thresholds[index])) {
            return true;
        }
    }
    return false;
}

static void add_errors(struct rp_load_verdict *verdict, const struct rp_load_report *report)
{
    const struct rp_load_stats *stats = report->stats;
    char kinds[128] = "";
    char sample[RP_LOAD_SAMPLE_LEN + 3];
    size_t at = 0;
    for (unsigned error = 0; error < RP_LOAD_ERROR_COUNT && at < sizeof(kinds); error++) {
        if (stats->errors[error] > 0) {
            int len = snprintf(kinds + at, sizeof(kinds) - at, "%s%s %llu", at > 0 ? ", " : "",
                               rp_load_error_name((enum rp_load_error)error),
                               (unsigned long long)stats->errors[error]);
            at += len > 0 ? (size_t)len : 0;
        }
    }
    write_sample(stats, false, sample);
    add_reason(verdict, "%s: errors: %s%s", report->target, kinds, sample);
}

/* One reason at most: that a run was given up says more than that it accepted nothing. */
static void judge_run(struct rp_load_verdict *verdict, const struct rp_load_report *report)
{
    if (report->fatal != NULL) {
        bool is_nobody = !report->has_been_ready && strncmp(report->fatal, "connect:", 8) == 0;
        add_reason(verdict, "%s: %s%s", report->target, report->fatal,
                   is_nobody ? "; is the server running there?" : "");
    } else if (report->stats->accepted == 0) {
        char sample[RP_LOAD_SAMPLE_LEN + 3];
        write_sample(report->stats, true, sample);
        add_reason(verdict, "%s: no message was accepted%s", report->target, sample);
    } else if (rp_load_stats_errors(report->stats) > 0 && !has_error_threshold(report)) {
        add_errors(verdict, report);
    }
}

void rp_load_verdict_init(struct rp_load_verdict *verdict, const struct rp_load_report *report)
{
    assert(report->threshold_count <= RP_LOAD_THRESHOLDS_MAX);
    verdict->count = 0;
    judge_spool(verdict, report);
    judge_run(verdict, report);
    for (uint32_t index = 0; index < report->threshold_count; index++) {
        char text[256];
        if (!rp_load_threshold_is_met(&report->thresholds[index], report, text, sizeof(text))) {
            add_reason(verdict, "threshold missed: %s", text);
        }
    }
}
