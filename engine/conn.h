/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * conn.h - the connections of a worker: input queue, session, replies, end.
 *
 * conn.c       life cycle, receiving, timers
 * conn_out.c   the queue of replies, in the order of their commands
 * session.c    what the events of the SMTP session mean here
 */
#ifndef CONN_H
#define CONN_H

#include "message.h"
#include "proto/rp_smtp.h"

#include <netinet/in.h>

struct rp_worker;

enum rp_conn_state {
    RP_CONN_FREE,
    RP_CONN_OPEN,      /* commands are read */
    RP_CONN_FINISHING, /* no command is read any more; what is due is still sent */
    RP_CONN_LINGERING, /* all is sent; what the client still sends is dropped, for a while */
    RP_CONN_CLOSING,   /* the last completions; then the slot is free */
};

/* Why a connection's input is left where it is. */
enum rp_conn_block {
    RP_CONN_UNBLOCKED,
    RP_CONN_BLOCKED_OUTPUT,  /* the client does not read its replies */
    RP_CONN_BLOCKED_PENDING, /* too many messages wait for their commit */
    RP_CONN_BLOCKED_BIG,     /* its file is slower than the client */
};

struct rp_conn {
    enum rp_conn_state state;
    enum rp_conn_block block;
    uint32_t generation; /* one more with each connection in this slot that ends */
    int fd;
    uint32_t port; /* the listener */

    bool is_receiving;  /* a multishot receive is armed */
    bool is_cancelling; /* and was asked to end */
    bool is_starved;    /* receiving ended for want of buffers */
    bool is_sending;
    bool is_at_end;        /* the client will send no more */
    bool is_refused;       /* beyond limits.connections: it gets a 421, and does not count */
    bool was_in_body;      /* when the timer was last moved */
    bool is_dirty;         /* in the list of those with something to send */
    uint8_t ops_pending;   /* shutdown, close */
    uint8_t block_count;   /* of replies */
    uint8_t pending_count; /* messages whose reply is waited for */

    uint32_t next_dirty;
    uint32_t next_starved;
    uint32_t input_first, input_last; /* received buffers not yet read to their end */
    uint32_t input_count;
    uint32_t input_off;           /* octets of the first that are read */
    uint32_t out_first, out_last; /* blocks of replies */
    uint32_t message;             /* the transaction's, or RP_NONE */

    const struct rp_config *config; /* the one it began with */
    uint64_t started_ns;
    uint64_t line_count; /* commands seen when the timer was last moved */
    uint64_t body_len;   /* likewise */
    uint8_t helo_len;
    bool is_extended;
    char helo[255];
    char client[INET6_ADDRSTRLEN];
    uint8_t client_len;
    uint16_t client_port;
    struct rp_owner owner; /* the client and its network */
    struct rp_smtp smtp;
};

struct rp_conns {
    struct rp_pool pool;
    uint8_t *lines; /* cut command lines: line_cap octets for each connection */
    uint32_t line_cap;
    uint32_t first_dirty;
    uint32_t first_starved;
    uint32_t open_count;
    uint32_t served_count; /* of those, the ones that are not refused */
};

static inline struct rp_conn *rp_conn_at(const struct rp_conns *conns, uint32_t index)
{
    return rp_pool_at(&conns->pool, index);
}

int rp_conns_open(struct rp_conns *conns, uint32_t count, uint32_t line_cap);
void rp_conns_close(struct rp_conns *conns);

/* ---- conn.c ---- */

/* A new socket of that listener, to be owned. */
void rp_conn_accept(struct rp_worker *worker, uint32_t port, int fd);

/* Completions of RP_OP_RECV, SEND, SHUTDOWN, CLOSE. */
void rp_conn_received(struct rp_worker *worker,
                      uint32_t index,
                      int32_t res,
                      uint32_t buffer,
                      bool has_more);
void rp_conn_sent(struct rp_worker *worker, uint32_t index, int32_t res);
void rp_conn_op_done(struct rp_worker *worker, uint32_t index);

/* Read on, where something that held the connection up is over. */
void rp_conn_resume(struct rp_worker *worker, uint32_t index);

/* Its deadline has passed. */
void rp_conn_timed_out(struct rp_worker *worker, uint32_t index);

/* 421 with this reply to a session between transactions, then close. */
void rp_conn_dismiss(struct rp_worker *worker, uint32_t index, const struct rp_reply *reply);

/* Let go of the message that is gathering, if there is one. */
void rp_conn_drop_transaction(struct rp_worker *worker, struct rp_conn *conn);

/* Read no more; send what is due, then close. */
void rp_conn_finish(struct rp_worker *worker, uint32_t index);

/* It was finishing, and all is sent. */
void rp_conn_through(struct rp_worker *worker, uint32_t index);

/* It left the list of dirty ones while closing. */
void rp_conn_undirty(struct rp_worker *worker, uint32_t index);

/* Close without another word. */
void rp_conn_abort(struct rp_worker *worker, uint32_t index);

/* Nothing is under way: no transaction, no message without its reply. */
bool rp_conn_is_idle(const struct rp_conn *conn);

/* Buffers are free again: receive on those that were starved. */
void rp_conns_feed_starved(struct rp_worker *worker);

/* No buffer is free, nothing is about to free one, and connections wait for one: move
 * half-read bodies to files, so that they cannot wait for each other. */
void rp_conns_relieve(struct rp_worker *worker);

/* ---- conn_out.c ---- */

/* The block that replies are appended to, with room for one more; NULL: there is no room. */
struct rp_block *rp_conn_out_block(struct rp_worker *worker, struct rp_conn *conn);

/* Append a reply; where there is no room the connection is aborted. */
void rp_conn_put_reply(struct rp_worker *worker, uint32_t index, const struct rp_reply *reply);

/* Keep this place among the replies for a message's. False: no room. */
bool rp_conn_reserve_reply(struct rp_worker *worker,
                           struct rp_conn *conn,
                           struct rp_message *message);

/* It has messages that wait for their commit, RP_PENDING_MAX or more than leave every other
 * connection its next one: nothing more is read. */
bool rp_conn_must_await(const struct rp_worker *worker, const struct rp_conn *conn);

/* The message's connection is still there and waits for its reply. */
bool rp_conn_awaits(const struct rp_worker *worker, const struct rp_message *message);

/* The reply to a message is known: `failure`, or NULL for "250 queued as message->id". */
void rp_conn_message_done(struct rp_worker *worker,
                          const struct rp_message *message,
                          const struct rp_reply *failure);

/* So many octets of the first block have left. */
void rp_conn_out_sent(struct rp_worker *worker, struct rp_conn *conn, uint32_t len);

/* There is something to send, or to finish: look at it at the end of this round. */
void rp_conn_mark_dirty(struct rp_worker *worker, uint32_t index);

/* Send what may be sent, on all connections marked; finish those that are through. */
void rp_conns_flush(struct rp_worker *worker);

/* Give back all blocks. */
void rp_conn_out_drop(struct rp_worker *worker, struct rp_conn *conn);

/* ---- session.c ---- */

/* Read commands and body from the input queue until it is empty or the connection is held up. */
void rp_session_run(struct rp_worker *worker, uint32_t index);

#endif
