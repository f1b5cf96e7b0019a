/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_sink_scan.c - every search finds CRLF.CRLF where an octet at a time would.
 *
 * Method: the end at each place around the edges of blocks, alone and behind near misses;
 * every text of up to seven symbols at every cut; then random text in random pieces. Inputs
 * end at a guard page, so that a load behind them is seen.
 */
#include "perf/sink_scan.h"
#include "tests/proto/guard.h"
#include "tests/tools/suite.h"

#include <string.h>

#define INPUT_MAX 4096u

static struct guard guard;

/* The oracle of rp_sink_scan_fn: a whole CRLF.CRLF, tried at each octet. */
static size_t find_whole(const uint8_t *text, size_t len)
{
    for (size_t at = 0; at + 5 <= len; at++) {
        if (memcmp(text + at, "\r\n.\r\n", 5) == 0) {
            return at + 5;
        }
    }
    return RP_SINK_SCAN_NONE;
}

/* That of rp_sink_scan_next: the same, as if a CRLF stood before the text. */
static size_t find_slowly(const uint8_t *text, size_t len)
{
    static uint8_t joined[INPUT_MAX + 2];
    memcpy(joined, "\r\n", 2);
    memcpy(joined + 2, text, len);
    size_t end = find_whole(joined, len + 2);
    return end != RP_SINK_SCAN_NONE ? end - 2 : end;
}

/* The pieces before `cuts[i]`, fed one after the other; where the end is in the whole. */
static size_t find_in_pieces(const uint8_t *text, size_t len, const size_t *cuts, size_t cut_count)
{
    struct rp_sink_scan scan;
    rp_sink_scan_init(&scan);
    size_t begin = 0;
    for (size_t i = 0; i <= cut_count; i++) {
        size_t piece_end = i < cut_count ? cuts[i] : len;
        const uint8_t *piece = guard_copy(&guard, text + begin, piece_end - begin);
        size_t end = rp_sink_scan_next(&scan, piece, piece_end - begin);
        if (end != RP_SINK_SCAN_NONE) {
            return begin + end;
        }
        begin = piece_end;
    }
    return RP_SINK_SCAN_NONE;
}

static void check_kinds(const uint8_t *text, size_t len)
{
    size_t wanted = find_whole(text, len);
    for (unsigned kind = 0; kind < RP_SINK_SCAN_COUNT; kind++) {
        rp_sink_scan_fn find = rp_sink_scan_find((enum rp_sink_scan_kind)kind);
        if (find != NULL) {
            CU_ASSERT_EQUAL(find(guard_copy(&guard, text, len), len), wanted);
        }
    }
}

static void test_kinds(void)
{
    CU_ASSERT_PTR_NOT_NULL(rp_sink_scan_find(RP_SINK_SCAN_PORTABLE));
    CU_ASSERT_PTR_NULL(rp_sink_scan_find(RP_SINK_SCAN_COUNT));
#if defined(__x86_64__)
    CU_ASSERT_PTR_NOT_NULL(rp_sink_scan_find(RP_SINK_SCAN_SSE2));
#endif
}

/* The end at each place, with near misses before it: LF.CR alone, a bare LF, a stuffed dot. */
static void test_places(void)
{
    static const char *const misses[] = {"", "\n.\r\n", "\r\n..\r\n", "\r\n.\rx", "\r\n.\r\r\n"};
    uint8_t text[300];
    for (size_t len = 0; len < 200; len++) {
        for (size_t miss = 0; miss < sizeof(misses) / sizeof(misses[0]); miss++) {
            size_t miss_len = strlen(misses[miss]);
            for (size_t at = 0; at + 5 <= len; at++) {
                memset(text, 'x', len);
                memcpy(text, misses[miss], miss_len < at ? miss_len : 0);
                memcpy(text + at, "\r\n.\r\n", 5);
                check_kinds(text, len);
            }
            memset(text, 'x', len);
            memcpy(text, misses[miss], miss_len < len ? miss_len : 0);
            check_kinds(text, len);
        }
    }
}

/* Every text of up to seven of the four symbols that matter, at every single cut. */
static void test_exhaustive(void)
{
    static const char symbols[4] = {'\r', '\n', '.', 'x'};
    for (size_t len = 0; len <= 7; len++) {
        for (uint32_t word = 0; word < 1u << (2 * len); word++) {
            uint8_t text[8];
            for (size_t at = 0; at < len; at++) {
                text[at] = (uint8_t)symbols[word >> (2 * at) & 3];
            }
            size_t wanted = find_slowly(text, len);
            for (size_t cut = 0; cut <= len; cut++) {
                size_t found = find_in_pieces(text, len, &cut, 1);
                if (found != wanted) {
                    CU_FAIL("exhaustive");
                    return;
                }
            }
        }
    }
    CU_PASS("exhaustive");
}

static void test_random(void)
{
    static const char symbols[] = "\r\n.xxxx\r\n";
    uint64_t state = suite_seed;
    for (unsigned round = 0; round < 20000; round++) {
        static uint8_t text[INPUT_MAX];
        size_t len = suite_random_below(&state, round % 8 == 0 ? INPUT_MAX : 200) + 1;
        for (size_t at = 0; at < len; at++) {
            text[at] = (uint8_t)symbols[suite_random_below(&state, sizeof(symbols) - 1)];
        }
        size_t cuts[4];
        size_t last = 0;
        for (size_t i = 0; i < 4; i++) {
            cuts[i] = last + suite_random_below(&state, (len - last) / 2 + 1);
            last = cuts[i];
        }
        size_t wanted = find_slowly(text, len);
        CU_ASSERT_EQUAL(find_in_pieces(text, len, cuts, 4), wanted);
        check_kinds(text, len);
    }
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"kinds",      test_kinds     },
        {"places",     test_places    },
        {"exhaustive", test_exhaustive},
        {"random",     test_random    },
    };
    guard_open(&guard, INPUT_MAX);
    int status = SUITE_RUN("perf/sink_scan", tests, argc, argv);
    guard_close(&guard);
    return status;
}
