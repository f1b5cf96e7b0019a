/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pick.c - open one message by its id.
 */
#include "pick.h"

#include <errno.h>
#include <string.h>

static bool is_disk_error(int error)
{
    return error == -EIO || error == -ENODATA || error == -EUCLEAN || error == -EREMOTEIO;
}

enum rp_pick_damage rp_pick_damage_of(const struct rp_spool_entry *entry,
                                      int error,
                                      const char **text_out)
{
    const char *text = NULL;
    enum rp_pick_damage damage = RP_PICK_OTHER;
    if (is_disk_error(error)) {
        damage = RP_PICK_UNREADABLE;
        text = "the disk cannot read it (I/O error)";
    } else if (error == -EBADMSG) {
        damage = RP_PICK_DAMAGED;
        text = entry->is_damaged ? "recovery found its record, or its body, lost"
               : entry->is_big   ? "a checksum is wrong, of the record or of its body's file"
                                 : "the checksum of the record is wrong";
    } else if (error == -ENOENT && (entry->is_big || entry->is_damaged)) {
        /* Without a file of its own, a message goes only when its whole segment does. */
        damage = RP_PICK_MISSING;
        text = entry->is_big ? "the file of its body is missing"
                             : "the file of its segment is missing";
    }
    *text_out = text;
    return damage;
}

enum rp_failure_exit rp_pick_no_id(const char *dir, const char *id, int error)
{
    if (error == -EINVAL) {
        return rp_failure_usage("%s: this is no ID; one looks like 000-0000000001-000040, see "
                                "ringpost-spool ls %s",
                                id, dir);
    }
    if (error == -ENOENT) {
        return rp_failure("%s: no such message in %s; ringpost-spool ls %s lists them", id, dir,
                          dir);
    }
    return rp_failure("%s: message %s: %s", dir, id, strerror(-error));
}

static enum rp_failure_exit load(struct rp_pick *pick, const char *dir, const char *id)
{
    int error = rp_spool_reader_find(pick->reader, id, &pick->entry);
    if (error != 0) {
        return rp_pick_no_id(dir, id, error);
    }
    error = rp_spool_view_open(pick->reader, &pick->entry, &pick->view);
    if (error == 0) {
        return RP_EXIT_FINE;
    }
    const char *text;
    if (rp_pick_damage_of(&pick->entry, error, &text) != RP_PICK_OTHER) {
        return rp_failure("%s: message %s is damaged: %s", dir, id, text);
    }
    return rp_pick_no_id(dir, id, error);
}

enum rp_failure_exit rp_pick_open(struct rp_pick *pick, const char *dir, const char *id)
{
    *pick = (struct rp_pick){0};
    int error = rp_spool_reader_open(dir, &pick->reader);
    if (error != 0) {
        return rp_failure_open(dir, error);
    }
    enum rp_failure_exit outcome = load(pick, dir, id);
    if (outcome != RP_EXIT_FINE) {
        rp_pick_close(pick);
    }
    return outcome;
}

void rp_pick_close(struct rp_pick *pick)
{
    rp_spool_view_close(pick->view);
    rp_spool_reader_close(pick->reader);
    *pick = (struct rp_pick){0};
}
