/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_file.c - a report's file.
 */
#include "load_file.h"

#include <sys/stat.h>

enum rp_failure_exit rp_load_file_open(struct rp_target *target, const char *path)
{
    enum rp_failure_exit outcome = rp_target_open(target, path);
    if (outcome == RP_EXIT_FINE && target->temp_path[0] != '\0') {
        mode_t mask = umask(077); /* only by setting it can it be read */
        (void)umask(mask);
        /* Where the file system knows no modes the report is there nevertheless. */
        (void)fchmod(target->output.fd, 0666 & ~mask);
    }
    return outcome;
}
