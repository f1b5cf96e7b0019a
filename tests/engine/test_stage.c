/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_stage.c - any row of pieces, lined up, is the same octets in whole, aligned blocks; and
 * whole blocks that lie right are not copied. Random rows, the seed printed on failure.
 */
#include "engine/stage.h"

#include "tests/tools/suite.h"

#include <string.h>

#define MEMORY_LEN (1u << 20)

static uint8_t memory[MEMORY_LEN] __attribute__((aligned(RP_SPOOL_BLOCK)));
static uint8_t wanted[MEMORY_LEN];
static struct rp_stage stage;
static uint64_t random_state;

/* A row of pieces that is whole blocks in all; the aligned ones may be large. Answers how many. */
static size_t make_row(struct iovec *iov, size_t max, uint64_t *len_out)
{
    uint64_t len = 0;
    size_t count = 0;
    while (count < max - 1) {
        bool is_aligned = suite_random_below(&random_state, 2) == 0;
        size_t at = suite_random_below(&random_state, MEMORY_LEN / 2);
        size_t part = 1 + suite_random_below(&random_state, is_aligned ? 40000 : 5000);
        if (is_aligned) {
            at -= at % RP_SPOOL_BLOCK;
            if (len % RP_SPOOL_BLOCK != 0) {
                part = RP_SPOOL_BLOCK - len % RP_SPOOL_BLOCK; /* fill up, as a filler does */
            }
        }
        if (len + part > MEMORY_LEN - RP_SPOOL_BLOCK) {
            break;
        }
        iov[count++] = (struct iovec){.iov_base = memory + at, .iov_len = part};
        len += part;
    }
    if (len % RP_SPOOL_BLOCK != 0) {
        size_t part = RP_SPOOL_BLOCK - len % RP_SPOOL_BLOCK;
        iov[count++] = (struct iovec){.iov_base = memory + 1, .iov_len = part};
        len += part;
    }
    *len_out = len;
    return count;
}

static uint64_t join(const struct iovec *iov, size_t count)
{
    uint64_t len = 0;
    for (size_t i = 0; i < count; i++) {
        memcpy(wanted + len, iov[i].iov_base, iov[i].iov_len);
        len += iov[i].iov_len;
    }
    return len;
}

static void test_any_row(void)
{
    struct iovec iov[40];
    size_t passed = 0;
    random_state = suite_seed;
    for (size_t i = 0; i < MEMORY_LEN; i++) {
        memory[i] = (uint8_t)suite_random(&random_state);
    }
    CU_ASSERT_EQUAL_FATAL(rp_stage_open(&stage), 0);
    for (int round = 0; round < 500; round++) {
        uint64_t len;
        size_t count = make_row(iov, sizeof(iov) / sizeof(iov[0]), &len);
        CU_ASSERT_EQUAL(join(iov, count), len);
        rp_stage_line_up(&stage, iov, count);
        uint64_t off = 0;
        for (size_t i = 0; i < stage.iov_count; i++) {
            const struct iovec *piece = &stage.iov[i];
            CU_ASSERT_EQUAL((uintptr_t)piece->iov_base % RP_SPOOL_BLOCK, 0);
            CU_ASSERT_EQUAL(piece->iov_len % RP_SPOOL_BLOCK, 0);
            CU_ASSERT_TRUE_FATAL(off + piece->iov_len <= len);
            CU_ASSERT_EQUAL(memcmp(piece->iov_base, wanted + off, piece->iov_len), 0);
            off += piece->iov_len;
        }
        CU_ASSERT_EQUAL(off, len);
        passed += len - stage.len;
    }
    CU_ASSERT_TRUE(passed > 0);
    rp_stage_close(&stage);
    rp_stage_close(&stage); /* closed already */
}

/* What lies right is written from where it is; only its odd end is copied. */
static void test_not_copied(void)
{
    CU_ASSERT_EQUAL_FATAL(rp_stage_open(&stage), 0);
    const struct iovec iov[] = {
        {.iov_base = memory + 64,                 .iov_len = RP_SPOOL_BLOCK        },
        {.iov_base = memory + 2 * RP_SPOOL_BLOCK, .iov_len = 3 * RP_SPOOL_BLOCK + 9},
        {.iov_base = memory + 7,                  .iov_len = RP_SPOOL_BLOCK - 9    },
    };
    rp_stage_line_up(&stage, iov, 3);
    CU_ASSERT_EQUAL_FATAL(stage.iov_count, 3);
    CU_ASSERT_PTR_EQUAL(stage.iov[1].iov_base, memory + 2 * RP_SPOOL_BLOCK);
    CU_ASSERT_EQUAL(stage.iov[1].iov_len, 3 * RP_SPOOL_BLOCK);
    CU_ASSERT_EQUAL(stage.len, 2 * RP_SPOOL_BLOCK);
    rp_stage_close(&stage);
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"any row",    test_any_row   },
        {"not copied", test_not_copied},
    };
    return SUITE_RUN("engine/stage", tests, argc, argv);
}
