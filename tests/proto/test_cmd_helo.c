/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_cmd_helo.c - HELO and EHLO.
 *
 * Goal: the name is checked, the reply lists what is on and nothing else, and a greeting
 * inside a transaction ends it. Method: dialogs, each played at every cut.
 */
#include "dialog.h"

#define EHLO_REPLY                                                              \
    "250-mx.example\r\n250-PIPELINING\r\n250-SIZE 33554432\r\n250-8BITMIME\r\n" \
    "250-SMTPUTF8\r\n250-LIMITS RCPTMAX=1000\r\n250-ENHANCEDSTATUSCODES\r\n250 HELP\r\n"

static void test_names(void)
{
    static const struct dialog_row rows[] = {
        {"HELO client.example\r\n",      "250 mx.example\r\n"                             },
        {"helo client.example\r\n",      "250 mx.example\r\n"                             },
        {"HELO  client.example  \r\n",   "250 mx.example\r\n"                             },
        {"EHLO client.example\r\n",      EHLO_REPLY                                       },
        {"eHlO [192.0.2.1]\r\n",         EHLO_REPLY                                       },
        {"EHLO [IPv6:2001:db8::1]\r\n",  EHLO_REPLY                                       },
        {"EHLO my_host\r\n",             EHLO_REPLY                                       },
        {"EHLO 2001:db8::1\r\n",         "501 5.5.2 Error: malformed host name\r\n"       },
        {"EHLO\r\n",                     "501 5.5.4 Syntax: EHLO hostname\r\n"            },
        {"EHLO   \r\n",                  "501 5.5.4 Syntax: EHLO hostname\r\n"            },
        {"HELO\r\n",                     "501 5.5.4 Syntax: HELO hostname\r\n"            },
        {"HELO a b\r\n",                 "501 5.5.2 Error: malformed host name\r\n"       },
        {"EHLO <script>\r\n",            "501 5.5.2 Error: malformed host name\r\n"       },
        {"HELO caf\xC3\xA9.example\r\n", "500 5.5.2 Error: non-ASCII octet in command\r\n"},
        {"EHLO caf\xC3\xA9.example\r\n", "500 5.5.2 Error: non-ASCII octet in command\r\n"},
    };
    const struct rp_smtp_config config = dialog_config();
    dialog_check_rows(&config, "", "", rows, DIALOG_ROW_COUNT(rows));
}

static void test_extensions(void)
{
    struct rp_smtp_config config = dialog_config();
    config.pipelining = config.smtputf8 = config.help = false;
    config.message_size_max = 0;
    config.recipients_max = 1;
    config.messages_max = 7;
    dialog_check(&config, "", "EHLO a\r\n",
                 "250-mx.example\r\n250-SIZE\r\n250-8BITMIME\r\n250-LIMITS RCPTMAX=1 MAILMAX=7\r\n"
                 "250 ENHANCEDSTATUSCODES\r\n",
                 "EHLO a\n");
    config.recipients_max = 5;
    config.recipients_told = 3; /* less is told than taken */
    dialog_check(&config, "", "EHLO a\r\n",
                 "250-mx.example\r\n250-SIZE\r\n250-8BITMIME\r\n250-LIMITS RCPTMAX=3 MAILMAX=7\r\n"
                 "250 ENHANCEDSTATUSCODES\r\n",
                 "EHLO a\n");
}

/* The longest reply there is fits into the room that is asked for. */
static void test_longest_reply(void)
{
    static uint8_t name[255];
    static uint8_t line[DIALOG_LINE_MAX];
    static uint8_t octets[RP_REPLY_MAX];
    memset(name, 'h', sizeof(name));
    struct rp_smtp_config config = dialog_config();
    config.hostname = (struct rp_span){name, sizeof(name)};
    config.ident = config.hostname;
    config.message_size_max = UINT64_MAX;
    config.recipients_max = config.messages_max = UINT32_MAX;

    struct rp_smtp smtp;
    struct rp_reply_out out = {octets, 0, sizeof(octets)};
    rp_smtp_init(&smtp, &config, line, sizeof(line));
    rp_smtp_greet(&smtp, &out);
    CU_ASSERT_EQUAL(out.len, 4 + 255 + 7 + 255 + 2);

    out.len = 0;
    struct rp_span in = RP_SPAN_OF("EHLO a\r\n");
    CU_ASSERT_EQUAL(rp_smtp_next(&smtp, &in, &out), RP_SMTP_HELO);
    rp_smtp_accept(&smtp);
    CU_ASSERT_EQUAL(rp_smtp_next(&smtp, &in, &out), RP_SMTP_WANT_INPUT);
    static const char rest[] =
        "\r\n250-PIPELINING\r\n250-SIZE 18446744073709551615\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
        "250-LIMITS RCPTMAX=4294967295 MAILMAX=4294967295\r\n250-ENHANCEDSTATUSCODES\r\n"
        "250 HELP\r\n";
    CU_ASSERT_EQUAL(out.len, 4 + 255 + sizeof(rest) - 1);
    CU_ASSERT_EQUAL(memcmp(octets + 4 + 255, rest, sizeof(rest) - 1), 0);
}

static void test_transaction_ends(void)
{
    const struct rp_smtp_config config = dialog_config();
    dialog_check(&config, "",
                 "EHLO a\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nHELO again\r\n"
                 "DATA\r\nMAIL FROM:<a@b.example>\r\nEHLO third\r\nRCPT TO:<c@d.example>\r\n",
                 EHLO_REPLY "250 2.1.0 OK\r\n250 2.1.5 OK\r\n250 mx.example\r\n"
                            "503 5.5.1 Error: need RCPT command\r\n250 2.1.0 OK\r\n" EHLO_REPLY
                            "503 5.5.1 Error: need MAIL command\r\n",
                 "EHLO a\nMAIL a@b.example size=0 []\nRCPT c@d.example []\nRESET\nHELO again\n"
                 "MAIL a@b.example size=0 []\nRESET\nEHLO third\n8 lines, 0 recipients");
}

static void test_refused(void)
{
    const struct rp_smtp_config config = dialog_config();
    /* A refused greeting at the start leaves the session without one. */
    dialog_check(&config, "r", "EHLO a\r\nMAIL FROM:<a@b.example>\r\n",
                 "550 5.7.1 Never\r\n503 5.5.1 Error: send HELO first\r\n", "EHLO a\n2 lines");
    /* A later one leaves what was, but the transaction is over. */
    dialog_check(&config, "aat",
                 "HELO a\r\nMAIL FROM:<a@b.example>\r\nEHLO b\r\nMAIL FROM:<a@b.example> SIZE=1\r\n"
                 "MAIL FROM:<a@b.example>\r\n",
                 "250 mx.example\r\n250 2.1.0 OK\r\n450 4.7.1 Later\r\n"
                 "501 5.5.4 Syntax: MAIL FROM: <address>\r\n250 2.1.0 OK\r\n",
                 "HELO a\nMAIL a@b.example size=0 []\nRESET\nEHLO b\nMAIL a@b.example size=0 []\n");
    /* A malformed one changes nothing. */
    dialog_check(&config, "",
                 "HELO a\r\nMAIL FROM:<a@b.example>\r\nEHLO\r\nRCPT TO:<c@d.example>\r\n",
                 "250 mx.example\r\n250 2.1.0 OK\r\n501 5.5.4 Syntax: EHLO hostname\r\n"
                 "250 2.1.5 OK\r\n",
                 "HELO a\nMAIL a@b.example size=0 []\nRCPT c@d.example []\n");
    dialog_check(&config, "c", "HELO a\r\nNOOP\r\n", "421 4.3.2 Closing\r\n", "HELO a\nCLOSE\n");
    dialog_check(&config, "aac", "HELO a\r\nMAIL FROM:<a@b.example>\r\nHELO b\r\nNOOP\r\n",
                 "250 mx.example\r\n250 2.1.0 OK\r\n421 4.3.2 Closing\r\n",
                 "HELO a\nMAIL a@b.example size=0 []\nRESET\nHELO b\nCLOSE\n");
}

int main(void)
{
    static const CU_TestInfo tests[] = {
        {"names",                   test_names           },
        {"extensions that are off", test_extensions      },
        {"the longest reply",       test_longest_reply   },
        {"a transaction ends",      test_transaction_ends},
        {"refused",                 test_refused         },
        CU_TEST_INFO_NULL,
    };
    return dialog_main("proto/cmd_helo", tests);
}
