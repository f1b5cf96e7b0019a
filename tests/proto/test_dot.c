/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_dot.c - the DATA decoder does what RFC 5321, 4.1.1.4 and 4.5.2, says.
 *
 * Goal: for every input, newline mode, scanner and cut of the input, the body, the end
 * and the two flags are right. Method: rows that a reader can check; then all inputs of
 * up to seven symbols at every cut, then longer ones placed at every offset of a scanner's
 * block, then random mail, each compared with a second decoder below, which looks at the
 * input as a whole and shares nothing with the first. Inputs end at a guard page.
 *
 * A number as argument is the seed of the random part.
 */
#include "guard.h"
#include "proto/rp_dot.h"

#include <CUnit/Basic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX  (256u * 1024)
#define OUTPUT_MAX ((size_t)2 * INPUT_MAX)
#define CUTS_MAX   16u

static const enum rp_dot_newline newlines[] = {RP_DOT_REJECT, RP_DOT_NORMALIZE, RP_DOT_KEEP};
static const char *const scanner_names[RP_DOT_SCAN_COUNT] = {"table", "sse2", "avx2", "neon"};

#define NEWLINE_COUNT (sizeof newlines / sizeof newlines[0])

static struct guard guard;
static uint64_t seed = 20260823;
static uint64_t random_state;

/* xorshift64*: good enough to choose inputs, and the same on every machine. */
static uint64_t random_next(void)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * UINT64_C(0x2545f4914f6cdd1d);
}

static size_t random_below(size_t limit)
{
    return (size_t)((random_next() >> 20) % limit);
}

struct result {
    uint8_t body[OUTPUT_MAX];
    size_t body_len;
    size_t consumed; /* octets up to and with the end, or all */
    bool has_end;
    bool has_bare;
    bool has_long_line;
};

static struct result expected;
static struct result actual;

static void result_clear(struct result *result)
{
    result->body_len = 0;
    result->consumed = 0;
    result->has_end = result->has_bare = result->has_long_line = false;
}

static void result_append(struct result *result, const void *octets, size_t len)
{
    assert(result->body_len + len <= OUTPUT_MAX);
    memcpy(result->body + result->body_len, octets, len);
    result->body_len += len;
}

static bool starts_with(const uint8_t *octets, size_t len, const char *text)
{
    return len >= strlen(text) && memcmp(octets, text, strlen(text)) == 0;
}

/* One line as sent, without its CRLF when it has one; is_open: it may go on. */
static void oracle_line(const uint8_t *line, size_t len, bool is_open, enum rp_dot_newline newline)
{
    size_t i = len > 0 && line[0] == '.' ? 1 : 0;
    for (; i < len; i++) {
        bool is_undecided = line[i] == '\r' && is_open && i + 1 == len;
        bool is_bare = (line[i] == '\r' || line[i] == '\n') && !is_undecided;
        expected.has_bare = expected.has_bare || is_bare;
        if (is_bare && newline == RP_DOT_NORMALIZE) {
            result_append(&expected, "\r\n", 2);
        } else {
            result_append(&expected, &line[i], 1);
        }
    }
    if (!is_open) {
        result_append(&expected, "\r\n", 2);
    }
}

/*
 * The second decoder. RFC 5321, 4.1.1.4: the end is CRLF "." CRLF, whose first CRLF ends
 * the last line; 4.5.2: a "." that begins a line of more than that is removed. A body
 * without a line is "." CRLF at once.
 */
static void oracle(const uint8_t *in, size_t len, enum rp_dot_newline newline, uint32_t line_max)
{
    result_clear(&expected);
    size_t text_len = len;
    expected.consumed = len;
    if (starts_with(in, len, ".\r\n")) {
        expected.has_end = true;
        expected.consumed = 3;
        return;
    }
    for (size_t i = 0; i < len && !expected.has_end; i++) {
        if (starts_with(in + i, len - i, "\r\n.\r\n")) {
            expected.has_end = true;
            expected.consumed = i + 5;
            text_len = i + 2;
        }
    }
    size_t begin = 0;
    while (begin < text_len) {
        size_t end = begin;
        while (end < text_len && !starts_with(in + end, text_len - end, "\r\n")) {
            end++;
        }
        bool is_open = end == text_len;
        size_t line_len = end - begin;
        bool may_be_end = is_open && in[begin] == '.' &&
                          (line_len == 1 || (line_len == 2 && in[begin + 1] == '\r'));
        if (may_be_end) {
            break; /* nothing of it can be told yet */
        }
        size_t sent_len = line_len + (is_open ? 0 : 2);
        if (line_max > 0 && sent_len > line_max) {
            expected.has_long_line = true;
        }
        oracle_line(in + begin, line_len, is_open, newline);
        begin = end + 2;
    }
}

/* Feed one part; false when the contract of a single call is broken. */
static bool feed_part(enum rp_dot_scanner scanner,
                      struct rp_dot *dot,
                      const uint8_t *octets,
                      size_t len)
{
    static const uint8_t untouched[1] = {0};
    const uint8_t *copy = guard_copy(&guard, octets, len);
    struct rp_span in = {.ptr = copy, .len = len};
    for (size_t calls = 0; calls <= 2 * len + 2; calls++) {
        struct rp_span body = {.ptr = untouched, .len = 77};
        size_t before = in.len;
        enum rp_dot_step step = rp_dot_next_with(scanner, dot, &in, &body);
        if (in.len > before || in.ptr != copy + len - in.len) {
            return false;
        }
        actual.consumed += before - in.len;
        if (step == RP_DOT_BODY) {
            if (body.len == 0 || body.ptr == untouched) {
                return false;
            }
            result_append(&actual, body.ptr, body.len);
            continue;
        }
        actual.has_end = step == RP_DOT_END;
        return body.ptr == untouched && body.len == 77 && (actual.has_end || in.len == 0);
    }
    return false;
}

/* Decode the input, cut at the given places (rising, the last one being its length). */
static bool run(enum rp_dot_scanner scanner,
                struct rp_dot *dot,
                const uint8_t *in,
                const size_t *cuts,
                size_t cut_count)
{
    result_clear(&actual);
    size_t begin = 0;
    for (size_t i = 0; i < cut_count && !actual.has_end; i++) {
        if (!feed_part(scanner, dot, in + begin, cuts[i] - begin)) {
            return false;
        }
        begin = cuts[i];
    }
    actual.has_bare = dot->has_bare;
    actual.has_long_line = dot->has_long_line;

    /* RP_DOT_END stays, and takes nothing more. */
    static const uint8_t more[] = "x\r\n.\r\n";
    struct rp_span rest = {.ptr = more, .len = sizeof more - 1};
    struct rp_span none = {0};
    return !actual.has_end || (rp_dot_next_with(scanner, dot, &rest, &none) == RP_DOT_END &&
                               rest.len == sizeof more - 1 && none.ptr == NULL);
}

static bool matches(void)
{
    return actual.body_len == expected.body_len && actual.consumed == expected.consumed &&
           actual.has_end == expected.has_end && actual.has_bare == expected.has_bare &&
           actual.has_long_line == expected.has_long_line &&
           memcmp(actual.body, expected.body, expected.body_len) == 0;
}

static void print_octets(const char *name, const uint8_t *octets, size_t len)
{
    (void)fprintf(stderr, "  %s (%zu): ", name, len);
    for (size_t i = 0; i < len && i < 400; i++) {
        if (octets[i] >= ' ' && octets[i] < 0x7f && octets[i] != '\\') {
            (void)fprintf(stderr, "%c", octets[i]);
        } else {
            (void)fprintf(stderr, "\\x%02x", octets[i]);
        }
    }
    (void)fprintf(stderr, "\n");
}

struct subject {
    const uint8_t *in;
    size_t len;
    enum rp_dot_newline newline;
    enum rp_dot_scanner scanner;
    uint32_t line_max;
};

/* Compare with the oracle, which must have looked at the input already. */
static bool check(const struct subject *subject, const size_t *cuts, size_t cut_count)
{
    struct rp_dot dot;
    rp_dot_init(&dot, subject->newline, subject->line_max);
    if (run(subject->scanner, &dot, subject->in, cuts, cut_count) && matches()) {
        return true;
    }
    (void)fprintf(stderr,
                  "\nseed %llu, mode %d, scanner %s, line_max %u, cuts:", (unsigned long long)seed,
                  (int)subject->newline, scanner_names[subject->scanner], subject->line_max);
    for (size_t i = 0; i < cut_count; i++) {
        (void)fprintf(stderr, " %zu", cuts[i]);
    }
    (void)fprintf(stderr, "\n  end %d (%d), bare %d (%d), long %d (%d), consumed %zu (%zu)\n",
                  actual.has_end, expected.has_end, actual.has_bare, expected.has_bare,
                  actual.has_long_line, expected.has_long_line, actual.consumed, expected.consumed);
    print_octets("input", subject->in, subject->len);
    print_octets("body", actual.body, actual.body_len);
    print_octets("expected", expected.body, expected.body_len);
    return false;
}

/* The input whole, cut at each place in [from, len), and an octet at a time from there. */
static bool check_cuts(const struct subject *subject, size_t from)
{
    size_t each[CUTS_MAX];
    size_t each_count = 0;
    for (size_t cut = from; cut < subject->len; cut++) {
        size_t cuts[2] = {cut, subject->len};
        if (!check(subject, cuts, 2)) {
            return false;
        }
        assert(each_count < CUTS_MAX - 1);
        each[each_count++] = cut;
    }
    each[each_count++] = subject->len;
    return check(subject, each, each_count) && check(subject, &subject->len, 1);
}

struct row {
    const char *in;
    const char *kept;       /* the body where newlines are left alone ... */
    const char *normalized; /* ... and where they are not */
    bool has_end;
    bool has_bare;
    const char *rest; /* behind the end */
};

/* clang-format off */
static const struct row rows[] = {
    /* in                          kept                    normalized                end    bare   rest */
    {"",                           "",                     "",                       false, false, ""},
    {".\r\n",                      "",                     "",                       true,  false, ""},
    {".\r\nQUIT\r\n",              "",                     "",                       true,  false, "QUIT\r\n"},
    {"\r\n.\r\n",                  "\r\n",                 "\r\n",                   true,  false, ""},
    {"a\r\n.\r\n",                 "a\r\n",                "a\r\n",                  true,  false, ""},
    {"a\r\n..\r\n.\r\n",           "a\r\n.\r\n",           "a\r\n.\r\n",             true,  false, ""},
    {"..a\r\n.b\r\n.\r\nx",        ".a\r\nb\r\n",          ".a\r\nb\r\n",            true,  false, "x"},
    {"...\r\n.\r\n.\r\n",          "..\r\n",               "..\r\n",                 true,  false, ".\r\n"},
    {"a.\r\n.\r\n",                "a.\r\n",               "a.\r\n",                 true,  false, ""},
    {"a\n.\r\n.\r\n",              "a\n.\r\n",             "a\r\n.\r\n",             true,  true,  ""},
    {"a\n.\nb\r\n.\r\n",           "a\n.\nb\r\n",          "a\r\n.\r\nb\r\n",        true,  true,  ""},
    {"a\r.\r\n.\r\n",              "a\r.\r\n",             "a\r\n.\r\n",             true,  true,  ""},
    {"a\r.\rb\r\n.\r\n",           "a\r.\rb\r\n",          "a\r\n.\r\nb\r\n",        true,  true,  ""},
    {"a\r\n.\n.\r\n",              "a\r\n\n.\r\n",         "a\r\n\r\n.\r\n",         false, true,  ""},
    {"a\r\n.\r.\r\n.\r\n",         "a\r\n\r.\r\n",         "a\r\n\r\n.\r\n",         true,  true,  ""},
    {"a\r\n.\rx\r\n.\r\n",         "a\r\n\rx\r\n",         "a\r\n\r\nx\r\n",         true,  true,  ""},
    {"a\r\n.\r\r\n.\r\n",          "a\r\n\r\r\n",          "a\r\n\r\n\r\n",          true,  true,  ""},
    {"a\r\r\n.\r\n",               "a\r\r\n",              "a\r\n\r\n",              true,  true,  ""},
    {"a\r\n\n.\r\n.\r\n",          "a\r\n\n.\r\n",         "a\r\n\r\n.\r\n",         true,  true,  ""},
    {"a\n\r\n.\r\n",               "a\n\r\n",              "a\r\n\r\n",              true,  true,  ""},
    {"\n.\r\n\r\n.\r\n",           "\n.\r\n\r\n",          "\r\n.\r\n\r\n",          true,  true,  ""},
    {"\r.\r\n\r\n.\r\n",           "\r.\r\n\r\n",          "\r\n.\r\n\r\n",          true,  true,  ""},
    {"a\r\n.",                     "a\r\n",                "a\r\n",                  false, false, ""},
    {"a\r\n.\r",                   "a\r\n",                "a\r\n",                  false, false, ""},
    {"a\r",                        "a\r",                  "a\r",                    false, false, ""},
    {"a\r\n.\n",                   "a\r\n\n",              "a\r\n\r\n",              false, true,  ""},
};
/* clang-format on */

static void test_rows(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        for (size_t mode = 0; mode < NEWLINE_COUNT; mode++) {
            const char *body = newlines[mode] == RP_DOT_NORMALIZE ? row->normalized : row->kept;
            size_t len = strlen(row->in);
            result_clear(&expected);
            result_append(&expected, body, strlen(body));
            expected.has_end = row->has_end;
            expected.has_bare = row->has_bare;
            expected.consumed = len - strlen(row->rest);
            for (int s = 0; s < RP_DOT_SCAN_COUNT; s++) {
                struct subject subject = {.in = (const uint8_t *)row->in,
                                          .len = len,
                                          .newline = newlines[mode],
                                          .scanner = (enum rp_dot_scanner)s};
                if (rp_dot_has_scanner(subject.scanner)) {
                    CU_ASSERT(check(&subject, &len, 1));
                }
            }
        }
    }
}

/* An octet with NUL: rows are C strings, this is not. */
static void test_nul(void)
{
    static const uint8_t in[] = "\0\r\n.\0\r\n.\r\n";
    struct rp_dot dot;
    rp_dot_init(&dot, RP_DOT_REJECT, 0);
    size_t len = sizeof in - 1;
    CU_ASSERT(run(RP_DOT_SCAN_TABLE, &dot, in, &len, 1));
    CU_ASSERT(actual.has_end);
    CU_ASSERT_EQUAL(actual.body_len, 6);
    CU_ASSERT(memcmp(actual.body, "\0\r\n\0\r\n", 6) == 0);
}

static const uint8_t symbols[] = {'\r', '\n', '.', 'a', '\0'};

#define SYMBOL_COUNT (sizeof symbols / sizeof symbols[0])

/* The next input of this length in counting order; false: that was the last one. */
static bool next_input(uint8_t *digits, size_t len, uint8_t *in)
{
    size_t i = 0;
    while (i < len && digits[i] + 1u == SYMBOL_COUNT) {
        digits[i] = 0;
        in[i] = symbols[0];
        i++;
    }
    if (i == len) {
        return false;
    }
    digits[i]++;
    in[i] = symbols[digits[i]];
    return true;
}

/* All inputs up to eight symbols by the table, up to seven at every cut; the limit is four. */
static void test_exhaustive(void)
{
    for (size_t len = 0; len <= 8; len++) {
        uint8_t digits[8] = {0};
        uint8_t in[8];
        memset(in, symbols[0], sizeof in);
        do {
            for (size_t mode = 0; mode < NEWLINE_COUNT; mode++) {
                struct subject subject = {
                    .in = in, .len = len, .newline = newlines[mode], .line_max = 4};
                oracle(in, len, subject.newline, subject.line_max);
                size_t first_cut = len > 1 && len < 8 ? 1 : len;
                if (!check_cuts(&subject, first_cut)) {
                    CU_FAIL_FATAL("differs from the second decoder");
                }
            }
        } while (next_input(digits, len, in));
    }
}

/* Check one input with all scanners and modes: whole, and cut around its middle part. */
static bool check_placed(const uint8_t *in, size_t len, size_t place, size_t place_len)
{
    for (size_t mode = 0; mode < NEWLINE_COUNT; mode++) {
        struct subject subject = {
            .in = in, .len = len, .newline = newlines[mode], .line_max = 1001};
        oracle(in, len, subject.newline, subject.line_max);
        for (int s = RP_DOT_SCAN_TABLE + 1; s < RP_DOT_SCAN_COUNT; s++) {
            subject.scanner = (enum rp_dot_scanner)s;
            if (!rp_dot_has_scanner(subject.scanner)) {
                continue;
            }
            size_t cut = place + random_below(place_len + 1);
            size_t cuts[2] = {cut, len};
            if (!check(&subject, &len, 1) || !check(&subject, cuts, 2)) {
                return false;
            }
        }
    }
    return true;
}

/*
 * Every input of four symbols at every offset of a block, with ordinary text around it:
 * the scanners must meet each of them at each bit, and between two blocks.
 */
static void test_blocks(void)
{
    enum {
        place_len = 4,
        before_max = 67,
        behind = 70
    };
    random_state = seed;
    for (size_t before = 12; before <= before_max; before++) {
        uint8_t in[before_max + place_len + behind];
        size_t len = before + place_len + behind;
        memset(in, 'a', len);
        uint8_t digits[place_len] = {0};
        memset(in + before, symbols[0], place_len);
        do {
            if (!check_placed(in, len, before, place_len)) {
                CU_FAIL_FATAL("differs from the second decoder");
            }
        } while (next_input(digits, place_len, in + before));
    }
}

/* The same at random offsets of a run of ordinary lines. */
static void test_runs(void)
{
    random_state = seed;
    for (unsigned round = 0; round < 4000; round++) {
        uint8_t in[2048];
        size_t len = 600 + random_below(sizeof in - 600);
        size_t line_len = 2 + random_below(120);
        size_t begin = random_below(line_len);
        for (size_t i = 0; i < len; i++) {
            size_t column = (begin + i) % line_len;
            in[i] = column + 2 == line_len ? '\r' : column + 1 == line_len ? '\n' : 'a';
        }
        size_t place = random_below(len - 4);
        for (size_t i = place; i < place + 4; i++) {
            in[i] = symbols[random_below(SYMBOL_COUNT)];
        }
        if (!check_placed(in, len, place, 4)) {
            CU_FAIL_FATAL("differs from the second decoder");
        }
    }
}

/* Octets of a line, with odd ones in it now and then; answers its length. */
static size_t make_line(uint8_t *out, size_t room, size_t line_max, unsigned oddity)
{
    static const uint16_t edges[] = {0, 1, 2, 62, 64, 126, 128, 254, 256, 510, 512};
    size_t len = random_below(4) == 0   ? line_max - 4 + random_below(6)
                 : random_below(2) == 0 ? edges[random_below(sizeof edges / sizeof edges[0])]
                                        : random_below(100);
    len = len + 2 <= room ? len : 0;
    for (size_t i = 0; i < len; i++) {
        out[i] = (uint8_t)('a' + i % 26);
        if (oddity > 0 && random_below(oddity) == 0) {
            out[i] = symbols[random_below(SYMBOL_COUNT)];
        }
    }
    if (len > 0 && random_below(4) == 0) {
        out[0] = '.';
    }
    out[len] = '\r';
    out[len + 1] = '\n';
    return len + 2;
}

/* Mail-like input: long, with or without an end and something behind it, cut anywhere. */
static void test_random(void)
{
    static uint8_t in[64 * 1024];
    static const uint32_t line_maxima[] = {0, 50, 64, 128, 256, 300, 512, 1001};
    static const unsigned oddities[] = {0, 0, 3000, 200, 20};
    random_state = seed;
    for (unsigned round = 0; round < 600; round++) {
        uint32_t line_max = line_maxima[random_below(sizeof line_maxima / sizeof line_maxima[0])];
        unsigned oddity = oddities[random_below(sizeof oddities / sizeof oddities[0])];
        size_t room = 1 + random_below(random_below(8) == 0 ? sizeof in : 8192);
        size_t len = 0;
        while (len + 16 < room) {
            len += make_line(in + len, room - len - 8, line_max > 0 ? line_max : 80, oddity);
        }
        if (random_below(3) != 0) {
            memcpy(in + len, ".\r\nRSET", 7);
            len += 7;
        }
        size_t cuts[CUTS_MAX];
        size_t cut_count = 1 + random_below(CUTS_MAX);
        cuts[cut_count - 1] = len;
        for (size_t i = cut_count - 1; i > 0; i--) {
            cuts[i - 1] = random_below(cuts[i] + 1);
        }
        struct subject subject = {.in = in, .len = len, .line_max = line_max};
        for (size_t mode = 0; mode < NEWLINE_COUNT; mode++) {
            subject.newline = newlines[mode];
            oracle(in, len, subject.newline, line_max);
            for (int s = 0; s < RP_DOT_SCAN_COUNT; s++) {
                subject.scanner = (enum rp_dot_scanner)s;
                if (rp_dot_has_scanner(subject.scanner) && !check(&subject, cuts, cut_count)) {
                    CU_FAIL_FATAL("differs from the second decoder");
                }
            }
        }
    }
}

static bool is_long(enum rp_dot_scanner scanner, size_t text_len, bool is_stuffed, bool is_ended)
{
    uint8_t in[2048];
    memset(in, 'a', sizeof in);
    in[0] = is_stuffed ? '.' : 'a';
    memcpy(in + text_len, "\r\n.\r\n", 5);
    struct rp_dot dot;
    rp_dot_init(&dot, RP_DOT_REJECT, 1001);
    size_t len = is_ended ? text_len + 5 : text_len;
    CU_ASSERT(run(scanner, &dot, in, &len, 1));
    CU_ASSERT_EQUAL(actual.has_end, is_ended);
    return actual.has_long_line;
}

/* The limit counts what was sent: the CRLF and the stuffed "." too. */
static void test_line_max(void)
{
    for (int s = 0; s < RP_DOT_SCAN_COUNT; s++) {
        enum rp_dot_scanner scanner = (enum rp_dot_scanner)s;
        if (!rp_dot_has_scanner(scanner)) {
            continue;
        }
        CU_ASSERT_FALSE(is_long(scanner, 999, false, true));
        CU_ASSERT_TRUE(is_long(scanner, 1000, false, true));
        CU_ASSERT_FALSE(is_long(scanner, 999, true, true));
        CU_ASSERT_TRUE(is_long(scanner, 1000, true, true));
        CU_ASSERT_FALSE(is_long(scanner, 1001, false, false));
        CU_ASSERT_TRUE(is_long(scanner, 1002, false, false));
    }
}

/* The last "." CRLF is no line of the body, whatever the limit. */
static void test_line_max_tiny(void)
{
    struct rp_dot dot;
    size_t len = 3;
    rp_dot_init(&dot, RP_DOT_REJECT, 1);
    CU_ASSERT(run(RP_DOT_SCAN_TABLE, &dot, (const uint8_t *)".\r\n", &len, 1));
    CU_ASSERT(actual.has_end);
    CU_ASSERT_FALSE(actual.has_long_line);
}

/* A whole receive buffer without a leading "." is one span, and points into the buffer. */
static void test_long_span(void)
{
    static uint8_t in[16 * 1024];
    for (size_t i = 0; i < sizeof in; i++) {
        in[i] = i % 78 == 76 ? '\r' : i % 78 == 77 ? '\n' : '.';
    }
    in[0] = 'a';
    for (size_t i = 78; i < sizeof in; i += 78) {
        in[i] = 'a';
    }
    for (int s = 0; s < RP_DOT_SCAN_COUNT; s++) {
        if (!rp_dot_has_scanner((enum rp_dot_scanner)s)) {
            continue;
        }
        struct rp_dot dot;
        rp_dot_init(&dot, RP_DOT_NORMALIZE, 1001);
        for (unsigned round = 0; round < 3; round++) {
            /* Whole lines, so that every round begins at the start of one. */
            struct rp_span span = {.ptr = in, .len = sizeof in / 78 * 78};
            struct rp_span body = {0};
            CU_ASSERT_EQUAL(rp_dot_next_with((enum rp_dot_scanner)s, &dot, &span, &body),
                            RP_DOT_BODY);
            CU_ASSERT_PTR_EQUAL(body.ptr, in);
            CU_ASSERT_EQUAL(body.len, sizeof in / 78 * 78);
            CU_ASSERT_EQUAL(rp_dot_next_with((enum rp_dot_scanner)s, &dot, &span, &body),
                            RP_DOT_MORE);
        }
    }
}

/* rp_dot_next, which picks for itself, is one of the scanners. */
static void test_default_scanner(void)
{
    static uint8_t in[1000];
    memset(in, 'a', sizeof in);
    memcpy(in + 500, "\r\n.b", 4);
    memcpy(in + sizeof in - 5, "\r\n.\r\n", 5);
    struct rp_dot dot;
    rp_dot_init(&dot, RP_DOT_REJECT, 0);
    struct rp_span span = {.ptr = guard_copy(&guard, in, sizeof in), .len = sizeof in};
    struct rp_span body;
    size_t body_len = 0;
    while (rp_dot_next(&dot, &span, &body) == RP_DOT_BODY) {
        body_len += body.len;
    }
    CU_ASSERT_EQUAL(rp_dot_next(&dot, &span, &body), RP_DOT_END);
    CU_ASSERT_EQUAL(body_len, sizeof in - 4);
    CU_ASSERT_TRUE(rp_dot_has_scanner(RP_DOT_SCAN_TABLE));
    CU_ASSERT_FALSE(rp_dot_has_scanner(RP_DOT_SCAN_COUNT));
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        seed = strtoull(argv[1], NULL, 0) | 1;
    }
    guard_open(&guard, INPUT_MAX);
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("proto/dot", NULL, NULL);
    CU_add_test(suite, "rows", test_rows);
    CU_add_test(suite, "a NUL is an octet like others", test_nul);
    CU_add_test(suite, "line limit", test_line_max);
    CU_add_test(suite, "line limit below the last dot", test_line_max_tiny);
    CU_add_test(suite, "a buffer is one span", test_long_span);
    CU_add_test(suite, "rp_dot_next picks a scanner", test_default_scanner);
    CU_add_test(suite, "all short inputs at every cut", test_exhaustive);
    CU_add_test(suite, "all short inputs at every place of a block", test_blocks);
    CU_add_test(suite, "odd octets in long runs", test_runs);
    CU_add_test(suite, "random mail", test_random);
    CU_basic_run_tests();
    unsigned failure_count = CU_get_number_of_failures();
    bool has_run = CU_get_number_of_tests_run() == 10;
    CU_cleanup_registry();
    guard_close(&guard);
    return failure_count == 0 && has_run ? 0 : 1;
}
