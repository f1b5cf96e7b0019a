/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_case.h - what a micro-benchmark is, and the list of all of them.
 *
 *     const struct rp_bench_case *one = rp_bench_case_get(index);
 *     one->open(one, &setup, &work);
 *     one->run(&work, rounds, &checksum);
 *     one->close(&work);
 *
 * A case does the same work in each round, on memory (and files) that its open made and
 * touched; so each round has the same result, and run says in `checksum` what that was.
 * One thread.
 */
#ifndef PERF_BENCH_CASE_H
#define PERF_BENCH_CASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The same for all cases of a run. */
struct rp_bench_setup {
    const char *dir; /* where a case may make files; it removes them when it is closed */
    bool is_small;   /* little memory and short files: for tests, the figures say nothing */
};

/* A case that is open. */
struct rp_bench_work {
    const struct rp_bench_case *what;
    void *state;     /* the case's own */
    uint64_t units;  /* of the case's unit, in a round */
    uint64_t octets; /* in a round; 0: octets a second would say nothing */
};

struct rp_bench_case {
    const char *name; /* "folder/what/how" */
    const char *unit; /* what is counted: "message" */
    const char *help;
    const char *baseline; /* a case of as many octets that its speed is told in; NULL: none */
    const char *twin;     /* a case that every machine has, with the same checksum; NULL: none */
    const void *spec;     /* how it differs from others with the same functions */

    /* Whether this machine can run it; NULL: any can. */
    bool (*is_here)(const struct rp_bench_case *self);

    /* 0, or -errno and nothing is open. work_out->what is set by the caller. */
    int (*open)(const struct rp_bench_case *self,
                const struct rp_bench_setup *setup,
                struct rp_bench_work *work_out);

    /*
     * At least one round. 0 and what a round's result is: the same for any number of rounds,
     * and for the twin; or -errno.
     */
    int (*run)(struct rp_bench_work *work, uint64_t rounds, uint64_t *checksum_out);

    void (*close)(struct rp_bench_work *work);
};

/* One source each: proto, dot, ... */
struct rp_bench_family {
    const struct rp_bench_case *cases;
    size_t count;
};
extern const struct rp_bench_family rp_bench_proto_family;
extern const struct rp_bench_family rp_bench_dot_family;
extern const struct rp_bench_family rp_bench_hash_family;
extern const struct rp_bench_family rp_bench_reply_family;
extern const struct rp_bench_family rp_bench_append_family;
extern const struct rp_bench_family rp_bench_recover_family;
extern const struct rp_bench_family rp_bench_reader_family;

/* NULL: there are no more. Those that this machine cannot run are left out. */
const struct rp_bench_case *rp_bench_case_get(size_t index);

/* NULL: no such case here. */
const struct rp_bench_case *rp_bench_case_find(const char *name);

/* ---- for the cases ---- */

/* Zeroed and touched, at a multiple of a page; free(3) releases it. NULL: no memory. */
void *rp_bench_case_alloc(size_t len);

/* Whether all rounds gave the same. {0} is one of no rounds. */
struct rp_bench_sum {
    uint64_t first;
    uint64_t differs; /* bits that were not always the same */
    bool has_first;
};

static inline void rp_bench_sum_add(struct rp_bench_sum *sum, uint64_t value)
{
    if (!sum->has_first) {
        sum->first = value;
        sum->has_first = true;
    }
    sum->differs |= value ^ sum->first;
}

/* Another one than any single round's where they differ. */
static inline uint64_t rp_bench_sum_get(const struct rp_bench_sum *sum)
{
    return sum->differs == 0 ? sum->first : ~sum->first;
}

/* Join two results to one; their order counts. */
static inline uint64_t rp_bench_mix(uint64_t sum, uint64_t value)
{
    return (sum << 7 | sum >> 57) * UINT64_C(0x9e3779b97f4a7c15) ^ value;
}

#endif
