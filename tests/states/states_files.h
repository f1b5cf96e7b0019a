/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * states_files.h - a directory in memory: the reader library's own system calls, answered from a
 * disk's images.
 *
 *     states_files_show(&disk);
 *     rp_spool_reader_open(STATES_FILES_ROOT, &reader);
 *
 * The linker puts these functions (--wrap) between the library and libc; what is not about this
 * directory goes on to libc. So all that is tested is the code that is installed, and a block that
 * cannot be read is an EIO of pread(2).
 */
#ifndef STATES_FILES_H
#define STATES_FILES_H

#include "states_disk.h"

#define STATES_FILES_ROOT "/states"

/* The disk that is in STATES_FILES_ROOT; NULL: there is none. */
void states_files_show(const struct states_disk *disk);

/* Put the disk's files into a real directory that is empty. 0 or a negative errno. */
int states_files_write(const struct states_disk *disk, int dir_fd);

/* Remove all that is in a spool's directory. */
void states_files_remove(int dir_fd);

#endif
