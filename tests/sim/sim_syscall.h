/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_syscall.h - faults of the plain system calls that recovery and readers make.
 *
 * The linker (--wrap) puts the functions of sim_syscall.c in the place of libc's in this program
 * alone. They do nothing of their own but between arm and disarm, when the code under test runs.
 */
#ifndef SIM_SYSCALL_H
#define SIM_SYSCALL_H

#include <stdbool.h>
#include <stdint.h>

/* What recovery suffers, beside blocks that cannot be read. */
struct sim_syscall_faults {
    uint32_t read_error_ppm; /* a read fails, the next one of the same octets need not */
    uint32_t call_error_ppm; /* any call that changes something fails: -EIO, -ENOSPC, -EMFILE */
    uint64_t dead_after;     /* after so many calls all fail: as if it had been killed; 0: never */
};

/* NULL: only blocks that cannot be read fail. */
void sim_syscall_arm(uint64_t seed, const struct sim_syscall_faults *faults);
void sim_syscall_disarm(void);

/* A block of 4096 octets that cannot be read until it is written to. `name` is relative to the
 * spool: "lane-000/0000000000000001.seg". */
void sim_syscall_spoil(const char *name, uint64_t block);

/* All blocks can be read again. */
void sim_syscall_heal(void);

#endif
