/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_segment.c - the next segment is prepared whole and at its pace, or every trace of it goes.
 *
 * Goal: the number is in spool.meta before the file is made; a prepared segment is a file of zeros
 * of its full size; of the zeros never more than one piece is under way, and never more are
 * written than are paid for, unless somebody waits; a failure of any step removes what was made, is
 * told in `error`, is tried again later and never with the same number; what only asks for another
 * try gets one at once. Method: fake_io performs the requests in a temporary directory; each step
 * fails, once and for ever, with each errno that it can have, and is stopped.
 */
#include "engine/limits.h"
#include "engine/op.h"
#include "engine/segment.h"
#include "fake_io.h"
#include "spool/format.h"
#include "tests/tools/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE      (RP_SPOOL_SEGMENT_MIN + 5 * RP_SPOOL_BLOCK) /* not a multiple of a piece */
#define FIRST     7u
#define LANE      3u
#define COMMITTED 1234u
#define CREATED   1700000000000000000u

static const uint8_t identity[16] = "test's identity";
static struct rp_segment_maker maker;
static char path[128];
static char meta_path[160];
static int dir_fd;
static int meta_fd;
static size_t files_before;

static void begin(void)
{
    fake_start();
    temp_dir_make(path, sizeof(path));
    files_before = temp_dir_open_files();
    dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    (void)snprintf(meta_path, sizeof(meta_path), "%s/" RP_SPOOL_META_NAME, path);
    meta_fd = open(meta_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CU_ASSERT_FATAL(dir_fd >= 0 && meta_fd >= 0);
    CU_ASSERT_EQUAL(ftruncate(meta_fd, (off_t)RP_SPOOL_META_LEN), 0);
    const struct rp_segment_place place = {
        .io = fake_io(),
        .dir_fd = dir_fd,
        .meta_fd = meta_fd,
        .lane = LANE,
        .size = SIZE,
        .next_number = FIRST,
        .created_ns = CREATED,
        .identity = identity,
    };
    rp_segment_maker_init(&maker, &place);
}

static void end(void)
{
    rp_segment_maker_close(&maker);
    CU_ASSERT_EQUAL(fake_count_all(), 0);
    (void)close(dir_fd); /* only read */
    (void)close(meta_fd);
    CU_ASSERT_EQUAL(temp_dir_open_files(), files_before);
    temp_dir_remove(path);
}

/* Files that were made, spool.meta aside. */
static size_t count_files(void)
{
    return temp_dir_count(path, "") - 1;
}

static void dispatch(void)
{
    struct rp_io_completion completion;
    while (rp_io_next(fake_io(), &completion)) {
        CU_ASSERT_EQUAL(completion.tag, rp_op_tag(RP_OP_SEGMENT, 0));
        rp_segment_maker_step(&maker, completion.res);
    }
}

static void perform_all(void)
{
    while (fake_perform_oldest(0)) {
        dispatch();
    }
}

/* The one request that is under way. */
static struct fake_request *request(void)
{
    CU_ASSERT_EQUAL_FATAL(fake_count_all(), 1);
    return fake_find_tag(rp_op_tag(RP_OP_SEGMENT, 0));
}

static void finish(int32_t res)
{
    fake_finish(request(), res);
    dispatch();
}

static void start_in_a_hurry(void)
{
    rp_segment_maker_start(&maker, COMMITTED);
    rp_segment_maker_hurry(&maker);
}

/* Prepare until this step's request is under way, at its `nth` one. */
static void prepare_to(enum rp_segment_step step, int nth)
{
    start_in_a_hurry();
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

/* What spool.meta says of the lane. */
static void check_reserved(uint64_t number)
{
    struct rp_spool_lane_meta got;
    const ssize_t len = sizeof(got);
    CU_ASSERT_EQUAL(pread(meta_fd, &got, sizeof(got), (off_t)RP_SPOOL_LANE_META_OFF(LANE)), len);
    struct rp_spool_lane_meta want = {
        .lane = LANE,
        .next_segment = number + 1,
        .next_sequence = COMMITTED,
        .created_ns = CREATED,
    };
    memcpy(want.identity, identity, sizeof(want.identity));
    rp_format_lane_meta_seal(&want);
    CU_ASSERT_EQUAL(memcmp(&got, &want, sizeof(got)), 0);
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
    CU_ASSERT(!segment->is_direct && (fcntl(segment->fd, F_GETFL) & O_DIRECT) == 0);
    (void)snprintf(name, sizeof(name), RP_SPOOL_SEGMENT_FORMAT, (unsigned long long)number);
    CU_ASSERT_EQUAL(faccessat(dir_fd, name, R_OK, 0), 0);
    check_reserved(number);
}

/* ---- the good way ---- */

/* Each step by its request, in order: one at a time. */
static void test_steps(void)
{
    begin();
    CU_ASSERT_EQUAL(rp_segment_maker_retry_ns(&maker), UINT64_MAX);
    start_in_a_hurry();
    start_in_a_hurry(); /* one is under way */
    const struct fake_request *asked = request();
    CU_ASSERT(asked->op == FAKE_WRITE && asked->fd == meta_fd && asked->is_durable);
    CU_ASSERT(asked->off == RP_SPOOL_LANE_META_OFF(LANE) && asked->len == 64);
    CU_ASSERT_EQUAL(count_files(), 0); /* not before its number is safe */
    (void)fake_perform(request());
    dispatch();
    check_reserved(FIRST);
    asked = request();
    CU_ASSERT(asked->op == FAKE_OPEN && asked->fd == dir_fd);
    CU_ASSERT(asked->flags == (O_RDWR | O_CREAT | O_EXCL) && asked->mode == 0640);
    CU_ASSERT_STRING_EQUAL(asked->name, "0000000000000007.seg");
    (void)fake_perform(request());
    dispatch();
    for (uint64_t off = 0; off < SIZE; off += RP_ZERO_PIECE_MAX) {
        asked = request();
        CU_ASSERT(asked->op == FAKE_WRITE && asked->off == off && !asked->is_durable);
        (void)fake_perform(request());
        dispatch();
    }
    asked = request();
    CU_ASSERT(asked->op == FAKE_SYNC && asked->fd == maker.segment.fd && !asked->is_durable);
    (void)fake_perform(request());
    dispatch();
    asked = request();
    CU_ASSERT(asked->op == FAKE_SYNC && asked->fd == dir_fd && !asked->is_durable);
    CU_ASSERT_EQUAL(maker.step, RP_SEGMENT_SYNC_DIR);
    (void)fake_perform(request());
    dispatch();
    check_ready(FIRST);
    start_in_a_hurry(); /* one is ready */
    CU_ASSERT_EQUAL(fake_count_all(), 0);
    end();
}

static void test_take(void)
{
    begin();
    prepare_to(RP_SEGMENT_READY, 0);
    struct rp_segment first;
    CU_ASSERT_FATAL(rp_segment_maker_take(&maker, &first));
    CU_ASSERT_EQUAL(maker.step, RP_SEGMENT_IDLE);
    CU_ASSERT_EQUAL(rp_segment_maker_retry_ns(&maker), UINT64_MAX);
    prepare_to(RP_SEGMENT_READY, 0);
    check_ready(FIRST + 1);
    CU_ASSERT_EQUAL(first.number, FIRST);
    CU_ASSERT_EQUAL(count_files(), 2);
    rp_segment_close(&first);
    CU_ASSERT(first.fd == -1);
    rp_segment_close(&first); /* closed already */
    end();
}

/* Somebody has removed the file meanwhile: it is not handed out, and another one is made. */
static void test_removed(void)
{
    begin();
    prepare_to(RP_SEGMENT_READY, 0);
    CU_ASSERT_EQUAL(unlinkat(dir_fd, "0000000000000007.seg", 0), 0);
    struct rp_segment segment = {.fd = -5, .number = 99};
    CU_ASSERT(!rp_segment_maker_take(&maker, &segment));
    CU_ASSERT(segment.fd == -5 && segment.number == 99); /* written only on success */
    CU_ASSERT_EQUAL(maker.error, ENOENT);
    perform_all();
    CU_ASSERT_EQUAL_FATAL(maker.step, RP_SEGMENT_IDLE);
    CU_ASSERT_EQUAL(temp_dir_open_files(), files_before + 2);
    fake_state()->now_ns = rp_segment_maker_retry_ns(&maker);
    prepare_to(RP_SEGMENT_READY, 0);
    check_ready(FIRST + 1);
    CU_ASSERT(rp_segment_maker_take(&maker, &segment));
    CU_ASSERT_EQUAL(segment.number, FIRST + 1);
    rp_segment_close(&segment);
    end();
}

/* ---- pace ---- */

/* Zeros that may be there when so many octets are committed. */
static uint64_t affordable(uint64_t octets)
{
    return octets + octets / RP_ZERO_LEAD_PART;
}

/* Commits of this size: one piece under way at most, none that is not paid for, and ready when as
 * many octets were committed as the segment is long. */
static void pace(uint64_t commit)
{
    begin();
    rp_segment_maker_start(&maker, COMMITTED);
    while (maker.step != RP_SEGMENT_ZERO) {
        CU_ASSERT_FATAL(fake_perform_oldest(0));
        dispatch();
    }
    uint64_t committed = 0;
    uint64_t written = 0;
    CU_ASSERT_EQUAL(fake_count_all(), 0); /* nothing is paid for */
    while (maker.step == RP_SEGMENT_ZERO) {
        CU_ASSERT_FATAL(committed < 2 * SIZE);
        rp_segment_maker_pay(&maker, commit);
        committed += commit;
        bool is_due = written + RP_ZERO_PIECE <= affordable(committed);
        CU_ASSERT_EQUAL_FATAL(fake_count_all(), is_due ? 1 : 0);
        rp_segment_maker_pay(&maker, 0);
        while (fake_count_all() > 0 && maker.step == RP_SEGMENT_ZERO) {
            const struct fake_request *asked = request();
            uint64_t left = SIZE - written;
            CU_ASSERT_EQUAL(asked->off, written);
            uint64_t due = affordable(committed) - written; /* as much as is paid for, in blocks */
            due =
                due < RP_ZERO_PIECE_MAX ? due / RP_SPOOL_BLOCK * RP_SPOOL_BLOCK : RP_ZERO_PIECE_MAX;
            CU_ASSERT_EQUAL(asked->len, left < due ? left : due);
            written += asked->len;
            CU_ASSERT(written <= affordable(committed));
            (void)fake_perform(request());
            dispatch();
        }
    }
    CU_ASSERT_EQUAL(written, SIZE);
    CU_ASSERT(affordable(committed) <= SIZE + RP_ZERO_PIECE + affordable(commit));
    CU_ASSERT(committed < SIZE); /* well before it is needed */
    perform_all();
    check_ready(FIRST);
    end();
}

static void test_pace(void)
{
    static const uint64_t commits[] = {4096, 12288, 65536, 131072, 500000};
    for (size_t i = 0; i < sizeof(commits) / sizeof(commits[0]); i++) {
        pace(commits[i]);
    }
}

/* Somebody waits, in the midst of it: at once, in large pieces; the next one has a pace again. */
static void test_hurry(void)
{
    begin();
    rp_segment_maker_start(&maker, COMMITTED);
    perform_all();
    CU_ASSERT_EQUAL(maker.step, RP_SEGMENT_ZERO);
    CU_ASSERT_EQUAL(maker.zero_off, 0);
    rp_segment_maker_pay(&maker, RP_ZERO_PIECE);
    const uint64_t piece = affordable(RP_ZERO_PIECE);
    CU_ASSERT_EQUAL(request()->len, piece);
    rp_segment_maker_hurry(&maker); /* while a piece is under way: still one */
    CU_ASSERT_EQUAL(request()->len, piece);
    (void)fake_perform(request());
    dispatch();
    CU_ASSERT_EQUAL(request()->len, SIZE - piece);
    CU_ASSERT(SIZE - piece <= RP_ZERO_PIECE_MAX);
    perform_all();
    check_ready(FIRST);
    struct rp_segment segment;
    CU_ASSERT(rp_segment_maker_take(&maker, &segment));
    rp_segment_close(&segment);
    rp_segment_maker_start(&maker, COMMITTED);
    perform_all();
    CU_ASSERT(maker.step == RP_SEGMENT_ZERO && maker.zero_off == 0);
    rp_segment_maker_hurry(&maker);
    perform_all();
    check_ready(FIRST + 1);
    end();
}

/* A disk that writes a little at a time, in every size around blocks and pieces. */
static void test_short_writes(void)
{
    static const size_t parts[] = {4096, 8192, 65536, 512 * 1024, RP_ZERO_PIECE - 4096, 70001};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        begin();
        prepare_to(RP_SEGMENT_ZERO, 0);
        uint64_t off = 0;
        int writes = 0;
        while (maker.step == RP_SEGMENT_ZERO) {
            struct fake_request *asked = request();
            CU_ASSERT_FATAL(writes++ < 1000);
            CU_ASSERT(asked->off == off && asked->off + asked->len <= SIZE);
            CU_ASSERT_EQUAL(maker.segment.is_direct, off % RP_SPOOL_BLOCK == 0);
            size_t part = asked->len < parts[i] ? (size_t)asked->len : parts[i];
            off += (uint64_t)fake_perform_part(asked, part);
            dispatch();
        }
        CU_ASSERT_EQUAL(off, SIZE);
        perform_all();
        check_ready(FIRST);
        end();
    }
}

/* A file system that refuses direct I/O is asked once. */
static void test_no_direct(void)
{
    begin();
    prepare_to(RP_SEGMENT_ZERO, 0);
    CU_ASSERT(maker.segment.is_direct);
    finish(-EINVAL);
    CU_ASSERT(!maker.segment.is_direct && maker.step == RP_SEGMENT_ZERO && maker.error == 0);
    CU_ASSERT_EQUAL(request()->off, 0);
    perform_all();
    check_ready(FIRST);
    struct rp_segment segment;
    CU_ASSERT(rp_segment_maker_take(&maker, &segment));
    rp_segment_close(&segment);
    prepare_to(RP_SEGMENT_ZERO, 0);
    CU_ASSERT(!maker.segment.is_direct);
    finish(-EINVAL); /* that is another thing now */
    CU_ASSERT_EQUAL(maker.error, EINVAL);
    perform_all();
    CU_ASSERT_EQUAL(maker.step, RP_SEGMENT_IDLE);
    rp_segment_maker_close(&maker);
    end();
}

/* For large commits it is allocated, not written; where that cannot be done it is written. */
static void test_bulk(void)
{
    begin();
    maker.is_bulk = true;
    rp_segment_maker_start(&maker, COMMITTED);
    perform_all();
    check_ready(FIRST);
    CU_ASSERT_EQUAL(fake_state()->submitted[FAKE_WRITE], 1); /* spool.meta */
    end();
    begin();
    maker.is_bulk = true;
    prepare_to(RP_SEGMENT_ALLOCATE, 0);
    CU_ASSERT_EQUAL(request()->len, SIZE);
    finish(-EOPNOTSUPP);
    CU_ASSERT_EQUAL(maker.step, RP_SEGMENT_ZERO);
    perform_all();
    check_ready(FIRST);
    end();
}

/* ---- when it goes wrong ---- */

/* The disk is full in the middle of any piece: short first, then ENOSPC; not an endless loop. */
static void test_full_disk(void)
{
    for (uint64_t room = 0; room < SIZE; room += 16 * RP_SPOOL_BLOCK) {
        begin();
        prepare_to(RP_SEGMENT_ZERO, 0);
        for (int i = 0; i < 20 && maker.step == RP_SEGMENT_ZERO; i++) {
            struct fake_request *asked = request();
            if (asked->off >= room) {
                fake_finish(asked, -ENOSPC);
            } else {
                uint64_t left = room - asked->off;
                (void)fake_perform_part(asked, (size_t)(asked->len < left ? asked->len : left));
            }
            dispatch();
        }
        CU_ASSERT_EQUAL(maker.step, RP_SEGMENT_UNDO);
        CU_ASSERT_EQUAL(maker.error, ENOSPC);
        perform_all();
        CU_ASSERT_EQUAL(count_files(), 0);
        end();
    }
}

struct fault {
    enum rp_segment_step step;
    int nth;
    bool is_bulk;
    int32_t res;
    int error; /* what is told */
};

static const struct fault faults[] = {
    {RP_SEGMENT_RESERVE,  0, false, -EIO,        EIO       },
    {RP_SEGMENT_RESERVE,  0, false, -ENOSPC,     ENOSPC    },
    {RP_SEGMENT_RESERVE,  0, false, 0,           EIO       },
    {RP_SEGMENT_RESERVE,  0, false, 63,          EIO       }, /* of 64: it is not there whole */
    {RP_SEGMENT_RESERVE,  0, false, -EINVAL,     EINVAL    },
    {RP_SEGMENT_OPEN,     0, false, -EMFILE,     EMFILE    },
    {RP_SEGMENT_OPEN,     0, false, -ENOSPC,     ENOSPC    },
    {RP_SEGMENT_OPEN,     0, false, -ENOENT,     ENOENT    }, /* the lane's directory is gone */
    {RP_SEGMENT_OPEN,     0, false, -EINVAL,     EINVAL    },
    {RP_SEGMENT_ALLOCATE, 0, true,  -ENOSPC,     ENOSPC    },
    {RP_SEGMENT_ALLOCATE, 0, true,  -EINVAL,     EINVAL    },
    {RP_SEGMENT_ZERO,     0, false, -ENOSPC,     ENOSPC    },
    {RP_SEGMENT_ZERO,     1, false, -ENOSPC,     ENOSPC    },
    {RP_SEGMENT_ZERO,     1, false, -EIO,        EIO       },
    {RP_SEGMENT_ZERO,     0, false, 0,           EIO       },
    {RP_SEGMENT_ZERO,     0, false, -EOPNOTSUPP, EOPNOTSUPP},
    {RP_SEGMENT_SYNC,     0, false, -EIO,        EIO       },
    {RP_SEGMENT_SYNC,     0, true,  -EIO,        EIO       },
    {RP_SEGMENT_SYNC,     0, false, -EINVAL,     EINVAL    },
    {RP_SEGMENT_SYNC_DIR, 0, false, -EIO,        EIO       },
    {RP_SEGMENT_SYNC_DIR, 0, false, -EINVAL,     EINVAL    },
};
#define FAULTS (sizeof(faults) / sizeof(faults[0]))

static void fail_at(const struct fault *fault)
{
    maker.is_bulk = fault->is_bulk;
    prepare_to(fault->step, fault->nth);
    finish(fault->res);
    bool has_something = fault->step > RP_SEGMENT_OPEN; /* to undo */
    CU_ASSERT_EQUAL(maker.step, has_something ? RP_SEGMENT_UNDO : RP_SEGMENT_IDLE);
    CU_ASSERT_EQUAL(maker.error, fault->error);
    CU_ASSERT_EQUAL(rp_segment_maker_retry_ns(&maker) == UINT64_MAX, has_something);
    start_in_a_hurry(); /* not before it is undone, and not at once */
    perform_all();
    CU_ASSERT_EQUAL_FATAL(maker.step, RP_SEGMENT_IDLE);
    CU_ASSERT_EQUAL(count_files(), 0);
    CU_ASSERT_EQUAL(temp_dir_open_files(), files_before + 2);
    CU_ASSERT_EQUAL(maker.error, fault->error);
    CU_ASSERT_EQUAL(rp_segment_maker_retry_ns(&maker), fake_state()->now_ns + RP_SEGMENT_RETRY_NS);
    start_in_a_hurry(); /* too early */
    CU_ASSERT_EQUAL(fake_count_all(), 0);
    fake_state()->now_ns += RP_SEGMENT_RETRY_NS;
}

/* A step fails: all goes, and the next try has the next number. */
static void test_faults(void)
{
    for (size_t i = 0; i < FAULTS; i++) {
        begin();
        fail_at(&faults[i]);
        prepare_to(RP_SEGMENT_READY, 0);
        check_ready(FIRST + 1);
        end();
    }
}

/* And again, and again: nothing piles up, no number comes twice. */
static void test_lasting_faults(void)
{
    for (size_t i = 0; i < FAULTS; i++) {
        begin();
        for (uint64_t tries = 0; tries < 5; tries++) {
            CU_ASSERT_EQUAL(maker.place.next_number, FIRST + tries);
            fail_at(&faults[i]);
        }
        end();
    }
}

/* What asks for another try gets one at once, at every step, and nothing is lost by it. */
static void test_again(void)
{
    static const int32_t results[] = {-EINTR, -EAGAIN};
    for (size_t i = 0; i < FAULTS; i++) {
        begin();
        maker.is_bulk = faults[i].is_bulk;
        prepare_to(faults[i].step, faults[i].nth);
        for (size_t j = 0; j < 6; j++) {
            const struct fake_request before = *request();
            finish(results[j % 2]);
            const struct fake_request *after = request();
            CU_ASSERT(after->op == before.op && after->fd == before.fd);
            CU_ASSERT(after->off == before.off && after->len == before.len);
            CU_ASSERT_EQUAL(maker.step, faults[i].step);
        }
        perform_all();
        check_ready(FIRST);
        end();
    }
}

/* The clean-up itself fails: the maker goes on all the same. */
static void test_failing_undo(void)
{
    begin();
    prepare_to(RP_SEGMENT_SYNC_DIR, 0);
    finish(-EIO);
    fake_finish(fake_find(FAKE_UNLINK), -EIO);
    dispatch();
    CU_ASSERT_EQUAL(maker.step, RP_SEGMENT_UNDO);
    perform_all(); /* the file is closed */
    CU_ASSERT_EQUAL(maker.step, RP_SEGMENT_IDLE);
    CU_ASSERT_EQUAL(count_files(), 1); /* recovery's */
    fake_state()->now_ns += RP_SEGMENT_RETRY_NS;
    prepare_to(RP_SEGMENT_READY, 0);
    check_ready(FIRST + 1);
    end();
}

/* A segment of that number is there already: it is somebody's. */
static void test_taken_number(void)
{
    begin();
    int fd = openat(dir_fd, "0000000000000007.seg", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CU_ASSERT(fd >= 0);
    (void)close(fd); /* nothing was written */
    start_in_a_hurry();
    perform_all();
    CU_ASSERT_EQUAL(maker.error, EEXIST);
    CU_ASSERT_EQUAL(count_files(), 1);
    fake_state()->now_ns += RP_SEGMENT_RETRY_NS;
    prepare_to(RP_SEGMENT_READY, 0);
    check_ready(FIRST + 1);
    end();
}

/* ---- stop and close ---- */

/* Told to stop after any number of requests, paced or not: all is undone, and nothing is begun. */
static void stop_after(int requests, bool is_urgent)
{
    begin();
    rp_segment_maker_start(&maker, COMMITTED);
    if (is_urgent) {
        rp_segment_maker_hurry(&maker);
    }
    for (int i = 0; i < requests && fake_perform_oldest(0); i++) {
        dispatch();
    }
    rp_segment_maker_stop(&maker);
    rp_segment_maker_stop(&maker); /* once more changes nothing */
    rp_segment_maker_pay(&maker, SIZE);
    for (int i = 0; maker.step != RP_SEGMENT_IDLE; i++) {
        CU_ASSERT_FATAL(i < 4); /* what is under way ends, then it is undone */
        CU_ASSERT_FATAL(fake_perform_oldest(0));
        dispatch();
    }
    CU_ASSERT_EQUAL(fake_count_all(), 0);
    CU_ASSERT_EQUAL(count_files(), 0);
    CU_ASSERT_EQUAL(temp_dir_open_files(), files_before + 2);
    CU_ASSERT_EQUAL(rp_segment_maker_retry_ns(&maker), UINT64_MAX);
    start_in_a_hurry();
    CU_ASSERT_EQUAL(fake_count_all(), 0);
    end();
}

static void test_stop(void)
{
    for (int requests = 0; requests < 8; requests++) {
        stop_after(requests, true);
        stop_after(requests, false);
    }
}

/* Stopped while an operation is under way that then fails: likewise. */
static void test_stop_at_fault(void)
{
    for (size_t i = 0; i < FAULTS; i++) {
        begin();
        maker.is_bulk = faults[i].is_bulk;
        prepare_to(faults[i].step, faults[i].nth);
        rp_segment_maker_stop(&maker);
        finish(faults[i].res);
        perform_all();
        CU_ASSERT_EQUAL(maker.step, RP_SEGMENT_IDLE);
        CU_ASSERT_EQUAL(rp_segment_maker_retry_ns(&maker), UINT64_MAX);
        CU_ASSERT_EQUAL(count_files(), 0);
        end();
    }
}

/* The ring ends at any moment: no file stays open but those that it was asked to close. */
static void test_close(void)
{
    for (int steps = 0; steps < 8; steps++) {
        begin();
        start_in_a_hurry();
        for (int i = 0; i < steps && fake_perform_oldest(0); i++) {
            dispatch();
        }
        rp_segment_maker_close(&maker);
        CU_ASSERT_EQUAL(temp_dir_open_files(), files_before + 2);
        fake_start();
        end();
    }
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"steps",          test_steps         },
        {"take",           test_take          },
        {"removed",        test_removed       },
        {"pace",           test_pace          },
        {"hurry",          test_hurry         },
        {"short writes",   test_short_writes  },
        {"no direct",      test_no_direct     },
        {"bulk",           test_bulk          },
        {"full disk",      test_full_disk     },
        {"faults",         test_faults        },
        {"lasting faults", test_lasting_faults},
        {"again",          test_again         },
        {"failing undo",   test_failing_undo  },
        {"taken number",   test_taken_number  },
        {"stop",           test_stop          },
        {"stop at fault",  test_stop_at_fault },
        {"close",          test_close         },
    };
    return SUITE_RUN("engine/segment", tests, argc, argv);
}
