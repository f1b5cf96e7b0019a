/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sink_open.c - what a sink takes from the system, and gives back.
 */
#include "sink_impl.h"

#include "engine/uring_setup.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

/* Small, because it counts against RLIMIT_MEMLOCK; a round with more is submitted in parts. */
#define RING_ENTRIES 1024u
#define BACKLOG      4096

const struct rp_sink_options rp_sink_options_default = {
    .log_size = UINT64_C(1) << 30,
    .commit = RP_SINK_COMMIT_FDATASYNC,
    .connections_max = 16384,
    .buffer_size = 32768,
    .buffer_count = 128, /* 4 MiB: more is out of the cache before it is used again */
};

static void *map(size_t len)
{
    void *memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory != MAP_FAILED ? memory : NULL;
}

static int fail(char *error, size_t error_len, const char *what, int err)
{
    (void)snprintf(error, error_len, "%s: %s", what, strerror(-err));
    return err;
}

static int open_memory(struct rp_sink *sink)
{
    const struct rp_sink_options *options = &sink->options;
    sink->conns = map(options->connections_max * sizeof(*sink->conns));
    sink->buffers = map((size_t)options->buffer_count * options->buffer_size);
    sink->buffer_ring = map(options->buffer_count * sizeof(struct io_uring_buf));
    sink->held = calloc(options->buffer_count, sizeof(*sink->held));
    bool is_whole = sink->conns != NULL && sink->buffers != NULL && sink->buffer_ring != NULL &&
                    sink->held != NULL;
    for (unsigned i = 0; i < RP_SINK_LIST_COUNT; i++) {
        sink->lists[i].items = calloc(options->connections_max, sizeof(uint32_t));
        is_whole = is_whole && sink->lists[i].items != NULL;
    }
    return is_whole ? 0 : -ENOMEM;
}

/* The ring waits to be enabled: its only submitter is the thread of rp_sink_run. */
static int open_ring(struct rp_sink *sink, char *error, size_t error_len)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_R_DISABLED |
                 IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
        .cq_entries = 16 * RING_ENTRIES,
    };
    int err = io_uring_queue_init_params(RING_ENTRIES, &sink->ring, &params);
    if (err == -EINVAL) {
        (void)snprintf(error, error_len,
                       "this kernel's io_uring is too old: Linux 6.1 or newer is needed");
        return -EOPNOTSUPP;
    }
    if (err < 0) {
        rp_uring_setup_explain(err, error, error_len);
        return err;
    }
    sink->has_ring = true;
    err = io_uring_register_files_sparse(&sink->ring, sink->options.connections_max);
    if (err == -EMFILE) {
        (void)snprintf(error, error_len,
                       "%u connections are more than the limit of open files: raise ulimit -n",
                       sink->options.connections_max);
        return err;
    }
    return err < 0 ? fail(error, error_len, "cannot register files with the ring", err) : 0;
}

void rp_sink_give(struct rp_sink *sink, uint32_t buffer)
{
    uint32_t size = sink->options.buffer_size;
    io_uring_buf_ring_add(sink->buffer_ring, sink->buffers + (size_t)buffer * size, size,
                          (unsigned short)buffer,
                          io_uring_buf_ring_mask(sink->options.buffer_count), 0);
    io_uring_buf_ring_advance(sink->buffer_ring, 1);
    sink->free_buffers++;
}

static int open_buffers(struct rp_sink *sink, char *error, size_t error_len)
{
    struct io_uring_buf_reg registration = {
        .ring_addr = (uintptr_t)sink->buffer_ring,
        .ring_entries = sink->options.buffer_count,
        .bgid = RP_SINK_BUFFER_GROUP,
    };
    int err = io_uring_register_buf_ring(&sink->ring, &registration, 0);
    if (err < 0) {
        return fail(error, error_len, "cannot register receive buffers with the ring", err);
    }
    io_uring_buf_ring_init(sink->buffer_ring);
    for (uint32_t buffer = 0; buffer < sink->options.buffer_count; buffer++) {
        rp_sink_give(sink, buffer);
    }
    return 0;
}

static int open_listener(struct rp_sink *sink, char *error, size_t error_len)
{
    sink->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sink->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (sink->listener < 0 || sink->stop_fd < 0) {
        return fail(error, error_len, "cannot make a socket", -errno);
    }
    /* Accepted sockets inherit TCP_NODELAY. */
    int on = 1;
    struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_port = htons(sink->options.port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t addr_len = sizeof(addr);
    if (setsockopt(sink->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        setsockopt(sink->listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
        bind(sink->listener, (struct sockaddr *)&addr, sizeof(addr)) != 0 ||
        listen(sink->listener, BACKLOG) != 0 ||
        getsockname(sink->listener, (struct sockaddr *)&addr, &addr_len) != 0) {
        int err = -errno;
        (void)snprintf(error, error_len, "127.0.0.1:%u: %s", sink->options.port, strerror(-err));
        return err;
    }
    sink->port = ntohs(addr.sin_port);
    return 0;
}

int rp_sink_open(const struct rp_sink_options *options,
                 struct rp_sink **sink_out,
                 char *error,
                 size_t error_len)
{
    assert(options->buffer_count <= 32768 &&
           (options->buffer_count & (options->buffer_count - 1)) == 0);
    assert(options->buffer_size > 0 && options->buffer_size <= RP_SINK_BUFFER_SIZE_MAX);
    assert(options->connections_max > 0 && options->connections_max < UINT32_MAX / 2);
    struct rp_sink *sink = calloc(1, sizeof(*sink));
    if (sink == NULL) {
        return fail(error, error_len, "cannot open the sink", -ENOMEM);
    }
    sink->options = *options;
    sink->listener = -1;
    sink->stop_fd = -1;
    sink->log.fd = -1;
    int err = open_memory(sink);
    if (err < 0) {
        (void)fail(error, error_len, "cannot open the sink", err);
    }
    if (err == 0) {
        err = open_ring(sink, error, error_len);
    }
    if (err == 0) {
        err = open_buffers(sink, error, error_len);
    }
    if (err == 0) {
        err = open_listener(sink, error, error_len);
    }
    if (err == 0 && options->log != NULL) {
        err = rp_sink_log_open(&sink->log, options, &sink->ring, error, error_len);
    }
    if (err < 0) {
        rp_sink_close(sink);
        return err;
    }
    *sink_out = sink;
    return 0;
}

static void unmap(void *memory, size_t len)
{
    if (memory != NULL) {
        (void)munmap(memory, len);
    }
}

void rp_sink_close(struct rp_sink *sink)
{
    if (sink == NULL) {
        return;
    }
    if (sink->has_ring) {
        io_uring_queue_exit(&sink->ring); /* with it go the connections */
    }
    rp_sink_log_close(&sink->log);
    if (sink->listener >= 0) {
        (void)close(sink->listener); /* nothing is written through it */
    }
    if (sink->stop_fd >= 0) {
        (void)close(sink->stop_fd);
    }
    const struct rp_sink_options *options = &sink->options;
    unmap(sink->conns, options->connections_max * sizeof(*sink->conns));
    unmap(sink->buffers, (size_t)options->buffer_count * options->buffer_size);
    unmap(sink->buffer_ring, options->buffer_count * sizeof(struct io_uring_buf));
    free(sink->held);
    for (unsigned i = 0; i < RP_SINK_LIST_COUNT; i++) {
        free(sink->lists[i].items);
    }
    free(sink);
}
