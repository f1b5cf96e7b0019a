/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_bytes.h - octets that are put in behind and taken out in front.
 *
 * A zeroed struct is empty. The owner calls sim_bytes_free.
 */
#ifndef SIM_BYTES_H
#define SIM_BYTES_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct sim_bytes {
    uint8_t *ptr;
    size_t from; /* the first octet that is still in */
    size_t end;
    size_t cap;
};

static inline size_t sim_bytes_len(const struct sim_bytes *bytes)
{
    return bytes->end - bytes->from;
}

static inline const uint8_t *sim_bytes_first(const struct sim_bytes *bytes)
{
    return bytes->ptr == NULL ? NULL : bytes->ptr + bytes->from;
}

/* Room for `len` octets behind the last one; sim_bytes_grow then makes them part of it. */
static inline uint8_t *sim_bytes_room(struct sim_bytes *bytes, size_t len)
{
    if (bytes->from > 0 && bytes->from >= bytes->end / 2) {
        memmove(bytes->ptr, bytes->ptr + bytes->from, bytes->end - bytes->from);
        bytes->end -= bytes->from;
        bytes->from = 0;
    }
    if (bytes->cap - bytes->end < len) {
        bytes->cap = bytes->cap * 2 > bytes->end + len ? bytes->cap * 2 : bytes->end + len + 256;
        bytes->ptr = realloc(bytes->ptr, bytes->cap);
        assert(bytes->ptr != NULL);
    }
    return bytes->ptr + bytes->end;
}

static inline void sim_bytes_grow(struct sim_bytes *bytes, size_t len)
{
    assert(bytes->cap - bytes->end >= len);
    bytes->end += len;
}

static inline void sim_bytes_put(struct sim_bytes *bytes, const void *ptr, size_t len)
{
    if (len > 0) {
        memcpy(sim_bytes_room(bytes, len), ptr, len);
        sim_bytes_grow(bytes, len);
    }
}

static inline void sim_bytes_put_text(struct sim_bytes *bytes, const char *text)
{
    sim_bytes_put(bytes, text, strlen(text));
}

static inline void sim_bytes_drop(struct sim_bytes *bytes, size_t len)
{
    assert(len <= sim_bytes_len(bytes));
    bytes->from += len;
}

static inline void sim_bytes_free(struct sim_bytes *bytes)
{
    free(bytes->ptr);
    *bytes = (struct sim_bytes){0};
}

#endif
