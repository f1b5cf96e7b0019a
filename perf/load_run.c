/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_run.c - a run of ringpost-load: its workers from their start to their end.
 *
 * Each worker makes its ring on its own thread; when all have, the main thread sets the times for
 * all of them. From then on the main thread only looks on: the live line, the signals, the CPU
 * time at both ends of the timed part.
 */
#include "load_run.h"

#include "counter.h"
#include "load_cpu.h"
#include "load_report.h"
#include "load_worker.h"
#include "tools/stop.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S    UINT64_C(1000000000)
#define NS_PER_MS   UINT64_C(1000000)

/* Connections that are being opened at once, over all workers: servers listen with small
 * backlogs (Python's asyncio 100), and what does not fit waits for a second in the kernel. */
#define OPENING_MAX 64u
/* Descriptors beside the connections: rings, files, the spool that is verified. */
#define OTHER_FILES 128u
/* Between two looks at all counters, while a live line is drawn. */
#define TICK_NS     (100 * NS_PER_MS)

struct run;

struct thread {
    struct rp_load_worker *worker;
    struct run *run;
    pthread_t handle;
};

struct run {
    const struct rp_load_run_options *options;
    struct rp_load_numbers numbers;
    struct rp_load_signals signals;
    struct rp_load_times times;
    struct thread *threads;
    uint32_t count;         /* of workers */
    uint32_t started_count; /* of threads */
    struct rp_load_stats *sum;
    struct rp_load_progress *progress; /* NULL: no live line */
    uint64_t own_cpu_us[2];            /* at both ends of the timed part */
    uint64_t server_cpu_us[2];
    uint64_t wall_ns;
    bool has_begun; /* the timed part */
    bool has_ended;
    bool has_server_cpu;

    /* The gate: workers tell here that they are prepared, and wait for the start. */
    pthread_mutex_t mutex;
    pthread_cond_t condition;
    uint32_t prepared_count;
    bool is_open;
    bool is_called_off;
};

uint32_t rp_load_run_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) != 0) {
        return 1; /* more CPUs than the set has bits: one is sure */
    }
    int count = CPU_COUNT(&set);
    return count > 0 ? (uint32_t)count : 1;
}

/* ---- making and unmaking ---- */

static int raise_files(uint64_t connections, char *error, size_t error_len)
{
    struct rlimit limit;
    int err = getrlimit(RLIMIT_NOFILE, &limit);
    assert(err == 0);
    uint64_t needed = connections + OTHER_FILES;
    if (limit.rlim_cur >= needed) {
        return 0;
    }
    if (limit.rlim_max < needed) {
        (void)snprintf(
            error, error_len,
            "%llu connections need %llu open files, and the hard limit is %llu; raise it "
            "(ulimit -Hn), or give fewer --connections",
            (unsigned long long)connections, (unsigned long long)needed,
            (unsigned long long)limit.rlim_max);
        return -EMFILE;
    }
    limit.rlim_cur = needed;
    err = setrlimit(RLIMIT_NOFILE, &limit);
    assert(err == 0); /* up to the hard limit everybody may */
    return 0;
}

/* What worker `index` gets of `total` things, in order. */
static uint64_t share_begin(uint64_t total, uint32_t index, uint32_t count)
{
    return total / count * index + total % count * index / count;
}

static int open_worker(struct run *run, uint32_t index)
{
    const struct rp_load_options *options = run->options->options;
    uint32_t connections = (uint32_t)options->connections;
    uint32_t first = (uint32_t)share_begin(connections, index, run->count);
    uint32_t end = (uint32_t)share_begin(connections, index + 1, run->count);
    bool is_open_loop = options->rate > 0;
    bool has_limit = is_open_loop && options->messages > 0;
    uint64_t limit = share_begin(options->messages, index + 1, run->count) -
                     share_begin(options->messages, index, run->count);
    uint64_t seed = (run->options->seed ^ (index + 1) * UINT64_C(0x9e3779b97f4a7c15)) | 1;
    struct rp_load_worker_options worker = {
        .script = run->options->script,
        .mail = run->options->mail,
        .target = run->options->target,
        .acks = run->options->acks,
        .numbers = &run->numbers,
        .signals = &run->signals,
        .pace =
            {
                   .arrivals = options->arrivals,
                   .rate = options->rate / run->count,
                   .phase = (double)index / run->count,
                   .seed = seed,
                   .limit = has_limit ? limit : UINT64_MAX,
                   },
        .connections = end - first,
        .first_index = first,
        .opening_max = OPENING_MAX > run->count ? OPENING_MAX / run->count : 1,
        .sources = (uint32_t)options->sources,
        .timeout_ns = options->timeout_ns,
        .seed = seed,
    };
    run->threads[index].run = run;
    return rp_load_worker_open(&worker, &run->threads[index].worker);
}

static uint32_t count_workers(const struct rp_load_options *options)
{
    uint64_t count = options->workers != 0 ? options->workers : rp_load_run_cores();
    return (uint32_t)(count < options->connections ? count : options->connections);
}

static int open_run(struct run *run)
{
    const struct rp_load_options *options = run->options->options;
    bool has_total = options->messages > 0 && options->rate <= 0;
    run->count = count_workers(options);
    rp_load_numbers_init(&run->numbers, has_total ? options->messages : UINT64_MAX, run->count);
    run->signals.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (run->signals.event_fd < 0) {
        return -errno;
    }
    run->threads = calloc(run->count, sizeof(*run->threads));
    if (run->threads == NULL || rp_load_stats_open(&run->sum) != 0) {
        return -ENOMEM;
    }
    if (!run->options->is_silent) {
        run->progress = malloc(sizeof(*run->progress));
        if (run->progress == NULL) {
            return -ENOMEM;
        }
        rp_load_progress_init(run->progress, options->messages,
                              options->messages > 0 ? 0 : options->duration_ns);
    }
    for (uint32_t index = 0; index < run->count; index++) {
        int err = open_worker(run, index);
        if (err != 0) {
            return err;
        }
    }
    return 0;
}

static void close_run(struct run *run)
{
    for (uint32_t index = 0; run->threads != NULL && index < run->count; index++) {
        rp_load_worker_close(run->threads[index].worker);
    }
    free(run->threads);
    free(run->progress);
    rp_load_stats_close(run->sum);
    if (run->signals.event_fd >= 0) {
        (void)close(run->signals.event_fd); /* nothing is lost with it */
    }
    (void)pthread_cond_destroy(&run->condition); /* nobody waits any more */
    (void)pthread_mutex_destroy(&run->mutex);
}

/* ---- threads ---- */

static void lock(struct run *run)
{
    int err = pthread_mutex_lock(&run->mutex);
    assert(err == 0);
}

static void unlock(struct run *run)
{
    int err = pthread_mutex_unlock(&run->mutex);
    assert(err == 0);
}

static void *run_thread(void *argument)
{
    struct thread *thread = argument;
    struct run *run = thread->run;
    (void)rp_load_worker_prepare(thread->worker); /* kept in worker->error */
    lock(run);
    run->prepared_count++;
    (void)pthread_cond_broadcast(&run->condition); /* cannot fail */
    while (!run->is_open) {
        (void)pthread_cond_wait(&run->condition, &run->mutex); /* cannot fail */
    }
    bool is_called_off = run->is_called_off;
    unlock(run);
    if (!is_called_off) {
        rp_load_worker_run(thread->worker, &run->times);
    } else {
        rp_load_ring_close(thread->worker->crew.ring);
        thread->worker->crew.ring = NULL;
    }
    return NULL;
}

/* The signals are the main thread's: they end its waits. */
static int start_threads(struct run *run)
{
    sigset_t all;
    sigset_t before;
    int err = 0;
    (void)sigfillset(&all); /* cannot fail */
    (void)pthread_sigmask(SIG_BLOCK, &all, &before);
    while (run->started_count < run->count && err == 0) {
        struct thread *thread = &run->threads[run->started_count];
        err = pthread_create(&thread->handle, NULL, run_thread, thread);
        run->started_count += err == 0 ? 1 : 0;
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -err;
}

static void set_times(struct run *run)
{
    const struct rp_load_options *options = run->options->options;
    run->times.start_ns = rp_load_ring_now_ns();
    run->times.begin_ns = run->times.start_ns + options->warmup_ns;
    run->times.stop_ns =
        options->duration_ns != 0 ? run->times.begin_ns + options->duration_ns : UINT64_MAX;
}

/* When all are prepared, let them start; or send them home where one is not. */
static int open_gate(struct run *run, int err, char *error, size_t error_len)
{
    lock(run);
    while (run->prepared_count < run->started_count) {
        (void)pthread_cond_wait(&run->condition, &run->mutex); /* cannot fail */
    }
    if (err != 0) {
        (void)snprintf(error, error_len, "cannot start a thread: %s", strerror(-err));
    }
    for (uint32_t index = 0; index < run->started_count && err == 0; index++) {
        const struct rp_load_worker *worker = run->threads[index].worker;
        err = worker->error;
        if (err != 0) {
            (void)snprintf(error, error_len, "%s", worker->error_text);
        }
    }
    run->is_called_off = err != 0;
    run->is_open = true;
    set_times(run);
    (void)pthread_cond_broadcast(&run->condition); /* cannot fail */
    unlock(run);
    return err;
}

static void join_threads(struct run *run)
{
    for (uint32_t index = 0; index < run->started_count; index++) {
        int err = pthread_join(run->threads[index].handle, NULL);
        assert(err == 0);
    }
}

/* ---- looking on ---- */

static void add_all(struct run *run)
{
    rp_load_stats_begin(run->sum, run->times.begin_ns);
    for (uint32_t index = 0; index < run->count; index++) {
        rp_load_stats_add(run->sum, run->threads[index].worker->crew.stats);
    }
}

/* The server's CPU time at one end of the timed part. It was readable at the start. */
static void read_cpu(struct run *run, unsigned end)
{
    const char *path = run->options->options->cpu_stat;
    run->own_cpu_us[end] = rp_load_cpu_own_us();
    if (path != NULL && rp_load_cpu_stat_us(path, &run->server_cpu_us[end]) != 0) {
        run->has_server_cpu = false;
    }
}

static void look(struct run *run, uint64_t now_ns)
{
    if (!run->has_begun && now_ns >= run->times.begin_ns) {
        struct timespec wall;
        (void)clock_gettime(CLOCK_REALTIME, &wall); /* exists on every Linux */
        run->wall_ns = (uint64_t)wall.tv_sec * NS_PER_S + (uint64_t)wall.tv_nsec;
        run->has_begun = true;
        run->has_server_cpu = run->options->options->cpu_stat != NULL;
        read_cpu(run, 0);
    }
    if (!run->has_ended && atomic_load(&run->signals.drained_count) == run->count) {
        run->has_ended = true;
        if (!run->has_begun) { /* interrupted while it warmed up: nothing counts */
            read_cpu(run, 0);
        }
        read_cpu(run, 1);
    }
    /* A tick later: by then all workers have forgotten their warm-up. */
    if (run->progress != NULL && !run->has_ended && now_ns >= run->times.begin_ns + TICK_NS) {
        add_all(run);
        rp_load_progress_show(run->progress, run->sum, now_ns);
    }
}

static void obey_signals(struct run *run)
{
    unsigned count = rp_stop_count();
    if (count > 0) {
        atomic_store(&run->signals.is_stopping, true);
    }
    if (count > 1) {
        atomic_store(&run->signals.is_aborted, true);
    }
}

/* Until something is told, or it is time to look again. */
static void wait_event(struct run *run, uint64_t now_ns)
{
    uint64_t told;
    uint64_t pause_ns = TICK_NS;
    if (!run->has_begun && run->times.begin_ns - now_ns < pause_ns) {
        pause_ns = run->times.begin_ns - now_ns;
    }
    struct timespec pause = {.tv_nsec = (long)pause_ns};
    struct pollfd pollfd = {.fd = run->signals.event_fd, .events = POLLIN};
    if (ppoll(&pollfd, 1, &pause, NULL) > 0) {
        (void)read(run->signals.event_fd, &told, sizeof(told)); /* the counters say what */
    }
}

static void look_on(struct run *run)
{
    while (atomic_load(&run->signals.done_count) < run->count) {
        uint64_t now_ns = rp_load_ring_now_ns();
        look(run, now_ns);
        obey_signals(run);
        wait_event(run, now_ns);
    }
    look(run, rp_load_ring_now_ns());
}

/* ---- the outcome ---- */

static uint64_t find_end_ns(const struct run *run)
{
    uint64_t end_ns = run->times.begin_ns;
    for (uint32_t index = 0; index < run->count; index++) {
        const struct rp_load_worker *worker = run->threads[index].worker;
        end_ns = worker->crew.ended_ns > end_ns ? worker->crew.ended_ns : end_ns;
        end_ns = worker->stopped_ns > end_ns ? worker->stopped_ns : end_ns;
    }
    return end_ns;
}

static void fill_result(struct run *run, struct rp_load_run_result *result)
{
    add_all(run);
    rp_counter_set(&run->sum->end_ns, find_end_ns(run));
    *result = (struct rp_load_run_result){
        .stats = run->sum,
        .workers = run->count,
        .cores = run->count < rp_load_run_cores() ? run->count : rp_load_run_cores(),
        .is_interrupted = rp_stop_is_asked(),
        .client_cpu_s = (double)(run->own_cpu_us[1] - run->own_cpu_us[0]) / 1e6,
        .server_cpu_s = run->has_server_cpu
                            ? (double)(run->server_cpu_us[1] - run->server_cpu_us[0]) / 1e6
                            : -1,
        .started_wall_ns = run->wall_ns,
    };
    run->sum = NULL; /* the result's now */
    for (uint32_t index = 0; index < run->count; index++) {
        const struct rp_load_worker *worker = run->threads[index].worker;
        const struct rp_load_crew *crew = &worker->crew;
        result->worker_cpu_s += worker->is_timed ? (double)worker->cpu.used_ns / 1e9 : 0;
        result->worker_denied_s += worker->is_timed ? (double)worker->cpu.denied_ns / 1e9 : 0;
        result->has_been_ready = result->has_been_ready || crew->has_been_ready;
        if (crew->is_fatal && !result->is_fatal) {
            result->is_fatal = true;
            memcpy(result->reason, crew->reason, sizeof(result->reason));
        }
    }
}

int rp_load_run(const struct rp_load_run_options *options,
                struct rp_load_run_result *result_out,
                char *error,
                size_t error_len)
{
    struct run run = {
        .options = options,
        .mutex = PTHREAD_MUTEX_INITIALIZER,
        .condition = PTHREAD_COND_INITIALIZER,
        .signals = {.event_fd = -1},
    };
    int err = raise_files(options->options->connections, error, error_len);
    if (err != 0) {
        close_run(&run);
        return err;
    }
    err = open_run(&run);
    if (err != 0) {
        (void)snprintf(error, error_len, "cannot make room for %llu connections: %s",
                       (unsigned long long)options->options->connections, strerror(-err));
        close_run(&run);
        return err;
    }
    err = open_gate(&run, start_threads(&run), error, error_len);
    if (err == 0) {
        look_on(&run);
    }
    join_threads(&run);
    if (run.progress != NULL && err == 0) {
        rp_load_progress_clear(run.progress);
    }
    if (err == 0) {
        fill_result(&run, result_out);
    }
    close_run(&run);
    return err;
}

void rp_load_run_close(struct rp_load_run_result *result)
{
    rp_load_stats_close(result->stats);
    result->stats = NULL;
}
