/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_file.h - one file: which of its octets, and whether its name, are surely on disk.
 *
 * Time is counted in epochs: sim_disk counts one on with each change. A sync covers what
 * changed up to the epoch in which it was sent off.
 */
#ifndef SIM_FILE_H
#define SIM_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SIM_FILE_SECTOR 512u
#define SIM_FILE_LIMBO  UINT64_MAX /* in place of an epoch: a sync of it failed */

enum sim_entry {
    SIM_ENTRY_DURABLE, /* the name is on disk */
    SIM_ENTRY_MADE,    /* it was made, and may be lost */
    SIM_ENTRY_REMOVED, /* it was removed, and may come back */
    SIM_ENTRY_GONE,    /* it was removed for good */
};

struct sim_file {
    char dir[64]; /* relative to the spool; "" is the spool itself */
    char name[64];
    int fd;    /* our own, for reading and writing */
    dev_t dev; /* who it is */
    ino_t ino;
    enum sim_entry entry;
    uint64_t entry_epoch; /* of the last change of `entry`, or SIM_FILE_LIMBO */
    bool was_durable;     /* the name had been before it was removed */
    uint64_t durable_size;
    uint8_t *durable; /* octets that are surely on disk, sector_count sectors */
    uint64_t *epochs; /* by sector: 0, clean; else of the last write */
    size_t sector_count;
};

/* Room for that many octets in what is known of a file. */
void sim_file_reserve(struct sim_file *file, uint64_t size);

/* Octets of the file as it is now, durable or not. */
uint64_t sim_file_size(const struct sim_file *file);

/* The octets from `from` to `end` were written. */
void sim_file_mark_dirty(struct sim_file *file, uint64_t from, uint64_t end, uint64_t epoch);

/* The sectors from `from` to `end` that were written up to that epoch are on disk. */
void sim_file_make_durable(struct sim_file *file, uint64_t from, uint64_t end, uint64_t epoch);

/* A sync worked, or failed. */
void sim_file_sync(struct sim_file *file, uint64_t epoch);
void sim_file_lose(struct sim_file *file, uint64_t epoch);

#endif
