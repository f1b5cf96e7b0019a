/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * view.c - one message, loaded and checked.
 *
 * A record is copied before it is checked, so that what was checked is what is handed out. Each
 * length is compared with the file before memory is asked for.
 */
#include "reader.h"

#include "envelope.h"
#include "format.h"
#include "reader_file.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BIG_PIECE (256u << 10) /* octets of a big body that are read at a time */

struct rp_spool_message_view {
    const uint8_t *envelope;
    size_t envelope_len;
    const uint8_t *body;
    uint64_t body_len;
    const uint8_t *map; /* a big body's file; NULL: the body is in `octets`, or empty */
    uint8_t octets[];   /* the record */
};

/* Copy the record that the entry points to; checked: header, envelope, that it is the entry's. */
static int load_record(int fd,
                       const struct rp_spool_index_entry *entry,
                       uint64_t seed,
                       struct rp_spool_message_view **view_out,
                       struct rp_spool_record *record_out)
{
    struct rp_spool_record header;
    size_t got;
    int error = rp_reader_file_read(fd, &header, sizeof header, entry->offset, &got);
    if (error != 0) {
        return error;
    }
    const bool is_big = (header.flags & RP_SPOOL_RECORD_BIG) != 0;
    if (got < sizeof header || header.hash != entry->hash ||
        header.envelope_len != entry->envelope_len || header.body_len != entry->body_len ||
        !rp_format_record_is_sane(&header, entry->offset, seed)) {
        return -EBADMSG;
    }
    size_t len = sizeof header + header.envelope_len + (is_big ? 0 : (size_t)header.body_len);
    /* Is the file as long? One octet says so, before memory for all of them is taken. */
    uint8_t last;
    error = rp_reader_file_read(fd, &last, sizeof last, entry->offset + len - 1, &got);
    if (error != 0 || got < sizeof last) {
        return error != 0 ? error : -EBADMSG;
    }
    struct rp_spool_message_view *view = malloc(sizeof *view + len);
    if (view == NULL) {
        return -ENOMEM;
    }
    error = rp_reader_file_read(fd, view->octets, len, entry->offset, &got);
    if (error == 0 &&
        (got < len || memcmp(view->octets, &header, sizeof header) != 0 ||
         header.hash != rp_format_record_hash(view->octets, header.envelope_len, seed))) {
        error = -EBADMSG;
    }
    if (error != 0) {
        free(view);
        return error;
    }
    view->envelope = view->octets + sizeof header;
    view->envelope_len = header.envelope_len;
    view->body = view->envelope + header.envelope_len;
    view->body_len = header.body_len;
    view->map = NULL;
    *view_out = view;
    *record_out = header;
    return 0;
}

/* Its octets as read(2) gives them: an error of the disk is one here, and no signal later. */
static int check_big_body(int fd, uint64_t len, uint64_t hash)
{
    uint8_t *piece = malloc(BIG_PIECE);
    struct rp_format_hash_state state;
    int error = piece == NULL ? -ENOMEM : 0;
    rp_format_hash_init(&state, 0);
    for (uint64_t off = 0; error == 0 && off < len;) {
        size_t want = len - off < BIG_PIECE ? (size_t)(len - off) : BIG_PIECE;
        size_t got = 0;
        error = rp_reader_file_read(fd, piece, want, off, &got);
        error = error == 0 && got < want ? -EBADMSG : error;
        rp_format_hash_add(&state, piece, got);
        off += got;
    }
    free(piece);
    return error == 0 && rp_format_hash_get(&state) != hash ? -EBADMSG : error;
}

/* Read and checked once, then mapped: it takes no memory of ours, however large it is. */
static int open_big_body(const struct rp_reader_spool *spool,
                         uint32_t lane,
                         const struct rp_spool_record *record,
                         struct rp_spool_message_view *view)
{
    uint64_t big_id = rp_envelope_big_id(view->envelope, view->envelope_len);
    if (big_id == 0) {
        return -EBADMSG;
    }
    if (spool->big_fd < 0) {
        return -ENOENT;
    }
    char name[RP_FORMAT_FILE_NAME];
    rp_format_big_name(lane, big_id, name);
    int fd;
    uint64_t file_len;
    int error = rp_reader_file_open(spool->big_fd, name, &fd, &file_len);
    if (error != 0) {
        return rp_reader_file_is_gone(error) ? -ENOENT : error;
    }
    error = file_len != view->body_len ? -EBADMSG : check_big_body(fd, file_len, record->body_hash);
    if (error == 0 && file_len > 0) {
        error = rp_reader_file_map_body(fd, file_len, &view->map);
        view->body = view->map;
    }
    (void)close(fd); /* the mapping does without it */
    return error;
}

int rp_spool_view_open(struct rp_spool_reader *reader,
                       const struct rp_spool_entry *entry,
                       struct rp_spool_message_view **view_out)
{
    const struct rp_reader_spool *spool = &reader->spool;
    struct rp_spool_index_entry index_entry;
    int fd;
    int error = rp_reader_find_entry(reader, entry, &index_entry, &fd);
    if (error != 0) {
        return error;
    }
    /* Without a hash nothing but its sequence is known. Others are checked once more: a big
     * body's file may have been brought back. */
    if (index_entry.hash == 0 && (index_entry.flags & RP_SPOOL_INDEX_DAMAGED) != 0) {
        return (index_entry.flags & RP_RECOVER_ENTRY_UNREADABLE) != 0 ? -EIO : -EBADMSG;
    }
    uint64_t seed = rp_format_seed(spool->meta.identity, entry->lane, entry->segment);
    struct rp_spool_message_view *view;
    struct rp_spool_record record;
    error = load_record(fd, &index_entry, seed, &view, &record);
    if (error != 0) {
        return error;
    }
    if ((record.flags & RP_SPOOL_RECORD_BIG) != 0) {
        error = open_big_body(spool, entry->lane, &record, view);
    } else if (rp_format_hash(view->body, (size_t)view->body_len, 0) != record.body_hash) {
        error = -EBADMSG;
    }
    if (error != 0) {
        rp_spool_view_close(view);
        return error;
    }
    *view_out = view;
    return 0;
}

void rp_spool_view_close(struct rp_spool_message_view *view)
{
    if (view != NULL && view->map != NULL) {
        rp_reader_file_unmap_body(view->map, view->body_len);
    }
    free(view);
}

const uint8_t *rp_spool_view_body(const struct rp_spool_message_view *view, size_t *len_out)
{
    *len_out = (size_t)view->body_len;
    return view->body;
}

bool rp_spool_view_item(const struct rp_spool_message_view *view,
                        size_t *position,
                        struct rp_spool_item *item_out)
{
    return rp_envelope_next(view->envelope, view->envelope_len, position, item_out);
}
