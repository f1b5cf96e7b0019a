/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sink_dialog.c - canned replies (RFC 5321, 2033, 3030, 2034 in form only).
 */
#include "sink_dialog.h"

#include <assert.h>
#include <string.h>

#define VERB_LEN 4u

#define EXTENSIONS       \
    "250-floor\r\n"      \
    "250-PIPELINING\r\n" \
    "250-8BITMIME\r\n"   \
    "250-BINARYMIME\r\n" \
    "250-SMTPUTF8\r\n"   \
    "250-CHUNKING\r\n"   \
    "250 ENHANCEDSTATUSCODES\r\n"
#define ACCEPTED "250 2.0.0 OK\r\n"

enum verb {
    VERB_BDAT,
    VERB_DATA,
    VERB_EHLO,
    VERB_HELO,
    VERB_LHLO,
    VERB_MAIL,
    VERB_NOOP,
    VERB_QUIT,
    VERB_RCPT,
    VERB_RSET,
    VERB_VRFY,
    VERB_COUNT, /* none of these */
};

struct verb_row {
    char name[VERB_LEN + 1];
    const char *reply; /* NULL: it depends */
};

/* clang-format off */
static const struct verb_row verbs[VERB_COUNT] = {
    [VERB_BDAT] = {"BDAT", NULL},
    [VERB_DATA] = {"DATA", NULL},
    [VERB_EHLO] = {"EHLO", EXTENSIONS},
    [VERB_HELO] = {"HELO", "250 floor\r\n"},
    [VERB_LHLO] = {"LHLO", EXTENSIONS},
    [VERB_MAIL] = {"MAIL", "250 2.1.0 OK\r\n"},
    [VERB_NOOP] = {"NOOP", ACCEPTED},
    [VERB_QUIT] = {"QUIT", "221 2.0.0 Bye\r\n"},
    [VERB_RCPT] = {"RCPT", "250 2.1.5 OK\r\n"},
    [VERB_RSET] = {"RSET", ACCEPTED},
    [VERB_VRFY] = {"VRFY", "252 2.1.5 OK\r\n"},
};
/* clang-format on */

/* The longest reply is that to EHLO. */
#define REPLY_MAX sizeof(EXTENSIONS)

static void say(struct rp_sink_dialog_out *out, const char *text)
{
    size_t len = strlen(text);
    assert(len <= sizeof(out->text) - out->len);
    memcpy(out->text + out->len, text, len);
    out->len += (uint32_t)len;
}

void rp_sink_dialog_init(struct rp_sink_dialog *dialog, struct rp_sink_dialog_out *out)
{
    dialog->state = RP_SINK_DIALOG_COMMAND;
    dialog->is_lmtp = false;
    dialog->is_last = false;
    dialog->is_end = false;
    dialog->recipients = 0;
    dialog->owed = 0;
    dialog->line_len = 0;
    dialog->bdat_left = 0;
    say(out, "220 floor ESMTP\r\n");
}

/* A message is whole, or a chunk that is not the last one. */
static void finish(struct rp_sink_dialog *dialog, bool is_message)
{
    dialog->state = RP_SINK_DIALOG_COMMAND;
    dialog->is_end = is_message;
    dialog->owed = 1;
    if (is_message) {
        /* RFC 2033, 4.2: a reply for each recipient. */
        dialog->owed = dialog->is_lmtp && dialog->recipients > 0 ? dialog->recipients : 1;
        dialog->recipients = 0;
    }
}

static void say_owed(struct rp_sink_dialog *dialog, struct rp_sink_dialog_out *out)
{
    while (dialog->owed > 0 && sizeof(ACCEPTED) - 1 <= sizeof(out->text) - out->len) {
        say(out, ACCEPTED);
        dialog->owed--;
    }
}

/* ---- command lines ---- */

static enum verb find_verb(const char *line, size_t len)
{
    if (len < VERB_LEN || (len > VERB_LEN && line[VERB_LEN] != ' ')) {
        return VERB_COUNT;
    }
    uint32_t name;
    memcpy(&name, line, VERB_LEN);
    name &= UINT32_C(0xdfdfdfdf); /* upper case */
    for (unsigned verb = 0; verb < VERB_COUNT; verb++) {
        if (memcmp(&name, verbs[verb].name, VERB_LEN) == 0) {
            return (enum verb)verb;
        }
    }
    return VERB_COUNT;
}

/* "BDAT size [LAST]", RFC 3030, 2. False: it is something else, and no octets follow. */
static bool parse_bdat(struct rp_sink_dialog *dialog, const char *line, size_t len)
{
    uint64_t size = 0;
    size_t at = VERB_LEN + 1;
    size_t digits = at;
    for (; at < len && line[at] >= '0' && line[at] <= '9'; at++) {
        if (size > UINT64_MAX / 10 - 1) {
            return false;
        }
        size = size * 10 + (uint64_t)(line[at] - '0');
    }
    if (at == digits) {
        return false;
    }
    bool is_last = len - at == 5 && line[at] == ' ' && (line[at + 1] & 0xdf) == 'L' &&
                   (line[at + 2] & 0xdf) == 'A' && (line[at + 3] & 0xdf) == 'S' &&
                   (line[at + 4] & 0xdf) == 'T';
    if (at != len && !is_last) {
        return false;
    }
    dialog->bdat_left = size;
    dialog->is_last = is_last;
    return true;
}

static void obey_bdat(struct rp_sink_dialog *dialog,
                      struct rp_sink_dialog_out *out,
                      const char *line,
                      size_t len)
{
    if (!parse_bdat(dialog, line, len)) {
        say(out, "501 5.5.4 Syntax: BDAT size [LAST]\r\n");
    } else if (dialog->bdat_left == 0) {
        finish(dialog, dialog->is_last);
    } else {
        dialog->state = RP_SINK_DIALOG_BDAT;
    }
}

static void obey_data(struct rp_sink_dialog *dialog, struct rp_sink_dialog_out *out)
{
    if (dialog->is_lmtp && dialog->recipients == 0) {
        say(out, "503 5.5.1 RCPT first\r\n"); /* RFC 2033, 4.2: no recipient, no reply at the end */
        return;
    }
    say(out, "354 Go ahead\r\n");
    dialog->state = RP_SINK_DIALOG_DATA;
    rp_sink_scan_init(&dialog->scan);
}

/* `len` octets, the line's end still there. */
static void obey(struct rp_sink_dialog *dialog,
                 struct rp_sink_dialog_out *out,
                 const char *line,
                 size_t len)
{
    while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r')) {
        len--;
    }
    enum verb verb = find_verb(line, len);
    switch (verb) {
    case VERB_BDAT: obey_bdat(dialog, out, line, len); return;
    case VERB_DATA: obey_data(dialog, out); return;
    case VERB_LHLO: dialog->is_lmtp = true; break;
    case VERB_RCPT: dialog->recipients++; break;
    case VERB_QUIT: dialog->state = RP_SINK_DIALOG_CLOSED; break;
    case VERB_MAIL:
    case VERB_RSET:
    case VERB_EHLO:
    case VERB_HELO: dialog->recipients = 0; break;
    case VERB_NOOP:
    case VERB_VRFY: break;
    case VERB_COUNT: say(out, "500 5.5.2 Command unknown\r\n"); return;
    }
    say(out, verbs[verb].reply);
}

/* Take a line, or what there is of it. */
static void take_line(struct rp_sink_dialog *dialog,
                      struct rp_span *in,
                      struct rp_sink_dialog_out *out)
{
    const uint8_t *lf = memchr(in->ptr, '\n', in->len);
    size_t len = lf != NULL ? (size_t)(lf - in->ptr) + 1 : in->len;
    const uint8_t *line = in->ptr;
    in->ptr += len;
    in->len -= len;
    if (lf != NULL && dialog->line_len == 0) {
        obey(dialog, out, (const char *)line, len);
        return;
    }
    if (dialog->line_len < sizeof(dialog->line)) {
        size_t room = sizeof(dialog->line) - dialog->line_len;
        memcpy(dialog->line + dialog->line_len, line, len < room ? len : room);
    }
    if (lf == NULL) {
        size_t room = UINT32_MAX - dialog->line_len;
        dialog->line_len += (uint32_t)(len < room ? len : room);
        return;
    }
    size_t whole = dialog->line_len + len;
    dialog->line_len = 0;
    obey(dialog, out, dialog->line, whole < sizeof(dialog->line) ? whole : sizeof(dialog->line));
}

/* ---- bodies ---- */

static struct rp_span take_octets(struct rp_span *in, size_t len)
{
    struct rp_span taken = {.ptr = in->ptr, .len = len};
    in->ptr += len;
    in->len -= len;
    return taken;
}

static struct rp_span take_data(struct rp_sink_dialog *dialog, struct rp_span *in)
{
    size_t end = rp_sink_scan_next(&dialog->scan, in->ptr, in->len);
    if (end == RP_SINK_SCAN_NONE) {
        return take_octets(in, in->len);
    }
    finish(dialog, true);
    return take_octets(in, end);
}

static struct rp_span take_bdat(struct rp_sink_dialog *dialog, struct rp_span *in)
{
    size_t len = in->len < dialog->bdat_left ? in->len : (size_t)dialog->bdat_left;
    dialog->bdat_left -= len;
    if (dialog->bdat_left == 0) {
        finish(dialog, dialog->is_last);
    }
    return take_octets(in, len);
}

enum rp_sink_dialog_step rp_sink_dialog_next(struct rp_sink_dialog *dialog,
                                             struct rp_span *in,
                                             struct rp_sink_dialog_out *out,
                                             struct rp_span *body_out)
{
    for (;;) {
        if (dialog->is_end) {
            dialog->is_end = false; /* said before its replies may leave */
            return RP_SINK_DIALOG_END;
        }
        say_owed(dialog, out);
        if (dialog->owed > 0) {
            return RP_SINK_DIALOG_FULL;
        }
        if (dialog->state == RP_SINK_DIALOG_CLOSED) {
            return RP_SINK_DIALOG_QUIT;
        }
        if (in->len == 0) {
            return RP_SINK_DIALOG_MORE;
        }
        switch (dialog->state) {
        case RP_SINK_DIALOG_COMMAND:
            if (sizeof(out->text) - out->len < REPLY_MAX) {
                return RP_SINK_DIALOG_FULL;
            }
            take_line(dialog, in, out);
            break;
        case RP_SINK_DIALOG_DATA: *body_out = take_data(dialog, in); return RP_SINK_DIALOG_BODY;
        case RP_SINK_DIALOG_BDAT: *body_out = take_bdat(dialog, in); return RP_SINK_DIALOG_BODY;
        case RP_SINK_DIALOG_CLOSED: break;
        }
    }
}
