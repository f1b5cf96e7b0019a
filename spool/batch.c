/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * batch.c - many messages, one write: lay them out, hash them, publish them.
 *
 * The order that readers and recovery rely on: index entries beyond the tail first, the
 * write (the caller's) second, the tail last.
 */
#include "rp_spool_writer.h"

#include "format.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* The last octets of batch->pad stay zero: a PAD record ends before them, because it takes at
 * most a block less one alignment. They fill up records. */
#define ZEROS_OFF (RP_SPOOL_BLOCK - RP_SPOOL_ALIGN)

static void add_iov(struct rp_spool_batch *batch, void *ptr, uint64_t len)
{
    assert(batch->iov_count < RP_SPOOL_BATCH_IOV);
    batch->iov[batch->iov_count++] = (struct iovec){.iov_base = ptr, .iov_len = len};
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
    };
    memcpy(header.identity, writer->identity, sizeof header.identity);
    rp_format_segment_header_seal(&header);
    memset(batch->header_page, 0, sizeof batch->header_page);
    memcpy(batch->header_page, &header, sizeof header);
    add_iov(batch, batch->header_page, RP_SPOOL_BLOCK);
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
    memset(batch->pad + ZEROS_OFF, 0, RP_SPOOL_ALIGN);
    if (writer->is_header_due) {
        fill_header_page(batch);
    }
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
    static const uint8_t zeros[RP_SPOOL_BLOCK];
    uint8_t *header = batch->fillers[batch->filler_count++];
    (void)rp_spool_item_put(header, RP_SPOOL_TAG_FILLER, NULL, 0);
    uint32_t value_len = (uint32_t)(len - RP_SPOOL_ITEM_HEADER);
    memcpy(header + 4, &value_len, sizeof value_len); /* FORMAT.md: length at 4, little-endian */
    add_iov(batch, header, RP_SPOOL_ITEM_HEADER);
    if (value_len > 0) {
        add_iov(batch, (void *)(uintptr_t)zeros, value_len);
    }
}

/* Whether a record of this length and as many iovecs has a place now. */
static int find_room(const struct rp_spool_batch *batch, uint64_t total_len, size_t iov_count)
{
    const struct rp_spool_writer *writer = batch->writer;
    /* Besides the message's own: a filler, the zeros behind it, the PAD, in a first batch the
     * header. */
    if (iov_count + 5 > RP_SPOOL_BATCH_IOV || total_len > writer->segment_size - RP_SPOOL_BLOCK) {
        return -EMSGSIZE;
    }
    /* Segments and batches end at a block, so the PAD has its place without being counted. */
    if (writer->sequence - writer->first_sequence >= RP_SPOOL_INDEX_CAP(writer->segment_size) ||
        batch->off + batch->len + total_len > writer->segment_size) {
        return -ENOSPC;
    }
    if (batch->iov_count + iov_count + 4 > RP_SPOOL_BATCH_IOV ||
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
        (struct rp_spool_index_entry *)(void *)((uint8_t *)writer->index + RP_SPOOL_BLOCK);
    entries[record->sequence - writer->first_sequence] = (struct rp_spool_index_entry){
        .offset = offset,
        .total_len = record->total_len,
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
    uint64_t filler = message->is_block_aligned ? filler_len(batch, head_len) : 0;
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

    struct rp_spool_record record = {
        .magic = rp_format_record_magic(writer->seed),
        .flags = is_big ? RP_SPOOL_RECORD_BIG : 0,
        .total_len = total_len,
        .envelope_len = (uint32_t)envelope_len,
        .batch_off = (uint32_t)(batch->off / RP_SPOOL_BLOCK),
        .body_len = message->body_len,
        .body_hash = message->body_hash,
        .sequence = writer->sequence,
        .time_ns = message->time_ns,
    };
    uint64_t offset = batch->off + batch->len;
    const struct iovec *first = &batch->iov[batch->iov_count];
    for (size_t i = 0; i < message->head_count; i++) {
        add_iov(batch, head[i].iov_base, head[i].iov_len);
    }
    if (filler > 0) {
        add_filler(batch, filler);
    }
    memcpy(head->iov_base, &record, sizeof record);
    record.hash = hash_head(first, (size_t)(&batch->iov[batch->iov_count] - first), writer->seed);
    memcpy(head->iov_base, &record.hash, sizeof record.hash);
    for (size_t i = 0; i < body_count; i++) {
        add_iov(batch, message->body[i].iov_base, message->body[i].iov_len);
    }
    uint64_t rest = total_len - head_len - (is_big ? 0 : message->body_len);
    if (rest > 0) {
        add_iov(batch, batch->pad + ZEROS_OFF, rest);
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
    uint64_t left = (RP_SPOOL_BLOCK - batch->len % RP_SPOOL_BLOCK) % RP_SPOOL_BLOCK;
    if (left == 0) {
        return;
    }
    const struct rp_spool_writer *writer = batch->writer;
    struct rp_spool_record pad = {
        .magic = rp_format_record_magic(writer->seed),
        .flags = RP_SPOOL_RECORD_PAD,
        .total_len = left,
        .batch_off = (uint32_t)(batch->off / RP_SPOOL_BLOCK),
        .sequence = writer->sequence,
    };
    pad.hash = rp_format_record_hash(&pad, 0, writer->seed);
    memset(batch->pad, 0, left);
    memcpy(batch->pad, &pad, sizeof pad);
    add_iov(batch, batch->pad, left);
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
    if (batch->count == 0) {
        return false; /* the header alone: nothing to see */
    }
    struct rp_spool_doorbell *bell = writer->doorbell;
    __atomic_store_n(&bell->lanes[writer->lane].tail, writer->sequence, __ATOMIC_RELEASE);
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
