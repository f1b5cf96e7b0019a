/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_spooldir_bell.c - the doorbell: what it proves, what it says, and a disk that cannot take
 * it.
 *
 * Goal: a tail proves something only with a right check, whatever else is in the file; a doorbell
 * of another boot or spool begins anew; a store to pages that are gone succeeds, gives up the lock
 * that readers ask for and is told once; a SIGBUS that is none of ours goes to whom it went before.
 * Method: rows of doorbells in a temporary directory; the file is cut under the mapping.
 */
#include "engine/spooldir_bell.h"

#include "catch_log.h"
#include "spool/format.h"
#include "temp_dir.h"
#include "tests/tools/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define LANES 3u
#define LEN   sizeof(struct rp_spool_doorbell)

static const uint8_t boot[16] = "boot of the test";
static char path[128];
static char bell_path[160];
static char meta_path[160];
static struct rp_spooldir dir;
static uint64_t tails[RP_SPOOL_LANES_MAX];
static size_t files_before;

static void begin(void)
{
    temp_dir_make(path, sizeof(path));
    files_before = temp_dir_open_files();
    (void)snprintf(bell_path, sizeof(bell_path), "%s/" RP_SPOOL_DOORBELL_NAME, path);
    (void)snprintf(meta_path, sizeof(meta_path), "%s/" RP_SPOOL_META_NAME, path);
    dir = (struct rp_spooldir){.lane_count = LANES, .identity = "test's identity"};
    dir.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    dir.lock_fd = open(meta_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    CU_ASSERT_FATAL(dir.fd >= 0 && fcntl(dir.lock_fd, F_OFD_SETLK, &lock) == 0);
    for (uint32_t i = 0; i < LANES; i++) {
        dir.lanes[i].next_segment = 10 + i;
        dir.lanes[i].next_sequence = 100 + i;
    }
}

static void end(void)
{
    rp_spooldir_bell_close(&dir);
    (void)close(dir.fd); /* only read */
    (void)close(dir.lock_fd);
    CU_ASSERT_EQUAL(temp_dir_open_files(), files_before);
    temp_dir_remove(path);
}

/* As a reader asks. */
static bool is_locked(void)
{
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    int fd = open(meta_path, O_RDONLY | O_CLOEXEC);
    CU_ASSERT_FATAL(fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0);
    (void)close(fd); /* only read */
    return lock.l_type != F_UNLCK;
}

/* A doorbell with tails 7, 8, 9, ... and right checks. */
static struct rp_spool_doorbell *make_bell(void)
{
    static struct rp_spool_doorbell bell;
    bell = (struct rp_spool_doorbell){
        .magic = RP_SPOOL_DOORBELL_MAGIC,
        .version = RP_SPOOL_VERSION,
        .lane_count = LANES,
        .ring = 40,
        .waiters = 5,
        .generation = 60,
    };
    memcpy(bell.boot_id, boot, sizeof(bell.boot_id));
    memcpy(bell.identity, dir.identity, sizeof(bell.identity));
    for (uint32_t i = 0; i < RP_SPOOL_LANES_MAX; i++) {
        bell.lanes[i].tail = 7 + i;
        bell.lanes[i].segment = 3;
        bell.lanes[i].check = rp_format_tail_check(7 + i, dir.identity, i);
    }
    return &bell;
}

static void put_bell(const struct rp_spool_doorbell *bell)
{
    int fd = open(bell_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CU_ASSERT_FATAL(fd >= 0 && write(fd, bell, sizeof(*bell)) == (ssize_t)sizeof(*bell));
    CU_ASSERT_EQUAL(close(fd), 0);
}

/* ---- what it says ---- */

static void test_new(void)
{
    struct stat status;
    begin();
    CU_ASSERT_EQUAL_FATAL(rp_spooldir_bell_open(&dir, tails), 0);
    CU_ASSERT(stat(bell_path, &status) == 0 && (size_t)status.st_size == LEN);
    CU_ASSERT((size_t)status.st_blocks * 512 >= LEN); /* no hole that a full disk could not fill */
    for (uint32_t i = 0; i < RP_SPOOL_LANES_MAX; i++) {
        CU_ASSERT_EQUAL(tails[i], 0);
    }
    dir.lanes[1].skipped = 30;
    rp_spooldir_bell_fill(&dir, boot);
    const struct rp_spool_doorbell *bell = dir.doorbell;
    CU_ASSERT(bell->magic == RP_SPOOL_DOORBELL_MAGIC && bell->version == RP_SPOOL_VERSION);
    CU_ASSERT_EQUAL(memcmp(bell->boot_id, boot, 16), 0);
    CU_ASSERT_EQUAL(memcmp(bell->identity, dir.identity, 16), 0);
    CU_ASSERT(bell->lane_count == LANES && bell->waiters == 0);
    CU_ASSERT(bell->generation == 1 && bell->ring == 1);
    for (uint32_t i = 0; i < LANES; i++) {
        const struct rp_spool_doorbell_lane *lane = &bell->lanes[i];
        uint64_t tail = i == 1 ? 71 : 100 + i; /* what was left out was never committed */
        CU_ASSERT(lane->segment == 10 + i && lane->tail == tail);
        CU_ASSERT_EQUAL(lane->check, rp_format_tail_check(tail, dir.identity, i));
    }
    CU_ASSERT(bell->lanes[LANES].tail == 0 && bell->lanes[LANES].check == 0);
    CU_ASSERT(is_locked());
    end();
    static struct rp_spooldir nothing;
    rp_spooldir_bell_close(&nothing); /* none is mapped */
}

static void other_boot(struct rp_spool_doorbell *bell)
{
    bell->boot_id[3] ^= 1;
}

static void other_spool(struct rp_spool_doorbell *bell)
{
    bell->identity[3] ^= 1;
}

static void other_version(struct rp_spool_doorbell *bell)
{
    bell->version++;
}

static void no_magic(struct rp_spool_doorbell *bell)
{
    bell->magic ^= 1;
}

static void same(struct rp_spool_doorbell *bell)
{
    (void)bell; /* as it is */
}

/* Whose doorbell proves something, and which one goes on where it was. */
static void test_kinds(void)
{
    static const struct {
        void (*change)(struct rp_spool_doorbell *bell);
        bool is_proof;
        bool goes_on;
    } rows[] = {
        {same,          true,  true },
        {other_boot,    true,  false},
        {other_spool,   false, false},
        {other_version, false, false},
        {no_magic,      false, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        begin();
        struct rp_spool_doorbell *bell = make_bell();
        rows[i].change(bell);
        put_bell(bell);
        CU_ASSERT_EQUAL_FATAL(rp_spooldir_bell_open(&dir, tails), 0);
        for (uint32_t lane = 0; lane < RP_SPOOL_LANES_MAX; lane++) {
            CU_ASSERT_EQUAL(tails[lane], rows[i].is_proof ? 7 + lane : 0);
        }
        rp_spooldir_bell_fill(&dir, boot);
        CU_ASSERT(dir.doorbell->generation == 61 && dir.doorbell->ring == 41);
        CU_ASSERT_EQUAL(dir.doorbell->waiters, rows[i].goes_on ? 5 : 0);
        CU_ASSERT_EQUAL(dir.doorbell->lanes[1].tail, 101);
        CU_ASSERT_EQUAL(dir.doorbell->lanes[LANES].tail, rows[i].goes_on ? 7 + LANES : 0);
        CU_ASSERT_EQUAL(dir.doorbell->magic, RP_SPOOL_DOORBELL_MAGIC);
        CU_ASSERT_EQUAL(memcmp(dir.doorbell->boot_id, boot, 16), 0);
        end();
    }
}

/* Any bit of a tail, of its check, of the identity: it proves nothing, and the others still do. */
static void test_checks(void)
{
    begin();
    for (unsigned bit = 0; bit < 2 * 64; bit++) {
        struct rp_spool_doorbell *bell = make_bell();
        uint64_t *word = bit < 64 ? &bell->lanes[1].tail : &bell->lanes[1].check;
        *word ^= 1ull << bit % 64;
        put_bell(bell);
        CU_ASSERT_EQUAL_FATAL(rp_spooldir_bell_open(&dir, tails), 0);
        CU_ASSERT(tails[0] == 7 && tails[1] == 0 && tails[2] == 9);
        rp_spooldir_bell_close(&dir);
        dir.doorbell = NULL;
    }
    struct rp_spool_doorbell *bell = make_bell();
    bell->lanes[0] = bell->lanes[1]; /* of another lane */
    bell->lanes[2].tail = RP_FORMAT_SEQUENCE_MAX + 1;
    bell->lanes[2].check = rp_format_tail_check(bell->lanes[2].tail, dir.identity, 2);
    put_bell(bell);
    CU_ASSERT_EQUAL_FATAL(rp_spooldir_bell_open(&dir, tails), 0);
    CU_ASSERT(tails[0] == 0 && tails[1] == 8 && tails[2] == 0);
    end();
}

/* A file that is shorter, or something else, in its place. */
static void test_oddities(void)
{
    begin();
    struct rp_spool_doorbell *bell = make_bell();
    put_bell(bell);
    CU_ASSERT_EQUAL(truncate(bell_path, 64 + 64 + 8), 0); /* in the second lane */
    CU_ASSERT_EQUAL_FATAL(rp_spooldir_bell_open(&dir, tails), 0);
    CU_ASSERT(tails[0] == 7 && tails[1] == 0 && tails[2] == 0);
    end();
    begin();
    CU_ASSERT_EQUAL(mkdir(bell_path, 0700), 0);
    CU_ASSERT_EQUAL(rp_spooldir_bell_open(&dir, tails), -EISDIR);
    CU_ASSERT_PTR_NULL(dir.doorbell);
    end();
    begin();
    CU_ASSERT_EQUAL(symlink("elsewhere", bell_path), 0);
    CU_ASSERT_EQUAL(rp_spooldir_bell_open(&dir, tails), -ELOOP);
    end();
}

/* ---- a disk that cannot take it ---- */

static void test_lost_pages(void)
{
    static const off_t lens[] = {0, 4096, 8192};
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        begin();
        CU_ASSERT_EQUAL_FATAL(rp_spooldir_bell_open(&dir, tails), 0);
        rp_spooldir_bell_fill(&dir, boot);
        struct catch_log log = catch_log_begin();
        rp_spooldir_check_doorbell(&dir);
        CU_ASSERT_EQUAL(truncate(bell_path, lens[i]), 0);
        errno = 77;
        struct rp_spool_doorbell_lane *last = &dir.doorbell->lanes[RP_SPOOL_LANES_MAX - 1];
        __atomic_store_n(&last->tail, 4711, __ATOMIC_RELEASE);
        CU_ASSERT_EQUAL(errno, 77);
        CU_ASSERT_EQUAL(__atomic_load_n(&last->tail, __ATOMIC_ACQUIRE), 4711);
        CU_ASSERT(!is_locked()); /* readers go by the files */
        for (int again = 0; again < 3; again++) {
            __atomic_fetch_add(&dir.doorbell->ring, 1, __ATOMIC_SEQ_CST);
            __atomic_store_n(&dir.doorbell->lanes[0].tail, 1, __ATOMIC_RELEASE);
            rp_spooldir_check_doorbell(&dir);
        }
        CU_ASSERT_EQUAL(catch_log_end(&log, "doorbell"), 1);
        struct stat status;
        CU_ASSERT(stat(bell_path, &status) == 0 && status.st_size == lens[i]);
        end();
    }
    /* The next start of the same process begins anew. */
    begin();
    CU_ASSERT_EQUAL_FATAL(rp_spooldir_bell_open(&dir, tails), 0);
    struct catch_log log = catch_log_begin();
    rp_spooldir_check_doorbell(&dir);
    CU_ASSERT_EQUAL(catch_log_end(&log, "doorbell"), 0);
    CU_ASSERT(is_locked());
    end();
}

/* Somebody else's mapping, whose file is cut. */
static volatile uint8_t *make_trap(void)
{
    char name[160];
    (void)snprintf(name, sizeof(name), "%s/trap", path);
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CU_ASSERT_FATAL(fd >= 0 && ftruncate(fd, 4096) == 0);
    volatile uint8_t *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CU_ASSERT_FATAL(map != MAP_FAILED && ftruncate(fd, 0) == 0);
    (void)close(fd); /* the mapping does without it */
    return map;
}

static sigjmp_buf jump;

_Noreturn static void leave_trap(int number)
{
    siglongjmp(jump, number);
}

/* Its handler gets it, as if we were not there; where there was none, the process ends by it. */
static void test_not_ours(void)
{
    begin();
    struct sigaction action = {.sa_handler = leave_trap};
    struct sigaction before;
    struct sigaction after;
    CU_ASSERT_EQUAL(sigaction(SIGBUS, &action, &before), 0);
    CU_ASSERT_EQUAL_FATAL(rp_spooldir_bell_open(&dir, tails), 0);
    volatile uint8_t *trap = make_trap();
    if (sigsetjmp(jump, 1) == 0) {
        trap[0] = 1;
        CU_FAIL("there was no signal");
    }
    CU_ASSERT(is_locked()); /* the doorbell is as it was */
    end();
    CU_ASSERT_EQUAL(sigaction(SIGBUS, &before, &after), 0);
    CU_ASSERT(after.sa_handler == leave_trap);
    CU_ASSERT_EQUAL(munmap((void *)(uintptr_t)trap, 4096), 0);
}

static void test_nobody_s(void)
{
    begin();
    struct sigaction none = {.sa_handler = SIG_DFL};
    struct sigaction before;
    CU_ASSERT_EQUAL(sigaction(SIGBUS, &none, &before), 0);
    CU_ASSERT_EQUAL_FATAL(rp_spooldir_bell_open(&dir, tails), 0);
    pid_t child = fork();
    CU_ASSERT_FATAL(child >= 0);
    if (child == 0) {
        (void)alarm(20); /* should it go round for ever */
        make_trap()[0] = 1;
        _exit(0);
    }
    int status;
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
    end();
    CU_ASSERT_EQUAL(sigaction(SIGBUS, &before, NULL), 0);
}

/* A second spool of the same process is mapped, and closing it takes the guard from nobody. */
static void test_second(void)
{
    begin();
    CU_ASSERT_EQUAL_FATAL(rp_spooldir_bell_open(&dir, tails), 0);
    static struct rp_spooldir second;
    second = (struct rp_spooldir){.lock_fd = -1};
    char other[128];
    temp_dir_make(other, sizeof(other));
    second.fd = open(other, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CU_ASSERT_EQUAL_FATAL(rp_spooldir_bell_open(&second, tails), 0);
    rp_spooldir_bell_close(&second);
    (void)close(second.fd); /* only read */
    temp_dir_remove(other);
    CU_ASSERT_EQUAL(truncate(bell_path, 0), 0);
    __atomic_store_n(&dir.doorbell->ring, 3, __ATOMIC_RELEASE);
    CU_ASSERT_EQUAL(dir.doorbell->ring, 3);
    struct catch_log log = catch_log_begin();
    rp_spooldir_check_doorbell(&second);
    rp_spooldir_check_doorbell(&dir);
    CU_ASSERT_EQUAL(catch_log_end(&log, "doorbell"), 1);
    end();
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"new",        test_new       },
        {"kinds",      test_kinds     },
        {"checks",     test_checks    },
        {"oddities",   test_oddities  },
        {"lost pages", test_lost_pages},
        {"not ours",   test_not_ours  },
        {"nobody's",   test_nobody_s  },
        {"second",     test_second    },
    };
    return SUITE_RUN("engine/spooldir_bell", tests, argc, argv);
}
