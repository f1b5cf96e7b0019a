/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_load_cpu.c - CPU time is read where it stands.
 *
 * Goal: usage_usec and nothing else; own time grows with work. Method: rows of files; a loop until
 * the clock has moved, bounded by its own count.
 */
#include "perf/load_cpu.h"
#include "tests/tools/suite.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL(fwrite(text, 1, strlen(text), file), strlen(text));
    CU_ASSERT_EQUAL_FATAL(fclose(file), 0);
}

static void test_stat(void)
{
    static const struct {
        const char *text;
        int err;
        uint64_t us;
    } rows[] = {
        {"usage_usec 17\nuser_usec 10\nsystem_usec 7\n", 0,       17          },
        {"user_usec 10\nusage_usec 123456789012\n",      0,       123456789012},
        {"usage_usec 5",                                 0,       5           },
        {"",                                             -EINVAL, 0           },
        {"user_usec 10\n",                               -EINVAL, 0           },
        {"my_usage_usec 10\n",                           -EINVAL, 0           },
        {"usage_usec x\n",                               -EINVAL, 0           },
        {"usage_usec 99999999999999999999\n",            -EINVAL, 0           },
    };
    char path[] = "/tmp/test_load_cpu.XXXXXX";
    int fd = mkstemp(path);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(close(fd), 0);
    for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
        uint64_t us = 0;
        write_file(path, rows[row].text);
        CU_ASSERT_EQUAL(rp_load_cpu_stat_us(path, &us), rows[row].err);
        CU_ASSERT_EQUAL(us, rows[row].us);
    }
    uint64_t us = 0;
    CU_ASSERT_EQUAL(unlink(path), 0);
    CU_ASSERT_EQUAL(rp_load_cpu_stat_us(path, &us), -ENOENT);
    CU_ASSERT_EQUAL(rp_load_cpu_stat_us("/tmp", &us), -EISDIR);
}

static void test_own(void)
{
    uint64_t begin_us = rp_load_cpu_own_us();
    uint64_t random = 1;
    uint64_t rounds = 0;
    while (rp_load_cpu_own_us() < begin_us + 1000 && rounds < 100000000) {
        (void)suite_random(&random);
        rounds++;
    }
    CU_ASSERT_TRUE(rp_load_cpu_own_us() >= begin_us + 1000);
}

/* Its time grows with its work as the process's does, which has no other thread; a thread that is
 * not there is no failure. */
static void test_thread(void)
{
    uint64_t random = 1;
    uint64_t rounds = 0;
    struct rp_load_cpu_thread begin = rp_load_cpu_thread(gettid());
    struct rp_load_cpu_thread now = begin;
    if (begin.used_ns == 0) {
        return; /* this kernel does not tell */
    }
    while (now.used_ns < begin.used_ns + 1000000 && rounds < 100000000) {
        (void)suite_random(&random);
        now = rp_load_cpu_thread(gettid());
        rounds++;
    }
    CU_ASSERT_TRUE(now.used_ns >= begin.used_ns + 1000000);
    CU_ASSERT_TRUE(now.denied_ns >= begin.denied_ns);
    CU_ASSERT_TRUE(rp_load_cpu_own_us() + 20000 >= now.used_ns / 1000); /* ticks of 10 ms */
    now = rp_load_cpu_thread(INT32_MAX);
    CU_ASSERT_EQUAL(now.used_ns, 0);
    CU_ASSERT_EQUAL(now.denied_ns, 0);
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"cpu.stat", test_stat  },
        {"own",      test_own   },
        {"thread",   test_thread},
    };
    return SUITE_RUN("perf/load_cpu", tests, argc, argv);
}
