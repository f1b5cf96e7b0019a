/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fake_reader.c - a spool reader in memory.
 */
#include "fake_reader.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct fake fake;

struct rp_spool_reader {
    bool is_open;
};

struct rp_spool_message_view {
    const struct fake_message *message;
};

static struct rp_spool_reader the_reader;
static struct rp_spool_message_view the_view; /* one at a time is open */

struct rp_spool_message_view *fake_view(const struct fake_message *message)
{
    the_view.message = message;
    return &the_view;
}

struct rp_spool_item fake_item(enum rp_spool_tag tag, const char *value)
{
    return (struct rp_spool_item){
        .tag = (uint16_t)tag,
        .value = (const uint8_t *)value,
        .len = (uint32_t)strlen(value),
    };
}

int rp_spool_reader_open(const char *path, struct rp_spool_reader **reader_out)
{
    assert(path != NULL);
    if (fake.open_error != 0) {
        return fake.open_error;
    }
    fake.readers_open++;
    *reader_out = &the_reader;
    return 0;
}

void rp_spool_reader_close(struct rp_spool_reader *reader)
{
    fake.readers_open -= reader != NULL;
}

static struct rp_spool_entry entry_of(const struct fake_message *message)
{
    struct rp_spool_entry entry = {
        .sequence = (uint64_t)(message - fake.messages),
        .body_len = message->body_len,
        .is_big = message->is_big,
        .is_damaged = message->is_damaged,
    };
    (void)snprintf(entry.id.text, sizeof(entry.id.text), "%s", message->id);
    return entry;
}

/* Lane 0 of the cursor counts the messages. */
int rp_spool_reader_next(struct rp_spool_reader *reader,
                         struct rp_spool_cursor *cursor,
                         struct rp_spool_entry *entry_out)
{
    assert(reader == &the_reader);
    uint64_t position = cursor->lanes[0].position;
    if (position >= fake.message_count) {
        return 0;
    }
    const struct fake_message *message = &fake.messages[position];
    cursor->lanes[0].position++;
    if (message->next_error != 0) {
        return message->next_error;
    }
    *entry_out = entry_of(message);
    return 1;
}

int rp_spool_reader_seek_end(struct rp_spool_reader *reader, struct rp_spool_cursor *cursor)
{
    assert(reader == &the_reader);
    cursor->lanes[0].position = fake.message_count;
    return fake.seek_end_error;
}

int rp_spool_reader_find(struct rp_spool_reader *reader,
                         const char *id,
                         struct rp_spool_entry *entry_out)
{
    assert(reader == &the_reader);
    for (size_t index = 0; index < fake.message_count; index++) {
        if (strcmp(fake.messages[index].id, id) == 0) {
            *entry_out = entry_of(&fake.messages[index]);
            return 0;
        }
    }
    return fake.seek_error;
}

int rp_spool_reader_seek_id(struct rp_spool_reader *reader,
                            struct rp_spool_cursor *cursor,
                            const char *id)
{
    struct rp_spool_entry entry = {0};
    int error = rp_spool_reader_find(reader, id, &entry);
    if (error == 0) {
        cursor->lanes[0].position = entry.sequence;
    }
    return error;
}

int rp_spool_view_open(struct rp_spool_reader *reader,
                       const struct rp_spool_entry *entry,
                       struct rp_spool_message_view **view_out)
{
    assert(reader == &the_reader);
    const struct fake_message *message = &fake.messages[entry->sequence];
    if (message->view_error != 0) {
        return message->view_error;
    }
    assert(fake.views_open == 0); /* memory stays flat: one message at a time */
    fake.views_open++;
    *view_out = fake_view(message);
    return 0;
}

void rp_spool_view_close(struct rp_spool_message_view *view)
{
    fake.views_open -= view != NULL;
}

const uint8_t *rp_spool_view_body(const struct rp_spool_message_view *view, size_t *len_out)
{
    *len_out = view->message->body_len;
    return view->message->body;
}

bool rp_spool_view_item(const struct rp_spool_message_view *view,
                        size_t *position,
                        struct rp_spool_item *item_out)
{
    if (*position >= view->message->item_count) {
        return false;
    }
    *item_out = view->message->items[(*position)++];
    return true;
}
