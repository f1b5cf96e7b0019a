/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_request.c - the functions of engine/io.h that ask for something.
 *
 * What the engine may ask for at all: a request that breaks the contract of io.h ends the
 * run at once.
 */
#include "sim_request.h"

#include "sim_disk.h"
#include "sim_io.h"
#include "sim_net.h"
#include "sim_trace.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

static struct {
    struct sim_request **requests; /* slots; each has its own memory, so pointers stay */
    size_t count;
    uint64_t serial;
} slots;

static const char *const op_names[SIM_OP_COUNT] = {
    [SIM_OP_ACCEPT] = "accept",     [SIM_OP_RECV] = "recv",     [SIM_OP_SEND] = "send",
    [SIM_OP_SHUTDOWN] = "shutdown", [SIM_OP_CANCEL] = "cancel", [SIM_OP_CLOSE] = "close",
    [SIM_OP_OPEN] = "open",         [SIM_OP_UNLINK] = "unlink", [SIM_OP_FALLOCATE] = "fallocate",
    [SIM_OP_PUNCH] = "punch",       [SIM_OP_WRITE] = "write",   [SIM_OP_SYNC] = "sync",
};

/* ---- slots ---- */

void sim_request_free_all(void)
{
    for (size_t i = 0; i < slots.count; i++) {
        free(slots.requests[i]);
    }
    free(slots.requests);
    slots.requests = NULL;
    slots.count = 0;
}

void sim_request_drop_all(const struct rp_io *io)
{
    for (size_t i = 0; i < slots.count; i++) {
        if (slots.requests[i]->io == io) {
            slots.requests[i]->is_live = false;
        }
    }
}

struct sim_request *sim_request_find_live(enum sim_op op, size_t index)
{
    for (size_t i = 0; i < slots.count; i++) {
        struct sim_request *request = slots.requests[i];
        if (request->is_live && request->op == op && index-- == 0) {
            return request;
        }
    }
    return NULL;
}

struct sim_request *sim_request_find_tag(const struct rp_io *io, uint64_t tag)
{
    for (size_t i = 0; i < slots.count; i++) {
        struct sim_request *request = slots.requests[i];
        if (request->is_live && request->is_sent && request->io == io && request->tag == tag &&
            request->op <= SIM_OP_SEND) {
            return request;
        }
    }
    return NULL;
}

/* What the caller lent must be, at the end, what it was at the time of the request. */
static uint64_t hash_memory(const struct sim_request *request)
{
    switch (request->op) {
    case SIM_OP_SEND: return XXH3_64bits(request->ptr, request->len);
    case SIM_OP_OPEN:
    case SIM_OP_UNLINK: return XXH3_64bits(request->name, strlen(request->name));
    case SIM_OP_WRITE: {
        uint64_t hash = XXH3_64bits(request->iov, request->count * sizeof(*request->iov));
        for (size_t i = 0; i < request->count; i++) {
            hash = XXH3_64bits_withSeed(request->iov[i].iov_base, request->iov[i].iov_len, hash);
        }
        return hash;
    }
    case SIM_OP_ACCEPT:
    case SIM_OP_RECV:
    case SIM_OP_SHUTDOWN:
    case SIM_OP_CANCEL:
    case SIM_OP_CLOSE:
    case SIM_OP_FALLOCATE:
    case SIM_OP_PUNCH:
    case SIM_OP_SYNC:
    case SIM_OP_COUNT: break;
    }
    return 0;
}

void sim_request_require_unchanged(const struct sim_request *request)
{
    if (request->memory_hash != hash_memory(request)) {
        sim_trace_fail("the memory of a %s of fd %d, %llu octets at %llu, was changed under way",
                       op_names[request->op], request->fd, (unsigned long long)request->len,
                       (unsigned long long)request->off);
    }
}

/* ---- requests ---- */

static struct sim_request *new_request(struct rp_io *io, enum sim_op op, uint64_t tag, int fd)
{
    size_t slot = 0;
    while (slot < slots.count && slots.requests[slot]->is_live) {
        slot++;
    }
    if (slot == slots.count) {
        slots.requests = reallocarray(slots.requests, slots.count + 1, sizeof(*slots.requests));
        assert(slots.requests != NULL);
        slots.requests[slot] = malloc(sizeof(**slots.requests));
        assert(slots.requests[slot] != NULL);
        slots.count++;
    }
    struct sim_request *request = slots.requests[slot];
    *request = (struct sim_request){
        .io = io, .tag = tag, .serial = ++slots.serial, .op = op, .is_live = true, .fd = fd};
    sim_io_queue(io, request);
    return request;
}

static bool is_open(int fd)
{
    return fd >= SIM_NET_LISTENER ? sim_net_is_open(fd) : sim_disk_is_open(fd);
}

static void require_open(const char *what, int fd)
{
    if (!is_open(fd)) {
        sim_trace_fail("%s of fd %d, which is not open", what, fd);
    }
}

static void require_alone(const char *what, enum sim_op op, int fd)
{
    for (size_t i = 0; i < slots.count; i++) {
        const struct sim_request *other = slots.requests[i];
        if (other->is_live && other->fd == fd && (other->op == op || other->op == SIM_OP_CLOSE)) {
            sim_trace_fail("%s of fd %d while a %s is under way", what, fd, op_names[other->op]);
        }
    }
}

void rp_io_accept(struct rp_io *io, uint64_t tag, int listener_fd)
{
    if (listener_fd != SIM_NET_LISTENER) {
        sim_trace_fail("accept of fd %d, which does not listen", listener_fd);
    }
    require_alone("accept", SIM_OP_ACCEPT, listener_fd);
    (void)new_request(io, SIM_OP_ACCEPT, tag, listener_fd);
}

void rp_io_recv(struct rp_io *io, uint64_t tag, int fd)
{
    require_open("recv", fd);
    require_alone("recv", SIM_OP_RECV, fd);
    (void)new_request(io, SIM_OP_RECV, tag, fd);
}

void rp_io_send(struct rp_io *io, uint64_t tag, int fd, const void *ptr, size_t len)
{
    require_open("send", fd);
    require_alone("send", SIM_OP_SEND, fd);
    if (len == 0) {
        sim_trace_fail("send of nothing to fd %d", fd);
    }
    struct sim_request *request = new_request(io, SIM_OP_SEND, tag, fd);
    request->ptr = ptr;
    request->len = len;
    request->memory_hash = hash_memory(request);
}

void rp_io_shutdown(struct rp_io *io, uint64_t tag, int fd, int how)
{
    require_open("shutdown", fd);
    require_alone("shutdown", SIM_OP_CLOSE, fd);
    new_request(io, SIM_OP_SHUTDOWN, tag, fd)->flags = how;
}

void rp_io_cancel(struct rp_io *io, uint64_t tag)
{
    (void)new_request(io, SIM_OP_CANCEL, tag, -1);
}

void rp_io_close_fd(struct rp_io *io, uint64_t tag, int fd)
{
    require_open("close", fd);
    for (size_t i = 0; i < slots.count; i++) {
        const struct sim_request *other = slots.requests[i];
        if (other->is_live && other->fd == fd) {
            sim_trace_fail("close of fd %d while a %s is under way", fd, op_names[other->op]);
        }
    }
    (void)new_request(io, SIM_OP_CLOSE, tag, fd);
}

void rp_io_forget_and_close_fd(struct rp_io *io, uint64_t tag, int fd)
{
    /* There is no page cache to forget, only files. */
    if (fd >= SIM_NET_LISTENER) {
        sim_trace_fail("fd %d is to be forgotten, and is a socket", fd);
    }
    rp_io_close_fd(io, tag, fd);
}

void rp_io_abandon_fd(struct rp_io *io, int fd)
{
    (void)io; /* its requests of this socket are dropped by rp_io_close, which must follow */
    require_open("abandon", fd);
    sim_net_abandon(fd);
}

int rp_io_peer(struct rp_io *io, int fd, struct sockaddr_storage *peer_out)
{
    (void)io; /* one network for all rings */
    require_open("peer", fd);
    return sim_net_peer(fd, peer_out);
}

void rp_io_open_file(struct rp_io *io,
                     uint64_t tag,
                     int dir_fd,
                     const char *name,
                     int flags,
                     unsigned mode)
{
    require_open("open in a directory", dir_fd);
    struct sim_request *request = new_request(io, SIM_OP_OPEN, tag, dir_fd);
    request->name = name;
    request->flags = flags;
    request->mode = mode;
    request->memory_hash = hash_memory(request);
}

void rp_io_unlink(struct rp_io *io, uint64_t tag, int dir_fd, const char *name)
{
    require_open("unlink in a directory", dir_fd);
    struct sim_request *request = new_request(io, SIM_OP_UNLINK, tag, dir_fd);
    request->name = name;
    request->memory_hash = hash_memory(request);
}

void rp_io_fallocate(struct rp_io *io, uint64_t tag, int fd, uint64_t len)
{
    require_open("fallocate", fd);
    new_request(io, SIM_OP_FALLOCATE, tag, fd)->len = len;
}

void rp_io_punch(struct rp_io *io, uint64_t tag, int fd, uint64_t off, uint64_t len)
{
    require_open("punch", fd);
    require_alone("punch", SIM_OP_WRITE, fd);
    struct sim_request *request = new_request(io, SIM_OP_PUNCH, tag, fd);
    request->off = off;
    request->len = len;
}

int rp_io_link_count(struct rp_io *io, int fd)
{
    (void)io; /* one disk for all rings */
    require_open("link_count", fd);
    return sim_disk_link_count(fd);
}

static void require_no_overlap(const struct sim_request *request)
{
    for (size_t i = 0; i < slots.count; i++) {
        const struct sim_request *other = slots.requests[i];
        if (other != request && other->is_live && other->op == SIM_OP_WRITE &&
            other->fd == request->fd && other->off < request->off + request->len &&
            request->off < other->off + other->len) {
            sim_trace_fail("two writes of fd %d under way overlap, at %llu", request->fd,
                           (unsigned long long)request->off);
        }
    }
}

void rp_io_write(struct rp_io *io,
                 uint64_t tag,
                 int fd,
                 const struct iovec *iov,
                 size_t iov_count,
                 uint64_t off,
                 bool is_durable)
{
    require_open("write", fd);
    require_alone("write", SIM_OP_CLOSE, fd);
    struct sim_request *request = new_request(io, SIM_OP_WRITE, tag, fd);
    request->iov = iov;
    request->count = iov_count;
    request->off = off;
    request->is_durable = is_durable;
    for (size_t i = 0; i < iov_count; i++) {
        request->len += iov[i].iov_len;
    }
    if (iov_count == 0 || iov_count > IOV_MAX || request->len == 0) {
        sim_trace_fail("write of %zu iovecs, %llu octets", iov_count,
                       (unsigned long long)request->len);
    }
    request->memory_hash = hash_memory(request);
    require_no_overlap(request);
}

void rp_io_sync(struct rp_io *io, uint64_t tag, int fd, bool is_data_only)
{
    require_open("sync", fd);
    require_alone("sync", SIM_OP_CLOSE, fd);
    new_request(io, SIM_OP_SYNC, tag, fd)->is_durable = is_data_only;
}

int rp_io_disk_free(struct rp_io *io, int dir_fd, uint64_t *free_out, uint64_t *total_out)
{
    (void)io; /* one disk for all rings */
    require_open("disk_free", dir_fd);
    return sim_disk_free(free_out, total_out);
}
