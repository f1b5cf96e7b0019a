/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * uring_setup.h - a ring with the best flags that the kernel has, and what to say where there is
 * none.
 *
 *     err = rp_uring_setup_open(&ring, 1024, &is_enabled);
 *     if (err < 0) {
 *         rp_uring_setup_explain(err, error, sizeof(error));
 *     }
 *
 * For io_uring.c and for the programs of perf/ that have rings of their own.
 */
#ifndef URING_SETUP_H
#define URING_SETUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct io_uring;

/*
 * Flags are tried, never guessed from a version: SINGLE_ISSUER and DEFER_TASKRUN where they are
 * there. With is_enabled_out the ring may be used by another thread than opened it: then it may
 * begin disabled, and *is_enabled_out says whether. NULL: this thread uses it. 0 or -errno.
 */
int rp_uring_setup_open(struct io_uring *ring, uint32_t request_count, bool *is_enabled_out);

/* Linux 6.0. */
bool rp_uring_setup_has_recv_multishot(struct io_uring *ring);

/* One line: what forbids io_uring and how to lift it, or what is missing (a negative errno of
 * rp_uring_setup_open, or of registering a buffer ring). */
void rp_uring_setup_explain(int err, char *error, size_t error_len);

#endif
