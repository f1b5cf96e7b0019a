/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * states_disk.h - the files at one point of a history, and what a crash makes of them.
 *
 *     states_disk_init(&disk, &history);
 *     while (disk.done < history.op_count) {
 *         states_disk_crash(&disk, STATES_CRASH_TORN, 0, &random);
 *         ...look at disk.images...
 *         states_disk_restore(&disk);
 *         states_disk_advance(&disk);
 *     }
 *     states_disk_free(&disk);
 *
 * The images have all operations before `done`, whole. What a crash or damage changes is undone by
 * restore: so a state costs no more than what is different in it.
 */
#ifndef STATES_DISK_H
#define STATES_DISK_H

#include "states_history.h"
#include "tests/sim/sim_random.h"

#define STATES_UNDO_MAX    8192u
#define STATES_DAMAGES_MAX 16u
#define STATES_PENDING_MAX 64u
#define STATES_SUBSET_BITS 8u /* so many sectors at most are lost and kept in every way */

struct states_image {
    bool exists;
    bool has_unreadable;
    size_t len;
    size_t cap;
    uint8_t *base;
    bool unreadable[STATES_SEGMENT_LEN / RP_SPOOL_BLOCK + 1];
};

/* What happens to that which is not durable. */
enum states_crash {
    STATES_CRASH_KILL,   /* the process: what it wrote is there, a write under way in part */
    STATES_CRASH_LOST,   /* power, here and below: nothing of it is there */
    STATES_CRASH_KEPT,   /* all */
    STATES_CRASH_TORN,   /* any sectors */
    STATES_CRASH_HEAD,   /* the first sectors of each write */
    STATES_CRASH_TAIL,   /* the last ones */
    STATES_CRASH_MIXED,  /* something else of each write */
    STATES_CRASH_SUBSET, /* the sectors that `variant` says */
    STATES_CRASH_COUNT,
};

struct states_range {
    uint32_t file;
    uint64_t off;
    uint64_t len;
};

struct states_undo {
    uint32_t file;
    bool is_whole_file; /* exists and len, not octets */
    bool exists;
    size_t len;
    uint64_t off;
    uint8_t *octets;
};

struct states_disk {
    const struct states_history *history;
    struct states_image images[STATES_FILES_MAX];
    size_t done;                        /* operations that are whole */
    size_t pending[STATES_PENDING_MAX]; /* those of them that are not durable */
    size_t pending_count;
    struct states_undo undo[STATES_UNDO_MAX];
    size_t undo_count;
    struct states_range damages[STATES_DAMAGES_MAX]; /* places that were changed besides */
    size_t damage_count;
    bool damage_is_misdirected; /* among them a write that came somewhere else */
};

void states_disk_init(struct states_disk *disk, const struct states_history *history);
void states_disk_free(struct states_disk *disk);

/* The next operation is done. */
void states_disk_advance(struct states_disk *disk);

/* Sectors of writes that are not durable, the one under way among them. */
uint64_t states_disk_open_sectors(const struct states_disk *disk);

/* The writes of `done` operations are whole, and the next one was under way. */
void states_disk_crash(struct states_disk *disk,
                       enum states_crash crash,
                       uint32_t variant,
                       struct sim_random *random);

/* Undo what crash and damage did. */
void states_disk_restore(struct states_disk *disk);

/* ---- damage ---- */

/* Other octets (NULL: zeros) in a file's place, as far as it goes. */
void states_disk_put(struct states_disk *disk,
                     uint32_t file,
                     uint64_t off,
                     const uint8_t *octets,
                     uint64_t len);
void states_disk_resize(struct states_disk *disk, uint32_t file, bool exists, size_t len);
void states_disk_make_unreadable(struct states_disk *disk, uint32_t file, uint64_t off);

/* Remember that this place was damaged. */
void states_disk_note(struct states_disk *disk, uint32_t file, uint64_t off, uint64_t len);

/* Whether a place was. */
bool states_disk_is_damaged(const struct states_disk *disk,
                            uint32_t file,
                            uint64_t off,
                            uint64_t len);

/* Whether a file has these octets there, and can be read. */
bool states_disk_has(const struct states_disk *disk,
                     uint32_t file,
                     uint64_t off,
                     const uint8_t *octets,
                     uint64_t len);

#endif
