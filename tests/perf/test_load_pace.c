/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_load_pace.c - messages become due when they shall, each number once.
 *
 * Goal: an open loop's times do not depend on when anybody looks; what waits is neither lost nor
 * doubled; totals are exact over all workers. Method: times against their formula; the same
 * arrivals taken early, late and in one go; a Poisson process by its mean, variance and share of
 * short gaps; totals with several workers in a random order.
 */
#include "perf/load_pace.h"
#include "tests/tools/suite.h"

#include <math.h>
#include <string.h>

#define SECOND UINT64_C(1000000000)
#define START  (100 * SECOND)

static const struct rp_load_pace_options plain_options = {
    .seed = 1,
    .start_ns = START,
    .begin_ns = START,
    .stop_ns = UINT64_MAX,
    .limit = UINT64_MAX,
};

static struct rp_load_numbers numbers;
static struct rp_load_pace pace;

static void open_pace(struct rp_load_pace_options options, uint64_t total)
{
    rp_load_numbers_init(&numbers, total, 1);
    rp_load_pace_init(&pace, &options, &numbers);
}

static void test_closed(void)
{
    uint64_t number = 99;
    uint64_t intended_ns = 99;
    open_pace(plain_options, 3);
    CU_ASSERT_EQUAL(rp_load_pace_next_ns(&pace), UINT64_MAX);
    for (uint64_t wanted = 0; wanted < 3; wanted++) {
        CU_ASSERT_EQUAL(rp_load_pace_take(&pace, START, &number, &intended_ns), RP_LOAD_PACE_DUE);
        CU_ASSERT_EQUAL(number, wanted);
        CU_ASSERT_EQUAL(intended_ns, 0);
    }
    CU_ASSERT_EQUAL(rp_load_pace_take(&pace, START, &number, &intended_ns), RP_LOAD_PACE_NONE);
    CU_ASSERT_EQUAL(rp_load_pace_drop(&pace), 0);

    struct rp_load_pace_options options = plain_options;
    options.stop_ns = START + SECOND;
    open_pace(options, UINT64_MAX);
    CU_ASSERT_EQUAL(rp_load_pace_take(&pace, options.stop_ns - 1, &number, &intended_ns),
                    RP_LOAD_PACE_DUE);
    CU_ASSERT_EQUAL(rp_load_pace_take(&pace, options.stop_ns, &number, &intended_ns),
                    RP_LOAD_PACE_NONE);
    CU_ASSERT_EQUAL(rp_load_pace_drop(&pace), 0);
}

static void test_constant(void)
{
    uint64_t number = 0;
    uint64_t intended_ns = 0;
    struct rp_load_pace_options options = plain_options;
    options.arrivals = RP_LOAD_ARRIVALS_CONSTANT;
    options.rate = 3;
    options.phase = 0.5;
    open_pace(options, UINT64_MAX);
    for (uint64_t index = 0; index < 3000; index++) {
        uint64_t wanted = START + (uint64_t)(((double)index + 0.5) * 1e9 / 3);
        CU_ASSERT_EQUAL(rp_load_pace_next_ns(&pace), wanted);
        CU_ASSERT_EQUAL(rp_load_pace_take(&pace, wanted - 1, &number, &intended_ns),
                        RP_LOAD_PACE_LATER);
        /* Taken late, as after a stall: the intended time is the same. */
        CU_ASSERT_EQUAL(
            rp_load_pace_take(&pace, wanted + index % 7 * SECOND, &number, &intended_ns),
            RP_LOAD_PACE_DUE);
        CU_ASSERT_EQUAL(intended_ns, wanted);
        CU_ASSERT_EQUAL(number, index);
    }
}

static void test_poisson(void)
{
    enum {
        COUNT = 100000
    };
    static uint64_t times[COUNT];
    uint64_t number = 0;
    struct rp_load_pace_options options = plain_options;
    options.arrivals = RP_LOAD_ARRIVALS_POISSON;
    options.rate = 1000;
    options.seed = suite_seed | 1;
    open_pace(options, UINT64_MAX);
    double sum = 0;
    double square_sum = 0;
    unsigned short_count = 0;
    for (unsigned index = 0; index < COUNT; index++) {
        CU_ASSERT_EQUAL_FATAL(rp_load_pace_take(&pace, UINT64_MAX / 2, &number, &times[index]),
                              RP_LOAD_PACE_DUE);
        double gap = (double)(times[index] - (index > 0 ? times[index - 1] : START)) / 1e6;
        sum += gap;
        square_sum += gap * gap;
        short_count += gap < 0.1 ? 1 : 0;
    }
    /* Exponential gaps of 1 ms: mean 1, variance 1, 9.5 % below a tenth. Six sigma and more. */
    double mean = sum / COUNT;
    CU_ASSERT_TRUE(fabs(mean - 1) < 0.02);
    CU_ASSERT_TRUE(fabs(square_sum / COUNT - mean * mean - 1) < 0.06);
    CU_ASSERT_TRUE(fabs((double)short_count / COUNT - 0.0952) < 0.006);

    /* The times do not depend on when they are asked for. */
    open_pace(options, UINT64_MAX);
    for (unsigned index = 0; index < COUNT; index++) {
        uint64_t intended_ns = 0;
        CU_ASSERT_EQUAL_FATAL(rp_load_pace_next_ns(&pace), times[index]);
        CU_ASSERT_EQUAL_FATAL(rp_load_pace_take(&pace, times[index], &number, &intended_ns),
                              RP_LOAD_PACE_DUE);
    }
}

/* Those that nobody took before the end are counted, and only those. */
static void test_drop(void)
{
    for (uint64_t taken = 0; taken <= 10; taken++) {
        uint64_t number = 0;
        uint64_t intended_ns = 0;
        struct rp_load_pace_options options = plain_options;
        options.arrivals = RP_LOAD_ARRIVALS_CONSTANT;
        options.rate = 10;
        options.stop_ns = START + SECOND;
        open_pace(options, UINT64_MAX);
        for (uint64_t index = 0; index < taken; index++) {
            CU_ASSERT_EQUAL(rp_load_pace_take(&pace, options.stop_ns - 1, &number, &intended_ns),
                            RP_LOAD_PACE_DUE);
        }
        CU_ASSERT_EQUAL(rp_load_pace_take(&pace, options.stop_ns, &number, &intended_ns),
                        RP_LOAD_PACE_NONE);
        CU_ASSERT_EQUAL(rp_load_pace_next_ns(&pace) == UINT64_MAX, taken == 10);
        CU_ASSERT_EQUAL(rp_load_pace_drop(&pace), 10 - taken);
        CU_ASSERT_EQUAL(rp_load_pace_drop(&pace), 0);
    }
    /* Stopped in the middle: what would have come later is not missing. */
    struct rp_load_pace_options options = plain_options;
    options.arrivals = RP_LOAD_ARRIVALS_CONSTANT;
    options.rate = 10;
    open_pace(options, UINT64_MAX);
    rp_load_pace_stop(&pace, START + SECOND / 2);
    CU_ASSERT_EQUAL(rp_load_pace_drop(&pace), 5);
}

static void test_limit(void)
{
    uint64_t number = 0;
    uint64_t intended_ns = 0;
    struct rp_load_pace_options options = plain_options;
    options.arrivals = RP_LOAD_ARRIVALS_CONSTANT;
    options.rate = 10;
    options.begin_ns = START + SECOND; /* ten arrivals warm up */
    options.limit = 3;
    open_pace(options, UINT64_MAX);
    for (unsigned index = 0; index < 13; index++) {
        CU_ASSERT_FALSE(pace.is_stopped);
        CU_ASSERT_EQUAL(rp_load_pace_take(&pace, START + 9 * SECOND, &number, &intended_ns),
                        RP_LOAD_PACE_DUE);
    }
    CU_ASSERT_TRUE(pace.is_stopped); /* known with the last one, not an interval later */
    CU_ASSERT_EQUAL(rp_load_pace_take(&pace, START + 9 * SECOND, &number, &intended_ns),
                    RP_LOAD_PACE_NONE);
    CU_ASSERT_EQUAL(rp_load_pace_drop(&pace), 0);
    options.limit = 0;
    open_pace(options, UINT64_MAX);
    CU_ASSERT_EQUAL(rp_load_pace_take(&pace, START + 9 * SECOND, &number, &intended_ns),
                    RP_LOAD_PACE_NONE);
}

/* Several workers, a warm-up: the timed part has exactly the total, and no number comes twice. */
static void test_shared(void)
{
    enum {
        WORKERS = 5,
        TOTAL = 4321,
        WARM = 777,
        ROOM = 20000
    };
    static struct rp_load_pace paces[WORKERS];
    static uint8_t seen[ROOM];
    uint64_t random = suite_seed;
    uint64_t number = 0;
    uint64_t intended_ns = 0;
    struct rp_load_pace_options options = plain_options;
    options.begin_ns = START + SECOND;
    rp_load_numbers_init(&numbers, TOTAL, WORKERS);
    memset(seen, 0, sizeof(seen));
    for (unsigned worker = 0; worker < WORKERS; worker++) {
        rp_load_pace_init(&paces[worker], &options, &numbers);
    }
    unsigned count = 0;
    unsigned none_count = 0;
    while (none_count < 1000) {
        struct rp_load_pace *chosen = &paces[suite_random_below(&random, WORKERS)];
        uint64_t now_ns = count < WARM ? START : options.begin_ns;
        if (rp_load_pace_take(chosen, now_ns, &number, &intended_ns) == RP_LOAD_PACE_DUE) {
            CU_ASSERT_FATAL(number < ROOM);
            CU_ASSERT_EQUAL(seen[number], 0);
            seen[number] = 1;
            count++;
        } else {
            none_count++;
        }
    }
    CU_ASSERT_EQUAL(count, WARM + TOTAL);
}

/* One of two takes all: the other knows, though it never asked. Not while it holds some. */
static void test_dry(void)
{
    static struct rp_load_pace paces[2];
    uint64_t number = 0;
    uint64_t intended_ns = 0;
    struct rp_load_pace_options options = plain_options;
    rp_load_numbers_init(&numbers, 400, 2);
    rp_load_pace_init(&paces[0], &options, &numbers);
    rp_load_pace_init(&paces[1], &options, &numbers);
    for (unsigned index = 0; index < 400; index++) {
        CU_ASSERT_FALSE(rp_load_pace_is_dry(&paces[0]));
        CU_ASSERT_EQUAL(rp_load_pace_take(&paces[0], START, &number, &intended_ns),
                        RP_LOAD_PACE_DUE);
    }
    CU_ASSERT_TRUE(rp_load_pace_is_dry(&paces[0]));
    CU_ASSERT_TRUE(rp_load_pace_is_dry(&paces[1]));
    rp_load_numbers_init(&numbers, UINT64_MAX, 2);
    CU_ASSERT_FALSE(rp_load_pace_is_dry(&paces[1]));
}

static void test_blocks(void)
{
    rp_load_numbers_init(&numbers, 1, 8);
    CU_ASSERT_EQUAL(numbers.block, 1);
    rp_load_numbers_init(&numbers, 2000, 2);
    CU_ASSERT_EQUAL(numbers.block, 10);
    rp_load_numbers_init(&numbers, UINT64_MAX, 8);
    CU_ASSERT_EQUAL(numbers.block, RP_LOAD_PACE_BLOCK_MAX);
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"closed loop",           test_closed  },
        {"constant arrivals",     test_constant},
        {"Poisson arrivals",      test_poisson },
        {"never sent",            test_drop    },
        {"limit of an open loop", test_limit   },
        {"several workers",       test_shared  },
        {"blocks",                test_blocks  },
        {"dry",                   test_dry     },
    };
    return SUITE_RUN("perf/load_pace", tests, argc, argv);
}
