/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reader_live.c - see reader_live.h.
 *
 * Only the 64 octets of each mark and record are looked at here; who loads a message checks all of
 * it. What does not look as it must is left to the survey, which searches the segment.
 */
#include "reader_live.h"

#include "format.h"
#include "reader_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW \
    (64u << 10) /* octets a read: many small records, or little more than a large one's head */

/* What the file has at one place, as far as it was read during this walk. */
struct window {
    int fd;
    uint8_t *octets;
    uint64_t off;
    size_t len;
};

/* 64 octets at `off`; NULL: they are not there, or cannot be read. */
static const uint8_t *look(struct window *window, uint64_t off)
{
    const size_t want = sizeof(struct rp_spool_record);
    if (off < window->off || off + want > window->off + window->len) {
        size_t got = 0;
        if (rp_reader_file_read(window->fd, window->octets, WINDOW, off, &got) != 0) {
            got = 0;
        }
        window->off = off;
        window->len = got;
    }
    return window->len >= off - window->off + want ? window->octets + (off - window->off) : NULL;
}

static int add_entry(struct rp_reader_live *live, const struct rp_spool_index_entry *entry)
{
    if (live->count == live->cap) {
        uint64_t cap = live->cap == 0 ? 256 : live->cap * 2;
        struct rp_spool_index_entry *entries =
            realloc(live->entries, (size_t)cap * sizeof *entries);
        if (entries == NULL) {
            return -ENOMEM;
        }
        live->entries = entries;
        live->cap = cap;
    }
    live->entries[live->count++] = *entry;
    return 0;
}

static uint64_t next_sequence(const struct rp_reader_live *live)
{
    return live->first_sequence + live->count;
}

/* A BEGIN, where a batch is to begin. */
static bool step_begin(struct rp_reader_live *live, const uint8_t *octets)
{
    struct rp_spool_batch_mark mark;
    memcpy(&mark, octets, sizeof mark);
    if (rp_format_mark_kind(&mark, live->off, live->seed) != RP_FORMAT_MARK_BEGIN ||
        mark.first_sequence != next_sequence(live)) {
        return false;
    }
    live->batch_off = live->off;
    live->index = 0;
    live->off += sizeof mark;
    return true;
}

static bool step_end(struct rp_reader_live *live, const uint8_t *octets)
{
    struct rp_spool_batch_mark mark;
    memcpy(&mark, octets, sizeof mark);
    if (rp_format_mark_kind(&mark, live->off, live->seed) != RP_FORMAT_MARK_END) {
        return false;
    }
    live->off += sizeof mark;
    live->off = (live->off + RP_SPOOL_BLOCK - 1) / RP_SPOOL_BLOCK * RP_SPOOL_BLOCK;
    live->batch_off = 0;
    return true;
}

/* 1: taken; 0: it is not the record that must be here; or a negative errno. */
static int step_record(struct rp_reader_live *live, const uint8_t *octets)
{
    struct rp_spool_record record;
    memcpy(&record, octets, sizeof record);
    if (!rp_format_record_is_sane(&record, live->off, live->seed) ||
        record.sequence != next_sequence(live) || record.index != live->index ||
        (uint64_t)record.batch_off * RP_SPOOL_BLOCK != live->batch_off) {
        return 0;
    }
    struct rp_spool_index_entry entry = {
        .offset = live->off,
        .body_len = record.body_len,
        .sequence = record.sequence,
        .time_ns = record.time_ns,
        .hash = record.hash,
        .envelope_len = record.envelope_len,
        .flags = (record.flags & RP_SPOOL_RECORD_BIG) != 0 ? RP_SPOOL_INDEX_BIG : 0,
    };
    int error = add_entry(live, &entry);
    if (error != 0) {
        return error;
    }
    live->off += rp_format_record_total_len(&record);
    live->index++;
    return 1;
}

/* Something is damaged: the survey says what there is, and where it ends. Once for each bound. */
static int salvage(struct rp_reader_live *live,
                   const struct rp_survey_lane *survey,
                   size_t i,
                   uint64_t bound)
{
    if (bound == live->salvaged) {
        return 0;
    }
    struct rp_survey_lane bounded = *survey;
    bounded.limit = bounded.proven = bound;
    struct rp_survey_segment segment;
    int error = rp_survey_open(&bounded, i, &segment);
    if (error != 0) {
        return error;
    }
    live->first_sequence = segment.first_sequence;
    live->count = 0;
    for (uint64_t k = 0; error == 0 && k < segment.count; k++) {
        error = add_entry(live, &segment.entries[k]);
    }
    const uint64_t end = segment.result.keep_end;
    live->off = (end + RP_SPOOL_BLOCK - 1) / RP_SPOOL_BLOCK * RP_SPOOL_BLOCK;
    live->batch_off = 0;
    live->salvaged = error == 0 ? bound : 0;
    rp_survey_close(&segment);
    return error;
}

int rp_reader_live_open(struct rp_reader_live *live,
                        const struct rp_survey_lane *survey,
                        size_t i,
                        int fd)
{
    struct rp_spool_segment_header header = {0};
    size_t got = 0;
    const uint64_t number = survey->numbers[i];
    *live = (struct rp_reader_live){
        .seed = rp_format_seed(survey->identity, survey->lane, number),
        .off = RP_SPOOL_BLOCK,
    };
    int error = rp_reader_file_read(fd, &header, sizeof header, 0, &got);
    enum rp_recover_header kind = rp_recover_header_get((const uint8_t *)&header, got,
                                                        survey->identity, survey->lane, number);
    if (error == 0 && kind == RP_RECOVER_HEADER_BLANK) {
        return -EAGAIN;
    }
    live->window = malloc(WINDOW);
    if (live->window == NULL) {
        return -ENOMEM;
    }
    /* A header that cannot be read may be damaged, or just not all there yet. */
    live->first_sequence = error == 0 && kind == RP_RECOVER_HEADER_GOOD ? header.first_sequence
                                                                        : RP_FORMAT_SEQUENCE_NONE;
    return 0;
}

void rp_reader_live_close(struct rp_reader_live *live)
{
    free(live->entries);
    free(live->window);
    *live = (struct rp_reader_live){0};
}

int rp_reader_live_walk(struct rp_reader_live *live,
                        const struct rp_survey_lane *survey,
                        size_t i,
                        int fd,
                        uint64_t bound)
{
    struct window window = {.fd = fd, .octets = live->window};
    if (live->first_sequence == RP_FORMAT_SEQUENCE_NONE) {
        return salvage(live, survey, i, bound);
    }
    while (next_sequence(live) < bound) {
        const uint8_t *octets = look(&window, live->off);
        int step = 0;
        if (octets != NULL && live->batch_off == 0) {
            step = step_begin(live, octets);
        } else if (octets != NULL) {
            step = step_record(live, octets);
            step = step == 0 ? step_end(live, octets) : step;
        }
        if (step < 0) {
            return step;
        }
        if (step == 0) {
            return salvage(live, survey, i, bound);
        }
    }
    return 0;
}
