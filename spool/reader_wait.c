/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reader_wait.c - sleep until there is more to read.
 *
 * Nothing is lost between the last look and the sleep: we count ourselves as waiting, read the
 * futex word, then look at the tails once more. A writer stores its tail, then looks for
 * waiters, then changes the word. Each has a full barrier in between, so at least one of them
 * sees the other.
 */
#include "reader.h"

#include "reader_file.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_SEC     1000000000ll
#define NS_PER_MS      1000000ll
#define POLL_FILES_NS  (200 * NS_PER_MS) /* no doorbell: five looks a second at the files */
#define POLL_TAILS_NS  (20 * NS_PER_MS)  /* a doorbell that we may not write our waiting to */
#define FUTEX_SLICE_NS NS_PER_SEC        /* then see whether the doorbell is still the same file */

static int64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
    return now.tv_sec * NS_PER_SEC + now.tv_nsec;
}

static struct timespec as_timespec(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / NS_PER_SEC, .tv_nsec = ns % NS_PER_SEC};
}

/* Has anything been published, or recovered, since rp_spool_reader_next last gave 0? */
static bool bell_has_news(const struct rp_spool_reader *reader)
{
    const struct rp_spool_doorbell *bell = reader->spool.doorbell;
    for (uint32_t i = 0; i < RP_SPOOL_LANES_MAX; i++) {
        if (__atomic_load_n(&bell->lanes[i].tail, __ATOMIC_ACQUIRE) != reader->seen[i]) {
            return true;
        }
    }
    return __atomic_load_n(&bell->generation, __ATOMIC_ACQUIRE) != reader->seen_generation;
}

/* 0: time is up, or somebody rang; -EINTR. */
static int sleep_ns(int64_t ns)
{
    struct timespec time = as_timespec(ns);
    return nanosleep(&time, NULL) != 0 && errno == EINTR ? -EINTR : 0;
}

static int sleep_at_bell(const struct rp_spool_reader *reader, int64_t ns)
{
    struct rp_spool_doorbell *bell = reader->spool.doorbell;
    int error = 0;
    __atomic_fetch_add(&bell->waiters, 1, __ATOMIC_SEQ_CST);
    uint32_t ring = __atomic_load_n(&bell->ring, __ATOMIC_ACQUIRE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (!bell_has_news(reader)) {
        struct timespec time = as_timespec(ns);
        long result = syscall(SYS_futex, &bell->ring, FUTEX_WAIT, ring, &time, NULL, 0);
        error = result != 0 && errno == EINTR ? -EINTR : 0;
    }
    __atomic_fetch_sub(&bell->waiters, 1, __ATOMIC_SEQ_CST);
    return error;
}

/* How long to sleep at most before the next look of this kind. */
static int64_t slice_of(const struct rp_reader_spool *spool)
{
    if (!spool->is_live) {
        return POLL_FILES_NS;
    }
    return spool->is_bell_writable ? FUTEX_SLICE_NS : POLL_TAILS_NS;
}

/* 1: there is reason to look again; 0: not yet; or a negative errno. */
static int look(struct rp_spool_reader *reader)
{
    struct rp_reader_spool *spool = &reader->spool;
    if (spool->is_live) {
        if (bell_has_news(reader)) {
            return 1;
        }
        /* Somebody took the file away and a daemon made a new one, or the daemon is gone: this one
         * rings no more. */
        if (rp_reader_file_inode(spool->fd, RP_SPOOL_DOORBELL_NAME) == spool->bell_inode &&
            rp_reader_lane_spool_is_live(spool)) {
            return 0;
        }
        spool->is_live = false;
    }
    bool is_changed;
    int error = rp_reader_refresh(reader, &is_changed);
    for (uint32_t i = 0; i < reader->lane_count; i++) {
        is_changed |= rp_reader_lane_is_ripe(&reader->lanes[i]);
    }
    return error != 0 ? error : is_changed;
}

void rp_spool_reader_follow(struct rp_spool_reader *reader)
{
    reader->spool.is_following = true;
}

int rp_spool_reader_wait(struct rp_spool_reader *reader, int timeout_ms)
{
    const struct rp_reader_spool *spool = &reader->spool;
    const int64_t end = timeout_ms < 0 ? INT64_MAX : now_ns() + timeout_ms * NS_PER_MS;
    for (;;) {
        int result = look(reader);
        if (result != 0) {
            return result < 0 ? result : 0;
        }
        int64_t left = end == INT64_MAX ? INT64_MAX : end - now_ns();
        if (left <= 0) {
            return -ETIMEDOUT;
        }
        int64_t slice = slice_of(spool);
        slice = slice < left ? slice : left;
        int error = spool->is_live && spool->is_bell_writable ? sleep_at_bell(reader, slice)
                                                              : sleep_ns(slice);
        if (error != 0) {
            return error;
        }
    }
}
