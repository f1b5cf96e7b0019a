/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_fifo.h - a queue of connections by index, in memory of fixed size.
 *
 * The caller keeps each index in it at most once, so that it cannot be full.
 */
#ifndef PERF_LOAD_FIFO_H
#define PERF_LOAD_FIFO_H

#include <assert.h>
#include <stdint.h>

struct rp_load_fifo {
    uint32_t *items; /* the caller's, `size` of them */
    uint32_t size;
    uint32_t first;
    uint32_t count;
};

static inline void rp_load_fifo_put(struct rp_load_fifo *fifo, uint32_t item)
{
    assert(fifo->count < fifo->size);
    uint32_t place = fifo->first + fifo->count;
    fifo->items[place >= fifo->size ? place - fifo->size : place] = item;
    fifo->count++;
}

static inline uint32_t rp_load_fifo_take(struct rp_load_fifo *fifo)
{
    assert(fifo->count > 0);
    uint32_t item = fifo->items[fifo->first];
    fifo->first = fifo->first + 1 == fifo->size ? 0 : fifo->first + 1;
    fifo->count--;
    return item;
}

#endif
