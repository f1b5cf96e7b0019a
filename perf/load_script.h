/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_script.h - the commands of a run, written out once: all connections send the same octets.
 *
 *     rp_load_script_open(&options, &script);
 *     ...send rp_load_script_text(script, RP_LOAD_SCRIPT_MAIL)...
 *
 * Only BDAT has a number that differs from message to message. Immutable after open: all threads
 * share it, and the spans are good until close.
 */
#ifndef PERF_LOAD_SCRIPT_H
#define PERF_LOAD_SCRIPT_H

#include "load_auth.h"
#include "proto/rp_span.h"

#include <stdbool.h>
#include <stdint.h>

enum rp_load_mode {
    RP_LOAD_PLAIN,     /* one command, one reply */
    RP_LOAD_PIPELINED, /* MAIL, RCPT, DATA at once; the next ones with the body */
    RP_LOAD_BDAT,      /* MAIL, RCPT, BDAT and the body at once */
};

#define RP_LOAD_RECIPIENTS_MAX 100000u
#define RP_LOAD_DEPTH_MAX      64u  /* messages in flight on a connection */
#define RP_LOAD_ADDRESS_MAX    254u /* octets of the sender (RFC 5321, 4.5.3.1.3) */
#define RP_LOAD_DOMAIN_MAX     200u /* so that userN@DOMAIN keeps below RP_LOAD_ADDRESS_MAX */

struct rp_load_script_options {
    enum rp_load_mode mode;
    bool is_lmtp;
    bool is_forced;                  /* use PIPELINING and CHUNKING though they are not offered */
    uint32_t depth;                  /* see above; plain: 1, pipelined: 1 or 2 */
    uint32_t recipients;             /* at least 1 */
    uint64_t per_connection;         /* messages; 0: no limit */
    const char *domain;              /* of EHLO and of the addresses */
    const char *sender;              /* NULL: load@DOMAIN; "": the null sender */
    const struct rp_load_auth *auth; /* NULL: none; the caller's */
    enum rp_load_auth_mechanism mechanism;
};

enum rp_load_script_name {
    RP_LOAD_SCRIPT_HELLO, /* EHLO or LHLO */
    RP_LOAD_SCRIPT_HELO,
    RP_LOAD_SCRIPT_MAIL,
    RP_LOAD_SCRIPT_DATA,
    RP_LOAD_SCRIPT_RSET,
    RP_LOAD_SCRIPT_QUIT,
    RP_LOAD_SCRIPT_EMPTY, /* a body without octets: where no recipient was taken */
    RP_LOAD_SCRIPT_LOGIN, /* AUTH LOGIN */
    RP_LOAD_SCRIPT_COUNT,
};

struct rp_load_script {
    struct rp_load_script_options options;
    struct rp_span texts[RP_LOAD_SCRIPT_COUNT];
    struct rp_span group; /* MAIL, all RCPTs and, where mode is not BDAT, DATA: as one text */
    uint32_t *rcpt_offs;  /* of each RCPT in group, and of what follows the last */
    uint8_t *memory;
};

/* 0 or -ENOMEM. */
int rp_load_script_open(const struct rp_load_script_options *options,
                        struct rp_load_script **script_out);
void rp_load_script_close(struct rp_load_script *script); /* NULL is fine */

static inline struct rp_span rp_load_script_text(const struct rp_load_script *script,
                                                 enum rp_load_script_name name)
{
    return script->texts[name];
}

static inline struct rp_span rp_load_script_rcpt(const struct rp_load_script *script,
                                                 uint32_t index)
{
    return (struct rp_span){.ptr = script->group.ptr + script->rcpt_offs[index],
                            .len = script->rcpt_offs[index + 1] - script->rcpt_offs[index]};
}

#define RP_LOAD_SCRIPT_BDAT_MAX 40u /* octets of any BDAT line */

/* "BDAT 10240 LAST" with CRLF into `place`; returns its length. */
uint32_t rp_load_script_bdat(uint64_t body_len, char place[RP_LOAD_SCRIPT_BDAT_MAX]);

#endif
