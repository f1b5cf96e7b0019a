/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_stop.c - SIGINT and SIGTERM are told apart from nothing at all.
 *
 * Goal: before a signal the answer is no, after it yes, and a wait under way ends with
 * EINTR. Method: a child process for each signal, which sends it to itself while it waits.
 */
#include "suite.h"
#include "tools/stop.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* In the child: 0, or the number of the step that went wrong. */
static int stop_by(int number)
{
    rp_stop_install();
    if (rp_stop_is_asked() || rp_stop_count() != 0) {
        return 1;
    }
    /* Again and again: the first one may come before the sleep has begun. */
    struct itimerspec soon = {
        .it_value = {.tv_nsec = 20000000},
        .it_interval = {.tv_nsec = 20000000},
    };
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = number};
    timer_t timer;
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 ||
        timer_settime(timer, 0, &soon, NULL) != 0) {
        return 2;
    }
    struct timespec pause = {.tv_sec = 10};
    if (nanosleep(&pause, NULL) != -1 || errno != EINTR) {
        return 3;
    }
    if (!rp_stop_is_asked()) {
        return 4;
    }
    /* The timer goes on: each signal counts. */
    for (unsigned before = rp_stop_count(); rp_stop_count() < before + 2;) {
        (void)nanosleep(&pause, NULL); /* ends with the next one */
    }
    return 0;
}

static void check(int number)
{
    pid_t child = fork();
    CU_ASSERT_FATAL(child >= 0);
    if (child == 0) {
        _exit(stop_by(number));
    }
    int status = 0;
    CU_ASSERT_EQUAL_FATAL(waitpid(child, &status, 0), child);
    CU_ASSERT_TRUE_FATAL(WIFEXITED(status));
    CU_ASSERT_EQUAL(WEXITSTATUS(status), 0);
}

static void test_signals(void)
{
    check(SIGINT);
    check(SIGTERM);
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"both signals", test_signals},
    };
    return SUITE_RUN("tools/stop", tests, argc, argv);
}
