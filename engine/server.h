/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * server.h - the whole engine in this process: spool, listeners, worker threads.
 *
 * main.c uses it. One thread, the control thread, calls these functions.
 */
#ifndef SERVER_H
#define SERVER_H

#include "engine/config.h"

struct rp_server;

/*
 * Open the spool, bind the listeners, start the workers. Returns when every worker
 * accepts. On failure `error` holds one line: what, where, what would be right; and
 * nothing is left. The configuration is copied.
 */
int rp_server_start(const struct rp_config *config,
                    struct rp_server **server_out,
                    char *error,
                    size_t error_len);

/* Take what can change while running; the rest (spool, listeners, workers, limits.memory,
 * limits.connections) is logged as needing a restart where it differs. */
void rp_server_reload(struct rp_server *server, const struct rp_config *config);

/* Readable once all workers have ended: poll it beside the signals. */
int rp_server_done_fd(const struct rp_server *server);

void rp_server_drain(struct rp_server *server);
void rp_server_stop(struct rp_server *server);

/* Waits for the workers, closes everything, logs the counters (debug). 0, or -errno where a
 * worker's ring broke. */
int rp_server_close(struct rp_server *server);

#endif
