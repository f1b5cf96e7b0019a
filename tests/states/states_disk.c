/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * states_disk.c - see states_disk.h.
 */
#include "states_disk.h"

#include <stdlib.h>
#include <string.h>

void states_disk_init(struct states_disk *disk, const struct states_history *history)
{
    memset(disk, 0, sizeof *disk);
    disk->history = history;
    for (uint32_t i = 0; i < history->file_count; i++) {
        disk->images[i].cap = history->files[i].cap;
        disk->images[i].base = calloc(1, history->files[i].cap);
        assert(disk->images[i].base != NULL);
    }
}

void states_disk_free(struct states_disk *disk)
{
    states_disk_restore(disk);
    for (uint32_t i = 0; i < disk->history->file_count; i++) {
        free(disk->images[i].base);
    }
}

/* ---- what was done ---- */

static void forget_pending(struct states_disk *disk, uint32_t file)
{
    size_t kept = 0;
    for (size_t i = 0; i < disk->pending_count; i++) {
        if (disk->history->ops[disk->pending[i]].file != file) {
            disk->pending[kept++] = disk->pending[i];
        }
    }
    disk->pending_count = kept;
}

void states_disk_advance(struct states_disk *disk)
{
    assert(disk->undo_count == 0 && disk->done < disk->history->op_count);
    const struct states_op *op = &disk->history->ops[disk->done];
    struct states_image *image = &disk->images[op->file];
    switch (op->kind) {
    case STATES_CREATE: image->exists = true; break;
    case STATES_WRITE:
    case STATES_FAILED:
        assert(disk->pending_count < STATES_PENDING_MAX);
        disk->pending[disk->pending_count++] = disk->done;
        break;
    case STATES_STORE: break;
    case STATES_SYNC: forget_pending(disk, op->file); break;
    }
    if (op->octets != NULL) {
        memcpy(image->base + op->off, op->octets, op->len);
    }
    if (op->kind != STATES_SYNC && op->off + op->len > image->len) {
        image->len = op->off + op->len;
    }
    disk->done++;
}

/* ---- changes that can be undone ---- */

static struct states_undo *add_undo(struct states_disk *disk, uint32_t file)
{
    assert(disk->undo_count < STATES_UNDO_MAX);
    struct states_undo *undo = &disk->undo[disk->undo_count++];
    *undo = (struct states_undo){.file = file};
    return undo;
}

void states_disk_put(struct states_disk *disk,
                     uint32_t file,
                     uint64_t off,
                     const uint8_t *octets,
                     uint64_t len)
{
    struct states_image *image = &disk->images[file];
    if (off >= image->cap || len == 0) {
        return;
    }
    len = len < image->cap - off ? len : image->cap - off;
    struct states_undo *undo = add_undo(disk, file);
    undo->off = off;
    undo->len = (size_t)len;
    undo->octets = malloc((size_t)len);
    assert(undo->octets != NULL);
    memcpy(undo->octets, image->base + off, (size_t)len);
    if (octets != NULL) {
        memcpy(image->base + off, octets, (size_t)len);
    } else {
        memset(image->base + off, 0, (size_t)len);
    }
}

void states_disk_resize(struct states_disk *disk, uint32_t file, bool exists, size_t len)
{
    struct states_image *image = &disk->images[file];
    struct states_undo *undo = add_undo(disk, file);
    undo->is_whole_file = true;
    undo->exists = image->exists;
    undo->len = image->len;
    image->exists = exists;
    image->len = len;
}

void states_disk_make_unreadable(struct states_disk *disk, uint32_t file, uint64_t off)
{
    disk->images[file].has_unreadable = true;
    disk->images[file].unreadable[off / RP_SPOOL_BLOCK] = true;
}

void states_disk_restore(struct states_disk *disk)
{
    while (disk->undo_count > 0) {
        const struct states_undo *undo = &disk->undo[--disk->undo_count];
        struct states_image *image = &disk->images[undo->file];
        if (undo->is_whole_file) {
            image->exists = undo->exists;
            image->len = undo->len;
        } else {
            memcpy(image->base + undo->off, undo->octets, undo->len);
            free(undo->octets);
        }
    }
    for (size_t i = 0; i < disk->damage_count; i++) {
        struct states_image *image = &disk->images[disk->damages[i].file];
        if (image->has_unreadable) {
            memset(image->unreadable, 0, sizeof image->unreadable);
            image->has_unreadable = false;
        }
    }
    disk->damage_count = 0;
    disk->damage_is_misdirected = false;
}

void states_disk_note(struct states_disk *disk, uint32_t file, uint64_t off, uint64_t len)
{
    assert(disk->damage_count < STATES_DAMAGES_MAX);
    disk->damages[disk->damage_count++] =
        (struct states_range){.file = file, .off = off, .len = len};
}

bool states_disk_is_damaged(const struct states_disk *disk,
                            uint32_t file,
                            uint64_t off,
                            uint64_t len)
{
    for (size_t i = 0; i < disk->damage_count; i++) {
        const struct states_range *damage = &disk->damages[i];
        if (damage->file == file && damage->off < off + len && off < damage->off + damage->len) {
            return true;
        }
    }
    return false;
}

bool states_disk_has(const struct states_disk *disk,
                     uint32_t file,
                     uint64_t off,
                     const uint8_t *octets,
                     uint64_t len)
{
    const struct states_image *image = &disk->images[file];
    if (!image->exists || off + len > image->len) {
        return false;
    }
    for (uint64_t at = off; image->has_unreadable && at < off + len;
         at = (at / RP_SPOOL_BLOCK + 1) * RP_SPOOL_BLOCK) {
        if (image->unreadable[at / RP_SPOOL_BLOCK]) {
            return false;
        }
    }
    return memcmp(image->base + off, octets, (size_t)len) == 0;
}

/* ---- crashes ---- */

static uint64_t sectors_of(const struct states_op *op)
{
    return (op->len + RP_SPOOL_SECTOR - 1) / RP_SPOOL_SECTOR;
}

static bool is_write(const struct states_disk *disk, size_t i)
{
    return i < disk->history->op_count && (disk->history->ops[i].kind == STATES_WRITE ||
                                           disk->history->ops[i].kind == STATES_FAILED);
}

uint64_t states_disk_open_sectors(const struct states_disk *disk)
{
    uint64_t count = is_write(disk, disk->done) ? sectors_of(&disk->history->ops[disk->done]) : 0;
    for (size_t i = 0; i < disk->pending_count; i++) {
        count += sectors_of(&disk->history->ops[disk->pending[i]]);
    }
    return count;
}

/* Which sectors of one write are there. */
struct fate {
    enum states_crash crash;
    uint64_t cut;      /* HEAD, TAIL */
    uint32_t *variant; /* SUBSET: the lowest bit is the next sector's */
    struct sim_random *random;
};

static bool is_kept(const struct fate *fate, uint64_t sector)
{
    switch (fate->crash) {
    case STATES_CRASH_LOST: return false;
    case STATES_CRASH_HEAD: return sector < fate->cut;
    case STATES_CRASH_TAIL: return sector >= fate->cut;
    case STATES_CRASH_TORN: return sim_random_chance(fate->random, 500000);
    case STATES_CRASH_SUBSET: {
        bool kept = (*fate->variant & 1) != 0;
        *fate->variant >>= 1;
        return kept;
    }
    case STATES_CRASH_KILL:
    case STATES_CRASH_KEPT:
    case STATES_CRASH_MIXED:
    case STATES_CRASH_COUNT: break;
    }
    return true;
}

static struct fate choose_fate(enum states_crash crash,
                               bool is_under_way,
                               uint64_t sectors,
                               uint32_t *variant,
                               struct sim_random *random)
{
    struct fate fate = {.crash = crash, .variant = variant, .random = random};
    if (crash == STATES_CRASH_MIXED || (crash == STATES_CRASH_KILL && is_under_way)) {
        static const enum states_crash any[] = {STATES_CRASH_LOST, STATES_CRASH_KEPT,
                                                STATES_CRASH_TORN, STATES_CRASH_HEAD,
                                                STATES_CRASH_TAIL};
        fate.crash = any[sim_random_below(random, sizeof any / sizeof any[0])];
    }
    fate.cut = sim_random_below(random, sectors + 1);
    return fate;
}

/* A write that made its file longer: the length may have come without the octets, and the other
 * way round. */
static void settle_length(struct states_disk *disk,
                          const struct states_op *op,
                          uint64_t kept_end,
                          struct sim_random *random)
{
    const enum states_file_kind kind = disk->history->files[op->file].kind;
    if (kind != STATES_INDEX && kind != STATES_BIG) {
        return;
    }
    const uint64_t choice = sim_random_below(random, 3);
    size_t len = (size_t)(choice == 0 ? kept_end : op->len);
    len = len < op->len ? len : (size_t)op->len;
    bool exists = kept_end > 0 || choice < 2 || kind != STATES_INDEX;
    states_disk_resize(disk, op->file, exists, len);
}

static void crash_write(struct states_disk *disk,
                        size_t i,
                        enum states_crash crash,
                        uint32_t *variant,
                        struct sim_random *random)
{
    const struct states_op *op = &disk->history->ops[i];
    const bool is_under_way = i == disk->done;
    const uint64_t sectors = sectors_of(op);
    const bool is_unsure = is_under_way || op->kind == STATES_FAILED;
    struct fate fate = choose_fate(crash, is_unsure, sectors, variant, random);
    uint64_t kept_end = 0;
    uint64_t kept_count = 0;
    uint64_t at = 0;
    /* Neighbours of one fate are put together. */
    while (at < sectors) {
        const bool kept = is_kept(&fate, at);
        uint64_t to = at + 1;
        bool is_same = fate.crash != STATES_CRASH_TORN && fate.crash != STATES_CRASH_SUBSET;
        while (is_same && to < sectors && is_kept(&fate, to) == kept) {
            to++;
        }
        const uint64_t from_off = at * RP_SPOOL_SECTOR;
        const uint64_t to_off = to * RP_SPOOL_SECTOR < op->len ? to * RP_SPOOL_SECTOR : op->len;
        kept_end = kept ? to_off : kept_end;
        kept_count += kept ? to - at : 0;
        if (kept == is_under_way) {
            const uint8_t *octets = is_under_way ? op->octets : op->before;
            states_disk_put(disk, op->file, op->off + from_off,
                            octets != NULL ? octets + from_off : NULL, to_off - from_off);
        }
        at = to;
    }
    if (kept_count < sectors || is_under_way) {
        settle_length(disk, op, kept_end, random);
    }
}

/* The doorbell is written back when the kernel likes: a power loss leaves any earlier one. */
static void crash_bell(struct states_disk *disk, enum states_crash crash, struct sim_random *random)
{
    const struct states_history *history = disk->history;
    const struct states_op *under_way =
        disk->done < history->op_count ? &history->ops[disk->done] : NULL;
    if (crash == STATES_CRASH_KILL && under_way != NULL && under_way->kind == STATES_STORE) {
        states_disk_put(disk, 1, under_way->off, under_way->octets, sizeof(uint64_t));
        return;
    }
    if (crash == STATES_CRASH_KILL || crash == STATES_CRASH_KEPT) {
        return;
    }
    size_t last = disk->done;
    if (crash == STATES_CRASH_LOST && sim_random_chance(random, 500000)) {
        last = 0;
    } else if (!sim_random_chance(random, 300000)) {
        last = (size_t)sim_random_below(random, disk->done + 1);
    }
    const uint64_t off = offsetof(struct rp_spool_doorbell, lanes);
    const uint8_t *octets = history->ops[1].octets + off;
    for (size_t i = 0; i < last; i++) {
        octets = history->ops[i].kind == STATES_STORE ? history->ops[i].octets : octets;
    }
    states_disk_put(disk, 1, off, octets, sizeof(struct rp_spool_doorbell_lane));
}

void states_disk_crash(struct states_disk *disk,
                       enum states_crash crash,
                       uint32_t variant,
                       struct sim_random *random)
{
    for (size_t i = 0; i < disk->pending_count; i++) {
        crash_write(disk, disk->pending[i], crash, &variant, random);
    }
    if (is_write(disk, disk->done)) {
        crash_write(disk, disk->done, crash, &variant, random);
    }
    crash_bell(disk, crash, random);
}
