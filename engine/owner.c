/* SPDX-License-Identifier: GPL-3.0-or-later */
/* owner.c - see owner.h. */
#include "owner.h"

#include <string.h>

#define IPV4_NETWORK_LEN  3 /* octets */
#define IPV6_NETWORK_LEN  6
#define MAPPED_PREFIX_LEN 12

void rp_owners_init(struct rp_owners *owners, uint32_t max)
{
    *owners = (struct rp_owners){.max = max};
}

/* FNV-1a from a secret start, and its bits mixed once more. */
static uint16_t place_of(const uint8_t *octets, size_t len, uint64_t seed)
{
    uint64_t hash = seed ^ UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ octets[i]) * UINT64_C(0x100000001b3);
    }
    hash = (hash ^ hash >> 32 ^ seed) * UINT64_C(0x2545f4914f6cdd1d);
    return (uint16_t)(hash >> 48) % RP_OWNERS;
}

struct rp_owner rp_owner_of(const struct sockaddr_storage *peer, uint64_t seed)
{
    uint8_t octets[sizeof(struct in6_addr)] = {0};
    size_t len = 0; /* of what has no address */
    size_t network_len = 0;
    if (peer->ss_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, peer, sizeof(in));
        len = sizeof(in.sin_addr);
        network_len = IPV4_NETWORK_LEN;
        memcpy(octets, &in.sin_addr, len);
    } else if (peer->ss_family == AF_INET6) {
        struct sockaddr_in6 in;
        memcpy(&in, peer, sizeof(in));
        bool is_ipv4 = IN6_IS_ADDR_V4MAPPED(&in.sin6_addr);
        size_t off = is_ipv4 ? MAPPED_PREFIX_LEN : 0;
        len = sizeof(in.sin6_addr) - off;
        network_len = is_ipv4 ? IPV4_NETWORK_LEN : IPV6_NETWORK_LEN;
        memcpy(octets, in.sin6_addr.s6_addr + off, len);
    }
    return (struct rp_owner){.client = place_of(octets, len, seed),
                             .network = place_of(octets, network_len, seed)};
}

bool rp_owners_may_take(const struct rp_owners *owners, struct rp_owner owner, uint32_t count)
{
    return owners->max - owners->held >= count &&
           owners->clients[owner.client] + count <= owners->max / RP_OWNER_CLIENT_PART &&
           owners->networks[owner.network] + count <= owners->max / RP_OWNER_NETWORK_PART;
}

void rp_owners_take(struct rp_owners *owners, struct rp_owner owner, uint32_t count)
{
    assert(owners->max - owners->held >= count);
    owners->held += count;
    owners->clients[owner.client] += count;
    owners->networks[owner.network] += count;
}

void rp_owners_give(struct rp_owners *owners, struct rp_owner owner, uint32_t count)
{
    assert(owners->clients[owner.client] >= count && owners->networks[owner.network] >= count);
    owners->held -= count;
    owners->clients[owner.client] -= count;
    owners->networks[owner.network] -= count;
}
