/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_verify.c - one pass over the spool; then what was accepted and not met is lost.
 */
#include "load_verify.h"

#include "load_stamp.h"
#include "spool/rp_spool_reader.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* On the heap: a cursor has 4 KiB. */
struct verify {
    struct rp_spool_reader *reader;
    struct rp_spool_cursor cursor;
    struct rp_spool_cursor end; /* behind all that was there at the start */
    struct rp_spool_entry entry;
    uint32_t lane_count;
    uint64_t run;
    const struct rp_load_acks *acks; /* the caller's */
    struct rp_load_acks *met;        /* numbers that are there, whole or not */
    struct rp_load_acks *whole;      /* of these, those with a whole message */
    struct rp_load_acks *again;      /* those that are there more than once */
    struct rp_load_verify_result result;
};

__attribute__((format(printf, 2, 3))) static void add_example(struct rp_load_verify_result *result,
                                                              const char *format,
                                                              ...)
{
    if (result->example_count == RP_LOAD_VERIFY_EXAMPLES) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(result->examples[result->example_count++], sizeof(result->examples[0]), format,
                    arguments); /* a cut example is good enough */
    va_end(arguments);
}

/* ---- one message ---- */

/* A message with this number is there. 0 or -ENOMEM. */
static int meet(struct verify *verify, uint64_t number, bool is_whole)
{
    struct rp_load_verify_result *result = &verify->result;
    int is_first = rp_load_acks_insert(verify->met, number);
    int is_second = is_first == 0 ? rp_load_acks_insert(verify->again, number) : 0;
    int is_new_whole = is_whole ? rp_load_acks_insert(verify->whole, number) : 0;
    if (is_first < 0 || is_second < 0 || is_new_whole < 0) {
        return -ENOMEM;
    }
    if (is_second != 0) {
        result->duplicated++;
        add_example(result, "duplicated: message %" PRIu64 ", again as %s", number,
                    verify->entry.id.text);
    }
    if (is_new_whole != 0 && rp_load_acks_has(verify->acks, number)) {
        result->found++;
    } else if (is_new_whole != 0) {
        result->unaccepted++;
    }
    return 0;
}

static int meet_corrupted(struct verify *verify, uint64_t number, const char *what)
{
    verify->result.corrupted++;
    if (number > RP_LOAD_ACKS_NUMBER_MAX) {
        add_example(&verify->result, "corrupted: %s: %s", verify->entry.id.text, what);
        return 0;
    }
    add_example(&verify->result, "corrupted: %s, message %" PRIu64 ": %s", verify->entry.id.text,
                number, what);
    return meet(verify, number, false);
}

static int check_body(struct verify *verify, const uint8_t *body, size_t len)
{
    uint64_t number;
    enum rp_load_stamp_outcome outcome = rp_load_stamp_check(body, len, verify->run, &number);
    switch (outcome) {
    case RP_LOAD_STAMP_FOREIGN:
    case RP_LOAD_STAMP_OTHER_RUN: verify->result.foreign++; return 0;
    case RP_LOAD_STAMP_FINE:
        if (number > RP_LOAD_ACKS_NUMBER_MAX) {
            return meet_corrupted(verify, number, "a number that was never sent");
        }
        return meet(verify, number, true);
    case RP_LOAD_STAMP_DAMAGED_HEAD:
        return meet_corrupted(verify, number, "its first lines are altered");
    case RP_LOAD_STAMP_WRONG_LENGTH:
        return meet_corrupted(verify, number, "it is shorter or longer than what was sent");
    case RP_LOAD_STAMP_WRONG_HASH: return meet_corrupted(verify, number, "its text is altered");
    }
    return 0;
}

static void add_damage(struct verify *verify, const char *what)
{
    verify->result.damaged++;
    add_example(&verify->result, "damaged: %s: %s", verify->entry.id.text, what);
}

/* 0; or -errno: neither whole nor damaged, it cannot be read. */
static int check_entry(struct verify *verify)
{
    const struct rp_spool_entry *entry = &verify->entry;
    if (entry->is_damaged) {
        add_damage(verify, "the spool's recovery marked it");
        return 0;
    }
    struct rp_spool_message_view *view;
    int error = rp_spool_view_open(verify->reader, entry, &view);
    if (error == -EBADMSG) {
        add_damage(verify, "the spool's checksum does not match");
        return 0;
    }
    if (error == -ENOENT) {
        /* Else its segment was given back meanwhile: the message is not there any more. */
        if (entry->is_big) {
            add_damage(verify, "its file in big/ is missing");
        }
        return 0;
    }
    if (error != 0) {
        return error;
    }
    size_t len;
    const uint8_t *body = rp_spool_view_body(view, &len);
    error = check_body(verify, body, len);
    rp_spool_view_close(view);
    return error;
}

/* ---- all ---- */

static bool is_behind(const struct rp_spool_cursor_lane *at, const struct rp_spool_cursor_lane *end)
{
    return at->segment != end->segment ? at->segment > end->segment : at->position > end->position;
}

/* Whether nothing is left of what was there at the start: a daemon may go on taking in mail of
 * others for ever. */
static bool is_at_end(const struct verify *verify)
{
    for (uint32_t lane = 0; lane < verify->lane_count; lane++) {
        const struct rp_spool_cursor_lane *end = &verify->end.lanes[lane];
        const struct rp_spool_cursor_lane *at = &verify->cursor.lanes[lane];
        bool is_same = at->segment == end->segment && at->position == end->position;
        if (!is_same && !is_behind(at, end)) {
            return false;
        }
    }
    return true;
}

static int check_all(struct verify *verify)
{
    for (;;) {
        int found = rp_spool_reader_next(verify->reader, &verify->cursor, &verify->entry);
        if (found <= 0) {
            return found;
        }
        uint32_t lane = verify->entry.lane;
        if (is_behind(&verify->cursor.lanes[lane], &verify->end.lanes[lane])) {
            if (is_at_end(verify)) {
                return 0;
            }
            continue;
        }
        int error = check_entry(verify);
        if (error != 0) {
            return error;
        }
    }
}

static void find_lost(struct verify *verify)
{
    struct rp_load_verify_result *result = &verify->result;
    for (uint64_t number = 0; rp_load_acks_next(verify->acks, &number); number++) {
        result->accepted++;
        if (!rp_load_acks_has(verify->met, number)) {
            result->lost++;
            add_example(result, "lost: message %" PRIu64, number);
        }
    }
}

static int open_all(struct verify *verify, const char *dir)
{
    int error = rp_spool_reader_open(dir, &verify->reader);
    if (error == 0) {
        struct rp_spool_info info;
        rp_spool_reader_info(verify->reader, &info);
        verify->lane_count = info.lane_count;
        error = rp_spool_reader_seek_end(verify->reader, &verify->end);
    }
    if (error == 0) {
        error = rp_load_acks_open(&verify->met);
    }
    if (error == 0) {
        error = rp_load_acks_open(&verify->whole);
    }
    return error == 0 ? rp_load_acks_open(&verify->again) : error;
}

static void describe(int error, const char *dir, bool is_open, char *text, size_t text_len)
{
    const char *what = strerror(-error);
    if (!is_open && (error == -EINVAL || error == -ENOTDIR)) {
        what = "it is no spool: give the directory that is the server's spool.path";
    } else if (!is_open && error == -EBADMSG) {
        what = "its spool.meta is damaged";
    } else if (!is_open && error == -EPROTONOSUPPORT) {
        what = "it was written by a newer version";
    }
    (void)snprintf(text, text_len, "cannot verify %s: %s", dir, what); /* may be cut */
}

int rp_load_verify(const char *dir,
                   uint64_t run,
                   const struct rp_load_acks *acks,
                   struct rp_load_verify_result *result_out,
                   char *error,
                   size_t error_len)
{
    struct verify *verify = calloc(1, sizeof(*verify));
    if (verify == NULL) {
        describe(-ENOMEM, dir, false, error, error_len);
        return -ENOMEM;
    }
    verify->run = run;
    verify->acks = acks;
    int result = open_all(verify, dir);
    if (result == 0) {
        result = check_all(verify);
    }
    if (result == 0) {
        find_lost(verify);
        *result_out = verify->result;
    } else {
        describe(result, dir, verify->reader != NULL, error, error_len);
    }
    rp_load_acks_close(verify->again);
    rp_load_acks_close(verify->whole);
    rp_load_acks_close(verify->met);
    rp_spool_reader_close(verify->reader);
    free(verify);
    return result;
}

bool rp_load_verify_is_fine(const struct rp_load_verify_result *result)
{
    return result->lost == 0 && result->duplicated == 0 && result->corrupted == 0 &&
           result->damaged == 0;
}
