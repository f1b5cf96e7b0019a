/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reader_seek.c - put a cursor somewhere, find a message by its id.
 */
#include "reader.h"

#include "format.h"

#include <errno.h>

/* Behind the last entry of the lane. */
static int seek_lane_end(struct rp_spool_reader *reader,
                         struct rp_reader_lane *lane,
                         struct rp_spool_cursor_lane *at)
{
    *at = (struct rp_spool_cursor_lane){0};
    int error = rp_reader_lane_refresh(lane, &reader->spool);
    for (size_t i = lane->count; error == 0 && i > 0; i--) {
        struct rp_reader_lane_entries entries;
        error = rp_reader_load(reader, lane, i - 1, &entries);
        if (error == 0) {
            at->segment = lane->numbers[i - 1];
            at->position = entries.count;
            break;
        }
        if (error == -EAGAIN || error == -ENOENT) {
            error = 0;
        }
    }
    return error;
}

int rp_spool_reader_seek_end(struct rp_spool_reader *reader, struct rp_spool_cursor *cursor)
{
    bool is_changed;
    int error = rp_reader_refresh(reader, &is_changed);
    *cursor = (struct rp_spool_cursor){0};
    for (uint32_t i = 0; error == 0 && i < reader->lane_count; i++) {
        error = seek_lane_end(reader, &reader->lanes[i], &cursor->lanes[i]);
        if (error == -ESTALE) { /* a daemon starts just now: its recovery is quick */
            error = rp_reader_refresh(reader, &is_changed);
            i = (uint32_t)-1;
        }
    }
    return error;
}

/* Before the first entry of the lane that is not older than `time_ns`. */
static int seek_lane_time(struct rp_spool_reader *reader,
                          struct rp_reader_lane *lane,
                          uint64_t time_ns,
                          struct rp_spool_cursor_lane *at)
{
    *at = (struct rp_spool_cursor_lane){0};
    for (size_t i = 0; i < lane->count; i++) {
        struct rp_reader_lane_entries entries;
        int error = rp_reader_load(reader, lane, i, &entries);
        if (error == -EAGAIN || error == -ENOENT) {
            continue;
        }
        if (error != 0) {
            return error;
        }
        at->segment = lane->numbers[i];
        at->position = 0;
        while (at->position < entries.count && entries.list[at->position].time_ns < time_ns) {
            at->position++;
        }
        if (at->position < entries.count) {
            break;
        }
    }
    return 0;
}

/* The position of the entry that has this id; whole ones before damaged ones. */
static bool find_offset(const struct rp_reader_lane_entries *entries,
                        uint64_t offset,
                        uint64_t *position_out)
{
    uint64_t low = 0;
    uint64_t high = entries->count;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (entries->list[middle].offset < offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool is_found = false;
    for (; low < entries->count && entries->list[low].offset == offset; low++) {
        if ((entries->list[low].flags & RP_SPOOL_INDEX_UNFINISHED) != 0) {
            continue; /* no message */
        }
        bool is_whole = (entries->list[low].flags & RP_SPOOL_INDEX_DAMAGED) == 0;
        if (!is_found || is_whole) {
            *position_out = low;
            is_found = true;
        }
        if (is_whole) {
            break;
        }
    }
    return is_found;
}

/* One try; -ESTALE: refresh and try again. */
static int find_once(struct rp_spool_reader *reader,
                     const char *id,
                     struct rp_spool_entry *entry_out,
                     uint64_t *position_out)
{
    uint32_t lane_number;
    uint64_t number;
    uint64_t offset;
    if (!rp_format_id_parse(id, &lane_number, &number, &offset)) {
        return -EINVAL;
    }
    if (lane_number >= reader->lane_count) {
        return -ENOENT;
    }
    struct rp_reader_lane *lane = &reader->lanes[lane_number];
    size_t i = rp_reader_lane_find(lane, number);
    if (i == lane->count || lane->numbers[i] != number) {
        int error = rp_reader_lane_refresh(lane, &reader->spool);
        if (error != 0) {
            return error;
        }
        i = rp_reader_lane_find(lane, number);
        if (i == lane->count || lane->numbers[i] != number) {
            return -ENOENT;
        }
    }
    struct rp_reader_lane_entries entries;
    int error = rp_reader_load(reader, lane, i, &entries);
    if (error != 0) {
        return error == -EAGAIN ? -ENOENT : error;
    }
    uint64_t position = 0;
    if (!find_offset(&entries, offset, &position)) {
        return -ENOENT;
    }
    rp_reader_fill_entry(lane, &entries, position, entry_out);
    *position_out = position;
    return 0;
}

static int find(struct rp_spool_reader *reader,
                const char *id,
                struct rp_spool_entry *entry_out,
                uint64_t *position_out)
{
    bool is_changed;
    int error = rp_reader_refresh(reader, &is_changed);
    while (error == 0) {
        struct rp_spool_entry entry;
        error = find_once(reader, id, &entry, position_out);
        if (error == 0) {
            *entry_out = entry;
            return 0;
        }
        if (error == -ESTALE) {
            error = rp_reader_refresh(reader, &is_changed);
        }
    }
    return error;
}

int rp_spool_reader_find(struct rp_spool_reader *reader,
                         const char *id,
                         struct rp_spool_entry *entry_out)
{
    uint64_t position = 0;
    return find(reader, id, entry_out, &position);
}

int rp_spool_reader_seek_id(struct rp_spool_reader *reader,
                            struct rp_spool_cursor *cursor,
                            const char *id)
{
    struct rp_spool_entry entry;
    uint64_t position = 0;
    int error = find(reader, id, &entry, &position);
    if (error != 0) {
        return error;
    }
    /* Two cursors do not fit on the stack; after an error of the system half of it is moved. */
    *cursor = (struct rp_spool_cursor){0};
    for (uint32_t i = 0; error == 0 && i < reader->lane_count; i++) {
        struct rp_spool_cursor_lane *at = &cursor->lanes[i];
        if (i == entry.lane) {
            *at = (struct rp_spool_cursor_lane){.segment = entry.segment, .position = position};
        } else {
            error = seek_lane_time(reader, &reader->lanes[i], entry.time_ns, at);
        }
    }
    return error;
}

int rp_reader_find_entry(struct rp_spool_reader *reader,
                         const struct rp_spool_entry *entry,
                         struct rp_spool_index_entry *index_entry_out,
                         int *fd_out)
{
    if (entry->lane >= reader->lane_count) {
        return -ENOENT;
    }
    struct rp_reader_lane *lane = &reader->lanes[entry->lane];
    struct rp_reader_lane_entries entries = {0};
    int error;
    do {
        size_t i = rp_reader_lane_find(lane, entry->segment);
        if (i == lane->count || lane->numbers[i] != entry->segment) {
            return -ENOENT;
        }
        error = rp_reader_load(reader, lane, i, &entries);
        if (error == -ESTALE) {
            bool is_changed;
            int failed = rp_reader_refresh(reader, &is_changed);
            error = failed != 0 ? failed : -ESTALE;
        }
    } while (error == -ESTALE);
    if (error != 0) {
        return error == -EAGAIN ? -ENOENT : error;
    }
    uint64_t position = entry->sequence - entries.first_sequence;
    if (entry->sequence < entries.first_sequence || position >= entries.count ||
        entries.list[position].sequence != entry->sequence ||
        entries.list[position].offset != entry->offset) {
        return -ENOENT;
    }
    *index_entry_out = entries.list[position];
    return rp_reader_lane_open_file(lane, entry->segment, fd_out);
}
