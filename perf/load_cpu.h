/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_cpu.h - CPU time: this process's own, and that of a server's cgroup.
 */
#ifndef PERF_LOAD_CPU_H
#define PERF_LOAD_CPU_H

#include <stdint.h>

/* User and system time of this process, with the kernel's workers for its rings; us. */
uint64_t rp_load_cpu_own_us(void);

/*
 * usage_usec of a cpu.stat (cgroup v2). 0; -errno of the file; -EINVAL: it is no such file.
 */
int rp_load_cpu_stat_us(const char *path, uint64_t *us_out);

/* A thread of this process, by its gettid(2): CPU time, and the time that it could have run and
 * got no CPU; ns. Zeros where the kernel does not tell (CONFIG_SCHED_INFO). */
struct rp_load_cpu_thread {
    uint64_t used_ns;
    uint64_t denied_ns;
};
struct rp_load_cpu_thread rp_load_cpu_thread(int tid);

#endif
