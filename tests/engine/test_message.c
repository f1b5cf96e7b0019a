/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_message.c - a message's envelope and body come out as they were put in.
 *
 * Goal: slices are moved, grown, copied and refused without losing, doubling or changing an
 * octet; exhaustion of any pool is an answer, not damage; after a drop everything is back.
 * Method: rows; an item that straddles blocks at every offset; then random bodies, received
 * and decoded as session.c does it, under every degree of memory pressure, against plain copies.
 */
#include "engine/limits.h"
#include "engine/message.h"
#include "tests/tools/suite.h"

#include <string.h>

static struct rp_stats stats;
static struct rp_message_store store;

/* What a body should be. */
struct expected {
    size_t len;
    uint8_t octets[1u << 20];
};
static struct expected expected;
static struct iovec iov[RP_SPOOL_BATCH_IOV];

static void open_store(uint32_t buffers, uint32_t messages, uint32_t reply_blocks)
{
    int err = rp_message_store_open(&store, (uint64_t)buffers * RP_BUFFER_SIZE, messages,
                                    reply_blocks, &stats);
    CU_ASSERT_EQUAL_FATAL(err, 0);
}

static bool is_all_free(uint32_t buffers_in_use)
{
    uint32_t compact = store.compact != RP_NONE;
    return rp_pool_free_count(&store.buffers.pool) + compact + buffers_in_use ==
               store.buffers.pool.count &&
           rp_pool_free_count(&store.slices) == store.slices.count &&
           rp_pool_free_count(&store.blocks) == store.blocks.count &&
           rp_pool_free_count(&store.messages) == store.messages.count;
}

static bool is_body(const struct rp_slices *slices, const uint8_t *octets, size_t len)
{
    uint32_t count = 0;
    size_t sum = 0;
    CU_ASSERT_FATAL(slices->count <= RP_SPOOL_BATCH_IOV);
    rp_slices_iov(&store, slices, iov);
    for (uint32_t i = slices->first; i != RP_NONE; i = rp_slice_at(&store, i)->next) {
        if (iov[count].iov_len == 0 || sum + iov[count].iov_len > len ||
            memcmp(iov[count].iov_base, octets + sum, iov[count].iov_len) != 0) {
            return false;
        }
        sum += iov[count++].iov_len;
        if (rp_slice_at(&store, i)->next == RP_NONE && i != slices->last) {
            return false;
        }
    }
    return count == slices->count && sum == len && slices->len == len;
}

static struct rp_message *take(uint32_t *index_out)
{
    *index_out = rp_message_take(&store, 5, 6);
    CU_ASSERT_FATAL(*index_out != RP_NONE);
    return rp_message_at(&store, *index_out);
}

static void test_take(void)
{
    open_store(4, 2, 3);
    uint32_t first;
    const struct rp_message *message = take(&first);
    CU_ASSERT(message->conn == 5 && message->conn_generation == 6 && message->big == RP_NONE);
    CU_ASSERT(message->block_count == 1 && message->body_len == 0 && message->failure == NULL);
    rp_message_head_iov(&store, message, iov);
    CU_ASSERT_EQUAL(iov[0].iov_len, sizeof(struct rp_spool_record));
    uint32_t second = rp_message_take(&store, 1, 1);
    CU_ASSERT(second != RP_NONE && second != first);
    uint32_t blocks = rp_pool_free_count(&store.blocks);
    CU_ASSERT_EQUAL(rp_message_take(&store, 1, 1), RP_NONE);
    CU_ASSERT_EQUAL(rp_pool_free_count(&store.blocks), blocks); /* nor did it keep a block */
    rp_message_drop(&store, first);
    rp_message_drop(&store, second);
    CU_ASSERT(is_all_free(0));
    rp_message_store_close(&store);
}

/* ---- the envelope ---- */

static size_t read_envelope(const struct rp_message *message, uint8_t *to)
{
    size_t len = 0;
    rp_message_head_iov(&store, message, iov);
    for (uint32_t i = 0; i < message->block_count; i++) {
        memcpy(to + len, iov[i].iov_base, iov[i].iov_len);
        len += iov[i].iov_len;
    }
    return len;
}

/* Put a filler, then an item: it reads the same wherever the end of a block falls in it. */
static void test_straddling(void)
{
    static uint8_t value[3 * RP_BLOCK_SIZE];
    static uint8_t is[8 * RP_BLOCK_SIZE];
    static uint8_t should[8 * RP_BLOCK_SIZE];
    static const size_t lens[] = {0, 1, 7, 100, RP_BLOCK_SIZE, sizeof(value)};
    for (size_t i = 0; i < sizeof(value); i++) {
        value[i] = (uint8_t)(i * 7 + i / 256);
    }
    open_store(4, 8, 20);
    size_t first = RP_BLOCK_DATA_LEN - sizeof(struct rp_spool_record) - 2 * RP_SPOOL_ITEM_HEADER;
    for (size_t filler = first - 110; filler <= first + RP_SPOOL_ITEM_HEADER; filler++) {
        for (size_t l = 0; l < sizeof(lens) / sizeof(lens[0]); l++) {
            uint32_t index;
            struct rp_message *message = take(&index);
            CU_ASSERT(rp_message_put_item(&store, message, RP_SPOOL_TAG_HELO, value, filler));
            CU_ASSERT(rp_message_put_item(&store, message, RP_SPOOL_TAG_SENDER, value, lens[l]));
            CU_ASSERT(rp_message_put_item(&store, message, RP_SPOOL_TAG_RECIPIENT, "abc", 3));
            uint8_t *end = should + sizeof(struct rp_spool_record);
            end = rp_spool_item_put(end, RP_SPOOL_TAG_HELO, value, filler);
            end = rp_spool_item_put(end, RP_SPOOL_TAG_SENDER, value, lens[l]);
            end = rp_spool_item_put(end, RP_SPOOL_TAG_RECIPIENT, "abc", 3);
            size_t len = read_envelope(message, is);
            CU_ASSERT_EQUAL_FATAL(len, (size_t)(end - should));
            CU_ASSERT(memcmp(is + sizeof(struct rp_spool_record),
                             should + sizeof(struct rp_spool_record),
                             len - sizeof(struct rp_spool_record)) == 0);
            rp_message_drop(&store, index);
        }
    }
    CU_ASSERT(is_all_free(0));
    rp_message_store_close(&store);
}

/* Put items as long as there is room for the next: then it must go in. Answers the octets put. */
static size_t fill(uint32_t index, size_t item_len, size_t max)
{
    static const uint8_t value[900];
    struct rp_message *message = rp_message_at(&store, index);
    size_t sum = 0;
    while (sum < max && rp_message_has_room(&store, message, RP_SPOOL_ITEM_HEADER + item_len)) {
        CU_ASSERT_FATAL(
            rp_message_put_item(&store, message, RP_SPOOL_TAG_RECIPIENT, value, item_len));
        sum += RP_SPOOL_ITEM_HEADER + item_len;
    }
    return sum;
}

#define OWN_LEN (RP_MESSAGE_BLOCKS_OWN * RP_BLOCK_DATA_LEN - sizeof(struct rp_spool_record))

/*
 * Envelopes of many owners use up what they share: then each message still has its own blocks, to
 * the last octet, and replies have theirs.
 */
static void test_no_blocks(void)
{
    uint32_t indexes[64];
    uint32_t count = 0;
    size_t got = SIZE_MAX;
    open_store(4, 64, 7);
    while (got > OWN_LEN) {
        CU_ASSERT_FATAL(count < 64);
        (void)take(&indexes[count]);
        rp_message_at(&store, indexes[count])->owner =
            (struct rp_owner){.client = (uint16_t)count, .network = (uint16_t)count};
        got = fill(indexes[count], 3, SIZE_MAX);
        CU_ASSERT(got > OWN_LEN - 11);
        CU_ASSERT(rp_message_at(&store, indexes[count])->block_count <= RP_MESSAGE_BLOCKS_MAX);
        count++;
    }
    CU_ASSERT_EQUAL(store.owners.held, RP_ENVELOPE_MIN);
    while (count < 64) {
        (void)take(&indexes[count]);
        CU_ASSERT(fill(indexes[count++], 3, SIZE_MAX) > OWN_LEN - 11);
    }
    CU_ASSERT_EQUAL(rp_pool_free_count(&store.blocks), 7);
    CU_ASSERT(rp_block_take(&store) != RP_NONE); /* replies still have theirs */
    while (count > 0) {
        rp_message_drop(&store, indexes[--count]);
    }
    CU_ASSERT_EQUAL(store.owners.held, 0);
    CU_ASSERT_EQUAL(rp_pool_free_count(&store.blocks), store.blocks.count - 1);
    rp_message_store_close(&store);
}

/* What one client holds has an end below what there is; each of his messages has its own blocks. */
static void test_one_owner(void)
{
    uint32_t indexes[64];
    size_t sum = 0;
    open_store(4, 64, 7);
    for (size_t i = 0; i < 64; i++) {
        (void)take(&indexes[i]);
        size_t got = fill(indexes[i], 900, SIZE_MAX);
        CU_ASSERT(got > OWN_LEN - 1000);
        sum += got;
    }
    CU_ASSERT(sum > 64 * (OWN_LEN - 1000));
    CU_ASSERT(store.owners.held <= RP_ENVELOPE_MIN / RP_OWNER_CLIENT_PART);
    CU_ASSERT(store.owners.held > RP_ENVELOPE_MIN / RP_OWNER_CLIENT_PART - 2);
    for (size_t i = 0; i < 64; i++) {
        rp_message_drop(&store, indexes[i]);
    }
    CU_ASSERT(is_all_free(0));
    rp_message_store_close(&store);
}

/* ---- the body ---- */

static bool append(struct rp_message *message, uint32_t buffer, size_t off, size_t len)
{
    uint8_t *ptr = rp_bufpool_ptr(&store.buffers, buffer) + off;
    memcpy(expected.octets + expected.len, ptr, len);
    expected.len += len;
    return rp_message_append_slice(&store, message, buffer, ptr, len);
}

static uint32_t fill_buffer(uint64_t *random)
{
    uint32_t buffer = rp_bufpool_take(&store.buffers);
    CU_ASSERT_FATAL(buffer != RP_NONE);
    uint8_t *ptr = rp_bufpool_ptr(&store.buffers, buffer);
    for (size_t i = 0; i < RP_BUFFER_SIZE; i++) {
        ptr[i] = (uint8_t)(suite_random(random) >> 56);
    }
    return buffer;
}

static void test_moving(void)
{
    uint64_t random = suite_seed;
    open_store(16, 2, 3);
    uint32_t index;
    struct rp_message *message = take(&index);
    uint32_t buffer = fill_buffer(&random);
    expected.len = 0;
    CU_ASSERT(append(message, buffer, 100, 50));
    CU_ASSERT(append(message, buffer, 150, 10)); /* right behind: grown */
    CU_ASSERT_EQUAL(message->slices.count, 1);
    uint64_t copied = atomic_load(&stats.body_bytes_copied);
    CU_ASSERT(append(message, buffer, 161, RP_SLICE_MOVE_MAX - 1)); /* behind a dot: moved up */
    CU_ASSERT_EQUAL(message->slices.count, 1);
    CU_ASSERT_EQUAL(atomic_load(&stats.body_bytes_copied), copied + RP_SLICE_MOVE_MAX - 1);
    CU_ASSERT(append(message, buffer, 2000, RP_SLICE_MOVE_MAX)); /* long: a slice of its own */
    CU_ASSERT_EQUAL(message->slices.count, 2);
    CU_ASSERT_EQUAL(rp_bufpool_buf(&store.buffers, buffer)->holders, 3);
    CU_ASSERT(is_body(&message->slices, expected.octets, expected.len));
    CU_ASSERT_EQUAL(message->body_len, expected.len);
    rp_bufpool_release(&store.buffers, buffer); /* read to its end: the slices still hold it */
    CU_ASSERT(is_body(&message->slices, expected.octets, expected.len));
    rp_message_drop(&store, index);
    CU_ASSERT(is_all_free(0));
    rp_message_store_close(&store);
}

/* Short memory and little of a buffer used: it is copied, and the buffer is free again. */
static void test_compaction(void)
{
    uint64_t random = suite_seed;
    open_store(16, 2, 3);
    uint32_t index;
    struct rp_message *message = take(&index);
    expected.len = 0;
    uint32_t hoard[16];
    size_t hoard_count = 0;
    while (!rp_bufpool_is_short(&store.buffers)) {
        hoard[hoard_count++] = rp_bufpool_take(&store.buffers);
    }
    for (int i = 0; i < 300; i++) {
        uint32_t buffer = fill_buffer(&random);
        CU_ASSERT_FATAL(append(message, buffer, 10, 100));
        rp_bufpool_release(&store.buffers, buffer);
    }
    CU_ASSERT(is_body(&message->slices, expected.octets, expected.len)); /* over two buffers */
    CU_ASSERT(message->slices.count <= 4);
    while (hoard_count > 0) {
        rp_bufpool_release(&store.buffers, hoard[--hoard_count]);
    }
    rp_message_drop(&store, index);
    CU_ASSERT(is_all_free(0));
    rp_message_store_close(&store);
}

/* No buffer is left for the rest of a copy: nothing is there twice. */
static void test_half_a_copy(void)
{
    uint64_t random = suite_seed;
    for (size_t used = RP_BUFFER_SIZE - 200; used <= RP_BUFFER_SIZE; used += 50) {
        open_store(8, 2, 3);
        uint32_t index;
        struct rp_message *message = take(&index);
        expected.len = 0;
        uint32_t last = RP_NONE;
        for (int i = 0; i < 7; i++) {
            last = fill_buffer(&random);
        }
        uint8_t *ptr = rp_bufpool_ptr(&store.buffers, last);
        while (store.compact == RP_NONE || store.compact_len < used) {
            size_t left = store.compact == RP_NONE ? used : used - store.compact_len;
            size_t len = left < 1000 ? left : 1000;
            memcpy(expected.octets + expected.len, ptr, len);
            expected.len += len;
            CU_ASSERT_FATAL(rp_message_append_copy(&store, message, ptr, len));
        }
        CU_ASSERT_EQUAL(rp_pool_free_count(&store.buffers.pool), 0);
        CU_ASSERT(append(message, last, 3, 160)); /* some of it copied, or none: as a slice */
        CU_ASSERT(is_body(&message->slices, expected.octets, expected.len));
        CU_ASSERT_EQUAL(message->body_len, expected.len);
        rp_message_drop(&store, index);
        rp_message_store_close(&store);
    }
}

/* The pool of slices runs dry in every call that may take one. */
static void test_no_slices(void)
{
    uint64_t random = suite_seed;
    open_store(8, 2, 3);
    uint32_t index;
    struct rp_message *message = take(&index);
    uint32_t buffer = fill_buffer(&random);
    while (rp_pool_take(&store.slices) != RP_NONE) {
    }
    uint8_t *ptr = rp_bufpool_ptr(&store.buffers, buffer);
    CU_ASSERT(!rp_message_append_slice(&store, message, buffer, ptr, 600));
    CU_ASSERT(!rp_message_append_copy(&store, message, ptr, 600));
    CU_ASSERT(message->slices.count == 0 && message->body_len == 0);
    CU_ASSERT_EQUAL(rp_bufpool_buf(&store.buffers, buffer)->holders, 1);
    rp_message_drop(&store, index);
    rp_message_store_close(&store);
}

/* ---- a large body is gathered ---- */

/* Pieces of any length, some from outside the buffers; without memory for more than `spare`. */
static void gather(uint32_t buffers, size_t goal, uint64_t *random)
{
    uint32_t index;
    open_store(buffers, 2, 3);
    struct rp_message *message = take(&index);
    expected.len = 0;
    bool ok = true;
    while (ok && expected.len < goal) {
        uint32_t buffer = rp_bufpool_take(&store.buffers);
        if (buffer == RP_NONE) {
            break;
        }
        uint8_t *ptr = rp_bufpool_ptr(&store.buffers, buffer);
        for (size_t off = 0; ok && off < RP_BUFFER_SIZE;) {
            static const size_t scales[] = {3, 600, RP_BUFFER_SIZE};
            size_t len = 1 + suite_random_below(random, scales[suite_random_below(random, 3)]);
            len = len < RP_BUFFER_SIZE - off ? len : RP_BUFFER_SIZE - off;
            len = len < goal - expected.len ? len : goal - expected.len;
            if (len == 0) {
                break;
            }
            memset(ptr + off, (int)suite_random_below(random, 256), len);
            memcpy(expected.octets + expected.len, ptr + off, len);
            bool is_inside = suite_random_below(random, 20) != 0;
            bool is_large = message->body_len + len > RP_DIRECT_THRESHOLD;
            rp_message_hash(&store, message, ptr + off, len);
            ok = is_large    ? rp_message_append_gathered(&store, message,
                                                       is_inside ? buffer : RP_NONE, ptr + off, len)
                 : is_inside ? rp_message_append_slice(&store, message, buffer, ptr + off, len)
                             : rp_message_append_copy(&store, message, ptr + off, len);
            expected.len += ok ? len : 0;
            off += len + suite_random_below(random, 3);
        }
        rp_bufpool_release(&store.buffers, buffer);
    }
    if (ok) {
        CU_ASSERT(is_body(&message->slices, expected.octets, expected.len));
        rp_message_end_hash(&store, message);
        struct rp_spool_hash hash;
        rp_spool_hash_init(&hash);
        rp_spool_hash_add(&hash, expected.octets, expected.len);
        CU_ASSERT_EQUAL(message->body_hash, rp_spool_hash_get(&hash));
    }
    CU_ASSERT(!(message->is_gathered && message->is_scattered));
    if (message->is_gathered) {
        for (uint32_t i = message->slices.first; i != RP_NONE;) {
            const struct rp_slice *slice = rp_slice_at(&store, i);
            CU_ASSERT_EQUAL(slice->off, 0);
            CU_ASSERT(slice->len == RP_BUFFER_SIZE || slice->next == RP_NONE);
            i = slice->next;
        }
    }
}

static void drop_gathered(void)
{
    rp_message_drop(&store, 0);
    CU_ASSERT_EQUAL(rp_pool_free_count(&store.hashes), store.hashes.count);
    CU_ASSERT(is_all_free(0));
    rp_message_store_close(&store);
}

static void test_gathering(void)
{
    uint64_t random = suite_seed;
    for (size_t goal = RP_DIRECT_THRESHOLD - 5; goal < sizeof(expected.octets); goal += 77777) {
        gather(256, goal, &random);
        CU_ASSERT_EQUAL(expected.len, goal);
        const struct rp_message *message = rp_message_at(&store, 0);
        CU_ASSERT_EQUAL(message->is_gathered, goal > RP_DIRECT_THRESHOLD);
        drop_gathered();
    }
}

/* Buffers run out before or while it is gathered: the octets are all there, and what was copied
 * is copied once. */
static void test_scattering(void)
{
    uint64_t random = suite_seed;
    for (uint32_t buffers = 4; buffers < 24; buffers++) {
        uint64_t copied = atomic_load(&stats.body_bytes_copied);
        gather(buffers, sizeof(expected.octets), &random);
        const struct rp_message *message = rp_message_at(&store, 0);
        CU_ASSERT(expected.len < sizeof(expected.octets) && !message->is_gathered);
        CU_ASSERT(atomic_load(&stats.body_bytes_copied) - copied <= 2 * expected.len);
        drop_gathered();
    }
}

/* ---- random ---- */

#define BODIES 6

/* Bodies that grow side by side out of shared buffers, in pieces as dots and cuts make them. */
struct body {
    uint32_t index;
    size_t len;
    uint8_t octets[100000];
};
static struct body bodies[BODIES];

static bool grow(struct body *body, uint32_t buffer, size_t *off, size_t len, bool is_inside)
{
    uint8_t *ptr = rp_bufpool_ptr(&store.buffers, buffer) + *off;
    struct rp_message *message = rp_message_at(&store, body->index);
    memcpy(body->octets + body->len, ptr, len);
    *off += len;
    bool is_good = is_inside ? rp_message_append_slice(&store, message, buffer, ptr, len)
                             : rp_message_append_copy(&store, message, ptr, len);
    body->len += is_good ? len : 0;
    return is_good;
}

static void restart(struct body *body)
{
    rp_message_drop(&store, body->index);
    body->index = rp_message_take(&store, 0, 0);
    CU_ASSERT_FATAL(body->index != RP_NONE);
    body->len = 0;
}

/* Take the first slices away, as a big body's file does. */
static void write_some(struct body *body, uint64_t *random)
{
    struct rp_message *message = rp_message_at(&store, body->index);
    struct rp_slices writing = RP_SLICES_EMPTY;
    uint32_t max = 1 + (uint32_t)suite_random_below(random, 5);
    rp_slices_take(&store, &message->slices, max, &writing);
    CU_ASSERT(writing.count <= max);
    CU_ASSERT(is_body(&writing, body->octets, (size_t)writing.len));
    body->len -= (size_t)writing.len;
    memmove(body->octets, body->octets + writing.len, body->len);
    rp_slices_drop(&store, &writing);
    CU_ASSERT(writing.first == RP_NONE && writing.count == 0);
}

static void receive(uint64_t *random)
{
    uint32_t buffer = rp_bufpool_take(&store.buffers);
    if (buffer == RP_NONE) {
        restart(&bodies[suite_random_below(random, BODIES)]);
        return;
    }
    uint8_t *ptr = rp_bufpool_ptr(&store.buffers, buffer);
    size_t filled = 1 + suite_random_below(random, RP_BUFFER_SIZE);
    for (size_t i = 0; i < filled; i++) {
        ptr[i] = (uint8_t)(i + filled);
    }
    size_t which = suite_random_below(random, BODIES);
    struct body *body = &bodies[which];
    int switches = 0;
    for (size_t off = 0; off < filled;) {
        /* The next message, in the same buffer; the one before does not grow in it again. */
        if (suite_random_below(random, 20) == 0 && switches++ < BODIES - 1) {
            which = (which + 1) % BODIES;
            body = &bodies[which];
        }
        static const size_t scales[] = {3, 40, 600, RP_BUFFER_SIZE};
        size_t len = 1 + suite_random_below(random, scales[suite_random_below(random, 4)]);
        len = len < filled - off ? len : filled - off;
        bool is_inside = suite_random_below(random, 30) != 0;
        if (body->len + len > sizeof(body->octets) ||
            rp_message_at(&store, body->index)->slices.count > 400 ||
            !grow(body, buffer, &off, len, is_inside)) {
            restart(body);
        }
        off += suite_random_below(random, 3); /* a dot, or what is dropped */
    }
    rp_bufpool_release(&store.buffers, buffer);
}

static void test_random(void)
{
    uint64_t random = suite_seed;
    for (uint32_t buffers = 2; buffers < 60; buffers += 7) {
        open_store(buffers, BODIES, 2);
        for (size_t i = 0; i < BODIES; i++) {
            bodies[i].index = rp_message_take(&store, 0, 0);
            bodies[i].len = 0;
        }
        for (int step = 0; step < 250; step++) {
            receive(&random);
            struct body *body = &bodies[suite_random_below(&random, BODIES)];
            const struct rp_message *message = rp_message_at(&store, body->index);
            CU_ASSERT_FATAL(is_body(&message->slices, body->octets, body->len));
            if (suite_random_below(&random, 3) == 0 && message->slices.count > 0) {
                write_some(body, &random);
            }
        }
        for (size_t i = 0; i < BODIES; i++) {
            const struct rp_message *message = rp_message_at(&store, bodies[i].index);
            CU_ASSERT(is_body(&message->slices, bodies[i].octets, bodies[i].len));
            rp_message_drop(&store, bodies[i].index);
        }
        CU_ASSERT(is_all_free(0));
        rp_message_store_close(&store);
    }
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"take",        test_take       },
        {"straddling",  test_straddling },
        {"no blocks",   test_no_blocks  },
        {"one owner",   test_one_owner  },
        {"moving",      test_moving     },
        {"compaction",  test_compaction },
        {"half a copy", test_half_a_copy},
        {"no slices",   test_no_slices  },
        {"gathering",   test_gathering  },
        {"scattering",  test_scattering },
        {"random",      test_random     },
    };
    return SUITE_RUN("engine/message", tests, argc, argv);
}
