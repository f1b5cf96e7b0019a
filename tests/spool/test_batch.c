/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_batch.c - the layout of batches, their limits, and what becomes visible when.
 *
 * Batches of every size around a block are laid out and read back with FORMAT.md's rules,
 * written here a second time; the errors that must change nothing are provoked one by one.
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
    rp_spool_writer_init(&lane.writer, identity, 2, 0, &bell);
    rp_spool_writer_open_segment(&lane.writer, 7, SIZE, lane.index);
}

static void end(void)
{
    free(lane.segment);
    free(lane.index);
}

static const struct rp_spool_index_entry *entry_at(uint64_t i)
{
    const uint8_t *entries = (const uint8_t *)lane.index + RP_SPOOL_BLOCK;
    return (const struct rp_spool_index_entry *)(const void *)entries + i;
}

/* Walk the octets by hand: each record where it should be, padded, and a PAD where one is due. */
static void check_octets(const struct test_message *messages, size_t count, uint64_t used)
{
    uint64_t off = RP_SPOOL_BLOCK;
    size_t at = 0;
    while (off < used) {
        struct rp_spool_record record;
        memcpy(&record, lane.segment + off, sizeof record);
        CU_ASSERT_EQUAL_FATAL(off % 64, 0);
        CU_ASSERT_EQUAL(record.magic, RP_SPOOL_RECORD_MAGIC ^ (uint32_t)(lane.writer.seed >> 32));
        CU_ASSERT_EQUAL(record.sequence, at);
        CU_ASSERT_EQUAL(record.hash,
                        rp_format_hash(lane.segment + off + 8, 56 + record.envelope_len,
                                       rp_format_seed(identity, 2, 7)));
        CU_ASSERT_TRUE_FATAL(record.total_len > 0 && off + record.total_len <= used);
        uint64_t content = 64 + record.envelope_len;
        if ((record.flags & RP_SPOOL_RECORD_PAD) != 0) {
            CU_ASSERT_EQUAL((off + record.total_len) % RP_SPOOL_BLOCK, 0);
            CU_ASSERT_EQUAL(record.body_hash, 0);
        } else {
            CU_ASSERT_TRUE_FATAL(at < count);
            uint8_t *body = test_body(&messages[at]);
            content += record.body_len;
            CU_ASSERT_EQUAL(record.body_len, messages[at].body_len);
            CU_ASSERT_EQUAL(
                memcmp(lane.segment + off + content - record.body_len, body, record.body_len), 0);
            CU_ASSERT_EQUAL(record.body_hash, rp_format_hash(body, record.body_len, 0));
            CU_ASSERT_EQUAL(entry_at(at)->offset, off);
            CU_ASSERT_EQUAL(entry_at(at)->hash, record.hash);
            CU_ASSERT_EQUAL(entry_at(at)->sequence, at);
            free(body);
            at++;
        }
        CU_ASSERT_TRUE(record.total_len - content < 64 || at == 0 || record.flags != 0);
        for (uint64_t i = content; i < record.total_len; i++) {
            CU_ASSERT_EQUAL(lane.segment[off + i], 0);
        }
        off += record.total_len;
    }
    CU_ASSERT_EQUAL(at, count);
}

/* Two batches; the first message's body has every length over a whole block. */
static void test_layout(void)
{
    for (size_t body_len = 0; body_len <= RP_SPOOL_BLOCK + 64; body_len += 7) {
        begin();
        const struct test_message messages[3] = {
            {.number = body_len, .body_len = body_len, .time_ns = 5},
            {.number = 2,                  .body_len = 100                           },
            {.number = 3,                  .body_len = 0},
        };
        struct rp_spool_id ids[3];
        CU_ASSERT_EQUAL(test_commit(&lane, messages, 1, ids), 1);
        CU_ASSERT_EQUAL(lane.batch.off, 0);
        CU_ASSERT_EQUAL(bell.lanes[2].tail, 1);
        uint64_t first = lane.batch.len;
        CU_ASSERT_EQUAL(test_commit(&lane, messages + 1, 2, ids + 1), 2);
        CU_ASSERT_EQUAL(lane.batch.off, first);
        CU_ASSERT_EQUAL(bell.lanes[2].tail, 3);
        CU_ASSERT_STRING_EQUAL(ids[0].text, "002-0000000007-000040");
        struct rp_spool_segment_header header;
        memcpy(&header, lane.segment, sizeof header);
        CU_ASSERT_TRUE(rp_format_segment_header_is_good(&header, identity, 2, 7));
        check_octets(messages, 3, lane.batch.off + lane.batch.len);
        end();
    }
}

/* A batch that ends with its block has no PAD. */
static void test_no_pad(void)
{
    begin();
    static uint8_t head[RP_SPOOL_BLOCK];
    const struct iovec iov = {.iov_base = head, .iov_len = sizeof head};
    const struct rp_spool_message message = {.head = &iov, .head_count = 1};
    struct rp_spool_id id;
    rp_spool_batch_begin(&lane.batch, &lane.writer);
    CU_ASSERT_EQUAL(rp_spool_batch_append(&lane.batch, &message, &id), 0);
    rp_spool_batch_seal(&lane.batch);
    CU_ASSERT_EQUAL(lane.batch.len, 2 * RP_SPOOL_BLOCK);
    CU_ASSERT_EQUAL(lane.batch.iov_count, 2);
    CU_ASSERT_FALSE(rp_spool_batch_commit(&lane.batch));
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
    test_forget(&lane);
    bell.waiters = 0;
    CU_ASSERT_EQUAL(test_commit(&lane, &message, 1, &id), 1);
    CU_ASSERT_EQUAL(bell.ring, 1);
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
    /* The segment is not used any more. */
    rp_spool_batch_begin(&lane.batch, &lane.writer);
    CU_ASSERT_EQUAL(test_append(&lane, &messages[1], ids), -ENOSPC);
    rp_spool_writer_close_segment(&lane.writer);
    CU_ASSERT_EQUAL(lane.index->count, 1);
    /* The next one's header voids what the write may have left behind. */
    memset(lane.index, 0, RP_SPOOL_INDEX_LEN(SIZE));
    rp_spool_writer_open_segment(&lane.writer, 8, SIZE, lane.index);
    rp_spool_batch_begin(&lane.batch, &lane.writer);
    rp_spool_batch_seal_header(&lane.batch);
    CU_ASSERT_EQUAL(lane.batch.len, RP_SPOOL_BLOCK);
    CU_ASSERT_EQUAL(lane.batch.iov_count, 1);
    struct rp_spool_segment_header header;
    memcpy(&header, lane.batch.header_page, sizeof header);
    CU_ASSERT_EQUAL(header.first_sequence, 1);
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
    for (size_t count = RP_SPOOL_BATCH_IOV - 8; count <= RP_SPOOL_BATCH_IOV; count++) {
        message.body_count = count;
        message.body_len = count;
        rp_spool_batch_begin(&lane.batch, &lane.writer);
        bool fits = count + 1 + 5 <= RP_SPOOL_BATCH_IOV;
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
    const struct iovec body_iov = {.iov_base = body, .iov_len = SIZE - RP_SPOOL_BLOCK - 63};
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
    message.body_len = fitting.iov_len;
    CU_ASSERT_EQUAL(rp_spool_batch_append(&lane.batch, &message, &id), 0);
    rp_spool_batch_seal(&lane.batch);
    CU_ASSERT_EQUAL(lane.batch.len, SIZE);
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
        uint64_t off = RP_SPOOL_BLOCK;
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

int main(void)
{
    if (CU_initialize_registry() != CUE_SUCCESS) {
        return 1;
    }
    CU_pSuite suite = CU_add_suite("batch", NULL, NULL);
    CU_ADD_TEST(suite, test_layout);
    CU_ADD_TEST(suite, test_no_pad);
    CU_ADD_TEST(suite, test_visibility);
    CU_ADD_TEST(suite, test_abandon);
    CU_ADD_TEST(suite, test_full_segment);
    CU_ADD_TEST(suite, test_pieces);
    CU_ADD_TEST(suite, test_too_long);
    CU_ADD_TEST(suite, test_block_aligned);
    CU_ADD_TEST(suite, test_fillers);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    unsigned run = CU_get_number_of_tests_run();
    CU_cleanup_registry();
    return failures == 0 && run == 9 ? 0 : 1;
}
