/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_conn.h - a connection of ringpost-load: a dialog, the ring it runs on, what is counted.
 *
 *     rp_load_conn_open(conn, crew);
 *     for each completion with the connection's index in its tag:
 *         rp_load_conn_complete(conn, crew, &completion);
 *     rp_load_conn_pump(conn, crew);         when a message may be due for it
 *     rp_load_conn_check(conn, crew);        now and then: has it waited too long?
 *
 * All connections of a worker share a crew, which belongs to the worker's thread. A connection
 * that has closed is put in crew->closed; one that is ready while nothing is due, in crew->idle.
 */
#ifndef PERF_LOAD_CONN_H
#define PERF_LOAD_CONN_H

#include "load_acks.h"
#include "load_dialog.h"
#include "load_fifo.h"
#include "load_mail.h"
#include "load_pace.h"
#include "load_ring.h"
#include "load_stats.h"
#include "load_target.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define RP_LOAD_CONN_TEXT_LEN 256u

struct rp_load_crew {
    struct rp_load_ring *ring;
    struct rp_load_stats *stats;
    const struct rp_load_script *script;
    const struct rp_load_mail *mail;
    const struct rp_load_target *target;
    struct rp_load_acks *acks; /* numbers that got their 250; NULL: nobody asks */
    struct rp_load_pace *pace;
    uint64_t timeout_ns;
    uint32_t sources;     /* 0: the kernel chooses */
    uint32_t first_index; /* of this crew's connections among those of all */
    uint64_t random;      /* for the sizes of messages */
    uint64_t now_ns;      /* set by the worker before each batch */
    uint64_t timed_ns;    /* messages that were intended for an earlier time do not count */

    struct rp_load_fifo closed; /* to be opened again */
    struct rp_load_fifo idle;   /* ready, and nothing is due; may have closed since */
    uint32_t opening_count;     /* from connect(2) to the greeting; see rp_load_conn_check */
    uint32_t ready_count;       /* behind EHLO and AUTH, and not closed */
    uint32_t in_flight;         /* messages */
    bool is_stopping;           /* no message is begun any more: say QUIT */
    bool is_dry;                /* the pace has no more messages */

    /* Not before gate_ns is the next connection opened: each failure pushes it on. */
    uint64_t gate_ns;
    uint64_t backoff_ns;
    uint64_t failing_ns;                /* since when none was ready but failed; 0: none did */
    uint32_t early_count;               /* failures of connect(2) before any was ready */
    uint64_t ended_ns;                  /* when the last message ended */
    bool has_been_ready;                /* a connection has, ever */
    bool is_fatal;                      /* the run makes no sense: see reason */
    char reason[RP_LOAD_CONN_TEXT_LEN]; /* why the last connection could not be had */
};

enum rp_load_conn_state {
    RP_LOAD_CONN_CLOSED,
    RP_LOAD_CONN_CONNECTING,
    RP_LOAD_CONN_OPEN,
    RP_LOAD_CONN_CLOSING, /* until the kernel has given back what it holds */
};

struct rp_load_conn {
    int fd;
    uint32_t index;   /* in its crew */
    uint32_t pending; /* requests that the kernel holds */
    uint8_t state;
    bool is_sending;
    bool is_opening;    /* counted in opening_count */
    bool is_ready;      /* counted in ready_count */
    bool is_listed;     /* in crew->idle */
    bool is_deaf;       /* a send failed: the rest of what it says is still read */
    uint64_t opened_ns; /* when connect(2) was asked for */
    uint64_t active_ns; /* when octets of it were taken last, or a whole reply came */
    struct rp_load_dialog dialog;
    struct msghdr header; /* what is being sent */
    struct iovec iov[RP_LOAD_DIALOG_OUT_MAX];
    struct rp_load_reply reply;
};

/* In its first life: closed. `messages`: places for as many as the script's depth. */
void rp_load_conn_init(struct rp_load_conn *conn,
                       uint32_t index,
                       const struct rp_load_script *script,
                       struct rp_load_message *messages);

static inline uint32_t rp_load_conn_index(uint64_t tag)
{
    return (uint32_t)(tag >> 8);
}

/* It must be closed. */
void rp_load_conn_open(struct rp_load_conn *conn, struct rp_load_crew *crew);
void rp_load_conn_complete(struct rp_load_conn *conn,
                           struct rp_load_crew *crew,
                           const struct rp_load_completion *completion);
/* Begin messages that are due, or say QUIT; send what there is. In any state. */
void rp_load_conn_pump(struct rp_load_conn *conn, struct rp_load_crew *crew);
void rp_load_conn_check(struct rp_load_conn *conn, struct rp_load_crew *crew);
/* At the end of a run: keep a sample of what it waits for, if it never got as far as a message. */
void rp_load_conn_tell(const struct rp_load_conn *conn, struct rp_load_crew *crew);

/* Close it now; messages in flight count as `error`, or not at all for COUNT. */
void rp_load_conn_drop(struct rp_load_conn *conn,
                       struct rp_load_crew *crew,
                       enum rp_load_error error);

#endif
