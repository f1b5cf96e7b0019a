/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * meta.h - read spool.meta, or find out what it said where it is damaged or gone: the identity
 * stands in other places, too (FORMAT.md). Changes nothing.
 */
#ifndef META_H
#define META_H

#include "rp_spool_format.h"

#include <stdbool.h>

/*
 * *is_damaged_out: it was found out. -ENOENT: there is no spool.meta and nothing that says what it
 * was; -EBADMSG: it is damaged, and likewise; -EPROTONOSUPPORT: of another version; -EINVAL: not of
 * a spool; or what a system call said.
 */
int rp_meta_load(int dir_fd, struct rp_spool_meta *meta_out, bool *is_damaged_out);

/* A lane's part of it; all zeros where there is none that is whole. */
void rp_meta_lane(int dir_fd,
                  const uint8_t identity[16],
                  uint32_t lane,
                  struct rp_spool_lane_meta *lane_out);

#endif
