/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_lane.c - group commit: a 250 means committed, a 4xx means void, else silence.
 *
 * Goal: no reply before the commit's completion; messages that come meanwhile are the next
 * batch; a batch that failed is refused only when the next segment's header has voided it, and
 * if that fails, too, nobody is told anything; the numbers in the spool agree. Method: a worker
 * on fake_io, whose writes the test ends one by one; recovery says what the disk holds.
 */
#include "lane_case.h"

#include <errno.h>

/* ---- good commits ---- */

static void test_reply_after_commit(void)
{
    int fd = begin(NULL);
    fake.held = HOLD;
    const char *sent = fake_worker_talk(&fake, fd, MESSAGE);
    CU_ASSERT(strstr(sent, "354") != NULL && strstr(sent, "queued") == NULL);
    CU_ASSERT_EQUAL(tail(), 0);
    struct fake_request *request = commit();
    CU_ASSERT_PTR_NOT_NULL_FATAL(request);
    CU_ASSERT(request->is_durable && request->off == 0 && request->len % RP_SPOOL_BLOCK == 0);
    (void)fake_perform(request);
    fake_worker_settle(&fake);
    CU_ASSERT_EQUAL(tail(), 1);
    sent = fake_sent_take(fd);
    CU_ASSERT_EQUAL(strncmp(sent, "250 2.0.0 OK queued as 000-0000000001-", 38), 0);
    CU_ASSERT(fake_worker_is_clean(&fake));
    CU_ASSERT_EQUAL(fake_state()->wakes, 0); /* nobody waits */
    fake.dir.doorbell->waiters = 1;
    fake.held = 0;
    CU_ASSERT_EQUAL(count_in(fake_worker_talk(&fake, fd, MESSAGE), "queued"), 1);
    CU_ASSERT_EQUAL(fake_state()->wakes, 1);
    end(2, 0);
}

/* What comes while a commit runs is one batch, whoever sent it. */
static void test_group(void)
{
    int first = begin(NULL);
    int second = fake_worker_connect(&fake);
    fake.held = HOLD;
    (void)fake_worker_talk(&fake, second, HELLO);
    (void)fake_worker_talk(&fake, first, MESSAGE);
    (void)fake_worker_talk(&fake, first, MESSAGE MESSAGE);
    (void)fake_worker_talk(&fake, second, MESSAGE MESSAGE);
    CU_ASSERT_EQUAL(lane()->batch.count, 1);
    (void)fake_perform(commit());
    fake_worker_settle(&fake);
    CU_ASSERT_EQUAL(count_in(fake_sent_take(first), "queued"), 1);
    CU_ASSERT_EQUAL(lane()->batch.count, 4);
    (void)fake_perform(commit());
    fake_worker_settle(&fake);
    CU_ASSERT_EQUAL(count_in(fake_sent_take(first), "queued"), 2);
    CU_ASSERT_EQUAL(count_in(fake_sent_take(second), "queued"), 2);
    CU_ASSERT_EQUAL(tail(), 5);
    CU_ASSERT(fake_worker_is_clean(&fake));
    end(5, 0);
}

static void test_short_writes(void)
{
    static const size_t parts[] = {1, 63, 64, 100, 4095, 4096, 4097};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        int fd = begin(NULL);
        fake.held = HOLD;
        (void)fake_worker_talk(&fake, fd, MESSAGE);
        uint64_t off = 0;
        for (int writes = 0; commit() != NULL; writes++) {
            CU_ASSERT_FATAL(writes < 10000);
            struct fake_request *request = commit();
            CU_ASSERT(request->off == off && request->is_durable);
            if (writes == 3) { /* a signal; nothing is lost */
                fake_finish(request, -EINTR);
            } else {
                size_t part = request->len < parts[i] ? (size_t)request->len : parts[i];
                off += (uint64_t)fake_perform_part(request, part);
            }
            CU_ASSERT_EQUAL(tail(), 0);
            fake_worker_settle(&fake);
        }
        CU_ASSERT_EQUAL(count_in(fake_sent_take(fd), "queued"), 1);
        CU_ASSERT_EQUAL(off % RP_SPOOL_BLOCK, 0);
        CU_ASSERT(fake_worker_is_clean(&fake));
        end(1, 0);
    }
}

static void use_direct(struct rp_config *config)
{
    config->spool_io = RP_CONFIG_IO_DIRECT;
}

static bool is_direct(const struct fake_request *request)
{
    bool is_lined_up = true;
    for (size_t i = 0; i < request->iov_count; i++) {
        is_lined_up = is_lined_up && request->iov[i].iov_len % RP_SPOOL_BLOCK == 0 &&
                      (uintptr_t)request->iov[i].iov_base % RP_SPOOL_BLOCK == 0;
    }
    return is_lined_up && lane()->segment.is_direct;
}

/* Past the page cache: whole blocks, aligned; a file system that cannot is asked once. */
static void test_direct(void)
{
    int fd = begin(use_direct);
    fake.held = HOLD;
    (void)fake_worker_talk(&fake, fd, MESSAGE);
    CU_ASSERT(is_direct(commit()) && commit()->is_durable);
    (void)fake_perform(commit());
    fake_worker_settle(&fake);
    CU_ASSERT_EQUAL(count_in(fake_sent_take(fd), "queued"), 1);
    (void)fake_worker_talk(&fake, fd, MESSAGE);
    (void)fake_perform_part(commit(), 1000); /* short, and then nothing is lined up any more */
    fake_worker_settle(&fake);
    CU_ASSERT(!lane()->segment.is_direct && commit()->is_durable);
    (void)fake_perform(commit());
    fake_worker_settle(&fake);
    CU_ASSERT_EQUAL(count_in(fake_sent_take(fd), "queued"), 1);
    (void)fake_worker_talk(&fake, fd, MESSAGE);
    CU_ASSERT(is_direct(commit()));
    fake_finish(commit(), -EINVAL);
    fake_worker_settle(&fake);
    CU_ASSERT(!lane()->segment.is_direct && lane()->cannot_direct);
    (void)fake_perform(commit());
    fake_worker_settle(&fake);
    CU_ASSERT_EQUAL(count_in(fake_sent_take(fd), "queued"), 1);
    (void)fake_worker_talk(&fake, fd, MESSAGE);
    CU_ASSERT(!is_direct(commit()));
    (void)fake_perform(commit());
    fake_worker_settle(&fake);
    CU_ASSERT_EQUAL(tail(), 4);
    CU_ASSERT(fake_worker_is_clean(&fake));
    end(4, 0);
}

/* A body of that many octets in lines, and the end of data. */
static void feed_body(int fd, size_t len)
{
    static char text[RP_BUFFER_SIZE];
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = i % 64 == 62 ? '\r' : i % 64 == 63 ? '\n' : 'b';
    }
    for (size_t done = 0; done < len; done += sizeof(text)) {
        CU_ASSERT_FATAL(fake_feed_octets(fd, text, sizeof(text)));
        fake_worker_settle(&fake);
    }
    (void)fake_worker_talk(&fake, fd, ".\r\n");
}

/* A gathered body stays in the segment, begins at a block, and takes small ones along. */
static void test_gathered(void)
{
    int fd = begin(NULL);
    int other = fake_worker_connect(&fake);
    fake.held = HOLD;
    (void)fake_worker_talk(&fake, other, HELLO);
    (void)fake_worker_talk(&fake, other, MESSAGE); /* the commit that the others wait behind */
    CU_ASSERT(!lane()->segment.is_direct);
    (void)fake_worker_talk(&fake, fd, ENVELOPE);
    feed_body(fd, 5 * RP_BUFFER_SIZE);
    (void)fake_worker_talk(&fake, other, MESSAGE);
    CU_ASSERT(lane()->waiting_octets > RP_DIRECT_THRESHOLD);
    (void)fake_perform(commit());
    fake_worker_settle(&fake);
    CU_ASSERT_EQUAL(lane()->batch.count, 2);
    CU_ASSERT(is_direct(commit()) && lane()->waiting_octets == 0);
    CU_ASSERT(lane()->stage.len < 4 * RP_SPOOL_BLOCK); /* the body itself is not copied again */
    (void)fake_perform(commit());
    fake_worker_settle(&fake);
    CU_ASSERT_EQUAL(count_in(fake_sent_take(fd), "queued"), 1);
    CU_ASSERT_EQUAL(count_in(fake_sent_take(other), "queued"), 2);
    CU_ASSERT(fake_worker_is_clean(&fake));
    end(3, 0);
}

static void large_segments(struct rp_config *config)
{
    config->spool_segment_size = 8 * RP_SPOOL_SEGMENT_MIN;
}

/* Commits of more than RP_BULK_COMMIT: the segments after the next are not written with zeros. */
static void test_bulk(void)
{
    int fd = begin(large_segments);
    CU_ASSERT(!lane()->maker.is_bulk);
    uint64_t count = 0;
    while (lane()->segment.number < 2) {
        CU_ASSERT_FATAL(count++ < 20);
        (void)fake_worker_talk(&fake, fd, ENVELOPE);
        feed_body(fd, 3 * RP_BULK_COMMIT / 2);
        CU_ASSERT_EQUAL(tail(), count);
    }
    CU_ASSERT(lane()->maker.is_bulk);
    CU_ASSERT_EQUAL(lane()->maker.segment.number, 3);
    CU_ASSERT_EQUAL(lane()->maker.zero_off, 0);
    CU_ASSERT_EQUAL(lane()->maker.step, RP_SEGMENT_READY);
    (void)fake_worker_talk(&fake, fd, MESSAGE);
    end(count + 1, 0);
}

static void no_sync(struct rp_config *config)
{
    config->spool_sync = RP_CONFIG_SYNC_NONE;
}

static void test_sync_none(void)
{
    int fd = begin(no_sync);
    fake.held = HOLD;
    (void)fake_worker_talk(&fake, fd, MESSAGE);
    CU_ASSERT_PTR_NOT_NULL_FATAL(commit());
    CU_ASSERT(!commit()->is_durable);
    CU_ASSERT_STRING_EQUAL(fake_sent(fd), ""); /* it waits for the write all the same */
    (void)fake_perform(commit());
    fake_worker_settle(&fake);
    CU_ASSERT_EQUAL(count_in(fake_sent(fd), "queued"), 1);
    end(1, 0);
}

static void discard(struct rp_config *config)
{
    config->spool_discard = true;
}

static void test_discard(void)
{
    int fd = begin(discard);
    CU_ASSERT_EQUAL(count_in(fake_worker_talk(&fake, fd, MESSAGE MESSAGE), "queued"), 2);
    CU_ASSERT_EQUAL(tail(), 0);
    CU_ASSERT(!lane()->is_open);
    CU_ASSERT(fake_worker_is_clean(&fake));
    end(0, 0);
}

/* The client goes away while its message is written: it is in the spool, told to nobody, and
 * whoever has the slot next hears nothing of it. */
static void test_client_gone(void)
{
    int fd = begin(NULL);
    fake.held = HOLD;
    (void)fake_worker_talk(&fake, fd, MESSAGE);
    uint32_t slot = fake_worker_conn(&fake, fd);
    fake_break(fd);
    fake_worker_settle(&fake);
    CU_ASSERT(fake_is_closed(fd));
    int next = fake_worker_connect(&fake);
    CU_ASSERT_EQUAL(fake_worker_conn(&fake, next), slot);
    (void)fake_worker_talk(&fake, next, HELLO);
    (void)fake_worker_talk(&fake, next, MESSAGE);
    (void)fake_perform(commit());
    fake_worker_settle(&fake);
    CU_ASSERT_STRING_EQUAL(fake_sent_take(next), "");
    (void)fake_perform(commit());
    fake_worker_settle(&fake);
    CU_ASSERT_EQUAL(count_in(fake_sent_take(next), "queued"), 1);
    CU_ASSERT(fake_worker_is_clean(&fake));
    end(2, 0);
}

/* ---- failed ones ---- */

static void test_abandoned(void)
{
    static const struct {
        int error;
        const char *reply;
    } rows[] = {
        {EIO,    "451 4.3.0"},
        {ENOSPC, "452 4.3.1"},
        {EDQUOT, "452 4.3.1"},
        {EROFS,  "451 4.3.0"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int fd = begin(NULL);
        CU_ASSERT_EQUAL(count_in(fake_worker_talk(&fake, fd, MESSAGE), "queued"), 1);
        fake.held = HOLD;
        (void)fake_worker_talk(&fake, fd, MESSAGE MESSAGE);
        fail_written(commit(), rows[i].error);
        prepare_next();
        fake_worker_settle(&fake);
        CU_ASSERT_STRING_EQUAL(fake_sent(fd), ""); /* not known to be void yet */
        CU_ASSERT_EQUAL(lane()->state, RP_LANE_VOIDING);
        (void)fake_worker_talk(&fake, fd, MESSAGE); /* waits for its turn */
        struct fake_request *header = commit();
        CU_ASSERT_PTR_NOT_NULL_FATAL(header);
        CU_ASSERT(header->off == 0 && header->len == RP_SPOOL_BLOCK && header->is_durable);
        (void)fake_perform(header);
        fake_worker_settle(&fake);
        const char *sent = fake_sent_take(fd);
        CU_ASSERT_EQUAL(count_in(sent, rows[i].reply), 2);
        CU_ASSERT_EQUAL(count_in(sent, "queued"), 0);
        CU_ASSERT_EQUAL(tail(), 1);
        fake.held = 0;
        fake_worker_settle(&fake);
        CU_ASSERT_EQUAL(count_in(fake_sent_take(fd), "queued"), 1);
        CU_ASSERT_EQUAL(tail(), 2);
        CU_ASSERT(fake_worker_is_clean(&fake));
        CU_ASSERT_EQUAL(atomic_load(&fake.worker->stats.segments_abandoned), 1);
        end(2, 0); /* what was written has been given back */
    }
}

/* The voiding header fails as well: nobody can know, and so nobody is told anything. */
static void test_void_fails(void)
{
    int fd = begin(NULL);
    int other = fake_worker_connect(&fake);
    (void)fake_worker_talk(&fake, other, HELLO);
    fake.held = HOLD;
    (void)fake_worker_talk(&fake, fd, MESSAGE);
    fake_finish(commit(), -EIO);
    prepare_next();
    fake_finish(commit(), -EIO);
    fake_worker_settle(&fake);
    CU_ASSERT_STRING_EQUAL(fake_sent(fd), "");
    CU_ASSERT(fake_is_closed(fd));
    CU_ASSERT(!fake_is_closed(other));
    fake.held = 0;
    fake_worker_settle(&fake);
    CU_ASSERT_EQUAL(count_in(fake_worker_talk(&fake, other, MESSAGE), "queued"), 1);
    CU_ASSERT(fake_worker_is_clean(&fake));
    end(1, 0);
}

/* No segment for the header either: the same. */
static void test_void_without_segment(void)
{
    int fd = begin(NULL);
    fake.held = HOLD;
    (void)fake_worker_talk(&fake, fd, MESSAGE);
    struct fake_request *zeros = fake_find_tag(rp_op_tag(RP_OP_SEGMENT, 0));
    CU_ASSERT_PTR_NOT_NULL_FATAL(zeros); /* of the next segment */
    fake_finish(commit(), -ENOSPC);
    fake_worker_settle(&fake);
    CU_ASSERT(!fake_is_closed(fd)); /* there may be one soon */
    fake_finish(fake_find_tag(rp_op_tag(RP_OP_SEGMENT, 0)), -ENOSPC);
    fake_worker_settle(&fake);
    CU_ASSERT_STRING_EQUAL(fake_sent(fd), "");
    CU_ASSERT(fake_is_closed(fd));
    fake.held = 0;
    int other = fake_worker_connect(&fake);
    CU_ASSERT_EQUAL(count_in(fake_worker_talk(&fake, other, HELLO MESSAGE), "452 4.3.1"), 1);
    fake_worker_advance(&fake, RP_SEGMENT_RETRY_NS);
    CU_ASSERT_EQUAL(count_in(fake_worker_talk(&fake, other, "RSET\r\n" MESSAGE), "queued"), 1);
    CU_ASSERT(fake_worker_is_clean(&fake));
    end(1, 0);
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"reply after commit",   test_reply_after_commit  },
        {"group",                test_group               },
        {"short writes",         test_short_writes        },
        {"direct",               test_direct              },
        {"bulk",                 test_bulk                },
        {"gathered",             test_gathered            },
        {"sync none",            test_sync_none           },
        {"discard",              test_discard             },
        {"client gone",          test_client_gone         },
        {"abandoned",            test_abandoned           },
        {"void fails",           test_void_fails          },
        {"void without segment", test_void_without_segment},
    };
    return SUITE_RUN("engine/lane", tests, argc, argv);
}
