/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_lane_segments.c - a lane goes from segment to segment, whatever becomes of their files.
 *
 * Goal: messages wait for a segment or are told that there is none; a file that somebody has
 * removed gets no 250; spool.meta has what was committed when a number is reserved; an index is
 * not written over while it goes to its file; drained, nothing is left to recovery. Method: as
 * test_lane.c.
 */
#include "catch_log.h"
#include "lane_case.h"

#include <errno.h>

static struct rp_spool_lane_meta lane_meta(void)
{
    struct rp_spool_lane_meta meta;
    ssize_t len = pread(fake.dir.meta_fd, &meta, sizeof(meta), (off_t)RP_SPOOL_LANE_META_OFF(0));
    CU_ASSERT_EQUAL(len, (ssize_t)sizeof(meta));
    return meta;
}

/* A body for which a segment has room five times. */
static const char *fifth_of_segment(void)
{
    static char text[210000];
    static const char row[] = "0123456789 0123456789 0123456789 0123456789 0123456789 0123456\r\n";
    size_t len = strlen(ENVELOPE);
    memcpy(text, ENVELOPE, len);
    while (len < 200000) {
        memcpy(text + len, row, sizeof(row) - 1);
        len += sizeof(row) - 1;
    }
    memcpy(text + len, ".\r\n", 4);
    return text;
}

/* What the number of a segment is reserved with: what was committed, not what is planned. */
static void test_reserved_sequence(void)
{
    int fd = begin(NULL);
    CU_ASSERT_EQUAL(lane_meta().next_segment, 2);
    CU_ASSERT_EQUAL(lane_meta().next_sequence, 0);
    uint64_t written = lane_meta().next_segment;
    for (int i = 0; i < 24; i++) {
        CU_ASSERT_EQUAL(count_in(fake_worker_talk(&fake, fd, fifth_of_segment()), "queued"), 1);
        struct rp_spool_lane_meta meta = lane_meta();
        CU_ASSERT(meta.next_segment > lane()->segment.number);
        if (meta.next_segment != written) { /* the segment was changed for this message */
            CU_ASSERT_EQUAL(meta.next_sequence, tail() - 1);
            written = meta.next_segment;
        }
    }
    CU_ASSERT(written >= 5);
    /* Given up while a batch is under way: its sequence is used again. */
    fake.held = HOLD;
    (void)fake_worker_talk(&fake, fd, MESSAGE);
    uint64_t left = RP_SPOOL_SEGMENT_MIN - lane()->committed_off;
    fail_written(commit(), EIO);
    fake.held = 0;
    fake_worker_settle(&fake);
    CU_ASSERT_EQUAL(lane_meta().next_sequence, tail());
    CU_ASSERT_EQUAL(tail(), 24);
    end(24, left < RP_PUNCH_MIN); /* else what the failed write left has been given back */
}

/* Recovery left sequences out: until a header says so they are not used up. */
static void test_skipped(void)
{
    int fd = begin(NULL);
    struct rp_spool_writer *writer = &fake.worker->lane.writer;
    writer->sequence += 1000;
    writer->skipped = 1000;
    fake.held = HOLD;
    (void)fake_worker_talk(&fake, fd, MESSAGE);
    (void)fake_perform(fake_find_tag(rp_op_tag(RP_OP_SEGMENT, 0)));
    fake_worker_settle(&fake);
    CU_ASSERT_EQUAL(lane_meta().next_segment, 3);
    CU_ASSERT_EQUAL(lane_meta().next_sequence, 0);
    fail_written(commit(), EIO);
    fake.held = 0;
    fake_worker_settle(&fake);
    CU_ASSERT_EQUAL(count_in(fake_sent_take(fd), "451 4.3.0"), 1);
    CU_ASSERT_EQUAL(count_in(fake_worker_talk(&fake, fd, MESSAGE), "queued"), 1);
    CU_ASSERT_EQUAL(tail(), 1001);
    struct rp_spool_segment_header header;
    CU_ASSERT_EQUAL(pread(lane()->segment.fd, &header, sizeof(header), 0), 128);
    CU_ASSERT_EQUAL(header.first_sequence, 1000);
    CU_ASSERT_EQUAL(header.skipped, 1000); /* said again: the first header may not be there */
    CU_ASSERT_EQUAL(count_in(fake_worker_talk(&fake, fd, fifth_of_segment()), "queued"), 1);
    for (uint64_t number = lane()->segment.number; lane()->segment.number == number;) {
        CU_ASSERT_EQUAL_FATAL(count_in(fake_worker_talk(&fake, fd, fifth_of_segment()), "queued"),
                              1);
    }
    CU_ASSERT_EQUAL(pread(lane()->segment.fd, &header, sizeof(header), 0), 128);
    CU_ASSERT_EQUAL(header.skipped, 0);
    CU_ASSERT(lane_meta().next_sequence >= 1002);
    end(tail() - 1000, 0);
}

/* Which memory the open segment's index has: not the one that is written to its file. */
static void test_index_memory(void)
{
    int fd = begin(NULL);
    uint64_t number = 0;
    int changes = 0;
    for (int i = 0; i < 30; i++) {
        fake.held = i % 4 == 1 ? 1u << FAKE_SYNC | 1u << FAKE_CLOSE | 1u << FAKE_PUNCH : 0;
        (void)fake_worker_talk(&fake, fd, fifth_of_segment());
        if (lane()->is_open && lane()->segment.number != number) {
            number = lane()->segment.number;
            changes++;
        }
        if (lane()->is_open && lane()->retire.step != RP_RETIRE_IDLE) {
            CU_ASSERT_PTR_NOT_EQUAL(lane()->writer.index, lane()->retire.index);
        }
        fake.held = 0;
        fake_worker_settle(&fake);
        CU_ASSERT_EQUAL(tail(), (uint64_t)i + 1);
    }
    CU_ASSERT(changes >= 5);
    end(30, 0);
}

/* Given up while the segment before is still on its way out: nobody waits for that one. */
static void test_abandoned_while_retiring(void)
{
    size_t files = temp_dir_open_files();
    int fd = begin(NULL);
    const uint32_t retiring = 1u << FAKE_PUNCH | 1u << FAKE_CLOSE;
    uint64_t total = 0;
    fake.held = retiring;
    for (; lane()->retire.step == RP_RETIRE_IDLE; total++) {
        CU_ASSERT_FATAL(total < 8);
        CU_ASSERT_EQUAL(count_in(fake_worker_talk(&fake, fd, fifth_of_segment()), "queued"), 1);
    }
    fake.held = retiring | HOLD;
    (void)fake_worker_talk(&fake, fd, MESSAGE);
    fail_written(commit(), EIO);
    fake.held = retiring;
    fake_worker_settle(&fake);
    CU_ASSERT_NOT_EQUAL(lane()->retire.step, RP_RETIRE_IDLE); /* still */
    CU_ASSERT_EQUAL(count_in(fake_sent_take(fd), "451 4.3.0"), 1);
    CU_ASSERT_EQUAL(count_in(fake_worker_talk(&fake, fd, MESSAGE), "queued"), 1);
    fake.held = 0;
    fake_worker_settle(&fake);
    CU_ASSERT(fake_worker_is_clean(&fake));
    end(total + 1, 1);
    CU_ASSERT_EQUAL(temp_dir_open_files(), files);
}

/* The first segment is not there yet: messages wait for it, and get their reply. */
static void test_wait_for_segment(void)
{
    fake_worker_open(&fake, NULL);
    fake.held = HOLD;
    fake_worker_settle(&fake);
    int fd = fake_worker_connect(&fake);
    const char *sent = fake_worker_talk(&fake, fd, HELLO MESSAGE);
    CU_ASSERT(strstr(sent, "354") != NULL && strstr(sent, "queued") == NULL);
    fake.held = 0;
    fake_worker_settle(&fake);
    CU_ASSERT_EQUAL(count_in(fake_sent_take(fd), "queued"), 1);
    CU_ASSERT(fake_worker_is_clean(&fake));
    end(1, 0);
}

/* There is none and there will be none: 452 for who waits, and for who asks at MAIL. */
static void test_no_segment(void)
{
    fake_worker_open(&fake, NULL);
    fake.held = HOLD;
    fake_worker_settle(&fake);
    int fd = fake_worker_connect(&fake);
    (void)fake_worker_talk(&fake, fd, HELLO MESSAGE MESSAGE);
    fake_finish(fake_find(FAKE_WRITE), -ENOSPC);
    fake_worker_settle(&fake);
    CU_ASSERT_EQUAL(count_in(fake_sent_take(fd), "452 4.3.1"), 2);
    const char *sent = fake_worker_talk(&fake, fd, "MAIL FROM:<a@test>\r\n");
    CU_ASSERT_EQUAL(count_in(sent, "452 4.3.1"), 1);
    CU_ASSERT(fake_state()->until_ns <= fake_state()->now_ns + RP_SEGMENT_RETRY_NS);
    fake.held = 0;
    fake_worker_advance(&fake, RP_SEGMENT_RETRY_NS);
    CU_ASSERT_EQUAL(count_in(fake_worker_talk(&fake, fd, MESSAGE), "queued"), 1);
    CU_ASSERT(fake_worker_is_clean(&fake));
    end(1, 0);
}

/* Over many segments, retiring each; with the files of the last one slow to close. */
static void test_roll_over(void)
{
    static char text[210000];
    size_t len = strlen(ENVELOPE);
    memcpy(text, ENVELOPE, len);
    while (len < 200000) {
        memcpy(text + len, "0123456789 0123456789 0123456789 0123456789 0123456789 0123456\r\n",
               64);
        len += 64;
    }
    memcpy(text + len, ".\r\n", 4);
    int fd = begin(NULL);
    uint64_t total = 0;
    for (int round = 0; round < 24; round++) {
        fake.held = round % 3 == 1 ? 1u << FAKE_CLOSE : 0; /* retiring takes its time */
        size_t queued = count_in(fake_worker_talk(&fake, fd, text), "queued");
        total += queued;
        if (queued == 0) {
            fake.held = 0;
            fake_worker_settle(&fake);
            queued = count_in(fake_sent_take(fd), "queued");
            CU_ASSERT_EQUAL(queued, 1);
            total += queued;
        }
    }
    fake.held = 0;
    fake_worker_settle(&fake);
    CU_ASSERT_EQUAL(total, 24);
    CU_ASSERT_EQUAL(tail(), 24);
    CU_ASSERT(atomic_load(&fake.worker->stats.segments) >= 5);
    CU_ASSERT(fake_worker_is_clean(&fake));
    end(24, 0);
}

/* Drained: the segment is closed in good order, and recovery has nothing to look for. */
static void test_finish(void)
{
    struct rp_spooldir_report report;
    int fd = begin(NULL);
    CU_ASSERT_EQUAL(count_in(fake_worker_talk(&fake, fd, MESSAGE MESSAGE), "queued"), 2);
    int err = rp_worker_tell(fake.worker, fake_io(), RP_WORKER_DRAIN);
    CU_ASSERT_EQUAL(err, 0);
    fake_worker_settle(&fake);
    CU_ASSERT_EQUAL(count_in(fake_sent_take(fd), "421 4.3.2"), 1);
    CU_ASSERT(!fake.is_over);
    fake_end(fd);
    fake_worker_settle(&fake);
    CU_ASSERT(fake.is_over);
    fake_worker_end(&fake);
    fake_worker_recover(&fake, &report);
    CU_ASSERT_EQUAL(report.messages, 2);
    CU_ASSERT_EQUAL(report.segments_removed, 0); /* what was prepared is gone already */
    CU_ASSERT_EQUAL(report.segments_scanned, 0);
    CU_ASSERT_EQUAL(report.unfinished_batches, 0);
    fake_worker_remove(&fake);
}

/* Drained while a full segment is on its way out and the next one is prepared: both come first. */
static void test_finish_while_retiring(void)
{
    struct rp_spooldir_report report;
    size_t files = temp_dir_open_files();
    int fd = begin(NULL);
    uint64_t total = 0;
    fake.held = 1u << FAKE_PUNCH | 1u << FAKE_CLOSE;
    for (; lane()->retire.step == RP_RETIRE_IDLE; total++) {
        CU_ASSERT_FATAL(total < 8);
        CU_ASSERT_EQUAL(count_in(fake_worker_talk(&fake, fd, fifth_of_segment()), "queued"), 1);
    }
    fake_end(fd);
    CU_ASSERT_EQUAL(rp_worker_tell(fake.worker, fake_io(), RP_WORKER_DRAIN), 0);
    fake_worker_settle(&fake);
    CU_ASSERT(!fake.is_over);
    fake.held = 0;
    fake_worker_settle(&fake);
    CU_ASSERT(fake.is_over && fake.result == 0);
    fake_worker_end(&fake);
    CU_ASSERT_EQUAL(temp_dir_open_files(), files);
    fake_worker_recover(&fake, &report);
    CU_ASSERT_EQUAL(report.messages, total);
    CU_ASSERT_EQUAL(report.segments_scanned, 0); /* both have their index */
    CU_ASSERT_EQUAL(report.segments_removed, 0);
    fake_worker_remove(&fake);
}

/* Drained, and the index cannot be written: the end comes all the same. */
static void test_finish_without_index(void)
{
    struct rp_spooldir_report report;
    int fd = begin(NULL);
    CU_ASSERT_EQUAL(count_in(fake_worker_talk(&fake, fd, MESSAGE), "queued"), 1);
    fake_end(fd);
    fake.held = 1u << FAKE_OPEN;
    CU_ASSERT_EQUAL(rp_worker_tell(fake.worker, fake_io(), RP_WORKER_DRAIN), 0);
    fake_worker_settle(&fake);
    CU_ASSERT(!fake.is_over);
    fake_finish(fake_find_tag(rp_op_tag(RP_OP_RETIRE, 0)), -ENOSPC);
    fake.held = 0;
    fake_worker_settle(&fake);
    CU_ASSERT(fake.is_over && fake.result == 0);
    fake_worker_end(&fake);
    fake_worker_recover(&fake, &report);
    CU_ASSERT_EQUAL(report.messages, 1);
    CU_ASSERT_EQUAL(report.segments_scanned, 1);
    fake_worker_remove(&fake);
}

/* ---- files that somebody removes ---- */

static void remove_segment_file(uint64_t number)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/lane-000/" RP_SPOOL_SEGMENT_FORMAT, fake.path,
                   (unsigned long long)number);
    CU_ASSERT_EQUAL(unlink(path), 0);
}

/* The segment's file goes before its next commit: 451, one error, and on in a new segment. */
static void test_removed_segment(void)
{
    int fd = begin(NULL);
    CU_ASSERT_EQUAL(count_in(fake_worker_talk(&fake, fd, MESSAGE), "queued"), 1);
    struct catch_log log = catch_log_begin();
    remove_segment_file(1);
    const char *sent = fake_worker_talk(&fake, fd, MESSAGE MESSAGE);
    CU_ASSERT_EQUAL(count_in(sent, "queued"), 0);
    CU_ASSERT_EQUAL(count_in(sent, "451 4.3.0"), 2);
    CU_ASSERT_EQUAL(catch_log_end(&log, " error "), 1);
    CU_ASSERT_EQUAL(tail(), 1);
    CU_ASSERT_EQUAL(lane()->segment.number, 2);
    CU_ASSERT_EQUAL(count_in(fake_worker_talk(&fake, fd, MESSAGE), "queued"), 1);
    CU_ASSERT(fake_worker_is_clean(&fake));
    CU_ASSERT_EQUAL(atomic_load(&fake.worker->stats.commit_errors), 1);
    fake_worker_end(&fake);
    struct rp_spooldir_report report;
    fake_worker_recover(&fake, &report);
    CU_ASSERT_EQUAL(report.messages, 1);
    CU_ASSERT_EQUAL(report.missing + report.damaged, 1);
    fake_worker_remove(&fake);
}

/* All files of segments that there are, again and again: never a 250 for what no file has. */
static void test_removed_always(void)
{
    int fd = begin(NULL);
    uint64_t gone = 0;
    for (int round = 0; round < 6; round++) {
        char path[256];
        for (unsigned number = 1; number < 40; number++) {
            (void)snprintf(path, sizeof(path), "%s/lane-000/" RP_SPOOL_SEGMENT_FORMAT, fake.path,
                           (unsigned long long)number);
            (void)unlink(path); /* most are not there */
        }
        gone = tail();
        const char *sent = fake_worker_talk(&fake, fd, MESSAGE);
        CU_ASSERT_EQUAL(count_in(sent, "queued"), 0);
        fake_worker_advance(&fake, RP_SEGMENT_RETRY_NS);
        if (fake_is_closed(fd)) { /* nobody could know: the header that voids was gone, too */
            fd = fake_worker_connect(&fake);
            (void)fake_worker_talk(&fake, fd, HELLO);
        }
        sent = fake_worker_talk(&fake, fd, "RSET\r\n" MESSAGE);
        CU_ASSERT_EQUAL(count_in(sent, "queued"), 1);
        CU_ASSERT_EQUAL(tail(), gone + 1);
        CU_ASSERT(fake_worker_is_clean(&fake));
    }
    fake_worker_end(&fake);
    struct rp_spooldir_report report;
    fake_worker_recover(&fake, &report);
    CU_ASSERT_EQUAL(report.messages, 1);
    fake_worker_remove(&fake);
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"removed segment",          test_removed_segment         },
        {"removed always",           test_removed_always          },
        {"reserved sequence",        test_reserved_sequence       },
        {"skipped",                  test_skipped                 },
        {"index memory",             test_index_memory            },
        {"abandoned while retiring", test_abandoned_while_retiring},
        {"wait for segment",         test_wait_for_segment        },
        {"no segment",               test_no_segment              },
        {"roll over",                test_roll_over               },
        {"finish",                   test_finish                  },
        {"finish while retiring",    test_finish_while_retiring   },
        {"finish without index",     test_finish_without_index    },
    };
    return SUITE_RUN("engine/lane_segments", tests, argc, argv);
}
