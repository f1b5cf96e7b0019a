/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_retire.c - a full segment goes its way out, and nothing depends on it.
 *
 * Goal: the space behind its last batch is given back where that is worth it, and the file's length
 * stays; the index is in its file, synced; the segment's file stays open until as many others
 * as are kept have come behind it. Whatever fails, the way goes on to its end, and all descriptors
 * are closed. Method: fake_io performs the requests in a temporary directory; each step fails, with
 * what the system may say.
 */
#include "engine/limits.h"
#include "engine/op.h"
#include "engine/retire.h"
#include "fake_io.h"
#include "tests/tools/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE (2 * RP_SPOOL_SEGMENT_MIN)
#define USED (6 * RP_SPOOL_BLOCK)

static struct rp_retire retire;
static char path[128];
static int dir_fd;
static size_t files_before;
static uint8_t octets[SIZE];
static uint8_t index_octets[RP_SPOOL_BLOCK + 5 * sizeof(struct rp_spool_index_entry)];

static void begin(void)
{
    fake_start();
    temp_dir_make(path, sizeof(path));
    files_before = temp_dir_open_files();
    dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CU_ASSERT_FATAL(dir_fd >= 0);
    memset(octets, 0x5a, sizeof(octets));
    for (size_t i = 0; i < sizeof(index_octets); i++) {
        index_octets[i] = (uint8_t)(i * 7 + 1);
    }
    rp_retire_init(&retire, fake_io(), dir_fd);
}

static void end(void)
{
    rp_retire_close(&retire);
    CU_ASSERT_EQUAL(fake_count_all(), 0);
    (void)close(dir_fd); /* only read */
    CU_ASSERT_EQUAL(temp_dir_open_files(), files_before);
    temp_dir_remove(path);
}

static void segment_name(char name[32], uint64_t number)
{
    (void)snprintf(name, 32, RP_SPOOL_SEGMENT_FORMAT, (unsigned long long)number);
}

/* A full segment of that number. */
static struct rp_retire_order make(uint64_t number, uint64_t used)
{
    char name[32];
    segment_name(name, number);
    int fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL_FATAL(pwrite(fd, octets, sizeof(octets), 0), (ssize_t)sizeof(octets));
    return (struct rp_retire_order){
        .segment = {.number = number, .fd = fd},
        .used = used,
        .size = SIZE,
        .index = index_octets,
        .index_len = sizeof(index_octets),
    };
}

static void dispatch(void)
{
    struct rp_io_completion completion;
    while (rp_io_next(fake_io(), &completion)) {
        CU_ASSERT_EQUAL(completion.tag, rp_op_tag(RP_OP_RETIRE, 0));
        rp_retire_completed(&retire, completion.res);
    }
}

static void perform_all(void)
{
    while (fake_perform_oldest(0)) {
        dispatch();
    }
    CU_ASSERT_EQUAL(retire.step, RP_RETIRE_IDLE);
}

static struct fake_request *request(void)
{
    CU_ASSERT_EQUAL_FATAL(fake_count_all(), 1);
    return fake_find_tag(rp_op_tag(RP_OP_RETIRE, 0));
}

static void perform(void)
{
    (void)fake_perform(request());
    dispatch();
}

static bool has_index(uint64_t number)
{
    static uint8_t got[sizeof(index_octets) + 1];
    char name[32];
    (void)snprintf(name, sizeof(name), RP_SPOOL_INDEX_FORMAT, (unsigned long long)number);
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd >= 0 ? read(fd, got, sizeof(got)) : -1;
    if (fd >= 0) {
        (void)close(fd); /* only read */
    }
    return len == (ssize_t)sizeof(index_octets) && memcmp(got, index_octets, (size_t)len) == 0;
}

/* What is kept is as it was, the rest is zeros that take no space; the length stays. */
static void check_segment(uint64_t number, uint64_t used, bool is_punched)
{
    static uint8_t got[SIZE];
    static const uint8_t zeros[SIZE];
    struct stat status;
    char name[32];
    segment_name(name, number);
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    CU_ASSERT_FATAL(fd >= 0 && fstat(fd, &status) == 0);
    CU_ASSERT_EQUAL((uint64_t)status.st_size, SIZE);
    CU_ASSERT_EQUAL(pread(fd, got, SIZE, 0), (ssize_t)SIZE);
    CU_ASSERT_EQUAL(memcmp(got, octets, used), 0);
    CU_ASSERT_EQUAL(memcmp(got + used, is_punched ? zeros : octets, SIZE - used), 0);
    CU_ASSERT_EQUAL((uint64_t)status.st_blocks * 512 < SIZE, is_punched);
    (void)close(fd); /* only read */
}

/* Each step by its request. */
static void test_steps(void)
{
    begin();
    struct rp_retire_order order = make(1, USED);
    rp_retire_begin(&retire, &order);
    const struct fake_request *asked = request();
    CU_ASSERT(asked->op == FAKE_PUNCH && asked->fd == order.segment.fd);
    CU_ASSERT(asked->off == USED && asked->len == SIZE - USED);
    perform();
    asked = request();
    CU_ASSERT(asked->op == FAKE_OPEN && asked->fd == dir_fd && asked->mode == 0640);
    CU_ASSERT_STRING_EQUAL(asked->name, "0000000000000001.idx");
    perform();
    asked = request();
    CU_ASSERT(asked->op == FAKE_WRITE && asked->off == 0 && asked->len == sizeof(index_octets));
    perform();
    asked = request();
    CU_ASSERT(asked->op == FAKE_SYNC && asked->is_durable);
    perform();
    CU_ASSERT(request()->op == FAKE_CLOSE && request()->fd != order.segment.fd);
    CU_ASSERT_EQUAL(retire.step, RP_RETIRE_CLOSE);
    perform();
    CU_ASSERT_EQUAL(retire.step, RP_RETIRE_IDLE);
    CU_ASSERT(has_index(1));
    check_segment(1, USED, true);
    end();
}

/* A hole is made only where it gives back enough. */
static void test_worth(void)
{
    static const struct {
        uint64_t used;
        bool is_punched;
    } rows[] = {
        {0,                                    true }, /* given up before its first commit */
        {SIZE - RP_PUNCH_MIN,                  true },
        {SIZE - RP_PUNCH_MIN + RP_SPOOL_BLOCK, false},
        {SIZE,                                 false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        begin();
        struct rp_retire_order order = make(1, rows[i].used);
        rp_retire_begin(&retire, &order);
        perform_all();
        CU_ASSERT(has_index(1));
        check_segment(1, rows[i].used, rows[i].is_punched);
        end();
    }
}

/* The files of those retired last stay open: they are in the page cache for readers. */
static void test_cached(void)
{
    begin();
    for (uint64_t number = 1; number <= 3 * RP_SEGMENTS_CACHED + 1; number++) {
        struct rp_retire_order order = make(number, USED);
        rp_retire_begin(&retire, &order);
        perform_all();
        uint64_t kept = number < RP_SEGMENTS_CACHED ? number : RP_SEGMENTS_CACHED;
        CU_ASSERT_EQUAL(temp_dir_open_files(), files_before + 1 + kept);
        CU_ASSERT(fcntl(order.segment.fd, F_GETFD) >= 0); /* the newest one is open */
        CU_ASSERT(has_index(number));
    }
    end();
}

/* Two descriptors are closed at the end, in either order: done when both are. */
static void test_close_order(void)
{
    for (int order_of = 0; order_of < 2; order_of++) {
        begin();
        for (uint64_t number = 1; number <= RP_SEGMENTS_CACHED; number++) {
            struct rp_retire_order order = make(number, SIZE);
            rp_retire_begin(&retire, &order);
            perform_all();
        }
        struct rp_retire_order order = make(9, SIZE);
        rp_retire_begin(&retire, &order);
        while (retire.step != RP_RETIRE_CLOSE) {
            perform();
        }
        CU_ASSERT_EQUAL_FATAL(fake_count(FAKE_CLOSE), 2);
        struct fake_request *first = fake_find(FAKE_CLOSE);
        int fd = first->fd;
        if (order_of == 1) {
            first->op = FAKE_OP_COUNT; /* find the other one */
            struct fake_request *second = fake_find(FAKE_CLOSE);
            first->op = FAKE_CLOSE;
            first = second;
            CU_ASSERT_NOT_EQUAL(first->fd, fd);
        }
        (void)fake_perform(first);
        dispatch();
        CU_ASSERT_EQUAL(retire.step, RP_RETIRE_CLOSE);
        perform();
        CU_ASSERT_EQUAL(retire.step, RP_RETIRE_IDLE);
        end();
    }
}

static void test_short_writes(void)
{
    static const size_t parts[] = {1, 64, 4095, 4096, sizeof(index_octets) - 1};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        begin();
        struct rp_retire_order order = make(1, USED);
        rp_retire_begin(&retire, &order);
        while (retire.step != RP_RETIRE_WRITE) {
            perform();
        }
        uint64_t off = 0;
        while (retire.step == RP_RETIRE_WRITE) {
            struct fake_request *asked = request();
            CU_ASSERT_EQUAL_FATAL(asked->off, off);
            size_t part = asked->len < parts[i] ? (size_t)asked->len : parts[i];
            off += (uint64_t)fake_perform_part(asked, part);
            dispatch();
        }
        perform_all();
        CU_ASSERT(has_index(1));
        end();
    }
}

/* ---- when it goes wrong ---- */

struct fault {
    enum rp_retire_step step;
    int32_t res;
    bool has_index; /* all the same */
};

static const struct fault faults[] = {
    {RP_RETIRE_PUNCH, -EOPNOTSUPP, true },
    {RP_RETIRE_PUNCH, -EIO,        true },
    {RP_RETIRE_PUNCH, -ENOSPC,     true },
    {RP_RETIRE_OPEN,  -EMFILE,     false},
    {RP_RETIRE_OPEN,  -ENOSPC,     false},
    {RP_RETIRE_OPEN,  -ENOENT,     false},
    {RP_RETIRE_OPEN,  -EISDIR,     false},
    {RP_RETIRE_WRITE, -ENOSPC,     false},
    {RP_RETIRE_WRITE, -EIO,        false},
    {RP_RETIRE_WRITE, 0,           false}, /* a write that writes nothing */
    {RP_RETIRE_SYNC,  -EIO,        true },
};
#define FAULTS (sizeof(faults) / sizeof(faults[0]))

static void retire_to(uint64_t number, enum rp_retire_step step)
{
    struct rp_retire_order order = make(number, USED);
    rp_retire_begin(&retire, &order);
    while (retire.step != step) {
        perform();
    }
}

/* It goes on to its end, and the next one as if nothing had been. */
static void test_faults(void)
{
    for (size_t i = 0; i < FAULTS; i++) {
        begin();
        for (uint64_t number = 1; number <= 4; number++) {
            retire_to(number, faults[i].step);
            fake_finish(request(), faults[i].res);
            dispatch();
            perform_all();
            CU_ASSERT_EQUAL(has_index(number), faults[i].has_index);
            check_segment(number, USED, faults[i].step != RP_RETIRE_PUNCH);
        }
        CU_ASSERT_EQUAL(temp_dir_open_files(), files_before + 1 + RP_SEGMENTS_CACHED);
        struct rp_retire_order order = make(5, USED);
        rp_retire_begin(&retire, &order);
        perform_all();
        CU_ASSERT(has_index(5));
        end();
    }
}

static void test_again(void)
{
    static const int32_t results[] = {-EINTR, -EAGAIN};
    for (enum rp_retire_step step = RP_RETIRE_PUNCH; step < RP_RETIRE_CLOSE; step++) {
        begin();
        retire_to(1, step);
        for (size_t i = 0; i < 4; i++) {
            const struct fake_request before = *request();
            fake_finish(request(), results[i % 2]);
            dispatch();
            CU_ASSERT(request()->op == before.op && request()->fd == before.fd);
            CU_ASSERT(request()->off == before.off && request()->len == before.len);
            CU_ASSERT_EQUAL(retire.step, step);
        }
        perform_all();
        CU_ASSERT(has_index(1));
        check_segment(1, USED, true);
        end();
    }
}

/* The file of an index is there already, longer: an earlier run was cut short. */
static void test_old_index(void)
{
    begin();
    int fd = openat(dir_fd, "0000000000000001.idx", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CU_ASSERT(fd >= 0 && pwrite(fd, octets, 20000, 0) == 20000);
    (void)close(fd); /* nobody else looks at it */
    struct rp_retire_order order = make(1, USED);
    rp_retire_begin(&retire, &order);
    perform_all();
    CU_ASSERT(has_index(1));
    end();
}

/* The ring ends at any moment: no file stays open but those that it was asked to close. */
static void test_close(void)
{
    for (int steps = 0; steps < 6; steps++) {
        begin();
        struct rp_retire_order order = make(1, USED);
        rp_retire_begin(&retire, &order);
        for (int i = 0; i < steps && fake_perform_oldest(0); i++) {
            dispatch();
        }
        struct fake_request *asked;
        while ((asked = fake_find(FAKE_CLOSE)) != NULL) {
            (void)fake_perform(asked);
        }
        rp_retire_close(&retire);
        rp_retire_close(&retire); /* closed already */
        CU_ASSERT_EQUAL(temp_dir_open_files(), files_before + 1);
        fake_start();
        end();
    }
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"steps",        test_steps       },
        {"worth",        test_worth       },
        {"cached",       test_cached      },
        {"close order",  test_close_order },
        {"short writes", test_short_writes},
        {"faults",       test_faults      },
        {"again",        test_again       },
        {"old index",    test_old_index   },
        {"close",        test_close       },
    };
    return SUITE_RUN("engine/retire", tests, argc, argv);
}
