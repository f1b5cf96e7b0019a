/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * log.h - one line an event, to stderr or a file, as text or JSON. Any thread.
 *
 * Never a secret. What clients send may be in a message: control characters and what is
 * no UTF-8 are escaped, so nobody forges a line. A line has at most 3 KiB, a longer
 * message ends with "..."; it is written by one write(2), so lines do not mix. A line
 * that cannot be written in time is lost, counted, and told of later; errno stays.
 * Of many lines of one kind some are left out, counted, and told of in one line.
 */
#ifndef LOG_H
#define LOG_H

#include "engine/config.h"

/* Set format, level and file; opens the file where it is another than before. Before the first
 * call: text on stderr, info. 0, or -errno with nothing changed. */
int rp_log_open(const struct rp_config *config);

/* Open the file anew (SIGUSR1: after logrotate). 0, or -errno: the old one goes on. */
int rp_log_reopen(void);

/* Errors and warnings of one kind, which is their format, are limited in rate (log_limit.h). */
void rp_log(enum rp_config_log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A descriptor that is readable when rp_log_tell_left_out is due, or -errno. It is log.c's, and the
 * same at every call; one thread calls it, before others log. */
int rp_log_timer_fd(void);

/* Say how many lines were left out: what is due, or all. The next rp_log of an error or a warning
 * does it, too; this is for the time when none comes. */
void rp_log_tell_left_out(bool is_all);

bool rp_log_is_on(enum rp_config_log_level level);

#endif
