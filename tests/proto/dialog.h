/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * dialog.h - play a script to a session, and check that its replies and events do not
 * depend on how the script was cut.
 *
 *     struct rp_smtp_config config = dialog_config();
 *     dialog_check(&config, "", "NOOP\r\n", "250 2.0.0 OK\r\n", "");
 *
 * The answers are letters, one an event that asks, "a" where they end:
 *
 *     a  accept; a message gets "250 2.0.0 OK queued as 7"
 *     t  refuse with 450        r  refuse with 550        c  refuse with 421
 *     b  as a; but for DATA: refuse the body with 452 at its first octets
 *
 * Events are written down as text, a line each: "HELO name", "EHLO name", "MAIL ...",
 * "RCPT ...", "DATA", "MESSAGE length:octets", "RESET", "CLOSE". At the end of the script
 * comes a line of what a caller may read of the session. How much of a body came before
 * its RESET is not written down: that may depend on the cut (see smtp.c, judge_body).
 *
 * Every input ends at a guard page, and is moved between two calls of rp_smtp_next, so that
 * a pointer that the session keeps into it does not go unnoticed.
 */
#ifndef TESTS_PROTO_DIALOG_H
#define TESTS_PROTO_DIALOG_H

#include "guard.h"
#include "proto/rp_smtp.h"

#include <CUnit/Basic.h>
#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIALOG_INPUT_MAX (64u * 1024)
#define DIALOG_TEXT_MAX  (256u * 1024)
#define DIALOG_LINE_MAX  (4096u + RP_SMTP_LINE_EXTRA)
#define DIALOG_MOVE_MAX  4096u /* longer inputs are not moved: that would take too long */

struct dialog_text {
    char ptr[DIALOG_TEXT_MAX];
    size_t len;
};

struct dialog_result {
    struct dialog_text replies;
    struct dialog_text events;
};

/* How a script is played. */
struct dialog_script {
    const struct rp_smtp_config *config;
    const char *answers;
    const char *input;
    size_t input_len;
    size_t cut;     /* the input is cut here; 0: nowhere */
    size_t piece;   /* and into pieces of so many octets; 0: not */
    size_t out_cap; /* octets of the reply buffer, at least RP_REPLY_MAX */
};

struct dialog {
    const struct dialog_script *script;
    struct dialog_result *result;
    struct rp_smtp smtp;
    struct rp_reply_out out;
    struct dialog_text *body; /* what the caller has of the current body */
    size_t answer_index;
    bool refuses_body;
    bool is_closed;
};

static struct guard dialog_guards[2];

static inline void dialog_open(void)
{
    guard_open(&dialog_guards[0], DIALOG_INPUT_MAX);
    guard_open(&dialog_guards[1], DIALOG_INPUT_MAX);
}

static inline void dialog_close(void)
{
    guard_close(&dialog_guards[0]);
    guard_close(&dialog_guards[1]);
}

/* Everything on, limits as ringpostd has them. */
static inline struct rp_smtp_config dialog_config(void)
{
    return (struct rp_smtp_config){
        .hostname = RP_SPAN_OF("mx.example"),
        .ident = RP_SPAN_OF("test"),
        .smtputf8 = true,
        .pipelining = true,
        .vrfy = true,
        .help = true,
        .bare_newline = RP_DOT_REJECT,
        .message_size_max = 33554432,
        .command_line_max = 512,
        .line_length_max = 1001,
        .recipients_max = 1000,
    };
}

static inline void dialog_append(struct dialog_text *text, const void *octets, size_t len)
{
    assert(len < sizeof(text->ptr) - text->len);
    if (len > 0) {
        memcpy(text->ptr + text->len, octets, len);
    }
    text->len += len;
    text->ptr[text->len] = '\0';
}

static inline void dialog_append_span(struct dialog_text *text, struct rp_span span)
{
    dialog_append(text, span.ptr, span.len);
}

__attribute__((format(printf, 2, 3))) static inline void dialog_print(struct dialog_text *text,
                                                                      const char *format,
                                                                      ...)
{
    char line[256];
    va_list args;
    va_start(args, format);
    const int len = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    assert(len >= 0 && (size_t)len < sizeof(line));
    dialog_append(text, line, (size_t)len);
}

static inline void dialog_flush(struct dialog *dialog)
{
    dialog_append(&dialog->result->replies, dialog->out.ptr, dialog->out.len);
    dialog->out.len = 0;
}

/* The letter for the next event that asks. */
static inline char dialog_letter(struct dialog *dialog)
{
    const char *answers = dialog->script->answers;
    if (dialog->answer_index >= strlen(answers)) {
        return 'a';
    }
    return answers[dialog->answer_index++];
}

/* The refusal that a letter means; NULL: none. */
static inline const struct rp_reply *dialog_refusal(char letter)
{
    static const struct rp_reply later = {450, "4.7.1", "Later"};
    static const struct rp_reply never = {550, "5.7.1", "Never"};
    static const struct rp_reply closing = {421, "4.3.2", "Closing"};
    switch (letter) {
    case 't': return &later;
    case 'r': return &never;
    case 'c': return &closing;
    default: return NULL;
    }
}

static inline void dialog_answer(struct dialog *dialog, enum rp_smtp_event event)
{
    const char letter = dialog_letter(dialog);
    const struct rp_reply *refusal = dialog_refusal(letter);
    if (refusal != NULL) {
        /* The caller's copy does not last. */
        struct rp_reply reply = *refusal;
        rp_smtp_refuse(&dialog->smtp, &reply);
        memset(&reply, 0, sizeof(reply));
    } else if (event == RP_SMTP_MESSAGE) {
        rp_smtp_defer(&dialog->smtp);
        dialog_flush(dialog);
        rp_reply_put_queued(&dialog->out, RP_SPAN_OF("7"));
    } else {
        rp_smtp_accept(&dialog->smtp);
        dialog->refuses_body = event == RP_SMTP_DATA && letter == 'b';
    }
}

static inline void dialog_log_addr(struct dialog_text *events, const struct rp_addr *addr)
{
    dialog_append_span(events, addr->mailbox);
    dialog_print(events, "%s%s", addr->is_null ? " null" : "", addr->is_utf8 ? " utf8" : "");
}

static inline void dialog_log_mail(struct dialog_text *events, const struct rp_smtp_mail *mail)
{
    dialog_print(events, "MAIL ");
    dialog_log_addr(events, &mail->sender);
    dialog_print(events, " size=%llu%s%s [", (unsigned long long)mail->size,
                 mail->body == RP_SMTP_BODY_8BITMIME ? " 8bit" : "",
                 mail->smtputf8 ? " smtputf8" : "");
    dialog_append_span(events, mail->params);
    dialog_print(events, "]\n");
}

static inline void dialog_body(struct dialog *dialog)
{
    static const struct rp_reply full = {452, "4.3.1", "Full"};
    CU_ASSERT_TRUE(dialog->smtp.in_body);
    CU_ASSERT_TRUE(dialog->smtp.event.body.len > 0);
    dialog_append_span(dialog->body, dialog->smtp.event.body);
    if (dialog->refuses_body) {
        struct rp_reply reply = full;
        rp_smtp_refuse_body(&dialog->smtp, &reply);
        memset(&reply, 0, sizeof(reply));
        dialog->body->len = 0;
    }
}

/* Write the event down and answer it. True: another call is needed before more input. */
static inline bool dialog_event(struct dialog *dialog, enum rp_smtp_event event)
{
    const struct rp_smtp *smtp = &dialog->smtp;
    struct dialog_text *events = &dialog->result->events;
    switch (event) {
    case RP_SMTP_WANT_INPUT: return false;
    case RP_SMTP_WANT_OUTPUT:
        CU_ASSERT_FALSE(rp_reply_has_room(&dialog->out));
        dialog_flush(dialog);
        return true;
    case RP_SMTP_HELO:
        dialog_print(events, smtp->event.helo.is_extended ? "EHLO " : "HELO ");
        dialog_append_span(events, smtp->event.helo.name);
        dialog_print(events, "\n");
        break;
    case RP_SMTP_MAIL: dialog_log_mail(events, &smtp->event.mail); break;
    case RP_SMTP_RCPT:
        dialog_print(events, "RCPT ");
        dialog_log_addr(events, &smtp->event.rcpt.recipient);
        dialog_print(events, " [");
        dialog_append_span(events, smtp->event.rcpt.params);
        dialog_print(events, "]\n");
        break;
    case RP_SMTP_DATA:
        dialog_print(events, "DATA\n");
        dialog->body->len = 0;
        break;
    case RP_SMTP_BODY: dialog_body(dialog); return true;
    case RP_SMTP_MESSAGE:
        CU_ASSERT_EQUAL(smtp->body_len, dialog->body->len);
        CU_ASSERT_TRUE(smtp->rcpt_count > 0);
        dialog_print(events, "MESSAGE %zu:", dialog->body->len);
        dialog_append(events, dialog->body->ptr, dialog->body->len);
        dialog_print(events, "\n");
        break;
    case RP_SMTP_RESET:
        dialog->body->len = 0;
        dialog_print(events, "RESET\n");
        return true;
    case RP_SMTP_CLOSE:
        dialog_print(events, "CLOSE\n");
        dialog->is_closed = true;
        return false;
    }
    dialog_answer(dialog, event);
    return true;
}

/* Feed octets that came in one piece. */
static inline void dialog_feed(struct dialog *dialog, const char *octets, size_t len)
{
    size_t which = 0;
    struct rp_span in = {guard_copy(&dialog_guards[which], octets, len), len};
    for (;;) {
        const enum rp_smtp_event event = rp_smtp_next(&dialog->smtp, &in, &dialog->out);
        if (!dialog_event(dialog, event)) {
            break;
        }
        if (in.len <= DIALOG_MOVE_MAX) {
            struct guard *from = &dialog_guards[which];
            which = 1 - which;
            in.ptr = guard_copy(&dialog_guards[which], in.ptr, in.len);
            const size_t wiped = len <= DIALOG_MOVE_MAX ? len : DIALOG_MOVE_MAX;
            memset(from->base + from->len_max - wiped, 0xEE, wiped);
        }
    }
    CU_ASSERT_TRUE(dialog->is_closed || in.len == 0);
    if (dialog->is_closed) {
        CU_ASSERT_EQUAL(rp_smtp_next(&dialog->smtp, &in, &dialog->out), RP_SMTP_CLOSE);
    }
    memset(dialog_guards[which].base + dialog_guards[which].len_max - in.len, 0xEE, in.len);
}

static inline void dialog_log_end(struct dialog *dialog)
{
    const struct rp_smtp *smtp = &dialog->smtp;
    dialog_print(&dialog->result->events, "%llu lines, %u recipients, %u messages%s\n",
                 (unsigned long long)smtp->line_count, smtp->rcpt_count, smtp->message_count,
                 smtp->in_body ? ", in a body" : "");
    if (smtp->in_body) {
        dialog_print(&dialog->result->events, "body %llu\n", (unsigned long long)smtp->body_len);
    }
}

/* Play the script and write down all that the session says. */
static inline void dialog_play(const struct dialog_script *script, struct dialog_result *result)
{
    static struct dialog_text body;
    static uint8_t line[DIALOG_LINE_MAX];
    static uint8_t out[8 * RP_REPLY_MAX];
    static const char greeting[] = "220 mx.example ESMTP test\r\n";

    const uint32_t line_cap = script->config->command_line_max + RP_SMTP_LINE_EXTRA;
    assert(line_cap <= sizeof(line) && script->out_cap <= sizeof(out));
    struct dialog dialog = {
        .script = script,
        .result = result,
        .out = {.ptr = out, .cap = script->out_cap},
        .body = &body,
    };
    memset(&dialog.smtp, 0xEE, sizeof(dialog.smtp));
    body.len = 0;
    result->replies.len = result->events.len = 0;
    result->replies.ptr[0] = result->events.ptr[0] = '\0';

    /* The line buffer ends at the end of its array, so that a sanitizer sees an overrun. */
    rp_smtp_init(&dialog.smtp, script->config, line + sizeof(line) - line_cap, line_cap);
    rp_smtp_greet(&dialog.smtp, &dialog.out);
    CU_ASSERT_EQUAL(dialog.out.len, sizeof(greeting) - 1);
    CU_ASSERT_EQUAL(memcmp(out, greeting, sizeof(greeting) - 1), 0);
    dialog.out.len = 0;

    for (size_t at = 0; at < script->input_len && !dialog.is_closed;) {
        size_t len = script->input_len - at;
        if (at < script->cut && script->cut - at < len) {
            len = script->cut - at;
        }
        if (script->piece != 0 && script->piece < len) {
            len = script->piece;
        }
        dialog_feed(&dialog, script->input + at, len);
        at += len;
    }
    dialog_flush(&dialog);
    dialog_log_end(&dialog);
}

static inline bool dialog_is_same(const struct dialog_text *a, const struct dialog_text *b)
{
    return a->len == b->len && memcmp(a->ptr, b->ptr, a->len) == 0;
}

/* Play the script again, otherwise cut: nothing may change. */
static inline bool dialog_is_stable(struct dialog_script script, const struct dialog_result *whole)
{
    static struct dialog_result again;
    dialog_play(&script, &again);
    if (dialog_is_same(&again.replies, &whole->replies) &&
        dialog_is_same(&again.events, &whole->events)) {
        return true;
    }
    fprintf(stderr, "\ncut at %zu, pieces of %zu, output of %zu: other replies or events\n",
            script.cut, script.piece, script.out_cap);
    fprintf(stderr, "whole:\n%s%s\ncut:\n%s%s\n", whole->replies.ptr, whole->events.ptr,
            again.replies.ptr, again.events.ptr);
    return false;
}

/* Every cut (every `step`th of a long script), pieces of 1 to 3 octets, little room. */
static inline bool dialog_is_stable_always(struct dialog_script script,
                                           const struct dialog_result *whole,
                                           size_t step)
{
    for (size_t cut = 1; cut < script.input_len; cut += step) {
        script.cut = cut;
        if (!dialog_is_stable(script, whole)) {
            return false;
        }
    }
    script.cut = 0;
    for (script.piece = 1; script.piece <= 3; script.piece++) {
        if (!dialog_is_stable(script, whole)) {
            return false;
        }
    }
    script.piece = 0;
    for (script.out_cap = RP_REPLY_MAX; script.out_cap < RP_REPLY_MAX + 64; script.out_cap += 9) {
        if (!dialog_is_stable(script, whole)) {
            return false;
        }
    }
    return true;
}

/* Check octets, which may hold NULs, against replies and events; NULL: any events. */
static inline void dialog_check_octets(const struct rp_smtp_config *config,
                                       const char *answers,
                                       struct rp_span input,
                                       const char *replies,
                                       const char *events)
{
    static struct dialog_result whole;
    const struct dialog_script script = {
        .config = config,
        .answers = answers,
        .input = (const char *)input.ptr,
        .input_len = input.len,
        .out_cap = 8 * RP_REPLY_MAX,
    };
    dialog_play(&script, &whole);
    const bool are_replies_right = strcmp(whole.replies.ptr, replies) == 0;
    const bool are_events_right =
        events == NULL || strncmp(whole.events.ptr, events, strlen(events)) == 0;
    CU_ASSERT_TRUE(are_replies_right);
    CU_ASSERT_TRUE(are_events_right);
    if (!are_replies_right || !are_events_right) {
        fprintf(stderr, "\nsent:\n%.*s\nexpected:\n%s%s\ngot:\n%s%s\n", (int)input.len,
                (const char *)input.ptr, replies, events == NULL ? "" : events, whole.replies.ptr,
                whole.events.ptr);
    }
    CU_ASSERT_TRUE(dialog_is_stable_always(script, &whole, 1 + input.len / 1024));
}

static inline void dialog_check(const struct rp_smtp_config *config,
                                const char *answers,
                                const char *input,
                                const char *replies,
                                const char *events)
{
    const struct rp_span octets = {(const uint8_t *)input, strlen(input)};
    dialog_check_octets(config, answers, octets, replies, events);
}

/* A row of a test: what is sent after `before`, and the replies to it alone. */
struct dialog_row {
    const char *send;
    const char *replies;
};

/*
 * Check rows one by one, each in a session of its own that begins with the lines of
 * `before`, whose replies are `before_replies`.
 */
static inline void dialog_check_rows(const struct rp_smtp_config *config,
                                     const char *before,
                                     const char *before_replies,
                                     const struct dialog_row *rows,
                                     size_t row_count)
{
    for (size_t i = 0; i < row_count; i++) {
        static struct dialog_text input;
        static struct dialog_text replies;
        input.len = replies.len = 0;
        dialog_append(&input, before, strlen(before));
        dialog_append(&input, rows[i].send, strlen(rows[i].send));
        dialog_append(&replies, before_replies, strlen(before_replies));
        dialog_append(&replies, rows[i].replies, strlen(rows[i].replies));
        dialog_check(config, "", input.ptr, replies.ptr, NULL);
    }
}

#define DIALOG_ROW_COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

/* The main program of a test: one suite. Returns the exit status. */
static inline int dialog_main(const char *name, const CU_TestInfo *tests)
{
    if (CU_initialize_registry() != CUE_SUCCESS) {
        return EXIT_FAILURE;
    }
    CU_pSuite suite = CU_add_suite(name, NULL, NULL);
    for (; suite != NULL && tests->pName != NULL; tests++) {
        if (CU_add_test(suite, tests->pName, tests->pTestFunc) == NULL) {
            suite = NULL;
        }
    }
    dialog_open();
    CU_basic_set_mode(CU_BRM_NORMAL);
    const bool has_run = suite != NULL && CU_basic_run_tests() == CUE_SUCCESS;
    const bool has_failed = !has_run || CU_get_number_of_failures() > 0;
    dialog_close();
    CU_cleanup_registry();
    return has_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
