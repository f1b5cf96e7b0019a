/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_cmd_misc.c - RSET, NOOP, QUIT, VRFY, EXPN, HELP, and verbs that are none.
 *
 * Goal: each reply, with and without an argument, on and off. Method: dialogs, each played
 * at every cut.
 */
#include "dialog.h"

#define COMMANDS      "DATA EHLO HELO HELP MAIL NOOP QUIT RCPT RSET VRFY\r\n"
#define CANNOT        "252 2.1.5 Cannot VRFY user, but will accept message and attempt delivery\r\n"
#define UNKNOWN(verb) "500 5.5.2 Error: command \"" verb "\" not recognized\r\n"

static void test_anywhere(void)
{
    static const struct dialog_row rows[] = {
        {"RSET\r\n",                                    "250 2.0.0 OK\r\n"                                 },
        {"RSET now\r\n",                                "501 5.5.4 Syntax: RSET\r\n"                       },
        {"NOOP\r\n",                                    "250 2.0.0 OK\r\n"                                 },
        {"NOOP some text\r\n",                          "250 2.0.0 OK\r\n"                                 },
        {"QUIT\r\n",                                    "221 2.0.0 Bye\r\n"                                },
        {"QUIT now\r\nNOOP\r\n",                        "501 5.5.4 Syntax: QUIT\r\n250 2.0.0 OK\r\n"       },
        {"QUIT   \r\nNOOP\r\n",                         "221 2.0.0 Bye\r\n"                                },
        {"VRFY a@b.example\r\n",                        CANNOT                                             },
        {"VRFY <a@b.example>\r\n",                      CANNOT                                             },
        {"vrfy a\r\n",                                  CANNOT                                             },
        {"VRFY\r\n",                                    "501 5.5.4 Syntax: VRFY <address>\r\n"             },
        {"VRFY @@\r\n",                                 "501 5.1.3 Error: malformed address\r\n"           },
        {"VRFY a b\r\n",                                "501 5.1.3 Error: malformed address\r\n"           },
        {"VRFY \xC3\xA4\r\n",                           "500 5.5.2 Error: non-ASCII octet in command\r\n"  },
        {"EXPN\r\n",                                    "502 5.5.1 EXPN not implemented\r\n"               },
        {"EXPN list\r\n",                               "502 5.5.1 EXPN not implemented\r\n"               },
        {"HELP\r\n",                                    "250 2.0.0 Supported commands: " COMMANDS          },
        {"HELP MAIL\r\n",                               "250 2.0.0 Syntax: MAIL FROM: <address>\r\n"       },
        {"help rcpt\r\n",                               "250 2.0.0 Syntax: RCPT TO: <address>\r\n"         },
        {"HELP HELO\r\n",                               "250 2.0.0 Syntax: HELO hostname\r\n"              },
        {"HELP EHLO\r\n",                               "250 2.0.0 Syntax: EHLO hostname\r\n"              },
        {"HELP DATA\r\n",                               "250 2.0.0 Syntax: DATA\r\n"                       },
        {"HELP RSET\r\n",                               "250 2.0.0 Syntax: RSET\r\n"                       },
        {"HELP NOOP\r\n",                               "250 2.0.0 Syntax: NOOP [ignored]\r\n"             },
        {"HELP QUIT\r\n",                               "250 2.0.0 Syntax: QUIT\r\n"                       },
        {"HELP VRFY\r\n",                               "250 2.0.0 Syntax: VRFY <address>\r\n"             },
        {"HELP HELP\r\n",                               "250 2.0.0 Syntax: HELP [command]\r\n"             },
        {"HELP EXPN\r\n",                               "501 5.5.4 Supported commands: " COMMANDS          },
        {"HELP me please\r\n",                          "501 5.5.4 Supported commands: " COMMANDS          },
        {"PING\r\n",                                    UNKNOWN("PING")                                    },
        {"ping pong\r\n",                               UNKNOWN("ping")                                    },
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
         UNKNOWN("GET") UNKNOWN("Host:") "500 5.5.2 Error: bad syntax\r\n"                                 },
        {"a-verb-of-more-than-thirty-two-octets x\r\n",
         UNKNOWN("a-verb-of-more-than-thirty-two-o")                                                       },
        {"\r\n",                                        "500 5.5.2 Error: bad syntax\r\n"                  },
        {"   \r\n",                                     "500 5.5.2 Error: bad syntax\r\n"                  },
        {" NOOP\r\n",                                   "500 5.5.2 Error: bad syntax\r\n"                  },
        {"NOOP\ttext\r\n",                              "500 5.5.2 Error: control character in command\r\n"},
        {"NOOP \x7F\r\n",                               "500 5.5.2 Error: control character in command\r\n"},
        {"NOOP caf\xC3\xA9\r\n",                        "500 5.5.2 Error: non-ASCII octet in command\r\n"  },
        {"N\xD5OP\r\n",                                 "500 5.5.2 Error: non-ASCII octet in command\r\n"  },
    };
    const struct rp_smtp_config config = dialog_config();
    dialog_check_rows(&config, "", "", rows, DIALOG_ROW_COUNT(rows));
    dialog_check_rows(&config, "HELO a\r\n", "250 mx.example\r\n", rows, DIALOG_ROW_COUNT(rows));
    dialog_check_rows(&config, "HELO a\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\n",
                      "250 mx.example\r\n250 2.1.0 OK\r\n250 2.1.5 OK\r\n", rows,
                      DIALOG_ROW_COUNT(rows));
}

/* RFC 5321, 4.1.1: white space before the CRLF is tolerated, behind every verb. */
static void test_blanks_behind(void)
{
    static const struct dialog_row rows[] = {
        {"NOOP\t\r\n",             "250 2.0.0 OK\r\n"                                 },
        {"NOOP text\t \t\r\n",     "250 2.0.0 OK\r\n"                                 },
        {"RSET \t\r\n",            "250 2.0.0 OK\r\n"                                 },
        {"QUIT\t\t\r\n",           "221 2.0.0 Bye\r\n"                                },
        {"DATA\t\r\n",             "503 5.5.1 Error: need RCPT command\r\n"           },
        {"EHLO\t\r\n",             "501 5.5.4 Syntax: EHLO hostname\r\n"              },
        {"HELO b.example\t\r\n",   "250 mx.example\r\n"                               },
        {"VRFY a\t\r\n",           CANNOT                                             },
        {"VRFY\t\r\n",             "501 5.5.4 Syntax: VRFY <address>\r\n"             },
        {"EXPN\t\r\n",             "502 5.5.1 EXPN not implemented\r\n"               },
        {"HELP\t\r\n",             "250 2.0.0 Supported commands: " COMMANDS          },
        {"HELP MAIL\t\r\n",        "250 2.0.0 Syntax: MAIL FROM: <address>\r\n"       },
        {"PING\t\r\n",             UNKNOWN("PING")                                    },
        {"\t\r\n",                 "500 5.5.2 Error: bad syntax\r\n"                  },
        {" \t \r\n",               "500 5.5.2 Error: bad syntax\r\n"                  },
        {"NOOP caf\xC3\xA9\t\r\n", "500 5.5.2 Error: non-ASCII octet in command\r\n"  },
        {"\tNOOP\r\n",             "500 5.5.2 Error: control character in command\r\n"},
        {"NOOP\v\t\r\n",           "500 5.5.2 Error: control character in command\r\n"},
        {"NOOP\t\x7F\r\n",         "500 5.5.2 Error: control character in command\r\n"},
    };
    const struct rp_smtp_config config = dialog_config();
    dialog_check_rows(&config, "HELO a.example\r\n", "250 mx.example\r\n", rows,
                      DIALOG_ROW_COUNT(rows));
}

static void test_nul(void)
{
    const struct rp_smtp_config config = dialog_config();
    dialog_check_octets(&config, "", RP_SPAN_OF("NOOP \0\r\nNOOP\r\n"),
                        "500 5.5.2 Error: control character in command\r\n250 2.0.0 OK\r\n",
                        "2 lines");
}

static void test_help_after_ehlo(void)
{
    struct rp_smtp_config config = dialog_config();
    config.pipelining = config.smtputf8 = false;
    dialog_check(&config, "",
                 "EHLO a\r\nHELP MAIL\r\nHELP RCPT\r\nHELP QUIT\r\nHELO a\r\nHELP MAIL\r\n",
                 "250-mx.example\r\n250-SIZE 33554432\r\n250-8BITMIME\r\n"
                 "250-LIMITS RCPTMAX=1000\r\n250-ENHANCEDSTATUSCODES\r\n250 HELP\r\n"
                 "250 2.0.0 Syntax: MAIL FROM: <address> [SP <mail-parameters>]\r\n"
                 "250 2.0.0 Syntax: RCPT TO: <address> [SP <mail-parameters>]\r\n"
                 "250 2.0.0 Syntax: QUIT\r\n250 mx.example\r\n"
                 "250 2.0.0 Syntax: MAIL FROM: <address>\r\n",
                 "EHLO a\nHELO a\n6 lines");
}

static void test_off(void)
{
    struct rp_smtp_config config = dialog_config();
    config.vrfy = false;
    dialog_check(&config, "", "VRFY a@b\r\nVRFY\r\nHELP\r\nHELP VRFY\r\n",
                 "502 5.5.1 VRFY not implemented\r\n502 5.5.1 VRFY not implemented\r\n"
                 "250 2.0.0 Supported commands: DATA EHLO HELO HELP MAIL NOOP QUIT RCPT RSET\r\n"
                 "501 5.5.4 Supported commands: DATA EHLO HELO HELP MAIL NOOP QUIT RCPT RSET\r\n",
                 "4 lines");
    config.help = false;
    dialog_check(&config, "", "HELP\r\nHELP MAIL\r\n",
                 "502 5.5.1 HELP not implemented\r\n502 5.5.1 HELP not implemented\r\n", "2 lines");
}

static void test_transaction(void)
{
    const struct rp_smtp_config config = dialog_config();
    dialog_check(
        &config, "",
        "RSET\r\nHELO a\r\nRSET\r\nMAIL FROM:<>\r\nNOOP\r\nRSET x\r\nVRFY a\r\nHELP MAIL\r\n"
        "RCPT TO:<a@b>\r\nPING\r\nRCPT TO:<c@d>\r\nRSET\r\nDATA\r\n",
        "250 2.0.0 OK\r\n250 mx.example\r\n250 2.0.0 OK\r\n250 2.1.0 OK\r\n250 2.0.0 OK\r\n"
        "501 5.5.4 Syntax: RSET\r\n" CANNOT "250 2.0.0 Syntax: MAIL FROM: <address>\r\n"
        "250 2.1.5 OK\r\n" UNKNOWN("PING") "250 2.1.5 OK\r\n250 2.0.0 OK\r\n"
                                           "503 5.5.1 Error: need RCPT command\r\n",
        "HELO a\nMAIL  null size=0 []\nRCPT a@b []\nRCPT c@d []\nRESET\n13 lines");
    dialog_check(&config, "", "HELO a\r\nMAIL FROM:<>\r\nQUIT\r\nNOOP\r\n",
                 "250 mx.example\r\n250 2.1.0 OK\r\n221 2.0.0 Bye\r\n",
                 "HELO a\nMAIL  null size=0 []\nRESET\nCLOSE\n3 lines");
    dialog_check(&config, "", "QUIT\r\nNOOP\r\n", "221 2.0.0 Bye\r\n", "CLOSE\n1 lines");
}

int main(void)
{
    static const CU_TestInfo tests[] = {
        {"anywhere in a session", test_anywhere       },
        {"blanks behind it",      test_blanks_behind  },
        {"NUL",                   test_nul            },
        {"HELP after EHLO",       test_help_after_ehlo},
        {"VRFY and HELP off",     test_off            },
        {"in a transaction",      test_transaction    },
        CU_TEST_INFO_NULL,
    };
    return dialog_main("proto/cmd_misc", tests);
}
