/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_io.h - what the simulated network and disk need of the simulated ring.
 *
 * engine/io.h is the side that the engine sees; sim_io.c implements both. A request
 * goes to sim_net_* or sim_disk_*, which ends it with sim_io_complete, at once or later.
 */
#ifndef SIM_IO_H
#define SIM_IO_H

#include "sim_request.h"

/* What the ring itself does wrong, decided by the seed; times ppm (of a million). */
struct sim_io_faults {
    uint32_t accept_error_ppm; /* an accept ends with -EMFILE or the like */
    uint32_t accept_end_ppm;   /* a multishot accept ends with a good result */
    uint32_t recv_end_ppm;     /* a multishot recv ends with a good result */
    uint32_t socket_max;       /* so many may be open: then an accept ends with -EMFILE; 0: any */
    uint32_t late_ppm;         /* a wait ends later than it was asked to, by up to late_ns */
    uint64_t late_ns;
    uint32_t clock_ppm;  /* a wait in which the wall clock is set, mostly back */
    uint32_t starve_ppm; /* a recv finds no buffer though some are lent */
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

/* A request to be sent off by the next rp_io_wait. */
void sim_io_queue(struct rp_io *io, struct sim_request *request);

#endif
