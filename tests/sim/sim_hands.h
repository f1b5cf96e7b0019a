/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_hands.h - what others do to a spool while the engine uses it: names are removed, the
 * doorbell is cut.
 */
#ifndef SIM_HANDS_H
#define SIM_HANDS_H

#include "sim_random.h"

enum sim_hands {
    SIM_HANDS_SEGMENT,  /* the one with the last message goes */
    SIM_HANDS_PREPARED, /* the next one goes */
    SIM_HANDS_BODY,     /* a big body goes */
    SIM_HANDS_LANE,     /* the lane's directory goes, with all that is in it */
    SIM_HANDS_META,     /* spool.meta goes */
    SIM_HANDS_BELL,     /* the doorbell is cut: stores to its pages are signals */
    SIM_HANDS_COUNT,
};

/* Do it. What a reader sees at this moment and has no file any more is given up; no later message
 * is. */
void sim_hands_act(enum sim_hands hands, struct sim_random *random, const char *path);

#endif
