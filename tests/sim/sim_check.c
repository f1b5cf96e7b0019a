/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_check.c - what the spool shows, message by message.
 */
#include "sim_check.h"

#include "sim_mail.h"
#include "sim_trace.h"
#include "spool/rp_spool_reader.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

/* ---- one message ---- */

static bool is_text(const struct rp_spool_item *item, const char *text)
{
    return item->len == strlen(text) && memcmp(item->value, text, item->len) == 0;
}

/* The message that has this envelope: its number stands in the first recipient. */
static struct sim_mail *find_mail(const struct rp_spool_message_view *view, const char *id)
{
    struct rp_spool_item item;
    size_t position = 0;
    while (rp_spool_view_item(view, &position, &item)) {
        if (item.tag == RP_SPOOL_TAG_RECIPIENT) {
            struct sim_mail *mail = sim_mail_find(sim_mail_number_of(item.value, item.len));
            if (mail != NULL) {
                return mail;
            }
        }
    }
    sim_trace_fail("%s: no client has sent this", id);
}

static void check_sender(const struct sim_mail *mail,
                         const struct rp_spool_item *item,
                         const char *id)
{
    for (uint32_t i = 0; i < mail->sender_count; i++) {
        bool may_be = mail->sender_fates[i] != SIM_FATE_REFUSED;
        if (may_be && is_text(item, mail->senders[i])) {
            return;
        }
    }
    sim_trace_fail("%s: \"%.*s\" did not send message %llu", id, (int)item->len,
                   (const char *)item->value, (unsigned long long)mail->number);
}

/* The next recipient of the envelope: one that was not refused, none that was taken between it
 * and the one before. Returns where to go on. */
static uint32_t check_recipient(const struct sim_mail *mail,
                                uint32_t from,
                                const struct rp_spool_item *item,
                                const char *id)
{
    for (uint32_t i = from; i < mail->recipient_count; i++) {
        char address[SIM_MAIL_ADDRESS_LEN];
        sim_mail_recipient(mail, i, address);
        if (is_text(item, address) && mail->recipient_fates[i] != SIM_FATE_REFUSED) {
            return i + 1;
        }
        if (mail->recipient_fates[i] == SIM_FATE_TAKEN) {
            break;
        }
    }
    sim_trace_fail("%s: recipient \"%.*s\" of message %llu is wrong here", id, (int)item->len,
                   (const char *)item->value, (unsigned long long)mail->number);
}

static void check_envelope(const struct rp_spool_message_view *view,
                           const struct sim_mail *mail,
                           const char *id)
{
    struct rp_spool_item item;
    size_t position = 0;
    uint32_t senders = 0;
    uint32_t next = 0;
    bool has_client = false;
    while (rp_spool_view_item(view, &position, &item)) {
        if (item.tag == RP_SPOOL_TAG_SENDER) {
            check_sender(mail, &item, id);
            senders++;
        } else if (item.tag == RP_SPOOL_TAG_RECIPIENT) {
            next = check_recipient(mail, next, &item, id);
        } else if (item.tag == RP_SPOOL_TAG_CLIENT_ADDR) {
            has_client = item.len > 8 && memcmp(item.value, "192.0.2.", 8) == 0;
        }
    }
    for (; next < mail->recipient_count; next++) {
        if (mail->recipient_fates[next] == SIM_FATE_TAKEN) {
            sim_trace_fail("%s: recipient %u of message %llu is missing", id, next,
                           (unsigned long long)mail->number);
        }
    }
    if (senders != 1 || !has_client) {
        sim_trace_fail("%s: %u senders, client address %d", id, senders, has_client);
    }
}

static void check_body(const struct rp_spool_message_view *view,
                       struct sim_mail *mail,
                       const char *id)
{
    size_t len;
    const uint8_t *body = rp_spool_view_body(view, &len);
    if (len == mail->body_len && XXH3_64bits(body, len) == mail->body_hash) {
        return;
    }
    struct sim_bytes right = {0};
    sim_mail_make_body(mail, NULL, &right);
    size_t same = 0;
    while (same < len && same < mail->body_len && body[same] == right.ptr[same]) {
        same++;
    }
    sim_trace_fail("%s: the body of message %llu has %zu octets, right are %llu, and is wrong "
                   "from octet %zu on",
                   id, (unsigned long long)mail->number, len, (unsigned long long)mail->body_len,
                   same);
}

/* Whether a message of that number or a later one has been seen. */
static bool has_later(uint64_t number)
{
    for (uint64_t i = number; i < sim_mail_count(); i++) {
        if (sim_mail_find(i)->is_found) {
            return true;
        }
    }
    return false;
}

/* A message that the reader shows: gives the client's side of it. */
static struct sim_mail *check_entry(struct rp_spool_reader *reader,
                                    const struct rp_spool_entry *entry)
{
    const char *id = entry->id.text;
    if (entry->is_damaged) {
        sim_trace_fail("%s is damaged", id);
    }
    struct rp_spool_message_view *view;
    int err = rp_spool_view_open(reader, entry, &view);
    if (err < 0) {
        sim_trace_fail("%s cannot be read: %s", id, strerror(-err));
    }
    struct sim_mail *mail = find_mail(view, id);
    if (mail->fate == SIM_FATE_REFUSED) {
        sim_trace_fail("%s: message %llu was refused", id, (unsigned long long)mail->number);
    }
    if (!mail->is_sent) {
        sim_trace_fail("%s: message %llu was not sent whole", id, (unsigned long long)mail->number);
    }
    if (mail->fate == SIM_FATE_TAKEN && strcmp(mail->id, id) != 0) {
        sim_trace_fail("%s: message %llu was said to be %s", id, (unsigned long long)mail->number,
                       mail->id);
    }
    if (mail->is_found && strcmp(mail->id, id) != 0) {
        sim_trace_fail("message %llu was %s, and now is %s", (unsigned long long)mail->number,
                       mail->id, id);
    }
    if (mail->is_lost && has_later(mail->lost_at)) {
        sim_trace_fail("%s: message %llu was gone in an earlier life", id,
                       (unsigned long long)mail->number);
    }
    if (mail->is_too_big || mail->has_bare || mail->has_long_line) {
        sim_trace_fail("%s: message %llu should have been refused", id,
                       (unsigned long long)mail->number);
    }
    check_envelope(view, mail, id);
    check_body(view, mail, id);
    rp_spool_view_close(view);
    /* What a reader has seen was committed: it must stay, 250 or not. */
    mail->is_found = true;
    mail->is_lost = false;
    (void)snprintf(mail->id, sizeof(mail->id), "%s", id);
    return mail;
}

/* ---- all messages ---- */

static struct rp_spool_reader *open_reader(const char *path)
{
    struct rp_spool_reader *reader;
    int err = rp_spool_reader_open(path, &reader);
    if (err < 0) {
        sim_trace_fail("the spool cannot be opened for reading: %s", strerror(-err));
    }
    return reader;
}

static bool next_entry(struct rp_spool_reader *reader,
                       struct rp_spool_cursor *cursor,
                       struct rp_spool_entry *entry)
{
    int res = rp_spool_reader_next(reader, cursor, entry);
    if (res < 0) {
        sim_trace_fail("the spool cannot be read: %s", strerror(-res));
    }
    return res == 1;
}

/* Go through all that the reader shows and count how often each message is seen. */
static uint64_t read_all(struct rp_spool_reader *reader)
{
    for (uint64_t i = 0; i < sim_mail_count(); i++) {
        sim_mail_find(i)->seen = 0;
    }
    static struct rp_spool_cursor cursor; /* too big for the stack */
    cursor = (struct rp_spool_cursor){0};
    struct rp_spool_entry entry;
    uint64_t count = 0;
    while (next_entry(reader, &cursor, &entry)) {
        struct sim_mail *mail = check_entry(reader, &entry);
        if (mail->seen++ > 0) {
            sim_trace_fail("%s: message %llu is there twice", entry.id.text,
                           (unsigned long long)mail->number);
        }
        count++;
    }
    return count;
}

static void require_seen(const struct sim_mail *mail, const char *who)
{
    if (mail->seen == 0 && (mail->fate == SIM_FATE_TAKEN || mail->is_found)) {
        sim_trace_fail("message %llu, %s, is missing: %s does not see it",
                       (unsigned long long)mail->number, mail->id, who);
    }
}

void sim_check_recovered(const char *path)
{
    struct rp_spool_reader *reader = open_reader(path);
    uint64_t count = read_all(reader);
    for (uint64_t i = 0; i < sim_mail_count(); i++) {
        struct sim_mail *mail = sim_mail_find(i);
        require_seen(mail, "a reader after recovery");
        if (mail->seen == 0 && !mail->is_lost) {
            mail->is_lost = true;
            mail->lost_at = sim_mail_count();
        }
        struct rp_spool_entry entry;
        if (mail->is_found && rp_spool_reader_find(reader, mail->id, &entry) != 0) {
            sim_trace_fail("message %llu is not found by its id %s",
                           (unsigned long long)mail->number, mail->id);
        }
    }
    rp_spool_reader_close(reader);
    sim_trace_add("recovered messages", count, 0, 0);
}

void sim_check_running(const char *path)
{
    struct rp_spool_reader *reader = open_reader(path);
    uint64_t count = read_all(reader);
    for (uint64_t i = 0; i < sim_mail_count(); i++) {
        require_seen(sim_mail_find(i), "a new reader");
    }
    rp_spool_reader_close(reader);
    sim_trace_add("a reader sees messages", count, 0, 0);
}

/* ---- following ---- */

static struct {
    struct rp_spool_reader *reader;
    struct rp_spool_cursor cursor;
    uint8_t *seen; /* by message number */
    uint64_t room;
} follower;

void sim_check_follow_open(const char *path)
{
    follower.reader = open_reader(path);
    follower.cursor = (struct rp_spool_cursor){0};
    follower.room = 0;
    follower.seen = NULL;
}

void sim_check_follow_look(void)
{
    uint64_t count = sim_mail_count();
    if (count > follower.room) {
        follower.seen = realloc(follower.seen, count);
        assert(follower.seen != NULL);
        memset(follower.seen + follower.room, 0, count - follower.room);
        follower.room = count;
    }
    struct rp_spool_entry entry;
    uint64_t new_count = 0;
    while (next_entry(follower.reader, &follower.cursor, &entry)) {
        const struct sim_mail *mail = check_entry(follower.reader, &entry);
        if (follower.seen[mail->number] != 0) {
            sim_trace_fail("%s: message %llu is seen twice by a follower", entry.id.text,
                           (unsigned long long)mail->number);
        }
        follower.seen[mail->number] = 1;
        new_count++;
    }
    for (uint64_t i = 0; i < count; i++) {
        const struct sim_mail *mail = sim_mail_find(i);
        if (mail->fate == SIM_FATE_TAKEN && follower.seen[i] == 0) {
            sim_trace_fail("message %llu got its 250 as %s, and a follower does not see it",
                           (unsigned long long)i, mail->id);
        }
    }
    sim_trace_add("a follower sees new ones", new_count, 0, 0);
}

void sim_check_follow_close(void)
{
    rp_spool_reader_close(follower.reader);
    free(follower.seen);
    follower.reader = NULL;
    follower.seen = NULL;
    follower.room = 0;
}
