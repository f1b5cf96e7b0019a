/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_conn.c - a connection's slot and all it held come back, however it ends.
 *
 * Goal: after the last completion slot, buffers, blocks and socket are given back once, in
 * every order of completions and results; clients are timed out, refused and starved as the
 * headers say; no state is left without something that will call the loop again. Method: rows
 * for each rule; then every order: a client's life is a sequence of choices (which request ends
 * next, and how), and all sequences up to a number of choices are played, then random ones.
 */
#include "fake_worker.h"
#include "tests/tools/suite.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HELLO    "EHLO client.test\r\n"
#define ENVELOPE "MAIL FROM:<a@test>\r\nRCPT TO:<b@test>\r\nDATA\r\n"
#define MESSAGE  ENVELOPE "text\r\n.\r\n"
#define TICK     RP_TIMER_TICK_NS

static struct fake_worker fake;

static void begin(void (*tweak)(struct rp_config *))
{
    fake_worker_open(&fake, tweak);
    fake_worker_settle(&fake);
}

static int begin_with_client(void)
{
    begin(NULL);
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

static uint64_t stat_of(const _Atomic uint64_t *counter)
{
    return atomic_load(counter);
}

/* ---- how it ends ---- */

static void test_quit(void)
{
    int fd = begin_with_client();
    CU_ASSERT(strncmp(fake_worker_talk(&fake, fd, "QUIT\r\n"), "221 2.0.0", 9) == 0);
    CU_ASSERT(fake_is_shut(fd) && !fake_is_closed(fd)); /* the client may still read it */
    CU_ASSERT(fake_feed(fd, "NOOP\r\n"));               /* too late, and no reset for it */
    fake_worker_settle(&fake);
    CU_ASSERT_STRING_EQUAL(fake_sent(fd), "");
    fake_end(fd);
    fake_worker_settle(&fake);
    CU_ASSERT(fake_is_closed(fd));
    CU_ASSERT_EQUAL(stat_of(&fake.worker->stats.connections_open), 0);
    end();
}

/* After QUIT the client neither reads nor closes: two seconds, then it is over. */
static void test_linger(void)
{
    int fd = begin_with_client();
    (void)fake_worker_talk(&fake, fd, "QUIT\r\n");
    fake_worker_advance(&fake, RP_LINGER_NS - TICK);
    CU_ASSERT(!fake_is_closed(fd));
    fake_worker_advance(&fake, 2 * TICK);
    CU_ASSERT(fake_is_closed(fd));
    end();
}

/* The client closes its side behind its last command: it still gets its replies. */
static void test_half_close(void)
{
    int fd = begin_with_client();
    fake.held = 1u << FAKE_WRITE;
    CU_ASSERT(fake_feed(fd, MESSAGE "NOOP\r\n"));
    fake_end(fd);
    fake_worker_settle(&fake);
    CU_ASSERT(!fake_is_closed(fd));
    fake.held = 0;
    fake_worker_settle(&fake);
    const char *sent = fake_sent(fd);
    CU_ASSERT(strstr(sent, "queued as") != NULL && strstr(sent, "\r\n250 2.0.0 OK\r\n") != NULL);
    CU_ASSERT(fake_is_closed(fd));
    end();
}

/* The end comes in the middle of a command, an envelope, a body: nothing is kept of it. */
static void test_cut(void)
{
    static const char text[] = HELLO ENVELOPE "line\r\nline\r\n.\r\nQUIT\r\n";
    static const char *const body_end = "line\r\n.\r\n";
    size_t whole = (size_t)(strstr(text, body_end) - text) + strlen(body_end);
    for (size_t len = 0; len < sizeof(text) - 1; len++) {
        for (int way = 0; way < 2; way++) {
            begin(NULL);
            int fd = fake_worker_connect(&fake);
            CU_ASSERT(len == 0 || fake_feed_octets(fd, text, len));
            if (way == 0) {
                fake_end(fd);
            } else {
                fake_break(fd);
            }
            fake_worker_settle(&fake);
            CU_ASSERT(fake_is_closed(fd));
            CU_ASSERT_EQUAL(fake.dir.doorbell->lanes[0].tail, len >= whole);
            end();
        }
        len += len % 7 == 3 ? 3 : 0; /* every octet is for those with time */
    }
}

/* ---- time-outs ---- */

static void test_timeout(void)
{
    int fd = begin_with_client();
    fake_worker_advance(&fake, fake.config.timeout_command_ns - TICK);
    CU_ASSERT(fake_feed(fd, "NO")); /* single octets of a line do not count */
    fake_worker_settle(&fake);
    CU_ASSERT_STRING_EQUAL(fake_sent(fd), "");
    fake_worker_advance(&fake, 2 * TICK);
    CU_ASSERT_STRING_EQUAL(fake_sent(fd), "421 4.4.2 Error: timeout exceeded\r\n");
    CU_ASSERT_EQUAL(stat_of(&fake.worker->stats.timeouts), 1);
    fake_end(fd);
    fake_worker_settle(&fake);
    CU_ASSERT(fake_is_closed(fd));
    end();
}

/* Every command moves it; a body has a time of its own; the end of a body ends that. */
static void test_progress(void)
{
    int fd = begin_with_client();
    uint64_t command_ns = fake.config.timeout_command_ns;
    uint64_t data_ns = fake.config.timeout_data_ns;
    CU_ASSERT(data_ns < command_ns);
    for (int i = 0; i < 3; i++) {
        fake_worker_advance(&fake, command_ns - TICK);
        CU_ASSERT_STRING_EQUAL(fake_worker_talk(&fake, fd, "NOOP\r\n"), "250 2.0.0 OK\r\n");
    }
    (void)fake_worker_talk(&fake, fd, ENVELOPE);
    for (int i = 0; i < 3; i++) {
        fake_worker_advance(&fake, data_ns - TICK);
        CU_ASSERT_STRING_EQUAL(fake_worker_talk(&fake, fd, "octets"), "");
    }
    (void)fake_worker_talk(&fake, fd, "\r\n");
    CU_ASSERT(strstr(fake_worker_talk(&fake, fd, ".\r\n"), "queued") != NULL);
    fake_worker_advance(&fake, data_ns + 2 * TICK); /* it is a command that we wait for */
    CU_ASSERT_STRING_EQUAL(fake_sent(fd), "");
    (void)fake_worker_talk(&fake, fd, ENVELOPE);
    fake_worker_advance(&fake, data_ns + 2 * TICK);
    CU_ASSERT_STRING_EQUAL(fake_sent(fd), "421 4.4.2 Error: timeout exceeded\r\n");
    fake_end(fd);
    fake_worker_settle(&fake);
    end();
}

/* A slow disk is no fault of the client. */
static void test_our_turn(void)
{
    int fd = begin_with_client();
    fake.held = 1u << FAKE_WRITE;
    (void)fake_worker_talk(&fake, fd, MESSAGE);
    fake_worker_advance(&fake, fake.config.timeout_command_ns + 2 * TICK);
    fake_worker_advance(&fake, fake.config.timeout_command_ns + 2 * TICK);
    CU_ASSERT_STRING_EQUAL(fake_sent(fd), "");
    CU_ASSERT(!fake_is_closed(fd));
    fake.held = 0;
    fake_worker_settle(&fake);
    CU_ASSERT(strstr(fake_sent(fd), "queued") != NULL);
    end();
}

static void short_session(struct rp_config *config)
{
    config->timeout_session_ns = 10ull * 1000000000ull;
}

static void test_session_limit(void)
{
    begin(short_session);
    int fd = fake_worker_connect(&fake);
    for (int i = 0; i < 9; i++) {
        fake_worker_advance(&fake, 1000000000ull);
        CU_ASSERT(strstr(fake_worker_talk(&fake, fd, "NOOP\r\n"), "250") != NULL);
    }
    fake_worker_advance(&fake, 1000000000ull + TICK);
    CU_ASSERT(strstr(fake_sent(fd), "421 4.4.2") != NULL);
    fake_worker_advance(&fake, RP_LINGER_NS + TICK);
    fake_worker_advance(&fake, RP_LINGER_NS + TICK);
    CU_ASSERT(fake_is_closed(fd));
    end();
}

/* ---- limits ---- */

static void test_too_many(void)
{
    int fds[4];
    begin(NULL);
    for (int i = 0; i < 4; i++) {
        fds[i] = fake_worker_connect(&fake);
        CU_ASSERT(strncmp(fake_sent(fds[i]), "220 ", 4) == 0);
    }
    int fifth = fake_worker_connect(&fake);
    CU_ASSERT_STRING_EQUAL(fake_sent(fifth), "421 4.3.2 Too many connections, try again later\r\n");
    CU_ASSERT_EQUAL(stat_of(&fake.worker->stats.connections_refused), 1);
    CU_ASSERT_EQUAL(stat_of(&fake.worker->stats.connections_open), 4);
    fake_break(fds[0]);
    fake_worker_settle(&fake);
    CU_ASSERT(fake_is_closed(fifth)); /* at once: it does not linger */
    int sixth = fake_worker_connect(&fake);
    CU_ASSERT(strncmp(fake_sent(sixth), "220 ", 4) == 0);
    CU_ASSERT_EQUAL(stat_of(&fake.worker->stats.connections_open), 4);
    end();
}

/* More than have a slot even to be refused in: closed unheard, and no harm. */
static void test_far_too_many(void)
{
    begin(NULL);
    int last = 0;
    fake.held = 1u << FAKE_SEND; /* so that those which are refused stay for now */
    for (uint32_t i = 0; i < 4 + RP_REFUSALS_MAX + 3; i++) {
        last = fake_worker_connect(&fake);
    }
    CU_ASSERT(fake_is_closed(last));
    CU_ASSERT_STRING_EQUAL(fake_sent(last), "");
    fake.held = 0;
    fake_worker_settle(&fake);
    CU_ASSERT_EQUAL(fake_open_sockets(), 4);
    CU_ASSERT_EQUAL(fake.worker->conns.open_count, 4);
    end();
}

/* ---- buffers ---- */

/* Receiving that finds no buffer goes on as soon as there are some. */
static void test_starved(void)
{
    int fd = begin_with_client();
    int other = fake_worker_connect(&fake);
    uint32_t hoard[512];
    size_t count = 0;
    struct rp_bufpool *buffers = &fake.worker->store.buffers;
    while (fake_lent_count() > 0) { /* the kernel has used them all up */
        uint32_t taken = rp_bufpool_take(buffers);
        if (taken != RP_NONE) {
            hoard[count++] = taken;
            continue;
        }
        CU_ASSERT_FATAL(fake_feed(fd, "NOOP\r\n"));
        fake_worker_round(&fake); /* gives its buffer back, which is lent again */
        taken = rp_bufpool_take(buffers);
        if (taken != RP_NONE) {
            hoard[count++] = taken;
        } else {
            break;
        }
    }
    /* The rest is lent; take it by hand, as a burst of other clients would. */
    uint32_t lent = fake_lent_count();
    for (uint32_t i = 0; i < lent; i++) {
        CU_ASSERT(fake_feed(other, "x"));
    }
    CU_ASSERT(!fake_feed(fd, "NOOP\r\n"));
    CU_ASSERT_EQUAL(fake_lent_count(), 0);
    fake_worker_settle(&fake);
    CU_ASSERT(stat_of(&fake.worker->stats.recv_starved) >= 1);
    CU_ASSERT_PTR_NOT_NULL(fake_find_fd(FAKE_RECV, fd)); /* armed again in that very round */
    (void)fake_sent_take(fd);
    CU_ASSERT_STRING_EQUAL(fake_worker_talk(&fake, fd, "NOOP\r\n"), "250 2.0.0 OK\r\n");
    while (count > 0) {
        rp_bufpool_release(buffers, hoard[--count]);
    }
    fake_worker_settle(&fake);
    end();
}

/* So many that they use up what is lent before any of them reaches the threshold. */
#define CROWD (RP_BUFFERS_LENT * RP_BUFFER_SIZE / RP_BIG_THRESHOLD_MIN + 8)

static void crowd(struct rp_config *config)
{
    config->limit_connections = CROWD;
}

/* Half-read bodies hold all there is, and wait for each other: they go to files. */
static void test_relief(void)
{
    static uint8_t text[RP_BUFFER_SIZE];
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = (uint8_t)(i % 64 == 62 ? '\r' : i % 64 == 63 ? '\n' : 'a' + i % 26);
    }
    begin(crowd);
    int fds[CROWD];
    size_t fed = 0;
    for (size_t i = 0; i < CROWD; i++) {
        fds[i] = fake_worker_connect(&fake);
        CU_ASSERT(strstr(fake_worker_talk(&fake, fds[i], HELLO ENVELOPE), "354 ") != NULL);
    }
    uint32_t hoard[512];
    size_t count = 0;
    struct rp_bufpool *buffers = &fake.worker->store.buffers;
    uint32_t taken;
    while ((taken = rp_bufpool_take(buffers)) != RP_NONE) {
        hoard[count++] = taken;
    }
    /* Now those that are lent are all that are left, and no body reaches the threshold. */
    CU_ASSERT(CROWD * RP_BIG_THRESHOLD_MIN > fake_lent_count() * RP_BUFFER_SIZE);
    fake.held = 1u << FAKE_OPEN;
    for (size_t i = 0; fake_lent_count() > 0; i = (i + 1) % CROWD) {
        CU_ASSERT_FATAL(fake_feed_octets(fds[i], text, sizeof(text)));
        fake_worker_settle(&fake);
    }
    CU_ASSERT_EQUAL(stat_of(&fake.worker->stats.big_messages), 0);
    CU_ASSERT(!fake_feed_octets(fds[0], text, sizeof(text)));
    fake_worker_settle(&fake);
    CU_ASSERT_EQUAL(stat_of(&fake.worker->stats.recv_starved), 1);
    CU_ASSERT_PTR_NULL(fake_find_fd(FAKE_RECV, fds[0])); /* not before there is a buffer */
    CU_ASSERT(stat_of(&fake.worker->stats.big_messages) > 0);
    fake.held = 0;
    fake_worker_settle(&fake);
    for (int round = 0; round < 60; round++) {
        for (size_t i = 0; i < CROWD; i++) {
            fed += fake_feed_octets(fds[i], text, sizeof(text));
            fake_worker_settle(&fake);
        }
    }
    CU_ASSERT(fed > 59 * CROWD); /* they all go on */
    for (size_t i = 0; i < CROWD; i++) {
        CU_ASSERT(strstr(fake_worker_talk(&fake, fds[i], ".\r\n"), "queued") != NULL);
    }
    while (count > 0) {
        rp_bufpool_release(buffers, hoard[--count]);
    }
    fake_worker_settle(&fake);
    end();
}

/* ---- every order ---- */

/* What the client and the kernel may do next. */
struct menu {
    bool sends;    /* the client sends the next piece of its script */
    bool ends;     /* it closes its side, or breaks */
    bool starves;  /* a receive finds no buffer */
    bool is_short; /* a send takes one octet only */
    bool fails;    /* a send fails, a shutdown fails, a commit fails */
    bool times;    /* time passes */
};

#define CHOICES_MAX 200

/* A run is a list of choices; what is behind its end is the first that there is. */
struct run {
    size_t chosen[CHOICES_MAX];
    size_t width[CHOICES_MAX]; /* how many there were at each place */
    size_t len;
    size_t fixed; /* choices that are given */
    uint64_t *random;
};

static size_t choose(struct run *run, size_t width)
{
    CU_ASSERT_FATAL(run->len < CHOICES_MAX && width > 0);
    if (run->len >= run->fixed) {
        run->chosen[run->len] = run->random != NULL ? suite_random_below(run->random, width) : 0;
    }
    /* The spool is another one in each life (a segment that is full): sometimes there are fewer. */
    if (run->chosen[run->len] >= width) {
        run->chosen[run->len] = width - 1;
    }
    run->width[run->len] = width;
    return run->chosen[run->len++];
}

/* The next run in order; false: that was the last one. */
static bool next_run(struct run *run, size_t depth)
{
    size_t at = run->len < depth ? run->len : depth;
    while (at > 0 && run->chosen[at - 1] + 1 >= run->width[at - 1]) {
        at--;
    }
    if (at == 0) {
        return false;
    }
    run->chosen[at - 1]++;
    run->fixed = at;
    run->len = 0;
    return true;
}

struct life {
    int fd;
    const char *const *script; /* pieces, NULL at the end */
    uint32_t timeouts_left;
};

enum move {
    FEED,
    END,
    BREAK,
    STARVE,
    WHOLE,
    ONE_OCTET,
    FAIL,
    WAIT
};
struct option {
    enum move move;
    struct fake_request *request;
};

static size_t add_option(struct option *options, size_t count, enum move move, void *request)
{
    options[count] = (struct option){.move = move, .request = request};
    return count + 1;
}

static size_t list_options(const struct menu *menu, const struct life *life, struct option *options)
{
    static const enum fake_op ops[] = {FAKE_SEND, FAKE_SHUTDOWN, FAKE_CLOSE};
    size_t count = 0;
    struct fake_request *recv = fake_find_fd(FAKE_RECV, life->fd);
    if (recv != NULL && recv->is_cancelled) {
        count = add_option(options, count, FAIL, recv);
    }
    if (recv != NULL && menu->sends && *life->script != NULL) {
        count = add_option(options, count, FEED, recv);
    }
    if (recv != NULL && (menu->ends || *life->script == NULL)) {
        count = add_option(options, count, END, recv);
        count = add_option(options, count, BREAK, recv);
    }
    if (recv != NULL && menu->starves && *life->script != NULL) {
        count = add_option(options, count, STARVE, recv);
    }
    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        struct fake_request *request = fake_find_fd(ops[i], life->fd);
        if (request == NULL) {
            continue;
        }
        count = add_option(options, count, WHOLE, request);
        if (ops[i] == FAKE_SEND && menu->is_short) {
            count = add_option(options, count, ONE_OCTET, request);
        }
        if (ops[i] != FAKE_CLOSE && menu->fails) {
            count = add_option(options, count, FAIL, request);
        }
    }
    struct fake_request *commit = fake_find_tag(rp_op_tag(RP_OP_COMMIT, 0));
    if (commit != NULL) {
        count = add_option(options, count, WHOLE, commit);
        if (menu->fails) {
            count = add_option(options, count, FAIL, commit);
        }
    }
    if (menu->times && life->timeouts_left > 0) {
        count = add_option(options, count, WAIT, NULL);
    }
    return count;
}

static void make_move(struct life *life, const struct option *option)
{
    switch (option->move) {
    case FEED:
        CU_ASSERT(fake_feed(life->fd, *life->script));
        life->script++;
        break;
    case END: fake_finish(option->request, 0); break;
    case BREAK: fake_finish(option->request, -ECONNRESET); break;
    case STARVE: fake_finish(option->request, -ENOBUFS); break;
    case WHOLE: (void)fake_perform(option->request); break;
    case ONE_OCTET: (void)fake_perform_part(option->request, 1); break;
    case FAIL:
        fake_finish(option->request, option->request->op == FAKE_RECV       ? -ECANCELED
                                     : option->request->op == FAKE_SHUTDOWN ? -ENOTCONN
                                     : option->request->op == FAKE_SEND     ? -EPIPE
                                                                            : -EIO);
        break;
    case WAIT:
        life->timeouts_left--;
        fake_state()->now_ns += fake.config.timeout_command_ns + 2 * TICK;
        fake_nudge();
        break;
    }
}

/* Play one life to its end; false: it has none, nothing will ever happen to it again. */
static bool play(const struct menu *menu, const char *const *script, struct run *run)
{
    struct option options[16];
    fake.held = 0;
    fake_worker_settle(&fake); /* segments are prepared */
    struct life life = {.fd = fake_connect(), .script = script, .timeouts_left = 2};
    fake_worker_round(&fake);
    fake.held = 1u << FAKE_SEND | 1u << FAKE_SHUTDOWN | 1u << FAKE_CLOSE | 1u << FAKE_WRITE;
    while (!fake_is_closed(life.fd)) {
        size_t count = list_options(menu, &life, options);
        if (count == 0) {
            /* A segment that is prepared may be what is waited for; then the timers. */
            size_t writes = fake_count(FAKE_WRITE) + fake_count(FAKE_CLOSE);
            fake.held = 0;
            fake_worker_settle(&fake);
            if (writes == 0 && !fake_is_closed(life.fd)) {
                return false;
            }
            fake.held = 1u << FAKE_SEND | 1u << FAKE_SHUTDOWN | 1u << FAKE_CLOSE | 1u << FAKE_WRITE;
            continue;
        }
        make_move(&life, &options[choose(run, count)]);
        fake_worker_settle(&fake);
    }
    fake.held = 0;
    fake_worker_settle(&fake);
    return true;
}

static void print_run(const struct run *run)
{
    (void)printf("choices:");
    for (size_t i = 0; i < run->len; i++) {
        (void)printf(" %zu/%zu", run->chosen[i], run->width[i]);
    }
    (void)printf("\n");
}

static bool check_life(const struct menu *menu, const char *const *script, struct run *run)
{
    bool is_good = play(menu, script, run) && fake_worker_is_clean(&fake) &&
                   fake.worker->conns.open_count == 0 && fake_open_sockets() == 0 &&
                   fake.worker->conns.first_starved == RP_NONE;
    CU_ASSERT(is_good);
    if (!is_good) {
        print_run(run);
    }
    return is_good;
}

/* A new worker from time to time: the fake has so many sockets, and a spool of failed commits
 * grows by a segment each. */
static size_t renew(size_t lives, size_t lives_max)
{
    if (lives % lives_max == lives_max - 1) {
        end();
        begin(NULL);
    }
    return lives + 1;
}

static void play_all(const struct menu *menu,
                     const char *const *script,
                     size_t depth,
                     size_t lives_max)
{
    static struct run run;
    size_t lives = 0;
    run = (struct run){0};
    begin(NULL);
    do {
        if (!check_life(menu, script, &run)) {
            break;
        }
        lives = renew(lives, 100);
    } while (lives < lives_max && next_run(&run, depth));
    CU_ASSERT(lives > 10);
    end();
}

static const char *const quit_script[] = {"QUIT\r\n", NULL};
static const char *const message_script[] = {HELLO MESSAGE, "QUIT\r\n", NULL};
static const char *const cut_script[] = {HELLO "MAIL FROM:<a@b>\r\nRC", "PT TO:<c@d>\r\nDATA\r\nx",
                                         "y\r\n.\r\n" MESSAGE, "NOOP\r\n", NULL};

static void test_orders(void)
{
    static const struct menu menus[] = {
        {.sends = true,     .ends = true },
        {             .sends = true,     .ends = true, .fails = true},
        {             .sends = true, .is_short = true, .fails = true},
        {             .sends = true,  .starves = true             },
        { .sends = true,    .ends = true,                 .times = true},
    };
    for (size_t i = 0; i < sizeof(menus) / sizeof(menus[0]); i++) {
        play_all(&menus[i], quit_script, 7, 20000);
    }
    play_all(&menus[1], message_script, 6, 1500);
}

static void test_random_orders(void)
{
    static const struct menu menu = {.sends = true,
                                     .ends = true,
                                     .starves = true,
                                     .is_short = true,
                                     .fails = true,
                                     .times = true};
    static const struct menu friendly = {
        .sends = true, .starves = true, .is_short = false, .times = false};
    static const char *const *const scripts[] = {quit_script, message_script, cut_script};
    static struct run run;
    uint64_t random = suite_seed;
    begin(NULL);
    for (size_t lives = 0; lives < 1500;) {
        run = (struct run){.random = &random};
        const struct menu *which = lives % 3 == 0 ? &friendly : &menu;
        if (!check_life(which, scripts[suite_random_below(&random, 3)], &run)) {
            break;
        }
        lives = renew(lives, 50);
    }
    end();
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"quit",          test_quit         },
        {"linger",        test_linger       },
        {"half close",    test_half_close   },
        {"cut",           test_cut          },
        {"timeout",       test_timeout      },
        {"progress",      test_progress     },
        {"our turn",      test_our_turn     },
        {"session limit", test_session_limit},
        {"too many",      test_too_many     },
        {"far too many",  test_far_too_many },
        {"starved",       test_starved      },
        {"relief",        test_relief       },
        {"orders",        test_orders       },
        {"random orders", test_random_orders},
    };
    return SUITE_RUN("engine/conn", tests, argc, argv);
}
