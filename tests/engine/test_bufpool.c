/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_bufpool.c - a buffer goes back to the pool when its last holder lets go, and not before.
 *
 * Goal: holders are counted exactly; shortness begins below a part of all. Method: edges,
 * then random holds and releases against plain counts.
 */
#include "engine/bufpool.h"
#include "engine/limits.h"
#include "tests/tools/suite.h"

#include <string.h>

#define COUNT 64u

static void test_sizes(void)
{
    struct rp_bufpool bufpool;
    CU_ASSERT_EQUAL_FATAL(rp_bufpool_open(&bufpool, 3ull * RP_BUFFER_SIZE - 1), 0);
    CU_ASSERT_EQUAL(bufpool.pool.count, 2); /* limits.memory is never passed */
    uint32_t first = rp_bufpool_take(&bufpool);
    uint32_t second = rp_bufpool_take(&bufpool);
    CU_ASSERT(first != RP_NONE && second != RP_NONE);
    CU_ASSERT_EQUAL(rp_bufpool_take(&bufpool), RP_NONE);
    memset(rp_bufpool_ptr(&bufpool, first), 1, RP_BUFFER_SIZE);
    memset(rp_bufpool_ptr(&bufpool, second), 2, RP_BUFFER_SIZE);
    CU_ASSERT_EQUAL(rp_bufpool_ptr(&bufpool, first)[RP_BUFFER_SIZE - 1], 1);
    CU_ASSERT_EQUAL(rp_bufpool_ptr(&bufpool, second)[0], 2);
    rp_bufpool_close(&bufpool);
    rp_bufpool_close(&bufpool); /* a zeroed one */
}

/* Whoever takes a buffer finds no trace of its life before. */
static void test_fresh_again(void)
{
    struct rp_bufpool bufpool;
    CU_ASSERT_EQUAL_FATAL(rp_bufpool_open(&bufpool, RP_BUFFER_SIZE), 0);
    uint32_t index = rp_bufpool_take(&bufpool);
    rp_bufpool_hold(&bufpool, index);
    *rp_bufpool_buf(&bufpool, index) = (struct rp_buf){.holders = 2, .next = 7, .len = 99};
    rp_bufpool_release(&bufpool, index);
    CU_ASSERT_EQUAL(rp_pool_free_count(&bufpool.pool), 0);
    rp_bufpool_release(&bufpool, index);
    CU_ASSERT_EQUAL(rp_pool_free_count(&bufpool.pool), 1);
    CU_ASSERT_EQUAL(rp_bufpool_take(&bufpool), index);
    const struct rp_buf *buf = rp_bufpool_buf(&bufpool, index);
    CU_ASSERT(buf->holders == 1 && buf->next == RP_NONE && buf->len == 0);
    rp_bufpool_close(&bufpool);
}

static void test_short(void)
{
    struct rp_bufpool bufpool;
    CU_ASSERT_EQUAL_FATAL(rp_bufpool_open(&bufpool, COUNT * (uint64_t)RP_BUFFER_SIZE), 0);
    for (uint32_t taken = 0; taken <= COUNT; taken++) {
        CU_ASSERT_EQUAL(rp_bufpool_is_short(&bufpool),
                        COUNT - taken < COUNT / RP_BUFFERS_SHORT_PART);
        CU_ASSERT_EQUAL(rp_bufpool_take(&bufpool) == RP_NONE, taken == COUNT);
    }
    rp_bufpool_close(&bufpool);
}

static void test_random(void)
{
    static uint32_t holders[COUNT];
    uint64_t random = suite_seed;
    uint32_t used = 0;
    struct rp_bufpool bufpool;
    memset(holders, 0, sizeof(holders));
    CU_ASSERT_EQUAL_FATAL(rp_bufpool_open(&bufpool, COUNT * (uint64_t)RP_BUFFER_SIZE), 0);
    for (int step = 0; step < 100000; step++) {
        uint32_t index = (uint32_t)suite_random_below(&random, COUNT);
        switch (suite_random_below(&random, 3)) {
        case 0:
            index = rp_bufpool_take(&bufpool);
            CU_ASSERT_EQUAL(index == RP_NONE, used == COUNT);
            if (index != RP_NONE) {
                CU_ASSERT_EQUAL_FATAL(holders[index], 0);
                holders[index] = 1;
                used++;
            }
            break;
        case 1:
            if (holders[index] > 0) {
                rp_bufpool_hold(&bufpool, index);
                holders[index]++;
            }
            break;
        case 2:
            if (holders[index] > 0) {
                rp_bufpool_release(&bufpool, index);
                used -= --holders[index] == 0;
            }
            break;
        }
        CU_ASSERT_EQUAL(rp_pool_free_count(&bufpool.pool), COUNT - used);
    }
    rp_bufpool_close(&bufpool);
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"sizes",       test_sizes      },
        {"fresh again", test_fresh_again},
        {"short",       test_short      },
        {"random",      test_random     },
    };
    return SUITE_RUN("engine/bufpool", tests, argc, argv);
}
