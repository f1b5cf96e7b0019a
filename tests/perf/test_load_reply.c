/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_load_reply.c - replies are read as RFC 5321 has them, wherever the network cuts them.
 *
 * Goal: the same lines whatever the cuts; what is no reply is never taken for one; nothing is read
 * beyond the input. Method: rows of octets with the lines they hold, each at once, octet by octet
 * and at every single cut, the input ending at a guard page; every line of up to five symbols
 * against a judge of its own; lengths around the limits.
 */
#include "perf/load_reply.h"
#include "tests/proto/guard.h"
#include "tests/tools/suite.h"

#include <stdbool.h>
#include <string.h>

#define TRACE_LEN 8192u

/* What was read, as text: a line each, with its step. */
static char trace[TRACE_LEN];
static size_t trace_len;
static struct guard guard;

static void note(enum rp_load_reply_step step, const struct rp_load_reply_line *line)
{
    static const char *const names[] = {"more", "line", "last", "bad"};
    int len = snprintf(trace + trace_len, sizeof(trace) - trace_len, "%s %u <%.*s>\n", names[step],
                       line->code, (int)line->text.len,
                       line->text.len > 0 ? (const char *)line->text.ptr : "");
    CU_ASSERT_FATAL(len > 0 && (size_t)len < sizeof(trace) - trace_len);
    trace_len += (size_t)len;
}

/* Feed one piece; false: it is bad. */
static bool feed(struct rp_load_reply *reply, const uint8_t *ptr, size_t len)
{
    struct rp_load_reply_line line = {0};
    uint8_t *copy = guard_copy(&guard, ptr, len);
    struct rp_span in = {.ptr = copy, .len = len};
    for (;;) {
        enum rp_load_reply_step step = rp_load_reply_next(reply, &in, &line);
        if (step == RP_LOAD_REPLY_MORE) {
            CU_ASSERT_EQUAL(in.len, 0);
            return true;
        }
        note(step, &line);
        if (step == RP_LOAD_REPLY_BAD) {
            return false;
        }
    }
}

static void begin(struct rp_load_reply *reply)
{
    memset(reply, 0xa5, sizeof(*reply)); /* init must not need zeros */
    rp_load_reply_init(reply);
    trace_len = 0;
    trace[0] = '\0';
}

static const struct {
    const char *octets;
    const char *lines;
} rows[] = {
    {"250 OK\r\n",                           "last 250 <OK>\n"                                    },
    {"250\r\n",                              "last 250 <>\n"                                      },
    {"250 \r\n",                             "last 250 <>\n"                                      },
    {"220 a\r\n354 b\r\n",                   "last 220 <a>\nlast 354 <b>\n"                       },
    {"250-mx\r\n250-SIZE 1\r\n250 HELP\r\n", "line 250 <mx>\nline 250 <SIZE 1>\nlast 250 <HELP>\n"},
    {"250-\r\n250\r\n",                      "line 250 <>\nlast 250 <>\n"                         },
    {"559 \t\xc3\xbc-\r\n",                  "last 559 <\t\xc3\xbc->\n"                           },
    {"250-a\r\n251 b\r\n",                   "line 250 <a>\nbad 0 <>\n"                           },
    {"250-a\r\n550 b\r\n",                   "line 250 <a>\nbad 0 <>\n"                           },
    {"250 OK\n",                             "bad 0 <>\n"                                         },
    {"250 O\rK\r\n",                         "bad 0 <>\n"                                         },
    {"250 OK\r\r\n",                         "bad 0 <>\n"                                         },
    {"\r\n",                                 "bad 0 <>\n"                                         },
    {"\n",                                   "bad 0 <>\n"                                         },
    {"25\r\n",                               "bad 0 <>\n"                                         },
    {"2500 OK\r\n",                          "bad 0 <>\n"                                         },
    {"250OK\r\n",                            "bad 0 <>\n"                                         },
    {"250_OK\r\n",                           "bad 0 <>\n"                                         },
    {"150 OK\r\n",                           "bad 0 <>\n"                                         },
    {"650 OK\r\n",                           "bad 0 <>\n"                                         },
    {"260 OK\r\n",                           "bad 0 <>\n"                                         },
    {"2a0 OK\r\n",                           "bad 0 <>\n"                                         },
    {" 250 OK\r\n",                          "bad 0 <>\n"                                         },
    {"HTTP/1.1 400 Bad Request\r\n",         "bad 0 <>\n"                                         },
    {"220 a\r\nnonsense\r\n220 b\r\n",       "last 220 <a>\nbad 0 <>\n"                           },
};
#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))

static void test_rows(void)
{
    for (size_t row = 0; row < ROW_COUNT; row++) {
        const uint8_t *octets = (const uint8_t *)rows[row].octets;
        size_t len = strlen(rows[row].octets);
        struct rp_load_reply reply;
        for (size_t cut = 0; cut <= len; cut++) {
            begin(&reply);
            if (feed(&reply, octets, cut)) {
                (void)feed(&reply, octets + cut, len - cut);
            }
            CU_ASSERT_STRING_EQUAL(trace, rows[row].lines);
        }
        begin(&reply);
        for (size_t at = 0; at < len && feed(&reply, octets + at, 1); at++) {
        }
        CU_ASSERT_STRING_EQUAL(trace, rows[row].lines);
    }
}

/* A bad reply stays bad, and its octets can be told. */
static void test_bad_stays(void)
{
    static const uint8_t bad[] = "nonsense\r\n";
    static const uint8_t good[] = "250 OK\r\n";
    for (size_t cut = 0; cut < sizeof(bad) - 2; cut++) {
        struct rp_load_reply reply;
        struct rp_load_reply_line line;
        rp_load_reply_init(&reply);
        struct rp_span in = {.ptr = bad, .len = cut};
        CU_ASSERT_EQUAL(rp_load_reply_next(&reply, &in, &line), RP_LOAD_REPLY_MORE);
        in = (struct rp_span){.ptr = bad + cut, .len = sizeof(bad) - 1 - cut};
        for (unsigned call = 0; call < 3; call++) {
            CU_ASSERT_EQUAL(rp_load_reply_next(&reply, &in, &line), RP_LOAD_REPLY_BAD);
            CU_ASSERT_EQUAL_FATAL(line.whole.len, strlen("nonsense"));
            CU_ASSERT_EQUAL(memcmp(line.whole.ptr, "nonsense", line.whole.len), 0);
            in = (struct rp_span){.ptr = good, .len = sizeof(good) - 1};
        }
    }
}

static void test_line_limit(void)
{
    static const uint8_t start[] = {'2', '5', '0', ' '};
    static uint8_t octets[2 * RP_LOAD_REPLY_LINE_MAX];
    for (size_t len = RP_LOAD_REPLY_LINE_MAX - 3; len <= RP_LOAD_REPLY_LINE_MAX + 3; len++) {
        memset(octets, 'x', sizeof(octets));
        memcpy(octets, start, sizeof(start));
        octets[len - 2] = '\r';
        octets[len - 1] = '\n';
        static const size_t cuts[] = {0, 1, 500, RP_LOAD_REPLY_LINE_MAX - 4};
        for (size_t cut = 0; cut < sizeof(cuts) / sizeof(cuts[0]); cut++) {
            struct rp_load_reply reply;
            begin(&reply);
            bool is_fine = feed(&reply, octets, cuts[cut]) &&
                           feed(&reply, octets + cuts[cut], len - cuts[cut]);
            CU_ASSERT_EQUAL(is_fine, len <= RP_LOAD_REPLY_LINE_MAX);
        }
    }
    /* Endless, in pieces: it is bad at the limit, not when a line end comes. */
    struct rp_load_reply reply;
    begin(&reply);
    CU_ASSERT_TRUE(feed(&reply, octets, RP_LOAD_REPLY_LINE_MAX - 1));
    CU_ASSERT_FALSE(feed(&reply, octets, 1));
}

static void test_line_count(void)
{
    static const uint8_t more[] = "250-x\r\n";
    static const uint8_t last[] = "250 x\r\n";
    for (unsigned reply_count = 0; reply_count < 2; reply_count++) {
        struct rp_load_reply reply;
        begin(&reply);
        for (unsigned line = 1; line < RP_LOAD_REPLY_LINES_MAX; line++) {
            CU_ASSERT_TRUE_FATAL(feed(&reply, more, sizeof(more) - 1));
        }
        if (reply_count == 0) {
            CU_ASSERT_TRUE(feed(&reply, last, sizeof(last) - 1));
            CU_ASSERT_TRUE(feed(&reply, more, sizeof(more) - 1)); /* counted anew */
        } else {
            CU_ASSERT_FALSE(feed(&reply, more, sizeof(more) - 1));
        }
    }
}

/* Of the octets before CRLF; written without the reader's tricks. */
static bool is_line(const char *text, size_t len)
{
    static const char first[] = "2345";
    static const char second[] = "012345";
    static const char third[] = "0123456789";
    if (len < 3 || strchr(first, text[0]) == NULL || strchr(second, text[1]) == NULL ||
        strchr(third, text[2]) == NULL || (len > 3 && text[3] != ' ' && text[3] != '-')) {
        return false;
    }
    for (size_t at = 0; at < len; at++) {
        if (text[at] == '\r' || text[at] == '\n') {
            return false;
        }
    }
    return true;
}

/* All lines of up to five symbols. */
static void test_all_short(void)
{
    static const char symbols[] = {'1', '2', '5', '6', ' ', '-', 'x', '\r'};
    const size_t count = sizeof(symbols);
    size_t total = 1;
    size_t good_count = 0;
    for (size_t len = 0; len <= 5; len++, total *= count) {
        for (size_t number = 0; number < total; number++) {
            char text[8];
            size_t rest = number;
            for (size_t at = 0; at < len; at++, rest /= count) {
                text[at] = symbols[rest % count];
            }
            text[len] = '\r';
            text[len + 1] = '\n';
            struct rp_load_reply reply;
            struct rp_load_reply_line line;
            rp_load_reply_init(&reply);
            struct rp_span in = {.ptr = (const uint8_t *)text, .len = len + 2};
            enum rp_load_reply_step step = rp_load_reply_next(&reply, &in, &line);
            enum rp_load_reply_step wanted = !is_line(text, len)         ? RP_LOAD_REPLY_BAD
                                             : len > 3 && text[3] == '-' ? RP_LOAD_REPLY_LINE
                                                                         : RP_LOAD_REPLY_LAST;
            CU_ASSERT_EQUAL_FATAL(step, wanted);
            good_count += step != RP_LOAD_REPLY_BAD ? 1 : 0;
        }
    }
    CU_ASSERT_TRUE(good_count > 100); /* the symbols make replies too */
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"rows at every cut", test_rows      },
        {"bad stays bad",     test_bad_stays },
        {"length of a line",  test_line_limit},
        {"lines of a reply",  test_line_count},
        {"all short lines",   test_all_short },
    };
    guard_open(&guard, (size_t)2 * RP_LOAD_REPLY_LINE_MAX);
    int outcome = SUITE_RUN("perf/load_reply", tests, argc, argv);
    guard_close(&guard);
    return outcome;
}
