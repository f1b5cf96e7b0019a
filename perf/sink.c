/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sink.c - the floor's ring and connections.
 *
 * Work is done in rounds: all completions that are there, then one look at each connection
 * that something happened to. So a connection gets at most one send a round, whatever number
 * of commands came, and one log commit serves all messages that ended in the round and while
 * the commit before was under way.
 */
#include "sink_impl.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Buffers that a connection may keep before it is no longer received from. */
#define HELD_MAX 32u

/* What a completion belongs to: the low octet of its user data; above it the connection. */
enum tag {
    TAG_LOG_WRITE = RP_SINK_LOG_WRITE,
    TAG_LOG_SYNC = RP_SINK_LOG_SYNC,
    TAG_ACCEPT,
    TAG_RECV,
    TAG_SEND,
    TAG_STOP,
    TAG_NOBODY, /* cancels and closes: nothing hangs on how they end */
};

uint16_t rp_sink_port(const struct rp_sink *sink)
{
    return sink->port;
}

void rp_sink_get_counts(const struct rp_sink *sink, struct rp_sink_counts *counts_out)
{
    *counts_out = sink->counts;
    counts_out->commits = sink->log.commits;
}

/* ---- requests ---- */

static struct io_uring_sqe *next_request(struct rp_sink *sink)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&sink->ring);
    while (sqe == NULL) {
        int err = io_uring_submit(&sink->ring);
        assert(err >= 0 || err == -EINTR || err == -EBUSY || err == -EAGAIN);
        sqe = io_uring_get_sqe(&sink->ring);
    }
    return sqe;
}

/* Behind the prep call, which may clear it. */
static void set_tag(struct io_uring_sqe *sqe, enum tag tag, uint32_t index)
{
    io_uring_sqe_set_data64(sqe, (uint64_t)index << 8 | tag);
}

static void list_add(struct rp_sink *sink, enum rp_sink_list_name name, uint32_t index)
{
    struct rp_sink_list *list = &sink->lists[name];
    assert(list->count < sink->options.connections_max);
    list->items[list->count++] = index;
}

static void touch(struct rp_sink *sink, uint32_t index)
{
    if (!sink->conns[index].is_touched) {
        sink->conns[index].is_touched = true;
        list_add(sink, RP_SINK_LIST_TOUCHED, index);
    }
}

static void arm_accept(struct rp_sink *sink)
{
    struct io_uring_sqe *sqe = next_request(sink);
    io_uring_prep_multishot_accept_direct(sqe, sink->listener, NULL, NULL, 0);
    set_tag(sqe, TAG_ACCEPT, 0);
    sink->is_accepting = true;
}

static void arm_recv(struct rp_sink *sink, uint32_t index)
{
    struct io_uring_sqe *sqe = next_request(sink);
    io_uring_prep_recv_multishot(sqe, (int)index, NULL, 0, 0);
    sqe->flags |= IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
    sqe->buf_group = RP_SINK_BUFFER_GROUP;
    sqe->ioprio |= IORING_RECVSEND_POLL_FIRST; /* there is hardly ever anything yet */
    set_tag(sqe, TAG_RECV, index);
    sink->conns[index].is_receiving = true;
}

static void cancel_recv(struct rp_sink *sink, uint32_t index)
{
    struct io_uring_sqe *sqe = next_request(sink);
    io_uring_prep_cancel64(sqe, (uint64_t)index << 8 | TAG_RECV, 0);
    set_tag(sqe, TAG_NOBODY, index);
    sink->conns[index].is_cancelled = true;
}

static void send_out(struct rp_sink *sink, uint32_t index)
{
    struct rp_sink_conn *conn = &sink->conns[index];
    const struct rp_sink_dialog_out *out = &conn->out[1 - conn->filling];
    struct io_uring_sqe *sqe = next_request(sink);
    io_uring_prep_send(sqe, (int)index, out->text + conn->sent, out->len - conn->sent,
                       MSG_NOSIGNAL | MSG_WAITALL);
    sqe->flags |= IOSQE_FIXED_FILE;
    set_tag(sqe, TAG_SEND, index);
    conn->is_sending = true;
}

/* ---- input ---- */

static void take_end(struct rp_sink *sink, uint32_t index)
{
    struct rp_sink_conn *conn = &sink->conns[index];
    sink->counts.messages++;
    if (sink->log.fd >= 0 && conn->wait_group != sink->log.gathering) {
        conn->wait_group = sink->log.gathering;
        list_add(sink, RP_SINK_LIST_GATHERING, index);
    }
}

/* How many octets were read; fewer than there are: the rest must wait. */
static size_t read_input(struct rp_sink *sink, uint32_t index, const uint8_t *octets, size_t len)
{
    struct rp_sink_conn *conn = &sink->conns[index];
    bool has_log = sink->log.fd >= 0;
    if (conn->is_stalled) {
        return 0;
    }
    if (has_log && !rp_sink_log_has_room(&sink->log, len)) {
        conn->is_stalled = true;
        list_add(sink, RP_SINK_LIST_STALLED, index);
        return 0;
    }
    struct rp_span in = {.ptr = octets, .len = len};
    struct rp_span body;
    for (;;) {
        switch (rp_sink_dialog_next(&conn->dialog, &in, &conn->out[conn->filling], &body)) {
        case RP_SINK_DIALOG_BODY:
            sink->counts.octets += body.len;
            if (has_log) {
                rp_sink_log_append(&sink->log, body.ptr, body.len);
            }
            break;
        case RP_SINK_DIALOG_END: take_end(sink, index); break;
        case RP_SINK_DIALOG_FULL: return len - in.len;
        case RP_SINK_DIALOG_MORE:
        case RP_SINK_DIALOG_QUIT: return len; /* what follows QUIT counts for nothing */
        }
    }
}

static const uint8_t *buffer_at(const struct rp_sink *sink, uint32_t buffer)
{
    return sink->buffers + (size_t)buffer * sink->options.buffer_size;
}

static void hold(struct rp_sink *sink, struct rp_sink_conn *conn, uint32_t buffer, uint32_t len)
{
    sink->held[buffer] = (struct rp_sink_held){.len = len, .next = RP_SINK_NO_BUFFER};
    if (conn->held_count == 0) {
        conn->held_first = buffer;
    } else {
        sink->held[conn->held_last].next = buffer;
    }
    conn->held_last = buffer;
    conn->held_count++;
}

static void take_buffer(struct rp_sink *sink, uint32_t index, uint32_t buffer, uint32_t len)
{
    struct rp_sink_conn *conn = &sink->conns[index];
    if (conn->is_broken) {
        rp_sink_give(sink, buffer);
        return;
    }
    size_t done = 0;
    if (conn->held_count == 0) {
        done = read_input(sink, index, buffer_at(sink, buffer), len);
        conn->held_off = (uint32_t)done;
    }
    if (done < len) {
        hold(sink, conn, buffer, len);
    } else {
        rp_sink_give(sink, buffer);
    }
}

/* Go on with what waits: replies that are owed, then input. */
static void resume(struct rp_sink *sink, uint32_t index)
{
    struct rp_sink_conn *conn = &sink->conns[index];
    (void)read_input(sink, index, NULL, 0); /* a message that ended with its buffer */
    while (conn->held_count > 0) {
        uint32_t buffer = conn->held_first;
        uint32_t len = sink->held[buffer].len - conn->held_off;
        size_t done = conn->is_broken
                          ? len
                          : read_input(sink, index, buffer_at(sink, buffer) + conn->held_off, len);
        conn->held_off += (uint32_t)done;
        if (done < len) {
            return;
        }
        conn->held_first = sink->held[buffer].next;
        conn->held_count--;
        conn->held_off = 0;
        rp_sink_give(sink, buffer);
    }
}

/* ---- the end of a round ---- */

static void flush(struct rp_sink *sink, uint32_t index)
{
    struct rp_sink_conn *conn = &sink->conns[index];
    if (conn->is_broken) {
        conn->out[conn->filling].len = 0;
        conn->dialog.owed = 0;
    }
    if (conn->is_sending || conn->wait_group != 0 || conn->out[conn->filling].len == 0) {
        return;
    }
    conn->filling = 1 - conn->filling;
    conn->out[conn->filling].len = 0;
    conn->sent = 0;
    send_out(sink, index);
}

static void close_conn(struct rp_sink *sink, uint32_t index)
{
    sink->conns[index].is_open = false;
    sink->open_count--;
    struct io_uring_sqe *sqe = next_request(sink);
    io_uring_prep_close_direct(sqe, index);
    set_tag(sqe, TAG_NOBODY, index);
    if (!sink->is_accepting) {
        arm_accept(sink);
    }
}

static void starve(struct rp_sink *sink, uint32_t index)
{
    struct rp_sink_conn *conn = &sink->conns[index];
    if (!conn->is_starved) {
        conn->is_starved = true;
        list_add(sink, RP_SINK_LIST_STARVED, index);
    }
}

/* Send what there is, receive where that has ended, close where all is done. */
static void settle(struct rp_sink *sink, uint32_t index)
{
    struct rp_sink_conn *conn = &sink->conns[index];
    flush(sink, index);
    if (conn->held_count > 0 || conn->dialog.owed > 0) {
        resume(sink, index);
        flush(sink, index);
    }
    bool is_listed = conn->is_stalled || conn->is_starved;
    bool is_quiet = !conn->is_sending && conn->wait_group == 0 && conn->held_count == 0 &&
                    conn->out[conn->filling].len == 0 && !is_listed;
    bool is_over = conn->is_ended || conn->is_broken || conn->dialog.state == RP_SINK_DIALOG_CLOSED;
    if (is_over) {
        if (is_quiet && !conn->is_receiving) {
            close_conn(sink, index);
        } else if (is_quiet && !conn->is_cancelled) {
            cancel_recv(sink, index);
        }
    } else if (conn->is_receiving) {
        if (conn->held_count >= HELD_MAX && !conn->is_cancelled) {
            cancel_recv(sink, index);
        }
    } else if (conn->held_count < HELD_MAX) {
        if (sink->free_buffers > 0) {
            arm_recv(sink, index);
        } else {
            starve(sink, index);
        }
    }
}

/* Empty a list; true for each connection that was in it. */
static bool list_take(struct rp_sink *sink, enum rp_sink_list_name name, uint32_t *index_out)
{
    struct rp_sink_list *list = &sink->lists[name];
    if (list->count == 0) {
        return false;
    }
    *index_out = list->items[--list->count];
    return true;
}

static void pump_log(struct rp_sink *sink)
{
    struct rp_sink_log *log = &sink->log;
    bool is_wanted = sink->lists[RP_SINK_LIST_GATHERING].count > 0 ||
                     sink->lists[RP_SINK_LIST_STALLED].count > 0;
    if (log->is_busy || !is_wanted) {
        return;
    }
    struct rp_sink_list gathering = sink->lists[RP_SINK_LIST_GATHERING];
    assert(sink->lists[RP_SINK_LIST_COMMITTING].count == 0);
    sink->lists[RP_SINK_LIST_GATHERING] = sink->lists[RP_SINK_LIST_COMMITTING];
    sink->lists[RP_SINK_LIST_COMMITTING] = gathering;
    if (log->len > 0) {
        rp_sink_log_begin(log, &sink->ring, 0);
    } else {
        /* Bodies without an octet (BDAT 0 LAST): all that there is of them is in the log. */
        uint32_t index;
        while (list_take(sink, RP_SINK_LIST_COMMITTING, &index)) {
            sink->conns[index].wait_group = 0;
            touch(sink, index);
        }
    }
    uint32_t index;
    while (list_take(sink, RP_SINK_LIST_STALLED, &index)) {
        sink->conns[index].is_stalled = false;
        touch(sink, index);
    }
}

static void end_round(struct rp_sink *sink)
{
    if (sink->log.fd >= 0) {
        pump_log(sink);
    }
    uint32_t index;
    if (sink->free_buffers > 0) {
        while (list_take(sink, RP_SINK_LIST_STARVED, &index)) {
            sink->conns[index].is_starved = false;
            touch(sink, index);
        }
    }
    struct rp_sink_list *touched = &sink->lists[RP_SINK_LIST_TOUCHED];
    for (uint32_t i = 0; i < touched->count; i++) {
        index = touched->items[i];
        sink->conns[index].is_touched = false;
        settle(sink, index);
    }
    touched->count = 0;
}

/* ---- completions ---- */

static void complete_accept(struct rp_sink *sink, const struct io_uring_cqe *cqe)
{
    if (cqe->res >= 0) {
        uint32_t index = (uint32_t)cqe->res;
        struct rp_sink_conn *conn = &sink->conns[index];
        assert(index < sink->options.connections_max && !conn->is_open);
        assert(!conn->is_touched && !conn->is_stalled && !conn->is_starved);
        /* The text buffers stay as they are: only their lengths count. */
        memset(conn, 0, offsetof(struct rp_sink_conn, dialog));
        conn->is_open = true;
        conn->out[0].len = 0;
        conn->out[1].len = 0;
        rp_sink_dialog_init(&conn->dialog, &conn->out[0]);
        sink->open_count++;
        sink->counts.connections++;
        touch(sink, index);
    }
    if ((cqe->flags & IORING_CQE_F_MORE) == 0) {
        sink->is_accepting = false;
        /* A full table (ENFILE) stays full until a connection goes. */
        if (cqe->res >= 0 || sink->open_count < sink->options.connections_max) {
            arm_accept(sink);
        }
    }
}

static void complete_recv(struct rp_sink *sink, uint32_t index, const struct io_uring_cqe *cqe)
{
    struct rp_sink_conn *conn = &sink->conns[index];
    if ((cqe->flags & IORING_CQE_F_MORE) == 0) {
        conn->is_receiving = false;
        conn->is_cancelled = false;
    }
    if ((cqe->flags & IORING_CQE_F_BUFFER) != 0) {
        uint32_t buffer = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
        sink->free_buffers--;
        if (cqe->res > 0) {
            take_buffer(sink, index, buffer, (uint32_t)cqe->res);
        } else {
            rp_sink_give(sink, buffer);
        }
    }
    if (cqe->res == 0) {
        conn->is_ended = true;
    } else if (cqe->res < 0 && cqe->res != -ENOBUFS && cqe->res != -ECANCELED) {
        conn->is_broken = true;
    }
    touch(sink, index);
}

static void complete_send(struct rp_sink *sink, uint32_t index, int res)
{
    struct rp_sink_conn *conn = &sink->conns[index];
    conn->is_sending = false;
    if (res <= 0) {
        conn->is_broken = true;
    } else {
        conn->sent += (uint32_t)res;
        if (conn->sent < conn->out[1 - conn->filling].len) {
            send_out(sink, index);
        }
    }
    touch(sink, index);
}

static void complete_log(struct rp_sink *sink, enum tag tag, int res)
{
    int outcome = rp_sink_log_complete(&sink->log, (enum rp_sink_log_tag)tag, res);
    if (outcome < 0) {
        sink->failure = outcome;
        return;
    }
    if (outcome == 0) {
        return;
    }
    uint64_t done = sink->log.gathering - 1;
    uint32_t index;
    while (list_take(sink, RP_SINK_LIST_COMMITTING, &index)) {
        struct rp_sink_conn *conn = &sink->conns[index];
        if (conn->wait_group == done) { /* else another message of it has ended since */
            conn->wait_group = 0;
            touch(sink, index);
        }
    }
}

static void complete(struct rp_sink *sink, const struct io_uring_cqe *cqe)
{
    enum tag tag = (enum tag)(cqe->user_data & 0xff);
    uint32_t index = (uint32_t)(cqe->user_data >> 8);
    switch (tag) {
    case TAG_ACCEPT: complete_accept(sink, cqe); break;
    case TAG_RECV: complete_recv(sink, index, cqe); break;
    case TAG_SEND: complete_send(sink, index, cqe->res); break;
    case TAG_LOG_WRITE:
    case TAG_LOG_SYNC:
        if (sink->failure == 0) {
            complete_log(sink, tag, cqe->res);
        }
        break;
    case TAG_STOP: sink->is_stopped = true; break;
    case TAG_NOBODY: break;
    }
}

/* ---- run ---- */

static int begin_run(struct rp_sink *sink)
{
    /* Not io_uring_enable_rings: liburing 2.3 declares it, but does not export it. */
    int err =
        io_uring_register((unsigned)sink->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
    if (err < 0) {
        return err;
    }
    (void)io_uring_register_ring_fd(&sink->ring); /* cheaper enters; it does without as well */
    struct io_uring_sqe *sqe = next_request(sink);
    io_uring_prep_read(sqe, sink->stop_fd, &sink->stop_value, sizeof(sink->stop_value), 0);
    set_tag(sqe, TAG_STOP, 0);
    arm_accept(sink);
    return 0;
}

int rp_sink_run(struct rp_sink *sink)
{
    int err = begin_run(sink);
    if (err < 0) {
        return err;
    }
    while (!sink->is_stopped && sink->failure == 0) {
        err = io_uring_submit_and_wait(&sink->ring, 1);
        if (err < 0 && err != -EINTR && err != -EBUSY && err != -EAGAIN) {
            return err;
        }
        struct io_uring_cqe *cqe;
        unsigned head;
        unsigned count = 0;
        io_uring_for_each_cqe(&sink->ring, head, cqe)
        {
            complete(sink, cqe);
            count++;
        }
        io_uring_cq_advance(&sink->ring, count);
        end_round(sink);
    }
    return sink->failure;
}

void rp_sink_stop(struct rp_sink *sink)
{
    uint64_t one = 1;
    /* It can fail only where the counter is full, and then the sink is stopped anyway. */
    ssize_t written = write(sink->stop_fd, &one, sizeof(one));
    (void)written;
}
