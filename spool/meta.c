/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * meta.c - see meta.h.
 */
#include "meta.h"

#include "format.h"
#include "reader_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SIZE_USUAL (64ull << 20) /* of segments, where nothing says it */

/* ---- the file ---- */

/* A structure at `off`. -ENOENT: it is not all there. */
static int read_part(int fd, void *part, size_t len, uint64_t off)
{
    size_t got = 0;
    int error = rp_reader_file_read(fd, part, len, off, &got);
    return error == 0 && got < len ? -ENOENT : error;
}

/* The first lane's part that is whole. -ENOENT: there is none; other errors: none was found, but
 * some could not be read. */
static int find_lane_part(int fd, struct rp_spool_lane_meta *part)
{
    int result = -ENOENT;
    for (uint32_t i = 0; i < RP_SPOOL_LANES_MAX; i++) {
        int error = read_part(fd, part, sizeof *part, RP_SPOOL_LANE_META_OFF(i));
        if (error == 0 && rp_format_lane_meta_is_good(part, i)) {
            return 0;
        }
        result = error != 0 && error != -ENOENT ? error : result;
    }
    return result;
}

/* ---- the segments ---- */

/* The header of a segment, of whatever spool. -ENOENT: it is not whole. */
static int read_header(int lane_fd,
                       uint32_t lane,
                       uint64_t number,
                       struct rp_spool_segment_header *header)
{
    char name[RP_FORMAT_FILE_NAME];
    rp_format_segment_name(number, name);
    int fd;
    uint64_t len;
    int error = rp_reader_file_open(lane_fd, name, &fd, &len);
    if (error != 0) {
        return rp_reader_file_is_gone(error) ? -ENOENT : error;
    }
    error = read_part(fd, header, sizeof *header, 0);
    if (error == 0 && !rp_format_segment_header_is_good(header, header->identity, lane, number)) {
        error = -ENOENT;
    }
    (void)close(fd); /* it was only read */
    return error;
}

/* The first whole header of a lane. -ENOENT: there is none, or no such lane; other errors: none was
 * found, but some could not be read. */
static int find_header(int dir_fd,
                       uint32_t lane,
                       bool *has_lane_out,
                       struct rp_spool_segment_header *header)
{
    char name[RP_FORMAT_LANE_NAME];
    rp_format_lane_name(lane, name);
    int lane_fd;
    int error = rp_reader_file_open_dir(dir_fd, name, &lane_fd);
    *has_lane_out = error == 0;
    if (error != 0) {
        return error == -ENOTDIR ? -ENOENT : error;
    }
    uint64_t *numbers = NULL;
    size_t count = 0;
    error = rp_reader_file_segments(lane_fd, &numbers, &count);
    int result = error == 0 ? -ENOENT : error;
    for (size_t i = 0; i < count && result != 0; i++) {
        error = read_header(lane_fd, lane, numbers[i], header);
        result = error != -ENOENT ? error : result;
    }
    free(numbers);
    (void)close(lane_fd); /* it was only read */
    return result;
}

/* What the segments say: identity (unless it is known), size, and how many lanes there are.
 * `unread` is what could not be read so far, or -ENOENT: the result where nothing is found. */
static int ask_segments(int dir_fd, bool is_known, int unread, struct rp_spool_meta *meta)
{
    bool is_found = false;
    for (uint32_t i = 0; i < RP_SPOOL_LANES_MAX; i++) {
        struct rp_spool_segment_header header;
        bool has_lane;
        int error = find_header(dir_fd, i, &has_lane, &header);
        if (!has_lane && error != -ENOENT) {
            return error; /* there may be one: lane_count never becomes smaller */
        }
        unread = error != 0 && error != -ENOENT ? error : unread;
        meta->lane_count = has_lane ? i + 1 : meta->lane_count;
        if (error == 0 && !is_found) {
            is_found = true;
            meta->segment_size = header.size;
            if (!is_known) {
                memcpy(meta->identity, header.identity, sizeof meta->identity);
            }
        }
    }
    return (is_known || is_found) && meta->lane_count > 0 ? 0 : unread;
}

static int rebuild(int dir_fd, int fd, struct rp_spool_meta *meta)
{
    struct rp_spool_lane_meta part;
    int unread = fd >= 0 ? find_lane_part(fd, &part) : -ENOENT;
    const bool is_known = unread == 0;
    unread = is_known ? -ENOENT : unread;
    *meta = (struct rp_spool_meta){
        .magic = RP_SPOOL_META_MAGIC,
        .version = RP_SPOOL_VERSION,
        .segment_size = SIZE_USUAL,
    };
    if (is_known) {
        memcpy(meta->identity, part.identity, sizeof meta->identity);
        meta->created_ns = part.created_ns;
    }
    int error = ask_segments(dir_fd, is_known, unread, meta);
    rp_format_meta_seal(meta);
    return error;
}

int rp_meta_load(int dir_fd, struct rp_spool_meta *meta_out, bool *is_damaged_out)
{
    int fd = -1;
    uint64_t len;
    int error = rp_reader_file_open(dir_fd, RP_SPOOL_META_NAME, &fd, &len);
    bool is_there = error != -ENOENT;
    struct rp_spool_meta meta = {0};
    if (error == 0) {
        error = read_part(fd, &meta, sizeof meta, 0) == 0 ? rp_format_meta_check(&meta) : -EBADMSG;
    } else if (rp_reader_file_is_gone(error)) {
        error = -EBADMSG;
    }
    *is_damaged_out = error == -EBADMSG;
    if (*is_damaged_out) {
        error = rebuild(dir_fd, fd, &meta);
        error = error == -ENOENT && is_there ? -EBADMSG : error;
    }
    if (fd >= 0) {
        (void)close(fd); /* it was only read */
    }
    if (error == 0) {
        *meta_out = meta;
    }
    return error;
}

void rp_meta_lane(int dir_fd,
                  const uint8_t identity[16],
                  uint32_t lane,
                  struct rp_spool_lane_meta *lane_out)
{
    int fd;
    uint64_t len;
    struct rp_spool_lane_meta part;
    *lane_out = (struct rp_spool_lane_meta){0};
    if (rp_reader_file_open(dir_fd, RP_SPOOL_META_NAME, &fd, &len) != 0) {
        return;
    }
    if (read_part(fd, &part, sizeof part, RP_SPOOL_LANE_META_OFF(lane)) == 0 &&
        rp_format_lane_meta_is_good(&part, lane) &&
        memcmp(part.identity, identity, sizeof part.identity) == 0) {
        *lane_out = part;
    }
    (void)close(fd); /* it was only read */
}
