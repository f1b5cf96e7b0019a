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
 * hash are handed out, and what is between them is said to be lost. Whether a lost message was ever
 * committed is told by the batch itself, or by what came after it (FORMAT.md).
 */
#ifndef RECOVER_H
#define RECOVER_H

#include "rp_spool_format.h"

#include <stdbool.h>

/* ---- one segment ---- */

struct rp_recover_source {
    const uint8_t *base; /* the file's octets, from offset 0; the caller's */
    size_t len;
    const bool *is_unreadable; /* one for each RP_SPOOL_BLOCK of the image: these octets are not the
                                  file's, nobody knows those; NULL: all could be read */
    uint64_t file_size;        /* what it was prepared with, at least; a shorter one was cut */
    bool is_blank;             /* it has no header yet: with nothing else it is being prepared */
    uint64_t seed;             /* rp_format_seed */
    uint64_t first_sequence;   /* RP_FORMAT_SEQUENCE_NONE: not known, the first whole record says */
    uint64_t limit;            /* records from this sequence on are void; _NONE: no limit */
    uint64_t proven; /* all messages below this sequence were committed; 0: nothing known */
    bool is_closed;  /* and none beyond: the very next segment says so */
    uint64_t cap;    /* messages that the segment has room for in its index */
};

enum rp_recover_kind {
    RP_RECOVER_MESSAGE, /* a whole message at [from, to) */
    RP_RECOVER_SUSPECT, /* header and envelope are whole, the body at [from, to) is not */
    RP_RECOVER_MARK,    /* a whole BEGIN or END of a batch; `sequence` is the one that comes next */
    RP_RECOVER_LOST,    /* [from, to) has no whole record (suspects may be in it), but something
                           whole follows, where `sequence` is due; to == from: only sequences are
                           missing */
    RP_RECOVER_VOID,    /* a record or mark of a sequence that a later segment uses */
    RP_RECOVER_END,     /* nothing whole is in [from, to) */
};

struct rp_recover_found {
    enum rp_recover_kind kind;
    uint64_t from;
    uint64_t to;
    uint64_t sequence;
    bool is_record;                /* `record` is filled in, else (but for END) `mark` */
    struct rp_spool_record record; /* of LOST: what follows */
    struct rp_spool_batch_mark mark;
};

/* Private to recover.c. */
struct rp_recover {
    struct rp_recover_source source;
    uint64_t off;      /* looked at next */
    uint64_t next;     /* sequence that should come, or none when that is not known */
    uint64_t place;    /* SEARCHING: where the invalid place begins */
    uint64_t good_end; /* behind the last whole record or mark; END: behind its block */
    int mode;
};

void rp_recover_init(struct rp_recover *recover, const struct rp_recover_source *source);

/* After END every call says END again. */
void rp_recover_next(struct rp_recover *recover, struct rp_recover_found *found_out);

/* Behind all that is known of a segment. */
enum rp_recover_tail {
    RP_RECOVER_TAIL_NONE,       /* nothing */
    RP_RECOVER_TAIL_UNFINISHED, /* what an unfinished write left: nobody was told of it */
    RP_RECOVER_TAIL_DAMAGED,    /* octets that nobody can explain, or the file was cut */
    RP_RECOVER_TAIL_UNREADABLE,
};

struct rp_recover_result {
    uint64_t first_sequence; /* _NONE: not known, and count is 0 */
    uint64_t count;          /* entries written, those that are not whole among them */
    uint64_t messages;       /* whole ones */
    uint64_t damaged;        /* DAMAGED entries */
    uint64_t unfinished;     /* messages known to be lost from the unfinished last batch */
    uint64_t void_records;
    enum rp_recover_tail tail;
    bool has_unreadable; /* some block could not be read */
    uint64_t
        keep_end; /* octets of the file that say something; at least RP_SPOOL_BLOCK. With a tail
                            that is DAMAGED or UNREADABLE, or has_unreadable: all of them do */
};

/*
 * The index entries of a segment, written to `entries`, which has room for source->cap and is all
 * zeros. Whether the files of big bodies are there is for the caller to see.
 */
void rp_recover_entries(const struct rp_recover_source *source,
                        struct rp_spool_index_entry *entries,
                        struct rp_recover_result *result_out);

/* The first sequence of the batch that the record or mark is of. */
uint64_t rp_recover_batch_first(const struct rp_recover_found *found);

/* An index entry's flag in memory only: the place where it was lost could not be read. */
#define RP_RECOVER_ENTRY_UNREADABLE 16u

/* Whether a block of [from, to) could not be read. */
bool rp_recover_has_unreadable(const struct rp_recover_source *source, uint64_t from, uint64_t to);

/* ---- the segments of a lane ---- */

enum rp_recover_header {
    RP_RECOVER_HEADER_GOOD,
    RP_RECOVER_HEADER_BLANK, /* zeros: it never reached the disk */
    RP_RECOVER_HEADER_BAD,   /* anything else, or unreadable */
    RP_RECOVER_HEADER_COUNT,
};

/* What a segment's file begins with. `len` octets of it are at `base`. */
enum rp_recover_header rp_recover_header_get(const uint8_t *base,
                                             size_t len,
                                             const uint8_t identity[16],
                                             uint32_t lane,
                                             uint64_t segment);

enum rp_recover_content {
    RP_RECOVER_TRUSTED_EMPTY, /* the index is whole, and has no entry */
    RP_RECOVER_TRUSTED,
    RP_RECOVER_SCANNED_EMPTY, /* the index says nothing, the segment was scanned */
    RP_RECOVER_SCANNED,
    RP_RECOVER_CONTENT_COUNT,
};

enum rp_recover_action {
    RP_RECOVER_KEEP,    /* leave it as it is */
    RP_RECOVER_REBUILD, /* give back the space behind what it has, write an index */
    RP_RECOVER_REMOVE,  /* it was prepared and never used */
};

enum rp_recover_action rp_recover_action_get(enum rp_recover_header header,
                                             enum rp_recover_content content);

#endif
