/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * states_check.c - see states_check.h.
 */
#include "states_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct checking {
    const struct states_disk *disk;
    const struct states_history *history;
    const struct states_look *look;
    struct states_tally *tally;
    char *why;
    size_t why_len;
    uint8_t shown[STATES_MESSAGES_MAX]; /* how often each was shown, whole */
};

static bool say(struct checking *checking, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool say(struct checking *checking, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    (void)vsnprintf(checking->why, checking->why_len, format, list);
    va_end(list);
    return false;
}

static bool excuse(struct checking *checking, enum states_excuse kind)
{
    checking->tally->excuses[kind]++;
    return true;
}

/* ---- what was done ---- */

static bool is_acked(const struct checking *checking, const struct states_batch *batch)
{
    return batch->ack_op < checking->disk->done;
}

static bool is_written(const struct checking *checking, const struct states_batch *batch)
{
    return batch->write_op <= checking->disk->done;
}

static bool is_void(const struct checking *checking, const struct states_batch *batch)
{
    return batch->void_op < checking->disk->done;
}

static const struct states_batch *batch_of(const struct checking *checking,
                                           const struct states_message *message)
{
    return &checking->history->batches[message->batch];
}

static bool is_intact(const struct checking *checking, const struct states_message *message)
{
    const struct states_disk *disk = checking->disk;
    return states_disk_has(disk, batch_of(checking, message)->file, message->offset,
                           message->octets, message->len) &&
           (message->big_file == 0 ||
            (disk->images[message->big_file].len == message->body_len &&
             states_disk_has(disk, message->big_file, 0, message->body, message->body_len)));
}

/* ---- what could prove a batch ---- */

/* A piece of a batch's write is as it was. */
static bool has_piece(const struct checking *checking,
                      const struct states_batch *batch,
                      uint64_t off,
                      uint64_t len)
{
    return states_disk_has(checking->disk, batch->file, off, batch->octets + (off - batch->off),
                           len);
}

/* Anything of it that recovery knows for sure: a mark, a message, the header before it. */
static bool has_anything(const struct checking *checking, const struct states_batch *batch)
{
    const uint64_t mark = sizeof(struct rp_spool_batch_mark);
    if (has_piece(checking, batch, batch->begin_off, mark) ||
        has_piece(checking, batch, batch->end_off - mark, mark) ||
        (batch->off == 0 && has_piece(checking, batch, 0, 128))) {
        return true;
    }
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct states_message *message =
            &checking->history->messages[batch->first_message + i];
        if (has_piece(checking, batch, message->offset, message->len)) {
            return true;
        }
    }
    return false;
}

/* Is the write of this operation there, whole? */
static bool op_is_intact(const struct checking *checking, size_t i)
{
    const struct states_op *op = &checking->history->ops[i];
    return i <= checking->disk->done &&
           states_disk_has(checking->disk, op->file, op->off, op->octets, op->len);
}

/* What says that a batch, which was acknowledged, ever was. */
enum proof {
    UNPROVEN,
    WEAK, /* only something whole of a later segment whose header is not */
    PROVEN,
};

static bool header_is_good(const struct checking *checking, uint32_t file)
{
    for (size_t i = 0; i < checking->history->op_count; i++) {
        const struct states_op *op = &checking->history->ops[i];
        if (op->file == file && op->octets != NULL && op->off == 0) {
            return states_disk_has(checking->disk, file, 0, op->octets, 128);
        }
    }
    return false;
}

static enum proof find_proof(const struct checking *checking, uint32_t number)
{
    enum proof proof = UNPROVEN;
    const struct states_history *history = checking->history;
    const struct states_batch *batch = &history->batches[number];
    const uint64_t end = batch->first_sequence + batch->count;
    for (uint32_t i = number + 1; i < history->batch_count; i++) {
        const struct states_batch *later = &history->batches[i];
        if (is_written(checking, later) && has_anything(checking, later)) {
            if (later->file == batch->file || header_is_good(checking, later->file)) {
                return PROVEN;
            }
            proof = WEAK;
        }
    }
    for (size_t i = batch->write_op + 1; i <= checking->disk->done && i < history->op_count; i++) {
        const struct states_op *op = &history->ops[i];
        const enum states_file_kind kind = history->files[op->file].kind;
        if (op->kind == STATES_STORE && op_is_intact(checking, i)) {
            uint64_t tail;
            memcpy(&tail, op->octets, sizeof tail);
            if (tail >= end && !states_disk_is_damaged(checking->disk, 1, 0, 64)) {
                return PROVEN;
            }
        }
        bool is_index = kind == STATES_INDEX &&
                        history->files[op->file].number >= history->files[batch->file].number;
        bool is_later =
            is_index || (kind == STATES_SEGMENT && op->off == 0 && op->file != batch->file);
        if (op->kind == STATES_WRITE && is_later && op_is_intact(checking, i)) {
            return PROVEN;
        }
    }
    return proof;
}

static bool is_zero(const uint8_t *octets, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (octets[i] != 0) {
            return false;
        }
    }
    return true;
}

/* Sectors of it that are zeros, or cut off, now and were not; *left_out: those that are neither. */
static uint64_t lost_sectors(const struct checking *checking,
                             const struct states_batch *batch,
                             uint64_t *left_out)
{
    static const uint8_t zeros[RP_SPOOL_SECTOR];
    uint64_t lost = 0;
    *left_out = 0;
    for (uint64_t off = batch->begin_off; off < batch->end_off; off += RP_SPOOL_SECTOR) {
        const uint64_t len = checking->disk->images[batch->file].len;
        const uint64_t there = off >= len                    ? 0
                               : len - off < RP_SPOOL_SECTOR ? len - off
                                                             : RP_SPOOL_SECTOR;
        if (there > 0 && !states_disk_has(checking->disk, batch->file, off, zeros, there)) {
            (*left_out)++;
        } else if (!is_zero(batch->octets + (off - batch->off), RP_SPOOL_SECTOR)) {
            lost++;
        }
    }
    return lost;
}

/* ---- what was reported ---- */

static bool has_problem(const struct checking *checking,
                        enum rp_spool_problem_kind kind,
                        uint64_t segment)
{
    for (size_t i = 0; i < checking->look->problem_count; i++) {
        if (checking->look->problems[i].kind == kind &&
            checking->look->problems[i].segment == segment) {
            return true;
        }
    }
    return false;
}

static bool is_reported(const struct checking *checking, uint64_t segment, uint64_t sequence)
{
    for (size_t i = 0; i < checking->look->seen_count; i++) {
        const struct states_seen *seen = &checking->look->seen[i];
        if (seen->kind == STATES_SEEN_DAMAGED && seen->sequence == sequence) {
            return true;
        }
    }
    for (size_t i = 0; i < checking->look->problem_count; i++) {
        const struct rp_spool_problem *problem = &checking->look->problems[i];
        if (problem->kind == RP_SPOOL_PROBLEM_MISSING && problem->sequence <= sequence &&
            sequence - problem->sequence < problem->count) {
            return true;
        }
    }
    return has_problem(checking, RP_SPOOL_PROBLEM_DAMAGED, segment) ||
           has_problem(checking, RP_SPOOL_PROBLEM_UNREADABLE, segment);
}

/* ---- acknowledged messages ---- */

/* Another message of that sequence is shown, whose write failed: since what voids it is damaged. */
static bool void_is_shown(const struct checking *checking, uint64_t sequence)
{
    for (uint32_t i = 0; i < checking->history->message_count; i++) {
        const struct states_message *message = &checking->history->messages[i];
        if (message->sequence == sequence && checking->shown[i] > 0 &&
            is_void(checking, batch_of(checking, message))) {
            return true;
        }
    }
    /* Or said to be unfinished, since it did not come through as a whole. */
    for (uint32_t i = 0; i < checking->history->batch_count; i++) {
        const struct states_batch *batch = &checking->history->batches[i];
        const uint64_t segment = checking->history->files[batch->file].number;
        if (is_void(checking, batch) && sequence - batch->first_sequence < batch->count &&
            (!checking->disk->images[batch->void_file].exists ||
             states_disk_is_damaged(checking->disk, batch->void_file, 0, 128)) &&
            has_problem(checking, RP_SPOOL_PROBLEM_UNFINISHED, segment)) {
            return true;
        }
    }
    return false;
}

static bool is_missing_for_a_reason(struct checking *checking, uint32_t number)
{
    const struct states_message *message = &checking->history->messages[number];
    const struct states_batch *batch = batch_of(checking, message);
    const uint64_t segment = checking->history->files[batch->file].number;
    const bool is_unfinished = has_problem(checking, RP_SPOOL_PROBLEM_UNFINISHED, segment);
    if (is_intact(checking, message)) {
        return (is_unfinished || has_problem(checking, RP_SPOOL_PROBLEM_UNREADABLE, segment) ||
                has_problem(checking, RP_SPOOL_PROBLEM_DAMAGED, segment)) &&
               !checking->look->is_survey && find_proof(checking, message->batch) != PROVEN &&
               excuse(checking, STATES_EXCUSE_WAITS);
    }
    if (is_reported(checking, segment, message->sequence)) {
        checking->tally->reported++;
        return true;
    }
    if (void_is_shown(checking, message->sequence)) {
        return excuse(checking, STATES_EXCUSE_HIDDEN);
    }
    const enum proof proof = find_proof(checking, message->batch);
    uint64_t left;
    uint64_t lost = lost_sectors(checking, batch, &left);
    if (proof == WEAK) {
        return ((is_unfinished && lost > 0) || left == 0) && excuse(checking, STATES_EXCUSE_WEAK);
    }
    if (proof == PROVEN) {
        return false;
    }
    if (!checking->disk->images[batch->file].exists) {
        return excuse(checking, STATES_EXCUSE_GONE);
    }
    if (is_unfinished && lost > 0) {
        return excuse(checking, STATES_EXCUSE_UNFINISHED);
    }
    if (is_unfinished && checking->disk->damage_is_misdirected) {
        return excuse(checking, STATES_EXCUSE_OVERWRITTEN);
    }
    return left == 0 && excuse(checking, STATES_EXCUSE_ZEROS);
}

static bool check_acked(struct checking *checking)
{
    const struct states_history *history = checking->history;
    for (uint32_t i = 0; i < history->message_count; i++) {
        const struct states_message *message = &history->messages[i];
        const struct states_batch *batch = batch_of(checking, message);
        if (!is_acked(checking, batch)) {
            checking->tally->unacked += checking->shown[i];
            continue;
        }
        if (checking->shown[i] == 1) {
            checking->tally->exact++;
            continue;
        }
        if (!is_missing_for_a_reason(checking, i)) {
            return say(checking, "acknowledged message %u (%s, sequence %llu, batch %u): %s", i,
                       message->id.text, (unsigned long long)message->sequence, message->batch,
                       is_intact(checking, message) ? "untouched, and not there"
                                                    : "touched, and never reported");
        }
    }
    return true;
}

/* ---- what is shown ---- */

static bool check_exact(struct checking *checking, const struct states_seen *seen)
{
    const struct states_message *message = &checking->history->messages[seen->message];
    const struct states_batch *batch = batch_of(checking, message);
    if (!is_written(checking, batch)) {
        return say(checking, "message %u is shown before it was written", seen->message);
    }
    if (is_void(checking, batch)) {
        const bool is_gone = !checking->disk->images[batch->void_file].exists;
        if (!is_gone && !states_disk_is_damaged(checking->disk, batch->void_file, 0, 128)) {
            return say(checking, "message %u (%s, sequence %llu) is shown though it is void",
                       seen->message, message->id.text, (unsigned long long)message->sequence);
        }
        checking->shown[seen->message]++;
        return excuse(checking, STATES_EXCUSE_VOID);
    }
    if (++checking->shown[seen->message] > 1) {
        return say(checking, "message %u (%s) is shown twice", seen->message, message->id.text);
    }
    return true;
}

/* Something is said to be lost. Was it ever there, and did anything happen to it? */
static bool check_lost(struct checking *checking, uint64_t sequence, const char *how)
{
    const struct states_history *history = checking->history;
    bool is_known = false;
    for (uint32_t i = 0; i < history->batch_count; i++) {
        const struct states_batch *batch = &history->batches[i];
        if (!is_written(checking, batch) || sequence < batch->first_sequence ||
            sequence - batch->first_sequence >= batch->count) {
            continue;
        }
        is_known = true;
        if (is_acked(checking, batch)) {
            return true; /* check_acked knows whether it is there as well */
        }
        const struct states_message *message =
            &history->messages[batch->first_message + (sequence - batch->first_sequence)];
        if (states_disk_is_damaged(checking->disk, batch->file, 0, batch->off + batch->len) ||
            (message->big_file != 0 &&
             states_disk_is_damaged(checking->disk, message->big_file, 0, UINT32_MAX))) {
            return true;
        }
    }
    return say(checking,
               is_known ? "sequence %llu is said to be %s: nobody was told of it, and nothing "
                          "happened to it"
                        : "sequence %llu is said to be %s: there was never such a message",
               (unsigned long long)sequence, how);
}

static bool check_seen(struct checking *checking)
{
    for (size_t i = 0; i < checking->look->seen_count; i++) {
        const struct states_seen *seen = &checking->look->seen[i];
        const unsigned long long sequence = seen->sequence;
        switch (seen->kind) {
        case STATES_SEEN_EXACT:
            if (!check_exact(checking, seen)) {
                return false;
            }
            break;
        case STATES_SEEN_DAMAGED:
            if (checking->disk->damage_count == 0) {
                return say(checking, "sequence %llu is damaged, and nothing was", sequence);
            }
            if (!check_lost(checking, seen->sequence, "damaged")) {
                return false;
            }
            break;
        case STATES_SEEN_UNFINISHED: break;
        case STATES_SEEN_WRONG:
            return say(checking, "sequence %llu at %llu of segment %llu is shown and not exact",
                       sequence, (unsigned long long)seen->offset,
                       (unsigned long long)seen->segment);
        }
    }
    return true;
}

static bool check_problem(struct checking *checking, const struct rp_spool_problem *problem)
{
    if (problem->kind == RP_SPOOL_PROBLEM_UNFINISHED) {
        return true;
    }
    if (checking->disk->damage_count == 0) {
        return say(checking, "problem %d of segment %llu (sequence %llu, %llu), without damage",
                   (int)problem->kind, (unsigned long long)problem->segment,
                   (unsigned long long)problem->sequence, (unsigned long long)problem->count);
    }
    for (uint64_t i = 0; problem->kind == RP_SPOOL_PROBLEM_MISSING && i < problem->count; i++) {
        if (i > STATES_MESSAGES_MAX || !check_lost(checking, problem->sequence + i, "missing")) {
            return i <= STATES_MESSAGES_MAX ? false : say(checking, "too much is missing");
        }
    }
    /* What the next segment said of this one may be lost, too. */
    const struct states_history *history = checking->history;
    for (uint32_t i = 0; problem->segment != 0 && i < history->file_count; i++) {
        const uint64_t number = history->files[i].number;
        if (history->files[i].kind == STATES_SEGMENT &&
            (number == problem->segment || number == problem->segment + 1) &&
            states_disk_is_damaged(checking->disk, i, 0, UINT32_MAX)) {
            return true;
        }
    }
    return problem->segment == 0 ||
           say(checking, "problem %d of segment %llu, and nothing happened to it",
               (int)problem->kind, (unsigned long long)problem->segment);
}

/* The first sector of spool.meta is damaged, and nobody says so. */
static bool check_meta(struct checking *checking)
{
    const struct states_op *op = &checking->history->ops[0];
    if (states_disk_has(checking->disk, 0, 0, op->octets, 64) ||
        has_problem(checking, RP_SPOOL_PROBLEM_META, 0)) {
        return true;
    }
    return say(checking, "spool.meta is damaged, and nobody says so");
}

/* Whether a file still says whose spool it is: then it can be opened. */
static bool has_identity(const struct checking *checking)
{
    const struct states_history *history = checking->history;
    for (size_t i = 1; i < history->op_count; i++) {
        const struct states_op *op = &history->ops[i];
        bool is_lane_meta = op->file == 0 && op->octets != NULL;
        if (is_lane_meta && states_disk_has(checking->disk, 0, op->off, op->octets, op->len)) {
            return true;
        }
    }
    for (uint32_t i = 0; i < history->file_count; i++) {
        if (history->files[i].kind == STATES_SEGMENT && header_is_good(checking, i)) {
            return true;
        }
    }
    return false;
}

bool states_check_do(const struct states_disk *disk,
                     const struct states_look *look,
                     struct states_tally *tally,
                     char *why,
                     size_t len)
{
    struct checking checking = {
        .disk = disk,
        .history = disk->history,
        .look = look,
        .tally = tally,
        .why = why,
        .why_len = len,
    };
    if (look->error != 0) {
        bool is_excused =
            states_disk_is_damaged(disk, 0, 0, RP_SPOOL_META_LEN) && !has_identity(&checking);
        return is_excused ? excuse(&checking, STATES_EXCUSE_UNOPENED)
                          : say(&checking, "the spool cannot be read: %s", strerror(-look->error));
    }
    if (!check_seen(&checking) || !check_acked(&checking) || !check_meta(&checking)) {
        return false;
    }
    for (size_t i = 0; i < look->problem_count; i++) {
        if (!check_problem(&checking, &look->problems[i])) {
            return false;
        }
    }
    return true;
}
