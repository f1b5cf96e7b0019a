/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_target.h - the server that is loaded, and whether that may be done.
 *
 *     rp_load_target_open("127.0.0.1:2525", false, &target, error, sizeof(error));
 *
 * A load generator aimed at somebody else's server is an attack. So a target must be on this
 * machine (127.0.0.0/8, ::1, a unix socket) unless its user says that the server is his own.
 */
#ifndef PERF_LOAD_TARGET_H
#define PERF_LOAD_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct rp_load_target {
    struct sockaddr_storage address;
    socklen_t address_len;
    char name[128]; /* for people: "127.0.0.1:2525", "[::1]:25", "unix:/run/in.sock" */
};

/*
 * HOST:PORT, [ADDRESS]:PORT or unix:PATH. A name is resolved, and its first address used; all of
 * them must be on this machine unless `is_owned`. 0; -EINVAL: it is no target; -EPERM: it is
 * elsewhere; -ENOENT: the name has no address. In all cases one line in `error`.
 */
int rp_load_target_open(const char *text,
                        bool is_owned,
                        struct rp_load_target *target_out,
                        char *error,
                        size_t error_len);

/* 127.0.0.0/8, ::1 (also as ::ffff:127.x.x.x) or a unix socket. */
bool rp_load_target_is_local(const struct sockaddr *address);

/* The address that connection `index` of a run with `sources` of them comes from: 127.0.1.1 on.
 * Only for an IPv4 loopback target (rp_load_target_has_sources). */
void rp_load_target_source(uint32_t index, uint32_t sources, struct sockaddr_storage *source_out);
bool rp_load_target_has_sources(const struct rp_load_target *target);

/* From 127.0.1.1 to 127.255.255.254. */
#define RP_LOAD_TARGET_SOURCES_MAX 16776958u

#endif
