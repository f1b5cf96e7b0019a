/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_timer.c - deadlines fire once, never early, late by less than a tick.
 *
 * Goal: the wheel does what a plain list of deadlines does, at every distance and over
 * every jump of the clock. Method: rows for the edges (a multiple of a tick, beyond the wheel,
 * long idle times), then random sets, moves, cancels and advances against the list.
 */
#include "engine/timer.h"
#include "tests/tools/suite.h"

#define TICK   RP_TIMER_TICK_NS
#define OWNERS 50u

/* The list: by owner, RP_TIMER_NEVER where there is none. */
static uint64_t deadlines[OWNERS];

static struct rp_timer_wheel wheel;
static uint64_t now_ns;

static void begin(uint64_t start_ns)
{
    now_ns = start_ns;
    for (uint32_t i = 0; i < OWNERS; i++) {
        deadlines[i] = RP_TIMER_NEVER;
    }
    CU_ASSERT_EQUAL_FATAL(rp_timer_open(&wheel, OWNERS, now_ns), 0);
}

static void set(uint32_t owner, uint64_t deadline_ns)
{
    deadlines[owner] = deadline_ns;
    rp_timer_set(&wheel, owner, deadline_ns);
}

static uint64_t first_deadline(void)
{
    uint64_t first = RP_TIMER_NEVER;
    for (uint32_t i = 0; i < OWNERS; i++) {
        first = deadlines[i] < first ? deadlines[i] : first;
    }
    return first;
}

/*
 * Let the time be that: all that fires must be due, all that is due for a whole tick must have
 * fired. Returns how many did.
 */
static uint32_t advance_to(uint64_t ns)
{
    now_ns = ns;
    uint32_t count = 0;
    uint32_t owner;
    while ((owner = rp_timer_expire(&wheel, now_ns)) != RP_NONE) {
        CU_ASSERT_FATAL(owner < OWNERS);
        CU_ASSERT(deadlines[owner] <= now_ns); /* also that it had one */
        deadlines[owner] = RP_TIMER_NEVER;
        count++;
    }
    uint64_t first = first_deadline();
    CU_ASSERT(first == RP_TIMER_NEVER || first + TICK > now_ns);
    uint64_t next = rp_timer_next_ns(&wheel);
    if (first == RP_TIMER_NEVER) {
        CU_ASSERT_EQUAL(next, RP_TIMER_NEVER);
    } else {
        CU_ASSERT(next > now_ns && next < (first > now_ns ? first : now_ns) + TICK + TICK);
    }
    return count;
}

/* As the worker does: only when rp_timer_next_ns says so. Returns when the owner fired. */
static uint64_t run_to_first(void)
{
    for (int i = 0; i < 100000; i++) {
        uint64_t next = rp_timer_next_ns(&wheel);
        CU_ASSERT_FATAL(next != RP_TIMER_NEVER);
        if (advance_to(next) > 0) {
            return now_ns;
        }
    }
    CU_FAIL_FATAL("it never fires");
    return 0;
}

static void test_distances(void)
{
    static const uint64_t starts[] = {0, 1, TICK, 5 * TICK - 1, 1234567890123456789ull};
    static const uint64_t distances[] = {
        0,
        1,
        TICK - 1,
        TICK,
        TICK + 1,
        2 * TICK,
        (RP_TIMER_SLOTS - 1) * TICK,
        (RP_TIMER_SLOTS - 1) * TICK + 1,
        RP_TIMER_SLOTS * TICK,
        RP_TIMER_SLOTS * TICK + 1,
        (RP_TIMER_SLOTS + 1) * TICK,
        10 * RP_TIMER_SLOTS * TICK + 7,
        86400ull * 1000000000ull,
    };
    for (size_t s = 0; s < sizeof(starts) / sizeof(starts[0]); s++) {
        for (size_t d = 0; d < sizeof(distances) / sizeof(distances[0]); d++) {
            begin(starts[s]);
            uint64_t deadline = now_ns + distances[d];
            set(3, deadline);
            uint64_t fired = run_to_first();
            CU_ASSERT(fired >= deadline);
            CU_ASSERT(fired < deadline + TICK);
            CU_ASSERT_EQUAL(rp_timer_next_ns(&wheel), RP_TIMER_NEVER);
            rp_timer_close(&wheel);
        }
    }
}

/* Nobody has a deadline, and the clock goes on by more than the wheel is long. */
static void test_idle(void)
{
    static const uint64_t jumps[] = {
        1, RP_TIMER_SLOTS - 1, RP_TIMER_SLOTS, RP_TIMER_SLOTS + 1, 5 * RP_TIMER_SLOTS, 1000000};
    for (size_t i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
        begin(77 * TICK + 5);
        CU_ASSERT_EQUAL(rp_timer_next_ns(&wheel), RP_TIMER_NEVER);
        CU_ASSERT_EQUAL(advance_to(now_ns + jumps[i] * TICK), 0);
        set(1, now_ns + 3 * TICK + 1);
        CU_ASSERT_EQUAL(advance_to(now_ns + 3 * TICK), 0);
        CU_ASSERT_EQUAL(advance_to(now_ns + TICK), 1);
        rp_timer_close(&wheel);
    }
}

/* The first deadline after a long idle time, when nobody has looked at the wheel meanwhile. */
static void test_set_after_idle(void)
{
    for (uint64_t jump = 1; jump < 5 * RP_TIMER_SLOTS; jump += 511) {
        begin(3);
        now_ns += jump * TICK;
        set(0, now_ns + 100 * TICK);
        uint64_t deadline = deadlines[0];
        CU_ASSERT_EQUAL(advance_to(now_ns), 0);
        uint64_t fired = run_to_first();
        CU_ASSERT(fired >= deadline && fired < deadline + TICK);
        rp_timer_close(&wheel);
    }
}

static void test_moves(void)
{
    begin(0);
    set(0, 10 * TICK);
    set(0, 20 * TICK); /* later: only noted */
    CU_ASSERT_EQUAL(advance_to(11 * TICK), 0);
    set(0, 13 * TICK); /* earlier again */
    CU_ASSERT_EQUAL(advance_to(13 * TICK - 1), 0);
    CU_ASSERT_EQUAL(advance_to(14 * TICK), 1);
    set(0, 50 * TICK);
    set(0, RP_TIMER_NEVER);
    set(0, RP_TIMER_NEVER);
    CU_ASSERT_EQUAL(rp_timer_next_ns(&wheel), RP_TIMER_NEVER);
    CU_ASSERT_EQUAL(advance_to(60 * TICK), 0);
    set(0, 1); /* long past: at the next look */
    CU_ASSERT_EQUAL(advance_to(61 * TICK), 1);
    rp_timer_close(&wheel);
    rp_timer_close(&wheel); /* a zeroed one */
}

/* All of one slot, taken out from its front, its middle and its end. */
static void test_one_slot(void)
{
    for (uint32_t out = 0; out < 4; out++) {
        begin(0);
        for (uint32_t i = 0; i < 4; i++) {
            set(i, 7 * TICK - 1 - i);
        }
        set(out, RP_TIMER_NEVER);
        CU_ASSERT_EQUAL(advance_to(8 * TICK), 3);
        rp_timer_close(&wheel);
    }
}

static uint64_t random_distance(uint64_t *random)
{
    static const uint64_t scales[] = {TICK, 20 * TICK, RP_TIMER_SLOTS * TICK,
                                      5 * RP_TIMER_SLOTS * TICK};
    uint64_t scale = scales[suite_random_below(random, 4)];
    uint64_t distance = suite_random(random) % scale;
    return suite_random_below(random, 4) == 0 ? distance / TICK * TICK : distance;
}

static void test_random(void)
{
    uint64_t random = suite_seed;
    begin(suite_random(&random) >> 8);
    for (int step = 0; step < 60000; step++) {
        uint32_t owner = (uint32_t)suite_random_below(&random, OWNERS);
        switch (suite_random_below(&random, 8)) {
        case 0: set(owner, RP_TIMER_NEVER); break;
        case 1: (void)advance_to(now_ns + random_distance(&random) / 8); break;
        case 2: (void)advance_to(now_ns + suite_random_below(&random, TICK)); break;
        case 3:
            if (deadlines[owner] != RP_TIMER_NEVER) {
                set(owner, deadlines[owner] + random_distance(&random));
            }
            break;
        case 4:
            if (rp_timer_next_ns(&wheel) != RP_TIMER_NEVER) {
                (void)advance_to(rp_timer_next_ns(&wheel));
            }
            break;
        default: set(owner, now_ns + random_distance(&random)); break;
        }
    }
    rp_timer_close(&wheel);
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"distances",      test_distances     },
        {"idle",           test_idle          },
        {"set after idle", test_set_after_idle},
        {"moves",          test_moves         },
        {"one slot",       test_one_slot      },
        {"random",         test_random        },
    };
    return SUITE_RUN("engine/timer", tests, argc, argv);
}
