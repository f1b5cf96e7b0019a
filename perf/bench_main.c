/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_main.c - ringpost-bench: micro-benchmarks of parser, body scanner and spool.
 */
#include "bench_case.h"
#include "bench_measure.h"
#include "bench_options.h"
#include "bench_report.h"

#include "tools/stop.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ERROR_LINE_LEN 8192u /* a path of PATH_MAX octets fits */

enum status {
    FINE = 0,
    FAILED = 1,
    USAGE = 2,
};

/* What was measured before, for those that are told in parts of it. */
struct baseline {
    const struct rp_bench_case *what; /* NULL: none yet */
    double octets_per_s;
};

static struct rp_output output; /* stdout; one thread */

static enum status fail(enum status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static enum status fail(enum status status, const char *format, ...)
{
    static struct rp_output errors; /* too large for the stack */
    static char line[ERROR_LINE_LEN];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    if (len > 0) {
        const size_t kept = (size_t)len < sizeof(line) ? (size_t)len : sizeof(line) - 1;
        rp_output_init(&errors, STDERR_FILENO);
        rp_output_text(&errors, "ringpost-bench: ");
        rp_output_escaped(&errors, (const uint8_t *)line, kept); /* it stays one line */
        rp_output_text(&errors, "\n");
        (void)rp_output_flush(&errors); /* there is no other place to say it */
    }
    return status;
}

static enum status flush(void)
{
    int error = rp_output_flush(&output);
    return error == 0 ? FINE : fail(FAILED, "standard output: %s", strerror(-error));
}

static enum status put_help(void)
{
    rp_output_text(&output, "Usage: ringpost-bench [OPTION]...\n\n"
                            "Micro-benchmarks of the parser, the body scanner and the spool:\n"
                            "the median of some repeats, and a checksum of what each one did.\n\n"
                            "Options:\n");
    const char *line;
    for (size_t index = 0; (line = rp_bench_options_help(index)) != NULL; index++) {
        rp_output_text(&output, "%s\n", line);
    }
    rp_output_text(&output,
                   "\nA wrong result, or one that is not always the same, ends it with status 1.\n"
                   "Exit status: 0 fine, 1 failed, 2 wrong usage.\n");
    return flush();
}

static bool is_chosen(const struct rp_bench_options *options, const struct rp_bench_case *one)
{
    return options->filter == NULL || strstr(one->name, options->filter) != NULL;
}

static enum status no_memory(void)
{
    return fail(FAILED, "out of memory");
}

/* What measuring a case, or its twin or baseline, came to. */
static enum status tell(const struct rp_bench_options *options,
                        const struct rp_bench_case *one,
                        int error)
{
    switch (error) {
    case 0: return FINE;
    case -EINTR: return fail(FAILED, "%s: stopped", one->name);
    case -EILSEQ:
        return fail(FAILED, "%s: its rounds gave different results; all must be the same",
                    one->name);
    case -ENOMEM: return no_memory();
    default: return fail(FAILED, "%s: %s (files in %s)", one->name, strerror(-error), options->dir);
    }
}

static enum status measure(const struct rp_bench_options *options,
                           const struct rp_bench_case *one,
                           struct rp_bench_result *result_out)
{
    const struct rp_bench_setup setup = {.dir = options->dir, .is_small = options->is_small};
    const struct rp_bench_measure how = {
        .time_ns = options->time_ns,
        .rounds = options->rounds,
        .repeat = options->repeat,
    };
    return tell(options, one, rp_bench_measure_run(one, &setup, &how, result_out));
}

/* Whether it did what its twin does. */
static enum status compare(const struct rp_bench_options *options,
                           const struct rp_bench_case *one,
                           uint64_t checksum)
{
    if (one->twin == NULL) {
        return FINE;
    }
    const struct rp_bench_setup setup = {.dir = options->dir, .is_small = options->is_small};
    const struct rp_bench_case *twin = rp_bench_case_find(one->twin);
    uint64_t wanted = 0;
    assert(twin != NULL); /* one that every machine can run */
    enum status status = tell(options, twin, rp_bench_measure_checksum(twin, &setup, &wanted));
    if (status == FINE && checksum != wanted) {
        status = fail(FAILED, "%s: a wrong result, checksum %016" PRIx64 "; %s has %016" PRIx64,
                      one->name, checksum, twin->name, wanted);
    }
    return status;
}

/* The case's speed as a part of its baseline's, which is measured first where it was not the
 * last one. 0: it has none. */
static enum status find_baseline(const struct rp_bench_options *options,
                                 const struct rp_bench_case *one,
                                 struct baseline *baseline)
{
    if (one->baseline == NULL ||
        (baseline->what != NULL && strcmp(baseline->what->name, one->baseline) == 0)) {
        return FINE;
    }
    struct rp_bench_result result = {0};
    baseline->what = rp_bench_case_find(one->baseline);
    assert(baseline->what != NULL);
    enum status status = measure(options, baseline->what, &result);
    baseline->octets_per_s = result.octets_per_s;
    return status;
}

static enum status run_one(const struct rp_bench_options *options,
                           const struct rp_bench_case *one,
                           struct rp_bench_report *report,
                           struct baseline *baseline)
{
    struct rp_bench_result result = {0};
    enum status status = find_baseline(options, one, baseline);
    status = status != FINE ? status : measure(options, one, &result);
    status = status != FINE ? status : compare(options, one, result.checksum);
    if (status != FINE) {
        return status;
    }
    double ratio = 0;
    if (one->baseline == NULL) {
        *baseline = (struct baseline){.what = one, .octets_per_s = result.octets_per_s};
    } else if (baseline->octets_per_s > 0) {
        ratio = result.octets_per_s / baseline->octets_per_s;
    }
    return rp_bench_report_put(report, one, &result, ratio) == 0 ? flush() : no_memory();
}

static enum status run_all(const struct rp_bench_options *options)
{
    struct rp_bench_report report;
    struct baseline baseline = {0};
    size_t count = 0;
    rp_bench_report_begin(&report, &output, options->is_json);
    const struct rp_bench_case *one;
    for (size_t index = 0; (one = rp_bench_case_get(index)) != NULL; index++) {
        if (!is_chosen(options, one)) {
            continue;
        }
        enum status status = FINE;
        if (options->is_list) {
            status = rp_bench_report_list(&report, one) == 0 ? FINE : no_memory();
        } else {
            status = run_one(options, one, &report, &baseline);
        }
        if (status != FINE) {
            (void)rp_output_flush(&output); /* what is good of it; the failure is told already */
            return status;
        }
        count++;
    }
    if (count == 0) {
        return fail(USAGE, "--filter %s: no benchmark has that in its name; --list shows them",
                    options->filter);
    }
    return flush();
}

/* Where files go unless --dir says: /tmp is often memory, /var/tmp is a disk. */
static const char *default_dir(void)
{
    const char *dir = getenv("TMPDIR");
    return dir != NULL && dir[0] != '\0' ? dir : "/var/tmp";
}

static enum status check_dir(const char *dir)
{
    struct stat status;
    if (stat(dir, &status) != 0) {
        return fail(FAILED, "%s: %s; --dir names a directory for files", dir, strerror(errno));
    }
    if (!S_ISDIR(status.st_mode)) {
        return fail(FAILED, "%s: not a directory; --dir names one for files", dir);
    }
    return FINE;
}

/* A write to a closed pipe shall be an error that is told and cleaned up after. */
static void ignore_pipe_signal(void)
{
    const struct sigaction action = {.sa_handler = SIG_IGN};
    int error = sigaction(SIGPIPE, &action, NULL);
    assert(error == 0);
    (void)error;
}

int main(int argc, char **argv)
{
    struct rp_bench_options options;
    char error[RP_BENCH_OPTIONS_ERROR_LEN];
    ignore_pipe_signal();
    rp_output_init(&output, STDOUT_FILENO);
    const size_t count = argc > 0 ? (size_t)argc - 1 : 0;
    if (rp_bench_options_parse(argv + 1, count, &options, error) != 0) {
        return (int)fail(USAGE, "%s", error);
    }
    if (options.is_help) {
        return (int)put_help();
    }
    if (options.is_version) {
        rp_output_text(&output, "ringpost-bench %s\n", RP_VERSION);
        return (int)flush();
    }
    if (options.dir == NULL) {
        options.dir = default_dir();
    }
    enum status status = options.is_list ? FINE : check_dir(options.dir);
    if (status == FINE) {
        rp_stop_install();
        status = run_all(&options);
    }
    return (int)status;
}
