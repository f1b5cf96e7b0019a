/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * lane_case.h - what the tests of lane.c share: a worker on fake_io with a client, whose commits
 * the test ends one by one, and what recovery finds afterwards.
 */
#ifndef TESTS_ENGINE_LANE_CASE_H
#define TESTS_ENGINE_LANE_CASE_H

#include "fake_worker.h"
#include "tests/tools/suite.h"

#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define HELLO    "EHLO client.test\r\n"
#define ENVELOPE "MAIL FROM:<a@test>\r\nRCPT TO:<b@test>\r\nDATA\r\n"
#define MESSAGE  ENVELOPE "Subject: x\r\n\r\ntext\r\n.\r\n"
#define HOLD     (1u << FAKE_WRITE)

static struct fake_worker fake; /* one at a time */

static inline const struct rp_lane *lane(void)
{
    return &fake.worker->lane;
}

static inline uint64_t tail(void)
{
    return fake.dir.doorbell->lanes[0].tail;
}

static inline struct fake_request *commit(void)
{
    return fake_find_tag(rp_op_tag(RP_OP_COMMIT, 0));
}

/* Open a worker whose first segment is ready, with a client that has said EHLO. */
static inline int begin(void (*tweak)(struct rp_config *))
{
    fake_worker_open(&fake, tweak);
    fake_worker_settle(&fake);
    CU_ASSERT_EQUAL_FATAL(lane()->maker.step, RP_SEGMENT_READY);
    int fd = fake_worker_connect(&fake);
    CU_ASSERT(strstr(fake_worker_talk(&fake, fd, HELLO), "250") != NULL);
    return fd;
}

static inline void remove_indexes(void)
{
    char path[256];
    for (unsigned number = 1; number < 40; number++) {
        (void)snprintf(path, sizeof(path), "%s/lane-000/" RP_SPOOL_INDEX_FORMAT, fake.path,
                       (unsigned long long)number);
        (void)unlink(path); /* most are not there */
    }
}

/* Close everything; so many messages are in the spool, so many are void. */
static inline void end(uint64_t messages, uint64_t void_records)
{
    struct rp_spooldir_report report;
    fake_worker_end(&fake);
    CU_ASSERT_EQUAL(fake_open_sockets(), 0);
    fake_worker_recover(&fake, &report);
    CU_ASSERT_EQUAL(report.messages, messages);
    CU_ASSERT_EQUAL(report.damaged, 0);
    uint64_t seen_void = report.void_records;
    remove_indexes(); /* as after a crash: the segments alone must say the same */
    fake_worker_recover(&fake, &report);
    CU_ASSERT_EQUAL(report.messages, messages);
    CU_ASSERT_EQUAL(seen_void + report.void_records, void_records);
    CU_ASSERT_EQUAL(report.damaged, 0);
    fake_worker_remove(&fake);
}

static inline size_t count_in(const char *text, const char *what)
{
    size_t count = 0;
    for (const char *at = strstr(text, what); at != NULL; at = strstr(at + 1, what)) {
        count++;
    }
    return count;
}

/* The write reaches the disk although it is said to have failed: as bad as it gets. */
static inline void fail_written(struct fake_request *request, int error)
{
    ssize_t written =
        pwritev(request->fd, request->iov, (int)request->iov_count, (off_t)request->off);
    CU_ASSERT_EQUAL((uint64_t)written, request->len);
    fake_finish(request, -error);
}

/* Let the next segment be prepared, but hold the lane's own writes, until one is under way in it.
 * */
static inline void prepare_next(void)
{
    fake_worker_settle(&fake);
    for (int i = 0; i < 1000 && commit() == NULL; i++) {
        struct fake_request *request = fake_find_tag(rp_op_tag(RP_OP_SEGMENT, 0));
        CU_ASSERT_PTR_NOT_NULL_FATAL(request);
        (void)fake_perform(request);
        fake_worker_settle(&fake);
    }
}

#endif
