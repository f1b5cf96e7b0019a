/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_hands.c - see sim_hands.h.
 */
#include "sim_hands.h"

#include "sim_check.h"
#include "sim_damage.h"
#include "sim_dir.h"
#include "sim_disk.h"
#include "sim_mail.h"
#include "sim_trace.h"
#include "spool/rp_spool_format.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LANE "lane-000"

/* Messages of that segment (0: of any) are gone with their file, as far as they were published. */
static void give_up_segment(uint64_t segment)
{
    for (uint64_t i = 0; i < sim_mail_count(); i++) {
        struct sim_mail *mail = sim_mail_find(i);
        if (mail->seen > 0 && (segment == 0 || mail->segment == segment)) {
            mail->is_given_up = true;
            sim_damage_note(mail->segment);
        }
    }
}

static uint64_t find_last_segment(void)
{
    uint64_t last = 0;
    for (uint64_t i = 0; i < sim_mail_count(); i++) {
        const struct sim_mail *mail = sim_mail_find(i);
        last = mail->seen > 0 && mail->segment > last ? mail->segment : last;
    }
    return last;
}

static void remove_name(const char *path, const char *dir, const char *name)
{
    char file[SIM_DIR_PATH];
    sim_dir_join(file, path, dir, name);
    if (unlink(file) == 0) {
        sim_disk_forget(dir, name);
    }
}

static void remove_segment(const char *path, uint64_t segment)
{
    char name[32];
    (void)snprintf(name, sizeof(name), RP_SPOOL_SEGMENT_FORMAT, (unsigned long long)segment);
    remove_name(path, LANE, name);
    sim_damage_note(segment);
}

static void remove_prepared(const char *path)
{
    char dir[SIM_DIR_PATH];
    sim_dir_join(dir, path, LANE, "");
    char **names = sim_dir_list(dir);
    uint64_t highest = 0;
    for (size_t i = 0; names[i] != NULL; i++) {
        uint64_t number = strtoull(names[i], NULL, 16);
        highest = number > highest ? number : highest;
    }
    sim_dir_free(names);
    if (highest > find_last_segment()) {
        remove_segment(path, highest);
    }
}

/* One that is being written, or of a message that is published; between the two nobody looks. */
static void remove_body(struct sim_random *random, const char *path)
{
    char dir[SIM_DIR_PATH];
    sim_dir_join(dir, path, RP_SPOOL_BIG_NAME, "");
    char **names = sim_dir_list(dir);
    size_t count = 0;
    while (names[count] != NULL) {
        count++;
    }
    if (count > 0) {
        size_t index = (size_t)sim_random_below(random, count);
        /* The one after it that is being written, if there is one. */
        for (size_t i = 0; i < count && !sim_disk_is_in_use(RP_SPOOL_BIG_NAME, names[index]); i++) {
            index = (index + 1) % count;
        }
        const char *name = names[index];
        uint64_t big_id = strtoull(name + 4, NULL, 16);
        bool is_known = sim_disk_is_in_use(RP_SPOOL_BIG_NAME, name);
        for (uint64_t i = 0; i < sim_mail_count(); i++) {
            struct sim_mail *mail = sim_mail_find(i);
            if (mail->seen > 0 && mail->big_id == big_id) {
                mail->is_given_up = is_known = true;
                sim_damage_note(mail->segment);
            }
        }
        if (is_known) {
            remove_name(path, RP_SPOOL_BIG_NAME, name);
        }
    }
    sim_dir_free(names);
}

static void remove_lane(const char *path)
{
    char dir[SIM_DIR_PATH];
    sim_dir_join(dir, path, LANE, "");
    char **names = sim_dir_list(dir);
    give_up_segment(0);
    for (size_t i = 0; names[i] != NULL; i++) {
        remove_name(path, LANE, names[i]);
        sim_damage_note(strtoull(names[i], NULL, 16));
    }
    sim_dir_free(names);
    int err = rmdir(dir);
    assert(err == 0);
}

static void cut_bell(const char *path)
{
    char file[SIM_DIR_PATH];
    sim_dir_join(file, path, "", RP_SPOOL_DOORBELL_NAME);
    int err = truncate(file, 0);
    assert(err == 0);
}

void sim_hands_act(enum sim_hands hands, struct sim_random *random, const char *path)
{
    char lane[SIM_DIR_PATH];
    sim_dir_join(lane, path, LANE, "");
    if (!sim_dir_exists(lane)) {
        return; /* somebody was here before */
    }
    sim_check_running(path);
    sim_trace_add("hands", hands, find_last_segment(), 0);
    switch (hands) {
    case SIM_HANDS_SEGMENT:
        if (find_last_segment() != 0) {
            give_up_segment(find_last_segment());
            remove_segment(path, find_last_segment());
        }
        break;
    case SIM_HANDS_PREPARED: remove_prepared(path); break;
    case SIM_HANDS_BODY: remove_body(random, path); break;
    case SIM_HANDS_LANE: remove_lane(path); break;
    case SIM_HANDS_META:
        remove_name(path, "", RP_SPOOL_META_NAME);
        sim_damage_note_meta();
        break;
    case SIM_HANDS_BELL: cut_bell(path); break;
    case SIM_HANDS_COUNT: assert(false);
    }
}
