/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * base64.h - octets as base64 (RFC 4648, section 4), with padding, without line ends.
 *
 * Pure. A long body is encoded piece by piece: every piece but the last has a length
 * that is a multiple of RP_BASE64_GROUP, so that no padding comes between them.
 */
#ifndef TOOLS_BASE64_H
#define TOOLS_BASE64_H

#include <stddef.h>
#include <stdint.h>

#define RP_BASE64_GROUP 3u /* octets that make four characters */

/* Characters that `len` octets make. */
static inline size_t rp_base64_len(size_t len)
{
    return (len / RP_BASE64_GROUP + (len % RP_BASE64_GROUP != 0)) * 4;
}

/* Fills rp_base64_len(len) characters, no NUL behind them. */
void rp_base64_encode(const uint8_t *ptr, size_t len, char *text_out);

#endif
