/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rp_addr.h - the paths of MAIL and RCPT (RFC 5321, 4.1.2 and 4.1.3; RFC 6531, 3.3).
 *
 * Pure: spans in, spans into the same octets out.
 */
#ifndef RP_ADDR_H
#define RP_ADDR_H

#include "rp_span.h"

#include <stdbool.h>

enum rp_addr_result {
    RP_ADDR_OK,
    RP_ADDR_MALFORMED,      /* 553 5.1.3, or 501 5.1.3 */
    RP_ADDR_LOCAL_TOO_LONG, /* the local part is beyond local_part_max */
};

struct rp_addr_rules {
    bool strict;             /* smtp.strict_addresses: angle brackets and a domain are needed */
    bool allow_null;         /* "<>" is an address: MAIL only */
    bool allow_postmaster;   /* "<Postmaster>" without a domain, whatever `strict`: RCPT only */
    uint32_t local_part_max; /* octets, 0: no limit */
};

/* All spans point into the parsed input. */
struct rp_addr {
    struct rp_span mailbox; /* without brackets and source route; empty for "<>" */
    struct rp_span local;   /* as sent: quoted or not */
    struct rp_span domain;  /* empty where there is none; with its brackets when a literal */
    bool is_null;           /* "<>" */
    bool is_utf8;           /* has octets beyond ASCII, and they are well-formed UTF-8 */
};

/*
 * Parse a path at the front of *in. On RP_ADDR_OK *addr_out is written and *in
 * begins behind the path, at its end or at a space. Otherwise nothing is written.
 */
enum rp_addr_result rp_addr_parse_path(struct rp_span *in,
                                       const struct rp_addr_rules *rules,
                                       struct rp_addr *addr_out);

/* A domain or an address literal, whole: the argument of EHLO (RFC 5321, 4.1.1.1). */
bool rp_addr_is_domain(struct rp_span text);

#endif
