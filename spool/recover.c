/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * recover.c - the decisions of recovery, as two tables.
 *
 * Of a segment: what to do at each place, by what is found there and whether the record
 * before it was whole. Of a lane: what to do with each segment, by its header and content.
 */
#include "recover.h"

#include "envelope.h"
#include "format.h"

#include <assert.h>
#include <string.h>

#define MARK_LEN sizeof(struct rp_spool_batch_mark)

/* What is at an offset. Sequences are compared with the one that should come. */
enum condition {
    AT_END,      /* no header fits into what is left of the file */
    NOTHING,     /* nothing whole, or of a sequence that cannot be here */
    BODY_BAD,    /* a whole header; the body has another hash, or ends with the file */
    MARK_NEXT,   /* a mark that says nothing is missing */
    MARK_LATER,  /* a mark that says messages before it are missing */
    WHOLE_NEXT,  /* the message that should come */
    WHOLE_LATER, /* a later one: some are missing */
    REPEATED,    /* a whole header of a sequence that was there before: only the first counts */
    VOIDED,      /* a whole header or mark of a sequence that a later segment uses */
    CONDITION_COUNT,
};

enum mode {
    FOLLOWING, /* the record before ends here */
    SEARCHING, /* somewhere behind an invalid place */
    VOIDING,   /* behind a void record: nothing counts any more */
    MODE_COUNT,
};

enum action {
    STOP,     /* nothing whole follows */
    OPEN,     /* an invalid place begins */
    STEP,     /* look at the next possible offset */
    SUSPECT,  /* an invalid place begins or goes on; its header says where the body ends */
    MARK,     /* hand out the mark */
    CLOSE,    /* the invalid place ends here, or sequences are missing: then look again */
    TAKE,     /* hand out the message */
    LEAP,     /* over the record, as if it was not there */
    MAKE_VOID /* count it and go over it */
};

/*
 * "Read what is there, never guess". A record is taken where it stands, because its hash has the
 * spool, the lane, the segment and the place in it. The length of a repeated one that was only
 * found by searching says nothing, so STEP.
 */
/* clang-format off */
static const enum action actions[MODE_COUNT][CONDITION_COUNT] = {
    /*             AT_END NOTHING BODY_BAD MARK_NEXT MARK_LATER WHOLE_NEXT WHOLE_LATER REPEATED VOIDED    */
    [FOLLOWING] = {STOP,  OPEN,   SUSPECT, MARK,     CLOSE,     TAKE,      CLOSE,      LEAP,    MAKE_VOID},
    [SEARCHING] = {STOP,  STEP,   SUSPECT, CLOSE,    CLOSE,     CLOSE,     CLOSE,      STEP,    MAKE_VOID},
    [VOIDING]   = {STOP,  STEP,   LEAP,    LEAP,     LEAP,      LEAP,      LEAP,       LEAP,    MAKE_VOID},
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

bool rp_recover_has_unreadable(const struct rp_recover_source *source, uint64_t from, uint64_t to)
{
    to = to < source->len ? to : source->len;
    for (uint64_t off = from; source->is_unreadable != NULL && off < to;
         off = off / RP_SPOOL_BLOCK * RP_SPOOL_BLOCK + RP_SPOOL_BLOCK) {
        if (source->is_unreadable[off / RP_SPOOL_BLOCK]) {
            return true;
        }
    }
    return false;
}

/* Octets that cannot be read are no zeros, not even where zeros would have the right hash. */
static bool body_is_whole(const struct rp_recover_source *source,
                          uint64_t off,
                          const struct rp_spool_record *record)
{
    const bool is_big = (record->flags & RP_SPOOL_RECORD_BIG) != 0;
    uint64_t body_off = off + sizeof *record + record->envelope_len;
    if (rp_recover_has_unreadable(source, off, body_off + (is_big ? 0 : record->body_len))) {
        return false;
    }
    if (is_big) {
        return true;
    }
    if (record->body_len > source->len - body_off) {
        return false;
    }
    return record->body_hash == rp_format_hash(source->base + body_off, record->body_len, 0);
}

static uint64_t next_block(uint64_t off)
{
    return (off + RP_SPOOL_BLOCK - 1) / RP_SPOOL_BLOCK * RP_SPOOL_BLOCK;
}

/* The sequence that should come. Without a header the first whole thing says where its batch, and
 * so the segment, begins. */
static uint64_t next_of(const struct rp_recover *recover, uint64_t batch_first)
{
    return recover->next != RP_FORMAT_SEQUENCE_NONE ? recover->next : batch_first;
}

/* Likewise the segment's first sequence. */
static uint64_t first_of(const struct rp_recover *recover, uint64_t batch_first)
{
    const uint64_t first = recover->source.first_sequence;
    return first != RP_FORMAT_SEQUENCE_NONE ? first : batch_first;
}

/* A whole mark is at the place. */
static enum condition classify_mark(const struct rp_recover *recover,
                                    enum rp_format_mark kind,
                                    struct rp_recover_found *found)
{
    const struct rp_recover_source *source = &recover->source;
    const struct rp_spool_batch_mark *mark = &found->mark;
    const uint64_t end = mark->first_sequence + mark->count;
    uint64_t sequence = kind == RP_FORMAT_MARK_END ? end : mark->first_sequence;
    /* Of a batch that a later segment voids in part only the rest counts. */
    sequence = sequence < source->limit ? sequence : source->limit;
    found->sequence = sequence;
    found->to = recover->off + sizeof *mark;
    if (kind == RP_FORMAT_MARK_END) {
        found->to = next_block(found->to);
    }
    if (mark->first_sequence >= source->limit) {
        return VOIDED;
    }
    const uint64_t next = next_of(recover, mark->first_sequence);
    if (sequence < next) {
        return REPEATED;
    }
    if (end - first_of(recover, mark->first_sequence) > source->cap) {
        return NOTHING;
    }
    return sequence == next ? MARK_NEXT : MARK_LATER;
}

static enum condition classify_record(const struct rp_recover *recover,
                                      struct rp_recover_found *found)
{
    const struct rp_recover_source *source = &recover->source;
    const struct rp_spool_record *record = &found->record;
    const uint64_t sequence = record->sequence;
    found->sequence = sequence;
    found->to = recover->off + rp_format_record_total_len(record);
    if (sequence >= source->limit) {
        return VOIDED;
    }
    const uint64_t next = next_of(recover, sequence - record->index);
    if (sequence < next) {
        return REPEATED;
    }
    if (sequence - first_of(recover, sequence - record->index) >= source->cap) {
        return NOTHING;
    }
    if (!body_is_whole(source, recover->off, record)) {
        return BODY_BAD;
    }
    return sequence == next ? WHOLE_NEXT : WHOLE_LATER;
}

/* What is at the place that is looked at; fills in what there is of `found`. */
static enum condition classify(const struct rp_recover *recover, struct rp_recover_found *found)
{
    const struct rp_recover_source *source = &recover->source;
    const uint64_t off = recover->off;
    if (off >= source->len || source->len - off < sizeof found->record) {
        return AT_END;
    }
    found->is_record =
        rp_format_record_get(source->base, source->len, off, source->seed, &found->record);
    if (found->is_record) {
        return classify_record(recover, found);
    }
    enum rp_format_mark kind =
        rp_format_mark_get(source->base, source->len, off, source->seed, &found->mark);
    return kind == RP_FORMAT_MARK_NONE ? NOTHING : classify_mark(recover, kind, found);
}

uint64_t rp_recover_batch_first(const struct rp_recover_found *found)
{
    return found->is_record ? found->record.sequence - found->record.index
                            : found->mark.first_sequence;
}

static void set_next(struct rp_recover *recover,
                     const struct rp_recover_found *found,
                     uint64_t next)
{
    if (recover->source.first_sequence == RP_FORMAT_SEQUENCE_NONE) {
        recover->source.first_sequence = rp_recover_batch_first(found);
    }
    recover->next = next;
}

/* One place, one action. True: *found is something to hand out. */
static bool advance(struct rp_recover *recover, struct rp_recover_found *found)
{
    const enum condition condition = classify(recover, found);
    const uint64_t off = recover->off;
    const bool is_searching = recover->mode == SEARCHING;

    found->from = off;
    switch (actions[recover->mode][condition]) {
    case STOP:
        found->kind = RP_RECOVER_END;
        found->from = is_searching ? recover->place : off;
        found->to = recover->source.len > found->from ? recover->source.len : found->from;
        return true;
    case OPEN:
        recover->place = off;
        recover->mode = SEARCHING;
        recover->off += RP_SPOOL_ALIGN;
        return false;
    case STEP: recover->off += RP_SPOOL_ALIGN; return false;
    case LEAP: recover->off = found->to; return false;
    case MARK:
        found->kind = RP_RECOVER_MARK;
        set_next(recover, found, found->sequence);
        recover->good_end = found->to;
        break;
    case SUSPECT:
        found->kind = RP_RECOVER_SUSPECT;
        /* Its header is whole, so what follows has a later sequence. */
        set_next(recover, found, found->sequence + 1);
        recover->place = is_searching ? recover->place : off;
        recover->mode = SEARCHING;
        break;
    case CLOSE:
        set_next(recover, found, found->sequence);
        recover->mode = FOLLOWING;
        found->kind = RP_RECOVER_LOST;
        found->from = is_searching ? recover->place : off;
        found->to = off;
        return true;
    case TAKE:
        found->kind = RP_RECOVER_MESSAGE;
        set_next(recover, found, found->sequence + 1);
        recover->good_end = found->to;
        break;
    case MAKE_VOID:
        found->kind = RP_RECOVER_VOID;
        recover->mode = VOIDING;
        break;
    }
    recover->off = found->to;
    return true;
}

void rp_recover_next(struct rp_recover *recover, struct rp_recover_found *found_out)
{
    assert(recover->mode >= 0 && recover->mode < MODE_COUNT);
    *found_out = (struct rp_recover_found){0};
    while (!advance(recover, found_out)) {
    }
}

/* ---- the last batch ---- */

/* What is known of the last batch that has left something whole. */
struct batch {
    uint64_t off; /* 0: none was seen */
    uint64_t first_sequence;
    uint64_t end; /* sequence behind the last message that is known to be in it */
    bool has_mark;
    struct rp_spool_batch_mark mark;
};

static void note_batch(struct batch *batch, const struct rp_recover_found *found)
{
    const bool is_mark = !found->is_record;
    const uint64_t off =
        (uint64_t)(is_mark ? found->mark.batch_off : found->record.batch_off) * RP_SPOOL_BLOCK;
    if (off < batch->off) {
        return;
    }
    if (off > batch->off) {
        *batch = (struct batch){
            .off = off,
            .first_sequence = rp_recover_batch_first(found),
        };
    }
    const uint64_t end =
        is_mark ? found->mark.first_sequence + found->mark.count : found->record.sequence + 1;
    batch->end = end > batch->end ? end : batch->end;
    if (is_mark) {
        batch->has_mark = true;
        batch->mark = found->mark;
    }
}

/* Whether a mark that must be at `off` never reached the disk: then nothing of its sector did. */
static bool mark_is_missing(const struct rp_recover_source *source, uint64_t off)
{
    const uint64_t sector = off / RP_SPOOL_SECTOR * RP_SPOOL_SECTOR;
    return sector + RP_SPOOL_SECTOR <= source->len &&
           !rp_recover_has_unreadable(source, sector, sector + RP_SPOOL_SECTOR) &&
           rp_format_is_zero(source->base + sector, RP_SPOOL_SECTOR);
}

static uint64_t count_zero_sectors(const struct rp_recover_source *source,
                                   uint64_t from,
                                   uint64_t to)
{
    uint64_t count = 0;
    for (uint64_t off = from; off < to && off + RP_SPOOL_SECTOR <= source->len;
         off += RP_SPOOL_SECTOR) {
        count += !rp_recover_has_unreadable(source, off, off + 1) &&
                 rp_format_is_zero(source->base + off, RP_SPOOL_SECTOR);
    }
    return count;
}

/* Its write ended early, as far as the batch itself can tell: a part of it is still zeros. */
static bool is_unfinished(const struct rp_recover_source *source, const struct batch *batch)
{
    if (!batch->has_mark) {
        return mark_is_missing(source, batch->off);
    }
    const uint64_t end = batch->off + batch->mark.len;
    return mark_is_missing(source, end - MARK_LEN) ||
           count_zero_sectors(source, batch->off, end) > batch->mark.zero_sectors;
}

/* Whether the octets from `from` to the end of the file are just the zeros that it was prepared
 * with. */
static bool is_untouched(const struct rp_recover_source *source, uint64_t from)
{
    return from >= source->len ||
           rp_format_is_zero(source->base + from, source->len - (size_t)from);
}

/* What is at the place where the next batch would have begun. */
static enum rp_recover_tail look_at_place(const struct rp_recover_source *source, uint64_t place)
{
    if (is_untouched(source, place)) {
        return RP_RECOVER_TAIL_NONE;
    }
    return mark_is_missing(source, place) ? RP_RECOVER_TAIL_UNFINISHED : RP_RECOVER_TAIL_DAMAGED;
}

/* ---- as index entries ---- */

struct building {
    const struct rp_recover_source *source;
    struct rp_spool_index_entry *entries;
    struct rp_recover_result *result;
    struct batch last;
    uint64_t time_ns; /* of the last whole message */
    uint64_t touched; /* behind the last entry that was written */
    bool is_void;     /* a void record was seen: nothing that follows counts */
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
        .body_len = record->body_len,
        .sequence = record->sequence,
        .time_ns = record->time_ns,
        .big_id = big_id,
        .hash = record->hash,
        .envelope_len = record->envelope_len,
        .flags = flags,
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
static void fill_lost(struct building *building, uint64_t end, uint64_t from, uint64_t to)
{
    struct rp_recover_result *result = building->result;
    const uint64_t offset_max = RP_SPOOL_SEGMENT_MAX - RP_SPOOL_ALIGN;
    uint64_t offset = from < offset_max ? from : offset_max;
    uint64_t bound = find_suspect(building, end, to);
    bool is_unreadable = rp_recover_has_unreadable(building->source, from, bound);
    assert(end <= building->source->cap);
    while (result->count < end) {
        struct rp_spool_index_entry *entry = &building->entries[result->count];
        if (entry->flags == 0) {
            *entry = (struct rp_spool_index_entry){
                .offset = offset,
                .sequence = result->first_sequence + result->count,
                .time_ns = building->time_ns,
                .flags = RP_SPOOL_INDEX_DAMAGED | (is_unreadable ? RP_RECOVER_ENTRY_UNREADABLE : 0),
            };
            result->count++;
        } else {
            offset = entry->offset;
            building->time_ns = entry->time_ns;
            result->count++;
            bound = find_suspect(building, end, to);
            is_unreadable = rp_recover_has_unreadable(building->source, offset, bound);
        }
        offset += bound > offset + RP_SPOOL_ALIGN ? RP_SPOOL_ALIGN : 0;
    }
}

/* Suspects that nothing whole follows have left entries behind. */
static void clear_rest(struct building *building)
{
    for (uint64_t i = building->result->count; i < building->touched; i++) {
        building->entries[i] = (struct rp_spool_index_entry){0};
    }
}

/* One thing that was found. */
static void build(struct building *building, const struct rp_recover_found *found)
{
    struct rp_recover_result *result = building->result;
    if (result->first_sequence == RP_FORMAT_SEQUENCE_NONE && found->kind != RP_RECOVER_VOID &&
        found->kind != RP_RECOVER_END) {
        result->first_sequence = rp_recover_batch_first(found);
    }
    switch (found->kind) {
    case RP_RECOVER_MESSAGE:
        note_batch(&building->last, found);
        put_entry(building, found, result->count, 0);
        assert(found->sequence == result->first_sequence + result->count);
        building->time_ns = found->record.time_ns;
        result->count++;
        return;
    case RP_RECOVER_SUSPECT: {
        bool is_unreadable = rp_recover_has_unreadable(building->source, found->from, found->to);
        note_batch(&building->last, found);
        put_entry(building, found, found->sequence - result->first_sequence,
                  RP_SPOOL_INDEX_DAMAGED | (is_unreadable ? RP_RECOVER_ENTRY_UNREADABLE : 0));
        return;
    }
    case RP_RECOVER_MARK: note_batch(&building->last, found); return;
    case RP_RECOVER_LOST:
        fill_lost(building, found->sequence - result->first_sequence, found->from, found->to);
        return;
    case RP_RECOVER_VOID:
        building->is_void = true;
        result->void_records += found->is_record;
        return;
    case RP_RECOVER_END: return;
    }
}

/* The entries go on at least to this sequence; those that are missing were lost in [from, to). */
static void reach(struct building *building, uint64_t sequence, uint64_t from, uint64_t to)
{
    const struct rp_recover_result *result = building->result;
    const uint64_t first = result->first_sequence;
    if (first != RP_FORMAT_SEQUENCE_NONE && sequence > first + result->count &&
        sequence - first <= building->source->cap) {
        fill_lost(building, sequence - first, from, to);
    }
}

/* What of the last batch is lost was never committed: it is no damage. */
static void excuse(struct building *building, uint64_t from_sequence)
{
    struct rp_recover_result *result = building->result;
    const uint64_t first = result->first_sequence;
    uint64_t i = from_sequence > first ? from_sequence - first : 0;
    for (; i < result->count; i++) {
        struct rp_spool_index_entry *entry = &building->entries[i];
        const uint32_t kinds = RP_SPOOL_INDEX_DAMAGED | RP_RECOVER_ENTRY_UNREADABLE;
        if ((entry->flags & kinds) == RP_SPOOL_INDEX_DAMAGED) {
            entry->flags =
                (entry->flags & ~(uint32_t)RP_SPOOL_INDEX_DAMAGED) | RP_SPOOL_INDEX_UNFINISHED;
        }
    }
}

/* What was committed has entries. The last batch, where nothing else proves it, tells itself. */
static void settle_last(struct building *building, uint64_t place)
{
    const struct rp_recover_source *source = building->source;
    const struct batch *last = &building->last;
    const uint64_t first = last->first_sequence;
    const uint64_t end = last->end < source->limit ? last->end : source->limit;
    /* Its messages were lost in it, if it is known how long it is. */
    const uint64_t batch_end = last->off + last->mark.len;
    if (last->has_mark && batch_end < source->len) {
        reach(building, end, place, batch_end);
        place = batch_end > place ? batch_end : place;
    }
    reach(building, end > source->proven ? end : source->proven, place, source->len);
    /* A batch is committed as a whole: a proof that ends within it is that of another one. */
    const uint64_t wanted = last->has_mark ? end : first + 1;
    const bool is_proven = source->proven >= wanted || building->is_void || last->off == 0;
    if (!is_proven && is_unfinished(source, last)) {
        excuse(building, first > source->proven ? first : source->proven);
        building->result->tail = RP_RECOVER_TAIL_UNFINISHED;
    }
}

/* What follows the last batch, and how much of the file says something. */
static void settle_tail(struct building *building, uint64_t good_end)
{
    const struct rp_recover_source *source = building->source;
    struct rp_recover_result *result = building->result;
    const struct batch *last = &building->last;
    const uint64_t end = last->has_mark ? next_block(last->off + last->mark.len) : good_end;
    bool is_unfinished = result->tail == RP_RECOVER_TAIL_UNFINISHED;
    const bool is_prepared =
        source->is_blank && last->off == 0 && is_untouched(source, RP_SPOOL_BLOCK);
    result->has_unreadable = rp_recover_has_unreadable(source, 0, source->len);
    result->keep_end = is_unfinished || end < good_end ? good_end : end;
    if (source->is_closed || building->is_void) {
        return;
    }
    if (rp_recover_has_unreadable(source, end, source->len)) {
        result->tail = RP_RECOVER_TAIL_UNREADABLE;
    } else if (source->len < source->file_size && !is_prepared) {
        result->tail = RP_RECOVER_TAIL_DAMAGED; /* it was cut: no write does that */
    } else if (last->off != 0 && !last->has_mark) {
        /* Nobody knows how far the last batch went. */
        result->tail = is_unfinished ? RP_RECOVER_TAIL_UNFINISHED : RP_RECOVER_TAIL_DAMAGED;
    } else {
        enum rp_recover_tail behind = look_at_place(source, end);
        result->tail = behind == RP_RECOVER_TAIL_NONE ? result->tail : behind;
    }
}

static void count_entries(struct building *building)
{
    struct rp_recover_result *result = building->result;
    for (uint64_t i = 0; i < result->count; i++) {
        uint32_t flags = building->entries[i].flags;
        result->damaged += (flags & RP_SPOOL_INDEX_DAMAGED) != 0;
        result->unfinished += (flags & RP_SPOOL_INDEX_UNFINISHED) != 0;
        result->messages += (flags & (RP_SPOOL_INDEX_DAMAGED | RP_SPOOL_INDEX_UNFINISHED)) == 0;
    }
}

void rp_recover_entries(const struct rp_recover_source *source,
                        struct rp_spool_index_entry *entries,
                        struct rp_recover_result *result_out)
{
    *result_out = (struct rp_recover_result){.first_sequence = source->first_sequence};
    struct rp_recover recover;
    struct building building = {.source = source, .entries = entries, .result = result_out};
    struct rp_recover_found found;
    rp_recover_init(&recover, source);
    do {
        rp_recover_next(&recover, &found);
        build(&building, &found);
    } while (found.kind != RP_RECOVER_END);

    settle_last(&building, recover.good_end);
    settle_tail(&building, recover.good_end);
    clear_rest(&building);
    count_entries(&building);
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
    return rp_format_is_zero((const uint8_t *)&header, sizeof header) ? RP_RECOVER_HEADER_BLANK
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
    [RP_RECOVER_HEADER_BAD]   = {RP_RECOVER_KEEP,   RP_RECOVER_KEEP, RP_RECOVER_KEEP,    RP_RECOVER_REBUILD},
};
/* clang-format on */

enum rp_recover_action rp_recover_action_get(enum rp_recover_header header,
                                             enum rp_recover_content content)
{
    assert(header < RP_RECOVER_HEADER_COUNT && content < RP_RECOVER_CONTENT_COUNT);
    return segment_actions[header][content];
}
