/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_worker.c - a thread of ringpost-load.
 */
#include "load_worker.h"

#include "counter.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S       UINT64_C(1000000000)
#define NS_PER_MS      UINT64_C(1000000)

/* How soon a word of the main thread is heard. */
#define PAUSE_MAX_NS   (50 * NS_PER_MS)
/* Timeouts are looked for so often, at least. */
#define CHECK_NS       (250 * NS_PER_MS)
/* Completions between two looks at the clock: each takes about a microsecond. */
#define CLOCK_STRIDE   16u
/* Until no connection at all could be had so long, the server may be still starting. */
#define PATIENCE_NS    (2 * NS_PER_S)
/* Between two words that a worker has a connection. */
#define READY_NS       (50 * NS_PER_MS)
/* After Ctrl-C: for messages in flight; and at any end: for the answers to QUIT. */
#define DRAIN_NS       (2 * NS_PER_S)
#define QUIT_NS        (1 * NS_PER_S)
/* The kernel's timers round to this; its default is 50 us, much for an open loop. */
#define TIMER_SLACK_NS 1000ul

static const struct rp_load_ring_options ring_options = {
    .request_count = 1024,
    .buffer_count = 512, /* replies that wait at once; when they run out, receives are repeated */
    .buffer_size = 2048, /* an EHLO reply, or the replies of a few pipelined messages */
};

/* Since `begin`; the time used is the clock's own. */
static struct rp_load_cpu_thread thread_cpu(const struct rp_load_cpu_thread *begin)
{
    struct timespec used;
    struct rp_load_cpu_thread now = rp_load_cpu_thread(gettid());
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used); /* exists on every Linux */
    now.used_ns = (uint64_t)used.tv_sec * NS_PER_S + (uint64_t)used.tv_nsec - begin->used_ns;
    now.denied_ns -= begin->denied_ns;
    return now;
}

/* ---- open and close ---- */

int rp_load_worker_open(const struct rp_load_worker_options *options,
                        struct rp_load_worker **worker_out)
{
    uint32_t count = options->connections;
    uint32_t depth = options->script->options.depth;
    assert(count > 0 && options->opening_max > 0);
    struct rp_load_worker *worker = calloc(1, sizeof(*worker));
    if (worker == NULL) {
        return -ENOMEM;
    }
    worker->options = *options;
    worker->conns = calloc(count, sizeof(*worker->conns));
    worker->messages = calloc((size_t)count * depth, sizeof(*worker->messages));
    worker->lists = calloc((size_t)count * 2, sizeof(*worker->lists));
    int err = rp_load_stats_open(&worker->crew.stats);
    if (err != 0 || worker->conns == NULL || worker->messages == NULL || worker->lists == NULL) {
        rp_load_worker_close(worker);
        return -ENOMEM;
    }
    struct rp_load_crew *crew = &worker->crew;
    crew->script = options->script;
    crew->mail = options->mail;
    crew->target = options->target;
    crew->acks = options->acks;
    crew->pace = &worker->pace;
    crew->timeout_ns = options->timeout_ns;
    crew->sources = options->sources;
    crew->first_index = options->first_index;
    crew->random = options->seed;
    crew->closed = (struct rp_load_fifo){.items = worker->lists, .size = count};
    crew->idle = (struct rp_load_fifo){.items = worker->lists + count, .size = count};
    for (uint32_t index = 0; index < count; index++) {
        rp_load_conn_init(&worker->conns[index], index, options->script,
                          worker->messages + (size_t)index * depth);
        rp_load_fifo_put(&crew->closed, index);
    }
    *worker_out = worker;
    return 0;
}

void rp_load_worker_close(struct rp_load_worker *worker)
{
    if (worker == NULL) {
        return;
    }
    rp_load_stats_close(worker->crew.stats);
    free(worker->conns);
    free(worker->messages);
    free(worker->lists);
    free(worker);
}

int rp_load_worker_prepare(struct rp_load_worker *worker)
{
    (void)prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS, 0, 0, 0); /* a wish */
    worker->error = rp_load_ring_open(&ring_options, &worker->crew.ring, worker->error_text,
                                      sizeof(worker->error_text));
    return worker->error;
}

/* ---- the loop ---- */

static void tell(const struct rp_load_worker *worker, _Atomic uint32_t *count)
{
    const uint64_t one = 1;
    (void)atomic_fetch_add(count, 1);
    ssize_t written = write(worker->options.signals->event_fd, &one, sizeof(one));
    assert(written == (ssize_t)sizeof(one)); /* an eventfd is full after 2^64 - 2 */
}

static bool may_open(const struct rp_load_worker *worker)
{
    const struct rp_load_crew *crew = &worker->crew;
    return crew->closed.count > 0 && !crew->is_stopping &&
           crew->opening_count < worker->options.opening_max;
}

static void open_conns(struct rp_load_worker *worker)
{
    struct rp_load_crew *crew = &worker->crew;
    while (may_open(worker) && crew->gate_ns <= crew->now_ns) {
        rp_load_conn_open(&worker->conns[rp_load_fifo_take(&crew->closed)], crew);
    }
}

/* Hand out what is due to connections that wait for it. */
static void feed_idle(struct rp_load_worker *worker)
{
    struct rp_load_crew *crew = &worker->crew;
    while (crew->idle.count > 0 && rp_load_pace_next_ns(&worker->pace) <= crew->now_ns) {
        struct rp_load_conn *conn = &worker->conns[rp_load_fifo_take(&crew->idle)];
        conn->is_listed = false;
        rp_load_conn_pump(conn, crew);
        if (crew->is_dry) {
            return;
        }
    }
}

static uint64_t sooner(uint64_t one_ns, uint64_t other_ns)
{
    return one_ns < other_ns ? one_ns : other_ns;
}

/* Until when there is nothing to do but what the ring tells. */
static uint64_t next_ns(const struct rp_load_worker *worker)
{
    const struct rp_load_crew *crew = &worker->crew;
    uint64_t until_ns = sooner(crew->now_ns + PAUSE_MAX_NS, worker->check_ns);
    if (!worker->is_timed) {
        until_ns = sooner(until_ns, worker->times.begin_ns);
    }
    if (crew->is_stopping) {
        return until_ns;
    }
    until_ns = sooner(until_ns, worker->times.stop_ns);
    if (crew->idle.count > 0) {
        until_ns = sooner(until_ns, rp_load_pace_next_ns(&worker->pace));
    }
    return may_open(worker) ? sooner(until_ns, crew->gate_ns) : until_ns;
}

/* Read the clock. What is counted begins anew at the first look that is behind the warm-up. */
static void look_at_clock(struct rp_load_worker *worker)
{
    struct rp_load_crew *crew = &worker->crew;
    crew->now_ns = rp_load_ring_now_ns();
    if (!worker->is_timed && crew->now_ns >= worker->times.begin_ns) {
        worker->is_timed = true;
        rp_load_stats_begin(crew->stats, worker->times.begin_ns);
        worker->cpu = thread_cpu(&(struct rp_load_cpu_thread){0});
    }
}

static void complete_all(struct rp_load_worker *worker)
{
    struct rp_load_crew *crew = &worker->crew;
    struct rp_load_completion completion;
    look_at_clock(worker);
    for (uint32_t count = 1; rp_load_ring_next(crew->ring, &completion); count++) {
        uint32_t index = rp_load_conn_index(completion.tag);
        assert(index < worker->options.connections);
        rp_load_conn_complete(&worker->conns[index], crew, &completion);
        if (count % CLOCK_STRIDE == 0) {
            look_at_clock(worker);
        }
    }
}

static void check_conns(struct rp_load_worker *worker)
{
    struct rp_load_crew *crew = &worker->crew;
    if (crew->now_ns < worker->check_ns) {
        return;
    }
    for (uint32_t index = 0; index < worker->options.connections; index++) {
        rp_load_conn_check(&worker->conns[index], crew);
    }
    worker->check_ns = crew->now_ns + sooner(CHECK_NS, worker->options.timeout_ns / 4 + 1);
}

/* Some connection of this worker works; said now and then, as all workers read it. */
static void note_ready(struct rp_load_worker *worker)
{
    struct rp_load_signals *signals = worker->options.signals;
    uint64_t now_ns = worker->crew.now_ns;
    uint64_t told_ns = atomic_load_explicit(&signals->ready_ns, memory_order_relaxed);
    if (now_ns > told_ns + READY_NS) {
        atomic_store_explicit(&signals->ready_ns, now_ns, memory_order_relaxed);
    }
}

/* No worker can have a connection for so long that waiting has no sense. Where only this one has
 * none, the server serves as many as it wants to. */
static void check_patience(struct rp_load_worker *worker)
{
    struct rp_load_crew *crew = &worker->crew;
    uint64_t ready_ns =
        atomic_load_explicit(&worker->options.signals->ready_ns, memory_order_relaxed);
    if (crew->ready_count > 0 || (crew->has_been_ready && ready_ns == 0)) {
        note_ready(worker);
        return;
    }
    uint64_t patience_ns = ready_ns > 0 ? worker->options.timeout_ns : PATIENCE_NS;
    uint64_t since_ns = crew->failing_ns > ready_ns ? crew->failing_ns : ready_ns;
    if (crew->failing_ns > 0 && crew->now_ns > since_ns + patience_ns) {
        crew->is_fatal = true;
    }
}

/* Begin nothing any more. */
static void stop(struct rp_load_worker *worker)
{
    struct rp_load_crew *crew = &worker->crew;
    worker->stopped_ns = crew->now_ns;
    crew->is_stopping = true;
    rp_load_pace_stop(&worker->pace, crew->now_ns);
    rp_counter_add(&crew->stats->never_sent, rp_load_pace_drop(&worker->pace));
    for (uint32_t index = 0; index < worker->options.connections; index++) {
        rp_load_conn_tell(&worker->conns[index], crew);
        rp_load_conn_pump(&worker->conns[index], crew); /* QUIT, where nothing is in flight */
    }
}

static void look_for_stop(struct rp_load_worker *worker)
{
    struct rp_load_crew *crew = &worker->crew;
    struct rp_load_signals *signals = worker->options.signals;
    if (crew->is_fatal) {
        atomic_store(&signals->is_stopping, true); /* the others are not to go on alone */
    }
    if (worker->stopped_ns == 0 &&
        (crew->is_dry || worker->pace.is_stopped || rp_load_pace_is_dry(&worker->pace) ||
         crew->now_ns >= worker->times.stop_ns ||
         atomic_load_explicit(&signals->is_stopping, memory_order_relaxed))) {
        stop(worker);
    }
}

static void drop_all(struct rp_load_worker *worker, enum rp_load_error error)
{
    for (uint32_t index = 0; index < worker->options.connections; index++) {
        rp_load_conn_drop(&worker->conns[index], &worker->crew, error);
    }
}

static void note_drained(struct rp_load_worker *worker)
{
    worker->drained_ns = worker->crew.now_ns;
    worker->cpu = thread_cpu(&worker->cpu);
    tell(worker, &worker->options.signals->drained_count);
}

/* After the stop: wait for what is in flight, then for the answers to QUIT. True: all is over. */
static bool wind_down(struct rp_load_worker *worker)
{
    struct rp_load_crew *crew = &worker->crew;
    struct rp_load_signals *signals = worker->options.signals;
    if (worker->stopped_ns == 0) {
        return false;
    }
    bool is_short = atomic_load_explicit(&signals->is_stopping, memory_order_relaxed);
    uint64_t limit_ns = is_short ? sooner(DRAIN_NS, crew->timeout_ns) : crew->timeout_ns;
    if (crew->in_flight > 0 && crew->now_ns - worker->stopped_ns > limit_ns) {
        /* Interrupted: nobody can blame the server for these. */
        drop_all(worker, is_short ? RP_LOAD_ERROR_COUNT : RP_LOAD_ERROR_TIMEOUT);
    }
    if (crew->in_flight > 0) {
        return false;
    }
    if (worker->drained_ns == 0) {
        note_drained(worker);
    }
    return crew->closed.count == worker->options.connections ||
           crew->now_ns - worker->drained_ns > sooner(QUIT_NS, crew->timeout_ns);
}

/* One turn: submit, wait, take what came. False: the ring does not work any more. */
static bool turn(struct rp_load_worker *worker)
{
    struct rp_load_crew *crew = &worker->crew;
    int err = rp_load_ring_wait(crew->ring, next_ns(worker));
    complete_all(worker);
    if (err == 0) {
        return true;
    }
    crew->is_fatal = true;
    (void)snprintf(crew->reason, sizeof(crew->reason), "io_uring: %s", strerror(-err));
    atomic_store(&worker->options.signals->is_stopping, true);
    return false;
}

/* What the kernel still holds must come back before the memory goes. */
static void end_conns(struct rp_load_worker *worker)
{
    struct rp_load_crew *crew = &worker->crew;
    crew->is_stopping = true;
    drop_all(worker, RP_LOAD_ERROR_COUNT);
    uint64_t until_ns = crew->now_ns + QUIT_NS;
    while (crew->closed.count < worker->options.connections && crew->now_ns < until_ns &&
           turn(worker)) {
        check_conns(worker);
    }
    if (!worker->is_timed) {
        rp_load_stats_begin(crew->stats, worker->times.begin_ns); /* a warm-up counts for nothing */
    }
}

/* Who waited for a server that was starting saw no error; where none started, each try was one. */
static void count_early(struct rp_load_worker *worker)
{
    struct rp_load_crew *crew = &worker->crew;
    bool has_been_ready =
        crew->has_been_ready || atomic_load(&worker->options.signals->ready_ns) > 0;
    while (!has_been_ready && crew->early_count > 0) {
        rp_load_stats_error(crew->stats, crew->now_ns, RP_LOAD_ERROR_CONNECT);
        crew->early_count--;
    }
}

void rp_load_worker_run(struct rp_load_worker *worker, const struct rp_load_times *times)
{
    struct rp_load_crew *crew = &worker->crew;
    struct rp_load_signals *signals = worker->options.signals;
    struct rp_load_pace_options pace = worker->options.pace;
    pace.start_ns = times->start_ns;
    pace.begin_ns = times->begin_ns;
    pace.stop_ns = times->stop_ns;
    worker->times = *times;
    crew->timed_ns = times->begin_ns;
    look_at_clock(worker);
    worker->check_ns = crew->now_ns;
    rp_load_pace_init(&worker->pace, &pace, worker->options.numbers);
    bool is_over = false;
    while (!is_over && !atomic_load_explicit(&signals->is_aborted, memory_order_relaxed)) {
        look_for_stop(worker);
        open_conns(worker);
        feed_idle(worker);
        check_conns(worker);
        check_patience(worker);
        is_over = wind_down(worker) || !turn(worker);
    }
    if (worker->drained_ns == 0) {
        note_drained(worker);
    }
    end_conns(worker);
    count_early(worker);
    rp_load_ring_close(crew->ring);
    crew->ring = NULL;
    tell(worker, &signals->done_count);
}
