/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rp_smtp.h - one SMTP session, without a socket (RFC 5321, 1870, 2034, 2920, 6152, 6531, 9422).
 *
 *     rp_smtp_init(&smtp, &config, line, sizeof(line));
 *     rp_smtp_greet(&smtp, &out);
 *     for (;;) {
 *         switch (rp_smtp_next(&smtp, &in, &out)) {
 *         case RP_SMTP_WANT_INPUT: ...receive into `in`, or return until there is more...
 *         case RP_SMTP_WANT_OUTPUT: ...send `out`, give it room again...
 *         case RP_SMTP_MAIL: ...keep smtp.event.mail...; rp_smtp_accept(&smtp);
 *         case RP_SMTP_BODY: append(smtp.event.body);
 *         ...
 *         }
 *     }
 *
 * Pure: no system call, no clock, no allocation. The session holds no pointer into
 * the input between two calls; what it must keep of a command line that is cut it
 * copies into `line`. Spans of an event point into `in` or `line` (body spans: see
 * rp_dot.h) and are good until the next call of rp_smtp_next.
 *
 * The caller may take as long as it likes between an event that asks and its
 * answer: nothing is read meanwhile.
 *
 * The same octets give the same replies and the same events however they are cut,
 * but for where RP_SMTP_BODY spans begin and end.
 */
#ifndef RP_SMTP_H
#define RP_SMTP_H

#include "rp_addr.h"
#include "rp_dot.h"
#include "rp_reply.h"
#include "rp_span.h"

#include <stdbool.h>

/* The verbs, for limits.command_calls and for HELP. RP_SMTP_VERB_UNKNOWN is the last. */
enum rp_smtp_verb {
    RP_SMTP_VERB_HELO,
    RP_SMTP_VERB_EHLO,
    RP_SMTP_VERB_MAIL,
    RP_SMTP_VERB_RCPT,
    RP_SMTP_VERB_DATA,
    RP_SMTP_VERB_RSET,
    RP_SMTP_VERB_NOOP,
    RP_SMTP_VERB_QUIT,
    RP_SMTP_VERB_VRFY,
    RP_SMTP_VERB_EXPN,
    RP_SMTP_VERB_HELP,
    RP_SMTP_VERB_UNKNOWN,
    RP_SMTP_VERB_COUNT,
};

/* The verb of that name, any case; RP_SMTP_VERB_UNKNOWN where there is none. */
enum rp_smtp_verb rp_smtp_verb_find(struct rp_span name);

/* Room for the longest command line that any extension allows beyond limits.command_line. */
#define RP_SMTP_LINE_EXTRA 36

/* Immutable and shared by all sessions; must outlive them. */
struct rp_smtp_config {
    struct rp_span hostname;          /* at most 255 octets */
    struct rp_span ident;             /* at most 255 octets */
    bool smtputf8;                    /* smtp.smtputf8 */
    bool pipelining;                  /* smtp.pipelining: whether EHLO says so; it always works */
    bool vrfy;                        /* smtp.vrfy: off: 502 */
    bool help;                        /* smtp.help: off: 502 */
    bool strict_addresses;            /* smtp.strict_addresses */
    enum rp_dot_newline bare_newline; /* body.bare_newline */
    uint64_t message_size_max;        /* limits.message_size; 0: none, and SIZE is told bare */
    uint32_t command_line_max;        /* limits.command_line: octets with CRLF */
    uint32_t line_length_max;         /* limits.line_length: octets with CRLF, 0: none */
    uint32_t local_part_max;          /* limits.local_part, 0: none */
    uint32_t recipients_max;          /* limits.recipients, at least 1 */
    uint32_t recipients_told;         /* what EHLO says of it (RFC 9422); 0: recipients_max */
    uint32_t messages_max;            /* limits.messages a connection, 0: none */
    uint32_t errors_max;              /* limits.errors, 0: none */
    uint32_t calls_max[RP_SMTP_VERB_COUNT]; /* limits.command_calls, 0: none */
};

enum rp_smtp_event {
    RP_SMTP_WANT_INPUT,  /* `in` is used up */
    RP_SMTP_WANT_OUTPUT, /* `out` has no room for another reply (rp_reply_has_room) */
    RP_SMTP_HELO,        /* event.helo; asks; a transaction is over (RESET came before, if any) */
    RP_SMTP_MAIL,        /* event.mail: a new transaction; asks */
    RP_SMTP_RCPT,        /* event.rcpt; asks */
    RP_SMTP_DATA,        /* before the 354; asks */
    RP_SMTP_BODY,        /* event.body: the next octets of the body, decoded; does not ask */
    RP_SMTP_MESSAGE,     /* end of data, and nothing is wrong with the body; asks */
    RP_SMTP_RESET,       /* the transaction is over without a message: drop all of it; does not ask.
                            In a body: the rest is read and dropped, its reply comes at the dot. */
    RP_SMTP_CLOSE,       /* send what `out` has, then close; every later call says the same */
};

enum rp_smtp_body {
    RP_SMTP_BODY_7BIT, /* also where MAIL has no BODY */
    RP_SMTP_BODY_8BITMIME,
};

struct rp_smtp_helo {
    struct rp_span name;
    bool is_extended; /* EHLO */
};

struct rp_smtp_mail {
    struct rp_addr sender;
    struct rp_span params; /* the parameters as sent, without the space before them */
    uint64_t size;         /* SIZE=, 0 where not told */
    enum rp_smtp_body body;
    bool smtputf8;
};

struct rp_smtp_rcpt {
    struct rp_addr recipient;
    struct rp_span params;
};

/* What a MESSAGE, refused or not, is remembered for. Private parts belong to proto. */
struct rp_smtp {
    /* For the caller to read. */
    union {
        struct rp_smtp_helo helo;
        struct rp_smtp_mail mail;
        struct rp_smtp_rcpt rcpt;
        struct rp_span body;
    } event;
    uint64_t line_count;    /* command lines read to their end: progress, for the idle timer */
    uint64_t body_len;      /* octets of the current body so far, decoded */
    uint32_t rcpt_count;    /* accepted recipients of the transaction */
    uint32_t message_count; /* messages that were accepted or are being decided */
    bool in_body;           /* between the 354 and the end of data */

    /* Private. */
    const struct rp_smtp_config *config;
    uint8_t *line; /* the caller's: a cut command line */
    uint32_t line_cap;
    uint32_t line_len;
    uint32_t error_count;               /* replies of 5xx so far */
    uint32_t calls[RP_SMTP_VERB_COUNT]; /* counted up to calls_max, where that is set */
    uint8_t state;                      /* smtp_rules.h */
    uint8_t next_state;                 /* where the command leads that is being carried out */
    uint8_t line_state;                 /* smtp_line.h */
    uint8_t asking;                     /* the event that waits for an answer, 0: none */
    uint8_t pending;                    /* smtp.c: what must be done before more is read */
    uint8_t body_fate;                  /* smtp.c: whether the body is good so far */
    bool is_extended;                   /* the last greeting was EHLO */
    bool is_utf8;                       /* the transaction has SMTPUTF8 */
    struct rp_reply reply;              /* to be put: of an answer, or at the end of the body */
    struct rp_dot dot;
};

/* `line` holds a cut command line: command_line_max + RP_SMTP_LINE_EXTRA octets are enough. */
void rp_smtp_init(struct rp_smtp *smtp,
                  const struct rp_smtp_config *config,
                  uint8_t *line,
                  size_t line_cap);

/* Put the greeting: "220 hostname ESMTP ident". Needs room. */
void rp_smtp_greet(struct rp_smtp *smtp, struct rp_reply_out *out);

/*
 * Go on to the next event; what was read is taken off the front of *in, replies are
 * appended to *out, in the order of their commands. Must not be called while an
 * event that asks has no answer.
 */
enum rp_smtp_event rp_smtp_next(struct rp_smtp *smtp, struct rp_span *in, struct rp_reply_out *out);

/*
 * The answers to an event that asks. The reply itself is written by the next
 * rp_smtp_next, which first makes sure of room for it.
 *   accept  the usual reply of that verb; for RP_SMTP_MESSAGE use rp_smtp_defer
 *   refuse  this reply; 421 closes; RP_SMTP_MESSAGE and others: the command had no effect
 *   defer   RP_SMTP_MESSAGE only: the caller took the message and will put its reply into
 *           the stream of replies itself, at this place; the session goes on at once
 */
void rp_smtp_accept(struct rp_smtp *smtp);
void rp_smtp_refuse(struct rp_smtp *smtp, const struct rp_reply *reply);
void rp_smtp_defer(struct rp_smtp *smtp);

/*
 * After RP_SMTP_BODY: the caller cannot keep this body (disk, memory). The rest is
 * read and dropped; at the end of data the reply is this one. No RESET follows.
 */
void rp_smtp_refuse_body(struct rp_smtp *smtp, const struct rp_reply *reply);

#endif
