/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * truth.h - for tests: a random segment, the list of what is in it, and damage of which it is known
 * what it did to each sector.
 */
#ifndef TESTS_SPOOL_TRUTH_H
#define TESTS_SPOOL_TRUTH_H

#include "lane.h"

#define TRUTH_SIZE        RP_SPOOL_SEGMENT_MIN
#define TRUTH_RECORDS_MAX 400u
#define TRUTH_BATCHES_MAX 16u

/* Segment 2 of lane 1 of this spool. */
static const uint8_t truth_identity[16] = "recover's spool.";

/* ---- a segment and the truth about it ---- */

struct truth_record {
    uint64_t off;
    uint64_t header_len; /* and envelope */
    uint64_t body_len;   /* in the log */
    uint64_t sequence;
    uint64_t end; /* where the next thing begins */
};

struct truth_batch {
    uint64_t off;
    uint64_t len; /* from BEGIN to the end of END */
    uint64_t first;
    uint64_t count;
    size_t first_record;
};

struct truth {
    struct test_lane lane;
    uint8_t *image; /* undamaged */
    uint64_t used;  /* behind the last batch */
    uint64_t first_sequence;
    uint64_t limit; /* of records that were not abandoned */
    struct truth_record records[TRUTH_RECORDS_MAX];
    struct truth_batch batches[TRUTH_BATCHES_MAX];
    size_t record_count;
    size_t batch_count;
    bool is_zero[TRUTH_SIZE / RP_SPOOL_SECTOR]; /* sectors that are nothing but zeros */
};

static struct rp_spool_doorbell truth_bell;

static inline bool truth_is_zero(const uint8_t *octets, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++) {
        if (octets[i] != 0) {
            return false;
        }
    }
    return true;
}

/* The records of a batch, by the writer's own lengths. */
static inline void truth_list_records(struct truth *truth, size_t number)
{
    const struct truth_batch *batch = &truth->batches[number];
    uint64_t off = batch->off + sizeof(struct rp_spool_batch_mark);
    for (uint64_t i = 0; i < batch->count; i++) {
        struct rp_spool_record record;
        memcpy(&record, truth->lane.segment + off, sizeof record);
        assert(truth->record_count < TRUTH_RECORDS_MAX);
        const bool is_big = (record.flags & RP_SPOOL_RECORD_BIG) != 0;
        const uint64_t body_len = is_big ? 0 : record.body_len;
        const uint64_t len = sizeof record + record.envelope_len + body_len;
        truth->records[truth->record_count++] = (struct truth_record){
            .off = off,
            .header_len = sizeof record + record.envelope_len,
            .body_len = body_len,
            .sequence = batch->first + i,
            .end = off + (len + 63) / 64 * 64,
        };
        off += (len + 63) / 64 * 64;
    }
    assert(off + sizeof(struct rp_spool_batch_mark) == batch->off + batch->len);
}

static inline void truth_add_batch(struct truth *truth, uint64_t *random)
{
    static const size_t sizes[] = {0, 1, 60, 400, 2000, 9000};
    struct test_lane *lane = &truth->lane;
    const size_t count = 1 + test_random(random) % 6;
    rp_spool_batch_begin(&lane->batch, &lane->writer);
    for (size_t j = 0; j < count; j++) {
        const struct test_message message = {
            .number = test_random(random) % 1000,
            .body_len = sizes[test_random(random) % 6],
            .time_ns = 1000 + lane->writer.sequence,
            .big_id = test_random(random) % 8 == 0 ? 1 + test_random(random) % 99 : 0,
            .is_sparse = test_random(random) % 4 == 0,
            .is_block_aligned = test_random(random) % 8 == 0,
        };
        struct rp_spool_id id;
        int error = test_append(lane, &message, &id);
        assert(error == 0);
    }
    rp_spool_batch_seal(&lane->batch);
    test_write(lane, lane->batch.len);
    truth->batches[truth->batch_count] = (struct truth_batch){
        .off = lane->batch.begin_off,
        .len = lane->batch.end.len,
        .first = lane->batch.first_sequence,
        .count = count,
        .first_record = truth->record_count,
    };
    truth->used = lane->batch.off + lane->batch.len;
    truth_list_records(truth, truth->batch_count++);
    test_forget(lane);
}

/* A segment of `batches` random batches; the last one is abandoned if `is_abandoned`. */
static inline void truth_make(struct truth *truth,
                              uint64_t *random,
                              size_t batches,
                              bool is_abandoned)
{
    *truth = (struct truth){0};
    truth->lane.segment = calloc(1, TRUTH_SIZE);
    truth->lane.index = calloc(1, RP_SPOOL_INDEX_LEN(TRUTH_SIZE));
    truth->image = malloc(TRUTH_SIZE);
    assert(truth->lane.segment != NULL && truth->lane.index != NULL && truth->image != NULL);
    truth->first_sequence = test_random(random) % 1000;
    struct rp_spool_writer *writer = &truth->lane.writer;
    test_writer_init(writer, truth_identity, 1, truth->first_sequence, &truth_bell);
    rp_spool_writer_open_segment(writer, 2, TRUTH_SIZE, truth->lane.index);
    for (size_t i = 0; i < batches; i++) {
        truth_add_batch(truth, random);
        if (is_abandoned && i + 1 == batches) {
            rp_spool_batch_abandon(&truth->lane.batch);
        } else {
            (void)rp_spool_batch_commit(&truth->lane.batch); /* nobody waits */
        }
    }
    truth->limit = writer->sequence;
    memcpy(truth->image, truth->lane.segment, TRUTH_SIZE);
    for (uint64_t i = 0; i < TRUTH_SIZE / RP_SPOOL_SECTOR; i++) {
        truth->is_zero[i] =
            truth_is_zero(truth->image, i * RP_SPOOL_SECTOR, (i + 1) * RP_SPOOL_SECTOR);
    }
}

static inline void truth_free(struct truth *truth)
{
    free(truth->lane.segment);
    free(truth->lane.index);
    free(truth->image);
}

/* ---- what is done to it ---- */

struct state {
    const struct truth *truth;
    uint8_t *octets;
    size_t len;
    bool is_unreadable[TRUTH_SIZE / RP_SPOOL_BLOCK + 1];
    bool has_unreadable;
    bool is_zero[TRUTH_SIZE / RP_SPOOL_SECTOR]; /* sectors that are nothing but zeros now */
};

static inline void state_begin(struct state *state, const struct truth *truth)
{
    memset(state, 0, sizeof *state);
    state->truth = truth;
    state->octets = malloc(TRUTH_SIZE);
    assert(state->octets != NULL);
    memcpy(state->octets, truth->image, TRUTH_SIZE);
    state->len = TRUTH_SIZE;
    memcpy(state->is_zero, truth->is_zero, sizeof state->is_zero);
}

/* The sector never reached the disk. */
static inline void state_lose(struct state *state, uint64_t off)
{
    memset(state->octets + off / RP_SPOOL_SECTOR * RP_SPOOL_SECTOR, 0, RP_SPOOL_SECTOR);
    state->is_zero[off / RP_SPOOL_SECTOR] = true;
}

/* The octets became something else, not zeros. */
static inline void state_scramble(struct state *state, uint64_t from, uint64_t to, uint8_t value)
{
    for (uint64_t off = from; off < to; off++) {
        state->octets[off] ^= value;
        state->octets[off] |= state->octets[off] == 0; /* none of them is zero */
        state->is_zero[off / RP_SPOOL_SECTOR] = false;
    }
}

static inline void state_make_unreadable(struct state *state, uint64_t off)
{
    memset(state->octets + off / RP_SPOOL_BLOCK * RP_SPOOL_BLOCK, 0, RP_SPOOL_BLOCK);
    state->is_unreadable[off / RP_SPOOL_BLOCK] = true;
    state->has_unreadable = true;
}

static inline void state_cut(struct state *state, uint64_t len)
{
    state->len = (size_t)(len < state->len ? len : state->len);
}

/* Any set of the last batch's sectors did not reach the disk; so mostly of `ones` in 16. */
static inline void state_tear(struct state *state, uint64_t *random)
{
    const struct truth *truth = state->truth;
    const struct truth_batch *last = &truth->batches[truth->batch_count - 1];
    const uint64_t ones = test_random(random) % 17;
    for (uint64_t off = last->off; off < last->off + last->len; off += RP_SPOOL_SECTOR) {
        if (test_random(random) % 16 < ones) {
            state_lose(state, off);
        }
    }
}

/* One kind of damage at a random place. */
static inline void state_damage(struct state *state, uint64_t *random)
{
    const uint64_t used = state->truth->used;
    const uint64_t at =
        RP_SPOOL_BLOCK + test_random(random) % used; /* a block behind the last batch, too */
    const uint64_t from = at / RP_SPOOL_SECTOR * RP_SPOOL_SECTOR;
    uint64_t to = from + RP_SPOOL_SECTOR * (1 + test_random(random) % 20);
    to = to < TRUTH_SIZE ? to : TRUTH_SIZE;
    switch (test_random(random) % 6) {
    case 0: state_scramble(state, at, at + 1, (uint8_t)(1u << test_random(random) % 8)); break;
    case 1:
        for (uint64_t off = from; off < to; off += RP_SPOOL_SECTOR) {
            state_lose(state, off);
        }
        break;
    case 2: state_scramble(state, from, to, (uint8_t)(1 + test_random(random) % 255)); break;
    case 3: state_tear(state, random); break;
    case 4: state_make_unreadable(state, at); break;
    default:
        if (test_random(random) % 3 == 0) {
            state_cut(state, at);
        }
        break;
    }
}

#endif
