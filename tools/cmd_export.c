/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cmd_export.c - ringpost-spool export: messages in the forms that other programs read.
 */
#include "command.h"
#include "export.h"
#include "stop.h"
#include "walk.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct rp_export_format *const formats[] = {
    &rp_export_eml,
    &rp_export_maildir,
    &rp_export_mbox,
    &rp_export_jsonl,
};

struct counts {
    uint64_t written;
    uint64_t skipped;
    uint64_t conflicts;
};

static const struct rp_export_format *find_format(const char *name)
{
    for (size_t index = 0; index < sizeof(formats) / sizeof(formats[0]); index++) {
        if (strcmp(formats[index]->name, name) == 0) {
            return formats[index];
        }
    }
    return NULL;
}

/* Whether the directory `fd`, which is closed, is that one or lies below it. */
static bool is_below(int fd, const struct stat *top)
{
    struct stat last = {0};
    struct stat status;
    bool is_inside = false;
    while (fd >= 0 && fstat(fd, &status) == 0 && !is_inside) {
        if (status.st_dev == last.st_dev && status.st_ino == last.st_ino) {
            break; /* the root is its own parent */
        }
        is_inside = status.st_dev == top->st_dev && status.st_ino == top->st_ino;
        last = status;
        int up = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
        (void)close(fd); /* only looked at */
        fd = up;
    }
    if (fd >= 0) {
        (void)close(fd); /* as above */
    }
    return is_inside;
}

/* The directory that holds `path`; -1: there is none. */
static int open_holder(const char *path)
{
    static char holder[PATH_MAX]; /* one thread; too large for the stack */
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/') {
        len--;
    }
    while (len > 0 && path[len - 1] != '/') {
        len--;
    }
    if (len >= sizeof(holder)) {
        return -1;
    }
    memcpy(holder, path, len);
    holder[len] = '\0';
    return open(len > 0 ? holder : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* Whether what is written to `path` would lie in the spool: as it is called, and as it is. */
static bool is_in_spool(const char *dir, const char *path)
{
    static char real[PATH_MAX];
    struct stat top;
    if (strcmp(path, "-") == 0 || stat(dir, &top) != 0) {
        return false;
    }
    return is_below(open_holder(path), &top) ||
           is_below(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC), &top) ||
           (realpath(path, real) != NULL && is_below(open_holder(real), &top));
}

/* Why the loop ended. */
enum end {
    END_OF_MESSAGES,
    END_OF_OUTPUT, /* told */
    END_OF_INPUT,  /* told: the spool cannot be read on */
    END_BY_SIGNAL,
};

static void count_outcome(struct counts *counts, enum rp_export_outcome outcome)
{
    switch (outcome) {
    case RP_EXPORT_WRITTEN: counts->written++; return;
    case RP_EXPORT_SKIPPED: counts->skipped++; return;
    case RP_EXPORT_CONFLICT: counts->conflicts++; return;
    case RP_EXPORT_FAILED: return;
    }
}

static enum end put_all(const struct rp_export_format *format,
                        struct rp_export *export,
                        struct rp_walk *walk,
                        struct counts *counts)
{
    while (!rp_stop_is_asked()) {
        enum rp_walk_step step = rp_walk_next(walk);
        enum rp_export_outcome outcome = RP_EXPORT_FAILED;
        switch (step) {
        case RP_WALK_END:
        case RP_WALK_LIMIT: return END_OF_MESSAGES;
        case RP_WALK_FAILED: return END_OF_INPUT;
        case RP_WALK_DAMAGED:
            (void)rp_failure("%s: message %s is damaged, left out: %s", walk->dir,
                             walk->entry.id.text, walk->damage);
            break;
        case RP_WALK_MESSAGE:
            outcome = format->put(export, &walk->entry, walk->view);
            count_outcome(counts, outcome);
            if (outcome == RP_EXPORT_FAILED) {
                return END_OF_OUTPUT;
            }
            break;
        }
    }
    return END_BY_SIGNAL;
}

/* Where stdout carries the export itself, the summary goes to stderr. */
static enum rp_failure_exit put_summary(const char *path,
                                        const struct counts *counts,
                                        const struct rp_walk *walk)
{
    static struct rp_output output;
    bool is_stdout_taken = strcmp(path, "-") == 0;
    rp_output_init(&output, is_stdout_taken ? STDERR_FILENO : STDOUT_FILENO);
    rp_output_text(&output, "%llu message%s exported, %llu there already, %llu damaged\n",
                   (unsigned long long)counts->written, counts->written == 1 ? "" : "s",
                   (unsigned long long)counts->skipped, (unsigned long long)walk->damaged);
    int error = rp_output_flush(&output);
    return is_stdout_taken ? RP_EXIT_FINE : rp_failure_finish(RP_EXIT_FINE, error);
}

static enum rp_failure_exit export_to(const struct rp_export_format *format,
                                      const char *path,
                                      struct rp_walk *walk)
{
    static struct rp_export export;
    export.path = path; /* the rest is zeros; a literal of this size is not for the stack */
    export.dir_fd = -1;
    export.temp_fd = -1;
    struct rp_spool_info info;
    rp_spool_reader_info(walk->reader, &info);
    for (size_t index = 0; index < sizeof(info.identity); index++) {
        (void)snprintf(export.identity + 2 * index, 3, "%02x", info.identity[index]);
    }
    enum rp_failure_exit outcome = format->begin(&export);
    if (outcome != RP_EXIT_FINE) {
        return outcome;
    }
    struct counts counts = {0};
    enum end end = put_all(format, &export, walk, &counts);
    outcome = format->end(&export, end == END_OF_MESSAGES);
    if (end == END_BY_SIGNAL) {
        outcome = rp_failure("%s: interrupted, the export is not complete", path);
    }
    if (export.target.is_unread) {
        return walk->damaged > 0 ? RP_EXIT_FAILED : RP_EXIT_FINE;
    }
    if (outcome != RP_EXIT_FINE || end != END_OF_MESSAGES) {
        return RP_EXIT_FAILED;
    }
    outcome = put_summary(path, &counts, walk);
    return walk->damaged > 0 || counts.conflicts > 0 ? RP_EXIT_FAILED : outcome;
}

enum rp_failure_exit rp_cmd_export(const struct rp_options *options)
{
    static struct rp_walk walk;
    if (options->format == NULL || options->to == NULL) {
        return rp_failure_usage("export: --%s is missing: give --format eml, maildir, mbox or "
                                "jsonl, and --to PATH",
                                options->format == NULL ? "format" : "to");
    }
    const struct rp_export_format *format = find_format(options->format);
    if (format == NULL) {
        return rp_failure_usage("export: --format %s: give eml, maildir, mbox or jsonl",
                                options->format);
    }
    const char *from = options->from != NULL ? options->from : "start";
    rp_stop_install();
    enum rp_failure_exit outcome = rp_walk_open(&walk, options->operands[0], from, options->limit);
    if (outcome == RP_EXIT_FINE && is_in_spool(options->operands[0], options->to)) {
        outcome =
            rp_failure("%s: it lies in the spool, which nobody but ringpostd may change; give "
                       "another place",
                       options->to);
    }
    if (outcome == RP_EXIT_FINE) {
        outcome = export_to(format, options->to, &walk);
    }
    rp_walk_close(&walk);
    return outcome;
}
