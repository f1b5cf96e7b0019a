/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cmd_helo.c - HELO and EHLO (RFC 5321, 4.1.1.1).
 */
#include "smtp_verb.h"

#include "reply.h"

#include <assert.h>

const struct rp_reply *rp_cmd_helo_run(struct rp_smtp *smtp, struct rp_smtp_command *command)
{
    static const struct rp_reply malformed = {501, "5.5.2", "Error: malformed host name"};

    if (command->arg.len == 0) {
        return rp_smtp_verb_refuse_syntax(smtp, command);
    }
    if (!rp_addr_is_domain(command->arg)) {
        return &malformed;
    }

    smtp->event.helo = (struct rp_smtp_helo){
        .name = command->arg,
        .is_extended = command->verb == RP_SMTP_VERB_EHLO,
    };
    smtp->asking = RP_SMTP_HELO;
    return NULL;
}

/* Every line begins as "250-"; which one is the last is known when all are there. */
struct lines {
    struct rp_reply_out *out;
    size_t start_len; /* where in the output the last line begins */
};

static void begin_line(struct lines *lines, struct rp_span text)
{
    struct rp_reply_out *out = lines->out;
    lines->start_len = out->len;
    rp_reply_put_octets(out, RP_SPAN_OF("250-"));
    rp_reply_put_octets(out, text);
}

static void put_line(struct lines *lines, struct rp_span text)
{
    begin_line(lines, text);
    rp_reply_put_octets(lines->out, RP_SPAN_OF("\r\n"));
}

/* RFC 1870, 4: SIZE without a number says that there is no fixed limit. */
static void put_size(struct lines *lines, const struct rp_smtp_config *config)
{
    begin_line(lines, RP_SPAN_OF("SIZE"));
    if (config->message_size_max != 0) {
        rp_reply_put_octets(lines->out, RP_SPAN_OF(" "));
        rp_reply_put_number(lines->out, config->message_size_max);
    }
    rp_reply_put_octets(lines->out, RP_SPAN_OF("\r\n"));
}

/* RFC 9422, 3 and 4. */
static void put_limits(struct lines *lines, const struct rp_smtp_config *config)
{
    begin_line(lines, RP_SPAN_OF("LIMITS RCPTMAX="));
    rp_reply_put_number(lines->out, config->recipients_told != 0 ? config->recipients_told
                                                                 : config->recipients_max);
    if (config->messages_max != 0) {
        rp_reply_put_octets(lines->out, RP_SPAN_OF(" MAILMAX="));
        rp_reply_put_number(lines->out, config->messages_max);
    }
    rp_reply_put_octets(lines->out, RP_SPAN_OF("\r\n"));
}

void rp_cmd_helo_put(const struct rp_smtp *smtp, struct rp_reply_out *out)
{
    const struct rp_smtp_config *config = smtp->config;
    struct lines lines = {.out = out, .start_len = out->len};
    assert(rp_reply_has_room(out));

    put_line(&lines, config->hostname);
    if (smtp->is_extended) {
        if (config->pipelining) {
            put_line(&lines, RP_SPAN_OF("PIPELINING"));
        }
        put_size(&lines, config);
        put_line(&lines, RP_SPAN_OF("8BITMIME"));
        if (config->smtputf8) {
            put_line(&lines, RP_SPAN_OF("SMTPUTF8"));
        }
        put_limits(&lines, config);
        put_line(&lines, RP_SPAN_OF("ENHANCEDSTATUSCODES"));
        if (config->help) {
            put_line(&lines, RP_SPAN_OF("HELP"));
        }
    }
    out->ptr[lines.start_len + 3] = ' '; /* the last line */
}
