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

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>

#define EACH 4u /* messages a segment */

static struct test_spool spool;
static struct test_message messages[3 * EACH];
static struct rp_spool_id ids[3 * EACH];
static uint64_t numbers[3];

/* Segments 1, 2 and 3 (or 1, 2 and 4) of four messages each, all but the last one sealed. */
static void begin(bool has_gap)
{
    test_spool_make(&spool, NULL, 1, false);
    for (uint64_t i = 0; i < 3 * EACH; i++) {
        messages[i] = (struct test_message){.number = i, .body_len = 50 * i, .time_ns = 100 + i};
        messages[i].big_id = i == 1 ? 77 : 0;
    }
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

/* Write over part of a file. */
static void write_at(const char *name, uint64_t off, const void *ptr, size_t len)
{
    int fd = openat(spool.lanes[0].fd, name, O_WRONLY | O_CLOEXEC);
    test_must(fd >= 0 && pwrite(fd, ptr, len, (off_t)off) == (ssize_t)len, name);
    (void)close(fd);
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

/* Cut a file short behind a message's first octets: nothing of it or behind it is left. */
static void cut_before(size_t i)
{
    uint32_t lane;
    uint64_t segment;
    uint64_t offset;
    char name[RP_FORMAT_FILE_NAME];
    test_must(rp_format_id_parse(ids[i].text, &lane, &segment, &offset), "id");
    rp_format_segment_name(segment, name);
    int fd = openat(spool.lanes[0].fd, name, O_WRONLY | O_CLOEXEC);
    test_must(fd >= 0 && ftruncate(fd, (off_t)offset + 40) == 0 && close(fd) == 0, name);
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

/* The segment `i` has `count` entries from `first` on; `damaged` has a bit for each damaged one. */
static void check(size_t i, uint64_t first, uint64_t count, unsigned damaged, bool is_trusted)
{
    struct rp_survey_lane lane = as_lane();
    struct rp_survey_segment segment;
    CU_ASSERT_EQUAL_FATAL(rp_survey_open(&lane, i, &segment), 0);
    CU_ASSERT_EQUAL(segment.number, numbers[i]);
    CU_ASSERT_EQUAL(segment.is_trusted, is_trusted);
    CU_ASSERT_EQUAL(segment.count, count);
    CU_ASSERT_TRUE(count == 0 || segment.first_sequence == first);
    for (uint64_t j = 0; j < segment.count && j < count; j++) {
        const struct rp_spool_index_entry *entry = &segment.entries[j];
        bool is_damaged = (entry->flags & RP_SPOOL_INDEX_DAMAGED) != 0;
        CU_ASSERT_EQUAL(is_damaged, (damaged >> j & 1) != 0);
        CU_ASSERT_EQUAL(entry->sequence, first + j);
        struct rp_spool_id id;
        rp_format_id(0, segment.number, entry->offset, &id);
        if (!is_damaged) {
            CU_ASSERT_STRING_EQUAL(id.text, ids[first + j].text);
        }
    }
    rp_survey_close(&segment);
    rp_survey_close(&segment); /* zeroed: nothing */
}

static void test_trusted(void)
{
    begin(false);
    check(0, 0, EACH, 0, true);
    check(1, EACH, EACH, 0, true);
    check(2, 2 * EACH, EACH, 0, true);
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
        check(1, EACH, EACH, 0, false);
        test_must(pwrite(fd, &octets[at], 1, (off_t)at) == 1, name);
    }
    check(1, EACH, EACH, 0, true);
    for (size_t len = 0; len < sizeof octets; len += 60) {
        test_must(ftruncate(fd, (off_t)len) == 0, name);
        check(1, EACH, EACH, 0, false);
        test_must(pwrite(fd, octets, sizeof octets, 0) == (ssize_t)sizeof octets, name);
    }
    (void)close(fd);
    test_spool_free(&spool);
}

/* A failed batch in segment 1 used sequences that segment 2 used again. */
static void test_void(void)
{
    test_spool_make(&spool, NULL, 1, false);
    for (uint64_t i = 0; i < 3 * EACH; i++) {
        messages[i] = (struct test_message){.number = i, .body_len = 50 * i};
    }
    test_spool_put(&spool, 0, messages, EACH, ids);
    test_spool_abandon(&spool, 0, messages + 9, 3, UINT64_MAX);
    test_spool_open_segment(&spool, 0);
    test_spool_put(&spool, 0, messages + EACH, EACH, ids + EACH);
    test_spool_open_segment(&spool, 0);
    test_spool_put(&spool, 0, messages + 2 * EACH, EACH, ids + 2 * EACH);
    test_spool_close_segment(&spool, 0);
    memcpy(numbers, (const uint64_t[]){1, 2, 3}, sizeof numbers);
    check(0, 0, EACH, 0, true);
    spoil_index(1);
    check(0, 0, EACH, 0, false);
    /* The next header is gone: its index says as much. Then only its first record does. */
    spoil_header(2);
    check(0, 0, EACH, 0, false);
    spoil_index(2);
    check(0, 0, EACH, 0, false);
    check(1, EACH, EACH, 0, false);
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

/* A sealed index that says more than the next header allows is not believed. */
static void test_sealed_but_void(void)
{
    test_spool_make(&spool, NULL, 1, false);
    for (uint64_t i = 0; i < 3 * EACH; i++) {
        messages[i] = (struct test_message){.number = i, .body_len = 50 * i};
    }
    test_spool_put(&spool, 0, messages, EACH, ids);
    test_spool_close_segment(&spool, 0);
    spool.lanes[0].lane.writer.sequence = 2;
    test_spool_put(&spool, 0, messages + EACH, EACH, ids + 2);
    test_spool_close_segment(&spool, 0);
    numbers[0] = 1;
    numbers[1] = 2;
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

/* Messages at the end are gone: known only where the very next segment is there. */
static void test_lost_end(void)
{
    for (int has_gap = 0; has_gap <= 1; has_gap++) {
        begin(has_gap != 0);
        spoil_index(numbers[0]);
        spoil_index(numbers[1]);
        cut_before(2);
        cut_before(6);
        check(0, 0, EACH, 0xc, false);
        check(1, EACH, has_gap != 0 ? 2 : EACH, has_gap != 0 ? 0 : 0xc, false);
        test_spool_free(&spool);
    }
}

/* Headers are gone: the segment before says where this one begins. */
static void test_lost_headers(void)
{
    begin(false);
    spoil_header(2);
    spoil_index(2);
    check(1, EACH, EACH, 0, false);
    spoil_message(EACH);
    check(1, EACH, EACH, 0x1, false);
    spoil_header(3);
    spoil_index(3);
    check(1, EACH, EACH, 0x1, false);
    spoil_message(2 * EACH);
    spoil_message(2 * EACH + 1);
    check(2, 2 * EACH, EACH, 0x3, false);
    /* The first segment of all: its first whole record is all there is to go by. */
    spoil_header(1);
    spoil_index(1);
    check(0, 0, EACH, 0, false);
    spoil_message(0);
    check(0, 1, EACH - 1, 0, false);
    test_spool_free(&spool);
}

static void test_big_body(void)
{
    begin(false);
    spoil_index(1);
    check(0, 0, EACH, 0, false);
    char name[RP_FORMAT_FILE_NAME];
    rp_format_big_name(0, 77, name);
    test_write_file(spool.big_fd, name, "short", 5);
    check(0, 0, EACH, 0x2, false);
    test_must(unlinkat(spool.big_fd, name, 0) == 0, name);
    check(0, 0, EACH, 0x2, false);
    test_must(symlinkat("/dev/zero", spool.big_fd, name) == 0, name);
    check(0, 0, EACH, 0x2, false);
    test_spool_free(&spool);
}

static void test_not_there(void)
{
    begin(false);
    struct rp_survey_lane lane = as_lane();
    struct rp_survey_segment segment;
    test_must(unlinkat(lane.fd, "0000000000000002.seg", 0) == 0, "unlink");
    CU_ASSERT_EQUAL(rp_survey_open(&lane, 1, &segment), -ENOENT);
    test_must(mkdirat(lane.fd, "0000000000000002.seg", 0700) == 0, "mkdir");
    CU_ASSERT_EQUAL(rp_survey_open(&lane, 1, &segment), -EISDIR);
    check(0, 0, EACH, 0, true);
    check(2, 2 * EACH, EACH, 0, true);
    spoil_index(3);
    check(2, 2 * EACH, EACH, 0, false);
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
    CU_ADD_TEST(suite, test_sealed_but_void);
    CU_ADD_TEST(suite, test_lost_end);
    CU_ADD_TEST(suite, test_lost_headers);
    CU_ADD_TEST(suite, test_big_body);
    CU_ADD_TEST(suite, test_not_there);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    unsigned run = CU_get_number_of_tests_run();
    CU_cleanup_registry();
    return failures == 0 && run == 8 ? 0 : 1;
}
