/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sink_impl.h - the inside of a sink: what sink.c and sink_open.c share.
 */
#ifndef PERF_SINK_IMPL_H
#define PERF_SINK_IMPL_H

#include "sink.h"
#include "sink_dialog.h"
#include "sink_log.h"

#define RP_SINK_BUFFER_GROUP 0
#define RP_SINK_NO_BUFFER    UINT32_MAX

struct rp_sink_conn {
    bool is_open;
    bool is_receiving;
    bool is_cancelled; /* the receive under way was asked to end */
    bool is_sending;
    bool is_ended;       /* the peer has said all it will */
    bool is_broken;      /* nothing can be sent any more */
    bool is_touched;     /* in the list of this round */
    bool is_stalled;     /* its input waits for room in the log */
    bool is_starved;     /* it waits for a receive buffer */
    uint32_t filling;    /* which of `out` */
    uint32_t sent;       /* octets of the one under way */
    uint32_t held_first; /* buffers whose input has not been read to its end, in order */
    uint32_t held_last;
    uint32_t held_count;
    uint32_t held_off;   /* octets of the first one that were */
    uint64_t wait_group; /* replies leave once this group is in the log; 0: at once */
    struct rp_sink_dialog dialog;
    struct rp_sink_dialog_out out[2];
};

/* Connections by index; each stands in it at most once. */
struct rp_sink_list {
    uint32_t *items;
    uint32_t count;
};

struct rp_sink_held {
    uint32_t len;
    uint32_t next; /* RP_SINK_NO_BUFFER: the last one */
};

enum rp_sink_list_name {
    RP_SINK_LIST_TOUCHED,
    RP_SINK_LIST_STALLED,
    RP_SINK_LIST_STARVED,
    RP_SINK_LIST_GATHERING,  /* wait for the group that gathers */
    RP_SINK_LIST_COMMITTING, /* wait for the group under way */
    RP_SINK_LIST_COUNT,
};

struct rp_sink {
    struct rp_sink_options options;
    struct io_uring ring;
    bool has_ring;
    bool is_accepting;
    bool is_stopped;
    int listener;
    int stop_fd; /* an eventfd */
    uint64_t stop_value;
    uint16_t port;
    int failure; /* 0 or -errno: ends the run */
    struct io_uring_buf_ring *buffer_ring;
    uint8_t *buffers;
    struct rp_sink_held *held;
    uint32_t free_buffers; /* those that the kernel has, but for completions not yet seen */
    struct rp_sink_conn *conns;
    uint32_t open_count;
    struct rp_sink_list lists[RP_SINK_LIST_COUNT];
    struct rp_sink_log log;
    struct rp_sink_counts counts;
};

/* The kernel may have this receive buffer again. */
void rp_sink_give(struct rp_sink *sink, uint32_t buffer);

#endif
