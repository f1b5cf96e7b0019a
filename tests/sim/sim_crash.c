/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_crash.c - copy a spool, and lose in doing so what a crash loses.
 */
#include "sim_crash.h"

#include "sim_dir.h"
#include "sim_disk.h"
#include "sim_random.h"
#include "sim_trace.h"
#include "spool/rp_spool_format.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What becomes of the unsure sectors of one file. */
enum fate {
    KEPT,
    LOST,
    TORN, /* each sector by itself, as often as not */
    HEAD, /* up to some sector they are kept */
    TAIL, /* from some sector on they are kept */
    FATE_COUNT,
};

struct copy {
    struct sim_random random;
    const char *from;
    const char *to;
    bool is_power;
};

/* ---- octets ---- */

static uint8_t *load(int fd, size_t *len_out)
{
    struct stat found;
    int err = fstat(fd, &found);
    assert(err == 0);
    size_t len = (size_t)found.st_size;
    uint8_t *octets = malloc(len + 1);
    assert(octets != NULL);
    ssize_t got = pread(fd, octets, len, 0);
    assert(got == (ssize_t)len);
    *len_out = len;
    return octets;
}

/* Zeros become holes: most of a prepared segment is zeros. */
static void store(const char *path, const uint8_t *octets, size_t len)
{
    static const uint8_t zeros[4096];
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    assert(fd >= 0);
    int err = ftruncate(fd, (off_t)len);
    assert(err == 0);
    for (size_t at = 0; at < len; at += sizeof(zeros)) {
        size_t part = len - at < sizeof(zeros) ? len - at : sizeof(zeros);
        if (memcmp(octets + at, zeros, part) != 0) {
            ssize_t put = pwrite(fd, octets + at, part, (off_t)at);
            assert(put == (ssize_t)part);
        }
    }
    close(fd);
}

/* ---- files that went through the ring ---- */

static bool keeps_sector(struct sim_random *random, enum fate fate, size_t edge, size_t index)
{
    switch (fate) {
    case KEPT: return true;
    case LOST: return false;
    case TORN: return sim_random_chance(random, 500000);
    case HEAD: return index < edge;
    case TAIL: return index >= edge;
    case FATE_COUNT: break;
    }
    return false;
}

/* The size: the one that is surely on disk, the last one, or, as rarely, one between. */
static uint64_t choose_size(struct sim_random *random, uint64_t durable, uint64_t last)
{
    uint64_t low = durable < last ? durable : last;
    uint64_t high = durable < last ? last : durable;
    switch (sim_random_below(random, 3)) {
    case 0: return durable;
    case 1: return last;
    default: return sim_random_between(random, low, high);
    }
}

static void store_survivor(struct copy *copy, const struct sim_file *file, const char *path)
{
    size_t last_len;
    uint8_t *last = load(file->fd, &last_len);
    uint64_t size = choose_size(&copy->random, file->durable_size, last_len);
    uint8_t *octets = calloc(1, size + SIM_FILE_SECTOR);
    assert(octets != NULL);
    uint64_t sure = file->durable_size < size ? file->durable_size : size;
    if (sure > 0) {
        memcpy(octets, file->durable, sure);
    }

    enum fate fate = (enum fate)sim_random_below(&copy->random, FATE_COUNT);
    size_t edge = (size_t)sim_random_below(&copy->random, file->sector_count + 1);
    uint64_t lost = 0;
    for (size_t i = 0; i < file->sector_count; i++) {
        uint64_t at = i * SIM_FILE_SECTOR;
        bool is_unsure = file->epochs[i] != 0;
        if (!is_unsure || at >= size || at >= last_len) {
            continue;
        }
        if (keeps_sector(&copy->random, fate, edge, i)) {
            uint64_t end = at + SIM_FILE_SECTOR;
            end = end < size ? end : size;
            end = end < last_len ? end : last_len;
            memcpy(octets + at, last + at, end - at);
        } else {
            lost++;
        }
    }
    sim_trace_add("  survives size lost sectors", size, lost, fate);
    store(path, octets, size);
    free(octets);
    free(last);
}

/* ---- the doorbell is mapped: the kernel writes its pages when it likes ---- */

static void scramble(struct sim_random *random, uint8_t *octets, size_t len)
{
    size_t pages = len / 4096 + 1;
    size_t count = (size_t)sim_random_between(random, 1, pages);
    for (size_t i = 0; i < count; i++) {
        size_t at = (size_t)sim_random_below(random, pages) * 4096;
        size_t end = at + 4096 < len ? at + 4096 : len;
        bool is_zero = sim_random_chance(random, 500000);
        for (; at < end; at++) {
            octets[at] = is_zero ? 0 : (uint8_t)sim_random_next(random);
        }
    }
}

/* It is a whole one, but of an earlier moment. */
static void turn_back(struct sim_random *random, uint8_t *octets)
{
    struct rp_spool_doorbell_lane lane;
    size_t at = offsetof(struct rp_spool_doorbell, lanes);
    memcpy(&lane, octets + at, sizeof(lane));
    uint64_t tail = sim_random_spread(random, 0, lane.tail);
    lane.check ^= lane.tail ^ tail;
    lane.tail = tail;
    lane.segment = sim_random_spread(random, 0, lane.segment);
    memcpy(octets + at, &lane, sizeof(lane));
}

static void store_doorbell(struct copy *copy, const char *from, const char *to)
{
    int fd = open(from, O_RDONLY | O_CLOEXEC);
    assert(fd >= 0);
    size_t len;
    uint8_t *octets = load(fd, &len);
    close(fd);
    uint64_t choice = sim_random_below(&copy->random, 8);
    sim_trace_add("  doorbell, fate", choice, 0, 0);
    if (choice == 0) {
        memset(octets, 0, len);
    } else if (choice == 1) {
        scramble(&copy->random, octets, len);
    }
    bool is_old = choice == 4 || choice == 5;
    if (is_old && len >= sizeof(struct rp_spool_doorbell)) {
        turn_back(&copy->random, octets);
    }
    size_t boot_id = offsetof(struct rp_spool_doorbell, boot_id);
    if (choice != 5 && len >= boot_id + 16) {
        octets[boot_id] ^= 0xff; /* whatever it says: it is not of this boot any more */
    }
    if (choice == 2) {
        len = (size_t)sim_random_below(&copy->random, len + 1);
    }
    if (choice != 3) {
        store(to, octets, len);
    }
    free(octets);
}

/* ---- the whole directory ---- */

static struct sim_file *find_file(const char *dir, const char *name)
{
    for (size_t i = 0; i < sim_disk_count(); i++) {
        struct sim_file *file = sim_disk_get(i);
        bool is_there = file->entry == SIM_ENTRY_DURABLE || file->entry == SIM_ENTRY_MADE;
        if (is_there && strcmp(file->dir, dir) == 0 && strcmp(file->name, name) == 0) {
            return file;
        }
    }
    return NULL;
}

static void copy_file(struct copy *copy, const char *dir, const char *name)
{
    char from[SIM_DIR_PATH];
    char to[SIM_DIR_PATH];
    sim_dir_join(from, copy->from, dir, name);
    sim_dir_join(to, copy->to, dir, name);
    struct sim_file *file = find_file(dir, name);
    bool is_doorbell = strcmp(name, RP_SPOOL_DOORBELL_NAME) == 0;
    if (copy->is_power && file != NULL && file->entry == SIM_ENTRY_MADE &&
        sim_random_chance(&copy->random, 500000)) {
        sim_trace_add("  a new name is lost", 0, 0, 0);
    } else if (copy->is_power && is_doorbell) {
        store_doorbell(copy, from, to);
    } else if (copy->is_power && file != NULL) {
        store_survivor(copy, file, to);
    } else {
        int fd = open(from, O_RDONLY | O_CLOEXEC);
        assert(fd >= 0);
        size_t len;
        uint8_t *octets = load(fd, &len);
        close(fd);
        store(to, octets, len);
        free(octets);
    }
}

/* Names that were removed, but not for good, come back or do not. */
static void copy_removed(struct copy *copy)
{
    for (size_t i = 0; i < sim_disk_count(); i++) {
        const struct sim_file *file = sim_disk_get(i);
        if (file->entry != SIM_ENTRY_REMOVED || find_file(file->dir, file->name) != NULL ||
            !sim_random_chance(&copy->random, file->was_durable ? 500000 : 250000)) {
            continue;
        }
        char to[SIM_DIR_PATH];
        sim_dir_join(to, copy->to, file->dir, file->name);
        if (access(to, F_OK) != 0) {
            sim_trace_add("  a removed name is back", 0, 0, 0);
            store_survivor(copy, file, to);
        }
    }
}

static void copy_dir(struct copy *copy, const char *dir)
{
    char path[SIM_DIR_PATH];
    sim_dir_join(path, copy->from, dir, "");
    char **names = sim_dir_list(path);
    for (size_t i = 0; names[i] != NULL; i++) {
        sim_dir_join(path, copy->from, dir, names[i]);
        if (!sim_dir_is_one(path)) {
            copy_file(copy, dir, names[i]);
        }
    }
    sim_dir_free(names);
}

static void copy_all(struct copy *copy)
{
    int err = mkdir(copy->to, 0750);
    assert(err == 0);
    copy_dir(copy, "");
    char **names = sim_dir_list(copy->from);
    for (size_t i = 0; names[i] != NULL; i++) {
        char path[SIM_DIR_PATH];
        sim_dir_join(path, copy->from, "", names[i]);
        if (sim_dir_is_one(path)) {
            sim_dir_join(path, copy->to, "", names[i]);
            err = mkdir(path, 0750);
            assert(err == 0);
            copy_dir(copy, names[i]);
        }
    }
    sim_dir_free(names);
}

void sim_crash_kill(uint64_t seed, const char *from, const char *to)
{
    struct copy copy = {.random = sim_random_from(seed, "kill"), .from = from, .to = to};
    sim_trace_add("killed", 0, 0, 0);
    sim_disk_interrupt(true);
    copy_all(&copy);
}

void sim_crash_power(uint64_t seed, const char *from, const char *to)
{
    struct copy copy = {
        .random = sim_random_from(seed, "power"), .from = from, .to = to, .is_power = true};
    sim_trace_add("power lost", 0, 0, 0);
    sim_disk_interrupt(false);
    copy_all(&copy);
    copy_removed(&copy);
}
