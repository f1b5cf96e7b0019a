/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * walk.c - the messages of a spool one by one, each opened and checked.
 */
#include "walk.h"

#include <errno.h>
#include <string.h>

static enum rp_failure_exit seek(struct rp_walk *walk, const char *from)
{
    if (strcmp(from, "start") == 0) {
        return RP_EXIT_FINE; /* a zeroed cursor is there */
    }
    if (strcmp(from, "end") == 0) {
        int error = rp_spool_reader_seek_end(walk->reader, &walk->cursor);
        return error == 0 ? RP_EXIT_FINE : rp_failure("%s: %s", walk->dir, strerror(-error));
    }
    int error = rp_spool_reader_seek_id(walk->reader, &walk->cursor, from);
    return error == 0 ? RP_EXIT_FINE : rp_pick_no_id(walk->dir, from, error);
}

enum rp_failure_exit rp_walk_open(struct rp_walk *walk,
                                  const char *dir,
                                  const char *from,
                                  uint64_t limit)
{
    memset(walk, 0, sizeof(*walk)); /* too large for a literal on the stack */
    walk->dir = dir;
    walk->left = limit;
    int error = rp_spool_reader_open(dir, &walk->reader);
    return error == 0 ? seek(walk, from) : rp_failure_open(dir, error);
}

void rp_walk_close(struct rp_walk *walk)
{
    rp_spool_view_close(walk->view);
    rp_spool_reader_close(walk->reader);
    memset(walk, 0, sizeof(*walk));
}

static enum rp_walk_step hand_out(struct rp_walk *walk, enum rp_walk_step step)
{
    if (walk->left != UINT64_MAX) {
        walk->left--;
    }
    walk->damaged += step == RP_WALK_DAMAGED;
    return step;
}

enum rp_walk_step rp_walk_next(struct rp_walk *walk)
{
    rp_spool_view_close(walk->view);
    walk->view = NULL;
    walk->damage = NULL;
    if (walk->left == 0) {
        return RP_WALK_LIMIT;
    }
    for (;;) {
        int found = rp_spool_reader_next(walk->reader, &walk->cursor, &walk->entry);
        if (found == 0) {
            return RP_WALK_END;
        }
        if (found < 0) {
            (void)rp_failure("%s: cannot read on: %s", walk->dir, strerror(-found));
            return RP_WALK_FAILED;
        }
        int error = rp_spool_view_open(walk->reader, &walk->entry, &walk->view);
        if (error == 0) {
            return hand_out(walk, RP_WALK_MESSAGE);
        }
        enum rp_pick_damage damage = rp_pick_damage_of(&walk->entry, error, &walk->damage);
        if (damage != RP_PICK_OTHER) {
            walk->kind = damage;
            walk->by_kind[damage]++;
            return hand_out(walk, RP_WALK_DAMAGED);
        }
        if (error != -ENOENT) {
            (void)rp_failure("%s: message %s: %s", walk->dir, walk->entry.id.text,
                             strerror(-error));
            return RP_WALK_FAILED;
        }
        /* Its segment was given back between the two calls: it is no message any more. */
    }
}

enum rp_failure_exit rp_walk_conclude(const struct rp_walk *walk)
{
    if (walk->damaged == 0) {
        return RP_EXIT_FINE;
    }
    return rp_failure("%s: %llu damaged message%s; ringpost-spool verify %s says what is wrong",
                      walk->dir, (unsigned long long)walk->damaged, walk->damaged == 1 ? "" : "s",
                      walk->dir);
}
