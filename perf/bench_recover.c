/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_recover.c - recovery: a segment whose index is lost, scanned and indexed anew, from
 * memory: what the disk adds is not in it.
 */
#include "bench_case.h"
#include "bench_lane.h"

#include "spool/format.h"
#include "spool/recover.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SEGMENT_LEN       (UINT64_C(64) << 20) /* spool.segment_size */
#define SEGMENT_LEN_SMALL RP_SPOOL_SEGMENT_MIN
#define BATCH_COUNT       16u

struct state {
    struct rp_recover_source source;
    struct rp_spool_index_entry *entries; /* owned */
    uint8_t *image;                       /* owned: the segment */
    uint64_t count;                       /* messages in it */
};

static const uint8_t identity[16] = "ringpost-bench.";

/* Fill the image with whole batches until there is no room for another one. */
static int fill(struct state *state, uint64_t segment_len, size_t body_len)
{
    struct rp_bench_lane *lane = rp_bench_case_alloc(sizeof(*lane));
    struct rp_spool_doorbell *doorbell = rp_bench_case_alloc(sizeof(*doorbell));
    uint8_t *index = rp_bench_case_alloc(RP_SPOOL_INDEX_LEN(segment_len));
    int error = lane == NULL || doorbell == NULL || index == NULL
                    ? -ENOMEM
                    : rp_bench_lane_open(lane, body_len, BATCH_COUNT, identity, doorbell);
    if (error == 0) {
        rp_bench_lane_enter(lane, 1, segment_len, index);
        while (rp_bench_lane_plan(lane, BATCH_COUNT) == 0) {
            rp_bench_lane_copy(lane, state->image);
            (void)rp_spool_batch_commit(&lane->batch); /* nobody waits */
            state->count += BATCH_COUNT;
        }
        rp_bench_lane_close(lane);
    }
    free(lane);
    free(doorbell);
    free(index);
    return error;
}

static void close_case(struct rp_bench_work *work)
{
    struct state *state = work->state;
    free(state->entries);
    free(state->image);
    free(state);
}

static int open_case(const struct rp_bench_case *self,
                     const struct rp_bench_setup *setup,
                     struct rp_bench_work *work_out)
{
    const size_t body_len = *(const size_t *)self->spec;
    const uint64_t segment_len = setup->is_small ? SEGMENT_LEN_SMALL : SEGMENT_LEN;
    struct state *state = rp_bench_case_alloc(sizeof(*state));
    if (state == NULL) {
        return -ENOMEM;
    }
    work_out->state = state;
    state->source = (struct rp_recover_source){
        .len = segment_len,
        .seed = rp_format_seed(identity, 0, 1),
        .limit = RP_FORMAT_SEQUENCE_NONE,
        .cap = RP_SPOOL_INDEX_CAP(segment_len),
    };
    state->entries = rp_bench_case_alloc(state->source.cap * sizeof(state->entries[0]));
    state->image = rp_bench_case_alloc(segment_len);
    int error = state->entries == NULL || state->image == NULL ? -ENOMEM
                                                               : fill(state, segment_len, body_len);
    if (error != 0) {
        close_case(work_out);
        return error;
    }
    state->source.base = state->image;
    work_out->units = state->count;
    work_out->octets = segment_len;
    return 0;
}

static uint64_t sum_of(const struct rp_recover_result *result)
{
    uint64_t sum = rp_bench_mix(result->first_sequence, result->count);
    sum = rp_bench_mix(sum, result->messages);
    sum = rp_bench_mix(sum, result->damaged);
    sum = rp_bench_mix(sum, result->void_records);
    sum = rp_bench_mix(sum, result->unfinished);
    return rp_bench_mix(sum, result->keep_end);
}

static int run(struct rp_bench_work *work, uint64_t rounds, uint64_t *checksum_out)
{
    struct state *state = work->state;
    const size_t entries_len = state->count * sizeof(state->entries[0]);
    struct rp_bench_sum sum = {0};
    for (uint64_t round = 0; round < rounds; round++) {
        struct rp_recover_result result;
        memset(state->entries, 0, entries_len); /* recovery asks for zeros */
        rp_recover_entries(&state->source, state->entries, &result);
        rp_bench_sum_add(&sum, sum_of(&result));
        if (result.messages != state->count || result.damaged != 0) {
            return -EBADMSG; /* it did not find what was written */
        }
    }
    *checksum_out = rp_format_hash(state->entries, entries_len, rp_bench_sum_get(&sum));
    return 0;
}

static const size_t one_k = 1u << 10;
static const size_t ten_k = 10u << 10;

static const struct rp_bench_case cases[] = {
    {"recover/1k",  "record", "scan of a segment of 1 KiB messages, in memory",  NULL, NULL, &one_k,
     NULL, open_case, run, close_case},
    {"recover/10k", "record", "scan of a segment of 10 KiB messages, in memory", NULL, NULL, &ten_k,
     NULL, open_case, run, close_case},
};
const struct rp_bench_family rp_bench_recover_family = {cases, sizeof(cases) / sizeof(cases[0])};
