/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * spool.h - for tests: a real spool in a directory of its own, written by the writer library into
 * mapped files, with or without the doorbell of a running daemon.
 *
 * Every failing system call ends the test: nothing here is under test.
 */
#ifndef TESTS_SPOOL_SPOOL_H
#define TESTS_SPOOL_SPOOL_H

#include "lane.h"
#include "spool/format.h"
#include "spool/reader_file.h"
#include "spool/rp_spool_reader.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEST_LANES_MAX 4u

struct test_spool_lane {
    int fd;
    struct test_lane lane;
    uint64_t next; /* number of the next segment */
};

struct test_spool {
    char path[128];
    int fd;
    int big_fd;
    uint8_t identity[16];
    uint32_t lane_count;
    struct rp_spool_doorbell *bell;
    bool is_live; /* the doorbell is a file, and a daemon is at work */
    int lock_fd;  /* with the lock that a daemon holds on spool.meta; -1: none does */
    struct test_spool_lane lanes[TEST_LANES_MAX];
};

static inline void test_must(bool is_fine, const char *what)
{
    if (!is_fine) {
        perror(what);
        abort();
    }
}

static inline int test_make_dir(int dir_fd, const char *name)
{
    test_must(mkdirat(dir_fd, name, 0750) == 0, name);
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    test_must(fd >= 0, name);
    return fd;
}

/* A file of `len` octets, mapped; it is zeros if it was not there. */
static inline void *test_map(int dir_fd, const char *name, uint64_t len)
{
    int fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    test_must(fd >= 0 && ftruncate(fd, (off_t)len) == 0, name);
    void *map = mmap(NULL, (size_t)len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    test_must(map != MAP_FAILED && close(fd) == 0, name);
    return map;
}

static inline void test_write_file(int dir_fd, const char *name, const void *ptr, size_t len)
{
    int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    test_must(fd >= 0, name);
    test_must(write(fd, ptr, len) == (ssize_t)len && close(fd) == 0, name);
}

/* Write over part of a file. */
static inline void test_write_at(int dir_fd,
                                 const char *name,
                                 uint64_t off,
                                 const void *ptr,
                                 size_t len)
{
    int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
    test_must(fd >= 0, name);
    test_must(pwrite(fd, ptr, len, (off_t)off) == (ssize_t)len && close(fd) == 0, name);
}

#define TEST_CREATED_NS 1700000000000000000u

/* The spool's part of spool.meta, in place. */
static inline void test_write_meta(const struct test_spool *spool)
{
    struct rp_spool_meta meta = {
        .magic = RP_SPOOL_META_MAGIC,
        .version = RP_SPOOL_VERSION,
        .lane_count = spool->lane_count,
        .segment_size = RP_SPOOL_SEGMENT_MIN,
        .created_ns = TEST_CREATED_NS,
    };
    memcpy(meta.identity, spool->identity, sizeof meta.identity);
    rp_format_meta_seal(&meta);
    test_write_at(spool->fd, RP_SPOOL_META_NAME, 0, &meta, sizeof meta);
}

/* A lane's part: what comes next, as a daemon writes it before a segment gets its number. */
static inline void test_write_lane_meta(const struct test_spool *spool, uint32_t lane)
{
    struct rp_spool_lane_meta meta = {
        .lane = lane,
        .next_segment = spool->lanes[lane].next,
        .next_sequence = spool->lanes[lane].lane.writer.sequence,
        .created_ns = TEST_CREATED_NS,
    };
    memcpy(meta.identity, spool->identity, sizeof meta.identity);
    rp_format_lane_meta_seal(&meta);
    test_write_at(spool->fd, RP_SPOOL_META_NAME, RP_SPOOL_LANE_META_OFF(lane), &meta, sizeof meta);
}

/* As a daemon that is at work does. */
static inline void test_lock(struct test_spool *spool)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    spool->lock_fd = openat(spool->fd, RP_SPOOL_META_NAME, O_RDWR | O_CLOEXEC);
    test_must(spool->lock_fd >= 0 && fcntl(spool->lock_fd, F_OFD_SETLK, &lock) == 0, "lock");
}

/* The daemon ends. */
static inline void test_unlock(struct test_spool *spool)
{
    if (spool->lock_fd >= 0) {
        test_must(close(spool->lock_fd) == 0, "close");
        spool->lock_fd = -1;
    }
}

/* As a daemon of this boot has it. */
static inline void test_ring_in(struct test_spool *spool)
{
    struct rp_spool_doorbell *bell = spool->bell;
    bell->version = RP_SPOOL_VERSION;
    bell->lane_count = spool->lane_count;
    memcpy(bell->identity, spool->identity, sizeof bell->identity);
    test_must(rp_reader_file_boot_id(bell->boot_id) == 0, "boot_id");
    __atomic_store_n(&bell->magic, RP_SPOOL_DOORBELL_MAGIC, __ATOMIC_RELEASE);
}

/* Memory, where there is some: these tests make many files, and lose none to a power cut. */
static inline const char *test_base(void)
{
    return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
}

/* `path` NULL: a new directory. */
static inline void test_spool_make(struct test_spool *spool,
                                   const char *path,
                                   uint32_t lanes,
                                   bool is_live)
{
    memset(spool, 0, sizeof *spool);
    if (path == NULL) {
        (void)snprintf(spool->path, sizeof spool->path, "%s/rp-spool-XXXXXX", test_base());
        test_must(mkdtemp(spool->path) != NULL, "mkdtemp");
    } else {
        (void)snprintf(spool->path, sizeof spool->path, "%s", path);
        test_must(mkdir(path, 0750) == 0, path);
    }
    spool->fd = open(spool->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    test_must(spool->fd >= 0, spool->path);
    memcpy(spool->identity, "test's identity", 16);
    spool->lane_count = lanes;
    spool->is_live = is_live;
    spool->lock_fd = -1;
    test_write_meta(spool);
    int meta_fd = openat(spool->fd, RP_SPOOL_META_NAME, O_WRONLY | O_CLOEXEC);
    test_must(meta_fd >= 0 && ftruncate(meta_fd, RP_SPOOL_META_LEN) == 0 && close(meta_fd) == 0,
              RP_SPOOL_META_NAME);
    spool->big_fd = test_make_dir(spool->fd, RP_SPOOL_BIG_NAME);
    if (is_live) {
        spool->bell = test_map(spool->fd, RP_SPOOL_DOORBELL_NAME, sizeof *spool->bell);
        test_ring_in(spool);
        test_lock(spool);
    } else {
        spool->bell = calloc(1, sizeof *spool->bell);
        test_must(spool->bell != NULL, "calloc");
    }
    for (uint32_t i = 0; i < lanes; i++) {
        char name[RP_FORMAT_LANE_NAME];
        rp_format_lane_name(i, name);
        spool->lanes[i].fd = test_make_dir(spool->fd, name);
        spool->lanes[i].next = 1;
        test_writer_init(&spool->lanes[i].lane.writer, spool->identity, i, 0, spool->bell);
    }
}

/* The open segment is left as a crash leaves it: without an index, at its full length. */
static inline void test_spool_crash_segment(struct test_spool *spool, uint32_t lane_number)
{
    struct test_lane *lane = &spool->lanes[lane_number].lane;
    if (lane->segment != NULL) {
        test_must(munmap(lane->segment, RP_SPOOL_SEGMENT_MIN) == 0, "munmap");
        free(lane->index);
    }
    lane->segment = NULL;
    lane->index = NULL;
    lane->writer.segment = 0;
}

static inline void test_spool_close_segment(struct test_spool *spool, uint32_t lane_number)
{
    struct test_spool_lane *at = &spool->lanes[lane_number];
    struct test_lane *lane = &at->lane;
    if (lane->writer.segment != 0) {
        char name[RP_FORMAT_FILE_NAME];
        rp_format_index_name(lane->writer.segment, name);
        uint64_t len = rp_spool_writer_close_segment(&lane->writer);
        test_write_file(at->fd, name, lane->index, (size_t)len);
    }
    test_spool_crash_segment(spool, lane_number);
}

/* The file of the lane's next segment, as it is prepared ahead of time: zeros. */
static inline void test_spool_prepare(struct test_spool *spool, uint32_t lane_number)
{
    struct test_spool_lane *at = &spool->lanes[lane_number];
    char name[RP_FORMAT_FILE_NAME];
    at->next++;
    test_write_lane_meta(spool, lane_number);
    rp_format_segment_name(at->next - 1, name);
    at->lane.segment = test_map(at->fd, name, RP_SPOOL_SEGMENT_MIN);
    at->lane.index = malloc(RP_SPOOL_INDEX_LEN(RP_SPOOL_SEGMENT_MIN));
    test_must(at->lane.index != NULL, "malloc");
}

/* Go on in the lane's next segment. */
static inline void test_spool_open_segment(struct test_spool *spool, uint32_t lane_number)
{
    struct test_spool_lane *at = &spool->lanes[lane_number];
    test_spool_close_segment(spool, lane_number);
    test_spool_prepare(spool, lane_number);
    rp_spool_writer_open_segment(&at->lane.writer, at->next - 1, RP_SPOOL_SEGMENT_MIN,
                                 at->lane.index);
}

static inline void test_spool_write_big(struct test_spool *spool,
                                        uint32_t lane,
                                        const struct test_message *message)
{
    char name[RP_FORMAT_FILE_NAME];
    rp_format_big_name(lane, message->big_id, name);
    uint8_t *body = test_body(message);
    test_write_file(spool->big_fd, name, body, message->body_len);
    free(body);
}

/* One batch; in the next segment if this one has no room. */
static inline void test_spool_put(struct test_spool *spool,
                                  uint32_t lane_number,
                                  const struct test_message *messages,
                                  size_t count,
                                  struct rp_spool_id *ids)
{
    struct test_lane *lane = &spool->lanes[lane_number].lane;
    for (size_t i = 0; i < count; i++) {
        if (messages[i].big_id != 0) {
            test_spool_write_big(spool, lane_number, &messages[i]);
        }
    }
    if (lane->writer.segment == 0) {
        test_spool_open_segment(spool, lane_number);
    }
    size_t done = test_commit(lane, messages, count, ids);
    while (done < count) {
        test_spool_open_segment(spool, lane_number);
        done += test_commit(lane, messages + done, count - done, ids + done);
    }
}

/* A batch that is laid out and written up to `len` octets; neither committed nor abandoned. */
static inline void test_spool_write(struct test_spool *spool,
                                    uint32_t lane_number,
                                    const struct test_message *messages,
                                    size_t count,
                                    uint64_t len)
{
    struct test_lane *lane = &spool->lanes[lane_number].lane;
    if (lane->writer.segment == 0) {
        test_spool_open_segment(spool, lane_number);
    }
    rp_spool_batch_begin(&lane->batch, &lane->writer);
    for (size_t i = 0; i < count; i++) {
        struct rp_spool_id id;
        int error = test_append(lane, &messages[i], &id);
        assert(error == 0);
    }
    rp_spool_batch_seal(&lane->batch);
    test_write(lane, len);
    test_forget(lane);
}

/* A batch whose write got as far as `len` octets, then failed (or the machine did). */
static inline void test_spool_abandon(struct test_spool *spool,
                                      uint32_t lane_number,
                                      const struct test_message *messages,
                                      size_t count,
                                      uint64_t len)
{
    test_spool_write(spool, lane_number, messages, count, len);
    rp_spool_batch_abandon(&spool->lanes[lane_number].lane.batch);
}

/* After a failed batch: the next segment, whose header alone is made durable. */
static inline void test_spool_put_header(struct test_spool *spool, uint32_t lane_number)
{
    struct test_lane *lane = &spool->lanes[lane_number].lane;
    test_spool_open_segment(spool, lane_number);
    rp_spool_batch_begin(&lane->batch, &lane->writer);
    rp_spool_batch_seal_header(&lane->batch);
    test_write(lane, lane->batch.len);
    (void)rp_spool_batch_commit(&lane->batch); /* nobody waits */
}

static inline void test_remove_content(int fd)
{
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fdopendir(copy);
    test_must(dir != NULL, "fdopendir");
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            unlinkat(fd, entry->d_name, 0) != 0) {
            test_must(unlinkat(fd, entry->d_name, AT_REMOVEDIR) == 0 || errno == ENOTEMPTY,
                      entry->d_name);
        }
    }
    (void)closedir(dir); /* it was only read */
}

/* Remove a directory of directories of files. */
static inline void test_remove_tree(const char *path)
{
    DIR *dir = opendir(path);
    test_must(dir != NULL, path);
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        int fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0) {
            test_remove_content(fd);
            (void)close(fd); /* it was only read */
        }
        test_must(unlinkat(dirfd(dir), entry->d_name, fd >= 0 ? AT_REMOVEDIR : 0) == 0,
                  entry->d_name);
    }
    (void)closedir(dir); /* it was only read */
    test_must(rmdir(path) == 0, path);
}

/* Leave the files as they are, as a crash does. */
static inline void test_spool_leave(struct test_spool *spool)
{
    for (uint32_t i = 0; i < spool->lane_count; i++) {
        test_spool_crash_segment(spool, i);
        (void)close(spool->lanes[i].fd); /* a directory */
    }
    test_unlock(spool);
    if (spool->is_live) {
        test_must(munmap(spool->bell, sizeof *spool->bell) == 0, "munmap");
    } else {
        free(spool->bell);
    }
    (void)close(spool->big_fd); /* directories */
    (void)close(spool->fd);
}

static inline void test_spool_free(struct test_spool *spool)
{
    test_spool_leave(spool);
    test_remove_tree(spool->path);
}

/* Whether the entry is this message, whole, in every octet. */
static inline bool test_is_message(struct rp_spool_reader *reader,
                                   const struct rp_spool_entry *entry,
                                   const struct test_message *message)
{
    struct rp_spool_message_view *view;
    if (entry->is_damaged || entry->body_len != message->body_len ||
        entry->time_ns != message->time_ns || rp_spool_view_open(reader, entry, &view) != 0) {
        return false;
    }
    static uint8_t envelope[TEST_ENVELOPE_MAX];
    size_t envelope_len = test_envelope(message, envelope);
    uint8_t *body = test_body(message);
    size_t len;
    const uint8_t *got = rp_spool_view_body(view, &len);
    bool is_same = len == message->body_len && memcmp(got, body, len) == 0;
    size_t position = 0;
    struct rp_spool_item item;
    while (is_same && rp_spool_view_item(view, &position, &item)) {
        is_same = position <= envelope_len &&
                  memcmp(item.value, envelope + position - item.len, item.len) == 0 &&
                  memcmp(&item.tag, envelope + position - item.len - RP_SPOOL_ITEM_HEADER, 2) == 0;
    }
    is_same = is_same && position == envelope_len && entry->envelope_len == envelope_len;
    free(body);
    rp_spool_view_close(view);
    return is_same;
}

#endif
