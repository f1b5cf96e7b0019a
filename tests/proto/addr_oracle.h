/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * addr_oracle.h - a second description of paths, for test_addr.
 *
 * Slow, for short texts, and not for two threads. It shares nothing with proto/addr.c.
 */
#ifndef TESTS_PROTO_ADDR_ORACLE_H
#define TESTS_PROTO_ADDR_ORACLE_H

#include "proto/rp_addr.h"

#define ADDR_ORACLE_TEXT_MAX 62u /* places 0 to 62 are bits of a uint64_t */

/*
 * Whether the parser is right about `in`, with neither "<>" nor a bare Postmaster allowed:
 * to refuse it (is_ok is false), or to take it with these spans and this rest.
 */
bool addr_oracle_agrees(struct rp_span in,
                        bool strict,
                        bool is_ok,
                        const struct rp_addr *addr,
                        struct rp_span rest);

#endif
