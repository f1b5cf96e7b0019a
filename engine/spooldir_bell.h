/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * spooldir_bell.h - the doorbell: mapped, read, filled, and guarded; for spooldir.c alone.
 */
#ifndef SPOOLDIR_BELL_H
#define SPOOLDIR_BELL_H

#include "spooldir.h"

/*
 * Map dir->doorbell. tails_out: what its tails prove, 0 where they prove nothing. A disk that
 * cannot take what is stored there later kills nobody: see rp_spooldir_check_doorbell. 0 or -errno.
 */
int rp_spooldir_bell_open(struct rp_spooldir *dir, uint64_t tails_out[RP_SPOOL_LANES_MAX]);

/* The lanes are recovered: say where they go on, and wake whoever waits. */
void rp_spooldir_bell_fill(struct rp_spooldir *dir, const uint8_t boot_id[16]);

/* Where none is mapped: nothing. */
void rp_spooldir_bell_close(struct rp_spooldir *dir);

#endif
