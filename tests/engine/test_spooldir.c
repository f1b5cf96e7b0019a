/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_spooldir.c - the spool's directory at start: create, refuse, lock, and spool.meta.
 *
 * Goal: one daemon at a time, whatever is swapped under it; a directory that is something else is
 * left alone; numbers, sequences and the identity survive the loss of any part of spool.meta that
 * another file knows, and of all segments. Method: rows on spools that the writer library wrote;
 * a start is cut short before each system call that changes anything.
 */
#include "spooldir_case.h"

/* ---- create and refuse ---- */

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
    CU_ASSERT_NOT_EQUAL(faccessat(fd, RP_SPOOL_META_NAME, F_OK, 0), 0);
    CU_ASSERT_EQUAL(count_fds(), fds);
    test_must(unlinkat(fd, "holiday.jpg", 0) == 0, "unlink");
    /* What a start that was cut short has left does not stand in the way. */
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
    CU_ASSERT_EQUAL(open_dir(spool.path, 1), -EBADMSG);
    test_spool_free(&spool);
}

/* ---- locks ---- */

static struct rp_spooldir second;

static int open_second(const char *path)
{
    return rp_spooldir_open(&second, path, 1, SEGMENT, error, sizeof error);
}

static void keep(const char *name)
{
    (void)name; /* as it is */
}

static void remove_name(const char *name)
{
    test_must(unlinkat(spool.fd, name, 0) == 0, name);
}

/* Another file with the same octets. */
static void copy_name(const char *name)
{
    static uint8_t octets[RP_SPOOL_META_LEN];
    int fd = openat(spool.fd, name, O_RDONLY | O_CLOEXEC);
    ssize_t len = read(fd, octets, sizeof octets);
    test_must(len >= 0 && close(fd) == 0, name);
    test_write_file(spool.fd, "copy", octets, (size_t)len);
    test_must(renameat(spool.fd, "copy", spool.fd, name) == 0, name);
}

static void empty_name(const char *name)
{
    test_write_file(spool.fd, name, "", 0);
}

/* Whatever becomes of the files under it: the first one has the spool. */
static void test_locks(void)
{
    static void (*const changes[])(const char *) = {keep, copy_name, empty_name, remove_name};
    static const char *const names[] = {RP_SPOOL_META_NAME, RP_SPOOL_DOORBELL_NAME};
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct test_message message = {.number = 1, .body_len = 10, .time_ns = 1};
        struct rp_spool_id id;
        test_spool_make(&spool, NULL, 1, false);
        test_spool_put(&spool, 0, &message, 1, &id);
        test_spool_close_segment(&spool, 0);
        CU_ASSERT_EQUAL_FATAL(open_dir(spool.path, 1), 0);
        for (size_t j = 0; j < 2; j++) {
            if (j == 0 || changes[i] != empty_name) { /* the doorbell is mapped: see its own test */
                changes[i](names[j]);
            }
            uint64_t hash = hash_spool(spool.path);
            int fds = count_fds();
            CU_ASSERT_EQUAL(open_second(spool.path), -EBUSY);
            CU_ASSERT_PTR_NOT_NULL(strstr(error, "another daemon"));
            CU_ASSERT_EQUAL(hash_spool(spool.path), hash); /* it has changed nothing */
            CU_ASSERT_EQUAL(count_fds(), fds);
        }
        rp_spooldir_close(&dir);
        CU_ASSERT_EQUAL(open_second(spool.path), 0);
        rp_spooldir_close(&second);
        test_spool_free(&spool);
    }
}

/* Where a file system locks no directories there is the lock on spool.meta, which readers see. */
static void test_meta_lock(void)
{
    test_spool_make(&spool, NULL, 1, true); /* somebody has it, and it alone */
    CU_ASSERT_EQUAL(open_dir(spool.path, 1), -EBUSY);
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "another daemon"));
    test_unlock(&spool);
    CU_ASSERT_EQUAL_FATAL(open_dir(spool.path, 1), 0);
    int fd = openat(spool.fd, RP_SPOOL_META_NAME, O_RDWR | O_CLOEXEC);
    CU_ASSERT(rp_reader_file_is_locked(fd));
    rp_spooldir_close(&dir);
    CU_ASSERT(!rp_reader_file_is_locked(fd));
    (void)close(fd); /* only read */
    test_spool_free(&spool);
}

/* What the kernel still has under way when a ring is closed holds the files that it is on for a
 * moment: no lock may be among them, the next daemon starts at once. */
static void test_locks_end(void)
{
    char path[64];
    make_path(path);
    CU_ASSERT_EQUAL_FATAL(open_dir(path, 1), 0);
    const int in_rings[] = {dir.meta_fd, dir.big_fd, dir.lanes[0].fd};
    int held[3];
    for (size_t i = 0; i < 3; i++) {
        held[i] = dup(in_rings[i]);
    }
    rp_spooldir_close(&dir);
    CU_ASSERT_EQUAL_FATAL(open_dir(path, 1), 0);
    rp_spooldir_close(&dir);
    for (size_t i = 0; i < 3; i++) {
        (void)close(held[i]); /* nothing was written */
    }
    test_remove_tree(path);
}

/* ---- spool.meta, or what is left of it ---- */

#define LANE_1_OFF RP_SPOOL_LANE_META_OFF(1)

static void damage(uint64_t off)
{
    test_write_at(spool.fd, RP_SPOOL_META_NAME, off + 20, "damaged!", 8);
}

static void damage_none(void)
{
    /* as it was written */
}

static void damage_first(void)
{
    damage(0);
}

static void zero_first(void)
{
    static const uint8_t zeros[RP_SPOOL_SECTOR];
    test_write_at(spool.fd, RP_SPOOL_META_NAME, 0, zeros, sizeof zeros);
}

static void damage_lane(void)
{
    damage(LANE_1_OFF);
}

static void damage_first_and_lane(void)
{
    damage(0);
    damage(RP_SPOOL_LANE_META_OFF(0));
}

static void damage_all(void)
{
    damage_first_and_lane();
    damage(LANE_1_OFF);
}

static void remove_meta(void)
{
    remove_name(RP_SPOOL_META_NAME);
}

static void cut_meta(void)
{
    int fd = openat(spool.fd, RP_SPOOL_META_NAME, O_WRONLY | O_CLOEXEC);
    test_must(fd >= 0 && ftruncate(fd, 0) == 0 && close(fd) == 0, "cut");
}

/* A part of another lane, or of another spool, in its place: whole, and no word on this one. */
static void foreign_lane(void)
{
    struct rp_spool_lane_meta meta = {
        .lane = 1,
        .next_segment = 1000,
        .next_sequence = 1000000,
        .created_ns = 5,
        .identity = "another spool's",
    };
    rp_format_lane_meta_seal(&meta);
    test_write_at(spool.fd, RP_SPOOL_META_NAME, LANE_1_OFF, &meta, sizeof meta);
}

/* Two lanes: 5 messages in segments 1 to 3, 2 messages in segment 1. */
static void make_lanes(void)
{
    static struct test_message messages[7];
    struct rp_spool_id ids[7];
    for (uint64_t i = 0; i < 7; i++) {
        messages[i] = (struct test_message){.number = i, .body_len = 100 * i, .time_ns = 1 + i};
    }
    test_spool_make(&spool, NULL, 2, false);
    for (size_t i = 0; i < 3; i++) {
        test_spool_put(&spool, 1, messages + i, i < 2 ? 1 : 3, ids);
        test_spool_close_segment(&spool, 1);
    }
    test_spool_put(&spool, 0, messages + 5, 2, ids);
    test_spool_close_segment(&spool, 0);
}

static void test_damaged_meta(void)
{
    static const struct {
        void (*damage)(void);
        bool is_rebuilt;
        uint64_t created_ns; /* 0: nobody knows it any more */
    } rows[] = {
        {damage_none,           false, TEST_CREATED_NS},
        {damage_first,          true,  TEST_CREATED_NS},
        {zero_first,            true,  TEST_CREATED_NS},
        {damage_lane,           false, TEST_CREATED_NS},
        {foreign_lane,          false, TEST_CREATED_NS},
        {damage_first_and_lane, true,  TEST_CREATED_NS},
        {damage_all,            true,  0              },
        {remove_meta,           true,  0              },
        {cut_meta,              true,  0              },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        make_lanes();
        rows[i].damage();
        for (int start = 0; start < 2; start++) {
            CU_ASSERT_EQUAL_FATAL(open_dir(spool.path, 1), 0);
            CU_ASSERT_EQUAL(dir.report.is_meta_rebuilt, rows[i].is_rebuilt && start == 0);
            CU_ASSERT_FALSE(dir.report.is_new);
            CU_ASSERT_EQUAL(memcmp(dir.identity, spool.identity, sizeof dir.identity), 0);
            CU_ASSERT_EQUAL(dir.created_ns, rows[i].created_ns);
            CU_ASSERT_EQUAL(dir.lane_count, 2);
            CU_ASSERT_EQUAL(dir.report.messages, 7);
            CU_ASSERT_EQUAL(dir.report.missing + dir.report.damaged, 0);
            CU_ASSERT_EQUAL(dir.lanes[0].next_segment, 2);
            CU_ASSERT_EQUAL(dir.lanes[0].next_sequence, 2);
            CU_ASSERT_EQUAL(dir.lanes[1].next_segment, 4);
            CU_ASSERT_EQUAL(dir.lanes[1].next_sequence, 5);
            rp_spooldir_close(&dir);
        }
        struct stat status;
        CU_ASSERT_EQUAL(fstatat(spool.fd, RP_SPOOL_META_NAME, &status, 0), 0);
        test_spool_free(&spool);
    }
}

static void remove_segments(uint32_t lane, bool indexes_too)
{
    for (uint64_t number = 1; number < spool.lanes[lane].next; number++) {
        char name[RP_FORMAT_FILE_NAME];
        rp_format_segment_name(number, name);
        test_must(unlinkat(spool.lanes[lane].fd, name, 0) == 0, name);
        rp_format_index_name(number, name);
        test_must(!indexes_too || unlinkat(spool.lanes[lane].fd, name, 0) == 0, name);
    }
}

/* All files of segments are removed: neither a number nor a sequence comes twice. */
static void test_removed_segments(void)
{
    for (int indexes_too = 0; indexes_too < 2; indexes_too++) {
        for (int start = 0; start < 3; start++) { /* in a row, with another one removed each time */
            if (start == 0) {
                make_lanes();
                CU_ASSERT_EQUAL_FATAL(open_dir(spool.path, 2), 0); /* spool.meta knows all now */
                rp_spooldir_close(&dir);
                remove_segments(1, indexes_too != 0);
            }
            CU_ASSERT_EQUAL_FATAL(open_dir(spool.path, 2), 0);
            CU_ASSERT_EQUAL(dir.lanes[1].next_segment, 4);
            CU_ASSERT_EQUAL(dir.lanes[1].next_sequence, 5);
            CU_ASSERT_EQUAL(dir.report.messages, 2);
            CU_ASSERT_EQUAL(dir.report.missing, indexes_too ? 5 : 0);
            CU_ASSERT_EQUAL(dir.report.damaged, indexes_too ? 0 : 5);
            CU_ASSERT_EQUAL(dir.doorbell->lanes[1].tail, 5);
            CU_ASSERT_EQUAL(dir.doorbell->lanes[1].segment, 4);
            rp_spooldir_close(&dir);
        }
        test_spool_free(&spool);
    }
    /* The lanes' directories, too. */
    make_lanes();
    CU_ASSERT_EQUAL_FATAL(open_dir(spool.path, 2), 0);
    rp_spooldir_close(&dir);
    for (uint32_t lane = 0; lane < 2; lane++) {
        char name[RP_FORMAT_LANE_NAME];
        rp_format_lane_name(lane, name);
        remove_segments(lane, true);
        test_must(unlinkat(spool.fd, name, AT_REMOVEDIR) == 0, name);
    }
    CU_ASSERT_EQUAL_FATAL(open_dir(spool.path, 2), 0);
    CU_ASSERT_EQUAL(dir.lanes[0].next_segment, 2);
    CU_ASSERT_EQUAL(dir.lanes[1].next_segment, 4);
    CU_ASSERT_EQUAL(dir.lanes[1].next_sequence, 5);
    CU_ASSERT_EQUAL(dir.report.missing, 7);
    rp_spooldir_close(&dir);
    test_spool_free(&spool);
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

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"create",               test_create              },
        {"arguments",            test_arguments           },
        {"foreign",              test_foreign             },
        {"meta",                 test_meta                },
        {"locks",                test_locks               },
        {"meta lock",            test_meta_lock           },
        {"locks end",            test_locks_end           },
        {"damaged meta",         test_damaged_meta        },
        {"removed segments",     test_removed_segments    },
        {"crash while creating", test_crash_while_creating},
    };
    return SUITE_RUN("engine/spooldir", tests, argc, argv);
}
