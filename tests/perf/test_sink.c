/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_sink.c - a sink inside another program: opened here, run on a thread, stopped.
 *
 * Method: real sockets on loopback, logs in a directory of their own; each refusal of
 * rp_sink_open by what it says. What a sink answers and logs is with test_floor.py.
 */
#include "perf/sink.h"
#include "tests/engine/temp_dir.h"
#include "tests/tools/suite.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

static char dir[128];

struct runner {
    struct rp_sink *sink;
    pthread_t thread;
    int result;
};

static struct rp_sink_options small_options(void)
{
    struct rp_sink_options options = rp_sink_options_default;
    options.connections_max = 16;
    options.buffer_size = 4096;
    options.buffer_count = 8;
    options.log_size = 4u << 20;
    return options;
}

static void *run(void *argument)
{
    struct runner *runner = argument;
    runner->result = rp_sink_run(runner->sink);
    return NULL;
}

static void start(struct runner *runner, const struct rp_sink_options *options)
{
    char error[256] = "";
    CU_ASSERT_EQUAL_FATAL(rp_sink_open(options, &runner->sink, error, sizeof(error)), 0);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&runner->thread, NULL, run, runner), 0);
}

static void stop(struct runner *runner)
{
    rp_sink_stop(runner->sink);
    CU_ASSERT_EQUAL_FATAL(pthread_join(runner->thread, NULL), 0);
    CU_ASSERT_EQUAL(runner->result, 0);
}

static int dial(uint16_t port)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    struct timeval limit = {.tv_sec = 30};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    return fd;
}

/* All that the sink says until it closes. */
static size_t read_all(int fd, char *text, size_t cap)
{
    size_t len = 0;
    ssize_t got;
    do {
        got = recv(fd, text + len, cap - len, 0);
        len += got > 0 ? (size_t)got : 0;
        /* The kernel's own work for a ring that this thread opened interrupts a timed receive. */
    } while (len < cap && (got > 0 || (got < 0 && errno == EINTR)));
    return len;
}

static const char dialog[] =
    "MAIL FROM:<>\r\nRCPT TO:<a>\r\nDATA\r\nbody\r\n.\r\nBDAT 3 LAST\r\nabcQUIT\r\n";
static const char answer[] =
    "220 floor ESMTP\r\n250 2.1.0 OK\r\n250 2.1.5 OK\r\n354 Go ahead\r\n250 2.0.0 OK\r\n"
    "250 2.0.0 OK\r\n221 2.0.0 Bye\r\n";

static void talk(uint16_t port)
{
    char text[1024];
    int fd = dial(port);
    CU_ASSERT_EQUAL(send(fd, dialog, sizeof(dialog) - 1, MSG_NOSIGNAL), sizeof(dialog) - 1);
    size_t len = read_all(fd, text, sizeof(text));
    CU_ASSERT_EQUAL(len, sizeof(answer) - 1);
    CU_ASSERT_EQUAL(memcmp(text, answer, sizeof(answer) - 1), 0);
    CU_ASSERT_EQUAL(close(fd), 0);
}

static void test_run(void)
{
    struct rp_sink_options options = small_options();
    struct runner runner;
    start(&runner, &options);
    CU_ASSERT_NOT_EQUAL(rp_sink_port(runner.sink), 0);
    for (unsigned i = 0; i < 40; i++) { /* more than there are slots */
        talk(rp_sink_port(runner.sink));
    }
    stop(&runner);
    struct rp_sink_counts counts;
    rp_sink_get_counts(runner.sink, &counts);
    CU_ASSERT_EQUAL(counts.connections, 40);
    CU_ASSERT_EQUAL(counts.messages, 80);
    CU_ASSERT_EQUAL(counts.octets, UINT64_C(40) * 12);
    CU_ASSERT_EQUAL(counts.commits, 0);
    rp_sink_close(runner.sink);
}

static void test_log(void)
{
    static const enum rp_sink_commit commits[] = {
        RP_SINK_COMMIT_NONE,
        RP_SINK_COMMIT_FDATASYNC,
        RP_SINK_COMMIT_DSYNC,
    };
    for (unsigned i = 0; i < 3; i++) {
        char path[256];
        (void)snprintf(path, sizeof(path), "%s/log-%u", dir, i);
        struct rp_sink_options options = small_options();
        options.log = path;
        options.commit = commits[i];
        struct runner runner;
        start(&runner, &options);
        talk(rp_sink_port(runner.sink));
        stop(&runner);
        struct rp_sink_counts counts;
        rp_sink_get_counts(runner.sink, &counts);
        CU_ASSERT_TRUE(counts.commits == 1 || counts.commits == 2);
        rp_sink_close(runner.sink);
        char octets[13] = "";
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        CU_ASSERT_EQUAL(pread(fd, octets, 12, 0), 12);
        CU_ASSERT_STRING_EQUAL(octets, "body\r\n.\r\nabc");
        CU_ASSERT_EQUAL(lseek(fd, 0, SEEK_END), 4 << 20);
        CU_ASSERT_EQUAL(close(fd), 0);
        CU_ASSERT_EQUAL(unlink(path), 0);
    }
}

/* A stop that comes before the run, and a sink that never runs. */
static void test_early_stop(void)
{
    struct rp_sink_options options = small_options();
    char error[256];
    struct rp_sink *sink;
    CU_ASSERT_EQUAL_FATAL(rp_sink_open(&options, &sink, error, sizeof(error)), 0);
    rp_sink_stop(sink);
    CU_ASSERT_EQUAL(rp_sink_run(sink), 0);
    rp_sink_close(sink);
    CU_ASSERT_EQUAL_FATAL(rp_sink_open(&options, &sink, error, sizeof(error)), 0);
    rp_sink_close(sink);
    rp_sink_close(NULL);
}

static void refuse(const struct rp_sink_options *options,
                   int wanted,
                   const char *where,
                   const char *what)
{
    char error[256] = "";
    struct rp_sink *sink = NULL;
    size_t open_before = temp_dir_open_files();
    CU_ASSERT_EQUAL(rp_sink_open(options, &sink, error, sizeof(error)), wanted);
    CU_ASSERT_PTR_NULL(sink);
    CU_ASSERT_PTR_NOT_NULL(strstr(error, where));
    CU_ASSERT_PTR_NOT_NULL(strstr(error, what));
    CU_ASSERT_PTR_NULL(strchr(error, '\n'));
    CU_ASSERT_EQUAL(temp_dir_open_files(), open_before);
}

static void test_refusals(void)
{
    struct rp_sink_options options = small_options();
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/log", dir);

    char error[256];
    struct rp_sink *first;
    CU_ASSERT_EQUAL_FATAL(rp_sink_open(&options, &first, error, sizeof(error)), 0);
    options.port = rp_sink_port(first);
    refuse(&options, -EADDRINUSE, "127.0.0.1:", "already in use");
    rp_sink_close(first);
    options.port = 0;

    options.log = "/nonexistent/log";
    refuse(&options, -ENOENT, options.log, "No such file");
    options.log = path;
    options.log_size = 4096;
    refuse(&options, -EINVAL, path, "at least");
    CU_ASSERT_NOT_EQUAL(access(path, F_OK), 0);

    options.log_size = 4u << 20;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CU_ASSERT_EQUAL(write(fd, "mine", 4), 4);
    CU_ASSERT_EQUAL(close(fd), 0);
    refuse(&options, -EEXIST, path, "is there already");
    CU_ASSERT_EQUAL(unlink(path), 0);
}

/* In a child: the limits cannot be raised again. */
static void test_limits(void)
{
    pid_t child = fork();
    CU_ASSERT_FATAL(child >= 0);
    if (child == 0) {
        char error[256] = "";
        struct rp_sink *sink = NULL;
        struct rp_sink_options options = small_options();
        options.connections_max = 1000;
        struct rlimit limit = {.rlim_cur = 100, .rlim_max = 100};
        bool is_right = setrlimit(RLIMIT_NOFILE, &limit) == 0 &&
                        rp_sink_open(&options, &sink, error, sizeof(error)) == -EMFILE &&
                        strstr(error, "ulimit -n") != NULL;
        /* A file that cannot be filled (RLIMIT_FSIZE stands for a full disk) does not stay. */
        char path[256];
        (void)snprintf(path, sizeof(path), "%s/full", dir);
        options = small_options();
        options.log = path;
        limit = (struct rlimit){.rlim_cur = 1u << 20, .rlim_max = 1u << 20};
        struct sigaction ignore = {.sa_handler = SIG_IGN};
        is_right = is_right && sigaction(SIGXFSZ, &ignore, NULL) == 0 &&
                   setrlimit(RLIMIT_FSIZE, &limit) == 0 &&
                   rp_sink_open(&options, &sink, error, sizeof(error)) == -EFBIG &&
                   strstr(error, "cannot be filled") != NULL && access(path, F_OK) != 0;
        _exit(is_right ? 0 : 1);
    }
    int status = 0;
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    CU_ASSERT_TRUE(WIFEXITED(status));
    CU_ASSERT_EQUAL(WEXITSTATUS(status), 0);
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"run and stop",        test_run       },
        {"each kind of commit", test_log       },
        {"stop before the run", test_early_stop},
        {"refusals",            test_refusals  },
        {"limits",              test_limits    },
    };
    temp_dir_make(dir, sizeof(dir));
    int status = SUITE_RUN("perf/sink", tests, argc, argv);
    temp_dir_remove(dir);
    return status;
}
