/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rp_span.h - a pointer and a length.
 *
 * A span is a loan: who hands one out says until when its bytes stay.
 */
#ifndef RP_SPAN_H
#define RP_SPAN_H

#include <stddef.h>
#include <stdint.h>

struct rp_span {
    const uint8_t *ptr; /* may be NULL where len is 0 */
    size_t len;         /* octets */
};

/* The span of a string literal, without its terminating NUL. */
#define RP_SPAN_OF(literal) \
    ((struct rp_span){.ptr = (const uint8_t *)(literal), .len = sizeof(literal) - 1})

#endif
