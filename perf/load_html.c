/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_html.c - the result of a run as one page.
 *
 * Nothing is loaded and nothing runs in it: no script, no font, no picture from elsewhere. So it
 * opens from a mail's attachment and from a build's artefacts, and stays readable for as long as
 * there are browsers. The plots are SVG that is made here (plot.h) for the same reason. What
 * strangers wrote goes through rp_markup_text, and a policy in the head forbids the rest.
 */
#include "load_charts.h"
#include "load_figures.h"
#include "load_file.h"
#include "load_report.h"
#include "load_verdict.h"
#include "markup.h"
#include "tools/text.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define CODES_MAX 60u /* rows; the rest is counted in one line */

static struct rp_target target; /* one thread; 64 KiB */

/* clang-format off */
static const char style[] =
    ":root{color-scheme:light dark;--back:#fbfaf8;--card:#fff;--ink:#1d2330;--soft:#5c6675;"
    "--line:#e2e1dc;--blue:#2458c5;--fill:#2458c526;--orange:#c4620c;--red:#c22f3d;"
    "--green:#1f8a4c;--violet:#8250c4;--teal:#0e8a92;--pink:#c2408c}\n"
    "@media(prefers-color-scheme:dark){:root{--back:#14171d;--card:#1c2028;--ink:#e7e9ee;"
    "--soft:#9aa4b3;--line:#303642;--blue:#6d9bff;--fill:#6d9bff2b;--orange:#f0a04b;"
    "--red:#ff6b74;--green:#53c586;--violet:#b692f6;--teal:#4cc3c9;--pink:#ee7fbd}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0;background:var(--back);color:var(--ink);font:15px/1.5 system-ui,sans-serif}\n"
    "main{max-width:1040px;margin:0 auto;padding:28px 20px 60px}\n"
    "h1{font-size:24px;margin:0;overflow-wrap:anywhere}h2{font-size:17px;margin:0 0 2px}\n"
    "p{margin:2px 0 12px;color:var(--soft)}p.alert{color:var(--red);font-weight:600}"
    "p.fine{color:var(--green);font-weight:600}td.alert{color:var(--red)}\n"
    "section{background:var(--card);border:1px solid var(--line);border-radius:10px;"
    "padding:18px 20px;margin-top:18px;overflow-x:auto}\n"
    ".cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(165px,1fr));gap:10px;"
    "margin-top:18px}\n"
    ".card{background:var(--card);border:1px solid var(--line);border-radius:10px;"
    "padding:10px 14px}\n"
    ".card b{display:block;font-size:22px;line-height:1.3;font-weight:650;"
    "font-variant-numeric:tabular-nums;white-space:nowrap}.card span{color:var(--soft);"
    "font-size:13px}.good b{color:var(--green)}.bad b{color:var(--red)}\n"
    "table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}\n"
    "th{color:var(--soft);font-weight:500;font-size:13px}\n"
    "th,td{text-align:right;padding:4px 10px;border-bottom:1px solid var(--line);"
    "white-space:nowrap}\n"
    "th:first-child,td:first-child,.left{text-align:left}\n"
    "td.text{text-align:left;white-space:normal;overflow-wrap:anywhere}\n"
    ".text,code,li{font-family:ui-monospace,monospace;font-size:13px}\n"
    "tr:last-child td{border-bottom:0}code,li{overflow-wrap:anywhere}\n"
    "svg.plot{display:block;width:100%;height:auto;min-width:640px}\n"
    "svg text{font:12px system-ui,sans-serif;fill:var(--soft);paint-order:stroke;"
    "stroke:var(--card);stroke-width:4px}svg .label{fill:var(--ink)}\n"
    ".middle{text-anchor:middle}.end{text-anchor:end}\n"
    ".grid{stroke:var(--line)}.frame{fill:none;stroke:var(--line)}\n"
    ".curve{fill:none;stroke:var(--soft);stroke-width:1.5;stroke-linejoin:round}\n"
    ".curve.message{stroke:var(--blue);stroke-width:2.5}.bar.message{fill:var(--blue)}.bar.peak{fill:var(--fill)}\n"
    ".curve.c1{stroke:var(--teal)}.curve.c2{stroke:var(--green)}.curve.c3{stroke:var(--violet)}\n"
    ".curve.c4{stroke:var(--orange)}.curve.accepted{stroke:var(--blue);stroke-width:2}\n"
    ".area.accepted{fill:var(--fill)}.curve.refused{stroke:var(--orange)}.area.refused{fill:var(--orange)}\n"
    ".curve.errors{stroke:var(--red)}.area.errors{fill:var(--red)}.curve.largest{stroke:var(--pink)}\n"
    ".curve.asked{stroke-dasharray:5 4}.mark{stroke:var(--orange);stroke-dasharray:3 3}\n"
    ".tip{fill:transparent}.tip:hover{fill:var(--fill)}\n"
    "svg.share{display:block;width:100%;min-width:120px;height:12px;border-radius:3px;"
    "background:var(--back)}\n"
    ".k2{fill:var(--green)}.k4{fill:var(--orange)}.k5{fill:var(--red)}.k0{fill:var(--soft)}\n"
    "@media print{body{background:#fff}section,.card{break-inside:avoid}}\n";
/* clang-format on */

static void put_static(struct rp_output *output, const char *text)
{
    rp_output_put(output, text, strlen(text));
}

static const char *time_text(double ns)
{
    static char text[RP_LOAD_FIGURES_TEXT_LEN + 1];
    rp_load_figures_time_page(ns, text);
    return text;
}

static void put_head(struct rp_output *output, const struct rp_load_report *report)
{
    put_static(output, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                       "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                       "style-src 'unsafe-inline'\">\n"
                       "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                       "<title>ringpost-load: ");
    rp_markup_text(output, report->target);
    put_static(output, "</title>\n<style>\n");
    put_static(output, style);
    put_static(output, "</style>\n</head>\n<body>\n<main>\n");
}

static void put_intro(struct rp_output *output,
                      const struct rp_load_report *report,
                      const struct rp_load_figures *figures)
{
    char when[RP_TEXT_TIME_LEN + 1];
    char duration[RP_LOAD_FIGURES_TEXT_LEN + 1];
    rp_text_time(report->started_wall_ns, when);
    rp_load_figures_duration(figures->seconds, duration);
    put_static(output, "<h1>");
    rp_markup_text(output, report->target);
    rp_output_text(output, "</h1>\n<p>%s, ", report->is_lmtp ? "LMTP" : "SMTP");
    rp_markup_text(output, report->mode);
    rp_output_text(output, ", %s connection%s, size ",
                   rp_load_figures_count_text(report->connections),
                   report->connections == 1 ? "" : "s");
    rp_markup_text(output, report->size);
    rp_output_text(output, ". Begun %.10s %.8s UTC, measured for %s. ringpost-load %s</p>\n", when,
                   when + 11, duration, RP_VERSION);
    if (report->is_interrupted) {
        put_static(output, "<p class=\"alert\">The run was interrupted.</p>\n");
    }
    if (figures->is_client_busy) {
        rp_output_text(output,
                       "<p class=\"alert\">The generator was busy for %.0f %% of its cores: it "
                       "measured itself, not the server.</p>\n",
                       figures->client_share * 100);
    }
}

static void put_verdict(struct rp_output *output, const struct rp_load_report *report)
{
    static struct rp_load_verdict verdict; /* one thread; too large for the stack */
    rp_load_verdict_init(&verdict, report);
    if (verdict.count == 0) {
        put_static(output, "<p class=\"fine\">Passed.</p>\n");
    }
    for (uint32_t index = 0; index < verdict.count; index++) {
        put_static(output, "<p class=\"alert\">Failed: ");
        rp_markup_text(output, verdict.reasons[index]);
        put_static(output, "</p>\n");
    }
}

static void put_thresholds(struct rp_output *output, const struct rp_load_report *report)
{
    if (report->threshold_count == 0) {
        return;
    }
    put_static(output, "<section id=\"thresholds\">\n<h2>Thresholds</h2>\n<table>\n"
                       "<tr><th>threshold</th><th class=\"left\">kept?</th></tr>\n");
    for (uint32_t index = 0; index < report->threshold_count; index++) {
        char text[256];
        bool is_met =
            rp_load_threshold_is_met(&report->thresholds[index], report, text, sizeof(text));
        put_static(output, "<tr><td>");
        rp_markup_text(output, report->thresholds[index].text);
        put_static(output,
                   is_met ? "</td><td class=\"left\">kept" : "</td><td class=\"left alert\">");
        rp_markup_text(output, is_met ? "" : text);
        put_static(output, "</td></tr>\n");
    }
    put_static(output, "</table>\n</section>\n");
}

static void put_card(struct rp_output *output,
                     const char *kind,
                     const char *figure,
                     const char *name)
{
    rp_output_text(output, "<div class=\"card%s\"><b>%s</b><span>%s</span></div>\n", kind, figure,
                   name);
}

static void put_cards(struct rp_output *output,
                      const struct rp_load_report *report,
                      const struct rp_load_figures *figures)
{
    const struct rp_load_stats *stats = report->stats;
    const struct rp_histogram *latency = &stats->latency[RP_LOAD_PHASE_MESSAGE];
    put_static(output, "<div class=\"cards\">\n");
    put_card(output, "", rp_load_figures_count_text(stats->accepted), "accepted");
    put_card(output, "", rp_load_figures_number_text(figures->messages_per_s), "messages/s");
    put_card(output, "", rp_load_figures_number_text(figures->octets_per_s / 1e6), "MB/s");
    if (latency->count > 0) {
        put_card(output, "", time_text((double)rp_histogram_quantile(latency, 0.5)), "latency p50");
        put_card(output, "", time_text((double)rp_histogram_quantile(latency, 0.99)),
                 "latency p99");
        put_card(output, "", time_text((double)latency->max), "largest latency");
    }
    put_card(output, stats->refused > 0 ? " bad" : "", rp_load_figures_count_text(stats->refused),
             "refused");
    if (stats->connections_refused > 0) {
        put_card(output, " bad", rp_load_figures_count_text(stats->connections_refused),
                 "connections refused");
    }
    put_card(output, figures->errors > 0 ? " bad" : "", rp_load_figures_count_text(figures->errors),
             "errors");
    if (figures->has_server_cpu) {
        char text[2 * RP_LOAD_FIGURES_TEXT_LEN];
        (void)snprintf(text, sizeof(text), "%s µs",
                       rp_load_figures_number_text(figures->server_us_per_message));
        put_card(output, "", text, "server CPU/message");
    }
    if (report->verify != NULL) {
        bool is_fine = rp_load_verify_is_fine(report->verify);
        put_card(output, is_fine ? " good" : " bad", is_fine ? "fine" : "failed", "verification");
    }
    put_static(output, "</div>\n");
}

static void put_phase_row(struct rp_output *output,
                          unsigned phase,
                          const struct rp_load_stats *stats)
{
    const struct rp_histogram *latency = &stats->latency[phase];
    rp_output_text(output, "<tr><td>%s</td><td>%s</td>",
                   rp_load_phase_name((enum rp_load_phase)phase),
                   rp_load_figures_count_text(latency->count));
    rp_output_text(output, "<td>%s</td>", time_text(rp_histogram_mean(latency)));
    for (size_t index = 0; index < RP_LOAD_FIGURES_QUANTILES; index++) {
        double share = rp_load_figures_quantiles[index].share;
        rp_output_text(output, "<td>%s</td>",
                       time_text((double)rp_histogram_quantile(latency, share)));
    }
    rp_output_text(output, "<td>%s</td></tr>\n", time_text((double)latency->max));
}

static void put_phases(struct rp_output *output, const struct rp_load_stats *stats)
{
    put_static(output, "<section id=\"phases\">\n<h2>Latency of each phase</h2>\n"
                       "<p>From a command's last octet to its reply; a whole message below.</p>\n"
                       "<table>\n<tr><th>phase</th><th>count</th><th>mean</th>");
    for (size_t index = 0; index < RP_LOAD_FIGURES_QUANTILES; index++) {
        rp_output_text(output, "<th>%s</th>", rp_load_figures_quantiles[index].name);
    }
    put_static(output, "<th>largest</th></tr>\n");
    for (unsigned phase = 0; phase < RP_LOAD_PHASE_COUNT; phase++) {
        if (stats->latency[phase].count > 0 || phase == RP_LOAD_PHASE_MESSAGE) {
            put_phase_row(output, phase, stats);
        }
    }
    put_static(output, "</table>\n</section>\n");
}

static void put_plots(struct rp_output *output, const struct rp_load_report *report)
{
    put_static(output, "<section>\n<h2>Latency by percentile</h2>\n");
    put_static(output, report->rate > 0
                           ? "<p>Counted from the time a message was to begin: no stall of the "
                             "server is hidden.</p>\n"
                           : "<p>A closed loop: while the server is slow it is asked less, which "
                             "hides stalls. With a rate asked for none is hidden.</p>\n");
    rp_load_charts_percentiles(report, output);
    put_static(output, "</section>\n<section>\n<h2>Distribution of the latency</h2>\n");
    rp_load_charts_histogram(report, output);
    put_static(output, "</section>\n<section>\n<h2>Throughput over time</h2>\n");
    rp_load_charts_throughput(report, output);
    put_static(output, "</section>\n<section>\n<h2>Latency over time</h2>\n"
                       "<p>Marked: when the messages waited that took longest; each stall once, "
                       "with its backlog.</p>\n");
    rp_load_charts_latency(report, output);
    put_static(output, "</section>\n");
}

static uint64_t most_frequent(const struct rp_load_stats *stats)
{
    uint64_t most = 1;
    for (unsigned phase = 0; phase < RP_LOAD_PHASE_COUNT; phase++) {
        for (unsigned code = 0; code < RP_LOAD_CODES_MAX; code++) {
            uint64_t count = stats->codes[phase][code];
            most = count > most ? count : most;
        }
    }
    return most;
}

static void put_code_row(struct rp_output *output,
                         const struct rp_load_stats *stats,
                         unsigned phase,
                         unsigned code,
                         uint64_t most)
{
    uint64_t count = stats->codes[phase][code];
    const char *name = rp_load_phase_name((enum rp_load_phase)phase);
    const char *text = rp_load_figures_sample(stats, (enum rp_load_phase)phase, code);
    unsigned kind = code / 100 == 3 ? 2 : code / 100;
    double width = (double)count / (double)most * 100;
    rp_output_text(output, "<tr><td>%s</td><td>%03u</td><td>%s</td>", name, code,
                   rp_load_figures_count_text(count));
    rp_output_text(output,
                   "<td><svg class=\"share\" viewBox=\"0 0 100 1\" preserveAspectRatio=\"none\" "
                   "role=\"img\"><title>%s %03u: %s</title>",
                   name, code, rp_load_figures_count_text(count));
    /* However few, they are seen. */
    rp_output_text(output, "<rect class=\"k%u\" width=\"%.2f\" height=\"1\"/></svg></td>",
                   kind == 2 || kind == 4 || kind == 5 ? kind : 0, width > 1 ? width : 1);
    put_static(output, "<td class=\"text\">");
    rp_markup_text(output, text != NULL ? text : "");
    put_static(output, "</td></tr>\n");
}

/* Refusals first, and as many rows as a page can take. */
static void put_codes(struct rp_output *output, const struct rp_load_stats *stats)
{
    uint64_t most = most_frequent(stats);
    unsigned rows = 0;
    put_static(output, "<section id=\"codes\">\n<h2>Reply codes</h2>\n<table>\n<tr><th>phase</th>"
                       "<th>code</th><th>count</th><th style=\"width:35%\"></th>"
                       "<th class=\"left\">the first of them said</th></tr>\n");
    for (unsigned pass = 0; pass < 2; pass++) {
        for (unsigned phase = 0; phase < RP_LOAD_PHASE_COUNT; phase++) {
            for (unsigned code = 0; code < RP_LOAD_CODES_MAX; code++) {
                bool is_refusal = code >= 400;
                if (stats->codes[phase][code] == 0 || is_refusal != (pass == 0)) {
                    continue;
                }
                if (rows++ < CODES_MAX) {
                    put_code_row(output, stats, phase, code, most);
                }
            }
        }
    }
    put_static(output, "</table>\n");
    if (rows == 0) {
        put_static(output, "<p class=\"nothing\">No reply came.</p>\n");
    } else if (rows > CODES_MAX) {
        rp_output_text(output, "<p>%u more kinds of replies are in the JSON file only.</p>\n",
                       rows - CODES_MAX);
    }
    put_static(output, "</section>\n");
}

static void put_samples(struct rp_output *output, const struct rp_load_stats *stats)
{
    bool has_any = false;
    for (uint32_t index = 0; index < stats->sample_count; index++) {
        if (!rp_load_figures_is_shown(stats, index)) {
            put_static(output, has_any
                                   ? "<li>"
                                   : "<section id=\"samples\">\n<h2>Also seen</h2>\n<ul>\n<li>");
            rp_markup_text(output, stats->samples[index]);
            put_static(output, "</li>\n");
            has_any = true;
        }
    }
    put_static(output, has_any ? "</ul>\n</section>\n" : "");
}

static void put_verify(struct rp_output *output, const struct rp_load_verify_result *verify)
{
    const struct {
        const char *name;
        uint64_t count;
    } rows[] = {
        {"accepted",                                verify->accepted  },
        {"of these found whole",                    verify->found     },
        {"lost",                                    verify->lost      },
        {"there more than once",                    verify->duplicated},
        {"corrupted",                               verify->corrupted },
        {"damaged places of the spool",             verify->damaged   },
        {"whole, but their reply did not reach us", verify->unaccepted},
        {"of others, not looked at",                verify->foreign   },
    };
    put_static(output, "<section id=\"verify\">\n<h2>Verification of the spool</h2>\n");
    put_static(output, rp_load_verify_is_fine(verify)
                           ? "<p>Every accepted message is there, once, octet by octet.</p>\n"
                           : "<p class=\"alert\">Not every accepted message is there, once and "
                             "whole.</p>\n");
    put_static(output, "<table>\n<tr><th>messages</th><th>number</th></tr>\n");
    for (size_t index = 0; index < sizeof(rows) / sizeof(rows[0]); index++) {
        rp_output_text(output, "<tr><td>%s</td><td>%s</td></tr>\n", rows[index].name,
                       rp_load_figures_count_text(rows[index].count));
    }
    put_static(output, "</table>\n<ul>\n");
    for (uint32_t index = 0; index < verify->example_count; index++) {
        put_static(output, "<li>");
        rp_markup_text(output, verify->examples[index]);
        put_static(output, "</li>\n");
    }
    put_static(output, "</ul>\n</section>\n");
}

static void put_fact(struct rp_output *output, const char *name, const char *text)
{
    rp_output_text(output, "<tr><td>%s</td><td class=\"text\">", name);
    rp_markup_text(output, text);
    put_static(output, "</td></tr>\n");
}

static void put_facts(struct rp_output *output,
                      const struct rp_load_report *report,
                      const struct rp_load_figures *figures)
{
    char text[256];
    put_static(output, "<section id=\"run\">\n<h2>The run</h2>\n<table>\n");
    if (report->command != NULL) {
        put_fact(output, "command", report->command);
    }
    put_fact(output, "target", report->target);
    put_fact(output, "protocol", report->is_lmtp ? "LMTP" : "SMTP");
    put_fact(output, "mode", report->mode);
    put_fact(output, "size", report->size);
    put_fact(output, "connections", rp_load_figures_count_text(report->connections));
    put_fact(output, "workers", rp_load_figures_count_text(report->workers));
    put_fact(output, "recipients a message", rp_load_figures_count_text(report->recipients));
    put_fact(output, "messages a connection",
             report->per_connection > 0 ? rp_load_figures_count_text(report->per_connection)
                                        : "no limit");
    if (report->rate > 0) {
        (void)snprintf(
            text, sizeof(text), "%s messages/s asked for, %s; %s begun 1 ms late or more",
            rp_load_figures_number_text(report->rate), report->is_poisson ? "Poisson" : "constant",
            rp_load_figures_count_text(report->stats->late));
        put_fact(output, "arrivals", text);
        put_fact(output, "due, but never begun",
                 rp_load_figures_count_text(report->stats->never_sent));
    } else {
        put_fact(output, "arrivals", "closed loop");
    }
    (void)snprintf(text, sizeof(text), "%s µs a message; %.0f %% of %u core%s",
                   rp_load_figures_number_text(figures->client_us_per_message),
                   figures->client_share * 100, figures->client_cores,
                   figures->client_cores == 1 ? "" : "s");
    put_fact(output, "CPU of the generator", text);
    for (unsigned error = 0; error < RP_LOAD_ERROR_COUNT; error++) {
        if (report->stats->errors[error] > 0) {
            (void)snprintf(text, sizeof(text), "errors: %s",
                           rp_load_error_name((enum rp_load_error)error));
            put_fact(output, text, rp_load_figures_count_text(report->stats->errors[error]));
        }
    }
    put_static(output, "</table>\n</section>\n");
}

enum rp_failure_exit rp_load_html_write(const struct rp_load_report *report, const char *path)
{
    struct rp_load_figures figures;
    struct rp_output *output = &target.output;
    rp_load_figures_init(&figures, report);
    enum rp_failure_exit outcome = rp_load_file_open(&target, path);
    if (outcome != RP_EXIT_FINE) {
        return outcome;
    }
    put_head(output, report);
    put_intro(output, report, &figures);
    put_verdict(output, report);
    put_cards(output, report, &figures);
    put_thresholds(output, report);
    put_plots(output, report);
    put_phases(output, report->stats);
    put_codes(output, report->stats);
    put_samples(output, report->stats);
    if (report->verify != NULL) {
        put_verify(output, report->verify);
    }
    put_facts(output, report, &figures);
    put_static(output, "</main>\n</body>\n</html>\n");
    return rp_target_commit(&target);
}
