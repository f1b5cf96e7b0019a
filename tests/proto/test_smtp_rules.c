/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_smtp_rules.c - the grid of states and verbs.
 *
 * Goal: no cell can be wrong without a test failing. Method: properties of single cells,
 * then every sequence of up to six verbs, carried out on the grid and on a second
 * description of the rules below, which knows no states, only what was accepted so far.
 * At last every cell of a copy of the grid is changed in every possible way, and each
 * change must be noticed.
 */
#include "proto/smtp_rules.h"

#include <CUnit/Basic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEQUENCE_MAX 6

struct grid {
    struct rp_smtp_rule cells[RP_SMTP_STATE_COUNT][RP_SMTP_VERB_COUNT];
};

static struct grid load(void)
{
    struct grid grid;
    for (size_t state = 0; state < RP_SMTP_STATE_COUNT; state++) {
        for (size_t verb = 0; verb < RP_SMTP_VERB_COUNT; verb++) {
            grid.cells[state][verb] =
                *rp_smtp_rules_get((enum rp_smtp_state)state, (enum rp_smtp_verb)verb);
        }
    }
    return grid;
}

/* The oracle: what a session remembers, in the words of RFC 5321, 4.1.4. */
struct facts {
    bool has_greeting;
    bool has_sender;
    bool has_recipient;
    bool is_in_body;
    bool is_closed;
};

static enum rp_smtp_verdict judge(const struct facts *facts, enum rp_smtp_verb verb)
{
    const bool is_mail = verb == RP_SMTP_VERB_MAIL;
    const bool is_rcpt = verb == RP_SMTP_VERB_RCPT;
    const bool is_data = verb == RP_SMTP_VERB_DATA;
    if (facts->is_closed || facts->is_in_body) {
        return RP_SMTP_RULES_NOT_NOW;
    }
    if (!facts->has_greeting && (is_mail || is_rcpt || is_data)) {
        return RP_SMTP_RULES_NEED_HELO;
    }
    if (is_mail && facts->has_sender) {
        return RP_SMTP_RULES_NESTED;
    }
    if (is_rcpt && !facts->has_sender) {
        return RP_SMTP_RULES_NEED_MAIL;
    }
    if (is_data && !facts->has_recipient) {
        return RP_SMTP_RULES_NEED_RCPT;
    }
    return RP_SMTP_RULES_OK;
}

static void remember(struct facts *facts, enum rp_smtp_verb verb)
{
    const bool is_greeting = verb == RP_SMTP_VERB_HELO || verb == RP_SMTP_VERB_EHLO;
    if (is_greeting || verb == RP_SMTP_VERB_RSET || verb == RP_SMTP_VERB_QUIT) {
        facts->has_sender = facts->has_recipient = false;
    }
    facts->has_greeting |= is_greeting;
    facts->has_sender |= verb == RP_SMTP_VERB_MAIL;
    facts->has_recipient |= verb == RP_SMTP_VERB_RCPT;
    facts->is_in_body |= verb == RP_SMTP_VERB_DATA;
    facts->is_closed |= verb == RP_SMTP_VERB_QUIT;
}

static bool has_transaction(const struct facts *facts)
{
    return facts->has_sender;
}

/* One sequence; false: the grid and the oracle differ, or a transaction is not what it seems. */
static bool is_sequence_right(const struct grid *grid, const uint8_t *verbs, size_t len)
{
    struct facts facts = {0};
    enum rp_smtp_state state = RP_SMTP_STATE_START;
    for (size_t i = 0; i < len; i++) {
        const struct rp_smtp_rule rule = grid->cells[state][verbs[i]];
        if (rule.verdict != judge(&facts, verbs[i])) {
            return false;
        }
        if (rule.verdict == RP_SMTP_RULES_OK) {
            remember(&facts, verbs[i]);
        }
        state = rule.next;
        if (rp_smtp_rules_has_transaction(state) != has_transaction(&facts)) {
            return false;
        }
        if (state == RP_SMTP_STATE_BODY && !(facts.has_sender && facts.has_recipient)) {
            return false;
        }
    }
    return true;
}

/* All sequences of that length, as the digits of a number are counted up. */
static bool are_sequences_right(const struct grid *grid, size_t len)
{
    uint8_t verbs[SEQUENCE_MAX] = {0};
    for (;;) {
        if (!is_sequence_right(grid, verbs, len)) {
            return false;
        }
        size_t at = 0;
        while (at < len && ++verbs[at] == RP_SMTP_VERB_COUNT) {
            verbs[at++] = 0;
        }
        if (at == len) {
            return true;
        }
    }
}

static bool are_cells_right(const struct grid *grid)
{
    for (size_t state = 0; state < RP_SMTP_STATE_COUNT; state++) {
        const bool is_deaf = state == RP_SMTP_STATE_BODY || state == RP_SMTP_STATE_CLOSED;
        for (size_t verb = 0; verb < RP_SMTP_VERB_COUNT; verb++) {
            const struct rp_smtp_rule rule = grid->cells[state][verb];
            if (rule.next >= RP_SMTP_STATE_COUNT || rule.verdict >= RP_SMTP_RULES_VERDICT_COUNT) {
                return false;
            }
            if (rule.verdict != RP_SMTP_RULES_OK && rule.next != state) {
                return false; /* a refusal stays put */
            }
            if (is_deaf != (rule.verdict == RP_SMTP_RULES_NOT_NOW)) {
                return false;
            }
        }
    }
    return true;
}

static bool is_grid_right(const struct grid *grid, size_t len_max)
{
    if (!are_cells_right(grid)) {
        return false;
    }
    for (size_t len = 1; len <= len_max; len++) {
        if (!are_sequences_right(grid, len)) {
            return false;
        }
    }
    return true;
}

static void test_cells(void)
{
    const struct grid grid = load();
    CU_ASSERT_TRUE(are_cells_right(&grid));
    CU_ASSERT_FALSE(rp_smtp_rules_has_transaction(RP_SMTP_STATE_START));
    CU_ASSERT_FALSE(rp_smtp_rules_has_transaction(RP_SMTP_STATE_READY));
    CU_ASSERT_TRUE(rp_smtp_rules_has_transaction(RP_SMTP_STATE_BODY));
    CU_ASSERT_FALSE(rp_smtp_rules_has_transaction(RP_SMTP_STATE_CLOSED));
}

static void test_sequences(void)
{
    const struct grid grid = load();
    CU_ASSERT_TRUE(is_grid_right(&grid, SEQUENCE_MAX));
}

/* Five verbs reach every state and one more cell; the mutants are found by shorter ones. */
static void test_mutants(void)
{
    struct grid grid = load();
    size_t mutant_count = 0;
    size_t alive_count = 0;
    for (size_t cell = 0; cell < RP_SMTP_STATE_COUNT * (size_t)RP_SMTP_VERB_COUNT; cell++) {
        struct rp_smtp_rule *rule =
            &grid.cells[cell / RP_SMTP_VERB_COUNT][cell % RP_SMTP_VERB_COUNT];
        const struct rp_smtp_rule right = *rule;
        for (unsigned next = 0; next < RP_SMTP_STATE_COUNT; next++) {
            for (unsigned verdict = 0; verdict < RP_SMTP_RULES_VERDICT_COUNT; verdict++) {
                *rule = (struct rp_smtp_rule){.next = (uint8_t)next, .verdict = (uint8_t)verdict};
                if (memcmp(rule, &right, sizeof(right)) == 0) {
                    continue;
                }
                mutant_count++;
                if (is_grid_right(&grid, SEQUENCE_MAX - 1)) {
                    alive_count++;
                    fprintf(stderr, "not noticed: state %zu, verb %zu: next %u, verdict %u\n",
                            cell / RP_SMTP_VERB_COUNT, cell % RP_SMTP_VERB_COUNT, next, verdict);
                }
            }
        }
        *rule = right;
    }
    printf("%zu of %zu changes of a cell noticed ", mutant_count - alive_count, mutant_count);
    CU_ASSERT_EQUAL(alive_count, 0);
    CU_ASSERT_EQUAL(mutant_count, 72 * 35);
}

int main(void)
{
    if (CU_initialize_registry() != CUE_SUCCESS) {
        return EXIT_FAILURE;
    }
    CU_pSuite suite = CU_add_suite("proto/smtp_rules", NULL, NULL);
    const bool is_ready = suite != NULL && CU_ADD_TEST(suite, test_cells) != NULL &&
                          CU_ADD_TEST(suite, test_sequences) != NULL &&
                          CU_ADD_TEST(suite, test_mutants) != NULL;
    CU_basic_set_mode(CU_BRM_NORMAL);
    const bool has_run = is_ready && CU_basic_run_tests() == CUE_SUCCESS;
    const bool has_failed = !has_run || CU_get_number_of_failures() > 0;
    CU_cleanup_registry();
    return has_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
