/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reader_lane.h - one lane as a reader sees it: which segments there are, and the entries of
 * one of them at a time.
 *
 * Where the doorbell is live, the segment that is written to is read up to the lane's tail.
 * Else, and for all others, the files say what is there.
 */
#ifndef READER_LANE_H
#define READER_LANE_H

#include "reader_live.h"
#include "rp_spool_reader.h"

/* What all lanes of a reader share. */
struct rp_reader_spool {
    int fd;
    int big_fd;  /* -1: not there yet */
    int meta_fd; /* -1: it is gone; to ask whether a daemon holds its lock */
    struct rp_spool_meta meta;
    bool is_meta_damaged; /* `meta` was found out (meta.h) */
    uint8_t boot_id[16];
    struct rp_spool_doorbell *doorbell; /* NULL: not there yet */
    uint64_t bell_inode;                /* of its file */
    bool is_bell_writable;
    bool is_live;        /* the doorbell is whole, this spool's and of this boot, and a daemon is at
                            work */
    bool is_following;   /* wait at what may be on its way (rp_spool_reader_follow) */
    uint32_t generation; /* the doorbell's, when the lanes were opened */
};

enum rp_reader_lane_kind {
    RP_READER_LANE_NONE,    /* no segment is loaded */
    RP_READER_LANE_SETTLED, /* the survey says what the loaded segment has */
    RP_READER_LANE_LIVE,    /* a daemon writes to it, or did when it was loaded */
};

struct rp_reader_lane {
    uint32_t lane;
    int fd; /* -1: not there yet */
    uint64_t *numbers;
    size_t count;
    enum rp_reader_lane_kind kind;
    uint64_t loaded; /* number of the loaded segment */
    struct rp_survey_segment settled;
    struct rp_reader_live live;
    bool is_holding; /* something unfinished may still be on its way, from another machine */
    int segment_fd;  /* of segment_number; -1: none is open */
    uint64_t segment_number;
    uint64_t tail; /* the doorbell's when it was last looked at; without one 0 */
};

void rp_reader_lane_init(struct rp_reader_lane *lane, uint32_t number);
void rp_reader_lane_close(struct rp_reader_lane *lane);

/* Forget the loaded segment and list the files anew. A lane without a directory has none. */
int rp_reader_lane_refresh(struct rp_reader_lane *lane, const struct rp_reader_spool *spool);

/* The first segment in the list whose number is not less; lane->count: none. */
size_t rp_reader_lane_find(const struct rp_reader_lane *lane, uint64_t number);

/*
 * Load the segment numbers[i]. -EAGAIN: it is prepared, nobody has written to it yet;
 * -ENOENT: it is gone, and no index says what it had; other errors: of the system.
 */
int rp_reader_lane_load(struct rp_reader_lane *lane, const struct rp_reader_spool *spool, size_t i);

/* What there is to see now of the loaded segment. */
struct rp_reader_lane_entries {
    const struct rp_spool_index_entry *list;
    uint64_t first_sequence;
    uint64_t count;
    bool is_settled; /* no more will come; the next segment may be looked at */
};

/* -ESTALE: a daemon has recovered the spool meanwhile: refresh all lanes. */
int rp_reader_lane_get(struct rp_reader_lane *lane,
                       const struct rp_reader_spool *spool,
                       struct rp_reader_lane_entries *entries_out);

/* The lane as the survey wants it; `limit` and `proven` as the doorbell says. */
struct rp_survey_lane rp_reader_lane_survey(const struct rp_reader_lane *lane,
                                            const struct rp_reader_spool *spool);

/* The open file of a segment; it stays the lane's. */
int rp_reader_lane_open_file(struct rp_reader_lane *lane, uint64_t number, int *fd_out);

/* It was holding something back, and the segment has not changed for a while: look again. */
bool rp_reader_lane_is_ripe(const struct rp_reader_lane *lane);

/* Whether the spool is live now: asks anew. */
bool rp_reader_lane_spool_is_live(const struct rp_reader_spool *spool);

/* The tail now (acquire); 0 where the spool is not live. */
uint64_t rp_reader_lane_tail(const struct rp_reader_lane *lane,
                             const struct rp_reader_spool *spool);

#endif
