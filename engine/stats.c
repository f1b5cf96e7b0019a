/* SPDX-License-Identifier: GPL-3.0-or-later */
/* stats.c - names, help texts and values of the counters, from the one list in stats.h. */
#include "engine/stats.h"

struct row {
    const char *name;
    const char *help;
    size_t off; /* of the counter in struct rp_stats */
};

#define X(field, name, help) {name, help, offsetof(struct rp_stats, field)},
static const struct row rows[] = {RP_STATS(X)};
#undef X
#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))

const char *rp_stats_name(size_t index)
{
    return index < ROW_COUNT ? rows[index].name : NULL;
}

const char *rp_stats_help(size_t index)
{
    return index < ROW_COUNT ? rows[index].help : NULL;
}

/* Any thread. Relaxed: a counter orders nothing else. 0 behind the last. */
uint64_t rp_stats_get(const struct rp_stats *stats, size_t index)
{
    if (index >= ROW_COUNT) {
        return 0;
    }
    const void *counter = (const char *)stats + rows[index].off;
    return atomic_load_explicit((const _Atomic uint64_t *)counter, memory_order_relaxed);
}
