/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_run.h - a run of ringpost-load: its workers from their start to their end.
 *
 *     rp_load_run(&options, &result, error, sizeof(error));
 *     ...report result.stats...
 *     rp_load_run_close(&result);
 */
#ifndef PERF_LOAD_RUN_H
#define PERF_LOAD_RUN_H

#include "load_acks.h"
#include "load_conn.h"
#include "load_mail.h"
#include "load_options.h"
#include "load_script.h"
#include "load_stats.h"
#include "load_target.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rp_load_run_options {
    const struct rp_load_options *options;
    const struct rp_load_target *target;
    const struct rp_load_script *script;
    const struct rp_load_mail *mail;
    struct rp_load_acks *acks; /* NULL: nobody asks */
    uint64_t seed;
    bool is_silent; /* no live line */
};

struct rp_load_run_result {
    struct rp_load_stats *stats; /* the sum of all workers; owned */
    uint32_t workers;
    uint32_t cores; /* that they can use */
    bool is_interrupted;
    bool is_fatal;            /* it was given up, for this reason */
    bool has_been_ready;      /* at least one connection could take mail */
    double client_cpu_s;      /* of this process in the timed part */
    double worker_cpu_s;      /* of the workers' threads alone */
    double worker_denied_s;   /* in which these could have run and got no CPU */
    double server_cpu_s;      /* of --cpu-stat; negative: not known */
    uint64_t started_wall_ns; /* of the timed part, since 1970 */
    char reason[RP_LOAD_CONN_TEXT_LEN];
};

/* 0: it ran, whatever came of it; or -errno with one line in `error`: it could not be set up. */
int rp_load_run(const struct rp_load_run_options *options,
                struct rp_load_run_result *result_out,
                char *error,
                size_t error_len);
void rp_load_run_close(struct rp_load_run_result *result);

/* The CPUs that this process may use. */
uint32_t rp_load_run_cores(void);

#endif
