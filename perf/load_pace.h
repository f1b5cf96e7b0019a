/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_pace.h - when a worker is to send the next message, and which number it has.
 *
 *     rp_load_pace_init(&pace, &options, &numbers, now_ns);
 *     if (rp_load_pace_take(&pace, now_ns, &number, &intended_ns) == RP_LOAD_PACE_DUE) { ... }
 *
 * Closed loop: at once, as long as there are messages. Open loop: at times of its own, whatever
 * the server does. An arrival that nobody has taken waits, and costs no memory: the times follow
 * from a random state, so the oldest one that waits is all that is kept.
 *
 * A pace belongs to one worker; the numbers are shared by all, and taken in blocks. Pure but for
 * that: times are handed in.
 */
#ifndef PERF_LOAD_PACE_H
#define PERF_LOAD_PACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Numbers that a worker takes at once, at most: so that workers seldom meet. */
#define RP_LOAD_PACE_BLOCK_MAX 64u

struct rp_load_numbers {
    _Atomic uint64_t next;  /* no message has it yet */
    _Atomic uint64_t taken; /* of the timed part */
    uint64_t total;         /* messages of the timed part; UINT64_MAX: no limit */
    uint32_t block;         /* 1 to RP_LOAD_PACE_BLOCK_MAX; small where total is */
};

/* `workers`: how many share them. */
void rp_load_numbers_init(struct rp_load_numbers *numbers, uint64_t total, uint32_t workers);

enum rp_load_arrivals {
    RP_LOAD_ARRIVALS_NONE, /* closed loop */
    RP_LOAD_ARRIVALS_CONSTANT,
    RP_LOAD_ARRIVALS_POISSON,
};

struct rp_load_pace_options {
    enum rp_load_arrivals arrivals;
    double rate;       /* of this worker, messages/s; not for a closed loop */
    double phase;      /* 0 to 1: how far into its interval the first constant arrival is */
    uint64_t seed;     /* not 0 */
    uint64_t start_ns; /* arrivals begin then */
    uint64_t begin_ns; /* of the timed part: start_ns, or the end of a warm-up */
    uint64_t stop_ns;  /* nothing is intended for later; UINT64_MAX: no end */
    uint64_t limit;    /* arrivals of the timed part; UINT64_MAX: no limit of its own */
};

struct rp_load_pace {
    struct rp_load_pace_options options;
    struct rp_load_numbers *numbers;
    uint64_t block_next; /* numbers that were taken, and not given out */
    uint64_t block_end;
    uint64_t random;
    uint64_t arrival_count; /* given out, and the one that is next */
    double off_ns;          /* of the next arrival, from start_ns */
    uint64_t timed_count;   /* arrivals of the timed part that were given out */
    bool is_timed;          /* the timed part has begun */
    bool is_stopped;
};

enum rp_load_pace_step {
    RP_LOAD_PACE_DUE,   /* send now */
    RP_LOAD_PACE_LATER, /* see rp_load_pace_next_ns */
    RP_LOAD_PACE_NONE,  /* no more */
};

void rp_load_pace_init(struct rp_load_pace *pace,
                       const struct rp_load_pace_options *options,
                       struct rp_load_numbers *numbers);

/* *intended_ns_out is 0 in a closed loop. */
enum rp_load_pace_step rp_load_pace_take(struct rp_load_pace *pace,
                                         uint64_t now_ns,
                                         uint64_t *number_out,
                                         uint64_t *intended_ns_out);

/* All numbers were taken, and none by this worker that it has not given out. Whether or not it
 * asks: a worker that no connection takes messages from has to notice. */
bool rp_load_pace_is_dry(const struct rp_load_pace *pace);

/* When the next arrival is; UINT64_MAX in a closed loop and behind the end. */
uint64_t rp_load_pace_next_ns(const struct rp_load_pace *pace);

/* Nothing more is intended from `now_ns` on. */
void rp_load_pace_stop(struct rp_load_pace *pace, uint64_t now_ns);

/* Arrivals of an open loop that were due before its end and that nobody took. Takes them. */
uint64_t rp_load_pace_drop(struct rp_load_pace *pace);

#endif
