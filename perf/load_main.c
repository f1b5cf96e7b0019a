/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_main.c - ringpost-load: arguments, one run, what is said of it, exit status.
 */
#include "load_acks.h"
#include "load_auth.h"
#include "load_cpu.h"
#include "load_mail.h"
#include "load_options.h"
#include "load_report.h"
#include "load_run.h"
#include "load_script.h"
#include "load_selftest.h"
#include "load_target.h"
#include "load_verdict.h"
#include "load_verify.h"
#include "tools/failure.h"
#include "tools/output.h"
#include "tools/stop.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define ERROR_LEN RP_LOAD_OPTIONS_ERROR_LEN

/* All that a run needs; what is open is closed at the end. */
struct program {
    struct rp_load_options options;
    struct rp_load_threshold thresholds[RP_LOAD_THRESHOLDS_MAX];
    struct rp_load_target target;
    struct rp_load_auth auth;
    struct rp_load_script *script;
    struct rp_load_mail *mail;
    struct rp_load_acks *acks;
    uint64_t run; /* random: stands in each message */
    char command[1024];
    char error[ERROR_LEN];
    struct rp_load_run_result result;
    struct rp_load_verify_result verified;
    struct rp_load_report report;
    struct rp_load_verdict verdict;
};

static struct program program; /* one thread; too large for the stack */
static struct rp_output output;

static enum rp_failure_exit flush(void)
{
    int err = rp_output_flush(&output);
    return err == 0 ? RP_EXIT_FINE : rp_failure_stdout(err);
}

static enum rp_failure_exit put_help(void)
{
    char line[160];
    rp_output_text(
        &output, "Usage: ringpost-load [TARGET] [OPTION]...\n\n"
                 "Sends mail to an SMTP or LMTP server as fast as it takes it, or at a rate, and\n"
                 "says how fast and how well that went. TARGET is HOST:PORT, [ADDRESS]:PORT or\n"
                 "unix:PATH (" RP_LOAD_OPTIONS_TARGET "), on this machine unless the server is "
                 "said to be yours.\n\n");
    for (size_t index = 0; rp_load_options_help(index, line, sizeof(line)) != NULL; index++) {
        rp_output_text(&output, "%s", line);
    }
    rp_output_text(
        &output,
        "\nSizes take kb, mb, gb (1024), times ms, s, min, h. Ctrl-C ends the run with "
        "its\nsummary, a second one at once.\n\n"
        "Exit status: 0 fine; 1 errors, nothing accepted, a threshold missed, or --verify\n"
        "found something; 2 wrong usage. Refused mail alone is reported, and is "
        "fine.\n");
    return flush();
}

/* ---- before the run ---- */

/* No password stays where ps(1) and the report's command line show it. `credentials` is an
 * argument, and those are the program's to change. */
static void hide_password(const char *credentials)
{
    static const char stars[] = "***";
    char *password = NULL;
    credentials = strchr(credentials, ':') + 1; /* parsed: there is one */
    memcpy(&password, &credentials, sizeof(password));
    size_t len = strlen(password);
    size_t star_count = len < sizeof(stars) - 1 ? len : sizeof(stars) - 1;
    explicit_bzero(password, len);
    memcpy(password, stars, star_count);
}

static void note_command(int argc, char *const *argv, char *place, size_t size)
{
    size_t used = 0;
    for (int index = 0; index < argc && used < size; index++) {
        int len = snprintf(place + used, size - used, "%s%s", index > 0 ? " " : "",
                           index > 0 ? argv[index] : "ringpost-load");
        used += len > 0 ? (size_t)len : 0;
    }
}

static enum rp_failure_exit read_thresholds(void)
{
    const struct rp_load_options *options = &program.options;
    for (uint32_t index = 0; index < options->threshold_count; index++) {
        if (rp_load_threshold_parse(options->thresholds[index], &program.thresholds[index],
                                    program.error, ERROR_LEN) != 0) {
            return rp_failure_usage("--threshold %s", program.error);
        }
    }
    return RP_EXIT_FINE;
}

static enum rp_failure_exit open_target(void)
{
    const struct rp_load_options *options = &program.options;
    int err = rp_load_target_open(options->target, options->is_owned, &program.target,
                                  program.error, ERROR_LEN);
    if (err != 0) {
        return err == -ENOENT ? rp_failure("%s", program.error)
                              : rp_failure_usage("%s", program.error);
    }
    if (options->sources > 0 && !rp_load_target_has_sources(&program.target)) {
        return rp_failure_usage("--sources: %s is no IPv4 address of this machine's loopback; only "
                                "there are 127.0.1.1 and those behind it source addresses",
                                program.target.name);
    }
    return RP_EXIT_FINE;
}

static enum rp_failure_exit open_script(void)
{
    const struct rp_load_options *options = &program.options;
    struct rp_load_script_options script = {
        .mode = options->mode,
        .is_lmtp = options->is_lmtp,
        .is_forced = options->is_forced,
        .depth = (uint32_t)options->depth,
        .recipients = (uint32_t)options->recipients,
        .per_connection = options->per_connection,
        .domain = options->domain,
        .sender = options->sender,
        .auth = options->auth != NULL ? &program.auth : NULL,
        .mechanism = options->mechanism,
    };
    int err = rp_load_script_open(&script, &program.script);
    return err == 0 ? RP_EXIT_FINE
                    : rp_failure("--recipients %llu: out of memory",
                                 (unsigned long long)options->recipients);
}

static enum rp_failure_exit open_mail(void)
{
    const struct rp_load_options *options = &program.options;
    struct rp_load_mail_options mail = {
        .run = program.run,
        .size_min = options->size_min,
        .size_max = options->size_max,
        .corpus = options->corpus,
        .is_stamped = options->verify != NULL,
    };
    if (rp_load_mail_open(&mail, &program.mail, program.error, ERROR_LEN) != 0) {
        return rp_failure("--size %s", program.error);
    }
    struct rp_load_mail_info info;
    rp_load_mail_info(program.mail, &info);
    if (options->corpus == NULL && info.size_min > options->size_min && !options->is_quiet) {
        (void)rp_failure("--size %s: a generated message has at least %llu octets; sending those",
                         options->size, (unsigned long long)info.size_min);
    }
    if (info.lone_cr > 0 && !options->is_quiet) {
        (void)rp_failure("%s: %llu line ends are a CR alone; they are sent as CRLF",
                         options->corpus, (unsigned long long)info.lone_cr);
    }
    if (options->verify != NULL && rp_load_acks_open(&program.acks) != 0) {
        return rp_failure("out of memory for the numbers that --verify needs");
    }
    return RP_EXIT_FINE;
}

/* What is missing is to be known before the run, not after it. */
static enum rp_failure_exit look_ahead(void)
{
    const struct rp_load_options *options = &program.options;
    uint64_t us = 0;
    int err = options->cpu_stat != NULL ? rp_load_cpu_stat_us(options->cpu_stat, &us) : 0;
    if (err == -EINVAL) {
        return rp_failure("--cpu-stat %s: it has no usage_usec; give the cpu.stat of a cgroup (v2)",
                          options->cpu_stat);
    }
    if (err != 0) {
        return rp_failure("--cpu-stat %s: %s", options->cpu_stat, strerror(-err));
    }
    if (options->verify != NULL && access(options->verify, R_OK | X_OK) != 0) {
        return rp_failure_open(options->verify, -errno);
    }
    return RP_EXIT_FINE;
}

static enum rp_failure_exit prepare(void)
{
    enum rp_failure_exit (*const steps[])(void) = {
        read_thresholds, open_target, open_script, open_mail, look_ahead,
    };
    if (getrandom(&program.run, sizeof(program.run), 0) != (ssize_t)sizeof(program.run)) {
        return rp_failure("getrandom: %s", strerror(errno));
    }
    program.run |= 1; /* seeds are not 0 */
    enum rp_failure_exit outcome = RP_EXIT_FINE;
    for (size_t index = 0; index < sizeof(steps) / sizeof(steps[0]) && outcome == RP_EXIT_FINE;
         index++) {
        outcome = steps[index]();
    }
    return outcome;
}

/* ---- after the run ---- */

static void fill_report(void)
{
    static const char *const modes[] = {
        [RP_LOAD_PLAIN] = "plain",
        [RP_LOAD_PIPELINED] = "pipelined",
        [RP_LOAD_BDAT] = "bdat",
    };
    const struct rp_load_options *options = &program.options;
    const struct rp_load_run_result *result = &program.result;
    program.report = (struct rp_load_report){
        .stats = result->stats,
        .target = program.target.name,
        .mode = modes[options->mode],
        .size = options->size,
        .connections = (uint32_t)options->connections,
        .workers = result->workers,
        .cores = result->cores,
        .recipients = (uint32_t)options->recipients,
        .per_connection = options->per_connection,
        .rate = options->rate,
        .is_poisson = options->arrivals == RP_LOAD_ARRIVALS_POISSON,
        .is_lmtp = options->is_lmtp,
        .is_interrupted = result->is_interrupted,
        .client_cpu_s = result->client_cpu_s,
        .server_cpu_s = result->server_cpu_s,
        .started_wall_ns = result->started_wall_ns,
        .command = program.command,
        .fatal = result->is_fatal ? result->reason : NULL,
        .has_been_ready = result->has_been_ready,
        .thresholds = program.thresholds,
        .threshold_count = options->threshold_count,
    };
}

static void read_spool(void)
{
    const char *dir = program.options.verify;
    if (dir == NULL) {
        return;
    }
    if (rp_load_verify(dir, program.run, program.acks, &program.verified, program.error,
                       ERROR_LEN) != 0) {
        program.report.verify_error = program.error;
    } else {
        program.report.verify = &program.verified;
    }
}

static enum rp_failure_exit worse(enum rp_failure_exit one, enum rp_failure_exit other)
{
    return one > other ? one : other;
}

static enum rp_failure_exit write_reports(void)
{
    const struct rp_load_options *options = &program.options;
    enum rp_failure_exit outcome = RP_EXIT_FINE;
    bool is_json_shown = options->json != NULL && strcmp(options->json, "-") == 0;
    if (!options->is_quiet && !is_json_shown && program.result.has_been_ready) {
        outcome = worse(outcome, rp_load_summary_print(&program.report));
    }
    if (options->json != NULL) {
        outcome = worse(outcome, rp_load_json_write(&program.report, options->json));
    }
    if (options->html != NULL) {
        outcome = worse(outcome, rp_load_html_write(&program.report, options->html));
    }
    return outcome;
}

static enum rp_failure_exit judge(void)
{
    enum rp_failure_exit outcome = RP_EXIT_FINE;
    rp_load_verdict_init(&program.verdict, &program.report);
    for (uint32_t index = 0; index < program.verdict.count; index++) {
        outcome = worse(outcome, rp_failure("%s", program.verdict.reasons[index]));
    }
    return outcome;
}

static enum rp_failure_exit run(void)
{
    const struct rp_load_run_options options = {
        .options = &program.options,
        .target = &program.target,
        .script = program.script,
        .mail = program.mail,
        .acks = program.acks,
        .seed = program.run,
        .is_silent = program.options.is_quiet,
    };
    if (rp_load_run(&options, &program.result, program.error, ERROR_LEN) != 0) {
        return rp_failure("%s", program.error);
    }
    fill_report();
    read_spool();
    enum rp_failure_exit outcome = write_reports();
    return worse(outcome, judge());
}

static void close_all(void)
{
    rp_load_run_close(&program.result);
    rp_load_acks_close(program.acks);
    rp_load_mail_close(program.mail);
    rp_load_script_close(program.script);
    rp_load_auth_wipe(&program.auth);
}

/* A write to a closed pipe, or beyond a limit on file sizes, shall be an error that is told. */
static void ignore_write_signals(void)
{
    struct sigaction action = {.sa_handler = SIG_IGN};
    int err = sigaction(SIGPIPE, &action, NULL);
    assert(err == 0);
    err = sigaction(SIGXFSZ, &action, NULL);
    assert(err == 0);
}

int main(int argc, char **argv)
{
    rp_failure_name("ringpost-load");
    ignore_write_signals();
    rp_output_init(&output, STDOUT_FILENO);
    if (rp_load_options_parse(argv + 1, argc > 0 ? (size_t)argc - 1 : 0, &program.options,
                              program.error) != 0) {
        return (int)rp_failure_usage("%s", program.error);
    }
    if (program.options.is_help) {
        return (int)put_help();
    }
    if (program.options.is_version) {
        rp_output_text(&output, "ringpost-load %s\n", RP_VERSION);
        return (int)flush();
    }
    if (program.options.auth != NULL) {
        (void)rp_load_auth_init(program.options.auth, &program.auth); /* it was looked at */
        hide_password(program.options.auth);
    }
    note_command(argc, argv, program.command, sizeof(program.command));
    rp_stop_install();
    if (program.options.is_self_test) {
        return (int)rp_load_selftest(&program.options);
    }
    enum rp_failure_exit outcome = prepare();
    if (outcome == RP_EXIT_FINE) {
        outcome = run();
    }
    close_all();
    return (int)outcome;
}
