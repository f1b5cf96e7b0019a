/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_mail.h - bodies to measure with: the same octets on every machine.
 *
 * Pure: writes into the caller's memory.
 */
#ifndef PERF_BENCH_MAIL_H
#define PERF_BENCH_MAIL_H

#include <stddef.h>
#include <stdint.h>

#define RP_BENCH_LINE_LEN 78u /* octets of a full line, with CRLF */
#define RP_BENCH_DOT_EACH 17u /* one line in so many begins with a dot */

enum rp_bench_mail_kind {
    RP_BENCH_MAIL_TEXT,   /* words in lines of 78 octets, one in 17 with a leading dot */
    RP_BENCH_MAIL_BASE64, /* lines of 78 octets that never begin with a dot */
    RP_BENCH_MAIL_DOTS,   /* nothing but "..": each line is one dot, the worst for a decoder */
    RP_BENCH_MAIL_COUNT,
};

/*
 * Fill `ptr` with `len` octets, at least 5, as they are after a 354: dots are stuffed,
 * CRLF.CRLF ends it.
 */
void rp_bench_mail_fill(enum rp_bench_mail_kind kind, uint8_t *ptr, size_t len);

#endif
