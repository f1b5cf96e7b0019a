/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * export_eml.c - one file ID.eml a message, byte for byte, in a directory.
 *
 * A file that is there already is never touched: of the right size it is taken for the
 * message (names are given only to whole files), else it is reported. All are made
 * durable together, at the end.
 */
#include "export.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum rp_failure_exit begin(struct rp_export *export)
{
    int fd = rp_export_file_dir(AT_FDCWD, export->path);
    if (fd < 0) {
        return rp_failure("%s: cannot use it as a directory: %s", export->path, strerror(-fd));
    }
    export->dir_fd = fd;
    return RP_EXIT_FINE;
}

static enum rp_export_outcome put(struct rp_export *export,
                                  const struct rp_spool_entry *entry,
                                  const struct rp_spool_message_view *view)
{
    char name[RP_SPOOL_ID_LEN + sizeof(".eml")];
    (void)snprintf(name, sizeof(name), "%s.eml", entry->id.text);
    struct stat status;
    if (fstatat(export->dir_fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0) {
        if (S_ISREG(status.st_mode) && (uint64_t)status.st_size == entry->body_len) {
            return RP_EXPORT_SKIPPED;
        }
        (void)rp_failure("%s/%s: another file has this name; export to an empty directory",
                         export->path, name);
        return RP_EXPORT_CONFLICT;
    }
    int error =
        errno == ENOENT ? rp_export_file_put(export, export->dir_fd, name, view, false) : -errno;
    if (error != 0) {
        (void)rp_failure("%s/%s: %s", export->path, name, strerror(-error));
        return RP_EXPORT_FAILED;
    }
    return RP_EXPORT_WRITTEN;
}

static enum rp_failure_exit end(struct rp_export *export, bool is_whole)
{
    (void)is_whole; /* every file that is there is whole */
    int error = syncfs(export->dir_fd) == 0 ? 0 : -errno;
    (void)close(export->dir_fd); /* read only */
    export->dir_fd = -1;
    return error == 0 ? RP_EXIT_FINE : rp_failure("%s: %s", export->path, strerror(-error));
}

const struct rp_export_format rp_export_eml = {"eml", begin, put, end};
