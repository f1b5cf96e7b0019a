/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * smtp_rules.c - the full grid of session states and verbs.
 */
#include "smtp_rules.h"

/*
 * RFC 5321, 4.1.4 and 4.3.2. Every cell is filled: what is not allowed is as
 * explicit as what is. HELO and EHLO in a transaction end it, as RSET does.
 * NOOP, HELP, EXPN, VRFY, RSET and QUIT are good at any time. Whether a verb is
 * implemented at all (EXPN, unknown ones) is for its handler to say.
 *
 *     TO   allowed; leads to that state once the command is accepted
 *     HI   503, send HELO first          ML   503, need MAIL
 *     RC   503, need RCPT                NE   503, nested MAIL
 *     NO   no command is read in this state
 */
/* clang-format off */
#define TO(state) {RP_SMTP_STATE_##state, RP_SMTP_RULES_OK}
#define HI(state) {RP_SMTP_STATE_##state, RP_SMTP_RULES_NEED_HELO}
#define ML(state) {RP_SMTP_STATE_##state, RP_SMTP_RULES_NEED_MAIL}
#define RC(state) {RP_SMTP_STATE_##state, RP_SMTP_RULES_NEED_RCPT}
#define NE(state) {RP_SMTP_STATE_##state, RP_SMTP_RULES_NESTED}
#define NO(state) {RP_SMTP_STATE_##state, RP_SMTP_RULES_NOT_NOW}
const struct rp_smtp_rule rp_smtp_rules_grid[RP_SMTP_STATE_COUNT][RP_SMTP_VERB_COUNT] = {
    /*                          HELO        EHLO        MAIL        RCPT        DATA        RSET        NOOP        QUIT        VRFY        EXPN        HELP        unknown  */
    [RP_SMTP_STATE_START]  = {TO(READY),  TO(READY),  HI(START),  HI(START),  HI(START),  TO(START),  TO(START),  TO(CLOSED), TO(START),  TO(START),  TO(START),  TO(START)},
    [RP_SMTP_STATE_READY]  = {TO(READY),  TO(READY),  TO(MAIL),   ML(READY),  RC(READY),  TO(READY),  TO(READY),  TO(CLOSED), TO(READY),  TO(READY),  TO(READY),  TO(READY)},
    [RP_SMTP_STATE_MAIL]   = {TO(READY),  TO(READY),  NE(MAIL),   TO(RCPT),   RC(MAIL),   TO(READY),  TO(MAIL),   TO(CLOSED), TO(MAIL),   TO(MAIL),   TO(MAIL),   TO(MAIL)},
    [RP_SMTP_STATE_RCPT]   = {TO(READY),  TO(READY),  NE(RCPT),   TO(RCPT),   TO(BODY),   TO(READY),  TO(RCPT),   TO(CLOSED), TO(RCPT),   TO(RCPT),   TO(RCPT),   TO(RCPT)},
    [RP_SMTP_STATE_BODY]   = {NO(BODY),   NO(BODY),   NO(BODY),   NO(BODY),   NO(BODY),   NO(BODY),   NO(BODY),   NO(BODY),   NO(BODY),   NO(BODY),   NO(BODY),   NO(BODY)},
    [RP_SMTP_STATE_CLOSED] = {NO(CLOSED), NO(CLOSED), NO(CLOSED), NO(CLOSED), NO(CLOSED), NO(CLOSED), NO(CLOSED), NO(CLOSED), NO(CLOSED), NO(CLOSED), NO(CLOSED), NO(CLOSED)},
};
/* clang-format on */
