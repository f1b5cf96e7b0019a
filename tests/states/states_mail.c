/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * states_mail.c - see states_mail.h.
 */
#include "states_mail.h"

#include <stdio.h>
#include <string.h>

/* Lines of 76 characters, as an attachment has them. */
static void fill_lines(uint8_t *ptr, size_t len, struct sim_random *random)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint64_t word = 0;
    for (size_t i = 0; i < len; i++) {
        word = i % 10 == 0 ? sim_random_next(random) : word >> 6;
        size_t column = i % 78;
        ptr[i] = (uint8_t)(column == 76 ? '\r' : column == 77 ? '\n' : alphabet[word & 63]);
    }
}

/* NULs from here and there on, some of them whole sectors. */
static void punch_holes(uint8_t *ptr, size_t len, struct sim_random *random)
{
    for (uint64_t i = sim_random_between(random, 1, 6); i > 0; i--) {
        size_t from = (size_t)sim_random_below(random, len);
        size_t hole = (size_t)sim_random_spread(random, 1, 6000);
        memset(ptr + from, 0, hole < len - from ? hole : len - from);
    }
}

/* Octets of the spool, at the places where records begin if the body begins at a block. */
static size_t quote(uint8_t *ptr, const struct iovec *quoted, struct sim_random *random)
{
    size_t blocks = quoted->iov_len / RP_SPOOL_BLOCK;
    size_t from = (size_t)sim_random_below(random, blocks) * RP_SPOOL_BLOCK;
    size_t len = quoted->iov_len - from;
    len = len < STATES_MAIL_BODY_MAX ? len : STATES_MAIL_BODY_MAX;
    memcpy(ptr, (const uint8_t *)quoted->iov_base + from, len);
    return len;
}

static size_t fill_body(struct states_mail *mail,
                        enum states_mail_kind kind,
                        struct sim_random *random,
                        const struct iovec *quoted)
{
    size_t len = 0;
    switch (kind) {
    case STATES_MAIL_TINY:
    case STATES_MAIL_RCPTS: len = (size_t)sim_random_between(random, 1, 300); break;
    case STATES_MAIL_EMPTY: return 0;
    case STATES_MAIL_ZEROS:
        len = (size_t)sim_random_spread(random, 1, 20000);
        memset(mail->body, 0, len);
        return len;
    case STATES_MAIL_HOLES: len = (size_t)sim_random_between(random, 600, 12000); break;
    case STATES_MAIL_EXACT:
        len = (size_t)sim_random_between(random, 1, 8) *
              (sim_random_chance(random, 500000) ? RP_SPOOL_SECTOR : RP_SPOOL_BLOCK);
        break;
    case STATES_MAIL_LINES: len = (size_t)sim_random_between(random, 1500, 14000); break;
    case STATES_MAIL_LARGE: len = (70u << 10) + (size_t)sim_random_below(random, 700); break;
    case STATES_MAIL_QUOTING:
        if (quoted != NULL && quoted->iov_len >= RP_SPOOL_BLOCK) {
            return quote(mail->body, quoted, random);
        }
        len = 100;
        break;
    case STATES_MAIL_BIG: len = (size_t)sim_random_between(random, 5000, 15000); break;
    case STATES_MAIL_KIND_COUNT: break;
    }
    fill_lines(mail->body, len, random);
    if (kind == STATES_MAIL_HOLES) {
        punch_holes(mail->body, len, random);
    }
    return len;
}

static uint8_t *put_text(uint8_t *place, enum rp_spool_tag tag, const char *text)
{
    return rp_spool_item_put(place, tag, text, strlen(text));
}

void states_mail_make(struct states_mail *mail,
                      enum states_mail_kind kind,
                      struct sim_random *random,
                      const struct iovec *quoted,
                      uint64_t big_id)
{
    mail->body_len = fill_body(mail, kind, random, quoted);
    mail->is_block_aligned = mail->body_len >= RP_SPOOL_BLOCK && big_id == 0 &&
                             (kind == STATES_MAIL_LARGE || sim_random_chance(random, 300000));
    uint8_t *end = mail->head + sizeof(struct rp_spool_record);
    end = put_text(end, RP_SPOOL_TAG_CLIENT_ADDR, "192.0.2.1");
    end = put_text(end, RP_SPOOL_TAG_HELO, "client.example.org");
    char text[64];
    (void)snprintf(text, sizeof text, "sender-%llu@example.org",
                   (unsigned long long)sim_random_below(random, 1000000));
    end = put_text(end, RP_SPOOL_TAG_SENDER, text);
    uint64_t count = kind == STATES_MAIL_RCPTS ? sim_random_between(random, 30, 250) : 1;
    for (uint64_t i = 0; i < count; i++) {
        (void)snprintf(text, sizeof text, "rcpt-%llu@example.net", (unsigned long long)i);
        end = put_text(end, RP_SPOOL_TAG_RECIPIENT, text);
    }
    if (big_id != 0) {
        end = rp_spool_item_put(end, RP_SPOOL_TAG_BIG_ID, &big_id, sizeof big_id);
    }
    mail->head_len = (size_t)(end - mail->head);
}
