/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_sink_dialog.c - the floor's replies and bodies are the same wherever a dialog is cut.
 *
 * Method: whole dialogs with the replies, bodies and messages they must give; each at every
 * single cut, and an octet at a time; then more replies than fit at once.
 */
#include "perf/sink_dialog.h"
#include "tests/tools/suite.h"

#include <string.h>

#define TEXT_MAX 65536u

#define GREETING "220 floor ESMTP\r\n"
#define EHLO_REPLY                                                                      \
    "250-floor\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-BINARYMIME\r\n250-SMTPUTF8\r\n" \
    "250-CHUNKING\r\n250 ENHANCEDSTATUSCODES\r\n"
#define OK       "250 2.0.0 OK\r\n"
#define UNKNOWN  "500 5.5.2 Command unknown\r\n"
#define BAD_SIZE "501 5.5.4 Syntax: BDAT size [LAST]\r\n"
#define DIGITS   "0123456789012345678901234567890123456789"

struct dialog_row {
    const char *name;
    const char *input;
    const char *replies; /* behind the greeting */
    const char *bodies;  /* all of them, one behind the other */
    unsigned messages;
};

/* clang-format off */
static const struct dialog_row rows[] = {
    {
        "a message",
        "EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nhello\r\n.\r\nQUIT\r\n",
        EHLO_REPLY "250 2.1.0 OK\r\n250 2.1.5 OK\r\n354 Go ahead\r\n" OK "221 2.0.0 Bye\r\n",
        "hello\r\n.\r\n",
        1,
    },
    {
        "two, pipelined: an empty one, and one with stuffing",
        "MAIL FROM:<>\r\nRCPT TO:<c>\r\nDATA\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<c>\r\nDATA\r\n"
        "..\r\n.x\r\n\n.\r\n\r\n.\r\nNOOP\r\n",
        "250 2.1.0 OK\r\n250 2.1.5 OK\r\n354 Go ahead\r\n" OK
        "250 2.1.0 OK\r\n250 2.1.5 OK\r\n354 Go ahead\r\n" OK OK,
        ".\r\n..\r\n.x\r\n\n.\r\n\r\n.\r\n",
        2,
    },
    {
        "verbs in any case, a bare LF, what is no verb",
        "helo x\r\nrSeT\r\nnoop\nVRFY a\r\nMAILX\r\nMAI\r\n\r\nexpn\r\nQUIT\r\nNOOP\r\n",
        "250 floor\r\n" OK OK "252 2.1.5 OK\r\n" UNKNOWN UNKNOWN UNKNOWN UNKNOWN
        "221 2.0.0 Bye\r\n",
        "",
        0,
    },
    {
        "chunks",
        "BDAT 6\r\nabc\r\n.BDAT 0\r\nBDAT 5 LAST\r\n\r\n.\r\nBDAT 0 last\r\nBDAT\r\nBDAT x\r\n"
        "BDAT 1 FIRST\r\nBDAT 99999999999999999999\r\nbdat 1 last\r\nxNOOP\r\n",
        OK OK OK OK BAD_SIZE BAD_SIZE BAD_SIZE BAD_SIZE OK OK,
        "abc\r\n.\r\n.\r\nx",
        3,
    },
    {
        "LMTP: a reply for each recipient",
        "LHLO x\r\nMAIL FROM:<>\r\nDATA\r\nRCPT TO:<a>\r\nRCPT TO:<b>\r\nRCPT TO:<c>\r\nDATA\r\n"
        "x\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<a>\r\nRCPT TO:<b>\r\nBDAT 1\r\nxBDAT 1 LAST\r\ny",
        EHLO_REPLY "250 2.1.0 OK\r\n503 5.5.1 RCPT first\r\n250 2.1.5 OK\r\n250 2.1.5 OK\r\n"
        "250 2.1.5 OK\r\n354 Go ahead\r\n" OK OK OK
        "250 2.1.0 OK\r\n250 2.1.5 OK\r\n250 2.1.5 OK\r\n" OK OK OK,
        "x\r\n.\r\nxy",
        2,
    },
    {
        "recipients are forgotten with the transaction",
        "LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a>\r\nRCPT TO:<b>\r\nRSET\r\nRCPT TO:<a>\r\n"
        "DATA\r\n.\r\n",
        EHLO_REPLY "250 2.1.0 OK\r\n250 2.1.5 OK\r\n250 2.1.5 OK\r\n" OK
        "250 2.1.5 OK\r\n354 Go ahead\r\n" OK,
        ".\r\n",
        1,
    },
    {
        "a line longer than is kept gets one reply",
        "MAIL FROM:<" DIGITS DIGITS ">\r\nNOOP " DIGITS DIGITS "\r\n",
        "250 2.1.0 OK\r\n" OK,
        "",
        0,
    },
};
/* clang-format on */

/* What came out. */
struct record {
    struct rp_sink_dialog dialog;
    struct rp_sink_dialog_out out;
    char replies[TEXT_MAX];
    size_t replies_len;
    char bodies[TEXT_MAX];
    size_t bodies_len;
    unsigned messages;
    unsigned fulls;
};
static struct record record;

static void begin(void)
{
    memset(&record, 0, sizeof(record));
    rp_sink_dialog_init(&record.dialog, &record.out);
}

static void flush(void)
{
    CU_ASSERT_FATAL(record.replies_len + record.out.len <= TEXT_MAX);
    memcpy(record.replies + record.replies_len, record.out.text, record.out.len);
    record.replies_len += record.out.len;
    record.out.len = 0;
}

static void feed(const char *input, size_t len)
{
    struct rp_span in = {.ptr = (const uint8_t *)input, .len = len};
    struct rp_span body;
    for (;;) {
        switch (rp_sink_dialog_next(&record.dialog, &in, &record.out, &body)) {
        case RP_SINK_DIALOG_MORE: CU_ASSERT_EQUAL(in.len, 0); return;
        case RP_SINK_DIALOG_FULL:
            CU_ASSERT_TRUE_FATAL(record.out.len > 0);
            record.fulls++;
            flush();
            break;
        case RP_SINK_DIALOG_BODY:
            CU_ASSERT_FATAL(body.len > 0 && record.bodies_len + body.len <= TEXT_MAX);
            memcpy(record.bodies + record.bodies_len, body.ptr, body.len);
            record.bodies_len += body.len;
            break;
        case RP_SINK_DIALOG_END: record.messages++; break;
        case RP_SINK_DIALOG_QUIT: return;
        }
    }
}

static bool is_right(const struct dialog_row *row)
{
    flush();
    size_t greeting_len = strlen(GREETING);
    size_t replies_len = strlen(row->replies);
    return record.replies_len == greeting_len + replies_len &&
           memcmp(record.replies, GREETING, greeting_len) == 0 &&
           memcmp(record.replies + greeting_len, row->replies, replies_len) == 0 &&
           record.bodies_len == strlen(row->bodies) &&
           memcmp(record.bodies, row->bodies, record.bodies_len) == 0 &&
           record.messages == row->messages;
}

static void test_cuts(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *input = rows[i].input;
        size_t len = strlen(input);
        for (size_t cut = 0; cut <= len; cut++) {
            begin();
            feed(input, cut);
            feed(input + cut, len - cut);
            if (!is_right(&rows[i])) {
                printf("\n%s, cut at %zu:\n%.*s\n", rows[i].name, cut, (int)record.replies_len,
                       record.replies);
                CU_FAIL("cut");
                break;
            }
        }
        begin();
        for (size_t at = 0; at < len; at++) {
            feed(input + at, 1);
        }
        CU_ASSERT_TRUE(is_right(&rows[i]));
    }
}

/* More replies than fit: none is lost, and what is in the way says so. */
static void test_full(void)
{
    begin();
    static char input[6 * 1000];
    for (size_t i = 0; i < 1000; i++) {
        memcpy(input + 6 * i, "NOOP\r\n", 6);
    }
    feed(input, 6 * 1000);
    flush();
    CU_ASSERT_EQUAL(record.replies_len, strlen(GREETING) + 1000 * strlen(OK));
    CU_ASSERT_TRUE(record.fulls >= 1000 * strlen(OK) / RP_SINK_DIALOG_OUT_MAX);
}

/* The end of a message is told before any of its replies leaves. */
static void test_owed(void)
{
    begin();
    feed("LHLO x\r\nMAIL FROM:<>\r\n", 22);
    for (size_t i = 0; i < 1000; i++) {
        feed("RCPT TO:<a>\r\n", 13);
    }
    feed("DATA\r\nx\r\n", 9);
    flush();
    size_t before = record.replies_len;
    struct rp_span in = RP_SPAN_OF(".\r\nNOOP\r\n");
    struct rp_span body;
    CU_ASSERT_EQUAL(rp_sink_dialog_next(&record.dialog, &in, &record.out, &body),
                    RP_SINK_DIALOG_BODY);
    CU_ASSERT_EQUAL(record.out.len, 0);
    CU_ASSERT_EQUAL(rp_sink_dialog_next(&record.dialog, &in, &record.out, &body),
                    RP_SINK_DIALOG_END);
    CU_ASSERT_EQUAL(record.out.len, 0);
    CU_ASSERT_EQUAL(rp_sink_dialog_next(&record.dialog, &in, &record.out, &body),
                    RP_SINK_DIALOG_FULL);
    CU_ASSERT_EQUAL(in.len, 6);
    flush();
    feed((const char *)in.ptr, in.len);
    flush();
    CU_ASSERT_EQUAL(record.replies_len - before, 1001 * strlen(OK));
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"every cut",             test_cuts},
        {"more replies than fit", test_full},
        {"replies owed",          test_owed},
    };
    return SUITE_RUN("perf/sink_dialog", tests, argc, argv);
}
