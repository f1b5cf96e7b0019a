/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * options.c - the arguments of a command.
 */
#include "options.h"

#include "text.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ERROR_LEN 256u

/* clang-format off */
static const struct rp_options_row rows[RP_OPTIONS_COUNT] = {
    [RP_OPTIONS_FROM]   = {"from",   "ID",     "begin with this message"},
    [RP_OPTIONS_LIMIT]  = {"limit",  "N",      "end after N messages"},
    [RP_OPTIONS_CURSOR_FILE] =
                          {"cursor-file", "F", "go on where the file F says; it is kept up to date"},
    [RP_OPTIONS_FORMAT] = {"format", "FORMAT", "eml, maildir, mbox or jsonl"},
    [RP_OPTIONS_TO]     = {"to",     "PATH",   "where it goes: a directory (eml, maildir) or a file"},
    [RP_OPTIONS_JSON]   = {"json",   NULL,     "print one JSON object a line"},
    [RP_OPTIONS_HELP]   = {"help",   NULL,     "print this and exit"},
};
/* clang-format on */

const struct rp_options_row *rp_options_row(enum rp_options_name name)
{
    assert(name < RP_OPTIONS_COUNT);
    return &rows[name];
}

/* "limit" or "limit=5" against a row's name. */
static bool is_named(const char *text, const char *name)
{
    size_t len = strlen(name);
    return strncmp(text, name, len) == 0 && (text[len] == '\0' || text[len] == '=');
}

/* RP_OPTIONS_COUNT: no such option. `text` is what follows the two dashes. */
static enum rp_options_name find(const char *text)
{
    for (unsigned name = 0; name < RP_OPTIONS_COUNT; name++) {
        if (is_named(text, rows[name].name)) {
            return (enum rp_options_name)name;
        }
    }
    return RP_OPTIONS_COUNT;
}

static int set_limit(struct rp_options *options, const char *value, char *error)
{
    uint64_t limit = 0;
    if (rp_text_number(value, &limit) != 0 || limit == 0 || limit == UINT64_MAX) {
        (void)snprintf(error, ERROR_LEN, "--limit %.100s: give a number of messages, at least 1",
                       value);
        return -EINVAL;
    }
    options->limit = limit;
    return 0;
}

/* `value` is NULL for an option that takes none. */
static int set(struct rp_options *options,
               enum rp_options_name name,
               const char *value,
               char *error)
{
    switch (name) {
    case RP_OPTIONS_FROM: options->from = value; return 0;
    case RP_OPTIONS_LIMIT: return set_limit(options, value, error);
    case RP_OPTIONS_CURSOR_FILE: options->cursor_file = value; return 0;
    case RP_OPTIONS_FORMAT: options->format = value; return 0;
    case RP_OPTIONS_TO: options->to = value; return 0;
    case RP_OPTIONS_JSON: options->is_json = true; return 0;
    case RP_OPTIONS_HELP: options->is_help = true; return 0;
    case RP_OPTIONS_COUNT: break;
    }
    assert(name < RP_OPTIONS_COUNT); /* what find() did not find is refused before */
    return -EINVAL;
}

/*
 * The option at the front of `arguments`. *taken_out: how many arguments it took. An option
 * that is there, but not for this command, gets the same answer as one that is not.
 */
static int parse_option(char *const *arguments,
                        size_t count,
                        unsigned allowed,
                        struct rp_options *options,
                        size_t *taken_out,
                        char *error)
{
    const char *text = strcmp(arguments[0], "-h") == 0 ? "--help" : arguments[0];
    enum rp_options_name name = strncmp(text, "--", 2) == 0 ? find(text + 2) : RP_OPTIONS_COUNT;
    if (name == RP_OPTIONS_COUNT || (allowed & (1u << name)) == 0) {
        (void)snprintf(error, ERROR_LEN, "%.100s: no such option here", text);
        return -EINVAL;
    }
    const struct rp_options_row *row = &rows[name];
    const char *value = strchr(text, '=');
    value = value != NULL ? value + 1 : NULL;
    size_t taken = 1;
    if (row->value == NULL && value != NULL) {
        (void)snprintf(error, ERROR_LEN, "--%s: it takes no value", row->name);
        return -EINVAL;
    }
    if (row->value != NULL && value == NULL) {
        if (count < 2) {
            (void)snprintf(error, ERROR_LEN, "--%s: its %s is missing", row->name, row->value);
            return -EINVAL;
        }
        value = arguments[1];
        taken = 2;
    }
    if (value != NULL && *value == '\0') {
        (void)snprintf(error, ERROR_LEN, "--%s: its %s is empty", row->name, row->value);
        return -EINVAL;
    }
    *taken_out = taken;
    return set(options, name, value, error);
}

static int add_operand(struct rp_options *options,
                       size_t *operands,
                       size_t operand_count,
                       const char *argument,
                       char *error)
{
    if (*operands == operand_count) {
        (void)snprintf(error, ERROR_LEN, "%.100s: one argument too many", argument);
        return -EINVAL;
    }
    options->operands[(*operands)++] = argument;
    return 0;
}

int rp_options_parse(char *const *arguments,
                     size_t count,
                     unsigned allowed,
                     size_t operand_count,
                     struct rp_options *options_out,
                     char error[256])
{
    static const char *const missing[RP_OPTIONS_OPERANDS_MAX] = {
        "the directory of a spool is missing",
        "the ID of a message is missing",
    };
    assert(operand_count <= RP_OPTIONS_OPERANDS_MAX);
    struct rp_options options = {.limit = UINT64_MAX};
    size_t operands = 0;
    bool is_ended = false; /* "--" was seen */
    for (size_t at = 0; at < count;) {
        const char *argument = arguments[at];
        size_t taken = 1;
        int outcome = 0;
        if (!is_ended && strcmp(argument, "--") == 0) {
            is_ended = true;
        } else if (!is_ended && argument[0] == '-' && argument[1] != '\0') {
            outcome = parse_option(arguments + at, count - at, allowed, &options, &taken, error);
        } else {
            outcome = add_operand(&options, &operands, operand_count, argument, error);
        }
        if (outcome != 0) {
            return outcome;
        }
        at += taken;
        if (options.is_help) {
            *options_out = options;
            return 0;
        }
    }
    if (operands < operand_count) {
        (void)snprintf(error, ERROR_LEN, "%s", missing[operands]);
        return -EINVAL;
    }
    *options_out = options;
    return 0;
}
