/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_threshold.c - limits that a run must keep, for the exit status.
 */
#include "load_figures.h"
#include "load_report.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum what {
    WHAT_P50, /* in the order of rp_load_figures_quantiles */
    WHAT_P90,
    WHAT_P95,
    WHAT_P99,
    WHAT_P999,
    WHAT_MAX,
    WHAT_MEAN,
    WHAT_ERRORS,
    WHAT_REFUSED,
    WHAT_CONNECTIONS_REFUSED,
    WHAT_NEVER_SENT,
    WHAT_RATE,
    WHAT_LOST,
    WHAT_DUPLICATED,
    WHAT_CORRUPTED,
    WHAT_COUNT,
};

/* clang-format off */
static const struct {
    const char *name;
    const char *right; /* what a value looks like */
} whats[WHAT_COUNT] = {
    [WHAT_P50]                 = {"p50",                 "a time such as 20ms, 500us, 1.5s"},
    [WHAT_P90]                 = {"p90",                 "a time such as 20ms, 500us, 1.5s"},
    [WHAT_P95]                 = {"p95",                 "a time such as 20ms, 500us, 1.5s"},
    [WHAT_P99]                 = {"p99",                 "a time such as 20ms, 500us, 1.5s"},
    [WHAT_P999]                = {"p99.9",               "a time such as 20ms, 500us, 1.5s"},
    [WHAT_MAX]                 = {"max",                 "a time such as 20ms, 500us, 1.5s"},
    [WHAT_MEAN]                = {"mean",                "a time such as 20ms, 500us, 1.5s"},
    [WHAT_ERRORS]              = {"errors",              "a number such as 0, or a share of all messages such as 1%"},
    [WHAT_REFUSED]             = {"refused",             "a number such as 0, or a share of all messages such as 1%"},
    [WHAT_CONNECTIONS_REFUSED] = {"connections_refused", "a number such as 0"},
    [WHAT_NEVER_SENT]          = {"never_sent",          "a number such as 0, or a share of what was due such as 1%"},
    [WHAT_RATE]                = {"rate",                "messages a second, such as 10000"},
    [WHAT_LOST]                = {"lost",                "a number such as 0"},
    [WHAT_DUPLICATED]          = {"duplicated",          "a number such as 0"},
    [WHAT_CORRUPTED]           = {"corrupted",           "a number such as 0"},
};

static const struct {
    const char *name;
    double ns;
} units[] = {
    {"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"min", 60e9}, {"h", 3600e9},
};
/* clang-format on */

static bool is_time(unsigned what)
{
    return what <= WHAT_MEAN;
}

/* "12" or "1.5": the number, and where it ends. NULL: it is none. */
static const char *parse_decimal(const char *text, double *value_out)
{
    double value = 0;
    double weight = 1;
    size_t digits = 0;
    bool is_fraction = false;
    for (; (*text >= '0' && *text <= '9') || (*text == '.' && !is_fraction && digits > 0); text++) {
        if (*text == '.') {
            is_fraction = true;
            digits = 0; /* one at least must follow */
            continue;
        }
        weight = is_fraction ? weight / 10 : 1;
        value = is_fraction ? value + (*text - '0') * weight : value * 10 + (*text - '0');
        digits++;
    }
    if (digits == 0 || value > 1e18) {
        return NULL;
    }
    *value_out = value;
    return text;
}

/* The unit behind a number belongs to what is limited. */
static bool parse_value(const char *text, struct rp_load_threshold *threshold)
{
    const char *unit = parse_decimal(text, &threshold->limit);
    if (unit == NULL) {
        return false;
    }
    if (is_time(threshold->what)) {
        for (size_t index = 0; index < sizeof(units) / sizeof(units[0]); index++) {
            if (strcmp(unit, units[index].name) == 0) {
                threshold->limit *= units[index].ns;
                return true;
            }
        }
        return false;
    }
    bool may_be_share = threshold->what == WHAT_ERRORS || threshold->what == WHAT_REFUSED ||
                        threshold->what == WHAT_NEVER_SENT;
    if (may_be_share && strcmp(unit, "%") == 0) {
        threshold->is_share = true;
        threshold->limit /= 100;
        return threshold->limit <= 1;
    }
    bool may_be_fraction = threshold->what == WHAT_RATE;
    return *unit == '\0' && (may_be_fraction || strchr(text, '.') == NULL);
}

int rp_load_threshold_parse(const char *text,
                            struct rp_load_threshold *threshold_out,
                            char *error,
                            size_t error_len)
{
    const char *equals = strchr(text, '=');
    size_t name_len = equals == NULL ? strlen(text) : (size_t)(equals - text);
    unsigned what = 0;
    while (what < WHAT_COUNT && (strlen(whats[what].name) != name_len ||
                                 strncmp(whats[what].name, text, name_len) != 0)) {
        what++;
    }
    if (what == WHAT_COUNT || equals == NULL) {
        (void)snprintf(error, error_len,
                       "\"%s\" is no threshold; give p50, p90, p95, p99, p99.9, max or mean=TIME, "
                       "errors, refused or never_sent=NUMBER or N%%, rate=MESSAGES, "
                       "connections_refused, lost, duplicated or corrupted=NUMBER",
                       text);
        return -EINVAL;
    }
    struct rp_load_threshold threshold = {.text = text, .what = (uint8_t)what};
    if (!parse_value(equals + 1, &threshold)) {
        (void)snprintf(error, error_len, "\"%s\" is wrong behind \"=\"; %s takes %s", text,
                       whats[what].name, whats[what].right);
        return -EINVAL;
    }
    *threshold_out = threshold;
    return 0;
}

static double measured_ns(unsigned what, const struct rp_load_report *report)
{
    const struct rp_histogram *latency = &report->stats->latency[RP_LOAD_PHASE_MESSAGE];
    if (what == WHAT_MAX) {
        return (double)latency->max;
    }
    if (what == WHAT_MEAN) {
        return rp_histogram_mean(latency);
    }
    return (double)rp_histogram_quantile(latency, rp_load_figures_quantiles[what].share);
}

static bool is_time_met(const struct rp_load_threshold *threshold,
                        const struct rp_load_report *report,
                        char *text_out,
                        size_t text_len)
{
    const char *name = whats[threshold->what].name;
    if (report->stats->latency[RP_LOAD_PHASE_MESSAGE].count == 0) {
        (void)snprintf(text_out, text_len, "%s is not known, as no message was accepted", name);
        return false;
    }
    double ns = measured_ns(threshold->what, report);
    if (ns <= threshold->limit) {
        return true;
    }
    char got[RP_LOAD_FIGURES_TEXT_LEN + 1];
    char want[RP_LOAD_FIGURES_TEXT_LEN + 1];
    rp_load_figures_time(ns, got);
    rp_load_figures_time(threshold->limit, want);
    (void)snprintf(text_out, text_len, "%s is %s, the threshold %s", name, got, want);
    return false;
}

static bool is_count_met(const struct rp_load_threshold *threshold,
                         uint64_t count,
                         uint64_t whole,
                         char *text_out,
                         size_t text_len)
{
    const char *name = whats[threshold->what].name;
    char got[RP_LOAD_FIGURES_TEXT_LEN + 1];
    char want[RP_LOAD_FIGURES_TEXT_LEN + 1];
    double share = whole > 0 ? (double)count / (double)whole : 0;
    if ((threshold->is_share ? share : (double)count) <= threshold->limit) {
        return true;
    }
    rp_load_figures_count(count, got);
    if (threshold->is_share) {
        (void)snprintf(text_out, text_len, "%s: %s of all messages, %.3g %%, the threshold %.3g %%",
                       name, got, share * 100, threshold->limit * 100);
    } else {
        rp_load_figures_count((uint64_t)threshold->limit, want);
        (void)snprintf(text_out, text_len, "%s: %s, the threshold %s", name, got, want);
    }
    return false;
}

static bool is_rate_met(const struct rp_load_threshold *threshold,
                        double rate,
                        char *text_out,
                        size_t text_len)
{
    char got[RP_LOAD_FIGURES_TEXT_LEN + 1];
    char want[RP_LOAD_FIGURES_TEXT_LEN + 1];
    if (rate >= threshold->limit) {
        return true;
    }
    rp_load_figures_number(rate, got);
    rp_load_figures_number(threshold->limit, want);
    (void)snprintf(text_out, text_len, "rate is %s messages/s, the threshold %s", got, want);
    return false;
}

static bool is_verify_met(const struct rp_load_threshold *threshold,
                          const struct rp_load_report *report,
                          char *text_out,
                          size_t text_len)
{
    const struct rp_load_verify_result *verify = report->verify;
    if (verify == NULL) {
        (void)snprintf(text_out, text_len, "%s is not known, as no spool was read (--verify DIR)",
                       whats[threshold->what].name);
        return false;
    }
    uint64_t count = verify->corrupted;
    if (threshold->what == WHAT_LOST) {
        count = verify->lost;
    } else if (threshold->what == WHAT_DUPLICATED) {
        count = verify->duplicated;
    }
    return is_count_met(threshold, count, verify->accepted, text_out, text_len);
}

/* Of an open loop's messages, those that were due and never begun. */
static bool is_sending_met(const struct rp_load_threshold *threshold,
                           const struct rp_load_report *report,
                           char *text_out,
                           size_t text_len)
{
    const struct rp_load_stats *stats = report->stats;
    if (report->rate <= 0) {
        (void)snprintf(text_out, text_len, "%s is not known, as no rate was asked for (--rate R)",
                       whats[threshold->what].name);
        return false;
    }
    return is_count_met(threshold, stats->never_sent, stats->started + stats->never_sent, text_out,
                        text_len);
}

bool rp_load_threshold_is_on_errors(const struct rp_load_threshold *threshold)
{
    return threshold->what == WHAT_ERRORS;
}

bool rp_load_threshold_is_met(const struct rp_load_threshold *threshold,
                              const struct rp_load_report *report,
                              char *text_out,
                              size_t text_len)
{
    struct rp_load_figures figures;
    rp_load_figures_init(&figures, report);
    assert(threshold->what < WHAT_COUNT);
    if (is_time(threshold->what)) {
        return is_time_met(threshold, report, text_out, text_len);
    }
    if (threshold->what == WHAT_ERRORS) {
        return is_count_met(threshold, figures.errors, figures.ended, text_out, text_len);
    }
    if (threshold->what == WHAT_REFUSED) {
        return is_count_met(threshold, report->stats->refused, figures.ended, text_out, text_len);
    }
    if (threshold->what == WHAT_CONNECTIONS_REFUSED) {
        return is_count_met(threshold, report->stats->connections_refused, 0, text_out, text_len);
    }
    if (threshold->what == WHAT_NEVER_SENT) {
        return is_sending_met(threshold, report, text_out, text_len);
    }
    if (threshold->what == WHAT_RATE) {
        return is_rate_met(threshold, figures.messages_per_s, text_out, text_len);
    }
    return is_verify_met(threshold, report, text_out, text_len);
}
