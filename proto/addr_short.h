/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * addr_short.h - the short way of addr.c for ordinary paths.
 *
 * Nearly every path is "<", a dot-string of letters, digits and a few marks, "@", a domain,
 * ">", and at most 64 octets long. Such a one is right whatever the rules, so it is looked
 * at sixteen octets a step and no grammar is walked. What the short way does not take, be
 * it right or wrong, it leaves to the grammar.
 */
#ifndef ADDR_SHORT_H
#define ADDR_SHORT_H

#include "octets.h"
#include "rp_addr.h"

/* The octets of a path, a bit each; the first one is the lowest. */
struct rp_addr_masks {
    uint64_t dot;
    uint64_t hyphen;
    uint64_t mark;  /* may be in a local part, but not in a domain */
    uint64_t other; /* neither these nor a letter or digit; also what is behind the end */
};

#define RP_ADDR_SHORT_MAX 64u /* octets: the bits of a mask */

static inline void rp_addr_add_block(struct rp_addr_masks *masks, struct rp_octets block, size_t at)
{
    const struct rp_octets letter = rp_octets_between(rp_octets_or_bits(block, 0x20), 'a', 'z');
    const struct rp_octets digit = rp_octets_between(block, '-', '9'); /* and "-./" */
    const struct rp_octets equals = rp_octets_equal(block, '=');
    const struct rp_octets plus = rp_octets_equal(block, '+');
    const struct rp_octets low_line = rp_octets_equal(block, '_');
    const struct rp_octets slash = rp_octets_equal(block, '/');
    const struct rp_octets mark = rp_octets_or(rp_octets_or(equals, plus), low_line);
    const struct rp_octets known = rp_octets_or(rp_octets_or(letter, digit), mark);
    masks->dot |= (uint64_t)rp_octets_mask(rp_octets_equal(block, '.')) << at;
    masks->hyphen |= (uint64_t)rp_octets_mask(rp_octets_equal(block, '-')) << at;
    masks->mark |= (uint64_t)rp_octets_mask(rp_octets_or(mark, slash)) << at;
    masks->other |= (uint64_t)(rp_octets_mask(known) ^ 0xFFFF) << at;
}

/* All but the lowest bit. */
static inline uint64_t rp_addr_drop_lowest(uint64_t mask)
{
    return mask & (mask - 1);
}

/*
 * The short way. True: as rp_addr_parse_path when it answers RP_ADDR_OK, however strict the
 * rules. False: nothing is known, and nothing written.
 */
static inline bool rp_addr_parse_short(struct rp_span *in,
                                       uint32_t local_part_max,
                                       struct rp_addr *addr_out)
{
    const uint8_t *ptr = in->ptr;
    if (in->len == 0 || ptr[0] != '<') {
        return false;
    }

    /* On up to the third octet that is other: "<" is the first, "@" and ">" should follow. */
    struct rp_addr_masks masks = {0, 0, 0, 0};
    uint64_t behind_local = 0;
    uint64_t behind_domain = 0;
    for (size_t at = 0; behind_domain == 0; at += RP_OCTETS_LEN) {
        if (at == RP_ADDR_SHORT_MAX || at >= in->len) {
            return false;
        }
        rp_addr_add_block(&masks, rp_octets_load(ptr + at, in->len - at), at);
        behind_local = rp_addr_drop_lowest(masks.other);
        behind_domain = rp_addr_drop_lowest(behind_local);
    }
    const size_t at_sign = (size_t)__builtin_ctzll(behind_local);
    const size_t end = (size_t)__builtin_ctzll(behind_domain) + 1;
    if (local_part_max > 0 && at_sign - 1 > local_part_max) {
        return false;
    }
    if (end > in->len || ptr[at_sign] != '@' || ptr[end - 1] != '>' ||
        (end < in->len && ptr[end] != ' ')) {
        return false;
    }

    /* No piece between two of these is empty, and none of a domain has a hyphen at an end. */
    const uint64_t path = UINT64_MAX >> (RP_ADDR_SHORT_MAX - end);
    const uint64_t domain = path & (UINT64_MAX << at_sign);
    const uint64_t borders = (masks.dot | masks.other) & path;
    const uint64_t beside = borders << 1 | borders >> 1;
    if (((borders & beside) | (masks.mark & domain) | (masks.hyphen & beside & domain)) != 0) {
        return false;
    }

    addr_out->mailbox = (struct rp_span){ptr + 1, end - 2};
    addr_out->local = (struct rp_span){ptr + 1, at_sign - 1};
    addr_out->domain = (struct rp_span){ptr + at_sign + 1, end - at_sign - 2};
    addr_out->is_null = false;
    addr_out->is_utf8 = false;
    in->ptr += end;
    in->len -= end;
    return true;
}

/* The long way: the whole grammar. As rp_addr_parse_path. */
enum rp_addr_result rp_addr_parse_long(struct rp_span *in,
                                       const struct rp_addr_rules *rules,
                                       struct rp_addr *addr_out);

#endif
