/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * dot_scan.h - walk fast over DATA octets that belong to the body as they are.
 *
 *     rp_dot_scan_fn scan = rp_dot_scan_find(RP_DOT_SCAN_AVX2);
 *     if (scan != NULL) {
 *         size_t walked = scan(&walk, in);
 *
 * Private to proto: dot.c has the table that says what is right, and uses a scanner
 * to pass by the octets for which the table would say "keep" one after the other.
 * Pure and without state of its own.
 */
#ifndef DOT_SCAN_H
#define DOT_SCAN_H

#include "rp_dot.h"

/* A limit for lines must not be below this where a scanner is used. */
#define RP_DOT_SCAN_LINE_MAX_MIN 64u

struct rp_dot_walk {
    uint64_t line_len;  /* octets of the current line so far */
    uint32_t line_max;  /* 0: none; at least RP_DOT_SCAN_LINE_MAX_MIN else */
    bool stops_at_bare; /* stop in front of what shows a CR or LF to be bare */
    bool is_after_cr;   /* the octet before is a CR */
    bool is_line_start; /* the octets before are CRLF, or there are none */
    bool has_bare;      /* only ever set */
    bool has_long_line; /* only ever set */
};

/*
 * Walk over the front of `in`, up to its end, to a "." at the start of a line or, with
 * stops_at_bare, to the octet that shows a CR or LF to be bare (that LF, or what follows
 * the CR). Answers how many octets were walked over; *walk is brought up to there.
 */
typedef size_t (*rp_dot_scan_fn)(struct rp_dot_walk *walk, struct rp_span in);

/* NULL: this CPU has no such scanner. Also NULL for the table, which is not one of these. */
rp_dot_scan_fn rp_dot_scan_find(enum rp_dot_scanner scanner);

/* The fastest that the CPU has, or NULL. */
rp_dot_scan_fn rp_dot_scan_best(void);

#endif
