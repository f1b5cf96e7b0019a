/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_owner.c - what one client and one network hold of something scarce.
 *
 * Goal: nobody holds more than his part, and others can have theirs; what is given back can be
 * taken again; an IPv4 address is the same client through any listener. Method: rows; then random
 * clients of a few networks, counted by hand.
 *
 * A number as argument is the seed of the random part.
 */
#include "engine/owner.h"
#include "tests/tools/suite.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/un.h>

#define SEED UINT64_C(0x123456789abcdef0)
#define MAX  400u

static struct rp_owners owners;

static struct rp_owner owner_of(const char *text)
{
    struct sockaddr_storage peer = {0};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = 5};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = 7};
    if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
        memcpy(&peer, &in, sizeof(in));
    } else {
        CU_ASSERT_EQUAL_FATAL(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
        memcpy(&peer, &in6, sizeof(in6));
    }
    return rp_owner_of(&peer, SEED);
}

static void test_who(void)
{
    static const struct {
        const char *first;
        const char *second;
        bool is_client;
        bool is_network;
    } rows[] = {
        {"192.0.2.1",     "192.0.2.1",        true,  true },
        {"192.0.2.1",     "::ffff:192.0.2.1", true,  true },
        {"192.0.2.1",     "192.0.2.2",        false, true },
        {"192.0.2.1",     "192.0.3.1",        false, false},
        {"192.0.2.1",     "::192.0.2.1",      false, false},
        {"2001:db8:1::1", "2001:db8:1:2::1",  false, true },
        {"2001:db8:1::1", "2001:db8:2::1",    false, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rp_owner first = owner_of(rows[i].first);
        struct rp_owner second = owner_of(rows[i].second);
        CU_ASSERT_EQUAL(first.client == second.client, rows[i].is_client);
        CU_ASSERT_EQUAL(first.network == second.network, rows[i].is_network);
        CU_ASSERT(first.client < RP_OWNERS && first.network < RP_OWNERS);
    }
    struct sockaddr_storage local = {.ss_family = AF_UNIX};
    struct sockaddr_storage unknown = {0};
    CU_ASSERT_EQUAL(rp_owner_of(&local, SEED).client, rp_owner_of(&unknown, SEED).client);
}

/* Who shares a place is another with another seed. */
static void test_seed(void)
{
    struct sockaddr_storage peer = {0};
    size_t same = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(0xc0000000u + i)}};
        memcpy(&peer, &in, sizeof(in));
        same += rp_owner_of(&peer, SEED).client == rp_owner_of(&peer, SEED + 1).client;
    }
    CU_ASSERT(same < 20); /* 1 on average */
}

/* Take one by one as long as it goes. */
static uint32_t take_all(const char *text)
{
    struct rp_owner owner = owner_of(text);
    uint32_t count = 0;
    while (rp_owners_may_take(&owners, owner, 1)) {
        rp_owners_take(&owners, owner, 1);
        count++;
    }
    CU_ASSERT_FALSE(rp_owners_may_take(&owners, owner, 1));
    CU_ASSERT_TRUE(rp_owners_may_take(&owners, owner, 0));
    return count;
}

static void test_parts(void)
{
    rp_owners_init(&owners, MAX);
    CU_ASSERT_FALSE(rp_owners_may_take(&owners, owner_of("192.0.2.1"), MAX / 4 + 1));
    CU_ASSERT_EQUAL(take_all("192.0.2.1"), MAX / RP_OWNER_CLIENT_PART);
    CU_ASSERT_EQUAL(take_all("192.0.2.2"), MAX / RP_OWNER_CLIENT_PART);
    CU_ASSERT_EQUAL(take_all("192.0.2.3"), 0); /* its network has its part */
    CU_ASSERT_EQUAL(take_all("192.0.3.1"), MAX / RP_OWNER_CLIENT_PART);
    rp_owners_give(&owners, owner_of("192.0.2.1"), 30);
    CU_ASSERT_EQUAL(take_all("192.0.2.3"), 30);
    CU_ASSERT_EQUAL(take_all("192.0.4.1"), MAX / RP_OWNER_CLIENT_PART);
    CU_ASSERT_EQUAL(take_all("192.0.5.1"), 0); /* nothing is left */
    CU_ASSERT_EQUAL(owners.held, MAX);
}

#define CLIENTS 6

static void test_random(void)
{
    static const char *const texts[CLIENTS] = {"192.0.2.1", "192.0.2.2", "192.0.2.3",
                                               "192.0.3.1", "192.0.4.1", "2001:db8::1"};
    static const size_t networks[CLIENTS] = {0, 0, 0, 1, 2, 3};
    uint32_t held[CLIENTS] = {0};
    uint32_t by_network[4] = {0};
    uint32_t sum = 0;
    uint64_t random = suite_seed;
    rp_owners_init(&owners, MAX);
    for (int i = 0; i < 100000; i++) {
        size_t client = suite_random_below(&random, CLIENTS);
        struct rp_owner owner = owner_of(texts[client]);
        uint32_t count = (uint32_t)suite_random_below(&random, 30);
        if (suite_random_below(&random, 5) < 3) {
            bool may = sum + count <= MAX && held[client] + count <= MAX / RP_OWNER_CLIENT_PART &&
                       by_network[networks[client]] + count <= MAX / RP_OWNER_NETWORK_PART;
            CU_ASSERT_EQUAL_FATAL(rp_owners_may_take(&owners, owner, count), may);
            if (may) {
                rp_owners_take(&owners, owner, count);
                held[client] += count;
                by_network[networks[client]] += count;
                sum += count;
            }
        } else if (held[client] >= count) {
            rp_owners_give(&owners, owner, count);
            held[client] -= count;
            by_network[networks[client]] -= count;
            sum -= count;
        }
    }
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"who",    test_who   },
        {"seed",   test_seed  },
        {"parts",  test_parts },
        {"random", test_random},
    };
    return SUITE_RUN("engine/owner", tests, argc, argv);
}
