/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * catch_log.h - what is logged between two calls goes to a file of the test's, and is counted.
 */
#ifndef CATCH_LOG_H
#define CATCH_LOG_H

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct catch_log {
    FILE *file;
    int before; /* standard error as it was */
};

static inline struct catch_log catch_log_begin(void)
{
    struct catch_log log = {.file = tmpfile(), .before = dup(STDERR_FILENO)};
    assert(log.file != NULL && log.before >= 0);
    int fd = dup2(fileno(log.file), STDERR_FILENO);
    assert(fd == STDERR_FILENO);
    return log;
}

/* How many lines have this in them. */
static inline size_t catch_log_end(struct catch_log *log, const char *what)
{
    char line[512];
    size_t count = 0;
    int fd = dup2(log->before, STDERR_FILENO);
    assert(fd == STDERR_FILENO);
    (void)close(log->before); /* a copy */
    rewind(log->file);
    while (fgets(line, sizeof(line), log->file) != NULL) {
        count += strstr(line, what) != NULL;
    }
    (void)fclose(log->file); /* it goes with its descriptor */
    return count;
}

#endif
