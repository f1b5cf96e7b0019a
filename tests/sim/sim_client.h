/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_client.h - the clients of a life: polite ones, and every kind of nuisance.
 *
 * sim_script.c decides what a client says, sim_client.c how the octets travel: in which
 * pieces, with which stalls, how replies are read, and how it ends.
 */
#ifndef SIM_CLIENT_H
#define SIM_CLIENT_H

#include "sim_model.h"
#include "sim_net.h"
#include "sim_random.h"

/* How much a client says before it listens. */
enum sim_style {
    SIM_STYLE_PLAIN, /* waits for each reply */
    SIM_STYLE_GROUP, /* MAIL to DATA at once, then waits (RFC 2920) */
    SIM_STYLE_EAGER, /* and does not wait for the reply to its end of data */
    SIM_STYLE_WILD,  /* waits for nothing at all, not even the 354 */
    SIM_STYLE_COUNT,
};

enum sim_ending {
    SIM_ENDING_QUIT,
    SIM_ENDING_HALF,  /* shuts down its side, reads to the end */
    SIM_ENDING_CLOSE, /* without a QUIT */
    SIM_ENDING_RESET,
    SIM_ENDING_SILENT, /* says nothing more: the engine must end it */
    SIM_ENDING_COUNT,
};

/* Where in what it sends the script stands. */
enum sim_stage {
    SIM_STAGE_GREETING, /* nothing is said */
    SIM_STAGE_IDLE,     /* between transactions */
    SIM_STAGE_RCPT,     /* MAIL is said */
    SIM_STAGE_DATA,     /* DATA is said */
    SIM_STAGE_LAST,     /* nothing more to say */
};

struct sim_client {
    uint32_t number;
    struct sim_random random;
    struct sim_model model;
    struct sim_socket *socket; /* NULL before it connects */
    struct sim_net_line line;

    /* What it is like. */
    enum sim_style style;
    enum sim_ending ending;
    size_t piece_max;
    uint64_t gap_ns; /* between pieces, at most */
    uint32_t stall_ppm;
    uint64_t stall_ns;
    size_t read_max;
    uint64_t read_delay_ns;
    uint32_t noise_ppm;
    bool never_reads;
    bool is_deaf;       /* goes on sending after a 421 */
    uint32_t doom_left; /* in how many messages from now it goes away; 0: never */

    /* What is left to say. */
    enum sim_stage stage;
    uint32_t message_left;
    uint32_t recipient_left;
    bool is_extended;
    struct sim_mail *mail;
    size_t size_max;

    /* Sending. */
    struct sim_bytes out;
    uint64_t made_off; /* octets put into `out` so far */
    uint64_t sent_off; /* of them handed over */
    uint64_t doom_off; /* goes away there; UINT64_MAX: nowhere */
    size_t sent_index; /* the first expected reply whose command is not all sent */
    bool is_stepping;  /* a step is on the agenda */
    bool is_reading;   /* a look at the replies is on the agenda */
    bool has_ended;    /* shut its side down, or fell silent */
    bool is_done;
};

/* ---- a whole life's ---- */

struct sim_load {
    uint32_t client_count;
    uint32_t message_max; /* of one client */
    uint64_t arrival_ns;  /* all connect within this time */
    size_t size_max;      /* octets of a body, about */
    uint32_t recipient_max;
    bool is_nasty; /* no: every client is polite and knows SMTP */
};

typedef void (*sim_client_done_fn)(void);

/* `done` is called when the last client has gone. */
void sim_client_start(uint64_t seed,
                      const struct sim_load *load,
                      const struct sim_rules *rules,
                      sim_client_done_fn done);

/* Clients that have not gone; the first of them is described in a line for a failure. */
uint32_t sim_client_left(void);
void sim_client_describe(char *line, size_t line_len);

/* The life is over: what the engine had said counts, read or not. `must_answer`: the engine had
 * time to answer everything; whoever waits for a reply was forgotten. */
void sim_client_stop(bool must_answer);

/* ---- sim_script.c ---- */

/* Say the next thing, into `out`. False: it must wait for replies, or there is nothing more. */
bool sim_script_next(struct sim_client *client, const struct sim_load *load);

#endif
