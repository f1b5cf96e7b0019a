/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_pace.c - when a worker is to send the next message, and which number it has.
 */
#include "load_pace.h"

#include <assert.h>
#include <math.h>

#define NS_PER_S 1e9

void rp_load_numbers_init(struct rp_load_numbers *numbers, uint64_t total, uint32_t workers)
{
    assert(workers > 0);
    /* A worker holds at most a hundredth of its share. */
    uint64_t block = total / workers / 100;
    block = block < 1 ? 1 : block;
    atomic_init(&numbers->next, 0);
    atomic_init(&numbers->taken, 0);
    numbers->total = total;
    numbers->block = block < RP_LOAD_PACE_BLOCK_MAX ? (uint32_t)block : RP_LOAD_PACE_BLOCK_MAX;
}

/* xorshift64* */
static uint64_t draw(struct rp_load_pace *pace)
{
    pace->random ^= pace->random >> 12;
    pace->random ^= pace->random << 25;
    pace->random ^= pace->random >> 27;
    return pace->random * UINT64_C(0x2545f4914f6cdd1d);
}

/* The distance of two arrivals of a Poisson process is exponential. */
static double draw_gap_ns(struct rp_load_pace *pace)
{
    double uniform = ((double)(draw(pace) >> 11) + 0.5) * 0x1p-53; /* above 0, below 1 */
    return -log(uniform) * NS_PER_S / pace->options.rate;
}

static void advance(struct rp_load_pace *pace)
{
    const struct rp_load_pace_options *options = &pace->options;
    if (options->arrivals == RP_LOAD_ARRIVALS_POISSON) {
        pace->off_ns += draw_gap_ns(pace);
    } else if (options->arrivals == RP_LOAD_ARRIVALS_CONSTANT) {
        /* From the count, so that nothing adds up. */
        pace->off_ns = ((double)pace->arrival_count + options->phase) * NS_PER_S / options->rate;
    }
    pace->arrival_count++;
}

void rp_load_pace_init(struct rp_load_pace *pace,
                       const struct rp_load_pace_options *options,
                       struct rp_load_numbers *numbers)
{
    assert(options->arrivals == RP_LOAD_ARRIVALS_NONE || options->rate > 0);
    assert(options->seed != 0 && options->start_ns <= options->begin_ns);
    *pace = (struct rp_load_pace){
        .options = *options,
        .numbers = numbers,
        .random = options->seed,
        .is_timed = options->begin_ns == options->start_ns,
        .is_stopped = options->limit == 0,
    };
    advance(pace);
}

/* The time of the next arrival, whether or not it is before the end. */
static uint64_t arrival_ns(const struct rp_load_pace *pace)
{
    if (pace->off_ns >= 0x1p62) { /* 146 years */
        return UINT64_MAX;
    }
    return pace->options.start_ns + (uint64_t)pace->off_ns;
}

uint64_t rp_load_pace_next_ns(const struct rp_load_pace *pace)
{
    if (pace->options.arrivals == RP_LOAD_ARRIVALS_NONE) {
        return UINT64_MAX;
    }
    uint64_t next_ns = arrival_ns(pace);
    return next_ns < pace->options.stop_ns ? next_ns : UINT64_MAX;
}

bool rp_load_pace_is_dry(const struct rp_load_pace *pace)
{
    const struct rp_load_numbers *numbers = pace->numbers;
    bool holds_any = pace->is_timed && pace->block_next != pace->block_end;
    return numbers->total != UINT64_MAX && !holds_any &&
           atomic_load_explicit(&numbers->taken, memory_order_relaxed) >= numbers->total;
}

static bool refill(struct rp_load_pace *pace)
{
    struct rp_load_numbers *numbers = pace->numbers;
    uint64_t block = numbers->block;
    /* Relaxed: each number goes to one worker, and nothing else is passed on with it. */
    if (pace->is_timed && numbers->total != UINT64_MAX) {
        uint64_t taken = atomic_fetch_add_explicit(&numbers->taken, block, memory_order_relaxed);
        if (taken >= numbers->total) {
            pace->is_stopped = true;
            return false;
        }
        block = numbers->total - taken < block ? numbers->total - taken : block;
    }
    pace->block_next = atomic_fetch_add_explicit(&numbers->next, block, memory_order_relaxed);
    pace->block_end = pace->block_next + block;
    return true;
}

enum rp_load_pace_step rp_load_pace_take(struct rp_load_pace *pace,
                                         uint64_t now_ns,
                                         uint64_t *number_out,
                                         uint64_t *intended_ns_out)
{
    const struct rp_load_pace_options *options = &pace->options;
    bool is_open = options->arrivals != RP_LOAD_ARRIVALS_NONE;
    uint64_t due_ns = is_open ? arrival_ns(pace) : now_ns;
    if (pace->is_stopped || now_ns >= options->stop_ns || due_ns >= options->stop_ns) {
        return RP_LOAD_PACE_NONE;
    }
    if (due_ns > now_ns) {
        return RP_LOAD_PACE_LATER;
    }
    if (!pace->is_timed && due_ns >= options->begin_ns) {
        pace->is_timed = true;
        pace->block_next = pace->block_end; /* numbers of the warm-up: nobody misses them */
    }
    if (pace->block_next == pace->block_end && !refill(pace)) {
        return RP_LOAD_PACE_NONE;
    }
    pace->timed_count += pace->is_timed ? 1 : 0;
    pace->is_stopped = pace->timed_count == options->limit;
    *number_out = pace->block_next++;
    *intended_ns_out = is_open ? due_ns : 0;
    if (is_open) {
        advance(pace);
    }
    return RP_LOAD_PACE_DUE;
}

void rp_load_pace_stop(struct rp_load_pace *pace, uint64_t now_ns)
{
    pace->options.stop_ns = now_ns < pace->options.stop_ns ? now_ns : pace->options.stop_ns;
}

uint64_t rp_load_pace_drop(struct rp_load_pace *pace)
{
    uint64_t count = 0;
    if (pace->options.stop_ns == UINT64_MAX || pace->is_stopped) {
        return 0; /* an end by number: no arrival of it is missing */
    }
    while (rp_load_pace_next_ns(pace) != UINT64_MAX && pace->timed_count < pace->options.limit) {
        pace->timed_count += pace->is_timed ? 1 : 0;
        count++;
        advance(pace);
    }
    return count;
}
