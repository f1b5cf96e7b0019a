/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_load_threshold.c - limits that a run must keep.
 *
 * Goal: each kind is read, met and missed at its border; what is wrong is told with what is right.
 * Method: rows, on a run with one message of 1.5 ms, 2 refusals and 1 error.
 */
#include "load_case.h"
#include "perf/load_report.h"

#include <errno.h>

static struct load_case run;

static void open_run(void)
{
    load_case_open(&run, "one"); /* 50 messages/s */
    rp_load_stats_refused(run.stats, LOAD_CASE_BEGIN);
    rp_load_stats_refused(run.stats, LOAD_CASE_BEGIN);
    rp_load_stats_error(run.stats, LOAD_CASE_BEGIN, RP_LOAD_ERROR_CLOSED);
    run.stats->started = 4;
    run.stats->never_sent = 12;
    run.stats->connections_refused = 7;
    run.report.rate = 800;
    run.verify.accepted = 1000;
    run.verify.lost = 1;
    run.verify.duplicated = 2;
    run.verify.corrupted = 3;
    run.report.verify = &run.verify;
}

struct row {
    const char *threshold;
    const char *missed; /* NULL: met */
};

/* clang-format off */
static const struct row rows[] = {
    {"p50=1.5ms",       NULL},
    {"p50=1500us",      NULL},
    {"p90=1499.999us",  "p90 is 1.50 ms, the threshold 1.50 ms"},
    {"p95=1.5ms",       NULL},
    {"p95=1.4ms",       "p95 is 1.50 ms, the threshold 1.40 ms"},
    {"p99=1ms",         "p99 is 1.50 ms, the threshold 1.00 ms"},
    {"p99=20ms",        NULL},
    {"p99.9=900ns",     "p99.9 is 1.50 ms, the threshold 900 ns"},
    {"max=0.0014s",     "max is 1.50 ms, the threshold 1.40 ms"},
    {"max=1min",        NULL},
    {"mean=2h",         NULL},
    {"mean=1us",        "mean is 1.50 ms, the threshold 1.00 us"},
    {"errors=1",        NULL},
    {"errors=0",        "errors: 1, the threshold 0"},
    {"errors=25%",      NULL},
    {"errors=24.9%",    "errors: 1 of all messages, 25 %, the threshold 24.9 %"},
    {"refused=2",       NULL},
    {"refused=1",       "refused: 2, the threshold 1"},
    {"refused=50%",     NULL},
    {"refused=1%",      "refused: 2 of all messages, 50 %, the threshold 1 %"},
    {"never_sent=12",   NULL},
    {"never_sent=0",    "never_sent: 12, the threshold 0"},
    {"never_sent=75%",  NULL},
    {"never_sent=1%",   "never_sent: 12 of all messages, 75 %, the threshold 1 %"},
    {"connections_refused=7", NULL},
    {"connections_refused=0", "connections_refused: 7, the threshold 0"},
    {"rate=49.5",       NULL},
    {"rate=10000",      "rate is 50.0 messages/s, the threshold 10,000"},
    {"lost=1",          NULL},
    {"lost=0",          "lost: 1, the threshold 0"},
    {"duplicated=1",    "duplicated: 2, the threshold 1"},
    {"corrupted=2",     "corrupted: 3, the threshold 2"},
    {"corrupted=3",     NULL},
};
/* clang-format on */

static struct rp_load_threshold parse(const char *text)
{
    char error[512] = "";
    struct rp_load_threshold threshold = {0};
    CU_ASSERT_EQUAL(rp_load_threshold_parse(text, &threshold, error, sizeof(error)), 0);
    CU_ASSERT_STRING_EQUAL(error, "");
    CU_ASSERT_PTR_EQUAL(threshold.text, text);
    return threshold;
}

static void test_rows(void)
{
    open_run();
    for (size_t index = 0; index < sizeof(rows) / sizeof(rows[0]); index++) {
        char text[256] = "";
        struct rp_load_threshold threshold = parse(rows[index].threshold);
        bool is_met = rp_load_threshold_is_met(&threshold, &run.report, text, sizeof(text));
        CU_ASSERT_EQUAL(is_met, rows[index].missed == NULL);
        CU_ASSERT_STRING_EQUAL(text, rows[index].missed == NULL ? "" : rows[index].missed);
    }
    load_case_close(&run);
}

/* What is not known is not met. */
static void test_unknown(void)
{
    char text[256];
    load_case_open(&run, "empty");
    struct rp_load_threshold threshold = parse("p99=1h");
    CU_ASSERT_FALSE(rp_load_threshold_is_met(&threshold, &run.report, text, sizeof(text)));
    CU_ASSERT_STRING_EQUAL(text, "p99 is not known, as no message was accepted");
    threshold = parse("lost=0");
    CU_ASSERT_FALSE(rp_load_threshold_is_met(&threshold, &run.report, text, sizeof(text)));
    CU_ASSERT_STRING_EQUAL(text, "lost is not known, as no spool was read (--verify DIR)");
    threshold = parse("never_sent=100%");
    CU_ASSERT_FALSE(rp_load_threshold_is_met(&threshold, &run.report, text, sizeof(text)));
    CU_ASSERT_STRING_EQUAL(text, "never_sent is not known, as no rate was asked for (--rate R)");
    threshold = parse("errors=0%");
    CU_ASSERT_TRUE(rp_load_threshold_is_met(&threshold, &run.report, text, sizeof(text)));
    load_case_close(&run);
}

static void test_wrong(void)
{
    static const struct {
        const char *text;
        const char *told; /* a part of it */
    } wrong[] = {
        {"",                            "p50, p90, p95, p99, p99.9, max or mean=TIME" },
        {"p99",                         "is no threshold"                             },
        {"p98=1ms",                     "is no threshold"                             },
        {"p99.=1ms",                    "is no threshold"                             },
        {"=1",                          "is no threshold"                             },
        {"p99=",                        "p99 takes a time such as 20ms"               },
        {"p99=20",                      "p99 takes a time such as 20ms"               },
        {"p99=20 ms",                   "p99 takes a time such as 20ms"               },
        {"p99=-1ms",                    "p99 takes a time such as 20ms"               },
        {"p99=1.ms",                    "p99 takes a time such as 20ms"               },
        {"p99=.5ms",                    "p99 takes a time such as 20ms"               },
        {"p99=1.5.5ms",                 "p99 takes a time such as 20ms"               },
        {"p99=5%",                      "p99 takes a time such as 20ms"               },
        {"errors=1.5",                  "errors takes a number such as 0"             },
        {"errors=101%",                 "such as 1%"                                  },
        {"errors=1ms",                  "errors takes a number such as 0"             },
        {"rate=1%",                     "messages a second, such as 10000"            },
        {"connections_refused=1%",      "connections_refused takes a number such as 0"},
        {"never_sent=1.5",              "never_sent takes a number such as 0"         },
        {"lost=1%",                     "lost takes a number such as 0"               },
        {"lost=9999999999999999999999", "lost takes a number such as 0"               },
    };
    for (size_t index = 0; index < sizeof(wrong) / sizeof(wrong[0]); index++) {
        char error[512] = "";
        struct rp_load_threshold threshold = {.limit = 17};
        CU_ASSERT_EQUAL(
            rp_load_threshold_parse(wrong[index].text, &threshold, error, sizeof(error)), -EINVAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(error, wrong[index].told));
        CU_ASSERT_PTR_NULL(strchr(error, '\n'));
        CU_ASSERT_DOUBLE_EQUAL(threshold.limit, 17, 0); /* written only on success */
    }
}

static void test_on_errors(void)
{
    struct rp_load_threshold threshold = parse("errors=1%");
    CU_ASSERT_TRUE(rp_load_threshold_is_on_errors(&threshold));
    threshold = parse("refused=0");
    CU_ASSERT_FALSE(rp_load_threshold_is_on_errors(&threshold));
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"met and missed", test_rows     },
        {"unknown",        test_unknown  },
        {"wrong",          test_wrong    },
        {"on errors",      test_on_errors},
    };
    return SUITE_RUN("perf/load_threshold", tests, argc, argv);
}
