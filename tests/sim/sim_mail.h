/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_mail.h - the messages of a run: what each must look like, and what became of it.
 *
 * A message is known by its number, which stands in its first recipient. Its body is made
 * from the number, again and again where needed; nothing but hash and length is kept.
 * Messages stay for the whole run, through all lives.
 */
#ifndef SIM_MAIL_H
#define SIM_MAIL_H

#include "engine/config.h"
#include "sim_bytes.h"
#include "sim_random.h"

#include <stdbool.h>
#include <stdint.h>

#define SIM_MAIL_ADDRESS_LEN 100 /* room for any sender or recipient, with its NUL */
#define SIM_MAIL_SENDERS     2   /* a nested MAIL comes with a sender of its own */
#define SIM_MAIL_ID_LEN      64

/* What a client knows about something it asked for. */
enum sim_fate {
    SIM_FATE_OPEN,    /* no reply, so far or for ever */
    SIM_FATE_TAKEN,   /* 250 */
    SIM_FATE_REFUSED, /* 4xx or 5xx */
};

struct sim_mail {
    uint64_t number;
    uint64_t seed;

    /* What the client sends. */
    size_t size;      /* octets of the body, about */
    bool is_exact;    /* exactly `size`, where that is possible */
    bool wants_bare;  /* the body has bare CR and LF */
    bool wants_long;  /* and lines beyond the limit */
    uint32_t nul_ppm; /* NULs and 8-bit octets */
    uint32_t dot_ppm; /* lines that begin with a dot */

    /* What the spool must have. */
    char senders[SIM_MAIL_SENDERS][SIM_MAIL_ADDRESS_LEN];
    enum sim_fate sender_fates[SIM_MAIL_SENDERS];
    uint32_t sender_count;
    enum sim_fate *recipient_fates;
    uint32_t recipient_count;
    uint64_t body_len;
    uint64_t body_hash;

    /* What is wrong with it: then it must be refused. */
    bool is_too_big;
    bool has_bare;
    bool has_long_line;

    /* What became of it. */
    bool is_sent; /* the client handed over the last octet of its end of data */
    bool is_wild; /* sent without waiting for a 354: nobody knows what it is taken for */
    enum sim_fate fate;
    char id[SIM_MAIL_ID_LEN]; /* what the 250 said, or where a reader has seen it */
    bool is_settled;          /* recovery has seen it: it is as durable as it will be */
    bool is_found;            /* a reader has seen it: it must stay */
    bool is_lost;             /* recovery did not find it: it must not come behind a later one */
    uint64_t lost_at;         /* the messages from that number on are later ones */
    uint32_t seen;            /* in the check under way */

    /* Where it is in the spool, and what a disk has done to it there (sim_damage.h). */
    uint64_t segment; /* 0: nobody has seen it */
    uint64_t from;    /* its record's octets */
    uint64_t end;
    uint64_t big_id;    /* 0: the body is in the record */
    bool is_unreadable; /* now: likewise, and exact again when the disk gets better */
    bool is_zeroed;     /* zeros came into its segment: an unfinished write looks like that, too */
    bool is_volatile; /* never synced when the power went: nothing behind it need say that it was */
    bool is_gone;     /* nothing of it is left there */
    bool is_touched;  /* exact or reported */
    bool may_vanish;  /* or nothing is left that says that it was there */
    bool is_given_up; /* it was reported once: no more is asked for */
};

/* Forget all messages: a run begins. The configuration says what is too big and the like. */
void sim_mail_open(uint64_t seed, const struct rp_config *config);
void sim_mail_close(void);

/* A new message. */
struct sim_mail *sim_mail_new(void);

/* Where the id that it got says that it is; true: another one has got the same. */
bool sim_mail_place(struct sim_mail *mail);

/* NULL: there is none of that number. */
struct sim_mail *sim_mail_find(uint64_t number);
uint64_t sim_mail_count(void);

/* Another sender; the result is its index, the address is in senders[index]. */
uint32_t sim_mail_add_sender(struct sim_mail *mail, bool is_null);

/* Another recipient; its index. */
uint32_t sim_mail_add_recipient(struct sim_mail *mail);
void sim_mail_recipient(const struct sim_mail *mail,
                        uint32_t index,
                        char address[SIM_MAIL_ADDRESS_LEN]);

/* The number in a recipient's address, or UINT64_MAX. */
uint64_t sim_mail_number_of(const uint8_t *address, size_t len);

/*
 * Make the body: `wire` gets it as the client sends it, with stuffed dots and the end of
 * data, and `stored` as the spool must have it. NULL: not wanted. Sets what follows from it.
 */
void sim_mail_make_body(struct sim_mail *mail, struct sim_bytes *wire, struct sim_bytes *stored);

#endif
