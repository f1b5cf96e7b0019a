/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * states_main.c - make states, look at each, count them. README.md says what is checked.
 */
#include "states_check.h"
#include "states_damage.h"
#include "states_files.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATES_USUAL 110000u
#define STATES_LONG  10000000u
#define READER_EACH  5u   /* one of so many is looked at through the reader library, too */
#define REAL_EACH    400u /* and one of so many as files of a real directory */

static const char *const crash_names[STATES_CRASH_COUNT] = {"kill", "lost", "kept",  "torn",
                                                            "head", "tail", "mixed", "subset"};
static const char *const damage_names[STATES_DAMAGE_COUNT] = {
    "none",       "bit",        "zero-sector", "scrambled", "unreadable",
    "zero-block", "lost-write", "misdirected", "cut",       "gone"};
static const char *const place_names[STATES_PLACE_COUNT] = {
    "head", "body", "begin", "end", "padding", "header", "index", "bell", "meta", "big", "free"};
static const char *const excuse_names[STATES_EXCUSE_COUNT] = {
    "acknowledged, unproven, lost sectors to zeros: said to be unfinished",
    "acknowledged, unproven, the whole batch is zeros: absent",
    "acknowledged, proven by a segment without its header alone: said to be unfinished",
    "acknowledged, unproven, another write came over it: said to be unfinished",
    "acknowledged, unproven, the last segment's file is gone: absent",
    "acknowledged and whole: a reader waits behind what is unfinished",
    "void, the header that says so is damaged: shown",
    "acknowledged, touched: a void one is shown in its place",
    "spool.meta damaged, and what could replace it: refused",
};

struct options {
    uint64_t seed;
    uint64_t count;
    uint64_t only_history; /* with only_state: UINT64_MAX: all */
    uint64_t only_state;
    bool keeps_going;
};

struct run {
    struct options options;
    struct states_history history;
    struct states_disk disk;
    struct states_look look;
    struct states_tally tally;
    uint64_t number;  /* of the history */
    uint64_t state;   /* within the history */
    uint64_t states;  /* in all */
    uint64_t readers; /* of these through the reader library */
    uint64_t reals;   /* in a real directory */
    uint64_t faults;
    uint64_t messages;
    uint64_t by_class[STATES_CRASH_COUNT][STATES_DAMAGE_COUNT];
    uint64_t by_place[STATES_PLACE_COUNT];
    char real_path[64]; /* a directory of our own; empty: none */
};

/* What one state is made of. */
struct plan {
    enum states_crash crash;
    uint32_t variant;
    enum states_damage damage;
    bool is_twice; /* a second damage, of any kind */
};

/* ---- one state ---- */

/* Where one state is run alone: what was done, and what is seen of it. */
static void tell_all(const struct run *run)
{
    for (uint32_t i = 0; i < run->history.batch_count; i++) {
        const struct states_batch *batch = &run->history.batches[i];
        printf(
            "  batch %u: file %u, %llu octets at %llu, begin %llu, end %llu, sequence %llu + %u, "
            "write %zu, ack %zd, void %zd\n",
            i, batch->file, (unsigned long long)batch->len, (unsigned long long)batch->off,
            (unsigned long long)batch->begin_off, (unsigned long long)batch->end_off,
            (unsigned long long)batch->first_sequence, batch->count, batch->write_op,
            (ssize_t)batch->ack_op, (ssize_t)batch->void_op);
    }
    static const char *const kinds[] = {"exact", "damaged", "unfinished", "wrong"};
    for (size_t i = 0; i < run->look.seen_count; i++) {
        const struct states_seen *seen = &run->look.seen[i];
        printf("  seen: segment %llu, sequence %llu at %llu: %s\n",
               (unsigned long long)seen->segment, (unsigned long long)seen->sequence,
               (unsigned long long)seen->offset, kinds[seen->kind]);
    }
}

static void tell(struct run *run, const struct plan *plan, const char *how, const char *why)
{
    run->faults++;
    printf("FAULT seed %llu, history %llu, state %llu: after %zu of %zu operations, %s, %s%s; %s\n"
           "  %s\n  again: states --seed %llu --only %llu:%llu\n",
           (unsigned long long)run->options.seed, (unsigned long long)run->number,
           (unsigned long long)run->state, run->disk.done, run->history.op_count,
           crash_names[plan->crash], damage_names[plan->damage], plan->is_twice ? ", and more" : "",
           how, why, (unsigned long long)run->options.seed, (unsigned long long)run->number,
           (unsigned long long)run->state);
    for (size_t i = 0; i < run->disk.damage_count; i++) {
        const struct states_range *range = &run->disk.damages[i];
        const struct states_file *file = &run->history.files[range->file];
        printf("  damaged: file %u (kind %d, number %llu), %llu octets at %llu\n", range->file,
               (int)file->kind, (unsigned long long)file->number, (unsigned long long)range->len,
               (unsigned long long)range->off);
    }
    for (size_t i = 0; i < run->look.problem_count; i++) {
        const struct rp_spool_problem *problem = &run->look.problems[i];
        printf("  said: problem %d, segment %llu, sequence %llu, count %llu\n", (int)problem->kind,
               (unsigned long long)problem->segment, (unsigned long long)problem->sequence,
               (unsigned long long)problem->count);
    }
    if (run->options.only_history != UINT64_MAX) {
        tell_all(run);
    }
    (void)fflush(stdout);
}

static void check(struct run *run, const struct plan *plan, const char *how)
{
    char why[256];
    if (!states_check_do(&run->disk, &run->look, &run->tally, why, sizeof why)) {
        tell(run, plan, how, why);
    }
}

/* Whoever writes a spool recovers it next: here a start of the daemon would come in between. */
static void look_at_real(struct run *run, const struct plan *plan)
{
    char command_path[96];
    static uint64_t number;
    (void)snprintf(command_path, sizeof command_path, "%s/%llu", run->real_path,
                   (unsigned long long)number++);
    if (mkdir(command_path, 0700) != 0) {
        tell(run, plan, "real files", strerror(errno));
        return;
    }
    int fd = open(command_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = fd < 0 ? -errno : states_files_write(&run->disk, fd);
    if (error != 0) {
        tell(run, plan, "real files", strerror(-error));
    } else {
        states_look_reader(&run->look, &run->disk, command_path);
        check(run, plan, "real files");
    }
    states_files_remove(fd);
    (void)close(fd); /* it was only read */
    (void)rmdir(command_path);
    run->reals++;
}

static void try_state(struct run *run, const struct plan *plan)
{
    const struct options *options = &run->options;
    run->state++;
    if (options->only_history != UINT64_MAX && run->state != options->only_state) {
        return;
    }
    struct sim_random random =
        sim_random_from(options->seed ^ (run->number << 40) ^ run->state, "state");
    states_disk_crash(&run->disk, plan->crash, plan->variant, &random);
    enum states_damage damage = plan->damage;
    enum states_place place;
    if (damage != STATES_DAMAGE_NONE) {
        if (!states_damage_do(&run->disk, damage, &random, &place)) {
            states_disk_restore(&run->disk);
            return;
        }
        run->by_place[place] += damage < STATES_DAMAGE_LOST_WRITE;
        if (plan->is_twice) {
            (void)states_damage_do(
                &run->disk,
                1 + (enum states_damage)sim_random_below(&random, STATES_DAMAGE_COUNT - 1), &random,
                &place);
        }
    }
    run->states++;
    run->by_class[plan->crash][damage]++;
    states_look_survey(&run->look, &run->disk, STATES_FILES_ROOT);
    check(run, plan, "survey");
    if (run->state % READER_EACH == 0 || options->only_history != UINT64_MAX) {
        run->readers++;
        states_look_reader(&run->look, &run->disk, STATES_FILES_ROOT);
        check(run, plan, "reader");
    }
    bool is_readable = true;
    for (uint32_t i = 0; i < run->history.file_count; i++) {
        is_readable = is_readable && !run->disk.images[i].has_unreadable;
    }
    if (run->real_path[0] != '\0' && is_readable && run->state % REAL_EACH == 0) {
        look_at_real(run, plan);
    }
    states_disk_restore(&run->disk);
}

/* ---- all states of a history ---- */

static bool is_over(const struct run *run)
{
    return (run->faults > 0 && !run->options.keeps_going) || run->faults >= 20 ||
           (run->options.only_history == UINT64_MAX && run->states >= run->options.count);
}

/* One crash, without damage and with each kind of it. */
static void try_crash(struct run *run, enum states_crash crash, uint32_t variant)
{
    struct plan plan = {.crash = crash, .variant = variant};
    try_state(run, &plan);
    for (int damage = STATES_DAMAGE_NONE + 1; damage < STATES_DAMAGE_COUNT; damage++) {
        plan.damage = (enum states_damage)damage;
        plan.is_twice = run->state % 7 == 0;
        try_state(run, &plan);
    }
}

static void try_point(struct run *run)
{
    const uint64_t sectors = states_disk_open_sectors(&run->disk);
    for (int crash = 0; crash < STATES_CRASH_SUBSET; crash++) {
        /* Where all is durable, only the doorbell may be another. */
        if (sectors > 0 || crash <= STATES_CRASH_KEPT) {
            try_crash(run, (enum states_crash)crash, 0);
        }
    }
    if (sectors == 0 || sectors > STATES_SUBSET_BITS) {
        return;
    }
    for (uint32_t variant = 0; variant < 1u << sectors; variant++) {
        struct plan plan = {.crash = STATES_CRASH_SUBSET, .variant = variant};
        try_state(run, &plan);
        plan.damage = 1 + (enum states_damage)(run->state % (STATES_DAMAGE_COUNT - 1));
        try_state(run, &plan);
    }
}

static void try_history(struct run *run)
{
    const size_t made = 2; /* spool.meta and the doorbell: before these it is no spool */
    states_history_make(&run->history, run->options.seed * 1000003 + run->number);
    states_disk_init(&run->disk, &run->history);
    states_files_show(&run->disk);
    run->state = 0;
    run->messages += run->history.message_count;
    while (run->disk.done < run->history.op_count && !is_over(run)) {
        states_disk_advance(&run->disk);
        if (run->disk.done >= made) {
            try_point(run);
        }
    }
    states_files_show(NULL);
    states_disk_free(&run->disk);
    states_history_free(&run->history);
}

/* ---- the program ---- */

static void print_tables(const struct run *run)
{
    printf("%-12s", "");
    for (int crash = 0; crash < STATES_CRASH_COUNT; crash++) {
        printf("%10s", crash_names[crash]);
    }
    printf("\n");
    for (int damage = 0; damage < STATES_DAMAGE_COUNT; damage++) {
        printf("%-12s", damage_names[damage]);
        for (int crash = 0; crash < STATES_CRASH_COUNT; crash++) {
            printf("%10llu", (unsigned long long)run->by_class[crash][damage]);
        }
        printf("\n");
    }
    printf("aimed at:");
    for (int place = 0; place < STATES_PLACE_COUNT; place++) {
        printf(" %s %llu", place_names[place], (unsigned long long)run->by_place[place]);
    }
    printf("\n%llu histories, %llu messages; seen in all states: %llu acknowledged and exact, %llu "
           "touched and reported, %llu not acknowledged and whole\n",
           (unsigned long long)run->number, (unsigned long long)run->messages,
           (unsigned long long)run->tally.exact, (unsigned long long)run->tally.reported,
           (unsigned long long)run->tally.unacked);
    for (int i = 0; i < STATES_EXCUSE_COUNT; i++) {
        printf("excused: %llu %s\n", (unsigned long long)run->tally.excuses[i], excuse_names[i]);
    }
    printf("%llu states (%llu also through the reader, %llu as real files), %llu faults\n",
           (unsigned long long)run->states, (unsigned long long)run->readers,
           (unsigned long long)run->reals, (unsigned long long)run->faults);
}

static bool parse(int argc, char **argv, struct options *options)
{
    static const struct option longs[] = {
        {"seed",       required_argument, NULL, 's'},
        {"states",     required_argument, NULL, 'n'},
        {"long",       no_argument,       NULL, 'l'},
        {"only",       required_argument, NULL, 'o'},
        {"keep-going", no_argument,       NULL, 'k'},
        {NULL,         0,                 NULL, 0  },
    };
    unsigned long long history;
    unsigned long long state;
    int option;
    while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        switch (option) {
        case 's': options->seed = strtoull(optarg, NULL, 0); break;
        case 'n': options->count = strtoull(optarg, NULL, 0); break;
        case 'l': options->count = STATES_LONG; break;
        case 'k': options->keeps_going = true; break;
        case 'o':
            if (sscanf(optarg, "%llu:%llu", &history, &state) != 2) {
                return false;
            }
            options->only_history = history;
            options->only_state = state;
            break;
        default: return false;
        }
    }
    return optind == argc;
}

int main(int argc, char **argv)
{
    struct options options = {.seed = 1, .count = STATES_USUAL, .only_history = UINT64_MAX};
    if (!parse(argc, argv, &options)) {
        fprintf(stderr, "usage: states [--seed N] [--states N | --long] [--keep-going] "
                        "[--only HISTORY:STATE]\n");
        return 2;
    }
    struct run *run = calloc(1, sizeof *run);
    assert(run != NULL);
    run->options = options;
    const char *base = getenv("TMPDIR");
    struct stat status;
    base = base != NULL ? base : stat("/dev/shm", &status) == 0 ? "/dev/shm" : "/tmp";
    (void)snprintf(run->real_path, sizeof run->real_path, "%s/ringpost-states-XXXXXX", base);
    if (mkdtemp(run->real_path) == NULL) {
        printf("no directory in %s: no real files\n", base);
        run->real_path[0] = '\0';
    }
    if (options.only_history != UINT64_MAX) {
        run->number = options.only_history;
        try_history(run);
    }
    for (; options.only_history == UINT64_MAX && !is_over(run); run->number++) {
        try_history(run);
    }
    print_tables(run);
    if (run->real_path[0] != '\0') {
        (void)rmdir(run->real_path);
    }
    int result = run->faults > 0 ? 1 : 0;
    free(run);
    return result;
}
