/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_session.c - what a session's events become: envelope, body, record, refusals.
 *
 * Goal: the record holds exactly what the client said and sent, however it was cut; the engine's
 * own trouble is a 4xx at the right command; a transaction that ends leaves nothing. Method: a
 * worker on fake_io; the record is read from the iovecs of the commit, item by item; one dialog
 * is cut at every octet, and decoded a buffer an octet.
 */
#include "fake_worker.h"
#include "tests/tools/suite.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HELLO    "EHLO client.test\r\n"
#define ENVELOPE "MAIL FROM:<a@test>\r\nRCPT TO:<b@test>\r\nDATA\r\n"
#define MESSAGE  ENVELOPE "text\r\n.\r\n"

static struct fake_worker fake;

static int begin(void (*tweak)(struct rp_config *))
{
    fake_worker_open(&fake, tweak);
    fake_worker_settle(&fake);
    return fake_worker_connect(&fake);
}

static void end(void)
{
    fake.held = 0;
    fake_worker_settle(&fake);
    CU_ASSERT(fake_worker_is_clean(&fake));
    fake_worker_end(&fake);
    CU_ASSERT_EQUAL(fake_open_sockets(), 0);
    fake_worker_remove(&fake);
}

static bool starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* ---- the record ---- */

static uint8_t batch[1u << 20];

struct record {
    struct rp_spool_record header;
    const uint8_t *envelope;
    const uint8_t *body;
};

/* The first record of the commit under way, which goes on. */
static struct record take_record(void)
{
    struct fake_request *request = fake_find_tag(rp_op_tag(RP_OP_COMMIT, 0));
    CU_ASSERT_PTR_NOT_NULL_FATAL(request);
    CU_ASSERT_FATAL(request->len <= sizeof(batch));
    size_t len = 0;
    for (size_t i = 0; i < request->iov_count; i++) {
        memcpy(batch + len, request->iov[i].iov_base, request->iov[i].iov_len);
        len += request->iov[i].iov_len;
    }
    size_t off = request->off == 0 ? RP_SPOOL_BLOCK : 0;
    off += sizeof(struct rp_spool_batch_mark); /* BEGIN */
    struct record record;
    memcpy(&record.header, batch + off, sizeof(record.header));
    record.envelope = batch + off + sizeof(record.header);
    record.body = record.envelope + record.header.envelope_len;
    (void)fake_perform(request);
    return record;
}

/* The envelope as one line of text: "tag=value;" for each item, numbers in hexadecimal. */
static const char *items_of(const struct record *record)
{
    static char text[1u << 20];
    size_t len = 0;
    const uint8_t *at = record->envelope;
    const uint8_t *last = at + record->header.envelope_len;
    while (at < last) {
        uint16_t tag;
        uint32_t value_len;
        memcpy(&tag, at, sizeof(tag));
        memcpy(&value_len, at + 4, sizeof(value_len));
        at += RP_SPOOL_ITEM_HEADER;
        CU_ASSERT_FATAL(at + value_len <= last);
        bool is_number = tag == RP_SPOOL_TAG_CLIENT_PORT || tag == RP_SPOOL_TAG_BODY_TYPE ||
                         tag == RP_SPOOL_TAG_ARRIVAL_NS;
        uint64_t number = 0;
        memcpy(&number, at, is_number && value_len <= 8 ? value_len : 0);
        int added = is_number ? snprintf(text + len, sizeof(text) - len, "%u=%llx;", tag,
                                         (unsigned long long)number)
                              : snprintf(text + len, sizeof(text) - len, "%u=%.*s;", tag,
                                         (int)value_len, (const char *)at);
        len += (size_t)added;
        CU_ASSERT_FATAL(len < sizeof(text));
        at += value_len;
    }
    return text;
}

static void test_envelope(void)
{
    int fd = begin(NULL);
    fake.held = 1u << FAKE_WRITE;
    fake_state()->wall_ns = 0x1234;
    (void)fake_worker_talk(&fake, fd, "EHLO client.test\r\n");
    (void)fake_worker_talk(&fake, fd,
                           "MAIL FROM:<a@test> SIZE=100 BODY=8BITMIME\r\n"
                           "RCPT TO:<b@test>\r\n"
                           "RCPT TO:<c@test>\r\nDATA\r\n");
    fake_state()->wall_ns = 0x5678;
    (void)fake_worker_talk(&fake, fd, "..one\r\n.two\r\nthree\r\n.\r\n");
    struct record record = take_record();
    const char *items = items_of(&record);
    CU_ASSERT_STRING_EQUAL(items,
                           "1=192.0.2.7;2=4e20;3=192.0.2.1:25;4=client.test;5=ESMTP;12=1234;10=1;"
                           "6=a@test;7=SIZE=100 BODY=8BITMIME;8=b@test;8=c@test;");
    CU_ASSERT_EQUAL(record.header.time_ns, 0x5678);
    CU_ASSERT_EQUAL(record.header.body_len, 18);
    CU_ASSERT_EQUAL(memcmp(record.body, ".one\r\ntwo\r\nthree\r\n", 18), 0);
    end();
}

/* The client of a message as the record has it: items 1 and 2, if there is one. */
static void check_client(const struct sockaddr_storage *peer, int err, const char *items)
{
    fake_worker_open(&fake, NULL);
    fake_worker_settle(&fake);
    fake_state()->peer = *peer;
    fake_state()->peer_error = err;
    int fd = fake_worker_connect(&fake);
    fake.held = 1u << FAKE_WRITE;
    (void)fake_worker_talk(&fake, fd, HELLO MESSAGE);
    struct record record = take_record();
    CU_ASSERT_TRUE(starts(items_of(&record), items));
    end();
}

static void test_clients(void)
{
    static const struct {
        const char *address;
        const char *items;
    } rows[] = {
        {"2001:db8::7",      "1=2001:db8::7;2=9;3="},
        {"::ffff:192.0.2.9", "1=192.0.2.9;2=9;3="  }, /* of a listener for both families */
        {"::192.0.2.9",      "1=::192.0.2.9;2=9;3="},
        {"::",               "1=::;2=9;3="         },
    };
    struct sockaddr_storage peer = {0};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sockaddr_in6 in = {.sin6_family = AF_INET6, .sin6_port = htons(9)};
        CU_ASSERT_EQUAL_FATAL(inet_pton(AF_INET6, rows[i].address, &in.sin6_addr), 1);
        memcpy(&peer, &in, sizeof(in));
        check_client(&peer, 0, rows[i].items);
    }
    peer.ss_family = AF_UNIX;
    check_client(&peer, 0, "1=unix;2=0;3=");
    check_client(&peer, -ENOTCONN, "1=unknown;2=0;3=");
}

/* HELO, the null sender, SMTPUTF8, an empty body, and no name at all. */
static void test_variants(void)
{
    /* clang-format off */
    static const struct {
        const char *dialog;
        const char *items; /* behind the listener */
        uint64_t body_len;
    } rows[] = {
        {"HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<b@c>\r\nDATA\r\n.\r\n",
         "4=x;5=SMTP;12=1234;10=0;6=;8=b@c;", 0},
        {"EHLO [192.0.2.7]\r\nMAIL FROM:<a@b> SMTPUTF8\r\n"
         "RCPT TO:<\xc3\xa4@c>\r\nDATA\r\n\r\n.\r\n",
         "4=[192.0.2.7];5=ESMTP;12=1234;10=0;11=;6=a@b;7=SMTPUTF8;8=\xc3\xa4@c;", 2},
        {"EHLO a\r\nMAIL FROM:<a@b>\r\nRSET\r\nHELO z\r\nMAIL FROM:<c@d>\r\nEHLO y\r\n"
         "MAIL FROM:<e@f>\r\nMAIL FROM:<g@h>\r\nRCPT TO:<i@j>\r\nDATA\r\n.\r\n",
         "4=y;5=ESMTP;12=1234;10=0;6=e@f;8=i@j;", 0},
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int fd = begin(NULL);
        fake.held = 1u << FAKE_WRITE;
        fake_state()->wall_ns = 0x1234;
        (void)fake_worker_talk(&fake, fd, rows[i].dialog);
        struct record record = take_record();
        const char *items = items_of(&record);
        CU_ASSERT_STRING_EQUAL(strstr(items, "4="), rows[i].items);
        CU_ASSERT_EQUAL(record.header.body_len, rows[i].body_len);
        end();
    }
}

/* ---- cuts ---- */

static const char dialog[] =
    HELLO "MAIL FROM:<a@test> SIZE=60\r\nRCPT TO:<b@test>\r\nRCPT TO:<c@test>\r\nDATA\r\n"
          "Subject: x\r\n\r\n..\r\n.dot\r\n.\r\n" MESSAGE "NOOP\r\n";

/* Records and replies of the dialog when it comes in these parts. */
static void play(const size_t *ends, size_t count, char *result, size_t cap)
{
    int fd = fake_worker_connect(&fake);
    (void)fake_sent_take(fd);
    fake.held = 1u << FAKE_WRITE;
    size_t from = 0;
    for (size_t i = 0; i < count; i++) {
        CU_ASSERT_FATAL(fake_feed_octets(fd, dialog + from, ends[i] - from));
        if (i % 2 == 0) {
            fake_worker_round(&fake);
        }
        from = ends[i];
    }
    size_t len = 0;
    fake_worker_settle(&fake);
    while (fake_find_tag(rp_op_tag(RP_OP_COMMIT, 0)) != NULL) {
        struct record record = take_record();
        len +=
            (size_t)snprintf(result + len, cap - len, "%s|%.*s|", strstr(items_of(&record), "3="),
                             (int)record.header.body_len, (const char *)record.body);
        fake_worker_settle(&fake);
    }
    /* Ids differ, and which records share a batch: so the first is looked at, and all replies. */
    result[strcspn(result, "|") + 1 + strcspn(strchr(result, '|') + 1, "|")] = '\0';
    len = strlen(result);
    for (const char *at = fake_sent(fd); *at != '\0'; at = strchr(at, '\n') + 1) {
        len += (size_t)snprintf(result + len, cap - len, "%.10s", at);
    }
    fake.held = 0;
    fake_break(fd);
    fake_worker_settle(&fake);
    CU_ASSERT(fake_is_closed(fd));
}

static void test_cuts(void)
{
    static char whole[4000];
    static char cut[4000];
    size_t ends[sizeof(dialog)];
    size_t all = sizeof(dialog) - 1;
    fake_worker_open(&fake, NULL);
    fake_worker_settle(&fake);
    ends[0] = all;
    play(ends, 1, whole, sizeof(whole));
    CU_ASSERT(strstr(whole, "Subject: x\r\n\r\n.\r\ndot\r\n") != NULL);
    for (size_t at = 1; at < all; at++) {
        ends[0] = at;
        ends[1] = all;
        play(ends, 2, cut, sizeof(cut));
        CU_ASSERT_STRING_EQUAL_FATAL(cut, whole);
        if (at % 100 == 99) {
            end();
            fake_worker_open(&fake, NULL);
            fake_worker_settle(&fake);
        }
    }
    end();
    for (size_t part = 1; part < 8; part += 3) {
        fake_worker_open(&fake, NULL);
        fake_worker_settle(&fake);
        size_t count = 0;
        for (size_t at = part; at < all; at += part) {
            ends[count++] = at;
            if (count % 100 == 0) {
                break; /* as many buffers as are lent */
            }
        }
        ends[count++] = all;
        play(ends, count, cut, sizeof(cut));
        CU_ASSERT_STRING_EQUAL(cut, whole);
        end();
    }
}

/* ---- the engine's own trouble ---- */

static void min_free(struct rp_config *config)
{
    config->spool_min_free = (struct rp_config_share){.octets = 1000};
}

static void test_disk_full(void)
{
    int fd = begin(min_free);
    (void)fake_worker_talk(&fake, fd, HELLO);
    fake_state()->disk_free = 999;
    CU_ASSERT(starts(fake_worker_talk(&fake, fd, "MAIL FROM:<a@b>\r\n"), "452 4.3.1"));
    fake_state()->disk_free = 1000;
    CU_ASSERT(starts(fake_worker_talk(&fake, fd, "MAIL FROM:<a@b>\r\n"), "452 4.3.1")); /* cached */
    fake_worker_advance(&fake, RP_DISK_FREE_AGE_NS);
    CU_ASSERT(strstr(fake_worker_talk(&fake, fd, MESSAGE), "queued") != NULL);
    fake_state()->disk_error = 5; /* nobody knows: as before, the write will tell */
    fake_worker_advance(&fake, RP_DISK_FREE_AGE_NS);
    CU_ASSERT(strstr(fake_worker_talk(&fake, fd, MESSAGE), "queued") != NULL);
    end();
}

static void percent_free(struct rp_config *config)
{
    config->spool_min_free = (struct rp_config_share){.percent = 5};
}

static void test_percent_free(void)
{
    int fd = begin(percent_free);
    fake_state()->disk_total = 1000000;
    fake_state()->disk_free = 49999;
    CU_ASSERT(strstr(fake_worker_talk(&fake, fd, HELLO "MAIL FROM:<a@b>\r\n"), "452 4.3.1") !=
              NULL);
    fake_state()->disk_free = 50000;
    fake_worker_advance(&fake, RP_DISK_FREE_AGE_NS);
    CU_ASSERT(starts(fake_worker_talk(&fake, fd, "MAIL FROM:<a@b>\r\n"), "250"));
    CU_ASSERT(starts(fake_worker_talk(&fake, fd, "RSET\r\n"), "250"));
    end();
}

/* Every message of the pool is taken: 452 at MAIL, and 250 when there is one again. */
static void test_no_message(void)
{
    static uint32_t taken[100000];
    size_t count = 0;
    int fd = begin(NULL);
    struct rp_message_store *store = &fake.worker->store;
    (void)fake_worker_talk(&fake, fd, HELLO);
    while ((taken[count] = rp_message_take(store, 0, 0)) != RP_NONE) {
        count++;
    }
    CU_ASSERT(starts(fake_worker_talk(&fake, fd, "MAIL FROM:<a@b>\r\n"), "452 4.3.1"));
    rp_message_drop(store, taken[--count]);
    CU_ASSERT(strstr(fake_worker_talk(&fake, fd, MESSAGE), "queued") != NULL);
    while (count > 0) {
        rp_message_drop(store, taken[--count]);
    }
    end();
}

/* Messages that wait for their commit leave each other connection one: who has some waits. */
static void test_next_message(void)
{
    static uint32_t taken[100000];
    size_t count = 0;
    int fd = begin(NULL);
    struct rp_message_store *store = &fake.worker->store;
    uint32_t reserve = fake.worker->conns.pool.count;
    while (rp_pool_free_count(&store->messages) > reserve + 1) {
        taken[count++] = rp_message_take(store, 0, 0);
    }
    fake.held = 1u << FAKE_WRITE;
    CU_ASSERT(strstr(fake_worker_talk(&fake, fd, HELLO MESSAGE "NOOP\r\n"), "354 ") != NULL);
    CU_ASSERT_EQUAL(rp_pool_free_count(&store->messages), reserve);
    CU_ASSERT_STRING_EQUAL(fake_worker_talk(&fake, fd, MESSAGE MESSAGE), "");
    CU_ASSERT_EQUAL(rp_pool_free_count(&store->messages), reserve);
    int other = fake_worker_connect(&fake);
    CU_ASSERT(strstr(fake_worker_talk(&fake, other, HELLO MESSAGE), "354 ") != NULL);
    fake.held = 0;
    fake_worker_settle(&fake);
    CU_ASSERT(strstr(fake_sent(other), "queued") != NULL);
    const char *sent = fake_sent(fd);
    for (int i = 0; i < 3; i++) {
        sent = strstr(sent, "queued");
        CU_ASSERT_PTR_NOT_NULL_FATAL(sent);
        sent++;
    }
    while (count > 0) {
        rp_message_drop(store, taken[--count]);
    }
    end();
}

/* An envelope has so many blocks: 452 4.5.3, and those before are kept. */
static void test_long_envelope(void)
{
    static char line[600];
    int fd = begin(NULL);
    (void)fake_worker_talk(&fake, fd, HELLO "MAIL FROM:<a@b>\r\n");
    (void)snprintf(line, sizeof(line), "RCPT TO:<%0450d@test>\r\n", 7);
    size_t accepted = 0;
    const char *sent = fake_worker_talk(&fake, fd, line);
    while (starts(sent, "250")) {
        CU_ASSERT_FATAL(accepted++ < 5000);
        sent = fake_worker_talk(&fake, fd, line);
    }
    CU_ASSERT(starts(sent, "452 4.5.3"));
    CU_ASSERT(accepted >= 900); /* limits.recipients may be what stops it */
    fake.held = 1u << FAKE_WRITE;
    (void)fake_worker_talk(&fake, fd, "DATA\r\nx\r\n.\r\n");
    struct record record = take_record();
    size_t items = 0;
    for (const char *at = items_of(&record); (at = strstr(at, ";8=0000")) != NULL; at++) {
        items++;
    }
    CU_ASSERT(items > 0 && record.header.envelope_len > accepted * 450);
    fake.held = 0;
    fake_worker_settle(&fake);
    CU_ASSERT(strstr(fake_sent(fd), "queued") != NULL);
    end();
}

/* No block for a reply's place at the end of data, no slice for the body: 452, nothing kept. */
static void test_no_memory(void)
{
    static uint32_t taken[200000];
    int fd = begin(NULL);
    struct rp_message_store *store = &fake.worker->store;
    (void)fake_worker_talk(&fake, fd, HELLO ENVELOPE);
    size_t count = 0;
    while ((taken[count] = rp_pool_take(&store->slices)) != RP_NONE) {
        count++;
    }
    CU_ASSERT_STRING_EQUAL(fake_worker_talk(&fake, fd, "text\r\nmore\r\n"), "");
    CU_ASSERT(starts(fake_worker_talk(&fake, fd, "rest\r\n.\r\n"), "452 4.3.1"));
    while (count > 0) {
        rp_pool_give(&store->slices, taken[--count]);
    }
    CU_ASSERT(strstr(fake_worker_talk(&fake, fd, MESSAGE), "queued") != NULL);
    end();
}

/* No block for many recipients: 452 for those, until there are some again; for few there is. */
static void test_no_block(void)
{
    static char line[600];
    (void)snprintf(line, sizeof(line), "RCPT TO:<%0450d@test>\r\n", 7);
    int fd = begin(NULL);
    struct rp_message_store *store = &fake.worker->store;
    struct rp_owner other_client = {.client = 1, .network = 1};
    rp_owners_take(&store->owners, other_client, store->owners.max);
    (void)fake_worker_talk(&fake, fd, HELLO "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n");
    for (int i = 0; i < 8; i++) {
        CU_ASSERT(starts(fake_worker_talk(&fake, fd, line), "250 2.1.5"));
    }
    CU_ASSERT(starts(fake_worker_talk(&fake, fd, line), "452 4.5.3"));
    int other = fake_worker_connect(&fake);
    CU_ASSERT(strstr(fake_worker_talk(&fake, other, HELLO MESSAGE), "queued") != NULL);
    rp_owners_give(&store->owners, other_client, 1);
    CU_ASSERT(starts(fake_worker_talk(&fake, fd, line), "250 2.1.5"));
    CU_ASSERT(strstr(fake_worker_talk(&fake, fd, "DATA\r\n.\r\n"), "queued") != NULL);
    rp_owners_give(&store->owners, other_client, store->owners.max - 1);
    end();
}

/* ---- the end of a transaction ---- */

static void small_messages(struct rp_config *config)
{
    config->smtp.message_size_max = 300000;
}

/* RSET, EHLO, QUIT, a body that is too large or has a bare LF: all of it goes. */
static void test_reset(void)
{
    static char body[500003];
    for (size_t i = 0; i < 500000; i++) {
        body[i] = (char)(i % 50 == 48 ? '\r' : i % 50 == 49 ? '\n' : 'x');
    }
    int fd = begin(small_messages);
    static const char *const endings[] = {
        "RSET\r\n",
        "EHLO again\r\n",
        "RCPT TO:<b@c>\r\nDATA\r\none\ntwo\r\n.\r\n",
        "RCPT TO:<b@c>\r\nRSET\r\n",
    };
    (void)fake_worker_talk(&fake, fd, HELLO);
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        CU_ASSERT(starts(fake_worker_talk(&fake, fd, "MAIL FROM:<a@b>\r\n"), "250"));
        CU_ASSERT(rp_pool_free_count(&fake.worker->store.messages) <
                  fake.worker->store.messages.count); /* it holds something meanwhile */
        (void)fake_worker_talk(&fake, fd, endings[i]);
        CU_ASSERT(fake_worker_is_clean(&fake));
    }
    (void)fake_worker_talk(&fake, fd, ENVELOPE);
    for (size_t off = 0; off < 500000; off += 20000) {
        CU_ASSERT_FATAL(fake_feed_octets(fd, body + off, 20000));
        fake_worker_settle(&fake);
    }
    CU_ASSERT(fake_worker_is_clean(&fake)); /* its file, too, which it had by then */
    CU_ASSERT(starts(fake_worker_talk(&fake, fd, ".\r\n"), "552 5.3.4"));
    CU_ASSERT(strstr(fake_worker_talk(&fake, fd, MESSAGE), "queued") != NULL);
    end();
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"envelope",      test_envelope     },
        {"clients",       test_clients      },
        {"variants",      test_variants     },
        {"cuts",          test_cuts         },
        {"disk full",     test_disk_full    },
        {"percent free",  test_percent_free },
        {"no message",    test_no_message   },
        {"next message",  test_next_message },
        {"long envelope", test_long_envelope},
        {"no memory",     test_no_memory    },
        {"no block",      test_no_block     },
        {"reset",         test_reset        },
    };
    return SUITE_RUN("engine/session", tests, argc, argv);
}
