/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_proto.h - the parts of bench_proto.c whose instructions perf/instructions counts.
 *
 * That script finds them by name: nothing but the parser's work, and feeding it, is in them.
 */
#ifndef PERF_BENCH_PROTO_H
#define PERF_BENCH_PROTO_H

#include "proto/rp_smtp.h"

struct rp_bench_proto_inputs {
    const struct rp_span *spans; /* each is fed in one go */
    size_t count;
};

/* Feed all and accept whatever is asked: command lines. What comes back is a sum of events. */
uint64_t rp_bench_proto_commands(struct rp_smtp *smtp,
                                 const struct rp_bench_proto_inputs *inputs,
                                 struct rp_reply_out *out);

/* The same, also with a body. */
uint64_t rp_bench_proto_message(struct rp_smtp *smtp,
                                const struct rp_bench_proto_inputs *inputs,
                                struct rp_reply_out *out);

#endif
