/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_load_options.c - arguments are read as meant, or refused with a reason.
 *
 * Goal: no argument is dropped or taken for another; no password in a message. Method: rows of
 * right and of wrong command lines, each with what must come of it; every option of --help.
 */
#include "perf/load_options.h"
#include "tests/tools/suite.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define WORDS_MAX 40u

static char error[RP_LOAD_OPTIONS_ERROR_LEN];

static const void *octets_of(const struct rp_load_options *options)
{
    return options;
}

/* The words of a line, split at blanks; '~' stands for an empty one. */
static int parse(const char *line, struct rp_load_options *options)
{
    static char text[2048];
    char *words[WORDS_MAX];
    size_t count = 0;
    (void)snprintf(text, sizeof(text), "%s", line);
    for (char *at = text; *at != '\0' && count < WORDS_MAX;) {
        size_t len = strcspn(at, " ");
        words[count++] = at;
        at += len + (at[len] == ' ' ? 1 : 0);
        words[count - 1][len] = '\0';
        if (strcmp(words[count - 1], "~") == 0) {
            words[count - 1][0] = '\0';
        }
    }
    return rp_load_options_parse(words, count, options, error);
}

static struct rp_load_options parsed(const char *line)
{
    struct rp_load_options options;
    memset(&options, 0xa5, sizeof(options));
    int err = parse(line, &options);
    if (err != 0) {
        (void)fprintf(stderr, "%s: %s\n", line, error);
    }
    CU_ASSERT_EQUAL_FATAL(err, 0);
    return options;
}

static void test_defaults(void)
{
    struct rp_load_options options = parsed("");
    CU_ASSERT_STRING_EQUAL(options.target, "127.0.0.1:2525");
    CU_ASSERT_EQUAL(options.connections, 100);
    CU_ASSERT_EQUAL(options.messages, 0);
    CU_ASSERT_EQUAL(options.duration_ns, UINT64_C(10000000000));
    CU_ASSERT_EQUAL(options.timeout_ns, UINT64_C(60000000000));
    CU_ASSERT_EQUAL(options.size_min, 10240);
    CU_ASSERT_EQUAL(options.size_max, 10240);
    CU_ASSERT_EQUAL(options.recipients, 1);
    CU_ASSERT_EQUAL(options.mode, RP_LOAD_PLAIN);
    CU_ASSERT_EQUAL(options.depth, 1);
    CU_ASSERT_EQUAL(options.arrivals, RP_LOAD_ARRIVALS_NONE);
    CU_ASSERT_STRING_EQUAL(options.domain, "example.com");
    CU_ASSERT_PTR_NULL(options.sender);
    CU_ASSERT_PTR_NULL(options.corpus);
    CU_ASSERT_FALSE(options.is_quiet || options.is_owned || options.is_lmtp || options.is_forced);
    CU_ASSERT_EQUAL(parsed("--messages 5").duration_ns, 0);
    CU_ASSERT_EQUAL(parsed("--self-test").duration_ns, UINT64_C(1000000000));
    CU_ASSERT_EQUAL(parsed("--pipelining").depth, 2);
    CU_ASSERT_EQUAL(parsed("--bdat").depth, 2);
    CU_ASSERT_EQUAL(parsed("--rate 5").arrivals, RP_LOAD_ARRIVALS_CONSTANT);
}

static void test_right(void)
{
    struct rp_load_options options = parsed(
        "--connections 7 [::1]:25 --messages=9 --duration 1.5min --warmup 250ms --rate 12.5 "
        "--arrivals poisson --recipients 3 --per-connection 4 --bdat --depth 8 --force --lmtp "
        "--sources 6 --timeout 2h --workers 2 --verify V --cpu-stat C --json - --html H --quiet "
        "--i-own-this-server");
    CU_ASSERT_STRING_EQUAL(options.target, "[::1]:25");
    CU_ASSERT_EQUAL(options.connections, 7);
    CU_ASSERT_EQUAL(options.messages, 9);
    CU_ASSERT_EQUAL(options.duration_ns, UINT64_C(90000000000));
    CU_ASSERT_EQUAL(options.warmup_ns, UINT64_C(250000000));
    CU_ASSERT_EQUAL(options.timeout_ns, UINT64_C(7200000000000));
    CU_ASSERT_DOUBLE_EQUAL(options.rate, 12.5, 1e-9);
    CU_ASSERT_EQUAL(options.arrivals, RP_LOAD_ARRIVALS_POISSON);
    CU_ASSERT_EQUAL(options.recipients, 3);
    CU_ASSERT_EQUAL(options.per_connection, 4);
    CU_ASSERT_EQUAL(options.mode, RP_LOAD_BDAT);
    CU_ASSERT_EQUAL(options.depth, 8);
    CU_ASSERT_EQUAL(options.sources, 6);
    CU_ASSERT_EQUAL(options.workers, 2);
    CU_ASSERT_STRING_EQUAL(options.verify, "V");
    CU_ASSERT_STRING_EQUAL(options.cpu_stat, "C");
    CU_ASSERT_STRING_EQUAL(options.json, "-");
    CU_ASSERT_STRING_EQUAL(options.html, "H");
    CU_ASSERT_TRUE(options.is_quiet && options.is_owned && options.is_lmtp && options.is_forced);
    options =
        parsed("--auth joe:a:b=c --auth-mechanism LOGIN --sender ~ --domain d.example -- x:1");
    CU_ASSERT_STRING_EQUAL(options.auth, "joe:a:b=c");
    CU_ASSERT_EQUAL(options.mechanism, RP_LOAD_AUTH_LOGIN);
    CU_ASSERT_STRING_EQUAL(options.sender, "");
    CU_ASSERT_STRING_EQUAL(options.domain, "d.example");
    CU_ASSERT_STRING_EQUAL(options.target, "x:1");
    CU_ASSERT_STRING_EQUAL(parsed("--sender=").sender, "");
    CU_ASSERT_STRING_EQUAL(parsed("--sender me@x").sender, "me@x");
    options = parsed("--threshold p99=20ms --threshold errors=0");
    CU_ASSERT_EQUAL_FATAL(options.threshold_count, 2);
    CU_ASSERT_STRING_EQUAL(options.thresholds[0], "p99=20ms");
    CU_ASSERT_STRING_EQUAL(options.thresholds[1], "errors=0");
    CU_ASSERT_EQUAL(parsed("--bdat --pipelining").mode, RP_LOAD_PIPELINED); /* the last one */
    CU_ASSERT_TRUE(parsed("--help --nonsense").is_help);
    CU_ASSERT_TRUE(parsed("-h").is_help);
    CU_ASSERT_TRUE(parsed("--version").is_version);
}

static void test_sizes(void)
{
    static const struct {
        const char *text;
        uint64_t min;
        uint64_t max;
        bool is_corpus;
    } rows[] = {
        {"1",         1,        1,        false},
        {"512b",      512,      512,      false},
        {"1kb",       1024,     1024,     false},
        {"1.5mb",     1572864,  1572864,  false},
        {"1gb",       1u << 30, 1u << 30, false},
        {"100-200",   100,      200,      false},
        {"1kb-1mb",   1024,     1048576,  false},
        {"eml:a-b",   10240,    10240,    true },
        {"mbox:/x/y", 10240,    10240,    true },
    };
    for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
        char line[64];
        (void)snprintf(line, sizeof(line), "--size %s", rows[row].text);
        struct rp_load_options options = parsed(line);
        CU_ASSERT_STRING_EQUAL(options.size, rows[row].text);
        CU_ASSERT_EQUAL(options.corpus != NULL, rows[row].is_corpus);
        CU_ASSERT_EQUAL(options.size_min, rows[row].min);
        CU_ASSERT_EQUAL(options.size_max, rows[row].max);
    }
    CU_ASSERT_PTR_NULL(parsed("--size eml:x --size 5kb").corpus); /* the last one */
}

static void test_wrong(void)
{
    static const struct {
        const char *line;
        const char *words;
    } rows[] = {
        {"--nonsense",                      "--nonsense: no such option; ringpost-load --help"},
        {"--tls none",                      "--tls: no such option"                           },
        {"--connection 5",                  "--connection: no such option"                    },
        {"-x",                              "-x: no such option"                              },
        {"a:1 b:2",                         "b:2: one argument too many"                      },
        {"--connections",                   "--connections: its N is missing"                 },
        {"--connections ~",                 "--connections: its N is missing"                 },
        {"--connections 0",                 "--connections 0: give a number from 1 to 1000000"},
        {"--connections -1",                "--connections -1: give a number"                 },
        {"--connections 1x",                "--connections 1x: give a number"                 },
        {"--messages 99999999999999999999", "give a number from 1"                            },
        {"--duration 0",                    "--duration 0: give a time: 500ms"                },
        {"--duration 5x",                   "give a time"                                     },
        {"--duration 1.",                   "give a time"                                     },
        {"--duration .5s",                  "give a time"                                     },
        {"--duration 1e9h",                 "give a time"                                     },
        {"--duration 9999999999h",          "give a time"                                     },
        {"--rate 0",                        "--rate 0: give messages a second"                },
        {"--rate 5/s",                      "give messages a second"                          },
        {"--arrivals uniform --rate 5",     "--arrivals uniform: give constant or poisson"    },
        {"--arrivals poisson",              "--arrivals: it says how; give --rate R too"      },
        {"--size 0",                        "a message has 1 octet to 16 GiB"                 },
        {"--size 17gb",                     "a message has 1 octet to 16 GiB"                 },
        {"--size 5-4",                      "the smaller size comes first"                    },
        {"--size 5-",                       "give octets (10240, 10kb), a range"              },
        {"--size -5",                       "give octets"                                     },
        {"--size dir:x",                    "give octets"                                     },
        {"--recipients 100001",             "give a number from 1 to 100000"                  },
        {"--depth 2",                       "--depth: one command, one reply means 1"         },
        {"--pipelining --depth 3",          "--pipelining has at most 2"                      },
        {"--bdat --depth 65",               "give a number from 1 to 64"                      },
        {"--plain=yes",                     "--plain: it takes no value"                      },
        {"--auth joe",                      "--auth: give NAME:PASSWORD"                      },
        {"--auth-mechanism plain",          "give --auth NAME:PASSWORD too"                   },
        {"--auth a:b --auth-mechanism x",   "give plain or login"                             },
        {"--domain a>b",                    "--domain: give a domain in ASCII"                },
        {"--sender a<b",                    "--sender: give an address in ASCII"              },
        {"--sources 99999999",              "give a number from 1 to 16776958"                },
        {"--self-test --verify x",          "--self-test: it has no spool"                    },
    };
    for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
        struct rp_load_options options;
        memset(&options, 0xa5, sizeof(options));
        struct rp_load_options before = options;
        error[0] = '\0';
        CU_ASSERT_EQUAL(parse(rows[row].line, &options), -EINVAL);
        bool has_words = strstr(error, rows[row].words) != NULL;
        if (!has_words) {
            (void)fprintf(stderr, "%s: want \"%s\", got \"%s\"\n", rows[row].line, rows[row].words,
                          error);
        }
        CU_ASSERT_TRUE(has_words);
        /* Nothing is written. */
        CU_ASSERT_EQUAL(memcmp(octets_of(&options), octets_of(&before), sizeof(options)), 0);
    }
}

static void test_password_is_not_told(void)
{
    struct rp_load_options options;
    char line[1200] = "--auth ";
    memset(line + 7, 'n', 300);
    memcpy(line + 307, ":topsecret", sizeof(":topsecret"));
    CU_ASSERT_EQUAL(parse(line, &options), -EINVAL);
    CU_ASSERT_PTR_NULL(strstr(error, "topsecret"));
    CU_ASSERT_EQUAL(parse("--auth :topsecret", &options), -EINVAL);
    CU_ASSERT_PTR_NULL(strstr(error, "topsecret"));
}

static void test_many_thresholds(void)
{
    struct rp_load_options options;
    for (unsigned count = 0; count <= RP_LOAD_THRESHOLDS_MAX; count++) {
        char *words[RP_LOAD_THRESHOLDS_MAX + 1];
        char text[RP_LOAD_THRESHOLDS_MAX + 1][32];
        for (unsigned index = 0; index <= count; index++) {
            (void)snprintf(text[index], sizeof(text[index]), "--threshold=a=%u", index);
            words[index] = text[index];
        }
        int err = rp_load_options_parse(words, count + 1, &options, error);
        CU_ASSERT_EQUAL(err, count < RP_LOAD_THRESHOLDS_MAX ? 0 : -EINVAL);
    }
}

/* Every option of --help is one, and takes a value where it shows one. */
static void test_help(void)
{
    char line[160];
    size_t count = 0;
    for (; rp_load_options_help(count, line, sizeof(line)) != NULL; count++) {
        char name[48];
        struct rp_load_options options;
        size_t len = strcspn(line + 2, " ");
        CU_ASSERT_TRUE(strlen(line) <= 100);
        CU_ASSERT_PTR_NULL(strstr(line, "tls"));
        (void)snprintf(name, sizeof(name), "%.*s", (int)len, line + 2);
        bool has_value = line[2 + len + 1] >= 'A' && line[2 + len + 1] <= 'Z';
        error[0] = '\0';
        int err = parse(name, &options);
        CU_ASSERT_PTR_NULL(strstr(error, "no such option"));
        CU_ASSERT_EQUAL(err != 0 && strstr(error, "is missing") != NULL, has_value);
    }
    CU_ASSERT_EQUAL(count, 32);
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"defaults",                 test_defaults            },
        {"right",                    test_right               },
        {"sizes",                    test_sizes               },
        {"wrong",                    test_wrong               },
        {"the password is not told", test_password_is_not_told},
        {"many thresholds",          test_many_thresholds     },
        {"help",                     test_help                },
    };
    return SUITE_RUN("perf/load_options", tests, argc, argv);
}
