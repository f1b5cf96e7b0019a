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
    hash->has_zeros = false;
}

static bool is_zero_word(const uint8_t *ptr)
{
    uint64_t word;
    memcpy(&word, ptr, sizeof word);
    return word == 0;
}

/*
 * A sector's worth of zeros, wherever the pieces of the body are cut, has a piece of nothing
 * else, or begins or ends one with at least 8 of them, or has a stride of them in its midst: so a
 * look at few words finds it.
 */
static bool may_have_zeros(const uint8_t *ptr, size_t len)
{
    const size_t stride = RP_SPOOL_SECTOR / 2;
    const size_t word = sizeof(uint64_t);
    if (len < word) {
        return true; /* too short to tell; such pieces are rare */
    }
    bool has_zeros = is_zero_word(ptr + len - word);
    for (size_t at = 0; at + word <= len; at += stride) {
        has_zeros |= is_zero_word(ptr + at);
    }
    return has_zeros;
}

void rp_spool_hash_add(struct rp_spool_hash *hash, const void *ptr, size_t len)
{
    rp_format_hash_add(hash_state(hash), ptr, len);
    if (len > 0 && !hash->has_zeros) {
        hash->has_zeros = may_have_zeros(ptr, len);
    }
}

bool rp_spool_hash_has_zeros(const struct rp_spool_hash *hash)
{
    return hash->has_zeros;
}

uint64_t rp_spool_hash_get(const struct rp_spool_hash *hash)
{
    return rp_format_hash_get(hash_state(hash));
}

/* ---- segments ---- */

void rp_spool_writer_init(struct rp_spool_writer *writer,
                          const uint8_t identity[16],
                          const struct rp_spool_writer_place *place,
                          struct rp_spool_doorbell *doorbell)
{
    assert(place->lane < RP_SPOOL_LANES_MAX);
    *writer = (struct rp_spool_writer){
        .lane = place->lane,
        .sequence = place->sequence,
        .skipped = place->skipped,
        .doorbell = doorbell,
        .tail_check = rp_format_tail_check(0, identity, place->lane),
    };
    memcpy(writer->identity, identity, sizeof writer->identity);
}

void rp_spool_writer_open_segment(struct rp_spool_writer *writer,
                                  uint64_t segment,
                                  uint64_t size,
                                  uint8_t *index)
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
    /* Before its first tail: who sees that one looks for it in this segment. */
    __atomic_store_n(&writer->doorbell->lanes[writer->lane].segment, segment, __ATOMIC_RELEASE);
}

uint64_t rp_spool_writer_close_segment(struct rp_spool_writer *writer)
{
    assert(writer->segment != 0);
    struct rp_spool_index_header header = {
        .lane = writer->lane,
        .segment = writer->segment,
        .first_sequence = writer->first_sequence,
        .count = writer->sequence - writer->first_sequence,
    };
    memcpy(header.identity, writer->identity, sizeof header.identity);
    memset(writer->index, 0, RP_SPOOL_BLOCK);
    rp_format_index_seal(&header, writer->index);
    writer->segment = 0;
    writer->index = NULL;
    return RP_SPOOL_BLOCK + header.count * sizeof(struct rp_spool_index_entry);
}
