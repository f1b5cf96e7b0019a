/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rp_spool_writer.h - plan what goes into a lane of the spool; no I/O is done here.
 *
 *     rp_spool_batch_begin(&batch, &writer);
 *     while (... && rp_spool_batch_append(&batch, &message, &id) == 0) { ... }
 *     rp_spool_batch_seal(&batch);
 *     ...write batch.iov at batch.off, durably...
 *     rp_spool_batch_commit(&batch);   or   rp_spool_batch_abandon(&batch);
 *
 * One thread owns a writer. One batch of it is under way at a time: the next one may
 * begin only after commit or abandon. The doorbell is mapped memory, written at once; the index
 * gathers in the caller's memory, for one write when its segment is full.
 */
#ifndef RP_SPOOL_WRITER_H
#define RP_SPOOL_WRITER_H

#include "rp_spool_format.h"

#include <stdbool.h>
#include <sys/uio.h>

/* ---- envelope: items are put behind one another into the caller's memory ---- */

/* Octets that an item takes. */
static inline size_t rp_spool_item_len(size_t value_len)
{
    return RP_SPOOL_ITEM_HEADER + value_len;
}

/* Put an item at `place`, which has rp_spool_item_len(len) octets; returns the end of it. */
uint8_t *rp_spool_item_put(uint8_t *place, enum rp_spool_tag tag, const void *value, size_t len);

/* ---- the writing end of a lane ---- */

struct rp_spool_writer {
    uint8_t identity[16];
    uint32_t lane;
    uint64_t sequence; /* of the next record: all below are committed, or planned in the batch */
    uint64_t segment;  /* number of the open segment; 0: none is open */
    uint64_t skipped;  /* for the header of the next segment to be opened (rp_spool_format.h) */
    uint64_t segment_size;
    uint64_t off; /* where the next batch begins: a multiple of RP_SPOOL_BLOCK */
    uint64_t seed;
    uint8_t *index;                     /* memory for the open segment's index */
    struct rp_spool_doorbell *doorbell; /* mapped */
    uint64_t tail_check;                /* what the doorbell's check of a tail has besides it */
    uint64_t first_sequence;            /* of the open segment */
    bool is_header_due;                 /* the next batch carries the segment's header page */
};

/* Where a lane goes on, as recovery left it. */
struct rp_spool_writer_place {
    uint32_t lane;
    uint64_t sequence; /* of the next record */
    uint64_t skipped;  /* sequences before it that recovery left out */
};

/* Keeps `doorbell`, which must stay mapped. */
void rp_spool_writer_init(struct rp_spool_writer *writer,
                          const uint8_t identity[16],
                          const struct rp_spool_writer_place *place,
                          struct rp_spool_doorbell *doorbell);

/*
 * Go on in a prepared segment: a file of `size` zeros. `index` has RP_SPOOL_INDEX_LEN(size) octets
 * of any content, is aligned for an index header, and is kept until the segment is closed.
 * No segment may be open.
 */
void rp_spool_writer_open_segment(struct rp_spool_writer *writer,
                                  uint64_t segment,
                                  uint64_t size,
                                  uint8_t *index);

/*
 * Close the open segment. The memory that was given for its index then holds it: returns how many
 * octets of it are to be written to the file, in one go. No batch may be under way.
 */
uint64_t rp_spool_writer_close_segment(struct rp_spool_writer *writer);

/* ---- a batch ---- */

#define RP_SPOOL_BATCH_IOV     1024 /* iovecs of a batch: as many as one write takes (IOV_MAX) */
#define RP_SPOOL_BATCH_ALIGNED 64   /* messages of a batch whose body begins at a block */

struct rp_spool_message {
    /* head[0] begins with sizeof(struct rp_spool_record) octets for the header; behind
     * them, and in head[1], head[2], ..., the envelope's items. */
    const struct iovec *head;
    size_t head_count;
    const struct iovec *body; /* none of them empty; BIG: not looked at */
    size_t body_count;
    uint64_t body_len;
    uint64_t time_ns;
    uint64_t big_id;    /* 0: the body goes into the record. Else the envelope has it as an item */
    uint64_t body_hash; /* rp_spool_hash of all its octets */
    bool has_zeros;     /* rp_spool_hash_has_zeros of them */
    bool is_block_aligned; /* the body is to begin at a multiple of RP_SPOOL_BLOCK */
};

struct rp_spool_batch {
    struct rp_spool_writer *writer;
    uint64_t off;            /* where the write goes in the segment */
    uint64_t len;            /* octets so far; after seal a multiple of RP_SPOOL_BLOCK */
    uint64_t begin_off;      /* of the BEGIN mark in the segment: off, or behind the header page */
    uint64_t first_sequence; /* of its first message */
    uint32_t count;          /* messages */
    uint32_t zero_sectors;   /* so far, from begin_off on */
    bool is_zero_so_far;     /* the octets of the sector that is not full yet */
    size_t iov_count;
    size_t filler_count;
    struct iovec iov[RP_SPOOL_BATCH_IOV];
    uint8_t fillers[RP_SPOOL_BATCH_ALIGNED][RP_SPOOL_ITEM_HEADER]; /* heads of filler items */
    uint8_t header_page[RP_SPOOL_BLOCK];                           /* where it opens a segment */
    struct rp_spool_batch_mark begin;
    struct rp_spool_batch_mark end;
};

void rp_spool_batch_begin(struct rp_spool_batch *batch, struct rp_spool_writer *writer);

/*
 * Add a message: fills in its header, hashes it, writes its index entry.
 * The memory that message->head and message->body point to must stay as it is until commit
 * or abandon; the arrays themselves are copied.
 * 0, or with nothing changed: -ENOBUFS, the batch has no room (write this one first);
 * -ENOSPC, the segment has none (write this one, then go on in the next segment);
 * -EMSGSIZE, it would fit into no batch or segment, however empty (more than
 * RP_SPOOL_BATCH_IOV - 7 iovecs, an envelope beyond RP_SPOOL_ENVELOPE_MAX, a record longer than
 * a segment without its header page and a batch's marks).
 */
int rp_spool_batch_append(struct rp_spool_batch *batch,
                          const struct rp_spool_message *message,
                          struct rp_spool_id *id_out);

/* No more messages: marks begin and end, fills up to a block. There must be a message at least. */
void rp_spool_batch_seal(struct rp_spool_batch *batch);

/* It is as durable as it shall be: publish. True: readers wait, wake them (FUTEX_WAKE all on
 * doorbell->ring). */
bool rp_spool_batch_commit(struct rp_spool_batch *batch);

/* The write failed: its sequences will be used again. The segment must be closed next. */
void rp_spool_batch_abandon(struct rp_spool_batch *batch);

/*
 * The segment's header alone, as a batch without messages: makes durable that the records
 * which an abandoned batch may have left in the segment before are void.
 */
void rp_spool_batch_seal_header(struct rp_spool_batch *batch);

/* ---- hashing a body as it comes, while its octets are in the cache ---- */

/* State of a running hash, in the caller's memory (an XXH3 state with room to align it). */
struct rp_spool_hash {
    uint8_t state[640];
    bool has_zeros;
};
void rp_spool_hash_init(struct rp_spool_hash *hash);
void rp_spool_hash_add(struct rp_spool_hash *hash, const void *ptr, size_t len);
uint64_t rp_spool_hash_get(const struct rp_spool_hash *hash);

/* Whether 512 zeros in a row may have been among the octets: false is sure, true is not. Only
 * bodies of which it is true are searched for sectors of zeros when a batch is laid out. */
bool rp_spool_hash_has_zeros(const struct rp_spool_hash *hash);

#endif
