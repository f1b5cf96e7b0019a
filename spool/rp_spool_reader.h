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
 * the doorbell's count of waiters). Only committed messages are seen; where no daemon is at
 * work, also such whose commit ended with the daemon or the machine. A damaged record
 * is -EBADMSG, never handed out. One thread uses a reader at a time. Needs libc and
 * xxHash. Functions return 0 or a negative errno unless they say else.
 */
#ifndef RP_SPOOL_READER_H
#define RP_SPOOL_READER_H

#include "rp_spool_format.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rp_spool_reader;

/*
 * -ENOENT: there is nothing; -ENOTDIR; -EINVAL: it is no spool; -EPROTONOSUPPORT: of another
 * version; -EBADMSG: spool.meta is damaged, and no other file says what it was; -ENOMEM; what
 * open(2) and mmap(2) say.
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
 * that is not older: for looking around. To go on where one stopped store a cursor instead: what
 * was complete earlier but was committed later in another lane is before that place.
 * -ENOENT, -EINVAL as rp_spool_reader_find. */
int rp_spool_reader_seek_id(struct rp_spool_reader *reader,
                            struct rp_spool_cursor *cursor,
                            const char *id);

/*
 * The cursor as a line of text, without its end, to be stored and loaded later, by another process,
 * after restarts of the daemon, with more lanes than there were: nothing is lost and nothing
 * repeated. An id cannot say as much: lanes have no common order. (FORMAT.md, Cursors)
 */
#define RP_SPOOL_CURSOR_TEXT_MAX 12288 /* octets with the NUL */
void rp_spool_reader_save_cursor(const struct rp_spool_reader *reader,
                                 const struct rp_spool_cursor *cursor,
                                 char text_out[RP_SPOOL_CURSOR_TEXT_MAX]);

/* An end of line behind it is taken. -EINVAL: it is no cursor; -EBADMSG: damaged; -EXDEV: of
 * another spool. */
int rp_spool_reader_load_cursor(const struct rp_spool_reader *reader,
                                const char *text,
                                struct rp_spool_cursor *cursor_out);

/* -EINVAL: not an id; -ENOENT: no such message. */
int rp_spool_reader_find(struct rp_spool_reader *reader,
                         const char *id,
                         struct rp_spool_entry *entry_out);

/*
 * The caller goes along with somebody who writes: to be said before the first
 * rp_spool_reader_next. Where that is on another machine (a network file system, a virtual one),
 * nobody tells what is committed; a batch that is not whole may be on its way, and what is behind
 * its first gap then waits until the file has not changed for a second.
 */
void rp_spool_reader_follow(struct rp_spool_reader *reader);

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
 * body's file that is short, long or altered); -EIO and other errors of a disk: it cannot be read;
 * -ENOENT: missing, a big body's file or the segment is gone.
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
    uint64_t damaged;     /* messages that are known to be lost, whatever the reason */
    uint64_t segments;    /* files */
    uint64_t disk_octets; /* blocks that segments, indexes and big bodies take */
    uint64_t oldest_ns;   /* 0 where there is no message */
    uint64_t newest_ns;
};
int rp_spool_reader_stats(struct rp_spool_reader *reader, struct rp_spool_stats *stats_out);

/* What is wrong with a spool but is no entry, so that next and view_open cannot say it. */
enum rp_spool_problem_kind {
    RP_SPOOL_PROBLEM_META,    /* spool.meta is damaged or gone; other files say what it was */
    RP_SPOOL_PROBLEM_MISSING, /* no file has these `count` sequences, from `sequence` on */
    /* Behind the last known message of `segment` are octets that nobody can explain, or its file
     * was cut, or only an index is left that says nothing: there may have been messages. */
    RP_SPOOL_PROBLEM_DAMAGED,
    RP_SPOOL_PROBLEM_UNREADABLE, /* likewise: octets that the disk cannot read */
    /* No loss: the write of the last batch of `segment` was not finished; nobody was told of its
     * messages. `count` of them are not whole (0: not known). */
    RP_SPOOL_PROBLEM_UNFINISHED,
};

struct rp_spool_problem {
    enum rp_spool_problem_kind kind;
    uint32_t lane;
    uint64_t segment;  /* 0 for META and MISSING */
    uint64_t sequence; /* MISSING */
    uint64_t count;    /* MISSING, UNFINISHED */
};

/* `each` is called for every problem of the spool, in the order of lanes and segments, until it
 * does not return 0; that value is returned. 0 or a negative errno of our own otherwise. */
typedef int (*rp_spool_problem_fn)(void *context, const struct rp_spool_problem *problem);
int rp_spool_reader_problems(struct rp_spool_reader *reader,
                             rp_spool_problem_fn each,
                             void *context);

#ifdef __cplusplus
}
#endif

#endif
