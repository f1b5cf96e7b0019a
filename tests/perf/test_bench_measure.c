/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_bench_measure.c - figures are those of the case, and a case that goes wrong is told.
 *
 * Goal: rounds and repeats are as asked for, the figures agree with each other, a result that
 * changes and every error come back, and a case is closed whatever happens. Method: a case
 * whose clockwork is counted; no time is compared with a fixed one.
 */
#include "perf/bench_measure.h"
#include "tests/tools/suite.h"
#include "tools/stop.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define UNITS  3u
#define OCTETS 300u
#define RESULT UINT64_C(0xfeedface)

/* What the case does, and what was done with it. */
static struct {
    int open_error;
    int run_error;
    unsigned wrong_run; /* this call of run gives another result; 0: none */
    unsigned runs;
    uint64_t rounds; /* of all runs */
    uint64_t last_rounds;
    int open_count; /* opened and not closed */
} fake;

static int fake_open(const struct rp_bench_case *self,
                     const struct rp_bench_setup *setup,
                     struct rp_bench_work *work_out)
{
    CU_ASSERT_PTR_EQUAL(work_out->what, self);
    CU_ASSERT_TRUE(setup->is_small);
    if (fake.open_error != 0) {
        return fake.open_error;
    }
    work_out->units = UNITS;
    work_out->octets = OCTETS;
    fake.open_count++;
    return 0;
}

static int fake_run(struct rp_bench_work *work, uint64_t rounds, uint64_t *checksum_out)
{
    CU_ASSERT_EQUAL(work->units, UNITS);
    fake.runs++;
    fake.rounds += rounds;
    fake.last_rounds = rounds;
    /* Work that takes time, and the more rounds the more of it. */
    volatile uint64_t sum = 0;
    for (uint64_t at = 0; at < rounds * 50; at++) {
        sum = sum + at;
    }
    *checksum_out = fake.runs == fake.wrong_run ? RESULT + 1 : RESULT;
    return fake.run_error;
}

static void fake_close(struct rp_bench_work *work)
{
    CU_ASSERT_EQUAL(work->octets, OCTETS);
    fake.open_count--;
}

static const struct rp_bench_case fake_case = {
    .name = "fake/case",
    .unit = "thing",
    .help = "counts",
    .open = fake_open,
    .run = fake_run,
    .close = fake_close,
};
static const struct rp_bench_setup setup = {.dir = "/", .is_small = true};

static void reset(void)
{
    memset(&fake, 0, sizeof(fake));
}

static bool is_near(double left, double right)
{
    return left - right <= right * 1e-9 && right - left <= right * 1e-9;
}

static void test_rounds(void)
{
    const struct rp_bench_measure measure = {.rounds = 1000, .repeat = 5, .time_ns = 1};
    struct rp_bench_result result;
    reset();
    CU_ASSERT_EQUAL(rp_bench_measure_run(&fake_case, &setup, &measure, &result), 0);
    CU_ASSERT_EQUAL(fake.runs, 6); /* the first one says what the result is */
    CU_ASSERT_EQUAL(fake.rounds, 1 + 5 * 1000);
    CU_ASSERT_EQUAL(fake.open_count, 0);
    CU_ASSERT_EQUAL(result.rounds, 1000);
    CU_ASSERT_EQUAL(result.checksum, RESULT);
    CU_ASSERT_TRUE(result.ns_min > 0);
    CU_ASSERT_TRUE(result.ns_min <= result.ns_median && result.ns_median <= result.ns_max);
    CU_ASSERT_TRUE(is_near(result.units_per_s, 1e9 / result.ns_median));
    CU_ASSERT_TRUE(is_near(result.octets_per_s, result.units_per_s * OCTETS / UNITS));
}

static void test_calibrated(void)
{
    const struct rp_bench_measure measure = {.time_ns = 2000000, .repeat = 2};
    struct rp_bench_result result;
    reset();
    CU_ASSERT_EQUAL(rp_bench_measure_run(&fake_case, &setup, &measure, &result), 0);
    CU_ASSERT_TRUE(result.rounds > 1); /* one takes far less than two milliseconds */
    CU_ASSERT_EQUAL(fake.last_rounds, result.rounds);

    const struct rp_bench_measure once = {.time_ns = 0, .repeat = 2};
    reset();
    CU_ASSERT_EQUAL(rp_bench_measure_run(&fake_case, &setup, &once, &result), 0);
    CU_ASSERT_EQUAL(result.rounds, 1);
    CU_ASSERT_EQUAL(fake.runs, 3);
}

static void test_wrong_results(void)
{
    const struct rp_bench_measure measure = {.rounds = 2, .repeat = 3};
    const struct rp_bench_result untouched = {.rounds = 77};
    for (unsigned wrong = 1; wrong <= 4; wrong++) {
        struct rp_bench_result result = untouched;
        reset();
        fake.wrong_run = wrong;
        CU_ASSERT_EQUAL(rp_bench_measure_run(&fake_case, &setup, &measure, &result), -EILSEQ);
        CU_ASSERT_EQUAL(fake.open_count, 0);
        CU_ASSERT_EQUAL(result.rounds, untouched.rounds);
    }
}

static void test_errors(void)
{
    const struct rp_bench_measure measure = {.rounds = 2, .repeat = 3};
    struct rp_bench_result result;
    uint64_t checksum = 0;
    reset();
    fake.open_error = -ENOSPC;
    CU_ASSERT_EQUAL(rp_bench_measure_run(&fake_case, &setup, &measure, &result), -ENOSPC);
    CU_ASSERT_EQUAL(rp_bench_measure_checksum(&fake_case, &setup, &checksum), -ENOSPC);
    CU_ASSERT_EQUAL(fake.runs, 0);
    reset();
    fake.run_error = -EIO;
    CU_ASSERT_EQUAL(rp_bench_measure_run(&fake_case, &setup, &measure, &result), -EIO);
    CU_ASSERT_EQUAL(rp_bench_measure_checksum(&fake_case, &setup, &checksum), -EIO);
    CU_ASSERT_EQUAL(fake.open_count, 0);
    reset();
    CU_ASSERT_EQUAL(rp_bench_measure_checksum(&fake_case, &setup, &checksum), 0);
    CU_ASSERT_EQUAL(checksum, RESULT);
    CU_ASSERT_EQUAL(fake.rounds, 1);
}

/* In a child: the signal stays asked for as long as a process lives. */
static void test_stopped(void)
{
    pid_t child = fork();
    CU_ASSERT_FATAL(child >= 0);
    if (child == 0) {
        const struct rp_bench_measure measure = {.rounds = 2, .repeat = 3};
        struct rp_bench_result result;
        reset();
        rp_stop_install();
        (void)raise(SIGTERM);
        int error = rp_bench_measure_run(&fake_case, &setup, &measure, &result);
        _exit(error == -EINTR && fake.open_count == 0 && fake.runs == 1 ? 0 : 1);
    }
    int status = 0;
    CU_ASSERT_EQUAL_FATAL(waitpid(child, &status, 0), child);
    CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_scale(void)
{
    CU_ASSERT_EQUAL(rp_bench_measure_scale(10, 99, 1000), 100);
    CU_ASSERT_EQUAL(rp_bench_measure_scale(1, 1000000, 10), 1);
    CU_ASSERT_EQUAL(rp_bench_measure_scale(1, 0, 500), 500); /* a clock that did not move */
    CU_ASSERT_TRUE(rp_bench_measure_scale(UINT64_MAX, 0, UINT64_MAX) >= 1);
}

static void test_median(void)
{
    double one[] = {4};
    double two[] = {4, 1};
    double odd[] = {9, 1, 5, 3, 7};
    double even[] = {8, 2, 6, 4};
    CU_ASSERT_TRUE(is_near(rp_bench_measure_median(one, 1), 4));
    CU_ASSERT_TRUE(is_near(rp_bench_measure_median(two, 2), 2.5));
    CU_ASSERT_TRUE(is_near(rp_bench_measure_median(odd, 5), 5));
    CU_ASSERT_TRUE(is_near(rp_bench_measure_median(even, 4), 5));
    CU_ASSERT_TRUE(is_near(odd[0], 1) && is_near(odd[4], 9)); /* sorted */
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"rounds as told", test_rounds       },
        {"calibrated",     test_calibrated   },
        {"wrong results",  test_wrong_results},
        {"errors",         test_errors       },
        {"stopped",        test_stopped      },
        {"scale",          test_scale        },
        {"median",         test_median       },
    };
    return SUITE_RUN("perf/bench_measure", tests, argc, argv);
}
