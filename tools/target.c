/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * target.c - a file that is there whole, or not at all.
 */
#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum rp_failure_exit open_directly(struct rp_target *target, const char *path)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        return rp_failure("%s: cannot write to it: %s", path, strerror(errno));
    }
    rp_output_init(&target->output, fd);
    return RP_EXIT_FINE;
}

/* `old`: the file that it is going to replace, or NULL. */
static enum rp_failure_exit open_temp(struct rp_target *target,
                                      const char *path,
                                      const struct stat *old)
{
    int len = snprintf(target->temp_path, sizeof(target->temp_path), "%s.tmp", path);
    if (len < 0 || (size_t)len >= sizeof(target->temp_path)) {
        target->temp_path[0] = '\0';
        return rp_failure("%s: the path is too long", path);
    }
    /* O_EXCL: two exports to one path would spoil each other's file. */
    mode_t mode = old != NULL ? old->st_mode & 0600 : 0666;
    int fd = open(target->temp_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd >= 0 && (old == NULL || fchmod(fd, old->st_mode & 0777) == 0)) {
        rp_output_init(&target->output, fd);
        return RP_EXIT_FINE;
    }
    int error = errno;
    if (fd >= 0) {
        (void)close(fd);                 /* empty */
        (void)unlink(target->temp_path); /* as above */
    }
    enum rp_failure_exit outcome = RP_EXIT_FAILED;
    if (error == EEXIST) {
        outcome = rp_failure("%s: it is there already: another export is running, or one was "
                             "killed; then remove it",
                             target->temp_path);
    } else {
        outcome = rp_failure("%s: cannot create it: %s", target->temp_path, strerror(error));
    }
    target->temp_path[0] = '\0'; /* not ours to remove */
    return outcome;
}

enum rp_failure_exit rp_target_open(struct rp_target *target, const char *path)
{
    target->path = path;
    target->temp_path[0] = '\0';
    target->is_unread = false;
    rp_output_init(&target->output, -1);
    if (strcmp(path, "-") == 0) {
        target->path = "standard output";
        rp_output_init(&target->output, STDOUT_FILENO);
        return RP_EXIT_FINE;
    }
    struct stat status;
    bool is_there = stat(path, &status) == 0;
    return is_there && !S_ISREG(status.st_mode)
               ? open_directly(target, path)
               : open_temp(target, path, is_there ? &status : NULL);
}

enum rp_failure_exit rp_target_failure(struct rp_target *target, int error)
{
    if (target->output.fd == STDOUT_FILENO && error == -EPIPE) {
        target->is_unread = true;
        return RP_EXIT_FAILED;
    }
    return rp_failure("%s: %s", target->path, strerror(-error));
}

static void close_output(struct rp_target *target)
{
    if (target->output.fd > STDERR_FILENO) {
        (void)close(target->output.fd); /* what counts was synced before */
    }
    rp_output_init(&target->output, -1);
}

void rp_target_abort(struct rp_target *target)
{
    close_output(target);
    if (target->temp_path[0] != '\0') {
        (void)unlink(target->temp_path); /* the failure that led here was told */
        target->temp_path[0] = '\0';
    }
}

int rp_target_sync_parent(const char *path)
{
    static char parent[PATH_MAX]; /* one thread; too large for the stack */
    (void)snprintf(parent, sizeof(parent), ".");
    const char *slash = strrchr(path, '/');
    if (slash != NULL) {
        size_t len = slash == path ? 1 : (size_t)(slash - path);
        if (len >= sizeof(parent)) {
            return -ENAMETOOLONG;
        }
        memcpy(parent, path, len);
        parent[len] = '\0';
    }
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    int error = fsync(fd) == 0 ? 0 : -errno;
    (void)close(fd); /* read only */
    return error;
}

static int settle(struct rp_target *target)
{
    int error = rp_output_flush(&target->output);
    if (error != 0 || target->temp_path[0] == '\0') {
        return error;
    }
    if (fsync(target->output.fd) != 0 || rename(target->temp_path, target->path) != 0) {
        return -errno;
    }
    target->temp_path[0] = '\0';
    return rp_target_sync_parent(target->path);
}

enum rp_failure_exit rp_target_commit(struct rp_target *target)
{
    int error = settle(target);
    if (error != 0) {
        enum rp_failure_exit outcome = rp_target_failure(target, error);
        rp_target_abort(target);
        return outcome;
    }
    close_output(target);
    return RP_EXIT_FINE;
}
