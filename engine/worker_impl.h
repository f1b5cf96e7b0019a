/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * worker_impl.h - the parts of a worker, for the files that make it up.
 */
#ifndef WORKER_IMPL_H
#define WORKER_IMPL_H

#include "big.h"
#include "conn.h"
#include "lane.h"
#include "limits.h"
#include "message.h"
#include "op.h"
#include "timer.h"
#include "worker.h"

struct rp_worker_port {
    int fd;
    const char *name;
    bool is_armed;
};

struct rp_worker {
    struct rp_io *io;
    const struct rp_config *config;
    _Atomic(const struct rp_config *) offered; /* for the next RELOAD; NULL: none since the last */
    struct rp_spooldir *dir;
    uint32_t lane_number;

    struct rp_message_store store;
    struct rp_conns conns;
    struct rp_timer_wheel timers; /* by connection */
    struct rp_lane lane;
    struct rp_bigs bigs;

    struct rp_worker_port *ports;
    uint32_t port_count;
    uint64_t accept_retry_ns; /* UINT64_MAX: nothing to ask again */

    uint64_t heard_ns;       /* what had come by then is read: time limits end by it */
    uint64_t listening_ns;   /* the next one */
    uint32_t rounds_to_hear; /* until it is, at most */

    struct rp_worker *const *peers; /* all workers, this one too */
    uint32_t peer_count;
    struct rp_worker *self; /* the peers of a worker that is alone */

    uint64_t disk_checked_ns;
    bool is_disk_full;

    int fd_limit; /* as in the options */

    bool is_draining;
    bool is_drain_over;
    bool is_stopping;
    uint64_t drain_end_ns;

    struct rp_stats stats;
};

#endif
