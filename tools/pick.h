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

/*
 * What `error` of rp_spool_view_open says about the message, for people: it is damaged.
 * NULL: the error is about something else (no memory, too many files, gone with its
 * segment). An entry that is_damaged needs no view; then `error` is not looked at.
 */
const char *rp_pick_damage(const struct rp_spool_entry *entry, int error);

/* Say that rp_spool_reader_find or rp_spool_reader_seek_id refused the id. */
enum rp_failure_exit rp_pick_no_id(const char *dir, const char *id, int error);

#endif
