/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_reader.c - the spool's reader: iterating, loading and checking each message, finding
 * by id. On a spool of its own, made as the daemon makes one, whose files are in the page
 * cache.
 */
#include "bench_case.h"
#include "bench_lane.h"

#include "engine/spooldir.h"
#include "spool/format.h"
#include "spool/rp_spool_reader.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BODY_LEN          1024u
#define BATCH_COUNT       16u
#define SEGMENT_LEN       (UINT64_C(16) << 20)
#define SEGMENT_LEN_SMALL RP_SPOOL_SEGMENT_MIN
#define MESSAGES          20000u /* more than a segment holds */
#define MESSAGES_SMALL    1008u
#define FINDS             256u
#define FIND_STEP         7919u /* a prime: one id after the other from all over the spool */
#define FTW_FDS           8

enum way {
    NEXT, /* rp_spool_reader_next */
    VIEW, /* and rp_spool_view_open: each octet is hashed */
    FIND, /* rp_spool_reader_find */
};

struct state {
    struct rp_spool_reader *reader;
    struct rp_spool_id *ids; /* owned: of all messages */
    uint64_t count;
    char path[PATH_MAX];
    struct rp_spool_cursor cursor; /* too large for the stack */
};

/* ---- a spool ---- */

/* What writes one, until it is whole. */
struct maker {
    struct rp_spooldir dir;
    struct rp_bench_lane lane;
    uint8_t *index; /* owned: memory for the open segment's */
    uint64_t segment_len;
    int fd; /* of the open segment, or -1 */
};

/* A file of zeros with that name, in the lane's directory. */
static int make_file(const struct maker *maker, const char *name, uint64_t len)
{
    int fd = openat(maker->dir.lanes[0].fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0 && ftruncate(fd, (off_t)len) == 0) {
        return fd;
    }
    int error = -errno;
    if (fd >= 0) {
        (void)close(fd); /* the error is told already */
    }
    return error;
}

static int write_index(const struct maker *maker, uint64_t segment, uint64_t len)
{
    char name[RP_FORMAT_FILE_NAME];
    rp_format_index_name(segment, name);
    int fd = make_file(maker, name, 0);
    if (fd < 0) {
        return fd;
    }
    const ssize_t written = write(fd, maker->index, len);
    int error = written < 0 ? -errno : 0;
    (void)close(fd); /* the error is told already */
    return error == 0 && (uint64_t)written < len ? -EIO : error;
}

static int leave_segment(struct maker *maker)
{
    int error = 0;
    const uint64_t segment = maker->lane.writer.segment;
    if (segment != 0) {
        error = write_index(maker, segment, rp_spool_writer_close_segment(&maker->lane.writer));
    }
    if (maker->fd >= 0) {
        (void)close(maker->fd); /* the spool is made anew in the next run */
        maker->fd = -1;
    }
    return error;
}

static int enter_segment(struct maker *maker)
{
    char name[RP_FORMAT_FILE_NAME];
    const uint64_t segment = maker->dir.lanes[0].next_segment++;
    int error = leave_segment(maker);
    if (error != 0) {
        return error;
    }
    rp_format_segment_name(segment, name);
    maker->fd = make_file(maker, name, maker->segment_len);
    error = maker->fd < 0 ? maker->fd : 0;
    if (error == 0) {
        rp_bench_lane_enter(&maker->lane, segment, maker->segment_len, maker->index);
    }
    return error;
}

static int put_batch(struct maker *maker)
{
    int error = rp_bench_lane_plan(&maker->lane, BATCH_COUNT);
    if (error == -ENOSPC) {
        error = enter_segment(maker);
        error = error != 0 ? error : rp_bench_lane_plan(&maker->lane, BATCH_COUNT);
    }
    if (error != 0) {
        return error;
    }
    error = rp_bench_lane_write(&maker->lane, maker->fd, 0);
    if (error != 0) {
        rp_spool_batch_abandon(&maker->lane.batch);
        return error;
    }
    (void)rp_spool_batch_commit(&maker->lane.batch); /* nobody waits */
    return 0;
}

static int make_spool(const char *path, uint64_t segment_len, uint64_t count)
{
    char text[256];
    struct maker *maker = rp_bench_case_alloc(sizeof(*maker));
    if (maker == NULL) {
        return -ENOMEM;
    }
    maker->fd = -1;
    maker->segment_len = segment_len;
    maker->index = rp_bench_case_alloc(RP_SPOOL_INDEX_LEN(segment_len));
    if (maker->index == NULL) {
        free(maker);
        return -ENOMEM;
    }
    int error = rp_spooldir_open(&maker->dir, path, 1, segment_len, text, sizeof(text));
    if (error == 0) {
        error = rp_bench_lane_open(&maker->lane, BODY_LEN, BATCH_COUNT, maker->dir.identity,
                                   maker->dir.doorbell);
        error = error != 0 ? error : enter_segment(maker);
        for (uint64_t at = 0; error == 0 && at < count; at += BATCH_COUNT) {
            error = put_batch(maker);
        }
        error = error != 0 ? error : leave_segment(maker);
        rp_bench_lane_close(&maker->lane);
        rp_spooldir_close(&maker->dir);
    }
    free(maker->index);
    free(maker);
    return error;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    (void)remove(path); /* what stays makes its directory's removal fail: nothing more to do */
    return 0;
}

static void remove_tree(const char *path)
{
    (void)nftw(path, remove_one, FTW_FDS, FTW_DEPTH | FTW_PHYS);
}

/* ---- the case ---- */

/* Open what was made, and take down all ids. */
static int open_reader(struct state *state)
{
    int error = rp_spool_reader_open(state->path, &state->reader);
    if (error != 0) {
        return error;
    }
    struct rp_spool_entry entry;
    for (uint64_t at = 0; at < state->count; at++) {
        int outcome = rp_spool_reader_next(state->reader, &state->cursor, &entry);
        if (outcome != 1) {
            return outcome < 0 ? outcome : -EBADMSG; /* it does not show what was written */
        }
        state->ids[at] = entry.id;
    }
    return rp_spool_reader_next(state->reader, &state->cursor, &entry) == 0 ? 0 : -EBADMSG;
}

static void close_case(struct rp_bench_work *work)
{
    struct state *state = work->state;
    rp_spool_reader_close(state->reader);
    if (state->path[0] != '\0') {
        remove_tree(state->path);
    }
    free(state->ids);
    free(state);
}

static int make_path(struct state *state, const char *dir)
{
    int len = snprintf(state->path, sizeof(state->path), "%s/ringpost-bench.XXXXXX", dir);
    if (len < 0 || (size_t)len >= sizeof(state->path)) {
        state->path[0] = '\0';
        return -ENAMETOOLONG;
    }
    if (mkdtemp(state->path) == NULL) {
        int error = -errno;
        state->path[0] = '\0';
        return error;
    }
    return 0;
}

static int open_case(const struct rp_bench_case *self,
                     const struct rp_bench_setup *setup,
                     struct rp_bench_work *work_out)
{
    struct state *state = rp_bench_case_alloc(sizeof(*state));
    if (state == NULL) {
        return -ENOMEM;
    }
    state->count = setup->is_small ? MESSAGES_SMALL : MESSAGES;
    state->ids = rp_bench_case_alloc(state->count * sizeof(state->ids[0]));
    work_out->state = state;
    int error = state->ids == NULL ? -ENOMEM : make_path(state, setup->dir);
    error = error != 0 ? error
                       : make_spool(state->path, setup->is_small ? SEGMENT_LEN_SMALL : SEGMENT_LEN,
                                    state->count);
    error = error != 0 ? error : open_reader(state);
    if (error != 0) {
        close_case(work_out);
        return error;
    }
    const enum way way = *(const enum way *)self->spec;
    work_out->units = way == FIND ? FINDS : state->count;
    work_out->octets = way == VIEW ? state->count * BODY_LEN : 0;
    return 0;
}

static uint64_t sum_of(const struct rp_spool_entry *entry)
{
    return entry->sequence << 40 ^ entry->segment << 32 ^ entry->offset ^ entry->body_len;
}

/* Load a message; what is in it joins the sum. */
static int view(struct rp_spool_reader *reader, const struct rp_spool_entry *entry, uint64_t *sum)
{
    struct rp_spool_message_view *message;
    int error = rp_spool_view_open(reader, entry, &message);
    if (error != 0) {
        return error;
    }
    size_t len;
    uint64_t octets;
    const uint8_t *body = rp_spool_view_body(message, &len);
    memcpy(&octets, body + len - sizeof(octets), sizeof(octets));
    *sum = rp_bench_mix(*sum, octets ^ len ^ body[0]);
    rp_spool_view_close(message);
    return 0;
}

/* All messages, from the first to the last one. */
static int iterate(struct state *state, bool is_viewing, uint64_t *sum_out)
{
    struct rp_spool_entry entry;
    uint64_t sum = 0;
    int outcome;
    memset(&state->cursor, 0, sizeof(state->cursor));
    while ((outcome = rp_spool_reader_next(state->reader, &state->cursor, &entry)) == 1) {
        sum = rp_bench_mix(sum, sum_of(&entry));
        int error = is_viewing ? view(state->reader, &entry, &sum) : 0;
        if (error != 0) {
            return error;
        }
    }
    *sum_out = sum;
    return outcome;
}

static int find(struct state *state, uint64_t *sum_out)
{
    uint64_t sum = 0;
    uint64_t at = 0;
    for (unsigned number = 0; number < FINDS; number++) {
        struct rp_spool_entry entry;
        at = (at + FIND_STEP) % state->count;
        int error = rp_spool_reader_find(state->reader, state->ids[at].text, &entry);
        if (error != 0) {
            return error;
        }
        if (entry.sequence != at) {
            return -EBADMSG; /* another message */
        }
        sum = rp_bench_mix(sum, sum_of(&entry));
    }
    *sum_out = sum;
    return 0;
}

static int run(struct rp_bench_work *work, uint64_t rounds, uint64_t *checksum_out)
{
    struct state *state = work->state;
    const enum way way = *(const enum way *)work->what->spec;
    struct rp_bench_sum sum = {0};
    for (uint64_t round = 0; round < rounds; round++) {
        uint64_t one = 0;
        int error = way == FIND ? find(state, &one) : iterate(state, way == VIEW, &one);
        if (error != 0) {
            return error;
        }
        rp_bench_sum_add(&sum, one);
    }
    *checksum_out = rp_bench_sum_get(&sum);
    return 0;
}

static const enum way next = NEXT;
static const enum way next_and_view = VIEW;
static const enum way by_id = FIND;

static const struct rp_bench_case cases[] = {
    {"reader/next", "message", "rp_spool_reader_next over 20,000 messages",         NULL, NULL, &next,  NULL,
     open_case,                                                                                                          run, close_case},
    {"reader/view", "message", "the same, each of 1 KiB loaded and checked",        NULL, NULL,
     &next_and_view,                                                                                    NULL, open_case, run, close_case},
    {"reader/find", "id",      "rp_spool_reader_find, ids from all over the spool", NULL, NULL, &by_id,
     NULL,                                                                                                    open_case, run, close_case},
};
const struct rp_bench_family rp_bench_reader_family = {cases, sizeof(cases) / sizeof(cases[0])};
