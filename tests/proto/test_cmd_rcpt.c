/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_cmd_rcpt.c - RCPT.
 *
 * Goal: the form, the address and the number of recipients, and that a refused one leaves
 * the transaction as it was. Method: dialogs, each played at every cut.
 */
#include "dialog.h"

#define EHLO "EHLO client.example\r\n"
#define EHLO_REPLY                                                              \
    "250-mx.example\r\n250-PIPELINING\r\n250-SIZE 33554432\r\n250-8BITMIME\r\n" \
    "250-SMTPUTF8\r\n250-LIMITS RCPTMAX=1000\r\n250-ENHANCEDSTATUSCODES\r\n250 HELP\r\n"
#define OK     "250 2.1.5 OK\r\n"
#define SYNTAX "501 5.5.4 Syntax: RCPT TO: <address> [SP <mail-parameters>]\r\n"
#define BAD    "553 5.1.3 Error: malformed address\r\n"
#define A_UTF8 "\xC3\xA4@b.example"

static void test_forms(void)
{
    static const struct dialog_row rows[] = {
        {"RCPT TO:<a@b.example>\r\n",              OK                                                },
        {"rcpt to:  <a@b.example>  \r\n",          OK                                                },
        {"RCPT TO:<Postmaster>\r\n",               OK                                                },
        {"RCPT TO:<a@b.example>\t\r\n",            OK                                                },
        {"RCPT TO: a@b.example \t \r\n",           OK                                                },
        {"RCPT TO: a@b.example\r\n",               OK                                                },
        {"RCPT TO:<>\r\n",                         "501 5.1.3 Error: a recipient cannot be empty\r\n"},
        {"RCPT\r\n",                               SYNTAX                                            },
        {"RCPT TO:\r\n",                           SYNTAX                                            },
        {"RCPT TO <a@b.example>\r\n",              SYNTAX                                            },
        {"RCPT TO : <a@b.example>\r\n",            SYNTAX                                            },
        {"RCPT FROM:<a@b.example>\r\n",            SYNTAX                                            },
        {"RCPT TO:<a@b@c>\r\n",                    BAD                                               },
        {"RCPT TO:<a@b.example>x\r\n",             BAD                                               },
        {"RCPT TO:<a@b.example> NOTIFY=NEVER\r\n",
         "555 5.5.4 RCPT TO parameters not recognized or not implemented\r\n"                        },
        {"RCPT TO:<a@b.example> SIZE=1\r\n",
         "555 5.5.4 RCPT TO parameters not recognized or not implemented\r\n"                        },
        {"RCPT TO:<a@b.example> =\r\n",            "501 5.5.4 Error: malformed parameter\r\n"        },
        {"RCPT TO:<" A_UTF8 ">\r\n",
         "553 5.6.7 Error: a non-ASCII address needs SMTPUTF8 with MAIL\r\n"                         },
    };
    const struct rp_smtp_config config = dialog_config();
    dialog_check_rows(&config, EHLO "MAIL FROM:<>\r\n", EHLO_REPLY "250 2.1.0 OK\r\n", rows,
                      DIALOG_ROW_COUNT(rows));
}

static void test_strict(void)
{
    static const struct dialog_row rows[] = {
        {"RCPT TO:<a@b.example>\r\n", OK },
        {"RCPT TO:<postMASTER>\r\n",  OK },
        {"RCPT TO:a@b.example\r\n",   BAD},
        {"RCPT TO:<a>\r\n",           BAD},
    };
    struct rp_smtp_config config = dialog_config();
    config.strict_addresses = true;
    dialog_check_rows(&config, "HELO a\r\nMAIL FROM:<>\r\n", "250 mx.example\r\n250 2.1.0 OK\r\n",
                      rows, DIALOG_ROW_COUNT(rows));
}

static void test_order(void)
{
    const struct rp_smtp_config config = dialog_config();
    dialog_check(&config, "",
                 "RCPT TO:<a@b.example>\r\nHELO a\r\nRCPT TO:<a@b.example>\r\n"
                 "MAIL FROM:<>\r\nRCPT TO:<a@b.example> X\r\nRCPT TO:<a@b.example>\r\n"
                 "RCPT TO:<c@d.example>\r\n",
                 "503 5.5.1 Error: send HELO first\r\n250 mx.example\r\n"
                 "503 5.5.1 Error: need MAIL command\r\n250 2.1.0 OK\r\n"
                 "501 5.5.4 Syntax: RCPT TO: <address>\r\n" OK OK,
                 "HELO a\nMAIL  null size=0 []\nRCPT a@b.example []\nRCPT c@d.example []\n"
                 "7 lines, 2 recipients");
}

/* SMTPUTF8 is a matter of the transaction, not of the session. */
static void test_utf8(void)
{
    const struct rp_smtp_config config = dialog_config();
    dialog_check(&config, "",
                 EHLO "MAIL FROM:<> SMTPUTF8\r\nRCPT TO:<" A_UTF8 ">\r\nRSET\r\n"
                      "MAIL FROM:<>\r\nRCPT TO:<" A_UTF8 ">\r\n",
                 EHLO_REPLY "250 2.1.0 OK\r\n" OK "250 2.0.0 OK\r\n250 2.1.0 OK\r\n"
                            "553 5.6.7 Error: a non-ASCII address needs SMTPUTF8 with MAIL\r\n",
                 "EHLO client.example\nMAIL  null size=0 smtputf8 [SMTPUTF8]\n"
                 "RCPT " A_UTF8 " utf8 []\nRESET\nMAIL  null size=0 []\n6 lines, 0 recipients");
}

/* A refused recipient does not count, and the count begins anew with the transaction. */
static void test_recipients_max(void)
{
    struct rp_smtp_config config = dialog_config();
    config.recipients_max = 2;
    dialog_check(
        &config, "aaart",
        "HELO a\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nRCPT TO:<b@b>\r\nRCPT TO:<c@b>\r\n"
        "RCPT TO:<d@b>\r\nRCPT TO:<e@b>\r\nRCPT TO:<>\r\nRSET\r\nMAIL FROM:<>\r\n"
        "RCPT TO:<f@b>\r\n",
        "250 mx.example\r\n250 2.1.0 OK\r\n" OK "550 5.7.1 Never\r\n450 4.7.1 Later\r\n" OK
        "452 4.5.3 Error: too many recipients\r\n"
        "501 5.1.3 Error: a recipient cannot be empty\r\n"
        "250 2.0.0 OK\r\n250 2.1.0 OK\r\n" OK,
        "HELO a\nMAIL  null size=0 []\nRCPT a@b []\nRCPT b@b []\nRCPT c@b []\nRCPT d@b []\n"
        "RESET\nMAIL  null size=0 []\nRCPT f@b []\n11 lines, 1 recipients");
}

static void test_refused(void)
{
    const struct rp_smtp_config config = dialog_config();
    /* With no recipient left there is nothing to send a body for. */
    dialog_check(&config, "aar", "HELO a\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\nQUIT\r\n",
                 "250 mx.example\r\n250 2.1.0 OK\r\n550 5.7.1 Never\r\n"
                 "503 5.5.1 Error: need RCPT command\r\n221 2.0.0 Bye\r\n",
                 "HELO a\nMAIL  null size=0 []\nRCPT a@b []\nRESET\nCLOSE\n");
    dialog_check(&config, "aac", "HELO a\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n",
                 "250 mx.example\r\n250 2.1.0 OK\r\n421 4.3.2 Closing\r\n",
                 "HELO a\nMAIL  null size=0 []\nRCPT a@b []\nRESET\nCLOSE\n3 lines");
}

int main(void)
{
    static const CU_TestInfo tests[] = {
        {"forms",                   test_forms         },
        {"strict addresses",        test_strict        },
        {"order",                   test_order         },
        {"UTF-8",                   test_utf8          },
        {"recipients of a message", test_recipients_max},
        {"refused",                 test_refused       },
        CU_TEST_INFO_NULL,
    };
    return dialog_main("proto/cmd_rcpt", tests);
}
