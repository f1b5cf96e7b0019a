/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * smtp.c - the session: lines to commands, commands to events, answers to replies.
 *
 * It composes smtp_line (lines), smtp_verb (names and handlers), smtp_rules (what may
 * come when), rp_dot (bodies) and reply.c; each of them knows nothing of the others.
 *
 * What counts against limits.errors is any reply of 5xx, also of a body or of the
 * caller. So many are given as they are; the one after them becomes 421 and closes.
 */
#include "rp_smtp.h"

#include "reply.h"
#include "smtp_line.h"
#include "smtp_rules.h"
#include "smtp_verb.h"

#include <assert.h>
#include <string.h>

#define ALWAYS_INLINE inline __attribute__((always_inline))
#define NEVER_INLINE  __attribute__((noinline))

/* What must be done before more is read, in this order: bits of smtp->pending. */
enum pending {
    PENDING_RESET = 1,   /* hand out RP_SMTP_RESET */
    PENDING_HELO = 2,    /* hand out RP_SMTP_HELO, which waited for a RESET */
    PENDING_REPLY = 4,   /* put smtp->reply */
    PENDING_WELCOME = 8, /* put the answer to an accepted RP_SMTP_HELO */
    PENDING_USUAL = 16,  /* put the usual reply to the accepted event smtp->asking */
    PENDING_CLOSE = 32,  /* hand out RP_SMTP_CLOSE, for ever */
};

enum body_fate {
    BODY_GOOD,
    BODY_FAULTY,  /* by the session: a RESET was, or is about to be, handed out */
    BODY_REFUSED, /* by the caller: its refusal is in smtp->reply */
};

static const struct rp_reply need_helo = {503, "5.5.1", "Error: send HELO first"};
static const struct rp_reply need_mail = {503, "5.5.1", "Error: need MAIL command"};
static const struct rp_reply need_rcpt = {503, "5.5.1", "Error: need RCPT command"};
static const struct rp_reply nested = {503, "5.5.1", "Error: nested MAIL command"};

void rp_smtp_init(struct rp_smtp *smtp,
                  const struct rp_smtp_config *config,
                  uint8_t *line,
                  size_t line_cap)
{
    assert(config->hostname.len <= 255 && config->ident.len <= 255);
    assert(config->recipients_max >= 1);
    assert(config->command_line_max >= 8); /* rp_smtp_verb_line_max needs the verb */
    assert(line_cap >= (size_t)config->command_line_max + RP_SMTP_LINE_EXTRA);
    assert(line_cap <= UINT32_MAX);
    *smtp = (struct rp_smtp){
        .config = config,
        .line = line,
        .line_cap = (uint32_t)line_cap,
        .state = RP_SMTP_STATE_START,
        .line_state = RP_SMTP_LINE_OPEN,
    };
}

void rp_smtp_greet(struct rp_smtp *smtp, struct rp_reply_out *out)
{
    static const struct rp_reply greeting = {220, NULL, ""};
    const struct rp_span parts[] = {
        smtp->config->hostname,
        RP_SPAN_OF(" ESMTP "),
        smtp->config->ident,
    };
    rp_reply_put_parts(out, &greeting, parts, sizeof(parts) / sizeof(parts[0]));
}

/* A change of state that may end a transaction goes through here: none is without a RESET. */
static void enter(struct rp_smtp *smtp, enum rp_smtp_state next)
{
    if (rp_smtp_rules_has_transaction(smtp->state) && !rp_smtp_rules_has_transaction(next)) {
        smtp->pending |= PENDING_RESET;
        smtp->rcpt_count = 0;
    }
    if (next == RP_SMTP_STATE_CLOSED) {
        smtp->pending |= PENDING_CLOSE;
    }
    smtp->state = (uint8_t)next;
}

/* The body is over and its transaction with it; the caller knows, so there is no RESET. */
static void end_body(struct rp_smtp *smtp)
{
    smtp->state = RP_SMTP_STATE_READY;
    smtp->rcpt_count = 0;
}

static NEVER_INLINE void put_reply(struct rp_smtp *smtp,
                                   const struct rp_reply *reply,
                                   const struct rp_smtp_command *command,
                                   struct rp_reply_out *out)
{
    static const struct rp_reply too_many_errors = {421, "4.7.0", "Error: too many errors"};
    size_t part_count = command != NULL ? command->part_count : 0;

    if (reply->code >= 500) {
        if (smtp->config->errors_max != 0 && smtp->error_count >= smtp->config->errors_max) {
            reply = &too_many_errors;
            part_count = 0;
        } else {
            smtp->error_count++;
        }
    }
    rp_reply_put_parts(out, reply, command != NULL ? command->parts : NULL, part_count);
    if (reply->code == 421) {
        enter(smtp, RP_SMTP_STATE_CLOSED);
    }
}

/* The usual reply to an accepted MAIL, RCPT or DATA: these are most of all replies. Needs room. */
static inline void put_usual(struct rp_smtp *smtp, struct rp_reply_out *out)
{
    if (smtp->asking == RP_SMTP_RCPT) {
        rp_reply_put_octets(out, RP_SPAN_OF("250 2.1.5 OK\r\n"));
    } else if (smtp->asking == RP_SMTP_MAIL) {
        rp_reply_put_octets(out, RP_SPAN_OF("250 2.1.0 OK\r\n"));
    } else {
        assert(smtp->asking == RP_SMTP_DATA);
        rp_reply_put_octets(out, RP_SPAN_OF("354 End data with <CR><LF>.<CR><LF>\r\n"));
    }
    smtp->asking = RP_SMTP_WANT_INPUT;
    smtp->pending = 0;
}

/* Do the next of what is pending. True: *event_out is to be handed out. */
static NEVER_INLINE bool settle(struct rp_smtp *smtp,
                                struct rp_reply_out *out,
                                enum rp_smtp_event *event_out)
{
    if ((smtp->pending & PENDING_RESET) != 0) {
        smtp->pending &= (uint8_t)~PENDING_RESET;
        *event_out = RP_SMTP_RESET;
        return true;
    }
    if ((smtp->pending & PENDING_HELO) != 0) {
        smtp->pending &= (uint8_t)~PENDING_HELO;
        smtp->asking = RP_SMTP_HELO;
        *event_out = RP_SMTP_HELO;
        return true;
    }
    if ((smtp->pending & (PENDING_REPLY | PENDING_WELCOME | PENDING_USUAL)) == 0) {
        *event_out = RP_SMTP_CLOSE;
        return true;
    }

    if (!rp_reply_has_room(out)) {
        *event_out = RP_SMTP_WANT_OUTPUT;
        return true;
    }
    if (smtp->pending == PENDING_USUAL) {
        put_usual(smtp, out);
        return false;
    }
    if ((smtp->pending & PENDING_WELCOME) != 0) {
        smtp->pending &= (uint8_t)~PENDING_WELCOME;
        rp_cmd_helo_put(smtp, out);
    } else {
        smtp->pending &= (uint8_t)~PENDING_REPLY;
        put_reply(smtp, &smtp->reply, NULL, out);
    }
    smtp->asking = RP_SMTP_WANT_INPUT;
    return false;
}

static struct rp_cmd_data_faults find_faults(const struct rp_smtp *smtp)
{
    const struct rp_smtp_config *config = smtp->config;
    return (struct rp_cmd_data_faults){
        .is_too_big = config->message_size_max != 0 && smtp->body_len > config->message_size_max,
        .has_bare = smtp->dot.has_bare && config->bare_newline == RP_DOT_REJECT,
        .has_long_line = smtp->dot.has_long_line,
    };
}

static bool is_faulty(struct rp_cmd_data_faults faults)
{
    return faults.is_too_big || faults.has_bare || faults.has_long_line;
}

/*
 * Count what was decoded and look for faults. Returns how much of it the caller gets: with
 * a fault there may be some of the body before the RESET, but never more than
 * limits.message_size in all.
 */
static size_t judge_body(struct rp_smtp *smtp, size_t len)
{
    const uint64_t body_len = smtp->body_len;
    smtp->body_len += len;
    if (smtp->body_fate != BODY_GOOD) {
        return 0;
    }

    const struct rp_cmd_data_faults faults = find_faults(smtp);
    if (is_faulty(faults)) {
        smtp->body_fate = BODY_FAULTY;
        smtp->pending |= PENDING_RESET;
    }
    return faults.is_too_big ? (size_t)(smtp->config->message_size_max - body_len) : len;
}

/* The end of data: the message, or the reply that says why it is none. */
static bool finish_body(struct rp_smtp *smtp, enum rp_smtp_event *event_out)
{
    smtp->in_body = false;
    if (smtp->body_fate == BODY_GOOD) {
        smtp->message_count++;
        smtp->asking = RP_SMTP_MESSAGE;
        *event_out = RP_SMTP_MESSAGE;
        return true;
    }

    if (smtp->body_fate == BODY_FAULTY) {
        smtp->reply = *rp_cmd_data_refusal(find_faults(smtp));
    }
    smtp->pending |= PENDING_REPLY;
    end_body(smtp);
    return false;
}

static bool read_body(struct rp_smtp *smtp, struct rp_span *in, enum rp_smtp_event *event_out)
{
    struct rp_span body = {NULL, 0};
    const enum rp_dot_step step = rp_dot_next(&smtp->dot, in, &body);
    const size_t len = judge_body(smtp, body.len);
    switch (step) {
    case RP_DOT_MORE: *event_out = RP_SMTP_WANT_INPUT; return smtp->pending == 0;
    case RP_DOT_BODY:
        smtp->event.body = (struct rp_span){body.ptr, len};
        *event_out = RP_SMTP_BODY;
        return len > 0;
    case RP_DOT_END: return finish_body(smtp, event_out);
    }
    return false;
}

static const struct rp_reply *refuse_order(enum rp_smtp_verdict verdict)
{
    switch (verdict) {
    case RP_SMTP_RULES_NEED_HELO: return &need_helo;
    case RP_SMTP_RULES_NEED_MAIL: return &need_mail;
    case RP_SMTP_RULES_NEED_RCPT: return &need_rcpt;
    case RP_SMTP_RULES_NESTED: return &nested;
    case RP_SMTP_RULES_OK:
    case RP_SMTP_RULES_NOT_NOW:
    case RP_SMTP_RULES_VERDICT_COUNT: break;
    }
    assert(false && "a verdict that refuses");
    return NULL;
}

/* limits.command_calls, where it is set: that many are let through, the next one closes. */
static NEVER_INLINE const struct rp_reply *count_call(struct rp_smtp *smtp,
                                                      struct rp_smtp_command *command)
{
    static const struct rp_reply too_many = {421, "4.7.0", ""};
    static const struct rp_reply too_many_unknown = {421, "4.7.0",
                                                     "Too many unrecognized commands"};

    if (smtp->calls[command->verb] < smtp->config->calls_max[command->verb]) {
        smtp->calls[command->verb]++;
        return NULL;
    }
    if (command->verb == RP_SMTP_VERB_UNKNOWN) {
        return &too_many_unknown;
    }
    rp_smtp_verb_add_part(command, rp_smtp_verb_get(command->verb)->name);
    rp_smtp_verb_add_part(command, RP_SPAN_OF(" sent too many times"));
    return &too_many;
}

/* "VERB argument": spaces around the argument do not count, none may come before the verb. */
static inline bool split_line(struct rp_span line, struct rp_smtp_command *command)
{
    size_t name_len = 4;
    command->verb = RP_SMTP_VERB_UNKNOWN;
    if (line.len == name_len || (line.len > name_len && line.ptr[name_len] == ' ')) {
        command->verb = rp_smtp_verb_find_usual(line.ptr);
    }
    if (command->verb == RP_SMTP_VERB_UNKNOWN) {
        name_len = 0;
        while (name_len < line.len && line.ptr[name_len] != ' ') {
            name_len++;
        }
        command->verb = rp_smtp_verb_find((struct rp_span){line.ptr, name_len});
    }

    struct rp_span arg = {line.ptr + name_len, line.len - name_len};
    while (arg.len > 0 && *arg.ptr == ' ') {
        arg.ptr++;
        arg.len--;
    }
    while (arg.len > 0 && arg.ptr[arg.len - 1] == ' ') {
        arg.len--;
    }
    command->name = (struct rp_span){line.ptr, name_len};
    command->arg = arg;
    return name_len > 0;
}

/* The reply to a command line, or NULL where its event is to be handed out. */
static ALWAYS_INLINE const struct rp_reply *run_line(struct rp_smtp *smtp,
                                                     struct rp_smtp_line line,
                                                     struct rp_smtp_command *command)
{
    static const struct rp_reply control = {500, "5.5.2", "Error: control character in command"};
    static const struct rp_reply no_verb = {500, "5.5.2", "Error: bad syntax"};
    static const struct rp_reply not_ascii = {500, "5.5.2", "Error: non-ASCII octet in command"};

    if (line.octets == RP_SMTP_LINE_CONTROL) {
        rp_smtp_line_drop_blanks(&line); /* RFC 5321, 4.1.1: a TAB before the CRLF is no fault */
        if (line.octets == RP_SMTP_LINE_CONTROL) {
            return &control;
        }
    }
    if (!split_line(line.text, command)) {
        return &no_verb;
    }
    if (smtp->config->calls_max[command->verb] != 0) {
        const struct rp_reply *refusal = count_call(smtp, command);
        if (refusal != NULL) {
            return refusal;
        }
    }

    const struct rp_smtp_verb_row *row = rp_smtp_verb_get(command->verb);
    if (line.octets == RP_SMTP_LINE_8BIT && !row->takes_utf8) {
        return &not_ascii;
    }
    const struct rp_smtp_rule *rule = rp_smtp_rules_get(smtp->state, command->verb);
    if (rule->verdict != RP_SMTP_RULES_OK) {
        return refuse_order(rule->verdict);
    }
    smtp->next_state = rule->next;
    if (row->takes_no_arg && command->arg.len > 0) {
        return rp_smtp_verb_refuse_syntax(smtp, command);
    }
    return row->run(smtp, command);
}

/* HELO in a transaction: the RESET comes first, so the name must outlive the input. */
static NEVER_INLINE void delay_helo(struct rp_smtp *smtp)
{
    struct rp_span *name = &smtp->event.helo.name;
    assert(name->len <= smtp->line_cap);
    memmove(smtp->line, name->ptr, name->len); /* it may lie there already, further on */
    name->ptr = smtp->line;
    smtp->asking = RP_SMTP_WANT_INPUT;
    smtp->pending |= PENDING_HELO;
    enter(smtp, RP_SMTP_STATE_READY);
}

static ALWAYS_INLINE bool read_command(struct rp_smtp *smtp,
                                       struct rp_smtp_line line,
                                       struct rp_reply_out *out,
                                       enum rp_smtp_event *event_out)
{
    struct rp_smtp_command command;
    command.part_count = 0; /* the rest is set where it is used: this is the hot path */
    const struct rp_reply *reply = run_line(smtp, line, &command);
    if (reply != NULL) {
        put_reply(smtp, reply, &command, out);
        if (reply->code < 400) {
            enter(smtp, smtp->next_state);
        }
        return false;
    }

    if (smtp->asking == RP_SMTP_HELO && rp_smtp_rules_has_transaction(smtp->state)) {
        delay_helo(smtp);
        return false;
    }
    *event_out = (enum rp_smtp_event)smtp->asking;
    return true;
}

static ALWAYS_INLINE bool read_line(struct rp_smtp *smtp,
                                    struct rp_span *in,
                                    struct rp_reply_out *out,
                                    enum rp_smtp_event *event_out)
{
    static const struct rp_reply bare = {500, "5.5.2",
                                         "Error: bare CR or LF, command lines end in CRLF"};
    static const struct rp_reply too_long = {500, "5.5.2", "Command line too long"};

    struct rp_smtp_line line;
    switch (rp_smtp_line_next(smtp, in, &line)) {
    case RP_SMTP_LINE_MORE: return false;
    case RP_SMTP_LINE_WHOLE: smtp->line_count++; return read_command(smtp, line, out, event_out);
    case RP_SMTP_LINE_BARE: put_reply(smtp, &bare, NULL, out); return false;
    case RP_SMTP_LINE_LONG: put_reply(smtp, &too_long, NULL, out); return false;
    case RP_SMTP_LINE_SKIPPED: smtp->line_count++; return false;
    }
    return false;
}

static NEVER_INLINE enum rp_smtp_event go_on(struct rp_smtp *smtp,
                                             struct rp_span *in,
                                             struct rp_reply_out *out)
{
    enum rp_smtp_event event;
    for (;;) {
        if (smtp->pending != 0) {
            if (settle(smtp, out, &event)) {
                return event;
            }
        } else if (smtp->in_body) {
            if (read_body(smtp, in, &event)) {
                return event;
            }
        } else if (in->len == 0) {
            return RP_SMTP_WANT_INPUT;
        } else if (!rp_reply_has_room(out)) {
            return RP_SMTP_WANT_OUTPUT;
        } else if (read_line(smtp, in, out, &event)) {
            return event;
        }
    }
}

/* The same, where nothing is pending and a body is read. */
static NEVER_INLINE enum rp_smtp_event go_on_in_body(struct rp_smtp *smtp,
                                                     struct rp_span *in,
                                                     struct rp_reply_out *out)
{
    enum rp_smtp_event event;
    return read_body(smtp, in, &event) ? event : go_on(smtp, in, out);
}

enum rp_smtp_event rp_smtp_next(struct rp_smtp *smtp, struct rp_span *in, struct rp_reply_out *out)
{
    assert(smtp->asking == RP_SMTP_WANT_INPUT || smtp->pending != 0); /* an answer is missing */

    /* Short ways for most calls; go_on would do the same. */
    if (smtp->pending == PENDING_USUAL && rp_reply_has_room(out)) {
        put_usual(smtp, out);
        if (in->len == 0) {
            return RP_SMTP_WANT_INPUT;
        }
    }
    if (smtp->pending == 0 && smtp->in_body) {
        return go_on_in_body(smtp, in, out);
    }
    return go_on(smtp, in, out);
}

/* Take the answer to an event: which one it was. */
static enum rp_smtp_event take_question(const struct rp_smtp *smtp)
{
    assert(smtp->asking != RP_SMTP_WANT_INPUT); /* nothing was asked */
    assert(smtp->pending == 0);                 /* it was answered already */
    return (enum rp_smtp_event)smtp->asking;
}

static void begin_body(struct rp_smtp *smtp)
{
    smtp->in_body = true;
    smtp->body_len = 0;
    smtp->body_fate = BODY_GOOD;
    rp_dot_init(&smtp->dot, smtp->config->bare_newline, smtp->config->line_length_max);
}

void rp_smtp_accept(struct rp_smtp *smtp)
{
    const enum rp_smtp_event event = take_question(smtp);
    uint8_t pending = PENDING_USUAL;
    if (event == RP_SMTP_RCPT) {
        smtp->rcpt_count++;
    } else if (event == RP_SMTP_DATA) {
        begin_body(smtp);
    } else if (event == RP_SMTP_HELO) {
        smtp->is_extended = smtp->event.helo.is_extended;
        pending = PENDING_WELCOME;
    } else {
        assert(event == RP_SMTP_MAIL); /* no other can be accepted */
    }
    smtp->state = smtp->next_state; /* no transaction ends here: HELO has seen to it before */
    smtp->pending = pending;
}

void rp_smtp_refuse(struct rp_smtp *smtp, const struct rp_reply *reply)
{
    assert(reply->code >= 400 && reply->code <= 599);
    if (take_question(smtp) == RP_SMTP_MESSAGE) {
        smtp->message_count--;
        end_body(smtp);
    }
    smtp->reply = *reply;
    smtp->pending |= PENDING_REPLY;
}

void rp_smtp_defer(struct rp_smtp *smtp)
{
    const enum rp_smtp_event event = take_question(smtp);
    assert(event == RP_SMTP_MESSAGE);
    (void)event;
    end_body(smtp);
    smtp->asking = RP_SMTP_WANT_INPUT;
}

void rp_smtp_refuse_body(struct rp_smtp *smtp, const struct rp_reply *reply)
{
    assert(smtp->in_body);
    assert(reply->code >= 400 && reply->code <= 599);
    smtp->pending &= (uint8_t)~PENDING_RESET; /* whoever refuses knows */
    smtp->body_fate = BODY_REFUSED;
    smtp->reply = *reply;
}
