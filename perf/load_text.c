/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_text.c - one period of text is made; a longer text is that period, mapped several times.
 *
 * A period has 17 lines for each octet of a page: so its length is a multiple of the page, and so
 * it is with one dot more in every 17th line.
 */
#include "load_text.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LINE      RP_LOAD_TEXT_LINE
#define DOT_EVERY 17u
#define DOT_AT    8u /* the first one, counted from the last line of the text, which is 0 */

static const char end_of_data[] = ".\r\n";
#define END_LEN         (sizeof(end_of_data) - 1)

#define WORD_LEN_MAX    9u
#define WORDS_OF_LENGTH 4u
static const char words[WORD_LEN_MAX + 1][WORDS_OF_LENGTH][WORD_LEN_MAX + 1] = {
    {"",          "",          "",          ""         },
    {"a",         "I",         "a",         "I"        },
    {"of",        "to",        "in",        "we"       },
    {"the",       "and",       "for",       "you"      },
    {"that",      "with",      "mail",      "this"     },
    {"there",     "which",     "about",     "reply"    },
    {"letter",    "please",    "number",    "server"   },
    {"meeting",   "because",   "between",   "regards"  },
    {"attached",  "question",  "tomorrow",  "anything" },
    {"something", "different", "yesterday", "important"},
};

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1du;
}

/* Words and blanks, exactly `len` octets, no blank at either end. */
static void put_words(uint8_t *place, size_t len, uint64_t *random)
{
    while (len > 0) {
        uint64_t choice = next_random(random) >> 32;
        size_t word_len = len;
        if (len > WORD_LEN_MAX) {
            word_len = 1 + choice % WORD_LEN_MAX;
            word_len -= word_len == len - 1; /* a blank would be last */
        }
        memcpy(place, words[word_len][(choice >> 16) % WORDS_OF_LENGTH], word_len);
        place += word_len;
        len -= word_len;
        if (len > 0) {
            *place++ = ' ';
            len--;
        }
    }
}

/* Line `index` of the text, counted from its end. */
static bool begins_with_dot(uint64_t index)
{
    return index % DOT_EVERY == DOT_AT;
}

/* Of the last `lines` lines. */
static uint64_t count_dots(uint64_t lines)
{
    return (lines + DOT_EVERY - 1 - DOT_AT) / DOT_EVERY;
}

/* Fill both from their ends with `lines` lines. */
static void fill(uint8_t *plain_end, uint8_t *stuffed_end, uint64_t lines)
{
    uint64_t random = 20260823;
    for (uint64_t index = 0; index < lines; index++) {
        bool has_dot = begins_with_dot(index);
        plain_end -= LINE;
        put_words(plain_end, LINE - 2, &random);
        plain_end[LINE - 2] = '\r';
        plain_end[LINE - 1] = '\n';
        if (has_dot) {
            *plain_end = '.';
        }
        stuffed_end -= LINE;
        memcpy(stuffed_end, plain_end, LINE);
        if (has_dot) {
            *--stuffed_end = '.';
        }
    }
}

/* Room for `copies` periods of `len` octets and some more behind. Only the last one takes
 * memory; the others are to be mapped over. */
static int reserve(uint64_t len, uint64_t copies, size_t more, uint8_t **base_out)
{
    uint64_t before = len * (copies - 1);
    uint8_t *base = mmap(NULL, before + len + more, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) {
        return -errno;
    }
    if (mprotect(base + before, len + more, PROT_READ | PROT_WRITE) != 0) {
        int error = -errno;
        (void)munmap(base, before + len + more); /* it was just mapped */
        return error;
    }
    *base_out = base;
    return 0;
}

static int write_all(int fd, const uint8_t *ptr, uint64_t len)
{
    while (len > 0) {
        ssize_t written = write(fd, ptr, len);
        if (written < 0 && errno != EINTR) {
            return -errno;
        }
        if (written > 0) {
            ptr += written;
            len -= (uint64_t)written;
        }
    }
    return 0;
}

/* Make all periods but the last what the last one is. */
static int repeat(uint8_t *base, uint64_t len, uint64_t copies)
{
    if (copies == 1) {
        return 0;
    }
    int fd = memfd_create("ringpost-load text", MFD_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    int error = write_all(fd, base + len * (copies - 1), len);
    for (uint64_t copy = 0; error == 0 && copy < copies - 1; copy++) {
        if (mmap(base + len * copy, len, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) {
            error = -errno;
        }
    }
    (void)close(fd); /* the mappings keep its pages */
    return error;
}

int rp_load_text_open(uint64_t tail_len_max, struct rp_load_text *text_out)
{
    uint64_t lines = (tail_len_max + LINE - 1) / LINE;
    lines += lines == 0;
    uint64_t period = (uint64_t)sysconf(_SC_PAGESIZE) * DOT_EVERY;
    uint64_t copies = (lines + period - 1) / period;
    if (copies > 1) {
        lines = period;
    }
    uint64_t plain_len = lines * LINE;
    uint64_t stuffed_len = plain_len + count_dots(lines);
    struct rp_load_text text = {
        .plain_len = plain_len * copies,
        .stuffed_len = stuffed_len * copies,
    };
    int error = reserve(plain_len, copies, 0, &text.plain);
    if (error == 0) {
        text.plain_map_len = text.plain_len;
        error = reserve(stuffed_len, copies, END_LEN, &text.stuffed);
    }
    if (error == 0) {
        text.stuffed_map_len = text.stuffed_len + END_LEN;
        assert(text.plain != NULL && text.stuffed != NULL); /* the first page is nobody's */
        fill(text.plain + text.plain_len, text.stuffed + text.stuffed_len, lines);
        memcpy(text.stuffed + text.stuffed_len, end_of_data, END_LEN);
        error = repeat(text.plain, plain_len, copies);
    }
    if (error == 0) {
        error = repeat(text.stuffed, stuffed_len, copies);
    }
    if (error != 0) {
        rp_load_text_close(&text);
        return error;
    }
    *text_out = text;
    return 0;
}

void rp_load_text_close(struct rp_load_text *text)
{
    if (text->plain_map_len > 0) {
        (void)munmap(text->plain, text->plain_map_len); /* only arguments can be wrong */
    }
    if (text->stuffed_map_len > 0) {
        (void)munmap(text->stuffed, text->stuffed_map_len);
    }
    *text = (struct rp_load_text){0};
}

void rp_load_text_tail(const struct rp_load_text *text,
                       uint64_t len,
                       struct rp_span *plain_out,
                       struct rp_span *stuffed_out)
{
    assert(len <= text->plain_len && rp_load_text_has_tail(len));
    /* A line that is not whole in the tail has lost its first octet, the dot if it had one. */
    uint64_t stuffed_len = len + count_dots(len / LINE);
    *plain_out = (struct rp_span){.ptr = text->plain + text->plain_len - len, .len = len};
    *stuffed_out = (struct rp_span){
        .ptr = text->stuffed + text->stuffed_len - stuffed_len,
        .len = stuffed_len + END_LEN,
    };
}
