/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_verdict.h - whether a run passed, and if not, why: the exit status, and what JSON and page
 * say of it.
 *
 *     static struct rp_load_verdict verdict;
 *     rp_load_verdict_init(&verdict, report);
 *     if (verdict.count > 0) { ...it failed, for these reasons... }
 *
 * A run fails that was given up, in which no message was accepted or errors happened, that missed a
 * threshold, or whose mail is not in the spool as it should be. Refused mail alone is no failure.
 * A threshold on errors takes the place of the rule that there are none. Pure.
 */
#ifndef PERF_LOAD_VERDICT_H
#define PERF_LOAD_VERDICT_H

#include "load_report.h"

#include <stdint.h>

#define RP_LOAD_VERDICT_TEXT_LEN    511u
#define RP_LOAD_VERDICT_REASONS_MAX (RP_LOAD_THRESHOLDS_MAX + 2u) /* of the spool and the run */

struct rp_load_verdict {
    uint32_t count; /* 0: it passed */
    char reasons[RP_LOAD_VERDICT_REASONS_MAX][RP_LOAD_VERDICT_TEXT_LEN + 1];
};

void rp_load_verdict_init(struct rp_load_verdict *verdict, const struct rp_load_report *report);

#endif
