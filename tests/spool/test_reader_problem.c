/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_reader_problem.c - what is wrong with a spool but is no entry, each kind by its own
 * damage, and nothing where nothing is wrong.
 */
#include "spool.h"
#include "unreadable.h"

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>

#define EACH 4u /* messages a segment */

static struct test_spool spool;
static struct test_message messages[3 * EACH];
static struct rp_spool_id ids[3 * EACH];

/* Segments 1, 2 and 3 of four messages each in the last of `lanes` lanes, all with an index. */
static void begin(uint32_t lanes, bool is_live)
{
    test_spool_make(&spool, NULL, lanes, is_live);
    for (uint64_t i = 0; i < 3 * EACH; i++) {
        messages[i] = (struct test_message){.number = i, .body_len = 50 * i, .time_ns = 100 + i};
    }
    for (size_t i = 0; i < 3 * EACH; i += 2) {
        test_spool_put(&spool, lanes - 1, messages + i, 2, ids + i);
        if (i % EACH == 2) {
            test_spool_close_segment(&spool, lanes - 1);
        }
    }
}

struct list {
    char text[512];
    size_t len;
    int calls_left; /* then stop */
};

/* "kind lane segment sequence count; ..." */
static int add(void *context, const struct rp_spool_problem *problem)
{
    static const char kinds[] = "mgdru"; /* meta, gap, damaged, unreadable, unfinished */
    struct list *list = context;
    list->len +=
        (size_t)snprintf(list->text + list->len, sizeof list->text - list->len, "%c %u %u %u %u; ",
                         kinds[problem->kind], problem->lane, (unsigned)problem->segment,
                         (unsigned)problem->sequence, (unsigned)problem->count);
    return --list->calls_left == 0 ? -EXDEV : 0;
}

static void check(const char *expected)
{
    struct rp_spool_reader *reader;
    struct list list = {.calls_left = -1};
    CU_ASSERT_EQUAL_FATAL(rp_spool_reader_open(spool.path, &reader), 0);
    CU_ASSERT_EQUAL(rp_spool_reader_problems(reader, add, &list), 0);
    CU_ASSERT_STRING_EQUAL(list.text, expected);
    if (strcmp(list.text, expected) != 0) {
        (void)fprintf(stderr, "%s, not %s\n", list.text, expected);
    }
    rp_spool_reader_close(reader);
}

static void unlink_in(uint32_t lane, const char *name)
{
    test_must(unlinkat(spool.lanes[lane].fd, name, 0) == 0, name);
}

static void test_none(void)
{
    test_spool_make(&spool, NULL, 1, false);
    check("");
    test_spool_free(&spool);
    begin(2, false);
    check("");
    unlink_in(1, "0000000000000002.idx");
    unlink_in(1, "0000000000000003.idx");
    check("");
    test_spool_prepare(&spool, 1);
    check("");
    test_spool_free(&spool);
}

static void test_meta(void)
{
    begin(2, false);
    test_write_at(spool.fd, RP_SPOOL_META_NAME, 0, "x", 1);
    check("m 0 0 0 0; ");
    test_must(unlinkat(spool.fd, RP_SPOOL_META_NAME, 0) == 0, "unlink");
    check("m 0 0 0 0; ");
    test_spool_free(&spool);
}

/* No file has them: at the start, amid, and at the end, where spool.meta or a tail knows more. */
static void test_missing(void)
{
    begin(2, false);
    unlink_in(1, "0000000000000002.seg");
    check(""); /* each is a damaged entry */
    unlink_in(1, "0000000000000002.idx");
    check("g 1 0 4 4; ");
    unlink_in(1, "0000000000000001.seg");
    unlink_in(1, "0000000000000001.idx");
    check("g 1 0 0 8; ");
    test_write_lane_meta(&spool, 1); /* all of them have been used */
    check("g 1 0 0 8; ");
    unlink_in(1, "0000000000000003.seg");
    unlink_in(1, "0000000000000003.idx");
    check("g 1 0 0 12; ");
    spool.lanes[0].lane.writer.sequence = 2;
    test_write_lane_meta(&spool, 0);
    check("g 0 0 0 2; g 1 0 0 12; ");
    test_spool_free(&spool);

    begin(1, true);
    test_unlock(&spool);
    check("");
    unlink_in(0, "0000000000000003.seg");
    unlink_in(0, "0000000000000003.idx");
    check("g 0 0 8 4; "); /* the tail has outlived the daemon */
    spool.bell->lanes[0].check ^= 1;
    check(""); /* it says nothing; the segment's number was given before it had a message */
    test_spool_free(&spool);
}

static void test_tails(void)
{
    begin(1, false);
    const char *last = "0000000000000003.seg";
    const int fd = spool.lanes[0].fd;
    unlink_in(0, "0000000000000003.idx");
    test_write_at(fd, last, 20 * RP_SPOOL_BLOCK, "x", 1);
    check("u 0 3 0 0; ");              /* BEGIN's place is zeros */
    uint64_t end = 3 * RP_SPOOL_BLOCK; /* behind two batches of one block each */
    test_write_at(fd, last, end + 60, "x", 1);
    check("d 0 3 0 0; ");
    test_unreadable_set(fd, last, 30 * RP_SPOOL_BLOCK, 1);
    check("r 0 3 0 0; ");
    test_unreadable_clear();
    /* The last batch loses its END, and a message. */
    static const uint8_t zeros[RP_SPOOL_BLOCK];
    test_write_at(fd, last, end, zeros, sizeof zeros);
    test_write_at(fd, last, 20 * RP_SPOOL_BLOCK, zeros, 1);
    check("");
    uint32_t lane;
    uint64_t segment;
    uint64_t offset;
    test_must(rp_format_id_parse(ids[11].text, &lane, &segment, &offset), "id");
    test_write_at(fd, last, offset, zeros, (size_t)(end - offset));
    check("u 0 3 0 1; ");
    /* spool.meta knows that the sequences were used: by what was not finished, too. */
    spool.lanes[0].lane.writer.sequence = 12;
    test_write_lane_meta(&spool, 0);
    check("u 0 3 0 1; ");
    spool.lanes[0].lane.writer.sequence = 13;
    test_write_lane_meta(&spool, 0);
    check("u 0 3 0 1; g 0 0 12 1; ");
    spool.lanes[0].lane.writer.sequence = 12;
    test_write_lane_meta(&spool, 0);
    int file = openat(fd, last, O_WRONLY | O_CLOEXEC);
    test_must(file >= 0 && ftruncate(file, (off_t)end) == 0 && close(file) == 0, last);
    check("u 0 3 0 1; d 0 3 0 0; "); /* cut, too; and so nobody knows what else there was */
    test_spool_free(&spool);
}

/* An index remembers what was not finished, also when the segment is gone. */
static void test_unfinished_in_index(void)
{
    static uint8_t page[RP_SPOOL_BLOCK + EACH * sizeof(struct rp_spool_index_entry)];
    begin(1, false);
    const char *name = "0000000000000002.idx";
    int fd = openat(spool.lanes[0].fd, name, O_RDONLY | O_CLOEXEC);
    test_must(fd >= 0 && read(fd, page, sizeof page) == (ssize_t)sizeof page, name);
    (void)close(fd); /* it was only read */
    for (size_t i = 1; i < 3; i++) {
        struct rp_spool_index_entry entry = test_entry(page, i);
        entry.flags = RP_SPOOL_INDEX_UNFINISHED;
        memcpy(page + RP_SPOOL_BLOCK + i * sizeof entry, &entry, sizeof entry);
    }
    struct rp_spool_index_header header;
    memcpy(&header, page, sizeof header);
    header.hash = 0;
    rp_format_index_seal(&header, page);
    test_write_file(spool.lanes[0].fd, name, page, sizeof page);
    check("u 0 2 0 2; ");
    unlink_in(0, "0000000000000002.seg");
    check("u 0 2 0 2; ");
    test_spool_free(&spool);
}

/* A file that is shorter than its header says was cut; a blank header says nothing. */
static void test_cut(void)
{
    begin(1, false);
    test_spool_prepare(&spool, 0);
    const char *name = "0000000000000004.seg";
    const int fd = openat(spool.lanes[0].fd, name, O_RDWR | O_CLOEXEC);
    test_must(fd >= 0, name);
    for (off_t len = 0; len <= 3 * (off_t)RP_SPOOL_BLOCK; len += RP_SPOOL_BLOCK / 2) {
        test_must(ftruncate(fd, len) == 0, name);
        check("");
    }
    test_must(pwrite(fd, "x", 1, 0) == 1, name); /* damaged: it had at least the least size */
    check("d 0 4 0 0; ");
    test_must(ftruncate(fd, (off_t)RP_SPOOL_SEGMENT_MIN) == 0, name);
    check("d 0 4 0 0; "); /* its header */
    (void)close(fd);      /* nothing that must last */
    test_spool_free(&spool);
}

/* Sequences that were skipped because of such an end are not missing. */
static void test_skipped(void)
{
    begin(1, false);
    unlink_in(0, "0000000000000003.idx");
    test_write_at(spool.lanes[0].fd, "0000000000000003.seg", 3 * RP_SPOOL_BLOCK + 60, "x", 1);
    const struct rp_spool_writer_place place = {.sequence = 12 + 1024, .skipped = 1024};
    rp_spool_writer_init(&spool.lanes[0].lane.writer, spool.identity, &place, spool.bell);
    struct rp_spool_id id;
    test_spool_prepare(&spool, 0);
    check("d 0 3 0 0; "); /* nothing is written yet */
    test_spool_put(&spool, 0, messages, 1, &id);
    check("d 0 3 0 0; ");
    test_spool_close_segment(&spool, 0);
    check("d 0 3 0 0; ");
    unlink_in(0, "0000000000000005.idx");
    test_write_at(spool.lanes[0].fd, "0000000000000005.seg", 17, "x", 1);
    check("d 0 3 0 0; "); /* its header said it, or not */
    test_spool_free(&spool);
}

/* What a damaged header without messages said, nobody knows: which ones it voids, for example. */
static void test_header_alone(void)
{
    begin(1, false);
    test_spool_put_header(&spool, 0);
    check("");
    const char *last = "0000000000000004.seg";
    test_write_at(spool.lanes[0].fd, last, 17, "x", 1);
    check("d 0 4 0 0; ");
    test_unreadable_set(spool.lanes[0].fd, last, 0, 1);
    check("r 0 4 0 0; ");
    test_unreadable_clear();
    test_spool_free(&spool);
}

/* An index that says nothing, without its segment. */
static void test_index_alone(void)
{
    begin(1, false);
    for (uint64_t i = 2; i <= 3; i++) {
        char name[RP_FORMAT_FILE_NAME];
        rp_format_index_name(i, name);
        test_write_at(spool.lanes[0].fd, name, 0, "x", 1);
    }
    unlink_in(0, "0000000000000002.seg");
    check("g 0 0 4 4; "); /* the next one tells what it had */
    unlink_in(0, "0000000000000003.seg");
    check("d 0 2 0 0; d 0 3 0 0; g 0 0 4 4; "); /* says spool.meta */
    spool.lanes[0].lane.writer.sequence = 4 + RP_SPOOL_INDEX_CAP(RP_SPOOL_SEGMENT_MAX);
    test_write_lane_meta(&spool, 0); /* the daemon goes on behind them */
    check("d 0 2 0 0; d 0 3 0 0; ");
    spool.lanes[0].lane.writer.sequence = 9;
    test_write_lane_meta(&spool, 0);
    check("d 0 2 0 0; d 0 3 0 0; g 0 0 4 5; ");
    test_spool_free(&spool);
}

/* A daemon is at work: what it is writing just now is no problem, nor what it failed to write. */
static void test_live(void)
{
    begin(1, true);
    check("");
    const uint64_t lens[] = {100, 5000, 9000, UINT64_MAX};
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        test_spool_write(&spool, 0, messages + 8, 4, lens[i]);
        check("");
        rp_spool_batch_abandon(&spool.lanes[0].lane.batch);
        check("");
        test_spool_put_header(&spool, 0);
        check("");
    }
    struct test_lane *lane = &spool.lanes[0].lane;
    memset(lane->segment + lane->writer.off + 100, 0xee, 9000); /* the kernel's order is its own */
    check("");
    memset(lane->segment + lane->writer.off, 0xee, 100);
    check("");
    test_spool_free(&spool);
}

/* In the order of lanes and segments, until the callback has enough. */
static void test_order(void)
{
    begin(3, false);
    for (uint32_t i = 0; i < 2; i++) {
        spool.lanes[i].lane.writer.sequence = 5;
        test_write_lane_meta(&spool, i);
    }
    test_write_at(spool.fd, RP_SPOOL_META_NAME, 0, "x", 1);
    unlink_in(2, "0000000000000001.seg");
    unlink_in(2, "0000000000000001.idx");
    unlink_in(2, "0000000000000003.idx");
    test_write_at(spool.lanes[2].fd, "0000000000000003.seg", 3 * RP_SPOOL_BLOCK + 60, "x", 1);
    const char all[] = "m 0 0 0 0; g 0 0 0 5; g 1 0 0 5; g 2 0 0 4; d 2 3 0 0; ";
    check(all);
    struct rp_spool_reader *reader;
    CU_ASSERT_EQUAL_FATAL(rp_spool_reader_open(spool.path, &reader), 0);
    for (int calls = 1; calls <= 5; calls++) {
        struct list list = {.calls_left = calls};
        CU_ASSERT_EQUAL(rp_spool_reader_problems(reader, add, &list), -EXDEV);
        CU_ASSERT_EQUAL(list.len, (size_t)(11 * calls));
        CU_ASSERT_EQUAL(memcmp(list.text, all, list.len), 0);
    }
    rp_spool_reader_close(reader);
    test_spool_free(&spool);
}

int main(void)
{
    if (CU_initialize_registry() != CUE_SUCCESS) {
        return 1;
    }
    CU_pSuite suite = CU_add_suite("reader_problem", NULL, NULL);
    CU_ADD_TEST(suite, test_none);
    CU_ADD_TEST(suite, test_meta);
    CU_ADD_TEST(suite, test_missing);
    CU_ADD_TEST(suite, test_tails);
    CU_ADD_TEST(suite, test_unfinished_in_index);
    CU_ADD_TEST(suite, test_cut);
    CU_ADD_TEST(suite, test_skipped);
    CU_ADD_TEST(suite, test_header_alone);
    CU_ADD_TEST(suite, test_index_alone);
    CU_ADD_TEST(suite, test_live);
    CU_ADD_TEST(suite, test_order);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    unsigned run = CU_get_number_of_tests_run();
    CU_cleanup_registry();
    return failures == 0 && run == 11 ? 0 : 1;
}
