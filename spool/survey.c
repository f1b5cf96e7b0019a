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

/* ---- the sealed index ---- */

/* The header of an index, if it is one of this segment and sealed. */
static bool read_sealed_header(const struct rp_survey_lane *lane,
                               uint64_t number,
                               int fd,
                               struct rp_spool_index_header *header)
{
    size_t got;
    return rp_reader_file_read(fd, header, sizeof *header, 0, &got) == 0 && got == sizeof *header &&
           header->magic == RP_SPOOL_INDEX_MAGIC && header->count != RP_SPOOL_INDEX_OPEN &&
           rp_format_index_header_is_good(header, lane->identity, lane->lane, number);
}

/* Entries of a sealed index whose hash is right; false: it cannot be trusted. */
static bool read_sealed(const struct rp_survey_lane *lane, struct rp_survey_segment *segment)
{
    char name[RP_FORMAT_FILE_NAME];
    rp_format_index_name(segment->number, name);
    int fd;
    uint64_t file_len;
    if (rp_reader_file_open(lane->fd, name, &fd, &file_len) != 0) {
        return false;
    }
    struct rp_spool_index_header header;
    struct rp_spool_index_entry *entries = NULL;
    bool is_good = read_sealed_header(lane, segment->number, fd, &header) &&
                   file_len >= RP_SPOOL_BLOCK &&
                   header.count <= (file_len - RP_SPOOL_BLOCK) / sizeof *entries &&
                   header.count <= RP_SPOOL_INDEX_CAP(RP_SPOOL_SEGMENT_MAX);
    if (is_good) {
        size_t len = (size_t)header.count * sizeof *entries;
        size_t got;
        entries = malloc(len > 0 ? len : 1);
        is_good = entries != NULL &&
                  rp_reader_file_read(fd, entries, len, RP_SPOOL_BLOCK, &got) == 0 && got == len &&
                  header.entries_hash == rp_format_hash(entries, len, 0) &&
                  rp_recover_entries_are_good(entries, header.count, header.first_sequence);
    }
    (void)close(fd); /* it was only read */
    if (!is_good || (segment->header == RP_RECOVER_HEADER_GOOD &&
                     segment->header_first != header.first_sequence)) {
        free(entries);
        return false;
    }
    segment->is_trusted = true;
    segment->first_sequence = header.first_sequence;
    segment->count = header.count;
    segment->entries = entries;
    return true;
}

/* ---- the segment itself ---- */

/* What the segment's file begins with; leaves it open. */
static int open_segment(const struct rp_survey_lane *lane,
                        size_t i,
                        struct rp_survey_segment *segment,
                        int *fd_out)
{
    *segment = (struct rp_survey_segment){
        .number = lane->numbers[i],
        .header_first = RP_FORMAT_SEQUENCE_NONE,
        .first_sequence = RP_FORMAT_SEQUENCE_NONE,
    };
    char name[RP_FORMAT_FILE_NAME];
    rp_format_segment_name(segment->number, name);
    int fd;
    int error = rp_reader_file_open(lane->fd, name, &fd, &segment->file_len);
    if (error != 0) {
        return error;
    }
    struct rp_spool_segment_header header = {0};
    size_t got = 0;
    error = rp_reader_file_read(fd, &header, sizeof header, 0, &got);
    if (error != 0 && error != -EIO) {
        (void)close(fd); /* it was only read */
        return error;
    }
    segment->header = rp_recover_header_get((const uint8_t *)&header, got, lane->identity,
                                            lane->lane, segment->number);
    if (segment->header == RP_RECOVER_HEADER_GOOD) {
        segment->header_first = header.first_sequence;
        segment->first_sequence = header.first_sequence;
    } else if (error != 0) {
        segment->header = RP_RECOVER_HEADER_BAD; /* unreadable is not blank */
    }
    *fd_out = fd;
    return 0;
}

/* How many messages there can be. Without a header's word: as many as records fit into the file. */
static uint64_t cap_of(const struct rp_survey_segment *segment,
                       const struct rp_reader_file_image *image)
{
    if (segment->header == RP_RECOVER_HEADER_GOOD) {
        struct rp_spool_segment_header header;
        memcpy(&header, image->base, sizeof header);
        return RP_SPOOL_INDEX_CAP(header.size);
    }
    const uint64_t cap_max = RP_SPOOL_INDEX_CAP(RP_SPOOL_SEGMENT_MAX);
    uint64_t cap = image->len / RP_SPOOL_ALIGN + 1;
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
        .seed = rp_format_seed(lane->identity, lane->lane, segment->number),
        .first_sequence = segment->header_first,
        .limit = limit,
        .cap = cap_of(segment, image),
    };
}

/* The sequence of the first whole record, or RP_FORMAT_SEQUENCE_NONE. */
static uint64_t probe(const struct rp_recover_source *source)
{
    struct rp_recover recover;
    struct rp_recover_found found;
    rp_recover_init(&recover, source);
    do {
        rp_recover_next(&recover, &found);
    } while (found.kind != RP_RECOVER_MESSAGE && found.kind != RP_RECOVER_END);
    return found.kind == RP_RECOVER_MESSAGE ? found.sequence : RP_FORMAT_SEQUENCE_NONE;
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
            segment->result.messages--;
            segment->result.damaged++;
        }
    }
}

struct bounds {
    uint64_t first;     /* if the header does not say it: where the segment before ends, or none */
    uint64_t limit;     /* what a later segment voids */
    uint64_t known_end; /* where the very next segment goes on, or none */
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
    if (segment->header == RP_RECOVER_HEADER_GOOD &&
        image.len < sizeof(struct rp_spool_segment_header)) {
        segment->header = RP_RECOVER_HEADER_BAD; /* it was cut under our hands */
        segment->header_first = RP_FORMAT_SEQUENCE_NONE;
    }
    struct rp_recover_source source = source_of(lane, segment, &image, bounds->limit);
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
    rp_recover_entries(&source, bounds->known_end, segment->entries, &segment->result);
    segment->first_sequence = segment->result.first_sequence;
    segment->count = segment->result.count;
    check_big_bodies(lane, segment);
    rp_reader_file_unload(&image);
    return 0;
}

/* ---- among its neighbours ---- */

/*
 * Where the segment numbers[i] begins, as far as hashes vouch for it. With `probe_too` its first
 * whole record may say it; *is_exact_out then is false.
 */
static uint64_t find_first(const struct rp_survey_lane *lane,
                           size_t i,
                           bool probe_too,
                           bool *is_exact_out)
{
    struct rp_survey_segment segment;
    int fd;
    *is_exact_out = true;
    if (open_segment(lane, i, &segment, &fd) != 0) {
        return RP_FORMAT_SEQUENCE_NONE;
    }
    uint64_t first = segment.header_first;
    if (segment.header != RP_RECOVER_HEADER_GOOD) {
        struct rp_reader_file_image image;
        if (read_sealed(lane, &segment)) {
            first = segment.count > 0 ? segment.first_sequence : RP_FORMAT_SEQUENCE_NONE;
        } else if (probe_too && rp_reader_file_load(fd, segment.file_len, &image) == 0) {
            struct rp_recover_source source = source_of(lane, &segment, &image, lane->limit);
            first = probe(&source);
            *is_exact_out = false;
            rp_reader_file_unload(&image);
        }
    }
    (void)close(fd); /* it was only read */
    rp_survey_close(&segment);
    return first;
}

/*
 * For a segment with a trusted index, not `probe_too`: only what is cheap to know, and not the
 * tail, which may be from before the writer sealed it.
 */
static struct bounds find_bounds(const struct rp_survey_lane *lane,
                                 size_t i,
                                 uint64_t end_before,
                                 bool probe_too)
{
    struct bounds bounds = {
        .first = end_before,
        .limit = probe_too ? lane->limit : RP_FORMAT_SEQUENCE_NONE,
        .known_end = RP_FORMAT_SEQUENCE_NONE,
    };
    for (size_t j = i + 1; j < lane->count; j++) {
        bool is_exact;
        uint64_t first = find_first(lane, j, probe_too, &is_exact);
        if (first == RP_FORMAT_SEQUENCE_NONE) {
            continue;
        }
        bounds.limit = first < bounds.limit ? first : bounds.limit;
        if (is_exact && j == i + 1 && lane->numbers[j] == lane->numbers[i] + 1) {
            bounds.known_end = bounds.limit;
        }
        break; /* those behind begin later still */
    }
    return bounds;
}

/* One segment, when it is known where the one before it ends (or does not matter). */
static int open_alone(const struct rp_survey_lane *lane,
                      size_t i,
                      uint64_t end_before,
                      struct rp_survey_segment *segment)
{
    int fd;
    int error = open_segment(lane, i, segment, &fd);
    if (error != 0) {
        return error;
    }
    if (read_sealed(lane, segment) &&
        segment->first_sequence + segment->count > find_bounds(lane, i, end_before, false).limit) {
        free(segment->entries);
        segment->entries = NULL;
        segment->is_trusted = false;
    }
    if (!segment->is_trusted) {
        struct bounds bounds = find_bounds(lane, i, end_before, true);
        error = scan(lane, &bounds, fd, segment);
    }
    (void)close(fd); /* it was only read */
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
    (void)close(fd); /* it was only read */
    bool needs = segment.header != RP_RECOVER_HEADER_GOOD && !read_sealed(lane, &segment);
    rp_survey_close(&segment);
    return needs;
}

int rp_survey_open(const struct rp_survey_lane *lane, size_t i, struct rp_survey_segment *out)
{
    assert(i < lane->count);
    size_t k = i;
    while (needs_one_before(lane, k)) {
        k--;
    }
    uint64_t end = RP_FORMAT_SEQUENCE_NONE;
    for (; k < i; k++) {
        struct rp_survey_segment before;
        int error = open_alone(lane, k, end, &before);
        end = error == 0 && before.first_sequence != RP_FORMAT_SEQUENCE_NONE
                  ? before.first_sequence + before.count
                  : RP_FORMAT_SEQUENCE_NONE;
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

void rp_survey_close(struct rp_survey_segment *segment)
{
    free(segment->entries);
    *segment = (struct rp_survey_segment){0};
}

enum rp_recover_action rp_survey_action(const struct rp_survey_segment *segment)
{
    enum rp_recover_content content;
    if (segment->is_trusted) {
        content = segment->count == 0 ? RP_RECOVER_TRUSTED_EMPTY : RP_RECOVER_TRUSTED;
    } else {
        content = segment->count == 0 ? RP_RECOVER_SCANNED_EMPTY : RP_RECOVER_SCANNED;
    }
    return rp_recover_action_get(segment->header, content);
}
