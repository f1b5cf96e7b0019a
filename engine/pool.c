/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pool.c - memory for pool.h. */
#include "pool.h"

#include <errno.h>
#include <sys/mman.h>

static void *map(size_t len)
{
    void *memory =
        mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

int rp_pool_open(struct rp_pool *pool, size_t size, uint32_t count)
{
    assert(size > 0 && count > 0 && count < RP_NONE);
    *pool = (struct rp_pool){.size = size, .count = count};
    pool->memory = map(size * count);
    pool->given = map(sizeof(*pool->given) * count);
    if (pool->memory == NULL || pool->given == NULL) {
        rp_pool_close(pool);
        return -ENOMEM;
    }
    return 0;
}

void rp_pool_close(struct rp_pool *pool)
{
    if (pool->memory != NULL) {
        (void)munmap(pool->memory, pool->size * pool->count); /* our own mapping: cannot fail */
    }
    if (pool->given != NULL) {
        (void)munmap(pool->given, sizeof(*pool->given) * pool->count);
    }
    *pool = (struct rp_pool){0};
}
