/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * output.h - buffered writing to a descriptor, with the first error kept.
 *
 *     rp_output_init(&output, fd);
 *     rp_output_text(&output, "%s\n", id);
 *     if (rp_output_flush(&output) != 0) { ... }
 *
 * After an error everything more is dropped, so callers need to look only where they
 * flush. Not stdio: a failed fclose(3) does not say what was lost, and a body of a GiB
 * shall not go through a buffer.
 */
#ifndef TOOLS_OUTPUT_H
#define TOOLS_OUTPUT_H

#include <stddef.h>
#include <stdint.h>

/* Also what a body must have to be written from where it lies. */
#define RP_OUTPUT_BUFFER_LEN 65536u

struct rp_output {
    int fd;     /* the caller's: never closed here */
    int error;  /* 0, or the -errno of the first write that failed */
    size_t len; /* octets that wait in the buffer */
    uint8_t buffer[RP_OUTPUT_BUFFER_LEN];
};

void rp_output_init(struct rp_output *output, int fd);

void rp_output_put(struct rp_output *output, const void *ptr, size_t len);

/* A text of at most 1023 octets; more is a programmer's error. */
void rp_output_text(struct rp_output *output, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Foreign octets, with \xNN for what a terminal would not show (rp_text_plain_len). */
void rp_output_escaped(struct rp_output *output, const uint8_t *ptr, size_t len);

void rp_output_base64(struct rp_output *output, const uint8_t *ptr, size_t len);
void rp_output_hex(struct rp_output *output, const uint8_t *ptr, size_t len);

/* Write what waits. 0, or the -errno of the first write that failed since init: it is kept,
 * so a caller that flushes early may leave the look at it to the end. */
int rp_output_flush(struct rp_output *output);

/* Without a write, look whether anybody can still read it. As flush; -EPIPE, kept too, where
 * the reader of a pipe is gone. */
int rp_output_check(struct rp_output *output);

#endif
