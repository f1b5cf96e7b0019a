/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_model.h - what a client may be told: a second, small description of the session.
 *
 * The client notes each command with sim_model_expect; sim_model_feed reads the replies and
 * takes each for the oldest command without one. A reply that the command, in the state
 * that the earlier replies led to, must not get ends the run; so does one that comes before
 * its command, and one that nobody asked for.
 */
#ifndef SIM_MODEL_H
#define SIM_MODEL_H

#include "sim_mail.h"

enum sim_ask {
    SIM_ASK_GREETING,
    SIM_ASK_HELO,
    SIM_ASK_EHLO,
    SIM_ASK_MAIL,     /* well-formed; `index`: which sender */
    SIM_ASK_MAIL_BAD, /* malformed, or with a parameter that cannot be */
    SIM_ASK_MAIL_BIG, /* SIZE= beyond the limit */
    SIM_ASK_RCPT,     /* `index`: which recipient */
    SIM_ASK_RCPT_BAD,
    SIM_ASK_DATA,
    SIM_ASK_BODY, /* the end of data */
    SIM_ASK_RSET,
    SIM_ASK_NOOP,
    SIM_ASK_VRFY,
    SIM_ASK_HELP,
    SIM_ASK_EXPN,
    SIM_ASK_BAD, /* no command at all: 500 */
    SIM_ASK_QUIT,
    SIM_ASK_COUNT,
};

/* What holds for all sessions of a life, beside the configuration. */
struct sim_rules {
    const struct rp_config *config;
    bool may_fail;    /* the disk has faults: 4xx for the engine's own trouble */
    bool may_refuse;  /* there may be more connections than limits.connections */
    bool is_draining; /* 421 at any time from now on */
};

struct sim_expect {
    enum sim_ask ask;
    struct sim_mail *mail;
    uint32_t index;
    uint64_t end_off; /* octets that the client must have sent before this can be answered */
};

struct sim_model {
    const struct sim_rules *rules;
    uint32_t number; /* of the client, for messages about it */

    struct sim_expect *expects; /* from `first` on without a reply */
    size_t first;
    size_t count;

    struct sim_bytes input; /* of a reply that is not complete */
    uint32_t line_code;     /* of the lines so far; 0: none */

    /* The session, as the replies tell. */
    bool is_greeted;
    bool is_extended;
    struct sim_mail *mail; /* MAIL was taken */
    uint32_t rcpt_count;
    uint32_t error_count;
    uint32_t noop_count;
    uint32_t taken_count; /* messages that got their 250 */
    uint32_t whole_count; /* messages that ended well, taken or not */
    bool is_body_next;    /* the last DATA got a 354 */
    bool is_closed;       /* 221 or 421: no more replies may come */
    bool was_refused;     /* by a 421 */
    bool is_wild;         /* sent a body that was not wanted: any reply goes */

    uint64_t progress_ns; /* when the client last completed a command, or sent of a body */
    uint64_t started_ns;
};

void sim_model_init(struct sim_model *model, const struct sim_rules *rules, uint32_t number);
void sim_model_free(struct sim_model *model);

void sim_model_expect(struct sim_model *model, const struct sim_expect *expect);

/* Commands without a reply. */
static inline size_t sim_model_pending(const struct sim_model *model)
{
    return model->count - model->first;
}

/* Octets from the engine, which has received `received` octets of the client's. */
void sim_model_feed(struct sim_model *model, const uint8_t *ptr, size_t len, uint64_t received);

/* Whether a 421 that nobody asked for may come now. */
bool sim_model_may_dismiss(const struct sim_model *model);

#endif
