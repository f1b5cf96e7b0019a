/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_base64.c - octets become the base64 of RFC 4648, also in pieces.
 *
 * Goal: every input is encoded so that a decoder gets it back, with the right padding.
 * Method: the vectors of RFC 4648, section 10; then all inputs of up to two octets and
 * random ones through a decoder written bit by bit, whole and cut at every group. Inputs
 * end at a guard page.
 */
#include "suite.h"
#include "tests/proto/guard.h"
#include "tools/base64.h"

#define INPUT_MAX 300u

static struct guard guard;

static void check(const char *plain, const char *encoded)
{
    char text[16];
    size_t len = strlen(plain);
    rp_base64_encode(guard_copy(&guard, plain, len), len, text);
    CU_ASSERT_EQUAL(rp_base64_len(len), strlen(encoded));
    CU_ASSERT_NSTRING_EQUAL(text, encoded, strlen(encoded));
}

static void test_rows(void)
{
    check("", "");
    check("f", "Zg==");
    check("fo", "Zm8=");
    check("foo", "Zm9v");
    check("foob", "Zm9vYg==");
    check("fooba", "Zm9vYmE=");
    check("foobar", "Zm9vYmFy");
    check("\xfb\xff\xfe", "+//+");
}

/* Six bits a character, most significant first; octets come out as soon as there are eight. */
static size_t decode(const char *text, size_t len, uint8_t *octets)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned bits = 0;
    unsigned bit_count = 0;
    size_t count = 0;
    for (size_t index = 0; index < len && text[index] != '='; index++) {
        const char *place = strchr(alphabet, text[index]);
        CU_ASSERT_PTR_NOT_NULL_FATAL(place);
        bits = bits << 6 | (unsigned)(place - alphabet);
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            octets[count++] = (uint8_t)(bits >> bit_count);
            bits &= (1u << bit_count) - 1;
        }
    }
    CU_ASSERT_EQUAL(bits, 0);
    return count;
}

static void check_round_trip(const uint8_t *octets, size_t len)
{
    char text[INPUT_MAX * 2];
    uint8_t back[INPUT_MAX];
    const uint8_t *input = guard_copy(&guard, octets, len);
    for (size_t cut = 0; cut <= len; cut += RP_BASE64_GROUP) {
        rp_base64_encode(input, cut, text);
        rp_base64_encode(input + cut, len - cut, text + rp_base64_len(cut));
        size_t text_len = rp_base64_len(cut) + rp_base64_len(len - cut);
        CU_ASSERT_EQUAL(text_len, rp_base64_len(len));
        CU_ASSERT_EQUAL(decode(text, text_len, back), len);
        CU_ASSERT_EQUAL(memcmp(back, octets, len), 0);
        size_t pad_len = (RP_BASE64_GROUP - len % RP_BASE64_GROUP) % RP_BASE64_GROUP;
        for (size_t index = 0; index < text_len; index++) {
            CU_ASSERT_EQUAL(text[index] == '=', index >= text_len - pad_len);
        }
    }
}

static void test_short(void)
{
    for (unsigned value = 0; value < 65536; value++) {
        const uint8_t octets[2] = {(uint8_t)(value >> 8), (uint8_t)value};
        check_round_trip(octets, 2);
        if (value < 256) {
            check_round_trip(octets + 1, 1);
        }
    }
}

static void test_random(void)
{
    uint64_t state = suite_seed;
    for (unsigned round = 0; round < 500; round++) {
        uint8_t octets[INPUT_MAX];
        size_t len = suite_random_below(&state, INPUT_MAX + 1);
        for (size_t index = 0; index < len; index++) {
            octets[index] = (uint8_t)(suite_random(&state) >> 32);
        }
        check_round_trip(octets, len);
    }
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"vectors of RFC 4648",       test_rows  },
        {"all of one and two octets", test_short },
        {"random",                    test_random},
    };
    guard_open(&guard, INPUT_MAX);
    int outcome = SUITE_RUN("tools/base64", tests, argc, argv);
    guard_close(&guard);
    return outcome;
}
