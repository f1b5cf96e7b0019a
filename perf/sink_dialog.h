/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sink_dialog.h - SMTP and LMTP with canned replies, without any I/O.
 *
 *     struct rp_sink_dialog dialog;
 *     rp_sink_dialog_init(&dialog, &out);
 *     while ((step = rp_sink_dialog_next(&dialog, &in, &out, &body)) != RP_SINK_DIALOG_MORE) {
 *         ...
 *     }
 *
 * Pure. The input is the caller's, and body spans point into it. Nothing is checked but what
 * tells one reply from another, and nothing is kept but the number of recipients.
 */
#ifndef PERF_SINK_DIALOG_H
#define PERF_SINK_DIALOG_H

#include "proto/rp_span.h"
#include "sink_scan.h"

#include <stdbool.h>
#include <stdint.h>

/* Of a command line that is cut: BDAT and its number fit; what is longer counts for nothing. */
#define RP_SINK_DIALOG_LINE_MAX 64u
/* Octets of replies that wait to be sent; a few hundred pipelined commands. */
#define RP_SINK_DIALOG_OUT_MAX  4096u

struct rp_sink_dialog_out {
    uint32_t len;
    char text[RP_SINK_DIALOG_OUT_MAX];
};

enum rp_sink_dialog_step {
    RP_SINK_DIALOG_MORE, /* the input is used up */
    RP_SINK_DIALOG_FULL, /* a reply does not fit: call again with an empty `out` */
    RP_SINK_DIALOG_BODY, /* *body_out has octets as they came, the end of DATA included */
    RP_SINK_DIALOG_END,  /* a message is whole; its replies are in `out` or follow */
    RP_SINK_DIALOG_QUIT, /* 221 is in `out`; every later call says the same */
};

enum rp_sink_dialog_state {
    RP_SINK_DIALOG_COMMAND,
    RP_SINK_DIALOG_DATA,
    RP_SINK_DIALOG_BDAT,
    RP_SINK_DIALOG_CLOSED,
};

struct rp_sink_dialog {
    enum rp_sink_dialog_state state;
    bool is_lmtp; /* LHLO was said */
    bool is_last; /* of a BDAT chunk */
    bool is_end;  /* the body handed out last was the end of its message */
    uint32_t recipients;
    uint32_t owed;      /* 250s of a message's end that are still to be said */
    uint32_t line_len;  /* octets of a line that was cut, those that did not fit included */
    uint64_t bdat_left; /* octets of the chunk */
    struct rp_sink_scan scan;
    char line[RP_SINK_DIALOG_LINE_MAX];
};

/* Says the greeting. */
void rp_sink_dialog_init(struct rp_sink_dialog *dialog, struct rp_sink_dialog_out *out);

/* Take what was read off the front of *in. Writes *body_out only with RP_SINK_DIALOG_BODY. */
enum rp_sink_dialog_step rp_sink_dialog_next(struct rp_sink_dialog *dialog,
                                             struct rp_span *in,
                                             struct rp_sink_dialog_out *out,
                                             struct rp_span *body_out);

#endif
