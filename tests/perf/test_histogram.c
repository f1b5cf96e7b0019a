/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_histogram.c - the log-linear histogram.
 *
 * Goal: buckets without gap or overlap, at most 0.1 % wide; quantiles within that of the exact
 * ones; merging and reading while another thread adds lose nothing.
 * Method: every value of the exact range and both sides of every bucket's border; random values
 * of all magnitudes against the sorted list; a thread that adds beside one that merges.
 */
#include "perf/histogram.h"
#include "tests/tools/suite.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>

#define VALUE_MAX ((UINT64_C(1) << RP_HISTOGRAM_VALUE_BITS_MAX) - 1)

static struct rp_histogram histogram, other, whole;

static void reset(struct rp_histogram *which)
{
    memset(which, 0, sizeof(*which));
}

/* The first bucket that holds something: the only one, as one value was added. */
static void only_bucket(const struct rp_histogram *which, uint64_t *low_out, uint64_t *high_out)
{
    size_t position = 0;
    uint64_t count = 0;
    CU_ASSERT_FATAL(rp_histogram_next(which, &position, low_out, high_out, &count));
    CU_ASSERT_EQUAL(count, 1);
    CU_ASSERT_EQUAL(which->count, 1);
}

static void check_value(uint64_t value)
{
    uint64_t low = 0;
    uint64_t high = 0;
    rp_histogram_clear(&histogram);
    rp_histogram_add(&histogram, value, 1);
    only_bucket(&histogram, &low, &high);
    CU_ASSERT_FATAL(low <= value && value <= high);
    CU_ASSERT_FATAL((high - low) * 1000 <= value);
    CU_ASSERT_FATAL(value > 2047 || low == high);
    CU_ASSERT_EQUAL(rp_histogram_quantile(&histogram, 0.5), value); /* never more than max */
}

static void test_exact_range(void)
{
    reset(&histogram);
    for (uint64_t value = 0; value < 8192; value++) {
        check_value(value);
    }
}

/* All buckets in order: each begins where the one before ended. */
static void test_borders(void)
{
    reset(&histogram);
    size_t buckets = 0;
    for (uint64_t value = 0; value <= VALUE_MAX; buckets++) {
        uint64_t low = 0;
        uint64_t high = 0;
        check_value(value);
        only_bucket(&histogram, &low, &high);
        CU_ASSERT_EQUAL_FATAL(low, value);
        check_value(high);
        value = high + 1;
    }
    CU_ASSERT_EQUAL(buckets, RP_HISTOGRAM_BUCKETS);
}

static void test_bounds(void)
{
    reset(&histogram);
    CU_ASSERT_EQUAL(rp_histogram_quantile(&histogram, 0.99), 0);
    CU_ASSERT_DOUBLE_EQUAL(rp_histogram_mean(&histogram), 0, 0);
    rp_histogram_add(&histogram, 17, 0); /* nothing */
    CU_ASSERT_EQUAL(histogram.count, 0);
    rp_histogram_add(&histogram, UINT64_MAX, 1); /* counts as the largest value there is */
    CU_ASSERT_EQUAL(histogram.max, VALUE_MAX);
    CU_ASSERT_EQUAL(histogram.min, VALUE_MAX);
    CU_ASSERT_EQUAL(rp_histogram_quantile(&histogram, 0), VALUE_MAX);
    rp_histogram_add(&histogram, 0, 3);
    CU_ASSERT_EQUAL(histogram.count, 4);
    CU_ASSERT_EQUAL(histogram.min, 0);
    CU_ASSERT_EQUAL(rp_histogram_quantile(&histogram, 0), 0);
    CU_ASSERT_EQUAL(rp_histogram_quantile(&histogram, 0.75), 0);
    CU_ASSERT_EQUAL(rp_histogram_quantile(&histogram, 0.76), VALUE_MAX);
    CU_ASSERT_EQUAL(rp_histogram_quantile(&histogram, 1), VALUE_MAX);
    CU_ASSERT_DOUBLE_EQUAL(rp_histogram_mean(&histogram), (double)VALUE_MAX / 4, 1);
    rp_histogram_clear(&histogram);
    reset(&other);
    CU_ASSERT_EQUAL(memcmp(&histogram, &other, sizeof(other)), 0);
}

/* The share of a whole number of values is that number, whatever the doubles make of it. */
static void test_ranks(void)
{
    reset(&histogram);
    for (uint64_t value = 1; value <= 1000; value++) {
        rp_histogram_add(&histogram, value, 1);
    }
    for (unsigned rank = 1; rank <= 1000; rank++) {
        CU_ASSERT_EQUAL(rp_histogram_quantile(&histogram, rank / 1000.0), rank);
        CU_ASSERT_EQUAL(rp_histogram_quantile(&histogram, (rank - 0.5) / 1000.0), rank);
    }
}

static int compare(const void *left, const void *right)
{
    uint64_t first = *(const uint64_t *)left;
    uint64_t second = *(const uint64_t *)right;
    return first < second ? -1 : first > second;
}

#define VALUES 20000u
static uint64_t values[VALUES];

static void check_against_sorted(size_t count)
{
    static const double quantiles[] = {0, 0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999, 1};
    qsort(values, count, sizeof(values[0]), compare);
    CU_ASSERT_EQUAL(histogram.count, count);
    CU_ASSERT_EQUAL(histogram.min, values[0]);
    CU_ASSERT_EQUAL(histogram.max, values[count - 1]);
    for (size_t index = 0; index < sizeof(quantiles) / sizeof(quantiles[0]); index++) {
        size_t rank = (size_t)(quantiles[index] * (double)count);
        rank += (double)rank < quantiles[index] * (double)count ? 1 : 0;
        uint64_t exact = values[rank == 0 ? 0 : rank - 1];
        uint64_t got = rp_histogram_quantile(&histogram, quantiles[index]);
        CU_ASSERT_TRUE(got >= exact);
        CU_ASSERT_TRUE((got - exact) * 1000 <= exact);
    }
}

static void test_random(void)
{
    uint64_t state = suite_seed;
    for (unsigned round = 0; round < 50; round++) {
        size_t count = 1 + suite_random_below(&state, VALUES);
        reset(&histogram);
        for (size_t index = 0; index < count; index++) {
            /* All magnitudes alike. */
            values[index] = suite_random(&state) >> (22 + suite_random_below(&state, 42));
            rp_histogram_add(&histogram, values[index], 1);
        }
        check_against_sorted(count);
    }
}

/* Parts that are merged are the whole; what came since a copy is the part that came. */
static void test_merge(void)
{
    uint64_t state = suite_seed;
    reset(&histogram);
    reset(&other);
    reset(&whole);
    rp_histogram_merge(&histogram, &other); /* nothing to nothing */
    CU_ASSERT_EQUAL(histogram.count, 0);
    for (unsigned index = 0; index < VALUES; index++) {
        uint64_t value = suite_random(&state) >> 30;
        rp_histogram_add(index % 3 == 0 ? &histogram : &other, value, 1);
        rp_histogram_add(&whole, value, 1);
    }
    static struct rp_histogram before;
    before = histogram;
    rp_histogram_merge(&histogram, &other);
    CU_ASSERT_EQUAL(memcmp(&histogram, &whole, sizeof(whole)), 0);
    for (unsigned percent = 0; percent < 100; percent++) {
        CU_ASSERT_EQUAL(rp_histogram_quantile_since(&histogram, &before, percent / 100.0),
                        rp_histogram_quantile(&other, percent / 100.0));
    }
    CU_ASSERT_EQUAL(rp_histogram_quantile_since(&histogram, &histogram, 0.5), 0);
    /* Into an empty one: the same, with its bounds. */
    reset(&other);
    rp_histogram_merge(&other, &whole);
    CU_ASSERT_EQUAL(memcmp(&other, &whole, sizeof(whole)), 0);
}

#define ADDED 300000u
static bool is_done;

static void *add_many(void *argument)
{
    uint64_t *state = argument;
    for (unsigned index = 0; index < ADDED; index++) {
        rp_histogram_add(&histogram, suite_random(state) >> 40, 1);
    }
    __atomic_store_n(&is_done, true, __ATOMIC_RELEASE);
    return NULL;
}

static uint64_t count_buckets(const struct rp_histogram *which)
{
    size_t position = 0;
    uint64_t sum = 0;
    uint64_t low = 0;
    uint64_t high = 0;
    uint64_t count = 0;
    while (rp_histogram_next(which, &position, &low, &high, &count)) {
        sum += count;
    }
    return sum;
}

/* A reader beside the writer sees counts that only grow and that are those of the buckets. */
static void test_concurrent(void)
{
    uint64_t state = suite_seed;
    pthread_t thread;
    reset(&histogram);
    is_done = false;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, add_many, &state), 0);
    uint64_t last = 0;
    while (!__atomic_load_n(&is_done, __ATOMIC_ACQUIRE)) {
        reset(&other);
        rp_histogram_merge(&other, &histogram);
        CU_ASSERT_TRUE(other.count >= last);
        CU_ASSERT_EQUAL(other.count, count_buckets(&other));
        CU_ASSERT_TRUE(rp_histogram_quantile(&histogram, 0.9) < UINT64_C(1) << 24);
        last = other.count;
    }
    CU_ASSERT_EQUAL(pthread_join(thread, NULL), 0);
    CU_ASSERT_EQUAL(histogram.count, ADDED);
    CU_ASSERT_EQUAL(count_buckets(&histogram), ADDED);
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"exact range",                test_exact_range},
        {"border of every bucket",     test_borders    },
        {"bounds",                     test_bounds     },
        {"ranks",                      test_ranks      },
        {"random against sorted list", test_random     },
        {"merge and since",            test_merge      },
        {"read while it is written",   test_concurrent },
    };
    return SUITE_RUN("perf/histogram", tests, argc, argv);
}
