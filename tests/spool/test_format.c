/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_format.c - hashes, ids, names and header checks.
 *
 * Known hash values; ids and names there and back, and with every octet altered; both parts of
 * spool.meta, a segment header, an index, a mark and a record with every bit flipped; index, mark
 * and record cut at every octet, at a guard page.
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
    static const uint32_t others[] = {0, 1, RP_SPOOL_VERSION + 1, UINT32_MAX};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        meta.version = others[i];
        rp_format_meta_seal(&meta);
        CU_ASSERT_EQUAL(rp_format_meta_check(&meta), -EPROTONOSUPPORT);
    }
    static const struct {
        uint64_t magic;
        uint32_t version;
        uint32_t lanes;
        uint64_t size;
    } senseless[] = {
        {RP_SPOOL_INDEX_MAGIC, 2, 2,   RP_SPOOL_SEGMENT_MIN                 },
        {RP_SPOOL_META_MAGIC,  2, 0,   RP_SPOOL_SEGMENT_MIN                 },
        {RP_SPOOL_META_MAGIC,  2, 256, RP_SPOOL_SEGMENT_MIN                 },
        {RP_SPOOL_META_MAGIC,  2, 2,   RP_SPOOL_SEGMENT_MIN - 1             },
        {RP_SPOOL_META_MAGIC,  2, 2,   RP_SPOOL_SEGMENT_MIN + 1             },
        {RP_SPOOL_META_MAGIC,  2, 2,   RP_SPOOL_SEGMENT_MAX + RP_SPOOL_BLOCK},
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

static void test_lane_meta(void)
{
    struct rp_spool_lane_meta meta = {
        .lane = 3,
        .next_segment = 5,
        .next_sequence = RP_FORMAT_SEQUENCE_MAX,
        .created_ns = 9,
    };
    memcpy(meta.identity, identity, sizeof meta.identity);
    rp_format_lane_meta_seal(&meta);
    CU_ASSERT_EQUAL(meta.magic, RP_SPOOL_LANE_MAGIC);
    CU_ASSERT_EQUAL(meta.version, RP_SPOOL_VERSION);
    CU_ASSERT_EQUAL(meta.hash, rp_format_hash((const uint8_t *)&meta + 8, 56, 0));
    CU_ASSERT_TRUE(rp_format_lane_meta_is_good(&meta, 3));
    CU_ASSERT_FALSE(rp_format_lane_meta_is_good(&meta, 2));
    for (size_t bit = 0; bit < sizeof meta * 8; bit++) {
        struct rp_spool_lane_meta copy = meta;
        flip(&copy, bit);
        CU_ASSERT_FALSE(rp_format_lane_meta_is_good(&copy, 3));
        CU_ASSERT_FALSE(rp_format_lane_meta_is_good(&copy, copy.lane));
    }
    const struct rp_spool_lane_meta zeros = {0};
    CU_ASSERT_FALSE(rp_format_lane_meta_is_good(&zeros, 0));
    meta.next_sequence++;
    rp_format_lane_meta_seal(&meta);
    CU_ASSERT_FALSE(rp_format_lane_meta_is_good(&meta, 3));
    CU_ASSERT_EQUAL(RP_SPOOL_LANE_META_OFF(0), 512);
    CU_ASSERT_EQUAL(RP_SPOOL_LANE_META_OFF(254), RP_SPOOL_META_LEN - 512);
}

/* A whole header says what cannot be: it is refused. */
static void test_segment_header_rows(void)
{
    static const struct {
        uint32_t version;
        uint64_t first_sequence;
        uint64_t skipped;
        uint64_t size;
        bool is_good;
    } rows[] = {
        {2, 0,                          0, RP_SPOOL_SEGMENT_MIN,     true },
        {1, 0,                          0, RP_SPOOL_SEGMENT_MIN,     false},
        {2, RP_FORMAT_SEQUENCE_MAX,     0, RP_SPOOL_SEGMENT_MAX,     true },
        {2, RP_FORMAT_SEQUENCE_MAX + 1, 0, RP_SPOOL_SEGMENT_MAX,     false},
        {2, 7,                          7, RP_SPOOL_SEGMENT_MIN,     true },
        {2, 7,                          8, RP_SPOOL_SEGMENT_MIN,     false},
        {2, 7,                          7, RP_SPOOL_SEGMENT_MIN - 1, false},
        {2, 7,                          7, RP_SPOOL_SEGMENT_MAX + 1, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rp_spool_segment_header header = {
            .magic = RP_SPOOL_SEGMENT_MAGIC,
            .version = rows[i].version,
            .segment = 1,
            .first_sequence = rows[i].first_sequence,
            .skipped = rows[i].skipped,
            .size = rows[i].size,
        };
        memcpy(header.identity, identity, sizeof header.identity);
        rp_format_segment_header_seal(&header);
        CU_ASSERT_EQUAL(rp_format_segment_header_is_good(&header, identity, 0, 1), rows[i].is_good);
    }
}

static void test_tail_check(void)
{
    uint8_t key[20] = {0};
    memcpy(key, identity, sizeof identity);
    key[16] = 7;
    CU_ASSERT_EQUAL(rp_format_tail_check(99, identity, 7), 99 ^ rp_format_hash(key, 20, 0));
    CU_ASSERT_NOT_EQUAL(rp_format_tail_check(0, identity, 7), rp_format_tail_check(0, identity, 8));
}

static void test_is_zero(void)
{
    uint8_t octets[70] = {0};
    for (size_t len = 0; len <= sizeof octets; len++) {
        CU_ASSERT_TRUE(rp_format_is_zero(octets, len));
        for (size_t at = 0; at < sizeof octets; at++) {
            octets[at] = 1;
            CU_ASSERT_EQUAL(rp_format_is_zero(octets, len), at >= len);
            octets[at] = 0;
        }
    }
}

/* ---- an index ---- */

#define ENTRIES   5u
#define INDEX_LEN (RP_SPOOL_BLOCK + ENTRIES * sizeof(struct rp_spool_index_entry))

/* A whole index of segment 5 of lane 3, with entries from sequence 70 on. */
static void make_index(uint8_t *page)
{
    memset(page, 0, INDEX_LEN);
    for (uint64_t i = 0; i < ENTRIES; i++) {
        const struct rp_spool_index_entry entry = {
            .offset = RP_SPOOL_BLOCK + 64 + 128 * i,
            .body_len = 10 * i,
            .sequence = 70 + i,
            .hash = i,
        };
        memcpy(page + RP_SPOOL_BLOCK + i * sizeof entry, &entry, sizeof entry);
    }
    struct rp_spool_index_header header = {
        .lane = 3,
        .segment = 5,
        .first_sequence = 70,
        .count = ENTRIES,
    };
    memcpy(header.identity, identity, sizeof header.identity);
    rp_format_index_seal(&header, page);
}

static void test_index(void)
{
    static uint8_t page[INDEX_LEN];
    make_index(page);
    struct rp_spool_index_header header;
    memcpy(&header, page, sizeof header);
    CU_ASSERT_EQUAL(header.magic, RP_SPOOL_INDEX_MAGIC);
    CU_ASSERT_EQUAL(header.version, RP_SPOOL_VERSION);
    CU_ASSERT_EQUAL(header.hash, rp_format_hash(page + 8, INDEX_LEN - 8, 0));
    CU_ASSERT_TRUE(rp_format_index_is_good(page, sizeof page, identity, 3, 5));
    CU_ASSERT_FALSE(rp_format_index_is_good(page, sizeof page, identity, 2, 5));
    CU_ASSERT_FALSE(rp_format_index_is_good(page, sizeof page, identity, 3, 4));
    const uint8_t other[16] = "another identity";
    CU_ASSERT_FALSE(rp_format_index_is_good(page, sizeof page, other, 3, 5));
    for (size_t bit = 0; bit < sizeof page * 8; bit++) {
        flip(page, bit);
        bool is_good = rp_format_index_is_good(page, sizeof page, identity, 3, 5);
        flip(page, bit);
        if (is_good) {
            CU_FAIL("a flipped bit of an index is not seen");
        }
    }
    struct guard guard;
    guard_open(&guard, sizeof page);
    for (size_t len = 0; len <= sizeof page; len++) {
        const uint8_t *copy = guard_copy(&guard, page, len);
        if (rp_format_index_is_good(copy, len, identity, 3, 5) != (len == sizeof page)) {
            CU_FAIL("an index that is cut is taken for whole");
        }
    }
    guard_close(&guard);
    CU_PASS("bits and cuts");
}

/* The hash is right, the content senseless. */
static void test_index_rows(void)
{
    static const struct {
        size_t entry;
        size_t field;
        uint64_t value;
        bool is_good;
    } rows[] = {
        {2, offsetof(struct rp_spool_index_entry, sequence), 72,                        true },
        {2, offsetof(struct rp_spool_index_entry, sequence), 71,                        false},
        {2, offsetof(struct rp_spool_index_entry, sequence), 73,                        false},
        {0, offsetof(struct rp_spool_index_entry, offset),   4096,                      true },
        {0, offsetof(struct rp_spool_index_entry, offset),   4032,                      false},
        {2, offsetof(struct rp_spool_index_entry, offset),   RP_SPOOL_BLOCK + 64 + 128, true },
        {2, offsetof(struct rp_spool_index_entry, offset),   RP_SPOOL_BLOCK + 128,      false},
        {4, offsetof(struct rp_spool_index_entry, offset),   1 << 20,                   true },
        {4, offsetof(struct rp_spool_index_entry, offset),   (1 << 20) + 8,             false},
        {4, offsetof(struct rp_spool_index_entry, offset),   RP_SPOOL_SEGMENT_MAX - 64, true },
        {4, offsetof(struct rp_spool_index_entry, offset),   RP_SPOOL_SEGMENT_MAX,      false},
    };
    static uint8_t page[INDEX_LEN];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        make_index(page);
        struct rp_spool_index_header header;
        memcpy(&header, page, sizeof header);
        memset(page, 0, sizeof header);
        memcpy(page + RP_SPOOL_BLOCK + 64 * rows[i].entry + rows[i].field, &rows[i].value, 8);
        rp_format_index_seal(&header, page);
        bool is_good = rp_format_index_is_good(page, sizeof page, identity, 3, 5);
        if (is_good != rows[i].is_good) {
            (void)fprintf(stderr, "row %zu\n", i);
        }
        CU_ASSERT_EQUAL(is_good, rows[i].is_good);
    }
    /* No entry is fine; a count that no memory has is not multiplied. */
    struct rp_spool_index_header header = {.lane = 3, .segment = 5};
    memcpy(header.identity, identity, sizeof header.identity);
    memset(page, 0, sizeof page);
    rp_format_index_seal(&header, page);
    CU_ASSERT_TRUE(rp_format_index_is_good(page, RP_SPOOL_BLOCK, identity, 3, 5));
    CU_ASSERT_FALSE(rp_format_index_is_good(page, RP_SPOOL_BLOCK - 1, identity, 3, 5));
    header.count = UINT64_MAX;
    memcpy(page, &header, sizeof header);
    CU_ASSERT_FALSE(rp_format_index_is_good(page, sizeof page, identity, 3, 5));
}

/* ---- in a segment ---- */

#define AT   4096u                 /* where the record and the marks of these tests begin */
#define HERE (AT / RP_SPOOL_ALIGN) /* the record's place */

/* A record as batch.c lays it out, with an envelope of 11 octets and a body of 5. */
static size_t make_record(uint8_t *place, uint64_t seed)
{
    struct rp_spool_record record = {
        .magic = rp_format_record_magic(seed),
        .envelope_len = 11,
        .body_len = 5,
        .body_hash = rp_format_hash("body!", 5, 0),
        .sequence = 9,
        .index = 2,
        .place = HERE,
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
    static uint8_t octets[AT + 128];
    size_t hashed = make_record(octets + AT, seed);
    struct rp_spool_record record;
    CU_ASSERT_TRUE(rp_format_record_get(octets, sizeof octets, AT, seed, &record));
    CU_ASSERT_EQUAL(record.sequence, 9);
    CU_ASSERT_EQUAL(rp_format_record_total_len(&record), 128);
    CU_ASSERT_TRUE(rp_format_record_is_sane(&record, AT, seed));
    CU_ASSERT_FALSE(rp_format_record_get(octets, sizeof octets, AT, seed + 1, &record));
    CU_ASSERT_FALSE(rp_format_record_get(octets, sizeof octets, AT + 64, seed, &record));
    CU_ASSERT_FALSE(rp_format_record_get(octets, sizeof octets, AT + 128, seed, &record));
    CU_ASSERT_FALSE(rp_format_record_get(octets, sizeof octets, 1ull << 40, seed, &record));
    for (size_t bit = 0; bit < hashed * 8; bit++) {
        flip(octets + AT, bit);
        CU_ASSERT_FALSE(rp_format_record_get(octets, sizeof octets, AT, seed, &record));
        flip(octets + AT, bit);
    }
    struct guard guard;
    guard_open(&guard, sizeof octets);
    for (size_t len = AT - 70; len <= sizeof octets; len++) {
        const uint8_t *copy = guard_copy(&guard, octets, len);
        CU_ASSERT_EQUAL(rp_format_record_get(copy, len, AT, seed, &record), len >= AT + hashed);
    }
    guard_close(&guard);
}

/* A whole record anywhere else, as in the body that a client made of it, is none. */
static void test_record_moved(void)
{
    const uint64_t seed = rp_format_seed(identity, 0, 1);
    static uint8_t octets[AT + 4 * RP_SPOOL_BLOCK];
    struct rp_spool_record record;
    for (uint64_t to = RP_SPOOL_BLOCK; to + 128 <= sizeof octets; to += RP_SPOOL_ALIGN) {
        memset(octets, 0, sizeof octets);
        (void)make_record(octets + to, seed);
        CU_ASSERT_EQUAL(rp_format_record_get(octets, sizeof octets, to, seed, &record), to == AT);
        memcpy(&record, octets + to, sizeof record);
        CU_ASSERT_EQUAL(rp_format_record_is_sane(&record, to, seed), to == AT);
    }
}

/* Fields that do not belong together are refused although the hash is right. */
static void test_record_rows(void)
{
    const uint64_t seed = rp_format_seed(identity, 0, 1);
    static const struct {
        uint32_t flags;
        uint32_t index;
        uint32_t envelope_len;
        uint32_t batch_off;
        uint32_t place;
        uint64_t body_len;
        uint64_t sequence;
        bool is_good;
    } rows[] = {
        {0, 0, 11, 0, HERE,              5,                               9,                          true },
        {0, 0, 12, 0, HERE,              5,                               9,                          true },
        {0, 0, 65, 0, HERE,              5,                               9,                          false},
        {0, 9, 11, 0, HERE,              5,                               9,                          true },
        {0, 9, 11, 0, HERE,              5,                               8,                          false},
        {0, 0, 11, 1, HERE,              5,                               9,                          false},
        {0, 0, 11, 0, HERE,              RP_SPOOL_SEGMENT_MAX - AT - 128, 9,                          true },
        {0, 0, 11, 0, HERE,              RP_SPOOL_SEGMENT_MAX - AT - 74,  9,                          false},
        {0, 0, 11, 0, HERE,              RP_SPOOL_SEGMENT_MAX,            9,                          false},
        {0, 0, 11, 0, HERE,              UINT64_MAX,                      9,                          false},
        {0, 0, 11, 0, HERE,              UINT64_MAX - 70,                 9,                          false},
        {1, 0, 11, 0, HERE,              5,                               9,                          false},
        {4, 0, 11, 0, HERE,              5,                               9,                          false},
        {2, 0, 11, 0, HERE,              UINT64_MAX,                      9,                          true },
        {2, 0, 11, 0, HERE,              0,                               9,                          true },
        {0, 0, 11, 0, HERE,              5,                               RP_FORMAT_SEQUENCE_MAX,     true },
        {0, 0, 11, 0, HERE,              5,                               RP_FORMAT_SEQUENCE_MAX + 1, false},
        {0, 0, 11, 0, HERE - 1,          5,                               9,                          false},
        {0, 0, 11, 0, HERE + 1,          5,                               9,                          false},
        {0, 0, 11, 0, 0,                 5,                               9,                          false},
        {0, 0, 11, 0, HERE + (1u << 26), 5,                               9,                          false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        static uint8_t octets[AT + 128];
        (void)make_record(octets + AT, seed);
        struct rp_spool_record record;
        memcpy(&record, octets + AT, sizeof record);
        record.flags = rows[i].flags;
        record.index = rows[i].index;
        record.envelope_len = rows[i].envelope_len;
        record.batch_off = rows[i].batch_off;
        record.place = rows[i].place;
        record.body_len = rows[i].body_len;
        record.sequence = rows[i].sequence;
        memcpy(octets + AT, &record, sizeof record);
        uint32_t hashed = record.envelope_len < 64 ? record.envelope_len : 64;
        record.hash = rp_format_record_hash(octets + AT, hashed, seed);
        memcpy(octets + AT, &record, sizeof record);
        bool is_good = rp_format_record_get(octets, sizeof octets, AT, seed, &record);
        if (is_good != rows[i].is_good) {
            (void)fprintf(stderr, "row %zu\n", i);
        }
        CU_ASSERT_EQUAL(is_good, rows[i].is_good);
    }
    CU_ASSERT_EQUAL(rp_format_record_len(0, 0, false), 64);
    CU_ASSERT_EQUAL(rp_format_record_len(1, 0, false), 128);
    CU_ASSERT_EQUAL(rp_format_record_len(0, 65, false), 192);
    CU_ASSERT_EQUAL(rp_format_record_len(0, 65, true), 64);
}

/* Both marks of a batch of 640 octets, as FORMAT.md has them. */
static struct rp_spool_batch_mark good_mark(uint32_t magic, uint64_t seed)
{
    struct rp_spool_batch_mark mark = {
        .batch_off = AT / RP_SPOOL_BLOCK,
        .len = 640,
        .count = 3,
        .first_sequence = 9,
        .zero_sectors = 1,
    };
    rp_format_mark_seal(&mark, magic, seed);
    return mark;
}

static void test_mark(void)
{
    const uint64_t seed = rp_format_seed(identity, 0, 1);
    static uint8_t octets[AT + 640];
    struct guard guard;
    guard_open(&guard, sizeof octets);
    for (int is_end = 0; is_end <= 1; is_end++) {
        const uint32_t magic = is_end != 0 ? RP_SPOOL_END_MAGIC : RP_SPOOL_BEGIN_MAGIC;
        const uint64_t off = AT + (is_end != 0 ? 640 - 64 : 0);
        const enum rp_format_mark kind = is_end != 0 ? RP_FORMAT_MARK_END : RP_FORMAT_MARK_BEGIN;
        struct rp_spool_batch_mark mark = good_mark(magic, seed);
        struct rp_spool_batch_mark got;
        CU_ASSERT_EQUAL(mark.magic, magic ^ (uint32_t)(seed >> 32));
        CU_ASSERT_TRUE(rp_format_is_zero(mark.reserved, 28));
        CU_ASSERT_EQUAL(mark.hash, rp_format_hash((const uint8_t *)&mark + 8, 56, seed));
        memset(octets, 0, sizeof octets);
        memcpy(octets + off, &mark, sizeof mark);
        CU_ASSERT_EQUAL(rp_format_mark_get(octets, sizeof octets, off, seed, &got), kind);
        CU_ASSERT_EQUAL(memcmp(&got, &mark, sizeof mark), 0);
        CU_ASSERT_EQUAL(rp_format_mark_kind(&mark, off, seed), kind);
        CU_ASSERT_EQUAL(rp_format_mark_kind(&mark, off, seed ^ 1), RP_FORMAT_MARK_NONE);
        CU_ASSERT_EQUAL(rp_format_mark_kind(&mark, off, seed ^ 1ull << 63), RP_FORMAT_MARK_NONE);
        for (uint64_t at = 0; at < 16384; at += 64) {
            CU_ASSERT_EQUAL(rp_format_mark_kind(&mark, at, seed),
                            at == off ? kind : RP_FORMAT_MARK_NONE);
        }
        for (size_t bit = 0; bit < sizeof mark * 8; bit++) {
            struct rp_spool_batch_mark copy = mark;
            flip(&copy, bit);
            CU_ASSERT_EQUAL(rp_format_mark_kind(&copy, off, seed), RP_FORMAT_MARK_NONE);
        }
        for (size_t len = off - 10; len <= off + 64; len++) {
            const uint8_t *copy = guard_copy(&guard, octets, len);
            CU_ASSERT_EQUAL(rp_format_mark_get(copy, len, off, seed, &got),
                            len == off + 64 ? kind : RP_FORMAT_MARK_NONE);
        }
    }
    guard_close(&guard);
}

/* The hash is right, the fields say what cannot be. BEGIN is where it should be; END at `len`. */
static void test_mark_rows(void)
{
    const uint64_t seed = rp_format_seed(identity, 0, 1);
    static const struct {
        uint32_t batch_off;
        uint32_t len;
        uint32_t count;
        uint64_t first_sequence;
        bool is_good;
    } rows[] = {
        {1,          640,                       3,          9,                          true },
        {1,          128,                       3,          9,                          true },
        {1,          64,                        3,          9,                          false},
        {1,          0,                         3,          9,                          false},
        {1,          641,                       3,          9,                          false},
        {1,          640,                       0,          9,                          false},
        {1,          640,                       UINT32_MAX, 9,                          true },
        {1,          640,                       3,          RP_FORMAT_SEQUENCE_MAX,     true },
        {1,          640,                       3,          RP_FORMAT_SEQUENCE_MAX + 1, false},
        {0,          640,                       3,          9,                          false},
        {1,          RP_SPOOL_SEGMENT_MAX - AT, 3,          9,                          true },
        {2,          RP_SPOOL_SEGMENT_MAX - AT, 3,          9,                          false},
        {UINT32_MAX, UINT32_MAX - 63,           3,          9,                          false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rp_spool_batch_mark mark = {
            .batch_off = rows[i].batch_off,
            .len = rows[i].len,
            .count = rows[i].count,
            .first_sequence = rows[i].first_sequence,
        };
        const uint64_t off = (uint64_t)mark.batch_off * RP_SPOOL_BLOCK;
        rp_format_mark_seal(&mark, RP_SPOOL_BEGIN_MAGIC, seed);
        CU_ASSERT_EQUAL(rp_format_mark_kind(&mark, off, seed),
                        rows[i].is_good ? RP_FORMAT_MARK_BEGIN : RP_FORMAT_MARK_NONE);
        rp_format_mark_seal(&mark, RP_SPOOL_END_MAGIC, seed);
        CU_ASSERT_EQUAL(rp_format_mark_kind(&mark, off + mark.len - sizeof mark, seed),
                        rows[i].is_good ? RP_FORMAT_MARK_END : RP_FORMAT_MARK_NONE);
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
    CU_ADD_TEST(suite, test_lane_meta);
    CU_ADD_TEST(suite, test_segment_header);
    CU_ADD_TEST(suite, test_segment_header_rows);
    CU_ADD_TEST(suite, test_tail_check);
    CU_ADD_TEST(suite, test_is_zero);
    CU_ADD_TEST(suite, test_index);
    CU_ADD_TEST(suite, test_index_rows);
    CU_ADD_TEST(suite, test_record);
    CU_ADD_TEST(suite, test_record_moved);
    CU_ADD_TEST(suite, test_record_rows);
    CU_ADD_TEST(suite, test_mark);
    CU_ADD_TEST(suite, test_mark_rows);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    unsigned run = CU_get_number_of_tests_run();
    CU_cleanup_registry();
    return failures == 0 && run == 18 ? 0 : 1;
}
