/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * stats.h - the counters of a worker: it alone writes, others only read.
 *
 * One list gives struct, names and help texts. Names are Prometheus names.
 */
#ifndef STATS_H
#define STATS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* clang-format off */
/*        field                    name                              what it counts */
#define RP_STATS(X) \
    X(connections,          "rp_connections_total",            "connections accepted") \
    X(connections_open,     "rp_connections_open",             "connections open now") \
    X(connections_refused,  "rp_connections_refused_total",    "connections beyond limits.connections: 421") \
    X(messages,             "rp_messages_total",               "messages made durable and answered 250") \
    X(messages_refused,     "rp_messages_refused_total",       "messages refused for the engine's own trouble (4xx)") \
    X(body_bytes,           "rp_body_bytes_total",             "octets of bodies received") \
    X(body_bytes_copied,    "rp_body_bytes_copied_total",      "octets of bodies copied by our own code") \
    X(big_messages,         "rp_big_messages_total",           "messages whose body has a file of its own") \
    X(commits,              "rp_commits_total",                "batches written") \
    X(commit_errors,        "rp_commit_errors_total",          "batches that could not be written") \
    X(segments,             "rp_segments_total",               "segments opened") \
    X(segments_abandoned,   "rp_segments_abandoned_total",     "segments given up after an I/O error") \
    X(recv_starved,         "rp_recv_starved_total",           "receives that found no buffer") \
    X(recv_paused,          "rp_recv_paused_total",            "receives paused for one connection") \
    X(timeouts,             "rp_timeouts_total",               "sessions ended by a timeout")
/* clang-format on */

struct rp_stats {
#define X(field, name, help) _Atomic uint64_t field;
    RP_STATS(X)
#undef X
};

/* Add to a counter of one's own worker: no other thread writes it, so no locked instruction. */
static inline void rp_stats_add(_Atomic uint64_t *counter, uint64_t by)
{
    uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, now + by, memory_order_relaxed);
}

/* Each counter in order, for logs and metrics. NULL behind the last. */
const char *rp_stats_name(size_t index);
const char *rp_stats_help(size_t index);
uint64_t rp_stats_get(const struct rp_stats *stats, size_t index);

#endif
