/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * command.h - the commands of ringpost-spool: one file cmd_NAME.c each.
 *
 * Each is given its checked arguments, prints to stdout, says on stderr what fails, and
 * returns the exit status. spool_main.c has the table of them.
 */
#ifndef TOOLS_COMMAND_H
#define TOOLS_COMMAND_H

#include "failure.h"
#include "options.h"

enum rp_failure_exit rp_cmd_ls(const struct rp_options *options);
enum rp_failure_exit rp_cmd_cat(const struct rp_options *options);
enum rp_failure_exit rp_cmd_show(const struct rp_options *options);
enum rp_failure_exit rp_cmd_follow(const struct rp_options *options);
enum rp_failure_exit rp_cmd_verify(const struct rp_options *options);
enum rp_failure_exit rp_cmd_stats(const struct rp_options *options);
enum rp_failure_exit rp_cmd_export(const struct rp_options *options);

#endif
