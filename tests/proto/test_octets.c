/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_octets.c - sixteen octets at a time.
 *
 * Goal: each question is answered for each octet as a loop would, nothing behind the text
 * is read, and what is beyond it counts as zeros. Method: every octet at every place of
 * every length, in front of a guard page. Built twice, the second time with
 * RP_OCTETS_PORTABLE: so both ways agree with the same loops.
 */
#include "guard.h"
#include "proto/octets.h"

#include <CUnit/Basic.h>
#include <stdbool.h>
#include <stdlib.h>

static struct guard guard;

typedef bool (*has_class_fn)(uint8_t octet);
typedef struct rp_octets (*ask_fn)(struct rp_octets octets);

static bool is_comma(uint8_t octet)
{
    return octet == ',';
}

static bool is_beyond_ascii(uint8_t octet)
{
    return octet >= 0xC3;
}

static bool is_printable(uint8_t octet)
{
    return octet >= ' ' && octet <= '~';
}

static bool is_letter(uint8_t octet)
{
    return (octet >= 'a' && octet <= 'z') || (octet >= 'A' && octet <= 'Z');
}

static bool is_not_least(uint8_t octet)
{
    return octet >= 1;
}

static struct rp_octets ask_comma(struct rp_octets octets)
{
    return rp_octets_equal(octets, ',');
}

static struct rp_octets ask_beyond_ascii(struct rp_octets octets)
{
    return rp_octets_between(octets, 0xC3, 0xFF);
}

static struct rp_octets ask_printable(struct rp_octets octets)
{
    return rp_octets_between(octets, ' ', '~');
}

static struct rp_octets ask_letter(struct rp_octets octets)
{
    return rp_octets_between(rp_octets_or_bits(octets, 0x20), 'a', 'z');
}

static struct rp_octets ask_not_least(struct rp_octets octets)
{
    return rp_octets_or(rp_octets_between(octets, 1, 100), rp_octets_between(octets, 90, 255));
}

static const struct {
    has_class_fn has_class;
    ask_fn ask;
} classes[] = {
    {is_comma,        ask_comma       },
    {is_beyond_ascii, ask_beyond_ascii},
    {is_printable,    ask_printable   },
    {is_letter,       ask_letter      },
    {is_not_least,    ask_not_least   },
};

static uint32_t ask_slowly(has_class_fn has_class, const uint8_t *octets, size_t len)
{
    uint32_t mask = 0;
    for (size_t i = 0; i < RP_OCTETS_LEN; i++) {
        mask |= (uint32_t)has_class(i < len ? octets[i] : 0) << i;
    }
    return mask;
}

static void test_classes(void)
{
    size_t wrong_count = 0;
    for (size_t len = 1; len <= RP_OCTETS_LEN + 3; len++) {
        for (size_t at = 0; at < len; at++) {
            for (unsigned octet = 0; octet < 256; octet++) {
                uint8_t octets[RP_OCTETS_LEN + 3];
                for (size_t i = 0; i < len; i++) {
                    octets[i] = (uint8_t)(octet + 37 * (i - at));
                }
                const uint8_t *text = guard_copy(&guard, octets, len);
                const struct rp_octets block = rp_octets_load(text, len);
                for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
                    wrong_count += rp_octets_mask(classes[i].ask(block)) !=
                                   ask_slowly(classes[i].has_class, octets, len);
                }
            }
        }
    }
    CU_ASSERT_EQUAL(wrong_count, 0);
}

static inline uint32_t are_commas(struct rp_octets block)
{
    return rp_octets_mask(rp_octets_equal(block, ','));
}

/* Texts of every length with every number of commas in front, and commas behind those too. */
static void test_count(void)
{
    size_t wrong_count = 0;
    for (size_t len = 0; len <= 4 * RP_OCTETS_LEN; len++) {
        for (size_t count = 0; count <= len; count++) {
            uint8_t octets[4 * RP_OCTETS_LEN];
            memset(octets, ',', sizeof(octets));
            if (count < len) {
                octets[count] = 0;
            }
            const uint8_t *text = guard_copy(&guard, octets, len);
            wrong_count += rp_octets_count(text, len, are_commas) != count;
        }
    }
    CU_ASSERT_EQUAL(wrong_count, 0);
    CU_ASSERT_EQUAL(rp_octets_count(NULL, 0, are_commas), 0);
}

static void test_none(void)
{
    const uint8_t *end = guard_copy(&guard, "", 0);
    CU_ASSERT_EQUAL(rp_octets_word(end, 0), 0);
    CU_ASSERT_EQUAL(rp_octets_mask(rp_octets_equal(rp_octets_load(end, 0), 0)), 0xFFFF);
    CU_ASSERT_EQUAL(rp_octets_mask(rp_octets_equal(rp_octets_load(end, 0), 'x')), 0);
}

static void test_word(void)
{
    static const uint8_t octets[] = {0x81, 0x02, 0xF3, 0x04, 0x85, 0x06, 0xE7, 0x98};
    uint64_t expected = 0;
    for (size_t len = 1; len <= sizeof(octets); len++) {
        expected |= (uint64_t)octets[len - 1] << (8 * (len - 1));
        CU_ASSERT_EQUAL(rp_octets_word(guard_copy(&guard, octets, len), len), expected);
    }
}

int main(void)
{
    if (CU_initialize_registry() != CUE_SUCCESS) {
        return EXIT_FAILURE;
    }
    guard_open(&guard, 64);
    CU_pSuite suite = CU_add_suite("proto/octets", NULL, NULL);
    const bool is_ready = suite != NULL && CU_ADD_TEST(suite, test_classes) != NULL &&
                          CU_ADD_TEST(suite, test_count) != NULL &&
                          CU_ADD_TEST(suite, test_none) != NULL &&
                          CU_ADD_TEST(suite, test_word) != NULL;
    CU_basic_set_mode(CU_BRM_NORMAL);
    const bool has_run = is_ready && CU_basic_run_tests() == CUE_SUCCESS;
    const bool has_failed = !has_run || CU_get_number_of_failures() > 0;
    guard_close(&guard);
    CU_cleanup_registry();
    return has_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
