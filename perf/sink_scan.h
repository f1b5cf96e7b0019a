/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sink_scan.h - find the end of a DATA body: CRLF.CRLF, across any cut.
 *
 *     struct rp_sink_scan scan;
 *     rp_sink_scan_init(&scan);
 *     while ((end = rp_sink_scan_next(&scan, ptr, len)) == RP_SINK_SCAN_NONE) { ...more... }
 *
 * Pure. Nothing else is looked at: no length of lines, no bare CR or LF, no dot-stuffing.
 */
#ifndef PERF_SINK_SCAN_H
#define PERF_SINK_SCAN_H

#include <stddef.h>
#include <stdint.h>

#define RP_SINK_SCAN_NONE SIZE_MAX

enum rp_sink_scan_kind {
    RP_SINK_SCAN_PORTABLE,
    RP_SINK_SCAN_SSE2,
    RP_SINK_SCAN_AVX2,
    RP_SINK_SCAN_COUNT,
};

/* Where a whole CRLF.CRLF within the octets ends (at least 5), or RP_SINK_SCAN_NONE. */
typedef size_t (*rp_sink_scan_fn)(const uint8_t *octets, size_t len);

/* NULL: this CPU has no such one. */
rp_sink_scan_fn rp_sink_scan_find(enum rp_sink_scan_kind kind);

struct rp_sink_scan {
    uint64_t recent; /* the last five octets, the newest one lowest */
};

/* Before the first octet of a body: as if behind a CRLF. */
void rp_sink_scan_init(struct rp_sink_scan *scan);

/* How many octets belong to the body with its end, or RP_SINK_SCAN_NONE: all, and it goes on. */
size_t rp_sink_scan_next(struct rp_sink_scan *scan, const uint8_t *octets, size_t len);

#endif
