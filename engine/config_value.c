/* SPDX-License-Identifier: GPL-3.0-or-later */
/* config_value.c - text to value and back, for config_value.h. */
#include "engine/config_value.h"

#include <arpa/inet.h>
#include <assert.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

struct unit {
    const char *name;
    uint64_t factor;
};

/* Both from the smallest to the largest: printing takes the last that divides. */
static const struct unit size_units[] = {
    {"kb", 1ull << 10},
    {"mb", 1ull << 20},
    {"gb", 1ull << 30},
};
static const struct unit time_units[] = {
    {"ms",  1000000ull                  },
    {"s",   1000000000ull               },
    {"min", 60ull * 1000000000ull       },
    {"h",   3600 * 1000000000ull        },
    {"d",   24ull * 3600 * 1000000000ull},
};
#define SECOND       1000000000ull
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The digits that *text begins with; *text is moved behind them. */
static enum rp_config_value take_digits(const char **text, uint64_t *number_out)
{
    uint64_t number = 0;
    bool is_huge = false;
    const char *at = *text;
    for (; *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        is_huge = is_huge || number > (UINT64_MAX - digit) / 10;
        number = is_huge ? 0 : number * 10 + digit;
    }
    if (at == *text) {
        return RP_CONFIG_VALUE_MALFORMED;
    }
    *text = at;
    *number_out = number;
    return is_huge ? RP_CONFIG_VALUE_HUGE : RP_CONFIG_VALUE_GOOD;
}

enum rp_config_value rp_config_value_number(const char *text, uint64_t *number_out)
{
    uint64_t number = 0;
    enum rp_config_value result = take_digits(&text, &number);
    if (*text != '\0') {
        return RP_CONFIG_VALUE_MALFORMED;
    }
    if (result == RP_CONFIG_VALUE_GOOD) {
        *number_out = number;
    }
    return result;
}

/* Digits and a unit; without a unit the number counts `plain`s. */
static enum rp_config_value parse_units(const char *text,
                                        const struct unit *units,
                                        size_t unit_count,
                                        uint64_t plain,
                                        uint64_t *out)
{
    uint64_t number = 0;
    enum rp_config_value result = take_digits(&text, &number);
    if (result == RP_CONFIG_VALUE_MALFORMED) {
        return result;
    }
    uint64_t factor = *text == '\0' ? plain : 0;
    for (size_t i = 0; i < unit_count; i++) {
        if (strcasecmp(text, units[i].name) == 0) {
            factor = units[i].factor;
        }
    }
    if (factor == 0) {
        return RP_CONFIG_VALUE_MALFORMED;
    }
    if (result == RP_CONFIG_VALUE_HUGE || number > UINT64_MAX / factor) {
        return RP_CONFIG_VALUE_HUGE;
    }
    *out = number * factor;
    return RP_CONFIG_VALUE_GOOD;
}

enum rp_config_value rp_config_value_size(const char *text, uint64_t *octets_out)
{
    return parse_units(text, size_units, COUNT(size_units), 1, octets_out);
}

enum rp_config_value rp_config_value_time(const char *text, uint64_t *time_ns_out)
{
    return parse_units(text, time_units, COUNT(time_units), SECOND, time_ns_out);
}

enum rp_config_value rp_config_value_share(const char *text, struct rp_config_share *share_out)
{
    const char *end = text;
    uint64_t percent = 0;
    enum rp_config_value result = take_digits(&end, &percent);
    if (result != RP_CONFIG_VALUE_MALFORMED && strcmp(end, "%") == 0) {
        if (result == RP_CONFIG_VALUE_HUGE || percent > 99) {
            return RP_CONFIG_VALUE_HUGE;
        }
        *share_out = (struct rp_config_share){.percent = (uint32_t)percent};
        return RP_CONFIG_VALUE_GOOD;
    }
    uint64_t octets = 0;
    result = rp_config_value_size(text, &octets);
    if (result == RP_CONFIG_VALUE_GOOD) {
        *share_out = (struct rp_config_share){.octets = octets};
    }
    return result;
}

enum rp_config_value rp_config_value_bool(const char *text, bool *is_true_out)
{
    bool is_true = strcasecmp(text, "true") == 0;
    if (!is_true && strcasecmp(text, "false") != 0) {
        return RP_CONFIG_VALUE_MALFORMED;
    }
    *is_true_out = is_true;
    return RP_CONFIG_VALUE_GOOD;
}

static enum rp_config_value parse_unix(const char *path,
                                       struct sockaddr_storage *address_out,
                                       socklen_t *len_out)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len == 0) {
        return RP_CONFIG_VALUE_MALFORMED;
    }
    if (len >= sizeof(address.sun_path)) {
        return RP_CONFIG_VALUE_HUGE;
    }
    memcpy(address.sun_path, path, len + 1);
    memset(address_out, 0, sizeof(*address_out));
    memcpy(address_out, &address, sizeof(address));
    *len_out = (socklen_t)sizeof(address);
    return RP_CONFIG_VALUE_GOOD;
}

enum rp_config_value rp_config_value_address(const char *text,
                                             struct sockaddr_storage *address_out,
                                             socklen_t *len_out)
{
    if (strncmp(text, "unix:", 5) == 0) {
        return parse_unix(text + 5, address_out, len_out);
    }
    const char *colon = strrchr(text, ':');
    uint64_t port = 0;
    char host[INET6_ADDRSTRLEN + 2]; /* the longest: an IPv6 address in brackets */
    if (colon == NULL || (size_t)(colon - text) >= sizeof(host) ||
        rp_config_value_number(colon + 1, &port) == RP_CONFIG_VALUE_MALFORMED) {
        return RP_CONFIG_VALUE_MALFORMED;
    }
    size_t host_len = (size_t)(colon - text);
    memcpy(host, text, host_len);
    host[host_len] = '\0';

    struct sockaddr_in ipv4 = {.sin_family = AF_INET};
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6};
    bool is_ipv6 = true;
    enum rp_config_value result = RP_CONFIG_VALUE_GOOD;
    if (strcmp(host, "*") == 0) {
        ipv6.sin6_addr = in6addr_any;
    } else if (host[0] == '[' && host[host_len - 1] == ']') {
        host[host_len - 1] = '\0';
        result = inet_pton(AF_INET6, host + 1, &ipv6.sin6_addr) == 1 ? RP_CONFIG_VALUE_GOOD
                                                                     : RP_CONFIG_VALUE_MALFORMED;
    } else if (strcmp(host, "localhost") == 0) {
        is_ipv6 = false;
        ipv4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    } else if (inet_pton(AF_INET, host, &ipv4.sin_addr) == 1) {
        is_ipv6 = false;
    } else {
        result = RP_CONFIG_VALUE_MALFORMED;
    }
    if (result != RP_CONFIG_VALUE_GOOD) {
        return result;
    }
    if (port > UINT16_MAX || strlen(colon + 1) > 5) {
        return RP_CONFIG_VALUE_HUGE;
    }
    ipv4.sin_port = htons((uint16_t)port);
    ipv6.sin6_port = htons((uint16_t)port);
    memset(address_out, 0, sizeof(*address_out));
    memcpy(address_out, is_ipv6 ? (void *)&ipv6 : (void *)&ipv4,
           is_ipv6 ? sizeof(ipv6) : sizeof(ipv4));
    *len_out = (socklen_t)(is_ipv6 ? sizeof(ipv6) : sizeof(ipv4));
    return RP_CONFIG_VALUE_GOOD;
}

/* In the largest unit that divides it; `plain` where there is none. */
static void print_units(uint64_t value,
                        const struct unit *units,
                        size_t unit_count,
                        struct unit plain,
                        char *text)
{
    struct unit unit = plain;
    for (size_t i = 0; i < unit_count && value > 0; i++) {
        if (value % units[i].factor == 0) {
            unit = units[i];
        }
    }
    int len = snprintf(text, RP_CONFIG_VALUE_LEN, "%" PRIu64 "%s", value / unit.factor, unit.name);
    assert(len > 0 && len < RP_CONFIG_VALUE_LEN);
}

void rp_config_value_print_size(uint64_t octets, char *text)
{
    print_units(octets, size_units, COUNT(size_units), (struct unit){"", 1}, text);
}

void rp_config_value_print_time(uint64_t time_ns, char *text)
{
    uint64_t whole_ns = time_ns - time_ns % time_units[0].factor;
    print_units(whole_ns, time_units, COUNT(time_units), (struct unit){"s", SECOND}, text);
}

void rp_config_value_print_share(const struct rp_config_share *share, char *text)
{
    if (share->percent == 0) {
        rp_config_value_print_size(share->octets, text);
        return;
    }
    int len = snprintf(text, RP_CONFIG_VALUE_LEN, "%" PRIu32 "%%", share->percent);
    assert(len > 0 && len < RP_CONFIG_VALUE_LEN);
}
