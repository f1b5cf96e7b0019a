/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_life.c - the engine is started, loaded, and ended in one of many ways.
 *
 * Everything that happens in a life happens inside of rp_worker_run, when the engine
 * calls rp_io_wait: clients, readers, orders and the crash are things on the agenda.
 */
#include "sim_life.h"

#include "engine/worker.h"
#include "sim_agenda.h"
#include "sim_check.h"
#include "sim_crash.h"
#include "sim_trace.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LIFE_MAX_NS (24 * 3600 * SIM_S) /* longer than any client is patient */

static struct {
    const struct rp_config *config;
    struct sim_life_plan plan;
    struct sim_rules rules;
    char path[256];        /* the spool */
    char next[256];        /* what is left of it after a crash */
    struct rp_io *control; /* another thread's ring, from which orders come */
    struct rp_worker *worker;
    struct sim_random random;
    uint64_t started_ns;
    uint64_t ended_ns; /* when it was told to end; 0: not yet */
    bool is_crashed;
} life;

/* ---- the end ---- */

static void crash_now(void)
{
    life.is_crashed = true;
    if (life.plan.end == SIM_END_POWER) {
        sim_crash_power(life.plan.seed, life.path, life.next);
    } else {
        sim_crash_kill(life.plan.seed, life.path, life.next);
    }
    sim_io_end_world();
}

_Noreturn static void complain_of_delay(void *subject, uint64_t detail)
{
    (void)subject;
    (void)detail;
    char line[256];
    sim_client_describe(line, sizeof(line));
    sim_trace_fail("the engine does not end; %s", line);
}

static void order(void *subject, uint64_t detail)
{
    (void)subject;
    enum rp_worker_order what = (enum rp_worker_order)detail;
    life.rules.is_draining = true;
    sim_trace_add("order", detail, 0, 0);
    if (rp_worker_tell(life.worker, life.control, what) == -EAGAIN) {
        sim_agenda_after(SIM_MS, order, NULL, detail);
        return;
    }
    life.ended_ns = sim_agenda_now();
    /* Beyond drain_timeout there is a moment for the last words. */
    uint64_t most_ns = life.config->drain_timeout_ns + 5 * SIM_S;
    sim_agenda_after(most_ns, complain_of_delay, NULL, 0);
}

static void end_by_time(void *subject, uint64_t detail)
{
    (void)subject;
    (void)detail;
    if (life.plan.end == SIM_END_KILL || life.plan.end == SIM_END_POWER) {
        crash_now();
    } else if (life.ended_ns == 0) {
        order(NULL, life.plan.end == SIM_END_STOP ? RP_WORKER_STOP : RP_WORKER_DRAIN);
    }
}

static void all_have_gone(void)
{
    if (life.plan.end == SIM_END_DONE && life.ended_ns == 0) {
        sim_agenda_after(sim_random_spread(&life.random, 0, 5 * SIM_S), order, NULL,
                         RP_WORKER_DRAIN);
    }
}

static void plan_end(void)
{
    if (life.plan.end == SIM_END_DONE) {
        sim_agenda_after(LIFE_MAX_NS, complain_of_delay, NULL, 0);
        return;
    }
    sim_agenda_after(life.plan.end_ns, end_by_time, NULL, 0);
    if (life.plan.end >= SIM_END_KILL) {
        sim_disk_crash_after(life.plan.end_ops, crash_now);
    }
}

/* ---- readers while it runs ---- */

static void look(void *subject, uint64_t detail)
{
    (void)subject;
    (void)detail;
    sim_check_follow_look();
    if (sim_random_chance(&life.random, 50000)) {
        sim_check_running(life.path);
    }
    uint64_t pause_ns = sim_random_between(&life.random, SIM_MS, 2 * life.plan.look_ns);
    /* A life of idle clients may be long: look less often as it goes on. */
    pause_ns += (sim_agenda_now() - life.started_ns) / 16;
    sim_agenda_after(pause_ns, look, NULL, 0);
}

/* ---- a life ---- */

static void open_spool(struct rp_spooldir *dir)
{
    char error[RP_CONFIG_ERROR_MAX] = "";
    *dir = (struct rp_spooldir){0};
    int err =
        rp_spooldir_open(dir, life.path, 1, life.config->spool_segment_size, error, sizeof(error));
    if (err < 0) {
        sim_trace_fail("the spool cannot be opened: %s (%s)", error, strerror(-err));
    }
    const struct rp_spooldir_report *report = &dir->report;
    if (report->damaged > 0) {
        sim_trace_fail("recovery found %llu damaged places", (unsigned long long)report->damaged);
    }
    sim_trace_add("recovery: messages, segments", report->messages, report->segments, 0);
    sim_trace_add("recovery: scanned, cut, void", report->segments_scanned, report->cut_places,
                  report->void_records);
}

/* Recover, perhaps again, and compare. The directory stays open. */
static void recover(struct rp_spooldir *dir)
{
    open_spool(dir);
    sim_check_recovered(life.path);
    if (life.plan.recovers_twice) {
        uint64_t messages = dir->report.messages;
        rp_spooldir_close(dir);
        open_spool(dir);
        const struct rp_spooldir_report *report = &dir->report;
        if (report->messages != messages || report->cut_places > 0 || report->void_records > 0 ||
            report->segments_removed > 0 || report->big_removed > 0 || report->is_new) {
            sim_trace_fail("a second recovery finds %llu messages, not %llu, or something to do",
                           (unsigned long long)report->messages, (unsigned long long)messages);
        }
        sim_check_recovered(life.path);
    }
}

static void start_engine(struct rp_spooldir *dir)
{
    static const struct rp_worker_listener listener = {.fd = SIM_NET_LISTENER,
                                                       .name = "192.0.2.0:25"};
    const struct rp_worker_options options = {.config = life.config,
                                              .dir = dir,
                                              .lane = 0,
                                              .worker_count = 1,
                                              .listeners = &listener,
                                              .listener_count = 1};
    const struct rp_io_options io_options = {
        .request_count = 8, .buffer_count = 1, .buffer_size = 1};
    char error[RP_CONFIG_ERROR_MAX] = "";
    int err = rp_io_open(&io_options, &life.control, error, sizeof(error));
    if (err == 0) {
        err = rp_worker_open(&options, &life.worker, error, sizeof(error));
    }
    if (err < 0) {
        sim_trace_fail("the engine cannot start: %s", error);
    }
}

/* Whether there was time for everything: it drained before its patience ended. */
static bool had_time(void)
{
    bool is_drain = life.plan.end == SIM_END_DONE || life.plan.end == SIM_END_DRAIN;
    return is_drain && sim_agenda_now() - life.ended_ns < life.config->drain_timeout_ns;
}

static void check_result(int res)
{
    sim_trace_add("the engine ends", (uint64_t)(int64_t)res, life.is_crashed, 0);
    if (res != (life.is_crashed ? -ESHUTDOWN : 0)) {
        sim_trace_fail("rp_worker_run gave %d", res);
    }
    if (!life.is_crashed && life.ended_ns == 0) {
        sim_trace_fail("the engine ended without having been told to");
    }
}

static void live(struct rp_spooldir *dir)
{
    const struct sim_life_plan *plan = &life.plan;
    sim_io_start(plan->seed, &plan->io);
    sim_net_start(plan->seed);
    sim_disk_open(plan->seed, life.path, &plan->disk);
    start_engine(dir);
    sim_check_follow_open(life.path);
    sim_client_start(plan->seed, &plan->load, &life.rules, all_have_gone);
    sim_agenda_after(plan->look_ns, look, NULL, 0);
    plan_end();

    int res = rp_worker_run(life.worker);
    check_result(res);
    rp_worker_close(life.worker);
    rp_io_close(life.control);
    sim_client_stop(!life.is_crashed && had_time());
    if (!life.is_crashed) {
        sim_check_follow_look();
    }
    sim_check_follow_close();
    sim_agenda_clear();
    sim_net_stop(!life.is_crashed);
    sim_disk_close(!life.is_crashed);
    sim_io_stop();
}

static void begin_life(const struct sim_plan *plan, uint32_t number)
{
    sim_trace_life(number);
    sim_plan_life(plan, number, &life.plan);
    life.random = sim_random_from(life.plan.seed, "life");
    life.started_ns = sim_agenda_now();
    life.ended_ns = 0;
    life.is_crashed = false;
    life.rules = (struct sim_rules){
        .config = life.config,
        .may_fail = (plan->faults & SIM_FAULTS_DISK) != 0,
        .may_refuse = life.config->limit_connections < life.plan.load.client_count,
    };
    if (sim_trace_is_verbose()) {
        fprintf(stderr, "life %u: %u clients, ends by %s\n", number, life.plan.load.client_count,
                sim_plan_end_name(life.plan.end));
    }
}

static void sum_up(struct sim_life_sum *sum_out)
{
    *sum_out = (struct sim_life_sum){0};
    for (uint64_t i = 0; i < sim_mail_count(); i++) {
        const struct sim_mail *mail = sim_mail_find(i);
        sum_out->messages += mail->fate == SIM_FATE_TAKEN ? 1 : 0;
        sum_out->refused += mail->fate == SIM_FATE_REFUSED && mail->is_sent ? 1 : 0;
        sum_out->found += mail->is_found ? 1 : 0;
    }
}

void sim_life_run(const struct sim_plan *plan, const char *base, struct sim_life_sum *sum_out)
{
    life.config = &plan->config;
    sim_agenda_set_now(1000 * SIM_S);
    sim_mail_open(plan->seed, &plan->config);
    (void)snprintf(life.path, sizeof(life.path), "%s/spool-0", base);
    static struct rp_spooldir dir; /* too big for the stack */
    for (uint32_t number = 1; number <= plan->life_count; number++) {
        begin_life(plan, number);
        (void)snprintf(life.next, sizeof(life.next), "%s/spool-%u", base, number);
        recover(&dir);
        live(&dir);
        rp_spooldir_close(&dir);
        if (life.is_crashed) {
            sim_crash_remove(life.path);
            memcpy(life.path, life.next, sizeof(life.path));
        }
        sim_agenda_set_now(sim_agenda_now() + SIM_S);
    }
    sim_trace_life(plan->life_count + 1);
    life.plan.recovers_twice = true;
    recover(&dir);
    rp_spooldir_close(&dir);
    sum_up(sum_out);
    sim_crash_remove(life.path);
    sim_mail_close();
    sim_agenda_close();
}
