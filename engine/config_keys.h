/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * config_keys.h - the keys of the configuration: one row a key, in the order they are printed.
 *
 * To add a key: a member in struct rp_config, a row here, an entry in ringpostd.conf.5
 * (a test fails without it). Keys of one group stand together; a key has at most one dot,
 * but for what a CALLS key itself contains.
 *
 * Columns: key; member of struct rp_config; kind (config_key.h); default, as it would
 * stand behind --set KEY=; least and most (the unit is the kind's: octets, nanoseconds,
 * for strings octets of length; 0, 0 where the kind has none); what it means.
 */
#ifndef CONFIG_KEYS_H
#define CONFIG_KEYS_H

#include "spool/rp_spool_format.h"

#define RP_CONFIG_MS   (1000ull * 1000)
#define RP_CONFIG_S    (1000 * RP_CONFIG_MS)
#define RP_CONFIG_DAY  (24ull * 3600 * RP_CONFIG_S)
#define RP_CONFIG_GB   (1ull << 30)
#define RP_CONFIG_TB   (1ull << 40)

/* A number beyond this in a 32-bit member is a slip; sums of a few of them do not overflow. */
#define RP_CONFIG_MANY 1000000000u

/* clang-format off */
#define RP_CONFIG_KEYS(X) \
    X("hostname",              hostname,              WORD,    "",        1, 255,                                     "First part of the greeting and of the reply to EHLO; default: the machine's name.") \
    X("ident",                 ident,                 TEXT,    "ringpost", 1, 255,                                    "Second part of the greeting: 220 <hostname> ESMTP <ident>.") \
    X("workers",               workers,               AUTO,    "auto",    1, RP_SPOOL_LANES_MAX,                      "Threads, each with a ring of its own; auto: one for each usable CPU.") \
    X("drain_timeout",         drain_timeout_ns,      TIME,    "30s",     0, RP_CONFIG_DAY,                           "How long SIGTERM waits for sessions that are in the middle of a message.") \
    X("user",                  user,                  WORD,    "",        0, 63,                                      "User to become after binding; empty: stay.") \
    X("group",                 group,                 WORD,    "",        0, 63,                                      "Group to become after binding; empty: the user's, or stay.") \
    X("smtp.smtputf8",         smtp.smtputf8,         BOOL,    "true",    0, 0,                                       "Offer SMTPUTF8 and accept UTF-8 addresses.") \
    X("smtp.pipelining",       smtp.pipelining,       BOOL,    "true",    0, 0,                                       "Offer PIPELINING.") \
    X("smtp.strict_addresses", smtp.strict_addresses, BOOL,    "false",   0, 0,                                       "Refuse paths without angle brackets and mailboxes without a domain.") \
    X("smtp.vrfy",             smtp.vrfy,             BOOL,    "true",    0, 0,                                       "Answer VRFY with 252; off: 502.") \
    X("smtp.help",             smtp.help,             BOOL,    "true",    0, 0,                                       "Answer HELP with the verbs; off: 502.") \
    X("timeouts.command",      timeout_command_ns,    TIME,    "300s",    RP_CONFIG_MS, 30 * RP_CONFIG_DAY,           "Idle time between commands.") \
    X("timeouts.data",         timeout_data_ns,       TIME,    "180s",    RP_CONFIG_MS, 30 * RP_CONFIG_DAY,           "Idle time inside a body.") \
    X("timeouts.session",      timeout_session_ns,    TIME,    "0",       0, 365 * RP_CONFIG_DAY,                     "Whole session; 0: no limit.") \
    X("limits.message_size",   smtp.message_size_max, SIZE,    "33554432", 0, 1024 * RP_CONFIG_GB,                    "Octets of a message, told as SIZE; 0: no limit.") \
    X("limits.command_line",   smtp.command_line_max, SIZE,    "512",     64, 65536,                                  "Octets of a command line with CRLF; extensions add theirs.") \
    X("limits.line_length",    smtp.line_length_max,  SIZE,    "1001",    0, RP_CONFIG_GB,                            "Octets of a body line with CRLF; 0: no limit.") \
    X("limits.local_part",     smtp.local_part_max,   SIZE,    "0",       0, 65536,                                   "Octets of a local part; 0: no limit; 64 is RFC 5321's.") \
    X("limits.recipients",     smtp.recipients_max,   NUMBER,  "1000",    1, 100000,                                  "Recipients of a message; then 452 4.5.3.") \
    X("limits.messages",       smtp.messages_max,     NUMBER,  "0",       0, RP_CONFIG_MANY,                          "Messages of a connection; then 421; 0: no limit.") \
    X("limits.command_calls",  smtp.calls_max,        CALLS,   "{}",      0, RP_CONFIG_MANY,                          "Calls of each verb in a session, * for the rest; then 421 4.7.0; 0: no limit.") \
    X("limits.errors",         smtp.errors_max,       NUMBER,  "20",      0, RP_CONFIG_MANY,                          "Commands refused with 5xx in a session; then 421 4.7.0; 0: no limit.") \
    X("limits.connections",    limit_connections,     NUMBER,  "16384",   1, 1 << 20,                                 "Connections in all; beyond: 421 4.3.2 at once.") \
    X("limits.memory",         limit_memory,          SIZE,    "1gb",     RP_CONFIG_WORKER_MEMORY, 1024 * RP_CONFIG_GB, "What bodies in flight may hold in all; at the limit reading pauses.") \
    X("body.bare_newline",     smtp.bare_newline,     NEWLINE, "reject",  0, 0,                                       "A bare CR or LF in a body: reject (550 5.6.11), normalize (to CRLF), keep.") \
    X("spool.path",            spool_path,            PATH,    "./spool", 1, 4095,                                    "Directory of the spool; created (0750) where it is missing.") \
    X("spool.segment_size",    spool_segment_size,    SIZE,    "64mb",    RP_SPOOL_SEGMENT_MIN, RP_SPOOL_SEGMENT_MAX, "Octets of a new segment; a multiple of 4kb.") \
    X("spool.sync",            spool_sync,            SYNC,    "commit",  0, 0,                                       "commit: 250 only after the message is on stable storage; none: once it is written.") \
    X("spool.io",              spool_io,              IO,      "buffered", 0, 0,                                      "buffered: small messages pass through the page cache; direct: none do.") \
    X("spool.min_free",        spool_min_free,        SHARE,   "5%",      0, 1024 * RP_CONFIG_TB,              "Less than this free on the disk: 452 4.3.1 at MAIL.") \
    X("spool.discard",         spool_discard,         BOOL,    "false",   0, 0,                                       "Accept and drop: for load tests only.") \
    X("log.format",            log_format,            FORMAT,  "auto",    0, 0,                                       "text, json, or auto: text on a terminal and json else.") \
    X("log.level",             log_level,             LEVEL,   "info",    0, 0,                                       "error, warning, info or debug.") \
    X("log.file",              log_file,              PATH,    "",        0, 4095,                                    "File to append the log to (0640); empty: stderr.")
/* clang-format on */

#endif
