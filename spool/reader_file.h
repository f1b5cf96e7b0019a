/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reader_file.h - read files that anything may have happened to.
 *
 * Only regular files are opened, never through a symbolic link, never waiting (a FIFO in a
 * file's place); a short file gives fewer octets, not an error. Everything returns 0 or
 * -errno.
 */
#ifndef READER_FILE_H
#define READER_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* -ELOOP, -EISDIR, -ENXIO or -EINVAL: it is there, but no regular file. */
int rp_reader_file_open(int dir_fd, const char *name, int *fd_out, uint64_t *len_out);

/* -ENOTDIR: it is there, but no directory. */
int rp_reader_file_open_dir(int dir_fd, const char *name, int *fd_out);

/* As many octets as there are, at most `len`. */
int rp_reader_file_read(int fd, void *ptr, size_t len, uint64_t off, size_t *got_out);

/*
 * The whole file in memory of our own, so that nobody who cuts it can kill us; zeros take no
 * memory. At most RP_SPOOL_SEGMENT_MAX octets.
 */
struct rp_reader_file_image {
    uint8_t *base; /* NULL when len is 0 */
    size_t len;
    bool
        *is_unreadable; /* one for each RP_SPOOL_BLOCK that the disk could not read: there are zeros
                            in its place; NULL: it could read all */
};
int rp_reader_file_load(int fd, uint64_t file_len, struct rp_reader_file_image *image_out);

/* Takes a zeroed struct, too. */
void rp_reader_file_unload(struct rp_reader_file_image *image);

/*
 * Map the first `len` octets of a file that is at least as long, shared with those who write it.
 * *is_writable_out: also for writing (we have the right to). -EINVAL: it is shorter.
 */
int rp_reader_file_map(int dir_fd,
                       const char *name,
                       size_t len,
                       bool *is_writable_out,
                       void **map_out);

/* Map the first `len` octets (not 0) of an open file for reading. */
int rp_reader_file_map_body(int fd, uint64_t len, const uint8_t **map_out);
void rp_reader_file_unmap_body(const uint8_t *map, uint64_t len);

/* When a file (or, with name ".", the directory) was last changed, and how long it is, mixed
 * into one number; 0: there is no such file. */
uint64_t rp_reader_file_mark(int dir_fd, const char *name);

/* 0: there is no such file. */
uint64_t rp_reader_file_inode(int dir_fd, const char *name);

/* Since when it was last written to, by the clock of whoever stamped that, whatever the sign; 0:
 * there is no such file. */
int64_t rp_reader_file_age_ns(int dir_fd, const char *name);

/* Octets on disk that a file takes; 0: there is no such file. */
uint64_t rp_reader_file_blocks(int dir_fd, const char *name);

/* This boot's id, from /proc. */
int rp_reader_file_boot_id(uint8_t boot_id_out[16]);

/* Call `each` for every name in the directory, "." and ".." excepted, until it gives no 0. */
typedef int (*rp_reader_file_fn)(void *context, const char *name);
int rp_reader_file_list(int dir_fd, rp_reader_file_fn each, void *context);

/* The numbers of the segments that have a file, or an index, in a lane's directory, ascending. The
 * caller frees *numbers_out (NULL when there is none). */
int rp_reader_file_segments(int lane_fd, uint64_t **numbers_out, size_t *count_out);

/* Whether an error of rp_reader_file_open means that there is no such file, or something else in
 * its place; other errors say nothing about that. */
bool rp_reader_file_is_gone(int error);

/* Whether a daemon holds its lock on the file (FORMAT.md); where nobody can say (a file system
 * without locks): false. */
bool rp_reader_file_is_locked(int fd);

#endif
