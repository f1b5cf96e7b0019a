/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_reply.c - the replies of an SMTP server, read strictly (RFC 5321, section 4.2).
 */
#include "load_reply.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define CODE_LEN 3u

void rp_load_reply_init(struct rp_load_reply *reply)
{
    /* What is kept is not read beyond kept_len: no need to clear a KiB. */
    reply->code = 0;
    reply->line_count = 0;
    reply->kept_len = 0;
    reply->is_bad = false;
}

static void keep(struct rp_load_reply *reply, const uint8_t *ptr, size_t len)
{
    assert(len <= sizeof(reply->kept) - reply->kept_len);
    if (len > 0) {
        memcpy(reply->kept + reply->kept_len, ptr, len);
        reply->kept_len = (uint16_t)(reply->kept_len + len);
    }
}

/* 0 where the line does not begin with a code. */
static unsigned read_code(const uint8_t *ptr, size_t len)
{
    if (len < CODE_LEN || ptr[0] < '2' || ptr[0] > '5' || ptr[1] < '0' || ptr[1] > '5' ||
        ptr[2] < '0' || ptr[2] > '9') {
        return 0;
    }
    return (unsigned)(ptr[0] - '0') * 100 + (unsigned)(ptr[1] - '0') * 10 +
           (unsigned)(ptr[2] - '0');
}

/* A line without its LF; `line` is filled in as far as it can be read. */
static enum rp_load_reply_step judge(struct rp_load_reply *reply, struct rp_load_reply_line *line)
{
    struct rp_span whole = line->whole;
    if (whole.len == 0 || whole.ptr[whole.len - 1] != '\r') {
        return RP_LOAD_REPLY_BAD;
    }
    line->whole.len = --whole.len;
    unsigned code = read_code(whole.ptr, whole.len);
    bool is_short = whole.len == CODE_LEN;
    uint8_t mark = whole.len > CODE_LEN ? whole.ptr[CODE_LEN] : ' ';
    if (code == 0 || (mark != ' ' && mark != '-') ||
        (reply->line_count > 0 && code != reply->code) ||
        memchr(whole.ptr, '\r', whole.len) != NULL) {
        return RP_LOAD_REPLY_BAD;
    }
    line->code = code;
    line->text = (struct rp_span){
        .ptr = whole.ptr + CODE_LEN + (is_short ? 0 : 1),
        .len = whole.len - CODE_LEN - (is_short ? 0 : 1),
    };
    if (mark == '-') {
        reply->code = (uint16_t)code;
        reply->line_count++;
        return reply->line_count < RP_LOAD_REPLY_LINES_MAX ? RP_LOAD_REPLY_LINE : RP_LOAD_REPLY_BAD;
    }
    reply->line_count = 0;
    return RP_LOAD_REPLY_LAST;
}

static enum rp_load_reply_step fail(struct rp_load_reply *reply,
                                    struct rp_span whole,
                                    struct rp_load_reply_line *line_out)
{
    reply->is_bad = true;
    if (whole.ptr != reply->kept) {
        reply->kept_len = 0;
        keep(reply, whole.ptr, whole.len < sizeof(reply->kept) ? whole.len : sizeof(reply->kept));
        whole = (struct rp_span){.ptr = reply->kept, .len = reply->kept_len};
    }
    reply->kept_len = (uint16_t)whole.len; /* without the line's end */
    *line_out = (struct rp_load_reply_line){.whole = whole};
    return RP_LOAD_REPLY_BAD;
}

enum rp_load_reply_step rp_load_reply_next(struct rp_load_reply *reply,
                                           struct rp_span *in,
                                           struct rp_load_reply_line *line_out)
{
    struct rp_span kept = {.ptr = reply->kept, .len = reply->kept_len};
    if (reply->is_bad) {
        return fail(reply, kept, line_out);
    }
    if (in->len == 0) {
        return RP_LOAD_REPLY_MORE;
    }
    const uint8_t *end = memchr(in->ptr, '\n', in->len);
    size_t piece = end != NULL ? (size_t)(end - in->ptr) + 1 : in->len;
    size_t room = sizeof(reply->kept) - reply->kept_len;
    if (piece > room || (end == NULL && piece == room)) {
        keep(reply, in->ptr, room < piece ? room : piece);
        return fail(reply, (struct rp_span){.ptr = reply->kept, .len = reply->kept_len}, line_out);
    }
    struct rp_span whole = {.ptr = in->ptr, .len = piece};
    if (end == NULL || reply->kept_len > 0) {
        keep(reply, in->ptr, piece);
        whole = (struct rp_span){.ptr = reply->kept, .len = reply->kept_len};
    }
    in->ptr += piece;
    in->len -= piece;
    if (end == NULL) {
        return RP_LOAD_REPLY_MORE;
    }
    reply->kept_len = 0; /* the octets stay until the next call */
    struct rp_load_reply_line line = {
        .whole = {.ptr = whole.ptr, .len = whole.len - 1}
    };
    enum rp_load_reply_step step = judge(reply, &line);
    if (step == RP_LOAD_REPLY_BAD) {
        return fail(reply, line.whole, line_out);
    }
    *line_out = line;
    return step;
}
