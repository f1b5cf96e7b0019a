/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reader_lane.c - which entries of a lane a reader may see.
 *
 * The order of loads mirrors the writer's stores. It stores: entries, tail, and when a segment
 * is full its count, then entries and tail of the next one. So we load the tail first: if the
 * count still says "open" after that, the tail is not beyond this segment.
 */
#include "reader_lane.h"

#include "format.h"
#include "reader_file.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void rp_reader_lane_init(struct rp_reader_lane *lane, uint32_t number)
{
    *lane = (struct rp_reader_lane){.lane = number, .fd = -1, .segment_fd = -1};
}

static void unload(struct rp_reader_lane *lane)
{
    rp_survey_close(&lane->settled);
    if (lane->index != NULL) {
        int error = munmap(lane->index, lane->index_len);
        assert(error == 0);
        lane->index = NULL;
    }
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

int rp_reader_lane_refresh(struct rp_reader_lane *lane, const struct rp_reader_spool *spool)
{
    unload(lane);
    close_file(lane);
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

uint64_t rp_reader_lane_tail(const struct rp_reader_lane *lane, const struct rp_reader_spool *spool)
{
    if (!spool->is_live) {
        return 0;
    }
    return __atomic_load_n(&spool->doorbell->lanes[lane->lane].tail, __ATOMIC_ACQUIRE);
}

/* ---- loading ---- */

enum index_state {
    INDEX_NONE, /* there is none, or it says nothing yet */
    INDEX_OPEN,
    INDEX_SEALED,
};

/* Map the index of a segment that may be written to. Only INDEX_OPEN leaves it mapped. */
static int map_index(struct rp_reader_lane *lane,
                     const struct rp_reader_spool *spool,
                     uint64_t number,
                     enum index_state *state_out)
{
    char name[RP_FORMAT_FILE_NAME];
    rp_format_index_name(number, name);
    int fd;
    uint64_t file_len;
    *state_out = INDEX_NONE;
    int error = rp_reader_file_open(lane->fd, name, &fd, &file_len);
    if (error == -ENOMEM || error == -EMFILE || error == -ENFILE || error == -EACCES) {
        return error;
    }
    if (error != 0) {
        return 0;
    }
    const uint64_t len_max = RP_SPOOL_INDEX_LEN(RP_SPOOL_SEGMENT_MAX);
    size_t len = (size_t)(file_len < len_max ? file_len : len_max);
    void *map = MAP_FAILED;
    if (len >= RP_SPOOL_BLOCK) {
        map = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
        error = map == MAP_FAILED ? -errno : 0;
    }
    (void)close(fd); /* it was only read */
    if (map == MAP_FAILED) {
        return error;
    }
    struct rp_spool_index_header *index = map;
    if (__atomic_load_n(&index->magic, __ATOMIC_ACQUIRE) == RP_SPOOL_INDEX_MAGIC &&
        rp_format_index_header_is_good(index, spool->meta.identity, lane->lane, number)) {
        bool is_open = __atomic_load_n(&index->count, __ATOMIC_ACQUIRE) == RP_SPOOL_INDEX_OPEN;
        *state_out = is_open ? INDEX_OPEN : INDEX_SEALED;
    }
    if (*state_out == INDEX_OPEN) {
        lane->index = index;
        lane->index_len = len;
    } else {
        (void)munmap(map, len); /* cannot fail for a mapping that is there */
    }
    return 0;
}

/* Whether the segment's header has not been written yet. */
static bool is_blank(const struct rp_reader_lane *lane, uint64_t number)
{
    char name[RP_FORMAT_FILE_NAME];
    rp_format_segment_name(number, name);
    int fd;
    uint64_t file_len;
    if (rp_reader_file_open(lane->fd, name, &fd, &file_len) != 0) {
        return false;
    }
    struct rp_spool_segment_header header = {0};
    const struct rp_spool_segment_header blank = {0};
    size_t got;
    int error = rp_reader_file_read(fd, &header, sizeof header, 0, &got);
    (void)close(fd); /* it was only read */
    return error == 0 && memcmp(&header, &blank, sizeof blank) == 0;
}

static int load_settled(struct rp_reader_lane *lane, const struct rp_reader_spool *spool, size_t i)
{
    struct rp_survey_lane survey = {
        .fd = lane->fd,
        .big_fd = spool->big_fd,
        .identity = spool->meta.identity,
        .lane = lane->lane,
        .limit = spool->is_live ? rp_reader_lane_tail(lane, spool) : RP_FORMAT_SEQUENCE_NONE,
        .numbers = lane->numbers,
        .count = lane->count,
    };
    return rp_survey_open(&survey, i, &lane->settled);
}

int rp_reader_lane_load(struct rp_reader_lane *lane, const struct rp_reader_spool *spool, size_t i)
{
    assert(i < lane->count);
    const uint64_t number = lane->numbers[i];
    if (lane->kind != RP_READER_LANE_NONE && lane->loaded == number) {
        return 0;
    }
    unload(lane);
    enum index_state state = INDEX_NONE;
    if (spool->is_live) {
        int error = map_index(lane, spool, number, &state);
        if (error != 0) {
            return error;
        }
        /* The index is begun before the segment is: with neither there, it is just prepared. */
        if (state == INDEX_NONE && is_blank(lane, number)) {
            return -EAGAIN;
        }
    }
    lane->loaded = number;
    if (state == INDEX_OPEN) {
        lane->kind = RP_READER_LANE_LIVE;
        return 0;
    }
    int error = load_settled(lane, spool, i);
    switch (error) {
    case 0: break;
    case -EISDIR:
    case -ELOOP:
    case -EINVAL:
    case -ENXIO: return -ENOENT;
    default: return error;
    }
    lane->kind = RP_READER_LANE_SETTLED;
    return 0;
}

int rp_reader_lane_get(struct rp_reader_lane *lane,
                       const struct rp_reader_spool *spool,
                       struct rp_reader_lane_entries *entries_out)
{
    assert(lane->kind != RP_READER_LANE_NONE);
    if (lane->kind == RP_READER_LANE_SETTLED) {
        *entries_out = (struct rp_reader_lane_entries){
            .list = lane->settled.entries,
            .first_sequence = lane->settled.first_sequence,
            .count = lane->settled.count,
            .is_settled = true,
        };
        return 0;
    }
    const struct rp_spool_index_header *index = lane->index;
    uint64_t tail = rp_reader_lane_tail(lane, spool);
    if (__atomic_load_n(&spool->doorbell->generation, __ATOMIC_ACQUIRE) != spool->generation) {
        return -ESTALE;
    }
    uint64_t count = __atomic_load_n(&index->count, __ATOMIC_ACQUIRE);
    bool is_settled = count != RP_SPOOL_INDEX_OPEN;
    if (!is_settled) {
        count = tail > index->first_sequence ? tail - index->first_sequence : 0;
    }
    const uint64_t room = (lane->index_len - RP_SPOOL_BLOCK) / sizeof(struct rp_spool_index_entry);
    *entries_out = (struct rp_reader_lane_entries){
        .list = (const struct rp_spool_index_entry *)(const void *)((const uint8_t *)index +
                                                                    RP_SPOOL_BLOCK),
        .first_sequence = index->first_sequence,
        .count = count < room ? count : room,
        .is_settled = is_settled,
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
            return error;
        }
        lane->segment_number = number;
    }
    *fd_out = lane->segment_fd;
    return 0;
}
