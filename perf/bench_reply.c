/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_reply.c - building replies: into the memory that a connection sends from, which is
 * filled until there is no room for another one, and then begun anew.
 */
#include "bench_case.h"

#include "proto/rp_reply.h"
#include "spool/format.h"

#include <errno.h>
#include <stdlib.h>

#define OUT_LEN 8192u

struct state {
    struct rp_reply_out out;
    uint8_t octets[OUT_LEN];
};

static const struct rp_reply usual = {250, "2.1.5", "OK"};
static const struct rp_span id = {(const uint8_t *)"000-0000000001-000040", RP_SPOOL_ID_LEN};

static inline void put(struct rp_reply_out *out, bool is_queued)
{
    if (is_queued) {
        rp_reply_put_queued(out, id);
    } else {
        rp_reply_put(out, &usual);
    }
}

/* A round fills the memory. */
static inline uint64_t fill(struct rp_reply_out *out, bool is_queued)
{
    uint64_t count = 0;
    for (out->len = 0; rp_reply_has_room(out); count++) {
        put(out, is_queued);
    }
    return count;
}

static int open_case(const struct rp_bench_case *self,
                     const struct rp_bench_setup *setup,
                     struct rp_bench_work *work_out)
{
    (void)setup;
    struct state *state = rp_bench_case_alloc(sizeof(*state));
    if (state == NULL) {
        return -ENOMEM;
    }
    state->out = (struct rp_reply_out){.ptr = state->octets, .cap = sizeof(state->octets)};
    work_out->state = state;
    work_out->units = fill(&state->out, self->spec != NULL);
    work_out->octets = state->out.len;
    return 0;
}

static int run(struct rp_bench_work *work, uint64_t rounds, uint64_t *checksum_out)
{
    struct state *state = work->state;
    const bool is_queued = work->what->spec != NULL;
    struct rp_bench_sum sum = {0};
    for (uint64_t round = 0; round < rounds; round++) {
        rp_bench_sum_add(&sum, fill(&state->out, is_queued));
    }
    *checksum_out = rp_format_hash(state->octets, state->out.len, rp_bench_sum_get(&sum));
    return 0;
}

static void close_case(struct rp_bench_work *work)
{
    free(work->state);
}

static const struct rp_bench_case cases[] = {
    {"reply/usual",  "reply", "250 2.1.5 OK",              NULL, NULL, NULL, NULL, open_case, run, close_case},
    {"reply/queued", "reply", "250 2.0.0 OK queued as ID", NULL, NULL, &id,  NULL, open_case, run,
     close_case                                                                                              },
};
const struct rp_bench_family rp_bench_reply_family = {cases, sizeof(cases) / sizeof(cases[0])};
