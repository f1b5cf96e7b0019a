/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cmd_mail.c - MAIL (RFC 5321, 4.1.1.2), and the form that it shares with RCPT.
 */
#include "cmd_mail.h"

#include "smtp_param.h"

static struct rp_span skip_spaces(struct rp_span text)
{
    while (text.len > 0 && *text.ptr == ' ') {
        text.ptr++;
        text.len--;
    }
    return text;
}

static bool has_word(struct rp_span arg, struct rp_span word)
{
    return arg.len > word.len && rp_smtp_verb_is_word((struct rp_span){arg.ptr, word.len}, word);
}

const struct rp_reply *rp_cmd_mail_parse_slowly(const struct rp_smtp *smtp,
                                                struct rp_smtp_command *command,
                                                const struct rp_cmd_mail_form *form,
                                                struct rp_addr *addr_out,
                                                struct rp_span *params_out)
{
    static const struct rp_reply bad_address = {553, "5.1.3", "Error: malformed address"};

    struct rp_span rest = command->arg;
    if (!has_word(rest, form->word)) {
        return rp_smtp_verb_refuse_syntax(smtp, command);
    }
    rest.ptr += form->word.len;
    rest.len -= form->word.len;
    rest = skip_spaces(rest);

    const struct rp_addr_rules rules = {
        .strict = smtp->config->strict_addresses,
        .allow_null = true, /* RCPT has a refusal of its own for "<>" */
        .allow_postmaster = form->allow_postmaster,
        .local_part_max = smtp->config->local_part_max,
    };
    if (rp_addr_parse_path(&rest, &rules, addr_out) != RP_ADDR_OK) {
        return &bad_address;
    }

    /* Parameters come with EHLO only (RFC 5321, 4.1.1.11 and 4.1.4). */
    const struct rp_span params = skip_spaces(rest);
    if (params.len > 0 && !smtp->is_extended) {
        return rp_smtp_verb_refuse_syntax(smtp, command);
    }
    *params_out = params;
    return NULL;
}

const struct rp_reply *rp_cmd_mail_run(struct rp_smtp *smtp, struct rp_smtp_command *command)
{
    static const struct rp_reply enough = {421, "4.7.0",
                                           "Error: too many messages in this session"};
    static const struct rp_reply needs_smtputf8 = {553, "5.6.7",
                                                   "Error: a non-ASCII address needs SMTPUTF8"};

    const struct rp_smtp_config *config = smtp->config;
    if (config->messages_max != 0 && smtp->message_count >= config->messages_max) {
        return &enough;
    }

    static const struct rp_cmd_mail_form form = {
        .word = {(const uint8_t *)"FROM:", 5}
    };
    struct rp_smtp_mail *mail = &smtp->event.mail;
    const struct rp_reply *refusal =
        rp_cmd_mail_parse(smtp, command, &form, &mail->sender, &mail->params);
    if (refusal != NULL) {
        return refusal;
    }
    mail->size = 0;
    mail->body = RP_SMTP_BODY_7BIT;
    mail->smtputf8 = false;
    if (mail->params.len > 0) {
        refusal = rp_smtp_param_parse(config, RP_SMTP_VERB_MAIL, mail->params, mail);
        if (refusal != NULL) {
            return refusal;
        }
    }
    if (mail->sender.is_utf8 && !mail->smtputf8) {
        return &needs_smtputf8;
    }

    smtp->is_utf8 = mail->smtputf8;
    smtp->asking = RP_SMTP_MAIL;
    return NULL;
}
