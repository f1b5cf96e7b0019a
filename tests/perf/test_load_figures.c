/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_load_figures.c - what all reports compute, and numbers as text.
 *
 * Goal: figures of known counts; no division by nothing; texts at the borders of units.
 * Method: rows.
 */
#include "load_case.h"
#include "perf/load_figures.h"

static struct load_case run;

static void test_figures(void)
{
    struct rp_load_figures figures;
    load_case_open(&run, "one");
    run.report.workers = 4;
    run.report.cores = 0;
    run.report.client_cpu_s = 0.076;
    run.report.server_cpu_s = 0.00001;
    rp_load_stats_refused(run.stats, LOAD_CASE_BEGIN);
    rp_load_stats_error(run.stats, LOAD_CASE_BEGIN, RP_LOAD_ERROR_TIMEOUT);
    rp_load_figures_init(&figures, &run.report);
    CU_ASSERT_DOUBLE_EQUAL(figures.seconds, 0.02, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(figures.messages_per_s, 50, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(figures.octets_per_s, 50000, 1e-3);
    CU_ASSERT_EQUAL(figures.errors, 1);
    CU_ASSERT_EQUAL(figures.ended, 3);
    CU_ASSERT_DOUBLE_EQUAL(figures.latency_mean_ns, 1500000, 1e-3);
    CU_ASSERT_DOUBLE_EQUAL(figures.client_us_per_message, 76000, 1e-3);
    CU_ASSERT_DOUBLE_EQUAL(figures.client_cores_used, 3.8, 1e-6);
    CU_ASSERT_EQUAL(figures.client_cores, 4); /* as workers */
    CU_ASSERT_DOUBLE_EQUAL(figures.client_share, 0.95, 1e-6);
    CU_ASSERT_TRUE(figures.is_client_busy);
    CU_ASSERT_TRUE(figures.has_server_cpu);
    CU_ASSERT_DOUBLE_EQUAL(figures.server_us_per_message, 10, 1e-6);
    run.report.cores = 5;
    rp_load_figures_init(&figures, &run.report);
    CU_ASSERT_FALSE(figures.is_client_busy);
    load_case_close(&run);
}

/* Nothing happened: all is 0, and no figure is a NaN. */
static void test_nothing(void)
{
    struct rp_load_figures figures;
    load_case_open(&run, "empty");
    rp_load_figures_init(&figures, &run.report);
    CU_ASSERT_DOUBLE_EQUAL(figures.seconds, 0, 0);
    CU_ASSERT_DOUBLE_EQUAL(figures.messages_per_s, 0, 0);
    CU_ASSERT_DOUBLE_EQUAL(figures.latency_mean_ns, 0, 0);
    CU_ASSERT_DOUBLE_EQUAL(figures.client_us_per_message, 0, 0);
    CU_ASSERT_FALSE(figures.is_client_busy);
    CU_ASSERT_FALSE(figures.has_server_cpu);
    load_case_close(&run);
}

/* The end cuts the last interval, or lies in one in which nothing happened any more. */
static void test_intervals(void)
{
    load_case_open(&run, "empty");
    CU_ASSERT_EQUAL(rp_load_figures_intervals(&run.report), 0);
    rp_load_stats_refused(run.stats, LOAD_CASE_BEGIN + LOAD_CASE_SECOND / 4);
    CU_ASSERT_EQUAL(rp_load_figures_intervals(&run.report), 3);
    CU_ASSERT_DOUBLE_EQUAL(rp_load_figures_interval(&run.report, 2), 0.1, 1e-9); /* no end yet */
    run.stats->end_ns = LOAD_CASE_BEGIN + LOAD_CASE_SECOND / 4;
    CU_ASSERT_EQUAL(rp_load_figures_intervals(&run.report), 3);
    CU_ASSERT_DOUBLE_EQUAL(rp_load_figures_interval(&run.report, 0), 0.1, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(rp_load_figures_interval(&run.report, 1), 0.1, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(rp_load_figures_interval(&run.report, 2), 0.05, 1e-9);
    run.stats->end_ns = LOAD_CASE_BEGIN + LOAD_CASE_SECOND;
    CU_ASSERT_EQUAL(rp_load_figures_intervals(&run.report), 10);
    CU_ASSERT_DOUBLE_EQUAL(rp_load_figures_interval(&run.report, 9), 0.1, 1e-9);
    run.stats->end_ns = LOAD_CASE_BEGIN + 1000 * LOAD_CASE_SECOND; /* no room: one long one */
    CU_ASSERT_EQUAL(rp_load_figures_intervals(&run.report), RP_LOAD_SERIES_MAX);
    CU_ASSERT_DOUBLE_EQUAL(rp_load_figures_interval(&run.report, RP_LOAD_SERIES_MAX - 1), 590.5,
                           1e-6);
    load_case_close(&run);
}

static void test_samples(void)
{
    load_case_open(&run, "empty");
    load_case_refuse(&run, LOAD_CASE_BEGIN, "550 one");
    load_case_refuse(&run, LOAD_CASE_BEGIN, "550 two");
    load_case_refuse(&run, LOAD_CASE_BEGIN, "551 three");
    rp_load_stats_sample(run.stats, "closed", "551 four", 8);
    const char *text = rp_load_figures_sample(run.stats, RP_LOAD_PHASE_RCPT, 550);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_STRING_EQUAL(text, "550 one");
    CU_ASSERT_PTR_NULL(rp_load_figures_sample(run.stats, RP_LOAD_PHASE_RCPT, 552));
    CU_ASSERT_PTR_NULL(rp_load_figures_sample(run.stats, RP_LOAD_PHASE_MAIL, 550));
    CU_ASSERT_TRUE(rp_load_figures_is_shown(run.stats, 0));
    CU_ASSERT_FALSE(rp_load_figures_is_shown(run.stats, 1)); /* the second of its kind */
    CU_ASSERT_TRUE(rp_load_figures_is_shown(run.stats, 2));
    CU_ASSERT_FALSE(rp_load_figures_is_shown(run.stats, 3));
    load_case_close(&run);
}

typedef void (*write_fn)(double value, char text_out[RP_LOAD_FIGURES_TEXT_LEN + 1]);

static void write_count(double value, char text_out[RP_LOAD_FIGURES_TEXT_LEN + 1])
{
    rp_load_figures_count((uint64_t)value, text_out);
}

static void test_texts(void)
{
    static const struct {
        write_fn write;
        double value;
        const char *text;
    } rows[] = {
        {rp_load_figures_time,      0,         "0 ns"                     },
        {rp_load_figures_time,      999,       "999 ns"                   },
        {rp_load_figures_time,      999.6,     "1.00 us"                  },
        {rp_load_figures_time,      9994,      "9.99 us"                  },
        {rp_load_figures_time,      9996,      "10.0 us"                  },
        {rp_load_figures_time,      99960,     "100 us"                   },
        {rp_load_figures_time,      1624000,   "1.62 ms"                  },
        {rp_load_figures_time,      999600000, "1.00 s"                   },
        {rp_load_figures_time,      73.1e9,    "73.1 s"                   },
        {rp_load_figures_time,      750e9,     "12.5 min"                 },
        {rp_load_figures_time_page, 16200,     "16.2 µs"                 },
        {rp_load_figures_time_page, 1624000,   "1.62 ms"                  },
        {write_count,               0,         "0"                        },
        {write_count,               999,       "999"                      },
        {write_count,               1000,      "1,000"                    },
        {write_count,               1234567,   "1,234,567"                },
        {rp_load_figures_number,    0,         "0"                        },
        {rp_load_figures_number,    0.01234,   "0.0123"                   },
        {rp_load_figures_number,    1.5,       "1.50"                     },
        {rp_load_figures_number,    97.26,     "97.3"                     },
        {rp_load_figures_number,    99.96,     "100"                      },
        {rp_load_figures_number,    32900.4,   "32,900"                   },
        {rp_load_figures_number,    1e300,     "1,000,000,000,000,000,000"},
        {rp_load_figures_duration,  3.44,      "3.4 s"                    },
        {rp_load_figures_duration,  125,       "2 min 05 s"               },
        {rp_load_figures_duration,  11220,     "3 h 07 min"               },
        {rp_load_figures_duration,  1e300,     "876000 h 00 min"          },
    };
    for (size_t index = 0; index < sizeof(rows) / sizeof(rows[0]); index++) {
        char text[RP_LOAD_FIGURES_TEXT_LEN + 1];
        rows[index].write(rows[index].value, text);
        CU_ASSERT_STRING_EQUAL(text, rows[index].text);
    }
    char text[RP_LOAD_FIGURES_TEXT_LEN + 1];
    rp_load_figures_count(UINT64_MAX, text);
    CU_ASSERT_STRING_EQUAL(text, "18,446,744,073,709,551,615");
}

static void test_bound(void)
{
    static const struct {
        double client;
        double server;
        double cpus;
        const char *text;
    } rows[] = {
        {0.9,  0.5,  0.7,  "generator"},
        {0.5,  0.9,  0.7,  "server"   },
        {0.95, 0.99, 0.97, "server"   },
        {0.99, 0.95, 0.97, "generator"},
        {0.5,  0.45, 0.95, "CPUs"     }, /* one CPU for both */
        {0.89, 0.89, 0.89, "waiting"  },
        {0,    0,    0,    "waiting"  },
    };
    for (size_t index = 0; index < sizeof(rows) / sizeof(rows[0]); index++) {
        CU_ASSERT_STRING_EQUAL(
            rp_load_figures_bound(rows[index].client, rows[index].server, rows[index].cpus),
            rows[index].text);
    }
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"figures",   test_figures  },
        {"nothing",   test_nothing  },
        {"intervals", test_intervals},
        {"samples",   test_samples  },
        {"texts",     test_texts    },
        {"bound",     test_bound    },
    };
    return SUITE_RUN("perf/load_figures", tests, argc, argv);
}
