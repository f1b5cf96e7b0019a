/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_mail.c - bodies to measure with.
 */
#include "bench_mail.h"

#include <assert.h>
#include <string.h>

/* No dots: those at the front of a line shall be counted. */
static const char words[] = "the spool keeps what was sent until all who want it have read it, "
                            "byte for byte and in the order it came; nobody waits for a lock, ";
static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char end[] = "\r\n.\r\n";
#define END_LEN (sizeof(end) - 1)

/* xorshift64*: the octets need no more, and they are the same everywhere. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}

/* Lines of words, each begun elsewhere in them. */
static uint8_t text_octet(size_t line, size_t column)
{
    if (line % RP_BENCH_DOT_EACH == RP_BENCH_DOT_EACH - 1 && column < 2) {
        return '.'; /* the leading dot, and the one that stuffs it */
    }
    return (uint8_t)words[(line * 31 + column) % (sizeof(words) - 1)];
}

void rp_bench_mail_fill(enum rp_bench_mail_kind kind, uint8_t *ptr, size_t len)
{
    assert(len >= END_LEN);
    const size_t line_len = kind == RP_BENCH_MAIL_DOTS ? 4 : RP_BENCH_LINE_LEN;
    uint64_t state = 20260823;
    for (size_t at = 0; at < len; at++) {
        const size_t column = at % line_len;
        if (column >= line_len - 2) {
            ptr[at] = column == line_len - 2 ? '\r' : '\n';
            continue;
        }
        switch (kind) {
        case RP_BENCH_MAIL_TEXT: ptr[at] = text_octet(at / line_len, column); break;
        case RP_BENCH_MAIL_BASE64: ptr[at] = (uint8_t)digits[next_random(&state) >> 58]; break;
        case RP_BENCH_MAIL_DOTS: ptr[at] = '.'; break;
        case RP_BENCH_MAIL_COUNT: assert(kind < RP_BENCH_MAIL_COUNT); break;
        }
    }
    /* A line that the end cuts must not become a dot alone, nor leave a bare CR. */
    const size_t cut = len - END_LEN;
    if (cut % line_len != 0) {
        ptr[cut - 1] = '-';
    }
    memcpy(ptr + cut, end, END_LEN);
}
