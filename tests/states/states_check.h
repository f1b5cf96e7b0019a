/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * states_check.h - is what is shown of a state what may be shown?
 *
 * It goes by what was written and by what was damaged, never by what the octets look like.
 */
#ifndef STATES_CHECK_H
#define STATES_CHECK_H

#include "states_look.h"

/* Where a message may be missing though it was acknowledged, or be there though it should not:
 * counted, so that they do not swallow everything. */
enum states_excuse {
    STATES_EXCUSE_UNFINISHED, /* the last batch lost whole sectors to zeros, and nothing proves it:
                                 it is reported as unfinished */
    STATES_EXCUSE_ZEROS,      /* likewise, and nothing else is left of it: nobody can report it */
    STATES_EXCUSE_WEAK,       /* as the first, and a later segment without its header has something:
                                 that is no proof for recovery, since nobody knows its skipped */
    STATES_EXCUSE_OVERWRITTEN, /* as the first, but other octets came over the last batch */
    STATES_EXCUSE_GONE,        /* the last segment's file is gone, and nothing proves what it had */
    STATES_EXCUSE_WAITS,    /* whole, but a reader waits behind an unfinished message before it */
    STATES_EXCUSE_VOID,     /* void ones are shown: the header that voids them is damaged */
    STATES_EXCUSE_HIDDEN,   /* likewise: and what has their sequences now is not */
    STATES_EXCUSE_UNOPENED, /* the spool cannot be opened, and says so: spool.meta is damaged */
    STATES_EXCUSE_COUNT,
};

struct states_tally {
    uint64_t excuses[STATES_EXCUSE_COUNT];
    uint64_t exact;    /* acknowledged messages that were there */
    uint64_t reported; /* those that were touched, and reported */
    uint64_t unacked;  /* messages that nobody was told of, and that are there */
};

/* False: something is wrong; `why` (of `len` octets) says what. */
bool states_check_do(const struct states_disk *disk,
                     const struct states_look *look,
                     struct states_tally *tally,
                     char *why,
                     size_t len);

#endif
