/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_load_corpus.c - messages of files.
 *
 * Goal: what a server makes of a message is its file with CRLF line ends, for every source; what
 * cannot be used is told in one line.
 * Method: rows; all texts of up to six of the symbols that matter, as a file and in an mbox that
 * the exporter of tools/ quotes, against texts made from the definition.
 */
#include "perf/load_corpus.h"
#include "tests/engine/temp_dir.h"
#include "tests/tools/suite.h"
#include "tools/mboxrd.h"
#include "unstuff.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_LEN 512u

static char dir[128];
static char error[512];
static struct rp_load_corpus *corpus;

static void write_file(const char *name, const void *octets, size_t len)
{
    char path[PATH_LEN];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL(fwrite(octets, 1, len, file), len);
    CU_ASSERT_EQUAL(fclose(file), 0);
}

static void write_text(const char *name, const char *text)
{
    write_file(name, text, strlen(text));
}

static void make_dir(const char *name)
{
    char path[PATH_LEN];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    CU_ASSERT_EQUAL_FATAL(mkdir(path, 0700), 0);
}

/* `kind` "eml:" or "mbox:"; `name` in the directory, or "". */
static int open_corpus(const char *kind, const char *name)
{
    char source[PATH_LEN];
    (void)snprintf(source, sizeof(source), "%s%s%s%s", kind, dir, name[0] != '\0' ? "/" : "", name);
    error[0] = '\0';
    corpus = NULL;
    return rp_load_corpus_open(source, &corpus, error, sizeof(error));
}

/* Message `index` is this text, plain and as a server undoes it. */
static void check_octets(size_t index, const void *octets, size_t len)
{
    static uint8_t buffer[65536];
    CU_ASSERT_TRUE_FATAL(index < rp_load_corpus_count(corpus));
    const struct rp_load_corpus_message *message = rp_load_corpus_get(corpus, index);
    size_t out_len = 0;
    CU_ASSERT_EQUAL_FATAL(message->plain.len, len);
    CU_ASSERT_EQUAL(memcmp(message->plain.ptr, octets, len), 0);
    CU_ASSERT_TRUE_FATAL(message->stuffed.len <= sizeof(buffer));
    CU_ASSERT_TRUE(unstuff(message->stuffed.ptr, message->stuffed.len, buffer, &out_len));
    CU_ASSERT_EQUAL_FATAL(out_len, len);
    CU_ASSERT_EQUAL(memcmp(buffer, octets, len), 0);
}

static void check_text(size_t index, const char *text)
{
    check_octets(index, text, strlen(text));
}

static void begin(void)
{
    temp_dir_make(dir, sizeof(dir));
}

static void end(void)
{
    rp_load_corpus_close(corpus);
    corpus = NULL;
    temp_dir_remove(dir);
}

static void test_files(void)
{
    begin();
    write_text("b.eml", "Subject: b\n\n.\n..x\nlast");
    write_text("a", "Subject: a\r\n\r\ntext\r\n");
    write_text("c", "lone\rcr\r\r\n");
    write_text("empty", "");
    write_text(".hidden", "no\r\n");
    make_dir("dir");
    write_text("dir/no", "no\r\n");
    CU_ASSERT_EQUAL_FATAL(open_corpus("eml:", ""), 0);
    CU_ASSERT_EQUAL(rp_load_corpus_count(corpus), 3);
    check_text(0, "Subject: a\r\n\r\ntext\r\n");
    check_text(1, "Subject: b\r\n\r\n.\r\n..x\r\nlast\r\n");
    check_text(2, "lone\r\ncr\r\n\r\n");
    CU_ASSERT_EQUAL(rp_load_corpus_lone_cr(corpus), 2);
    end();
}

static void test_odd_files(void)
{
    char path[PATH_LEN];
    begin();
    (void)snprintf(path, sizeof(path), "%s/fifo", dir);
    CU_ASSERT_EQUAL_FATAL(mkfifo(path, 0600), 0);
    write_text("mail", "x\r\n");
    (void)snprintf(path, sizeof(path), "%s/nowhere", dir);
    CU_ASSERT_EQUAL_FATAL(symlink("mail", path), 0);
    CU_ASSERT_EQUAL(open_corpus("eml:", ""), 0);
    CU_ASSERT_EQUAL(rp_load_corpus_count(corpus), 2);
    rp_load_corpus_close(corpus);
    CU_ASSERT_EQUAL(unlink(path), 0);
    CU_ASSERT_EQUAL_FATAL(symlink("missing", path), 0);
    CU_ASSERT_EQUAL(open_corpus("eml:", ""), -ENOENT);
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "/nowhere: No such file"));
    end();
}

static void test_maildir(void)
{
    begin();
    make_dir("cur");
    make_dir("new");
    make_dir("tmp");
    write_text("outside", "no\r\n");
    write_text("tmp/1", "no\r\n");
    write_text("new/1", "new\r\n");
    write_text("cur/2:2,S", "cur\r\n");
    CU_ASSERT_EQUAL_FATAL(open_corpus("eml:", ""), 0);
    CU_ASSERT_EQUAL(rp_load_corpus_count(corpus), 2);
    check_text(0, "cur\r\n");
    check_text(1, "new\r\n");
    end();
}

static void test_mbox(void)
{
    begin();
    write_text("mbox", "From a@example.org Thu Jan  1 00:00:00 1970\n"
                       "Subject: a\n\n>From here\n>>From there\n>Fro\n> From\nFrom inside\n\n"
                       "From b\n"
                       "\n"
                       "From c\r\n"
                       "Subject: c\r\n\r\n.dot\r\n\r\n\r\n"
                       "From d\nlast\n");
    CU_ASSERT_EQUAL_FATAL(open_corpus("mbox:", "mbox"), 0);
    CU_ASSERT_EQUAL(rp_load_corpus_count(corpus), 3);
    check_text(0,
               "Subject: a\r\n\r\nFrom here\r\n>From there\r\n>Fro\r\n> From\r\nFrom inside\r\n");
    check_text(1, "Subject: c\r\n\r\n.dot\r\n\r\n");
    check_text(2, "last\r\n");
    CU_ASSERT_EQUAL(rp_load_corpus_lone_cr(corpus), 0);
    rp_load_corpus_close(corpus);
    /* In files of the other kind nothing is unquoted. */
    write_text("mbox", ">From x\nFrom y\n\nFrom z");
    CU_ASSERT_EQUAL_FATAL(open_corpus("eml:", ""), 0);
    check_text(0, ">From x\r\nFrom y\r\n\r\nFrom z\r\n");
    end();
}

static void check_failure(const char *kind, const char *name, int code, const char *text)
{
    CU_ASSERT_EQUAL(open_corpus(kind, name), code);
    CU_ASSERT_PTR_NULL(corpus);
    CU_ASSERT_PTR_NOT_NULL(strstr(error, text));
    CU_ASSERT_PTR_NULL(strchr(error, '\n'));
    if (strstr(error, text) == NULL) {
        printf("expected \"%s\" in \"%s\"\n", text, error);
    }
}

static void test_failures(void)
{
    begin();
    check_failure("eml:", "", -EINVAL, "no message is in it");
    check_failure("eml:", "missing", -ENOENT, "missing: No such file");
    check_failure("mbox:", "missing", -ENOENT, "missing: No such file");
    check_failure("mbox:", "", -EINVAL, "eml:DIR takes a directory");
    write_text("file", "");
    check_failure("eml:", "", -EINVAL, "no message is in it");
    check_failure("eml:", "file", -ENOTDIR, "file: Not a directory");
    check_failure("mbox:", "file", -EINVAL, "it is empty");
    write_text("file", "Subject: x\n\n");
    check_failure("mbox:", "file", -EINVAL, "does not begin with \"From \"");
    write_text("file", "From x\n\nFrom y\n");
    check_failure("mbox:", "file", -EINVAL, "no message is in it");
    check_failure("maildir:", "", -EINVAL, "eml:DIR or mbox:FILE");
    CU_ASSERT_EQUAL(rp_load_corpus_open("eml:", &corpus, error, sizeof(error)), -EINVAL);
    CU_ASSERT_EQUAL(rp_load_corpus_open("mbox:", &corpus, error, sizeof(error)), -EINVAL);
    if (geteuid() != 0) { /* root may read all */
        char path[PATH_LEN];
        (void)snprintf(path, sizeof(path), "%s/file", dir);
        CU_ASSERT_EQUAL(chmod(path, 0), 0);
        check_failure("eml:", "", -EACCES, "/file: Permission denied");
    }
    end();
}

/* What is sent of a text, made octet by octet: any of CRLF, CR, LF ends a line. */
static size_t normalize(const char *text, size_t len, char *out)
{
    size_t out_len = 0;
    for (size_t at = 0; at < len; at++) {
        if (text[at] == '\n' && at > 0 && text[at - 1] == '\r') {
            continue;
        }
        if (text[at] == '\r' || text[at] == '\n') {
            out[out_len++] = '\r';
            out[out_len++] = '\n';
        } else {
            out[out_len++] = text[at];
        }
    }
    if (out_len > 0 && out[out_len - 1] != '\n') {
        out[out_len++] = '\r';
        out[out_len++] = '\n';
    }
    return out_len;
}

/* All texts of up to LEN_MAX symbols, as messages of one mbox and one directory. */
static const char *const symbols[] = {"\r", "\n", ".", "From ", ">", "x", "\r\n"};
#define SYMBOLS (sizeof(symbols) / sizeof(symbols[0]))
#define LEN_MAX 5u

static size_t make_text(size_t number, char *text)
{
    size_t len = 0;
    for (; number > 0; number = (number - 1) / SYMBOLS) {
        const char *symbol = symbols[(number - 1) % SYMBOLS];
        while (*symbol != '\0') {
            text[len++] = *symbol++;
        }
    }
    return len;
}

static size_t count_texts(void)
{
    size_t count = 0;
    size_t power = 1;
    for (unsigned len = 1; len <= LEN_MAX; len++) {
        power *= SYMBOLS;
        count += power;
    }
    return count;
}

static void test_all_files(void)
{
    const size_t count = count_texts();
    char text[64];
    char wanted[128];
    begin();
    for (size_t number = 1; number <= count; number++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "%06zu", number);
        write_file(name, text, make_text(number, text));
    }
    CU_ASSERT_EQUAL_FATAL(open_corpus("eml:", ""), 0);
    CU_ASSERT_EQUAL_FATAL(rp_load_corpus_count(corpus), count);
    for (size_t number = 1; number <= count; number++) {
        size_t len = make_text(number, text);
        check_octets(number - 1, wanted, normalize(text, len, wanted));
    }
    end();
}

/* As ringpost-spool exports it. A CR alone ends a line for us, so it is not among them. */
static void test_all_mbox(void)
{
    const size_t count = count_texts();
    char text[64];
    char wanted[128];
    char *mbox = NULL;
    size_t mbox_len = 0;
    begin();
    FILE *stream = open_memstream(&mbox, &mbox_len);
    CU_ASSERT_PTR_NOT_NULL_FATAL(stream);
    for (size_t number = 1; number <= count; number++) {
        struct rp_mboxrd encoder;
        const uint8_t *piece = NULL;
        size_t len = normalize(text, make_text(number, text), wanted);
        (void)fputs("From x\n", stream);
        rp_mboxrd_init(&encoder, (const uint8_t *)wanted, len);
        while (rp_mboxrd_next(&encoder, &piece, &len)) {
            (void)fwrite(piece, 1, len, stream); /* a failure is seen by fclose */
        }
    }
    CU_ASSERT_EQUAL_FATAL(fclose(stream), 0);
    write_file("mbox", mbox, mbox_len);
    free(mbox);
    CU_ASSERT_EQUAL_FATAL(open_corpus("mbox:", "mbox"), 0);
    CU_ASSERT_EQUAL_FATAL(rp_load_corpus_count(corpus), count);
    for (size_t number = 1; number <= count; number++) {
        size_t len = make_text(number, text);
        check_octets(number - 1, wanted, normalize(text, len, wanted));
    }
    end();
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"files",     test_files    },
        {"odd files", test_odd_files},
        {"maildir",   test_maildir  },
        {"mbox",      test_mbox     },
        {"failures",  test_failures },
        {"all files", test_all_files},
        {"all mbox",  test_all_mbox },
    };
    return SUITE_RUN("perf/load_corpus", tests, argc, argv);
}
