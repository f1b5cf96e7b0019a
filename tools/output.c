/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * output.c - buffered writing to a descriptor.
 */
#include "output.h"

#include "base64.h"
#include "text.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Linux writes at most this much at once; a page less keeps the rest aligned. */
#define WRITE_MAX ((size_t)1 << 30)

void rp_output_init(struct rp_output *output, int fd)
{
    output->fd = fd;
    output->error = 0;
    output->len = 0;
}

/* An inherited pipe may be non-blocking: wait until it takes more. */
static int wait_writable(int fd)
{
    struct pollfd pollfd = {.fd = fd, .events = POLLOUT};
    while (poll(&pollfd, 1, -1) < 0) {
        if (errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}

static int write_all(int fd, const uint8_t *ptr, size_t len)
{
    while (len > 0) {
        ssize_t written = write(fd, ptr, len < WRITE_MAX ? len : WRITE_MAX);
        if (written > 0) {
            ptr += written;
            len -= (size_t)written;
        } else if (written < 0 && errno == EAGAIN) {
            int error = wait_writable(fd);
            if (error != 0) {
                return error;
            }
        } else if (written == 0 || errno != EINTR) {
            return written == 0 ? -EIO : -errno;
        }
    }
    return 0;
}

int rp_output_flush(struct rp_output *output)
{
    if (output->error == 0) {
        output->error = write_all(output->fd, output->buffer, output->len);
    }
    output->len = 0;
    return output->error;
}

int rp_output_check(struct rp_output *output)
{
    struct pollfd pollfd = {.fd = output->fd};
    /* No events asked for: only errors are told, and a signal means no answer this time. */
    bool is_gone = poll(&pollfd, 1, 0) == 1 && (pollfd.revents & POLLERR) != 0;
    if (output->error == 0 && is_gone) {
        output->error = -EPIPE;
    }
    return output->error;
}

void rp_output_put(struct rp_output *output, const void *ptr, size_t len)
{
    if (output->error != 0 || len == 0) {
        return;
    }
    if (len > sizeof(output->buffer) - output->len && rp_output_flush(output) != 0) {
        return;
    }
    if (len >= sizeof(output->buffer)) {
        output->error = write_all(output->fd, ptr, len);
        return;
    }
    memcpy(output->buffer + output->len, ptr, len);
    output->len += len;
}

void rp_output_text(struct rp_output *output, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    assert(len >= 0 && (size_t)len < sizeof(text));
    rp_output_put(output, text, (size_t)len);
}

void rp_output_escaped(struct rp_output *output, const uint8_t *ptr, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    while (len > 0) {
        size_t plain = rp_text_plain_len(ptr, len);
        rp_output_put(output, ptr, plain);
        ptr += plain;
        len -= plain;
        if (len > 0) {
            const char escape[4] = {'\\', 'x', digits[*ptr >> 4], digits[*ptr & 15]};
            rp_output_put(output, escape, sizeof(escape));
            ptr++;
            len--;
        }
    }
}

void rp_output_base64(struct rp_output *output, const uint8_t *ptr, size_t len)
{
    char text[2048];
    const size_t step = sizeof(text) / 4 * RP_BASE64_GROUP;
    while (len > 0) {
        size_t piece = len < step ? len : step;
        rp_base64_encode(ptr, piece, text);
        rp_output_put(output, text, rp_base64_len(piece));
        ptr += piece;
        len -= piece;
    }
}

void rp_output_hex(struct rp_output *output, const uint8_t *ptr, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    for (; len > 0; ptr++, len--) {
        const char pair[2] = {digits[*ptr >> 4], digits[*ptr & 15]};
        rp_output_put(output, pair, sizeof(pair));
    }
}
