/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_auth.h - what a client sends for AUTH PLAIN (RFC 4616) and AUTH LOGIN.
 *
 *     rp_load_auth_init("joe:secret", &auth);
 *     ...send auth.plain...
 *     rp_load_auth_wipe(&auth);
 *
 * Pure. These lines are the password, hardly disguised: nothing but the server may see them.
 */
#ifndef PERF_LOAD_AUTH_H
#define PERF_LOAD_AUTH_H

#include "proto/rp_span.h"

#include <stdint.h>

#define RP_LOAD_AUTH_PART_MAX 255u /* octets of a name, or of a password (RFC 4616, section 2) */
#define RP_LOAD_AUTH_LINE_MAX 768u /* both in base64, with the command */

enum rp_load_auth_mechanism {
    RP_LOAD_AUTH_ANY, /* PLAIN where the server offers it, else LOGIN */
    RP_LOAD_AUTH_PLAIN,
    RP_LOAD_AUTH_LOGIN,
};

struct rp_load_auth_line {
    uint32_t len;
    uint8_t octets[RP_LOAD_AUTH_LINE_MAX]; /* with CRLF */
};

struct rp_load_auth {
    struct rp_load_auth_line plain;          /* AUTH PLAIN with its initial response */
    struct rp_load_auth_line login_name;     /* the answer to the first 334 of AUTH LOGIN */
    struct rp_load_auth_line login_password; /* the answer to the second one */
};

/* `credentials` is NAME:PASSWORD; the name has no colon. 0, or -EINVAL: no colon, an empty or
 * too long part. */
int rp_load_auth_init(const char *credentials, struct rp_load_auth *auth_out);

/* Forget the lines; the compiler must not leave this out. */
void rp_load_auth_wipe(struct rp_load_auth *auth);

static inline struct rp_span rp_load_auth_span(const struct rp_load_auth_line *line)
{
    return (struct rp_span){.ptr = line->octets, .len = line->len};
}

#endif
