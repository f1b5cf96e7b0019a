/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * export.h - what a form of export is: one file export_NAME.c each, one row in cmd_export.c.
 *
 * begin, then put for each message, then end. Whatever fails was told before it is
 * returned. After begin said RP_EXIT_FINE, end is called in any case.
 */
#ifndef TOOLS_EXPORT_H
#define TOOLS_EXPORT_H

#include "failure.h"
#include "output.h"
#include "spool/rp_spool_reader.h"
#include "target.h"

enum rp_export_outcome {
    RP_EXPORT_WRITTEN,
    RP_EXPORT_SKIPPED,  /* it is there already */
    RP_EXPORT_CONFLICT, /* something else has its name: told; the others go on */
    RP_EXPORT_FAILED,   /* nothing more can be written */
};

/* The ids whose messages a maildir has already, sorted. */
struct rp_export_known {
    struct rp_spool_id *ids; /* owned */
    size_t count;
    size_t room;
};

struct rp_export {
    const char *path;  /* of --to, the caller's */
    char identity[33]; /* the spool's, in hexadecimal: ids are unique within a spool only */
    int dir_fd;        /* eml: the directory; maildir: its new/. -1: none is open */
    int temp_fd;       /* maildir: its tmp/ */
    struct rp_export_known known;
    struct rp_output file;   /* one message's file */
    struct rp_target target; /* mbox, jsonl: the file of all */
};

struct rp_export_format {
    const char *name;
    enum rp_failure_exit (*begin)(struct rp_export *export);
    enum rp_export_outcome (*put)(struct rp_export *export,
                                  const struct rp_spool_entry *entry,
                                  const struct rp_spool_message_view *view);
    /* `is_whole`: every message was put, keep the result. False: it was cut short. */
    enum rp_failure_exit (*end)(struct rp_export *export, bool is_whole);
};

extern const struct rp_export_format rp_export_eml;
extern const struct rp_export_format rp_export_maildir;
extern const struct rp_export_format rp_export_mbox;
extern const struct rp_export_format rp_export_jsonl;

/* ---- export_file.c: one message as a file of its own (eml, maildir) ---- */

/* Create the directory (0700) `name` below dir_fd (or AT_FDCWD) unless it is there, and open
 * it. -errno, or the descriptor. */
int rp_export_file_dir(int dir_fd, const char *name);

/*
 * Write the body to `temp_name` in temp_fd and rename it to `name` in dir_fd: 0 or -errno, and
 * then no new file is left. `is_synced`: fsync it before the rename.
 */
int rp_export_file_put(struct rp_export *export,
                       int temp_fd,
                       const char *name,
                       const struct rp_spool_message_view *view,
                       bool is_synced);

#endif
