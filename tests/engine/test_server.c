/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_server.c - the whole engine in this process: start, serve, reload, drain, end.
 *
 * Goal: it serves on what it was told, with every worker count; it can be stopped at any moment,
 * right after its start, too; what cannot start says why and leaves nothing behind; what it
 * answered 250 is in the spool. Method: the real ring, unix sockets in a temporary directory,
 * real clients. Skips with 77 where io_uring is forbidden.
 */
#include "engine/config.h"
#include "engine/io.h"
#include "engine/server.h"
#include "engine/spooldir.h"
#include "temp_dir.h"
#include "tests/tools/suite.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MESSAGE  "MAIL FROM:<a@test>\r\nRCPT TO:<b@test>\r\nDATA\r\ntext\r\n.\r\n"
#define PATIENCE 20000 /* ms: for what must come */

static struct rp_config config;
static struct rp_server *server;
static char error[RP_CONFIG_ERROR_MAX];
static char dir[96];
static char socket_path[108];
static size_t files_before;

static void begin(uint32_t workers)
{
    files_before = temp_dir_open_files();
    temp_dir_make(dir, sizeof(dir));
    rp_config_init(&config);
    (void)snprintf(config.spool_path, sizeof(config.spool_path), "%s/spool", dir);
    (void)snprintf(socket_path, sizeof(socket_path), "%s/in.sock", dir);
    (void)snprintf(config.listeners[0], sizeof(config.listeners[0]), "unix:%s", socket_path);
    config.listener_count = 1;
    config.workers = workers;
    config.limit_memory = workers * RP_CONFIG_WORKER_MEMORY;
    config.limit_connections = 50;
    config.spool_segment_size = 1u << 20;
    config.log_level = RP_CONFIG_LOG_ERROR;
}

static void start(void)
{
    int err = rp_server_start(&config, &server, error, sizeof(error));
    if (err < 0) {
        (void)printf("%s\n", error);
    }
    CU_ASSERT_EQUAL_FATAL(err, 0);
}

/* A worker that ends may be opening its next segment and its index: those descriptors go with the
 * process. Nothing else stays open. */
static void end(void)
{
    temp_dir_remove(dir);
    CU_ASSERT(temp_dir_open_files() <= files_before + 2 * config.workers);
}

static bool is_done(int timeout_ms)
{
    struct pollfd done = {.fd = rp_server_done_fd(server), .events = POLLIN};
    int result;
    do {
        result = poll(&done, 1, timeout_ms);
    } while (result < 0 && errno == EINTR); /* a ring's work interrupts its thread */
    return result == 1;
}

/* ---- a client ---- */

static int dial(void)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = PATIENCE / 1000};
    memcpy(un.sun_path, socket_path, strlen(socket_path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0);
    int result;
    do {
        result = connect(fd, (const struct sockaddr *)&un, sizeof(un));
    } while (result < 0 && errno == EINTR);
    if (result < 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

/* Read until so many lines have come, or the end. What was read. */
static const char *read_lines(int fd, size_t count)
{
    static char text[65536];
    size_t len = 0;
    while (count > 0 && len < sizeof(text) - 1) {
        ssize_t got = read(fd, text + len, sizeof(text) - 1 - len);
        if (got < 0 && errno == EINTR) {
            continue; /* a ring's work interrupts its thread */
        }
        if (got <= 0) {
            break;
        }
        for (ssize_t i = 0; i < got; i++) {
            count -= text[len + (size_t)i] == '\n' && count > 0;
        }
        len += (size_t)got;
    }
    text[len] = '\0';
    return text;
}

static const char *talk(int fd, const char *text, size_t lines)
{
    ssize_t sent = write(fd, text, strlen(text));
    CU_ASSERT_EQUAL(sent, (ssize_t)strlen(text));
    return read_lines(fd, lines);
}

static bool send_one(int fd)
{
    return strstr(talk(fd, MESSAGE, 4), "queued as") != NULL;
}

static int greet(void)
{
    int fd = dial();
    CU_ASSERT_FATAL(fd >= 0);
    const char *sent = read_lines(fd, 1);
    bool is_good = strncmp(sent, "220 ", 4) == 0;
    if (is_good) {
        sent = talk(fd, "HELO client.test\r\n", 1);
        is_good = strncmp(sent, "250 ", 4) == 0;
    }
    CU_ASSERT(is_good);
    if (!is_good) {
        (void)printf("instead of a greeting: \"%s\" (%s)\n", sent, strerror(errno));
    }
    return fd;
}

/* A ring that is closed lets go of its last writes a little later, and of the lock that their file
 * has: spool.meta is locked until then, as it must be. With a daemon's process both are gone. */
static uint64_t messages_in_spool(void)
{
    static struct rp_spooldir spool; /* large */
    int err = -EBUSY;
    for (int left = PATIENCE; err == -EBUSY && left > 0; left -= 5) {
        err = rp_spooldir_open(&spool, config.spool_path, 1, config.spool_segment_size, error,
                               sizeof(error));
        if (err == -EBUSY) {
            (void)poll(NULL, 0, 5);
        }
    }
    if (err != 0) {
        (void)printf("%s\n", error);
    }
    CU_ASSERT_EQUAL_FATAL(err, 0);
    uint64_t messages = spool.report.messages;
    CU_ASSERT_EQUAL(spool.report.damaged, 0);
    rp_spooldir_close(&spool);
    return messages;
}

/* ---- tests ---- */

static void test_serve(void)
{
    for (uint32_t workers = 1; workers <= 3; workers++) {
        begin(workers);
        start();
        int fds[8];
        for (size_t i = 0; i < 8; i++) {
            fds[i] = greet();
        }
        for (size_t i = 0; i < 8; i++) {
            CU_ASSERT(send_one(fds[i]));
            CU_ASSERT(send_one(fds[7 - i]));
        }
        CU_ASSERT(!is_done(0));
        for (size_t i = 0; i < 8; i++) {
            CU_ASSERT(strncmp(talk(fds[i], "QUIT\r\n", 1), "221 ", 4) == 0);
            CU_ASSERT_STRING_EQUAL(read_lines(fds[i], 1), ""); /* the end */
            (void)close(fds[i]);
        }
        rp_server_drain(server);
        CU_ASSERT(is_done(PATIENCE));
        CU_ASSERT_EQUAL(rp_server_close(server), 0);
        CU_ASSERT_EQUAL(messages_in_spool(), 16);
        end();
    }
}

/* A drain waits for a transaction, and takes nobody new. */
static void test_drain(void)
{
    begin(2);
    start();
    int idle = greet();
    int busy = greet();
    CU_ASSERT(strncmp(talk(busy, "MAIL FROM:<a@b>\r\n", 1), "250 ", 4) == 0);
    rp_server_drain(server);
    CU_ASSERT(strncmp(read_lines(idle, 1), "421 4.3.2", 9) == 0);
    CU_ASSERT(!is_done(100));
    const char *sent = talk(busy, "RCPT TO:<c@d>\r\nDATA\r\nx\r\n.\r\n", 4);
    CU_ASSERT(strstr(sent, "queued as") != NULL && strstr(sent, "421 4.3.2") != NULL);
    (void)close(idle);
    (void)close(busy);
    CU_ASSERT(is_done(PATIENCE));
    rp_server_stop(server); /* too late, and no harm */
    CU_ASSERT_EQUAL(rp_server_close(server), 0);
    CU_ASSERT_EQUAL(messages_in_spool(), 1);
    end();
}

/* Stopped right after its start, or closed without a word: it always ends. */
static void test_stop_at_once(void)
{
    for (int i = 0; i < 12; i++) {
        begin(1 + (uint32_t)i % 3);
        start();
        if (i % 4 == 1) {
            rp_server_stop(server);
        } else if (i % 4 == 2) {
            rp_server_drain(server);
        } else if (i % 4 == 3) {
            int fd = greet();
            CU_ASSERT(send_one(fd));
            rp_server_stop(server);
            CU_ASSERT(is_done(PATIENCE));
            (void)close(fd);
        }
        if (i % 4 != 0) {
            CU_ASSERT(is_done(PATIENCE));
        }
        CU_ASSERT_EQUAL(rp_server_close(server), 0);
        CU_ASSERT_EQUAL(messages_in_spool(), i % 4 == 3);
        end();
    }
}

static void test_reload(void)
{
    begin(2);
    start();
    int old = greet();
    config.limit_connections = 3;
    config.smtp.message_size_max = 100;
    (void)snprintf(config.spool_path, sizeof(config.spool_path), "%s/elsewhere", dir);
    rp_server_reload(server, &config);
    /* The order takes its way; a session that begins after it has the new limits. */
    bool is_new = false;
    struct timespec pause = {.tv_nsec = 10000000};
    for (int i = 0; i < 500 && !is_new; i++) {
        int fd = greet();
        is_new = strstr(talk(fd, "EHLO x\r\n", 5), "SIZE 100\r\n") != NULL;
        (void)close(fd);
        (void)nanosleep(&pause, NULL);
    }
    CU_ASSERT(is_new);
    CU_ASSERT(send_one(old));
    CU_ASSERT(access(config.spool_path, F_OK) < 0); /* the spool stays where it was */
    (void)close(old);
    CU_ASSERT_EQUAL(rp_server_close(server), 0);
    (void)snprintf(config.spool_path, sizeof(config.spool_path), "%s/spool", dir);
    CU_ASSERT_EQUAL(messages_in_spool(), 1);
    end();
}

/* What cannot start says why in one line, and nothing of it stays. */
static int fail_to_start(void)
{
    error[0] = '\0';
    struct rp_server *none = NULL;
    int err = rp_server_start(&config, &none, error, sizeof(error));
    CU_ASSERT(err < 0);
    CU_ASSERT(error[0] != '\0' && strchr(error, '\n') == NULL);
    CU_ASSERT_PTR_NULL(none);
    return err; /* end() looks for files that are still open */
}

static void test_cannot_start(void)
{
    begin(1);
    (void)snprintf(config.listeners[0], sizeof(config.listeners[0]), "unix:%s/missing/x", dir);
    CU_ASSERT_EQUAL(fail_to_start(), -ENOENT);
    (void)snprintf(config.listeners[0], sizeof(config.listeners[0]), "unix:%s", socket_path);
    (void)snprintf(config.user, sizeof(config.user), "nobody-of-that-name");
    CU_ASSERT_EQUAL(fail_to_start(), -EINVAL);
    config.user[0] = '\0';
    CU_ASSERT(access(socket_path, F_OK) < 0);
    (void)snprintf(config.spool_path, sizeof(config.spool_path), "%s", dir);
    char other[128];
    (void)snprintf(other, sizeof(other), "%s/other", dir);
    CU_ASSERT_EQUAL(mkdir(other, 0700), 0);
    CU_ASSERT_EQUAL(fail_to_start(), -EEXIST); /* it holds something else */
    CU_ASSERT(access(socket_path, F_OK) < 0);
    CU_ASSERT_EQUAL(temp_dir_open_files(), files_before);
    end();
}

/* A second server on the spool, or on the socket, is refused; the first does not notice. */
static void test_second(void)
{
    begin(1);
    start();
    int fd = greet();
    (void)fail_to_start(); /* the same listener */
    (void)snprintf(config.listeners[0], sizeof(config.listeners[0]), "unix:%s/second.sock", dir);
    CU_ASSERT_EQUAL(fail_to_start(), -EBUSY); /* the same spool */
    CU_ASSERT(send_one(fd));
    (void)close(fd);
    fd = greet();
    (void)close(fd);
    CU_ASSERT_EQUAL(rp_server_close(server), 0);
    end();
}

/* TCP on a port of the kernel's choice: it starts and ends. */
static void test_tcp(void)
{
    begin(2);
    (void)snprintf(config.listeners[1], sizeof(config.listeners[1]), "127.0.0.1:0");
    config.listener_count = 2;
    start();
    int fd = greet();
    CU_ASSERT(send_one(fd));
    (void)close(fd);
    CU_ASSERT_EQUAL(rp_server_close(server), 0);
    end();
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"serve",        test_serve       },
        {"drain",        test_drain       },
        {"stop at once", test_stop_at_once},
        {"reload",       test_reload      },
        {"cannot start", test_cannot_start},
        {"second",       test_second      },
        {"tcp",          test_tcp         },
    };
    static const struct rp_io_options options = {
        .request_count = 4, .buffer_count = 1, .buffer_size = 4096};
    struct rp_io *io;
    if (rp_io_open(&options, &io, error, sizeof(error)) < 0) {
        (void)printf("skipped: %s\n", error);
        return 77;
    }
    rp_io_close(io);
    (void)alarm(120); /* a hang is a failure */
    return SUITE_RUN("engine/server", tests, argc, argv);
}
