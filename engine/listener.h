/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * listener.h - sockets to accept on, bound before any worker runs.
 *
 * A TCP listener has a socket for each worker (SO_REUSEPORT: the kernel spreads the
 * connections); a unix one has one that all workers accept on.
 */
#ifndef LISTENER_H
#define LISTENER_H

#include <stddef.h>
#include <stdint.h>

struct rp_listener {
    char name[128];    /* as configured; a port 0 is replaced by the one the kernel gave */
    uint32_t fd_count; /* one for each worker; of a unix listener all the same */
    int *fds;
    char unix_path[108]; /* empty: TCP */
};

/* Bind and listen. 0 or -errno; then `error` holds one line, and nothing is open. */
int rp_listener_open(struct rp_listener *listener,
                     const char *name,
                     uint32_t worker_count,
                     char *error,
                     size_t error_len);

/* Takes a zeroed struct, too. Removes a unix socket's file. */
void rp_listener_close(struct rp_listener *listener);

#endif
