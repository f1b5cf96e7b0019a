/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_load_text.c - the text of generated messages.
 *
 * Goal: lines of 78 octets, one in 17 with a dot; every tail, unstuffed, is what its plain form
 * is; a text of a gigabyte takes no more memory than one of some megabytes.
 * Method: all tails of a short text and those at the borders of a period of a long one, undone
 * from the RFC's definition; memory as the kernel counts it.
 */
#include "perf/load_text.h"
#include "tests/tools/suite.h"
#include "unstuff.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static struct rp_load_text open_text(uint64_t len)
{
    struct rp_load_text text = {0};
    CU_ASSERT_EQUAL_FATAL(rp_load_text_open(len, &text), 0);
    return text;
}

static void check_tail(const struct rp_load_text *text, uint64_t len, uint8_t *buffer)
{
    struct rp_span plain;
    struct rp_span stuffed;
    size_t out_len = 0;
    CU_ASSERT_TRUE_FATAL(rp_load_text_has_tail(len));
    rp_load_text_tail(text, len, &plain, &stuffed);
    CU_ASSERT_EQUAL_FATAL(plain.len, len);
    CU_ASSERT_TRUE_FATAL(unstuff(stuffed.ptr, stuffed.len, buffer, &out_len));
    CU_ASSERT_EQUAL_FATAL(out_len, len);
    CU_ASSERT_EQUAL_FATAL(memcmp(buffer, plain.ptr, len), 0);
}

static void test_lines(void)
{
    const size_t lines = (size_t)17 * 20;
    struct rp_load_text text = open_text(lines * RP_LOAD_TEXT_LINE);
    struct rp_span plain;
    struct rp_span stuffed;
    rp_load_text_tail(&text, lines * RP_LOAD_TEXT_LINE, &plain, &stuffed);
    size_t dots = 0;
    for (size_t line = 0; line < lines; line++) {
        const uint8_t *ptr = plain.ptr + line * RP_LOAD_TEXT_LINE;
        dots += ptr[0] == '.';
        CU_ASSERT_EQUAL(memcmp(ptr + 78, "\r\n", 2), 0);
        for (size_t index = 0; index < 78; index++) {
            bool is_fine = (ptr[index] >= 'a' && ptr[index] <= 'z') || ptr[index] == 'I' ||
                           (index == 0 && ptr[index] == '.') || (index < 77 && ptr[index] == ' ');
            CU_ASSERT_TRUE(is_fine);
            CU_ASSERT_FALSE(ptr[index] == ' ' && ptr[index + 1] == ' ');
        }
    }
    CU_ASSERT_EQUAL(dots, lines / 17);
    CU_ASSERT_EQUAL(stuffed.len, plain.len + dots + 3);
    rp_load_text_close(&text);
    rp_load_text_close(&text);
}

static void test_all_tails(void)
{
    static uint8_t buffer[10000];
    for (size_t max = 0; max < 3000; max += 79) {
        struct rp_load_text text = open_text(max);
        CU_ASSERT_TRUE(text.plain_len >= max);
        for (size_t len = 0; len <= max; len++) {
            if (rp_load_text_has_tail(len)) {
                check_tail(&text, len, buffer);
            }
        }
        rp_load_text_close(&text);
    }
    CU_ASSERT_FALSE(rp_load_text_has_tail(1));
    CU_ASSERT_FALSE(rp_load_text_has_tail(81));
    CU_ASSERT_TRUE(rp_load_text_has_tail(2));
}

static uint64_t period_len(void)
{
    return (uint64_t)sysconf(_SC_PAGESIZE) * 17 * RP_LOAD_TEXT_LINE;
}

/* A tail that begins anywhere around the border of two periods is whole. */
static void test_periods(void)
{
    const uint64_t period = period_len();
    struct rp_load_text text = open_text(2 * period + 1000);
    CU_ASSERT_EQUAL(text.plain_len, 3 * period);
    uint8_t *buffer = malloc(2 * period + 3000);
    assert(buffer != NULL);
    static const int64_t steps[] = {-1440, -720, -640, -80, -79, -2, 0, 2, 79, 80, 640, 720, 999};
    for (size_t index = 0; index < sizeof(steps) / sizeof(steps[0]); index++) {
        uint64_t step = (uint64_t)steps[index];
        if (rp_load_text_has_tail(period + step)) {
            check_tail(&text, period + step, buffer);
        }
    }
    check_tail(&text, 2 * period + 1000, buffer);
    free(buffer);
    rp_load_text_close(&text);
}

/* Octets that this process had in memory at most, so far; the kernel says it in KiB. */
static uint64_t resident(void)
{
    struct rusage usage = {0};
    CU_ASSERT_EQUAL(getrusage(RUSAGE_SELF, &usage), 0);
    return (uint64_t)usage.ru_maxrss * 1024;
}

static void test_memory(void)
{
    const uint64_t gigabyte = UINT64_C(1) << 30;
    uint64_t before = resident();
    struct rp_load_text text = open_text(gigabyte);
    CU_ASSERT_TRUE(text.plain_len >= gigabyte);
    CU_ASSERT_TRUE(resident() < before + 8 * period_len());
    /* Far from the end it is there too, and the same. */
    CU_ASSERT_EQUAL(memcmp(text.plain, text.plain + text.plain_len - period_len(), 4096), 0);
    uint64_t stuffed_period = period_len() / RP_LOAD_TEXT_LINE / 17 + period_len();
    CU_ASSERT_EQUAL(memcmp(text.stuffed, text.stuffed + text.stuffed_len - stuffed_period, 4096),
                    0);
    rp_load_text_close(&text);
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"lines",     test_lines    },
        {"all tails", test_all_tails},
        {"periods",   test_periods  },
        {"memory",    test_memory   },
    };
    return SUITE_RUN("perf/load_text", tests, argc, argv);
}
