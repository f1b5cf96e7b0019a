/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_damage.c - choose a place and a kind of damage, and note what was hit.
 */
#include "sim_damage.h"

#include "sim_dir.h"
#include "sim_mail.h"
#include "sim_syscall.h"
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

#define BLOCK 4096u

enum kind {
    FLIP,      /* one bit */
    ZERO,      /* sectors of zeros */
    SCRAMBLE,  /* sectors of anything */
    LOSE,      /* blocks that were never written */
    MISDIRECT, /* a block that went to another place */
    CUT,       /* the end of the file is gone */
    REMOVE,    /* all of it is */
    SPOIL,     /* a block cannot be read, for now */
    KIND_COUNT,
};

enum where {
    SEGMENT,
    INDEX,
    BODY,
    META,
    BELL,
};

/* A file to be hit, and where. */
struct target {
    enum where where;
    uint64_t number; /* of the segment, or a big id */
    char path[SIM_DIR_PATH];
    char name[64]; /* relative to the spool */
    uint64_t from; /* the octets from which a place is chosen */
    uint64_t end;
};

static struct {
    bool is_any;
    bool has_header;
    bool has_meta;
    bool has_tail; /* of the damage under way */
    uint64_t *segments;
    size_t segment_count;
} hit;

void sim_damage_heal(void)
{
    sim_syscall_heal();
    for (uint64_t i = 0; i < sim_mail_count(); i++) {
        sim_mail_find(i)->is_unreadable = false;
    }
}

void sim_damage_forget(void)
{
    sim_syscall_heal();
    free(hit.segments);
    hit.segments = NULL;
    hit.segment_count = 0;
    hit.is_any = hit.has_header = hit.has_meta = false;
}

bool sim_damage_any(void)
{
    return hit.is_any;
}

bool sim_damage_has_header(void)
{
    return hit.has_header;
}

bool sim_damage_has_meta(void)
{
    return hit.has_meta;
}

bool sim_damage_may_refuse(void)
{
    bool has_mail = false;
    for (uint64_t i = 0; i < sim_mail_count(); i++) {
        const struct sim_mail *mail = sim_mail_find(i);
        has_mail |= mail->fate == SIM_FATE_TAKEN && !mail->is_given_up && !mail->is_touched;
    }
    return hit.has_meta && (hit.has_header || !has_mail);
}

bool sim_damage_has(uint64_t segment)
{
    for (size_t i = 0; i < hit.segment_count; i++) {
        if (hit.segments[i] == segment) {
            return true;
        }
    }
    return false;
}

static void note_segment(uint64_t segment)
{
    if (!sim_damage_has(segment)) {
        hit.segments = reallocarray(hit.segments, hit.segment_count + 1, sizeof(*hit.segments));
        assert(hit.segments != NULL);
        hit.segments[hit.segment_count++] = segment;
    }
}

void sim_damage_note(uint64_t segment)
{
    hit.is_any = hit.has_header = true;
    note_segment(segment);
}

void sim_damage_note_meta(void)
{
    hit.is_any = hit.has_meta = true;
}

void sim_damage_unsynced(void)
{
    hit.is_any = hit.has_header = true;
    for (uint64_t i = 0; i < sim_mail_count(); i++) {
        struct sim_mail *mail = sim_mail_find(i);
        if (mail->segment != 0 && !mail->is_settled) {
            note_segment(mail->segment);
            mail->is_volatile = mail->is_zeroed = true;
        }
    }
}

/* ---- what is hit ---- */

static bool is_hit(const struct sim_mail *mail,
                   const struct target *target,
                   uint64_t from,
                   uint64_t end)
{
    if (target->where == BODY) {
        return mail->big_id == target->number;
    }
    return target->where == SEGMENT && mail->segment == target->number && mail->from < end &&
           from < mail->end;
}

/* The last message that is there. */
static const struct sim_mail *find_last(void)
{
    const struct sim_mail *last = NULL;
    for (uint64_t i = 0; i < sim_mail_count(); i++) {
        const struct sim_mail *mail = sim_mail_find(i);
        if (mail->segment != 0 && (last == NULL || mail->segment > last->segment ||
                                   (mail->segment == last->segment && mail->from > last->from))) {
            last = mail;
        }
    }
    return last;
}

/* What is wrong with octets. */
enum effect {
    ALTERED,    /* they are not what they were */
    GONE,       /* they say nothing at all */
    UNREADABLE, /* for now */
};

static void note(const struct target *target, uint64_t from, uint64_t end, enum effect effect)
{
    sim_trace_add("  damage: where number from", target->where, target->number, from);
    hit.is_any = true;
    hit.has_meta |= target->where == META;
    hit.has_header |= target->where == SEGMENT && from < BLOCK;
    if (target->where == BELL) {
        hit.has_tail = false;
    }
    if (target->where == SEGMENT || target->where == INDEX) {
        note_segment(target->number);
    }
    for (uint64_t i = 0; i < sim_mail_count(); i++) {
        struct sim_mail *mail = sim_mail_find(i);
        bool is_in_it = target->where == SEGMENT && mail->segment == target->number;
        mail->is_zeroed |= is_in_it && effect == GONE;
        if (!is_hit(mail, target, from, end)) {
            continue;
        }
        note_segment(mail->segment);
        mail->is_unreadable |= effect == UNREADABLE;
        mail->is_touched |= effect != UNREADABLE;
        mail->is_gone |= effect == GONE;
    }
}

/* ---- kinds ---- */

static void put(const struct target *target, const uint8_t *octets, size_t len, uint64_t off)
{
    int fd = open(target->path, O_WRONLY | O_CLOEXEC);
    assert(fd >= 0);
    ssize_t done = pwrite(fd, octets, len, (off_t)off);
    assert(done == (ssize_t)len);
    close(fd);
}

static size_t get(const struct target *target, uint8_t *octets, size_t len, uint64_t off)
{
    int fd = open(target->path, O_RDONLY | O_CLOEXEC);
    assert(fd >= 0);
    ssize_t got = pread(fd, octets, len, (off_t)off);
    assert(got >= 0);
    close(fd);
    return (size_t)got;
}

/* Replace what is there, and note it where that changes something. */
static void replace(const struct target *target,
                    const uint8_t *octets,
                    size_t len,
                    uint64_t off,
                    enum effect effect)
{
    uint8_t *before = malloc(len);
    assert(before != NULL);
    len = get(target, before, len, off);
    if (memcmp(before, octets, len) != 0) {
        put(target, octets, len, off);
        note(target, off, off + len, effect);
    }
    free(before);
}

static void flip(struct sim_random *random, const struct target *target, uint64_t off)
{
    uint8_t octet;
    if (get(target, &octet, 1, off) == 1) {
        octet ^= (uint8_t)(1u << sim_random_below(random, 8));
        replace(target, &octet, 1, off, ALTERED);
    }
}

static void fill(struct sim_random *random, const struct target *target, uint64_t off, bool is_zero)
{
    static uint8_t octets[8 * 512]; /* too big for the stack */
    size_t len = 512 * (size_t)sim_random_spread(random, 1, 8);
    for (size_t i = 0; i < len; i++) {
        octets[i] = is_zero ? 0 : (uint8_t)sim_random_next(random);
    }
    off -= off % 512;
    replace(target, octets, len, off, is_zero ? GONE : ALTERED);
}

/* All blocks of the target, or those from the place on. */
static void lose(struct sim_random *random, const struct target *target, uint64_t off)
{
    uint64_t from = sim_random_chance(random, 500000) ? target->from : off;
    from -= from % BLOCK;
    uint64_t end = (target->end + BLOCK - 1) / BLOCK * BLOCK;
    uint8_t *zeros = calloc(1, end - from);
    assert(zeros != NULL);
    replace(target, zeros, end - from, from, GONE);
    free(zeros);
}

/*
 * A block that lands farther ahead in its own batch looks as if the messages between were lost:
 * recovery says that they are damaged, though they are not.
 */
static void note_between(const struct target *target, uint64_t to, uint64_t off)
{
    for (uint64_t i = 0; i < sim_mail_count() && target->where == SEGMENT; i++) {
        const struct sim_mail *mail = sim_mail_find(i);
        struct rp_spool_record record;
        bool is_moved = mail->segment == target->number && mail->from >= off - off % BLOCK &&
                        mail->from < off + BLOCK;
        if (is_moved && get(target, (uint8_t *)&record, sizeof(record), mail->from) > 0 &&
            (uint64_t)record.batch_off * BLOCK <= to) {
            note(target, to, off + BLOCK, ALTERED);
        }
    }
}

static void misdirect(struct sim_random *random, const struct target *target, uint64_t off)
{
    static const uint8_t zeros[BLOCK];
    static uint8_t block[BLOCK]; /* too big for the stack */
    off -= off % BLOCK;
    uint64_t blocks = (target->end + 2 * BLOCK) / BLOCK;
    uint64_t to = sim_random_below(random, blocks) * BLOCK;
    if (get(target, block, sizeof(block), off) == sizeof(block) && to != off) {
        if (to < off) {
            note_between(target, to, off);
        }
        replace(target, block, sizeof(block), to, GONE); /* it may have zeros */
        if (sim_random_chance(random, 500000)) {
            replace(target, zeros, sizeof(zeros), off, GONE);
        }
    }
}

static void cut(const struct target *target, uint64_t off)
{
    int err = truncate(target->path, (off_t)off);
    assert(err == 0);
    note(target, off, UINT64_MAX, GONE);
}

static void remove_file(const struct target *target)
{
    int err = unlink(target->path);
    assert(err == 0);
    note(target, 0, UINT64_MAX, GONE);
}

/* What is mapped cannot be spoilt here: a read of it would be a signal. */
static void spoil(const struct target *target, uint64_t off)
{
    if (target->where != BODY && target->where != BELL) {
        off -= off % BLOCK;
        sim_syscall_spoil(target->name, off / BLOCK);
        note(target, off, off + BLOCK, UNREADABLE);
    }
}

/* Without making zeros of it. */
static void alter(struct sim_random *random, const struct target *target)
{
    uint64_t off = sim_random_between(random, target->from, target->end - 1);
    sim_trace_add("damage: alter number off", target->number, off, 0);
    if (sim_random_chance(random, 500000)) {
        flip(random, target, off);
    } else {
        fill(random, target, off, false);
    }
}

static void damage(struct sim_random *random, const struct target *target)
{
    uint64_t off = sim_random_between(random, target->from, target->end - 1);
    enum kind kind = (enum kind)sim_random_below(random, KIND_COUNT);
    sim_trace_add("damage: kind where number", kind, target->where, target->number);
    switch (kind) {
    case FLIP: flip(random, target, off); break;
    case ZERO: fill(random, target, off, true); break;
    case SCRAMBLE: fill(random, target, off, false); break;
    case LOSE: lose(random, target, off); break;
    case MISDIRECT: misdirect(random, target, off); break;
    case CUT: cut(target, off); break;
    case REMOVE: remove_file(target); break;
    case SPOIL: spoil(target, off); break;
    case KIND_COUNT: assert(false);
    }
}

/* ---- places ---- */

static bool aim(struct target *target, const char *root, const char *dir, const char *name)
{
    struct stat found;
    sim_dir_join(target->path, root, dir, name);
    (void)snprintf(target->name, sizeof(target->name), "%s%s%s", dir, dir[0] == '\0' ? "" : "/",
                   name);
    target->from = 0;
    target->end = stat(target->path, &found) == 0 ? (uint64_t)found.st_size : 0;
    return target->end > 0;
}

static bool aim_at_segment(struct target *target, const char *root, uint64_t number)
{
    char name[32];
    (void)snprintf(name, sizeof(name), RP_SPOOL_SEGMENT_FORMAT, (unsigned long long)number);
    target->where = SEGMENT;
    target->number = number;
    return aim(target, root, "lane-000", name);
}

/* Octets of a message; or its blocks, with the marks of its batch where it is the first or last. */
static bool aim_at_mail(struct sim_random *random,
                        struct target *target,
                        const char *root,
                        const struct sim_mail *mail)
{
    if (mail == NULL || mail->segment == 0 || !aim_at_segment(target, root, mail->segment)) {
        return false;
    }
    uint64_t end = (mail->end + 64 + BLOCK - 1) / BLOCK * BLOCK;
    target->from = mail->from - mail->from % BLOCK;
    target->end = end < target->end ? end : target->end;
    if (mail->end < target->end && sim_random_chance(random, 500000)) {
        target->from = mail->from;
        target->end = mail->end;
    }
    return target->from < target->end;
}

/* A file of that kind, by chance: `suffix` ends its name. */
static bool aim_at_some(struct sim_random *random,
                        struct target *target,
                        const char *root,
                        const char *dir,
                        const char *suffix)
{
    char path[SIM_DIR_PATH];
    sim_dir_join(path, root, dir, "");
    char **names = sim_dir_list(path);
    size_t count = 0;
    for (size_t i = 0; names[i] != NULL; i++) {
        count += strstr(names[i], suffix) != NULL;
    }
    bool is_found = false;
    size_t index = count > 0 ? (size_t)sim_random_below(random, count) : 0;
    for (size_t i = 0; count > 0 && names[i] != NULL && !is_found; i++) {
        if (strstr(names[i], suffix) != NULL && index-- == 0) {
            const char *digits = strcmp(dir, "big") == 0 ? names[i] + 4 : names[i];
            target->number = strtoull(digits, NULL, 16);
            is_found = aim(target, root, dir, names[i]);
        }
    }
    sim_dir_free(names);
    return is_found;
}

static bool choose_target(struct sim_random *random, struct target *target, const char *root)
{
    uint64_t count = sim_mail_count();
    *target = (struct target){0};
    switch (sim_random_below(random, 10)) {
    case 0:
    case 1:
    case 2: return aim_at_mail(random, target, root, find_last());
    case 3:
    case 4:
        return count > 0 &&
               aim_at_mail(random, target, root, sim_mail_find(sim_random_below(random, count)));
    case 5: target->where = INDEX; return aim_at_some(random, target, root, "lane-000", ".idx");
    case 6:
        target->where = BODY;
        return aim_at_some(random, target, root, RP_SPOOL_BIG_NAME, ".body");
    case 7:
        target->where = META;
        return aim(target, root, "", RP_SPOOL_META_NAME) && (target->end = 1024) > 0;
    case 8:
        target->where = BELL;
        return aim(target, root, "", RP_SPOOL_DOORBELL_NAME) && (target->end = 128) > 0;
    default:
        target->where = SEGMENT;
        return aim_at_some(random, target, root, "lane-000", ".seg") && (target->end = BLOCK) > 0;
    }
}

void sim_damage_apply(uint64_t seed, const char *path, const struct sim_damage_plan *plan)
{
    struct sim_random random = sim_random_from(seed, "damage");
    hit.has_tail = plan->has_tail;
    for (uint32_t i = 0; i < plan->count; i++) {
        struct target target = {0};
        /* Without a tail only its own marks vouch for the last batch: they are put to the test. */
        if (!plan->has_tail && sim_random_chance(&random, 500000)) {
            if (aim_at_mail(&random, &target, path, find_last())) {
                alter(&random, &target);
            }
        } else if (choose_target(&random, &target, path)) {
            damage(&random, &target);
        }
    }
    /* What nothing behind it, and no tail, says to have been there. */
    const struct sim_mail *last = find_last();
    for (uint64_t i = 0; i < sim_mail_count(); i++) {
        struct sim_mail *mail = sim_mail_find(i);
        bool is_known = hit.has_tail && mail->fate == SIM_FATE_TAKEN;
        mail->may_vanish |= mail->is_gone && !is_known && mail->segment == last->segment;
        mail->is_gone = false;
    }
}
