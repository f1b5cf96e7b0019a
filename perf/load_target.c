/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_target.c - the server that is loaded, and whether that may be done.
 */
#include "load_target.h"

#include "tools/text.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#define FIRST_SOURCE 0x7f000101u /* 127.0.1.1 */
#define HOST_MAX     256u

static bool is_local_v4(uint32_t address)
{
    return address >> 24 == 127;
}

bool rp_load_target_is_local(const struct sockaddr *address)
{
    if (address->sa_family == AF_UNIX) {
        return true;
    }
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof(v4));
        return is_local_v4(ntohl(v4.sin_addr.s_addr));
    }
    if (address->sa_family != AF_INET6) {
        return false;
    }
    struct sockaddr_in6 v6;
    memcpy(&v6, address, sizeof(v6));
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
        return v6.sin6_addr.s6_addr[12] == 127;
    }
    return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
}

bool rp_load_target_has_sources(const struct rp_load_target *target)
{
    return target->address.ss_family == AF_INET &&
           rp_load_target_is_local((const struct sockaddr *)&target->address);
}

void rp_load_target_source(uint32_t index, uint32_t sources, struct sockaddr_storage *source_out)
{
    assert(sources > 0 && sources <= RP_LOAD_TARGET_SOURCES_MAX);
    struct sockaddr_in source = {
        .sin_family = AF_INET,
        .sin_addr = {.s_addr = htonl(FIRST_SOURCE + index % sources)},
    };
    memset(source_out, 0, sizeof(*source_out));
    memcpy(source_out, &source, sizeof(source));
}

static int open_unix(const char *path, struct rp_load_target *target, char *error, size_t error_len)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof(address.sun_path)) {
        (void)snprintf(error, error_len, "unix:%.200s: give a path of 1 to %zu octets", path,
                       sizeof(address.sun_path) - 1);
        return -EINVAL;
    }
    memcpy(address.sun_path, path, len);
    memcpy(&target->address, &address, sizeof(address));
    target->address_len = sizeof(address);
    return 0;
}

/* The host goes to `host` (without brackets), the port stays where it is. NULL: no target. */
static const char *split(const char *text, char host[HOST_MAX])
{
    bool has_brackets = text[0] == '[';
    const char *start = text + (has_brackets ? 1 : 0);
    const char *end = has_brackets ? strchr(text, ']') : strrchr(text, ':');
    if (end == NULL || end == start || (size_t)(end - start) >= HOST_MAX) {
        return NULL;
    }
    if (!has_brackets && memchr(start, ':', (size_t)(end - start)) != NULL) {
        return NULL; /* an IPv6 address wants brackets */
    }
    const char *colon = has_brackets ? end + 1 : end;
    if (*colon != ':') {
        return NULL;
    }
    memcpy(host, start, (size_t)(end - start));
    host[end - start] = '\0';
    return colon + 1;
}

/* Look at all addresses of a name; take the first. */
static int choose(const struct addrinfo *list,
                  bool is_owned,
                  const char *text,
                  struct rp_load_target *target,
                  char *error,
                  size_t error_len)
{
    for (const struct addrinfo *entry = list; entry != NULL; entry = entry->ai_next) {
        char name[INET6_ADDRSTRLEN + 32] = "?";
        (void)getnameinfo(entry->ai_addr, entry->ai_addrlen, name, sizeof(name), NULL, 0,
                          NI_NUMERICHOST); /* for the message only */
        if (!is_owned && !rp_load_target_is_local(entry->ai_addr)) {
            (void)snprintf(error, error_len,
                           "%.150s: %s is not on this machine, and load on a server that is not "
                           "yours is an attack; give --i-own-this-server if it is yours",
                           text, name);
            return -EPERM;
        }
    }
    assert(list != NULL && list->ai_addrlen <= sizeof(target->address));
    memcpy(&target->address, list->ai_addr, list->ai_addrlen);
    target->address_len = list->ai_addrlen;
    return 0;
}

static int resolve(const char *text,
                   bool is_owned,
                   struct rp_load_target *target,
                   char *error,
                   size_t error_len)
{
    char host[HOST_MAX];
    uint64_t port = 0;
    const char *port_text = split(text, host);
    if (port_text == NULL || rp_text_number(port_text, &port) != 0 || port == 0 || port > 65535) {
        (void)snprintf(error, error_len,
                       "%.150s: no target; give HOST:PORT, [IPV6-ADDRESS]:PORT or unix:PATH", text);
        return -EINVAL;
    }
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    int err = getaddrinfo(host, port_text, &hints, &list);
    if (err != 0) {
        (void)snprintf(error, error_len, "%.150s: no address for %.100s: %s", text, host,
                       err == EAI_SYSTEM ? strerror(errno) : gai_strerror(err));
        return -ENOENT;
    }
    err = choose(list, is_owned, text, target, error, error_len);
    freeaddrinfo(list);
    return err;
}

int rp_load_target_open(const char *text,
                        bool is_owned,
                        struct rp_load_target *target_out,
                        char *error,
                        size_t error_len)
{
    static const char prefix[] = "unix:";
    struct rp_load_target target = {0};
    bool is_unix = strncmp(text, prefix, sizeof(prefix) - 1) == 0;
    int err = is_unix ? open_unix(text + sizeof(prefix) - 1, &target, error, error_len)
                      : resolve(text, is_owned, &target, error, error_len);
    if (err != 0) {
        return err;
    }
    (void)snprintf(target.name, sizeof(target.name), "%s", text); /* cut: for people only */
    *target_out = target;
    return 0;
}
