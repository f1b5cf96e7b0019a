/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * recover.h - what is in a segment whose index cannot be trusted?
 *
 *     rp_recover_init(&recover, &source);
 *     do { rp_recover_next(&recover, &found); ... } while (found.kind != RP_RECOVER_END);
 *
 * or all at once, as index entries: rp_recover_entries.
 *
 * Pure: it works on an image of the file in memory, reads nothing behind it, allocates
 * nothing and ends for every image. It never guesses: only records whose octets have the right
 * hash are handed out, and what is between them is said to be damaged.
 */
#ifndef RECOVER_H
#define RECOVER_H

#include "rp_spool_format.h"

#include <stdbool.h>

/* ---- one segment ---- */

struct rp_recover_source {
    const uint8_t *base; /* the file's octets, from offset 0; the caller's */
    size_t len;
    uint64_t seed;           /* rp_format_seed */
    uint64_t first_sequence; /* RP_FORMAT_SEQUENCE_NONE: not known, the first whole record says */
    uint64_t limit;          /* records from this sequence on are void; _NONE: no limit */
    uint64_t cap;            /* messages that the segment has room for in its index */
};

enum rp_recover_kind {
    RP_RECOVER_MESSAGE, /* a whole message at [from, to) */
    RP_RECOVER_SUSPECT, /* header and envelope are whole, the body at [from, to) is not: damaged if
                           a DAMAGE follows, else part of the cut */
    RP_RECOVER_DAMAGE,  /* [from, to) has no whole record (suspects may be in it), but one follows
                           whose sequence is `sequence`; to == from: only sequences are missing */
    RP_RECOVER_VOID,    /* a record, or a PAD, of a sequence that a later segment uses */
    RP_RECOVER_END,     /* [from, to) is what an unfinished write left; often empty */
};

struct rp_recover_found {
    enum rp_recover_kind kind;
    uint64_t from;
    uint64_t to;
    uint64_t sequence;
    struct rp_spool_record record; /* MESSAGE, SUSPECT and VOID */
};

/* Private to recover.c. */
struct rp_recover {
    struct rp_recover_source source;
    uint64_t off;      /* looked at next */
    uint64_t next;     /* sequence that should come, or none when that is not known */
    uint64_t place;    /* SEARCHING: where the invalid place begins; VOIDING: the cut */
    uint64_t good_end; /* behind the last whole record, PADs included */
    int mode;
};

void rp_recover_init(struct rp_recover *recover, const struct rp_recover_source *source);

/* After END every call says END again. */
void rp_recover_next(struct rp_recover *recover, struct rp_recover_found *found_out);

struct rp_recover_result {
    uint64_t first_sequence; /* _NONE: not known, and count is 0 */
    uint64_t count;          /* entries written, the DAMAGED ones among them */
    uint64_t messages;       /* whole ones */
    uint64_t damaged;        /* places */
    uint64_t void_records;
    uint64_t cut_octets; /* of a batch that was not finished: from where it is torn, or behind the
                            last whole record, up to the last one that is not zero or to the
                            first void record */
    uint64_t good_end;   /* behind the last whole record; at least RP_SPOOL_BLOCK */
};

/*
 * The index entries of a segment, written to `entries`, which has room for source->cap and is all
 * zeros. `known_end`: where the lane goes on in the very next segment, so that
 * records that are missing at the end are known to be (RP_FORMAT_SEQUENCE_NONE: not known).
 * Whether the files of big bodies are there is for the caller to see.
 */
void rp_recover_entries(const struct rp_recover_source *source,
                        uint64_t known_end,
                        struct rp_spool_index_entry *entries,
                        struct rp_recover_result *result_out);

/* ---- the segments of a lane ---- */

enum rp_recover_header {
    RP_RECOVER_HEADER_GOOD,
    RP_RECOVER_HEADER_BLANK, /* zeros, or the file ends before: it never reached the disk */
    RP_RECOVER_HEADER_BAD,
    RP_RECOVER_HEADER_COUNT,
};

/* What a segment's file begins with. `len` octets of it are at `base`. */
enum rp_recover_header rp_recover_header_get(const uint8_t *base,
                                             size_t len,
                                             const uint8_t identity[16],
                                             uint32_t lane,
                                             uint64_t segment);

enum rp_recover_content {
    RP_RECOVER_TRUSTED_EMPTY, /* the index is sealed and whole, and has no entry */
    RP_RECOVER_TRUSTED,
    RP_RECOVER_SCANNED_EMPTY, /* the index says nothing, the segment was scanned */
    RP_RECOVER_SCANNED,
    RP_RECOVER_CONTENT_COUNT,
};

enum rp_recover_action {
    RP_RECOVER_KEEP,    /* all is as it should be */
    RP_RECOVER_REBUILD, /* cut the segment behind its last record, write a sealed index */
    RP_RECOVER_REINDEX, /* write a sealed index, leave the segment as it is */
    RP_RECOVER_REMOVE,  /* it was prepared and never used */
};

enum rp_recover_action rp_recover_action_get(enum rp_recover_header header,
                                             enum rp_recover_content content);

/*
 * Are these the entries of one sealed index: sequences without a hole from first_sequence on,
 * offsets in order and where a record can be?
 */
bool rp_recover_entries_are_good(const struct rp_spool_index_entry *entries,
                                 uint64_t count,
                                 uint64_t first_sequence);

#endif
