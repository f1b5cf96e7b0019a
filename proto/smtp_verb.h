/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * smtp_verb.h - one row a verb: its handler, its HELP syntax, its peculiarities.
 *
 * A handler parses the argument and does one of two things:
 *   - it fills smtp->event, sets smtp->asking to that event and returns NULL: the
 *     caller of the session decides;
 *   - it returns the reply. Below 400 the command is accepted and the state changes
 *     as smtp_rules.h says; from 400 on nothing changes.
 * It reads the session's private members but changes only those of its own verb.
 */
#ifndef SMTP_VERB_H
#define SMTP_VERB_H

#include "octets.h"
#include "rp_smtp.h"

#include <assert.h>

/* Enough for HELP, which lists every verb with a space before it. */
#define RP_SMTP_VERB_PARTS_MAX 32

/* A command line that is being carried out. */
struct rp_smtp_command {
    enum rp_smtp_verb verb;
    struct rp_span name; /* the verb as sent, never empty, printable ASCII */
    struct rp_span arg;  /* what follows, without spaces around it; no control octets */

    /* What is appended to the text of the reply: set by the handler. */
    size_t part_count;
    struct rp_span parts[RP_SMTP_VERB_PARTS_MAX];
};

typedef const struct rp_reply *(*rp_smtp_verb_fn)(struct rp_smtp *smtp,
                                                  struct rp_smtp_command *command);

struct rp_smtp_verb_row {
    struct rp_span name;
    struct rp_span syntax;   /* for HELP and for 501; empty: HELP does not know the verb */
    struct rp_span extended; /* what follows the syntax after EHLO */
    rp_smtp_verb_fn run;
    bool takes_no_arg;       /* 501 where there is one */
    bool takes_utf8;         /* octets beyond ASCII may be in the argument (RFC 6531, 3.3) */
    uint8_t line_extra;      /* octets that extensions add to limits.command_line */
    uint8_t line_extra_utf8; /* those that SMTPUTF8 adds, where it is on */
};

/* The table; by rp_smtp_verb_get. */
extern const struct rp_smtp_verb_row rp_smtp_verb_rows[RP_SMTP_VERB_COUNT];

static inline const struct rp_smtp_verb_row *rp_smtp_verb_get(enum rp_smtp_verb verb)
{
    assert(verb < RP_SMTP_VERB_COUNT);
    return &rp_smtp_verb_rows[verb];
}

/* Four octets as one number, so that a name is compared in one step. */
#define RP_SMTP_VERB_NAME(a, b, c, d) \
    ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

/* Only a letter and its other case become the same when this bit is cleared. */
#define RP_SMTP_VERB_CASE 0x20u

/* The verbs of a message, of which there are most, or RP_SMTP_VERB_UNKNOWN. Four octets. */
static inline enum rp_smtp_verb rp_smtp_verb_find_usual(const uint8_t *name)
{
    const uint32_t as_sent = RP_SMTP_VERB_NAME(name[0], name[1], name[2], name[3]);
    const uint32_t upper = as_sent & ~(RP_SMTP_VERB_CASE * UINT32_C(0x01010101));
    if (upper == RP_SMTP_VERB_NAME('M', 'A', 'I', 'L')) {
        return RP_SMTP_VERB_MAIL;
    }
    if (upper == RP_SMTP_VERB_NAME('R', 'C', 'P', 'T')) {
        return RP_SMTP_VERB_RCPT;
    }
    return upper == RP_SMTP_VERB_NAME('D', 'A', 'T', 'A') ? RP_SMTP_VERB_DATA
                                                          : RP_SMTP_VERB_UNKNOWN;
}

/* Whether the configuration leaves the verb on and HELP may tell of it. */
bool rp_smtp_verb_has_help(enum rp_smtp_verb verb, const struct rp_smtp_config *config);

/* Octets, with CRLF, that a command line which begins with *head may have at most. */
uint32_t rp_smtp_verb_line_max(const struct rp_smtp_config *config, struct rp_span head);

/* Append a part to the text of the command's reply. */
void rp_smtp_verb_add_part(struct rp_smtp_command *command, struct rp_span part);

/* "501 5.5.4 Syntax: ..." of the command's own verb. */
const struct rp_reply *rp_smtp_verb_refuse_syntax(const struct rp_smtp *smtp,
                                                  struct rp_smtp_command *command);

/* Append the verb's syntax, the longer one after EHLO, to the text of the command's reply. */
void rp_smtp_verb_add_syntax(const struct rp_smtp *smtp,
                             enum rp_smtp_verb verb,
                             struct rp_smtp_command *command);

/* Whether `text` is `upper` in any case; `upper` has capital letters, digits and "-:". */
static inline bool rp_smtp_verb_is_word(struct rp_span text, struct rp_span upper)
{
    if (text.len != upper.len) {
        return false;
    }
    for (size_t at = 0; at < upper.len; at += 8) {
        const size_t len = upper.len - at < 8 ? upper.len - at : 8;
        const uint64_t wanted = rp_octets_word(upper.ptr + at, len);
        const uint64_t case_bits = (wanted & UINT64_C(0x4040404040404040)) >> 1; /* of letters */
        if ((rp_octets_word(text.ptr + at, len) & ~case_bits) != wanted) {
            return false;
        }
    }
    return true;
}

/* The handlers: one file a family. */
const struct rp_reply *rp_cmd_helo_run(struct rp_smtp *smtp, struct rp_smtp_command *command);
const struct rp_reply *rp_cmd_mail_run(struct rp_smtp *smtp, struct rp_smtp_command *command);
const struct rp_reply *rp_cmd_rcpt_run(struct rp_smtp *smtp, struct rp_smtp_command *command);
const struct rp_reply *rp_cmd_data_run(struct rp_smtp *smtp, struct rp_smtp_command *command);
const struct rp_reply *rp_cmd_misc_rset(struct rp_smtp *smtp, struct rp_smtp_command *command);
const struct rp_reply *rp_cmd_misc_noop(struct rp_smtp *smtp, struct rp_smtp_command *command);
const struct rp_reply *rp_cmd_misc_quit(struct rp_smtp *smtp, struct rp_smtp_command *command);
const struct rp_reply *rp_cmd_misc_vrfy(struct rp_smtp *smtp, struct rp_smtp_command *command);
const struct rp_reply *rp_cmd_misc_expn(struct rp_smtp *smtp, struct rp_smtp_command *command);
const struct rp_reply *rp_cmd_misc_help(struct rp_smtp *smtp, struct rp_smtp_command *command);
const struct rp_reply *rp_cmd_misc_unknown(struct rp_smtp *smtp, struct rp_smtp_command *command);

/* The answer to an accepted HELO or EHLO (RFC 5321, 4.1.1.1). Needs room. */
void rp_cmd_helo_put(const struct rp_smtp *smtp, struct rp_reply_out *out);

/* What is said at the end of data about a body that the session itself refuses. */
struct rp_cmd_data_faults {
    bool is_too_big;    /* limits.message_size */
    bool has_bare;      /* a bare CR or LF, and body.bare_newline is reject */
    bool has_long_line; /* limits.line_length */
};
const struct rp_reply *rp_cmd_data_refusal(struct rp_cmd_data_faults faults);

#endif
