/* SPDX-License-Identifier: GPL-3.0-or-later */
/* listener.c - see listener.h. */
#include "listener.h"

#include "config_value.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* A daemon that was killed keeps its sockets for some milliseconds: the kernel ends its rings, and
 * with them the accept requests, from a work queue. So a taken port, or a unix socket on which
 * somebody seems to listen, is tried again for a second. */
#define BIND_TRIES    50
#define BIND_PAUSE_MS 20

#define BACKLOG       4096 /* the kernel lowers it to net.core.somaxconn */

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
        struct sockaddr_storage storage;
    };
    socklen_t len;
    bool is_dual; /* IPv6 and IPv4 */
};

/* ---- sockets ---- */

static int fail(const char *name, const char *what, int err, char *error, size_t error_len)
{
    (void)snprintf(error, error_len, "-l %s: cannot %s: %s%s", name, what, strerror(err),
                   err == EADDRINUSE ? "; stop what listens there, or take another address" : "");
    return -err;
}

static void pause_before_retry(void)
{
    static const struct timespec pause = {.tv_nsec = BIND_PAUSE_MS * 1000000L};
    (void)nanosleep(&pause, NULL); /* cut short by a signal: then the next try comes earlier */
}

static int set_option(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof(value));
}

/* A bound TCP socket; listening or not. -errno. */
static int bind_tcp(const struct address *address, bool is_shared, const char **what_out)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        *what_out = "make a socket";
        return -errno;
    }
    /* Accepted sockets inherit TCP_NODELAY: a reply is one send, and never waits for an ACK. */
    bool ok = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) == 0 &&
              set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1) == 0 &&
              (!is_shared || set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1) == 0);
    if (ok && address->any.sa_family == AF_INET6) {
        ok = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, !address->is_dual) == 0;
    }
    *what_out = ok ? "bind" : "set a socket option";
    if (!ok || bind(fd, &address->any, address->len) < 0) {
        int err = errno;
        (void)close(fd);
        return -err;
    }
    return fd;
}

/* With SO_REUSEPORT a port that another server of ours has would be shared silently: so
 * see first whether it can be had alone. A port 0 becomes a real one on the way. */
static int try_alone(struct address *address, const char **what_out)
{
    int fd = bind_tcp(address, false, what_out);
    if (fd < 0) {
        return fd;
    }
    int err = 0;
    if (listen(fd, 1) < 0) {
        *what_out = "listen";
        err = -errno;
    } else if (getsockname(fd, &address->any, &address->len) < 0) {
        *what_out = "get the port";
        err = -errno;
    }
    (void)close(fd);
    return err;
}

/* "*" where the kernel has no IPv6, or the process may not use it: every IPv4 address. */
static void fall_back_to_ipv4(struct address *address)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = address->in6.sin6_port};
    memcpy(&address->in, &in, sizeof(in));
    address->len = (socklen_t)sizeof(in);
    address->is_dual = false;
}

static int open_tcp(struct rp_listener *listener,
                    struct address *address,
                    uint32_t worker_count,
                    char *error,
                    size_t error_len)
{
    const char *what;
    int err = try_alone(address, &what);
    if (address->is_dual && (err == -EAFNOSUPPORT || err == -EADDRNOTAVAIL)) {
        fall_back_to_ipv4(address);
        err = try_alone(address, &what);
    }
    for (int tries = 0; err == -EADDRINUSE && tries < BIND_TRIES; tries++) {
        pause_before_retry();
        err = try_alone(address, &what);
    }
    for (uint32_t i = 0; i < worker_count && err == 0; i++) {
        int fd = bind_tcp(address, true, &what);
        if (fd < 0) {
            err = fd;
            break;
        }
        listener->fds[listener->fd_count++] = fd;
        if (listen(fd, BACKLOG) < 0) {
            what = "listen";
            err = -errno;
        }
    }
    if (err < 0) {
        return fail(listener->name, what, -err, error, error_len);
    }
    in_port_t port =
        address->any.sa_family == AF_INET6 ? address->in6.sin6_port : address->in.sin_port;
    char *colon = strrchr(listener->name, ':');
    (void)snprintf(colon, sizeof(listener->name) - (size_t)(colon - listener->name), ":%u",
                   (unsigned)ntohs(port));
    return 0;
}

enum owner {
    OWNER_NONE,  /* nobody listens */
    OWNER_DYING, /* who listened has just ended */
    OWNER_ALIVE, /* or nobody knows */
};

/* Who listens on a unix socket: one connection tells. A server that is alive greets, or keeps it;
 * one that was killed loses it when the kernel ends its ring. */
static enum owner find_owner(const struct address *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return OWNER_ALIVE;
    }
    enum owner owner = OWNER_ALIVE;
    char octet;
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    if (connect(fd, &address->any, address->len) < 0) {
        owner = errno == ECONNREFUSED ? OWNER_NONE : OWNER_ALIVE;
    } else if (poll(&ready, 1, BIND_TRIES * BIND_PAUSE_MS) == 1 && recv(fd, &octet, 1, 0) <= 0) {
        owner = OWNER_DYING;
    }
    (void)close(fd);
    return owner;
}

/* Remove a socket's file that nobody listens on any more. */
static void remove_stale(const struct address *address)
{
    struct stat status;
    if (lstat(address->un.sun_path, &status) < 0 || !S_ISSOCK(status.st_mode)) {
        return;
    }
    enum owner owner = find_owner(address);
    for (int tries = 0; owner == OWNER_DYING && tries < BIND_TRIES; tries++) {
        pause_before_retry();
        owner = find_owner(address);
    }
    if (owner == OWNER_NONE) {
        (void)unlink(address->un.sun_path); /* bind says what is wrong, if it is */
    }
}

static int open_unix(struct rp_listener *listener,
                     const struct address *address,
                     uint32_t worker_count,
                     char *error,
                     size_t error_len)
{
    remove_stale(address);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return fail(listener->name, "make a socket", errno, error, error_len);
    }
    if (bind(fd, &address->any, address->len) < 0 || listen(fd, BACKLOG) < 0) {
        int err = errno;
        (void)close(fd);
        return fail(listener->name, "bind", err, error, error_len);
    }
    memcpy(listener->unix_path, address->un.sun_path, sizeof(listener->unix_path));
    while (listener->fd_count < worker_count) {
        listener->fds[listener->fd_count++] = fd;
    }
    return 0;
}

int rp_listener_open(struct rp_listener *listener,
                     const char *name,
                     uint32_t worker_count,
                     char *error,
                     size_t error_len)
{
    *listener = (struct rp_listener){0};
    (void)snprintf(listener->name, sizeof(listener->name), "%s", name);
    listener->fds = calloc(worker_count, sizeof(*listener->fds));
    if (listener->fds == NULL) {
        return fail(name, "listen", ENOMEM, error, error_len);
    }
    struct address address = {.is_dual = name[0] == '*'};
    int err;
    if (rp_config_value_address(name, &address.storage, &address.len) != RP_CONFIG_VALUE_GOOD) {
        err = fail(name, "understand the address (right: 127.0.0.1:2525, [::1]:2525, unix:/path)",
                   EINVAL, error, error_len);
    } else if (address.any.sa_family == AF_UNIX) {
        err = open_unix(listener, &address, worker_count, error, error_len);
    } else {
        err = open_tcp(listener, &address, worker_count, error, error_len);
    }
    if (err < 0) {
        rp_listener_close(listener);
    }
    return err;
}

void rp_listener_close(struct rp_listener *listener)
{
    for (uint32_t i = 0; i < listener->fd_count; i++) {
        if (i == 0 || listener->fds[i] != listener->fds[0]) {
            (void)close(listener->fds[i]); /* it only ever listened */
        }
    }
    if (listener->unix_path[0] != '\0') {
        (void)unlink(listener->unix_path);
    }
    free(listener->fds);
    *listener = (struct rp_listener){0};
}
