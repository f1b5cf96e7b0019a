/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_mboxrd.c - a body in an mbox file can be read back.
 *
 * Goal: no line of a body is taken for the beginning of a message, and but for line ends
 * nothing is lost. Method: rows; then all texts of up to seven of the symbols that matter,
 * and random ones, through a reader that undoes the form from its definition: split at LF,
 * take one ">" off lines that begin with at least one and then "From ". Inputs end at a guard page.
 */
#include "suite.h"
#include "tests/proto/guard.h"
#include "tools/mboxrd.h"

#define TEXT_MAX 4096u

static struct guard guard;

struct text {
    size_t len;
    uint8_t octets[TEXT_MAX];
};

static void append(struct text *text, const uint8_t *ptr, size_t len)
{
    CU_ASSERT_FATAL(len <= TEXT_MAX - text->len);
    memcpy(text->octets + text->len, ptr, len);
    text->len += len;
}

static void encode(const uint8_t *body, size_t len, struct text *out)
{
    struct rp_mboxrd mbox;
    const uint8_t *piece = NULL;
    size_t piece_len = 0;
    out->len = 0;
    rp_mboxrd_init(&mbox, guard_copy(&guard, body, len), len);
    while (rp_mboxrd_next(&mbox, &piece, &piece_len)) {
        CU_ASSERT_FATAL(piece_len > 0);
        append(out, piece, piece_len);
    }
    CU_ASSERT_FALSE(rp_mboxrd_next(&mbox, &piece, &piece_len));
}

static void check(const char *body, const char *encoded)
{
    static struct text out;
    encode((const uint8_t *)body, strlen(body), &out);
    CU_ASSERT_EQUAL(out.len, strlen(encoded));
    CU_ASSERT_EQUAL(memcmp(out.octets, encoded, out.len), 0);
}

static void test_rows(void)
{
    check("", "\n");
    check("a\r\n", "a\n\n");
    check("a", "a\n\n");
    check("\r\n", "\n\n");
    check("a\nb\r\nc", "a\nb\nc\n\n");
    check("From x\r\n", ">From x\n\n");
    check(">From x\r\n", ">>From x\n\n");
    check(">>>From \r\n", ">>>>From \n\n");
    check("From\r\nfrom x\r\n From x\r\n", "From\nfrom x\n From x\n\n");
    check("a\nFrom b", "a\n>From b\n\n");
    check("a\rFrom b\r", "a\rFrom b\r\n\n");
    check(">>>", ">>>\n\n");
    check("a\r\r\nb", "a\r\nb\n\n");
}

/*
 * The oracle: what the body must come back as. CRLF was made LF, a last line without an
 * end got one.
 */
static void normalize(const uint8_t *body, size_t len, struct text *out)
{
    out->len = 0;
    for (size_t index = 0; index < len; index++) {
        bool is_dropped = body[index] == '\r' && index + 1 < len && body[index + 1] == '\n';
        if (!is_dropped) {
            append(out, body + index, 1);
        }
    }
    if (len > 0 && body[len - 1] != '\n') {
        append(out, (const uint8_t *)"\n", 1);
    }
}

/* Undo the form line by line. False: a line would begin another message. */
static bool decode(const struct text *mbox, struct text *out)
{
    out->len = 0;
    size_t start = 0;
    while (start < mbox->len) {
        size_t end = start;
        while (mbox->octets[end] != '\n') {
            end++;
        }
        const uint8_t *line = mbox->octets + start;
        size_t len = end + 1 - start;
        size_t quotes = 0;
        while (line[quotes] == '>') {
            quotes++;
        }
        bool is_from = len - quotes > 5 && memcmp(line + quotes, "From ", 5) == 0;
        if (is_from && quotes == 0) {
            return false;
        }
        append(out, line + is_from, len - is_from);
        start = end + 1;
    }
    return true;
}

static bool check_round_trip(const uint8_t *body, size_t len)
{
    static struct text mbox;
    static struct text wanted;
    static struct text back;
    encode(body, len, &mbox);
    if (mbox.len == 0 || mbox.octets[mbox.len - 1] != '\n') {
        return false;
    }
    mbox.len--; /* the empty line behind the message */
    normalize(body, len, &wanted);
    return decode(&mbox, &back) && back.len == wanted.len &&
           memcmp(back.octets, wanted.octets, wanted.len) == 0;
}

static const char *const symbols[] = {"\r", "\n", ">", "From ", "From", "F", " "};
#define SYMBOL_COUNT (sizeof(symbols) / sizeof(symbols[0]))

static size_t append_symbol(uint8_t *body, size_t len, size_t symbol)
{
    size_t symbol_len = strlen(symbols[symbol]);
    memcpy(body + len, symbols[symbol], symbol_len);
    return len + symbol_len;
}

static void test_all_short(void)
{
    size_t failures = 0;
    size_t count = 1;
    for (size_t symbol_count = 0; symbol_count <= 6; symbol_count++, count *= SYMBOL_COUNT) {
        for (size_t number = 0; number < count; number++) {
            uint8_t body[64];
            size_t len = 0;
            size_t rest = number;
            for (size_t index = 0; index < symbol_count; index++, rest /= SYMBOL_COUNT) {
                len = append_symbol(body, len, rest % SYMBOL_COUNT);
            }
            failures += !check_round_trip(body, len);
        }
    }
    CU_ASSERT_EQUAL(failures, 0);
}

static void test_random(void)
{
    uint64_t state = suite_seed;
    size_t failures = 0;
    for (unsigned round = 0; round < 5000; round++) {
        uint8_t body[1024];
        size_t len = 0;
        size_t symbol_count = suite_random_below(&state, 120);
        for (size_t index = 0; index < symbol_count; index++) {
            if (suite_random_below(&state, 4) == 0) {
                body[len++] = (uint8_t)(suite_random(&state) >> 32);
            } else {
                len = append_symbol(body, len, suite_random_below(&state, SYMBOL_COUNT));
            }
        }
        failures += !check_round_trip(body, len);
    }
    CU_ASSERT_EQUAL(failures, 0);
}

static void test_sender(void)
{
    static const struct {
        const char *sender;
        const char *word;
    } rows[] = {
        {"",                                 "MAILER-DAEMON"                  },
        {"user@example.org",                 "user@example.org"               },
        {"\"a b\"@x",                        "\"a-b\"@x"                      },
        {"a\r\nb@x",                         "a--b@x"                         },
        {"gr\xc3\xbcn@x",                    "gr--n@x"                        },
        {"12345678901234567890123456789012", "1234567890123456789012345678901"},
    };
    for (size_t index = 0; index < sizeof(rows) / sizeof(rows[0]); index++) {
        char word[32];
        size_t len = strlen(rows[index].sender);
        rp_mboxrd_sender(guard_copy(&guard, rows[index].sender, len), len, word, sizeof(word));
        CU_ASSERT_STRING_EQUAL(word, rows[index].word);
    }
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"rows",                      test_rows     },
        {"all short texts",           test_all_short},
        {"random texts",              test_random   },
        {"the sender of a From line", test_sender   },
    };
    guard_open(&guard, TEXT_MAX);
    int outcome = SUITE_RUN("tools/mboxrd", tests, argc, argv);
    guard_close(&guard);
    return outcome;
}
