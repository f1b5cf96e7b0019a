/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * io.h - THE SEAM: all that the running engine asks of the world.
 *
 * Two implementations with the same names, chosen at link time: io_uring.c (the
 * kernel) and tests/sim/sim_io.c (a deterministic simulator: seeded network and
 * disk faults, virtual time). What happens before the loops run (sockets bound,
 * spool recovered: spooldir.h) uses plain system calls in both.
 *
 *     for (;;) {
 *         rp_io_wait(io, until_ns);
 *         while (rp_io_next(io, &completion)) { ...completion.tag says what it was... }
 *     }
 *
 * A request carries a tag of the caller's, which its completion brings back; what it
 * points to belongs to the implementation until then. A request cannot fail at once:
 * every failure is a completion with a negative errno in `res`. Requests are sent off
 * together by the next rp_io_wait. One thread owns an rp_io, but for rp_io_post.
 *
 * Receive buffers belong to the caller's pool. rp_io_give_buffer lends one; a completion
 * of rp_io_recv hands one back, filled. With none lent, receiving ends with -ENOBUFS:
 * give some, then ask again.
 */
#ifndef IO_H
#define IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

struct rp_io;

struct rp_io_options {
    uint32_t request_count; /* requests that may wait for one submission (ring entries) */
    uint32_t buffer_count;  /* buffers that may be lent at a time: a power of two, at most 32768 */
    uint32_t buffer_size;   /* octets of each */
};

/*
 * Open. On failure error_len > 0 octets of `error` hold one line that says what forbids it
 * and how to lift it: -EPERM (kernel.io_uring_disabled, seccomp), -ENOMEM (locked memory),
 * -ENOSYS (a kernel without it), -EOPNOTSUPP (one too old: what is missing).
 */
int rp_io_open(const struct rp_io_options *options,
               struct rp_io **io_out,
               char *error,
               size_t error_len);

/* Open requests are dropped; no completion comes any more. NULL is fine. */
void rp_io_close(struct rp_io *io);

/* Monotonic time when rp_io_wait last returned (or rp_io_open), ns. */
uint64_t rp_io_now_ns(const struct rp_io *io);

/* Time since 1970, UTC, taken along with rp_io_now_ns, ns. */
uint64_t rp_io_wall_ns(const struct rp_io *io);

struct rp_io_completion {
    uint64_t tag;
    int32_t res;     /* negative: -errno; else what the system call would give */
    uint32_t buffer; /* rp_io_recv with res > 0: the buffer handed back */
    bool has_more;   /* rp_io_accept, rp_io_recv: more completions of this request will come */
};

/*
 * Send off all requests; return when a completion is there, at the latest at until_ns
 * (monotonic; UINT64_MAX: no limit; 0: do not wait). 0, also when nothing came, or -errno:
 * the ring itself is broken (in the simulator: -ESHUTDOWN, the power is gone).
 */
int rp_io_wait(struct rp_io *io, uint64_t until_ns);

/* True: *completion_out is the next one that has come. */
bool rp_io_next(struct rp_io *io, struct rp_io_completion *completion_out);

/* Lend a buffer; at most buffer_count are lent at a time (rp_io_buffer_room says how many more). */
void rp_io_give_buffer(struct rp_io *io, uint32_t buffer, void *ptr);
uint32_t rp_io_buffer_room(const struct rp_io *io);

/* ---- sockets ---- */

/* res: a connected socket, again and again until has_more is false. -EMFILE, -ENFILE, -ENOBUFS,
 * -ENOMEM: ask again later; -ECANCELED: rp_io_cancel. */
void rp_io_accept(struct rp_io *io, uint64_t tag, int listener_fd);

/* res: octets in `buffer`; 0: the end (has_more is false); -ENOBUFS: none lent; -ECONNRESET... */
void rp_io_recv(struct rp_io *io, uint64_t tag, int fd);

/* res: octets sent, which may be fewer (send the rest again); -EPIPE, -ECONNRESET, ... */
void rp_io_send(struct rp_io *io, uint64_t tag, int fd, const void *ptr, size_t len);

/* shutdown(2); SHUT_WR lets the peer read what was sent to it and see the end. */
void rp_io_shutdown(struct rp_io *io, uint64_t tag, int fd, int how);

/* End the request of that tag early: it completes with -ECANCELED or as it would have. The
 * cancelling itself has no completion. */
void rp_io_cancel(struct rp_io *io, uint64_t tag);

/* Close a socket or a file; nothing of it may be under way. */
void rp_io_close_fd(struct rp_io *io, uint64_t tag, int fd);

/* Close a file, and let the page cache forget what it has of it (POSIX_FADV_DONTNEED). */
void rp_io_forget_and_close_fd(struct rp_io *io, uint64_t tag, int fd);

/* Close a socket although requests of it are under way: only before rp_io_close. */
void rp_io_abandon_fd(struct rp_io *io, int fd);

/* The peer of a connected socket. At once. -errno as getpeername(2). */
int rp_io_peer(struct rp_io *io, int fd, struct sockaddr_storage *peer_out);

/* ---- files (res as the system call of that name) ---- */

/* openat(2) with O_CLOEXEC; `name` stays until the completion. */
void rp_io_open_file(struct rp_io *io,
                     uint64_t tag,
                     int dir_fd,
                     const char *name,
                     int flags,
                     unsigned mode);
void rp_io_unlink(struct rp_io *io, uint64_t tag, int dir_fd, const char *name);

/* fallocate(2), mode 0, from the start. */
void rp_io_fallocate(struct rp_io *io, uint64_t tag, int fd, uint64_t len);

/* fallocate(2), FALLOC_FL_PUNCH_HOLE: the octets become zeros that take no space; the length of the
 * file stays. */
void rp_io_punch(struct rp_io *io, uint64_t tag, int fd, uint64_t off, uint64_t len);

/* How many names an open file has (st_nlink): 0 means that it goes with its last descriptor. At
 * once; -errno as fstat(2). */
int rp_io_link_count(struct rp_io *io, int fd);

/* pwritev2(2); at most IOV_MAX iovecs; `iov` and its memory stay until the completion.
 * is_durable: RWF_DSYNC. A short write is possible. */
void rp_io_write(struct rp_io *io,
                 uint64_t tag,
                 int fd,
                 const struct iovec *iov,
                 size_t iov_count,
                 uint64_t off,
                 bool is_durable);

/* fsync(2) of a file or directory; is_data_only: fdatasync(2). */
void rp_io_sync(struct rp_io *io, uint64_t tag, int fd, bool is_data_only);

/* Octets free to us and in all on the file system of that directory. At once; 0 or -errno. */
int rp_io_disk_free(struct rp_io *io, int dir_fd, uint64_t *free_out, uint64_t *total_out);

/* ---- to others ---- */

/* Any thread: a completion with this tag and res comes out of `to`. `from` is the caller's own.
 * 0; -EAGAIN: its queue is full, later; -EOPNOTSUPP. */
int rp_io_post(struct rp_io *from, struct rp_io *to, uint64_t tag, int32_t res);

/* FUTEX_WAKE of all that wait on this word, in any process. At once. */
void rp_io_wake_readers(struct rp_io *io, uint32_t *word);

#endif
