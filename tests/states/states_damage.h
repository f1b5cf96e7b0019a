/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * states_damage.h - what a disk, or somebody, does to files that were whole.
 */
#ifndef STATES_DAMAGE_H
#define STATES_DAMAGE_H

#include "states_disk.h"

enum states_damage {
    STATES_DAMAGE_NONE,
    STATES_DAMAGE_BIT,         /* one is another */
    STATES_DAMAGE_ZERO_SECTOR, /* 512 octets are zeros */
    STATES_DAMAGE_SCRAMBLED,   /* 512 octets are others */
    STATES_DAMAGE_UNREADABLE,  /* 4096 octets cannot be read */
    STATES_DAMAGE_ZERO_BLOCK,  /* 4096 octets are zeros */
    STATES_DAMAGE_LOST_WRITE,  /* a write that was told to be durable never came */
    STATES_DAMAGE_MISDIRECTED, /* or came somewhere else */
    STATES_DAMAGE_CUT,         /* a file is shorter */
    STATES_DAMAGE_GONE,        /* a file is gone, or a segment and its index */
    STATES_DAMAGE_COUNT,
};

/* Where a damage is aimed at. */
enum states_place {
    STATES_PLACE_HEAD, /* a record's header and envelope, its filler among it */
    STATES_PLACE_BODY,
    STATES_PLACE_BEGIN,
    STATES_PLACE_END,
    STATES_PLACE_PADDING, /* zeros behind END */
    STATES_PLACE_HEADER,  /* the segment's header page */
    STATES_PLACE_INDEX,
    STATES_PLACE_BELL,
    STATES_PLACE_META,
    STATES_PLACE_BIG,
    STATES_PLACE_FREE, /* zeros behind the last batch */
    STATES_PLACE_COUNT,
};

/* Damage once, at a place of chance. False: there is nothing of that kind. */
bool states_damage_do(struct states_disk *disk,
                      enum states_damage damage,
                      struct sim_random *random,
                      enum states_place *place_out);

#endif
