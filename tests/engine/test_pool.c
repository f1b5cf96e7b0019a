/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_pool.c - a pool hands out each of its things to one taker at a time.
 *
 * Goal: numbers, addresses and free counts agree; the last given back is the next
 * taken; a fresh thing is zeros. Method: rows for the edges, then random takes and gives
 * against a plain array of who has what.
 */
#include "engine/pool.h"
#include "tests/tools/suite.h"

#include <stdbool.h>
#include <string.h>

#define COUNT 200u

static void test_edges(void)
{
    struct rp_pool pool;
    CU_ASSERT_EQUAL_FATAL(rp_pool_open(&pool, 24, 2), 0);
    CU_ASSERT_EQUAL(rp_pool_free_count(&pool), 2);
    uint32_t first = rp_pool_take(&pool);
    uint32_t second = rp_pool_take(&pool);
    CU_ASSERT(first != RP_NONE && second != RP_NONE && first != second);
    CU_ASSERT_EQUAL(rp_pool_take(&pool), RP_NONE);
    CU_ASSERT_EQUAL(rp_pool_free_count(&pool), 0);
    rp_pool_give(&pool, first);
    rp_pool_give(&pool, second);
    CU_ASSERT_EQUAL(rp_pool_free_count(&pool), 2);
    CU_ASSERT_EQUAL(rp_pool_take(&pool), second); /* it is still in the cache */
    CU_ASSERT_EQUAL(rp_pool_take(&pool), first);
    CU_ASSERT_EQUAL(rp_pool_take(&pool), RP_NONE);
    rp_pool_close(&pool);
    CU_ASSERT_PTR_NULL(pool.memory);
    rp_pool_close(&pool); /* a zeroed one */
}

/* A count of things that no machine has memory for is refused at once, or costs only addresses. */
static void test_generous(void)
{
    struct rp_pool pool;
    int err = rp_pool_open(&pool, 1u << 20, 1u << 16); /* 64 GiB */
    if (err == 0) {
        uint32_t index = rp_pool_take(&pool);
        uint8_t *thing = rp_pool_at(&pool, index);
        CU_ASSERT(thing[0] == 0 && thing[(1u << 20) - 1] == 0);
        rp_pool_give(&pool, index);
    }
    rp_pool_close(&pool);
    err = rp_pool_open(&pool, SIZE_MAX / 8, 4); /* more addresses than there are */
    CU_ASSERT(err < 0);
    CU_ASSERT_PTR_NULL(pool.memory);
}

static void test_random(void)
{
    static bool is_taken[COUNT];
    static uint32_t taken[COUNT];
    uint32_t taken_count = 0;
    uint64_t random = suite_seed;
    struct rp_pool pool;
    memset(is_taken, 0, sizeof(is_taken));
    CU_ASSERT_EQUAL_FATAL(rp_pool_open(&pool, sizeof(uint64_t), COUNT), 0);
    for (int step = 0; step < 100000; step++) {
        /* In waves, so that both ends are seen. */
        bool takes = suite_random_below(&random, 100) < ((step / 2000) % 2 == 0 ? 60u : 40u);
        if (takes) {
            uint32_t index = rp_pool_take(&pool);
            CU_ASSERT_EQUAL(index == RP_NONE, taken_count == COUNT);
            if (index != RP_NONE) {
                CU_ASSERT_FATAL(index < COUNT && !is_taken[index]);
                is_taken[index] = true;
                taken[taken_count++] = index;
                uint64_t mark = index;
                memcpy(rp_pool_at(&pool, index), &mark, sizeof(mark));
            }
        } else if (taken_count > 0) {
            size_t place = suite_random_below(&random, taken_count);
            uint32_t index = taken[place];
            uint64_t mark;
            memcpy(&mark, rp_pool_at(&pool, index), sizeof(mark));
            CU_ASSERT_EQUAL(mark, index); /* nobody else wrote here */
            taken[place] = taken[--taken_count];
            is_taken[index] = false;
            rp_pool_give(&pool, index);
        }
        CU_ASSERT_EQUAL(rp_pool_free_count(&pool), COUNT - taken_count);
    }
    rp_pool_close(&pool);
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"edges",    test_edges   },
        {"generous", test_generous},
        {"random",   test_random  },
    };
    return SUITE_RUN("engine/pool", tests, argc, argv);
}
