/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_load_charts.c - the plots of ringpost-load's page.
 *
 * Goal: each run has its plots, from none to the longest series: with the curves that there is
 * something for, all messages in the bars, and a bounded size.
 * Method: the cases of load_case.h; elements are counted, coordinates read back.
 */
#include "load_case.h"
#include "perf/load_charts.h"
#include "perf/plot.h"
#include "tests/tools/capture.h"

static struct capture capture;
static struct load_case run;

typedef void (*chart_fn)(const struct rp_load_report *report, struct rp_output *output);

static const char *chart(chart_fn draw)
{
    draw(&run.report, &capture.output);
    return capture_take(&capture);
}

static size_t occurrences(const char *text, const char *what)
{
    size_t count = 0;
    for (const char *at = strstr(text, what); at != NULL; at = strstr(at + 1, what)) {
        count++;
    }
    return count;
}

static const chart_fn charts[] = {
    rp_load_charts_percentiles,
    rp_load_charts_histogram,
    rp_load_charts_throughput,
    rp_load_charts_latency,
};

/* One element each, and no number that is none. */
static void check_all(const char *name)
{
    load_case_open(&run, name);
    for (size_t index = 0; index < sizeof(charts) / sizeof(charts[0]); index++) {
        const char *text = chart(charts[index]);
        CU_ASSERT_EQUAL(occurrences(text, "<svg"), 1);
        CU_ASSERT_EQUAL(occurrences(text, "</svg>"), 1);
        CU_ASSERT_EQUAL(occurrences(text, "nan"), 0);
        CU_ASSERT_EQUAL(occurrences(text, "inf"), 0);
        CU_ASSERT_TRUE(occurrences(text, "class=\"tick middle\"") >= 2);
        CU_ASSERT_TRUE(occurrences(text, "class=\"tick end\"") >= 2);
        CU_ASSERT_TRUE(occurrences(text, "<title>") >= 1);
        CU_ASSERT_TRUE(occurrences(text, "<title>") <= 301);
        CU_ASSERT_TRUE(capture.len < 100000);
    }
    load_case_close(&run);
}

static void test_cases(void)
{
    check_all("normal");
    check_all("open");
    check_all("one");
    check_all("long");
    check_all("hostile");
}

/* No message: a sentence. Nothing but refusals has a plot of these over time. */
static void test_nothing(void)
{
    load_case_open(&run, "empty");
    for (size_t index = 0; index < sizeof(charts) / sizeof(charts[0]); index++) {
        CU_ASSERT_EQUAL(strncmp(chart(charts[index]), "<p class=\"nothing\">", 19), 0);
    }
    rp_load_stats_refused(run.stats, LOAD_CASE_BEGIN);
    run.stats->end_ns = LOAD_CASE_BEGIN + LOAD_CASE_SECOND;
    const char *text = chart(rp_load_charts_throughput);
    CU_ASSERT_EQUAL(occurrences(text, "class=\"area refused\""), 1);
    CU_ASSERT_EQUAL(occurrences(chart(rp_load_charts_latency), "<svg"), 0);
    load_case_close(&run);
}

static void test_curves(void)
{
    load_case_open(&run, "open");
    const char *text = chart(rp_load_charts_percentiles);
    CU_ASSERT_EQUAL(occurrences(text, "class=\"curve c1\""), 2); /* and in the legend */
    CU_ASSERT_EQUAL(occurrences(text, "class=\"curve c4\""), 2);
    CU_ASSERT_EQUAL(occurrences(text, "class=\"curve message\""), 2);
    CU_ASSERT_EQUAL(occurrences(text, ">99.999 %</text>"), 1); /* 100,000 messages and more */
    CU_ASSERT_EQUAL(occurrences(text, ">99.9999 %</text>"), 0);
    text = chart(rp_load_charts_throughput);
    CU_ASSERT_EQUAL(occurrences(text, "class=\"area accepted\""), 1);
    CU_ASSERT_EQUAL(occurrences(text, "class=\"area errors\""), 1);
    CU_ASSERT_EQUAL(occurrences(text, "class=\"curve asked\""), 2);
    text = chart(rp_load_charts_latency);
    CU_ASSERT_EQUAL(occurrences(text, "class=\"curve largest\""), 2);
    CU_ASSERT_EQUAL(occurrences(text, "class=\"bar peak\""), 5);
    CU_ASSERT_EQUAL(occurrences(text, "class=\"mark\""), 5);
    CU_ASSERT_EQUAL(occurrences(text, ">800 ms until 12.800 s</text>"), 1);
    load_case_close(&run);
    load_case_open(&run, "one");
    CU_ASSERT_EQUAL(occurrences(chart(rp_load_charts_percentiles), "class=\"curve c1\""), 0);
    CU_ASSERT_EQUAL(occurrences(chart(rp_load_charts_throughput), "asked"), 0);
    CU_ASSERT_EQUAL(occurrences(chart(rp_load_charts_latency), "class=\"mark\""), 1);
    load_case_close(&run);
}

/* The height of all bars together is that of all messages. */
static void test_bars(void)
{
    load_case_open(&run, "normal");
    const char *text = chart(rp_load_charts_histogram);
    CU_ASSERT_EQUAL(occurrences(text, "class=\"mark\""), 5);
    double sum = 0;
    for (const char *at = strstr(text, "class=\"bar "); at != NULL;
         at = strstr(at, "class=\"bar ")) {
        at = strstr(at, "height=\"") + strlen("height=\"");
        sum += strtod(at, NULL);
    }
    /* 0 to 15 % over the frame's height, less its five rows of marks. */
    double whole = (RP_PLOT_BOTTOM - RP_PLOT_TOP - 5 * RP_PLOT_ROW_LEN) / 0.15;
    CU_ASSERT_DOUBLE_EQUAL(sum, whole, whole * 0.01);
    load_case_close(&run);
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"every case",     test_cases  },
        {"nothing",        test_nothing},
        {"curves",         test_curves },
        {"height of bars", test_bars   },
    };
    capture_open(&capture);
    int outcome = SUITE_RUN("perf/load_charts", tests, argc, argv);
    capture_close(&capture);
    return outcome;
}
