/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * capture.h - what a function of tools/ writes, as a string.
 *
 *     static struct capture capture;
 *     capture_open(&capture);
 *     rp_output_text(&capture.output, ...);
 *     CU_ASSERT_STRING_EQUAL(capture_take(&capture), "...");
 *     capture_close(&capture);
 *
 * Dies where the machine gives no memory or no descriptor.
 */
#ifndef TESTS_TOOLS_CAPTURE_H
#define TESTS_TOOLS_CAPTURE_H

#include "tools/output.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CAPTURE_MAX (1u << 20) /* octets that a test may write at once */

struct capture {
    struct rp_output output;
    size_t len;                 /* of `text`, which may have NULs inside */
    char text[CAPTURE_MAX + 1]; /* NUL-terminated */
};

static inline void capture_open(struct capture *capture)
{
    int fd = memfd_create("capture", MFD_CLOEXEC);
    assert(fd >= 0);
    rp_output_init(&capture->output, fd);
}

/* What was written since the last take. Valid until the next one. */
static inline const char *capture_take(struct capture *capture)
{
    int error = rp_output_flush(&capture->output);
    assert(error == 0);
    ssize_t len = pread(capture->output.fd, capture->text, CAPTURE_MAX, 0);
    assert(len >= 0);
    capture->len = (size_t)len;
    capture->text[len] = '\0';
    error = ftruncate(capture->output.fd, 0);
    assert(error == 0);
    off_t off = lseek(capture->output.fd, 0, SEEK_SET);
    assert(off == 0);
    return capture->text;
}

static inline void capture_close(struct capture *capture)
{
    int error = close(capture->output.fd);
    assert(error == 0);
}

/* Where stderr goes while a function complains: returns its old descriptor. */
static inline int capture_stderr(struct capture *capture)
{
    int old = dup(STDERR_FILENO);
    assert(old >= 0);
    int fd = dup2(capture->output.fd, STDERR_FILENO);
    assert(fd == STDERR_FILENO);
    return old;
}

static inline const char *capture_end_stderr(struct capture *capture, int old)
{
    int fd = dup2(old, STDERR_FILENO);
    assert(fd == STDERR_FILENO);
    int error = close(old);
    assert(error == 0);
    return capture_take(capture);
}

#endif
