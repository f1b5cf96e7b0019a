/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sink_scan.c - CRLF.CRLF by vectors.
 *
 * A block is asked for LF, dot, CR one behind the other: three loads that overlap. That is
 * the end of a body or next to nothing in mail, so one branch a block is all.
 */
#include "sink_scan.h"

#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)
#    include <immintrin.h>
#endif

#define END_LEN  5u
#define END_MASK UINT64_C(0xffffffffff)
#define END_WORD UINT64_C(0x0d0a2e0d0a) /* CRLF.CRLF as `recent` has it */
#define CRLF     UINT64_C(0x0d0a)

/* LF, dot and CR stand at `at`: is the rest of CRLF.CRLF around it? */
static bool is_end(const uint8_t *octets, size_t len, size_t at)
{
    return at >= 1 && octets[at - 1] == '\r' && at + 3 < len && octets[at + 3] == '\n';
}

/* From `at` on, by LFs: what the vectors leave over, and all of it without them. */
static size_t find_from(const uint8_t *octets, size_t len, size_t at)
{
    while (len - at >= 3) {
        const uint8_t *lf = memchr(octets + at, '\n', len - at - 2);
        if (lf == NULL) {
            break;
        }
        at = (size_t)(lf - octets);
        if (lf[1] == '.' && lf[2] == '\r' && is_end(octets, len, at)) {
            return at + 4;
        }
        at++;
    }
    return RP_SINK_SCAN_NONE;
}

static size_t find_portable(const uint8_t *octets, size_t len)
{
    return find_from(octets, len, 0);
}

#if defined(__x86_64__)

#    define ALWAYS_INLINE static inline __attribute__((always_inline))
#    define TARGET_AVX2   __attribute__((target("avx2")))

/* A bit for each octet of 16 at which LF, dot, CR begin. SSE2 is part of every x86-64. */
ALWAYS_INLINE uint32_t hits_sse2(const uint8_t *octets)
{
    __m128i lf = _mm_cmpeq_epi8(_mm_loadu_si128((const void *)octets), _mm_set1_epi8('\n'));
    __m128i dot = _mm_cmpeq_epi8(_mm_loadu_si128((const void *)(octets + 1)), _mm_set1_epi8('.'));
    __m128i cr = _mm_cmpeq_epi8(_mm_loadu_si128((const void *)(octets + 2)), _mm_set1_epi8('\r'));
    return (uint32_t)_mm_movemask_epi8(_mm_and_si128(_mm_and_si128(lf, dot), cr));
}

static size_t find_sse2(const uint8_t *octets, size_t len)
{
    size_t at = 0;
    for (; len - at >= 16 + 2; at += 16) {
        for (uint32_t hits = hits_sse2(octets + at); hits != 0; hits &= hits - 1) {
            size_t hit = at + (unsigned)__builtin_ctz(hits);
            if (is_end(octets, len, hit)) {
                return hit + 4;
            }
        }
    }
    return find_from(octets, len, at);
}

TARGET_AVX2 ALWAYS_INLINE __m256i hits_avx2(const uint8_t *octets)
{
    __m256i lf =
        _mm256_cmpeq_epi8(_mm256_loadu_si256((const void *)octets), _mm256_set1_epi8('\n'));
    __m256i dot =
        _mm256_cmpeq_epi8(_mm256_loadu_si256((const void *)(octets + 1)), _mm256_set1_epi8('.'));
    __m256i cr =
        _mm256_cmpeq_epi8(_mm256_loadu_si256((const void *)(octets + 2)), _mm256_set1_epi8('\r'));
    return _mm256_and_si256(_mm256_and_si256(lf, dot), cr);
}

TARGET_AVX2 static size_t find_avx2(const uint8_t *octets, size_t len)
{
    size_t at = 0;
    for (; len - at >= 64 + 2; at += 64) {
        __m256i low = hits_avx2(octets + at);
        __m256i high = hits_avx2(octets + at + 32);
        __m256i both = _mm256_or_si256(low, high);
        if (_mm256_testz_si256(both, both) != 0) {
            continue;
        }
        uint64_t hits = (uint32_t)_mm256_movemask_epi8(low) |
                        (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32;
        for (; hits != 0; hits &= hits - 1) {
            size_t hit = at + (unsigned)__builtin_ctzll(hits);
            if (is_end(octets, len, hit)) {
                return hit + 4;
            }
        }
    }
    return find_from(octets, len, at);
}

rp_sink_scan_fn rp_sink_scan_find(enum rp_sink_scan_kind kind)
{
    switch (kind) {
    case RP_SINK_SCAN_PORTABLE: return find_portable;
    case RP_SINK_SCAN_SSE2: return find_sse2;
    case RP_SINK_SCAN_AVX2: return __builtin_cpu_supports("avx2") ? find_avx2 : NULL;
    case RP_SINK_SCAN_COUNT: break;
    }
    return NULL;
}

#else

rp_sink_scan_fn rp_sink_scan_find(enum rp_sink_scan_kind kind)
{
    return kind == RP_SINK_SCAN_PORTABLE ? find_portable : NULL;
}

#endif

static size_t find(const uint8_t *octets, size_t len)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx2") ? find_avx2(octets, len) : find_sse2(octets, len);
#else
    return find_portable(octets, len);
#endif
}

void rp_sink_scan_init(struct rp_sink_scan *scan)
{
    *scan = (struct rp_sink_scan){.recent = CRLF};
}

size_t rp_sink_scan_next(struct rp_sink_scan *scan, const uint8_t *octets, size_t len)
{
    /* An end that began before these octets is over within the first four of them. */
    for (size_t at = 0; at < len && at < END_LEN - 1; at++) {
        scan->recent = (scan->recent << 8 | octets[at]) & END_MASK;
        if (scan->recent == END_WORD) {
            return at + 1;
        }
    }
    if (len < END_LEN) {
        return RP_SINK_SCAN_NONE;
    }
    size_t end = find(octets, len);
    if (end == RP_SINK_SCAN_NONE) {
        for (size_t at = len - (END_LEN - 1); at < len; at++) {
            scan->recent = (scan->recent << 8 | octets[at]) & END_MASK;
        }
    }
    return end;
}
