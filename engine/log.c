/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * log.c - a line is built on the stack of whoever logs and leaves in one write.
 *
 * Nothing here may stop the daemon: a line that cannot be written within WAIT_MS is
 * lost and counted, and as soon as writing works again a line says how many were.
 *
 * The descriptor of the log file keeps its number for ever: another file is put on it
 * with dup3, so a thread that has just read the number never writes into something else.
 */
#include "engine/log.h"

#include "engine/log_limit.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* Octets of a message before escaping, of a line after it. Together they stay far below the
 * 4 KiB that a pipe takes in one piece (PIPE_BUF), so lines of several processes do not mix. */
#define MESSAGE_MAX 2048
#define LINE_MAX    3072

/* Room behind the message: "...", the end of the JSON object, a line end. */
#define TAIL_LEN    8

/* How long the first line waits for a reader that is behind. Those after it do not wait. */
#define WAIT_MS     10

#define FILE_MODE   0640

static _Atomic int log_fd = STDERR_FILENO;
static _Atomic int log_level = RP_CONFIG_LOG_INFO;
static _Atomic bool is_json;
static _Atomic uint64_t lost_count; /* lines since the last that was written */
static _Atomic bool is_torn;        /* the last write ended inside a line */

/* The control thread's: rp_log_open, rp_log_reopen. */
static int file_fd = -1;
static char file_path[sizeof(((struct rp_config *)NULL)->log_file)];

struct line {
    size_t len;
    char text[LINE_MAX];
};

/* ---- a line ---- */

static const char *level_name(enum rp_config_log_level level)
{
    switch (level) {
    case RP_CONFIG_LOG_ERROR: return "error";
    case RP_CONFIG_LOG_WARNING: return "warning";
    case RP_CONFIG_LOG_INFO: return "info";
    case RP_CONFIG_LOG_DEBUG: return "debug";
    }
    assert(false);
    return "";
}

static void put(struct line *line, const char *text, size_t len)
{
    assert(len <= sizeof(line->text) - line->len);
    memcpy(line->text + line->len, text, len);
    line->len += len;
}

/* Octets of the UTF-8 character that the text begins with (RFC 3629, 4); 0: it is none. */
static size_t character_len(const uint8_t *text, size_t len)
{
    uint8_t first = text[0];
    size_t need = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (need == 0 || need > len || first > 0xf4) {
        return 0;
    }
    for (size_t i = 1; i < need; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool is_overlong = (first == 0xe0 && text[1] < 0xa0) || (first == 0xf0 && text[1] < 0x90);
    bool is_surrogate = first == 0xed && text[1] > 0x9f;
    bool is_beyond = first == 0xf4 && text[1] > 0x8f;
    return is_overlong || is_surrogate || is_beyond ? 0 : need;
}

/* C0, DEL, C1 (U+0080 to U+009F): what a terminal would obey. */
static bool is_control(const uint8_t *character, size_t len)
{
    return (len == 1 && (character[0] < 0x20 || character[0] == 0x7f)) ||
           (len == 2 && character[0] == 0xc2 && character[1] < 0xa0);
}

/* What stands for a character, or for one octet that is none, in a text line. At most 8 octets. */
static size_t escape_text(const uint8_t *character, size_t len, char *out)
{
    if (len > 0 && !is_control(character, len)) {
        memcpy(out, character, len);
        return len;
    }
    size_t used = 0;
    for (size_t i = 0; i < (len == 0 ? 1 : len); i++) {
        used += (size_t)snprintf(out + used, 5, "\\x%02x", character[i]); /* always 4 octets */
    }
    return used;
}

/* The same in a JSON string (RFC 8259, 7); an octet that is no UTF-8 is U+FFFD. */
static size_t escape_json(const uint8_t *character, size_t len, char *out)
{
    if (len == 0) {
        return (size_t)snprintf(out, 7, "\\ufffd"); /* always 6 octets */
    }
    if (character[0] == '"' || character[0] == '\\') {
        out[0] = '\\';
        out[1] = (char)character[0];
        return 2;
    }
    if (is_control(character, len)) {
        return (size_t)snprintf(out, 7, "\\u%04x", character[len - 1]); /* always 6 octets */
    }
    memcpy(out, character, len);
    return len;
}

/* Put the message escaped, as far as it fits; what is cut shows "...". */
static void put_message(struct line *line, const char *message, bool is_cut, bool as_json)
{
    const uint8_t *at = (const uint8_t *)message;
    size_t left = strlen(message);
    while (left > 0) {
        char escaped[9];
        size_t len = character_len(at, left);
        if (len == 0 && is_cut && left < 4) {
            break; /* the message was cut inside a character */
        }
        size_t escaped_len =
            as_json ? escape_json(at, len, escaped) : escape_text(at, len, escaped);
        if (escaped_len + TAIL_LEN > sizeof(line->text) - line->len) {
            is_cut = true;
            break;
        }
        put(line, escaped, escaped_len);
        at += len == 0 ? 1 : len;
        left -= len == 0 ? 1 : len;
    }
    if (is_cut) {
        put(line, "...", 3);
    }
}

/* RFC 3339, UTC, milliseconds: "2026-11-23T10:11:12.123Z". */
static void put_time(struct line *line)
{
    char text[64];
    struct timespec now;
    struct tm utc;
    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail with this clock */
    (void)gmtime_r(&now.tv_sec, &utc);         /* fails beyond the year 2^31 */
    int len = snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ",
                       utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min,
                       utc.tm_sec, now.tv_nsec / 1000000);
    assert(len > 0 && (size_t)len < sizeof(text));
    put(line, text, (size_t)len);
}

/* One write, never a wait for long. False: the line is lost. */
static bool send_line(const struct line *line)
{
    struct pollfd ready = {.fd = atomic_load(&log_fd), .events = POLLOUT};
    int wait_ms = atomic_load(&lost_count) == 0 ? WAIT_MS : 0;
    if (poll(&ready, 1, wait_ms) != 1 || (ready.revents & POLLOUT) == 0) {
        return false; /* also EINTR: no signal handler is worth a second try */
    }
    /* The first octet is a line end: it closes a line that a full disk has cut. */
    bool was_torn = atomic_exchange(&is_torn, false);
    size_t first = was_torn ? 0 : 1;
    size_t len = line->len - first;
    ssize_t sent = write(ready.fd, line->text + first, len);
    if (sent != (ssize_t)len && (was_torn || sent > 0)) {
        atomic_store(&is_torn, true);
    }
    return sent == (ssize_t)len;
}

/* Its own frame: beside the message it would be too much stack for one function. */
__attribute__((noinline)) static bool log_line(enum rp_config_log_level level,
                                               const char *message,
                                               bool is_cut)
{
    struct line line = {.len = 0};
    const char *name = level_name(level);
    bool as_json = atomic_load(&is_json);
    put(&line, "\n", 1);
    if (as_json) {
        put(&line, "{\"time\":\"", 9);
        put_time(&line);
        put(&line, "\",\"level\":\"", 11);
        put(&line, name, strlen(name));
        put(&line, "\",\"message\":\"", 13);
    } else {
        put_time(&line);
        put(&line, " ", 1);
        put(&line, name, strlen(name));
        put(&line, " ", 1);
    }
    put_message(&line, message, is_cut, as_json);
    if (as_json) {
        put(&line, "\"}", 2);
    }
    put(&line, "\n", 1);
    return send_line(&line);
}

/* `message` is used up: it also holds the line about lost ones. */
static void write_message(enum rp_config_log_level level, char message[MESSAGE_MAX], bool is_cut)
{
    if (!log_line(level, message, is_cut)) {
        (void)atomic_fetch_add(&lost_count, 1);
    } else if (atomic_load(&lost_count) > 0) {
        uint64_t lost = atomic_exchange(&lost_count, 0);
        (void)snprintf(message, MESSAGE_MAX, "log: lines lost before this one: %" PRIu64, lost);
        if (lost > 0 && !log_line(RP_CONFIG_LOG_WARNING, message, false)) {
            (void)atomic_fetch_add(&lost_count, lost);
        }
    }
}

/* ---- too many of a kind ---- */

static pthread_mutex_t limit_lock = PTHREAD_MUTEX_INITIALIZER; /* nobody writes or waits under it */
static struct rp_log_limit limit;
static bool is_timer_set;
static int timer_fd = -1; /* set before other threads log */

static uint64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail with this clock */
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void lock_limit(void)
{
    int err = pthread_mutex_lock(&limit_lock);
    assert(err == 0);
}

static void unlock_limit(void)
{
    int err = pthread_mutex_unlock(&limit_lock);
    assert(err == 0);
}

/* Under the lock. Where there is no timer, or it fails, the next line of that level tells. */
static void set_timer(void)
{
    uint64_t due_ns = rp_log_limit_due_ns(&limit);
    is_timer_set = due_ns != UINT64_MAX;
    if (is_timer_set && timer_fd >= 0) {
        const struct itimerspec due = {
            .it_value = {.tv_sec = (time_t)(due_ns / 1000000000u),
                         .tv_nsec = (long)(due_ns % 1000000000u)}
        };
        (void)timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &due, NULL);
    }
}

static struct rp_log_limit_kind *take_kind(enum rp_config_log_level level, const char *format)
{
    lock_limit();
    struct rp_log_limit_kind *kind = rp_log_limit_take(&limit, level, format, now_ns());
    if (kind == NULL && !is_timer_set) {
        set_timer();
    }
    unlock_limit();
    return kind;
}

static void note_text(struct rp_log_limit_kind *kind, const char *message)
{
    lock_limit();
    (void)snprintf(kind->text, sizeof(kind->text), "%.*s", (int)sizeof(kind->text) - 1, message);
    unlock_limit();
}

static bool next_summary(bool is_all, struct rp_log_limit_summary *summary_out)
{
    lock_limit();
    bool is_there = rp_log_limit_next(&limit, is_all ? UINT64_MAX : now_ns(), summary_out);
    if (!is_there) {
        set_timer();
    }
    unlock_limit();
    return is_there;
}

/* Its own frame: the caller has a message, too. */
__attribute__((noinline)) static void tell_left_out(bool is_all)
{
    char message[MESSAGE_MAX];
    struct rp_log_limit_summary summary;
    while (next_summary(is_all, &summary)) {
        (void)snprintf(message, sizeof(message),
                       "%s (and %" PRIu64 " more like this in %" PRIu64 " s)", summary.text,
                       summary.left_out, summary.time_ns / 1000000000u + 1);
        if (rp_log_is_on(summary.level)) {
            write_message(summary.level, message, false);
        }
    }
}

void rp_log_tell_left_out(bool is_all)
{
    int saved_errno = errno;
    uint64_t count;
    if (timer_fd >= 0 && read(timer_fd, &count, sizeof(count)) < 0) {
        assert(errno == EAGAIN); /* its time has not come */
    }
    tell_left_out(is_all);
    errno = saved_errno;
}

int rp_log_timer_fd(void)
{
    if (timer_fd < 0) {
        timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    }
    return timer_fd < 0 ? -errno : timer_fd;
}

void rp_log(enum rp_config_log_level level, const char *format, ...)
{
    char message[MESSAGE_MAX];
    if (!rp_log_is_on(level)) {
        return;
    }
    int saved_errno = errno;
    bool is_limited = level <= RP_CONFIG_LOG_WARNING;
    struct rp_log_limit_kind *kind = NULL;
    if (is_limited) {
        tell_left_out(false);
        kind = take_kind(level, format);
    }
    if (!is_limited || kind != NULL) {
        va_list args;
        va_start(args, format);
        int len = vsnprintf(message, sizeof(message), format, args);
        va_end(args);
        assert(len >= 0);
        if (kind != NULL) {
            note_text(kind, message);
        }
        write_message(level, message, (size_t)len >= sizeof(message));
    }
    errno = saved_errno;
}

bool rp_log_is_on(enum rp_config_log_level level)
{
    return (int)level <= atomic_load_explicit(&log_level, memory_order_relaxed);
}

/* ---- where it goes ---- */

/* O_NONBLOCK: a FIFO without a reader is an error, not a wait. */
static int open_file(const char *path)
{
    int fd =
        open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, FILE_MODE);
    return fd < 0 ? -errno : fd;
}

/* Make the log file's descriptor this one, which is ours from now on. 0 or -errno. */
static int install(int fd)
{
    if (file_fd < 0) {
        file_fd = fd;
        return 0;
    }
    int result = dup3(fd, file_fd, O_CLOEXEC) < 0 ? -errno : 0;
    (void)close(fd); /* its file lives on as file_fd */
    return result;
}

int rp_log_open(const struct rp_config *config)
{
    int to = STDERR_FILENO;
    if (config->log_file[0] != '\0') {
        /* The same file stays open: after a change of user it might not open again, and a
         * reload must not fail for that. */
        if (strcmp(config->log_file, file_path) != 0) {
            int fd = open_file(config->log_file);
            int result = fd < 0 ? fd : install(fd);
            if (result != 0) {
                return result;
            }
        }
        to = file_fd;
    }
    bool as_json = config->log_format == RP_CONFIG_LOG_JSON ||
                   (config->log_format == RP_CONFIG_LOG_AUTO && isatty(to) != 1);
    memcpy(file_path, config->log_file, sizeof(file_path));
    atomic_store(&is_json, as_json);
    atomic_store(&log_level, (int)config->log_level);
    atomic_store(&log_fd, to);
    if (to == STDERR_FILENO && file_fd >= 0) {
        /* Who has just read the old number writes to stderr, too, and the file is let go. Where
         * that fails, a last line may still reach the file. */
        (void)dup3(STDERR_FILENO, file_fd, O_CLOEXEC);
    }
    return 0;
}

int rp_log_reopen(void)
{
    if (file_path[0] == '\0') {
        return 0;
    }
    int fd = open_file(file_path);
    return fd < 0 ? fd : install(fd);
}
