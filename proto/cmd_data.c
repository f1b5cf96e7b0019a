/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cmd_data.c - DATA (RFC 5321, 4.1.1.4), and what is said of a body that is not taken.
 */
#include "smtp_verb.h"

#include <assert.h>

const struct rp_reply *rp_cmd_data_run(struct rp_smtp *smtp, struct rp_smtp_command *command)
{
    (void)command; /* the table says that it has no argument */
    smtp->asking = RP_SMTP_DATA;
    return NULL;
}

/*
 * A body may have more than one fault. The order is fixed and does not depend on which
 * came first: how far apart two faults are seen may depend on how the input was cut.
 */
const struct rp_reply *rp_cmd_data_refusal(struct rp_cmd_data_faults faults)
{
    static const struct rp_reply too_big = {552, "5.3.4", "Error: Too much mail data"};
    static const struct rp_reply bare = {550, "5.6.11", "Error: bare CR or LF in message body"};
    static const struct rp_reply long_line = {500, "5.6.0",
                                              "Line too long (see RFC5321 4.5.3.1.6)"};

    if (faults.is_too_big) {
        return &too_big;
    }
    if (faults.has_bare) {
        return &bare;
    }
    assert(faults.has_long_line);
    return &long_line;
}
