/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_dot_scan.c - each block scanner walks as far as an octet at a time would, and
 * finds the same on the way.
 *
 * Method: the walk as its header describes it, one octet a step, is compared with every
 * scanner this CPU has, field by field: odd octets at each place around the edges of
 * blocks and runs, from each state a walk may begin in; then random text. Inputs end at
 * a guard page. A number as argument is the seed of the random part.
 */
#include "guard.h"
#include "proto/dot_scan.h"

#include <CUnit/Basic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX 3072u

static struct guard guard;
static uint64_t seed = 20260823;
static uint64_t random_state;

/* xorshift64*: good enough to choose inputs, and the same on every machine. */
static uint64_t random_next(void)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * UINT64_C(0x2545f4914f6cdd1d);
}

static size_t random_below(size_t limit)
{
    return (size_t)((random_next() >> 20) % limit);
}

static size_t walk_slowly(struct rp_dot_walk *walk, struct rp_span in)
{
    size_t at = 0;
    for (; at < in.len; at++) {
        uint8_t octet = in.ptr[at];
        bool is_bare = (octet == '\n') != walk->is_after_cr;
        if ((octet == '.' && walk->is_line_start) || (is_bare && walk->stops_at_bare)) {
            break;
        }
        walk->has_bare = walk->has_bare || is_bare;
        walk->line_len++;
        if (walk->line_max > 0 && walk->line_len > walk->line_max) {
            walk->has_long_line = true;
        }
        walk->is_line_start = octet == '\n' && walk->is_after_cr;
        walk->is_after_cr = octet == '\r';
        if (walk->is_line_start) {
            walk->line_len = 0;
        }
    }
    return at;
}

static bool is_same(const struct rp_dot_walk *a, const struct rp_dot_walk *b)
{
    return a->line_len == b->line_len && a->line_max == b->line_max &&
           a->stops_at_bare == b->stops_at_bare && a->is_after_cr == b->is_after_cr &&
           a->is_line_start == b->is_line_start && a->has_bare == b->has_bare &&
           a->has_long_line == b->has_long_line;
}

static void compare(const struct rp_dot_walk *begin, const uint8_t *octets, size_t len)
{
    struct rp_span in = {.ptr = guard_copy(&guard, octets, len), .len = len};
    struct rp_dot_walk expected = *begin;
    size_t expected_len = walk_slowly(&expected, in);
    for (int s = 0; s < RP_DOT_SCAN_COUNT; s++) {
        rp_dot_scan_fn scan = rp_dot_scan_find((enum rp_dot_scanner)s);
        if (scan == NULL) {
            continue;
        }
        struct rp_dot_walk walk = *begin;
        size_t walked = scan(&walk, in);
        if (walked != expected_len || !is_same(&walk, &expected)) {
            (void)fprintf(stderr,
                          "\nseed %llu, scanner %d: walked %zu (%zu) of %zu, line %llu (%llu)\n",
                          (unsigned long long)seed, s, walked, expected_len, len,
                          (unsigned long long)walk.line_len, (unsigned long long)expected.line_len);
            CU_FAIL_FATAL("a scanner differs from the slow walk");
        }
    }
}

/* The states a walk may begin in, by number. */
#define BEGIN_COUNT 6u

static struct rp_dot_walk begin_in(unsigned number, uint64_t line_len, uint32_t line_max)
{
    struct rp_dot_walk walk = {
        .line_len = line_len, .line_max = line_max, .stops_at_bare = number >= BEGIN_COUNT / 2};
    unsigned place = number % (BEGIN_COUNT / 2);
    walk.is_after_cr = place == 1;
    walk.is_line_start = place == 2;
    if (walk.is_line_start) {
        walk.line_len = 0;
    }
    return walk;
}

/* Ordinary lines of line_len octets, the first of them begun `begun` octets ago. */
static void fill_lines(uint8_t *out, size_t len, size_t line_len, size_t begun)
{
    for (size_t i = 0; i < len; i++) {
        size_t column = (begun + i) % line_len;
        out[i] = column + 2 == line_len ? '\r' : column + 1 == line_len ? '\n' : 'a';
    }
}

/* One or two odd octets at every place of a text with blocks, runs and a rest. */
static void test_places(void)
{
    static const char *const odd[] = {"\r",  "\n",    ".",    "\r\n", "\n.",
                                      "\r.", "\r\n.", "\r\r", "\n\r"};
    for (size_t place = 0; place < 700; place++) {
        for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
            uint8_t in[720];
            fill_lines(in, sizeof in, 78, 5);
            memcpy(in + place, odd[i], strlen(odd[i]));
            size_t len = place + strlen(odd[i]) + place % 3 * 8;
            for (unsigned begin = 0; begin < BEGIN_COUNT; begin++) {
                struct rp_dot_walk walk = begin_in(begin, 5, 1001);
                compare(&walk, in, len);
                compare(&walk, in, sizeof in);
            }
        }
    }
}

/* Every length from nothing on, so that the rest of a block has each of its lengths. */
static void test_lengths(void)
{
    uint8_t in[700];
    fill_lines(in, sizeof in, 70, 0);
    for (size_t len = 0; len <= sizeof in; len++) {
        for (unsigned begin = 0; begin < BEGIN_COUNT; begin++) {
            struct rp_dot_walk walk = begin_in(begin, 3, 0);
            compare(&walk, in, len);
        }
    }
}

/* Limits on both sides of every length that a line may have when it ends in a block or run. */
static void test_line_limits(void)
{
    uint8_t in[1500];
    for (size_t line_len = 60; line_len < 700; line_len++) {
        memset(in, 'a', sizeof in);
        memcpy(in + line_len - 2, "\r\n", 2);
        fill_lines(in + line_len, sizeof in - line_len, 50, 0);
        for (uint32_t limit = (uint32_t)line_len - 4; limit <= line_len + 1; limit++) {
            for (uint32_t before = 0; before < 40; before += 13) {
                uint32_t line_max = limit + before;
                struct rp_dot_walk walk = begin_in(0, before, line_max < 64 ? 64 : line_max);
                compare(&walk, in, sizeof in);
                compare(&walk, in, line_len - 3);
                compare(&walk, in, line_len - 1);
            }
        }
    }
}

static void test_random(void)
{
    static const uint8_t symbols[] = {'\r', '\n', '.', 'a', '\0', 0x8d, 0x8a, 0xae};
    random_state = seed;
    for (unsigned round = 0; round < 20000; round++) {
        uint8_t in[INPUT_MAX];
        size_t len = random_below(random_below(4) == 0 ? INPUT_MAX : 600);
        fill_lines(in, len, 2 + random_below(random_below(4) == 0 ? 900 : 100), random_below(500));
        for (size_t odd = random_below(4); odd > 0 && len > 0; odd--) {
            in[random_below(len)] = symbols[random_below(sizeof symbols)];
        }
        uint32_t line_max = random_below(3) == 0 ? 0 : 64 + (uint32_t)random_below(1000);
        struct rp_dot_walk walk =
            begin_in((unsigned)random_below(BEGIN_COUNT), random_below(1100), line_max);
        walk.has_bare = random_below(8) == 0;
        walk.has_long_line = random_below(8) == 0;
        compare(&walk, in, len);
    }
}

/* The best scanner is one of those found, and on these machines there is one. */
static void test_best(void)
{
    rp_dot_scan_fn best = rp_dot_scan_best();
    bool is_found = false;
    for (int s = 0; s < RP_DOT_SCAN_COUNT; s++) {
        rp_dot_scan_fn scan = rp_dot_scan_find((enum rp_dot_scanner)s);
        is_found = is_found || (scan != NULL && scan == best);
        CU_ASSERT_EQUAL(scan != NULL || s == RP_DOT_SCAN_TABLE,
                        rp_dot_has_scanner((enum rp_dot_scanner)s));
    }
    CU_ASSERT(best == NULL || is_found);
    CU_ASSERT(rp_dot_scan_find(RP_DOT_SCAN_TABLE) == NULL);
    CU_ASSERT(rp_dot_scan_find(RP_DOT_SCAN_COUNT) == NULL);
#if defined(__x86_64__) || defined(__aarch64__)
    CU_ASSERT(best != NULL);
#endif
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        seed = strtoull(argv[1], NULL, 0) | 1;
    }
    guard_open(&guard, INPUT_MAX);
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("proto/dot_scan", NULL, NULL);
    CU_add_test(suite, "the best is one of them", test_best);
    CU_add_test(suite, "all lengths", test_lengths);
    CU_add_test(suite, "odd octets at each place", test_places);
    CU_add_test(suite, "limits for lines", test_line_limits);
    CU_add_test(suite, "random text", test_random);
    CU_basic_run_tests();
    unsigned failure_count = CU_get_number_of_failures();
    bool has_run = CU_get_number_of_tests_run() == 5;
    CU_cleanup_registry();
    guard_close(&guard);
    return failure_count == 0 && has_run ? 0 : 1;
}
