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
#include "sim_damage.h"
#include "sim_dir.h"
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
    bool is_blind; /* no reader looks any more */
    uint32_t hands_count;
    struct rp_config reloaded;
    bool is_spool;       /* an earlier life has made one */
    bool was_clean;      /* the life before has ended in good order: there is nothing to recover */
    bool was_unfinished; /* it was cut short, or its disk had faults */
    bool was_ever_unfinished; /* that, or one before it: indexes remember it */
    bool was_power;           /* it has ended with the power: the doorbell proves nothing */
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

/* ---- others, while it runs ---- */

static void use_hands(void *subject, uint64_t detail)
{
    (void)subject;
    if (life.is_blind) {
        return;
    }
    life.rules.may_fail = true;
    /* To map the cut doorbell is a signal for readers, too; and without spool.meta they cannot know
     * that an engine is at work: they are gone by then. */
    life.is_blind = detail == SIM_HANDS_BELL || detail == SIM_HANDS_META;
    if (life.is_blind) {
        sim_check_follow_close();
    }
    sim_hands_act((enum sim_hands)detail, &life.random, life.path);
    if (life.hands_count++ < 5) {
        sim_agenda_after(sim_random_between(&life.random, SIM_MS, SIM_MS + life.plan.hands_ns),
                         use_hands, NULL, detail);
    }
}

/* Only what clients do not see changes. */
static void reload(void *subject, uint64_t detail)
{
    (void)subject;
    life.reloaded = *life.config;
    life.reloaded.spool_io =
        life.config->spool_io == RP_CONFIG_IO_DIRECT ? RP_CONFIG_IO_BUFFERED : RP_CONFIG_IO_DIRECT;
    rp_worker_offer_config(life.worker, &life.reloaded);
    sim_trace_add("reload", detail, 0, 0);
    (void)rp_worker_tell(life.worker, life.control, RP_WORKER_RELOAD); /* lost: none, then */
}

/* ---- readers while it runs ---- */

static void look(void *subject, uint64_t detail)
{
    (void)subject;
    (void)detail;
    if (life.is_blind) {
        return;
    }
    sim_check_follow_look();
    if (sim_random_chance(&life.random, 50000)) {
        sim_check_running(life.path);
    }
    if (sim_random_chance(&life.random, 200000)) {
        sim_check_consumer_come(life.path, sim_random_spread(&life.random, 0, 50), false);
    }
    uint64_t pause_ns = sim_random_between(&life.random, SIM_MS, 2 * life.plan.look_ns);
    /* A life of idle clients may be long: look less often as it goes on. */
    pause_ns += (sim_agenda_now() - life.started_ns) / 16;
    sim_agenda_after(pause_ns, look, NULL, 0);
}

/* ---- a life ---- */

static int open_once(struct rp_spooldir *dir,
                     const struct sim_syscall_faults *faults,
                     char error[RP_CONFIG_ERROR_MAX])
{
    *dir = (struct rp_spooldir){0};
    sim_syscall_arm(life.plan.seed, faults);
    int err = rp_spooldir_open(dir, life.path, 1, life.config->spool_segment_size, error,
                               RP_CONFIG_ERROR_MAX);
    sim_syscall_disarm();
    return err;
}

static size_t count_descriptors(void)
{
    char **names = sim_dir_list("/proc/self/fd");
    size_t count = 0;
    while (names[count] != NULL) {
        count++;
    }
    sim_dir_free(names);
    return count;
}

/* A start whose own system calls fail: it may fail, too, and the next one finds all there is. */
static bool open_with_faults(struct rp_spooldir *dir)
{
    char error[RP_CONFIG_ERROR_MAX] = "";
    size_t before = count_descriptors();
    int err = open_once(dir, &life.plan.recovery, error);
    sim_trace_add("a start with faults", (uint64_t)-err, 0, 0);
    if (err < 0 && (error[0] == '\0' || strchr(error, '\n') != NULL)) {
        sim_trace_fail("a start failed, and says \"%s\"", error);
    }
    if (err < 0 && count_descriptors() != before) {
        sim_trace_fail("a start that failed (%s) has left descriptors open", error);
    }
    return err == 0;
}

/* False: it is refused, which must have a reason: then the run ends. */
static bool open_spool(struct rp_spooldir *dir)
{
    char error[RP_CONFIG_ERROR_MAX] = "";
    int err = open_once(dir, NULL, error);
    bool is_refused = err == -EBADMSG || err == -EEXIST || err == -EIO;
    if (is_refused && sim_damage_may_refuse()) {
        sim_trace_add("the spool is refused", 0, 0, 0);
        return false;
    }
    if (err < 0) {
        sim_trace_fail("the spool cannot be opened: %s (%s)", error, strerror(-err));
    }
    const struct rp_spooldir_report *report = &dir->report;
    sim_trace_add("recovery: messages, segments", report->messages, report->segments,
                  report->big_removed);
    sim_trace_add("recovery: scanned, torn, void", report->segments_scanned,
                  report->unfinished_batches, report->void_records);
    if (sim_damage_any()) {
        return true;
    }
    if (report->damaged > 0 || report->missing > 0 || report->unsure > 0 ||
        report->unreadable > 0 || report->is_meta_rebuilt) {
        sim_trace_fail(
            "recovery found %llu damaged, %llu missing, %llu unsure, %llu unreadable, meta %d",
            (unsigned long long)report->damaged, (unsigned long long)report->missing,
            (unsigned long long)report->unsure, (unsigned long long)report->unreadable,
            report->is_meta_rebuilt);
    }
    if (report->unfinished_batches > 0 && !life.was_unfinished) {
        sim_trace_fail("the last life ended in good order, and %llu batches are not finished",
                       (unsigned long long)report->unfinished_batches);
    }
    return true;
}

/* A drain that came to its end leaves nothing to do. */
static void require_clean(const struct rp_spooldir_report *report)
{
    if (report->segments_scanned > 0 || report->segments_removed > 0 || report->big_removed > 0 ||
        report->void_records > 0) {
        sim_trace_fail(
            "after a clean end recovery scans %llu segments, removes %llu and %llu bodies",
            (unsigned long long)report->segments_scanned,
            (unsigned long long)report->segments_removed, (unsigned long long)report->big_removed);
    }
}

/* What the last life has left, and what the disk does to it before anybody looks again. */
static void let_rest(void)
{
    if (life.was_power && life.config->spool_sync == RP_CONFIG_SYNC_NONE) {
        sim_damage_unsynced();
    }
    const struct sim_check_rules rules = {.is_raw = true,
                                          .may_be_unfinished = life.was_ever_unfinished};
    sim_check_at_rest(life.path, &rules);
    if (life.plan.heals) {
        sim_damage_heal();
        sim_check_at_rest(life.path, &rules);
    }
    if (life.plan.damage_count > 0) {
        const struct sim_damage_plan damage = {
            .count = life.plan.damage_count,
            .has_tail = !life.was_power,
        };
        sim_damage_apply(life.plan.seed, life.path, &damage);
        sim_check_at_rest(life.path, &rules);
    }
}

/* Recovery of what was recovered already. */
static void recover_again(struct rp_spooldir *dir)
{
    const struct sim_check_rules rules = {.may_be_unfinished = life.was_ever_unfinished};
    uint64_t messages = dir->report.messages;
    rp_spooldir_close(dir);
    (void)open_spool(dir); /* it was not refused before */
    const struct rp_spooldir_report *report = &dir->report;
    bool has_more = report->segments_scanned > 0 && !sim_damage_any();
    if (report->messages != messages || has_more || report->segments_removed > 0 ||
        report->big_removed > 0 || report->is_new) {
        sim_trace_fail("a second recovery finds %llu messages, not %llu, or something to do",
                       (unsigned long long)report->messages, (unsigned long long)messages);
    }
    sim_check_at_rest(life.path, &rules);
}

/* A second daemon cannot have it. */
static void require_busy(void)
{
    static struct rp_spooldir other; /* too big for the stack */
    char error[RP_CONFIG_ERROR_MAX] = "";
    int err = open_once(&other, NULL, error);
    if (err != -EBUSY) {
        sim_trace_fail("a second daemon starts on the same spool: %d", err);
    }
}

/* Recover, perhaps again, and compare. The directory stays open; false: the spool is refused. */
static bool recover(struct rp_spooldir *dir)
{
    const struct sim_check_rules rules = {.may_be_unfinished = life.was_ever_unfinished};
    if (life.is_spool) {
        let_rest();
    }
    const struct sim_syscall_faults *faults = &life.plan.recovery;
    bool has_faults =
        faults->read_error_ppm != 0 || faults->call_error_ppm != 0 || faults->dead_after != 0;
    bool is_open = has_faults && open_with_faults(dir);
    if (!is_open && !open_spool(dir)) {
        return false;
    }
    require_busy();
    if (life.was_clean && !sim_damage_any() && !has_faults) {
        require_clean(&dir->report);
    }
    life.is_spool = true;
    life.was_unfinished = false;
    sim_check_at_rest(life.path, &rules);
    if (life.plan.recovers_twice && !is_open) {
        recover_again(dir);
    }
    sim_check_give_up();
    return true;
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
    sim_disk_adopt(dir->meta_fd, dir->fd, RP_SPOOL_META_NAME);
    start_engine(dir);
    sim_check_follow_open(life.path);
    sim_client_start(plan->seed, &plan->load, &life.rules, all_have_gone);
    sim_agenda_after(plan->look_ns, look, NULL, 0);
    plan_end();
    if (plan->has_hands) {
        sim_agenda_after(plan->hands_ns, use_hands, NULL, plan->hands);
    }
    if (plan->reload_ns != 0) {
        sim_agenda_after(plan->reload_ns, reload, NULL, 0);
    }

    int res = rp_worker_run(life.worker);
    check_result(res);
    rp_worker_close(life.worker);
    rp_io_close(life.control);
    /* Without a crash: a batch that failed, and what should have voided it, too. */
    life.was_unfinished = life.is_crashed || !had_time() || life.rules.may_fail;
    life.was_ever_unfinished |= life.was_unfinished;
    life.was_power = life.is_crashed && plan->end == SIM_END_POWER;
    life.was_clean = !life.was_unfinished;
    sim_client_stop(!life.is_crashed && had_time());
    if (!life.is_crashed && !life.is_blind) {
        sim_check_follow_look();
    }
    if (!life.is_blind) {
        sim_check_follow_close();
    }
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
    life.is_crashed = life.is_blind = false;
    life.hands_count = 0;
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
    life.is_spool = life.was_clean = life.was_unfinished = life.was_power = false;
    life.was_ever_unfinished = false;
    sim_damage_forget();
    sim_check_consumer_forget();
    sim_agenda_set_now(1000 * SIM_S);
    sim_mail_open(plan->seed, &plan->config);
    (void)snprintf(life.path, sizeof(life.path), "%s/spool-0", base);
    static struct rp_spooldir dir; /* too big for the stack */
    bool goes_on = true;
    for (uint32_t number = 1; goes_on && number <= plan->life_count; number++) {
        begin_life(plan, number);
        (void)snprintf(life.next, sizeof(life.next), "%s/spool-%u", base, number);
        goes_on = recover(&dir);
        if (goes_on) {
            live(&dir);
            rp_spooldir_close(&dir);
        }
        if (life.is_crashed) {
            sim_dir_remove(life.path);
            memcpy(life.path, life.next, sizeof(life.path));
        }
        sim_agenda_set_now(sim_agenda_now() + SIM_S);
    }
    if (goes_on) {
        sim_trace_life(plan->life_count + 1);
        life.plan.recovers_twice = true;
        if (recover(&dir)) {
            sim_check_consumer_come(life.path, 0, true);
            rp_spooldir_close(&dir);
        }
    }
    sum_up(sum_out);
    sim_dir_remove(life.path);
    sim_mail_close();
    sim_agenda_close();
}
