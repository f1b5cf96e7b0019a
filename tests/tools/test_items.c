/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_items.c - every item of an envelope has its name, its value and its place.
 *
 * Goal: show loses nothing but filler: what is unknown or malformed comes out in hexadecimal.
 * Method: a row a tag, with the line and the member that it gives; each tag with every length of
 * value up to ten, which must be named or else be tag-N; recipients with and without
 * parameters. Values end at a guard page.
 */
#include "capture.h"
#include "fake_reader.h"
#include "suite.h"
#include "tests/proto/guard.h"
#include "tools/items.h"

static struct capture capture;
static struct guard guard;

static const char *json_of(const struct rp_spool_item *items, size_t count)
{
    struct fake_message message = {.items = items, .item_count = count};
    struct rp_json json;
    rp_json_open(&json);
    rp_items_set_json(&json, fake_view(&message));
    CU_ASSERT_EQUAL_FATAL(rp_json_put(&json, &capture.output), 0);
    return capture_take(&capture);
}

static void test_rows(void)
{
    /* clang-format off */
    static const struct {
        uint16_t tag;
        uint32_t len;
        const char *value;
        const char *line;
        const char *json;
    } rows[] = {
        {1, 9, "192.0.2.1",     "client            192.0.2.1\n",      "{\"client\":\"192.0.2.1\"}\n"},
        {2, 2, "\xdd\x09",      "client_port       2525\n",           "{\"client_port\":2525}\n"},
        {3, 4, "[::]",          "listener          [::]\n",           "{\"listener\":\"[::]\"}\n"},
        {4, 5, "a\x1b[0m",      "helo              a\\x1b[0m\n",      "{\"helo\":\"a\\u001B[0m\"}\n"},
        {5, 5, "ESMTP",         "protocol          ESMTP\n",          "{\"protocol\":\"ESMTP\"}\n"},
        {6, 0, "",              "sender            <>\n",             "{\"sender\":\"\"}\n"},
        {6, 3, "a@b",           "sender            a@b\n",            "{\"sender\":\"a@b\"}\n"},
        {6, 3, "\xff@b",        "sender            \\xff@b\n",        "{\"sender_base64\":\"/0Bi\"}\n"},
        {7, 6, "SIZE=5",        "sender_params     SIZE=5\n",         "{\"sender_params\":\"SIZE=5\"}\n"},
        {8, 3, "c@d",           "recipient         c@d\n",            "{\"recipients\":[{\"address\":\"c@d\"}]}\n"},
        {9, 1, "x",             "recipient_params  x\n",              "{\"recipient_params\":\"x\"}\n"},
        {10, 1, "\0",           "body_type         7BIT\n",           "{\"body_type\":\"7BIT\"}\n"},
        {10, 1, "\1",           "body_type         8BITMIME\n",       "{\"body_type\":\"8BITMIME\"}\n"},
        {10, 1, "\2",           "body_type         BINARYMIME\n",     "{\"body_type\":\"BINARYMIME\"}\n"},
        {10, 1, "\3",           "tag-10            03\n",             "{\"tag-10\":[\"03\"]}\n"},
        {11, 0, "",             "smtputf8          yes\n",            "{\"smtputf8\":true}\n"},
        {12, 8, "\0\0\0\0\0\0\0\0", "arrival           1970-01-01T00:00:00.000Z\n",
                                                "{\"arrival\":\"1970-01-01T00:00:00.000Z\"}\n"},
        {13, 8, "\1\2\0\0\0\0\0\xff", "big_id            ff00000000000201\n",
                                                "{\"big_id\":\"ff00000000000201\"}\n"},
        {14, 7, "TLSv1.3",      "tls_version       TLSv1.3\n",        "{\"tls_version\":\"TLSv1.3\"}\n"},
        {15, 3, "AES",          "tls_cipher        AES\n",            "{\"tls_cipher\":\"AES\"}\n"},
        {16, 2, "me",           "auth_identity     me\n",             "{\"auth_identity\":\"me\"}\n"},
        {17, 2, "\0\xff",       "",                                  "{}\n"}, /* filler says nothing */
        {17, 0, "",             "",                                  "{}\n"},
        {18, 2, "\0\xff",       "tag-18            00ff\n",           "{\"tag-18\":[\"00ff\"]}\n"},
        {0, 0, "",              "tag-0             \n",               "{\"tag-0\":[\"\"]}\n"},
        {65535, 1, "a",         "tag-65535         61\n",             "{\"tag-65535\":[\"61\"]}\n"},
    };
    /* clang-format on */
    for (size_t index = 0; index < sizeof(rows) / sizeof(rows[0]); index++) {
        struct rp_spool_item item = {
            .tag = rows[index].tag,
            .value = guard_copy(&guard, rows[index].value, rows[index].len),
            .len = rows[index].len,
        };
        rp_items_put(&capture.output, &item);
        CU_ASSERT_STRING_EQUAL(capture_take(&capture), rows[index].line);
        CU_ASSERT_STRING_EQUAL(json_of(&item, 1), rows[index].json);
    }
}

/* Whatever its length, an item gives exactly one line and one member, named or tag-N. */
static void test_lengths(void)
{
    for (unsigned tag = 0; tag < 40; tag++) {
        if (tag == RP_SPOOL_TAG_FILLER) {
            continue;
        }
        for (uint32_t len = 0; len <= 10; len++) {
            struct rp_spool_item item = {
                .tag = (uint16_t)tag,
                .value = guard_copy(&guard, "\1\1\1\1\1\1\1\1\1\1", len),
                .len = len,
            };
            bool is_named = rp_items_find(&item) != NULL;
            rp_items_put(&capture.output, &item);
            const char *line = capture_take(&capture);
            CU_ASSERT_EQUAL(strncmp(line, "tag-", 4) != 0, is_named);
            CU_ASSERT_PTR_EQUAL(strchr(line, '\n'), line + capture.len - 1);
            const char *json = json_of(&item, 1);
            CU_ASSERT_EQUAL(strncmp(json, "{\"tag-", 6) != 0, is_named);
        }
    }
}

static void test_recipients(void)
{
    const struct rp_spool_item items[] = {
        fake_item(RP_SPOOL_TAG_SENDER, "s@x"),
        fake_item(RP_SPOOL_TAG_RECIPIENT, "a@x"),
        fake_item(RP_SPOOL_TAG_RECIPIENT, "b@x"),
        fake_item(RP_SPOOL_TAG_RECIPIENT_PARAMS, "NOTIFY=NEVER"),
        fake_item(RP_SPOOL_TAG_RECIPIENT, "\xff@x"),
        {.tag = 99,                  .value = (const uint8_t *)"\1",   .len = 1},
        {.tag = 99,                  .value = (const uint8_t *)"\2",   .len = 1},
        {.tag = RP_SPOOL_TAG_FILLER, .value = (const uint8_t *)"\0\0", .len = 2},
    };
    CU_ASSERT_STRING_EQUAL(
        json_of(items, sizeof(items) / sizeof(items[0])),
        "{\"sender\":\"s@x\",\"recipients\":[{\"address\":\"a@x\"},"
        "{\"address\":\"b@x\",\"params\":\"NOTIFY=NEVER\"},{\"address_base64\":\"/0B4\"}],"
        "\"tag-99\":[\"01\",\"02\"]}\n");
    CU_ASSERT_STRING_EQUAL(json_of(items, 4),
                           "{\"sender\":\"s@x\",\"recipients\":[{\"address\":\"a@x\"},"
                           "{\"address\":\"b@x\",\"params\":\"NOTIFY=NEVER\"}]}\n");
    CU_ASSERT_STRING_EQUAL(json_of(items, 0), "{}\n");
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"a row a tag",  test_rows      },
        {"every length", test_lengths   },
        {"recipients",   test_recipients},
    };
    guard_open(&guard, 4096);
    capture_open(&capture);
    int outcome = SUITE_RUN("tools/items", tests, argc, argv);
    capture_close(&capture);
    guard_close(&guard);
    return outcome;
}
