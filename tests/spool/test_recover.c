/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_recover.c - what recovery finds in a damaged segment.
 *
 * The oracle keeps the undamaged image and the list of its records: a record is whole if
 * its octets are still the same. It neither hashes nor searches. Compared for a segment cut
 * or torn at each sector of its last batch, and for random damage of random segments. Images
 * end at a guard page.
 */
#include "spool/recover.h"

#include "lane.h"
#include "spool/format.h"
#include "tests/proto/guard.h"

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>

#define SIZE        RP_SPOOL_SEGMENT_MIN
#define SECTOR      512u
#define RECORDS_MAX 400u
#define CAP         RP_SPOOL_INDEX_CAP(SIZE)

static const uint8_t identity[16] = "recover's spool.";

/* ---- a segment and the truth about it ---- */

struct truth_record {
    uint64_t off;
    uint64_t header_len; /* and envelope */
    uint64_t body_len;   /* in the log */
    uint64_t sequence;
    bool is_pad;
};

struct truth {
    struct test_lane lane;
    uint8_t *image; /* undamaged */
    uint64_t used;  /* behind the last batch */
    uint64_t first_sequence;
    uint64_t limit; /* of records that were not abandoned */
    uint64_t last_batch_off;
    struct truth_record records[RECORDS_MAX];
    size_t count;
};

static struct rp_spool_doorbell bell;

/* Walk the records by the writer's own lengths. */
static void list_records(struct truth *truth)
{
    uint64_t off = RP_SPOOL_BLOCK;
    truth->count = 0;
    while (off < truth->used) {
        struct rp_spool_record record;
        memcpy(&record, truth->image + off, sizeof record);
        assert(record.total_len > 0 && truth->count < RECORDS_MAX);
        bool is_big = (record.flags & RP_SPOOL_RECORD_BIG) != 0;
        truth->records[truth->count++] = (struct truth_record){
            .off = off,
            .header_len = sizeof record + record.envelope_len,
            .body_len = is_big ? 0 : record.body_len,
            .sequence = record.sequence,
            .is_pad = (record.flags & RP_SPOOL_RECORD_PAD) != 0,
        };
        off += record.total_len;
    }
}

/* A segment of `batches` random batches; the last one is abandoned if `is_abandoned`. */
static void make_truth(struct truth *truth, uint64_t *random, size_t batches, bool is_abandoned)
{
    *truth = (struct truth){0};
    truth->lane.segment = calloc(1, SIZE);
    truth->lane.index = calloc(1, RP_SPOOL_INDEX_LEN(SIZE));
    truth->image = malloc(SIZE);
    assert(truth->lane.segment != NULL && truth->lane.index != NULL && truth->image != NULL);
    truth->first_sequence = test_random(random) % 1000;
    struct rp_spool_writer *writer = &truth->lane.writer;
    rp_spool_writer_init(writer, identity, 1, truth->first_sequence, &bell);
    rp_spool_writer_open_segment(writer, 2, SIZE, truth->lane.index);
    for (size_t i = 0; i < batches; i++) {
        size_t count = 1 + test_random(random) % 6;
        rp_spool_batch_begin(&truth->lane.batch, writer);
        for (size_t j = 0; j < count; j++) {
            uint64_t number = test_random(random) % 1000;
            static const size_t sizes[] = {0, 1, 60, 400, 2000, 9000};
            struct test_message message = {
                .number = number,
                .body_len = sizes[test_random(random) % 6],
                .time_ns = 1000 + truth->lane.writer.sequence,
                .big_id = test_random(random) % 8 == 0 ? 1 + test_random(random) % 99 : 0,
            };
            struct rp_spool_id id;
            int error = test_append(&truth->lane, &message, &id);
            assert(error == 0);
        }
        rp_spool_batch_seal(&truth->lane.batch);
        test_write(&truth->lane, truth->lane.batch.len);
        truth->last_batch_off = truth->lane.batch.off;
        truth->used = truth->lane.batch.off + truth->lane.batch.len;
        if (is_abandoned && i + 1 == batches) {
            rp_spool_batch_abandon(&truth->lane.batch);
        } else {
            (void)rp_spool_batch_commit(&truth->lane.batch); /* nobody waits */
        }
        test_forget(&truth->lane);
    }
    truth->limit = writer->sequence;
    memcpy(truth->image, truth->lane.segment, SIZE);
    list_records(truth);
}

static void free_truth(struct truth *truth)
{
    free(truth->lane.segment);
    free(truth->lane.index);
    free(truth->image);
}

/* ---- the oracle ---- */

static bool is_same(const struct truth *truth,
                    const uint8_t *damaged,
                    size_t damaged_len,
                    uint64_t off,
                    uint64_t len)
{
    return off + len <= damaged_len && memcmp(truth->image + off, damaged + off, len) == 0;
}

struct expected {
    struct rp_spool_index_entry entries[CAP];
    uint64_t count;
    uint64_t messages;
    uint64_t damaged;
    uint64_t void_records;
    uint64_t good_end;
};

/* What a record's entry was, from the writer's index. */
static struct rp_spool_index_entry written_entry(const struct truth *truth, uint64_t index)
{
    const struct rp_spool_index_entry *entries =
        (const struct rp_spool_index_entry *)(const void *)((const uint8_t *)truth->lane.index +
                                                            RP_SPOOL_BLOCK);
    return entries[index];
}

/* Sequences up to `end` that are not in the list are damaged. */
static void expect_damaged(struct expected *expected, const struct truth *truth, uint64_t end)
{
    for (; truth->first_sequence + expected->count < end; expected->count++) {
        struct rp_spool_index_entry *entry = &expected->entries[expected->count];
        entry->flags |= RP_SPOOL_INDEX_DAMAGED;
        entry->sequence = truth->first_sequence + expected->count;
    }
}

static bool has_zero_sector(const uint8_t *image, uint64_t from, uint64_t to)
{
    uint64_t zeros = 0;
    for (uint64_t off = from; off < to; off++) {
        zeros = image[off] != 0 ? 0 : off % 512 == 0 ? 1 : zeros > 0 ? zeros + 1 : 0;
        if (zeros == 512) {
            return true;
        }
    }
    return false;
}

static uint64_t batch_of(const struct truth *truth, const struct truth_record *record)
{
    struct rp_spool_record header;
    memcpy(&header, truth->image + record->off, sizeof header);
    return (uint64_t)header.batch_off * RP_SPOOL_BLOCK;
}

/* How much of the image counts: up to where its last batch is torn. */
static size_t ask_where_torn(const struct truth *truth,
                             const uint8_t *damaged,
                             size_t len,
                             uint64_t limit)
{
    const struct truth_record *place = NULL; /* the first record of the invalid place */
    const struct truth_record *torn = NULL;
    for (size_t i = 0; i < truth->count; i++) {
        const struct truth_record *record = &truth->records[i];
        if (record->is_pad ? record->sequence > limit : record->sequence >= limit) {
            break;
        }
        if (!is_same(truth, damaged, len, record->off, record->header_len + record->body_len)) {
            place = place == NULL ? record : place;
            continue;
        }
        if (place != NULL && torn == NULL && has_zero_sector(damaged, place->off, record->off)) {
            torn = place;
        }
        place = NULL;
        if (torn != NULL && !record->is_pad && torn->off < batch_of(truth, record)) {
            torn = NULL;
        }
    }
    return torn != NULL ? torn->off : len;
}

static void ask_oracle(const struct truth *truth,
                       const uint8_t *damaged,
                       size_t len,
                       uint64_t limit,
                       uint64_t known_end,
                       struct expected *expected)
{
    memset(expected, 0, sizeof *expected);
    expected->good_end = RP_SPOOL_BLOCK;
    if (known_end == RP_FORMAT_SEQUENCE_NONE) {
        len = ask_where_torn(truth, damaged, len, limit);
    }
    bool in_place = false;
    for (size_t i = 0; i < truth->count; i++) {
        const struct truth_record *record = &truth->records[i];
        bool header = is_same(truth, damaged, len, record->off, record->header_len);
        bool is_void = record->is_pad ? record->sequence > limit : record->sequence >= limit;
        uint64_t index = record->sequence - truth->first_sequence;
        if (is_void) {
            expected->void_records += header && !record->is_pad;
            continue;
        }
        bool body =
            is_same(truth, damaged, len, record->off + record->header_len, record->body_len);
        if (!header || !body) {
            in_place = true;
            if (header) {
                expected->entries[index] = written_entry(truth, index);
                expected->entries[index].flags |= RP_SPOOL_INDEX_DAMAGED;
            }
            continue;
        }
        expect_damaged(expected, truth, record->sequence);
        expected->damaged += in_place;
        in_place = false;
        expected->good_end = i + 1 < truth->count ? truth->records[i + 1].off : truth->used;
        if (!record->is_pad) {
            expected->entries[expected->count++] = written_entry(truth, index);
            expected->messages++;
        }
    }
    if (known_end != RP_FORMAT_SEQUENCE_NONE &&
        known_end > truth->first_sequence + expected->count) {
        expect_damaged(expected, truth, known_end);
        expected->damaged++;
    }
}

/* Entries that only the header is known of, or less, have few fields that must be as expected. */
static bool entry_is_as_expected(const struct rp_spool_index_entry *got,
                                 const struct rp_spool_index_entry *expected)
{
    if (expected->hash == 0) {
        return got->flags == RP_SPOOL_INDEX_DAMAGED && got->hash == 0 &&
               got->sequence == expected->sequence;
    }
    return memcmp(got, expected, sizeof *got) == 0;
}

static struct guard guard;
static struct expected expected;
static struct rp_spool_index_entry got_entries[CAP];

static bool compare(const struct truth *truth,
                    const uint8_t *damaged,
                    size_t len,
                    uint64_t limit,
                    uint64_t known_end)
{
    ask_oracle(truth, damaged, len, limit, known_end, &expected);
    struct rp_recover_source source = {
        .base = guard_copy(&guard, damaged, len),
        .len = len,
        .seed = rp_format_seed(identity, 1, 2),
        .first_sequence = truth->first_sequence,
        .limit = limit,
        .cap = CAP,
    };
    struct rp_recover_result result;
    memset(got_entries, 0, sizeof got_entries);
    rp_recover_entries(&source, known_end, got_entries, &result);
    bool is_as_expected = result.count == expected.count && result.messages == expected.messages &&
                          result.damaged == expected.damaged &&
                          result.void_records == expected.void_records &&
                          result.good_end == expected.good_end;
    for (uint64_t i = 0; is_as_expected && i < result.count; i++) {
        is_as_expected = entry_is_as_expected(&got_entries[i], &expected.entries[i]);
    }
    is_as_expected = is_as_expected &&
                     rp_recover_entries_are_good(got_entries, result.count, truth->first_sequence);
    if (!is_as_expected) {
        (void)fprintf(stderr,
                      "count %llu/%llu messages %llu/%llu damaged %llu/%llu void %llu/%llu "
                      "end %llu/%llu (got/expected)\n",
                      (unsigned long long)result.count, (unsigned long long)expected.count,
                      (unsigned long long)result.messages, (unsigned long long)expected.messages,
                      (unsigned long long)result.damaged, (unsigned long long)expected.damaged,
                      (unsigned long long)result.void_records,
                      (unsigned long long)expected.void_records,
                      (unsigned long long)result.good_end, (unsigned long long)expected.good_end);
    }
    return is_as_expected;
}

/* ---- tests ---- */

/* The segment's table has an action for every pair, the right ones for those that delete. */
static void test_segment_table(void)
{
    for (int header = 0; header < RP_RECOVER_HEADER_COUNT; header++) {
        for (int content = 0; content < RP_RECOVER_CONTENT_COUNT; content++) {
            enum rp_recover_action action = rp_recover_action_get((enum rp_recover_header)header,
                                                                  (enum rp_recover_content)content);
            bool is_empty =
                content == RP_RECOVER_TRUSTED_EMPTY || content == RP_RECOVER_SCANNED_EMPTY;
            bool is_trusted = content == RP_RECOVER_TRUSTED_EMPTY || content == RP_RECOVER_TRUSTED;
            bool removes = header == RP_RECOVER_HEADER_BLANK && is_empty;
            CU_ASSERT_EQUAL(action == RP_RECOVER_REMOVE, removes);
            if (!removes) {
                CU_ASSERT_EQUAL(action == RP_RECOVER_KEEP, is_trusted);
            }
            CU_ASSERT_EQUAL(action == RP_RECOVER_REINDEX,
                            header == RP_RECOVER_HEADER_BAD && content == RP_RECOVER_SCANNED_EMPTY);
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
    };
    memcpy(header.identity, identity, sizeof header.identity);
    rp_format_segment_header_seal(&header);
    for (size_t len = 0; len <= sizeof header; len++) {
        const uint8_t *copy = guard_copy(&guard, &header, len);
        enum rp_recover_header got = rp_recover_header_get(copy, len, identity, 1, 2);
        enum rp_recover_header want = len == sizeof header ? RP_RECOVER_HEADER_GOOD
                                      : len == 0           ? RP_RECOVER_HEADER_BLANK
                                                           : RP_RECOVER_HEADER_BAD;
        CU_ASSERT_EQUAL(got, want);
    }
    const uint8_t zeros[sizeof header] = {0};
    CU_ASSERT_EQUAL(rp_recover_header_get(zeros, sizeof zeros, identity, 1, 2),
                    RP_RECOVER_HEADER_BLANK);
    CU_ASSERT_EQUAL(rp_recover_header_get((const uint8_t *)&header, sizeof header, identity, 1, 3),
                    RP_RECOVER_HEADER_BAD);
}

/* Nothing, zeros and noise of every small length: it ends, and finds nothing. */
static void test_empty(void)
{
    uint64_t random = 5;
    for (size_t len = 0; len < 3 * RP_SPOOL_BLOCK; len += 61) {
        static uint8_t octets[3 * RP_SPOOL_BLOCK];
        memset(octets, 0, sizeof octets);
        for (size_t i = 0; len % 2 == 1 && i < len; i++) {
            octets[i] = (uint8_t)test_random(&random);
        }
        struct rp_recover_source source = {
            .base = guard_copy(&guard, octets, len),
            .len = len,
            .seed = rp_format_seed(identity, 1, 2),
            .first_sequence = RP_FORMAT_SEQUENCE_NONE,
            .limit = RP_FORMAT_SEQUENCE_NONE,
            .cap = CAP,
        };
        struct rp_recover_result result;
        rp_recover_entries(&source, RP_FORMAT_SEQUENCE_NONE, got_entries, &result);
        CU_ASSERT_EQUAL(result.count, 0);
        CU_ASSERT_EQUAL(result.good_end, RP_SPOOL_BLOCK);
        CU_ASSERT_EQUAL(result.first_sequence, RP_FORMAT_SEQUENCE_NONE);
        CU_ASSERT_TRUE(len > RP_SPOOL_BLOCK || result.cut_octets == 0);
    }
}

/* The last batch reaches the disk only up to a sector, or but for one: every one of them. */
static void test_every_sector(void)
{
    uint64_t random = 11;
    for (int round = 0; round < 6; round++) {
        static struct truth truth;
        make_truth(&truth, &random, 4, false);
        uint64_t end = truth.used;
        uint8_t *damaged = malloc(SIZE);
        assert(damaged != NULL);
        for (uint64_t at = truth.last_batch_off; at < end; at += SECTOR) {
            memcpy(damaged, truth.image, SIZE);
            CU_ASSERT_TRUE(
                compare(&truth, damaged, at, RP_FORMAT_SEQUENCE_NONE, RP_FORMAT_SEQUENCE_NONE));
            memset(damaged + at, 0, end - at);
            CU_ASSERT_TRUE(
                compare(&truth, damaged, end, RP_FORMAT_SEQUENCE_NONE, RP_FORMAT_SEQUENCE_NONE));
            memcpy(damaged, truth.image, SIZE);
            memset(damaged + at, 0, SECTOR);
            CU_ASSERT_TRUE(
                compare(&truth, damaged, end, RP_FORMAT_SEQUENCE_NONE, RP_FORMAT_SEQUENCE_NONE));
            memset(damaged + at, 0xaa, SECTOR);
            CU_ASSERT_TRUE(compare(&truth, damaged, end, truth.limit, truth.limit));
        }
        free(damaged);
        free_truth(&truth);
    }
}

/* One kind of damage at a random place. */
static void damage(const struct truth *truth, uint8_t *damaged, size_t *len, uint64_t *random)
{
    uint64_t at = RP_SPOOL_BLOCK + test_random(random) % (truth->used - RP_SPOOL_BLOCK);
    uint64_t sector = at / SECTOR * SECTOR;
    uint64_t rest = truth->used - sector;
    uint64_t sectors = 1 + test_random(random) % 20;
    uint64_t part = sectors * SECTOR < rest ? sectors * SECTOR : rest;
    switch (test_random(random) % 4) {
    case 0: damaged[at] ^= (uint8_t)(1u << test_random(random) % 8); break;
    case 1: memset(damaged + sector, 0, part); break;
    case 2: memset(damaged + sector, (int)(test_random(random) % 256), part); break;
    default: *len = (size_t)(at < *len ? at : *len); break;
    }
}

/*
 * Earlier octets once more at a later place: whole records, in order or not, where they do not
 * belong. Without other damage the first ones are whole, so these count for nothing.
 */
static void copy_records(const struct truth *truth, uint8_t *damaged, uint64_t *random)
{
    uint64_t blocks = truth->used / RP_SPOOL_ALIGN;
    uint64_t first = RP_SPOOL_BLOCK / RP_SPOOL_ALIGN;
    uint64_t to = first + test_random(random) % (blocks - first);
    uint64_t from = first + test_random(random) % (blocks - first);
    uint64_t count = 1 + test_random(random) % 200;
    count = count < blocks - to ? count : blocks - to;
    if (from + count <= to) {
        memcpy(damaged + to * RP_SPOOL_ALIGN, truth->image + from * RP_SPOOL_ALIGN,
               count * RP_SPOOL_ALIGN);
    }
}

/* Random segments, random damage, with and without void records and a known end. */
static void test_random_damage(void)
{
    const uint64_t first_seed = 1;
    for (uint64_t seed = first_seed; seed < first_seed + 600; seed++) {
        uint64_t random = seed;
        static struct truth truth;
        make_truth(&truth, &random, 1 + test_random(&random) % 6, test_random(&random) % 3 == 0);
        uint8_t *damaged = malloc(SIZE);
        assert(damaged != NULL);
        memcpy(damaged, truth.image, SIZE);
        size_t len = (size_t)truth.used;
        bool is_copy = test_random(&random) % 5 == 0;
        for (uint64_t i = test_random(&random) % 4; !is_copy && i > 0; i--) {
            damage(&truth, damaged, &len, &random);
        }
        /* A copied void record would be counted twice: then there are none. */
        uint64_t limit = is_copy ? RP_FORMAT_SEQUENCE_NONE : truth.limit - test_random(&random) % 2;
        if (is_copy) {
            copy_records(&truth, damaged, &random);
        }
        limit = limit > truth.first_sequence ? limit : truth.first_sequence;
        uint64_t known_end = test_random(&random) % 2 == 0 ? limit : RP_FORMAT_SEQUENCE_NONE;
        if (!compare(&truth, damaged, len, limit, known_end)) {
            (void)fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
            CU_FAIL("recovery and oracle differ");
        }
        free(damaged);
        free_truth(&truth);
    }
    CU_PASS("all seeds");
}

/* A body that holds copies of the segment's own records does not make them come again. */
static void test_repeated(void)
{
    uint64_t random = 3;
    static struct truth truth;
    make_truth(&truth, &random, 2, false);
    uint64_t end = truth.used;
    uint8_t *damaged = calloc(1, SIZE);
    assert(damaged != NULL);
    memcpy(damaged, truth.image, end);
    /* Behind the last record the whole segment comes once more, then a hole in the first copy. */
    memcpy(damaged + end, truth.image + RP_SPOOL_BLOCK, end - RP_SPOOL_BLOCK);
    struct rp_recover_source source = {
        .base = damaged,
        .len = 2 * end,
        .seed = rp_format_seed(identity, 1, 2),
        .first_sequence = RP_FORMAT_SEQUENCE_NONE,
        .limit = RP_FORMAT_SEQUENCE_NONE,
        .cap = CAP,
    };
    struct rp_recover_result result;
    memset(got_entries, 0, sizeof got_entries);
    rp_recover_entries(&source, RP_FORMAT_SEQUENCE_NONE, got_entries, &result);
    CU_ASSERT_EQUAL(result.first_sequence, truth.first_sequence);
    CU_ASSERT_EQUAL(result.count, truth.limit - truth.first_sequence);
    CU_ASSERT_EQUAL(result.messages, result.count);
    free(damaged);
    free_truth(&truth);
}

/* Without a header's word the first whole record says where the segment begins. */
static void test_unknown_first(void)
{
    uint64_t random = 8;
    static struct truth truth;
    make_truth(&truth, &random, 3, false);
    memset(truth.lane.segment, 0, RP_SPOOL_BLOCK + 64); /* header and first record */
    struct rp_recover_source source = {
        .base = truth.lane.segment,
        .len = SIZE,
        .seed = rp_format_seed(identity, 1, 2),
        .first_sequence = RP_FORMAT_SEQUENCE_NONE,
        .limit = RP_FORMAT_SEQUENCE_NONE,
        .cap = CAP,
    };
    struct rp_recover_result result;
    memset(got_entries, 0, sizeof got_entries);
    rp_recover_entries(&source, RP_FORMAT_SEQUENCE_NONE, got_entries, &result);
    CU_ASSERT_EQUAL(result.first_sequence, truth.first_sequence + 1);
    CU_ASSERT_EQUAL(result.count, truth.limit - truth.first_sequence - 1);
    CU_ASSERT_EQUAL(result.damaged, 1);
    /* With it, the first one is known to be missing. */
    source.first_sequence = truth.first_sequence;
    memset(got_entries, 0, sizeof got_entries);
    rp_recover_entries(&source, RP_FORMAT_SEQUENCE_NONE, got_entries, &result);
    CU_ASSERT_EQUAL(result.count, truth.limit - truth.first_sequence);
    CU_ASSERT_EQUAL(got_entries[0].flags, RP_SPOOL_INDEX_DAMAGED);
    free_truth(&truth);
}

/* What an older segment left in the same place has another seed: it is not even looked at. */
static void test_stale(void)
{
    uint64_t random = 21;
    static struct truth old;
    make_truth(&old, &random, 6, false);
    struct rp_recover_source source = {
        .base = old.image,
        .len = SIZE,
        .seed = rp_format_seed(identity, 1, 3),
        .first_sequence = 0,
        .limit = RP_FORMAT_SEQUENCE_NONE,
        .cap = CAP,
    };
    struct rp_recover_result result;
    memset(got_entries, 0, sizeof got_entries);
    rp_recover_entries(&source, RP_FORMAT_SEQUENCE_NONE, got_entries, &result);
    CU_ASSERT_EQUAL(result.count, 0);
    CU_ASSERT_EQUAL(result.damaged, 0);
    CU_ASSERT_TRUE(result.cut_octets > 0 && result.cut_octets <= old.used - RP_SPOOL_BLOCK);
    free_truth(&old);
}

static void test_entries_check(void)
{
    struct rp_spool_index_entry entries[3] = {
        {.offset = 4096, .sequence = 7},
        {.offset = 4096, .sequence = 8},
        {.offset = 4160, .sequence = 9},
    };
    CU_ASSERT_TRUE(rp_recover_entries_are_good(entries, 3, 7));
    CU_ASSERT_TRUE(rp_recover_entries_are_good(entries, 0, 1));
    CU_ASSERT_FALSE(rp_recover_entries_are_good(entries, 3, 6));
    entries[2].offset = 4032;
    CU_ASSERT_FALSE(rp_recover_entries_are_good(entries, 3, 7));
    entries[2].offset = 4161;
    CU_ASSERT_FALSE(rp_recover_entries_are_good(entries, 3, 7));
    entries[2].offset = RP_SPOOL_SEGMENT_MAX;
    CU_ASSERT_FALSE(rp_recover_entries_are_good(entries, 3, 7));
    entries[2].offset = 4160;
    entries[2].total_len = RP_SPOOL_SEGMENT_MAX + 1;
    CU_ASSERT_FALSE(rp_recover_entries_are_good(entries, 3, 7));
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
    CU_ADD_TEST(suite, test_random_damage);
    CU_ADD_TEST(suite, test_repeated);
    CU_ADD_TEST(suite, test_unknown_first);
    CU_ADD_TEST(suite, test_stale);
    CU_ADD_TEST(suite, test_entries_check);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    unsigned run = CU_get_number_of_tests_run();
    CU_cleanup_registry();
    guard_close(&guard);
    return failures == 0 && run == 9 ? 0 : 1;
}
