/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * survey.c - what recover.c needs to know of a segment's neighbours, and where it gets it from.
 */
#include "survey.h"

#include "format.h"
#include "reader_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the index ---- */

/* Read a whole index that can be trusted. False: there is none. */
static bool read_index(const struct rp_survey_lane *lane, struct rp_survey_segment *segment)
{
    char name[RP_FORMAT_FILE_NAME];
    rp_format_index_name(segment->number, name);
    int fd;
    uint64_t file_len;
    if (rp_reader_file_open(lane->fd, name, &fd, &file_len) != 0) {
        return false;
    }
    const uint64_t len_max = RP_SPOOL_INDEX_LEN(RP_SPOOL_SEGMENT_MAX);
    size_t len = (size_t)(file_len < len_max ? file_len : len_max);
    uint8_t *page = malloc(len + 1);
    size_t got = 0;
    bool is_good = page != NULL && rp_reader_file_read(fd, page, len, 0, &got) == 0 &&
                   rp_format_index_is_good(page, got, lane->identity, lane->lane, segment->number);
    (void)close(fd); /* it was only read */
    struct rp_spool_index_header header = {0};
    if (is_good) {
        memcpy(&header, page, sizeof header);
    }
    if (!is_good || (segment->header == RP_RECOVER_HEADER_GOOD &&
                     segment->header_first != header.first_sequence)) {
        free(page);
        return false;
    }
    /* The entries move to the front: the block becomes theirs. */
    memmove(page, page + RP_SPOOL_BLOCK, (size_t)header.count * sizeof *segment->entries);
    segment->is_trusted = true;
    segment->first_sequence = header.first_sequence;
    segment->count = header.count;
    segment->entries = (struct rp_spool_index_entry *)(void *)page;
    return true;
}

/* ---- the segment itself ---- */

/* What the segment's file begins with; leaves it open. Without a file *fd_out is -1 and the segment
 * is_gone. */
static int open_segment(const struct rp_survey_lane *lane,
                        size_t i,
                        struct rp_survey_segment *segment,
                        int *fd_out)
{
    *segment = (struct rp_survey_segment){
        .number = lane->numbers[i],
        .header = RP_RECOVER_HEADER_BAD,
        .header_first = RP_FORMAT_SEQUENCE_NONE,
        .first_sequence = RP_FORMAT_SEQUENCE_NONE,
    };
    *fd_out = -1;
    char name[RP_FORMAT_FILE_NAME];
    rp_format_segment_name(segment->number, name);
    int fd;
    int error = rp_reader_file_open(lane->fd, name, &fd, &segment->file_len);
    if (error != 0) {
        segment->is_gone = rp_reader_file_is_gone(error);
        return segment->is_gone ? 0 : error;
    }
    *fd_out = fd;
    struct rp_spool_segment_header header = {0};
    size_t got = 0;
    if (rp_reader_file_read(fd, &header, sizeof header, 0, &got) != 0) {
        return 0; /* unreadable is not blank */
    }
    segment->header = rp_recover_header_get((const uint8_t *)&header, got, lane->identity,
                                            lane->lane, segment->number);
    if (segment->header == RP_RECOVER_HEADER_GOOD) {
        segment->header_first = header.first_sequence;
        segment->first_sequence = header.first_sequence;
        segment->skipped = header.skipped;
        segment->size = header.size;
    }
    return 0;
}

static void close_segment(int fd)
{
    if (fd >= 0) {
        (void)close(fd); /* it was only read */
    }
}

/* How many messages there can be. Without a header's word: as many as records fit into the file. */
static uint64_t cap_of(const struct rp_survey_segment *segment)
{
    if (segment->size > 0) {
        return RP_SPOOL_INDEX_CAP(segment->size);
    }
    const uint64_t cap_max = RP_SPOOL_INDEX_CAP(RP_SPOOL_SEGMENT_MAX);
    uint64_t cap = segment->file_len / RP_SPOOL_ALIGN + 1;
    return cap < cap_max ? cap : cap_max;
}

static struct rp_recover_source source_of(const struct rp_survey_lane *lane,
                                          const struct rp_survey_segment *segment,
                                          const struct rp_reader_file_image *image,
                                          uint64_t limit)
{
    return (struct rp_recover_source){
        .base = image->base,
        .len = image->len,
        .is_unreadable = image->is_unreadable,
        /* None is smaller than that when it is prepared, whatever its header was. */
        .file_size = segment->size > 0 ? segment->size : RP_SPOOL_SEGMENT_MIN,
        .is_blank = segment->header == RP_RECOVER_HEADER_BLANK,
        .seed = rp_format_seed(lane->identity, lane->lane, segment->number),
        .first_sequence = segment->header_first,
        .limit = limit,
        .cap = cap_of(segment),
    };
}

/* The first sequence of the first batch that has a whole mark or record header, or
 * RP_FORMAT_SEQUENCE_NONE. */
static uint64_t probe(const struct rp_recover_source *source)
{
    struct rp_recover recover;
    struct rp_recover_found found;
    rp_recover_init(&recover, source);
    rp_recover_next(&recover, &found);
    return found.kind == RP_RECOVER_END || found.kind == RP_RECOVER_VOID
               ? RP_FORMAT_SEQUENCE_NONE
               : rp_recover_batch_first(&found);
}

static bool big_body_is_there(const struct rp_survey_lane *lane,
                              const struct rp_spool_index_entry *entry)
{
    char name[RP_FORMAT_FILE_NAME];
    rp_format_big_name(lane->lane, entry->big_id, name);
    struct stat status;
    return lane->big_fd >= 0 && fstatat(lane->big_fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISREG(status.st_mode) && (uint64_t)status.st_size == entry->body_len;
}

/* A committed record is synced after the file of its body: one that is missing is damage. */
static void check_big_bodies(const struct rp_survey_lane *lane, struct rp_survey_segment *segment)
{
    for (uint64_t i = 0; i < segment->count; i++) {
        struct rp_spool_index_entry *entry = &segment->entries[i];
        const uint32_t kinds = RP_SPOOL_INDEX_BIG | RP_SPOOL_INDEX_DAMAGED;
        if ((entry->flags & kinds) == RP_SPOOL_INDEX_BIG && !big_body_is_there(lane, entry)) {
            entry->flags |= RP_SPOOL_INDEX_DAMAGED;
            segment->result.messages -= segment->is_trusted ? 0 : 1;
            segment->result.damaged += segment->is_trusted ? 0 : 1;
        }
    }
}

struct bounds {
    uint64_t first;  /* if the header does not say it: where the segment before ends, or none */
    uint64_t limit;  /* what a later segment voids */
    uint64_t proven; /* as in rp_recover_source */
    bool is_closed;
    bool is_last;
};

static int scan(const struct rp_survey_lane *lane,
                const struct bounds *bounds,
                int fd,
                struct rp_survey_segment *segment)
{
    struct rp_reader_file_image image;
    int error = rp_reader_file_load(fd, segment->file_len, &image);
    if (error != 0) {
        return error;
    }
    struct rp_recover_source source = source_of(lane, segment, &image, bounds->limit);
    source.proven = bounds->proven;
    source.is_closed = bounds->is_closed;
    if (segment->header_first == RP_FORMAT_SEQUENCE_NONE &&
        bounds->first != RP_FORMAT_SEQUENCE_NONE) {
        uint64_t found = probe(&source);
        /* Where the segment before ends this one begins, unless its records say else. */
        if (found == RP_FORMAT_SEQUENCE_NONE ||
            (found >= bounds->first && found - bounds->first < source.cap)) {
            source.first_sequence = bounds->first;
        }
    }
    segment->entries = calloc(source.cap, sizeof *segment->entries);
    if (segment->entries == NULL) {
        rp_reader_file_unload(&image);
        return -ENOMEM;
    }
    rp_recover_entries(&source, segment->entries, &segment->result);
    segment->first_sequence = segment->result.first_sequence;
    segment->count = segment->result.count;
    check_big_bodies(lane, segment);
    rp_reader_file_unload(&image);
    return 0;
}

/* ---- among its neighbours ---- */

/* Where a segment begins. */
struct beginning {
    uint64_t first;   /* RP_FORMAT_SEQUENCE_NONE: nothing says it */
    uint64_t skipped; /* as in its header */
    bool has_header;  /* a good one, else what it skipped is not known */
    bool is_exact;    /* a hash vouches for it, else its first whole batch says it */
};

/* Where the segment numbers[i] begins. With `probe_too` its first whole batch may say it. */
static int find_beginning(const struct rp_survey_lane *lane,
                          size_t i,
                          bool probe_too,
                          struct beginning *out)
{
    struct rp_survey_segment segment;
    int fd;
    int error = open_segment(lane, i, &segment, &fd);
    if (error != 0) {
        return error;
    }
    *out = (struct beginning){
        .first = segment.header_first,
        .skipped = segment.skipped,
        .has_header = segment.header == RP_RECOVER_HEADER_GOOD,
        .is_exact = true,
    };
    if (segment.header != RP_RECOVER_HEADER_GOOD) {
        struct rp_reader_file_image image;
        if (read_index(lane, &segment)) {
            out->first = segment.first_sequence;
        } else if (probe_too && fd >= 0) {
            error = rp_reader_file_load(fd, segment.file_len, &image);
            if (error == 0) {
                struct rp_recover_source source = source_of(lane, &segment, &image, lane->limit);
                out->first = probe(&source);
                out->is_exact = false;
                rp_reader_file_unload(&image);
            }
        }
    }
    close_segment(fd);
    rp_survey_close(&segment);
    return error;
}

/*
 * For a segment with a trusted index, not `probe_too`: only what is cheap to know, and not the
 * tail, which may be from before the writer wrote it.
 */
static int find_bounds(const struct rp_survey_lane *lane,
                       size_t i,
                       uint64_t end_before,
                       bool probe_too,
                       struct bounds *bounds)
{
    *bounds = (struct bounds){
        .first = end_before,
        .limit = probe_too ? lane->limit : RP_FORMAT_SEQUENCE_NONE,
        .proven = lane->proven,
        .is_last = true,
    };
    for (size_t j = i + 1; j < lane->count; j++) {
        struct beginning next;
        int error = find_beginning(lane, j, probe_too, &next);
        if (error != 0) {
            return error;
        }
        if (next.first == RP_FORMAT_SEQUENCE_NONE) {
            continue;
        }
        bounds->limit = next.first < bounds->limit ? next.first : bounds->limit;
        bool is_next = lane->numbers[j] == lane->numbers[i] + 1;
        if (is_next && next.is_exact) {
            bounds->proven = bounds->limit - next.skipped;
            bounds->is_closed = next.has_header && next.skipped == 0;
        } else {
            /* What it skipped is not known, so only a tail proves anything. */
            uint64_t tail = lane->proven < bounds->limit ? lane->proven : bounds->limit;
            bounds->proven = is_next ? tail : 0;
        }
        bounds->is_last = false;
        break; /* those behind begin later still */
    }
    return 0;
}

/* Of a segment without a file the index alone speaks: all of its messages are lost. */
static int mark_gone(struct rp_survey_segment *segment)
{
    if (!segment->is_trusted) {
        return -ENOENT;
    }
    for (uint64_t i = 0; i < segment->count; i++) {
        struct rp_spool_index_entry *entry = &segment->entries[i];
        entry->flags |=
            (entry->flags & RP_SPOOL_INDEX_UNFINISHED) == 0 ? RP_SPOOL_INDEX_DAMAGED : 0;
    }
    return 0;
}

/* One segment, when it is known where the one before it ends (or does not matter). */
static int open_alone(const struct rp_survey_lane *lane,
                      size_t i,
                      uint64_t end_before,
                      struct rp_survey_segment *segment)
{
    int fd;
    struct bounds bounds;
    int error = open_segment(lane, i, segment, &fd);
    if (error != 0) {
        return error;
    }
    if (read_index(lane, segment)) {
        error = find_bounds(lane, i, end_before, false, &bounds);
        if (error == 0 && segment->first_sequence + segment->count > bounds.limit) {
            free(segment->entries);
            segment->entries = NULL;
            segment->is_trusted = false;
        }
    }
    if (error == 0 && segment->is_gone) {
        error = mark_gone(segment);
    } else if (error == 0 && !segment->is_trusted) {
        error = find_bounds(lane, i, end_before, true, &bounds);
        error = error == 0 ? scan(lane, &bounds, fd, segment) : error;
        segment->is_last = bounds.is_last;
    }
    close_segment(fd);
    return error;
}

/* Whether only the segment before can say where this one begins. */
static bool needs_one_before(const struct rp_survey_lane *lane, size_t i)
{
    if (i == 0 || lane->numbers[i - 1] + 1 != lane->numbers[i]) {
        return false;
    }
    struct rp_survey_segment segment;
    int fd;
    if (open_segment(lane, i, &segment, &fd) != 0) {
        return false;
    }
    close_segment(fd);
    bool needs =
        segment.header != RP_RECOVER_HEADER_GOOD && !segment.is_gone && !read_index(lane, &segment);
    rp_survey_close(&segment);
    return needs;
}

bool rp_survey_has_unsure_end(const struct rp_survey_segment *segment)
{
    return !segment->is_trusted && (segment->result.tail == RP_RECOVER_TAIL_DAMAGED ||
                                    segment->result.tail == RP_RECOVER_TAIL_UNREADABLE);
}

uint64_t rp_survey_end(const struct rp_survey_segment *segment)
{
    return segment->first_sequence == RP_FORMAT_SEQUENCE_NONE || rp_survey_has_unsure_end(segment)
               ? RP_FORMAT_SEQUENCE_NONE
               : segment->first_sequence + segment->count;
}

int rp_survey_open(const struct rp_survey_lane *lane, size_t i, struct rp_survey_segment *out)
{
    assert(i < lane->count);
    size_t k = i;
    while (k != lane->known && needs_one_before(lane, k)) {
        k--;
    }
    uint64_t end = k > 0 && k == lane->known ? lane->known_end : RP_FORMAT_SEQUENCE_NONE;
    for (; k < i; k++) {
        struct rp_survey_segment before;
        int error = open_alone(lane, k, end, &before);
        end = error == 0 ? rp_survey_end(&before) : RP_FORMAT_SEQUENCE_NONE;
        rp_survey_close(&before);
    }
    struct rp_survey_segment segment;
    int error = open_alone(lane, i, end, &segment);
    if (error != 0) {
        rp_survey_close(&segment);
        return error;
    }
    *out = segment;
    return 0;
}

uint64_t rp_survey_next_first(const struct rp_survey_lane *lane, size_t i)
{
    for (size_t j = i + 1; j < lane->count; j++) {
        struct rp_survey_segment segment;
        int fd;
        if (open_segment(lane, j, &segment, &fd) != 0) {
            break;
        }
        close_segment(fd);
        if (segment.header_first != RP_FORMAT_SEQUENCE_NONE) {
            return segment.header_first;
        }
    }
    return RP_FORMAT_SEQUENCE_NONE;
}

bool rp_survey_is_closed_by_next(const struct rp_survey_lane *lane, size_t i)
{
    struct rp_survey_segment next;
    if (i + 1 == lane->count || lane->numbers[i + 1] != lane->numbers[i] + 1 ||
        rp_survey_open(lane, i + 1, &next) != 0) {
        return false;
    }
    bool is_closed = next.header == RP_RECOVER_HEADER_GOOD && next.skipped == 0;
    rp_survey_close(&next);
    return is_closed;
}

void rp_survey_close(struct rp_survey_segment *segment)
{
    free(segment->entries);
    *segment = (struct rp_survey_segment){0};
}

enum rp_recover_action rp_survey_action(const struct rp_survey_segment *segment)
{
    bool is_unsure = rp_survey_has_unsure_end(segment) ||
                     (!segment->is_trusted && segment->result.has_unreadable);
    if (segment->is_gone || is_unsure) {
        return RP_RECOVER_KEEP; /* what is not understood is left as it is */
    }
    enum rp_recover_content content;
    if (segment->is_trusted) {
        content = segment->count == 0 ? RP_RECOVER_TRUSTED_EMPTY : RP_RECOVER_TRUSTED;
    } else {
        content = segment->count == 0 ? RP_RECOVER_SCANNED_EMPTY : RP_RECOVER_SCANNED;
    }
    return rp_recover_action_get(segment->header, content);
}
