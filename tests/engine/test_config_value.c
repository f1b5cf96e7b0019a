/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_config_value.c - sizes, times, shares, truth values and addresses as text.
 *
 * Goal: each form is read to the right value, nothing else is read, and what is printed
 * is read back. Method: rows, each also cut at every octet, all in front of a guard page;
 * then every short text and random longer ones, compared with a second description: a
 * regular expression for the form, and 128-bit arithmetic for the value.
 *
 * A number as argument is the seed of the random part.
 */
#include "engine/config_value.h"
#include "tests/proto/guard.h"
#include "tests/tools/suite.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <regex.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define GOOD         RP_CONFIG_VALUE_GOOD
#define MALFORMED    RP_CONFIG_VALUE_MALFORMED
#define HUGE_        RP_CONFIG_VALUE_HUGE
#define UNTOUCHED    0x5a5a5a5a5a5a5a5aull

static struct guard guard;

static const char *guarded(const char *text, size_t len)
{
    char copy[256];
    CU_ASSERT_FATAL(len < sizeof(copy));
    memcpy(copy, text, len);
    copy[len] = '\0';
    return (const char *)guard_copy(&guard, copy, len + 1);
}

typedef enum rp_config_value (*parse_fn)(const char *text, uint64_t *out);

/* ---- rows ---- */

struct row {
    parse_fn parse;
    const char *text;
    enum rp_config_value result;
    uint64_t value;
};

/* clang-format off */
static const struct row rows[] = {
    {rp_config_value_number, "0",                     GOOD, 0},
    {rp_config_value_number, "0012",                  GOOD, 12},
    {rp_config_value_number, "18446744073709551615",  GOOD, UINT64_MAX},
    {rp_config_value_number, "18446744073709551616",  HUGE_, 0},
    {rp_config_value_number, "99999999999999999999999999", HUGE_, 0},
    {rp_config_value_number, "",                      MALFORMED, 0},
    {rp_config_value_number, "-1",                    MALFORMED, 0},
    {rp_config_value_number, "+1",                    MALFORMED, 0},
    {rp_config_value_number, " 1",                    MALFORMED, 0},
    {rp_config_value_number, "1 ",                    MALFORMED, 0},
    {rp_config_value_number, "0x10",                  MALFORMED, 0},
    {rp_config_value_size,   "512",                   GOOD, 512},
    {rp_config_value_size,   "10kb",                  GOOD, 10240},
    {rp_config_value_size,   "10MB",                  GOOD, 10485760},
    {rp_config_value_size,   "64Gb",                  GOOD, 64ull << 30},
    {rp_config_value_size,   "0gb",                   GOOD, 0},
    {rp_config_value_size,   "17179869183gb",         GOOD, 17179869183ull << 30},
    {rp_config_value_size,   "17179869184gb",         HUGE_, 0},
    {rp_config_value_size,   "10 mb",                 MALFORMED, 0},
    {rp_config_value_size,   "mb",                    MALFORMED, 0},
    {rp_config_value_size,   "10m",                   MALFORMED, 0},
    {rp_config_value_size,   "10b",                   MALFORMED, 0},
    {rp_config_value_size,   "1.5mb",                 MALFORMED, 0},
    {rp_config_value_size,   "10s",                   MALFORMED, 0},
    {rp_config_value_time,   "30",                    GOOD, 30000000000},
    {rp_config_value_time,   "250ms",                 GOOD, 250000000},
    {rp_config_value_time,   "30s",                   GOOD, 30000000000},
    {rp_config_value_time,   "5min",                  GOOD, 300000000000},
    {rp_config_value_time,   "2H",                    GOOD, 7200000000000},
    {rp_config_value_time,   "1d",                    GOOD, 86400000000000},
    {rp_config_value_time,   "0",                     GOOD, 0},
    {rp_config_value_time,   "18446744073s",          GOOD, 18446744073000000000ull},
    {rp_config_value_time,   "18446744074s",          HUGE_, 0},
    {rp_config_value_time,   "5m",                    MALFORMED, 0},
    {rp_config_value_time,   "5mins",                 MALFORMED, 0},
    {rp_config_value_time,   "-5s",                   MALFORMED, 0},
};
/* clang-format on */

static void test_rows(void)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint64_t value = UNTOUCHED;
        enum rp_config_value result =
            rows[i].parse(guarded(rows[i].text, strlen(rows[i].text)), &value);
        if (result != rows[i].result || value != (result == GOOD ? rows[i].value : UNTOUCHED)) {
            printf("\nrow %zu, %s: %u, %" PRIu64 "\n", i, rows[i].text, result, value);
            CU_FAIL("a row");
        }
    }
}

/* ---- a second description ---- */

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit sizes[] = {
    {"",   1         },
    {"kb", 1024      },
    {"mb", 1048576   },
    {"gb", 1073741824}
};
static const struct unit times[] = {
    {"",    1000000000    },
    {"ms",  1000000       },
    {"s",   1000000000    },
    {"min", 60000000000   },
    {"h",   3600000000000 },
    {"d",   86400000000000}
};

struct form {
    const char *name;
    parse_fn parse;
    const char *pattern;
    const struct unit *units;
    size_t unit_count;
    regex_t regex;
};

static struct form forms[] = {
    {.name = "number",
     .parse = rp_config_value_number,
     .pattern = "^[0-9]+$",
     .units = sizes,
     .unit_count = 1           },
    {.name = "size",
     .parse = rp_config_value_size,
     .pattern = "^[0-9]+(kb|mb|gb)?$",
     .units = sizes,
     .unit_count = COUNT(sizes)},
    {.name = "time",
     .parse = rp_config_value_time,
     .pattern = "^[0-9]+(ms|s|min|h|d)?$",
     .units = times,
     .unit_count = COUNT(times)},
};

__extension__ typedef unsigned __int128 wide;

static enum rp_config_value expect(const struct form *form, const char *text, uint64_t *value)
{
    if (regexec(&form->regex, text, 0, NULL, 0) != 0) {
        return MALFORMED;
    }
    wide sum = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        sum = sum * 10 + (unsigned)(*at - '0');
    }
    for (size_t i = 0; i < form->unit_count; i++) {
        if (strcasecmp(at, form->units[i].name) == 0) {
            sum *= form->units[i].factor;
            break;
        }
    }
    *value = (uint64_t)sum;
    return sum > UINT64_MAX ? HUGE_ : GOOD;
}

static void compare(const char *text)
{
    const char *copy = guarded(text, strlen(text));
    for (size_t i = 0; i < COUNT(forms); i++) {
        uint64_t wanted = UNTOUCHED;
        uint64_t value = UNTOUCHED;
        enum rp_config_value wanted_result = expect(&forms[i], text, &wanted);
        enum rp_config_value result = forms[i].parse(copy, &value);
        if (result != wanted_result || (result == GOOD && value != wanted) ||
            (result != GOOD && value != UNTOUCHED)) {
            printf("\n%s \"%s\": %u, want %u\n", forms[i].name, text, result, wanted_result);
            CU_FAIL("differs from the second description");
        }
    }
}

static void test_cuts(void)
{
    char text[64];
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (size_t len = 0; len <= strlen(rows[i].text); len++) {
            memcpy(text, rows[i].text, len);
            text[len] = '\0';
            compare(text);
        }
    }
}

static void test_short_texts(void)
{
    static const char symbols[] = "09kKmgbsinhd% -.";
    char text[5] = {0};
    const size_t count = sizeof(symbols);
    size_t total = count * count * count * count;
    for (size_t number = 0; number < total; number++) {
        size_t rest = number;
        for (size_t i = 0; i < 4; i++) {
            text[i] = symbols[rest % sizeof(symbols)]; /* the NUL among them ends a shorter one */
            rest /= sizeof(symbols);
        }
        compare(text);
    }
}

static void test_random_numbers(void)
{
    static const char *const ends[] = {"", "kb", "MB", "gb", "ms", "s", "min", "H", "d", "x"};
    uint64_t state = suite_seed;
    char text[64];
    for (int i = 0; i < 20000; i++) {
        uint64_t number = suite_random(&state) >> suite_random_below(&state, 64);
        (void)snprintf(text, sizeof(text), "%.*s%" PRIu64 "%s", (int)suite_random_below(&state, 4),
                       "1000", number,
                       ends[suite_random_below(&state, COUNT(ends))]); /* always fits */
        compare(text);
    }
}

/* ---- the other forms ---- */

static void test_shares(void)
{
    static const struct {
        const char *text;
        enum rp_config_value result;
        struct rp_config_share share;
    } shares[] = {
        {"5%",                    GOOD,      {0, 5}       },
        {"99%",                   GOOD,      {0, 99}      },
        {"0%",                    GOOD,      {0, 0}       },
        {"100%",                  HUGE_,     {0, 0}       },
        {"4294967301%",           HUGE_,     {0, 0}       },
        {"10mb",                  GOOD,      {10485760, 0}},
        {"%",                     MALFORMED, {0, 0}       },
        {"5%%",                   MALFORMED, {0, 0}       },
        {"5 %",                   MALFORMED, {0, 0}       },
        {"-5%",                   MALFORMED, {0, 0}       },
        {"5mb%",                  MALFORMED, {0, 0}       },
        {"99999999999999999999%", HUGE_,     {0, 0}       },
    };
    for (size_t i = 0; i < COUNT(shares); i++) {
        struct rp_config_share share = {77, 77};
        const char *text = guarded(shares[i].text, strlen(shares[i].text));
        CU_ASSERT_EQUAL(rp_config_value_share(text, &share), shares[i].result);
        bool is_good = shares[i].result == GOOD;
        CU_ASSERT_EQUAL(share.octets, is_good ? shares[i].share.octets : 77);
        CU_ASSERT_EQUAL(share.percent, is_good ? shares[i].share.percent : 77);
    }
}

static void test_bools(void)
{
    static const char *const bad[] = {"", "1", "0", "yes", "on", "tru", "true ", "truefalse"};
    bool is_true = false;
    CU_ASSERT(rp_config_value_bool(guarded("true", 4), &is_true) == GOOD && is_true);
    CU_ASSERT(rp_config_value_bool(guarded("False", 5), &is_true) == GOOD && !is_true);
    CU_ASSERT(rp_config_value_bool(guarded("TRUE", 4), &is_true) == GOOD && is_true);
    for (size_t i = 0; i < COUNT(bad); i++) {
        CU_ASSERT_EQUAL(rp_config_value_bool(guarded(bad[i], strlen(bad[i])), &is_true), MALFORMED);
        CU_ASSERT(is_true);
    }
}

/* An address as inet_ntop and its family say it; "" where it was refused. */
static void describe_address(const char *text, char *out, size_t out_len)
{
    struct sockaddr_storage address;
    socklen_t len = 0;
    char host[INET6_ADDRSTRLEN] = "";
    memset(&address, 0xff, sizeof(address));
    enum rp_config_value result =
        rp_config_value_address(guarded(text, strlen(text)), &address, &len);
    if (result != GOOD) {
        (void)snprintf(out, out_len, "%s", result == HUGE_ ? "huge" : "malformed");
    } else if (address.ss_family == AF_UNIX) {
        const struct sockaddr_un *local = (const void *)&address;
        CU_ASSERT_EQUAL(len, sizeof(*local));
        (void)snprintf(out, out_len, "unix %s", local->sun_path);
    } else if (address.ss_family == AF_INET) {
        const struct sockaddr_in *ipv4 = (const void *)&address;
        CU_ASSERT_EQUAL(len, sizeof(*ipv4));
        (void)inet_ntop(AF_INET, &ipv4->sin_addr, host, sizeof(host)); /* fits */
        (void)snprintf(out, out_len, "4 %s %u", host, ntohs(ipv4->sin_port));
    } else {
        const struct sockaddr_in6 *ipv6 = (const void *)&address;
        CU_ASSERT_EQUAL(len, sizeof(*ipv6));
        CU_ASSERT_EQUAL(address.ss_family, AF_INET6);
        (void)inet_ntop(AF_INET6, &ipv6->sin6_addr, host, sizeof(host));
        (void)snprintf(out, out_len, "6 %s %u", host, ntohs(ipv6->sin6_port));
    }
}

static void test_addresses(void)
{
    static const char *const addresses[][2] = {
        {"127.0.0.1:2525",                                        "4 127.0.0.1 2525"  },
        {"0.0.0.0:0",                                             "4 0.0.0.0 0"       },
        {"localhost:65535",                                       "4 127.0.0.1 65535" },
        {"*:25",                                                  "6 :: 25"           },
        {"[::1]:25",                                              "6 ::1 25"          },
        {"[2001:db8::5]:25",                                      "6 2001:db8::5 25"  },
        {"[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535",
         "6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535"                            },
        {"[fe80::1%lo]:25",                                       "malformed"         },
        {"unix:/run/x,y.sock",                                    "unix /run/x,y.sock"},
        {"unix:relative",                                         "unix relative"     },
        {"unix:",                                                 "malformed"         },
        {"127.0.0.1",                                             "malformed"         },
        {"127.0.0.1:",                                            "malformed"         },
        {"127.0.0.1:65536",                                       "huge"              },
        {"127.0.0.1:000025",                                      "huge"              },
        {"127.0.0.1:99999999999999999999",                        "huge"              },
        {"127.0.0.1:-1",                                          "malformed"         },
        {"127.0.0.1:25x",                                         "malformed"         },
        {"127.1:25",                                              "malformed"         },
        {"256.0.0.1:25",                                          "malformed"         },
        {"::1:25",                                                "malformed"         },
        {"[::1]",                                                 "malformed"         },
        {"[]:25",                                                 "malformed"         },
        {"[:25",                                                  "malformed"         },
        {"[127.0.0.1]:25",                                        "malformed"         },
        {"mx.example.org:25",                                     "malformed"         },
        {":25",                                                   "malformed"         },
        {"",                                                      "malformed"         },
    };
    char text[256];
    for (size_t i = 0; i < COUNT(addresses); i++) {
        describe_address(addresses[i][0], text, sizeof(text));
        if (strcmp(text, addresses[i][1]) != 0) {
            printf("\n%s: %s, want %s\n", addresses[i][0], text, addresses[i][1]);
            CU_FAIL("an address");
        }
        for (size_t len = 0; len < strlen(addresses[i][0]); len++) {
            char cut[256];
            memcpy(cut, addresses[i][0], len);
            cut[len] = '\0';
            describe_address(cut, text, sizeof(text)); /* must only stay before the guard page */
        }
    }
}

static void test_address_lengths(void)
{
    char text[200] = "unix:/";
    struct sockaddr_storage address;
    socklen_t len = 0;
    for (size_t path_len = 1; path_len < 190; path_len++) {
        memset(text + 5, '/', path_len);
        text[5 + path_len] = '\0';
        enum rp_config_value wanted = path_len <= 107 ? GOOD : HUGE_;
        CU_ASSERT_EQUAL(rp_config_value_address(guarded(text, strlen(text)), &address, &len),
                        wanted);
        memset(text, '1', path_len);
        memcpy(text + path_len, ":25", 4);
        CU_ASSERT_EQUAL(rp_config_value_address(guarded(text, strlen(text)), &address, &len),
                        MALFORMED);
        memcpy(text, "unix:", 5);
    }
}

/* ---- printing ---- */

static void test_printed_rows(void)
{
    static const struct {
        void (*print)(uint64_t value, char *text);
        uint64_t value;
        const char *text;
    } printed[] = {
        {rp_config_value_print_size, 0,              "0"                   },
        {rp_config_value_print_size, 1001,           "1001"                },
        {rp_config_value_print_size, 1024,           "1kb"                 },
        {rp_config_value_print_size, 33554432,       "32mb"                },
        {rp_config_value_print_size, 5ull << 30,     "5gb"                 },
        {rp_config_value_print_size, UINT64_MAX,     "18446744073709551615"},
        {rp_config_value_print_time, 0,              "0s"                  },
        {rp_config_value_print_time, 1500000000,     "1500ms"              },
        {rp_config_value_print_time, 30000000000,    "30s"                 },
        {rp_config_value_print_time, 300000000000,   "5min"                },
        {rp_config_value_print_time, 86400000000000, "1d"                  },
        {rp_config_value_print_time, 1999999,        "1ms"                 },
    };
    char text[RP_CONFIG_VALUE_LEN];
    for (size_t i = 0; i < COUNT(printed); i++) {
        printed[i].print(printed[i].value, text);
        CU_ASSERT_STRING_EQUAL(text, printed[i].text);
    }
}

static void test_printed_is_read_back(void)
{
    uint64_t state = suite_seed;
    char text[RP_CONFIG_VALUE_LEN];
    for (int i = 0; i < 20000; i++) {
        uint64_t value = suite_random(&state) >> suite_random_below(&state, 64);
        value <<= suite_random_below(&state, 40);
        uint64_t read = UNTOUCHED;
        rp_config_value_print_size(value, text);
        CU_ASSERT(rp_config_value_size(text, &read) == GOOD && read == value);
        uint64_t time_ns = value - value % 1000000;
        rp_config_value_print_time(time_ns, text);
        CU_ASSERT(rp_config_value_time(text, &read) == GOOD && read == time_ns);
        struct rp_config_share share = {.octets = value};
        if (i % 2 == 0) {
            share = (struct rp_config_share){.percent = (uint32_t)(value % 99 + 1)};
        }
        struct rp_config_share share_read = {0};
        rp_config_value_print_share(&share, text);
        CU_ASSERT(rp_config_value_share(text, &share_read) == GOOD);
        CU_ASSERT(share_read.octets == share.octets && share_read.percent == share.percent);
    }
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"rows",                         test_rows                },
        {"rows cut short",               test_cuts                },
        {"all short texts",              test_short_texts         },
        {"random numbers",               test_random_numbers      },
        {"shares",                       test_shares              },
        {"truth values",                 test_bools               },
        {"addresses",                    test_addresses           },
        {"lengths of addresses",         test_address_lengths     },
        {"printed rows",                 test_printed_rows        },
        {"what is printed is read back", test_printed_is_read_back},
    };
    guard_open(&guard, 4096);
    for (size_t i = 0; i < COUNT(forms); i++) {
        if (regcomp(&forms[i].regex, forms[i].pattern, REG_EXTENDED | REG_ICASE | REG_NOSUB) != 0) {
            return 1;
        }
    }
    int status = SUITE_RUN("engine/config_value", tests, argc, argv);
    for (size_t i = 0; i < COUNT(forms); i++) {
        regfree(&forms[i].regex);
    }
    guard_close(&guard);
    return status;
}
