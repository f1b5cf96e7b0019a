/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_check.h - compare a spool with what the clients know.
 */
#ifndef SIM_CHECK_H
#define SIM_CHECK_H

#include <stdint.h>

/*
 * No engine is running, and the spool was recovered: every message that got its 250 is there,
 * once, under its id, and exact; every other one that is there was sent whole and never
 * refused; and nothing is damaged. What was found must be found again, what was not, never.
 */
void sim_check_recovered(const char *path);

/*
 * While the engine runs. open: at the start of a life; look: now and then; close: at its end.
 * A reader that goes on from look to look sees each message once, none too early, and
 * all that got their 250 by then.
 */
void sim_check_follow_open(const char *path);
void sim_check_follow_look(void);
void sim_check_follow_close(void);

/* A reader that begins at the start sees the same. */
void sim_check_running(const char *path);

#endif
