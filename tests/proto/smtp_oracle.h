/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * smtp_oracle.h - a second SMTP session, slow and simple, to compare the first one with.
 *
 * It has the whole script as one string, looks for CRLF in it, and knows the addresses and
 * parameters of its own vocabulary by heart: a line of MAIL or RCPT must be one of that.
 * The script must end its last line and its last body.
 */
#ifndef TESTS_PROTO_SMTP_ORACLE_H
#define TESTS_PROTO_SMTP_ORACLE_H

#include "dialog.h"

/* The lines of MAIL and RCPT that it knows, without CRLF: those of MAIL are the first. */
#define SMTP_ORACLE_MAIL_COUNT 13
#define SMTP_ORACLE_LINE_COUNT 21
const char *smtp_oracle_line(size_t index);

/* What dialog_play must write for that script; its cuts do not matter. */
void smtp_oracle_play(const struct dialog_script *script, struct dialog_result *result);

#endif
