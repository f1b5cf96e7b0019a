/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bufpool.h - the receive buffers of a worker, counted by who still needs them.
 *
 * A buffer is lent to the kernel, comes back filled, waits in its connection's input,
 * and is held by every slice of a body that points into it; the last one to let go
 * gives it back. limits.memory bounds how many there are.
 */
#ifndef BUFPOOL_H
#define BUFPOOL_H

#include "pool.h"

#include <stdbool.h>

struct rp_buf {
    uint32_t holders;
    uint32_t next; /* in a connection's input */
    uint32_t len;  /* octets received */
};

struct rp_bufpool {
    struct rp_pool pool;
    struct rp_buf *bufs;
};

/* As many buffers of RP_BUFFER_SIZE as `octets` has room for. 0 or -ENOMEM. */
int rp_bufpool_open(struct rp_bufpool *bufpool, uint64_t octets);
void rp_bufpool_close(struct rp_bufpool *bufpool);

static inline uint8_t *rp_bufpool_ptr(const struct rp_bufpool *bufpool, uint32_t index)
{
    return rp_pool_at(&bufpool->pool, index);
}

static inline struct rp_buf *rp_bufpool_buf(const struct rp_bufpool *bufpool, uint32_t index)
{
    assert(index < bufpool->pool.fresh);
    return &bufpool->bufs[index];
}

/* A buffer with one holder, or RP_NONE. */
static inline uint32_t rp_bufpool_take(struct rp_bufpool *bufpool)
{
    uint32_t index = rp_pool_take(&bufpool->pool);
    if (index != RP_NONE) {
        bufpool->bufs[index] = (struct rp_buf){.holders = 1, .next = RP_NONE};
    }
    return index;
}

static inline void rp_bufpool_hold(struct rp_bufpool *bufpool, uint32_t index)
{
    assert(rp_bufpool_buf(bufpool, index)->holders > 0);
    bufpool->bufs[index].holders++;
}

static inline void rp_bufpool_release(struct rp_bufpool *bufpool, uint32_t index)
{
    assert(rp_bufpool_buf(bufpool, index)->holders > 0);
    if (--bufpool->bufs[index].holders == 0) {
        rp_pool_give(&bufpool->pool, index);
    }
}

/* Fewer than a part of all are free. */
bool rp_bufpool_is_short(const struct rp_bufpool *bufpool);

#endif
