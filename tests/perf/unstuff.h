/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * unstuff.h - what a server makes of the octets behind a 354, from RFC 5321 4.5.2 alone.
 */
#ifndef TESTS_PERF_UNSTUFF_H
#define TESTS_PERF_UNSTUFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * Undo dot-stuffing line by line into `out`, which has room for `len`. False: a CR or LF stands
 * alone, or the input does not end at its first line of one dot.
 */
static inline bool unstuff(const uint8_t *in, size_t len, uint8_t *out, size_t *len_out)
{
    size_t out_len = 0;
    size_t at = 0;
    while (at < len) {
        const uint8_t *lf = memchr(in + at, '\n', len - at);
        if (lf == NULL) {
            return false;
        }
        size_t end = (size_t)(lf - in) + 1;
        if (end - at < 2 || memchr(in + at, '\r', end - at) != lf - 1) {
            return false;
        }
        if (end - at == 3 && in[at] == '.') {
            *len_out = out_len;
            return end == len;
        }
        at += in[at] == '.';
        memcpy(out + out_len, in + at, end - at);
        out_len += end - at;
        at = end;
    }
    return false;
}

#endif
