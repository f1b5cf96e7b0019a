/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_verify.h - read a spool after a run: is every accepted message there, once, byte-exact?
 *
 *     rp_load_acks_open(&acks);
 *     rp_load_acks_add(acks, number);                 any thread, at the 250
 *     rp_load_verify(dir, run, acks, &result, error, sizeof(error));
 *
 * Each message is opened and checked alone, so memory is that of the largest one in the log (big
 * bodies are mapped) and a few bits a number. What lands after the start is not looked at.
 */
#ifndef PERF_LOAD_VERIFY_H
#define PERF_LOAD_VERIFY_H

#include "load_acks.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RP_LOAD_VERIFY_EXAMPLES 8u

struct rp_load_verify_result {
    uint64_t accepted;   /* numbers in `acks` */
    uint64_t found;      /* of these, in the spool whole */
    uint64_t lost;       /* of these, not in the spool, or not to be known there */
    uint64_t duplicated; /* numbers of the run that are there more than once, whole or not */
    uint64_t corrupted;  /* messages of the run whose octets are not those that were sent; an
                          * accepted one whose number can be read is not also lost */
    uint64_t damaged;    /* places that the spool itself reports as damaged: not handed out */
    uint64_t unaccepted; /* whole messages of the run that got no 250: allowed, once */
    uint64_t foreign;    /* messages of others; not looked at */
    uint32_t example_count;
    char examples[RP_LOAD_VERIFY_EXAMPLES][120]; /* "lost: message 17", "corrupted: ID ..." */
};

/* True: nothing lost, duplicated, corrupted or damaged. */
bool rp_load_verify_is_fine(const struct rp_load_verify_result *result);

/* 0, or -errno with one line in `error`: the spool cannot be read. */
int rp_load_verify(const char *dir,
                   uint64_t run,
                   const struct rp_load_acks *acks,
                   struct rp_load_verify_result *result_out,
                   char *error,
                   size_t error_len);

#endif
