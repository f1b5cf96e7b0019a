/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * spooldir_lane.c - recover one lane: cut what was not finished, write the indexes that
 * are missing, remove what was never used.
 *
 * The order makes it repeatable: a segment is cut and synced, then its index appears by rename,
 * and only when the directory is synced do files go.
 */
#include "spooldir_lane.h"

#include "spool/format.h"
#include "spool/reader_file.h"
#include "spool/survey.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int remove_file(int dir_fd, const char *name)
{
    return unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT ? 0 : -errno;
}

/* ---- one segment ---- */

static int add_big(struct rp_spooldir_recovery *recovery, uint32_t lane, uint64_t big_id)
{
    if (recovery->big_count == recovery->big_cap) {
        size_t cap = recovery->big_cap == 0 ? 256 : recovery->big_cap * 2;
        struct rp_spooldir_big *bigs = realloc(recovery->bigs, cap * sizeof *bigs);
        if (bigs == NULL) {
            return -ENOMEM;
        }
        recovery->bigs = bigs;
        recovery->big_cap = cap;
    }
    recovery->bigs[recovery->big_count++] =
        (struct rp_spooldir_big){.lane = lane, .big_id = big_id};
    return 0;
}

/* Count what is there, and remember which big bodies are named. */
static int count_segment(struct rp_spooldir_recovery *recovery,
                         uint32_t lane,
                         const struct rp_survey_segment *segment)
{
    struct rp_spooldir_report *report = &recovery->dir->report;
    uint64_t messages = 0;
    bool was_damaged = false;
    for (uint64_t i = 0; i < segment->count; i++) {
        const struct rp_spool_index_entry *entry = &segment->entries[i];
        bool is_damaged = (entry->flags & RP_SPOOL_INDEX_DAMAGED) != 0;
        messages += !is_damaged;
        report->damaged += segment->is_trusted && is_damaged && !was_damaged;
        recovery->is_unsure[lane] |= is_damaged && entry->hash == 0;
        was_damaged = is_damaged;
        int error = entry->big_id != 0 ? add_big(recovery, lane, entry->big_id) : 0;
        if (error != 0) {
            return error;
        }
    }
    report->messages += messages;
    report->segments += messages > 0;
    if (!segment->is_trusted) {
        report->segments_scanned += rp_survey_action(segment) != RP_RECOVER_REMOVE;
        report->damaged += segment->result.damaged;
        report->damaged += segment->header == RP_RECOVER_HEADER_BAD;
        report->cut_octets += segment->result.cut_octets;
        report->cut_places += segment->result.cut_octets > 0;
        report->void_records += segment->result.void_records;
    }
    recovery->is_unsure[lane] |= segment->header == RP_RECOVER_HEADER_BAD && segment->count == 0;
    return 0;
}

/* Nothing stays behind the last whole record. */
static int cut_segment(int lane_fd, const struct rp_survey_segment *segment)
{
    /* Not up to a block: what a torn batch left there would be damage to a later scan. */
    uint64_t end = segment->result.good_end;
    char name[RP_FORMAT_FILE_NAME];
    rp_format_segment_name(segment->number, name);
    int fd = openat(lane_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        return -errno;
    }
    int error = 0;
    if (end < segment->file_len && ftruncate(fd, (off_t)end) != 0) {
        error = -errno;
    }
    /* Also when nothing was cut: what we found may be in the page cache only. */
    if (error == 0) {
        error = rp_spooldir_sync(fd);
    }
    if (close(fd) != 0 && error == 0) {
        error = -errno;
    }
    return error;
}

static int write_index(const struct rp_spooldir *dir,
                       uint32_t lane,
                       const struct rp_survey_segment *segment,
                       uint64_t first_sequence)
{
    size_t len = (size_t)segment->count * sizeof *segment->entries;
    struct rp_spool_index_header header = {
        .magic = RP_SPOOL_INDEX_MAGIC,
        .version = RP_SPOOL_VERSION,
        .lane = lane,
        .segment = segment->number,
        .first_sequence = first_sequence,
        .entries_hash = rp_format_hash(segment->entries, len, 0),
        .count = segment->count,
    };
    memcpy(header.identity, dir->identity, sizeof header.identity);
    uint8_t *page = calloc(1, RP_SPOOL_BLOCK);
    if (page == NULL) {
        return -ENOMEM;
    }
    memcpy(page, &header, sizeof header);
    char name[RP_FORMAT_FILE_NAME];
    rp_format_index_name(segment->number, name);
    int error = rp_spooldir_replace_file(dir->lanes[lane].fd, name, page, RP_SPOOL_BLOCK,
                                         segment->entries, len);
    free(page);
    return error;
}

static int remove_segment(int lane_fd, uint64_t number)
{
    char name[RP_FORMAT_FILE_NAME];
    /* The index first: an index alone would look like a segment that was lost. */
    rp_format_index_name(number, name);
    int error = remove_file(lane_fd, name);
    if (error == 0) {
        rp_format_segment_name(number, name);
        error = remove_file(lane_fd, name);
    }
    return error;
}

/* ---- one lane ---- */

struct lane_names {
    const struct rp_spooldir *dir;
    uint32_t lane;
    uint64_t highest;  /* number of a segment or index */
    uint64_t orphaned; /* sealed indexes without a segment: their messages are lost */
};

static bool has_suffix(const char *name, const char *suffix)
{
    size_t len = strlen(name);
    size_t suffix_len = strlen(suffix);
    return len >= suffix_len && strcmp(name + len - suffix_len, suffix) == 0;
}

/* An index whose segment is gone: keep it as evidence if it says that there were messages. */
static int settle_orphan(struct lane_names *names, const char *name, uint64_t number)
{
    const struct rp_spooldir *dir = names->dir;
    int lane_fd = dir->lanes[names->lane].fd;
    int fd;
    uint64_t len;
    int error = rp_reader_file_open(lane_fd, name, &fd, &len);
    if (error != 0) {
        return 0; /* not a file of ours */
    }
    struct rp_spool_index_header header = {0};
    size_t got;
    error = rp_reader_file_read(fd, &header, sizeof header, 0, &got);
    (void)close(fd); /* it was only read */
    if (error != 0 ||
        (header.magic == RP_SPOOL_INDEX_MAGIC && header.count > 0 &&
         header.count != RP_SPOOL_INDEX_OPEN &&
         rp_format_index_header_is_good(&header, dir->identity, names->lane, number))) {
        names->orphaned++;
        return 0;
    }
    return remove_file(lane_fd, name);
}

static int look_lane_name(void *context, const char *name)
{
    struct lane_names *names = context;
    int lane_fd = names->dir->lanes[names->lane].fd;
    uint64_t number;
    char bare[RP_FORMAT_FILE_NAME];
    if (has_suffix(name, RP_SPOOLDIR_TEMP) &&
        strlen(name) - strlen(RP_SPOOLDIR_TEMP) < sizeof bare) {
        (void)snprintf(bare, sizeof bare, "%.*s", (int)(strlen(name) - strlen(RP_SPOOLDIR_TEMP)),
                       name);
        return rp_format_index_name_parse(bare, &number) ? remove_file(lane_fd, name) : 0;
    }
    bool is_index = rp_format_index_name_parse(name, &number);
    if (!is_index && !rp_format_segment_name_parse(name, &number)) {
        return 0;
    }
    names->highest = number > names->highest ? number : names->highest;
    char segment[RP_FORMAT_FILE_NAME];
    rp_format_segment_name(number, segment);
    if (is_index && faccessat(lane_fd, segment, F_OK, AT_SYMLINK_NOFOLLOW) != 0 &&
        errno == ENOENT) {
        return settle_orphan(names, name, number);
    }
    return 0;
}

/* A segment as the second pass over the lane wants it. */
struct settled {
    uint64_t header_first; /* or RP_FORMAT_SEQUENCE_NONE */
    bool is_empty;         /* a good header, no message */
    bool is_unused;
};

static int settle_segment(struct rp_spooldir_recovery *recovery,
                          const struct rp_survey_lane *survey,
                          size_t i,
                          struct settled *settled)
{
    struct rp_spooldir *dir = recovery->dir;
    struct rp_spooldir_lane *lane = &dir->lanes[survey->lane];
    struct rp_survey_segment segment;
    *settled = (struct settled){.header_first = RP_FORMAT_SEQUENCE_NONE};
    int error = rp_survey_open(survey, i, &segment);
    switch (error) {
    case 0: break;
    case -ENOENT:
    case -EISDIR:
    case -ELOOP:
    case -EINVAL:
    case -ENXIO: return 0; /* something with the name of a segment: left alone */
    default: return error;
    }
    uint64_t first = segment.first_sequence != RP_FORMAT_SEQUENCE_NONE ? segment.first_sequence
                                                                       : lane->next_sequence;
    enum rp_recover_action action = rp_survey_action(&segment);
    switch (action) {
    case RP_RECOVER_KEEP: break;
    case RP_RECOVER_REBUILD:
        error = cut_segment(lane->fd, &segment);
        error = error == 0 ? write_index(dir, survey->lane, &segment, first) : error;
        break;
    case RP_RECOVER_REINDEX: error = write_index(dir, survey->lane, &segment, first); break;
    case RP_RECOVER_REMOVE: settled->is_unused = true; break;
    }
    if (error == 0) {
        error = count_segment(recovery, survey->lane, &segment);
    }
    settled->header_first = segment.header_first;
    settled->is_empty = segment.header == RP_RECOVER_HEADER_GOOD && segment.count == 0;
    if (!settled->is_unused && first + segment.count > lane->next_sequence) {
        lane->next_sequence = first + segment.count;
    }
    rp_survey_close(&segment);
    return error;
}

/*
 * Remove what was never used, and headers without messages that a later header makes
 * needless: it voids as much. The last such header stays, it is what makes records void.
 */
static int remove_needless(struct rp_spooldir_recovery *recovery,
                           const struct rp_survey_lane *survey,
                           const struct settled *settled)
{
    uint64_t later = RP_FORMAT_SEQUENCE_NONE; /* first sequence of the good header behind */
    int error = 0;
    for (size_t i = survey->count; error == 0 && i > 0; i--) {
        const struct settled *here = &settled[i - 1];
        if (here->is_unused || (here->is_empty && here->header_first == later)) {
            error = remove_segment(survey->fd, survey->numbers[i - 1]);
            recovery->dir->report.segments_removed += here->is_unused;
        }
        if (here->header_first != RP_FORMAT_SEQUENCE_NONE) {
            later = here->header_first;
        }
    }
    return error;
}

int rp_spooldir_lane_recover(struct rp_spooldir_recovery *recovery, uint32_t number)
{
    struct rp_spooldir *dir = recovery->dir;
    struct rp_spooldir_lane *lane = &dir->lanes[number];
    struct lane_names names = {.dir = dir, .lane = number};
    int error = rp_reader_file_list(lane->fd, look_lane_name, &names);
    uint64_t *numbers = NULL;
    size_t count = 0;
    if (error == 0) {
        error = rp_reader_file_segments(lane->fd, &numbers, &count);
    }
    if (error != 0) {
        return error;
    }
    struct rp_survey_lane survey = {
        .fd = lane->fd,
        .big_fd = dir->big_fd,
        .identity = dir->identity,
        .lane = number,
        .limit = RP_FORMAT_SEQUENCE_NONE,
        .numbers = numbers,
        .count = count,
    };
    struct settled *settled = calloc(count + 1, sizeof *settled);
    error = settled == NULL ? -ENOMEM : 0;
    for (size_t i = 0; error == 0 && i < count; i++) {
        error = settle_segment(recovery, &survey, i, &settled[i]);
    }
    if (error == 0) {
        error = rp_spooldir_sync(lane->fd);
    }
    if (error == 0) {
        error = remove_needless(recovery, &survey, settled);
    }
    if (error == 0) {
        error = rp_spooldir_sync(lane->fd);
    }
    free(settled);
    free(numbers);
    dir->report.damaged += names.orphaned;
    lane->next_segment = names.highest + 1;
    if (error == 0 && lane->next_segment > RP_FORMAT_SEGMENT_MAX) {
        error = -EOVERFLOW;
    }
    return error;
}

/* ---- big bodies ---- */

static int compare_bigs(const void *left, const void *right)
{
    const struct rp_spooldir_big *a = left;
    const struct rp_spooldir_big *b = right;
    if (a->lane != b->lane) {
        return a->lane < b->lane ? -1 : 1;
    }
    return (a->big_id > b->big_id) - (a->big_id < b->big_id);
}

static int look_big(void *context, const char *name)
{
    struct rp_spooldir_recovery *recovery = context;
    struct rp_spooldir *dir = recovery->dir;
    struct rp_spooldir_big big;
    if (!rp_format_big_name_parse(name, &big.lane, &big.big_id) || big.lane >= dir->lane_count ||
        recovery->is_unsure[big.lane] ||
        (recovery->big_count > 0 &&
         bsearch(&big, recovery->bigs, recovery->big_count, sizeof big, compare_bigs) != NULL)) {
        return 0;
    }
    if (unlinkat(dir->big_fd, name, 0) != 0) {
        return errno == EISDIR || errno == ENOENT ? 0 : -errno;
    }
    dir->report.big_removed++;
    return 0;
}

int rp_spooldir_lane_clean_bigs(struct rp_spooldir_recovery *recovery)
{
    if (recovery->big_count > 0) {
        qsort(recovery->bigs, recovery->big_count, sizeof *recovery->bigs, compare_bigs);
    }
    int error = rp_reader_file_list(recovery->dir->big_fd, look_big, recovery);
    return error == 0 ? rp_spooldir_sync(recovery->dir->big_fd) : error;
}
