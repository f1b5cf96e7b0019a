/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_acks.c - a tree of three levels with a fixed shape; branches are hung in by one
 * compare-and-swap, and never taken down before the end.
 */
#include "load_acks.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define BLOCK_BITS   19u /* numbers of a block */
#define GROUP_BITS   11u /* blocks of a group */
#define TOP_BITS     10u /* groups */
#define BLOCK_WORDS  (1u << (BLOCK_BITS - 6))
#define GROUP_BLOCKS (1u << GROUP_BITS)
#define TOP_GROUPS   (1u << TOP_BITS)

static_assert(RP_LOAD_ACKS_NUMBER_MAX >> (BLOCK_BITS + GROUP_BITS + TOP_BITS) == 0,
              "every number has its place");

struct block {
    uint64_t words[BLOCK_WORDS];
};

struct group {
    struct block *blocks[GROUP_BLOCKS];
};

struct rp_load_acks {
    struct group *groups[TOP_GROUPS];
};

int rp_load_acks_open(struct rp_load_acks **acks_out)
{
    struct rp_load_acks *acks = calloc(1, sizeof(*acks));
    if (acks == NULL) {
        return -ENOMEM;
    }
    *acks_out = acks;
    return 0;
}

void rp_load_acks_close(struct rp_load_acks *acks)
{
    for (unsigned top = 0; acks != NULL && top < TOP_GROUPS; top++) {
        struct group *group = acks->groups[top];
        for (unsigned index = 0; group != NULL && index < GROUP_BLOCKS; index++) {
            free(group->blocks[index]);
        }
        free(group);
    }
    free(acks);
}

/* Hang `made` into the empty place, or free it where another thread was faster: what hangs. */
static void *settle(void *found, void *made, bool is_ours)
{
    if (is_ours) {
        return made;
    }
    free(made);
    return found;
}

/* NULL: no memory. */
static struct group *make_group(struct rp_load_acks *acks, uint64_t number)
{
    struct group **place = &acks->groups[number >> (BLOCK_BITS + GROUP_BITS)];
    struct group *found = __atomic_load_n(place, __ATOMIC_ACQUIRE);
    if (found != NULL) {
        return found;
    }
    struct group *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return NULL;
    }
    bool is_ours =
        __atomic_compare_exchange_n(place, &found, made, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    return settle(found, made, is_ours);
}

/* NULL: no memory. */
static struct block *make_block(struct group *group, uint64_t number)
{
    struct block **place = &group->blocks[(number >> BLOCK_BITS) % GROUP_BLOCKS];
    struct block *found = __atomic_load_n(place, __ATOMIC_ACQUIRE);
    if (found != NULL) {
        return found;
    }
    struct block *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return NULL;
    }
    bool is_ours =
        __atomic_compare_exchange_n(place, &found, made, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    return settle(found, made, is_ours);
}

int rp_load_acks_insert(struct rp_load_acks *acks, uint64_t number)
{
    assert(number <= RP_LOAD_ACKS_NUMBER_MAX);
    struct group *group = make_group(acks, number);
    struct block *block = group == NULL ? NULL : make_block(group, number);
    if (block == NULL) {
        return -ENOMEM;
    }
    uint64_t bit = UINT64_C(1) << number % 64;
    uint64_t *word = &block->words[number / 64 % BLOCK_WORDS];
    return (__atomic_fetch_or(word, bit, __ATOMIC_RELAXED) & bit) == 0;
}

int rp_load_acks_add(struct rp_load_acks *acks, uint64_t number)
{
    int result = rp_load_acks_insert(acks, number);
    return result < 0 ? result : 0;
}

static const struct group *find_group(const struct rp_load_acks *acks, uint64_t number)
{
    return __atomic_load_n(&acks->groups[number >> (BLOCK_BITS + GROUP_BITS)], __ATOMIC_ACQUIRE);
}

static const struct block *find_block(const struct group *group, uint64_t number)
{
    return __atomic_load_n(&group->blocks[(number >> BLOCK_BITS) % GROUP_BLOCKS], __ATOMIC_ACQUIRE);
}

static uint64_t get_word(const struct block *block, uint64_t number)
{
    return __atomic_load_n(&block->words[number / 64 % BLOCK_WORDS], __ATOMIC_RELAXED);
}

bool rp_load_acks_has(const struct rp_load_acks *acks, uint64_t number)
{
    if (number > RP_LOAD_ACKS_NUMBER_MAX) {
        return false;
    }
    const struct group *group = find_group(acks, number);
    const struct block *block = group == NULL ? NULL : find_block(group, number);
    return block != NULL && (get_word(block, number) >> number % 64 & 1) != 0;
}

/* The first number behind the 2^bits ones that `number` is among. */
static uint64_t behind(uint64_t number, unsigned bits)
{
    return ((number >> bits) + 1) << bits;
}

bool rp_load_acks_next(const struct rp_load_acks *acks, uint64_t *number)
{
    uint64_t at = *number;
    while (at <= RP_LOAD_ACKS_NUMBER_MAX) {
        const struct group *group = find_group(acks, at);
        const struct block *block = group == NULL ? NULL : find_block(group, at);
        if (block == NULL) {
            at = behind(at, group == NULL ? BLOCK_BITS + GROUP_BITS : BLOCK_BITS);
            continue;
        }
        uint64_t left = get_word(block, at) >> at % 64;
        if (left != 0) {
            *number = at + (uint64_t)__builtin_ctzll(left);
            return true;
        }
        at = behind(at, 6);
    }
    return false;
}

uint64_t rp_load_acks_count(const struct rp_load_acks *acks)
{
    uint64_t count = 0;
    for (uint64_t at = 0; at <= RP_LOAD_ACKS_NUMBER_MAX;) {
        const struct group *group = find_group(acks, at);
        const struct block *block = group == NULL ? NULL : find_block(group, at);
        for (uint64_t word = 0; block != NULL && word < BLOCK_WORDS; word++) {
            count += (uint64_t)__builtin_popcountll(get_word(block, word * 64));
        }
        at = behind(at, group == NULL ? BLOCK_BITS + GROUP_BITS : BLOCK_BITS);
    }
    return count;
}
