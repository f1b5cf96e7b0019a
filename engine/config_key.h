/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * config_key.h - the rows of config_keys.h: find a key, give it a value, print it.
 *
 *     const struct rp_config_key *key = rp_config_key_find("limits.memory");
 *     rp_config_key_assign(key, &config, RP_CONFIG_GIVEN_BARE, "2gb", problem, sizeof(problem));
 *
 * Knows neither files nor the command line: who calls puts in front where the value stood.
 */
#ifndef CONFIG_KEY_H
#define CONFIG_KEY_H

#include "engine/config.h"

enum rp_config_kind {
    RP_CONFIG_KIND_NUMBER,  /* 32 bits */
    RP_CONFIG_KIND_AUTO,    /* 32 bits; "auto" is 0 */
    RP_CONFIG_KIND_SIZE,    /* octets, 32 or 64 bits as the member is */
    RP_CONFIG_KIND_TIME,    /* 64 bits, ns */
    RP_CONFIG_KIND_SHARE,   /* struct rp_config_share; the range is that of an amount */
    RP_CONFIG_KIND_BOOL,    /* bool */
    RP_CONFIG_KIND_TEXT,    /* char[]: printable ASCII */
    RP_CONFIG_KIND_WORD,    /* char[]: printable ASCII without spaces */
    RP_CONFIG_KIND_PATH,    /* char[]: no control characters */
    RP_CONFIG_KIND_CALLS,   /* uint32_t[RP_SMTP_VERB_COUNT]: a group of verb = number */
    RP_CONFIG_KIND_NEWLINE, /* enum rp_dot_newline; from here on: choices */
    RP_CONFIG_KIND_SYNC,    /* enum rp_config_sync */
    RP_CONFIG_KIND_IO,      /* enum rp_config_io */
    RP_CONFIG_KIND_FORMAT,  /* enum rp_config_log_format */
    RP_CONFIG_KIND_LEVEL,   /* enum rp_config_log_level */
    RP_CONFIG_KIND_COUNT,
};

struct rp_config_key {
    const char *name;
    const char *preset; /* the default: as behind --set KEY= */
    const char *what;
    enum rp_config_kind kind;
    size_t off; /* of its member in struct rp_config */
    size_t len; /* octets of the member */
    uint64_t least;
    uint64_t most;
};

/* How a value was given: in a file its type must fit, bare text of the command line has none. */
enum rp_config_given {
    RP_CONFIG_GIVEN_BARE,
    RP_CONFIG_GIVEN_NUMBER,
    RP_CONFIG_GIVEN_STRING,
    RP_CONFIG_GIVEN_BOOL,
    RP_CONFIG_GIVEN_OTHER, /* a fraction, an array, a list, a group: `text` says which */
};

/* Each key in order; NULL behind the last. */
const struct rp_config_key *rp_config_key_get(size_t index);

/* NULL where there is none. */
const struct rp_config_key *rp_config_key_find(const char *name);

/* Whether keys begin with "group.". */
bool rp_config_key_is_group(const char *group);

/* The key that one who wrote `name` may have meant; NULL where none is near. */
const struct rp_config_key *rp_config_key_guess(const char *name);

/*
 * Set the key's member. 0, or -EINVAL: `problem` says what is wrong and what would be
 * right; the member is as it was. Not for CALLS keys given as a group.
 */
int rp_config_key_assign(const struct rp_config_key *key,
                         struct rp_config *config,
                         enum rp_config_given given,
                         const char *text,
                         char *problem,
                         size_t problem_len);

/* The verbs of a CALLS key: the index, or -1. "*" is RP_SMTP_VERB_UNKNOWN. Any case. */
int rp_config_key_verb(const char *name);
const char *rp_config_key_verb_name(enum rp_smtp_verb verb);

/* Put what is right for this key: "a size (...), 1mb to 1gb". */
void rp_config_key_describe(const struct rp_config_key *key, char *text, size_t text_len);

/* Print the value as it would stand in a file. */
void rp_config_key_print(const struct rp_config_key *key,
                         const struct rp_config *config,
                         FILE *stream);

/* Print a string as libconfig reads it: in quotes, escaped. */
void rp_config_key_print_string(const char *string, FILE *stream);

#endif
