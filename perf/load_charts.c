/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_charts.c - the plots of ringpost-load's page.
 */
#include "load_charts.h"

#include "load_figures.h"
#include "load_peaks.h"
#include "plot.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define TAIL_POINTS   240u /* of a percentile curve: one for four pixels */
#define TAIL_TIPS     60u
#define BINS          90u  /* of the histogram */
#define TIME_STEPS    300u /* of a plot over time; a series has up to 4096 intervals */
#define LOG_FROM      20.0 /* from this ratio of largest to smallest on an axis is logarithmic */
#define TIP_LEN       160u
#define NS_PER_SECOND 1e9

static const char nothing[] =
    "<p class=\"nothing\">Nothing to plot: no message was accepted.</p>\n";

static void write_time(double ns, char text_out[RP_PLOT_TEXT_LEN + 1])
{
    static const struct {
        double ns;
        const char *unit;
    } units[] = {
        {1,   "ns" },
        {1e3, "µs"},
        {1e6, "ms" },
        {1e9, "s"  }
    };
    size_t unit = 3;
    while (unit > 0 && ns < units[unit].ns * (1 - 1e-9)) {
        unit--;
    }
    (void)snprintf(text_out, RP_PLOT_TEXT_LEN + 1, "%.4g %s", ns / units[unit].ns,
                   ns > 0 ? units[unit].unit : "");
}

static void write_number(double number, char text_out[RP_PLOT_TEXT_LEN + 1])
{
    if (number >= 1000) {
        rp_load_figures_number(number, text_out);
    } else {
        (void)snprintf(text_out, RP_PLOT_TEXT_LEN + 1, "%.4g", number);
    }
}

static void write_percent(double number, char text_out[RP_PLOT_TEXT_LEN + 1])
{
    (void)snprintf(text_out, RP_PLOT_TEXT_LEN + 1, "%.4g %%", number);
}

/* Shares near 1 need as many digits as they have nines. */
static void write_share(double share, char text_out[RP_PLOT_TEXT_LEN + 1])
{
    (void)snprintf(text_out, RP_PLOT_TEXT_LEN + 1, "%.10g %%", share * 100);
}

static void put_static(struct rp_output *output, const char *text)
{
    rp_output_put(output, text, strlen(text));
}

/* The curves of the percentile plot, the message's last: it lies above the others. */
static const struct {
    enum rp_load_phase phase;
    const char *class_name;
    const char *name;
} curves[] = {
    {RP_LOAD_PHASE_MAIL,    "c1",      "MAIL"       },
    {RP_LOAD_PHASE_RCPT,    "c2",      "RCPT"       },
    {RP_LOAD_PHASE_DATA,    "c3",      "DATA"       },
    {RP_LOAD_PHASE_END,     "c4",      "end of body"},
    {RP_LOAD_PHASE_MESSAGE, "message", "message"    },
};

static double at_least_1(uint64_t ns)
{
    return ns > 0 ? (double)ns : 1;
}

static void fit_percentiles(struct rp_plot *plot, const struct rp_load_stats *stats)
{
    double low = (double)INFINITY;
    double high = 0;
    for (size_t index = 0; index < sizeof(curves) / sizeof(curves[0]); index++) {
        const struct rp_histogram *latency = &stats->latency[curves[index].phase];
        if (latency->count > 0) {
            low = fmin(low, at_least_1(latency->min));
            high = fmax(high, at_least_1(latency->max));
        }
    }
    double decades = log10((double)stats->latency[RP_LOAD_PHASE_MESSAGE].count);
    plot->x.high = 1 - pow(10, -fmax(decades, 1));
    plot->y.scale = high / low >= LOG_FROM ? RP_PLOT_LOG : RP_PLOT_LINEAR;
    rp_plot_fit(&plot->y, low, high);
}

/* The share at a point of the tail axis, of `steps` even ones. */
static double tail_share(const struct rp_plot *plot, size_t step, size_t steps)
{
    double whole = -log10(1 - plot->x.high);
    return 1 - pow(10, -whole * (double)step / (double)steps);
}

static void put_percentile_curve(struct rp_plot *plot,
                                 const char *class_name,
                                 const struct rp_histogram *latency)
{
    static struct rp_plot_point points[TAIL_POINTS + 1];
    for (size_t step = 0; step <= TAIL_POINTS; step++) {
        double share = tail_share(plot, step, TAIL_POINTS);
        /* The right end is the largest of all. */
        uint64_t ns = rp_histogram_quantile(latency, step < TAIL_POINTS ? share : 1);
        points[step] = (struct rp_plot_point){.x = share, .y = at_least_1(ns)};
    }
    rp_plot_curve(plot, class_name, points, TAIL_POINTS + 1, RP_PLOT_STRAIGHT);
}

static void put_percentile_tips(struct rp_plot *plot, const struct rp_histogram *latency)
{
    for (size_t tip = 0; tip < TAIL_TIPS; tip++) {
        char text[TIP_LEN];
        char time[RP_LOAD_FIGURES_TEXT_LEN + 1];
        double low = tail_share(plot, tip, TAIL_TIPS);
        double high = tail_share(plot, tip + 1, TAIL_TIPS);
        write_time((double)rp_histogram_quantile(latency, high), time);
        (void)snprintf(text, sizeof(text), "%.*g %% of the messages took at most %s",
                       high > 0.99 ? 6 : 3, high * 100, time);
        rp_plot_tip(plot, low, high, text);
    }
}

void rp_load_charts_percentiles(const struct rp_load_report *report, struct rp_output *output)
{
    const struct rp_load_stats *stats = report->stats;
    const struct rp_histogram *message = &stats->latency[RP_LOAD_PHASE_MESSAGE];
    struct rp_plot plot = {
        .output = output,
        .id = "percentiles",
        .description = "Latency by percentile: the share of messages that took no longer",
        .x = {.scale = RP_PLOT_TAIL, .label = "share of messages", .write_tick = write_share},
        .y = {.label = "latency, at most",                     .write_tick = write_time                      },
    };
    if (message->count == 0) {
        put_static(output, nothing);
        return;
    }
    fit_percentiles(&plot, stats);
    rp_plot_open(&plot);
    for (size_t index = 0; index < sizeof(curves) / sizeof(curves[0]); index++) {
        const struct rp_histogram *latency = &stats->latency[curves[index].phase];
        if (latency->count > 0) {
            put_percentile_curve(&plot, curves[index].class_name, latency);
            rp_plot_legend(&plot, curves[index].class_name, curves[index].name);
        }
    }
    put_percentile_tips(&plot, message);
    rp_plot_close(&plot);
}

/* Border `bin` of BINS on a logarithmic axis. */
static double bin_border(const struct rp_plot_axis *axis, size_t bin)
{
    return axis->low * pow(axis->high / axis->low, (double)bin / BINS);
}

static uint64_t fill_bins(const struct rp_histogram *latency,
                          const struct rp_plot_axis *axis,
                          uint64_t bins[BINS])
{
    size_t position = 0;
    uint64_t most = 0;
    uint64_t low = 0;
    uint64_t high = 0;
    uint64_t count = 0;
    memset(bins, 0, BINS * sizeof(bins[0]));
    while (rp_histogram_next(latency, &position, &low, &high, &count)) {
        double middle = fmax(((double)low + (double)high) / 2, axis->low);
        double part = log(middle / axis->low) / log(axis->high / axis->low);
        double bin = fmin(part * BINS, BINS - 1);
        bins[(size_t)bin] += count;
        most = bins[(size_t)bin] > most ? bins[(size_t)bin] : most;
    }
    return most;
}

static void put_bins(struct rp_plot *plot, const uint64_t bins[BINS], uint64_t whole)
{
    for (size_t bin = 0; bin < BINS; bin++) {
        if (bins[bin] == 0) {
            continue;
        }
        char text[TIP_LEN];
        char low[RP_PLOT_TEXT_LEN + 1];
        char high[RP_PLOT_TEXT_LEN + 1];
        char count[RP_LOAD_FIGURES_TEXT_LEN + 1];
        double share = (double)bins[bin] / (double)whole;
        write_time(bin_border(&plot->x, bin), low);
        write_time(bin_border(&plot->x, bin + 1), high);
        rp_load_figures_count(bins[bin], count);
        (void)snprintf(text, sizeof(text), "%s to %s: %s messages, %.3g %%", low, high, count,
                       share * 100);
        rp_plot_bar(plot, "message", bin_border(&plot->x, bin), bin_border(&plot->x, bin + 1),
                    share * 100);
        rp_plot_tip(plot, bin_border(&plot->x, bin), bin_border(&plot->x, bin + 1), text);
    }
}

void rp_load_charts_histogram(const struct rp_load_report *report, struct rp_output *output)
{
    static uint64_t bins[BINS];
    const struct rp_histogram *latency = &report->stats->latency[RP_LOAD_PHASE_MESSAGE];
    struct rp_plot plot = {
        .output = output,
        .id = "histogram",
        .description = "Histogram of the latency of messages, on a logarithmic time axis",
        .x = {.scale = RP_PLOT_LOG, .label = "latency", .write_tick = write_time},
        .y = {.label = "share of messages",                    .write_tick = write_percent          },
        .mark_rows = RP_LOAD_FIGURES_QUANTILES,
    };
    if (latency->count == 0) {
        put_static(output, nothing);
        return;
    }
    rp_plot_fit(&plot.x, at_least_1(latency->min), at_least_1(latency->max));
    uint64_t most = fill_bins(latency, &plot.x, bins);
    rp_plot_fit(&plot.y, 0, (double)most / (double)latency->count * 100);
    plot.y.high = fmin(plot.y.high, 100);
    rp_plot_open(&plot);
    put_bins(&plot, bins, latency->count);
    for (unsigned index = 0; index < RP_LOAD_FIGURES_QUANTILES; index++) {
        char text[TIP_LEN];
        char time[RP_LOAD_FIGURES_TEXT_LEN + 1];
        double share = rp_load_figures_quantiles[index].share;
        double ns = at_least_1(rp_histogram_quantile(latency, share));
        rp_load_figures_time_page(ns, time);
        (void)snprintf(text, sizeof(text), "%s %s", rp_load_figures_quantiles[index].name, time);
        rp_plot_mark(&plot, ns, index, text);
    }
    rp_plot_close(&plot);
}

/* Some intervals of the series as one step of a plot. */
struct step {
    double begin_s;
    double seconds;
    struct rp_load_interval sum;
};

struct timeline {
    struct step steps[TIME_STEPS + 1];
    size_t count;
    double end_s;
    double unit_s; /* of the x axis: 1, 60 or 3600 */
    const char *label;
};

static void add_interval(struct step *step, const struct rp_load_interval *interval, double seconds)
{
    step->seconds += seconds;
    step->sum.accepted += interval->accepted;
    step->sum.refused += interval->refused;
    step->sum.errors += interval->errors;
    step->sum.octets += interval->octets;
    step->sum.latency_sum_ns += interval->latency_sum_ns;
    if (interval->latency_max_ns > step->sum.latency_max_ns) {
        step->sum.latency_max_ns = interval->latency_max_ns;
    }
}

static bool open_timeline(struct timeline *timeline, const struct rp_load_report *report)
{
    const struct rp_load_stats *stats = report->stats;
    uint32_t count = rp_load_figures_intervals(report);
    uint32_t stride = (count + TIME_STEPS - 1) / TIME_STEPS;
    double interval_s = (double)stats->interval_ns / NS_PER_SECOND;
    memset(timeline, 0, sizeof(*timeline));
    for (uint32_t index = 0; index < count; index++) {
        double seconds = rp_load_figures_interval(report, index);
        bool is_first = index % stride == 0;
        /* What the end cut short by more than half gives no rate worth a step of its own. */
        bool is_short = index + 1 == count && seconds < interval_s * stride / 2;
        if (is_first && !(is_short && timeline->count > 0)) {
            timeline->steps[timeline->count++].begin_s = index * interval_s;
        }
        add_interval(&timeline->steps[timeline->count - 1], &stats->series[index], seconds);
        timeline->end_s = index * interval_s + seconds;
    }
    bool is_hours = timeline->end_s > 3 * 3600;
    bool is_minutes = timeline->end_s > 5 * 60;
    timeline->unit_s = is_hours ? 3600 : is_minutes ? 60 : 1;
    timeline->label = is_hours ? "time, hours" : is_minutes ? "time, minutes" : "time, seconds";
    return timeline->count > 0 && timeline->end_s > 0;
}

static struct rp_plot_axis time_axis(const struct timeline *timeline)
{
    return (struct rp_plot_axis){
        .scale = RP_PLOT_LINEAR,
        .low = 0,
        .high = timeline->end_s / timeline->unit_s,
        .label = timeline->label,
        .write_tick = write_number,
    };
}

enum series {
    SERIES_ACCEPTED,
    SERIES_REFUSED,
    SERIES_ERRORS,
    SERIES_MEAN,
    SERIES_MAX,
};

static double series_value(const struct step *step, enum series series)
{
    double accepted = (double)step->sum.accepted;
    double seconds = fmax(step->seconds, 1e-9);
    switch (series) {
    case SERIES_ACCEPTED: return accepted / seconds;
    case SERIES_REFUSED: /* where there are none is no line */
        return step->sum.refused > 0 ? (double)step->sum.refused / seconds : -1;
    case SERIES_ERRORS: return step->sum.errors > 0 ? (double)step->sum.errors / seconds : -1;
    case SERIES_MEAN:
        return step->sum.accepted > 0 ? (double)step->sum.latency_sum_ns / accepted : -1;
    case SERIES_MAX: break;
    }
    return step->sum.accepted > 0 ? at_least_1(step->sum.latency_max_ns) : -1;
}

static double series_extreme(const struct timeline *timeline, enum series series, bool is_lowest)
{
    double extreme = is_lowest ? (double)INFINITY : -1;
    for (size_t index = 0; index < timeline->count; index++) {
        double value = series_value(&timeline->steps[index], series);
        if (value >= 0) {
            extreme = is_lowest ? fmin(extreme, value) : fmax(extreme, value);
        }
    }
    return extreme;
}

static const struct rp_plot_point *series_points(const struct timeline *timeline,
                                                 enum series series)
{
    static struct rp_plot_point points[TIME_STEPS + 2];
    for (size_t index = 0; index < timeline->count; index++) {
        points[index] = (struct rp_plot_point){
            .x = timeline->steps[index].begin_s / timeline->unit_s,
            .y = series_value(&timeline->steps[index], series),
        };
    }
    points[timeline->count] =
        (struct rp_plot_point){.x = timeline->end_s / timeline->unit_s, .y = -1};
    return points;
}

static void put_series(struct rp_plot *plot,
                       const struct timeline *timeline,
                       enum series series,
                       const char *class_name,
                       const char *name)
{
    rp_plot_curve(plot, class_name, series_points(timeline, series), timeline->count + 1,
                  RP_PLOT_STEPPED);
    rp_plot_legend(plot, class_name, name);
}

/* Down to the axis: so a single interval with a few errors is seen too. */
static void put_filled(struct rp_plot *plot,
                       const struct timeline *timeline,
                       enum series series,
                       const char *name)
{
    rp_plot_area(plot, name, series_points(timeline, series), timeline->count + 1);
    put_series(plot, timeline, series, name, name);
}

static void put_time_tips(struct rp_plot *plot, const struct timeline *timeline)
{
    for (size_t index = 0; index < timeline->count; index++) {
        const struct step *step = &timeline->steps[index];
        double end_s = index + 1 < timeline->count ? step[1].begin_s : timeline->end_s;
        char text[2 * TIP_LEN];
        char rate[RP_LOAD_FIGURES_TEXT_LEN + 1];
        char mean[RP_PLOT_TEXT_LEN + 1];
        char most[RP_PLOT_TEXT_LEN + 1];
        rp_load_figures_number(series_value(step, SERIES_ACCEPTED), rate);
        write_time(fmax(series_value(step, SERIES_MEAN), 0), mean);
        write_time(fmax(series_value(step, SERIES_MAX), 0), most);
        (void)snprintf(text, sizeof(text),
                       "%.6g to %.6g s: %s messages/s; latency mean %s, max %s; %llu refused, "
                       "%llu errors",
                       step->begin_s, end_s, rate, mean, most,
                       (unsigned long long)step->sum.refused, (unsigned long long)step->sum.errors);
        rp_plot_tip(plot, step->begin_s / timeline->unit_s, end_s / timeline->unit_s, text);
    }
}

static struct timeline timeline; /* one thread; too large for the stack */

void rp_load_charts_throughput(const struct rp_load_report *report, struct rp_output *output)
{
    if (!open_timeline(&timeline, report)) {
        put_static(output, nothing);
        return;
    }
    struct rp_plot plot = {
        .output = output,
        .id = "throughput",
        .description = "Messages a second over time",
        .x = time_axis(&timeline),
        .y = {.scale = RP_PLOT_LINEAR, .label = "messages/s", .write_tick = write_number},
    };
    double refused = series_extreme(&timeline, SERIES_REFUSED, false);
    double errors = series_extreme(&timeline, SERIES_ERRORS, false);
    double most = fmax(series_extreme(&timeline, SERIES_ACCEPTED, false), report->rate);
    rp_plot_fit(&plot.y, 0, fmax(most, fmax(refused, errors)));
    rp_plot_open(&plot);
    put_filled(&plot, &timeline, SERIES_ACCEPTED, "accepted");
    if (refused > 0) {
        put_filled(&plot, &timeline, SERIES_REFUSED, "refused");
    }
    if (errors > 0) {
        put_filled(&plot, &timeline, SERIES_ERRORS, "errors");
    }
    if (report->rate > 0) {
        rp_plot_level(&plot, "asked", report->rate);
        rp_plot_legend(&plot, "asked", "asked for");
    }
    put_time_tips(&plot, &timeline);
    rp_plot_close(&plot);
}

/* The stalls, or what comes nearest to them: a band while the message waited, and how long. */
static void put_peaks(struct rp_plot *plot, const struct rp_load_peak *peaks, uint32_t count)
{
    for (uint32_t index = 0; index < count; index++) {
        char text[TIP_LEN];
        char time[RP_LOAD_FIGURES_TEXT_LEN + 1];
        double to = (double)peaks[index].to_ns / NS_PER_SECOND / timeline.unit_s;
        double from = (double)peaks[index].from_ns / NS_PER_SECOND / timeline.unit_s;
        rp_load_figures_time_page((double)peaks[index].latency_ns, time);
        (void)snprintf(text, sizeof(text), "%s until %.3f s", time,
                       (double)peaks[index].to_ns / NS_PER_SECOND);
        rp_plot_bar(plot, "peak", from, to, plot->y.high);
        rp_plot_mark(plot, to, index, text);
    }
}

void rp_load_charts_latency(const struct rp_load_report *report, struct rp_output *output)
{
    bool has_time = open_timeline(&timeline, report);
    double low = fmax(series_extreme(&timeline, SERIES_MEAN, true), 1);
    double high = series_extreme(&timeline, SERIES_MAX, false);
    if (!has_time || high < 0) {
        put_static(output, nothing);
        return;
    }
    struct rp_plot plot = {
        .output = output,
        .id = "latency",
        .description = "Mean and largest latency of messages over time",
        .x = time_axis(&timeline),
        .y = {.label = "latency", .write_tick = write_time},
    };
    struct rp_load_peak peaks[RP_LOAD_PEAKS_MAX];
    plot.mark_rows = rp_load_peaks_find(report->stats, peaks);
    plot.y.scale = high / low >= LOG_FROM ? RP_PLOT_LOG : RP_PLOT_LINEAR;
    rp_plot_fit(&plot.y, low, high);
    rp_plot_open(&plot);
    put_peaks(&plot, peaks, plot.mark_rows);
    put_series(&plot, &timeline, SERIES_MAX, "largest", "largest");
    put_series(&plot, &timeline, SERIES_MEAN, "message", "mean");
    put_time_tips(&plot, &timeline);
    rp_plot_close(&plot);
}
