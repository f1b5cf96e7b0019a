/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_dialog.h - the client's side of an SMTP or LMTP session: replies in, what to send out.
 *
 *     rp_load_dialog_init(&dialog, script, messages);
 *     rp_load_dialog_connected(&dialog, now_ns);
 *     for each line of a reply:
 *         rp_load_dialog_line(&dialog, &line, is_last, now_ns, &outcome);
 *     if (rp_load_dialog_has_room(&dialog)) {
 *         message = rp_load_dialog_place(&dialog);
 *         ...fill in message->mail, number, intended_ns...
 *         rp_load_dialog_begin(&dialog, now_ns);
 *     }
 *     count = rp_load_dialog_take(&dialog, iov);    ...send that...
 *
 * Pure: no system call, no clock (times are handed in), no allocation, no copy: what is to be sent
 * are spans of the script, of the message's head and of its shared rest.
 *
 * Replies come in the order of the commands, so it is enough to know for each message in flight
 * which reply comes next. The caller begins no message while octets of an earlier one are still
 * being sent: its place might be that of one that ended early.
 */
#ifndef PERF_LOAD_DIALOG_H
#define PERF_LOAD_DIALOG_H

#include "load_mail.h"
#include "load_reply.h"
#include "load_script.h"
#include "load_stats.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

/* Which reply is awaited. */
enum rp_load_step {
    RP_LOAD_STEP_GREETING,
    RP_LOAD_STEP_HELLO, /* to EHLO or LHLO */
    RP_LOAD_STEP_HELO,  /* EHLO was refused */
    RP_LOAD_STEP_AUTH_PLAIN,
    RP_LOAD_STEP_AUTH_LOGIN,    /* to AUTH LOGIN */
    RP_LOAD_STEP_AUTH_NAME,     /* to the name */
    RP_LOAD_STEP_AUTH_PASSWORD, /* to the password */
    RP_LOAD_STEP_READY,         /* none, or that of the first message in flight */
    RP_LOAD_STEP_QUIT,
    RP_LOAD_STEP_OVER, /* nothing more may be sent */
    RP_LOAD_STEP_RSET, /* from here on: steps of a message */
    RP_LOAD_STEP_MAIL,
    RP_LOAD_STEP_RCPT,
    RP_LOAD_STEP_DATA,
    RP_LOAD_STEP_END,
    RP_LOAD_STEP_COUNT,
};

/* A message in flight. The caller fills in the first three before rp_load_dialog_begin. */
struct rp_load_message {
    uint64_t number;
    uint64_t intended_ns; /* from when its latency counts; 0: from when it is begun, set then */
    struct rp_load_mail_message mail;
    uint64_t sent_ns;         /* when what the next reply answers was queued */
    uint32_t rcpt_index;      /* of the RCPT whose reply comes next */
    uint32_t taken_count;     /* recipients that were accepted at RCPT */
    uint32_t end_left;        /* replies that the body still gets: LMTP has one a recipient */
    uint32_t delivered_count; /* of these the good ones */
    uint8_t step;
    bool has_mail;   /* MAIL was accepted: the server is in a transaction */
    bool is_refused; /* its end is known; replies to what was sent already are still to come */
    char bdat[RP_LOAD_SCRIPT_BDAT_MAX];
};

/* Spans that wait to be sent: RSET, group, BDAT line, head and rest of each message. */
#define RP_LOAD_DIALOG_OUT_MAX     16u
#define RP_LOAD_DIALOG_MESSAGE_OUT 5u

struct rp_load_dialog {
    const struct rp_load_script *script;
    struct rp_load_message *messages; /* a ring of script->options.depth places; the caller's */
    uint32_t first;                   /* place of the oldest in flight */
    uint32_t count;                   /* in flight */
    uint64_t begun_count;             /* over this connection */
    uint64_t sent_ns;                 /* of the command outside messages that is awaited */
    uint8_t step;
    bool needs_reset; /* RSET goes ahead of the next message */
    uint8_t offers;   /* what the EHLO reply listed; private */
    uint8_t out_count;
    struct rp_span out[RP_LOAD_DIALOG_OUT_MAX];
};

enum rp_load_outcome_kind {
    RP_LOAD_OUTCOME_GOING,   /* on it goes */
    RP_LOAD_OUTCOME_READY,   /* greeting, EHLO and AUTH are behind us */
    RP_LOAD_OUTCOME_BARRED,  /* one of them was refused: give the connection up */
    RP_LOAD_OUTCOME_LACKING, /* the server does not offer what was asked for: see `lacks` */
    RP_LOAD_OUTCOME_OVER,    /* 221 or 421: the server closes */
    RP_LOAD_OUTCOME_BROKEN,  /* a reply that has no sense here, or to nothing */
};

struct rp_load_outcome {
    enum rp_load_outcome_kind kind;
    enum rp_load_phase phase;      /* of the command that was answered; COUNT: RSET, nothing */
    uint64_t sent_ns;              /* when it was queued; 0: this reply is not timed */
    uint64_t intended_ns;          /* of the message that it belongs to; 0: to none */
    bool is_refusal;               /* 4xx or 5xx */
    bool is_recipient_refused;     /* at RCPT of an accepted MAIL, or at LMTP's end of body */
    bool is_accepted;              /* of `ended` */
    struct rp_load_message *ended; /* NULL: none; good until the next begin */
    const char *lacks;             /* "PIPELINING" */
};

void rp_load_dialog_init(struct rp_load_dialog *dialog,
                         const struct rp_load_script *script,
                         struct rp_load_message *messages);
void rp_load_dialog_connected(struct rp_load_dialog *dialog, uint64_t now_ns);

/* A line of a reply, the last one or one before it (of which only EHLO's matter). */
void rp_load_dialog_line(struct rp_load_dialog *dialog,
                         const struct rp_load_reply_line *line,
                         bool is_last,
                         uint64_t now_ns,
                         struct rp_load_outcome *outcome_out);

/* A message in flight, the oldest first; index is below dialog->count. */
const struct rp_load_message *rp_load_dialog_in_flight(const struct rp_load_dialog *dialog,
                                                       uint32_t index);

/* May a message be begun now? */
bool rp_load_dialog_has_room(const struct rp_load_dialog *dialog);

/* The place of the next message, to be filled in; then begin it. Only where there is room. */
struct rp_load_message *rp_load_dialog_place(struct rp_load_dialog *dialog);
void rp_load_dialog_begin(struct rp_load_dialog *dialog, uint64_t now_ns);

/* It has had as many messages as a connection may have. */
bool rp_load_dialog_is_spent(const struct rp_load_dialog *dialog);

/* Say QUIT. Only where it is ready and nothing is in flight. */
void rp_load_dialog_quit(struct rp_load_dialog *dialog, uint64_t now_ns);

/* What is to be sent now, in order; at most RP_LOAD_DIALOG_OUT_MAX. Returns how many. */
uint32_t rp_load_dialog_take(struct rp_load_dialog *dialog, struct iovec *iov);

/* The phase whose reply comes next; COUNT where none is awaited. For words about an error. */
enum rp_load_phase rp_load_dialog_phase(const struct rp_load_dialog *dialog);

/* A reply is awaited. */
bool rp_load_dialog_is_waiting(const struct rp_load_dialog *dialog);

#endif
