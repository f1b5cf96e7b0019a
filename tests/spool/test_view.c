/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_view.c - a message is handed out whole or not at all.
 *
 * Every octet of a record is altered, the segment is cut at every octet of it, its lengths are
 * set to the extremes; a big body's file is replaced by everything that it is not; the disk cannot
 * read it.
 */
#include "spool.h"
#include "unreadable.h"

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>

static struct test_spool spool;
static struct rp_spool_reader *reader;
static struct rp_spool_entry entry;
static struct rp_spool_id id;
static int segment_fd;
static uint64_t record_len; /* header, envelope, body */

/* One sealed segment with one message between two others. */
static void begin(const struct test_message *message)
{
    static struct rp_spool_cursor cursor;
    const struct test_message other = {.number = 1, .body_len = 10};
    struct rp_spool_id other_id;
    test_spool_make(&spool, NULL, 1, false);
    test_spool_put(&spool, 0, &other, 1, &other_id);
    test_spool_put(&spool, 0, message, 1, &id);
    test_spool_put(&spool, 0, &other, 1, &other_id);
    test_spool_close_segment(&spool, 0);
    segment_fd = openat(spool.lanes[0].fd, "0000000000000001.seg", O_RDWR | O_CLOEXEC);
    test_must(segment_fd >= 0, "open");
    test_must(rp_spool_reader_open(spool.path, &reader) == 0, "reader");
    memset(&cursor, 0, sizeof cursor);
    test_must(rp_spool_reader_next(reader, &cursor, &entry) == 1, "next");
    test_must(rp_spool_reader_next(reader, &cursor, &entry) == 1, "next");
    record_len =
        sizeof(struct rp_spool_record) + entry.envelope_len + (entry.is_big ? 0 : entry.body_len);
}

static void end(void)
{
    rp_spool_reader_close(reader);
    (void)close(segment_fd);
    test_spool_free(&spool);
}

static int open_view(void)
{
    struct rp_spool_message_view *view;
    int error = rp_spool_view_open(reader, &entry, &view);
    if (error == 0) {
        rp_spool_view_close(view);
    }
    return error;
}

static void test_whole(void)
{
    static const size_t lens[] = {0, 1, 63, 64, 1000, 100000};
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        const struct test_message message = {.number = i, .body_len = lens[i], .time_ns = 9};
        begin(&message);
        CU_ASSERT_STRING_EQUAL(entry.id.text, id.text);
        CU_ASSERT_TRUE(test_is_message(reader, &entry, &message));
        end();
    }
    rp_spool_view_close(NULL);
}

static void test_altered(void)
{
    const struct test_message message = {.number = 3, .body_len = 200};
    begin(&message);
    for (uint64_t at = 0; at < record_len; at++) {
        uint8_t octet;
        off_t off = (off_t)(entry.offset + at);
        test_must(pread(segment_fd, &octet, 1, off) == 1, "pread");
        uint8_t other = octet ^ (uint8_t)(1u << at % 8);
        test_must(pwrite(segment_fd, &other, 1, off) == 1, "pwrite");
        CU_ASSERT_EQUAL(open_view(), -EBADMSG);
        test_must(pwrite(segment_fd, &octet, 1, off) == 1, "pwrite");
    }
    CU_ASSERT_EQUAL(open_view(), 0);
    /* The zeros behind it belong to nobody. */
    test_must(pwrite(segment_fd, "x", 1, (off_t)(entry.offset + record_len)) == 1, "pwrite");
    CU_ASSERT_EQUAL(open_view(), 0);
    end();
}

static void test_cut(void)
{
    const struct test_message message = {.number = 3, .body_len = 200};
    begin(&message);
    for (uint64_t len = record_len; len > 0; len--) {
        CU_ASSERT_EQUAL(open_view(), len == record_len ? 0 : -EBADMSG);
        test_must(ftruncate(segment_fd, (off_t)(entry.offset + len - 1)) == 0, "ftruncate");
    }
    test_must(ftruncate(segment_fd, 0) == 0, "ftruncate");
    CU_ASSERT_EQUAL(open_view(), -EBADMSG);
    end();
}

/* A record that is whole and of the same place, but not the one that the entry means. */
static void test_another(void)
{
    const struct test_message message = {.number = 3, .body_len = 200};
    const struct test_message other = {.number = 4, .body_len = 200};
    begin(&message);
    static struct test_lane lane;
    lane.segment = calloc(1, RP_SPOOL_SEGMENT_MIN);
    lane.index = calloc(1, RP_SPOOL_INDEX_LEN(RP_SPOOL_SEGMENT_MIN));
    struct rp_spool_doorbell *bell = calloc(1, sizeof *bell);
    assert(lane.segment != NULL && lane.index != NULL && bell != NULL);
    test_writer_init(&lane.writer, spool.identity, 0, 0, bell);
    rp_spool_writer_open_segment(&lane.writer, 1, RP_SPOOL_SEGMENT_MIN, lane.index);
    const struct test_message first = {.number = 1, .body_len = 10};
    struct rp_spool_id other_id;
    CU_ASSERT_EQUAL(test_commit(&lane, &first, 1, &other_id), 1);
    CU_ASSERT_EQUAL(test_commit(&lane, &other, 1, &other_id), 1);
    CU_ASSERT_STRING_EQUAL(other_id.text, id.text);
    test_must(pwrite(segment_fd, lane.segment + entry.offset, 512, (off_t)entry.offset) == 512,
              "pwrite");
    CU_ASSERT_EQUAL(open_view(), -EBADMSG);
    free(lane.segment);
    free(lane.index);
    free(bell);
    end();
}

/* Lengths that would take all memory are seen before it is asked for. */
static void test_huge_lengths(void)
{
    const struct test_message message = {.number = 3, .body_len = 200};
    begin(&message);
    static const uint64_t values[] = {0, 199, 201, 1u << 20, 1u << 31, UINT64_MAX / 2, UINT64_MAX};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct rp_spool_entry saved = entry;
        off_t off = (off_t)(entry.offset + offsetof(struct rp_spool_record, body_len));
        test_must(pwrite(segment_fd, &values[i], 8, off) == 8, "pwrite");
        CU_ASSERT_EQUAL(open_view(), -EBADMSG);
        entry.body_len = values[i]; /* what the caller has changed is not looked at */
        CU_ASSERT_EQUAL(open_view(), -EBADMSG);
        entry = saved;
        uint64_t good = 200;
        test_must(pwrite(segment_fd, &good, 8, off) == 8, "pwrite");
        uint32_t envelope_len = (uint32_t)values[i];
        uint32_t good_len;
        off = (off_t)(entry.offset + offsetof(struct rp_spool_record, envelope_len));
        test_must(pread(segment_fd, &good_len, 4, off) == 4, "pread");
        test_must(pwrite(segment_fd, &envelope_len, 4, off) == 4, "pwrite");
        CU_ASSERT_EQUAL(open_view(), -EBADMSG);
        test_must(pwrite(segment_fd, &good_len, 4, off) == 4, "pwrite");
    }
    CU_ASSERT_EQUAL(open_view(), 0);
    entry.sequence++;
    CU_ASSERT_EQUAL(open_view(), -ENOENT);
    entry.sequence += 100;
    CU_ASSERT_EQUAL(open_view(), -ENOENT);
    entry.lane = 200;
    CU_ASSERT_EQUAL(open_view(), -ENOENT);
    end();
}

static void test_big(void)
{
    const struct test_message message = {.number = 3, .body_len = 300000, .big_id = 17};
    begin(&message);
    const char *name = "000-0000000000000011.body";
    CU_ASSERT_TRUE(entry.is_big);
    CU_ASSERT_TRUE(test_is_message(reader, &entry, &message));
    uint8_t *body = test_body(&message);
    test_write_file(spool.big_fd, name, body, message.body_len - 1);
    CU_ASSERT_EQUAL(open_view(), -EBADMSG);
    test_write_file(spool.big_fd, name, body, message.body_len + 1);
    CU_ASSERT_EQUAL(open_view(), -EBADMSG);
    for (size_t at = 0; at < message.body_len; at += 9973) {
        body[at] ^= 1;
        test_write_file(spool.big_fd, name, body, message.body_len);
        CU_ASSERT_EQUAL(open_view(), -EBADMSG);
        body[at] ^= 1;
    }
    test_write_file(spool.big_fd, name, body, message.body_len);
    CU_ASSERT_EQUAL(open_view(), 0);
    test_must(renameat(spool.big_fd, name, spool.big_fd, "x") == 0, name);
    CU_ASSERT_EQUAL(open_view(), -ENOENT);
    test_must(symlinkat("x", spool.big_fd, name) == 0, name);
    CU_ASSERT_EQUAL(open_view(), -ENOENT);
    test_must(unlinkat(spool.big_fd, name, 0) == 0, name);
    test_must(mkdirat(spool.big_fd, name, 0700) == 0, name);
    CU_ASSERT_EQUAL(open_view(), -ENOENT);
    free(body);
    end();
}

/* A big body of which the disk cannot read an octet: that is an error, and no signal later. */
static void test_big_unreadable(void)
{
    const struct test_message message = {.number = 3, .body_len = 3000000, .big_id = 17};
    begin(&message);
    for (uint64_t at = 0; at < message.body_len; at += 299999) {
        test_unreadable_set(spool.big_fd, "000-0000000000000011.body", at, 1);
        CU_ASSERT_EQUAL(open_view(), -EIO);
    }
    test_unreadable_set(spool.big_fd, "000-0000000000000011.body", message.body_len - 1, 1);
    CU_ASSERT_EQUAL(open_view(), -EIO);
    test_unreadable_clear();
    CU_ASSERT_TRUE(test_is_message(reader, &entry, &message));
    end();
}

/* A copy of a whole record, which an index names: anywhere but at its place it is none. */
static void test_moved(void)
{
    static uint8_t octets[RP_SPOOL_BLOCK];
    static uint8_t page[RP_SPOOL_BLOCK + 3 * sizeof(struct rp_spool_index_entry)];
    const struct test_message message = {.number = 3, .body_len = 200};
    const char *name = "0000000000000001.idx";
    begin(&message);
    static struct rp_spool_cursor cursor;
    for (int is_moved = 0; is_moved <= 1; is_moved++) {
        int fd = openat(spool.lanes[0].fd, name, O_RDONLY | O_CLOEXEC);
        test_must(fd >= 0 && read(fd, page, sizeof page) == (ssize_t)sizeof page, name);
        (void)close(fd); /* it was only read */
        struct rp_spool_index_entry last = test_entry(page, 2);
        const uint64_t to = last.offset + (is_moved != 0 ? RP_SPOOL_ALIGN : 0);
        test_must(pread(segment_fd, octets, sizeof octets, (off_t)last.offset) > 0, "pread");
        test_must(pwrite(segment_fd, octets, sizeof octets, (off_t)to) > 0, "pwrite");
        last.offset = to;
        memcpy(page + sizeof page - sizeof last, &last, sizeof last);
        struct rp_spool_index_header header;
        memcpy(&header, page, sizeof header);
        header.hash = 0;
        rp_format_index_seal(&header, page);
        test_write_file(spool.lanes[0].fd, name, page, sizeof page);
        rp_spool_reader_close(reader);
        test_must(rp_spool_reader_open(spool.path, &reader) == 0, "reader");
        memset(&cursor, 0, sizeof cursor);
        for (int i = 0; i < 3; i++) {
            CU_ASSERT_EQUAL(rp_spool_reader_next(reader, &cursor, &entry), 1);
        }
        CU_ASSERT_EQUAL(entry.offset, to);
        CU_ASSERT_EQUAL(open_view(), is_moved != 0 ? -EBADMSG : 0);
    }
    end();
}

static void test_big_empty(void)
{
    const struct test_message message = {.number = 3, .body_len = 0, .big_id = 17};
    begin(&message);
    CU_ASSERT_TRUE(test_is_message(reader, &entry, &message));
    end();
}

/* What the disk cannot read is told apart from what is damaged, with an index and without. */
static void test_unreadable_record(void)
{
    const struct test_message message = {.number = 3, .body_len = 20000};
    begin(&message);
    const char *name = "0000000000000001.seg";
    for (uint64_t at = entry.offset; at < entry.offset + record_len; at += 1000) {
        test_unreadable_set(spool.lanes[0].fd, name, at, 1);
        CU_ASSERT_EQUAL(open_view(), -EIO);
    }
    test_unreadable_clear();
    CU_ASSERT_EQUAL(open_view(), 0);
    /* Without the index only a scan says where it is; that cannot read its beginning. */
    test_must(unlinkat(spool.lanes[0].fd, "0000000000000001.idx", 0) == 0, "unlink");
    test_unreadable_set(spool.lanes[0].fd, name, entry.offset, 1);
    static struct rp_spool_cursor cursor;
    memset(&cursor, 0, sizeof cursor);
    struct rp_spool_reader *second;
    struct rp_spool_message_view *view;
    CU_ASSERT_EQUAL_FATAL(rp_spool_reader_open(spool.path, &second), 0);
    for (uint64_t i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL_FATAL(rp_spool_reader_next(second, &cursor, &entry), 1);
        CU_ASSERT_EQUAL(entry.sequence, i);
        CU_ASSERT_EQUAL(entry.is_damaged, i == 1);
        int error = rp_spool_view_open(second, &entry, &view);
        CU_ASSERT_EQUAL(error, i == 1 ? -EIO : 0);
        if (error == 0) {
            rp_spool_view_close(view);
        }
    }
    test_unreadable_clear();
    rp_spool_reader_close(second);
    end();
}

int main(void)
{
    if (CU_initialize_registry() != CUE_SUCCESS) {
        return 1;
    }
    CU_pSuite suite = CU_add_suite("view", NULL, NULL);
    CU_ADD_TEST(suite, test_whole);
    CU_ADD_TEST(suite, test_altered);
    CU_ADD_TEST(suite, test_cut);
    CU_ADD_TEST(suite, test_another);
    CU_ADD_TEST(suite, test_huge_lengths);
    CU_ADD_TEST(suite, test_big);
    CU_ADD_TEST(suite, test_big_empty);
    CU_ADD_TEST(suite, test_big_unreadable);
    CU_ADD_TEST(suite, test_moved);
    CU_ADD_TEST(suite, test_unreadable_record);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    unsigned run = CU_get_number_of_tests_run();
    CU_cleanup_registry();
    return failures == 0 && run == 10 ? 0 : 1;
}
