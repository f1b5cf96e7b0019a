/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_cpu.c - CPU time: this process's own, and that of a server's cgroup.
 */
#include "load_cpu.h"

#include "tools/text.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define US_PER_S UINT64_C(1000000)

uint64_t rp_load_cpu_own_us(void)
{
    struct rusage usage;
    int err = getrusage(RUSAGE_SELF, &usage);
    assert(err == 0);
    return ((uint64_t)usage.ru_utime.tv_sec + (uint64_t)usage.ru_stime.tv_sec) * US_PER_S +
           (uint64_t)usage.ru_utime.tv_usec + (uint64_t)usage.ru_stime.tv_usec;
}

/* As much of the file as fits, with a NUL behind it: it has a dozen short lines. 0 or -errno. */
static int read_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    ssize_t len = read(fd, text, size - 1); /* the kernel gives all of it at once */
    int err = len < 0 ? -errno : 0;
    text[len < 0 ? 0 : len] = '\0';
    (void)close(fd); /* only read */
    return err;
}

int rp_load_cpu_stat_us(const char *path, uint64_t *us_out)
{
    static const char name[] = "usage_usec ";
    char text[2048];
    int err = read_text(path, text, sizeof(text));
    if (err != 0) {
        return err;
    }
    char *line = text;
    while (line != NULL && strncmp(line, name, sizeof(name) - 1) != 0) {
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    if (line == NULL) {
        return -EINVAL;
    }
    char *number = line + sizeof(name) - 1;
    number[strcspn(number, "\n")] = '\0';
    return rp_text_number(number, us_out) == 0 ? 0 : -EINVAL;
}

/* Digits at *text, which then stands behind them and what follows up to the next ones. */
static uint64_t take_number(const char **text)
{
    uint64_t number = 0;
    for (; **text >= '0' && **text <= '9'; (*text)++) {
        number = number * 10 + (uint64_t)(**text - '0'); /* the kernel's: it fits */
    }
    *text += **text == ' ' ? 1 : 0;
    return number;
}

struct rp_load_cpu_thread rp_load_cpu_thread(int tid)
{
    char path[64];
    char text[128] = "";
    struct rp_load_cpu_thread thread = {0};
    (void)snprintf(path, sizeof(path), "/proc/self/task/%d/schedstat", tid);
    if (read_text(path, text, sizeof(text)) == 0) {
        const char *at = text;
        thread.used_ns = take_number(&at);
        thread.denied_ns = take_number(&at);
    }
    return thread;
}
