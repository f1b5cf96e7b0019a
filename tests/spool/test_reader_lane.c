/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_reader_lane.c - which entries of a lane may be seen, step by step as the writer stores.
 *
 * What waits until a file is at rest is tried at either side of each limit: the clock is ours.
 */
#include "spool.h"
#include "spool/reader_lane.h"

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>
#include <sys/syscall.h>
#include <time.h>

static struct test_spool spool;
static struct rp_reader_spool shared;
static struct rp_reader_lane lane;
static struct rp_spool_id id;
static const struct test_message message = {.number = 2, .body_len = 30, .time_ns = 4};

static struct timespec now; /* if not 0 */

int clock_gettime(clockid_t clock, struct timespec *out)
{
    if (clock == CLOCK_REALTIME && now.tv_sec != 0) {
        *out = now;
        return 0;
    }
    return (int)syscall(SYS_clock_gettime, clock, out);
}

/* Lane 0's segment 1 was written `age_ns` ago. */
static void set_age(int64_t age_ns)
{
    const int64_t written_ns = 1700000000ll * 1000000000;
    const struct timespec written[2] = {
        {.tv_sec = written_ns / 1000000000},
        {.tv_sec = written_ns / 1000000000},
    };
    const char *name = "0000000000000001.seg";
    test_must(utimensat(spool.lanes[0].fd, name, written, 0) == 0, name);
    now.tv_sec = (written_ns + age_ns) / 1000000000;
    now.tv_nsec = (written_ns + age_ns) % 1000000000;
}

static void begin(bool is_live)
{
    now.tv_sec = 0;
    test_spool_make(&spool, NULL, 1, is_live);
    shared = (struct rp_reader_spool){
        .fd = spool.fd,
        .big_fd = spool.big_fd,
        .meta_fd = openat(spool.fd, RP_SPOOL_META_NAME, O_RDONLY | O_CLOEXEC),
        .doorbell = spool.bell,
        .is_live = is_live,
    };
    test_must(shared.meta_fd >= 0, RP_SPOOL_META_NAME);
    test_must(rp_reader_file_boot_id(shared.boot_id) == 0, "boot_id");
    memcpy(shared.meta.identity, spool.identity, sizeof shared.meta.identity);
    rp_reader_lane_init(&lane, 0);
}

static void end(void)
{
    rp_reader_lane_close(&lane);
    rp_reader_lane_close(&lane); /* again: nothing */
    (void)close(shared.meta_fd);
    test_spool_free(&spool);
}

static uint64_t count_now(bool *is_settled)
{
    struct rp_reader_lane_entries entries = {0};
    CU_ASSERT_EQUAL(rp_reader_lane_get(&lane, &shared, &entries), 0);
    *is_settled = entries.is_settled;
    return entries.count;
}

static void test_steps(void)
{
    begin(true);
    bool is_settled;
    CU_ASSERT_EQUAL(rp_reader_lane_refresh(&lane, &shared), 0);
    CU_ASSERT_EQUAL(lane.count, 0);
    test_spool_prepare(&spool, 0);
    CU_ASSERT_EQUAL(rp_reader_lane_refresh(&lane, &shared), 0);
    CU_ASSERT_EQUAL(lane.count, 1);
    CU_ASSERT_EQUAL(rp_reader_lane_load(&lane, &shared, 0), -EAGAIN);

    struct test_lane *writing = &spool.lanes[0].lane;
    rp_spool_writer_open_segment(&writing->writer, 1, RP_SPOOL_SEGMENT_MIN, writing->index);
    CU_ASSERT_EQUAL(rp_reader_lane_load(&lane, &shared, 0), -EAGAIN);

    test_spool_write(&spool, 0, &message, 1, UINT64_MAX);
    CU_ASSERT_EQUAL(rp_reader_lane_load(&lane, &shared, 0), 0);
    CU_ASSERT_EQUAL(lane.kind, RP_READER_LANE_LIVE);
    CU_ASSERT_EQUAL(count_now(&is_settled), 0);
    CU_ASSERT_FALSE(is_settled);
    (void)rp_spool_batch_commit(&writing->batch);
    CU_ASSERT_EQUAL(count_now(&is_settled), 1);
    CU_ASSERT_EQUAL(rp_reader_lane_tail(&lane, &shared), 1);

    /* It is full, and the next one has nothing yet: not even its first batch's header. */
    test_spool_close_segment(&spool, 0);
    CU_ASSERT_EQUAL(count_now(&is_settled), 1);
    CU_ASSERT_FALSE(is_settled);
    test_spool_open_segment(&spool, 0);
    CU_ASSERT_EQUAL(count_now(&is_settled), 1);
    CU_ASSERT_FALSE(is_settled);
    test_spool_put(&spool, 0, &message, 1, &id);
    CU_ASSERT_EQUAL(count_now(&is_settled), 1);
    CU_ASSERT_TRUE(is_settled);

    spool.bell->generation++;
    struct rp_reader_lane_entries entries;
    CU_ASSERT_EQUAL(rp_reader_lane_get(&lane, &shared, &entries), -ESTALE);
    shared.generation++;
    CU_ASSERT_EQUAL(rp_reader_lane_refresh(&lane, &shared), 0);
    CU_ASSERT_EQUAL(lane.count, 2);
    CU_ASSERT_EQUAL(rp_reader_lane_load(&lane, &shared, 0), 0);
    CU_ASSERT_EQUAL(lane.kind, RP_READER_LANE_SETTLED);
    CU_ASSERT_EQUAL(count_now(&is_settled), 1);
    CU_ASSERT_TRUE(is_settled);
    CU_ASSERT_EQUAL(rp_reader_lane_load(&lane, &shared, 1), 0);
    CU_ASSERT_EQUAL(lane.kind, RP_READER_LANE_LIVE);
    CU_ASSERT_EQUAL(count_now(&is_settled), 1);
    CU_ASSERT_FALSE(is_settled);
    end();
}

/* A batch fails; the next segment's header says where this one ends. */
static void test_abandoned(void)
{
    begin(true);
    bool is_settled;
    test_spool_put(&spool, 0, &message, 1, &id);
    CU_ASSERT_EQUAL(rp_reader_lane_refresh(&lane, &shared), 0);
    CU_ASSERT_EQUAL(rp_reader_lane_load(&lane, &shared, 0), 0);
    test_spool_abandon(&spool, 0, &message, 1, UINT64_MAX);
    CU_ASSERT_EQUAL(count_now(&is_settled), 1);
    test_spool_put_header(&spool, 0);
    CU_ASSERT_EQUAL(count_now(&is_settled), 1);
    CU_ASSERT_TRUE(is_settled);
    test_spool_put(&spool, 0, &message, 1, &id);
    CU_ASSERT_EQUAL(count_now(&is_settled), 1);
    CU_ASSERT_EQUAL(rp_reader_lane_refresh(&lane, &shared), 0);
    CU_ASSERT_EQUAL(rp_reader_lane_load(&lane, &shared, 0), 0);
    CU_ASSERT_EQUAL(count_now(&is_settled), 1);
    CU_ASSERT_TRUE(is_settled);
    end();
}

/* Each thing that makes a doorbell count, and what a tail proves where it does not. */
static void test_is_live(void)
{
    begin(true);
    test_spool_put(&spool, 0, &message, 1, &id);
    CU_ASSERT_EQUAL(rp_reader_lane_refresh(&lane, &shared), 0);
    CU_ASSERT_TRUE(rp_reader_lane_spool_is_live(&shared));
    struct rp_survey_lane survey = rp_reader_lane_survey(&lane, &shared);
    CU_ASSERT_EQUAL(survey.limit, 1);
    CU_ASSERT_EQUAL(survey.proven, 1);
    uint8_t *const octets[] = {(uint8_t *)&spool.bell->magic, (uint8_t *)&spool.bell->version,
                               spool.bell->boot_id + 15, spool.bell->identity + 15};
    for (size_t i = 0; i < sizeof octets / sizeof octets[0]; i++) {
        *octets[i] ^= 1;
        CU_ASSERT_FALSE(rp_reader_lane_spool_is_live(&shared));
        shared.is_live = false;
        survey = rp_reader_lane_survey(&lane, &shared);
        CU_ASSERT_EQUAL(survey.limit, RP_FORMAT_SEQUENCE_NONE);
        CU_ASSERT_EQUAL(survey.proven, i == 2 ? 1 : 0); /* of another boot: it was there */
        CU_ASSERT_EQUAL(rp_reader_lane_tail(&lane, &shared), 0);
        shared.is_live = true;
        *octets[i] ^= 1;
    }
    test_unlock(&spool);
    CU_ASSERT_FALSE(rp_reader_lane_spool_is_live(&shared));
    shared.is_live = false;
    survey = rp_reader_lane_survey(&lane, &shared);
    CU_ASSERT_EQUAL(survey.proven, 1);
    spool.bell->lanes[0].tail++; /* its check is of another tail: torn */
    survey = rp_reader_lane_survey(&lane, &shared);
    CU_ASSERT_EQUAL(survey.proven, 0);
    CU_ASSERT_EQUAL(survey.limit, RP_FORMAT_SEQUENCE_NONE);
    end();
}

/* A tail that says less than is there, and one that says more. */
static void test_bounds(void)
{
    begin(true);
    bool is_settled;
    test_spool_put(&spool, 0, &message, 1, &id);
    spool.bell->lanes[0].tail = 1u << 30;
    CU_ASSERT_EQUAL(rp_reader_lane_refresh(&lane, &shared), 0);
    CU_ASSERT_EQUAL(rp_reader_lane_load(&lane, &shared, 0), 0);
    CU_ASSERT_EQUAL(count_now(&is_settled), 1);
    spool.bell->lanes[0].tail = 0;
    CU_ASSERT_EQUAL(rp_reader_lane_refresh(&lane, &shared), 0);
    CU_ASSERT_EQUAL(rp_reader_lane_load(&lane, &shared, 0), 0);
    CU_ASSERT_EQUAL(count_now(&is_settled), 0);
    spool.bell->lanes[0].segment = 0;
    CU_ASSERT_EQUAL(rp_reader_lane_refresh(&lane, &shared), 0);
    CU_ASSERT_EQUAL(rp_reader_lane_load(&lane, &shared, 0), -EAGAIN);
    end();
}

/* A whole message, then three in a batch that has lost its END; the second of them is lost, too. */
static void begin_unfinished(bool is_lost)
{
    begin(false);
    struct test_message messages[3] = {
        {.number = 1,      .body_len = 200},
        {.number = 2,                .body_len = 200},
        {.number = 3},
    };
    messages[2].body_len = test_body_len_to_sector(messages, 3);
    test_spool_put(&spool, 0, &message, 1, &id);
    test_spool_write(&spool, 0, messages, 3, UINT64_MAX);
    struct test_lane *writing = &spool.lanes[0].lane;
    memset(writing->segment + writing->batch.begin_off + writing->batch.begin.len - 64, 0, 64);
    writing->segment[test_entry(writing->index, 2).offset] ^= is_lost;
}

static uint64_t load_and_count(bool *is_settled)
{
    CU_ASSERT_EQUAL(rp_reader_lane_refresh(&lane, &shared), 0);
    CU_ASSERT_EQUAL(rp_reader_lane_load(&lane, &shared, 0), 0);
    return count_now(is_settled);
}

/* No daemon: what is behind the first gap of an unfinished batch waits while somebody may write. */
static void test_unfinished(void)
{
    bool is_settled;
    begin_unfinished(false);
    set_age(0);
    CU_ASSERT_EQUAL(load_and_count(&is_settled), 4); /* all of them are whole */
    CU_ASSERT_FALSE(is_settled);
    CU_ASSERT_FALSE(rp_reader_lane_is_ripe(&lane));
    end();
    begin_unfinished(true);
    set_age(0);
    shared.is_following = true;
    CU_ASSERT_EQUAL(load_and_count(&is_settled), 2);
    CU_ASSERT_FALSE(is_settled);
    /* The next segment is there: it is as it is. */
    spool.lanes[0].lane.writer.sequence = 4;
    test_spool_crash_segment(&spool, 0);
    test_spool_put(&spool, 0, &message, 1, &id);
    CU_ASSERT_EQUAL(load_and_count(&is_settled), 4);
    CU_ASSERT_TRUE(is_settled);
    CU_ASSERT_EQUAL(lane.settled.entries[2].flags, RP_SPOOL_INDEX_DAMAGED);
    end();
}

/* It waits as long as the file has changed within a second, by whichever clock. */
static void test_at_rest(void)
{
    static const struct {
        int64_t age_ns;
        bool is_held;
    } rows[] = {
        {0,           true },
        {999999999,   true },
        {1000000000,  false},
        {5000000000,  false},
        {-999999999,  true },
        {-1000000000, false},
        {-5000000000, false}, /* the other machine's clock is wrong: it says nothing */
    };
    bool is_settled;
    begin_unfinished(true);
    set_age(0);
    CU_ASSERT_EQUAL(load_and_count(&is_settled), 4); /* who does not follow does not wait */
    shared.is_following = true;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        set_age(rows[i].age_ns);
        CU_ASSERT_EQUAL(load_and_count(&is_settled), rows[i].is_held ? 2 : 4);
        CU_ASSERT_FALSE(is_settled);
        CU_ASSERT_EQUAL(lane.settled.entries[2].flags, RP_SPOOL_INDEX_UNFINISHED);
        CU_ASSERT_FALSE(rp_reader_lane_is_ripe(&lane));
        /* Time goes on: what is held becomes ripe, and then is there. */
        set_age(2000000000);
        CU_ASSERT_EQUAL(rp_reader_lane_is_ripe(&lane), rows[i].is_held);
        CU_ASSERT_EQUAL(count_now(&is_settled), 4);
        CU_ASSERT_FALSE(rp_reader_lane_is_ripe(&lane));
    }
    end();
}

static void test_find(void)
{
    static uint64_t numbers[] = {2, 3, 7};
    lane.numbers = numbers;
    lane.count = 3;
    static const size_t expected[] = {0, 0, 0, 1, 2, 2, 2, 2, 3};
    for (uint64_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        CU_ASSERT_EQUAL(rp_reader_lane_find(&lane, i), expected[i]);
    }
    lane.numbers = NULL;
    lane.count = 0;
    CU_ASSERT_EQUAL(rp_reader_lane_find(&lane, 1), 0);
}

static void test_no_directory(void)
{
    begin(false);
    rp_reader_lane_init(&lane, 3);
    CU_ASSERT_EQUAL(rp_reader_lane_refresh(&lane, &shared), 0);
    CU_ASSERT_EQUAL(lane.count, 0);
    test_write_file(spool.fd, "lane-003", "", 0);
    CU_ASSERT_EQUAL(rp_reader_lane_refresh(&lane, &shared), 0);
    CU_ASSERT_EQUAL(lane.count, 0);
    rp_reader_lane_init(&lane, 0);
    test_must(mkdirat(spool.lanes[0].fd, "0000000000000001.seg", 0700) == 0, "mkdir");
    CU_ASSERT_EQUAL(rp_reader_lane_refresh(&lane, &shared), 0);
    CU_ASSERT_EQUAL(rp_reader_lane_load(&lane, &shared, 0), -ENOENT);
    int fd;
    CU_ASSERT_EQUAL(rp_reader_lane_open_file(&lane, 1, &fd), -ENOENT);
    CU_ASSERT_EQUAL(rp_reader_lane_open_file(&lane, 2, &fd), -ENOENT);
    end();
}

int main(void)
{
    if (CU_initialize_registry() != CUE_SUCCESS) {
        return 1;
    }
    CU_pSuite suite = CU_add_suite("reader_lane", NULL, NULL);
    CU_ADD_TEST(suite, test_steps);
    CU_ADD_TEST(suite, test_abandoned);
    CU_ADD_TEST(suite, test_is_live);
    CU_ADD_TEST(suite, test_bounds);
    CU_ADD_TEST(suite, test_unfinished);
    CU_ADD_TEST(suite, test_at_rest);
    CU_ADD_TEST(suite, test_find);
    CU_ADD_TEST(suite, test_no_directory);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    unsigned run = CU_get_number_of_tests_run();
    CU_cleanup_registry();
    return failures == 0 && run == 8 ? 0 : 1;
}
