/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pool.h - a fixed number of things of one size, by number, all memory taken at start.
 *
 * The last one given back is the next one taken: it is still in the cache. Memory
 * that was never taken is never touched, so a generous count costs address space only.
 */
#ifndef POOL_H
#define POOL_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define RP_NONE UINT32_MAX /* no thing */

struct rp_pool {
    uint8_t *memory;
    uint32_t *given; /* those given back, a stack */
    size_t size;     /* octets of a thing */
    uint32_t count;
    uint32_t given_count;
    uint32_t fresh; /* the first that was never taken */
};

/* 0 or -ENOMEM. */
int rp_pool_open(struct rp_pool *pool, size_t size, uint32_t count);

/* Takes a zeroed struct, too. */
void rp_pool_close(struct rp_pool *pool);

static inline uint32_t rp_pool_free_count(const struct rp_pool *pool)
{
    return pool->count - pool->fresh + pool->given_count;
}

static inline void *rp_pool_at(const struct rp_pool *pool, uint32_t index)
{
    assert(index < pool->fresh);
    return pool->memory + (size_t)index * pool->size;
}

/* RP_NONE where there is none left. What it holds is what it held when it was given back; a
 * fresh one is zeros. */
static inline uint32_t rp_pool_take(struct rp_pool *pool)
{
    if (pool->given_count > 0) {
        return pool->given[--pool->given_count];
    }
    return pool->fresh < pool->count ? pool->fresh++ : RP_NONE;
}

static inline void rp_pool_give(struct rp_pool *pool, uint32_t index)
{
    assert(index < pool->fresh && pool->given_count < pool->fresh);
    pool->given[pool->given_count++] = index;
}

#endif
