/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_bench_mail.c - bodies are what they are said to be.
 *
 * Goal: each body is well formed, ends at its last octet and nowhere before, and has the lines
 * and dots that the figures are told for. Method: all short lengths and some long ones against
 * a walk over the octets; the proportions by counting lines.
 */
#include "perf/bench_mail.h"
#include "tests/tools/suite.h"

#include <stdbool.h>
#include <string.h>

#define SHORT_MAX 700u
#define LONG_LEN  (1u << 18)

static uint8_t *body; /* LONG_LEN octets */

/* Where the first CRLF.CRLF ends, counted from the front; the body begins after a CRLF.
 * 0: a CR or LF is bare, or there is no end. */
static size_t find_end(const uint8_t *ptr, size_t len)
{
    uint8_t last[5] = {0, 0, 0, '\r', '\n'};
    for (size_t at = 0; at < len; at++) {
        if ((last[4] == '\r') != (ptr[at] == '\n')) {
            return 0;
        }
        memmove(last, last + 1, 4);
        last[4] = ptr[at];
        if (memcmp(last, "\r\n.\r\n", 5) == 0) {
            return at + 1;
        }
    }
    return 0;
}

static void test_ends(void)
{
    for (unsigned kind = 0; kind < RP_BENCH_MAIL_COUNT; kind++) {
        for (size_t len = 5; len < SHORT_MAX; len++) {
            rp_bench_mail_fill((enum rp_bench_mail_kind)kind, body, len);
            if (find_end(body, len) != len) {
                (void)printf("kind %u, %zu octets: ends at %zu\n", kind, len, find_end(body, len));
                CU_FAIL("ends elsewhere");
            }
        }
        rp_bench_mail_fill((enum rp_bench_mail_kind)kind, body, LONG_LEN);
        CU_ASSERT_EQUAL(find_end(body, LONG_LEN), LONG_LEN);
    }
}

struct lines {
    size_t count;
    size_t full; /* of RP_BENCH_LINE_LEN */
    size_t dots; /* that begin with two dots */
    size_t one;  /* with one dot alone: the end */
};

static struct lines count_lines(enum rp_bench_mail_kind kind)
{
    struct lines lines = {0};
    rp_bench_mail_fill(kind, body, LONG_LEN);
    for (size_t from = 0; from < LONG_LEN; lines.count++) {
        const uint8_t *end = memchr(body + from, '\n', LONG_LEN - from);
        CU_ASSERT_PTR_NOT_NULL_FATAL(end);
        const size_t len = (size_t)(end - (body + from)) + 1;
        lines.full += len == RP_BENCH_LINE_LEN;
        lines.dots += body[from] == '.' && body[from + 1] == '.';
        lines.one += body[from] == '.' && body[from + 1] != '.';
        from += len;
    }
    return lines;
}

static void test_proportions(void)
{
    const struct lines text = count_lines(RP_BENCH_MAIL_TEXT);
    CU_ASSERT_EQUAL(text.full, LONG_LEN / RP_BENCH_LINE_LEN);
    CU_ASSERT_EQUAL(text.dots, text.full / RP_BENCH_DOT_EACH);
    CU_ASSERT_EQUAL(text.one, 1);

    const struct lines base64 = count_lines(RP_BENCH_MAIL_BASE64);
    CU_ASSERT_EQUAL(base64.full, LONG_LEN / RP_BENCH_LINE_LEN);
    CU_ASSERT_EQUAL(base64.dots, 0);

    const struct lines dots = count_lines(RP_BENCH_MAIL_DOTS);
    CU_ASSERT_TRUE(dots.dots + dots.one + 2 >= dots.count); /* but a cut and an empty one */
    CU_ASSERT_TRUE(dots.count > LONG_LEN / 4 - 4);
}

static void test_always_the_same(void)
{
    uint8_t *other = malloc(LONG_LEN);
    CU_ASSERT_PTR_NOT_NULL_FATAL(other);
    for (unsigned kind = 0; kind < RP_BENCH_MAIL_COUNT; kind++) {
        memset(body, 0, LONG_LEN);
        memset(other, 0xFF, LONG_LEN);
        rp_bench_mail_fill((enum rp_bench_mail_kind)kind, body, LONG_LEN);
        rp_bench_mail_fill((enum rp_bench_mail_kind)kind, other, LONG_LEN);
        CU_ASSERT_EQUAL(memcmp(body, other, LONG_LEN), 0);
    }
    free(other);
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"ends",            test_ends           },
        {"proportions",     test_proportions    },
        {"always the same", test_always_the_same},
    };
    body = malloc(LONG_LEN);
    if (body == NULL) {
        return 1;
    }
    int status = SUITE_RUN("perf/bench_mail", tests, argc, argv);
    free(body);
    return status;
}
