/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_smtp.c - the session as a whole.
 *
 * Goal: whatever a client sends, the replies and the events are those that RFC 5321 and
 * the configuration ask for, in order, one reply a line, however the input is cut.
 * Method: dialogs for what belongs to no single verb (faulty lines, limits, pipelining,
 * room for replies); then random scripts, put together from command lines and pieces of
 * bodies, with random limits and answers, compared with a second session (smtp_oracle.c).
 * At last the scripts are damaged at random octets: then only the cuts are compared.
 *
 * A number as argument is the seed of the random part.
 */
#include "dialog.h"
#include "smtp_oracle.h"

#include <inttypes.h>

#define OK_HELO  "250 mx.example\r\n"
#define OK_NOOP  "250 2.0.0 OK\r\n"
#define BARE     "500 5.5.2 Error: bare CR or LF, command lines end in CRLF\r\n"
#define TOO_LONG "500 5.5.2 Command line too long\r\n"
#define ERRORS   "421 4.7.0 Error: too many errors\r\n"
#define GO       "354 End data with <CR><LF>.<CR><LF>\r\n"

static void test_faulty_lines(void)
{
    static const struct dialog_row rows[] = {
        {"NO\nOP\r\nNOOP\r\n",   BARE OK_NOOP                          },
        {"NOOP\rX\r\nNOOP\r\n",  BARE OK_NOOP                          },
        {"NOOP\nNOOP\nNOOP\n",   BARE                                  },
        {"NOOP\r\r\nNOOP\r\n",   BARE OK_NOOP                          },
        {"\nNOOP\r\nNOOP\r\n",   BARE OK_NOOP                          },
        {"NOOP\n\rNOOP\r\n\r\n", BARE "500 5.5.2 Error: bad syntax\r\n"},
    };
    const struct rp_smtp_config config = dialog_config();
    dialog_check_rows(&config, "HELO a\r\n", OK_HELO, rows, DIALOG_ROW_COUNT(rows));
}

/* The reply comes at once, not when the line has ended: the client may wait for it. */
static void test_long_lines(void)
{
    static struct dialog_text input;
    struct rp_smtp_config config = dialog_config();
    config.command_line_max = 40;
    for (size_t len = 36; len < 90; len++) {
        input.len = 0;
        dialog_append(&input, "NOOP ", 5);
        while (input.len < len) {
            dialog_append(&input, "x", 1);
        }
        dialog_check(&config, "", input.ptr, len > 40 ? TOO_LONG : "", "0 lines");
        dialog_append(&input, "\r\nNOOP\r\n", 8);
        dialog_check(&config, "", input.ptr, len > 38 ? TOO_LONG OK_NOOP : OK_NOOP OK_NOOP,
                     "2 lines");
    }
}

static void test_errors_max(void)
{
    struct rp_smtp_config config = dialog_config();
    config.errors_max = 2;
    /* So many are told as they are, the next one ends the session. */
    dialog_check(&config, "", "DATA\r\nX\r\nNOOP\r\nRSET x\r\nNOOP\r\n",
                 "503 5.5.1 Error: send HELO first\r\n"
                 "500 5.5.2 Error: command \"X\" not recognized\r\n" OK_NOOP ERRORS,
                 "CLOSE\n4 lines");
    dialog_check(&config, "", "X\nNOOP\r\nY\n", BARE BARE, "1 lines");
    dialog_check(&config, "", "X\nNOOP\r\nY\n\r\nZ\n", BARE BARE ERRORS, "CLOSE\n2 lines");
    /* What the caller says counts too; 4xx does not. */
    dialog_check(&config, "atttrrrr",
                 "HELO a\r\nMAIL FROM:<>\r\nMAIL FROM:<>\r\nMAIL FROM:<>\r\n"
                 "MAIL FROM:<>\r\nMAIL FROM:<>\r\nMAIL FROM:<>\r\nNOOP\r\n",
                 OK_HELO "450 4.7.1 Later\r\n450 4.7.1 Later\r\n450 4.7.1 Later\r\n"
                         "550 5.7.1 Never\r\n550 5.7.1 Never\r\n" ERRORS,
                 NULL);
    /* And what is said of a body; the transaction is over then, there is no RESET. */
    dialog_check(&config, "",
                 "HELO a\r\nX\r\nX\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\na\nb\r\n.\r\n",
                 OK_HELO "500 5.5.2 Error: command \"X\" not recognized\r\n"
                         "500 5.5.2 Error: command \"X\" not recognized\r\n"
                         "250 2.1.0 OK\r\n250 2.1.5 OK\r\n" GO ERRORS,
                 "HELO a\nMAIL  null size=0 []\nRCPT a@b []\nDATA\nRESET\nCLOSE\n6 lines");
    dialog_check(&config, "", "HELO a\r\nX\r\nX\r\nMAIL FROM:<>\r\nX\r\n",
                 OK_HELO "500 5.5.2 Error: command \"X\" not recognized\r\n"
                         "500 5.5.2 Error: command \"X\" not recognized\r\n"
                         "250 2.1.0 OK\r\n" ERRORS,
                 "HELO a\nMAIL  null size=0 []\nRESET\nCLOSE\n5 lines");
}

static void test_calls_max(void)
{
    struct rp_smtp_config config = dialog_config();
    config.calls_max[RP_SMTP_VERB_NOOP] = 2;
    config.calls_max[RP_SMTP_VERB_UNKNOWN] = 1;
    config.calls_max[RP_SMTP_VERB_MAIL] = 1;
    dialog_check(&config, "", "NOOP\r\nnoop x\r\nRSET\r\nNoop\r\nRSET\r\n",
                 OK_NOOP OK_NOOP OK_NOOP "421 4.7.0 NOOP sent too many times\r\n",
                 "CLOSE\n4 lines");
    dialog_check(&config, "", "X\r\n\r\nY\r\nNOOP\r\n",
                 "500 5.5.2 Error: command \"X\" not recognized\r\n500 5.5.2 Error: bad syntax\r\n"
                 "421 4.7.0 Too many unrecognized commands\r\n",
                 "CLOSE\n3 lines");
    /* Refused calls count. */
    dialog_check(&config, "", "MAIL FROM:<>\r\nHELO a\r\nMAIL FROM:<>\r\n",
                 "503 5.5.1 Error: send HELO first\r\n" OK_HELO
                 "421 4.7.0 MAIL sent too many times\r\n",
                 "HELO a\nCLOSE\n3 lines");
}

/* Everything in one go, and more of it behind the end of data. */
static void test_pipelining(void)
{
    const struct rp_smtp_config config = dialog_config();
    dialog_check(&config, "",
                 "HELO a\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\nx\r\n.\r\n"
                 "MAIL FROM:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\ny\r\n.\r\nQUIT\r\n",
                 OK_HELO "250 2.1.0 OK\r\n250 2.1.5 OK\r\n" GO "250 2.0.0 OK queued as 7\r\n"
                         "250 2.1.0 OK\r\n250 2.1.5 OK\r\n" GO "250 2.0.0 OK queued as 7\r\n"
                         "221 2.0.0 Bye\r\n",
                 "HELO a\nMAIL  null size=0 []\nRCPT a@b []\nDATA\nMESSAGE 3:x\r\n\n"
                 "MAIL c@d size=0 []\nRCPT e@f []\nDATA\nMESSAGE 3:y\r\n\nCLOSE\n"
                 "8 lines, 0 recipients, 2 messages\n");
}

/* WANT_INPUT comes before WANT_OUTPUT: without input there is nothing to reply to. */
static void test_room(void)
{
    static uint8_t line[DIALOG_LINE_MAX];
    static uint8_t octets[RP_REPLY_MAX];
    const struct rp_smtp_config config = dialog_config();
    struct rp_smtp smtp;
    struct rp_reply_out out = {octets, 1, sizeof(octets)};
    rp_smtp_init(&smtp, &config, line, sizeof(line));

    struct rp_span in = {NULL, 0};
    CU_ASSERT_EQUAL(rp_smtp_next(&smtp, &in, &out), RP_SMTP_WANT_INPUT);
    in = RP_SPAN_OF("HELO a\r\n");
    CU_ASSERT_EQUAL(rp_smtp_next(&smtp, &in, &out), RP_SMTP_WANT_OUTPUT);
    CU_ASSERT_EQUAL(in.len, 8);
    out.len = 0;
    CU_ASSERT_EQUAL(rp_smtp_next(&smtp, &in, &out), RP_SMTP_HELO);
    out.len = 1;
    rp_smtp_accept(&smtp);
    CU_ASSERT_EQUAL(rp_smtp_next(&smtp, &in, &out), RP_SMTP_WANT_OUTPUT);
    CU_ASSERT_EQUAL(rp_smtp_next(&smtp, &in, &out), RP_SMTP_WANT_OUTPUT);
    out.len = 0;
    CU_ASSERT_EQUAL(rp_smtp_next(&smtp, &in, &out), RP_SMTP_WANT_INPUT);
    CU_ASSERT_EQUAL(out.len, sizeof(OK_HELO) - 1);
}

static enum rp_smtp_event next_of(struct rp_smtp *smtp, const char *line, struct rp_reply_out *out)
{
    struct rp_span in = {(const uint8_t *)line, strlen(line)};
    return rp_smtp_next(smtp, &in, out);
}

/* The room may have gone between an event and its answer: then nothing is put. */
static void test_room_lost(void)
{
    static const struct {
        const char *line;
        enum rp_smtp_event event;
        const char *reply;
    } rows[] = {
        {"EHLO a\r\n",          RP_SMTP_HELO, "250-mx.example\r\n"                     },
        {"MAIL FROM:<a@b>\r\n", RP_SMTP_MAIL, "250 2.1.0 OK\r\n"                       },
        {"RCPT TO:<a@b>\r\n",   RP_SMTP_RCPT, "250 2.1.5 OK\r\n"                       },
        {"DATA\r\n",            RP_SMTP_DATA, "354 End data with <CR><LF>.<CR><LF>\r\n"},
    };
    static uint8_t line[1024];
    static uint8_t replies[2 * RP_REPLY_MAX];
    const struct rp_smtp_config config = dialog_config();
    struct rp_smtp smtp;
    rp_smtp_init(&smtp, &config, line, sizeof(line));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rp_reply_out out = {.ptr = replies, .len = 0, .cap = RP_REPLY_MAX};
        CU_ASSERT_EQUAL(next_of(&smtp, rows[i].line, &out), rows[i].event);
        rp_smtp_accept(&smtp);
        out.len = 1;
        CU_ASSERT_EQUAL(next_of(&smtp, "", &out), RP_SMTP_WANT_OUTPUT);
        CU_ASSERT_EQUAL(next_of(&smtp, "X", &out), RP_SMTP_WANT_OUTPUT);
        CU_ASSERT_EQUAL(out.len, 1);
        out.len = 0;
        CU_ASSERT_EQUAL(next_of(&smtp, "", &out), RP_SMTP_WANT_INPUT);
        CU_ASSERT_EQUAL(memcmp(replies, rows[i].reply, strlen(rows[i].reply)), 0);
    }
}

/* The random part: xorshift64*, the same on every machine. */
static uint64_t seed = 20260901;
static uint64_t random_state;

static size_t random_below(size_t limit)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (size_t)((random_state * UINT64_C(0x2545F4914F6CDD1D) >> 20) % limit);
}

/* Lines and pieces of all other kinds. Those of a body hold no MAIL and no RCPT. */
static const char *const pieces[] = {
    "HELO c.example\r\n",
    "EHLO c.example\r\n",
    "EHLO\r\n",
    "helo <c>\r\n",
    "DATA\r\n",
    "data \r\n",
    "DATA x\r\n",
    "RSET\r\n",
    "RSET x\r\n",
    "NOOP\r\n",
    "NOOP x\r\n",
    "NOOP\t\r\n",
    "RSET \t \r\n",
    "\tNOOP\t\r\n",
    "VRFY r\r\n",
    "VRFY\r\n",
    "EXPN r\r\n",
    "HELP\r\n",
    "HELP RCPT\r\n",
    "HELP X\r\n",
    "QUIT x\r\n",
    "PING pong\r\n",
    "\r\n",
    " NOOP\r\n",
    "NOOP \x01\r\n",
    "NOOP \xC3\xA4\r\n",
    "Subject: x\r\n",
    "text",
    "\r\n.\r\n",
    ".\r\n",
    "..\r\n",
    ".x\r\n",
    "\r",
    "\n",
    "\r\n",
    "\n.\r\n",
    "\r\n.\n",
    ".\r",
    "0123456789abcdef",
    "\r\n\r\n.\r\nNOOP\r\n",
};

#define PIECE_COUNT DIALOG_ROW_COUNT(pieces)

static struct rp_smtp_config random_config(void)
{
    static const uint64_t sizes[] = {0, 20, 1000};
    static const uint32_t lengths[] = {0, 16, 1001};
    static const uint32_t few[] = {0, 1, 3, 20};
    struct rp_smtp_config config = dialog_config();
    config.smtputf8 = random_below(4) != 0;
    config.pipelining = random_below(2) != 0;
    config.vrfy = random_below(4) != 0;
    config.help = random_below(4) != 0;
    config.bare_newline = (enum rp_dot_newline)random_below(3);
    config.message_size_max = sizes[random_below(3)];
    config.line_length_max = lengths[random_below(3)];
    config.command_line_max = random_below(2) == 0 ? 34 : 512;
    config.recipients_max = random_below(2) == 0 ? 1 : 100;
    config.messages_max = few[random_below(random_below(4) + 1)];
    config.errors_max = random_below(2) == 0 ? 0 : few[random_below(4)];
    for (size_t verb = 0; verb < RP_SMTP_VERB_COUNT; verb++) {
        config.calls_max[verb] = random_below(8) == 0 ? few[random_below(4)] : 0;
    }
    return config;
}

static void random_answers(char answers[32])
{
    static const char letters[] = "aaaaaaaaaaabbbrrttc";
    for (size_t i = 0; i < 31; i++) {
        answers[i] = letters[random_below(sizeof(letters) - 1)];
    }
    answers[31] = '\0';
}

static void append_known(struct dialog_text *input, size_t first, size_t end)
{
    const char *line = smtp_oracle_line(first + random_below(end - first));
    dialog_append(input, line, strlen(line));
    dialog_append(input, "\r\n", 2);
}

/*
 * Steps of a transaction, so that a script gets anywhere, with odd pieces in between. A
 * line of MAIL or RCPT may stand behind a piece without CRLF: then it is part of that line.
 */
static void random_script(struct dialog_text *input)
{
    const size_t first_rcpt = SMTP_ORACLE_MAIL_COUNT;
    input->len = 0;
    if (random_below(8) != 0) {
        dialog_append(input, random_below(2) == 0 ? "EHLO c.example\r\n" : "HELO c.example\r\n",
                      16);
    }
    const size_t count = 2 + random_below(14);
    for (size_t i = 0; i < count; i++) {
        switch (random_below(10)) {
        case 0:
        case 1: append_known(input, 0, first_rcpt); break;
        case 2: append_known(input, first_rcpt, SMTP_ORACLE_LINE_COUNT); break;
        case 3:
        case 4:
            append_known(input, 0, 3);
            append_known(input, first_rcpt, first_rcpt + 3);
            dialog_append(input, "DATA\r\n", 6);
            break;
        case 5: dialog_append(input, "DATA\r\n", 6); break;
        default: {
            const char *piece = pieces[random_below(PIECE_COUNT)];
            dialog_append(input, piece, strlen(piece));
            break;
        }
        }
    }
    dialog_append(input, "\r\n.\r\n", 5);
    if (random_below(2) == 0) {
        dialog_append(input, "QUIT\r\nNOOP\r\n", 12);
    }
}

static bool is_stable_somewhere(struct dialog_script script, const struct dialog_result *whole)
{
    for (size_t i = 0; i < 3; i++) {
        script.cut = random_below(script.input_len);
        script.piece = i == 0 ? 0 : 1 + random_below(7);
        script.out_cap = RP_REPLY_MAX + random_below(100);
        if (!dialog_is_stable(script, whole)) {
            return false;
        }
    }
    return true;
}

static bool is_as_slow(const struct dialog_script *script, const struct dialog_result *whole)
{
    static struct dialog_result expected;
    smtp_oracle_play(script, &expected);
    if (dialog_is_same(&whole->replies, &expected.replies) &&
        dialog_is_same(&whole->events, &expected.events)) {
        return true;
    }
    fprintf(stderr, "\nsent:\n%.*s\nexpected:\n%s%s\ngot:\n%s%s\n", (int)script->input_len,
            script->input, expected.replies.ptr, expected.events.ptr, whole->replies.ptr,
            whole->events.ptr);
    return false;
}

static void play_random(size_t count, bool is_damaged)
{
    static struct dialog_text input;
    static struct dialog_result whole;
    for (size_t i = 0; i < count; i++) {
        const uint64_t script_seed = random_state;
        const struct rp_smtp_config config = random_config();
        char answers[32];
        random_answers(answers);
        random_script(&input);
        for (size_t damage = is_damaged ? 1 + random_below(4) : 0; damage > 0; damage--) {
            input.ptr[random_below(input.len)] = (char)random_below(256);
        }
        const struct dialog_script script = {
            .config = &config,
            .answers = answers,
            .input = input.ptr,
            .input_len = input.len,
            .out_cap = 4 * RP_REPLY_MAX,
        };
        dialog_play(&script, &whole);
        if ((!is_damaged && !is_as_slow(&script, &whole)) || !is_stable_somewhere(script, &whole)) {
            fprintf(stderr, "seed %" PRIu64 ", answers %s\n", script_seed, answers);
            CU_FAIL("a random script");
            return;
        }
    }
    CU_PASS("random scripts");
}

static void test_random(void)
{
    random_state = seed;
    play_random(8000, false);
}

static void test_damaged(void)
{
    random_state = seed;
    play_random(4000, true);
}

int main(int argc, char **argv)
{
    static const CU_TestInfo tests[] = {
        {"faulty lines",        test_faulty_lines},
        {"long lines",          test_long_lines  },
        {"errors in a session", test_errors_max  },
        {"calls of a verb",     test_calls_max   },
        {"pipelining",          test_pipelining  },
        {"room for replies",    test_room        },
        {"room that is lost",   test_room_lost   },
        {"random scripts",      test_random      },
        {"damaged scripts",     test_damaged     },
        CU_TEST_INFO_NULL,
    };
    if (argc > 1) {
        seed = strtoull(argv[1], NULL, 0) | 1;
    }
    return dialog_main("proto/smtp", tests);
}
