/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_check.c - what the spool shows, message by message.
 */
#include "sim_check.h"

#include "sim_damage.h"
#include "sim_mail.h"
#include "sim_syscall.h"
#include "sim_trace.h"
#include "spool/rp_spool_reader.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

/* ---- losses that a reader has reported ---- */

struct loss {
    uint64_t segment;
    uint64_t reports; /* entries that are not whole */
    uint64_t lost;    /* messages that are not there */
    uint64_t altered; /* of them, those that no unfinished write explains */
    bool is_unsure;   /* a problem says that nobody knows what was there */
    bool is_unfinished;
};

static struct {
    struct loss *list;
    size_t count;
    uint64_t missing;     /* sequences, wherever they were */
    struct sim_mail last; /* the last message that is there: its place */
} losses;

static struct loss *find_loss(uint64_t segment)
{
    for (size_t i = 0; i < losses.count; i++) {
        if (losses.list[i].segment == segment) {
            return &losses.list[i];
        }
    }
    losses.list = reallocarray(losses.list, losses.count + 1, sizeof(*losses.list));
    assert(losses.list != NULL);
    losses.list[losses.count] = (struct loss){.segment = segment};
    return &losses.list[losses.count++];
}

/* A new check; what problems have said before recovery still counts after it. */
static void reset_losses(bool keeps_problems)
{
    losses.missing = keeps_problems ? losses.missing : 0;
    losses.count = keeps_problems ? losses.count : 0;
    for (size_t i = 0; i < losses.count; i++) {
        losses.list[i].reports = losses.list[i].lost = losses.list[i].altered = 0;
    }
}

/* An entry that the reader does not hand out. */
static void report(const struct rp_spool_entry *entry, const char *what)
{
    sim_trace_add("reported: segment offset", entry->segment, entry->offset, entry->is_damaged);
    if (!sim_damage_has(entry->segment)) {
        sim_trace_fail("%s %s", entry->id.text, what);
    }
    find_loss(entry->segment)->reports++;
}

/* As many must have been reported as are not there. */
static void require_reports(const char *who)
{
    for (size_t i = 0; i < losses.count; i++) {
        const struct loss *loss = &losses.list[i];
        uint64_t lost = loss->is_unfinished ? loss->altered : loss->lost;
        if (!loss->is_unsure && lost > loss->reports + losses.missing) {
            sim_trace_fail("%s misses %llu messages of segment %llu in silence: %llu reports, "
                           "%llu missing",
                           who, (unsigned long long)lost, (unsigned long long)loss->segment,
                           (unsigned long long)loss->reports, (unsigned long long)losses.missing);
        }
    }
}

static bool is_before(const struct sim_mail *left, const struct sim_mail *right)
{
    return left->segment < right->segment ||
           (left->segment == right->segment && left->from < right->from);
}

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

/* Whether it can be there at all, under this id. */
static void check_fate(const struct sim_mail *mail, const char *id)
{
    if (mail->fate == SIM_FATE_REFUSED && !sim_damage_has_header()) {
        sim_trace_fail("%s: message %llu was refused", id, (unsigned long long)mail->number);
    }
    if (!mail->is_sent) {
        sim_trace_fail("%s: message %llu was not sent whole", id, (unsigned long long)mail->number);
    }
    if (mail->is_too_big || mail->has_bare || mail->has_long_line) {
        sim_trace_fail("%s: message %llu should have been refused", id,
                       (unsigned long long)mail->number);
    }
    if (mail->is_touched) {
        return; /* a misdirected write may have moved it, and so changed its id */
    }
    if (mail->fate == SIM_FATE_TAKEN && strcmp(mail->id, id) != 0) {
        sim_trace_fail("%s: message %llu was said to be %s", id, (unsigned long long)mail->number,
                       mail->id);
    }
    if (mail->is_found && strcmp(mail->id, id) != 0) {
        sim_trace_fail("message %llu was %s, and now is %s", (unsigned long long)mail->number,
                       mail->id, id);
    }
    if (mail->is_lost && has_later(mail->lost_at) && !sim_damage_any()) {
        sim_trace_fail("%s: message %llu was gone in an earlier life", id,
                       (unsigned long long)mail->number);
    }
}

static void note_place(struct sim_mail *mail,
                       const struct rp_spool_entry *entry,
                       const struct rp_spool_message_view *view)
{
    struct rp_spool_item item;
    size_t position = 0;
    mail->segment = entry->segment;
    mail->from = entry->offset;
    mail->end = entry->offset + sizeof(struct rp_spool_record) + entry->envelope_len;
    mail->end += entry->is_big ? 0 : entry->body_len;
    while (entry->is_big && rp_spool_view_item(view, &position, &item)) {
        if (item.tag == RP_SPOOL_TAG_BIG_ID) {
            memcpy(&mail->big_id, item.value, sizeof(mail->big_id));
        }
    }
}

/* A message that the reader shows: gives the client's side of it; NULL: it is reported as lost. */
static struct sim_mail *check_entry(struct rp_spool_reader *reader,
                                    const struct rp_spool_entry *entry)
{
    const char *id = entry->id.text;
    if (entry->is_damaged) {
        report(entry, "is damaged");
        return NULL;
    }
    struct rp_spool_message_view *view;
    int err = rp_spool_view_open(reader, entry, &view);
    if (err == -EBADMSG || err == -EIO || err == -ENOENT) {
        report(entry, "cannot be read");
        return NULL;
    }
    if (err < 0) {
        sim_trace_fail("%s cannot be read: %s", id, strerror(-err));
    }
    struct sim_mail *mail = find_mail(view, id);
    check_fate(mail, id);
    check_envelope(view, mail, id);
    check_body(view, mail, id);
    note_place(mail, entry, view);
    rp_spool_view_close(view);
    /* What a reader has seen was committed: it must stay, 250 or not. */
    mail->is_found = true;
    mail->is_lost = false;
    (void)snprintf(mail->id, sizeof(mail->id), "%s", id);
    return mail;
}

/* ---- all messages ---- */

/* NULL: it cannot be opened, for a reason. */
static struct rp_spool_reader *open_reader(const char *path)
{
    struct rp_spool_reader *reader;
    int err = rp_spool_reader_open(path, &reader);
    bool is_refused = err == -EBADMSG || err == -EINVAL || err == -EIO;
    if (is_refused && sim_damage_may_refuse()) {
        return NULL;
    }
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
    losses.last = (struct sim_mail){0};
    static struct rp_spool_cursor cursor; /* too big for the stack */
    cursor = (struct rp_spool_cursor){0};
    struct rp_spool_entry entry;
    uint64_t count = 0;
    while (next_entry(reader, &cursor, &entry)) {
        struct sim_mail *mail = check_entry(reader, &entry);
        if (mail == NULL) {
            continue;
        }
        if (is_before(&losses.last, mail)) {
            losses.last = *mail;
        }
        if (mail->seen++ > 0) {
            sim_trace_fail("%s: message %llu is there twice", entry.id.text,
                           (unsigned long long)mail->number);
        }
        count++;
    }
    return count;
}

static int look_at_problem(void *context, const struct rp_spool_problem *problem)
{
    const struct sim_check_rules *rules = context;
    sim_trace_add("problem: kind segment count", problem->kind, problem->segment, problem->count);
    if (sim_damage_any()) {
        losses.missing += problem->kind == RP_SPOOL_PROBLEM_MISSING ? problem->count : 0;
        if (problem->segment != 0) {
            struct loss *loss = find_loss(problem->segment);
            bool is_unfinished = problem->kind == RP_SPOOL_PROBLEM_UNFINISHED;
            loss->is_unfinished |= is_unfinished;
            loss->is_unsure |= !is_unfinished;
        }
    } else if (problem->kind != RP_SPOOL_PROBLEM_UNFINISHED || !rules->may_be_unfinished) {
        sim_trace_fail(
            "a reader tells of a problem: kind %d, segment %llu, sequence %llu, count %llu",
            (int)problem->kind, (unsigned long long)problem->segment,
            (unsigned long long)problem->sequence, (unsigned long long)problem->count);
    }
    return 0;
}

static void check_problems(struct rp_spool_reader *reader, const struct sim_check_rules *rules)
{
    struct sim_check_rules copy = *rules;
    int err = rp_spool_reader_problems(reader, look_at_problem, &copy);
    if (err < 0) {
        sim_trace_fail("problems cannot be asked for: %s", strerror(-err));
    }
}

/* It was told of, or seen: it must be there, or its loss be reported. */
static void require_seen(const struct sim_mail *mail, const char *who)
{
    bool is_due = mail->fate == SIM_FATE_TAKEN || mail->is_found;
    if (mail->seen > 0 || !is_due || mail->is_given_up || mail->may_vanish) {
        return;
    }
    bool is_last = mail->is_volatile && !is_before(mail, &losses.last);
    if (is_last) {
        return;
    }
    if (mail->is_touched || mail->is_unreadable || mail->is_volatile) {
        bool is_explained = mail->is_zeroed || mail->fate != SIM_FATE_TAKEN;
        find_loss(mail->segment)->lost++;
        find_loss(mail->segment)->altered += is_explained ? 0 : 1;
    } else {
        sim_trace_fail("message %llu, %s, is missing: %s does not see it",
                       (unsigned long long)mail->number, mail->id, who);
    }
}

void sim_check_at_rest(const char *path, const struct sim_check_rules *rules)
{
    reset_losses(!rules->is_raw);
    sim_syscall_arm(0, NULL);
    struct rp_spool_reader *reader = open_reader(path);
    if (reader == NULL) {
        sim_syscall_disarm();
        return;
    }
    uint64_t count = read_all(reader);
    check_problems(reader, rules);
    for (uint64_t i = 0; i < sim_mail_count(); i++) {
        struct sim_mail *mail = sim_mail_find(i);
        require_seen(mail, rules->is_raw ? "a reader before recovery" : "a reader after recovery");
        if (mail->seen == 0 && !mail->is_lost && !rules->is_raw) {
            mail->is_lost = true;
            mail->lost_at = sim_mail_count();
        }
        struct rp_spool_entry entry;
        if (mail->seen > 0 && rp_spool_reader_find(reader, mail->id, &entry) != 0) {
            sim_trace_fail("message %llu is not found by its id %s",
                           (unsigned long long)mail->number, mail->id);
        }
    }
    require_reports(rules->is_raw ? "a reader before recovery" : "a reader after recovery");
    rp_spool_reader_close(reader);
    sim_syscall_disarm();
    sim_trace_add("messages at rest", count, rules->is_raw, 0);
}

void sim_check_running(const char *path)
{
    sim_syscall_arm(0, NULL);
    struct rp_spool_reader *reader = open_reader(path);
    if (reader == NULL) {
        sim_syscall_disarm();
        return;
    }
    reset_losses(false);
    uint64_t count = read_all(reader);
    for (uint64_t i = 0; i < sim_mail_count(); i++) {
        require_seen(sim_mail_find(i), "a new reader");
    }
    sim_syscall_disarm();
    rp_spool_reader_close(reader);
    sim_trace_add("a reader sees messages", count, 0, 0);
}

void sim_check_give_up(void)
{
    for (uint64_t i = 0; i < sim_mail_count(); i++) {
        struct sim_mail *mail = sim_mail_find(i);
        bool may_miss = mail->is_touched || mail->may_vanish || mail->is_volatile;
        mail->is_given_up |= mail->seen == 0 && may_miss;
        mail->is_settled |= mail->seen > 0;
        mail->is_touched = mail->may_vanish = mail->is_volatile = mail->is_zeroed = false;
    }
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
    sim_syscall_arm(0, NULL);
    while (next_entry(follower.reader, &follower.cursor, &entry)) {
        const struct sim_mail *mail = check_entry(follower.reader, &entry);
        if (mail == NULL) {
            continue;
        }
        if (follower.seen[mail->number] != 0) {
            sim_trace_fail("%s: message %llu is seen twice by a follower", entry.id.text,
                           (unsigned long long)mail->number);
        }
        follower.seen[mail->number] = 1;
        new_count++;
    }
    sim_syscall_disarm();
    for (uint64_t i = 0; i < count; i++) {
        const struct sim_mail *mail = sim_mail_find(i);
        bool may_miss = mail->is_unreadable || mail->is_given_up;
        if (mail->fate == SIM_FATE_TAKEN && follower.seen[i] == 0 && !may_miss) {
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

/* ---- a consumer ---- */

static struct {
    struct rp_spool_cursor cursor;
    uint8_t *seen; /* by message number */
    uint64_t room;
} consumer;

void sim_check_consumer_forget(void)
{
    free(consumer.seen);
    consumer.cursor = (struct rp_spool_cursor){0};
    consumer.seen = NULL;
    consumer.room = 0;
}

static void note_consumed(const struct sim_mail *mail, const char *id)
{
    if (mail->number >= consumer.room) {
        uint64_t room = sim_mail_count();
        consumer.seen = realloc(consumer.seen, room);
        assert(consumer.seen != NULL && mail->number < room);
        memset(consumer.seen + consumer.room, 0, room - consumer.room);
        consumer.room = room;
    }
    if (consumer.seen[mail->number]++ > 0) {
        sim_trace_fail("%s: a consumer with a stored cursor sees message %llu again", id,
                       (unsigned long long)mail->number);
    }
}

void sim_check_consumer_come(const char *path, uint64_t count, bool is_last)
{
    if (sim_damage_any()) {
        return;
    }
    sim_syscall_arm(0, NULL);
    struct rp_spool_reader *reader = open_reader(path);
    struct rp_spool_entry entry;
    uint64_t done = 0;
    while ((done < count || is_last) && next_entry(reader, &consumer.cursor, &entry)) {
        note_consumed(check_entry(reader, &entry), entry.id.text);
        done++;
    }
    rp_spool_reader_close(reader);
    sim_syscall_disarm();
    sim_trace_add("a consumer has read", done, is_last, 0);
    for (uint64_t i = 0; is_last && i < sim_mail_count(); i++) {
        const struct sim_mail *mail = sim_mail_find(i);
        if (mail->seen > 0 && (i >= consumer.room || consumer.seen[i] == 0)) {
            sim_trace_fail("%s: a consumer with a stored cursor never saw message %llu", mail->id,
                           (unsigned long long)i);
        }
    }
}
