/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * timer.h - a wheel of deadlines, one for each of a fixed number of owners.
 *
 *     rp_timer_set(&wheel, owner, deadline_ns);     cheap: moving it later touches no list
 *     until_ns = rp_timer_next_ns(&wheel);
 *     while ((owner = rp_timer_expire(&wheel, now_ns)) != RP_NONE) { ... }
 *
 * Deadlines are late by less than RP_TIMER_TICK_NS, never early. No clock is read.
 */
#ifndef TIMER_H
#define TIMER_H

#include "limits.h"
#include "pool.h"

#include <stdbool.h>

#define RP_TIMER_NEVER UINT64_MAX

struct rp_timer_link {
    uint64_t deadline_ns; /* RP_TIMER_NEVER: none */
    uint32_t next;        /* in its slot, RP_NONE: the last */
    uint32_t prev;        /* RP_NONE: the first */
    uint32_t slot;        /* RP_NONE: in none */
};

struct rp_timer_wheel {
    struct rp_timer_link *links; /* by owner */
    uint32_t owner_count;
    uint64_t tick; /* the next one to look at */
    uint64_t used[RP_TIMER_SLOTS / 64];
    uint32_t slots[RP_TIMER_SLOTS]; /* the first of each */
};

/* 0 or -ENOMEM. */
int rp_timer_open(struct rp_timer_wheel *wheel, uint32_t owner_count, uint64_t now_ns);
void rp_timer_close(struct rp_timer_wheel *wheel);

/* RP_TIMER_NEVER: no deadline any more. */
void rp_timer_set(struct rp_timer_wheel *wheel, uint32_t owner, uint64_t deadline_ns);

/* When to call rp_timer_expire next; RP_TIMER_NEVER where no deadline is set. It may be
 * earlier than any deadline. */
uint64_t rp_timer_next_ns(const struct rp_timer_wheel *wheel);

/* The next owner whose deadline has passed (it has none then), or RP_NONE. */
uint32_t rp_timer_expire(struct rp_timer_wheel *wheel, uint64_t now_ns);

#endif
