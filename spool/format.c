/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * format.c - hashes, ids, names and header checks.
 *
 * Where xxHash has it (x86-64), the library chooses the widest vectors at run time: 10 KiB took
 * 0.23 us with AVX2 against 0.59 us with SSE2, 1 MiB 23 us against 59 us.
 */
#include "format.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define XXH_STATIC_LINKING_ONLY /* a state in our own memory */
#include <xxhash.h>
#ifdef __x86_64__
#    include <xxh_x86dispatch.h> /* XXH3_64bits_* mean the functions that choose */
#endif

static_assert(sizeof(XXH3_state_t) <= sizeof(struct rp_format_hash_state), "the state has room");
static_assert(alignof(struct rp_format_hash_state) >= 64, "XXH3 wants its state aligned");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the structures are the file's octets");

/* ---- hashes ---- */

uint64_t rp_format_hash(const void *ptr, size_t len, uint64_t seed)
{
    return XXH3_64bits_withSeed(ptr, len, seed);
}

void rp_format_hash_init(struct rp_format_hash_state *state, uint64_t seed)
{
    XXH3_state_t *xxh = (XXH3_state_t *)(void *)state->octets;
    XXH3_INITSTATE(xxh); /* else it compares the seed with what the memory happens to hold */
    (void)XXH3_64bits_reset_withSeed(xxh, seed); /* fails for NULL only */
}

void rp_format_hash_add(struct rp_format_hash_state *state, const void *ptr, size_t len)
{
    if (len > 0) {
        (void)XXH3_64bits_update((XXH3_state_t *)(void *)state->octets, ptr, len); /* likewise */
    }
}

uint64_t rp_format_hash_get(const struct rp_format_hash_state *state)
{
    return XXH3_64bits_digest((const XXH3_state_t *)(const void *)state->octets);
}

uint64_t rp_format_seed(const uint8_t identity[16], uint32_t lane, uint64_t segment)
{
    uint8_t key[16 + sizeof lane + sizeof segment];
    memcpy(key, identity, 16);
    memcpy(key + 16, &lane, sizeof lane);
    memcpy(key + 16 + sizeof lane, &segment, sizeof segment);
    return rp_format_hash(key, sizeof key, 0);
}

/* ---- ids and names ---- */

/* Exactly `count` lower-case hexadecimal digits: there is one way to write a number. */
static bool parse_hex(const char *text, size_t count, uint64_t *value_out)
{
    uint64_t value = 0;
    for (size_t i = 0; i < count; i++) {
        char c = text[i];
        if (c >= '0' && c <= '9') {
            value = value << 4 | (uint64_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            value = value << 4 | (uint64_t)(c - 'a' + 10);
        } else {
            return false;
        }
    }
    *value_out = value;
    return true;
}

/* Each message gets an id: this is a tenth of what snprintf(3) takes. */
static void put_hex(char *place, size_t count, uint64_t value)
{
    for (size_t i = count; i > 0; i--) {
        place[i - 1] = "0123456789abcdef"[value & 15];
        value >>= 4;
    }
}

void rp_format_id(uint32_t lane, uint64_t segment, uint64_t offset, struct rp_spool_id *id_out)
{
    assert(lane <= 0xfff && segment <= RP_FORMAT_SEGMENT_MAX);
    assert(offset % RP_SPOOL_ALIGN == 0 && offset / RP_SPOOL_ALIGN <= 0xffffff);
    put_hex(id_out->text, 3, lane);
    id_out->text[3] = '-';
    put_hex(id_out->text + 4, 10, segment);
    id_out->text[14] = '-';
    put_hex(id_out->text + 15, 6, offset / RP_SPOOL_ALIGN);
    id_out->text[RP_SPOOL_ID_LEN] = '\0';
}

bool rp_format_id_parse(const char *text,
                        uint32_t *lane_out,
                        uint64_t *segment_out,
                        uint64_t *offset_out)
{
    uint64_t lane;
    uint64_t segment;
    uint64_t offset;
    if (strnlen(text, RP_SPOOL_ID_LEN + 1) != RP_SPOOL_ID_LEN || text[3] != '-' ||
        text[14] != '-' || !parse_hex(text, 3, &lane) || !parse_hex(text + 4, 10, &segment) ||
        !parse_hex(text + 15, 6, &offset)) {
        return false;
    }
    *lane_out = (uint32_t)lane;
    *segment_out = segment;
    *offset_out = offset * RP_SPOOL_ALIGN;
    return true;
}

void rp_format_lane_name(uint32_t lane, char name_out[RP_FORMAT_LANE_NAME])
{
    assert(lane < RP_SPOOL_LANES_MAX);
    int len = snprintf(name_out, RP_FORMAT_LANE_NAME, RP_SPOOL_LANE_FORMAT, lane);
    assert(len > 0 && len < (int)RP_FORMAT_LANE_NAME);
}

void rp_format_segment_name(uint64_t segment, char name_out[RP_FORMAT_FILE_NAME])
{
    int len = snprintf(name_out, RP_FORMAT_FILE_NAME, RP_SPOOL_SEGMENT_FORMAT,
                       (unsigned long long)segment);
    assert(len > 0 && len < (int)RP_FORMAT_FILE_NAME);
}

void rp_format_index_name(uint64_t segment, char name_out[RP_FORMAT_FILE_NAME])
{
    int len =
        snprintf(name_out, RP_FORMAT_FILE_NAME, RP_SPOOL_INDEX_FORMAT, (unsigned long long)segment);
    assert(len > 0 && len < (int)RP_FORMAT_FILE_NAME);
}

void rp_format_big_name(uint32_t lane, uint64_t big_id, char name_out[RP_FORMAT_FILE_NAME])
{
    assert(lane < RP_SPOOL_LANES_MAX);
    int len = snprintf(name_out, RP_FORMAT_FILE_NAME, RP_SPOOL_BIG_FORMAT, lane,
                       (unsigned long long)big_id);
    assert(len > 0 && len < (int)RP_FORMAT_FILE_NAME);
}

static bool parse_numbered(const char *name, const char *suffix, uint64_t *number_out)
{
    uint64_t number;
    if (strnlen(name, 17) < 17 || !parse_hex(name, 16, &number) || strcmp(name + 16, suffix) != 0 ||
        number == 0 || number > RP_FORMAT_SEGMENT_MAX) {
        return false;
    }
    *number_out = number;
    return true;
}

bool rp_format_segment_name_parse(const char *name, uint64_t *segment_out)
{
    return parse_numbered(name, ".seg", segment_out);
}

bool rp_format_index_name_parse(const char *name, uint64_t *segment_out)
{
    return parse_numbered(name, ".idx", segment_out);
}

bool rp_format_big_name_parse(const char *name, uint32_t *lane_out, uint64_t *big_id_out)
{
    uint64_t big_id;
    if (strnlen(name, 21) < 21 || name[3] != '-' || !parse_hex(name + 4, 16, &big_id) ||
        strcmp(name + 20, ".body") != 0 || big_id == 0) {
        return false;
    }
    uint32_t lane = 0;
    for (size_t i = 0; i < 3; i++) {
        if (name[i] < '0' || name[i] > '9') {
            return false;
        }
        lane = lane * 10 + (uint32_t)(name[i] - '0');
    }
    if (lane >= RP_SPOOL_LANES_MAX) {
        return false;
    }
    *lane_out = lane;
    *big_id_out = big_id;
    return true;
}

/* ---- headers ---- */

static uint64_t meta_hash(const struct rp_spool_meta *meta)
{
    return rp_format_hash(&meta->magic, sizeof *meta - offsetof(struct rp_spool_meta, magic), 0);
}

void rp_format_meta_seal(struct rp_spool_meta *meta)
{
    meta->hash = meta_hash(meta);
}

int rp_format_meta_check(const struct rp_spool_meta *meta)
{
    if (meta->hash != meta_hash(meta)) {
        return -EBADMSG;
    }
    if (meta->magic != RP_SPOOL_META_MAGIC) {
        return -EINVAL;
    }
    if (meta->version != RP_SPOOL_VERSION) {
        return -EPROTONOSUPPORT;
    }
    if (meta->lane_count == 0 || meta->lane_count > RP_SPOOL_LANES_MAX ||
        meta->segment_size < RP_SPOOL_SEGMENT_MIN || meta->segment_size > RP_SPOOL_SEGMENT_MAX ||
        meta->segment_size % RP_SPOOL_BLOCK != 0) {
        return -EINVAL;
    }
    return 0;
}

static uint64_t lane_meta_hash(const struct rp_spool_lane_meta *meta)
{
    const size_t skip = offsetof(struct rp_spool_lane_meta, magic);
    return rp_format_hash(&meta->magic, sizeof *meta - skip, 0);
}

void rp_format_lane_meta_seal(struct rp_spool_lane_meta *meta)
{
    meta->magic = RP_SPOOL_LANE_MAGIC;
    meta->version = RP_SPOOL_VERSION;
    meta->hash = lane_meta_hash(meta);
}

bool rp_format_lane_meta_is_good(const struct rp_spool_lane_meta *meta, uint32_t lane)
{
    return meta->magic == RP_SPOOL_LANE_MAGIC && meta->hash == lane_meta_hash(meta) &&
           meta->version == RP_SPOOL_VERSION && meta->lane == lane &&
           meta->next_sequence <= RP_FORMAT_SEQUENCE_MAX;
}

static uint64_t segment_header_hash(const struct rp_spool_segment_header *header)
{
    return rp_format_hash(&header->magic,
                          sizeof *header - offsetof(struct rp_spool_segment_header, magic), 0);
}

void rp_format_segment_header_seal(struct rp_spool_segment_header *header)
{
    header->hash = segment_header_hash(header);
}

bool rp_format_segment_header_is_good(const struct rp_spool_segment_header *header,
                                      const uint8_t identity[16],
                                      uint32_t lane,
                                      uint64_t segment)
{
    return header->magic == RP_SPOOL_SEGMENT_MAGIC && header->hash == segment_header_hash(header) &&
           header->version == RP_SPOOL_VERSION && header->lane == lane &&
           header->segment == segment && header->size >= RP_SPOOL_SEGMENT_MIN &&
           header->size <= RP_SPOOL_SEGMENT_MAX &&
           header->first_sequence <= RP_FORMAT_SEQUENCE_MAX &&
           header->skipped <= header->first_sequence && memcmp(header->identity, identity, 16) == 0;
}

static uint64_t index_hash(const uint8_t *page, uint64_t count)
{
    const size_t skip = offsetof(struct rp_spool_index_header, magic);
    size_t len = RP_SPOOL_BLOCK + (size_t)count * sizeof(struct rp_spool_index_entry);
    return rp_format_hash(page + skip, len - skip, 0);
}

void rp_format_index_seal(struct rp_spool_index_header *header, uint8_t *page)
{
    header->magic = RP_SPOOL_INDEX_MAGIC;
    header->version = RP_SPOOL_VERSION;
    memcpy(page, header, sizeof *header);
    header->hash = index_hash(page, header->count);
    memcpy(page, &header->hash, sizeof header->hash);
}

static bool index_entries_are_good(const uint8_t *page, const struct rp_spool_index_header *header)
{
    uint64_t offset = RP_SPOOL_BLOCK;
    for (uint64_t i = 0; i < header->count; i++) {
        struct rp_spool_index_entry entry;
        memcpy(&entry, page + RP_SPOOL_BLOCK + i * sizeof entry, sizeof entry);
        if (entry.sequence != header->first_sequence + i || entry.offset < offset ||
            entry.offset % RP_SPOOL_ALIGN != 0 || entry.offset >= RP_SPOOL_SEGMENT_MAX) {
            return false;
        }
        offset = entry.offset;
    }
    return true;
}

bool rp_format_index_is_good(const uint8_t *page,
                             size_t len,
                             const uint8_t identity[16],
                             uint32_t lane,
                             uint64_t segment)
{
    struct rp_spool_index_header header;
    if (len < RP_SPOOL_BLOCK) {
        return false;
    }
    memcpy(&header, page, sizeof header);
    return header.magic == RP_SPOOL_INDEX_MAGIC && header.version == RP_SPOOL_VERSION &&
           header.lane == lane && header.segment == segment &&
           header.first_sequence <= RP_FORMAT_SEQUENCE_MAX &&
           memcmp(header.identity, identity, 16) == 0 &&
           header.count <= RP_SPOOL_INDEX_CAP(RP_SPOOL_SEGMENT_MAX) &&
           header.count <= (len - RP_SPOOL_BLOCK) / sizeof(struct rp_spool_index_entry) &&
           header.hash == index_hash(page, header.count) && index_entries_are_good(page, &header);
}

uint64_t rp_format_tail_check(uint64_t tail, const uint8_t identity[16], uint32_t lane)
{
    uint8_t key[16 + sizeof lane];
    memcpy(key, identity, 16);
    memcpy(key + 16, &lane, sizeof lane);
    return tail ^ rp_format_hash(key, sizeof key, 0);
}

/* ---- in a segment ---- */

uint64_t rp_format_record_hash(const void *record, uint32_t envelope_len, uint64_t seed)
{
    const size_t skip = sizeof(uint64_t);
    return rp_format_hash((const uint8_t *)record + skip,
                          sizeof(struct rp_spool_record) - skip + envelope_len, seed);
}

uint64_t rp_format_record_len(uint32_t envelope_len, uint64_t body_len, bool is_big)
{
    uint64_t len = sizeof(struct rp_spool_record) + envelope_len + (is_big ? 0 : body_len);
    return (len + RP_SPOOL_ALIGN - 1) / RP_SPOOL_ALIGN * RP_SPOOL_ALIGN;
}

uint64_t rp_format_record_total_len(const struct rp_spool_record *record)
{
    bool is_big = (record->flags & RP_SPOOL_RECORD_BIG) != 0;
    return rp_format_record_len(record->envelope_len, record->body_len, is_big);
}

bool rp_format_record_is_sane(const struct rp_spool_record *record, uint64_t off, uint64_t seed)
{
    bool is_big = (record->flags & RP_SPOOL_RECORD_BIG) != 0;
    return record->magic == rp_format_record_magic(seed) &&
           (record->flags & ~(uint32_t)RP_SPOOL_RECORD_BIG) == 0 &&
           record->envelope_len <= RP_SPOOL_ENVELOPE_MAX &&
           (is_big || record->body_len <= RP_SPOOL_SEGMENT_MAX) &&
           rp_format_record_total_len(record) <= RP_SPOOL_SEGMENT_MAX - off &&
           (uint64_t)record->place * RP_SPOOL_ALIGN == off &&
           (uint64_t)record->batch_off * RP_SPOOL_BLOCK < off &&
           record->sequence <= RP_FORMAT_SEQUENCE_MAX && record->index <= record->sequence;
}

/* Whether `want` octets are there from `off` on, where a record or mark may be. */
static bool has_room(size_t len, uint64_t off, size_t want)
{
    assert(off % RP_SPOOL_ALIGN == 0);
    return len >= want && off <= len - want && off < RP_SPOOL_SEGMENT_MAX;
}

bool rp_format_record_get(const uint8_t *base,
                          size_t len,
                          uint64_t off,
                          uint64_t seed,
                          struct rp_spool_record *out)
{
    struct rp_spool_record record;
    if (!has_room(len, off, sizeof record)) {
        return false;
    }
    memcpy(&record, base + off, sizeof record);
    if (!rp_format_record_is_sane(&record, off, seed) ||
        record.envelope_len > len - off - sizeof record ||
        record.hash != rp_format_record_hash(base + off, record.envelope_len, seed)) {
        return false;
    }
    *out = record;
    return true;
}

static uint64_t mark_hash(const struct rp_spool_batch_mark *mark, uint64_t seed)
{
    const size_t skip = offsetof(struct rp_spool_batch_mark, magic);
    return rp_format_hash(&mark->magic, sizeof *mark - skip, seed);
}

void rp_format_mark_seal(struct rp_spool_batch_mark *mark, uint32_t magic, uint64_t seed)
{
    mark->magic = magic ^ (uint32_t)(seed >> 32);
    mark->hash = mark_hash(mark, seed);
}

enum rp_format_mark rp_format_mark_kind(const struct rp_spool_batch_mark *mark,
                                        uint64_t off,
                                        uint64_t seed)
{
    const uint32_t magic = mark->magic ^ (uint32_t)(seed >> 32);
    bool is_begin = magic == RP_SPOOL_BEGIN_MAGIC;
    const uint64_t begin_off = (uint64_t)mark->batch_off * RP_SPOOL_BLOCK;
    if ((!is_begin && magic != RP_SPOOL_END_MAGIC) || mark->len < 2 * sizeof *mark ||
        mark->len % RP_SPOOL_ALIGN != 0 || mark->count == 0 ||
        mark->first_sequence > RP_FORMAT_SEQUENCE_MAX || begin_off < RP_SPOOL_BLOCK ||
        begin_off + mark->len > RP_SPOOL_SEGMENT_MAX ||
        off != (is_begin ? begin_off : begin_off + mark->len - sizeof *mark) ||
        mark->hash != mark_hash(mark, seed)) {
        return RP_FORMAT_MARK_NONE;
    }
    return is_begin ? RP_FORMAT_MARK_BEGIN : RP_FORMAT_MARK_END;
}

enum rp_format_mark rp_format_mark_get(const uint8_t *base,
                                       size_t len,
                                       uint64_t off,
                                       uint64_t seed,
                                       struct rp_spool_batch_mark *out)
{
    struct rp_spool_batch_mark mark;
    if (!has_room(len, off, sizeof mark)) {
        return RP_FORMAT_MARK_NONE;
    }
    memcpy(&mark, base + off, sizeof mark);
    enum rp_format_mark kind = rp_format_mark_kind(&mark, off, seed);
    if (kind != RP_FORMAT_MARK_NONE) {
        *out = mark;
    }
    return kind;
}
bool rp_format_is_zero(const uint8_t *base, size_t len)
{
    return len == 0 || (base[0] == 0 && memcmp(base, base + 1, len - 1) == 0);
}
