/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * worker.c - the loop of a worker: completions in, then commits, sends and timers.
 *
 * A round: wait; hand every completion to whom it concerns; start the next commit;
 * send what is due on the connections that were touched; lend buffers. What a round
 * asks for goes to the kernel in one system call, the next wait.
 */
#include "worker.h"

#include "log.h"
#include "worker_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- opening and closing ---- */

static int open_parts(struct rp_worker *worker, const struct rp_worker_options *options)
{
    const struct rp_config *config = options->config;
    uint32_t conn_count = config->limit_connections + RP_REFUSALS_MAX;
    uint32_t message_count = 2 * conn_count + 4096;
    uint32_t reply_blocks = (RP_OUT_BLOCKS_MAX + RP_PENDING_MAX + 1) * conn_count;
    uint64_t buffer_octets = config->limit_memory / options->worker_count;
    int err = rp_message_store_open(&worker->store, buffer_octets, message_count, reply_blocks,
                                    &worker->stats);
    if (err == 0) {
        err = rp_conns_open(&worker->conns, conn_count,
                            config->smtp.command_line_max + RP_SMTP_LINE_EXTRA);
    }
    if (err == 0) {
        err = rp_timer_open(&worker->timers, conn_count, rp_io_now_ns(worker->io));
    }
    if (err == 0) {
        err = rp_pool_open(&worker->bigs.pool, sizeof(struct rp_big), conn_count);
    }
    worker->ports = calloc(options->listener_count, sizeof(*worker->ports));
    if (err == 0 && worker->ports == NULL) {
        err = -ENOMEM;
    }
    return err;
}

int rp_worker_open(const struct rp_worker_options *options,
                   struct rp_worker **worker_out,
                   char *error,
                   size_t error_len)
{
    struct rp_worker *worker = aligned_alloc(64, (sizeof(*worker) + 63) / 64 * 64);
    if (worker == NULL) {
        (void)snprintf(error, error_len, "out of memory");
        return -ENOMEM;
    }
    memset(worker, 0, sizeof(*worker));
    worker->config = options->config;
    worker->dir = options->dir;
    worker->lane_number = options->lane;
    worker->fd_limit = options->fd_limit;
    worker->accept_retry_ns = UINT64_MAX;
    struct rp_io_options io_options = {.request_count = RP_RING_REQUESTS,
                                       .buffer_count = RP_BUFFERS_LENT,
                                       .buffer_size = RP_BUFFER_SIZE};
    int err = rp_io_open(&io_options, &worker->io, error, error_len);
    if (err < 0) {
        free(worker);
        return err;
    }
    err = rp_lane_init(worker);
    err = err == 0 ? open_parts(worker, options) : err;
    if (err < 0) {
        (void)snprintf(error, error_len,
                       "out of memory; lower limits.memory or limits.connections");
        rp_worker_close(worker);
        return err;
    }
    worker->bigs.dir_fd = options->dir->big_fd;
    worker->bigs.next_id = rp_io_wall_ns(worker->io);
    worker->bigs.dir_waiting = worker->bigs.dir_syncing = RP_NONE;
    worker->bigs.queue_first = worker->bigs.queue_last = RP_NONE;
    worker->port_count = options->listener_count;
    for (uint32_t i = 0; i < options->listener_count; i++) {
        worker->ports[i] = (struct rp_worker_port){.fd = options->listeners[i].fd,
                                                   .name = options->listeners[i].name};
    }
    *worker_out = worker;
    return 0;
}

static void close_sockets(struct rp_worker *worker)
{
    for (uint32_t i = 0; i < worker->conns.pool.fresh; i++) {
        struct rp_conn *conn = rp_conn_at(&worker->conns, i);
        if (conn->state != RP_CONN_FREE && conn->fd >= 0) {
            rp_io_abandon_fd(worker->io, conn->fd);
        }
    }
}

void rp_worker_close(struct rp_worker *worker)
{
    if (worker == NULL) {
        return;
    }
    close_sockets(worker);
    rp_io_close(worker->io);
    rp_lane_close(worker);
    if (worker->bigs.pool.memory != NULL) {
        rp_bigs_close(worker);
    }
    rp_timer_close(&worker->timers);
    rp_conns_close(&worker->conns);
    rp_message_store_close(&worker->store);
    free(worker->ports);
    free(worker);
}

/* ---- orders from other threads ---- */

int rp_worker_tell(struct rp_worker *worker, struct rp_io *from, enum rp_worker_order order)
{
    return rp_io_post(from, worker->io, rp_op_tag(RP_OP_ORDER, (uint32_t)order), 0);
}

const struct rp_config *rp_worker_offer_config(struct rp_worker *worker,
                                               const struct rp_config *config)
{
    return atomic_exchange_explicit(&worker->offered, config, memory_order_acq_rel);
}

static void take_config(struct rp_worker *worker)
{
    const struct rp_config *config =
        atomic_exchange_explicit(&worker->offered, NULL, memory_order_acq_rel);
    if (config != NULL) {
        rp_config_release(worker->config);
        worker->config = config;
    }
}

void rp_worker_set_peers(struct rp_worker *worker, struct rp_worker *const *peers, uint32_t count)
{
    worker->peers = peers;
    worker->peer_count = count;
}

const struct rp_stats *rp_worker_stats(const struct rp_worker *worker)
{
    return &worker->stats;
}

static const struct rp_reply shutting_down = {421, "4.3.2", "Service shutting down"};

static void begin_drain(struct rp_worker *worker)
{
    if (worker->is_draining) {
        return;
    }
    worker->is_draining = true;
    worker->accept_retry_ns = UINT64_MAX;
    worker->drain_end_ns = rp_io_now_ns(worker->io) + worker->config->drain_timeout_ns;
    for (uint32_t i = 0; i < worker->port_count; i++) {
        if (worker->ports[i].is_armed) {
            rp_io_cancel(worker->io, rp_op_tag(RP_OP_ACCEPT, i));
        }
        /* It listens no more: who connects now is refused, and goes elsewhere. */
        rp_io_shutdown(worker->io, rp_op_tag(RP_OP_IGNORE, 0), worker->ports[i].fd, SHUT_RD);
    }
    for (uint32_t i = 0; i < worker->conns.pool.fresh; i++) {
        const struct rp_conn *conn = rp_conn_at(&worker->conns, i);
        if (conn->state == RP_CONN_OPEN && rp_conn_is_idle(conn)) {
            rp_conn_dismiss(worker, i, &shutting_down);
        }
    }
}

/* drain_timeout is over: a last word to those that are not through, and a moment for it. */
static void end_drain(struct rp_worker *worker)
{
    if (worker->is_drain_over) {
        worker->is_stopping = true;
        return;
    }
    worker->is_drain_over = true;
    worker->drain_end_ns += RP_LINGER_NS;
    for (uint32_t i = 0; i < worker->conns.pool.fresh; i++) {
        rp_conn_dismiss(worker, i, &shutting_down);
    }
}

static void on_order(struct rp_worker *worker, enum rp_worker_order order)
{
    switch (order) {
    case RP_WORKER_DRAIN: begin_drain(worker); break;
    case RP_WORKER_STOP: worker->is_stopping = true; break;
    case RP_WORKER_RELOAD: take_config(worker); break;
    }
}

/* ---- accepting ---- */

static void arm_accepts(struct rp_worker *worker)
{
    worker->accept_retry_ns = UINT64_MAX;
    for (uint32_t i = 0; i < worker->port_count; i++) {
        if (!worker->ports[i].is_armed) {
            worker->ports[i].is_armed = true;
            rp_io_accept(worker->io, rp_op_tag(RP_OP_ACCEPT, i), worker->ports[i].fd);
        }
    }
}

static void on_accept(struct rp_worker *worker, const struct rp_io_completion *completion)
{
    uint32_t port = rp_op_slot(completion->tag);
    worker->ports[port].is_armed = completion->has_more;
    if (completion->res >= 0) {
        rp_conn_accept(worker, port, completion->res);
    } else if (!worker->is_draining && completion->res != -ECANCELED &&
               completion->res != -ECONNABORTED) {
        rp_log(RP_CONFIG_LOG_WARNING, "cannot accept on %s: %s", worker->ports[port].name,
               strerror(-completion->res));
    }
    if (!completion->has_more && !worker->is_draining) {
        /* EMFILE, ENFILE, ENOBUFS, ENOMEM pass; and a multishot may end at any time. */
        uint64_t pause = completion->res < 0 ? RP_RETRY_NS : 0;
        worker->accept_retry_ns = rp_io_now_ns(worker->io) + pause;
    }
}

/* ---- the loop ---- */

static void dispatch(struct rp_worker *worker, const struct rp_io_completion *completion)
{
    uint32_t slot = rp_op_slot(completion->tag);
    int32_t res = completion->res;
    switch (rp_op_of(completion->tag)) {
    case RP_OP_ACCEPT: on_accept(worker, completion); break;
    case RP_OP_RECV:
        rp_conn_received(worker, slot, res, completion->buffer, completion->has_more);
        break;
    case RP_OP_SEND: rp_conn_sent(worker, slot, res); break;
    case RP_OP_SHUTDOWN:
    case RP_OP_CLOSE: rp_conn_op_done(worker, slot); break;
    case RP_OP_COMMIT: rp_lane_completed(worker, res); break;
    case RP_OP_SEGMENT: rp_lane_segment_step(worker, res); break;
    case RP_OP_RETIRE: rp_lane_retired(worker, res); break;
    case RP_OP_BIG_OPEN:
    case RP_OP_BIG_WRITE:
    case RP_OP_BIG_SYNC:
    case RP_OP_BIG_CLOSE:
    case RP_OP_BIG_UNLINK:
    case RP_OP_BIG_DIR: rp_big_completed(worker, completion->tag, res); break;
    case RP_OP_ORDER: on_order(worker, (enum rp_worker_order)slot); break;
    case RP_OP_IGNORE: break;
    case RP_OP_COUNT: assert(false && "no operation");
    }
}

static void lend_buffers(struct rp_worker *worker)
{
    struct rp_bufpool *buffers = &worker->store.buffers;
    for (uint32_t room = rp_io_buffer_room(worker->io); room > 0; room--) {
        uint32_t buffer = rp_bufpool_take(buffers);
        if (buffer == RP_NONE) {
            break;
        }
        rp_io_give_buffer(worker->io, buffer, rp_bufpool_ptr(buffers, buffer));
    }
}

static void mind_memory(struct rp_worker *worker)
{
    lend_buffers(worker);
    if (worker->conns.first_starved == RP_NONE) {
        return;
    }
    rp_conns_feed_starved(worker);
    bool is_help_coming = !rp_lane_is_idle(&worker->lane) || worker->bigs.busy_count > 0;
    if (worker->conns.first_starved != RP_NONE && !is_help_coming) {
        rp_conns_relieve(worker);
    }
}

/*
 * Note until when all is heard: what had come by then is read. The kernel hands out what has come a
 * few requests a round, in order; so that is known when a round brings nothing, or after as many
 * rounds as all connections may take.
 */
static void note_heard(struct rp_worker *worker, bool is_quiet)
{
    if (!is_quiet && worker->rounds_to_hear > 0) {
        worker->rounds_to_hear--;
        return;
    }
    worker->heard_ns = worker->listening_ns;
    worker->listening_ns = rp_io_now_ns(worker->io);
    worker->rounds_to_hear = worker->conns.open_count / RP_ROUND_REQUESTS_MIN + 1;
}

/* The limits of clients end by heard_ns, not by the clock: after a pause (SIGSTOP, a suspended
 * virtual machine) the clock is beyond them, and what came in time still lies in the sockets. */
static void mind_timers(struct rp_worker *worker)
{
    uint64_t now_ns = rp_io_now_ns(worker->io);
    uint32_t index;
    while ((index = rp_timer_expire(&worker->timers, worker->heard_ns)) != RP_NONE) {
        rp_conn_timed_out(worker, index);
    }
    if (now_ns >= worker->accept_retry_ns) {
        arm_accepts(worker);
    }
    if (now_ns >= rp_segment_maker_retry_ns(&worker->lane.maker)) {
        rp_lane_prepare(worker);
    }
    if (worker->is_draining && worker->heard_ns >= worker->drain_end_ns) {
        end_drain(worker);
    }
}

static uint64_t next_deadline_ns(const struct rp_worker *worker)
{
    uint64_t next = rp_timer_next_ns(&worker->timers);
    uint64_t segment = rp_segment_maker_retry_ns(&worker->lane.maker);
    uint64_t others[] = {worker->accept_retry_ns, segment,
                         worker->is_draining ? worker->drain_end_ns : UINT64_MAX};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        next = others[i] < next ? others[i] : next;
    }
    return next;
}

static bool is_done(struct rp_worker *worker)
{
    if (worker->is_stopping) {
        return true;
    }
    for (uint32_t i = 0; i < worker->port_count; i++) {
        if (worker->ports[i].is_armed) {
            return false; /* a connection may be on its way out of the queue */
        }
    }
    return worker->is_draining && worker->conns.open_count == 0 && rp_lane_is_idle(&worker->lane) &&
           rp_lane_finish(worker);
}

int rp_worker_run(struct rp_worker *worker)
{
    if (worker->peers == NULL) {
        worker->peers = &worker->self;
        worker->self = worker;
        worker->peer_count = 1;
    }
    rp_lane_prepare(worker);
    arm_accepts(worker);
    while (!is_done(worker)) {
        do {
            rp_lane_pump(worker);
            rp_conns_flush(worker);
            rp_lane_pump(worker); /* a connection that was held up may have brought a message */
        } while (worker->conns.first_dirty != RP_NONE);
        mind_memory(worker);
        int err = rp_io_wait(worker->io, next_deadline_ns(worker));
        if (err < 0) {
            return err;
        }
        struct rp_io_completion completion;
        bool is_quiet = true;
        while (rp_io_next(worker->io, &completion)) {
            dispatch(worker, &completion);
            is_quiet = false;
        }
        note_heard(worker, is_quiet);
        mind_timers(worker);
    }
    return rp_io_wait(worker->io, 0); /* what was asked for last goes out, too */
}
