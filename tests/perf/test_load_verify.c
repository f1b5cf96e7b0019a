/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_load_verify.c - is every accepted message in the spool, once, byte-exact?
 *
 * Goal: each kind of fault is found and counted as what it is, and nothing else is.
 * Method: spools that the writer library makes of generated messages, with one fault each, or
 * many; the counts, and an example that names the message. The linker puts a function of this file
 * before rp_spool_reader_next: a daemon goes on taking in mail while it is read.
 */
#include "perf/load_mail.h"
#include "perf/load_stamp.h"
#include "perf/load_verify.h"
#include "tests/spool/spool.h"
#include "tests/tools/suite.h"

#define RUN      UINT64_C(0xfeedf00d12345678)
#define SIZE     900u
#define BODY_MAX 950u

static struct test_spool spool;
static struct rp_load_acks *acks;
static struct rp_load_verify_result result;
static char error[512];

/* A message on its way; the test may alter it before it is put. */
struct body {
    uint8_t octets[BODY_MAX];
    size_t len;
};

static struct body make_body(uint64_t run, uint64_t number)
{
    struct rp_load_mail *mail = NULL;
    struct rp_load_mail_message message;
    struct body body = {.len = SIZE};
    struct rp_load_mail_options options = {.run = run, .size_min = SIZE, .size_max = SIZE};
    uint64_t random = 1;
    CU_ASSERT_EQUAL_FATAL(rp_load_mail_open(&options, &mail, error, sizeof(error)), 0);
    rp_load_mail_next(mail, &random, number, &message);
    CU_ASSERT_EQUAL_FATAL(message.body_len, SIZE);
    memcpy(body.octets, message.head, message.head_len);
    memcpy(body.octets + message.head_len, message.rest.ptr, message.rest.len);
    rp_load_mail_close(mail);
    return body;
}

/* One message, one batch. big_id 0: in the log. */
static void put_as(uint32_t lane_number, const struct body *body, uint64_t big_id)
{
    struct test_lane *lane = &spool.lanes[lane_number].lane;
    static uint8_t head[sizeof(struct rp_spool_record) + 64];
    uint8_t *end = head + sizeof(struct rp_spool_record);
    static uint8_t octets[BODY_MAX];
    memcpy(octets, body->octets, body->len);
    struct rp_spool_message message = {.body_len = body->len, .time_ns = 7, .big_id = big_id};
    if (big_id != 0) {
        char name[RP_FORMAT_FILE_NAME];
        rp_format_big_name(lane_number, big_id, name);
        test_write_file(spool.big_fd, name, octets, body->len);
        end = rp_spool_item_put(end, RP_SPOOL_TAG_BIG_ID, &big_id, sizeof(big_id));
    }
    struct rp_spool_hash hash;
    rp_spool_hash_init(&hash);
    rp_spool_hash_add(&hash, octets, body->len);
    message.body_hash = rp_spool_hash_get(&hash);
    struct iovec head_iov = {.iov_base = head, .iov_len = (size_t)(end - head)};
    struct iovec body_iov = {.iov_base = octets, .iov_len = body->len};
    message.head = &head_iov;
    message.head_count = 1;
    message.body = &body_iov;
    message.body_count = big_id == 0 && body->len > 0;
    if (lane->writer.segment == 0) {
        test_spool_open_segment(&spool, lane_number);
    }
    struct rp_spool_id id;
    rp_spool_batch_begin(&lane->batch, &lane->writer);
    CU_ASSERT_EQUAL_FATAL(rp_spool_batch_append(&lane->batch, &message, &id), 0);
    rp_spool_batch_seal(&lane->batch);
    test_write(lane, lane->batch.len);
    (void)rp_spool_batch_commit(&lane->batch); /* nobody waits */
}

static void put(const struct body *body)
{
    put_as(0, body, 0);
}

static void put_number(uint64_t number)
{
    struct body body = make_body(RUN, number);
    put(&body);
}

static void put_text(const char *text)
{
    struct body body = {.len = strlen(text)};
    memcpy(body.octets, text, body.len);
    put(&body);
}

static void accept_number(uint64_t number)
{
    CU_ASSERT_EQUAL_FATAL(rp_load_acks_add(acks, number), 0);
}

static void begin(void)
{
    test_spool_make(&spool, NULL, 2, false);
    CU_ASSERT_EQUAL_FATAL(rp_load_acks_open(&acks), 0);
}

static void verify(void)
{
    test_spool_close_segment(&spool, 0);
    test_spool_close_segment(&spool, 1);
    memset(&result, 0xff, sizeof(result));
    error[0] = '\0';
    CU_ASSERT_EQUAL(rp_load_verify(spool.path, RUN, acks, &result, error, sizeof(error)), 0);
    CU_ASSERT_STRING_EQUAL(error, "");
}

static void end(void)
{
    rp_load_acks_close(acks);
    test_spool_free(&spool);
}

/* Zero where a test does not say else. */
static void check_result(const struct rp_load_verify_result *wanted)
{
    CU_ASSERT_EQUAL(result.accepted, wanted->accepted);
    CU_ASSERT_EQUAL(result.found, wanted->found);
    CU_ASSERT_EQUAL(result.lost, wanted->lost);
    CU_ASSERT_EQUAL(result.duplicated, wanted->duplicated);
    CU_ASSERT_EQUAL(result.corrupted, wanted->corrupted);
    CU_ASSERT_EQUAL(result.damaged, wanted->damaged);
    CU_ASSERT_EQUAL(result.unaccepted, wanted->unaccepted);
    CU_ASSERT_EQUAL(result.foreign, wanted->foreign);
    bool is_fine = wanted->lost + wanted->duplicated + wanted->corrupted + wanted->damaged == 0;
    CU_ASSERT_EQUAL(rp_load_verify_is_fine(&result), is_fine);
    CU_ASSERT_EQUAL(result.example_count > 0, !is_fine);
}

static void check_example(uint32_t index, const char *text)
{
    CU_ASSERT_FATAL(index < result.example_count);
    CU_ASSERT_PTR_NOT_NULL(strstr(result.examples[index], text));
    if (strstr(result.examples[index], text) == NULL) {
        printf("expected \"%s\" in \"%s\"\n", text, result.examples[index]);
    }
}

/* In the log of both lanes, and as a file. */
static void test_fine(void)
{
    begin();
    for (uint64_t number = 0; number < 12; number++) {
        struct body body = make_body(RUN, number);
        put_as((uint32_t)(number % 2), &body, number % 3 == 0 ? number + 1 : 0);
        accept_number(number);
    }
    put_number(99);
    put_text("");
    put_text("Subject: hello\r\n\r\n");
    struct body other = make_body(RUN + 1, 3);
    put(&other);
    verify();
    check_result(&(struct rp_load_verify_result){
        .accepted = 12, .found = 12, .unaccepted = 1, .foreign = 3});
    end();
}

static void test_empty(void)
{
    begin();
    verify();
    check_result(&(struct rp_load_verify_result){0});
    accept_number(RP_LOAD_ACKS_NUMBER_MAX);
    verify();
    check_result(&(struct rp_load_verify_result){.accepted = 1, .lost = 1});
    check_example(0, "lost: message 1099511627775");
    end();
}

static void test_lost(void)
{
    begin();
    for (uint64_t number = 0; number < 20; number++) {
        accept_number(number);
        if (number != 7) {
            put_number(number);
        }
    }
    verify();
    check_result(&(struct rp_load_verify_result){.accepted = 20, .found = 19, .lost = 1});
    CU_ASSERT_EQUAL(result.example_count, 1);
    CU_ASSERT_STRING_EQUAL(result.examples[0], "lost: message 7");
    end();
}

static void test_twice(void)
{
    begin();
    accept_number(1);
    put_number(1);
    put_number(1);
    put_number(1);
    put_number(2);
    put_number(2);
    verify();
    check_result(&(struct rp_load_verify_result){
        .accepted = 1, .found = 1, .duplicated = 2, .unaccepted = 1});
    check_example(0, "duplicated: message 1, again as 000-");
    check_example(1, "duplicated: message 2, again as 000-");
    end();
}

static void test_altered(void)
{
    begin();
    struct body body = make_body(RUN, 1);
    body.octets[SIZE - 10] ^= 0x20;
    put(&body);
    body = make_body(RUN, 2);
    body.octets[RP_LOAD_STAMP_LEN + 3] ^= 0x20; /* in the head, behind the stamp */
    put(&body);
    body = make_body(RUN, 3);
    body.len -= 2;
    put(&body);
    body = make_body(RUN, 4);
    memcpy(body.octets + body.len, "\r\n", 2);
    body.len += 2;
    put(&body);
    for (uint64_t number = 1; number <= 4; number++) {
        accept_number(number);
    }
    verify();
    check_result(&(struct rp_load_verify_result){.accepted = 4, .corrupted = 4});
    check_example(0, ", message 1: its text is altered");
    check_example(1, ", message 2: its first lines are altered");
    check_example(2, ", message 3: it is shorter or longer");
    check_example(3, ", message 4: it is shorter or longer");
    end();
}

/* Its number cannot be told, so it is lost too; without a trace of the run it is only lost. */
static void test_unknown_number(void)
{
    begin();
    struct body body = make_body(RUN, 1);
    body.octets[40] = 'x'; /* a digit of the number */
    put(&body);
    body = make_body(RUN, 2);
    body.octets[0] = 'x';
    body.octets[66] = 'x';
    put(&body);
    body = make_body(RUN, 3);
    body.len = 10;
    put(&body);
    for (uint64_t number = 1; number <= 3; number++) {
        accept_number(number);
    }
    verify();
    check_result(
        &(struct rp_load_verify_result){.accepted = 3, .lost = 3, .corrupted = 1, .foreign = 2});
    check_example(0, "its first lines are altered");
    CU_ASSERT_PTR_NULL(strstr(result.examples[0], "message"));
    check_example(1, "lost: message 1");
    end();
}

/* A whole copy beside an altered one: found, and there twice. */
static void test_altered_copy(void)
{
    begin();
    struct body body = make_body(RUN, 5);
    accept_number(5);
    put(&body);
    body.octets[SIZE - 1] ^= 1;
    put(&body);
    body = make_body(RUN, UINT64_C(1) << 41); /* no run sends as many */
    put(&body);
    verify();
    check_result(&(struct rp_load_verify_result){
        .accepted = 1, .found = 1, .duplicated = 1, .corrupted = 2});
    end();
}

/* What the spool's own checksums find is not handed out. */
static void test_damaged(void)
{
    begin();
    for (uint64_t number = 0; number < 3; number++) {
        struct body body = make_body(RUN, number);
        put_as(0, &body, number == 2 ? 9 : 0);
        accept_number(number);
    }
    /* An octet of the body of message 1. */
    uint8_t *segment = spool.lanes[0].lane.segment;
    uint8_t *place = memmem(segment, RP_SPOOL_SEGMENT_MIN, ".0000000000000001@", 18);
    test_must(place != NULL, "memmem");
    place[16] = '2';
    char name[RP_FORMAT_FILE_NAME];
    rp_format_big_name(0, 9, name);
    CU_ASSERT_EQUAL(unlinkat(spool.big_fd, name, 0), 0);
    verify();
    check_result(
        &(struct rp_load_verify_result){.accepted = 3, .found = 1, .lost = 2, .damaged = 2});
    check_example(0, "the spool's checksum does not match");
    check_example(1, "its file in big/ is missing");
    end();
}

static void test_many_faults(void)
{
    begin();
    for (uint64_t number = 0; number < 1000; number++) {
        accept_number(number * 1000);
    }
    verify();
    check_result(&(struct rp_load_verify_result){.accepted = 1000, .lost = 1000});
    CU_ASSERT_EQUAL(result.example_count, RP_LOAD_VERIFY_EXAMPLES);
    check_example(RP_LOAD_VERIFY_EXAMPLES - 1, "lost: message 7000");
    end();
}

/* How many messages are still to land; one before each call. */
static unsigned to_land;

/* The names that ld's --wrap makes. */
int real_next(struct rp_spool_reader *reader,
              struct rp_spool_cursor *cursor,
              struct rp_spool_entry *entry_out) __asm__("__real_rp_spool_reader_next");
int wrapped_next(struct rp_spool_reader *reader,
                 struct rp_spool_cursor *cursor,
                 struct rp_spool_entry *entry_out) __asm__("__wrap_rp_spool_reader_next");

int wrapped_next(struct rp_spool_reader *reader,
                 struct rp_spool_cursor *cursor,
                 struct rp_spool_entry *entry_out)
{
    if (to_land > 0) {
        struct body body = make_body(RUN + 1, to_land--);
        put_as(to_land % 2, &body, 0);
    }
    return real_next(reader, cursor, entry_out);
}

/* Others may send mail for ever: it ends at what was there when it began. */
static void test_landing(void)
{
    test_spool_make(&spool, NULL, 2, true);
    CU_ASSERT_EQUAL_FATAL(rp_load_acks_open(&acks), 0);
    for (uint64_t number = 0; number < 10; number++) {
        struct body body = make_body(RUN, number);
        put_as(0, &body, 0);
        accept_number(number);
    }
    to_land = 1000;
    CU_ASSERT_EQUAL(rp_load_verify(spool.path, RUN, acks, &result, error, sizeof(error)), 0);
    CU_ASSERT_TRUE(to_land > 900);
    to_land = 0;
    check_result(&(struct rp_load_verify_result){.accepted = 10, .found = 10});
    end();
}

static void test_no_spool(void)
{
    begin();
    struct rp_load_verify_result untouched = {.lost = 3};
    CU_ASSERT_EQUAL(rp_load_verify("/nonexistent", RUN, acks, &untouched, error, sizeof(error)),
                    -ENOENT);
    CU_ASSERT_STRING_EQUAL(error, "cannot verify /nonexistent: No such file or directory");
    CU_ASSERT_NOT_EQUAL(rp_load_verify("/proc", RUN, acks, &untouched, error, sizeof(error)), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "cannot verify /proc: "));
    CU_ASSERT_NOT_EQUAL(rp_load_verify("/dev/null", RUN, acks, &untouched, error, sizeof(error)),
                        0);
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "it is no spool"));
    CU_ASSERT_EQUAL(untouched.lost, 3);
    end();
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"fine",           test_fine          },
        {"empty",          test_empty         },
        {"lost",           test_lost          },
        {"twice",          test_twice         },
        {"altered",        test_altered       },
        {"unknown number", test_unknown_number},
        {"altered copy",   test_altered_copy  },
        {"damaged",        test_damaged       },
        {"many faults",    test_many_faults   },
        {"landing",        test_landing       },
        {"no spool",       test_no_spool      },
    };
    return SUITE_RUN("perf/load_verify", tests, argc, argv);
}
