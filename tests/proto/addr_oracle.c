/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * addr_oracle.c - the ABNF of RFC 5321, 4.1.2 and 4.1.3, and RFC 6531, 3.3, as it stands.
 *
 * A set holds places in the text, a bit each. A function takes the set of places where
 * something may begin and answers the set of those where it may have ended: so every way
 * to read a text is tried at once, and nothing is decided by looking ahead, which is how
 * the parser works.
 */
#include "addr_oracle.h"

#include <assert.h>
#include <string.h>

typedef uint64_t places;

static const uint8_t *text;
static size_t text_len;
static bool is_strict;

/* Take the first place out of the set, which is not empty. */
static size_t take_first(places *set)
{
    size_t first = (size_t)__builtin_ctzll(*set);
    *set &= *set - 1;
    return first;
}

typedef places (*rule_fn)(places from);
typedef bool (*octet_fn)(uint8_t octet);

static places at(size_t place)
{
    return (places)1 << place;
}

static places one(places from, octet_fn is_one)
{
    places to = 0;
    for (from &= at(text_len) - 1; from != 0;) {
        size_t i = take_first(&from);
        to |= is_one(text[i]) ? at(i + 1) : 0;
    }
    return to;
}

static places lit(places from, char octet)
{
    places to = 0;
    for (from &= at(text_len) - 1; from != 0;) {
        size_t i = take_first(&from);
        to |= text[i] == (uint8_t)octet ? at(i + 1) : 0;
    }
    return to;
}

static places any(places from, rule_fn rule)
{
    places to = from;
    places fresh = from;
    while (fresh != 0) {
        fresh = rule(fresh) & ~to;
        to |= fresh;
    }
    return to;
}

static places some(places from, rule_fn rule)
{
    return any(rule(from), rule);
}

static bool octet_is_alnum(uint8_t octet)
{
    return strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", octet) !=
               NULL &&
           octet != 0;
}

static bool octet_is_atext(uint8_t octet)
{
    return octet > ' ' && octet < 0x7f && strchr("()<>@,;:\\\".[]", octet) == NULL;
}

static bool octet_is_qtext(uint8_t octet)
{
    return (octet >= 32 && octet <= 33) || (octet >= 35 && octet <= 91) ||
           (octet >= 93 && octet <= 126);
}

static bool octet_is_quotable(uint8_t octet)
{
    return octet >= 32 && octet <= 126;
}

static bool octet_is_dcontent(uint8_t octet)
{
    return (octet >= 33 && octet <= 90) || (octet >= 94 && octet <= 126);
}

static bool octet_is_digit(uint8_t octet)
{
    return octet - '0' >= 0 && octet - '0' < 10;
}

static bool octet_is_hexdig(uint8_t octet)
{
    return octet != 0 && strchr("0123456789abcdefABCDEF", octet) != NULL;
}

static bool octet_is_let_dig_hyphen(uint8_t octet)
{
    return octet_is_alnum(octet) || octet == '-';
}

static bool octet_is_lenient_label(uint8_t octet)
{
    return octet_is_alnum(octet) || octet == '-' || octet == '_';
}

/* Decoded by value: the code point, and the shortest form it could have had. */
static places utf8(places from)
{
    places to = 0;
    for (from &= at(text_len) - 1; from != 0;) {
        size_t i = take_first(&from);
        size_t len = text[i] >= 0xf0 ? 4 : text[i] >= 0xe0 ? 3 : 2;
        if (text[i] < 0xc0 || text[i] >= 0xf8 || i + len > text_len) {
            continue;
        }
        static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        uint32_t value = text[i] & (0x7fu >> len);
        bool is_good = true;
        for (size_t k = 1; k < len; k++) {
            is_good = is_good && (text[i + k] & 0xc0) == 0x80;
            value = value << 6 | (text[i + k] & 0x3f);
        }
        bool is_surrogate = value >= 0xd800 && value <= 0xdfff;
        bool is_control = value < 0xa0;
        if (is_good && value >= least[len] && value <= 0x10ffff && !is_surrogate && !is_control) {
            to |= at(i + len);
        }
    }
    return to;
}

static places pair(places from)
{
    return one(lit(from, '\\'), octet_is_quotable);
}

static places qcontent(places from)
{
    return one(from, octet_is_qtext) | pair(from) | utf8(from);
}

static places quoted(places from)
{
    return lit(any(lit(from, '"'), qcontent), '"');
}

static places atom_char(places from)
{
    return one(from, octet_is_atext) | utf8(from);
}

static places atom(places from)
{
    return some(from, atom_char);
}

static places dot_atom(places from)
{
    return atom(lit(from, '.'));
}

static places word(places from)
{
    return atom(from) | quoted(from) | pair(from);
}

static places dot(places from)
{
    return lit(from, '.');
}

static places word_or_dot(places from)
{
    return word(from) | dot(from);
}

static places local_part(places from)
{
    if (is_strict) {
        return any(atom(from), dot_atom) | quoted(from);
    }
    return any(word(any(from, dot)), word_or_dot);
}

/* Comments that nest: places by depth, walked from left to right. */
static places comments(places from)
{
    if (is_strict || lit(from, '(') == 0) {
        return from;
    }
    places by_depth[ADDR_ORACLE_TEXT_MAX + 2] = {from};
    for (size_t i = 0; i < text_len; i++) {
        for (size_t depth = 0; depth <= i; depth++) {
            places here = by_depth[depth] & at(i);
            by_depth[depth + 1] |= lit(here, '(');
            if (depth > 0) {
                places text_octet = text[i] != '(' && text[i] != ')' && text[i] != '\\' &&
                                            octet_is_quotable(text[i]) && text[i] != ' '
                                        ? here << 1
                                        : 0;
                by_depth[depth] |= text_octet | pair(here) | utf8(here);
                by_depth[depth - 1] |= lit(here, ')');
            }
        }
    }
    return by_depth[0];
}

static places label_char(places from)
{
    return one(from, is_strict ? octet_is_let_dig_hyphen : octet_is_lenient_label) | utf8(from);
}

static places let_dig(places from)
{
    return one(from, octet_is_alnum) | utf8(from);
}

/* Let-dig [Ldh-str], Ldh-str = *( ALPHA / DIGIT / "-" ) Let-dig */
static places sub_domain(places from)
{
    if (!is_strict) {
        return some(from, label_char);
    }
    places first = let_dig(from);
    return first | let_dig(any(first, label_char));
}

static places dot_sub_domain(places from)
{
    return sub_domain(lit(from, '.'));
}

static places domain(places from)
{
    places to = any(sub_domain(from), dot_sub_domain);
    return is_strict ? to : to | lit(to, '.');
}

/* 1*3DIGIT, at most 255 */
static places snum(places from)
{
    places to = 0;
    for (from &= at(text_len) - 1; from != 0;) {
        size_t i = take_first(&from);
        places here = at(i);
        unsigned value = 0;
        for (size_t len = 1; len <= 3 && here != 0; len++) {
            here = one(here, octet_is_digit);
            value = here != 0 ? value * 10 + text[i + len - 1] - '0' : 256;
            to |= value <= 255 ? here : 0;
        }
    }
    return to;
}

static places ipv4(places from)
{
    for (unsigned part = 0; part < 3; part++) {
        from = lit(snum(from), '.');
    }
    return snum(from);
}

/* 1*4HEXDIG */
static places ipv6_hex(places from)
{
    places to = 0;
    for (unsigned len = 1; len <= 4; len++) {
        from = one(from, octet_is_hexdig);
        to |= from;
    }
    return to;
}

/* IPv6-hex *(":" IPv6-hex), so many of them; none is nothing. */
static places ipv6_groups(places from, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        from = ipv6_hex(i > 0 ? lit(from, ':') : from);
    }
    return from;
}

/* IPv6-full / IPv6-comp / IPv6v4-full / IPv6v4-comp */
static places ipv6(places from)
{
    places to = ipv6_groups(from, 8) | ipv4(lit(ipv6_groups(from, 6), ':'));
    for (unsigned before = 0; before <= 6; before++) {
        places gap = lit(lit(ipv6_groups(from, before), ':'), ':');
        for (unsigned behind = 0; before + behind <= 6; behind++) {
            to |= ipv6_groups(gap, behind);
            if (before + behind <= 4) {
                places groups = ipv6_groups(gap, behind);
                to |= ipv4(behind > 0 ? lit(groups, ':') : groups);
            }
        }
    }
    return to;
}

static places hyphen_char(places from)
{
    return one(from, octet_is_let_dig_hyphen);
}

static places dcontent(places from)
{
    return one(from, octet_is_dcontent);
}

/* "IPv6:", in any case */
static places ipv6_tag(places from)
{
    static const char tag[2][5] = {
        {'i', 'p', 'v', '6', ':'},
        {'I', 'P', 'V', '6', ':'}
    };
    for (size_t i = 0; i < 5; i++) {
        from = lit(from, tag[0][i]) | lit(from, tag[1][i]);
    }
    return from;
}

static places literal(places from)
{
    places inside = lit(from, '[');
    if (!is_strict) {
        return lit(some(inside, dcontent), ']');
    }
    places tagged = lit(one(any(inside, hyphen_char), octet_is_alnum), ':') & ~ipv6_tag(inside);
    return lit(ipv4(inside) | ipv6(ipv6_tag(inside)) | some(tagged, dcontent), ']');
}

static places at_domain(places from)
{
    return domain(lit(from, '@'));
}

static places comma_at_domain(places from)
{
    return at_domain(lit(from, ','));
}

static places route(places from)
{
    return from | lit(any(at_domain(from), comma_at_domain), ':');
}

/* Where a path that begins with the text may end: at the end of the text, or at a space. */
static places path_ends(places from)
{
    places to = from & at(text_len);
    for (size_t i = 0; i < text_len; i++) {
        to |= text[i] == ' ' ? from & at(i) : 0;
    }
    return to;
}

/* The places where a path may end, and through which ends of its domain it comes there. */
static places ends_behind(places local_ends, bool has_bracket, places *domain_ends_out)
{
    places domain_begin = comments(lit(comments(local_ends), '@'));
    places domain_ends = domain(domain_begin) | literal(domain_begin);
    places ends = comments(domain_ends);
    if (!is_strict) {
        ends |= comments(local_ends);
    }
    *domain_ends_out = domain_ends;
    return path_ends(has_bracket ? lit(ends, '>') : ends);
}

static bool agrees(bool is_ok, const struct rp_addr *addr, struct rp_span rest)
{
    bool has_bracket = text_len > 0 && text[0] == '<';
    if (!has_bracket && is_strict) {
        return !is_ok;
    }
    places begin = comments(has_bracket ? route(lit(at(0), '<')) : at(0));
    places local_ends = local_part(begin);
    places domain_ends;
    if (!is_ok) {
        return ends_behind(local_ends, has_bracket, &domain_ends) == 0;
    }
    size_t local_begin = (size_t)(addr->local.ptr - text);
    size_t local_end = local_begin + addr->local.len;
    if ((begin & at(local_begin)) == 0 || (local_part(at(local_begin)) & at(local_end)) == 0) {
        return false;
    }
    places ends = ends_behind(at(local_end), has_bracket, &domain_ends);
    size_t domain_end = (size_t)(addr->domain.ptr - text) + addr->domain.len;
    return (addr->domain.len == 0 || (domain_ends & at(domain_end)) != 0) &&
           (ends & at((size_t)(rest.ptr - text))) != 0;
}

bool addr_oracle_agrees(struct rp_span in,
                        bool strict,
                        bool is_ok,
                        const struct rp_addr *addr,
                        struct rp_span rest)
{
    assert(in.len <= ADDR_ORACLE_TEXT_MAX);
    text = in.ptr;
    text_len = in.len;
    is_strict = strict;
    return agrees(is_ok, addr, rest);
}
