/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_reader.c - open a spool, go through it, sum it up.
 *
 * Spools are written with the writer library: settled ones, one that a daemon of this boot is
 * writing to, and what a crash leaves. Each message is compared in every octet. Every way
 * in which spool.meta or a directory can be something else has its error.
 */
#include "spool.h"

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>

static struct test_spool spool;
static struct rp_spool_cursor cursor;

#define MESSAGES 60u
static struct test_message messages[MESSAGES];
static struct rp_spool_id ids[MESSAGES];

static void make_messages(void)
{
    static const size_t sizes[] = {0, 1, 100, 5000, 40000};
    for (uint64_t i = 0; i < MESSAGES; i++) {
        messages[i] = (struct test_message){
            .number = i,
            .body_len = sizes[i % 5],
            .time_ns = 1000 + i,
            .big_id = i % 7 == 6 ? i : 0,
        };
    }
}

/* Message i goes into lane i % lanes, in batches of one to three, several segments each. */
static void write_messages(size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i++) {
        uint32_t lane = (uint32_t)(i % spool.lane_count);
        test_spool_put(&spool, lane, &messages[i], 1, &ids[i]);
        if (i % 9 == 8) {
            test_spool_close_segment(&spool, lane);
        }
    }
}

/* The next ones are messages first, first + 1, ..., in this order; then there is no more. */
static void check_next(struct rp_spool_reader *reader, size_t first, size_t count)
{
    struct rp_spool_entry entry;
    for (size_t i = first; i < first + count; i++) {
        CU_ASSERT_EQUAL_FATAL(rp_spool_reader_next(reader, &cursor, &entry), 1);
        CU_ASSERT_STRING_EQUAL(entry.id.text, ids[i].text);
        CU_ASSERT_EQUAL(entry.is_big, messages[i].big_id != 0);
        CU_ASSERT_TRUE(test_is_message(reader, &entry, &messages[i]));
    }
    CU_ASSERT_EQUAL(rp_spool_reader_next(reader, &cursor, &entry), 0);
}

static void test_open_errors(void)
{
    struct rp_spool_reader *reader;
    CU_ASSERT_EQUAL(rp_spool_reader_open("/tmp/rp-there-is-no-such-spool", &reader), -ENOENT);
    CU_ASSERT_EQUAL(rp_spool_reader_open("/proc/version", &reader), -ENOTDIR);
    test_spool_make(&spool, NULL, 1, false);
    struct rp_spool_meta meta;
    int fd = openat(spool.fd, RP_SPOOL_META_NAME, O_RDWR);
    test_must(fd >= 0 && read(fd, &meta, sizeof meta) == (ssize_t)sizeof meta, "meta");
    for (size_t len = 0; len < sizeof meta; len++) {
        test_must(ftruncate(fd, 0) == 0 && pwrite(fd, &meta, len, 0) == (ssize_t)len, "meta");
        CU_ASSERT_EQUAL(rp_spool_reader_open(spool.path, &reader), -EBADMSG);
    }
    struct rp_spool_meta newer = meta;
    newer.version++;
    rp_format_meta_seal(&newer);
    test_write_file(spool.fd, RP_SPOOL_META_NAME, &newer, sizeof newer);
    CU_ASSERT_EQUAL(rp_spool_reader_open(spool.path, &reader), -EPROTONOSUPPORT);
    test_must(unlinkat(spool.fd, RP_SPOOL_META_NAME, 0) == 0, "unlink");
    CU_ASSERT_EQUAL(rp_spool_reader_open(spool.path, &reader), -EINVAL);
    test_must(mkdirat(spool.fd, RP_SPOOL_META_NAME, 0700) == 0, "mkdir");
    CU_ASSERT_EQUAL(rp_spool_reader_open(spool.path, &reader), -EBADMSG);
    test_must(unlinkat(spool.fd, RP_SPOOL_META_NAME, AT_REMOVEDIR) == 0, "rmdir");
    test_must(mkfifoat(spool.fd, RP_SPOOL_META_NAME, 0600) == 0, "mkfifo");
    CU_ASSERT_EQUAL(rp_spool_reader_open(spool.path, &reader), -EBADMSG);
    test_must(unlinkat(spool.fd, RP_SPOOL_META_NAME, 0) == 0, "unlink");
    test_must(symlinkat("/dev/zero", spool.fd, RP_SPOOL_META_NAME) == 0, "symlink");
    CU_ASSERT_EQUAL(rp_spool_reader_open(spool.path, &reader), -EBADMSG);
    (void)close(fd);
    test_spool_free(&spool);
    rp_spool_reader_close(NULL);
}

static void test_info(void)
{
    test_spool_make(&spool, NULL, 3, false);
    struct rp_spool_reader *reader;
    CU_ASSERT_EQUAL_FATAL(rp_spool_reader_open(spool.path, &reader), 0);
    struct rp_spool_info info;
    rp_spool_reader_info(reader, &info);
    CU_ASSERT_EQUAL(info.lane_count, 3);
    CU_ASSERT_EQUAL(info.version, RP_SPOOL_VERSION);
    CU_ASSERT_EQUAL(info.segment_size, RP_SPOOL_SEGMENT_MIN);
    CU_ASSERT_EQUAL(info.created_ns, 1700000000000000000u);
    CU_ASSERT_EQUAL(memcmp(info.identity, spool.identity, 16), 0);
    struct rp_spool_stats stats;
    CU_ASSERT_EQUAL(rp_spool_reader_stats(reader, &stats), 0);
    CU_ASSERT_EQUAL(stats.messages, 0);
    CU_ASSERT_EQUAL(stats.oldest_ns, 0);
    rp_spool_reader_close(reader);
    test_spool_free(&spool);
}

/* One to four lanes, settled: in order of time over all lanes. */
static void test_settled(void)
{
    make_messages();
    for (uint32_t lanes = 1; lanes <= TEST_LANES_MAX; lanes++) {
        test_spool_make(&spool, NULL, lanes, false);
        write_messages(0, MESSAGES);
        for (uint32_t i = 0; i < lanes; i++) {
            test_spool_close_segment(&spool, i);
        }
        struct rp_spool_reader *reader;
        CU_ASSERT_EQUAL_FATAL(rp_spool_reader_open(spool.path, &reader), 0);
        memset(&cursor, 0, sizeof cursor);
        check_next(reader, 0, MESSAGES);
        struct rp_spool_stats stats;
        CU_ASSERT_EQUAL(rp_spool_reader_stats(reader, &stats), 0);
        CU_ASSERT_EQUAL(stats.messages, MESSAGES);
        CU_ASSERT_EQUAL(stats.big_messages, 8);
        CU_ASSERT_EQUAL(stats.oldest_ns, 1000);
        CU_ASSERT_EQUAL(stats.newest_ns, 1000 + MESSAGES - 1);
        CU_ASSERT_EQUAL(stats.damaged, 0);
        CU_ASSERT_EQUAL(stats.body_octets, MESSAGES / 5 * (0 + 1 + 100 + 5000 + 40000));
        CU_ASSERT_TRUE(stats.disk_octets > 500000 && stats.segments >= lanes);
        rp_spool_reader_close(reader);
        test_spool_free(&spool);
    }
}

/* A daemon writes: everything is seen as soon as it is committed, and nothing before. */
static void test_live(void)
{
    make_messages();
    test_spool_make(&spool, NULL, 2, true);
    struct rp_spool_reader *reader;
    CU_ASSERT_EQUAL_FATAL(rp_spool_reader_open(spool.path, &reader), 0);
    memset(&cursor, 0, sizeof cursor);
    check_next(reader, 0, 0);
    for (size_t i = 0; i < MESSAGES; i++) {
        struct test_lane *lane = &spool.lanes[i % 2].lane;
        if (lane->writer.segment == 0) {
            test_spool_prepare(&spool, i % 2); /* not seen, though its files are there */
            check_next(reader, i, 0);
            spool.lanes[i % 2].next--;
            test_spool_open_segment(&spool, i % 2);
            check_next(reader, i, 0);
        }
        if (messages[i].big_id == 0) { /* written, but not committed: not seen */
            struct rp_spool_id id;
            rp_spool_batch_begin(&lane->batch, &lane->writer);
            CU_ASSERT_EQUAL(test_append(lane, &messages[i], &id), 0);
            rp_spool_batch_seal(&lane->batch);
            test_write(lane, lane->batch.len);
            check_next(reader, i, 0);
            (void)rp_spool_batch_commit(&lane->batch);
            test_forget(lane);
            ids[i] = id;
        } else {
            test_spool_put(&spool, i % 2, &messages[i], 1, &ids[i]);
        }
        check_next(reader, i, 1);
        if (i % 9 == 8) {
            test_spool_close_segment(&spool, i % 2);
        }
    }
    /* A second reader sees the same, from the start. */
    struct rp_spool_reader *second;
    CU_ASSERT_EQUAL_FATAL(rp_spool_reader_open(spool.path, &second), 0);
    memset(&cursor, 0, sizeof cursor);
    check_next(second, 0, MESSAGES);
    rp_spool_reader_close(second);
    rp_spool_reader_close(reader);
    test_spool_free(&spool);
}

/* A failed batch, then the next segment: the tail passes what the failed one had planned. */
static void test_live_abandon(void)
{
    make_messages();
    test_spool_make(&spool, NULL, 1, true);
    struct rp_spool_reader *reader;
    CU_ASSERT_EQUAL_FATAL(rp_spool_reader_open(spool.path, &reader), 0);
    memset(&cursor, 0, sizeof cursor);
    test_spool_put(&spool, 0, messages, 3, ids);
    check_next(reader, 0, 3);
    test_spool_abandon(&spool, 0, &messages[20], 3, UINT64_MAX);
    check_next(reader, 3, 0);
    test_spool_open_segment(&spool, 0);
    check_next(reader, 3, 0);
    test_spool_put(&spool, 0, messages + 3, 3, ids + 3);
    check_next(reader, 3, 3);
    rp_spool_reader_close(reader);
    test_spool_free(&spool);
}

/* What a crash and a reboot leave: no doorbell that counts, open indexes. All is seen. */
static void test_after_crash(void)
{
    make_messages();
    for (int round = 0; round < 3; round++) {
        test_spool_make(&spool, NULL, 2, round > 0);
        write_messages(0, MESSAGES);
        if (round == 1) {
            spool.bell->boot_id[3] ^= 1;
        } else if (round == 2) {
            spool.bell->identity[3] ^= 1;
        }
        struct rp_spool_reader *reader;
        CU_ASSERT_EQUAL_FATAL(rp_spool_reader_open(spool.path, &reader), 0);
        memset(&cursor, 0, sizeof cursor);
        check_next(reader, 0, MESSAGES);
        rp_spool_reader_close(reader);
        test_spool_free(&spool);
    }
}

/* A daemon recovers the spool while a reader is at it: it goes on with the new files. */
static void test_recovered_meanwhile(void)
{
    make_messages();
    test_spool_make(&spool, NULL, 1, true);
    test_spool_put(&spool, 0, messages, 3, ids);
    struct rp_spool_reader *reader;
    CU_ASSERT_EQUAL_FATAL(rp_spool_reader_open(spool.path, &reader), 0);
    memset(&cursor, 0, sizeof cursor);
    check_next(reader, 0, 3);
    /* One more is written but not published when the daemon dies; recovery finds it. */
    struct test_lane *lane = &spool.lanes[0].lane;
    rp_spool_batch_begin(&lane->batch, &lane->writer);
    CU_ASSERT_EQUAL(test_append(lane, &messages[3], &ids[3]), 0);
    rp_spool_batch_seal(&lane->batch);
    test_write(lane, lane->batch.len);
    test_forget(lane);
    check_next(reader, 3, 0);
    static uint8_t copy[RP_SPOOL_BLOCK + 4 * sizeof(struct rp_spool_index_entry)];
    memcpy(copy, lane->index, sizeof copy);
    struct rp_spool_index_header header;
    memcpy(&header, copy, sizeof header);
    header.entries_hash = rp_format_hash(copy + RP_SPOOL_BLOCK, sizeof copy - RP_SPOOL_BLOCK, 0);
    header.count = 4;
    memcpy(copy, &header, sizeof header);
    test_write_file(spool.lanes[0].fd, "new", copy, sizeof copy);
    char name[RP_FORMAT_FILE_NAME];
    rp_format_index_name(1, name);
    test_must(renameat(spool.lanes[0].fd, "new", spool.lanes[0].fd, name) == 0, "rename");
    spool.bell->generation++;
    spool.bell->lanes[0].tail = 4;
    check_next(reader, 3, 1);
    test_spool_crash_segment(&spool, 0);
    test_spool_put(&spool, 0, messages + 4, 2, ids + 4);
    check_next(reader, 4, 2);
    rp_spool_reader_close(reader);
    test_spool_free(&spool);
}

/* Lanes that come later are seen, with a doorbell and without. */
static void test_more_lanes(void)
{
    make_messages();
    for (int live = 0; live <= 1; live++) {
        test_spool_make(&spool, NULL, 2, live != 0);
        spool.lane_count = 1;
        test_write_meta(&spool);
        spool.bell->lane_count = 1;
        test_spool_put(&spool, 0, messages, 1, ids);
        struct rp_spool_reader *reader;
        CU_ASSERT_EQUAL_FATAL(rp_spool_reader_open(spool.path, &reader), 0);
        memset(&cursor, 0, sizeof cursor);
        check_next(reader, 0, 1);
        spool.lane_count = 2;
        test_spool_put(&spool, 1, messages + 1, 1, ids + 1);
        test_write_meta(&spool);
        spool.bell->lane_count = 2;
        check_next(reader, 1, 1);
        rp_spool_reader_close(reader);
        test_spool_free(&spool);
    }
}

/* Names that are not ours, and ours for what is no file: passed over. */
static void test_garbage_names(void)
{
    make_messages();
    test_spool_make(&spool, NULL, 1, false);
    int fd = spool.lanes[0].fd;
    spool.lanes[0].next = 2;
    test_spool_put(&spool, 0, messages, 2, ids);
    test_spool_close_segment(&spool, 0);
    spool.lanes[0].next = 4;
    test_spool_put(&spool, 0, messages + 2, 2, ids + 2);
    test_spool_close_segment(&spool, 0);
    test_must(mkdirat(fd, "0000000000000001.seg", 0700) == 0, "mkdir");
    test_must(symlinkat("/dev/zero", fd, "0000000000000003.seg") == 0, "symlink");
    test_must(mkfifoat(fd, "0000000000000005.seg", 0600) == 0, "mkfifo");
    test_write_file(fd, "0000000000000006.seg", "", 0);
    test_write_file(fd, "0000000000000007.seg", "short", 5);
    test_write_file(fd, "README", "x", 1);
    test_write_file(fd, "zzzzzzzzzzzzzzzz.seg", "x", 1);
    test_write_file(fd, "0000000000000002.seg~", "x", 1);
    struct rp_spool_reader *reader;
    CU_ASSERT_EQUAL_FATAL(rp_spool_reader_open(spool.path, &reader), 0);
    memset(&cursor, 0, sizeof cursor);
    check_next(reader, 0, 4);
    struct rp_spool_stats stats;
    CU_ASSERT_EQUAL(rp_spool_reader_stats(reader, &stats), 0);
    CU_ASSERT_EQUAL(stats.messages, 4);
    rp_spool_reader_close(reader);
    test_spool_free(&spool);
}

/* A segment with a damaged header and nothing in it does not stop the lane. */
static void test_damaged_header(void)
{
    make_messages();
    for (int live = 0; live <= 1; live++) {
        test_spool_make(&spool, NULL, 1, live != 0);
        test_spool_put(&spool, 0, messages, 2, ids);
        test_spool_close_segment(&spool, 0);
        test_write_file(spool.lanes[0].fd, "0000000000000002.seg", "no header", 9);
        spool.lanes[0].next = 4;
        test_spool_put(&spool, 0, messages + 2, 2, ids + 2);
        struct rp_spool_reader *reader;
        CU_ASSERT_EQUAL_FATAL(rp_spool_reader_open(spool.path, &reader), 0);
        memset(&cursor, 0, sizeof cursor);
        check_next(reader, 0, 4);
        rp_spool_reader_close(reader);
        test_spool_free(&spool);
    }
}

/* A segment is removed in front of, under and behind the cursor. */
static void test_removed(void)
{
    make_messages();
    test_spool_make(&spool, NULL, 1, false);
    for (size_t i = 0; i < 4; i++) {
        test_spool_put(&spool, 0, messages + 2 * i, 2, ids + 2 * i);
        test_spool_close_segment(&spool, 0);
    }
    struct rp_spool_reader *reader;
    struct rp_spool_entry entry;
    CU_ASSERT_EQUAL_FATAL(rp_spool_reader_open(spool.path, &reader), 0);
    memset(&cursor, 0, sizeof cursor);
    CU_ASSERT_EQUAL(rp_spool_reader_next(reader, &cursor, &entry), 1);
    int fd = spool.lanes[0].fd;
    test_must(unlinkat(fd, "0000000000000001.seg", 0) == 0, "unlink");
    test_must(unlinkat(fd, "0000000000000001.idx", 0) == 0, "unlink");
    test_must(unlinkat(fd, "0000000000000003.seg", 0) == 0, "unlink");
    struct rp_spool_message_view *view;
    CU_ASSERT_EQUAL(rp_spool_view_open(reader, &entry, &view), -ENOENT);
    rp_spool_reader_close(reader);
    CU_ASSERT_EQUAL_FATAL(rp_spool_reader_open(spool.path, &reader), 0);
    CU_ASSERT_EQUAL(rp_spool_reader_next(reader, &cursor, &entry), 1);
    CU_ASSERT_STRING_EQUAL(entry.id.text, ids[2].text);
    CU_ASSERT_EQUAL(rp_spool_reader_next(reader, &cursor, &entry), 1);
    check_next(reader, 6, 2);
    rp_spool_reader_close(reader);
    test_spool_free(&spool);
}

int main(void)
{
    if (CU_initialize_registry() != CUE_SUCCESS) {
        return 1;
    }
    CU_pSuite suite = CU_add_suite("reader", NULL, NULL);
    CU_ADD_TEST(suite, test_open_errors);
    CU_ADD_TEST(suite, test_info);
    CU_ADD_TEST(suite, test_settled);
    CU_ADD_TEST(suite, test_live);
    CU_ADD_TEST(suite, test_live_abandon);
    CU_ADD_TEST(suite, test_after_crash);
    CU_ADD_TEST(suite, test_recovered_meanwhile);
    CU_ADD_TEST(suite, test_more_lanes);
    CU_ADD_TEST(suite, test_garbage_names);
    CU_ADD_TEST(suite, test_damaged_header);
    CU_ADD_TEST(suite, test_removed);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    unsigned run = CU_get_number_of_tests_run();
    CU_cleanup_registry();
    return failures == 0 && run == 11 ? 0 : 1;
}
