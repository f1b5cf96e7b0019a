/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_mail.h - the messages that ringpost-load sends.
 *
 *     rp_load_mail_open(&options, &mail, error, sizeof(error));
 *     rp_load_mail_next(mail, &random, number, &message);     any thread
 *     ...send message.head, then message.rest (DATA: rest_stuffed, which ends with CRLF.CRLF)...
 *
 * A message is a short head of its own, that carries run, number and checksums (load_stamp.h), and
 * a rest that many messages share and that was dot-stuffed once. So sending costs no copy and the
 * hash of 1 KiB at most, and still every octet can be checked in the spool afterwards.
 *
 * Generated messages have the header's fields in the head and a tail of one text (load_text.h) as
 * their rest, so each has exactly the size that was drawn; none is smaller than
 * RP_LOAD_MAIL_SIZE_MIN, smaller sizes are raised to it (rp_load_mail_info says so). Memory:
 * twice the largest size, at most some 11 MB, and 8 octets for each KiB of it where sizes vary.
 *
 * Immutable after open: all threads share it. Spans are good until close.
 */
#ifndef PERF_LOAD_MAIL_H
#define PERF_LOAD_MAIL_H

#include "proto/rp_span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rp_load_mail;

struct rp_load_mail_options {
    uint64_t run;       /* random, of this run */
    uint64_t size_min;  /* octets of a message as received, without dot-stuffing; generated ones */
    uint64_t size_max;  /* equal to size_min: fixed; else uniform between them */
    const char *corpus; /* "eml:DIR", "mbox:FILE"; NULL: generated */
    bool is_stamped; /* messages of a corpus get a head too (--verify); generated ones always do */
};

#define RP_LOAD_MAIL_HEAD_MAX 320u
#define RP_LOAD_MAIL_SIZE_MIN 303u                 /* a head, and no text */
#define RP_LOAD_MAIL_SIZE_MAX (UINT64_C(16) << 30) /* at the start all of it is hashed once */

struct rp_load_mail_message {
    char head[RP_LOAD_MAIL_HEAD_MAX]; /* whole lines; never begins with "." */
    uint32_t head_len;                /* 0: none */
    struct rp_span rest;              /* as received, for BDAT */
    struct rp_span rest_stuffed;      /* for DATA: stuffed, then CRLF (where missing) "." CRLF */
    uint64_t body_len;                /* head_len + octets that the server is to store */
};

/* 0; or -EINVAL, -ENOMEM, -errno of a file, with one line in `error`: what, where, what would
 * be right. Files with bare LF are sent with CRLF. An empty corpus is an error. */
int rp_load_mail_open(const struct rp_load_mail_options *options,
                      struct rp_load_mail **mail_out,
                      char *error,
                      size_t error_len);
void rp_load_mail_close(struct rp_load_mail *mail); /* NULL is fine */

struct rp_load_mail_info {
    uint64_t messages; /* of the corpus; 0: they are generated */
    uint64_t size_min; /* octets of the smallest and the largest message that will be sent */
    uint64_t size_max;
    uint64_t lone_cr; /* line ends of the corpus that were a CR alone; sent as CRLF */
};
void rp_load_mail_info(const struct rp_load_mail *mail, struct rp_load_mail_info *info_out);

/* Fill in message `number` of the run: sizes are drawn from *random (state of xorshift64*, not
 * 0), corpora go round by `number`. */
void rp_load_mail_next(const struct rp_load_mail *mail,
                       uint64_t *random,
                       uint64_t number,
                       struct rp_load_mail_message *message_out);

#endif
