/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_smtp_verb.c - the table of verbs.
 *
 * Goal: each verb is found by its name in any case and nothing else is taken for one; each
 * row is filled; the lines of MAIL may be longer. Method: every name in all its 16 cases,
 * every name with one octet changed in all possible ways, every length; the switch for the
 * usual verbs against the rows; limits by rows.
 */
#include "guard.h"
#include "proto/smtp_verb.h"

#include <CUnit/Basic.h>
#include <stdio.h>
#include <stdlib.h>

static struct guard guard;

static const char *const names[RP_SMTP_VERB_COUNT] = {
    [RP_SMTP_VERB_HELO] = "HELO", [RP_SMTP_VERB_EHLO] = "EHLO", [RP_SMTP_VERB_MAIL] = "MAIL",
    [RP_SMTP_VERB_RCPT] = "RCPT", [RP_SMTP_VERB_DATA] = "DATA", [RP_SMTP_VERB_RSET] = "RSET",
    [RP_SMTP_VERB_NOOP] = "NOOP", [RP_SMTP_VERB_QUIT] = "QUIT", [RP_SMTP_VERB_VRFY] = "VRFY",
    [RP_SMTP_VERB_EXPN] = "EXPN", [RP_SMTP_VERB_HELP] = "HELP", [RP_SMTP_VERB_UNKNOWN] = "",
};

static enum rp_smtp_verb find(const char *name, size_t len)
{
    return rp_smtp_verb_find((struct rp_span){guard_copy(&guard, name, len), len});
}

static bool is_letter(int octet)
{
    return (octet >= 'A' && octet <= 'Z') || (octet >= 'a' && octet <= 'z');
}

/* The oracle of a look-up: compare with each name, a letter at a time. */
static enum rp_smtp_verb find_slowly(const char *name)
{
    for (size_t verb = 0; verb < RP_SMTP_VERB_UNKNOWN; verb++) {
        size_t same = 0;
        while (same < 4) {
            const int got = (unsigned char)name[same];
            const int wanted = (unsigned char)names[verb][same];
            if (got != wanted && !(is_letter(got) && got == wanted + ('a' - 'A'))) {
                break;
            }
            same++;
        }
        if (same == 4) {
            return (enum rp_smtp_verb)verb;
        }
    }
    return RP_SMTP_VERB_UNKNOWN;
}

static void test_find(void)
{
    for (size_t verb = 0; verb < RP_SMTP_VERB_UNKNOWN; verb++) {
        char name[5];
        for (unsigned cases = 0; cases < 16; cases++) {
            for (size_t i = 0; i < 4; i++) {
                name[i] = (char)(names[verb][i] + ((cases >> i & 1) != 0 ? 'a' - 'A' : 0));
            }
            CU_ASSERT_EQUAL(find(name, 4), verb);
        }
        size_t wrong_count = 0;
        for (size_t i = 0; i < 4; i++) {
            memcpy(name, names[verb], 5);
            for (int octet = 0; octet < 256; octet++) {
                name[i] = (char)octet;
                wrong_count += find(name, 4) != find_slowly(name);
            }
        }
        CU_ASSERT_EQUAL(wrong_count, 0);

        (void)memcpy(name, names[verb], 4);
        name[4] = 'S';
        CU_ASSERT_EQUAL(find(name, 5), RP_SMTP_VERB_UNKNOWN);
        for (size_t len = 0; len < 4; len++) {
            CU_ASSERT_EQUAL(find(name, len), RP_SMTP_VERB_UNKNOWN);
        }
    }
}

/*
 * To add a verb is to add a row: each row is found by its own name, whether or not the
 * switch for the usual ones knows it, and that switch says nothing else than the rows.
 */
static void test_row_is_enough(void)
{
    size_t usual_count = 0;
    for (size_t verb = 0; verb < RP_SMTP_VERB_UNKNOWN; verb++) {
        const struct rp_span name = rp_smtp_verb_get((enum rp_smtp_verb)verb)->name;
        CU_ASSERT_EQUAL(rp_smtp_verb_find(name), verb);
        if (name.len != 4) {
            continue;
        }
        size_t wrong_count = 0;
        for (size_t i = 0; i < 4; i++) {
            for (unsigned octet = 0; octet < 256; octet++) {
                char changed[4];
                memcpy(changed, name.ptr, 4);
                changed[i] = (char)octet;
                const uint8_t *copy = guard_copy(&guard, changed, 4);
                const enum rp_smtp_verb usual = rp_smtp_verb_find_usual(copy);
                wrong_count += usual != RP_SMTP_VERB_UNKNOWN && usual != find(changed, 4);
                usual_count += usual != RP_SMTP_VERB_UNKNOWN;
            }
        }
        CU_ASSERT_EQUAL(wrong_count, 0);
    }
    CU_ASSERT_EQUAL(usual_count, 3 * 4 * 2); /* three verbs, each octet in two cases */
}

static void test_rows(void)
{
    struct rp_smtp_config config = {.vrfy = true};
    for (size_t verb = 0; verb < RP_SMTP_VERB_COUNT; verb++) {
        const struct rp_smtp_verb_row *row = rp_smtp_verb_get((enum rp_smtp_verb)verb);
        CU_ASSERT_PTR_NOT_NULL(row->run);
        CU_ASSERT_EQUAL(row->name.len, strlen(names[verb]));
        CU_ASSERT_EQUAL(memcmp(row->name.ptr, names[verb], row->name.len), 0);
        const bool is_path = verb == RP_SMTP_VERB_MAIL || verb == RP_SMTP_VERB_RCPT;
        CU_ASSERT_EQUAL(row->takes_utf8, is_path);
        CU_ASSERT_EQUAL(row->extended.len > 0, is_path);
        CU_ASSERT_EQUAL(row->takes_no_arg, verb == RP_SMTP_VERB_DATA || verb == RP_SMTP_VERB_RSET ||
                                               verb == RP_SMTP_VERB_QUIT);
        const bool is_listed = verb != RP_SMTP_VERB_EXPN && verb != RP_SMTP_VERB_UNKNOWN;
        CU_ASSERT_EQUAL(rp_smtp_verb_has_help((enum rp_smtp_verb)verb, &config), is_listed);
        if (is_listed) {
            CU_ASSERT_EQUAL(memcmp(row->syntax.ptr, names[verb], 4), 0);
        }
        CU_ASSERT_TRUE(row->line_extra + row->line_extra_utf8 <= RP_SMTP_LINE_EXTRA);
    }
    config.vrfy = false;
    CU_ASSERT_FALSE(rp_smtp_verb_has_help(RP_SMTP_VERB_VRFY, &config));
    CU_ASSERT_TRUE(rp_smtp_verb_has_help(RP_SMTP_VERB_NOOP, &config));
}

static void test_line_max(void)
{
    static const struct {
        const char *head;
        uint32_t extra;
        uint32_t extra_utf8;
    } rows[] = {
        {"MAIL FROM:<", 26, 36},
        {"mail ",       26, 36},
        {"MAIL",        0,  0 },
        {"MAILX FROM",  0,  0 },
        {" MAIL FROM",  0,  0 },
        {"RCPT TO:",    0,  0 },
        {"NOOP MAIL ",  0,  0 },
        {"",            0,  0 },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const size_t len = strlen(rows[i].head);
        const struct rp_span head = {guard_copy(&guard, rows[i].head, len), len};
        struct rp_smtp_config config = {.command_line_max = 100};
        CU_ASSERT_EQUAL(rp_smtp_verb_line_max(&config, head), 100 + rows[i].extra);
        config.smtputf8 = true;
        CU_ASSERT_EQUAL(rp_smtp_verb_line_max(&config, head), 100 + rows[i].extra_utf8);
    }
}

static bool is_word(const char *text)
{
    const size_t len = strlen(text);
    return rp_smtp_verb_is_word((struct rp_span){guard_copy(&guard, text, len), len},
                                RP_SPAN_OF("8AZT-X:"));
}

static void test_is_word(void)
{
    CU_ASSERT_TRUE(is_word("8AZT-X:"));
    CU_ASSERT_TRUE(is_word("8azt-x:"));
    CU_ASSERT_FALSE(is_word("8AZT-X"));
    CU_ASSERT_FALSE(is_word("8AZT-X::"));
    CU_ASSERT_FALSE(is_word(""));
    CU_ASSERT_FALSE(is_word("\x18"
                            "AZT-X:")); /* '8' less the bit of cases */
    CU_ASSERT_FALSE(is_word("8AZT\rX:"));
    CU_ASSERT_FALSE(is_word("8AZT-X\x1A"));
    CU_ASSERT_FALSE(is_word("8BZT-X:"));
    CU_ASSERT_FALSE(is_word("8AYT-X:"));
    CU_ASSERT_TRUE(
        rp_smtp_verb_is_word(RP_SPAN_OF("a-LONGER-word1"), RP_SPAN_OF("A-LONGER-WORD1")));
    CU_ASSERT_FALSE(
        rp_smtp_verb_is_word(RP_SPAN_OF("A-LONGER-WORD2"), RP_SPAN_OF("A-LONGER-WORD1")));
    CU_ASSERT_FALSE(
        rp_smtp_verb_is_word(RP_SPAN_OF("A-LONGEXXWORD1"), RP_SPAN_OF("A-LONGER-WORD1")));
    CU_ASSERT_TRUE(rp_smtp_verb_is_word(RP_SPAN_OF("8bitmime"), RP_SPAN_OF("8BITMIME")));
}

int main(void)
{
    if (CU_initialize_registry() != CUE_SUCCESS) {
        return EXIT_FAILURE;
    }
    guard_open(&guard, 64);
    CU_pSuite suite = CU_add_suite("proto/smtp_verb", NULL, NULL);
    const bool is_ready =
        suite != NULL && CU_ADD_TEST(suite, test_find) != NULL &&
        CU_ADD_TEST(suite, test_row_is_enough) != NULL && CU_ADD_TEST(suite, test_rows) != NULL &&
        CU_ADD_TEST(suite, test_line_max) != NULL && CU_ADD_TEST(suite, test_is_word) != NULL;
    CU_basic_set_mode(CU_BRM_NORMAL);
    const bool has_run = is_ready && CU_basic_run_tests() == CUE_SUCCESS;
    const bool has_failed = !has_run || CU_get_number_of_failures() > 0;
    guard_close(&guard);
    CU_cleanup_registry();
    return has_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
