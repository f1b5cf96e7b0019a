/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * config.h - the configuration: one immutable snapshot, from file and command line.
 *
 *     rp_config_init(&config);
 *     rp_config_load(&config, "ringpostd.conf", error, sizeof(error));
 *     rp_config_set(&config, "limits.memory=2gb", error, sizeof(error));
 *     rp_config_check(&config, error, sizeof(error));
 *
 * The keys, their types, defaults, ranges and help texts are the rows of config_keys.h,
 * which gives parser, --set, --print-config and the manual's table.
 *
 * One thread fills a configuration; then it is only read, by any thread. It points
 * into itself: rp_config_copy, never `=`. No key is a secret yet: all are printed.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include "proto/rp_smtp.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define RP_CONFIG_LISTENERS_MAX 64

/* Room for any error message of the functions below: a path, a line, a key and what is right. */
#define RP_CONFIG_ERROR_MAX     1024

/* The least part of limits.memory that a worker can work with (octets). */
#define RP_CONFIG_WORKER_MEMORY (16ull << 20)

enum rp_config_sync {
    RP_CONFIG_SYNC_COMMIT,
    RP_CONFIG_SYNC_NONE,
};

enum rp_config_io {
    RP_CONFIG_IO_BUFFERED, /* small messages; large ones are direct all the same */
    RP_CONFIG_IO_DIRECT,
};

enum rp_config_log_format {
    RP_CONFIG_LOG_AUTO, /* text on a terminal, json else */
    RP_CONFIG_LOG_TEXT,
    RP_CONFIG_LOG_JSON,
};

enum rp_config_log_level {
    RP_CONFIG_LOG_ERROR,
    RP_CONFIG_LOG_WARNING,
    RP_CONFIG_LOG_INFO,
    RP_CONFIG_LOG_DEBUG,
};

/* min_free: "5%" or an amount. */
struct rp_config_share {
    uint64_t octets;  /* used where percent is 0 */
    uint32_t percent; /* of the file system */
};

struct rp_config {
    char hostname[256];
    char ident[256];
    uint32_t workers; /* 0: one for each usable CPU */
    uint64_t drain_timeout_ns;
    char user[64];  /* empty: unset */
    char group[64]; /* empty: unset */

    struct rp_smtp_config smtp; /* hostname and ident point into this struct */

    uint64_t timeout_command_ns;
    uint64_t timeout_data_ns;
    uint64_t timeout_session_ns; /* 0: none */

    uint32_t limit_connections;
    uint64_t limit_memory; /* octets */

    char spool_path[4096];
    uint64_t spool_segment_size;
    enum rp_config_sync spool_sync;
    enum rp_config_io spool_io;
    bool spool_discard;
    struct rp_config_share spool_min_free;

    enum rp_config_log_format log_format;
    enum rp_config_log_level log_level;
    char log_file[4096]; /* empty: stderr */

    _Atomic uint32_t *user_count; /* of a snapshot that others share; NULL: nobody counts them */

    uint32_t listener_count;
    char listeners[RP_CONFIG_LISTENERS_MAX][128]; /* as typed: "127.0.0.1:2525", "unix:/path" */
};

/* The defaults. The host name is the machine's, looked up without the network. No listener. */
void rp_config_init(struct rp_config *config);

/*
 * The functions below that take `error` write one line into its error_len > 0 octets on
 * failure: where ("FILE:LINE" or the option), which key, what is wrong, what is right.
 * After a failure the configuration is half changed and good for nothing but rp_config_init.
 * -EINVAL: refused; -ENOMEM; or what a system call said about a file.
 */

/* Read a file, and what it includes, over what is there. */
int rp_config_load(struct rp_config *config, const char *path, char *error, size_t error_len);

/* One "key=value" of the command line; quotes around the value may be left out. */
int rp_config_set(struct rp_config *config, const char *setting, char *error, size_t error_len);

/* Give a key this very text, quotes and all (the option -s). `key` is one that exists. */
int rp_config_assign(struct rp_config *config,
                     const char *key,
                     const char *text,
                     char *error,
                     size_t error_len);

/* Add a listener as -l takes it: "ADDRESS[,OPTION=VALUE]...". */
int rp_config_add_listener(struct rp_config *config,
                           const char *listener,
                           char *error,
                           size_t error_len);

/* Relations between keys, and whether user and group exist. Changes nothing. */
int rp_config_check(const struct rp_config *config, char *error, size_t error_len);

/* Print all keys so that rp_config_load reads the same configuration; listeners as comments.
 * The stream's error state says whether it worked. */
void rp_config_print(const struct rp_config *config, FILE *stream);

/* The copy's users are not counted. */
void rp_config_copy(struct rp_config *to, const struct rp_config *from);

/* Any thread: use a shared snapshot that another user holds; use it no more. Nobody frees it here:
 * whoever made it looks at the count. */
void rp_config_hold(const struct rp_config *config);
void rp_config_release(const struct rp_config *config);

/* How many workers run: `workers`; for auto one a usable CPU, as far as limits.memory has
 * RP_CONFIG_WORKER_MEMORY for each and the spool has lanes; at least 1. */
uint32_t rp_config_worker_count(const struct rp_config *config);

#endif
