/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sink.h - the least a mail server on io_uring can do: the floor that others are measured against.
 *
 *     struct rp_sink *sink;
 *     rp_sink_open(&options, &sink, error, sizeof(error));   bound; rp_sink_port says where
 *     rp_sink_run(sink);                                     until rp_sink_stop
 *     rp_sink_close(sink);
 *
 * Multishot accept and receive, canned replies, a scan for the end of the body and nothing else:
 * no envelope, no checks, no limits, no timers. With a log every octet of a body is appended to
 * one file, written in a circle, and one write with its sync serves all messages that came
 * meanwhile. Loopback only.
 *
 * Bugs: clients that send commands and never read the replies may, together, keep all receive
 * buffers; then nobody else is served until they read or go.
 */
#ifndef PERF_SINK_H
#define PERF_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum rp_sink_commit {
    RP_SINK_COMMIT_NONE,      /* the log is written, never synced */
    RP_SINK_COMMIT_FDATASYNC, /* write linked to fdatasync */
    RP_SINK_COMMIT_DSYNC,     /* RWF_DSYNC on the write */
};

#define RP_SINK_BUFFER_SIZE_MAX (1u << 20)

struct rp_sink_options {
    uint16_t port;     /* 0: any */
    const char *log;   /* a file to make; NULL: bodies are thrown away */
    uint64_t log_size; /* octets; the file is written in full (zeros) before the start */
    enum rp_sink_commit commit;
    bool is_direct; /* O_DIRECT */
    uint32_t connections_max;
    uint32_t buffer_size;  /* octets of a receive buffer, at most RP_SINK_BUFFER_SIZE_MAX */
    uint32_t buffer_count; /* a power of two, at most 32768 */
};
extern const struct rp_sink_options rp_sink_options_default;

struct rp_sink;

/* 0 or -errno with one line in `error`. Opens the ring disabled: run may be on another thread. */
int rp_sink_open(const struct rp_sink_options *options,
                 struct rp_sink **sink_out,
                 char *error,
                 size_t error_len);
uint16_t rp_sink_port(const struct rp_sink *sink);
int rp_sink_run(struct rp_sink *sink);    /* 0 after rp_sink_stop, or -errno */
void rp_sink_stop(struct rp_sink *sink);  /* any thread, and signal handlers */
void rp_sink_close(struct rp_sink *sink); /* NULL is fine */

struct rp_sink_counts {
    uint64_t connections;
    uint64_t messages;
    uint64_t octets;  /* of bodies, as they came: with dot-stuffing and the end of DATA */
    uint64_t commits; /* groups of messages written to the log */
};
/* From the thread of rp_sink_run, or after it. */
void rp_sink_get_counts(const struct rp_sink *sink, struct rp_sink_counts *counts_out);

#endif
