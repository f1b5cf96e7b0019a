/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_cmd_mail.c - MAIL.
 *
 * Goal: the form, the address, the parameters and the limits of MAIL, and that a refused
 * one begins nothing. Method: dialogs, each played at every cut; arguments, each given to the
 * short way and to the slow one.
 */
#include "dialog.h"
#include "proto/cmd_mail.h"

#define EHLO "EHLO client.example\r\n"
#define EHLO_REPLY                                                              \
    "250-mx.example\r\n250-PIPELINING\r\n250-SIZE 33554432\r\n250-8BITMIME\r\n" \
    "250-SMTPUTF8\r\n250-LIMITS RCPTMAX=1000\r\n250-ENHANCEDSTATUSCODES\r\n250 HELP\r\n"
#define OK     "250 2.1.0 OK\r\n"
#define SYNTAX "501 5.5.4 Syntax: MAIL FROM: <address> [SP <mail-parameters>]\r\n"
#define BAD    "553 5.1.3 Error: malformed address\r\n"
#define A_UTF8 "\xC3\xA4@b.example"

static void test_forms(void)
{
    static const struct dialog_row rows[] = {
        {"MAIL FROM:<a@b.example>\r\n",            OK                                                 },
        {"mail from:<a@b.example>\r\n",            OK                                                 },
        {"MAIL  FROM:   <a@b.example>   \r\n",     OK                                                 },
        {"MAIL FROM:<>\r\n",                       OK                                                 },
        {"MAIL FROM: a@b.example\r\n",             OK                                                 },
        {"MAIL FROM:<\"a b\"@b.example>\r\n",      OK                                                 },
        {"MAIL\r\n",                               SYNTAX                                             },
        {"MAIL FROM\r\n",                          SYNTAX                                             },
        {"MAIL FROM:\r\n",                         SYNTAX                                             },
        {"MAIL FROM:   \r\n",                      SYNTAX                                             },
        {"MAIL FROM : <a@b.example>\r\n",          SYNTAX                                             },
        {"MAIL TO:<a@b.example>\r\n",              SYNTAX                                             },
        {"MAIL <a@b.example>\r\n",                 SYNTAX                                             },
        {"MAIL FROM:<a@b@c>\r\n",                  BAD                                                },
        {"MAIL FROM:<a@b.example\r\n",             BAD                                                },
        {"MAIL FROM:<a@b.example>x\r\n",           BAD                                                },
        {"MAIL FROM:<\xFF@b.example>\r\n",         BAD                                                },
        {"MAIL FROM:<a\x01@b.example>\r\n",        "500 5.5.2 Error: control character in command\r\n"},
        {"MAIL FROM:<a@b.example>\tSIZE=1\r\n",
         "500 5.5.2 Error: control character in command\r\n"                                          },
        {"MAIL FROM:<a@b.example>\t\r\n",          OK                                                 },
        {"MAIL FROM:<a@b.example> SIZE=1 \t\r\n",  OK                                                 },
        {"MAIL FROM:<a@b.example> SMTPUTF8\t\r\n", OK                                                 },
    };
    const struct rp_smtp_config config = dialog_config();
    dialog_check_rows(&config, EHLO, EHLO_REPLY, rows, DIALOG_ROW_COUNT(rows));
}

static void test_after_helo(void)
{
    static const struct dialog_row rows[] = {
        {"MAIL FROM:<a@b.example>\r\n",        OK                                          },
        {"MAIL\r\n",                           "501 5.5.4 Syntax: MAIL FROM: <address>\r\n"},
        {"MAIL FROM:<a@b.example> SIZE=1\r\n", "501 5.5.4 Syntax: MAIL FROM: <address>\r\n"},
        {"MAIL FROM:<a@b.example> X\r\n",      "501 5.5.4 Syntax: MAIL FROM: <address>\r\n"},
        {"MAIL FROM:<a@@b> SIZE=1\r\n",        BAD                                         },
    };
    const struct rp_smtp_config config = dialog_config();
    dialog_check_rows(&config, "HELO a\r\n", "250 mx.example\r\n", rows, DIALOG_ROW_COUNT(rows));
    dialog_check(&config, "", "MAIL FROM:<a@b.example>\r\n", "503 5.5.1 Error: send HELO first\r\n",
                 "1 lines");
}

static void test_strict(void)
{
    static const struct dialog_row rows[] = {
        {"MAIL FROM:<a@b.example>\r\n", OK },
        {"MAIL FROM:<>\r\n",            OK },
        {"MAIL FROM:a@b.example\r\n",   BAD},
        {"MAIL FROM:<a>\r\n",           BAD},
    };
    struct rp_smtp_config config = dialog_config();
    config.strict_addresses = true;
    dialog_check_rows(&config, EHLO, EHLO_REPLY, rows, DIALOG_ROW_COUNT(rows));
}

static void test_local_part(void)
{
    struct rp_smtp_config config = dialog_config();
    config.local_part_max = 3;
    dialog_check(&config, "",
                 "HELO a\r\nMAIL FROM:<abcd@b.example>\r\nMAIL FROM:<abc@b.example>\r\n",
                 "250 mx.example\r\n" BAD OK, "HELO a\nMAIL abc@b.example size=0 []\n");
}

static void test_events(void)
{
    const struct rp_smtp_config config = dialog_config();
    dialog_check(&config, "", EHLO "MAIL FROM:<>  BODY=8bitmime  SIZE=12 \r\n", EHLO_REPLY OK,
                 "EHLO client.example\nMAIL  null size=12 8bit [BODY=8bitmime  SIZE=12]\n");
    dialog_check(&config, "", EHLO "MAIL FROM:<" A_UTF8 "> smtputf8 BODY=7BIT\r\n", EHLO_REPLY OK,
                 "EHLO client.example\n"
                 "MAIL " A_UTF8 " utf8 size=0 smtputf8 [smtputf8 BODY=7BIT]\n");
    dialog_check(&config, "", EHLO "MAIL FROM: a@b.example SIZE=33554432\r\n", EHLO_REPLY OK,
                 "EHLO client.example\nMAIL a@b.example size=33554432 [SIZE=33554432]\n");
}

static void test_utf8(void)
{
    struct rp_smtp_config config = dialog_config();
    dialog_check(&config, "", EHLO "MAIL FROM:<" A_UTF8 ">\r\n",
                 EHLO_REPLY "553 5.6.7 Error: a non-ASCII address needs SMTPUTF8\r\n",
                 "EHLO client.example\n2 lines");
    dialog_check(&config, "",
                 EHLO "MAIL FROM:<a@b.example> SMTPUTF8 X=\xC3\xA4\r\n"
                      "MAIL FROM:<a@b> SIZE=\xFF\r\n",
                 EHLO_REPLY "501 5.5.4 Error: malformed parameter\r\n"
                            "501 5.5.4 Error: malformed parameter\r\n",
                 "EHLO client.example\n3 lines");
    config.smtputf8 = false;
    dialog_check(&config, "",
                 "HELO a\r\nMAIL FROM:<" A_UTF8 ">\r\n"
                 "RSET\r\n",
                 "250 mx.example\r\n553 5.6.7 Error: a non-ASCII address needs SMTPUTF8\r\n"
                 "250 2.0.0 OK\r\n",
                 "HELO a\n3 lines");
}

static void test_nested(void)
{
    const struct rp_smtp_config config = dialog_config();
    dialog_check(&config, "",
                 "HELO a\r\nMAIL FROM:<a@b.example>\r\nMAIL FROM:<c@d.example>\r\n"
                 "RCPT TO:<c@d.example>\r\nMAIL FROM:<>\r\nRSET\r\nMAIL FROM:<c@d.example>\r\n",
                 "250 mx.example\r\n" OK "503 5.5.1 Error: nested MAIL command\r\n"
                 "250 2.1.5 OK\r\n503 5.5.1 Error: nested MAIL command\r\n250 2.0.0 OK\r\n" OK,
                 "HELO a\nMAIL a@b.example size=0 []\nRCPT c@d.example []\nRESET\n"
                 "MAIL c@d.example size=0 []\n7 lines");
}

static void test_refused(void)
{
    const struct rp_smtp_config config = dialog_config();
    dialog_check(&config, "artac",
                 "HELO a\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n"
                 "MAIL FROM:<a@b.example>\r\nRSET\r\nMAIL FROM:<c@d.example>\r\nRSET\r\n"
                 "MAIL FROM:<e@f.example>\r\nNOOP\r\n",
                 "250 mx.example\r\n550 5.7.1 Never\r\n503 5.5.1 Error: need MAIL command\r\n"
                 "450 4.7.1 Later\r\n250 2.0.0 OK\r\n" OK "250 2.0.0 OK\r\n421 4.3.2 Closing\r\n",
                 "HELO a\nMAIL a@b.example size=0 []\nMAIL a@b.example size=0 []\n"
                 "MAIL c@d.example size=0 []\nRESET\nMAIL e@f.example size=0 []\nCLOSE\n8 lines");
}

/* A message that was refused does not count, one that the caller took does. */
static void test_messages_max(void)
{
    struct rp_smtp_config config = dialog_config();
    config.messages_max = 2;
#define MESSAGE "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n.\r\n"
#define GO      OK "250 2.1.5 OK\r\n354 End data with <CR><LF>.<CR><LF>\r\n"
#define EVENTS  "MAIL a@b size=0 []\nRCPT c@d []\nDATA\nMESSAGE 0:\n"
    dialog_check(
        &config, "aaaar", "HELO a\r\n" MESSAGE MESSAGE MESSAGE MESSAGE,
        "250 mx.example\r\n" GO "550 5.7.1 Never\r\n" GO "250 2.0.0 OK queued as 7\r\n" GO
        "250 2.0.0 OK queued as 7\r\n421 4.7.0 Error: too many messages in this session\r\n",
        "HELO a\n" EVENTS EVENTS EVENTS "CLOSE\n11 lines, 0 recipients, 2 messages");
}

/* SIZE adds 26 octets to the longest line, SMTPUTF8 adds ten where it is on. */
static void test_line_max(void)
{
    struct rp_smtp_config config = dialog_config();
    for (uint32_t extra = 26; extra <= 36; extra += 10) {
        config.smtputf8 = extra == 36;
        for (uint32_t over = 0; over <= 1; over++) {
            static const char start[] = "HELO a\r\nMAIL FROM:<a@b.example> SIZE=1";
            static struct dialog_text input;
            input.len = 0;
            dialog_append(&input, start, sizeof(start) - 1);
            const size_t line_len = config.command_line_max + extra + over;
            while (input.len < sizeof("HELO a\r\n") - 1 + line_len - 2) {
                dialog_append(&input, " ", 1);
            }
            dialog_append(&input, "\r\nNOOP\r\n", 8);
            dialog_check(&config, "", input.ptr,
                         over == 0 ? "250 mx.example\r\n501 5.5.4 Syntax: MAIL FROM: <address>\r\n"
                                     "250 2.0.0 OK\r\n"
                                   : "250 mx.example\r\n500 5.5.2 Command line too long\r\n"
                                     "250 2.0.0 OK\r\n",
                         "HELO a\n3 lines");
        }
    }
}

struct parsed {
    const struct rp_reply *refusal;
    size_t part_count;
    struct rp_addr sender;
    struct rp_span params;
};

static struct parsed parse(struct rp_span arg, const struct rp_smtp *smtp, bool is_slow)
{
    static const struct rp_cmd_mail_form form = {
        .word = {(const uint8_t *)"FROM:", 5}
    };
    struct rp_smtp_command command = {.verb = RP_SMTP_VERB_MAIL, .arg = arg};
    struct parsed parsed = {.refusal = NULL};
    parsed.refusal =
        is_slow ? rp_cmd_mail_parse_slowly(smtp, &command, &form, &parsed.sender, &parsed.params)
                : rp_cmd_mail_parse(smtp, &command, &form, &parsed.sender, &parsed.params);
    parsed.part_count = command.part_count;
    return parsed;
}

static bool is_same_span(struct rp_span a, struct rp_span b)
{
    return a.ptr == b.ptr && a.len == b.len;
}

/* An argument and every front of it, in front of a guard page, the short way and the slow one. */
static void check_ways(struct guard *guard, const char *text, const struct rp_smtp *smtp)
{
    for (size_t len = 0; len <= strlen(text); len++) {
        if (len > 0 && text[len - 1] == ' ') {
            continue; /* an argument does not end in a space */
        }
        const struct rp_span arg = {guard_copy(guard, text, len), len};
        const struct parsed quick = parse(arg, smtp, false);
        const struct parsed slow = parse(arg, smtp, true);
        CU_ASSERT_PTR_EQUAL(quick.refusal, slow.refusal);
        CU_ASSERT_EQUAL(quick.part_count, slow.part_count);
        if (quick.refusal == NULL && slow.refusal == NULL) {
            CU_ASSERT(is_same_span(quick.sender.mailbox, slow.sender.mailbox));
            CU_ASSERT(is_same_span(quick.sender.local, slow.sender.local));
            CU_ASSERT(is_same_span(quick.sender.domain, slow.sender.domain));
            CU_ASSERT(is_same_span(quick.params, slow.params));
            CU_ASSERT_EQUAL(quick.sender.is_null, slow.sender.is_null);
            CU_ASSERT_EQUAL(quick.sender.is_utf8, slow.sender.is_utf8);
        }
    }
}

static void test_ways(void)
{
    static const char *const texts[] = {
        "FROM:<a@b.example>",
        "from:<anne.arthur@mail.example.com> SIZE=10240 BODY=8BITMIME",
        "FROM:<a@b.example>  SIZE=1",
        "FROM: <a@b.example> SIZE=1",
        "FROM:<a@b.example>SIZE=1",
        "FROM:<> SIZE=1",
        "FROM:a@b.example x",
        "FROM:<\xC3\xA4@b.example> SMTPUTF8",
        "FROM:<\"a b\"@b.example> y",
        "FROM <a@b.example>",
        "TO:<a@b.example>",
    };
    struct guard guard;
    guard_open(&guard, 128);
    for (unsigned bits = 0; bits < 8; bits++) {
        struct rp_smtp_config config = dialog_config();
        config.strict_addresses = (bits & 1) != 0;
        config.local_part_max = (bits & 2) != 0 ? 3 : 0;
        const struct rp_smtp smtp = {.config = &config, .is_extended = (bits & 4) != 0};
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
            check_ways(&guard, texts[i], &smtp);
        }
    }
    guard_close(&guard);
}

int main(void)
{
    static const CU_TestInfo tests[] = {
        {"forms",                  test_forms       },
        {"after HELO, and before", test_after_helo  },
        {"strict addresses",       test_strict      },
        {"local part",             test_local_part  },
        {"events",                 test_events      },
        {"UTF-8",                  test_utf8        },
        {"nested",                 test_nested      },
        {"refused",                test_refused     },
        {"messages in a session",  test_messages_max},
        {"longest line",           test_line_max    },
        {"short way and slow way", test_ways        },
        CU_TEST_INFO_NULL,
    };
    return dialog_main("proto/cmd_mail", tests);
}
