/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * log.h - one line an event, to stderr or a file, as text or JSON. Any thread.
 *
 * Never a secret. What clients send may be in a message: control characters and what is
 * no UTF-8 are escaped, so nobody forges a line. A line has at most 3 KiB, a longer
 * message ends with "..."; it is written by one write(2), so lines do not mix. A line
 * that cannot be written in time is lost, counted, and told of later; errno stays.
 */
#ifndef LOG_H
#define LOG_H

#include "engine/config.h"

/* Set format, level and file; opens the file where it is another than before. Before the first
 * call: text on stderr, info. 0, or -errno with nothing changed. */
int rp_log_open(const struct rp_config *config);

/* Open the file anew (SIGUSR1: after logrotate). 0, or -errno: the old one goes on. */
int rp_log_reopen(void);

void rp_log(enum rp_config_log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

bool rp_log_is_on(enum rp_config_log_level level);

#endif
