/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rp_spool_format.h - the structures of a spool on disk. FORMAT.md says it in words.
 *
 * Little-endian, fixed sizes. Everything that is read back is checked: lengths
 * against the file, octets against an XXH3 (64 bits) hash.
 */
#ifndef RP_SPOOL_FORMAT_H
#define RP_SPOOL_FORMAT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* A spool of another version is refused. */
#define RP_SPOOL_VERSION 2u

#define RP_SPOOL_BLOCK \
    4096u                            /* a batch begins at a multiple of this: no committed block is
                                      ever written again, so no torn write can reach one */
#define RP_SPOOL_ALIGN          64u  /* a record begins at a multiple of this */
#define RP_SPOOL_SECTOR         512u /* a disk writes so many octets whole or not at all */
#define RP_SPOOL_LANES_MAX      255u /* lanes of a spool */
#define RP_SPOOL_SEGMENT_MIN    (1ull << 20)
#define RP_SPOOL_SEGMENT_MAX    (1ull << 30) /* an id has 24 bits for offset / RP_SPOOL_ALIGN */
#define RP_SPOOL_ENVELOPE_MAX   (8u << 20)   /* octets of an envelope */

#define RP_SPOOL_META_NAME      "spool.meta"
#define RP_SPOOL_DOORBELL_NAME  "doorbell"
#define RP_SPOOL_BIG_NAME       "big"
#define RP_SPOOL_LANE_FORMAT    "lane-%03u"   /* lane number */
#define RP_SPOOL_SEGMENT_FORMAT "%016llx.seg" /* segment number, from 1 */
#define RP_SPOOL_INDEX_FORMAT   "%016llx.idx"
#define RP_SPOOL_BIG_FORMAT     "%03u-%016llx.body" /* lane, big id */

#define RP_SPOOL_META_MAGIC     0x4154454d4c4f4f50ull /* "POOLMETA" */
#define RP_SPOOL_LANE_MAGIC     0x454e414c4c4f4f50ull /* "POOLLANE" */
#define RP_SPOOL_SEGMENT_MAGIC  0x474553544c4f4f50ull /* "POOLTSEG" */
#define RP_SPOOL_INDEX_MAGIC    0x584449544c4f4f50ull /* "POOLTIDX" */
#define RP_SPOOL_DOORBELL_MAGIC 0x4c4c45424c4f4f50ull /* "POOLBELL" */
#define RP_SPOOL_RECORD_MAGIC   0x43525052u           /* "RPRC" */
#define RP_SPOOL_BEGIN_MAGIC    0x47454252u           /* "RBEG" */
#define RP_SPOOL_END_MAGIC      0x444e4552u           /* "REND" */

/* spool.meta begins with this; written again, in place, when there are more lanes. */
struct rp_spool_meta {
    uint64_t hash; /* XXH3 of the octets behind this field */
    uint64_t magic;
    uint32_t version;
    uint32_t lane_count;   /* as many lanes as there have ever been workers */
    uint64_t segment_size; /* of new segments */
    uint8_t identity[16];  /* random, for ever */
    uint64_t created_ns;   /* since 1970, UTC */
    uint8_t reserved[8];
};
static_assert(sizeof(struct rp_spool_meta) == 64, "the spool's part of spool.meta is 64 octets");

/*
 * Each lane has a sector of its own in spool.meta, written before a segment gets its number: so
 * neither numbers nor sequences are used twice, whatever happens to the segments' files.
 */
struct rp_spool_lane_meta {
    uint64_t hash; /* XXH3 of the octets behind this field */
    uint64_t magic;
    uint32_t version;
    uint32_t lane;
    uint64_t next_segment;  /* all numbers below may have been used */
    uint64_t next_sequence; /* all sequences below have been used */
    uint64_t created_ns;    /* as in rp_spool_meta, and so is identity: a second copy */
    uint8_t identity[16];
};
static_assert(sizeof(struct rp_spool_lane_meta) == 64, "a lane's part of spool.meta is 64 octets");
#define RP_SPOOL_LANE_META_OFF(lane) (RP_SPOOL_SECTOR * (1ull + (lane)))
#define RP_SPOOL_META_LEN            (RP_SPOOL_SECTOR * (1ull + RP_SPOOL_LANES_MAX))

/*
 * The first RP_SPOOL_BLOCK octets of a segment begin with this. It is written in one
 * go with the segment's first batch: until then a prepared segment is all zeros.
 */
struct rp_spool_segment_header {
    uint64_t hash; /* XXH3 of the octets behind this field */
    uint64_t magic;
    uint32_t version;
    uint32_t lane;
    uint64_t segment;        /* its number: never used twice in a lane */
    uint64_t first_sequence; /* of its first record. Voids every record of an earlier segment of
                                the lane that has this sequence or a later one */
    uint64_t size;           /* octets of the file when it was prepared */
    uint8_t identity[16];    /* the spool's */
    uint64_t skipped;        /* sequences before first_sequence that were left out, because nobody
                                knows what the end of an earlier segment held */
    uint8_t reserved[56];
};
static_assert(sizeof(struct rp_spool_segment_header) == 128, "a segment's header is 128 octets");
static_assert(offsetof(struct rp_spool_segment_header, skipped) == 64, "fixed offsets");

/* The first and the last 64 octets of a batch, each with a magic of its own: what it is, told
 * twice. Zeros up to a multiple of RP_SPOOL_BLOCK follow the last. */
struct rp_spool_batch_mark {
    uint64_t hash;  /* XXH3, seeded (FORMAT.md), of the octets behind this field */
    uint32_t magic; /* RP_SPOOL_BEGIN_MAGIC or RP_SPOOL_END_MAGIC ^ the upper half of the seed */
    uint32_t batch_off; /* where the batch begins, in RP_SPOOL_BLOCKs from the segment's start */
    uint32_t len;       /* octets from the start of BEGIN to the end of END */
    uint32_t count;     /* messages; not 0 */
    uint64_t first_sequence; /* of the first of them */
    uint32_t zero_sectors;   /* sectors from BEGIN's to END's that are all zeros */
    uint8_t reserved[28];
};
static_assert(sizeof(struct rp_spool_batch_mark) == 64, "a batch's mark is 64 octets");
static_assert(offsetof(struct rp_spool_batch_mark, zero_sectors) == 32, "fixed offsets");

enum rp_spool_record_flag {
    RP_SPOOL_RECORD_BIG = 2, /* the body is a file of its own (RP_SPOOL_TAG_BIG_ID) */
};

/* A record: this header, envelope, body (unless BIG), zeros up to RP_SPOOL_ALIGN. */
struct rp_spool_record {
    uint64_t hash;  /* XXH3, seeded (FORMAT.md), of the header's octets behind this field and
                      the envelope */
    uint32_t magic; /* RP_SPOOL_RECORD_MAGIC ^ the upper half of the seed: no client can imitate
                       a record inside a body */
    uint32_t flags;
    uint32_t index;     /* of the message in its batch, from 0 */
    uint32_t batch_off; /* where the record's batch begins, in RP_SPOOL_BLOCKs from the start */
    uint32_t envelope_len;
    uint32_t place; /* where the record begins, in RP_SPOOL_ALIGNs from the segment's start: it is
                       none anywhere else, not in the body that somebody made of it */
    uint64_t body_len;
    uint64_t body_hash; /* XXH3 (seed 0) of the body */
    uint64_t sequence;  /* of the lane, from 0; without holes but for those that were skipped */
    uint64_t time_ns;   /* when the message was complete: since 1970, UTC */
};
static_assert(sizeof(struct rp_spool_record) == 64, "a record's header is 64 octets");
static_assert(offsetof(struct rp_spool_record, body_len) == 32, "fixed offsets");

/* An index begins with this; RP_SPOOL_BLOCK octets in, the entries. It is written once, when its
 * segment has got all it will have: one that is not whole says nothing. */
struct rp_spool_index_header {
    uint64_t hash; /* XXH3 of the octets from behind this field to the end of the last entry */
    uint64_t magic;
    uint32_t version;
    uint32_t lane;
    uint64_t segment;
    uint64_t first_sequence;
    uint64_t count; /* of entries */
    uint8_t identity[16];
};
static_assert(sizeof(struct rp_spool_index_header) == 64, "an index's header is 64 octets");

enum rp_spool_index_flag {
    RP_SPOOL_INDEX_BIG = 2,        /* as RP_SPOOL_RECORD_BIG */
    RP_SPOOL_INDEX_DAMAGED = 4,    /* it was committed, and recovery found no whole record of it */
    RP_SPOOL_INDEX_UNFINISHED = 8, /* its batch was never committed, though something whole of it
                                      follows: no message, nobody was told of it */
};

/* The entry of sequence S is number S - first_sequence. */
struct rp_spool_index_entry {
    uint64_t offset; /* of the record in its segment */
    uint64_t body_len;
    uint64_t sequence;
    uint64_t time_ns;
    uint64_t big_id; /* 0 unless BIG */
    uint64_t hash;   /* the record's; 0: nothing but the sequence is known */
    uint32_t envelope_len;
    uint32_t flags;
    uint8_t reserved[8];
};
static_assert(sizeof(struct rp_spool_index_entry) == 64, "an index entry is 64 octets");

/* The index has room for as many entries as the segment has KiB. */
#define RP_SPOOL_INDEX_CAP(segment_size) ((segment_size) / 1024)
#define RP_SPOOL_INDEX_LEN(segment_size) \
    (RP_SPOOL_BLOCK + RP_SPOOL_INDEX_CAP(segment_size) * sizeof(struct rp_spool_index_entry))

/* A line of its own for each lane: readers that look do not slow another lane's writer. */
struct rp_spool_doorbell_lane {
    uint64_t tail; /* sequence behind the last published record. Atomic: release, acquire */
    uint64_t
        segment;    /* number of the one that is written to; stored before its first tail. Atomic */
    uint64_t check; /* tail ^ hash of identity and lane: where it is right, the tail proves what was
                         committed, in whatever boot. Atomic */
    uint8_t reserved[40];
};

/*
 * The doorbell, mapped by daemon and readers. It is live only where boot_id is this boot's and a
 * daemon holds its lock on spool.meta: else the segments say what is there.
 */
struct rp_spool_doorbell {
    uint64_t magic;
    uint32_t version;
    uint32_t lane_count; /* atomic */
    uint8_t boot_id[16]; /* /proc/sys/kernel/random/boot_id, as 128 bits */
    uint8_t identity[16];
    uint32_t ring;       /* futex word: one more with each publication that has waiters. Atomic */
    uint32_t waiters;    /* readers in FUTEX_WAIT on `ring`. Atomic */
    uint32_t generation; /* one more each time a daemon has recovered the spool, before it stores
                            tails: readers open the files anew. Atomic */
    uint8_t reserved[4];
    struct rp_spool_doorbell_lane lanes[RP_SPOOL_LANES_MAX];
};
static_assert(offsetof(struct rp_spool_doorbell, lanes) == 64, "fixed offsets");
static_assert(sizeof(struct rp_spool_doorbell) == 64 * 256, "four pages");

/*
 * The envelope is a row of items: tag (16 bits), flags (16 bits, 0), length of the
 * value (32 bits), value, without padding. Items of unknown tags are skipped. The
 * parameters of a sender or recipient follow its item at once.
 */
enum rp_spool_tag {
    RP_SPOOL_TAG_CLIENT_ADDR = 1,   /* text: "192.0.2.1", "2001:db8::1", "unix" */
    RP_SPOOL_TAG_CLIENT_PORT = 2,   /* 16 bits */
    RP_SPOOL_TAG_LISTENER = 3,      /* text: "127.0.0.1:2525" as configured */
    RP_SPOOL_TAG_HELO = 4,          /* text: the argument of HELO, EHLO, LHLO */
    RP_SPOOL_TAG_PROTOCOL = 5,      /* text: SMTP, ESMTP, ESMTPS, ESMTPA, ... (RFC 3848) */
    RP_SPOOL_TAG_SENDER = 6,        /* text: mailbox without brackets; empty: "<>" */
    RP_SPOOL_TAG_SENDER_PARAMS = 7, /* text: as sent */
    RP_SPOOL_TAG_RECIPIENT = 8,     /* text */
    RP_SPOOL_TAG_RECIPIENT_PARAMS = 9,
    RP_SPOOL_TAG_BODY_TYPE = 10,     /* 8 bits: 0 7BIT, 1 8BITMIME, 2 BINARYMIME */
    RP_SPOOL_TAG_SMTPUTF8 = 11,      /* no value: it was asked for */
    RP_SPOOL_TAG_ARRIVAL_NS = 12,    /* 64 bits: when MAIL came, since 1970, UTC */
    RP_SPOOL_TAG_BIG_ID = 13,        /* 64 bits: the name of the body's file */
    RP_SPOOL_TAG_TLS_VERSION = 14,   /* text */
    RP_SPOOL_TAG_TLS_CIPHER = 15,    /* text */
    RP_SPOOL_TAG_AUTH_IDENTITY = 16, /* text */
    RP_SPOOL_TAG_FILLER = 17,        /* says nothing: the body begins at a block behind it */
};
#define RP_SPOOL_ITEM_HEADER 8u /* octets of tag, flags and length */

/* "000-0000000001-000040": lane, segment, offset / RP_SPOOL_ALIGN; hexadecimal. */
#define RP_SPOOL_ID_LEN      21

struct rp_spool_id {
    char text[RP_SPOOL_ID_LEN + 1]; /* NUL-terminated */
};

#endif
