/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_big.c - a big body's file is whole, named and durable before its 250, or it goes.
 *
 * Goal: the octets in the file are those of the body; file, then big/, then record are
 * synced in that order; a failure of any step is a 4xx and removes the file; a client that
 * goes away at any step leaves nothing; a slow file holds up its own client only. Method: a
 * worker on fake_io; each step fails once; each step is the last that a client sees.
 */
#include "fake_worker.h"
#include "tests/tools/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define HELLO    "EHLO client.test\r\n"
#define ENVELOPE "MAIL FROM:<a@test>\r\nRCPT TO:<b@test>\r\nDATA\r\n"
#define MESSAGE  ENVELOPE "text\r\n.\r\n"
#define BODY_MAX (6u << 20)

static struct fake_worker fake;
static uint8_t body[BODY_MAX + 8];

/* The steps of a file, as tags: what is under way when the step is reached. */
static const enum rp_op steps[] = {
    RP_OP_BIG_OPEN, RP_OP_BIG_WRITE, RP_OP_BIG_SYNC, RP_OP_BIG_DIR, RP_OP_COMMIT,
};
#define STEPS (sizeof(steps) / sizeof(steps[0]))

static int begin(void (*tweak)(struct rp_config *))
{
    fake_worker_open(&fake, tweak);
    fake_worker_settle(&fake);
    int fd = fake_worker_connect(&fake);
    (void)fake_worker_talk(&fake, fd, HELLO);
    return fd;
}

static void end(uint64_t messages)
{
    struct rp_spooldir_report report;
    fake_worker_end(&fake);
    CU_ASSERT_EQUAL(fake_open_sockets(), 0);
    fake_worker_recover(&fake, &report);
    CU_ASSERT_EQUAL(report.messages, messages);
    CU_ASSERT(report.damaged == 0 && report.big_removed == 0);
    fake_worker_remove(&fake);
}

static size_t big_files(void)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/" RP_SPOOL_BIG_NAME, fake.path);
    return temp_dir_count(path, "");
}

/* Lines of text with a few dots in front, so that decoding has something to undo. */
static size_t make_body(size_t len, uint64_t *random)
{
    size_t at = 0;
    while (at < len) {
        size_t line = 10 + suite_random_below(random, 80);
        for (size_t i = 0; i < line; i++) {
            body[at + i] = (uint8_t)('a' + suite_random_below(random, 26));
        }
        if (suite_random_below(random, 100) == 0) {
            body[at] = body[at + 1] = '.';
        }
        body[at + line] = '\r';
        body[at + line + 1] = '\n';
        at += line + 2;
    }
    return at;
}

/* The body undone of its dots, in place; returns its length. */
static size_t undo_dots(size_t len)
{
    size_t to = 0;
    for (size_t at = 0; at < len; at++) {
        bool is_line_start = at == 0 || (body[at - 1] == '\n' && to > 0 && body[to - 1] == '\n');
        if (is_line_start && body[at] == '.') {
            continue;
        }
        body[to++] = body[at];
    }
    return to;
}

/* Feed what is received, settling in between. False: the client is held up. */
static bool feed_all(int fd, const uint8_t *octets, size_t len, size_t part)
{
    while (len > 0) {
        size_t now = len < part ? len : part;
        if (!fake_feed_octets(fd, octets, now)) {
            return false;
        }
        fake_worker_settle(&fake);
        octets += now;
        len -= now;
    }
    return true;
}

static bool is_file(const uint8_t *octets, size_t len)
{
    static uint8_t is[BODY_MAX + 8];
    char name[32];
    uint64_t id = fake.worker->bigs.next_id - 1;
    (void)snprintf(name, sizeof(name), RP_SPOOL_BIG_FORMAT, 0u, (unsigned long long)id);
    int fd = openat(fake.dir.big_fd, name, O_RDONLY | O_CLOEXEC);
    CU_ASSERT_FATAL(fd >= 0);
    ssize_t is_len = read(fd, is, sizeof(is));
    (void)close(fd);
    return is_len == (ssize_t)len && memcmp(is, octets, len) == 0;
}

static void no_size_limit(struct rp_config *config)
{
    config->smtp.message_size_max = 0;
}

static void no_sync(struct rp_config *config)
{
    config->spool_sync = RP_CONFIG_SYNC_NONE;
}

/* ---- good ones ---- */

/* Sizes around the threshold, blocks and writes, received in large and small parts. */
static void test_sizes(void)
{
    static const size_t lens[] = {RP_BIG_THRESHOLD_MIN - 100, RP_BIG_THRESHOLD_MIN,
                                  RP_BIG_THRESHOLD_MIN + 100, RP_BIG_WRITE_MIN,
                                  RP_BIG_WRITE_MIN + 5000,    BODY_MAX - 200};
    static const size_t parts[] = {RP_BUFFER_SIZE, 60000, 5000};
    uint64_t random = suite_seed;
    int fd = begin(no_size_limit);
    size_t files = 0;
    uint64_t messages = 0;
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        size_t len = make_body(lens[i], &random);
        (void)fake_worker_talk(&fake, fd, ENVELOPE);
        CU_ASSERT_FATAL(feed_all(fd, body, len, parts[i % 3]));
        CU_ASSERT(strstr(fake_worker_talk(&fake, fd, ".\r\n"), "250 2.0.0") != NULL);
        messages++;
        size_t now = big_files();
        len = undo_dots(len);
        CU_ASSERT_EQUAL(now, files + (len > RP_BIG_THRESHOLD_MIN));
        if (now > files) {
            CU_ASSERT(is_file(body, len));
        }
        files = now;
        CU_ASSERT(fake_worker_is_clean(&fake));
    }
    CU_ASSERT(files >= 3);
    end(messages);
}

/* Short writes of any length, an unlucky kernel that wants no direct I/O among them. */
static void test_short_writes(void)
{
    static const size_t parts[] = {4096, 100000, 12345, 1048577};
    uint64_t random = suite_seed;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        int fd = begin(no_size_limit);
        size_t len = make_body(700000, &random);
        (void)fake_worker_talk(&fake, fd, ENVELOPE);
        fake.held = 1u << FAKE_WRITE;
        CU_ASSERT(feed_all(fd, body, len, 50000));
        (void)fake_worker_talk(&fake, fd, ".\r\n");
        struct fake_request *request;
        for (int writes = 0; (request = fake_find(FAKE_WRITE)) != NULL; writes++) {
            CU_ASSERT_FATAL(writes < 1000);
            size_t part = request->len < parts[i] ? (size_t)request->len : parts[i];
            bool is_big = rp_op_of(request->tag) == RP_OP_BIG_WRITE;
            if (is_big && writes == 1 && fake.worker->bigs.busy_count == 1 && i == 0) {
                fake_finish(request, -EINVAL);
            } else {
                (void)fake_perform_part(request, is_big ? part : (size_t)request->len);
            }
            fake_worker_settle(&fake);
        }
        CU_ASSERT(strstr(fake_sent_take(fd), "250 2.0.0") != NULL);
        CU_ASSERT(is_file(body, undo_dots(len)));
        CU_ASSERT(fake_worker_is_clean(&fake));
        fake.held = 0;
        end(1);
    }
}

/* Let it go on until this step is under way, and nothing after it. */
static struct fake_request *run_to(enum rp_op op)
{
    fake.held = ~0u;
    for (int i = 0; i < 2000; i++) {
        fake_worker_settle(&fake);
        struct fake_request *oldest = NULL;
        for (size_t s = 0; s < STEPS && oldest == NULL; s++) {
            oldest = fake_find_tag(rp_op_tag(steps[s], 0));
        }
        if (oldest != NULL && rp_op_of(oldest->tag) == op) {
            return oldest;
        }
        oldest = oldest != NULL ? oldest : fake_find(FAKE_SEND);
        CU_ASSERT_PTR_NOT_NULL_FATAL(oldest);
        (void)fake_perform(oldest);
    }
    CU_FAIL_FATAL("the step never comes");
    return NULL;
}

static void send_big(int fd, size_t len)
{
    uint64_t random = suite_seed;
    fake.held = ~0u & ~(1u << FAKE_SEND);
    len = make_body(len, &random);
    (void)fake_worker_talk(&fake, fd, ENVELOPE);
    CU_ASSERT(feed_all(fd, body, len, 40000));
    (void)fake_worker_talk(&fake, fd, ".\r\n");
}

/* Open, write, sync, sync of big/, then the record; with sync = none no sync at all. */
static void test_order(void)
{
    int fd = begin(NULL);
    send_big(fd, 300000);
    for (size_t s = 0; s < STEPS; s++) {
        struct fake_request *request = run_to(steps[s]);
        CU_ASSERT_STRING_EQUAL(fake_sent(fd), "");
        CU_ASSERT_EQUAL(fake.dir.doorbell->lanes[0].tail, 0);
        if (steps[s] == RP_OP_BIG_DIR) {
            CU_ASSERT_EQUAL(request->fd, fake.dir.big_fd);
        }
        if (steps[s] == RP_OP_COMMIT) {
            CU_ASSERT(request->len < 300000); /* the body is not in the record */
        }
    }
    fake.held = 0;
    fake_worker_settle(&fake);
    CU_ASSERT(strstr(fake_sent_take(fd), "250 2.0.0") != NULL);
    CU_ASSERT(fake_worker_is_clean(&fake));
    end(1);

    fd = begin(no_sync);
    uint64_t syncs = fake_state()->submitted[FAKE_SYNC];
    send_big(fd, 300000);
    (void)run_to(RP_OP_COMMIT);
    CU_ASSERT_EQUAL(fake_state()->submitted[FAKE_SYNC], syncs);
    fake.held = 0;
    fake_worker_settle(&fake);
    CU_ASSERT(strstr(fake_sent_take(fd), "250 2.0.0") != NULL);
    end(1);
}

/* Those that wait for big/ while it is synced share the next sync. */
static void test_shared_sync(void)
{
    int fds[3] = {begin(NULL)};
    for (int i = 1; i < 3; i++) {
        fds[i] = fake_worker_connect(&fake);
        (void)fake_worker_talk(&fake, fds[i], HELLO);
    }
    for (int i = 0; i < 3; i++) {
        send_big(fds[i], 300000);
        fake.held = 1u << FAKE_SYNC;
        fake_worker_settle(&fake);
        struct fake_request *sync = fake_find_tag(rp_op_tag(RP_OP_BIG_SYNC, (uint32_t)i));
        CU_ASSERT_PTR_NOT_NULL_FATAL(sync);
        (void)fake_perform(sync);
        fake_worker_settle(&fake);
        CU_ASSERT_EQUAL(fake_count(FAKE_SYNC), 1); /* the first one's sync of big/ */
    }
    (void)fake_perform(fake_find_tag(rp_op_tag(RP_OP_BIG_DIR, 0)));
    fake_worker_settle(&fake);
    CU_ASSERT(strstr(fake_sent(fds[0]), "250") != NULL);
    CU_ASSERT_STRING_EQUAL(fake_sent(fds[1]), "");
    (void)fake_perform(fake_find_tag(rp_op_tag(RP_OP_BIG_DIR, 0)));
    fake_worker_settle(&fake);
    CU_ASSERT(strstr(fake_sent(fds[1]), "250") != NULL && strstr(fake_sent(fds[2]), "250") != NULL);
    fake.held = 0;
    fake_worker_settle(&fake);
    CU_ASSERT(fake_worker_is_clean(&fake));
    end(3);
}

/* ---- faults ---- */

static void test_faults(void)
{
    static const struct {
        enum rp_op op;
        int error;
        const char *reply;
    } rows[] = {
        {RP_OP_BIG_OPEN,  EMFILE, "452 4.3.1"},
        {RP_OP_BIG_OPEN,  EIO,    "451 4.3.0"},
        {RP_OP_BIG_WRITE, ENOSPC, "452 4.3.1"},
        {RP_OP_BIG_WRITE, EIO,    "451 4.3.0"},
        {RP_OP_BIG_WRITE, 0,      "451 4.3.0"},
        {RP_OP_BIG_SYNC,  EIO,    "451 4.3.0"},
        {RP_OP_BIG_SYNC,  EDQUOT, "452 4.3.1"},
        {RP_OP_BIG_DIR,   EIO,    "451 4.3.0"},
        {RP_OP_COMMIT,    EIO,    "451 4.3.0"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int fd = begin(NULL);
        send_big(fd, 300000);
        fake_finish(run_to(rows[i].op), -rows[i].error);
        fake.held = 0;
        fake_worker_settle(&fake);
        const char *sent = fake_sent_take(fd);
        CU_ASSERT(strncmp(sent, rows[i].reply, strlen(rows[i].reply)) == 0);
        CU_ASSERT(strchr(sent, '\n') == sent + strlen(sent) - 1); /* exactly one reply */
        CU_ASSERT_EQUAL(big_files(), 0);
        CU_ASSERT(fake_worker_is_clean(&fake));
        CU_ASSERT(strstr(fake_worker_talk(&fake, fd, MESSAGE), "queued") != NULL);
        end(1);
    }
}

/* What only asks for another try gets one at once. */
static void test_again(void)
{
    static const int results[] = {-EINTR, -EAGAIN};
    for (size_t s = 0; s < STEPS; s++) {
        int fd = begin(NULL);
        send_big(fd, 300000);
        for (size_t i = 0; i < 4; i++) {
            const struct fake_request before = *run_to(steps[s]);
            fake_finish(run_to(steps[s]), results[i % 2]);
            const struct fake_request *after = run_to(steps[s]);
            CU_ASSERT(after->op == before.op && after->fd == before.fd);
            CU_ASSERT(after->off == before.off && after->len == before.len);
        }
        fake.held = 0;
        fake_worker_settle(&fake);
        CU_ASSERT(strstr(fake_sent_take(fd), "250 2.0.0") != NULL);
        CU_ASSERT_EQUAL(big_files(), 1);
        CU_ASSERT(fake_worker_is_clean(&fake));
        end(1);
    }
}

/* Somebody removes the file before its message is committed: no 250 for what is gone. */
static void test_removed(void)
{
    static const struct {
        enum rp_op op; /* under way meanwhile */
        void (*tweak)(struct rp_config *);
    } rows[] = {
        {RP_OP_BIG_WRITE, NULL   },
        {RP_OP_BIG_WRITE, no_sync},
        {RP_OP_BIG_SYNC,  NULL   },
        {RP_OP_BIG_DIR,   NULL   },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char name[32];
        int fd = begin(rows[i].tweak);
        send_big(fd, 300000);
        (void)run_to(rows[i].op);
        (void)snprintf(name, sizeof(name), RP_SPOOL_BIG_FORMAT, 0u,
                       (unsigned long long)fake.worker->bigs.next_id - 1);
        CU_ASSERT_EQUAL(unlinkat(fake.dir.big_fd, name, 0), 0);
        fake.held = 0;
        fake_worker_settle(&fake);
        const char *sent = fake_sent_take(fd);
        CU_ASSERT(strncmp(sent, "451 4.3.0", 9) == 0);
        CU_ASSERT(strchr(sent, '\n') == sent + strlen(sent) - 1); /* exactly one reply */
        CU_ASSERT(fake_worker_is_clean(&fake));
        CU_ASSERT(strstr(fake_worker_talk(&fake, fd, MESSAGE), "queued") != NULL);
        end(1);
    }
}

/* The file fails while the body still comes: the rest is read, then it is refused. */
static void test_fault_in_body(void)
{
    static const enum rp_op ops[] = {RP_OP_BIG_OPEN, RP_OP_BIG_WRITE};
    uint64_t random = suite_seed;
    for (size_t i = 0; i < 4; i++) {
        int fd = begin(NULL);
        size_t len = make_body(900000, &random);
        (void)fake_worker_talk(&fake, fd, ENVELOPE);
        fake.held = ~0u & ~(1u << FAKE_SEND);
        CU_ASSERT(feed_all(fd, body, len, 40000));
        fake_finish(run_to(ops[i % 2]), -ENOSPC);
        fake.held = 0;
        fake_worker_settle(&fake);
        CU_ASSERT_STRING_EQUAL(fake_sent(fd), ""); /* nothing before the dot */
        CU_ASSERT_EQUAL(big_files(), 0);
        if (i >= 2) {
            CU_ASSERT(feed_all(fd, (const uint8_t *)"more\r\n", 6, 6));
        }
        CU_ASSERT(strncmp(fake_worker_talk(&fake, fd, ".\r\n"), "452 4.3.1", 9) == 0);
        CU_ASSERT(fake_worker_is_clean(&fake));
        CU_ASSERT(strstr(fake_worker_talk(&fake, fd, MESSAGE), "queued") != NULL);
        end(1);
    }
}

/* The client goes away at each step, before the end of its body and behind it. */
static void test_client_gone(void)
{
    uint64_t random = suite_seed;
    for (size_t s = 0; s < 2 * STEPS; s++) {
        bool is_whole = s >= 2;
        enum rp_op op = is_whole ? steps[(s - 2) % STEPS] : steps[s];
        int fd = begin(NULL);
        if (is_whole) {
            send_big(fd, 700000);
        } else {
            size_t len = make_body(700000, &random);
            (void)fake_worker_talk(&fake, fd, ENVELOPE);
            fake.held = ~0u & ~(1u << FAKE_SEND);
            CU_ASSERT(feed_all(fd, body, len, 40000));
        }
        (void)run_to(op);
        fake_break(fd);
        fake.held = 0;
        fake_worker_settle(&fake);
        CU_ASSERT(fake_is_closed(fd));
        CU_ASSERT(fake_worker_is_clean(&fake));
        CU_ASSERT_EQUAL(big_files(), is_whole ? 1 : 0);
        end(is_whole ? 1 : 0);
    }
}

/* ---- slow files ---- */

/* A body comes faster than it can be written: receiving is paused, and goes on. */
static void test_paused(void)
{
    uint64_t random = suite_seed;
    int fd = begin(no_size_limit);
    int other = fake_worker_connect(&fake);
    (void)fake_worker_talk(&fake, other, HELLO);
    size_t len = make_body(BODY_MAX - 200, &random);
    (void)fake_worker_talk(&fake, fd, ENVELOPE);
    fake.held = 1u << FAKE_WRITE;
    size_t fed = 0;
    while (fed < len && fake_find_fd(FAKE_RECV, fd) != NULL) {
        size_t part = len - fed < RP_BUFFER_SIZE ? len - fed : RP_BUFFER_SIZE;
        CU_ASSERT_FATAL(fake_feed_octets(fd, body + fed, part));
        fed += part;
        fake_worker_settle(&fake);
    }
    CU_ASSERT(fed > RP_BIG_WAITING_MAX / 2 && fed < RP_BIG_WAITING_MAX + (1u << 20));
    CU_ASSERT_EQUAL(rp_conn_at(&fake.worker->conns, fake_worker_conn(&fake, fd))->block,
                    RP_CONN_BLOCKED_BIG);
    CU_ASSERT_EQUAL(atomic_load(&fake.worker->stats.recv_paused), 1);
    CU_ASSERT(strstr(fake_worker_talk(&fake, other, "NOOP\r\n"), "250") != NULL);
    /* Our file is slow, not the client: no time-out. */
    fake_worker_advance(&fake, fake.config.timeout_data_ns + 2 * RP_TIMER_TICK_NS);
    CU_ASSERT(!fake_is_closed(fd) && fake_sent_len(fd) == 0);
    fake.held = 0;
    fake_worker_settle(&fake);
    while (fed < len) {
        size_t part = len - fed < RP_BUFFER_SIZE ? len - fed : RP_BUFFER_SIZE;
        CU_ASSERT_FATAL(fake_feed_octets(fd, body + fed, part));
        fed += part;
        fake_worker_settle(&fake);
    }
    CU_ASSERT(strstr(fake_worker_talk(&fake, fd, ".\r\n"), "250 2.0.0") != NULL);
    CU_ASSERT(is_file(body, undo_dots(len)));
    CU_ASSERT(fake_worker_is_clean(&fake));
    end(1);
}

/* ---- turns ---- */

#define CROWD (RP_BIG_BUSY_MAX + 4)

static void crowd(struct rp_config *config)
{
    config->limit_connections = CROWD;
    config->limit_memory = 640ull * RP_BUFFER_SIZE;
}

/* More bodies than may be written at a time: each has its turn, also behind one that failed or
 * whose client is gone. */
static void test_turns(void)
{
    int fds[CROWD] = {begin(crowd)};
    for (size_t i = 1; i < CROWD; i++) {
        fds[i] = fake_worker_connect(&fake);
        (void)fake_worker_talk(&fake, fds[i], HELLO);
    }
    for (size_t i = 0; i < CROWD; i++) {
        send_big(fds[i], 300000);
        fake.held = 1u << FAKE_WRITE;
        fake_worker_settle(&fake); /* its file is open */
        CU_ASSERT(fake.worker->bigs.busy_count <= RP_BIG_BUSY_MAX);
    }
    CU_ASSERT_EQUAL(fake.worker->bigs.busy_count, RP_BIG_BUSY_MAX);
    fake_break(fds[RP_BIG_BUSY_MAX]); /* it had sent all: its message goes on */
    fake_finish(fake_find_tag(rp_op_tag(RP_OP_BIG_WRITE, 0)), -EIO);
    fake_worker_settle(&fake);
    CU_ASSERT_EQUAL(fake.worker->bigs.busy_count, RP_BIG_BUSY_MAX);
    CU_ASSERT(strncmp(fake_sent(fds[0]), "451 4.3.0", 9) == 0);
    fake.held = 0;
    fake_worker_settle(&fake);
    for (size_t i = 1; i < CROWD; i++) {
        CU_ASSERT(i == RP_BIG_BUSY_MAX || strncmp(fake_sent(fds[i]), "250 2.0.0", 9) == 0);
    }
    CU_ASSERT_EQUAL(fake.worker->bigs.busy_count, 0);
    CU_ASSERT(fake_worker_is_clean(&fake));
    CU_ASSERT_EQUAL(big_files(), CROWD - 1);
    end(CROWD - 1);
}

/* One that waits for its turn is given up before its client has sent all. */
static void test_turn_given_up(void)
{
    uint64_t random = suite_seed;
    int fds[CROWD] = {begin(crowd)};
    for (size_t i = 1; i < CROWD; i++) {
        fds[i] = fake_worker_connect(&fake);
        (void)fake_worker_talk(&fake, fds[i], HELLO);
    }
    for (size_t i = 0; i < CROWD; i++) {
        size_t len = make_body(RP_BIG_WRITE_MIN + 30000, &random);
        (void)fake_worker_talk(&fake, fds[i], ENVELOPE);
        fake.held = 1u << FAKE_WRITE;
        CU_ASSERT_FATAL(feed_all(fds[i], body, len, 60000));
    }
    CU_ASSERT_EQUAL(fake.worker->bigs.busy_count, RP_BIG_BUSY_MAX);
    for (size_t i = RP_BIG_BUSY_MAX; i < CROWD - 1; i++) {
        fake_break(fds[i]);
    }
    fake_worker_settle(&fake);
    fake.held = 0;
    fake_worker_settle(&fake);
    for (size_t i = 0; i < CROWD; i++) {
        if (i < RP_BIG_BUSY_MAX || i == CROWD - 1) {
            CU_ASSERT(strncmp(fake_worker_talk(&fake, fds[i], ".\r\n"), "250 2.0.0", 9) == 0);
        } else {
            CU_ASSERT(fake_is_closed(fds[i]));
        }
    }
    CU_ASSERT_EQUAL(fake.worker->bigs.busy_count, 0);
    CU_ASSERT(fake_worker_is_clean(&fake));
    CU_ASSERT_EQUAL(big_files(), RP_BIG_BUSY_MAX + 1);
    end(RP_BIG_BUSY_MAX + 1);
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"sizes",         test_sizes        },
        {"short writes",  test_short_writes },
        {"order",         test_order        },
        {"shared sync",   test_shared_sync  },
        {"faults",        test_faults       },
        {"again",         test_again        },
        {"removed",       test_removed      },
        {"fault in body", test_fault_in_body},
        {"client gone",   test_client_gone  },
        {"paused",        test_paused       },
        {"turns",         test_turns        },
        {"turn given up", test_turn_given_up},
    };
    return SUITE_RUN("engine/big", tests, argc, argv);
}
