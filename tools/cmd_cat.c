/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cmd_cat.c - ringpost-spool cat: the body of a message, byte for byte.
 */
#include "command.h"
#include "output.h"
#include "pick.h"

#include <unistd.h>

enum rp_failure_exit rp_cmd_cat(const struct rp_options *options)
{
    static struct rp_output output;
    struct rp_pick pick;
    enum rp_failure_exit outcome = rp_pick_open(&pick, options->operands[0], options->operands[1]);
    if (outcome != RP_EXIT_FINE) {
        return outcome; /* nothing was printed */
    }
    size_t len = 0;
    const uint8_t *body = rp_spool_view_body(pick.view, &len);
    rp_output_init(&output, STDOUT_FILENO);
    rp_output_put(&output, body, len);
    int error = rp_output_flush(&output);
    rp_pick_close(&pick);
    return rp_failure_finish(RP_EXIT_FINE, error);
}
