/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * logdisk.c - a disk that remembers: every write and every flush in order, and faults on request.
 *
 *     logdisk DATA LOG MOUNTPOINT
 *
 * Mounts a FUSE file system that is one file, on the regular file MOUNTPOINT; a loop device
 * (without direct I/O) on it is a disk. The octets are those of DATA, which is read and written in
 * place. LOG is written from its start: one entry for each write and each flush that succeeded, in
 * the order in which they were served. An entry is a head of 16 octets (little-endian: 8 offset,
 * 4 length, 4 kind) and, for a write, its octets. LOG's length at some moment is a place in that
 * order; an entry is in LOG before the system that asked for it hears that it is done.
 *
 * "ready" comes on stdout when it is mounted. Then commands come on stdin, a line each, and
 * each is answered by "ok" or "error":
 *
 *     fail read|write OFFSET LENGTH COUNT   the next COUNT such calls that touch this range end
 *                                           with EIO, and do nothing; COUNT 0: all of them
 *     heal                                  forget all of these
 *     delay MS                              each flush takes this long
 *
 * At the end of stdin it unmounts and ends.
 *
 * One thread serves one request after the other, and the file is open for direct I/O: nothing is
 * kept, merged or reordered between the loop device and LOG.
 *
 * Bugs: a write that is under way while a flush is asked for comes before or behind that flush; a
 * disk may promise less.
 */
#define FUSE_USE_VERSION 312

#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FAULTS_MAX   256
#define LINE_MAX_LEN 256
#define DELAY_MAX_MS 60000u
#define ATTR_VALID_S 3600.0 /* size and mode never change */

enum kind {
    KIND_WRITE = 1,
    KIND_FLUSH = 2,
};

struct entry_head {
    uint64_t offset;
    uint32_t len;
    uint32_t kind;
};
_Static_assert(sizeof(struct entry_head) == 16, "the log's format");

struct fault {
    uint64_t begin;
    uint64_t end;
    uint64_t left; /* calls that will still fail; UINT64_MAX: all */
    bool is_write;
};

struct disk {
    int data_fd;
    int log_fd;
    uint64_t size;
    struct fault faults[FAULTS_MAX];
    size_t fault_count;
    unsigned delay_ms;
    char line[LINE_MAX_LEN]; /* of stdin, unfinished */
    size_t line_len;
};

/* Whether this call is to fail; it is counted then. */
static bool take_fault(struct disk *disk, bool is_write, uint64_t offset, uint64_t len)
{
    for (size_t i = 0; i < disk->fault_count; i++) {
        struct fault *fault = &disk->faults[i];
        if (fault->is_write == is_write && fault->left > 0 && offset < fault->end &&
            offset + len > fault->begin) {
            fault->left -= fault->left == UINT64_MAX ? 0 : 1;
            return true;
        }
    }
    return false;
}

static int write_all(int fd, const void *octets, size_t len, uint64_t offset)
{
    const char *next = octets;
    while (len > 0) {
        ssize_t done = pwrite(fd, next, len, (off_t)offset);
        if (done <= 0) {
            return done < 0 ? -errno : -EIO;
        }
        next += done;
        len -= (size_t)done;
        offset += (uint64_t)done;
    }
    return 0;
}

/* LOG is opened for appending: the offset does not count. */
static int put_entry(struct disk *disk,
                     enum kind kind,
                     uint64_t offset,
                     const void *octets,
                     size_t len)
{
    struct entry_head head = {.offset = offset, .len = (uint32_t)len, .kind = kind};
    int error = write_all(disk->log_fd, &head, sizeof(head), 0);
    return error == 0 ? write_all(disk->log_fd, octets, len, 0) : error;
}

static void fill_attr(const struct disk *disk, struct stat *attr)
{
    *attr = (struct stat){
        .st_ino = FUSE_ROOT_ID,
        .st_mode = S_IFREG | 0600,
        .st_nlink = 1,
        .st_size = (off_t)disk->size,
        .st_blksize = 4096,
        .st_blocks = (blkcnt_t)(disk->size / 512),
    };
}

static void on_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
    (void)ino;
    (void)info;
    struct stat attr;
    fill_attr(fuse_req_userdata(req), &attr);
    (void)fuse_reply_attr(req, &attr, ATTR_VALID_S); /* fails when the caller is gone */
}

static void on_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
    (void)ino;
    info->direct_io = 1;
    (void)fuse_reply_open(req, info); /* as above */
}

static void on_read(fuse_req_t req,
                    fuse_ino_t ino,
                    size_t len,
                    off_t offset,
                    struct fuse_file_info *info)
{
    (void)ino;
    (void)info;
    struct disk *disk = fuse_req_userdata(req);
    if (take_fault(disk, false, (uint64_t)offset, len)) {
        (void)fuse_reply_err(req, EIO); /* as above */
        return;
    }
    struct fuse_bufvec octets = FUSE_BUFVEC_INIT(len);
    octets.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
    octets.buf[0].fd = disk->data_fd;
    octets.buf[0].pos = offset;
    (void)fuse_reply_data(req, &octets, FUSE_BUF_NO_SPLICE); /* as above */
}

static void on_write(fuse_req_t req,
                     fuse_ino_t ino,
                     const char *octets,
                     size_t len,
                     off_t offset,
                     struct fuse_file_info *info)
{
    (void)ino;
    (void)info;
    struct disk *disk = fuse_req_userdata(req);
    uint64_t begin = (uint64_t)offset;
    int error = 0;
    if (begin + len > disk->size) {
        error = -ENOSPC;
    } else if (take_fault(disk, true, begin, len)) {
        error = -EIO;
    } else {
        error = write_all(disk->data_fd, octets, len, begin);
    }
    if (error == 0) {
        error = put_entry(disk, KIND_WRITE, begin, octets, len);
    }
    if (error != 0) {
        (void)fuse_reply_err(req, -error); /* as above */
    } else {
        (void)fuse_reply_write(req, len); /* as above */
    }
}

static void on_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *info)
{
    (void)ino;
    (void)datasync;
    (void)info;
    struct disk *disk = fuse_req_userdata(req);
    struct timespec left = {.tv_sec = disk->delay_ms / 1000,
                            .tv_nsec = (long)(disk->delay_ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
    (void)fuse_reply_err(req, -put_entry(disk, KIND_FLUSH, 0, NULL, 0)); /* as above */
}

/* Takes a blank and a number off the front of the text. */
static bool take_number(const char **text, uint64_t most, uint64_t *number_out)
{
    if ((*text)[0] != ' ' || (*text)[1] < '0' || (*text)[1] > '9') {
        return false;
    }
    char *end;
    errno = 0;
    unsigned long long number = strtoull(*text + 1, &end, 10);
    if (errno != 0 || number > most) {
        return false;
    }
    *text = end;
    *number_out = number;
    return true;
}

static bool take_word(const char **text, const char *word)
{
    size_t len = strlen(word);
    if (strncmp(*text, word, len) != 0) {
        return false;
    }
    *text += len;
    return true;
}

static bool add_fault(struct disk *disk, const char *text)
{
    bool is_write = take_word(&text, " write");
    uint64_t offset;
    uint64_t len;
    uint64_t count;
    if ((!is_write && !take_word(&text, " read")) || disk->fault_count == FAULTS_MAX ||
        !take_number(&text, disk->size, &offset) ||
        !take_number(&text, disk->size - offset, &len) ||
        !take_number(&text, UINT64_MAX - 1, &count) || *text != '\0') {
        return false;
    }
    disk->faults[disk->fault_count++] = (struct fault){
        .begin = offset,
        .end = offset + len,
        .left = count == 0 ? UINT64_MAX : count,
        .is_write = is_write,
    };
    return true;
}

static bool obey(struct disk *disk, const char *line)
{
    uint64_t delay_ms;
    if (strcmp(line, "heal") == 0) {
        disk->fault_count = 0;
        return true;
    }
    if (take_word(&line, "delay")) {
        if (!take_number(&line, DELAY_MAX_MS, &delay_ms) || *line != '\0') {
            return false;
        }
        disk->delay_ms = (unsigned)delay_ms;
        return true;
    }
    return take_word(&line, "fail") && add_fault(disk, line);
}

/* Obey the lines that have come; false at the end of stdin. */
static bool take_commands(struct disk *disk)
{
    ssize_t got =
        read(STDIN_FILENO, disk->line + disk->line_len, sizeof(disk->line) - disk->line_len);
    if (got <= 0) {
        return got < 0 && errno == EINTR;
    }
    disk->line_len += (size_t)got;
    char *end;
    while ((end = memchr(disk->line, '\n', disk->line_len)) != NULL) {
        *end = '\0';
        (void)puts(obey(disk, disk->line) ? "ok" : "error"); /* who asks sees it missing */
        (void)fflush(stdout);                                /* likewise */
        size_t used = (size_t)(end + 1 - disk->line);
        disk->line_len -= used;
        memmove(disk->line, end + 1, disk->line_len);
    }
    return disk->line_len < sizeof(disk->line);
}

static int serve(struct disk *disk, struct fuse_session *session)
{
    struct fuse_buf request = {.mem = NULL};
    struct pollfd fds[2] = {
        {.fd = fuse_session_fd(session), .events = POLLIN},
        {.fd = STDIN_FILENO,             .events = POLLIN},
    };
    int status = 0;
    while (!fuse_session_exited(session)) {
        if (poll(fds, 2, -1) < 0) {
            if (errno == EINTR) {
                continue;
            }
            status = 1;
            break;
        }
        if (fds[1].revents != 0 && !take_commands(disk)) {
            break;
        }
        if (fds[0].revents != 0) {
            int got = fuse_session_receive_buf(session, &request);
            if (got > 0) {
                fuse_session_process_buf(session, &request);
            } else if (got != -EINTR && got != -EAGAIN) {
                break;
            }
        }
    }
    free(request.mem);
    return status;
}

static int fail(const char *what)
{
    (void)fprintf(stderr, "logdisk: %s: %s\n", what, strerror(errno)); /* nowhere else to say it */
    return 1;
}

int main(int argc, char **argv)
{
    static struct disk disk;
    static const struct fuse_lowlevel_ops ops = {
        .getattr = on_getattr,
        .open = on_open,
        .read = on_read,
        .write = on_write,
        .fsync = on_fsync,
    };
    if (argc != 4) {
        (void)fputs("usage: logdisk DATA LOG MOUNTPOINT\n", stderr); /* nowhere else to say it */
        return 2;
    }
    disk.data_fd = open(argv[1], O_RDWR | O_CLOEXEC);
    struct stat attr;
    if (disk.data_fd < 0 || fstat(disk.data_fd, &attr) != 0) {
        return fail(argv[1]);
    }
    disk.size = (uint64_t)attr.st_size;
    disk.log_fd = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (disk.log_fd < 0) {
        return fail(argv[2]);
    }
    /* Memory that the kernel finds for this process should not be won by writing to this disk.
     * Refused without CAP_SYS_RESOURCE: then there must be enough of it. */
    (void)prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
    char *words[] = {argv[0], NULL};
    struct fuse_args args = FUSE_ARGS_INIT(1, words);
    struct fuse_session *session = fuse_session_new(&args, &ops, sizeof(ops), &disk);
    fuse_opt_free_args(&args);
    if (session == NULL) {
        return 1; /* libfuse has said why */
    }
    if (fuse_session_mount(session, argv[3]) != 0) {
        fuse_session_destroy(session);
        return 1; /* likewise */
    }
    int status = puts("ready") < 0 || fflush(stdout) != 0 ? 1 : serve(&disk, session);
    fuse_session_unmount(session);
    fuse_session_destroy(session);
    return status;
}
