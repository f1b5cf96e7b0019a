/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_disk.c - file requests: when they complete, how, and what they make durable.
 */
#include "sim_disk.h"

#include "sim_agenda.h"
#include "sim_random.h"
#include "sim_trace.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOTAL (100ULL << 30) /* octets of the file system, as far as it is told */

/* A number that the engine has from an open of ours, or from rp_spooldir_open. */
struct handle {
    int fd;
    struct sim_file *file;
    bool is_given; /* by rp_spooldir_open, which closes it, too */
};

static struct {
    struct sim_random random;
    struct sim_disk_faults faults;
    char root[256];
    size_t root_len;
    struct sim_file **files;
    size_t file_count;
    struct handle *handles;
    size_t handle_count;
    uint64_t epoch; /* counts what has changed files and directories */
    uint64_t full_from_ns;
    uint64_t full_until_ns;
    uint64_t crash_after; /* operations from now; 0: none is planned */
    void (*crash)(void);  /* NULL: this life knows no crash */
} disk;

/* ---- life ---- */

static void plan_full(void)
{
    if (disk.faults.full_every_ns == 0) {
        disk.full_from_ns = UINT64_MAX;
        return;
    }
    disk.full_from_ns =
        sim_agenda_now() + sim_random_between(&disk.random, 0, 2 * disk.faults.full_every_ns);
    disk.full_until_ns =
        disk.full_from_ns + sim_random_between(&disk.random, 1, 2 * disk.faults.full_ns);
}

void sim_disk_open(uint64_t seed, const char *root, const struct sim_disk_faults *faults)
{
    assert(disk.file_count == 0 && disk.handle_count == 0);
    disk.random = sim_random_from(seed, "disk");
    disk.faults = *faults;
    disk.root_len = (size_t)snprintf(disk.root, sizeof(disk.root), "%s", root);
    assert(disk.root_len < sizeof(disk.root));
    disk.epoch = 1;
    disk.crash_after = 0;
    disk.crash = NULL;
    plan_full();
}

static bool is_same(int fd, const struct sim_file *file)
{
    struct stat found;
    return fstat(fd, &found) == 0 && found.st_dev == file->dev && found.st_ino == file->ino;
}

void sim_disk_close(bool is_clean)
{
    /* The engine may close what it has left with plain system calls when its ring is gone. */
    for (size_t i = 0; i < disk.handle_count; i++) {
        const struct handle *handle = &disk.handles[i];
        if (!handle->is_given && is_same(handle->fd, handle->file)) {
            if (is_clean) {
                sim_trace_fail("the engine ended and left %s/%s open", handle->file->dir,
                               handle->file->name);
            }
            close(handle->fd);
        }
    }
    for (size_t i = 0; i < disk.file_count; i++) {
        struct sim_file *file = disk.files[i];
        close(file->fd);
        free(file->durable);
        free(file->epochs);
        free(file);
    }
    free(disk.files);
    free(disk.handles);
    disk.files = NULL;
    disk.handles = NULL;
    disk.file_count = 0;
    disk.handle_count = 0;
}

void sim_disk_crash_after(uint64_t count, void (*crash)(void))
{
    disk.crash_after = count;
    disk.crash = crash;
}

size_t sim_disk_count(void)
{
    return disk.file_count;
}

struct sim_file *sim_disk_get(size_t index)
{
    return disk.files[index];
}

/* ---- whether the disk is full ---- */

static bool is_full(void)
{
    uint64_t now_ns = sim_agenda_now();
    if (now_ns >= disk.full_from_ns && now_ns >= disk.full_until_ns) {
        plan_full();
    }
    return now_ns >= disk.full_from_ns && now_ns < disk.full_until_ns;
}

int sim_disk_free(uint64_t *free_out, uint64_t *total_out)
{
    bool is_low = is_full() && disk.faults.full_is_told;
    *free_out = is_low ? sim_random_below(&disk.random, TOTAL / 100) : TOTAL / 2;
    *total_out = TOTAL;
    return 0;
}

/* ---- files and numbers ---- */

int sim_disk_link_count(int fd)
{
    struct stat found;
    return fstat(fd, &found) == 0 ? (int)found.st_nlink : -errno;
}

static struct handle *find_handle(int fd)
{
    for (size_t i = 0; i < disk.handle_count; i++) {
        if (disk.handles[i].fd == fd) {
            return &disk.handles[i];
        }
    }
    return NULL;
}

/* The file behind a number that is one. */
static struct sim_file *get_file(int fd)
{
    const struct handle *handle = find_handle(fd);
    if (handle == NULL) {
        sim_trace_fail("fd %d is no file", fd);
    }
    return handle->file;
}

bool sim_disk_is_open(int fd)
{
    const struct handle *handle = find_handle(fd);
    if (handle != NULL && is_same(fd, handle->file)) {
        return true;
    }
    /* What rp_spooldir_open left open: directories. */
    struct stat found;
    return fstat(fd, &found) == 0 && S_ISDIR(found.st_mode);
}

void sim_disk_close_fd(int fd)
{
    struct handle *handle = find_handle(fd);
    if (handle == NULL || handle->is_given) {
        sim_trace_fail("close of fd %d, which the ring did not open", fd);
    }
    *handle = disk.handles[--disk.handle_count];
    int err = close(fd);
    assert(err == 0);
}

/* The path of a directory below the root: "" or "lane-000". */
static void name_dir(int dir_fd, char *dir, size_t dir_len)
{
    char link[64];
    char path[512];
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", dir_fd);
    ssize_t len = readlink(link, path, sizeof(path) - 1);
    assert(len > 0);
    path[len] = '\0';
    if (strncmp(path, disk.root, disk.root_len) != 0) {
        sim_trace_fail("%s is used, which is outside of the spool", path);
    }
    static const char gone[] = " (deleted)"; /* as /proc says it */
    size_t end = (size_t)len - (sizeof(gone) - 1);
    if ((size_t)len > sizeof(gone) && strcmp(path + end, gone) == 0) {
        path[end] = '\0';
    }
    const char *rest = path + disk.root_len;
    (void)snprintf(dir, dir_len, "%s", *rest == '/' ? rest + 1 : rest);
}

static struct sim_file *find_file(dev_t dev, ino_t ino)
{
    for (size_t i = 0; i < disk.file_count; i++) {
        if (disk.files[i]->dev == dev && disk.files[i]->ino == ino) {
            return disk.files[i];
        }
    }
    return NULL;
}

/* Begin to know a file that is there under that name. */
static struct sim_file *adopt(int dir_fd, const char *name, bool is_new)
{
    int fd = openat(dir_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    struct stat found;
    if (fd < 0 || fstat(fd, &found) != 0) {
        return NULL;
    }
    struct sim_file *file = find_file(found.st_dev, found.st_ino);
    if (file != NULL) {
        close(fd);
        return file;
    }
    file = calloc(1, sizeof(*file));
    disk.files = reallocarray(disk.files, disk.file_count + 1, sizeof(struct sim_file *));
    assert(file != NULL && disk.files != NULL);
    disk.files[disk.file_count++] = file;
    name_dir(dir_fd, file->dir, sizeof(file->dir));
    (void)snprintf(file->name, sizeof(file->name), "%s", name);
    file->fd = fd;
    file->dev = found.st_dev;
    file->ino = found.st_ino;
    if (is_new) {
        file->entry = SIM_ENTRY_MADE;
        file->entry_epoch = disk.epoch;
    } else {
        file->durable_size = (uint64_t)found.st_size;
        sim_file_reserve(file, file->durable_size);
        ssize_t len = pread(fd, file->durable, file->durable_size, 0);
        assert(len == (ssize_t)file->durable_size);
    }
    return file;
}

/* A number that only decides the trace's hash: which file. */
static uint64_t trace_name(const struct sim_file *file)
{
    uint64_t hash = 0;
    for (const char *letter = file->name; *letter != '\0'; letter++) {
        hash = hash * 31 + (uint8_t)*letter;
    }
    return hash % 100000;
}

/* ---- directories ---- */

/* Every name in that directory changed up to that epoch: durable, or (failed) in limbo. */
static void sync_dir(int dir_fd, uint64_t epoch, bool is_good)
{
    char dir[64];
    name_dir(dir_fd, dir, sizeof(dir));
    for (size_t i = 0; i < disk.file_count; i++) {
        struct sim_file *file = disk.files[i];
        bool is_open = file->entry == SIM_ENTRY_MADE || file->entry == SIM_ENTRY_REMOVED;
        if (!is_open || file->entry_epoch > epoch || strcmp(file->dir, dir) != 0) {
            continue;
        }
        if (is_good) {
            file->entry = file->entry == SIM_ENTRY_MADE ? SIM_ENTRY_DURABLE : SIM_ENTRY_GONE;
        } else {
            file->entry_epoch = SIM_FILE_LIMBO;
        }
    }
}

/* ---- the operations ---- */

static void add_handle(int fd, struct sim_file *file, bool is_given)
{
    disk.handles = reallocarray(disk.handles, disk.handle_count + 1, sizeof(*disk.handles));
    assert(disk.handles != NULL);
    disk.handles[disk.handle_count++] =
        (struct handle){.fd = fd, .file = file, .is_given = is_given};
}

void sim_disk_adopt(int fd, int spool_fd, const char *name)
{
    struct sim_file *file = adopt(spool_fd, name, false);
    assert(file != NULL && is_same(fd, file));
    add_handle(fd, file, true);
}

static bool is_named(const struct sim_file *file, const char *dir, const char *name)
{
    bool is_there = file->entry == SIM_ENTRY_DURABLE || file->entry == SIM_ENTRY_MADE;
    return is_there && strcmp(file->dir, dir) == 0 && strcmp(file->name, name) == 0;
}

void sim_disk_forget(const char *dir, const char *name)
{
    for (size_t i = 0; i < disk.file_count; i++) {
        if (is_named(disk.files[i], dir, name)) {
            disk.files[i]->entry = SIM_ENTRY_GONE;
        }
    }
}

bool sim_disk_is_in_use(const char *dir, const char *name)
{
    for (size_t i = 0; i < disk.handle_count; i++) {
        const struct handle *handle = &disk.handles[i];
        if (is_named(handle->file, dir, name) && is_same(handle->fd, handle->file)) {
            return true;
        }
    }
    return false;
}

static int32_t do_open(struct sim_request *request)
{
    static const int errors[] = {EMFILE, ENFILE, EIO};
    bool makes = (request->flags & O_CREAT) != 0;
    if (makes && is_full()) {
        return -ENOSPC;
    }
    if (disk.faults.file_max != 0 && disk.handle_count >= disk.faults.file_max) {
        return -EMFILE;
    }
    if (sim_random_chance(&disk.random, disk.faults.open_error_ppm)) {
        return -errors[sim_random_below(&disk.random, 3)];
    }
    bool was_there = faccessat(request->fd, request->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    int fd = openat(request->fd, request->name, request->flags | O_CLOEXEC, request->mode);
    if (fd < 0) {
        return -errno;
    }
    struct handle *stale = find_handle(fd);
    if (stale != NULL) {
        *stale = disk.handles[--disk.handle_count]; /* it was closed with close(2) */
    }
    disk.epoch++;
    struct sim_file *file = adopt(request->fd, request->name, !was_there);
    if (file == NULL) {
        close(fd);
        sim_trace_fail("%s cannot be opened for the simulator", request->name);
    }
    if ((request->flags & O_TRUNC) != 0) {
        sim_file_mark_dirty(file, 0, file->sector_count * SIM_FILE_SECTOR, disk.epoch);
    }
    add_handle(fd, file, false);
    return fd;
}

static int32_t do_unlink(struct sim_request *request)
{
    if (sim_random_chance(&disk.random, disk.faults.open_error_ppm)) {
        return -EIO;
    }
    struct sim_file *file = adopt(request->fd, request->name, false);
    if (unlinkat(request->fd, request->name, 0) != 0) {
        return -errno;
    }
    if (file != NULL) {
        file->was_durable = file->entry == SIM_ENTRY_DURABLE;
        file->entry = SIM_ENTRY_REMOVED;
        file->entry_epoch = ++disk.epoch;
    }
    return 0;
}

static int32_t do_fallocate(struct sim_request *request)
{
    struct sim_file *file = get_file(request->fd);
    if (is_full()) {
        return -ENOSPC;
    }
    uint64_t old_size = sim_file_size(file);
    if (fallocate(request->fd, 0, 0, (off_t)request->len) != 0) {
        return -errno;
    }
    if (request->len > old_size) {
        sim_file_mark_dirty(file, old_size, request->len, ++disk.epoch);
    }
    return 0;
}

static int32_t do_punch(struct sim_request *request)
{
    struct sim_file *file = get_file(request->fd);
    if (sim_random_chance(&disk.random, disk.faults.write_error_ppm)) {
        return sim_random_chance(&disk.random, 500000) ? -EIO : -EOPNOTSUPP;
    }
    if (fallocate(request->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)request->off,
                  (off_t)request->len) != 0) {
        return -errno;
    }
    sim_file_mark_dirty(file, request->off, request->off + request->len, ++disk.epoch);
    return 0;
}

/* Write the octets from `from` to `end` of a request's, counted from its start. */
static int write_part(const struct sim_request *request, uint64_t from, uint64_t end)
{
    const struct sim_file *file = get_file(request->fd);
    uint64_t at = 0;
    for (size_t i = 0; i < request->count && at < end; i++) {
        const uint8_t *ptr = request->iov[i].iov_base;
        uint64_t len = request->iov[i].iov_len;
        uint64_t skip = from > at ? from - at : 0;
        uint64_t stop = end - at < len ? end - at : len;
        if (skip < stop) {
            uint64_t place = request->off + at + skip;
            ssize_t done = pwrite(file->fd, ptr + skip, stop - skip, (off_t)place);
            if (done != (ssize_t)(stop - skip)) {
                return -errno;
            }
        }
        at += len;
    }
    return 0;
}

/* Some of the sectors are written: what a failure or a crash leaves. */
static void write_some(const struct sim_request *request, struct sim_file *file, uint64_t epoch)
{
    static const uint32_t kept_choices[] = {0, 100000, 500000, 900000, 1000000, 1000000, 1000000};
    uint32_t kept_ppm = kept_choices[sim_random_below(&disk.random, 7)];
    uint64_t from = 0;
    while (from < request->len) {
        uint64_t place = request->off + from;
        uint64_t len = SIM_FILE_SECTOR - place % SIM_FILE_SECTOR;
        uint64_t end = from + len < request->len ? from + len : request->len;
        if (sim_random_chance(&disk.random, kept_ppm)) {
            int err = write_part(request, from, end);
            assert(err == 0);
            sim_file_mark_dirty(file, place, request->off + end, epoch);
        }
        from = end;
    }
}

/* O_DIRECT, which the engine may turn on and off: memory, length and offset must be whole blocks,
 * or the kernel says -EINVAL. */
static bool is_direct(const struct sim_request *request)
{
    return (fcntl(request->fd, F_GETFL) & O_DIRECT) != 0;
}

static bool is_aligned(const struct sim_request *request)
{
    uint64_t mask = disk.faults.direct_block - 1;
    uint64_t odd = request->off & mask;
    for (size_t i = 0; i < request->count; i++) {
        odd |= ((uintptr_t)request->iov[i].iov_base | request->iov[i].iov_len) & mask;
    }
    return odd == 0;
}

/* So much of a write is done: whole blocks where it must be, else any number of octets; but no
 * kernel stops within the first sector of a file, where a segment has its header. */
static uint64_t choose_short(const struct sim_request *request, bool is_in_blocks)
{
    uint64_t len = sim_random_between(&disk.random, 1, request->len);
    uint64_t block = is_in_blocks ? disk.faults.direct_block : SIM_FILE_SECTOR;
    uint64_t end = request->off + len;
    bool is_rounded = is_in_blocks || end < SIM_FILE_SECTOR;
    if (sim_random_chance(&disk.random, 300000) || is_rounded) {
        len = (end + block - 1) / block * block - request->off;
    }
    return len < request->len ? len : request->len;
}

static void crash_now(void *subject, uint64_t detail)
{
    (void)subject;
    (void)detail;
    if (!sim_io_is_over()) {
        disk.crash();
    }
}

/* What the engine does about an error must hold from the moment on at which it says so. */
static void crash_soon(void)
{
    if (disk.crash != NULL && sim_random_chance(&disk.random, disk.faults.error_crash_ppm)) {
        uint64_t delay_ns = sim_random_spread(&disk.random, 0, 5 * SIM_MS);
        delay_ns += sim_random_below(&disk.random, 200 * SIM_US); /* time for a reply to leave */
        sim_agenda_after(delay_ns, crash_now, NULL, 0);
    }
}

static int32_t do_write(struct sim_request *request)
{
    struct sim_file *file = get_file(request->fd);
    bool is_in_blocks = is_direct(request);
    if (is_in_blocks && !is_aligned(request)) {
        return -EINVAL;
    }
    uint64_t end = request->off + request->len;
    bool lacks_room = end > sim_file_size(file) && is_full();
    if (lacks_room && sim_random_chance(&disk.random, 700000)) {
        return -ENOSPC;
    }
    if (sim_random_chance(&disk.random, request->is_durable ? disk.faults.commit_error_ppm
                                                            : disk.faults.write_error_ppm)) {
        write_some(request, file, SIM_FILE_LIMBO);
        if (request->is_durable) {
            crash_soon();
        }
        return -EIO;
    }
    uint64_t len = request->len;
    if (lacks_room || sim_random_chance(&disk.random, disk.faults.short_write_ppm)) {
        len = choose_short(request, is_in_blocks);
    }
    int err = write_part(request, 0, len);
    if (err < 0) {
        sim_trace_fail("a real write of %s failed: %s", file->name, strerror(-err));
    }
    sim_file_mark_dirty(file, request->off, request->off + len, ++disk.epoch);
    if (request->is_durable) {
        sim_file_make_durable(file, request->off, request->off + len, disk.epoch);
        if (file->durable_size < request->off + len) {
            file->durable_size = request->off + len;
        }
    }
    return (int32_t)len;
}

static int32_t do_sync(struct sim_request *request)
{
    const struct handle *handle = find_handle(request->fd);
    bool is_good = !sim_random_chance(&disk.random, disk.faults.sync_error_ppm);
    if (handle == NULL) {
        sync_dir(request->fd, request->epoch, is_good);
    } else if (is_good) {
        sim_file_sync(handle->file, request->epoch);
    } else {
        sim_file_lose(handle->file, request->epoch);
    }
    return is_good ? 0 : -EIO;
}

static void finish(void *subject, uint64_t serial)
{
    struct sim_request *request = subject;
    if (!request->is_live || request->serial != serial || sim_io_is_over()) {
        return;
    }
    if (disk.crash_after > 0 && --disk.crash_after == 0) {
        crash_now(NULL, 0);
        return;
    }
    int32_t res = 0;
    switch (request->op) {
    case SIM_OP_OPEN: res = do_open(request); break;
    case SIM_OP_UNLINK: res = do_unlink(request); break;
    case SIM_OP_FALLOCATE: res = do_fallocate(request); break;
    case SIM_OP_PUNCH: res = do_punch(request); break;
    case SIM_OP_WRITE: res = do_write(request); break;
    case SIM_OP_SYNC: res = do_sync(request); break;
    case SIM_OP_ACCEPT:
    case SIM_OP_RECV:
    case SIM_OP_SEND:
    case SIM_OP_SHUTDOWN:
    case SIM_OP_CANCEL:
    case SIM_OP_CLOSE:
    case SIM_OP_COUNT: assert(false);
    }
    bool is_new_fd = request->op == SIM_OP_OPEN && res >= 0;
    const struct handle *handle = find_handle(is_new_fd ? res : request->fd);
    sim_trace_add("disk op file res", request->op, handle == NULL ? 0 : trace_name(handle->file),
                  is_new_fd ? 0 : (uint64_t)(int64_t)res);
    if (request->op == SIM_OP_WRITE) {
        sim_trace_add("  write off len", request->off, request->len, request->is_durable);
    }
    sim_io_complete(request, res);
}

void sim_disk_start(struct sim_request *request)
{
    bool is_file = find_handle(request->fd) != NULL;
    bool changes = request->op == SIM_OP_WRITE || request->op == SIM_OP_FALLOCATE ||
                   request->op == SIM_OP_PUNCH;
    if (changes && !is_file) {
        sim_trace_fail("write to fd %d, which is a directory", request->fd);
    }
    request->epoch = disk.epoch;
    bool is_flush =
        request->op == SIM_OP_SYNC || (request->op == SIM_OP_WRITE && request->is_durable);
    uint64_t most_ns = is_flush ? disk.faults.sync_ns : disk.faults.usual_ns;
    uint64_t delay_ns = sim_random_spread(&disk.random, 5 * SIM_US, most_ns);
    if (sim_random_chance(&disk.random, disk.faults.slow_ppm)) {
        delay_ns = sim_random_between(&disk.random, 0, disk.faults.slow_ns);
    }
    sim_agenda_after(delay_ns, finish, request, request->serial);
}

/* ---- a crash ---- */

static void interrupt_one(struct sim_request *request, bool is_prefix)
{
    if (request->op != SIM_OP_WRITE) {
        return;
    }
    struct sim_file *file = get_file(request->fd);
    if (!is_prefix) {
        write_some(request, file, disk.epoch + 1);
        return;
    }
    uint64_t len = choose_short(request, false);
    if (sim_random_chance(&disk.random, 500000)) {
        len = sim_random_chance(&disk.random, 500000) ? 0 : request->len;
    }
    int err = write_part(request, 0, len);
    assert(err == 0);
}

void sim_disk_interrupt(bool is_prefix)
{
    struct sim_request *request;
    for (size_t i = 0; (request = sim_request_find_live(SIM_OP_WRITE, i)) != NULL; i++) {
        if (request->is_sent) {
            interrupt_one(request, is_prefix);
        }
    }
    /* Names under way: each is made or removed, or not. */
    for (size_t i = 0; (request = sim_request_find_live(SIM_OP_OPEN, i)) != NULL; i++) {
        if (request->is_sent && sim_random_chance(&disk.random, 500000)) {
            int fd = openat(request->fd, request->name, request->flags | O_CLOEXEC, request->mode);
            if (fd >= 0) {
                disk.epoch++;
                (void)adopt(request->fd, request->name, true);
                close(fd);
            }
        }
    }
    for (size_t i = 0; (request = sim_request_find_live(SIM_OP_UNLINK, i)) != NULL; i++) {
        if (request->is_sent && sim_random_chance(&disk.random, 500000)) {
            (void)do_unlink(request);
        }
    }
}
