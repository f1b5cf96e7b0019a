/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * states_history.h - what was done: everything that a daemon would have written to a spool of one
 * lane, in order, by the real writer, and what each message may hope for.
 *
 *     struct states_history history;
 *     states_history_make(&history, seed);
 *     ...history.ops[0 .. op_count - 1]...
 *     states_history_free(&history);
 *
 * It is kept in memory and never changed; what a crash makes of it is states_disk.h's.
 */
#ifndef STATES_HISTORY_H
#define STATES_HISTORY_H

#include "spool/rp_spool_writer.h"

#define STATES_SEGMENT_LEN  RP_SPOOL_SEGMENT_MIN
#define STATES_SEGMENTS_MAX 10u /* segments of a history */
#define STATES_BIGS_MAX     12u /* big bodies of one */
#define STATES_FILES_MAX    (2u + 2u * STATES_SEGMENTS_MAX + STATES_BIGS_MAX)
#define STATES_OPS_MAX      1024u
#define STATES_BATCHES_MAX  128u
#define STATES_MESSAGES_MAX 512u
#define STATES_NEVER        SIZE_MAX /* of an operation: it did not come */

/* ---- files ---- */

enum states_file_kind {
    STATES_META,
    STATES_BELL,
    STATES_SEGMENT,
    STATES_INDEX,
    STATES_BIG,
};

struct states_file {
    enum states_file_kind kind;
    uint64_t number; /* of a segment, an index, a big body */
    size_t cap;      /* its length when all of it is there */
};

/* ---- operations ---- */

enum states_op_kind {
    STATES_CREATE, /* the file is there, with `len` octets; durable at once (the engine syncs what
                      it prepares and the directory before that is used) */
    STATES_WRITE,
    STATES_FAILED, /* a write that failed: nobody knows which of its sectors came through */
    STATES_STORE,  /* into the mapped doorbell: never synced */
    STATES_SYNC,   /* what was written to the file is durable */
};

struct states_op {
    enum states_op_kind kind;
    uint32_t file; /* number of it in files */
    uint64_t off;
    uint64_t len;
    uint8_t *octets; /* of a write; a CREATE: NULL, zeros */
    uint8_t *before; /* what the place had; NULL: zeros */
};

/* ---- messages ---- */

struct states_batch {
    uint32_t file; /* of its segment */
    uint64_t off;  /* where its write begins: begin_off, or 0 with the header page */
    uint64_t len;  /* of the write */
    uint64_t begin_off;
    uint64_t end_off; /* behind END */
    uint64_t first_sequence;
    uint32_t count;
    uint32_t first_message; /* number of it in messages */
    const uint8_t *octets;  /* of the write */
    size_t write_op;
    size_t ack_op;      /* when this operation is done, its clients have their 250; or never */
    size_t void_op;     /* likewise: its messages are void; or never */
    uint32_t void_file; /* the segment whose header says so */
};

struct states_message {
    uint32_t batch;
    uint64_t sequence;
    uint64_t offset;       /* in the segment */
    uint64_t len;          /* header, envelope and body */
    uint32_t envelope_len; /* filler and all */
    uint64_t body_len;
    uint32_t big_file;     /* 0: the body is in the record */
    const uint8_t *octets; /* of the record */
    const uint8_t *body;   /* of its body, wherever that is */
    struct rp_spool_id id;
};

struct states_history {
    uint8_t identity[16];
    struct states_file files[STATES_FILES_MAX]; /* 0: spool.meta, 1: the doorbell */
    uint32_t file_count;
    struct states_op ops[STATES_OPS_MAX];
    size_t op_count;
    struct states_batch batches[STATES_BATCHES_MAX];
    uint32_t batch_count;
    struct states_message messages[STATES_MESSAGES_MAX];
    uint32_t message_count;
    uint64_t sequence_end; /* no message has this sequence or a later one */
};

/* `history` is large: not on the stack. */
void states_history_make(struct states_history *history, uint64_t seed);
void states_history_free(struct states_history *history);

#endif
