/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_cmd_data.c - DATA and what becomes of a body.
 *
 * Goal: a good body arrives whole; a bad one is refused at the dot, once, with the right
 * reply, and its transaction is over. Method: dialogs, each played at every cut.
 */
#include "dialog.h"
#include "proto/smtp_verb.h"

#define BEGIN       "HELO a\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\n"
#define BEGIN_REPLY "250 mx.example\r\n250 2.1.0 OK\r\n250 2.1.5 OK\r\n"
#define BEGIN_EVENT "HELO a\nMAIL  null size=0 []\nRCPT a@b []\n"
#define GO          "354 End data with <CR><LF>.<CR><LF>\r\n"
#define QUEUED      "250 2.0.0 OK queued as 7\r\n"
#define NO_MAIL     "503 5.5.1 Error: need MAIL command\r\n"
#define TOO_BIG     "552 5.3.4 Error: Too much mail data\r\n"
#define BARE        "550 5.6.11 Error: bare CR or LF in message body\r\n"
#define LONG        "500 5.6.0 Line too long (see RFC5321 4.5.3.1.6)\r\n"

static void test_bodies(void)
{
    const struct rp_smtp_config config = dialog_config();
    dialog_check(&config, "", BEGIN "DATA\r\nHello\r\n\r\n..dot\r\n.x\r\n.\r\nRCPT TO:<c@d>\r\n",
                 BEGIN_REPLY GO QUEUED NO_MAIL,
                 BEGIN_EVENT "DATA\nMESSAGE 18:Hello\r\n\r\n.dot\r\nx\r\n\n5 lines");
    dialog_check(&config, "", BEGIN "data  \r\n.\r\nQUIT\r\n",
                 BEGIN_REPLY GO QUEUED "221 2.0.0 Bye\r\n",
                 BEGIN_EVENT "DATA\nMESSAGE 0:\nCLOSE\n5 lines, 0 recipients, 1 messages");
    dialog_check(&config, "", BEGIN "DATA\r\nstill going\r\n", BEGIN_REPLY GO,
                 BEGIN_EVENT "DATA\n4 lines, 1 recipients, 0 messages, in a body\nbody 13\n");
    const struct rp_span nul = RP_SPAN_OF(BEGIN "DATA\r\n\0\xFF\r\n.\r\n");
    dialog_check_octets(&config, "", nul, BEGIN_REPLY GO QUEUED, BEGIN_EVENT "DATA\nMESSAGE 4:");
}

static void test_order(void)
{
    static const struct dialog_row rows[] = {
        {"DATA now\r\n", "501 5.5.4 Syntax: DATA\r\n"},
        {"DATA\r\n",     GO                          },
        {"DATA\t\r\n",   GO                          },
        {"DATA \t\r\n",  GO                          },
    };
    const struct rp_smtp_config config = dialog_config();
    dialog_check_rows(&config, BEGIN, BEGIN_REPLY, rows, DIALOG_ROW_COUNT(rows));
    dialog_check(&config, "", "DATA\r\nHELO a\r\nDATA\r\nMAIL FROM:<>\r\nDATA\r\n",
                 "503 5.5.1 Error: send HELO first\r\n250 mx.example\r\n"
                 "503 5.5.1 Error: need RCPT command\r\n250 2.1.0 OK\r\n"
                 "503 5.5.1 Error: need RCPT command\r\n",
                 "HELO a\nMAIL  null size=0 []\n5 lines");
}

/* A refused DATA leaves the transaction, as RFC 5321, 4.1.4, has it for any command. */
static void test_refused_data(void)
{
    const struct rp_smtp_config config = dialog_config();
    dialog_check(&config, "aaatr", BEGIN "DATA\r\nDATA\r\nDATA\r\n.\r\n",
                 BEGIN_REPLY "450 4.7.1 Later\r\n550 5.7.1 Never\r\n" GO QUEUED,
                 BEGIN_EVENT "DATA\nDATA\nDATA\nMESSAGE 0:\n");
    dialog_check(&config, "aaac", BEGIN "DATA\r\nDATA\r\n", BEGIN_REPLY "421 4.3.2 Closing\r\n",
                 BEGIN_EVENT "DATA\nRESET\nCLOSE\n4 lines, 0 recipients, 0 messages\n");
}

static void test_refused_message(void)
{
    const struct rp_smtp_config config = dialog_config();
    dialog_check(&config, "aaaar", BEGIN "DATA\r\nx\r\n.\r\nDATA\r\nMAIL FROM:<>\r\n",
                 BEGIN_REPLY GO "550 5.7.1 Never\r\n503 5.5.1 Error: need RCPT command\r\n"
                                "250 2.1.0 OK\r\n",
                 BEGIN_EVENT "DATA\nMESSAGE 3:x\r\n\nMAIL  null size=0 []\n"
                             "6 lines, 0 recipients, 0 messages");
    dialog_check(&config, "aaaac", BEGIN "DATA\r\nx\r\n.\r\nNOOP\r\n",
                 BEGIN_REPLY GO "421 4.3.2 Closing\r\n",
                 BEGIN_EVENT "DATA\nMESSAGE 3:x\r\n\nCLOSE\n4 lines, 0 recipients, 0 messages");
}

static void test_refused_body(void)
{
    const struct rp_smtp_config config = dialog_config();
    dialog_check(&config, "aaab", BEGIN "DATA\r\nx\r\ny\r\n.\r\nDATA\r\nNOOP\r\n",
                 BEGIN_REPLY GO "452 4.3.1 Full\r\n503 5.5.1 Error: need RCPT command\r\n"
                                "250 2.0.0 OK\r\n",
                 BEGIN_EVENT "DATA\n6 lines, 0 recipients, 0 messages\n");
    /* What the caller says counts, whatever else is wrong with the body. */
    dialog_check(&config, "aaab", BEGIN "DATA\r\nx\ry\r\n.\r\nNOOP\r\n",
                 BEGIN_REPLY GO "452 4.3.1 Full\r\n250 2.0.0 OK\r\n", BEGIN_EVENT "DATA\n5 lines");
    /* An empty body has no first octets. */
    dialog_check(&config, "aaab", BEGIN "DATA\r\n.\r\n", BEGIN_REPLY GO QUEUED,
                 BEGIN_EVENT "DATA\nMESSAGE 0:\n");
}

static void test_size(void)
{
    struct rp_smtp_config config = dialog_config();
    config.message_size_max = 5;
    dialog_check(&config, "", BEGIN "DATA\r\nabc\r\n.\r\n", BEGIN_REPLY GO QUEUED,
                 BEGIN_EVENT "DATA\nMESSAGE 5:abc\r\n\n");
    dialog_check(&config, "", BEGIN "DATA\r\nabcd\r\n.\r\nDATA\r\nMAIL FROM:<>\r\n",
                 BEGIN_REPLY GO TOO_BIG "503 5.5.1 Error: need RCPT command\r\n250 2.1.0 OK\r\n",
                 BEGIN_EVENT "DATA\nRESET\nMAIL  null size=0 []\n"
                             "6 lines, 0 recipients, 0 messages\n");
    /* The stuffed dot is not part of the message. */
    dialog_check(&config, "", BEGIN "DATA\r\n..bc\r\n.\r\n", BEGIN_REPLY GO QUEUED, NULL);
    dialog_check(&config, "", BEGIN "DATA\r\nmuch too much\r\n", BEGIN_REPLY GO,
                 BEGIN_EVENT "DATA\nRESET\n4 lines");
    config.message_size_max = 0;
    dialog_check(&config, "", BEGIN "DATA\r\nmuch too much\r\n.\r\n", BEGIN_REPLY GO QUEUED, NULL);
}

/* The caller never gets more than the limit, also when the limit lies inside a span. */
static void test_size_clip(void)
{
    static uint8_t line[DIALOG_LINE_MAX];
    static uint8_t octets[8 * RP_REPLY_MAX];
    struct rp_smtp_config config = dialog_config();
    config.message_size_max = 5;
    struct rp_smtp smtp;
    struct rp_reply_out out = {octets, 0, sizeof(octets)};
    rp_smtp_init(&smtp, &config, line, sizeof(line));
    struct rp_span in = RP_SPAN_OF(BEGIN "DATA\r\n0123456789\r\n.\r\n");
    for (int i = 0; i < 4; i++) {
        (void)rp_smtp_next(&smtp, &in, &out);
        rp_smtp_accept(&smtp);
    }
    size_t len = 0;
    enum rp_smtp_event event = rp_smtp_next(&smtp, &in, &out);
    while (event == RP_SMTP_BODY) {
        len += smtp.event.body.len;
        event = rp_smtp_next(&smtp, &in, &out);
    }
    CU_ASSERT_EQUAL(event, RP_SMTP_RESET);
    CU_ASSERT_EQUAL(len, 5);
    CU_ASSERT_EQUAL(rp_smtp_next(&smtp, &in, &out), RP_SMTP_WANT_INPUT);
    CU_ASSERT_EQUAL(in.len, 0);
    CU_ASSERT_FALSE(smtp.in_body);
    CU_ASSERT_EQUAL(smtp.body_len, 12);
}

static void test_bare(void)
{
    struct rp_smtp_config config = dialog_config();
    dialog_check(&config, "", BEGIN "DATA\r\na\nb\r\n.\r\nNOOP\r\n",
                 BEGIN_REPLY GO BARE "250 2.0.0 OK\r\n", BEGIN_EVENT "DATA\nRESET\n5 lines");
    dialog_check(&config, "", BEGIN "DATA\r\na\n.\nMAIL FROM:<s@s>\r\n.\r\nNOOP\r\n",
                 BEGIN_REPLY GO BARE "250 2.0.0 OK\r\n", BEGIN_EVENT "DATA\nRESET\n5 lines");
    dialog_check(&config, "", BEGIN "DATA\r\na\r\n.\rb\r\n.\r\n", BEGIN_REPLY GO BARE, NULL);
    config.bare_newline = RP_DOT_KEEP;
    dialog_check(&config, "", BEGIN "DATA\r\na\nb\rc\r\n.\r\n", BEGIN_REPLY GO QUEUED,
                 BEGIN_EVENT "DATA\nMESSAGE 7:a\nb\rc\r\n\n");
    config.bare_newline = RP_DOT_NORMALIZE;
    dialog_check(&config, "", BEGIN "DATA\r\na\nb\rc\r\n.\r\n", BEGIN_REPLY GO QUEUED,
                 BEGIN_EVENT "DATA\nMESSAGE 9:a\r\nb\r\nc\r\n\n");
}

static void test_long_line(void)
{
    struct rp_smtp_config config = dialog_config();
    config.line_length_max = 8;
    dialog_check(&config, "", BEGIN "DATA\r\n123456\r\n.23456\r\n.\r\n", BEGIN_REPLY GO QUEUED,
                 BEGIN_EVENT "DATA\nMESSAGE 15:123456\r\n23456\r\n\n");
    dialog_check(&config, "", BEGIN "DATA\r\n1234567\r\n.\r\nNOOP\r\n",
                 BEGIN_REPLY GO LONG "250 2.0.0 OK\r\n", BEGIN_EVENT "DATA\nRESET\n5 lines");
    dialog_check(&config, "", BEGIN "DATA\r\n.234567\r\n.\r\n", BEGIN_REPLY GO LONG, NULL);
    config.line_length_max = 0;
    dialog_check(&config, "", BEGIN "DATA\r\n1234567\r\n.\r\n", BEGIN_REPLY GO QUEUED, NULL);
}

/* With more than one fault the reply is the same in whatever order they come. */
static void test_more_faults(void)
{
    struct rp_smtp_config config = dialog_config();
    config.line_length_max = 8;
    config.message_size_max = 20;
    static const char *const too_big[] = {
        BEGIN "DATA\r\n1\n3456789\r\nabc\r\nabc\r\nabc\r\n.\r\n",
        BEGIN "DATA\r\nabc\r\nabc\r\nabc\r\nabc\r\nabc\r\n1\n345678\r\n.\r\n",
        BEGIN "DATA\r\n123456789\r\nabc\r\nabc\r\nabc\r\n.\r\n",
    };
    for (size_t i = 0; i < DIALOG_ROW_COUNT(too_big); i++) {
        dialog_check(&config, "", too_big[i], BEGIN_REPLY GO TOO_BIG,
                     BEGIN_EVENT "DATA\nRESET\n4 lines");
    }
    dialog_check(&config, "", BEGIN "DATA\r\n123456789\r\na\nb\r\n.\r\n", BEGIN_REPLY GO BARE,
                 NULL);
    dialog_check(&config, "", BEGIN "DATA\r\na\nb\r\n123456789\r\n.\r\n", BEGIN_REPLY GO BARE,
                 NULL);

    struct rp_cmd_data_faults faults = {.has_long_line = true};
    CU_ASSERT_EQUAL(rp_cmd_data_refusal(faults)->code, 500);
    faults.has_bare = true;
    CU_ASSERT_EQUAL(rp_cmd_data_refusal(faults)->code, 550);
    faults.is_too_big = true;
    CU_ASSERT_EQUAL(rp_cmd_data_refusal(faults)->code, 552);
}

/* Two messages in one go, the second one after a body with every fault of reference A.6. */
static void test_smuggling(void)
{
    static const char *const sequences[] = {
        "\n.\r\n", "\n.\n", "\r\n.\n", "\r.\r", "\r.\r\n", "\r\n.\r", "\r.\n", "\r\n\1.\r\n",
    };
    const struct rp_smtp_config config = dialog_config();
    for (size_t i = 0; i < DIALOG_ROW_COUNT(sequences); i++) {
        char input[256];
        (void)snprintf(input, sizeof(input),
                       BEGIN "DATA\r\nbody%sMAIL FROM:<s@s>\r\nRCPT TO:<s@s>\r\nDATA\r\nx\r\n.\r\n"
                             "NOOP\r\n",
                       sequences[i]);
        const bool is_good = i + 1 == DIALOG_ROW_COUNT(sequences);
        dialog_check(&config, "", input,
                     is_good ? BEGIN_REPLY GO QUEUED "250 2.0.0 OK\r\n"
                             : BEGIN_REPLY GO BARE "250 2.0.0 OK\r\n",
                     is_good ? BEGIN_EVENT "DATA\nMESSAGE 51:"
                             : BEGIN_EVENT "DATA\nRESET\n5 lines, 0 recipients, 0 messages");
    }
}

int main(void)
{
    static const CU_TestInfo tests[] = {
        {"bodies",              test_bodies         },
        {"order",               test_order          },
        {"DATA refused",        test_refused_data   },
        {"message refused",     test_refused_message},
        {"body refused",        test_refused_body   },
        {"size",                test_size           },
        {"size inside a span",  test_size_clip      },
        {"bare newlines",       test_bare           },
        {"long lines",          test_long_line      },
        {"more than one fault", test_more_faults    },
        {"smuggling",           test_smuggling      },
        CU_TEST_INFO_NULL,
    };
    return dialog_main("proto/cmd_data", tests);
}
