/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_options.c - arguments are read as meant, or refused with a reason.
 *
 * Goal: no argument is dropped or taken for another one. Method: rows of what is right, in
 * every order of the arguments; rows of what is wrong with the words that the reason must
 * have; an outcome that is not written where it failed.
 */
#include "suite.h"
#include "tools/options.h"

#include <errno.h>
#include <string.h>

#define ALL           ((1u << RP_OPTIONS_COUNT) - 1)
#define ARGUMENTS_MAX 8u

/* The row's words as an argument list; returns how many. */
static size_t collect(const char *const *words, char **arguments)
{
    static char text[ARGUMENTS_MAX][64];
    size_t count = 0;
    for (; words[count] != NULL; count++) {
        (void)snprintf(text[count], sizeof(text[count]), "%s", words[count]);
        arguments[count] = text[count];
    }
    return count;
}

static int parse(const char *const *words,
                 unsigned allowed,
                 size_t operand_count,
                 struct rp_options *options,
                 char error[256])
{
    char *arguments[ARGUMENTS_MAX];
    size_t count = collect(words, arguments);
    return rp_options_parse(arguments, count, allowed, operand_count, options, error);
}

static bool is_text(const char *actual, const char *wanted)
{
    return actual == NULL || wanted == NULL ? actual == wanted : strcmp(actual, wanted) == 0;
}

static void test_right(void)
{
    /* clang-format off */
    static const struct {
        const char *words[ARGUMENTS_MAX];
        size_t operand_count;
        struct rp_options wanted;
    } rows[] = {
        {{"d", NULL}, 1, {.operands = {"d"}, .limit = UINT64_MAX}},
        {{"d", "i", NULL}, 2, {.operands = {"d", "i"}, .limit = UINT64_MAX}},
        {{"--limit", "5", "d", NULL}, 1, {.operands = {"d"}, .limit = 5}},
        {{"d", "--limit=5", NULL}, 1, {.operands = {"d"}, .limit = 5}},
        {{"--limit=1", "d", "--limit", "2", NULL}, 1, {.operands = {"d"}, .limit = 2}},
        {{"--json", "d", NULL}, 1, {.operands = {"d"}, .limit = UINT64_MAX, .is_json = true}},
        {{"d", "--from", "--json", NULL},
         1, {.operands = {"d"}, .limit = UINT64_MAX, .from = "--json"}},
        {{"--to=a=b", "--format", "eml", "d", NULL},
         1, {.operands = {"d"}, .limit = UINT64_MAX, .to = "a=b", .format = "eml"}},
        {{"--", "--json", NULL}, 1, {.operands = {"--json"}, .limit = UINT64_MAX}},
        {{"--", "--", NULL}, 1, {.operands = {"--"}, .limit = UINT64_MAX}},
        {{"-", NULL}, 1, {.operands = {"-"}, .limit = UINT64_MAX}},
        {{"--help", "--nonsense", NULL}, 1, {.limit = UINT64_MAX, .is_help = true}},
        {{"-h", "--nonsense", NULL}, 1, {.limit = UINT64_MAX, .is_help = true}},
        {{"--from", "-h", "d", NULL}, 1, {.operands = {"d"}, .limit = UINT64_MAX, .from = "-h"}},
        {{"--", "-h", NULL}, 1, {.operands = {"-h"}, .limit = UINT64_MAX}},
    };
    /* clang-format on */
    for (size_t index = 0; index < sizeof(rows) / sizeof(rows[0]); index++) {
        struct rp_options options = {0};
        char error[256];
        const struct rp_options *wanted = &rows[index].wanted;
        CU_ASSERT_EQUAL_FATAL(
            parse(rows[index].words, ALL, rows[index].operand_count, &options, error), 0);
        CU_ASSERT_TRUE(is_text(options.operands[0], wanted->operands[0]));
        CU_ASSERT_TRUE(is_text(options.operands[1], wanted->operands[1]));
        CU_ASSERT_TRUE(is_text(options.from, wanted->from));
        CU_ASSERT_TRUE(is_text(options.format, wanted->format));
        CU_ASSERT_TRUE(is_text(options.to, wanted->to));
        CU_ASSERT_EQUAL(options.limit, wanted->limit);
        CU_ASSERT_EQUAL(options.is_json, wanted->is_json);
        CU_ASSERT_EQUAL(options.is_help, wanted->is_help);
    }
}

static void test_wrong(void)
{
    /* clang-format off */
    static const struct {
        const char *words[ARGUMENTS_MAX];
        unsigned allowed;
        size_t operand_count;
        const char *error;
    } rows[] = {
        {{NULL}, ALL, 1, "the directory of a spool is missing"},
        {{"d", NULL}, ALL, 2, "the ID of a message is missing"},
        {{"d", "i", NULL}, ALL, 1, "i: one argument too many"},
        {{"d", "--jso", NULL}, ALL, 1, "--jso: no such option here"},
        {{"d", "-hx", NULL}, ALL, 1, "-hx: no such option here"},
        {{"d", "-j", NULL}, ALL, 1, "-j: no such option here"},
        {{"d", "--jsons", NULL}, ALL, 1, "--jsons: no such option here"},
        {{"d", "-j", NULL}, ALL, 1, "-j: no such option here"},
        {{"d", "--json", NULL}, RP_OPTIONS_BIT(FROM), 1, "--json: no such option here"},
        {{"d", "--json=yes", NULL}, ALL, 1, "--json: it takes no value"},
        {{"d", "--from", NULL}, ALL, 1, "--from: its ID is missing"},
        {{"d", "--to=", NULL}, ALL, 1, "--to: its PATH is empty"},
        {{"d", "--limit", "", NULL}, ALL, 1, "--limit: its N is empty"},
        {{"d", "--limit", "0", NULL}, ALL, 1, "--limit 0: give a number of messages, at least 1"},
        {{"d", "--limit=5x", NULL}, ALL, 1, "--limit 5x: give a number of messages, at least 1"},
        {{"d", "--limit=-5", NULL}, ALL, 1, "--limit -5: give a number of messages, at least 1"},
        {{"d", "--limit=18446744073709551615", NULL},
         ALL, 1, "--limit 18446744073709551615: give a number of messages, at least 1"},
    };
    /* clang-format on */
    for (size_t index = 0; index < sizeof(rows) / sizeof(rows[0]); index++) {
        struct rp_options options = {.limit = 77};
        char error[256] = "";
        CU_ASSERT_EQUAL(parse(rows[index].words, rows[index].allowed, rows[index].operand_count,
                              &options, error),
                        -EINVAL);
        CU_ASSERT_STRING_EQUAL(error, rows[index].error);
        CU_ASSERT_EQUAL(options.limit, 77);
    }
}

/* Four arguments that stand alone, in all orders. */
static void test_orders(void)
{
    static const char *const parts[] = {"d", "--json", "--limit=9", "--from=x"};
    for (size_t order = 0; order < 256; order++) {
        const size_t places[4] = {order & 3, order >> 2 & 3, order >> 4 & 3, order >> 6 & 3};
        size_t used = 0;
        const char *words[5] = {NULL};
        for (size_t index = 0; index < 4; index++) {
            used |= (size_t)1 << places[index];
            words[index] = parts[places[index]];
        }
        if (used != 15) {
            continue; /* no permutation */
        }
        struct rp_options options = {0};
        char error[256];
        CU_ASSERT_EQUAL_FATAL(parse(words, ALL, 1, &options, error), 0);
        CU_ASSERT_STRING_EQUAL(options.operands[0], "d");
        CU_ASSERT_STRING_EQUAL(options.from, "x");
        CU_ASSERT_EQUAL(options.limit, 9);
        CU_ASSERT_TRUE(options.is_json);
    }
}

static void test_long_argument(void)
{
    static char argument[10000] = "--";
    memset(argument + 2, 'x', sizeof(argument) - 3);
    char *const arguments[] = {argument};
    struct rp_options options;
    char error[256];
    CU_ASSERT_EQUAL(rp_options_parse(arguments, 1, ALL, 1, &options, error), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "xxx: no such option here"));
}

static void test_table(void)
{
    for (unsigned name = 0; name < RP_OPTIONS_COUNT; name++) {
        const struct rp_options_row *row = rp_options_row((enum rp_options_name)name);
        CU_ASSERT_PTR_NOT_NULL_FATAL(row->name);
        CU_ASSERT_PTR_NOT_NULL(row->help);
    }
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"what is right",              test_right        },
        {"what is wrong",              test_wrong        },
        {"every order",                test_orders       },
        {"a long argument",            test_long_argument},
        {"the table has no empty row", test_table        },
    };
    return SUITE_RUN("tools/options", tests, argc, argv);
}
