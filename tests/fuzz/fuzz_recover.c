/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_recover.c - any octets as a segment: recovery ends, and hands out only what is whole.
 *
 * The input stands behind a good header page. A record or mark in it that has the plain magic
 * ("RPRC", "RBEG", "REND") gets the segment's magic and the hashes that are right for it, so that
 * mutations get past the hashes to lengths, flags, sequences and order. The image ends where the
 * heap block ends.
 */
#include "spool/format.h"
#include "spool/recover.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX (1u << 18) /* octets looked at of an input */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t identity[16] = "the fuzzed spool";

static uint64_t seed_of_segment(void)
{
    return rp_format_seed(identity, 1, 2);
}

static void put_header(uint8_t *image, uint64_t first_sequence)
{
    struct rp_spool_segment_header header = {
        .magic = RP_SPOOL_SEGMENT_MAGIC,
        .version = RP_SPOOL_VERSION,
        .lane = 1,
        .segment = 2,
        .first_sequence = first_sequence,
        .size = RP_SPOOL_SEGMENT_MIN,
    };
    memcpy(header.identity, identity, sizeof header.identity);
    rp_format_segment_header_seal(&header);
    memset(image, 0, RP_SPOOL_BLOCK);
    memcpy(image, &header, sizeof header);
}

static void put_record_right(uint8_t *place, size_t left)
{
    const uint64_t seed = seed_of_segment();
    struct rp_spool_record record;
    memcpy(&record, place, sizeof record);
    if (record.envelope_len > left - sizeof record) {
        return;
    }
    record.magic = rp_format_record_magic(seed);
    size_t body_off = sizeof record + record.envelope_len;
    if (record.body_hash == 0 && record.body_len <= left - body_off) {
        record.body_hash = rp_format_hash(place + body_off, record.body_len, 0);
    }
    memcpy(place, &record, sizeof record);
    record.hash = rp_format_record_hash(place, record.envelope_len, seed);
    memcpy(place, &record, sizeof record);
}

/* From the back: a body's hash covers what was put right inside it. */
static void put_right(uint8_t *image, size_t len)
{
    const uint64_t slots = (len - RP_SPOOL_BLOCK) / RP_SPOOL_ALIGN;
    for (uint64_t slot = slots; slot > 0; slot--) {
        uint8_t *place = image + RP_SPOOL_BLOCK + (slot - 1) * RP_SPOOL_ALIGN;
        struct rp_spool_batch_mark mark;
        memcpy(&mark, place, sizeof mark);
        if (mark.magic == RP_SPOOL_RECORD_MAGIC) {
            put_record_right(place, len - (size_t)(place - image));
        } else if (mark.magic == RP_SPOOL_BEGIN_MAGIC || mark.magic == RP_SPOOL_END_MAGIC) {
            rp_format_mark_seal(&mark, mark.magic, seed_of_segment());
            memcpy(place, &mark, sizeof mark);
        }
    }
}

/* A record that was handed out, checked with nothing but its own octets. */
static void check_message(const struct rp_recover_source *source,
                          const struct rp_recover_found *found)
{
    const struct rp_spool_record *record = &found->record;
    assert(found->from >= RP_SPOOL_BLOCK && found->from % RP_SPOOL_ALIGN == 0);
    assert(found->from < source->len && sizeof *record <= source->len - found->from);
    assert(memcmp(source->base + found->from, record, sizeof *record) == 0);
    uint64_t body_off = found->from + sizeof *record + record->envelope_len;
    assert(body_off <= source->len);
    assert(record->hash ==
           rp_format_record_hash(source->base + found->from, record->envelope_len, source->seed));
    if ((record->flags & RP_SPOOL_RECORD_BIG) == 0) {
        assert(record->body_len <= source->len - body_off);
        assert(record->body_hash == rp_format_hash(source->base + body_off, record->body_len, 0));
    }
    assert(record->sequence < source->limit);
}

static void walk(const struct rp_recover_source *source)
{
    struct rp_recover recover;
    struct rp_recover_found found;
    uint64_t steps = 0;
    uint64_t next = 0;
    uint64_t end = RP_SPOOL_BLOCK;
    rp_recover_init(&recover, source);
    do {
        rp_recover_next(&recover, &found);
        steps++;
        assert(steps <= 4 * (source->len / RP_SPOOL_ALIGN + 2));
        assert(found.from <= found.to);
        if (found.kind == RP_RECOVER_MESSAGE) {
            check_message(source, &found);
            assert(found.sequence >= next && found.from >= end);
            next = found.sequence + 1;
            end = found.to;
        }
        if (found.kind == RP_RECOVER_MARK) {
            assert(found.sequence >= next && found.from >= end);
            assert(rp_recover_batch_first(&found) < source->limit);
            next = found.sequence;
            end = found.to;
        }
    } while (found.kind != RP_RECOVER_END);
    rp_recover_next(&recover, &found);
    assert(found.kind == RP_RECOVER_END);
}

/* What recovery would write down is an index that is trusted. */
static void check_index(const struct rp_recover_source *source,
                        const struct rp_recover_result *result,
                        uint8_t *page)
{
    struct rp_spool_index_header header = {
        .lane = 1,
        .segment = 2,
        .first_sequence = result->count > 0 ? result->first_sequence : 0,
        .count = result->count,
    };
    memcpy(header.identity, identity, sizeof header.identity);
    rp_format_index_seal(&header, page);
    assert(rp_format_index_is_good(page, RP_SPOOL_BLOCK + source->cap * 64, identity, 1, 2));
}

static void build(const struct rp_recover_source *source)
{
    uint8_t *page = calloc(1, RP_SPOOL_BLOCK + source->cap * sizeof(struct rp_spool_index_entry));
    assert(page != NULL);
    struct rp_spool_index_entry *entries = (void *)(page + RP_SPOOL_BLOCK);
    struct rp_recover_result result;
    uint64_t damaged = 0;
    uint64_t unfinished = 0;
    rp_recover_entries(source, entries, &result);
    assert(result.count <= source->cap && result.keep_end >= RP_SPOOL_BLOCK);
    for (uint64_t i = 0; i < result.count; i++) {
        const uint32_t flags = entries[i].flags;
        const bool is_damaged = (flags & RP_SPOOL_INDEX_DAMAGED) != 0;
        const bool is_unfinished = (flags & RP_SPOOL_INDEX_UNFINISHED) != 0;
        damaged += is_damaged;
        unfinished += is_unfinished;
        assert(!is_damaged || !is_unfinished);
        assert(entries[i].sequence >= source->proven || !is_unfinished);
        assert(is_damaged || is_unfinished || entries[i].sequence < source->limit);
    }
    assert(result.damaged == damaged && result.unfinished >= unfinished);
    assert(result.messages == result.count - damaged - unfinished);
    if (source->first_sequence != RP_FORMAT_SEQUENCE_NONE) {
        assert(result.count >= source->proven - source->first_sequence);
    }
    assert(rp_format_is_zero((const uint8_t *)(entries + result.count),
                             (source->cap - result.count) * sizeof *entries));
    check_index(source, &result, page);
    free(page);
}

#define CHOICES 8u

/* Blocks that cannot be read, by the bits of a choice; their octets are gone. */
static void choose_unreadable(uint8_t bits, uint8_t *image, size_t len, bool *is_unreadable)
{
    for (size_t i = 0; i < 8; i++) {
        const size_t off = i * RP_SPOOL_BLOCK;
        if ((bits >> i & 1) != 0 && off < len) {
            memset(image + off, 0, len - off < RP_SPOOL_BLOCK ? len - off : RP_SPOOL_BLOCK);
            is_unreadable[i] = true;
        }
    }
}

/*
 * The first octets choose what is known: the header's first sequence; whether it can be read; what
 * is void; what is proven; bit 0 the next header is there, bit 1 the file was cut; which blocks
 * cannot be read. The rest is the segment.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < CHOICES || size > INPUT_MAX) {
        return 0;
    }
    const size_t len = RP_SPOOL_BLOCK + size - CHOICES;
    uint8_t *image = malloc(len);
    bool *is_unreadable = calloc(len / RP_SPOOL_BLOCK + 8, sizeof *is_unreadable);
    assert(image != NULL && is_unreadable != NULL);
    put_header(image, data[0]);
    memcpy(image + RP_SPOOL_BLOCK, data + CHOICES, size - CHOICES);
    put_right(image, len);
    assert(rp_recover_header_get(image, len, identity, 1, 2) == RP_RECOVER_HEADER_GOOD);
    choose_unreadable(data[5], image, len, is_unreadable);
    struct rp_recover_source source = {
        .base = image,
        .len = len,
        .is_unreadable = data[5] == 0 ? NULL : is_unreadable,
        .file_size = (data[4] & 2) == 0 ? len : len + RP_SPOOL_BLOCK,
        .seed = seed_of_segment(),
        .first_sequence = data[1] % 2 == 0 ? data[0] : RP_FORMAT_SEQUENCE_NONE,
        .limit = data[2] == 0 ? RP_FORMAT_SEQUENCE_NONE : (uint64_t)data[0] + data[2],
        .is_closed = (data[4] & 1) != 0,
        .cap = RP_SPOOL_INDEX_CAP(RP_SPOOL_SEGMENT_MIN),
    };
    source.proven = (uint64_t)data[0] + data[3];
    source.proven = source.proven < source.limit ? source.proven : source.limit;
    walk(&source);
    build(&source);
    free(is_unreadable);
    free(image);
    return 0;
}
