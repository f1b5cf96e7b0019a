/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_bench_lane.c - what benchmarks write is a real lane.
 *
 * Goal: batches have the messages that were asked for, a full segment is told and can be left,
 * and what was written is found again by recovery. Method: segments of the smallest size,
 * filled with batches of several sizes.
 */
#include "perf/bench_case.h"
#include "perf/bench_lane.h"
#include "spool/format.h"
#include "spool/recover.h"
#include "tests/tools/suite.h"

#include <errno.h>
#include <string.h>

#define SEGMENT_LEN RP_SPOOL_SEGMENT_MIN
#define MESSAGES    64u

static const uint8_t identity[16] = "test_bench_lane";
static struct rp_bench_lane lane;
static struct rp_spool_doorbell doorbell;
static uint8_t *index_memory;
static uint8_t *image;

static void enter(uint64_t segment)
{
    memset(image, 0, SEGMENT_LEN);
    rp_bench_lane_enter(&lane, segment, SEGMENT_LEN, index_memory);
}

/* Fill the open segment; returns the messages that had room. */
static uint64_t fill(size_t count)
{
    uint64_t messages = 0;
    while (rp_bench_lane_plan(&lane, count) == 0) {
        CU_ASSERT_EQUAL(lane.batch.count, count);
        CU_ASSERT_EQUAL(lane.batch.len % RP_SPOOL_BLOCK, 0);
        rp_bench_lane_copy(&lane, image);
        CU_ASSERT_FALSE(rp_spool_batch_commit(&lane.batch));
        messages += count;
    }
    CU_ASSERT_EQUAL(rp_bench_lane_plan(&lane, count), -ENOSPC); /* it stays full */
    return messages;
}

static uint64_t recover(uint64_t segment)
{
    const struct rp_recover_source source = {
        .base = image,
        .len = SEGMENT_LEN,
        .seed = rp_format_seed(identity, 0, segment),
        .first_sequence = RP_FORMAT_SEQUENCE_NONE,
        .limit = RP_FORMAT_SEQUENCE_NONE,
        .cap = RP_SPOOL_INDEX_CAP(SEGMENT_LEN),
    };
    struct rp_spool_index_entry *entries = calloc(source.cap, sizeof(*entries));
    struct rp_recover_result result;
    CU_ASSERT_PTR_NOT_NULL_FATAL(entries);
    rp_recover_entries(&source, entries, &result);
    CU_ASSERT_EQUAL(result.damaged, 0);
    CU_ASSERT_EQUAL(result.tail, RP_RECOVER_TAIL_NONE);
    CU_ASSERT_EQUAL(entries[0].body_len, lane.body_len);
    free(entries);
    return result.messages;
}

static void test_fill(void)
{
    static const struct {
        size_t body_len;
        size_t count;
    } rows[] = {
        {1024,  1       },
        {1024,  MESSAGES},
        {10240, 1       },
        {10240, MESSAGES},
        {100,   7       }
    };
    for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
        CU_ASSERT_EQUAL_FATAL(
            rp_bench_lane_open(&lane, rows[row].body_len, rows[row].count, identity, &doorbell), 0);
        uint64_t all = 0;
        for (uint64_t segment = 1; segment <= 3; segment++) {
            enter(segment);
            const uint64_t messages = fill(rows[row].count);
            CU_ASSERT_TRUE(messages > 0);
            CU_ASSERT_EQUAL(recover(segment), messages);
            all += messages;
            CU_ASSERT_EQUAL(doorbell.lanes[0].tail, all); /* published, each once */
        }
        rp_bench_lane_close(&lane);
    }
}

/* The sum tells messages apart, not where they lie. */
static void test_sum(void)
{
    uint64_t sums[3];
    for (size_t at = 0; at < 3; at++) {
        CU_ASSERT_EQUAL_FATAL(
            rp_bench_lane_open(&lane, at < 2 ? 1024 : 1025, 4, identity, &doorbell), 0);
        enter(1);
        CU_ASSERT_EQUAL(rp_bench_lane_plan(&lane, 4), 0);
        sums[at] = rp_bench_lane_sum(&lane);
        (void)rp_spool_batch_commit(&lane.batch);
        CU_ASSERT_EQUAL(rp_bench_lane_plan(&lane, 4), 0);
        CU_ASSERT_EQUAL(rp_bench_lane_sum(&lane), sums[at]); /* the same further on */
        (void)rp_spool_batch_commit(&lane.batch);
        CU_ASSERT_EQUAL(rp_bench_lane_plan(&lane, 3), 0);
        CU_ASSERT_NOT_EQUAL(rp_bench_lane_sum(&lane), sums[at]); /* one message less */
        rp_bench_lane_close(&lane);
    }
    CU_ASSERT_EQUAL(sums[0], sums[1]);
    CU_ASSERT_NOT_EQUAL(sums[0], sums[2]);
}

static void test_close_zeroed(void)
{
    memset(&lane, 0, sizeof(lane));
    rp_bench_lane_close(&lane);
    rp_bench_lane_close(&lane);
    CU_ASSERT_PTR_NULL(lane.heads);
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"fill",  test_fill        },
        {"sum",   test_sum         },
        {"close", test_close_zeroed},
    };
    index_memory = rp_bench_case_alloc(RP_SPOOL_INDEX_LEN(SEGMENT_LEN));
    image = rp_bench_case_alloc(SEGMENT_LEN);
    int status = 1;
    if (index_memory != NULL && image != NULL) {
        status = SUITE_RUN("perf/bench_lane", tests, argc, argv);
    }
    free(index_memory);
    free(image);
    return status;
}
