/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_stamp.h - the first lines of a message of ringpost-load, which say what it must be.
 *
 *     rp_load_stamp_write(head, &stamp, rp_load_stamp_seed(more, more_len));
 *     ...
 *     outcome = rp_load_stamp_check(body, len, run, &number);
 *
 * A message is a head, which begins with a stamp, and a rest. The stamp is two fields of the mail
 * header in a fixed layout; every value is in lower-case hexadecimal digits:
 *
 *     Message-ID: <RUN.NUMBER@ringpost.invalid>
 *     X-Ringpost-Load: 1 RUN NUMBER
 *      LENGTH HEAD HASH CHECK
 *
 * LENGTH: octets of the whole message; HEAD: those of the head (8 digits, the others have 16);
 * HASH: of the rest; CHECK: XXH3 of all of the head but CHECK itself. So each octet of a message
 * is under one of the two hashes. Pure: no allocation, no system call.
 */
#ifndef PERF_LOAD_STAMP_H
#define PERF_LOAD_STAMP_H

#include <stddef.h>
#include <stdint.h>

#define RP_LOAD_STAMP_LEN   182u       /* octets of the stamp, with its last CRLF */
#define RP_LOAD_STAMP_BLOCK 1024u      /* see rp_load_stamp_hash */
#define RP_LOAD_STAMP_NONE  UINT64_MAX /* no message has this number */

struct rp_load_stamp {
    uint64_t run;
    uint64_t number;
    uint64_t length;   /* octets of the whole message */
    uint32_t head_len; /* octets of the head, the stamp with them */
    uint64_t rest_hash;
};

/*
 * The hash of a rest goes from its end to its beginning in blocks, each seeded with the hash of
 * what stands behind it (0 at the end); the first block has what is left. So all tails of one
 * long text are hashed by one pass over it, and the hash of any one of them takes one block more.
 */
uint64_t rp_load_stamp_hash(const void *ptr, uint64_t len);

/* One step of it: the block of at most RP_LOAD_STAMP_BLOCK octets before the tail whose hash is
 * `behind`, which must be whole blocks. len 0: `behind`. */
uint64_t rp_load_stamp_hash_block(const void *ptr, size_t len, uint64_t behind);

/* What rp_load_stamp_write needs to know of the head's lines behind the stamp. */
uint64_t rp_load_stamp_seed(const void *more, size_t more_len);

/* Write RP_LOAD_STAMP_LEN octets. */
void rp_load_stamp_write(char *place, const struct rp_load_stamp *stamp, uint64_t seed);

enum rp_load_stamp_outcome {
    RP_LOAD_STAMP_FOREIGN,      /* nothing in it says that it is of any run */
    RP_LOAD_STAMP_OTHER_RUN,    /* its head is whole, and of another run */
    RP_LOAD_STAMP_FINE,         /* of this run, every octet as sent */
    RP_LOAD_STAMP_DAMAGED_HEAD, /* of this run; not as sent before its rest */
    RP_LOAD_STAMP_WRONG_LENGTH, /* of this run; its head is whole, it is cut or has grown */
    RP_LOAD_STAMP_WRONG_HASH,   /* of this run; head and length are right, the rest is altered */
};

/*
 * What a stored message is. A damaged head is one of this run if either of its fields up to RUN
 * stands somewhere in the first RP_LOAD_STAMP_SEARCH octets: what was put before the message, and
 * one altered place, cannot hide it. With both fields gone it is foreign, and the message lost.
 *
 * *number_out: the number, or RP_LOAD_STAMP_NONE where it cannot be told: a damaged head says it
 * only if both its numbers can be read and are the same.
 */
#define RP_LOAD_STAMP_SEARCH 4096u
enum rp_load_stamp_outcome rp_load_stamp_check(const uint8_t *body,
                                               uint64_t len,
                                               uint64_t run,
                                               uint64_t *number_out);

#endif
