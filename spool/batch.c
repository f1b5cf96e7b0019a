/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * batch.c - many messages, one write: lay them out, hash them, publish them.
 *
 * The order that readers and recovery rely on: the write (the caller's) first, then the tail.
 */
#include "rp_spool_writer.h"

#include "format.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static const uint8_t zeros[RP_SPOOL_BLOCK];

/* What is known of an iovec's octets, so that few are looked at for sectors of zeros. */
enum content {
    MIXED,     /* nothing: all are looked at */
    ALL_ZEROS, /* all are */
    NO_ZEROS,  /* no sector's worth of them is zeros */
};

/* A piece of one sector. */
static void count_piece(struct rp_spool_batch *batch, const uint8_t *ptr, size_t len)
{
    batch->is_zero_so_far = batch->is_zero_so_far && rp_format_is_zero(ptr, len);
}

/* Count the sectors of zeros that end in these octets, which go to `off` in the segment. */
static void count_zeros(struct rp_spool_batch *batch,
                        const uint8_t *ptr,
                        uint64_t len,
                        uint64_t off,
                        enum content content)
{
    uint64_t at = 0;
    while (at < len) {
        uint64_t used = (off + at) % RP_SPOOL_SECTOR;
        if (used == 0 && len - at >= RP_SPOOL_SECTOR && content != MIXED) {
            uint64_t sectors = (len - at) / RP_SPOOL_SECTOR;
            batch->zero_sectors += content == ALL_ZEROS ? (uint32_t)sectors : 0;
            at += sectors * RP_SPOOL_SECTOR;
            continue;
        }
        uint64_t piece = RP_SPOOL_SECTOR - used < len - at ? RP_SPOOL_SECTOR - used : len - at;
        count_piece(batch, ptr + at, (size_t)piece);
        at += piece;
        if (used + piece == RP_SPOOL_SECTOR) {
            batch->zero_sectors += batch->is_zero_so_far;
            batch->is_zero_so_far = true;
        }
    }
}

static void add_iov(struct rp_spool_batch *batch,
                    const void *ptr,
                    uint64_t len,
                    enum content content)
{
    assert(batch->iov_count < RP_SPOOL_BATCH_IOV);
    count_zeros(batch, ptr, len, batch->off + batch->len, content);
    batch->iov[batch->iov_count++] =
        (struct iovec){.iov_base = (void *)(uintptr_t)ptr, .iov_len = len};
    batch->len += len;
}

static void fill_header_page(struct rp_spool_batch *batch)
{
    const struct rp_spool_writer *writer = batch->writer;
    struct rp_spool_segment_header header = {
        .magic = RP_SPOOL_SEGMENT_MAGIC,
        .version = RP_SPOOL_VERSION,
        .lane = writer->lane,
        .segment = writer->segment,
        .first_sequence = writer->first_sequence,
        .size = writer->segment_size,
        .skipped = writer->skipped,
    };
    memcpy(header.identity, writer->identity, sizeof header.identity);
    rp_format_segment_header_seal(&header);
    memset(batch->header_page, 0, sizeof batch->header_page);
    memcpy(batch->header_page, &header, sizeof header);
    add_iov(batch, batch->header_page, RP_SPOOL_BLOCK, MIXED);
}

void rp_spool_batch_begin(struct rp_spool_batch *batch, struct rp_spool_writer *writer)
{
    assert(writer->segment != 0);
    batch->writer = writer;
    batch->off = writer->off;
    batch->len = 0;
    batch->first_sequence = writer->sequence;
    batch->count = 0;
    batch->iov_count = 0;
    batch->filler_count = 0;
    batch->is_zero_so_far = true;
    if (writer->is_header_due) {
        fill_header_page(batch);
    }
    batch->begin_off = batch->off + batch->len;
    batch->zero_sectors = 0;
}

/* BEGIN takes its place before the first message; what it says comes when the batch is sealed. */
static void add_begin(struct rp_spool_batch *batch)
{
    /* Something already: its sector is none of zeros. */
    batch->begin = (struct rp_spool_batch_mark){.magic = RP_SPOOL_BEGIN_MAGIC};
    add_iov(batch, &batch->begin, sizeof batch->begin, MIXED);
}

static uint64_t sum_iov(const struct iovec *iov, size_t count)
{
    uint64_t len = 0;
    for (size_t i = 0; i < count; i++) {
        len += iov[i].iov_len;
    }
    return len;
}

/* The hash of a record: of what its iovecs have behind the hash field. */
static uint64_t hash_head(const struct iovec *iov, size_t count, uint64_t seed)
{
    size_t skip = sizeof((struct rp_spool_record *)NULL)->hash;
    if (count == 1) {
        return rp_format_hash((const uint8_t *)iov->iov_base + skip, iov->iov_len - skip, seed);
    }
    struct rp_format_hash_state state;
    rp_format_hash_init(&state, seed);
    for (size_t i = 0; i < count; i++) {
        rp_format_hash_add(&state, (const uint8_t *)iov[i].iov_base + skip, iov[i].iov_len - skip);
        skip = 0;
    }
    return rp_format_hash_get(&state);
}

/* Octets of the filler item behind a head of `head_len`; 0: none. */
static uint64_t filler_len(const struct rp_spool_batch *batch, uint64_t head_len)
{
    uint64_t over = (batch->off + batch->len + head_len) % RP_SPOOL_BLOCK;
    uint64_t len = (RP_SPOOL_BLOCK - over) % RP_SPOOL_BLOCK;
    return len > 0 && len < RP_SPOOL_ITEM_HEADER ? len + RP_SPOOL_BLOCK : len;
}

static void add_filler(struct rp_spool_batch *batch, uint64_t len)
{
    uint8_t *header = batch->fillers[batch->filler_count++];
    (void)rp_spool_item_put(header, RP_SPOOL_TAG_FILLER, NULL, 0);
    uint32_t value_len = (uint32_t)(len - RP_SPOOL_ITEM_HEADER);
    memcpy(header + 4, &value_len, sizeof value_len); /* FORMAT.md: length at 4, little-endian */
    add_iov(batch, header, RP_SPOOL_ITEM_HEADER, MIXED);
    if (value_len > 0) {
        add_iov(batch, zeros, value_len, ALL_ZEROS);
    }
}

/* Whether a record of this length and as many iovecs has a place now. */
static int find_room(const struct rp_spool_batch *batch, uint64_t total_len, size_t iov_count)
{
    const struct rp_spool_writer *writer = batch->writer;
    const uint64_t marks = batch->count == 0 ? 2 * sizeof batch->begin : sizeof batch->end;
    /* Besides the message's own: a filler in two pieces, zeros behind the record, BEGIN, END and
     * the zeros behind it, in a first batch the header. */
    if (iov_count + 7 > RP_SPOOL_BATCH_IOV ||
        total_len > writer->segment_size - RP_SPOOL_BLOCK - 2 * sizeof batch->begin) {
        return -EMSGSIZE;
    }
    if (writer->sequence - writer->first_sequence >= RP_SPOOL_INDEX_CAP(writer->segment_size) ||
        batch->off + batch->len + total_len + marks > writer->segment_size) {
        return -ENOSPC;
    }
    if (batch->iov_count + iov_count + 6 > RP_SPOOL_BATCH_IOV ||
        batch->filler_count == RP_SPOOL_BATCH_ALIGNED) {
        return -ENOBUFS;
    }
    return 0;
}

static void write_entry(struct rp_spool_writer *writer,
                        const struct rp_spool_record *record,
                        uint64_t offset,
                        uint64_t big_id)
{
    struct rp_spool_index_entry *entries =
        (struct rp_spool_index_entry *)(void *)(writer->index + RP_SPOOL_BLOCK);
    entries[record->sequence - writer->first_sequence] = (struct rp_spool_index_entry){
        .offset = offset,
        .body_len = record->body_len,
        .sequence = record->sequence,
        .time_ns = record->time_ns,
        .big_id = big_id,
        .envelope_len = record->envelope_len,
        .flags = big_id != 0 ? RP_SPOOL_INDEX_BIG : 0,
        .hash = record->hash,
    };
}

int rp_spool_batch_append(struct rp_spool_batch *batch,
                          const struct rp_spool_message *message,
                          struct rp_spool_id *id_out)
{
    struct rp_spool_writer *writer = batch->writer;
    const bool is_big = message->big_id != 0;
    const size_t body_count = is_big ? 0 : message->body_count;
    const struct iovec *head = message->head;
    assert(message->head_count > 0 && head->iov_len >= sizeof(struct rp_spool_record));
    assert(is_big || sum_iov(message->body, body_count) == message->body_len);

    uint64_t head_len = sum_iov(head, message->head_count);
    uint64_t before = batch->count == 0 ? sizeof batch->begin : 0;
    uint64_t filler = message->is_block_aligned ? filler_len(batch, before + head_len) : 0;
    head_len += filler;
    uint64_t envelope_len = head_len - sizeof(struct rp_spool_record);
    if (envelope_len > RP_SPOOL_ENVELOPE_MAX ||
        (!is_big && message->body_len > RP_SPOOL_SEGMENT_MAX)) {
        return -EMSGSIZE;
    }
    uint64_t total_len = rp_format_record_len((uint32_t)envelope_len, message->body_len, is_big);
    int error = find_room(batch, total_len, message->head_count + body_count);
    if (error != 0) {
        return error;
    }

    if (batch->count == 0) {
        add_begin(batch);
    }
    uint64_t offset = batch->off + batch->len;
    struct rp_spool_record record = {
        .magic = rp_format_record_magic(writer->seed),
        .flags = is_big ? RP_SPOOL_RECORD_BIG : 0,
        .index = batch->count,
        .batch_off = (uint32_t)(batch->begin_off / RP_SPOOL_BLOCK),
        .envelope_len = (uint32_t)envelope_len,
        .place = (uint32_t)(offset / RP_SPOOL_ALIGN),
        .body_len = message->body_len,
        .body_hash = message->body_hash,
        .sequence = writer->sequence,
        .time_ns = message->time_ns,
    };
    memcpy(head->iov_base, &record, sizeof record);
    const struct iovec *first = &batch->iov[batch->iov_count];
    for (size_t i = 0; i < message->head_count; i++) {
        add_iov(batch, head[i].iov_base, head[i].iov_len, MIXED);
    }
    if (filler > 0) {
        add_filler(batch, filler);
    }
    record.hash = hash_head(first, (size_t)(&batch->iov[batch->iov_count] - first), writer->seed);
    memcpy(head->iov_base, &record.hash, sizeof record.hash);
    for (size_t i = 0; i < body_count; i++) {
        add_iov(batch, message->body[i].iov_base, message->body[i].iov_len,
                message->has_zeros ? MIXED : NO_ZEROS);
    }
    uint64_t rest = total_len - head_len - (is_big ? 0 : message->body_len);
    if (rest > 0) {
        add_iov(batch, zeros, rest, ALL_ZEROS);
    }
    write_entry(writer, &record, offset, message->big_id);
    batch->count++;
    writer->sequence++;
    rp_format_id(writer->lane, writer->segment, offset, id_out);
    return 0;
}

void rp_spool_batch_seal(struct rp_spool_batch *batch)
{
    assert(batch->count > 0);
    const struct rp_spool_writer *writer = batch->writer;
    const uint64_t end_off = batch->off + batch->len;
    struct rp_spool_batch_mark mark = {
        .batch_off = (uint32_t)(batch->begin_off / RP_SPOOL_BLOCK),
        .len = (uint32_t)(end_off + sizeof mark - batch->begin_off),
        .count = batch->count,
        .first_sequence = batch->first_sequence,
        .zero_sectors = batch->zero_sectors, /* END's own sector is none */
    };
    batch->begin = batch->end = mark;
    rp_format_mark_seal(&batch->begin, RP_SPOOL_BEGIN_MAGIC, writer->seed);
    rp_format_mark_seal(&batch->end, RP_SPOOL_END_MAGIC, writer->seed);
    add_iov(batch, &batch->end, sizeof batch->end, MIXED);
    uint64_t left = (RP_SPOOL_BLOCK - batch->len % RP_SPOOL_BLOCK) % RP_SPOOL_BLOCK;
    if (left > 0) {
        add_iov(batch, zeros, left, ALL_ZEROS);
    }
}

void rp_spool_batch_seal_header(struct rp_spool_batch *batch)
{
    assert(batch->count == 0 && batch->off == 0 && batch->len == RP_SPOOL_BLOCK);
}

bool rp_spool_batch_commit(struct rp_spool_batch *batch)
{
    struct rp_spool_writer *writer = batch->writer;
    assert(batch->len > 0 && batch->len % RP_SPOOL_BLOCK == 0);
    writer->off = batch->off + batch->len;
    writer->is_header_due = false;
    writer->skipped = 0;
    if (batch->count == 0) {
        return false; /* the header alone: nothing to see */
    }
    struct rp_spool_doorbell *bell = writer->doorbell;
    struct rp_spool_doorbell_lane *lane = &bell->lanes[writer->lane];
    __atomic_store_n(&lane->tail, writer->sequence, __ATOMIC_RELEASE);
    __atomic_store_n(&lane->check, writer->sequence ^ writer->tail_check, __ATOMIC_RELAXED);
    /* Either we see a reader's count of itself, or it sees our tail when it looks once more
     * before it sleeps: both sides have a full barrier between their store and their load. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (__atomic_load_n(&bell->waiters, __ATOMIC_RELAXED) == 0) {
        return false;
    }
    __atomic_fetch_add(&bell->ring, 1, __ATOMIC_RELEASE);
    return true;
}

void rp_spool_batch_abandon(struct rp_spool_batch *batch)
{
    struct rp_spool_writer *writer = batch->writer;
    writer->sequence = batch->first_sequence;
    /* What the failed write left behind is never written over: it would look like a torn
     * committed block. So the segment is full from now on. */
    writer->off = writer->segment_size;
}
