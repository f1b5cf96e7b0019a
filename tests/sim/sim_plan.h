/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_plan.h - what a seed decides before a run begins: configuration, faults, lives.
 */
#ifndef SIM_PLAN_H
#define SIM_PLAN_H

#include "engine/config.h"
#include "sim_client.h"
#include "sim_disk.h"
#include "sim_hands.h"
#include "sim_io.h"
#include "sim_syscall.h"

enum sim_faults {
    SIM_FAULTS_NET = 1,    /* nuisance clients, a ring that ends multishots and starves */
    SIM_FAULTS_DISK = 2,   /* errors, short writes, a full disk, long delays */
    SIM_FAULTS_POWER = 4,  /* lives end with a crash */
    SIM_FAULTS_DECAY = 8,  /* between lives the disk loses or alters what it had */
    SIM_FAULTS_HANDS = 16, /* somebody removes files while they are used */
    SIM_FAULTS_ALL = 31,
};

/* How a life ends. */
enum sim_end {
    SIM_END_DONE,  /* all clients have gone, then drain */
    SIM_END_DRAIN, /* drain, whoever is there */
    SIM_END_STOP,
    SIM_END_KILL, /* the process dies, the machine goes on */
    SIM_END_POWER,
    SIM_END_COUNT,
};

struct sim_life_plan {
    uint64_t seed;
    enum sim_end end;
    uint64_t end_ns;                    /* after that time, counted from the start */
    uint64_t end_ops;                   /* a crash: or at that disk operation; 0: only by time */
    uint64_t look_ns;                   /* about so often a reader looks */
    bool recovers_twice;                /* recovery runs a second time, which must change nothing */
    uint32_t damage_count;              /* places of the disk that are hit before it */
    bool heals;                         /* what could not be read before can be read again */
    struct sim_syscall_faults recovery; /* of the first try */
    bool has_hands;                     /* somebody does something to the spool at hands_ns */
    enum sim_hands hands;
    uint64_t hands_ns;
    uint64_t reload_ns; /* the configuration is loaded again then; 0: never */
    struct sim_load load;
    struct sim_io_faults io;
    struct sim_disk_faults disk;
};

struct sim_plan {
    uint64_t seed;
    uint32_t faults; /* of enum sim_faults, what this seed has */
    uint32_t life_count;
    struct rp_config config;
};

/* `faults`: those that the seed may choose from; life_count 0: the seed's choice. */
void sim_plan_make(struct sim_plan *plan, uint64_t seed, uint32_t faults, uint32_t life_count);

/* The life of that number, from 1. */
void sim_plan_life(const struct sim_plan *plan, uint32_t life, struct sim_life_plan *life_out);

const char *sim_plan_end_name(enum sim_end end);

#endif
