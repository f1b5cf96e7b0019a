/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_progress.c - one line that tells how the run goes.
 *
 * On a terminal the line is rewritten in place, never wider than it; elsewhere (the log of a
 * build) a plain line comes every 5 s, after the first minute every 30 s.
 */
#include "load_figures.h"
#include "load_report.h"
#include "tools/output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define NS_PER_SECOND  UINT64_C(1000000000)
#define DRAW_NS        (NS_PER_SECOND / 20)
#define LOG_NS         (5 * NS_PER_SECOND)
#define LOG_LATER_NS   (30 * NS_PER_SECOND)
#define COLUMNS_UNTOLD 80u
#define BAR_MIN        10u
#define BAR_MAX        32u

static struct rp_output output; /* one thread; 64 KiB */

static bool has_utf8_locale(void)
{
    /* The first that is set and not empty decides (POSIX.1, "Environment Variables"). */
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t index = 0; index < sizeof(names) / sizeof(names[0]); index++) {
        const char *value = getenv(names[index]);
        if (value != NULL && value[0] != '\0') {
            return strcasestr(value, "utf-8") != NULL || strcasestr(value, "utf8") != NULL;
        }
    }
    return false;
}

void rp_load_progress_init(struct rp_load_progress *progress, uint64_t total, uint64_t duration_ns)
{
    memset(progress, 0, sizeof(*progress));
    const char *term = getenv("TERM");
    bool is_dumb = term == NULL || strcmp(term, "dumb") == 0;
    progress->is_terminal = isatty(STDERR_FILENO) == 1 && !is_dumb;
    progress->is_utf8 = has_utf8_locale();
    progress->total = total;
    progress->duration_ns = duration_ns;
}

static uint64_t since(uint64_t now_ns, uint64_t then_ns)
{
    return now_ns > then_ns ? now_ns - then_ns : 0;
}

/* Rate and p99 since the last measurement, once that is `period_ns` ago. */
static bool measure(struct rp_load_progress *progress,
                    const struct rp_load_stats *sum,
                    uint64_t now_ns,
                    uint64_t period_ns)
{
    if (progress->measured_ns < sum->begin_ns || sum->accepted < progress->measured_accepted) {
        /* The first time, or the timed part began after a warm-up. */
        progress->measured_ns = sum->begin_ns;
        progress->measured_accepted = 0;
        rp_histogram_clear(&progress->measured_latency);
    }
    uint64_t passed_ns = since(now_ns, progress->measured_ns);
    if (passed_ns == 0 || passed_ns < period_ns) {
        return false;
    }
    const struct rp_histogram *latency = &sum->latency[RP_LOAD_PHASE_MESSAGE];
    uint64_t accepted = sum->accepted - progress->measured_accepted;
    progress->rate = (double)accepted * (double)NS_PER_SECOND / (double)passed_ns;
    progress->p99_ns = rp_histogram_quantile_since(latency, &progress->measured_latency, 0.99);
    progress->measured_ns = now_ns;
    progress->measured_accepted = sum->accepted;
    progress->measured_latency = *latency;
    return true;
}

/* Before the first measurement the rate so far. */
static double rate_now(const struct rp_load_progress *progress,
                       const struct rp_load_stats *sum,
                       uint64_t now_ns)
{
    uint64_t passed_ns = since(now_ns, sum->begin_ns);
    if (progress->measured_ns > sum->begin_ns || passed_ns == 0) {
        return progress->rate;
    }
    return (double)sum->accepted * (double)NS_PER_SECOND / (double)passed_ns;
}

/* FNV-1a. */
static uint64_t hash_text(const char *text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *text != '\0'; text++) {
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    }
    return hash;
}

static bool is_told(struct rp_load_progress *progress, const char *sample)
{
    uint64_t hash = hash_text(sample);
    for (uint32_t index = 0; index < progress->told_count; index++) {
        if (progress->told[index] == hash) {
            return true;
        }
    }
    if (progress->told_count == RP_LOAD_SAMPLES_MAX) {
        return true; /* enough: the summary has the counts */
    }
    progress->told[progress->told_count++] = hash;
    return false;
}

static void wipe(struct rp_load_progress *progress)
{
    if (progress->is_shown) {
        rp_output_text(&output, "\r\x1b[K");
        progress->is_shown = false;
    }
}

static void tell_samples(struct rp_load_progress *progress, const struct rp_load_stats *sum)
{
    for (uint32_t index = 0; index < sum->sample_count; index++) {
        const char *sample = sum->samples[index];
        if (!is_told(progress, sample)) {
            wipe(progress);
            rp_output_text(&output, "ringpost-load: ");
            rp_output_escaped(&output, (const uint8_t *)sample, strlen(sample));
            rp_output_text(&output, "\n");
        }
    }
}

/* Share of the run that is over, 0 to 1; below 0: it ends when it is told to. */
static double share_done(const struct rp_load_progress *progress,
                         const struct rp_load_stats *sum,
                         uint64_t now_ns)
{
    double share = -1;
    if (progress->total > 0) {
        uint64_t ended = sum->accepted + sum->refused + rp_load_stats_errors(sum);
        share = (double)ended / (double)progress->total;
    } else if (progress->duration_ns > 0) {
        share = (double)since(now_ns, sum->begin_ns) / (double)progress->duration_ns;
    }
    return share < 1 ? share : 1;
}

/* Seconds to go; below 0: nobody knows. */
static double seconds_left(const struct rp_load_progress *progress,
                           const struct rp_load_stats *sum,
                           double share,
                           uint64_t now_ns)
{
    double passed = (double)since(now_ns, sum->begin_ns) / (double)NS_PER_SECOND;
    if (progress->total == 0 && progress->duration_ns > 0) {
        return (double)progress->duration_ns / (double)NS_PER_SECOND * (1 - share);
    }
    return share > 0 ? passed * (1 - share) / share : -1;
}

/* What the line may say, in the order it stands there. */
enum piece {
    PIECE_SHARE,
    PIECE_ACCEPTED,
    PIECE_RATE,
    PIECE_P99,
    PIECE_REFUSED,
    PIECE_ERRORS,
    PIECE_LEFT,
    PIECE_COUNT,
};
#define PIECE_LEN 63u

struct line {
    char pieces[PIECE_COUNT][PIECE_LEN + 1]; /* empty: left out */
    double share;
};

static void write_counts(struct line *line, const struct rp_load_stats *sum)
{
    char number[RP_LOAD_FIGURES_TEXT_LEN + 1];
    uint64_t errors = rp_load_stats_errors(sum);
    rp_load_figures_count(sum->accepted, number);
    (void)snprintf(line->pieces[PIECE_ACCEPTED], PIECE_LEN, "%s accepted", number);
    rp_load_figures_count(sum->refused, number);
    (void)snprintf(line->pieces[PIECE_REFUSED], PIECE_LEN, "%s refused", number);
    rp_load_figures_count(errors, number);
    (void)snprintf(line->pieces[PIECE_ERRORS], PIECE_LEN, "%s error%s", number,
                   errors == 1 ? "" : "s");
}

static void write_pieces(struct line *line,
                         const struct rp_load_progress *progress,
                         const struct rp_load_stats *sum,
                         uint64_t now_ns)
{
    char number[RP_LOAD_FIGURES_TEXT_LEN + 1];
    memset(line, 0, sizeof(*line));
    line->share = share_done(progress, sum, now_ns);
    write_counts(line, sum);
    rp_load_figures_duration((double)since(now_ns, sum->begin_ns) / (double)NS_PER_SECOND, number);
    if (line->share < 0 || !progress->is_terminal) {
        (void)snprintf(line->pieces[PIECE_SHARE], PIECE_LEN, "%s", number);
    } else {
        (void)snprintf(line->pieces[PIECE_SHARE], PIECE_LEN, "%3.0f %%", line->share * 100);
    }
    rp_load_figures_number(rate_now(progress, sum, now_ns), number);
    (void)snprintf(line->pieces[PIECE_RATE], PIECE_LEN, "%s/s", number);
    if (progress->p99_ns > 0) {
        rp_load_figures_time((double)progress->p99_ns, number);
        (void)snprintf(line->pieces[PIECE_P99], PIECE_LEN, "p99 %s", number);
    }
    double left = seconds_left(progress, sum, line->share, now_ns);
    if (left >= 0) {
        rp_load_figures_duration(left, number);
        (void)snprintf(line->pieces[PIECE_LEFT], PIECE_LEN, "%s left", number);
    }
}

/* Columns of the line without the bar: two blanks between pieces. All of it is ASCII. */
static size_t line_len(const struct line *line)
{
    size_t len = 0;
    for (unsigned piece = 0; piece < PIECE_COUNT; piece++) {
        size_t piece_len = strlen(line->pieces[piece]);
        len += piece_len > 0 ? piece_len + (len > 0 ? 2 : 0) : 0;
    }
    return len;
}

/* What a narrow terminal does without, first to last. */
static const enum piece dispensable[] = {
    PIECE_LEFT, PIECE_REFUSED, PIECE_P99, PIECE_ERRORS, PIECE_ACCEPTED, PIECE_RATE, PIECE_SHARE,
};

static void fit(struct line *line, size_t columns)
{
    for (size_t index = 0; index < sizeof(dispensable) / sizeof(dispensable[0]); index++) {
        if (line_len(line) <= columns) {
            return;
        }
        line->pieces[dispensable[index]][0] = '\0';
    }
}

static void draw_bar(const struct line *line, size_t columns, bool is_utf8)
{
    /* Left eighths of a block: U+258F is one eighth, U+2589 seven, U+2588 all of it. */
    static const char *const eighths[] = {" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"};
    size_t steps = is_utf8 ? 8 : 1;
    size_t filled = (size_t)(line->share * (double)(columns * steps));
    rp_output_text(&output, is_utf8 ? "▕" : "[");
    for (size_t column = 0; column < columns; column++) {
        size_t rest = filled > column * steps ? filled - column * steps : 0;
        rest = rest < steps ? rest : steps;
        const char *ascii = rest > 0 ? "#" : "-";
        rp_output_text(&output, "%s", is_utf8 ? eighths[rest] : ascii);
    }
    rp_output_text(&output, is_utf8 ? "▏ " : "] ");
}

static void put_pieces(const struct line *line)
{
    bool is_first = true;
    for (unsigned piece = 0; piece < PIECE_COUNT; piece++) {
        if (line->pieces[piece][0] != '\0') {
            rp_output_text(&output, "%s%s", is_first ? "" : "  ", line->pieces[piece]);
            is_first = false;
        }
    }
}

static size_t terminal_columns(void)
{
    struct winsize size = {0};
    bool is_told = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    return is_told ? size.ws_col : COLUMNS_UNTOLD;
}

static void show_on_terminal(struct rp_load_progress *progress,
                             const struct rp_load_stats *sum,
                             uint64_t now_ns)
{
    struct line line;
    (void)measure(progress, sum, now_ns, NS_PER_SECOND);
    if (progress->drawn_ns != 0 && since(now_ns, progress->drawn_ns) < DRAW_NS) {
        return;
    }
    /* The last column stays free: a terminal may go to the next line when it is written. */
    size_t columns = terminal_columns() - 1;
    write_pieces(&line, progress, sum, now_ns);
    fit(&line, columns);
    size_t len = line_len(&line);
    size_t frame = 3; /* of the bar, with the blank behind it */
    rp_output_text(&output, "\r");
    if (line.share >= 0 && columns >= len + frame + BAR_MIN) {
        size_t room = columns - len - frame;
        draw_bar(&line, room < BAR_MAX ? room : BAR_MAX, progress->is_utf8);
    }
    put_pieces(&line);
    rp_output_text(&output, "\x1b[K");
    progress->is_shown = true;
    progress->drawn_ns = now_ns;
}

static void show_in_log(struct rp_load_progress *progress,
                        const struct rp_load_stats *sum,
                        uint64_t now_ns)
{
    struct line line;
    bool is_later = since(now_ns, sum->begin_ns) > 60 * NS_PER_SECOND;
    if (measure(progress, sum, now_ns, is_later ? LOG_LATER_NS : LOG_NS)) {
        write_pieces(&line, progress, sum, now_ns);
        put_pieces(&line);
        rp_output_text(&output, "\n");
        progress->drawn_ns = now_ns;
    }
}

void rp_load_progress_show(struct rp_load_progress *progress,
                           const struct rp_load_stats *sum,
                           uint64_t now_ns)
{
    rp_output_init(&output, STDERR_FILENO);
    tell_samples(progress, sum);
    if (progress->is_terminal) {
        show_on_terminal(progress, sum, now_ns);
    } else {
        show_in_log(progress, sum, now_ns);
    }
    (void)rp_output_flush(&output); /* nobody is left to tell: stderr itself fails */
}

void rp_load_progress_clear(struct rp_load_progress *progress)
{
    rp_output_init(&output, STDERR_FILENO);
    wipe(progress);
    (void)rp_output_flush(&output); /* as above */
}
