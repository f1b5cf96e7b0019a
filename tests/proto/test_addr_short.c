/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_addr_short.c - ordinary paths take the short way.
 *
 * Goal: what the short way takes, the grammar takes too, with the same spans, strict or
 * not; and it takes what people send. Method: every octet at every place of paths of every
 * length, then random texts, in front of a guard page; each is given to both ways. That
 * the grammar is right is for test_addr.c to say.
 *
 * A number as argument is the seed of the random part.
 */
#include "guard.h"
#include "proto/addr_short.h"

#include <CUnit/Basic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct guard guard;
static uint64_t seed = 20260823;
static uint64_t random_state;

/* xorshift64*: good enough to choose inputs, and the same on every machine. */
static size_t random_below(size_t limit)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (size_t)((random_state * UINT64_C(0x2545f4914f6cdd1d) >> 20) % limit);
}

static struct rp_span guarded(const void *text, size_t len)
{
    return (struct rp_span){.ptr = guard_copy(&guard, text, len), .len = len};
}

static const struct rp_addr untouched = {
    .mailbox = {NULL, 7},
    .is_null = true,
    .is_utf8 = true
};

static bool is_untouched(const struct rp_addr *addr)
{
    return addr->mailbox.ptr == NULL && addr->mailbox.len == 7 && addr->local.len == 0 &&
           addr->is_null && addr->is_utf8;
}

static void complain(const char *text, size_t len)
{
    (void)fprintf(stderr, "\nthe ways differ (seed %llu): ", (unsigned long long)seed);
    for (size_t i = 0; i < len; i++) {
        uint8_t octet = (uint8_t)text[i];
        (void)fprintf(stderr, octet >= ' ' && octet < 0x7f ? "%c" : "\\x%02x", octet);
    }
    (void)fprintf(stderr, "\n");
}

static bool is_same_span(struct rp_span a, struct rp_span b)
{
    return a.ptr == b.ptr && a.len == b.len;
}

/* Whether the short way takes the text. What it takes the long way must take, all the same. */
static bool compare_ways(const char *text, size_t len, uint32_t local_part_max)
{
    struct rp_span whole = guarded(text, len);
    struct rp_addr addr = untouched;
    size_t path_len = rp_addr_parse_short(whole, local_part_max, &addr);
    if (path_len == 0) {
        CU_ASSERT(is_untouched(&addr));
        return false;
    }
    struct rp_span behind = {whole.ptr + path_len, whole.len - path_len};
    for (int strict = 0; strict < 2; strict++) {
        struct rp_addr_rules rules = {.strict = strict, .local_part_max = local_part_max};
        struct rp_addr same = untouched;
        struct rp_span rest = whole;
        bool is_ok = rp_addr_parse_long(&rest, &rules, &same) == RP_ADDR_OK;
        if (!is_ok || !is_same_span(rest, behind) || !is_same_span(same.mailbox, addr.mailbox) ||
            !is_same_span(same.local, addr.local) || !is_same_span(same.domain, addr.domain) ||
            same.is_null != addr.is_null || same.is_utf8 != addr.is_utf8) {
            complain(text, len);
            CU_FAIL_FATAL("the short way is wrong");
        }
    }
    return true;
}

/* Every octet at every place of paths of every length up to beyond what the short way takes. */
static void test_octets(void)
{
    for (size_t len = 5; len <= 70; len++) {
        char text[72];
        memset(text, 'm', sizeof text);
        text[0] = '<';
        text[len / 3 + 1] = '@';
        text[len - 1] = '>';
        CU_ASSERT_EQUAL(compare_ways(text, len, 0), len <= RP_ADDR_SHORT_MAX);
        for (size_t place = 0; place <= len; place++) {
            char kept = text[place];
            for (unsigned octet = 0; octet < 256; octet++) {
                text[place] = (char)octet;
                (void)compare_ways(text, len, 0);
                (void)compare_ways(text, len + 1, 0);
            }
            text[place] = kept;
        }
    }
}

/* What people send goes the short way. */
static void test_takes(void)
{
    static const char *const rows[] = {
        "<a@b>",
        "<anne@example.com>",
        "<anne.arthur@mail.example.com> SIZE=10240 BODY=8BITMIME",
        "<bounce+anne=example.org@lists.example-shop.com>",
        "<x_y-z=0@9.ex-ample>",
        "<SRS0=HHH=TT=example.org=anne@Relay.EXAMPLE>",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CU_ASSERT(compare_ways(rows[i], strlen(rows[i]), 0));
        CU_ASSERT(compare_ways(rows[i], strlen(rows[i]), 30));
    }
    CU_ASSERT_FALSE(compare_ways("<abcde@b>", 9, 4));
    CU_ASSERT(compare_ways("<abcde@b>", 9, 5));
    CU_ASSERT_FALSE(compare_ways("", 0, 0));
    CU_ASSERT_FALSE(compare_ways("<>", 2, 0));
}

/* Random texts of the octets that matter, mostly shaped like a path. */
static void test_random(void)
{
    static const char symbols[] = "aaaaaaZ09x-x.xx.+=_/!@<> (\"\\[:,\x80";
    random_state = seed;
    unsigned ok_count = 0;
    const unsigned rounds = 300000;
    for (unsigned round = 0; round < rounds; round++) {
        char text[80];
        size_t len = 5 + random_below(sizeof text - 5);
        size_t kinds = random_below(4) == 0 ? sizeof symbols - 1 : 16;
        for (size_t i = 0; i < len; i++) {
            text[i] = symbols[random_below(kinds)];
        }
        text[0] = '<';
        text[2 + random_below(len - 3)] = '@';
        size_t end = len - 1 - random_below(len < 30 ? 2 : 20);
        text[end] = '>';
        if (end + 1 < len) {
            text[end + 1] = ' ';
        }
        ok_count += compare_ways(text, len, random_below(3) == 0 ? 10 : 0);
    }
    CU_ASSERT(ok_count > rounds / 20 && ok_count < rounds / 2);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        seed = strtoull(argv[1], NULL, 0) | 1;
    }
    guard_open(&guard, 128);
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("proto/addr_short", NULL, NULL);
    CU_add_test(suite, "each octet in each place", test_octets);
    CU_add_test(suite, "what is taken", test_takes);
    CU_add_test(suite, "random texts", test_random);
    CU_basic_run_tests();
    unsigned failure_count = CU_get_number_of_failures();
    bool has_run = CU_get_number_of_tests_run() == 3;
    CU_cleanup_registry();
    guard_close(&guard);
    return failure_count == 0 && has_run ? 0 : 1;
}
