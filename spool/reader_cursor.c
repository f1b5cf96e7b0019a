/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reader_cursor.c - a cursor as a line of text (FORMAT.md, Cursors).
 */
#include "reader.h"

#include "format.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NAME     "ringpost-cursor 1"
#define HEAD_LEN (sizeof(NAME " ") - 1 + 32)
#define HASH_LEN 16u

/* The longest line: name, identity, a place of each lane, hash, NUL. */
static_assert(HEAD_LEN + RP_SPOOL_LANES_MAX * sizeof(" 254:ffffffffff:1048576") + 18 <=
                  RP_SPOOL_CURSOR_TEXT_MAX,
              "any cursor fits");

/* Name and identity: HEAD_LEN octets, and a NUL. */
static void put_head(const struct rp_spool_reader *reader, char text[HEAD_LEN + 1])
{
    size_t len = strlen(NAME " ");
    memcpy(text, NAME " ", len);
    for (size_t i = 0; i < sizeof reader->spool.meta.identity; i++) {
        (void)snprintf(text + len + 2 * i, 3, "%02x", reader->spool.meta.identity[i]);
    }
}

/* All but the hash; the length of it. */
static size_t put_places(const struct rp_spool_reader *reader,
                         const struct rp_spool_cursor *cursor,
                         char text[RP_SPOOL_CURSOR_TEXT_MAX])
{
    size_t len = HEAD_LEN;
    put_head(reader, text);
    for (uint32_t i = 0; i < RP_SPOOL_LANES_MAX; i++) {
        const struct rp_spool_cursor_lane *at = &cursor->lanes[i];
        if (at->segment != 0) {
            len +=
                (size_t)snprintf(text + len, RP_SPOOL_CURSOR_TEXT_MAX - len,
                                 " %" PRIu32 ":%" PRIx64 ":%" PRIu64, i, at->segment, at->position);
        }
    }
    return len;
}

void rp_spool_reader_save_cursor(const struct rp_spool_reader *reader,
                                 const struct rp_spool_cursor *cursor,
                                 char text_out[RP_SPOOL_CURSOR_TEXT_MAX])
{
    size_t len = put_places(reader, cursor, text_out);
    (void)snprintf(text_out + len, RP_SPOOL_CURSOR_TEXT_MAX - len, " %016" PRIx64,
                   rp_format_hash(text_out, len, 0));
}

/* A number of so many kinds of digits behind `before`. NULL: there is none, or one that is greater
 * than any we have; else what is behind it. */
static const char *get_number(const char *text, char before, unsigned base, uint64_t *out)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = text;
    uint64_t value = 0;
    if (*at++ != before) {
        return NULL;
    }
    for (; *at != '\0'; at++) {
        const char *digit = memchr(digits, *at, base);
        if (digit == NULL) {
            break;
        }
        if (value > RP_FORMAT_SEGMENT_MAX) {
            return NULL;
        }
        value = value * base + (uint64_t)(digit - digits);
    }
    *out = value;
    return at != text + 1 ? at : NULL;
}

/* One place: " LANE:SEGMENT:POSITION". NULL: it is none; else what is behind it. */
static const char *get_place(const char *text, struct rp_spool_cursor *cursor)
{
    uint64_t lane;
    uint64_t segment;
    uint64_t position;
    const char *at = get_number(text, ' ', 10, &lane);
    at = at != NULL ? get_number(at, ':', 16, &segment) : NULL;
    at = at != NULL ? get_number(at, ':', 10, &position) : NULL;
    if (at == NULL || lane >= RP_SPOOL_LANES_MAX || segment == 0 ||
        segment > RP_FORMAT_SEGMENT_MAX || position > RP_SPOOL_INDEX_CAP(RP_SPOOL_SEGMENT_MAX)) {
        return NULL;
    }
    cursor->lanes[lane] = (struct rp_spool_cursor_lane){.segment = segment, .position = position};
    return at;
}

/* Whether the last 16 octets of the line are the hash of what is before the blank before them. */
static bool hash_is_right(const char *text, size_t len)
{
    char hash[HASH_LEN + 1];
    (void)snprintf(hash, sizeof hash, "%016" PRIx64, rp_format_hash(text, len - HASH_LEN - 1, 0));
    return text[len - HASH_LEN - 1] == ' ' && memcmp(text + len - HASH_LEN, hash, HASH_LEN) == 0;
}

int rp_spool_reader_load_cursor(const struct rp_spool_reader *reader,
                                const char *text,
                                struct rp_spool_cursor *cursor_out)
{
    char head[HEAD_LEN + 1];
    size_t len = strcspn(text, "\n");
    if (len < HEAD_LEN + 1 + HASH_LEN || strncmp(text, NAME " ", strlen(NAME " ")) != 0) {
        return -EINVAL;
    }
    if (!hash_is_right(text, len)) {
        return -EBADMSG;
    }
    put_head(reader, head);
    if (strncmp(text, head, HEAD_LEN) != 0) {
        return -EXDEV;
    }
    /* Two cursors do not fit on the stack; what has the right hash was written by save_cursor. */
    *cursor_out = (struct rp_spool_cursor){0};
    const char *end = text + len - HASH_LEN - 1;
    for (const char *at = text + HEAD_LEN; at < end;) {
        at = get_place(at, cursor_out);
        if (at == NULL || at > end) {
            return -EBADMSG;
        }
    }
    return 0;
}
