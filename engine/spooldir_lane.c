/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * spooldir_lane.c - recover one lane: write the indexes that are missing, remove what was never
 * used.
 *
 * The order makes it repeatable: a segment is synced, then its index is written, and only when the
 * directory is synced do files go.
 */
#include "spooldir_lane.h"

#include "spool/format.h"
#include "spool/meta.h"
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
    for (uint64_t i = 0; i < segment->count; i++) {
        const struct rp_spool_index_entry *entry = &segment->entries[i];
        bool is_damaged = (entry->flags & RP_SPOOL_INDEX_DAMAGED) != 0;
        bool is_unfinished = (entry->flags & RP_SPOOL_INDEX_UNFINISHED) != 0;
        messages += !is_damaged && !is_unfinished;
        report->damaged += is_damaged;
        recovery->is_unsure[lane] |= is_damaged && entry->hash == 0;
        bool has_body = entry->big_id != 0 && !is_unfinished;
        int error = has_body ? add_big(recovery, lane, entry->big_id) : 0;
        if (error != 0) {
            return error;
        }
    }
    report->messages += messages;
    report->segments += messages > 0;
    if (!segment->is_trusted) {
        const struct rp_recover_result *result = &segment->result;
        report->segments_scanned += rp_survey_action(segment) != RP_RECOVER_REMOVE;
        report->unfinished += result->unfinished;
        report->unfinished_batches += result->tail == RP_RECOVER_TAIL_UNFINISHED;
        report->void_records += result->void_records;
        report->unsure += rp_survey_has_unsure_end(segment);
        report->unreadable += result->has_unreadable;
        recovery->is_unsure[lane] |= rp_survey_has_unsure_end(segment) || result->has_unreadable;
    }
    recovery->is_unsure[lane] |= segment->header == RP_RECOVER_HEADER_BAD;
    return 0;
}

static int open_to_write(int lane_fd, const char *name, int flags, int *fd_out)
{
    *fd_out = openat(lane_fd, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0640);
    return *fd_out >= 0 ? 0 : -errno;
}

static int close_written(int fd, int error)
{
    return close(fd) != 0 && error == 0 ? -errno : error;
}

/* Give back the space behind what the segment has. Its length stays: somebody may have it
 * mapped. */
static int trim_segment(int lane_fd, const struct rp_survey_segment *segment)
{
    const uint64_t end = segment->result.keep_end;
    char name[RP_FORMAT_FILE_NAME];
    rp_format_segment_name(segment->number, name);
    int fd;
    int error = open_to_write(lane_fd, name, O_RDWR, &fd);
    if (error != 0) {
        return error;
    }
    if (end < segment->file_len) {
        /* A file system without holes keeps the octets: no harm, the index says what counts. */
        (void)fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)end,
                        (off_t)(segment->file_len - end));
    }
    /* What we found may be in the page cache only. */
    error = rp_spooldir_sync(fd);
    return close_written(fd, error);
}

static int write_index(const struct rp_spooldir *dir,
                       uint32_t lane,
                       const struct rp_survey_segment *segment,
                       uint64_t first_sequence)
{
    size_t len = (size_t)segment->count * sizeof *segment->entries;
    uint8_t *page = calloc(1, RP_SPOOL_BLOCK + len);
    if (page == NULL) {
        return -ENOMEM;
    }
    struct rp_spool_index_header header = {
        .lane = lane,
        .segment = segment->number,
        .first_sequence = first_sequence,
        .count = segment->count,
    };
    memcpy(header.identity, dir->identity, sizeof header.identity);
    if (len > 0) {
        memcpy(page + RP_SPOOL_BLOCK, segment->entries, len);
    }
    rp_format_index_seal(&header, page);
    char name[RP_FORMAT_FILE_NAME];
    rp_format_index_name(segment->number, name);
    int fd;
    int error = open_to_write(dir->lanes[lane].fd, name, O_WRONLY | O_CREAT | O_TRUNC, &fd);
    if (error == 0) {
        error = rp_spooldir_write(fd, page, RP_SPOOL_BLOCK + len, 0);
        error = error == 0 ? rp_spooldir_sync(fd) : error;
        error = close_written(fd, error);
    }
    free(page);
    return error;
}

static int remove_segment(int lane_fd, uint64_t number)
{
    char name[RP_FORMAT_FILE_NAME];
    /* The index first: a segment without one is scanned, an index without its segment says that
     * messages are lost. */
    rp_format_index_name(number, name);
    int error = remove_file(lane_fd, name);
    if (error == 0) {
        rp_format_segment_name(number, name);
        error = remove_file(lane_fd, name);
    }
    return error;
}

/* ---- one lane ---- */

/* A segment as the second pass over the lane wants it. */
struct settled {
    uint64_t header_first; /* or RP_FORMAT_SEQUENCE_NONE */
    bool is_empty;         /* a good header, no message, and nothing that nobody can explain */
    bool is_unused;
};

/* The lane while it is recovered. */
struct course {
    struct rp_spooldir_recovery *recovery;
    struct rp_survey_lane survey;
    uint64_t expected;  /* the sequence behind all that was found */
    bool is_unsure_end; /* of the last segment that had anything */
    uint64_t cap;       /* messages that one had room for */
};

/* What the segment says of the lane: where it goes on, and whether sequences are missing. */
static void follow_segment(struct course *course, const struct rp_survey_segment *segment)
{
    struct rp_spooldir_recovery *recovery = course->recovery;
    const uint64_t first = segment->first_sequence;
    if (first != RP_FORMAT_SEQUENCE_NONE) {
        if (first - segment->skipped > course->expected) {
            recovery->dir->report.missing += first - segment->skipped - course->expected;
            recovery->is_unsure[course->survey.lane] = true;
        }
        const uint64_t end = first + segment->count;
        course->expected = end > course->expected ? end : course->expected;
    }
    course->is_unsure_end = rp_survey_has_unsure_end(segment);
    course->cap = RP_SPOOL_INDEX_CAP(segment->size > 0 ? segment->size : RP_SPOOL_SEGMENT_MAX);
}

/* A segment without a file, of which its index does not tell what it had (now): nobody knows,
 * unless the next one does. */
static void follow_gone(struct course *course, size_t i)
{
    char name[RP_FORMAT_FILE_NAME];
    rp_format_index_name(course->survey.numbers[i], name);
    if (faccessat(course->survey.fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 &&
        !rp_survey_is_closed_by_next(&course->survey, i)) {
        course->is_unsure_end = true;
        course->cap = RP_SPOOL_INDEX_CAP(RP_SPOOL_SEGMENT_MAX);
        course->recovery->is_unsure[course->survey.lane] = true;
        course->recovery->dir->report.unsure++;
    }
}

static int carry_out(struct course *course,
                     const struct rp_survey_segment *segment,
                     enum rp_recover_action action)
{
    const struct rp_spooldir *dir = course->recovery->dir;
    const uint32_t lane = course->survey.lane;
    const uint64_t first = segment->first_sequence;
    int error = 0;
    switch (action) {
    case RP_RECOVER_KEEP:
    case RP_RECOVER_REMOVE: break;
    case RP_RECOVER_REBUILD:
        error = trim_segment(course->survey.fd, segment);
        if (error == 0) {
            error = write_index(dir, lane, segment,
                                first != RP_FORMAT_SEQUENCE_NONE ? first : course->expected);
        }
        break;
    }
    return error;
}

static int settle_segment(struct course *course, size_t i, struct settled *settled)
{
    struct rp_spooldir_recovery *recovery = course->recovery;
    struct rp_survey_segment segment;
    *settled = (struct settled){.header_first = RP_FORMAT_SEQUENCE_NONE};
    int error = rp_survey_open(&course->survey, i, &segment);
    if (error == -ENOENT) {
        follow_gone(course, i);
        return 0; /* something with the name of a segment: left alone */
    }
    if (error != 0) {
        return error;
    }
    enum rp_recover_action action = rp_survey_action(&segment);
    error = carry_out(course, &segment, action);
    if (error == 0) {
        error = count_segment(recovery, course->survey.lane, &segment);
    }
    settled->is_unused = action == RP_RECOVER_REMOVE;
    settled->header_first = segment.header_first;
    settled->is_empty = segment.header == RP_RECOVER_HEADER_GOOD && segment.count == 0 &&
                        !rp_survey_has_unsure_end(&segment) && !segment.result.has_unreadable;
    if (error == 0 && !settled->is_unused) {
        follow_segment(course, &segment);
    }
    course->survey.known = i + 1;
    course->survey.known_end = rp_survey_end(&segment);
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

/* Number and sequence of what comes next: never one that was used, whatever became of the files. */
static int choose_next(const struct course *course)
{
    struct rp_spooldir_recovery *recovery = course->recovery;
    const struct rp_survey_lane *survey = &course->survey;
    struct rp_spooldir *dir = recovery->dir;
    struct rp_spooldir_lane *lane = &dir->lanes[survey->lane];
    struct rp_spool_lane_meta meta;
    rp_meta_lane(dir->fd, dir->identity, survey->lane, &meta);
    const uint64_t proven = recovery->tails[survey->lane];
    uint64_t end = course->expected > proven ? course->expected : proven;
    if (course->is_unsure_end) {
        /* What is there may be found one day: its sequences are not given to others. */
        lane->next_sequence = end + course->cap;
    } else {
        end = end > meta.next_sequence ? end : meta.next_sequence;
        dir->report.missing += end - course->expected;
        recovery->is_unsure[survey->lane] |= end > course->expected;
        lane->next_sequence = end;
    }
    if (meta.next_sequence > lane->next_sequence) {
        lane->next_sequence = meta.next_sequence;
    }
    lane->skipped = course->is_unsure_end ? lane->next_sequence - end : 0;
    const uint64_t highest = survey->count > 0 ? survey->numbers[survey->count - 1] : 0;
    lane->next_segment = highest + 1 > meta.next_segment ? highest + 1 : meta.next_segment;
    return lane->next_segment > RP_FORMAT_SEGMENT_MAX ? -EOVERFLOW : 0;
}

int rp_spooldir_lane_recover(struct rp_spooldir_recovery *recovery, uint32_t number)
{
    struct rp_spooldir *dir = recovery->dir;
    struct rp_spooldir_lane *lane = &dir->lanes[number];
    uint64_t *numbers = NULL;
    size_t count = 0;
    int error = rp_reader_file_segments(lane->fd, &numbers, &count);
    if (error != 0) {
        return error;
    }
    struct course course = {
        .recovery = recovery,
        .survey = {.fd = lane->fd,
                   .big_fd = dir->big_fd,
                   .identity = dir->identity,
                   .lane = number,
                   .limit = RP_FORMAT_SEQUENCE_NONE,
                   .proven = recovery->tails[number],
                   .numbers = numbers,
                   .count = count},
    };
    struct settled *settled = calloc(count + 1, sizeof *settled);
    error = settled == NULL ? -ENOMEM : 0;
    for (size_t i = 0; error == 0 && i < count; i++) {
        error = settle_segment(&course, i, &settled[i]);
    }
    if (error == 0) {
        error = choose_next(&course);
    }
    if (error == 0) {
        error = rp_spooldir_sync(lane->fd);
    }
    if (error == 0) {
        error = remove_needless(recovery, &course.survey, settled);
    }
    if (error == 0) {
        error = rp_spooldir_sync(lane->fd);
    }
    free(settled);
    free(numbers);
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
