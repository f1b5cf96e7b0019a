/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * message.h - a message on its way: envelope in blocks, body as slices of buffers.
 *
 * A slice holds its buffer until the message is dropped, which is after its record is
 * durable: what the kernel writes is what it received. A large body is copied together as it
 * comes (rp_message_append_gathered): its slices are then whole buffers of its own.
 */
#ifndef MESSAGE_H
#define MESSAGE_H

#include "bufpool.h"
#include "owner.h"
#include "proto/rp_reply.h"
#include "spool/rp_spool_writer.h"
#include "stats.h"

#include <stdbool.h>

/* A block: of replies (conn_out.c) or of an envelope. */
struct rp_block {
    uint32_t next;
    uint16_t start;  /* replies: the first octet not sent yet */
    uint16_t end;    /* behind the last octet */
    bool is_waiting; /* replies: begins with the reply to a message that is not decided */
    uint8_t data[];
};
#define RP_BLOCK_DATA_LEN (RP_BLOCK_SIZE - sizeof(struct rp_block))

struct rp_slice {
    uint32_t buffer;
    uint32_t off;
    uint32_t len;
    uint32_t next;
};

/* Slices in order. */
struct rp_slices {
    uint32_t first, last; /* RP_NONE: empty */
    uint32_t count;
    uint64_t len; /* octets */
};
#define RP_SLICES_EMPTY ((struct rp_slices){.first = RP_NONE, .last = RP_NONE})

struct rp_message {
    uint32_t next;            /* in the lane's queue or batch */
    uint32_t conn;            /* whose it is, */
    uint32_t conn_generation; /* unless that slot has another generation by now */
    uint32_t out_block;       /* where its reply goes, once it is queued */
    uint32_t big;             /* the file of its body, or RP_NONE */
    uint32_t first_block, last_block;
    uint32_t block_count;
    struct rp_owner owner;   /* whose blocks those beyond RP_MESSAGE_BLOCKS_OWN are */
    struct rp_slices slices; /* of a big body: those that are not given to its file yet */
    uint64_t body_len;       /* octets of the body so far, in slices and file */
    uint64_t time_ns;
    uint64_t big_id;                /* 0: none */
    uint64_t body_hash;             /* once the body is complete */
    bool has_zeros;                 /* likewise: rp_spool_hash_has_zeros */
    uint32_t hash;                  /* the running hash of the body; RP_NONE: nothing came yet */
    bool is_complete;               /* the end of data was seen: it has a place among the replies */
    bool is_gathered;               /* its slices fill buffers of its own from their starts */
    bool is_scattered;              /* memory was too short for that: not tried again */
    const struct rp_reply *failure; /* the engine's own trouble with it; NULL: none so far */
    struct rp_spool_id id;
};

/* Where messages live: the pools of one worker. */
struct rp_message_store {
    struct rp_bufpool buffers;
    struct rp_pool blocks;
    struct rp_owners owners; /* of the blocks of large envelopes */
    struct rp_pool slices;
    struct rp_pool messages;
    struct rp_pool hashes; /* running ones: few, so that they stay in the cache */
    uint32_t compact;      /* a buffer that small slices are copied into, or RP_NONE */
    uint32_t compact_len;  /* octets of it in use */
    struct rp_stats *stats;
};

/* Blocks: so many for replies, RP_MESSAGE_BLOCKS_OWN for each message, and those that large
 * envelopes share. 0 or -ENOMEM. */
int rp_message_store_open(struct rp_message_store *store,
                          uint64_t buffer_octets,
                          uint32_t message_count,
                          uint32_t reply_blocks,
                          struct rp_stats *stats);
void rp_message_store_close(struct rp_message_store *store);

static inline struct rp_message *rp_message_at(const struct rp_message_store *store, uint32_t index)
{
    return rp_pool_at(&store->messages, index);
}

static inline struct rp_block *rp_block_at(const struct rp_message_store *store, uint32_t index)
{
    return rp_pool_at(&store->blocks, index);
}

static inline struct rp_slice *rp_slice_at(const struct rp_message_store *store, uint32_t index)
{
    return rp_pool_at(&store->slices, index);
}

/* An empty block, or RP_NONE. */
uint32_t rp_block_take(struct rp_message_store *store);

/* The envelope can have so many octets of items more, with their headers. */
bool rp_message_has_room(const struct rp_message_store *store,
                         const struct rp_message *message,
                         size_t len);

/* A new message of this connection with room for its record header, or RP_NONE. Its owner is set
 * before anything is put. */
uint32_t rp_message_take(struct rp_message_store *store, uint32_t conn, uint32_t conn_generation);

/* Give back all that it holds, and itself. It must have no file (big.h). */
void rp_message_drop(struct rp_message_store *store, uint32_t index);

/* Give back all slices of a list. */
void rp_slices_drop(struct rp_message_store *store, struct rp_slices *slices);

/* Move the first slices, `max` at most, to the empty list `to`: what is written must not grow. */
void rp_slices_take(struct rp_message_store *store,
                    struct rp_slices *slices,
                    uint32_t max,
                    struct rp_slices *to);

/*
 * Move the first `len` octets into buffers of their own, one behind the other from the start of
 * each, as the empty list `to`: direct I/O asks for that alignment. False: there are not enough
 * buffers, and nothing was done.
 */
bool rp_slices_take_aligned(struct rp_message_store *store,
                            struct rp_slices *slices,
                            uint64_t len,
                            struct rp_slices *to);

/* The iovecs of a list, `count` of them. */
void rp_slices_iov(const struct rp_message_store *store,
                   const struct rp_slices *slices,
                   struct iovec *iov);

/* Add an item to the envelope. False: no block left, nothing whole was added; drop it. */
bool rp_message_put_item(struct rp_message_store *store,
                         struct rp_message *message,
                         enum rp_spool_tag tag,
                         const void *value,
                         size_t len);

/* The next octets of the body go into its hash: before they are appended, which may move them, and
 * while they are in the cache. */
void rp_message_hash(struct rp_message_store *store,
                     struct rp_message *message,
                     const uint8_t *ptr,
                     size_t len);

/* The body is complete: body_hash is set. */
void rp_message_end_hash(struct rp_message_store *store, struct rp_message *message);

/* Add octets of the body that stand in that buffer, without copying them (but see
 * RP_SLICE_MOVE_MAX, and memory that is short). False: no memory left. */
bool rp_message_append_slice(struct rp_message_store *store,
                             struct rp_message *message,
                             uint32_t buffer,
                             const uint8_t *ptr,
                             size_t len);

/* The same for a large body: copy them together, lined up for direct I/O (is_gathered). Where no
 * buffer is left for that it is as above. RP_NONE: the octets stand in no buffer. */
bool rp_message_append_gathered(struct rp_message_store *store,
                                struct rp_message *message,
                                uint32_t buffer,
                                const uint8_t *ptr,
                                size_t len);

/* Add octets of the body from elsewhere, by copying. False: no memory left. */
bool rp_message_append_copy(struct rp_message_store *store,
                            struct rp_message *message,
                            const uint8_t *ptr,
                            size_t len);

/* The iovecs of the envelope, block_count of them (first: room for the record header). */
void rp_message_head_iov(const struct rp_message_store *store,
                         const struct rp_message *message,
                         struct iovec *iov);

#endif
