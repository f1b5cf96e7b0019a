/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_stamp.c - write and check the stamp. Every field stands at a fixed place.
 */
#include "load_stamp.h"

#include "proto/rp_span.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "digits are written from the low octet");

#define ZEROS_8     "00000000"
#define ZEROS_16    ZEROS_8 ZEROS_8

#define ID_BEGIN    "Message-ID: <"
#define FIELD_BEGIN "X-Ringpost-Load: 1 "

/* The stamp with all its digits 0, and no NUL. */
static const char blank[RP_LOAD_STAMP_LEN] =
    ID_BEGIN ZEROS_16 "." ZEROS_16 "@ringpost.invalid>\r\n" FIELD_BEGIN ZEROS_16 " " ZEROS_16 "\r\n"
                      " " ZEROS_16 " " ZEROS_8 " " ZEROS_16 " " ZEROS_16 "\r\n";

/* Where the digits stand. */
enum place {
    AT_ID_RUN = sizeof(ID_BEGIN) - 1,
    AT_ID_NUMBER = AT_ID_RUN + 17,
    AT_FIELD = AT_ID_NUMBER + 16 + sizeof("@ringpost.invalid>\r\n") - 1,
    AT_RUN = AT_FIELD + sizeof(FIELD_BEGIN) - 1,
    AT_NUMBER = AT_RUN + 17,
    AT_LENGTH = AT_NUMBER + 16 + 3,
    AT_HEAD = AT_LENGTH + 17,
    AT_HASH = AT_HEAD + 9,
    AT_CHECK = AT_HASH + 17,
};
static_assert(AT_CHECK + 16 + 2 == RP_LOAD_STAMP_LEN, "the places are those of the blank");

/* ---- hashes ---- */

uint64_t rp_load_stamp_hash_block(const void *ptr, size_t len, uint64_t behind)
{
    assert(len <= RP_LOAD_STAMP_BLOCK);
    return len == 0 ? behind : XXH3_64bits_withSeed(ptr, len, behind);
}

uint64_t rp_load_stamp_hash(const void *ptr, uint64_t len)
{
    const uint8_t *begin = ptr;
    uint64_t hash = 0;
    while (len >= RP_LOAD_STAMP_BLOCK) {
        len -= RP_LOAD_STAMP_BLOCK;
        hash = rp_load_stamp_hash_block(begin + len, RP_LOAD_STAMP_BLOCK, hash);
    }
    return rp_load_stamp_hash_block(begin, (size_t)len, hash);
}

uint64_t rp_load_stamp_seed(const void *more, size_t more_len)
{
    return XXH3_64bits(more, more_len);
}

/* `seed`: the hash of what stands behind the stamp in the head. */
static uint64_t check_of(const void *head, uint64_t seed)
{
    return XXH3_64bits_withSeed(head, AT_CHECK, seed);
}

/* ---- write ---- */

/* Eight digits at once: a nibble into each octet, then 'a' - '9' - 1 more where it is above 9. */
static void put_8(char *place, uint32_t value)
{
    uint64_t nibbles = value;
    nibbles = (nibbles | nibbles << 16) & 0x0000ffff0000ffffu;
    nibbles = (nibbles | nibbles << 8) & 0x00ff00ff00ff00ffu;
    nibbles = (nibbles | nibbles << 4) & 0x0f0f0f0f0f0f0f0fu;
    uint64_t letters = (nibbles + 0x0606060606060606u) >> 4 & 0x0101010101010101u;
    uint64_t digits = nibbles + 0x3030303030303030u + letters * ('a' - '9' - 1);
    digits = __builtin_bswap64(digits);
    memcpy(place, &digits, sizeof(digits));
}

static void put_16(char *place, uint64_t value)
{
    put_8(place, (uint32_t)(value >> 32));
    put_8(place + 8, (uint32_t)value);
}

void rp_load_stamp_write(char *place, const struct rp_load_stamp *stamp, uint64_t seed)
{
    assert(stamp->head_len >= RP_LOAD_STAMP_LEN && stamp->length >= stamp->head_len);
    assert(stamp->number != RP_LOAD_STAMP_NONE);
    memcpy(place, blank, sizeof(blank));
    put_16(place + AT_ID_RUN, stamp->run);
    put_16(place + AT_ID_NUMBER, stamp->number);
    memcpy(place + AT_RUN, place + AT_ID_RUN, 16);
    memcpy(place + AT_NUMBER, place + AT_ID_NUMBER, 16);
    put_16(place + AT_LENGTH, stamp->length);
    put_8(place + AT_HEAD, stamp->head_len);
    put_16(place + AT_HASH, stamp->rest_hash);
    put_16(place + AT_CHECK, check_of(place, seed));
}

/* ---- check ---- */

static bool get_hex(const uint8_t *place, size_t digits, uint64_t *value_out)
{
    uint64_t value = 0;
    for (size_t index = 0; index < digits; index++) {
        uint8_t digit = place[index];
        if (digit >= '0' && digit <= '9') {
            value = value << 4 | (uint64_t)(digit - '0');
        } else if (digit >= 'a' && digit <= 'f') {
            value = value << 4 | (uint64_t)(digit - 'a' + 10);
        } else {
            return false;
        }
    }
    *value_out = value;
    return true;
}

/* Whether the head is whole: the check is over the constant texts too. */
static bool get_stamp(const uint8_t *body, uint64_t len, struct rp_load_stamp *stamp_out)
{
    struct rp_load_stamp stamp;
    uint64_t head_len;
    uint64_t check;
    if (len < RP_LOAD_STAMP_LEN || !get_hex(body + AT_RUN, 16, &stamp.run) ||
        !get_hex(body + AT_NUMBER, 16, &stamp.number) ||
        !get_hex(body + AT_LENGTH, 16, &stamp.length) || !get_hex(body + AT_HEAD, 8, &head_len) ||
        !get_hex(body + AT_HASH, 16, &stamp.rest_hash) || !get_hex(body + AT_CHECK, 16, &check) ||
        head_len < RP_LOAD_STAMP_LEN || head_len > len) {
        return false;
    }
    stamp.head_len = (uint32_t)head_len;
    uint64_t seed =
        rp_load_stamp_seed(body + RP_LOAD_STAMP_LEN, (size_t)head_len - RP_LOAD_STAMP_LEN);
    if (check != check_of(body, seed) || memcmp(body + AT_CHECK + 16, "\r\n", 2) != 0) {
        return false;
    }
    *stamp_out = stamp;
    return true;
}

/* What follows `begin` and RUN where they stand first, or NULL. */
static const uint8_t *find_run(const uint8_t *body, size_t len, struct rp_span begin, uint64_t run)
{
    char text[sizeof(FIELD_BEGIN) + 16];
    assert(begin.len + 16 <= sizeof(text));
    memcpy(text, begin.ptr, begin.len);
    put_16(text + begin.len, run);
    const uint8_t *found = memmem(body, len, text, begin.len + 16);
    return found == NULL ? NULL : found + begin.len + 16;
}

/* The number behind a run and one octet more; RP_LOAD_STAMP_NONE: it cannot be read. */
static uint64_t number_behind(const uint8_t *run_end, const uint8_t *end)
{
    uint64_t number;
    if (run_end == NULL || end - run_end < 17 || !get_hex(run_end + 1, 16, &number)) {
        return RP_LOAD_STAMP_NONE;
    }
    return number;
}

static enum rp_load_stamp_outcome check_damaged(const uint8_t *body,
                                                uint64_t len,
                                                uint64_t run,
                                                uint64_t *number_out)
{
    size_t part = len < RP_LOAD_STAMP_SEARCH ? (size_t)len : RP_LOAD_STAMP_SEARCH;
    const uint8_t *id = find_run(body, part, RP_SPAN_OF(ID_BEGIN), run);
    const uint8_t *field = find_run(body, part, RP_SPAN_OF(FIELD_BEGIN), run);
    uint64_t number = number_behind(id, body + part);
    *number_out = number == number_behind(field, body + part) ? number : RP_LOAD_STAMP_NONE;
    return id != NULL || field != NULL ? RP_LOAD_STAMP_DAMAGED_HEAD : RP_LOAD_STAMP_FOREIGN;
}

enum rp_load_stamp_outcome rp_load_stamp_check(const uint8_t *body,
                                               uint64_t len,
                                               uint64_t run,
                                               uint64_t *number_out)
{
    struct rp_load_stamp stamp;
    if (!get_stamp(body, len, &stamp)) {
        return check_damaged(body, len, run, number_out);
    }
    *number_out = stamp.number;
    if (stamp.run != run) {
        return RP_LOAD_STAMP_OTHER_RUN;
    }
    if (stamp.length != len) {
        return RP_LOAD_STAMP_WRONG_LENGTH;
    }
    uint64_t hash = rp_load_stamp_hash(body + stamp.head_len, len - stamp.head_len);
    return hash == stamp.rest_hash ? RP_LOAD_STAMP_FINE : RP_LOAD_STAMP_WRONG_HASH;
}
