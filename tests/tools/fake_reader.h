/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fake_reader.h - a spool reader in memory, chosen at link time.
 *
 * It answers what the test scripted, errors that no real disk gives on demand among
 * them, and counts what is open, so that a test sees what was not closed.
 */
#ifndef TESTS_TOOLS_FAKE_READER_H
#define TESTS_TOOLS_FAKE_READER_H

#include "spool/rp_spool_reader.h"

/* What rp_spool_reader_next says, in order: a message, or an error. */
struct fake_message {
    const char *id;
    const uint8_t *body;
    size_t body_len;
    const struct rp_spool_item *items;
    size_t item_count;
    int next_error; /* negative: what next says instead */
    int view_error; /* negative: what view_open says */
    bool is_big;
    bool is_damaged;
};

struct fake {
    const struct fake_message *messages;
    size_t message_count;
    int open_error;
    int seek_error;
    int seek_end_error;
    size_t readers_open;
    size_t views_open;
};
extern struct fake fake;

/* A view of a message without a reader: for functions that only look at it. */
struct rp_spool_message_view *fake_view(const struct fake_message *message);

/* An item of text. */
struct rp_spool_item fake_item(enum rp_spool_tag tag, const char *value);

#endif
