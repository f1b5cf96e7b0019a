/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_request.h - what the engine has asked for.
 */
#ifndef SIM_REQUEST_H
#define SIM_REQUEST_H

#include "engine/io.h"

enum sim_op {
    SIM_OP_ACCEPT,
    SIM_OP_RECV,
    SIM_OP_SEND,
    SIM_OP_SHUTDOWN,
    SIM_OP_CANCEL,
    SIM_OP_CLOSE,
    SIM_OP_OPEN,
    SIM_OP_UNLINK,
    SIM_OP_FALLOCATE,
    SIM_OP_PUNCH,
    SIM_OP_WRITE,
    SIM_OP_SYNC,
    SIM_OP_COUNT,
};

/* A request that has no final completion yet. Slots are used again. */
struct sim_request {
    struct rp_io *io;
    uint64_t tag;
    uint64_t serial; /* never used twice: tells a slot's users apart */
    enum sim_op op;
    bool is_live; /* no final completion yet */
    bool is_sent; /* rp_io_wait has sent it off */
    int fd;       /* socket or file; a directory for SIM_OP_OPEN and SIM_OP_UNLINK */
    const void *ptr;
    const struct iovec *iov;
    size_t count;         /* of iov */
    uint64_t len;         /* octets in all; length of a fallocate or punch */
    uint64_t off;         /* where in the file */
    const char *name;     /* the caller's, until the completion */
    int flags;            /* of open; of shutdown: how */
    unsigned mode;        /* of open */
    bool is_durable;      /* write: RWF_DSYNC; sync: data only */
    uint64_t memory_hash; /* of what the caller lent, at the time of the request */
    uint64_t epoch;       /* sim_disk: what had happened when it was sent off */
};

/* The live request number `index` of a kind, in a fixed order; NULL: there are not so many. */
struct sim_request *sim_request_find_live(enum sim_op op, size_t index);

/* The live accept, recv or send with that tag that was sent off; NULL: there is none. */
struct sim_request *sim_request_find_tag(const struct rp_io *io, uint64_t tag);

/* What the caller lent must be, at the end, what it was at the time of the request. */
void sim_request_require_unchanged(const struct sim_request *request);

/* No request of that ring is live any more. */
void sim_request_drop_all(const struct rp_io *io);

/* The end of a life. */
void sim_request_free_all(void);

#endif
