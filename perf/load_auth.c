/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_auth.c - what a client sends for AUTH PLAIN (RFC 4616) and AUTH LOGIN.
 */
#include "load_auth.h"

#include "tools/base64.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static void put(struct rp_load_auth_line *line, const void *ptr, size_t len)
{
    assert(len <= sizeof(line->octets) - line->len);
    memcpy(line->octets + line->len, ptr, len);
    line->len += (uint32_t)len;
}

static void put_base64(struct rp_load_auth_line *line, const uint8_t *ptr, size_t len)
{
    char text[RP_LOAD_AUTH_LINE_MAX];
    assert(rp_base64_len(len) <= sizeof(text));
    rp_base64_encode(ptr, len, text);
    put(line, text, rp_base64_len(len));
    explicit_bzero(text, sizeof(text));
}

static bool is_part(size_t len)
{
    return len > 0 && len <= RP_LOAD_AUTH_PART_MAX;
}

int rp_load_auth_init(const char *credentials, struct rp_load_auth *auth_out)
{
    const char *colon = strchr(credentials, ':');
    size_t name_len = colon != NULL ? (size_t)(colon - credentials) : 0;
    size_t password_len = colon != NULL ? strlen(colon + 1) : 0;
    if (!is_part(name_len) || !is_part(password_len)) {
        return -EINVAL;
    }
    const uint8_t *name = (const uint8_t *)credentials;
    const uint8_t *password = (const uint8_t *)colon + 1;
    /* RFC 4616: authorization identity (none), NUL, name, NUL, password. */
    uint8_t message[2 + 2 * RP_LOAD_AUTH_PART_MAX] = {0};
    memcpy(message + 1, name, name_len);
    memcpy(message + 2 + name_len, password, password_len);

    memset(auth_out, 0, sizeof(*auth_out));
    put(&auth_out->plain, "AUTH PLAIN ", strlen("AUTH PLAIN "));
    put_base64(&auth_out->plain, message, 2 + name_len + password_len);
    put(&auth_out->plain, "\r\n", 2);
    put_base64(&auth_out->login_name, name, name_len);
    put(&auth_out->login_name, "\r\n", 2);
    put_base64(&auth_out->login_password, password, password_len);
    put(&auth_out->login_password, "\r\n", 2);
    explicit_bzero(message, sizeof(message));
    return 0;
}

void rp_load_auth_wipe(struct rp_load_auth *auth)
{
    explicit_bzero(auth, sizeof(*auth));
}
