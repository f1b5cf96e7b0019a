/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_verify.h - read a spool after a run: is every accepted message there, once, byte-exact?
 *
 *     rp_load_acks_open(&acks);
 *     rp_load_acks_add(acks, number);                 any thread, at the 250
 *     rp_load_verify(dir, run, acks, &result, error, sizeof(error));
 */
#ifndef PERF_LOAD_VERIFY_H
#define PERF_LOAD_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A set of message numbers; grows in blocks, without a lock. */
struct rp_load_acks;
int rp_load_acks_open(struct rp_load_acks **acks_out);            /* 0 or -ENOMEM */
void rp_load_acks_close(struct rp_load_acks *acks);               /* NULL is fine */
int rp_load_acks_add(struct rp_load_acks *acks, uint64_t number); /* 0 or -ENOMEM */
bool rp_load_acks_has(const struct rp_load_acks *acks, uint64_t number);

#define RP_LOAD_VERIFY_EXAMPLES 8u

struct rp_load_verify_result {
    uint64_t accepted;   /* numbers in `acks` */
    uint64_t found;      /* of these, in the spool whole */
    uint64_t lost;       /* of these, not in the spool */
    uint64_t duplicated; /* numbers of the run that are there more than once */
    uint64_t corrupted;  /* messages of the run whose octets are not those that were sent */
    uint64_t damaged;    /* places that the spool itself reports as damaged */
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
