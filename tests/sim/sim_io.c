/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_io.c - engine/io.h on virtual time: requests, completions, lent buffers, the clock.
 *
 * What a request does is for sim_net.c and sim_disk.c. Here stands what the engine
 * may ask for at all; a request that breaks the contract of io.h ends the run.
 */
#include "sim_io.h"

#include "sim_agenda.h"
#include "sim_disk.h"
#include "sim_net.h"
#include "sim_trace.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define WALL_BASE_NS (1790000000ULL * SIM_S) /* when the virtual clock was at 0: in 2026 */
#define IDLE_WAITS   200000 /* waits in which time stood still that make an endless loop */

struct post {
    uint64_t tag;
    int32_t res;
};

struct rp_io {
    struct rp_io_options options;
    uint64_t now_ns;

    void **buffers; /* by number; NULL: not lent */
    uint32_t *lent; /* numbers of those that are */
    uint32_t lent_count;

    struct rp_io_completion *completions; /* first come, first served */
    size_t first;
    size_t count;
    size_t cap;

    struct sim_request **unsent;
    size_t unsent_count;
    size_t unsent_cap;

    struct post posts[64]; /* by rp_io_post, not yet come */
    uint64_t post_first;
    uint64_t post_end;
};

static struct {
    struct sim_random random;
    struct sim_io_faults faults;
    struct sim_request **requests; /* slots; each has its own memory, so pointers stay */
    size_t request_count;
    uint64_t serial;
    uint64_t counts[SIM_OP_COUNT];
    struct rp_io *rings[4];
    size_t ring_count;
    uint64_t stood_still; /* waits since time last went on */
    bool is_over;
} world;

static const char *const op_names[SIM_OP_COUNT] = {
    [SIM_OP_ACCEPT] = "accept",     [SIM_OP_RECV] = "recv",     [SIM_OP_SEND] = "send",
    [SIM_OP_SHUTDOWN] = "shutdown", [SIM_OP_CANCEL] = "cancel", [SIM_OP_CLOSE] = "close",
    [SIM_OP_OPEN] = "open",         [SIM_OP_UNLINK] = "unlink", [SIM_OP_FALLOCATE] = "fallocate",
    [SIM_OP_WRITE] = "write",       [SIM_OP_SYNC] = "sync",
};

/* ---- the world ---- */

void sim_io_start(uint64_t seed, const struct sim_io_faults *faults)
{
    assert(world.ring_count == 0);
    world.random = sim_random_from(seed, "io");
    world.faults = *faults;
    world.is_over = false;
    world.stood_still = 0;
    memset(world.counts, 0, sizeof(world.counts));
}

const struct sim_io_faults *sim_io_get_faults(void)
{
    return &world.faults;
}

void sim_io_end_world(void)
{
    world.is_over = true;
}

bool sim_io_is_over(void)
{
    return world.is_over;
}

void sim_io_stop(void)
{
    if (world.ring_count != 0) {
        sim_trace_fail("%zu rings were left open", world.ring_count);
    }
    for (size_t i = 0; i < world.request_count; i++) {
        free(world.requests[i]);
    }
    free(world.requests);
    world.requests = NULL;
    world.request_count = 0;
}

struct sim_request *sim_io_find_live(enum sim_op op, size_t index)
{
    for (size_t i = 0; i < world.request_count; i++) {
        struct sim_request *request = world.requests[i];
        if (request->is_live && request->op == op && index-- == 0) {
            return request;
        }
    }
    return NULL;
}

uint64_t sim_io_count(enum sim_op op)
{
    return world.counts[op];
}

/* ---- rings ---- */

int rp_io_open(const struct rp_io_options *options,
               struct rp_io **io_out,
               char *error,
               size_t error_len)
{
    assert(error_len > 0);
    error[0] = '\0';
    uint32_t count = options->buffer_count;
    if (count == 0 || (count & (count - 1)) != 0 || count > 32768 || options->request_count == 0) {
        sim_trace_fail("rp_io_open: %u buffers, %u requests", count, options->request_count);
    }
    struct rp_io *io = calloc(1, sizeof(*io));
    assert(io != NULL);
    io->options = *options;
    io->now_ns = sim_agenda_now();
    io->lent = calloc(count, sizeof(*io->lent));
    assert(io->lent != NULL && world.ring_count < sizeof(world.rings) / sizeof(world.rings[0]));
    world.rings[world.ring_count++] = io;
    *io_out = io;
    return 0;
}

static void close_now(const struct sim_request *request)
{
    if (request->fd >= SIM_NET_LISTENER) {
        sim_net_close_fd(request->fd);
    } else {
        sim_disk_close_fd(request->fd);
    }
}

void rp_io_close(struct rp_io *io)
{
    if (io == NULL) {
        return;
    }
    for (size_t i = 0; i < world.ring_count; i++) {
        if (world.rings[i] == io) {
            world.rings[i] = world.rings[--world.ring_count];
        }
    }
    for (size_t i = 0; i < world.request_count; i++) {
        struct sim_request *request = world.requests[i];
        if (request->io == io && request->is_live && request->op == SIM_OP_CLOSE) {
            close_now(request); /* the process is about to end, and all its numbers with it */
        }
    }
    if (!world.is_over) {
        sim_disk_interrupt(true); /* what is on its way to the disk may or may not come there */
    }
    for (size_t i = 0; i < world.request_count; i++) {
        if (world.requests[i]->io == io) {
            world.requests[i]->is_live = false;
        }
    }
    free(io->buffers);
    free(io->lent);
    free(io->completions);
    free(io->unsent);
    free(io);
}

uint64_t rp_io_now_ns(const struct rp_io *io)
{
    return io->now_ns;
}

uint64_t rp_io_wall_ns(const struct rp_io *io)
{
    return WALL_BASE_NS + io->now_ns;
}

/* ---- completions ---- */

static void push_completion(struct rp_io *io, const struct rp_io_completion *completion)
{
    if (io->first == io->count) {
        io->first = 0;
        io->count = 0;
    }
    if (io->count == io->cap) {
        io->cap = io->cap == 0 ? 256 : io->cap * 2;
        io->completions = reallocarray(io->completions, io->cap, sizeof(*io->completions));
        assert(io->completions != NULL);
    }
    io->completions[io->count++] = *completion;
}

bool rp_io_next(struct rp_io *io, struct rp_io_completion *completion_out)
{
    if (io->first == io->count) {
        return false;
    }
    *completion_out = io->completions[io->first++];
    return true;
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
    case SIM_OP_SYNC:
    case SIM_OP_COUNT: break;
    }
    return 0;
}

void sim_io_complete_more(struct sim_request *request, int32_t res, uint32_t buffer, bool has_more)
{
    assert(request->is_live && request->is_sent);
    if (!has_more) {
        if (request->memory_hash != hash_memory(request)) {
            sim_trace_fail(
                "the memory of a %s of fd %d, %llu octets at %llu, was changed under way",
                op_names[request->op], request->fd, (unsigned long long)request->len,
                (unsigned long long)request->off);
        }
        request->is_live = false;
        world.counts[request->op]++;
    }
    push_completion(request->io,
                    &(struct rp_io_completion){
                        .tag = request->tag, .res = res, .buffer = buffer, .has_more = has_more});
}

void sim_io_complete(struct sim_request *request, int32_t res)
{
    sim_io_complete_more(request, res, 0, false);
}

/* ---- lent buffers ---- */

void rp_io_give_buffer(struct rp_io *io, uint32_t buffer, void *ptr)
{
    if (io->buffers == NULL) {
        io->buffers = calloc(65536, sizeof(*io->buffers));
        assert(io->buffers != NULL);
    }
    if (io->lent_count == io->options.buffer_count || buffer >= 65536 || ptr == NULL) {
        sim_trace_fail("buffer %u was lent beyond the limit of %u", buffer,
                       io->options.buffer_count);
    }
    if (io->buffers[buffer] != NULL) {
        sim_trace_fail("buffer %u was lent twice", buffer);
    }
    /* From here on it is the kernel's to write to: whoever still needs its octets shall notice. */
    memset(ptr, 0xa5, io->options.buffer_size);
    io->buffers[buffer] = ptr;
    io->lent[io->lent_count++] = buffer;
}

uint32_t rp_io_buffer_room(const struct rp_io *io)
{
    return io->options.buffer_count - io->lent_count;
}

bool sim_io_take_buffer(struct rp_io *io, uint32_t *buffer_out, void **ptr_out, uint32_t *len_out)
{
    if (io->lent_count == 0 || sim_random_chance(&world.random, world.faults.starve_ppm)) {
        return false;
    }
    uint64_t index = sim_random_below(&world.random, io->lent_count);
    *buffer_out = io->lent[index];
    *ptr_out = io->buffers[*buffer_out];
    *len_out = io->options.buffer_size;
    io->lent[index] = io->lent[--io->lent_count];
    io->buffers[*buffer_out] = NULL;
    return true;
}

/* ---- requests ---- */

static struct sim_request *new_request(struct rp_io *io, enum sim_op op, uint64_t tag, int fd)
{
    size_t slot = 0;
    while (slot < world.request_count && world.requests[slot]->is_live) {
        slot++;
    }
    if (slot == world.request_count) {
        world.requests =
            reallocarray(world.requests, world.request_count + 1, sizeof(*world.requests));
        assert(world.requests != NULL);
        world.requests[slot] = malloc(sizeof(**world.requests));
        assert(world.requests[slot] != NULL);
        world.request_count++;
    }
    struct sim_request *request = world.requests[slot];
    *request = (struct sim_request){
        .io = io, .tag = tag, .serial = ++world.serial, .op = op, .is_live = true, .fd = fd};
    if (io->unsent_count == io->unsent_cap) {
        io->unsent_cap = io->unsent_cap == 0 ? 256 : io->unsent_cap * 2;
        io->unsent = reallocarray(io->unsent, io->unsent_cap, sizeof(struct sim_request *));
        assert(io->unsent != NULL);
    }
    io->unsent[io->unsent_count++] = request;
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
    for (size_t i = 0; i < world.request_count; i++) {
        const struct sim_request *other = world.requests[i];
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
    for (size_t i = 0; i < world.request_count; i++) {
        const struct sim_request *other = world.requests[i];
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

static void require_no_overlap(const struct sim_request *request)
{
    for (size_t i = 0; i < world.request_count; i++) {
        const struct sim_request *other = world.requests[i];
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

/* ---- sending off, cancelling ---- */

static void cancel_now(void *subject, uint64_t serial)
{
    struct sim_request *request = subject;
    if (!request->is_live || request->serial != serial || sim_io_is_over()) {
        return;
    }
    sim_trace_add("cancelled op fd", request->op, (uint64_t)request->fd, 0);
    sim_net_forget(request);
    sim_io_complete(request, -ECANCELED);
}

/* Network requests only: what is on its way to the disk comes there. */
static void cancel(struct sim_request *request)
{
    request->is_live = false;
    for (size_t i = 0; i < world.request_count; i++) {
        struct sim_request *other = world.requests[i];
        if (other->is_live && other->is_sent && other->io == request->io &&
            other->tag == request->tag && other->op <= SIM_OP_SEND) {
            uint64_t delay_ns = sim_random_spread(&world.random, 0, 100 * SIM_US);
            sim_agenda_after(delay_ns, cancel_now, other, other->serial);
            return;
        }
    }
}

static void finish_close(void *subject, uint64_t serial)
{
    struct sim_request *request = subject;
    if (request->is_live && request->serial == serial && !sim_io_is_over()) {
        close_now(request);
        sim_io_complete(request, 0);
    }
}

static void send_off(struct sim_request *request)
{
    request->is_sent = true;
    switch (request->op) {
    case SIM_OP_ACCEPT: sim_net_accept(request); break;
    case SIM_OP_RECV: sim_net_recv(request); break;
    case SIM_OP_SEND: sim_net_send(request); break;
    case SIM_OP_SHUTDOWN: sim_net_shutdown(request); break;
    case SIM_OP_CANCEL: cancel(request); break;
    case SIM_OP_CLOSE:
        sim_agenda_after(sim_random_spread(&world.random, 0, 50 * SIM_US), finish_close, request,
                         request->serial);
        break;
    case SIM_OP_OPEN:
    case SIM_OP_UNLINK:
    case SIM_OP_FALLOCATE:
    case SIM_OP_WRITE:
    case SIM_OP_SYNC: sim_disk_start(request); break;
    case SIM_OP_COUNT: assert(false);
    }
}

/* ---- waiting ---- */

static void send_all_off(struct rp_io *io)
{
    for (size_t i = 0; i < io->unsent_count; i++) {
        if (io->unsent[i]->is_live) {
            send_off(io->unsent[i]);
        }
    }
    io->unsent_count = 0;
}

static bool has_completion(const struct rp_io *io)
{
    return io->first < io->count;
}

/* How much later things still come out of the same wait: how batches get their size. */
static uint64_t choose_gathering_ns(void)
{
    static const uint64_t choices[] = {0, 0, 0, 10 * SIM_US, 100 * SIM_US, 2 * SIM_MS};
    return choices[sim_random_below(&world.random, sizeof(choices) / sizeof(choices[0]))];
}

int rp_io_wait(struct rp_io *io, uint64_t until_ns)
{
    if (world.is_over) {
        return -ESHUTDOWN;
    }
    send_all_off(io);
    uint64_t start_ns = io->now_ns;
    uint64_t cpu_ns = sim_random_below(&world.random, 3 * SIM_US);
    sim_agenda_set_now(sim_agenda_now() + cpu_ns);

    uint64_t now_ns = sim_agenda_now();
    uint64_t limit_ns = until_ns > now_ns ? until_ns : now_ns;
    while (!has_completion(io) && sim_agenda_next_ns() <= limit_ns && !world.is_over) {
        if (sim_agenda_next_ns() == UINT64_MAX) {
            sim_trace_fail("nothing will ever happen again, and the engine waits for it");
        }
        sim_agenda_step();
    }
    if (has_completion(io)) {
        uint64_t gathered_ns = sim_agenda_now() + choose_gathering_ns();
        while (sim_agenda_next_ns() <= gathered_ns && !world.is_over) {
            sim_agenda_step();
        }
    } else if (!world.is_over) {
        sim_agenda_set_now(limit_ns);
    }
    if (world.is_over) {
        return -ESHUTDOWN;
    }
    io->now_ns = sim_agenda_now();
    world.stood_still = io->now_ns - start_ns > 10 * SIM_US ? 0 : world.stood_still + 1;
    if (world.stood_still > IDLE_WAITS) {
        sim_trace_fail("the engine waited %d times while nothing happened", IDLE_WAITS);
    }
    return 0;
}

/* ---- to others ---- */

static void arrive(void *subject, uint64_t detail)
{
    (void)detail; /* posts arrive in order */
    struct rp_io *io = subject;
    struct post post = io->posts[io->post_first++ % 64];
    push_completion(io, &(struct rp_io_completion){.tag = post.tag, .res = post.res});
}

int rp_io_post(struct rp_io *from, struct rp_io *to, uint64_t tag, int32_t res)
{
    (void)from; /* nothing of it takes part here */
    if (to->post_end - to->post_first == 64 || sim_random_chance(&world.random, 100000)) {
        return -EAGAIN;
    }
    to->posts[to->post_end++ % 64] = (struct post){.tag = tag, .res = res};
    sim_agenda_after(sim_random_below(&world.random, 20 * SIM_US), arrive, to, 0);
    return 0;
}

void rp_io_wake_readers(struct rp_io *io, uint32_t *word)
{
    (void)io; /* the simulator's reader polls: nobody waits */
    assert(word != NULL);
    sim_trace_add("wake readers", 0, 0, 0);
}
