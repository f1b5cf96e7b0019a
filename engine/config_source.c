/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * config_source.c - reads files into one text, for config_source.h.
 *
 * The files that are open within each other are frames of a small stack; a scanner
 * that knows comments, strings and words copies from the topmost one.
 */
#include "engine/config_source.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct frame {
    char *data; /* ours; ends with NUL, which len does not count */
    size_t len;
    size_t off;
    unsigned line;
    const char *file;
};

struct scan {
    struct rp_config_source *source;
    struct frame frames[RP_CONFIG_SOURCE_DEPTH];
    size_t depth;
    int result; /* 0, or the first error; then nothing more is done */
    char *error;
    size_t error_len;
};

/* ---- errors ---- */

__attribute__((format(printf, 4, 5))) static void fail(struct scan *scan,
                                                       int result,
                                                       unsigned line,
                                                       const char *format,
                                                       ...)
{
    if (scan->result != 0) {
        return;
    }
    scan->result = result;
    int used = 0;
    if (scan->depth > 0) {
        const struct frame *frame = &scan->frames[scan->depth - 1];
        used = snprintf(scan->error, scan->error_len, "%s:%u: ", frame->file, line);
    }
    if (used >= 0 && (size_t)used < scan->error_len) {
        va_list args;
        va_start(args, format);
        (void)vsnprintf(scan->error + used, scan->error_len - (size_t)used, format, args);
        va_end(args);
    }
}

static struct frame *top(struct scan *scan)
{
    assert(scan->depth > 0);
    return &scan->frames[scan->depth - 1];
}

/* ---- the text that is made ---- */

/* Room for `need` elements of `size` octets, doubling. NULL: no memory, the old one stays. */
static void *grow(void *old, size_t *cap, size_t need, size_t size)
{
    size_t wanted = *cap < 64 ? 64 : *cap;
    while (wanted < need) {
        wanted *= 2;
    }
    void *grown = wanted == *cap ? old : realloc(old, wanted * size);
    if (grown != NULL) {
        *cap = wanted;
    }
    return grown;
}

static void put(struct scan *scan, char octet)
{
    struct rp_config_source *source = scan->source;
    if (scan->result != 0) {
        return;
    }
    if (source->text_len >= RP_CONFIG_SOURCE_MAX) {
        fail(scan, -EFBIG, top(scan)->line, "the configuration is larger than %u octets",
             RP_CONFIG_SOURCE_MAX);
        return;
    }
    char *text = grow(source->text, &source->text_cap, source->text_len + 2, 1);
    if (text == NULL) {
        fail(scan, -ENOMEM, top(scan)->line, "no memory");
        return;
    }
    source->text = text;
    if (source->text_len == 0 || text[source->text_len - 1] == '\n') {
        struct rp_config_place *lines =
            grow(source->lines, &source->line_cap, source->line_count + 1, sizeof(*lines));
        if (lines == NULL) {
            fail(scan, -ENOMEM, top(scan)->line, "no memory");
            return;
        }
        source->lines = lines;
        lines[source->line_count++] =
            (struct rp_config_place){.file = top(scan)->file, .line = top(scan)->line};
    }
    text[source->text_len++] = octet;
    text[source->text_len] = '\0';
}

static void put_all(struct scan *scan, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        put(scan, text[i]);
    }
}

/* ---- files ---- */

/* Open a frame on `data`, which becomes ours, also on failure. */
static void push(struct scan *scan, const char *name, char *data, size_t len)
{
    struct rp_config_source *source = scan->source;
    assert(scan->depth < RP_CONFIG_SOURCE_DEPTH && source->file_count < RP_CONFIG_SOURCE_FILES);
    char *file = strdup(name);
    if (file == NULL) {
        free(data);
        fail(scan, -ENOMEM, 0, "no memory");
        return;
    }
    source->files[source->file_count++] = file;
    scan->frames[scan->depth++] = (struct frame){.data = data, .len = len, .line = 1, .file = file};
}

static void pop(struct scan *scan)
{
    free(top(scan)->data);
    scan->depth--;
}

/* All of an open file, with a NUL behind it. 0 or -errno. */
static int read_all(int fd, char **data_out, size_t *len_out)
{
    size_t len = 0;
    size_t cap = 0;
    char *data = NULL;
    for (;;) {
        char *grown = grow(data, &cap, len + 4096 + 1, 1);
        if (grown == NULL) {
            free(data);
            return -ENOMEM;
        }
        data = grown;
        ssize_t got = read(fd, data + len, cap - len - 1);
        int error = got < 0 ? -errno : 0;
        if (error == -EINTR) {
            continue;
        }
        if (error == 0 && len + (size_t)got > RP_CONFIG_SOURCE_MAX) {
            error = -EFBIG;
        }
        if (error != 0) {
            free(data);
            return error;
        }
        len += (size_t)got;
        if (got == 0) {
            data[len] = '\0';
            *data_out = data;
            *len_out = len;
            return 0;
        }
    }
}

/*
 * The whole of a file. A pipe is fine at the top (-c /dev/stdin); an included file
 * must be a regular one, so that no reload waits for anybody.
 */
static int read_file(const char *path, bool is_included, char **data_out, size_t *len_out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (is_included ? O_NONBLOCK : 0));
    if (fd < 0) {
        return -errno;
    }
    struct stat status;
    int result = fstat(fd, &status) == 0 ? 0 : -errno;
    if (result == 0 && S_ISDIR(status.st_mode)) {
        result = -EISDIR;
    } else if (result == 0 && is_included && !S_ISREG(status.st_mode)) {
        result = -EINVAL;
    }
    if (result == 0) {
        result = read_all(fd, data_out, len_out);
    }
    (void)close(fd); /* only read */
    return result;
}

/* ---- the scanner: each function takes one thing off the topmost frame ---- */

static char peek(const struct frame *frame, size_t ahead)
{
    if (frame->off + ahead >= frame->len) {
        return '\0';
    }
    return frame->data[frame->off + ahead];
}

static void copy_one(struct scan *scan)
{
    struct frame *frame = top(scan);
    char octet = peek(frame, 0);
    put(scan, octet);
    frame->off++;
    frame->line += octet == '\n';
}

static void skip_line(struct frame *frame)
{
    while (frame->off < frame->len && peek(frame, 0) != '\n') {
        frame->off++;
    }
}

/* Line ends inside stay, so that the lines behind keep their numbers. */
static void skip_comment(struct scan *scan)
{
    struct frame *frame = top(scan);
    unsigned first_line = frame->line;
    put(scan, ' ');
    for (frame->off += 2; frame->off < frame->len; frame->off++) {
        if (peek(frame, 0) == '*' && peek(frame, 1) == '/') {
            frame->off += 2;
            return;
        }
        if (peek(frame, 0) == '\n') {
            put(scan, '\n');
            frame->line++;
        }
    }
    fail(scan, -EINVAL, first_line, "a comment begins here and has no end: */ is missing");
}

/* "*" before = or : is a name. */
static bool is_quoted_star(const struct frame *frame)
{
    size_t ahead = 3;
    if (peek(frame, 1) != '*' || peek(frame, 2) != '"') {
        return false;
    }
    while (peek(frame, ahead) == ' ' || peek(frame, ahead) == '\t') {
        ahead++;
    }
    return peek(frame, ahead) == '=' || peek(frame, ahead) == ':';
}

static void copy_string(struct scan *scan)
{
    struct frame *frame = top(scan);
    unsigned first_line = frame->line;
    if (is_quoted_star(frame)) {
        put(scan, '*');
        frame->off += 3;
        return;
    }
    copy_one(scan);
    while (frame->off < frame->len && peek(frame, 0) != '"') {
        if (peek(frame, 0) == '\0' || (peek(frame, 0) == '\\' && peek(frame, 1) == 'x' &&
                                       peek(frame, 2) == '0' && peek(frame, 3) == '0')) {
            fail(scan, -EINVAL, frame->line, "a NUL stands in a string: it would end there");
            return;
        }
        if (peek(frame, 0) == '\\' && frame->off + 1 < frame->len) {
            copy_one(scan);
        }
        copy_one(scan);
    }
    if (frame->off == frame->len) {
        fail(scan, -EINVAL, first_line, "a string begins here and has no end: a \" is missing");
        return;
    }
    copy_one(scan);
}

static bool is_digit(char octet)
{
    return octet >= '0' && octet <= '9';
}

static bool is_word(char octet)
{
    return (octet >= 'a' && octet <= 'z') || (octet >= 'A' && octet <= 'Z') || is_digit(octet) ||
           (octet != '\0' && strchr("_*.%+-", octet) != NULL);
}

enum number {
    NUMBER_SMALL, /* libconfig reads it right, if it is one at all */
    NUMBER_BIG,   /* needs a suffix */
    NUMBER_HUGE,  /* beyond 64 bits */
    NUMBER_UNIT,  /* digits, then something else */
};

/* The number that `digits` are; false: it is beyond INT64_MAX. */
static bool read_digits(const char *digits, size_t len, unsigned base, int64_t *number_out)
{
    int64_t number = 0;
    for (size_t i = 0; i < len; i++) {
        int digit = is_digit(digits[i]) ? digits[i] - '0' : (digits[i] | 0x20) - 'a' + 10;
        if (number > (INT64_MAX - digit) / (int64_t)base) {
            return false;
        }
        number = number * (int64_t)base + digit;
    }
    *number_out = number;
    return true;
}

/* What a word that begins with a digit, or a sign and a digit, is. */
static enum number classify(const char *word, size_t len)
{
    size_t first = word[0] == '-' || word[0] == '+';
    bool is_hex = word[first] == '0' && len > first + 2 && (word[first + 1] | 0x20) == 'x';
    first += is_hex ? 2 : 0;
    size_t digits = strspn(word + first, is_hex ? "0123456789abcdefABCDEF" : "0123456789");
    size_t suffix = strspn(word + first + digits, "L");
    if (first + digits + suffix < len) {
        size_t fraction = strspn(word, "0123456789.eE+-");
        return !is_hex && fraction >= len ? NUMBER_SMALL : NUMBER_UNIT;
    }
    int64_t number = 0;
    if (!read_digits(word + first, digits, is_hex ? 16 : 10, &number)) {
        return NUMBER_HUGE;
    }
    return number <= INT32_MAX || suffix > 0 ? NUMBER_SMALL : NUMBER_BIG;
}

static void copy_word(struct scan *scan)
{
    struct frame *frame = top(scan);
    const char *word = frame->data + frame->off;
    size_t len = 0;
    while (is_word(peek(frame, len))) {
        len++;
    }
    enum number number = NUMBER_SMALL;
    if (is_digit(word[0]) || ((word[0] == '-' || word[0] == '+') && is_digit(peek(frame, 1)))) {
        number = classify(word, len);
    }
    int shown = len < 64 ? (int)len : 64;
    if (number == NUMBER_HUGE) {
        fail(scan, -EINVAL, frame->line, "%.*s is beyond 64 bits; right: a smaller number", shown,
             word);
    } else if (number == NUMBER_UNIT) {
        fail(scan, -EINVAL, frame->line, "%.*s is no number; right: quotes around it, \"%.*s\"",
             shown, word, shown, word);
    }
    put_all(scan, word, len);
    if (number == NUMBER_BIG) {
        put(scan, 'L');
    }
    frame->off += len;
}

/* Only blanks before it on its line, as libconfig has it. */
static bool is_include(const struct frame *frame)
{
    size_t off = frame->off;
    while (off > 0 && (frame->data[off - 1] == ' ' || frame->data[off - 1] == '\t')) {
        off--;
    }
    return (off == 0 || frame->data[off - 1] == '\n') &&
           strncmp(frame->data + frame->off, "@include", 8) == 0;
}

/* `name` as seen from the directory of `from`. NULL: no memory. The caller frees it. */
static char *resolve(const char *from, const char *name, size_t name_len)
{
    const char *slash = strrchr(from, '/');
    size_t dir_len = name[0] == '/' || slash == NULL ? 0 : (size_t)(slash - from) + 1;
    char *path = malloc(dir_len + name_len + 1);
    if (path != NULL) {
        memcpy(path, from, dir_len);
        memcpy(path + dir_len, name, name_len);
        path[dir_len + name_len] = '\0';
    }
    return path;
}

static void open_include(struct scan *scan, const char *name, size_t name_len)
{
    struct frame *frame = top(scan);
    char *data = NULL;
    size_t len = 0;
    if (scan->depth == RP_CONFIG_SOURCE_DEPTH ||
        scan->source->file_count == RP_CONFIG_SOURCE_FILES) {
        fail(scan, -ELOOP, frame->line,
             "too many files: at most %d within each other and %d in all may be included",
             RP_CONFIG_SOURCE_DEPTH - 1, RP_CONFIG_SOURCE_FILES - 1);
        return;
    }
    char *path = resolve(frame->file, name, name_len);
    int result = path == NULL ? -ENOMEM : read_file(path, true, &data, &len);
    if (result == 0) {
        put(scan, '\n'); /* so that the file's first line is a line of the text */
        push(scan, path, data, len);
    } else {
        fail(scan, result, frame->line, "@include \"%.*s\": %s",
             name_len < 512 ? (int)name_len : 512, name,
             result == -EINVAL ? "it is no regular file" : strerror(-result));
    }
    free(path);
}

static void take_include(struct scan *scan)
{
    struct frame *frame = top(scan);
    size_t first = frame->off + strlen("@include");
    first += strspn(frame->data + first, " \t");
    size_t name_len = frame->data[first] == '"' ? strcspn(frame->data + first + 1, "\"\n") : 0;
    if (name_len == 0 || frame->data[first + 1 + name_len] != '"') {
        fail(scan, -EINVAL, frame->line, "right: @include \"FILE\"");
        return;
    }
    frame->off = first + 1 + name_len + 1;
    open_include(scan, frame->data + first + 1, name_len);
}

static void scan_one(struct scan *scan)
{
    struct frame *frame = top(scan);
    char octet = peek(frame, 0);
    if (octet == '#' || (octet == '/' && peek(frame, 1) == '/')) {
        skip_line(frame);
    } else if (octet == '/' && peek(frame, 1) == '*') {
        skip_comment(scan);
    } else if (octet == '"') {
        copy_string(scan);
    } else if (octet == '@' && is_include(frame)) {
        take_include(scan);
    } else if (is_word(octet)) {
        copy_word(scan);
    } else if (octet == '\0') {
        fail(scan, -EINVAL, frame->line, "a NUL stands here: this is no text file");
    } else {
        copy_one(scan);
    }
}

/* Until the last frame is done; then result and error are the scan's. */
static int run(struct scan *scan)
{
    while (scan->result == 0 && scan->depth > 0) {
        const struct frame *frame = top(scan);
        if (frame->off < frame->len) {
            scan_one(scan);
        } else {
            put(scan, '\n');
            pop(scan);
        }
    }
    while (scan->depth > 0) {
        pop(scan);
    }
    if (scan->result != 0) {
        rp_config_source_close(scan->source);
    }
    return scan->result;
}

int rp_config_source_read(struct rp_config_source *source,
                          const char *path,
                          char *error,
                          size_t error_len)
{
    *source = (struct rp_config_source){0};
    struct scan scan = {.source = source, .error = error, .error_len = error_len};
    char *data = NULL;
    size_t len = 0;
    int result = read_file(path, false, &data, &len);
    if (result != 0) {
        fail(&scan, result, 0, "%s: cannot be read: %s", path, strerror(-result));
        return result;
    }
    push(&scan, path, data, len);
    return run(&scan);
}

int rp_config_source_take(struct rp_config_source *source,
                          const char *name,
                          const char *text,
                          char *error,
                          size_t error_len)
{
    *source = (struct rp_config_source){0};
    struct scan scan = {.source = source, .error = error, .error_len = error_len};
    char *data = strdup(text);
    if (data == NULL) {
        fail(&scan, -ENOMEM, 0, "no memory");
        return -ENOMEM;
    }
    push(&scan, name, data, strlen(text));
    return run(&scan);
}

struct rp_config_place rp_config_source_place(const struct rp_config_source *source, unsigned line)
{
    assert(source->line_count > 0 && line > 0);
    return source->lines[line <= source->line_count ? line - 1 : source->line_count - 1];
}

void rp_config_source_close(struct rp_config_source *source)
{
    for (size_t i = 0; i < source->file_count; i++) {
        free(source->files[i]);
    }
    free(source->lines);
    free(source->text);
    *source = (struct rp_config_source){0};
}
