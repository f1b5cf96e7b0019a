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

/* spool.meta is damaged: what other files say of it is as good, and the messages are there. */
static void test_damaged_meta(void)
{
    make_messages();
    test_spool_make(&spool, NULL, 2, false);
    write_messages(0, MESSAGES);
    for (int round = 0; round < 2; round++) {
        struct rp_spool_reader *reader;
        struct rp_spool_info info;
        if (round == 0) {
            test_write_at(spool.fd, RP_SPOOL_META_NAME, 20, "xxxx", 4);
        } else {
            test_must(unlinkat(spool.fd, RP_SPOOL_META_NAME, 0) == 0, "unlink");
        }
        CU_ASSERT_EQUAL_FATAL(rp_spool_reader_open(spool.path, &reader), 0);
        rp_spool_reader_info(reader, &info);
        CU_ASSERT_EQUAL(info.lane_count, 2);
        CU_ASSERT_EQUAL(info.created_ns, round == 0 ? TEST_CREATED_NS : 0);
        CU_ASSERT_EQUAL(memcmp(info.identity, spool.identity, 16), 0);
        memset(&cursor, 0, sizeof cursor);
        check_next(reader, 0, MESSAGES);
        rp_spool_reader_close(reader);
    }
    test_spool_free(&spool);
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

/* A message that the client knows of is damaged while the daemon is at work: it is shown as such,
 * and those behind it are there, as they come. */
static void test_live_damaged(void)
{
    make_messages();
    test_spool_make(&spool, NULL, 1, true);
    struct rp_spool_reader *reader;
    struct rp_spool_entry entry;
    CU_ASSERT_EQUAL_FATAL(rp_spool_reader_open(spool.path, &reader), 0);
    memset(&cursor, 0, sizeof cursor);
    test_spool_put(&spool, 0, messages, 1, ids);
    check_next(reader, 0, 1);
    test_spool_put(&spool, 0, messages + 1, 3, ids + 1);
    spool.lanes[0].lane.segment[test_entry(spool.lanes[0].lane.index, 1).offset + 50] ^= 1;
    CU_ASSERT_EQUAL_FATAL(rp_spool_reader_next(reader, &cursor, &entry), 1);
    CU_ASSERT_TRUE(entry.is_damaged);
    CU_ASSERT_EQUAL(entry.sequence, 1);
    struct rp_spool_message_view *view;
    CU_ASSERT_EQUAL(rp_spool_view_open(reader, &entry, &view), -EBADMSG);
    check_next(reader, 2, 2);
    test_spool_put(&spool, 0, messages + 4, 2, ids + 4);
    check_next(reader, 4, 2);
    rp_spool_reader_close(reader);
    test_spool_free(&spool);
}

/* Random work of a daemon, with failed batches of which anything has reached the disk, and a reader
 * that looks now and then: it sees what was committed, once, in order, and nothing else. */
static void test_live_random(void)
{
    for (uint64_t seed = 1; seed <= 30; seed++) {
        uint64_t random = seed;
        size_t written = 0;
        size_t seen = 0;
        unsigned failures = CU_get_number_of_failures();
        make_messages();
        test_spool_make(&spool, NULL, 1, true);
        struct rp_spool_reader *reader;
        CU_ASSERT_EQUAL_FATAL(rp_spool_reader_open(spool.path, &reader), 0);
        memset(&cursor, 0, sizeof cursor);
        while (written < MESSAGES) {
            size_t count = 1 + test_random(&random) % 4;
            count = count < MESSAGES - written ? count : MESSAGES - written;
            switch (test_random(&random) % 8) {
            case 0:
                test_spool_abandon(&spool, 0, messages + test_random(&random) % 50, count,
                                   test_random(&random) % 3 == 0 ? UINT64_MAX
                                                                 : test_random(&random) % 9000);
                if (test_random(&random) % 2 == 0) {
                    test_spool_put_header(&spool, 0);
                } else {
                    test_spool_open_segment(&spool, 0);
                }
                break;
            case 1: test_spool_close_segment(&spool, 0); break;
            case 2:
                check_next(reader, seen, written - seen);
                seen = written;
                break;
            default:
                test_spool_put(&spool, 0, messages + written, count, ids + written);
                written += count;
            }
        }
        check_next(reader, seen, written - seen);
        memset(&cursor, 0, sizeof cursor);
        check_next(reader, 0, written);
        rp_spool_reader_close(reader);
        test_unlock(&spool); /* and without it, the same */
        CU_ASSERT_EQUAL_FATAL(rp_spool_reader_open(spool.path, &reader), 0);
        memset(&cursor, 0, sizeof cursor);
        check_next(reader, 0, written);
        rp_spool_reader_close(reader);
        test_spool_free(&spool);
        if (CU_get_number_of_failures() != failures) {
            (void)fprintf(stderr, "seed %u\n", (unsigned)seed);
        }
    }
}

/* What a crash and a reboot leave: no doorbell that counts, open segments. All is seen. */
static void test_after_crash(void)
{
    make_messages();
    for (int round = 0; round < 4; round++) {
        test_spool_make(&spool, NULL, 2, round > 0);
        write_messages(0, MESSAGES);
        if (round == 1) {
            spool.bell->boot_id[3] ^= 1;
        } else if (round == 2) {
            spool.bell->identity[3] ^= 1;
        } else if (round == 3) {
            test_unlock(&spool);
        }
        struct rp_spool_reader *reader;
        CU_ASSERT_EQUAL_FATAL(rp_spool_reader_open(spool.path, &reader), 0);
        memset(&cursor, 0, sizeof cursor);
        check_next(reader, 0, MESSAGES);
        rp_spool_reader_close(reader);
        test_spool_free(&spool);
    }
}

/* ---- random damage of a lane of several segments ---- */

/* Where message i is in its segment's file, and whether anything has hit it. */
struct place {
    uint64_t segment;
    uint64_t from;
    uint64_t to;
    bool is_hit;
};

static struct place places[MESSAGES];
static bool is_segment_hit[MESSAGES + 2];
static bool is_beginning_hit; /* of a segment: what it voids may not be known any more */
static struct rp_spool_id void_ids[MESSAGES];
static size_t void_count;

static void note_places(size_t first, size_t count)
{
    const struct rp_spool_writer *writer = &spool.lanes[0].lane.writer;
    for (size_t i = first; i < first + count; i++) {
        struct rp_spool_index_entry entry =
            test_entry(spool.lanes[0].lane.index, i - writer->first_sequence);
        bool is_big = (entry.flags & RP_SPOOL_INDEX_BIG) != 0;
        places[i] = (struct place){
            .segment = writer->segment,
            .from = entry.offset,
            .to = entry.offset + 64 + entry.envelope_len + (is_big ? 0 : entry.body_len),
        };
    }
}

/* A lane with failed batches; returns the number of its last segment. */
static uint64_t write_random_lane(uint64_t *random)
{
    memset(is_segment_hit, 0, sizeof is_segment_hit);
    is_beginning_hit = false;
    void_count = 0;
    for (size_t i = 0; i < MESSAGES;) {
        size_t count = 1 + test_random(random) % 4;
        count = count < MESSAGES - i ? count : MESSAGES - i;
        test_spool_put(&spool, 0, messages + i, count, ids + i);
        note_places(i, count);
        i += count;
        const struct rp_spool_writer *writer = &spool.lanes[0].lane.writer;
        if (i < MESSAGES && test_random(random) % 6 == 0) {
            test_spool_abandon(&spool, 0, messages + 20, 1, UINT64_MAX);
            struct rp_spool_index_entry entry =
                test_entry(spool.lanes[0].lane.index, writer->sequence - writer->first_sequence);
            rp_format_id(0, writer->segment, entry.offset, &void_ids[void_count++]);
            test_spool_open_segment(&spool, 0);
        } else if (test_random(random) % 6 == 0) {
            test_spool_close_segment(&spool, 0);
        }
    }
    return spool.lanes[0].next - 1;
}

static void damage_lane(uint64_t last, uint64_t *random)
{
    static const uint8_t zeros[RP_SPOOL_SECTOR];
    const uint64_t segment = 1 + test_random(random) % last;
    char name[RP_FORMAT_FILE_NAME];
    if (test_random(random) % 2 == 0) { /* an index says nothing that the segment does not */
        rp_format_index_name(segment, name);
        (void)unlinkat(spool.lanes[0].fd, name, 0); /* there may be none */
        return;
    }
    uint64_t used = 2 * RP_SPOOL_BLOCK;
    for (size_t i = 0; i < MESSAGES; i++) {
        used = places[i].segment == segment && places[i].to > used ? places[i].to : used;
    }
    const bool is_sector = test_random(random) % 2 == 0;
    const uint64_t at =
        test_random(random) % 4 == 0 ? test_random(random) % 8192 : test_random(random) % used;
    const uint64_t from = is_sector ? at / RP_SPOOL_SECTOR * RP_SPOOL_SECTOR : at;
    const uint64_t to = is_sector ? from + RP_SPOOL_SECTOR : from + 1;
    rp_format_segment_name(segment, name);
    test_write_at(spool.lanes[0].fd, name, from, is_sector ? zeros : (const void *)"?",
                  (size_t)(to - from));
    is_segment_hit[segment] = true;
    is_beginning_hit = is_beginning_hit || from < 2 * RP_SPOOL_BLOCK;
    for (size_t i = 0; i < MESSAGES; i++) {
        places[i].is_hit = places[i].is_hit || (places[i].segment == segment &&
                                                from < places[i].to && places[i].from < to);
    }
}

/* The message of this id; MESSAGES: it is none that was committed. */
static size_t find_message(const char *id)
{
    size_t i = 0;
    while (i < MESSAGES && strcmp(ids[i].text, id) != 0) {
        i++;
    }
    return i;
}

static bool is_void(const char *id)
{
    for (size_t i = 0; i < void_count; i++) {
        if (strcmp(void_ids[i].text, id) == 0) {
            return true;
        }
    }
    return false;
}

/* Nothing but what was committed is shown, in order; all of it that is not hit is there. */
static void check_damaged_lane(uint64_t last)
{
    struct rp_spool_reader *reader;
    struct rp_spool_entry entry;
    bool is_shown[MESSAGES] = {false};
    uint64_t next = 0;
    CU_ASSERT_EQUAL_FATAL(rp_spool_reader_open(spool.path, &reader), 0);
    memset(&cursor, 0, sizeof cursor);
    int result;
    while ((result = rp_spool_reader_next(reader, &cursor, &entry)) == 1) {
        CU_ASSERT_TRUE(entry.sequence >= next || is_beginning_hit);
        next = entry.sequence + 1;
        struct rp_spool_message_view *view;
        if (entry.is_damaged || rp_spool_view_open(reader, &entry, &view) != 0) {
            continue;
        }
        rp_spool_view_close(view);
        size_t i = find_message(entry.id.text);
        if (i == MESSAGES) {
            CU_ASSERT_TRUE(is_beginning_hit && is_void(entry.id.text));
            continue;
        }
        CU_ASSERT_FALSE(is_shown[i]);
        CU_ASSERT_EQUAL(entry.sequence, i);
        CU_ASSERT_TRUE(test_is_message(reader, &entry, &messages[i]));
        is_shown[i] = true;
    }
    CU_ASSERT_EQUAL(result, 0);
    for (size_t i = 0; i < MESSAGES; i++) {
        bool may_wait = places[i].segment == last && is_segment_hit[last];
        CU_ASSERT_TRUE(is_shown[i] || places[i].is_hit || may_wait);
    }
    rp_spool_reader_close(reader);
}

static void test_random_damage(void)
{
    make_messages();
    for (uint64_t seed = 1; seed <= 150; seed++) {
        uint64_t random = seed;
        unsigned failures = CU_get_number_of_failures();
        test_spool_make(&spool, NULL, 1, false);
        uint64_t last = write_random_lane(&random);
        if (test_random(&random) % 2 == 0) {
            test_spool_close_segment(&spool, 0);
        }
        for (uint64_t i = test_random(&random) % 10; i > 0; i--) {
            damage_lane(last, &random);
        }
        check_damaged_lane(last);
        test_spool_free(&spool);
        if (CU_get_number_of_failures() != failures) {
            (void)fprintf(stderr, "seed %u\n", (unsigned)seed);
        }
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
    /* As the daemon's start does: an index, then the doorbell. */
    struct rp_spool_writer copy = lane->writer;
    uint64_t len = rp_spool_writer_close_segment(&copy);
    CU_ASSERT_EQUAL(len, RP_SPOOL_BLOCK + 4 * 64);
    test_write_file(spool.lanes[0].fd, "0000000000000001.idx", lane->index, (size_t)len);
    test_spool_crash_segment(&spool, 0);
    check_next(reader, 3, 0);
    spool.bell->generation++;
    spool.bell->lanes[0].tail = 4;
    check_next(reader, 3, 1);
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
    for (uint64_t i = 4; i < 6; i++) { /* its index says what is lost */
        CU_ASSERT_EQUAL(rp_spool_reader_next(reader, &cursor, &entry), 1);
        CU_ASSERT_TRUE(entry.is_damaged);
        CU_ASSERT_EQUAL(entry.sequence, i);
        CU_ASSERT_EQUAL(rp_spool_view_open(reader, &entry, &view), -ENOENT);
    }
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
    CU_ADD_TEST(suite, test_live_damaged);
    CU_ADD_TEST(suite, test_live_random);
    CU_ADD_TEST(suite, test_damaged_meta);
    CU_ADD_TEST(suite, test_after_crash);
    CU_ADD_TEST(suite, test_random_damage);
    CU_ADD_TEST(suite, test_recovered_meanwhile);
    CU_ADD_TEST(suite, test_more_lanes);
    CU_ADD_TEST(suite, test_garbage_names);
    CU_ADD_TEST(suite, test_damaged_header);
    CU_ADD_TEST(suite, test_removed);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    unsigned run = CU_get_number_of_tests_run();
    CU_cleanup_registry();
    return failures == 0 && run == 15 ? 0 : 1;
}
