/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * smtp_param.c - the table of MAIL and RCPT parameters.
 */
#include "smtp_param.h"

#include "smtp_verb.h"

#include <assert.h>

/* RFC 1870, 3: size-value = 1*20DIGIT. */
#define SIZE_DIGITS_MAX 20

typedef const struct rp_reply *(*take_fn)(const struct rp_smtp_config *config,
                                          struct rp_span value,
                                          struct rp_smtp_mail *mail);

struct row {
    struct rp_span keyword;
    uint8_t verb;        /* enum rp_smtp_verb */
    bool has_value;      /* it must have one; else it must not */
    bool needs_smtputf8; /* known only where smtp.smtputf8 is on */
    take_fn take;
    const struct rp_reply *refusal; /* of a missing value, or of one that must not be there */
};

static const struct rp_reply refuse_size = {501, "5.5.4", "Error: SIZE takes a number"};
static const struct rp_reply refuse_body = {501, "5.5.4",
                                            "Error: BODY can only be one of 7BIT, 8BITMIME"};
static const struct rp_reply refuse_smtputf8 = {501, "5.5.4", "Error: SMTPUTF8 takes no arguments"};

/* RFC 1870, 4 and 6.1. Twenty digits may be more than 64 bits hold: that is "too much" too. */
static const struct rp_reply *take_size(const struct rp_smtp_config *config,
                                        struct rp_span value,
                                        struct rp_smtp_mail *mail)
{
    static const struct rp_reply too_big = {
        552, "5.3.4", "Error: message size exceeds fixed maximum message size"};
    if (value.len > SIZE_DIGITS_MAX) {
        return &refuse_size;
    }

    uint64_t size = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9') {
            return &refuse_size;
        }
        const uint64_t digit = (uint64_t)value.ptr[i] - '0';
        if (__builtin_mul_overflow(size, 10, &size) || __builtin_add_overflow(size, digit, &size)) {
            size = UINT64_MAX;
        }
    }
    if (config->message_size_max != 0 && size > config->message_size_max) {
        return &too_big;
    }
    mail->size = size;
    return NULL;
}

/* RFC 6152, 3. BINARYMIME needs CHUNKING (RFC 3030), which is not offered. */
static const struct rp_reply *take_body(const struct rp_smtp_config *config,
                                        struct rp_span value,
                                        struct rp_smtp_mail *mail)
{
    (void)config; /* 8BITMIME cannot be turned off */
    if (rp_smtp_verb_is_word(value, RP_SPAN_OF("7BIT"))) {
        mail->body = RP_SMTP_BODY_7BIT;
        return NULL;
    }
    if (rp_smtp_verb_is_word(value, RP_SPAN_OF("8BITMIME"))) {
        mail->body = RP_SMTP_BODY_8BITMIME;
        return NULL;
    }
    return &refuse_body;
}

/* RFC 6531, 3.4. */
static const struct rp_reply *take_smtputf8(const struct rp_smtp_config *config,
                                            struct rp_span value,
                                            struct rp_smtp_mail *mail)
{
    (void)config; /* the row says when it is on */
    (void)value;  /* the row says that there is none */
    mail->smtputf8 = true;
    return NULL;
}

/* clang-format off */
#define TEXT(literal) {.ptr = (const uint8_t *)(literal), .len = sizeof(literal) - 1}
static const struct row rows[] = {
    /* keyword            verb                has value  SMTPUTF8 on  take           refusal */
    {TEXT("SIZE"),      RP_SMTP_VERB_MAIL,  true,      false,       take_size,     &refuse_size},
    {TEXT("BODY"),      RP_SMTP_VERB_MAIL,  true,      false,       take_body,     &refuse_body},
    {TEXT("SMTPUTF8"),  RP_SMTP_VERB_MAIL,  false,     true,        take_smtputf8, &refuse_smtputf8},
};
/* clang-format on */

#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))

/* A parameter, cut at its "=". */
struct param {
    struct rp_span keyword;
    struct rp_span value;
    bool has_value;
};

static inline uint32_t are_of_keyword(struct rp_octets block)
{
    const struct rp_octets letter = rp_octets_between(rp_octets_or_bits(block, 0x20), 'a', 'z');
    const struct rp_octets digit = rp_octets_between(block, '0', '9');
    const struct rp_octets hyphen = rp_octets_equal(block, '-');
    return rp_octets_mask(rp_octets_or(rp_octets_or(letter, digit), hyphen));
}

static inline uint32_t are_of_value(struct rp_octets block)
{
    const struct rp_octets below = rp_octets_between(block, '!', '=' - 1);
    const struct rp_octets above = rp_octets_between(block, '=' + 1, '~');
    return rp_octets_mask(rp_octets_or(below, above));
}

/* Take octets off the front. */
static struct rp_span take(struct rp_span *from, size_t len)
{
    const struct rp_span taken = {from->ptr, len};
    from->ptr += len;
    from->len -= len;
    return taken;
}

static void skip_spaces(struct rp_span *params)
{
    while (params->len > 0 && *params->ptr == ' ') {
        (void)take(params, 1);
    }
}

/*
 * Take a parameter off the front of *params:
 *
 *     esmtp-param   = esmtp-keyword ["=" esmtp-value]
 *     esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-")
 *     esmtp-value   = 1*(%d33-60 / %d62-126)
 *
 * The value may be empty here. False where the word is none.
 */
static bool take_param(struct rp_span *params, struct param *param_out)
{
    const struct rp_span keyword =
        take(params, rp_octets_count(params->ptr, params->len, are_of_keyword));
    if (keyword.len == 0 || *keyword.ptr == '-') {
        return false;
    }
    struct rp_span value = {params->ptr, 0};
    const bool has_value = params->len > 0 && *params->ptr == '=';
    if (has_value) {
        (void)take(params, 1);
        value = take(params, rp_octets_count(params->ptr, params->len, are_of_value));
    }
    *param_out = (struct param){keyword, value, has_value};
    return params->len == 0 || *params->ptr == ' ';
}

static size_t find_row(const struct rp_smtp_config *config,
                       enum rp_smtp_verb verb,
                       struct rp_span keyword)
{
    size_t at = 0;
    for (; at < ROW_COUNT; at++) {
        if (rows[at].verb == verb && (config->smtputf8 || !rows[at].needs_smtputf8) &&
            rp_smtp_verb_is_word(keyword, rows[at].keyword)) {
            break;
        }
    }
    return at;
}

const struct rp_reply *rp_smtp_param_parse(const struct rp_smtp_config *config,
                                           enum rp_smtp_verb verb,
                                           struct rp_span params,
                                           struct rp_smtp_mail *mail)
{
    static const struct rp_reply malformed = {501, "5.5.4", "Error: malformed parameter"};
    static const struct rp_reply twice = {501, "5.5.4", "Error: parameter given twice"};
    static const struct rp_reply unknown_to_mail = {
        555, "5.5.4", "MAIL FROM parameters not recognized or not implemented"};
    static const struct rp_reply unknown_to_rcpt = {
        555, "5.5.4", "RCPT TO parameters not recognized or not implemented"};
    assert(verb == RP_SMTP_VERB_MAIL || verb == RP_SMTP_VERB_RCPT);

    uint32_t seen = 0; /* a bit a row */
    for (skip_spaces(&params); params.len > 0; skip_spaces(&params)) {
        struct param param;
        if (!take_param(&params, &param)) {
            return &malformed;
        }
        const size_t at = find_row(config, verb, param.keyword);
        if (at == ROW_COUNT) {
            return verb == RP_SMTP_VERB_MAIL ? &unknown_to_mail : &unknown_to_rcpt;
        }
        if ((seen >> at & 1) != 0) {
            return &twice;
        }
        seen |= UINT32_C(1) << at;

        const struct row *row = &rows[at];
        if (row->has_value != (param.value.len > 0) || row->has_value != param.has_value) {
            return row->refusal;
        }
        const struct rp_reply *refusal = row->take(config, param.value, mail);
        if (refusal != NULL) {
            return refusal;
        }
    }
    return NULL;
}
