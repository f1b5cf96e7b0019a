/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_listing.c - a message as a line of ls.
 *
 * Goal: each message is one line whatever its addresses hold, columns line up while they
 * fit, and the JSON form loses nothing. Method: whole lines, for senders and recipients of
 * every kind, for a damaged message, and for one whose envelope names nobody.
 */
#include "capture.h"
#include "fake_reader.h"
#include "suite.h"
#include "tools/listing.h"

static struct capture capture;

static const struct rp_spool_entry entry = {
    .id = {"000-0000000001-000040"},
    .time_ns = 1767323045678000000u,
    .body_len = 1234,
};

static const char *list(const struct rp_spool_item *items, size_t count, bool is_json)
{
    struct fake_message message = {.items = items, .item_count = count};
    CU_ASSERT_EQUAL_FATAL(rp_listing_put(&capture.output, &entry, fake_view(&message), is_json), 0);
    return capture_take(&capture);
}

#define START "000-0000000001-000040  2026-01-02T03:04:05.678Z        1234  "

static void test_text(void)
{
    const struct rp_spool_item plain[] = {
        fake_item(RP_SPOOL_TAG_HELO, "x"),
        fake_item(RP_SPOOL_TAG_SENDER, "a@example.org"),
        fake_item(RP_SPOOL_TAG_RECIPIENT, "b@example.org"),
        fake_item(RP_SPOOL_TAG_RECIPIENT_PARAMS, "NOTIFY=NEVER"),
        fake_item(RP_SPOOL_TAG_RECIPIENT, "c@example.org"),
    };
    CU_ASSERT_STRING_EQUAL(list(plain, 5, false),
                           START "a@example.org                   b@example.org,c@example.org\n");
    const struct rp_spool_item odd[] = {
        fake_item(RP_SPOOL_TAG_SENDER, "gr\xc3\xbcn\x1b@x\n"),
        fake_item(RP_SPOOL_TAG_RECIPIENT, "\xff@x"),
    };
    CU_ASSERT_STRING_EQUAL(list(odd, 2, false),
                           START "gr\xc3\xbcn\\x1b@x\\x0a                  \\xff@x\n");
    const struct rp_spool_item null_sender[] = {
        fake_item(RP_SPOOL_TAG_SENDER, ""),
        fake_item(RP_SPOOL_TAG_RECIPIENT, "b@x"),
    };
    CU_ASSERT_STRING_EQUAL(list(null_sender, 2, false),
                           START "<>                              b@x\n");
    const struct rp_spool_item long_sender[] = {
        fake_item(RP_SPOOL_TAG_SENDER, "a-sender-longer-than@its-column.example"),
        fake_item(RP_SPOOL_TAG_RECIPIENT, "b@x"),
    };
    CU_ASSERT_STRING_EQUAL(list(long_sender, 2, false),
                           START "a-sender-longer-than@its-column.example  b@x\n");
    CU_ASSERT_STRING_EQUAL(list(NULL, 0, false), START "<>                              \n");
}

static void test_json(void)
{
#define MEMBERS \
    "{\"id\":\"000-0000000001-000040\",\"time\":\"2026-01-02T03:04:05.678Z\",\"size\":1234,"
    const struct rp_spool_item plain[] = {
        fake_item(RP_SPOOL_TAG_SENDER, "a@x"),
        fake_item(RP_SPOOL_TAG_RECIPIENT, "b@x"),
        fake_item(RP_SPOOL_TAG_RECIPIENT, "gr\xc3\xbcn@x"),
    };
    CU_ASSERT_STRING_EQUAL(list(plain, 3, true), MEMBERS
                           "\"sender\":\"a@x\",\"recipients\":[\"b@x\",\"gr\\u00FCn@x\"]}\n");
    const struct rp_spool_item odd[] = {
        fake_item(RP_SPOOL_TAG_SENDER, ""),
        fake_item(RP_SPOOL_TAG_RECIPIENT, "b@x"),
        fake_item(RP_SPOOL_TAG_RECIPIENT, "\xff@x"),
    };
    CU_ASSERT_STRING_EQUAL(list(odd, 3, true),
                           MEMBERS "\"sender\":\"\",\"recipients_base64\":[\"YkB4\",\"/0B4\"]}\n");
    CU_ASSERT_STRING_EQUAL(list(NULL, 0, true), MEMBERS "\"sender\":\"\",\"recipients\":[]}\n");
}

static void test_damaged(void)
{
    CU_ASSERT_EQUAL(rp_listing_put(&capture.output, &entry, NULL, false), 0);
    CU_ASSERT_STRING_EQUAL(
        capture_take(&capture),
        "000-0000000001-000040  2026-01-02T03:04:05.678Z           -  (damaged)\n");
    struct rp_spool_entry lost = entry;
    lost.is_damaged = true; /* then its time says nothing */
    CU_ASSERT_EQUAL(rp_listing_put(&capture.output, &lost, NULL, false), 0);
    CU_ASSERT_STRING_EQUAL(
        capture_take(&capture),
        "000-0000000001-000040  -                                  -  (damaged)\n");
    CU_ASSERT_EQUAL(rp_listing_put(&capture.output, &lost, NULL, true), 0);
    CU_ASSERT_STRING_EQUAL(capture_take(&capture),
                           "{\"id\":\"000-0000000001-000040\",\"damaged\":true}\n");
}

static void test_head(void)
{
    rp_listing_put_head(&capture.output);
    const char *head = capture_take(&capture);
    CU_ASSERT_PTR_EQUAL(strstr(head, "SENDER"), head + strlen(START));
    CU_ASSERT_PTR_EQUAL(strstr(head, "RECIPIENTS\n"), head + strlen(START) + 32);
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"text",                             test_text   },
        {"JSON",                             test_json   },
        {"a damaged message",                test_damaged},
        {"the head stands over the columns", test_head   },
    };
    capture_open(&capture);
    int outcome = SUITE_RUN("tools/listing", tests, argc, argv);
    capture_close(&capture);
    return outcome;
}
