/* SPDX-License-Identifier: GPL-3.0-or-later */
/* uring_setup.c - see uring_setup.h. */
#include "uring_setup.h"

#include <liburing.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Completions a request: receives make many. The kernel keeps what does not fit, more slowly. */
#define COMPLETIONS_PER_REQUEST 8u

int rp_uring_setup_open(struct io_uring *ring, uint32_t request_count, bool *is_enabled_out)
{
    const unsigned disabled = is_enabled_out != NULL ? IORING_SETUP_R_DISABLED : 0;
    const unsigned wishes[] = {
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | disabled,
        IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
        0,
    };
    int err = -EINVAL;
    for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]) && err == -EINVAL; i++) {
        struct io_uring_params params = {
            .flags = wishes[i] | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
            .cq_entries = COMPLETIONS_PER_REQUEST * request_count,
        };
        err = io_uring_queue_init_params(request_count, ring, &params);
        if (err == 0 && is_enabled_out != NULL) {
            *is_enabled_out = (wishes[i] & IORING_SETUP_R_DISABLED) == 0;
        }
    }
    return err;
}

/* It cannot be asked for by itself. It came together with SEND_ZC. */
bool rp_uring_setup_has_recv_multishot(struct io_uring *ring)
{
    struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
    bool has = probe != NULL && io_uring_opcode_supported(probe, IORING_OP_SEND_ZC) != 0;
    io_uring_free_probe(probe);
    return has;
}

/* 0, 1 or 2; -1: the kernel has no such switch. */
static int read_disabled_switch(void)
{
    char text[8] = {0};
    int fd = open("/proc/sys/kernel/io_uring_disabled", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    ssize_t len = read(fd, text, sizeof(text) - 1);
    (void)close(fd); /* only read */
    return len > 0 ? text[0] - '0' : -1;
}

void rp_uring_setup_explain(int err, char *error, size_t error_len)
{
    int disabled = read_disabled_switch();
    if (err == -EPERM && disabled > 0) {
        (void)snprintf(error, error_len,
                       "io_uring is switched off: kernel.io_uring_disabled is %d; "
                       "sysctl kernel.io_uring_disabled=0 allows it",
                       disabled);
    } else if (err == -EPERM || err == -EACCES) {
        (void)snprintf(error, error_len,
                       "io_uring is forbidden here, by a seccomp filter most likely; allow "
                       "io_uring_setup, io_uring_enter and io_uring_register in the container's "
                       "seccomp profile");
    } else if (err == -ENOSYS) {
        (void)snprintf(error, error_len,
                       "io_uring is not there: the kernel has none, or a seccomp filter hides it; "
                       "Linux 5.19 or newer is needed, and the io_uring system calls allowed");
    } else if (err == -EINVAL) {
        (void)snprintf(error, error_len,
                       "this kernel's io_uring has no buffer rings: Linux 5.19 or newer is needed");
    } else if (err == -ENOMEM) {
        (void)snprintf(error, error_len,
                       "not enough locked memory for io_uring: raise ulimit -l (LimitMEMLOCK= in a "
                       "systemd unit)");
    } else if (err == -EMFILE || err == -ENFILE) {
        (void)snprintf(error, error_len, "too many open files for io_uring: raise ulimit -n");
    } else {
        (void)snprintf(error, error_len, "cannot set up io_uring: %s", strerror(-err));
    }
}
