/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * smtp_line.h - cut the input of a session into command lines.
 *
 * Only CRLF ends a line (RFC 5321, 2.3.8). A line that lies in the input whole is
 * handed out in place; only one that is cut is gathered in smtp->line. A faulty
 * line is reported once, as soon as the fault is seen, and the rest of it, up to its
 * CRLF, is read and dropped: there is exactly one reply to a line, and no line of any
 * length takes memory.
 *
 * Where a line has two faults, the one at the earlier octet counts. An octet beyond
 * the limit is too much whatever it is.
 */
#ifndef SMTP_LINE_H
#define SMTP_LINE_H

#include "octets.h"
#include "rp_smtp.h"

enum rp_smtp_line_state {
    RP_SMTP_LINE_OPEN,    /* also at the beginning of a line */
    RP_SMTP_LINE_OPEN_CR, /* the last octet was CR */
    RP_SMTP_LINE_SKIP,    /* in the rest of a line that was reported as faulty */
    RP_SMTP_LINE_SKIP_CR,
    RP_SMTP_LINE_STATE_COUNT,
};

enum rp_smtp_line_step {
    RP_SMTP_LINE_MORE,    /* the input is used up */
    RP_SMTP_LINE_WHOLE,   /* *line_out is a line, without its CRLF */
    RP_SMTP_LINE_BARE,    /* a CR without LF, or an LF without CR */
    RP_SMTP_LINE_LONG,    /* more octets than rp_smtp_verb_line_max allows */
    RP_SMTP_LINE_SKIPPED, /* the end of a line that was reported as faulty */
};

/* The worst that is in a line. */
enum rp_smtp_line_octets {
    RP_SMTP_LINE_ASCII,   /* printable ASCII and spaces only */
    RP_SMTP_LINE_8BIT,    /* and octets from 128 on */
    RP_SMTP_LINE_CONTROL, /* a control octet (0 to 31, 127), whatever else */
};

struct rp_smtp_line {
    struct rp_span text; /* without CRLF; in the input or in smtp->line */
    enum rp_smtp_line_octets octets;
};

/*
 * Go on to the next step and take what was read off the front of *in. *line_out is
 * written with RP_SMTP_LINE_WHOLE only and is good until the next call. This one has no
 * way of its own for ordinary lines.
 */
enum rp_smtp_line_step rp_smtp_line_next_slowly(struct rp_smtp *smtp,
                                                struct rp_span *in,
                                                struct rp_smtp_line *line_out);

static inline uint32_t rp_smtp_line_are_printable(struct rp_octets block)
{
    return rp_octets_mask(rp_octets_between(block, ' ', '~'));
}

/*
 * The same as rp_smtp_line_next_slowly, but a line that lies in the input whole and is of
 * printable ASCII is looked at only once, sixteen octets a step.
 */
static inline enum rp_smtp_line_step rp_smtp_line_next(struct rp_smtp *smtp,
                                                       struct rp_span *in,
                                                       struct rp_smtp_line *line_out)
{
    if (smtp->line_state == RP_SMTP_LINE_OPEN && smtp->line_len == 0) {
        const uint32_t line_max = smtp->config->command_line_max;
        const struct rp_span front = {in->ptr, in->len < line_max ? in->len : line_max};
        const size_t len = rp_octets_count(front.ptr, front.len, rp_smtp_line_are_printable);
        if (front.len - len >= 2 && front.ptr[len] == '\r' && front.ptr[len + 1] == '\n') {
            line_out->text = (struct rp_span){front.ptr, len};
            line_out->octets = RP_SMTP_LINE_ASCII;
            in->ptr += len + 2;
            in->len -= len + 2;
            return RP_SMTP_LINE_WHOLE;
        }
    }
    return rp_smtp_line_next_slowly(smtp, in, line_out);
}

enum rp_smtp_line_octets rp_smtp_line_classify(struct rp_span line);

/* Cut the spaces and TABs off the end of a line, and classify what is left. */
void rp_smtp_line_drop_blanks(struct rp_smtp_line *line);

#endif
