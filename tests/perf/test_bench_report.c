/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_bench_report.c - results as text and as JSON say what was measured.
 *
 * Goal: each figure stands where its head says, numbers keep four digits that count, and JSON
 * has the exact ones. Method: rows of numbers; whole lines of made-up results.
 */
#include "perf/bench_report.h"
#include "tests/tools/capture.h"
#include "tests/tools/suite.h"
#include "tools/json.h"

static struct capture capture;

static const struct rp_bench_case plain = {
    .name = "a/plain/case",
    .unit = "thing",
    .help = "does it",
};
static const struct rp_bench_case compared = {
    .name = "a/compared/case",
    .unit = "body",
    .help = "does it, too",
    .baseline = "a/plain/case",
};
static const struct rp_bench_result some = {
    .rounds = 1000,
    .checksum = UINT64_C(0x00ab00000000cd01),
    .ns_median = 200,
    .ns_min = 190,
    .ns_max = 210,
    .cycles_median = 480.5,
    .units_per_s = 5e6,
    .octets_per_s = 1.25e9,
};

static void test_numbers(void)
{
    static const struct {
        double value;
        const char *text;
    } rows[] = {
        {0,            "0.000" },
        {0.0312,       "0.031" },
        {1.5,          "1.500" },
        {9.99,         "9.990" },
        {9.996,        "10.00" },
        {15.2,         "15.20" },
        {99.94,        "99.94" },
        {99.96,        "100.0" },
        {999.4,        "999.4" },
        {999.6,        "1000"  },
        {12345,        "12345" },
        {99999,        "99999" },
        {99999.6,      "100.0k"},
        {412345,       "412.3k"},
        {41234567,     "41235k"},
        {999994999,    "1000M" },
        {123456789,    "123.5M"},
        {98765432109,  "98765M"},
        {987654321098, "987.7G"},
    };
    for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
        char text[RP_BENCH_NUMBER_LEN + 1];
        rp_bench_report_number(rows[row].value, text);
        CU_ASSERT_STRING_EQUAL(text, rows[row].text);
    }
}

static void test_table(void)
{
    struct rp_bench_report report;
    struct rp_bench_result bare = some;
    bare.cycles_median = 0;
    bare.octets_per_s = 0;
    rp_bench_report_begin(&report, &capture.output, false);
    CU_ASSERT_EQUAL(rp_bench_report_put(&report, &plain, &some, 0), 0);
    CU_ASSERT_EQUAL(rp_bench_report_put(&report, &compared, &some, 0.734), 0);
    CU_ASSERT_EQUAL(rp_bench_report_put(&report, &plain, &bare, 0), 0);
    CU_ASSERT_STRING_EQUAL(
        capture_take(&capture),
        "NAME                       UNIT       ns/unit       min  spread    cycles   units/s"
        "      MB/s   ratio  CHECKSUM\n"
        "a/plain/case               thing        200.0     190.0   10.0%     480.5     5000k"
        "      1250          00ab00000000cd01\n"
        "a/compared/case            body         200.0     190.0   10.0%     480.5     5000k"
        "      1250   0.734  00ab00000000cd01\n"
        "a/plain/case               thing        200.0     190.0   10.0%         -     5000k"
        "         -          00ab00000000cd01\n");
}

static double real_of(const json_t *object, const char *name)
{
    return json_real_value(json_object_get(object, name));
}

static bool is_about(double left, double right)
{
    return left > right * 0.999999 && left < right * 1.000001;
}

static void test_json(void)
{
    struct rp_bench_report report;
    struct rp_bench_result bare = some;
    bare.cycles_median = 0;
    bare.octets_per_s = 0;

    rp_bench_report_begin(&report, &capture.output, true);
    CU_ASSERT_EQUAL(rp_bench_report_put(&report, &compared, &some, 0.75), 0);
    json_t *object = json_loads(capture_take(&capture), 0, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(object);
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(object, "name")), compared.name);
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(object, "unit")), "body");
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(object, "checksum")),
                           "00ab00000000cd01");
    CU_ASSERT_EQUAL(json_integer_value(json_object_get(object, "rounds")), 1000);
    CU_ASSERT_TRUE(is_about(real_of(object, "ns"), 200));
    CU_ASSERT_TRUE(is_about(real_of(object, "ns_min"), 190));
    CU_ASSERT_TRUE(is_about(real_of(object, "ns_max"), 210));
    CU_ASSERT_TRUE(is_about(real_of(object, "cycles"), 480.5));
    CU_ASSERT_TRUE(is_about(real_of(object, "units_per_s"), 5e6));
    CU_ASSERT_TRUE(is_about(real_of(object, "mb_per_s"), 1250));
    CU_ASSERT_TRUE(is_about(real_of(object, "ratio"), 0.75));
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(object, "baseline")), plain.name);
    json_decref(object);

    CU_ASSERT_EQUAL(rp_bench_report_put(&report, &plain, &bare, 0), 0);
    object = json_loads(capture_take(&capture), 0, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(object);
    CU_ASSERT_TRUE(json_is_null(json_object_get(object, "cycles")));
    CU_ASSERT_TRUE(json_is_null(json_object_get(object, "mb_per_s")));
    CU_ASSERT_PTR_NULL(json_object_get(object, "ratio"));
    json_decref(object);
}

static void test_list(void)
{
    struct rp_bench_report report;
    rp_bench_report_begin(&report, &capture.output, false);
    CU_ASSERT_EQUAL(rp_bench_report_list(&report, &plain), 0);
    CU_ASSERT_STRING_EQUAL(capture_take(&capture), "a/plain/case                does it\n");
    rp_bench_report_begin(&report, &capture.output, true);
    CU_ASSERT_EQUAL(rp_bench_report_list(&report, &plain), 0);
    CU_ASSERT_STRING_EQUAL(capture_take(&capture),
                           "{\"name\":\"a/plain/case\",\"unit\":\"thing\",\"help\":\"does it\"}\n");
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"numbers", test_numbers},
        {"table",   test_table  },
        {"JSON",    test_json   },
        {"list",    test_list   },
    };
    capture_open(&capture);
    int status = SUITE_RUN("perf/bench_report", tests, argc, argv);
    capture_close(&capture);
    return status;
}
