/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_load_verdict.c - whether a run passed, and if not, why.
 *
 * Goal: each thing that makes a run fail does so alone, with its words; refusals do not; a
 * threshold on errors takes the place of the rule that there are none.
 * Method: a run that passes, spoilt in one way a row.
 */
#include "load_case.h"
#include "perf/load_verdict.h"

static struct load_case run;
static struct rp_load_threshold thresholds[RP_LOAD_THRESHOLDS_MAX];
static struct rp_load_verdict verdict;

static void add_threshold(const char *text)
{
    char error[512];
    struct rp_load_report *report = &run.report;
    CU_ASSERT_EQUAL_FATAL(
        rp_load_threshold_parse(text, &thresholds[report->threshold_count], error, sizeof(error)),
        0);
    report->thresholds = thresholds;
    report->threshold_count++;
}

static void spoil_nothing(void)
{
}

static void spoil_refused(void)
{
    load_case_refuse(&run, LOAD_CASE_BEGIN, "550 no");
    run.stats->connections_refused = 5;
    run.stats->never_sent = 5;
}

static void spoil_errors(void)
{
    load_case_refuse(&run, LOAD_CASE_BEGIN, "550 no");
    rp_load_stats_sample(run.stats, "closed", "no greeting came", 16);
    rp_load_stats_error(run.stats, LOAD_CASE_BEGIN, RP_LOAD_ERROR_CLOSED);
    rp_load_stats_error(run.stats, LOAD_CASE_BEGIN, RP_LOAD_ERROR_TIMEOUT);
    rp_load_stats_error(run.stats, LOAD_CASE_BEGIN, RP_LOAD_ERROR_TIMEOUT);
}

static void spoil_errors_allowed(void)
{
    spoil_errors();
    add_threshold("errors=3");
}

static void spoil_errors_limited(void)
{
    spoil_errors();
    add_threshold("errors=2");
}

static void spoil_accepted(void)
{
    run.stats->accepted = 0;
    load_case_refuse(&run, LOAD_CASE_BEGIN, "550 no");
}

static void spoil_all(void)
{
    run.stats->accepted = 0;
}

static void spoil_fatal(void)
{
    run.report.fatal = "connect: Connection refused";
    spoil_errors();
}

static void spoil_fatal_later(void)
{
    spoil_fatal();
    run.report.has_been_ready = true;
}

static void spoil_spool(void)
{
    load_case_verify(&run);
    run.verify.lost = 3;
    run.verify.damaged = 1;
}

static void spoil_reading(void)
{
    run.report.verify_error = "/x: no spool";
}

static void spoil_thresholds(void)
{
    add_threshold("p95=1ns");
    add_threshold("errors=0");
    add_threshold("rate=1000000");
}

static const struct {
    void (*spoil)(void);
    const char *reasons[3];
} rows[] = {
    {spoil_nothing,        {NULL}                                                                       },
    {spoil_refused,        {NULL}                                                                       },
    {spoil_errors,         {"127.0.0.1:2525: errors: closed 1, timeout 2; closed: no greeting came"}    },
    {spoil_errors_allowed, {NULL}                                                                       },
    {spoil_errors_limited, {"threshold missed: errors: 3, the threshold 2"}                             },
    {spoil_accepted,       {"127.0.0.1:2525: no message was accepted; rcpt: 550 no"}                    },
    {spoil_all,            {"127.0.0.1:2525: no message was accepted"}                                  },
    {spoil_fatal,          {"127.0.0.1:2525: connect: Connection refused; is the server running there?"}},
    {spoil_fatal_later,    {"127.0.0.1:2525: connect: Connection refused"}                              },
    {spoil_spool,          {"--verify: 3 lost, 0 duplicated, 0 corrupted, 1 damaged"}                   },
    {spoil_reading,        {"--verify /x: no spool"}                                                    },
    {spoil_thresholds,
     {"threshold missed: p95 is 1.50 ms, the threshold 1 ns",
      "threshold missed: rate is 50.0 messages/s, the threshold 1,000,000"}                             },
};

static void test_rows(void)
{
    for (size_t index = 0; index < sizeof(rows) / sizeof(rows[0]); index++) {
        load_case_open(&run, "one");
        rows[index].spoil();
        rp_load_verdict_init(&verdict, &run.report);
        uint32_t count = 0;
        while (count < 3 && rows[index].reasons[count] != NULL) {
            if (count < verdict.count) {
                CU_ASSERT_STRING_EQUAL(verdict.reasons[count], rows[index].reasons[count]);
            }
            count++;
        }
        CU_ASSERT_EQUAL(verdict.count, count);
        load_case_close(&run);
    }
}

/* As many reasons as there can be, as long as they can be. */
static void test_most(void)
{
    static char target[600];
    load_case_open(&run, "one");
    spoil_spool();
    spoil_fatal();
    memset(target, 'x', sizeof(target) - 1);
    run.report.target = target;
    while (run.report.threshold_count < RP_LOAD_THRESHOLDS_MAX) {
        add_threshold("max=1ns");
    }
    rp_load_verdict_init(&verdict, &run.report);
    CU_ASSERT_EQUAL(verdict.count, RP_LOAD_VERDICT_REASONS_MAX);
    CU_ASSERT_EQUAL(strlen(verdict.reasons[1]), RP_LOAD_VERDICT_TEXT_LEN);
    load_case_close(&run);
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"reasons",                 test_rows},
        {"as many as there can be", test_most},
    };
    return SUITE_RUN("perf/load_verdict", tests, argc, argv);
}
