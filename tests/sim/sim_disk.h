/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_disk.h - real files, and the knowledge of what of them would survive a power loss.
 *
 * Each request does its real system call at its (virtual) completion. Beside each file
 * that was opened through the ring stands what the disk surely has: octets, size, name.
 * What is not sure is decided at a crash (sim_crash.c).
 *
 * Made durable: by a write with RWF_DSYNC its own range, when it completes; by a sync of a
 * file all writes to it that had completed before it was sent off, and the size; by a
 * sync of a directory the names that had been made or removed before it was sent off.
 * A sync that failed leaves what it should have covered in limbo: perhaps on disk,
 * perhaps not, and no later sync changes that ("fsyncgate").
 *
 * What rp_spooldir_open has made or written is taken as durable. It leaves open directories, and
 * spool.meta: a file like those that the ring opened, but that the ring does not close.
 */
#ifndef SIM_DISK_H
#define SIM_DISK_H

#include "sim_file.h"
#include "sim_io.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Rates are of a million operations; 0: never. */
struct sim_disk_faults {
    uint32_t write_error_ppm;  /* -EIO of a write; some of the octets may be there */
    uint32_t commit_error_ppm; /* likewise of one with RWF_DSYNC */
    uint32_t error_crash_ppm;  /* and then, soon, the crash that the life is to end with */
    uint32_t sync_error_ppm;   /* -EIO */
    uint32_t short_write_ppm;
    uint32_t open_error_ppm; /* -EMFILE, -ENFILE, -EIO */
    uint32_t file_max;       /* so many may be open: then -EMFILE; 0: any number */
    uint32_t slow_ppm;       /* takes up to slow_ns */
    uint64_t slow_ns;
    uint64_t usual_ns;      /* most operations take up to this */
    uint64_t sync_ns;       /* syncs and durable writes up to this */
    uint64_t direct_block;  /* octets of a block for O_DIRECT: a power of two */
    uint64_t full_every_ns; /* about so often the disk is full ... */
    uint64_t full_ns;       /* ... for about so long */
    bool full_is_told;      /* and sim_disk_free says so */
};

/* `root`: the spool's directory, without symbolic links. */
void sim_disk_open(uint64_t seed, const char *root, const struct sim_disk_faults *faults);

/* A file that rp_spooldir_open leaves open as `fd`: `name` in the spool itself. */
void sim_disk_adopt(int fd, int spool_fd, const char *name);

/* Somebody else has removed that name, for good. */
void sim_disk_forget(const char *dir, const char *name);

/* The engine has that file open. */
bool sim_disk_is_in_use(const char *dir, const char *name);

/* `is_clean`: the engine ended by itself and must have closed what it opened. */
void sim_disk_close(bool is_clean);

/* Call `crash` in place of the count-th operation's completion (0: not at any), and where
 * error_crash_ppm says so. */
void sim_disk_crash_after(uint64_t count, void (*crash)(void));

/* ---- the engine's end: called by sim_io.c ---- */

void sim_disk_start(struct sim_request *request);
bool sim_disk_is_open(int fd);
void sim_disk_close_fd(int fd);
int sim_disk_free(uint64_t *free_out, uint64_t *total_out);
int sim_disk_link_count(int fd);

/* ---- a crash: called by sim_crash.c ---- */

/* What is still under way happens, in part, and then no more: for a crash. `is_prefix`: writes
 * come as a prefix (a killed process), else as any set of sectors (power). */
void sim_disk_interrupt(bool is_prefix);

/* All files that were opened through the ring, removed ones too. */
size_t sim_disk_count(void);
struct sim_file *sim_disk_get(size_t index);

#endif
