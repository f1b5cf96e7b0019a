/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_trace.c - a ring of the last events, a running hash, and the one way to fail.
 */
#include "sim_trace.h"

#include "sim_agenda.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define KEPT 200 /* events that a failure prints */

struct event {
    uint64_t now_ns;
    const char *what;
    uint64_t values[3];
};

static struct {
    uint64_t seed;
    uint64_t hash;
    uint64_t count;
    uint32_t life;
    bool is_verbose;
    struct event ring[KEPT];
} trace;

void sim_trace_open(uint64_t seed, bool is_verbose)
{
    trace.seed = seed;
    trace.hash = 0xcbf29ce484222325ULL;
    trace.count = 0;
    trace.life = 0;
    trace.is_verbose = is_verbose;
}

void sim_trace_life(uint32_t life)
{
    trace.life = life;
    sim_trace_add("life", life, 0, 0);
}

static void mix(uint64_t value)
{
    trace.hash ^= value;
    trace.hash *= 0x9e3779b97f4a7c15ULL;
    trace.hash ^= trace.hash >> 29;
}

static void print_event(const struct event *event)
{
    fprintf(stderr, "  %4" PRIu64 ".%09" PRIu64 " %-28s %" PRIu64 " %" PRId64 " %" PRId64 "\n",
            event->now_ns / 1000000000, event->now_ns % 1000000000, event->what, event->values[0],
            (int64_t)event->values[1], (int64_t)event->values[2]);
}

void sim_trace_add(const char *what, uint64_t a, uint64_t b, uint64_t c)
{
    struct event *event = &trace.ring[trace.count % KEPT];
    *event = (struct event){
        .now_ns = sim_agenda_now(), .what = what, .values = {a, b, c}
    };
    trace.count++;
    mix(event->now_ns);
    for (const char *letter = what; *letter != '\0'; letter++) {
        mix((uint8_t)*letter);
    }
    mix(a);
    mix(b);
    mix(c);
    if (trace.is_verbose) {
        print_event(event);
    }
}

uint64_t sim_trace_hash(void)
{
    return trace.hash;
}

uint64_t sim_trace_count(void)
{
    return trace.count;
}

bool sim_trace_is_verbose(void)
{
    return trace.is_verbose;
}

void sim_trace_fail(const char *format, ...)
{
    uint64_t first = trace.count > KEPT ? trace.count - KEPT : 0;
    for (uint64_t i = first; i < trace.count && !trace.is_verbose; i++) {
        print_event(&trace.ring[i % KEPT]);
    }
    uint64_t now_ns = sim_agenda_now();
    fprintf(stderr,
            "seed %" PRIu64 ", life %" PRIu32 ", at %" PRIu64 ".%09" PRIu64 " s: ", trace.seed,
            trace.life, now_ns / 1000000000, now_ns % 1000000000);
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nagain: sim --seed %" PRIu64 "\n", trace.seed);
    exit(1);
}
