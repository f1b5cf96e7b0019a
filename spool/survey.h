/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * survey.h - the messages of one segment among those of its lane, from its sealed index or, where
 * that cannot be trusted, from the segment itself. Changes nothing.
 *
 *     struct rp_survey_segment segment;
 *     if (rp_survey_open(&lane, i, &segment) == 0) {
 *         ...segment.entries[0 .. segment.count - 1]...
 *         rp_survey_close(&segment);
 *     }
 *
 * A reader shows what is found here, and the daemon's recovery writes it down: both use this, so
 * both say the same.
 */
#ifndef SURVEY_H
#define SURVEY_H

#include "recover.h"

struct rp_survey_lane {
    int fd;                  /* the lane's directory */
    int big_fd;              /* big/; -1: there is none */
    const uint8_t *identity; /* the spool's, 16 octets */
    uint32_t lane;
    uint64_t limit; /* RP_FORMAT_SEQUENCE_NONE, or the lane's published tail: what is beyond is
                       not there yet */
    const uint64_t *numbers; /* of its segments, ascending */
    size_t count;
};

struct rp_survey_segment {
    uint64_t number;
    uint64_t file_len; /* octets of the segment's file */
    enum rp_recover_header header;
    uint64_t header_first; /* first_sequence of a good header, else RP_FORMAT_SEQUENCE_NONE */
    bool is_trusted;       /* the entries are those of its sealed index */
    uint64_t first_sequence;
    uint64_t count;
    struct rp_spool_index_entry *entries; /* owned by this struct */
    struct rp_recover_result result;      /* where it was scanned */
};

/*
 * The segment numbers[i]. -ENOENT: its file is gone; -EISDIR and the like: it is no file;
 * -ENOMEM, -EIO.
 */
int rp_survey_open(const struct rp_survey_lane *lane, size_t i, struct rp_survey_segment *out);

/* Takes a zeroed struct, too. */
void rp_survey_close(struct rp_survey_segment *segment);

/* Its row in the table of segments (recover.h). */
enum rp_recover_action rp_survey_action(const struct rp_survey_segment *segment);

#endif
