/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_segment.c - the next segment is prepared whole, or every trace of it goes.
 *
 * Goal: a prepared segment is a file of zeros of its full size with an allocated, mapped
 * index; a failure of any step closes what is open, removes what was made, is told in
 * `error`, is tried again later and never with the same number; a full one is synced and
 * closed. Method: fake_io performs the requests in a temporary directory; each step fails
 * once, with each errno that it can have.
 */
#include "engine/limits.h"
#include "engine/op.h"
#include "engine/segment.h"
#include "fake_io.h"
#include "tests/tools/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE (RP_SPOOL_SEGMENT_MIN + 5 * RP_SPOOL_BLOCK) /* not a multiple of a piece */

static struct rp_segment_maker maker;
static char path[128];
static int dir_fd;
static size_t files_before;

static void begin(void)
{
    fake_start();
    temp_dir_make(path, sizeof(path));
    files_before = temp_dir_open_files();
    dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CU_ASSERT_FATAL(dir_fd >= 0);
    rp_segment_maker_init(&maker, fake_io(), dir_fd, SIZE, 7);
}

static void end(void)
{
    rp_segment_maker_close(&maker);
    CU_ASSERT_EQUAL(fake_count_all(), 0);
    (void)close(dir_fd);
    CU_ASSERT_EQUAL(temp_dir_open_files(), files_before);
    temp_dir_remove(path);
}

/* What completes goes where the worker would send it. */
static void dispatch(void)
{
    struct rp_io_completion completion;
    while (rp_io_next(fake_io(), &completion)) {
        if (rp_op_of(completion.tag) == RP_OP_SEGMENT) {
            rp_segment_maker_step(&maker, completion.res);
        } else {
            CU_ASSERT_EQUAL(rp_op_of(completion.tag), RP_OP_RETIRE);
            rp_segment_maker_retired(&maker, rp_op_slot(completion.tag), completion.res);
        }
    }
}

static void perform_all(void)
{
    while (fake_perform_oldest(0)) {
        dispatch();
    }
}

/* Prepare until this step's request is under way, at its `nth` one. */
static void prepare_to(enum rp_segment_step step, int nth)
{
    rp_segment_maker_start(&maker);
    while (maker.step != step || nth-- > 0) {
        CU_ASSERT_FATAL(fake_perform_oldest(0));
        dispatch();
        CU_ASSERT_FATAL(maker.step != RP_SEGMENT_READY || step == RP_SEGMENT_READY);
    }
}

static bool is_zeros(int fd, uint64_t size)
{
    static uint8_t octets[RP_SPOOL_BLOCK];
    static const uint8_t nothing[RP_SPOOL_BLOCK];
    for (uint64_t off = 0; off < size; off += sizeof(octets)) {
        if (pread(fd, octets, sizeof(octets), (off_t)off) != sizeof(octets) ||
            memcmp(octets, nothing, sizeof(octets)) != 0) {
            return false;
        }
    }
    return true;
}

static void check_ready(uint64_t number)
{
    struct stat status;
    char name[32];
    CU_ASSERT_EQUAL_FATAL(maker.step, RP_SEGMENT_READY);
    CU_ASSERT_EQUAL(maker.error, 0);
    CU_ASSERT_EQUAL(rp_segment_maker_retry_ns(&maker), UINT64_MAX);
    const struct rp_segment *segment = &maker.segment;
    CU_ASSERT_EQUAL(segment->number, number);
    CU_ASSERT(fstat(segment->fd, &status) == 0 && (uint64_t)status.st_size == SIZE);
    CU_ASSERT(is_zeros(segment->fd, SIZE));
    CU_ASSERT((fcntl(segment->fd, F_GETFL) & O_DIRECT) == 0);
    CU_ASSERT(fstat(segment->index_fd, &status) == 0);
    CU_ASSERT_EQUAL((uint64_t)status.st_size, RP_SPOOL_INDEX_LEN(SIZE));
    segment->index->magic = RP_SPOOL_INDEX_MAGIC; /* mapped, shared, writable */
    uint64_t magic;
    CU_ASSERT(pread(segment->index_fd, &magic, sizeof(magic), 0) == sizeof(magic));
    CU_ASSERT_EQUAL(magic, RP_SPOOL_INDEX_MAGIC);
    (void)snprintf(name, sizeof(name), RP_SPOOL_SEGMENT_FORMAT, (unsigned long long)number);
    CU_ASSERT_EQUAL(faccessat(dir_fd, name, R_OK, 0), 0);
}

static void test_prepare(void)
{
    begin();
    CU_ASSERT_EQUAL(rp_segment_maker_retry_ns(&maker), UINT64_MAX);
    rp_segment_maker_start(&maker);
    rp_segment_maker_start(&maker); /* one is under way */
    CU_ASSERT_EQUAL(fake_count_all(), 1);
    perform_all();
    check_ready(7);
    rp_segment_maker_start(&maker); /* one is ready */
    CU_ASSERT_EQUAL(fake_count_all(), 0);
    /* The file, its index, and the directory that names them. */
    CU_ASSERT_EQUAL(fake_state()->submitted[FAKE_SYNC], 3);
    struct rp_segment first = rp_segment_maker_take(&maker);
    rp_segment_maker_start(&maker);
    perform_all();
    check_ready(8);
    CU_ASSERT_EQUAL(first.number, 7);
    CU_ASSERT_EQUAL(temp_dir_count(path, ""), 4);
    rp_segment_close(&first, SIZE);
    CU_ASSERT(first.fd == -1 && first.index_fd == -1 && first.index == NULL);
    rp_segment_close(&first, SIZE); /* closed already */
    end();
}

/* A disk that writes a little at a time, in every size around blocks and pieces. */
static void test_short_writes(void)
{
    static const size_t parts[] = {4096, 8192, 65536, 512 * 1024, RP_ZERO_PIECE - 4096};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        begin();
        prepare_to(RP_SEGMENT_ZERO, 0);
        uint64_t off = 0;
        int writes = 0;
        while (maker.step == RP_SEGMENT_ZERO) {
            struct fake_request *request = fake_find(FAKE_WRITE);
            CU_ASSERT_FATAL(request != NULL && writes++ < 1000);
            CU_ASSERT(request->off == off && request->off + request->len <= SIZE);
            size_t part = request->len < parts[i] ? (size_t)request->len : parts[i];
            off += (uint64_t)fake_perform_part(request, part);
            dispatch();
        }
        CU_ASSERT_EQUAL(off, SIZE);
        perform_all();
        check_ready(7);
        end();
    }
}

/* For large commits it is allocated, not written; where that cannot be done it is written. */
static void test_bulk(void)
{
    begin();
    maker.is_bulk = true;
    rp_segment_maker_start(&maker);
    perform_all();
    check_ready(7);
    CU_ASSERT_EQUAL(fake_state()->submitted[FAKE_WRITE], 0);
    end();
    begin();
    maker.is_bulk = true;
    prepare_to(RP_SEGMENT_ALLOCATE, 0);
    fake_finish(fake_find(FAKE_FALLOCATE), -EOPNOTSUPP);
    dispatch();
    CU_ASSERT_EQUAL(maker.step, RP_SEGMENT_ZERO);
    perform_all();
    check_ready(7);
    end();
    begin();
    maker.is_bulk = true;
    prepare_to(RP_SEGMENT_ALLOCATE, 0);
    fake_finish(fake_find(FAKE_FALLOCATE), -ENOSPC);
    dispatch();
    CU_ASSERT_EQUAL(maker.error, ENOSPC);
    perform_all();
    CU_ASSERT_EQUAL(temp_dir_count(path, ""), 0);
    end();
}

/* The disk is full in the middle of any piece: short first, then ENOSPC; not an endless loop. */
static void test_full_disk(void)
{
    for (uint64_t room = 0; room < SIZE; room += 16 * RP_SPOOL_BLOCK) {
        begin();
        prepare_to(RP_SEGMENT_ZERO, 0);
        for (int i = 0; i < 20 && maker.step == RP_SEGMENT_ZERO; i++) {
            struct fake_request *request = fake_find(FAKE_WRITE);
            CU_ASSERT_FATAL(request != NULL);
            if (request->off >= room) {
                fake_finish(request, -ENOSPC);
            } else {
                uint64_t left = room - request->off;
                (void)fake_perform_part(request,
                                        (size_t)(request->len < left ? request->len : left));
            }
            dispatch();
        }
        CU_ASSERT_EQUAL(maker.step, RP_SEGMENT_UNDO);
        CU_ASSERT_EQUAL(maker.error, ENOSPC);
        perform_all();
        CU_ASSERT_EQUAL(temp_dir_count(path, ""), 0);
        end();
    }
}

struct fault {
    enum rp_segment_step step;
    int nth;
    int32_t res;
    int error; /* what is told */
};

/* A step fails: all goes, and the next try has the next number. */
static void fail_once(const struct fault *fault)
{
    begin();
    prepare_to(fault->step, fault->nth);
    struct fake_request *request = NULL;
    for (enum fake_op op = FAKE_ACCEPT; op < FAKE_OP_COUNT && request == NULL; op++) {
        request = fake_find(op);
    }
    fake_finish(request, fault->res);
    dispatch();
    bool has_something = fault->step != RP_SEGMENT_OPEN_FILE; /* to undo */
    CU_ASSERT_EQUAL(maker.step, has_something ? RP_SEGMENT_UNDO : RP_SEGMENT_IDLE);
    CU_ASSERT_EQUAL(maker.error, fault->error);
    CU_ASSERT_EQUAL(rp_segment_maker_retry_ns(&maker) == UINT64_MAX, has_something);
    rp_segment_maker_start(&maker); /* not before it is undone */
    perform_all();
    CU_ASSERT_EQUAL_FATAL(maker.step, RP_SEGMENT_IDLE);
    CU_ASSERT_EQUAL(temp_dir_count(path, ""), 0);
    CU_ASSERT_EQUAL(temp_dir_open_files(), files_before + 1);
    CU_ASSERT_EQUAL(maker.error, fault->error);
    CU_ASSERT_EQUAL(rp_segment_maker_retry_ns(&maker), fake_state()->now_ns + RP_SEGMENT_RETRY_NS);
    rp_segment_maker_start(&maker); /* too early */
    CU_ASSERT_EQUAL(fake_count_all(), 0);
    fake_state()->now_ns += RP_SEGMENT_RETRY_NS;
    rp_segment_maker_start(&maker);
    perform_all();
    check_ready(8);
    end();
}

static void test_faults(void)
{
    static const struct fault faults[] = {
        {RP_SEGMENT_OPEN_FILE,      0, -EMFILE, EMFILE},
        {RP_SEGMENT_OPEN_FILE,      0, -ENOSPC, ENOSPC},
        {RP_SEGMENT_ZERO,           0, -ENOSPC, ENOSPC},
        {RP_SEGMENT_ZERO,           1, -ENOSPC, ENOSPC},
        {RP_SEGMENT_ZERO,           1, -EIO,    EIO   },
        {RP_SEGMENT_ZERO,           0, 0,       EIO   },
        {RP_SEGMENT_SYNC,           0, -EIO,    EIO   },
        {RP_SEGMENT_OPEN_INDEX,     0, -ENFILE, ENFILE},
        {RP_SEGMENT_ALLOCATE_INDEX, 0, -ENOSPC, ENOSPC},
        {RP_SEGMENT_SYNC_INDEX,     0, -EIO,    EIO   },
        {RP_SEGMENT_SYNC_DIR,       0, -EIO,    EIO   },
    };
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        fail_once(&faults[i]);
    }
}

/* The clean-up itself fails: the maker goes on all the same. */
static void test_failing_undo(void)
{
    begin();
    prepare_to(RP_SEGMENT_SYNC_INDEX, 0);
    fake_finish(fake_find(FAKE_SYNC), -EIO);
    dispatch();
    struct fake_request *request;
    while ((request = fake_find(FAKE_UNLINK)) != NULL) {
        fake_finish(request, -EIO);
        dispatch();
        CU_ASSERT_EQUAL(maker.step, RP_SEGMENT_UNDO);
    }
    perform_all(); /* the two files are closed */
    CU_ASSERT_EQUAL(maker.step, RP_SEGMENT_IDLE);
    CU_ASSERT_EQUAL(temp_dir_count(path, ""), 2); /* recovery's */
    fake_state()->now_ns += RP_SEGMENT_RETRY_NS;
    rp_segment_maker_start(&maker);
    perform_all();
    check_ready(8);
    end();
}

/* A segment of that number is there already: it and its index are somebody's. */
static void test_taken_number(void)
{
    begin();
    int fd = openat(dir_fd, "0000000000000007.seg", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    int index_fd = openat(dir_fd, "0000000000000007.idx", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CU_ASSERT(fd >= 0 && index_fd >= 0);
    (void)close(fd);
    (void)close(index_fd);
    rp_segment_maker_start(&maker);
    perform_all();
    CU_ASSERT_EQUAL(maker.error, EEXIST);
    CU_ASSERT_EQUAL(temp_dir_count(path, ".seg"), 1);
    CU_ASSERT_EQUAL(temp_dir_count(path, ".idx"), 1);
    fake_state()->now_ns += RP_SEGMENT_RETRY_NS;
    rp_segment_maker_start(&maker);
    perform_all();
    check_ready(8);
    end();
}

/* A segment on its way out: index synced and closed; the file, in the page cache for readers that
 * follow closely, is closed when as many others as are kept have come behind it. */
static void retire_one(const struct rp_segment *segment, int32_t sync_res, bool is_index_first)
{
    CU_ASSERT_FATAL(rp_segment_maker_retire(&maker, segment));
    CU_ASSERT(!rp_segment_maker_retire(&maker, segment)); /* one at a time */
    struct fake_request *request = fake_find(FAKE_SYNC);
    CU_ASSERT(request->fd == segment->index_fd && request->is_durable);
    fake_finish(request, sync_res);
    dispatch();
    if (!is_index_first && fake_count(FAKE_CLOSE) == 2) {
        (void)fake_perform(fake_find_tag(rp_op_tag(RP_OP_RETIRE, 2)));
        dispatch();
        CU_ASSERT(!rp_segment_maker_retire(&maker, segment));
    }
    perform_all();
    CU_ASSERT_EQUAL(maker.retire_pending, 0);
}

static void test_retire(void)
{
    static const int32_t syncs[] = {0, -EIO};
    for (size_t i = 0; i < 2; i++) {
        begin();
        for (size_t count = 1; count <= 2 * RP_SEGMENTS_CACHED + 1; count++) {
            prepare_to(RP_SEGMENT_READY, 0);
            struct rp_segment segment = rp_segment_maker_take(&maker);
            retire_one(&segment, syncs[i], count % 2 == 0);
            CU_ASSERT_EQUAL(temp_dir_count(path, ""), 2 * count); /* the files stay */
            size_t kept = count < RP_SEGMENTS_CACHED ? count : RP_SEGMENTS_CACHED;
            CU_ASSERT_EQUAL(temp_dir_open_files(), files_before + 1 + kept);
        }
        end();
    }
}

/* The ring ends at any moment: no file stays open but those that it was asked to close. */
static void test_close(void)
{
    for (int steps = 0; steps < 8; steps++) {
        begin();
        rp_segment_maker_start(&maker);
        for (int i = 0; i < steps; i++) {
            CU_ASSERT(fake_perform_oldest(0));
            dispatch();
        }
        rp_segment_maker_close(&maker);
        CU_ASSERT_EQUAL(temp_dir_open_files(), files_before + 1);
        fake_start();
        end();
    }
    begin();
    prepare_to(RP_SEGMENT_READY, 0);
    struct rp_segment segment = rp_segment_maker_take(&maker);
    CU_ASSERT(rp_segment_maker_retire(&maker, &segment));
    fake_start();
    end();
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"prepare",      test_prepare     },
        {"short writes", test_short_writes},
        {"bulk",         test_bulk        },
        {"full disk",    test_full_disk   },
        {"faults",       test_faults      },
        {"failing undo", test_failing_undo},
        {"taken number", test_taken_number},
        {"retire",       test_retire      },
        {"close",        test_close       },
    };
    return SUITE_RUN("engine/segment", tests, argc, argv);
}
