/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fake_worker.c - see fake_worker.h. */
#include "fake_worker.h"

#include <stdio.h>
#include <string.h>
#include <ucontext.h>

void fake_worker_open(struct fake_worker *fake, void (*tweak)(struct rp_config *))
{
    static const struct rp_worker_listener listener = {.fd = 99, .name = "192.0.2.1:25"};
    char error[RP_CONFIG_ERROR_MAX];
    fake_start();
    memset(fake, 0, sizeof(*fake));
    temp_dir_make(fake->path, sizeof(fake->path));
    rp_config_init(&fake->config);
    fake->config.limit_connections = 4;
    fake->config.limit_memory = 320ull * RP_BUFFER_SIZE;
    fake->config.spool_segment_size = RP_SPOOL_SEGMENT_MIN;
    if (tweak != NULL) {
        tweak(&fake->config);
    }
    int err = rp_spooldir_open(&fake->dir, fake->path, 1, fake->config.spool_segment_size, error,
                               sizeof(error));
    assert(err == 0);
    struct rp_worker_options options = {
        .config = &fake->config,
        .dir = &fake->dir,
        .worker_count = 1,
        .listeners = &listener,
        .listener_count = 1,
    };
    err = rp_worker_open(&options, &fake->worker, error, sizeof(error));
    assert(err == 0);

    fake_worker_round(fake);
}

void fake_worker_end(struct fake_worker *fake)
{
    rp_worker_close(fake->worker);
    fake->worker = NULL;
    rp_spooldir_close(&fake->dir);
}

void fake_worker_remove(struct fake_worker *fake)
{
    temp_dir_remove(fake->path);
}

void fake_worker_close(struct fake_worker *fake)
{
    fake_worker_end(fake);
    fake_worker_remove(fake);
}

/*
 * The worker runs as a coroutine: where it would wait with nothing to come, the test goes on,
 * and the next round brings it back to the very same place.
 */
static ucontext_t test_context;
static ucontext_t worker_context;
static uint8_t worker_stack[1u << 20];
static struct fake_worker *running;

static void run_worker(void)
{
    running->result = rp_worker_run(running->worker);
    running->is_over = true;
    (void)setcontext(&test_context); /* does not return */
}

static int on_wait(void *context)
{
    struct fake_worker *fake = context;
    if (fake_completion_count() == 0 && fake_state()->until_ns > fake_state()->now_ns) {
        int err = swapcontext(&worker_context, &test_context);
        assert(err == 0);
    }
    return fake->ring_error;
}

void fake_worker_round(struct fake_worker *fake)
{
    assert(!fake->is_over);
    if (!fake->is_started) {
        fake->is_started = true;
        int err = getcontext(&worker_context);
        assert(err == 0);
        worker_context.uc_stack = (stack_t){.ss_sp = worker_stack, .ss_size = sizeof(worker_stack)};
        worker_context.uc_link = NULL;
        makecontext(&worker_context, run_worker, 0);
        fake_state()->on_wait = on_wait;
        fake_state()->context = fake;
    }
    running = fake;
    int err = swapcontext(&test_context, &worker_context);
    assert(err == 0);
}

void fake_worker_settle(struct fake_worker *fake)
{
    for (int i = 0; i < 100000 && !fake->is_over; i++) {
        fake_worker_round(fake);
        if (fake->is_over || !fake_perform_oldest(fake->held)) {
            return;
        }
        while (fake_perform_oldest(fake->held)) {
        }
    }
    assert(fake->is_over); /* else it goes on for ever */
}

void fake_worker_advance(struct fake_worker *fake, uint64_t by_ns)
{
    fake_state()->now_ns += by_ns;
    fake_state()->wall_ns += by_ns;
    fake_worker_settle(fake);
}

int fake_worker_connect(struct fake_worker *fake)
{
    int fd = fake_connect();
    fake_worker_settle(fake);
    return fd;
}

const char *fake_worker_talk(struct fake_worker *fake, int fd, const char *text)
{
    (void)fake_sent_take(fd);
    bool is_fed = fake_feed(fd, text);
    assert(is_fed);
    fake_worker_settle(fake);
    return fake_sent_take(fd);
}

uint32_t fake_worker_conn(const struct fake_worker *fake, int fd)
{
    const struct rp_conns *conns = &fake->worker->conns;
    for (uint32_t i = 0; i < conns->pool.fresh; i++) {
        const struct rp_conn *conn = rp_conn_at(conns, i);
        if (conn->state != RP_CONN_FREE && conn->fd == fd) {
            return i;
        }
    }
    return RP_NONE;
}

static bool is_full(const char *name, const struct rp_pool *pool, uint32_t missing)
{
    uint32_t free_count = rp_pool_free_count(pool);
    if (free_count + missing == pool->count) {
        return true;
    }
    (void)printf("%s: %u of %u are free, %u are accounted for\n", name, free_count, pool->count,
                 missing);
    return false;
}

bool fake_worker_is_clean(const struct fake_worker *fake)
{
    const struct rp_worker *worker = fake->worker;
    const struct rp_message_store *store = &worker->store;
    uint32_t buffers = fake_lent_count() + (store->compact != RP_NONE);
    bool is_clean = is_full("buffers", &store->buffers.pool, buffers);
    is_clean &= is_full("slices", &store->slices, 0);
    is_clean &= is_full("blocks", &store->blocks, 0);
    is_clean &= is_full("messages", &store->messages, 0);
    is_clean &= is_full("big bodies", &worker->bigs.pool, 0);
    is_clean &= is_full("connections", &worker->conns.pool, worker->conns.open_count);
    return is_clean && worker->conns.first_dirty == RP_NONE;
}

void fake_worker_recover(struct fake_worker *fake, struct rp_spooldir_report *report_out)
{
    char error[RP_CONFIG_ERROR_MAX];
    int err = rp_spooldir_open(&fake->dir, fake->path, 1, fake->config.spool_segment_size, error,
                               sizeof(error));
    assert(err == 0);
    *report_out = fake->dir.report;
    rp_spooldir_close(&fake->dir);
}
