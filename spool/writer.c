/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * writer.c - the writing end of a lane: its segments, and the small helpers of those who
 * prepare messages. What goes into a batch is batch.c's.
 */
#include "rp_spool_writer.h"

#include "format.h"

#include <assert.h>
#include <string.h>

/* ---- preparing messages ---- */

uint8_t *rp_spool_item_put(uint8_t *place, enum rp_spool_tag tag, const void *value, size_t len)
{
    assert(len <= RP_SPOOL_ENVELOPE_MAX);
    const uint16_t tag_and_flags[2] = {(uint16_t)tag, 0};
    const uint32_t value_len = (uint32_t)len;
    memcpy(place, tag_and_flags, sizeof tag_and_flags);
    memcpy(place + sizeof tag_and_flags, &value_len, sizeof value_len);
    if (len > 0) {
        memcpy(place + RP_SPOOL_ITEM_HEADER, value, len);
    }
    return place + RP_SPOOL_ITEM_HEADER + len;
}

/* The caller's memory has any alignment; the state wants its own. */
static_assert(sizeof(struct rp_spool_hash) >=
                  sizeof(struct rp_format_hash_state) + alignof(struct rp_format_hash_state) - 1,
              "the state fits at any alignment");

static struct rp_format_hash_state *hash_state(const struct rp_spool_hash *hash)
{
    const uintptr_t mask = alignof(struct rp_format_hash_state) - 1;
    uintptr_t place = ((uintptr_t)hash->state + mask) & ~mask;
    return (struct rp_format_hash_state *)place;
}

void rp_spool_hash_init(struct rp_spool_hash *hash)
{
    rp_format_hash_init(hash_state(hash), 0);
}

void rp_spool_hash_add(struct rp_spool_hash *hash, const void *ptr, size_t len)
{
    rp_format_hash_add(hash_state(hash), ptr, len);
}

uint64_t rp_spool_hash_get(const struct rp_spool_hash *hash)
{
    return rp_format_hash_get(hash_state(hash));
}

/* ---- segments ---- */

void rp_spool_writer_init(struct rp_spool_writer *writer,
                          const uint8_t identity[16],
                          uint32_t lane,
                          uint64_t sequence,
                          struct rp_spool_doorbell *doorbell)
{
    assert(lane < RP_SPOOL_LANES_MAX);
    *writer = (struct rp_spool_writer){.lane = lane, .sequence = sequence, .doorbell = doorbell};
    memcpy(writer->identity, identity, sizeof writer->identity);
}

void rp_spool_writer_open_segment(struct rp_spool_writer *writer,
                                  uint64_t segment,
                                  uint64_t size,
                                  struct rp_spool_index_header *index)
{
    assert(writer->segment == 0);
    assert(segment > 0 && segment <= RP_FORMAT_SEGMENT_MAX);
    assert(size >= RP_SPOOL_SEGMENT_MIN && size <= RP_SPOOL_SEGMENT_MAX);
    assert(size % RP_SPOOL_BLOCK == 0);

    writer->segment = segment;
    writer->segment_size = size;
    writer->off = 0;
    writer->seed = rp_format_seed(writer->identity, writer->lane, segment);
    writer->index = index;
    writer->first_sequence = writer->sequence;
    writer->is_header_due = true;

    index->version = RP_SPOOL_VERSION;
    index->lane = writer->lane;
    index->segment = segment;
    index->first_sequence = writer->sequence;
    memcpy(index->identity, writer->identity, sizeof index->identity);
    __atomic_store_n(&index->count, RP_SPOOL_INDEX_OPEN, __ATOMIC_RELAXED);
    /* Readers look at nothing else in the header before they see the magic. */
    __atomic_store_n(&index->magic, RP_SPOOL_INDEX_MAGIC, __ATOMIC_RELEASE);
}

void rp_spool_writer_close_segment(struct rp_spool_writer *writer)
{
    assert(writer->segment != 0);
    uint64_t count = writer->sequence - writer->first_sequence;
    const uint8_t *entries = (const uint8_t *)writer->index + RP_SPOOL_BLOCK;
    writer->index->entries_hash =
        rp_format_hash(entries, count * sizeof(struct rp_spool_index_entry), 0);
    /* A reader that sees a tail of the next segment sees this, too: it was stored before. */
    __atomic_store_n(&writer->index->count, count, __ATOMIC_RELEASE);
    writer->segment = 0;
    writer->index = NULL;
}
