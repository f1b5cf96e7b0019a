/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cmd_follow.c - ringpost-spool follow: new messages as they land.
 */
#include "command.h"
#include "listing.h"
#include "stop.h"
#include "target.h"
#include "walk.h"

#include <errno.h>
#include <fcntl.h>
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

/* ---- the cursor's file ---- */

#define SAVE_EVERY 1000u /* messages, where they come without a pause */

struct keeper {
    const char *path; /* NULL: nothing is kept */
    bool is_missing;  /* there is no file yet: where we begin is to be kept, too */
    uint64_t unsaved; /* messages that were printed since it was written */
};

static enum rp_failure_exit fail_cursor(const char *path, int error)
{
    switch (error) {
    case -EINVAL:
        return rp_failure("%s: this is no cursor; give a file that --cursor-file has made, or a "
                          "new name",
                          path);
    case -EBADMSG: return rp_failure("%s: the cursor is damaged; remove it to begin anew", path);
    case -EXDEV: return rp_failure("%s: the cursor is of another spool", path);
    default: return rp_failure("%s: %s", path, strerror(-error));
    }
}

/* Put the walk where the file says. Where there is none it stays as it is. */
static enum rp_failure_exit load(struct rp_walk *walk, struct keeper *keeper)
{
    static char text[RP_SPOOL_CURSOR_TEXT_MAX];
    const char *path = keeper->path;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        keeper->is_missing = true;
        return errno == ENOENT ? RP_EXIT_FINE : fail_cursor(path, -errno);
    }
    ssize_t len = read(fd, text, sizeof(text) - 1); /* a regular file: all of it, or the end */
    int error = len < 0 ? -errno : 0;
    (void)close(fd); /* it was only read */
    if (error == 0) {
        text[len] = '\0';
        error = rp_spool_reader_load_cursor(walk->reader, text, &walk->cursor);
    }
    return error == 0 ? RP_EXIT_FINE : fail_cursor(path, error);
}

/* What was printed until now is not printed again. */
static enum rp_failure_exit save(const struct rp_walk *walk, struct keeper *keeper)
{
    static char text[RP_SPOOL_CURSOR_TEXT_MAX];
    static struct rp_target target;
    if (keeper->path == NULL || (keeper->unsaved == 0 && !keeper->is_missing)) {
        return RP_EXIT_FINE;
    }
    enum rp_failure_exit outcome = rp_target_open(&target, keeper->path);
    if (outcome != RP_EXIT_FINE) {
        return outcome;
    }
    rp_spool_reader_save_cursor(walk->reader, &walk->cursor, text);
    rp_output_text(&target.output, "%s\n", text);
    keeper->unsaved = 0;
    keeper->is_missing = false;
    return rp_target_commit(&target);
}

/* ---- the walk ---- */

/* One message, or a pause. *outcome_out is written where the answer is false: the end. */
static bool step(struct rp_walk *walk,
                 struct rp_output *output,
                 struct keeper *keeper,
                 bool is_json,
                 enum rp_failure_exit *outcome_out)
{
    enum rp_walk_step step = rp_walk_next(walk);
    if (step == RP_WALK_FAILED) {
        *outcome_out = RP_EXIT_FAILED;
        return false;
    }
    if (step <= RP_WALK_DAMAGED && rp_listing_put(output, &walk->entry, walk->view, is_json) != 0) {
        *outcome_out = rp_failure("out of memory");
        return false;
    }
    (void)rp_output_flush(output); /* the error is kept */
    int error = rp_output_check(output);
    if (error != 0) {
        keeper->path = NULL; /* what was not printed is not done */
        *outcome_out = error == -EPIPE ? rp_walk_conclude(walk) : rp_failure_stdout(error);
        return false;
    }
    keeper->unsaved += step <= RP_WALK_DAMAGED;
    if ((step == RP_WALK_END || keeper->unsaved >= SAVE_EVERY) &&
        (*outcome_out = save(walk, keeper)) != RP_EXIT_FINE) {
        return false;
    }
    if (step == RP_WALK_LIMIT || walk->left == 0) {
        *outcome_out = rp_walk_conclude(walk);
        return false;
    }
    return step != RP_WALK_END || wait_for_more(walk, outcome_out);
}

static enum rp_failure_exit follow(struct rp_walk *walk,
                                   struct rp_output *output,
                                   struct keeper *keeper,
                                   bool is_json)
{
    if (isatty(output->fd) == 1 && !is_json) {
        rp_listing_put_head(output);
    }
    enum rp_failure_exit outcome = RP_EXIT_FINE;
    bool is_over = false;
    while (!is_over && !rp_stop_is_asked()) {
        is_over = !step(walk, output, keeper, is_json, &outcome);
    }
    if (!is_over) {
        outcome = rp_walk_conclude(walk);
    }
    enum rp_failure_exit saved = save(walk, keeper);
    return outcome == RP_EXIT_FINE ? saved : outcome;
}

enum rp_failure_exit rp_cmd_follow(const struct rp_options *options)
{
    static struct rp_walk walk;
    static struct rp_output output;
    const char *from = options->from != NULL ? options->from : "end";
    rp_stop_install();
    struct keeper keeper = {.path = options->cursor_file};
    enum rp_failure_exit outcome = rp_walk_open(&walk, options->operands[0], from, options->limit);
    if (outcome == RP_EXIT_FINE && keeper.path != NULL) {
        outcome = load(&walk, &keeper);
    }
    if (outcome == RP_EXIT_FINE) {
        outcome = save(&walk, &keeper);
    }
    if (outcome == RP_EXIT_FINE) {
        rp_spool_reader_follow(walk.reader);
        rp_output_init(&output, STDOUT_FILENO);
        outcome = follow(&walk, &output, &keeper, options->is_json);
    }
    rp_walk_close(&walk);
    return outcome;
}
