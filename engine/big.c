/* SPDX-License-Identifier: GPL-3.0-or-later */
/* big.c - see big.h. */
#include "big.h"

#include "log.h"
#include "worker_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct rp_big *big_at(struct rp_worker *worker, uint32_t index)
{
    return rp_pool_at(&worker->bigs.pool, index);
}

static void set_name(struct rp_worker *worker, struct rp_big *big)
{
    (void)snprintf(big->name, sizeof(big->name), RP_SPOOL_BIG_FORMAT, worker->lane_number,
                   (unsigned long long)big->id);
}

static void open_file(struct rp_worker *worker, uint32_t index)
{
    rp_io_open_file(worker->io, rp_op_tag(RP_OP_BIG_OPEN, index), worker->bigs.dir_fd,
                    big_at(worker, index)->name, O_WRONLY | O_CREAT | O_EXCL, 0640);
}

bool rp_big_begin(struct rp_worker *worker, uint32_t message_index)
{
    uint32_t index = rp_pool_take(&worker->bigs.pool);
    if (index == RP_NONE) {
        return false;
    }
    struct rp_big *big = big_at(worker, index);
    big->step = RP_BIG_OPENING;
    big->fd = -1;
    big->message = message_index;
    big->next = RP_NONE;
    big->pending = 0;
    big->is_writing = false;
    big->is_queued = false;
    big->is_complete = false;
    big->is_direct = true;
    big->id = worker->bigs.next_id++;
    big->off = 0;
    big->writing = RP_SLICES_EMPTY;
    set_name(worker, big);
    rp_message_at(&worker->store, message_index)->big = index;
    rp_stats_add(&worker->stats.big_messages, 1);
    open_file(worker, index);
    return true;
}

static void close_and_remove(struct rp_worker *worker, uint32_t index)
{
    struct rp_big *big = big_at(worker, index);
    big->step = RP_BIG_CLOSING;
    big->pending = 1;
    rp_io_unlink(worker->io, rp_op_tag(RP_OP_BIG_UNLINK, index), worker->bigs.dir_fd, big->name);
    if (big->fd >= 0) {
        big->pending++;
        rp_io_close_fd(worker->io, rp_op_tag(RP_OP_BIG_CLOSE, index), big->fd);
    }
}

static void free_slot(struct rp_worker *worker, uint32_t index)
{
    big_at(worker, index)->fd = -1;
    rp_pool_give(&worker->bigs.pool, index);
}

void rp_big_remove(struct rp_worker *worker, uint64_t big_id)
{
    uint32_t index = rp_pool_take(&worker->bigs.pool);
    if (index == RP_NONE) {
        return; /* recovery removes files that no record names */
    }
    struct rp_big *big = big_at(worker, index);
    big->fd = -1;
    big->message = RP_NONE;
    big->id = big_id;
    set_name(worker, big);
    close_and_remove(worker, index);
}

/* Take the file away from its message, which has failed or is gone. */
static void let_go(struct rp_worker *worker, uint32_t index)
{
    struct rp_big *big = big_at(worker, index);
    if (big->message != RP_NONE) {
        rp_message_at(&worker->store, big->message)->big = RP_NONE;
        big->message = RP_NONE;
    }
    bool is_busy = big->step == RP_BIG_OPENING || big->is_writing || big->is_queued ||
                   big->step == RP_BIG_SYNCING || big->step == RP_BIG_NAMING;
    if (is_busy) {
        return; /* when that ends */
    }
    if (big->fd >= 0) {
        close_and_remove(worker, index);
    } else {
        free_slot(worker, index); /* it was never made; a file of that name is not ours */
    }
}

void rp_big_abort(struct rp_worker *worker, struct rp_message *message)
{
    if (message->big != RP_NONE) {
        let_go(worker, message->big);
    }
}

/* An operation on the file failed: so has the message. */
static void fail(struct rp_worker *worker, uint32_t index, const char *what, int32_t res)
{
    struct rp_big *big = big_at(worker, index);
    rp_log(RP_CONFIG_LOG_ERROR, "spool: cannot %s %s/%s: %s", what, RP_SPOOL_BIG_NAME, big->name,
           strerror(-res));
    uint32_t message_index = big->message;
    if (message_index == RP_NONE) {
        let_go(worker, index);
        return;
    }
    struct rp_message *message = rp_message_at(&worker->store, message_index);
    message->failure = rp_lane_reply_for_error(-res);
    rp_slices_drop(&worker->store, &message->slices);
    let_go(worker, index);
    if (message->is_complete) {
        rp_stats_add(&worker->stats.messages_refused, 1);
        rp_conn_message_done(worker, message, message->failure);
        rp_message_drop(&worker->store, message_index);
    } else {
        rp_conn_resume(worker, message->conn); /* it refuses the body at its next octets */
    }
}

static void sync_dir_now(struct rp_worker *worker)
{
    rp_io_sync(worker->io, rp_op_tag(RP_OP_BIG_DIR, 0), worker->bigs.dir_fd, false);
}

/* Start the sync of big/ that all which are NAMING wait for. */
static void sync_dir(struct rp_worker *worker)
{
    struct rp_bigs *bigs = &worker->bigs;
    if (bigs->is_dir_syncing || bigs->dir_waiting == RP_NONE) {
        return;
    }
    bigs->dir_syncing = bigs->dir_waiting;
    bigs->dir_waiting = RP_NONE;
    bigs->is_dir_syncing = true;
    sync_dir_now(worker);
}

/* File and name are as durable as they shall be: on to the lane. */
static void hand_on(struct rp_worker *worker, uint32_t index)
{
    struct rp_big *big = big_at(worker, index);
    struct rp_message *message = rp_message_at(&worker->store, big->message);
    if (rp_io_link_count(worker->io, big->fd) == 0) {
        fail(worker, index, "keep", -ENOENT); /* somebody removed it: nobody will read it */
        return;
    }
    message->big_id = big->id;
    if (!rp_message_put_item(&worker->store, message, RP_SPOOL_TAG_BIG_ID, &big->id,
                             sizeof(big->id))) {
        fail(worker, index, "note in the envelope", -ENOMEM);
        return;
    }
    uint32_t message_index = big->message;
    message->big = RP_NONE;
    big->message = RP_NONE;
    big->step = RP_BIG_CLOSING;
    big->pending = 1;
    rp_io_close_fd(worker->io, rp_op_tag(RP_OP_BIG_CLOSE, index), big->fd);
    rp_lane_add(worker, message_index);
}

static void sync_file(struct rp_worker *worker, uint32_t index)
{
    rp_io_sync(worker->io, rp_op_tag(RP_OP_BIG_SYNC, index), big_at(worker, index)->fd, true);
}

static void finish(struct rp_worker *worker, uint32_t index)
{
    struct rp_big *big = big_at(worker, index);
    if (worker->config->spool_sync == RP_CONFIG_SYNC_NONE) {
        hand_on(worker, index);
        return;
    }
    big->step = RP_BIG_SYNCING;
    worker->bigs.busy_count++;
    sync_file(worker, index);
}

static void write_rest(struct rp_worker *worker, uint32_t index)
{
    struct rp_big *big = big_at(worker, index);
    rp_io_write(worker->io, rp_op_tag(RP_OP_BIG_WRITE, index), big->fd, big->iov + big->iov_first,
                big->iov_count - big->iov_first, big->off, false);
}

/* How many slices at the front are whole buffers: all of a gathered body are, but the last. */
static uint32_t count_whole(struct rp_worker *worker, const struct rp_slices *slices)
{
    uint32_t count = 0;
    for (uint32_t i = slices->first; i != RP_NONE && count < RP_BIG_IOV; count++) {
        const struct rp_slice *slice = rp_slice_at(&worker->store, i);
        if (slice->off != 0 || slice->len != RP_BUFFER_SIZE) {
            break;
        }
        i = slice->next;
    }
    return count;
}

/*
 * What to write next. Large bodies go past the page cache, from whole buffers (gathered as they
 * came, see message.h) or else copied together: a buffered write costs more than the copy. The end
 * that fills no block, and all of it where memory is short, goes buffered.
 */
static void take_for_write(struct rp_worker *worker, struct rp_big *big, struct rp_slices *slices)
{
    uint32_t whole = big->is_direct ? count_whole(worker, slices) : 0;
    if (whole > 0) {
        rp_slices_take(&worker->store, slices, whole, &big->writing);
        return;
    }
    uint64_t len = slices->len < RP_BIG_WRITE_MIN ? slices->len : RP_BIG_WRITE_MIN;
    len -= len % RP_SPOOL_BLOCK;
    if (big->is_direct && len > 0 &&
        rp_slices_take_aligned(&worker->store, slices, len, &big->writing)) {
        return;
    }
    if (big->is_direct) {
        big->is_direct = false;
        rp_segment_set_direct(big->fd, false);
    }
    rp_slices_take(&worker->store, slices, RP_BIG_IOV, &big->writing);
}

/* False: too many are under way; it will be pumped when its turn comes. */
static bool is_our_turn(struct rp_worker *worker, uint32_t index)
{
    struct rp_bigs *bigs = &worker->bigs;
    if (bigs->busy_count < RP_BIG_BUSY_MAX) {
        return true;
    }
    struct rp_big *big = big_at(worker, index);
    if (!big->is_queued) {
        big->is_queued = true;
        big->next = RP_NONE;
        if (bigs->queue_last == RP_NONE) {
            bigs->queue_first = index;
        } else {
            big_at(worker, bigs->queue_last)->next = index;
        }
        bigs->queue_last = index;
    }
    return false;
}

static void pump(struct rp_worker *worker, uint32_t index)
{
    struct rp_big *big = big_at(worker, index);
    if (big->step != RP_BIG_OPEN || big->is_writing || big->is_queued) {
        return;
    }
    struct rp_message *message = rp_message_at(&worker->store, big->message);
    struct rp_slices *slices = &message->slices;
    if (slices->len == 0 && !big->is_complete) {
        return;
    }
    bool is_enough = slices->len >= RP_BIG_WRITE_MIN || slices->count >= RP_BIG_IOV ||
                     big->is_complete || rp_bufpool_is_short(&worker->store.buffers);
    if (!is_enough || !is_our_turn(worker, index)) {
        return;
    }
    if (slices->len == 0) {
        finish(worker, index);
        return;
    }
    take_for_write(worker, big, slices);
    rp_slices_iov(&worker->store, &big->writing, big->iov);
    big->iov_first = 0;
    big->iov_count = big->writing.count;
    big->is_writing = true;
    worker->bigs.busy_count++;
    write_rest(worker, index);
}

/* A write or sync has ended: the next ones in the queue may have their turn. */
static void pump_queue(struct rp_worker *worker)
{
    struct rp_bigs *bigs = &worker->bigs;
    bigs->busy_count--;
    while (bigs->queue_first != RP_NONE && bigs->busy_count < RP_BIG_BUSY_MAX) {
        uint32_t index = bigs->queue_first;
        struct rp_big *big = big_at(worker, index);
        bigs->queue_first = big->next;
        if (bigs->queue_first == RP_NONE) {
            bigs->queue_last = RP_NONE;
        }
        big->is_queued = false;
        if (big->message == RP_NONE) {
            let_go(worker, index);
        } else {
            pump(worker, index);
        }
    }
}

void rp_big_more(struct rp_worker *worker, struct rp_message *message)
{
    struct rp_big *big = big_at(worker, message->big);
    big->is_complete = message->is_complete;
    pump(worker, message->big);
}

/* Whether the operation only asks for another try. */
static bool is_passing(int32_t res)
{
    return res == -EINTR || res == -EAGAIN;
}

static void written(struct rp_worker *worker, uint32_t index, int32_t res)
{
    struct rp_big *big = big_at(worker, index);
    if (is_passing(res)) {
        write_rest(worker, index);
        return;
    }
    if (res == -EINVAL && big->is_direct) {
        big->is_direct = false; /* a file system with wishes of its own: buffered, then */
        rp_segment_set_direct(big->fd, false);
        write_rest(worker, index);
        return;
    }
    if (res > 0) {
        big->off += (uint32_t)res;
        size_t left = (size_t)res;
        while (left > 0 && left >= big->iov[big->iov_first].iov_len) {
            left -= big->iov[big->iov_first++].iov_len;
        }
        if (big->iov_first < big->iov_count) {
            struct iovec *iov = &big->iov[big->iov_first];
            iov->iov_base = (uint8_t *)iov->iov_base + left;
            iov->iov_len -= left;
            write_rest(worker, index);
            return;
        }
    }
    big->is_writing = false;
    rp_slices_drop(&worker->store, &big->writing);
    pump_queue(worker);
    if (res <= 0) {
        fail(worker, index, "write", res == 0 ? -EIO : res);
        return;
    }
    if (big->message == RP_NONE) {
        let_go(worker, index);
        return;
    }
    uint32_t conn = rp_message_at(&worker->store, big->message)->conn;
    pump(worker, index);
    rp_conn_resume(worker, conn);
}

static void synced(struct rp_worker *worker, uint32_t index, int32_t res)
{
    struct rp_big *big = big_at(worker, index);
    if (is_passing(res)) {
        sync_file(worker, index);
        return;
    }
    pump_queue(worker);
    if (res < 0) {
        big->step = RP_BIG_OPEN;
        fail(worker, index, "sync", res);
        return;
    }
    big->step = RP_BIG_NAMING;
    big->next = worker->bigs.dir_waiting;
    worker->bigs.dir_waiting = index;
    sync_dir(worker);
}

/*
 * big/ could not be synced: what that should have made durable stays unsure for ever, whatever
 * later syncs say. So all files that were made before have failed.
 */
static void fail_all(struct rp_worker *worker, int32_t res)
{
    for (uint32_t i = 0; i < worker->bigs.pool.fresh; i++) {
        const struct rp_big *big = big_at(worker, i);
        if (big->message != RP_NONE && big->step != RP_BIG_OPENING) {
            fail(worker, i, "sync the directory of", res);
        }
    }
}

static void dir_synced(struct rp_worker *worker, int32_t res)
{
    if (is_passing(res)) {
        sync_dir_now(worker);
        return;
    }
    if (res < 0) {
        fail_all(worker, res);
    }
    uint32_t index = worker->bigs.dir_syncing;
    worker->bigs.dir_syncing = RP_NONE;
    worker->bigs.is_dir_syncing = false;
    while (index != RP_NONE) {
        struct rp_big *big = big_at(worker, index);
        uint32_t next = big->next;
        big->step = RP_BIG_OPEN;
        if (big->message == RP_NONE) {
            let_go(worker, index);
        } else {
            hand_on(worker, index);
        }
        index = next;
    }
    sync_dir(worker);
}

static void opened(struct rp_worker *worker, uint32_t index, int32_t res)
{
    struct rp_big *big = big_at(worker, index);
    if (is_passing(res)) {
        open_file(worker, index);
        return;
    }
    big->step = RP_BIG_OPEN;
    if (res < 0) {
        fail(worker, index, "create", res);
        return;
    }
    big->fd = res;
    rp_segment_set_direct(res, true);
    if (big->message == RP_NONE) {
        let_go(worker, index);
    } else {
        pump(worker, index);
    }
}

void rp_big_completed(struct rp_worker *worker, uint64_t tag, int32_t res)
{
    uint32_t index = rp_op_slot(tag);
    if (rp_op_of(tag) == RP_OP_BIG_DIR) {
        dir_synced(worker, res);
        return;
    }
    struct rp_big *big = big_at(worker, index);
    switch (rp_op_of(tag)) {
    case RP_OP_BIG_OPEN: opened(worker, index, res); break;
    case RP_OP_BIG_WRITE: written(worker, index, res); break;
    case RP_OP_BIG_SYNC: synced(worker, index, res); break;
    case RP_OP_BIG_CLOSE:
    case RP_OP_BIG_UNLINK: /* nothing depends on how they end */
        assert(big->step == RP_BIG_CLOSING && big->pending > 0);
        if (--big->pending == 0) {
            free_slot(worker, index);
        }
        break;
    case RP_OP_ACCEPT:
    case RP_OP_RECV:
    case RP_OP_SEND:
    case RP_OP_SHUTDOWN:
    case RP_OP_CLOSE:
    case RP_OP_COMMIT:
    case RP_OP_SEGMENT:
    case RP_OP_RETIRE:
    case RP_OP_BIG_DIR:
    case RP_OP_ORDER:
    case RP_OP_IGNORE:
    case RP_OP_COUNT: assert(false && "no operation on a big body");
    }
}

void rp_bigs_close(struct rp_worker *worker)
{
    for (uint32_t i = 0; i < worker->bigs.pool.fresh; i++) {
        struct rp_big *big = big_at(worker, i);
        if (big->fd >= 0 && big->step != RP_BIG_CLOSING) {
            (void)close(big->fd); /* of no record: recovery removes it */
        }
    }
    rp_pool_close(&worker->bigs.pool);
}
