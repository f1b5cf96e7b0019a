/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * failure.h - what goes wrong, as one line on stderr, and the exit status of it.
 *
 *     return rp_failure("%s: no such message", id);
 */
#ifndef TOOLS_FAILURE_H
#define TOOLS_FAILURE_H

enum rp_failure_exit {
    RP_EXIT_FINE = 0,
    RP_EXIT_FAILED = 1,
    RP_EXIT_USAGE = 2, /* the command line is wrong */
};

/* Whose lines these are: at first "ringpost-spool". `program` is a loan, for good. */
void rp_failure_name(const char *program);

/* Say what is wrong, where, and what would be right. Control characters that a file's
 * name brings along are escaped: it stays one line. */
enum rp_failure_exit rp_failure(const char *format, ...) __attribute__((format(printf, 1, 2)));
enum rp_failure_exit rp_failure_usage(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* What rp_spool_reader_open said (a negative errno) about the directory. */
enum rp_failure_exit rp_failure_open(const char *dir, int error);

/* What an rp_output to stdout said: a negative errno. Of -EPIPE nothing is said: the reader has
 * what it wanted (`| head -1`). */
enum rp_failure_exit rp_failure_stdout(int error);

/* What a command comes to that came to `outcome` but for its stdout, which said `error` (or 0). A
 * reader that has gone is no failure. */
enum rp_failure_exit rp_failure_finish(enum rp_failure_exit outcome, int error);

#endif
