/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_smtp_line.c - the reader of command lines.
 *
 * Goal: the same steps for the same octets however they are cut, one fault a line, no
 * octet kept that need not be. Method: rows; then every input of up to eight symbols (CR,
 * LF, a letter, and one that makes the limit matter) against a second reader, which looks
 * at all octets before, whole and cut at every place, with the way for ordinary lines and without;
 * then lines around the limit and around the blocks of sixteen octets.
 */
#include "guard.h"
#include "proto/smtp_line.h"

#include <CUnit/Basic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define LINE_MAX_LEN 8 /* the least that a session takes */
#define STEPS_MAX    512
#define SYMBOLS_MAX  8

static struct guard guard;
static struct guard line_guard;
static struct rp_smtp_config config = {
    .recipients_max = 1,
    .command_line_max = LINE_MAX_LEN,
};

/* What a reader says, as text: the lines in brackets, the faults as letters. */
struct steps {
    char text[STEPS_MAX];
    size_t len;
};

static void add(struct steps *steps, const void *octets, size_t len)
{
    assert(steps->len + len < STEPS_MAX);
    if (len > 0) {
        memcpy(steps->text + steps->len, octets, len);
    }
    steps->len += len;
    steps->text[steps->len] = '\0';
}

static void open_session(struct rp_smtp *smtp)
{
    const size_t cap = config.command_line_max + RP_SMTP_LINE_EXTRA;
    static const uint8_t zeros[2048];
    rp_smtp_init(smtp, &config, guard_copy(&line_guard, zeros, cap), cap);
}

static enum rp_smtp_line_octets classify_slowly(const uint8_t *octets, size_t len)
{
    enum rp_smtp_line_octets worst = RP_SMTP_LINE_ASCII;
    for (size_t i = 0; i < len; i++) {
        if (octets[i] < 32 || octets[i] == 127) {
            return RP_SMTP_LINE_CONTROL;
        }
        if (octets[i] >= 128) {
            worst = RP_SMTP_LINE_8BIT;
        }
    }
    return worst;
}

/* Which reader is tried: the one with the way for ordinary lines, or the one without. */
static enum rp_smtp_line_step (*next_step)(struct rp_smtp *smtp,
                                           struct rp_span *in,
                                           struct rp_smtp_line *line_out) = rp_smtp_line_next;

static void read_piece(struct rp_smtp *smtp, const char *octets, size_t len, struct steps *steps)
{
    struct rp_span in = {guard_copy(&guard, octets, len), len};
    struct rp_smtp_line line;
    for (;;) {
        const size_t before = in.len;
        const bool was_empty = smtp->line_len == 0;
        const uint8_t *begin = in.ptr;
        switch (next_step(smtp, &in, &line)) {
        case RP_SMTP_LINE_MORE: CU_ASSERT_EQUAL(in.len, 0); return;
        case RP_SMTP_LINE_WHOLE:
            /* A line that lies in the input is not copied. */
            CU_ASSERT_TRUE(!was_empty || line.text.ptr == begin);
            CU_ASSERT_TRUE(!was_empty || line.text.len + 2 == before - in.len);
            CU_ASSERT_EQUAL(line.octets, classify_slowly(line.text.ptr, line.text.len));
            add(steps, "[", 1);
            add(steps, line.text.ptr, line.text.len);
            add(steps, "]", 1);
            break;
        case RP_SMTP_LINE_BARE: add(steps, "B", 1); break;
        case RP_SMTP_LINE_LONG: add(steps, "L", 1); break;
        case RP_SMTP_LINE_SKIPPED: add(steps, "S", 1); break;
        }
    }
}

/*
 * The oracle: each octet is judged by looking back at the whole input. No state but where
 * the line began and whether it is faulty.
 */
static void read_slowly(const char *octets, size_t len, size_t line_max, struct steps *steps)
{
    size_t begin = 0;
    bool is_faulty = false;
    for (size_t i = 0; i < len; i++) {
        const bool is_first = i == begin;
        const bool after_cr = !is_first && octets[i - 1] == '\r';
        const bool is_end = octets[i] == '\n' && after_cr;
        const bool is_bare = (octets[i] == '\n' && !after_cr) || (octets[i] != '\n' && after_cr);
        if (!is_faulty && i + 1 - begin > line_max) {
            add(steps, "L", 1);
            is_faulty = true;
        }
        if (!is_faulty && is_bare) {
            add(steps, "B", 1);
            is_faulty = true;
        }
        if (!is_end) {
            continue;
        }
        if (is_faulty) {
            add(steps, "S", 1);
        } else {
            add(steps, "[", 1);
            add(steps, octets + begin, i - 1 - begin);
            add(steps, "]", 1);
        }
        begin = i + 1;
        is_faulty = false;
    }
}

/* Whole, cut at every place, and octet by octet. False: not what is expected. */
static bool is_read_by(const char *octets, size_t len, const struct steps *expected)
{
    for (size_t cut = 0; cut <= len + 1; cut++) {
        struct rp_smtp smtp;
        struct steps steps = {.len = 0};
        open_session(&smtp);
        if (cut <= len) {
            read_piece(&smtp, octets, cut, &steps);
            read_piece(&smtp, octets + cut, len - cut, &steps);
        } else {
            for (size_t i = 0; i < len; i++) {
                read_piece(&smtp, octets + i, 1, &steps);
            }
        }
        if (steps.len != expected->len || memcmp(steps.text, expected->text, steps.len) != 0) {
            fprintf(stderr, "\ncut %zu of [%.*s]: expected %.*s, got %.*s\n", cut, (int)len, octets,
                    (int)expected->len, expected->text, (int)steps.len, steps.text);
            return false;
        }
    }
    return true;
}

static bool is_read_as(const char *octets, size_t len, const struct steps *expected)
{
    next_step = rp_smtp_line_next_slowly;
    const bool is_right = is_read_by(octets, len, expected);
    next_step = rp_smtp_line_next;
    return is_read_by(octets, len, expected) && is_right;
}

static void test_rows(void)
{
    static const struct {
        const char *octets;
        const char *steps;
    } rows[] = {
        {"",                       ""            },
        {"\r\n",                   "[]"          },
        {"NOOP\r\nQUIT\r\n",       "[NOOP][QUIT]"},
        {"NOOP\r",                 ""            },
        {"NO\nOP\r\nA\r\n",        "BS[A]"       },
        {"NO\rOP\r\nA\r\n",        "BS[A]"       },
        {"NO\r\r\nA\r\n",          "BS[A]"       },
        {"\nNO\n\rX\r\n\r\n",      "BS[]"        },
        {"123456\r\n",             "[123456]"    },
        {"1234567\r\n",            "LS"          },
        {"12345678\r\nA\r\n",      "LS[A]"       },
        {"123456789",              "L"           },
        {"123456789\n\r\r\nA\r\n", "LS[A]"       },
        {"1234567\rX\r\n",         "LS"          },
        {"12345\n789\r\n",         "BS"          },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct steps steps = {.len = 0};
        add(&steps, rows[i].steps, strlen(rows[i].steps));
        CU_ASSERT_TRUE(is_read_as(rows[i].octets, strlen(rows[i].octets), &steps));
        steps.len = 0;
        read_slowly(rows[i].octets, strlen(rows[i].octets), LINE_MAX_LEN, &steps);
        CU_ASSERT_STRING_EQUAL(steps.len == 0 ? "" : steps.text, rows[i].steps);
    }
}

static void test_exhaustive(void)
{
    static const char *const symbols[] = {"\r", "\n", "x", "123456"};
    size_t wrong_count = 0;
    for (size_t count = 1; count <= SYMBOLS_MAX - 1; count++) {
        const size_t all = (size_t)1 << (2 * count);
        for (size_t choice = 0; choice < all && wrong_count == 0; choice++) {
            char octets[SYMBOLS_MAX * 6];
            size_t len = 0;
            for (size_t i = 0; i < count; i++) {
                const char *symbol = symbols[choice >> (2 * i) & 3];
                memcpy(octets + len, symbol, strlen(symbol));
                len += strlen(symbol);
            }
            struct steps steps = {.len = 0};
            read_slowly(octets, len, LINE_MAX_LEN, &steps);
            wrong_count += !is_read_as(octets, len, &steps);
        }
    }
    CU_ASSERT_EQUAL(wrong_count, 0);
}

/* Lines of every length around the limit, of a verb with and without an extension. */
static void test_limit(void)
{
    config.command_line_max = 40;
    for (size_t len = 30; len < 90; len++) {
        for (size_t is_mail = 0; is_mail < 2; is_mail++) {
            for (size_t has_utf8 = 0; has_utf8 < 2; has_utf8++) {
                char octets[128];
                memset(octets, ' ', len);
                memcpy(octets, is_mail != 0 ? "mail" : "nail", 4);
                memcpy(octets + len, "\r\nNOOP\r\n", 8);
                config.smtputf8 = has_utf8 != 0;
                const size_t line_max =
                    40 + (is_mail == 0 ? 0 : (has_utf8 != 0 ? (size_t)36 : (size_t)26));
                struct steps steps = {.len = 0};
                read_slowly(octets, len + 8, line_max, &steps);
                CU_ASSERT_TRUE(is_read_as(octets, len + 8, &steps));
            }
        }
    }
    config.command_line_max = LINE_MAX_LEN;
    config.smtputf8 = false;
}

/*
 * Every octet at every place of lines that are a few blocks of sixteen long, at the end of
 * the input and with octets behind: a block is read to its end, and nothing behind the input.
 */
static void test_blocks(void)
{
    config.command_line_max = 64;
    size_t wrong_count = 0;
    for (size_t len = 1; len <= 66; len++) {
        for (size_t at = 0; at < len; at++) {
            for (int octet = 0; octet < 256; octet++) {
                char octets[128];
                memset(octets, 'a', sizeof(octets));
                octets[at] = (char)octet;
                memcpy(octets + len, "\r\n", 2);
                memcpy(octets + len + 20, "\r\n", 2);
                for (size_t more = 0; more < 2; more++) {
                    const size_t all = len + 2 + more * 20;
                    struct steps expected = {.len = 0};
                    struct steps steps = {.len = 0};
                    struct rp_smtp smtp;
                    read_slowly(octets, all, 64, &expected);
                    open_session(&smtp);
                    read_piece(&smtp, octets, all, &steps);
                    wrong_count += steps.len != expected.len ||
                                   memcmp(steps.text, expected.text, steps.len) != 0;
                }
            }
        }
    }
    CU_ASSERT_EQUAL(wrong_count, 0);
    config.command_line_max = LINE_MAX_LEN;
}

/* A line of a megabyte takes no memory: the buffer of the session has the size it had. */
static void test_endless(void)
{
    struct rp_smtp smtp;
    struct steps steps = {.len = 0};
    static char octets[4096];
    memset(octets, 'x', sizeof(octets));
    open_session(&smtp);
    for (int i = 0; i < 256; i++) {
        read_piece(&smtp, octets, sizeof(octets), &steps);
    }
    CU_ASSERT_EQUAL(smtp.line_len, 0);
    read_piece(&smtp, "\r\nA\r\n", 5, &steps);
    CU_ASSERT_STRING_EQUAL(steps.text, "LS[A]");
}

/* Every octet, and every pair of octets that are at a border, at every place of every length. */
static void test_classify(void)
{
    static const uint8_t others[] = {0, 31, 32, 'x', 126, 127, 128, 159, 160, 224, 254, 255};
    size_t wrong_count = 0;
    for (size_t len = 0; len <= 19; len++) {
        for (size_t at = 0; at < len; at++) {
            for (int octet = 0; octet < 256; octet++) {
                for (size_t other = 0; other < sizeof(others); other++) {
                    uint8_t octets[20];
                    memset(octets, 'a', sizeof(octets));
                    octets[(at + 1) % len] = others[other];
                    octets[at] = (uint8_t)octet;
                    const struct rp_span line = {guard_copy(&guard, octets, len), len};
                    wrong_count += rp_smtp_line_classify(line) != classify_slowly(octets, len);
                }
            }
        }
    }
    CU_ASSERT_EQUAL(wrong_count, 0);
    CU_ASSERT_EQUAL(rp_smtp_line_classify((struct rp_span){NULL, 0}), RP_SMTP_LINE_ASCII);
}

int main(void)
{
    if (CU_initialize_registry() != CUE_SUCCESS) {
        return EXIT_FAILURE;
    }
    guard_open(&guard, 4096);
    guard_open(&line_guard, 4096);
    CU_pSuite suite = CU_add_suite("proto/smtp_line", NULL, NULL);
    const bool is_ready =
        suite != NULL && CU_ADD_TEST(suite, test_rows) != NULL &&
        CU_ADD_TEST(suite, test_exhaustive) != NULL && CU_ADD_TEST(suite, test_limit) != NULL &&
        CU_ADD_TEST(suite, test_blocks) != NULL && CU_ADD_TEST(suite, test_endless) != NULL &&
        CU_ADD_TEST(suite, test_classify) != NULL;
    CU_basic_set_mode(CU_BRM_NORMAL);
    const bool has_run = is_ready && CU_basic_run_tests() == CUE_SUCCESS;
    const bool has_failed = !has_run || CU_get_number_of_failures() > 0;
    guard_close(&guard);
    guard_close(&line_guard);
    CU_cleanup_registry();
    return has_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
