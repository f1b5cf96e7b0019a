/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_reply.h - the replies of an SMTP server, read strictly (RFC 5321, section 4.2).
 *
 *     while ((step = rp_load_reply_next(&reply, &in, &line)) != RP_LOAD_REPLY_MORE) { ... }
 *
 * A line is three digits (the first 2 to 5, the second 0 to 5), then " " or "-" and text, or
 * nothing, then CRLF; all lines of a reply have one code. Anything else is no reply, and nothing
 * that comes behind it can be understood: the connection is to be given up.
 *
 * Pure: no system call, no clock, no allocation. Lines are read where they lie; only those that
 * the network cut are kept here.
 */
#ifndef PERF_LOAD_REPLY_H
#define PERF_LOAD_REPLY_H

#include "proto/rp_span.h"

#include <stdint.h>

/* Octets of a line with its CRLF: RFC 5321 has 512 (4.5.3.1.5), some servers send more. */
#define RP_LOAD_REPLY_LINE_MAX  1024u
/* Lines of a reply: an EHLO reply has some 20. */
#define RP_LOAD_REPLY_LINES_MAX 128u

enum rp_load_reply_step {
    RP_LOAD_REPLY_MORE, /* the input is used up */
    RP_LOAD_REPLY_LINE, /* a line of a reply that goes on */
    RP_LOAD_REPLY_LAST, /* the last line, often the only one: the reply is whole */
    RP_LOAD_REPLY_BAD,  /* no reply; every later call says the same */
};

struct rp_load_reply_line {
    unsigned code;
    struct rp_span whole; /* without CRLF; of a bad one what there is of it */
    struct rp_span text;  /* behind the code and the octet after it */
};

struct rp_load_reply {
    uint16_t code;       /* of the lines so far; 0: none yet */
    uint16_t line_count; /* of this reply */
    uint16_t kept_len;
    uint8_t is_bad;
    uint8_t kept[RP_LOAD_REPLY_LINE_MAX]; /* the beginning of a line, or the bad one */
};

void rp_load_reply_init(struct rp_load_reply *reply);

/* Read one line and take it off the front of *in. What *line_out points to is good until the
 * next call, or until the input goes. Not written for MORE. */
enum rp_load_reply_step rp_load_reply_next(struct rp_load_reply *reply,
                                           struct rp_span *in,
                                           struct rp_load_reply_line *line_out);

#endif
