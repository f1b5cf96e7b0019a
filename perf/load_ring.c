/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_ring.c - the ring of a worker of ringpost-load.
 */
#include "load_ring.h"

#include "engine/uring_setup.h"

#include <liburing.h>

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define BUFFER_GROUP 0
#define NS_PER_S     UINT64_C(1000000000)

struct rp_load_ring {
    struct io_uring ring;
    struct io_uring_buf_ring *buffer_ring;
    uint8_t *buffers;
    struct rp_load_ring_options options;
    uint32_t given_count; /* buffers given back, and not yet told to the kernel */
    uint16_t lent;        /* the buffer of the completion that was told last */
    bool is_lent;
    bool has_recv_multishot; /* Linux 6.0 */
};

uint64_t rp_load_ring_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* exists on every Linux */
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* ---- open and close ---- */

static void put_in_ring(struct rp_load_ring *ring, uint16_t buffer)
{
    uint8_t *place = ring->buffers + (size_t)buffer * ring->options.buffer_size;
    io_uring_buf_ring_add(ring->buffer_ring, place, ring->options.buffer_size, buffer,
                          io_uring_buf_ring_mask(ring->options.buffer_count),
                          (int)ring->given_count);
    ring->given_count++;
}

static void tell_given(struct rp_load_ring *ring)
{
    if (ring->given_count > 0) {
        io_uring_buf_ring_advance(ring->buffer_ring, (int)ring->given_count);
        ring->given_count = 0;
    }
}

static int open_buffers(struct rp_load_ring *ring)
{
    uint32_t count = ring->options.buffer_count;
    size_t size = (size_t)count * ring->options.buffer_size;
    void *memory = mmap(NULL, count * sizeof(struct io_uring_buf), PROT_READ | PROT_WRITE,
                        MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
    if (memory == MAP_FAILED) {
        return -ENOMEM;
    }
    ring->buffer_ring = memory;
    ring->buffers = malloc(size);
    if (ring->buffers == NULL) {
        return -ENOMEM;
    }
    io_uring_buf_ring_init(ring->buffer_ring);
    struct io_uring_buf_reg registration = {
        .ring_addr = (uintptr_t)memory,
        .ring_entries = count,
        .bgid = BUFFER_GROUP,
    };
    int err = io_uring_register_buf_ring(&ring->ring, &registration, 0);
    if (err != 0) {
        return err;
    }
    for (uint32_t buffer = 0; buffer < count; buffer++) {
        put_in_ring(ring, (uint16_t)buffer);
    }
    tell_given(ring);
    return 0;
}

int rp_load_ring_open(const struct rp_load_ring_options *options,
                      struct rp_load_ring **ring_out,
                      char *error,
                      size_t error_len)
{
    assert(options->buffer_count <= 32768 &&
           (options->buffer_count & (options->buffer_count - 1)) == 0);
    struct rp_load_ring *ring = calloc(1, sizeof(*ring));
    if (ring == NULL) {
        rp_uring_setup_explain(-ENOMEM, error, error_len);
        return -ENOMEM;
    }
    ring->options = *options;
    int err = rp_uring_setup_open(&ring->ring, options->request_count, NULL);
    if (err < 0) {
        rp_uring_setup_explain(err, error, error_len);
        free(ring);
        return err;
    }
    err = open_buffers(ring);
    if (err < 0) {
        rp_uring_setup_explain(err, error, error_len);
        rp_load_ring_close(ring);
        return err;
    }
    ring->has_recv_multishot = rp_uring_setup_has_recv_multishot(&ring->ring);
    *ring_out = ring;
    return 0;
}

void rp_load_ring_close(struct rp_load_ring *ring)
{
    if (ring == NULL) {
        return;
    }
    io_uring_queue_exit(&ring->ring);
    if (ring->buffer_ring != NULL) {
        (void)munmap(ring->buffer_ring, ring->options.buffer_count * sizeof(struct io_uring_buf));
    }
    free(ring->buffers);
    free(ring);
}

/* ---- waiting ---- */

static int submit_and_wait(struct rp_load_ring *ring, uint64_t until_ns)
{
    uint64_t now_ns = until_ns == 0 ? 0 : rp_load_ring_now_ns();
    if (until_ns <= now_ns) {
        return io_uring_submit_and_get_events(&ring->ring);
    }
    uint64_t pause_ns = until_ns - now_ns;
    struct __kernel_timespec pause = {.tv_sec = (int64_t)(pause_ns / NS_PER_S),
                                      .tv_nsec = (long long)(pause_ns % NS_PER_S)};
    struct io_uring_cqe *cqe;
    return io_uring_submit_and_wait_timeout(&ring->ring, &cqe, 1, &pause, NULL);
}

static void give_back(struct rp_load_ring *ring)
{
    if (ring->is_lent) {
        put_in_ring(ring, ring->lent);
        ring->is_lent = false;
    }
    if (ring->given_count >= ring->options.buffer_count / 4) {
        tell_given(ring); /* else only before the next wait: one store for many */
    }
}

int rp_load_ring_wait(struct rp_load_ring *ring, uint64_t until_ns)
{
    give_back(ring);
    tell_given(ring);
    int err = submit_and_wait(ring, until_ns);
    switch (err) {
    case -ETIME:  /* until_ns has come */
    case -EINTR:  /* a signal: the caller's loop waits again */
    case -EAGAIN: /* no memory for a request at this moment: they stay queued */
    case -EBUSY: /* completions first: the caller takes them now */ return 0;
    default: return err < 0 ? err : 0;
    }
}

/* The oldest completion, or NULL. Not io_uring_peek_cqe: that may enter the kernel. */
static struct io_uring_cqe *peek(struct rp_load_ring *ring)
{
    if (io_uring_cq_ready(&ring->ring) == 0) {
        return NULL;
    }
    unsigned head = *ring->ring.cq.khead; /* written by this thread only */
    return &ring->ring.cq.cqes[head & ring->ring.cq.ring_mask];
}

bool rp_load_ring_next(struct rp_load_ring *ring, struct rp_load_completion *completion_out)
{
    for (;;) {
        give_back(ring);
        struct io_uring_cqe *cqe = peek(ring);
        if (cqe == NULL) {
            return false;
        }
        *completion_out = (struct rp_load_completion){
            .tag = cqe->user_data,
            .res = cqe->res,
            .has_more = (cqe->flags & IORING_CQE_F_MORE) != 0,
        };
        if ((cqe->flags & IORING_CQE_F_BUFFER) != 0) {
            ring->lent = (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
            ring->is_lent = true;
            completion_out->data = (struct rp_span){
                .ptr = ring->buffers + (size_t)ring->lent * ring->options.buffer_size,
                .len = cqe->res > 0 ? (size_t)cqe->res : 0,
            };
        }
        io_uring_cqe_seen(&ring->ring, cqe);
        if (completion_out->tag != RP_LOAD_RING_NOBODY) {
            return true;
        }
    }
}

/* ---- requests ---- */

/* Room for one more; where there is none, those queued are sent off first. */
static struct io_uring_sqe *get_sqe(struct rp_load_ring *ring)
{
    struct io_uring_sqe *sqe;
    while ((sqe = io_uring_get_sqe(&ring->ring)) == NULL) {
        int err = io_uring_submit(&ring->ring);
        /* EAGAIN and EBUSY pass as soon as the kernel has memory; any other is ours. */
        assert(err >= 0 || err == -EAGAIN || err == -EBUSY || err == -EINTR);
    }
    return sqe;
}

void rp_load_ring_connect(struct rp_load_ring *ring,
                          uint64_t tag,
                          int fd,
                          const struct sockaddr *address,
                          socklen_t address_len)
{
    struct io_uring_sqe *sqe = get_sqe(ring);
    io_uring_prep_connect(sqe, fd, address, address_len);
    io_uring_sqe_set_data64(sqe, tag);
}

void rp_load_ring_recv(struct rp_load_ring *ring, uint64_t tag, int fd)
{
    struct io_uring_sqe *sqe = get_sqe(ring);
    if (ring->has_recv_multishot) {
        io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
    } else {
        io_uring_prep_recv(sqe, fd, NULL, ring->options.buffer_size, 0);
    }
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = BUFFER_GROUP;
    io_uring_sqe_set_data64(sqe, tag);
}

void rp_load_ring_send(struct rp_load_ring *ring, uint64_t tag, int fd, const struct msghdr *header)
{
    struct io_uring_sqe *sqe = get_sqe(ring);
    uint64_t len = 0;
    for (size_t index = 0; index < header->msg_iovlen; index++) {
        len += header->msg_iov[index].iov_len;
    }
    int flags = MSG_NOSIGNAL | (len <= RP_LOAD_RING_WHOLE_MAX ? MSG_WAITALL : 0);
    if (header->msg_iovlen == 1 && len <= RP_LOAD_RING_WHOLE_MAX) {
        /* Without a header that the kernel would have to copy; a length has 32 bits. */
        io_uring_prep_send(sqe, fd, header->msg_iov[0].iov_base, (size_t)len, flags);
    } else {
        io_uring_prep_sendmsg(sqe, fd, header, (unsigned)flags);
    }
    io_uring_sqe_set_data64(sqe, tag);
}

void rp_load_ring_cancel(struct rp_load_ring *ring, int fd)
{
    struct io_uring_sqe *sqe = get_sqe(ring);
    io_uring_prep_cancel_fd(sqe, fd, IORING_ASYNC_CANCEL_ALL);
    io_uring_sqe_set_data64(sqe, RP_LOAD_RING_NOBODY);
}
