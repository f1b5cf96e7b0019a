/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rp_spool_reader.h - read a spool: list, find, load and check its messages.
 *
 *     struct rp_spool_reader *reader;
 *     rp_spool_reader_open("/var/spool/ringpost", &reader);
 *     struct rp_spool_cursor cursor = {0};
 *     while (rp_spool_reader_next(reader, &cursor, &entry) == 1) {
 *         struct rp_spool_message_view *view;
 *         if (rp_spool_view_open(reader, &entry, &view) == 0) {
 *             use(rp_spool_view_body(view, &len), len);
 *             rp_spool_view_close(view);
 *         }
 *     }
 *     rp_spool_reader_close(reader);
 *
 * The daemon may be running or not; a reader takes no lock and never writes (but for
 * the doorbell's count of waiters). Only committed messages are seen. A damaged record
 * is -EBADMSG, never handed out. One thread uses a reader at a time. Needs libc and
 * xxHash. Functions return 0 or a negative errno unless they say else.
 */
#ifndef RP_SPOOL_READER_H
#define RP_SPOOL_READER_H

#include "rp_spool_format.h"

#include <stdbool.h>

struct rp_spool_reader;

/*
 * -ENOENT: there is nothing; -ENOTDIR; -EINVAL: it is no spool; -EPROTONOSUPPORT: of a
 * newer version; -EBADMSG: spool.meta is damaged; -ENOMEM; what open(2) and mmap(2) say.
 */
int rp_spool_reader_open(const char *path, struct rp_spool_reader **reader_out);

/* NULL is fine. */
void rp_spool_reader_close(struct rp_spool_reader *reader);

struct rp_spool_info {
    uint8_t identity[16];
    uint32_t version;
    uint32_t lane_count;
    uint64_t segment_size;
    uint64_t created_ns;
};
void rp_spool_reader_info(const struct rp_spool_reader *reader, struct rp_spool_info *info_out);

/* One message, or one damaged place, as the index has it. */
struct rp_spool_entry {
    struct rp_spool_id id;
    uint32_t lane;
    uint64_t segment;
    uint64_t sequence;
    uint64_t time_ns;
    uint64_t body_len;
    uint32_t envelope_len;
    bool is_big;
    bool is_damaged; /* only id, lane, segment and sequence say something */
    uint64_t offset; /* of the record in its segment */
};

/*
 * Where an iteration is, in every lane; {0}: at the start. Entries come in the order of
 * time as far as the lanes' heads tell; within a lane always in order of arrival.
 */
struct rp_spool_cursor {
    struct rp_spool_cursor_lane {
        uint64_t segment;  /* 0: before the first */
        uint64_t position; /* entry in the segment */
    } lanes[RP_SPOOL_LANES_MAX];
};

/* 1: *entry_out is the next one; 0: no more for now (later there may be); negative errno. */
int rp_spool_reader_next(struct rp_spool_reader *reader,
                         struct rp_spool_cursor *cursor,
                         struct rp_spool_entry *entry_out);

/* Put the cursor behind all that is published now. */
int rp_spool_reader_seek_end(struct rp_spool_reader *reader, struct rp_spool_cursor *cursor);

/* Put the cursor before this message of its lane, and the other lanes before the first message
 * that is not older. -ENOENT, -EINVAL as rp_spool_reader_find. */
int rp_spool_reader_seek_id(struct rp_spool_reader *reader,
                            struct rp_spool_cursor *cursor,
                            const char *id);

/* -EINVAL: not an id; -ENOENT: no such message. */
int rp_spool_reader_find(struct rp_spool_reader *reader,
                         const char *id,
                         struct rp_spool_entry *entry_out);

/*
 * Wait until something is published after the last rp_spool_reader_next that gave 0, at most
 * timeout_ms (-1: no limit). 0: look again; -ETIMEDOUT; -EINTR. Where no daemon of this boot
 * has the doorbell it looks at the files about five times a second.
 */
int rp_spool_reader_wait(struct rp_spool_reader *reader, int timeout_ms);

/* ---- one message ---- */

struct rp_spool_message_view;

/*
 * Load a message and check all of its octets. -EBADMSG: damaged (the record, or a big
 * body's file that is short, long or altered); -ENOENT: a big body's file is missing, or
 * the segment is gone.
 */
int rp_spool_view_open(struct rp_spool_reader *reader,
                       const struct rp_spool_entry *entry,
                       struct rp_spool_message_view **view_out);

/* NULL is fine. */
void rp_spool_view_close(struct rp_spool_message_view *view);

/* The body: the octets the client sent, unstuffed. Valid until the view is closed. */
const uint8_t *rp_spool_view_body(const struct rp_spool_message_view *view, size_t *len_out);

/* An item of the envelope. `value` is valid until the view is closed; no NUL ends it. */
struct rp_spool_item {
    uint16_t tag; /* enum rp_spool_tag */
    const uint8_t *value;
    uint32_t len;
};

/* Items in order: *position begins at 0. True: *item_out is the next one. */
bool rp_spool_view_item(const struct rp_spool_message_view *view,
                        size_t *position,
                        struct rp_spool_item *item_out);

/* ---- the whole spool ---- */

struct rp_spool_stats {
    uint64_t messages;
    uint64_t body_octets;
    uint64_t big_messages;
    uint64_t damaged;     /* places that recovery marked */
    uint64_t segments;    /* files */
    uint64_t disk_octets; /* blocks that segments, indexes and big bodies take */
    uint64_t oldest_ns;   /* 0 where there is no message */
    uint64_t newest_ns;
};
int rp_spool_reader_stats(struct rp_spool_reader *reader, struct rp_spool_stats *stats_out);

#endif
