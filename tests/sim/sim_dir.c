/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_dir.c - see sim_dir.h.
 */
#include "sim_dir.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void sim_dir_join(char path[SIM_DIR_PATH], const char *root, const char *dir, const char *name)
{
    int len = snprintf(path, SIM_DIR_PATH, "%s/%s%s%s", root, dir, dir[0] == '\0' ? "" : "/", name);
    assert(len > 0 && len < SIM_DIR_PATH);
}

static int by_name(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

char **sim_dir_list(const char *path)
{
    DIR *stream = opendir(path);
    size_t count = 0;
    char **names = calloc(1, sizeof(*names));
    struct dirent *entry;
    while (stream != NULL && (entry = readdir(stream)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        names = reallocarray(names, count + 2, sizeof(*names));
        assert(names != NULL);
        names[count++] = strdup(entry->d_name);
        names[count] = NULL;
    }
    if (stream != NULL) {
        closedir(stream);
    }
    assert(names != NULL);
    qsort(names, count, sizeof(*names), by_name);
    return names;
}

void sim_dir_free(char **names)
{
    for (size_t i = 0; names[i] != NULL; i++) {
        free(names[i]);
    }
    free(names);
}

bool sim_dir_is_one(const char *path)
{
    struct stat found;
    int err = lstat(path, &found);
    assert(err == 0);
    return S_ISDIR(found.st_mode);
}

bool sim_dir_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

void sim_dir_remove(const char *path)
{
    char **names = sim_dir_list(path);
    for (size_t i = 0; names[i] != NULL; i++) {
        char inner[SIM_DIR_PATH];
        sim_dir_join(inner, path, "", names[i]);
        if (sim_dir_is_one(inner)) {
            char **files = sim_dir_list(inner);
            for (size_t k = 0; files[k] != NULL; k++) {
                char file[SIM_DIR_PATH];
                sim_dir_join(file, path, names[i], files[k]);
                (void)unlink(file); /* what cannot be removed makes the rmdir below fail */
            }
            sim_dir_free(files);
            (void)rmdir(inner);
        } else {
            (void)unlink(inner);
        }
    }
    sim_dir_free(names);
    if (rmdir(path) != 0) {
        fprintf(stderr, "sim: cannot remove %s: %s\n", path, strerror(errno));
    }
}
