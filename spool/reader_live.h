/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reader_live.h - the entries of the segment that a daemon is writing to: from batch to batch,
 * record to record, up to what is published.
 */
#ifndef READER_LIVE_H
#define READER_LIVE_H

#include "survey.h"

struct rp_reader_live {
    uint64_t seed;
    uint64_t first_sequence;              /* RP_FORMAT_SEQUENCE_NONE: nothing says it yet */
    struct rp_spool_index_entry *entries; /* of the first `count` messages */
    uint64_t count;
    uint64_t cap;       /* room in `entries` */
    uint64_t off;       /* of the next mark or record */
    uint64_t batch_off; /* of the batch that `off` is in; 0: between two */
    uint32_t index;     /* in that batch, of the next message */
    uint64_t salvaged; /* the bound up to which the survey has said what there is; 0: never asked */
    uint8_t *window;   /* octets of the file, valid during one walk */
};

/*
 * Begin with the segment survey->numbers[i], whose open file is `fd`. -EAGAIN: nobody has written
 * to it yet.
 */
int rp_reader_live_open(struct rp_reader_live *live,
                        const struct rp_survey_lane *survey,
                        size_t i,
                        int fd);

/* Takes a zeroed struct, too. */
void rp_reader_live_close(struct rp_reader_live *live);

/*
 * Go on to the message before sequence `bound`, all of which are committed. What is damaged on the
 * way becomes a DAMAGED entry. 0, -ENOMEM or what a system call said.
 */
int rp_reader_live_walk(struct rp_reader_live *live,
                        const struct rp_survey_lane *survey,
                        size_t i,
                        int fd,
                        uint64_t bound);

#endif
