/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_hash.c - XXH3 as the spool calls it: of a record's header and envelope, of bodies at
 * once, and of big bodies in pieces as they come.
 */
#include "bench_case.h"
#include "bench_mail.h"

#include "spool/format.h"
#include "spool/rp_spool_writer.h"

#include <errno.h>
#include <stdlib.h>

#define SEED      UINT64_C(0x72696e67706f7374)
#define PIECE_LEN (1u << 15) /* a receive buffer */

enum way {
    OF_RECORD, /* rp_format_record_hash: the header but for its hash, and the envelope */
    AT_ONCE,   /* rp_format_hash */
    IN_PIECES, /* rp_spool_hash */
};

struct spec {
    enum way way;
    size_t len;
};

struct state {
    const struct spec *spec;
    uint8_t *octets;
};

static int open_case(const struct rp_bench_case *self,
                     const struct rp_bench_setup *setup,
                     struct rp_bench_work *work_out)
{
    (void)setup;
    struct state *state = rp_bench_case_alloc(sizeof(*state));
    if (state == NULL) {
        return -ENOMEM;
    }
    state->spec = self->spec;
    state->octets = rp_bench_case_alloc(state->spec->len);
    if (state->octets == NULL) {
        free(state);
        return -ENOMEM;
    }
    rp_bench_mail_fill(RP_BENCH_MAIL_TEXT, state->octets, state->spec->len);
    work_out->state = state;
    work_out->units = 1;
    work_out->octets = state->spec->len;
    return 0;
}

static uint64_t hash_pieces(const struct state *state)
{
    struct rp_spool_hash hash;
    rp_spool_hash_init(&hash);
    for (size_t at = 0; at < state->spec->len; at += PIECE_LEN) {
        const size_t left = state->spec->len - at;
        rp_spool_hash_add(&hash, state->octets + at, left < PIECE_LEN ? left : PIECE_LEN);
    }
    return rp_spool_hash_get(&hash);
}

static int run(struct rp_bench_work *work, uint64_t rounds, uint64_t *checksum_out)
{
    const struct state *state = work->state;
    const size_t len = state->spec->len;
    struct rp_bench_sum sum = {0};
    for (uint64_t round = 0; round < rounds; round++) {
        uint64_t hash = 0;
        switch (state->spec->way) {
        case OF_RECORD:
            hash = rp_format_record_hash(state->octets,
                                         (uint32_t)(len - sizeof(struct rp_spool_record)), SEED);
            break;
        case AT_ONCE: hash = rp_format_hash(state->octets, len, 0); break;
        case IN_PIECES: hash = hash_pieces(state); break;
        }
        rp_bench_sum_add(&sum, hash);
    }
    *checksum_out = rp_bench_sum_get(&sum);
    return 0;
}

static void close_case(struct rp_bench_work *work)
{
    struct state *state = work->state;
    free(state->octets);
    free(state);
}

static const struct spec record = {OF_RECORD, sizeof(struct rp_spool_record) + 192};
static const struct spec body_1k = {AT_ONCE, 1u << 10};
static const struct spec body_10k = {AT_ONCE, 10u << 10};
static const struct spec body_1m = {AT_ONCE, 1u << 20};
static const struct spec pieces_10k = {IN_PIECES, 10u << 10};
static const struct spec pieces_1m = {IN_PIECES, 1u << 20};

#define CASE(name, help, twin, spec)                                                    \
    {                                                                                   \
        (name), "hash", (help), NULL, (twin), &(spec), NULL, open_case, run, close_case \
    }
static const struct rp_bench_case cases[] = {
    CASE("hash/record", "a record's header and an envelope of 192 octets", NULL, record),
    CASE("hash/1k/whole", "a body of 1 KiB at once", NULL, body_1k),
    CASE("hash/10k/whole", "a body of 10 KiB at once", NULL, body_10k),
    CASE("hash/10k/pieces", "a body of 10 KiB as a running hash", "hash/10k/whole", pieces_10k),
    CASE("hash/1m/whole", "a body of 1 MiB at once", NULL, body_1m),
    CASE("hash/1m/pieces", "a body of 1 MiB in pieces of 32 KiB", "hash/1m/whole", pieces_1m),
};
const struct rp_bench_family rp_bench_hash_family = {cases, sizeof(cases) / sizeof(cases[0])};
