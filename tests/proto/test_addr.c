/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_addr.c - paths and domains are told from what only looks like them.
 *
 * Goal: what RFC 5321, 4.1.2 and 4.1.3, and RFC 6531, 3.3, allow is taken with the right
 * spans, strict or not, and nothing else. Method: rows, every truncation of which is
 * parsed in front of a guard page; then all short texts and mutations of generated
 * addresses, compared with a second description of the grammar: the ABNF itself, worked
 * out over sets of places instead of a cursor, so that it can try every way at once. The
 * long way is tried alone too; test_addr_short.c has more of the short one.
 *
 * A number as argument is the seed of the random part.
 */
#include "addr_oracle.h"
#include "guard.h"
#include "proto/addr_short.h"

#include <CUnit/Basic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static struct rp_span guarded(const void *text, size_t len)
{
    return (struct rp_span){.ptr = guard_copy(&guard, text, len), .len = len};
}

static bool span_is(struct rp_span span, const char *text)
{
    return span.len == strlen(text) && memcmp(span.ptr, text, span.len) == 0;
}

/* Valid rows: which rules take it. A strict parser takes only the first kind. */
enum taken {
    ALWAYS,
    LENIENT, /* without rules->strict */
};

struct valid_row {
    enum taken taken;
    const char *in;
    const char *local;
    const char *domain;
    const char *rest; /* behind the path */
};

/* clang-format off */
static const struct valid_row valid_rows[] = {
    {ALWAYS, "<anne@example.com>", "anne", "example.com", ""},
    {ALWAYS, "<anne@example.com> SIZE=10", "anne", "example.com", " SIZE=10"},
    {ALWAYS, "<a@b>  ", "a", "b", "  "},
    {ALWAYS, "<anne.arthur@example.com>", "anne.arthur", "example.com", ""},
    {ALWAYS, "<anne+promo@example.com>", "anne+promo", "example.com", ""},
    {ALWAYS, "<_@example.com>", "_", "example.com", ""},
    {ALWAYS, "<!#$%&'*+-/=?^_`{|}~@example.com>", "!#$%&'*+-/=?^_`{|}~", "example.com", ""},
    {ALWAYS, "<customer/department=shipping@example.com>", "customer/department=shipping", "example.com", ""},
    {ALWAYS, "<mailhost!anne@example.com>", "mailhost!anne", "example.com", ""},
    {ALWAYS, "<anne%example.org@example.com>", "anne%example.org", "example.com", ""},
    {ALWAYS, "<1234567890@1.2.3.4>", "1234567890", "1.2.3.4", ""},
    {ALWAYS, "<a@x-y.z--z.0>", "a", "x-y.z--z.0", ""},
    {ALWAYS, "<a@[127.0.0.1]>", "a", "[127.0.0.1]", ""},
    {ALWAYS, "<a@[255.255.255.255]>", "a", "[255.255.255.255]", ""},
    {ALWAYS, "<a@[001.02.3.000]>", "a", "[001.02.3.000]", ""},
    {ALWAYS, "<a@[IPv6:::]>", "a", "[IPv6:::]", ""},
    {ALWAYS, "<a@[IPv6:::1]>", "a", "[IPv6:::1]", ""},
    {ALWAYS, "<a@[ipV6:2001:db8::1]>", "a", "[ipV6:2001:db8::1]", ""},
    {ALWAYS, "<a@[IPv6:1:2:3:4:5:6:7:8]>", "a", "[IPv6:1:2:3:4:5:6:7:8]", ""},
    {ALWAYS, "<a@[IPv6:1:2:3::4:5:6]>", "a", "[IPv6:1:2:3::4:5:6]", ""},
    {ALWAYS, "<a@[IPv6:fFfF::]>", "a", "[IPv6:fFfF::]", ""},
    {ALWAYS, "<a@[IPv6:::ffff:192.0.2.1]>", "a", "[IPv6:::ffff:192.0.2.1]", ""},
    {ALWAYS, "<a@[IPv6:1:2:3:4:5:6:192.0.2.1]>", "a", "[IPv6:1:2:3:4:5:6:192.0.2.1]", ""},
    {ALWAYS, "<a@[x-400:some~thing!]>", "a", "[x-400:some~thing!]", ""},
    {ALWAYS, "<\"\"@example.com>", "\"\"", "example.com", ""},
    {ALWAYS, "<\" \"@example.com>", "\" \"", "example.com", ""},
    {ALWAYS, "<\"Fred Bloggs\"@example.com>", "\"Fred Bloggs\"", "example.com", ""},
    {ALWAYS, "<\"Abc@def\"@example.com>", "\"Abc@def\"", "example.com", ""},
    {ALWAYS, "<\"a> b\"@example.com> X=1", "\"a> b\"", "example.com", " X=1"},
    {ALWAYS, "<\"a\\\"b\\\\\\ \"@example.com>", "\"a\\\"b\\\\\\ \"", "example.com", ""},
    {ALWAYS, "<\"a..b.\"@example.com>", "\"a..b.\"", "example.com", ""},
    {ALWAYS, "<@a:anne@example.com>", "anne", "example.com", ""},
    {ALWAYS, "<@a.org,@b.net,@c:anne@example.com> R", "anne", "example.com", " R"},
    {ALWAYS, "<j\xc3\xb6rg@example.com>", "j\xc3\xb6rg", "example.com", ""},
    {ALWAYS, "<\xe7\x94\xa8\xe6\x88\xb7@\xe4\xbe\x8b.\xe5\xb9\xbf\xe5\x91\x8a>", "\xe7\x94\xa8\xe6\x88\xb7", "\xe4\xbe\x8b.\xe5\xb9\xbf\xe5\x91\x8a", ""},
    {ALWAYS, "<\"\xf0\x9f\x93\xac x\"@a>", "\"\xf0\x9f\x93\xac x\"", "a", ""},
    {ALWAYS, "<\xf4\x8f\xbf\xbf@a>", "\xf4\x8f\xbf\xbf", "a", ""},
    {ALWAYS, "<\xed\x9f\xbf\xee\x80\x80\xc2\xa0@a>", "\xed\x9f\xbf\xee\x80\x80\xc2\xa0", "a", ""},
    {LENIENT, "anne@example.com", "anne", "example.com", ""},
    {LENIENT, "anne@example.com BODY=8BITMIME", "anne", "example.com", " BODY=8BITMIME"},
    {LENIENT, "anne", "anne", "", ""},
    {LENIENT, "anne SIZE=1", "anne", "", " SIZE=1"},
    {LENIENT, "<anne>", "anne", "", ""},
    {LENIENT, "Anne <anne@example.com>", "Anne", "", " <anne@example.com>"},
    {LENIENT, "\"a b\"@example.com x", "\"a b\"", "example.com", " x"},
    {LENIENT, "<anne@example.com.>", "anne", "example.com.", ""},
    {LENIENT, "anne@example.com. x", "anne", "example.com.", " x"},
    {LENIENT, "<a@host_name.example>", "a", "host_name.example", ""},
    {LENIENT, "<a@-x-.y>", "a", "-x-.y", ""},
    {LENIENT, "<a..b@c>", "a..b", "c", ""},
    {LENIENT, "<.a@c>", ".a", "c", ""},
    {LENIENT, "<a.@c>", "a.", "c", ""},
    {LENIENT, "<much.\"more\\ unusual\"@example.com>", "much.\"more\\ unusual\"", "example.com", ""},
    {LENIENT, "very.\"(),:;<>[]\".VERY.\"very@\\ \"very.unusual@strange.example.com", "very.\"(),:;<>[]\".VERY.\"very@\\ \"very.unusual", "strange.example.com", ""},
    {LENIENT, "<Fred\\ Bloggs@example.com>", "Fred\\ Bloggs", "example.com", ""},
    {LENIENT, "Joe.\\\\Blow@example.com", "Joe.\\\\Blow", "example.com", ""},
    {LENIENT, "<Abc\\@def@example.com>", "Abc\\@def", "example.com", ""},
    {LENIENT, "<a@[IPv6::1]>", "a", "[IPv6::1]", ""},
    {LENIENT, "<a@[::1]>", "a", "[::1]", ""},
    {LENIENT, "<a@[1.2.3]>", "a", "[1.2.3]", ""},
    {LENIENT, "<a@[IPv6:1:2:3:4:5:6:7::]>", "a", "[IPv6:1:2:3:4:5:6:7::]", ""},
    {LENIENT, "<@a:anne>", "anne", "", ""},
    {LENIENT, "(comment)anne@example.com", "anne", "example.com", ""},
    {LENIENT, "anne@example.com(comment)", "anne", "example.com", ""},
    {LENIENT, "<anne@example.com((com)(\\)ent))>", "anne", "example.com", ""},
};

/* Refused by all rules. */
static const char *const invalid_rows[] = {
    "",
    " <a@b>",
    "<",
    ">",
    "<>x",
    "<<a@b>>",
    "<a@b",
    ">x>",
    "a@b>",
    "<a@b>x",
    "<a@b>\t",
    "<a@b>>",
    "<@example.com>",
    "@example.com",
    "<johnathon@>",
    "johnathon@",
    "<a@@b>",
    "<a@b@c>",
    "<a b@c>",
    "< a@b>",
    "<a@b >",
    "<a@b c>",
    "<a@.b>",
    "<a@b..c>",
    "<a@b..>",
    "<a@.>",
    "<.@b>",
    "..",
    "<a,b@c>",
    "<a:b@c>",
    "<a;b@c>",
    "<a@b,c>",
    "<a[b@c>",
    "<a@b!c>",
    "<a@b/c>",
    "<\"a@b>",
    "<\"a\\\"@b>",
    "<a\"@b>",
    "<\"a\tb\"@c>",
    "<\"a\x7f\"@c>",
    "<\"a\\\x01\"@c>",
    "<a\x01@b>",
    "<a@b\x7f>",
    "<a\\\x0b@b>",
    "<a@[127.0.0.1>",
    "<a@127.0.0.1]>",
    "<a@[]>",
    "<a@[a b]>",
    "<a@[a\\b]>",
    "<a@[[a]]>",
    "<a@[1.2.3.4].com>",
    "<@a>",
    "<@a:>",
    "<@a@b>",
    "<@a,b:c@d>",
    "<@a,:c@d>",
    "<@:c@d>",
    "<@[1.2.3.4]:c@d>",
    "@a:b@c",
    "<a:b@c>",
    "(anne@example.com",
    "<anne)@example.com>",
    "<(a b)anne@example.com>",
    "<an(x)ne@example.com>",
    "<a@exam(x)ple>",
    "()",
    "<()@a>",
    "<j\xf6rg@example.com>",
    "<\xc3@a>",
    "<\x80@a>",
    "<\xbf@a>",
    "<\xc0\x80@a>",
    "<\xc1\xbf@a>",
    "<\xc2\x85@a>",
    "<\xe0\x80\x80@a>",
    "<\xe0\x9f\xbf@a>",
    "<\xed\xa0\x80@a>",
    "<\xed\xbf\xbf@a>",
    "<\xf0\x8f\xbf\xbf@a>",
    "<\xf4\x90\x80\x80@a>",
    "<\xf5\x80\x80\x80@a>",
    "<\xff@a>",
    "<a@\xe4\xbe>",
    "<\"\xe4\xbe\"@a>",
    "<\\\xc3\xb6@a>",
    "<a@[\xc3\xb6]>",
};

/* Refused by strict rules; without them they are fine. */
static const char *const strict_invalid_rows[] = {
    "<Postmaster>",
    "<anne>",
    "Postmaster",
    "<a@[1.2.3]>",
    "<a@[1.2.3.4.5]>",
    "<a@[1.2.3.256]>",
    "<a@[1.2.3.0004]>",
    "<a@[1.2.3.]>",
    "<a@[1..3.4]>",
    "<a@[IPv6:]>",
    "<a@[IPv6::]>",
    "<a@[IPv6:1]>",
    "<a@[IPv6:1:2:3:4:5:6:7]>",
    "<a@[IPv6:1:2:3:4:5:6:7:8:9]>",
    "<a@[IPv6:1:2:3:4:5:6:7:]>",
    "<a@[IPv6:1:2:3:4::5:6:7]>",
    "<a@[IPv6:1::2::3]>",
    "<a@[IPv6:1:::2]>",
    "<a@[IPv6:12345::]>",
    "<a@[IPv6:::g]>",
    "<a@[IPv6:::1.2.3]>",
    "<a@[IPv6:1.2.3.4]>",
    "<a@[IPv6:::1.2.3.4:5]>",
    "<a@[IPv6:1:2:3:4:5::1.2.3.4]>",
    "<a@[IPv6:1:2:3:4:5:6:7:1.2.3.4]>",
    "<a@[tag-:x]>",
    "<a@[tag:]>",
    "<a@[:x]>",
    "<a@[t_g:x]>",
};
/* clang-format on */

typedef enum rp_addr_result (*parse_fn)(struct rp_span *in,
                                        const struct rp_addr_rules *rules,
                                        struct rp_addr *addr);

static enum rp_addr_result parse(struct rp_span *in, bool strict, struct rp_addr *addr)
{
    struct rp_addr_rules rules = {.strict = strict};
    return rp_addr_parse_path(in, &rules, addr);
}

static const struct rp_addr untouched = {
    .mailbox = {NULL, 7},
    .is_null = true,
    .is_utf8 = true
};

static bool is_untouched(const struct rp_addr *addr)
{
    return addr->mailbox.ptr == NULL && addr->mailbox.len == 7 && addr->local.len == 0 &&
           addr->is_null && addr->is_utf8;
}

static void complain(const char *what, const char *text, size_t len, bool strict)
{
    (void)fprintf(stderr, "\n%s (seed %llu, strict %d): ", what, (unsigned long long)seed, strict);
    for (size_t i = 0; i < len; i++) {
        uint8_t octet = (uint8_t)text[i];
        (void)fprintf(stderr, octet >= ' ' && octet < 0x7f ? "%c" : "\\x%02x", octet);
    }
    (void)fprintf(stderr, "\n");
}

static bool has_high_octet(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((*text & 0x80) != 0) {
            return true;
        }
    }
    return false;
}

static bool valid_row_holds(const struct valid_row *row, bool strict)
{
    size_t len = strlen(row->in);
    struct rp_span in = guarded(row->in, len);
    const uint8_t *copy = in.ptr;
    struct rp_addr addr = untouched;
    enum rp_addr_result result = parse(&in, strict, &addr);
    if (strict && row->taken == LENIENT) {
        return result == RP_ADDR_MALFORMED && is_untouched(&addr) && in.ptr == copy &&
               in.len == len;
    }
    const uint8_t *end =
        addr.domain.len > 0 ? addr.domain.ptr + addr.domain.len : addr.local.ptr + addr.local.len;
    return result == RP_ADDR_OK && span_is(addr.local, row->local) &&
           span_is(addr.domain, row->domain) && span_is(in, row->rest) &&
           addr.mailbox.ptr == addr.local.ptr && addr.mailbox.ptr + addr.mailbox.len == end &&
           addr.local.ptr >= copy && in.ptr + in.len == copy + len && !addr.is_null &&
           addr.is_utf8 == (has_high_octet(row->local) || has_high_octet(row->domain));
}

static void test_valid_rows(void)
{
    for (size_t i = 0; i < sizeof valid_rows / sizeof valid_rows[0]; i++) {
        for (int strict = 0; strict < 2; strict++) {
            if (!valid_row_holds(&valid_rows[i], strict)) {
                complain("valid row", valid_rows[i].in, strlen(valid_rows[i].in), strict);
                CU_FAIL("valid row");
            }
        }
    }
}

/* Each row cut short: the guard page sees a parser that trusts the grammar for its end. */
static void test_truncations(void)
{
    for (size_t i = 0; i < sizeof valid_rows / sizeof valid_rows[0]; i++) {
        const struct valid_row *row = &valid_rows[i];
        size_t path_len = strlen(row->in) - strlen(row->rest);
        for (size_t len = 0; len < path_len; len++) {
            struct rp_addr addr = untouched;
            struct rp_span in = guarded(row->in, len);
            enum rp_addr_result result = parse(&in, true, &addr);
            CU_ASSERT_EQUAL(result, RP_ADDR_MALFORMED);
            in = guarded(row->in, len);
            result = parse(&in, false, &addr);
            CU_ASSERT(row->in[0] != '<' || result == RP_ADDR_MALFORMED);
            in = guarded(row->domain, strlen(row->domain) > len ? len : strlen(row->domain));
            (void)rp_addr_is_domain(in); /* may be either: only the reads matter here */
        }
    }
}

static void refuse(const char *text, size_t len, bool strict)
{
    struct rp_span in = guarded(text, len);
    const uint8_t *copy = in.ptr;
    struct rp_addr addr = untouched;
    if (parse(&in, strict, &addr) != RP_ADDR_MALFORMED || !is_untouched(&addr) || in.ptr != copy ||
        in.len != len) {
        complain("invalid row", text, len, strict);
        CU_FAIL("invalid row");
    }
}

static void test_invalid_rows(void)
{
    for (size_t i = 0; i < sizeof invalid_rows / sizeof invalid_rows[0]; i++) {
        refuse(invalid_rows[i], strlen(invalid_rows[i]), true);
        refuse(invalid_rows[i], strlen(invalid_rows[i]), false);
    }
    for (size_t i = 0; i < sizeof strict_invalid_rows / sizeof strict_invalid_rows[0]; i++) {
        refuse(strict_invalid_rows[i], strlen(strict_invalid_rows[i]), true);
    }
    static const char with_nul[][8] = {"<a\0@b>", "<a@b\0>", "<\"\0\"@b>", "<a@b>\0"};
    for (size_t i = 0; i < sizeof with_nul / sizeof with_nul[0]; i++) {
        refuse(with_nul[i], i == 2 ? 7 : 6, true);
        refuse(with_nul[i], i == 2 ? 7 : 6, false);
    }
}

/* "<>" and "<Postmaster>", which the rules allow one by one. */
static void test_special_paths(void)
{
    for (int bits = 0; bits < 8; bits++) {
        struct rp_addr_rules rules = {
            .strict = bits & 1, .allow_null = bits & 2, .allow_postmaster = bits & 4};
        struct rp_addr addr = untouched;
        struct rp_span in = guarded("<> X", 4);
        enum rp_addr_result result = rp_addr_parse_path(&in, &rules, &addr);
        CU_ASSERT_EQUAL(result, rules.allow_null ? RP_ADDR_OK : RP_ADDR_MALFORMED);
        if (rules.allow_null) {
            CU_ASSERT(addr.is_null && addr.mailbox.len == 0 && addr.local.len == 0);
            CU_ASSERT(addr.domain.len == 0 && !addr.is_utf8 && span_is(in, " X"));
        } else {
            CU_ASSERT(is_untouched(&addr));
        }

        static const char *const names[] = {"<Postmaster>", "<postMASTER> X", "<POSTMASTER>"};
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            in = guarded(names[i], strlen(names[i]));
            result = rp_addr_parse_path(&in, &rules, &addr);
            bool is_taken = rules.allow_postmaster || !rules.strict;
            CU_ASSERT_EQUAL(result, is_taken ? RP_ADDR_OK : RP_ADDR_MALFORMED);
            CU_ASSERT(!is_taken || (addr.local.len == 10 && addr.domain.len == 0));
        }
        static const char *const others[] = {"<Postmaste>", "<Postmasters>", "<Qostmaster>",
                                             "Postmaster",  "<>x",           "< >"};
        for (size_t i = 0; rules.strict && i < sizeof others / sizeof others[0]; i++) {
            in = guarded(others[i], strlen(others[i]));
            CU_ASSERT_EQUAL(rp_addr_parse_path(&in, &rules, &addr), RP_ADDR_MALFORMED);
        }
    }
}

/* "<" and len octets of local part "@b>" */
static enum rp_addr_result parse_long(size_t len, uint32_t local_part_max)
{
    static char text[8192];
    text[0] = '<';
    memset(text + 1, 'a', len);
    memcpy(text + 1 + len, "@b>", 3);
    struct rp_addr_rules rules = {.strict = true, .local_part_max = local_part_max};
    struct rp_addr addr = untouched;
    struct rp_span in = guarded(text, len + 4);
    enum rp_addr_result result = rp_addr_parse_path(&in, &rules, &addr);
    CU_ASSERT(result == RP_ADDR_OK ? addr.local.len == len : is_untouched(&addr));
    return result;
}

static void test_local_part_max(void)
{
    CU_ASSERT_EQUAL(parse_long(64, 64), RP_ADDR_OK);
    CU_ASSERT_EQUAL(parse_long(65, 64), RP_ADDR_LOCAL_TOO_LONG);
    CU_ASSERT_EQUAL(parse_long(65, 0), RP_ADDR_OK);
    CU_ASSERT_EQUAL(parse_long(8000, 0), RP_ADDR_OK);
    CU_ASSERT_EQUAL(parse_long(1, 1), RP_ADDR_OK);

    /* Quotes count, they are sent; a path that is malformed too is malformed. */
    struct rp_addr_rules rules = {.local_part_max = 4};
    struct rp_addr addr;
    struct rp_span in = guarded("<\"abc\"@b>", 9);
    CU_ASSERT_EQUAL(rp_addr_parse_path(&in, &rules, &addr), RP_ADDR_LOCAL_TOO_LONG);
    in = guarded("<abcde@b", 8);
    CU_ASSERT_EQUAL(rp_addr_parse_path(&in, &rules, &addr), RP_ADDR_MALFORMED);
    in = guarded("<@long.route:abcd@b>", 20);
    CU_ASSERT_EQUAL(rp_addr_parse_path(&in, &rules, &addr), RP_ADDR_OK);
}

/* "<a@" and labels of label_len octets, domain_len octets in all; the last label is shorter. */
static enum rp_addr_result parse_domain(size_t label_len, size_t domain_len, bool strict)
{
    char text[512] = "<a@";
    for (size_t i = 0; i < domain_len; i++) {
        text[3 + i] = i % (label_len + 1) == label_len ? '.' : 'x';
    }
    text[3 + domain_len] = '>';
    struct rp_addr addr;
    struct rp_span in = guarded(text, domain_len + 4);
    return parse(&in, strict, &addr);
}

static void test_domain_limits(void)
{
    for (int strict = 0; strict < 2; strict++) {
        CU_ASSERT_EQUAL(parse_domain(63, 63, strict), RP_ADDR_OK);
        CU_ASSERT_EQUAL(parse_domain(64, 64, strict), RP_ADDR_MALFORMED);
        CU_ASSERT_EQUAL(parse_domain(63, 255, strict), RP_ADDR_OK);
        CU_ASSERT_EQUAL(parse_domain(60, 255, strict), RP_ADDR_OK);
        CU_ASSERT_EQUAL(parse_domain(60, 256, strict), RP_ADDR_MALFORMED);
    }
}

struct domain_row {
    const char *text;
    bool is_domain;
};

/* clang-format off */
static const struct domain_row domain_rows[] = {
    {"localhost", true},
    {"example.com", true},
    {"example.com.", true},
    {"my_host-.local", true},
    {"192.0.2.1", true},
    {"[192.0.2.1]", true},
    {"[IPv6:2001:db8::1]", true},
    {"[x:y]", true},
    {"b\xc3\xbc" "cher.example", true},
    {"a/b@c'd{e}!", true},
    {"", false},
    {"a b", false},
    {" a", false},
    {"a ", false},
    {"a\tb", false},
    {"a\x7f", false},
    {"b\xfc" "cher", false},
    {"\xc2\x9b" "31m", false},
    {"<a>", false},
    {"a(b)", false},
    {"a,b", false},
    {"a;b", false},
    {"::1", false},
    {"\"a\"", false},
    {"a\\b", false},
    {"a]", false},
    {"[a]", false},
    {"[192.0.2.256]", false},
    {"[192.0.2.1", false},
    {"[192.0.2.1]x", false},
    {"[]", false},
    {"x[192.0.2.1]", false},
};
/* clang-format on */

static void test_is_domain(void)
{
    for (size_t i = 0; i < sizeof domain_rows / sizeof domain_rows[0]; i++) {
        const struct domain_row *row = &domain_rows[i];
        if (rp_addr_is_domain(guarded(row->text, strlen(row->text))) != row->is_domain) {
            complain("domain row", row->text, strlen(row->text), false);
            CU_FAIL("domain row");
        }
    }
    for (unsigned octet = 0; octet < 256; octet++) {
        const char text[3] = {'a', (char)octet, 'b'};
        bool is_fine = octet > ' ' && octet < 0x7f && strchr("<>()[],;:\"\\", (int)octet) == NULL;
        CU_ASSERT_EQUAL(rp_addr_is_domain(guarded(text, 3)), is_fine);
    }
    char long_text[1000];
    memset(long_text, 'x', sizeof long_text);
    CU_ASSERT(rp_addr_is_domain(guarded(long_text, sizeof long_text)));
}

/* Both ways, and the long one alone: it must not rest because the short one does its work. */
static void compare(const char *input, size_t len)
{
    static const parse_fn ways[] = {rp_addr_parse_path, rp_addr_parse_long};
    for (size_t i = 0; i < 4; i++) {
        const bool strict = (i & 1) != 0;
        const struct rp_addr_rules rules = {.strict = strict};
        struct rp_addr addr = untouched;
        struct rp_span in = guarded(input, len);
        struct rp_span whole = in;
        bool is_ok = ways[i / 2](&in, &rules, &addr) == RP_ADDR_OK;
        if (!addr_oracle_agrees(whole, strict, is_ok, &addr, in) || is_ok == is_untouched(&addr)) {
            complain(is_ok ? "taken, wrongly" : "refused, wrongly", input, len, strict);
            CU_FAIL_FATAL("differs from the second description");
        }
    }
}

/* Compare `before`, these octets and `behind`, one after the other. */
static void compare_inside(const char *before,
                           const uint8_t *octets,
                           size_t len,
                           const char *behind)
{
    char input[ADDR_ORACLE_TEXT_MAX];
    size_t before_len = strlen(before);
    size_t behind_len = strlen(behind);
    assert(before_len + len + behind_len <= sizeof input);
    memcpy(input, before, before_len);
    memcpy(input + before_len, octets, len);
    memcpy(input + before_len + len, behind, behind_len);
    compare(input, before_len + len + behind_len);
}

/* Every octet in every part of a path. */
static void test_each_octet(void)
{
    static const char *const around[][2] = {
        {"<",                       "@b>"     },
        {"<a",                      "a@b>"    },
        {"<\"",                     "\"@b>"   },
        {"<\"\\",                   "\"@b>"   },
        {"<\\",                     "@b>"     },
        {"<(",                      ")a@b>"   },
        {"<(\\",                    ")a@b>"   },
        {"<a@",                     ">"       },
        {"<a@b",                    "b>"      },
        {"<a@b.",                   ".b>"     },
        {"<@",                      ":a@b>"   },
        {"<a@[",                    "]>"      },
        {"<a@[t:",                  "]>"      },
        {"<a@[t",                   ":x]>"    },
        {"<a@[1.2.3.",              "]>"      },
        {"<a@[1.2.3.2",             "5]>"     },
        {"<a@[IPv6:",               "::]>"    },
        {"<a@[",                    "Pv6:::]>"},
        {"<a@[IPv6:1:2:3:4:5:6:7:", "]>"      },
        {"<a@b>",                   ""        },
        {"",                        "@b"      },
        {"a@b",                     ""        },
        {"<a",                      "@b>"     },
    };
    for (unsigned octet = 0; octet < 256; octet++) {
        for (size_t i = 0; i < sizeof around / sizeof around[0]; i++) {
            uint8_t one = (uint8_t)octet;
            compare_inside(around[i][0], &one, 1, around[i][1]);
        }
    }
}

/* Every first octet of UTF-8 with the octets behind it on both sides of each limit. */
static void test_utf8(void)
{
    static const uint8_t edges[] = {0x00, 'a',  0x7f, 0x80, 0x81, 0x8f, 0x90,
                                    0x91, 0x9f, 0xa0, 0xa1, 0xbf, 0xc0, 0xff};
    size_t const count = sizeof edges;
    static const char *const around[][2] = {
        {"<",   "@b>"  },
        {"<\"", "\"@b>"},
        {"<a@", ">"    },
        {"<(",  ")a@b>"}
    };
    random_state = seed;
    for (unsigned first = 0x80; first <= 0xff; first++) {
        for (size_t number = 0; number < count * count * count; number++) {
            uint8_t octets[4] = {(uint8_t)first, edges[number % count],
                                 edges[number / count % count], edges[number / count / count]};
            /* A shorter sequence comes up once, in each place; the longest in one of them. */
            size_t len = number < count ? 2 : number < count * count ? 3 : 4;
            for (size_t place = 0; len < 4 && place < 4; place++) {
                compare_inside(around[place][0], octets, len, around[place][1]);
            }
            const char *const *place = around[random_below(4)];
            compare_inside(place[0], octets, 4, place[1]);
        }
    }
}

/* All texts of up to len_max of these octets. */
static void compare_all(const char *symbols, size_t len_max)
{
    size_t count = strlen(symbols);
    size_t total = 1;
    for (size_t len = 0; len <= len_max; len++, total *= count) {
        for (size_t number = 0; number < total; number++) {
            char input[16];
            size_t digits = number;
            for (size_t i = 0; i < len; i++) {
                input[i] = symbols[digits % count];
                digits /= count;
            }
            compare(input, len);
        }
    }
}

/* Many octets that mean something in few places, and few octets in more. */
static void test_short_texts(void)
{
    compare_all("<>@.\"\\a ,:()-_", 5);
    compare_all("<>@.a", 7);
    compare_all("<@a\"\\>", 6);
}

/* Pieces that addresses are made of, some of them not quite right. */
/* clang-format off */
static const char *const pieces[] = {
    "a", "anne", ".", "-", "_", "x1", "+", "=", "postmaster",
    "\"b c\"", "\"@\\\"\"", "\"", "\\ ", "\\\\", "(c)", "(d(e))", "(", ")",
    "j\xc3\xb6", "\xe2\x82\xac", "\xf0\x9f\x93\xac", "\xc0\x80", "\xed\xa0\x80", "\xc2\x85",
};
static const char *const domains[] = {
    "b", "b.example", "x-y.z.", "_c", "-d", "a..b", "\xe4\xbe\x8b.jp",
    "[1.2.3.4]", "[256.1.1.1]", "[t-g:x!]", "[IPv6:::1]", "[IPv6:1::2:3]",
    "[IPv6:1:2:3:4:5:6:7:8]", "[IPv6:::ffff:1.2.3.4]", "[IPv6:1:2:3:4::6:7]",
    "[IPv6:1:2:3:4:5:6:255.0.0.9]",
};
/* clang-format on */

static size_t append(char *out, size_t len, const char *more)
{
    size_t more_len = strlen(more);
    if (len + more_len > ADDR_ORACLE_TEXT_MAX) {
        return len;
    }
    memcpy(out + len, more, more_len);
    return len + more_len;
}

static const char *choose(const char *const *list, size_t count)
{
    return list[random_below(count)];
}

#define CHOOSE(list) choose(list, sizeof(list) / sizeof((list)[0]))

/* An address that may well be valid. */
static size_t make_path(char *out)
{
    bool has_bracket = random_below(4) != 0;
    size_t len = has_bracket ? append(out, 0, "<") : 0;
    if (has_bracket && random_below(6) == 0) {
        len = append(out, append(out, len, "@"), CHOOSE(domains));
        len = append(out, len, random_below(3) == 0 ? ",@c:" : ":");
    }
    for (size_t i = 1 + random_below(3); i > 0; i--) {
        len = append(out, len, CHOOSE(pieces));
        if (i > 1 && random_below(2) == 0) {
            len = append(out, len, ".");
        }
    }
    if (random_below(8) != 0) {
        len = append(out, append(out, len, "@"), CHOOSE(domains));
    }
    if (random_below(10) == 0) {
        len = append(out, len, "(end)");
    }
    len = has_bracket ? append(out, len, ">") : len;
    return random_below(3) == 0 ? append(out, len, " X=1") : len;
}

static void test_mutations(void)
{
    static const char symbols[] = "<>@.\"\\a ,:()-_[]16fg\t\x80\xc3\xa9\x7f";
    random_state = seed;
    unsigned ok_count = 0;
    unsigned const rounds = 60000;
    for (unsigned round = 0; round < rounds; round++) {
        char input[ADDR_ORACLE_TEXT_MAX];
        size_t len = make_path(input);
        compare(input, len);
        struct rp_addr addr;
        struct rp_span in = guarded(input, len);
        ok_count += parse(&in, false, &addr) == RP_ADDR_OK;
        for (size_t edits = 1 + random_below(3); edits > 0 && len > 0; edits--) {
            size_t place = random_below(len);
            if (random_below(2) == 0) {
                input[place] = symbols[random_below(sizeof symbols)];
            } else {
                memmove(input + place, input + place + 1, len - place - 1);
                len--;
            }
        }
        compare(input, len);
    }
    /* A generator of nothing but rubbish, or of nothing else, would compare little. */
    CU_ASSERT(ok_count > rounds / 4 && ok_count < rounds * 3 / 4);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        seed = strtoull(argv[1], NULL, 0) | 1;
    }
    guard_open(&guard, 16 * 1024);
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("proto/addr", NULL, NULL);
    CU_add_test(suite, "valid paths", test_valid_rows);
    CU_add_test(suite, "valid paths cut short", test_truncations);
    CU_add_test(suite, "invalid paths", test_invalid_rows);
    CU_add_test(suite, "<> and <Postmaster>", test_special_paths);
    CU_add_test(suite, "limit for local parts", test_local_part_max);
    CU_add_test(suite, "limits for domains", test_domain_limits);
    CU_add_test(suite, "domains of EHLO", test_is_domain);
    CU_add_test(suite, "each octet in each place", test_each_octet);
    CU_add_test(suite, "UTF-8", test_utf8);
    CU_add_test(suite, "all short texts", test_short_texts);
    CU_add_test(suite, "mutated addresses", test_mutations);
    CU_basic_run_tests();
    unsigned failure_count = CU_get_number_of_failures();
    bool has_run = CU_get_number_of_tests_run() == 11;
    CU_cleanup_registry();
    guard_close(&guard);
    return failure_count == 0 && has_run ? 0 : 1;
}
