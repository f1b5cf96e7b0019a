/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cmd_rcpt.c - RCPT (RFC 5321, 4.1.1.3).
 */
#include "cmd_mail.h"
#include "smtp_param.h"

const struct rp_reply *rp_cmd_rcpt_run(struct rp_smtp *smtp, struct rp_smtp_command *command)
{
    static const struct rp_reply null_path = {501, "5.1.3", "Error: a recipient cannot be empty"};
    static const struct rp_reply needs_smtputf8 = {
        553, "5.6.7", "Error: a non-ASCII address needs SMTPUTF8 with MAIL"};
    static const struct rp_reply too_many = {452, "4.5.3", "Error: too many recipients"};

    static const struct rp_cmd_mail_form form = {
        .word = {(const uint8_t *)"TO:", 3},
          .allow_postmaster = true
    };
    struct rp_smtp_rcpt *rcpt = &smtp->event.rcpt;
    const struct rp_reply *refusal =
        rp_cmd_mail_parse(smtp, command, &form, &rcpt->recipient, &rcpt->params);
    if (refusal != NULL) {
        return refusal;
    }
    if (rcpt->recipient.is_null) {
        return &null_path;
    }
    if (rcpt->params.len > 0) {
        refusal = rp_smtp_param_parse(smtp->config, RP_SMTP_VERB_RCPT, rcpt->params, NULL);
        if (refusal != NULL) {
            return refusal;
        }
    }
    if (rcpt->recipient.is_utf8 && !smtp->is_utf8) {
        return &needs_smtputf8;
    }
    if (smtp->rcpt_count >= smtp->config->recipients_max) {
        return &too_many; /* RFC 5321, 4.5.3.1.10: a 4xx, the sender may split the message */
    }

    smtp->asking = RP_SMTP_RCPT;
    return NULL;
}
