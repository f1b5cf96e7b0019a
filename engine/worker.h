/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * worker.h - one worker: a ring, its buffers, connections, timers and spool lane.
 *
 *     rp_worker_open(&options, &worker, error, sizeof(error));
 *     rp_worker_run(worker);              returns when it was told to stop or drain
 *     rp_worker_close(worker);
 *
 * Everything reached from a worker belongs to the thread that runs it, but for
 * rp_worker_tell and rp_worker_stats. server.c runs one per thread; the simulator
 * (tests/sim) runs it on virtual time.
 */
#ifndef WORKER_H
#define WORKER_H

#include "engine/config.h"
#include "engine/io.h"
#include "engine/spooldir.h"
#include "engine/stats.h"

struct rp_worker;

struct rp_worker_listener {
    int fd;           /* bound and listening; stays the caller's */
    const char *name; /* as configured, for the envelope; outlives the worker */
};

struct rp_worker_options {
    const struct rp_config *config; /* stays until replaced (RP_WORKER_RELOAD) or the end */
    struct rp_spooldir *dir;        /* stays until the end */
    uint32_t lane;                  /* the worker's lane of it */
    uint32_t worker_count;          /* memory is divided by it */
    const struct rp_worker_listener *listeners;
    uint32_t listener_count;
    int fd_limit; /* a connection with this descriptor or a greater one is refused, so that some are
                     left for the spool's files; 0: no limit */
};

/* What a worker can be told, with the value that goes along. */
enum rp_worker_order {
    RP_WORKER_DRAIN,  /* accept no more, 421 to idle sessions, finish the rest, at the latest after
                        drain_timeout; then rp_worker_run returns 0 */
    RP_WORKER_STOP,   /* at once: what has no 250 yet gets none */
    RP_WORKER_RELOAD, /* take the configuration that rp_worker_offer_config named */
};

/* Takes all its memory. On failure `error` holds one line. */
int rp_worker_open(const struct rp_worker_options *options,
                   struct rp_worker **worker_out,
                   char *error,
                   size_t error_len);

/* Until DRAIN or STOP has been carried out: 0. Else -errno: the ring is broken (rp_io_wait). */
int rp_worker_run(struct rp_worker *worker);

/* NULL is fine. Not while it runs. */
void rp_worker_close(struct rp_worker *worker);

/* Before any of them runs: all workers, this one too, whose connections count together for
 * limits.connections. The array must stay. Without this call a worker is alone. */
void rp_worker_set_peers(struct rp_worker *worker, struct rp_worker *const *peers, uint32_t count);

/* Any thread, with a ring of its own: 0 or as rp_io_post. */
int rp_worker_tell(struct rp_worker *worker, struct rp_io *from, enum rp_worker_order order);

/* Any thread: the configuration for the next RP_WORKER_RELOAD, held for the worker, which releases
 * it when it has the next one. Returns the one before if the worker never took it, or NULL. */
const struct rp_config *rp_worker_offer_config(struct rp_worker *worker,
                                               const struct rp_config *config);

/* Any thread: the counters (each of them atomic). */
const struct rp_stats *rp_worker_stats(const struct rp_worker *worker);

#endif
