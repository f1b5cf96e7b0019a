/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_script.c - the commands of a run, written out once.
 */
#include "load_script.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A line of ours with the longest address; also what each command but RCPT takes at most. */
#define LINE_MAX_LEN 320u

struct place {
    uint8_t *ptr;
    size_t len; /* used */
    size_t size;
};

/* Append a line; the span of it. */
static struct rp_span put(struct place *place, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static struct rp_span put(struct place *place, const char *format, ...)
{
    size_t room = place->size - place->len;
    char *start = (char *)place->ptr + place->len;
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(start, room, format, arguments);
    va_end(arguments);
    assert(len >= 0 && (size_t)len < room);
    place->len += (size_t)len;
    return (struct rp_span){.ptr = (const uint8_t *)start, .len = (size_t)len};
}

static void write_single(struct rp_load_script *script, struct place *place)
{
    const struct rp_load_script_options *options = &script->options;
    struct rp_span *texts = script->texts;
    const char *hello = options->is_lmtp ? "LHLO" : "EHLO";
    texts[RP_LOAD_SCRIPT_HELLO] = put(place, "%s %s\r\n", hello, options->domain);
    texts[RP_LOAD_SCRIPT_HELO] = put(place, "HELO %s\r\n", options->domain);
    texts[RP_LOAD_SCRIPT_RSET] = put(place, "RSET\r\n");
    texts[RP_LOAD_SCRIPT_QUIT] = put(place, "QUIT\r\n");
    texts[RP_LOAD_SCRIPT_EMPTY] = put(place, ".\r\n");
    texts[RP_LOAD_SCRIPT_LOGIN] = put(place, "AUTH LOGIN\r\n");
}

static void write_group(struct rp_load_script *script, struct place *place)
{
    const struct rp_load_script_options *options = &script->options;
    struct rp_span mail = options->sender != NULL
                              ? put(place, "MAIL FROM:<%s>\r\n", options->sender)
                              : put(place, "MAIL FROM:<load@%s>\r\n", options->domain);
    size_t start = place->len - mail.len;
    for (uint32_t index = 0; index < options->recipients; index++) {
        script->rcpt_offs[index] = (uint32_t)(place->len - start);
        (void)put(place, "RCPT TO:<user%u@%s>\r\n", index + 1, options->domain);
    }
    script->rcpt_offs[options->recipients] = (uint32_t)(place->len - start);
    script->texts[RP_LOAD_SCRIPT_MAIL] = mail;
    if (options->mode != RP_LOAD_BDAT) {
        script->texts[RP_LOAD_SCRIPT_DATA] = put(place, "DATA\r\n");
    }
    script->group = (struct rp_span){.ptr = mail.ptr, .len = place->len - start};
}

int rp_load_script_open(const struct rp_load_script_options *options,
                        struct rp_load_script **script_out)
{
    assert(options->recipients > 0 && options->recipients <= RP_LOAD_RECIPIENTS_MAX);
    assert(options->depth > 0 && options->depth <= RP_LOAD_DEPTH_MAX);
    assert(options->mode != RP_LOAD_PLAIN || options->depth == 1);
    assert(options->mode != RP_LOAD_PIPELINED || options->depth <= 2);
    assert(strlen(options->domain) <= RP_LOAD_DOMAIN_MAX);
    struct rp_load_script *script = calloc(1, sizeof(*script));
    if (script == NULL) {
        return -ENOMEM;
    }
    script->options = *options;
    struct place place = {
        .size = ((size_t)RP_LOAD_SCRIPT_COUNT + options->recipients) * LINE_MAX_LEN + 1,
    };
    script->rcpt_offs = calloc((size_t)options->recipients + 1, sizeof(*script->rcpt_offs));
    place.ptr = script->memory = malloc(place.size);
    if (script->rcpt_offs == NULL || script->memory == NULL) {
        rp_load_script_close(script);
        return -ENOMEM;
    }
    write_single(script, &place);
    write_group(script, &place);
    *script_out = script;
    return 0;
}

void rp_load_script_close(struct rp_load_script *script)
{
    if (script == NULL) {
        return;
    }
    free(script->rcpt_offs);
    free(script->memory);
    free(script);
}

uint32_t rp_load_script_bdat(uint64_t body_len, char place[RP_LOAD_SCRIPT_BDAT_MAX])
{
    static const char start[] = "BDAT ";
    static const char end[] = " LAST\r\n";
    char digits[20]; /* of 64 bits */
    uint32_t count = 0;
    do {
        digits[sizeof(digits) - ++count] = (char)('0' + body_len % 10);
        body_len /= 10;
    } while (body_len > 0);
    memcpy(place, start, sizeof(start) - 1);
    memcpy(place + sizeof(start) - 1, digits + sizeof(digits) - count, count);
    memcpy(place + sizeof(start) - 1 + count, end, sizeof(end) - 1);
    return (uint32_t)(sizeof(start) - 1 + count + sizeof(end) - 1);
}
