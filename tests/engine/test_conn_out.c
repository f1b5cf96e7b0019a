/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_conn_out.c - replies leave in the order of their commands, whatever is ready first.
 *
 * Goal: a reply behind a message waits for its 250; what is ready is one send; short sends
 * lose nothing; a client that does not read is held up, and goes on when it reads. Method: a
 * worker on fake_io with sends and commits held; a plain list of the replies that are due
 * for random pipelines of commands, sent in random parts.
 */
#include "fake_worker.h"
#include "tests/tools/suite.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HELLO    "EHLO client.test\r\n"
#define ENVELOPE "MAIL FROM:<a@test>\r\nRCPT TO:<b@test>\r\nDATA\r\n"
#define MESSAGE  ENVELOPE "text\r\n.\r\n"

static struct fake_worker fake;

static void no_error_limit(struct rp_config *config)
{
    config->smtp.errors_max = 0;
}

static int begin(void)
{
    fake_worker_open(&fake, no_error_limit);
    fake_worker_settle(&fake);
    int fd = fake_worker_connect(&fake);
    (void)fake_worker_talk(&fake, fd, HELLO);
    return fd;
}

static void end(void)
{
    CU_ASSERT(fake_worker_is_clean(&fake));
    fake_worker_end(&fake);
    CU_ASSERT_EQUAL(fake_open_sockets(), 0);
    fake_worker_remove(&fake);
}

static struct fake_request *commit(void)
{
    return fake_find_tag(rp_op_tag(RP_OP_COMMIT, 0));
}

static const struct rp_conn *conn_of(int fd)
{
    uint32_t index = fake_worker_conn(&fake, fd);
    CU_ASSERT_FATAL(index != RP_NONE);
    return rp_conn_at(&fake.worker->conns, index);
}

static void test_one_send(void)
{
    int fd = begin();
    uint64_t sends = fake_state()->submitted[FAKE_SEND];
    const char *sent = fake_worker_talk(&fake, fd, "NOOP\r\nRSET\r\nNOOP\r\nMAIL FROM:<a@b>\r\n");
    CU_ASSERT_STRING_EQUAL(sent,
                           "250 2.0.0 OK\r\n250 2.0.0 OK\r\n250 2.0.0 OK\r\n250 2.1.0 OK\r\n");
    CU_ASSERT_EQUAL(fake_state()->submitted[FAKE_SEND], sends + 1);
    (void)fake_worker_talk(&fake, fd, "RSET\r\n");
    end();
}

/* Behind a message everything waits; before it, nothing does. */
static void test_behind_message(void)
{
    int fd = begin();
    fake.held = 1u << FAKE_WRITE;
    const char *sent = fake_worker_talk(
        &fake, fd, "NOOP\r\n" MESSAGE "NOOP\r\n" MESSAGE "MAIL FROM:<c@d>\r\nQUIT\r\n");
    CU_ASSERT_STRING_EQUAL(sent, "250 2.0.0 OK\r\n250 2.1.0 OK\r\n250 2.1.5 OK\r\n"
                                 "354 End data with <CR><LF>.<CR><LF>\r\n");
    (void)fake_perform(commit()); /* of the first one alone, or of both */
    fake_worker_settle(&fake);
    if (commit() != NULL) {
        (void)fake_perform(commit());
    }
    fake.held = 0;
    fake_worker_settle(&fake);
    sent = fake_sent_take(fd);
    static const char *const order[] = {"250 2.0.0 OK queued", "250 2.0.0 OK\r\n", "250 2.1.0 OK",
                                        "250 2.1.5 OK",        "354 End",          "250 2.0.0 OK q",
                                        "250 2.1.0 OK",        "221 2.0.0"};
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        CU_ASSERT_EQUAL_FATAL(strncmp(sent, order[i], strlen(order[i])), 0);
        sent = strchr(sent, '\n') + 1;
    }
    CU_ASSERT_STRING_EQUAL(sent, "");
    CU_ASSERT(fake_is_shut(fd));
    end();
}

/* Messages of one pipeline wait for different commits. */
static void test_two_commits(void)
{
    int fd = begin();
    fake.held = 1u << FAKE_WRITE;
    (void)fake_worker_talk(&fake, fd, MESSAGE);
    (void)fake_worker_talk(&fake, fd, MESSAGE "NOOP\r\n");
    CU_ASSERT_STRING_EQUAL(fake_sent(fd), "");
    (void)fake_perform(commit());
    fake_worker_settle(&fake);
    const char *sent = fake_sent_take(fd);
    CU_ASSERT(strncmp(sent, "250 2.0.0 OK queued", 19) == 0);
    CU_ASSERT(strstr(sent, "354") != NULL && strstr(sent, "250 2.0.0 OK\r\n") == NULL);
    CU_ASSERT_EQUAL(conn_of(fd)->pending_count, 1);
    (void)fake_perform(commit());
    fake_worker_settle(&fake);
    sent = fake_sent_take(fd);
    CU_ASSERT(strncmp(sent, "250 2.0.0 OK queued", 19) == 0);
    CU_ASSERT(strstr(sent, "\r\n250 2.0.0 OK\r\n") != NULL);
    fake.held = 0;
    fake_worker_settle(&fake);
    end();
}

/* So many messages may wait for their reply; then the input is left where it is. */
static void test_pending_limit(void)
{
    static char text[2 * RP_PENDING_MAX * sizeof(MESSAGE)];
    size_t len = 0;
    for (size_t i = 0; i < 2 * RP_PENDING_MAX; i++) {
        memcpy(text + len, MESSAGE, sizeof(MESSAGE));
        len += sizeof(MESSAGE) - 1;
    }
    int fd = begin();
    fake.held = 1u << FAKE_WRITE;
    (void)fake_worker_talk(&fake, fd, MESSAGE);
    (void)fake_worker_talk(&fake, fd, text);
    CU_ASSERT_EQUAL(conn_of(fd)->pending_count, RP_PENDING_MAX);
    CU_ASSERT_EQUAL(conn_of(fd)->block, RP_CONN_BLOCKED_PENDING);
    for (int i = 0; commit() != NULL; i++) {
        CU_ASSERT_FATAL(i < 100);
        (void)fake_perform(commit());
        fake_worker_settle(&fake);
    }
    size_t queued = 0;
    for (const char *at = fake_sent(fd); (at = strstr(at, "queued")) != NULL; at++) {
        queued++;
    }
    CU_ASSERT_EQUAL(queued, 1 + 2 * RP_PENDING_MAX);
    CU_ASSERT_EQUAL(conn_of(fd)->block, RP_CONN_UNBLOCKED);
    fake.held = 0;
    fake_worker_settle(&fake);
    end();
}

/* A client that sends commands and reads nothing: bounded memory, then it goes on. */
static void test_reads_nothing(void)
{
    static char help[RP_BUFFER_SIZE + 1];
    for (size_t len = 0; len + 6 <= RP_BUFFER_SIZE; len += 6) {
        memcpy(help + len, "HELP\r\n", 7);
    }
    int fd = begin();
    size_t commands = 0;
    fake.held = 1u << FAKE_SEND;
    while (fake_find_fd(FAKE_RECV, fd) != NULL) {
        CU_ASSERT_FATAL(commands < 1000000);
        CU_ASSERT_FATAL(fake_feed(fd, help));
        commands += strlen(help) / 6;
        fake_worker_settle(&fake);
        CU_ASSERT(conn_of(fd)->block_count <= RP_OUT_BLOCKS_MAX);
    }
    CU_ASSERT_EQUAL(conn_of(fd)->block, RP_CONN_BLOCKED_OUTPUT);
    CU_ASSERT(conn_of(fd)->input_count <= RP_INPUT_BUFFERS_MAX + 1);
    (void)fake_sent_take(fd);
    fake.held = 0;
    size_t replies = 0;
    for (int i = 0; i < 1000000 && fake_count(FAKE_SEND) > 0; i++) {
        (void)fake_perform(fake_find(FAKE_SEND));
        fake_worker_round(&fake);
        const char *sent = fake_sent_take(fd);
        for (; (sent = strchr(sent, '\n')) != NULL; sent++) {
            replies++;
        }
    }
    fake_worker_settle(&fake);
    CU_ASSERT_EQUAL(replies, commands);
    CU_ASSERT_EQUAL(conn_of(fd)->block, RP_CONN_UNBLOCKED);
    CU_ASSERT_PTR_NOT_NULL(fake_find_fd(FAKE_RECV, fd)); /* it is served again */
    CU_ASSERT_STRING_EQUAL(fake_worker_talk(&fake, fd, "NOOP\r\n"), "250 2.0.0 OK\r\n");
    end();
}

/* It never reads: its time-out ends it, and the 421 takes no more than its place. */
static void test_never_reads(void)
{
    static char help[RP_BUFFER_SIZE + 1];
    for (size_t len = 0; len + 6 <= RP_BUFFER_SIZE; len += 6) {
        memcpy(help + len, "HELP\r\n", 7);
    }
    int fd = begin();
    fake.held = 1u << FAKE_SEND;
    while (fake_find_fd(FAKE_RECV, fd) != NULL) {
        CU_ASSERT_FATAL(fake_feed(fd, help));
        fake_worker_settle(&fake);
    }
    fake_worker_advance(&fake, fake.config.timeout_command_ns + RP_TIMER_TICK_NS);
    CU_ASSERT_EQUAL(conn_of(fd)->state, RP_CONN_FINISHING);
    fake_worker_advance(&fake, RP_LINGER_NS + RP_TIMER_TICK_NS);
    CU_ASSERT(fake_is_closed(fd));
    end();
}

/* ---- random pipelines ---- */

struct line {
    const char *command;
    const char *reply; /* how it begins */
};

static const struct line lines[] = {
    {"NOOP\r\n",   "250 2.0.0 OK\r\n"},
    {"VRFY a\r\n", "252 2.1.5"       },
    {"XYZ\r\n",    "500 5.5.2"       },
    {"RSET\r\n",   "250 2.0.0 OK\r\n"},
};

static char input[400000];
static const char *due[4000];

/* A pipeline and the replies that it must get. */
static size_t make_pipeline(uint64_t *random, size_t *due_count_out)
{
    size_t len = 0;
    size_t count = 0;
    size_t items = 1 + suite_random_below(random, 120);
    for (size_t i = 0; i < items; i++) {
        if (suite_random_below(random, 3) == 0) {
            static const char *const replies[] = {"250 2.1.0", "250 2.1.5", "354 ",
                                                  "250 2.0.0 OK queued as "};
            memcpy(input + len, MESSAGE, sizeof(MESSAGE) - 1);
            len += sizeof(MESSAGE) - 1;
            memcpy(due + count, replies, sizeof(replies));
            count += 4;
        } else {
            const struct line *line = &lines[suite_random_below(random, 4)];
            memcpy(input + len, line->command, strlen(line->command));
            len += strlen(line->command);
            due[count++] = line->reply;
        }
    }
    *due_count_out = count;
    return len;
}

/* Let something go on: a part of a send, or a commit. False: nothing does. */
static bool go_on(uint64_t *random, int fd)
{
    struct fake_request *send = fake_find_fd(FAKE_SEND, fd);
    bool has_commit = commit() != NULL;
    if (send != NULL && (!has_commit || suite_random_below(random, 2) == 0)) {
        if (suite_random_below(random, 10) == 0) {
            fake_finish(send, -EINTR);
        } else {
            (void)fake_perform_part(send, 1 + suite_random_below(random, (size_t)send->len));
        }
    } else if (has_commit) {
        (void)fake_perform(commit());
    } else {
        return false;
    }
    fake_worker_settle(&fake);
    return true;
}

static void test_random(void)
{
    uint64_t random = suite_seed;
    int fd = begin();
    for (int round = 0; round < 60; round++) {
        size_t due_count;
        size_t len = make_pipeline(&random, &due_count);
        fake.held = 1u << FAKE_SEND;
        fake_worker_settle(&fake); /* segments are prepared */
        fake.held |= 1u << FAKE_WRITE;
        size_t fed = 0;
        while (fed < len) {
            size_t part = 1 + suite_random_below(&random, 2000);
            part = part < len - fed ? part : len - fed;
            while (fake_find_fd(FAKE_RECV, fd) == NULL) {
                CU_ASSERT_FATAL(go_on(&random, fd)); /* held up: something must end that */
            }
            CU_ASSERT_FATAL(fake_feed_octets(fd, input + fed, part));
            fed += part;
            fake_worker_settle(&fake);
            if (suite_random_below(&random, 2) == 0) {
                (void)go_on(&random, fd);
            }
        }
        for (int i = 0; go_on(&random, fd); i++) {
            CU_ASSERT_FATAL(i < 100000);
            if (commit() == NULL && fake_find_fd(FAKE_SEND, fd) == NULL) {
                fake.held &= ~(1u << FAKE_WRITE); /* perhaps a segment is waited for */
                fake_worker_settle(&fake);
            }
        }
        const char *sent = fake_sent_take(fd);
        for (size_t i = 0; i < due_count; i++) {
            if (strncmp(sent, due[i], strlen(due[i])) != 0) {
                (void)printf("%zu of %zu: %.60s instead of %s\n", i, due_count, sent, due[i]);
                CU_FAIL_FATAL("another reply, or in another order");
            }
            sent = strchr(sent, '\n') + 1;
        }
        CU_ASSERT_STRING_EQUAL(sent, "");
        /* A new client for the next round. */
        fake.held = 0;
        (void)fake_worker_talk(&fake, fd, "QUIT\r\n");
        fake_end(fd);
        fake_worker_settle(&fake);
        CU_ASSERT(fake_is_closed(fd));
        CU_ASSERT_FATAL(fake_worker_is_clean(&fake));
        fd = fake_worker_connect(&fake);
        (void)fake_worker_talk(&fake, fd, HELLO);
    }
    end();
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"one send",       test_one_send      },
        {"behind message", test_behind_message},
        {"two commits",    test_two_commits   },
        {"pending limit",  test_pending_limit },
        {"reads nothing",  test_reads_nothing },
        {"never reads",    test_never_reads   },
        {"random",         test_random        },
    };
    return SUITE_RUN("engine/conn_out", tests, argc, argv);
}
