/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * conn_out.c - see conn.h: the replies of a connection, in the order of their commands.
 *
 * A list of blocks. The reply to a message comes after its commit, but the replies to
 * the commands behind it may be there before: so a message begins a block of its own,
 * which waits, with room at its front for the reply.
 */
#include "conn.h"

#include "worker_impl.h"

#include <string.h>

static struct rp_block *add_block(struct rp_worker *worker, struct rp_conn *conn)
{
    uint32_t index = rp_block_take(&worker->store);
    if (index == RP_NONE) {
        return NULL;
    }
    if (conn->out_last == RP_NONE) {
        conn->out_first = index;
    } else {
        rp_block_at(&worker->store, conn->out_last)->next = index;
    }
    conn->out_last = index;
    conn->block_count++;
    return rp_block_at(&worker->store, index);
}

static void drop_first_block(struct rp_worker *worker, struct rp_conn *conn)
{
    uint32_t index = conn->out_first;
    conn->out_first = rp_block_at(&worker->store, index)->next;
    if (conn->out_first == RP_NONE) {
        conn->out_last = RP_NONE;
    }
    conn->block_count--;
    rp_pool_give(&worker->store.blocks, index);
}

void rp_conn_out_drop(struct rp_worker *worker, struct rp_conn *conn)
{
    assert(!conn->is_sending);
    while (conn->out_first != RP_NONE) {
        drop_first_block(worker, conn);
    }
}

struct rp_block *rp_conn_out_block(struct rp_worker *worker, struct rp_conn *conn)
{
    if (conn->out_last != RP_NONE) {
        struct rp_block *last = rp_block_at(&worker->store, conn->out_last);
        if (RP_BLOCK_DATA_LEN - last->end >= RP_REPLY_MAX) {
            return last;
        }
        if (conn->block_count >= RP_OUT_BLOCKS_MAX + conn->pending_count) {
            return NULL;
        }
    }
    return add_block(worker, conn);
}

void rp_conn_put_reply(struct rp_worker *worker, uint32_t index, const struct rp_reply *reply)
{
    struct rp_conn *conn = rp_conn_at(&worker->conns, index);
    struct rp_block *block = rp_conn_out_block(worker, conn);
    if (block == NULL) {
        block = add_block(worker, conn); /* one beyond the limit: it is the last reply */
    }
    if (block == NULL || RP_BLOCK_DATA_LEN - block->end < RP_REPLY_MAX) {
        rp_conn_abort(worker, index);
        return;
    }
    struct rp_reply_out out = {.ptr = block->data, .len = block->end, .cap = RP_BLOCK_DATA_LEN};
    rp_reply_put(&out, reply);
    block->end = (uint16_t)out.len;
    rp_conn_mark_dirty(worker, index);
}

bool rp_conn_reserve_reply(struct rp_worker *worker,
                           struct rp_conn *conn,
                           struct rp_message *message)
{
    struct rp_block *block = add_block(worker, conn);
    if (block == NULL) {
        return false;
    }
    block->is_waiting = true;
    block->start = block->end = RP_REPLY_RESERVE;
    message->out_block = conn->out_last;
    conn->pending_count++;
    return true;
}

bool rp_conn_must_await(const struct rp_worker *worker, const struct rp_conn *conn)
{
    return conn->pending_count > 0 &&
           (conn->pending_count >= RP_PENDING_MAX ||
            rp_pool_free_count(&worker->store.messages) <= worker->conns.pool.count);
}

bool rp_conn_awaits(const struct rp_worker *worker, const struct rp_message *message)
{
    const struct rp_conn *conn = rp_conn_at(&worker->conns, message->conn);
    return conn->generation == message->conn_generation && conn->state != RP_CONN_FREE;
}

void rp_conn_message_done(struct rp_worker *worker,
                          const struct rp_message *message,
                          const struct rp_reply *failure)
{
    if (!rp_conn_awaits(worker, message)) {
        return;
    }
    struct rp_conn *conn = rp_conn_at(&worker->conns, message->conn);
    uint8_t text[RP_REPLY_MAX];
    struct rp_reply_out out = {.ptr = text, .len = 0, .cap = sizeof(text)};
    if (failure != NULL) {
        rp_reply_put(&out, failure);
    } else {
        struct rp_span id = {.ptr = (const uint8_t *)message->id.text, .len = RP_SPOOL_ID_LEN};
        rp_reply_put_queued(&out, id);
    }
    assert(out.len <= RP_REPLY_RESERVE);
    struct rp_block *block = rp_block_at(&worker->store, message->out_block);
    assert(block->is_waiting && block->start == RP_REPLY_RESERVE);
    block->start = (uint16_t)(RP_REPLY_RESERVE - out.len);
    memcpy(block->data + block->start, text, out.len);
    block->is_waiting = false;
    assert(conn->pending_count > 0);
    conn->pending_count--;
    rp_conn_mark_dirty(worker, message->conn);
}

void rp_conn_out_sent(struct rp_worker *worker, struct rp_conn *conn, uint32_t len)
{
    struct rp_block *block = rp_block_at(&worker->store, conn->out_first);
    assert(block->start + len <= block->end);
    block->start = (uint16_t)(block->start + len);
    if (block->start == block->end) {
        drop_first_block(worker, conn);
    }
}

void rp_conn_mark_dirty(struct rp_worker *worker, uint32_t index)
{
    struct rp_conn *conn = rp_conn_at(&worker->conns, index);
    if (!conn->is_dirty) {
        conn->is_dirty = true;
        conn->next_dirty = worker->conns.first_dirty;
        worker->conns.first_dirty = index;
    }
}

static void drop_empty_blocks(struct rp_worker *worker, struct rp_conn *conn)
{
    while (conn->out_first != RP_NONE) {
        const struct rp_block *block = rp_block_at(&worker->store, conn->out_first);
        if (block->is_waiting || block->start < block->end) {
            return;
        }
        drop_first_block(worker, conn);
    }
}

static void flush(struct rp_worker *worker, uint32_t index)
{
    static const struct rp_reply shutting_down = {421, "4.3.2", "Service shutting down"};
    struct rp_conn *conn = rp_conn_at(&worker->conns, index);
    if (conn->state == RP_CONN_OPEN && conn->block == RP_CONN_BLOCKED_PENDING &&
        !rp_conn_must_await(worker, conn)) {
        rp_conn_resume(worker, index);
    }
    if (worker->is_draining && rp_conn_is_idle(conn)) {
        rp_conn_dismiss(worker, index, &shutting_down);
    }
    bool can_send = conn->state == RP_CONN_OPEN || conn->state == RP_CONN_FINISHING;
    if (!can_send || conn->is_sending) {
        return;
    }
    drop_empty_blocks(worker, conn);
    if (conn->out_first != RP_NONE) {
        struct rp_block *block = rp_block_at(&worker->store, conn->out_first);
        if (!block->is_waiting) {
            conn->is_sending = true;
            rp_io_send(worker->io, rp_op_tag(RP_OP_SEND, index), conn->fd,
                       block->data + block->start, (size_t)(block->end - block->start));
        }
    } else if (conn->state == RP_CONN_FINISHING && conn->pending_count == 0) {
        rp_conn_through(worker, index);
    }
}

void rp_conns_flush(struct rp_worker *worker)
{
    while (worker->conns.first_dirty != RP_NONE) {
        uint32_t index = worker->conns.first_dirty;
        struct rp_conn *conn = rp_conn_at(&worker->conns, index);
        worker->conns.first_dirty = conn->next_dirty;
        conn->is_dirty = false;
        if (conn->state == RP_CONN_CLOSING) {
            rp_conn_undirty(worker, index);
        } else {
            flush(worker, index);
        }
    }
}
