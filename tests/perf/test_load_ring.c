/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_load_ring.c - the ring of ringpost-load on the real kernel.
 *
 * Goal: what is sent arrives, whole and once, in pieces and in one; buffers that run out come back;
 * cancelled requests end. Method: socket pairs and a listener on loopback, the other end driven by
 * plain system calls. Skips (77) where the kernel gives no ring.
 */
#include "perf/load_ring.h"
#include "tests/tools/suite.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define SECOND UINT64_C(1000000000)
#define LIMIT  (20 * SECOND) /* until what shall come has failed to come */

static const struct rp_load_ring_options options = {
    .request_count = 8, /* fewer than some tests queue */
    .buffer_count = 4,  /* fewer than some tests need */
    .buffer_size = 64,
};

static struct rp_load_ring *ring;

/* The next completion; dies where none comes. */
static struct rp_load_completion next(void)
{
    struct rp_load_completion completion = {0};
    uint64_t until_ns = rp_load_ring_now_ns() + LIMIT;
    while (!rp_load_ring_next(ring, &completion)) {
        int err = rp_load_ring_wait(ring, until_ns);
        assert(err == 0);
        assert(rp_load_ring_now_ns() < until_ns);
    }
    return completion;
}

static void make_pair(int fds[2])
{
    int err = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds);
    assert(err == 0);
}

static void close_pair(int fds[2])
{
    CU_ASSERT_EQUAL(close(fds[0]), 0);
    CU_ASSERT_EQUAL(close(fds[1]), 0);
}

static void write_all(int fd, const void *ptr, size_t len)
{
    ssize_t written = write(fd, ptr, len);
    assert(written == (ssize_t)len);
}

static void test_wait(void)
{
    struct rp_load_completion completion;
    uint64_t begin_ns = rp_load_ring_now_ns();
    CU_ASSERT_EQUAL(rp_load_ring_wait(ring, 0), 0);
    CU_ASSERT_EQUAL(rp_load_ring_wait(ring, begin_ns + SECOND / 50), 0);
    CU_ASSERT_TRUE(rp_load_ring_now_ns() >= begin_ns + SECOND / 50);
    CU_ASSERT_FALSE(rp_load_ring_next(ring, &completion));
}

/* More octets than all buffers hold: they come back, and receiving goes on or is asked anew. */
static void test_recv(void)
{
    static uint8_t sent[5000];
    static uint8_t got[sizeof(sent)];
    size_t got_len = 0;
    unsigned starved_count = 0;
    int fds[2];
    make_pair(fds);
    for (size_t at = 0; at < sizeof(sent); at++) {
        sent[at] = (uint8_t)(at * 31 >> 3);
    }
    write_all(fds[1], sent, sizeof(sent));
    rp_load_ring_recv(ring, 7, fds[0]);
    while (got_len < sizeof(sent)) {
        struct rp_load_completion completion = next();
        CU_ASSERT_EQUAL_FATAL(completion.tag, 7);
        if (completion.res > 0) {
            CU_ASSERT_EQUAL_FATAL(completion.data.len, (size_t)completion.res);
            CU_ASSERT_FATAL(got_len + completion.data.len <= sizeof(got));
            memcpy(got + got_len, completion.data.ptr, completion.data.len);
            got_len += completion.data.len;
        } else {
            CU_ASSERT_EQUAL_FATAL(completion.res, -ENOBUFS);
            starved_count++;
        }
        if (!completion.has_more) {
            rp_load_ring_recv(ring, 7, fds[0]);
        }
    }
    CU_ASSERT_EQUAL(memcmp(sent, got, sizeof(sent)), 0);
    CU_ASSERT_TRUE(starved_count < 200); /* it got on between two famines */
    CU_ASSERT_EQUAL(shutdown(fds[1], SHUT_WR), 0);
    struct rp_load_completion end = next();
    while (end.res == -ENOBUFS) {
        rp_load_ring_recv(ring, 7, fds[0]);
        end = next();
    }
    CU_ASSERT_EQUAL(end.res, 0);
    CU_ASSERT_FALSE(end.has_more);
    CU_ASSERT_EQUAL(end.data.len, 0);
    close_pair(fds);
}

/* One span, several spans, and more than the socket takes at once. */
static void test_send(void)
{
    static char big[1 << 20];
    static char got[sizeof(big) + 64];
    char head[] = "head ";
    char tail[] = " tail";
    memset(big, 'b', sizeof(big));
    struct iovec one[] = {
        {.iov_base = head, .iov_len = 5}
    };
    struct iovec three[] = {
        {.iov_base = head, .iov_len = 5          },
        {.iov_base = big,  .iov_len = sizeof(big)},
        {.iov_base = tail, .iov_len = 5          },
    };
    struct msghdr small = {.msg_iov = one, .msg_iovlen = 1};
    struct msghdr large = {.msg_iov = three, .msg_iovlen = 3};
    int fds[2];
    make_pair(fds);
    rp_load_ring_send(ring, 1, fds[0], &small);
    struct rp_load_completion completion = next();
    CU_ASSERT_EQUAL(completion.res, 5);
    CU_ASSERT_EQUAL(read(fds[1], got, sizeof(got)), 5);
    CU_ASSERT_EQUAL(memcmp(got, "head ", 5), 0);

    size_t got_len = 0;
    rp_load_ring_send(ring, 2, fds[0], &large);
    CU_ASSERT_EQUAL(rp_load_ring_wait(ring, 0), 0);
    while (got_len < sizeof(big) + 10) {
        ssize_t len = read(fds[1], got + got_len, sizeof(got) - got_len);
        CU_ASSERT_FATAL(len > 0);
        got_len += (size_t)len;
        CU_ASSERT_EQUAL(rp_load_ring_wait(ring, 0), 0); /* the kernel goes on with the rest */
    }
    completion = next();
    CU_ASSERT_EQUAL(completion.tag, 2);
    CU_ASSERT_EQUAL(completion.res, (int32_t)(sizeof(big) + 10));
    CU_ASSERT_EQUAL(memcmp(got, "head b", 6), 0);
    CU_ASSERT_EQUAL(memcmp(got + got_len - 6, "b tail", 6), 0);

    /* Nobody reads: an error, no signal. */
    CU_ASSERT_EQUAL(close(fds[1]), 0);
    rp_load_ring_send(ring, 3, fds[0], &small);
    CU_ASSERT_EQUAL(next().res, -EPIPE);
    CU_ASSERT_EQUAL(close(fds[0]), 0);
}

static void test_connect(void)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)},
    };
    socklen_t len = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_FATAL(listener >= 0);
    CU_ASSERT_EQUAL_FATAL(bind(listener, (struct sockaddr *)&address, len), 0);
    CU_ASSERT_EQUAL_FATAL(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    for (unsigned round = 0; round < 2; round++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CU_ASSERT_FATAL(fd >= 0);
        /* Bound and not listening: refused, and nobody else can have the port meanwhile. */
        rp_load_ring_connect(ring, 9, fd, (struct sockaddr *)&address, len);
        struct rp_load_completion completion = next();
        CU_ASSERT_EQUAL(completion.tag, 9);
        CU_ASSERT_EQUAL(completion.res, round == 0 ? -ECONNREFUSED : 0);
        CU_ASSERT_EQUAL(close(fd), 0);
        CU_ASSERT_EQUAL(listen(listener, 4), 0);
    }
    CU_ASSERT_EQUAL(close(listener), 0);
}

/* What waits for ever ends when it is cancelled, and only that; more at once than fit. */
static void test_cancel(void)
{
    enum {
        COUNT = 20
    };
    int fds[COUNT][2];
    unsigned ended = 0;
    for (unsigned index = 0; index < COUNT; index++) {
        make_pair(fds[index]);
        rp_load_ring_recv(ring, index, fds[index][0]);
    }
    CU_ASSERT_EQUAL(rp_load_ring_wait(ring, 0), 0);
    for (unsigned index = 1; index < COUNT; index++) {
        rp_load_ring_cancel(ring, fds[index][0]);
    }
    for (unsigned index = 1; index < COUNT; index++) {
        struct rp_load_completion completion = next();
        CU_ASSERT_EQUAL(completion.res, -ECANCELED);
        CU_ASSERT_FALSE(completion.has_more);
        CU_ASSERT_FATAL(completion.tag > 0 && completion.tag < COUNT);
        ended |= 1u << completion.tag;
    }
    CU_ASSERT_EQUAL(ended, (1u << COUNT) - 2);
    write_all(fds[0][1], "x", 1); /* the one that was not */
    struct rp_load_completion completion = next();
    CU_ASSERT_EQUAL(completion.tag, 0);
    CU_ASSERT_EQUAL(completion.res, 1);
    if (completion.has_more) {
        rp_load_ring_cancel(ring, fds[0][0]);
        CU_ASSERT_EQUAL(next().res, -ECANCELED);
    }
    for (unsigned index = 0; index < COUNT; index++) {
        close_pair(fds[index]);
    }
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"wait",    test_wait   },
        {"receive", test_recv   },
        {"send",    test_send   },
        {"connect", test_connect},
        {"cancel",  test_cancel },
    };
    char error[256];
    int err = rp_load_ring_open(&options, &ring, error, sizeof(error));
    if (err != 0) {
        (void)printf("skipped: %s\n", error);
        return err == -EPERM || err == -ENOSYS || err == -EACCES ? 77 : 1;
    }
    int outcome = SUITE_RUN("perf/load_ring", tests, argc, argv);
    rp_load_ring_close(ring);
    return outcome;
}
