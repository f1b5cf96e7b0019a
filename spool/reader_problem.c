/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reader_problem.c - what is wrong with a spool but is no entry: holes in the sequences, and ends
 * of segments that nobody can explain.
 */
#include "reader.h"

#include "format.h"
#include "meta.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct search {
    rp_spool_problem_fn each;
    void *context;
    uint32_t lane;
    bool is_live;      /* a daemon is at work: behind its last batch is what it writes just now */
    uint64_t expected; /* the sequence that comes next */
    uint64_t skipped;  /* behind the last segment, if its end is not known: so many sequences are
                           left out then, unless nobody has gone on yet */
};

static int tell(const struct search *search, const struct rp_spool_problem *problem)
{
    return search->each(search->context, problem);
}

/* Nobody has the sequences from the one that is expected to `first`. */
static int tell_missing(struct search *search, uint64_t first)
{
    if (first <= search->expected) {
        return 0;
    }
    struct rp_spool_problem problem = {
        .kind = RP_SPOOL_PROBLEM_MISSING,
        .lane = search->lane,
        .sequence = search->expected,
        .count = first - search->expected,
    };
    search->expected = first;
    return tell(search, &problem);
}

static int tell_tail(const struct search *search, const struct rp_survey_segment *segment)
{
    struct rp_spool_problem problem = {.lane = search->lane, .segment = segment->number};
    switch (segment->result.tail) {
    case RP_RECOVER_TAIL_NONE:
    case RP_RECOVER_TAIL_UNFINISHED: return 0;
    case RP_RECOVER_TAIL_DAMAGED: problem.kind = RP_SPOOL_PROBLEM_DAMAGED; break;
    case RP_RECOVER_TAIL_UNREADABLE: problem.kind = RP_SPOOL_PROBLEM_UNREADABLE; break;
    }
    return tell(search, &problem);
}

/* Of a damaged header nobody knows what it said, and nothing else of the segment is there. */
static int tell_header(const struct search *search, const struct rp_survey_segment *segment)
{
    if (segment->header != RP_RECOVER_HEADER_BAD || segment->count > 0 ||
        rp_survey_has_unsure_end(segment)) {
        return 0;
    }
    const struct rp_spool_problem problem = {
        .kind =
            segment->result.has_unreadable ? RP_SPOOL_PROBLEM_UNREADABLE : RP_SPOOL_PROBLEM_DAMAGED,
        .lane = search->lane,
        .segment = segment->number,
    };
    return tell(search, &problem);
}

/* What was never finished, also as an index remembers it. */
static int tell_unfinished(const struct search *search, const struct rp_survey_segment *segment)
{
    struct rp_spool_problem problem = {
        .kind = RP_SPOOL_PROBLEM_UNFINISHED,
        .lane = search->lane,
        .segment = segment->number,
    };
    for (uint64_t i = 0; i < segment->count; i++) {
        problem.count += (segment->entries[i].flags & RP_SPOOL_INDEX_UNFINISHED) != 0;
    }
    bool is_told = problem.count > 0 || segment->result.tail == RP_RECOVER_TAIL_UNFINISHED;
    return is_told ? tell(search, &problem) : 0;
}

static int look_at(struct search *search, const struct rp_survey_segment *segment)
{
    int result = 0;
    const uint64_t first = segment->first_sequence;
    if (first != RP_FORMAT_SEQUENCE_NONE) {
        uint64_t begin = first - segment->skipped;
        if (segment->header != RP_RECOVER_HEADER_GOOD && begin >= search->expected &&
            begin - search->expected >= search->skipped) {
            begin -= search->skipped; /* nobody knows whether its header said so */
        }
        result = tell_missing(search, begin);
        const uint64_t end = first + segment->count;
        search->expected = end > search->expected ? end : search->expected;
    }
    const bool has_end = !segment->is_trusted && !(search->is_live && segment->is_last);
    if (result == 0 && (has_end || segment->is_trusted)) {
        result = tell_unfinished(search, segment);
    }
    if (result == 0 && has_end) {
        result = tell_tail(search, segment);
    }
    if (result == 0 && has_end) {
        result = tell_header(search, segment);
    }
    if (rp_survey_action(segment) != RP_RECOVER_REMOVE) { /* else it was never used */
        const uint64_t size = segment->size > 0 ? segment->size : RP_SPOOL_SEGMENT_MAX;
        search->skipped =
            has_end && rp_survey_has_unsure_end(segment) ? RP_SPOOL_INDEX_CAP(size) : 0;
    }
    return result;
}

/* A segment without a file: its index, if there is one, does not tell what it had. */
static int look_at_gone(struct search *search, const struct rp_survey_lane *survey, size_t i)
{
    const uint64_t number = survey->numbers[i];
    char name[RP_FORMAT_FILE_NAME];
    rp_format_index_name(number, name);
    if (faccessat(survey->fd, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0 ||
        rp_survey_is_closed_by_next(survey, i)) {
        return 0;
    }
    search->skipped = RP_SPOOL_INDEX_CAP(RP_SPOOL_SEGMENT_MAX);
    const struct rp_spool_problem problem = {
        .kind = RP_SPOOL_PROBLEM_DAMAGED,
        .lane = search->lane,
        .segment = number,
    };
    return tell(search, &problem);
}

static int search_lane(struct search *search,
                       struct rp_reader_lane *lane,
                       const struct rp_reader_spool *spool)
{
    int result = rp_reader_lane_refresh(lane, spool);
    struct rp_survey_lane survey = rp_reader_lane_survey(lane, spool);
    for (size_t i = 0; result == 0 && i < lane->count; i++) {
        struct rp_survey_segment segment;
        int error = rp_survey_open(&survey, i, &segment);
        if (error == 0) {
            result = look_at(search, &segment);
            rp_survey_close(&segment);
        } else {
            result = error == -ENOENT ? look_at_gone(search, &survey, i) : error;
        }
    }
    struct rp_spool_lane_meta meta;
    rp_meta_lane(spool->fd, spool->meta.identity, lane->lane, &meta);
    if (result == 0) {
        uint64_t end = meta.next_sequence > survey.proven ? meta.next_sequence : survey.proven;
        bool has_skipped = end >= search->expected && end - search->expected >= search->skipped;
        result = tell_missing(search, has_skipped ? end - search->skipped : end);
    }
    return result;
}

int rp_spool_reader_problems(struct rp_spool_reader *reader,
                             rp_spool_problem_fn each,
                             void *context)
{
    bool is_changed;
    int result = rp_reader_refresh(reader, &is_changed);
    if (result == 0 && reader->spool.is_meta_damaged) {
        const struct rp_spool_problem problem = {.kind = RP_SPOOL_PROBLEM_META};
        result = each(context, &problem);
    }
    for (uint32_t i = 0; result == 0 && i < reader->lane_count; i++) {
        struct search search = {
            .each = each,
            .context = context,
            .lane = i,
            .is_live = reader->spool.is_live,
        };
        result = search_lane(&search, &reader->lanes[i], &reader->spool);
    }
    return result;
}
