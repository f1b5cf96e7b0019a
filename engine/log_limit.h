/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * log_limit.h - which errors and warnings are left out of the log, and what is said of them.
 *
 *     kind = rp_log_limit_take(&limit, level, format, now_ns);    NULL: leave this line out
 *     while (rp_log_limit_next(&limit, now_ns, &summary)) { ... }
 *
 * A kind of line is a format string, by its address. In each RP_LOG_LIMIT_SPAN_NS, which begins
 * with a line, RP_LOG_LIMIT_LINES of a kind are written; the others are counted, and told of in one
 * line when the span is over. No clock, no lock: log.c has them.
 */
#ifndef LOG_LIMIT_H
#define LOG_LIMIT_H

#include "engine/config.h"

/* A reload may tell of as many keys at once; and a storm is still less than two lines a second. */
#define RP_LOG_LIMIT_LINES   10u
#define RP_LOG_LIMIT_SPAN_NS (10ull * 1000000000ull)

/* More than there are calls of rp_log; were there more, the others would share the last. */
#define RP_LOG_LIMIT_KINDS   64u

/* So much of a kind's last line is said again. */
#define RP_LOG_LIMIT_TEXT    256u

struct rp_log_limit_kind {
    const char *format;
    enum rp_config_log_level level;
    uint64_t start_ns;            /* of its span */
    uint64_t written;             /* lines since then */
    uint64_t left_out;            /* likewise; those of an older span until they are told */
    uint64_t last_ns;             /* when the last of these came */
    char text[RP_LOG_LIMIT_TEXT]; /* of the last that was written; the caller's to fill */
};

/* Zeroed: no line has come yet. */
struct rp_log_limit {
    struct rp_log_limit_kind kinds[RP_LOG_LIMIT_KINDS];
    uint32_t count;
};

struct rp_log_limit_summary {
    enum rp_config_log_level level;
    uint64_t left_out;
    uint64_t time_ns; /* from the span's begin to the last that was left out */
    char text[RP_LOG_LIMIT_TEXT];
};

/* A line of this kind has come: its kind, where it is to be written, or NULL. */
struct rp_log_limit_kind *rp_log_limit_take(struct rp_log_limit *limit,
                                            enum rp_config_log_level level,
                                            const char *format,
                                            uint64_t now_ns);

/* What was left out in a span that is over by now (UINT64_MAX: in any), each once. */
bool rp_log_limit_next(struct rp_log_limit *limit,
                       uint64_t now_ns,
                       struct rp_log_limit_summary *summary_out);

/* When there will be more for rp_log_limit_next; UINT64_MAX: nothing was left out. */
uint64_t rp_log_limit_due_ns(const struct rp_log_limit *limit);

#endif
