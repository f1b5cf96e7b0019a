/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_load_acks.c - the set of message numbers.
 *
 * Goal: what was added is in, once, and nothing else, with many threads adding at the same time.
 * Method: rows at the borders of words, blocks and groups; random numbers against a sorted list;
 * threads that add the same numbers, each of which must be new for exactly one of them.
 */
#include "perf/load_acks.h"
#include "tests/tools/suite.h"

#include <pthread.h>

#define BLOCK (UINT64_C(1) << 19)
#define GROUP (UINT64_C(1) << 30)

static const uint64_t borders[] = {
    0,
    1,
    63,
    64,
    BLOCK - 1,
    BLOCK,
    GROUP - 1,
    GROUP,
    GROUP + BLOCK,
    GROUP * 7 + 12345,
    RP_LOAD_ACKS_NUMBER_MAX - 1,
    RP_LOAD_ACKS_NUMBER_MAX,
};
#define BORDERS (sizeof(borders) / sizeof(borders[0]))

static struct rp_load_acks *open_acks(void)
{
    struct rp_load_acks *acks = NULL;
    CU_ASSERT_EQUAL_FATAL(rp_load_acks_open(&acks), 0);
    return acks;
}

static void test_empty(void)
{
    struct rp_load_acks *acks = open_acks();
    uint64_t number = 0;
    CU_ASSERT_FALSE(rp_load_acks_next(acks, &number));
    CU_ASSERT_EQUAL(rp_load_acks_count(acks), 0);
    CU_ASSERT_FALSE(rp_load_acks_has(acks, 0));
    CU_ASSERT_FALSE(rp_load_acks_has(acks, UINT64_MAX));
    rp_load_acks_close(acks);
    rp_load_acks_close(NULL);
}

static void test_borders(void)
{
    struct rp_load_acks *acks = open_acks();
    for (size_t index = 0; index < BORDERS; index++) {
        CU_ASSERT_FALSE(rp_load_acks_has(acks, borders[index]));
        CU_ASSERT_EQUAL(rp_load_acks_insert(acks, borders[index]), 1);
        CU_ASSERT_EQUAL(rp_load_acks_insert(acks, borders[index]), 0);
        CU_ASSERT_EQUAL(rp_load_acks_add(acks, borders[index]), 0);
        CU_ASSERT_TRUE(rp_load_acks_has(acks, borders[index]));
        CU_ASSERT_EQUAL(rp_load_acks_count(acks), index + 1);
    }
    CU_ASSERT_FALSE(rp_load_acks_has(acks, 2));
    CU_ASSERT_FALSE(rp_load_acks_has(acks, BLOCK + 1));
    CU_ASSERT_FALSE(rp_load_acks_has(acks, RP_LOAD_ACKS_NUMBER_MAX + 1));
    uint64_t number = 0;
    for (size_t index = 0; index < BORDERS; index++, number++) {
        CU_ASSERT_TRUE_FATAL(rp_load_acks_next(acks, &number));
        CU_ASSERT_EQUAL(number, borders[index]);
    }
    CU_ASSERT_FALSE(rp_load_acks_next(acks, &number));
    rp_load_acks_close(acks);
}

static int compare(const void *one, const void *other)
{
    const uint64_t *left = one;
    const uint64_t *right = other;
    return (*left > *right) - (*left < *right);
}

static void test_random(void)
{
    static uint64_t list[20000];
    const size_t count = sizeof(list) / sizeof(list[0]);
    uint64_t random = suite_seed;
    struct rp_load_acks *acks = open_acks();
    for (size_t index = 0; index < count; index++) {
        /* Crowded and far ones. */
        list[index] = suite_random(&random) % (index % 100 != 0 ? 30000 : GROUP * 8);
        CU_ASSERT_EQUAL(rp_load_acks_add(acks, list[index]), 0);
    }
    qsort(list, count, sizeof(list[0]), compare);
    uint64_t number = 0;
    size_t different = 0;
    for (size_t index = 0; index < count; index++) {
        if (index > 0 && list[index] == list[index - 1]) {
            continue;
        }
        different++;
        CU_ASSERT_TRUE_FATAL(rp_load_acks_next(acks, &number));
        CU_ASSERT_EQUAL_FATAL(number, list[index]);
        number++;
    }
    CU_ASSERT_FALSE(rp_load_acks_next(acks, &number));
    CU_ASSERT_EQUAL(rp_load_acks_count(acks), different);
    rp_load_acks_close(acks);
}

#define THREADS 4u
#define NUMBERS 200000u

static struct rp_load_acks *shared;
static pthread_barrier_t barrier;

/* Numbers that are spread over blocks and groups; *argument counts those that were new. NULL: no
 * memory. */
static void *add_all(void *argument)
{
    size_t *added = argument;
    (void)pthread_barrier_wait(&barrier); /* one of them is told that it is the last */
    for (uint64_t index = 0; index < NUMBERS; index++) {
        int result = rp_load_acks_insert(shared, index % 64 * (GROUP / 2 + BLOCK) + index / 64);
        if (result < 0) {
            return NULL;
        }
        *added += result == 1;
    }
    return argument;
}

static void test_threads(void)
{
    pthread_t threads[THREADS];
    size_t counts[THREADS] = {0};
    shared = open_acks();
    CU_ASSERT_EQUAL_FATAL(pthread_barrier_init(&barrier, NULL, THREADS), 0);
    for (size_t index = 0; index < THREADS; index++) {
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[index], NULL, add_all, &counts[index]), 0);
    }
    size_t added = 0;
    for (size_t index = 0; index < THREADS; index++) {
        void *result = NULL;
        CU_ASSERT_EQUAL_FATAL(pthread_join(threads[index], &result), 0);
        CU_ASSERT_PTR_NOT_NULL_FATAL(result);
        added += counts[index];
    }
    CU_ASSERT_EQUAL(added, NUMBERS);
    CU_ASSERT_EQUAL(rp_load_acks_count(shared), NUMBERS);
    CU_ASSERT_EQUAL(pthread_barrier_destroy(&barrier), 0);
    rp_load_acks_close(shared);
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"empty",   test_empty  },
        {"borders", test_borders},
        {"random",  test_random },
        {"threads", test_threads},
    };
    return SUITE_RUN("perf/load_acks", tests, argc, argv);
}
