/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * spooldir.h - the spool's directory: create, lock, recover, hand out lanes.
 *
 * Used at start only, with plain system calls, before any ring runs; what happens
 * later goes through io.h. One thread.
 */
#ifndef SPOOLDIR_H
#define SPOOLDIR_H

#include "spool/rp_spool_format.h"

#include <stdbool.h>
#include <stddef.h>

/* Where a lane goes on. Recovery never appends to a segment that is there already. */
struct rp_spooldir_lane {
    int fd;                 /* its directory */
    uint64_t next_segment;  /* number for its next segment */
    uint64_t next_sequence; /* of its next record */
};

/* What recovery did, for the log and for tests. */
struct rp_spooldir_report {
    uint64_t messages;         /* whole messages that are there */
    uint64_t segments;         /* that hold any */
    uint64_t segments_scanned; /* whose index could not be trusted */
    uint64_t segments_removed; /* that were prepared, but never used */
    uint64_t cut_octets;       /* of unfinished writes behind the last whole record */
    uint64_t cut_places;
    uint64_t void_records; /* whole, but refused by the run that wrote them (segment header) */
    uint64_t damaged;      /* places inside that hold no whole record */
    uint64_t big_removed;  /* big bodies that no record names */
    bool is_new;           /* the spool was created */
};

struct rp_spooldir {
    int fd;     /* the directory */
    int big_fd; /* big/ */
    int lock_fd;
    uint8_t identity[16];
    uint64_t segment_size;
    uint32_t lane_count;                /* all there are, at least the `lanes` asked for */
    struct rp_spool_doorbell *doorbell; /* mapped; the tails are set */
    struct rp_spooldir_lane lanes[RP_SPOOL_LANES_MAX];
    struct rp_spooldir_report report;
};

/*
 * Open or create (0750) the spool at `path` with at least `lanes` lanes, lock it against
 * other daemons (an OFD or flock lock that ends with the process), recover every lane, make
 * all of that durable. The parent directory must be there. An existing directory that
 * holds anything else is refused. `segment_size` is that of new segments, also for an
 * existing spool (spool.meta is rewritten when it changed).
 *
 * On failure 0 < error_len octets of `error` hold one line that says what is wrong and what
 * would be right, without the program's name; nothing stays open.
 * -EEXIST: it holds something else; -EBUSY: another daemon has it; -EPROTONOSUPPORT: a newer
 * version; -EBADMSG: spool.meta is damaged; or what a system call said.
 */
int rp_spooldir_open(struct rp_spooldir *dir,
                     const char *path,
                     uint32_t lanes,
                     uint64_t segment_size,
                     char *error,
                     size_t error_len);

/* Takes a zeroed struct, too. */
void rp_spooldir_close(struct rp_spooldir *dir);

#endif
