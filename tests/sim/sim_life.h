/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_life.h - from start to crash or drain, and what must hold after it.
 */
#ifndef SIM_LIFE_H
#define SIM_LIFE_H

#include "sim_plan.h"

/* What a run was like: for the summary line. */
struct sim_life_sum {
    uint64_t messages; /* that got their 250 */
    uint64_t refused;  /* that were sent whole, and refused */
    uint64_t found;    /* that are in the spool at the end */
};

/* All lives of a plan, in directories below `base`, which must be there. A broken promise ends
 * the process (sim_trace_fail). */
void sim_life_run(const struct sim_plan *plan, const char *base, struct sim_life_sum *sum_out);

#endif
