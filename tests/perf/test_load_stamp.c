/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_load_stamp.c - the first lines of a message say what it must be.
 *
 * Goal: a message as it was sent is fine, and no change of it goes unseen.
 * Method: the text of one stamp against printf's; hashes of all tails against each other; then a
 * message whose every octet is altered in turn, which is cut at every place, which grows, to which
 * something was put in front. Inputs end at a guard page.
 */
#include "perf/load_stamp.h"
#include "tests/proto/guard.h"
#include "tests/tools/suite.h"

#include <stdbool.h>

#define RUN       UINT64_C(0x0123456789abcdef)
#define OTHER_RUN UINT64_C(0xfedcba9876543210)
#define NUMBER    UINT64_C(0xa0b1c2)

static const char more[] = "Subject: x\r\n\r\n";
#define MORE_LEN (sizeof(more) - 1)
#define HEAD_LEN (RP_LOAD_STAMP_LEN + MORE_LEN)
#define REST_LEN 3000u
#define LEN      (HEAD_LEN + REST_LEN)

static struct guard guard;
static uint8_t message[LEN + RP_LOAD_STAMP_SEARCH + 100]; /* room to grow */

static void make_message(uint64_t run, uint64_t number)
{
    uint64_t random = suite_seed;
    uint8_t *rest = message + HEAD_LEN;
    for (size_t index = 0; index < REST_LEN; index++) {
        rest[index] = (uint8_t)(' ' + suite_random_below(&random, 90));
    }
    memcpy(message + RP_LOAD_STAMP_LEN, more, MORE_LEN);
    struct rp_load_stamp stamp = {
        .run = run,
        .number = number,
        .length = LEN,
        .head_len = HEAD_LEN,
        .rest_hash = rp_load_stamp_hash(rest, REST_LEN),
    };
    rp_load_stamp_write((char *)message, &stamp, rp_load_stamp_seed(more, MORE_LEN));
}

static enum rp_load_stamp_outcome check(const uint8_t *body, size_t len, uint64_t *number_out)
{
    return rp_load_stamp_check(guard_copy(&guard, body, len), len, RUN, number_out);
}

static void test_text(void)
{
    char text[RP_LOAD_STAMP_LEN + 1];
    make_message(RUN, NUMBER);
    int len = snprintf(text, sizeof(text),
                       "Message-ID: <%016" PRIx64 ".%016" PRIx64 "@ringpost.invalid>\r\n"
                       "X-Ringpost-Load: 1 %016" PRIx64 " %016" PRIx64 "\r\n"
                       " %016zx %08zx %016" PRIx64 " ",
                       RUN, NUMBER, RUN, NUMBER, LEN, HEAD_LEN,
                       rp_load_stamp_hash(message + HEAD_LEN, REST_LEN));
    CU_ASSERT_EQUAL_FATAL((size_t)len, RP_LOAD_STAMP_LEN - 18);
    CU_ASSERT_EQUAL(memcmp(message, text, (size_t)len), 0);
    CU_ASSERT_EQUAL(memcmp(message + RP_LOAD_STAMP_LEN - 2, "\r\n", 2), 0);
}

static void test_numbers(void)
{
    static const uint64_t numbers[] = {0, 9, 10, 15, 16, 0x99aaff00, UINT64_MAX - 1};
    for (size_t index = 0; index < sizeof(numbers) / sizeof(numbers[0]); index++) {
        uint64_t number = 1;
        make_message(RUN, numbers[index]);
        CU_ASSERT_EQUAL(check(message, LEN, &number), RP_LOAD_STAMP_FINE);
        CU_ASSERT_EQUAL(number, numbers[index]);
    }
}

/* Each tail's hash is one block put before another tail's. */
static void test_tails(void)
{
    make_message(RUN, NUMBER);
    const uint8_t *end = message + LEN;
    CU_ASSERT_EQUAL(rp_load_stamp_hash(end, 0), 0);
    for (size_t len = 1; len <= LEN; len++) {
        size_t front = len % RP_LOAD_STAMP_BLOCK;
        size_t step = front == 0 ? RP_LOAD_STAMP_BLOCK : front;
        uint64_t behind = rp_load_stamp_hash(end - (len - step), len - step);
        uint64_t hash = rp_load_stamp_hash(guard_copy(&guard, end - len, len), len);
        CU_ASSERT_EQUAL_FATAL(hash, rp_load_stamp_hash_block(end - len, step, behind));
        CU_ASSERT_NOT_EQUAL_FATAL(hash, rp_load_stamp_hash(end - len + 1, len - 1));
    }
}

static void test_other_run(void)
{
    uint64_t number = 0;
    make_message(OTHER_RUN, NUMBER);
    CU_ASSERT_EQUAL(check(message, LEN, &number), RP_LOAD_STAMP_OTHER_RUN);
    message[LEN - 1] ^= 1;
    CU_ASSERT_EQUAL(check(message, LEN, &number), RP_LOAD_STAMP_OTHER_RUN);
    message[0] ^= 1;
    CU_ASSERT_EQUAL(check(message, LEN, &number), RP_LOAD_STAMP_FOREIGN);
}

static void test_foreign(void)
{
    static const char *const rows[] = {
        "",
        "\r\n",
        "Message-ID: <",
        "Message-ID: <0123456789abcde",
        "Message-ID: <0123456789abcdee.0000000000000001@ringpost.invalid>\r\n",
        "X-Ringpost-Load: 1 ",
        "X-Ringpost-Load: 2 0123456789abcdef 0000000000000001\r\n",
        "X-Ringpost-Load: 1 0123456789ABCDEF 0000000000000001\r\n",
        "From: a@example.org\r\n\r\ntext\r\n",
    };
    for (size_t index = 0; index < sizeof(rows) / sizeof(rows[0]); index++) {
        uint64_t number = 0;
        CU_ASSERT_EQUAL(check((const uint8_t *)rows[index], strlen(rows[index]), &number),
                        RP_LOAD_STAMP_FOREIGN);
        CU_ASSERT_EQUAL(number, RP_LOAD_STAMP_NONE);
    }
}

/* One altered octet, whichever it is: never fine, never foreign, and no wrong number. */
static void test_altered(void)
{
    make_message(RUN, NUMBER);
    size_t unknown = 0;
    for (size_t at = 0; at < LEN; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            uint64_t number = 0;
            message[at] ^= (uint8_t)(1u << bit);
            enum rp_load_stamp_outcome outcome = check(message, LEN, &number);
            message[at] ^= (uint8_t)(1u << bit);
            CU_ASSERT_EQUAL_FATAL(outcome, at < HEAD_LEN ? RP_LOAD_STAMP_DAMAGED_HEAD
                                                         : RP_LOAD_STAMP_WRONG_HASH);
            CU_ASSERT_FATAL(number == NUMBER || number == RP_LOAD_STAMP_NONE);
            unknown += number == RP_LOAD_STAMP_NONE;
        }
    }
    /* Four values, and the texts that say where they begin. */
    CU_ASSERT_EQUAL(unknown, (strlen("Message-ID: <") + strlen("X-Ringpost-Load: 1 ") + 64) * 8);
}

static void test_cut(void)
{
    make_message(RUN, NUMBER);
    const size_t id_len = strlen("Message-ID: <0123456789abcdef");
    for (size_t len = 0; len < LEN; len++) {
        uint64_t number = 0;
        enum rp_load_stamp_outcome outcome = check(message, len, &number);
        CU_ASSERT_EQUAL_FATAL(outcome, len < id_len     ? RP_LOAD_STAMP_FOREIGN
                                       : len < HEAD_LEN ? RP_LOAD_STAMP_DAMAGED_HEAD
                                                        : RP_LOAD_STAMP_WRONG_LENGTH);
        CU_ASSERT_FATAL(number == NUMBER || (number == RP_LOAD_STAMP_NONE && len < HEAD_LEN));
    }
}

static void test_grown(void)
{
    uint64_t number = 0;
    make_message(RUN, NUMBER);
    message[LEN] = '\n';
    CU_ASSERT_EQUAL(check(message, LEN + 1, &number), RP_LOAD_STAMP_WRONG_LENGTH);
    CU_ASSERT_EQUAL(number, NUMBER);
    /* Something in front, up to where it is looked for. */
    for (size_t before = 1; before <= RP_LOAD_STAMP_SEARCH; before++) {
        make_message(RUN, NUMBER);
        memmove(message + before, message, LEN);
        memset(message, 'x', before);
        enum rp_load_stamp_outcome outcome = check(message, before + LEN, &number);
        size_t field_end = before + strlen("Message-ID: <0123456789abcdef");
        CU_ASSERT_EQUAL_FATAL(outcome, field_end <= RP_LOAD_STAMP_SEARCH
                                           ? RP_LOAD_STAMP_DAMAGED_HEAD
                                           : RP_LOAD_STAMP_FOREIGN);
        CU_ASSERT_FATAL(number == NUMBER || before + 118 > RP_LOAD_STAMP_SEARCH);
    }
}

/* Digits that are none, lengths that are beyond the message. */
static void test_bad_fields(void)
{
    static const struct {
        size_t at;
        const char *text;
    } rows[] = {
        {138, "ffffffff"        }, /* HEAD */
        {138, "00000000"        },
        {138, "000000b5"        },
        {121, "ffffffffffffffff"},
        {121, "0000000000000000"},
        {147, "000000000000000g"},
        {164, "0000000000000000"},
        {102, "-"               },
        {85,  "A"               },
    };
    for (size_t index = 0; index < sizeof(rows) / sizeof(rows[0]); index++) {
        uint64_t number = 0;
        make_message(RUN, NUMBER);
        memcpy(message + rows[index].at, rows[index].text, strlen(rows[index].text));
        CU_ASSERT_EQUAL(check(message, LEN, &number), RP_LOAD_STAMP_DAMAGED_HEAD);
    }
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"text",       test_text      },
        {"numbers",    test_numbers   },
        {"tails",      test_tails     },
        {"other run",  test_other_run },
        {"foreign",    test_foreign   },
        {"altered",    test_altered   },
        {"cut",        test_cut       },
        {"grown",      test_grown     },
        {"bad fields", test_bad_fields},
    };
    guard_open(&guard, sizeof(message));
    int status = SUITE_RUN("perf/load_stamp", tests, argc, argv);
    guard_close(&guard);
    return status;
}
