/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_model.c - replies in, complaints out.
 */
#include "sim_model.h"

#include "sim_agenda.h"
#include "sim_damage.h"
#include "sim_trace.h"

#include <stdio.h>

static const char *const ask_names[SIM_ASK_COUNT] = {
    [SIM_ASK_GREETING] = "greeting", [SIM_ASK_HELO] = "HELO",
    [SIM_ASK_EHLO] = "EHLO",         [SIM_ASK_MAIL] = "MAIL",
    [SIM_ASK_MAIL_BAD] = "bad MAIL", [SIM_ASK_MAIL_BIG] = "too big MAIL",
    [SIM_ASK_RCPT] = "RCPT",         [SIM_ASK_RCPT_BAD] = "bad RCPT",
    [SIM_ASK_DATA] = "DATA",         [SIM_ASK_BODY] = "end of data",
    [SIM_ASK_RSET] = "RSET",         [SIM_ASK_NOOP] = "NOOP",
    [SIM_ASK_VRFY] = "VRFY",         [SIM_ASK_HELP] = "HELP",
    [SIM_ASK_EXPN] = "EXPN",         [SIM_ASK_BAD] = "bad line",
    [SIM_ASK_QUIT] = "QUIT",
};

void sim_model_init(struct sim_model *model, const struct sim_rules *rules, uint32_t number)
{
    *model = (struct sim_model){.rules = rules,
                                .number = number,
                                .progress_ns = sim_agenda_now(),
                                .started_ns = sim_agenda_now()};
    sim_model_expect(model, &(struct sim_expect){.ask = SIM_ASK_GREETING});
}

void sim_model_free(struct sim_model *model)
{
    free(model->expects);
    sim_bytes_free(&model->input);
}

void sim_model_expect(struct sim_model *model, const struct sim_expect *expect)
{
    if ((model->count & (model->count - 1)) == 0) {
        size_t cap = model->count == 0 ? 1 : model->count * 2;
        model->expects = reallocarray(model->expects, cap, sizeof(*model->expects));
        assert(model->expects != NULL);
    }
    model->expects[model->count++] = *expect;
}

/* ---- what is allowed ---- */

bool sim_model_may_dismiss(const struct sim_model *model)
{
    const struct rp_config *config = model->rules->config;
    uint64_t timeout_ns = config->timeout_command_ns < config->timeout_data_ns
                              ? config->timeout_command_ns
                              : config->timeout_data_ns;
    uint64_t now_ns = sim_agenda_now();
    bool is_over = config->timeout_session_ns != 0 &&
                   now_ns - model->started_ns >= config->timeout_session_ns * 9 / 10;
    return model->rules->is_draining || is_over ||
           now_ns - model->progress_ns >= timeout_ns * 9 / 10;
}

static bool is_trouble(const struct sim_model *model, uint32_t code)
{
    return model->rules->may_fail && (code == 451 || code == 452);
}

static bool allows_mail(const struct sim_model *model,
                        const struct sim_expect *expect,
                        uint32_t code)
{
    const struct rp_smtp_config *smtp = &model->rules->config->smtp;
    if (!model->is_greeted || model->mail != NULL) {
        return code == 503;
    }
    if (smtp->messages_max != 0 && model->whole_count >= smtp->messages_max && code == 421) {
        return true;
    }
    if (smtp->messages_max != 0 && model->taken_count >= smtp->messages_max) {
        return code == 421 || (expect->ask != SIM_ASK_MAIL && code >= 500);
    }
    if (is_trouble(model, code)) {
        return true;
    }
    switch (expect->ask) {
    case SIM_ASK_MAIL_BIG: return code == (model->is_extended ? 552 : 501);
    case SIM_ASK_MAIL_BAD: return code == 501 || code == 553 || code == 555;
    default: return code == 250;
    }
}

static bool allows_rcpt(const struct sim_model *model,
                        const struct sim_expect *expect,
                        uint32_t code)
{
    if (model->mail == NULL) {
        return code == 503;
    }
    if (model->rcpt_count >= model->rules->config->smtp.recipients_max && code == 452) {
        return true;
    }
    if (is_trouble(model, code)) {
        return true;
    }
    if (expect->ask == SIM_ASK_RCPT_BAD) {
        return code == 501 || code == 553 || code == 555;
    }
    return code == 250 && model->rcpt_count < model->rules->config->smtp.recipients_max;
}

static bool allows_body(const struct sim_model *model, const struct sim_mail *mail, uint32_t code)
{
    if (is_trouble(model, code)) {
        return true;
    }
    if (mail->is_too_big) {
        return code == 552;
    }
    if (mail->has_bare || mail->has_long_line) {
        return (mail->has_bare && code == 550) || (mail->has_long_line && code == 500);
    }
    return code == 250;
}

/* The reply to this command, as if no error were counted. */
static bool allows(const struct sim_model *model, const struct sim_expect *expect, uint32_t code)
{
    const struct rp_smtp_config *smtp = &model->rules->config->smtp;
    uint32_t noop_max = smtp->calls_max[RP_SMTP_VERB_NOOP];
    switch (expect->ask) {
    case SIM_ASK_GREETING: return code == 220 || (code == 421 && model->rules->may_refuse);
    case SIM_ASK_HELO:
    case SIM_ASK_EHLO:
    case SIM_ASK_RSET: return code == 250;
    case SIM_ASK_MAIL:
    case SIM_ASK_MAIL_BAD:
    case SIM_ASK_MAIL_BIG: return allows_mail(model, expect, code);
    case SIM_ASK_RCPT:
    case SIM_ASK_RCPT_BAD: return allows_rcpt(model, expect, code);
    case SIM_ASK_DATA:
        if (model->mail == NULL || model->rcpt_count == 0) {
            return code == 503 || code == 554;
        }
        return code == 354 || is_trouble(model, code);
    case SIM_ASK_BODY: return allows_body(model, expect->mail, code);
    case SIM_ASK_NOOP: return code == (noop_max != 0 && model->noop_count >= noop_max ? 421 : 250);
    case SIM_ASK_VRFY: return code == (smtp->vrfy ? 252 : 502);
    case SIM_ASK_HELP: return code == (smtp->help ? 250 : 502);
    case SIM_ASK_EXPN: return code == 502;
    case SIM_ASK_BAD: return code == 500;
    case SIM_ASK_QUIT: return code == 221;
    case SIM_ASK_COUNT: break;
    }
    return false;
}

/* limits.errors: so many 5xx; what would be the next one is a 421. */
static bool allows_counting(const struct sim_model *model,
                            const struct sim_expect *expect,
                            uint32_t code)
{
    static const uint32_t refusals[] = {500, 501, 502, 503, 550, 552, 553, 554, 555};
    uint32_t errors_max = model->rules->config->smtp.errors_max;
    bool is_full = errors_max != 0 && model->error_count >= errors_max;
    if (code != 421 || !is_full) {
        return allows(model, expect, code) && !(is_full && code >= 500);
    }
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        if (allows(model, expect, refusals[i])) {
            return true;
        }
    }
    return allows(model, expect, code);
}

/* ---- what follows from a reply ---- */

static void end_transaction(struct sim_model *model)
{
    model->mail = NULL;
    model->rcpt_count = 0;
}

static void learn_id(struct sim_model *model,
                     struct sim_mail *mail,
                     const uint8_t *line,
                     size_t len)
{
    static const char before[] = "250 2.0.0 OK queued as ";
    size_t skip = sizeof(before) - 1;
    if (len <= skip || memcmp(line, before, skip) != 0 || len - skip >= SIM_MAIL_ID_LEN) {
        sim_trace_fail("client %u: no id in \"%.*s\"", model->number, (int)len, (const char *)line);
    }
    if (mail->is_found &&
        (strlen(mail->id) != len - skip || memcmp(mail->id, line + skip, len - skip) != 0)) {
        sim_trace_fail("client %u: \"%.*s\", but a reader has seen it as %s", model->number,
                       (int)len, (const char *)line, mail->id);
    }
    memcpy(mail->id, line + skip, len - skip);
    mail->id[len - skip] = '\0';
    mail->fate = SIM_FATE_TAKEN;
    if (sim_mail_place(mail) && !sim_damage_has_meta()) {
        sim_trace_fail("client %u: %s was another message's id", model->number, mail->id);
    }
    model->taken_count++;
}

static void learn_body(struct sim_model *model,
                       struct sim_mail *mail,
                       uint32_t code,
                       const uint8_t *line,
                       size_t len)
{
    end_transaction(model);
    model->is_body_next = false;
    if (!mail->is_too_big && !mail->has_bare && !mail->has_long_line) {
        model->whole_count++;
    }
    if (code == 250) {
        learn_id(model, mail, line, len);
    } else {
        mail->fate = SIM_FATE_REFUSED;
    }
}

static void learn(struct sim_model *model,
                  const struct sim_expect *expect,
                  uint32_t code,
                  const uint8_t *line,
                  size_t len)
{
    bool is_taken = code < 400;
    enum sim_fate fate = is_taken ? SIM_FATE_TAKEN : SIM_FATE_REFUSED;
    model->error_count += code >= 500 ? 1 : 0;
    switch (expect->ask) {
    case SIM_ASK_HELO:
    case SIM_ASK_EHLO:
        model->is_greeted = true;
        model->is_extended = expect->ask == SIM_ASK_EHLO;
        end_transaction(model);
        break;
    case SIM_ASK_MAIL:
        model->mail = is_taken ? expect->mail : model->mail;
        expect->mail->sender_fates[expect->index] = fate;
        break;
    case SIM_ASK_RCPT:
        model->rcpt_count += is_taken ? 1 : 0;
        expect->mail->recipient_fates[expect->index] = fate;
        break;
    case SIM_ASK_DATA:
        model->is_body_next = is_taken;
        if (!is_taken && expect->mail != NULL) {
            expect->mail->fate = SIM_FATE_REFUSED;
            model->is_wild = expect->mail->is_wild;
        }
        break;
    case SIM_ASK_BODY: learn_body(model, expect->mail, code, line, len); break;
    case SIM_ASK_RSET: end_transaction(model); break;
    case SIM_ASK_NOOP: model->noop_count++; break;
    case SIM_ASK_GREETING:
    case SIM_ASK_MAIL_BAD:
    case SIM_ASK_MAIL_BIG:
    case SIM_ASK_RCPT_BAD:
    case SIM_ASK_VRFY:
    case SIM_ASK_HELP:
    case SIM_ASK_EXPN:
    case SIM_ASK_BAD:
    case SIM_ASK_QUIT:
    case SIM_ASK_COUNT: break;
    }
}

/* ---- replies ---- */

/* Enhanced codes (RFC 2034) are on every reply but greeting, HELO, EHLO and 3xx. */
static bool has_right_enhanced(const struct sim_expect *expect, const uint8_t *line, size_t len)
{
    bool needs_none = expect->ask == SIM_ASK_HELO || expect->ask == SIM_ASK_EHLO ||
                      expect->ask == SIM_ASK_GREETING || line[0] == '3';
    return needs_none || (len > 9 && line[4] == line[0] && line[5] == '.');
}

static void end_session(struct sim_model *model, uint32_t code)
{
    model->is_closed = true;
    model->was_refused = code == 421;
}

static void take_reply(struct sim_model *model,
                       uint32_t code,
                       const uint8_t *line,
                       size_t len,
                       uint64_t received)
{
    sim_trace_add("client is told", model->number, code, sim_model_pending(model));
    if (model->is_closed) {
        sim_trace_fail("client %u: \"%.*s\" after the last reply", model->number, (int)len,
                       (const char *)line);
    }
    if (code == 421 && sim_model_may_dismiss(model)) {
        end_session(model, code);
        return;
    }
    if (model->is_wild) {
        /* A body that was taken for commands: as many replies as it has lines. */
        model->is_closed = code == 421 || code == 221;
        return;
    }
    if (sim_model_pending(model) == 0) {
        sim_trace_fail("client %u: \"%.*s\", but nothing was asked", model->number, (int)len,
                       (const char *)line);
    }
    struct sim_expect expect = model->expects[model->first++];
    if (!allows_counting(model, &expect, code) || !has_right_enhanced(&expect, line, len)) {
        sim_trace_fail("client %u: %s of message %lld got \"%.*s\"", model->number,
                       ask_names[expect.ask],
                       expect.mail == NULL ? -1LL : (long long)expect.mail->number, (int)len,
                       (const char *)line);
    }
    if (received < expect.end_off) {
        sim_trace_fail("client %u: %s was answered before it had come: octet %llu of %llu",
                       model->number, ask_names[expect.ask], (unsigned long long)received,
                       (unsigned long long)expect.end_off);
    }
    if (code == 421 || code == 221) {
        end_session(model, code);
    }
    if (code != 421) {
        learn(model, &expect, code, line, len);
    }
}

/* One line, without CRLF: the last one of its reply has a space behind the code. */
static void take_line(struct sim_model *model, const uint8_t *line, size_t len, uint64_t received)
{
    bool is_reply = len >= 4 && line[0] >= '2' && line[0] <= '5' && line[1] >= '0' &&
                    line[1] <= '9' && line[2] >= '0' && line[2] <= '9' &&
                    (line[3] == ' ' || line[3] == '-');
    uint32_t code = is_reply ? (uint32_t)(line[0] - '0') * 100 + (uint32_t)(line[1] - '0') * 10 +
                                   (uint32_t)(line[2] - '0')
                             : 0;
    if (!is_reply || (model->line_code != 0 && model->line_code != code)) {
        sim_trace_fail("client %u: \"%.*s\" is no reply", model->number, (int)len,
                       (const char *)line);
    }
    for (size_t i = 0; i < len; i++) {
        if (line[i] < ' ' || line[i] > '~') {
            sim_trace_fail("client %u: octet %u in a reply of code %u", model->number, line[i],
                           code);
        }
    }
    model->line_code = line[3] == '-' ? code : 0;
    if (line[3] == ' ') {
        take_reply(model, code, line, len, received);
    }
}

void sim_model_feed(struct sim_model *model, const uint8_t *ptr, size_t len, uint64_t received)
{
    sim_bytes_put(&model->input, ptr, len);
    for (;;) {
        size_t have = sim_bytes_len(&model->input);
        const uint8_t *line = sim_bytes_first(&model->input);
        const uint8_t *end = have == 0 ? NULL : memmem(line, have, "\r\n", 2);
        if (end == NULL) {
            if (have > 2048) {
                sim_trace_fail("client %u: a reply of more than 2048 octets", model->number);
            }
            return;
        }
        take_line(model, line, (size_t)(end - line), received);
        sim_bytes_drop(&model->input, (size_t)(end - line) + 2);
    }
}
