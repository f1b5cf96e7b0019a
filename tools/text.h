/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * text.h - times, sizes, numbers and foreign octets as text that a terminal can take.
 *
 *     char when[RP_TEXT_TIME_LEN + 1];
 *     rp_text_time(entry.time_ns, when);
 *
 * Pure: no system call, no locale, no allocation. Whoever calls owns all memory.
 */
#ifndef TOOLS_TEXT_H
#define TOOLS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RP_TEXT_TIME_LEN  24 /* "2026-01-02T03:04:05.678Z" */
#define RP_TEXT_CTIME_LEN 24 /* "Fri Jan  2 03:04:05 2026" */
#define RP_TEXT_SIZE_LEN  11 /* "1023.9 KiB", "1023 octets" */

/* RFC 3339, UTC, milliseconds (cut, not rounded). Nanoseconds since 1970. */
void rp_text_time(uint64_t time_ns, char text_out[RP_TEXT_TIME_LEN + 1]);

/* The form of asctime(3) without its line end, in UTC: what the From line of an mbox has. */
void rp_text_ctime(uint64_t time_ns, char text_out[RP_TEXT_CTIME_LEN + 1]);

/* A number of octets for people: "17 octets", "1.5 MiB" (1024, cut to one decimal). */
void rp_text_size(uint64_t octets, char text_out[RP_TEXT_SIZE_LEN + 1]);

/* A decimal number, digits only. -EINVAL: it is none; -ERANGE: it is beyond 64 bits. */
int rp_text_number(const char *text, uint64_t *value_out);

/* Octets of the well-formed UTF-8 sequence (RFC 3629) that begins at `ptr`; 0: there is none. */
size_t rp_text_sequence_len(const uint8_t *ptr, size_t len);

bool rp_text_is_utf8(const uint8_t *ptr, size_t len);

/*
 * How many octets from `ptr` on may go to a terminal as they are: UTF-8 without
 * backslashes, control characters (C0, DEL, C1), line separators and marks that turn
 * the direction of writing. The octet after them, if any, is to be written as \xNN.
 */
size_t rp_text_plain_len(const uint8_t *ptr, size_t len);

/* Columns that the text takes once it is escaped so: one a character. */
size_t rp_text_columns(const uint8_t *ptr, size_t len);

#endif
