/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_writer.c - segments and indexes of a lane: what opening, closing and going on leaves in the
 * doorbell and in the memory of the index; and a body's running hash.
 */
#include "lane.h"
#include "spool/format.h"

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>

#define SIZE RP_SPOOL_SEGMENT_MIN

static const uint8_t identity[16] = "writer's spool..";
static struct rp_spool_doorbell bell;
static struct test_lane lane;

static void begin(uint64_t sequence)
{
    memset(&bell, 0, sizeof bell);
    memset(&lane, 0, sizeof lane);
    lane.segment = calloc(1, SIZE);
    lane.index = malloc(RP_SPOOL_INDEX_LEN(SIZE));
    assert(lane.segment != NULL && lane.index != NULL);
    memset(lane.index, 0xa5, RP_SPOOL_INDEX_LEN(SIZE)); /* its content is nobody's business */
    const struct rp_spool_writer_place place = {.lane = 2, .sequence = sequence, .skipped = 1};
    rp_spool_writer_init(&lane.writer, identity, &place, &bell);
}

static void end(void)
{
    free(lane.segment);
    free(lane.index);
}

static void test_open(void)
{
    begin(41);
    CU_ASSERT_EQUAL(lane.writer.sequence, 41);
    CU_ASSERT_EQUAL(lane.writer.skipped, 1);
    CU_ASSERT_EQUAL(bell.lanes[2].segment, 0);
    rp_spool_writer_open_segment(&lane.writer, 7, SIZE, lane.index);
    CU_ASSERT_EQUAL(lane.writer.off, 0);
    CU_ASSERT_TRUE(lane.writer.is_header_due);
    CU_ASSERT_EQUAL(lane.writer.first_sequence, 41);
    CU_ASSERT_EQUAL(lane.writer.seed, rp_format_seed(identity, 2, 7));
    /* Told before any tail; there is none yet, and none that passes for one. */
    CU_ASSERT_EQUAL(bell.lanes[2].segment, 7);
    CU_ASSERT_EQUAL(bell.lanes[2].tail, 0);
    CU_ASSERT_NOT_EQUAL(bell.lanes[2].check, rp_format_tail_check(0, identity, 2));
    end();
}

/* Whether the memory has a whole index of the lane's segment, with these sequences. */
static bool index_is(uint64_t len, uint64_t segment, uint64_t first, uint64_t count)
{
    struct rp_spool_index_header header;
    memcpy(&header, lane.index, sizeof header);
    bool is_good = len == RP_SPOOL_BLOCK + 64 * count && header.first_sequence == first &&
                   header.count == count && header.magic == RP_SPOOL_INDEX_MAGIC &&
                   header.hash == rp_format_hash(lane.index + 8, (size_t)len - 8, 0) &&
                   rp_format_index_is_good(lane.index, (size_t)len, identity, 2, segment);
    for (size_t i = sizeof header; i < RP_SPOOL_BLOCK; i++) {
        is_good = is_good && lane.index[i] == 0;
    }
    return is_good;
}

/* Closing writes down what was committed, and nothing else; the next segment goes on behind it. */
static void test_close(void)
{
    begin(41);
    rp_spool_writer_open_segment(&lane.writer, 7, SIZE, lane.index);
    const struct test_message messages[3] = {
        {.number = 1},
        {.number = 2, .body_len = 10},
        {0          }
    };
    struct rp_spool_id ids[3];
    CU_ASSERT_EQUAL(test_commit(&lane, messages, 3, ids), 3);
    rp_spool_batch_begin(&lane.batch, &lane.writer);
    struct rp_spool_id id;
    CU_ASSERT_EQUAL(test_append(&lane, messages, &id), 0);
    rp_spool_batch_seal(&lane.batch);
    rp_spool_batch_abandon(&lane.batch);
    test_forget(&lane);
    uint8_t *index = lane.index;
    uint64_t len = rp_spool_writer_close_segment(&lane.writer);
    CU_ASSERT_TRUE(index_is(len, 7, 41, 3));
    CU_ASSERT_EQUAL(lane.writer.segment, 0);
    CU_ASSERT_EQUAL(bell.lanes[2].tail, 44);

    memset(index, 0x77, RP_SPOOL_INDEX_LEN(SIZE));
    rp_spool_writer_open_segment(&lane.writer, 8, SIZE, index);
    CU_ASSERT_EQUAL(lane.writer.first_sequence, 44);
    CU_ASSERT_EQUAL(bell.lanes[2].segment, 8);
    len = rp_spool_writer_close_segment(&lane.writer);
    CU_ASSERT_TRUE(index_is(len, 8, 44, 0));
    CU_ASSERT_EQUAL(bell.lanes[2].tail, 44);
    end();
}

/* The first header says what was skipped; the headers of later segments do not say it again. */
static void test_skipped(void)
{
    begin(41);
    const struct test_message message = {.number = 1};
    struct rp_spool_segment_header header;
    struct rp_spool_id id;
    uint8_t *index = lane.index;
    /* A first batch that fails has told nobody. */
    rp_spool_writer_open_segment(&lane.writer, 7, SIZE, index);
    rp_spool_batch_begin(&lane.batch, &lane.writer);
    CU_ASSERT_EQUAL(test_append(&lane, &message, &id), 0);
    rp_spool_batch_seal(&lane.batch);
    memcpy(&header, lane.batch.header_page, sizeof header);
    CU_ASSERT_EQUAL(header.skipped, 1);
    rp_spool_batch_abandon(&lane.batch);
    test_forget(&lane);
    for (uint64_t segment = 8; segment <= 9; segment++) {
        rp_spool_writer_close_segment(&lane.writer);
        rp_spool_writer_open_segment(&lane.writer, segment, SIZE, index);
        CU_ASSERT_EQUAL(test_commit(&lane, &message, 1, &id), 1);
        memcpy(&header, lane.segment, sizeof header);
        CU_ASSERT_TRUE(rp_format_segment_header_is_good(&header, identity, 2, segment));
        CU_ASSERT_EQUAL(header.skipped, segment == 8);
        CU_ASSERT_EQUAL(header.first_sequence, segment == 8 ? 41 : 42);
    }
    end();
}

/* The state of a big body's hash works at any alignment. */
static void test_hash_alignment(void)
{
    static uint8_t memory[sizeof(struct rp_spool_hash) + 64];
    for (size_t shift = 0; shift < 64; shift++) {
        struct rp_spool_hash *hash = (struct rp_spool_hash *)(void *)(memory + shift);
        rp_spool_hash_init(hash);
        rp_spool_hash_add(hash, identity, 10);
        rp_spool_hash_add(hash, identity + 10, 6);
        CU_ASSERT_EQUAL(rp_spool_hash_get(hash), rp_format_hash(identity, 16, 0));
    }
}

/* The slow truth: 512 zeros in a row. */
static bool has_run(const uint8_t *octets, size_t len)
{
    size_t run = 0;
    for (size_t i = 0; i < len; i++) {
        run = octets[i] == 0 ? run + 1 : 0;
        if (run == RP_SPOOL_SECTOR) {
            return true;
        }
    }
    return false;
}

/* Hash a body in pieces of at most `piece_max`, cut at random. */
static bool ask_has_zeros(const uint8_t *octets, size_t len, size_t piece_max, uint64_t *random)
{
    struct rp_spool_hash hash;
    rp_spool_hash_init(&hash);
    CU_ASSERT_FALSE(rp_spool_hash_has_zeros(&hash));
    for (size_t at = 0; at < len;) {
        size_t piece = 1 + test_random(random) % piece_max;
        piece = piece < len - at ? piece : len - at;
        rp_spool_hash_add(&hash, octets + at, piece);
        at += piece;
    }
    CU_ASSERT_EQUAL(rp_spool_hash_get(&hash), rp_format_hash(octets, len, 0));
    return rp_spool_hash_has_zeros(&hash);
}

/* A run of zeros is never missed, wherever it is and however the body is cut. */
static void test_has_zeros(void)
{
    static uint8_t octets[4096];
    static const size_t piece_maxs[] = {7, 16, 100, 511, 600, 2000, 5000};
    uint64_t random = 3;
    uint64_t missed = 0;
    uint64_t alarms = 0;
    for (int round = 0; round < 30000; round++) {
        size_t len = 1 + test_random(&random) % sizeof octets;
        size_t run = 500 + test_random(&random) % 30;
        size_t at = test_random(&random) % sizeof octets;
        memset(octets, 'x', sizeof octets);
        memset(octets + at, 0, run < sizeof octets - at ? run : sizeof octets - at);
        size_t piece_max = piece_maxs[test_random(&random) % 7];
        missed += has_run(octets, len) && !ask_has_zeros(octets, len, piece_max, &random);
    }
    CU_ASSERT_EQUAL(missed, 0);
    /* A text has none; so nothing of it is searched. */
    memset(octets, 'x', sizeof octets);
    for (size_t len = 8; len <= sizeof octets; len++) {
        alarms += ask_has_zeros(octets, len, 1, &random) != true; /* too short to tell */
        struct rp_spool_hash hash;
        rp_spool_hash_init(&hash);
        rp_spool_hash_add(&hash, octets, len);
        alarms += rp_spool_hash_has_zeros(&hash);
    }
    CU_ASSERT_EQUAL(alarms, 0);
}

int main(void)
{
    if (CU_initialize_registry() != CUE_SUCCESS) {
        return 1;
    }
    CU_pSuite suite = CU_add_suite("writer", NULL, NULL);
    CU_ADD_TEST(suite, test_open);
    CU_ADD_TEST(suite, test_close);
    CU_ADD_TEST(suite, test_skipped);
    CU_ADD_TEST(suite, test_hash_alignment);
    CU_ADD_TEST(suite, test_has_zeros);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    unsigned run = CU_get_number_of_tests_run();
    CU_cleanup_registry();
    return failures == 0 && run == 5 ? 0 : 1;
}
