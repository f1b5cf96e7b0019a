/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reader.c - open a spool, go through its messages, sum them up.
 *
 * Bugs: where the spool is not live, a last segment that no recovery has written an index for is
 * scanned anew by each reader that opens it, and whenever it changes.
 */
#include "reader.h"

#include "format.h"
#include "meta.h"
#include "reader_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- open and close ---- */

/* -EINVAL: it is no spool. */
static int read_meta(struct rp_reader_spool *spool)
{
    int error = rp_meta_load(spool->fd, &spool->meta, &spool->is_meta_damaged);
    return error == -ENOENT ? -EINVAL : error;
}

/* To ask for the lock; where the file is gone nobody can say whether a daemon is at work. */
static void open_meta(struct rp_reader_spool *spool)
{
    uint64_t len;
    if (spool->meta_fd >= 0) {
        (void)close(spool->meta_fd); /* it was only read */
    }
    if (rp_reader_file_open(spool->fd, RP_SPOOL_META_NAME, &spool->meta_fd, &len) != 0) {
        spool->meta_fd = -1;
    }
}

static void unmap_bell(struct rp_reader_spool *spool)
{
    if (spool->doorbell != NULL) {
        int error = munmap(spool->doorbell, sizeof *spool->doorbell);
        assert(error == 0);
    }
    spool->doorbell = NULL;
    spool->is_live = false;
}

/* A missing or senseless doorbell is no error: then the segments say what is there. */
static int map_bell(struct rp_reader_spool *spool)
{
    void *map;
    int error = rp_reader_file_map(spool->fd, RP_SPOOL_DOORBELL_NAME, sizeof *spool->doorbell,
                                   &spool->is_bell_writable, &map);
    if (error == 0) {
        spool->doorbell = map;
        spool->bell_inode = rp_reader_file_inode(spool->fd, RP_SPOOL_DOORBELL_NAME);
    }
    return error == -ENOMEM || error == -EMFILE || error == -ENFILE ? error : 0;
}

/* Open what may have come since: big/, the doorbell, lanes. */
static int open_rest(struct rp_spool_reader *reader)
{
    struct rp_reader_spool *spool = &reader->spool;
    if (spool->big_fd < 0 &&
        rp_reader_file_open_dir(spool->fd, RP_SPOOL_BIG_NAME, &spool->big_fd) != 0) {
        spool->big_fd = -1;
    }
    int error = read_meta(spool);
    if (error != 0) {
        return error;
    }
    open_meta(spool);
    if (!rp_reader_lane_spool_is_live(spool) ||
        rp_reader_file_inode(spool->fd, RP_SPOOL_DOORBELL_NAME) != spool->bell_inode) {
        unmap_bell(spool);
        error = map_bell(spool);
        if (error != 0) {
            return error;
        }
    }
    spool->is_live = rp_reader_lane_spool_is_live(spool);
    spool->generation =
        spool->is_live ? __atomic_load_n(&spool->doorbell->generation, __ATOMIC_ACQUIRE) : 0;
    for (; reader->lane_count < spool->meta.lane_count; reader->lane_count++) {
        rp_reader_lane_init(&reader->lanes[reader->lane_count], reader->lane_count);
    }
    for (uint32_t i = 0; error == 0 && i < reader->lane_count; i++) {
        error = rp_reader_lane_refresh(&reader->lanes[i], spool);
    }
    return error;
}

/* A number that changes when the files do; what live writers change in place is not in it. */
static uint64_t mark_files(const struct rp_spool_reader *reader)
{
    const struct rp_reader_spool *spool = &reader->spool;
    uint64_t mark = rp_reader_file_mark(spool->fd, ".");
    mark = mark * 31 + rp_reader_file_mark(spool->fd, RP_SPOOL_META_NAME);
    mark = mark * 31 + rp_reader_file_mark(spool->fd, RP_SPOOL_DOORBELL_NAME);
    for (uint32_t i = 0; i < reader->lane_count; i++) {
        const struct rp_reader_lane *lane = &reader->lanes[i];
        mark = mark * 31 + (lane->fd >= 0 ? rp_reader_file_mark(lane->fd, ".") : 0);
        if (lane->count > 0) {
            char name[RP_FORMAT_FILE_NAME];
            rp_format_segment_name(lane->numbers[lane->count - 1], name);
            mark = mark * 31 + rp_reader_file_mark(lane->fd, name);
            rp_format_index_name(lane->numbers[lane->count - 1], name);
            mark = mark * 31 + rp_reader_file_mark(lane->fd, name);
        }
    }
    return mark;
}

int rp_spool_reader_open(const char *path, struct rp_spool_reader **reader_out)
{
    struct rp_spool_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) {
        return -ENOMEM;
    }
    reader->spool.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    reader->spool.big_fd = reader->spool.meta_fd = -1;
    int error = reader->spool.fd < 0 ? -errno : 0;
    if (error == 0) {
        error = rp_reader_file_boot_id(reader->spool.boot_id);
    }
    if (error == 0) {
        error = open_rest(reader);
    }
    if (error != 0) {
        rp_spool_reader_close(reader);
        return error;
    }
    reader->mark = mark_files(reader);
    reader->seen_generation = reader->spool.generation;
    *reader_out = reader;
    return 0;
}

void rp_spool_reader_close(struct rp_spool_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    for (uint32_t i = 0; i < reader->lane_count; i++) {
        rp_reader_lane_close(&reader->lanes[i]);
    }
    unmap_bell(&reader->spool);
    if (reader->spool.big_fd >= 0) {
        (void)close(reader->spool.big_fd); /* it was only read */
    }
    if (reader->spool.meta_fd >= 0) {
        (void)close(reader->spool.meta_fd); /* it was only read */
    }
    if (reader->spool.fd >= 0) {
        (void)close(reader->spool.fd); /* it was only read */
    }
    free(reader);
}

void rp_spool_reader_info(const struct rp_spool_reader *reader, struct rp_spool_info *info_out)
{
    const struct rp_spool_meta *meta = &reader->spool.meta;
    *info_out = (struct rp_spool_info){
        .version = meta->version,
        .lane_count = meta->lane_count,
        .segment_size = meta->segment_size,
        .created_ns = meta->created_ns,
    };
    memcpy(info_out->identity, meta->identity, sizeof info_out->identity);
}

int rp_reader_refresh(struct rp_spool_reader *reader, bool *is_changed_out)
{
    struct rp_reader_spool *spool = &reader->spool;
    bool is_changed;
    uint64_t mark = 0;
    bool is_live = rp_reader_lane_spool_is_live(spool);
    if (spool->is_live && is_live) {
        is_changed =
            __atomic_load_n(&spool->doorbell->generation, __ATOMIC_ACQUIRE) != spool->generation ||
            __atomic_load_n(&spool->doorbell->lane_count, __ATOMIC_ACQUIRE) > reader->lane_count;
    } else {
        mark = mark_files(reader);
        is_changed = mark != reader->mark || spool->is_live || is_live;
    }
    if (is_changed) {
        int error = open_rest(reader);
        if (error != 0) {
            return error;
        }
        reader->mark = mark_files(reader);
    }
    *is_changed_out = is_changed;
    return 0;
}

/* ---- entries ---- */

void rp_reader_fill_entry(const struct rp_reader_lane *lane,
                          const struct rp_reader_lane_entries *entries,
                          uint64_t position,
                          struct rp_spool_entry *out)
{
    const struct rp_spool_index_entry *from = &entries->list[position];
    const uint64_t sequence = entries->first_sequence + position;
    bool is_sane = from->sequence == sequence && from->offset % RP_SPOOL_ALIGN == 0 &&
                   from->offset < RP_SPOOL_SEGMENT_MAX;
    *out = (struct rp_spool_entry){
        .lane = lane->lane,
        .segment = lane->loaded,
        .sequence = sequence,
        .time_ns = from->time_ns,
        .body_len = from->body_len,
        .envelope_len = from->envelope_len,
        .is_big = (from->flags & RP_SPOOL_INDEX_BIG) != 0,
        .is_damaged = !is_sane || (from->flags & RP_SPOOL_INDEX_DAMAGED) != 0,
        .offset = is_sane ? from->offset : 0,
    };
    rp_format_id(out->lane, out->segment, out->offset, &out->id);
}

int rp_reader_load(const struct rp_spool_reader *reader,
                   struct rp_reader_lane *lane,
                   size_t i,
                   struct rp_reader_lane_entries *entries_out)
{
    int error = rp_reader_lane_load(lane, &reader->spool, i);
    return error != 0 ? error : rp_reader_lane_get(lane, &reader->spool, entries_out);
}

/* Go to the next segment of the list; false: there is none. */
static bool move_on(const struct rp_reader_lane *lane, struct rp_spool_cursor_lane *at)
{
    size_t i = rp_reader_lane_find(lane, at->segment + 1);
    if (i >= lane->count) {
        return false;
    }
    *at = (struct rp_spool_cursor_lane){.segment = lane->numbers[i]};
    return true;
}

/* The lane's entry at the cursor. 1, 0 or a negative errno. */
static int peek(struct rp_spool_reader *reader,
                struct rp_reader_lane *lane,
                struct rp_spool_cursor_lane *at,
                struct rp_spool_entry *entry_out)
{
    const struct rp_reader_spool *spool = &reader->spool;
    bool is_listed = false; /* anew, in this call */
    lane->tail = rp_reader_lane_tail(lane, spool);
    for (;;) {
        size_t i = rp_reader_lane_find(lane, at->segment);
        uint64_t end = 0; /* sequence behind all that is known */
        if (i < lane->count) {
            if (lane->numbers[i] != at->segment) {
                *at = (struct rp_spool_cursor_lane){.segment = lane->numbers[i]};
            }
            struct rp_reader_lane_entries entries = {0};
            int error = rp_reader_load(reader, lane, i, &entries);
            if (error == -EAGAIN && !is_listed) {
                is_listed = true;
                error = rp_reader_lane_refresh(lane, spool);
                if (error != 0) {
                    return error;
                }
                continue;
            }
            if (error == -EAGAIN) {
                return 0;
            }
            if (error != 0 && error != -ENOENT) {
                return error;
            }
            while (error == 0 && at->position < entries.count &&
                   (entries.list[at->position].flags & RP_SPOOL_INDEX_UNFINISHED) != 0) {
                at->position++;
            }
            if (error == 0 && at->position < entries.count) {
                rp_reader_fill_entry(lane, &entries, at->position, entry_out);
                return 1;
            }
            if (error == 0 && !entries.is_settled) {
                return 0;
            }
            /* Of an empty segment with a damaged header nobody knows where it is. */
            if (entries.first_sequence != RP_FORMAT_SEQUENCE_NONE) {
                end = entries.first_sequence + entries.count;
            }
            /* Nothing more is published: do not even look at what is prepared behind it. */
            if (end > 0 && spool->is_live && lane->tail <= end) {
                return 0;
            }
            if (move_on(lane, at)) {
                continue;
            }
        }
        /* A tail beyond all that we know means a segment that we have not listed yet. */
        if (is_listed || !spool->is_live || lane->tail <= end) {
            return 0;
        }
        is_listed = true;
        int error = rp_reader_lane_refresh(lane, spool);
        if (error != 0) {
            return error;
        }
    }
}

/* The lane whose next entry is the oldest. 1, 0 or a negative errno. */
static int find_oldest(struct rp_spool_reader *reader,
                       struct rp_spool_cursor *cursor,
                       struct rp_spool_entry *entry_out)
{
    int found = 0;
    for (uint32_t i = 0; i < reader->lane_count; i++) {
        struct rp_spool_entry entry = {0};
        int result = peek(reader, &reader->lanes[i], &cursor->lanes[i], &entry);
        if (result < 0) {
            return result;
        }
        if (result == 1 && (found == 0 || entry.time_ns < entry_out->time_ns)) {
            *entry_out = entry;
            found = 1;
        }
    }
    return found;
}

int rp_spool_reader_next(struct rp_spool_reader *reader,
                         struct rp_spool_cursor *cursor,
                         struct rp_spool_entry *entry_out)
{
    struct rp_spool_entry entry;
    for (;;) {
        int result = find_oldest(reader, cursor, &entry);
        if (result == 1) {
            *entry_out = entry;
            cursor->lanes[entry.lane].position++;
            return 1;
        }
        if (result < 0 && result != -ESTALE) {
            return result;
        }
        bool is_changed;
        int error = rp_reader_refresh(reader, &is_changed);
        if (error != 0) {
            return error;
        }
        if (!is_changed && result == 0) {
            break;
        }
    }
    for (uint32_t i = 0; i < reader->lane_count; i++) {
        reader->seen[i] = reader->lanes[i].tail;
    }
    reader->seen_generation = reader->spool.generation;
    return 0;
}

/* ---- the whole spool ---- */

static void add_entries(const struct rp_reader_lane_entries *entries, struct rp_spool_stats *stats)
{
    for (uint64_t i = 0; i < entries->count; i++) {
        const struct rp_spool_index_entry *entry = &entries->list[i];
        if ((entry->flags & (RP_SPOOL_INDEX_DAMAGED | RP_SPOOL_INDEX_UNFINISHED)) != 0) {
            stats->damaged += (entry->flags & RP_SPOOL_INDEX_DAMAGED) != 0;
            continue;
        }
        stats->messages++;
        stats->body_octets += entry->body_len;
        stats->big_messages += (entry->flags & RP_SPOOL_INDEX_BIG) != 0;
        if (stats->oldest_ns == 0 || entry->time_ns < stats->oldest_ns) {
            stats->oldest_ns = entry->time_ns;
        }
        if (entry->time_ns > stats->newest_ns) {
            stats->newest_ns = entry->time_ns;
        }
    }
}

static int add_lane(struct rp_spool_reader *reader,
                    struct rp_reader_lane *lane,
                    struct rp_spool_stats *stats)
{
    int error = rp_reader_lane_refresh(lane, &reader->spool);
    for (size_t i = 0; error == 0 && i < lane->count; i++) {
        char name[RP_FORMAT_FILE_NAME];
        rp_format_segment_name(lane->numbers[i], name);
        stats->segments++;
        stats->disk_octets += rp_reader_file_blocks(lane->fd, name);
        rp_format_index_name(lane->numbers[i], name);
        stats->disk_octets += rp_reader_file_blocks(lane->fd, name);
        struct rp_reader_lane_entries entries;
        error = rp_reader_load(reader, lane, i, &entries);
        if (error == 0) {
            add_entries(&entries, stats);
        } else if (error == -EAGAIN || error == -ENOENT) {
            error = 0;
        }
    }
    return error;
}

struct big_sum {
    int fd;
    uint64_t octets;
};

static int add_big(void *context, const char *name)
{
    struct big_sum *sum = context;
    uint32_t lane;
    uint64_t big_id;
    if (rp_format_big_name_parse(name, &lane, &big_id)) {
        sum->octets += rp_reader_file_blocks(sum->fd, name);
    }
    return 0;
}

int rp_spool_reader_stats(struct rp_spool_reader *reader, struct rp_spool_stats *stats_out)
{
    struct rp_spool_stats stats;
    int error;
    do {
        bool is_changed;
        stats = (struct rp_spool_stats){0};
        error = rp_reader_refresh(reader, &is_changed);
        for (uint32_t i = 0; error == 0 && i < reader->lane_count; i++) {
            error = add_lane(reader, &reader->lanes[i], &stats);
        }
    } while (error == -ESTALE); /* a daemon started meanwhile: count again */
    struct big_sum sum = {.fd = reader->spool.big_fd};
    if (error == 0 && sum.fd >= 0) {
        error = rp_reader_file_list(sum.fd, add_big, &sum);
    }
    if (error == 0) {
        stats.disk_octets += sum.octets;
        *stats_out = stats;
    }
    return error;
}
