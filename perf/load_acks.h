/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_acks.h - a set of message numbers: those that got their 250, those that were found.
 *
 *     rp_load_acks_open(&acks);
 *     rp_load_acks_add(acks, number);                 any thread, at the 250
 *     while (rp_load_acks_next(acks, &number)) { ... }
 *     rp_load_acks_close(acks);
 *
 * A bit each in blocks of 64 KiB (524288 numbers), made when the first number of theirs comes:
 * a million numbers in a row take 128 KiB. No lock; nothing is taken out.
 */
#ifndef PERF_LOAD_ACKS_H
#define PERF_LOAD_ACKS_H

#include <stdbool.h>
#include <stdint.h>

#define RP_LOAD_ACKS_NUMBER_MAX ((UINT64_C(1) << 40) - 1)

struct rp_load_acks;
int rp_load_acks_open(struct rp_load_acks **acks_out); /* 0 or -ENOMEM */
void rp_load_acks_close(struct rp_load_acks *acks);    /* NULL is fine */

/* Any thread. 1: it is in now; 0: it was before; -ENOMEM. At most RP_LOAD_ACKS_NUMBER_MAX. */
int rp_load_acks_insert(struct rp_load_acks *acks, uint64_t number);
int rp_load_acks_add(struct rp_load_acks *acks, uint64_t number); /* the same; 0 or -ENOMEM */

/* Any thread; any number may be asked for. */
bool rp_load_acks_has(const struct rp_load_acks *acks, uint64_t number);

/* How many there are, and the first that is not below *number: false: none. What others add
 * meanwhile may be seen or not. */
uint64_t rp_load_acks_count(const struct rp_load_acks *acks);
bool rp_load_acks_next(const struct rp_load_acks *acks, uint64_t *number);

#endif
