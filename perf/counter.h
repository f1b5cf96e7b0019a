/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * counter.h - a number that one thread changes and others read.
 *
 *     rp_counter_add(&stats->accepted, 1);                 its thread only
 *     uint64_t accepted = rp_counter_get(&stats->accepted);    any thread
 *
 * A plain load, an addition and a plain store: no locked instruction, as there is one writer.
 */
#ifndef PERF_COUNTER_H
#define PERF_COUNTER_H

#include <stdint.h>

static inline uint64_t rp_counter_get(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static inline void rp_counter_set(uint64_t *counter, uint64_t value)
{
    __atomic_store_n(counter, value, __ATOMIC_RELAXED);
}

static inline void rp_counter_add(uint64_t *counter, uint64_t value)
{
    rp_counter_set(counter, rp_counter_get(counter) + value);
}

/* Zero what is not: memory that nobody touched yet stays so. */
static inline void rp_counter_clear(uint64_t *counter)
{
    if (rp_counter_get(counter) != 0) {
        rp_counter_set(counter, 0);
    }
}

#endif
