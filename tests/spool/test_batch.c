/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_batch.c - the layout of batches, their limits, and what becomes visible when.
 *
 * Batches of every size around a block, and random ones in random pieces, are laid out and read
 * back octet by octet with FORMAT.md's rules, written here a second time; the errors that must
 * change nothing are provoked one by one.
 */
#include "lane.h"
#include "spool/format.h"

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>
#include <errno.h>

#define SIZE RP_SPOOL_SEGMENT_MIN

static const uint8_t identity[16] = "batch's spool...";
static struct rp_spool_doorbell bell;
static struct test_lane lane;

static void begin(void)
{
    memset(&bell, 0, sizeof bell);
    memset(&lane, 0, sizeof lane);
    lane.segment = calloc(1, SIZE);
    lane.index = calloc(1, RP_SPOOL_INDEX_LEN(SIZE));
    assert(lane.segment != NULL && lane.index != NULL);
    test_writer_init(&lane.writer, identity, 2, 0, &bell);
    rp_spool_writer_open_segment(&lane.writer, 7, SIZE, lane.index);
}

static void end(void)
{
    free(lane.segment);
    free(lane.index);
}

/* ---- a batch, read by hand ---- */

static uint64_t get(uint64_t off, size_t len)
{
    uint64_t value = 0;
    for (size_t i = len; i > 0; i--) {
        value = value << 8 | lane.segment[off + i - 1];
    }
    return value;
}

static bool is_zero(uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++) {
        if (lane.segment[i] != 0) {
            return false;
        }
    }
    return true;
}

/* What FORMAT.md says of a mark at `off`. */
static void check_mark(uint64_t off, uint32_t magic, uint64_t batch_off)
{
    const uint64_t seed = rp_format_seed(identity, 2, 7);
    CU_ASSERT_EQUAL(get(off, 8), rp_format_hash(lane.segment + off + 8, 56, seed));
    CU_ASSERT_EQUAL(get(off + 8, 4), magic ^ seed >> 32);
    CU_ASSERT_EQUAL(get(off + 12, 4), batch_off / 4096);
    CU_ASSERT_TRUE(is_zero(off + 36, off + 64));
}

/* The record at `off`; returns the end of it. */
static uint64_t check_record(uint64_t off, uint64_t batch_off, uint64_t index, uint64_t sequence)
{
    const uint64_t seed = rp_format_seed(identity, 2, 7);
    const uint64_t envelope_len = get(off + 24, 4);
    const bool is_big = get(off + 12, 4) == 2;
    const uint64_t body_len = is_big ? 0 : get(off + 32, 8);
    const uint64_t body_off = off + 64 + envelope_len;
    CU_ASSERT_EQUAL_FATAL(off % 64, 0);
    CU_ASSERT_EQUAL(get(off, 8), rp_format_hash(lane.segment + off + 8, 56 + envelope_len, seed));
    CU_ASSERT_EQUAL_FATAL(get(off + 8, 4), 0x43525052u ^ seed >> 32);
    CU_ASSERT_TRUE(is_big || get(off + 12, 4) == 0);
    CU_ASSERT_EQUAL(get(off + 16, 4), index);
    CU_ASSERT_EQUAL(get(off + 20, 4), batch_off / 4096);
    CU_ASSERT_EQUAL(get(off + 28, 4), off / 64);
    CU_ASSERT_TRUE(is_big || get(off + 40, 8) ==
                                 rp_format_hash(lane.segment + body_off, (size_t)body_len, 0));
    CU_ASSERT_EQUAL(get(off + 48, 8), sequence);
    const uint64_t end = (body_off + body_len + 63) / 64 * 64;
    CU_ASSERT_TRUE(is_zero(body_off + body_len, end));
    struct rp_spool_index_entry entry = test_entry(lane.index, sequence);
    CU_ASSERT_EQUAL(entry.offset, off);
    CU_ASSERT_EQUAL(entry.body_len, get(off + 32, 8));
    CU_ASSERT_EQUAL(entry.sequence, sequence);
    CU_ASSERT_EQUAL(entry.time_ns, get(off + 56, 8));
    CU_ASSERT_EQUAL(entry.hash, get(off, 8));
    CU_ASSERT_EQUAL(entry.envelope_len, envelope_len);
    CU_ASSERT_EQUAL(entry.flags, is_big ? 2 : 0);
    CU_ASSERT_EQUAL(entry.big_id != 0, is_big);
    return end;
}

/* Sectors from BEGIN's to END's that are all zeros, counted octet by octet. */
static uint64_t count_zero_sectors(uint64_t from, uint64_t end)
{
    uint64_t count = 0;
    for (uint64_t off = from; off < end; off += 512) {
        count += is_zero(off, off + 512);
    }
    return count;
}

/* The batch at `off`, of sequences from `sequence` on; returns where the next one begins. */
static uint64_t check_batch(uint64_t off, uint64_t *sequence)
{
    const uint64_t len = get(off + 16, 4);
    const uint64_t count = get(off + 20, 4);
    CU_ASSERT_EQUAL_FATAL(off % 4096, 0);
    check_mark(off, 0x47454252u, off);
    CU_ASSERT_EQUAL(get(off + 24, 8), *sequence);
    CU_ASSERT_TRUE_FATAL(count > 0 && len % 64 == 0 && off + len <= SIZE);
    uint64_t at = off + 64;
    for (uint64_t i = 0; i < count; i++) {
        at = check_record(at, off, i, *sequence);
        ++*sequence;
    }
    CU_ASSERT_EQUAL_FATAL(at + 64, off + len);
    check_mark(at, 0x444e4552u, off);
    CU_ASSERT_EQUAL(memcmp(lane.segment + off + 12, lane.segment + at + 12, 52), 0);
    CU_ASSERT_EQUAL(get(off + 32, 4), count_zero_sectors(off, off + len));
    const uint64_t end = (off + len + 4095) / 4096 * 4096;
    CU_ASSERT_TRUE(is_zero(off + len, end));
    return end;
}

/* All of it: the header page, then batches up to `used` with `count` messages. */
static void check_segment(uint64_t used, uint64_t count)
{
    struct rp_spool_segment_header header;
    memcpy(&header, lane.segment, sizeof header);
    CU_ASSERT_TRUE(rp_format_segment_header_is_good(&header, identity, 2, 7));
    CU_ASSERT_EQUAL(header.size, SIZE);
    CU_ASSERT_EQUAL(header.first_sequence, 0);
    CU_ASSERT_EQUAL(header.skipped, 0);
    CU_ASSERT_TRUE(is_zero(sizeof header, 4096));
    uint64_t sequence = 0;
    uint64_t off = 4096;
    while (off < used) {
        off = check_batch(off, &sequence);
    }
    CU_ASSERT_EQUAL(off, used);
    CU_ASSERT_EQUAL(sequence, count);
}

/* ---- layout ---- */

/* Two batches; the first message's body has every length over a whole block. */
static void test_layout(void)
{
    for (size_t body_len = 0; body_len <= RP_SPOOL_BLOCK + 64; body_len += 7) {
        begin();
        const struct test_message messages[3] = {
            {.number = body_len, .body_len = body_len, .time_ns = 5},
            {.number = 2,                  .body_len = 100,                            .big_id = 9},
            {.number = 3,       .body_len = 0},
        };
        struct rp_spool_id ids[3];
        CU_ASSERT_EQUAL(test_commit(&lane, messages, 1, ids), 1);
        CU_ASSERT_EQUAL(lane.batch.off, 0);
        CU_ASSERT_EQUAL(bell.lanes[2].tail, 1);
        uint64_t first = lane.batch.len;
        CU_ASSERT_EQUAL(test_commit(&lane, messages + 1, 2, ids + 1), 2);
        CU_ASSERT_EQUAL(lane.batch.off, first);
        CU_ASSERT_EQUAL(bell.lanes[2].tail, 3);
        CU_ASSERT_STRING_EQUAL(ids[0].text, "002-0000000007-000041");
        check_segment(lane.batch.off + lane.batch.len, 3);
        uint8_t *body = test_body(&messages[0]);
        uint64_t body_off = 4096 + 64 + 64 + get(4096 + 64 + 24, 4);
        CU_ASSERT_EQUAL(memcmp(lane.segment + body_off, body, body_len), 0);
        free(body);
        end();
    }
}

/* Fill `octets` with zeros, text, or both, in runs. */
static void fill_random(uint8_t *octets, size_t len, uint64_t *random)
{
    const uint64_t kind = test_random(random) % 4;
    for (size_t i = 0; i < len;) {
        size_t run = 1 + test_random(random) % (kind == 3 ? 3000 : 600);
        run = run < len - i ? run : len - i;
        bool is_text = kind == 0 || (kind >= 2 && test_random(random) % 2 == 0);
        memset(octets + i, is_text ? 'x' : 0, run);
        i += run;
    }
}

/* Cut into pieces; returns how many. */
static size_t cut_random(uint8_t *octets,
                         size_t len,
                         struct iovec *pieces,
                         size_t pieces_max,
                         uint64_t *random)
{
    size_t count = 0;
    for (size_t at = 0; at < len; count++) {
        size_t piece = 1 + test_random(random) % (test_random(random) % 2 == 0 ? 40 : 5000);
        piece = piece < len - at && count + 1 < pieces_max ? piece : len - at;
        pieces[count] = (struct iovec){.iov_base = octets + at, .iov_len = piece};
        at += piece;
    }
    return count;
}

#define RANDOM_MESSAGES 12u
#define RANDOM_LEN      20000u

static uint8_t random_heads[RANDOM_MESSAGES][sizeof(struct rp_spool_record) + 3000];
static uint8_t random_bodies[RANDOM_MESSAGES][RANDOM_LEN];

/* A message of any octets, in any pieces; the head's first piece has the record's header. */
static int append_random(size_t slot, uint64_t *random)
{
    struct iovec heads[8];
    struct iovec bodies[60];
    struct rp_spool_id id;
    uint8_t *head = random_heads[slot];
    uint8_t *body = random_bodies[slot];
    size_t head_len = sizeof(struct rp_spool_record) + test_random(random) % 3000;
    size_t body_len = test_random(random) % (test_random(random) % 2 == 0 ? 700 : RANDOM_LEN);
    fill_random(head, head_len, random);
    fill_random(body, body_len, random);
    heads[0] = (struct iovec){.iov_base = head, .iov_len = sizeof(struct rp_spool_record)};
    size_t head_count =
        1 + cut_random(head + heads[0].iov_len, head_len - heads[0].iov_len, heads + 1, 7, random);
    struct rp_spool_hash hash;
    rp_spool_hash_init(&hash);
    struct iovec hashed[60];
    size_t hashed_count = cut_random(body, body_len, hashed, 60, random);
    for (size_t i = 0; i < hashed_count; i++) {
        rp_spool_hash_add(&hash, hashed[i].iov_base, hashed[i].iov_len);
    }
    const struct rp_spool_message message = {
        .head = heads,
        .head_count = head_count,
        .body = bodies,
        .body_count = cut_random(body, body_len, bodies, 60, random),
        .body_len = body_len,
        .time_ns = test_random(random),
        .big_id = test_random(random) % 9 == 0,
        .body_hash = rp_spool_hash_get(&hash),
        .has_zeros = rp_spool_hash_has_zeros(&hash),
        .is_block_aligned = test_random(random) % 3 == 0,
    };
    return rp_spool_batch_append(&lane.batch, &message, &id);
}

/* Random messages until the segment is full: each octet is as FORMAT.md says. */
static void test_random_layout(void)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        uint64_t random = seed;
        uint64_t count = 0;
        unsigned failures = CU_get_number_of_failures();
        int error = 0;
        begin();
        while (error != -ENOSPC) {
            rp_spool_batch_begin(&lane.batch, &lane.writer);
            uint64_t want = 1 + test_random(&random) % RANDOM_MESSAGES;
            error = 0;
            for (size_t i = 0; error == 0 && i < want; i++) {
                error = append_random(i, &random);
            }
            CU_ASSERT_TRUE(error == 0 || error == -ENOSPC || error == -ENOBUFS);
            if (lane.batch.count > 0) {
                count += lane.batch.count;
                rp_spool_batch_seal(&lane.batch);
                CU_ASSERT_TRUE_FATAL(lane.batch.off + lane.batch.len <= SIZE);
                CU_ASSERT_TRUE(lane.batch.iov_count <= RP_SPOOL_BATCH_IOV);
                CU_ASSERT_EQUAL(lane.batch.len % 4096, 0);
                test_write(&lane, lane.batch.len);
                (void)rp_spool_batch_commit(&lane.batch); /* nobody waits */
            }
        }
        check_segment(lane.writer.off, count);
        end();
        if (CU_get_number_of_failures() != failures) {
            (void)fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
        }
    }
}

/* Behind a batch that ends with its block nothing is filled up. */
static void test_no_fill(void)
{
    begin();
    static uint8_t head[RP_SPOOL_BLOCK - 2 * sizeof(struct rp_spool_batch_mark)];
    const struct iovec iov = {.iov_base = head, .iov_len = sizeof head};
    const struct rp_spool_message message = {
        .head = &iov, .head_count = 1, .body_hash = rp_format_hash("", 0, 0)};
    struct rp_spool_id id;
    rp_spool_batch_begin(&lane.batch, &lane.writer);
    CU_ASSERT_EQUAL(rp_spool_batch_append(&lane.batch, &message, &id), 0);
    rp_spool_batch_seal(&lane.batch);
    CU_ASSERT_EQUAL(lane.batch.len, 2 * RP_SPOOL_BLOCK);
    CU_ASSERT_EQUAL(lane.batch.iov_count, 4); /* header page, BEGIN, head, END */
    test_write(&lane, lane.batch.len);
    CU_ASSERT_FALSE(rp_spool_batch_commit(&lane.batch));
    check_segment(2 * RP_SPOOL_BLOCK, 1);
    end();
}

/* What is appended is not seen before commit; waiters are told. */
static void test_visibility(void)
{
    begin();
    const struct test_message message = {.number = 1, .body_len = 5};
    struct rp_spool_id id;
    rp_spool_batch_begin(&lane.batch, &lane.writer);
    CU_ASSERT_EQUAL(test_append(&lane, &message, &id), 0);
    rp_spool_batch_seal(&lane.batch);
    CU_ASSERT_EQUAL(bell.lanes[2].tail, 0);
    bell.waiters = 1;
    CU_ASSERT_TRUE(rp_spool_batch_commit(&lane.batch));
    CU_ASSERT_EQUAL(bell.ring, 1);
    CU_ASSERT_EQUAL(bell.lanes[2].tail, 1);
    CU_ASSERT_EQUAL(bell.lanes[2].check, rp_format_tail_check(1, identity, 2));
    CU_ASSERT_EQUAL(bell.lanes[2].segment, 7);
    test_forget(&lane);
    bell.waiters = 0;
    CU_ASSERT_EQUAL(test_commit(&lane, &message, 1, &id), 1);
    CU_ASSERT_EQUAL(bell.ring, 1);
    CU_ASSERT_EQUAL(bell.lanes[2].tail, 2);
    CU_ASSERT_EQUAL(bell.lanes[2].check, rp_format_tail_check(2, identity, 2));
    end();
}

static void test_abandon(void)
{
    begin();
    const struct test_message messages[2] = {
        {.number = 1, .body_len = 5},
        {.number = 2          }
    };
    struct rp_spool_id ids[2];
    CU_ASSERT_EQUAL(test_commit(&lane, messages, 1, ids), 1);
    rp_spool_batch_begin(&lane.batch, &lane.writer);
    CU_ASSERT_EQUAL(test_append(&lane, &messages[1], ids), 0);
    rp_spool_batch_seal(&lane.batch);
    rp_spool_batch_abandon(&lane.batch);
    test_forget(&lane);
    CU_ASSERT_EQUAL(lane.writer.sequence, 1);
    CU_ASSERT_EQUAL(bell.lanes[2].tail, 1);
    CU_ASSERT_EQUAL(bell.lanes[2].check, rp_format_tail_check(1, identity, 2));
    /* The segment is not used any more. */
    rp_spool_batch_begin(&lane.batch, &lane.writer);
    CU_ASSERT_EQUAL(test_append(&lane, &messages[1], ids), -ENOSPC);
    CU_ASSERT_EQUAL(rp_spool_writer_close_segment(&lane.writer), RP_SPOOL_BLOCK + 64);
    CU_ASSERT_TRUE(rp_format_index_is_good(lane.index, RP_SPOOL_BLOCK + 64, identity, 2, 7));
    /* The next one's header voids what the write may have left behind. */
    rp_spool_writer_open_segment(&lane.writer, 8, SIZE, lane.index);
    rp_spool_batch_begin(&lane.batch, &lane.writer);
    rp_spool_batch_seal_header(&lane.batch);
    CU_ASSERT_EQUAL(lane.batch.len, RP_SPOOL_BLOCK);
    CU_ASSERT_EQUAL(lane.batch.iov_count, 1);
    struct rp_spool_segment_header header;
    memcpy(&header, lane.batch.header_page, sizeof header);
    CU_ASSERT_EQUAL(header.first_sequence, 1);
    CU_ASSERT_EQUAL(bell.lanes[2].segment, 8);
    bell.waiters = 1;
    CU_ASSERT_FALSE(rp_spool_batch_commit(&lane.batch));
    CU_ASSERT_EQUAL(lane.writer.off, RP_SPOOL_BLOCK);
    CU_ASSERT_FALSE(lane.writer.is_header_due);
    end();
}

/* A segment is filled to its last octet, and to its index's last entry; never beyond. */
static void test_full_segment(void)
{
    begin();
    struct test_message message = {.number = 1, .body_len = 30000};
    struct rp_spool_id id;
    uint64_t count = 0;
    while (test_commit(&lane, &message, 1, &id) == 1) {
        count++;
        CU_ASSERT_TRUE_FATAL(lane.batch.off + lane.batch.len <= SIZE);
    }
    CU_ASSERT_EQUAL(count, (SIZE - RP_SPOOL_BLOCK) / (8 * RP_SPOOL_BLOCK));
    rp_spool_batch_begin(&lane.batch, &lane.writer);
    CU_ASSERT_EQUAL(test_append(&lane, &message, &id), -ENOSPC);
    CU_ASSERT_EQUAL(lane.writer.sequence, count);
    end();

    /* Messages of no envelope and no body, 64 octets each: the index is full first. */
    begin();
    uint8_t head[sizeof(struct rp_spool_record)];
    const struct iovec iov = {.iov_base = head, .iov_len = sizeof head};
    const struct rp_spool_message small = {.head = &iov, .head_count = 1};
    int error = 0;
    count = 0;
    while (error != -ENOSPC) {
        rp_spool_batch_begin(&lane.batch, &lane.writer);
        while ((error = rp_spool_batch_append(&lane.batch, &small, &id)) == 0) {
            count++;
        }
        if (lane.batch.count > 0) {
            rp_spool_batch_seal(&lane.batch);
            (void)rp_spool_batch_commit(&lane.batch); /* nobody waits */
        }
    }
    CU_ASSERT_EQUAL(count, RP_SPOOL_INDEX_CAP(SIZE));
    CU_ASSERT_TRUE(lane.writer.off < SIZE / 2);
    end();
}

/* Too many pieces: -ENOBUFS while the batch has others, -EMSGSIZE when it never fits. */
static void test_pieces(void)
{
    begin();
    static uint8_t head[sizeof(struct rp_spool_record)];
    static uint8_t octet;
    static struct iovec pieces[RP_SPOOL_BATCH_IOV];
    for (size_t i = 0; i < RP_SPOOL_BATCH_IOV; i++) {
        pieces[i] = (struct iovec){.iov_base = &octet, .iov_len = 1};
    }
    const struct iovec iov = {.iov_base = head, .iov_len = sizeof head};
    struct rp_spool_message message = {.head = &iov, .head_count = 1, .body = pieces};
    struct rp_spool_id id;
    for (size_t count = RP_SPOOL_BATCH_IOV - 12; count <= RP_SPOOL_BATCH_IOV; count++) {
        message.body_count = count;
        message.body_len = count;
        message.is_block_aligned = count % 2 == 0;
        rp_spool_batch_begin(&lane.batch, &lane.writer);
        /* Besides: header page, BEGIN, filler (2), zeros behind the record, END, zeros. */
        bool fits = count + 1 + 7 <= RP_SPOOL_BATCH_IOV;
        CU_ASSERT_EQUAL(rp_spool_batch_append(&lane.batch, &message, &id), fits ? 0 : -EMSGSIZE);
        if (fits) {
            CU_ASSERT_EQUAL(rp_spool_batch_append(&lane.batch, &message, &id), -ENOBUFS);
            CU_ASSERT_EQUAL(lane.batch.count, 1);
            rp_spool_batch_seal(&lane.batch);
            CU_ASSERT_TRUE(lane.batch.iov_count <= RP_SPOOL_BATCH_IOV);
            (void)rp_spool_batch_commit(&lane.batch); /* nobody waits */
        }
    }
    end();
}

static void test_too_long(void)
{
    begin();
    static uint8_t head[sizeof(struct rp_spool_record)];
    uint8_t *body = calloc(1, SIZE);
    assert(body != NULL);
    const struct iovec head_iov = {.iov_base = head, .iov_len = sizeof head};
    /* Header page, BEGIN, the record's own header, END: one octet more than is left. */
    const struct iovec body_iov = {.iov_base = body, .iov_len = SIZE - RP_SPOOL_BLOCK - 191};
    struct rp_spool_message message = {
        .head = &head_iov,
        .head_count = 1,
        .body = &body_iov,
        .body_count = 1,
        .body_len = body_iov.iov_len,
    };
    struct rp_spool_id id;
    rp_spool_batch_begin(&lane.batch, &lane.writer);
    CU_ASSERT_EQUAL(rp_spool_batch_append(&lane.batch, &message, &id), -EMSGSIZE);
    const struct iovec fitting = {.iov_base = body, .iov_len = body_iov.iov_len - 1};
    message.body = &fitting;
    message.has_zeros = true;
    message.body_len = fitting.iov_len;
    CU_ASSERT_EQUAL(rp_spool_batch_append(&lane.batch, &message, &id), 0);
    rp_spool_batch_seal(&lane.batch);
    CU_ASSERT_EQUAL(lane.batch.len, SIZE);
    test_write(&lane, lane.batch.len);
    (void)rp_spool_batch_commit(&lane.batch); /* nobody waits */
    CU_ASSERT_EQUAL(lane.writer.off, SIZE);
    rp_spool_batch_begin(&lane.batch, &lane.writer);
    CU_ASSERT_EQUAL(rp_spool_batch_append(&lane.batch, &message, &id), -ENOSPC);
    message.big_id = 1;
    message.body_len = UINT64_MAX; /* a file of its own may be of any length */
    CU_ASSERT_EQUAL(rp_spool_batch_append(&lane.batch, &message, &id), -ENOSPC);
    const struct iovec huge = {.iov_base = head, .iov_len = 64 + RP_SPOOL_ENVELOPE_MAX + 1};
    message.head = &huge;
    CU_ASSERT_EQUAL(rp_spool_batch_append(&lane.batch, &message, &id), -EMSGSIZE);
    free(body);
    end();
}

/* The filler item behind the head: the body begins at a block, wherever the record does. */
static void test_block_aligned(void)
{
    static uint8_t head[sizeof(struct rp_spool_record) + RP_SPOOL_BLOCK];
    static uint8_t octets[2 * RP_SPOOL_BLOCK + 5];
    memset(octets, 'x', sizeof octets);
    for (size_t envelope = 0; envelope < RP_SPOOL_BLOCK; envelope += envelope < 4020 ? 61 : 1) {
        begin();
        memset(head, 0, sizeof head);
        size_t item = envelope < RP_SPOOL_ITEM_HEADER ? 0 : envelope;
        if (item > 0) {
            (void)rp_spool_item_put(head + sizeof(struct rp_spool_record), RP_SPOOL_TAG_HELO,
                                    octets, item - RP_SPOOL_ITEM_HEADER);
        }
        const struct iovec head_iov = {.iov_base = head,
                                       .iov_len = sizeof(struct rp_spool_record) + item};
        const struct iovec body_iov = {.iov_base = octets, .iov_len = sizeof octets};
        const struct rp_spool_message message = {
            .head = &head_iov,
            .head_count = 1,
            .body = &body_iov,
            .body_count = 1,
            .body_len = sizeof octets,
            .body_hash = rp_format_hash(octets, sizeof octets, 0),
            .is_block_aligned = true,
        };
        struct rp_spool_id id;
        rp_spool_batch_begin(&lane.batch, &lane.writer);
        CU_ASSERT_EQUAL_FATAL(rp_spool_batch_append(&lane.batch, &message, &id), 0);
        rp_spool_batch_seal(&lane.batch);
        test_write(&lane, lane.batch.len);
        (void)rp_spool_batch_commit(&lane.batch); /* nobody waits */
        struct rp_spool_record record;
        uint64_t off = RP_SPOOL_BLOCK + 64;
        CU_ASSERT_TRUE_FATAL(
            rp_format_record_get(lane.segment, SIZE, off, lane.writer.seed, &record));
        uint64_t body_off = off + sizeof record + record.envelope_len;
        CU_ASSERT_EQUAL(body_off % RP_SPOOL_BLOCK, 0);
        CU_ASSERT_EQUAL(memcmp(lane.segment + body_off, octets, sizeof octets), 0);
        const uint8_t *filler = lane.segment + off + head_iov.iov_len;
        uint16_t tag;
        uint32_t len;
        memcpy(&tag, filler, sizeof tag);
        memcpy(&len, filler + 4, sizeof len);
        check_segment(lane.writer.off, 1);
        uint64_t gap = body_off - off - head_iov.iov_len;
        CU_ASSERT_TRUE(gap == 0 ||
                       (tag == RP_SPOOL_TAG_FILLER && len == gap - RP_SPOOL_ITEM_HEADER));
        end();
    }
}

/* A batch has so many fillers; then the next one. */
static void test_fillers(void)
{
    begin();
    static uint8_t heads[RP_SPOOL_BATCH_ALIGNED + 1][sizeof(struct rp_spool_record)];
    static uint8_t octet = 'x';
    struct rp_spool_id id;
    rp_spool_batch_begin(&lane.batch, &lane.writer);
    for (size_t i = 0; i <= RP_SPOOL_BATCH_ALIGNED; i++) {
        const struct iovec head = {.iov_base = heads[i], .iov_len = sizeof heads[i]};
        const struct iovec body = {.iov_base = &octet, .iov_len = 1};
        const struct rp_spool_message message = {
            .head = &head,
            .head_count = 1,
            .body = &body,
            .body_count = 1,
            .body_len = 1,
            .is_block_aligned = true,
        };
        CU_ASSERT_EQUAL(rp_spool_batch_append(&lane.batch, &message, &id),
                        i < RP_SPOOL_BATCH_ALIGNED ? 0 : -ENOBUFS);
    }
    end();
}

/* The last block of a segment takes a record with both marks, to the octet, and nothing more. */
static void test_last_block(void)
{
    static uint8_t head[RP_SPOOL_BLOCK];
    for (size_t over = 0; over <= 64; over += 64) {
        begin();
        lane.writer.is_header_due = false;
        lane.writer.off = SIZE - RP_SPOOL_BLOCK;
        const struct iovec iov = {.iov_base = head, .iov_len = RP_SPOOL_BLOCK - 128 + over};
        const struct rp_spool_message message = {.head = &iov, .head_count = 1};
        struct rp_spool_id id;
        rp_spool_batch_begin(&lane.batch, &lane.writer);
        CU_ASSERT_EQUAL(rp_spool_batch_append(&lane.batch, &message, &id), over == 0 ? 0 : -ENOSPC);
        end();
    }
}

/* As many messages as a batch takes, of each number of pieces: END and the zeros have a place. */
static void test_many(void)
{
    static uint8_t head[64 + 8];
    static struct iovec pieces[9];
    for (size_t count = 1; count <= 9; count++) {
        for (int is_aligned = 0; is_aligned <= 1; is_aligned++) {
            begin();
            for (size_t i = 0; i < count; i++) {
                pieces[i] = (struct iovec){.iov_base = head, .iov_len = 1};
            }
            const struct iovec iov = {.iov_base = head, .iov_len = 64};
            const struct rp_spool_message message = {
                .head = &iov,
                .head_count = 1,
                .body = pieces,
                .body_count = count,
                .body_len = count,
                .is_block_aligned = is_aligned != 0,
            };
            struct rp_spool_id id;
            int error = 0;
            rp_spool_batch_begin(&lane.batch, &lane.writer);
            while (error == 0) {
                error = rp_spool_batch_append(&lane.batch, &message, &id);
            }
            CU_ASSERT_EQUAL(error, -ENOBUFS);
            rp_spool_batch_seal(&lane.batch); /* asserts that there is room */
            CU_ASSERT_TRUE(lane.batch.iov_count <= RP_SPOOL_BATCH_IOV);
            end();
        }
    }
}

int main(void)
{
    if (CU_initialize_registry() != CUE_SUCCESS) {
        return 1;
    }
    CU_pSuite suite = CU_add_suite("batch", NULL, NULL);
    CU_ADD_TEST(suite, test_layout);
    CU_ADD_TEST(suite, test_random_layout);
    CU_ADD_TEST(suite, test_no_fill);
    CU_ADD_TEST(suite, test_visibility);
    CU_ADD_TEST(suite, test_abandon);
    CU_ADD_TEST(suite, test_full_segment);
    CU_ADD_TEST(suite, test_pieces);
    CU_ADD_TEST(suite, test_too_long);
    CU_ADD_TEST(suite, test_block_aligned);
    CU_ADD_TEST(suite, test_fillers);
    CU_ADD_TEST(suite, test_last_block);
    CU_ADD_TEST(suite, test_many);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    unsigned run = CU_get_number_of_tests_run();
    CU_cleanup_registry();
    return failures == 0 && run == 12 ? 0 : 1;
}
