/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_dot.c - the body scanners, each on three kinds of body, against memcpy of the same
 * octets.
 *
 * A scanner hands out spans of its input and copies nothing, so memcpy reads as much and
 * writes more. Bodies come whole, or in pieces of 32 KiB, as they are received.
 */
#include "bench_case.h"
#include "bench_mail.h"

#include "proto/rp_dot.h"
#include "spool/format.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BODY_LEN       (1u << 20)
#define BODY_LEN_SMALL (1u << 15)
#define PIECE_LEN      (1u << 15)
#define LINE_MAX       1001u /* limits.line_length */

#define NO_SCANNER     RP_DOT_SCAN_COUNT /* memcpy */

struct spec {
    enum rp_bench_mail_kind kind;
    enum rp_dot_scanner scanner;
    bool has_pieces;
};

struct state {
    const struct spec *spec;
    uint8_t *body;
    uint8_t *copy; /* memcpy only */
    size_t body_len;
    size_t piece_len;
    uint64_t decoded_hash; /* of all that the scanner makes of the body */
};

/* What decoding all of a body comes to. */
struct decoded {
    uint64_t len;
    uint64_t left; /* octets that it did not read: none */
    bool is_ended;
};

/* Feed the body in pieces, and hash what comes out where `hash` is not NULL. */
static inline struct decoded decode(const struct state *state, struct rp_format_hash_state *hash)
{
    struct decoded decoded = {.left = state->body_len};
    struct rp_dot dot;
    rp_dot_init(&dot, RP_DOT_REJECT, LINE_MAX);
    while (decoded.left > 0 && !decoded.is_ended) {
        const size_t len = decoded.left < state->piece_len ? decoded.left : state->piece_len;
        struct rp_span in = {state->body + state->body_len - decoded.left, len};
        struct rp_span out;
        enum rp_dot_step step;
        while ((step = rp_dot_next_with(state->spec->scanner, &dot, &in, &out)) == RP_DOT_BODY) {
            decoded.len += out.len;
            if (hash != NULL) {
                rp_format_hash_add(hash, out.ptr, out.len);
            }
        }
        decoded.left -= len - in.len;
        decoded.is_ended = step == RP_DOT_END;
    }
    decoded.is_ended = decoded.is_ended && !dot.has_bare && !dot.has_long_line;
    return decoded;
}

static uint64_t sum_of(struct decoded decoded)
{
    return decoded.len << 20 ^ decoded.left << 1 ^ decoded.is_ended;
}

static void close_case(struct rp_bench_work *work)
{
    struct state *state = work->state;
    free(state->body);
    free(state->copy);
    free(state);
}

static int open_case(const struct rp_bench_case *self,
                     const struct rp_bench_setup *setup,
                     struct rp_bench_work *work_out)
{
    struct state *state = rp_bench_case_alloc(sizeof(*state));
    if (state == NULL) {
        return -ENOMEM;
    }
    state->spec = self->spec;
    state->body_len = setup->is_small ? BODY_LEN_SMALL : BODY_LEN;
    /* A small body still has several pieces, and cuts at odd places. */
    state->piece_len = !state->spec->has_pieces ? state->body_len
                       : setup->is_small        ? PIECE_LEN / 7
                                                : PIECE_LEN;
    state->body = rp_bench_case_alloc(state->body_len);
    state->copy = rp_bench_case_alloc(state->body_len);
    work_out->state = state;
    work_out->units = 1;
    work_out->octets = state->body_len;
    if (state->body == NULL || state->copy == NULL) {
        close_case(work_out);
        return -ENOMEM;
    }
    rp_bench_mail_fill(state->spec->kind, state->body, state->body_len);
    if (state->spec->scanner != NO_SCANNER) {
        struct rp_format_hash_state hash;
        rp_format_hash_init(&hash, 0);
        (void)decode(state, &hash);
        state->decoded_hash = rp_format_hash_get(&hash);
    }
    return 0;
}

static int run_scanner(struct rp_bench_work *work, uint64_t rounds, uint64_t *checksum_out)
{
    const struct state *state = work->state;
    struct rp_bench_sum sum = {0};
    for (uint64_t round = 0; round < rounds; round++) {
        rp_bench_sum_add(&sum, sum_of(decode(state, NULL)));
    }
    *checksum_out = rp_bench_mix(state->decoded_hash, rp_bench_sum_get(&sum));
    return 0;
}

static int run_memcpy(struct rp_bench_work *work, uint64_t rounds, uint64_t *checksum_out)
{
    const struct state *state = work->state;
    for (uint64_t round = 0; round < rounds; round++) {
        for (size_t at = 0; at < state->body_len; at += state->piece_len) {
            const size_t left = state->body_len - at;
            memcpy(state->copy + at, state->body + at,
                   left < state->piece_len ? left : state->piece_len);
        }
        /* The compiler must not see that each round does the same. */
        __asm__ volatile("" : : "r"(state->copy) : "memory");
    }
    *checksum_out = rp_format_hash(state->copy, state->body_len, 0);
    return 0;
}

static bool is_here(const struct rp_bench_case *self)
{
    return rp_dot_has_scanner(((const struct spec *)self->spec)->scanner);
}

/* clang-format off */
#define SPEC(kind, scanner, pieces) \
    (&(const struct spec){RP_BENCH_MAIL_##kind, (scanner), (pieces)})
#define SCANNER(path, name, help, kind, scanner, pieces) \
    {path name, "body", help, path "memcpy", path "table", \
     SPEC(kind, RP_DOT_SCAN_##scanner, pieces), is_here, open_case, run_scanner, close_case}
#define SCANNERS(path, text, kind, pieces) \
    {path "memcpy", "body", text ", copied", NULL, NULL, SPEC(kind, NO_SCANNER, pieces), \
     NULL, open_case, run_memcpy, close_case}, \
    SCANNER(path, "table", text ", an octet a step", kind, TABLE, pieces), \
    SCANNER(path, "sse2", text ", SSE2", kind, SSE2, pieces), \
    SCANNER(path, "avx2", text ", AVX2", kind, AVX2, pieces), \
    SCANNER(path, "neon", text ", NEON", kind, NEON, pieces)

static const struct rp_bench_case cases[] = {
    SCANNERS("dot/text/whole/",   "1 MiB of text at once",             TEXT,   false),
    SCANNERS("dot/text/32k/",     "1 MiB of text in 32 KiB pieces",    TEXT,   true),
    SCANNERS("dot/base64/whole/", "1 MiB of base64 at once",           BASE64, false),
    SCANNERS("dot/base64/32k/",   "1 MiB of base64 in 32 KiB pieces",  BASE64, true),
    SCANNERS("dot/dots/whole/",   "1 MiB of dots at once",             DOTS,   false),
    SCANNERS("dot/dots/32k/",     "1 MiB of dots in 32 KiB pieces",    DOTS,   true),
};
/* clang-format on */
const struct rp_bench_family rp_bench_dot_family = {cases, sizeof(cases) / sizeof(cases[0])};
