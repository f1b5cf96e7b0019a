/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rp_reply.h - SMTP reply lines (RFC 5321, 4.2; enhanced codes: RFC 2034, RFC 3463).
 *
 * Pure: writes into the caller's memory.
 */
#ifndef RP_REPLY_H
#define RP_REPLY_H

#include "rp_span.h"

#include <stdbool.h>

/* Room that any single reply, of however many lines, is sure to fit in (octets). */
#define RP_REPLY_MAX 1024

struct rp_reply {
    uint16_t code;        /* 200 to 599 */
    const char *enhanced; /* "2.1.0", or NULL for none; static storage */
    const char *text;     /* without CRLF; static storage */
};

/* Where replies go. The memory is the caller's. */
struct rp_reply_out {
    uint8_t *ptr;
    size_t len; /* octets used */
    size_t cap; /* octets in all */
};

static inline bool rp_reply_has_room(const struct rp_reply_out *out)
{
    return out->cap - out->len >= RP_REPLY_MAX;
}

/* Append "CODE ENHANCED TEXT" CRLF; text longer than the room is cut. Needs rp_reply_has_room. */
void rp_reply_put(struct rp_reply_out *out, const struct rp_reply *reply);

/* Append "250 2.0.0 OK queued as ID" CRLF. */
void rp_reply_put_queued(struct rp_reply_out *out, struct rp_span id);

#endif
