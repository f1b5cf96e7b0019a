/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mboxrd.c - a body as one message of an mbox file.
 */
#include "mboxrd.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const uint8_t quote[] = {'>'};
static const uint8_t line_end[] = {'\n'};

void rp_mboxrd_init(struct rp_mboxrd *mbox, const uint8_t *body, size_t len)
{
    assert(body != NULL || len == 0);
    *mbox = (struct rp_mboxrd){.ptr = body, .len = len, .state = RP_MBOXRD_LINE_START};
}

/* ^>*From_ : a reader would take such a line for a new message, or unquote it. */
static bool is_from_line(const uint8_t *ptr, size_t len)
{
    static const char from[] = "From ";
    const size_t from_len = sizeof(from) - 1;
    size_t at = 0;
    while (at < len && ptr[at] == '>') {
        at++;
    }
    return len - at >= from_len && memcmp(ptr + at, from, from_len) == 0;
}

/* The text of the line at the front, without its end. It may be empty. */
static size_t text_len(const uint8_t *ptr, size_t len, size_t *taken_out)
{
    const uint8_t *end = memchr(ptr, '\n', len);
    if (end == NULL) {
        *taken_out = len;
        return len;
    }
    size_t text = (size_t)(end - ptr);
    *taken_out = text + 1;
    return text > 0 && ptr[text - 1] == '\r' ? text - 1 : text;
}

bool rp_mboxrd_next(struct rp_mboxrd *mbox, const uint8_t **piece_out, size_t *len_out)
{
    if (mbox->state == RP_MBOXRD_LINE_START) {
        if (mbox->len == 0) {
            mbox->state = RP_MBOXRD_DONE;
            *piece_out = line_end;
            *len_out = sizeof(line_end);
            return true;
        }
        mbox->state = RP_MBOXRD_LINE;
        if (is_from_line(mbox->ptr, mbox->len)) {
            *piece_out = quote;
            *len_out = sizeof(quote);
            return true;
        }
    }
    if (mbox->state == RP_MBOXRD_LINE) {
        const uint8_t *text = mbox->ptr;
        size_t taken = 0;
        size_t len = text_len(text, mbox->len, &taken);
        mbox->ptr += taken;
        mbox->len -= taken;
        mbox->state = RP_MBOXRD_LINE_END;
        if (len > 0) {
            *piece_out = text;
            *len_out = len;
            return true;
        }
    }
    if (mbox->state == RP_MBOXRD_LINE_END) {
        mbox->state = RP_MBOXRD_LINE_START;
        *piece_out = line_end;
        *len_out = sizeof(line_end);
        return true;
    }
    assert(mbox->state == RP_MBOXRD_DONE);
    return false;
}

void rp_mboxrd_sender(const uint8_t *sender, size_t len, char *text_out, size_t text_len)
{
    assert(text_len > 0);
    if (len == 0) {
        (void)snprintf(text_out, text_len, "MAILER-DAEMON");
        return;
    }
    size_t count = len < text_len - 1 ? len : text_len - 1;
    for (size_t index = 0; index < count; index++) {
        text_out[index] = '-';
        if (sender[index] > 0x20 && sender[index] < 0x7f) {
            text_out[index] = (char)sender[index];
        }
    }
    text_out[count] = '\0';
}
