/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cmd_follow.c - ringpost-spool follow: new messages as they land.
 */
#include "command.h"
#include "listing.h"
#include "stop.h"
#include "walk.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* A signal that comes between the look at the flag and the wait is seen after this, and
 * so is that whoever read what we print has gone. */
#define WAIT_MS 250

/* True: go on. *outcome_out is written where the answer is false. */
static bool wait_for_more(struct rp_walk *walk, enum rp_failure_exit *outcome_out)
{
    int error = rp_spool_reader_wait(walk->reader, WAIT_MS);
    if (error == 0 || error == -ETIMEDOUT || error == -EINTR) {
        return true;
    }
    *outcome_out = rp_failure("%s: cannot wait for messages: %s", walk->dir, strerror(-error));
    return false;
}

static enum rp_failure_exit follow(struct rp_walk *walk, struct rp_output *output, bool is_json)
{
    if (isatty(output->fd) == 1 && !is_json) {
        rp_listing_put_head(output);
    }
    enum rp_failure_exit outcome = RP_EXIT_FINE;
    while (!rp_stop_is_asked()) {
        enum rp_walk_step step = rp_walk_next(walk);
        if (step == RP_WALK_FAILED) {
            return RP_EXIT_FAILED;
        }
        if (step <= RP_WALK_DAMAGED &&
            rp_listing_put(output, &walk->entry, walk->view, is_json) != 0) {
            return rp_failure("out of memory");
        }
        (void)rp_output_flush(output); /* the error is kept */
        int error = rp_output_check(output);
        if (error != 0 && error != -EPIPE) {
            return rp_failure_stdout(error);
        }
        if (error == -EPIPE || step == RP_WALK_LIMIT || walk->left == 0) {
            break;
        }
        if (step == RP_WALK_END && !wait_for_more(walk, &outcome)) {
            return outcome;
        }
    }
    return rp_walk_conclude(walk);
}

enum rp_failure_exit rp_cmd_follow(const struct rp_options *options)
{
    static struct rp_walk walk;
    static struct rp_output output;
    const char *from = options->from != NULL ? options->from : "end";
    rp_stop_install();
    enum rp_failure_exit outcome = rp_walk_open(&walk, options->operands[0], from, options->limit);
    if (outcome == RP_EXIT_FINE) {
        rp_output_init(&output, STDOUT_FILENO);
        outcome = follow(&walk, &output, options->is_json);
    }
    rp_walk_close(&walk);
    return outcome;
}
