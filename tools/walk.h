/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * walk.h - the messages of a spool one by one, each opened and checked.
 *
 *     static struct rp_walk walk;
 *     if (rp_walk_open(&walk, dir, from, limit) == RP_EXIT_FINE) {
 *         while ((step = rp_walk_next(&walk)) <= RP_WALK_DAMAGED) { ... }
 *     }
 *     rp_walk_close(&walk);
 *
 * Memory stays flat: one message is open at a time, and large bodies are mapped.
 */
#ifndef TOOLS_WALK_H
#define TOOLS_WALK_H

#include "failure.h"
#include "pick.h"
#include "spool/rp_spool_reader.h"

enum rp_walk_step {
    RP_WALK_MESSAGE, /* walk.view is open until the next call */
    RP_WALK_DAMAGED, /* walk.entry.id names it, walk.damage says what is wrong */
    RP_WALK_END,     /* no more for now; a later call may find new ones */
    RP_WALK_LIMIT,   /* as many as were asked for */
    RP_WALK_FAILED,  /* the reason was told */
};

struct rp_walk {
    struct rp_spool_reader *reader;
    struct rp_spool_cursor cursor;
    struct rp_spool_entry entry;
    struct rp_spool_message_view *view; /* NULL but after RP_WALK_MESSAGE */
    const char *dir;                    /* the caller's */
    const char *damage;                 /* constant text */
    uint64_t left;                      /* messages until the limit */
    uint64_t damaged;                   /* how many were so far, whatever the kind */
    uint64_t by_kind[RP_PICK_DAMAGE_COUNT];
    enum rp_pick_damage kind; /* of what RP_WALK_DAMAGED named */
};

/* `from`: "start", "end" or an ID; `limit`: UINT64_MAX for none. The struct is large
 * (a cursor has 4 KiB): make it static. What is wrong was told. */
enum rp_failure_exit rp_walk_open(struct rp_walk *walk,
                                  const char *dir,
                                  const char *from,
                                  uint64_t limit);

enum rp_walk_step rp_walk_next(struct rp_walk *walk);

/* Also after rp_walk_open failed. */
void rp_walk_close(struct rp_walk *walk);

/* At the end of a command that prints what it can: RP_EXIT_FINE, or it says on stderr how many
 * messages were damaged. */
enum rp_failure_exit rp_walk_conclude(const struct rp_walk *walk);

#endif
