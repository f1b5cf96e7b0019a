/* SPDX-License-Identifier: GPL-3.0-or-later */
/* bufpool.c - see bufpool.h. */
#include "bufpool.h"

#include "limits.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

int rp_bufpool_open(struct rp_bufpool *bufpool, uint64_t octets)
{
    uint64_t count = octets / RP_BUFFER_SIZE;
    assert(count > 0 && count < RP_NONE);
    *bufpool = (struct rp_bufpool){0};
    int err = rp_pool_open(&bufpool->pool, RP_BUFFER_SIZE, (uint32_t)count);
    if (err < 0) {
        return err;
    }
    bufpool->bufs = calloc(count, sizeof(*bufpool->bufs));
    if (bufpool->bufs == NULL) {
        rp_bufpool_close(bufpool);
        return -ENOMEM;
    }
    /* Only a wish: without huge pages everything works, with more TLB misses. */
    (void)madvise(bufpool->pool.memory, count * RP_BUFFER_SIZE, MADV_HUGEPAGE);
    return 0;
}

void rp_bufpool_close(struct rp_bufpool *bufpool)
{
    rp_pool_close(&bufpool->pool);
    free(bufpool->bufs);
    *bufpool = (struct rp_bufpool){0};
}

bool rp_bufpool_is_short(const struct rp_bufpool *bufpool)
{
    return rp_pool_free_count(&bufpool->pool) < bufpool->pool.count / RP_BUFFERS_SHORT_PART;
}
