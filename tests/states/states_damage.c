/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * states_damage.c - see states_damage.h.
 */
#include "states_damage.h"

#include <string.h>

/* A batch whose write began; mostly the last one. False: there is none. */
static bool choose_batch(const struct states_disk *disk,
                         struct sim_random *random,
                         const struct states_batch **batch_out)
{
    const struct states_history *history = disk->history;
    uint32_t count = 0;
    while (count < history->batch_count && history->batches[count].write_op <= disk->done) {
        count++;
    }
    if (count == 0) {
        return false;
    }
    uint32_t i = count - 1;
    if (sim_random_chance(random, 600000)) {
        i = (uint32_t)sim_random_below(random, count);
    }
    *batch_out = &history->batches[i];
    return true;
}

/* A file of that kind, mostly the last one. False: there is none. */
static bool choose_file(const struct states_disk *disk,
                        enum states_file_kind kind,
                        struct sim_random *random,
                        uint32_t *file_out)
{
    uint32_t list[STATES_FILES_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < disk->history->file_count; i++) {
        if (disk->history->files[i].kind == kind && disk->images[i].exists &&
            disk->images[i].len > 0) {
            list[count++] = i;
        }
    }
    if (count == 0) {
        return false;
    }
    *file_out =
        sim_random_chance(random, 500000) ? list[count - 1] : list[sim_random_below(random, count)];
    return true;
}

static bool in_file(const struct states_disk *disk,
                    enum states_file_kind kind,
                    uint64_t len_max,
                    struct sim_random *random,
                    struct states_range *out)
{
    uint32_t file;
    if (!choose_file(disk, kind, random, &file)) {
        return false;
    }
    uint64_t len = disk->images[file].len;
    len = len < len_max ? len : len_max;
    *out = (struct states_range){.file = file, .off = sim_random_below(random, len)};
    return true;
}

/* A place in a batch. */
static bool in_batch(const struct states_disk *disk,
                     enum states_place place,
                     struct sim_random *random,
                     struct states_range *out)
{
    const struct states_batch *batch;
    if (!choose_batch(disk, random, &batch)) {
        return false;
    }
    const uint64_t which = batch->first_message + sim_random_below(random, batch->count);
    const struct states_message *message = &disk->history->messages[which];
    const uint64_t mark = sizeof(struct rp_spool_batch_mark);
    const uint64_t head = sizeof(struct rp_spool_record) + message->envelope_len;
    uint64_t from = batch->begin_off;
    uint64_t to = from + mark;
    if (place == STATES_PLACE_END) {
        from = batch->end_off - mark;
        to = batch->end_off;
    } else if (place == STATES_PLACE_PADDING) {
        from = batch->end_off;
        to = batch->off + batch->len;
    } else if (place == STATES_PLACE_HEAD) {
        from = message->offset;
        to = from + head;
    } else if (place == STATES_PLACE_BODY) {
        from = message->offset + head;
        to = message->offset + message->len;
    }
    if (from >= to) {
        return false;
    }
    *out = (struct states_range){.file = batch->file,
                                 .off = from + sim_random_below(random, to - from)};
    return true;
}

static bool choose_place(const struct states_disk *disk,
                         enum states_place place,
                         struct sim_random *random,
                         struct states_range *out)
{
    switch (place) {
    case STATES_PLACE_HEAD:
    case STATES_PLACE_BODY:
    case STATES_PLACE_BEGIN:
    case STATES_PLACE_END:
    case STATES_PLACE_PADDING: return in_batch(disk, place, random, out);
    case STATES_PLACE_HEADER: return in_file(disk, STATES_SEGMENT, 200, random, out);
    case STATES_PLACE_FREE: return in_file(disk, STATES_SEGMENT, UINT64_MAX, random, out);
    case STATES_PLACE_INDEX: return in_file(disk, STATES_INDEX, UINT64_MAX, random, out);
    case STATES_PLACE_BIG: return in_file(disk, STATES_BIG, UINT64_MAX, random, out);
    case STATES_PLACE_BELL: return in_file(disk, STATES_BELL, 128, random, out);
    case STATES_PLACE_META: return in_file(disk, STATES_META, 1024, random, out);
    case STATES_PLACE_COUNT: break;
    }
    return false;
}

static void put(struct states_disk *disk,
                uint32_t file,
                uint64_t off,
                const uint8_t *octets,
                uint64_t len)
{
    states_disk_put(disk, file, off, octets, len);
    states_disk_note(disk, file, off, len);
}

/* A durable write is not where it should be; `is_elsewhere`: but in another place. */
static bool lose_write(struct states_disk *disk, bool is_elsewhere, struct sim_random *random)
{
    const struct states_batch *batch;
    if (!choose_batch(disk, random, &batch) || batch->ack_op >= disk->done) {
        return false;
    }
    put(disk, batch->file, batch->off, NULL, batch->len);
    if (!is_elsewhere) {
        return true;
    }
    uint32_t file = batch->file;
    if (sim_random_chance(random, 300000) && !choose_file(disk, STATES_SEGMENT, random, &file)) {
        return true;
    }
    /* Near other writes, so that it often hits one. */
    uint64_t block = sim_random_spread(random, 0, STATES_SEGMENT_LEN / RP_SPOOL_BLOCK - 1);
    put(disk, file, block * RP_SPOOL_BLOCK, batch->octets, batch->len);
    disk->damage_is_misdirected = true;
    return true;
}

static bool cut(struct states_disk *disk, struct sim_random *random)
{
    static const enum states_file_kind kinds[] = {STATES_SEGMENT, STATES_SEGMENT, STATES_SEGMENT,
                                                  STATES_INDEX, STATES_BIG};
    const enum states_file_kind kind = kinds[sim_random_below(random, 5)];
    struct states_range range;
    bool is_found = kind == STATES_SEGMENT && sim_random_chance(random, 700000)
                        ? in_batch(disk, STATES_PLACE_HEAD, random, &range)
                        : in_file(disk, kind, UINT64_MAX, random, &range);
    if (!is_found || !disk->images[range.file].exists ||
        range.off >= disk->images[range.file].len) {
        return false;
    }
    const size_t len = disk->images[range.file].len;
    states_disk_resize(disk, range.file, true, (size_t)range.off);
    states_disk_note(disk, range.file, range.off, len - range.off);
    return true;
}

static void remove_file(struct states_disk *disk, uint32_t file)
{
    states_disk_note(disk, file, 0, UINT32_MAX);
    states_disk_resize(disk, file, false, disk->images[file].len);
}

static bool remove_files(struct states_disk *disk, struct sim_random *random)
{
    static const enum states_file_kind kinds[] = {STATES_SEGMENT, STATES_SEGMENT, STATES_INDEX,
                                                  STATES_BIG,     STATES_BELL,    STATES_META};
    uint32_t file;
    if (!choose_file(disk, kinds[sim_random_below(random, 6)], random, &file)) {
        return false;
    }
    const struct states_file *files = disk->history->files;
    if (files[file].kind == STATES_SEGMENT && sim_random_chance(random, 500000)) {
        for (uint32_t i = 0; i < disk->history->file_count; i++) {
            if (files[i].kind == STATES_INDEX && files[i].number == files[file].number &&
                disk->images[i].exists) {
                remove_file(disk, i);
            }
        }
    }
    remove_file(disk, file);
    return true;
}

bool states_damage_do(struct states_disk *disk,
                      enum states_damage damage,
                      struct sim_random *random,
                      enum states_place *place_out)
{
    enum states_place place = (enum states_place)sim_random_below(random, STATES_PLACE_COUNT);
    *place_out = place;
    struct states_range range;
    if (damage == STATES_DAMAGE_LOST_WRITE || damage == STATES_DAMAGE_MISDIRECTED) {
        return lose_write(disk, damage == STATES_DAMAGE_MISDIRECTED, random);
    }
    if (damage == STATES_DAMAGE_CUT) {
        return cut(disk, random);
    }
    if (damage == STATES_DAMAGE_GONE) {
        return remove_files(disk, random);
    }
    if (damage == STATES_DAMAGE_NONE || !choose_place(disk, place, random, &range)) {
        return false;
    }
    const struct states_image *image = &disk->images[range.file];
    const uint64_t sector = range.off / RP_SPOOL_SECTOR * RP_SPOOL_SECTOR;
    const uint64_t block = range.off / RP_SPOOL_BLOCK * RP_SPOOL_BLOCK;
    if (damage == STATES_DAMAGE_BIT) {
        uint8_t octet = image->base[range.off] ^ (uint8_t)(1u << sim_random_below(random, 8));
        put(disk, range.file, range.off, &octet, 1);
    } else if (damage == STATES_DAMAGE_ZERO_SECTOR) {
        put(disk, range.file, sector, NULL, RP_SPOOL_SECTOR);
    } else if (damage == STATES_DAMAGE_SCRAMBLED) {
        uint64_t octets[RP_SPOOL_SECTOR / sizeof(uint64_t)];
        for (size_t i = 0; i < sizeof octets / sizeof octets[0]; i++) {
            octets[i] = sim_random_next(random);
        }
        put(disk, range.file, sector, (const uint8_t *)octets, RP_SPOOL_SECTOR);
    } else if (damage == STATES_DAMAGE_ZERO_BLOCK) {
        put(disk, range.file, block, NULL, RP_SPOOL_BLOCK);
    } else {
        const enum states_file_kind kind = disk->history->files[range.file].kind;
        if (kind == STATES_BELL || kind == STATES_BIG) {
            return false; /* mapped: SIGBUS is another test's */
        }
        states_disk_make_unreadable(disk, range.file, block);
        states_disk_note(disk, range.file, block, RP_SPOOL_BLOCK);
    }
    return true;
}
