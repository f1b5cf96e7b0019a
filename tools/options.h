/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * options.h - the arguments of a command: options from one table, then DIR and ID.
 *
 * Options may stand before, between and behind the operands, as --name VALUE or
 * --name=VALUE; they are not abbreviated. "--" ends them. Pure: no system call, and
 * nothing is copied: what the options point to are the arguments themselves.
 */
#ifndef TOOLS_OPTIONS_H
#define TOOLS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum rp_options_name {
    RP_OPTIONS_FROM,
    RP_OPTIONS_LIMIT,
    RP_OPTIONS_CURSOR_FILE,
    RP_OPTIONS_FORMAT,
    RP_OPTIONS_TO,
    RP_OPTIONS_JSON,
    RP_OPTIONS_HELP,
    RP_OPTIONS_COUNT,
};
#define RP_OPTIONS_BIT(name) (1u << RP_OPTIONS_##name)

/* As --help prints it. */
struct rp_options_row {
    const char *name;  /* "limit" */
    const char *value; /* "N"; NULL: it takes none */
    const char *help;
};
const struct rp_options_row *rp_options_row(enum rp_options_name name);

#define RP_OPTIONS_OPERANDS_MAX 2u

struct rp_options {
    const char *operands[RP_OPTIONS_OPERANDS_MAX]; /* the first one is DIR, the second one ID */
    const char *from;                              /* NULL: not given */
    const char *cursor_file;
    const char *format;
    const char *to;
    uint64_t limit; /* messages; UINT64_MAX: no limit */
    bool is_json;
    bool is_help; /* nothing else counts then, nor was checked */
};

/*
 * Read `count` arguments (without those of the program and the command) that a command
 * takes: a set of RP_OPTIONS_BITs and exactly `operand_count` operands. 0, or -EINVAL and
 * in `error` (NUL-terminated) what is wrong and what would be right.
 */
int rp_options_parse(char *const *arguments,
                     size_t count,
                     unsigned allowed,
                     size_t operand_count,
                     struct rp_options *options_out,
                     char error[256]);

#endif
