/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * export_file.c - one message as a file of its own, for the forms eml and maildir.
 */
#include "export.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int rp_export_file_dir(int dir_fd, const char *name)
{
    if (mkdirat(dir_fd, name, 0700) != 0 && errno != EEXIST) {
        return -errno;
    }
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 ? fd : -errno;
}

static int write_body(struct rp_output *file,
                      const struct rp_spool_message_view *view,
                      bool is_synced)
{
    size_t len = 0;
    const uint8_t *body = rp_spool_view_body(view, &len);
    rp_output_put(file, body, len);
    int error = rp_output_flush(file);
    if (error == 0 && is_synced && fsync(file->fd) != 0) {
        error = -errno;
    }
    /* A network file system may say only here that there is no room. */
    if (close(file->fd) != 0 && error == 0) {
        error = -errno;
    }
    return error;
}

int rp_export_file_put(struct rp_export *export,
                       int temp_fd,
                       const char *name,
                       const struct rp_spool_message_view *view,
                       bool is_synced)
{
    /* The process's number keeps two exports to one place apart. The dot hides what a
     * killed one may leave. */
    char temp_name[NAME_MAX + 1];
    (void)snprintf(temp_name, sizeof(temp_name), ".%s.%ld", name, (long)getpid());
    int fd =
        openat(temp_fd, temp_name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return -errno;
    }
    rp_output_init(&export->file, fd);
    int error = write_body(&export->file, view, is_synced);
    if (error == 0 && renameat(temp_fd, temp_name, export->dir_fd, name) != 0) {
        error = -errno;
    }
    if (error != 0) {
        (void)unlinkat(temp_fd, temp_name, 0); /* the first error is the one that counts */
    }
    return error;
}
