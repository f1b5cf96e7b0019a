/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_markup.c - texts of strangers inside HTML and SVG.
 *
 * Goal: nothing that comes out is markup, ends an attribute or acts on a reader.
 * Method: rows; each octet alone; random octets, which must come out without any of these.
 */
#include "perf/markup.h"
#include "tests/tools/capture.h"
#include "tests/tools/suite.h"

static struct capture capture;

static const char *markup_of(const char *text)
{
    rp_markup_text(&capture.output, text);
    return capture_take(&capture);
}

static void test_rows(void)
{
    CU_ASSERT_STRING_EQUAL(markup_of(""), "");
    CU_ASSERT_STRING_EQUAL(markup_of("plain, grün"), "plain, grün");
    CU_ASSERT_STRING_EQUAL(markup_of("<a href=\"x\">'&amp;"),
                           "&lt;a href=&quot;x&quot;&gt;&#39;&amp;amp;");
    CU_ASSERT_STRING_EQUAL(markup_of("a\x1b[31m\r\n\x7f"), "a\\x1b[31m\\x0d\\x0a\\x7f");
    CU_ASSERT_STRING_EQUAL(markup_of("\xff<\xc3"), "\\xff&lt;\\xc3");
    CU_ASSERT_STRING_EQUAL(markup_of("\xe2\x80\xae"), "\\xe2\\x80\\xae"); /* right to left */
}

static void check_harmless(const char *text)
{
    const char *markup = markup_of(text);
    CU_ASSERT_PTR_NULL(strpbrk(markup, "<>\"'"));
    for (const char *at = markup; *at != '\0'; at++) {
        CU_ASSERT_TRUE((unsigned char)*at >= 0x20 && *at != 0x7f);
        /* An & begins one of the five references. */
        CU_ASSERT_TRUE(*at != '&' || strncmp(at, "&amp;", 5) == 0 || strncmp(at, "&lt;", 4) == 0 ||
                       strncmp(at, "&gt;", 4) == 0 || strncmp(at, "&quot;", 6) == 0 ||
                       strncmp(at, "&#39;", 5) == 0);
    }
}

static void test_octets(void)
{
    for (unsigned octet = 1; octet < 256; octet++) {
        const char text[2] = {(char)octet, '\0'};
        check_harmless(text);
    }
}

static void test_random(void)
{
    uint64_t state = suite_seed;
    for (unsigned round = 0; round < 3000; round++) {
        char text[64];
        size_t len = suite_random_below(&state, sizeof(text));
        for (size_t index = 0; index < len; index++) {
            text[index] = (char)(1 + suite_random_below(&state, 255));
        }
        text[len] = '\0';
        check_harmless(text);
    }
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"rows",          test_rows  },
        {"every octet",   test_octets},
        {"random octets", test_random},
    };
    capture_open(&capture);
    int outcome = SUITE_RUN("perf/markup", tests, argc, argv);
    capture_close(&capture);
    return outcome;
}
