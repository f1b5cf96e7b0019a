/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * lane.c - see lane.h.
 *
 * When a batch cannot be written, parts of it may be on the disk all the same. Its
 * messages may be refused only once that is undone for good: the segment is given up,
 * and the header of the next one, written alone and durably, voids every record of
 * those sequences before it (rp_spool_format.h). If that fails, too, nobody can know,
 * and so nobody is told anything: the connections are closed.
 */
#include "lane.h"

#include "log.h"
#include "worker_impl.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>

const struct rp_reply rp_lane_no_space = {452, "4.3.1", "Insufficient storage, try again later"};
const struct rp_reply rp_lane_io_error = {451, "4.3.0", "Local error in storage, try again later"};
const struct rp_reply rp_lane_no_memory = {452, "4.3.1", "Insufficient memory, try again later"};

const struct rp_reply *rp_lane_reply_for_error(int error)
{
    switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
    case ENOBUFS: return &rp_lane_no_space;
    case ENOMEM: return &rp_lane_no_memory;
    default: return &rp_lane_io_error; /* EIO, EROFS, and whatever else a disk may say */
    }
}

static void queue_put(struct rp_worker *worker, struct rp_lane_queue *queue, uint32_t index)
{
    rp_message_at(&worker->store, index)->next = RP_NONE;
    if (queue->last == RP_NONE) {
        queue->first = index;
    } else {
        rp_message_at(&worker->store, queue->last)->next = index;
    }
    queue->last = index;
}

static uint32_t queue_take(struct rp_worker *worker, struct rp_lane_queue *queue)
{
    uint32_t index = queue->first;
    if (index != RP_NONE) {
        queue->first = rp_message_at(&worker->store, index)->next;
        if (queue->first == RP_NONE) {
            queue->last = RP_NONE;
        }
    }
    return index;
}

int rp_lane_init(struct rp_worker *worker)
{
    struct rp_lane *lane = &worker->lane;
    const struct rp_spooldir_lane *start = &worker->dir->lanes[worker->lane_number];
    static const struct rp_lane_queue empty = {RP_NONE, RP_NONE};
    lane->waiting = lane->writing = lane->failed = empty;
    const struct rp_spool_writer_place place = {
        .lane = worker->lane_number,
        .sequence = start->next_sequence,
        .skipped = start->skipped,
    };
    rp_spool_writer_init(&lane->writer, worker->dir->identity, &place, worker->dir->doorbell);
    const struct rp_segment_place segments = {
        .io = worker->io,
        .dir_fd = start->fd,
        .meta_fd = worker->dir->meta_fd,
        .lane = worker->lane_number,
        .size = worker->dir->segment_size,
        .next_number = start->next_segment,
        .created_ns = worker->dir->created_ns,
        .identity = worker->dir->identity,
    };
    rp_segment_maker_init(&lane->maker, &segments);
    rp_retire_init(&lane->retire, worker->io, start->fd);
    lane->segment.fd = -1;
    for (size_t i = 0; i < 2; i++) {
        /* Pages that no entry has touched take no memory. */
        void *memory = mmap(NULL, RP_SPOOL_INDEX_LEN(segments.size), PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) {
            return -ENOMEM;
        }
        lane->index_memory[i] = memory;
    }
    return rp_stage_open(&lane->stage);
}

bool rp_lane_is_idle(const struct rp_lane *lane)
{
    return lane->state == RP_LANE_IDLE && lane->waiting.first == RP_NONE &&
           lane->failed.first == RP_NONE;
}

const struct rp_reply *rp_lane_refusal(const struct rp_lane *lane)
{
    bool has_place = lane->is_open || lane->maker.error == 0;
    return has_place ? NULL : rp_lane_reply_for_error(lane->maker.error);
}

/* Tell the message's connection how it ended, and let the message go. */
static void settle(struct rp_worker *worker, uint32_t index, const struct rp_reply *failure)
{
    struct rp_message *message = rp_message_at(&worker->store, index);
    if (failure == NULL) {
        rp_stats_add(&worker->stats.messages, 1);
    } else {
        rp_stats_add(&worker->stats.messages_refused, 1);
        if (message->big_id != 0) {
            rp_big_remove(worker, message->big_id);
        }
    }
    rp_conn_message_done(worker, message, failure);
    rp_message_drop(&worker->store, index);
}

static void settle_all(struct rp_worker *worker,
                       struct rp_lane_queue *queue,
                       const struct rp_reply *failure)
{
    uint32_t index;
    while ((index = queue_take(worker, queue)) != RP_NONE) {
        settle(worker, index, failure);
    }
}

/* A body that a record holds as direct I/O can write it. */
static bool is_gathered(const struct rp_message *message)
{
    return message->is_gathered && message->big_id == 0;
}

static void wait_for_batch(struct rp_worker *worker, uint32_t index)
{
    const struct rp_message *message = rp_message_at(&worker->store, index);
    struct rp_lane *lane = &worker->lane;
    queue_put(worker, &lane->waiting, index);
    lane->waiting_octets += message->big_id == 0 ? message->body_len : 0;
}

static uint32_t take_waiting(struct rp_worker *worker)
{
    struct rp_lane *lane = &worker->lane;
    uint32_t index = queue_take(worker, &lane->waiting);
    if (index != RP_NONE) {
        const struct rp_message *message = rp_message_at(&worker->store, index);
        lane->waiting_octets -= message->big_id == 0 ? message->body_len : 0;
    }
    return index;
}

void rp_lane_add(struct rp_worker *worker, uint32_t index)
{
    struct rp_message *message = rp_message_at(&worker->store, index);
    assert(message->big == RP_NONE && message->is_complete);
    if (worker->config->spool_discard) {
        memcpy(message->id.text, "000-0000000000-000000", sizeof(message->id.text));
        if (message->big_id != 0) {
            rp_big_remove(worker, message->big_id);
        }
        settle(worker, index, NULL);
        return;
    }
    wait_for_batch(worker, index);
}

static void settle_waiting(struct rp_worker *worker, const struct rp_reply *failure)
{
    uint32_t index;
    while ((index = take_waiting(worker)) != RP_NONE) {
        settle(worker, index, failure);
    }
}

/* ---- a batch ---- */

/* 0, or what rp_spool_batch_append said. */
static int append(struct rp_worker *worker, uint32_t index)
{
    struct rp_message *message = rp_message_at(&worker->store, index);
    struct rp_lane *lane = &worker->lane;
    assert(message->block_count <= RP_MESSAGE_BLOCKS_MAX + 1);
    assert(message->slices.count <= RP_MESSAGE_SLICES_MAX);
    rp_message_head_iov(&worker->store, message, lane->head_iov);
    rp_slices_iov(&worker->store, &message->slices, lane->body_iov);
    struct rp_spool_message record = {
        .head = lane->head_iov,
        .head_count = message->block_count,
        .body = lane->body_iov,
        .body_count = message->slices.count,
        .body_len = message->body_len,
        .time_ns = message->time_ns,
        .big_id = message->big_id,
        .body_hash = message->body_hash,
        .has_zeros = message->has_zeros,
        .is_block_aligned = lane->is_direct && is_gathered(message),
    };
    return rp_spool_batch_append(&lane->batch, &record, &message->id);
}

static void write_rest(struct rp_worker *worker)
{
    struct rp_lane *lane = &worker->lane;
    struct rp_spool_batch *batch = &lane->batch;
    bool is_durable = worker->config->spool_sync == RP_CONFIG_SYNC_COMMIT;
    size_t count = lane->iov_count - lane->iov_first;
    rp_io_write(worker->io, rp_op_tag(RP_OP_COMMIT, 0), lane->segment.fd,
                lane->iov + lane->iov_first, count < IOV_MAX ? count : IOV_MAX,
                batch->off + lane->written, is_durable);
}

static void set_direct(struct rp_lane *lane, bool is_on)
{
    if (lane->segment.is_direct != is_on) {
        rp_segment_set_direct(lane->segment.fd, is_on);
        lane->segment.is_direct = is_on;
    }
}

/* The batch is sealed: off it goes. */
static void begin_write(struct rp_worker *worker, enum rp_lane_state state)
{
    struct rp_lane *lane = &worker->lane;
    lane->state = state;
    lane->iov = lane->batch.iov;
    lane->iov_count = lane->batch.iov_count;
    if (lane->is_direct) {
        rp_stage_line_up(&lane->stage, lane->batch.iov, lane->batch.iov_count);
        lane->iov = lane->stage.iov;
        lane->iov_count = lane->stage.iov_count;
    }
    lane->iov_first = 0;
    lane->written = 0;
    set_direct(lane, lane->is_direct);
    write_rest(worker);
}

void rp_lane_prepare(struct rp_worker *worker)
{
    struct rp_lane *lane = &worker->lane;
    /* What the batch under way plans to use may have to be used again. */
    uint64_t next =
        lane->state == RP_LANE_WRITING ? lane->batch.first_sequence : lane->writer.sequence;
    rp_segment_maker_start(&lane->maker, next - lane->writer.skipped);
    if (!lane->is_open) {
        rp_segment_maker_hurry(&lane->maker);
    }
}

static bool open_segment(struct rp_worker *worker)
{
    struct rp_lane *lane = &worker->lane;
    if (!rp_segment_maker_take(&lane->maker, &lane->segment)) {
        return false;
    }
    lane->is_open = true;
    lane->segment_commits = 0;
    lane->committed_off = 0;
    rp_spool_writer_open_segment(&lane->writer, lane->segment.number, lane->maker.place.size,
                                 lane->index_memory[lane->index_turn]);
    rp_stats_add(&worker->stats.segments, 1);
    rp_lane_prepare(worker);
    return true;
}

/* False: the one before is still on its way out; this one stays open until then. */
static bool close_segment(struct rp_worker *worker)
{
    struct rp_lane *lane = &worker->lane;
    if (lane->retire.step != RP_RETIRE_IDLE) {
        return false;
    }
    lane->maker.is_bulk = lane->writer.off / RP_BULK_COMMIT > lane->segment_commits;
    const struct rp_retire_order order = {
        .segment = lane->segment,
        .used = lane->committed_off,
        .size = lane->maker.place.size,
        .index = lane->index_memory[lane->index_turn],
        .index_len = rp_spool_writer_close_segment(&lane->writer),
    };
    rp_retire_begin(&lane->retire, &order);
    lane->index_turn ^= 1;
    lane->segment.fd = -1;
    lane->is_open = false;
    return true;
}

/* Without a segment: take the prepared one, or see to it that there will be one. */
static bool need_segment(struct rp_worker *worker)
{
    struct rp_lane *lane = &worker->lane;
    if (lane->is_open) {
        return true;
    }
    if (lane->maker.step == RP_SEGMENT_READY && open_segment(worker)) {
        return true;
    }
    rp_lane_prepare(worker);
    return false;
}

/* At most so many octets of a direct batch must be copied for this message. */
static uint64_t stage_need(const struct rp_message *message)
{
    uint64_t head = (uint64_t)message->block_count * RP_BLOCK_SIZE + 3 * RP_SPOOL_BLOCK;
    return is_gathered(message) || message->big_id != 0 ? head : head + message->body_len;
}

/* Fill the batch from those that wait. False: none fits, the segment is full. */
static bool fill(struct rp_worker *worker)
{
    struct rp_lane *lane = &worker->lane;
    bool is_wanted = lane->waiting_octets > RP_DIRECT_THRESHOLD ||
                     worker->config->spool_io == RP_CONFIG_IO_DIRECT;
    lane->is_direct = is_wanted && !lane->cannot_direct;
    uint64_t room = RP_STAGE_SIZE - 3 * RP_SPOOL_BLOCK;
    rp_spool_batch_begin(&lane->batch, &lane->writer);
    while (lane->waiting.first != RP_NONE) {
        const struct rp_message *message = rp_message_at(&worker->store, lane->waiting.first);
        uint64_t need = lane->is_direct ? stage_need(message) : 0;
        if (need > room) {
            break;
        }
        int err = append(worker, lane->waiting.first);
        if (err < 0) {
            assert(err == -ENOSPC || (err == -ENOBUFS && lane->batch.count > 0));
            break;
        }
        room -= need;
        queue_put(worker, &lane->writing, take_waiting(worker));
    }
    return lane->batch.count > 0;
}

/* Nobody can know whether these are in the spool: no reply is the only true one. */
static void drop_failed(struct rp_worker *worker)
{
    struct rp_lane *lane = &worker->lane;
    uint32_t index;
    while ((index = queue_take(worker, &lane->failed)) != RP_NONE) {
        const struct rp_message *message = rp_message_at(&worker->store, index);
        if (rp_conn_awaits(worker, message)) {
            rp_conn_abort(worker, message->conn);
        }
        rp_message_drop(&worker->store, index);
    }
}

void rp_lane_pump(struct rp_worker *worker)
{
    struct rp_lane *lane = &worker->lane;
    bool has_failed = lane->failed.first != RP_NONE;
    if (lane->state != RP_LANE_IDLE || (!has_failed && lane->waiting.first == RP_NONE)) {
        return;
    }
    if (!need_segment(worker)) {
        if (lane->maker.error != 0) {
            drop_failed(worker);
            settle_waiting(worker, rp_lane_reply_for_error(lane->maker.error));
        }
        return;
    }
    if (has_failed) {
        rp_spool_batch_begin(&lane->batch, &lane->writer);
        rp_spool_batch_seal_header(&lane->batch);
        lane->is_direct = false;
        begin_write(worker, RP_LANE_VOIDING);
    } else {
        while (!fill(worker)) {
            if (!close_segment(worker) || !need_segment(worker)) {
                return; /* again when RP_OP_RETIRE, or RP_OP_SEGMENT, completes */
            }
        }
        rp_spool_batch_seal(&lane->batch);
        rp_stats_add(&worker->stats.commits, 1);
        lane->segment_commits++;
        begin_write(worker, RP_LANE_WRITING);
    }
}

static void committed(struct rp_worker *worker)
{
    struct rp_lane *lane = &worker->lane;
    bool has_waiters = rp_spool_batch_commit(&lane->batch);
    bool was_voiding = lane->state == RP_LANE_VOIDING;
    lane->state = RP_LANE_IDLE;
    lane->committed_off = lane->writer.off;
    rp_segment_maker_pay(&lane->maker, lane->batch.len);
    rp_spooldir_check_doorbell(worker->dir);
    if (has_waiters) {
        rp_io_wake_readers(worker->io, &worker->dir->doorbell->ring);
    }
    if (was_voiding) {
        settle_all(worker, &lane->failed, lane->failure);
    } else {
        settle_all(worker, &lane->writing, NULL);
    }
}

static void failed(struct rp_worker *worker, int error)
{
    struct rp_lane *lane = &worker->lane;
    rp_log(RP_CONFIG_LOG_ERROR,
           "spool: cannot write to segment %llu of lane %u: %s; it is given up",
           (unsigned long long)lane->segment.number, worker->lane_number, strerror(error));
    rp_stats_add(&worker->stats.commit_errors, 1);
    rp_stats_add(&worker->stats.segments_abandoned, 1);
    bool was_voiding = lane->state == RP_LANE_VOIDING;
    lane->state = RP_LANE_IDLE;
    rp_spool_batch_abandon(&lane->batch);
    if (!close_segment(worker)) {
        /* The one before is not out yet: rare, and worth a plain close, without an index. */
        (void)rp_spool_writer_close_segment(&lane->writer);
        rp_segment_close(&lane->segment);
        lane->is_open = false;
    }
    if (was_voiding) {
        drop_failed(worker);
    } else {
        lane->failed = lane->writing;
        lane->writing = (struct rp_lane_queue){RP_NONE, RP_NONE};
        lane->failure = rp_lane_reply_for_error(error);
    }
}

void rp_lane_completed(struct rp_worker *worker, int32_t res)
{
    struct rp_lane *lane = &worker->lane;
    assert(lane->state != RP_LANE_IDLE);
    if (res <= 0) {
        if (res == -EINVAL && lane->segment.is_direct) {
            lane->cannot_direct = true; /* a file system with wishes of its own: buffered, then */
            set_direct(lane, false);
            write_rest(worker);
        } else if (res == -EINTR || res == -EAGAIN) {
            write_rest(worker);
        } else {
            failed(worker, res == 0 ? EIO : -res);
        }
        return;
    }
    size_t left = (size_t)res;
    lane->written += left;
    while (left > 0 && left >= lane->iov[lane->iov_first].iov_len) {
        left -= lane->iov[lane->iov_first++].iov_len;
    }
    if (lane->iov_first == lane->iov_count) {
        /* A file without a name is gone with its last descriptor: nobody will read it. */
        if (rp_io_link_count(worker->io, lane->segment.fd) == 0) {
            failed(worker, ENOENT);
        } else {
            committed(worker);
        }
        return;
    }
    struct iovec *iov = &lane->iov[lane->iov_first];
    iov->iov_base = (uint8_t *)iov->iov_base + left;
    iov->iov_len -= left;
    if (lane->written % RP_SPOOL_BLOCK != 0) {
        set_direct(lane, false); /* the rest has no alignment left */
    }
    write_rest(worker);
}

void rp_lane_segment_step(struct rp_worker *worker, int32_t res)
{
    rp_segment_maker_step(&worker->lane.maker, res);
}

void rp_lane_retired(struct rp_worker *worker, int32_t res)
{
    rp_retire_completed(&worker->lane.retire, res);
}

bool rp_lane_finish(struct rp_worker *worker)
{
    struct rp_lane *lane = &worker->lane;
    assert(rp_lane_is_idle(lane));
    if (!lane->is_finishing) {
        lane->is_finishing = true;
        rp_segment_maker_stop(&lane->maker);
    }
    if (lane->is_open && !close_segment(worker)) {
        return false;
    }
    return lane->retire.step == RP_RETIRE_IDLE && lane->maker.step == RP_SEGMENT_IDLE;
}

void rp_lane_close(struct rp_worker *worker)
{
    struct rp_lane *lane = &worker->lane;
    rp_segment_close(&lane->segment);
    lane->is_open = false;
    rp_segment_maker_close(&lane->maker);
    rp_retire_close(&lane->retire);
    rp_stage_close(&lane->stage);
    for (size_t i = 0; i < 2; i++) {
        if (lane->index_memory[i] != NULL) {
            int error = munmap(lane->index_memory[i], RP_SPOOL_INDEX_LEN(lane->maker.place.size));
            assert(error == 0);
        }
    }
}
