/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_text.c - times, sizes, numbers, UTF-8 and escapes.
 *
 * Goal: what a terminal shows is exact, and nothing foreign can act on it. Method: rows;
 * UTF-8 against a decoder that computes the character and then asks whether its shortest
 * form is what stood there, over all sequences of up to three octets and many of four;
 * days against timegm(3). Inputs end at a guard page.
 */
#include "suite.h"
#include "tests/proto/guard.h"
#include "tools/text.h"

#include <errno.h>
#include <time.h>

static struct guard guard;

static void test_time(void)
{
    static const struct {
        uint64_t time_ns;
        const char *text;
        const char *ctime;
    } rows[] = {
        {0,                    "1970-01-01T00:00:00.000Z", "Thu Jan  1 00:00:00 1970"},
        {999999,               "1970-01-01T00:00:00.000Z", "Thu Jan  1 00:00:00 1970"},
        {1000000,              "1970-01-01T00:00:00.001Z", "Thu Jan  1 00:00:00 1970"},
        {951782399999999999u,  "2000-02-28T23:59:59.999Z", "Mon Feb 28 23:59:59 2000"},
        {951782400000000000u,  "2000-02-29T00:00:00.000Z", "Tue Feb 29 00:00:00 2000"},
        {1767323045678000000u, "2026-01-02T03:04:05.678Z", "Fri Jan  2 03:04:05 2026"},
        {4102444800000000000u, "2100-01-01T00:00:00.000Z", "Fri Jan  1 00:00:00 2100"},
        {UINT64_MAX,           "2554-07-21T23:34:33.709Z", "Sun Jul 21 23:34:33 2554"},
    };
    for (size_t index = 0; index < sizeof(rows) / sizeof(rows[0]); index++) {
        char text[RP_TEXT_TIME_LEN + 1];
        char ctime[RP_TEXT_CTIME_LEN + 1];
        rp_text_time(rows[index].time_ns, text);
        rp_text_ctime(rows[index].time_ns, ctime);
        CU_ASSERT_STRING_EQUAL(text, rows[index].text);
        CU_ASSERT_STRING_EQUAL(ctime, rows[index].ctime);
    }
}

/* Every day from 1970 to 2200, read back. */
static void test_days(void)
{
    for (uint64_t day = 0; day < 84000; day++) {
        uint64_t seconds = day * 86400 + day * 7919 % 86400;
        char text[RP_TEXT_TIME_LEN + 1];
        rp_text_time(seconds * 1000000000u, text);
        struct tm tm = {0};
        const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
        CU_ASSERT_STRING_EQUAL(end != NULL ? end : "unreadable", ".000Z");
        CU_ASSERT_EQUAL((uint64_t)timegm(&tm), seconds);
    }
}

static void test_size(void)
{
    static const struct {
        uint64_t octets;
        const char *text;
    } rows[] = {
        {0,                    "0 octets"   },
        {1,                    "1 octet"    },
        {2,                    "2 octets"   },
        {1023,                 "1023 octets"},
        {1024,                 "1.0 KiB"    },
        {1126,                 "1.0 KiB"    },
        {1127,                 "1.1 KiB"    },
        {1048575,              "1023.9 KiB" },
        {1048576,              "1.0 MiB"    },
        {3221225472u,          "3.0 GiB"    },
        {1ull << 40,           "1.0 TiB"    },
        {(1ull << 50) * 5 / 2, "2.5 PiB"    },
        {UINT64_MAX,           "15.9 EiB"   },
    };
    for (size_t index = 0; index < sizeof(rows) / sizeof(rows[0]); index++) {
        char text[RP_TEXT_SIZE_LEN + 1];
        rp_text_size(rows[index].octets, text);
        CU_ASSERT_STRING_EQUAL(text, rows[index].text);
    }
}

static void test_number(void)
{
    static const struct {
        const char *text;
        int outcome;
        uint64_t value;
    } rows[] = {
        {"0",                        0,       0         },
        {"007",                      0,       7         },
        {"18446744073709551615",     0,       UINT64_MAX},
        {"18446744073709551616",     -ERANGE, 42        },
        {"99999999999999999999999",  -ERANGE, 42        },
        {"",                         -EINVAL, 42        },
        {"-1",                       -EINVAL, 42        },
        {"+1",                       -EINVAL, 42        },
        {" 1",                       -EINVAL, 42        },
        {"1 ",                       -EINVAL, 42        },
        {"0x10",                     -EINVAL, 42        },
        {"99999999999999999999999x", -EINVAL, 42        },
    };
    for (size_t index = 0; index < sizeof(rows) / sizeof(rows[0]); index++) {
        uint64_t value = 42; /* written only on success */
        size_t len = strlen(rows[index].text) + 1;
        const uint8_t *text = guard_copy(&guard, rows[index].text, len);
        CU_ASSERT_EQUAL(rp_text_number((const char *)text, &value), rows[index].outcome);
        CU_ASSERT_EQUAL(value, rows[index].value);
    }
}

/* The shortest UTF-8 form of a character; 0 where RFC 3629 gives it none. */
static size_t encode(uint32_t character, uint8_t octets[4])
{
    if (character > 0x10ffff || (character >= 0xd800 && character <= 0xdfff)) {
        return 0;
    }
    if (character < 0x80) {
        octets[0] = (uint8_t)character;
        return 1;
    }
    size_t len = character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
    for (size_t index = len - 1; index > 0; index--) {
        octets[index] = (uint8_t)(0x80 | (character & 0x3f));
        character >>= 6;
    }
    octets[0] = (uint8_t)(0xff00u >> len | character);
    return len;
}

/* Read as many octets as the first one asks for, and see whether they encode back to themselves. */
static size_t oracle_len(const uint8_t *ptr, size_t len)
{
    unsigned ones = 0;
    while (ones < 8 && (ptr[0] & 0x80u >> ones) != 0) {
        ones++;
    }
    size_t wanted = ones == 0 ? 1 : ones;
    if (ones == 1 || wanted > 4 || wanted > len) {
        return 0;
    }
    uint32_t character = ptr[0] & (ones == 0 ? 0x7fu : 0x7fu >> ones);
    for (size_t index = 1; index < wanted; index++) {
        character = character << 6 | (ptr[index] & 0x3fu);
    }
    uint8_t shortest[4];
    bool is_same = encode(character, shortest) == wanted && memcmp(shortest, ptr, wanted) == 0;
    return is_same ? wanted : 0;
}

static bool check_sequence(const uint8_t *octets, size_t len)
{
    const uint8_t *ptr = guard_copy(&guard, octets, len);
    return rp_text_sequence_len(ptr, len) == oracle_len(octets, len);
}

static void test_utf8(void)
{
    CU_ASSERT_EQUAL(rp_text_sequence_len(guard_copy(&guard, "", 0), 0), 0);
    size_t differences = 0;
    for (uint32_t value = 0; value < 1u << 24; value++) {
        const uint8_t octets[3] = {(uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value};
        differences += !check_sequence(octets, 3);
        if (value < 1u << 16) {
            differences += !check_sequence(octets + 1, 2);
        }
        if (value < 1u << 8) {
            differences += !check_sequence(octets + 2, 1);
        }
        value += value % 256 == 0x3f ? 0x3f : 0; /* 40 to 7e behind a lead are all alike */
    }
    CU_ASSERT_EQUAL(differences, 0);
}

static void test_utf8_of_four(void)
{
    static const uint8_t edges[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff};
    const size_t edge_count = sizeof(edges);
    size_t differences = 0;
    for (unsigned lead = 0xe8; lead < 256; lead++) {
        for (size_t index = 0; index < edge_count * edge_count * edge_count; index++) {
            const uint8_t octets[4] = {(uint8_t)lead, edges[index % edge_count],
                                       edges[index / edge_count % edge_count],
                                       edges[index / edge_count / edge_count]};
            differences += !check_sequence(octets, 4);
        }
    }
    CU_ASSERT_EQUAL(differences, 0);
    CU_ASSERT_TRUE(rp_text_is_utf8((const uint8_t *)"gr\xc3\xbc\xc3\x9f", 6));
    CU_ASSERT_TRUE(rp_text_is_utf8(guard_copy(&guard, "a\0b", 3), 3));
    CU_ASSERT_FALSE(rp_text_is_utf8(guard_copy(&guard, "gr\xfc\xdf", 4), 4));
    CU_ASSERT_FALSE(rp_text_is_utf8(guard_copy(&guard, "gr\xc3", 3), 3));
}

static void test_plain(void)
{
    static const struct {
        const char *text;
        size_t len;
        size_t plain_len;
        size_t columns;
    } rows[] = {
        {"",                      0,  0,  0 },
        {"user@example.org",      16, 16, 16},
        {"a b\"c'",               6,  6,  6 },
        {"a\\b",                  3,  1,  6 },
        {"a\x1b[31m",             6,  1,  9 },
        {"a\0b",                  3,  1,  6 },
        {"a\x7f",                 2,  1,  5 },
        {"\xc3\xbc@x",            4,  4,  3 },
        {"\xc2\x9b",              2,  0,  8 }, /* CSI */
        {"\xef\xbb\xbf",          3,  0,  12}, /* zero width no-break space */
        {"x\xff",                 2,  1,  5 }, /* never in UTF-8 */
        {"x\xe2\x82",             3,  1,  9 }, /* cut */
        {"\xf0\x9f\x93\xac mail", 9,  9,  6 }, /* beyond U+FFFF */
    };
    for (size_t index = 0; index < sizeof(rows) / sizeof(rows[0]); index++) {
        const uint8_t *ptr = guard_copy(&guard, rows[index].text, rows[index].len);
        CU_ASSERT_EQUAL(rp_text_plain_len(ptr, rows[index].len), rows[index].plain_len);
        CU_ASSERT_EQUAL(rp_text_columns(ptr, rows[index].len), rows[index].columns);
    }
}

/* No character that a terminal acts on is plain, whatever is beside it. */
static void test_controls(void)
{
    for (uint32_t character = 0; character < 0x110000; character++) {
        uint8_t octets[4];
        size_t len = encode(character, octets);
        bool is_control = character < 0x20 || (character >= 0x7f && character < 0xa0);
        bool is_turn = (character >= 0x202a && character <= 0x202e) ||
                       (character >= 0x2066 && character <= 0x2069) || character == 0x200e ||
                       character == 0x200f || character == 0x061c;
        if (len > 0 && (is_control || is_turn)) {
            CU_ASSERT_EQUAL(rp_text_plain_len(octets, len), 0);
        }
    }
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"times",                       test_time        },
        {"every day",                   test_days        },
        {"sizes",                       test_size        },
        {"numbers",                     test_number      },
        {"UTF-8 of up to three octets", test_utf8        },
        {"UTF-8 of four octets",        test_utf8_of_four},
        {"what is plain",               test_plain       },
        {"controls are not",            test_controls    },
    };
    guard_open(&guard, 4096);
    int outcome = SUITE_RUN("tools/text", tests, argc, argv);
    guard_close(&guard);
    return outcome;
}
