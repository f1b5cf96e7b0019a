/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_log.c - each event is one line that can be read back, and no log stops the daemon.
 *
 * Goal: text and JSON lines have their form, whatever octets a message holds; a long
 * message is cut and still right; levels, files and reopening work; a full disk, a pipe
 * that nobody reads and one whose reader is gone cost lines and nothing else; threads do
 * not mix lines; a storm of errors is a few lines and their count. Method: rows; all messages of
 * one and two octets and random longer ones, read back by a small JSON reader and compared with a
 * second UTF-8 decoder; pipes and /dev/full as stderr; threads that log while the file is moved
 * away.
 *
 * A number as argument is the seed of the random part.
 */
#include "engine/log.h"
#include "engine/log_limit.h"
#include "tests/tools/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <regex.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LINE_MAX     4096 /* PIPE_BUF: no line may be longer */

static char work[] = "/tmp/test-log-XXXXXX";
static char log_path[64];
static char old_path[64];
static struct rp_config config;
static int real_stderr;
static int capture[2]; /* a pipe: its reading end never blocks */

/* Too large for a stack frame. */
static char line[LINE_MAX];
static char wanted[LINE_MAX];

static void open_log(enum rp_config_log_format format, enum rp_config_log_level level, bool to_file)
{
    rp_config_init(&config);
    config.log_format = format;
    config.log_level = level;
    (void)snprintf(config.log_file, sizeof(config.log_file), "%s", to_file ? log_path : "");
    CU_ASSERT_EQUAL_FATAL(rp_log_open(&config), 0);
    CU_ASSERT_EQUAL_FATAL(rp_log_reopen(), 0); /* an earlier test may have moved it away */
}

/* Log to a pipe instead, whose end is stderr: no test of octets needs a disk. */
static void open_pipe(enum rp_config_log_format format, enum rp_config_log_level level)
{
    open_log(format, level, false);
    CU_ASSERT_FATAL(dup2(capture[1], STDERR_FILENO) == STDERR_FILENO);
}

static void close_pipe(void)
{
    CU_ASSERT_FATAL(dup2(real_stderr, STDERR_FILENO) == STDERR_FILENO);
}

/* What was logged to the pipe since last time. It does not block. */
static size_t take_line(void)
{
    ssize_t len = read(capture[0], line, sizeof(line) - 1);
    CU_ASSERT_FATAL(len < (ssize_t)sizeof(line) - 1 && (len > 0 || errno == EAGAIN));
    len = len < 0 ? 0 : len;
    line[len] = '\0';
    return (size_t)len;
}

/* All that the log file holds. */
static size_t read_log(const char *name, char *text, size_t cap)
{
    int fd = open(name, O_RDONLY);
    CU_ASSERT_FATAL(fd >= 0);
    ssize_t len = read(fd, text, cap - 1);
    CU_ASSERT_FATAL(len >= 0 && (size_t)len < cap - 1);
    text[len] = '\0';
    (void)close(fd);
    return (size_t)len;
}

/* A line is time, then the rest, which is returned; it ends with a line end of its own. */
static char *without_time(char *from, const char *before)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ";
    size_t before_len = strlen(before);
    CU_ASSERT_FATAL(strlen(from) > before_len + sizeof(form) &&
                    strncmp(from, before, before_len) == 0);
    for (size_t i = 0; i < sizeof(form) - 1; i++) {
        char octet = from[before_len + i];
        CU_ASSERT(form[i] == 'd' ? octet >= '0' && octet <= '9' : octet == form[i]);
    }
    return from + before_len + sizeof(form) - 1;
}

/* ---- rows ---- */

/* clang-format off */
static const char *const messages[][3] = {
    /* message             text                          JSON */
    {"plain",              "plain",                      "plain"},
    {"",                   "",                           ""},
    {"a \"b\" \\c /",      "a \"b\" \\c /",              "a \\\"b\\\" \\\\c /"},
    {"a\nb\r\tc\x1b[0m\x7f", "a\\x0ab\\x0d\\x09c\\x1b[0m\\x7f", "a\\u000ab\\u000d\\u0009c\\u001b[0m\\u007f"},
    {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
    {"\xc2\x9bm",          "\\xc2\\x9bm",                "\\u009bm"},
    {"\xff\xc3(",          "\\xff\\xc3(",                "\\ufffd\\ufffd("},
    {"\xed\xa0\x80",       "\\xed\\xa0\\x80",            "\\ufffd\\ufffd\\ufffd"},
    {"\xc0\xaf",           "\\xc0\\xaf",                 "\\ufffd\\ufffd"},
};
/* clang-format on */

static void test_rows(void)
{
    for (size_t i = 0; i < COUNT(messages); i++) {
        open_pipe(RP_CONFIG_LOG_TEXT, RP_CONFIG_LOG_DEBUG);
        rp_log(RP_CONFIG_LOG_INFO, "%s", messages[i][0]);
        (void)take_line();
        (void)snprintf(wanted, sizeof(wanted), " info %s\n", messages[i][1]);
        CU_ASSERT_STRING_EQUAL(without_time(line, ""), wanted);

        open_pipe(RP_CONFIG_LOG_JSON, RP_CONFIG_LOG_DEBUG);
        rp_log(RP_CONFIG_LOG_DEBUG, "%s", messages[i][0]);
        (void)take_line();
        (void)snprintf(wanted, sizeof(wanted), "\",\"level\":\"debug\",\"message\":\"%s\"}\n",
                       messages[i][2]);
        CU_ASSERT_STRING_EQUAL(without_time(line, "{\"time\":\""), wanted);
    }
    close_pipe();
}

/* The time is now, in UTC. */
static void test_time(void)
{
    struct tm utc = {0};
    time_t before = time(NULL);
    open_pipe(RP_CONFIG_LOG_TEXT, RP_CONFIG_LOG_INFO);
    rp_log(RP_CONFIG_LOG_INFO, "now");
    (void)take_line();
    CU_ASSERT_PTR_NOT_NULL_FATAL(strptime(line, "%Y-%m-%dT%H:%M:%S", &utc));
    time_t logged = timegm(&utc);
    CU_ASSERT(logged >= before && logged <= time(NULL));
    close_pipe();
}

static void test_levels(void)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    for (unsigned at = 0; at < COUNT(names); at++) {
        open_pipe(RP_CONFIG_LOG_TEXT, at);
        for (unsigned level = 0; level < COUNT(names); level++) {
            CU_ASSERT_EQUAL(rp_log_is_on(level), level <= at);
            errno = ENOTTY;
            rp_log(level, "%d", 5);
            CU_ASSERT_EQUAL(errno, ENOTTY);
            size_t len = take_line();
            CU_ASSERT_EQUAL(len > 0, level <= at);
            CU_ASSERT(len == 0 || strstr(line, names[level]) != NULL);
        }
    }
    close_pipe();
}

/* A pipe is no terminal: auto is JSON there. */
static void test_auto(void)
{
    open_pipe(RP_CONFIG_LOG_AUTO, RP_CONFIG_LOG_INFO);
    rp_log(RP_CONFIG_LOG_INFO, "x");
    (void)take_line();
    CU_ASSERT(line[0] == '{');
    close_pipe();
}

/* ---- any octets ---- */

/* The code points of a text; an octet that is no UTF-8 counts as U+FFFD. By value: first put
 * together what the leading octet promises, then look whether a shorter form had done. */
static size_t decode(const uint8_t *text, size_t len, uint32_t *points)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t count = 0;
    for (size_t at = 0; at < len; count++) {
        size_t need = 0;
        for (uint8_t bit = 0x80; bit > 0 && (text[at] & bit) != 0; bit = (uint8_t)(bit >> 1)) {
            need++;
        }
        need = need == 0 ? 1 : need;
        uint32_t point = need == 1 ? text[at] : text[at] & (0x7fu >> need);
        size_t have = 1;
        while (have < need && at + have < len && text[at + have] >= 0x80 &&
               text[at + have] < 0xc0) {
            point = point << 6 | (text[at + have] - 0x80u);
            have++;
        }
        bool is_right = have == need && need <= 4 && point >= least[need] && point <= 0x10ffff &&
                        (point < 0xd800 || point > 0xdfff) && (need > 1 || point < 0x80);
        points[count] = is_right ? point : 0xfffd;
        at += is_right ? need : 1;
    }
    return count;
}

static unsigned hex(const char *digits)
{
    unsigned value = 0;
    for (int i = 0; i < 4; i++) {
        const char *found = strchr("0123456789abcdef", digits[i]);
        CU_ASSERT_FATAL(found != NULL && *found != '\0');
        value = value * 16 + (unsigned)(found - "0123456789abcdef") % 16;
    }
    return value;
}

/* The code points of a JSON string; *end_out is its closing quote. */
static size_t read_json(const char *string, uint32_t *points, const char **end_out)
{
    size_t count = 0;
    const char *at = string;
    while (*at != '"') {
        CU_ASSERT_FATAL((unsigned char)*at >= 0x20);
        size_t plain = strcspn(at, "\"\\");
        if (plain > 0) {
            count += decode((const uint8_t *)at, plain, points + count);
            at += plain;
        } else if (at[1] == 'u') {
            points[count++] = hex(at + 2);
            at += 6;
        } else {
            CU_ASSERT_FATAL(at[1] == '"' || at[1] == '\\');
            points[count++] = (unsigned char)at[1];
            at += 2;
        }
    }
    *end_out = at;
    return count;
}

static void check_octets(const char *message, size_t len)
{
    static uint32_t wanted_points[LINE_MAX];
    static uint32_t points[LINE_MAX];
    const char *end = NULL;
    rp_log(RP_CONFIG_LOG_INFO, "%s", message);
    (void)take_line();
    char *rest = without_time(line, "{\"time\":\"");
    CU_ASSERT_FATAL(strncmp(rest, "\",\"level\":\"info\",\"message\":\"", 28) == 0);
    size_t count = read_json(rest + 28, points, &end);
    CU_ASSERT_STRING_EQUAL(end, "\"}\n");
    size_t wanted_count = decode((const uint8_t *)message, len, wanted_points);
    bool is_same =
        count == wanted_count && memcmp(points, wanted_points, count * sizeof(*points)) == 0;
    if (!is_same) {
        printf("\n%s", line);
    }
    CU_ASSERT(is_same);
}

static void test_all_short_messages(void)
{
    open_pipe(RP_CONFIG_LOG_JSON, RP_CONFIG_LOG_INFO);
    for (unsigned octets = 1; octets < 0x10000; octets += octets < 0x100 ? 1 : 7) {
        const char message[] = {(char)(octets % 256), (char)(octets / 256), '\0'};
        check_octets(message, strlen(message));
    }
    close_pipe();
}

static void test_random_messages(void)
{
    static const char *const pieces[] = {"\xf0", "\x9f", "\x98", "\xe2", "\x82", "\xc3", "\xed",
                                         "\xa0", "\xf4", "\x90", "\"",   "\\",   "a",    "\n"};
    uint64_t state = suite_seed;
    open_pipe(RP_CONFIG_LOG_JSON, RP_CONFIG_LOG_INFO);
    for (int round = 0; round < 3000; round++) {
        char message[128] = "";
        for (size_t count = suite_random_below(&state, 40); count > 0; count--) {
            size_t len = strlen(message);
            (void)snprintf(message + len, sizeof(message) - len, "%s",
                           pieces[suite_random_below(&state, COUNT(pieces))]);
        }
        check_octets(message, strlen(message));
    }
    close_pipe();
}

/* Text lines have no octet that a terminal would obey, and stay UTF-8. */
static void test_text_is_printable(void)
{
    uint64_t state = suite_seed;
    static uint32_t points[LINE_MAX];
    open_pipe(RP_CONFIG_LOG_TEXT, RP_CONFIG_LOG_INFO);
    for (int round = 0; round < 2000; round++) {
        char message[64] = "";
        for (size_t i = 0; i < 40; i++) {
            message[i] = (char)(1 + suite_random_below(&state, 255));
        }
        rp_log(RP_CONFIG_LOG_INFO, "%s", message);
        size_t len = take_line();
        CU_ASSERT_EQUAL(line[len - 1], '\n');
        size_t count = decode((const uint8_t *)line, len - 1, points);
        for (size_t i = 0; i < count; i++) {
            CU_ASSERT(points[i] >= 0x20 && points[i] != 0xfffd &&
                      (points[i] < 0x7f || points[i] > 0x9f));
        }
    }
    close_pipe();
}

/* ---- long messages ---- */

static void check_long(const char *unit, size_t len, bool as_json)
{
    static char message[8192];
    static uint32_t points[LINE_MAX];
    size_t unit_len = strlen(unit);
    len -= len % unit_len;
    for (size_t i = 0; i < len; i++) {
        message[i] = unit[i % unit_len];
    }
    message[len] = '\0';
    open_pipe(as_json ? RP_CONFIG_LOG_JSON : RP_CONFIG_LOG_TEXT, RP_CONFIG_LOG_INFO);
    rp_log(RP_CONFIG_LOG_INFO, "%s", message);
    size_t line_len = take_line();
    CU_ASSERT(line_len < LINE_MAX && strlen(line) == line_len);
    CU_ASSERT_PTR_EQUAL(strchr(line, '\n'), line + line_len - 1);
    const char *end = as_json ? "...\"}\n" : "...\n";
    bool is_cut = strcmp(line + line_len - strlen(end), end) == 0;
    CU_ASSERT(is_cut || len < 2048);
    CU_ASSERT(!is_cut || len * 6 > 2048);
    if (as_json) {
        const char *quote = NULL;
        size_t count = read_json(strstr(line, "\"message\":\"") + 11, points, &quote);
        CU_ASSERT_STRING_EQUAL(quote, "\"}\n");
        /* No character was cut in two. */
        for (size_t i = 0; i < count && unit[0] != '\xff'; i++) {
            CU_ASSERT_NOT_EQUAL(points[i], 0xfffd);
        }
    }
}

static void test_long_messages(void)
{
    static const char *const units[] = {"x",  "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
                                        "\n", "\"",       "\xff",         "ab\xc2\x80"};
    for (size_t i = 0; i < COUNT(units); i++) {
        for (size_t len = 300; len < 6000; len += len < 2030 || len > 2060 ? 137 : 1) {
            check_long(units[i], len, true);
            check_long(units[i], len, false);
        }
    }
    close_pipe();
}

/* ---- files ---- */

static void test_file_mode(void)
{
    struct stat status;
    mode_t mask = umask(0);
    (void)unlink(log_path);
    open_log(RP_CONFIG_LOG_TEXT, RP_CONFIG_LOG_INFO, true);
    umask(mask);
    CU_ASSERT_EQUAL_FATAL(stat(log_path, &status), 0);
    CU_ASSERT_EQUAL(status.st_mode & 07777, 0640);
}

static void test_reopen(void)
{
    open_log(RP_CONFIG_LOG_TEXT, RP_CONFIG_LOG_INFO, true);
    rp_log(RP_CONFIG_LOG_INFO, "one");
    CU_ASSERT_EQUAL_FATAL(rename(log_path, old_path), 0);
    rp_log(RP_CONFIG_LOG_INFO, "two");
    CU_ASSERT_EQUAL(rp_log_reopen(), 0);
    rp_log(RP_CONFIG_LOG_INFO, "three");
    (void)read_log(old_path, line, sizeof(line));
    CU_ASSERT(strstr(line, "one\n") != NULL && strstr(line, "two\n") != NULL);
    CU_ASSERT_PTR_NULL(strstr(line, "three"));
    (void)read_log(log_path, line, sizeof(line));
    CU_ASSERT(strstr(line, "three\n") != NULL && strstr(line, "two") == NULL);

    /* What cannot be opened changes nothing. */
    CU_ASSERT_EQUAL_FATAL(rename(log_path, old_path), 0);
    CU_ASSERT_EQUAL_FATAL(mkdir(log_path, 0700), 0);
    CU_ASSERT_EQUAL(rp_log_reopen(), -EISDIR);
    /* The same file as before is not opened again; another one is. */
    config.log_level = RP_CONFIG_LOG_WARNING;
    CU_ASSERT_EQUAL(rp_log_open(&config), 0);
    config.log_level = RP_CONFIG_LOG_INFO;
    CU_ASSERT_EQUAL(rp_log_open(&config), 0);
    config.log_level = RP_CONFIG_LOG_ERROR;
    (void)snprintf(config.log_file, sizeof(config.log_file), "%s", work);
    CU_ASSERT_EQUAL(rp_log_open(&config), -EISDIR);
    CU_ASSERT(rp_log_is_on(RP_CONFIG_LOG_INFO));
    rp_log(RP_CONFIG_LOG_INFO, "four");
    (void)read_log(old_path, line, sizeof(line));
    CU_ASSERT_PTR_NOT_NULL(strstr(line, "four\n"));
    CU_ASSERT_EQUAL_FATAL(rmdir(log_path), 0);
    CU_ASSERT_EQUAL(unlink(old_path), 0);
}

/* However often the log is opened, it holds one descriptor. */
static void test_descriptors(void)
{
    open_log(RP_CONFIG_LOG_TEXT, RP_CONFIG_LOG_INFO, true);
    int before = dup(STDOUT_FILENO);
    (void)close(before);
    for (int i = 0; i < 20; i++) {
        open_log(RP_CONFIG_LOG_TEXT, RP_CONFIG_LOG_INFO, i % 3 != 0);
        CU_ASSERT_EQUAL(rp_log_reopen(), 0);
    }
    int after = dup(STDOUT_FILENO);
    (void)close(after);
    CU_ASSERT_EQUAL(after, before);
}

/* ---- trouble ---- */

static uint64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail with this clock */
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Make `fd` stderr, log `count` lines to it. */
static void log_to(int fd, int count)
{
    open_log(RP_CONFIG_LOG_TEXT, RP_CONFIG_LOG_INFO, false);
    CU_ASSERT_FATAL(dup2(fd, STDERR_FILENO) == STDERR_FILENO);
    for (int i = 0; i < count; i++) {
        rp_log(RP_CONFIG_LOG_INFO, "line %d", i);
    }
}

static size_t read_some(int fd, char *text, size_t cap)
{
    ssize_t len = read(fd, text, cap - 1);
    CU_ASSERT_FATAL(len >= 0);
    text[len] = '\0';
    return (size_t)len;
}

/* Thousands of lines into a pipe of 64 KiB that nobody reads: quick, and told afterwards. */
static void test_full_pipe(void)
{
    static char text[256 * 1024];
    int ends[2];
    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    uint64_t start = now_ms();
    log_to(ends[1], 10000);
    CU_ASSERT(now_ms() - start < 3000);
    size_t len = read_some(ends[0], text, sizeof(text));
    CU_ASSERT(len > 0 && text[len - 1] == '\n');
    int kept = 0;
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++) {
        kept++;
    }
    CU_ASSERT(kept > 500 && kept < 10000);
    rp_log(RP_CONFIG_LOG_INFO, "back");
    (void)read_some(ends[0], text, sizeof(text));
    (void)snprintf(wanted, sizeof(wanted), " warning log: lines lost before this one: %d\n",
                   10000 - kept);
    CU_ASSERT(strstr(text, " info back\n") != NULL && strstr(text, wanted) != NULL);
    /* Told once. */
    rp_log(RP_CONFIG_LOG_INFO, "again");
    (void)read_some(ends[0], text, sizeof(text));
    CU_ASSERT(strstr(text, " info again\n") != NULL && strstr(text, "lost") == NULL);
    (void)dup2(real_stderr, STDERR_FILENO);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void test_broken_outputs(void)
{
    static char text[LINE_MAX];
    int ends[2];
    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    (void)close(ends[0]);
    log_to(ends[1], 3); /* EPIPE; SIGPIPE is ignored, as in ringpostd */
    (void)close(ends[1]);
    int full = open("/dev/full", O_WRONLY);
    CU_ASSERT_FATAL(full >= 0);
    log_to(full, 4); /* ENOSPC */
    errno = ENOTTY;
    rp_log(RP_CONFIG_LOG_ERROR, "the caller's errno stays");
    CU_ASSERT_EQUAL(errno, ENOTTY);
    (void)close(full);
    CU_ASSERT_EQUAL(close(STDERR_FILENO), 0);
    rp_log(RP_CONFIG_LOG_ERROR, "EBADF");
    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0); /* stderr's number may be one of these ends */
    int fds[2] = {fcntl(ends[0], F_DUPFD, 10), fcntl(ends[1], F_DUPFD, 10)};
    (void)close(ends[0]);
    (void)close(ends[1]);
    log_to(fds[1], 1);
    (void)read_some(fds[0], text, sizeof(text));
    CU_ASSERT(strstr(text, " info line 0\n") != NULL);
    CU_ASSERT(strstr(text, " warning log: lines lost before this one: 9\n") != NULL);
    (void)dup2(real_stderr, STDERR_FILENO);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

/* A disk that is full in the middle of a line: the next line begins at a line's start. */
static void test_torn_line(void)
{
    static char text[LINE_MAX];
    struct rlimit limit;
    (void)unlink(log_path); /* what earlier tests have logged */
    open_log(RP_CONFIG_LOG_TEXT, RP_CONFIG_LOG_INFO, true);
    rp_log(RP_CONFIG_LOG_INFO, "whole");
    struct stat status;
    CU_ASSERT_EQUAL_FATAL(stat(log_path, &status), 0);
    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_FSIZE, &limit), 0);
    struct rlimit small = {.rlim_cur = (rlim_t)status.st_size + 10, .rlim_max = limit.rlim_max};
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &small), 0);
    rp_log(RP_CONFIG_LOG_INFO, "torn");
    rp_log(RP_CONFIG_LOG_INFO, "not written at all");
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &limit), 0);
    rp_log(RP_CONFIG_LOG_INFO, "next");
    (void)read_log(log_path, text, sizeof(text));
    const char *torn = strchr(text, '\n');
    CU_ASSERT_FATAL(torn != NULL && strlen(torn) > 12);
    CU_ASSERT(torn[11] == '\n' && strstr(torn + 12, " info next\n") != NULL);
    CU_ASSERT(strstr(text, "lines lost before this one: 2\n") != NULL);
}

/* ---- threads ---- */

#define THREADS          4
#define LINES_PER_THREAD 1000

static void *log_many(void *argument)
{
    int thread = *(const int *)argument;
    for (int i = 0; i < LINES_PER_THREAD; i++) {
        rp_log(RP_CONFIG_LOG_INFO, "thread %d line %d of %s", thread, i, "some length");
    }
    return NULL;
}

/* Every line of every thread is in one of the files, whole and in its order. */
static void test_threads(void)
{
    static char text[2 * 1024 * 1024];
    pthread_t threads[THREADS];
    int numbers[THREADS];
    int next[THREADS] = {0};
    regex_t form;
    CU_ASSERT_EQUAL_FATAL(
        regcomp(&form, "^[-0-9T:.]+Z info thread [0-3] line [0-9]+ of some length$", REG_EXTENDED),
        0);
    (void)unlink(log_path); /* what earlier tests have logged */
    open_log(RP_CONFIG_LOG_TEXT, RP_CONFIG_LOG_INFO, true);
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, log_many, &numbers[i]), 0);
    }
    /* The rotated files are read when all is written: a thread may still write to the last. */
    CU_ASSERT_EQUAL(rename(log_path, old_path), 0);
    for (int i = 0; i < 50; i++) {
        CU_ASSERT_EQUAL(rp_log_reopen(), 0);
        struct timespec pause = {.tv_nsec = 200000};
        (void)nanosleep(&pause, NULL); /* only spreads the reopening over the lines */
    }
    for (int i = 0; i < THREADS; i++) {
        CU_ASSERT_EQUAL(pthread_join(threads[i], NULL), 0);
    }
    size_t len = read_log(old_path, text, sizeof(text));
    (void)read_log(log_path, text + len, sizeof(text) - len);
    int count = 0;
    for (char *at = text, *end = NULL; (end = strchr(at, '\n')) != NULL; at = end + 1) {
        *end = '\0';
        CU_ASSERT_FATAL(regexec(&form, at, 0, NULL, 0) == 0);
        const char *words = strstr(at, "thread ");
        int thread = words[7] - '0';
        CU_ASSERT_EQUAL((int)strtol(words + 14, NULL, 10), next[thread]++);
        count++;
    }
    CU_ASSERT_EQUAL(count, THREADS * LINES_PER_THREAD);
    regfree(&form);
    CU_ASSERT_EQUAL(unlink(old_path), 0);
}

static void *log_storm(void *argument)
{
    for (int i = 0; i < LINES_PER_THREAD; i++) {
        errno = ENOTTY;
        rp_log(RP_CONFIG_LOG_ERROR, "storm of thread %d, line %d", *(const int *)argument, i);
        CU_ASSERT_EQUAL(errno, ENOTTY);
    }
    return NULL;
}

static size_t count_of(const char *text, const char *word)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, word)) != NULL; at++) {
        count++;
    }
    return count;
}

/* Many lines of a kind are a few and one that says how many more; other kinds are not concerned. */
static void test_storm(void)
{
    static char text[64 * 1024];
    pthread_t threads[THREADS];
    int numbers[THREADS];
    struct itimerspec timer;
    int timer_fd = rp_log_timer_fd();
    CU_ASSERT(timer_fd >= 0 && rp_log_timer_fd() == timer_fd);
    (void)unlink(log_path); /* what earlier tests have logged */
    open_log(RP_CONFIG_LOG_TEXT, RP_CONFIG_LOG_INFO, true);
    rp_log_tell_left_out(true);
    CU_ASSERT_EQUAL(timerfd_gettime(timer_fd, &timer), 0);
    CU_ASSERT_EQUAL(timer.it_value.tv_sec + timer.it_value.tv_nsec, 0);
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, log_storm, &numbers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        CU_ASSERT_EQUAL(pthread_join(threads[i], NULL), 0);
    }
    rp_log(RP_CONFIG_LOG_ERROR, "of another kind");
    CU_ASSERT_EQUAL(timerfd_gettime(timer_fd, &timer), 0);
    CU_ASSERT(timer.it_value.tv_sec + timer.it_value.tv_nsec > 0); /* somebody is going to tell */
    rp_log_tell_left_out(true);
    rp_log_tell_left_out(true); /* once */
    (void)read_log(log_path, text, sizeof(text));
    unsigned long long left_out = 0;
    const char *and = strstr(text, "(and ");
    CU_ASSERT_PTR_NOT_NULL_FATAL(and);
    CU_ASSERT_EQUAL(sscanf(and, "(and %llu more like this in", &left_out), 1);
    CU_ASSERT_EQUAL(count_of(text, "(and "), 1);
    CU_ASSERT_EQUAL(count_of(text, "\n"), RP_LOG_LIMIT_LINES + 2);
    CU_ASSERT_EQUAL(left_out, THREADS * LINES_PER_THREAD - RP_LOG_LIMIT_LINES);
    CU_ASSERT_EQUAL(count_of(text, "of another kind"), 1);
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"rows",                     test_rows              },
        {"time",                     test_time              },
        {"levels",                   test_levels            },
        {"format auto",              test_auto              },
        {"all short messages",       test_all_short_messages},
        {"random messages",          test_random_messages   },
        {"text is printable",        test_text_is_printable },
        {"long messages",            test_long_messages     },
        {"mode of the file",         test_file_mode         },
        {"reopen",                   test_reopen            },
        {"descriptors",              test_descriptors       },
        {"a pipe that nobody reads", test_full_pipe         },
        {"broken outputs",           test_broken_outputs    },
        {"a torn line",              test_torn_line         },
        {"threads",                  test_threads           },
        {"a storm",                  test_storm             },
    };
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    real_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 20);
    if (real_stderr < 0 || pipe2(capture, O_CLOEXEC) != 0 ||
        fcntl(capture[0], F_SETFL, O_NONBLOCK) != 0 || mkdtemp(work) == NULL ||
        sigaction(SIGPIPE, &ignore, NULL) != 0 || sigaction(SIGXFSZ, &ignore, NULL) != 0) {
        return 1;
    }
    (void)snprintf(log_path, sizeof(log_path), "%s/log", work);
    (void)snprintf(old_path, sizeof(old_path), "%s/log.1", work);
    int status = SUITE_RUN("engine/log", tests, argc, argv);
    (void)unlink(log_path); /* a failed test may not have made them */
    (void)unlink(old_path);
    return rmdir(work) == 0 ? status : 1;
}
