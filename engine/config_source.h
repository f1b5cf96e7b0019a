/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * config_source.h - a configuration file with what it includes, as one text for libconfig.
 *
 *     rp_config_source_read(&source, "ringpostd.conf", error, sizeof(error));
 *     config_read_string(&parsed, source.text);
 *     place = rp_config_source_place(&source, config_setting_source_line(setting));
 *     rp_config_source_close(&source);
 *
 * libconfig 1.5 alone does not do: it ends the process when it cannot read an included
 * file (a reload must not), keeps the low 32 bits of a number that is too big for an int,
 * and stops at a NUL. So files are read here, and on the way:
 *   - @include "FILE" is put in its place; FILE is relative to the including file;
 *   - whole numbers beyond 32 bits get the suffix that makes libconfig take all of them;
 *   - numbers beyond 64 bits, NULs, and a unit without quotes (10mb) are refused;
 *   - "*" as a name becomes *, which is what libconfig knows;
 *   - comments are left out.
 */
#ifndef CONFIG_SOURCE_H
#define CONFIG_SOURCE_H

#include <stddef.h>
#include <stdint.h>

/* Files within files. */
#define RP_CONFIG_SOURCE_DEPTH 10

/* Files in all, with repetitions. */
#define RP_CONFIG_SOURCE_FILES 64

/* Octets in all: a configuration is far smaller, and /dev/zero is not. */
#define RP_CONFIG_SOURCE_MAX   (1u << 20)

struct rp_config_place {
    const char *file; /* as long as the source */
    unsigned line;    /* from 1 */
};

struct rp_config_source {
    char *text; /* ends with NUL */
    size_t text_len;
    size_t text_cap;
    struct rp_config_place *lines; /* where each line of the text comes from */
    size_t line_count;
    size_t line_cap;
    char *files[RP_CONFIG_SOURCE_FILES]; /* their names */
    size_t file_count;
};

/* 0, or -errno with `error` ("FILE:LINE: ..."); then nothing is left. */
int rp_config_source_read(struct rp_config_source *source,
                          const char *path,
                          char *error,
                          size_t error_len);

/* The same for a text that is no file; `name` stands for the file in errors. */
int rp_config_source_take(struct rp_config_source *source,
                          const char *name,
                          const char *text,
                          char *error,
                          size_t error_len);

/* Where a line of the text (from 1) comes from; a line behind the last is the last. */
struct rp_config_place rp_config_source_place(const struct rp_config_source *source, unsigned line);

/* Takes a zeroed struct, too. */
void rp_config_source_close(struct rp_config_source *source);

#endif
