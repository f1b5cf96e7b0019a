/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_smtp_param.c - the parameters of MAIL and RCPT.
 *
 * Goal: what is taken, what is refused and with which code. Method: rows; sizes against
 * strtoull; then every sequence of up to three words of a small vocabulary against rules
 * that are written down a second time.
 */
#include "guard.h"
#include "proto/smtp_param.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static struct guard guard;
static struct rp_smtp_config config = {.smtputf8 = true, .message_size_max = 1000};

static const struct rp_reply *parse(enum rp_smtp_verb verb,
                                    const char *params,
                                    struct rp_smtp_mail *mail)
{
    const size_t len = strlen(params);
    const struct rp_span span = {guard_copy(&guard, params, len), len};
    return rp_smtp_param_parse(&config, verb, span, mail);
}

/* The code of a refusal; 250: there is none. */
static int code_of(const struct rp_reply *refusal)
{
    return refusal == NULL ? 250 : refusal->code;
}

struct row {
    const char *params;
    int code;
    const char *enhanced;
};

static void check_rows(enum rp_smtp_verb verb, const struct row *rows, size_t row_count)
{
    for (size_t i = 0; i < row_count; i++) {
        struct rp_smtp_mail mail = {.size = 0};
        const struct rp_reply *refusal = parse(verb, rows[i].params, &mail);
        CU_ASSERT_EQUAL(code_of(refusal), rows[i].code);
        if (code_of(refusal) != rows[i].code) {
            fprintf(stderr, "\n[%s]: %d, not %d\n", rows[i].params, code_of(refusal), rows[i].code);
        }
        if (refusal != NULL && rows[i].enhanced != NULL) {
            CU_ASSERT_STRING_EQUAL(refusal->enhanced, rows[i].enhanced);
        }
    }
}

static void test_rows(void)
{
    static const struct row rows[] = {
        {"",                                      250, NULL   },
        {"   ",                                   250, NULL   },
        {"SIZE=0",                                250, NULL   },
        {"size=1000",                             250, NULL   },
        {"SIZE=1001",                             552, "5.3.4"},
        {"SIZE=00000000000000001000",             250, NULL   },
        {"SIZE=99999999999999999999",             552, "5.3.4"},
        {"SIZE=000000000000000000001",            501, "5.5.4"},
        {"SIZE",                                  501, "5.5.4"},
        {"SIZE=",                                 501, "5.5.4"},
        {"SIZE=1x",                               501, "5.5.4"},
        {"SIZE=-1",                               501, "5.5.4"},
        {"SIZE=+1",                               501, "5.5.4"},
        {"SIZE =1",                               501, "5.5.4"},
        {"SIZE=1 SIZE=1",                         501, "5.5.4"},
        {"SIZE=1 size=2",                         501, "5.5.4"},
        {"BODY=7BIT",                             250, NULL   },
        {"body=8bitmime",                         250, NULL   },
        {"BODY=BINARYMIME",                       501, "5.5.4"},
        {"BODY=",                                 501, "5.5.4"},
        {"BODY",                                  501, "5.5.4"},
        {"BODY=7BIT=",                            501, "5.5.4"},
        {"SMTPUTF8",                              250, NULL   },
        {"smtputf8",                              250, NULL   },
        {"SMTPUTF8=",                             501, "5.5.4"},
        {"SMTPUTF8=1",                            501, "5.5.4"},
        {"SMTPUTF8 SMTPUTF8",                     501, "5.5.4"},
        {"SMTPUTF",                               555, "5.5.4"},
        {"SMTPUTF88",                             555, "5.5.4"},
        {"RET=FULL",                              555, "5.5.4"},
        {"X-1=y",                                 555, "5.5.4"},
        {"X=!~",                                  555, "5.5.4"},
        {"AZaz09-=1",                             555, "5.5.4"},
        {"9",                                     555, "5.5.4"},
        {"-X",                                    501, "5.5.4"},
        {"=",                                     501, "5.5.4"},
        {"=x",                                    501, "5.5.4"},
        {"X_Y",                                   501, "5.5.4"},
        {"X=a=b",                                 501, "5.5.4"},
        {"X=\xC3\xA4",                            501, "5.5.4"},
        {"X\x80",                                 501, "5.5.4"},
        {"X=\x7F",                                501, "5.5.4"},
        {"  SIZE=1   BODY=8BITMIME   SMTPUTF8  ", 250, NULL   },
        {"BODY=7BIT X SIZE",                      555, "5.5.4"},
    };
    check_rows(RP_SMTP_VERB_MAIL, rows, sizeof(rows) / sizeof(rows[0]));

    static const struct row of_rcpt[] = {
        {"",             250, NULL   },
        {"SIZE=1",       555, "5.5.4"},
        {"NOTIFY=NEVER", 555, "5.5.4"},
        {"SMTPUTF8",     555, "5.5.4"},
        {"=",            501, "5.5.4"},
    };
    check_rows(RP_SMTP_VERB_RCPT, of_rcpt, sizeof(of_rcpt) / sizeof(of_rcpt[0]));
}

static void test_values(void)
{
    struct rp_smtp_mail mail = {.size = 7};
    CU_ASSERT_PTR_NULL(parse(RP_SMTP_VERB_MAIL, "", &mail));
    CU_ASSERT_EQUAL(mail.size, 7);
    CU_ASSERT_PTR_NULL(parse(RP_SMTP_VERB_MAIL, "SMTPUTF8 BODY=8BITMIME SIZE=12", &mail));
    CU_ASSERT_EQUAL(mail.size, 12);
    CU_ASSERT_EQUAL(mail.body, RP_SMTP_BODY_8BITMIME);
    CU_ASSERT_TRUE(mail.smtputf8);
    CU_ASSERT_PTR_NULL(parse(RP_SMTP_VERB_MAIL, "BODY=7BIT", &mail));
    CU_ASSERT_EQUAL(mail.body, RP_SMTP_BODY_7BIT);
}

static void test_smtputf8_off(void)
{
    static const struct row rows[] = {
        {"SMTPUTF8",   555, "5.5.4"},
        {"SMTPUTF8=1", 555, "5.5.4"},
        {"SIZE=1",     250, NULL   },
    };
    config.smtputf8 = false;
    check_rows(RP_SMTP_VERB_MAIL, rows, sizeof(rows) / sizeof(rows[0]));
    config.smtputf8 = true;
}

/* Sizes around each power of ten and of two; beyond 64 bits they count as the greatest. */
static void check_size(const char *digits)
{
    char params[64];
    (void)snprintf(params, sizeof(params), "SIZE=%s", digits);
    errno = 0;
    const uint64_t expected = strtoull(digits, NULL, 10); /* ULLONG_MAX where it is too great */
    struct rp_smtp_mail mail = {.size = 0};
    CU_ASSERT_PTR_NULL(parse(RP_SMTP_VERB_MAIL, params, &mail));
    CU_ASSERT_EQUAL(mail.size, expected);
}

static void test_sizes(void)
{
    config.message_size_max = 0;
    for (int bit = 0; bit < 64; bit++) {
        for (int near = -1; near <= 1; near++) {
            char digits[32];
            (void)snprintf(digits, sizeof(digits), "%" PRIu64,
                           (UINT64_C(1) << bit) + (uint64_t)(int64_t)near);
            check_size(digits);
        }
    }
    check_size("18446744073709551614");
    check_size("18446744073709551615");
    check_size("18446744073709551616");
    check_size("18446744073709551620");
    check_size("99999999999999999999");
    config.message_size_max = 1000;
}

/* Every sequence of up to three of these words. */
static const struct word {
    const char *text;
    int code;  /* on its own */
    int group; /* words of one keyword; 0: none that is known */
} words[] = {
    {"SIZE=5",        250, 1},
    {"size=1001",     552, 1},
    {"SIZE=x",        501, 1},
    {"SIZE",          501, 1},
    {"BODY=7BIT",     250, 2},
    {"Body=8BitMime", 250, 2},
    {"BODY=9",        501, 2},
    {"SMTPUTF8",      250, 3},
    {"SMTPUTF8=x",    501, 3},
    {"FOO=bar",       555, 0},
    {"==",            501, 0},
};

#define WORD_COUNT (sizeof(words) / sizeof(words[0]))

static int judge_slowly(const size_t *chosen, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct word *word = &words[chosen[i]];
        for (size_t before = 0; before < i; before++) {
            if (word->group != 0 && words[chosen[before]].group == word->group) {
                return 501;
            }
        }
        if (word->code != 250) {
            return word->code;
        }
    }
    return 250;
}

static void test_sequences(void)
{
    size_t wrong_count = 0;
    for (size_t choice = 0; choice < WORD_COUNT * WORD_COUNT * WORD_COUNT; choice++) {
        const size_t chosen[] = {choice % WORD_COUNT, choice / WORD_COUNT % WORD_COUNT,
                                 choice / WORD_COUNT / WORD_COUNT};
        for (size_t count = 1; count <= 3; count++) {
            char params[128] = "";
            size_t len = 0;
            for (size_t i = 0; i < count; i++) {
                len += (size_t)snprintf(params + len, sizeof(params) - len, "%s%s",
                                        i == 0 ? "" : (i == 1 ? " " : "  "), words[chosen[i]].text);
            }
            struct rp_smtp_mail mail = {.size = 0};
            const int code = code_of(parse(RP_SMTP_VERB_MAIL, params, &mail));
            if (code != judge_slowly(chosen, count)) {
                wrong_count++;
                fprintf(stderr, "\n[%s]: %d, not %d\n", params, code, judge_slowly(chosen, count));
            }
        }
    }
    CU_ASSERT_EQUAL(wrong_count, 0);
}

int main(void)
{
    if (CU_initialize_registry() != CUE_SUCCESS) {
        return EXIT_FAILURE;
    }
    guard_open(&guard, 256);
    CU_pSuite suite = CU_add_suite("proto/smtp_param", NULL, NULL);
    const bool is_ready =
        suite != NULL && CU_ADD_TEST(suite, test_rows) != NULL &&
        CU_ADD_TEST(suite, test_values) != NULL && CU_ADD_TEST(suite, test_smtputf8_off) != NULL &&
        CU_ADD_TEST(suite, test_sizes) != NULL && CU_ADD_TEST(suite, test_sequences) != NULL;
    CU_basic_set_mode(CU_BRM_NORMAL);
    const bool has_run = is_ready && CU_basic_run_tests() == CUE_SUCCESS;
    const bool has_failed = !has_run || CU_get_number_of_failures() > 0;
    guard_close(&guard);
    CU_cleanup_registry();
    return has_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
