/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fake_io.c - see fake_io.h. */
#include "fake_io.h"

#include "engine/limits.h"
#include "engine/op.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct lent_buffer {
    uint32_t buffer;
    uint8_t *ptr;
};

struct fake_socket {
    bool is_open;
    bool is_shut;
    size_t sent_len;
    char *sent;
};

static struct fake_io state;
static uint32_t round_left = UINT32_MAX; /* completions until the next rp_io_wait */
static struct fake_request requests[FAKE_REQUESTS_MAX];
static size_t request_high; /* slots beyond were never used */
static uint64_t next_serial;
static struct rp_io_completion completions[FAKE_COMPLETIONS];
static size_t completion_first, completion_end;
static struct lent_buffer *lent; /* first in, first out */
static uint32_t lent_count, lent_cap, lent_size;
static struct fake_socket sockets[FAKE_SOCKETS_MAX];
static int socket_count;

struct rp_io *fake_io(void)
{
    return (struct rp_io *)&state;
}

struct fake_io *fake_state(void)
{
    return &state;
}

void fake_start(void)
{
    for (int i = 0; i < socket_count; i++) {
        free(sockets[i].sent);
    }
    free(lent);
    lent = NULL;
    lent_count = lent_cap = 0;
    memset(requests, 0, sizeof(requests));
    memset(sockets, 0, sizeof(sockets));
    socket_count = 0;
    request_high = completion_first = completion_end = 0;
    state = (struct fake_io){
        .now_ns = 1234567890,
        .wall_ns = 1700000000000000000ull,
        .disk_free = 1ull << 40,
        .disk_total = 2ull << 40,
    };
}

/* ---- requests ---- */

static void mix(uint64_t *hash, const void *ptr, size_t len)
{
    const uint8_t *octets = ptr;
    for (size_t i = 0; i < len; i++) {
        *hash = (*hash ^ octets[i]) * 0x100000001b3ull;
    }
}

static uint64_t hash_lent(const struct fake_request *request)
{
    uint64_t hash = 0xcbf29ce484222325ull;
    if (request->op == FAKE_SEND) {
        mix(&hash, request->ptr, request->len);
    }
    if (request->op == FAKE_WRITE) {
        mix(&hash, request->iov, request->iov_count * sizeof(*request->iov));
        /* Zeros to prepare a segment are constant memory, and many. */
        for (size_t i = 0; i < request->iov_count && request->len < RP_ZERO_PIECE; i++) {
            mix(&hash, request->iov[i].iov_base, request->iov[i].iov_len);
        }
    }
    if (request->name != NULL) {
        mix(&hash, request->name, strlen(request->name));
    }
    return hash;
}

static void submit(struct fake_request request)
{
    size_t slot = 0;
    while (slot < request_high && requests[slot].is_open) {
        slot++;
    }
    assert(slot < FAKE_REQUESTS_MAX);
    if (slot == request_high) {
        request_high++;
    }
    request.is_open = true;
    request.serial = next_serial++;
    request.memory_hash = hash_lent(&request);
    state.submitted[request.op]++;
    requests[slot] = request;
}

static struct fake_request *find(enum fake_op op, bool by_fd, int fd)
{
    struct fake_request *oldest = NULL;
    for (size_t i = 0; i < request_high; i++) {
        struct fake_request *request = &requests[i];
        bool is_match = request->is_open && request->op == op && (!by_fd || request->fd == fd);
        if (is_match && (oldest == NULL || request->serial < oldest->serial)) {
            oldest = request;
        }
    }
    return oldest;
}

struct fake_request *fake_find(enum fake_op op)
{
    return find(op, false, 0);
}

struct fake_request *fake_find_fd(enum fake_op op, int fd)
{
    return find(op, true, fd);
}

struct fake_request *fake_find_tag(uint64_t tag)
{
    for (size_t i = 0; i < request_high; i++) {
        if (requests[i].is_open && requests[i].tag == tag) {
            return &requests[i];
        }
    }
    return NULL;
}

size_t fake_count(enum fake_op op)
{
    size_t count = 0;
    for (size_t i = 0; i < request_high; i++) {
        count += requests[i].is_open && requests[i].op == op;
    }
    return count;
}

size_t fake_count_all(void)
{
    size_t count = 0;
    for (size_t i = 0; i < request_high; i++) {
        count += requests[i].is_open;
    }
    return count;
}

static void push(uint64_t tag, int32_t res, uint32_t buffer, bool has_more)
{
    assert(completion_end < FAKE_COMPLETIONS);
    completions[completion_end++] =
        (struct rp_io_completion){.tag = tag, .res = res, .buffer = buffer, .has_more = has_more};
}

size_t fake_completion_count(void)
{
    return completion_end - completion_first;
}

void fake_finish(struct fake_request *request, int32_t res)
{
    assert(request != NULL && request->is_open);
    assert(hash_lent(request) == request->memory_hash); /* it was lent, and has changed */
    request->is_open = false;
    push(request->tag, res, UINT32_MAX, false);
}

/* ---- performing ---- */

static struct fake_socket *socket_of(int fd)
{
    assert(fd >= FAKE_SOCKET_FIRST && fd < FAKE_SOCKET_FIRST + socket_count);
    return &sockets[fd - FAKE_SOCKET_FIRST];
}

static void close_socket(int fd)
{
    struct fake_socket *socket = socket_of(fd);
    assert(socket->is_open); /* closed twice */
    socket->is_open = false;
}

static bool is_under_way(int fd)
{
    for (size_t i = 0; i < request_high; i++) {
        bool is_other = requests[i].op != FAKE_CLOSE && requests[i].op != FAKE_ACCEPT;
        if (requests[i].is_open && requests[i].fd == fd && is_other) {
            return true;
        }
    }
    return false;
}

static int32_t send_part(int fd, const void *ptr, size_t len)
{
    struct fake_socket *socket = socket_of(fd);
    assert(socket->is_open && socket->sent_len + len < FAKE_SENT_MAX);
    if (socket->is_shut) {
        return -EPIPE;
    }
    memcpy(socket->sent + socket->sent_len, ptr, len);
    socket->sent_len += len;
    socket->sent[socket->sent_len] = '\0';
    return (int32_t)len;
}

/* Direct I/O is switched off meanwhile: the test may want any length. */
static int32_t write_part(const struct fake_request *request, size_t len)
{
    size_t done = 0;
    int flags = fcntl(request->fd, F_GETFL);
    int err = fcntl(request->fd, F_SETFL, flags & ~O_DIRECT);
    assert(err == 0);
    for (size_t i = 0; i < request->iov_count && done < len; i++) {
        const struct iovec *iov = &request->iov[i];
        assert(iov->iov_len > 0);
        size_t part = iov->iov_len < len - done ? iov->iov_len : len - done;
        ssize_t written = pwrite(request->fd, iov->iov_base, part, (off_t)(request->off + done));
        assert(written == (ssize_t)part);
        done += part;
    }
    (void)fcntl(request->fd, F_SETFL, flags); /* as it was */
    return (int32_t)done;
}

int32_t fake_perform_part(struct fake_request *request, size_t len)
{
    assert(request != NULL && len <= request->len);
    int32_t res = request->op == FAKE_SEND ? send_part(request->fd, request->ptr, len)
                                           : write_part(request, len);
    fake_finish(request, res);
    return res;
}

/* The whole socket is shut: what is under way of it ends, as the kernel does it. */
static void end_requests(int fd)
{
    struct fake_request *request;
    while ((request = fake_find_fd(FAKE_RECV, fd)) != NULL) {
        fake_finish(request, 0);
    }
    while ((request = fake_find_fd(FAKE_SEND, fd)) != NULL) {
        fake_finish(request, -EPIPE);
    }
}

/* A listener that is shut listens no more: whoever accepts on it is told so. */
static void end_listener(int fd)
{
    struct fake_request *request;
    while ((request = fake_find_fd(FAKE_ACCEPT, fd)) != NULL) {
        fake_finish(request, request->is_cancelled ? -ECANCELED : -EINVAL);
    }
    state.listeners_shut++;
}

static int32_t errno_of(int result)
{
    return result < 0 ? -errno : result;
}

int32_t fake_perform(struct fake_request *request)
{
    assert(request != NULL && request->is_open);
    int32_t res = 0;
    switch (request->op) {
    case FAKE_SEND:
    case FAKE_WRITE: return fake_perform_part(request, request->len);
    case FAKE_SHUTDOWN:
        if (request->fd < FAKE_SOCKET_FIRST) {
            end_listener(request->fd);
            break;
        }
        socket_of(request->fd)->is_shut = true;
        if (request->flags == SHUT_RDWR) {
            end_requests(request->fd);
        }
        break;
    case FAKE_CLOSE:
        if (request->fd >= FAKE_SOCKET_FIRST) {
            close_socket(request->fd);
        } else {
            res = errno_of(close(request->fd));
        }
        break;
    case FAKE_OPEN:
        res =
            errno_of(openat(request->fd, request->name, request->flags | O_CLOEXEC, request->mode));
        break;
    case FAKE_UNLINK: res = errno_of(unlinkat(request->fd, request->name, 0)); break;
    case FAKE_FALLOCATE: res = errno_of(fallocate(request->fd, 0, 0, (off_t)request->len)); break;
    case FAKE_PUNCH:
        res = errno_of(fallocate(request->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                 (off_t)request->off, (off_t)request->len));
        break;
    case FAKE_SYNC: break; /* what the disk has is not looked at here */
    case FAKE_ACCEPT:
    case FAKE_RECV:
    case FAKE_OP_COUNT: assert(false && "fake_connect, fake_feed and the like do this");
    }
    fake_finish(request, res);
    return res;
}

bool fake_perform_oldest(uint32_t held)
{
    struct fake_request *oldest = NULL;
    for (size_t i = 0; i < request_high; i++) {
        struct fake_request *request = &requests[i];
        bool is_held = request->op == FAKE_ACCEPT || request->op == FAKE_RECV ||
                       (held >> request->op & 1) != 0;
        is_held = is_held && !request->is_cancelled;
        if (request->is_open && !is_held && (oldest == NULL || request->serial < oldest->serial)) {
            oldest = request;
        }
    }
    if (oldest == NULL) {
        return false;
    }
    if (oldest->is_cancelled) {
        fake_finish(oldest, -ECANCELED);
    } else {
        (void)fake_perform(oldest); /* its result goes to the worker */
    }
    return true;
}

/* ---- sockets ---- */

int fake_connect(void)
{
    struct fake_request *request = fake_find(FAKE_ACCEPT);
    assert(request != NULL && socket_count < FAKE_SOCKETS_MAX);
    int fd = FAKE_SOCKET_FIRST + socket_count;
    sockets[socket_count++] =
        (struct fake_socket){.is_open = true, .sent = calloc(1, FAKE_SENT_MAX)};
    assert(socket_of(fd)->sent != NULL);
    push(request->tag, fd, UINT32_MAX, true);
    return fd;
}

bool fake_feed_octets(int fd, const void *octets, size_t len)
{
    const uint8_t *from = octets;
    while (len > 0) {
        struct fake_request *request = fake_find_fd(FAKE_RECV, fd);
        if (request == NULL) {
            return false;
        }
        if (lent_count == 0) {
            fake_finish(request, -ENOBUFS);
            return false;
        }
        struct lent_buffer first = lent[0];
        memmove(lent, lent + 1, --lent_count * sizeof(*lent));
        size_t part = len < lent_size ? len : lent_size;
        memcpy(first.ptr, from, part);
        push(request->tag, (int32_t)part, first.buffer, true);
        from += part;
        len -= part;
    }
    return true;
}

bool fake_feed(int fd, const char *text)
{
    return fake_feed_octets(fd, text, strlen(text));
}

void fake_end(int fd)
{
    fake_finish(fake_find_fd(FAKE_RECV, fd), 0);
}

void fake_break(int fd)
{
    struct fake_request *request = fake_find_fd(FAKE_RECV, fd);
    if (request != NULL) {
        fake_finish(request, -ECONNRESET);
    }
    request = fake_find_fd(FAKE_SEND, fd);
    if (request != NULL) {
        fake_finish(request, -ECONNRESET);
    }
}

const char *fake_sent(int fd)
{
    return socket_of(fd)->sent;
}

const char *fake_sent_take(int fd)
{
    static char taken[FAKE_SENT_MAX];
    struct fake_socket *socket = socket_of(fd);
    memcpy(taken, socket->sent, socket->sent_len + 1);
    socket->sent_len = 0;
    socket->sent[0] = '\0';
    return taken;
}

size_t fake_sent_len(int fd)
{
    return socket_of(fd)->sent_len;
}

bool fake_is_closed(int fd)
{
    return !socket_of(fd)->is_open;
}

bool fake_is_shut(int fd)
{
    return socket_of(fd)->is_shut;
}

uint32_t fake_lent_count(void)
{
    return lent_count;
}

size_t fake_open_sockets(void)
{
    size_t count = 0;
    for (int i = 0; i < socket_count; i++) {
        count += sockets[i].is_open;
    }
    return count;
}

/* ---- engine/io.h ---- */

int rp_io_open(const struct rp_io_options *options,
               struct rp_io **io_out,
               char *error,
               size_t error_len)
{
    assert(error_len > 0);
    lent = calloc(options->buffer_count, sizeof(*lent));
    if (lent == NULL) {
        (void)snprintf(error, error_len, "no memory");
        return -ENOMEM;
    }
    lent_cap = options->buffer_count;
    lent_size = options->buffer_size;
    *io_out = fake_io();
    return 0;
}

void rp_io_close(struct rp_io *io)
{
    if (io != NULL) {
        free(lent);
        lent = NULL;
        lent_count = lent_cap = 0;
    }
}

uint64_t rp_io_now_ns(const struct rp_io *io)
{
    (void)io;
    return state.now_ns;
}

uint64_t rp_io_wall_ns(const struct rp_io *io)
{
    (void)io;
    return state.wall_ns;
}

int rp_io_wait(struct rp_io *io, uint64_t until_ns)
{
    (void)io;
    state.until_ns = until_ns;
    state.wait_count++;
    int err = completion_first == completion_end ? -ESHUTDOWN : 0;
    if (state.on_wait != NULL) {
        err = state.on_wait(state.context);
    }
    round_left = state.round_max == 0 ? UINT32_MAX : state.round_max; /* as the test has it now */
    return err;
}

bool rp_io_next(struct rp_io *io, struct rp_io_completion *completion_out)
{
    (void)io;
    if (completion_first == completion_end) {
        completion_first = completion_end = 0;
        return false;
    }
    if (round_left-- == 0) {
        return false;
    }
    *completion_out = completions[completion_first++];
    return true;
}

void rp_io_give_buffer(struct rp_io *io, uint32_t buffer, void *ptr)
{
    (void)io;
    assert(lent_count < lent_cap);
    lent[lent_count++] = (struct lent_buffer){.buffer = buffer, .ptr = ptr};
}

uint32_t rp_io_buffer_room(const struct rp_io *io)
{
    (void)io;
    return lent_cap - lent_count;
}

void rp_io_accept(struct rp_io *io, uint64_t tag, int listener_fd)
{
    (void)io;
    submit((struct fake_request){.op = FAKE_ACCEPT, .tag = tag, .fd = listener_fd});
}

void rp_io_recv(struct rp_io *io, uint64_t tag, int fd)
{
    (void)io;
    assert(socket_of(fd)->is_open && fake_find_fd(FAKE_RECV, fd) == NULL);
    submit((struct fake_request){.op = FAKE_RECV, .tag = tag, .fd = fd});
}

void rp_io_send(struct rp_io *io, uint64_t tag, int fd, const void *ptr, size_t len)
{
    (void)io;
    assert(len > 0 && socket_of(fd)->is_open && fake_find_fd(FAKE_SEND, fd) == NULL);
    submit((struct fake_request){.op = FAKE_SEND, .tag = tag, .fd = fd, .ptr = ptr, .len = len});
}

void rp_io_shutdown(struct rp_io *io, uint64_t tag, int fd, int how)
{
    (void)io;
    assert(fd < FAKE_SOCKET_FIRST || socket_of(fd)->is_open);
    submit((struct fake_request){.op = FAKE_SHUTDOWN, .tag = tag, .fd = fd, .flags = how});
}

void rp_io_cancel(struct rp_io *io, uint64_t tag)
{
    (void)io;
    struct fake_request *request = fake_find_tag(tag);
    if (request != NULL) {
        request->is_cancelled = true;
    }
}

void rp_io_close_fd(struct rp_io *io, uint64_t tag, int fd)
{
    (void)io;
    assert(fd >= 0 && !is_under_way(fd));
    submit((struct fake_request){.op = FAKE_CLOSE, .tag = tag, .fd = fd});
}

void rp_io_forget_and_close_fd(struct rp_io *io, uint64_t tag, int fd)
{
    rp_io_close_fd(io, tag, fd);
}

void rp_io_abandon_fd(struct rp_io *io, int fd)
{
    (void)io;
    close_socket(fd);
}

int rp_io_peer(struct rp_io *io, int fd, struct sockaddr_storage *peer_out)
{
    (void)io;
    if (state.peer_error < 0) {
        return state.peer_error;
    }
    if (state.peer.ss_family != 0) {
        *peer_out = state.peer;
        return 0;
    }
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)(20000 + fd - FAKE_SOCKET_FIRST)),
                             .sin_addr = {htonl(0xc0000207)}}; /* 192.0.2.7 */
    memcpy(peer_out, &in, sizeof(in));
    return 0;
}

void rp_io_open_file(struct rp_io *io,
                     uint64_t tag,
                     int dir_fd,
                     const char *name,
                     int flags,
                     unsigned mode)
{
    (void)io;
    submit((struct fake_request){
        .op = FAKE_OPEN, .tag = tag, .fd = dir_fd, .name = name, .flags = flags, .mode = mode});
}

void rp_io_unlink(struct rp_io *io, uint64_t tag, int dir_fd, const char *name)
{
    (void)io;
    submit((struct fake_request){.op = FAKE_UNLINK, .tag = tag, .fd = dir_fd, .name = name});
}

void rp_io_fallocate(struct rp_io *io, uint64_t tag, int fd, uint64_t len)
{
    (void)io;
    submit((struct fake_request){.op = FAKE_FALLOCATE, .tag = tag, .fd = fd, .len = len});
}

void rp_io_punch(struct rp_io *io, uint64_t tag, int fd, uint64_t off, uint64_t len)
{
    (void)io;
    submit((struct fake_request){.op = FAKE_PUNCH, .tag = tag, .fd = fd, .off = off, .len = len});
}

int rp_io_link_count(struct rp_io *io, int fd)
{
    (void)io;
    struct stat status;
    if (state.are_links_lost) {
        return 0;
    }
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
    (void)io;
    assert(iov_count > 0 && iov_count <= 1024);
    uint64_t len = 0;
    for (size_t i = 0; i < iov_count; i++) {
        len += iov[i].iov_len;
    }
    submit((struct fake_request){.op = FAKE_WRITE,
                                 .tag = tag,
                                 .fd = fd,
                                 .iov = iov,
                                 .iov_count = iov_count,
                                 .len = len,
                                 .off = off,
                                 .is_durable = is_durable});
}

void rp_io_sync(struct rp_io *io, uint64_t tag, int fd, bool is_data_only)
{
    (void)io;
    submit(
        (struct fake_request){.op = FAKE_SYNC, .tag = tag, .fd = fd, .is_durable = is_data_only});
}

int rp_io_disk_free(struct rp_io *io, int dir_fd, uint64_t *free_out, uint64_t *total_out)
{
    (void)io;
    (void)dir_fd;
    if (state.disk_error != 0) {
        return -state.disk_error;
    }
    *free_out = state.disk_free;
    *total_out = state.disk_total;
    return 0;
}

int rp_io_post(struct rp_io *from, struct rp_io *to, uint64_t tag, int32_t res)
{
    (void)from;
    (void)to;
    push(tag, res, UINT32_MAX, false);
    return 0;
}

void rp_io_wake_readers(struct rp_io *io, uint32_t *word)
{
    (void)io;
    assert(word != NULL);
    state.wakes++;
}

void fake_nudge(void)
{
    push(rp_op_tag(RP_OP_IGNORE, 0), 0, UINT32_MAX, false);
}
