/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * text.c - times, sizes, numbers and foreign octets as text.
 */
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define NS_PER_SECOND 1000000000u
#define NS_PER_MS     1000000u

/* 64 bits of nanoseconds end in the year 2554: gmtime_r cannot fail and years have four digits. */
static struct tm utc(uint64_t time_ns)
{
    time_t seconds = (time_t)(time_ns / NS_PER_SECOND);
    struct tm tm = {0};
    (void)gmtime_r(&seconds, &tm); /* fails only where the year does not fit an int */
    return tm;
}

void rp_text_time(uint64_t time_ns, char text_out[RP_TEXT_TIME_LEN + 1])
{
    struct tm tm = utc(time_ns);
    char date[32]; /* "2026-01-02T03:04:05" */
    size_t len = strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
    unsigned ms = (unsigned)(time_ns % NS_PER_SECOND / NS_PER_MS);
    (void)snprintf(text_out, RP_TEXT_TIME_LEN + 1, "%.*s.%03uZ", (int)len, date, ms);
}

void rp_text_ctime(uint64_t time_ns, char text_out[RP_TEXT_CTIME_LEN + 1])
{
    struct tm tm = utc(time_ns);
    /* No program here calls setlocale: the names are the C locale's, as an mbox wants them. */
    size_t len = strftime(text_out, RP_TEXT_CTIME_LEN + 1, "%a %b %e %H:%M:%S %Y", &tm);
    text_out[len] = '\0';
}

void rp_text_size(uint64_t octets, char text_out[RP_TEXT_SIZE_LEN + 1])
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (octets < 1024) {
        (void)snprintf(text_out, RP_TEXT_SIZE_LEN + 1, "%u octet%s", (unsigned)octets,
                       octets == 1 ? "" : "s");
        return;
    }
    size_t unit = 0;
    uint64_t rest = octets; /* in units of 1/1024 of units[unit] */
    while (rest >= UINT64_C(1) << 20) {
        rest /= 1024;
        unit++;
    }
    unsigned whole = (unsigned)(rest / 1024);
    unsigned tenth = (unsigned)(rest % 1024 * 10 / 1024);
    (void)snprintf(text_out, RP_TEXT_SIZE_LEN + 1, "%u.%u %s", whole, tenth, units[unit]);
}

int rp_text_number(const char *text, uint64_t *value_out)
{
    uint64_t value = 0;
    if (*text == '\0') {
        return -EINVAL;
    }
    for (const char *digit = text; *digit != '\0'; digit++) {
        if (*digit < '0' || *digit > '9') {
            return -EINVAL;
        }
    }
    for (; *text != '\0'; text++) {
        unsigned digit = (unsigned)(*text - '0');
        if (value > (UINT64_MAX - digit) / 10) {
            return -ERANGE;
        }
        value = value * 10 + digit;
    }
    *value_out = value;
    return 0;
}

/* RFC 3629, section 4: the range of the second octet is what keeps out overlong forms,
 * surrogates and what lies beyond U+10FFFF. */
struct lead {
    uint8_t first, last;   /* range of the first octet */
    uint8_t second_lowest; /* range of the second one */
    uint8_t second_highest;
    uint8_t len;
};

/* clang-format off */
static const struct lead leads[] = {
    {0xc2, 0xdf, 0x80, 0xbf, 2},
    {0xe0, 0xe0, 0xa0, 0xbf, 3},
    {0xe1, 0xec, 0x80, 0xbf, 3},
    {0xed, 0xed, 0x80, 0x9f, 3},
    {0xee, 0xef, 0x80, 0xbf, 3},
    {0xf0, 0xf0, 0x90, 0xbf, 4},
    {0xf1, 0xf3, 0x80, 0xbf, 4},
    {0xf4, 0xf4, 0x80, 0x8f, 4},
};
/* clang-format on */

static bool has_tail(const uint8_t *ptr, const struct lead *lead)
{
    if (ptr[1] < lead->second_lowest || ptr[1] > lead->second_highest) {
        return false;
    }
    for (size_t index = 2; index < lead->len; index++) {
        if ((ptr[index] & 0xc0) != 0x80) {
            return false;
        }
    }
    return true;
}

size_t rp_text_sequence_len(const uint8_t *ptr, size_t len)
{
    if (len == 0) {
        return 0;
    }
    if (ptr[0] < 0x80) {
        return 1;
    }
    for (size_t index = 0; index < sizeof(leads) / sizeof(leads[0]); index++) {
        const struct lead *lead = &leads[index];
        if (ptr[0] >= lead->first && ptr[0] <= lead->last) {
            return len >= lead->len && has_tail(ptr, lead) ? lead->len : 0;
        }
    }
    return 0;
}

bool rp_text_is_utf8(const uint8_t *ptr, size_t len)
{
    size_t at = 0;
    while (at < len) {
        size_t step = rp_text_sequence_len(ptr + at, len - at);
        if (step == 0) {
            return false;
        }
        at += step;
    }
    return true;
}

struct range {
    uint32_t first, last;
};

/* What a terminal would act on instead of showing it. The backslash is here because
 * it begins an escape of ours: text that is read back must be unambiguous. */
/* clang-format off */
static const struct range unplain[] = {
    {0x0000, 0x001f}, /* C0 */
    {'\\',   '\\'},
    {0x007f, 0x009f}, /* DEL and C1: U+009B is CSI */
    {0x061c, 0x061c}, /* Arabic letter mark */
    {0x200b, 0x200f}, /* zero width, direction marks */
    {0x2028, 0x202e}, /* line and paragraph separators, embeddings and overrides */
    {0x2060, 0x206f}, /* invisible operators, isolates, deprecated format characters */
    {0xfeff, 0xfeff}, /* zero width no-break space */
};
/* clang-format on */

/* The character of a well-formed sequence. */
static uint32_t decode(const uint8_t *ptr, size_t len)
{
    static const uint8_t lead_mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t character = ptr[0] & lead_mask[len];
    for (size_t index = 1; index < len; index++) {
        character = character << 6 | (ptr[index] & 0x3fu);
    }
    return character;
}

static bool is_plain(uint32_t character)
{
    for (size_t index = 0; index < sizeof(unplain) / sizeof(unplain[0]); index++) {
        if (character >= unplain[index].first && character <= unplain[index].last) {
            return false;
        }
    }
    return true;
}

size_t rp_text_plain_len(const uint8_t *ptr, size_t len)
{
    size_t at = 0;
    while (at < len) {
        size_t step = rp_text_sequence_len(ptr + at, len - at);
        if (step == 0 || !is_plain(decode(ptr + at, step))) {
            break;
        }
        at += step;
    }
    return at;
}

size_t rp_text_columns(const uint8_t *ptr, size_t len)
{
    size_t columns = 0;
    size_t at = 0;
    while (at < len) {
        size_t step = rp_text_sequence_len(ptr + at, len - at);
        if (step != 0 && is_plain(decode(ptr + at, step))) {
            columns++;
            at += step;
        } else {
            columns += 4; /* \xNN */
            at++;
        }
    }
    return columns;
}
