/* SPDX-License-Identifier: GPL-3.0-or-later */
/* stage.c - see stage.h. */
#include "stage.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

int rp_stage_open(struct rp_stage *stage)
{
    void *memory =
        mmap(NULL, RP_STAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return -ENOMEM;
    }
    stage->memory = memory;
    stage->len = 0;
    stage->iov_count = 0;
    return 0;
}

void rp_stage_close(struct rp_stage *stage)
{
    if (stage->memory != NULL) {
        (void)munmap(stage->memory, RP_STAGE_SIZE);
        stage->memory = NULL;
    }
}

static void add(struct rp_stage *stage, void *ptr, size_t len)
{
    if (stage->iov_count > 0) {
        struct iovec *last = &stage->iov[stage->iov_count - 1];
        if ((uint8_t *)last->iov_base + last->iov_len == (uint8_t *)ptr) {
            last->iov_len += len;
            return;
        }
    }
    assert(stage->iov_count < RP_STAGE_IOV);
    stage->iov[stage->iov_count++] = (struct iovec){.iov_base = ptr, .iov_len = len};
}

static void copy(struct rp_stage *stage, const void *ptr, size_t len)
{
    assert(len <= RP_STAGE_SIZE - stage->len);
    uint8_t *place = stage->memory + stage->len;
    memcpy(place, ptr, len);
    stage->len += len;
    add(stage, place, len);
}

void rp_stage_line_up(struct rp_stage *stage, const struct iovec *iov, size_t iov_count)
{
    stage->len = 0;
    stage->iov_count = 0;
    uint64_t off = 0;
    for (size_t i = 0; i < iov_count; i++) {
        uint8_t *ptr = iov[i].iov_base;
        size_t len = iov[i].iov_len;
        bool is_lined_up = off % RP_SPOOL_BLOCK == 0 && (uintptr_t)ptr % RP_SPOOL_BLOCK == 0;
        size_t whole = is_lined_up ? len - len % RP_SPOOL_BLOCK : 0;
        if (whole > 0) {
            add(stage, ptr, whole);
        }
        if (len > whole) {
            copy(stage, ptr + whole, len - whole);
        }
        off += len;
    }
    assert(off % RP_SPOOL_BLOCK == 0 && stage->len % RP_SPOOL_BLOCK == 0);
}
