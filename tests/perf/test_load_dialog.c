/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_load_dialog.c - what is sent, and what a message comes to, whatever the server answers.
 *
 * Goal: no command without the reply that allows it; each message ends once, and as the replies
 * say; nothing is taken for a reply to something else. Method: dialogs as rows (replies in, octets
 * out, outcomes); then all sequences of replies up to a length, and random long ones, in each
 * mode, against a server of its own: it reads what is sent as a server would, answers as the
 * sequence says, and keeps its own books of what each message must come to.
 */
#include "perf/load_dialog.h"
#include "tests/tools/suite.h"

#include <assert.h>
#include <string.h>

#define SENT_MAX 16384u

static struct rp_load_message messages[RP_LOAD_DEPTH_MAX];
static struct rp_load_auth auth;
static char sent[SENT_MAX + 1];
static size_t sent_len;

static struct rp_load_script *open_script(struct rp_load_script_options options)
{
    struct rp_load_script *script = NULL;
    options.domain = "x.org";
    options.recipients = options.recipients == 0 ? 1 : options.recipients;
    options.depth = options.depth == 0 ? 1 : options.depth;
    int err = rp_load_script_open(&options, &script);
    assert(err == 0 && script != NULL);
    return script;
}

static void take_sent(struct rp_load_dialog *dialog)
{
    struct iovec iov[RP_LOAD_DIALOG_OUT_MAX];
    uint32_t count = rp_load_dialog_take(dialog, iov);
    for (uint32_t index = 0; index < count; index++) {
        CU_ASSERT_FATAL(sent_len + iov[index].iov_len <= SENT_MAX);
        memcpy(sent + sent_len, iov[index].iov_base, iov[index].iov_len);
        sent_len += iov[index].iov_len;
    }
    sent[sent_len] = '\0';
}

/* What was sent since the last time. */
static const char *take_text(struct rp_load_dialog *dialog)
{
    static char text[SENT_MAX + 1];
    take_sent(dialog);
    memcpy(text, sent, sent_len + 1);
    sent_len = 0;
    return text;
}

static void begin_message(struct rp_load_dialog *dialog, uint64_t number, uint64_t now_ns)
{
    struct rp_load_message *message = rp_load_dialog_place(dialog);
    message->number = number;
    message->intended_ns = 0;
    message->mail.head_len = (uint32_t)snprintf(message->mail.head, sizeof(message->mail.head),
                                                "H%u\r\n", (unsigned)number);
    message->mail.rest = RP_SPAN_OF("rest\r\n");
    message->mail.rest_stuffed = RP_SPAN_OF("rest\r\n.\r\n");
    message->mail.body_len = message->mail.head_len + message->mail.rest.len;
    rp_load_dialog_begin(dialog, now_ns);
}

static struct rp_load_outcome answer(struct rp_load_dialog *dialog,
                                     unsigned code,
                                     const char *text,
                                     bool is_last)
{
    struct rp_load_outcome outcome;
    struct rp_load_reply_line line = {
        .code = code,
        .text = {.ptr = (const uint8_t *)text, .len = strlen(text)},
    };
    rp_load_dialog_line(dialog, &line, is_last, 1000, &outcome);
    return outcome;
}

static void start(struct rp_load_dialog *dialog, const struct rp_load_script *script)
{
    memset(dialog, 0xa5, sizeof(*dialog)); /* init must not need zeros */
    sent_len = 0;
    rp_load_dialog_init(dialog, script, messages);
    rp_load_dialog_connected(dialog, 1);
}

/* ---- greeting, EHLO, AUTH ---- */

struct entry_row {
    const char *replies;  /* a line each; "-" behind the code: more follow */
    const char *commands; /* all that is sent */
    const char *lacks;
    enum rp_load_outcome_kind kind;
    enum rp_load_mode mode;
    enum rp_load_auth_mechanism mechanism;
    bool is_lmtp;
    bool is_forced;
    bool has_auth;
};

#define PLAIN_LINE "AUTH PLAIN AGpvZQBzZWNyZXQ=\r\n"

/* clang-format off */
static const struct entry_row entry_rows[] = {
    {"220 x\n250 x\n",                          "EHLO x.org\r\n",                  .kind = RP_LOAD_OUTCOME_READY},
    {"220-x\n220 y\n250-x\n250 SIZE\n",         "EHLO x.org\r\n",                  .kind = RP_LOAD_OUTCOME_READY},
    {"220 x\n250 x\n",                          "LHLO x.org\r\n",                  .kind = RP_LOAD_OUTCOME_READY, .is_lmtp = true},
    {"220 x\n502 x\n250 x\n",                   "EHLO x.org\r\nHELO x.org\r\n",    .kind = RP_LOAD_OUTCOME_READY},
    {"220 x\n502 x\n550 x\n",                   "EHLO x.org\r\nHELO x.org\r\n",    .kind = RP_LOAD_OUTCOME_BARRED},
    {"220 x\n502 x\n",                          "LHLO x.org\r\n",                  .kind = RP_LOAD_OUTCOME_BARRED, .is_lmtp = true},
    {"220 x\n450 x\n",                          "EHLO x.org\r\n",                  .kind = RP_LOAD_OUTCOME_BARRED},
    {"220 x\n421 x\n",                          "EHLO x.org\r\n",                  .kind = RP_LOAD_OUTCOME_BARRED},
    {"554 x\n",                                 "",                                .kind = RP_LOAD_OUTCOME_BARRED},
    {"421 x\n",                                 "",                                .kind = RP_LOAD_OUTCOME_BARRED},
    {"354 x\n",                                 "",                                .kind = RP_LOAD_OUTCOME_BROKEN},
    {"220 x\n334 x\n",                          "EHLO x.org\r\n",                  .kind = RP_LOAD_OUTCOME_BROKEN},
    {"220 x\n250-x\n250 PIPELINING\n",          "EHLO x.org\r\n",                  .kind = RP_LOAD_OUTCOME_READY, .mode = RP_LOAD_PIPELINED},
    {"220 x\n250-x\n250-pipelining\n250 X\n",   "EHLO x.org\r\n",                  .kind = RP_LOAD_OUTCOME_READY, .mode = RP_LOAD_PIPELINED},
    {"220 x\n250-PIPELINING\n250 X\n",          "EHLO x.org\r\n",                  .kind = RP_LOAD_OUTCOME_LACKING, .lacks = "PIPELINING", .mode = RP_LOAD_PIPELINED},
    {"220 x\n250-x\n250 PIPELININGS\n",         "EHLO x.org\r\n",                  .kind = RP_LOAD_OUTCOME_LACKING, .lacks = "PIPELINING", .mode = RP_LOAD_PIPELINED},
    {"220 x\n250 x\n",                          "EHLO x.org\r\n",                  .kind = RP_LOAD_OUTCOME_READY, .mode = RP_LOAD_PIPELINED, .is_forced = true},
    {"220 x\n502 x\n250 x\n",                   "EHLO x.org\r\nHELO x.org\r\n",    .kind = RP_LOAD_OUTCOME_LACKING, .lacks = "PIPELINING", .mode = RP_LOAD_PIPELINED},
    {"220 x\n250-x\n250 PIPELINING\n",          "EHLO x.org\r\n",                  .kind = RP_LOAD_OUTCOME_LACKING, .lacks = "CHUNKING", .mode = RP_LOAD_BDAT},
    {"220 x\n250-x\n250 CHUNKING\n",            "EHLO x.org\r\n",                  .kind = RP_LOAD_OUTCOME_LACKING, .lacks = "PIPELINING", .mode = RP_LOAD_BDAT},
    {"220 x\n250-x\n250-CHUNKING\n250 PIPELINING\n", "EHLO x.org\r\n",             .kind = RP_LOAD_OUTCOME_READY, .mode = RP_LOAD_BDAT},
    {"220 x\n250-x\n250 AUTH LOGIN PLAIN\n235 x\n", "EHLO x.org\r\n" PLAIN_LINE,   .kind = RP_LOAD_OUTCOME_READY, .has_auth = true},
    {"220 x\n250-x\n250 AUTH=plain\n235 x\n",   "EHLO x.org\r\n" PLAIN_LINE,       .kind = RP_LOAD_OUTCOME_READY, .has_auth = true},
    {"220 x\n250-x\n250-AUTH CRAM-MD5 PLAIN\n250-AUTH=CRAM-MD5\n250 X\n535 x\n", "EHLO x.org\r\n" PLAIN_LINE, .kind = RP_LOAD_OUTCOME_BARRED, .has_auth = true},
    {"220 x\n250-x\n250 AUTH PLAIN\n334 x\n",   "EHLO x.org\r\n" PLAIN_LINE,       .kind = RP_LOAD_OUTCOME_BROKEN, .has_auth = true},
    {"220 x\n250-x\n250 AUTH LOGIN\n334 VXNlcg==\n334 UGFzcw==\n235 x\n", "EHLO x.org\r\nAUTH LOGIN\r\nam9l\r\nc2VjcmV0\r\n", .kind = RP_LOAD_OUTCOME_READY, .has_auth = true},
    {"220 x\n250-x\n250 AUTH PLAIN LOGIN\n334 U\n334 P\n235 x\n", "EHLO x.org\r\nAUTH LOGIN\r\nam9l\r\nc2VjcmV0\r\n", .kind = RP_LOAD_OUTCOME_READY, .has_auth = true, .mechanism = RP_LOAD_AUTH_LOGIN},
    {"220 x\n250-x\n250 AUTH LOGIN\n504 x\n",   "EHLO x.org\r\nAUTH LOGIN\r\n",    .kind = RP_LOAD_OUTCOME_BARRED, .has_auth = true},
    {"220 x\n250-x\n250 AUTH LOGIN\n334 U\n535 x\n", "EHLO x.org\r\nAUTH LOGIN\r\nam9l\r\n", .kind = RP_LOAD_OUTCOME_BARRED, .has_auth = true},
    {"220 x\n250-x\n250 AUTH LOGIN\n334 U\n334 P\n535 x\n", "EHLO x.org\r\nAUTH LOGIN\r\nam9l\r\nc2VjcmV0\r\n", .kind = RP_LOAD_OUTCOME_BARRED, .has_auth = true},
    {"220 x\n250-x\n250 AUTH LOGIN\n235 x\n",   "EHLO x.org\r\nAUTH LOGIN\r\n",    .kind = RP_LOAD_OUTCOME_BROKEN, .has_auth = true},
    {"220 x\n250 x\n",                          "EHLO x.org\r\n",                  .kind = RP_LOAD_OUTCOME_LACKING, .lacks = "AUTH PLAIN or AUTH LOGIN", .has_auth = true},
    {"220 x\n250-x\n250 AUTH LOGINS\n",         "EHLO x.org\r\n",                  .kind = RP_LOAD_OUTCOME_LACKING, .lacks = "AUTH PLAIN or AUTH LOGIN", .has_auth = true},
    {"220 x\n250-x\n250 AUTH LOGIN\n",          "EHLO x.org\r\n",                  .kind = RP_LOAD_OUTCOME_LACKING, .lacks = "AUTH PLAIN", .has_auth = true, .mechanism = RP_LOAD_AUTH_PLAIN},
    {"220 x\n250-x\n250 AUTH PLAIN\n",          "EHLO x.org\r\n",                  .kind = RP_LOAD_OUTCOME_LACKING, .lacks = "AUTH LOGIN", .has_auth = true, .mechanism = RP_LOAD_AUTH_LOGIN},
};
/* clang-format on */

static void check_entry(const struct entry_row *row)
{
    struct rp_load_dialog dialog;
    struct rp_load_script *script = open_script((struct rp_load_script_options){
        .mode = row->mode,
        .is_lmtp = row->is_lmtp,
        .is_forced = row->is_forced,
        .auth = row->has_auth ? &auth : NULL,
        .mechanism = row->mechanism,
    });
    struct rp_load_outcome outcome = {0};
    start(&dialog, script);
    for (const char *at = row->replies; *at != '\0'; at = strchr(at, '\n') + 1) {
        char text[64];
        unsigned code =
            (unsigned)(at[0] - '0') * 100 + (unsigned)(at[1] - '0') * 10 + (unsigned)(at[2] - '0');
        (void)snprintf(text, sizeof(text), "%.*s", (int)strcspn(at + 4, "\n"), at + 4);
        CU_ASSERT_EQUAL(outcome.kind, RP_LOAD_OUTCOME_GOING);
        CU_ASSERT_FALSE(rp_load_dialog_has_room(&dialog));
        CU_ASSERT_TRUE(rp_load_dialog_is_waiting(&dialog));
        outcome = answer(&dialog, code, text, at[3] != '-');
        take_sent(&dialog);
    }
    CU_ASSERT_EQUAL(outcome.kind, row->kind);
    CU_ASSERT_STRING_EQUAL(sent, row->commands);
    CU_ASSERT_EQUAL(rp_load_dialog_has_room(&dialog), row->kind == RP_LOAD_OUTCOME_READY);
    if (row->lacks != NULL) {
        assert(outcome.lacks != NULL);
        CU_ASSERT_STRING_EQUAL(outcome.lacks, row->lacks);
    }
    rp_load_script_close(script);
}

static void test_entry(void)
{
    int err = rp_load_auth_init("joe:secret", &auth);
    CU_ASSERT_EQUAL_FATAL(err, 0);
    for (size_t row = 0; row < sizeof(entry_rows) / sizeof(entry_rows[0]); row++) {
        check_entry(&entry_rows[row]);
    }
}

/* AUTH LOGIN is timed as a whole, everything else by itself. */
static void test_entry_times(void)
{
    struct rp_load_dialog dialog;
    struct rp_load_script *script = open_script((struct rp_load_script_options){.auth = &auth});
    start(&dialog, script);
    rp_load_dialog_connected(&dialog, 7);
    struct rp_load_outcome outcome = answer(&dialog, 220, "x", true);
    CU_ASSERT_EQUAL(outcome.phase, RP_LOAD_PHASE_GREETING);
    CU_ASSERT_EQUAL(outcome.sent_ns, 7);
    (void)answer(&dialog, 250, "x", false);
    outcome = answer(&dialog, 250, "AUTH LOGIN", true);
    CU_ASSERT_EQUAL(outcome.phase, RP_LOAD_PHASE_EHLO);
    CU_ASSERT_EQUAL(outcome.sent_ns, 1000);
    dialog.sent_ns = 5;
    outcome = answer(&dialog, 334, "x", true);
    CU_ASSERT_EQUAL(outcome.sent_ns, 0);
    outcome = answer(&dialog, 334, "x", true);
    CU_ASSERT_EQUAL(outcome.sent_ns, 0);
    outcome = answer(&dialog, 235, "x", true);
    CU_ASSERT_EQUAL(outcome.phase, RP_LOAD_PHASE_AUTH);
    CU_ASSERT_EQUAL(outcome.sent_ns, 5);
    rp_load_script_close(script);
}

/* ---- messages, as rows ---- */

static void make_ready(struct rp_load_dialog *dialog, const struct rp_load_script *script)
{
    start(dialog, script);
    (void)answer(dialog, 220, "x", true);
    struct rp_load_outcome outcome = answer(dialog, 250, "x", true);
    CU_ASSERT_EQUAL_FATAL(outcome.kind, RP_LOAD_OUTCOME_READY);
    (void)take_text(dialog);
}

#define MAIL    "MAIL FROM:<load@x.org>\r\n"
#define RCPT(n) "RCPT TO:<user" #n "@x.org>\r\n"
#define DATA    "DATA\r\n"
#define BODY(n) "H" #n "\r\nrest\r\n.\r\n"
#define BDAT(n) "BDAT 10 LAST\r\nH" #n "\r\nrest\r\n"

static void test_plain(void)
{
    struct rp_load_dialog dialog;
    struct rp_load_script *script =
        open_script((struct rp_load_script_options){.recipients = 2, .per_connection = 2});
    make_ready(&dialog, script);
    begin_message(&dialog, 1, 10);
    CU_ASSERT_FALSE(rp_load_dialog_has_room(&dialog));
    CU_ASSERT_STRING_EQUAL(take_text(&dialog), MAIL);
    CU_ASSERT_EQUAL(answer(&dialog, 250, "x", true).phase, RP_LOAD_PHASE_MAIL);
    CU_ASSERT_STRING_EQUAL(take_text(&dialog), RCPT(1));
    struct rp_load_outcome outcome = answer(&dialog, 450, "x", true);
    CU_ASSERT_TRUE(outcome.is_recipient_refused);
    CU_ASSERT_PTR_NULL(outcome.ended);
    CU_ASSERT_STRING_EQUAL(take_text(&dialog), RCPT(2));
    CU_ASSERT_EQUAL(answer(&dialog, 251, "x", true).phase, RP_LOAD_PHASE_RCPT);
    CU_ASSERT_STRING_EQUAL(take_text(&dialog), DATA);
    CU_ASSERT_EQUAL(answer(&dialog, 354, "x", true).phase, RP_LOAD_PHASE_DATA);
    CU_ASSERT_STRING_EQUAL(take_text(&dialog), BODY(1));
    outcome = answer(&dialog, 250, "x", true);
    CU_ASSERT_EQUAL(outcome.phase, RP_LOAD_PHASE_END);
    CU_ASSERT_PTR_NOT_NULL_FATAL(outcome.ended);
    assert(outcome.ended != NULL);
    CU_ASSERT_TRUE(outcome.is_accepted);
    CU_ASSERT_EQUAL(outcome.ended->number, 1);

    /* All recipients refused: RSET goes ahead of the next message, and QUIT needs none. */
    begin_message(&dialog, 2, 10);
    CU_ASSERT_TRUE(rp_load_dialog_is_spent(&dialog));
    (void)answer(&dialog, 250, "x", true);
    (void)answer(&dialog, 550, "x", true);
    outcome = answer(&dialog, 550, "x", true);
    CU_ASSERT_PTR_NOT_NULL(outcome.ended);
    CU_ASSERT_FALSE(outcome.is_accepted);
    CU_ASSERT_FALSE(rp_load_dialog_has_room(&dialog));
    (void)take_text(&dialog);
    rp_load_dialog_quit(&dialog, 10);
    CU_ASSERT_STRING_EQUAL(take_text(&dialog), "QUIT\r\n");
    outcome = answer(&dialog, 221, "x", true);
    CU_ASSERT_EQUAL(outcome.kind, RP_LOAD_OUTCOME_OVER);
    CU_ASSERT_EQUAL(outcome.phase, RP_LOAD_PHASE_QUIT);
    rp_load_script_close(script);
}

static void test_pipelined(void)
{
    struct rp_load_dialog dialog;
    struct rp_load_script *script = open_script(
        (struct rp_load_script_options){.mode = RP_LOAD_PIPELINED, .depth = 2, .is_forced = true});
    make_ready(&dialog, script);
    begin_message(&dialog, 1, 10);
    CU_ASSERT_FALSE(rp_load_dialog_has_room(&dialog)); /* DATA ends a group */
    CU_ASSERT_STRING_EQUAL(take_text(&dialog), MAIL RCPT(1) DATA);
    (void)answer(&dialog, 250, "x", true);
    (void)answer(&dialog, 250, "x", true);
    CU_ASSERT_FALSE(rp_load_dialog_has_room(&dialog));
    (void)answer(&dialog, 354, "x", true);
    CU_ASSERT_TRUE_FATAL(rp_load_dialog_has_room(&dialog));
    begin_message(&dialog, 2, 20);
    CU_ASSERT_FALSE(rp_load_dialog_has_room(&dialog));
    CU_ASSERT_STRING_EQUAL(take_text(&dialog), BODY(1) MAIL RCPT(1) DATA);
    struct rp_load_outcome outcome = answer(&dialog, 452, "x", true);
    CU_ASSERT_PTR_NOT_NULL_FATAL(outcome.ended);
    assert(outcome.ended != NULL);
    CU_ASSERT_EQUAL(outcome.ended->number, 1);
    CU_ASSERT_FALSE(outcome.is_accepted);
    /* No recipient, but 354: the body is empty, and whatever comes of it is no acceptance. */
    (void)answer(&dialog, 250, "x", true);
    (void)answer(&dialog, 550, "x", true);
    (void)answer(&dialog, 354, "x", true);
    CU_ASSERT_STRING_EQUAL(take_text(&dialog), ".\r\n");
    outcome = answer(&dialog, 250, "x", true);
    CU_ASSERT_PTR_NOT_NULL_FATAL(outcome.ended);
    assert(outcome.ended != NULL);
    CU_ASSERT_EQUAL(outcome.ended->number, 2);
    CU_ASSERT_FALSE(outcome.is_accepted);
    rp_load_script_close(script);
}

static void test_bdat(void)
{
    struct rp_load_dialog dialog;
    struct rp_load_script *script = open_script(
        (struct rp_load_script_options){.mode = RP_LOAD_BDAT, .depth = 2, .is_forced = true});
    make_ready(&dialog, script);
    begin_message(&dialog, 1, 10);
    CU_ASSERT_TRUE_FATAL(rp_load_dialog_has_room(&dialog));
    begin_message(&dialog, 2, 20);
    CU_ASSERT_FALSE(rp_load_dialog_has_room(&dialog));
    CU_ASSERT_STRING_EQUAL(take_text(&dialog), MAIL RCPT(1) BDAT(1) MAIL RCPT(1) BDAT(2));
    (void)answer(&dialog, 250, "x", true);
    (void)answer(&dialog, 550, "x", true);
    struct rp_load_outcome outcome = answer(&dialog, 503, "x", true);
    CU_ASSERT_PTR_NOT_NULL_FATAL(outcome.ended);
    assert(outcome.ended != NULL);
    CU_ASSERT_FALSE(outcome.is_accepted);
    CU_ASSERT_TRUE_FATAL(rp_load_dialog_has_room(&dialog));
    begin_message(&dialog, 3, 30);
    CU_ASSERT_STRING_EQUAL(take_text(&dialog), "RSET\r\n" MAIL RCPT(1) BDAT(3));
    for (unsigned reply = 0; reply < 2; reply++) {
        CU_ASSERT_PTR_NULL(answer(&dialog, 250, "x", true).ended);
    }
    outcome = answer(&dialog, 250, "x", true);
    CU_ASSERT_PTR_NOT_NULL_FATAL(outcome.ended);
    assert(outcome.ended != NULL);
    CU_ASSERT_EQUAL(outcome.ended->number, 2);
    CU_ASSERT_TRUE(outcome.is_accepted);
    CU_ASSERT_EQUAL(answer(&dialog, 250, "x", true).phase, RP_LOAD_PHASE_COUNT); /* RSET */
    rp_load_script_close(script);
}

static void test_lmtp(void)
{
    struct rp_load_dialog dialog;
    struct rp_load_script *script =
        open_script((struct rp_load_script_options){.is_lmtp = true, .recipients = 3});
    make_ready(&dialog, script);
    begin_message(&dialog, 1, 10);
    static const unsigned replies[] = {250, 250, 550, 250, 354};
    for (size_t reply = 0; reply < sizeof(replies) / sizeof(replies[0]); reply++) {
        CU_ASSERT_PTR_NULL(answer(&dialog, replies[reply], "x", true).ended);
    }
    /* Two recipients were taken: two replies. One good one is enough. */
    struct rp_load_outcome outcome = answer(&dialog, 452, "x", true);
    CU_ASSERT_PTR_NULL(outcome.ended);
    CU_ASSERT_TRUE(outcome.is_recipient_refused);
    outcome = answer(&dialog, 250, "x", true);
    CU_ASSERT_PTR_NOT_NULL(outcome.ended);
    CU_ASSERT_TRUE(outcome.is_accepted);
    rp_load_script_close(script);

    /* 354 without a recipient: nobody knows how many replies would come. */
    script = open_script((struct rp_load_script_options){
        .is_lmtp = true, .mode = RP_LOAD_PIPELINED, .is_forced = true});
    make_ready(&dialog, script);
    begin_message(&dialog, 1, 10);
    (void)answer(&dialog, 250, "x", true);
    (void)answer(&dialog, 550, "x", true);
    CU_ASSERT_EQUAL(answer(&dialog, 354, "x", true).kind, RP_LOAD_OUTCOME_BROKEN);
    rp_load_script_close(script);
}

/* 421 at each step: the message it answers is refused, the dialog is over. */
static void test_closing(void)
{
    for (unsigned good_count = 0; good_count < 4; good_count++) {
        struct rp_load_dialog dialog;
        struct rp_load_script *script = open_script((struct rp_load_script_options){0});
        make_ready(&dialog, script);
        begin_message(&dialog, 1, 10);
        for (unsigned reply = 0; reply < good_count; reply++) {
            (void)answer(&dialog, reply == 2 ? 354 : 250, "x", true);
        }
        struct rp_load_outcome outcome = answer(&dialog, 421, "x", true);
        CU_ASSERT_EQUAL(outcome.kind, RP_LOAD_OUTCOME_OVER);
        CU_ASSERT_PTR_NOT_NULL(outcome.ended);
        CU_ASSERT_FALSE(outcome.is_accepted);
        CU_ASSERT_FALSE(rp_load_dialog_has_room(&dialog));
        CU_ASSERT_FALSE(rp_load_dialog_is_waiting(&dialog));
        rp_load_script_close(script);
    }
    struct rp_load_dialog dialog;
    struct rp_load_script *script = open_script((struct rp_load_script_options){0});
    make_ready(&dialog, script);
    CU_ASSERT_EQUAL(answer(&dialog, 250, "x", true).kind, RP_LOAD_OUTCOME_BROKEN);
    make_ready(&dialog, script);
    struct rp_load_outcome outcome = answer(&dialog, 421, "x", true); /* unasked: its right */
    CU_ASSERT_EQUAL(outcome.kind, RP_LOAD_OUTCOME_OVER);
    CU_ASSERT_PTR_NULL(outcome.ended);
    rp_load_script_close(script);
}

/* ---- against a server ---- */

/* A server's books: it reads what was sent, a command at a time, and answers as it is told. */
struct server {
    const char *at; /* in `sent`, not yet read */
    bool has_mail;
    unsigned taken_count; /* recipients of this transaction */
    bool is_in_body;      /* 354 was given: the body comes */
    unsigned ends_left;   /* final replies that LMTP still owes */
    unsigned good_ends;
    uint64_t body_number; /* which message the body was, 0: empty */
    bool is_lmtp;
    bool was_odd; /* the client did what it may not do */
};

static bool begins(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* The code for a final reply; the server's own view of what the body came to. */
static unsigned end_body(struct server *server, bool is_good)
{
    server->good_ends += is_good ? 1 : 0;
    return is_good ? 250 : 554;
}

static unsigned read_body(struct server *server, bool is_good)
{
    const char *end = begins(server->at, ".\r\n") ? server->at : strstr(server->at, "\r\n.\r\n");
    if (end == NULL) {
        return 0;
    }
    bool is_empty = end == server->at;
    server->body_number = is_empty ? 0 : (uint64_t)(server->at[1] - '0');
    server->at = end + (is_empty ? 3 : 5);
    server->is_in_body = false;
    server->good_ends = 0;
    server->ends_left = server->is_lmtp ? server->taken_count - 1 : 0;
    server->has_mail = false;
    if (server->taken_count == 0 && is_good) {
        is_good = false;
    }
    server->taken_count = 0;
    return end_body(server, is_good);
}

static unsigned read_bdat(struct server *server, bool is_good)
{
    const char *body = strstr(server->at, "\r\n") + 2;
    server->body_number = (uint64_t)(body[1] - '0');
    server->at = body + 10;
    bool may = server->has_mail && server->taken_count > 0;
    server->good_ends = 0;
    server->ends_left = server->is_lmtp && may ? server->taken_count - 1 : 0;
    if (may) {
        server->has_mail = false;
        server->taken_count = 0;
    }
    return end_body(server, is_good && may);
}

/* The reply to the next command; 0: there is none yet. `is_good`: what the server likes to say. */
static unsigned serve(struct server *server, bool is_good)
{
    if (server->ends_left > 0) {
        server->ends_left--;
        return end_body(server, is_good);
    }
    if (server->is_in_body) {
        return read_body(server, is_good);
    }
    const char *line = server->at;
    const char *end = strstr(line, "\r\n");
    if (end == NULL) {
        server->was_odd = server->was_odd || *line != '\0';
        return 0;
    }
    if (begins(line, "BDAT ")) {
        return read_bdat(server, is_good);
    }
    server->at = end + 2;
    if (begins(line, "RSET")) {
        server->has_mail = false;
        server->taken_count = 0;
        return 250;
    }
    if (begins(line, "MAIL ")) {
        bool may = !server->has_mail;
        server->has_mail = server->has_mail || is_good;
        return may ? is_good ? 250 : 450 : 503;
    }
    if (begins(line, "RCPT ")) {
        bool may = server->has_mail && is_good;
        server->taken_count += may ? 1 : 0;
        return !server->has_mail ? 503 : is_good ? 250 : 550;
    }
    if (begins(line, "DATA")) {
        bool may = server->has_mail && server->taken_count > 0 && is_good;
        server->is_in_body = may;
        return may ? 354 : server->has_mail && is_good ? 503 : 451;
    }
    server->was_odd = true;
    return 500;
}

struct trial {
    struct rp_load_script *script;
    struct rp_load_dialog dialog;
    struct server server;
    uint64_t next_number;
    uint64_t next_end; /* messages end in the order they were begun */
};

static void pump(struct trial *trial)
{
    size_t read_len = (size_t)(trial->server.at - sent);
    memmove(sent, trial->server.at, sent_len - read_len + 1);
    sent_len -= read_len;
    trial->server.at = sent;
    while (rp_load_dialog_has_room(&trial->dialog)) {
        begin_message(&trial->dialog, 1 + trial->next_number++ % 9, 10);
    }
    take_sent(&trial->dialog);
}

/* One reply of the server, and what must follow from it. */
static void step(struct trial *trial, bool is_good)
{
    struct server *server = &trial->server;
    unsigned code = serve(server, is_good);
    CU_ASSERT_FALSE_FATAL(server->was_odd);
    CU_ASSERT_NOT_EQUAL_FATAL(code, 0); /* it always has something to answer */
    struct rp_load_outcome outcome = answer(&trial->dialog, code, "x", true);
    CU_ASSERT_EQUAL_FATAL(outcome.kind, RP_LOAD_OUTCOME_GOING);
    CU_ASSERT_EQUAL(outcome.is_refusal, code >= 400);
    bool was_end = outcome.phase == RP_LOAD_PHASE_END && server->ends_left == 0;
    if (was_end) {
        CU_ASSERT_PTR_NOT_NULL_FATAL(outcome.ended);
        assert(outcome.ended != NULL);
        CU_ASSERT_EQUAL(outcome.is_accepted, server->good_ends > 0);
        if (outcome.is_accepted) {
            CU_ASSERT_EQUAL(outcome.ended->number, server->body_number);
        }
    } else {
        CU_ASSERT_FALSE(outcome.ended != NULL && outcome.is_accepted);
    }
    if (outcome.ended != NULL) {
        CU_ASSERT_EQUAL(outcome.ended->number, 1 + trial->next_end % 9);
        trial->next_end++;
    }
    pump(trial);
}

static void open_trial(struct trial *trial, const struct rp_load_script_options *options)
{
    *trial = (struct trial){.script = open_script(*options)};
    make_ready(&trial->dialog, trial->script);
    trial->server = (struct server){.at = sent, .is_lmtp = options->is_lmtp};
    sent_len = 0;
    sent[0] = '\0';
    pump(trial);
}

/* clang-format off */
static const struct rp_load_script_options variants[] = {
    {.mode = RP_LOAD_PLAIN},
    {.mode = RP_LOAD_PLAIN, .recipients = 2},
    {.mode = RP_LOAD_PLAIN, .recipients = 2, .is_lmtp = true},
    {.mode = RP_LOAD_PIPELINED, .is_forced = true},
    {.mode = RP_LOAD_PIPELINED, .depth = 2, .recipients = 2, .is_forced = true},
    {.mode = RP_LOAD_PIPELINED, .depth = 2, .recipients = 2, .is_lmtp = true, .is_forced = true},
    {.mode = RP_LOAD_BDAT, .is_forced = true},
    {.mode = RP_LOAD_BDAT, .depth = 3, .recipients = 2, .is_forced = true},
    {.mode = RP_LOAD_BDAT, .depth = 2, .recipients = 2, .is_lmtp = true, .is_forced = true},
};
/* clang-format on */
#define VARIANT_COUNT (sizeof(variants) / sizeof(variants[0]))

/* Every sequence of good and bad replies of this length. */
#define SEQUENCE_LEN  11u

static void test_all_sequences(void)
{
    for (size_t variant = 0; variant < VARIANT_COUNT; variant++) {
        for (unsigned sequence = 0; sequence < 1u << SEQUENCE_LEN; sequence++) {
            struct trial trial;
            open_trial(&trial, &variants[variant]);
            for (unsigned reply = 0; reply < SEQUENCE_LEN; reply++) {
                step(&trial, (sequence >> reply & 1) != 0);
            }
            rp_load_script_close(trial.script);
        }
    }
}

static void test_long_sequences(void)
{
    uint64_t random = suite_seed;
    for (size_t variant = 0; variant < VARIANT_COUNT; variant++) {
        struct trial trial;
        open_trial(&trial, &variants[variant]);
        for (unsigned reply = 0; reply < 20000; reply++) {
            step(&trial, suite_random_below(&random, 8) != 0);
        }
        CU_ASSERT_TRUE(trial.next_end > 1000);
        rp_load_script_close(trial.script);
    }
}

/* This code, after so many good replies. */
static void check_cell(unsigned good_count, unsigned code)
{
    struct rp_load_dialog dialog;
    struct rp_load_script *script = open_script((struct rp_load_script_options){0});
    make_ready(&dialog, script);
    begin_message(&dialog, 1, 10);
    for (unsigned reply = 0; reply < good_count; reply++) {
        (void)answer(&dialog, reply == 2 ? 354 : 250, "x", true);
    }
    enum rp_load_outcome_kind wanted = RP_LOAD_OUTCOME_GOING;
    if (code == 421) {
        wanted = RP_LOAD_OUTCOME_OVER;
    } else if (code == (good_count == 2 ? 250u : 354u)) {
        wanted = RP_LOAD_OUTCOME_BROKEN;
    }
    struct rp_load_outcome outcome = answer(&dialog, code, "x", true);
    CU_ASSERT_EQUAL(outcome.kind, wanted);
    CU_ASSERT_EQUAL(dialog.step == RP_LOAD_STEP_OVER, wanted != RP_LOAD_OUTCOME_GOING);
    /* A broken reply ends no message: what comes to it is the caller's to say. */
    if (wanted != RP_LOAD_OUTCOME_GOING) {
        CU_ASSERT_EQUAL(dialog.count, wanted == RP_LOAD_OUTCOME_BROKEN ? 1 : 0);
        CU_ASSERT_EQUAL(outcome.ended == NULL, wanted == RP_LOAD_OUTCOME_BROKEN);
    }
    rp_load_script_close(script);
}

/* Each step with each first digit: kinds of outcome, the dialog over exactly where it must be. */
static void test_every_cell(void)
{
    static const unsigned codes[] = {250, 354, 421, 450, 550};
    for (unsigned good_count = 0; good_count < 4; good_count++) {
        for (size_t code = 0; code < sizeof(codes) / sizeof(codes[0]); code++) {
            check_cell(good_count, codes[code]);
        }
    }
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"greeting, EHLO, AUTH", test_entry         },
        {"times of these",       test_entry_times   },
        {"plain",                test_plain         },
        {"pipelined",            test_pipelined     },
        {"BDAT",                 test_bdat          },
        {"LMTP",                 test_lmtp          },
        {"421",                  test_closing       },
        {"every cell",           test_every_cell    },
        {"all sequences",        test_all_sequences },
        {"long sequences",       test_long_sequences},
    };
    return SUITE_RUN("perf/load_dialog", tests, argc, argv);
}
