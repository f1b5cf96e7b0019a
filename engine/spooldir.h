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
    uint64_t skipped;       /* sequences before it that are left out (spool/FORMAT.md, Recovery) */
};

/* What recovery did, for the log and for tests. */
struct rp_spooldir_report {
    uint64_t messages;         /* whole messages that are there */
    uint64_t segments;         /* that hold any */
    uint64_t segments_scanned; /* whose index could not be trusted */
    uint64_t segments_removed; /* that were prepared, but never used */
    uint64_t unfinished;       /* messages lost from batches that were never committed */
    uint64_t unfinished_batches;
    uint64_t void_records; /* whole, but refused by the run that wrote them (segment header) */
    uint64_t damaged;      /* messages that were committed and are not whole any more */
    uint64_t missing;      /* sequences that no file has */
    uint64_t unsure;       /* segments with an end that nobody can explain: nothing is cut there */
    uint64_t unreadable;   /* segments of which something could not be read: left as they are */
    uint64_t big_removed;  /* big bodies that no record names */
    bool is_new;           /* the spool was created */
    bool is_meta_rebuilt;  /* spool.meta was damaged or gone */
};

struct rp_spooldir {
    int fd;      /* the directory; locked (flock) */
    int big_fd;  /* big/ */
    int meta_fd; /* spool.meta, to be written to */
    int lock_fd; /* spool.meta, locked (an open-file-description lock), which readers ask for. In
                    no ring: what that has still under way when it closes would keep the lock */
    uint8_t identity[16];
    uint64_t created_ns;
    uint64_t segment_size;
    uint32_t lane_count;                /* all there are, at least the `lanes` asked for */
    struct rp_spool_doorbell *doorbell; /* mapped; the tails are set */
    struct rp_spooldir_lane lanes[RP_SPOOL_LANES_MAX];
    struct rp_spooldir_report report;
};

/*
 * Open or create (0750) the spool at `path` with at least `lanes` lanes, lock it against
 * other daemons (locks that end with the process), recover every lane, make
 * all of that durable. The parent directory must be there. An existing directory that
 * holds anything else is refused. `segment_size` is that of new segments, also for an
 * existing spool (spool.meta is rewritten when it changed).
 *
 * On failure 0 < error_len octets of `error` hold one line that says what is wrong and what
 * would be right, without the program's name; nothing stays open.
 * -EEXIST: it holds something else; -EBUSY: another daemon has it; -EPROTONOSUPPORT: a newer
 * version; -EBADMSG: spool.meta is damaged, and no other file says what it was; or what a system
 * call said.
 */
int rp_spooldir_open(struct rp_spooldir *dir,
                     const char *path,
                     uint32_t lanes,
                     uint64_t segment_size,
                     char *error,
                     size_t error_len);

/*
 * Any thread, behind each commit. Where the disk could not take what was stored to the doorbell,
 * its pages are memory of our own from then on (the signal handler of spooldir_bell.c sees to
 * that): this says so once in the log.
 */
void rp_spooldir_check_doorbell(struct rp_spooldir *dir);

/* Takes a zeroed struct, too. */
void rp_spooldir_close(struct rp_spooldir *dir);

#endif
