/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cmd_misc.c - the verbs that ask nobody: RSET, NOOP, QUIT, VRFY, EXPN, HELP (RFC 5321,
 * 4.1.1.5 to 4.1.1.10), and those that are none.
 */
#include "smtp_verb.h"

#include <string.h>

/* So much of an unknown verb is said back. */
#define UNKNOWN_LEN_MAX 32

static const struct rp_reply ok = {250, "2.0.0", "OK"};

const struct rp_reply *rp_cmd_misc_rset(struct rp_smtp *smtp, struct rp_smtp_command *command)
{
    (void)smtp; /* the grid of rules ends the transaction */
    (void)command;
    return &ok;
}

const struct rp_reply *rp_cmd_misc_noop(struct rp_smtp *smtp, struct rp_smtp_command *command)
{
    (void)smtp;
    (void)command;
    return &ok;
}

const struct rp_reply *rp_cmd_misc_quit(struct rp_smtp *smtp, struct rp_smtp_command *command)
{
    static const struct rp_reply bye = {221, "2.0.0", "Bye"};
    (void)smtp; /* the grid of rules closes the session */
    (void)command;
    return &bye;
}

/* RFC 5321, 3.5.3: 252 is the answer of a server that does not tell whom it knows. */
const struct rp_reply *rp_cmd_misc_vrfy(struct rp_smtp *smtp, struct rp_smtp_command *command)
{
    static const struct rp_reply off = {502, "5.5.1", "VRFY not implemented"};
    static const struct rp_reply malformed = {501, "5.1.3", "Error: malformed address"};
    static const struct rp_reply maybe = {
        252, "2.1.5", "Cannot VRFY user, but will accept message and attempt delivery"};

    if (!smtp->config->vrfy) {
        return &off;
    }
    if (command->arg.len == 0) {
        return rp_smtp_verb_refuse_syntax(smtp, command);
    }

    /* The argument is a user name or a mailbox, with or without brackets: never strict. */
    const struct rp_addr_rules rules = {.local_part_max = smtp->config->local_part_max};
    struct rp_span rest = command->arg;
    struct rp_addr addr;
    if (rp_addr_parse_path(&rest, &rules, &addr) != RP_ADDR_OK || rest.len > 0) {
        return &malformed;
    }
    return &maybe;
}

const struct rp_reply *rp_cmd_misc_expn(struct rp_smtp *smtp, struct rp_smtp_command *command)
{
    static const struct rp_reply never = {502, "5.5.1", "EXPN not implemented"};
    (void)smtp;
    (void)command;
    return &never;
}

/* A row of the table is enough to be listed; the list is sorted here. */
static void add_names(const struct rp_smtp *smtp, struct rp_smtp_command *command)
{
    struct rp_span names[RP_SMTP_VERB_COUNT];
    size_t count = 0;
    for (enum rp_smtp_verb verb = 0; verb < RP_SMTP_VERB_COUNT; verb++) {
        if (!rp_smtp_verb_has_help(verb, smtp->config)) {
            continue;
        }
        const struct rp_span name = rp_smtp_verb_get(verb)->name;
        size_t at = count++;
        while (at > 0 && memcmp(names[at - 1].ptr, name.ptr, name.len) > 0) {
            names[at] = names[at - 1];
            at--;
        }
        names[at] = name;
    }

    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            rp_smtp_verb_add_part(command, RP_SPAN_OF(" "));
        }
        rp_smtp_verb_add_part(command, names[i]);
    }
}

/* 250 as aiosmtpd says, not 214: clients take any 2xx. */
const struct rp_reply *rp_cmd_misc_help(struct rp_smtp *smtp, struct rp_smtp_command *command)
{
    static const struct rp_reply off = {502, "5.5.1", "HELP not implemented"};
    static const struct rp_reply list = {250, "2.0.0", "Supported commands: "};
    static const struct rp_reply syntax = {250, "2.0.0", "Syntax: "};
    static const struct rp_reply no_topic = {501, "5.5.4", "Supported commands: "};

    if (!smtp->config->help) {
        return &off;
    }
    if (command->arg.len == 0) {
        add_names(smtp, command);
        return &list;
    }
    const enum rp_smtp_verb topic = rp_smtp_verb_find(command->arg);
    if (!rp_smtp_verb_has_help(topic, smtp->config)) {
        add_names(smtp, command);
        return &no_topic;
    }
    rp_smtp_verb_add_syntax(smtp, topic, command);
    return &syntax;
}

const struct rp_reply *rp_cmd_misc_unknown(struct rp_smtp *smtp, struct rp_smtp_command *command)
{
    static const struct rp_reply unknown = {500, "5.5.2", "Error: command \""};
    (void)smtp;
    struct rp_span name = command->name;
    if (name.len > UNKNOWN_LEN_MAX) {
        name.len = UNKNOWN_LEN_MAX;
    }
    rp_smtp_verb_add_part(command, name);
    rp_smtp_verb_add_part(command, RP_SPAN_OF("\" not recognized"));
    return &unknown;
}
