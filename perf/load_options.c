/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_options.c - the command line of ringpost-load, from one table.
 */
#include "load_options.h"

#include "load_mail.h"
#include "load_target.h"
#include "tools/text.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* How an option's value is read. */
enum kind {
    FLAG,      /* none: a bool becomes true */
    TEXT,      /* as it is, not empty */
    ANY_TEXT,  /* may be empty */
    NUMBER,    /* of `low` to `high` */
    TIME,      /* in ns, not 0 */
    ANY_TIME,  /* in ns */
    RATE,      /* messages/s */
    SIZE,      /* of messages */
    MODE,      /* none: the mode becomes `low` */
    ARRIVALS,  /* constant, poisson */
    MECHANISM, /* plain, login */
    CREDENTIALS,
    THRESHOLD,
};

struct row {
    const char *name;
    const char *value; /* as --help prints it; NULL: it takes none */
    const char *help;
    uint8_t kind;
    size_t place; /* in struct rp_load_options */
    uint64_t low;
    uint64_t high;
};

#define PLACE(member) offsetof(struct rp_load_options, member)

/* clang-format off */
static const struct row rows[] = {
    {"connections",       "N",       "connections that are kept open (100)",                     NUMBER,      PLACE(connections),    1, 1000000},
    {"messages",          "N",       "end after so many messages",                               NUMBER,      PLACE(messages),       1, UINT64_MAX / 2},
    {"duration",          "T",       "end after this time (10s, without --messages)",            TIME,        PLACE(duration_ns),    0, 0},
    {"warmup",            "T",       "time before that, which does not count (0)",               ANY_TIME,    PLACE(warmup_ns),      0, 0},
    {"rate",              "R",       "messages a second; latency counts from the intended time", RATE,        PLACE(rate),           0, 0},
    {"arrivals",          "KIND",    "with --rate: constant or poisson (constant)",              ARRIVALS,    PLACE(arrivals),       0, 0},
    {"size",              "SIZE",    "BYTES, MIN-MAX, eml:DIR or mbox:FILE (10kb)",              SIZE,        PLACE(size),           0, 0},
    {"recipients",        "N",       "of each message (1)",                                      NUMBER,      PLACE(recipients),     1, RP_LOAD_RECIPIENTS_MAX},
    {"per-connection",    "N",       "messages on a connection, then QUIT (no limit)",           NUMBER,      PLACE(per_connection), 1, UINT64_MAX / 2},
    {"plain",             NULL,      "one command, one reply (this is the default)",             MODE,        PLACE(mode),           RP_LOAD_PLAIN, 0},
    {"pipelining",        NULL,      "MAIL, RCPT, DATA at once, and the next ones with the body", MODE,       PLACE(mode),           RP_LOAD_PIPELINED, 0},
    {"bdat",              NULL,      "MAIL, RCPT, BDAT and the body at once",                    MODE,        PLACE(mode),           RP_LOAD_BDAT, 0},
    {"depth",             "N",       "messages in flight on a connection (plain 1, others 2)",   NUMBER,      PLACE(depth),          1, RP_LOAD_DEPTH_MAX},
    {"force",             NULL,      "do so even where EHLO does not offer it",                  FLAG,        PLACE(is_forced),      0, 0},
    {"lmtp",              NULL,      "speak LMTP",                                               FLAG,        PLACE(is_lmtp),        0, 0},
    {"auth",              "U:P",     "authenticate as user U with the password P",               CREDENTIALS, PLACE(auth),           0, 0},
    {"auth-mechanism",    "M",       "plain or login (what is offered, plain first)",            MECHANISM,   PLACE(mechanism),      0, 0},
    {"sender",            "ADDR",    "of the envelope; empty: the null sender (load@DOMAIN)",    ANY_TEXT,    PLACE(sender),         0, 0},
    {"domain",            "NAME",    "of EHLO, and of the recipients userN@NAME (example.com)",  TEXT,        PLACE(domain),         0, 0},
    {"sources",           "N",       "source addresses, from 127.0.1.1 on",                      NUMBER,      PLACE(sources),        1, RP_LOAD_TARGET_SOURCES_MAX},
    {"timeout",           "T",       "give a connection up after this time without reply (60s)", TIME,        PLACE(timeout_ns),     0, 0},
    {"workers",           "N",       "threads (one for each usable CPU)",                        NUMBER,      PLACE(workers),        1, 1024},
    {"verify",            "DIR",     "afterwards: is each accepted message in this spool?",      TEXT,        PLACE(verify),         0, 0},
    {"threshold",         "X=Y",     "exit 1 if missed: p99=20ms, rate=1000, never_sent=0, ...",    THRESHOLD,   PLACE(thresholds),     0, 0},
    {"cpu-stat",          "FILE",    "cpu.stat of the server's cgroup: its CPU a message",       TEXT,        PLACE(cpu_stat),       0, 0},
    {"json",              "FILE",    "write the result for machines; - is stdout",               TEXT,        PLACE(json),           0, 0},
    {"html",              "FILE",    "write the result as a page",                               TEXT,        PLACE(html),           0, 0},
    {"quiet",             NULL,      "say nothing but what goes wrong",                          FLAG,        PLACE(is_quiet),       0, 0},
    {"i-own-this-server", NULL,      "allow a target that is not on this machine",               FLAG,        PLACE(is_owned),       0, 0},
    {"self-test",         NULL,      "measure what this program can do here at most",            FLAG,        PLACE(is_self_test),   0, 0},
    {"help",              NULL,      "print this, as -h does",                                   FLAG,        PLACE(is_help),        0, 0},
    {"version",           NULL,      "print the version",                                        FLAG,        PLACE(is_version),     0, 0},
};
/* clang-format on */
#define ROW_COUNT     (sizeof(rows) / sizeof(rows[0]))

struct unit {
    const char *name;
    uint64_t factor;
};
static const struct unit size_units[] = {
    {"",   1      },
    {"b",  1      },
    {"kb", 1 << 10},
    {"mb", 1 << 20},
    {"gb", 1 << 30},
};
#define NS_PER_S UINT64_C(1000000000)
static const struct unit time_units[] = {
    {"",    NS_PER_S       },
    {"ms",  1000000        },
    {"s",   NS_PER_S       },
    {"min", 60 * NS_PER_S  },
    {"m",   60 * NS_PER_S  },
    {"h",   3600 * NS_PER_S},
};

static int refuse(char *error, const struct row *row, const char *value, const char *right)
{
    (void)snprintf(error, RP_LOAD_OPTIONS_ERROR_LEN, "--%s %.100s: %s", row->name, value, right);
    return -EINVAL;
}

/* ---- values ---- */

/* Digits, of which at most nine behind a point; what follows them. -EINVAL: none. */
static int read_decimal(const char *text, double *value_out, const char **rest_out)
{
    double value = 0;
    double scale = 1;
    unsigned digits = 0;
    for (; *text >= '0' && *text <= '9' && digits < 18; text++, digits++) {
        value = value * 10 + (*text - '0');
    }
    if (digits == 0) {
        return -EINVAL;
    }
    if (*text == '.') {
        const char *start = ++text;
        for (; *text >= '0' && *text <= '9' && text - start < 9; text++) {
            value = value * 10 + (*text - '0');
            scale *= 10;
        }
        if (text == start) {
            return -EINVAL;
        }
    }
    *value_out = value / scale;
    *rest_out = text;
    return 0;
}

static int read_quantity(const char *text,
                         const struct unit *units,
                         size_t unit_count,
                         uint64_t *value_out)
{
    double value = 0;
    const char *rest = NULL;
    if (read_decimal(text, &value, &rest) != 0) {
        return -EINVAL;
    }
    for (size_t index = 0; index < unit_count; index++) {
        if (strcmp(rest, units[index].name) == 0) {
            value *= (double)units[index].factor;
            if (value >= 0x1p62) {
                return -EINVAL;
            }
            *value_out = (uint64_t)(value + 0.5);
            return 0;
        }
    }
    return -EINVAL;
}

int rp_load_options_size(const char *text, uint64_t *octets_out)
{
    return read_quantity(text, size_units, sizeof(size_units) / sizeof(size_units[0]), octets_out);
}

int rp_load_options_time(const char *text, uint64_t *ns_out)
{
    return read_quantity(text, time_units, sizeof(time_units) / sizeof(time_units[0]), ns_out);
}

static bool begins(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static int set_size(struct rp_load_options *options,
                    const struct row *row,
                    const char *value,
                    char *error)
{
    static const char right[] =
        "give octets (10240, 10kb), a range (1kb-64kb), eml:DIR or mbox:FILE";
    options->size = value;
    if (begins(value, "eml:") || begins(value, "mbox:")) {
        options->corpus = value;
        return 0;
    }
    options->corpus = NULL;
    char low[32];
    const char *dash = strchr(value, '-');
    size_t low_len = dash != NULL ? (size_t)(dash - value) : strlen(value);
    if (low_len >= sizeof(low)) {
        return refuse(error, row, value, right);
    }
    memcpy(low, value, low_len);
    low[low_len] = '\0';
    if (rp_load_options_size(low, &options->size_min) != 0 ||
        rp_load_options_size(dash != NULL ? dash + 1 : low, &options->size_max) != 0) {
        return refuse(error, row, value, right);
    }
    if (options->size_min == 0 || options->size_max > RP_LOAD_MAIL_SIZE_MAX) {
        return refuse(error, row, value, "a message has 1 octet to 16 GiB");
    }
    if (options->size_min > options->size_max) {
        return refuse(error, row, value, "the smaller size comes first");
    }
    return 0;
}

static int set_number(struct rp_load_options *options,
                      const struct row *row,
                      const char *value,
                      char *error)
{
    uint64_t number = 0;
    char right[80];
    if (rp_text_number(value, &number) != 0 || number < row->low || number > row->high) {
        (void)snprintf(right, sizeof(right), "give a number from %llu to %llu",
                       (unsigned long long)row->low, (unsigned long long)row->high);
        return refuse(error, row, value, right);
    }
    memcpy((char *)options + row->place, &number, sizeof(number));
    return 0;
}

static int set_time(struct rp_load_options *options,
                    const struct row *row,
                    const char *value,
                    char *error)
{
    uint64_t ns = 0;
    if (rp_load_options_time(value, &ns) != 0 || (ns == 0 && row->kind == TIME)) {
        return refuse(error, row, value, "give a time: 500ms, 10s, 1.5min, 2h");
    }
    memcpy((char *)options + row->place, &ns, sizeof(ns));
    return 0;
}

static int set_rate(struct rp_load_options *options,
                    const struct row *row,
                    const char *value,
                    char *error)
{
    const char *rest = NULL;
    double rate = 0;
    if (read_decimal(value, &rate, &rest) != 0 || *rest != '\0' || rate < 0.001 || rate > 1e9) {
        return refuse(error, row, value, "give messages a second: 0.001 to 1000000000");
    }
    options->rate = rate;
    return 0;
}

static int set_arrivals(struct rp_load_options *options,
                        const struct row *row,
                        const char *value,
                        char *error)
{
    if (strcmp(value, "constant") == 0) {
        options->arrivals = RP_LOAD_ARRIVALS_CONSTANT;
    } else if (strcmp(value, "poisson") == 0) {
        options->arrivals = RP_LOAD_ARRIVALS_POISSON;
    } else {
        return refuse(error, row, value, "give constant or poisson");
    }
    return 0;
}

static int set_mechanism(struct rp_load_options *options,
                         const struct row *row,
                         const char *value,
                         char *error)
{
    if (strcasecmp(value, "plain") == 0) {
        options->mechanism = RP_LOAD_AUTH_PLAIN;
    } else if (strcasecmp(value, "login") == 0) {
        options->mechanism = RP_LOAD_AUTH_LOGIN;
    } else {
        return refuse(error, row, value, "give plain or login");
    }
    return 0;
}

/* The value is not in the message: it has the password. */
static int set_credentials(struct rp_load_options *options, const char *value, char *error)
{
    struct rp_load_auth auth;
    if (rp_load_auth_init(value, &auth) != 0) {
        (void)snprintf(error, RP_LOAD_OPTIONS_ERROR_LEN,
                       "--auth: give NAME:PASSWORD, each of 1 to %u octets", RP_LOAD_AUTH_PART_MAX);
        return -EINVAL;
    }
    rp_load_auth_wipe(&auth);
    options->auth = value;
    return 0;
}

static int add_threshold(struct rp_load_options *options,
                         const struct row *row,
                         const char *value,
                         char *error)
{
    if (options->threshold_count == RP_LOAD_THRESHOLDS_MAX) {
        return refuse(error, row, value, "too many thresholds; give at most 32");
    }
    options->thresholds[options->threshold_count++] = value;
    return 0;
}

/* An option that takes no value. */
static int set_flag(struct rp_load_options *options, const struct row *row)
{
    char *place = (char *)options + row->place;
    const bool is_true = true;
    const enum rp_load_mode mode = (enum rp_load_mode)row->low;
    if (row->kind == MODE) {
        memcpy(place, &mode, sizeof(mode));
    } else {
        memcpy(place, &is_true, sizeof(is_true));
    }
    return 0;
}

static int set(struct rp_load_options *options,
               const struct row *row,
               const char *value,
               char *error)
{
    if (value == NULL) {
        return set_flag(options, row);
    }
    switch ((enum kind)row->kind) {
    case FLAG:
    case MODE: break;
    case TEXT:
    case ANY_TEXT: memcpy((char *)options + row->place, &value, sizeof(value)); return 0;
    case NUMBER: return set_number(options, row, value, error);
    case TIME:
    case ANY_TIME: return set_time(options, row, value, error);
    case RATE: return set_rate(options, row, value, error);
    case SIZE: return set_size(options, row, value, error);
    case ARRIVALS: return set_arrivals(options, row, value, error);
    case MECHANISM: return set_mechanism(options, row, value, error);
    case CREDENTIALS: return set_credentials(options, value, error);
    case THRESHOLD: return add_threshold(options, row, value, error);
    }
    assert(row->kind != FLAG && row->kind != MODE); /* these take no value, and have none */
    return -EINVAL;
}

/* ---- arguments ---- */

/* The row of "--name" or "--name=value". */
static const struct row *find(const char *argument)
{
    size_t len = strcspn(argument + 2, "=");
    for (size_t index = 0; index < ROW_COUNT; index++) {
        if (strlen(rows[index].name) == len && memcmp(rows[index].name, argument + 2, len) == 0) {
            return &rows[index];
        }
    }
    return NULL;
}

/* The option at the front; *taken_out: how many arguments it took. */
static int parse_option(char *const *arguments,
                        size_t count,
                        struct rp_load_options *options,
                        size_t *taken_out,
                        char *error)
{
    const char *argument = arguments[0];
    bool is_short_help = strcmp(argument, "-h") == 0;
    const struct row *row = begins(argument, "--") ? find(argument) : NULL;
    if (row == NULL && !is_short_help) {
        (void)snprintf(error, RP_LOAD_OPTIONS_ERROR_LEN,
                       "%.100s: no such option; ringpost-load --help lists them", argument);
        return -EINVAL;
    }
    *taken_out = 1;
    if (is_short_help) {
        options->is_help = true;
        return 0;
    }
    const char *equals = strchr(argument, '=');
    const char *value = equals != NULL ? equals + 1 : NULL;
    if (row->value == NULL && value != NULL) {
        (void)snprintf(error, RP_LOAD_OPTIONS_ERROR_LEN, "--%s: it takes no value", row->name);
        return -EINVAL;
    }
    if (row->value != NULL && value == NULL) {
        *taken_out = 2;
        value = count > 1 ? arguments[1] : NULL;
    }
    bool may_be_empty = row->value == NULL || row->kind == ANY_TEXT;
    if (row->value != NULL && (value == NULL || (*value == '\0' && !may_be_empty))) {
        (void)snprintf(error, RP_LOAD_OPTIONS_ERROR_LEN, "--%s: its %s is missing", row->name,
                       row->value);
        return -EINVAL;
    }
    return set(options, row, value, error);
}

/* Printable ASCII without what would end an address or a line: it stands in commands as it is. */
static bool is_wordlike(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text <= ' ' || *text >= 0x7f || *text == '<' || *text == '>') {
            return false;
        }
    }
    return true;
}

static const char *check_envelope(const struct rp_load_options *options)
{
    if (!is_wordlike(options->domain) || strlen(options->domain) > RP_LOAD_DOMAIN_MAX) {
        return "--domain: give a domain in ASCII, of at most 200 octets";
    }
    if (options->sender != NULL &&
        (!is_wordlike(options->sender) || strlen(options->sender) > RP_LOAD_ADDRESS_MAX)) {
        return "--sender: give an address in ASCII without angle brackets, of at most 254 octets";
    }
    if (options->auth == NULL && options->mechanism != RP_LOAD_AUTH_ANY) {
        return "--auth-mechanism: it says how; give --auth NAME:PASSWORD too";
    }
    return NULL;
}

/* What fits together; NULL: all does. */
static const char *check(const struct rp_load_options *options)
{
    if (options->mode == RP_LOAD_PLAIN && options->depth > 1) {
        return "--depth: one command, one reply means 1; give --pipelining or --bdat too";
    }
    if (options->mode == RP_LOAD_PIPELINED && options->depth > 2) {
        return "--depth: DATA must be answered before its body, so --pipelining has at most 2; "
               "--bdat takes more";
    }
    if (options->arrivals != RP_LOAD_ARRIVALS_NONE && options->rate <= 0) {
        return "--arrivals: it says how; give --rate R too";
    }
    if (options->verify != NULL && options->is_self_test) {
        return "--self-test: it has no spool; leave --verify out";
    }
    return check_envelope(options);
}

static void set_defaults(struct rp_load_options *options)
{
    if (options->target == NULL) {
        options->target = RP_LOAD_OPTIONS_TARGET;
    }
    if (options->messages == 0 && options->duration_ns == 0) {
        options->duration_ns = (options->is_self_test ? 1 : 10) * NS_PER_S;
    }
    if (options->rate > 0 && options->arrivals == RP_LOAD_ARRIVALS_NONE) {
        options->arrivals = RP_LOAD_ARRIVALS_CONSTANT;
    }
    if (options->depth == 0) {
        options->depth = options->mode == RP_LOAD_PLAIN ? 1 : 2;
    }
}

int rp_load_options_parse(char *const *arguments,
                          size_t count,
                          struct rp_load_options *options_out,
                          char error[RP_LOAD_OPTIONS_ERROR_LEN])
{
    struct rp_load_options options = {
        .connections = 100,
        .timeout_ns = 60 * NS_PER_S,
        .size = "10kb",
        .size_min = 10240,
        .size_max = 10240,
        .recipients = 1,
        .domain = "example.com",
    };
    bool is_ended = false; /* "--" was seen */
    for (size_t at = 0, taken = 1; at < count; at += taken) {
        taken = 1;
        int outcome = 0;
        if (!is_ended && strcmp(arguments[at], "--") == 0) {
            is_ended = true;
        } else if (!is_ended && arguments[at][0] == '-') {
            outcome = parse_option(arguments + at, count - at, &options, &taken, error);
        } else if (options.target == NULL) {
            options.target = arguments[at];
        } else {
            (void)snprintf(error, RP_LOAD_OPTIONS_ERROR_LEN,
                           "%.100s: one argument too many; there is one target", arguments[at]);
            outcome = -EINVAL;
        }
        if (outcome != 0) {
            return outcome;
        }
        if (options.is_help || options.is_version) {
            *options_out = options;
            return 0;
        }
    }
    const char *wrong = check(&options);
    if (wrong != NULL) {
        (void)snprintf(error, RP_LOAD_OPTIONS_ERROR_LEN, "%s", wrong);
        return -EINVAL;
    }
    set_defaults(&options);
    *options_out = options;
    return 0;
}

const char *rp_load_options_help(size_t index, char *place, size_t place_len)
{
    if (index >= ROW_COUNT) {
        return NULL;
    }
    char name[48];
    const struct row *row = &rows[index];
    (void)snprintf(name, sizeof(name), "--%s%s%s", row->name, row->value != NULL ? " " : "",
                   row->value != NULL ? row->value : "");
    (void)snprintf(place, place_len, "  %-21s%s\n", name, row->help);
    return place;
}
