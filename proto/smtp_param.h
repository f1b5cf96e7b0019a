/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * smtp_param.h - the parameters of MAIL and RCPT (RFC 5321, 4.1.2: Mail-parameters).
 *
 * One row a parameter in smtp_param.c: its keyword, its verb, whether it has a value,
 * and who takes that value.
 */
#ifndef SMTP_PARAM_H
#define SMTP_PARAM_H

#include "rp_smtp.h"

/*
 * Read all parameters of a MAIL or RCPT command: words with spaces between them. NULL
 * where nothing is wrong; else the refusal of the first that is, and what *mail then
 * holds is undefined. RCPT has no parameter of its own yet: *mail is not touched.
 */
const struct rp_reply *rp_smtp_param_parse(const struct rp_smtp_config *config,
                                           enum rp_smtp_verb verb,
                                           struct rp_span params,
                                           struct rp_smtp_mail *mail);

#endif
