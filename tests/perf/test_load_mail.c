/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_load_mail.c - the messages that ringpost-load sends.
 *
 * Goal: a message has the octets it says, and what a server stores of it, sent either way, is
 * found fine by its stamp. Method: every size from the smallest on, sizes at the borders of the
 * text's lines, blocks and periods, random ranges; a corpus with and without heads; the server is
 * unstuff.h.
 */
#include "perf/load_mail.h"
#include "perf/load_stamp.h"
#include "tests/engine/temp_dir.h"
#include "tests/tools/suite.h"
#include "unstuff.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define RUN      UINT64_C(0x00000000abcdef12)
#define PATH_LEN 512u

static char error[512];
static uint8_t *plain;  /* what BDAT stores */
static uint8_t *stored; /* what DATA stores */
#define BUFFER_LEN (16u << 20)

static struct rp_load_mail *open_sizes(uint64_t size_min, uint64_t size_max)
{
    struct rp_load_mail *mail = NULL;
    struct rp_load_mail_options options = {.run = RUN, .size_min = size_min, .size_max = size_max};
    CU_ASSERT_EQUAL_FATAL(rp_load_mail_open(&options, &mail, error, sizeof(error)), 0);
    return mail;
}

/* Send it both ways: the same is stored. In `plain`, body_len octets. */
static void store(const struct rp_load_mail_message *message)
{
    size_t head_len = message->head_len;
    size_t len = head_len + message->rest_stuffed.len;
    CU_ASSERT_TRUE_FATAL(len <= BUFFER_LEN && head_len <= RP_LOAD_MAIL_HEAD_MAX);
    CU_ASSERT_EQUAL_FATAL(head_len + message->rest.len, message->body_len);
    CU_ASSERT_TRUE(head_len == 0 || message->head[0] != '.');
    memcpy(plain, message->head, head_len);
    memcpy(plain + head_len, message->rest_stuffed.ptr, message->rest_stuffed.len);
    size_t stored_len = 0;
    CU_ASSERT_TRUE_FATAL(unstuff(plain, len, stored, &stored_len));
    CU_ASSERT_EQUAL_FATAL(stored_len, message->body_len);
    memcpy(plain + head_len, message->rest.ptr, message->rest.len);
    CU_ASSERT_EQUAL_FATAL(memcmp(plain, stored, stored_len), 0);
}

static void check_stamped(const struct rp_load_mail_message *message, uint64_t number)
{
    uint64_t found = 0;
    store(message);
    CU_ASSERT_EQUAL_FATAL(rp_load_stamp_check(plain, message->body_len, RUN, &found),
                          RP_LOAD_STAMP_FINE);
    CU_ASSERT_EQUAL(found, number);
}

static void check_size(uint64_t size, uint64_t wanted)
{
    struct rp_load_mail_message message;
    struct rp_load_mail_info info;
    uint64_t random = 1;
    struct rp_load_mail *mail = open_sizes(size, size);
    for (uint64_t number = 0; number < 2; number++) {
        rp_load_mail_next(mail, &random, number, &message);
        CU_ASSERT_EQUAL_FATAL(message.body_len, wanted);
        check_stamped(&message, number);
    }
    rp_load_mail_info(mail, &info);
    CU_ASSERT_EQUAL(info.messages, 0);
    CU_ASSERT_EQUAL(info.size_min, wanted);
    CU_ASSERT_EQUAL(info.size_max, wanted);
    rp_load_mail_close(mail);
}

static void test_fixed(void)
{
    static const uint64_t sizes[] = {10240, 102400, 1u << 20, (1u << 20) + 1, 6000000, 12000000};
    for (uint64_t size = 0; size < RP_LOAD_MAIL_SIZE_MIN; size += 101) {
        check_size(size, RP_LOAD_MAIL_SIZE_MIN);
    }
    for (uint64_t size = RP_LOAD_MAIL_SIZE_MIN; size < 3000; size++) {
        check_size(size, size);
    }
    for (size_t index = 0; index < sizeof(sizes) / sizeof(sizes[0]); index++) {
        check_size(sizes[index], sizes[index]);
    }
    rp_load_mail_close(NULL);
}

/* A header that a mail reader can take apart, lines of at most 78 octets, a text behind. */
static void test_text(void)
{
    static const char *const fields[] = {
        "Message-ID: <", "X-Ringpost-Load: 1 ", "From: ", "To: ", "Subject: ", "Date: "};
    struct rp_load_mail_message message;
    uint64_t random = 1;
    struct rp_load_mail *mail = open_sizes(4000, 4000);
    rp_load_mail_next(mail, &random, 5, &message);
    store(&message);
    size_t lines = 0;
    for (size_t at = 0; at < message.body_len; lines++) {
        const uint8_t *lf = memchr(plain + at, '\n', message.body_len - at);
        CU_ASSERT_PTR_NOT_NULL_FATAL(lf);
        CU_ASSERT_TRUE((size_t)(lf - (plain + at)) <= 79);
        at = (size_t)(lf - plain) + 1;
    }
    CU_ASSERT_TRUE(lines > 50);
    plain[message.head_len] = '\0';
    CU_ASSERT_STRING_EQUAL((char *)plain + message.head_len - 4, "\r\n\r\n");
    const char *at = (char *)plain;
    for (size_t index = 0; index < sizeof(fields) / sizeof(fields[0]); index++) {
        at = at == NULL ? NULL : strstr(at, fields[index]);
        CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    }
    rp_load_mail_close(mail);
}

/* All sizes of a range come, and no other; each exact. */
static void test_range(void)
{
    static bool is_seen[200];
    struct rp_load_mail_message message;
    uint64_t random = suite_seed;
    struct rp_load_mail *mail = open_sizes(2000, 2199);
    memset(is_seen, 0, sizeof(is_seen));
    for (uint64_t number = 0; number < 5000; number++) {
        rp_load_mail_next(mail, &random, number, &message);
        CU_ASSERT_FATAL(message.body_len >= 2000 && message.body_len <= 2199);
        is_seen[message.body_len - 2000] = true;
        check_stamped(&message, number);
    }
    for (size_t index = 0; index < sizeof(is_seen) / sizeof(is_seen[0]); index++) {
        CU_ASSERT_TRUE(is_seen[index]);
    }
    rp_load_mail_close(mail);
}

static void test_wide_range(void)
{
    struct rp_load_mail_message message;
    struct rp_load_mail_info info;
    uint64_t random = suite_seed;
    struct rp_load_mail *mail = open_sizes(1, 7000000); /* more than a period */
    rp_load_mail_info(mail, &info);
    CU_ASSERT_EQUAL(info.size_min, RP_LOAD_MAIL_SIZE_MIN);
    CU_ASSERT_EQUAL(info.size_max, 7000000);
    uint64_t sum = 0;
    const uint64_t count = 60;
    for (uint64_t number = 0; number < count; number++) {
        rp_load_mail_next(mail, &random, number << 40, &message);
        check_stamped(&message, number << 40);
        sum += message.body_len;
    }
    CU_ASSERT_TRUE(sum / count > 1500000 && sum / count < 5500000);
    rp_load_mail_close(mail);
}

/* Fixed sizes up to a gigabyte take no gigabytes. */
static void test_large(void)
{
    struct rp_load_mail_message message;
    uint64_t random = 1;
    const uint64_t size = UINT64_C(1) << 30;
    struct rp_load_mail *mail = open_sizes(size, size);
    rp_load_mail_next(mail, &random, 3, &message);
    CU_ASSERT_EQUAL(message.body_len, size);
    CU_ASSERT_EQUAL(message.head_len + message.rest.len, size);
    CU_ASSERT_TRUE(message.rest_stuffed.len > message.rest.len);
    CU_ASSERT_EQUAL(memcmp(message.rest_stuffed.ptr + message.rest_stuffed.len - 5, "\r\n.\r\n", 5),
                    0);
    rp_load_mail_close(mail);
}

static void test_failures(void)
{
    struct rp_load_mail *mail = NULL;
    struct rp_load_mail_options options = {.run = RUN, .size_min = 2, .size_max = 1};
    CU_ASSERT_EQUAL(rp_load_mail_open(&options, &mail, error, sizeof(error)), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "sizes from 2 to 1 octets"));
    options.size_max = RP_LOAD_MAIL_SIZE_MAX + 1;
    CU_ASSERT_EQUAL(rp_load_mail_open(&options, &mail, error, sizeof(error)), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "17179869184"));
    options = (struct rp_load_mail_options){.corpus = "eml:/nonexistent/x"};
    CU_ASSERT_EQUAL(rp_load_mail_open(&options, &mail, error, sizeof(error)), -ENOENT);
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "/nonexistent/x"));
    CU_ASSERT_PTR_NULL(mail);
}

static void write_mbox(const char *path)
{
    FILE *file = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    (void)fputs("From a\nSubject: a\n\n.\n..\nlone\rcr\n\nFrom b\n.b\n", file);
    CU_ASSERT_EQUAL(fclose(file), 0); /* says whether all was written */
}

static void check_corpus(const char *source, bool is_stamped)
{
    struct rp_load_mail_message message;
    struct rp_load_mail_info info;
    uint64_t random = 0; /* not used */
    struct rp_load_mail *mail = NULL;
    struct rp_load_mail_options options = {
        .run = RUN, .corpus = source, .is_stamped = is_stamped, .size_min = 9, .size_max = 1};
    const uint64_t head_len = is_stamped ? RP_LOAD_STAMP_LEN : 0;
    CU_ASSERT_EQUAL_FATAL(rp_load_mail_open(&options, &mail, error, sizeof(error)), 0);
    for (uint64_t number = 0; number < 5; number++) {
        const char *text =
            number % 2 == 0 ? "Subject: a\r\n\r\n.\r\n..\r\nlone\r\ncr\r\n" : ".b\r\n";
        rp_load_mail_next(mail, &random, number, &message);
        CU_ASSERT_EQUAL(message.head_len, head_len);
        CU_ASSERT_EQUAL_FATAL(message.rest.len, strlen(text));
        store(&message);
        CU_ASSERT_EQUAL(memcmp(plain + head_len, text, strlen(text)), 0);
        if (is_stamped) {
            check_stamped(&message, number);
        }
    }
    rp_load_mail_info(mail, &info);
    CU_ASSERT_EQUAL(info.messages, 2);
    CU_ASSERT_EQUAL(info.lone_cr, 1);
    CU_ASSERT_EQUAL(info.size_min, head_len + 4);
    CU_ASSERT_EQUAL(info.size_max, head_len + 31);
    rp_load_mail_close(mail);
}

static void test_corpus(void)
{
    char dir[128];
    char path[PATH_LEN];
    char source[PATH_LEN + 8];
    temp_dir_make(dir, sizeof(dir));
    (void)snprintf(path, sizeof(path), "%s/mbox", dir);
    (void)snprintf(source, sizeof(source), "mbox:%s", path);
    write_mbox(path);
    check_corpus(source, false);
    check_corpus(source, true);
    temp_dir_remove(dir);
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"fixed",      test_fixed     },
        {"text",       test_text      },
        {"range",      test_range     },
        {"wide range", test_wide_range},
        {"large",      test_large     },
        {"failures",   test_failures  },
        {"corpus",     test_corpus    },
    };
    plain = malloc(BUFFER_LEN);
    stored = malloc(BUFFER_LEN);
    if (plain == NULL || stored == NULL) {
        return 1;
    }
    int status = SUITE_RUN("perf/load_mail", tests, argc, argv);
    free(plain);
    free(stored);
    return status;
}
