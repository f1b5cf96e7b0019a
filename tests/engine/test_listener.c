/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_listener.c - sockets to accept on: bound where the name says, refused with a reason.
 *
 * Goal: one socket a worker, all on one port; a port or path that is taken is refused whoever
 * has it; a socket's file that nobody listens on is replaced, anything else is left alone;
 * nothing stays open after a failure. Method: rows, on loopback and in a temporary directory;
 * a real client connects.
 */
#include "engine/listener.h"
#include "tests/tools/suite.h"

#include "temp_dir.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS 3

static struct rp_listener listener;
static char error[256];
static char dir[128];

static in_port_t port_of(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);
    CU_ASSERT_EQUAL_FATAL(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    memcpy(&in, &address, sizeof(in));
    memcpy(&in6, &address, sizeof(in6));
    return ntohs(address.ss_family == AF_INET6 ? in6.sin6_port : in.sin_port);
}

static bool can_connect(const struct sockaddr *address, socklen_t len)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_FATAL(fd >= 0);
    int result = connect(fd, address, len);
    (void)close(fd);
    return result == 0;
}

static bool can_connect_tcp(in_port_t port)
{
    struct sockaddr_in in = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    return can_connect((const struct sockaddr *)&in, sizeof(in));
}

static bool can_connect_unix(const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    memcpy(un.sun_path, path, strlen(path) + 1);
    return can_connect((const struct sockaddr *)&un, sizeof(un));
}

/* Opens `name`; -1 for a machine without that family. */
static bool open_tcp(const char *name)
{
    size_t files = temp_dir_open_files();
    int err = rp_listener_open(&listener, name, WORKERS, error, sizeof(error));
    if (err == -EADDRNOTAVAIL || err == -EAFNOSUPPORT) {
        CU_ASSERT(name[0] == '['); /* a machine without IPv6 */
        return false;
    }
    CU_ASSERT_EQUAL_FATAL(err, 0);
    CU_ASSERT_EQUAL(listener.fd_count, WORKERS);
    CU_ASSERT_EQUAL(temp_dir_open_files(), files + WORKERS);
    return true;
}

static void test_tcp(void)
{
    static const char *const names[] = {"127.0.0.1:0", "localhost:0", "[::1]:0", "*:0",
                                        "0.0.0.0:0"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t files = temp_dir_open_files();
        if (!open_tcp(names[i])) {
            continue;
        }
        in_port_t port = port_of(listener.fds[0]);
        char expected[64];
        (void)snprintf(expected, sizeof(expected), "%.*s:%u", (int)(strlen(names[i]) - 2), names[i],
                       (unsigned)port);
        CU_ASSERT_STRING_EQUAL(listener.name, expected);
        for (uint32_t w = 0; w < WORKERS; w++) {
            int value = 0;
            socklen_t len = sizeof(value);
            CU_ASSERT_EQUAL(port_of(listener.fds[w]), port);
            CU_ASSERT(getsockopt(listener.fds[w], IPPROTO_TCP, TCP_NODELAY, &value, &len) == 0);
            CU_ASSERT(value != 0);
            CU_ASSERT((fcntl(listener.fds[w], F_GETFD) & FD_CLOEXEC) != 0);
        }
        CU_ASSERT(names[i][0] == '[' || can_connect_tcp(port));
        rp_listener_close(&listener);
        CU_ASSERT_EQUAL(temp_dir_open_files(), files);
        CU_ASSERT(names[i][0] == '[' || !can_connect_tcp(port));
        rp_listener_close(&listener); /* a zeroed one */
    }
}

/* From now on this process has no IPv6, as with ipv6.disable=1 or RestrictAddressFamilies. */
static bool forbid_ipv6(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_socket, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])), /* low half */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof(filter) / sizeof(filter[0]), .filter = filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* What the child below comes to. */
enum without_ipv6 {
    ALL_WELL = 40,
    NO_FILTER,
    STAR_REFUSED,
    STAR_DEAF,
    BRACKETS_TAKEN,
};

static enum without_ipv6 try_without_ipv6(void)
{
    if (!forbid_ipv6()) {
        return NO_FILTER;
    }
    if (rp_listener_open(&listener, "*:0", WORKERS, error, sizeof(error)) != 0) {
        return STAR_REFUSED;
    }
    in_port_t port = port_of(listener.fds[0]);
    if (port == 0 || !can_connect_tcp(port)) {
        return STAR_DEAF;
    }
    rp_listener_close(&listener);
    int err = rp_listener_open(&listener, "[::1]:0", WORKERS, error, sizeof(error));
    return err == -EAFNOSUPPORT ? ALL_WELL : BRACKETS_TAKEN;
}

static void test_without_ipv6(void)
{
    pid_t child = fork();
    CU_ASSERT_FATAL(child >= 0);
    if (child == 0) {
        _exit((int)try_without_ipv6());
    }
    int status = 0;
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    CU_ASSERT(WIFEXITED(status));
    CU_ASSERT_EQUAL(WEXITSTATUS(status), ALL_WELL);
}

/* A port that somebody has, be it another of ours with SO_REUSEPORT, is refused at once. */
static void test_port_in_use(void)
{
    struct rp_listener first;
    CU_ASSERT(open_tcp("127.0.0.1:0"));
    first = listener;
    size_t files = temp_dir_open_files();
    CU_ASSERT_EQUAL(rp_listener_open(&listener, first.name, WORKERS, error, sizeof(error)),
                    -EADDRINUSE);
    CU_ASSERT_PTR_NOT_NULL(strstr(error, first.name));
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "in use"));
    CU_ASSERT_PTR_NULL(strchr(error, '\n'));
    CU_ASSERT_EQUAL(temp_dir_open_files(), files);
    CU_ASSERT(can_connect_tcp(port_of(first.fds[0]))); /* it is none the worse */
    char name[sizeof(first.name)];
    memcpy(name, first.name, sizeof(name));
    rp_listener_close(&first);
    CU_ASSERT_EQUAL(rp_listener_open(&listener, name, 1, error, sizeof(error)), 0);
    rp_listener_close(&listener); /* free again, at once */
}

static void test_malformed(void)
{
    static const char *const names[] = {
        "",
        ":",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:x",
        "127.0.0.1:25x",
        "127.0.0.1:-1",
        "127.0.0.1: 25",
        "127.0.0.1:65536",
        "127.0.0.1:99999999999999999999",
        "127.0.0:25",
        "mail.example:25",
        "::1:25",
        "[::1:25",
        "[]:25",
        "[127.0.0.1]:25",
        "unix:",
        "0123456789012345678901234567890123456789012345678901234567890123456789:25",
    };
    size_t files = temp_dir_open_files();
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        error[0] = '\0';
        CU_ASSERT(rp_listener_open(&listener, names[i], 1, error, sizeof(error)) < 0);
        CU_ASSERT(strncmp(error, "-l ", 3) == 0 && strchr(error, '\n') == NULL);
        CU_ASSERT_EQUAL(temp_dir_open_files(), files);
        CU_ASSERT_PTR_NULL(listener.fds);
    }
}

/* ---- unix ---- */

static char path[200];
static char unix_name[210];

static void name_unix(const char *file)
{
    (void)snprintf(path, sizeof(path), "%s/%s", dir, file);
    (void)snprintf(unix_name, sizeof(unix_name), "unix:%s", path);
}

static void test_unix(void)
{
    struct stat status;
    size_t files = temp_dir_open_files();
    temp_dir_make(dir, sizeof(dir));
    name_unix("in.sock");
    CU_ASSERT_EQUAL_FATAL(rp_listener_open(&listener, unix_name, WORKERS, error, sizeof(error)), 0);
    CU_ASSERT_EQUAL(listener.fd_count, WORKERS);
    CU_ASSERT(listener.fds[0] == listener.fds[1] && listener.fds[1] == listener.fds[2]);
    CU_ASSERT_STRING_EQUAL(listener.name, unix_name);
    CU_ASSERT(can_connect_unix(path));
    CU_ASSERT_EQUAL(temp_dir_open_files(), files + 1);

    /* Another one on it: refused, and the first goes on. */
    struct rp_listener second;
    CU_ASSERT_EQUAL(rp_listener_open(&second, unix_name, 1, error, sizeof(error)), -EADDRINUSE);
    CU_ASSERT(can_connect_unix(path));
    CU_ASSERT_EQUAL(temp_dir_open_files(), files + 1);

    /* Killed: the file stays behind, and the next one takes its place. */
    (void)close(listener.fds[0]);
    free(listener.fds);
    CU_ASSERT(stat(path, &status) == 0 && !can_connect_unix(path));
    CU_ASSERT_EQUAL_FATAL(rp_listener_open(&listener, unix_name, 1, error, sizeof(error)), 0);
    CU_ASSERT(can_connect_unix(path));
    rp_listener_close(&listener);
    CU_ASSERT(stat(path, &status) < 0 && errno == ENOENT);
    CU_ASSERT_EQUAL(temp_dir_open_files(), files);
    temp_dir_remove(dir);
}

/* A daemon that was killed: its socket listens until the kernel has ended its ring. */
static void *die_at_a_connection(void *fd_ptr)
{
    int fd = *(int *)fd_ptr;
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    CU_ASSERT_EQUAL(poll(&ready, 1, 20000), 1);
    (void)close(fd);
    return NULL;
}

static void test_unix_killed(void)
{
    pthread_t dying;
    size_t files = temp_dir_open_files();
    temp_dir_make(dir, sizeof(dir));
    name_unix("in.sock");
    CU_ASSERT_EQUAL_FATAL(rp_listener_open(&listener, unix_name, 1, error, sizeof(error)), 0);
    int fd = listener.fds[0];
    free(listener.fds);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&dying, NULL, die_at_a_connection, &fd), 0);
    CU_ASSERT_EQUAL(rp_listener_open(&listener, unix_name, 1, error, sizeof(error)), 0);
    CU_ASSERT_EQUAL(pthread_join(dying, NULL), 0);
    CU_ASSERT(can_connect_unix(path));
    rp_listener_close(&listener);
    CU_ASSERT_EQUAL(temp_dir_open_files(), files);
    temp_dir_remove(dir);
}

/* Somebody who greets is alive: refused after one look, and only one. */
static void *greet(void *fd_ptr)
{
    static size_t count;
    count = 0;
    struct pollfd ready = {.fd = *(int *)fd_ptr, .events = POLLIN};
    while (poll(&ready, 1, 20000) == 1 && (ready.revents & POLLIN) != 0) {
        int client = accept(ready.fd, NULL, NULL);
        if (client < 0) {
            break; /* shut down: the test is over */
        }
        count++;
        CU_ASSERT_EQUAL(write(client, "220 x\r\n", 7), 7);
        (void)close(client);
    }
    return &count;
}

static void test_unix_alive(void)
{
    pthread_t thread;
    void *count = NULL;
    struct rp_listener second;
    temp_dir_make(dir, sizeof(dir));
    name_unix("in.sock");
    CU_ASSERT_EQUAL_FATAL(rp_listener_open(&listener, unix_name, 1, error, sizeof(error)), 0);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, greet, &listener.fds[0]), 0);
    CU_ASSERT_EQUAL(rp_listener_open(&second, unix_name, 1, error, sizeof(error)), -EADDRINUSE);
    (void)shutdown(listener.fds[0], SHUT_RD);
    CU_ASSERT_EQUAL(pthread_join(thread, &count), 0);
    CU_ASSERT_EQUAL(*(size_t *)count, 1);
    rp_listener_close(&listener);
    temp_dir_remove(dir);
}

/* What is no socket is not ours to remove. */
static void test_unix_file(void)
{
    struct stat status;
    size_t files = temp_dir_open_files();
    temp_dir_make(dir, sizeof(dir));
    name_unix("precious");
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    CU_ASSERT_FATAL(fd >= 0);
    (void)close(fd);
    CU_ASSERT_EQUAL(rp_listener_open(&listener, unix_name, 1, error, sizeof(error)), -EADDRINUSE);
    CU_ASSERT_EQUAL(stat(path, &status), 0);
    name_unix("missing/in.sock");
    CU_ASSERT_EQUAL(rp_listener_open(&listener, unix_name, 1, error, sizeof(error)), -ENOENT);
    char longer[200];
    (void)snprintf(longer, sizeof(longer), "unix:/%0110d", 1);
    CU_ASSERT(rp_listener_open(&listener, longer, 1, error, sizeof(error)) < 0);
    CU_ASSERT_EQUAL(temp_dir_open_files(), files);
    temp_dir_remove(dir);
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"tcp",          test_tcp         },
        {"without ipv6", test_without_ipv6},
        {"port in use",  test_port_in_use },
        {"malformed",    test_malformed   },
        {"unix",         test_unix        },
        {"unix file",    test_unix_file   },
        {"unix killed",  test_unix_killed },
        {"unix alive",   test_unix_alive  },
    };
    return SUITE_RUN("engine/listener", tests, argc, argv);
}
