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
    uint64_t limit;  /* RP_FORMAT_SEQUENCE_NONE, or the lane's published tail while a daemon is at
                        work: what is beyond is not there yet */
    uint64_t proven; /* all messages below were committed: a tail whose check is right, or 0 */
    const uint64_t *numbers; /* of its segments and indexes, ascending */
    size_t count;
    size_t known;       /* numbers[known - 1] was surveyed just before; 0: none was */
    uint64_t known_end; /* its rp_survey_end */
};

struct rp_survey_segment {
    uint64_t number;
    bool is_gone;      /* there is only a trusted index: all of its messages are lost */
    uint64_t file_len; /* octets of the segment's file */
    enum rp_recover_header header;
    uint64_t header_first;   /* first_sequence of a good header, else RP_FORMAT_SEQUENCE_NONE */
    uint64_t skipped;        /* of a good header */
    uint64_t size;           /* of a good header: octets of the file when it was prepared; else 0 */
    bool is_last;            /* no later segment has anything: more may come, if somebody writes */
    bool is_trusted;         /* the entries are those of its index */
    uint64_t first_sequence; /* RP_FORMAT_SEQUENCE_NONE: nobody knows, and there is no entry */
    uint64_t count;
    struct rp_spool_index_entry *entries; /* NULL where there is none */
    struct rp_recover_result result;      /* where it was scanned */
};

/*
 * The segment numbers[i]. -ENOENT: its file is gone (or something else is in its place), and no
 * index says what it had; or what a system call said.
 */
int rp_survey_open(const struct rp_survey_lane *lane, size_t i, struct rp_survey_segment *out);

/* Takes a zeroed struct, too. */
void rp_survey_close(struct rp_survey_segment *segment);

/* The sequence with which the very next segment begins, if its header does not say it;
 * RP_FORMAT_SEQUENCE_NONE: nobody knows what is behind the last entry. */
uint64_t rp_survey_end(const struct rp_survey_segment *segment);

/* Whether nobody knows what is behind the last message of a scanned segment. */
bool rp_survey_has_unsure_end(const struct rp_survey_segment *segment);

/* Whether the very next segment's header says which sequences there were before it. */
bool rp_survey_is_closed_by_next(const struct rp_survey_lane *lane, size_t i);

/* What recovery does with it. */
enum rp_recover_action rp_survey_action(const struct rp_survey_segment *segment);

/*
 * The first_sequence that later segments vouch for, of the nearest one behind numbers[i] that says
 * it by a good header; RP_FORMAT_SEQUENCE_NONE: none does.
 */
uint64_t rp_survey_next_first(const struct rp_survey_lane *lane, size_t i);

#endif
