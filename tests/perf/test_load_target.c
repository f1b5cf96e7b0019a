/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_load_target.c - what is a target, and which are on this machine.
 *
 * Goal: no load on another machine without its owner's word; no text is taken for another target.
 * Method: rows of texts with what must come of them (numeric, and names that need no network);
 * addresses at the edges of the loopback ranges; the row of source addresses.
 */
#include "perf/load_target.h"
#include "tests/tools/suite.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

static void test_rows(void)
{
    static const struct {
        const char *text;
        bool is_owned;
        int err;
        int family;
        const char *words; /* in the error */
    } rows[] = {
        {"127.0.0.1:2525",        false, 0,       AF_INET,  NULL                        },
        {"127.255.255.254:1",     false, 0,       AF_INET,  NULL                        },
        {"[::1]:65535",           false, 0,       AF_INET6, NULL                        },
        {"[127.0.0.1]:25",        false, 0,       AF_INET,  NULL                        },
        {"[::ffff:127.0.0.1]:25", false, 0,       AF_INET6, NULL                        },
        {"unix:/run/in.sock",     false, 0,       AF_UNIX,  NULL                        },
        {"192.0.2.1:25",          false, -EPERM,  0,        "--i-own-this-server"       },
        {"192.0.2.1:25",          true,  0,       AF_INET,  NULL                        },
        {"[2001:db8::1]:25",      false, -EPERM,  0,        "2001:db8::1 is not on this"},
        {"[2001:db8::1]:25",      true,  0,       AF_INET6, NULL                        },
        {"0.0.0.0:25",            false, -EPERM,  0,        "is an attack"              },
        {"[::ffff:192.0.2.1]:25", false, -EPERM,  0,        "is not on this machine"    },
        {"128.0.0.1:25",          false, -EPERM,  0,        "128.0.0.1"                 },
        {"::1:25",                false, -EINVAL, 0,        "[IPV6-ADDRESS]:PORT"       },
        {"127.0.0.1",             false, -EINVAL, 0,        "give HOST:PORT"            },
        {"127.0.0.1:",            false, -EINVAL, 0,        "give HOST:PORT"            },
        {"127.0.0.1:0",           false, -EINVAL, 0,        "give HOST:PORT"            },
        {"127.0.0.1:65536",       false, -EINVAL, 0,        "give HOST:PORT"            },
        {"127.0.0.1:25x",         false, -EINVAL, 0,        "give HOST:PORT"            },
        {"127.0.0.1:smtp",        false, -EINVAL, 0,        "give HOST:PORT"            },
        {":25",                   false, -EINVAL, 0,        "give HOST:PORT"            },
        {"[]:25",                 false, -EINVAL, 0,        "give HOST:PORT"            },
        {"[::1]25",               false, -EINVAL, 0,        "give HOST:PORT"            },
        {"[::1",                  false, -EINVAL, 0,        "give HOST:PORT"            },
        {"",                      false, -EINVAL, 0,        "give HOST:PORT"            },
        {"unix:",                 false, -EINVAL, 0,        "give a path of 1 to 107"   },
    };
    for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
        struct rp_load_target target;
        char error[256] = "";
        int err =
            rp_load_target_open(rows[row].text, rows[row].is_owned, &target, error, sizeof(error));
        if (err != rows[row].err) {
            (void)fprintf(stderr, "%s: %d %s\n", rows[row].text, err, error);
        }
        CU_ASSERT_EQUAL_FATAL(err, rows[row].err);
        if (err != 0) {
            assert(rows[row].words != NULL);
            CU_ASSERT_PTR_NOT_NULL(strstr(error, rows[row].words));
            continue;
        }
        CU_ASSERT_EQUAL(target.address.ss_family, rows[row].family);
        CU_ASSERT_STRING_EQUAL(target.name, rows[row].text);
        CU_ASSERT_EQUAL(rp_load_target_has_sources(&target),
                        strncmp(rows[row].text, "127.", 4) == 0 ||
                            strncmp(rows[row].text, "[127.", 5) == 0);
    }
}

static void test_address(void)
{
    struct rp_load_target target;
    struct sockaddr_in v4;
    struct sockaddr_un local;
    char error[256];
    CU_ASSERT_EQUAL_FATAL(
        rp_load_target_open("127.1.2.3:2525", false, &target, error, sizeof(error)), 0);
    CU_ASSERT_EQUAL_FATAL(target.address_len, sizeof(v4));
    memcpy(&v4, &target.address, sizeof(v4));
    CU_ASSERT_EQUAL(ntohl(v4.sin_addr.s_addr), 0x7f010203);
    CU_ASSERT_EQUAL(ntohs(v4.sin_port), 2525);
    CU_ASSERT_EQUAL_FATAL(rp_load_target_open("unix:/a/b", false, &target, error, sizeof(error)),
                          0);
    memcpy(&local, &target.address, sizeof(local));
    CU_ASSERT_STRING_EQUAL(local.sun_path, "/a/b");
}

/* The longest path of a unix socket, and one octet more. */
static void test_long_path(void)
{
    for (size_t len = 107; len <= 108; len++) {
        struct rp_load_target target;
        char error[256];
        char text[128] = "unix:";
        memset(text + 5, 'p', len);
        text[5 + len] = '\0';
        CU_ASSERT_EQUAL(rp_load_target_open(text, false, &target, error, sizeof(error)),
                        len == 107 ? 0 : -EINVAL);
    }
    char host[600];
    struct rp_load_target target;
    char error[256];
    memset(host, 'h', sizeof(host));
    memcpy(host + sizeof(host) - 4, ":25", 4);
    CU_ASSERT_EQUAL(rp_load_target_open(host, false, &target, error, sizeof(error)), -EINVAL);
}

static void test_sources(void)
{
    static const struct {
        uint32_t index;
        uint32_t sources;
        const char *address;
    } rows[] = {
        {0,                              1,                          "127.0.1.1"      },
        {5,                              1,                          "127.0.1.1"      },
        {5,                              4,                          "127.0.1.2"      },
        {254,                            1000,                       "127.0.1.255"    },
        {255,                            1000,                       "127.0.2.0"      },
        {RP_LOAD_TARGET_SOURCES_MAX - 1, RP_LOAD_TARGET_SOURCES_MAX, "127.255.255.254"},
    };
    for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
        struct sockaddr_storage source;
        struct sockaddr_in v4;
        char text[INET_ADDRSTRLEN];
        rp_load_target_source(rows[row].index, rows[row].sources, &source);
        memcpy(&v4, &source, sizeof(v4));
        CU_ASSERT_EQUAL(v4.sin_family, AF_INET);
        CU_ASSERT_EQUAL(v4.sin_port, 0);
        CU_ASSERT_PTR_NOT_NULL_FATAL(inet_ntop(AF_INET, &v4.sin_addr, text, sizeof(text)));
        CU_ASSERT_STRING_EQUAL(text, rows[row].address);
    }
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"rows",           test_rows     },
        {"the address",    test_address  },
        {"long names",     test_long_path},
        {"source address", test_sources  },
    };
    return SUITE_RUN("perf/load_target", tests, argc, argv);
}
