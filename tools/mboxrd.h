/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mboxrd.h - a body as one message of an mbox file, in its "rd" form.
 *
 *     struct rp_mboxrd mbox;
 *     rp_mboxrd_init(&mbox, body, len);
 *     while (rp_mboxrd_next(&mbox, &piece, &piece_len)) {
 *         write(piece, piece_len);
 *     }
 *
 * Line ends become LF, as readers of mbox files expect them: CRLF is written as LF; a
 * CR or LF of its own stays. A line that is "From " behind any number of ">" gets one
 * more ">": taking one off such lines gives the text back. A body whose last line has
 * no end gets one, and an empty line ends each message.
 *
 * Pure, without a copy: pieces point into the body or to constants.
 */
#ifndef TOOLS_MBOXRD_H
#define TOOLS_MBOXRD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum rp_mboxrd_state {
    RP_MBOXRD_LINE_START, /* a line or the end of the body comes next */
    RP_MBOXRD_LINE,       /* its ">" is out, or none is needed: its text comes next */
    RP_MBOXRD_LINE_END,   /* its text is out: the LF comes next */
    RP_MBOXRD_DONE,       /* the empty line is out */
};

struct rp_mboxrd {
    const uint8_t *ptr; /* what is not read yet, the caller's */
    size_t len;
    enum rp_mboxrd_state state;
};

void rp_mboxrd_init(struct rp_mboxrd *mbox, const uint8_t *body, size_t len);

/* True: the next piece, never empty. False: that was all. */
bool rp_mboxrd_next(struct rp_mboxrd *mbox, const uint8_t **piece_out, size_t *len_out);

/*
 * The sender as a From line has it: one word of printable ASCII. Any other octet and
 * every blank is given as "-"; no sender is MAILER-DAEMON. Cut to what fits; NUL-terminated.
 */
void rp_mboxrd_sender(const uint8_t *sender, size_t len, char *text_out, size_t text_len);

#endif
