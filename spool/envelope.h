/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * envelope.h - walk the items of an envelope.
 *
 *     size_t position = 0;
 *     while (rp_envelope_next(envelope, len, &position, &item)) { use(item); }
 *     whole = position == len;
 *
 * Pure. An item that does not fit into the rest of the envelope ends the walk: its value is
 * never handed out.
 */
#ifndef ENVELOPE_H
#define ENVELOPE_H

#include "rp_spool_reader.h"

/* Items in order; *position begins at 0. `value` points into the envelope. */
bool rp_envelope_next(const uint8_t *envelope,
                      size_t len,
                      size_t *position,
                      struct rp_spool_item *item_out);

/* The number in the first RP_SPOOL_TAG_BIG_ID item; 0: there is none, or of another length. */
uint64_t rp_envelope_big_id(const uint8_t *envelope, size_t len);

#endif
