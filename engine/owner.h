/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * owner.h - how much of something scarce one client and one network hold.
 *
 *     conn->owner = rp_owner_of(&peer, seed);
 *     if (rp_owners_may_take(&owners, conn->owner, count)) {
 *         rp_owners_take(&owners, conn->owner, count);
 *     }
 *
 * A client is an address, a network the first 24 bits of an IPv4 address or the first 48 of an IPv6
 * one. They are counted in a fixed number of places; which share a place depends on the seed, which
 * no client knows. All clients of unix sockets are one. One thread.
 */
#ifndef OWNER_H
#define OWNER_H

#include "limits.h"

#include <netinet/in.h>
#include <stdbool.h>

struct rp_owner {
    uint16_t client; /* places in rp_owners */
    uint16_t network;
};

struct rp_owners {
    uint32_t max; /* of all together */
    uint32_t held;
    uint32_t clients[RP_OWNERS]; /* of `held` */
    uint32_t networks[RP_OWNERS];
};

/* Of `max` a client may hold one part in RP_OWNER_CLIENT_PART, a network one in
 * RP_OWNER_NETWORK_PART. */
void rp_owners_init(struct rp_owners *owners, uint32_t max);

struct rp_owner rp_owner_of(const struct sockaddr_storage *peer, uint64_t seed);

bool rp_owners_may_take(const struct rp_owners *owners, struct rp_owner owner, uint32_t count);
void rp_owners_take(struct rp_owners *owners, struct rp_owner owner, uint32_t count);
void rp_owners_give(struct rp_owners *owners, struct rp_owner owner, uint32_t count);

#endif
