/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * export_maildir.c - a maildir: each message written in tmp/, synced, renamed to new/.
 *
 * A message's name is SECONDS.ID.IDENTITY (time, id, identity of the spool), so it is the
 * same in every export, and no other spool has it. A mail reader moves it to cur/ and
 * puts ":2," and flags behind it, others put "," and what they know of it before that: the
 * names of new/ and cur/ are read once at the start, up to the first "," or ":", so that a
 * repeated export adds only what is new.
 */
#include "export.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME_LEN (20 + 1 + RP_SPOOL_ID_LEN + 1 + 32) /* at most; seconds have up to 20 digits */

static void make_name(const struct rp_export *export,
                      const struct rp_spool_entry *entry,
                      char name_out[NAME_LEN + 1])
{
    (void)snprintf(name_out, NAME_LEN + 1, "%llu.%s.%s",
                   (unsigned long long)(entry->time_ns / 1000000000u), entry->id.text,
                   export->identity);
}

/* The id in the name of a file, if it is one of this spool's. */
static bool parse_name(const struct rp_export *export, const char *name, struct rp_spool_id *id_out)
{
    const char *dot = strchr(name, '.');
    if (dot == NULL || strlen(dot) < 1 + RP_SPOOL_ID_LEN + 1 + 32) {
        return false;
    }
    const char *identity = dot + 1 + RP_SPOOL_ID_LEN + 1;
    if (identity[-1] != '.' || strncmp(identity, export->identity, 32) != 0 ||
        strchr(",:", identity[32]) == NULL /* it finds the end, too */) {
        return false;
    }
    *id_out = (struct rp_spool_id){0};
    memcpy(id_out->text, dot + 1, RP_SPOOL_ID_LEN);
    return true;
}

static int compare_ids(const void *left, const void *right)
{
    const struct rp_spool_id *left_id = left;
    const struct rp_spool_id *right_id = right;
    return memcmp(left_id->text, right_id->text, RP_SPOOL_ID_LEN);
}

static int add_known(struct rp_export_known *known, const struct rp_spool_id *id)
{
    if (known->count == known->room) {
        size_t room = known->room > 0 ? 2 * known->room : 1024;
        struct rp_spool_id *ids = reallocarray(known->ids, room, sizeof(*ids));
        if (ids == NULL) {
            return -ENOMEM;
        }
        known->ids = ids;
        known->room = room;
    }
    known->ids[known->count++] = *id;
    return 0;
}

/* Takes over the descriptor. */
static int read_names(struct rp_export *export, int fd)
{
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        int error = -errno;
        (void)close(fd); /* read only */
        return error;
    }
    int error = 0;
    while (error == 0) {
        errno = 0; /* readdir says NULL for the end and for an error */
        const struct dirent *file = readdir(dir);
        struct rp_spool_id id;
        if (file == NULL) {
            error = -errno;
            break;
        }
        if (parse_name(export, file->d_name, &id)) {
            error = add_known(&export->known, &id);
        }
    }
    (void)closedir(dir); /* read only */
    return error;
}

static int open_parts(struct rp_export *export, int maildir_fd)
{
    export->temp_fd = rp_export_file_dir(maildir_fd, "tmp");
    if (export->temp_fd < 0) {
        return export->temp_fd;
    }
    export->dir_fd = rp_export_file_dir(maildir_fd, "new");
    if (export->dir_fd < 0) {
        return export->dir_fd;
    }
    static const char *const parts[] = {"new", "cur"};
    for (size_t index = 0; index < sizeof(parts) / sizeof(parts[0]); index++) {
        int fd = rp_export_file_dir(maildir_fd, parts[index]);
        int error = fd < 0 ? fd : read_names(export, fd);
        if (error != 0) {
            return error;
        }
    }
    if (export->known.count > 0) {
        qsort(export->known.ids, export->known.count, sizeof(*export->known.ids), compare_ids);
    }
    return fsync(maildir_fd) == 0 ? 0 : -errno;
}

static void close_all(struct rp_export *export)
{
    if (export->temp_fd >= 0) {
        (void)close(export->temp_fd); /* read only, as the next one */
    }
    if (export->dir_fd >= 0) {
        (void)close(export->dir_fd);
    }
    export->temp_fd = -1;
    export->dir_fd = -1;
    free(export->known.ids);
    export->known = (struct rp_export_known){0};
}

static enum rp_failure_exit begin(struct rp_export *export)
{
    int maildir_fd = rp_export_file_dir(AT_FDCWD, export->path);
    int error = maildir_fd < 0 ? maildir_fd : open_parts(export, maildir_fd);
    if (maildir_fd >= 0) {
        (void)close(maildir_fd); /* read only */
    }
    if (error == 0) {
        error = rp_target_sync_parent(export->path);
    }
    if (error != 0) {
        close_all(export);
        return rp_failure("%s: cannot use it as a maildir: %s", export->path, strerror(-error));
    }
    return RP_EXIT_FINE;
}

static enum rp_export_outcome put(struct rp_export *export,
                                  const struct rp_spool_entry *entry,
                                  const struct rp_spool_message_view *view)
{
    const struct rp_export_known *known = &export->known;
    if (known->count > 0 &&
        bsearch(&entry->id, known->ids, known->count, sizeof(*known->ids), compare_ids) != NULL) {
        return RP_EXPORT_SKIPPED;
    }
    char name[NAME_LEN + 1];
    make_name(export, entry, name);
    int error = rp_export_file_put(export, export->temp_fd, name, view, true);
    if (error != 0) {
        (void)rp_failure("%s/new/%s: %s", export->path, name, strerror(-error));
        return RP_EXPORT_FAILED;
    }
    return RP_EXPORT_WRITTEN;
}

static enum rp_failure_exit end(struct rp_export *export, bool is_whole)
{
    (void)is_whole; /* every file that is there is whole */
    int error = fsync(export->dir_fd) == 0 ? 0 : -errno;
    close_all(export);
    return error == 0 ? RP_EXIT_FINE : rp_failure("%s/new: %s", export->path, strerror(-error));
}

const struct rp_export_format rp_export_maildir = {"maildir", begin, put, end};
