/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_dialog.c - the client's side of an SMTP or LMTP session (RFC 5321, 2033, 2920, 3030, 4954).
 *
 * What a reply means is a table; what follows from it is one function a step. In plain mode a
 * command is queued when its step is entered. In the other modes all of a message's commands are
 * queued at its beginning, and the steps only count the replies.
 */
#include "load_dialog.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

enum offer {
    OFFERS_PIPELINING = 1,
    OFFERS_CHUNKING = 2,
    OFFERS_PLAIN = 4,
    OFFERS_LOGIN = 8,
    OFFERS_BEGUN = 16, /* its first line, which has the server's name, was read */
};

enum verdict {
    GO,
    NO,  /* a refusal */
    ODD, /* this reply has no sense here */
};

/* A row a step, a column a first digit. 421 may come at any time: see rp_load_dialog_line. */
/* clang-format off */
static const uint8_t verdicts[RP_LOAD_STEP_COUNT][4] = {
    /*                              2xx  3xx  4xx  5xx */
    [RP_LOAD_STEP_GREETING]      = {GO,  ODD, NO,  NO},
    [RP_LOAD_STEP_HELLO]         = {GO,  ODD, NO,  NO},
    [RP_LOAD_STEP_HELO]          = {GO,  ODD, NO,  NO},
    [RP_LOAD_STEP_AUTH_PLAIN]    = {GO,  ODD, NO,  NO},
    [RP_LOAD_STEP_AUTH_LOGIN]    = {ODD, GO,  NO,  NO},
    [RP_LOAD_STEP_AUTH_NAME]     = {ODD, GO,  NO,  NO},
    [RP_LOAD_STEP_AUTH_PASSWORD] = {GO,  ODD, NO,  NO},
    [RP_LOAD_STEP_READY]         = {ODD, ODD, ODD, ODD},
    [RP_LOAD_STEP_QUIT]          = {GO,  ODD, NO,  NO},
    [RP_LOAD_STEP_OVER]          = {ODD, ODD, ODD, ODD},
    [RP_LOAD_STEP_RSET]          = {GO,  ODD, ODD, ODD},
    [RP_LOAD_STEP_MAIL]          = {GO,  ODD, NO,  NO},
    [RP_LOAD_STEP_RCPT]          = {GO,  ODD, NO,  NO},
    [RP_LOAD_STEP_DATA]          = {ODD, GO,  NO,  NO},
    [RP_LOAD_STEP_END]           = {GO,  ODD, NO,  NO},
};

static const uint8_t phases[RP_LOAD_STEP_COUNT] = {
    [RP_LOAD_STEP_GREETING]      = RP_LOAD_PHASE_GREETING,
    [RP_LOAD_STEP_HELLO]         = RP_LOAD_PHASE_EHLO,
    [RP_LOAD_STEP_HELO]          = RP_LOAD_PHASE_EHLO,
    [RP_LOAD_STEP_AUTH_PLAIN]    = RP_LOAD_PHASE_AUTH,
    [RP_LOAD_STEP_AUTH_LOGIN]    = RP_LOAD_PHASE_AUTH,
    [RP_LOAD_STEP_AUTH_NAME]     = RP_LOAD_PHASE_AUTH,
    [RP_LOAD_STEP_AUTH_PASSWORD] = RP_LOAD_PHASE_AUTH,
    [RP_LOAD_STEP_READY]         = RP_LOAD_PHASE_COUNT,
    [RP_LOAD_STEP_QUIT]          = RP_LOAD_PHASE_QUIT,
    [RP_LOAD_STEP_OVER]          = RP_LOAD_PHASE_COUNT,
    [RP_LOAD_STEP_RSET]          = RP_LOAD_PHASE_COUNT,
    [RP_LOAD_STEP_MAIL]          = RP_LOAD_PHASE_MAIL,
    [RP_LOAD_STEP_RCPT]          = RP_LOAD_PHASE_RCPT,
    [RP_LOAD_STEP_DATA]          = RP_LOAD_PHASE_DATA,
    [RP_LOAD_STEP_END]           = RP_LOAD_PHASE_END,
};
/* clang-format on */

void rp_load_dialog_init(struct rp_load_dialog *dialog,
                         const struct rp_load_script *script,
                         struct rp_load_message *messages)
{
    dialog->script = script;
    dialog->messages = messages;
    dialog->first = 0;
    dialog->count = 0;
    dialog->begun_count = 0;
    dialog->sent_ns = 0;
    dialog->step = RP_LOAD_STEP_GREETING;
    dialog->needs_reset = false;
    dialog->offers = 0;
    dialog->out_count = 0;
}

void rp_load_dialog_connected(struct rp_load_dialog *dialog, uint64_t now_ns)
{
    dialog->sent_ns = now_ns;
}

/* ---- what goes out ---- */

static void queue(struct rp_load_dialog *dialog, struct rp_span span)
{
    assert(dialog->out_count < RP_LOAD_DIALOG_OUT_MAX);
    if (span.len > 0) {
        dialog->out[dialog->out_count++] = span;
    }
}

static void queue_text(struct rp_load_dialog *dialog, enum rp_load_script_name name)
{
    queue(dialog, rp_load_script_text(dialog->script, name));
}

static void queue_body(struct rp_load_dialog *dialog,
                       const struct rp_load_message *message,
                       struct rp_span rest)
{
    queue(dialog, (struct rp_span){.ptr = (const uint8_t *)message->mail.head,
                                   .len = message->mail.head_len});
    queue(dialog, rest);
}

uint32_t rp_load_dialog_take(struct rp_load_dialog *dialog, struct iovec *iov)
{
    uint32_t count = dialog->out_count;
    for (uint32_t index = 0; index < count; index++) {
        /* The kernel only reads; an iovec has one form for both directions, without const. */
        memcpy(&iov[index].iov_base, &dialog->out[index].ptr, sizeof(iov[index].iov_base));
        iov[index].iov_len = dialog->out[index].len;
    }
    dialog->out_count = 0;
    return count;
}

/* ---- greeting, EHLO, AUTH ---- */

static bool has_word(struct rp_span text, const char *word)
{
    size_t len = strlen(word);
    const char *at = (const char *)text.ptr;
    const char *end = at + text.len;
    for (;;) {
        const char *blank = memchr(at, ' ', (size_t)(end - at));
        const char *word_end = blank != NULL ? blank : end;
        if ((size_t)(word_end - at) == len && strncasecmp(at, word, len) == 0) {
            return true;
        }
        if (blank == NULL) {
            return false;
        }
        at = blank + 1;
    }
}

/* Its first word is this, and `mark` or nothing follows. */
static bool begins_with(struct rp_span text, const char *word, char mark)
{
    size_t len = strlen(word);
    return text.len >= len && strncasecmp((const char *)text.ptr, word, len) == 0 &&
           (text.len == len || text.ptr[len] == (uint8_t)mark);
}

static void note_offer(struct rp_load_dialog *dialog, struct rp_span text)
{
    static const size_t auth_len = 4;
    unsigned offers = dialog->offers;
    if ((offers & OFFERS_BEGUN) == 0) {
        offers |= OFFERS_BEGUN;
    } else if (begins_with(text, "AUTH", ' ') || begins_with(text, "AUTH", '=')) {
        /* "AUTH=" is what servers said before RFC 2554; some still say it as well. */
        struct rp_span rest = {.ptr = text.ptr + auth_len, .len = text.len - auth_len};
        rest.ptr += rest.len > 0 ? 1 : 0;
        rest.len -= rest.len > 0 ? 1 : 0;
        offers |= has_word(rest, "PLAIN") ? OFFERS_PLAIN : 0u;
        offers |= has_word(rest, "LOGIN") ? OFFERS_LOGIN : 0u;
    } else if (begins_with(text, "PIPELINING", ' ')) {
        offers |= OFFERS_PIPELINING;
    } else if (begins_with(text, "CHUNKING", ' ')) {
        offers |= OFFERS_CHUNKING;
    }
    dialog->offers = (uint8_t)offers;
}

/* NULL: the server offers all that the mode needs. */
static const char *find_lack(const struct rp_load_dialog *dialog)
{
    const struct rp_load_script_options *options = &dialog->script->options;
    if (options->is_forced || options->mode == RP_LOAD_PLAIN) {
        return NULL;
    }
    if (options->mode == RP_LOAD_BDAT && (dialog->offers & OFFERS_CHUNKING) == 0) {
        return "CHUNKING";
    }
    return (dialog->offers & OFFERS_PIPELINING) == 0 ? "PIPELINING" : NULL;
}

static void become_ready(struct rp_load_dialog *dialog, struct rp_load_outcome *outcome)
{
    dialog->step = RP_LOAD_STEP_READY;
    outcome->kind = RP_LOAD_OUTCOME_READY;
}

static void lack(struct rp_load_dialog *dialog, struct rp_load_outcome *outcome, const char *what)
{
    dialog->step = RP_LOAD_STEP_OVER;
    outcome->kind = RP_LOAD_OUTCOME_LACKING;
    outcome->lacks = what;
}

static void begin_auth(struct rp_load_dialog *dialog, struct rp_load_outcome *outcome)
{
    const struct rp_load_script_options *options = &dialog->script->options;
    bool wants_plain = options->mechanism != RP_LOAD_AUTH_LOGIN;
    bool wants_login = options->mechanism != RP_LOAD_AUTH_PLAIN;
    if (wants_plain && (dialog->offers & OFFERS_PLAIN) != 0) {
        queue(dialog, rp_load_auth_span(&options->auth->plain));
        dialog->step = RP_LOAD_STEP_AUTH_PLAIN;
    } else if (wants_login && (dialog->offers & OFFERS_LOGIN) != 0) {
        queue_text(dialog, RP_LOAD_SCRIPT_LOGIN);
        dialog->step = RP_LOAD_STEP_AUTH_LOGIN;
    } else {
        lack(dialog, outcome,
             !wants_login   ? "AUTH PLAIN"
             : !wants_plain ? "AUTH LOGIN"
                            : "AUTH PLAIN or AUTH LOGIN");
    }
}

static void after_hello(struct rp_load_dialog *dialog, struct rp_load_outcome *outcome)
{
    const char *what = find_lack(dialog);
    if (what != NULL) {
        lack(dialog, outcome, what);
    } else if (dialog->script->options.auth != NULL) {
        begin_auth(dialog, outcome);
    } else {
        become_ready(dialog, outcome);
    }
}

static void bar(struct rp_load_dialog *dialog, struct rp_load_outcome *outcome)
{
    dialog->step = RP_LOAD_STEP_OVER;
    outcome->kind = RP_LOAD_OUTCOME_BARRED;
}

/* EHLO is an extension itself: a server of RFC 821 refuses it, and takes HELO. */
static void refuse_entry(struct rp_load_dialog *dialog,
                         unsigned code,
                         struct rp_load_outcome *outcome)
{
    if (dialog->step == RP_LOAD_STEP_HELLO && code >= 500 && !dialog->script->options.is_lmtp) {
        dialog->step = RP_LOAD_STEP_HELO;
        queue_text(dialog, RP_LOAD_SCRIPT_HELO);
    } else {
        bar(dialog, outcome);
    }
}

static void answer_entry(struct rp_load_dialog *dialog,
                         unsigned code,
                         uint64_t now_ns,
                         struct rp_load_outcome *outcome)
{
    const struct rp_load_auth *auth = dialog->script->options.auth;
    uint8_t step = dialog->step;
    bool is_refused = verdicts[step][code / 100 - 2] == NO;
    outcome->sent_ns = dialog->sent_ns;
    if (is_refused) {
        refuse_entry(dialog, code, outcome);
    } else if (step == RP_LOAD_STEP_GREETING) {
        dialog->step = RP_LOAD_STEP_HELLO;
        queue_text(dialog, RP_LOAD_SCRIPT_HELLO);
    } else if (step == RP_LOAD_STEP_HELLO || step == RP_LOAD_STEP_HELO) {
        after_hello(dialog, outcome);
    } else if (step == RP_LOAD_STEP_AUTH_LOGIN) {
        dialog->step = RP_LOAD_STEP_AUTH_NAME;
        queue(dialog, rp_load_auth_span(&auth->login_name));
    } else if (step == RP_LOAD_STEP_AUTH_NAME) {
        dialog->step = RP_LOAD_STEP_AUTH_PASSWORD;
        queue(dialog, rp_load_auth_span(&auth->login_password));
    } else {
        become_ready(dialog, outcome);
    }
    /* The whole of AUTH LOGIN is timed, from its first line to its last reply. */
    bool is_amid_auth =
        dialog->step == RP_LOAD_STEP_AUTH_NAME || dialog->step == RP_LOAD_STEP_AUTH_PASSWORD;
    if (is_amid_auth) {
        outcome->sent_ns = 0;
    } else {
        dialog->sent_ns = now_ns;
    }
}

/* ---- messages ---- */

static struct rp_load_message *front(const struct rp_load_dialog *dialog)
{
    return &dialog->messages[dialog->first];
}

static void finish(struct rp_load_dialog *dialog,
                   struct rp_load_message *message,
                   struct rp_load_outcome *outcome)
{
    dialog->first = dialog->first + 1 == dialog->script->options.depth ? 0 : dialog->first + 1;
    dialog->count--;
    outcome->ended = message;
    outcome->is_accepted = !message->is_refused && message->delivered_count > 0;
}

/* The reply of `step` comes next. Plain: only now its command goes out. */
static void await(struct rp_load_dialog *dialog,
                  struct rp_load_message *message,
                  enum rp_load_step step,
                  uint64_t now_ns)
{
    message->step = (uint8_t)step;
    if (dialog->script->options.mode != RP_LOAD_PLAIN) {
        return;
    }
    message->sent_ns = now_ns;
    if (step == RP_LOAD_STEP_MAIL) {
        queue_text(dialog, RP_LOAD_SCRIPT_MAIL);
    } else if (step == RP_LOAD_STEP_RCPT) {
        queue(dialog, rp_load_script_rcpt(dialog->script, message->rcpt_index));
    } else if (step == RP_LOAD_STEP_DATA) {
        queue_text(dialog, RP_LOAD_SCRIPT_DATA);
    }
}

static void answer_mail(struct rp_load_dialog *dialog,
                        struct rp_load_message *message,
                        bool is_refused,
                        uint64_t now_ns,
                        struct rp_load_outcome *outcome)
{
    message->has_mail = !is_refused;
    if (is_refused && dialog->script->options.mode == RP_LOAD_PLAIN) {
        message->is_refused = true;
        finish(dialog, message, outcome);
        return;
    }
    await(dialog, message, RP_LOAD_STEP_RCPT, now_ns);
}

/* The replies that the end of the body gets: LMTP one a recipient (RFC 2033, 4.2 and 4.3). */
static uint32_t count_ends(const struct rp_load_dialog *dialog,
                           const struct rp_load_message *message)
{
    return dialog->script->options.is_lmtp && message->taken_count > 0 ? message->taken_count : 1;
}

static void answer_rcpt(struct rp_load_dialog *dialog,
                        struct rp_load_message *message,
                        bool is_refused,
                        uint64_t now_ns,
                        struct rp_load_outcome *outcome)
{
    const struct rp_load_script_options *options = &dialog->script->options;
    message->taken_count += is_refused ? 0 : 1;
    outcome->is_recipient_refused = is_refused && message->has_mail;
    if (++message->rcpt_index < options->recipients) {
        await(dialog, message, RP_LOAD_STEP_RCPT, now_ns);
        return;
    }
    /* Not where MAIL alone was refused: if the server still is in the transaction before, it
     * may take recipients and body all the same, and what it says at the end counts. */
    message->is_refused = message->taken_count == 0;
    if (options->mode == RP_LOAD_BDAT) {
        message->end_left = count_ends(dialog, message);
        message->step = RP_LOAD_STEP_END;
    } else if (options->mode == RP_LOAD_PLAIN && message->is_refused) {
        dialog->needs_reset = true;
        finish(dialog, message, outcome);
    } else {
        await(dialog, message, RP_LOAD_STEP_DATA, now_ns);
    }
}

static void answer_data(struct rp_load_dialog *dialog,
                        struct rp_load_message *message,
                        bool is_refused,
                        uint64_t now_ns,
                        struct rp_load_outcome *outcome)
{
    if (is_refused) {
        message->is_refused = true;
        dialog->needs_reset = dialog->needs_reset || message->has_mail;
        finish(dialog, message, outcome);
        return;
    }
    if (message->taken_count == 0 && dialog->script->options.is_lmtp) {
        /* RFC 2033, 4.2: it must be refused; nobody knows how many replies would come. */
        outcome->kind = RP_LOAD_OUTCOME_BROKEN;
        dialog->step = RP_LOAD_STEP_OVER;
        return;
    }
    message->step = RP_LOAD_STEP_END;
    message->end_left = count_ends(dialog, message);
    message->sent_ns = now_ns;
    if (message->is_refused) {
        queue_text(dialog, RP_LOAD_SCRIPT_EMPTY);
    } else {
        queue_body(dialog, message, message->mail.rest_stuffed);
    }
}

static void answer_end(struct rp_load_dialog *dialog,
                       struct rp_load_message *message,
                       bool is_refused,
                       struct rp_load_outcome *outcome)
{
    const struct rp_load_script_options *options = &dialog->script->options;
    message->delivered_count += is_refused ? 0 : 1;
    outcome->is_recipient_refused = is_refused && options->is_lmtp && !message->is_refused;
    if (is_refused && options->mode == RP_LOAD_BDAT) {
        /* RFC 3030, section 2: after a refused BDAT nothing is certain but RSET. */
        dialog->needs_reset = true;
    }
    if (--message->end_left == 0) {
        finish(dialog, message, outcome);
    }
}

static void answer_message(struct rp_load_dialog *dialog,
                           struct rp_load_message *message,
                           bool is_refused,
                           uint64_t now_ns,
                           struct rp_load_outcome *outcome)
{
    outcome->sent_ns = message->sent_ns;
    switch ((enum rp_load_step)message->step) {
    case RP_LOAD_STEP_RSET:
        outcome->sent_ns = 0;
        await(dialog, message, RP_LOAD_STEP_MAIL, now_ns);
        return;
    case RP_LOAD_STEP_MAIL: answer_mail(dialog, message, is_refused, now_ns, outcome); return;
    case RP_LOAD_STEP_RCPT: answer_rcpt(dialog, message, is_refused, now_ns, outcome); return;
    case RP_LOAD_STEP_DATA: answer_data(dialog, message, is_refused, now_ns, outcome); return;
    case RP_LOAD_STEP_END: answer_end(dialog, message, is_refused, outcome); return;
    case RP_LOAD_STEP_GREETING:
    case RP_LOAD_STEP_HELLO:
    case RP_LOAD_STEP_HELO:
    case RP_LOAD_STEP_AUTH_PLAIN:
    case RP_LOAD_STEP_AUTH_LOGIN:
    case RP_LOAD_STEP_AUTH_NAME:
    case RP_LOAD_STEP_AUTH_PASSWORD:
    case RP_LOAD_STEP_READY:
    case RP_LOAD_STEP_QUIT:
    case RP_LOAD_STEP_OVER:
    case RP_LOAD_STEP_COUNT: break;
    }
    assert(message->step >= RP_LOAD_STEP_RSET); /* no message has another step */
}

const struct rp_load_message *rp_load_dialog_in_flight(const struct rp_load_dialog *dialog,
                                                       uint32_t index)
{
    assert(index < dialog->count);
    return &dialog->messages[(dialog->first + index) % dialog->script->options.depth];
}

bool rp_load_dialog_has_room(const struct rp_load_dialog *dialog)
{
    const struct rp_load_script_options *options = &dialog->script->options;
    if (dialog->step != RP_LOAD_STEP_READY || dialog->count == options->depth ||
        dialog->out_count + RP_LOAD_DIALOG_MESSAGE_OUT > RP_LOAD_DIALOG_OUT_MAX ||
        rp_load_dialog_is_spent(dialog)) {
        return false;
    }
    if (dialog->count == 0 || options->mode == RP_LOAD_BDAT) {
        return true;
    }
    /* RFC 2920, 3.1: DATA ends a group; what follows it goes behind the body. */
    return rp_load_dialog_in_flight(dialog, dialog->count - 1)->step == RP_LOAD_STEP_END;
}

struct rp_load_message *rp_load_dialog_place(struct rp_load_dialog *dialog)
{
    assert(rp_load_dialog_has_room(dialog));
    uint32_t place = dialog->first + dialog->count;
    uint32_t depth = dialog->script->options.depth;
    return &dialog->messages[place >= depth ? place - depth : place];
}

void rp_load_dialog_begin(struct rp_load_dialog *dialog, uint64_t now_ns)
{
    const struct rp_load_script *script = dialog->script;
    struct rp_load_message *message = rp_load_dialog_place(dialog);
    message->intended_ns = message->intended_ns != 0 ? message->intended_ns : now_ns;
    message->sent_ns = now_ns;
    message->rcpt_index = 0;
    message->taken_count = 0;
    message->end_left = 0;
    message->delivered_count = 0;
    message->has_mail = false;
    message->is_refused = false;
    dialog->count++;
    dialog->begun_count++;
    bool has_reset = dialog->needs_reset;
    dialog->needs_reset = false;
    if (has_reset) {
        queue_text(dialog, RP_LOAD_SCRIPT_RSET);
        message->step = RP_LOAD_STEP_RSET;
    } else {
        await(dialog, message, RP_LOAD_STEP_MAIL, now_ns);
    }
    if (script->options.mode != RP_LOAD_PLAIN) {
        queue(dialog, script->group);
    }
    if (script->options.mode == RP_LOAD_BDAT) {
        uint32_t len = rp_load_script_bdat(message->mail.body_len, message->bdat);
        queue(dialog, (struct rp_span){.ptr = (const uint8_t *)message->bdat, .len = len});
        queue_body(dialog, message, message->mail.rest);
    }
}

bool rp_load_dialog_is_spent(const struct rp_load_dialog *dialog)
{
    uint64_t limit = dialog->script->options.per_connection;
    return limit != 0 && dialog->begun_count >= limit;
}

void rp_load_dialog_quit(struct rp_load_dialog *dialog, uint64_t now_ns)
{
    assert(dialog->step == RP_LOAD_STEP_READY && dialog->count == 0);
    dialog->step = RP_LOAD_STEP_QUIT;
    dialog->sent_ns = now_ns;
    queue_text(dialog, RP_LOAD_SCRIPT_QUIT);
}

/* ---- replies ---- */

static enum rp_load_step awaited(const struct rp_load_dialog *dialog)
{
    bool is_message = dialog->step == RP_LOAD_STEP_READY && dialog->count > 0;
    return (enum rp_load_step)(is_message ? front(dialog)->step : dialog->step);
}

enum rp_load_phase rp_load_dialog_phase(const struct rp_load_dialog *dialog)
{
    return (enum rp_load_phase)phases[awaited(dialog)];
}

bool rp_load_dialog_is_waiting(const struct rp_load_dialog *dialog)
{
    return dialog->step != RP_LOAD_STEP_OVER &&
           (dialog->step != RP_LOAD_STEP_READY || dialog->count > 0);
}

/* RFC 5321, 3.8: 421 may answer anything, and the server closes. The message whose command it
 * answers is refused; what the others in flight come to is for the caller to say. */
static void close_down(struct rp_load_dialog *dialog, struct rp_load_outcome *outcome)
{
    if (dialog->step == RP_LOAD_STEP_READY && dialog->count > 0 && outcome->ended == NULL) {
        struct rp_load_message *message = front(dialog);
        bool is_delivered = message->delivered_count > 0; /* LMTP: to some at least */
        message->is_refused = message->is_refused || !is_delivered;
        finish(dialog, message, outcome);
    }
    outcome->kind =
        dialog->step < RP_LOAD_STEP_READY ? RP_LOAD_OUTCOME_BARRED : RP_LOAD_OUTCOME_OVER;
    dialog->step = RP_LOAD_STEP_OVER;
}

void rp_load_dialog_line(struct rp_load_dialog *dialog,
                         const struct rp_load_reply_line *line,
                         bool is_last,
                         uint64_t now_ns,
                         struct rp_load_outcome *outcome_out)
{
    enum rp_load_step step = awaited(dialog);
    struct rp_load_outcome outcome = {.phase = (enum rp_load_phase)phases[step]};
    if (step == RP_LOAD_STEP_HELLO) {
        note_offer(dialog, line->text);
    }
    assert(line->code >= 200 && line->code < 600);
    enum verdict verdict = (enum verdict)verdicts[step][line->code / 100 - 2];
    outcome.is_refusal = line->code >= 400;
    if (!is_last) {
        outcome.phase = RP_LOAD_PHASE_COUNT;
    } else if (line->code == 421 && step != RP_LOAD_STEP_OVER) {
        outcome.intended_ns = step >= RP_LOAD_STEP_RSET ? front(dialog)->intended_ns : 0;
        close_down(dialog, &outcome);
    } else if (verdict == ODD) {
        outcome.kind = RP_LOAD_OUTCOME_BROKEN;
        dialog->step = RP_LOAD_STEP_OVER;
    } else if (step == RP_LOAD_STEP_QUIT) {
        outcome.sent_ns = dialog->sent_ns;
        outcome.kind = RP_LOAD_OUTCOME_OVER;
        dialog->step = RP_LOAD_STEP_OVER;
    } else if (step < RP_LOAD_STEP_READY) {
        answer_entry(dialog, line->code, now_ns, &outcome);
    } else {
        outcome.intended_ns = front(dialog)->intended_ns;
        answer_message(dialog, front(dialog), verdict == NO, now_ns, &outcome);
    }
    *outcome_out = outcome;
}
