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
    uint64_t mark;  /* may be in a local part; of these a domain has only "-" */
    uint64_t other; /* neither these nor a letter or digit; also what is behind the end */
};

#define RP_ADDR_SHORT_MAX 64u /* octets: the bits of a mask */

static inline void rp_addr_add_block(struct rp_addr_masks *masks, struct rp_octets block, size_t at)
{
    const struct rp_octets letter = rp_octets_between(rp_octets_or_bits(block, 0x20), 'a', 'z');
    const struct rp_octets digit = rp_octets_between(block, '0', '9');
    const struct rp_octets dot = rp_octets_equal(block, '.');
    const struct rp_octets mark =
        rp_octets_or(rp_octets_or(rp_octets_equal(block, '-'), rp_octets_equal(block, '_')),
                     rp_octets_or(rp_octets_equal(block, '+'), rp_octets_equal(block, '=')));
    const struct rp_octets known =
        rp_octets_or(rp_octets_or(letter, digit), rp_octets_or(dot, mark));
    masks->dot |= (uint64_t)rp_octets_mask(dot) << at;
    masks->mark |= (uint64_t)rp_octets_mask(mark) << at;
    masks->other |= (uint64_t)(rp_octets_mask(known) ^ RP_OCTETS_ALL) << at;
}

/* All but the lowest bit. */
static inline uint64_t rp_addr_drop_lowest(uint64_t mask)
{
    return mask & (mask - 1);
}

/* Whether all that these bits of a text stand for are hyphens. */
static inline bool rp_addr_are_hyphens(const uint8_t *ptr, uint64_t bits)
{
    while (bits != 0 && ptr[__builtin_ctzll(bits)] == '-') {
        bits = rp_addr_drop_lowest(bits);
    }
    return bits == 0;
}

/*
 * The short way. Not 0: *addr_out is as rp_addr_parse_path would have it, however strict the
 * rules, and the path has so many octets. 0: nothing is known, and nothing written.
 */
static inline size_t rp_addr_parse_short(struct rp_span in,
                                         uint32_t local_part_max,
                                         struct rp_addr *addr_out)
{
    const uint8_t *ptr = in.ptr;
    const size_t len = in.len < RP_ADDR_SHORT_MAX ? in.len : RP_ADDR_SHORT_MAX;
    if (len == 0 || ptr[0] != '<') {
        return 0;
    }

    /* On up to the third octet that is other: "<" is the first, "@" and ">" should follow. */
    struct rp_addr_masks masks = {0, 0, 0};
    uint64_t behind_local;
    uint64_t behind_domain;
    for (size_t at = 0;; at = rp_octets_next(at, len)) {
        rp_addr_add_block(&masks, rp_octets_load(ptr + at, len - at), at);
        behind_local = rp_addr_drop_lowest(masks.other);
        behind_domain = rp_addr_drop_lowest(behind_local);
        if (behind_domain != 0) {
            break;
        }
        if (len - at <= RP_OCTETS_LEN) {
            return 0;
        }
    }
    const unsigned at_sign = (unsigned)__builtin_ctzll(behind_local);
    const unsigned close = (unsigned)__builtin_ctzll(behind_domain);
    if (close >= len || ptr[at_sign] != '@' || ptr[close] != '>' ||
        (close + 1 < in.len && ptr[close + 1] != ' ') ||
        (local_part_max > 0 && at_sign - 1 > local_part_max)) {
        return 0;
    }

    /* No piece between two of these is empty, and none of a domain has a hyphen at an end. */
    const uint64_t path = UINT64_MAX >> (RP_ADDR_SHORT_MAX - 1 - close);
    const uint64_t borders = (masks.dot | masks.other) & path;
    const uint64_t beside = borders << 1 | borders >> 1;
    const uint64_t domain_marks = masks.mark & path & UINT64_MAX << at_sign;
    if (((borders | domain_marks) & beside) != 0 || !rp_addr_are_hyphens(ptr, domain_marks)) {
        return 0;
    }

    addr_out->mailbox = (struct rp_span){ptr + 1, close - 1};
    addr_out->local = (struct rp_span){ptr + 1, at_sign - 1};
    addr_out->domain = (struct rp_span){ptr + at_sign + 1, close - at_sign - 1};
    addr_out->is_null = false;
    addr_out->is_utf8 = false;
    return close + 1;
}

/* The long way: the whole grammar. As rp_addr_parse_path. */
enum rp_addr_result rp_addr_parse_long(struct rp_span *in,
                                       const struct rp_addr_rules *rules,
                                       struct rp_addr *addr_out);

#endif
