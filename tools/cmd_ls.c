/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cmd_ls.c - ringpost-spool ls: the messages, one a line.
 *
 * A message is loaded and checked whole before its line goes out: a damaged sender or
 * recipient is never shown as a good one.
 */
#include "command.h"
#include "listing.h"
#include "walk.h"

#include <errno.h>
#include <unistd.h>

static enum rp_failure_exit list(struct rp_walk *walk, struct rp_output *output, bool is_json)
{
    bool is_terminal = isatty(output->fd) == 1;
    if (is_terminal && !is_json) {
        rp_listing_put_head(output);
    }
    enum rp_walk_step step = RP_WALK_END;
    while (output->error == 0 && (step = rp_walk_next(walk)) <= RP_WALK_DAMAGED) {
        if (rp_listing_put(output, &walk->entry, walk->view, is_json) != 0) {
            return rp_failure("out of memory");
        }
        if (is_terminal) {
            (void)rp_output_flush(output); /* who looks on shall see each; the error is kept */
        }
    }
    int error = rp_output_flush(output);
    if (error != 0 && error != -EPIPE) {
        return rp_failure_stdout(error);
    }
    return step == RP_WALK_FAILED ? RP_EXIT_FAILED : rp_walk_conclude(walk);
}

enum rp_failure_exit rp_cmd_ls(const struct rp_options *options)
{
    static struct rp_walk walk;
    static struct rp_output output;
    const char *from = options->from != NULL ? options->from : "start";
    enum rp_failure_exit outcome = rp_walk_open(&walk, options->operands[0], from, options->limit);
    if (outcome == RP_EXIT_FINE) {
        rp_output_init(&output, STDOUT_FILENO);
        outcome = list(&walk, &output, options->is_json);
    }
    rp_walk_close(&walk);
    return outcome;
}
