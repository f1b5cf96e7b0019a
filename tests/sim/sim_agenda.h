/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_agenda.h - virtual time, and what will happen when.
 *
 * Time moves only in sim_agenda_step and sim_agenda_set_now. Things that are due at
 * the same moment happen in the order in which they were put down.
 */
#ifndef SIM_AGENDA_H
#define SIM_AGENDA_H

#include <stdbool.h>
#include <stdint.h>

#define SIM_US 1000ULL
#define SIM_MS (1000 * SIM_US)
#define SIM_S  (1000 * SIM_MS)

/* `subject` must live until it is called or the agenda is cleared. */
typedef void (*sim_agenda_fn)(void *subject, uint64_t detail);

/* Time goes on over clears: it is the machine's uptime. */
uint64_t sim_agenda_now(void);
void sim_agenda_set_now(uint64_t now_ns);

void sim_agenda_after(uint64_t delay_ns, sim_agenda_fn call, void *subject, uint64_t detail);

/* Forget all that is put down. */
void sim_agenda_clear(void);

/* Release the memory, too. */
void sim_agenda_close(void);

/* When the next thing is due; UINT64_MAX: there is none. */
uint64_t sim_agenda_next_ns(void);

/* Go to the next thing, and do it; there must be one. */
void sim_agenda_step(void);

#endif
