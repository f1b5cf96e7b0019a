/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_mail.c - messages: numbers, addresses, and bodies with everything nasty in them.
 */
#include "sim_mail.h"

#include <stdio.h>
#include <xxhash.h>

static struct {
    uint64_t seed;
    const struct rp_config *config;
    struct sim_mail **mails;
    uint64_t count;
} mails;

void sim_mail_open(uint64_t seed, const struct rp_config *config)
{
    assert(mails.count == 0);
    mails.seed = seed;
    mails.config = config;
}

void sim_mail_close(void)
{
    for (uint64_t i = 0; i < mails.count; i++) {
        free(mails.mails[i]->recipient_fates);
        free(mails.mails[i]);
    }
    free(mails.mails);
    mails.mails = NULL;
    mails.count = 0;
}

struct sim_mail *sim_mail_new(void)
{
    struct sim_mail *mail = calloc(1, sizeof(*mail));
    mails.mails = reallocarray(mails.mails, mails.count + 1, sizeof(struct sim_mail *));
    assert(mail != NULL && mails.mails != NULL);
    mail->number = mails.count;
    mail->seed = mails.seed ^ (mails.count * 0x9e3779b97f4a7c15ULL);
    mails.mails[mails.count++] = mail;
    return mail;
}

bool sim_mail_place(struct sim_mail *mail)
{
    /* "LLL-SSSSSSSSSS-OOOOOO" */
    mail->segment = strtoull(mail->id + 4, NULL, 16);
    mail->from = strtoull(mail->id + 15, NULL, 16) * 64;
    for (uint64_t i = 0; i < mails.count; i++) {
        const struct sim_mail *other = mails.mails[i];
        if (other != mail && other->fate == SIM_FATE_TAKEN && other->segment == mail->segment &&
            other->from == mail->from) {
            return true;
        }
    }
    return false;
}

struct sim_mail *sim_mail_find(uint64_t number)
{
    return number < mails.count ? mails.mails[number] : NULL;
}

uint64_t sim_mail_count(void)
{
    return mails.count;
}

/* ---- addresses ---- */

uint32_t sim_mail_add_sender(struct sim_mail *mail, bool is_null)
{
    assert(mail->sender_count < SIM_MAIL_SENDERS);
    uint32_t index = mail->sender_count++;
    (void)snprintf(mail->senders[index], SIM_MAIL_ADDRESS_LEN, "s%u-m%llu@sender.example", index,
                   (unsigned long long)mail->number);
    if (is_null) {
        mail->senders[index][0] = '\0';
    }
    return index;
}

uint32_t sim_mail_add_recipient(struct sim_mail *mail)
{
    uint32_t index = mail->recipient_count++;
    mail->recipient_fates =
        reallocarray(mail->recipient_fates, mail->recipient_count, sizeof(enum sim_fate));
    assert(mail->recipient_fates != NULL);
    mail->recipient_fates[index] = SIM_FATE_OPEN;
    return index;
}

void sim_mail_recipient(const struct sim_mail *mail,
                        uint32_t index,
                        char address[SIM_MAIL_ADDRESS_LEN])
{
    (void)snprintf(address, SIM_MAIL_ADDRESS_LEN, "r%u-m%llu@recipient.example", index,
                   (unsigned long long)mail->number);
}

uint64_t sim_mail_number_of(const uint8_t *address, size_t len)
{
    const uint8_t *dash = memchr(address, '-', len);
    size_t at = dash == NULL ? len : (size_t)(dash - address) + 1;
    if (at >= len || address[at] != 'm') {
        return UINT64_MAX;
    }
    uint64_t number = 0;
    for (at++; at < len && address[at] >= '0' && address[at] <= '9'; at++) {
        number = number * 10 + (uint64_t)(address[at] - '0');
    }
    return number;
}

/* ---- bodies ---- */

/* Octets of one line without CR and LF. */
static void put_text(struct sim_bytes *out, struct sim_random *random, size_t len, bool is_binary)
{
    uint8_t *place = sim_bytes_room(out, len + 8);
    for (size_t i = 0; i < len; i += 8) {
        uint64_t eight = sim_random_next(random);
        if (!is_binary) {
            /* Letters and the like: 0x40 to 0x5f and 0x60 to 0x7e; never a dot, CR or LF. */
            eight = (eight & 0x1f1f1f1f1f1f1f1fULL) | 0x4040404040404040ULL;
        }
        memcpy(place + i, &eight, 8);
    }
    for (size_t i = 0; is_binary && i < len; i++) {
        place[i] = place[i] == '\r' || place[i] == '\n' ? 0 : place[i];
    }
    sim_bytes_grow(out, len);
}

static void put_line(const struct sim_mail *mail, struct sim_bytes *out, struct sim_random *random)
{
    static const char *const dotted[] = {".", "..", ". ", ".x", "...", ".\t"};
    static const char *const bare[] = {"\r",    "\n",   "\n.\n", "\r.\r",
                                       "\n.\r", "\r\r", "a\nb",  "\n.."};
    size_t line_max = mails.config->smtp.line_length_max;
    size_t usual = line_max == 0 || line_max > 90 ? 78 : line_max - 12;

    if (sim_random_chance(random, mail->dot_ppm)) {
        sim_bytes_put_text(out, dotted[sim_random_below(random, 6)]);
    }
    if (mail->wants_bare && sim_random_chance(random, 200000)) {
        sim_bytes_put_text(out, bare[sim_random_below(random, 8)]);
    }
    size_t len = (size_t)sim_random_below(random, usual);
    if (mail->wants_long && line_max > 0 && sim_random_chance(random, 100000)) {
        len = line_max - 6 + (size_t)sim_random_below(random, 10);
    }
    put_text(out, random, len, sim_random_chance(random, mail->nul_ppm));
    if (mail->wants_bare && sim_random_chance(random, 100000)) {
        sim_bytes_put_text(out, bare[sim_random_below(random, 8)]);
    }
    sim_bytes_put_text(out, "\r\n");
}

/* The body as its author has it: lines that end in CRLF, perhaps with bare ones inside. */
static void make_plain(const struct sim_mail *mail, struct sim_bytes *out)
{
    struct sim_random random = sim_random_from(mail->seed, "body");
    while (sim_bytes_len(out) + 100 < mail->size) {
        put_line(mail, out, &random);
    }
    size_t len = sim_bytes_len(out);
    if (mail->is_exact && mail->size >= len + 2) {
        while (mail->size - sim_bytes_len(out) > 62) {
            put_text(out, &random, 48, false);
            sim_bytes_put_text(out, "\r\n");
        }
        put_text(out, &random, mail->size - sim_bytes_len(out) - 2, false);
        sim_bytes_put_text(out, "\r\n");
    } else if (!mail->is_exact && mail->size > 0) {
        put_line(mail, out, &random);
    }
}

/* body.bare_newline = normalize: each bare CR or LF becomes CRLF. */
static void put_normalized(struct sim_bytes *out, const uint8_t *plain, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (plain[i] == '\r') {
            sim_bytes_put_text(out, "\r\n");
            i += i + 1 < len && plain[i + 1] == '\n' ? 1 : 0;
        } else if (plain[i] == '\n') {
            sim_bytes_put_text(out, "\r\n");
        } else {
            sim_bytes_put(out, plain + i, 1);
        }
    }
}

static bool find_bare(const uint8_t *plain, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bool is_crlf = plain[i] == '\r' && i + 1 < len && plain[i + 1] == '\n';
        if (is_crlf) {
            i++;
        } else if (plain[i] == '\r' || plain[i] == '\n') {
            return true;
        }
    }
    return false;
}

/* Stuff dots (RFC 5321, 4.5.2), and end the data. Any line that has an octet may be stuffed: some
 * are that do not need it. Gives the length of the longest line as sent, with its CRLF. */
static size_t put_wire(const struct sim_mail *mail,
                       struct sim_bytes *out,
                       const uint8_t *plain,
                       size_t len)
{
    struct sim_random random = sim_random_from(mail->seed, "stuffing");
    size_t longest = 0;
    for (size_t at = 0; at < len;) {
        const uint8_t *end = memmem(plain + at, len - at, "\r\n", 2);
        assert(end != NULL);
        size_t line_len = (size_t)(end - plain) - at + 2;
        bool is_stuffed =
            plain[at] == '.' || (line_len > 2 && sim_random_chance(&random, mail->dot_ppm / 4));
        if (is_stuffed) {
            sim_bytes_put(out, ".", 1);
        }
        sim_bytes_put(out, plain + at, line_len);
        at += line_len;
        line_len += is_stuffed ? 1 : 0;
        longest = longest > line_len ? longest : line_len;
    }
    sim_bytes_put_text(out, ".\r\n");
    return longest;
}

void sim_mail_make_body(struct sim_mail *mail, struct sim_bytes *wire, struct sim_bytes *stored)
{
    const struct rp_smtp_config *config = &mails.config->smtp;
    struct sim_bytes plain = {0};
    struct sim_bytes sent = {0};
    struct sim_bytes kept = {0};
    make_plain(mail, &plain);
    size_t len = sim_bytes_len(&plain);
    size_t longest = put_wire(mail, &sent, plain.ptr, len);
    if (config->bare_newline == RP_DOT_NORMALIZE && find_bare(plain.ptr, len)) {
        put_normalized(&kept, plain.ptr, len);
    } else {
        sim_bytes_put(&kept, plain.ptr, len);
    }

    mail->body_len = sim_bytes_len(&kept);
    mail->body_hash = XXH3_64bits(kept.ptr, mail->body_len);
    mail->is_too_big = config->message_size_max != 0 && mail->body_len > config->message_size_max;
    mail->has_bare = config->bare_newline == RP_DOT_REJECT && find_bare(plain.ptr, len);
    mail->has_long_line = config->line_length_max != 0 && longest > config->line_length_max;
    if (wire != NULL) {
        sim_bytes_put(wire, sent.ptr, sim_bytes_len(&sent));
    }
    if (stored != NULL) {
        sim_bytes_put(stored, kept.ptr, mail->body_len);
    }
    sim_bytes_free(&plain);
    sim_bytes_free(&sent);
    sim_bytes_free(&kept);
}
