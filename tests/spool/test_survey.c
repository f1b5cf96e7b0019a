/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_survey.c - a segment among its neighbours.
 *
 * A lane of three segments is written; headers, indexes, first and last records are damaged one by
 * one and together, and for each the entries that should be found are told by hand. One property
 * for all: an index with any bit flipped changes nothing, because the segment says the same.
 */
#include "spool.h"
#include "spool/survey.h"
#include "unreadable.h"

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>

#define EACH 4u /* messages a segment */

static struct test_spool spool;
static struct test_message messages[3 * EACH];
static struct rp_spool_id ids[3 * EACH];
static uint64_t numbers[3];

static void make_messages(void)
{
    for (uint64_t i = 0; i < 3 * EACH; i++) {
        messages[i] = (struct test_message){.number = i, .body_len = 50 * i, .time_ns = 100 + i};
        messages[i].big_id = i == 1 ? 77 : 0;
    }
    memcpy(numbers, (const uint64_t[]){1, 2, 3}, sizeof numbers);
}

/* Segments 1, 2 and 3 (or 1, 2 and 4) of four messages each, in batches of two, with indexes. */
static void begin(bool has_gap)
{
    test_spool_make(&spool, NULL, 1, false);
    make_messages();
    for (uint64_t i = 0; i < 3; i++) {
        spool.lanes[0].next += i == 2 && has_gap;
        numbers[i] = spool.lanes[0].next;
        test_spool_open_segment(&spool, 0);
        for (size_t j = i * EACH; j < (i + 1) * EACH; j += 2) {
            test_spool_put(&spool, 0, messages + j, 2, ids + j);
        }
    }
    test_spool_close_segment(&spool, 0);
}

static void write_at(const char *name, uint64_t off, const void *ptr, size_t len)
{
    test_write_at(spool.lanes[0].fd, name, off, ptr, len);
}

static void spoil(const char *name, uint64_t off)
{
    static const uint8_t noise[64] =
        "something else altogether, sixty-four octets of it, really now.";
    write_at(name, off, noise, sizeof noise);
}

static void spoil_index(uint64_t number)
{
    char name[RP_FORMAT_FILE_NAME];
    rp_format_index_name(number, name);
    spoil(name, 0);
}

static void spoil_header(uint64_t number)
{
    char name[RP_FORMAT_FILE_NAME];
    rp_format_segment_name(number, name);
    spoil(name, 0);
}

static void spoil_message(size_t i)
{
    uint32_t lane;
    uint64_t segment;
    uint64_t offset;
    char name[RP_FORMAT_FILE_NAME];
    test_must(rp_format_id_parse(ids[i].text, &lane, &segment, &offset), "id");
    rp_format_segment_name(segment, name);
    spoil(name, offset);
}

/* Cut a file short before the BEGIN that is before a message: nothing of its batch is left. */
static void cut_before(size_t i)
{
    uint32_t lane;
    uint64_t segment;
    uint64_t offset;
    char name[RP_FORMAT_FILE_NAME];
    test_must(rp_format_id_parse(ids[i].text, &lane, &segment, &offset), "id");
    rp_format_segment_name(segment, name);
    int fd = openat(spool.lanes[0].fd, name, O_WRONLY | O_CLOEXEC);
    test_must(fd >= 0 && ftruncate(fd, (off_t)offset - 64) == 0 && close(fd) == 0, name);
}

static struct rp_survey_lane as_lane(void)
{
    return (struct rp_survey_lane){
        .fd = spool.lanes[0].fd,
        .big_fd = spool.big_fd,
        .identity = spool.identity,
        .lane = 0,
        .limit = RP_FORMAT_SEQUENCE_NONE,
        .numbers = numbers,
        .count = 3,
    };
}

/* The segment `i` has these entries from `first` on: W whole, D damaged, U unfinished. */
static void check_in(const struct rp_survey_lane *lane,
                     size_t i,
                     uint64_t first,
                     const char *entries,
                     bool is_trusted)
{
    struct rp_survey_segment segment;
    CU_ASSERT_EQUAL_FATAL(rp_survey_open(lane, i, &segment), 0);
    CU_ASSERT_EQUAL(segment.number, numbers[i]);
    CU_ASSERT_EQUAL(segment.is_trusted, is_trusted);
    CU_ASSERT_EQUAL(segment.count, strlen(entries));
    CU_ASSERT_TRUE(segment.count == 0 || segment.first_sequence == first);
    for (uint64_t j = 0; j < segment.count && j < strlen(entries); j++) {
        const struct rp_spool_index_entry *entry = &segment.entries[j];
        const char *damaged = (entry->flags & RP_SPOOL_INDEX_DAMAGED) != 0 ? "D" : "W";
        CU_ASSERT_EQUAL((entry->flags & RP_SPOOL_INDEX_UNFINISHED) != 0 ? 'U' : *damaged,
                        entries[j]);
        CU_ASSERT_EQUAL(entry->sequence, first + j);
        struct rp_spool_id id;
        rp_format_id(0, segment.number, entry->offset, &id);
        if (entries[j] == 'W') {
            CU_ASSERT_STRING_EQUAL(id.text, ids[first + j].text);
        }
    }
    rp_survey_close(&segment);
    rp_survey_close(&segment); /* zeroed: nothing */
}

static void check(size_t i, uint64_t first, const char *entries, bool is_trusted)
{
    struct rp_survey_lane lane = as_lane();
    check_in(&lane, i, first, entries, is_trusted);
}

/* What recovery does with the segment, and what it says of its end. */
static void check_end(size_t i, enum rp_recover_action action, enum rp_recover_tail tail)
{
    struct rp_survey_lane lane = as_lane();
    struct rp_survey_segment segment;
    CU_ASSERT_EQUAL_FATAL(rp_survey_open(&lane, i, &segment), 0);
    CU_ASSERT_EQUAL(rp_survey_action(&segment), action);
    CU_ASSERT_EQUAL(segment.result.tail, tail);
    rp_survey_close(&segment);
}

static void test_trusted(void)
{
    begin(false);
    check(0, 0, "WWWW", true);
    check(1, EACH, "WWWW", true);
    check(2, 2 * EACH, "WWWW", true);
    test_spool_free(&spool);
}

/* No bit of an index can be flipped so that something else is found. */
static void test_index_flipped(void)
{
    begin(false);
    char name[RP_FORMAT_FILE_NAME];
    rp_format_index_name(numbers[1], name);
    static uint8_t octets[RP_SPOOL_BLOCK + EACH * sizeof(struct rp_spool_index_entry)];
    int fd = openat(spool.lanes[0].fd, name, O_RDWR | O_CLOEXEC);
    test_must(fd >= 0 && read(fd, octets, sizeof octets) == (ssize_t)sizeof octets, name);
    for (size_t at = 0; at < sizeof octets; at++) {
        if (at >= sizeof(struct rp_spool_index_header) && at < RP_SPOOL_BLOCK) {
            continue; /* between header and entries */
        }
        uint8_t octet = octets[at] ^ (uint8_t)(1u << at % 8);
        test_must(pwrite(fd, &octet, 1, (off_t)at) == 1, name);
        check(1, EACH, "WWWW", false);
        test_must(pwrite(fd, &octets[at], 1, (off_t)at) == 1, name);
    }
    check(1, EACH, "WWWW", true);
    for (size_t len = 0; len < sizeof octets; len += 60) {
        test_must(ftruncate(fd, (off_t)len) == 0, name);
        check(1, EACH, "WWWW", false);
        test_must(pwrite(fd, octets, sizeof octets, 0) == (ssize_t)sizeof octets, name);
    }
    (void)close(fd);
    test_spool_free(&spool);
}

/* A failed batch in segment 1 used sequences that segment 2 used again. */
static void make_void(void)
{
    test_spool_make(&spool, NULL, 1, false);
    make_messages();
    test_spool_put(&spool, 0, messages, EACH, ids);
    test_spool_abandon(&spool, 0, messages + 9, 3, UINT64_MAX);
    test_spool_open_segment(&spool, 0);
    test_spool_put(&spool, 0, messages + EACH, EACH, ids + EACH);
    test_spool_open_segment(&spool, 0);
    test_spool_put(&spool, 0, messages + 2 * EACH, EACH, ids + 2 * EACH);
    test_spool_close_segment(&spool, 0);
}

static void test_void(void)
{
    make_void();
    check(0, 0, "WWWW", true);
    spoil_index(1);
    check(0, 0, "WWWW", false);
    check_end(0, RP_RECOVER_REBUILD, RP_RECOVER_TAIL_NONE);
    /* The next header is gone: its index says as much. Then only its first record does. */
    spoil_header(2);
    check(0, 0, "WWWW", false);
    spoil_index(2);
    check(0, 0, "WWWW", false);
    check(1, EACH, "WWWW", false);
    /* With the tail that a doorbell of this boot has, it is the same without any neighbour. */
    struct rp_survey_lane lane = as_lane();
    lane.count = 1;
    lane.limit = EACH;
    struct rp_survey_segment segment;
    CU_ASSERT_EQUAL_FATAL(rp_survey_open(&lane, 0, &segment), 0);
    CU_ASSERT_EQUAL(segment.count, EACH);
    CU_ASSERT_EQUAL(segment.result.void_records, 3);
    rp_survey_close(&segment);
    test_spool_free(&spool);
}

/* Of segment 2 no header, index or mark is left, and of its first messages only a header: that is
 * enough to say where it begins, so that what it voids stays void. */
static void test_void_by_suspect(void)
{
    make_void();
    test_must(unlinkat(spool.lanes[0].fd, "0000000000000003.seg", 0) == 0, "unlink");
    test_must(unlinkat(spool.lanes[0].fd, "0000000000000003.idx", 0) == 0, "unlink");
    struct rp_survey_lane lane = as_lane();
    lane.count = 2;
    spoil_index(1);
    spoil_header(2);
    spoil_index(2);
    spoil("0000000000000002.seg", RP_SPOOL_BLOCK);
    for (size_t i = EACH; i < 2 * EACH; i++) { /* the last 64 octets of each body */
        uint32_t number;
        uint64_t segment;
        uint64_t offset;
        test_must(rp_format_id_parse(ids[i].text, &number, &segment, &offset), "id");
        static uint8_t envelope[TEST_ENVELOPE_MAX];
        uint64_t end = offset + 64 + test_envelope(&messages[i], envelope) + messages[i].body_len;
        spoil("0000000000000002.seg", end - 64);
        if (i + 1 == 2 * EACH) {
            spoil("0000000000000002.seg", (end + 63) / 64 * 64);
        }
    }
    check_in(&lane, 0, 0, "WWWW", false);
    check_in(&lane, 1, EACH, "DDDD", false);
    test_spool_free(&spool);
}

/* An index that says more than the next header allows is not believed. */
static void test_index_but_void(void)
{
    test_spool_make(&spool, NULL, 1, false);
    make_messages();
    test_spool_put(&spool, 0, messages, EACH / 2, ids);
    test_spool_put(&spool, 0, messages + 2, EACH / 2, ids + 2);
    test_spool_close_segment(&spool, 0);
    spool.lanes[0].lane.writer.sequence = 2;
    test_spool_put(&spool, 0, messages + EACH, EACH, ids + 2);
    test_spool_close_segment(&spool, 0);
    struct rp_survey_lane lane = as_lane();
    lane.count = 2;
    struct rp_survey_segment segment;
    CU_ASSERT_EQUAL_FATAL(rp_survey_open(&lane, 0, &segment), 0);
    CU_ASSERT_FALSE(segment.is_trusted);
    CU_ASSERT_EQUAL(segment.count, 2);
    CU_ASSERT_EQUAL(segment.result.void_records, 2);
    rp_survey_close(&segment);
    test_spool_free(&spool);
}

/* An index whose first sequence is not that of the segment's good header is not believed. */
static void test_index_of_another_time(void)
{
    begin(false);
    static uint8_t page[RP_SPOOL_BLOCK];
    struct rp_spool_index_header header = {.segment = 2, .first_sequence = EACH + 1};
    memcpy(header.identity, spool.identity, sizeof header.identity);
    rp_format_index_seal(&header, page);
    write_at("0000000000000002.idx", 0, page, sizeof page);
    check(1, EACH, "WWWW", false);
    spoil_header(2);
    check(1, EACH + 1, "", true);
    test_spool_free(&spool);
}

/* Messages at the end are gone: known only where the very next segment is there. */
static void test_lost_end(void)
{
    for (int has_gap = 0; has_gap <= 1; has_gap++) {
        begin(has_gap != 0);
        spoil_index(numbers[0]);
        spoil_index(numbers[1]);
        cut_before(2);
        cut_before(6);
        check(0, 0, "WWDD", false);
        check_end(0, RP_RECOVER_REBUILD, RP_RECOVER_TAIL_NONE);
        check(1, EACH, has_gap != 0 ? "WW" : "WWDD", false);
        check_end(1, has_gap != 0 ? RP_RECOVER_KEEP : RP_RECOVER_REBUILD,
                  has_gap != 0 ? RP_RECOVER_TAIL_DAMAGED : RP_RECOVER_TAIL_NONE);
        test_spool_free(&spool);
    }
}

/* A segment whose end nobody knew: the next header skips as many as might have been there. */
static void test_skipped(void)
{
    test_spool_make(&spool, NULL, 1, false);
    make_messages();
    test_spool_put(&spool, 0, messages, EACH, ids);
    uint64_t end = spool.lanes[0].lane.writer.off;
    test_spool_put(&spool, 0, messages + EACH, 2, ids + EACH);
    test_spool_crash_segment(&spool, 0);
    static uint8_t noise[RP_SPOOL_BLOCK];
    memset(noise, 0xee, sizeof noise);
    static uint8_t saved[RP_SPOOL_BLOCK];
    int fd = openat(spool.lanes[0].fd, "0000000000000001.seg", O_RDONLY | O_CLOEXEC);
    test_must(fd >= 0 && pread(fd, saved, sizeof saved, (off_t)end) == (ssize_t)sizeof saved, "");
    (void)close(fd);
    write_at("0000000000000001.seg", end, noise, sizeof noise);
    struct rp_survey_lane lane = as_lane();
    lane.count = 1;
    check_in(&lane, 0, 0, "WWWW", false);
    check_end(0, RP_RECOVER_KEEP, RP_RECOVER_TAIL_DAMAGED);
    /* It goes on, as the daemon's next start has it. */
    struct rp_spool_writer *writer = &spool.lanes[0].lane.writer;
    const struct rp_spool_writer_place place = {
        .sequence = EACH + 1024,
        .skipped = 1024,
    };
    rp_spool_writer_init(writer, spool.identity, &place, spool.bell);
    struct rp_spool_id id;
    test_spool_put(&spool, 0, messages, 1, &id);
    test_spool_close_segment(&spool, 0);
    lane.count = 2;
    check_in(&lane, 0, 0, "WWWW", false);
    check_end(0, RP_RECOVER_KEEP, RP_RECOVER_TAIL_DAMAGED);
    struct rp_survey_segment segment;
    CU_ASSERT_EQUAL_FATAL(rp_survey_open(&lane, 1, &segment), 0);
    CU_ASSERT_EQUAL(segment.skipped, 1024);
    CU_ASSERT_EQUAL(segment.first_sequence, EACH + 1024);
    rp_survey_close(&segment);
    /* What it skipped is in its header alone: without that, its index closes nothing. */
    static uint8_t header[64];
    fd = openat(spool.lanes[0].fd, "0000000000000002.seg", O_RDONLY | O_CLOEXEC);
    test_must(fd >= 0 && pread(fd, header, sizeof header, 0) == (ssize_t)sizeof header, "");
    (void)close(fd);
    spoil_header(2);
    check_in(&lane, 0, 0, "WWWW", false);
    check_end(0, RP_RECOVER_KEEP, RP_RECOVER_TAIL_DAMAGED);
    write_at("0000000000000002.seg", 0, header, sizeof header);
    /* Whatever is found there later was committed, and is not void. */
    write_at("0000000000000001.seg", end, saved, sizeof saved);
    check_in(&lane, 0, 0, "WWWWWW", false);
    check_end(0, RP_RECOVER_REBUILD, RP_RECOVER_TAIL_NONE);
    test_spool_free(&spool);
}

/* The last batch of all: a tail proves it, else it speaks for itself. */
static void test_last_batch(void)
{
    test_spool_make(&spool, NULL, 1, false);
    make_messages();
    messages[3].body_len = test_body_len_to_sector(messages + 2, 2);
    test_spool_put(&spool, 0, messages, 2, ids);
    test_spool_write(&spool, 0, messages + 2, 2, UINT64_MAX);
    const struct rp_spool_batch *batch = &spool.lanes[0].lane.batch;
    memset(spool.lanes[0].lane.segment + batch->off + batch->begin.len - 64, 0, 64);
    memset(spool.lanes[0].lane.segment + batch->off + 64, 0x55, 64); /* the first record's header */
    struct rp_spool_id id;
    rp_format_id(0, 1, test_entry(spool.lanes[0].lane.index, 3).offset, &id);
    ids[3] = id;
    struct rp_survey_lane lane = as_lane();
    lane.count = 1;
    check_in(&lane, 0, 0, "WWUW", false);
    check_end(0, RP_RECOVER_REBUILD, RP_RECOVER_TAIL_UNFINISHED);
    lane.proven = 4;
    check_in(&lane, 0, 0, "WWDW", false);
    lane.proven = 2;
    check_in(&lane, 0, 0, "WWUW", false);
    lane.proven = 3; /* it ends within the batch: message 2 was there, but not the batch */
    check_in(&lane, 0, 0, "WWDW", false);
    check_end(0, RP_RECOVER_REBUILD, RP_RECOVER_TAIL_UNFINISHED);
    lane.proven = 0;
    /* An empty segment that is prepared behind it says nothing. */
    test_spool_crash_segment(&spool, 0);
    test_spool_prepare(&spool, 0);
    lane.count = 2;
    check_in(&lane, 0, 0, "WWUW", false);
    struct rp_survey_segment segment;
    CU_ASSERT_EQUAL_FATAL(rp_survey_open(&lane, 0, &segment), 0);
    CU_ASSERT_TRUE(segment.is_last);
    rp_survey_close(&segment);
    check_end(1, RP_RECOVER_REMOVE, RP_RECOVER_TAIL_NONE);
    /* One that was begun does. */
    lane.proven = 0;
    rp_spool_writer_open_segment(&spool.lanes[0].lane.writer, 2, RP_SPOOL_SEGMENT_MIN,
                                 spool.lanes[0].lane.index);
    spool.lanes[0].lane.writer.sequence = spool.lanes[0].lane.writer.first_sequence = 4;
    CU_ASSERT_EQUAL(test_commit(&spool.lanes[0].lane, messages + 4, 1, ids + 4), 1);
    check_in(&lane, 0, 0, "WWDW", false);
    check_in(&lane, 1, 4, "W", false);
    CU_ASSERT_EQUAL(rp_survey_next_first(&lane, 0), 4);
    CU_ASSERT_EQUAL(rp_survey_next_first(&lane, 1), RP_FORMAT_SEQUENCE_NONE);
    test_spool_free(&spool);
}

/* Headers are gone: the segment before says where this one begins. */
static void test_lost_headers(void)
{
    begin(false);
    spoil_header(2);
    spoil_index(2);
    check(1, EACH, "WWWW", false);
    spoil_message(EACH);
    check(1, EACH, "DWWW", false);
    spoil_header(3);
    spoil_index(3);
    check(1, EACH, "DWWW", false);
    spoil_message(2 * EACH);
    spoil_message(2 * EACH + 1);
    check(2, 2 * EACH, "DDWW", false);
    /* The first batch of all has nothing whole; the segment before says it was there. */
    const uint64_t first_end = RP_SPOOL_BLOCK + 1024;
    for (uint64_t off = RP_SPOOL_BLOCK; off < first_end; off += 64) {
        spoil("0000000000000003.seg", off);
    }
    spoil("0000000000000003.seg", 2 * RP_SPOOL_BLOCK - 64);
    check(2, 2 * EACH, "DDWW", false);
    /* The first segment of all: its first batch is all there is to go by. */
    spoil_header(1);
    spoil_index(1);
    check(0, 0, "WWWW", false);
    spoil_message(0);
    check(0, 0, "DWWW", false);
    test_spool_free(&spool);
}

static void test_big_body(void)
{
    begin(false);
    spoil_index(1);
    check(0, 0, "WWWW", false);
    char name[RP_FORMAT_FILE_NAME];
    rp_format_big_name(0, 77, name);
    test_write_file(spool.big_fd, name, "short", 5);
    check(0, 0, "WDWW", false);
    test_must(unlinkat(spool.big_fd, name, 0) == 0, name);
    check(0, 0, "WDWW", false);
    test_must(symlinkat("/dev/zero", spool.big_fd, name) == 0, name);
    check(0, 0, "WDWW", false);
    struct rp_survey_lane lane = as_lane();
    lane.big_fd = -1;
    check_in(&lane, 0, 0, "WDWW", false);
    test_spool_free(&spool);
}

/* A segment's file is gone: its index says what is lost, and where others begin. */
static void test_gone(void)
{
    begin(false);
    struct rp_survey_lane lane = as_lane();
    struct rp_survey_segment segment;
    test_must(unlinkat(lane.fd, "0000000000000002.seg", 0) == 0, "unlink");
    for (int is_dir = 0; is_dir <= 1; is_dir++) {
        check(1, EACH, "DDDD", true);
        CU_ASSERT_EQUAL_FATAL(rp_survey_open(&lane, 1, &segment), 0);
        CU_ASSERT_TRUE(segment.is_gone);
        CU_ASSERT_EQUAL(rp_survey_action(&segment), RP_RECOVER_KEEP);
        rp_survey_close(&segment);
        if (is_dir == 0) {
            test_must(mkdirat(lane.fd, "0000000000000002.seg", 0700) == 0, "mkdir");
        }
    }
    check(0, 0, "WWWW", true);
    check(2, 2 * EACH, "WWWW", true);
    spoil_index(1);
    cut_before(2);
    check(0, 0, "WWDD", false);
    spoil_index(2);
    CU_ASSERT_EQUAL(rp_survey_open(&lane, 1, &segment), -ENOENT);
    check(0, 0, "WW", false);
    spoil_index(3);
    check(2, 2 * EACH, "WWWW", false);
    test_spool_free(&spool);
}

/* A block that the disk cannot read: what was in it is damaged, and all stays as it is. */
static void test_unreadable_block(void)
{
    begin(false);
    const char *name = "0000000000000002.seg";
    test_unreadable_set(spool.lanes[0].fd, name, 2 * RP_SPOOL_BLOCK, 1);
    check(1, EACH, "WWWW", true);
    spoil_index(2);
    check(1, EACH, "WWDD", false);
    check_end(1, RP_RECOVER_KEEP, RP_RECOVER_TAIL_NONE);
    test_unreadable_set(spool.lanes[0].fd, name, 0, 1);
    check(1, EACH, "WWWW", false);
    check_end(1, RP_RECOVER_KEEP, RP_RECOVER_TAIL_NONE);
    test_unreadable_set(spool.lanes[0].fd, name, 8 * RP_SPOOL_BLOCK, 1);
    check(1, EACH, "WWWW", false);
    check_end(1, RP_RECOVER_KEEP, RP_RECOVER_TAIL_NONE);
    test_unreadable_set(spool.lanes[0].fd, "0000000000000003.seg", 8 * RP_SPOOL_BLOCK, 1);
    spoil_index(3);
    check(2, 2 * EACH, "WWWW", false);
    check_end(2, RP_RECOVER_KEEP, RP_RECOVER_TAIL_UNREADABLE);
    test_unreadable_clear();
    check_end(2, RP_RECOVER_REBUILD, RP_RECOVER_TAIL_NONE);
    test_spool_free(&spool);
}

int main(void)
{
    if (CU_initialize_registry() != CUE_SUCCESS) {
        return 1;
    }
    CU_pSuite suite = CU_add_suite("survey", NULL, NULL);
    CU_ADD_TEST(suite, test_trusted);
    CU_ADD_TEST(suite, test_index_flipped);
    CU_ADD_TEST(suite, test_void);
    CU_ADD_TEST(suite, test_void_by_suspect);
    CU_ADD_TEST(suite, test_index_but_void);
    CU_ADD_TEST(suite, test_index_of_another_time);
    CU_ADD_TEST(suite, test_lost_end);
    CU_ADD_TEST(suite, test_skipped);
    CU_ADD_TEST(suite, test_last_batch);
    CU_ADD_TEST(suite, test_lost_headers);
    CU_ADD_TEST(suite, test_big_body);
    CU_ADD_TEST(suite, test_gone);
    CU_ADD_TEST(suite, test_unreadable_block);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    unsigned run = CU_get_number_of_tests_run();
    CU_cleanup_registry();
    return failures == 0 && run == 13 ? 0 : 1;
}
