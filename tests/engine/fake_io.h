/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fake_io.h - engine/io.h by hand: a request is recorded, the test says how it ends.
 *
 *     fake_start();
 *     rp_io_open_file(fake_io(), tag, dir_fd, "a", O_RDWR | O_CREAT, 0640);
 *     fake_perform(fake_find(FAKE_OPEN));          really does it, completes with its result
 *     fake_finish(fake_find(FAKE_WRITE), -EIO);    completes so, without effect
 *
 * Files are real ones, sockets are numbers from FAKE_SOCKET_FIRST on. What was lent for a
 * write or a send must not change until it completes: that is checked. Each socket must
 * be closed once, and nothing of it may be under way then.
 *
 * rp_io_wait never waits: with nothing to come it says -ESHUTDOWN. fake_worker.h has a whole
 * worker on it.
 */
#ifndef FAKE_IO_H
#define FAKE_IO_H

#include "engine/io.h"
#include "temp_dir.h"

#define FAKE_SOCKET_FIRST 1000000
#define FAKE_SOCKETS_MAX  256
#define FAKE_REQUESTS_MAX 4096
#define FAKE_COMPLETIONS  8192
#define FAKE_SENT_MAX     (256u << 10)

enum fake_op {
    FAKE_ACCEPT,
    FAKE_RECV,
    FAKE_SEND,
    FAKE_SHUTDOWN,
    FAKE_CLOSE, /* of a file or a socket */
    FAKE_OPEN,
    FAKE_UNLINK,
    FAKE_FALLOCATE,
    FAKE_PUNCH,
    FAKE_WRITE,
    FAKE_SYNC,
    FAKE_OP_COUNT,
};

struct fake_request {
    bool is_open; /* no final completion yet */
    bool is_cancelled;
    enum fake_op op;
    uint64_t tag;
    uint64_t serial; /* the older, the smaller */
    int fd;          /* a directory for OPEN and UNLINK */
    const void *ptr;
    uint64_t len; /* octets in all; of FALLOCATE and PUNCH */
    const struct iovec *iov;
    size_t iov_count;
    uint64_t off;
    bool is_durable; /* WRITE: RWF_DSYNC; SYNC: data only */
    const char *name;
    int flags; /* OPEN; SHUTDOWN: how */
    unsigned mode;
    uint64_t memory_hash; /* of what is lent */
};

struct fake_io {
    uint64_t now_ns;
    uint64_t wall_ns;
    uint64_t until_ns; /* what the last rp_io_wait was told */
    uint64_t wait_count;
    uint32_t round_max; /* completions between two waits; 0: all that there are */
    uint64_t disk_free, disk_total;
    int disk_error;
    bool are_links_lost;           /* rp_io_link_count says 0 of every file */
    uint32_t wakes;                /* rp_io_wake_readers */
    uint32_t listeners_shut;       /* rp_io_shutdown of a listener */
    struct sockaddr_storage peer;  /* of all sockets; family 0: 192.0.2.7 and a port for each */
    int peer_error;                /* -errno instead of a peer */
    int (*on_wait)(void *context); /* instead of rp_io_wait's answer */
    void *context;
    uint64_t submitted[FAKE_OP_COUNT]; /* requests so far */
};

/* Forget everything. Time begins at a second or so, the disk has room. */
void fake_start(void);
struct rp_io *fake_io(void);
struct fake_io *fake_state(void);

/* The oldest open request of that kind; NULL: there is none. */
struct fake_request *fake_find(enum fake_op op);
struct fake_request *fake_find_fd(enum fake_op op, int fd);
struct fake_request *fake_find_tag(uint64_t tag);
size_t fake_count(enum fake_op op);
size_t fake_count_all(void);

/* Complete with this result and without any effect. */
void fake_finish(struct fake_request *request, int32_t res);

/* Do it, and complete with what came of it. Not for ACCEPT and RECV. */
int32_t fake_perform(struct fake_request *request);

/* Write or send so many octets of it, and complete with that. */
int32_t fake_perform_part(struct fake_request *request, size_t len);

/* Perform the oldest that can be, but for ACCEPT, RECV and the ops whose bits are in `held`; a
 * cancelled one ends with -ECANCELED. False: there is none. */
bool fake_perform_oldest(uint32_t held);

/* A completion that means nothing: rp_io_wait returns. */
void fake_nudge(void);

/* How many completions wait for rp_io_next. */
size_t fake_completion_count(void);

/* ---- sockets ---- */

/* A socket that has come: completes the oldest ACCEPT with it. */
int fake_connect(void);

/* Octets from the client, in lent buffers of their own for each call. False: none was lent, or
 * nobody receives: with a receive armed that ended it with -ENOBUFS. */
bool fake_feed_octets(int fd, const void *octets, size_t len);
bool fake_feed(int fd, const char *text);

/* The client's end, as shutdown(SHUT_WR) or a reset. */
void fake_end(int fd);
void fake_break(int fd);

/* What was sent so far, NUL-terminated; fake_sent_take also forgets it. */
const char *fake_sent(int fd);
const char *fake_sent_take(int fd);
size_t fake_sent_len(int fd);
bool fake_is_closed(int fd);
bool fake_is_shut(int fd); /* for writing */
uint32_t fake_lent_count(void);

/* Sockets that are not closed yet. */
size_t fake_open_sockets(void);

#endif
