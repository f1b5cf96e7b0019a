/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_meta.c - spool.meta is read, or found out from what else there is.
 *
 * A spool of three lanes; spool.meta is flipped in every octet of its first sector, cut at every
 * octet, replaced by what is no file, and removed, with and without the other places that say what
 * it was.
 */
#include "spool/meta.h"

#include "spool.h"

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>

#define LANES 3u

static struct test_spool spool;

static void begin(void)
{
    test_spool_make(&spool, NULL, LANES, false);
    for (uint32_t i = 0; i < LANES; i++) {
        const struct test_message message = {.number = i};
        struct rp_spool_id id;
        spool.lanes[i].lane.writer.sequence = 10 * i;
        test_spool_put(&spool, i, &message, 1, &id);
        test_spool_close_segment(&spool, i);
    }
}

/* What is known of the spool: all of it, or (without a created_ns) what segments say. */
static void check(int error, bool is_damaged, uint64_t created_ns, uint32_t lanes)
{
    struct rp_spool_meta meta = {0};
    bool got_damaged = !is_damaged;
    CU_ASSERT_EQUAL(rp_meta_load(spool.fd, &meta, &got_damaged), error);
    CU_ASSERT_EQUAL(got_damaged, is_damaged);
    if (error == 0) {
        CU_ASSERT_EQUAL(rp_format_meta_check(&meta), 0);
        CU_ASSERT_EQUAL(memcmp(meta.identity, spool.identity, sizeof meta.identity), 0);
        CU_ASSERT_EQUAL(meta.lane_count, lanes);
        CU_ASSERT_EQUAL(meta.created_ns, created_ns);
        CU_ASSERT_EQUAL(meta.segment_size, RP_SPOOL_SEGMENT_MIN);
    } else {
        CU_ASSERT_EQUAL(meta.lane_count, 0); /* not written */
    }
}

static void spoil(const char *name, int dir_fd, uint64_t off)
{
    const uint64_t noise = 0x1122334455667788;
    test_write_at(dir_fd, name, off, &noise, sizeof noise);
}

static void spoil_lane(uint32_t lane)
{
    spoil(RP_SPOOL_META_NAME, spool.fd, RP_SPOOL_LANE_META_OFF(lane));
}

/* No lane has a segment whose header says anything. */
static void spoil_headers(void)
{
    for (uint32_t i = 0; i < LANES; i++) {
        spoil("0000000000000001.seg", spool.lanes[i].fd, 0);
    }
}

static void test_whole(void)
{
    begin();
    check(0, false, TEST_CREATED_NS, LANES);
    struct rp_spool_meta meta;
    bool is_damaged;
    uint8_t octets[sizeof meta];
    int fd = openat(spool.fd, RP_SPOOL_META_NAME, O_RDONLY | O_CLOEXEC);
    test_must(fd >= 0 && pread(fd, octets, sizeof octets, 0) == (ssize_t)sizeof octets, "meta");
    (void)close(fd);
    CU_ASSERT_EQUAL(rp_meta_load(spool.fd, &meta, &is_damaged), 0);
    CU_ASSERT_EQUAL(memcmp(&meta, octets, sizeof meta), 0);
    /* As a spool without a segment has it, too. */
    spoil_headers();
    for (uint32_t i = 0; i < LANES; i++) {
        spoil_lane(i);
    }
    check(0, false, TEST_CREATED_NS, LANES);
    test_spool_free(&spool);
}

static void test_flipped(void)
{
    begin();
    static uint8_t octets[RP_SPOOL_SECTOR];
    int fd = openat(spool.fd, RP_SPOOL_META_NAME, O_RDWR | O_CLOEXEC);
    test_must(fd >= 0 && pread(fd, octets, sizeof octets, 0) == (ssize_t)sizeof octets, "meta");
    for (size_t at = 0; at < sizeof octets; at++) {
        uint8_t octet = octets[at] ^ (uint8_t)(1u << at % 8);
        test_must(pwrite(fd, &octet, 1, (off_t)at) == 1, "pwrite");
        check(0, at < sizeof(struct rp_spool_meta), TEST_CREATED_NS, LANES);
        test_must(pwrite(fd, &octets[at], 1, (off_t)at) == 1, "pwrite");
    }
    (void)close(fd);
    test_spool_free(&spool);
}

/* Lanes beyond those that have a directory are lost with the file, as FORMAT.md says. */
static void test_cut(void)
{
    begin();
    for (uint64_t len = RP_SPOOL_META_LEN; len > 0; len = len > 700 ? len - 97 : len - 1) {
        int fd = openat(spool.fd, RP_SPOOL_META_NAME, O_WRONLY | O_CLOEXEC);
        test_must(fd >= 0 && ftruncate(fd, (off_t)len) == 0 && close(fd) == 0, "ftruncate");
        bool is_damaged = len < sizeof(struct rp_spool_meta);
        check(0, is_damaged, is_damaged ? 0 : TEST_CREATED_NS, LANES);
    }
    test_spool_free(&spool);
}

/* The first whole lane's part speaks, then the first whole header, then nobody. */
static void test_order(void)
{
    begin();
    spoil(RP_SPOOL_META_NAME, spool.fd, 0);
    check(0, true, TEST_CREATED_NS, LANES);
    spoil_lane(0);
    check(0, true, TEST_CREATED_NS, LANES);
    spoil_lane(1);
    check(0, true, TEST_CREATED_NS, LANES);
    spoil_lane(2);
    check(0, true, 0, LANES);
    spoil("0000000000000001.seg", spool.lanes[0].fd, 0);
    check(0, true, 0, LANES);
    spoil("0000000000000001.seg", spool.lanes[2].fd, 0);
    check(0, true, 0, LANES);
    spoil("0000000000000001.seg", spool.lanes[1].fd, 0);
    check(-EBADMSG, true, 0, 0);
    test_spool_open_segment(&spool, 1); /* a later segment of the lane; its lane's part, too */
    test_spool_crash_segment(&spool, 1);
    struct rp_spool_meta meta;
    bool is_damaged;
    CU_ASSERT_EQUAL(rp_meta_load(spool.fd, &meta, &is_damaged), 0);
    CU_ASSERT_EQUAL(memcmp(meta.identity, spool.identity, sizeof meta.identity), 0);
    CU_ASSERT_EQUAL(meta.segment_size, 64u << 20); /* nobody knows it */
    test_spool_free(&spool);
}

static void test_gone(void)
{
    begin();
    test_must(unlinkat(spool.fd, RP_SPOOL_META_NAME, 0) == 0, "unlink");
    check(0, true, 0, LANES);
    test_must(mkdirat(spool.fd, RP_SPOOL_META_NAME, 0700) == 0, "mkdir");
    check(0, true, 0, LANES);
    spoil_headers();
    check(-EBADMSG, true, 0, 0);
    test_must(unlinkat(spool.fd, RP_SPOOL_META_NAME, AT_REMOVEDIR) == 0, "rmdir");
    check(-ENOENT, true, 0, 0);
    test_write_file(spool.fd, RP_SPOOL_META_NAME, "", 0);
    check(-EBADMSG, true, 0, 0);
    test_spool_free(&spool);
    /* A directory of something else. */
    test_spool_make(&spool, NULL, 1, false);
    test_must(unlinkat(spool.fd, RP_SPOOL_META_NAME, 0) == 0, "unlink");
    check(-ENOENT, true, 0, 0);
    test_spool_free(&spool);
}

/* Whole, but not for us: nothing is found out. */
static void test_refused(void)
{
    begin();
    struct rp_spool_meta meta;
    bool is_damaged;
    CU_ASSERT_EQUAL_FATAL(rp_meta_load(spool.fd, &meta, &is_damaged), 0);
    meta.version++;
    rp_format_meta_seal(&meta);
    test_write_at(spool.fd, RP_SPOOL_META_NAME, 0, &meta, sizeof meta);
    check(-EPROTONOSUPPORT, false, 0, 0);
    meta.version--;
    meta.magic++;
    rp_format_meta_seal(&meta);
    test_write_at(spool.fd, RP_SPOOL_META_NAME, 0, &meta, sizeof meta);
    check(-EINVAL, false, 0, 0);
    test_spool_free(&spool);
}

/* A hole among the lanes counts; segments' names that are no files do not. */
static void test_lanes(void)
{
    begin();
    spoil(RP_SPOOL_META_NAME, spool.fd, 0);
    int fd = test_make_dir(spool.fd, "lane-007");
    test_must(mkdirat(fd, "0000000000000001.seg", 0700) == 0, "mkdir");
    check(0, true, TEST_CREATED_NS, 8);
    test_must(unlinkat(fd, "0000000000000001.seg", AT_REMOVEDIR) == 0, "rmdir");
    (void)close(fd);
    test_write_file(spool.fd, "lane-008", "", 0);
    check(0, true, TEST_CREATED_NS, 8);
    test_spool_free(&spool);
}

static bool lane_is(uint32_t lane, uint64_t next_segment, uint64_t next_sequence)
{
    struct rp_spool_lane_meta meta;
    memset(&meta, 0xff, sizeof meta);
    rp_meta_lane(spool.fd, spool.identity, lane, &meta);
    bool is_there = meta.magic == RP_SPOOL_LANE_MAGIC && meta.lane == lane;
    return is_there == (next_segment != 0) && meta.next_segment == next_segment &&
           meta.next_sequence == next_sequence;
}

static void test_lane(void)
{
    begin();
    CU_ASSERT_TRUE(lane_is(0, 2, 0));
    CU_ASSERT_TRUE(lane_is(1, 2, 10));
    CU_ASSERT_TRUE(lane_is(2, 2, 20));
    CU_ASSERT_TRUE(lane_is(3, 0, 0));
    CU_ASSERT_TRUE(lane_is(254, 0, 0));
    spool.identity[5] ^= 1; /* of another spool */
    CU_ASSERT_TRUE(lane_is(1, 0, 0));
    spool.identity[5] ^= 1;
    spoil_lane(1);
    CU_ASSERT_TRUE(lane_is(1, 0, 0));
    CU_ASSERT_TRUE(lane_is(2, 2, 20));
    /* The part of another lane is not this one's. */
    struct rp_spool_lane_meta meta;
    rp_meta_lane(spool.fd, spool.identity, 2, &meta);
    test_write_at(spool.fd, RP_SPOOL_META_NAME, RP_SPOOL_LANE_META_OFF(1), &meta, sizeof meta);
    CU_ASSERT_TRUE(lane_is(1, 0, 0));
    test_must(unlinkat(spool.fd, RP_SPOOL_META_NAME, 0) == 0, "unlink");
    CU_ASSERT_TRUE(lane_is(2, 0, 0));
    test_spool_free(&spool);
}

int main(void)
{
    if (CU_initialize_registry() != CUE_SUCCESS) {
        return 1;
    }
    CU_pSuite suite = CU_add_suite("meta", NULL, NULL);
    CU_ADD_TEST(suite, test_whole);
    CU_ADD_TEST(suite, test_flipped);
    CU_ADD_TEST(suite, test_cut);
    CU_ADD_TEST(suite, test_order);
    CU_ADD_TEST(suite, test_gone);
    CU_ADD_TEST(suite, test_refused);
    CU_ADD_TEST(suite, test_lanes);
    CU_ADD_TEST(suite, test_lane);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    unsigned run = CU_get_number_of_tests_run();
    CU_cleanup_registry();
    return failures == 0 && run == 8 ? 0 : 1;
}
