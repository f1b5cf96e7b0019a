/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_recover.c - what recovery makes of a damaged segment.
 *
 * The oracle keeps the undamaged image, the list of its batches and records, and what was done to
 * each of its sectors: it neither hashes nor searches. Compared for a last batch that reached the
 * disk up to each sector, but for each sector, and in any set of its sectors; and for random damage
 * of random segments, with whatever the segments behind may prove. Images end at a guard page.
 */
#include "spool/recover.h"

#include "spool/format.h"
#include "tests/proto/guard.h"
#include "truth.h"

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>

#define SIZE   TRUTH_SIZE
#define BLOCK  RP_SPOOL_BLOCK
#define SECTOR RP_SPOOL_SECTOR
#define MARK   sizeof(struct rp_spool_batch_mark)
#define NONE   RP_FORMAT_SEQUENCE_NONE
#define CAP    RP_SPOOL_INDEX_CAP(SIZE)

/* ---- the oracle ---- */

static bool has_unreadable(const struct state *state, uint64_t from, uint64_t to)
{
    to = to < state->len ? to : state->len;
    for (uint64_t block = from / BLOCK; from < to && block <= (to - 1) / BLOCK; block++) {
        if (state->is_unreadable[block]) {
            return true;
        }
    }
    return false;
}

static bool is_whole(const struct state *state, uint64_t off, uint64_t len)
{
    /* In what cannot be read there are zeros. */
    return off + len <= state->len &&
           memcmp(state->truth->image + off, state->octets + off, len) == 0;
}

/* Whether the sector of a mark that must be at `off` is there, and nothing but zeros. */
static bool is_unwritten(const struct state *state, uint64_t off)
{
    const uint64_t end = off / SECTOR * SECTOR + SECTOR;
    return end <= state->len && !has_unreadable(state, off, end) && state->is_zero[off / SECTOR];
}

enum kind {
    LOST, /* nothing is known */
    SUSPECT,
    WHOLE,
};

/* What one may know of the messages and batches, and where a place that is not whole would be. */
struct known {
    enum kind kinds[CAP];
    bool is_unreadable[CAP];
    uint64_t offs[CAP]; /* of the records of suspects */
    uint64_t first;     /* sequence of kinds[0] */
    uint64_t end;       /* sequence behind the last entry */
    uint64_t good_end;  /* behind the last whole thing */
    const struct truth_batch *last;
    uint64_t last_end; /* sequence behind the last message that is known to be in it */
    bool last_has_mark;
    bool is_void;
    uint64_t void_records;
};

/* What was missing before this sequence was lost in [from, to), between the suspects there. */
static void close_place(const struct state *state,
                        struct known *known,
                        uint64_t from,
                        uint64_t to,
                        uint64_t sequence)
{
    for (; known->end < sequence; known->end++) {
        const uint64_t i = known->end - known->first;
        if (known->kinds[i] == SUSPECT) {
            from = known->offs[i];
            continue;
        }
        uint64_t next = known->end + 1;
        while (next < sequence && known->kinds[next - known->first] != SUSPECT) {
            next++;
        }
        const uint64_t bound = next < sequence ? known->offs[next - known->first] : to;
        known->is_unreadable[i] |= known->kinds[i] == LOST && has_unreadable(state, from, bound);
    }
}

/* Something whole of the batch. */
static void note_batch(struct known *known, const struct truth_batch *batch, uint64_t end)
{
    if (known->last != batch) {
        known->last = batch;
        known->last_end = 0;
        known->last_has_mark = false;
    }
    known->last_end = end > known->last_end ? end : known->last_end;
    if (known->first == NONE) {
        known->first = known->end = batch->first;
    }
}

static void look_at_mark(const struct state *state,
                         struct known *known,
                         const struct truth_batch *batch,
                         bool is_end)
{
    const uint64_t off = batch->off + (is_end ? batch->len - MARK : 0);
    const uint64_t sequence = batch->first + (is_end ? batch->count : 0);
    if (!is_whole(state, off, MARK)) {
        return;
    }
    note_batch(known, batch, batch->first + batch->count);
    known->last_has_mark = true;
    close_place(state, known, known->good_end, off, sequence);
    known->good_end = is_end ? (off + MARK + BLOCK - 1) / BLOCK * BLOCK : off + MARK;
}

static void look_at_record(const struct state *state,
                           struct known *known,
                           const struct truth_batch *batch,
                           const struct truth_record *record)
{
    if (!is_whole(state, record->off, record->header_len)) {
        return;
    }
    note_batch(known, batch, record->sequence + 1);
    const uint64_t i = record->sequence - known->first;
    /* Nobody knows that what cannot be read is what it was, not even where that was zeros. */
    const uint64_t len = record->header_len + record->body_len;
    if (has_unreadable(state, record->off, record->off + len) ||
        !is_whole(state, record->off, len)) {
        known->kinds[i] = SUSPECT;
        known->offs[i] = record->off;
        known->is_unreadable[i] = has_unreadable(state, record->off, record->end);
        return;
    }
    close_place(state, known, known->good_end, record->off, record->sequence);
    known->kinds[i] = WHOLE;
    known->end++;
    known->good_end = record->end;
}

static void look_at_void(const struct state *state,
                         struct known *known,
                         const struct truth_batch *batch)
{
    known->is_void = is_whole(state, batch->off, MARK) ||
                     is_whole(state, batch->off + batch->len - MARK, MARK) || known->is_void;
    for (uint64_t i = 0; i < batch->count; i++) {
        const struct truth_record *record = &state->truth->records[batch->first_record + i];
        if (is_whole(state, record->off, record->header_len)) {
            known->is_void = true;
            known->void_records++;
        }
    }
}

/* The two reasons to say that the write of the last batch was not finished. */
static bool is_unfinished(const struct state *state, const struct known *known)
{
    const struct truth_batch *last = known->last;
    if (!known->last_has_mark) {
        return is_unwritten(state, last->off);
    }
    uint64_t before = 0;
    uint64_t now = 0;
    for (uint64_t off = last->off; off < last->off + last->len; off += SECTOR) {
        before += state->truth->is_zero[off / SECTOR];
        now += off + SECTOR <= state->len && state->is_zero[off / SECTOR] &&
               !has_unreadable(state, off, off + 1);
    }
    return now > before || is_unwritten(state, last->off + last->len - MARK);
}

static enum rp_recover_tail ask_tail(const struct state *state,
                                     const struct rp_recover_source *source,
                                     const struct known *known,
                                     bool unfinished)
{
    const struct truth_batch *last = known->last;
    const uint64_t end = known->last_has_mark ? (last->off + last->len + BLOCK - 1) / BLOCK * BLOCK
                                              : known->good_end;
    if (source->is_closed || known->is_void) {
        return unfinished ? RP_RECOVER_TAIL_UNFINISHED : RP_RECOVER_TAIL_NONE;
    }
    if (has_unreadable(state, end, state->len)) {
        return RP_RECOVER_TAIL_UNREADABLE;
    }
    if (state->len < SIZE) {
        return RP_RECOVER_TAIL_DAMAGED;
    }
    if (last != NULL && !known->last_has_mark) {
        return unfinished ? RP_RECOVER_TAIL_UNFINISHED : RP_RECOVER_TAIL_DAMAGED;
    }
    if (truth_is_zero(state->octets, end, SIZE)) {
        return unfinished ? RP_RECOVER_TAIL_UNFINISHED : RP_RECOVER_TAIL_NONE;
    }
    return is_unwritten(state, end) ? RP_RECOVER_TAIL_UNFINISHED : RP_RECOVER_TAIL_DAMAGED;
}

static struct rp_spool_index_entry expected_entries[CAP];

/* The entries, as far as they are known; returns how many of UNFINISHED. What is lost from
 * `excused` on was never committed. */
static uint64_t write_entries(const struct truth *truth,
                              const struct known *known,
                              uint64_t excused)
{
    uint64_t count = 0;
    memset(expected_entries, 0, sizeof expected_entries);
    for (uint64_t i = 0; known->first != NONE && i < known->end - known->first; i++) {
        struct rp_spool_index_entry *entry = &expected_entries[i];
        const uint64_t sequence = known->first + i;
        const bool was_written = sequence - truth->first_sequence < truth->record_count;
        if (known->kinds[i] != LOST) {
            assert(was_written);
            *entry = test_entry(truth->lane.index, sequence - truth->first_sequence);
        }
        entry->sequence = sequence;
        if (known->kinds[i] == WHOLE) {
            continue;
        }
        const bool is_excused = sequence >= excused && !known->is_unreadable[i];
        entry->flags |= is_excused ? RP_SPOOL_INDEX_UNFINISHED : RP_SPOOL_INDEX_DAMAGED;
        entry->flags |= known->is_unreadable[i] ? RP_RECOVER_ENTRY_UNREADABLE : 0;
        count += is_excused;
    }
    return count;
}

/* Whether something else than the last batch itself says that it was committed. One that ends
 * within it speaks of another batch. */
static bool is_proven(const struct rp_recover_source *source, const struct known *known)
{
    if (known->last == NULL || known->is_void) {
        return true;
    }
    return source->proven >= (known->last_has_mark ? known->last_end : known->last->first + 1);
}

/* All that can be known, in the order of the file. */
static void look_at_all(const struct state *state,
                        const struct rp_recover_source *source,
                        struct known *known)
{
    const struct truth *truth = state->truth;
    memset(known, 0, sizeof *known);
    known->first = known->end = source->first_sequence;
    known->good_end = BLOCK;
    for (size_t b = 0; b < truth->batch_count; b++) {
        const struct truth_batch *batch = &truth->batches[b];
        if (batch->first >= source->limit) {
            look_at_void(state, known, batch);
            continue;
        }
        look_at_mark(state, known, batch, false);
        for (uint64_t i = 0; i < batch->count; i++) {
            look_at_record(state, known, batch, &truth->records[batch->first_record + i]);
        }
        look_at_mark(state, known, batch, true);
    }
    uint64_t from = known->good_end;
    if (known->last_has_mark && known->last->off + known->last->len < state->len) {
        /* Its messages were lost in it. */
        const uint64_t to = known->last->off + known->last->len;
        close_place(state, known, from, to, known->last_end);
        from = to > from ? to : from;
    }
    if (known->first != NONE) {
        const uint64_t end = known->last_end > source->proven ? known->last_end : source->proven;
        close_place(state, known, from, state->len, end);
    }
}

static void ask_oracle(const struct state *state,
                       const struct rp_recover_source *source,
                       struct rp_recover_result *expected)
{
    static struct known known;
    look_at_all(state, source, &known);
    const bool unfinished = !is_proven(source, &known) && is_unfinished(state, &known);
    uint64_t excused = NONE;
    if (unfinished) {
        excused = source->proven > known.last->first ? source->proven : known.last->first;
    }
    *expected = (struct rp_recover_result){
        .first_sequence = known.first,
        .count = known.first == NONE ? 0 : known.end - known.first,
        .unfinished = write_entries(state->truth, &known, excused),
        .void_records = known.void_records,
        .has_unreadable = has_unreadable(state, 0, state->len),
        .tail = ask_tail(state, source, &known, unfinished),
        .keep_end = known.good_end,
    };
    if (!unfinished && known.last_has_mark) {
        const uint64_t end = known.last->off + known.last->len;
        expected->keep_end = (end + BLOCK - 1) / BLOCK * BLOCK;
    }
    for (uint64_t i = 0; i < expected->count; i++) {
        const uint32_t flags = expected_entries[i].flags;
        expected->damaged += (flags & RP_SPOOL_INDEX_DAMAGED) != 0;
        expected->messages += known.kinds[i] == WHOLE;
    }
}

/* ---- comparing ---- */

static struct guard guard;
static struct rp_spool_index_entry got_entries[CAP];

/* Entries of which nothing but the sequence is known have few fields that must be as expected. */
static bool entries_are_as_expected(const struct rp_recover_result *result)
{
    for (uint64_t i = 0; i < CAP; i++) {
        struct rp_spool_index_entry *got = &got_entries[i];
        const struct rp_spool_index_entry *expected = &expected_entries[i];
        bool is_fine = memcmp(got, expected, sizeof *got) == 0;
        if (expected->hash == 0 && i < result->count) {
            is_fine = got->flags == expected->flags && got->hash == 0 && got->body_len == 0 &&
                      got->sequence == expected->sequence && got->offset >= BLOCK;
        }
        if (!is_fine) {
            (void)fprintf(stderr, "entry %u: flags %u, not %u; hash %d, not %d\n", (unsigned)i,
                          (unsigned)got->flags, (unsigned)expected->flags, got->hash != 0,
                          expected->hash != 0);
            return false;
        }
    }
    return true;
}

/* What recovery writes down must be an index that is trusted. */
static bool entries_make_an_index(const struct rp_recover_result *result)
{
    static uint8_t page[RP_SPOOL_INDEX_LEN(SIZE)];
    struct rp_spool_index_header header = {
        .lane = 1,
        .segment = 2,
        .first_sequence = result->count == 0 ? 0 : result->first_sequence,
        .count = result->count,
    };
    memcpy(header.identity, truth_identity, sizeof header.identity);
    memset(page, 0, BLOCK);
    memcpy(page + BLOCK, got_entries, sizeof got_entries);
    rp_format_index_seal(&header, page);
    return rp_format_index_is_good(page, sizeof page, truth_identity, 1, 2);
}

static struct rp_recover_source source_of(const struct state *state)
{
    return (struct rp_recover_source){
        .base = guard_copy(&guard, state->octets, state->len),
        .len = state->len,
        .is_unreadable = state->has_unreadable ? state->is_unreadable : NULL,
        .file_size = SIZE,
        .seed = rp_format_seed(truth_identity, 1, 2),
        .first_sequence = state->truth->first_sequence,
        .limit = NONE,
        .cap = CAP,
    };
}

static bool compare(const struct state *state, const struct rp_recover_source *source)
{
    struct rp_recover_result expected;
    struct rp_recover_result got;
    ask_oracle(state, source, &expected);
    memset(got_entries, 0, sizeof got_entries);
    rp_recover_entries(source, got_entries, &got);
    bool is_fine = got.first_sequence == expected.first_sequence && got.count == expected.count &&
                   got.messages == expected.messages && got.damaged == expected.damaged &&
                   got.unfinished == expected.unfinished &&
                   got.void_records == expected.void_records && got.tail == expected.tail &&
                   got.has_unreadable == expected.has_unreadable &&
                   got.keep_end == expected.keep_end;
    if (!is_fine) {
        (void)fprintf(stderr,
                      "count %u/%u messages %u/%u damaged %u/%u unfinished %u/%u void %u/%u "
                      "tail %d/%d keep %u/%u (got/expected)\n",
                      (unsigned)got.count, (unsigned)expected.count, (unsigned)got.messages,
                      (unsigned)expected.messages, (unsigned)got.damaged,
                      (unsigned)expected.damaged, (unsigned)got.unfinished,
                      (unsigned)expected.unfinished, (unsigned)got.void_records,
                      (unsigned)expected.void_records, (int)got.tail, (int)expected.tail,
                      (unsigned)got.keep_end, (unsigned)expected.keep_end);
    }
    return is_fine && entries_are_as_expected(&got) && entries_make_an_index(&got);
}

/* ---- tests ---- */

/* The segment's table has an action for every pair, the right ones for those that delete. */
static void test_segment_table(void)
{
    static const char expected[RP_RECOVER_HEADER_COUNT][RP_RECOVER_CONTENT_COUNT + 1] = {
        [RP_RECOVER_HEADER_GOOD] = "kkbb", /* k keep, b rebuild, r remove: as FORMAT.md has it */
        [RP_RECOVER_HEADER_BLANK] = "rkrb",
        [RP_RECOVER_HEADER_BAD] = "kkkb",
    };
    for (int header = 0; header < RP_RECOVER_HEADER_COUNT; header++) {
        for (int content = 0; content < RP_RECOVER_CONTENT_COUNT; content++) {
            enum rp_recover_action action = rp_recover_action_get((enum rp_recover_header)header,
                                                                  (enum rp_recover_content)content);
            CU_ASSERT_EQUAL("kbr"[action], expected[header][content]);
        }
    }
}

static void test_header(void)
{
    struct rp_spool_segment_header header = {
        .magic = RP_SPOOL_SEGMENT_MAGIC,
        .version = RP_SPOOL_VERSION,
        .lane = 1,
        .segment = 2,
        .size = SIZE,
        .reserved[sizeof header.reserved - 1] = 1, /* its last octet: a cut is seen */
    };
    memcpy(header.identity, truth_identity, sizeof header.identity);
    rp_format_segment_header_seal(&header);
    for (size_t len = 0; len <= sizeof header; len++) {
        const uint8_t *copy = guard_copy(&guard, &header, len);
        enum rp_recover_header got = rp_recover_header_get(copy, len, truth_identity, 1, 2);
        enum rp_recover_header want = len == sizeof header ? RP_RECOVER_HEADER_GOOD
                                      : len == 0           ? RP_RECOVER_HEADER_BLANK
                                                           : RP_RECOVER_HEADER_BAD;
        CU_ASSERT_EQUAL(got, want);
    }
    const uint8_t zeros[sizeof header] = {0};
    CU_ASSERT_EQUAL(rp_recover_header_get(zeros, sizeof zeros, truth_identity, 1, 2),
                    RP_RECOVER_HEADER_BLANK);
    CU_ASSERT_EQUAL(
        rp_recover_header_get((const uint8_t *)&header, sizeof header, truth_identity, 1, 3),
        RP_RECOVER_HEADER_BAD);
}

/* Nothing, zeros and noise of every small length: it ends, and finds nothing. */
static void test_empty(void)
{
    uint64_t random = 5;
    for (size_t len = 0; len < 3 * BLOCK; len += 61) {
        static uint8_t octets[3 * BLOCK];
        const bool is_noise = len % 2 == 1;
        memset(octets, 0, sizeof octets);
        for (size_t i = 0; is_noise && i < len; i++) {
            octets[i] = (uint8_t)test_random(&random);
        }
        const struct rp_recover_source source = {
            .base = guard_copy(&guard, octets, len),
            .len = len,
            .seed = rp_format_seed(truth_identity, 1, 2),
            .first_sequence = NONE,
            .limit = NONE,
            .cap = CAP,
        };
        struct rp_recover_result result;
        rp_recover_entries(&source, got_entries, &result);
        CU_ASSERT_EQUAL(result.count, 0);
        CU_ASSERT_EQUAL(result.keep_end, BLOCK);
        CU_ASSERT_EQUAL(result.first_sequence, NONE);
        CU_ASSERT_EQUAL(result.tail,
                        is_noise && len > BLOCK ? RP_RECOVER_TAIL_DAMAGED : RP_RECOVER_TAIL_NONE);
    }
}

/* The last batch reaches the disk only up to a sector, or but for one: every one of them; whether
 * the tail of a doorbell speaks for it or not. */
static void test_every_sector(void)
{
    uint64_t random = 11;
    for (int round = 0; round < 12; round++) {
        static struct truth truth;
        static struct state state;
        truth_make(&truth, &random, 4, false);
        const struct truth_batch *last = &truth.batches[3];
        for (uint64_t at = last->off; at < last->off + last->len; at += SECTOR) {
            for (int how = 0; how < 4; how++) {
                state_begin(&state, &truth);
                for (uint64_t off = at; how == 0 && off < truth.used; off += SECTOR) {
                    state_lose(&state, off);
                }
                if (how == 1) {
                    state_lose(&state, at);
                } else if (how == 2) {
                    state_scramble(&state, at, at + SECTOR, 0xaa);
                } else if (how == 3) {
                    state_cut(&state, at + (uint64_t)round);
                }
                struct rp_recover_source source = source_of(&state);
                CU_ASSERT_TRUE(compare(&state, &source));
                source.proven = truth.limit;
                CU_ASSERT_TRUE(compare(&state, &source));
                source.limit = truth.limit;
                source.is_closed = true;
                CU_ASSERT_TRUE(compare(&state, &source));
                free(state.octets);
            }
        }
        truth_free(&truth);
    }
}

/* Any set of the last batch's sectors. */
static void test_torn(void)
{
    for (uint64_t seed = 1; seed <= 500; seed++) {
        static struct truth truth;
        static struct state state;
        uint64_t random = seed;
        truth_make(&truth, &random, 1 + seed % 3, false);
        state_begin(&state, &truth);
        state_tear(&state, &random);
        struct rp_recover_source source = source_of(&state);
        if (!compare(&state, &source)) {
            (void)fprintf(stderr, "seed %u\n", (unsigned)seed);
            CU_FAIL("recovery and oracle differ");
        }
        free(state.octets);
        truth_free(&truth);
    }
    CU_PASS("all seeds");
}

/* What the neighbours may say: nothing, the next header's word, or a tail's. */
static void choose_proof(const struct truth *truth,
                         uint64_t *random,
                         struct rp_recover_source *source)
{
    const bool is_abandoned = truth->limit != truth->first_sequence + truth->record_count;
    switch (test_random(random) % 6) {
    case 0: /* the next header */
        source->limit = source->proven = truth->limit;
        source->is_closed = true;
        break;
    case 1: /* one that skipped some, because the end was not known */
        source->limit = truth->limit + (is_abandoned ? 0 : CAP);
        source->proven = is_abandoned ? truth->limit : source->limit - CAP;
        break;
    case 2: /* a segment that is not the very next */ source->limit = truth->limit; break;
    case 3: /* a tail, maybe of a while ago */
        source->proven = truth->batches[test_random(random) % truth->batch_count].first;
        break;
    case 4: /* one that ends within a batch */
        source->proven = truth->first_sequence + test_random(random) % (truth->record_count + 1);
        break;
    default: break;
    }
    if (test_random(random) % 4 == 0) {
        source->first_sequence = NONE; /* the header is lost, and so is the segment before */
    }
}

static void test_random_damage(void)
{
    for (uint64_t seed = 1; seed <= 1500; seed++) {
        static struct truth truth;
        static struct state state;
        uint64_t random = seed;
        truth_make(&truth, &random, 1 + test_random(&random) % 6, test_random(&random) % 3 == 0);
        state_begin(&state, &truth);
        for (uint64_t i = test_random(&random) % 5; i > 0; i--) {
            state_damage(&state, &random);
        }
        struct rp_recover_source source = source_of(&state);
        choose_proof(&truth, &random, &source);
        if (!compare(&state, &source)) {
            (void)fprintf(stderr, "seed %u\n", (unsigned)seed);
            CU_FAIL("recovery and oracle differ");
        }
        free(state.octets);
        truth_free(&truth);
    }
    CU_PASS("all seeds");
}

/*
 * Octets of the segment once more at another place, earlier or later: whole records and marks, in
 * order or not, where they do not belong. They count for nothing but for what they lie upon.
 */
static void test_copies(void)
{
    for (uint64_t seed = 1; seed <= 300; seed++) {
        static struct truth truth;
        static struct state state;
        uint64_t random = seed;
        truth_make(&truth, &random, 1 + test_random(&random) % 6, false);
        state_begin(&state, &truth);
        const struct truth_record *record =
            &truth.records[test_random(&random) % truth.record_count];
        /* Into a body, at a place where a record may be. */
        uint64_t to = (record->off + record->header_len + 63) / 64 * 64;
        uint64_t room = record->off + record->header_len + record->body_len;
        room = room > to ? (room - to) / 64 * 64 : 0;
        uint64_t from = BLOCK + test_random(&random) % (truth.used - BLOCK) / 64 * 64;
        uint64_t len = room < truth.used - from ? room : truth.used - from;
        memcpy(state.octets + to, truth.image + from, len);
        for (uint64_t off = to / SECTOR * SECTOR; off < to + len; off += SECTOR) {
            state.is_zero[off / SECTOR] = truth_is_zero(state.octets, off, off + SECTOR);
        }
        struct rp_recover_source source = source_of(&state);
        if (!compare(&state, &source)) {
            (void)fprintf(stderr, "seed %u\n", (unsigned)seed);
            CU_FAIL("recovery and oracle differ");
        }
        free(state.octets);
        truth_free(&truth);
    }
    CU_PASS("all seeds");
}

/* Behind the last batch the whole segment comes once more: nothing of it counts. */
static void test_repeated(void)
{
    uint64_t random = 3;
    static struct truth truth;
    truth_make(&truth, &random, 2, false);
    const uint64_t end = truth.used;
    memcpy(truth.lane.segment + end, truth.image + BLOCK, end - BLOCK);
    const struct rp_recover_source source = {
        .base = truth.lane.segment,
        .len = SIZE,
        .file_size = SIZE,
        .seed = rp_format_seed(truth_identity, 1, 2),
        .first_sequence = NONE,
        .limit = NONE,
        .cap = CAP,
    };
    struct rp_recover_result result;
    memset(got_entries, 0, sizeof got_entries);
    rp_recover_entries(&source, got_entries, &result);
    CU_ASSERT_EQUAL(result.first_sequence, truth.first_sequence);
    CU_ASSERT_EQUAL(result.count, truth.limit - truth.first_sequence);
    CU_ASSERT_EQUAL(result.messages, result.count);
    CU_ASSERT_EQUAL(result.tail, RP_RECOVER_TAIL_DAMAGED); /* nobody can explain it */
    truth_free(&truth);
}

/* What an older segment left in the same place has another seed: it is not even looked at. */
static void test_stale(void)
{
    uint64_t random = 21;
    static struct truth old;
    truth_make(&old, &random, 6, false);
    const struct rp_recover_source source = {
        .base = old.image,
        .len = SIZE,
        .file_size = SIZE,
        .seed = rp_format_seed(truth_identity, 1, 3),
        .limit = NONE,
        .cap = CAP,
    };
    struct rp_recover_result result;
    memset(got_entries, 0, sizeof got_entries);
    rp_recover_entries(&source, got_entries, &result);
    CU_ASSERT_EQUAL(result.count, 0);
    CU_ASSERT_EQUAL(result.damaged, 0);
    CU_ASSERT_EQUAL(result.tail, RP_RECOVER_TAIL_DAMAGED);
    truth_free(&old);
}

int main(void)
{
    if (CU_initialize_registry() != CUE_SUCCESS) {
        return 1;
    }
    guard_open(&guard, SIZE);
    CU_pSuite suite = CU_add_suite("recover", NULL, NULL);
    CU_ADD_TEST(suite, test_segment_table);
    CU_ADD_TEST(suite, test_header);
    CU_ADD_TEST(suite, test_empty);
    CU_ADD_TEST(suite, test_every_sector);
    CU_ADD_TEST(suite, test_torn);
    CU_ADD_TEST(suite, test_random_damage);
    CU_ADD_TEST(suite, test_copies);
    CU_ADD_TEST(suite, test_repeated);
    CU_ADD_TEST(suite, test_stale);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    unsigned run = CU_get_number_of_tests_run();
    CU_cleanup_registry();
    guard_close(&guard);
    return failures == 0 && run == 9 ? 0 : 1;
}
