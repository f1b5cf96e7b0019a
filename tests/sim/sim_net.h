/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_net.h - a virtual TCP: one listener, and sockets with a client at the other end.
 *
 * Both directions are queues of bounded size. Latency is the clients' affair: what one
 * end sends lies in the other's queue at once; when it is read is decided elsewhere.
 */
#ifndef SIM_NET_H
#define SIM_NET_H

#include "sim_bytes.h"
#include "sim_io.h"

#include <stdbool.h>

#define SIM_NET_LISTENER (1 << 20) /* virtual numbers begin here, real ones end below */

struct sim_socket;

/* The client's end has something to look at: octets, their end, or room to send again. */
typedef void (*sim_net_fn)(void *client);

struct sim_net_line {
    size_t to_server_max; /* octets under way that the engine has not received */
    size_t to_client_max; /* octets sent that the client has not read */
};

void sim_net_start(uint64_t seed);

/* All sockets go. `is_clean`: the engine must have closed each of its own. */
void sim_net_stop(bool is_clean);

/* ---- the engine's end: called by sim_io.c ---- */

bool sim_net_is_open(int fd);
int sim_net_peer(int fd, struct sockaddr_storage *peer_out);
void sim_net_accept(struct sim_request *request);
void sim_net_recv(struct sim_request *request);
void sim_net_send(struct sim_request *request);
void sim_net_shutdown(struct sim_request *request);
void sim_net_close_fd(int fd);
void sim_net_abandon(int fd);

/* The request is about to be ended from elsewhere. */
void sim_net_forget(const struct sim_request *request);

/* ---- the clients' end ---- */

struct sim_socket *sim_net_connect(const struct sim_net_line *line, sim_net_fn wake, void *client);

/* Octets taken over: fewer where the queue is full; none where the other end is gone. */
size_t sim_net_client_send(struct sim_socket *socket, const uint8_t *ptr, size_t len);

/* Move up to `max` octets behind those of `to`. */
size_t sim_net_client_read(struct sim_socket *socket, struct sim_bytes *to, size_t max);

/* No more will come: all was read, and the engine has shut down or closed its end. */
bool sim_net_client_at_end(const struct sim_socket *socket);

/* The connection was reset by the engine's end: what was not read is lost. */
bool sim_net_client_was_reset(const struct sim_socket *socket);

/* The engine has it. */
bool sim_net_is_accepted(const struct sim_socket *socket);

/* Octets that the engine has received so far. */
uint64_t sim_net_received(const struct sim_socket *socket);

/* Half-close: the engine sees the end of the input behind what was sent. */
void sim_net_client_shutdown(struct sim_socket *socket);

/* close(2), or a reset where `is_reset`, or where something was not read. Afterwards only
 * sim_net_client_lost may be called. */
void sim_net_client_close(struct sim_socket *socket, bool is_reset);

/* What the engine has sent, and no client will ever read: because it was reset, or because the
 * world has ended. Nothing was said in vain: the engine must stand by it. */
void sim_net_client_lost(struct sim_socket *socket, struct sim_bytes *to);

#endif
