/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_worker.c - the loop: orders, accepting, deadlines, life and end.
 *
 * Goal: each order does what worker.h says, in any state; accepting goes on after errors and
 * not while draining; the worker waits no longer than its next deadline; whenever it is closed,
 * no file or socket stays open. Method: rows, on a worker on fake_io.
 */
#include "fake_worker.h"
#include "tests/tools/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define HELLO    "EHLO client.test\r\n"
#define ENVELOPE "MAIL FROM:<a@test>\r\nRCPT TO:<b@test>\r\nDATA\r\n"
#define MESSAGE  ENVELOPE "text\r\n.\r\n"
#define TICK     RP_TIMER_TICK_NS
#define SECOND   1000000000ull

/* A sanitizer takes more addresses than any limit allows. */
#if defined(__SANITIZE_ADDRESS__)
#    define HAS_LIMIT 0
#elif defined(__has_feature)
#    define HAS_LIMIT !__has_feature(address_sanitizer)
#else
#    define HAS_LIMIT 1
#endif

static struct fake_worker fake;

static void begin(void)
{
    fake_worker_open(&fake, NULL);
    fake_worker_settle(&fake);
}

static void end(void)
{
    fake_worker_end(&fake);
    CU_ASSERT_EQUAL(fake_open_sockets(), 0);
    fake_worker_remove(&fake);
}

static void tell(enum rp_worker_order order)
{
    CU_ASSERT_EQUAL(rp_worker_tell(fake.worker, fake_io(), order), 0);
    fake_worker_settle(&fake);
}

/* ---- draining and stopping ---- */

/* Nobody is there: it ends at once, and with nothing accepted any more. */
static void test_drain_idle(void)
{
    begin();
    tell(RP_WORKER_DRAIN);
    CU_ASSERT(fake.is_over && fake.result == 0);
    end();
}

/* An idle client, one in a transaction, one whose commit is under way, one that reads nothing. */
static void test_drain(void)
{
    int fds[4];
    begin();
    for (int i = 0; i < 4; i++) {
        fds[i] = fake_worker_connect(&fake);
        (void)fake_worker_talk(&fake, fds[i], HELLO);
    }
    (void)fake_worker_talk(&fake, fds[1], "MAIL FROM:<a@test>\r\n");
    fake.held = 1u << FAKE_WRITE;
    (void)fake_worker_talk(&fake, fds[2], MESSAGE);
    fake_break(fds[3]);
    tell(RP_WORKER_DRAIN);
    CU_ASSERT_EQUAL(fake_count(FAKE_ACCEPT), 0);
    CU_ASSERT(!fake.is_over);
    CU_ASSERT_PTR_NOT_NULL(strstr(fake_sent(fds[0]), "421 4.3.2 Service shutting down\r\n"));
    CU_ASSERT_STRING_EQUAL(fake_sent(fds[1]), "");
    CU_ASSERT_STRING_EQUAL(fake_sent(fds[2]), "");
    tell(RP_WORKER_DRAIN); /* once more changes nothing */
    fake_end(fds[0]);

    /* The transaction may go on to its end; then it is told. */
    (void)fake_worker_talk(&fake, fds[1], "RCPT TO:<b@test>\r\nDATA\r\n");
    fake.held = 0;
    fake_worker_settle(&fake);
    CU_ASSERT_PTR_NOT_NULL(strstr(fake_sent(fds[2]), "queued"));
    CU_ASSERT_PTR_NOT_NULL(strstr(strstr(fake_sent(fds[2]), "queued"), "\r\n421 4.3.2"));
    const char *sent = fake_worker_talk(&fake, fds[1], "text\r\n.\r\n");
    CU_ASSERT(strstr(sent, "queued") != NULL && strstr(sent, "\r\n421 4.3.2") != NULL);
    CU_ASSERT(!fake.is_over); /* both may still read it */
    fake_end(fds[1]);
    fake_end(fds[2]);
    fake_worker_settle(&fake);
    CU_ASSERT(fake.is_over && fake.result == 0);
    end();
}

/* A client that never comes to an end: told at the latest after drain_timeout, and then left. */
static void test_drain_timeout(void)
{
    begin();
    int fd = fake_worker_connect(&fake);
    (void)fake_worker_talk(&fake, fd, HELLO ENVELOPE "half a bod");
    tell(RP_WORKER_DRAIN);
    CU_ASSERT(fake_state()->until_ns <= fake_state()->now_ns + fake.config.drain_timeout_ns);
    fake_worker_advance(&fake, fake.config.drain_timeout_ns - TICK);
    CU_ASSERT(!fake.is_over);
    CU_ASSERT_STRING_EQUAL(fake_sent(fd), "");
    fake_worker_advance(&fake, TICK);
    if (!fake.is_over) { /* a last word, and a moment to read it */
        CU_ASSERT_PTR_NOT_NULL(strstr(fake_sent(fd), "421 4.3.2"));
        fake_worker_advance(&fake, RP_LINGER_NS + TICK);
    }
    CU_ASSERT(fake.is_over && fake.result == 0);
    end();
}

/* The refusal to accept came before the drain, and its pause ends in it. */
static void test_drain_after_emfile(void)
{
    begin();
    fake_finish(fake_find(FAKE_ACCEPT), -EMFILE);
    fake_worker_settle(&fake);
    int fd = -1;
    CU_ASSERT_PTR_NULL(fake_find(FAKE_ACCEPT));
    fake_worker_advance(&fake, RP_RETRY_NS);
    fd = fake_worker_connect(&fake);
    (void)fake_worker_talk(&fake, fd, HELLO "MAIL FROM:<a@b>\r\n");
    fake_finish(fake_find(FAKE_ACCEPT), -EMFILE);
    fake_worker_settle(&fake);
    tell(RP_WORKER_DRAIN);
    fake_worker_advance(&fake, 2 * RP_RETRY_NS);
    CU_ASSERT_EQUAL(fake_count(FAKE_ACCEPT), 0);
    fake_break(fd);
    fake_worker_settle(&fake);
    CU_ASSERT(fake.is_over);
    end();
}

/* A socket that was accepted just before the drain is greeted and sent away. */
static void test_drain_late_socket(void)
{
    begin();
    int fd = fake_connect();
    CU_ASSERT_EQUAL(rp_worker_tell(fake.worker, fake_io(), RP_WORKER_DRAIN), 0);
    fake_worker_settle(&fake);
    CU_ASSERT_PTR_NOT_NULL(strstr(fake_sent(fd), "421 4.3.2"));
    fake_worker_advance(&fake, RP_LINGER_NS + TICK);
    CU_ASSERT(fake_is_closed(fd));
    CU_ASSERT(fake.is_over);
    end();
}

/* At once, in any state: what has no 250 gets none. */
static void test_stop(void)
{
    for (int state = 0; state < 5; state++) {
        begin();
        fake.held = state >= 3 ? 1u << FAKE_WRITE | 1u << FAKE_OPEN : 0;
        static const char *const dialogs[] = {"", HELLO, HELLO ENVELOPE "bo", HELLO MESSAGE,
                                              HELLO MESSAGE "QUIT\r\n"};
        int fd = fake_worker_connect(&fake);
        if (state > 0) {
            (void)fake_worker_talk(&fake, fd, dialogs[state]);
        }
        tell(RP_WORKER_STOP);
        CU_ASSERT(fake.is_over && fake.result == 0);
        CU_ASSERT_PTR_NULL(strstr(fake_sent(fd), "queued"));
        end();
    }
}

/* The ring breaks: rp_worker_run says so, and all can still be closed. */
static void test_broken_ring(void)
{
    begin();
    int fd = fake_worker_connect(&fake);
    (void)fake_worker_talk(&fake, fd, HELLO ENVELOPE);
    fake.ring_error = -EBADF;
    fake_worker_round(&fake);
    CU_ASSERT(fake.is_over && fake.result == -EBADF);
    end();
}

/* ---- reload ---- */

static void test_reload(void)
{
    static struct rp_config next;
    begin();
    int old = fake_worker_connect(&fake);
    tell(RP_WORKER_RELOAD); /* nothing was offered: nothing changes */
    CU_ASSERT_PTR_EQUAL(fake.worker->config, &fake.config);
    rp_config_copy(&next, &fake.config);
    next.timeout_command_ns = 10 * SECOND;
    next.limit_connections = 2;
    rp_worker_offer_config(fake.worker, &next);
    CU_ASSERT_PTR_EQUAL(fake.worker->config, &fake.config); /* not before it is told */
    tell(RP_WORKER_RELOAD);
    int new = fake_worker_connect(&fake);
    int third = fake_worker_connect(&fake);
    CU_ASSERT_PTR_NOT_NULL(strstr(fake_sent(third), "421 4.3.2"));
    (void)fake_worker_talk(&fake, new, HELLO);
    (void)fake_worker_talk(&fake, old, HELLO);
    fake_worker_advance(&fake, 10 * SECOND + TICK);
    CU_ASSERT_PTR_NOT_NULL(strstr(fake_sent(new), "421 4.4.2"));
    CU_ASSERT_STRING_EQUAL(fake_sent(old), ""); /* it keeps what it began with */
    end();
}

/* A snapshot has a user for each worker that has it and each connection that began with it. */
static void test_users(void)
{
    static struct rp_config nexts[2];
    _Atomic uint32_t counts[2] = {1, 1};
    begin();
    for (size_t i = 0; i < 2; i++) {
        rp_config_copy(&nexts[i], &fake.config);
        CU_ASSERT_PTR_NULL(nexts[i].user_count);
        nexts[i].user_count = &counts[i];
    }
    CU_ASSERT_PTR_NULL(rp_worker_offer_config(fake.worker, &nexts[1]));
    CU_ASSERT_PTR_EQUAL(rp_worker_offer_config(fake.worker, &nexts[0]), &nexts[1]); /* not taken */
    tell(RP_WORKER_RELOAD);
    int fds[2] = {fake_worker_connect(&fake), fake_worker_connect(&fake)};
    CU_ASSERT_EQUAL(counts[0], 3);
    CU_ASSERT_PTR_NULL(rp_worker_offer_config(fake.worker, &nexts[1]));
    tell(RP_WORKER_RELOAD);
    tell(RP_WORKER_RELOAD); /* nothing new */
    CU_ASSERT_EQUAL(counts[0], 2);
    (void)fake_worker_talk(&fake, fds[0], HELLO "QUIT\r\n");
    fake_end(fds[0]);
    fake_worker_settle(&fake);
    CU_ASSERT_EQUAL(counts[0], 1);
    fake_break(fds[1]);
    fake_worker_settle(&fake);
    CU_ASSERT_EQUAL(counts[0], 0);
    CU_ASSERT_EQUAL(counts[1], 1);
    end();
}

/* ---- accepting ---- */

static void test_accept_errors(void)
{
    static const int32_t errors[] = {-EMFILE, -ENFILE, -ENOBUFS, -ENOMEM, -ECONNABORTED, -EPERM};
    begin();
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        fake_finish(fake_find(FAKE_ACCEPT), errors[i]);
        fake_worker_settle(&fake);
        CU_ASSERT_EQUAL(fake_count(FAKE_ACCEPT), 0);
        CU_ASSERT(fake_state()->until_ns <= fake_state()->now_ns + RP_RETRY_NS);
        fake_worker_advance(&fake, RP_RETRY_NS);
        CU_ASSERT_EQUAL_FATAL(fake_count(FAKE_ACCEPT), 1);
        CU_ASSERT(strncmp(fake_sent(fake_worker_connect(&fake)), i < 4 ? "220 " : "421 ", 4) == 0);
    }
    end();
}

/* The worker waits for nothing but its next deadline, and for ever where there is none. */
static void test_deadlines(void)
{
    begin();
    CU_ASSERT_EQUAL(fake_state()->until_ns, UINT64_MAX);
    int fd = fake_worker_connect(&fake);
    uint64_t deadline = fake_state()->now_ns + fake.config.timeout_command_ns;
    for (int i = 0; i < 100 && !fake_is_shut(fd); i++) {
        CU_ASSERT_FATAL(fake_state()->until_ns > fake_state()->now_ns);
        fake_worker_advance(&fake, fake_state()->until_ns - fake_state()->now_ns);
    }
    CU_ASSERT(fake_is_shut(fd));
    CU_ASSERT(fake_state()->now_ns >= deadline && fake_state()->now_ns < deadline + TICK);
    fake_end(fd);
    fake_worker_settle(&fake);
    CU_ASSERT_EQUAL(fake_state()->until_ns, UINT64_MAX);
    /* Idle for longer than the wheel is long; then an order, not a client. */
    fake_worker_advance(&fake, 3600 * SECOND);
    tell(RP_WORKER_RELOAD);
    CU_ASSERT(!fake.is_over);
    end();
}

#define CROWD 40

static void with_a_crowd(struct rp_config *config)
{
    config->limit_connections = CROWD;
}

/* After a pause longer than all limits the kernel hands out a few octets a round: whoever sent is
 * served, whoever did not is told. */
static void test_pause(void)
{
    int fds[CROWD];
    fake_worker_open(&fake, with_a_crowd);
    fake_worker_settle(&fake);
    for (size_t i = 0; i < CROWD; i++) {
        fds[i] = fake_worker_connect(&fake);
        (void)fake_worker_talk(&fake, fds[i], HELLO);
    }
    fake_state()->now_ns += fake.config.timeout_command_ns + SECOND;
    for (size_t i = 0; i < CROWD - 1; i++) {
        CU_ASSERT_TRUE(fake_feed(fds[i], i % 2 == 0 ? "NOOP\r\n" : ENVELOPE "late\r\n.\r\n"));
    }
    fake_state()->round_max = RP_ROUND_REQUESTS_MIN;
    fake_worker_settle(&fake);
    for (size_t i = 0; i < CROWD - 1; i++) {
        CU_ASSERT_PTR_NOT_NULL(strstr(fake_sent(fds[i]), i % 2 == 0 ? "250 2.0.0 OK" : "queued"));
        CU_ASSERT_PTR_NULL(strstr(fake_sent(fds[i]), "421"));
    }
    CU_ASSERT_PTR_NOT_NULL(strstr(fake_sent(fds[CROWD - 1]), "421 4.4.2"));
    end();
}

/* limits.connections counts those of all workers. */
static void test_peers(void)
{
    static struct rp_worker *other; /* its counters are all that is looked at */
    begin();
    other = calloc(1, sizeof(*other));
    CU_ASSERT_PTR_NOT_NULL_FATAL(other);
    struct rp_worker *const peers[] = {fake.worker, other};
    rp_worker_set_peers(fake.worker, peers, 2);
    atomic_store(&other->stats.connections_open, 3);
    CU_ASSERT(strncmp(fake_sent(fake_worker_connect(&fake)), "220 ", 4) == 0);
    CU_ASSERT(strncmp(fake_sent(fake_worker_connect(&fake)), "421 ", 4) == 0);
    atomic_store(&other->stats.connections_open, 2);
    CU_ASSERT(strncmp(fake_sent(fake_worker_connect(&fake)), "220 ", 4) == 0);
    CU_ASSERT_EQUAL(atomic_load(&rp_worker_stats(fake.worker)->connections_refused), 1);
    end();
    free(other);
}

/* ---- open and close ---- */

/* Closed at any moment of its start, or of a message's way: no file stays open. */
static void test_close_anywhere(void)
{
    for (int performed = 0; performed < 26; performed++) {
        size_t files = temp_dir_open_files();
        fake_worker_open(&fake, NULL);
        fake_worker_settle(&fake);
        int fd = fake_worker_connect(&fake);
        fake.held = ~0u;
        (void)fake_feed(fd, HELLO MESSAGE "QUIT\r\n");
        fake_worker_round(&fake);
        for (int i = 0; i < performed; i++) {
            (void)fake_perform_oldest(0);
            fake_worker_round(&fake);
        }
        /* What a ring was asked to close it closes; files only, sockets are looked at by end(). */
        struct fake_request *request;
        while ((request = fake_find(FAKE_CLOSE)) != NULL) {
            (void)fake_perform(request);
        }
        end();
        CU_ASSERT_EQUAL(temp_dir_open_files(), files);
    }
}

#if HAS_LIMIT
/* No memory: an error with a reason, and nobody else's file is closed. */
static void test_no_memory(void)
{
    char error[RP_CONFIG_ERROR_MAX] = "";
    struct rp_worker *worker = NULL;
    fake_worker_open(&fake, NULL);
    struct rp_worker_options options = {
        .config = &fake.config, .dir = &fake.dir, .worker_count = 1};
    if (fcntl(0, F_GETFD) < 0) {
        CU_ASSERT_EQUAL(open("/dev/null", O_RDONLY), 0);
    }
    size_t files = temp_dir_open_files();
    struct rlimit before;
    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_AS, &before), 0);
    struct rlimit little = before;
    little.rlim_cur = 256u << 20;
    fake.config.limit_memory = 1ull << 34;
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_AS, &little), 0);
    int err = rp_worker_open(&options, &worker, error, sizeof(error));
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_AS, &before), 0);
    CU_ASSERT_EQUAL(err, -ENOMEM);
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "limits.memory"));
    CU_ASSERT_PTR_NULL(worker);
    CU_ASSERT_EQUAL(temp_dir_open_files(), files);
    CU_ASSERT(fcntl(0, F_GETFD) >= 0); /* what is not open yet has no number, not number 0 */
    end();
}
#endif

static void test_close_nothing(void)
{
    rp_worker_close(NULL);
    CU_PASS("it returned");
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"drain idle",         test_drain_idle        },
        {"drain",              test_drain             },
        {"drain timeout",      test_drain_timeout     },
        {"drain after EMFILE", test_drain_after_emfile},
        {"drain late socket",  test_drain_late_socket },
        {"stop",               test_stop              },
        {"broken ring",        test_broken_ring       },
        {"users",              test_users             },
        {"reload",             test_reload            },
        {"accept errors",      test_accept_errors     },
        {"pause",              test_pause             },
        {"deadlines",          test_deadlines         },
        {"peers",              test_peers             },
        {"close anywhere",     test_close_anywhere    },
#if HAS_LIMIT
        {"no memory",          test_no_memory         },
#endif
        {"close nothing",      test_close_nothing     },
    };
    return SUITE_RUN("engine/worker", tests, argc, argv);
}
