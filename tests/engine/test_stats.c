/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_stats.c - the counters by number have the names and values of the list.
 *
 * Goal: rp_stats_get(i) is the counter that rp_stats_name(i) names, each of them once,
 * under a name that Prometheus takes. Method: the list itself, expanded once more here,
 * gives every field a value of its own.
 */
#include "engine/stats.h"
#include "tests/tools/suite.h"

#include <stdbool.h>
#include <string.h>

static struct rp_stats stats;

/* What the list says, by number. */
static const char *const fields[] = {
#define X(field, name, help) #field,
    RP_STATS(X)
#undef X
};
#define FIELD_COUNT (sizeof(fields) / sizeof(fields[0]))

static const char *const helps[] = {
#define X(field, name, help) help,
    RP_STATS(X)
#undef X
};

static void test_values(void)
{
    uint64_t value = 1000;
#define X(field, name, help)           \
    atomic_store(&stats.field, value); \
    value += 7;
    RP_STATS(X)
#undef X
    value = 1000;
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        CU_ASSERT_EQUAL(rp_stats_get(&stats, i), value);
        value += 7;
    }
    CU_ASSERT_EQUAL(rp_stats_get(&stats, FIELD_COUNT), 0);
    CU_ASSERT_EQUAL(sizeof(stats), FIELD_COUNT * sizeof(uint64_t));
}

static void test_add(void)
{
    atomic_store(&stats.messages, UINT64_MAX - 1);
    rp_stats_add(&stats.messages, 1);
    CU_ASSERT_EQUAL(atomic_load(&stats.messages), UINT64_MAX);
    rp_stats_add(&stats.messages, 3);
    CU_ASSERT_EQUAL(atomic_load(&stats.messages), 2);
}

/* A counter of "messages" is rp_messages_total; only what goes down again is without "_total". */
static void test_names(void)
{
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        const char *name = rp_stats_name(i);
        size_t len = strlen(name);
        size_t field_len = strlen(fields[i]);
        CU_ASSERT(strspn(name, "abcdefghijklmnopqrstuvwxyz_") == len);
        CU_ASSERT(strncmp(name, "rp_", 3) == 0 && strncmp(name + 3, fields[i], field_len) == 0);
        bool is_total = strcmp(name + 3 + field_len, "_total") == 0;
        CU_ASSERT(is_total || strcmp(fields[i], "connections_open") == 0);
        const char *help = rp_stats_help(i);
        CU_ASSERT_STRING_EQUAL(help, helps[i]);
        CU_ASSERT(strlen(help) > 0 && strpbrk(help, "\n\\") == NULL);
        for (size_t j = 0; j < i; j++) {
            CU_ASSERT_STRING_NOT_EQUAL(name, rp_stats_name(j));
        }
    }
    CU_ASSERT_PTR_NULL(rp_stats_name(FIELD_COUNT));
    CU_ASSERT_PTR_NULL(rp_stats_help(FIELD_COUNT));
    CU_ASSERT_PTR_NULL(rp_stats_name(SIZE_MAX));
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"values", test_values},
        {"add",    test_add   },
        {"names",  test_names },
    };
    return SUITE_RUN("engine/stats", tests, argc, argv);
}
