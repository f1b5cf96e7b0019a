/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * format.h - what writer, reader and recovery share about the octets on disk: hashes,
 * ids, file names, and the checks of each header.
 *
 * Pure: no system call, no allocation. A check reads only the octets it is given.
 */
#ifndef FORMAT_H
#define FORMAT_H

#include "rp_spool_format.h"

#include <stdalign.h>
#include <stdbool.h>

#define RP_FORMAT_SEGMENT_MAX   ((1ull << 40) - 1) /* an id has 40 bits for it */
#define RP_FORMAT_LANE_NAME     16u                /* octets of a lane's name, with its NUL */
#define RP_FORMAT_FILE_NAME     32u                /* octets of any other name, with its NUL */
#define RP_FORMAT_SEQUENCE_MAX  (UINT64_MAX >> 1)  /* no sum of it and a count wraps */
#define RP_FORMAT_SEQUENCE_NONE UINT64_MAX         /* no such sequence; also: no limit */

/* ---- hashes ---- */

/* XXH3, 64 bits, of `len` octets. */
uint64_t rp_format_hash(const void *ptr, size_t len, uint64_t seed);

/* The same in pieces. Not to be moved while it is in use. Nothing to release. */
struct rp_format_hash_state {
    alignas(64) uint8_t octets[576];
};
void rp_format_hash_init(struct rp_format_hash_state *state, uint64_t seed);
void rp_format_hash_add(struct rp_format_hash_state *state, const void *ptr, size_t len);
uint64_t rp_format_hash_get(const struct rp_format_hash_state *state);

/* The seed of a lane's segment. */
uint64_t rp_format_seed(const uint8_t identity[16], uint32_t lane, uint64_t segment);

/* ---- ids and names ---- */

/* `offset` is a multiple of RP_SPOOL_ALIGN. */
void rp_format_id(uint32_t lane, uint64_t segment, uint64_t offset, struct rp_spool_id *id_out);

/* False: `text` is not exactly an id; nothing is written. */
bool rp_format_id_parse(const char *text,
                        uint32_t *lane_out,
                        uint64_t *segment_out,
                        uint64_t *offset_out);

void rp_format_lane_name(uint32_t lane, char name_out[RP_FORMAT_LANE_NAME]);
void rp_format_segment_name(uint64_t segment, char name_out[RP_FORMAT_FILE_NAME]);
void rp_format_index_name(uint64_t segment, char name_out[RP_FORMAT_FILE_NAME]);
void rp_format_big_name(uint32_t lane, uint64_t big_id, char name_out[RP_FORMAT_FILE_NAME]);

/* False: it is not the name of a segment (index, big body) that this version makes. */
bool rp_format_segment_name_parse(const char *name, uint64_t *segment_out);
bool rp_format_index_name_parse(const char *name, uint64_t *segment_out);
bool rp_format_big_name_parse(const char *name, uint32_t *lane_out, uint64_t *big_id_out);

/* ---- headers ---- */

/* Fill in the hash; in a lane's part of spool.meta also magic and version, in a mark its magic. */
void rp_format_meta_seal(struct rp_spool_meta *meta);
void rp_format_lane_meta_seal(struct rp_spool_lane_meta *meta);
void rp_format_segment_header_seal(struct rp_spool_segment_header *header);

/* 0; -EBADMSG: damaged; -EINVAL: whole, but nothing of ours or senseless; -EPROTONOSUPPORT:
 * whole, of another version. */
int rp_format_meta_check(const struct rp_spool_meta *meta);

/* Is it whole, and of this lane? */
bool rp_format_lane_meta_is_good(const struct rp_spool_lane_meta *meta, uint32_t lane);

/* Is it whole, and of this very segment? */
bool rp_format_segment_header_is_good(const struct rp_spool_segment_header *header,
                                      const uint8_t identity[16],
                                      uint32_t lane,
                                      uint64_t segment);

/* Put an index together: `page` has RP_SPOOL_BLOCK zeros and behind them header->count entries.
 * Fills in magic, version and hash, and copies the header there. */
void rp_format_index_seal(struct rp_spool_index_header *header, uint8_t *page);

/*
 * Is there a whole index of this very segment in the `len` octets at `page`, with entries
 * whose sequences have no hole and whose offsets are in order and where a record can be?
 */
bool rp_format_index_is_good(const uint8_t *page,
                             size_t len,
                             const uint8_t identity[16],
                             uint32_t lane,
                             uint64_t segment);

/* The doorbell's check of a lane's tail. */
uint64_t rp_format_tail_check(uint64_t tail, const uint8_t identity[16], uint32_t lane);

/* ---- in a segment ---- */

/*
 * A record's magic in a segment of this seed. It has the seed in it so that no client can
 * imitate a record inside a body: the search for the next record after a damaged place would
 * else hash whatever lengths the client chose, again and again.
 */
static inline uint32_t rp_format_record_magic(uint64_t seed)
{
    return RP_SPOOL_RECORD_MAGIC ^ (uint32_t)(seed >> 32);
}

/* The hash of a record: of its header behind the hash field, and its envelope. */
uint64_t rp_format_record_hash(const void *record, uint32_t envelope_len, uint64_t seed);

/*
 * Is there a whole record header with its envelope at `off` of a segment of which `len` octets
 * are at `base`? `off` is a multiple of RP_SPOOL_ALIGN. The body may still be damaged, or reach
 * beyond the octets that are there, but not beyond what a segment may have.
 */
bool rp_format_record_get(const uint8_t *base,
                          size_t len,
                          uint64_t off,
                          uint64_t seed,
                          struct rp_spool_record *out);

/* The same of its 64 octets alone, without the hash: for those who check that later. */
bool rp_format_record_is_sane(const struct rp_spool_record *record, uint64_t off, uint64_t seed);

/* Octets of the record in its segment: header, envelope, body (unless BIG), zeros. */
uint64_t rp_format_record_len(uint32_t envelope_len, uint64_t body_len, bool is_big);
uint64_t rp_format_record_total_len(const struct rp_spool_record *record);

/* `magic` is RP_SPOOL_BEGIN_MAGIC or RP_SPOOL_END_MAGIC. */
void rp_format_mark_seal(struct rp_spool_batch_mark *mark, uint32_t magic, uint64_t seed);

enum rp_format_mark {
    RP_FORMAT_MARK_NONE,
    RP_FORMAT_MARK_BEGIN,
    RP_FORMAT_MARK_END,
};

/* Is there a whole mark at `off`, where it says that it is? As rp_format_record_get. */
enum rp_format_mark rp_format_mark_get(const uint8_t *base,
                                       size_t len,
                                       uint64_t off,
                                       uint64_t seed,
                                       struct rp_spool_batch_mark *out);

/* The same of its 64 octets. */
enum rp_format_mark rp_format_mark_kind(const struct rp_spool_batch_mark *mark,
                                        uint64_t off,
                                        uint64_t seed);

/* Whether all of them are zeros. */
bool rp_format_is_zero(const uint8_t *base, size_t len);

#endif
