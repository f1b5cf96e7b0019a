/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * smtp_verb.c - the table of verbs and the look-up of a verb by its name.
 */
#include "smtp_verb.h"

#include <assert.h>
#include <string.h>

/* clang-format off */
#define TEXT(literal) {.ptr = (const uint8_t *)(literal), .len = sizeof(literal) - 1}

/*
 * MAIL: " SIZE=" and twenty digits (RFC 1870, 3), " SMTPUTF8" and one to spare
 * (RFC 6531, 3.4). The sum is RP_SMTP_LINE_EXTRA.
 */
const struct rp_smtp_verb_row rp_smtp_verb_rows[RP_SMTP_VERB_COUNT] = {
    /*                           name,         syntax,                       after EHLO,                         handler,             no arg, UTF-8, extra */
    [RP_SMTP_VERB_HELO]    = {TEXT("HELO"), TEXT("HELO hostname"),        TEXT(""),                          rp_cmd_helo_run,     false,  false, 0,  0},
    [RP_SMTP_VERB_EHLO]    = {TEXT("EHLO"), TEXT("EHLO hostname"),        TEXT(""),                          rp_cmd_helo_run,     false,  false, 0,  0},
    [RP_SMTP_VERB_MAIL]    = {TEXT("MAIL"), TEXT("MAIL FROM: <address>"), TEXT(" [SP <mail-parameters>]"),   rp_cmd_mail_run,     false,  true,  26, 10},
    [RP_SMTP_VERB_RCPT]    = {TEXT("RCPT"), TEXT("RCPT TO: <address>"),   TEXT(" [SP <mail-parameters>]"),   rp_cmd_rcpt_run,     false,  true,  0,  0},
    [RP_SMTP_VERB_DATA]    = {TEXT("DATA"), TEXT("DATA"),                 TEXT(""),                          rp_cmd_data_run,     true,   false, 0,  0},
    [RP_SMTP_VERB_RSET]    = {TEXT("RSET"), TEXT("RSET"),                 TEXT(""),                          rp_cmd_misc_rset,    true,   false, 0,  0},
    [RP_SMTP_VERB_NOOP]    = {TEXT("NOOP"), TEXT("NOOP [ignored]"),       TEXT(""),                          rp_cmd_misc_noop,    false,  false, 0,  0},
    [RP_SMTP_VERB_QUIT]    = {TEXT("QUIT"), TEXT("QUIT"),                 TEXT(""),                          rp_cmd_misc_quit,    true,   false, 0,  0},
    [RP_SMTP_VERB_VRFY]    = {TEXT("VRFY"), TEXT("VRFY <address>"),       TEXT(""),                          rp_cmd_misc_vrfy,    false,  false, 0,  0},
    [RP_SMTP_VERB_EXPN]    = {TEXT("EXPN"), TEXT(""),                     TEXT(""),                          rp_cmd_misc_expn,    false,  false, 0,  0},
    [RP_SMTP_VERB_HELP]    = {TEXT("HELP"), TEXT("HELP [command]"),       TEXT(""),                          rp_cmd_misc_help,    false,  false, 0,  0},
    [RP_SMTP_VERB_UNKNOWN] = {TEXT(""),     TEXT(""),                     TEXT(""),                          rp_cmd_misc_unknown, false,  false, 0,  0},
};
/* clang-format on */

enum rp_smtp_verb rp_smtp_verb_find(struct rp_span name)
{
    enum rp_smtp_verb verb = 0;
    while (verb < RP_SMTP_VERB_UNKNOWN &&
           !rp_smtp_verb_is_word(name, rp_smtp_verb_rows[verb].name)) {
        verb++;
    }
    return verb;
}

bool rp_smtp_verb_has_help(enum rp_smtp_verb verb, const struct rp_smtp_config *config)
{
    if (verb == RP_SMTP_VERB_VRFY && !config->vrfy) {
        return false;
    }
    return rp_smtp_verb_get(verb)->syntax.len > 0;
}

uint32_t rp_smtp_verb_line_max(const struct rp_smtp_config *config, struct rp_span head)
{
    /* The name ends at a space; one that does not within its first octets has no extension. */
    const uint8_t *space = head.len > 0 ? memchr(head.ptr, ' ', head.len) : NULL;
    if (space == NULL) {
        return config->command_line_max;
    }

    const struct rp_span name = {.ptr = head.ptr, .len = (size_t)(space - head.ptr)};
    const struct rp_smtp_verb_row *row = rp_smtp_verb_get(rp_smtp_verb_find(name));
    const uint32_t extra_utf8 = config->smtputf8 ? row->line_extra_utf8 : 0;
    return config->command_line_max + row->line_extra + extra_utf8;
}

void rp_smtp_verb_add_part(struct rp_smtp_command *command, struct rp_span part)
{
    assert(command->part_count < RP_SMTP_VERB_PARTS_MAX);
    command->parts[command->part_count++] = part;
}

void rp_smtp_verb_add_syntax(const struct rp_smtp *smtp,
                             enum rp_smtp_verb verb,
                             struct rp_smtp_command *command)
{
    const struct rp_smtp_verb_row *row = rp_smtp_verb_get(verb);
    rp_smtp_verb_add_part(command, row->syntax);
    if (smtp->is_extended) {
        rp_smtp_verb_add_part(command, row->extended);
    }
}

const struct rp_reply *rp_smtp_verb_refuse_syntax(const struct rp_smtp *smtp,
                                                  struct rp_smtp_command *command)
{
    static const struct rp_reply refusal = {501, "5.5.4", "Syntax: "};
    rp_smtp_verb_add_syntax(smtp, command->verb, command);
    return &refusal;
}
