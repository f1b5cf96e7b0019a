/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * spooldir_bell.c - see spooldir_bell.h.
 *
 * A store to a mapped file is a SIGBUS where the disk has no room for the page (a file system that
 * copies on write), or an error. The handler puts memory of our own in the place of the pages, so
 * that the store succeeds, and gives up the lock on spool.meta: readers then go by the files.
 */
#include "spooldir_bell.h"

#include "log.h"

#include "spool/format.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FILE_MODE 0640
#define BELL_LEN  sizeof(struct rp_spool_doorbell)

/* ---- the guard ---- */

/* One doorbell a process: a signal handler has no argument of ours. */
static struct {
    _Atomic(struct rp_spooldir *) dir;
    atomic_int lost; /* 1: to be told; 2: told */
    struct sigaction before;
} guard;

static bool is_in_bell(const struct rp_spooldir *dir, const void *address)
{
    uintptr_t from = dir != NULL ? (uintptr_t)dir->doorbell : 0;
    uintptr_t at = (uintptr_t)address;
    return from != 0 && at >= from && at < from + BELL_LEN;
}

static void on_sigbus(int number, siginfo_t *info, void *context)
{
    (void)context;
    struct rp_spooldir *dir = atomic_load(&guard.dir);
    if (is_in_bell(dir, info->si_addr)) {
        int saved = errno;
        void *memory = mmap(dir->doorbell, BELL_LEN, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        struct flock none = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
        (void)fcntl(dir->lock_fd, F_OFD_SETLK, &none); /* should it fail: they wait for nothing */
        int not_yet = 0;
        (void)atomic_compare_exchange_strong(&guard.lost, &not_yet, 1);
        errno = saved;
        if (memory != MAP_FAILED) {
            return;
        }
    }
    /* Not ours, or beyond help: what was there before says what happens. */
    if (sigaction(number, &guard.before, NULL) != 0) {
        _exit(128 + number);
    }
}

static int install_guard(struct rp_spooldir *dir)
{
    struct rp_spooldir *none = NULL;
    if (!atomic_compare_exchange_strong(&guard.dir, &none, dir)) {
        return 0; /* another spool of this process is guarded already */
    }
    atomic_store(&guard.lost, 0);
    struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO};
    return sigaction(SIGBUS, &action, &guard.before) == 0 ? 0 : -errno;
}

static void remove_guard(struct rp_spooldir *dir)
{
    struct rp_spooldir *ours = dir;
    if (atomic_compare_exchange_strong(&guard.dir, &ours, NULL)) {
        int error = sigaction(SIGBUS, &guard.before, NULL);
        assert(error == 0);
    }
}

void rp_spooldir_check_doorbell(struct rp_spooldir *dir)
{
    int to_be_told = 1;
    if (atomic_load_explicit(&guard.lost, memory_order_relaxed) == 1 &&
        atomic_load(&guard.dir) == dir &&
        atomic_compare_exchange_strong(&guard.lost, &to_be_told, 2)) {
        rp_log(RP_CONFIG_LOG_ERROR,
               "spool: the disk cannot take the doorbell any more; readers look at the files "
               "instead, until the next start");
    }
}

/* ---- open, fill, close ---- */

static int map_bell(struct rp_spooldir *dir)
{
    int fd = openat(dir->fd, RP_SPOOL_DOORBELL_NAME,
                    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, FILE_MODE);
    if (fd < 0) {
        return -errno;
    }
    /* With its blocks: a store into a hole of a full disk would be lost. */
    int error = -posix_fallocate(fd, 0, (off_t)BELL_LEN);
    void *map = MAP_FAILED;
    if (error == 0) {
        map = mmap(NULL, BELL_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        error = map == MAP_FAILED ? -errno : 0;
    }
    (void)close(fd); /* the mapping does without it */
    if (error == 0) {
        dir->doorbell = map;
    }
    return error;
}

static bool is_ours(const struct rp_spooldir *dir)
{
    const struct rp_spool_doorbell *bell = dir->doorbell;
    return bell->magic == RP_SPOOL_DOORBELL_MAGIC && bell->version == RP_SPOOL_VERSION &&
           memcmp(bell->identity, dir->identity, sizeof bell->identity) == 0;
}

int rp_spooldir_bell_open(struct rp_spooldir *dir, uint64_t tails_out[RP_SPOOL_LANES_MAX])
{
    int error = map_bell(dir);
    if (error == 0) {
        error = install_guard(dir);
    }
    if (error != 0) {
        return error;
    }
    bool is_good = is_ours(dir);
    for (uint32_t i = 0; i < RP_SPOOL_LANES_MAX; i++) {
        const struct rp_spool_doorbell_lane *lane = &dir->doorbell->lanes[i];
        bool is_whole = is_good && lane->tail <= RP_FORMAT_SEQUENCE_MAX &&
                        lane->check == rp_format_tail_check(lane->tail, dir->identity, i);
        tails_out[i] = is_whole ? lane->tail : 0;
    }
    return 0;
}

/* Readers may be looking: of the last run of this boot, or at one that does not count. */
void rp_spooldir_bell_fill(struct rp_spooldir *dir, const uint8_t boot_id[16])
{
    struct rp_spool_doorbell *bell = dir->doorbell;
    bool is_of_this_boot =
        is_ours(dir) && memcmp(bell->boot_id, boot_id, sizeof bell->boot_id) == 0;
    if (!is_of_this_boot) {
        __atomic_store_n(&bell->magic, 0, __ATOMIC_SEQ_CST);
        bell->version = RP_SPOOL_VERSION;
        memcpy(bell->boot_id, boot_id, sizeof bell->boot_id);
        memcpy(bell->identity, dir->identity, sizeof bell->identity);
        __atomic_store_n(&bell->waiters, 0, __ATOMIC_RELAXED);
        memset(bell->reserved, 0, sizeof bell->reserved);
        memset(bell->lanes, 0, sizeof bell->lanes);
    }
    /* Who sees one of the new tails sees that the files are new ones, too. */
    __atomic_fetch_add(&bell->generation, 1, __ATOMIC_SEQ_CST);
    for (uint32_t i = 0; i < dir->lane_count; i++) {
        struct rp_spool_doorbell_lane *lane = &bell->lanes[i];
        const uint64_t tail = dir->lanes[i].next_sequence - dir->lanes[i].skipped;
        __atomic_store_n(&lane->segment, dir->lanes[i].next_segment, __ATOMIC_RELEASE);
        __atomic_store_n(&lane->tail, tail, __ATOMIC_RELEASE);
        __atomic_store_n(&lane->check, rp_format_tail_check(tail, dir->identity, i),
                         __ATOMIC_RELEASE);
    }
    __atomic_store_n(&bell->lane_count, dir->lane_count, __ATOMIC_RELEASE);
    __atomic_store_n(&bell->magic, RP_SPOOL_DOORBELL_MAGIC, __ATOMIC_RELEASE);
    __atomic_fetch_add(&bell->ring, 1, __ATOMIC_SEQ_CST);
    (void)syscall(SYS_futex, &bell->ring, FUTEX_WAKE, INT_MAX, NULL, NULL, 0); /* nobody: fine */
}

void rp_spooldir_bell_close(struct rp_spooldir *dir)
{
    if (dir->doorbell != NULL) {
        remove_guard(dir);
        int error = munmap(dir->doorbell, BELL_LEN);
        assert(error == 0);
    }
}
