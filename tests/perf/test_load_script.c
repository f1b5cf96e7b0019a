/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_load_script.c - the commands are written as the options say.
 *
 * Goal: each text as it goes over the wire, the group being exactly its parts in order. Method:
 * rows of options with the group; the largest names and numbers; BDAT lines against printf.
 */
#include "perf/load_script.h"
#include "tests/tools/suite.h"

#include <string.h>

static bool is_text(struct rp_span span, const char *wanted)
{
    return span.len == strlen(wanted) && memcmp(span.ptr, wanted, span.len) == 0;
}

static void test_texts(void)
{
    struct rp_load_script *script = NULL;
    struct rp_load_script_options options = {.domain = "x.org", .depth = 1, .recipients = 2};
    CU_ASSERT_EQUAL_FATAL(rp_load_script_open(&options, &script), 0);
    CU_ASSERT_TRUE(is_text(script->texts[RP_LOAD_SCRIPT_HELLO], "EHLO x.org\r\n"));
    CU_ASSERT_TRUE(is_text(script->texts[RP_LOAD_SCRIPT_HELO], "HELO x.org\r\n"));
    CU_ASSERT_TRUE(is_text(script->texts[RP_LOAD_SCRIPT_MAIL], "MAIL FROM:<load@x.org>\r\n"));
    CU_ASSERT_TRUE(is_text(script->texts[RP_LOAD_SCRIPT_DATA], "DATA\r\n"));
    CU_ASSERT_TRUE(is_text(script->texts[RP_LOAD_SCRIPT_RSET], "RSET\r\n"));
    CU_ASSERT_TRUE(is_text(script->texts[RP_LOAD_SCRIPT_QUIT], "QUIT\r\n"));
    CU_ASSERT_TRUE(is_text(script->texts[RP_LOAD_SCRIPT_EMPTY], ".\r\n"));
    CU_ASSERT_TRUE(is_text(script->texts[RP_LOAD_SCRIPT_LOGIN], "AUTH LOGIN\r\n"));
    CU_ASSERT_TRUE(is_text(rp_load_script_rcpt(script, 0), "RCPT TO:<user1@x.org>\r\n"));
    CU_ASSERT_TRUE(is_text(rp_load_script_rcpt(script, 1), "RCPT TO:<user2@x.org>\r\n"));
    rp_load_script_close(script);
    rp_load_script_close(NULL);
}

static void test_group(void)
{
    static const struct {
        enum rp_load_mode mode;
        bool is_lmtp;
        uint32_t recipients;
        const char *sender;
        const char *hello;
        const char *group;
    } rows[] = {
        {RP_LOAD_PLAIN,     false, 1, NULL,   "EHLO x.org\r\n",
         "MAIL FROM:<load@x.org>\r\nRCPT TO:<user1@x.org>\r\nDATA\r\n"               },
        {RP_LOAD_PIPELINED, true,  2, "",     "LHLO x.org\r\n",
         "MAIL FROM:<>\r\nRCPT TO:<user1@x.org>\r\nRCPT TO:<user2@x.org>\r\nDATA\r\n"},
        {RP_LOAD_BDAT,      false, 1, "me@y", "EHLO x.org\r\n",
         "MAIL FROM:<me@y>\r\nRCPT TO:<user1@x.org>\r\n"                             },
    };
    for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
        struct rp_load_script *script = NULL;
        struct rp_load_script_options options = {
            .mode = rows[row].mode,
            .is_lmtp = rows[row].is_lmtp,
            .recipients = rows[row].recipients,
            .sender = rows[row].sender,
            .domain = "x.org",
            .depth = 1,
        };
        CU_ASSERT_EQUAL_FATAL(rp_load_script_open(&options, &script), 0);
        CU_ASSERT_TRUE(is_text(script->group, rows[row].group));
        CU_ASSERT_TRUE(is_text(script->texts[RP_LOAD_SCRIPT_HELLO], rows[row].hello));
        rp_load_script_close(script);
    }
}

/* The longest names and the most recipients have room. */
static void test_largest(void)
{
    char domain[RP_LOAD_DOMAIN_MAX + 1];
    char sender[RP_LOAD_ADDRESS_MAX + 1];
    memset(domain, 'd', sizeof(domain));
    memset(sender, 's', sizeof(sender));
    domain[RP_LOAD_DOMAIN_MAX] = '\0';
    sender[RP_LOAD_ADDRESS_MAX] = '\0';
    struct rp_load_script *script = NULL;
    struct rp_load_script_options options = {
        .domain = domain,
        .sender = sender,
        .depth = 1,
        .recipients = RP_LOAD_RECIPIENTS_MAX,
    };
    CU_ASSERT_EQUAL_FATAL(rp_load_script_open(&options, &script), 0);
    struct rp_span last = rp_load_script_rcpt(script, RP_LOAD_RECIPIENTS_MAX - 1);
    char wanted[320];
    (void)snprintf(wanted, sizeof(wanted), "RCPT TO:<user%u@%s>\r\n", RP_LOAD_RECIPIENTS_MAX,
                   domain);
    CU_ASSERT_TRUE(is_text(last, wanted));
    /* Parts make up the whole. */
    size_t len = script->texts[RP_LOAD_SCRIPT_MAIL].len + script->texts[RP_LOAD_SCRIPT_DATA].len;
    for (uint32_t index = 0; index < RP_LOAD_RECIPIENTS_MAX; index++) {
        len += rp_load_script_rcpt(script, index).len;
    }
    CU_ASSERT_EQUAL(len, script->group.len);
    rp_load_script_close(script);
}

static void test_bdat(void)
{
    uint64_t random = suite_seed;
    for (unsigned round = 0; round < 1000; round++) {
        uint64_t number = suite_random(&random) >> suite_random_below(&random, 64);
        number = round == 0 ? 0 : round == 1 ? UINT64_MAX : number;
        char place[RP_LOAD_SCRIPT_BDAT_MAX];
        char wanted[64];
        (void)snprintf(wanted, sizeof(wanted), "BDAT %" PRIu64 " LAST\r\n", number);
        uint32_t len = rp_load_script_bdat(number, place);
        CU_ASSERT_TRUE(is_text((struct rp_span){.ptr = (uint8_t *)place, .len = len}, wanted));
    }
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"texts",   test_texts  },
        {"group",   test_group  },
        {"largest", test_largest},
        {"BDAT",    test_bdat   },
    };
    return SUITE_RUN("perf/load_script", tests, argc, argv);
}
