/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reply.h - the private half of reply.c: replies that are put together from parts.
 */
#ifndef REPLY_H
#define REPLY_H

#include "rp_reply.h"

#include <assert.h>
#include <string.h>

/*
 * Append "CODE ENHANCED TEXT", the parts and CRLF, at most RP_REPLY_MAX octets; what
 * is too much is cut off before the CRLF. Needs rp_reply_has_room.
 */
void rp_reply_put_parts(struct rp_reply_out *out,
                        const struct rp_reply *reply,
                        const struct rp_span *parts,
                        size_t part_count);

/* Append octets as they are. The caller knows that they fit. */
static inline void rp_reply_put_octets(struct rp_reply_out *out, struct rp_span octets)
{
    assert(octets.len <= out->cap - out->len);
    if (octets.len > 0) {
        memcpy(out->ptr + out->len, octets.ptr, octets.len);
        out->len += octets.len;
    }
}

/* Append a number in decimal digits. The caller knows that they fit. */
void rp_reply_put_number(struct rp_reply_out *out, uint64_t number);

#endif
