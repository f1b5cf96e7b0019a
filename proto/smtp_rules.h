/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * smtp_rules.h - which verb may come when (RFC 5321, 4.1.4 and 4.3.2).
 *
 *     rule = rp_smtp_rules_get(state, verb);
 *     if (rule->verdict != RP_SMTP_RULES_OK) { ...refuse, the state stays... }
 *     ...when the command was accepted: state = rule->next;
 */
#ifndef SMTP_RULES_H
#define SMTP_RULES_H

#include "rp_smtp.h"

#include <assert.h>

enum rp_smtp_state {
    RP_SMTP_STATE_START,  /* at first: nobody has said HELO or EHLO */
    RP_SMTP_STATE_READY,  /* after HELO, EHLO, RSET or a message: no transaction */
    RP_SMTP_STATE_MAIL,   /* MAIL was accepted */
    RP_SMTP_STATE_RCPT,   /* at least one RCPT was accepted */
    RP_SMTP_STATE_BODY,   /* DATA was accepted: no command is read until the end of data */
    RP_SMTP_STATE_CLOSED, /* QUIT or a 421: no command is read any more */
    RP_SMTP_STATE_COUNT,
};

enum rp_smtp_verdict {
    RP_SMTP_RULES_OK,
    RP_SMTP_RULES_NEED_HELO,
    RP_SMTP_RULES_NEED_MAIL,
    RP_SMTP_RULES_NEED_RCPT,
    RP_SMTP_RULES_NESTED,  /* MAIL in a transaction */
    RP_SMTP_RULES_NOT_NOW, /* no command is read in this state: to ask is a bug */
    RP_SMTP_RULES_VERDICT_COUNT,
};

struct rp_smtp_rule {
    uint8_t next;    /* enum rp_smtp_state: where the accepted command leads */
    uint8_t verdict; /* enum rp_smtp_verdict */
};

/* The full grid; by rp_smtp_rules_get. */
extern const struct rp_smtp_rule rp_smtp_rules_grid[RP_SMTP_STATE_COUNT][RP_SMTP_VERB_COUNT];

static inline const struct rp_smtp_rule *rp_smtp_rules_get(enum rp_smtp_state state,
                                                           enum rp_smtp_verb verb)
{
    assert(state < RP_SMTP_STATE_COUNT);
    assert(verb < RP_SMTP_VERB_COUNT);
    return &rp_smtp_rules_grid[state][verb];
}

/* A sender was accepted and neither a message nor a reset came since. */
static inline bool rp_smtp_rules_has_transaction(enum rp_smtp_state state)
{
    return state == RP_SMTP_STATE_MAIL || state == RP_SMTP_STATE_RCPT ||
           state == RP_SMTP_STATE_BODY;
}

#endif
