/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_selftest.h - ringpost-load --self-test: what this program can do on this machine at most.
 *
 * It sends to a sink of its own (sink.h), on a thread of this process over loopback, in each mode
 * and with small and usual sizes, and prints messages/s, and messages/s for each second of CPU
 * time that the generator itself took. A server that seems to do more than that was not measured.
 */
#ifndef PERF_LOAD_SELFTEST_H
#define PERF_LOAD_SELFTEST_H

#include "load_options.h"
#include "tools/failure.h"

/* Of the options, connections, workers, duration (of each line; 1 s) and timeout count. */
enum rp_failure_exit rp_load_selftest(const struct rp_load_options *options);

#endif
