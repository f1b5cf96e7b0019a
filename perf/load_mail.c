/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_mail.c - put a head before a rest.
 *
 * A generated message of a size is a head, of one or the other of two lengths that differ by one
 * octet, and the tail of the text that makes up the size: with both lengths there is always one
 * whose tail does not begin between CR and LF. Hashes of tails: see rp_load_stamp_hash.
 */
#include "load_mail.h"

#include "load_corpus.h"
#include "load_stamp.h"
#include "load_text.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The head of a generated message but for its stamp. */
struct header {
    char octets[RP_LOAD_MAIL_HEAD_MAX]; /* the stamp's place is empty */
    uint32_t len;                       /* with the stamp */
    uint64_t seed;                      /* of rp_load_stamp_write */
};

struct rp_load_mail {
    uint64_t run;
    uint64_t size_min;
    uint64_t size_max;
    struct header headers[2]; /* generated: the second is one octet longer */
    struct rp_load_text text;
    uint64_t *behind;              /* hashes of the tails of 0, 1, 2, ... blocks; NULL: one size */
    uint64_t tail_hash;            /* of the only size */
    struct rp_load_corpus *corpus; /* NULL: generated */
    uint64_t *hashes;              /* of the corpus' messages; NULL: they get no head */
};

/* ---- generated ---- */

static void write_header(struct header *header, const char *date, const char *pad)
{
    char *more = header->octets + RP_LOAD_STAMP_LEN;
    int len = snprintf(more, sizeof(header->octets) - RP_LOAD_STAMP_LEN,
                       "From: load@ringpost.invalid\r\n"
                       "To: sink@ringpost.invalid\r\n"
                       "Subject: ringpost-load%s\r\n"
                       "Date: %s\r\n"
                       "\r\n",
                       pad, date);
    assert(len > 0 && (size_t)len < sizeof(header->octets) - RP_LOAD_STAMP_LEN);
    header->len = RP_LOAD_STAMP_LEN + (uint32_t)len;
    header->seed = rp_load_stamp_seed(more, (size_t)len);
}

static void write_headers(struct rp_load_mail *mail)
{
    char date[sizeof("Thu, 01 Jan 1970 00:00:00 +0000") + 16];
    time_t now = time(NULL);
    struct tm parts;
    if (gmtime_r(&now, &parts) == NULL) {
        parts = (struct tm){.tm_mday = 1, .tm_year = 70, .tm_wday = 4}; /* a clock far off */
    }
    /* In the C locale, which a program has that does not ask for another one. */
    size_t len = strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &parts);
    assert(len > 0);
    write_header(&mail->headers[0], date, "");
    write_header(&mail->headers[1], date, ".");
    assert(mail->headers[0].len == RP_LOAD_MAIL_SIZE_MIN);
}

/* The header and the tail's length of a message of this size. */
static const struct header *choose_header(const struct rp_load_mail *mail,
                                          uint64_t size,
                                          uint64_t *tail_len_out)
{
    const struct header *header = &mail->headers[0];
    uint64_t tail_len = size - header->len;
    if (!rp_load_text_has_tail(tail_len)) {
        header = &mail->headers[1];
        tail_len--;
    }
    *tail_len_out = tail_len;
    return header;
}

static uint64_t hash_tail(const struct rp_load_mail *mail, const struct rp_span *tail)
{
    if (mail->behind == NULL) {
        return mail->tail_hash;
    }
    return rp_load_stamp_hash_block(tail->ptr, tail->len % RP_LOAD_STAMP_BLOCK,
                                    mail->behind[tail->len / RP_LOAD_STAMP_BLOCK]);
}

/* Hash the text from its end to its beginning. */
static int hash_blocks(struct rp_load_mail *mail, uint64_t tail_len_max)
{
    uint64_t blocks = tail_len_max / RP_LOAD_STAMP_BLOCK;
    mail->behind = calloc(blocks + 1, sizeof(mail->behind[0]));
    if (mail->behind == NULL) {
        return -ENOMEM;
    }
    const uint8_t *at = mail->text.plain + mail->text.plain_len;
    for (uint64_t block = 0; block < blocks; block++) {
        at -= RP_LOAD_STAMP_BLOCK;
        mail->behind[block + 1] =
            rp_load_stamp_hash_block(at, RP_LOAD_STAMP_BLOCK, mail->behind[block]);
    }
    return 0;
}

static uint64_t at_least_min(uint64_t size)
{
    return size < RP_LOAD_MAIL_SIZE_MIN ? RP_LOAD_MAIL_SIZE_MIN : size;
}

static int open_generated(struct rp_load_mail *mail,
                          const struct rp_load_mail_options *options,
                          char *error,
                          size_t error_len)
{
    if (options->size_min > options->size_max || options->size_max > RP_LOAD_MAIL_SIZE_MAX) {
        (void)snprintf(error, error_len,
                       "sizes from %" PRIu64 " to %" PRIu64 " octets: the first may not be above "
                       "the second, nor the second above %" PRIu64,
                       options->size_min, options->size_max, RP_LOAD_MAIL_SIZE_MAX);
        return -EINVAL;
    }
    mail->size_min = at_least_min(options->size_min);
    mail->size_max = at_least_min(options->size_max);
    write_headers(mail);
    uint64_t tail_len_max = mail->size_max - mail->headers[0].len;
    int result = rp_load_text_open(tail_len_max, &mail->text);
    if (result == 0 && mail->size_min < mail->size_max) {
        result = hash_blocks(mail, tail_len_max);
    } else if (result == 0) {
        struct rp_span tail;
        struct rp_span stuffed;
        (void)choose_header(mail, mail->size_max, &tail_len_max);
        rp_load_text_tail(&mail->text, tail_len_max, &tail, &stuffed);
        mail->tail_hash = rp_load_stamp_hash(tail.ptr, tail.len);
    }
    if (result != 0) {
        (void)snprintf(error, error_len, "no room for messages of %" PRIu64 " octets: %s",
                       mail->size_max, strerror(-result));
    }
    return result;
}

static uint64_t draw_size(const struct rp_load_mail *mail, uint64_t *random)
{
    if (mail->size_min == mail->size_max) {
        return mail->size_min;
    }
    assert(*random != 0);
    *random ^= *random >> 12;
    *random ^= *random << 25;
    *random ^= *random >> 27;
    uint64_t drawn = *random * 0x2545f4914f6cdd1du;
    /* 44 random bits over a span of at most 34: no size is favoured by more than a thousandth. */
    return mail->size_min + (drawn >> 20) % (mail->size_max - mail->size_min + 1);
}

static void generate(const struct rp_load_mail *mail,
                     uint64_t size,
                     uint64_t number,
                     struct rp_load_mail_message *message)
{
    uint64_t tail_len;
    const struct header *header = choose_header(mail, size, &tail_len);
    rp_load_text_tail(&mail->text, tail_len, &message->rest, &message->rest_stuffed);
    struct rp_load_stamp stamp = {
        .run = mail->run,
        .number = number,
        .length = size,
        .head_len = header->len,
        .rest_hash = hash_tail(mail, &message->rest),
    };
    memcpy(message->head, header->octets, header->len);
    rp_load_stamp_write(message->head, &stamp, header->seed);
    message->head_len = header->len;
    message->body_len = size;
}

/* ---- of a corpus ---- */

static int open_corpus(struct rp_load_mail *mail,
                       const struct rp_load_mail_options *options,
                       char *error,
                       size_t error_len)
{
    int result = rp_load_corpus_open(options->corpus, &mail->corpus, error, error_len);
    if (result != 0) {
        return result;
    }
    size_t count = rp_load_corpus_count(mail->corpus);
    uint64_t head_len = options->is_stamped ? RP_LOAD_STAMP_LEN : 0;
    if (options->is_stamped) {
        mail->hashes = calloc(count, sizeof(mail->hashes[0]));
        if (mail->hashes == NULL) {
            (void)snprintf(error, error_len, "%s: %s", options->corpus, strerror(ENOMEM));
            return -ENOMEM;
        }
    }
    mail->size_min = UINT64_MAX;
    for (size_t index = 0; index < count; index++) {
        struct rp_span plain = rp_load_corpus_get(mail->corpus, index)->plain;
        uint64_t size = head_len + plain.len;
        mail->size_min = size < mail->size_min ? size : mail->size_min;
        mail->size_max = size > mail->size_max ? size : mail->size_max;
        if (mail->hashes != NULL) {
            mail->hashes[index] = rp_load_stamp_hash(plain.ptr, plain.len);
        }
    }
    return 0;
}

static void choose(const struct rp_load_mail *mail,
                   uint64_t number,
                   struct rp_load_mail_message *message)
{
    size_t index = (size_t)(number % rp_load_corpus_count(mail->corpus));
    const struct rp_load_corpus_message *chosen = rp_load_corpus_get(mail->corpus, index);
    message->rest = chosen->plain;
    message->rest_stuffed = chosen->stuffed;
    message->head_len = mail->hashes != NULL ? RP_LOAD_STAMP_LEN : 0;
    message->body_len = message->head_len + chosen->plain.len;
    if (mail->hashes != NULL) {
        struct rp_load_stamp stamp = {
            .run = mail->run,
            .number = number,
            .length = message->body_len,
            .head_len = message->head_len,
            .rest_hash = mail->hashes[index],
        };
        rp_load_stamp_write(message->head, &stamp, rp_load_stamp_seed("", 0));
    }
}

/* ---- both ---- */

int rp_load_mail_open(const struct rp_load_mail_options *options,
                      struct rp_load_mail **mail_out,
                      char *error,
                      size_t error_len)
{
    struct rp_load_mail *mail = calloc(1, sizeof(*mail));
    if (mail == NULL) {
        (void)snprintf(error, error_len, "%s", strerror(ENOMEM));
        return -ENOMEM;
    }
    mail->run = options->run;
    int result = options->corpus != NULL ? open_corpus(mail, options, error, error_len)
                                         : open_generated(mail, options, error, error_len);
    if (result != 0) {
        rp_load_mail_close(mail);
        return result;
    }
    *mail_out = mail;
    return 0;
}

void rp_load_mail_close(struct rp_load_mail *mail)
{
    if (mail == NULL) {
        return;
    }
    rp_load_text_close(&mail->text);
    rp_load_corpus_close(mail->corpus);
    free(mail->behind);
    free(mail->hashes);
    free(mail);
}

void rp_load_mail_info(const struct rp_load_mail *mail, struct rp_load_mail_info *info_out)
{
    *info_out = (struct rp_load_mail_info){
        .messages = mail->corpus != NULL ? rp_load_corpus_count(mail->corpus) : 0,
        .size_min = mail->size_min,
        .size_max = mail->size_max,
        .lone_cr = mail->corpus != NULL ? rp_load_corpus_lone_cr(mail->corpus) : 0,
    };
}

void rp_load_mail_next(const struct rp_load_mail *mail,
                       uint64_t *random,
                       uint64_t number,
                       struct rp_load_mail_message *message_out)
{
    if (mail->corpus != NULL) {
        choose(mail, number, message_out);
    } else {
        generate(mail, draw_size(mail, random), number, message_out);
    }
}
