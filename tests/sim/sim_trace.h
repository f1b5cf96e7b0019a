/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_trace.h - what happened: the last events, and a hash of all of them.
 *
 * Events hold only what the seed decides (no addresses, no numbers of real files, no
 * octets of records, which depend on the spool's random identity), so that two runs of
 * a seed have the same hash.
 */
#ifndef SIM_TRACE_H
#define SIM_TRACE_H

#include <stdbool.h>
#include <stdint.h>

/* Forget everything: a run of that seed begins. */
void sim_trace_open(uint64_t seed, bool is_verbose);

/* Lives are counted from 1. */
void sim_trace_life(uint32_t life);

/* `what` is a literal, for example "send fd len"; a, b, c are its values. */
void sim_trace_add(const char *what, uint64_t a, uint64_t b, uint64_t c);

uint64_t sim_trace_hash(void);
uint64_t sim_trace_count(void);

/* A promise was broken: print seed, life, time, this line and the last events; exit 1. */
_Noreturn void sim_trace_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Whether --verbose was given: for lines that are no events. */
bool sim_trace_is_verbose(void);

#endif
