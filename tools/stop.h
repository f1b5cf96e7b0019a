/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * stop.h - SIGINT and SIGTERM as a question that loops ask.
 */
#ifndef TOOLS_STOP_H
#define TOOLS_STOP_H

#include <stdbool.h>

/* From here on the two signals no longer end the program; system calls give EINTR. */
void rp_stop_install(void);

/* One of them came since. */
bool rp_stop_is_asked(void);

/* How many came: a second one means at once. */
unsigned rp_stop_count(void);

#endif
