/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cmd_mail.h - the form that MAIL and RCPT share: a word, a path, and parameters.
 *
 * In the header, so that the way of ordinary commands has no calls in it.
 */
#ifndef CMD_MAIL_H
#define CMD_MAIL_H

#include "addr_short.h"
#include "smtp_verb.h"

/* How MAIL and RCPT differ before their parameters. */
struct rp_cmd_mail_form {
    struct rp_span word;   /* "FROM:" or "TO:" */
    bool allow_postmaster; /* see rp_addr.h */
};

/*
 * Parse the argument up to its parameters, which begin behind the spaces. NULL, *addr_out and
 * *params_out; or the refusal, and what was written then is of no use.
 */
const struct rp_reply *rp_cmd_mail_parse_slowly(const struct rp_smtp *smtp,
                                                struct rp_smtp_command *command,
                                                const struct rp_cmd_mail_form *form,
                                                struct rp_addr *addr_out,
                                                struct rp_span *params_out);

/* The same; an ordinary path right behind the word, and no parameters or one space before them. */
static inline const struct rp_reply *rp_cmd_mail_parse(const struct rp_smtp *smtp,
                                                       struct rp_smtp_command *command,
                                                       const struct rp_cmd_mail_form *form,
                                                       struct rp_addr *addr_out,
                                                       struct rp_span *params_out)
{
    const struct rp_span arg = command->arg;
    const size_t word_len = form->word.len;
    if (arg.len > word_len &&
        rp_smtp_verb_is_word((struct rp_span){arg.ptr, word_len}, form->word)) {
        const struct rp_span rest = {arg.ptr + word_len, arg.len - word_len};
        const size_t path_len = rp_addr_parse_short(rest, smtp->config->local_part_max, addr_out);
        if (path_len > 0 && path_len == rest.len) {
            *params_out = (struct rp_span){rest.ptr + path_len, 0};
            return NULL;
        }
        /* A space follows the path, and what ends the argument is none. */
        if (path_len > 0 && smtp->is_extended && rest.ptr[path_len + 1] != ' ') {
            *params_out = (struct rp_span){rest.ptr + path_len + 1, rest.len - path_len - 1};
            return NULL;
        }
    }
    return rp_cmd_mail_parse_slowly(smtp, command, form, addr_out, params_out);
}

#endif
