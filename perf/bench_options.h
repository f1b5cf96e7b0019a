/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_options.h - the arguments of ringpost-bench.
 *
 * As --name VALUE or --name=VALUE; not abbreviated. Pure: nothing is copied, what the options
 * point to are the arguments themselves.
 */
#ifndef PERF_BENCH_OPTIONS_H
#define PERF_BENCH_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RP_BENCH_OPTIONS_ERROR_LEN 256u

struct rp_bench_options {
    const char *filter; /* part of a name; NULL: all */
    const char *dir;    /* NULL: not given */
    uint64_t time_ns;
    uint64_t rounds; /* 0: not given */
    unsigned repeat;
    bool is_list;
    bool is_json;
    bool is_small;
    bool is_help; /* nothing else counts then, nor was checked; is_version alike */
    bool is_version;
};

/*
 * Read `count` arguments, without the program's own. 0, or -EINVAL and in `error`
 * (NUL-terminated) what is wrong and what would be right.
 */
int rp_bench_options_parse(char *const *arguments,
                           size_t count,
                           struct rp_bench_options *options_out,
                           char error[RP_BENCH_OPTIONS_ERROR_LEN]);

/* The lines that --help prints about them; NULL: there are no more. */
const char *rp_bench_options_help(size_t index);

/* "50ms", "1s", "1min", and so on; a plain number is seconds. -EINVAL: none of these, or more
 * than a minute. */
int rp_bench_options_time(const char *text, uint64_t *time_ns_out);

#endif
