/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_plot.c - plots as SVG elements.
 *
 * Goal: axes hold their values and have ticks that one would choose, at places that are even;
 * nothing lies outside the frame; curves break where there is nothing.
 * Method: rows; random ranges of all magnitudes against properties; elements as text.
 */
#include "perf/plot.h"
#include "tests/tools/capture.h"
#include "tests/tools/suite.h"

#include <math.h>
#include <stdbool.h>

static struct capture capture;

static void write_value(double value, char text_out[RP_PLOT_TEXT_LEN + 1])
{
    (void)snprintf(text_out, RP_PLOT_TEXT_LEN + 1, "<%.6g>", value);
}

static struct rp_plot plot_of(enum rp_plot_scale x, enum rp_plot_scale y)
{
    return (struct rp_plot){
        .output = &capture.output,
        .id = "it",
        .description = "a \"plot\"",
        .x = {.scale = x, .low = 1, .high = 100, .label = "x & x", .write_tick = write_value},
        .y = {.scale = y, .low = 0, .high = 10,  .label = "y",     .write_tick = write_value},
    };
}

static void test_fit(void)
{
    static const struct {
        enum rp_plot_scale scale;
        double low, high;
        double fit_low, fit_high;
    } rows[] = {
        {RP_PLOT_LINEAR, 0,    0,     0,    1   },
        {RP_PLOT_LINEAR, 5,    6200,  0,    8000},
        {RP_PLOT_LINEAR, 0,    10,    0,    15  },
        {RP_PLOT_LINEAR, 0,    0.019, 0,    0.02},
        {RP_PLOT_LOG,    3,    7,     2,    20  },
        {RP_PLOT_LOG,    1,    1,     1,    10  },
        {RP_PLOT_LOG,    300,  9e6,   200,  1e7 },
        {RP_PLOT_LOG,    1e-3, 2e-1,  1e-3, 0.2 },
    };
    for (size_t index = 0; index < sizeof(rows) / sizeof(rows[0]); index++) {
        struct rp_plot_axis axis = {.scale = rows[index].scale};
        rp_plot_fit(&axis, rows[index].low, rows[index].high);
        CU_ASSERT_DOUBLE_EQUAL(axis.low, rows[index].fit_low, rows[index].fit_high * 1e-9);
        CU_ASSERT_DOUBLE_EQUAL(axis.high, rows[index].fit_high, rows[index].fit_high * 1e-9);
    }
}

static void check_ticks(enum rp_plot_scale scale, double low, double high, const char *want)
{
    double ticks[RP_PLOT_TICKS];
    char text[512] = "";
    struct rp_plot_axis axis = {.scale = scale, .low = low, .high = high};
    size_t count = rp_plot_ticks(&axis, ticks);
    for (size_t index = 0; index < count; index++) {
        size_t len = strlen(text);
        (void)snprintf(text + len, sizeof(text) - len, "%.10g ", ticks[index]);
    }
    CU_ASSERT_STRING_EQUAL(text, want);
}

static void test_ticks(void)
{
    check_ticks(RP_PLOT_LINEAR, 0, 8000, "0 2000 4000 6000 8000 ");
    check_ticks(RP_PLOT_LINEAR, 0, 1, "0 0.2 0.4 0.6 0.8 1 ");
    check_ticks(RP_PLOT_LINEAR, 0, 19.97, "0 5 10 15 ");
    check_ticks(RP_PLOT_LOG, 2, 20, "2 5 10 20 ");
    check_ticks(RP_PLOT_LOG, 200, 1e7, "1000 10000 100000 1000000 10000000 ");
    check_ticks(RP_PLOT_TAIL, 0, 0.9, "0 0.5 0.9 ");
    check_ticks(RP_PLOT_TAIL, 0, 0.99998, "0 0.5 0.9 0.99 0.999 0.9999 ");
}

/* Ranges of all magnitudes: some ticks, ascending, inside, apart; the range is inside the axis. */
static void test_random(void)
{
    uint64_t state = suite_seed;
    for (unsigned round = 0; round < 20000; round++) {
        double low = pow(10, (double)suite_random_below(&state, 12000) / 1000 - 3);
        double high = low * pow(10, (double)suite_random_below(&state, 12000) / 1000);
        struct rp_plot plot = plot_of(RP_PLOT_LINEAR, round % 2 ? RP_PLOT_LOG : RP_PLOT_LINEAR);
        double ticks[RP_PLOT_TICKS];
        rp_plot_fit(&plot.y, low, high);
        CU_ASSERT_TRUE(plot.y.low <= low && high <= plot.y.high * (1 + 1e-9));
        size_t count = rp_plot_ticks(&plot.y, ticks);
        CU_ASSERT_TRUE(count >= 2 && count <= RP_PLOT_TICKS);
        for (size_t index = 0; index < count; index++) {
            double y = rp_plot_y(&plot, ticks[index]);
            CU_ASSERT_TRUE(y >= RP_PLOT_TOP && y <= RP_PLOT_BOTTOM);
            CU_ASSERT_TRUE(index == 0 || y < rp_plot_y(&plot, ticks[index - 1]) - 12);
        }
    }
}

/* Even steps are even; what lies outside is drawn on the frame. */
static void test_places(void)
{
    struct rp_plot plot = plot_of(RP_PLOT_LOG, RP_PLOT_LINEAR);
    double middle = (RP_PLOT_LEFT + RP_PLOT_RIGHT) / 2.0;
    CU_ASSERT_DOUBLE_EQUAL(rp_plot_x(&plot, 1), RP_PLOT_LEFT, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(rp_plot_x(&plot, 10), middle, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(rp_plot_x(&plot, 100), RP_PLOT_RIGHT, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(rp_plot_x(&plot, 0), RP_PLOT_LEFT, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(rp_plot_x(&plot, 1e9), RP_PLOT_RIGHT, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(rp_plot_y(&plot, 0), RP_PLOT_BOTTOM, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(rp_plot_y(&plot, 10), RP_PLOT_TOP, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(rp_plot_y(&plot, 11), RP_PLOT_TOP, 1e-6);
    plot.mark_rows = 2;
    CU_ASSERT_DOUBLE_EQUAL(rp_plot_y(&plot, 10), RP_PLOT_TOP + 2 * RP_PLOT_ROW_LEN, 1e-6);
    plot.x = (struct rp_plot_axis){.scale = RP_PLOT_TAIL, .low = 0, .high = 0.9999};
    CU_ASSERT_DOUBLE_EQUAL(rp_plot_x(&plot, 0.99), middle, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(rp_plot_x(&plot, 1), RP_PLOT_RIGHT, 1e-6);
}

static const struct rp_plot_point points[] = {
    {0,   5 },
    {10,  -1},
    {20,  0 },
    {30,  10},
    {100, -1}
};

static void test_paths(void)
{
    struct rp_plot plot = plot_of(RP_PLOT_LINEAR, RP_PLOT_LINEAR);
    plot.x.low = 0;
    rp_plot_curve(&plot, "c", points, 5, RP_PLOT_STRAIGHT);
    CU_ASSERT_STRING_EQUAL(capture_take(&capture),
                           "<path class=\"curve c\" d=\"M84.0 142.0M251.2 250.0L334.8 34.0\"/>\n");
    rp_plot_curve(&plot, "c", points, 5, RP_PLOT_STEPPED);
    CU_ASSERT_STRING_EQUAL(
        capture_take(&capture),
        "<path class=\"curve c\" d=\"M84.0 142.0H167.6M251.2 250.0H334.8V34.0H920.0\"/>\n");
    rp_plot_area(&plot, "c", points, 5);
    CU_ASSERT_STRING_EQUAL(capture_take(&capture),
                           "<path class=\"area c\" d=\"M84.0 250V142.0H167.6V250Z"
                           "M251.2 250V250.0H334.8V34.0H920.0V250Z\"/>\n");
    rp_plot_curve(&plot, "c", points, 0, RP_PLOT_STEPPED);
    CU_ASSERT_STRING_EQUAL(capture_take(&capture), "<path class=\"curve c\" d=\"\"/>\n");
}

static size_t occurrences(const char *text, const char *what)
{
    size_t count = 0;
    for (const char *at = strstr(text, what); at != NULL; at = strstr(at + 1, what)) {
        count++;
    }
    return count;
}

static void test_element(void)
{
    struct rp_plot plot = plot_of(RP_PLOT_LOG, RP_PLOT_LINEAR);
    plot.mark_rows = 1;
    rp_plot_open(&plot);
    rp_plot_bar(&plot, "b", 1, 10, 5);
    rp_plot_level(&plot, "l", 5);
    rp_plot_mark(&plot, 10, 0, "left <");
    rp_plot_mark(&plot, 100, 0, "right");
    rp_plot_tip(&plot, 1, 10, "a tip & more");
    rp_plot_legend(&plot, "b", "name");
    rp_plot_close(&plot);
    const char *text = capture_take(&capture);
    CU_ASSERT_EQUAL(strncmp(text, "<svg id=\"it\" ", 13), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "aria-label=\"a &quot;plot&quot;\">"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, ">&lt;100&gt;</text>"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, ">x &amp; x</text>"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, ">left &lt;</text>"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "<title>a tip &amp; more</title>"));
    /* Near the right border a text stands left of its line. */
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "<text class=\"tick end\" x=\"915.0\" y=\"44.0\">right"));
    CU_ASSERT_EQUAL(occurrences(text, "class=\"grid\""), 7 + 6);
    CU_ASSERT_EQUAL(occurrences(text, "<rect"), 3);
    CU_ASSERT_EQUAL(occurrences(text, "<svg"), 1);
    CU_ASSERT_STRING_EQUAL(text + strlen(text) - 7, "</svg>\n");
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"fit",           test_fit    },
        {"ticks",         test_ticks  },
        {"random ranges", test_random },
        {"places",        test_places },
        {"paths",         test_paths  },
        {"element",       test_element},
    };
    capture_open(&capture);
    int outcome = SUITE_RUN("perf/plot", tests, argc, argv);
    capture_close(&capture);
    return outcome;
}
