/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_corpus.c - load messages of files; what is sent is made once, here.
 */
#include "load_corpus.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char end_of_data[] = ".\r\n";
#define END_LEN (sizeof(end_of_data) - 1)

struct message {
    struct rp_load_corpus_message spans;
    uint8_t *octets; /* owned; the spans point into them */
};

/* What a file holds; owned. */
struct octets {
    uint8_t *ptr;
    size_t len;
};

struct rp_load_corpus {
    struct message *messages;
    size_t count;
    size_t room;
    uint64_t lone_cr;
    char *error; /* the caller's, while it is loaded */
    size_t error_len;
};

/* One line for people; gives `code` back. */
static int fail(const struct rp_load_corpus *corpus, int code, const char *where, const char *what)
{
    (void)snprintf(corpus->error, corpus->error_len, "%s: %s", where, what); /* may be cut */
    return code;
}

static int fail_system(const struct rp_load_corpus *corpus, int code, const char *where)
{
    return fail(corpus, code, where, strerror(-code));
}

/* ---- one message ---- */

/* The next line of a text, and what ends it there. */
struct line {
    const uint8_t *ptr;
    size_t len; /* without its end */
    bool is_lone_cr;
};

/* False: there is none. Takes it off `text`. CRLF, LF and CR end a line, and the text does. */
static bool next_line(struct rp_span *text, struct line *line_out)
{
    if (text->len == 0) {
        return false;
    }
    size_t len = 0;
    while (len < text->len && text->ptr[len] != '\r' && text->ptr[len] != '\n') {
        len++;
    }
    bool is_lone_cr = false;
    size_t end_len = len < text->len;
    if (len < text->len && text->ptr[len] == '\r') {
        is_lone_cr = len + 1 == text->len || text->ptr[len + 1] != '\n';
        end_len = is_lone_cr ? 1 : 2;
    }
    *line_out = (struct line){.ptr = text->ptr, .len = len, .is_lone_cr = is_lone_cr};
    text->ptr += len + end_len;
    text->len -= len + end_len;
    return true;
}

static const uint8_t from[] = {'F', 'r', 'o', 'm', ' '};

static bool begins_with_from(const uint8_t *ptr, size_t len)
{
    return len >= sizeof(from) && memcmp(ptr, from, sizeof(from)) == 0;
}

static bool is_quoted_from(const struct line *line)
{
    size_t marks = 0;
    while (marks < line->len && line->ptr[marks] == '>') {
        marks++;
    }
    return marks > 0 && begins_with_from(line->ptr + marks, line->len - marks);
}

static void put_line(uint8_t **place, const struct line *line, bool with_dot)
{
    if (with_dot) {
        *(*place)++ = '.';
    }
    memcpy(*place, line->ptr, line->len);
    memcpy(*place + line->len, "\r\n", 2);
    *place += line->len + 2;
}

/* How the octets of a message are read. */
struct reading {
    struct rp_span text;
    bool is_quoted; /* as mboxrd does */
};

static bool next_unquoted(struct reading *reading, struct line *line_out)
{
    if (!next_line(&reading->text, line_out)) {
        return false;
    }
    if (reading->is_quoted && is_quoted_from(line_out)) {
        line_out->ptr++;
        line_out->len--;
    }
    return true;
}

static int make_room(struct rp_load_corpus *corpus)
{
    if (corpus->count < corpus->room) {
        return 0;
    }
    size_t room = corpus->room == 0 ? 64 : 2 * corpus->room;
    struct message *messages = reallocarray(corpus->messages, room, sizeof(corpus->messages[0]));
    if (messages == NULL) {
        return -ENOMEM;
    }
    corpus->messages = messages;
    corpus->room = room;
    return 0;
}

/*
 * Add a message. Its octets are one allocation that begins where `stuffed` does; `plain` is the
 * same but for the end where no line begins with a dot, else it stands behind.
 */
static int put_message(struct rp_load_corpus *corpus, struct reading reading)
{
    struct line line;
    size_t plain_len = 0;
    size_t dots = 0;
    for (struct reading scan = reading; next_unquoted(&scan, &line);) {
        plain_len += line.len + 2;
        dots += line.len > 0 && line.ptr[0] == '.';
        corpus->lone_cr += line.is_lone_cr;
    }
    if (plain_len == 0) {
        return 0;
    }
    size_t stuffed_len = plain_len + dots + END_LEN;
    uint8_t *octets = malloc(stuffed_len + (dots > 0 ? plain_len : 0));
    if (octets == NULL || make_room(corpus) != 0) {
        free(octets);
        return -ENOMEM;
    }
    uint8_t *stuffed = octets;
    uint8_t *plain = octets + stuffed_len;
    while (next_unquoted(&reading, &line)) {
        put_line(&stuffed, &line, line.len > 0 && line.ptr[0] == '.');
        if (dots > 0) {
            put_line(&plain, &line, false);
        }
    }
    memcpy(stuffed, end_of_data, END_LEN);
    assert(stuffed + END_LEN == octets + stuffed_len);
    assert(plain == octets + stuffed_len + (dots > 0 ? plain_len : 0));
    corpus->messages[corpus->count++] = (struct message){
        .spans.plain = {.ptr = dots > 0 ? octets + stuffed_len : octets, .len = plain_len  },
        .spans.stuffed = {.ptr = octets,                                   .len = stuffed_len},
        .octets = octets,
    };
    return 0;
}

/* ---- files ---- */

/* All of a file that is open; the caller frees them. */
static int read_all(int fd, size_t len, struct octets *octets_out)
{
    uint8_t *octets = malloc(len + 1);
    if (octets == NULL) {
        return -ENOMEM;
    }
    size_t at = 0;
    while (at < len) {
        ssize_t got = read(fd, octets + at, len - at);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            int error = -errno;
            free(octets);
            return error;
        }
        if (got == 0) {
            break; /* it was cut meanwhile */
        }
        at += (size_t)got;
    }
    *octets_out = (struct octets){.ptr = octets, .len = at};
    return 0;
}

/* 1: read; 0: it is no regular file; -errno. */
static int read_file(int dir_fd, const char *name, struct octets *out)
{
    /* A FIFO would keep open(2) waiting for a writer. */
    int fd = openat(dir_fd, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENXIO ? 0 : -errno; /* a socket */
    }
    struct stat status;
    int result = fstat(fd, &status) != 0 ? -errno : 0;
    if (result == 0 && S_ISREG(status.st_mode)) {
        result = read_all(fd, (size_t)status.st_size, out);
        result = result == 0 ? 1 : result;
    }
    (void)close(fd); /* it was only read */
    return result;
}

static int load_file(struct rp_load_corpus *corpus, int dir_fd, const char *name)
{
    struct octets octets = {0};
    int result = read_file(dir_fd, name, &octets);
    if (result == 1) {
        result = put_message(corpus, (struct reading){
                                         .text = {.ptr = octets.ptr, .len = octets.len}
        });
        free(octets.ptr);
    }
    return result;
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int by_octets(const struct dirent **one, const struct dirent **other)
{
    return strcmp((*one)->d_name, (*other)->d_name); /* not the locale's order */
}

/* `path` and `part` (of a maildir) are for the error's text. */
static int load_files(struct rp_load_corpus *corpus, int dir_fd, const char *path, const char *part)
{
    struct dirent **entries;
    int count = scandirat(dir_fd, ".", &entries, is_visible, by_octets);
    if (count < 0) {
        return fail_system(corpus, -errno, path);
    }
    int result = 0;
    for (int index = 0; index < count; index++) {
        if (result == 0) {
            result = load_file(corpus, dir_fd, entries[index]->d_name);
            if (result != 0) {
                (void)snprintf(corpus->error, corpus->error_len, "%s%s/%s: %s", path, part,
                               entries[index]->d_name, strerror(-result)); /* may be cut */
            }
        }
        free(entries[index]);
    }
    free(entries);
    return result;
}

/* The files of cur/ and new/. 0; 1: it is no maildir, nothing was loaded; -errno, told. */
static int load_maildir(struct rp_load_corpus *corpus, int dir_fd, const char *path)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    int cur_fd = openat(dir_fd, "cur", flags);
    int new_fd = openat(dir_fd, "new", flags);
    int result = 1;
    if (cur_fd >= 0 && new_fd >= 0) {
        result = load_files(corpus, cur_fd, path, "/cur");
        result = result == 0 ? load_files(corpus, new_fd, path, "/new") : result;
    }
    if (cur_fd >= 0) {
        (void)close(cur_fd); /* directories */
    }
    if (new_fd >= 0) {
        (void)close(new_fd);
    }
    return result;
}

static int load_dir(struct rp_load_corpus *corpus, const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return fail_system(corpus, -errno, path);
    }
    int result = load_maildir(corpus, fd, path);
    if (result == 1) {
        result = load_files(corpus, fd, path, "");
    }
    (void)close(fd); /* a directory */
    if (result == 0 && corpus->count == 0) {
        return fail(corpus, -EINVAL, path, "no message is in it: put one a file there");
    }
    return result;
}

/* ---- mbox ---- */

/* Take the next message's octets off `text`, which stands behind a From line. */
static struct rp_span take_message(struct rp_span *text)
{
    struct rp_span message = {.ptr = text->ptr, .len = 0};
    struct line line;
    bool is_after_empty = false;
    size_t whole_len = 0; /* up to the last empty line, which is the separator's */
    for (struct rp_span rest = *text; next_line(&rest, &line); *text = rest) {
        if (is_after_empty && begins_with_from(line.ptr, line.len)) {
            break;
        }
        if (line.len > 0) {
            is_after_empty = false;
        } else {
            is_after_empty = true;
            whole_len = (size_t)(line.ptr - message.ptr);
        }
        message.len = (size_t)(rest.ptr - message.ptr);
    }
    if (is_after_empty) {
        message.len = whole_len;
    }
    return message;
}

static int load_messages(struct rp_load_corpus *corpus, const char *path, struct rp_span text)
{
    struct line line;
    if (text.len == 0) {
        return fail(corpus, -EINVAL, path, "it is empty: an mbox with a message is wanted");
    }
    if (!begins_with_from(text.ptr, text.len)) {
        return fail(corpus, -EINVAL, path,
                    "it is no mbox: its first line does not begin with "
                    "\"From \"");
    }
    while (next_line(&text, &line)) { /* the From line */
        int result =
            put_message(corpus, (struct reading){.text = take_message(&text), .is_quoted = true});
        if (result != 0) {
            return fail_system(corpus, result, path);
        }
    }
    if (corpus->count == 0) {
        return fail(corpus, -EINVAL, path, "no message is in it, but From lines");
    }
    return 0;
}

static int load_mbox(struct rp_load_corpus *corpus, const char *path)
{
    struct octets octets = {0};
    int result = read_file(AT_FDCWD, path, &octets);
    if (result < 0) {
        return fail_system(corpus, result, path);
    }
    if (result == 0) {
        return fail(corpus, -EINVAL, path,
                    "it is no file: an mbox is wanted; eml:DIR takes a "
                    "directory");
    }
    result = load_messages(corpus, path, (struct rp_span){.ptr = octets.ptr, .len = octets.len});
    free(octets.ptr);
    return result;
}

/* ---- the whole ---- */

static int load(struct rp_load_corpus *corpus, const char *source)
{
    static const char eml[] = "eml:";
    static const char mbox[] = "mbox:";
    if (strncmp(source, eml, sizeof(eml) - 1) == 0 && source[sizeof(eml) - 1] != '\0') {
        return load_dir(corpus, source + sizeof(eml) - 1);
    }
    if (strncmp(source, mbox, sizeof(mbox) - 1) == 0 && source[sizeof(mbox) - 1] != '\0') {
        return load_mbox(corpus, source + sizeof(mbox) - 1);
    }
    return fail(corpus, -EINVAL, source, "messages come from eml:DIR or mbox:FILE");
}

int rp_load_corpus_open(const char *source,
                        struct rp_load_corpus **corpus_out,
                        char *error,
                        size_t error_len)
{
    struct rp_load_corpus *corpus = calloc(1, sizeof(*corpus));
    if (corpus == NULL) {
        (void)snprintf(error, error_len, "%s: %s", source, strerror(ENOMEM)); /* may be cut */
        return -ENOMEM;
    }
    corpus->error = error;
    corpus->error_len = error_len;
    int result = load(corpus, source);
    corpus->error = NULL;
    if (result != 0) {
        rp_load_corpus_close(corpus);
        return result;
    }
    *corpus_out = corpus;
    return 0;
}

void rp_load_corpus_close(struct rp_load_corpus *corpus)
{
    if (corpus == NULL) {
        return;
    }
    for (size_t index = 0; index < corpus->count; index++) {
        free(corpus->messages[index].octets);
    }
    free(corpus->messages);
    free(corpus);
}

size_t rp_load_corpus_count(const struct rp_load_corpus *corpus)
{
    return corpus->count;
}

const struct rp_load_corpus_message *rp_load_corpus_get(const struct rp_load_corpus *corpus,
                                                        size_t index)
{
    assert(index < corpus->count);
    return &corpus->messages[index].spans;
}

uint64_t rp_load_corpus_lone_cr(const struct rp_load_corpus *corpus)
{
    return corpus->lone_cr;
}
