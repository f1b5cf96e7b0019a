/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_load_auth.c - AUTH lines are as the RFC has them.
 *
 * Goal: what is sent is the name and the password that were given, and nothing of them stays
 * behind. Method: rows, among them the example of RFC 4616; every length up to the limit, decoded
 * again by a decoder of its own.
 */
#include "perf/load_auth.h"
#include "tests/tools/suite.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

static bool is_text(struct rp_span span, const char *wanted)
{
    assert(wanted != NULL);
    return span.len == strlen(wanted) && memcmp(span.ptr, wanted, span.len) == 0;
}

static void test_rows(void)
{
    static const struct {
        const char *credentials;
        const char *plain; /* NULL: refused */
        const char *name;
        const char *password;
    } rows[] = {
  /* clang-format off */
        {"tim:tanstaaftanstaaf", "AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm\r\n", "dGlt\r\n", "dGFuc3RhYWZ0YW5zdGFhZg==\r\n"},
        {"a:b",                  "AUTH PLAIN AGEAYg==\r\n",                     "YQ==\r\n", "Yg==\r\n"},
        {"a:b:c",                "AUTH PLAIN AGEAYjpj\r\n",                     "YQ==\r\n", "Yjpj\r\n"},
        {"",    NULL, NULL, NULL},
        {"a",   NULL, NULL, NULL},
        {"a:",  NULL, NULL, NULL},
        {":b",  NULL, NULL, NULL},
  /* clang-format on */
    };
    for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
        struct rp_load_auth auth;
        int err = rp_load_auth_init(rows[row].credentials, &auth);
        CU_ASSERT_EQUAL(err, rows[row].plain != NULL ? 0 : -EINVAL);
        if (err == 0) {
            CU_ASSERT_TRUE(is_text(rp_load_auth_span(&auth.plain), rows[row].plain));
            CU_ASSERT_TRUE(is_text(rp_load_auth_span(&auth.login_name), rows[row].name));
            CU_ASSERT_TRUE(is_text(rp_load_auth_span(&auth.login_password), rows[row].password));
        }
    }
}

/* Base64 into `octets`; returns how many. Of valid input, with its CRLF. */
static size_t decode(struct rp_span text, uint8_t *octets)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t count = 0;
    uint32_t bits = 0;
    unsigned bit_count = 0;
    for (size_t at = 0; at + 2 < text.len && text.ptr[at] != '='; at++) {
        bits = bits << 6 | (uint32_t)(strchr(digits, text.ptr[at]) - digits);
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            octets[count++] = (uint8_t)(bits >> bit_count);
        }
    }
    return count;
}

static void test_lengths(void)
{
    static const size_t start_len = 11; /* "AUTH PLAIN " */
    for (size_t len = 1; len <= RP_LOAD_AUTH_PART_MAX + 1; len++) {
        char credentials[2 * RP_LOAD_AUTH_PART_MAX + 4];
        uint8_t octets[RP_LOAD_AUTH_LINE_MAX] = {0};
        struct rp_load_auth auth;
        memset(credentials, 'n', len);
        credentials[len] = ':';
        memset(credentials + len + 1, 'p', len);
        credentials[2 * len + 1] = '\0';
        int err = rp_load_auth_init(credentials, &auth);
        CU_ASSERT_EQUAL(err, len <= RP_LOAD_AUTH_PART_MAX ? 0 : -EINVAL);
        if (err != 0) {
            continue;
        }
        struct rp_span plain = rp_load_auth_span(&auth.plain);
        plain = (struct rp_span){.ptr = plain.ptr + start_len, .len = plain.len - start_len};
        CU_ASSERT_EQUAL_FATAL(decode(plain, octets), 2 * len + 2);
        CU_ASSERT_EQUAL(octets[0], 0);
        CU_ASSERT_EQUAL(octets[len + 1], 0);
        CU_ASSERT_EQUAL(memcmp(octets + 1, credentials, len), 0);
        CU_ASSERT_EQUAL(memcmp(octets + len + 2, credentials + len + 1, len), 0);
        CU_ASSERT_EQUAL(decode(rp_load_auth_span(&auth.login_password), octets), len);
    }
}

static void test_wipe(void)
{
    struct rp_load_auth auth;
    static const struct rp_load_auth empty;
    CU_ASSERT_EQUAL_FATAL(rp_load_auth_init("joe:secret", &auth), 0);
    rp_load_auth_wipe(&auth);
    CU_ASSERT_EQUAL(memcmp(&auth, &empty, sizeof(auth)), 0);
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"rows",        test_rows   },
        {"all lengths", test_lengths},
        {"wipe",        test_wipe   },
    };
    return SUITE_RUN("perf/load_auth", tests, argc, argv);
}
