/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * make_spool.c - write a spool as a script says: for tests of programs that read one.
 *
 *     make_spool DIR LANES SEGMENT_SIZE
 *
 * Opens or creates the spool as the daemon does, then reads lines from stdin:
 *
 *     message LANE TIME_NS BIG_ID BODY_FILE ENVELOPE   add to the batch under way
 *     commit                                           write it, publish it
 *
 * BIG_ID 0: the body goes into the log; else into a file of its own. ENVELOPE is hexadecimal,
 * the items as they stand in the record ("-": none). It prints "ready", the id of each
 * message, and "committed". At the end of the input the segments are closed. Plain system
 * calls, no ring.
 */
#include "engine/spooldir.h"
#include "spool/rp_spool_writer.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BATCH_MESSAGES_MAX 256u
#define LINE_MAX_LEN       (1u << 20)

struct lane {
    struct rp_spool_writer writer;
    int fd;         /* of the open segment; -1: none is open */
    uint8_t *index; /* owned while a segment is open */
};

/* Octets of a message, kept until its batch is committed. */
struct octets {
    uint8_t *ptr; /* owned */
    size_t len;
};

static struct rp_spooldir dir;
static struct lane lanes[RP_SPOOL_LANES_MAX];
static struct rp_spool_batch batch;
static struct lane *batch_lane; /* NULL: no batch is under way */
static struct octets kept[2 * BATCH_MESSAGES_MAX];
static size_t kept_count;

_Noreturn static void die(const char *what, const char *where)
{
    (void)fprintf(stderr, "make_spool: %s: %s: %s\n", where, what, strerror(errno));
    exit(1);
}

static void write_all(int fd, const uint8_t *ptr, size_t len, const char *where)
{
    while (len > 0) {
        ssize_t written = write(fd, ptr, len);
        if (written < 0) {
            die("write", where);
        }
        ptr += written;
        len -= (size_t)written;
    }
}

static int create_zeros(int dir_fd, const char *name, uint64_t len)
{
    int fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd < 0 || ftruncate(fd, (off_t)len) != 0) {
        die("create", name);
    }
    return fd;
}

static void open_segment(struct lane *lane)
{
    struct rp_spooldir_lane *place = &dir.lanes[lane->writer.lane];
    unsigned long long number = place->next_segment++;
    char name[64];
    (void)snprintf(name, sizeof(name), RP_SPOOL_SEGMENT_FORMAT, number);
    lane->fd = create_zeros(place->fd, name, dir.segment_size);
    lane->index = malloc(RP_SPOOL_INDEX_LEN(dir.segment_size));
    if (lane->index == NULL) {
        die("malloc", name);
    }
    rp_spool_writer_open_segment(&lane->writer, number, dir.segment_size, lane->index);
}

static void close_segment(struct lane *lane)
{
    char name[64];
    const struct rp_spooldir_lane *place = &dir.lanes[lane->writer.lane];
    (void)snprintf(name, sizeof(name), RP_SPOOL_INDEX_FORMAT,
                   (unsigned long long)lane->writer.segment);
    uint64_t len = rp_spool_writer_close_segment(&lane->writer);
    int fd = create_zeros(place->fd, name, 0);
    write_all(fd, lane->index, (size_t)len, name);
    free(lane->index);
    if (close(fd) != 0 || close(lane->fd) != 0) {
        die("close", "segment");
    }
    lane->fd = -1;
}

static void commit(void)
{
    if (batch_lane == NULL) {
        return;
    }
    rp_spool_batch_seal(&batch);
    ssize_t written = pwritev(batch_lane->fd, batch.iov, (int)batch.iov_count, (off_t)batch.off);
    if (written < 0 || (uint64_t)written != batch.len || fdatasync(batch_lane->fd) != 0) {
        die("pwritev", "segment");
    }
    if (rp_spool_batch_commit(&batch)) {
        (void)syscall(SYS_futex, &dir.doorbell->ring, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
    }
    batch_lane = NULL;
    while (kept_count > 0) {
        free(kept[--kept_count].ptr);
    }
}

static struct octets *keep(size_t len)
{
    assert(kept_count < sizeof(kept) / sizeof(kept[0]));
    struct octets *octets = &kept[kept_count++];
    octets->ptr = calloc(1, len > 0 ? len : 1);
    octets->len = len;
    if (octets->ptr == NULL) {
        die("calloc", "message");
    }
    return octets;
}

static const struct octets *read_body(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0) {
        die("open", path);
    }
    struct octets *body = keep((size_t)status.st_size);
    for (size_t at = 0; at < body->len;) {
        ssize_t got = read(fd, body->ptr + at, body->len - at);
        if (got <= 0) {
            die("read", path);
        }
        at += (size_t)got;
    }
    (void)close(fd);
    return body;
}

static unsigned digit(char character)
{
    if (character >= '0' && character <= '9') {
        return (unsigned)(character - '0');
    }
    if (character >= 'a' && character <= 'f') {
        return (unsigned)(character - 'a') + 10;
    }
    errno = EINVAL;
    die("no hexadecimal digit", "envelope");
}

/* The envelope behind the room that the record's header takes. */
static const struct octets *read_head(const char *hex)
{
    size_t len = strcmp(hex, "-") == 0 ? 0 : strlen(hex) / 2;
    struct octets *head = keep(sizeof(struct rp_spool_record) + len);
    for (size_t index = 0; index < len; index++) {
        head->ptr[sizeof(struct rp_spool_record) + index] =
            (uint8_t)(digit(hex[2 * index]) << 4 | digit(hex[2 * index + 1]));
    }
    return head;
}

static void write_big(uint32_t lane, uint64_t big_id, const struct octets *body)
{
    char name[64];
    (void)snprintf(name, sizeof(name), RP_SPOOL_BIG_FORMAT, (unsigned)lane,
                   (unsigned long long)big_id);
    int fd = openat(dir.big_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd < 0) {
        die("create", name);
    }
    write_all(fd, body->ptr, body->len, name);
    if (fsync(fd) != 0 || close(fd) != 0 || fsync(dir.big_fd) != 0) {
        die("fsync", name);
    }
}

static uint64_t hash_body(const struct octets *body)
{
    struct rp_spool_hash hash;
    rp_spool_hash_init(&hash);
    rp_spool_hash_add(&hash, body->ptr, body->len);
    return rp_spool_hash_get(&hash);
}

static void begin(struct lane *lane)
{
    if (batch_lane != lane) {
        commit();
        if (lane->fd < 0) {
            open_segment(lane);
        }
        rp_spool_batch_begin(&batch, &lane->writer);
        batch_lane = lane;
    }
}

static void append(struct lane *lane, const struct rp_spool_message *message)
{
    struct rp_spool_id id;
    begin(lane);
    int error = rp_spool_batch_append(&batch, message, &id);
    if (error == -ENOSPC) {
        /* The octets of this message must outlive the batch before it: hand it over by hand. */
        size_t count = kept_count;
        kept_count = 0;
        if (batch.count > 0) {
            commit();
        } else {
            rp_spool_batch_abandon(&batch);
        }
        kept_count = count;
        batch_lane = NULL;
        close_segment(lane);
        begin(lane);
        error = rp_spool_batch_append(&batch, message, &id);
    }
    if (error != 0) {
        errno = -error;
        die("append", "message");
    }
    (void)printf("%s\n", id.text);
}

static void add_message(const char *line)
{
    static char path[PATH_MAX];
    static char hex[LINE_MAX_LEN];
    char *rest = NULL;
    uint64_t lane = strtoull(line + strlen("message "), &rest, 10);
    uint64_t time_ns = strtoull(rest, &rest, 10);
    uint64_t big_id = strtoull(rest, &rest, 10);
    if (lane >= dir.lane_count || sscanf(rest, " %4095s %1048575s", path, hex) != 2) {
        errno = EINVAL;
        die("cannot read this line", line);
    }
    if (kept_count + 2 > sizeof(kept) / sizeof(kept[0])) {
        commit();
    }
    begin(&lanes[lane]); /* a change of lane commits, and lets go of what was kept */
    const struct octets *head = read_head(hex);
    const struct octets *body = read_body(path);
    struct iovec head_iov = {.iov_base = head->ptr, .iov_len = head->len};
    struct iovec body_iov = {.iov_base = body->ptr, .iov_len = body->len};
    struct rp_spool_message message = {
        .head = &head_iov,
        .head_count = 1,
        .body = &body_iov,
        .body_count = body->len > 0 && big_id == 0,
        .body_len = body->len,
        .time_ns = time_ns,
        .big_id = big_id,
        .body_hash = hash_body(body),
        .has_zeros = true, /* slow, and right for any body */
    };
    if (big_id != 0) {
        write_big((uint32_t)lane, big_id, body);
    }
    append(&lanes[lane], &message);
}

static void run_script(void)
{
    static char line[LINE_MAX_LEN + PATH_MAX + 128];
    while (fgets(line, sizeof(line), stdin) != NULL) {
        if (strncmp(line, "message ", 8) == 0) {
            add_message(line);
        } else if (strcmp(line, "commit\n") == 0) {
            commit();
            (void)printf("committed\n");
        } else {
            errno = EINVAL;
            die("cannot read this line", line);
        }
        if (fflush(stdout) != 0) {
            die("write", "stdout");
        }
    }
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        (void)fprintf(stderr, "usage: make_spool DIR LANES SEGMENT_SIZE < SCRIPT\n");
        return 2;
    }
    char error[512];
    uint32_t lane_count = (uint32_t)strtoul(argv[2], NULL, 10);
    if (rp_spooldir_open(&dir, argv[1], lane_count, strtoull(argv[3], NULL, 10), error,
                         sizeof(error)) != 0) {
        (void)fprintf(stderr, "make_spool: %s\n", error);
        return 1;
    }
    for (uint32_t lane = 0; lane < dir.lane_count; lane++) {
        lanes[lane].fd = -1;
        const struct rp_spool_writer_place place = {
            .lane = lane,
            .sequence = dir.lanes[lane].next_sequence,
        };
        rp_spool_writer_init(&lanes[lane].writer, dir.identity, &place, dir.doorbell);
    }
    (void)printf("ready\n");
    if (fflush(stdout) != 0) {
        die("write", "stdout");
    }
    run_script();
    commit();
    for (uint32_t lane = 0; lane < dir.lane_count; lane++) {
        if (lanes[lane].fd >= 0) {
            close_segment(&lanes[lane]);
        }
    }
    rp_spooldir_close(&dir);
    return 0;
}
