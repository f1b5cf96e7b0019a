/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_worker.h - a thread of ringpost-load: its ring, its connections, its share of the messages.
 *
 *     rp_load_worker_open(&options, &worker);           on the main thread
 *     pthread_create(..., { rp_load_worker_prepare(worker); ...all wait for a start time...
 *                           rp_load_worker_run(worker, &times); })
 *     rp_load_worker_close(worker);                     after the thread's end
 *
 * No memory is asked for once it runs, but what --verify keeps of the numbers.
 */
#ifndef PERF_LOAD_WORKER_H
#define PERF_LOAD_WORKER_H

#include "load_conn.h"
#include "load_cpu.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* What the main thread says to all workers, and they to it. */
struct rp_load_signals {
    _Atomic bool is_stopping;       /* begin no message any more, finish what is in flight, soon */
    _Atomic bool is_aborted;        /* end at once */
    _Atomic uint64_t ready_ns;      /* when any worker had a connection behind EHLO last; 0: none */
    _Atomic uint32_t drained_count; /* workers that have no message in flight, and get none */
    _Atomic uint32_t done_count;    /* workers at their end */
    int event_fd;                   /* written at each of the two, and read by the main thread */
};

struct rp_load_worker_options {
    const struct rp_load_script *script;
    const struct rp_load_mail *mail;
    const struct rp_load_target *target;
    struct rp_load_acks *acks; /* NULL: nobody asks */
    struct rp_load_numbers *numbers;
    struct rp_load_signals *signals;
    struct rp_load_pace_options pace; /* but for its times */
    uint32_t connections;
    uint32_t first_index; /* of its connections among those of all workers */
    uint32_t opening_max; /* connections that are being opened at once */
    uint32_t sources;
    uint64_t timeout_ns;
    uint64_t seed; /* not 0 */
};

struct rp_load_times {
    uint64_t start_ns;
    uint64_t begin_ns; /* of the timed part */
    uint64_t stop_ns;  /* UINT64_MAX: at the last message */
};

struct rp_load_worker {
    struct rp_load_worker_options options;
    struct rp_load_crew crew;
    struct rp_load_pace pace;
    struct rp_load_conn *conns;
    struct rp_load_message *messages;
    uint32_t *lists; /* of the crew's two */
    struct rp_load_times times;
    uint64_t check_ns;             /* when the connections are looked at next */
    uint64_t stopped_ns;           /* since when it begins no message; 0: it does */
    uint64_t drained_ns;           /* since when it has none in flight either; 0: it has */
    struct rp_load_cpu_thread cpu; /* what this thread used in the timed part, until drained */
    bool is_timed;                 /* the timed part has begun */
    int error;                     /* 0 or -errno of what could not be set up: see error_text */
    char error_text[RP_LOAD_CONN_TEXT_LEN];
};

/* 0 or -ENOMEM. *worker_out is to be closed. */
int rp_load_worker_open(const struct rp_load_worker_options *options,
                        struct rp_load_worker **worker_out);
void rp_load_worker_close(struct rp_load_worker *worker); /* NULL is fine */

/* On the worker's own thread: make the ring. 0 or -errno, kept in worker->error. */
int rp_load_worker_prepare(struct rp_load_worker *worker);
void rp_load_worker_run(struct rp_load_worker *worker, const struct rp_load_times *times);

#endif
