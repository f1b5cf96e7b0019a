/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_reader_live.c - the segment that a daemon is writing to, followed batch by batch.
 *
 * After each commit of random batches the entries must be the writer's own. Then every mark and
 * record is damaged in turn, and blocks cannot be read: what is whole must still be there, in its
 * place, and what comes later, too.
 */
#include "spool/reader_live.h"

#include "spool.h"
#include "unreadable.h"

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>

#define BATCHES 8u

static struct test_spool spool;
static struct rp_reader_live live;
static uint64_t numbers[2];
static int fd; /* of the segment */

static void begin(uint64_t first_sequence)
{
    test_spool_make(&spool, NULL, 1, true);
    spool.lanes[0].lane.writer.sequence = first_sequence;
    test_spool_open_segment(&spool, 0);
    numbers[0] = 1;
    fd = openat(spool.lanes[0].fd, "0000000000000001.seg", O_RDWR | O_CLOEXEC);
    test_must(fd >= 0, "segment");
    live = (struct rp_reader_live){0};
}

static void end(void)
{
    rp_reader_live_close(&live);
    rp_reader_live_close(&live); /* zeroed: nothing */
    (void)close(fd);
    test_spool_free(&spool);
}

static struct rp_survey_lane as_lane(void)
{
    return (struct rp_survey_lane){
        .fd = spool.lanes[0].fd,
        .big_fd = spool.big_fd,
        .identity = spool.identity,
        .limit = spool.bell->lanes[0].tail,
        .proven = spool.bell->lanes[0].tail,
        .numbers = numbers,
        .count = 1,
    };
}

static int open_live(void)
{
    struct rp_survey_lane lane = as_lane();
    return rp_reader_live_open(&live, &lane, 0, fd);
}

static int walk(uint64_t bound)
{
    struct rp_survey_lane lane = as_lane();
    return rp_reader_live_walk(&live, &lane, 0, fd, bound);
}

/* A batch of random messages; returns how many. */
static uint64_t put_random(uint64_t *random)
{
    struct test_message messages[5];
    struct rp_spool_id ids[5];
    const size_t count = 1 + test_random(random) % 5;
    static const size_t sizes[] = {0, 1, 60, 400, 9000, 70000};
    for (size_t i = 0; i < count; i++) {
        messages[i] = (struct test_message){
            .number = test_random(random) % 1000,
            .body_len = sizes[test_random(random) % 6],
            .time_ns = test_random(random),
            .big_id = test_random(random) % 8 == 0 ? 1 + test_random(random) % 99 : 0,
            .is_block_aligned = test_random(random) % 8 == 0,
        };
        if (messages[i].big_id != 0) {
            test_spool_write_big(&spool, 0, &messages[i]);
        }
    }
    CU_ASSERT_EQUAL_FATAL(test_commit(&spool.lanes[0].lane, messages, count, ids), count);
    return count;
}

/* Whether entry i is the writer's, but for the number of a big body, which only views need. */
static bool is_written(uint64_t i)
{
    struct rp_spool_index_entry entry = test_entry(spool.lanes[0].lane.index, i);
    struct rp_spool_index_entry got = live.entries[i];
    entry.big_id = got.big_id = 0;
    return memcmp(&entry, &got, sizeof entry) == 0;
}

static void test_not_yet(void)
{
    begin(7);
    CU_ASSERT_EQUAL(open_live(), -EAGAIN);
    const struct test_message message = {.number = 1};
    test_spool_write(&spool, 0, &message, 1, 60); /* not even its header is whole */
    CU_ASSERT_EQUAL(open_live(), 0);
    CU_ASSERT_EQUAL(live.count, 0);
    CU_ASSERT_EQUAL(walk(0), 0);
    CU_ASSERT_EQUAL(live.count, 0);
    /* Then it is: the reader that came too early sees it, too. */
    test_spool_write(&spool, 0, &message, 1, UINT64_MAX);
    (void)rp_spool_batch_commit(&spool.lanes[0].lane.batch); /* nobody waits */
    CU_ASSERT_EQUAL(walk(8), 0);
    CU_ASSERT_EQUAL(live.count, 1);
    CU_ASSERT_EQUAL(live.first_sequence, 7);
    end();
}

static void test_follow(void)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        uint64_t random = seed;
        uint64_t count = 0;
        begin(seed % 2 * 1000);
        for (size_t batch = 0; batch < BATCHES; batch++) {
            count += put_random(&random);
            if (batch == 0) {
                CU_ASSERT_EQUAL_FATAL(open_live(), 0);
            } else if (test_random(&random) % 3 == 0) {
                continue; /* several at once */
            }
            CU_ASSERT_EQUAL_FATAL(walk(spool.bell->lanes[0].tail), 0);
            CU_ASSERT_EQUAL(live.first_sequence, seed % 2 * 1000);
            CU_ASSERT_EQUAL_FATAL(live.count, count);
            for (uint64_t i = 0; i < count; i++) {
                CU_ASSERT_TRUE(is_written(i));
            }
            CU_ASSERT_EQUAL(walk(spool.bell->lanes[0].tail), 0); /* nothing new */
            CU_ASSERT_EQUAL(live.count, count);
        }
        end();
    }
}

/* What is written and not published is not looked at, whole or not. */
static void test_bound(void)
{
    uint64_t random = 5;
    begin(0);
    uint64_t count = put_random(&random);
    const struct test_message messages[2] = {{.number = 1}, {.number = 2}};
    test_spool_write(&spool, 0, messages, 2, UINT64_MAX);
    CU_ASSERT_EQUAL(open_live(), 0);
    CU_ASSERT_EQUAL(walk(spool.bell->lanes[0].tail), 0);
    CU_ASSERT_EQUAL(live.count, count);
    (void)rp_spool_batch_commit(&spool.lanes[0].lane.batch); /* nobody waits */
    CU_ASSERT_EQUAL(walk(spool.bell->lanes[0].tail), 0);
    CU_ASSERT_EQUAL(live.count, count + 2);
    end();
}

/* Which messages are damaged when 64 octets at `off` are: those that have any of them. */
static bool is_hit(uint64_t i, uint64_t off)
{
    struct rp_spool_index_entry entry = test_entry(spool.lanes[0].lane.index, i);
    uint64_t body_len = (entry.flags & RP_SPOOL_INDEX_BIG) != 0 ? 0 : entry.body_len;
    return off < entry.offset + 64 + entry.envelope_len + body_len && entry.offset < off + 64;
}

/* Whole messages are the writer's; one that is hit is damaged, or says so when it is loaded. */
static void check_around(uint64_t count, uint64_t off)
{
    unsigned failures = CU_get_number_of_failures();
    CU_ASSERT_EQUAL_FATAL(live.count, count);
    for (uint64_t i = 0; i < count; i++) {
        const struct rp_spool_index_entry *got = &live.entries[i];
        CU_ASSERT_EQUAL(got->sequence, live.first_sequence + i);
        CU_ASSERT_TRUE(i == 0 || got->offset >= got[-1].offset);
        CU_ASSERT_TRUE(is_hit(i, off) || is_written(i));
        if (is_hit(i, off) && (got->flags & RP_SPOOL_INDEX_DAMAGED) == 0) {
            struct rp_spool_index_entry entry = test_entry(spool.lanes[0].lane.index, i);
            CU_ASSERT_EQUAL(got->offset, entry.offset); /* the loader finds the damage there */
        }
    }
    if (CU_get_number_of_failures() != failures) {
        (void)fprintf(stderr, "off %u\n", (unsigned)off);
    }
}

/* Every 64 octets of the first batches become something else, before the reader comes or after it
 * has read some; then the writer goes on. */
static void test_damaged(void)
{
    uint64_t random = 12;
    begin(3);
    uint64_t count = put_random(&random);
    count += put_random(&random);
    count += put_random(&random);
    const uint64_t used = spool.lanes[0].lane.writer.off;
    uint8_t *segment = spool.lanes[0].lane.segment;
    for (uint64_t off = 0; off < used;
         off += off < 256 ? 64 : 64 * (1 + test_random(&random) % 7)) {
        const uint64_t at = off + test_random(&random) % 64;
        const uint8_t bit = (uint8_t)(1u << test_random(&random) % 8);
        segment[at] ^= bit;
        CU_ASSERT_EQUAL_FATAL(open_live(), 0);
        CU_ASSERT_EQUAL(walk(spool.bell->lanes[0].tail), 0);
        if (off >= 128) {
            check_around(count, off);
        } else if (live.first_sequence == 3) {
            check_around(count, UINT64_MAX - 64); /* the header: the first batch says as much */
        } else {
            CU_FAIL("a damaged header moves the sequences");
        }
        segment[at] ^= bit;
        rp_reader_live_close(&live);
    }
    /* It goes on behind what was salvaged. */
    segment[RP_SPOOL_BLOCK + 64 + 9] ^= 1; /* the first record's magic */
    CU_ASSERT_EQUAL_FATAL(open_live(), 0);
    for (int i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL(walk(spool.bell->lanes[0].tail), 0);
        check_around(count, RP_SPOOL_BLOCK + 64);
        CU_ASSERT_EQUAL(live.entries[0].flags & RP_SPOOL_INDEX_DAMAGED, RP_SPOOL_INDEX_DAMAGED);
        count += put_random(&random);
    }
    end();
}

/* Blocks that cannot be read: the others are. */
static void test_unreadable_block(void)
{
    uint64_t random = 4;
    begin(3);
    uint64_t count = 0;
    while (count < 12) {
        count += put_random(&random);
    }
    const uint64_t used = spool.lanes[0].lane.writer.off;
    for (uint64_t block = 0; block < used; block += RP_SPOOL_BLOCK) {
        test_unreadable_set(spool.lanes[0].fd, "0000000000000001.seg", block, RP_SPOOL_BLOCK);
        CU_ASSERT_EQUAL_FATAL(open_live(), 0);
        CU_ASSERT_EQUAL(walk(spool.bell->lanes[0].tail), 0);
        CU_ASSERT_EQUAL_FATAL(live.count, count);
        for (uint64_t i = 0; i < count; i++) {
            struct rp_spool_index_entry entry = test_entry(spool.lanes[0].lane.index, i);
            uint64_t len = rp_format_record_len(entry.envelope_len, entry.body_len,
                                                (entry.flags & RP_SPOOL_INDEX_BIG) != 0);
            bool is_in_block = entry.offset < block + RP_SPOOL_BLOCK && block < entry.offset + len;
            CU_ASSERT_TRUE(is_in_block || is_written(i));
        }
        rp_reader_live_close(&live);
        test_unreadable_clear();
    }
    end();
}

/* A tail that lies beyond all that a segment can have: what is there, and no more. */
static void test_lying_tail(void)
{
    uint64_t random = 5;
    begin(0);
    uint64_t count = put_random(&random);
    spool.bell->lanes[0].tail = 1u << 30;
    CU_ASSERT_EQUAL(open_live(), 0);
    CU_ASSERT_EQUAL(walk(spool.bell->lanes[0].tail), 0);
    CU_ASSERT_EQUAL(live.count, count);
    for (uint64_t i = 0; i < count; i++) {
        CU_ASSERT_EQUAL(live.entries[i].flags & RP_SPOOL_INDEX_DAMAGED, 0);
    }
    end();
}

int main(void)
{
    if (CU_initialize_registry() != CUE_SUCCESS) {
        return 1;
    }
    CU_pSuite suite = CU_add_suite("reader_live", NULL, NULL);
    CU_ADD_TEST(suite, test_not_yet);
    CU_ADD_TEST(suite, test_follow);
    CU_ADD_TEST(suite, test_bound);
    CU_ADD_TEST(suite, test_damaged);
    CU_ADD_TEST(suite, test_unreadable_block);
    CU_ADD_TEST(suite, test_lying_tail);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    unsigned run = CU_get_number_of_tests_run();
    CU_cleanup_registry();
    return failures == 0 && run == 6 ? 0 : 1;
}
