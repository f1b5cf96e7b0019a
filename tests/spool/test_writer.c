/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_writer.c - segments and indexes of a lane: what opening, closing and going on
 * leaves in the mapped memory.
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
    lane.index = calloc(1, RP_SPOOL_INDEX_LEN(SIZE));
    assert(lane.segment != NULL && lane.index != NULL);
    rp_spool_writer_init(&lane.writer, identity, 2, sequence, &bell);
}

static void end(void)
{
    free(lane.segment);
    free(lane.index);
}

static void test_open(void)
{
    begin(41);
    rp_spool_writer_open_segment(&lane.writer, 7, SIZE, lane.index);
    CU_ASSERT_EQUAL(lane.index->magic, RP_SPOOL_INDEX_MAGIC);
    CU_ASSERT_EQUAL(lane.index->count, RP_SPOOL_INDEX_OPEN);
    CU_ASSERT_EQUAL(lane.index->first_sequence, 41);
    CU_ASSERT_TRUE(rp_format_index_header_is_good(lane.index, identity, 2, 7));
    CU_ASSERT_EQUAL(lane.writer.off, 0);
    CU_ASSERT_TRUE(lane.writer.is_header_due);
    CU_ASSERT_EQUAL(lane.writer.seed, rp_format_seed(identity, 2, 7));
    end();
}

/* Closing seals what was committed, and nothing else; the next segment goes on behind it. */
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
    rp_spool_writer_close_segment(&lane.writer);
    const uint8_t *entries = (const uint8_t *)lane.index + RP_SPOOL_BLOCK;
    CU_ASSERT_EQUAL(lane.index->count, 3);
    CU_ASSERT_EQUAL(lane.index->entries_hash,
                    rp_format_hash(entries, 3 * sizeof(struct rp_spool_index_entry), 0));
    CU_ASSERT_EQUAL(lane.writer.segment, 0);
    CU_ASSERT_EQUAL(bell.lanes[2].tail, 44);

    struct rp_spool_index_header *index = lane.index;
    memset(index, 0, RP_SPOOL_INDEX_LEN(SIZE));
    rp_spool_writer_open_segment(&lane.writer, 8, SIZE, index);
    CU_ASSERT_EQUAL(index->first_sequence, 44);
    rp_spool_writer_close_segment(&lane.writer);
    CU_ASSERT_EQUAL(index->count, 0);
    CU_ASSERT_EQUAL(index->entries_hash, rp_format_hash("", 0, 0));
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

int main(void)
{
    if (CU_initialize_registry() != CUE_SUCCESS) {
        return 1;
    }
    CU_pSuite suite = CU_add_suite("writer", NULL, NULL);
    CU_ADD_TEST(suite, test_open);
    CU_ADD_TEST(suite, test_close);
    CU_ADD_TEST(suite, test_hash_alignment);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    unsigned run = CU_get_number_of_tests_run();
    CU_cleanup_registry();
    return failures == 0 && run == 3 ? 0 : 1;
}
