/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * states_mail.h - messages of many kinds, made to be mistaken for something else: zeros, text,
 * octets of the spool itself.
 */
#ifndef STATES_MAIL_H
#define STATES_MAIL_H

#include "tests/sim/sim_random.h"

#include "spool/rp_spool_writer.h"

/* What a message is to be mistaken for. */
enum states_mail_kind {
    STATES_MAIL_TINY,
    STATES_MAIL_EMPTY,
    STATES_MAIL_ZEROS,   /* NULs and nothing else */
    STATES_MAIL_HOLES,   /* text with many NULs in it */
    STATES_MAIL_EXACT,   /* text of whole sectors or blocks */
    STATES_MAIL_LINES,   /* an attachment's lines */
    STATES_MAIL_LARGE,   /* 70 KiB, its body at a block */
    STATES_MAIL_QUOTING, /* octets that were written to the spool before */
    STATES_MAIL_RCPTS,   /* many recipients */
    STATES_MAIL_BIG,     /* a file of its own */
    STATES_MAIL_KIND_COUNT,
};

#define STATES_MAIL_BODY_MAX (80u << 10)
#define STATES_MAIL_HEAD_MAX (16u << 10)

struct states_mail {
    size_t head_len; /* room for the record's header, and the items */
    size_t body_len;
    bool is_block_aligned;
    uint8_t head[STATES_MAIL_HEAD_MAX];
    uint8_t body[STATES_MAIL_BODY_MAX];
};

/* `quoted`: octets to quote from, or NULL. `big_id`: of a message whose body is a file, else 0. */
void states_mail_make(struct states_mail *mail,
                      enum states_mail_kind kind,
                      struct sim_random *random,
                      const struct iovec *quoted,
                      uint64_t big_id);

#endif
