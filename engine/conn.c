/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * conn.c - see conn.h: life cycle, receiving, timers.
 */
#include "conn.h"

#include "log.h"
#include "worker_impl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static const struct rp_reply reply_too_many = {421, "4.3.2",
                                               "Too many connections, try again later"};
static const struct rp_reply reply_timeout = {421, "4.4.2", "Error: timeout exceeded"};

int rp_conns_open(struct rp_conns *conns, uint32_t count, uint32_t line_cap)
{
    *conns =
        (struct rp_conns){.line_cap = line_cap, .first_dirty = RP_NONE, .first_starved = RP_NONE};
    int err = rp_pool_open(&conns->pool, sizeof(struct rp_conn), count);
    if (err < 0) {
        return err;
    }
    void *lines = mmap(NULL, (size_t)count * line_cap, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (lines == MAP_FAILED) {
        rp_pool_close(&conns->pool);
        return -ENOMEM;
    }
    conns->lines = lines;
    return 0;
}

void rp_conns_close(struct rp_conns *conns)
{
    if (conns->lines != NULL) {
        (void)munmap(conns->lines, (size_t)conns->pool.count * conns->line_cap);
    }
    rp_pool_close(&conns->pool);
    *conns = (struct rp_conns){0};
}

/* ---- timers ---- */

static uint64_t session_end_ns(const struct rp_conn *conn)
{
    uint64_t limit = conn->config->timeout_session_ns;
    return limit == 0 ? RP_TIMER_NEVER : conn->started_ns + limit;
}

/* Wait for the client from now on. */
static void restart_timer(struct rp_worker *worker, uint32_t index)
{
    const struct rp_conn *conn = rp_conn_at(&worker->conns, index);
    uint64_t idle =
        conn->smtp.in_body ? conn->config->timeout_data_ns : conn->config->timeout_command_ns;
    uint64_t deadline = rp_io_now_ns(worker->io) + idle;
    uint64_t session_end = session_end_ns(conn);
    rp_timer_set(&worker->timers, index, deadline < session_end ? deadline : session_end);
}

/* A command that was read to its end, or octets of a body, are what moves the timer: not
 * single octets of a command line. */
static void note_progress(struct rp_worker *worker, uint32_t index)
{
    struct rp_conn *conn = rp_conn_at(&worker->conns, index);
    if (conn->smtp.line_count != conn->line_count || conn->smtp.body_len != conn->body_len ||
        conn->smtp.in_body != conn->was_in_body) {
        conn->line_count = conn->smtp.line_count;
        conn->body_len = conn->smtp.body_len;
        conn->was_in_body = conn->smtp.in_body;
        restart_timer(worker, index);
    }
}

/* ---- input ---- */

static void drop_input(struct rp_worker *worker, struct rp_conn *conn)
{
    while (conn->input_first != RP_NONE) {
        uint32_t buffer = conn->input_first;
        conn->input_first = rp_bufpool_buf(&worker->store.buffers, buffer)->next;
        rp_bufpool_release(&worker->store.buffers, buffer);
    }
    conn->input_last = RP_NONE;
    conn->input_count = 0;
    conn->input_off = 0;
}

void rp_conn_drop_transaction(struct rp_worker *worker, struct rp_conn *conn)
{
    if (conn->message != RP_NONE) {
        rp_big_abort(worker, rp_message_at(&worker->store, conn->message));
        rp_message_drop(&worker->store, conn->message);
        conn->message = RP_NONE;
    }
}

static void unlink_starved(struct rp_worker *worker, uint32_t index)
{
    uint32_t *place = &worker->conns.first_starved;
    while (*place != index) {
        place = &rp_conn_at(&worker->conns, *place)->next_starved;
    }
    struct rp_conn *conn = rp_conn_at(&worker->conns, index);
    *place = conn->next_starved;
    conn->is_starved = false;
}

static void arm(struct rp_worker *worker, uint32_t index)
{
    struct rp_conn *conn = rp_conn_at(&worker->conns, index);
    conn->is_receiving = true;
    rp_io_recv(worker->io, rp_op_tag(RP_OP_RECV, index), conn->fd);
}

/* Arm or pause receiving, as the state of things asks for. */
static void adjust_receiving(struct rp_worker *worker, uint32_t index)
{
    struct rp_conn *conn = rp_conn_at(&worker->conns, index);
    bool is_wanted =
        conn->state == RP_CONN_OPEN && (conn->block == RP_CONN_UNBLOCKED || conn->input_count == 0);
    is_wanted |= conn->state == RP_CONN_LINGERING;
    if (is_wanted && !conn->is_receiving && !conn->is_starved && !conn->is_at_end) {
        arm(worker, index);
    }
    bool is_too_much = conn->state == RP_CONN_OPEN && conn->block != RP_CONN_UNBLOCKED &&
                       conn->input_count >= RP_INPUT_BUFFERS_MAX;
    if (is_too_much && conn->is_receiving && !conn->is_cancelling) {
        conn->is_cancelling = true;
        rp_stats_add(&worker->stats.recv_paused, 1);
        rp_io_cancel(worker->io, rp_op_tag(RP_OP_RECV, index));
    }
}

/* ---- end ---- */

static void count_served(struct rp_worker *worker, int change)
{
    worker->conns.served_count += (uint32_t)change;
    atomic_store_explicit(&worker->stats.connections_open, worker->conns.served_count,
                          memory_order_relaxed);
}

/* The slot is free once the kernel has nothing of it in hand. */
static void free_if_through(struct rp_worker *worker, uint32_t index)
{
    struct rp_conn *conn = rp_conn_at(&worker->conns, index);
    if (conn->is_receiving || conn->is_sending || conn->ops_pending > 0) {
        return;
    }
    if (conn->fd >= 0) {
        rp_conn_out_drop(worker, conn);
        conn->ops_pending++;
        rp_io_close_fd(worker->io, rp_op_tag(RP_OP_CLOSE, index), conn->fd);
        conn->fd = -1;
        return;
    }
    if (conn->is_dirty) {
        return; /* at the end of this round */
    }
    conn->state = RP_CONN_FREE;
    rp_config_release(conn->config);
    worker->conns.open_count--;
    count_served(worker, conn->is_refused ? 0 : -1);
    rp_pool_give(&worker->conns.pool, index);
}

static void close_conn(struct rp_worker *worker, uint32_t index)
{
    struct rp_conn *conn = rp_conn_at(&worker->conns, index);
    if (conn->state == RP_CONN_CLOSING) {
        return;
    }
    if (conn->is_starved) {
        unlink_starved(worker, index);
    }
    conn->state = RP_CONN_CLOSING;
    conn->generation++; /* no reply finds it from here on */
    conn->pending_count = 0;
    rp_conn_drop_transaction(worker, conn);
    drop_input(worker, conn);
    rp_timer_set(&worker->timers, index, RP_TIMER_NEVER);
    if (conn->is_receiving || conn->is_sending) {
        conn->ops_pending++;
        rp_io_shutdown(worker->io, rp_op_tag(RP_OP_SHUTDOWN, index), conn->fd, SHUT_RDWR);
    }
    free_if_through(worker, index);
}

void rp_conn_abort(struct rp_worker *worker, uint32_t index)
{
    close_conn(worker, index);
}

void rp_conn_finish(struct rp_worker *worker, uint32_t index)
{
    struct rp_conn *conn = rp_conn_at(&worker->conns, index);
    if (conn->state != RP_CONN_OPEN) {
        return;
    }
    conn->state = RP_CONN_FINISHING;
    rp_conn_drop_transaction(worker, conn);
    drop_input(worker, conn);
    rp_timer_set(&worker->timers, index,
                 rp_io_now_ns(worker->io) + conn->config->timeout_command_ns);
    rp_conn_mark_dirty(worker, index);
}

void rp_conn_through(struct rp_worker *worker, uint32_t index)
{
    struct rp_conn *conn = rp_conn_at(&worker->conns, index);
    assert(conn->state == RP_CONN_FINISHING && !conn->is_sending);
    if (conn->is_at_end || conn->is_refused) {
        close_conn(worker, index); /* one that was refused at once has hardly sent anything */
        return;
    }
    conn->state = RP_CONN_LINGERING;
    conn->ops_pending++;
    rp_io_shutdown(worker->io, rp_op_tag(RP_OP_SHUTDOWN, index), conn->fd, SHUT_WR);
    rp_timer_set(&worker->timers, index, rp_io_now_ns(worker->io) + RP_LINGER_NS);
    adjust_receiving(worker, index);
}

void rp_conn_dismiss(struct rp_worker *worker, uint32_t index, const struct rp_reply *reply)
{
    struct rp_conn *conn = rp_conn_at(&worker->conns, index);
    if (conn->state == RP_CONN_OPEN) {
        rp_conn_put_reply(worker, index, reply);
        rp_conn_finish(worker, index);
    }
}

bool rp_conn_is_idle(const struct rp_conn *conn)
{
    return conn->message == RP_NONE && !conn->smtp.in_body && conn->pending_count == 0 &&
           conn->input_count == 0;
}

void rp_conn_timed_out(struct rp_worker *worker, uint32_t index)
{
    struct rp_conn *conn = rp_conn_at(&worker->conns, index);
    uint64_t now_ns = rp_io_now_ns(worker->io);
    switch (conn->state) {
    case RP_CONN_OPEN: {
        bool is_our_turn =
            conn->pending_count > 0 || conn->block == RP_CONN_BLOCKED_BIG || conn->is_starved;
        if (is_our_turn && !conn->is_sending && now_ns < session_end_ns(conn)) {
            restart_timer(worker, index);
            return;
        }
        if (conn->is_starved) {
            rp_timer_set(&worker->timers, index, now_ns + RP_RETRY_NS); /* first read what came */
            return;
        }
        rp_stats_add(&worker->stats.timeouts, 1);
        rp_conn_dismiss(worker, index, &reply_timeout);
        rp_timer_set(&worker->timers, index, now_ns + RP_LINGER_NS);
        return;
    }
    case RP_CONN_FINISHING:
        if (conn->pending_count > 0 && !conn->is_sending) {
            rp_timer_set(&worker->timers, index, now_ns + conn->config->timeout_command_ns);
            return;
        }
        close_conn(worker, index);
        return;
    case RP_CONN_LINGERING: close_conn(worker, index); return;
    case RP_CONN_CLOSING:
    case RP_CONN_FREE: return;
    }
}

/* ---- beginning ---- */

#define MAPPED_PREFIX_LEN 12 /* octets of ::ffff: before the IPv4 address */

static void set_client(struct rp_worker *worker, struct rp_conn *conn)
{
    struct sockaddr_storage peer = {0};
    conn->client_port = 0;
    const char *text = "unknown";
    int err = rp_io_peer(worker->io, conn->fd, &peer);
    if (err == 0 && peer.ss_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, &peer, sizeof(in));
        conn->client_port = ntohs(in.sin_port);
        text = inet_ntop(AF_INET, &in.sin_addr, conn->client, sizeof(conn->client));
    } else if (err == 0 && peer.ss_family == AF_INET6) {
        struct sockaddr_in6 in;
        memcpy(&in, &peer, sizeof(in));
        conn->client_port = ntohs(in.sin6_port);
        /* An IPv4 client of a listener for both families (RFC 4291, 2.5.5.2): as any other. */
        bool is_ipv4 = IN6_IS_ADDR_V4MAPPED(&in.sin6_addr);
        text = inet_ntop(is_ipv4 ? AF_INET : AF_INET6,
                         in.sin6_addr.s6_addr + (is_ipv4 ? MAPPED_PREFIX_LEN : 0), conn->client,
                         sizeof(conn->client));
    } else if (err == 0 && peer.ss_family == AF_UNIX) {
        text = "unix";
    }
    if (text != conn->client) {
        memcpy(conn->client, text, strlen(text) + 1);
    }
    conn->client_len = (uint8_t)strlen(conn->client);
    uint64_t seed;
    memcpy(&seed, worker->dir->identity, sizeof(seed)); /* random, and no client knows it */
    conn->owner = rp_owner_of(&peer, seed);
}

static uint64_t open_everywhere(const struct rp_worker *worker)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < worker->peer_count; i++) {
        sum +=
            atomic_load_explicit(&worker->peers[i]->stats.connections_open, memory_order_relaxed);
    }
    return sum;
}

void rp_conn_accept(struct rp_worker *worker, uint32_t port, int fd)
{
    struct rp_conns *conns = &worker->conns;
    uint32_t index = rp_pool_take(&conns->pool);
    rp_stats_add(&worker->stats.connections, 1);
    if (index == RP_NONE) {
        rp_stats_add(&worker->stats.connections_refused, 1);
        rp_io_close_fd(worker->io, rp_op_tag(RP_OP_IGNORE, 0), fd);
        return;
    }
    bool is_too_many = open_everywhere(worker) >= worker->config->limit_connections ||
                       (worker->fd_limit > 0 && fd >= worker->fd_limit);
    struct rp_conn *conn = rp_conn_at(conns, index);
    uint32_t generation = conn->generation;
    memset(conn, 0, offsetof(struct rp_conn, smtp));
    conn->generation = generation;
    conn->state = RP_CONN_OPEN;
    conn->fd = fd;
    conn->port = port;
    conn->input_first = conn->input_last = RP_NONE;
    conn->out_first = conn->out_last = RP_NONE;
    conn->message = RP_NONE;
    conn->config = worker->config;
    rp_config_hold(conn->config);
    conn->started_ns = rp_io_now_ns(worker->io);
    conn->is_refused = is_too_many;
    conns->open_count++;
    count_served(worker, is_too_many ? 0 : 1);
    rp_smtp_init(&conn->smtp, &conn->config->smtp, conns->lines + (size_t)index * conns->line_cap,
                 conns->line_cap);
    restart_timer(worker, index);
    if (is_too_many) {
        rp_stats_add(&worker->stats.connections_refused, 1);
        rp_conn_dismiss(worker, index, &reply_too_many);
        return;
    }
    set_client(worker, conn);
    struct rp_block *block = rp_conn_out_block(worker, conn);
    if (block == NULL) {
        close_conn(worker, index);
        return;
    }
    struct rp_reply_out out = {.ptr = block->data, .len = block->end, .cap = RP_BLOCK_DATA_LEN};
    rp_smtp_greet(&conn->smtp, &out);
    block->end = (uint16_t)out.len;
    rp_conn_mark_dirty(worker, index);
    arm(worker, index);
}

/* ---- completions ---- */

static void run(struct rp_worker *worker, uint32_t index)
{
    struct rp_conn *conn = rp_conn_at(&worker->conns, index);
    if (conn->state == RP_CONN_OPEN) {
        rp_session_run(worker, index);
    }
    if (conn->state == RP_CONN_OPEN) {
        note_progress(worker, index);
    }
    adjust_receiving(worker, index);
}

void rp_conn_resume(struct rp_worker *worker, uint32_t index)
{
    if (rp_conn_at(&worker->conns, index)->state == RP_CONN_OPEN) {
        run(worker, index);
    }
}

static void take_buffer(struct rp_worker *worker, uint32_t index, uint32_t buffer, uint32_t len)
{
    struct rp_conn *conn = rp_conn_at(&worker->conns, index);
    if (conn->state != RP_CONN_OPEN) {
        rp_bufpool_release(&worker->store.buffers, buffer);
        return;
    }
    struct rp_buf *buf = rp_bufpool_buf(&worker->store.buffers, buffer);
    buf->len = len;
    buf->next = RP_NONE;
    if (conn->input_last == RP_NONE) {
        conn->input_first = buffer;
    } else {
        rp_bufpool_buf(&worker->store.buffers, conn->input_last)->next = buffer;
    }
    conn->input_last = buffer;
    conn->input_count++;
}

static void starve(struct rp_worker *worker, uint32_t index)
{
    struct rp_conn *conn = rp_conn_at(&worker->conns, index);
    rp_stats_add(&worker->stats.recv_starved, 1);
    conn->is_starved = true;
    conn->next_starved = worker->conns.first_starved;
    worker->conns.first_starved = index;
}

void rp_conn_received(struct rp_worker *worker,
                      uint32_t index,
                      int32_t res,
                      uint32_t buffer,
                      bool has_more)
{
    struct rp_conn *conn = rp_conn_at(&worker->conns, index);
    assert(conn->state != RP_CONN_FREE && conn->is_receiving);
    if (!has_more) {
        conn->is_receiving = conn->is_cancelling = false;
    }
    if (res > 0) {
        take_buffer(worker, index, buffer, (uint32_t)res);
    } else if (res == 0) {
        conn->is_at_end = true;
    }
    if (conn->state == RP_CONN_CLOSING) {
        free_if_through(worker, index);
        return;
    }
    bool is_passing = res == -ENOBUFS || res == -ECANCELED || res == -EINTR || res == -EAGAIN;
    if (res == -ENOBUFS) {
        starve(worker, index);
    } else if (res < 0 && !is_passing) {
        close_conn(worker, index); /* ECONNRESET, ETIMEDOUT, EHOSTUNREACH, ...: it is gone */
        return;
    }
    if (res == 0 && conn->state == RP_CONN_LINGERING) {
        close_conn(worker, index);
        return;
    }
    run(worker, index);
}

void rp_conn_sent(struct rp_worker *worker, uint32_t index, int32_t res)
{
    struct rp_conn *conn = rp_conn_at(&worker->conns, index);
    assert(conn->is_sending);
    conn->is_sending = false;
    if (conn->state == RP_CONN_CLOSING) {
        free_if_through(worker, index);
        return;
    }
    if (res < 0 && res != -EINTR && res != -EAGAIN) {
        close_conn(worker, index); /* EPIPE, ECONNRESET, ...: nobody reads any more */
        return;
    }
    rp_conn_out_sent(worker, conn, res > 0 ? (uint32_t)res : 0);
    rp_conn_mark_dirty(worker, index);
    if (conn->block == RP_CONN_BLOCKED_OUTPUT) {
        rp_conn_resume(worker, index);
    }
}

void rp_conn_op_done(struct rp_worker *worker, uint32_t index)
{
    struct rp_conn *conn = rp_conn_at(&worker->conns, index);
    assert(conn->ops_pending > 0);
    conn->ops_pending--;
    if (conn->state == RP_CONN_CLOSING) {
        free_if_through(worker, index);
    }
}

void rp_conn_undirty(struct rp_worker *worker, uint32_t index)
{
    struct rp_conn *conn = rp_conn_at(&worker->conns, index);
    conn->is_dirty = false;
    if (conn->state == RP_CONN_CLOSING) {
        free_if_through(worker, index);
    }
}

/* ---- memory ---- */

void rp_conns_feed_starved(struct rp_worker *worker)
{
    uint32_t room = rp_pool_free_count(&worker->store.buffers.pool) +
                    (RP_BUFFERS_LENT - rp_io_buffer_room(worker->io));
    while (worker->conns.first_starved != RP_NONE && room-- > 0) {
        uint32_t index = worker->conns.first_starved;
        unlink_starved(worker, index);
        adjust_receiving(worker, index);
    }
}

/* Give a half-read body a file. */
static bool spill(struct rp_worker *worker, const struct rp_conn *conn)
{
    if (conn->state != RP_CONN_OPEN || conn->message == RP_NONE) {
        return false;
    }
    struct rp_message *message = rp_message_at(&worker->store, conn->message);
    if (message->slices.len == 0 || message->failure != NULL) {
        return false;
    }
    if (message->big == RP_NONE && !rp_big_begin(worker, conn->message)) {
        return false;
    }
    rp_big_more(worker, message);
    return true;
}

void rp_conns_relieve(struct rp_worker *worker)
{
    uint32_t spilled = 0;
    for (uint32_t i = 0; i < worker->conns.pool.fresh && spilled < RP_BUFFERS_LENT; i++) {
        spilled += spill(worker, rp_conn_at(&worker->conns, i));
    }
    if (spilled > 0) {
        return;
    }
    /* What is held now is held by clients that do not read their replies. */
    for (uint32_t i = 0; i < worker->conns.pool.fresh; i++) {
        const struct rp_conn *conn = rp_conn_at(&worker->conns, i);
        if (conn->state == RP_CONN_OPEN && conn->block == RP_CONN_BLOCKED_OUTPUT) {
            close_conn(worker, i);
        }
    }
}
