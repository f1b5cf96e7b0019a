/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * floor.c - the program around a sink: arguments, signals, exit status.
 */
#include "sink.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

enum status {
    STATUS_FINE = 0,
    STATUS_FAILED = 1,
    STATUS_USAGE = 2,
};

enum option_name {
    OPTION_LOG,
    OPTION_LOG_SIZE,
    OPTION_COMMIT,
    OPTION_DIRECT,
    OPTION_CONNECTIONS,
    OPTION_BUFFER_SIZE,
    OPTION_BUFFERS,
    OPTION_HELP,
    OPTION_VERSION,
    OPTION_COUNT,
};

struct option_row {
    const char *name;
    const char *value; /* NULL: it takes none */
    const char *help;
};

/* clang-format off */
static const struct option_row rows[OPTION_COUNT] = {
    [OPTION_LOG]         = {"log",         "FILE", "make FILE and append every octet of every body to it, in a circle"},
    [OPTION_LOG_SIZE]    = {"log-size",    "SIZE", "size of FILE, written in full at the start (1gb)"},
    [OPTION_COMMIT]      = {"commit",      "HOW",  "before the 250: fdatasync (the default), dsync (RWF_DSYNC) or none"},
    [OPTION_DIRECT]      = {"direct",      NULL,   "write FILE with O_DIRECT"},
    [OPTION_CONNECTIONS] = {"connections", "N",    "connections at once, at most (16384)"},
    [OPTION_BUFFER_SIZE] = {"buffer-size", "SIZE", "octets of a receive buffer (32kb)"},
    [OPTION_BUFFERS]     = {"buffers",     "N",    "number of receive buffers, a power of two (128)"},
    [OPTION_HELP]        = {"help",        NULL,   "print this and exit, as -h does"},
    [OPTION_VERSION]     = {"version",     NULL,   "print the version and exit"},
};
/* clang-format on */

static struct rp_sink *running; /* for the signal handler; set before it is installed */

static enum status complain(const char *subject, const char *text)
{
    (void)fprintf(stderr, "floor: %s: %s\n", subject, text);
    return STATUS_USAGE;
}

static void print_help(void)
{
    (void)printf("usage: floor PORT [OPTION]...\n\n"
                 "The least a mail server on io_uring can do, to measure others by: it takes any\n"
                 "SMTP or LMTP on 127.0.0.1:PORT (0: any port), checks nothing and throws mail\n"
                 "away, or logs it. Prints the port; ends at SIGINT or SIGTERM.\n\n");
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        char form[32];
        (void)snprintf(form, sizeof(form), "--%s %s", rows[i].name,
                       rows[i].value != NULL ? rows[i].value : "");
        (void)printf("  %-20s %s\n", form, rows[i].help);
    }
}

/* ---- arguments ---- */

/* A whole number, with kb, mb or gb where it is a size. False: it is none, or above max. */
static bool parse_number(const char *text, bool is_size, uint64_t max, uint64_t *number_out)
{
    static const char *const units[] = {"", "kb", "mb", "gb"};
    uint64_t number = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (number > (max - digit) / 10) {
            return false;
        }
        number = number * 10 + digit;
    }
    if (at == text) {
        return false;
    }
    for (unsigned unit = 0; unit < (is_size ? 4 : 1); unit++) {
        if (strcmp(at, units[unit]) == 0) {
            *number_out = number << (10 * unit);
            return number <= max >> (10 * unit);
        }
    }
    return false;
}

static bool parse_commit(const char *text, enum rp_sink_commit *commit_out)
{
    static const char *const names[] = {
        [RP_SINK_COMMIT_NONE] = "none",
        [RP_SINK_COMMIT_FDATASYNC] = "fdatasync",
        [RP_SINK_COMMIT_DSYNC] = "dsync",
    };
    for (unsigned commit = 0; commit < sizeof(names) / sizeof(names[0]); commit++) {
        if (strcmp(text, names[commit]) == 0) {
            *commit_out = (enum rp_sink_commit)commit;
            return true;
        }
    }
    return false;
}

static enum status set_option(struct rp_sink_options *options,
                              enum option_name name,
                              const char *value)
{
    uint64_t number = 0;
    switch (name) {
    case OPTION_LOG: options->log = value; return STATUS_FINE;
    case OPTION_LOG_SIZE:
        if (!parse_number(value, true, INT64_MAX, &options->log_size)) {
            return complain("--log-size", "give a size, for example 512mb");
        }
        return STATUS_FINE;
    case OPTION_COMMIT:
        if (!parse_commit(value, &options->commit)) {
            return complain("--commit", "give fdatasync, dsync or none");
        }
        return STATUS_FINE;
    case OPTION_DIRECT: options->is_direct = true; return STATUS_FINE;
    case OPTION_CONNECTIONS:
        if (!parse_number(value, false, 1u << 20, &number) || number == 0) {
            return complain("--connections", "give a number from 1 to 1048576");
        }
        options->connections_max = (uint32_t)number;
        return STATUS_FINE;
    case OPTION_BUFFER_SIZE:
        if (!parse_number(value, true, RP_SINK_BUFFER_SIZE_MAX, &number) || number == 0) {
            return complain("--buffer-size", "give a size from 1 to 1mb");
        }
        options->buffer_size = (uint32_t)number;
        return STATUS_FINE;
    case OPTION_BUFFERS:
        if (!parse_number(value, false, 1u << 15, &number) || number == 0 ||
            (number & (number - 1)) != 0) {
            return complain("--buffers", "give a power of two from 1 to 32768");
        }
        options->buffer_count = (uint32_t)number;
        return STATUS_FINE;
    case OPTION_HELP:
    case OPTION_VERSION:
    case OPTION_COUNT: break;
    }
    assert(name < OPTION_HELP);
    return STATUS_USAGE;
}

static enum option_name find_option(const char *argument, const char **value_out)
{
    size_t len = strcspn(argument, "=");
    if (strcmp(argument, "-h") == 0) {
        return OPTION_HELP;
    }
    if (strncmp(argument, "--", 2) != 0) {
        return OPTION_COUNT;
    }
    for (unsigned name = 0; name < OPTION_COUNT; name++) {
        if (strlen(rows[name].name) == len - 2 &&
            strncmp(argument + 2, rows[name].name, len - 2) == 0) {
            *value_out = argument[len] == '=' ? argument + len + 1 : NULL;
            return (enum option_name)name;
        }
    }
    return OPTION_COUNT;
}

/* One option, at *index of the arguments; *asked_out: --help or --version. */
static enum status parse_option(int argc,
                                char **argv,
                                int *index,
                                struct rp_sink_options *options,
                                enum option_name *asked_out)
{
    const char *argument = argv[*index];
    const char *value = NULL;
    enum option_name name = find_option(argument, &value);
    if (name == OPTION_COUNT) {
        return complain(argument, "no such option; floor --help lists them");
    }
    if (name == OPTION_HELP || name == OPTION_VERSION) {
        *asked_out = name;
        return STATUS_FINE;
    }
    if (rows[name].value == NULL && value != NULL) {
        return complain(argument, "it takes no value");
    }
    if (rows[name].value != NULL && value == NULL) {
        if (*index + 1 == argc) {
            return complain(argument, "its value is missing");
        }
        value = argv[++*index];
    }
    return set_option(options, name, value != NULL ? value : "");
}

static enum status parse(int argc,
                         char **argv,
                         struct rp_sink_options *options,
                         enum option_name *asked_out)
{
    bool has_port = false;
    for (int i = 1; i < argc; i++) {
        uint64_t port = 0;
        if (argv[i][0] == '-') {
            enum status status = parse_option(argc, argv, &i, options, asked_out);
            if (status != STATUS_FINE || *asked_out != OPTION_COUNT) {
                return status;
            }
        } else if (has_port) {
            return complain(argv[i], "one argument too many; usage: floor PORT [OPTION]...");
        } else if (!parse_number(argv[i], false, UINT16_MAX, &port)) {
            return complain(argv[i], "no port; give a number from 0 (any) to 65535");
        } else {
            options->port = (uint16_t)port;
            has_port = true;
        }
    }
    if (!has_port) {
        return complain("no port", "usage: floor PORT [OPTION]...");
    }
    if (options->log == NULL && options->is_direct) {
        return complain("--direct", "nothing is written without --log FILE");
    }
    return STATUS_FINE;
}

/* ---- run ---- */

static void stop(int number)
{
    (void)number; /* one as the other */
    rp_sink_stop(running);
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = stop};
    (void)sigemptyset(&action.sa_mask);
    /* Neither can fail for these. */
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* where it stays low, the sink says so */
    }
}

static enum status run(const struct rp_sink_options *options)
{
    char error[256];
    raise_file_limit();
    if (rp_sink_open(options, &running, error, sizeof(error)) < 0) {
        (void)fprintf(stderr, "floor: %s\n", error);
        return STATUS_FAILED;
    }
    catch_signals();
    enum status status = STATUS_FINE;
    if (printf("%u\n", rp_sink_port(running)) < 0 || fflush(stdout) != 0) {
        (void)fprintf(stderr, "floor: stdout: %s\n", strerror(errno));
        status = STATUS_FAILED;
    } else {
        int err = rp_sink_run(running);
        if (err < 0) {
            (void)fprintf(stderr, "floor: %s: %s\n",
                          options->log != NULL ? options->log : "io_uring", strerror(-err));
            status = STATUS_FAILED;
        }
        struct rp_sink_counts counts;
        rp_sink_get_counts(running, &counts);
        (void)fprintf(stderr,
                      "floor: %" PRIu64 " connections, %" PRIu64 " messages, %" PRIu64
                      " octets, %" PRIu64 " commits\n",
                      counts.connections, counts.messages, counts.octets, counts.commits);
    }
    return status;
}

int main(int argc, char **argv)
{
    struct rp_sink_options options = rp_sink_options_default;
    enum option_name asked = OPTION_COUNT;
    enum status status = parse(argc, argv, &options, &asked);
    if (status != STATUS_FINE) {
        return (int)status;
    }
    if (asked == OPTION_HELP) {
        print_help();
    } else if (asked == OPTION_VERSION) {
        (void)printf("floor %s\n", RP_VERSION);
    } else {
        return (int)run(&options);
    }
    return fflush(stdout) == 0 ? STATUS_FINE : STATUS_FAILED;
}
