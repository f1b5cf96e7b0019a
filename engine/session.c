/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * session.c - what the events of an SMTP session mean: envelope, body, commit, end.
 */
#include "conn.h"

#include "worker_impl.h"

#include <string.h>

static const struct rp_reply reply_no_memory_rcpt = {452, "4.5.3", "Too many recipients"};

struct run {
    struct rp_worker *worker;
    struct rp_conn *conn;
    uint32_t index;
    uint32_t buffer;   /* what the session reads from, or RP_NONE */
    struct rp_span in; /* the unread part of it */
};

static struct rp_message *transaction(struct run *run)
{
    return rp_message_at(&run->worker->store, run->conn->message);
}

/* ---- may there be another message? ---- */

static bool is_disk_full(struct rp_worker *worker)
{
    uint64_t now_ns = rp_io_now_ns(worker->io);
    if (worker->disk_checked_ns != 0 && now_ns < worker->disk_checked_ns + RP_DISK_FREE_AGE_NS) {
        return worker->is_disk_full;
    }
    uint64_t free_octets;
    uint64_t total_octets;
    worker->disk_checked_ns = now_ns;
    if (rp_io_disk_free(worker->io, worker->dir->fd, &free_octets, &total_octets) < 0) {
        return worker->is_disk_full; /* unknown: as before; a write will tell */
    }
    const struct rp_config_share *share = &worker->config->spool_min_free;
    uint64_t least = share->percent > 0 ? total_octets / 100 * share->percent : share->octets;
    if (least > 0) {
        /* What is to be prepared will be taken whatever is refused: by each of us about as much. */
        least += rp_segment_maker_debt(&worker->lane.maker) * worker->peer_count;
    }
    worker->is_disk_full = free_octets < least;
    return worker->is_disk_full;
}

static const struct rp_reply *refusal(struct rp_worker *worker)
{
    if (worker->config->spool_discard) {
        return NULL;
    }
    return is_disk_full(worker) ? &rp_lane_no_space : rp_lane_refusal(&worker->lane);
}

/* ---- the envelope ---- */

static bool put_span(struct run *run, enum rp_spool_tag tag, struct rp_span span)
{
    return rp_message_put_item(&run->worker->store, transaction(run), tag, span.ptr, span.len);
}

static bool put_octets(struct run *run, enum rp_spool_tag tag, const void *value, size_t len)
{
    return rp_message_put_item(&run->worker->store, transaction(run), tag, value, len);
}

static bool put_text(struct run *run, enum rp_spool_tag tag, const char *text)
{
    return put_octets(run, tag, text, strlen(text));
}

static bool begin_envelope(struct run *run)
{
    struct rp_conn *conn = run->conn;
    const struct rp_smtp_mail *mail = &conn->smtp.event.mail;
    uint64_t arrival_ns = rp_io_wall_ns(run->worker->io);
    uint8_t body = (uint8_t)mail->body;
    bool ok = put_octets(run, RP_SPOOL_TAG_CLIENT_ADDR, conn->client, conn->client_len);
    ok = ok && put_octets(run, RP_SPOOL_TAG_CLIENT_PORT, &conn->client_port, 2);
    ok = ok && put_text(run, RP_SPOOL_TAG_LISTENER, run->worker->ports[conn->port].name);
    ok = ok && put_octets(run, RP_SPOOL_TAG_HELO, conn->helo, conn->helo_len);
    ok = ok && put_text(run, RP_SPOOL_TAG_PROTOCOL, conn->is_extended ? "ESMTP" : "SMTP");
    ok = ok && put_octets(run, RP_SPOOL_TAG_ARRIVAL_NS, &arrival_ns, sizeof(arrival_ns));
    ok = ok && put_octets(run, RP_SPOOL_TAG_BODY_TYPE, &body, 1);
    ok = ok && (!mail->smtputf8 || put_octets(run, RP_SPOOL_TAG_SMTPUTF8, NULL, 0));
    ok = ok && put_span(run, RP_SPOOL_TAG_SENDER, mail->sender.mailbox);
    return ok && (mail->params.len == 0 || put_span(run, RP_SPOOL_TAG_SENDER_PARAMS, mail->params));
}

static void on_helo(struct run *run)
{
    struct rp_conn *conn = run->conn;
    const struct rp_smtp_helo *helo = &conn->smtp.event.helo;
    size_t len = helo->name.len < sizeof(conn->helo) ? helo->name.len : sizeof(conn->helo);
    memcpy(conn->helo, helo->name.ptr, len);
    conn->helo_len = (uint8_t)len;
    conn->is_extended = helo->is_extended;
    rp_smtp_accept(&conn->smtp);
}

static void on_mail(struct run *run)
{
    struct rp_conn *conn = run->conn;
    assert(conn->message == RP_NONE);
    const struct rp_reply *why_not = refusal(run->worker);
    if (why_not == NULL) {
        conn->message = rp_message_take(&run->worker->store, run->index, conn->generation);
        if (conn->message != RP_NONE) {
            transaction(run)->owner = conn->owner;
        }
        if (conn->message == RP_NONE || !begin_envelope(run)) {
            rp_conn_drop_transaction(run->worker, run->conn);
            why_not = &rp_lane_no_memory;
        }
    }
    if (why_not != NULL) {
        rp_smtp_refuse(&conn->smtp, why_not);
    } else {
        rp_smtp_accept(&conn->smtp);
    }
}

static void on_rcpt(struct run *run)
{
    struct rp_conn *conn = run->conn;
    const struct rp_smtp_rcpt *rcpt = &conn->smtp.event.rcpt;
    /* Room for this one, its parameters and the id of a big body: or none of it is put. */
    size_t need = 3 * RP_SPOOL_ITEM_HEADER + 8 + rcpt->recipient.mailbox.len + rcpt->params.len;
    if (!rp_message_has_room(&run->worker->store, transaction(run), need)) {
        rp_smtp_refuse(&conn->smtp, &reply_no_memory_rcpt);
        return;
    }
    bool ok = put_span(run, RP_SPOOL_TAG_RECIPIENT, rcpt->recipient.mailbox);
    ok =
        ok && (rcpt->params.len == 0 || put_span(run, RP_SPOOL_TAG_RECIPIENT_PARAMS, rcpt->params));
    assert(ok);
    rp_smtp_accept(&conn->smtp);
}

/* ---- the body ---- */

static bool append_body(struct run *run, struct rp_span body)
{
    struct rp_message_store *store = &run->worker->store;
    struct rp_message *message = transaction(run);
    const uint8_t *start = rp_bufpool_ptr(&store->buffers, run->buffer);
    bool is_inside = body.ptr >= start && body.ptr < start + RP_BUFFER_SIZE;
    uint32_t buffer = is_inside ? run->buffer : RP_NONE; /* none: a newline that was put in */
    if (message->body_len + body.len > RP_DIRECT_THRESHOLD) {
        return rp_message_append_gathered(store, message, buffer, body.ptr, body.len);
    }
    return is_inside ? rp_message_append_slice(store, message, buffer, body.ptr, body.len)
                     : rp_message_append_copy(store, message, body.ptr, body.len);
}

static bool is_big(const struct rp_worker *worker, const struct rp_message *message)
{
    bool may_wait = message->is_gathered && !rp_bufpool_is_short(&worker->store.buffers);
    uint64_t part = worker->dir->segment_size / RP_BIG_SEGMENT_PART;
    uint64_t most = part < RP_BIG_THRESHOLD ? part : RP_BIG_THRESHOLD;
    return message->body_len > (may_wait ? most : RP_BIG_THRESHOLD_MIN) ||
           message->slices.count >= RP_MESSAGE_SLICES_MAX - 1;
}

static void on_body(struct run *run)
{
    struct rp_worker *worker = run->worker;
    struct rp_conn *conn = run->conn;
    struct rp_span body = conn->smtp.event.body;
    struct rp_message *message = transaction(run);
    rp_stats_add(&worker->stats.body_bytes, body.len);
    if (message->failure == NULL) {
        rp_message_hash(&worker->store, message, body.ptr, body.len);
        message->failure = append_body(run, body) ? NULL : &rp_lane_no_memory;
    }
    if (message->failure == NULL && message->big == RP_NONE && is_big(worker, message) &&
        !rp_big_begin(worker, conn->message)) {
        message->failure = &rp_lane_no_memory;
    }
    if (message->failure != NULL) {
        const struct rp_reply *failure = message->failure;
        rp_stats_add(&worker->stats.messages_refused, 1);
        rp_conn_drop_transaction(run->worker, run->conn);
        rp_smtp_refuse_body(&conn->smtp, failure);
        return;
    }
    if (message->big != RP_NONE) {
        rp_big_more(worker, message);
    }
}

/* The end of data: the message has its place among the replies; the reply comes after the
 * commit, and the session goes on meanwhile. */
static void on_message(struct run *run)
{
    struct rp_worker *worker = run->worker;
    struct rp_conn *conn = run->conn;
    struct rp_message *message = transaction(run);
    const struct rp_reply *failure = message->failure;
    if (failure == NULL && !rp_conn_reserve_reply(worker, conn, message)) {
        failure = &rp_lane_no_memory;
    }
    if (failure != NULL) {
        rp_stats_add(&worker->stats.messages_refused, 1);
        rp_conn_drop_transaction(run->worker, run->conn);
        rp_smtp_refuse(&conn->smtp, failure);
        return;
    }
    uint32_t message_index = conn->message;
    conn->message = RP_NONE;
    message->is_complete = true;
    rp_message_end_hash(&worker->store, message);
    message->time_ns = rp_io_wall_ns(worker->io);
    rp_smtp_defer(&conn->smtp);
    if (message->big != RP_NONE) {
        rp_big_more(worker, message);
    } else {
        rp_lane_add(worker, message_index);
    }
}

/* ---- the loop ---- */

/* The first buffer of the input queue is read to its end. */
static void next_buffer(struct run *run)
{
    struct rp_conn *conn = run->conn;
    struct rp_bufpool *buffers = &run->worker->store.buffers;
    conn->input_first = rp_bufpool_buf(buffers, run->buffer)->next;
    if (conn->input_first == RP_NONE) {
        conn->input_last = RP_NONE;
    }
    conn->input_count--;
    conn->input_off = 0;
    rp_bufpool_release(buffers, run->buffer);
}

static void load_input(struct run *run)
{
    const struct rp_conn *conn = run->conn;
    run->buffer = conn->input_first;
    run->in = (struct rp_span){.ptr = NULL, .len = 0};
    if (run->buffer != RP_NONE) {
        const struct rp_bufpool *buffers = &run->worker->store.buffers;
        run->in.ptr = rp_bufpool_ptr(buffers, run->buffer) + conn->input_off;
        run->in.len = rp_bufpool_buf(buffers, run->buffer)->len - conn->input_off;
    }
}

/* False: nothing more can be read for now. */
static bool on_event(struct run *run, enum rp_smtp_event event)
{
    struct rp_conn *conn = run->conn;
    switch (event) {
    case RP_SMTP_WANT_INPUT:
        if (run->buffer != RP_NONE) {
            assert(run->in.len == 0);
            next_buffer(run);
            load_input(run);
            return true;
        }
        if (conn->is_at_end) {
            rp_conn_finish(run->worker, run->index);
        }
        return false;
    case RP_SMTP_WANT_OUTPUT: return true; /* rp_conn_out_block says whether there is room */
    case RP_SMTP_HELO: on_helo(run); return true;
    case RP_SMTP_MAIL: on_mail(run); return true;
    case RP_SMTP_RCPT: on_rcpt(run); return true;
    case RP_SMTP_DATA: rp_smtp_accept(&conn->smtp); return true;
    case RP_SMTP_BODY: on_body(run); return true;
    case RP_SMTP_MESSAGE: on_message(run); return true;
    case RP_SMTP_RESET: rp_conn_drop_transaction(run->worker, run->conn); return true;
    case RP_SMTP_CLOSE: rp_conn_finish(run->worker, run->index); return false;
    }
    return false;
}

static bool is_big_too_slow(const struct rp_message *message)
{
    return message->slices.len > RP_BIG_WAITING_MAX || message->slices.count > RP_BIG_SLICES_MAX;
}

/* What holds it up now, if anything. */
static enum rp_conn_block look_for_block(struct run *run, struct rp_block **out_block)
{
    struct rp_conn *conn = run->conn;
    if (rp_conn_must_await(run->worker, conn)) {
        return RP_CONN_BLOCKED_PENDING;
    }
    if (conn->message != RP_NONE && transaction(run)->big != RP_NONE &&
        is_big_too_slow(transaction(run))) {
        return RP_CONN_BLOCKED_BIG;
    }
    *out_block = rp_conn_out_block(run->worker, conn);
    return *out_block == NULL ? RP_CONN_BLOCKED_OUTPUT : RP_CONN_UNBLOCKED;
}

void rp_session_run(struct rp_worker *worker, uint32_t index)
{
    struct run run = {.worker = worker, .conn = rp_conn_at(&worker->conns, index), .index = index};
    struct rp_conn *conn = run.conn;
    load_input(&run);
    bool goes_on = true;
    while (goes_on && conn->state == RP_CONN_OPEN) {
        struct rp_block *block = NULL;
        conn->block = look_for_block(&run, &block);
        if (conn->block != RP_CONN_UNBLOCKED) {
            break;
        }
        struct rp_reply_out out = {.ptr = block->data, .len = block->end, .cap = RP_BLOCK_DATA_LEN};
        const uint8_t *before = run.in.ptr;
        enum rp_smtp_event event = rp_smtp_next(&conn->smtp, &run.in, &out);
        conn->input_off += (uint32_t)(run.in.ptr - before);
        if (out.len > block->end) {
            block->end = (uint16_t)out.len;
            rp_conn_mark_dirty(worker, index);
        }
        goes_on = on_event(&run, event);
    }
    rp_conn_mark_dirty(worker, index);
}
