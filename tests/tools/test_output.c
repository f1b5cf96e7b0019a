/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_output.c - what is put arrives, whole and in order, or the error is kept.
 *
 * Goal: no octet is lost or doubled, through the buffer or past it, into pipes that take
 * little at a time, and a failure stays. Method: rows; random pieces around the size of
 * the buffer against one long string; a non-blocking pipe with a slow reader in another
 * thread; /dev/full, a pipe without a reader.
 */
#include "capture.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

static struct capture capture;
static struct rp_output output;

static void test_rows(void)
{
    capture_open(&capture);
    rp_output_text(&capture.output, "%s %d", "a", 17);
    CU_ASSERT_STRING_EQUAL(capture_take(&capture), "a 17");
    rp_output_escaped(&capture.output, (const uint8_t *)"\0a\\\xc3\xbc\xc2\x9b\n", 8);
    CU_ASSERT_STRING_EQUAL(capture_take(&capture), "\\x00a\\x5c\xc3\xbc\\xc2\\x9b\\x0a");
    rp_output_hex(&capture.output, (const uint8_t *)"\x00\x7f\xff", 3);
    CU_ASSERT_STRING_EQUAL(capture_take(&capture), "007fff");
    rp_output_base64(&capture.output, (const uint8_t *)"fooba", 5);
    CU_ASSERT_STRING_EQUAL(capture_take(&capture), "Zm9vYmE=");
    rp_output_put(&capture.output, NULL, 0);
    CU_ASSERT_STRING_EQUAL(capture_take(&capture), "");
    capture_close(&capture);
}

/* Longer than the step that base64 goes at: no padding inside, and the length is right. */
static void test_long_base64(void)
{
    static uint8_t zeros[100000];
    capture_open(&capture);
    rp_output_base64(&capture.output, zeros, sizeof(zeros));
    const char *text = capture_take(&capture);
    CU_ASSERT_EQUAL(capture.len, 133336);
    CU_ASSERT_EQUAL(strspn(text, "A"), 133334);
    CU_ASSERT_STRING_EQUAL(text + 133334, "==");
    capture_close(&capture);
}

static void test_random(void)
{
    static uint8_t pattern[4 * RP_OUTPUT_BUFFER_LEN];
    uint64_t state = suite_seed;
    for (size_t index = 0; index < sizeof(pattern); index++) {
        pattern[index] = (uint8_t)(suite_random(&state) >> 32);
    }
    capture_open(&capture);
    for (unsigned round = 0; round < 300; round++) {
        size_t at = 0;
        while (at < sizeof(pattern)) {
            size_t limit = suite_random_below(&state, 2) == 0 ? 3000 : 2 * RP_OUTPUT_BUFFER_LEN;
            size_t len = suite_random_below(&state, limit);
            len = len < sizeof(pattern) - at ? len : sizeof(pattern) - at;
            rp_output_put(&capture.output, pattern + at, len);
            at += len;
        }
        const char *text = capture_take(&capture);
        CU_ASSERT_EQUAL_FATAL(capture.len, sizeof(pattern));
        CU_ASSERT_EQUAL_FATAL(memcmp(text, pattern, sizeof(pattern)), 0);
    }
    capture_close(&capture);
}

struct slow_reader {
    int fd;
    size_t len;
    bool is_right;
};

static void *read_slowly(void *argument)
{
    struct slow_reader *reader = argument;
    uint8_t piece[777];
    ssize_t got = 0;
    while ((got = read(reader->fd, piece, sizeof(piece))) > 0) {
        for (ssize_t index = 0; index < got; index++, reader->len++) {
            reader->is_right = reader->is_right && piece[index] == (uint8_t)(reader->len % 251);
        }
    }
    return NULL;
}

static void test_full_pipe(void)
{
    static uint8_t octets[1u << 20];
    for (size_t index = 0; index < sizeof(octets); index++) {
        octets[index] = (uint8_t)(index % 251);
    }
    int ends[2];
    CU_ASSERT_EQUAL_FATAL(pipe2(ends, O_CLOEXEC), 0);
    CU_ASSERT_EQUAL_FATAL(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    struct slow_reader reader = {.fd = ends[0], .is_right = true};
    pthread_t thread;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, read_slowly, &reader), 0);
    rp_output_init(&output, ends[1]);
    rp_output_put(&output, octets, 100);
    rp_output_put(&output, octets + 100, sizeof(octets) - 100);
    CU_ASSERT_EQUAL(rp_output_flush(&output), 0);
    CU_ASSERT_EQUAL(close(ends[1]), 0);
    CU_ASSERT_EQUAL(pthread_join(thread, NULL), 0);
    CU_ASSERT_EQUAL(reader.len, sizeof(octets));
    CU_ASSERT_TRUE(reader.is_right);
    CU_ASSERT_EQUAL(close(ends[0]), 0);
}

static void test_errors(void)
{
    static const uint8_t large[RP_OUTPUT_BUFFER_LEN];
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    CU_ASSERT_FATAL(fd >= 0);
    rp_output_init(&output, fd);
    rp_output_put(&output, "x", 1);
    CU_ASSERT_EQUAL(output.error, 0);
    CU_ASSERT_EQUAL(rp_output_flush(&output), -ENOSPC);
    rp_output_init(&output, fd);
    rp_output_put(&output, large, sizeof(large)); /* past the buffer */
    CU_ASSERT_EQUAL(output.error, -ENOSPC);
    CU_ASSERT_EQUAL(close(fd), 0);
    rp_output_put(&output, "x", 1); /* dropped: the first error stays */
    CU_ASSERT_EQUAL(rp_output_flush(&output), -ENOSPC);

    rp_output_init(&output, fd); /* closed by now */
    rp_output_put(&output, "x", 1);
    CU_ASSERT_EQUAL(rp_output_flush(&output), -EBADF);
}

static void test_broken_pipe(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    CU_ASSERT_EQUAL(sigaction(SIGPIPE, &ignore, NULL), 0);
    int ends[2];
    CU_ASSERT_EQUAL_FATAL(pipe2(ends, O_CLOEXEC), 0);
    rp_output_init(&output, ends[1]);
    CU_ASSERT_EQUAL(rp_output_check(&output), 0);
    CU_ASSERT_EQUAL(close(ends[0]), 0);
    CU_ASSERT_EQUAL(rp_output_check(&output), -EPIPE);
    CU_ASSERT_EQUAL(rp_output_flush(&output), -EPIPE); /* it is kept */
    rp_output_init(&output, ends[1]);
    rp_output_text(&output, "nobody reads this");
    CU_ASSERT_EQUAL(rp_output_flush(&output), -EPIPE);
    CU_ASSERT_EQUAL(close(ends[1]), 0);
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"rows",                             test_rows       },
        {"long base64",                      test_long_base64},
        {"random pieces",                    test_random     },
        {"a non-blocking pipe that is full", test_full_pipe  },
        {"the first error is kept",          test_errors     },
        {"a broken pipe",                    test_broken_pipe},
    };
    return SUITE_RUN("tools/output", tests, argc, argv);
}
