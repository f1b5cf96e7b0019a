/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_reader_cursor.c - cursors as text.
 *
 * Goal: what is saved is loaded as it was; a line that anything has happened to is refused and says
 * why. Method: random cursors of all sizes; every single octet of a line altered, every length of
 * it; a line worked out by hand from FORMAT.md.
 */
#include "spool/format.h"
#include "spool/reader.h"

#include "lane.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct rp_spool_reader reader;
static struct rp_spool_cursor cursor;
static struct rp_spool_cursor loaded;
static char text[RP_SPOOL_CURSOR_TEXT_MAX];

static void setup(void)
{
    memset(&reader, 0, sizeof reader);
    memset(&cursor, 0, sizeof cursor);
    memset(&loaded, 0xff, sizeof loaded);
    for (size_t i = 0; i < sizeof reader.spool.meta.identity; i++) {
        reader.spool.meta.identity[i] = (uint8_t)(i * 17);
    }
}

static void test_by_hand(void)
{
    setup();
    cursor.lanes[0] = (struct rp_spool_cursor_lane){.segment = 0x1f, .position = 12};
    cursor.lanes[254] = (struct rp_spool_cursor_lane){.segment = 1, .position = 0};
    static const char wanted[] =
        "ringpost-cursor 1 00112233445566778899aabbccddeeff 0:1f:12 254:1:0";
    char line[128];
    (void)snprintf(line, sizeof line, "%s %016llx", wanted,
                   (unsigned long long)rp_format_hash(wanted, strlen(wanted), 0));
    rp_spool_reader_save_cursor(&reader, &cursor, text);
    CU_ASSERT_STRING_EQUAL(text, line);
}

static void test_round_trip(void)
{
    uint64_t random = 7;
    for (uint32_t lanes = 0; lanes <= RP_SPOOL_LANES_MAX; lanes++) {
        setup();
        for (uint32_t i = 0; i < lanes; i++) {
            bool is_largest = lanes == RP_SPOOL_LANES_MAX;
            cursor.lanes[i].segment =
                is_largest ? RP_FORMAT_SEGMENT_MAX : test_random(&random) % 1000;
            uint64_t cap = RP_SPOOL_INDEX_CAP(RP_SPOOL_SEGMENT_MAX);
            bool is_begun = cursor.lanes[i].segment != 0;
            cursor.lanes[i].position = !is_begun    ? 0
                                       : is_largest ? cap
                                                    : test_random(&random) % cap;
        }
        rp_spool_reader_save_cursor(&reader, &cursor, text);
        CU_ASSERT_EQUAL(rp_spool_reader_load_cursor(&reader, text, &loaded), 0);
        CU_ASSERT_EQUAL(memcmp(&cursor, &loaded, sizeof cursor), 0);
        size_t len = strlen(text);
        memcpy(text + len, "\n", 2);
        CU_ASSERT_EQUAL(rp_spool_reader_load_cursor(&reader, text, &loaded), 0);
    }
}

static void test_altered(void)
{
    setup();
    cursor.lanes[3] = (struct rp_spool_cursor_lane){.segment = 0xabc, .position = 99};
    rp_spool_reader_save_cursor(&reader, &cursor, text);
    const size_t len = strlen(text);
    static char changed[RP_SPOOL_CURSOR_TEXT_MAX];
    for (size_t at = 0; at < len; at++) {
        memcpy(changed, text, len + 1);
        changed[at] ^= 1;
        int error = rp_spool_reader_load_cursor(&reader, changed, &loaded);
        CU_ASSERT_EQUAL(error, at < strlen("ringpost-cursor 1 ") ? -EINVAL : -EBADMSG);
        memcpy(changed, text, at);
        changed[at] = '\0';
        error = rp_spool_reader_load_cursor(&reader, changed, &loaded);
        CU_ASSERT_TRUE(error == -EINVAL || error == -EBADMSG);
    }
}

static void test_foreign(void)
{
    setup();
    cursor.lanes[0] = (struct rp_spool_cursor_lane){.segment = 1, .position = 1};
    rp_spool_reader_save_cursor(&reader, &cursor, text);
    reader.spool.meta.identity[15] ^= 1;
    CU_ASSERT_EQUAL(rp_spool_reader_load_cursor(&reader, text, &loaded), -EXDEV);
}

/* What has the right hash and makes no sense was not written by us: still nothing goes wrong. */
static void test_senseless(void)
{
    static const char *const places[] = {
        " 255:1:0",
        " 0:0:0",
        " 0:10000000000:0",
        " 0:1:1048577",
        " x",
        " 0:1",
        " 0:1:2:3",
        "  ",
        " 4294967296:1:1",
        " -0:1:1",
        " +0:1:1",
        "  0:1:1",
        "\t0:1:1",
        " 0:A:1",
        " 0:0x1:1",
        " 0: 1:1",
        " 0:1:18446744073709551617",
        " 0:10000000000000001:1",
    };
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        setup();
        int len = snprintf(text, sizeof text,
                           "ringpost-cursor 1 00112233445566778899aabbccddeeff%s", places[i]);
        (void)snprintf(text + len, sizeof text - (size_t)len, " %016llx",
                       (unsigned long long)rp_format_hash(text, (size_t)len, 0));
        CU_ASSERT_EQUAL(rp_spool_reader_load_cursor(&reader, text, &loaded), -EBADMSG);
    }
}

int main(void)
{
    if (CU_initialize_registry() != CUE_SUCCESS) {
        return 1;
    }
    CU_pSuite suite = CU_add_suite("reader_cursor", NULL, NULL);
    CU_ADD_TEST(suite, test_by_hand);
    CU_ADD_TEST(suite, test_round_trip);
    CU_ADD_TEST(suite, test_altered);
    CU_ADD_TEST(suite, test_foreign);
    CU_ADD_TEST(suite, test_senseless);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    unsigned run = CU_get_number_of_tests_run();
    CU_cleanup_registry();
    return failures == 0 && run == 5 ? 0 : 1;
}
