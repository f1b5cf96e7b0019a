/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * stop.c - SIGINT and SIGTERM as a question that loops ask.
 */
#include "stop.h"

#include <assert.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>

static volatile sig_atomic_t count; /* written by the handler only, with both signals blocked */

static void ask(int number)
{
    (void)number;
    count = count < SIG_ATOMIC_MAX ? count + 1 : count;
}

void rp_stop_install(void)
{
    struct sigaction action = {.sa_handler = ask}; /* no SA_RESTART: a wait shall end */
    (void)sigaddset(&action.sa_mask, SIGINT);      /* both are valid numbers */
    (void)sigaddset(&action.sa_mask, SIGTERM);
    int error = sigaction(SIGINT, &action, NULL);
    assert(error == 0);
    error = sigaction(SIGTERM, &action, NULL);
    assert(error == 0);
}

bool rp_stop_is_asked(void)
{
    return count != 0;
}

unsigned rp_stop_count(void)
{
    return (unsigned)count;
}
