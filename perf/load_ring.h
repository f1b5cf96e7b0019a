/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_ring.h - the ring of a worker of ringpost-load: the only file that knows liburing.
 *
 *     rp_load_ring_open(&options, &ring, error, sizeof(error));
 *     rp_load_ring_recv(ring, tag, fd);
 *     rp_load_ring_wait(ring, until_ns);
 *     while (rp_load_ring_next(ring, &completion)) { ... }
 *
 * Belongs to the thread that opened it. What is handed to a request stays the kernel's until its
 * completion. Requests are only queued here; the next wait submits them all at once.
 */
#ifndef PERF_LOAD_RING_H
#define PERF_LOAD_RING_H

#include "proto/rp_span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct rp_load_ring;

struct rp_load_ring_options {
    uint32_t request_count; /* that are submitted at once; more go in several turns */
    uint32_t buffer_count;  /* a power of two, at most 32768 */
    uint32_t buffer_size;   /* octets */
};

struct rp_load_completion {
    uint64_t tag;
    int32_t res;         /* as the system call's: octets, or -errno */
    bool has_more;       /* a receive that goes on by itself */
    struct rp_span data; /* what was received; good until the next rp_load_ring_next */
};

#define RP_LOAD_RING_NOBODY UINT64_MAX /* the tag of requests whose completion is not told */

/* 0 or -errno with one line in `error`. */
int rp_load_ring_open(const struct rp_load_ring_options *options,
                      struct rp_load_ring **ring_out,
                      char *error,
                      size_t error_len);
void rp_load_ring_close(struct rp_load_ring *ring); /* NULL is fine; ends what is under way */

/* Submit what is queued, and wait for a completion or until then (CLOCK_MONOTONIC; 0: do not
 * wait). 0, also after a signal; or -errno. */
int rp_load_ring_wait(struct rp_load_ring *ring, uint64_t until_ns);
bool rp_load_ring_next(struct rp_load_ring *ring, struct rp_load_completion *completion_out);

void rp_load_ring_connect(struct rp_load_ring *ring,
                          uint64_t tag,
                          int fd,
                          const struct sockaddr *address,
                          socklen_t address_len);
/* Goes on by itself as long as completions say has_more. */
void rp_load_ring_recv(struct rp_load_ring *ring, uint64_t tag, int fd);
/* Of all of it if the kernel can. */
void rp_load_ring_send(struct rp_load_ring *ring,
                       uint64_t tag,
                       int fd,
                       const struct msghdr *header);
/* End all that is under way on this descriptor: its requests complete with an error. */
void rp_load_ring_cancel(struct rp_load_ring *ring, int fd);

/* CLOCK_MONOTONIC */
uint64_t rp_load_ring_now_ns(void);

#endif
