/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * stage.h - line a batch's iovecs up for direct I/O, copying only what must be.
 *
 *     rp_stage_line_up(&stage, batch.iov, batch.iov_count);
 *     ...write stage.iov, stage.iov_count...
 *
 * Direct I/O wants memory and lengths in whole blocks. Blocks that lie so already, at their
 * place in the file, are written from where they are; what is between them (record heads, small
 * bodies, the ends of large ones) is copied together.
 */
#ifndef STAGE_H
#define STAGE_H

#include "limits.h"

#include <sys/uio.h>

struct rp_stage {
    uint8_t *memory; /* RP_STAGE_SIZE octets, aligned */
    size_t len;      /* octets in use */
    size_t iov_count;
    struct iovec iov[RP_STAGE_IOV];
};

/* 0 or -ENOMEM. */
int rp_stage_open(struct rp_stage *stage);
void rp_stage_close(struct rp_stage *stage); /* a zeroed one, too */

/*
 * `iov` goes to a multiple of RP_SPOOL_BLOCK in the file and is that long in all; no piece of it
 * is empty. What must be copied must fit RP_STAGE_SIZE: the caller sees to that.
 */
void rp_stage_line_up(struct rp_stage *stage, const struct iovec *iov, size_t iov_count);

#endif
