/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_net.c - listener, sockets, and when the requests on them complete.
 */
#include "sim_net.h"

#include "sim_agenda.h"
#include "sim_random.h"
#include "sim_trace.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

struct sim_socket {
    int fd; /* 0: not accepted yet, or closed by the engine */
    uint32_t number;
    bool is_accepted;
    struct sim_net_line line;
    sim_net_fn wake;
    void *client;

    struct sim_bytes to_server;
    struct sim_bytes to_client;
    struct sim_bytes lost; /* sent by the engine, never to be read */
    uint64_t received;     /* octets that the engine took */

    bool client_ended;  /* a FIN follows what is in to_server */
    bool client_closed; /* nobody reads to_client any more */
    bool client_reset;  /* the engine's next request fails */
    bool server_deaf;   /* SHUT_RD: the engine sees the end behind what is in to_server */
    bool server_ended;  /* a FIN follows what is in to_client */
    bool server_closed;
    bool server_reset;

    struct sim_request *recv; /* armed */
    struct sim_request *send; /* waits for room, or for its time */
};

static struct {
    struct sim_random random;
    struct sim_socket **sockets; /* all of this life; each has its own memory */
    size_t count;
    size_t accepted; /* those before it are accepted */
    struct sim_request *accept;
    bool is_deaf; /* the listener was shut down */
} net;

void sim_net_start(uint64_t seed)
{
    net.random = sim_random_from(seed, "net");
    net.is_deaf = false;
}

void sim_net_stop(bool is_clean)
{
    for (size_t i = 0; i < net.count; i++) {
        struct sim_socket *socket = net.sockets[i];
        if (is_clean && socket->is_accepted && !socket->server_closed) {
            sim_trace_fail("the engine ended and left socket %d open", socket->fd);
        }
        sim_bytes_free(&socket->to_server);
        sim_bytes_free(&socket->to_client);
        sim_bytes_free(&socket->lost);
        free(socket);
    }
    free(net.sockets);
    net.sockets = NULL;
    net.count = 0;
    net.accepted = 0;
    net.accept = NULL;
}

static struct sim_socket *find(int fd)
{
    for (size_t i = 0; i < net.count; i++) {
        if (net.sockets[i]->fd == fd) {
            return net.sockets[i];
        }
    }
    return NULL;
}

/* One that is there. */
static struct sim_socket *get(int fd)
{
    struct sim_socket *socket = find(fd);
    if (socket == NULL) {
        sim_trace_fail("there is no socket %d", fd);
    }
    return socket;
}

bool sim_net_is_open(int fd)
{
    return fd == SIM_NET_LISTENER || find(fd) != NULL;
}

/* As the kernel does: the lowest number that is free, so that numbers come again soon. */
static int take_fd(void)
{
    int fd = SIM_NET_LISTENER + 1;
    while (find(fd) != NULL) {
        fd++;
    }
    return fd;
}

int sim_net_peer(int fd, struct sockaddr_storage *peer_out)
{
    const struct sim_socket *socket = find(fd);
    if (socket == NULL || socket->client_reset) {
        return -ENOTCONN;
    }
    struct sockaddr_in addr = {.sin_family = AF_INET};
    addr.sin_port = htons((uint16_t)(1024 + socket->number % 60000));
    addr.sin_addr.s_addr = htonl(0xc0000200 + socket->number % 256); /* 192.0.2.0/24 */
    *peer_out = (struct sockaddr_storage){0};
    memcpy(peer_out, &addr, sizeof(addr));
    return 0;
}

/* ---- accept ---- */

static void pump_accept(void)
{
    static const int errors[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM};
    const struct sim_io_faults *faults = sim_io_get_faults();
    while (net.accept != NULL && net.accepted < net.count) {
        bool is_full = faults->socket_max != 0 &&
                       (uint32_t)(take_fd() - SIM_NET_LISTENER) > faults->socket_max;
        if (is_full || sim_random_chance(&net.random, faults->accept_error_ppm)) {
            struct sim_request *request = net.accept;
            net.accept = NULL;
            int error = is_full ? EMFILE : errors[sim_random_below(&net.random, 4)];
            sim_trace_add("accept fails", (uint64_t)error, 0, 0);
            sim_io_complete(request, -error);
            return;
        }
        struct sim_socket *socket = net.sockets[net.accepted++];
        socket->fd = take_fd();
        socket->is_accepted = true;
        bool has_more = !sim_random_chance(&net.random, faults->accept_end_ppm);
        sim_trace_add("accepted fd more", (uint64_t)socket->fd, has_more, 0);
        struct sim_request *request = net.accept;
        net.accept = has_more ? request : NULL;
        sim_io_complete_more(request, socket->fd, 0, has_more);
    }
}

void sim_net_accept(struct sim_request *request)
{
    if (net.is_deaf) {
        sim_io_complete(request, -EINVAL);
        return;
    }
    net.accept = request;
    pump_accept();
}

/* ---- recv ---- */

static void end_recv(struct sim_socket *socket, int32_t res)
{
    struct sim_request *request = socket->recv;
    socket->recv = NULL;
    sim_trace_add("recv ends fd res", (uint64_t)socket->fd, (uint64_t)(int64_t)res, 0);
    sim_io_complete(request, res);
}

static void pump_recv(struct sim_socket *socket)
{
    while (socket->recv != NULL) {
        if (socket->client_reset) {
            end_recv(socket, -ECONNRESET);
            return;
        }
        size_t len = sim_bytes_len(&socket->to_server);
        if (len == 0) {
            if (socket->client_ended || socket->server_deaf) {
                end_recv(socket, 0);
            }
            return;
        }
        uint32_t buffer;
        uint32_t buffer_len;
        void *ptr;
        if (!sim_io_take_buffer(socket->recv->io, &buffer, &ptr, &buffer_len)) {
            end_recv(socket, -ENOBUFS);
            return;
        }
        len = len < buffer_len ? len : buffer_len;
        if (sim_random_chance(&net.random, 100000)) {
            len = sim_random_between(&net.random, 1, len);
        }
        memcpy(ptr, sim_bytes_first(&socket->to_server), len);
        sim_bytes_drop(&socket->to_server, len);
        socket->received += len;
        bool has_more = !sim_random_chance(&net.random, sim_io_get_faults()->recv_end_ppm);
        sim_trace_add("received fd len more", (uint64_t)socket->fd, len, has_more);
        struct sim_request *request = socket->recv;
        socket->recv = has_more ? request : NULL;
        sim_io_complete_more(request, (int32_t)len, buffer, has_more);
        if (!socket->client_closed) {
            socket->wake(socket->client); /* there is room again */
        }
    }
}

void sim_net_recv(struct sim_request *request)
{
    struct sim_socket *socket = get(request->fd);
    assert(socket->recv == NULL);
    socket->recv = request;
    pump_recv(socket);
}

bool sim_net_is_accepted(const struct sim_socket *socket)
{
    return socket->is_accepted;
}

uint64_t sim_net_received(const struct sim_socket *socket)
{
    return socket->received;
}

/* ---- send ---- */

static void try_send(void *subject, uint64_t serial)
{
    struct sim_socket *socket = subject;
    struct sim_request *request = socket->send;
    if (request == NULL || request->serial != serial || sim_io_is_over()) {
        return;
    }
    if (socket->client_reset || socket->server_ended) {
        socket->send = NULL;
        int32_t res = sim_random_chance(&net.random, 500000) ? -EPIPE : -ECONNRESET;
        sim_trace_add("send fails fd", (uint64_t)socket->fd, 0, 0);
        sim_io_complete(request, socket->server_ended ? -EPIPE : res);
        return;
    }
    size_t used = sim_bytes_len(&socket->to_client);
    if (used >= socket->line.to_client_max && !socket->client_closed) {
        return; /* tried again when the client has read */
    }
    size_t len = request->len;
    if (!socket->client_closed && len > socket->line.to_client_max - used) {
        len = socket->line.to_client_max - used;
    }
    if (sim_random_chance(&net.random, 30000)) {
        len = sim_random_between(&net.random, 1, len);
    }
    sim_trace_add("sent fd len of", (uint64_t)socket->fd, len, request->len);
    sim_bytes_put(socket->client_closed ? &socket->lost : &socket->to_client, request->ptr, len);
    socket->send = NULL;
    sim_io_complete(request, (int32_t)len);
    if (socket->client_closed) {
        socket->client_reset = true; /* the answer to octets for a closed socket is a RST */
        pump_recv(socket);
    } else {
        socket->wake(socket->client);
    }
}

void sim_net_send(struct sim_request *request)
{
    struct sim_socket *socket = get(request->fd);
    assert(socket->send == NULL);
    socket->send = request;
    uint64_t delay_ns = sim_random_spread(&net.random, 0, 60 * SIM_US);
    sim_agenda_after(delay_ns, try_send, socket, request->serial);
}

/* ---- ends ---- */

static void reset_by_server(struct sim_socket *socket);

/* Whoever is in the queue, and whoever comes, is turned away. */
static void shut_listener(struct sim_request *request)
{
    net.is_deaf = true;
    sim_trace_add("listener is shut, waiting", net.count - net.accepted, 0, 0);
    for (size_t i = net.accepted; i < net.count; i++) {
        reset_by_server(net.sockets[i]);
        if (!net.sockets[i]->client_closed) {
            net.sockets[i]->wake(net.sockets[i]->client);
        }
    }
    net.accepted = net.count;
    if (net.accept != NULL) {
        struct sim_request *accept = net.accept;
        net.accept = NULL;
        sim_io_complete(accept, -EINVAL);
    }
    sim_io_complete(request, 0);
}

static void finish_shutdown(void *subject, uint64_t serial)
{
    struct sim_request *request = subject;
    if (!request->is_live || request->serial != serial || sim_io_is_over()) {
        return;
    }
    if (request->fd == SIM_NET_LISTENER) {
        shut_listener(request);
        return;
    }
    struct sim_socket *socket = get(request->fd);
    if (socket->client_reset) {
        sim_io_complete(request, -ENOTCONN);
        return;
    }
    sim_trace_add("shutdown fd how", (uint64_t)socket->fd, (uint64_t)request->flags, 0);
    if (request->flags != SHUT_RD) {
        socket->server_ended = true;
    }
    if (request->flags != SHUT_WR) {
        socket->server_deaf = true;
        pump_recv(socket);
    }
    sim_io_complete(request, 0);
    if (socket->server_ended && !socket->client_closed) {
        socket->wake(socket->client);
    }
}

void sim_net_shutdown(struct sim_request *request)
{
    sim_agenda_after(sim_random_spread(&net.random, 0, 20 * SIM_US), finish_shutdown, request,
                     request->serial);
}

/* A RST from the engine's machine: what the client has not read yet is gone, all or from
 * somewhere on (the rest had arrived before). */
static void reset_by_server(struct sim_socket *socket)
{
    if (socket->server_reset || socket->client_closed) {
        return;
    }
    socket->server_reset = true;
    size_t len = sim_bytes_len(&socket->to_client);
    size_t kept = sim_random_chance(&net.random, 500000) ? len : 0;
    if (sim_random_chance(&net.random, 300000)) {
        kept = sim_random_below(&net.random, len + 1);
    }
    if (kept < len) {
        sim_bytes_put(&socket->lost, sim_bytes_first(&socket->to_client) + kept, len - kept);
        socket->to_client.end -= len - kept;
    }
    sim_trace_add("reset by server, lost", (uint64_t)socket->number, len - kept, 0);
}

void sim_net_close_fd(int fd)
{
    struct sim_socket *socket = get(fd);
    assert(socket->recv == NULL && socket->send == NULL);
    sim_trace_add("closed fd unread", (uint64_t)fd, sim_bytes_len(&socket->to_server), 0);
    socket->fd = 0;
    socket->server_closed = true;
    socket->server_ended = true;
    if (sim_bytes_len(&socket->to_server) > 0) {
        reset_by_server(socket);
    }
    if (!socket->client_closed) {
        socket->wake(socket->client);
    }
}

void sim_net_abandon(int fd)
{
    struct sim_socket *socket = get(fd);
    socket->recv = NULL;
    socket->send = NULL;
    sim_net_close_fd(fd);
}

void sim_net_forget(const struct sim_request *request)
{
    if (net.accept == request) {
        net.accept = NULL;
    }
    struct sim_socket *socket = find(request->fd);
    if (socket != NULL && socket->recv == request) {
        socket->recv = NULL;
    }
    if (socket != NULL && socket->send == request) {
        socket->send = NULL;
    }
}

/* ---- the clients' end ---- */

struct sim_socket *sim_net_connect(const struct sim_net_line *line, sim_net_fn wake, void *client)
{
    struct sim_socket *socket = calloc(1, sizeof(*socket));
    net.sockets = reallocarray(net.sockets, net.count + 1, sizeof(struct sim_socket *));
    assert(socket != NULL && net.sockets != NULL);
    socket->number = (uint32_t)net.count;
    socket->line = *line;
    socket->wake = wake;
    socket->client = client;
    net.sockets[net.count++] = socket;
    sim_trace_add("connect", socket->number, 0, 0);
    if (net.is_deaf) {
        net.accepted = net.count;
        socket->server_reset = true;
        wake(client);
    }
    pump_accept();
    return socket;
}

size_t sim_net_client_send(struct sim_socket *socket, const uint8_t *ptr, size_t len)
{
    assert(!socket->client_closed && !socket->client_ended);
    if (socket->server_closed) {
        reset_by_server(socket);
    }
    if (socket->server_reset) {
        return 0;
    }
    size_t used = sim_bytes_len(&socket->to_server);
    size_t room = used < socket->line.to_server_max ? socket->line.to_server_max - used : 0;
    len = len < room ? len : room;
    sim_bytes_put(&socket->to_server, ptr, len);
    if (len > 0) {
        sim_trace_add("client sends", socket->number, len, 0);
        pump_recv(socket);
    }
    return len;
}

size_t sim_net_client_read(struct sim_socket *socket, struct sim_bytes *to, size_t max)
{
    assert(!socket->client_closed);
    size_t len = sim_bytes_len(&socket->to_client);
    len = len < max ? len : max;
    sim_bytes_put(to, sim_bytes_first(&socket->to_client), len);
    sim_bytes_drop(&socket->to_client, len);
    if (len > 0 && socket->send != NULL) {
        sim_agenda_after(sim_random_spread(&net.random, 0, 20 * SIM_US), try_send, socket,
                         socket->send->serial);
    }
    return len;
}

bool sim_net_client_at_end(const struct sim_socket *socket)
{
    return sim_bytes_len(&socket->to_client) == 0 && (socket->server_ended || socket->server_reset);
}

bool sim_net_client_was_reset(const struct sim_socket *socket)
{
    return socket->server_reset;
}

void sim_net_client_shutdown(struct sim_socket *socket)
{
    if (!socket->client_ended) {
        sim_trace_add("client ends", socket->number, 0, 0);
        socket->client_ended = true;
        pump_recv(socket);
    }
}

void sim_net_client_close(struct sim_socket *socket, bool is_reset)
{
    assert(!socket->client_closed);
    size_t unread = sim_bytes_len(&socket->to_client);
    struct sim_bytes rest = {0};
    sim_net_client_lost(socket, &rest);
    sim_bytes_free(&socket->lost);
    socket->lost = rest;
    socket->client_closed = true;
    socket->client_ended = true;
    sim_trace_add("client closes unread reset", socket->number, unread, is_reset);
    if (is_reset || unread > 0) {
        socket->client_reset = true;
        sim_bytes_drop(&socket->to_server, sim_bytes_len(&socket->to_server));
    }
    pump_recv(socket);
    if (socket->send != NULL) {
        sim_agenda_after(0, try_send, socket, socket->send->serial);
    }
}

void sim_net_client_lost(struct sim_socket *socket, struct sim_bytes *to)
{
    /* In order: what was cut off the end of to_client came after what is still there. */
    size_t len = sim_bytes_len(&socket->to_client);
    sim_bytes_put(to, sim_bytes_first(&socket->to_client), len);
    sim_bytes_drop(&socket->to_client, len);
    sim_bytes_put(to, sim_bytes_first(&socket->lost), sim_bytes_len(&socket->lost));
    sim_bytes_drop(&socket->lost, sim_bytes_len(&socket->lost));
}
