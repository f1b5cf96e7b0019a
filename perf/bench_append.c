/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_append.c - append and commit: planning a batch and publishing it, without and with
 * the write between the two.
 *
 * "memory" writes nothing: it is what the spool costs the engine's thread. "disk" writes each
 * batch with one pwritev2(2) and RWF_DSYNC into a file that was written beforehand, as the
 * daemon's segments are; when the file is full it is begun anew.
 */
#include "bench_case.h"
#include "bench_lane.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define SEGMENT_LEN       (UINT64_C(64) << 20) /* spool.segment_size */
#define SEGMENT_LEN_SMALL RP_SPOOL_SEGMENT_MIN
#define ZEROS_LEN         (1u << 20)

struct spec {
    size_t body_len;
    size_t count; /* messages a commit */
    bool is_on_disk;
};

struct state {
    struct rp_bench_lane lane;
    struct rp_spool_doorbell *doorbell; /* owned */
    uint8_t *index;                     /* owned */
    uint64_t segment_len;
    int fd; /* -1: nothing is written */
};

/* A file without a name, so that nothing of it stays whatever happens. */
static int make_file(const char *dir)
{
    char path[1024];
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0) {
        return fd;
    }
    if (errno != EOPNOTSUPP && errno != EISDIR) {
        return -errno;
    }
    int len = snprintf(path, sizeof(path), "%s/ringpost-bench.XXXXXX", dir);
    if (len < 0 || (size_t)len >= sizeof(path)) {
        return -ENAMETOOLONG;
    }
    fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    return unlink(path) == 0 ? fd : -errno;
}

/* Zeros that are really written: a commit then changes no size and no extent. */
static int write_zeros(int fd, uint64_t len)
{
    uint8_t *zeros = rp_bench_case_alloc(ZEROS_LEN);
    int error = zeros == NULL ? -ENOMEM : 0;
    for (uint64_t off = 0; error == 0 && off < len;) {
        const ssize_t written = pwrite(fd, zeros, ZEROS_LEN, (off_t)off);
        error = written < 0 ? -errno : 0;
        off += written > 0 ? (uint64_t)written : 0;
    }
    free(zeros);
    return error == 0 && fsync(fd) != 0 ? -errno : error;
}

static void close_case(struct rp_bench_work *work)
{
    struct state *state = work->state;
    rp_bench_lane_close(&state->lane);
    free(state->doorbell);
    free(state->index);
    if (state->fd >= 0) {
        (void)close(state->fd); /* nothing in it is wanted any more */
    }
    free(state);
}

static int open_parts(struct state *state, const struct spec *spec, const char *dir)
{
    static const uint8_t identity[16] = "ringpost-bench.";
    int error =
        rp_bench_lane_open(&state->lane, spec->body_len, spec->count, identity, state->doorbell);
    if (error != 0 || !spec->is_on_disk) {
        return error;
    }
    state->fd = make_file(dir);
    return state->fd < 0 ? state->fd : write_zeros(state->fd, state->segment_len);
}

static int open_case(const struct rp_bench_case *self,
                     const struct rp_bench_setup *setup,
                     struct rp_bench_work *work_out)
{
    const struct spec *spec = self->spec;
    struct state *state = rp_bench_case_alloc(sizeof(*state));
    if (state == NULL) {
        return -ENOMEM;
    }
    state->fd = -1;
    state->segment_len = setup->is_small ? SEGMENT_LEN_SMALL : SEGMENT_LEN;
    state->doorbell = rp_bench_case_alloc(sizeof(*state->doorbell));
    state->index = rp_bench_case_alloc(RP_SPOOL_INDEX_LEN(state->segment_len));
    work_out->state = state;
    work_out->units = spec->count;
    work_out->octets = spec->count * spec->body_len;
    int error = state->doorbell == NULL || state->index == NULL
                    ? -ENOMEM
                    : open_parts(state, spec, setup->dir);
    if (error != 0) {
        close_case(work_out);
        return error;
    }
    rp_bench_lane_enter(&state->lane, 1, state->segment_len, state->index);
    return 0;
}

static int commit(struct state *state, size_t count)
{
    int error = rp_bench_lane_plan(&state->lane, count);
    if (error != 0) {
        rp_bench_lane_enter(&state->lane, 1, state->segment_len, state->index);
        error = rp_bench_lane_plan(&state->lane, count);
        assert(error == 0); /* any segment has room for a batch */
    }
    error = state->fd < 0 ? 0 : rp_bench_lane_write(&state->lane, state->fd, RWF_DSYNC);
    if (error != 0) {
        rp_spool_batch_abandon(&state->lane.batch);
        return error;
    }
    (void)rp_spool_batch_commit(&state->lane.batch); /* nobody waits */
    return 0;
}

static int run(struct rp_bench_work *work, uint64_t rounds, uint64_t *checksum_out)
{
    struct state *state = work->state;
    const struct spec *spec = work->what->spec;
    struct rp_bench_sum sum = {0};
    for (uint64_t round = 0; round < rounds; round++) {
        int error = commit(state, spec->count);
        if (error != 0) {
            return error;
        }
        rp_bench_sum_add(&sum, rp_bench_lane_sum(&state->lane));
    }
    *checksum_out = rp_bench_sum_get(&sum);
    return 0;
}

/* clang-format off */
#define CASE(where, size, number, help, twin, body_len, count, is_on_disk) \
    {"append/" where "/" size "-" number, "message", help, NULL, twin, \
     &(const struct spec){(body_len), (count), (is_on_disk)}, NULL, open_case, run, close_case}
#define MEMORY(size, number, help, body_len, count) \
    CASE("memory", size, number, help ", nothing written", NULL, body_len, count, false)
#define DISK(size, number, help, body_len, count) \
    CASE("disk", size, number, help ", RWF_DSYNC", "append/memory/" size "-" number, \
         body_len, count, true)

static const struct rp_bench_case cases[] = {
    MEMORY("1k",  "1",  "1 KiB, one message a commit",   1u << 10,  1),
    MEMORY("1k",  "64", "1 KiB, 64 messages a commit",   1u << 10,  64),
    MEMORY("10k", "1",  "10 KiB, one message a commit",  10u << 10, 1),
    MEMORY("10k", "64", "10 KiB, 64 messages a commit",  10u << 10, 64),
    DISK("1k",    "1",  "1 KiB, one message a commit",   1u << 10,  1),
    DISK("1k",    "64", "1 KiB, 64 messages a commit",   1u << 10,  64),
    DISK("10k",   "1",  "10 KiB, one message a commit",  10u << 10, 1),
    DISK("10k",   "64", "10 KiB, 64 messages a commit",  10u << 10, 64),
};
/* clang-format on */
const struct rp_bench_family rp_bench_append_family = {cases, sizeof(cases) / sizeof(cases[0])};
