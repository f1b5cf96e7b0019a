/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pick.h - open one message by its id, and say what is wrong with it.
 */
#ifndef TOOLS_PICK_H
#define TOOLS_PICK_H

#include "failure.h"
#include "spool/rp_spool_reader.h"

struct rp_pick {
    struct rp_spool_reader *reader;
    struct rp_spool_entry entry;
    struct rp_spool_message_view *view;
};

/* RP_EXIT_FINE: it is whole. Else the reason was told, and nothing stays open. */
enum rp_failure_exit rp_pick_open(struct rp_pick *pick, const char *dir, const char *id);

void rp_pick_close(struct rp_pick *pick);

enum rp_pick_damage {
    RP_PICK_DAMAGED,    /* its octets are not those that were written */
    RP_PICK_UNREADABLE, /* the disk cannot read it */
    RP_PICK_MISSING,    /* a file is gone */
    RP_PICK_DAMAGE_COUNT,
    RP_PICK_OTHER, /* the error is about something else: no memory, too many files, or it went away
                      with its segment meanwhile */
};

/* What `error` of rp_spool_view_open says about the message; *text_out: the same for people. */
enum rp_pick_damage rp_pick_damage_of(const struct rp_spool_entry *entry,
                                      int error,
                                      const char **text_out);

/* Say that rp_spool_reader_find or rp_spool_reader_seek_id refused the id. */
enum rp_failure_exit rp_pick_no_id(const char *dir, const char *id, int error);

#endif
