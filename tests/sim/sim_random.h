/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_random.h - the one source of chance in the simulator: splitmix64 from a seed.
 *
 *     struct sim_random random = sim_random_from(seed, "net");
 *     if (sim_random_chance(&random, 5000)) { ...in five of a thousand cases... }
 *
 * Each part of the simulator has a stream of its own, so that one more draw in one
 * part does not change what the others do. Nothing else (clock, addresses, hash
 * order) may decide anything: the same seed gives the same run.
 */
#ifndef SIM_RANDOM_H
#define SIM_RANDOM_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

struct sim_random {
    uint64_t state;
};

static inline uint64_t sim_random_next(struct sim_random *random)
{
    random->state += 0x9e3779b97f4a7c15ULL;
    uint64_t z = random->state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

/* The stream of that name. */
static inline struct sim_random sim_random_from(uint64_t seed, const char *name)
{
    struct sim_random random = {.state = seed * 0xd1342543de82ef95ULL + 1};
    for (; *name != '\0'; name++) {
        random.state ^= (uint8_t)*name;
        random.state = sim_random_next(&random);
    }
    return random;
}

/* 0 to limit - 1. */
static inline uint64_t sim_random_below(struct sim_random *random, uint64_t limit)
{
    assert(limit > 0);
    return sim_random_next(random) % limit;
}

/* from to to, both included. */
static inline uint64_t sim_random_between(struct sim_random *random, uint64_t from, uint64_t to)
{
    assert(from <= to);
    return from + sim_random_below(random, to - from + 1);
}

/* True in `ppm` of a million cases. Draws also where it is 0, so that rates do not shift a run. */
static inline bool sim_random_chance(struct sim_random *random, uint32_t ppm)
{
    return sim_random_below(random, 1000000) < ppm;
}

/* from to to, both included; the upper end is halved again and again: small values are frequent. */
static inline uint64_t sim_random_spread(struct sim_random *random, uint64_t from, uint64_t to)
{
    assert(from <= to);
    uint64_t bits = 64 - (uint64_t)__builtin_clzll(to | 1);
    uint64_t high = to >> sim_random_below(random, bits);
    return sim_random_between(random, from, high < from ? from : high);
}

#endif
