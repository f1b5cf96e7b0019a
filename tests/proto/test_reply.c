/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_reply.c - reply lines.
 *
 * Goal: the octets of a reply, and that none is longer than RP_REPLY_MAX. Method: rows;
 * then texts of every length around the limit, written up to a guard page.
 */
#include "guard.h"
#include "proto/reply.h"

#include <CUnit/Basic.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static struct guard guard;

/* An output of the least room there may be, which ends at the guard page. */
static struct rp_reply_out open_out(void)
{
    static const uint8_t zeros[RP_REPLY_MAX];
    uint8_t *room = guard_copy(&guard, zeros, sizeof(zeros));
    return (struct rp_reply_out){.ptr = room, .cap = RP_REPLY_MAX};
}

static void check(const struct rp_reply_out *out, const char *expected)
{
    const bool is_same = out->len == strlen(expected) && memcmp(out->ptr, expected, out->len) == 0;
    CU_ASSERT_TRUE(is_same);
    if (!is_same) {
        fprintf(stderr, "\nexpected %s\ngot %.*s\n", expected, (int)out->len,
                (const char *)out->ptr);
    }
}

static void test_rows(void)
{
    static const struct {
        struct rp_reply reply;
        const char *expected;
    } rows[] = {
        {{250, "2.1.0", "OK"},                           "250 2.1.0 OK\r\n"                       },
        {{354, NULL, "End data with <CR><LF>.<CR><LF>"}, "354 End data with <CR><LF>.<CR><LF>\r\n"},
        {{200, NULL, ""},                                "200 \r\n"                               },
        {{599, "5.7.999", ""},                           "599 5.7.999 \r\n"                       },
        {{421, "4.3.2", "Closing"},                      "421 4.3.2 Closing\r\n"                  },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rp_reply_out out = open_out();
        rp_reply_put(&out, &rows[i].reply);
        check(&out, rows[i].expected);
    }
}

static void test_queued(void)
{
    struct rp_reply_out out = open_out();
    rp_reply_put_queued(&out, RP_SPAN_OF("0001-42"));
    check(&out, "250 2.0.0 OK queued as 0001-42\r\n");
}

static void test_parts(void)
{
    static const struct rp_reply reply = {501, "5.5.4", "Syntax: "};
    const struct rp_span parts[] = {
        RP_SPAN_OF("MAIL"), {NULL, 0},
         RP_SPAN_OF(" FROM")
    };
    struct rp_reply_out out = open_out();
    rp_reply_put_parts(&out, &reply, parts, 3);
    check(&out, "501 5.5.4 Syntax: MAIL FROM\r\n");
}

/* One reply behind the other. */
static void test_append(void)
{
    static const struct rp_reply reply = {250, "2.0.0", "OK"};
    uint8_t octets[RP_REPLY_MAX + 2 * 14];
    struct rp_reply_out out = {octets, 0, sizeof(octets)};
    CU_ASSERT_TRUE(rp_reply_has_room(&out));
    rp_reply_put(&out, &reply);
    rp_reply_put(&out, &reply);
    CU_ASSERT_TRUE(rp_reply_has_room(&out));
    rp_reply_put(&out, &reply);
    CU_ASSERT_FALSE(rp_reply_has_room(&out));
    check(&out, "250 2.0.0 OK\r\n250 2.0.0 OK\r\n250 2.0.0 OK\r\n");
}

/* A reply of `len` octets of text, from the text or from a part, is cut where it must be. */
static void test_cut(void)
{
    static char text[RP_REPLY_MAX + 16];
    static char expected[2 * RP_REPLY_MAX];
    for (size_t len = RP_REPLY_MAX - 32; len < RP_REPLY_MAX + 16; len++) {
        memset(text, 'x', len);
        text[len] = '\0';
        const size_t most = RP_REPLY_MAX - sizeof("550 5.7.1 \r\n") + 1;
        const size_t kept = len < most ? len : most;
        (void)snprintf(expected, sizeof(expected), "550 5.7.1 %.*s\r\n", (int)kept, text);

        struct rp_reply_out out = open_out();
        rp_reply_put(&out, &(struct rp_reply){550, "5.7.1", text});
        check(&out, expected);

        out = open_out();
        const struct rp_span parts[] = {
            {(const uint8_t *)text, len},
            RP_SPAN_OF("")
        };
        rp_reply_put_parts(&out, &(struct rp_reply){550, "5.7.1", ""}, parts, 2);
        check(&out, expected);
        CU_ASSERT_TRUE(out.len <= RP_REPLY_MAX);
    }
}

static void test_numbers(void)
{
    uint64_t number = 1;
    for (int bit = 0; bit < 64; bit++, number *= 2) {
        for (uint64_t near = number - 1; near - (number - 1) < 3; near++) {
            char expected[32];
            (void)snprintf(expected, sizeof(expected), "%" PRIu64, near);
            struct rp_reply_out out = open_out();
            rp_reply_put_number(&out, near);
            check(&out, expected);
        }
    }
    struct rp_reply_out out = open_out();
    rp_reply_put_number(&out, UINT64_MAX);
    check(&out, "18446744073709551615");
}

int main(void)
{
    if (CU_initialize_registry() != CUE_SUCCESS) {
        return EXIT_FAILURE;
    }
    guard_open(&guard, RP_REPLY_MAX);
    CU_pSuite suite = CU_add_suite("proto/reply", NULL, NULL);
    const bool is_ready =
        suite != NULL && CU_ADD_TEST(suite, test_rows) != NULL &&
        CU_ADD_TEST(suite, test_queued) != NULL && CU_ADD_TEST(suite, test_parts) != NULL &&
        CU_ADD_TEST(suite, test_append) != NULL && CU_ADD_TEST(suite, test_cut) != NULL &&
        CU_ADD_TEST(suite, test_numbers) != NULL;
    CU_basic_set_mode(CU_BRM_NORMAL);
    const bool has_run = is_ready && CU_basic_run_tests() == CUE_SUCCESS;
    const bool has_failed = !has_run || CU_get_number_of_failures() > 0;
    guard_close(&guard);
    CU_cleanup_registry();
    return has_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
