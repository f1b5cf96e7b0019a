/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_spooldir.c - the spool's directory at start: create, refuse, lock, recover.
 *
 * Spools are written with the writer library and left as crashes leave them. Each is recovered;
 * what readers then see and what the report says is compared with what was written. Recovery is run
 * again (nothing may change), and is cut short before, or made to fail at, its nth system
 * call that changes anything, for every n: the next run must end with the same files. The system
 * calls are counted by wrappers that the linker puts in between (meson.build).
 */
#include "engine/spooldir.h"

#include "tests/spool/spool.h"

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>
#include <stdarg.h>
#include <sys/wait.h>

#define SEGMENT RP_SPOOL_SEGMENT_MIN

/* ---- system calls that change something ---- */

static int calls_left = -1; /* before the next one is the last; -1: no limit */
static bool calls_fail;     /* true: it fails with EIO; false: the process ends */
static int calls_made;

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_ftruncate64(int fd, off_t len);
int __wrap_ftruncate64(int fd, off_t len);
ssize_t __real_pwrite64(int fd, const void *ptr, size_t len, off_t off);
ssize_t __wrap_pwrite64(int fd, const void *ptr, size_t len, off_t off);
int __real_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __real_unlinkat(int fd, const char *name, int flags);
int __wrap_unlinkat(int fd, const char *name, int flags);
int __real_mkdirat(int fd, const char *name, mode_t mode);
int __wrap_mkdirat(int fd, const char *name, mode_t mode);
int __real_posix_fallocate64(int fd, off_t off, off_t len);
int __wrap_posix_fallocate64(int fd, off_t off, off_t len);
int __real_openat64(int fd, const char *name, int flags, ...);
int __wrap_openat64(int fd, const char *name, int flags, ...);

#define CRASHED 77

/* True: this call fails. */
static bool count_call(void)
{
    calls_made++;
    if (calls_left < 0 || calls_left-- > 0) {
        return false;
    }
    if (!calls_fail) {
        _exit(CRASHED);
    }
    calls_left = -1;
    errno = EIO;
    return true;
}

/* What is in the page cache is there for the next run: the order of calls is under test here,
 * the simulator loses what was not synced. */
int __wrap_fsync(int fd)
{
    (void)fd; /* nothing is synced */
    return count_call() ? -1 : 0;
}

int __wrap_ftruncate64(int fd, off_t len)
{
    return count_call() ? -1 : __real_ftruncate64(fd, len);
}

/* Only half of it, so that the loops that go on are gone through, too. */
ssize_t __wrap_pwrite64(int fd, const void *ptr, size_t len, off_t off)
{
    return count_call() ? -1 : __real_pwrite64(fd, ptr, len > 2048 ? len / 2 : len, off);
}

int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    return count_call() ? -1 : __real_renameat(from_fd, from, to_fd, to);
}

int __wrap_unlinkat(int fd, const char *name, int flags)
{
    return count_call() ? -1 : __real_unlinkat(fd, name, flags);
}

int __wrap_mkdirat(int fd, const char *name, mode_t mode)
{
    return count_call() ? -1 : __real_mkdirat(fd, name, mode);
}

int __wrap_posix_fallocate64(int fd, off_t off, off_t len)
{
    return count_call() ? EIO : __real_posix_fallocate64(fd, off, len);
}

int __wrap_openat64(int fd, const char *name, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(list, mode_t) : 0;
    va_end(list);
    return (flags & O_CREAT) != 0 && count_call() ? -1 : __real_openat64(fd, name, flags, mode);
}

/* ---- helpers ---- */

static struct test_spool spool;
static struct rp_spooldir dir;
static struct rp_spool_cursor cursor;
static char error[256];

static int open_dir(const char *path, uint32_t lanes)
{
    error[0] = '\0';
    return rp_spooldir_open(&dir, path, lanes, SEGMENT, error, sizeof error);
}

/* Names, lengths and octets of all files but the doorbell, as one number. */
static uint64_t hash_tree(int fd)
{
    uint64_t sum = 0;
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = fdopendir(copy);
    test_must(list != NULL, "fdopendir");
    for (const struct dirent *entry; (entry = readdir(list)) != NULL;) {
        struct stat status;
        const char *name = entry->d_name;
        test_must(fstatat(fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0, name);
        if (S_ISREG(status.st_mode) && strcmp(name, RP_SPOOL_DOORBELL_NAME) != 0) {
            int file = openat(fd, name, O_RDONLY | O_CLOEXEC);
            struct rp_reader_file_image image;
            test_must(file >= 0, name);
            test_must(rp_reader_file_load(file, (uint64_t)status.st_size, &image) == 0, name);
            uint64_t seed = rp_format_hash(name, strlen(name), image.len);
            sum += rp_format_hash(image.base, image.len, seed);
            rp_reader_file_unload(&image);
            (void)close(file);
        } else if (S_ISDIR(status.st_mode)) {
            sum += rp_format_hash(name, strlen(name), 1);
        }
    }
    (void)closedir(list);
    return sum;
}

static uint64_t hash_spool(const char *path)
{
    static const char *const names[] = {".", "big", "lane-000", "lane-001"};
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    test_must(fd >= 0, path);
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        int sub = openat(fd, names[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (sub >= 0) {
            sum = sum * 31 + hash_tree(sub);
            (void)close(sub);
        }
    }
    (void)close(fd);
    return sum;
}

static int count_fds(void)
{
    int count = 0;
    DIR *list = opendir("/proc/self/fd");
    test_must(list != NULL, "/proc/self/fd");
    while (readdir(list) != NULL) {
        count++;
    }
    (void)closedir(list);
    return count;
}

/* ---- create and refuse ---- */

static void make_path(char path[64])
{
    (void)snprintf(path, 64, "%s/rp-dir-XXXXXX", test_base());
    test_must(mkdtemp(path) != NULL, "mkdtemp");
    test_must(rmdir(path) == 0, "rmdir");
}

static void test_create(void)
{
    char path[64];
    make_path(path);
    int fds = count_fds();
    CU_ASSERT_EQUAL_FATAL(open_dir(path, 2), 0);
    CU_ASSERT_TRUE(dir.report.is_new);
    CU_ASSERT_EQUAL(dir.lane_count, 2);
    CU_ASSERT_EQUAL(dir.lanes[1].next_segment, 1);
    CU_ASSERT_EQUAL(dir.lanes[1].next_sequence, 0);
    CU_ASSERT_EQUAL(dir.doorbell->magic, RP_SPOOL_DOORBELL_MAGIC);
    CU_ASSERT_EQUAL(dir.doorbell->lane_count, 2);
    struct stat status;
    CU_ASSERT_EQUAL(stat(path, &status), 0);
    CU_ASSERT_EQUAL(status.st_mode & 0777, 0750);
    uint8_t identity[16];
    memcpy(identity, dir.identity, sizeof identity);

    static struct rp_spooldir second;
    CU_ASSERT_EQUAL(rp_spooldir_open(&second, path, 1, SEGMENT, error, sizeof error), -EBUSY);
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "another daemon"));
    rp_spooldir_close(&dir);
    rp_spooldir_close(&dir); /* zeroed: nothing */
    CU_ASSERT_EQUAL(count_fds(), fds);

    /* More lanes, then fewer: all stay. Another segment size is written down. */
    CU_ASSERT_EQUAL_FATAL(open_dir(path, 3), 0);
    CU_ASSERT_FALSE(dir.report.is_new);
    CU_ASSERT_EQUAL(dir.lane_count, 3);
    CU_ASSERT_EQUAL(memcmp(dir.identity, identity, sizeof identity), 0);
    rp_spooldir_close(&dir);
    CU_ASSERT_EQUAL_FATAL(rp_spooldir_open(&dir, path, 1, 2 * SEGMENT, error, sizeof error), 0);
    CU_ASSERT_EQUAL(dir.lane_count, 3);
    CU_ASSERT_EQUAL(dir.segment_size, 2 * SEGMENT);
    struct rp_spool_reader *reader;
    CU_ASSERT_EQUAL_FATAL(rp_spool_reader_open(path, &reader), 0);
    struct rp_spool_info info;
    rp_spool_reader_info(reader, &info);
    CU_ASSERT_EQUAL(info.segment_size, 2 * SEGMENT);
    CU_ASSERT_EQUAL(info.lane_count, 3);
    rp_spool_reader_close(reader);
    rp_spooldir_close(&dir);
    test_remove_tree(path);
}

static void test_arguments(void)
{
    char path[64];
    make_path(path);
    CU_ASSERT_EQUAL(open_dir(path, 0), -EINVAL);
    CU_ASSERT_EQUAL(open_dir(path, 256), -EINVAL);
    CU_ASSERT_EQUAL(rp_spooldir_open(&dir, path, 1, SEGMENT - 4096, error, sizeof error), -EINVAL);
    CU_ASSERT_EQUAL(rp_spooldir_open(&dir, path, 1, SEGMENT + 1, error, sizeof error), -EINVAL);
    CU_ASSERT_NOT_EQUAL(access(path, F_OK), 0);
    CU_ASSERT_EQUAL(open_dir("/tmp/rp-no-parent/spool", 1), -ENOENT);
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "/tmp/rp-no-parent/spool: "));
    CU_ASSERT_EQUAL(open_dir("/proc/version", 1), -ENOTDIR);
    CU_ASSERT_EQUAL(rp_spooldir_open(&dir, "/proc/version", 1, SEGMENT, error, 9), -ENOTDIR);
    CU_ASSERT_EQUAL(strlen(error), 8);
}

static void test_foreign(void)
{
    char path[64];
    make_path(path);
    test_must(mkdir(path, 0700) == 0, path);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fds = count_fds();
    test_write_file(fd, "holiday.jpg", "x", 1);
    CU_ASSERT_EQUAL(open_dir(path, 1), -EEXIST);
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "holiday.jpg"));
    CU_ASSERT_NOT_EQUAL(faccessat(fd, "lock", F_OK, 0), 0);
    CU_ASSERT_EQUAL(count_fds(), fds);
    test_must(unlinkat(fd, "holiday.jpg", 0) == 0, "unlink");
    /* What a start that was cut short has left does not stand in the way. */
    test_write_file(fd, "lock", "", 0);
    test_write_file(fd, "spool.meta.tmp", "half", 4);
    CU_ASSERT_EQUAL_FATAL(open_dir(path, 1), 0);
    rp_spooldir_close(&dir);
    /* In a spool, what is not ours is left alone. */
    test_write_file(fd, "notes", "mine", 4);
    CU_ASSERT_EQUAL_FATAL(open_dir(path, 1), 0);
    rp_spooldir_close(&dir);
    CU_ASSERT_EQUAL(faccessat(fd, "notes", F_OK, 0), 0);
    (void)close(fd);
    test_remove_tree(path);
}

static void test_meta(void)
{
    test_spool_make(&spool, NULL, 1, false);
    test_write_file(spool.fd, RP_SPOOL_META_NAME, "", 0);
    CU_ASSERT_EQUAL(open_dir(spool.path, 1), -EBADMSG);
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "spool.meta"));
    struct rp_spool_meta meta = {
        .magic = RP_SPOOL_META_MAGIC,
        .version = RP_SPOOL_VERSION + 1,
    };
    rp_format_meta_seal(&meta);
    test_write_file(spool.fd, RP_SPOOL_META_NAME, &meta, sizeof meta);
    CU_ASSERT_EQUAL(open_dir(spool.path, 1), -EPROTONOSUPPORT);
    test_must(unlinkat(spool.fd, RP_SPOOL_META_NAME, 0) == 0, "unlink");
    test_must(symlinkat("x", spool.fd, RP_SPOOL_META_NAME) == 0, "symlink");
    CU_ASSERT_EQUAL(open_dir(spool.path, 1), -ELOOP);
    test_spool_free(&spool);
}

/* ---- what crashes leave ---- */

#define MESSAGES 24u
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

/* Six messages in two closed segments of lane 0 and one in lane 1, some in an open segment. */
static void begin_state(void)
{
    make_messages();
    test_spool_make(&spool, NULL, 2, false);
    test_spool_put(&spool, 0, messages, 3, ids);
    test_spool_trim_segment(&spool, 0);
    test_spool_put(&spool, 0, messages + 3, 3, ids + 3);
    test_spool_trim_segment(&spool, 0);
    test_spool_put(&spool, 1, messages + 6, 2, ids + 6);
    test_spool_trim_segment(&spool, 1);
    committed = 8;
}

static void state_clean(void)
{
    begin_state();
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
    test_write_file(spool.lanes[0].fd, "0000000000000003.idx.tmp", "half", 4);
    test_write_file(spool.big_fd, "000-00000000000003e7.body", "lost", 4);
    test_write_file(spool.big_fd, "001-00000000000003e7.body", "", 0);
    test_write_file(spool.big_fd, "keep", "not ours", 8);
}

/* The last batch did not get whole to the disk. */
static void state_torn(void)
{
    begin_state();
    test_spool_put(&spool, 0, messages + 8, 3, ids + 8);
    committed = 11;
    test_spool_abandon(&spool, 0, messages + 12, 2, 200);
    test_spool_crash_segment(&spool, 0);
}

/* A failed batch is whole on the disk; the next header says that it is void. */
static void state_void(void)
{
    begin_state();
    test_spool_put(&spool, 0, messages + 8, 3, ids + 8);
    committed = 11;
    test_spool_abandon(&spool, 0, messages + 12, 2, UINT64_MAX);
    /* The index is not sealed on the disk: the crash came before it was synced. */
    struct rp_spool_index_header *index = spool.lanes[0].lane.index;
    rp_spool_writer_close_segment(&spool.lanes[0].lane.writer);
    index->count = RP_SPOOL_INDEX_OPEN;
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
    uint32_t lane;
    uint64_t segment;
    uint64_t offset;
    test_must(rp_format_id_parse(ids[9].text, &lane, &segment, &offset), "id");
    memset(spool.lanes[0].lane.segment + offset, 0, 512);
    test_must(unlinkat(spool.big_fd, "000-000000000000003d.body", 0) == 0, "unlink"); /* 11 */
    test_spool_crash_segment(&spool, 0);
    test_spool_put(&spool, 1, messages + 14, 2, ids + 14);
    memset(spool.lanes[1].lane.segment, 0x55, 64);
    test_spool_crash_segment(&spool, 1);
    test_write_file(spool.big_fd, "000-00000000000003e7.body", "whose?", 6);
    committed = 16;
}

static bool is_lost(size_t i)
{
    return i == 9 || i == 11;
}

struct state {
    void (*make)(void);
    struct rp_spooldir_report report; /* expected; cut_octets only whether there are any */
    uint64_t next_segment[2];
    uint64_t next_sequence[2];
};

/* clang-format off */
static const struct state states[] = {
    {state_clean,
     {.messages = 8, .segments = 3},
     {3, 2}, {6, 2}},
    {state_crash,
     {.messages = 17, .segments = 5, .segments_scanned = 2, .segments_removed = 2,
      .big_removed = 2},
     {6, 3}, {11, 6}},
    {state_torn,
     {.messages = 11, .segments = 4, .segments_scanned = 1, .cut_octets = 1, .cut_places = 1},
     {4, 2}, {9, 2}},
    {state_void,
     {.messages = 11, .segments = 4, .segments_scanned = 2, .void_records = 2},
     {5, 2}, {9, 2}},
    {state_void_passed,
     {.messages = 15, .segments = 5, .segments_scanned = 3, .void_records = 2},
     {6, 2}, {13, 2}},
    {state_damaged,
     {.messages = 14, .segments = 5, .segments_scanned = 2, .damaged = 3},
     {4, 3}, {12, 4}},
};
/* clang-format on */
#define STATES (sizeof states / sizeof states[0])

/* What a reader sees is what was committed. */
static void check_messages(const struct state *state)
{
    struct rp_spool_reader *reader;
    struct rp_spool_entry entry;
    CU_ASSERT_EQUAL_FATAL(rp_spool_reader_open(spool.path, &reader), 0);
    memset(&cursor, 0, sizeof cursor);
    size_t seen = 0;
    size_t damaged = 0;
    while (rp_spool_reader_next(reader, &cursor, &entry) == 1) {
        seen++;
        damaged += entry.is_damaged;
    }
    CU_ASSERT_EQUAL(seen, committed);
    for (size_t i = 0; i < committed; i++) {
        bool lost = state->make == state_damaged && is_lost(i);
        CU_ASSERT_EQUAL(rp_spool_reader_find(reader, ids[i].text, &entry), 0);
        CU_ASSERT_EQUAL(entry.is_damaged, lost);
        CU_ASSERT_EQUAL(test_is_message(reader, &entry, &messages[i]), !lost);
        damaged -= lost;
    }
    CU_ASSERT_EQUAL(damaged, 0);
    rp_spool_reader_close(reader);
}

static bool is_as_reported(const struct rp_spooldir_report *got,
                           const struct rp_spooldir_report *want)
{
    return got->messages == want->messages && got->segments == want->segments &&
           got->segments_scanned == want->segments_scanned &&
           got->segments_removed == want->segments_removed &&
           (got->cut_octets > 0) == (want->cut_octets > 0) && got->cut_places == want->cut_places &&
           got->void_records == want->void_records && got->damaged == want->damaged &&
           got->big_removed == want->big_removed && !got->is_new;
}

static void print_report(size_t state, const struct rp_spooldir_report *got)
{
    (void)fprintf(stderr,
                  "state %zu: messages %llu segments %llu scanned %llu removed %llu cut %llu/%llu "
                  "void %llu damaged %llu big %llu\n",
                  state, (unsigned long long)got->messages, (unsigned long long)got->segments,
                  (unsigned long long)got->segments_scanned,
                  (unsigned long long)got->segments_removed, (unsigned long long)got->cut_octets,
                  (unsigned long long)got->cut_places, (unsigned long long)got->void_records,
                  (unsigned long long)got->damaged, (unsigned long long)got->big_removed);
}

static uint64_t recovered_hash[STATES];
static int recovered_calls[STATES];

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
        if (!is_as_reported(&dir.report, &state->report)) {
            print_report(i, &dir.report);
            CU_FAIL("the report is another");
        }
        for (uint32_t lane = 0; lane < 2; lane++) {
            CU_ASSERT_EQUAL(dir.lanes[lane].next_segment, state->next_segment[lane]);
            CU_ASSERT_EQUAL(dir.lanes[lane].next_sequence, state->next_sequence[lane]);
            CU_ASSERT_EQUAL(dir.doorbell->lanes[lane].tail, state->next_sequence[lane]);
        }
        uint32_t generation = dir.doorbell->generation;
        check_messages(state);
        recovered_hash[i] = hash_spool(spool.path);
        rp_spooldir_close(&dir);
        check_messages(state);
        if (state->make == state_void || state->make == state_void_passed) {
            bool is_there = faccessat(spool.lanes[0].fd, "0000000000000004.seg", F_OK, 0) == 0;
            CU_ASSERT_EQUAL(is_there, state->make == state_void);
        }

        CU_ASSERT_EQUAL_FATAL(open_dir(spool.path, 2), 0);
        CU_ASSERT_EQUAL(dir.report.messages, state->report.messages);
        CU_ASSERT_EQUAL(dir.report.segments_scanned, 0);
        CU_ASSERT_EQUAL(dir.report.segments_removed, 0);
        CU_ASSERT_EQUAL(dir.report.void_records, 0);
        CU_ASSERT_EQUAL(dir.doorbell->generation, generation + 1);
        CU_ASSERT_EQUAL(hash_spool(spool.path), recovered_hash[i]);
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

/* The nth call fails: a clear error, nothing stays open, and the next run is fine. */
static void test_error_at_each_call(void)
{
    for (size_t i = 0; i < STATES; i++) {
        for (int n = 0; n < recovered_calls[i]; n++) {
            states[i].make();
            int fds = count_fds();
            calls_left = n;
            calls_fail = true;
            int result = open_dir(spool.path, 2);
            calls_left = -1;
            if (result != -EIO) {
                (void)fprintf(stderr, "state %zu, call %d gave %d\n", i, n, result);
            }
            CU_ASSERT_EQUAL(result, -EIO);
            CU_ASSERT_PTR_NOT_NULL(strstr(error, "Input/output error"));
            CU_ASSERT_EQUAL(count_fds(), fds);
            CU_ASSERT_EQUAL_FATAL(open_dir(spool.path, 2), 0);
            rp_spooldir_close(&dir);
            CU_ASSERT_EQUAL(hash_spool(spool.path), recovered_hash[i]);
            test_spool_free(&spool);
        }
    }
}

/* Creating a spool, cut short before the nth call. */
static void test_crash_while_creating(void)
{
    int status = CRASHED;
    for (int n = 0; status == CRASHED; n++) {
        char path[64];
        make_path(path);
        pid_t child = fork();
        test_must(child >= 0, "fork");
        if (child == 0) {
            calls_left = n;
            calls_fail = false;
            _exit(open_dir(path, 2) == 0 ? 0 : 1);
        }
        int wait_status;
        test_must(waitpid(child, &wait_status, 0) == child && WIFEXITED(wait_status), "wait");
        status = WEXITSTATUS(wait_status);
        CU_ASSERT_EQUAL_FATAL(open_dir(path, 2), 0);
        CU_ASSERT_EQUAL(dir.lane_count, 2);
        rp_spooldir_close(&dir);
        test_remove_tree(path);
    }
    CU_ASSERT_EQUAL(status, 0);
}

/* An index whose segment is gone, names of ours that are something else. */
static void test_oddities(void)
{
    begin_state();
    int fd = spool.lanes[0].fd;
    test_must(unlinkat(fd, "0000000000000002.seg", 0) == 0, "unlink");
    test_must(mkdirat(fd, "0000000000000007.seg", 0700) == 0, "mkdir");
    test_must(symlinkat("x", fd, "0000000000000008.seg") == 0, "symlink");
    test_write_file(fd, "0000000000000009.idx", "", 0);
    test_write_file(fd, "000000000000000a.seg", "", 0);
    test_write_file(fd, "garbage", "", 0);
    test_must(mkdirat(spool.big_fd, "000-00000000000003e7.body", 0700) == 0, "mkdir");
    CU_ASSERT_EQUAL_FATAL(open_dir(spool.path, 2), 0);
    CU_ASSERT_EQUAL(dir.report.messages, 5);
    CU_ASSERT_EQUAL(dir.report.damaged, 1);
    CU_ASSERT_EQUAL(dir.lanes[0].next_segment, 11);
    CU_ASSERT_EQUAL(dir.lanes[0].next_sequence, 3);
    CU_ASSERT_EQUAL(faccessat(fd, "0000000000000002.idx", F_OK, 0), 0);
    CU_ASSERT_NOT_EQUAL(faccessat(fd, "0000000000000009.idx", F_OK, 0), 0);
    CU_ASSERT_NOT_EQUAL(faccessat(fd, "000000000000000a.seg", F_OK, 0), 0);
    CU_ASSERT_EQUAL(faccessat(fd, "garbage", F_OK, 0), 0);
    rp_spooldir_close(&dir);
    test_spool_free(&spool);
}

int main(void)
{
    if (CU_initialize_registry() != CUE_SUCCESS) {
        return 1;
    }
    CU_pSuite suite = CU_add_suite("spooldir", NULL, NULL);
    CU_ADD_TEST(suite, test_create);
    CU_ADD_TEST(suite, test_arguments);
    CU_ADD_TEST(suite, test_foreign);
    CU_ADD_TEST(suite, test_meta);
    CU_ADD_TEST(suite, test_recovery);
    CU_ADD_TEST(suite, test_crash_at_each_call);
    CU_ADD_TEST(suite, test_error_at_each_call);
    CU_ADD_TEST(suite, test_crash_while_creating);
    CU_ADD_TEST(suite, test_oddities);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    unsigned run = CU_get_number_of_tests_run();
    CU_cleanup_registry();
    return failures == 0 && run == 9 ? 0 : 1;
}
