/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_spooldir_lane.c - recovery of lanes: what is whole is there, what is lost is told, what is
 * not understood stays.
 *
 * Spools are written with the writer library and left as crashes, disks and people leave them.
 * Each is recovered; what readers then see and what the report says is compared with what was
 * written. Recovery is run again (nothing may change), and is cut short before, or made to fail
 * at, its nth system call that changes anything, for every n: the next run must end with the same
 * files. Parts that the disk cannot read are tried one by one.
 */
#include "spooldir_case.h"

#define MESSAGES 24u
#define CAP      RP_SPOOL_INDEX_CAP(SEGMENT)
#define CAP_MAX \
    RP_SPOOL_INDEX_CAP(RP_SPOOL_SEGMENT_MAX) /* of a segment of which nothing is known */
#define STRAY "000-00000000000003e7.body"    /* a big body of lane 0 that no record names */

static struct test_message messages[MESSAGES];
static struct rp_spool_id ids[MESSAGES];
static size_t committed; /* messages[0 .. committed - 1] must be there, and no other */

static void make_messages(void)
{
    static const size_t sizes[] = {300, 0, 5000, 70000};
    for (uint64_t i = 0; i < MESSAGES; i++) {
        messages[i] = (struct test_message){
            .number = i,
            .body_len = sizes[i % 4],
            .time_ns = 1000 + i,
            .big_id = i % 6 == 5 ? 50 + i : 0,
        };
    }
}

/* Six messages in two closed segments of lane 0 and two in one of lane 1; a stray big body. */
static void begin_state(void)
{
    make_messages();
    test_spool_make(&spool, NULL, 2, false);
    test_spool_put(&spool, 0, messages, 3, ids);
    test_spool_close_segment(&spool, 0);
    test_spool_put(&spool, 0, messages + 3, 3, ids + 3);
    test_spool_close_segment(&spool, 0);
    test_spool_put(&spool, 1, messages + 6, 2, ids + 6);
    test_spool_close_segment(&spool, 1);
    test_write_file(spool.big_fd, STRAY, "whose?", 6);
    committed = 8;
}

/* Three more in lane 0, as one batch of an open segment that is left so. */
static void put_last_batch(void)
{
    begin_state();
    test_spool_put(&spool, 0, messages + 8, 3, ids + 8);
    committed = 11;
}

static uint8_t *octet_of(size_t i)
{
    uint32_t lane;
    uint64_t segment;
    uint64_t offset;
    test_must(rp_format_id_parse(ids[i].text, &lane, &segment, &offset), "id");
    return spool.lanes[lane].lane.segment + offset;
}

static void state_clean(void)
{
    begin_state();
}

static void cut_segment(uint64_t number, off_t len)
{
    char name[RP_FORMAT_FILE_NAME];
    rp_format_segment_name(number, name);
    int fd = openat(spool.lanes[0].fd, name, O_WRONLY | O_CLOEXEC);
    test_must(fd >= 0 && ftruncate(fd, len) == 0 && close(fd) == 0, name);
}

/* Open segments, prepared ones, a temporary file, big bodies that nobody committed. */
static void state_crash(void)
{
    begin_state();
    test_spool_put(&spool, 0, messages + 8, 3, ids + 8);
    test_spool_put(&spool, 0, messages + 11, 2, ids + 11);
    test_spool_put(&spool, 1, messages + 13, 4, ids + 13);
    committed = 17;
    test_spool_crash_segment(&spool, 0);
    test_spool_prepare(&spool, 0);
    test_spool_crash_segment(&spool, 0);
    test_spool_prepare(&spool, 0);
    cut_segment(4, 0); /* before, and in the midst of, its zeros */
    cut_segment(5, 128u << 10);
    test_write_file(spool.big_fd, "001-00000000000003e7.body", "", 0);
    test_write_file(spool.big_fd, "keep", "not ours", 8);
}

/* The last batch did not get whole to the disk. */
static void state_torn(void)
{
    put_last_batch();
    test_spool_abandon(&spool, 0, messages + 12, 2, 200);
    test_spool_crash_segment(&spool, 0);
}

/* A failed batch is whole on the disk; the next header says that it is void. */
static void state_void(void)
{
    put_last_batch();
    test_spool_abandon(&spool, 0, messages + 12, 2, UINT64_MAX);
    test_spool_crash_segment(&spool, 0); /* before its index was written */
    test_spool_put_header(&spool, 0);
    test_spool_crash_segment(&spool, 0);
}

/* The same, and the lane went on: the header without messages is not needed. */
static void state_void_passed(void)
{
    state_void();
    test_spool_put_header(&spool, 0);
    test_spool_put(&spool, 0, messages + 11, 4, ids + 11);
    committed = 15;
    test_spool_crash_segment(&spool, 0);
}

/* Sectors in the middle are gone, a big body is missing, a header is damaged. */
static void state_damaged(void)
{
    begin_state();
    for (size_t i = 8; i < 14; i++) {
        test_spool_put(&spool, 0, messages + i, 1, ids + i);
    }
    memset(octet_of(9), 0, 512);
    test_must(unlinkat(spool.big_fd, "000-000000000000003d.body", 0) == 0, "unlink"); /* 11 */
    test_spool_crash_segment(&spool, 0);
    test_spool_put(&spool, 1, messages + 14, 2, ids + 14);
    memset(spool.lanes[1].lane.segment, 0x55, 64);
    test_spool_crash_segment(&spool, 1);
    committed = 16;
}

/* One bit of a body in the last batch; nothing speaks for that batch but itself. */
static void state_flipped(void)
{
    put_last_batch();
    octet_of(10)[3000] ^= 4;
    test_spool_crash_segment(&spool, 0);
}

/* The last block of the last batch, with its END. */
static void state_scrambled_end(void)
{
    put_last_batch();
    memset(spool.lanes[0].lane.segment + spool.lanes[0].lane.writer.off - 4096, 0xa7, 4096);
    test_spool_crash_segment(&spool, 0);
}

/* All of the last batch: nobody knows what was there. */
static void scramble_batch(void)
{
    begin_state();
    test_spool_put(&spool, 0, messages + 8, 1, ids + 8);
    memset(spool.lanes[0].lane.segment + spool.lanes[0].lane.writer.off - 4096, 0xa7, 4096);
    test_spool_crash_segment(&spool, 0);
}

static void state_scrambled_batch(void)
{
    scramble_batch();
}

/* But for a doorbell, of another boot: it knows that there was a message. */
static void state_proven_by_tail(void)
{
    scramble_batch();
    test_ring_in(&spool);
    spool.bell->boot_id[0] ^= 1;
    test_write_file(spool.fd, RP_SPOOL_DOORBELL_NAME, spool.bell, sizeof *spool.bell);
    committed = 9;
}

static void remove_of_lane(const char *name)
{
    test_must(unlinkat(spool.lanes[0].fd, name, 0) == 0, name);
}

/* The file of the last segment is gone, its index says what it had: one big message, too. */
static void state_no_last(void)
{
    begin_state();
    remove_of_lane("0000000000000002.seg");
}

static void state_directory(void)
{
    begin_state();
    remove_of_lane("0000000000000002.seg");
    test_must(mkdirat(spool.lanes[0].fd, "0000000000000002.seg", 0700) == 0, "mkdir");
}

/* The same, with something in the place of the index that says nothing. */
static void state_no_last_with_bad_index(void)
{
    state_no_last();
    test_write_file(spool.lanes[0].fd, "0000000000000002.idx", "nothing", 7);
}

/* Both files of a segment are gone: nobody knows what it had. */
static void state_gap(void)
{
    begin_state();
    remove_of_lane("0000000000000001.seg");
    remove_of_lane("0000000000000001.idx");
}

/* The same, with something in the place of the index that says nothing; but the next segment says
 * which sequences are missing. */
static void state_gap_with_bad_index(void)
{
    state_gap();
    test_write_file(spool.lanes[0].fd, "0000000000000001.idx", "nothing", 7);
}

/* The file of the last segment was cut behind its first batch. */
static void state_cut(void)
{
    begin_state();
    test_spool_put(&spool, 0, messages + 8, 1, ids + 8);
    uint64_t end = spool.lanes[0].lane.writer.off;
    test_spool_put(&spool, 0, messages + 9, 1, ids + 9);
    test_spool_crash_segment(&spool, 0);
    cut_segment(3, (off_t)end);
    committed = 9;
}

struct state {
    void (*make)(void);
    struct rp_spooldir_report report; /* expected */
    uint64_t next_segment[2];
    uint64_t next_sequence[2];
    uint64_t skipped; /* of lane 0 */
    uint64_t lost;    /* a bit for each message that is not whole any more */
    bool keeps_stray; /* what is lost may have named it */
    bool looks_again; /* at each start */
};

#define BIT(i) (1ull << (i))

/* clang-format off */
static const struct state states[] = {
    {state_clean, {.messages = 8, .segments = 3, .big_removed = 1}, {3, 2}, {6, 2}},
    {state_crash,
     {.messages = 17, .segments = 5, .segments_scanned = 2, .segments_removed = 2,
      .big_removed = 2},
     {6, 3}, {11, 6}},
    {state_torn,
     {.messages = 11, .segments = 4, .segments_scanned = 1, .unfinished = 2,
      .unfinished_batches = 1, .big_removed = 1},
     {4, 2}, {11, 2}}, /* what was not finished keeps its sequences */
    {state_void,
     {.messages = 11, .segments = 4, .segments_scanned = 2, .void_records = 2, .big_removed = 1},
     {5, 2}, {9, 2}},
    {state_void_passed,
     {.messages = 15, .segments = 5, .segments_scanned = 3, .void_records = 2, .big_removed = 1},
     {6, 2}, {13, 2}},
    {state_damaged,
     {.messages = 14, .segments = 5, .segments_scanned = 2, .damaged = 2},
     {4, 3}, {12, 4}, .lost = BIT(9) | BIT(11), .keeps_stray = true},
    {state_flipped,
     {.messages = 10, .segments = 4, .segments_scanned = 1, .damaged = 1, .big_removed = 1},
     {4, 2}, {9, 2}, .lost = BIT(10)},
    {state_scrambled_end,
     {.messages = 10, .segments = 4, .segments_scanned = 1, .damaged = 1, .big_removed = 1},
     {4, 2}, {9, 2}, .lost = BIT(10)},
    {state_scrambled_batch,
     {.messages = 8, .segments = 3, .segments_scanned = 1, .unsure = 1},
     {4, 2}, {6 + CAP, 2}, .skipped = CAP, .keeps_stray = true, .looks_again = true},
    {state_proven_by_tail,
     {.messages = 8, .segments = 3, .segments_scanned = 1, .damaged = 1, .unsure = 1},
     {4, 2}, {7 + CAP, 2}, .skipped = CAP, .lost = BIT(8), .keeps_stray = true,
     .looks_again = true},
    {state_no_last,
     {.messages = 5, .segments = 2, .damaged = 3},
     {3, 2}, {6, 2}, .lost = BIT(3) | BIT(4) | BIT(5), .keeps_stray = true},
    {state_directory,
     {.messages = 5, .segments = 2, .damaged = 3},
     {3, 2}, {6, 2}, .lost = BIT(3) | BIT(4) | BIT(5), .keeps_stray = true},
    {state_no_last_with_bad_index,
     {.messages = 5, .segments = 2, .unsure = 1},
     {3, 2}, {3 + CAP_MAX, 2}, .skipped = CAP_MAX, .lost = BIT(3) | BIT(4) | BIT(5),
     .keeps_stray = true, .looks_again = true},
    {state_gap,
     {.messages = 5, .segments = 2, .missing = 3},
     {3, 2}, {6, 2}, .lost = BIT(0) | BIT(1) | BIT(2), .keeps_stray = true},
    {state_gap_with_bad_index,
     {.messages = 5, .segments = 2, .missing = 3},
     {3, 2}, {6, 2}, .lost = BIT(0) | BIT(1) | BIT(2), .keeps_stray = true},
    {state_cut,
     {.messages = 9, .segments = 4, .segments_scanned = 1, .unsure = 1},
     {4, 2}, {7 + CAP, 2}, .skipped = CAP, .keeps_stray = true, .looks_again = true},
};
/* clang-format on */
#define STATES (sizeof states / sizeof states[0])

/* What a reader sees is what was committed. */
static void check_messages(const struct state *state)
{
    struct rp_spool_reader *reader;
    struct rp_spool_entry entry;
    static struct rp_spool_cursor cursor;
    CU_ASSERT_EQUAL_FATAL(rp_spool_reader_open(spool.path, &reader), 0);
    memset(&cursor, 0, sizeof cursor);
    uint64_t whole = 0;
    uint64_t damaged = 0;
    while (rp_spool_reader_next(reader, &cursor, &entry) == 1) {
        whole += !entry.is_damaged;
        damaged += entry.is_damaged;
    }
    CU_ASSERT_EQUAL(whole, state->report.messages);
    CU_ASSERT_EQUAL(damaged, state->report.damaged);
    for (size_t i = 0; i < committed; i++) {
        int found = rp_spool_reader_find(reader, ids[i].text, &entry);
        if ((state->lost & BIT(i)) != 0) {
            CU_ASSERT(found == -ENOENT || (found == 0 && entry.is_damaged));
        } else {
            CU_ASSERT_EQUAL(found, 0);
            CU_ASSERT_TRUE(test_is_message(reader, &entry, &messages[i]));
        }
    }
    rp_spool_reader_close(reader);
}

static void print_report(size_t state, const struct rp_spooldir_report *got)
{
    (void)fprintf(stderr,
                  "state %zu: messages %llu segments %llu scanned %llu removed %llu unfinished "
                  "%llu in %llu void %llu damaged %llu missing %llu unsure %llu unreadable %llu "
                  "big %llu\n",
                  state, (unsigned long long)got->messages, (unsigned long long)got->segments,
                  (unsigned long long)got->segments_scanned,
                  (unsigned long long)got->segments_removed, (unsigned long long)got->unfinished,
                  (unsigned long long)got->unfinished_batches,
                  (unsigned long long)got->void_records, (unsigned long long)got->damaged,
                  (unsigned long long)got->missing, (unsigned long long)got->unsure,
                  (unsigned long long)got->unreadable, (unsigned long long)got->big_removed);
}

static uint64_t recovered_hash[STATES];
static int recovered_calls[STATES];

/* What is found again at the next start: nothing was cut, or there is nothing to do. */
static void check_again(size_t i)
{
    const struct state *state = &states[i];
    CU_ASSERT_EQUAL_FATAL(open_dir(spool.path, 2), 0);
    CU_ASSERT_EQUAL(dir.report.messages, state->report.messages);
    CU_ASSERT_EQUAL(dir.report.damaged, state->report.damaged);
    CU_ASSERT_EQUAL(dir.report.missing, state->report.missing);
    CU_ASSERT_EQUAL(dir.report.unsure, state->report.unsure);
    CU_ASSERT_EQUAL(dir.report.segments_scanned,
                    state->looks_again ? state->report.segments_scanned : 0);
    CU_ASSERT_EQUAL(dir.report.segments_removed, 0);
    CU_ASSERT_EQUAL(dir.report.void_records, 0);
    CU_ASSERT_EQUAL(dir.report.unfinished_batches, 0);
    CU_ASSERT_EQUAL(dir.report.big_removed, 0);
    CU_ASSERT_EQUAL(dir.lanes[0].next_sequence, state->next_sequence[0]);
    CU_ASSERT_EQUAL(dir.lanes[0].skipped, state->skipped);
    CU_ASSERT_EQUAL(hash_spool(spool.path), recovered_hash[i]);
}

/* Each state, recovered once, and once more. */
static void test_recovery(void)
{
    for (size_t i = 0; i < STATES; i++) {
        const struct state *state = &states[i];
        state->make();
        check_messages(state); /* a reader sees the same before */
        calls_made = 0;
        CU_ASSERT_EQUAL_FATAL(open_dir(spool.path, 2), 0);
        recovered_calls[i] = calls_made;
        if (memcmp(&dir.report, &state->report, sizeof dir.report) != 0) {
            print_report(i, &dir.report);
            CU_FAIL("the report is another");
        }
        for (uint32_t lane = 0; lane < 2; lane++) {
            uint64_t skipped = lane == 0 ? state->skipped : 0;
            CU_ASSERT_EQUAL(dir.lanes[lane].next_segment, state->next_segment[lane]);
            CU_ASSERT_EQUAL(dir.lanes[lane].next_sequence, state->next_sequence[lane]);
            CU_ASSERT_EQUAL(dir.lanes[lane].skipped, skipped);
            CU_ASSERT_EQUAL(dir.doorbell->lanes[lane].tail, state->next_sequence[lane] - skipped);
        }
        uint32_t generation = dir.doorbell->generation;
        check_messages(state);
        CU_ASSERT_EQUAL(faccessat(spool.big_fd, STRAY, F_OK, 0) == 0, state->keeps_stray);
        recovered_hash[i] = hash_spool(spool.path);
        rp_spooldir_close(&dir);
        check_messages(state);
        if (state->make == state_void || state->make == state_void_passed) {
            bool is_there = faccessat(spool.lanes[0].fd, "0000000000000004.seg", F_OK, 0) == 0;
            CU_ASSERT_EQUAL(is_there, state->make == state_void);
        }
        check_again(i);
        CU_ASSERT_EQUAL(dir.doorbell->generation, generation + 1);
        rp_spooldir_close(&dir);
        check_messages(state);
        test_spool_free(&spool);
    }
}

/* Cut short before the nth call: the next run ends as an undisturbed one does. */
static void test_crash_at_each_call(void)
{
    for (size_t i = 0; i < STATES; i++) {
        int n = 0;
        int status = CRASHED;
        for (; status == CRASHED; n++) {
            states[i].make();
            pid_t child = fork();
            test_must(child >= 0, "fork");
            if (child == 0) {
                calls_left = n;
                calls_fail = false;
                _exit(open_dir(spool.path, 2) == 0 ? 0 : 1);
            }
            int wait_status;
            test_must(waitpid(child, &wait_status, 0) == child && WIFEXITED(wait_status), "wait");
            status = WEXITSTATUS(wait_status);
            CU_ASSERT_EQUAL_FATAL(open_dir(spool.path, 2), 0);
            CU_ASSERT_EQUAL(dir.report.messages, states[i].report.messages);
            CU_ASSERT_EQUAL(dir.lanes[0].next_sequence, states[i].next_sequence[0]);
            rp_spooldir_close(&dir);
            if (hash_spool(spool.path) != recovered_hash[i]) {
                (void)fprintf(stderr, "state %zu, cut before call %d\n", i, n);
                CU_FAIL("another result");
            }
            test_spool_free(&spool);
        }
        CU_ASSERT_EQUAL(status, 0);
        CU_ASSERT_EQUAL(n - 1, recovered_calls[i]);
    }
}

/* The nth call fails: a clear error, nothing stays open, and the next run is fine. Where spool.meta
 * cannot be written in place, though, a new one takes its place. */
static void test_error_at_each_call(void)
{
    for (size_t i = 0; i < STATES; i++) {
        int mended = 0;
        for (int n = 0; n < recovered_calls[i]; n++) {
            states[i].make();
            int fds = count_fds();
            calls_left = n;
            calls_fail = true;
            int result = open_dir(spool.path, 2);
            calls_left = -1;
            if (result == 0) {
                mended++;
                rp_spooldir_close(&dir);
            } else {
                CU_ASSERT_EQUAL(result, -EIO);
                CU_ASSERT_PTR_NOT_NULL(strstr(error, "Input/output error"));
            }
            CU_ASSERT_EQUAL(count_fds(), fds);
            CU_ASSERT_EQUAL_FATAL(open_dir(spool.path, 2), 0);
            rp_spooldir_close(&dir);
            CU_ASSERT_EQUAL(hash_spool(spool.path), recovered_hash[i]);
            test_spool_free(&spool);
        }
        /* Three sectors and the sync of them. */
        CU_ASSERT(mended >= 1 && mended <= 4);
    }
}

/* ---- parts that the disk cannot read ---- */

static void make_unreadable(const char *name, uint64_t from, uint64_t to)
{
    struct stat status;
    test_must(fstatat(spool.lanes[0].fd, name, &status, 0) == 0, name);
    unreadable.inode = status.st_ino;
    unreadable.from = from;
    unreadable.to = to;
}

/* The octets of a segment's file, and whether it has an index. */
static uint64_t hash_of_segment(const char *name)
{
    static uint8_t octets[SEGMENT];
    int fd = openat(spool.lanes[0].fd, name, O_RDONLY | O_CLOEXEC);
    test_must(fd >= 0 && read(fd, octets, sizeof octets) == (ssize_t)SEGMENT, name);
    (void)close(fd); /* only read */
    return rp_format_hash(octets, sizeof octets, 0);
}

/*
 * Three batches in an open segment, one of its blocks unreadable, whichever: what is whole is
 * there, what cannot be read is counted, nothing is cut or removed, no index is written; and when
 * the disk can read it again everything is there.
 */
static void try_unreadable(uint64_t from, uint64_t to)
{
    static const struct state all = {.report = {.messages = 11}};
    begin_state();
    for (size_t i = 8; i < 11; i++) {
        test_spool_put(&spool, 0, messages + i, 1, ids + i);
    }
    test_spool_crash_segment(&spool, 0);
    committed = 11;
    make_unreadable("0000000000000003.seg", from, to);
    uint64_t before = hash_of_segment("0000000000000003.seg");
    for (int start = 0; start < 2; start++) {
        CU_ASSERT_EQUAL_FATAL(open_dir(spool.path, 2), 0);
        CU_ASSERT(dir.report.messages + dir.report.damaged <= 11);
        CU_ASSERT(dir.report.messages >= 8);
        CU_ASSERT(dir.report.segments_removed == 0 && dir.report.big_removed == 0);
        CU_ASSERT_EQUAL(dir.report.unreadable, 1);
        CU_ASSERT(dir.lanes[0].next_sequence >= 9); /* none of theirs is given to others */
        CU_ASSERT_EQUAL(dir.lanes[0].next_segment, 4);
        rp_spooldir_close(&dir);
    }
    unreadable.to = unreadable.from;
    CU_ASSERT_EQUAL(hash_of_segment("0000000000000003.seg"), before);
    CU_ASSERT_NOT_EQUAL(faccessat(spool.lanes[0].fd, "0000000000000003.idx", F_OK, 0), 0);
    CU_ASSERT_EQUAL(faccessat(spool.big_fd, STRAY, F_OK, 0), 0);
    check_messages(&all);
    CU_ASSERT_EQUAL_FATAL(open_dir(spool.path, 2), 0);
    CU_ASSERT(dir.report.messages == 11 && dir.report.unreadable == 0);
    CU_ASSERT(dir.report.damaged == 0 && dir.report.missing == 0);
    rp_spooldir_close(&dir);
    check_messages(&all);
    test_spool_free(&spool);
}

static void test_unreadable(void)
{
    for (uint64_t block = 0; block < 6; block++) {
        try_unreadable(block * 4096, (block + 1) * 4096);
    }
    try_unreadable(0, SEGMENT); /* all of it, while the daemon starts */
    try_unreadable(4096, SEGMENT);
    try_unreadable(SEGMENT - 4096, SEGMENT); /* where nothing ever was */
}

/* An index that cannot be read is no index: the segment is looked into, and nothing is lost. */
static void test_unreadable_index(void)
{
    static const struct state all = {.report = {.messages = 8}};
    begin_state();
    make_unreadable("0000000000000002.idx", 0, SEGMENT);
    CU_ASSERT_EQUAL_FATAL(open_dir(spool.path, 2), 0);
    CU_ASSERT(dir.report.messages == 8 && dir.report.damaged == 0);
    rp_spooldir_close(&dir);
    unreadable.to = unreadable.from;
    check_messages(&all);
    test_spool_free(&spool);
}

/* ---- names of ours that are something else ---- */

static void test_oddities(void)
{
    begin_state();
    int fd = spool.lanes[0].fd;
    test_must(mkdirat(fd, "0000000000000007.seg", 0700) == 0, "mkdir");
    test_must(symlinkat("x", fd, "0000000000000008.seg") == 0, "symlink");
    test_write_file(fd, "0000000000000009.idx", "", 0);
    test_write_file(fd, "000000000000000a.seg", "", 0);
    test_write_file(fd, "garbage", "", 0);
    test_write_file(fd, "0000000000000003.idx.tmp", "half", 4);
    test_must(mkdirat(spool.big_fd, "001-00000000000003e7.body", 0700) == 0, "mkdir");
    for (int start = 0; start < 2; start++) {
        CU_ASSERT_EQUAL_FATAL(open_dir(spool.path, 2), 0);
        CU_ASSERT_EQUAL(dir.report.messages, 8);
        CU_ASSERT_EQUAL(dir.report.damaged, 0);
        CU_ASSERT_EQUAL(dir.lanes[0].next_segment, 11);
        /* Nobody knows what segment 9 had. */
        CU_ASSERT_EQUAL(dir.lanes[0].next_sequence, 6 + CAP_MAX);
        CU_ASSERT_EQUAL(dir.lanes[0].skipped, CAP_MAX);
        CU_ASSERT_EQUAL(dir.report.unsure, 1);
        rp_spooldir_close(&dir);
    }
    static const char *const kept[] = {"0000000000000007.seg", "0000000000000009.idx", "garbage",
                                       "0000000000000003.idx.tmp"};
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        CU_ASSERT_EQUAL(faccessat(fd, kept[i], F_OK, 0), 0);
    }
    CU_ASSERT_NOT_EQUAL(faccessat(fd, "000000000000000a.seg", F_OK, 0), 0);
    test_spool_free(&spool);
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"recovery",           test_recovery          },
        {"crash at each call", test_crash_at_each_call},
        {"error at each call", test_error_at_each_call},
        {"unreadable",         test_unreadable        },
        {"unreadable index",   test_unreadable_index  },
        {"oddities",           test_oddities          },
    };
    return SUITE_RUN("engine/spooldir_lane", tests, argc, argv);
}
