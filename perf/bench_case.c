/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_case.c - the list of all micro-benchmarks.
 */
#include "bench_case.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_LEN 4096u

static const struct rp_bench_family *const families[] = {
    &rp_bench_proto_family,  &rp_bench_dot_family,    &rp_bench_hash_family,
    &rp_bench_reply_family,  &rp_bench_append_family, &rp_bench_recover_family,
    &rp_bench_reader_family,
};
#define FAMILY_COUNT (sizeof(families) / sizeof(families[0]))

static bool is_here(const struct rp_bench_case *one)
{
    return one->is_here == NULL || one->is_here(one);
}

const struct rp_bench_case *rp_bench_case_get(size_t index)
{
    for (size_t family = 0; family < FAMILY_COUNT; family++) {
        for (size_t at = 0; at < families[family]->count; at++) {
            const struct rp_bench_case *one = &families[family]->cases[at];
            if (!is_here(one)) {
                continue;
            }
            if (index == 0) {
                return one;
            }
            index--;
        }
    }
    return NULL;
}

const struct rp_bench_case *rp_bench_case_find(const char *name)
{
    const struct rp_bench_case *one;
    for (size_t index = 0; (one = rp_bench_case_get(index)) != NULL; index++) {
        if (strcmp(one->name, name) == 0) {
            return one;
        }
    }
    return NULL;
}

void *rp_bench_case_alloc(size_t len)
{
    size_t whole = (len / PAGE_LEN + 1) * PAGE_LEN;
    void *memory = aligned_alloc(PAGE_LEN, whole);
    if (memory != NULL) {
        memset(memory, 0, whole);
    }
    return memory;
}
