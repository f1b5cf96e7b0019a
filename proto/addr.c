/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * addr.c - paths, mailboxes, domains and address literals.
 *
 * RFC 5321, 4.1.2 and 4.1.3, with the UTF-8 of RFC 6531, 3.3. A function take_x moves the
 * cursor behind an x and says true, or says false and leaves it anywhere: there is no way
 * back in this grammar, the first octet tells what comes.
 *
 * Where the rules are not strict, what other servers take is taken too, as long as it
 * cannot be mistaken for something else: any order of dots and quoted pieces in a local
 * part, quoted pairs outside of quotes (RFC 821), comments around local part and domain
 * (RFC 5322, 3.4.1), "_" and odd hyphens in a domain, a "." behind it, any literal.
 * Control characters and unquoted spaces are never taken.
 */
#include "rp_addr.h"

#include "addr_short.h"

#include <assert.h>
#include <string.h>

/* RFC 5321, 4.5.3.1.2, and RFC 1035, 2.3.4. */
#define DOMAIN_LEN_MAX 255u
#define LABEL_LEN_MAX  63u

struct cursor {
    const uint8_t *ptr;
    const uint8_t *end;
    bool strict;
    bool has_utf8;
};

static size_t left(const struct cursor *cursor)
{
    return (size_t)(cursor->end - cursor->ptr);
}

/* The octet at the cursor, or -1 at the end. */
static int peek(const struct cursor *cursor)
{
    return cursor->ptr < cursor->end ? *cursor->ptr : -1;
}

static bool take_octet(struct cursor *cursor, int octet)
{
    if (peek(cursor) != octet) {
        return false;
    }
    cursor->ptr++;
    return true;
}

static struct rp_span span_to(const uint8_t *begin, const uint8_t *end)
{
    return (struct rp_span){.ptr = begin, .len = (size_t)(end - begin)};
}

/* The is_x below take an octet or the -1 of peek. Locale plays no part. */

static bool is_digit(int octet)
{
    return octet >= '0' && octet <= '9';
}

static bool is_hex(int octet)
{
    return is_digit(octet) || (octet >= 'a' && octet <= 'f') || (octet >= 'A' && octet <= 'F');
}

static bool is_let_dig(int octet)
{
    return is_digit(octet) || (octet >= 'a' && octet <= 'z') || (octet >= 'A' && octet <= 'Z');
}

/* RFC 5322, 3.2.3. */
static bool is_atext(int octet)
{
    static const char marks[] = "!#$%&'*+-/=?^_`{|}~";
    return is_let_dig(octet) || (octet > 0 && memchr(marks, octet, sizeof marks - 1) != NULL);
}

static bool is_printable(int octet)
{
    return octet >= ' ' && octet <= '~';
}

static bool is_dcontent(int octet)
{
    return is_printable(octet) && octet != ' ' && octet != '[' && octet != '\\' && octet != ']';
}

/* ASCII letters of `word`, which is lower case, match either case. */
static bool equals_nocase(struct rp_span text, const char *word)
{
    if (text.len != strlen(word)) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        uint8_t octet = text.ptr[i];
        if (octet >= 'A' && octet <= 'Z') {
            octet |= 0x20;
        }
        if (octet != (uint8_t)word[i]) {
            return false;
        }
    }
    return true;
}

/* The first octets of UTF-8, and what may follow them: RFC 3629, 4. */
struct utf8_row {
    uint8_t first_min, first_max;
    uint8_t second_min, second_max; /* a third and a fourth octet are 80 to BF */
    uint8_t len;
};

/* clang-format off */
static const struct utf8_row utf8_rows[] = {
    {0xC2, 0xC2, 0xA0, 0xBF, 2}, /* 80 to 9F would be the C1 control characters */
    {0xC3, 0xDF, 0x80, 0xBF, 2},
    {0xE0, 0xE0, 0xA0, 0xBF, 3}, /* less would be overlong */
    {0xE1, 0xEC, 0x80, 0xBF, 3},
    {0xED, 0xED, 0x80, 0x9F, 3}, /* more would be surrogates */
    {0xEE, 0xEF, 0x80, 0xBF, 3},
    {0xF0, 0xF0, 0x90, 0xBF, 4},
    {0xF1, 0xF3, 0x80, 0xBF, 4},
    {0xF4, 0xF4, 0x80, 0x8F, 4}, /* more would be beyond U+10FFFF */
};
/* clang-format on */

/* UTF8-non-ascii, one character of it. */
static bool take_utf8(struct cursor *cursor)
{
    const uint8_t *octets = cursor->ptr;
    for (size_t i = 0; i < sizeof utf8_rows / sizeof utf8_rows[0]; i++) {
        const struct utf8_row *row = &utf8_rows[i];
        if (left(cursor) < row->len || octets[0] < row->first_min || octets[0] > row->first_max) {
            continue;
        }
        bool is_good = octets[1] >= row->second_min && octets[1] <= row->second_max;
        for (size_t k = 2; k < row->len; k++) {
            is_good = is_good && octets[k] >= 0x80 && octets[k] <= 0xBF;
        }
        cursor->has_utf8 = true;
        cursor->ptr += row->len;
        return is_good;
    }
    return false;
}

/* quoted-pairSMTP = "\" and any printable octet, a space too. */
static bool take_pair(struct cursor *cursor)
{
    if (!take_octet(cursor, '\\') || !is_printable(peek(cursor))) {
        return false;
    }
    cursor->ptr++;
    return true;
}

/* Quoted-string = DQUOTE *(qtextSMTP / quoted-pairSMTP) DQUOTE; may be empty. */
static bool take_quoted(struct cursor *cursor)
{
    if (!take_octet(cursor, '"')) {
        return false;
    }
    while (peek(cursor) != '"') {
        int octet = peek(cursor);
        if (octet == '\\' || octet >= 0x80) {
            if (!(octet == '\\' ? take_pair(cursor) : take_utf8(cursor))) {
                return false;
            }
        } else if (is_printable(octet)) {
            cursor->ptr++;
        } else {
            return false; /* a control character, or the end */
        }
    }
    return take_octet(cursor, '"');
}

/* Atom, RFC 6531, 3.3: at least one atext or non-ASCII character. */
static bool take_atom(struct cursor *cursor)
{
    const uint8_t *begin = cursor->ptr;
    while (is_atext(peek(cursor)) || peek(cursor) >= 0x80) {
        if (peek(cursor) < 0x80) {
            cursor->ptr++;
        } else if (!take_utf8(cursor)) {
            return false;
        }
    }
    return cursor->ptr > begin;
}

/* Comments, which nest, without spaces. None is fine; where the rules are strict, none is taken. */
static bool take_comments(struct cursor *cursor)
{
    if (cursor->strict) {
        return true;
    }
    size_t depth = 0;
    while (depth > 0 || peek(cursor) == '(') {
        int octet = peek(cursor);
        if (octet == '\\' || octet >= 0x80) {
            if (!(octet == '\\' ? take_pair(cursor) : take_utf8(cursor))) {
                return false;
            }
            continue;
        }
        if (!is_printable(octet) || octet == ' ') {
            return false;
        }
        depth += octet == '(';
        depth -= octet == ')';
        cursor->ptr++;
    }
    return true;
}

/* Any row of atoms, quoted strings, quoted pairs and dots that is more than dots. */
static bool take_lenient_local(struct cursor *cursor)
{
    bool has_word = false;
    for (;;) {
        int octet = peek(cursor);
        if (octet == '.') {
            cursor->ptr++;
            continue;
        }
        if (octet == '"') {
            if (!take_quoted(cursor)) {
                return false;
            }
        } else if (octet == '\\') {
            if (!take_pair(cursor)) {
                return false;
            }
        } else if (is_atext(octet) || octet >= 0x80) {
            if (!take_atom(cursor)) {
                return false;
            }
        } else {
            return has_word;
        }
        has_word = true;
    }
}

/* Local-part = Dot-string / Quoted-string; Dot-string = Atom *("." Atom). */
static bool take_local(struct cursor *cursor)
{
    if (!cursor->strict) {
        return take_lenient_local(cursor);
    }
    if (peek(cursor) == '"') {
        return take_quoted(cursor);
    }
    do {
        if (!take_atom(cursor)) {
            return false;
        }
    } while (take_octet(cursor, '.'));
    return true;
}

/* Snum 3("." Snum), the whole text; a Snum is 1 to 3 digits, at most 255. */
static bool is_ipv4(struct rp_span text)
{
    size_t at = 0;
    for (unsigned part = 0; part < 4; part++) {
        if (part > 0 && (at == text.len || text.ptr[at++] != '.')) {
            return false;
        }
        unsigned value = 0;
        size_t begin = at;
        while (at < text.len && at - begin < 3 && is_digit(text.ptr[at])) {
            value = value * 10 + (unsigned)(text.ptr[at++] - '0');
        }
        if (at == begin || value > 255) {
            return false;
        }
    }
    return at == text.len;
}

/*
 * IPv6-addr, the whole text: eight groups of up to four hex digits, the last two maybe as
 * an IPv4 address, or at most six with one "::" in their place.
 */
static bool is_ipv6(struct rp_span text)
{
    size_t at = 0;
    unsigned group_count = 0;
    bool has_gap = text.len >= 2 && text.ptr[0] == ':' && text.ptr[1] == ':';
    if (has_gap) {
        at = 2;
    }
    bool needs_group = !has_gap; /* the text may not end here */
    while (at < text.len) {
        if (is_ipv4(span_to(text.ptr + at, text.ptr + text.len))) {
            group_count += 2;
            needs_group = false;
            break;
        }
        size_t begin = at;
        while (at < text.len && at - begin < 4 && is_hex(text.ptr[at])) {
            at++;
        }
        if (at == begin) {
            return false;
        }
        group_count++;
        needs_group = false;
        if (at == text.len) {
            break;
        }
        if (text.ptr[at++] != ':') {
            return false;
        }
        needs_group = true;
        if (at < text.len && text.ptr[at] == ':') {
            if (has_gap) {
                return false;
            }
            has_gap = true;
            needs_group = false;
            at++;
        }
    }
    return !needs_group && (has_gap ? group_count <= 6 : group_count == 8);
}

/* What is between the brackets of an address literal, dcontent all of it: RFC 5321, 4.1.3. */
static bool is_literal_content(struct rp_span text)
{
    const uint8_t *colon = text.len > 0 ? memchr(text.ptr, ':', text.len) : NULL;
    if (colon == NULL) {
        return is_ipv4(text);
    }
    struct rp_span tag = span_to(text.ptr, colon);
    struct rp_span rest = span_to(colon + 1, text.ptr + text.len);
    if (equals_nocase(tag, "ipv6")) {
        return is_ipv6(rest);
    }
    for (size_t i = 0; i < tag.len; i++) {
        if (!is_let_dig(tag.ptr[i]) && tag.ptr[i] != '-') {
            return false;
        }
    }
    return tag.len > 0 && is_let_dig(tag.ptr[tag.len - 1]) && rest.len > 0;
}

/* address-literal = "[" ... "]" */
static bool take_literal(struct cursor *cursor)
{
    if (!take_octet(cursor, '[')) {
        return false;
    }
    const uint8_t *begin = cursor->ptr;
    while (is_dcontent(peek(cursor))) {
        cursor->ptr++;
    }
    struct rp_span content = span_to(begin, cursor->ptr);
    return take_octet(cursor, ']') &&
           (cursor->strict ? is_literal_content(content) : content.len > 0);
}

/* sub-domain = Let-dig [Ldh-str], or a U-label: RFC 6531, 3.3. */
static bool take_label(struct cursor *cursor)
{
    const uint8_t *begin = cursor->ptr;
    for (;;) {
        int octet = peek(cursor);
        if (octet >= 0x80) {
            if (!take_utf8(cursor)) {
                return false;
            }
        } else if (is_let_dig(octet) || octet == '-' || (octet == '_' && !cursor->strict)) {
            cursor->ptr++;
        } else {
            break;
        }
    }
    struct rp_span label = span_to(begin, cursor->ptr);
    if (label.len == 0 || label.len > LABEL_LEN_MAX) {
        return false;
    }
    return !cursor->strict || (label.ptr[0] != '-' && label.ptr[label.len - 1] != '-');
}

static bool may_be_in_label(int octet)
{
    return is_let_dig(octet) || octet == '-' || octet == '_' || octet >= 0x80;
}

/* Domain = sub-domain *("." sub-domain), and a "." behind it where the rules are not strict. */
static bool take_domain(struct cursor *cursor)
{
    const uint8_t *begin = cursor->ptr;
    do {
        if (!take_label(cursor)) {
            return false;
        }
    } while (take_octet(cursor, '.') && (cursor->strict || may_be_in_label(peek(cursor))));
    return (size_t)(cursor->ptr - begin) <= DOMAIN_LEN_MAX;
}

static bool take_domain_or_literal(struct cursor *cursor)
{
    return peek(cursor) == '[' ? take_literal(cursor) : take_domain(cursor);
}

/*
 * A-d-l ":", a source route: "MUST BE accepted, SHOULD NOT be generated, and SHOULD be
 * ignored" (RFC 5321, 4.1.2 and appendix C). Each At-domain is a domain, never a literal.
 */
static bool take_route(struct cursor *cursor)
{
    do {
        if (!take_octet(cursor, '@') || !take_domain(cursor)) {
            return false;
        }
    } while (take_octet(cursor, ','));
    return take_octet(cursor, ':');
}

/* Mailbox = Local-part "@" ( Domain / address-literal ); the domain may be missing. */
static bool take_mailbox(struct cursor *cursor, struct rp_addr *addr)
{
    if (!take_comments(cursor)) {
        return false;
    }
    const uint8_t *begin = cursor->ptr;
    if (!take_local(cursor)) {
        return false;
    }
    const uint8_t *end = cursor->ptr;
    addr->local = span_to(begin, end);
    addr->domain = (struct rp_span){.ptr = end, .len = 0};
    if (!take_comments(cursor)) {
        return false;
    }
    if (take_octet(cursor, '@')) {
        if (!take_comments(cursor)) {
            return false;
        }
        const uint8_t *domain = cursor->ptr;
        if (!take_domain_or_literal(cursor)) {
            return false;
        }
        end = cursor->ptr;
        addr->domain = span_to(domain, end);
        if (!take_comments(cursor)) {
            return false;
        }
    }
    addr->mailbox = span_to(begin, end);
    return true;
}

/* Path, or Reverse-path with "<>"; fills *addr with what it found. */
static bool take_path(struct cursor *cursor,
                      const struct rp_addr_rules *rules,
                      struct rp_addr *addr)
{
    bool has_bracket = take_octet(cursor, '<');
    if (has_bracket && peek(cursor) == '>') {
        addr->is_null = true;
        addr->mailbox = addr->local = addr->domain = (struct rp_span){.ptr = cursor->ptr};
        return rules->allow_null && take_octet(cursor, '>');
    }
    if (!has_bracket && rules->strict) {
        return false;
    }
    if (has_bracket && peek(cursor) == '@' && !take_route(cursor)) {
        return false;
    }
    if (!take_mailbox(cursor, addr)) {
        return false;
    }
    bool is_postmaster = rules->allow_postmaster && equals_nocase(addr->local, "postmaster");
    if (addr->domain.len == 0 && rules->strict && !is_postmaster) {
        return false;
    }
    return !has_bracket || take_octet(cursor, '>');
}

enum rp_addr_result rp_addr_parse_path(struct rp_span *in,
                                       const struct rp_addr_rules *rules,
                                       struct rp_addr *addr_out)
{
    const size_t len = rp_addr_parse_short(*in, rules->local_part_max, addr_out);
    if (len > 0) {
        *in = span_to(in->ptr + len, in->ptr + in->len);
        return RP_ADDR_OK;
    }
    return rp_addr_parse_long(in, rules, addr_out);
}

enum rp_addr_result rp_addr_parse_long(struct rp_span *in,
                                       const struct rp_addr_rules *rules,
                                       struct rp_addr *addr_out)
{
    assert(in->ptr != NULL || in->len == 0);

    if (in->len == 0) {
        return RP_ADDR_MALFORMED;
    }
    struct cursor cursor = {.ptr = in->ptr, .end = in->ptr + in->len, .strict = rules->strict};
    struct rp_addr addr = {0};
    if (!take_path(&cursor, rules, &addr)) {
        return RP_ADDR_MALFORMED;
    }
    if (left(&cursor) > 0 && peek(&cursor) != ' ') {
        return RP_ADDR_MALFORMED;
    }
    if (rules->local_part_max > 0 && addr.local.len > rules->local_part_max) {
        return RP_ADDR_LOCAL_TOO_LONG;
    }
    addr.is_utf8 = cursor.has_utf8;
    *addr_out = addr;
    *in = span_to(cursor.ptr, cursor.end);
    return RP_ADDR_OK;
}

bool rp_addr_is_domain(struct rp_span text)
{
    static const char specials[] = "<>()[],;:\\\"";

    assert(text.ptr != NULL || text.len == 0);

    if (text.len == 0) {
        return false;
    }
    struct cursor cursor = {.ptr = text.ptr, .end = text.ptr + text.len, .strict = true};
    if (peek(&cursor) == '[') {
        return take_literal(&cursor) && left(&cursor) == 0;
    }
    while (left(&cursor) > 0) {
        int octet = peek(&cursor);
        if (octet >= 0x80) {
            if (!take_utf8(&cursor)) {
                return false;
            }
        } else if (is_printable(octet) && octet != ' ' &&
                   memchr(specials, octet, sizeof specials - 1) == NULL) {
            cursor.ptr++;
        } else {
            return false;
        }
    }
    return true;
}
