/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_damage.h - a disk that loses or alters between two lives what it had durably.
 *
 * What was hit is known by where it was, never by what the octets say: a message that was not
 * touched must be there, exact; one that was, exact or reported.
 */
#ifndef SIM_DAMAGE_H
#define SIM_DAMAGE_H

#include "sim_random.h"

struct sim_damage_plan {
    uint32_t count; /* places that are hit; 0: none */
    bool has_tail;  /* the doorbell has come through: what was acknowledged is proven */
};

/* A run begins: nothing was hit. */
void sim_damage_forget(void);

/* Hit the spool at `path`. Every message that is in it was seen by a reader (sim_check.h). */
void sim_damage_apply(uint64_t seed, const char *path, const struct sim_damage_plan *plan);

/* The power went, and spool.sync is none: every message may be lost, and what is lost among others
 * that are there is reported. */
void sim_damage_unsynced(void);

/* What could not be read can be read again, and must be what it was. */
void sim_damage_heal(void);

/* Anything was hit so far: recovery may have something to say. */
bool sim_damage_any(void);

/* The segment, its index or a big body of it was hit: a reader may report a loss there. */
bool sim_damage_has(uint64_t segment);

/* Somebody else did something to that segment, or to spool.meta. */
void sim_damage_note(uint64_t segment);
void sim_damage_note_meta(void);

/* A header was hit: it may have been what refused messages of an earlier segment. */
bool sim_damage_has_header(void);

/* spool.meta was hit: what it said of numbers may be forgotten. */
bool sim_damage_has_meta(void);

/* spool.meta was hit, and no header need be left that says what it said. */
bool sim_damage_may_refuse(void);

#endif
