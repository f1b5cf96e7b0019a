/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_io.c - engine/io.h on virtual time: rings, completions, lent buffers, the clock.
 *
 * What may be asked for stands in sim_request.c; what comes of it, in sim_net.c and sim_disk.c.
 */
#include "sim_io.h"

#include "sim_agenda.h"
#include "sim_disk.h"
#include "sim_net.h"
#include "sim_random.h"
#include "sim_trace.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WALL_BASE_NS (1790000000ULL * SIM_S) /* when the virtual clock was at 0: in 2026 */
#define IDLE_WAITS   200000 /* waits in which time stood still that make an endless loop */

struct post {
    uint64_t tag;
    int32_t res;
};

struct queued {
    struct rp_io_completion completion;
    enum sim_op op; /* SIM_OP_COUNT: of rp_io_post */
};

struct rp_io {
    struct rp_io_options options;
    uint64_t now_ns;

    void **buffers; /* by number; NULL: not lent */
    uint32_t *lent; /* numbers of those that are */
    uint32_t lent_count;

    struct queued *completions; /* first come, first served */
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
    struct rp_io *rings[4];
    size_t ring_count;
    uint64_t clock_back_ns; /* the wall clock has been set back so far */
    uint64_t stood_still;   /* waits since time last went on */
    bool is_over;
} world;

/* ---- the world ---- */

void sim_io_start(uint64_t seed, const struct sim_io_faults *faults)
{
    assert(world.ring_count == 0);
    world.random = sim_random_from(seed, "io");
    world.faults = *faults;
    world.is_over = false;
    world.clock_back_ns = 0;
    world.stood_still = 0;
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
    sim_request_free_all();
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

static void close_number(int fd)
{
    if (fd >= SIM_NET_LISTENER) {
        sim_net_close_fd(fd);
    } else {
        sim_disk_close_fd(fd);
    }
}

/* What was asked to be closed, and what the engine never heard of: as a process's end does. */
static void close_forgotten(struct rp_io *io)
{
    struct sim_request *request;
    for (size_t i = 0; (request = sim_request_find_live(SIM_OP_CLOSE, i)) != NULL; i++) {
        if (request->io == io) {
            close_number(request->fd);
        }
    }
    for (size_t i = io->first; i < io->count; i++) {
        const struct queued *queued = &io->completions[i];
        bool has_fd = queued->op == SIM_OP_ACCEPT || queued->op == SIM_OP_OPEN;
        if (has_fd && queued->completion.res >= 0) {
            sim_trace_add("never heard of fd, op", 0, queued->op, 0);
            close_number(queued->completion.res);
        }
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
    close_forgotten(io);
    if (!world.is_over) {
        sim_disk_interrupt(true); /* what is on its way to the disk may or may not come there */
    }
    sim_request_drop_all(io);
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
    return WALL_BASE_NS + io->now_ns - world.clock_back_ns;
}

/* ---- completions ---- */

static void push_completion(struct rp_io *io,
                            enum sim_op op,
                            const struct rp_io_completion *completion)
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
    io->completions[io->count++] = (struct queued){.completion = *completion, .op = op};
}

bool rp_io_next(struct rp_io *io, struct rp_io_completion *completion_out)
{
    if (io->first == io->count) {
        return false;
    }
    *completion_out = io->completions[io->first++].completion;
    return true;
}

void sim_io_complete_more(struct sim_request *request, int32_t res, uint32_t buffer, bool has_more)
{
    assert(request->is_live && request->is_sent);
    if (!has_more) {
        sim_request_require_unchanged(request);
        request->is_live = false;
    }
    push_completion(request->io, request->op,
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
    struct sim_request *other = sim_request_find_tag(request->io, request->tag);
    if (other != NULL) {
        uint64_t delay_ns = sim_random_spread(&world.random, 0, 100 * SIM_US);
        sim_agenda_after(delay_ns, cancel_now, other, other->serial);
    }
}

static void finish_close(void *subject, uint64_t serial)
{
    struct sim_request *request = subject;
    if (request->is_live && request->serial == serial && !sim_io_is_over()) {
        close_number(request->fd);
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
    case SIM_OP_PUNCH:
    case SIM_OP_WRITE:
    case SIM_OP_SYNC: sim_disk_start(request); break;
    case SIM_OP_COUNT: assert(false);
    }
}

/* ---- waiting ---- */

void sim_io_queue(struct rp_io *io, struct sim_request *request)
{
    if (io->unsent_count == io->unsent_cap) {
        io->unsent_cap = io->unsent_cap == 0 ? 256 : io->unsent_cap * 2;
        io->unsent = reallocarray(io->unsent, io->unsent_cap, sizeof(struct sim_request *));
        assert(io->unsent != NULL);
    }
    io->unsent[io->unsent_count++] = request;
}

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

/* Somebody else had the processor; and somebody has set the clock. */
static void be_late(void)
{
    if (sim_random_chance(&world.random, world.faults.late_ppm)) {
        uint64_t until_ns =
            sim_agenda_now() + sim_random_below(&world.random, world.faults.late_ns);
        while (sim_agenda_next_ns() <= until_ns && !world.is_over) {
            sim_agenda_step();
        }
        if (!world.is_over) {
            sim_agenda_set_now(until_ns);
        }
    }
    if (sim_random_chance(&world.random, world.faults.clock_ppm)) {
        world.clock_back_ns = sim_random_spread(&world.random, 0, 1000000 * SIM_S);
    }
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
    be_late();
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
    push_completion(io, SIM_OP_COUNT, &(struct rp_io_completion){.tag = post.tag, .res = post.res});
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
