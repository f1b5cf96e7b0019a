/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_format.c - hashes, ids, names and header checks.
 *
 * Known hash values; ids and names there and back, and with every octet altered; a meta page,
 * a segment header and a record with every bit flipped; a record cut at every octet, at a
 * guard page.
 */
#include "spool/format.h"

#include "lane.h"
#include "tests/proto/guard.h"

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>
#include <errno.h>

static const uint8_t identity[16] = "an identity, 16";

/* The first two are in xxHash's own documentation of the empty input and of seed 1. */
static void test_hash_values(void)
{
    CU_ASSERT_EQUAL(rp_format_hash("", 0, 0), 0x2d06800538d394c2ull);
    CU_ASSERT_NOT_EQUAL(rp_format_hash("", 0, 1), rp_format_hash("", 0, 0));
    CU_ASSERT_NOT_EQUAL(rp_format_seed(identity, 0, 1), rp_format_seed(identity, 1, 1));
    CU_ASSERT_NOT_EQUAL(rp_format_seed(identity, 0, 1), rp_format_seed(identity, 0, 2));
}

/* In pieces, cut anywhere, it is the same: lengths around XXH3's block and stripe sizes. */
static void test_hash_pieces(void)
{
    uint64_t state = 7;
    uint8_t octets[1100];
    for (size_t i = 0; i < sizeof octets; i++) {
        octets[i] = (uint8_t)test_random(&state);
    }
    static const size_t lens[] = {0, 1, 3, 8, 16, 17, 128, 129, 240, 241, 512, 1024, 1025, 1100};
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        uint64_t whole = rp_format_hash(octets, lens[i], 0);
        for (size_t cut = 0; cut <= lens[i]; cut++) {
            struct rp_spool_hash hash;
            rp_spool_hash_init(&hash);
            rp_spool_hash_add(&hash, octets, cut);
            rp_spool_hash_add(&hash, octets + cut, lens[i] - cut);
            CU_ASSERT_EQUAL(rp_spool_hash_get(&hash), whole);
        }
    }
}

static void test_id(void)
{
    struct rp_spool_id id;
    rp_format_id(0, 1, 4096, &id);
    CU_ASSERT_STRING_EQUAL(id.text, "000-0000000001-000040");
    rp_format_id(254, RP_FORMAT_SEGMENT_MAX, RP_SPOOL_SEGMENT_MAX - RP_SPOOL_ALIGN, &id);
    CU_ASSERT_STRING_EQUAL(id.text, "0fe-ffffffffff-ffffff");
    uint32_t lane = 0;
    uint64_t segment = 0;
    uint64_t offset = 0;
    CU_ASSERT_TRUE(rp_format_id_parse(id.text, &lane, &segment, &offset));
    CU_ASSERT_EQUAL(lane, 254);
    CU_ASSERT_EQUAL(segment, RP_FORMAT_SEGMENT_MAX);
    CU_ASSERT_EQUAL(offset, RP_SPOOL_SEGMENT_MAX - RP_SPOOL_ALIGN);
}

/* Every octet at every place: only digits where digits are, only dashes where dashes are. */
static void test_id_altered(void)
{
    const char good[] = "0a1-0123456789-abcdef";
    uint32_t lane;
    uint64_t segment;
    uint64_t offset;
    for (size_t i = 0; i < RP_SPOOL_ID_LEN; i++) {
        for (int c = 0; c < 256; c++) {
            char text[sizeof good];
            memcpy(text, good, sizeof good);
            text[i] = (char)c;
            bool is_digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
            bool expected = i == 3 || i == 14 ? c == '-' : is_digit;
            CU_ASSERT_EQUAL(rp_format_id_parse(text, &lane, &segment, &offset), expected);
        }
    }
    struct guard guard;
    guard_open(&guard, 64);
    for (size_t len = 0; len < RP_SPOOL_ID_LEN; len++) {
        char text[sizeof good] = {0};
        memcpy(text, good, len);
        const char *copy = (const char *)guard_copy(&guard, text, len + 1);
        CU_ASSERT_FALSE(rp_format_id_parse(copy, &lane, &segment, &offset));
    }
    CU_ASSERT_FALSE(rp_format_id_parse("0a1-0123456789-abcdef0", &lane, &segment, &offset));
    guard_close(&guard);
}

static void test_names(void)
{
    char name[RP_FORMAT_FILE_NAME];
    uint64_t number = 0;
    uint32_t lane = 0;
    rp_format_segment_name(0x1f, name);
    CU_ASSERT_STRING_EQUAL(name, "000000000000001f.seg");
    CU_ASSERT_TRUE(rp_format_segment_name_parse(name, &number));
    CU_ASSERT_EQUAL(number, 0x1f);
    CU_ASSERT_FALSE(rp_format_index_name_parse(name, &number));
    rp_format_index_name(RP_FORMAT_SEGMENT_MAX, name);
    CU_ASSERT_STRING_EQUAL(name, "000000ffffffffff.idx");
    CU_ASSERT_TRUE(rp_format_index_name_parse(name, &number));
    rp_format_big_name(7, UINT64_MAX, name);
    CU_ASSERT_STRING_EQUAL(name, "007-ffffffffffffffff.body");
    CU_ASSERT_TRUE(rp_format_big_name_parse(name, &lane, &number));
    CU_ASSERT_EQUAL(lane, 7);
    CU_ASSERT_EQUAL(number, UINT64_MAX);
    char lane_name[RP_FORMAT_LANE_NAME];
    rp_format_lane_name(12, lane_name);
    CU_ASSERT_STRING_EQUAL(lane_name, "lane-012");

    static const char *const bad[] = {
        "",         "0000000000000000.seg", "0000010000000000.seg",  "000000000000001F.seg",
        "1.seg",    "000000000000001f.idx", "000000000000001f.seg~", "000000000000001f",
        "lane-000", "000000000000001f.se",  " 00000000000001f.seg",  "0x0000000000001f.seg",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CU_ASSERT_FALSE(rp_format_segment_name_parse(bad[i], &number));
    }
    static const char *const bad_big[] = {
        "",
        "007-0000000000000000.body",
        "255-0000000000000001.body",
        "7-0000000000000001.body",
        "007-0000000000000001.bod",
        "007_0000000000000001.body",
        "00a-0000000000000001.body",
    };
    for (size_t i = 0; i < sizeof bad_big / sizeof bad_big[0]; i++) {
        CU_ASSERT_FALSE(rp_format_big_name_parse(bad_big[i], &lane, &number));
    }
}

static struct rp_spool_meta good_meta(void)
{
    struct rp_spool_meta meta = {
        .magic = RP_SPOOL_META_MAGIC,
        .version = RP_SPOOL_VERSION,
        .lane_count = 2,
        .segment_size = RP_SPOOL_SEGMENT_MIN,
    };
    rp_format_meta_seal(&meta);
    return meta;
}

static void flip(void *ptr, size_t bit)
{
    ((uint8_t *)ptr)[bit / 8] ^= (uint8_t)(1u << bit % 8);
}

static void test_meta(void)
{
    struct rp_spool_meta meta = good_meta();
    CU_ASSERT_EQUAL(rp_format_meta_check(&meta), 0);
    for (size_t bit = 0; bit < sizeof meta * 8; bit++) {
        struct rp_spool_meta copy = meta;
        flip(&copy, bit);
        CU_ASSERT_EQUAL(rp_format_meta_check(&copy), -EBADMSG);
    }
    meta.version = RP_SPOOL_VERSION + 1;
    rp_format_meta_seal(&meta);
    CU_ASSERT_EQUAL(rp_format_meta_check(&meta), -EPROTONOSUPPORT);
    static const struct {
        uint64_t magic;
        uint32_t version;
        uint32_t lanes;
        uint64_t size;
    } senseless[] = {
        {RP_SPOOL_INDEX_MAGIC, 1, 2,   RP_SPOOL_SEGMENT_MIN                 },
        {RP_SPOOL_META_MAGIC,  0, 2,   RP_SPOOL_SEGMENT_MIN                 },
        {RP_SPOOL_META_MAGIC,  1, 0,   RP_SPOOL_SEGMENT_MIN                 },
        {RP_SPOOL_META_MAGIC,  1, 256, RP_SPOOL_SEGMENT_MIN                 },
        {RP_SPOOL_META_MAGIC,  1, 2,   RP_SPOOL_SEGMENT_MIN - 1             },
        {RP_SPOOL_META_MAGIC,  1, 2,   RP_SPOOL_SEGMENT_MIN + 1             },
        {RP_SPOOL_META_MAGIC,  1, 2,   RP_SPOOL_SEGMENT_MAX + RP_SPOOL_BLOCK},
    };
    for (size_t i = 0; i < sizeof senseless / sizeof senseless[0]; i++) {
        meta.magic = senseless[i].magic;
        meta.version = senseless[i].version;
        meta.lane_count = senseless[i].lanes;
        meta.segment_size = senseless[i].size;
        rp_format_meta_seal(&meta);
        CU_ASSERT_EQUAL(rp_format_meta_check(&meta), -EINVAL);
    }
}

static void test_segment_header(void)
{
    struct rp_spool_segment_header header = {
        .magic = RP_SPOOL_SEGMENT_MAGIC,
        .version = RP_SPOOL_VERSION,
        .lane = 3,
        .segment = 5,
        .first_sequence = 77,
        .size = RP_SPOOL_SEGMENT_MIN,
    };
    memcpy(header.identity, identity, sizeof header.identity);
    rp_format_segment_header_seal(&header);
    CU_ASSERT_TRUE(rp_format_segment_header_is_good(&header, identity, 3, 5));
    CU_ASSERT_FALSE(rp_format_segment_header_is_good(&header, identity, 2, 5));
    CU_ASSERT_FALSE(rp_format_segment_header_is_good(&header, identity, 3, 6));
    for (size_t bit = 0; bit < sizeof header * 8; bit++) {
        struct rp_spool_segment_header copy = header;
        flip(&copy, bit);
        CU_ASSERT_FALSE(rp_format_segment_header_is_good(&copy, identity, 3, 5));
    }
}

/* A record as batch.c lays it out, with an envelope of 11 octets and a body of 5. */
static size_t make_record(uint8_t *place, uint64_t seed)
{
    struct rp_spool_record record = {
        .magic = rp_format_record_magic(seed),
        .total_len = 128,
        .envelope_len = 11,
        .body_len = 5,
        .body_hash = rp_format_hash("body!", 5, 0),
        .sequence = 9,
    };
    memset(place, 0, 128);
    memcpy(place, &record, sizeof record);
    memcpy(place + sizeof record, "\x06\0\0\0\x03\0\0\0a@b", 11);
    memcpy(place + sizeof record + 11, "body!", 5);
    record.hash = rp_format_record_hash(place, 11, seed);
    memcpy(place, &record, sizeof record);
    return sizeof record + 11;
}

static void test_record(void)
{
    const uint64_t seed = rp_format_seed(identity, 0, 1);
    uint8_t octets[128];
    size_t hashed = make_record(octets, seed);
    struct rp_spool_record record;
    CU_ASSERT_TRUE(rp_format_record_get(octets, sizeof octets, 0, seed, &record));
    CU_ASSERT_EQUAL(record.sequence, 9);
    CU_ASSERT_FALSE(rp_format_record_get(octets, sizeof octets, 0, seed + 1, &record));
    CU_ASSERT_FALSE(rp_format_record_get(octets, sizeof octets, 64, seed, &record));
    for (size_t bit = 0; bit < hashed * 8; bit++) {
        flip(octets, bit);
        CU_ASSERT_FALSE(rp_format_record_get(octets, sizeof octets, 0, seed, &record));
        flip(octets, bit);
    }
    struct guard guard;
    guard_open(&guard, sizeof octets);
    for (size_t len = 0; len <= sizeof octets; len++) {
        const uint8_t *copy = guard_copy(&guard, octets, len);
        CU_ASSERT_EQUAL(rp_format_record_get(copy, len, 0, seed, &record), len >= hashed);
    }
    guard_close(&guard);
}

/* Lengths that do not belong together are refused although the hash is right. */
static void test_record_lengths(void)
{
    const uint64_t seed = rp_format_seed(identity, 0, 1);
    static const struct {
        uint32_t flags;
        uint32_t envelope_len;
        uint64_t total_len;
        uint64_t body_len;
        uint32_t batch_off;
        bool is_good;
    } rows[] = {
        {0,                                         11, 128,        5,               0, true },
        {0,                                         11, 128,        53,              0, true },
        {0,                                         11, 128,        54,              0, false},
        {0,                                         11, 192,        54,              0, true },
        {0,                                         11, 64,         5,               0, false},
        {0,                                         11, UINT64_MAX, 5,               0, false},
        {0,                                         11, 128,        UINT64_MAX,      0, false},
        {0,                                         11, 128,        UINT64_MAX - 70, 0, false},
        {0,                                         11, 128,        5,               1, false},
        {0,                                         12, 128,        5,               0, true },
        {4,                                         11, 128,        5,               0, false},
        {RP_SPOOL_RECORD_BIG,                       11, 128,        UINT64_MAX,      0, true },
        {RP_SPOOL_RECORD_BIG,                       11, 192,        5,               0, false},
        {RP_SPOOL_RECORD_PAD,                       0,  4096,       0,               0, true },
        {RP_SPOOL_RECORD_PAD,                       0,  128,        0,               0, false},
        {RP_SPOOL_RECORD_PAD,                       11, 4096,       0,               0, false},
        {RP_SPOOL_RECORD_PAD,                       0,  4096,       5,               0, false},
        {RP_SPOOL_RECORD_PAD | RP_SPOOL_RECORD_BIG, 0,  4096,       0,               0, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t octets[128];
        (void)make_record(octets, seed);
        struct rp_spool_record record;
        memcpy(&record, octets, sizeof record);
        record.flags = rows[i].flags;
        record.envelope_len = rows[i].envelope_len;
        record.total_len = rows[i].total_len;
        record.body_len = rows[i].body_len;
        record.batch_off = rows[i].batch_off;
        memcpy(octets, &record, sizeof record);
        record.hash = rp_format_record_hash(octets, record.envelope_len, seed);
        memcpy(octets, &record, sizeof record);
        bool is_good = rp_format_record_get(octets, sizeof octets, 0, seed, &record);
        if (is_good != rows[i].is_good) {
            (void)fprintf(stderr, "row %zu\n", i);
        }
        CU_ASSERT_EQUAL(is_good, rows[i].is_good);
    }
}

int main(void)
{
    if (CU_initialize_registry() != CUE_SUCCESS) {
        return 1;
    }
    CU_pSuite suite = CU_add_suite("format", NULL, NULL);
    CU_ADD_TEST(suite, test_hash_values);
    CU_ADD_TEST(suite, test_hash_pieces);
    CU_ADD_TEST(suite, test_id);
    CU_ADD_TEST(suite, test_id_altered);
    CU_ADD_TEST(suite, test_names);
    CU_ADD_TEST(suite, test_meta);
    CU_ADD_TEST(suite, test_segment_header);
    CU_ADD_TEST(suite, test_record);
    CU_ADD_TEST(suite, test_record_lengths);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    unsigned run = CU_get_number_of_tests_run();
    CU_cleanup_registry();
    return failures == 0 && run == 9 ? 0 : 1;
}
