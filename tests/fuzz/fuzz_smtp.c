/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_smtp.c - any octets to a session: whole and cut, the same replies and events.
 *
 * The input: four octets of configuration (see config_of), two that seed the cuts and the
 * answers of the caller, then what the client sends. It is played three times: whole,
 * octet by octet, and cut at places that the seed gives, with as little room for replies
 * as there may be. Every run must give the same replies, the same events and the same
 * bodies, and each must keep the promises of rp_smtp.h.
 *
 * How much of a body came before its RESET may depend on the cuts: it is not compared.
 */
#include "proto/rp_smtp.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_LEN   6
#define LINE_MAX_LEN 512
#define INPUT_MAX    8192
#define RUN_COUNT    3

/* What a run gave: written with tags and lengths, so that it can be compared as octets. */
struct record {
    uint8_t ptr[32 * INPUT_MAX];
    size_t len;
};

struct run {
    const struct rp_smtp_config *config;
    const uint8_t *input;
    size_t input_len;
    size_t out_cap;
    uint32_t cut_state; /* of the pieces; 0: one piece; 1: octets; else random */
    uint32_t answer_state;
    struct rp_smtp smtp;
    struct rp_reply_out out;
    struct record replies;
    struct record events;
    struct record body;
    bool refuses_body;
    bool has_transaction; /* as the caller knows it */
};

static struct run runs[RUN_COUNT];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t random_next(uint32_t *state)
{
    *state = *state * UINT32_C(1664525) + UINT32_C(1013904223);
    return *state >> 16;
}

/* A session that is closed early gives less; one that is not gives at most that much. */
static void record(struct record *record, const void *octets, size_t len)
{
    assert(len <= sizeof(record->ptr) - record->len);
    if (len > 0) {
        memcpy(record->ptr + record->len, octets, len);
    }
    record->len += len;
}

static void record_span(struct record *events, struct rp_span span)
{
    const uint32_t len = (uint32_t)span.len;
    record(events, &len, sizeof(len));
    record(events, span.ptr, span.len);
}

static void record_number(struct record *events, uint64_t number)
{
    record(events, &number, sizeof(number));
}

static void record_addr(struct record *events, const struct rp_addr *addr)
{
    record_span(events, addr->mailbox);
    record_span(events, addr->local);
    record_span(events, addr->domain);
    record_number(events, (uint64_t)addr->is_null << 1 | addr->is_utf8);
}

static struct rp_smtp_config config_of(const uint8_t *octets)
{
    static const uint64_t sizes[] = {0, 8, 64, 33554432};
    static const uint32_t lengths[] = {0, 16, 78, 1001};
    static const uint32_t few[] = {0, 1, 3, 20};
    struct rp_smtp_config config = {
        .hostname = RP_SPAN_OF("mx.example"),
        .ident = RP_SPAN_OF("fuzz"),
        .smtputf8 = (octets[0] & 1) == 0,
        .pipelining = (octets[0] & 2) == 0,
        .vrfy = (octets[0] & 4) == 0,
        .help = (octets[0] & 8) == 0,
        .strict_addresses = (octets[0] & 16) != 0,
        .bare_newline = (enum rp_dot_newline)((octets[0] >> 5) % 3),
        .message_size_max = sizes[octets[1] & 3],
        .command_line_max = (octets[1] & 4) != 0 ? 40 : LINE_MAX_LEN,
        .line_length_max = lengths[octets[1] >> 3 & 3],
        .local_part_max = (octets[1] & 32) != 0 ? 4 : 0,
        .recipients_max = (octets[1] & 64) != 0 ? 1 : 100,
        .messages_max = few[octets[2] & 3],
        .errors_max = few[octets[2] >> 2 & 3],
    };
    for (size_t verb = 0; verb < RP_SMTP_VERB_COUNT; verb++) {
        config.calls_max[verb] = few[octets[3] >> (verb % 4 * 2) & 3];
    }
    return config;
}

static void flush(struct run *run)
{
    record(&run->replies, run->out.ptr, run->out.len);
    run->out.len = 0;
}

/* Mostly yes, so that a session gets anywhere. */
static void answer(struct run *run, enum rp_smtp_event event)
{
    static const struct rp_reply refusals[] = {
        {450, "4.7.1", "Later"  },
        {550, "5.7.1", "Never"  },
        {421, "4.3.2", "Closing"},
    };
    const uint32_t choice = random_next(&run->answer_state) % 24;
    if (choice < 3) {
        rp_smtp_refuse(&run->smtp, &refusals[choice]);
        run->has_transaction &= event == RP_SMTP_RCPT || event == RP_SMTP_DATA;
        return;
    }
    if (event == RP_SMTP_MESSAGE) {
        rp_smtp_defer(&run->smtp);
        flush(run);
        rp_reply_put_queued(&run->out, RP_SPAN_OF("7"));
        run->has_transaction = false;
        return;
    }
    rp_smtp_accept(&run->smtp);
    run->has_transaction |= event == RP_SMTP_MAIL;
    if (event == RP_SMTP_DATA) {
        run->body.len = 0;
        run->refuses_body = choice < 6;
    }
}

static void take_body(struct run *run)
{
    static const struct rp_reply full = {452, "4.3.1", "Full"};
    const struct rp_span body = run->smtp.event.body;
    assert(run->smtp.in_body && run->has_transaction && body.len > 0);
    record(&run->body, body.ptr, body.len);
    assert(run->config->message_size_max == 0 || run->body.len <= run->config->message_size_max);
    if (run->refuses_body) {
        rp_smtp_refuse_body(&run->smtp, &full);
        run->body.len = 0;
        run->has_transaction = false;
    }
}

static void note_question(struct run *run, enum rp_smtp_event event)
{
    const struct rp_smtp *smtp = &run->smtp;
    struct record *events = &run->events;
    switch (event) {
    case RP_SMTP_HELO:
        assert(!run->has_transaction);
        record_span(events, smtp->event.helo.name);
        record_number(events, smtp->event.helo.is_extended);
        break;
    case RP_SMTP_MAIL:
        assert(!run->has_transaction);
        record_addr(events, &smtp->event.mail.sender);
        record_span(events, smtp->event.mail.params);
        record_number(events, smtp->event.mail.size);
        record_number(events, (uint64_t)smtp->event.mail.body << 1 | smtp->event.mail.smtputf8);
        break;
    case RP_SMTP_RCPT:
        assert(run->has_transaction && smtp->rcpt_count < run->config->recipients_max);
        record_addr(events, &smtp->event.rcpt.recipient);
        record_span(events, smtp->event.rcpt.params);
        break;
    case RP_SMTP_DATA: assert(run->has_transaction && smtp->rcpt_count > 0); break;
    case RP_SMTP_MESSAGE:
        assert(run->has_transaction && smtp->rcpt_count > 0);
        assert(smtp->body_len == run->body.len);
        record_span(events, (struct rp_span){run->body.ptr, run->body.len});
        break;
    case RP_SMTP_WANT_INPUT:
    case RP_SMTP_WANT_OUTPUT:
    case RP_SMTP_BODY:
    case RP_SMTP_RESET:
    case RP_SMTP_CLOSE: abort();
    }
}

/* False: the session wants more input, or none any more. */
static bool handle(struct run *run, enum rp_smtp_event event)
{
    switch (event) {
    case RP_SMTP_WANT_INPUT: return false;
    case RP_SMTP_WANT_OUTPUT:
        assert(!rp_reply_has_room(&run->out));
        flush(run);
        return true;
    case RP_SMTP_BODY: take_body(run); return true;
    case RP_SMTP_RESET:
        assert(run->has_transaction);
        run->has_transaction = false;
        run->body.len = 0;
        record_number(&run->events, event);
        return true;
    case RP_SMTP_CLOSE: record_number(&run->events, event); return false;
    case RP_SMTP_HELO:
    case RP_SMTP_MAIL:
    case RP_SMTP_RCPT:
    case RP_SMTP_DATA:
    case RP_SMTP_MESSAGE:
        record_number(&run->events, event);
        note_question(run, event);
        answer(run, event);
        return true;
    }
    return false;
}

static size_t next_piece(struct run *run, size_t left)
{
    size_t len = left;
    if (run->cut_state == 1) {
        len = 1;
    } else if (run->cut_state != 0) {
        len = 1 + random_next(&run->cut_state) % 40;
    }
    return len < left ? len : left;
}

/* Each piece is a block of its own on the heap, so that a sanitizer sees what is read too far. */
static bool feed(struct run *run, const uint8_t *octets, size_t len)
{
    uint8_t *piece = malloc(len);
    assert(piece != NULL);
    memcpy(piece, octets, len);
    struct rp_span in = {piece, len};
    enum rp_smtp_event event;
    do {
        event = rp_smtp_next(&run->smtp, &in, &run->out);
    } while (handle(run, event));
    assert(in.len == 0 || event == RP_SMTP_CLOSE);
    if (event == RP_SMTP_CLOSE) {
        assert(rp_smtp_next(&run->smtp, &in, &run->out) == RP_SMTP_CLOSE);
    }
    free(piece);
    return event != RP_SMTP_CLOSE;
}

static void play(struct run *run)
{
    static uint8_t out[2 * RP_REPLY_MAX];
    const size_t line_cap = run->config->command_line_max + RP_SMTP_LINE_EXTRA;
    uint8_t *line = malloc(line_cap);
    assert(line != NULL);
    run->replies.len = run->events.len = run->body.len = 0;
    run->refuses_body = run->has_transaction = false;
    run->out = (struct rp_reply_out){.ptr = out, .cap = run->out_cap};
    rp_smtp_init(&run->smtp, run->config, line, line_cap);
    rp_smtp_greet(&run->smtp, &run->out);

    for (size_t at = 0; at < run->input_len;) {
        const size_t len = next_piece(run, run->input_len - at);
        if (!feed(run, run->input + at, len)) {
            break;
        }
        at += len;
    }
    flush(run);
    record_number(&run->events, run->smtp.line_count);
    record_number(&run->events, run->smtp.in_body ? run->smtp.body_len + 1 : 0);
    record_number(&run->events, run->smtp.rcpt_count);
    record_number(&run->events, run->smtp.message_count);
    free(line);
}

static void compare(const struct record *a, const struct record *b)
{
    assert(a->len == b->len);
    assert(memcmp(a->ptr, b->ptr, a->len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < HEADER_LEN || size - HEADER_LEN > INPUT_MAX) {
        return 0;
    }
    const struct rp_smtp_config config = config_of(data);
    const uint32_t seed = (uint32_t)data[4] << 8 | data[5];
    const uint32_t cut_states[RUN_COUNT] = {0, 1, seed + 2};
    for (size_t i = 0; i < RUN_COUNT; i++) {
        struct run *run = &runs[i];
        run->config = &config;
        run->input = data + HEADER_LEN;
        run->input_len = size - HEADER_LEN;
        run->out_cap = i + 1 == RUN_COUNT ? RP_REPLY_MAX : 2 * RP_REPLY_MAX;
        run->cut_state = cut_states[i];
        run->answer_state = seed;
        play(run);
        compare(&runs[0].replies, &run->replies);
        compare(&runs[0].events, &run->events);
    }
    return 0;
}
