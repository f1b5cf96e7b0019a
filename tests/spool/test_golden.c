/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_golden.c - the spool that is checked in (golden/v2) is still read as it was, and today's
 * writer still writes it octet by octet.
 *
 * It has what a reader must cope with, and the doorbell of an earlier boot:
 *     lane 0  two segments with their indexes, a big body
 *     lane 1  what a crash has left: no index, a lost sector, a void batch, a header alone
 *     lane 2  bodies with runs of zeros and at a block, a damaged body, an unfinished batch
 *     lane 3  a torn batch that the doorbell's tail proves
 * golden/v2.expected has a line an entry, golden/v2.problems one a problem, for the other readers,
 * too. `test_golden --write DIR` makes DIR and prints those lines of entries: how both were made.
 * `--print DIR` prints them of any spool, `--problems DIR` the others; with FILE FROM LEN behind
 * that on a disk that cannot read these octets of DIR/FILE. `--random SEED DIR` makes a small spool
 * of two lanes, as a daemon that was ended may leave it. A new format version gets a new folder.
 */
#include "spool.h"
#include "unreadable.h"

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>

#define MESSAGES 24u

static struct test_spool spool;
static struct test_message messages[MESSAGES];
static struct rp_spool_id ids[MESSAGES];

/* Octets of a message's record, as lanes have it in memory. */
static uint8_t *find_record(const struct test_lane *lane, uint64_t index)
{
    return lane->segment + test_entry(lane->index, index).offset;
}

static void write_lane_1(void)
{
    struct test_lane *lane = &spool.lanes[1].lane;
    for (size_t i = 8; i < 12; i++) {
        test_spool_put(&spool, 1, messages + i, 1, ids + i);
    }
    const uint64_t offset = test_entry(lane->index, 1).offset;
    memset(lane->segment + offset / RP_SPOOL_SECTOR * RP_SPOOL_SECTOR, 0, RP_SPOOL_SECTOR);
    test_spool_abandon(&spool, 1, messages + 12, 1, UINT64_MAX);
    test_spool_crash_segment(&spool, 1);
    test_spool_put_header(&spool, 1);
    test_spool_crash_segment(&spool, 1);
}

static void write_lanes_2_and_3(void)
{
    struct test_lane *lane = &spool.lanes[2].lane;
    test_spool_put(&spool, 2, messages + 13, 4, ids + 13);
    find_record(lane, 1)[300] ^= 1; /* of the body */
    test_spool_write(&spool, 2, messages + 17, 3, 4 * RP_SPOOL_SECTOR);

    lane = &spool.lanes[3].lane;
    test_spool_put(&spool, 3, messages + 20, 1, ids + 20);
    test_spool_put(&spool, 3, messages + 21, 3, ids + 21);
    uint64_t lost = test_entry(lane->index, 3).offset / RP_SPOOL_SECTOR * RP_SPOOL_SECTOR;
    memset(lane->segment + lost, 0, (size_t)(lane->writer.off - lost));
}

/* That of a daemon that was at work before this boot. */
static void write_bell(void)
{
    struct rp_spool_doorbell *bell = spool.bell;
    bell->magic = RP_SPOOL_DOORBELL_MAGIC;
    bell->version = RP_SPOOL_VERSION;
    bell->lane_count = spool.lane_count;
    memcpy(bell->boot_id, "an earlier boot.", sizeof bell->boot_id);
    memcpy(bell->identity, spool.identity, sizeof bell->identity);
    test_write_file(spool.fd, RP_SPOOL_DOORBELL_NAME, bell, sizeof *bell);
}

static void write_golden(const char *path)
{
    for (uint64_t i = 0; i < MESSAGES; i++) {
        messages[i] = (struct test_message){
            .number = i,
            .body_len = i < 13 ? i * i * 11 : i * 100,
            .time_ns = 1700000000000000000u + i * 1000000007u,
            .big_id = i == 5 ? 0xabc : 0,
            .is_sparse = i == 13 || i == 15,
            .is_block_aligned = i == 16,
        };
    }
    test_spool_make(&spool, path, 4, false);
    test_spool_put(&spool, 0, messages, 3, ids);
    test_spool_put(&spool, 0, messages + 3, 3, ids + 3);
    test_spool_close_segment(&spool, 0);
    test_spool_put(&spool, 0, messages + 6, 2, ids + 6);
    test_spool_close_segment(&spool, 0);
    write_lane_1();
    write_lanes_2_and_3();
    write_bell();
    test_spool_leave(&spool);
}

#define RANDOM_EACH 5u /* messages a batch, at most */

static struct test_message random_message(uint64_t *random)
{
    static const size_t lens[] = {0, 1, 500, 2000, 9000};
    return (struct test_message){
        .number = test_random(random) % 1000,
        .body_len = lens[test_random(random) % 5],
        .time_ns = test_random(random) % 3,
        .big_id = test_random(random) % 8 == 0 ? 1 + test_random(random) % 1000 : 0,
        .is_sparse = test_random(random) % 4 == 0,
        .is_block_aligned = test_random(random) % 16 == 0,
    };
}

/* What may become of a batch, and of the segment behind it. */
static void write_random_batch(uint64_t *random, uint32_t lane, uint64_t *now_ns)
{
    struct rp_spool_id batch_ids[RANDOM_EACH];
    struct test_message batch[RANDOM_EACH];
    const size_t count = 1 + test_random(random) % RANDOM_EACH;
    for (size_t i = 0; i < count; i++) {
        batch[i] = random_message(random);
        batch[i].time_ns = *now_ns += batch[i].time_ns;
    }
    const uint64_t choice = test_random(random) % 16;
    if (choice > 2) {
        test_spool_put(&spool, lane, batch, count, batch_ids);
    }
    if (choice < 2) { /* failed, with and without messages behind it */
        test_spool_abandon(&spool, lane, batch, count, test_random(random) % 16 * RP_SPOOL_SECTOR);
        test_spool_crash_segment(&spool, lane);
        test_spool_put_header(&spool, lane);
    } else if (choice == 2 || choice == 3) {
        test_spool_put_header(&spool, lane);
    } else if (choice == 4) {
        test_spool_close_segment(&spool, lane);
    } else if (choice == 5) {
        test_spool_crash_segment(&spool, lane);
    }
}

static void write_random(uint64_t seed, const char *path)
{
    uint64_t random = seed;
    test_spool_make(&spool, path, 2, false);
    for (uint32_t lane = 0; lane < 2; lane++) {
        uint64_t now_ns = 1;
        for (uint64_t count = test_random(&random) % 12; count > 0; count--) {
            write_random_batch(&random, lane, &now_ns);
        }
        if (test_random(&random) % 4 == 0) {
            const struct test_message last[] = {random_message(&random), random_message(&random)};
            test_spool_write(&spool, lane, last, 2, test_random(&random) % 16 * RP_SPOOL_SECTOR);
        } else if (test_random(&random) % 4 == 0) {
            test_spool_crash_segment(&spool, lane);
            test_spool_prepare(&spool, lane);
        }
    }
    if (test_random(&random) % 2 == 0) {
        write_bell();
    }
    test_spool_leave(&spool);
}

/* A line an entry: id, sequence, time, flags, octets and hash of body, hash of envelope. */
static void print_lines(const char *path, FILE *out)
{
    static struct rp_spool_cursor cursor;
    static uint8_t envelope[TEST_ENVELOPE_MAX + 2 * RP_SPOOL_BLOCK]; /* and a filler */
    struct rp_spool_reader *reader;
    struct rp_spool_entry entry;
    test_must(rp_spool_reader_open(path, &reader) == 0, path);
    memset(&cursor, 0, sizeof cursor);
    while (rp_spool_reader_next(reader, &cursor, &entry) == 1) {
        struct rp_spool_message_view *view;
        int error = rp_spool_view_open(reader, &entry, &view);
        if (error != 0) {
            (void)fprintf(out, "%s %llu %s\n", entry.id.text, (unsigned long long)entry.sequence,
                          error == -EIO ? "unreadable" : "damaged");
            continue;
        }
        size_t position = 0;
        struct rp_spool_item item;
        uint8_t *end = envelope;
        while (rp_spool_view_item(view, &position, &item)) {
            const size_t room = sizeof envelope - (size_t)(end - envelope);
            test_must(rp_spool_item_len(item.len) <= room, "an envelope");
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

static int print_problem(void *context, const struct rp_spool_problem *problem)
{
    static const char *const kinds[] = {
        [RP_SPOOL_PROBLEM_META] = "meta",
        [RP_SPOOL_PROBLEM_MISSING] = "missing",
        [RP_SPOOL_PROBLEM_DAMAGED] = "damaged",
        [RP_SPOOL_PROBLEM_UNREADABLE] = "unreadable",
        [RP_SPOOL_PROBLEM_UNFINISHED] = "unfinished",
    };
    (void)fprintf(context, "%s %u %llu %llu %llu\n", kinds[problem->kind], problem->lane,
                  (unsigned long long)problem->segment, (unsigned long long)problem->sequence,
                  (unsigned long long)problem->count);
    return 0;
}

/* A line a problem: kind, lane, segment, sequence, count. */
static void print_problems(const char *path, FILE *out)
{
    struct rp_spool_reader *reader;
    test_must(rp_spool_reader_open(path, &reader) == 0, path);
    test_must(rp_spool_reader_problems(reader, print_problem, out) == 0, path);
    rp_spool_reader_close(reader);
}

static void check_print(void (*print)(const char *path, FILE *out), const char *expected_path)
{
    size_t len;
    char *expected = read_file(expected_path, &len);
    char *got = NULL;
    size_t got_len = 0;
    FILE *out = open_memstream(&got, &got_len);
    test_must(out != NULL, "open_memstream");
    print(TEST_GOLDEN, out);
    (void)fclose(out);
    CU_ASSERT_EQUAL(got_len, len);
    CU_ASSERT_STRING_EQUAL(got, expected);
    if (strcmp(got, expected) != 0) {
        (void)fputs(got, stderr);
    }
    free(got);
    free(expected);
}

static void test_read(void)
{
    check_print(print_lines, TEST_GOLDEN ".expected");
    check_print(print_problems, TEST_GOLDEN ".problems");
}

static void test_write_again(void)
{
    static const char *const names[] = {
        "spool.meta",
        "doorbell",
        "big/000-0000000000000abc.body",
        "lane-000/0000000000000001.seg",
        "lane-000/0000000000000001.idx",
        "lane-000/0000000000000002.seg",
        "lane-000/0000000000000002.idx",
        "lane-001/0000000000000001.seg",
        "lane-001/0000000000000002.seg",
        "lane-002/0000000000000001.seg",
        "lane-003/0000000000000001.seg",
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

static uint64_t parse_number(const char *text)
{
    uint64_t number = 0;
    for (; *text != '\0'; text++) {
        test_must(*text >= '0' && *text <= '9', "a number");
        number = number * 10 + (uint64_t)(*text - '0');
    }
    return number;
}

/* False: this is no such command. */
static bool print_any(int argc, char **argv)
{
    if ((argc != 3 && argc != 6) ||
        (strcmp(argv[1], "--print") != 0 && strcmp(argv[1], "--problems") != 0)) {
        return false;
    }
    if (argc == 6) {
        int fd = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        test_must(fd >= 0, argv[2]);
        test_unreadable_set(fd, argv[3], parse_number(argv[4]), parse_number(argv[5]));
        (void)close(fd); /* it was only read */
    }
    if (strcmp(argv[1], "--print") == 0) {
        print_lines(argv[2], stdout);
    } else {
        print_problems(argv[2], stdout);
    }
    return true;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--write") == 0) {
        write_golden(argv[2]);
        print_lines(argv[2], stdout);
        return 0;
    }
    if (argc == 4 && strcmp(argv[1], "--random") == 0) {
        write_random(rp_format_hash(argv[2], strlen(argv[2]), 0), argv[3]);
        return 0;
    }
    if (print_any(argc, argv)) {
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
