/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * octets.h - sixteen octets of a text at a time: which of them are of a class.
 *
 *     static inline uint32_t are_digits(struct rp_octets block)
 *     {
 *         return rp_octets_mask(rp_octets_between(block, '0', '9'));
 *     }
 *     size_t digit_count = rp_octets_count(ptr, len, are_digits);
 *
 * Private to proto. Nothing behind the end of a text is read; a block that has fewer
 * octets is filled up with zeros. SSE2 where there is one, else an octet a step: both give
 * the same. RP_OCTETS_PORTABLE chooses the second, for tests.
 */
#ifndef OCTETS_H
#define OCTETS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__) && !defined(RP_OCTETS_PORTABLE)
#    define RP_OCTETS_SSE2 1
#    include <emmintrin.h>
#else
#    define RP_OCTETS_SSE2 0
#endif

#define RP_OCTETS_LEN 16u
#define RP_OCTETS_ALL 0xFFFFu /* the mask where the answer is yes for each */

/*
 * Where the block behind the one at `at` begins: the last one of a text ends with it, and
 * overlaps the one before. Only where there are octets behind the block.
 */
static inline size_t rp_octets_next(size_t at, size_t len)
{
    const size_t last = len - RP_OCTETS_LEN;
    return at + RP_OCTETS_LEN < last ? at + RP_OCTETS_LEN : last;
}

#if RP_OCTETS_SSE2

/* Octets of a text, or the answer to a question about them: 255 where it is yes, 0 else. */
struct rp_octets {
    __m128i vector;
};

/* Up to eight octets as a number, the first one lowest; zeros beyond. */
static inline uint64_t rp_octets_word(const uint8_t *ptr, size_t len)
{
    if (len >= 4) {
        uint32_t low;
        uint32_t high; /* its first octets may be the last ones of `low`: the same bits then */
        memcpy(&low, ptr, sizeof(low));
        memcpy(&high, ptr + len - sizeof(high), sizeof(high));
        return low | (uint64_t)high << (8 * (len - sizeof(high)));
    }
    if (len == 0) {
        return 0;
    }
    const size_t middle = len / 2;
    const size_t last = len - 1;
    return ptr[0] | (uint64_t)ptr[middle] << (8 * middle) | (uint64_t)ptr[last] << (8 * last);
}

/* The first sixteen octets of a text, or all of it. */
static inline struct rp_octets rp_octets_load(const uint8_t *ptr, size_t len)
{
    if (len >= RP_OCTETS_LEN) {
        return (struct rp_octets){_mm_loadu_si128((const void *)ptr)};
    }
    if (len <= 8) {
        return (struct rp_octets){_mm_set_epi64x(0, (int64_t)rp_octets_word(ptr, len))};
    }
    const uint64_t low = rp_octets_word(ptr, 8);
    const uint64_t last = rp_octets_word(ptr + len - 8, 8);
    const uint64_t high = last >> (8 * (RP_OCTETS_LEN - len));
    return (struct rp_octets){_mm_set_epi64x((int64_t)high, (int64_t)low)};
}

static inline struct rp_octets rp_octets_equal(struct rp_octets octets, uint8_t value)
{
    return (struct rp_octets){_mm_cmpeq_epi8(octets.vector, _mm_set1_epi8((char)value))};
}

/* From `first` to `last`, both included, and not all that there are. */
static inline struct rp_octets rp_octets_between(struct rp_octets octets,
                                                 uint8_t first,
                                                 uint8_t last)
{
    /* Only signed numbers can be compared: `first` becomes the least of them. */
    const __m128i moved = _mm_add_epi8(octets.vector, _mm_set1_epi8((char)(128 - first)));
    const __m128i limit = _mm_set1_epi8((char)(128 + last - first + 1));
    return (struct rp_octets){_mm_cmpgt_epi8(limit, moved)};
}

static inline struct rp_octets rp_octets_or(struct rp_octets a, struct rp_octets b)
{
    return (struct rp_octets){_mm_or_si128(a.vector, b.vector)};
}

/* Each octet with these bits set: with 0x20, capital letters become small ones. */
static inline struct rp_octets rp_octets_or_bits(struct rp_octets octets, uint8_t bits)
{
    return (struct rp_octets){_mm_or_si128(octets.vector, _mm_set1_epi8((char)bits))};
}

/* The answer as bits, the first octet's lowest. */
static inline uint32_t rp_octets_mask(struct rp_octets answer)
{
    return (uint32_t)_mm_movemask_epi8(answer.vector);
}

#else

struct rp_octets {
    uint8_t at[RP_OCTETS_LEN];
};

static inline uint64_t rp_octets_word(const uint8_t *ptr, size_t len)
{
    uint64_t word = 0;
    for (size_t i = 0; i < len; i++) {
        word |= (uint64_t)ptr[i] << (8 * i);
    }
    return word;
}

static inline struct rp_octets rp_octets_load(const uint8_t *ptr, size_t len)
{
    struct rp_octets octets = {{0}};
    if (len > 0) {
        memcpy(octets.at, ptr, len < RP_OCTETS_LEN ? len : RP_OCTETS_LEN);
    }
    return octets;
}

static inline struct rp_octets rp_octets_equal(struct rp_octets octets, uint8_t value)
{
    for (size_t i = 0; i < RP_OCTETS_LEN; i++) {
        octets.at[i] = octets.at[i] == value ? 0xFF : 0;
    }
    return octets;
}

static inline struct rp_octets rp_octets_between(struct rp_octets octets,
                                                 uint8_t first,
                                                 uint8_t last)
{
    for (size_t i = 0; i < RP_OCTETS_LEN; i++) {
        octets.at[i] = octets.at[i] >= first && octets.at[i] <= last ? 0xFF : 0;
    }
    return octets;
}

static inline struct rp_octets rp_octets_or(struct rp_octets a, struct rp_octets b)
{
    for (size_t i = 0; i < RP_OCTETS_LEN; i++) {
        a.at[i] |= b.at[i];
    }
    return a;
}

static inline struct rp_octets rp_octets_or_bits(struct rp_octets octets, uint8_t bits)
{
    for (size_t i = 0; i < RP_OCTETS_LEN; i++) {
        octets.at[i] |= bits;
    }
    return octets;
}

static inline uint32_t rp_octets_mask(struct rp_octets answer)
{
    uint32_t mask = 0;
    for (size_t i = 0; i < RP_OCTETS_LEN; i++) {
        mask |= (uint32_t)(answer.at[i] >> 7) << i;
    }
    return mask;
}

#endif

/* A bit for each octet of a block, the first one's lowest: whether it is of a class. */
typedef uint32_t (*rp_octets_class_fn)(struct rp_octets block);

/* How many octets at the front of a text are of a class that zero is not of. */
static inline __attribute__((always_inline)) size_t rp_octets_count(const uint8_t *ptr,
                                                                    size_t len,
                                                                    rp_octets_class_fn class_of)
{
    if (len == 0) {
        return 0; /* there may be no pointer */
    }
    for (size_t at = 0;; at = rp_octets_next(at, len)) {
        const uint32_t mask = class_of(rp_octets_load(ptr + at, len - at));
        if (mask != RP_OCTETS_ALL) {
            return at + (unsigned)__builtin_ctz(~mask); /* behind the end there are zeros */
        }
        if (len - at <= RP_OCTETS_LEN) {
            return len;
        }
    }
}

#endif
