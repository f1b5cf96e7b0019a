/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_reader_lane.c - which entries of a lane may be seen, step by step as the writer stores.
 */
#include "spool.h"
#include "spool/reader_lane.h"

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>

static struct test_spool spool;
static struct rp_reader_spool shared;
static struct rp_reader_lane lane;
static struct rp_spool_id id;
static const struct test_message message = {.number = 2, .body_len = 30, .time_ns = 4};

static void begin(bool is_live)
{
    test_spool_make(&spool, NULL, 1, is_live);
    shared = (struct rp_reader_spool){
        .fd = spool.fd,
        .big_fd = spool.big_fd,
        .doorbell = spool.bell,
        .is_live = is_live,
    };
    memcpy(shared.meta.identity, spool.identity, sizeof shared.meta.identity);
    rp_reader_lane_init(&lane, 0);
}

static void end(void)
{
    rp_reader_lane_close(&lane);
    rp_reader_lane_close(&lane); /* again: nothing */
    test_spool_free(&spool);
}

static uint64_t count_now(bool *is_settled)
{
    struct rp_reader_lane_entries entries = {0};
    CU_ASSERT_EQUAL(rp_reader_lane_get(&lane, &shared, &entries), 0);
    *is_settled = entries.is_settled;
    return entries.count;
}

static void test_steps(void)
{
    begin(true);
    bool is_settled;
    CU_ASSERT_EQUAL(rp_reader_lane_refresh(&lane, &shared), 0);
    CU_ASSERT_EQUAL(lane.count, 0);
    test_spool_prepare(&spool, 0);
    CU_ASSERT_EQUAL(rp_reader_lane_refresh(&lane, &shared), 0);
    CU_ASSERT_EQUAL(lane.count, 1);
    CU_ASSERT_EQUAL(rp_reader_lane_load(&lane, &shared, 0), -EAGAIN);

    struct test_lane *writing = &spool.lanes[0].lane;
    rp_spool_writer_open_segment(&writing->writer, 1, RP_SPOOL_SEGMENT_MIN, writing->index);
    CU_ASSERT_EQUAL(rp_reader_lane_load(&lane, &shared, 0), 0);
    CU_ASSERT_EQUAL(lane.kind, RP_READER_LANE_LIVE);
    CU_ASSERT_EQUAL(count_now(&is_settled), 0);
    CU_ASSERT_FALSE(is_settled);

    rp_spool_batch_begin(&writing->batch, &writing->writer);
    CU_ASSERT_EQUAL(test_append(writing, &message, &id), 0);
    rp_spool_batch_seal(&writing->batch);
    test_write(writing, writing->batch.len);
    CU_ASSERT_EQUAL(count_now(&is_settled), 0);
    (void)rp_spool_batch_commit(&writing->batch);
    test_forget(writing);
    CU_ASSERT_EQUAL(count_now(&is_settled), 1);
    CU_ASSERT_EQUAL(rp_reader_lane_tail(&lane, &shared), 1);

    rp_spool_writer_close_segment(&writing->writer);
    CU_ASSERT_EQUAL(count_now(&is_settled), 1);
    CU_ASSERT_TRUE(is_settled);
    test_spool_put(&spool, 0, &message, 1, &id); /* in the next segment */
    CU_ASSERT_EQUAL(count_now(&is_settled), 1);

    spool.bell->generation++;
    struct rp_reader_lane_entries entries;
    test_spool_close_segment(&spool, 0);
    CU_ASSERT_EQUAL(rp_reader_lane_get(&lane, &shared, &entries), -ESTALE);
    shared.generation++;
    CU_ASSERT_EQUAL(rp_reader_lane_refresh(&lane, &shared), 0);
    CU_ASSERT_EQUAL(lane.count, 2);
    CU_ASSERT_EQUAL(rp_reader_lane_load(&lane, &shared, 1), 0);
    CU_ASSERT_EQUAL(lane.kind, RP_READER_LANE_SETTLED);
    CU_ASSERT_EQUAL(count_now(&is_settled), 1);
    end();
}

/* A tail that lies, and an index that is too short for it: only what is there is counted. */
static void test_bounds(void)
{
    begin(true);
    bool is_settled;
    test_spool_put(&spool, 0, &message, 1, &id);
    CU_ASSERT_EQUAL(rp_reader_lane_refresh(&lane, &shared), 0);
    test_must(ftruncate(openat(spool.lanes[0].fd, "0000000000000001.idx", O_WRONLY | O_CLOEXEC),
                        RP_SPOOL_BLOCK + 5 * 64) == 0,
              "ftruncate");
    spool.bell->lanes[0].tail = 1u << 30;
    CU_ASSERT_EQUAL(rp_reader_lane_load(&lane, &shared, 0), 0);
    CU_ASSERT_EQUAL(count_now(&is_settled), 5);
    rp_reader_lane_close(&lane);

    /* An index that is no index: the segment says it, as far as the tail goes. */
    spool.bell->lanes[0].tail = 1;
    test_write_file(spool.lanes[0].fd, "0000000000000001.idx", "x", 1);
    CU_ASSERT_EQUAL(rp_reader_lane_refresh(&lane, &shared), 0);
    CU_ASSERT_EQUAL(rp_reader_lane_load(&lane, &shared, 0), 0);
    CU_ASSERT_EQUAL(count_now(&is_settled), 1);
    spool.bell->lanes[0].tail = 0;
    CU_ASSERT_EQUAL(rp_reader_lane_refresh(&lane, &shared), 0);
    CU_ASSERT_EQUAL(rp_reader_lane_load(&lane, &shared, 0), 0);
    CU_ASSERT_EQUAL(count_now(&is_settled), 0);
    end();
}

static void test_find(void)
{
    static uint64_t numbers[] = {2, 3, 7};
    lane.numbers = numbers;
    lane.count = 3;
    static const size_t expected[] = {0, 0, 0, 1, 2, 2, 2, 2, 3};
    for (uint64_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        CU_ASSERT_EQUAL(rp_reader_lane_find(&lane, i), expected[i]);
    }
    lane.numbers = NULL;
    lane.count = 0;
    CU_ASSERT_EQUAL(rp_reader_lane_find(&lane, 1), 0);
}

static void test_no_directory(void)
{
    begin(false);
    rp_reader_lane_init(&lane, 3);
    CU_ASSERT_EQUAL(rp_reader_lane_refresh(&lane, &shared), 0);
    CU_ASSERT_EQUAL(lane.count, 0);
    test_write_file(spool.fd, "lane-003", "", 0);
    CU_ASSERT_EQUAL(rp_reader_lane_refresh(&lane, &shared), 0);
    CU_ASSERT_EQUAL(lane.count, 0);
    rp_reader_lane_init(&lane, 0);
    test_must(mkdirat(spool.lanes[0].fd, "0000000000000001.seg", 0700) == 0, "mkdir");
    CU_ASSERT_EQUAL(rp_reader_lane_refresh(&lane, &shared), 0);
    CU_ASSERT_EQUAL(rp_reader_lane_load(&lane, &shared, 0), -ENOENT);
    int fd;
    CU_ASSERT_EQUAL(rp_reader_lane_open_file(&lane, 1, &fd), -EISDIR);
    CU_ASSERT_EQUAL(rp_reader_lane_open_file(&lane, 2, &fd), -ENOENT);
    end();
}

int main(void)
{
    if (CU_initialize_registry() != CUE_SUCCESS) {
        return 1;
    }
    CU_pSuite suite = CU_add_suite("reader_lane", NULL, NULL);
    CU_ADD_TEST(suite, test_steps);
    CU_ADD_TEST(suite, test_bounds);
    CU_ADD_TEST(suite, test_find);
    CU_ADD_TEST(suite, test_no_directory);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    unsigned run = CU_get_number_of_tests_run();
    CU_cleanup_registry();
    return failures == 0 && run == 4 ? 0 : 1;
}
