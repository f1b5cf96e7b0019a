/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_options.h - the command line of ringpost-load, from one table.
 *
 *     if (rp_load_options_parse(argv + 1, argc - 1, &options, error) != 0) { ... }
 *
 * Options may stand before and behind the target, as --name VALUE or --name=VALUE; they are not
 * abbreviated. Pure: no system call, and what the options point to are the arguments themselves.
 */
#ifndef PERF_LOAD_OPTIONS_H
#define PERF_LOAD_OPTIONS_H

#include "load_auth.h"
#include "load_pace.h"
#include "load_report.h"
#include "load_script.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RP_LOAD_OPTIONS_TARGET    "127.0.0.1:2525"
#define RP_LOAD_OPTIONS_ERROR_LEN 512u

struct rp_load_options {
    const char *target;
    uint64_t connections;
    uint64_t messages;    /* 0: no limit */
    uint64_t duration_ns; /* 0: no limit */
    uint64_t warmup_ns;
    uint64_t timeout_ns;
    double rate; /* messages/s; 0: closed loop */
    enum rp_load_arrivals arrivals;
    const char *size;  /* as given */
    uint64_t size_min; /* octets */
    uint64_t size_max;
    const char *corpus; /* "eml:DIR", "mbox:FILE"; NULL: generated messages */
    uint64_t recipients;
    uint64_t per_connection; /* 0: no limit */
    enum rp_load_mode mode;
    uint64_t depth;
    const char *auth; /* NAME:PASSWORD */
    enum rp_load_auth_mechanism mechanism;
    const char *sender; /* NULL: load@DOMAIN */
    const char *domain;
    uint64_t sources; /* 0: the kernel chooses */
    uint64_t workers; /* 0: one a usable CPU */
    const char *verify;
    const char *json;
    const char *html;
    const char *cpu_stat;
    const char *thresholds[RP_LOAD_THRESHOLDS_MAX];
    uint32_t threshold_count;
    bool is_lmtp;
    bool is_forced;
    bool is_quiet;
    bool is_owned; /* --i-own-this-server */
    bool is_self_test;
    bool is_help; /* nothing else counts then, nor was checked */
    bool is_version;
};

/* 0; or -EINVAL and in `error` what is wrong and what would be right. */
int rp_load_options_parse(char *const *arguments,
                          size_t count,
                          struct rp_load_options *options_out,
                          char error[RP_LOAD_OPTIONS_ERROR_LEN]);

/* A line of --help, from 0 on; NULL: no more. `place` is where it is put. */
const char *rp_load_options_help(size_t index, char *place, size_t place_len);

/* "10kb", "1.5s": a number that may have a fraction, and a unit. 0 or -EINVAL. */
int rp_load_options_size(const char *text, uint64_t *octets_out);
int rp_load_options_time(const char *text, uint64_t *ns_out);

#endif
