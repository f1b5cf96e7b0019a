/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * main.c - ringpostd: arguments, signals, exit codes. What it does is in server.c.
 *
 * Exit status: 0 fine, 1 failed, 2 wrong usage.
 */
#include "engine/config.h"
#include "engine/log.h"
#include "engine/server.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXIT_USAGE       2

#define DEFAULT_LISTENER "127.0.0.1:2525"

/* -l, -s and --set on one command line; more than this is a script gone wrong. */
#define CHANGES_MAX      512

/* Files that are open beside the connections: spool, listeners, rings (a worker: about 8). */
#define FILES_BESIDE     1024

enum option_id {
    OPTION_FILE = 'c',
    OPTION_LISTEN = 'l',
    OPTION_SPOOL = 's',
    OPTION_HELP = 'h',
    OPTION_SET = 256, /* from here on there is no short form */
    OPTION_CHECK,
    OPTION_PRINT,
    OPTION_VERSION,
};

static const struct option options[] = {
    {"set",          required_argument, NULL, OPTION_SET    },
    {"check",        no_argument,       NULL, OPTION_CHECK  },
    {"print-config", no_argument,       NULL, OPTION_PRINT  },
    {"help",         no_argument,       NULL, OPTION_HELP   },
    {"version",      no_argument,       NULL, OPTION_VERSION},
    {NULL,           0,                 NULL, 0             },
};

static const char help_text[] =
    "Usage: ringpostd [-c FILE] [-l ADDRESS]... [-s DIR] [--set KEY=VALUE]...\n"
    "                 [--check] [--print-config]\n"
    "Take mail by SMTP, make it durable in a spool, answer 250.\n"
    "\n"
    "  -c FILE           read the configuration from FILE, see ringpostd.conf(5)\n"
    "  -l ADDRESS        listen there; may be repeated: 127.0.0.1:2525, [::1]:2525,\n"
    "                    localhost:2525, *:2525 (every address), unix:/PATH;\n"
    "                    default: " DEFAULT_LISTENER "\n"
    "  -s DIR            the spool's directory, as --set spool.path=DIR\n"
    "  --set KEY=VALUE   set a key of the configuration, after FILE was read\n"
    "  --check           read the configuration, say whether it is good, and exit\n"
    "  --print-config    print the effective configuration, and exit\n"
    "  -h, --help        print this, and exit\n"
    "  --version         print the version, and exit\n"
    "\n"
    "SIGTERM and SIGINT finish what is in flight, a second one ends at once.\n"
    "SIGHUP reads the configuration again, SIGUSR1 opens the log file anew.\n"
    "Exit status: 0 fine, 1 failed, 2 wrong usage.\n";

/* An option that changes the configuration, in the order of the command line. */
struct change {
    int option;
    const char *text;
};

struct arguments {
    const char *path; /* -c; NULL: none */
    bool is_check;
    bool is_print;
    size_t change_count;
    struct change changes[CHANGES_MAX];
};

/* Each is larger than a stack frame may be. The control thread's. */
static struct arguments arguments;
static struct rp_config active_config;
static struct rp_config next_config;

/* ---- arguments ---- */

/* One line to stderr; returns the exit status that goes with it. */
__attribute__((format(printf, 2, 3))) static int complain(int status, const char *format, ...)
{
    char text[RP_CONFIG_ERROR_MAX + 128];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args); /* a longer line is cut */
    va_end(args);
    (void)fprintf(stderr, "ringpostd: %s\n", text); /* nobody else to tell */
    return status;
}

/* What was printed must have arrived: a full disk is no success. */
static int finish_stdout(void)
{
    if (fflush(stdout) != 0 || ferror(stdout) != 0) {
        return complain(EXIT_FAILURE, "standard output: %s", strerror(errno));
    }
    return EXIT_SUCCESS;
}

static int add_change(int option, const char *text)
{
    if (arguments.change_count == CHANGES_MAX) {
        return complain(EXIT_USAGE, "too many options; right: at most %d of -l, -s and --set",
                        CHANGES_MAX);
    }
    arguments.changes[arguments.change_count++] = (struct change){.option = option, .text = text};
    return EXIT_SUCCESS;
}

/* A wrong option is named as it was typed. */
static int complain_option(int option, char **argv)
{
    if (optopt > 0 && optopt < OPTION_SET && argv[optind - 1][1] != '-') {
        return complain(EXIT_USAGE, "-%c: %s; see ringpostd --help", optopt,
                        option == ':' ? "a value is missing" : "unknown option");
    }
    return complain(EXIT_USAGE, "%s: %s; see ringpostd --help", argv[optind - 1],
                    option == ':' ? "a value is missing"
                    : optopt == 0 ? "unknown option"
                                  : "takes no value");
}

/* Fill `arguments`. *is_done_out: nothing more is to be done, exit with what is returned. */
static int read_arguments(int argc, char **argv, bool *is_done_out)
{
    int option = 0;
    int status = EXIT_SUCCESS;
    *is_done_out = true;
    opterr = 0;
    while (status == EXIT_SUCCESS &&
           (option = getopt_long(argc, argv, ":c:l:s:h", options, NULL)) != -1) {
        switch (option) {
        case OPTION_FILE: arguments.path = optarg; break;
        case OPTION_LISTEN:
        case OPTION_SPOOL:
        case OPTION_SET: status = add_change(option, optarg); break;
        case OPTION_CHECK: arguments.is_check = true; break;
        case OPTION_PRINT: arguments.is_print = true; break;
        case OPTION_HELP: (void)fputs(help_text, stdout); return finish_stdout();
        case OPTION_VERSION: (void)puts("ringpostd " RP_VERSION); return finish_stdout();
        default: return complain_option(option, argv);
        }
    }
    if (status == EXIT_SUCCESS && optind < argc) {
        status =
            complain(EXIT_USAGE, "%s: unexpected argument; see ringpostd --help", argv[optind]);
    }
    *is_done_out = status != EXIT_SUCCESS;
    return status;
}

/* ---- configuration ---- */

/* File, then command line, then the relations. An exit status; `error` says what is wrong. */
static int build_config(struct rp_config *config, char *error, size_t error_len)
{
    rp_config_init(config);
    if (arguments.path != NULL && rp_config_load(config, arguments.path, error, error_len) != 0) {
        return EXIT_FAILURE;
    }
    for (size_t i = 0; i < arguments.change_count; i++) {
        const struct change *change = &arguments.changes[i];
        int result = 0;
        if (change->option == OPTION_LISTEN) {
            result = rp_config_add_listener(config, change->text, error, error_len);
        } else if (change->option == OPTION_SPOOL) {
            result = rp_config_assign(config, "spool.path", change->text, error, error_len);
        } else {
            result = rp_config_set(config, change->text, error, error_len);
        }
        if (result != 0) {
            return EXIT_USAGE;
        }
    }
    if (config->listener_count == 0) {
        int result = rp_config_add_listener(config, DEFAULT_LISTENER, error, error_len);
        assert(result == 0);
    }
    return rp_config_check(config, error, error_len) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* SIGHUP. What is wrong is logged, and all stays as it was. */
static void reload(struct rp_server *server)
{
    char error[RP_CONFIG_ERROR_MAX];
    struct stat status;
    if (arguments.path != NULL && stat(arguments.path, &status) == 0 && !S_ISREG(status.st_mode)) {
        rp_log(RP_CONFIG_LOG_ERROR,
               "reload: %s is no regular file and cannot be read again; nothing changed",
               arguments.path);
        return;
    }
    if (build_config(&next_config, error, sizeof(error)) != EXIT_SUCCESS) {
        rp_log(RP_CONFIG_LOG_ERROR, "reload: %s; nothing changed", error);
        return;
    }
    int result = rp_log_open(&next_config);
    if (result != 0) {
        rp_log(RP_CONFIG_LOG_ERROR, "reload: log.file: %s: %s; nothing changed",
               next_config.log_file, strerror(-result));
        return;
    }
    rp_config_copy(&active_config, &next_config);
    rp_server_reload(server, &active_config);
    rp_log(RP_CONFIG_LOG_INFO, "reload: done");
}

/* ---- process ---- */

/*
 * Descriptors 0 to 2 must be taken: were stderr closed, the first file that is opened
 * would get its number, and the log would go into it.
 */
static bool fill_standard_files(void)
{
    int fd = 0;
    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0) {
        (void)close(fd); /* /dev/null */
    }
    return fd >= 0;
}

/* As many files as the system allows: a connection is one. */
static void raise_file_limit(const struct rp_config *config)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return;
    }
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        (void)getrlimit(RLIMIT_NOFILE, &limit); /* worked above */
    }
    if (limit.rlim_cur < (rlim_t)config->limit_connections + FILES_BESIDE) {
        rp_log(RP_CONFIG_LOG_WARNING,
               "limits.connections is %u, but only %llu files may be open; right: a hard limit "
               "(ulimit -Hn, LimitNOFILE=) of %u or more",
               config->limit_connections, (unsigned long long)limit.rlim_cur,
               config->limit_connections + FILES_BESIDE);
    }
}

/*
 * Before any thread starts: all inherit the mask, so that signals only come out here. A
 * signal that is ignored (nohup, a shell's background) would not come out at all. What a write
 * to a closed pipe, or beyond a limit on file sizes (ulimit -f), brings is an error of that write.
 */
static int open_signals(void)
{
    static const int taken[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};
    const struct sigaction preset = {.sa_handler = SIG_DFL};
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigset_t signals;
    (void)sigemptyset(&signals); /* this and sigaddset fail only for what is no signal */
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        (void)sigaddset(&signals, taken[i]);
    }
    if (sigaction(SIGPIPE, &ignore, NULL) != 0 || sigaction(SIGXFSZ, &ignore, NULL) != 0 ||
        sigprocmask(SIG_BLOCK, &signals, NULL) != 0) {
        return -errno;
    }
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        if (sigaction(taken[i], &preset, NULL) != 0) {
            return -errno;
        }
    }
    int fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

/* Carry out one signal, if there is one. */
static void take_signal(int signal_fd, struct rp_server *server, unsigned *end_count)
{
    struct signalfd_siginfo info;
    if (read(signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info)) {
        return;
    }
    if (info.ssi_signo == SIGHUP) {
        reload(server);
    } else if (info.ssi_signo == SIGUSR1) {
        int result = rp_log_reopen();
        if (result != 0) {
            rp_log(RP_CONFIG_LOG_ERROR, "log.file: %s: %s; the old file is still used",
                   active_config.log_file, strerror(-result));
        }
    } else if (++*end_count == 1) {
        rp_log(RP_CONFIG_LOG_INFO, "%s: draining", info.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM");
        rp_server_drain(server);
    } else {
        rp_log(RP_CONFIG_LOG_INFO, "%s again: ending at once",
               info.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM");
        rp_server_stop(server);
    }
}

/* Until all workers have ended. */
static void control(int signal_fd, struct rp_server *server)
{
    unsigned end_count = 0;
    struct pollfd events[] = {
        {.fd = signal_fd,                 .events = POLLIN},
        {.fd = rp_server_done_fd(server), .events = POLLIN},
        {.fd = rp_log_timer_fd(),         .events = POLLIN}, /* poll ignores -errno */
    };
    while (events[1].revents == 0) {
        int result = poll(events, 3, -1);
        if (result < 0) {
            assert(errno == EINTR || errno == ENOMEM); /* else a descriptor is not ours any more */
            events[1].revents = 0;
            continue;
        }
        if (events[0].revents != 0) {
            take_signal(signal_fd, server, &end_count);
        }
        if (events[2].revents != 0) {
            rp_log_tell_left_out(false);
        }
    }
}

/* The log says it where it goes to a file; stderr says it always. */
static int complain_and_log(const char *error)
{
    if (active_config.log_file[0] != '\0') {
        rp_log(RP_CONFIG_LOG_ERROR, "%s", error);
    }
    return complain(EXIT_FAILURE, "%s", error);
}

static int serve(void)
{
    char error[RP_CONFIG_ERROR_MAX];
    struct rp_server *server = NULL;
    int result = rp_log_open(&active_config);
    if (result != 0) {
        return complain(EXIT_FAILURE, "log.file: %s: %s; right: a file that can be written",
                        active_config.log_file, strerror(-result));
    }
    int signal_fd = open_signals();
    if (signal_fd < 0) {
        return complain(EXIT_FAILURE, "signals: %s", strerror(-signal_fd));
    }
    raise_file_limit(&active_config);
    (void)
        rp_log_timer_fd(); /* before there are other threads; without it lines are told of later */
    if (rp_server_start(&active_config, &server, error, sizeof(error)) != 0) {
        (void)close(signal_fd);
        return complain_and_log(error);
    }
    rp_log(RP_CONFIG_LOG_INFO, "ringpostd %s is ready", RP_VERSION);
    control(signal_fd, server);
    result = rp_server_close(server);
    rp_log_tell_left_out(true);
    (void)close(signal_fd);
    if (result != 0) {
        (void)snprintf(error, sizeof(error), "a worker's ring broke: %s", strerror(-result));
        return complain_and_log(error);
    }
    rp_log(RP_CONFIG_LOG_INFO, "ringpostd has ended");
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    char error[RP_CONFIG_ERROR_MAX];
    bool is_done = false;
    if (!fill_standard_files()) {
        return EXIT_FAILURE;
    }
    int status = read_arguments(argc, argv, &is_done);
    if (is_done) {
        return status;
    }
    status = build_config(&active_config, error, sizeof(error));
    if (status != EXIT_SUCCESS) {
        return complain(status, "%s", error);
    }
    if (arguments.is_print) {
        rp_config_print(&active_config, stdout);
    } else if (arguments.is_check) {
        (void)puts("ringpostd: the configuration is good");
    } else {
        return serve();
    }
    return finish_stdout();
}
