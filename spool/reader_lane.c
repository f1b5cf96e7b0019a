/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reader_lane.c - which entries of a lane a reader may see.
 *
 * The order of loads mirrors the writer's stores. It stores the number of a new segment before the
 * first tail that counts messages in it. So we load the tail first: if the number is still that of
 * our segment after that, all that the tail counts is in it or before it.
 */
#include "reader_lane.h"

#include "format.h"
#include "reader_file.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REST_NS 1000000000ll /* a write that is under way does not take as long */

void rp_reader_lane_init(struct rp_reader_lane *lane, uint32_t number)
{
    *lane = (struct rp_reader_lane){.lane = number, .fd = -1, .segment_fd = -1};
}

static void unload(struct rp_reader_lane *lane)
{
    rp_survey_close(&lane->settled);
    rp_reader_live_close(&lane->live);
    lane->is_holding = false;
    lane->kind = RP_READER_LANE_NONE;
}

static void close_file(struct rp_reader_lane *lane)
{
    if (lane->segment_fd >= 0) {
        (void)close(lane->segment_fd); /* it was only read */
        lane->segment_fd = -1;
    }
}

void rp_reader_lane_close(struct rp_reader_lane *lane)
{
    unload(lane);
    close_file(lane);
    if (lane->fd >= 0) {
        (void)close(lane->fd); /* it was only read */
    }
    free(lane->numbers);
    rp_reader_lane_init(lane, lane->lane);
}

/* Which segments there are now. A lane without a directory has none. */
static int list_segments(struct rp_reader_lane *lane, const struct rp_reader_spool *spool)
{
    if (lane->fd < 0) {
        char name[RP_FORMAT_LANE_NAME];
        rp_format_lane_name(lane->lane, name);
        int error = rp_reader_file_open_dir(spool->fd, name, &lane->fd);
        if (error == -ENOENT || error == -ENOTDIR) {
            return 0;
        }
        if (error != 0) {
            return error;
        }
    }
    uint64_t *numbers;
    size_t count;
    int error = rp_reader_file_segments(lane->fd, &numbers, &count);
    if (error == 0) {
        free(lane->numbers);
        lane->numbers = numbers;
        lane->count = count;
    }
    return error;
}

int rp_reader_lane_refresh(struct rp_reader_lane *lane, const struct rp_reader_spool *spool)
{
    unload(lane);
    close_file(lane);
    return list_segments(lane, spool);
}

size_t rp_reader_lane_find(const struct rp_reader_lane *lane, uint64_t number)
{
    size_t low = 0;
    size_t high = lane->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (lane->numbers[middle] < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* ---- the doorbell ---- */

static bool bell_is_ours(const struct rp_reader_spool *spool)
{
    const struct rp_spool_doorbell *bell = spool->doorbell;
    return bell != NULL &&
           __atomic_load_n(&bell->magic, __ATOMIC_ACQUIRE) == RP_SPOOL_DOORBELL_MAGIC &&
           bell->version == RP_SPOOL_VERSION &&
           memcmp(bell->identity, spool->meta.identity, sizeof bell->identity) == 0;
}

bool rp_reader_lane_spool_is_live(const struct rp_reader_spool *spool)
{
    return bell_is_ours(spool) &&
           memcmp(spool->doorbell->boot_id, spool->boot_id, sizeof spool->boot_id) == 0 &&
           spool->meta_fd >= 0 && rp_reader_file_is_locked(spool->meta_fd);
}

uint64_t rp_reader_lane_tail(const struct rp_reader_lane *lane, const struct rp_reader_spool *spool)
{
    if (!spool->is_live) {
        return 0;
    }
    return __atomic_load_n(&spool->doorbell->lanes[lane->lane].tail, __ATOMIC_ACQUIRE);
}

/* The segment that is written to, loaded after the tail. */
static uint64_t open_segment_of(const struct rp_reader_lane *lane,
                                const struct rp_reader_spool *spool)
{
    return __atomic_load_n(&spool->doorbell->lanes[lane->lane].segment, __ATOMIC_ACQUIRE);
}

/* A tail of whatever boot, if it is whole: so much was committed. */
static uint64_t proven_tail(const struct rp_reader_lane *lane, const struct rp_reader_spool *spool)
{
    if (!bell_is_ours(spool)) {
        return 0;
    }
    const struct rp_spool_doorbell_lane *bell = &spool->doorbell->lanes[lane->lane];
    uint64_t tail = __atomic_load_n(&bell->tail, __ATOMIC_ACQUIRE);
    uint64_t check = __atomic_load_n(&bell->check, __ATOMIC_ACQUIRE);
    bool is_whole = tail <= RP_FORMAT_SEQUENCE_MAX &&
                    check == rp_format_tail_check(tail, spool->meta.identity, lane->lane);
    return is_whole ? tail : 0;
}

/* ---- loading ---- */

struct rp_survey_lane rp_reader_lane_survey(const struct rp_reader_lane *lane,
                                            const struct rp_reader_spool *spool)
{
    return (struct rp_survey_lane){
        .fd = lane->fd,
        .big_fd = spool->big_fd,
        .identity = spool->meta.identity,
        .lane = lane->lane,
        .limit = spool->is_live ? rp_reader_lane_tail(lane, spool) : RP_FORMAT_SEQUENCE_NONE,
        .proven = spool->is_live ? rp_reader_lane_tail(lane, spool) : proven_tail(lane, spool),
        .numbers = lane->numbers,
        .count = lane->count,
    };
}

static int load_live(struct rp_reader_lane *lane, const struct rp_reader_spool *spool, size_t i)
{
    int fd;
    int error = rp_reader_lane_open_file(lane, lane->numbers[i], &fd);
    if (error != 0) {
        return error;
    }
    struct rp_survey_lane survey = rp_reader_lane_survey(lane, spool);
    error = rp_reader_live_open(&lane->live, &survey, i, fd);
    if (error == 0) {
        lane->kind = RP_READER_LANE_LIVE;
    }
    return error;
}

/*
 * All segments that the tail counts messages of must be in the list: without the next one's word
 * what is in it would be lost messages of this one.
 */
static int survey_listed(struct rp_reader_lane *lane,
                         const struct rp_reader_spool *spool,
                         struct rp_survey_lane *survey_out)
{
    uint64_t listed = 0;
    for (;;) {
        *survey_out = rp_reader_lane_survey(lane, spool);
        const uint64_t open = spool->is_live ? open_segment_of(lane, spool) : 0;
        /* Listed in vain: somebody has removed it. */
        if (open == listed || (lane->count > 0 && lane->numbers[lane->count - 1] >= open)) {
            return 0;
        }
        listed = open;
        int error = list_segments(lane, spool);
        if (error != 0) {
            return error;
        }
    }
}

static int load_settled(struct rp_reader_lane *lane, const struct rp_reader_spool *spool)
{
    struct rp_survey_lane survey;
    int error = survey_listed(lane, spool, &survey);
    if (error != 0) {
        return error;
    }
    size_t i = rp_reader_lane_find(lane, lane->loaded);
    if (i == lane->count || lane->numbers[i] != lane->loaded) {
        return -ENOENT; /* it was removed under our hands */
    }
    error = rp_survey_open(&survey, i, &lane->settled);
    if (error == 0) {
        lane->kind = RP_READER_LANE_SETTLED;
    }
    return error;
}

int rp_reader_lane_load(struct rp_reader_lane *lane, const struct rp_reader_spool *spool, size_t i)
{
    assert(i < lane->count);
    const uint64_t number = lane->numbers[i];
    if (lane->kind != RP_READER_LANE_NONE && lane->loaded == number) {
        return 0;
    }
    unload(lane);
    lane->loaded = number;
    int error;
    const uint64_t open = spool->is_live ? open_segment_of(lane, spool) : 0;
    if (spool->is_live && number > open) {
        return -EAGAIN;
    }
    error =
        spool->is_live && number == open ? load_live(lane, spool, i) : load_settled(lane, spool);
    return error != -EAGAIN && rp_reader_file_is_gone(error) ? -ENOENT : error;
}

/* ---- what there is to see ---- */

/* Nobody has written to the loaded segment for a while, as far as the clocks can tell. */
static bool is_at_rest(const struct rp_reader_lane *lane)
{
    char name[RP_FORMAT_FILE_NAME];
    rp_format_segment_name(lane->loaded, name);
    return rp_reader_file_age_ns(lane->fd, name) >= REST_NS;
}

bool rp_reader_lane_is_ripe(const struct rp_reader_lane *lane)
{
    return lane->is_holding && is_at_rest(lane);
}

/*
 * While nobody tells us what is committed, a last batch that is not whole may still be on its way
 * from another machine: what is behind its first gap waits until the file is at rest.
 */
static uint64_t count_settled(struct rp_reader_lane *lane, const struct rp_reader_spool *spool)
{
    const struct rp_survey_segment *segment = &lane->settled;
    uint64_t count = 0;
    while (count < segment->count &&
           (segment->entries[count].flags & RP_SPOOL_INDEX_UNFINISHED) == 0) {
        count++;
    }
    lane->is_holding = count < segment->count && segment->is_last && !segment->is_trusted &&
                       spool->is_following && !spool->is_live && !is_at_rest(lane);
    return lane->is_holding ? count : segment->count;
}

/* Where a segment ends that is not written to any more: where the next one begins. False: the next
 * one's header is not there yet, so nothing in it is published. */
static bool find_end(struct rp_reader_lane *lane,
                     const struct rp_reader_spool *spool,
                     uint64_t *end_out)
{
    size_t i = rp_reader_lane_find(lane, lane->loaded);
    struct rp_survey_lane survey = rp_reader_lane_survey(lane, spool);
    uint64_t end = rp_survey_next_first(&survey, i);
    if (end == RP_FORMAT_SEQUENCE_NONE) {
        return false;
    }
    *end_out = end;
    return true;
}

static int get_live(struct rp_reader_lane *lane,
                    const struct rp_reader_spool *spool,
                    struct rp_reader_lane_entries *entries_out)
{
    uint64_t bound = rp_reader_lane_tail(lane, spool);
    bool is_open = open_segment_of(lane, spool) == lane->loaded;
    if (!spool->is_live ||
        __atomic_load_n(&spool->doorbell->generation, __ATOMIC_ACQUIRE) != spool->generation) {
        return -ESTALE;
    }
    bool is_settled = false;
    if (!is_open) {
        int error = list_segments(lane, spool);
        if (error != 0) {
            return error;
        }
        is_settled = find_end(lane, spool, &bound);
    }
    int fd;
    int error = rp_reader_lane_open_file(lane, lane->loaded, &fd);
    if (error != 0) {
        return error;
    }
    size_t i = rp_reader_lane_find(lane, lane->loaded);
    if (i == lane->count || lane->numbers[i] != lane->loaded) {
        return -ENOENT; /* it was removed under our hands */
    }
    struct rp_survey_lane survey = rp_reader_lane_survey(lane, spool);
    error = rp_reader_live_walk(&lane->live, &survey, i, fd, bound);
    if (error != 0) {
        return error;
    }
    *entries_out = (struct rp_reader_lane_entries){
        .list = lane->live.entries,
        .first_sequence = lane->live.first_sequence,
        .count = lane->live.count,
        .is_settled = is_settled,
    };
    return 0;
}

int rp_reader_lane_get(struct rp_reader_lane *lane,
                       const struct rp_reader_spool *spool,
                       struct rp_reader_lane_entries *entries_out)
{
    assert(lane->kind != RP_READER_LANE_NONE);
    if (lane->kind == RP_READER_LANE_LIVE) {
        return get_live(lane, spool, entries_out);
    }
    const struct rp_survey_segment *settled = &lane->settled;
    *entries_out = (struct rp_reader_lane_entries){
        .list = settled->entries,
        .first_sequence = settled->first_sequence,
        .count = count_settled(lane, spool),
        .is_settled = settled->is_trusted || !settled->is_last || spool->is_live,
    };
    return 0;
}

int rp_reader_lane_open_file(struct rp_reader_lane *lane, uint64_t number, int *fd_out)
{
    if (lane->segment_fd < 0 || lane->segment_number != number) {
        close_file(lane);
        char name[RP_FORMAT_FILE_NAME];
        rp_format_segment_name(number, name);
        uint64_t file_len;
        int error = rp_reader_file_open(lane->fd, name, &lane->segment_fd, &file_len);
        if (error != 0) {
            lane->segment_fd = -1;
            return rp_reader_file_is_gone(error) ? -ENOENT : error;
        }
        lane->segment_number = number;
    }
    *fd_out = lane->segment_fd;
    return 0;
}
