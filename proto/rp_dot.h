/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rp_dot.h - undo SMTP dot-stuffing and find the end of a DATA body.
 *
 *     struct rp_dot dot;
 *     rp_dot_init(&dot, RP_DOT_REJECT, 1001);
 *     while ((step = rp_dot_next(&dot, &in, &body)) == RP_DOT_BODY) {
 *         append(body);
 *     }
 *
 * Pure: no system call, no clock, no allocation, no copy. The caller owns every
 * byte. A body span points into the caller's input, or, where bytes must be put
 * in that the input does not have at that place (a CR held back over a cut of the
 * input, a newline that is normalized), at static storage.
 *
 * Only CRLF ends a line and only CRLF.CRLF ends the body (RFC 5321, 2.3.8 and
 * 4.1.1.4), whatever the newline mode. A leading "." of a line that is more than
 * "." CRLF is removed (RFC 5321, 4.5.2). A relay that sees a line end where we
 * see none is how one message is smuggled inside another: hence `has_bare`.
 */
#ifndef RP_DOT_H
#define RP_DOT_H

#include "rp_span.h"

#include <stdbool.h>

/* What becomes of a CR without LF, or an LF without CR (body.bare_newline). */
enum rp_dot_newline {
    RP_DOT_REJECT,    /* kept in the body, has_bare is set: the caller refuses at the end */
    RP_DOT_NORMALIZE, /* becomes CRLF; does not make the next "." a leading one */
    RP_DOT_KEEP,      /* kept as it is; has_bare is set too, for those who count */
};

enum rp_dot_step {
    RP_DOT_MORE, /* input used up: feed the next chunk */
    RP_DOT_BODY, /* *body_out has decoded octets, never zero of them: call again */
    RP_DOT_END,  /* the final CRLF.CRLF was seen: in->ptr is what follows it */
};

struct rp_dot {
    uint64_t line_len;  /* octets of the current line so far, as sent */
    uint32_t line_max;  /* limit for a line with its CRLF and stuffed dot, as sent; 0: none */
    uint8_t state;      /* private to dot.c */
    uint8_t newline;    /* enum rp_dot_newline */
    bool has_bare;      /* a bare CR or LF was seen */
    bool has_long_line; /* a line longer than line_max was seen */
};

void rp_dot_init(struct rp_dot *dot, enum rp_dot_newline newline, uint32_t line_max);

/*
 * Decode up to the next boundary and take what was read off the front of *in.
 * Writes *body_out only when it returns RP_DOT_BODY. A body span is valid as long
 * as the input it points into. After RP_DOT_END every later call says the same.
 * The same octets give the same result however they are cut into calls; only
 * where body spans begin and end may differ.
 */
enum rp_dot_step rp_dot_next(struct rp_dot *dot, struct rp_span *in, struct rp_span *body_out);

/* The scanners behind rp_dot_next, fastest last; those the CPU lacks are skipped. */
enum rp_dot_scanner {
    RP_DOT_SCAN_TABLE, /* the table alone, an octet a step */
    RP_DOT_SCAN_SSE2,
    RP_DOT_SCAN_AVX2,
    RP_DOT_SCAN_NEON,
    RP_DOT_SCAN_COUNT,
};

/*
 * For tests and benchmarks: rp_dot_next with a scanner of the caller's choice;
 * rp_dot_next itself takes the fastest that the CPU has. False: not on this CPU.
 */
bool rp_dot_has_scanner(enum rp_dot_scanner scanner);
enum rp_dot_step rp_dot_next_with(enum rp_dot_scanner scanner,
                                  struct rp_dot *dot,
                                  struct rp_span *in,
                                  struct rp_span *body_out);

#endif
