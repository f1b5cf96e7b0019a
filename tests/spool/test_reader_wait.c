/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_reader_wait.c - waiting for messages: no wake-up is lost, and none is needed.
 *
 * A writer process commits as fast as it can while a reader waits for each message: if one wake-up
 * were lost, the reader would sleep a whole slice, and the test would take minutes. Then the
 * ways without a doorbell that can be used.
 */
#include "spool.h"

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

static struct test_spool spool;
static struct rp_spool_cursor cursor;
static struct rp_spool_reader *reader;

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void begin(bool is_live)
{
    test_spool_make(&spool, NULL, 2, is_live);
    test_must(rp_spool_reader_open(spool.path, &reader) == 0, "reader");
    memset(&cursor, 0, sizeof cursor);
}

static void end(void)
{
    rp_spool_reader_close(reader);
    test_spool_free(&spool);
}

/* Commit one message as the daemon does: with a wake-up if somebody waits. */
static void commit(uint32_t lane_number, uint64_t number)
{
    struct test_lane *lane = &spool.lanes[lane_number].lane;
    const struct test_message message = {.number = number, .body_len = 20};
    struct rp_spool_id id;
    if (lane->writer.segment == 0) {
        test_spool_open_segment(&spool, lane_number);
    }
    rp_spool_batch_begin(&lane->batch, &lane->writer);
    if (test_append(lane, &message, &id) != 0) {
        test_spool_open_segment(&spool, lane_number);
        rp_spool_batch_begin(&lane->batch, &lane->writer);
        test_must(test_append(lane, &message, &id) == 0, "append");
    }
    rp_spool_batch_seal(&lane->batch);
    test_write(lane, lane->batch.len);
    if (rp_spool_batch_commit(&lane->batch)) {
        (void)syscall(SYS_futex, &spool.bell->ring, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
    }
    test_forget(lane);
}

#define MANY 3000u

static void test_no_lost_wake_up(void)
{
    begin(true);
    pid_t child = fork();
    test_must(child >= 0, "fork");
    if (child == 0) {
        uint64_t random = 4;
        for (uint64_t i = 0; i < MANY; i++) {
            for (uint64_t j = test_random(&random) % 3000; j > 0; j--) {
                __asm__ volatile("" ::: "memory"); /* a varying pause */
            }
            commit((uint32_t)(i % 2), i);
        }
        _exit(0);
    }
    int64_t start = now_ms();
    uint64_t seen = 0;
    while (seen < MANY) {
        struct rp_spool_entry entry;
        int result = rp_spool_reader_next(reader, &cursor, &entry);
        CU_ASSERT_TRUE_FATAL(result >= 0);
        seen += (uint64_t)result;
        if (result == 0 && seen < MANY) {
            CU_ASSERT_EQUAL_FATAL(rp_spool_reader_wait(reader, 20000), 0);
        }
    }
    int64_t took = now_ms() - start;
    int status;
    test_must(waitpid(child, &status, 0) == child && status == 0, "child");
    CU_ASSERT_TRUE(took < 20000);
    CU_ASSERT_EQUAL(spool.bell->waiters, 0);
    end();
}

static void test_timeout(void)
{
    for (int live = 0; live <= 1; live++) {
        begin(live != 0);
        struct rp_spool_entry entry;
        CU_ASSERT_EQUAL(rp_spool_reader_next(reader, &cursor, &entry), 0);
        int64_t start = now_ms();
        CU_ASSERT_EQUAL(rp_spool_reader_wait(reader, 0), -ETIMEDOUT);
        CU_ASSERT_EQUAL(rp_spool_reader_wait(reader, 60), -ETIMEDOUT);
        CU_ASSERT_TRUE(now_ms() - start >= 60);
        end();
    }
}

/* What was published between the last look and the wait ends the wait at once. */
static void test_already_there(void)
{
    begin(true);
    struct rp_spool_entry entry;
    CU_ASSERT_EQUAL(rp_spool_reader_next(reader, &cursor, &entry), 0);
    commit(0, 1);
    CU_ASSERT_EQUAL(rp_spool_reader_wait(reader, 0), 0);
    CU_ASSERT_EQUAL(rp_spool_reader_next(reader, &cursor, &entry), 1);
    CU_ASSERT_EQUAL(rp_spool_reader_next(reader, &cursor, &entry), 0);
    CU_ASSERT_EQUAL(rp_spool_reader_wait(reader, 0), -ETIMEDOUT);
    spool.bell->generation++;
    CU_ASSERT_EQUAL(rp_spool_reader_wait(reader, 0), 0);
    end();
}

/* No doorbell: new files end the wait, and a doorbell that comes to count. */
static void test_files(void)
{
    begin(false);
    struct rp_spool_entry entry;
    CU_ASSERT_EQUAL(rp_spool_reader_next(reader, &cursor, &entry), 0);
    commit(1, 1);
    CU_ASSERT_EQUAL(rp_spool_reader_wait(reader, 5000), 0);
    CU_ASSERT_EQUAL(rp_spool_reader_next(reader, &cursor, &entry), 1);
    CU_ASSERT_EQUAL(rp_spool_reader_next(reader, &cursor, &entry), 0);
    CU_ASSERT_EQUAL(rp_spool_reader_wait(reader, 0), -ETIMEDOUT);
    struct rp_spool_doorbell *bell = test_map(spool.fd, RP_SPOOL_DOORBELL_NAME, sizeof *spool.bell);
    struct rp_spool_doorbell *saved = spool.bell;
    spool.bell = bell;
    bell->lanes[1].tail = 1;
    test_ring_in(&spool);
    spool.bell = saved;
    CU_ASSERT_EQUAL(rp_spool_reader_wait(reader, 5000), 0);
    CU_ASSERT_EQUAL(rp_spool_reader_next(reader, &cursor, &entry), 0);
    CU_ASSERT_EQUAL(rp_spool_reader_wait(reader, 0), -ETIMEDOUT);
    test_must(munmap(bell, sizeof *bell) == 0, "munmap");
    end();
}

/* The doorbell's file is replaced under a waiting reader: it finds the new one. */
static void test_doorbell_replaced(void)
{
    begin(true);
    struct rp_spool_entry entry;
    commit(0, 1);
    CU_ASSERT_EQUAL(rp_spool_reader_next(reader, &cursor, &entry), 1);
    CU_ASSERT_EQUAL(rp_spool_reader_next(reader, &cursor, &entry), 0);
    test_must(unlinkat(spool.fd, RP_SPOOL_DOORBELL_NAME, 0) == 0, "unlink");
    struct rp_spool_doorbell *old = spool.bell;
    spool.bell = test_map(spool.fd, RP_SPOOL_DOORBELL_NAME, sizeof *spool.bell);
    spool.bell->lanes[0] = old->lanes[0];
    test_ring_in(&spool);
    spool.lanes[0].lane.writer.doorbell = spool.bell;
    CU_ASSERT_EQUAL(rp_spool_reader_wait(reader, 5000), 0);
    CU_ASSERT_EQUAL(rp_spool_reader_next(reader, &cursor, &entry), 0);
    commit(0, 2);
    CU_ASSERT_EQUAL(rp_spool_reader_wait(reader, 5000), 0);
    CU_ASSERT_EQUAL(rp_spool_reader_next(reader, &cursor, &entry), 1);
    test_must(munmap(old, sizeof *old) == 0, "munmap");
    end();
}

/* The daemon ends under a waiting reader, which then looks at the files; another one starts. */
static void test_daemon_ends(void)
{
    begin(true);
    struct rp_spool_entry entry;
    commit(0, 1);
    CU_ASSERT_EQUAL(rp_spool_reader_next(reader, &cursor, &entry), 1);
    CU_ASSERT_EQUAL(rp_spool_reader_next(reader, &cursor, &entry), 0);
    const struct test_message message = {.number = 2, .body_len = 20};
    test_spool_write(&spool, 0, &message, 1, UINT64_MAX); /* whole, but nobody was told */
    CU_ASSERT_EQUAL(rp_spool_reader_wait(reader, 0), -ETIMEDOUT);
    CU_ASSERT_EQUAL(rp_spool_reader_next(reader, &cursor, &entry), 0);
    test_unlock(&spool);
    CU_ASSERT_EQUAL(rp_spool_reader_wait(reader, 5000), 0);
    CU_ASSERT_EQUAL(rp_spool_reader_next(reader, &cursor, &entry), 1);
    CU_ASSERT_EQUAL(entry.sequence, 1);
    CU_ASSERT_EQUAL(rp_spool_reader_next(reader, &cursor, &entry), 0);
    CU_ASSERT_EQUAL(rp_spool_reader_wait(reader, 0), -ETIMEDOUT);
    (void)rp_spool_batch_commit(&spool.lanes[0].lane.batch);
    test_lock(&spool);
    CU_ASSERT_EQUAL(rp_spool_reader_wait(reader, 5000), 0);
    CU_ASSERT_EQUAL(rp_spool_reader_next(reader, &cursor, &entry), 0);
    commit(0, 3);
    CU_ASSERT_EQUAL(rp_spool_reader_wait(reader, 5000), 0);
    CU_ASSERT_EQUAL(rp_spool_reader_next(reader, &cursor, &entry), 1);
    CU_ASSERT_EQUAL(entry.sequence, 2);
    end();
}

int main(void)
{
    if (CU_initialize_registry() != CUE_SUCCESS) {
        return 1;
    }
    CU_pSuite suite = CU_add_suite("reader_wait", NULL, NULL);
    CU_ADD_TEST(suite, test_no_lost_wake_up);
    CU_ADD_TEST(suite, test_timeout);
    CU_ADD_TEST(suite, test_already_there);
    CU_ADD_TEST(suite, test_files);
    CU_ADD_TEST(suite, test_doorbell_replaced);
    CU_ADD_TEST(suite, test_daemon_ends);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    unsigned run = CU_get_number_of_tests_run();
    CU_cleanup_registry();
    return failures == 0 && run == 6 ? 0 : 1;
}
