/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * standalone_main.c - run a fuzz target without libFuzzer: replay files, mutate a little.
 *
 *     replay_smtp [--mutate N] [--seed S] FILE|FOLDER...
 *
 * Every file of the folders (not of folders in them) goes through
 * LLVMFuzzerTestOneInput once, and N times with a few octets changed, cut or
 * repeated. Each input ends at a page nobody may touch, so a target that reads
 * past it dies without a sanitizer, too. A target dies on what it finds wrong;
 * the name and the seed printed last say with which input.
 */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

#define INPUT_MAX (4u << 20) /* octets; a seed corpus holds small files */
#define EDITS_MAX 4          /* changes to one input */

struct replay {
    uint8_t *room;     /* INPUT_MAX octets that end at a forbidden page */
    uint8_t *original; /* INPUT_MAX octets */
    uint8_t *changed;  /* INPUT_MAX octets */
    uint64_t random;   /* state of the generator */
    unsigned long mutations;
    unsigned long inputs; /* run so far */
};

/* splitmix64: small, and the same everywhere for a seed. */
static uint64_t next_random(struct replay *replay)
{
    uint64_t mixed = replay->random += UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ mixed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ mixed >> 31;
}

static size_t next_below(struct replay *replay, size_t bound)
{
    return bound > 0 ? (size_t)(next_random(replay) % bound) : 0;
}

static void *map_or_die(size_t len)
{
    void *base = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    return base;
}

static void open_replay(struct replay *replay, uint64_t seed, unsigned long mutations)
{
    size_t page_len = (size_t)sysconf(_SC_PAGESIZE);
    assert(INPUT_MAX % page_len == 0);
    uint8_t *room = map_or_die(INPUT_MAX + page_len);
    int error = mprotect(room + INPUT_MAX, page_len, PROT_NONE);
    assert(error == 0);
    *replay = (struct replay){
        .room = room,
        .original = map_or_die(INPUT_MAX),
        .changed = map_or_die(INPUT_MAX),
        .random = seed,
        .mutations = mutations,
    };
}

static void run_once(struct replay *replay, const uint8_t *octets, size_t len)
{
    uint8_t *input = replay->room + INPUT_MAX - len;
    if (len > 0) {
        memcpy(input, octets, len);
    }
    (void)LLVMFuzzerTestOneInput(input, len); /* says nothing: a target dies on a fault */
    replay->inputs++;
}

/* One change: an octet altered, a piece taken out, or a piece put in twice. The new length. */
static size_t edit(struct replay *replay, uint8_t *octets, size_t len)
{
    if (len == 0) {
        return 0;
    }
    size_t at = next_below(replay, len);
    size_t piece = 1 + next_below(replay, len - at < 16 ? len - at : 16);
    switch (next_below(replay, 4)) {
    case 0: octets[at] ^= (uint8_t)(1u << next_below(replay, 8)); return len;
    case 1: octets[at] = (uint8_t)next_random(replay); return len;
    case 2: memmove(octets + at, octets + at + piece, len - at - piece); return len - piece;
    default:
        if (len + piece > INPUT_MAX) {
            return len;
        }
        memmove(octets + at + piece, octets + at, len - at);
        return len + piece;
    }
}

static void run_mutations(struct replay *replay, size_t original_len)
{
    for (unsigned long i = 0; i < replay->mutations; i++) {
        size_t len = original_len;
        memcpy(replay->changed, replay->original, len);
        for (size_t edits = 1 + next_below(replay, EDITS_MAX); edits > 0; edits--) {
            len = edit(replay, replay->changed, len);
        }
        run_once(replay, replay->changed, len);
    }
}

/* False, with a line on stderr, where the file cannot be read or is too big. */
static bool replay_file(struct replay *replay, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return false;
    }
    size_t len = fread(replay->original, 1, INPUT_MAX, file);
    bool is_good = ferror(file) == 0 && (len < INPUT_MAX || fgetc(file) == EOF);
    fclose(file);
    if (!is_good) {
        fprintf(stderr, "%s: cannot be read, or has more than %u octets\n", path, INPUT_MAX);
        return false;
    }
    printf("%s: %zu octets, generator at %" PRIu64 "\n", path, len, replay->random);
    fflush(stdout); /* before a crash */
    run_once(replay, replay->original, len);
    run_mutations(replay, len);
    return true;
}

static int is_no_dot_file(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static bool replay_folder(struct replay *replay, const char *path)
{
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, is_no_dot_file, alphasort);
    if (count <= 0) {
        fprintf(stderr, "%s: no input in this folder\n", path);
        return false;
    }
    bool is_good = true;
    for (int i = 0; i < count; i++) {
        char name[2048];
        int len = snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
        is_good &= len > 0 && (size_t)len < sizeof(name) && replay_file(replay, name);
        free(entries[i]);
    }
    free(entries);
    return is_good;
}

static bool replay_path(struct replay *replay, const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return false;
    }
    return S_ISDIR(status.st_mode) ? replay_folder(replay, path) : replay_file(replay, path);
}

static bool read_number(const char *text, uint64_t *number_out)
{
    uint64_t number = 0;
    for (const char *digit = text; *digit != '\0'; digit++) {
        if (*digit < '0' || *digit > '9' || number > (UINT64_MAX - 9) / 10) {
            return false;
        }
        number = number * 10 + (uint64_t)(*digit - '0');
    }
    *number_out = number;
    return text[0] != '\0';
}

int main(int argc, char **argv)
{
    uint64_t mutations = 0;
    uint64_t seed = (uint64_t)time(NULL);
    int at = 1;
    for (; at + 1 < argc && strncmp(argv[at], "--", 2) == 0; at += 2) {
        uint64_t *number = strcmp(argv[at], "--mutate") == 0 ? &mutations
                           : strcmp(argv[at], "--seed") == 0 ? &seed
                                                             : NULL;
        if (number == NULL || !read_number(argv[at + 1], number)) {
            break;
        }
    }
    if (at >= argc || argv[at][0] == '-') {
        fprintf(stderr, "usage: %s [--mutate N] [--seed S] FILE|FOLDER...\n", argv[0]);
        return 2;
    }

    printf("seed %" PRIu64 "\n", seed);
    struct replay replay;
    open_replay(&replay, seed, (unsigned long)mutations);
    bool is_good = true;
    for (; at < argc; at++) {
        is_good &= replay_path(&replay, argv[at]);
    }
    printf("%lu inputs\n", replay.inputs);
    return is_good ? 0 : 1;
}
