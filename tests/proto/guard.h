/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guard.h - inputs that end at a page nobody may touch.
 *
 *     struct guard guard;
 *     guard_open(&guard, 4096);
 *     parse(guard_copy(&guard, bytes, len), len);
 *     guard_close(&guard);
 *
 * A parser that reads one octet past the end of its input dies at that load,
 * with or without a sanitizer. Linux only, as the whole project is.
 */
#ifndef TESTS_PROTO_GUARD_H
#define TESTS_PROTO_GUARD_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct guard {
    uint8_t *base;  /* page-aligned start of the mapping, owned by this struct */
    size_t len_max; /* octets before the forbidden page, a multiple of the page */
    size_t page_len;
};

/* Room for one copy of up to len_max octets at a time. Dies when there is no memory. */
static inline void guard_open(struct guard *guard, size_t len_max)
{
    size_t page_len = (size_t)sysconf(_SC_PAGESIZE);
    size_t room = (len_max / page_len + 1) * page_len;
    void *base =
        mmap(NULL, room + page_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert(base != MAP_FAILED);
    int error = mprotect((uint8_t *)base + room, page_len, PROT_NONE);
    assert(error == 0);
    *guard = (struct guard){.base = base, .len_max = room, .page_len = page_len};
}

/*
 * Copy len octets so that they end where the forbidden page begins. The copy
 * stays until the next guard_copy or guard_close. Also for len 0: the pointer
 * returned then may not be read at all.
 */
static inline uint8_t *guard_copy(struct guard *guard, const void *bytes, size_t len)
{
    assert(len <= guard->len_max);
    uint8_t *copy = guard->base + guard->len_max - len;
    if (len > 0) {
        memcpy(copy, bytes, len);
    }
    return copy;
}

static inline void guard_close(struct guard *guard)
{
    int error = munmap(guard->base, guard->len_max + guard->page_len);
    assert(error == 0);
    *guard = (struct guard){0};
}

#endif
