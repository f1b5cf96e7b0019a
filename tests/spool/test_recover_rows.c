/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_recover_rows.c - recovery's table of actions, cell by cell.
 *
 * Segments of records made by hand, also such as no writer leaves; what is found in each, and
 * where places begin and end. Of the table's 216 mutations of one cell these rows and test_recover
 * tell all that make a difference.
 */
#include "spool/recover.h"

#include "lane.h"
#include "spool/format.h"
#include "tests/proto/guard.h"

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>

#define CAP RP_SPOOL_INDEX_CAP(RP_SPOOL_SEGMENT_MIN)

static const uint8_t identity[16] = "recover's spool.";
static struct guard guard;
static struct rp_spool_index_entry got_entries[CAP];

/*
 * Records by hand, also such as no writer leaves: m a message, b one with a damaged body, p a
 * PAD, each with its sequence; . 64 octets of nothing. Found: M message, S suspect, D damage
 * before this sequence, V void, E end.
 */
struct row {
    const char *records;
    uint64_t limit;
    const char *found;
};

/* clang-format off */
static const struct row rows[] = {
    {"",               9, "E"},
    {".",              9, "E"},
    {"m0m1m2",         9, "M0M1M2E"},
    {"m0p1m1",         9, "M0M1E"},
    {"p0m0",           9, "M0E"},
    /* sequences are missing without a damaged place */
    {"m0m2",           9, "M0D2M2E"},
    {"m2",             9, "D2M2E"},
    {"m0p2m2",         9, "M0D2M2E"},
    {"m0p3",           9, "M0D3E"},
    /* an invalid place, closed by each kind */
    {"m0.m1",          9, "M0D1M1E"},
    {"m0..m3m4",       9, "M0D3M3M4E"},
    {"m0.p1",          9, "M0D1E"},
    {"m0.p2m2",        9, "M0D2M2E"},
    {"m0.",            9, "M0E"},
    /* suspects */
    {"m0b1m2",         9, "M0S1D2M2E"},
    {"m0b1b2m3",       9, "M0S1S2D3M3E"},
    {"m0b1.b4p5",      9, "M0S1S4D5E"},
    {"m0b1",           9, "M0S1E"},
    {"b0.m0m1",        9, "S0D1M1E"},
    /* repeated */
    {"m0m1m0m1m2",     9, "M0M1M2E"},
    {"m0m1b0m2",       9, "M0M1M2E"},
    {"m0m1p0m2",       9, "M0M1M2E"},
    {"m0m1.m0m2",      9, "M0M1D2M2E"},
    {"m0m1.p1m2",      9, "M0M1D2M2E"},
    /* void */
    {"m0m1m2p3",       1, "M0V1V2V3E"},
    {"m0p1m1",         1, "M0V1E"},
    {"m0.m1m2",        1, "M0V1V2E"},
    {"m0b1m2",         1, "M0V1V2E"},
    {"m0m2.m3",        2, "M0V2V3E"},
    {"m0m3m1",         3, "M0V3E"},
    {"m0m3m2",         3, "M0V3E"},
    {"m0m3b1b2",       3, "M0V3E"},
    {"m0m3p1",         3, "M0V3E"},
    {"m0m3p2",         3, "M0V3E"},
    {"m0m3p1m4",       3, "M0V3V4E"},
    {"m0m3b1m4",       3, "M0V3V4E"},
    {"m0m3m1m4",       3, "M0V3V4E"},
    {"m0m3m2m4",       3, "M0V3V4E"},
    {"m0m3p2m4",       3, "M0V3V4E"},
    {"m0m3m0m4",       3, "M0V3V4E"},
    {"m0m1m3m0",       3, "M0M1V3E"},
    {"m0m3.m1m2",      3, "M0V3E"},
    {"m0m3m1m2",       3, "M0V3E"},
    {"m0m3b1m2m1",     3, "M0V3E"},
    {"m0m3m2m1m2",     3, "M0V3E"},
    {"m0m3m0m1m2",     3, "M0V3E"},
    {"m0m3p1m1m2",     3, "M0V3E"},
    {"m0m3p2m2",       3, "M0V3E"},
};
/* clang-format on */

/* Lay a row's records out; returns the octets used. */
static uint64_t make_row(const char *records, uint8_t *image, uint64_t seed)
{
    uint64_t off = RP_SPOOL_BLOCK;
    memset(image, 0, 16 * RP_SPOOL_BLOCK);
    for (const char *at = records; *at != '\0'; at += *at == '.' ? 1 : 2) {
        uint64_t left = RP_SPOOL_BLOCK - off % RP_SPOOL_BLOCK;
        bool is_pad = *at == 'p';
        struct rp_spool_record record = {
            .magic = rp_format_record_magic(seed),
            .flags = is_pad ? RP_SPOOL_RECORD_PAD : 0,
            .total_len = is_pad ? left : 2 * RP_SPOOL_ALIGN,
            .body_len = is_pad ? 0 : 20,
            .sequence = (uint64_t)(at[1] - '0'),
        };
        if (*at == '.') {
            memset(image + off, 0xee, RP_SPOOL_ALIGN);
            off += RP_SPOOL_ALIGN;
            continue;
        }
        memset(image + off + sizeof record, is_pad ? 0 : 'x', is_pad ? 0 : 20);
        record.body_hash = is_pad ? 0 : rp_format_hash(image + off + sizeof record, 20, 0);
        record.body_hash ^= *at == 'b';
        memcpy(image + off, &record, sizeof record);
        record.hash = rp_format_record_hash(image + off, 0, seed);
        memcpy(image + off, &record, sizeof record);
        off += record.total_len;
    }
    return off;
}

/* What is found, as a row says it; places are checked, too. */
static void find_row(const struct rp_recover_source *source, char *text, size_t text_len)
{
    static const char letters[] = "MSDVE";
    struct rp_recover recover;
    struct rp_recover_found found;
    size_t len = 0;
    rp_recover_init(&recover, source);
    do {
        rp_recover_next(&recover, &found);
        CU_ASSERT_TRUE(found.from <= found.to && found.to <= source->len);
        len += (size_t)snprintf(text + len, text_len - len, "%c", letters[found.kind]);
        if (found.kind != RP_RECOVER_END) {
            len += (size_t)snprintf(text + len, text_len - len, "%u", (unsigned)found.sequence);
        }
    } while (found.kind != RP_RECOVER_END && len + 4 < text_len);
}

static void test_rows(void)
{
    static uint8_t image[16 * RP_SPOOL_BLOCK];
    const uint64_t seed = rp_format_seed(identity, 1, 2);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t len = (size_t)make_row(rows[i].records, image, seed);
        struct rp_recover_source source = {
            .base = guard_copy(&guard, image, len),
            .len = len,
            .seed = seed,
            .limit = rows[i].limit,
            .cap = CAP,
        };
        char text[64];
        find_row(&source, text, sizeof text);
        if (strcmp(text, rows[i].found) != 0) {
            (void)fprintf(stderr, "%s: %s, not %s\n", rows[i].records, text, rows[i].found);
        }
        CU_ASSERT_STRING_EQUAL(text, rows[i].found);
    }
}

/* Where places begin and end, in units of 64 octets behind the header page: a message takes two. */
static const struct {
    const char *records;
    uint64_t limit;
    uint64_t damage_from; /* 99: there is none */
    uint64_t cut_from;
    uint64_t good_end;
} places[] = {
    {"m0m1",      9, 99, 4,  4 },
    {"m0.m1",     9, 2,  5,  5 },
    {"m0..",      9, 99, 2,  2 },
    {"m0.m0m2",   9, 2,  7,  7 },
    {"m0.p0m2",   9, 2,  66, 2 }, /* the zeros of p0 say that the batch is torn */
    {"m0b1m2",    9, 2,  6,  6 },
    {"m0b1..",    9, 99, 2,  2 },
    {"m0m3.",     3, 99, 2,  2 },
    {"m0.m3",     3, 99, 2,  2 },
    {"m0m3m1",    3, 99, 2,  2 },
    {"m0m3m2",    3, 99, 2,  2 },
    {"m0m3p1",    3, 99, 2,  2 },
    {"m0m3p2",    3, 99, 2,  2 },
    {"m0m3m0",    3, 99, 2,  2 },
    {"m0m3b1",    3, 99, 2,  2 },
    {"m0m1p2",    9, 99, 64, 64},
    {"m0m1m0",    9, 99, 6,  4 },
    {"m0b1.b2m3", 9, 2,  9,  9 },
};

static void test_places(void)
{
    static uint8_t image[16 * RP_SPOOL_BLOCK];
    const uint64_t seed = rp_format_seed(identity, 1, 2);
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        size_t len = (size_t)make_row(places[i].records, image, seed);
        struct rp_recover_source source = {
            .base = guard_copy(&guard, image, len),
            .len = len,
            .seed = seed,
            .limit = places[i].limit,
            .cap = CAP,
        };
        struct rp_recover recover;
        struct rp_recover_found found;
        uint64_t damage_from = 99;
        rp_recover_init(&recover, &source);
        do {
            rp_recover_next(&recover, &found);
            if (found.kind == RP_RECOVER_DAMAGE) {
                damage_from = (found.from - RP_SPOOL_BLOCK) / RP_SPOOL_ALIGN;
            }
        } while (found.kind != RP_RECOVER_END);
        struct rp_recover_result result;
        memset(got_entries, 0, sizeof got_entries);
        rp_recover_entries(&source, RP_FORMAT_SEQUENCE_NONE, got_entries, &result);
        bool is_as_expected =
            damage_from == places[i].damage_from &&
            found.from == RP_SPOOL_BLOCK + places[i].cut_from * RP_SPOOL_ALIGN && found.to == len &&
            result.good_end == RP_SPOOL_BLOCK + places[i].good_end * RP_SPOOL_ALIGN;
        if (!is_as_expected) {
            (void)fprintf(stderr, "%s: damage %u cut %u end %u\n", places[i].records,
                          (unsigned)damage_from,
                          (unsigned)((found.from - RP_SPOOL_BLOCK) / RP_SPOOL_ALIGN),
                          (unsigned)((result.good_end - RP_SPOOL_BLOCK) / RP_SPOOL_ALIGN));
        }
        CU_ASSERT_TRUE(is_as_expected);
    }
}

int main(void)
{
    if (CU_initialize_registry() != CUE_SUCCESS) {
        return 1;
    }
    guard_open(&guard, 16 * RP_SPOOL_BLOCK);
    CU_pSuite suite = CU_add_suite("recover_rows", NULL, NULL);
    CU_ADD_TEST(suite, test_rows);
    CU_ADD_TEST(suite, test_places);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    unsigned run = CU_get_number_of_tests_run();
    CU_cleanup_registry();
    guard_close(&guard);
    return failures == 0 && run == 2 ? 0 : 1;
}
