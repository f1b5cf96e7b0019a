/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * failure.c - what goes wrong, as one line on stderr.
 */
#include "failure.h"

#include "output.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Where a path of PATH_MAX octets stands in it, the sentence still fits. */
#define LINE_MAX_LEN 8192u

static const char *program_name = "ringpost-spool";

void rp_failure_name(const char *program)
{
    program_name = program;
}

/* Each line leaves with one write, so that lines of several programs do not mix. */
static void say(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));
static void say(const char *format, va_list arguments)
{
    static struct rp_output output; /* one thread; too large for the stack */
    static char line[LINE_MAX_LEN];
    int len = vsnprintf(line, sizeof(line), format, arguments);
    if (len < 0) {
        return;
    }
    size_t kept = (size_t)len < sizeof(line) ? (size_t)len : sizeof(line) - 1;
    rp_output_init(&output, STDERR_FILENO);
    rp_output_text(&output, "%s: ", program_name);
    rp_output_escaped(&output, (const uint8_t *)line, kept);
    rp_output_text(&output, "\n");
    (void)rp_output_flush(&output); /* there is no other place to say it */
}

enum rp_failure_exit rp_failure(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
    return RP_EXIT_FAILED;
}

enum rp_failure_exit rp_failure_usage(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
    return RP_EXIT_USAGE;
}

static bool has_meta(const char *dir)
{
    static char path[PATH_MAX]; /* one thread; too large for the stack */
    (void)snprintf(path, sizeof(path), "%s/spool.meta", dir); /* cut: there is none such */
    return access(path, F_OK) == 0;
}

enum rp_failure_exit rp_failure_open(const char *dir, int error)
{
    static const char hint[] = "give the directory that ringpostd's -s names";
    switch (error) {
    case -ENOENT: return rp_failure("%s: there is no such directory; %s", dir, hint);
    case -ENOTDIR: return rp_failure("%s: this is no directory; %s", dir, hint);
    case -EINVAL:
        return rp_failure(
            "%s: no spool here (%s); %s", dir,
            has_meta(dir) ? "its spool.meta is something else" : "there is no spool.meta", hint);
    case -EPROTONOSUPPORT:
        return rp_failure("%s: the spool is of another version than this program %s reads; use the "
                          "ringpost-spool that came with its ringpostd",
                          dir, RP_VERSION);
    case -EBADMSG:
        return rp_failure("%s/spool.meta: damaged (its checksum is wrong), and no other file says "
                          "what it was; restore this file from a backup",
                          dir);
    case -EACCES:
    case -EPERM:
        return rp_failure("%s: permission denied; run it as the user that ringpostd runs as", dir);
    default: return rp_failure("%s: cannot open the spool: %s", dir, strerror(-error));
    }
}

enum rp_failure_exit rp_failure_stdout(int error)
{
    return error == -EPIPE ? RP_EXIT_FAILED : rp_failure("standard output: %s", strerror(-error));
}

enum rp_failure_exit rp_failure_finish(enum rp_failure_exit outcome, int error)
{
    return error == 0 || error == -EPIPE ? outcome : rp_failure_stdout(error);
}
