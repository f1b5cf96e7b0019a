/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_file.c - sectors that are clean, dirty, or in limbo.
 */
#include "sim_file.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void sim_file_reserve(struct sim_file *file, uint64_t size)
{
    size_t count = (size_t)((size + SIM_FILE_SECTOR - 1) / SIM_FILE_SECTOR);
    if (count <= file->sector_count) {
        return;
    }
    size_t old = file->sector_count;
    count = count > 2 * old ? count : 2 * old;
    file->durable = realloc(file->durable, count * SIM_FILE_SECTOR);
    file->epochs = reallocarray(file->epochs, count, sizeof(*file->epochs));
    assert(file->durable != NULL && file->epochs != NULL);
    memset(file->durable + old * SIM_FILE_SECTOR, 0, (count - old) * SIM_FILE_SECTOR);
    memset(file->epochs + old, 0, (count - old) * sizeof(*file->epochs));
    file->sector_count = count;
}

uint64_t sim_file_size(const struct sim_file *file)
{
    struct stat found;
    int err = fstat(file->fd, &found);
    assert(err == 0);
    return (uint64_t)found.st_size;
}

void sim_file_mark_dirty(struct sim_file *file, uint64_t from, uint64_t end, uint64_t epoch)
{
    sim_file_reserve(file, end);
    for (uint64_t i = from / SIM_FILE_SECTOR; i * SIM_FILE_SECTOR < end; i++) {
        file->epochs[i] = epoch;
    }
}

void sim_file_make_durable(struct sim_file *file, uint64_t from, uint64_t end, uint64_t epoch)
{
    sim_file_reserve(file, end);
    for (uint64_t i = from / SIM_FILE_SECTOR; i * SIM_FILE_SECTOR < end; i++) {
        if (file->epochs[i] == 0 || file->epochs[i] > epoch) {
            continue;
        }
        uint8_t *sector = file->durable + i * SIM_FILE_SECTOR;
        memset(sector, 0, SIM_FILE_SECTOR);
        ssize_t len = pread(file->fd, sector, SIM_FILE_SECTOR, (off_t)(i * SIM_FILE_SECTOR));
        assert(len >= 0);
        file->epochs[i] = 0;
    }
}

void sim_file_sync(struct sim_file *file, uint64_t epoch)
{
    uint64_t size = sim_file_size(file);
    sim_file_reserve(file, size);
    sim_file_make_durable(file, 0, size, epoch);
    file->durable_size = size;
}

void sim_file_lose(struct sim_file *file, uint64_t epoch)
{
    for (size_t i = 0; i < file->sector_count; i++) {
        if (file->epochs[i] != 0 && file->epochs[i] <= epoch) {
            file->epochs[i] = SIM_FILE_LIMBO;
        }
    }
}
