/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_golden.c - the spool that is checked in (golden/v1) is still read as it was, and today's
 * writer still writes it octet by octet.
 *
 * It has what a reader must cope with: a big body, a header without messages, and a lane
 * that a crash has left with an open index, a damaged sector and a void record.
 * golden/v1.expected has a line an entry, for the other readers, too. `test_golden --write DIR`
 * makes DIR and prints those lines: how both were made. `--print DIR` prints them of any spool, for
 * test_python_reader.py. A new format version gets a new folder.
 */
#include "spool.h"

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>

#define MESSAGES 13u

static struct test_spool spool;
static struct test_message messages[MESSAGES];
static struct rp_spool_id ids[MESSAGES];

/* Only what says something goes into the repository: the entries that are there. */
static void trim_index(uint32_t lane, const char *name, uint64_t count)
{
    int fd = openat(spool.lanes[lane].fd, name, O_WRONLY | O_CLOEXEC);
    uint64_t len = RP_SPOOL_BLOCK + count * sizeof(struct rp_spool_index_entry);
    test_must(fd >= 0 && ftruncate(fd, (off_t)len) == 0 && close(fd) == 0, name);
}

static void write_golden(const char *path)
{
    for (uint64_t i = 0; i < MESSAGES; i++) {
        messages[i] = (struct test_message){
            .number = i,
            .body_len = i * i * 11,
            .time_ns = 1700000000000000000u + i * 1000000007u,
            .big_id = i == 5 ? 0xabc : 0,
        };
    }
    test_spool_make(&spool, path, 2, false);
    test_spool_put(&spool, 0, messages, 3, ids);
    test_spool_put(&spool, 0, messages + 3, 3, ids + 3);
    test_spool_trim_segment(&spool, 0);
    trim_index(0, "0000000000000001.idx", 6);
    test_spool_put(&spool, 0, messages + 6, 2, ids + 6);
    test_spool_trim_segment(&spool, 0);
    trim_index(0, "0000000000000002.idx", 2);

    for (size_t i = 8; i < 12; i++) {
        test_spool_put(&spool, 1, messages + i, 1, ids + i);
    }
    struct test_lane *lane = &spool.lanes[1].lane;
    uint32_t number;
    uint64_t segment;
    uint64_t offset;
    test_must(rp_format_id_parse(ids[9].text, &number, &segment, &offset), "id");
    memset(lane->segment + offset, 0, 512);
    uint64_t end = lane->writer.off;
    test_spool_abandon(&spool, 1, messages + 12, 1, UINT64_MAX);
    lane->writer.off = end + lane->batch.len; /* keep what the failed write left */
    struct rp_spool_index_header *index = lane->index;
    struct rp_spool_index_header open_header = *index;
    test_spool_trim_segment(&spool, 1);
    test_write_file(spool.lanes[1].fd, "0000000000000001.idx", &open_header, sizeof open_header);
    trim_index(1, "0000000000000001.idx", 0);
    test_spool_put_header(&spool, 1);
    open_header = *lane->index;
    test_spool_trim_segment(&spool, 1);
    test_write_file(spool.lanes[1].fd, "0000000000000002.idx", &open_header, sizeof open_header);
    trim_index(1, "0000000000000002.idx", 0);
    test_spool_leave(&spool);
}

/* A line an entry: id, sequence, time, flags, octets and hash of body, hash of envelope. */
static void print_lines(const char *path, FILE *out)
{
    static struct rp_spool_cursor cursor;
    static uint8_t envelope[TEST_ENVELOPE_MAX];
    struct rp_spool_reader *reader;
    struct rp_spool_entry entry;
    test_must(rp_spool_reader_open(path, &reader) == 0, path);
    memset(&cursor, 0, sizeof cursor);
    while (rp_spool_reader_next(reader, &cursor, &entry) == 1) {
        struct rp_spool_message_view *view;
        if (rp_spool_view_open(reader, &entry, &view) != 0) {
            (void)fprintf(out, "%s %llu damaged\n", entry.id.text,
                          (unsigned long long)entry.sequence);
            continue;
        }
        size_t position = 0;
        struct rp_spool_item item;
        uint8_t *end = envelope;
        while (rp_spool_view_item(view, &position, &item)) {
            end = rp_spool_item_put(end, (enum rp_spool_tag)item.tag, item.value, item.len);
        }
        size_t len;
        const uint8_t *body = rp_spool_view_body(view, &len);
        (void)fprintf(out, "%s %llu %llu %s %zu %016llx %016llx\n", entry.id.text,
                      (unsigned long long)entry.sequence, (unsigned long long)entry.time_ns,
                      entry.is_big ? "big" : "log", len,
                      (unsigned long long)rp_format_hash(body, len, 0),
                      (unsigned long long)rp_format_hash(envelope, (size_t)(end - envelope), 0));
        rp_spool_view_close(view);
    }
    rp_spool_reader_close(reader);
}

/* The whole of a small file, with a NUL behind it; the caller frees it. */
static char *read_file(const char *path, size_t *len_out)
{
    FILE *file = fopen(path, "rb");
    test_must(file != NULL, path);
    const size_t len_max = 1u << 20;
    char *octets = malloc(len_max + 1);
    test_must(octets != NULL, path);
    *len_out = fread(octets, 1, len_max, file);
    octets[*len_out] = '\0';
    (void)fclose(file);
    return octets;
}

static void test_read(void)
{
    size_t len;
    char *expected = read_file(TEST_GOLDEN ".expected", &len);
    char *got = NULL;
    size_t got_len = 0;
    FILE *out = open_memstream(&got, &got_len);
    test_must(out != NULL, "open_memstream");
    print_lines(TEST_GOLDEN, out);
    (void)fclose(out);
    CU_ASSERT_EQUAL(got_len, len);
    CU_ASSERT_STRING_EQUAL(got, expected);
    if (strcmp(got, expected) != 0) {
        (void)fputs(got, stderr);
    }
    free(got);
    free(expected);
}

static void test_write_again(void)
{
    static const char *const names[] = {
        "spool.meta",
        "big/000-0000000000000abc.body",
        "lane-000/0000000000000001.seg",
        "lane-000/0000000000000001.idx",
        "lane-000/0000000000000002.seg",
        "lane-000/0000000000000002.idx",
        "lane-001/0000000000000001.seg",
        "lane-001/0000000000000001.idx",
        "lane-001/0000000000000002.seg",
        "lane-001/0000000000000002.idx",
    };
    char path[64];
    (void)snprintf(path, sizeof path, "%s/rp-golden-XXXXXX", test_base());
    test_must(mkdtemp(path) != NULL && rmdir(path) == 0, path);
    write_golden(path);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char name[256];
        size_t len;
        size_t golden_len;
        (void)snprintf(name, sizeof name, "%s/%s", path, names[i]);
        char *octets = read_file(name, &len);
        (void)snprintf(name, sizeof name, "%s/%s", TEST_GOLDEN, names[i]);
        char *golden = read_file(name, &golden_len);
        bool is_same = len == golden_len && memcmp(octets, golden, len) == 0;
        if (!is_same) {
            (void)fprintf(stderr, "%s differs\n", names[i]);
        }
        CU_ASSERT_TRUE(is_same);
        free(octets);
        free(golden);
    }
    test_remove_tree(path);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--write") == 0) {
        write_golden(argv[2]);
        print_lines(argv[2], stdout);
        return 0;
    }
    if (argc == 3 && strcmp(argv[1], "--print") == 0) {
        print_lines(argv[2], stdout);
        return 0;
    }
    if (CU_initialize_registry() != CUE_SUCCESS) {
        return 1;
    }
    CU_pSuite suite = CU_add_suite("golden", NULL, NULL);
    CU_ADD_TEST(suite, test_read);
    CU_ADD_TEST(suite, test_write_again);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    unsigned run = CU_get_number_of_tests_run();
    CU_cleanup_registry();
    return failures == 0 && run == 2 ? 0 : 1;
}
