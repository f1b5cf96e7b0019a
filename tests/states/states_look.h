/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * states_look.h - what is shown of a spool, and what is said to be wrong with it.
 *
 * Two ways: the survey, which is what recovery acts on (fast), and the reader library as its users
 * call it.
 */
#ifndef STATES_LOOK_H
#define STATES_LOOK_H

#include "states_disk.h"

#include "spool/rp_spool_reader.h"

#define STATES_PROBLEMS_MAX 64u
#define STATES_SEEN_MAX     8192u

enum states_seen_kind {
    STATES_SEEN_EXACT,      /* `message` is there, octet by octet */
    STATES_SEEN_DAMAGED,    /* it is said of the sequence that it is damaged */
    STATES_SEEN_UNFINISHED, /* or that nobody was told of it (the survey alone shows these) */
    STATES_SEEN_WRONG,      /* shown as a whole message, and it is none that was ever written */
};

struct states_seen {
    enum states_seen_kind kind;
    uint64_t segment;
    uint64_t sequence;
    uint64_t offset;
    uint32_t message; /* EXACT: number of it */
};

struct states_look {
    bool is_survey; /* by the survey, else through the reader library */
    int error;      /* the spool could not be opened, or not be gone through */
    struct states_seen seen[STATES_SEEN_MAX];
    size_t seen_count;
    struct rp_spool_problem problems[STATES_PROBLEMS_MAX];
    size_t problem_count;
};

/* `path`: STATES_FILES_ROOT or a real directory with the same files as `disk`. */
void states_look_survey(struct states_look *look, const struct states_disk *disk, const char *path);
void states_look_reader(struct states_look *look, const struct states_disk *disk, const char *path);

#endif
