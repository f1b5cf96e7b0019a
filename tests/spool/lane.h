/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * lane.h - for tests: a lane whose segments are memory, and messages whose content follows
 * from a number, so that a test can say what should be there without keeping it.
 *
 * The memory may be a mapped file (spool.h): then it is a real spool, written with nothing
 * but the writer library.
 */
#ifndef TESTS_SPOOL_LANE_H
#define TESTS_SPOOL_LANE_H

#include "spool/rp_spool_writer.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* splitmix64: small, good enough, the same everywhere. */
static inline uint64_t test_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15ull;
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

/* ---- messages ---- */

struct test_message {
    uint64_t number; /* says what is in it */
    size_t body_len;
    uint64_t time_ns;
    uint64_t big_id;       /* 0: the body goes into the record */
    bool is_sparse;        /* most of the body are runs of zeros */
    bool is_block_aligned; /* as in rp_spool_message */
};

/* The body: any octets, other ones for each number. The caller frees it; never NULL. */
static inline uint8_t *test_body(const struct test_message *message)
{
    uint8_t *body = malloc(message->body_len + 8);
    assert(body != NULL);
    uint64_t state = message->number * 0x10001 + 1;
    for (size_t i = 0; i < message->body_len; i += 8) {
        uint64_t value = test_random(&state);
        memcpy(body + i, &value, sizeof value);
    }
    for (size_t i = 0; message->is_sparse && i < message->body_len;) {
        size_t run = test_random(&state) % 2500;
        run = run < message->body_len - i ? run : message->body_len - i;
        memset(body + i, 0, run);
        i += run + test_random(&state) % 300;
    }
    return body;
}

static inline uint8_t *test_put_text(uint8_t *place, enum rp_spool_tag tag, const char *text)
{
    return rp_spool_item_put(place, tag, text, strlen(text));
}

#define TEST_ENVELOPE_MAX 4096u

/* The envelope's items; returns their octets. One to nine recipients. */
static inline size_t test_envelope(const struct test_message *message, uint8_t *place)
{
    uint8_t *end = place;
    char text[64];
    end = test_put_text(end, RP_SPOOL_TAG_CLIENT_ADDR, "192.0.2.1");
    uint16_t port = (uint16_t)(1024 + message->number % 60000);
    end = rp_spool_item_put(end, RP_SPOOL_TAG_CLIENT_PORT, &port, sizeof port);
    end = test_put_text(end, RP_SPOOL_TAG_HELO, "client.example.org");
    end = test_put_text(end, RP_SPOOL_TAG_PROTOCOL, "ESMTP");
    (void)snprintf(text, sizeof text, "sender-%llu@example.org",
                   (unsigned long long)message->number);
    end = test_put_text(end, RP_SPOOL_TAG_SENDER, message->number % 5 == 0 ? "" : text);
    for (uint64_t i = 0; i <= message->number % 9; i++) {
        (void)snprintf(text, sizeof text, "rcpt-%llu@example.net", (unsigned long long)i);
        end = test_put_text(end, RP_SPOOL_TAG_RECIPIENT, text);
    }
    if (message->number % 3 == 0) {
        end = rp_spool_item_put(end, RP_SPOOL_TAG_SMTPUTF8, NULL, 0);
    }
    end =
        rp_spool_item_put(end, RP_SPOOL_TAG_ARRIVAL_NS, &message->time_ns, sizeof message->time_ns);
    if (message->big_id != 0) {
        end = rp_spool_item_put(end, RP_SPOOL_TAG_BIG_ID, &message->big_id, sizeof message->big_id);
    }
    return (size_t)(end - place);
}

/* The length of the last one's body with which END begins a sector of the batch: then it can be
 * lost alone. None of them is big. */
static inline size_t test_body_len_to_sector(const struct test_message *messages, size_t count)
{
    static uint8_t envelope[TEST_ENVELOPE_MAX];
    size_t off = sizeof(struct rp_spool_batch_mark);
    for (size_t i = 0; i < count; i++) {
        off += sizeof(struct rp_spool_record) + test_envelope(&messages[i], envelope);
        if (i + 1 < count) {
            off += messages[i].body_len;
            off = (off + RP_SPOOL_ALIGN - 1) / RP_SPOOL_ALIGN * RP_SPOOL_ALIGN;
        }
    }
    return (RP_SPOOL_SECTOR - off % RP_SPOOL_SECTOR) % RP_SPOOL_SECTOR;
}

/* ---- a lane ---- */

static inline void test_writer_init(struct rp_spool_writer *writer,
                                    const uint8_t identity[16],
                                    uint32_t lane,
                                    uint64_t sequence,
                                    struct rp_spool_doorbell *bell)
{
    const struct rp_spool_writer_place place = {.lane = lane, .sequence = sequence};
    rp_spool_writer_init(writer, identity, &place, bell);
}

/* The entry of message `i` in the memory of an index. */
static inline struct rp_spool_index_entry test_entry(const uint8_t *index, uint64_t i)
{
    struct rp_spool_index_entry entry;
    memcpy(&entry, index + RP_SPOOL_BLOCK + i * sizeof entry, sizeof entry);
    return entry;
}

struct test_lane {
    struct rp_spool_writer writer;
    uint8_t *segment; /* memory of the open segment */
    uint8_t *index;   /* memory for its index */
    struct rp_spool_batch batch;
    uint8_t *heads[256]; /* of the batch under way */
    uint8_t *bodies[256];
};

/* Put one message into the batch: its parts in one or several pieces, by its number. */
static inline int test_append(struct test_lane *lane,
                              const struct test_message *message,
                              struct rp_spool_id *id_out)
{
    uint64_t slot = lane->batch.count;
    assert(slot < sizeof lane->heads / sizeof lane->heads[0]);
    uint8_t *head = malloc(sizeof(struct rp_spool_record) + TEST_ENVELOPE_MAX);
    uint8_t *body = test_body(message);
    assert(head != NULL);
    size_t head_len = sizeof(struct rp_spool_record) +
                      test_envelope(message, head + sizeof(struct rp_spool_record));
    size_t head_cut = message->number % 2 == 0 ? head_len : sizeof(struct rp_spool_record) + 8;
    size_t body_cut = message->number % 4 == 0 ? message->body_len : message->body_len / 3;
    const struct iovec heads[2] = {
        {.iov_base = head,            .iov_len = head_cut           },
        {.iov_base = head + head_cut, .iov_len = head_len - head_cut},
    };
    const struct iovec bodies[2] = {
        {.iov_base = body,            .iov_len = body_cut == 0 ? message->body_len : body_cut},
        {.iov_base = body + body_cut, .iov_len = message->body_len - body_cut                },
    };
    struct rp_spool_message spooled = {
        .head = heads,
        .head_count = head_cut == head_len ? 1 : 2,
        .body = bodies,
        .body_count = message->body_len == 0                           ? 0
                      : body_cut == 0 || body_cut == message->body_len ? 1
                                                                       : 2,
        .body_len = message->body_len,
        .time_ns = message->time_ns,
        .big_id = message->big_id,
        .is_block_aligned = message->is_block_aligned,
    };
    struct rp_spool_hash hash;
    rp_spool_hash_init(&hash);
    rp_spool_hash_add(&hash, body, message->body_len / 2);
    rp_spool_hash_add(&hash, body + message->body_len / 2,
                      message->body_len - message->body_len / 2);
    spooled.body_hash = rp_spool_hash_get(&hash);
    spooled.has_zeros = rp_spool_hash_has_zeros(&hash);
    int error = rp_spool_batch_append(&lane->batch, &spooled, id_out);
    if (error != 0) {
        free(head);
        free(body);
        return error;
    }
    lane->heads[slot] = head;
    lane->bodies[slot] = body;
    return 0;
}

/* "Write" the sealed batch: its first `len` octets reach the segment. */
static inline void test_write(struct test_lane *lane, uint64_t len)
{
    const struct rp_spool_batch *batch = &lane->batch;
    uint64_t off = 0;
    for (size_t i = 0; i < batch->iov_count && off < len; i++) {
        size_t part = batch->iov[i].iov_len;
        part = part < len - off ? part : (size_t)(len - off);
        memcpy(lane->segment + batch->off + off, batch->iov[i].iov_base, part);
        off += batch->iov[i].iov_len;
    }
}

static inline void test_forget(struct test_lane *lane)
{
    for (uint64_t i = 0; i < lane->batch.count; i++) {
        free(lane->heads[i]);
        free(lane->bodies[i]);
    }
}

/* A batch of `count` messages, written and published. Returns how many of them had room. */
static inline size_t test_commit(struct test_lane *lane,
                                 const struct test_message *messages,
                                 size_t count,
                                 struct rp_spool_id *ids)
{
    size_t done = 0;
    rp_spool_batch_begin(&lane->batch, &lane->writer);
    while (done < count && test_append(lane, &messages[done], &ids[done]) == 0) {
        done++;
    }
    if (done > 0) {
        rp_spool_batch_seal(&lane->batch);
        test_write(lane, lane->batch.len);
        (void)rp_spool_batch_commit(&lane->batch); /* nobody waits */
        test_forget(lane);
    }
    return done;
}

#endif
