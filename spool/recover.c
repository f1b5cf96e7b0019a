/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * recover.c - the decisions of recovery, as two tables.
 *
 * Of a segment: what to do with each place, by what is found there and whether the record
 * before it was whole. Of a lane: what to do with each segment, by its header and content.
 */
#include "recover.h"

#include "envelope.h"
#include "format.h"

#include <assert.h>
#include <string.h>

#define SECTOR 512u /* octets that a disk writes wholly or not at all */

/* What is at an offset. Sequences are compared with the one that should come. */
enum condition {
    AT_END,      /* no header fits into what is left of the file */
    NOTHING,     /* no whole header with its envelope, or of a sequence that cannot be here */
    BODY_BAD,    /* a whole header; the body has another hash, or ends with the file */
    PAD_NEXT,    /* a PAD that says nothing is missing */
    PAD_LATER,   /* a PAD that says messages before it are missing */
    WHOLE_NEXT,  /* the message that should come */
    WHOLE_LATER, /* a later one: some are missing */
    REPEATED,    /* a whole header of a sequence that was there before: only the first counts */
    VOIDED,      /* a whole header of a sequence that a later segment uses */
    CONDITION_COUNT,
};

enum mode {
    FOLLOWING, /* the record before ends here */
    SEARCHING, /* somewhere behind an invalid place */
    VOIDING,   /* behind a void record: nothing counts any more */
    MODE_COUNT,
};

enum action {
    STOP,     /* what is left since the place or the first void record is cut */
    OPEN,     /* an invalid place begins */
    STEP,     /* look at the next possible offset */
    SUSPECT,  /* an invalid place begins or goes on; its header says where the body ends */
    PASS,     /* over a PAD */
    CLOSE,    /* the invalid place ends here, or sequences are missing: then look again */
    TAKE,     /* hand out the message */
    LEAP,     /* over the record, as if it was not there */
    MAKE_VOID /* count it and go over it */
};

/*
 * "Read what is there, never guess". A record is taken wherever it stands, because its hash
 * has the spool, the lane and the segment in it. A repeated one that was only found by searching
 * may be in a body that somebody mailed: its length says nothing, so STEP.
 */
/* clang-format off */
static const enum action actions[MODE_COUNT][CONDITION_COUNT] = {
    /*             AT_END NOTHING BODY_BAD PAD_NEXT PAD_LATER WHOLE_NEXT WHOLE_LATER REPEATED VOIDED    */
    [FOLLOWING] = {STOP,  OPEN,   SUSPECT, PASS,    CLOSE,    TAKE,      CLOSE,      LEAP,    MAKE_VOID},
    [SEARCHING] = {STOP,  STEP,   SUSPECT, CLOSE,   CLOSE,    CLOSE,     CLOSE,      STEP,    MAKE_VOID},
    [VOIDING]   = {STOP,  STEP,   LEAP,    LEAP,    LEAP,     LEAP,      LEAP,       LEAP,    MAKE_VOID},
};
/* clang-format on */

/* ---- one segment ---- */

void rp_recover_init(struct rp_recover *recover, const struct rp_recover_source *source)
{
    *recover = (struct rp_recover){
        .source = *source,
        .off = RP_SPOOL_BLOCK,
        .next = source->first_sequence,
        .good_end = RP_SPOOL_BLOCK,
        .mode = FOLLOWING,
    };
}

static bool body_is_whole(const struct rp_recover_source *source,
                          uint64_t off,
                          const struct rp_spool_record *record)
{
    if ((record->flags & RP_SPOOL_RECORD_BIG) != 0) {
        return true;
    }
    uint64_t body_off = off + sizeof *record + record->envelope_len;
    if (record->body_len > source->len - body_off) {
        return false;
    }
    return record->body_hash == rp_format_hash(source->base + body_off, record->body_len, 0);
}

static enum condition classify(const struct rp_recover *recover, struct rp_spool_record *record)
{
    const struct rp_recover_source *source = &recover->source;
    if (recover->off >= source->len || source->len - recover->off < sizeof *record) {
        return AT_END;
    }
    if (!rp_format_record_get(source->base, source->len, recover->off, source->seed, record)) {
        return NOTHING;
    }
    const bool is_pad = (record->flags & RP_SPOOL_RECORD_PAD) != 0;
    const uint64_t sequence = record->sequence;
    /* A PAD has the sequence of the record behind it, which may well be the next segment's. */
    if (is_pad ? sequence > source->limit : sequence >= source->limit) {
        return VOIDED;
    }
    const uint64_t next = recover->next != RP_FORMAT_SEQUENCE_NONE ? recover->next : sequence;
    const uint64_t first = source->first_sequence;
    if (sequence < next) {
        return REPEATED;
    }
    if (first != RP_FORMAT_SEQUENCE_NONE && sequence - first + (is_pad ? 0 : 1) > source->cap) {
        return NOTHING;
    }
    if (is_pad) {
        return sequence == next ? PAD_NEXT : PAD_LATER;
    }
    if (!body_is_whole(source, recover->off, record)) {
        return BODY_BAD;
    }
    return sequence == next ? WHOLE_NEXT : WHOLE_LATER;
}

/* The record says where the lane is; from the first one of a segment without a header we learn
 * where the segment begins. */
static void set_next(struct rp_recover *recover, uint64_t next, uint64_t sequence)
{
    if (recover->source.first_sequence == RP_FORMAT_SEQUENCE_NONE) {
        recover->source.first_sequence = sequence;
    }
    recover->next = next;
}

/* One place, one action. True: *found is something to hand out. */
static bool advance(struct rp_recover *recover, struct rp_recover_found *found)
{
    struct rp_spool_record *record = &found->record;
    const enum condition condition = classify(recover, record);
    const uint64_t off = recover->off;
    const bool is_searching = recover->mode == SEARCHING;

    switch (actions[recover->mode][condition]) {
    case STOP:
        found->kind = RP_RECOVER_END;
        found->from = recover->mode == FOLLOWING ? off : recover->place;
        found->to = recover->source.len > found->from ? recover->source.len : found->from;
        return true;
    case OPEN:
        recover->place = off;
        recover->mode = SEARCHING;
        recover->off += RP_SPOOL_ALIGN;
        return false;
    case STEP: recover->off += RP_SPOOL_ALIGN; return false;
    case LEAP: recover->off += record->total_len; return false;
    case PASS:
        set_next(recover, record->sequence, record->sequence);
        recover->off += record->total_len;
        recover->good_end = recover->off;
        return false;
    case SUSPECT:
        found->kind = RP_RECOVER_SUSPECT;
        /* Its header is whole, so what follows has a later sequence. */
        set_next(recover, record->sequence + 1, record->sequence);
        recover->place = is_searching ? recover->place : off;
        recover->mode = SEARCHING;
        recover->off += record->total_len;
        break;
    case CLOSE:
        set_next(recover, record->sequence, record->sequence);
        recover->mode = FOLLOWING;
        *found = (struct rp_recover_found){
            .kind = RP_RECOVER_DAMAGE,
            .from = is_searching ? recover->place : off,
            .to = off,
            .sequence = recover->next,
        };
        return true;
    case TAKE:
        found->kind = RP_RECOVER_MESSAGE;
        set_next(recover, record->sequence + 1, record->sequence);
        recover->off += record->total_len;
        recover->good_end = recover->off;
        break;
    case MAKE_VOID:
        found->kind = RP_RECOVER_VOID;
        recover->place = recover->mode == FOLLOWING ? off : recover->place;
        recover->mode = VOIDING;
        recover->off += record->total_len;
        break;
    }
    found->from = off;
    found->to = recover->off;
    found->sequence = record->sequence;
    return true;
}

void rp_recover_next(struct rp_recover *recover, struct rp_recover_found *found_out)
{
    assert(recover->mode >= 0 && recover->mode < MODE_COUNT);
    *found_out = (struct rp_recover_found){0};
    while (!advance(recover, found_out)) {
    }
}

/* ---- as index entries ---- */

struct building {
    const struct rp_recover_source *source;
    const struct rp_recover *recover;
    struct rp_spool_index_entry *entries;
    struct rp_recover_result *result;
    uint64_t time_ns; /* of the last whole message */
    uint64_t touched; /* behind the last entry that was written */
    bool is_void;     /* a void record was seen: the cut is known */
};

/* The entry of a record whose header is whole. */
static void put_entry(struct building *building,
                      const struct rp_recover_found *found,
                      uint64_t index,
                      uint32_t flags)
{
    const struct rp_spool_record *record = &found->record;
    assert(index < building->source->cap);
    building->touched = index + 1 > building->touched ? index + 1 : building->touched;
    uint64_t big_id = 0;
    if ((record->flags & RP_SPOOL_RECORD_BIG) != 0) {
        big_id = rp_envelope_big_id(building->source->base + found->from + sizeof *record,
                                    record->envelope_len);
        flags |= RP_SPOOL_INDEX_BIG | (big_id == 0 ? RP_SPOOL_INDEX_DAMAGED : 0);
    }
    building->entries[index] = (struct rp_spool_index_entry){
        .offset = found->from,
        .total_len = record->total_len,
        .body_len = record->body_len,
        .sequence = record->sequence,
        .time_ns = record->time_ns,
        .big_id = big_id,
        .envelope_len = record->envelope_len,
        .flags = flags,
        .hash = record->hash,
    };
}

/* Where the next suspect of the place is, if there is one before the entry `end`. */
static uint64_t find_suspect(const struct building *building, uint64_t end, uint64_t to)
{
    for (uint64_t i = building->result->count; i < end; i++) {
        if (building->entries[i].flags != 0) {
            return building->entries[i].offset;
        }
    }
    return to;
}

/*
 * All entries up to `end` that suspects have not filled are of records of which nothing is known.
 * Each gets an offset of its own in the place as long as there are enough, so that ids differ;
 * and the time of the message before, so that the order of time holds.
 */
static void fill_damaged(struct building *building, uint64_t end, uint64_t from, uint64_t to)
{
    struct rp_recover_result *result = building->result;
    const uint64_t offset_max = RP_SPOOL_SEGMENT_MAX - RP_SPOOL_ALIGN;
    uint64_t offset = from < offset_max ? from : offset_max;
    uint64_t bound = find_suspect(building, end, to);
    assert(end <= building->source->cap);
    while (result->count < end) {
        struct rp_spool_index_entry *entry = &building->entries[result->count];
        if (entry->flags == 0) {
            *entry = (struct rp_spool_index_entry){
                .offset = offset,
                .sequence = result->first_sequence + result->count,
                .time_ns = building->time_ns,
                .flags = RP_SPOOL_INDEX_DAMAGED,
            };
            result->count++;
        } else {
            offset = entry->offset;
            building->time_ns = entry->time_ns;
            result->count++;
            bound = find_suspect(building, end, to);
        }
        offset += bound > offset + RP_SPOOL_ALIGN ? RP_SPOOL_ALIGN : 0;
    }
}

/* Suspects that no whole record follows have left entries behind. */
static void clear_rest(struct building *building)
{
    for (uint64_t i = building->result->count; i < building->touched; i++) {
        building->entries[i] = (struct rp_spool_index_entry){0};
    }
}

/* How many octets from `from` on are not just the zeros that the segment was prepared with. */
static uint64_t count_used(const struct rp_recover_source *source, uint64_t from, uint64_t to)
{
    while (to > from && source->base[to - 1] == 0) {
        to--;
    }
    return to - from;
}

/* True: there may be more. */
static bool build(struct building *building, const struct rp_recover_found *found)
{
    struct rp_recover_result *result = building->result;
    if (result->first_sequence == RP_FORMAT_SEQUENCE_NONE && found->kind != RP_RECOVER_VOID &&
        found->kind != RP_RECOVER_END) {
        result->first_sequence = found->sequence;
    }
    switch (found->kind) {
    case RP_RECOVER_MESSAGE:
        put_entry(building, found, result->count, 0);
        assert(found->sequence == result->first_sequence + result->count);
        building->time_ns = found->record.time_ns;
        result->count++;
        result->messages++;
        return true;
    case RP_RECOVER_SUSPECT:
        put_entry(building, found, found->sequence - result->first_sequence,
                  RP_SPOOL_INDEX_DAMAGED);
        return true;
    case RP_RECOVER_DAMAGE:
        fill_damaged(building, found->sequence - result->first_sequence, found->from, found->to);
        result->damaged++;
        return true;
    case RP_RECOVER_VOID:
        if (!building->is_void) {
            result->cut_octets =
                count_used(building->source, building->recover->good_end, found->from);
            building->is_void = true;
        }
        result->void_records += (found->record.flags & RP_SPOOL_RECORD_PAD) == 0;
        return true;
    case RP_RECOVER_END: break;
    }
    if (!building->is_void) {
        result->cut_octets = count_used(building->source, found->from, found->to);
    }
    return false;
}

/* A sector that the write never reached is still as it was prepared: all zeros. */
static bool has_untouched_sector(const struct rp_recover_source *source, uint64_t from, uint64_t to)
{
    static const uint8_t zeros[SECTOR];
    for (uint64_t off = (from + SECTOR - 1) / SECTOR * SECTOR; off + SECTOR <= to; off += SECTOR) {
        if (memcmp(source->base + off, zeros, SECTOR) == 0) {
            return true;
        }
    }
    return false;
}

/*
 * Where the last batch begins to be torn; the length of the image where it is not.
 *
 * A power loss may leave whole records of a batch behind others that did not reach the disk.
 * That batch was never committed, so nobody was told of any of its messages: it is cut from the
 * first torn place on. What says so: nothing of a later batch is there, and in the place is a
 * sector that was never written. Any other invalid place is damage to what was good once.
 */
static size_t find_torn(const struct rp_recover_source *source, uint64_t known_end)
{
    struct rp_recover recover;
    struct rp_recover_found found;
    size_t torn = source->len;
    rp_recover_init(&recover, source);
    do {
        rp_recover_next(&recover, &found);
        if (found.kind == RP_RECOVER_DAMAGE && torn == source->len &&
            has_untouched_sector(source, found.from, found.to)) {
            torn = (size_t)found.from;
        }
        uint64_t batch = (uint64_t)found.record.batch_off * RP_SPOOL_BLOCK;
        if (found.kind == RP_RECOVER_MESSAGE && torn < batch) {
            torn = source->len;
        }
    } while (found.kind != RP_RECOVER_END);
    return known_end == RP_FORMAT_SEQUENCE_NONE ? torn : source->len;
}

void rp_recover_entries(const struct rp_recover_source *whole_source,
                        uint64_t known_end,
                        struct rp_spool_index_entry *entries,
                        struct rp_recover_result *result_out)
{
    struct rp_recover_source source_until_torn = *whole_source;
    source_until_torn.len = find_torn(whole_source, known_end);
    const struct rp_recover_source *source = &source_until_torn;
    *result_out = (struct rp_recover_result){.first_sequence = source->first_sequence};
    struct rp_recover recover;
    struct building building = {
        .source = source,
        .recover = &recover,
        .entries = entries,
        .result = result_out,
    };
    struct rp_recover_found found;
    rp_recover_init(&recover, source);
    do {
        rp_recover_next(&recover, &found);
    } while (build(&building, &found));
    result_out->good_end = recover.good_end;
    if (source->len < whole_source->len) {
        result_out->cut_octets = count_used(whole_source, source->len, whole_source->len);
    }

    const uint64_t first = result_out->first_sequence;
    if (known_end != RP_FORMAT_SEQUENCE_NONE && first != RP_FORMAT_SEQUENCE_NONE &&
        known_end > first + result_out->count && known_end - first <= source->cap) {
        fill_damaged(&building, known_end - first, found.from, found.to);
        result_out->damaged++;
        result_out->cut_octets = 0; /* it was no unfinished write: it is counted as damage */
    }
    clear_rest(&building);
    if (result_out->count == 0) {
        result_out->first_sequence = source->first_sequence; /* a suspect proves nothing */
    }
}

/* ---- the segments of a lane ---- */

enum rp_recover_header rp_recover_header_get(const uint8_t *base,
                                             size_t len,
                                             const uint8_t identity[16],
                                             uint32_t lane,
                                             uint64_t segment)
{
    struct rp_spool_segment_header header = {0};
    memcpy(&header, base, len < sizeof header ? len : sizeof header);
    if (rp_format_segment_header_is_good(&header, identity, lane, segment)) {
        return RP_RECOVER_HEADER_GOOD;
    }
    const struct rp_spool_segment_header blank = {0};
    return memcmp(&header, &blank, sizeof header) == 0 ? RP_RECOVER_HEADER_BLANK
                                                       : RP_RECOVER_HEADER_BAD;
}

/*
 * A header and a first batch are one write, so a blank header without records was never
 * used, or its only write was not finished. A damaged one is kept even without a record: somebody
 * may want to look at it, and nothing is known of where it ends.
 */
/* clang-format off */
static const enum rp_recover_action
    segment_actions[RP_RECOVER_HEADER_COUNT][RP_RECOVER_CONTENT_COUNT] = {
    /*                           TRUSTED_EMPTY      TRUSTED          SCANNED_EMPTY       SCANNED            */
    [RP_RECOVER_HEADER_GOOD]  = {RP_RECOVER_KEEP,   RP_RECOVER_KEEP, RP_RECOVER_REBUILD, RP_RECOVER_REBUILD},
    [RP_RECOVER_HEADER_BLANK] = {RP_RECOVER_REMOVE, RP_RECOVER_KEEP, RP_RECOVER_REMOVE,  RP_RECOVER_REBUILD},
    [RP_RECOVER_HEADER_BAD]   = {RP_RECOVER_KEEP,   RP_RECOVER_KEEP, RP_RECOVER_REINDEX, RP_RECOVER_REBUILD},
};
/* clang-format on */

enum rp_recover_action rp_recover_action_get(enum rp_recover_header header,
                                             enum rp_recover_content content)
{
    assert(header < RP_RECOVER_HEADER_COUNT && content < RP_RECOVER_CONTENT_COUNT);
    return segment_actions[header][content];
}

bool rp_recover_entries_are_good(const struct rp_spool_index_entry *entries,
                                 uint64_t count,
                                 uint64_t first_sequence)
{
    uint64_t offset = RP_SPOOL_BLOCK;
    for (uint64_t i = 0; i < count; i++) {
        if (entries[i].sequence != first_sequence + i || entries[i].offset < offset ||
            entries[i].offset % RP_SPOOL_ALIGN != 0 || entries[i].offset >= RP_SPOOL_SEGMENT_MAX ||
            entries[i].total_len > RP_SPOOL_SEGMENT_MAX) {
            return false;
        }
        offset = entries[i].offset;
    }
    return true;
}
