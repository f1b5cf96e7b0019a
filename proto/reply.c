/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reply.c - write reply lines (RFC 5321, 4.2.1; enhanced codes: RFC 2034, 4).
 */
#include "rp_reply.h"

#include "reply.h"

#include <assert.h>
#include <string.h>

/* The digits of the greatest number of 64 bits. */
#define NUMBER_LEN_MAX 20

void rp_reply_put_number(struct rp_reply_out *out, uint64_t number)
{
    uint8_t digits[NUMBER_LEN_MAX];
    size_t at = NUMBER_LEN_MAX;
    do {
        digits[--at] = (uint8_t)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    rp_reply_put_octets(out, (struct rp_span){digits + at, NUMBER_LEN_MAX - at});
}

/* Append as much of the octets as ends before `end`, an offset into the output. */
static void put_before(struct rp_reply_out *out, size_t end, struct rp_span octets)
{
    const size_t room = end - out->len;
    if (octets.len > room) {
        octets.len = room;
    }
    rp_reply_put_octets(out, octets);
}

static struct rp_span span_of(const char *text)
{
    return (struct rp_span){(const uint8_t *)text, strlen(text)};
}

void rp_reply_put_parts(struct rp_reply_out *out,
                        const struct rp_reply *reply,
                        const struct rp_span *parts,
                        size_t part_count)
{
    assert(rp_reply_has_room(out));
    assert(reply->code >= 200 && reply->code <= 599);

    const size_t end = out->len + RP_REPLY_MAX - 2;
    const uint8_t code[] = {
        (uint8_t)('0' + reply->code / 100),
        (uint8_t)('0' + reply->code / 10 % 10),
        (uint8_t)('0' + reply->code % 10),
        ' ',
    };
    rp_reply_put_octets(out, (struct rp_span){code, sizeof(code)});
    if (reply->enhanced != NULL) {
        put_before(out, end, span_of(reply->enhanced));
        put_before(out, end, RP_SPAN_OF(" "));
    }
    put_before(out, end, span_of(reply->text));
    for (size_t i = 0; i < part_count; i++) {
        put_before(out, end, parts[i]);
    }
    rp_reply_put_octets(out, RP_SPAN_OF("\r\n"));
}

void rp_reply_put(struct rp_reply_out *out, const struct rp_reply *reply)
{
    rp_reply_put_parts(out, reply, NULL, 0);
}

void rp_reply_put_queued(struct rp_reply_out *out, struct rp_span id)
{
    static const struct rp_reply queued = {250, "2.0.0", "OK queued as "};
    rp_reply_put_parts(out, &queued, &id, 1);
}
