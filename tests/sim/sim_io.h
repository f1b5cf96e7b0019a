/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_io.h - what the simulated network and disk need of the simulated ring.
 *
 * engine/io.h is the side that the engine sees; sim_io.c implements both. A request
 * goes to sim_net_* or sim_disk_*, which ends it with sim_io_complete, at once or later.
 */
#ifndef SIM_IO_H
#define SIM_IO_H

#include "engine/io.h"
#include "sim_random.h"

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
    uint64_t len;         /* octets in all; length of a fallocate */
    uint64_t off;         /* where in the file */
    const char *name;     /* the caller's, until the completion */
    int flags;            /* of open; of shutdown: how */
    unsigned mode;        /* of open */
    bool is_durable;      /* write: RWF_DSYNC; sync: data only */
    uint64_t memory_hash; /* of what the caller lent, at the time of the request */
    uint64_t epoch;       /* sim_disk: what had happened when it was sent off */
};

/* What the ring itself does wrong, decided by the seed; times ppm (of a million). */
struct sim_io_faults {
    uint32_t accept_error_ppm; /* an accept ends with -EMFILE or the like */
    uint32_t accept_end_ppm;   /* a multishot accept ends with a good result */
    uint32_t recv_end_ppm;     /* a multishot recv ends with a good result */
    uint32_t starve_ppm;       /* a recv finds no buffer though some are lent */
};

/* A new machine is switched on: no rings, no files, no sockets. */
void sim_io_start(uint64_t seed, const struct sim_io_faults *faults);

/* Faults for the accept and recv of sim_net. */
const struct sim_io_faults *sim_io_get_faults(void);

/*
 * From now on the world has ended for the engine: rp_io_wait says -ESHUTDOWN.
 * sim_io_is_over is asked by those who still find things on the agenda.
 */
void sim_io_end_world(void);
bool sim_io_is_over(void);

/* After all rings were closed. */
void sim_io_stop(void);

/* The final completion of a request, or one of several (`has_more`). */
void sim_io_complete(struct sim_request *request, int32_t res);
void sim_io_complete_more(struct sim_request *request, int32_t res, uint32_t buffer, bool has_more);

/* A lent buffer, in seeded order; false: there is none. */
bool sim_io_take_buffer(struct rp_io *io, uint32_t *buffer_out, void **ptr_out, uint32_t *len_out);

/* The live request number `index`, in order of age; NULL: there are not so many. */
struct sim_request *sim_io_find_live(enum sim_op op, size_t index);

/* How much the engine asked for: completed requests of a kind. */
uint64_t sim_io_count(enum sim_op op);

#endif
