/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_load_progress.c - the line that tells how the run goes.
 *
 * Goal: a terminal gets one line that is never wider than it, a log a plain line now and then;
 * rate and p99 are those of the last second; each text of a refusal comes once.
 * Method: time is what the test says; a pseudo terminal of every width up to 200 columns.
 */
#include "load_case.h"
#include "tests/tools/capture.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>

static struct capture capture;
static struct rp_load_stats *stats;
static struct rp_load_progress progress;

#define MS UINT64_C(1000000)

static void open_stats(void)
{
    int error = rp_load_stats_open(&stats);
    CU_ASSERT_EQUAL_FATAL(error, 0);
    rp_load_stats_begin(stats, LOAD_CASE_BEGIN);
}

static void accept_some(unsigned count, uint64_t latency_ns)
{
    for (unsigned index = 0; index < count; index++) {
        rp_load_stats_accepted(stats, LOAD_CASE_BEGIN, latency_ns, 1);
    }
}

/* What a call prints. */
static const char *show_at(uint64_t at_ms)
{
    int old = capture_stderr(&capture);
    rp_load_progress_show(&progress, stats, LOAD_CASE_BEGIN + at_ms * MS);
    return capture_end_stderr(&capture, old);
}

static void init_captured(uint64_t total, uint64_t duration_ns)
{
    int old = capture_stderr(&capture); /* no terminal, whatever runs the tests */
    rp_load_progress_init(&progress, total, duration_ns);
    (void)capture_end_stderr(&capture, old);
}

static void test_log(void)
{
    open_stats();
    init_captured(0, 20 * LOAD_CASE_SECOND);
    CU_ASSERT_STRING_EQUAL(show_at(0), "");
    accept_some(10000, 2 * MS);
    CU_ASSERT_STRING_EQUAL(show_at(4900), "");
    CU_ASSERT_STRING_EQUAL(show_at(5000),
                           "5.0 s  10,000 accepted  2,000/s  p99 2.00 ms  0 refused  "
                           "0 errors  15.0 s left\n");
    accept_some(500, 4 * MS);
    rp_load_stats_refused(stats, LOAD_CASE_BEGIN);
    rp_load_stats_error(stats, LOAD_CASE_BEGIN, RP_LOAD_ERROR_CLOSED);
    CU_ASSERT_STRING_EQUAL(show_at(5100), "");
    /* Of the time since the last line, not of all. */
    CU_ASSERT_STRING_EQUAL(show_at(10000), "10.0 s  10,500 accepted  100/s  p99 4.00 ms  1 refused"
                                           "  1 error  10.0 s left\n");
    /* A stall: no rate, and no p99 as there is none. */
    CU_ASSERT_STRING_EQUAL(show_at(15000), "15.0 s  10,500 accepted  0/s  1 refused  1 error  "
                                           "5.0 s left\n");
    /* After a minute every half one. */
    CU_ASSERT_STRING_NOT_EQUAL(show_at(59000), "");
    CU_ASSERT_STRING_EQUAL(show_at(70000), "");
    CU_ASSERT_STRING_NOT_EQUAL(show_at(89000), "");
    CU_ASSERT_STRING_EQUAL(show_at(89000), "");
    rp_load_stats_close(stats);
}

/* By number: what is over of it says how long the rest takes. Without either nobody knows. */
static void test_left(void)
{
    open_stats();
    init_captured(8000, 0);
    accept_some(1999, MS);
    rp_load_stats_refused(stats, LOAD_CASE_BEGIN);
    CU_ASSERT_PTR_NOT_NULL(strstr(show_at(5000), "  15.0 s left\n"));
    init_captured(0, 0);
    CU_ASSERT_PTR_NULL(strstr(show_at(5000), "left"));
    rp_load_stats_close(stats);
}

/* A new begin after the warm-up takes the counts back. */
static void test_warm_up(void)
{
    open_stats();
    init_captured(0, 0);
    accept_some(1000, MS);
    CU_ASSERT_PTR_NOT_NULL(strstr(show_at(5000), "1,000 accepted  200/s"));
    rp_load_stats_begin(stats, LOAD_CASE_BEGIN + 6000 * MS);
    accept_some(500, MS);
    CU_ASSERT_STRING_EQUAL(show_at(10900), "");
    CU_ASSERT_PTR_NOT_NULL(strstr(show_at(11000), "5.0 s  500 accepted  100/s  p99 1.00 ms"));
    rp_load_stats_close(stats);
}

static void test_samples(void)
{
    open_stats();
    init_captured(0, 0);
    rp_load_stats_sample(stats, "rcpt", "550 no\x1b[31m", 11);
    CU_ASSERT_STRING_EQUAL(show_at(100), "ringpost-load: rcpt: 550 no\\x1b[31m\n");
    CU_ASSERT_STRING_EQUAL(show_at(200), "");
    /* Another order, as when another worker is added first. */
    rp_load_stats_begin(stats, LOAD_CASE_BEGIN);
    rp_load_stats_sample(stats, "mail", "452 full", 8);
    rp_load_stats_sample(stats, "rcpt", "550 no\x1b[31m", 11);
    CU_ASSERT_STRING_EQUAL(show_at(300), "ringpost-load: mail: 452 full\n");
    CU_ASSERT_STRING_EQUAL(show_at(400), "");
    rp_load_stats_close(stats);
}

struct terminal {
    int master;
    int slave;
    int old_stderr;
};

static void terminal_open(struct terminal *terminal, const char *locale)
{
    CU_ASSERT_EQUAL_FATAL(setenv("TERM", "xterm", 1), 0);
    CU_ASSERT_EQUAL_FATAL(setenv("LC_ALL", locale, 1), 0);
    terminal->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    CU_ASSERT_FATAL(terminal->master >= 0);
    CU_ASSERT_FATAL(grantpt(terminal->master) == 0 && unlockpt(terminal->master) == 0);
    char name[64];
    CU_ASSERT_FATAL(ptsname_r(terminal->master, name, sizeof(name)) == 0);
    terminal->slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    CU_ASSERT_FATAL(terminal->slave >= 0);
    CU_ASSERT_FATAL(fcntl(terminal->master, F_SETFL, O_NONBLOCK) == 0);
    terminal->old_stderr = dup(STDERR_FILENO);
    CU_ASSERT_FATAL(dup2(terminal->slave, STDERR_FILENO) == STDERR_FILENO);
}

static void terminal_close(struct terminal *terminal)
{
    CU_ASSERT_FATAL(dup2(terminal->old_stderr, STDERR_FILENO) == STDERR_FILENO);
    (void)close(terminal->old_stderr);
    (void)close(terminal->slave);
    (void)close(terminal->master);
}

static void set_columns(struct terminal *terminal, unsigned short columns)
{
    struct winsize size = {.ws_row = 24, .ws_col = columns};
    CU_ASSERT_EQUAL_FATAL(ioctl(terminal->slave, TIOCSWINSZ, &size), 0);
}

/* All that was written since the last read. */
static const char *terminal_read(struct terminal *terminal)
{
    static char text[4096];
    ssize_t len = read(terminal->master, text, sizeof(text) - 1);
    text[len > 0 ? len : 0] = '\0';
    return text;
}

static size_t count_characters(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++) {
        count += ((unsigned char)*text & 0xc0) != 0x80 ? 1 : 0;
    }
    return count;
}

static void open_running(struct terminal *terminal, const char *locale)
{
    open_stats();
    terminal_open(terminal, locale);
    rp_load_progress_init(&progress, 4000, 0);
    CU_ASSERT_TRUE(progress.is_terminal);
    accept_some(999, 2 * MS);
    rp_load_stats_refused(stats, LOAD_CASE_BEGIN);
}

/* "\r", the line, and the rest of the old one wiped: however narrow, no column is too many. */
static void check_widths(const char *locale)
{
    struct terminal terminal;
    open_running(&terminal, locale);
    uint64_t at_ms = 1000;
    for (unsigned short columns = 1; columns <= 200; columns++, at_ms += 100) {
        set_columns(&terminal, columns);
        rp_load_progress_show(&progress, stats, LOAD_CASE_BEGIN + at_ms * MS);
        const char *text = terminal_read(&terminal);
        size_t len = count_characters(text);
        CU_ASSERT_FATAL(len >= 4 && text[0] == '\r' && text[1] != '\r');
        CU_ASSERT_STRING_EQUAL(text + strlen(text) - 3, "\x1b[K");
        CU_ASSERT_TRUE(len - 4 < columns);
        CU_ASSERT_PTR_NULL(strchr(text, '\n'));
        CU_ASSERT_TRUE(columns < 7 || strstr(text, "25 %") != NULL);
    }
    terminal_close(&terminal);
    rp_load_stats_close(stats);
}

static void test_widths(void)
{
    check_widths("C.UTF-8");
    check_widths("C");
}

static void test_line(void)
{
    struct terminal terminal;
    open_running(&terminal, "C");
    set_columns(&terminal, 120);
    rp_load_progress_show(&progress, stats, LOAD_CASE_BEGIN + 500 * MS);
    CU_ASSERT_PTR_NOT_NULL(strstr(terminal_read(&terminal), "  999 accepted  1,998/s  1 refused"));
    rp_load_progress_show(&progress, stats, LOAD_CASE_BEGIN + 1000 * MS);
    CU_ASSERT_STRING_EQUAL(terminal_read(&terminal),
                           "\r[########------------------------]  25 %  999 accepted  999/s  "
                           "p99 2.00 ms  1 refused  0 errors  3.0 s left\x1b[K");
    rp_load_progress_show(&progress, stats, LOAD_CASE_BEGIN + 1001 * MS);
    CU_ASSERT_STRING_EQUAL(terminal_read(&terminal), ""); /* too soon */
    /* A text wipes the line, and the line comes again below. */
    rp_load_stats_sample(stats, "rcpt", "550 no", 6);
    rp_load_progress_show(&progress, stats, LOAD_CASE_BEGIN + 1100 * MS);
    CU_ASSERT_EQUAL(
        strncmp(terminal_read(&terminal), "\r\x1b[Kringpost-load: rcpt: 550 no\r\n\r[###", 38), 0);
    rp_load_progress_clear(&progress);
    CU_ASSERT_STRING_EQUAL(terminal_read(&terminal), "\r\x1b[K");
    rp_load_progress_clear(&progress);
    CU_ASSERT_STRING_EQUAL(terminal_read(&terminal), "");
    terminal_close(&terminal);
    rp_load_stats_close(stats);
    open_running(&terminal, "C.UTF-8");
    rp_load_progress_show(&progress, stats, LOAD_CASE_BEGIN + 1000 * MS); /* no size: 80 columns */
    CU_ASSERT_PTR_NULL(strstr(terminal_read(&terminal), "▕"));
    set_columns(&terminal, 84); /* 23 for the bar: a quarter is five columns and six eighths */
    rp_load_progress_show(&progress, stats, LOAD_CASE_BEGIN + 2000 * MS);
    CU_ASSERT_EQUAL(strncmp(terminal_read(&terminal), "\r▕█████▊ ", 23), 0);
    terminal_close(&terminal);
    rp_load_stats_close(stats);
}

/* A terminal that cannot go back on its line is a log. */
static void test_dumb(void)
{
    struct terminal terminal;
    terminal_open(&terminal, "C");
    CU_ASSERT_EQUAL_FATAL(setenv("TERM", "dumb", 1), 0);
    rp_load_progress_init(&progress, 0, 0);
    CU_ASSERT_FALSE(progress.is_terminal);
    terminal_close(&terminal);
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"log",                        test_log    },
        {"time left",                  test_left   },
        {"warm-up",                    test_warm_up},
        {"texts once",                 test_samples},
        {"terminals of every width",   test_widths },
        {"line of a terminal",         test_line   },
        {"terminal without positions", test_dumb   },
    };
    capture_open(&capture);
    int outcome = SUITE_RUN("perf/load_progress", tests, argc, argv);
    capture_close(&capture);
    return outcome;
}
