/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_file.h - a report's file: as tools/target.h, but for everybody to read.
 *
 *     static struct rp_target target;
 *     if (rp_load_file_open(&target, path) == RP_EXIT_FINE) { ...as any target... }
 */
#ifndef PERF_LOAD_FILE_H
#define PERF_LOAD_FILE_H

#include "tools/target.h"

/* As rp_target_open; the mode of a new file is what the umask leaves of 0666: a report is no mail,
 * and who runs a build is seldom who reads its artefacts. While no other thread makes files. */
enum rp_failure_exit rp_load_file_open(struct rp_target *target, const char *path);

#endif
