/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_log_limit.c - a storm of lines of one kind is a few of them and how many there were.
 *
 * Goal: of each kind no more lines are written in a span than the limit says, every line is either
 * written or counted in one summary, kinds do not concern each other, and what is left out is told
 * as soon as its span is over. Method: rows in made-up time; then random lines of a few kinds,
 * counted by hand.
 *
 * A number as argument is the seed of the random part.
 */
#include "engine/log_limit.h"
#include "tests/tools/suite.h"

#include <string.h>

#define SECOND 1000000000ull
#define SPAN   RP_LOG_LIMIT_SPAN_NS
#define LINES  RP_LOG_LIMIT_LINES

static struct rp_log_limit limit;
static struct rp_log_limit_summary summary;

static void start(void)
{
    limit = (struct rp_log_limit){0};
}

/* How many of `count` lines of that kind are written. */
static size_t log_lines(const char *format, size_t count, uint64_t now_ns)
{
    size_t written = 0;
    for (size_t i = 0; i < count; i++) {
        struct rp_log_limit_kind *kind =
            rp_log_limit_take(&limit, RP_CONFIG_LOG_WARNING, format, now_ns);
        if (kind != NULL) {
            (void)snprintf(kind->text, sizeof(kind->text), "%.7s %zu", format, i);
            written++;
        }
    }
    return written;
}

static void test_storm(void)
{
    start();
    CU_ASSERT_EQUAL(rp_log_limit_due_ns(&limit), UINT64_MAX);
    CU_ASSERT_EQUAL(log_lines("a", LINES, 5), LINES);
    CU_ASSERT_EQUAL(rp_log_limit_due_ns(&limit), UINT64_MAX); /* nothing is left out yet */
    CU_ASSERT_EQUAL(log_lines("a", 6500, 3 * SECOND + 5), 0);
    CU_ASSERT_EQUAL(rp_log_limit_due_ns(&limit), 5 + SPAN);
    CU_ASSERT_FALSE(rp_log_limit_next(&limit, 4 + SPAN, &summary));
    CU_ASSERT_TRUE_FATAL(rp_log_limit_next(&limit, 5 + SPAN, &summary));
    CU_ASSERT_EQUAL(summary.left_out, 6500);
    CU_ASSERT_EQUAL(summary.level, RP_CONFIG_LOG_WARNING);
    CU_ASSERT_EQUAL(summary.time_ns, 3 * SECOND);
    CU_ASSERT_STRING_EQUAL(summary.text, "a 9");
    CU_ASSERT_FALSE(rp_log_limit_next(&limit, UINT64_MAX, &summary)); /* once */
    CU_ASSERT_EQUAL(rp_log_limit_due_ns(&limit), UINT64_MAX);
    CU_ASSERT_EQUAL(log_lines("a", 20, 5 + SPAN), LINES); /* a new span */
}

/* At most LINES in any one span, which begins with its first line. */
static void test_spans(void)
{
    start();
    CU_ASSERT_EQUAL(log_lines("a", 1, 0), 1);
    CU_ASSERT_EQUAL(log_lines("a", LINES, SPAN - 1), LINES - 1);
    CU_ASSERT_TRUE(rp_log_limit_next(&limit, SPAN, &summary));
    CU_ASSERT_EQUAL(summary.left_out, 1);
    CU_ASSERT_EQUAL(log_lines("a", 1, 3 * SPAN), 1);
    CU_ASSERT_EQUAL(log_lines("a", LINES - 1, 4 * SPAN - 1), LINES - 1);
    CU_ASSERT_FALSE(rp_log_limit_next(&limit, 4 * SPAN, &summary));
    CU_ASSERT_EQUAL(log_lines("a", LINES, 4 * SPAN), LINES);
}

/* At the end of the program all is told, whatever the time. */
static void test_end(void)
{
    start();
    CU_ASSERT_EQUAL(log_lines("a", LINES + 2, SECOND), LINES);
    CU_ASSERT_EQUAL(log_lines("b", LINES + 3, SECOND), LINES);
    CU_ASSERT_TRUE(rp_log_limit_next(&limit, UINT64_MAX, &summary));
    CU_ASSERT_EQUAL(summary.left_out, 2);
    CU_ASSERT_TRUE(rp_log_limit_next(&limit, UINT64_MAX, &summary));
    CU_ASSERT_EQUAL(summary.left_out, 3);
    CU_ASSERT_FALSE(rp_log_limit_next(&limit, UINT64_MAX, &summary));
}

/* Of more kinds than there is room for, the last ones count as one. */
static void test_many_kinds(void)
{
    static char formats[2 * RP_LOG_LIMIT_KINDS][8];
    size_t written = 0;
    start();
    for (size_t i = 0; i < 2 * RP_LOG_LIMIT_KINDS; i++) {
        written += log_lines(formats[i], 1, SECOND);
    }
    CU_ASSERT_EQUAL(written, RP_LOG_LIMIT_KINDS - 1 + LINES);
    CU_ASSERT_TRUE(rp_log_limit_next(&limit, UINT64_MAX, &summary));
    CU_ASSERT_EQUAL(summary.left_out, RP_LOG_LIMIT_KINDS + 1 - LINES);
}

#define KINDS 5

static void test_random(void)
{
    static const char *const formats[KINDS] = {"a", "b", "c", "d", "e"};
    size_t sent[KINDS] = {0};
    size_t counted[KINDS] = {0};
    size_t in_span[KINDS] = {0};
    uint64_t span_ns[KINDS] = {0};
    uint64_t random = suite_seed;
    uint64_t now_ns = 0;
    start();
    for (int round = 0; round < 100000; round++) {
        now_ns += suite_random_below(&random, 100) == 0 ? suite_random_below(&random, 2 * SPAN)
                                                        : suite_random_below(&random, SECOND / 4);
        while (rp_log_limit_next(&limit, round == 99999 ? UINT64_MAX : now_ns, &summary)) {
            counted[summary.text[0] - 'a'] += summary.left_out;
            CU_ASSERT(summary.time_ns < SPAN && summary.left_out > 0);
        }
        if (round == 99999) {
            break; /* all is told */
        }
        size_t kind = suite_random_below(&random, KINDS);
        size_t written = log_lines(formats[kind], 1, now_ns);
        sent[kind]++;
        counted[kind] += written;
        if (in_span[kind] == 0 || now_ns - span_ns[kind] >= SPAN) {
            in_span[kind] = 0;
            span_ns[kind] = now_ns;
        }
        in_span[kind] += written;
        CU_ASSERT(in_span[kind] > 0 && in_span[kind] <= LINES);
    }
    for (size_t kind = 0; kind < KINDS; kind++) {
        CU_ASSERT_EQUAL(counted[kind], sent[kind]);
    }
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"storm",      test_storm     },
        {"spans",      test_spans     },
        {"end",        test_end       },
        {"many kinds", test_many_kinds},
        {"random",     test_random    },
    };
    return SUITE_RUN("engine/log_limit", tests, argc, argv);
}
