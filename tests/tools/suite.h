/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * suite.h - the main function of the CUnit programs in this folder.
 *
 *     int main(int argc, char **argv)
 *     {
 *         static const struct suite_test tests[] = {{"rows", test_rows}, ...};
 *         return SUITE_RUN("tools/text", tests, argc, argv);
 *     }
 *
 * A number as argument is the seed of the random parts.
 */
#ifndef TESTS_TOOLS_SUITE_H
#define TESTS_TOOLS_SUITE_H

#include <CUnit/Basic.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct suite_test {
    const char *name;
    void (*run)(void);
};

#define SUITE_SEED 20260823u

/* xorshift64*: good enough to choose inputs, and the same on every machine. */
static inline uint64_t suite_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}

static inline size_t suite_random_below(uint64_t *state, size_t limit)
{
    return (size_t)((suite_random(state) >> 20) % limit);
}

/* The state to begin with: the seed of the command line, or the fixed one. */
static uint64_t suite_seed = SUITE_SEED;

static inline int suite_run(const char *name,
                            const struct suite_test *tests,
                            unsigned count,
                            int argc,
                            char **argv)
{
    if (argc > 1) {
        suite_seed = strtoull(argv[1], NULL, 0) | 1; /* a state of zero stays zero */
    }
    if (CU_initialize_registry() != CUE_SUCCESS) {
        return 1;
    }
    CU_pSuite suite = CU_add_suite(name, NULL, NULL);
    for (unsigned index = 0; index < count; index++) {
        CU_add_test(suite, tests[index].name, tests[index].run);
    }
    CU_basic_run_tests();
    unsigned failure_count = CU_get_number_of_failures();
    unsigned run_count = CU_get_number_of_tests_run();
    CU_cleanup_registry();
    if (failure_count > 0) {
        printf("seed %" PRIu64 "\n", suite_seed);
    }
    return failure_count == 0 && run_count == count ? 0 : 1;
}

#define SUITE_RUN(name, tests, argc, argv) \
    suite_run(name, tests, (unsigned)(sizeof(tests) / sizeof((tests)[0])), argc, argv)

#endif
