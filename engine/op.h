/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * op.h - what a completion was for: an operation and the slot it concerns, in a tag.
 *
 * Slots, never pointers: a slot's owner stays until the last of its operations has
 * completed, so a tag always names somebody who is there.
 */
#ifndef OP_H
#define OP_H

#include <stdint.h>

enum rp_op {
    RP_OP_ACCEPT, /* slot: listener */
    RP_OP_RECV,   /* slot: connection, as for the next three */
    RP_OP_SEND,
    RP_OP_SHUTDOWN,
    RP_OP_CLOSE,
    RP_OP_COMMIT,   /* the lane's batch */
    RP_OP_SEGMENT,  /* the next segment's preparation, whatever step it is at */
    RP_OP_RETIRE,   /* the full segment's way out, whatever step it is at */
    RP_OP_BIG_OPEN, /* slot: big body, as for the next four */
    RP_OP_BIG_WRITE,
    RP_OP_BIG_SYNC,
    RP_OP_BIG_CLOSE,
    RP_OP_BIG_UNLINK,
    RP_OP_BIG_DIR, /* big/ was synced */
    RP_OP_ORDER,   /* slot: enum rp_worker_order */
    RP_OP_IGNORE,  /* nobody waits for this */
    RP_OP_COUNT,
};

static inline uint64_t rp_op_tag(enum rp_op op, uint32_t slot)
{
    return (uint64_t)op << 32 | slot;
}

static inline enum rp_op rp_op_of(uint64_t tag)
{
    return (enum rp_op)(tag >> 32);
}

static inline uint32_t rp_op_slot(uint64_t tag)
{
    return (uint32_t)tag;
}

#endif
