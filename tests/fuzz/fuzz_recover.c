/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_recover.c - any octets as a segment: recovery ends, and hands out only what is whole.
 *
 * The input stands behind a good header page. A record in it that has the plain magic
 * ("RPRC") gets the segment's magic and the hashes that are right for it, so that mutations get
 * past the hashes to lengths, flags, sequences and order. The image ends where the heap block ends.
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

/* From the back: a body's hash covers what was put right inside it. */
static void put_right(uint8_t *image, size_t len)
{
    const uint64_t seed = seed_of_segment();
    const uint64_t slots = (len - RP_SPOOL_BLOCK) / RP_SPOOL_ALIGN;
    for (uint64_t slot = slots; slot > 0; slot--) {
        uint8_t *place = image + RP_SPOOL_BLOCK + (slot - 1) * RP_SPOOL_ALIGN;
        size_t left = len - (size_t)(place - image);
        struct rp_spool_record record;
        memcpy(&record, place, sizeof record);
        if (record.magic != RP_SPOOL_RECORD_MAGIC || record.envelope_len > left - sizeof record) {
            continue;
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
    } while (found.kind != RP_RECOVER_END);
    rp_recover_next(&recover, &found);
    assert(found.kind == RP_RECOVER_END);
}

static void build(const struct rp_recover_source *source, uint64_t known_end)
{
    struct rp_spool_index_entry *entries = calloc(source->cap, sizeof *entries);
    struct rp_recover_result result;
    assert(entries != NULL);
    rp_recover_entries(source, known_end, entries, &result);
    assert(result.count <= source->cap && result.messages <= result.count);
    assert(rp_recover_entries_are_good(entries, result.count, result.first_sequence));
    for (uint64_t i = result.count; i < source->cap; i++) {
        assert(entries[i].flags == 0);
    }
    free(entries);
}

/* The first four octets choose what is known of the neighbours; the rest is the segment. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4 || size > INPUT_MAX) {
        return 0;
    }
    size_t len = RP_SPOOL_BLOCK + size - 4;
    uint8_t *image = malloc(len);
    assert(image != NULL);
    put_header(image, data[0]);
    memcpy(image + RP_SPOOL_BLOCK, data + 4, size - 4);
    put_right(image, len);
    struct rp_recover_source source = {
        .base = image,
        .len = len,
        .seed = seed_of_segment(),
        .first_sequence = data[1] % 2 == 0 ? data[0] : RP_FORMAT_SEQUENCE_NONE,
        .limit = data[2] == 0 ? RP_FORMAT_SEQUENCE_NONE : (uint64_t)data[0] + data[2],
        .cap = RP_SPOOL_INDEX_CAP(RP_SPOOL_SEGMENT_MIN),
    };
    assert(rp_recover_header_get(image, len, identity, 1, 2) == RP_RECOVER_HEADER_GOOD);
    walk(&source);
    build(&source, data[3] == 0 ? RP_FORMAT_SEQUENCE_NONE : source.limit);
    free(image);
    return 0;
}
