/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * timer.c - see timer.h.
 *
 * An owner stands in the slot of the deadline it had when it was put there. A later
 * deadline is only noted: when the slot's time comes, the owner moves on to the slot
 * of the noted one. So the usual case, an idle timer that every command moves a
 * little, costs one store.
 */
#include "timer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint64_t tick_of(uint64_t ns)
{
    return (ns + RP_TIMER_TICK_NS - 1) / RP_TIMER_TICK_NS; /* rounded up: never early */
}

int rp_timer_open(struct rp_timer_wheel *wheel, uint32_t owner_count, uint64_t now_ns)
{
    *wheel = (struct rp_timer_wheel){.owner_count = owner_count, .tick = now_ns / RP_TIMER_TICK_NS};
    wheel->links = malloc(owner_count * sizeof(*wheel->links));
    if (wheel->links == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < owner_count; i++) {
        wheel->links[i] = (struct rp_timer_link){RP_TIMER_NEVER, RP_NONE, RP_NONE, RP_NONE};
    }
    memset(wheel->slots, 0xff, sizeof(wheel->slots));
    return 0;
}

void rp_timer_close(struct rp_timer_wheel *wheel)
{
    free(wheel->links);
    *wheel = (struct rp_timer_wheel){0};
}

static void unlink_owner(struct rp_timer_wheel *wheel, uint32_t owner)
{
    struct rp_timer_link *link = &wheel->links[owner];
    if (link->next != RP_NONE) {
        wheel->links[link->next].prev = link->prev;
    }
    if (link->prev != RP_NONE) {
        wheel->links[link->prev].next = link->next;
    } else {
        wheel->slots[link->slot] = link->next;
        if (link->next == RP_NONE) {
            wheel->used[link->slot / 64] &= ~(1ull << (link->slot % 64));
        }
    }
    link->slot = link->next = link->prev = RP_NONE;
}

static void link_owner(struct rp_timer_wheel *wheel, uint32_t owner)
{
    struct rp_timer_link *link = &wheel->links[owner];
    uint64_t tick = tick_of(link->deadline_ns);
    if (tick < wheel->tick) {
        tick = wheel->tick;
    }
    if (tick >= wheel->tick + RP_TIMER_SLOTS) {
        tick = wheel->tick + RP_TIMER_SLOTS - 1; /* looked at there, and moved on */
    }
    link->slot = (uint32_t)(tick % RP_TIMER_SLOTS);
    link->prev = RP_NONE;
    link->next = wheel->slots[link->slot];
    if (link->next != RP_NONE) {
        wheel->links[link->next].prev = owner;
    }
    wheel->slots[link->slot] = owner;
    wheel->used[link->slot / 64] |= 1ull << (link->slot % 64);
}

void rp_timer_set(struct rp_timer_wheel *wheel, uint32_t owner, uint64_t deadline_ns)
{
    assert(owner < wheel->owner_count);
    struct rp_timer_link *link = &wheel->links[owner];
    bool is_later = link->slot != RP_NONE && deadline_ns >= link->deadline_ns;
    if (is_later && deadline_ns != RP_TIMER_NEVER) {
        link->deadline_ns = deadline_ns;
        return;
    }
    if (link->slot != RP_NONE) {
        unlink_owner(wheel, owner);
    }
    link->deadline_ns = deadline_ns;
    if (deadline_ns != RP_TIMER_NEVER) {
        link_owner(wheel, owner);
    }
}

/* How many ticks on from wheel->tick the next used slot is; RP_TIMER_SLOTS: none is. */
static uint32_t ticks_to_used(const struct rp_timer_wheel *wheel)
{
    uint32_t start = (uint32_t)(wheel->tick % RP_TIMER_SLOTS);
    for (uint32_t word = 0; word <= RP_TIMER_SLOTS / 64; word++) {
        uint32_t index = (start / 64 + word) % (RP_TIMER_SLOTS / 64);
        uint64_t bits = wheel->used[index];
        if (word == 0) {
            bits &= ~0ull << (start % 64);
        }
        if (bits != 0) {
            uint32_t slot = index * 64 + (uint32_t)__builtin_ctzll(bits);
            return (slot + RP_TIMER_SLOTS - start) % RP_TIMER_SLOTS;
        }
    }
    return RP_TIMER_SLOTS;
}

uint64_t rp_timer_next_ns(const struct rp_timer_wheel *wheel)
{
    uint32_t ticks = ticks_to_used(wheel);
    return ticks == RP_TIMER_SLOTS ? RP_TIMER_NEVER : (wheel->tick + ticks) * RP_TIMER_TICK_NS;
}

uint32_t rp_timer_expire(struct rp_timer_wheel *wheel, uint64_t now_ns)
{
    uint64_t now_tick = now_ns / RP_TIMER_TICK_NS;
    while (wheel->tick <= now_tick) {
        uint32_t ticks = ticks_to_used(wheel);
        if (ticks == RP_TIMER_SLOTS || ticks > now_tick - wheel->tick) {
            wheel->tick = now_tick + 1; /* nothing until now */
            return RP_NONE;
        }
        wheel->tick += ticks;
        uint32_t owner = wheel->slots[wheel->tick % RP_TIMER_SLOTS];
        unlink_owner(wheel, owner);
        struct rp_timer_link *link = &wheel->links[owner];
        if (tick_of(link->deadline_ns) <= wheel->tick) {
            link->deadline_ns = RP_TIMER_NEVER;
            return owner;
        }
        link_owner(wheel, owner);
    }
    return RP_NONE;
}
