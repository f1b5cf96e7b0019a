/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_config_key.c - every row of the table works: its default, its range, its text.
 *
 * Goal: a key changes its own member and nothing else, takes what is in its range and
 * refuses what is beyond, in words that say what is right; what is printed is taken
 * again. Method: loops over all rows, so that a new row is tested when it is added;
 * rows of texts for each kind; random values printed and taken again.
 *
 * A number as argument is the seed of the random part.
 */
#include "engine/config_key.h"
#include "engine/config_keys.h"
#include "engine/config_value.h"
#include "tests/tools/suite.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define BARE         RP_CONFIG_GIVEN_BARE

/* Too large for a stack frame. */
static struct rp_config before;
static struct rp_config after;

static int give(const struct rp_config_key *key, enum rp_config_given given, const char *text)
{
    char problem[RP_CONFIG_ERROR_MAX] = "untouched";
    char right[256];
    int result = rp_config_key_assign(key, &after, given, text, problem, sizeof(problem));
    if (result == 0) {
        CU_ASSERT_STRING_EQUAL(problem, "untouched");
    } else {
        rp_config_key_describe(key, right, sizeof(right));
        CU_ASSERT_EQUAL(result, -EINVAL);
        CU_ASSERT(strstr(problem, "; right: ") != NULL && strstr(problem, right) != NULL);
    }
    return result;
}

/* Whether all octets of both configurations but those of the key's member are the same. */
static bool others_are_same(const struct rp_config_key *key)
{
    const char *a = (const char *)&before;
    const char *b = (const char *)&after;
    size_t end = key->off + key->len;
    return memcmp(a, b, key->off) == 0 && memcmp(a + end, b + end, sizeof(before) - end) == 0;
}

static void fill(int octet)
{
    memset(&before, octet, sizeof(before));
    memset(&after, octet, sizeof(after));
}

/* ---- the table ---- */

static void test_table(void)
{
    const struct rp_config_key *key = NULL;
    size_t count = 0;
    for (; (key = rp_config_key_get(count)) != NULL; count++) {
        CU_ASSERT_PTR_EQUAL(rp_config_key_find(key->name), key);
        CU_ASSERT(strspn(key->name, "abcdefghijklmnopqrstuvwxyz0123456789_.") == strlen(key->name));
        const char *dot = strchr(key->name, '.');
        CU_ASSERT(dot == NULL || strchr(dot + 1, '.') == NULL);
        CU_ASSERT(strlen(key->what) > 10 && key->what[strlen(key->what) - 1] == '.');
        CU_ASSERT(strchr(key->what, '\n') == NULL && key->least <= key->most);
        for (size_t i = 0; i < count; i++) {
            const struct rp_config_key *other = rp_config_key_get(i);
            CU_ASSERT(other->off + other->len <= key->off || key->off + key->len <= other->off);
        }
    }
    CU_ASSERT(count > 30);
    CU_ASSERT_PTR_NULL(rp_config_key_get(SIZE_MAX));
    CU_ASSERT_PTR_NULL(rp_config_key_find("hostnam"));
    CU_ASSERT_PTR_NULL(rp_config_key_find(""));
    CU_ASSERT_PTR_NULL(rp_config_key_find("spool"));
}

/* The key's group, "" for none. */
static void group_of(const struct rp_config_key *key, char group[32])
{
    const char *dot = strchr(key->name, '.');
    size_t len = dot == NULL ? 0 : (size_t)(dot - key->name);
    CU_ASSERT_FATAL(len < 32);
    memset(group, 0, 32);
    memcpy(group, key->name, len);
}

/* Groups must stand together: --print-config opens each once, and libconfig takes it once. */
static void test_groups(void)
{
    const struct rp_config_key *key = NULL;
    char seen[32][32] = {""};
    size_t count = 0;
    for (size_t i = 0; (key = rp_config_key_get(i)) != NULL; i++) {
        char group[32];
        bool is_new = true;
        group_of(key, group);
        CU_ASSERT_EQUAL(rp_config_key_is_group(group), group[0] != '\0');
        if (strcmp(seen[count], group) == 0) {
            continue;
        }
        for (size_t j = 0; j < count; j++) {
            is_new = is_new && strcmp(seen[j], group) != 0;
        }
        CU_ASSERT(is_new);
        memcpy(seen[++count], group, sizeof(group));
    }
    CU_ASSERT(count >= 6);
    CU_ASSERT_FALSE(rp_config_key_is_group("hostname"));
    CU_ASSERT_FALSE(rp_config_key_is_group("spoo"));
    CU_ASSERT_FALSE(rp_config_key_is_group(""));
}

static void test_defaults(void)
{
    const struct rp_config_key *key = NULL;
    for (size_t i = 0; (key = rp_config_key_get(i)) != NULL; i++) {
        fill((int)i);
        int result = give(key, BARE, key->preset);
        CU_ASSERT_EQUAL(result, strcmp(key->name, "hostname") == 0 ? -EINVAL : 0);
        CU_ASSERT(others_are_same(key));
    }
}

static void test_guesses(void)
{
    /* clang-format off */
    static const char *const guesses[][2] = {
        {"spool.pth", "spool.path"},
        {"spool.path", "spool.path"},
        {"log.levle", "log.level"},
        {"memory", "limits.memory"},
        {"segment_size", "spool.segment_size"},
        {"hostnames", "hostname"},
        {"limit.memory", "limits.memory"},
        {"spool", NULL},
        {"tls.certificate", NULL},
        {"", NULL},
        {"a.very.long.name.of.no.key.at.all.that.does.not.fit.into.any.buffer.of.ours", NULL},
    };
    /* clang-format on */
    for (size_t i = 0; i < COUNT(guesses); i++) {
        const struct rp_config_key *key = rp_config_key_guess(guesses[i][0]);
        const char *name = key == NULL ? "none" : key->name;
        CU_ASSERT_STRING_EQUAL(name, guesses[i][1] == NULL ? "none" : guesses[i][1]);
    }
}

static void test_verbs(void)
{
    for (unsigned verb = 0; verb < RP_SMTP_VERB_UNKNOWN; verb++) {
        const char *name = rp_config_key_verb_name(verb);
        struct rp_span span = {.ptr = (const uint8_t *)name, .len = strlen(name)};
        CU_ASSERT_EQUAL(rp_smtp_verb_find(span), verb);
        CU_ASSERT_EQUAL(rp_config_key_verb(name), (int)verb);
    }
    CU_ASSERT_EQUAL(rp_config_key_verb("*"), RP_SMTP_VERB_UNKNOWN);
    CU_ASSERT_EQUAL(rp_config_key_verb("noop"), RP_SMTP_VERB_NOOP);
    CU_ASSERT_EQUAL(rp_config_key_verb("NOO"), -1);
    CU_ASSERT_EQUAL(rp_config_key_verb(""), -1);
}

/* ---- ranges ---- */

static bool is_number(const struct rp_config_key *key)
{
    return key->kind == RP_CONFIG_KIND_NUMBER || key->kind == RP_CONFIG_KIND_AUTO ||
           key->kind == RP_CONFIG_KIND_SIZE || key->kind == RP_CONFIG_KIND_TIME;
}

static uint64_t member(const struct rp_config_key *key)
{
    uint64_t number = 0;
    CU_ASSERT_FATAL(key->len == 4 || key->len == 8);
    memcpy(&number, (const char *)&after + key->off, key->len); /* little-endian, as the spool */
    return number;
}

static void number_text(const struct rp_config_key *key, uint64_t number, char *text)
{
    if (key->kind == RP_CONFIG_KIND_TIME) {
        rp_config_value_print_time(number, text);
    } else {
        (void)snprintf(text, RP_CONFIG_VALUE_LEN, "%" PRIu64, number); /* any number fits */
    }
}

static void test_number_ranges(void)
{
    const struct rp_config_key *key = NULL;
    char text[RP_CONFIG_VALUE_LEN];
    for (size_t i = 0; (key = rp_config_key_get(i)) != NULL; i++) {
        if (!is_number(key)) {
            continue;
        }
        uint64_t step = key->kind == RP_CONFIG_KIND_TIME ? RP_CONFIG_MS : 1;
        CU_ASSERT(key->len == 8 || key->most <= UINT32_MAX);
        fill(0x5a);
        number_text(key, key->least, text);
        CU_ASSERT(give(key, BARE, text) == 0 && member(key) == key->least);
        number_text(key, key->most, text);
        CU_ASSERT(give(key, BARE, text) == 0 && member(key) == key->most);
        CU_ASSERT(others_are_same(key));
        number_text(key, key->most + step, text);
        CU_ASSERT(give(key, BARE, text) == -EINVAL && member(key) == key->most);
        if (key->least > 0) {
            number_text(key, key->least - step, text);
            CU_ASSERT(give(key, BARE, text) == -EINVAL && member(key) == key->most);
        }
        CU_ASSERT_EQUAL(give(key, BARE, "99999999999999999999"), -EINVAL);
        CU_ASSERT_EQUAL(give(key, BARE, "-1"), -EINVAL);
        CU_ASSERT_EQUAL(give(key, BARE, ""), -EINVAL);
        CU_ASSERT_EQUAL(give(key, BARE, "none"), -EINVAL);
        CU_ASSERT_EQUAL(member(key), key->most);
    }
}

static bool is_string(const struct rp_config_key *key)
{
    return key->kind == RP_CONFIG_KIND_TEXT || key->kind == RP_CONFIG_KIND_WORD ||
           key->kind == RP_CONFIG_KIND_PATH;
}

static void test_string_ranges(void)
{
    const struct rp_config_key *key = NULL;
    static char text[8192];
    for (size_t i = 0; (key = rp_config_key_get(i)) != NULL; i++) {
        if (!is_string(key)) {
            continue;
        }
        const char *value = (const char *)&after + key->off;
        fill(0x5a);
        memset(text, 'x', sizeof(text));
        text[key->most] = '\0';
        CU_ASSERT(give(key, BARE, text) == 0 && strcmp(value, text) == 0);
        CU_ASSERT(others_are_same(key));
        text[key->most] = 'x';
        text[key->most + 1] = '\0';
        CU_ASSERT(give(key, BARE, text) == -EINVAL && strlen(value) == key->most);
        CU_ASSERT_EQUAL(give(key, BARE, ""), key->least == 0 ? 0 : -EINVAL);
        /* A shorter one leaves nothing of the longer behind itself. */
        CU_ASSERT_EQUAL(give(key, BARE, "ab"), 0);
        for (size_t at = 2; at < key->len; at++) {
            CU_ASSERT_FATAL(value[at] == '\0');
        }
    }
}

/* Which octets may stand in which kind, all 255 of them. */
static void test_string_octets(void)
{
    const struct rp_config_key *key = NULL;
    for (size_t i = 0; (key = rp_config_key_get(i)) != NULL; i++) {
        for (unsigned octet = 1; is_string(key) && octet < 256; octet++) {
            const char text[] = {'a', (char)octet, 'b', '\0'};
            bool is_right = octet > 0x20 && octet < 0x7f;
            is_right = is_right || (octet == 0x20 && key->kind != RP_CONFIG_KIND_WORD);
            is_right = is_right || (octet > 0x7f && key->kind == RP_CONFIG_KIND_PATH);
            CU_ASSERT_EQUAL(give(key, BARE, text), is_right ? 0 : -EINVAL);
        }
    }
}

/* ---- kinds ---- */

struct text_row {
    const char *key;
    const char *text;
    enum rp_config_given given;
    bool is_right;
};

/* clang-format off */
static const struct text_row text_rows[] = {
    {"workers",               "auto",        BARE,                   true},
    {"workers",               "4",           BARE,                   true},
    {"workers",               "4",           RP_CONFIG_GIVEN_NUMBER, true},
    {"workers",               "auto",        RP_CONFIG_GIVEN_STRING, true},
    {"workers",               "0",           BARE,                   false},
    {"workers",               "Auto",        BARE,                   false},
    {"workers",               "true",        RP_CONFIG_GIVEN_BOOL,   false},
    {"limits.errors",         "4",           RP_CONFIG_GIVEN_NUMBER, true},
    {"limits.errors",         "4",           RP_CONFIG_GIVEN_STRING, false},
    {"limits.errors",         "1kb",         BARE,                   false},
    {"limits.memory",         "1gb",         RP_CONFIG_GIVEN_STRING, true},
    {"limits.memory",         "5000000000",  RP_CONFIG_GIVEN_NUMBER, true},
    {"limits.memory",         "a list",      RP_CONFIG_GIVEN_OTHER,  false},
    {"timeouts.data",         "5min",        RP_CONFIG_GIVEN_STRING, true},
    {"timeouts.data",         "5",           RP_CONFIG_GIVEN_NUMBER, true},
    {"timeouts.data",         "5mb",         BARE,                   false},
    {"spool.min_free",        "10%",         RP_CONFIG_GIVEN_STRING, true},
    {"spool.min_free",        "1gb",         BARE,                   true},
    {"spool.min_free",        "100%",        BARE,                   false},
    {"spool.min_free",        "1048577gb",   BARE,                   false},
    {"smtp.vrfy",             "false",       RP_CONFIG_GIVEN_BOOL,   true},
    {"smtp.vrfy",             "true",        BARE,                   true},
    {"smtp.vrfy",             "true",        RP_CONFIG_GIVEN_STRING, false},
    {"smtp.vrfy",             "1",           RP_CONFIG_GIVEN_NUMBER, false},
    {"hostname",              "mx.test",     RP_CONFIG_GIVEN_STRING, true},
    {"hostname",              "5",           RP_CONFIG_GIVEN_NUMBER, false},
    {"body.bare_newline",     "keep",        RP_CONFIG_GIVEN_STRING, true},
    {"body.bare_newline",     "normalize",   BARE,                   true},
    {"body.bare_newline",     "Keep",        BARE,                   false},
    {"body.bare_newline",     "",            BARE,                   false},
    {"spool.sync",            "none",        BARE,                   true},
    {"spool.sync",            "keep",        BARE,                   false},
    {"spool.io",              "direct",      BARE,                   true},
    {"spool.io",              "mapped",      BARE,                   false},
    {"log.format",            "json",        BARE,                   true},
    {"log.level",             "debug",       BARE,                   true},
    {"log.level",             "1",           RP_CONFIG_GIVEN_NUMBER, false},
    {"limits.command_calls",  "{}",          BARE,                   true},
    {"limits.command_calls",  "5",           BARE,                   false},
    {"limits.command_calls",  "{}",          RP_CONFIG_GIVEN_STRING, false},
};
/* clang-format on */

static void test_kinds(void)
{
    for (size_t i = 0; i < COUNT(text_rows); i++) {
        const struct text_row *row = &text_rows[i];
        const struct rp_config_key *key = rp_config_key_find(row->key);
        CU_ASSERT_PTR_NOT_NULL_FATAL(key);
        fill(0x5a);
        int result = give(key, row->given, row->text);
        bool has_changed = memcmp((const char *)&before, (const char *)&after, sizeof(before)) != 0;
        if (result != (row->is_right ? 0 : -EINVAL) || has_changed != row->is_right) {
            printf("\n%s = %s: %d\n", row->key, row->text, result);
            CU_FAIL("a kind");
        }
    }
}

static void test_choices(void)
{
    const struct rp_config_key *level = rp_config_key_find("log.level");
    const struct rp_config_key *newline = rp_config_key_find("body.bare_newline");
    const struct rp_config_key *sync = rp_config_key_find("spool.sync");
    char text[160];
    CU_ASSERT(give(level, BARE, "error") == 0 && after.log_level == RP_CONFIG_LOG_ERROR);
    CU_ASSERT(give(level, BARE, "debug") == 0 && after.log_level == RP_CONFIG_LOG_DEBUG);
    CU_ASSERT(give(newline, BARE, "normalize") == 0 && after.smtp.bare_newline == RP_DOT_NORMALIZE);
    CU_ASSERT(give(newline, BARE, "keep") == 0 && after.smtp.bare_newline == RP_DOT_KEEP);
    CU_ASSERT(give(sync, BARE, "none") == 0 && after.spool_sync == RP_CONFIG_SYNC_NONE);
    rp_config_key_describe(level, text, sizeof(text));
    CU_ASSERT_STRING_EQUAL(text, "\"error\" or \"warning\" or \"info\" or \"debug\"");
    rp_config_key_describe(rp_config_key_find("spool.segment_size"), text, sizeof(text));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, ", 1mb to 1gb"));
}

/* ---- printing ---- */

static void print(const struct rp_config_key *key, const struct rp_config *config, char *text)
{
    FILE *stream = fmemopen(text, 8192, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(stream);
    rp_config_key_print(key, config, stream);
    CU_ASSERT_EQUAL(fclose(stream), 0);
}

static void random_value(const struct rp_config_key *key, uint64_t *state)
{
    char text[RP_CONFIG_VALUE_LEN];
    if (is_number(key)) {
        uint64_t span = key->most - key->least;
        uint64_t number = key->least + (suite_random(state) >> suite_random_below(state, 64)) %
                                           (span < UINT64_MAX ? span + 1 : span);
        if (key->kind == RP_CONFIG_KIND_TIME) {
            number -= number % RP_CONFIG_MS;
        }
        number_text(key, number, text);
        CU_ASSERT_EQUAL(give(key, BARE, text), 0);
    } else if (key->kind == RP_CONFIG_KIND_SHARE) {
        (void)snprintf(text, sizeof(text), "%zu%s", suite_random_below(state, 100),
                       suite_random_below(state, 2) == 0 ? "%" : "mb");
        CU_ASSERT_EQUAL(give(key, BARE, text), 0);
    }
}

/* Printed and given again, as bare text or string, a value is the same. */
static void test_printed_is_taken(void)
{
    const struct rp_config_key *key = NULL;
    uint64_t state = suite_seed;
    static char text[8192];
    static char again[8192];
    for (int round = 0; round < 300; round++) {
        for (size_t i = 0; (key = rp_config_key_get(i)) != NULL; i++) {
            if (!is_number(key) && key->kind != RP_CONFIG_KIND_SHARE) {
                continue;
            }
            fill(0);
            random_value(key, &state);
            print(key, &after, text);
            before = after;
            memset((char *)&after + key->off, 0x33, key->len);
            size_t len = strlen(text);
            bool is_quoted = text[0] == '"';
            if (is_quoted) {
                text[len - 1] = '\0';
            }
            enum rp_config_given given =
                is_quoted ? RP_CONFIG_GIVEN_STRING : RP_CONFIG_GIVEN_NUMBER;
            CU_ASSERT_EQUAL(give(key, given, text + is_quoted), 0);
            CU_ASSERT(others_are_same(key));
            print(key, &before, text);
            print(key, &after, again);
            CU_ASSERT_STRING_EQUAL(again, text);
        }
    }
}

static void test_printed_rows(void)
{
    static char text[8192];
    fill(0);
    (void)give(rp_config_key_find("spool.path"), BARE, "/a \"b\" \\ \xc3\xa9");
    print(rp_config_key_find("spool.path"), &after, text);
    CU_ASSERT_STRING_EQUAL(text, "\"/a \\\"b\\\" \\\\ \xc3\xa9\"");
    print(rp_config_key_find("workers"), &after, text);
    CU_ASSERT_STRING_EQUAL(text, "\"auto\"");
    after.limit_memory = 2147483647;
    print(rp_config_key_find("limits.memory"), &after, text);
    CU_ASSERT_STRING_EQUAL(text, "2147483647");
    after.limit_memory = 2147483649;
    print(rp_config_key_find("limits.memory"), &after, text);
    CU_ASSERT_STRING_EQUAL(text, "\"2147483649\"");
    after.limit_memory = 5000000001;
    print(rp_config_key_find("limits.memory"), &after, text);
    CU_ASSERT_STRING_EQUAL(text, "\"5000000001\"");
    print(rp_config_key_find("smtp.vrfy"), &after, text);
    CU_ASSERT_STRING_EQUAL(text, "false");

    const struct rp_config_key *calls = rp_config_key_find("limits.command_calls");
    print(calls, &after, text);
    CU_ASSERT_STRING_EQUAL(text, "{ }");
    after.smtp.calls_max[RP_SMTP_VERB_NOOP] = 5;
    print(calls, &after, text);
    CU_ASSERT_STRING_EQUAL(text, "{ NOOP = 5; }");
    for (unsigned i = 0; i < RP_SMTP_VERB_COUNT; i++) {
        after.smtp.calls_max[i] = 20;
    }
    after.smtp.calls_max[RP_SMTP_VERB_NOOP] = 5;
    after.smtp.calls_max[RP_SMTP_VERB_DATA] = 0;
    print(calls, &after, text);
    CU_ASSERT_STRING_EQUAL(text, "{ DATA = 0; NOOP = 5; * = 20; }");
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"the table",                test_table           },
        {"groups",                   test_groups          },
        {"defaults",                 test_defaults        },
        {"guesses",                  test_guesses         },
        {"verbs",                    test_verbs           },
        {"ranges of numbers",        test_number_ranges   },
        {"ranges of strings",        test_string_ranges   },
        {"octets of strings",        test_string_octets   },
        {"kinds",                    test_kinds           },
        {"choices",                  test_choices         },
        {"printed rows",             test_printed_rows    },
        {"what is printed is taken", test_printed_is_taken},
    };
    return SUITE_RUN("engine/config_key", tests, argc, argv);
}
