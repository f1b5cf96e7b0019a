/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_agenda.c - a binary heap of things to do, ordered by time, then by age.
 */
#include "sim_agenda.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

struct entry {
    uint64_t at_ns;
    uint64_t order; /* of two with the same time the smaller goes first */
    sim_agenda_fn call;
    void *subject;
    uint64_t detail;
};

static struct {
    uint64_t now_ns;
    uint64_t order;
    struct entry *entries; /* a heap: the children of i are 2 i + 1 and 2 i + 2 */
    size_t count;
    size_t cap;
} agenda;

uint64_t sim_agenda_now(void)
{
    return agenda.now_ns;
}

void sim_agenda_set_now(uint64_t now_ns)
{
    agenda.now_ns = now_ns;
}

static bool is_before(const struct entry *left, const struct entry *right)
{
    return left->at_ns < right->at_ns ||
           (left->at_ns == right->at_ns && left->order < right->order);
}

void sim_agenda_after(uint64_t delay_ns, sim_agenda_fn call, void *subject, uint64_t detail)
{
    if (agenda.count == agenda.cap) {
        agenda.cap = agenda.cap == 0 ? 1024 : agenda.cap * 2;
        agenda.entries = reallocarray(agenda.entries, agenda.cap, sizeof(*agenda.entries));
        assert(agenda.entries != NULL);
    }
    struct entry entry = {.at_ns = agenda.now_ns + delay_ns,
                          .order = agenda.order++,
                          .call = call,
                          .subject = subject,
                          .detail = detail};
    size_t place = agenda.count++;
    while (place > 0 && is_before(&entry, &agenda.entries[(place - 1) / 2])) {
        agenda.entries[place] = agenda.entries[(place - 1) / 2];
        place = (place - 1) / 2;
    }
    agenda.entries[place] = entry;
}

void sim_agenda_clear(void)
{
    agenda.count = 0;
}

void sim_agenda_close(void)
{
    free(agenda.entries);
    agenda.entries = NULL;
    agenda.count = 0;
    agenda.cap = 0;
}

uint64_t sim_agenda_next_ns(void)
{
    return agenda.count == 0 ? UINT64_MAX : agenda.entries[0].at_ns;
}

static void remove_first(void)
{
    struct entry entry = agenda.entries[--agenda.count];
    size_t place = 0;
    for (;;) {
        size_t child = 2 * place + 1;
        if (child >= agenda.count) {
            break;
        }
        if (child + 1 < agenda.count &&
            is_before(&agenda.entries[child + 1], &agenda.entries[child])) {
            child++;
        }
        if (!is_before(&agenda.entries[child], &entry)) {
            break;
        }
        agenda.entries[place] = agenda.entries[child];
        place = child;
    }
    agenda.entries[place] = entry;
}

void sim_agenda_step(void)
{
    assert(agenda.count > 0);
    struct entry first = agenda.entries[0];
    remove_first();
    if (first.at_ns > agenda.now_ns) {
        agenda.now_ns = first.at_ns;
    }
    first.call(first.subject, first.detail);
}
