/* SPDX-License-Identifier: GPL-3.0-or-later */
/* server.c - see server.h: everything in this process put together. */
#include "server.h"

#include "listener.h"
#include "log.h"
#include "spooldir.h"
#include "worker.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Descriptors that connections may not use up: of the process, and of each worker (segments,
 * their indexes and directories, big bodies being written). */
#define FILES_RESERVED        32
#define FILES_RESERVED_WORKER 64

/* Of a new spool's directory, as rp_spooldir_open has it. */
#define SPOOL_MODE            0750

/* A snapshot of the configuration; it stays as long as a worker or a session uses it. */
struct snapshot {
    struct snapshot *next;
    _Atomic uint32_t user_count;
    struct rp_config config;
};

struct runner {
    struct rp_server *server;
    struct rp_worker *worker;
    pthread_t thread;
    bool is_running;
    int result;
};

struct rp_server {
    struct snapshot *configs; /* the newest first */
    struct rp_spooldir dir;
    struct rp_listener listeners[RP_CONFIG_LISTENERS_MAX];
    uint32_t listener_count;
    struct runner *runners;
    struct rp_worker **workers; /* those of the runners, for each other */
    uint32_t worker_count;
    struct rp_io *io; /* the control thread's, to tell the workers */
    int done_fd;
    _Atomic uint32_t running;
};

static const struct rp_config *add_snapshot(struct rp_server *server, const struct rp_config *from)
{
    struct snapshot *snapshot = malloc(sizeof(*snapshot));
    if (snapshot == NULL) {
        return NULL;
    }
    rp_config_copy(&snapshot->config, from);
    snapshot->user_count = server->worker_count; /* each has it, or is going to */
    snapshot->config.user_count = &snapshot->user_count;
    snapshot->next = server->configs;
    server->configs = snapshot;
    return &snapshot->config;
}

/* Free what nobody uses any more, but for the first: it says what cannot be reloaded. */
static void free_old_snapshots(struct rp_server *server)
{
    struct snapshot **place = &server->configs;
    while (*place != NULL) {
        struct snapshot *snapshot = *place;
        bool is_used = atomic_load_explicit(&snapshot->user_count, memory_order_acquire) > 0;
        if (is_used || snapshot->next == NULL) {
            place = &snapshot->next;
        } else {
            *place = snapshot->next;
            free(snapshot);
        }
    }
}

/* ---- start ---- */

/* Whom the process becomes once the ports are bound: no privilege is needed from then on. */
struct owner {
    bool is_other; /* else it stays what it is */
    uid_t uid;     /* (uid_t)-1: only the group changes */
    gid_t gid;
};

static int find_owner(const struct rp_config *config,
                      struct owner *owner_out,
                      char *error,
                      size_t error_len)
{
    const struct passwd *user = config->user[0] != '\0' ? getpwnam(config->user) : NULL;
    const struct group *group = config->group[0] != '\0' ? getgrnam(config->group) : NULL;
    if (config->user[0] != '\0' && user == NULL) {
        (void)snprintf(error, error_len, "user: there is no user \"%s\"", config->user);
        return -EINVAL;
    }
    if (config->group[0] != '\0' && group == NULL) {
        (void)snprintf(error, error_len, "group: there is no group \"%s\"", config->group);
        return -EINVAL;
    }
    *owner_out = (struct owner){.is_other = user != NULL || group != NULL,
                                .uid = user != NULL ? user->pw_uid : (uid_t)-1,
                                .gid = group != NULL  ? group->gr_gid
                                       : user != NULL ? user->pw_gid
                                                      : (gid_t)-1};
    return 0;
}

/* Make the spool's directory, where it is not there, while that is allowed, and give it to its
 * owner. One that is there belongs to whom it belongs to. Other faults are the spool's to tell. */
static int hand_over_spool(const char *path, struct owner owner, char *error, size_t error_len)
{
    if (geteuid() != 0 || mkdir(path, SPOOL_MODE) != 0) {
        return 0;
    }
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int parent = fd < 0 ? -1 : openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int err = parent < 0 || fchown(fd, owner.uid, owner.gid) != 0 || fsync(parent) != 0 ? errno : 0;
    if (fd >= 0) {
        (void)close(fd); /* nothing was written through it, nor through the other */
    }
    if (parent >= 0) {
        (void)close(parent);
    }
    if (err != 0) {
        (void)rmdir(path); /* it is empty; where that fails, the next start tells */
        (void)snprintf(error, error_len, "spool: cannot make %s and give it to its user: %s", path,
                       strerror(err));
    }
    return -err;
}

static int drop_privileges(const struct rp_config *config, char *error, size_t error_len)
{
    struct owner owner;
    int err = find_owner(config, &owner, error, error_len);
    if (err != 0 || !owner.is_other) {
        return err;
    }
    err = hand_over_spool(config->spool_path, owner, error, error_len);
    bool ok = err == 0 && setgroups(1, &owner.gid) == 0 && setgid(owner.gid) == 0 &&
              (owner.uid == (uid_t)-1 || setuid(owner.uid) == 0);
    if (err == 0 && !ok) {
        err = errno;
        (void)snprintf(error, error_len,
                       "cannot become user \"%s\", group \"%s\": %s; start as root", config->user,
                       config->group, strerror(err));
        return -err;
    }
    return err;
}

static int open_listeners(struct rp_server *server,
                          const struct rp_config *config,
                          char *error,
                          size_t error_len)
{
    for (uint32_t i = 0; i < config->listener_count; i++) {
        int err = rp_listener_open(&server->listeners[i], config->listeners[i],
                                   server->worker_count, error, error_len);
        if (err < 0) {
            return err;
        }
        server->listener_count++;
    }
    return 0;
}

static void log_recovery(const struct rp_spooldir *dir, const char *path)
{
    const struct rp_spooldir_report *report = &dir->report;
    if (report->is_new) {
        rp_log(RP_CONFIG_LOG_INFO, "spool %s: created", path);
        return;
    }
    rp_log(RP_CONFIG_LOG_INFO, "spool %s: %llu messages in %llu segments", path,
           (unsigned long long)report->messages, (unsigned long long)report->segments);
    if (report->is_meta_rebuilt) {
        rp_log(RP_CONFIG_LOG_ERROR, "spool %s: spool.meta was damaged; it is written again", path);
    }
    if (report->unfinished_batches + report->void_records + report->big_removed > 0) {
        rp_log(
            RP_CONFIG_LOG_INFO,
            "spool %s: after an unclean end: %llu unfinished batches, of which %llu messages are "
            "not there, %llu void records, %llu unfinished big bodies removed",
            path, (unsigned long long)report->unfinished_batches,
            (unsigned long long)report->unfinished, (unsigned long long)report->void_records,
            (unsigned long long)report->big_removed);
    }
    if (report->damaged + report->missing + report->unsure + report->unreadable > 0) {
        rp_log(
            RP_CONFIG_LOG_ERROR,
            "spool %s: %llu damaged messages, %llu missing, %llu segments with an end that nobody "
            "can explain, %llu that cannot be read; ringpost-spool verify %s names them",
            path, (unsigned long long)report->damaged, (unsigned long long)report->missing,
            (unsigned long long)report->unsure, (unsigned long long)report->unreadable, path);
    }
}

static int open_worker(struct rp_server *server, uint32_t index, char *error, size_t error_len)
{
    struct rp_worker_listener listeners[RP_CONFIG_LISTENERS_MAX];
    for (uint32_t i = 0; i < server->listener_count; i++) {
        listeners[i] = (struct rp_worker_listener){.fd = server->listeners[i].fds[index],
                                                   .name = server->listeners[i].name};
    }
    struct rlimit files = {.rlim_cur = 1024};
    (void)getrlimit(RLIMIT_NOFILE, &files); /* cannot fail for this resource */
    rlim_t reserve = FILES_RESERVED + FILES_RESERVED_WORKER * server->worker_count;
    rlim_t most = files.rlim_cur > 2 * reserve ? files.rlim_cur - reserve : files.rlim_cur / 2;
    struct rp_worker_options options = {
        .fd_limit = most < INT_MAX ? (int)most : 0,
        .config = &server->configs->config,
        .dir = &server->dir,
        .lane = index,
        .worker_count = server->worker_count,
        .listeners = listeners,
        .listener_count = server->listener_count,
    };
    int err = rp_worker_open(&options, &server->workers[index], error, error_len);
    if (err == 0) {
        server->runners[index].worker = server->workers[index];
        rp_worker_set_peers(server->workers[index], server->workers, server->worker_count);
    }
    return err;
}

/* Pin a worker to the index'th CPU that this process may use. Only a wish. */
static void pin(uint32_t index)
{
    cpu_set_t usable;
    if (sched_getaffinity(0, sizeof(usable), &usable) < 0) {
        return;
    }
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &usable) && index-- == 0) {
            cpu_set_t one;
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            (void)sched_setaffinity(0, sizeof(one), &one);
            return;
        }
    }
}

static void tell_done(struct rp_server *server)
{
    uint64_t one = 1;
    ssize_t written = write(server->done_fd, &one, sizeof(one));
    assert(written == sizeof(one)); /* an eventfd takes 2^64 - 2 of them */
}

static void *run(void *argument)
{
    struct runner *runner = argument;
    struct rp_server *server = runner->server;
    uint32_t index = (uint32_t)(runner - server->runners);
    if (server->worker_count > 1) {
        pin(index);
    }
    runner->result = rp_worker_run(runner->worker);
    if (runner->result < 0) {
        rp_log(RP_CONFIG_LOG_ERROR, "worker %u: its ring is broken: %s", index,
               strerror(-runner->result));
    }
    if (atomic_fetch_sub(&server->running, 1) == 1 || runner->result < 0) {
        tell_done(server);
    }
    return NULL;
}

static int start_threads(struct rp_server *server, char *error, size_t error_len)
{
    atomic_store(&server->running, server->worker_count);
    for (uint32_t i = 0; i < server->worker_count; i++) {
        struct runner *runner = &server->runners[i];
        int err = pthread_create(&runner->thread, NULL, run, runner);
        if (err != 0) {
            (void)snprintf(error, error_len, "cannot start a thread: %s", strerror(err));
            return -err;
        }
        runner->is_running = true;
    }
    return 0;
}

static int start(struct rp_server *server,
                 const struct rp_config *config,
                 char *error,
                 size_t error_len)
{
    static const struct rp_io_options control = {.request_count = 8, .buffer_count = 1};
    server->worker_count = rp_config_worker_count(config);
    server->runners = calloc(server->worker_count, sizeof(*server->runners));
    server->workers = calloc(server->worker_count, sizeof(*server->workers));
    server->done_fd = eventfd(0, EFD_CLOEXEC);
    if (server->runners == NULL || server->workers == NULL || server->done_fd < 0 ||
        add_snapshot(server, config) == NULL) {
        (void)snprintf(error, error_len, "out of memory or files");
        return -ENOMEM;
    }
    int err = rp_io_open(&control, &server->io, error, error_len);
    if (err == 0) {
        err = open_listeners(server, config, error, error_len);
    }
    if (err == 0) {
        err = drop_privileges(config, error, error_len);
    }
    if (err == 0) {
        err = rp_spooldir_open(&server->dir, config->spool_path, server->worker_count,
                               config->spool_segment_size, error, error_len);
    }
    if (err < 0) {
        return err;
    }
    log_recovery(&server->dir, config->spool_path);
    for (uint32_t i = 0; i < server->worker_count && err == 0; i++) {
        server->runners[i].server = server;
        err = open_worker(server, i, error, error_len);
    }
    return err == 0 ? start_threads(server, error, error_len) : err;
}

int rp_server_start(const struct rp_config *config,
                    struct rp_server **server_out,
                    char *error,
                    size_t error_len)
{
    struct rp_server *server = calloc(1, sizeof(*server));
    if (server == NULL) {
        (void)snprintf(error, error_len, "out of memory");
        return -ENOMEM;
    }
    server->done_fd = -1;
    int err = start(server, config, error, error_len);
    if (err < 0) {
        (void)rp_server_close(server);
        return err;
    }
    for (uint32_t i = 0; i < server->listener_count; i++) {
        rp_log(RP_CONFIG_LOG_INFO, "listening on %s with %u worker%s", server->listeners[i].name,
               server->worker_count, server->worker_count == 1 ? "" : "s");
    }
    *server_out = server;
    return 0;
}

/* ---- running ---- */

static void tell_all(struct rp_server *server, enum rp_worker_order order)
{
    for (uint32_t i = 0; i < server->worker_count; i++) {
        if (!server->runners[i].is_running) {
            continue;
        }
        /* A full completion queue empties itself as the worker goes on: tried for a second. */
        static const struct timespec pause = {.tv_nsec = 1000000};
        int err = rp_worker_tell(server->workers[i], server->io, order);
        for (int tries = 0; err == -EAGAIN && tries < 1000; tries++) {
            (void)nanosleep(&pause, NULL);
            err = rp_worker_tell(server->workers[i], server->io, order);
        }
        if (err < 0) {
            rp_log(RP_CONFIG_LOG_ERROR, "cannot reach worker %u: %s", i, strerror(-err));
        }
    }
}

/* Keep what cannot change while running as it was at the start. */
static void keep_fixed(struct rp_config *config, const struct rp_config *first)
{
    bool owner = strcmp(config->user, first->user) != 0 || strcmp(config->group, first->group) != 0;
    struct {
        const char *key;
        bool differs;
    } fixed[] = {
  /* clang-format off */
        {"spool.path", strcmp(config->spool_path, first->spool_path) != 0},
        {"spool.segment_size", config->spool_segment_size != first->spool_segment_size},
        {"workers", config->workers != first->workers},
        {"limits.memory", config->limit_memory != first->limit_memory},
        {"limits.connections", config->limit_connections > first->limit_connections},
        {"limits.command_line", config->smtp.command_line_max > first->smtp.command_line_max},
        {"user, group", owner},
  /* clang-format on */
    };
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
        if (fixed[i].differs) {
            rp_log(RP_CONFIG_LOG_WARNING, "%s: the new value counts from the next start on",
                   fixed[i].key);
        }
    }
    if (config->limit_connections > first->limit_connections) {
        config->limit_connections = first->limit_connections;
    }
    if (config->smtp.command_line_max > first->smtp.command_line_max) {
        config->smtp.command_line_max = first->smtp.command_line_max;
    }
}

void rp_server_reload(struct rp_server *server, const struct rp_config *config)
{
    free_old_snapshots(server);
    const struct snapshot *first = server->configs;
    while (first->next != NULL) {
        first = first->next;
    }
    if (add_snapshot(server, config) == NULL) {
        rp_log(RP_CONFIG_LOG_ERROR, "reload: out of memory; the old configuration stays");
        return;
    }
    keep_fixed(&server->configs->config, &first->config);
    for (uint32_t i = 0; i < server->worker_count; i++) {
        const struct rp_config *missed =
            rp_worker_offer_config(server->workers[i], &server->configs->config);
        if (missed != NULL) {
            rp_config_release(missed);
        }
    }
    tell_all(server, RP_WORKER_RELOAD);
}

int rp_server_done_fd(const struct rp_server *server)
{
    return server->done_fd;
}

void rp_server_drain(struct rp_server *server)
{
    tell_all(server, RP_WORKER_DRAIN);
}

void rp_server_stop(struct rp_server *server)
{
    tell_all(server, RP_WORKER_STOP);
}

/* ---- end ---- */

static void log_stats(const struct rp_server *server)
{
    for (size_t i = 0; rp_stats_name(i) != NULL; i++) {
        uint64_t sum = 0;
        for (uint32_t w = 0; w < server->worker_count; w++) {
            if (server->workers[w] != NULL) {
                sum += rp_stats_get(rp_worker_stats(server->workers[w]), i);
            }
        }
        rp_log(RP_CONFIG_LOG_DEBUG, "%s %llu", rp_stats_name(i), (unsigned long long)sum);
    }
}

int rp_server_close(struct rp_server *server)
{
    int result = 0;
    if (atomic_load(&server->running) > 0) {
        tell_all(server, RP_WORKER_STOP);
    }
    for (uint32_t i = 0; i < server->worker_count && server->runners != NULL; i++) {
        struct runner *runner = &server->runners[i];
        if (runner->is_running) {
            (void)pthread_join(runner->thread, NULL); /* ours, and joinable */
            result = runner->result < 0 ? runner->result : result;
        }
    }
    if (server->workers != NULL) {
        log_stats(server);
        for (uint32_t i = 0; i < server->worker_count; i++) {
            rp_worker_close(server->workers[i]);
        }
    }
    rp_spooldir_close(&server->dir);
    for (uint32_t i = 0; i < server->listener_count; i++) {
        rp_listener_close(&server->listeners[i]);
    }
    rp_io_close(server->io);
    if (server->done_fd >= 0) {
        (void)close(server->done_fd); /* an eventfd */
    }
    while (server->configs != NULL) {
        struct snapshot *next = server->configs->next;
        free(server->configs);
        server->configs = next;
    }
    free(server->runners);
    free(server->workers);
    free(server);
    return result;
}
