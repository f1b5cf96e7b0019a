/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_main.c - the program `sim`: runs of seeds, one line each.
 */
#include "engine/log.h"
#include "sim_life.h"
#include "sim_trace.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static const char usage[] =
    "usage: sim [--seed N] [--runs N] [--lives N] [--faults none|net|disk|power|decay|hands|all]\n"
    "           [--verbose]\n"
    "Run the engine on virtual time, with a virtual network and a faulty disk.\n"
    "  --seed N    the first seed (default: a fresh one); the same seed gives the same run\n"
    "  --runs N    so many seeds, one after the other (default: 1)\n"
    "  --lives N   starts of the engine in a run (default: the seed's choice)\n"
    "  --faults F  which faults a seed may have, with commas between (default: all)\n"
    "  --verbose   print every event\n"
    "Exits with 1 where a promise was broken, and says which, when, and how to see it again.\n";

struct options {
    uint64_t seed;
    uint64_t run_count;
    uint32_t life_count; /* 0: the seed's choice */
    uint32_t faults;
    bool is_verbose;
};

static bool read_number(const char *text, uint64_t max, uint64_t *number_out)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || number > max) {
        fprintf(stderr, "sim: \"%s\" is no number from 0 to %" PRIu64 "\n", text, max);
        return false;
    }
    *number_out = number;
    return true;
}

static bool read_faults(const char *text, uint32_t *faults_out)
{
    static const struct {
        const char *name;
        uint32_t faults;
    } names[] = {
        {"none",  0               },
        {"net",   SIM_FAULTS_NET  },
        {"disk",  SIM_FAULTS_DISK },
        {"power", SIM_FAULTS_POWER},
        {"decay", SIM_FAULTS_DECAY},
        {"hands", SIM_FAULTS_HANDS},
        {"all",   SIM_FAULTS_ALL  },
    };
    *faults_out = 0;
    bool is_good = true;
    for (const char *word = text; is_good && word != NULL;) {
        const char *end = strchrnul(word, ',');
        is_good = false;
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            bool is_it = strncmp(word, names[i].name, (size_t)(end - word)) == 0 &&
                         names[i].name[end - word] == '\0';
            *faults_out |= is_it ? names[i].faults : 0;
            is_good |= is_it;
        }
        word = *end == ',' ? end + 1 : NULL;
    }
    if (is_good) {
        return true;
    }
    fprintf(stderr, "sim: --faults %s: none, net, disk, power, decay, hands and all are known\n",
            text);
    return false;
}

/* 0: go on; else the exit status plus 1. */
static int read_options(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {
        {"seed",    required_argument, NULL, 's'},
        {"runs",    required_argument, NULL, 'r'},
        {"lives",   required_argument, NULL, 'l'},
        {"faults",  required_argument, NULL, 'f'},
        {"verbose", no_argument,       NULL, 'v'},
        {"help",    no_argument,       NULL, 'h'},
        {NULL,      0,                 NULL, 0  },
    };
    uint64_t lives = 0;
    bool is_good = true;
    int letter;
    while (is_good && (letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (letter) {
        case 's': is_good = read_number(optarg, UINT64_MAX, &options->seed); break;
        case 'r': is_good = read_number(optarg, UINT32_MAX, &options->run_count); break;
        case 'l': is_good = read_number(optarg, 1000, &lives); break;
        case 'f': is_good = read_faults(optarg, &options->faults); break;
        case 'v': options->is_verbose = true; break;
        case 'h': fputs(usage, stdout); return 1;
        default: is_good = false; break;
        }
    }
    options->life_count = (uint32_t)lives;
    if (!is_good || optind != argc) {
        fputs(usage, stderr);
        return 3;
    }
    return 0;
}

static char base[200]; /* the directory of this process */

/* A fresh directory: in memory where that is possible, for a run writes and copies a lot. */
static bool make_base(void)
{
    const char *places[] = {getenv("TMPDIR"), "/dev/shm", "/tmp"};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        char *real = places[i] == NULL ? NULL : realpath(places[i], NULL);
        if (real != NULL && strlen(real) <= 100) {
            (void)snprintf(base, sizeof(base), "%s/ringpost-sim-XXXXXX", real);
            free(real);
            if (mkdtemp(base) != NULL) {
                return true;
            }
        }
    }
    fprintf(stderr, "sim: cannot make a directory in TMPDIR, /dev/shm or /tmp: %s\n",
            strerror(errno));
    return false;
}

static void remove_base(void)
{
    /* After a failure the spool stays there for whoever looks into it. */
    if (rmdir(base) != 0) {
        fprintf(stderr, "the spool is in %s\n", base);
    }
}

int main(int argc, char **argv)
{
    struct options options = {.run_count = 1, .faults = SIM_FAULTS_ALL};
    uint32_t fresh;
    if (getrandom(&fresh, sizeof(fresh), 0) != sizeof(fresh)) {
        return 1;
    }
    options.seed = fresh;
    int status = read_options(argc, argv, &options);
    if (status != 0) {
        return status - 1;
    }
    if (!make_base()) {
        return 1;
    }
    atexit(remove_base);
    for (uint64_t run = 0; run < options.run_count; run++) {
        uint64_t seed = options.seed + run;
        static struct sim_plan plan;
        sim_trace_open(seed, options.is_verbose);
        sim_plan_make(&plan, seed, options.faults, options.life_count);
        if (!options.is_verbose && rp_log_open(&plan.config) != 0) {
            return 1;
        }
        struct sim_life_sum sum;
        sim_life_run(&plan, base, &sum);
        printf("seed %" PRIu64 ": %u lives, %" PRIu64 " events, %" PRIu64
               " messages taken, %" PRIu64 " refused, %" PRIu64 " in the spool, trace %016" PRIx64
               "\n",
               seed, plan.life_count, sim_trace_count(), sum.messages, sum.refused, sum.found,
               sim_trace_hash());
        fflush(stdout);
    }
    return 0;
}
