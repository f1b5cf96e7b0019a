/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * config_value.h - values of the configuration as text: numbers, sizes, times, shares,
 * truth values, addresses to listen on.
 *
 * Pure: no lookups, no locale. Texts end with NUL. Results are written only on
 * RP_CONFIG_VALUE_GOOD.
 */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include "engine/config.h"

#include <sys/socket.h>

enum rp_config_value {
    RP_CONFIG_VALUE_GOOD,
    RP_CONFIG_VALUE_MALFORMED, /* not of that form */
    RP_CONFIG_VALUE_HUGE,      /* of that form, but more than 64 bits can hold */
};

/* Room for any text that the print functions make, with its NUL. */
#define RP_CONFIG_VALUE_LEN 32

/* Decimal digits, nothing else. */
enum rp_config_value rp_config_value_number(const char *text, uint64_t *number_out);

/* Octets: "512", "10kb", "10mb", "10gb" (powers of 1024; any case). */
enum rp_config_value rp_config_value_size(const char *text, uint64_t *octets_out);

/* Nanoseconds: "30" (seconds), "250ms", "30s", "5min", "2h", "1d" (any case). */
enum rp_config_value rp_config_value_time(const char *text, uint64_t *time_ns_out);

/* "5%", 0 to 99, or a size. */
enum rp_config_value rp_config_value_share(const char *text, struct rp_config_share *share_out);

/* "true" or "false" (any case). */
enum rp_config_value rp_config_value_bool(const char *text, bool *is_true_out);

/*
 * Where to listen: "127.0.0.1:25", "[::1]:25", "localhost:25" (IPv4), "*:25" (every
 * address, IPv6 and IPv4), "unix:/path". Numeric: nothing is looked up. Port 0 lets the
 * system choose one.
 */
enum rp_config_value rp_config_value_address(const char *text,
                                             struct sockaddr_storage *address_out,
                                             socklen_t *len_out);

/* The shortest text that parses to this value. `text` has RP_CONFIG_VALUE_LEN octets. */
void rp_config_value_print_size(uint64_t octets, char *text);
void rp_config_value_print_time(uint64_t time_ns, char *text); /* below 1 ms is cut off */
void rp_config_value_print_share(const struct rp_config_share *share, char *text);

#endif
