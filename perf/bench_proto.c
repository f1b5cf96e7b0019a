/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_proto.c - the parser: commands and whole messages through rp_smtp.h.
 *
 * Before each round the session is put back to where it was by a copy of its struct; that
 * copy (some 260 octets) is in the time, but not in what perf/instructions counts.
 */
#include "bench_proto.h"

#include "bench_case.h"
#include "bench_mail.h"

#include "proto/rp_smtp.h"
#include "spool/format.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HELLO       "EHLO client.bench.example\r\n"
#define MAIL        "MAIL FROM:<sender@bench.example>\r\n"
#define RCPT        "RCPT TO:<r0@sink.example>\r\n"
#define DATA        "DATA\r\n"
#define OUT_LEN     8192u

#define INPUTS_MAX  6u
#define MESSAGE_LEN 10240u /* octets of the body with its end */

struct spec {
    const char *inputs[INPUTS_MAX]; /* each is fed in one go */
    uint64_t units;                 /* commands, or 1 */
    bool says_hello;                /* before the rounds */
    bool has_body;                  /* after the inputs a body comes, with its end */
};

struct state {
    struct rp_smtp_config config;
    struct rp_smtp before; /* the session as each round begins */
    struct rp_smtp smtp;
    struct rp_bench_proto_inputs inputs;
    struct rp_span spans[INPUTS_MAX + 1];
    struct rp_reply_out out;
    uint8_t line[1024];
    uint8_t replies[OUT_LEN];
    uint8_t body[MESSAGE_LEN];
};

static const struct rp_smtp_config config = {
    .hostname = {(const uint8_t *)"mx.bench.example", 16},
    .ident = {(const uint8_t *)"ringpost",         8 },
    .smtputf8 = true,
    .pipelining = true,
    .vrfy = true,
    .help = true,
    .bare_newline = RP_DOT_REJECT,
    .message_size_max = 33554432,
    .command_line_max = 512,
    .line_length_max = 1001,
    .recipients_max = 1000,
    .errors_max = 20,
};

/* Feed one input to its end and answer all that is asked. Octets of the body and events. */
static inline uint64_t feed(struct rp_smtp *smtp, struct rp_span in, struct rp_reply_out *out)
{
    uint64_t sum = 0;
    for (;;) {
        const enum rp_smtp_event event = rp_smtp_next(smtp, &in, out);
        switch (event) {
        case RP_SMTP_WANT_INPUT: return sum;
        case RP_SMTP_HELO:
        case RP_SMTP_MAIL:
        case RP_SMTP_RCPT:
        case RP_SMTP_DATA:
            rp_smtp_accept(smtp);
            sum += UINT64_C(1) << 32;
            break;
        case RP_SMTP_BODY: sum += smtp->event.body.len; break;
        case RP_SMTP_MESSAGE:
            rp_smtp_defer(smtp);
            sum += UINT64_C(1) << 48;
            break;
        case RP_SMTP_WANT_OUTPUT:
        case RP_SMTP_RESET:
        case RP_SMTP_CLOSE: assert(event == RP_SMTP_WANT_INPUT); return 0;
        }
    }
}

static inline uint64_t feed_all(struct rp_smtp *smtp,
                                const struct rp_bench_proto_inputs *inputs,
                                struct rp_reply_out *out)
{
    uint64_t sum = 0;
    for (size_t at = 0; at < inputs->count; at++) {
        sum += feed(smtp, inputs->spans[at], out);
    }
    return sum;
}

__attribute__((noinline)) uint64_t rp_bench_proto_commands(
    struct rp_smtp *smtp,
    const struct rp_bench_proto_inputs *inputs,
    struct rp_reply_out *out)
{
    return feed_all(smtp, inputs, out);
}

/* Not the same function, and with another result: else the compiler would fold the two. */
__attribute__((noinline)) uint64_t rp_bench_proto_message(
    struct rp_smtp *smtp,
    const struct rp_bench_proto_inputs *inputs,
    struct rp_reply_out *out)
{
    return ~feed_all(smtp, inputs, out);
}

static struct rp_span span_of(const char *text)
{
    return (struct rp_span){(const uint8_t *)text, strlen(text)};
}

static int open_case(const struct rp_bench_case *self,
                     const struct rp_bench_setup *setup,
                     struct rp_bench_work *work_out)
{
    (void)setup;
    const struct spec *spec = self->spec;
    struct state *state = rp_bench_case_alloc(sizeof(*state));
    if (state == NULL) {
        return -ENOMEM;
    }
    state->config = config;
    state->out = (struct rp_reply_out){.ptr = state->replies, .cap = sizeof(state->replies)};
    rp_smtp_init(&state->before, &state->config, state->line, sizeof(state->line));
    rp_smtp_greet(&state->before, &state->out);
    if (spec->says_hello) {
        (void)feed(&state->before, span_of(HELLO), &state->out);
    }
    state->inputs.spans = state->spans;
    for (size_t at = 0; at < INPUTS_MAX && spec->inputs[at] != NULL; at++) {
        state->spans[state->inputs.count++] = span_of(spec->inputs[at]);
    }
    if (spec->has_body) {
        rp_bench_mail_fill(RP_BENCH_MAIL_TEXT, state->body, sizeof(state->body));
        state->spans[state->inputs.count++] = (struct rp_span){state->body, sizeof(state->body)};
    }
    work_out->state = state;
    work_out->units = spec->units;
    work_out->octets = 0;
    for (size_t at = 0; at < state->inputs.count; at++) {
        work_out->octets += state->spans[at].len;
    }
    return 0;
}

static int run(struct rp_bench_work *work, uint64_t rounds, uint64_t *checksum_out)
{
    struct state *state = work->state;
    const bool has_body = ((const struct spec *)work->what->spec)->has_body;
    struct rp_bench_sum sum = {0};
    for (uint64_t round = 0; round < rounds; round++) {
        state->smtp = state->before;
        state->out.len = 0;
        const uint64_t events =
            has_body ? rp_bench_proto_message(&state->smtp, &state->inputs, &state->out)
                     : rp_bench_proto_commands(&state->smtp, &state->inputs, &state->out);
        rp_bench_sum_add(&sum, events ^ (uint64_t)state->out.len << 16);
    }
    *checksum_out = rp_format_hash(state->replies, state->out.len, rp_bench_sum_get(&sum));
    return 0;
}

static void close_case(struct rp_bench_work *work)
{
    free(work->state);
}

/* Units of a triple: it is one; a command case counts its lines. */
static const struct spec hello = {{HELLO}, 1, false, false};
static const struct spec triple = {{MAIL RCPT DATA}, 1, true, false};
static const struct spec triple_lines = {
    {MAIL, RCPT, DATA},
    1,
    true,
    false
};
static const struct spec triple_cut = {
    {"MAIL FROM:<sender@ben", "ch.example>\r\nRCPT TO:<r", "0@sink.example>\r\nDA", "TA\r\n"},
    1,
    true,
    false,
};
static const struct spec commands = {{MAIL RCPT DATA}, 3, true, false};
static const struct spec message = {{MAIL RCPT DATA}, 1, true, true};

#define CASE(name, unit, help, twin, spec)                                              \
    {                                                                                   \
        (name), (unit), (help), NULL, (twin), &(spec), NULL, open_case, run, close_case \
    }
#define PIPELINED "proto/triple/pipelined"
static const struct rp_bench_case cases[] = {
    CASE("proto/ehlo", "command", "EHLO and its reply", NULL, hello),
    CASE("proto/command",
         "command",
         "MAIL, RCPT, DATA in one input, by the command",
         PIPELINED,
         commands),
    CASE(PIPELINED, "triple", "MAIL, RCPT, DATA in one input", NULL, triple),
    CASE("proto/triple/lines",
         "triple",
         "MAIL, RCPT, DATA, a line an input",
         PIPELINED,
         triple_lines),
    CASE("proto/triple/cut",
         "triple",
         "MAIL, RCPT, DATA, each line cut once",
         PIPELINED,
         triple_cut),
    CASE("proto/message/10k", "message", "the triple, then 10 KiB of text", NULL, message),
};
const struct rp_bench_family rp_bench_proto_family = {cases, sizeof(cases) / sizeof(cases[0])};
