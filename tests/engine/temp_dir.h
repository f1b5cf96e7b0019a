/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * temp_dir.h - a directory for the time of a test, and what this process has open.
 */
#ifndef TEMP_DIR_H
#define TEMP_DIR_H

#include <assert.h>
#include <dirent.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Make one; dies where that cannot be. */
static inline void temp_dir_make(char *path, size_t cap)
{
    /* In memory where that is possible: nothing here is about the disk. */
    const char *parent = getenv("TMPDIR");
    if (parent == NULL) {
        parent = access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp";
    }
    int len = snprintf(path, cap, "%s/ringpost-test-XXXXXX", parent);
    assert(len > 0 && (size_t)len < cap);
    const char *made = mkdtemp(path);
    assert(made != NULL);
}

static inline int temp_dir_remove_entry(const char *path,
                                        const struct stat *status,
                                        int type,
                                        struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

/* Remove it with all that is in it. */
static inline void temp_dir_remove(const char *path)
{
    (void)nftw(path, temp_dir_remove_entry, 16,
               FTW_DEPTH | FTW_PHYS); /* what stays is seen in /tmp */
}

/* Entries whose names end so, without hidden ones. */
static inline size_t temp_dir_count(const char *path, const char *suffix)
{
    size_t count = 0;
    DIR *dir = opendir(path);
    assert(dir != NULL);
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        size_t len = strlen(entry->d_name);
        bool is_match =
            len >= strlen(suffix) && strcmp(entry->d_name + len - strlen(suffix), suffix) == 0;
        count += is_match && entry->d_name[0] != '.';
    }
    (void)closedir(dir); /* only read */
    return count;
}

/* How many files this process has open. */
static inline size_t temp_dir_open_files(void)
{
    return temp_dir_count("/proc/self/fd", "") - 1; /* the one that reads the directory */
}

#endif
