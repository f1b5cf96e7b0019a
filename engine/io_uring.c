/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * io_uring.c - io.h on the kernel's rings.
 *
 * The ring is made disabled and enabled by the first thread that waits on it, which is
 * then its only submitter (SINGLE_ISSUER). Completions are run only when that thread asks
 * (DEFER_TASKRUN). Kernels without those flags do without.
 */
#include "io.h"

#include "uring_setup.h"

#include <liburing.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_GROUP 0
#define TAG_NOBODY   UINT64_MAX /* of requests whose completion nobody waits for */

struct lent {
    void *ptr;
    uint32_t buffer;
};

struct rp_io {
    struct io_uring ring;
    struct io_uring_buf_ring *buffer_ring;
    struct lent *lent; /* which buffer each slot of the buffer ring has */
    uint16_t *free_slots;
    uint32_t free_slot_count;
    uint32_t buffer_count;
    uint32_t buffer_size;
    uint64_t now_ns;
    uint64_t wall_ns;
    bool is_enabled;
    bool has_recv_multishot; /* Linux 6.0; without it every receive is asked for anew */
};

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now); /* both clocks exist on every Linux */
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- open and close ---- */

static int open_buffer_ring(struct rp_io *io, const struct rp_io_options *options)
{
    io->buffer_count = options->buffer_count;
    io->buffer_size = options->buffer_size;
    io->lent = calloc(options->buffer_count, sizeof(*io->lent));
    io->free_slots = calloc(options->buffer_count, sizeof(*io->free_slots));
    if (io->lent == NULL || io->free_slots == NULL) {
        return -ENOMEM;
    }
    for (uint32_t slot = 0; slot < options->buffer_count; slot++) {
        io->free_slots[io->free_slot_count++] = (uint16_t)slot;
    }
    void *memory = mmap(NULL, options->buffer_count * sizeof(struct io_uring_buf),
                        PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
    if (memory == MAP_FAILED) {
        return -ENOMEM;
    }
    io->buffer_ring = memory;
    io_uring_buf_ring_init(io->buffer_ring);
    struct io_uring_buf_reg registration = {
        .ring_addr = (uintptr_t)memory,
        .ring_entries = options->buffer_count,
        .bgid = BUFFER_GROUP,
    };
    return io_uring_register_buf_ring(&io->ring, &registration, 0);
}

int rp_io_open(const struct rp_io_options *options,
               struct rp_io **io_out,
               char *error,
               size_t error_len)
{
    assert(options->buffer_count <= 32768 &&
           (options->buffer_count & (options->buffer_count - 1)) == 0);
    struct rp_io *io = calloc(1, sizeof(*io));
    if (io == NULL) {
        rp_uring_setup_explain(-ENOMEM, error, error_len);
        return -ENOMEM;
    }
    int err = rp_uring_setup_open(&io->ring, options->request_count, &io->is_enabled);
    if (err < 0) {
        rp_uring_setup_explain(err, error, error_len);
        free(io);
        return err;
    }
    err = open_buffer_ring(io, options);
    if (err < 0) {
        rp_uring_setup_explain(err, error, error_len);
        rp_io_close(io);
        return err == -EINVAL ? -EOPNOTSUPP : err;
    }
    io->has_recv_multishot = rp_uring_setup_has_recv_multishot(&io->ring);
    io->now_ns = clock_ns(CLOCK_MONOTONIC);
    io->wall_ns = clock_ns(CLOCK_REALTIME);
    *io_out = io;
    return 0;
}

void rp_io_close(struct rp_io *io)
{
    if (io == NULL) {
        return;
    }
    io_uring_queue_exit(&io->ring);
    if (io->buffer_ring != NULL) {
        (void)munmap(io->buffer_ring, io->buffer_count * sizeof(struct io_uring_buf));
    }
    free(io->lent);
    free(io->free_slots);
    free(io);
}

uint64_t rp_io_now_ns(const struct rp_io *io)
{
    return io->now_ns;
}

uint64_t rp_io_wall_ns(const struct rp_io *io)
{
    return io->wall_ns;
}

/* ---- waiting ---- */

static int enable(struct rp_io *io)
{
    if (io->is_enabled) {
        return 0;
    }
    io->is_enabled = true;
    /* liburing 2.3 declares io_uring_enable_rings, but its library does not export it. */
    int fd = io->ring.ring_fd;
    return io_uring_register((unsigned)fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

static int submit_and_wait(struct rp_io *io, uint64_t until_ns)
{
    struct io_uring_cqe *cqe;
    if (until_ns == UINT64_MAX) {
        return io_uring_submit_and_wait(&io->ring, 1);
    }
    uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
    uint64_t pause_ns = until_ns > now_ns ? until_ns - now_ns : 0;
    struct __kernel_timespec pause = {.tv_sec = (int64_t)(pause_ns / 1000000000u),
                                      .tv_nsec = (long long)(pause_ns % 1000000000u)};
    return io_uring_submit_and_wait_timeout(&io->ring, &cqe, 1, &pause, NULL);
}

int rp_io_wait(struct rp_io *io, uint64_t until_ns)
{
    int err = enable(io);
    if (err == 0) {
        err = submit_and_wait(io, until_ns);
    }
    io->now_ns = clock_ns(CLOCK_MONOTONIC);
    io->wall_ns = clock_ns(CLOCK_REALTIME);
    switch (err) {
    case -ETIME:  /* until_ns has come */
    case -EINTR:  /* a signal: the caller's loop waits again */
    case -EAGAIN: /* no memory for a request at this moment: they stay queued */
    case -EBUSY: /* completions first: the caller takes them now */ return 0;
    default: return err < 0 ? err : 0;
    }
}

static void put_in_ring(struct rp_io *io, uint16_t slot)
{
    io_uring_buf_ring_add(io->buffer_ring, io->lent[slot].ptr, io->buffer_size, slot,
                          io_uring_buf_ring_mask(io->buffer_count), 0);
    io_uring_buf_ring_advance(io->buffer_ring, 1);
}

/* Take back the buffer of a completion. Where nothing came in it (some kernels take one before
 * they see that), it is lent again at once. */
static void take_buffer(struct rp_io *io,
                        const struct io_uring_cqe *cqe,
                        struct rp_io_completion *completion)
{
    uint16_t slot = (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
    assert(slot < io->buffer_count);
    if (cqe->res <= 0) {
        put_in_ring(io, slot);
        return;
    }
    completion->buffer = io->lent[slot].buffer;
    io->free_slots[io->free_slot_count++] = slot;
}

bool rp_io_next(struct rp_io *io, struct rp_io_completion *completion_out)
{
    struct io_uring_cqe *cqe;
    while (io_uring_peek_cqe(&io->ring, &cqe) == 0) {
        bool is_nobodys = cqe->user_data == TAG_NOBODY;
        *completion_out = (struct rp_io_completion){
            .tag = cqe->user_data,
            .res = cqe->res,
            .buffer = UINT32_MAX,
            .has_more = (cqe->flags & IORING_CQE_F_MORE) != 0,
        };
        if ((cqe->flags & IORING_CQE_F_BUFFER) != 0) {
            take_buffer(io, cqe, completion_out);
        }
        io_uring_cqe_seen(&io->ring, cqe);
        if (!is_nobodys) {
            return true;
        }
    }
    return false;
}

/* ---- requests ---- */

/* Room for one more; where there is none, those queued are sent off first. */
static struct io_uring_sqe *get_sqe(struct rp_io *io, uint64_t tag)
{
    struct io_uring_sqe *sqe;
    while ((sqe = io_uring_get_sqe(&io->ring)) == NULL) {
        int err = enable(io);
        err = err == 0 ? io_uring_submit(&io->ring) : err;
        /* EAGAIN and EBUSY pass as soon as the kernel has memory; any other is ours. */
        assert(err >= 0 || err == -EAGAIN || err == -EBUSY || err == -EINTR);
    }
    io_uring_sqe_set_data64(sqe, tag);
    return sqe;
}

/* liburing's io_uring_prep_* reset user_data: the tag is set behind them. */
#define PREPARE(io, tag, prepare, ...)                    \
    do {                                                  \
        struct io_uring_sqe *sqe_ = get_sqe((io), (tag)); \
        prepare(sqe_, __VA_ARGS__);                       \
        io_uring_sqe_set_data64(sqe_, (tag));             \
    } while (0)

void rp_io_give_buffer(struct rp_io *io, uint32_t buffer, void *ptr)
{
    assert(io->free_slot_count > 0);
    uint16_t slot = io->free_slots[--io->free_slot_count];
    io->lent[slot] = (struct lent){.ptr = ptr, .buffer = buffer};
    put_in_ring(io, slot);
}

uint32_t rp_io_buffer_room(const struct rp_io *io)
{
    return io->free_slot_count;
}

void rp_io_accept(struct rp_io *io, uint64_t tag, int listener_fd)
{
    PREPARE(io, tag, io_uring_prep_multishot_accept, listener_fd, NULL, NULL, SOCK_CLOEXEC);
}

void rp_io_recv(struct rp_io *io, uint64_t tag, int fd)
{
    struct io_uring_sqe *sqe = get_sqe(io, tag);
    if (io->has_recv_multishot) {
        io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
    } else {
        io_uring_prep_recv(sqe, fd, NULL, io->buffer_size, 0);
    }
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = BUFFER_GROUP;
    io_uring_sqe_set_data64(sqe, tag);
}

void rp_io_send(struct rp_io *io, uint64_t tag, int fd, const void *ptr, size_t len)
{
    PREPARE(io, tag, io_uring_prep_send, fd, ptr, len, MSG_NOSIGNAL | MSG_WAITALL);
}

void rp_io_shutdown(struct rp_io *io, uint64_t tag, int fd, int how)
{
    PREPARE(io, tag, io_uring_prep_shutdown, fd, how);
}

void rp_io_cancel(struct rp_io *io, uint64_t tag)
{
    PREPARE(io, TAG_NOBODY, io_uring_prep_cancel64, tag, 0);
}

void rp_io_close_fd(struct rp_io *io, uint64_t tag, int fd)
{
    PREPARE(io, tag, io_uring_prep_close, fd);
}

void rp_io_forget_and_close_fd(struct rp_io *io, uint64_t tag, int fd)
{
    struct io_uring_sqe *sqe = get_sqe(io, TAG_NOBODY);
    io_uring_prep_fadvise(sqe, fd, 0, 0, POSIX_FADV_DONTNEED);
    io_uring_sqe_set_data64(sqe, TAG_NOBODY);
    /* A hard link: it is closed whatever comes of the advice. */
    sqe->flags |= IOSQE_IO_HARDLINK;
    rp_io_close_fd(io, tag, fd);
}

void rp_io_abandon_fd(struct rp_io *io, int fd)
{
    (void)io;
    (void)close(fd); /* a socket of a connection that nobody serves any more */
}

int rp_io_peer(struct rp_io *io, int fd, struct sockaddr_storage *peer_out)
{
    (void)io;
    socklen_t len = sizeof(*peer_out);
    return getpeername(fd, (struct sockaddr *)peer_out, &len) < 0 ? -errno : 0;
}

void rp_io_open_file(struct rp_io *io,
                     uint64_t tag,
                     int dir_fd,
                     const char *name,
                     int flags,
                     unsigned mode)
{
    PREPARE(io, tag, io_uring_prep_openat, dir_fd, name, flags | O_CLOEXEC, mode);
}

void rp_io_unlink(struct rp_io *io, uint64_t tag, int dir_fd, const char *name)
{
    PREPARE(io, tag, io_uring_prep_unlinkat, dir_fd, name, 0);
}

static void prepare_fallocate(struct rp_io *io,
                              uint64_t tag,
                              int fd,
                              int mode,
                              uint64_t off,
                              uint64_t len)
{
    struct io_uring_sqe *sqe = get_sqe(io, tag);
    io_uring_prep_fallocate(sqe, fd, mode, 0, 0);
    sqe->off = off; /* set here: versions of liburing differ in the types of these arguments */
    sqe->addr = len;
    io_uring_sqe_set_data64(sqe, tag);
}

void rp_io_fallocate(struct rp_io *io, uint64_t tag, int fd, uint64_t len)
{
    prepare_fallocate(io, tag, fd, 0, 0, len);
}

void rp_io_punch(struct rp_io *io, uint64_t tag, int fd, uint64_t off, uint64_t len)
{
    prepare_fallocate(io, tag, fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off, len);
}

int rp_io_link_count(struct rp_io *io, int fd)
{
    (void)io;
    struct stat status;
    return fstat(fd, &status) < 0 ? -errno : (int)status.st_nlink;
}

void rp_io_write(struct rp_io *io,
                 uint64_t tag,
                 int fd,
                 const struct iovec *iov,
                 size_t iov_count,
                 uint64_t off,
                 bool is_durable)
{
    assert(iov_count > 0 && iov_count <= IOV_MAX);
    PREPARE(io, tag, io_uring_prep_writev2, fd, iov, (unsigned)iov_count, off,
            is_durable ? RWF_DSYNC : 0);
}

void rp_io_sync(struct rp_io *io, uint64_t tag, int fd, bool is_data_only)
{
    PREPARE(io, tag, io_uring_prep_fsync, fd, is_data_only ? IORING_FSYNC_DATASYNC : 0);
}

int rp_io_disk_free(struct rp_io *io, int dir_fd, uint64_t *free_out, uint64_t *total_out)
{
    (void)io;
    struct statvfs disk;
    if (fstatvfs(dir_fd, &disk) < 0) {
        return -errno;
    }
    *free_out = (uint64_t)disk.f_bavail * disk.f_frsize;
    *total_out = (uint64_t)disk.f_blocks * disk.f_frsize;
    return 0;
}

int rp_io_post(struct rp_io *from, struct rp_io *to, uint64_t tag, int32_t res)
{
    int err = enable(from);
    if (err < 0) {
        return err;
    }
    PREPARE(from, TAG_NOBODY, io_uring_prep_msg_ring, to->ring.ring_fd, (unsigned)res, tag, 0);
    struct io_uring_cqe *cqe;
    do {
        err = io_uring_submit_and_wait(&from->ring, 1);
    } while (err == -EINTR);
    if (err < 0) {
        return err;
    }
    err = io_uring_peek_cqe(&from->ring, &cqe);
    if (err < 0) {
        return err;
    }
    err = cqe->res;
    io_uring_cqe_seen(&from->ring, cqe);
    if (err == -EOVERFLOW) {
        return -EAGAIN;
    }
    if (err == -EBADFD) {
        return -EAGAIN; /* its thread has not begun to wait yet */
    }
    return err == -EINVAL ? -EOPNOTSUPP : err;
}

void rp_io_wake_readers(struct rp_io *io, uint32_t *word)
{
    (void)io;
    (void)syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0); /* cannot fail */
}
