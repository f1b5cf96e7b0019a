/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_text.h - the text of generated messages, of which each has a tail.
 *
 *     struct rp_load_text text;
 *     rp_load_text_open(10240, &text);
 *     rp_load_text_tail(&text, 512, &plain, &stuffed);
 *     rp_load_text_close(&text);
 *
 * Words in lines of 78 octets and CRLF, one line in 17 begins with a dot; no other dot is in it.
 * All tails end alike, so any number of sizes need one text, once as it is and once dot-stuffed.
 *
 * Memory: twice the longest tail, at most some 11 MB (with pages of 4 KiB). A longer text repeats
 * itself, and all repetitions are the same pages, mapped again and again.
 */
#ifndef PERF_LOAD_TEXT_H
#define PERF_LOAD_TEXT_H

#include "proto/rp_span.h"

#include <stdbool.h>
#include <stdint.h>

#define RP_LOAD_TEXT_LINE 80u /* octets of a line, with CRLF */

struct rp_load_text {
    uint8_t *plain; /* mapped */
    uint8_t *stuffed;
    uint64_t plain_map_len;
    uint64_t stuffed_map_len;
    uint64_t plain_len;   /* octets of the whole text */
    uint64_t stuffed_len; /* without the line that ends DATA */
};

/* 0, -ENOMEM, or what mmap(2) and memfd_create(2) say. */
int rp_load_text_open(uint64_t tail_len_max, struct rp_load_text *text_out);
void rp_load_text_close(struct rp_load_text *text); /* zeroed is fine */

/* False: a tail of this length would begin between CR and LF. */
static inline bool rp_load_text_has_tail(uint64_t len)
{
    return len % RP_LOAD_TEXT_LINE != 1;
}

/* The last `len` octets; stuffed: with "." CRLF behind them. Valid until close. */
void rp_load_text_tail(const struct rp_load_text *text,
                       uint64_t len,
                       struct rp_span *plain_out,
                       struct rp_span *stuffed_out);

#endif
