/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * target.h - a file that is there whole, or not at all.
 *
 *     static struct rp_target target;
 *     if (rp_target_open(&target, path) == RP_EXIT_FINE) {
 *         rp_output_put(&target.output, ...);
 *         return rp_target_commit(&target);   or   rp_target_abort(&target);
 *     }
 *
 * Written as PATH.tmp, synced, renamed to PATH. A new file has the mode that the umask leaves; one
 * that was there is replaced at that moment, and the new one has its mode. What is no regular file
 * (a pipe, a device), and "-" for stdout, is written to directly.
 */
#ifndef TOOLS_TARGET_H
#define TOOLS_TARGET_H

#include "failure.h"
#include "output.h"

#include <limits.h>
#include <stdbool.h>

struct rp_target {
    const char *path;         /* the caller's */
    char temp_path[PATH_MAX]; /* empty: it is written to directly */
    struct rp_output output;  /* its descriptor is owned, but stdout */
    bool is_unread;           /* stdout's reader has gone: nothing is told, all ends */
};

/* What is wrong was told, also by commit. */
enum rp_failure_exit rp_target_open(struct rp_target *target, const char *path);

/* RP_EXIT_FINE: all of it is on stable storage under its name. Else as abort. */
enum rp_failure_exit rp_target_commit(struct rp_target *target);

/* Tell an error of writing to it (a negative errno). */
enum rp_failure_exit rp_target_failure(struct rp_target *target, int error);

/* Takes away what was written. */
void rp_target_abort(struct rp_target *target);

/* Make durable that files of the directory of `path` have their names: 0 or -errno. */
int rp_target_sync_parent(const char *path);

#endif
