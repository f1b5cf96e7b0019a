/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_plan.c - the choices of a seed.
 */
#include "sim_plan.h"

#include "sim_agenda.h"
#include "sim_random.h"

#include <stdio.h>

static uint64_t pick(struct sim_random *random, size_t count, const uint64_t choices[])
{
    return choices[sim_random_below(random, count)];
}

/* ---- configuration ---- */

static void choose_session_limits(struct rp_config *config, struct sim_random *random)
{
    static const uint64_t sizes[] = {0, 1000, 30000, 100000, 300000, 4 << 20, 33554432, 33554432};
    static const uint64_t recipients[] = {1, 2, 5, 20, 1000, 1000};
    static const uint64_t errors[] = {0, 1, 3, 20, 20, 20};
    struct rp_smtp_config *smtp = &config->smtp;
    smtp->message_size_max = pick(random, 8, sizes);
    smtp->recipients_max = (uint32_t)pick(random, 6, recipients);
    smtp->errors_max = (uint32_t)pick(random, 6, errors);
    smtp->vrfy = sim_random_chance(random, 800000);
    smtp->help = sim_random_chance(random, 800000);
    smtp->bare_newline = (enum rp_dot_newline)sim_random_below(random, 3);
    if (sim_random_chance(random, 200000)) {
        smtp->messages_max = (uint32_t)sim_random_between(random, 1, 10);
    }
    if (sim_random_chance(random, 200000)) {
        smtp->calls_max[RP_SMTP_VERB_NOOP] = (uint32_t)sim_random_between(random, 1, 5);
    }
    if (sim_random_chance(random, 200000)) {
        smtp->line_length_max = (uint32_t)sim_random_between(random, 64, 300);
    }
    if (sim_random_chance(random, 100000)) {
        smtp->line_length_max = 0;
    }
}

static void choose_config(struct rp_config *config, struct sim_random *random, uint32_t faults)
{
    static const uint64_t segments[] = {1 << 20, 1 << 20, (1 << 20) + 65536,
                                        2 << 20, 4 << 20, 12 << 20};
    rp_config_init(config);
    config->workers = 1;
    config->limit_memory = RP_CONFIG_WORKER_MEMORY << sim_random_below(random, 3);
    config->limit_connections = 1000;
    config->spool_segment_size = pick(random, 6, segments);
    config->spool_io =
        sim_random_chance(random, 333333) ? RP_CONFIG_IO_DIRECT : RP_CONFIG_IO_BUFFERED;
    config->spool_sync =
        sim_random_chance(random, 100000) ? RP_CONFIG_SYNC_NONE : RP_CONFIG_SYNC_COMMIT;
    config->drain_timeout_ns = sim_random_between(random, 1, 60) * SIM_S;
    config->log_level = RP_CONFIG_LOG_ERROR;
    (void)snprintf(config->log_file, sizeof(config->log_file), "/dev/null");
    choose_session_limits(config, random);
    if ((faults & SIM_FAULTS_NET) != 0) {
        config->timeout_command_ns = sim_random_spread(random, 10, 300) * SIM_S;
        config->timeout_data_ns = sim_random_spread(random, 10, 180) * SIM_S;
        if (sim_random_chance(random, 200000)) {
            config->timeout_session_ns = sim_random_between(random, 20, 600) * SIM_S;
        }
        if (sim_random_chance(random, 200000)) {
            config->limit_connections = (uint32_t)sim_random_between(random, 1, 20);
        }
    }
}

void sim_plan_make(struct sim_plan *plan, uint64_t seed, uint32_t faults, uint32_t life_count)
{
    struct sim_random random = sim_random_from(seed, "plan");
    *plan = (struct sim_plan){.seed = seed};
    static const struct {
        uint32_t fault;
        uint32_t ppm;
    } parts[] = {
        {SIM_FAULTS_NET,   700000},
        {SIM_FAULTS_DISK,  600000},
        {SIM_FAULTS_POWER, 700000},
        {SIM_FAULTS_DECAY, 300000},
        {SIM_FAULTS_HANDS, 150000},
    };
    bool has_choice = (faults & (faults - 1)) != 0;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        bool is_chosen = sim_random_chance(&random, parts[i].ppm) || !has_choice;
        plan->faults |= is_chosen ? parts[i].fault & faults : 0;
    }
    uint32_t count = (uint32_t)sim_random_between(&random, 1, 4);
    plan->life_count = life_count != 0 ? life_count : count;
    choose_config(&plan->config, &random, plan->faults);
}

/* ---- one life ---- */

static void choose_load(struct sim_load *load, struct sim_random *random, uint32_t faults)
{
    static const uint64_t arrivals[] = {SIM_MS, 50 * SIM_MS, SIM_S, 20 * SIM_S};
    static const uint64_t clients[] = {1, 5, 15, 30, 60};
    static const uint64_t messages[] = {2, 5, 12, 30};
    load->client_count = (uint32_t)pick(random, 5, clients);
    load->message_max = (uint32_t)pick(random, 4, messages);
    load->arrival_ns = pick(random, 4, arrivals);
    load->recipient_max = sim_random_chance(random, 100000) ? 300 : 6;
    /* Few seeds have the big ones: they cost most of the time. */
    load->size_max = sim_random_chance(random, 300000) ? 3 << 20 : 100000;
    if (load->size_max > 100000) {
        load->client_count = (load->client_count + 3) / 4;
        load->message_max = (load->message_max + 3) / 4;
    }
    load->is_nasty = (faults & SIM_FAULTS_NET) != 0;
}

static void choose_io(struct sim_io_faults *io, struct sim_random *random, uint32_t faults)
{
    if ((faults & SIM_FAULTS_NET) != 0) {
        io->accept_error_ppm = (uint32_t)sim_random_spread(random, 0, 300000);
        io->accept_end_ppm = (uint32_t)sim_random_spread(random, 0, 500000);
        io->recv_end_ppm = (uint32_t)sim_random_spread(random, 0, 300000);
        io->starve_ppm = (uint32_t)sim_random_spread(random, 0, 50000);
        if (sim_random_chance(random, 200000)) {
            io->socket_max = (uint32_t)sim_random_spread(random, 1, 20);
        }
        if (sim_random_chance(random, 200000)) {
            io->late_ppm = (uint32_t)sim_random_spread(random, 1000, 100000);
            io->late_ns = sim_random_spread(random, SIM_MS, SIM_S);
        }
        if (sim_random_chance(random, 200000)) {
            io->clock_ppm = (uint32_t)sim_random_spread(random, 1000, 100000);
        }
    }
}

static void choose_disk(struct sim_disk_faults *disk, struct sim_random *random, uint32_t faults)
{
    static const uint64_t rates[] = {5000, 50000, 200000, 400000};
    static const uint64_t usual[] = {100 * SIM_US, SIM_MS, 10 * SIM_MS};
    disk->usual_ns = pick(random, 3, usual);
    disk->sync_ns = disk->usual_ns * (sim_random_chance(random, 500000) ? 1 : 30);
    disk->direct_block = sim_random_chance(random, 500000) ? 512 : 4096;
    if ((faults & SIM_FAULTS_DISK) == 0) {
        return;
    }
    if (sim_random_chance(random, 250000)) {
        /* Commits that fail, and then a crash, before anything else covers it up. */
        disk->commit_error_ppm = 200000;
        disk->error_crash_ppm = 700000;
        return;
    }
    /* Each kind by itself, so that there are runs with one of them only. */
    if (sim_random_chance(random, 500000)) {
        disk->write_error_ppm = (uint32_t)pick(random, 4, rates);
    }
    if (sim_random_chance(random, 500000)) {
        disk->commit_error_ppm = (uint32_t)pick(random, 4, rates);
        disk->error_crash_ppm = (uint32_t)sim_random_below(random, 1000001);
    }
    if (sim_random_chance(random, 500000)) {
        disk->sync_error_ppm = (uint32_t)pick(random, 4, rates);
    }
    if (sim_random_chance(random, 500000)) {
        disk->short_write_ppm = (uint32_t)pick(random, 4, rates);
    }
    if (sim_random_chance(random, 400000)) {
        disk->open_error_ppm = (uint32_t)pick(random, 4, rates);
    }
    if (sim_random_chance(random, 150000)) {
        disk->file_max = (uint32_t)sim_random_between(random, 5, 20);
    }
    if (sim_random_chance(random, 400000)) {
        disk->slow_ppm = (uint32_t)sim_random_spread(random, 1000, 100000);
        disk->slow_ns = sim_random_spread(random, 50 * SIM_MS, 20 * SIM_S);
    }
    if (sim_random_chance(random, 400000)) {
        disk->full_every_ns = sim_random_spread(random, 100 * SIM_MS, 10 * SIM_S);
        disk->full_ns = sim_random_spread(random, 10 * SIM_MS, 5 * SIM_S);
        disk->full_is_told = sim_random_chance(random, 500000);
    }
}

static void choose_recovery(struct sim_syscall_faults *faults, struct sim_random *random)
{
    static const uint64_t rates[] = {3000, 30000, 300000};
    if (sim_random_chance(random, 400000)) {
        faults->read_error_ppm = (uint32_t)pick(random, 3, rates);
    }
    if (sim_random_chance(random, 300000)) {
        faults->call_error_ppm = (uint32_t)pick(random, 3, rates);
    }
    if (sim_random_chance(random, 300000)) {
        faults->dead_after = sim_random_spread(random, 1, 200);
    }
}

static enum sim_end choose_end(struct sim_random *random, uint32_t faults, bool is_last)
{
    if (is_last && sim_random_chance(random, 700000)) {
        return SIM_END_DONE;
    }
    if ((faults & SIM_FAULTS_POWER) != 0 && sim_random_chance(random, 800000)) {
        return sim_random_chance(random, 650000) ? SIM_END_POWER : SIM_END_KILL;
    }
    return (enum sim_end)sim_random_below(random, SIM_END_KILL);
}

void sim_plan_life(const struct sim_plan *plan, uint32_t life, struct sim_life_plan *life_out)
{
    struct sim_random random = sim_random_from(plan->seed + life * 1000003ULL, "life");
    *life_out = (struct sim_life_plan){.seed = sim_random_next(&random)};
    choose_load(&life_out->load, &random, plan->faults);
    choose_io(&life_out->io, &random, plan->faults);
    choose_disk(&life_out->disk, &random, plan->faults);
    life_out->end = choose_end(&random, plan->faults, life == plan->life_count);
    bool may_crash = (plan->faults & SIM_FAULTS_POWER) != 0;
    if (may_crash && life_out->disk.error_crash_ppm > 500000) {
        life_out->end = sim_random_chance(&random, 500000) ? SIM_END_POWER : SIM_END_KILL;
    }
    uint64_t longest_ns = 2 * life_out->load.arrival_ns + 2 * SIM_S;
    life_out->end_ns = sim_random_between(&random, SIM_MS, longest_ns);
    if (sim_random_chance(&random, 600000)) {
        life_out->end_ops = sim_random_spread(&random, 1, 1000);
    }
    if ((plan->faults & SIM_FAULTS_HANDS) != 0) {
        life_out->has_hands = sim_random_chance(&random, 800000);
        life_out->hands = (enum sim_hands)sim_random_below(&random, SIM_HANDS_COUNT);
        life_out->hands_ns = sim_random_spread(&random, SIM_MS, longest_ns);
    }
    if (sim_random_chance(&random, 200000)) {
        life_out->reload_ns = sim_random_between(&random, 1, longest_ns);
    }
    life_out->look_ns = sim_random_spread(&random, SIM_MS, 5 * SIM_S);
    life_out->recovers_twice = sim_random_chance(&random, 300000);
    if ((plan->faults & SIM_FAULTS_DECAY) != 0 && sim_random_chance(&random, 700000)) {
        life_out->damage_count = (uint32_t)sim_random_spread(&random, 1, 4);
        life_out->heals = sim_random_chance(&random, 300000);
    }
    if ((plan->faults & SIM_FAULTS_DECAY) != 0) {
        choose_recovery(&life_out->recovery, &random);
    }
}

const char *sim_plan_end_name(enum sim_end end)
{
    switch (end) {
    case SIM_END_DONE: return "drain when all have gone";
    case SIM_END_DRAIN: return "drain";
    case SIM_END_STOP: return "stop";
    case SIM_END_KILL: return "kill";
    case SIM_END_POWER: return "power loss";
    case SIM_END_COUNT: break;
    }
    return "";
}
