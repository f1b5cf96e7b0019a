/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fake_worker.h - a whole worker on fake_io.h, with a spool in a temporary directory.
 *
 *     fake_worker_open(&fake, NULL);
 *     int fd = fake_worker_connect(&fake);
 *     fake_feed(fd, "QUIT\r\n");
 *     fake_worker_settle(&fake);
 *     ...fake_sent(fd) is what the client has read...
 *     fake_worker_close(&fake);
 *
 * One at a time. rp_worker_run is called once, and left and entered again where the worker waits.
 */
#ifndef FAKE_WORKER_H
#define FAKE_WORKER_H

#include "engine/worker_impl.h"
#include "fake_io.h"

struct fake_worker {
    char path[128];
    struct rp_config config;
    struct rp_spooldir dir;
    struct rp_worker *worker;
    bool is_started;
    bool is_over;   /* rp_worker_run has returned, */
    int result;     /* with this */
    int ring_error; /* what rp_io_wait says */
    uint32_t held;  /* bits of enum fake_op that fake_worker_settle leaves alone */
};

/* `tweak` may change the configuration before the worker opens. */
void fake_worker_open(struct fake_worker *fake, void (*tweak)(struct rp_config *));

/* Close the worker, check that nothing stayed open, and remove the spool. */
void fake_worker_close(struct fake_worker *fake);

/* The same in two steps, for tests that look at the spool in between. */
void fake_worker_end(struct fake_worker *fake);
void fake_worker_remove(struct fake_worker *fake);

/* Run the worker until it would wait for something that has not come. */
void fake_worker_round(struct fake_worker *fake);

/* Rounds, and all requests performed but ACCEPT, RECV and those held, until nothing moves. */
void fake_worker_settle(struct fake_worker *fake);

/* Let time pass: timers and retries run. */
void fake_worker_advance(struct fake_worker *fake, uint64_t by_ns);

/* A client that has connected and read the greeting. */
int fake_worker_connect(struct fake_worker *fake);

/* Feed and settle; what was sent in answer. */
const char *fake_worker_talk(struct fake_worker *fake, int fd, const char *text);

/* The slot of a socket's connection; RP_NONE: it has none. */
uint32_t fake_worker_conn(const struct fake_worker *fake, int fd);

/* Everything that a worker at rest does not need is back in its pool. */
bool fake_worker_is_clean(const struct fake_worker *fake);

/* The messages in the spool, by recovery: the worker must be closed (fake_worker_end). */
void fake_worker_recover(struct fake_worker *fake, struct rp_spooldir_report *report_out);

#endif
