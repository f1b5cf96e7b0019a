/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * stop.c - SIGINT and SIGTERM as a question that loops ask.
 */
#include "stop.h"

#include <assert.h>
#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t is_asked;

static void ask(int number)
{
    (void)number;
    is_asked = 1;
}

void rp_stop_install(void)
{
    struct sigaction action = {.sa_handler = ask}; /* no SA_RESTART: a wait shall end */
    int error = sigaction(SIGINT, &action, NULL);
    assert(error == 0);
    error = sigaction(SIGTERM, &action, NULL);
    assert(error == 0);
}

bool rp_stop_is_asked(void)
{
    return is_asked != 0;
}
