/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_selftest.c - ringpost-load --self-test: what this program can do on this machine at most.
 */
#include "load_selftest.h"

#include "load_cpu.h"
#include "load_figures.h"
#include "load_mail.h"
#include "load_run.h"
#include "load_script.h"
#include "load_stats.h"
#include "load_target.h"
#include "sink.h"
#include "tools/output.h"
#include "tools/stop.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ERROR_LEN 512u

struct trial {
    const char *name;
    enum rp_load_mode mode;
    uint32_t depth;
    uint64_t size; /* octets of a message */
};

/* clang-format off */
static const struct trial trials[] = {
    {"plain",     RP_LOAD_PLAIN,     1, 1024},
    {"plain",     RP_LOAD_PLAIN,     1, 10240},
    {"pipelined", RP_LOAD_PIPELINED, 2, 1024},
    {"pipelined", RP_LOAD_PIPELINED, 2, 10240},
    {"bdat",      RP_LOAD_BDAT,      2, 1024},
    {"bdat",      RP_LOAD_BDAT,      2, 10240},
};
/* clang-format on */

struct sink_thread {
    struct rp_sink *sink;
    pthread_t handle;
    _Atomic int tid; /* set by the thread before it takes a connection */
    int err;
};

static struct rp_output output; /* one thread; too large for the stack */
static char error[ERROR_LEN];

static void *run_sink(void *argument)
{
    struct sink_thread *thread = argument;
    atomic_store(&thread->tid, gettid());
    thread->err = rp_sink_run(thread->sink);
    return NULL;
}

static enum rp_failure_exit start_sink(struct sink_thread *thread, uint64_t connections)
{
    sigset_t all;
    sigset_t before;
    struct rp_sink_options options = rp_sink_options_default;
    options.port = 0;
    /* One trial's connections may be still closing when the next one's come. */
    options.connections_max = 2 * (uint32_t)connections + 16;
    if (rp_sink_open(&options, &thread->sink, error, sizeof(error)) != 0) {
        return rp_failure("--self-test: %s", error);
    }
    (void)sigfillset(&all); /* cannot fail; the signals are the main thread's */
    (void)pthread_sigmask(SIG_BLOCK, &all, &before);
    int err = pthread_create(&thread->handle, NULL, run_sink, thread);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (err != 0) {
        rp_sink_close(thread->sink);
        return rp_failure("--self-test: cannot start a thread: %s", strerror(err));
    }
    return RP_EXIT_FINE;
}

static enum rp_failure_exit stop_sink(struct sink_thread *thread)
{
    rp_sink_stop(thread->sink);
    (void)pthread_join(thread->handle, NULL); /* it was created, and is joined once */
    rp_sink_close(thread->sink);
    return thread->err == 0 ? RP_EXIT_FINE
                            : rp_failure("--self-test: the sink: %s", strerror(-thread->err));
}

/* One core is the sink's, where there are two. */
static uint64_t count_workers(const struct rp_load_options *options)
{
    uint32_t cores = rp_load_run_cores();
    return options->workers != 0 ? options->workers : cores > 1 ? cores - 1 : 1;
}

static enum rp_failure_exit put_trial(const struct trial *trial,
                                      const struct rp_load_run_result *result,
                                      const struct rp_load_cpu_thread *sink)
{
    const struct rp_load_stats *stats = result->stats;
    double seconds = (double)(stats->end_ns - stats->begin_ns) / 1e9;
    double accepted = (double)stats->accepted;
    if (result->is_fatal || stats->accepted == 0 || seconds <= 0 || result->worker_cpu_s <= 0) {
        return rp_failure("--self-test: %s, %llu octets: nothing was accepted%s%s", trial->name,
                          (unsigned long long)trial->size, result->is_fatal ? ": " : "",
                          result->reason);
    }
    double worker_share = result->worker_cpu_s / seconds / result->cores;
    double sink_s = (double)sink->used_ns / 1e9;
    double sink_share = sink_s / seconds;
    /* Both had all CPUs, or one could have run and got none: others had them. */
    double sink_wanted = (sink_s + (double)sink->denied_ns / 1e9) / seconds;
    double worker_wanted = worker_share + result->worker_denied_s / seconds / result->workers;
    double wanted_share = sink_wanted > worker_wanted ? sink_wanted : worker_wanted;
    double cpus_share = (result->worker_cpu_s + sink_s) / seconds / rp_load_run_cores();
    rp_output_text(&output, "%-10s %8llu %12.0f %19.0f %14.2f", trial->name,
                   (unsigned long long)trial->size, accepted / seconds,
                   accepted / result->worker_cpu_s, result->worker_cpu_s * 1e6 / accepted);
    rp_output_text(&output, "%9.0f %% %6.0f %%   %s\n", worker_share * 100, sink_share * 100,
                   rp_load_figures_bound(worker_share, sink_share,
                                         cpus_share > wanted_share ? cpus_share : wanted_share));
    int err = rp_output_flush(&output);
    return err == 0 ? RP_EXIT_FINE : rp_failure_stdout(err);
}

static enum rp_failure_exit run_trial(const struct trial *trial,
                                      const struct rp_load_options *options,
                                      struct sink_thread *sink,
                                      const struct rp_load_target *target)
{
    struct rp_load_script_options script_options = {
        .mode = trial->mode,
        .depth = trial->depth,
        .recipients = 1,
        .domain = options->domain,
        .is_forced = true, /* the sink is known */
    };
    struct rp_load_mail_options mail_options = {
        .run = 1,
        .size_min = trial->size,
        .size_max = trial->size,
    };
    struct rp_load_script *script = NULL;
    struct rp_load_mail *mail = NULL;
    enum rp_failure_exit outcome = RP_EXIT_FAILED;
    if (rp_load_script_open(&script_options, &script) != 0) {
        return rp_failure("--self-test: out of memory");
    }
    struct rp_load_run_options run = {
        .options = options,
        .target = target,
        .script = script,
        .seed = 1,
        .is_silent = true,
    };
    struct rp_load_run_result result = {0};
    struct rp_load_cpu_thread before = rp_load_cpu_thread(atomic_load(&sink->tid));
    if (rp_load_mail_open(&mail_options, &mail, error, sizeof(error)) != 0) {
        outcome = rp_failure("--self-test: %s", error);
    } else {
        run.mail = mail;
        int err = rp_load_run(&run, &result, error, sizeof(error));
        struct rp_load_cpu_thread used = rp_load_cpu_thread(atomic_load(&sink->tid));
        used.used_ns -= before.used_ns;
        used.denied_ns -= before.denied_ns;
        outcome =
            err == 0 ? put_trial(trial, &result, &used) : rp_failure("--self-test: %s", error);
    }
    rp_load_run_close(&result);
    rp_load_mail_close(mail);
    rp_load_script_close(script);
    return outcome;
}

static void put_head(const struct rp_load_options *options, uint64_t workers)
{
    rp_output_text(&output,
                   "The ceiling of this generator on this machine: %llu connections and %llu "
                   "worker%s,\nto a sink in this process, which does nothing with its mail.\n\n"
                   "mode         octets   messages/s   messages/s per core   CPU us each"
                   "  generator     sink   bound by\n",
                   (unsigned long long)options->connections, (unsigned long long)workers,
                   workers == 1 ? "" : "s");
    if (rp_load_run_cores() < 2) {
        rp_output_text(&output, "(one CPU: generator and sink take turns on it)\n");
    }
}

static enum rp_failure_exit put_legend(void)
{
    rp_output_text(&output,
                   "\nBound by: the generator, whose threads were busy all the time, which is "
                   "its ceiling; the\nserver, which is the sink; the CPUs, which both or others "
                   "kept busy; or waiting, for round\ntrips over loopback: give more "
                   "--connections.\n");
    int err = rp_output_flush(&output);
    return err == 0 ? RP_EXIT_FINE : rp_failure_stdout(err);
}

enum rp_failure_exit rp_load_selftest(const struct rp_load_options *options)
{
    struct rp_load_options own = *options;
    struct sink_thread thread = {0};
    struct rp_load_target target;
    char name[32];
    rp_output_init(&output, STDOUT_FILENO);
    own.workers = count_workers(options);
    own.messages = 0;
    own.rate = 0;
    own.arrivals = RP_LOAD_ARRIVALS_NONE;
    own.sources = 0;
    own.cpu_stat = NULL;
    enum rp_failure_exit outcome = start_sink(&thread, own.connections);
    if (outcome != RP_EXIT_FINE) {
        return outcome;
    }
    (void)snprintf(name, sizeof(name), "127.0.0.1:%u", (unsigned)rp_sink_port(thread.sink));
    if (rp_load_target_open(name, false, &target, error, sizeof(error)) != 0) {
        outcome = rp_failure("--self-test: %s", error);
    }
    put_head(&own, own.workers);
    for (size_t index = 0; index < sizeof(trials) / sizeof(trials[0]); index++) {
        if (outcome == RP_EXIT_FINE && !rp_stop_is_asked()) {
            outcome = run_trial(&trials[index], &own, &thread, &target);
        }
    }
    if (outcome == RP_EXIT_FINE) {
        outcome = put_legend();
    }
    enum rp_failure_exit stopped = stop_sink(&thread);
    return outcome != RP_EXIT_FINE ? outcome : stopped;
}
