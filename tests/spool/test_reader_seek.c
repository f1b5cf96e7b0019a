/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_reader_seek.c - cursors put anywhere, messages found by id.
 *
 * A spool of two lanes and several segments, settled and live: from each message on, the rest
 * must come, and each id must be found.
 */
#include "spool.h"

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>

#define MESSAGES 30u

static struct test_spool spool;
static struct test_message messages[MESSAGES];
static struct rp_spool_id ids[MESSAGES];
static struct rp_spool_cursor cursor;
static struct rp_spool_reader *reader;

static void begin(bool is_live)
{
    test_spool_make(&spool, NULL, 2, is_live);
    for (uint64_t i = 0; i < MESSAGES; i++) {
        messages[i] = (struct test_message){.number = i, .body_len = 100, .time_ns = 50 + i};
        uint32_t lane = i % 3 == 0; /* a third in lane 1 */
        test_spool_put(&spool, lane, &messages[i], 1, &ids[i]);
        if (i % 8 == 7) {
            test_spool_close_segment(&spool, lane);
        }
    }
    test_must(rp_spool_reader_open(spool.path, &reader) == 0, "reader");
}

static void end(void)
{
    rp_spool_reader_close(reader);
    test_spool_free(&spool);
}

static void test_seek_id(void)
{
    for (int live = 0; live <= 1; live++) {
        begin(live != 0);
        for (size_t i = 0; i < MESSAGES; i++) {
            CU_ASSERT_EQUAL(rp_spool_reader_seek_id(reader, &cursor, ids[i].text), 0);
            for (size_t j = i; j < MESSAGES; j++) {
                struct rp_spool_entry entry;
                CU_ASSERT_EQUAL_FATAL(rp_spool_reader_next(reader, &cursor, &entry), 1);
                CU_ASSERT_STRING_EQUAL(entry.id.text, ids[j].text);
            }
            struct rp_spool_entry entry;
            CU_ASSERT_EQUAL(rp_spool_reader_next(reader, &cursor, &entry), 0);
        }
        end();
    }
}

static void test_seek_end(void)
{
    for (int live = 0; live <= 1; live++) {
        begin(live != 0);
        struct rp_spool_entry entry;
        CU_ASSERT_EQUAL(rp_spool_reader_seek_end(reader, &cursor), 0);
        CU_ASSERT_EQUAL(rp_spool_reader_next(reader, &cursor, &entry), 0);
        if (live != 0) {
            struct rp_spool_id id;
            test_spool_put(&spool, 1, &messages[4], 1, &id);
            CU_ASSERT_EQUAL_FATAL(rp_spool_reader_next(reader, &cursor, &entry), 1);
            CU_ASSERT_STRING_EQUAL(entry.id.text, id.text);
            CU_ASSERT_EQUAL(rp_spool_reader_next(reader, &cursor, &entry), 0);
        }
        end();
    }
    /* The end of nothing is the start of what comes. */
    test_spool_make(&spool, NULL, 1, true);
    test_must(rp_spool_reader_open(spool.path, &reader) == 0, "reader");
    CU_ASSERT_EQUAL(rp_spool_reader_seek_end(reader, &cursor), 0);
    test_spool_put(&spool, 0, messages, 1, ids);
    struct rp_spool_entry entry;
    CU_ASSERT_EQUAL(rp_spool_reader_next(reader, &cursor, &entry), 1);
    end();
}

static void test_find(void)
{
    for (int live = 0; live <= 1; live++) {
        begin(live != 0);
        struct rp_spool_entry entry;
        for (size_t i = 0; i < MESSAGES; i++) {
            CU_ASSERT_EQUAL_FATAL(rp_spool_reader_find(reader, ids[i].text, &entry), 0);
            CU_ASSERT_TRUE(test_is_message(reader, &entry, &messages[i]));
        }
        if (live != 0) { /* in a segment that was not there when the reader came */
            test_spool_close_segment(&spool, 0);
            struct rp_spool_id id;
            test_spool_put(&spool, 0, &messages[5], 1, &id);
            CU_ASSERT_EQUAL(rp_spool_reader_find(reader, id.text, &entry), 0);
            CU_ASSERT_TRUE(test_is_message(reader, &entry, &messages[5]));
        }
        end();
    }
}

static void test_find_nothing(void)
{
    static const struct {
        const char *id;
        int error;
    } rows[] = {
        {"",                       -EINVAL},
        {"000-0000000001-00004",   -EINVAL},
        {"000-0000000001-0000400", -EINVAL},
        {"000-0000000001-00004G",  -EINVAL},
        {"000-0000000001-000042",  -ENOENT},
        {"000-0000000001-ffffff",  -ENOENT},
        {"000-0000000001-000000",  -ENOENT},
        {"000-0000000001-000040",  -ENOENT}, /* a mark */
        {"000-0000000000-000040",  -ENOENT},
        {"000-ffffffffff-000040",  -ENOENT},
        {"002-0000000001-000040",  -ENOENT},
        {"fff-0000000001-000040",  -ENOENT},
    };
    begin(false);
    CU_ASSERT_STRING_EQUAL(ids[1].text, "000-0000000001-000041");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rp_spool_entry entry;
        CU_ASSERT_EQUAL(rp_spool_reader_find(reader, rows[i].id, &entry), rows[i].error);
        CU_ASSERT_EQUAL(rp_spool_reader_seek_id(reader, &cursor, rows[i].id), rows[i].error);
    }
    end();
}

/* What was never a message is not found, and not passed as one; a damaged one is. */
static void test_find_not_whole(void)
{
    for (int proven = 0; proven <= 1; proven++) {
        test_spool_make(&spool, NULL, 1, true);
        for (uint64_t i = 0; i < 3; i++) {
            messages[i] = (struct test_message){.number = i, .body_len = 100, .time_ns = 50 + i};
        }
        messages[2].body_len = test_body_len_to_sector(messages + 1, 2);
        test_spool_put(&spool, 0, messages, 1, ids);
        test_spool_write(&spool, 0, messages + 1, 2, UINT64_MAX);
        struct test_lane *lane = &spool.lanes[0].lane;
        rp_format_id(0, 1, test_entry(lane->index, 1).offset, &ids[1]);
        rp_format_id(0, 1, test_entry(lane->index, 2).offset, &ids[2]);
        lane->segment[test_entry(lane->index, 1).offset + 300] ^= 1; /* of the body */
        if (proven != 0) {
            (void)rp_spool_batch_commit(&lane->batch); /* nobody waits */
        } else {
            memset(lane->segment + lane->batch.begin_off + lane->batch.begin.len - 64, 0, 64);
        }
        test_unlock(&spool);
        test_must(rp_spool_reader_open(spool.path, &reader) == 0, "reader");
        struct rp_spool_entry entry;
        CU_ASSERT_EQUAL(rp_spool_reader_find(reader, ids[0].text, &entry), 0);
        CU_ASSERT_EQUAL(rp_spool_reader_find(reader, ids[1].text, &entry),
                        proven != 0 ? 0 : -ENOENT);
        CU_ASSERT_EQUAL(entry.is_damaged, proven != 0);
        rp_spool_reader_close(reader);
        test_spool_free(&spool);
    }
}

int main(void)
{
    if (CU_initialize_registry() != CUE_SUCCESS) {
        return 1;
    }
    CU_pSuite suite = CU_add_suite("reader_seek", NULL, NULL);
    CU_ADD_TEST(suite, test_seek_id);
    CU_ADD_TEST(suite, test_seek_end);
    CU_ADD_TEST(suite, test_find);
    CU_ADD_TEST(suite, test_find_nothing);
    CU_ADD_TEST(suite, test_find_not_whole);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    unsigned run = CU_get_number_of_tests_run();
    CU_cleanup_registry();
    return failures == 0 && run == 5 ? 0 : 1;
}
