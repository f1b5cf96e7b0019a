/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * states_history.c - drive the writer as the engine does, and note all that it gives out.
 */
#include "states_history.h"

#include "spool/format.h"
#include "states_mail.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct maker {
    struct states_history *history;
    struct sim_random random;
    struct rp_spool_writer writer;
    struct rp_spool_batch batch;
    struct rp_spool_doorbell bell;
    struct rp_spool_lane_meta lane_meta; /* as it is in spool.meta */
    uint64_t segment;                    /* number of the open one */
    uint32_t segment_file;
    uint32_t index_due; /* an index that is written, not synced yet; 0: none */
    uint64_t big_count;
    uint64_t time_ns;
    uint32_t batches_max;         /* of a segment */
    uint8_t *index;               /* memory for the open segment's */
    struct states_mail mails[16]; /* of the batch under way */
    uint8_t *write;               /* the last one's octets, to quote from */
    size_t write_len;
};

static void *take(size_t len)
{
    void *ptr = calloc(1, len == 0 ? 1 : len);
    assert(ptr != NULL);
    return ptr;
}

/* ---- the record ---- */

static uint32_t add_file(struct maker *maker,
                         enum states_file_kind kind,
                         uint64_t number,
                         size_t cap)
{
    struct states_history *history = maker->history;
    assert(history->file_count < STATES_FILES_MAX);
    history->files[history->file_count] =
        (struct states_file){.kind = kind, .number = number, .cap = cap};
    return history->file_count++;
}

static struct states_op *add_op(struct maker *maker, enum states_op_kind kind, uint32_t file)
{
    struct states_history *history = maker->history;
    assert(history->op_count < STATES_OPS_MAX);
    struct states_op *op = &history->ops[history->op_count++];
    *op = (struct states_op){.kind = kind, .file = file};
    return op;
}

static uint32_t create(struct maker *maker,
                       enum states_file_kind kind,
                       uint64_t number,
                       size_t cap,
                       const void *octets)
{
    uint32_t file = add_file(maker, kind, number, cap);
    struct states_op *op = add_op(maker, STATES_CREATE, file);
    op->len = octets != NULL || kind == STATES_SEGMENT ? cap : 0;
    if (octets != NULL) {
        op->octets = take(cap);
        memcpy(op->octets, octets, cap);
    }
    return file;
}

static struct states_op *add_write(struct maker *maker,
                                   enum states_op_kind kind,
                                   uint32_t file,
                                   uint64_t off,
                                   const void *octets,
                                   size_t len)
{
    struct states_op *op = add_op(maker, kind, file);
    op->off = off;
    op->len = len;
    op->octets = take(len);
    memcpy(op->octets, octets, len);
    return op;
}

/* The lane's line of the doorbell, as the writer left it. */
static void store_bell(struct maker *maker)
{
    const size_t off = offsetof(struct rp_spool_doorbell, lanes);
    struct states_op *op =
        add_write(maker, STATES_STORE, 1, off, &maker->bell.lanes[0], sizeof maker->bell.lanes[0]);
    (void)op;
}

/* ---- segments ---- */

/* An index is synced while others write on; at last here. */
static void sync_index(struct maker *maker)
{
    if (maker->index_due != 0) {
        (void)add_op(maker, STATES_SYNC, maker->index_due);
        maker->index_due = 0;
    }
}

/* The lane's part of spool.meta goes first, so that the number is never used twice. */
static void open_segment(struct maker *maker)
{
    struct rp_spool_lane_meta meta = maker->lane_meta;
    maker->segment++;
    meta.lane = 0;
    meta.next_segment = maker->segment + 1;
    meta.next_sequence = maker->bell.lanes[0].tail;
    meta.created_ns = 1;
    memcpy(meta.identity, maker->history->identity, sizeof meta.identity);
    rp_format_lane_meta_seal(&meta);
    struct states_op *op =
        add_write(maker, STATES_WRITE, 0, RP_SPOOL_LANE_META_OFF(0), &meta, sizeof meta);
    op->before = take(sizeof meta);
    memcpy(op->before, &maker->lane_meta, sizeof meta);
    maker->lane_meta = meta;
    (void)add_op(maker, STATES_SYNC, 0);
    maker->segment_file = create(maker, STATES_SEGMENT, maker->segment, STATES_SEGMENT_LEN, NULL);
    memset(maker->index, 0xa5, RP_SPOOL_INDEX_LEN(STATES_SEGMENT_LEN));
    rp_spool_writer_open_segment(&maker->writer, maker->segment, STATES_SEGMENT_LEN, maker->index);
    store_bell(maker);
}

static void close_segment(struct maker *maker)
{
    sync_index(maker);
    uint64_t len = rp_spool_writer_close_segment(&maker->writer);
    uint32_t file = create(maker, STATES_INDEX, maker->segment, (size_t)len, NULL);
    (void)add_write(maker, STATES_WRITE, file, 0, maker->index, (size_t)len);
    maker->index_due = file;
}

/* ---- messages ---- */

/* The file of a big body is durable before its record is written. */
static uint32_t write_big(struct maker *maker, const struct states_mail *mail, uint64_t big_id)
{
    uint32_t file = create(maker, STATES_BIG, big_id, mail->body_len, NULL);
    (void)add_write(maker, STATES_WRITE, file, 0, mail->body, mail->body_len);
    (void)add_op(maker, STATES_SYNC, file);
    return file;
}

/* Any kind, some of them more often. */
static enum states_mail_kind choose_kind(struct maker *maker)
{
    enum states_mail_kind kind =
        (enum states_mail_kind)sim_random_below(&maker->random, STATES_MAIL_KIND_COUNT);
    bool is_costly = kind == STATES_MAIL_LARGE || kind == STATES_MAIL_BIG;
    if (is_costly &&
        (sim_random_chance(&maker->random, 600000) || maker->big_count + 1 >= STATES_BIGS_MAX)) {
        return STATES_MAIL_TINY;
    }
    return kind;
}

/* One message into the batch. False: there is no room for it. */
static bool append(struct maker *maker)
{
    struct states_history *history = maker->history;
    struct states_mail *mail = &maker->mails[maker->batch.count];
    const enum states_mail_kind kind = choose_kind(maker);
    const uint64_t big_id = kind == STATES_MAIL_BIG ? maker->big_count + 1 : 0;
    const struct iovec quoted = {.iov_base = maker->write, .iov_len = maker->write_len};
    states_mail_make(mail, kind, &maker->random, &quoted, big_id);

    size_t cut = mail->body_len < 2 ? mail->body_len
                                    : 1 + (size_t)sim_random_below(&maker->random, mail->body_len);
    const struct iovec head[2] = {
        {.iov_base = mail->head,                                  .iov_len = sizeof(struct rp_spool_record)},
        {.iov_base = mail->head + sizeof(struct rp_spool_record),
         .iov_len = mail->head_len - sizeof(struct rp_spool_record)                                        },
    };
    const struct iovec body[2] = {
        {.iov_base = mail->body,       .iov_len = cut                 },
        {.iov_base = mail->body + cut, .iov_len = mail->body_len - cut},
    };
    struct rp_spool_hash hash;
    rp_spool_hash_init(&hash);
    rp_spool_hash_add(&hash, body[0].iov_base, body[0].iov_len);
    rp_spool_hash_add(&hash, body[1].iov_base, body[1].iov_len);
    const struct rp_spool_message spooled = {
        .head = head,
        .head_count = 2,
        .body = body,
        .body_count = mail->body_len == 0     ? 0
                      : cut == mail->body_len ? 1
                                              : 2,
        .body_len = mail->body_len,
        .time_ns = ++maker->time_ns,
        .big_id = big_id,
        .body_hash = rp_spool_hash_get(&hash),
        .has_zeros = rp_spool_hash_has_zeros(&hash),
        .is_block_aligned = mail->is_block_aligned,
    };
    struct states_message *message = &history->messages[history->message_count];
    const uint64_t sequence = maker->writer.sequence;
    if (rp_spool_batch_append(&maker->batch, &spooled, &message->id) != 0) {
        return false;
    }
    history->message_count++;
    message->batch = history->batch_count;
    message->sequence = sequence;
    message->body_len = mail->body_len;
    message->big_file = 0;
    if (big_id != 0) {
        maker->big_count++;
        message->big_file = write_big(maker, mail, big_id);
    }
    return true;
}

/* All that a batch's write has, in one piece. */
static uint8_t *flatten(const struct rp_spool_batch *batch)
{
    uint8_t *octets = take(batch->len);
    size_t at = 0;
    for (size_t i = 0; i < batch->iov_count; i++) {
        memcpy(octets + at, batch->iov[i].iov_base, batch->iov[i].iov_len);
        at += batch->iov[i].iov_len;
    }
    assert(at == batch->len);
    return octets;
}

/* What is known of a batch and its messages once it is sealed. */
static void note_batch(struct maker *maker, uint8_t *octets)
{
    struct states_history *history = maker->history;
    const struct rp_spool_batch *batch = &maker->batch;
    assert(history->batch_count < STATES_BATCHES_MAX);
    struct states_batch *noted = &history->batches[history->batch_count++];
    *noted = (struct states_batch){
        .file = maker->segment_file,
        .off = batch->off,
        .len = batch->len,
        .begin_off = batch->begin_off,
        .end_off = batch->begin_off + batch->begin.len,
        .first_sequence = batch->first_sequence,
        .count = batch->count,
        .first_message = history->message_count - batch->count,
        .octets = octets,
        .write_op = history->op_count,
        .ack_op = STATES_NEVER,
        .void_op = STATES_NEVER,
    };
    const struct rp_spool_index_entry *entries =
        (const struct rp_spool_index_entry *)(const void *)(maker->index + RP_SPOOL_BLOCK);
    for (uint32_t i = 0; i < batch->count; i++) {
        struct states_message *message = &history->messages[noted->first_message + i];
        const struct rp_spool_index_entry *entry =
            &entries[message->sequence - maker->writer.first_sequence];
        const bool is_big = message->big_file != 0;
        message->offset = entry->offset;
        message->envelope_len = entry->envelope_len;
        message->len =
            sizeof(struct rp_spool_record) + entry->envelope_len + (is_big ? 0 : message->body_len);
        message->octets = octets + (entry->offset - batch->off);
        message->body = message->octets + message->len - message->body_len;
        if (is_big) {
            for (size_t j = 0; j < history->op_count; j++) {
                if (history->ops[j].file == message->big_file &&
                    history->ops[j].kind == STATES_WRITE) {
                    message->body = history->ops[j].octets;
                }
            }
        }
    }
    if (batch->first_sequence + batch->count > history->sequence_end) {
        history->sequence_end = batch->first_sequence + batch->count;
    }
}

/* What earlier writes that failed have left is void, once `op` is done. */
static void note_void(struct maker *maker, size_t op)
{
    struct states_history *history = maker->history;
    for (uint32_t i = 0; i < history->batch_count; i++) {
        struct states_batch *batch = &history->batches[i];
        if (batch->ack_op == STATES_NEVER && batch->void_op == STATES_NEVER &&
            batch->file != maker->segment_file) {
            batch->void_op = op;
            batch->void_file = maker->segment_file;
        }
    }
}

/* Write and sync; what was done with it becomes durable at the operation that is returned. */
static size_t write_durably(struct maker *maker, uint8_t *octets)
{
    const bool has_header = maker->batch.off == 0;
    struct states_op *op = add_op(maker, STATES_WRITE, maker->segment_file);
    op->off = maker->batch.off;
    op->len = maker->batch.len;
    op->octets = octets;
    (void)add_op(maker, STATES_SYNC, maker->segment_file);
    size_t sync_op = maker->history->op_count - 1;
    if (has_header) {
        note_void(maker, sync_op);
    }
    return sync_op;
}

/* True: its write failed, and the segment is closed. */
static bool write_batch(struct maker *maker, uint64_t count)
{
    rp_spool_batch_begin(&maker->batch, &maker->writer);
    while (maker->batch.count < count && append(maker)) {
    }
    if (maker->batch.count == 0) {
        close_segment(maker);
        return true;
    }
    rp_spool_batch_seal(&maker->batch);
    uint8_t *octets = flatten(&maker->batch);
    note_batch(maker, octets);
    struct states_batch *noted = &maker->history->batches[maker->history->batch_count - 1];
    maker->write = octets;
    maker->write_len = maker->batch.len;
    if (sim_random_chance(&maker->random, 150000)) {
        struct states_op *op = add_op(maker, STATES_FAILED, maker->segment_file);
        op->off = maker->batch.off;
        op->len = maker->batch.len;
        op->octets = octets;
        rp_spool_batch_abandon(&maker->batch);
        close_segment(maker);
        return true;
    }
    noted->ack_op = write_durably(maker, octets);
    (void)rp_spool_batch_commit(&maker->batch);
    store_bell(maker);
    return false;
}

/* A segment that begins with its header alone, as the engine does after a write that failed. */
static void write_header(struct maker *maker)
{
    rp_spool_batch_begin(&maker->batch, &maker->writer);
    rp_spool_batch_seal_header(&maker->batch);
    (void)write_durably(maker, flatten(&maker->batch));
    (void)rp_spool_batch_commit(&maker->batch);
}

static void fill_segment(struct maker *maker, bool is_header_first)
{
    open_segment(maker);
    if (is_header_first) {
        write_header(maker);
    }
    for (uint32_t i = 0; i < maker->batches_max; i++) {
        if (maker->history->message_count + 16 > STATES_MESSAGES_MAX ||
            maker->history->batch_count + 2 > STATES_BATCHES_MAX) {
            break;
        }
        uint64_t count = sim_random_spread(&maker->random, 1, 12);
        if (write_batch(maker, count)) {
            return;
        }
        if (sim_random_chance(&maker->random, 500000)) {
            sync_index(maker);
        }
    }
    close_segment(maker);
}

static void begin(struct maker *maker, uint64_t seed)
{
    struct states_history *history = maker->history;
    maker->random = sim_random_from(seed, "history");
    for (size_t i = 0; i < sizeof history->identity; i++) {
        history->identity[i] = (uint8_t)sim_random_next(&maker->random);
    }
    maker->bell = (struct rp_spool_doorbell){
        .magic = RP_SPOOL_DOORBELL_MAGIC,
        .version = RP_SPOOL_VERSION,
        .lane_count = 1,
    };
    memcpy(maker->bell.identity, history->identity, sizeof history->identity);
    struct rp_spool_meta meta = {
        .magic = RP_SPOOL_META_MAGIC,
        .version = RP_SPOOL_VERSION,
        .lane_count = 1,
        .segment_size = STATES_SEGMENT_LEN,
        .created_ns = 1,
    };
    memcpy(meta.identity, history->identity, sizeof meta.identity);
    rp_format_meta_seal(&meta);
    uint8_t *octets = take(RP_SPOOL_META_LEN);
    memcpy(octets, &meta, sizeof meta);
    (void)create(maker, STATES_META, 0, RP_SPOOL_META_LEN, octets);
    free(octets);
    maker->bell.lanes[0].check = rp_format_tail_check(0, history->identity, 0);
    (void)create(maker, STATES_BELL, 0, sizeof maker->bell, &maker->bell);
    const struct rp_spool_writer_place place = {0};
    rp_spool_writer_init(&maker->writer, history->identity, &place, &maker->bell);
}

void states_history_make(struct states_history *history, uint64_t seed)
{
    memset(history, 0, sizeof *history);
    struct maker *maker = take(sizeof *maker);
    maker->history = history;
    maker->index = take(RP_SPOOL_INDEX_LEN(STATES_SEGMENT_LEN));
    begin(maker, seed);
    uint64_t segments = sim_random_between(&maker->random, 1, 5);
    /* Some fill a segment until there is no more room. */
    bool is_full = sim_random_chance(&maker->random, 100000);
    for (uint64_t i = 0; i < segments; i++) {
        maker->batches_max = is_full ? 60 : (uint32_t)sim_random_between(&maker->random, 1, 5);
        is_full = false;
        fill_segment(maker, sim_random_chance(&maker->random, 300000));
    }
    sync_index(maker);
    free(maker->index);
    free(maker);
}

void states_history_free(struct states_history *history)
{
    for (size_t i = 0; i < history->op_count; i++) {
        free(history->ops[i].octets);
        free(history->ops[i].before);
    }
    history->op_count = 0;
}
