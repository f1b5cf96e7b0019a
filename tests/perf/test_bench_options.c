/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_bench_options.c - arguments are read as meant, or refused with a reason.
 *
 * Goal: no argument is dropped or taken for another one. Method: rows of what is right, rows
 * of what is wrong with the words that the reason must have; nothing is written where it
 * failed.
 */
#include "perf/bench_options.h"
#include "tests/tools/suite.h"

#include <errno.h>
#include <string.h>

#define WORDS_MAX 8u
#define MS        UINT64_C(1000000)

static int parse(const char *const *words,
                 struct rp_bench_options *options,
                 char error[RP_BENCH_OPTIONS_ERROR_LEN])
{
    static char text[WORDS_MAX][128];
    char *arguments[WORDS_MAX];
    size_t count = 0;
    for (; words[count] != NULL; count++) {
        (void)snprintf(text[count], sizeof(text[count]), "%s", words[count]);
        arguments[count] = text[count];
    }
    return rp_bench_options_parse(arguments, count, options, error);
}

static bool is_text(const char *actual, const char *wanted)
{
    return actual == NULL || wanted == NULL ? actual == wanted : strcmp(actual, wanted) == 0;
}

static void test_right(void)
{
    static const struct {
        const char *words[WORDS_MAX];
        struct rp_bench_options wanted;
    } rows[] = {
        {{NULL},                             {.time_ns = 50 * MS, .repeat = 7}                    },
        {{"--small", NULL},                  {.time_ns = MS, .repeat = 3, .is_small = true}       },
        {{"--small", "--time", "2s", NULL},  {.time_ns = 2000 * MS, .repeat = 3, .is_small = true}},
        {{"--time=2s", "--small", NULL},     {.time_ns = 2000 * MS, .repeat = 3, .is_small = true}},
        {{"--repeat", "9", "--small", NULL}, {.time_ns = MS, .repeat = 9, .is_small = true}       },
        {{"--time", "0", NULL},              {.time_ns = 0, .repeat = 7}                          },
        {{"--filter", "--json", NULL},       {.time_ns = 50 * MS, .repeat = 7, .filter = "--json"}},
        {{"--filter=", NULL},                {.time_ns = 50 * MS, .repeat = 7, .filter = ""}      },
        {{"--filter=a=b", NULL},             {.time_ns = 50 * MS, .repeat = 7, .filter = "a=b"}   },
        {{"--dir", "/x", "--json", NULL},
         {.time_ns = 50 * MS, .repeat = 7, .dir = "/x", .is_json = true}                          },
        {{"--rounds", "12", "--list", NULL},
         {.time_ns = 50 * MS, .repeat = 7, .rounds = 12, .is_list = true}                         },
        {{"--repeat=1", "--repeat=2", NULL}, {.time_ns = 50 * MS, .repeat = 2}                    },
        {{"--version", "--nonsense", NULL},  {.time_ns = 50 * MS, .repeat = 7, .is_version = true}},
        {{"--help", "--nonsense", NULL},     {.time_ns = 50 * MS, .repeat = 7, .is_help = true}   },
        {{"-h", "--nonsense", NULL},         {.time_ns = 50 * MS, .repeat = 7, .is_help = true}   },
    };
    for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
        char error[RP_BENCH_OPTIONS_ERROR_LEN] = "";
        struct rp_bench_options got = {0};
        const struct rp_bench_options *wanted = &rows[row].wanted;
        CU_ASSERT_EQUAL(parse(rows[row].words, &got, error), 0);
        CU_ASSERT_EQUAL(got.time_ns, wanted->time_ns);
        CU_ASSERT_EQUAL(got.repeat, wanted->repeat);
        CU_ASSERT_EQUAL(got.rounds, wanted->rounds);
        CU_ASSERT_TRUE(is_text(got.filter, wanted->filter));
        CU_ASSERT_TRUE(is_text(got.dir, wanted->dir));
        CU_ASSERT_EQUAL(got.is_list, wanted->is_list);
        CU_ASSERT_EQUAL(got.is_json, wanted->is_json);
        CU_ASSERT_EQUAL(got.is_small, wanted->is_small);
        CU_ASSERT_EQUAL(got.is_help, wanted->is_help);
        CU_ASSERT_EQUAL(got.is_version, wanted->is_version);
    }
}

static void test_wrong(void)
{
    static const struct {
        const char *words[WORDS_MAX];
        const char *reason;
    } rows[] = {
        {{"-help", NULL},                            "-help: no such option; --help lists them"                 },
        {{"proto", NULL},                            "proto: no such option; --help lists them"                 },
        {{"--", NULL},                               "--: no such option"                                       },
        {{"--jso", NULL},                            "--jso: no such option"                                    },
        {{"--jsons", NULL},                          "--jsons: no such option"                                  },
        {{"--json=1", NULL},                         "--json takes no value"                                    },
        {{"--help=", NULL},                          "--help takes no value"                                    },
        {{"--filter", NULL},                         "--filter: its value is missing"                           },
        {{"--json", "--time", NULL},                 "--time: its value is missing"                             },
        {{"--time", "fast", NULL},                   "--time fast: give a time such as 50ms or 1s, at most 1min"},
        {{"--time=2min", NULL},                      "--time 2min: give a time"                                 },
        {{"--repeat", "0", NULL},                    "--repeat 0: give a number from 1 to 1000"                 },
        {{"--repeat=1001", NULL},                    "--repeat 1001: give a number from 1 to 1000"              },
        {{"--repeat", "-1", NULL},                   "--repeat -1: give a number"                               },
        {{"--rounds", "99999999999999999999", NULL}, "give a number from 1 to 1000000000"                       },
        {{"--rounds=", NULL},                        "--rounds : give a number"                                 },
    };
    for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
        char error[RP_BENCH_OPTIONS_ERROR_LEN] = "";
        struct rp_bench_options got = {.repeat = 77};
        CU_ASSERT_EQUAL(parse(rows[row].words, &got, error), -EINVAL);
        CU_ASSERT_EQUAL(got.repeat, 77);
        if (strstr(error, rows[row].reason) == NULL) {
            (void)printf("row %zu: %s\n", row, error);
            CU_FAIL("another reason");
        }
    }
}

static void test_times(void)
{
    static const struct {
        const char *text;
        uint64_t ns; /* UINT64_MAX: it is wrong */
    } rows[] = {
        {"1ms",                    MS        },
        {"0",                      0         },
        {"0ms",                    0         },
        {"3",                      3000 * MS },
        {"3s",                     3000 * MS },
        {"1min",                   60000 * MS},
        {"60s",                    60000 * MS},
        {"60000ms",                60000 * MS},
        {"61s",                    UINT64_MAX},
        {"60001ms",                UINT64_MAX},
        {"2min",                   UINT64_MAX},
        {"",                       UINT64_MAX},
        {"s",                      UINT64_MAX},
        {"-1s",                    UINT64_MAX},
        {"+1s",                    UINT64_MAX},
        {" 1s",                    UINT64_MAX},
        {"1 s",                    UINT64_MAX},
        {"1.5s",                   UINT64_MAX},
        {"1S",                     UINT64_MAX},
        {"1h",                     UINT64_MAX},
        {"1ss",                    UINT64_MAX},
        {"18446744073709551616",   UINT64_MAX},
        {"18446744073709551616ms", UINT64_MAX},
        {"9999999999999999999s",   UINT64_MAX},
    };
    for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
        uint64_t ns = UINT64_MAX;
        int outcome = rp_bench_options_time(rows[row].text, &ns);
        CU_ASSERT_EQUAL(outcome, rows[row].ns == UINT64_MAX ? -EINVAL : 0);
        CU_ASSERT_EQUAL(ns, rows[row].ns);
    }
}

static void test_help(void)
{
    size_t index = 0;
    for (const char *line; (line = rp_bench_options_help(index)) != NULL; index++) {
        CU_ASSERT_EQUAL(strncmp(line, "  --", 4), 0);
    }
    CU_ASSERT_EQUAL(index, 10);
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"right", test_right},
        {"wrong", test_wrong},
        {"times", test_times},
        {"help",  test_help },
    };
    return SUITE_RUN("perf/bench_options", tests, argc, argv);
}
