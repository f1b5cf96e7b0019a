/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_crash.h - what a spool's directory is after the power went, or the process was killed.
 */
#ifndef SIM_CRASH_H
#define SIM_CRASH_H

#include <stdint.h>

/*
 * Make at `to` what is left of the spool at `from`; to be called at the moment of the
 * crash, while sim_disk still knows all files.
 *
 * Killed: the page cache survives; what was under way comes in part. Power: what was not
 * durable is kept, lost or torn, sector by sector; the doorbell, which is mapped and only a cache,
 * gets any content; and the machine boots anew, or it is a copy of the disk that is looked at in
 * the same boot.
 */
void sim_crash_kill(uint64_t seed, const char *from, const char *to);
void sim_crash_power(uint64_t seed, const char *from, const char *to);

#endif
