/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_io_uring.c - every promise of engine/io.h, kept by the kernel's ring.
 *
 * Goal: each request does what io.h says and completes once, or as often as it says; a full
 * submission queue, no buffers, cancelled requests and posts from another thread are handled.
 * Method: rows on the real ring, with sockets on loopback and files in a temporary directory;
 * then many sockets at a time, each octet checked. Skips with 77 where io_uring is forbidden.
 */
#include "engine/io.h"
#include "tests/engine/temp_dir.h"
#include "tests/tools/suite.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SECOND      1000000000ull
#define PATIENCE    (20 * SECOND) /* for what must come */
#define BUFFERS     8u
#define BUFFER_SIZE 4096u

static struct rp_io *io;
static char error[512];
static uint8_t memory[BUFFERS][BUFFER_SIZE];
static bool is_lent[BUFFERS];

static const struct rp_io_options options = {.request_count = 16,
                                             .buffer_count = BUFFERS,
                                             .buffer_size = BUFFER_SIZE};

static void begin(void)
{
    int err = rp_io_open(&options, &io, error, sizeof(error));
    CU_ASSERT_EQUAL_FATAL(err, 0);
    memset(is_lent, 0, sizeof(is_lent));
}

static void lend(uint32_t count)
{
    for (uint32_t i = 0; i < BUFFERS && count > 0; i++) {
        if (!is_lent[i]) {
            is_lent[i] = true;
            count--;
            rp_io_give_buffer(io, i, memory[i]);
        }
    }
}

/* The next completion; it must come, and be of that tag. */
static struct rp_io_completion take(uint64_t tag)
{
    struct rp_io_completion completion = {0};
    uint64_t until = rp_io_now_ns(io) + PATIENCE;
    while (!rp_io_next(io, &completion)) {
        CU_ASSERT_EQUAL_FATAL(rp_io_wait(io, until), 0);
        CU_ASSERT_FATAL(rp_io_now_ns(io) < until);
    }
    CU_ASSERT_EQUAL_FATAL(completion.tag, tag);
    if (completion.buffer != UINT32_MAX) {
        CU_ASSERT_FATAL(completion.buffer < BUFFERS && is_lent[completion.buffer]);
        is_lent[completion.buffer] = false;
    }
    return completion;
}

/* Nothing comes within a moment. */
static bool is_quiet(void)
{
    struct rp_io_completion completion;
    CU_ASSERT_EQUAL(rp_io_wait(io, rp_io_now_ns(io) + SECOND / 50), 0);
    return !rp_io_next(io, &completion);
}

/* A pair of connected TCP sockets: [0] for the ring, [1] for the test. */
static int listen_on_loopback(struct sockaddr_in *address_out)
{
    socklen_t len = sizeof(*address_out);
    *address_out =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL_FATAL(bind(fd, (const struct sockaddr *)address_out, len), 0);
    CU_ASSERT_EQUAL_FATAL(listen(fd, 64), 0);
    CU_ASSERT_EQUAL_FATAL(getsockname(fd, (struct sockaddr *)address_out, &len), 0);
    return fd;
}

static int dial(const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL_FATAL(connect(fd, (const struct sockaddr *)address, sizeof(*address)), 0);
    return fd;
}

static void make_pair(int fds[2])
{
    struct sockaddr_in address;
    int listener = listen_on_loopback(&address);
    fds[1] = dial(&address);
    fds[0] = accept(listener, NULL, NULL);
    CU_ASSERT_FATAL(fds[0] >= 0);
    (void)close(listener);
}

static void close_pair(int fds[2])
{
    (void)close(fds[0]);
    (void)close(fds[1]);
}

/* ---- time ---- */

static void test_time(void)
{
    struct timespec now;
    begin();
    uint64_t before = rp_io_now_ns(io);
    CU_ASSERT(clock_gettime(CLOCK_REALTIME, &now) == 0);
    uint64_t wall = (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
    CU_ASSERT(rp_io_wall_ns(io) <= wall && rp_io_wall_ns(io) + 60 * SECOND > wall);
    CU_ASSERT_EQUAL(rp_io_wait(io, before + SECOND / 20), 0);
    CU_ASSERT(rp_io_now_ns(io) >= before + SECOND / 20); /* not before */
    uint64_t at = rp_io_now_ns(io);
    CU_ASSERT_EQUAL(rp_io_wait(io, 0), 0);
    CU_ASSERT_EQUAL(rp_io_wait(io, 1), 0); /* long past */
    CU_ASSERT(rp_io_now_ns(io) >= at && rp_io_now_ns(io) < at + 10 * SECOND);
    CU_ASSERT(is_quiet());
    rp_io_close(io);
    rp_io_close(NULL);
}

/* ---- sockets ---- */

static void test_accept(void)
{
    struct sockaddr_in address;
    begin();
    int listener = listen_on_loopback(&address);
    rp_io_accept(io, 7, listener);
    for (int i = 0; i < 3; i++) {
        int client = dial(&address);
        struct rp_io_completion completion = take(7);
        CU_ASSERT(completion.res >= 0 && completion.has_more);
        CU_ASSERT((fcntl(completion.res, F_GETFD) & FD_CLOEXEC) != 0);
        struct sockaddr_storage peer;
        struct sockaddr_in expected;
        socklen_t len = sizeof(expected);
        CU_ASSERT_EQUAL(rp_io_peer(io, completion.res, &peer), 0);
        CU_ASSERT_EQUAL(getsockname(client, (struct sockaddr *)&expected, &len), 0);
        CU_ASSERT_EQUAL(memcmp(&peer, &expected, sizeof(expected)), 0);
        (void)close(client);
        rp_io_close_fd(io, 8, completion.res);
        CU_ASSERT_EQUAL(take(8).res, 0);
        CU_ASSERT(fcntl(completion.res, F_GETFD) < 0);
    }
    rp_io_cancel(io, 7);
    struct rp_io_completion completion = take(7);
    CU_ASSERT(completion.res == -ECANCELED && !completion.has_more);
    rp_io_cancel(io, 7); /* there is none any more */
    CU_ASSERT(is_quiet());
    struct sockaddr_storage peer;
    CU_ASSERT_EQUAL(rp_io_peer(io, listener, &peer), -ENOTCONN);
    (void)close(listener);
    rp_io_close(io);
}

/* A listener that is shut down ends its accept: this is how a drain refuses new clients. */
static void test_shut_listener(void)
{
    struct sockaddr_in address;
    begin();
    int listener = listen_on_loopback(&address);
    rp_io_accept(io, 7, listener);
    CU_ASSERT(is_quiet());
    rp_io_shutdown(io, 8, listener, SHUT_RD);
    bool is_over = false;
    bool is_shut = false;
    struct rp_io_completion completion;
    for (int i = 0; i < 100 && !(is_over && is_shut); i++) {
        CU_ASSERT_EQUAL(rp_io_wait(io, rp_io_now_ns(io) + SECOND), 0);
        while (rp_io_next(io, &completion)) {
            is_shut |= completion.tag == 8;
            is_over |= completion.tag == 7 && completion.res < 0 && !completion.has_more;
        }
    }
    CU_ASSERT(is_over && is_shut);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CU_ASSERT(connect(client, (const struct sockaddr *)&address, sizeof(address)) < 0);
    (void)close(client);
    (void)close(listener);
    rp_io_close(io);
}

static void test_recv(void)
{
    int fds[2];
    make_pair(fds);
    begin();
    CU_ASSERT_EQUAL(rp_io_buffer_room(io), BUFFERS);
    lend(3);
    CU_ASSERT_EQUAL(rp_io_buffer_room(io), BUFFERS - 3);
    rp_io_recv(io, 1, fds[0]);
    CU_ASSERT(is_quiet());
    CU_ASSERT_EQUAL(write(fds[1], "hello", 5), 5);
    struct rp_io_completion completion = take(1);
    CU_ASSERT_EQUAL(completion.res, 5);
    CU_ASSERT_EQUAL(memcmp(memory[completion.buffer], "hello", 5), 0);
    CU_ASSERT_EQUAL(rp_io_buffer_room(io), BUFFERS - 2);
    bool is_multishot = completion.has_more;
    if (!is_multishot) { /* an older kernel: each is asked for anew */
        rp_io_recv(io, 1, fds[0]);
    }
    CU_ASSERT_EQUAL(write(fds[1], "again", 5), 5);
    completion = take(1);
    CU_ASSERT(completion.res == 5 && completion.has_more == is_multishot);
    if (!is_multishot) {
        rp_io_recv(io, 1, fds[0]);
    }
    CU_ASSERT_EQUAL(shutdown(fds[1], SHUT_WR), 0);
    completion = take(1);
    CU_ASSERT(completion.res == 0 && !completion.has_more);
    CU_ASSERT_EQUAL(rp_io_buffer_room(io), BUFFERS - 1); /* the end takes no buffer */
    close_pair(fds);
    rp_io_close(io);
}

/* None lent: -ENOBUFS, nothing is lost, and with some it goes on. */
static void test_no_buffers(void)
{
    int fds[2];
    make_pair(fds);
    begin();
    rp_io_recv(io, 1, fds[0]);
    CU_ASSERT_EQUAL(write(fds[1], "abc", 3), 3);
    struct rp_io_completion completion = take(1);
    CU_ASSERT(completion.res == -ENOBUFS && !completion.has_more);
    lend(1);
    rp_io_recv(io, 1, fds[0]);
    completion = take(1);
    CU_ASSERT_EQUAL(completion.res, 3);
    CU_ASSERT_EQUAL(memcmp(memory[completion.buffer], "abc", 3), 0);
    close_pair(fds);
    rp_io_close(io);
}

static void test_reset(void)
{
    int fds[2];
    struct linger hard = {.l_onoff = 1};
    make_pair(fds);
    begin();
    lend(BUFFERS);
    rp_io_recv(io, 1, fds[0]);
    CU_ASSERT(is_quiet());
    CU_ASSERT_EQUAL(setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
    (void)close(fds[1]);
    struct rp_io_completion completion = take(1);
    CU_ASSERT(completion.res == -ECONNRESET && !completion.has_more);
    rp_io_send(io, 2, fds[0], "x", 1);
    CU_ASSERT_EQUAL(take(2).res, -EPIPE); /* and no signal */
    (void)close(fds[0]);
    CU_ASSERT_EQUAL(rp_io_buffer_room(io), 0);
    rp_io_close(io);
}

static void test_cancel(void)
{
    int fds[2];
    make_pair(fds);
    begin();
    lend(BUFFERS);
    rp_io_recv(io, 1, fds[0]);
    CU_ASSERT(is_quiet());
    rp_io_cancel(io, 1);
    CU_ASSERT_EQUAL(take(1).res, -ECANCELED);
    CU_ASSERT_EQUAL(write(fds[1], "kept", 4), 4);
    CU_ASSERT(is_quiet());
    rp_io_recv(io, 1, fds[0]);
    CU_ASSERT_EQUAL(take(1).res, 4);
    rp_io_recv(io, 3, fds[0]);
    rp_io_cancel(io, 3); /* in the same submission */
    CU_ASSERT_EQUAL(take(3).res, -ECANCELED);
    close_pair(fds);
    rp_io_close(io);
}

/* shutdown ends a receive and a send that is stuck: what conn.c relies on to close. */
static void test_shutdown(void)
{
    static uint8_t much[1u << 22];
    int fds[2];
    make_pair(fds);
    begin();
    lend(BUFFERS);
    rp_io_recv(io, 1, fds[0]);
    rp_io_send(io, 2, fds[0], much, sizeof(much)); /* the peer reads nothing */
    CU_ASSERT(is_quiet());
    rp_io_shutdown(io, 3, fds[0], SHUT_RDWR);
    uint32_t seen = 0;
    struct rp_io_completion completion;
    uint64_t until = rp_io_now_ns(io) + PATIENCE;
    while (seen != 14) {
        CU_ASSERT_EQUAL_FATAL(rp_io_wait(io, until), 0);
        CU_ASSERT_FATAL(rp_io_now_ns(io) < until);
        while (rp_io_next(io, &completion)) {
            CU_ASSERT(!completion.has_more);
            seen |= 1u << completion.tag;
        }
    }
    close_pair(fds);
    rp_io_close(io);
}

static void test_half_close(void)
{
    char text[8] = "";
    int fds[2];
    make_pair(fds);
    begin();
    rp_io_send(io, 2, fds[0], "bye", 3);
    CU_ASSERT_EQUAL(take(2).res, 3);
    rp_io_shutdown(io, 3, fds[0], SHUT_WR);
    CU_ASSERT_EQUAL(take(3).res, 0);
    CU_ASSERT_EQUAL(read(fds[1], text, sizeof(text)), 3);
    CU_ASSERT_STRING_EQUAL(text, "bye");
    CU_ASSERT_EQUAL(read(fds[1], text, sizeof(text)), 0);
    close_pair(fds);
    rp_io_close(io);
}

/* ---- files ---- */

static char dir[128];

static int open_dir(void)
{
    temp_dir_make(dir, sizeof(dir));
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CU_ASSERT_FATAL(fd >= 0);
    return fd;
}

static void test_files(void)
{
    struct stat status;
    uint8_t is[64] = {0};
    begin();
    int dir_fd = open_dir();
    rp_io_open_file(io, 1, dir_fd, "a", O_RDWR | O_CREAT | O_EXCL, 0640);
    int fd = take(1).res;
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    rp_io_open_file(io, 1, dir_fd, "a", O_RDWR | O_CREAT | O_EXCL, 0640);
    CU_ASSERT_EQUAL(take(1).res, -EEXIST);
    rp_io_open_file(io, 1, dir_fd, "none/b", O_RDWR, 0);
    CU_ASSERT_EQUAL(take(1).res, -ENOENT);
    rp_io_fallocate(io, 2, fd, 10000);
    CU_ASSERT_EQUAL(take(2).res, 0);
    CU_ASSERT(fstat(fd, &status) == 0 && status.st_size == 10000);
    struct iovec iov[] = {
        {(void *)(uintptr_t) "one",  3},
        {(void *)(uintptr_t) "two!", 4}
    };
    rp_io_write(io, 3, fd, iov, 2, 20, true);
    CU_ASSERT_EQUAL(take(3).res, 7);
    rp_io_write(io, 3, fd, iov, 1, 30, false);
    CU_ASSERT_EQUAL(take(3).res, 3);
    CU_ASSERT_EQUAL(pread(fd, is, sizeof(is), 0), (ssize_t)sizeof(is));
    CU_ASSERT(memcmp(is + 20, "onetwo!\0\0\0one", 13) == 0 && is[19] == 0 && is[33] == 0);
    rp_io_sync(io, 4, fd, true);
    CU_ASSERT_EQUAL(take(4).res, 0);
    rp_io_sync(io, 4, fd, false);
    CU_ASSERT_EQUAL(take(4).res, 0);
    rp_io_sync(io, 4, dir_fd, false);
    CU_ASSERT_EQUAL(take(4).res, 0);
    rp_io_forget_and_close_fd(io, 5, fd);
    CU_ASSERT_EQUAL(take(5).res, 0);
    CU_ASSERT(fcntl(fd, F_GETFD) < 0);
    rp_io_write(io, 3, fd, iov, 1, 0, false);
    CU_ASSERT_EQUAL(take(3).res, -EBADF);
    rp_io_unlink(io, 6, dir_fd, "a");
    CU_ASSERT_EQUAL(take(6).res, 0);
    rp_io_unlink(io, 6, dir_fd, "a");
    CU_ASSERT_EQUAL(take(6).res, -ENOENT);
    uint64_t free_octets = 0;
    uint64_t total = 0;
    struct statvfs disk;
    CU_ASSERT_EQUAL(rp_io_disk_free(io, dir_fd, &free_octets, &total), 0);
    CU_ASSERT_EQUAL(fstatvfs(dir_fd, &disk), 0);
    CU_ASSERT(total == (uint64_t)disk.f_blocks * disk.f_frsize && free_octets <= total);
    CU_ASSERT(rp_io_disk_free(io, -1, &free_octets, &total) == -EBADF);
    (void)close(dir_fd);
    rp_io_close(io);
    temp_dir_remove(dir);
}

/* A hole in a file: zeros that take no space, around it nothing changes, nor does the length. */
static void test_punch(void)
{
    enum {
        LEN = 1 << 20,
        FROM = 3 * 4096,
        HOLE = 200 * 4096
    };
    static uint8_t octets[LEN];
    static uint8_t is[LEN];
    struct stat status;
    begin();
    int dir_fd = open_dir();
    int fd = openat(dir_fd, "a", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    memset(octets, 0x5a, sizeof(octets));
    CU_ASSERT_FATAL(fd >= 0 && pwrite(fd, octets, LEN, 0) == LEN);
    rp_io_punch(io, 1, fd, FROM, HOLE);
    int32_t res = take(1).res;
    if (res == -EOPNOTSUPP) {
        CU_PASS("a file system without holes");
    } else {
        CU_ASSERT_EQUAL(res, 0);
        memset(octets + FROM, 0, HOLE);
        CU_ASSERT_EQUAL(pread(fd, is, LEN, 0), LEN);
        CU_ASSERT_EQUAL(memcmp(is, octets, LEN), 0);
        CU_ASSERT(fstat(fd, &status) == 0 && status.st_size == LEN);
        CU_ASSERT(status.st_blocks * 512 < LEN - HOLE / 2);
        rp_io_punch(io, 1, fd, LEN, LEN); /* behind its end */
        CU_ASSERT_EQUAL(take(1).res, 0);
        CU_ASSERT(fstat(fd, &status) == 0 && status.st_size == LEN);
    }
    rp_io_punch(io, 1, -1, 0, 4096);
    CU_ASSERT_EQUAL(take(1).res, -EBADF);
    (void)close(fd); /* nothing depends on it */
    (void)close(dir_fd);
    rp_io_close(io);
    temp_dir_remove(dir);
}

/* Names come and go; with the last one the file is gone, though it is open. */
static void test_link_count(void)
{
    begin();
    int dir_fd = open_dir();
    int fd = openat(dir_fd, "a", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CU_ASSERT_EQUAL(rp_io_link_count(io, fd), 1);
    CU_ASSERT_EQUAL(linkat(dir_fd, "a", dir_fd, "b", 0), 0);
    CU_ASSERT_EQUAL(rp_io_link_count(io, fd), 2);
    CU_ASSERT_EQUAL(unlinkat(dir_fd, "a", 0), 0);
    CU_ASSERT_EQUAL(rp_io_link_count(io, fd), 1);
    int other = openat(dir_fd, "c", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CU_ASSERT_EQUAL(renameat(dir_fd, "c", dir_fd, "b"), 0);
    CU_ASSERT_EQUAL(rp_io_link_count(io, fd), 0); /* another file has its name now */
    CU_ASSERT_EQUAL(rp_io_link_count(io, other), 1);
    CU_ASSERT_EQUAL(rp_io_link_count(io, -1), -EBADF);
    (void)close(fd); /* nothing depends on it */
    (void)close(other);
    (void)close(dir_fd);
    rp_io_close(io);
    temp_dir_remove(dir);
}

/* As many iovecs as a batch may have; and a file that may not grow: short, then an error. */
static void test_large_writes(void)
{
    static uint8_t octets[1024][5];
    static uint8_t is[sizeof(octets)];
    static struct iovec iov[1024];
    begin();
    int dir_fd = open_dir();
    for (size_t i = 0; i < 1024; i++) {
        memset(octets[i], (int)i, 5);
        iov[i] = (struct iovec){octets[i], 5};
    }
    rp_io_open_file(io, 1, dir_fd, "a", O_RDWR | O_CREAT, 0640);
    int fd = take(1).res;
    CU_ASSERT_FATAL(fd >= 0);
    rp_io_write(io, 2, fd, iov, 1024, 0, true);
    CU_ASSERT_EQUAL(take(2).res, (int32_t)sizeof(octets));
    CU_ASSERT_EQUAL(pread(fd, is, sizeof(is), 0), (ssize_t)sizeof(is));
    CU_ASSERT_EQUAL(memcmp(is, octets, sizeof(is)), 0);
    (void)close(fd);
    (void)close(dir_fd);
    rp_io_close(io);
    temp_dir_remove(dir);
}

/* More requests than the ring has room for: they are sent off in between, none is lost. */
static void test_many_requests(void)
{
    enum {
        MANY = 300
    };
    static bool has_come[MANY];
    static uint8_t octets[MANY];
    begin();
    int dir_fd = open_dir();
    rp_io_open_file(io, 1000, dir_fd, "a", O_RDWR | O_CREAT, 0640);
    int fd = take(1000).res;
    CU_ASSERT_FATAL(fd >= 0);
    static struct iovec iov[MANY];
    for (size_t i = 0; i < MANY; i++) {
        octets[i] = (uint8_t)(i * 3 + 1);
        iov[i] = (struct iovec){&octets[i], 1};
        rp_io_write(io, i, fd, &iov[i], 1, i, false);
    }
    struct rp_io_completion completion;
    size_t count = 0;
    uint64_t until = rp_io_now_ns(io) + PATIENCE;
    memset(has_come, 0, sizeof(has_come));
    while (count < MANY) {
        CU_ASSERT_EQUAL_FATAL(rp_io_wait(io, until), 0);
        CU_ASSERT_FATAL(rp_io_now_ns(io) < until);
        while (rp_io_next(io, &completion)) {
            CU_ASSERT_FATAL(completion.tag < MANY && !has_come[completion.tag]);
            CU_ASSERT_EQUAL(completion.res, 1);
            has_come[completion.tag] = true;
            count++;
        }
    }
    uint8_t is[MANY];
    CU_ASSERT_EQUAL(pread(fd, is, sizeof(is), 0), MANY);
    CU_ASSERT_EQUAL(memcmp(is, octets, MANY), 0);
    (void)close(fd);
    (void)close(dir_fd);
    rp_io_close(io);
    temp_dir_remove(dir);
}

/* The same before anybody has waited on the ring. */
static void test_many_at_first(void)
{
    begin();
    int dir_fd = open_dir();
    for (uint32_t i = 0; i < 3 * options.request_count; i++) {
        rp_io_sync(io, 1, dir_fd, false);
    }
    for (uint32_t i = 0; i < 3 * options.request_count; i++) {
        CU_ASSERT_EQUAL(take(1).res, 0);
    }
    (void)close(dir_fd);
    rp_io_close(io);
    temp_dir_remove(dir);
}

/* ---- others ---- */

struct poster {
    struct rp_io *to;
    int failures;
};

static void *post_many(void *argument)
{
    struct poster *poster = argument;
    struct rp_io *own;
    char text[200];
    if (rp_io_open(&options, &own, text, sizeof(text)) < 0) {
        poster->failures = 1000;
        return NULL;
    }
    for (uint64_t i = 0; i < 50; i++) {
        int err = rp_io_post(own, poster->to, 100 + i, (int32_t)i);
        while (err == -EAGAIN) { /* it does not wait yet, or its queue is full */
            (void)sched_yield();
            err = rp_io_post(own, poster->to, 100 + i, (int32_t)i);
        }
        poster->failures += err != 0;
    }
    rp_io_close(own);
    return NULL;
}

static void test_post(void)
{
    begin();
    struct poster poster = {.to = io};
    pthread_t thread;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, post_many, &poster), 0);
    for (uint64_t i = 0; i < 50; i++) {
        struct rp_io_completion completion = take(100 + i);
        CU_ASSERT(completion.res == (int32_t)i && !completion.has_more);
    }
    (void)pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(poster.failures, 0);
    CU_ASSERT(is_quiet());
    rp_io_close(io);
}

/* To a ring that nobody waits on yet: later, not never. */
static void test_post_early(void)
{
    struct rp_io *other;
    begin();
    CU_ASSERT_EQUAL_FATAL(rp_io_open(&options, &other, error, sizeof(error)), 0);
    int err = rp_io_post(io, other, 5, 0);
    CU_ASSERT(err == 0 || err == -EAGAIN);
    CU_ASSERT_EQUAL(rp_io_wait(other, 0), 0);
    if (err == -EAGAIN) {
        CU_ASSERT_EQUAL(rp_io_post(io, other, 5, 0), 0);
    }
    struct rp_io_completion completion;
    CU_ASSERT_EQUAL(rp_io_wait(other, rp_io_now_ns(other) + SECOND), 0);
    CU_ASSERT(rp_io_next(other, &completion) && completion.tag == 5);
    rp_io_close(other);
    rp_io_close(io);
}

static uint32_t word; /* a futex */
static _Atomic uint32_t awake;

static void *sleep_on_word(void *argument)
{
    (void)argument;
    struct timespec patience = {.tv_sec = 20};
    long result = syscall(SYS_futex, &word, FUTEX_WAIT, 0, &patience, NULL, 0);
    atomic_fetch_add(&awake, result == 0 || errno == EAGAIN);
    return NULL;
}

static void test_wake(void)
{
    pthread_t threads[3];
    struct timespec pause = {.tv_nsec = 20000000};
    begin();
    __atomic_store_n(&word, 0, __ATOMIC_RELEASE);
    atomic_store(&awake, 0);
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, sleep_on_word, NULL), 0);
    }
    (void)nanosleep(&pause, NULL); /* whoever does not sleep yet sees the word */
    __atomic_store_n(&word, 1, __ATOMIC_RELEASE);
    rp_io_wake_readers(io, &word);
    for (int i = 0; i < 3; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    CU_ASSERT_EQUAL(atomic_load(&awake), 3);
    rp_io_close(io);
}

/* Closed with everything under way; what was abandoned is closed. */
static void test_close(void)
{
    size_t files = temp_dir_open_files();
    struct sockaddr_in address;
    int fds[2];
    begin();
    int listener = listen_on_loopback(&address);
    make_pair(fds);
    lend(2);
    rp_io_accept(io, 1, listener);
    rp_io_recv(io, 2, fds[0]);
    CU_ASSERT(is_quiet());
    rp_io_abandon_fd(io, fds[0]);
    rp_io_close(io);
    char octet;
    CU_ASSERT_EQUAL(read(fds[1], &octet, 1), 0); /* the peer sees the end */
    (void)close(fds[1]);
    (void)close(listener);
    CU_ASSERT_EQUAL(temp_dir_open_files(), files);
}

/* ---- many sockets, every octet ---- */

#define SOCKETS 20
#define STREAM  60000

static uint8_t octet_of(size_t socket, size_t at)
{
    return (uint8_t)(socket * 31 + at * 7 + at / 251);
}

static void test_streams(void)
{
    static int fds[SOCKETS][2];
    static size_t written[SOCKETS];
    static size_t received[SOCKETS];
    static bool is_armed[SOCKETS];
    static uint8_t chunk[5000];
    uint64_t random = suite_seed;
    size_t open_count = SOCKETS;
    begin();
    lend(BUFFERS);
    for (size_t i = 0; i < SOCKETS; i++) {
        make_pair(fds[i]);
        written[i] = received[i] = 0;
        is_armed[i] = false;
    }
    CU_ASSERT_EQUAL(rp_io_wait(io, 0), 0);
    uint64_t until = rp_io_now_ns(io) + PATIENCE;
    while (open_count > 0) {
        for (size_t i = 0; i < SOCKETS; i++) {
            if (!is_armed[i] && fds[i][0] >= 0) {
                is_armed[i] = true;
                rp_io_recv(io, i, fds[i][0]);
            }
        }
        size_t which = suite_random_below(&random, SOCKETS);
        size_t len = 1 + suite_random_below(&random, sizeof(chunk));
        len = len < STREAM - written[which] ? len : STREAM - written[which];
        for (size_t i = 0; i < len; i++) {
            chunk[i] = octet_of(which, written[which] + i);
        }
        if (len > 0) {
            CU_ASSERT_EQUAL_FATAL(write(fds[which][1], chunk, len), (ssize_t)len);
            written[which] += len;
            if (written[which] == STREAM) {
                (void)shutdown(fds[which][1], SHUT_WR);
            }
        }
        CU_ASSERT_EQUAL_FATAL(rp_io_wait(io, 0), 0);
        CU_ASSERT_FATAL(rp_io_now_ns(io) < until);
        struct rp_io_completion completion;
        while (rp_io_next(io, &completion)) {
            size_t i = (size_t)completion.tag;
            CU_ASSERT_FATAL(i < SOCKETS && (completion.res >= 0 || completion.res == -ENOBUFS));
            is_armed[i] = completion.has_more;
            for (int32_t at = 0; at < completion.res; at++) {
                CU_ASSERT_FATAL(memory[completion.buffer][at] == octet_of(i, received[i]++));
            }
            if (completion.res > 0) {
                rp_io_give_buffer(io, completion.buffer, memory[completion.buffer]);
            } else if (completion.res == 0) {
                CU_ASSERT_EQUAL(received[i], STREAM);
                close_pair(fds[i]);
                fds[i][0] = -1;
                is_armed[i] = true;
                open_count--;
            }
        }
    }
    CU_ASSERT_EQUAL(rp_io_buffer_room(io), 0); /* every buffer came back, and was lent again */
    rp_io_close(io);
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"time",          test_time         },
        {"accept",        test_accept       },
        {"shut listener", test_shut_listener},
        {"recv",          test_recv         },
        {"no buffers",    test_no_buffers   },
        {"reset",         test_reset        },
        {"cancel",        test_cancel       },
        {"shutdown",      test_shutdown     },
        {"half close",    test_half_close   },
        {"files",         test_files        },
        {"punch",         test_punch        },
        {"link count",    test_link_count   },
        {"large writes",  test_large_writes },
        {"many requests", test_many_requests},
        {"post",          test_post         },
        {"post early",    test_post_early   },
        {"wake",          test_wake         },
        {"close",         test_close        },
        {"streams",       test_streams      },
        {"many at first", test_many_at_first},
    };
    if (rp_io_open(&options, &io, error, sizeof(error)) < 0) {
        (void)printf("skipped: %s\n", error);
        return 77;
    }
    rp_io_close(io);
    (void)alarm(120); /* a hang is a failure */
    return SUITE_RUN("ring/io_uring", tests, argc, argv);
}
