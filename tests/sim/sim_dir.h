/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_dir.h - directories of a spool at rest: paths, names in a fixed order, removal.
 */
#ifndef SIM_DIR_H
#define SIM_DIR_H

#include <stdbool.h>

#define SIM_DIR_PATH 512

/* "root/dir/name"; dir "": "root/name". */
void sim_dir_join(char path[SIM_DIR_PATH], const char *root, const char *dir, const char *name);

/* The names in a directory, sorted: readdir's order is no seed's choice. NULL ends them. None where
 * there is no such directory. */
char **sim_dir_list(const char *path);
void sim_dir_free(char **names);

bool sim_dir_is_one(const char *path);
bool sim_dir_exists(const char *path);

/* Remove a spool's directory and what is in it. */
void sim_dir_remove(const char *path);

#endif
