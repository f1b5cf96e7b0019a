/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_envelope.c - the row of items.
 *
 * What rp_spool_item_put writes is read back; every cut of it at a guard page gives exactly the
 * items that are whole; random octets are compared with a second reader that works
 * octet by octet.
 */
#include "spool/envelope.h"

#include "lane.h"
#include "tests/proto/guard.h"

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>

static void test_there_and_back(void)
{
    uint8_t octets[256];
    uint8_t *end = octets;
    const uint64_t big_id = 0x1122334455667788ull;
    end = rp_spool_item_put(end, RP_SPOOL_TAG_SENDER, "", 0);
    end = rp_spool_item_put(end, RP_SPOOL_TAG_RECIPIENT, "a@b", 3);
    end = rp_spool_item_put(end, RP_SPOOL_TAG_BIG_ID, &big_id, sizeof big_id);
    const uint8_t expected[] = "\x06\0\0\0\0\0\0\0"
                               "\x08\0\0\0\x03\0\0\0a@b"
                               "\x0d\0\0\0\x08\0\0\0\x88\x77\x66\x55\x44\x33\x22\x11";
    CU_ASSERT_EQUAL((size_t)(end - octets), sizeof expected - 1);
    CU_ASSERT_EQUAL(memcmp(octets, expected, sizeof expected - 1), 0);
    CU_ASSERT_EQUAL(rp_spool_item_len(3), 11);

    size_t position = 0;
    struct rp_spool_item item = {0};
    size_t len = (size_t)(end - octets);
    CU_ASSERT_TRUE(rp_envelope_next(octets, len, &position, &item));
    CU_ASSERT_EQUAL(item.tag, RP_SPOOL_TAG_SENDER);
    CU_ASSERT_EQUAL(item.len, 0);
    CU_ASSERT_TRUE(rp_envelope_next(octets, len, &position, &item));
    CU_ASSERT_EQUAL(item.tag, RP_SPOOL_TAG_RECIPIENT);
    CU_ASSERT_EQUAL(item.len, 3);
    CU_ASSERT_EQUAL(memcmp(item.value, "a@b", 3), 0);
    CU_ASSERT_TRUE(rp_envelope_next(octets, len, &position, &item));
    CU_ASSERT_FALSE(rp_envelope_next(octets, len, &position, &item));
    CU_ASSERT_EQUAL(position, len);
    CU_ASSERT_EQUAL(rp_envelope_big_id(octets, len), big_id);
    CU_ASSERT_EQUAL(rp_envelope_big_id(octets, len - 1), 0);
}

static void test_big_id_rows(void)
{
    uint8_t octets[64];
    uint8_t *end = rp_spool_item_put(octets, RP_SPOOL_TAG_BIG_ID, "1234", 4);
    CU_ASSERT_EQUAL(rp_envelope_big_id(octets, (size_t)(end - octets)), 0);
    end = rp_spool_item_put(octets, RP_SPOOL_TAG_HELO, "12345678", 8);
    CU_ASSERT_EQUAL(rp_envelope_big_id(octets, (size_t)(end - octets)), 0);
    CU_ASSERT_EQUAL(rp_envelope_big_id(octets, 0), 0);
}

/* Every cut: only whole items come out, and no octet behind the cut is read. */
static void test_cuts(void)
{
    static uint8_t octets[TEST_ENVELOPE_MAX];
    struct test_message message = {.number = 12, .big_id = 4};
    size_t len = test_envelope(&message, octets);
    struct guard guard;
    guard_open(&guard, sizeof octets);
    for (size_t cut = 0; cut <= len; cut++) {
        const uint8_t *copy = guard_copy(&guard, octets, cut);
        size_t position = 0;
        size_t sum = 0;
        struct rp_spool_item item;
        while (rp_envelope_next(copy, cut, &position, &item)) {
            sum += rp_spool_item_len(item.len);
            CU_ASSERT_TRUE(item.value + item.len <= copy + cut);
        }
        CU_ASSERT_EQUAL(sum, position);
        CU_ASSERT_TRUE(cut - position < rp_spool_item_len(64));
    }
    guard_close(&guard);
}

/* The second reader: 0 at the end, else octets of the item at `at`. */
static size_t slow_item(const uint8_t *octets, size_t len, size_t at, unsigned *tag_out)
{
    if (len < at + 8) {
        return 0;
    }
    uint64_t value_len = 0;
    for (size_t i = 8; i > 4; i--) {
        value_len = value_len * 256 + octets[at + i - 1];
    }
    *tag_out = octets[at] + 256u * octets[at + 1];
    return value_len <= len - at - 8 ? (size_t)(8 + value_len) : 0;
}

static void test_random_octets(void)
{
    uint64_t seed = 20240601;
    struct guard guard;
    guard_open(&guard, 256);
    for (int round = 0; round < 20000; round++) {
        uint8_t octets[200];
        size_t len = test_random(&seed) % sizeof octets;
        for (size_t i = 0; i < len; i++) { /* mostly zeros, so that lengths are small */
            uint64_t value = test_random(&seed);
            octets[i] = value % 4 == 0 ? (uint8_t)(value >> 32) % 24 : 0;
        }
        const uint8_t *copy = guard_copy(&guard, octets, len);
        size_t position = 0;
        size_t at = 0;
        struct rp_spool_item item;
        bool is_item;
        do {
            unsigned tag = 0;
            size_t step = slow_item(copy, len, at, &tag);
            is_item = rp_envelope_next(copy, len, &position, &item);
            if (is_item != (step > 0) || (is_item && (item.tag != tag || position != at + step))) {
                (void)fprintf(stderr, "round %d\n", round);
                CU_FAIL("the readers differ");
                break;
            }
            at += step;
        } while (is_item);
    }
    guard_close(&guard);
    CU_PASS("all rounds");
}

int main(void)
{
    if (CU_initialize_registry() != CUE_SUCCESS) {
        return 1;
    }
    CU_pSuite suite = CU_add_suite("envelope", NULL, NULL);
    CU_ADD_TEST(suite, test_there_and_back);
    CU_ADD_TEST(suite, test_big_id_rows);
    CU_ADD_TEST(suite, test_cuts);
    CU_ADD_TEST(suite, test_random_octets);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    unsigned run = CU_get_number_of_tests_run();
    CU_cleanup_registry();
    return failures == 0 && run == 4 ? 0 : 1;
}
