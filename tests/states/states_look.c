/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * states_look.c - see states_look.h.
 */
#include "states_look.h"

#include "spool/format.h"
#include "spool/meta.h"
#include "spool/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void add_seen(struct states_look *look, const struct states_seen *seen)
{
    assert(look->seen_count < STATES_SEEN_MAX);
    look->seen[look->seen_count++] = *seen;
}

static int add_problem(void *context, const struct rp_spool_problem *problem)
{
    struct states_look *look = context;
    assert(look->problem_count < STATES_PROBLEMS_MAX);
    look->problems[look->problem_count++] = *problem;
    return 0;
}

/* ---- the survey ---- */

/* Is the file of a big body as it was? */
static bool body_is_intact(const struct states_disk *disk, const struct states_message *message)
{
    return message->big_file == 0 ||
           (disk->images[message->big_file].len == message->body_len &&
            states_disk_has(disk, message->big_file, 0, message->body, message->body_len));
}

/* The file of a segment; 0: none. */
static uint32_t segment_file(const struct states_disk *disk, uint64_t number)
{
    for (uint32_t i = 0; i < disk->history->file_count; i++) {
        if (disk->history->files[i].kind == STATES_SEGMENT &&
            disk->history->files[i].number == number) {
            return i;
        }
    }
    return 0;
}

/* A message that is shown as whole: which one is it? */
static void look_at_whole(struct states_look *look,
                          const struct states_disk *disk,
                          const struct rp_survey_segment *segment,
                          const struct rp_spool_index_entry *entry)
{
    const struct states_history *history = disk->history;
    struct states_seen seen = {
        .kind = STATES_SEEN_WRONG,
        .segment = segment->number,
        .sequence = entry->sequence,
        .offset = entry->offset,
    };
    const uint32_t file = segment_file(disk, segment->number);
    for (uint32_t i = 0; i < history->message_count; i++) {
        const struct states_message *message = &history->messages[i];
        uint64_t hash;
        memcpy(&hash, message->octets, sizeof hash);
        if (message->sequence != entry->sequence || hash != entry->hash ||
            message->body_len != entry->body_len) {
            continue;
        }
        bool is_record = states_disk_has(disk, file, entry->offset, message->octets, message->len);
        if (is_record && body_is_intact(disk, message)) {
            seen.kind = STATES_SEEN_EXACT;
        } else if (is_record || segment->is_trusted) {
            seen.kind = STATES_SEEN_DAMAGED; /* who opens it finds out */
        }
        seen.message = i;
    }
    add_seen(look, &seen);
}

static void look_at_entries(struct states_look *look,
                            const struct states_disk *disk,
                            const struct rp_survey_segment *segment)
{
    for (uint64_t i = 0; i < segment->count; i++) {
        const struct rp_spool_index_entry *entry = &segment->entries[i];
        const uint32_t kinds = RP_SPOOL_INDEX_DAMAGED | RP_SPOOL_INDEX_UNFINISHED;
        if ((entry->flags & kinds) == 0) {
            look_at_whole(look, disk, segment, entry);
            continue;
        }
        const struct states_seen seen = {
            .kind = (entry->flags & RP_SPOOL_INDEX_DAMAGED) != 0 ? STATES_SEEN_DAMAGED
                                                                 : STATES_SEEN_UNFINISHED,
            .segment = segment->number,
            .sequence = segment->first_sequence + i,
            .offset = entry->offset,
        };
        add_seen(look, &seen);
    }
}

/* The entries; the problems are the reader's. */
void states_look_survey(struct states_look *look, const struct states_disk *disk, const char *path)
{
    struct rp_spool_reader *reader;
    look->is_survey = true;
    look->seen_count = look->problem_count = 0;
    look->error = rp_spool_reader_open(path, &reader);
    if (look->error != 0) {
        return;
    }
    struct rp_reader_lane *lane = &reader->lanes[0];
    const struct rp_survey_lane survey = rp_reader_lane_survey(lane, &reader->spool);
    for (size_t i = 0; look->error == 0 && i < lane->count; i++) {
        struct rp_survey_segment segment;
        int error = rp_survey_open(&survey, i, &segment);
        if (error == 0) {
            look_at_entries(look, disk, &segment);
            rp_survey_close(&segment);
        } else if (error != -ENOENT) {
            look->error = error;
        }
    }
    if (look->error == 0) {
        look->error = rp_spool_reader_problems(reader, add_problem, look);
    }
    rp_spool_reader_close(reader);
}

/* ---- the reader library ---- */

/* Does the envelope have exactly these items? */
static bool items_are(const struct rp_spool_message_view *view, const uint8_t *items, size_t len)
{
    size_t position = 0;
    size_t at = 0;
    struct rp_spool_item item;
    while (rp_spool_view_item(view, &position, &item)) {
        if (len - at < RP_SPOOL_ITEM_HEADER + item.len || memcmp(items + at, &item.tag, 2) != 0 ||
            memcmp(items + at + RP_SPOOL_ITEM_HEADER, item.value, item.len) != 0) {
            return false;
        }
        at += RP_SPOOL_ITEM_HEADER + item.len;
    }
    return at == len;
}

static void look_at_view(struct states_look *look,
                         const struct states_disk *disk,
                         const struct rp_spool_entry *entry,
                         const struct rp_spool_message_view *view)
{
    struct states_seen seen = {
        .kind = STATES_SEEN_WRONG,
        .segment = entry->segment,
        .sequence = entry->sequence,
        .offset = entry->offset,
    };
    size_t len;
    const uint8_t *body = rp_spool_view_body(view, &len);
    for (uint32_t i = 0; i < disk->history->message_count; i++) {
        const struct states_message *message = &disk->history->messages[i];
        if (message->sequence == entry->sequence && message->body_len == len &&
            memcmp(message->body, body, len) == 0 &&
            items_are(view, message->octets + sizeof(struct rp_spool_record),
                      message->envelope_len)) {
            seen.kind = STATES_SEEN_EXACT;
            seen.message = i;
        }
    }
    add_seen(look, &seen);
}

void states_look_reader(struct states_look *look, const struct states_disk *disk, const char *path)
{
    static struct rp_spool_cursor cursor;
    struct rp_spool_reader *reader;
    look->is_survey = false;
    look->seen_count = look->problem_count = 0;
    look->error = rp_spool_reader_open(path, &reader);
    if (look->error != 0) {
        return;
    }
    memset(&cursor, 0, sizeof cursor);
    struct rp_spool_entry entry;
    int result;
    while ((result = rp_spool_reader_next(reader, &cursor, &entry)) == 1) {
        struct rp_spool_message_view *view;
        if (!entry.is_damaged && rp_spool_view_open(reader, &entry, &view) == 0) {
            look_at_view(look, disk, &entry, view);
            rp_spool_view_close(view);
            continue;
        }
        const struct states_seen seen = {
            .kind = STATES_SEEN_DAMAGED,
            .segment = entry.segment,
            .sequence = entry.sequence,
            .offset = entry.offset,
        };
        add_seen(look, &seen);
    }
    look->error = result < 0 ? result : rp_spool_reader_problems(reader, add_problem, look);
    rp_spool_reader_close(reader);
}
