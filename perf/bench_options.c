/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_options.c - the arguments of ringpost-bench.
 */
#include "bench_options.h"

#include "bench_measure.h"
#include "tools/text.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_MS  UINT64_C(1000000)
#define NS_PER_S   (1000 * NS_PER_MS)
#define TIME_MAX_S UINT64_C(60) /* a signal is looked at between two repeats */
#define DIGITS_MAX 19u          /* of a number that 64 bits hold */
#define ROUNDS_MAX 1000000000u  /* of the longest case that is days */

enum name {
    FILTER,
    TIME,
    REPEAT,
    ROUNDS,
    DIR,
    LIST,
    JSON,
    SMALL,
    HELP,
    VERSION,
    NAME_COUNT,
};

struct row {
    const char *name;
    bool takes_value;
    const char *help;
};

/* clang-format off */
static const struct row rows[NAME_COUNT] = {
    [FILTER]  = {"filter",  true,  "  --filter TEXT  only those with TEXT in their name"},
    [TIME]    = {"time",    true,  "  --time T       what a repeat takes, about: 50ms (default), 1s"},
    [REPEAT]  = {"repeat",  true,  "  --repeat N     repeats, of which the median counts (default 7)"},
    [ROUNDS]  = {"rounds",  true,  "  --rounds N     exactly N rounds a repeat instead of --time"},
    [DIR]     = {"dir",     true,  "  --dir DIR      where files are made and removed again\n"
                                   "                 (default $TMPDIR, else /var/tmp)"},
    [LIST]    = {"list",    false, "  --list         list the benchmarks and exit"},
    [JSON]    = {"json",    false, "  --json         one JSON object a line"},
    [SMALL]   = {"small",   false, "  --small        tiny inputs, 1 ms a repeat, 3 repeats: a trial run"},
    [HELP]    = {"help",    false, "  --help, -h     print this and exit"},
    [VERSION] = {"version", false, "  --version      print the version and exit"},
};
/* clang-format on */

const char *rp_bench_options_help(size_t index)
{
    return index < NAME_COUNT ? rows[index].help : NULL;
}

/* NAME_COUNT: no such option. */
static enum name find(const char *argument)
{
    if (strcmp(argument, "-h") == 0) {
        return HELP;
    }
    if (strncmp(argument, "--", 2) != 0) {
        return NAME_COUNT;
    }
    const char *text = argument + 2;
    for (unsigned name = 0; name < NAME_COUNT; name++) {
        const size_t len = strlen(rows[name].name);
        if (strncmp(text, rows[name].name, len) == 0 && (text[len] == '\0' || text[len] == '=')) {
            return (enum name)name;
        }
    }
    return NAME_COUNT;
}

int rp_bench_options_time(const char *text, uint64_t *time_ns_out)
{
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {
        {"ms",  NS_PER_MS    },
        {"s",   NS_PER_S     },
        {"",    NS_PER_S     },
        {"min", 60 * NS_PER_S}
    };

    char number[DIGITS_MAX + 1];
    const size_t len = strspn(text, "0123456789");
    uint64_t value = 0;
    if (len == 0 || len > DIGITS_MAX) {
        return -EINVAL;
    }
    memcpy(number, text, len);
    number[len] = '\0';
    if (rp_text_number(number, &value) != 0) {
        return -EINVAL;
    }
    for (size_t at = 0; at < sizeof(units) / sizeof(units[0]); at++) {
        if (strcmp(text + len, units[at].name) == 0) {
            if (value > TIME_MAX_S * NS_PER_S / units[at].ns) {
                return -EINVAL;
            }
            *time_ns_out = value * units[at].ns;
            return 0;
        }
    }
    return -EINVAL;
}

/* A number from 1 to `most`. */
static int set_number(enum name name, const char *value, uint64_t most, uint64_t *out, char *error)
{
    uint64_t number = 0;
    if (rp_text_number(value, &number) != 0 || number == 0 || number > most) {
        (void)snprintf(error, RP_BENCH_OPTIONS_ERROR_LEN,
                       "--%s %.80s: give a number from 1 to %llu", rows[name].name, value,
                       (unsigned long long)most);
        return -EINVAL;
    }
    *out = number;
    return 0;
}

/* `value` is empty for an option that takes none. */
static int set(struct rp_bench_options *options, enum name name, const char *value, char *error)
{
    uint64_t repeat = 0;
    int outcome;
    switch (name) {
    case FILTER: options->filter = value; return 0;
    case TIME:
        outcome = rp_bench_options_time(value, &options->time_ns);
        if (outcome != 0) {
            (void)snprintf(error, RP_BENCH_OPTIONS_ERROR_LEN,
                           "--time %.80s: give a time such as 50ms or 1s, at most 1min", value);
        }
        return outcome;
    case REPEAT:
        outcome = set_number(name, value, RP_BENCH_REPEAT_MAX, &repeat, error);
        options->repeat = outcome == 0 ? (unsigned)repeat : options->repeat;
        return outcome;
    case ROUNDS: return set_number(name, value, ROUNDS_MAX, &options->rounds, error);
    case DIR: options->dir = value; return 0;
    case LIST: options->is_list = true; return 0;
    case JSON: options->is_json = true; return 0;
    case SMALL: options->is_small = true; return 0;
    case HELP: options->is_help = true; return 0;
    case VERSION: options->is_version = true; return 0;
    case NAME_COUNT: break;
    }
    assert(name < NAME_COUNT); /* what find() did not find is refused before */
    return -EINVAL;
}

/* The option at the front of `arguments`. *taken_out: how many arguments it took. */
static int parse_one(char *const *arguments,
                     size_t count,
                     struct rp_bench_options *options,
                     size_t *taken_out,
                     char *error)
{
    const char *argument = arguments[0];
    const enum name name = find(argument);
    if (name == NAME_COUNT) {
        (void)snprintf(error, RP_BENCH_OPTIONS_ERROR_LEN,
                       "%.80s: no such option; --help lists them", argument);
        return -EINVAL;
    }
    const char *value = strchr(argument, '=');
    *taken_out = 1;
    if (!rows[name].takes_value) {
        if (value != NULL) {
            (void)snprintf(error, RP_BENCH_OPTIONS_ERROR_LEN, "--%s takes no value",
                           rows[name].name);
            return -EINVAL;
        }
        return set(options, name, "", error);
    }
    if (value != NULL) {
        return set(options, name, value + 1, error);
    }
    if (count < 2) {
        (void)snprintf(error, RP_BENCH_OPTIONS_ERROR_LEN, "--%s: its value is missing",
                       rows[name].name);
        return -EINVAL;
    }
    *taken_out = 2;
    return set(options, name, arguments[1], error);
}

int rp_bench_options_parse(char *const *arguments,
                           size_t count,
                           struct rp_bench_options *options_out,
                           char error[RP_BENCH_OPTIONS_ERROR_LEN])
{
    struct rp_bench_options options = {.time_ns = UINT64_MAX};
    for (size_t at = 0; at < count && !options.is_help && !options.is_version;) {
        size_t taken = 1;
        int outcome = parse_one(arguments + at, count - at, &options, &taken, error);
        if (outcome != 0) {
            return outcome;
        }
        at += taken;
    }
    /* --small changes only what nothing else was said about, wherever it stands. */
    if (options.time_ns == UINT64_MAX) {
        options.time_ns = (options.is_small ? 1 : 50) * NS_PER_MS;
    }
    if (options.repeat == 0) {
        options.repeat = options.is_small ? 3 : 7;
    }
    *options_out = options;
    return 0;
}
