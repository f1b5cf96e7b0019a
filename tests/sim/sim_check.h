/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_check.h - compare a spool with what the clients know.
 */
#ifndef SIM_CHECK_H
#define SIM_CHECK_H

#include <stdbool.h>
#include <stdint.h>

/* What may be wrong with a spool without being a fault of the engine's. */
struct sim_check_rules {
    bool is_raw;            /* no recovery has run since: a reader sees what it will find */
    bool may_be_unfinished; /* some life did not end in good order */
};

/*
 * No engine is running: every message that got its 250 is there, once, under its id, and exact;
 * every other one that is there was sent whole and never refused; and nothing is damaged, missing
 * or unreadable but what a disk was made to damage. What was found must be found again, what
 * recovery did not find, never.
 */
void sim_check_at_rest(const char *path, const struct sim_check_rules *rules);

/* What was touched and is not there has been reported: no later check asks for it again. */
void sim_check_give_up(void);

/*
 * While the engine runs. open: at the start of a life; look: now and then; close: at its end.
 * A reader that goes on from look to look sees each message once, none too early, and
 * all that got their 250 by then.
 */
void sim_check_follow_open(const char *path);
void sim_check_follow_look(void);
void sim_check_follow_close(void);

/*
 * A consumer that comes now and then, through all lives: it opens the spool, goes on from the
 * cursor that it has stored, reads up to `count` entries and goes. It sees no message twice.
 * `is_last`: the run is over, it has read all there is and missed none.
 */
void sim_check_consumer_forget(void);
void sim_check_consumer_come(const char *path, uint64_t count, bool is_last);

/* A reader that begins at the start sees the same. */
void sim_check_running(const char *path);

#endif
