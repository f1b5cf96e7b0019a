/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_stats.c - what a worker of ringpost-load counts, and the sum of all workers.
 */
#include "load_stats.h"

#include "counter.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const phase_names[RP_LOAD_PHASE_COUNT] = {
    "connect", "greeting", "ehlo", "auth", "mail", "rcpt", "data", "end", "quit", "message",
};

static const char *const error_names[RP_LOAD_ERROR_COUNT] = {
    "connect",
    "closed",
    "protocol",
    "timeout",
};

const char *rp_load_phase_name(enum rp_load_phase phase)
{
    assert(phase < RP_LOAD_PHASE_COUNT);
    return phase_names[phase];
}

const char *rp_load_error_name(enum rp_load_error error)
{
    assert(error < RP_LOAD_ERROR_COUNT);
    return error_names[error];
}

int rp_load_stats_open(struct rp_load_stats **stats_out)
{
    struct rp_load_stats *stats = calloc(1, sizeof(*stats));
    if (stats == NULL) {
        return -ENOMEM;
    }
    stats->interval_ns = RP_LOAD_INTERVAL_NS;
    *stats_out = stats;
    return 0;
}

void rp_load_stats_close(struct rp_load_stats *stats)
{
    free(stats);
}

/* How many of `series` and `samples` there are: written after them, read before. */
static uint32_t read_index(const uint32_t *index)
{
    return __atomic_load_n(index, __ATOMIC_ACQUIRE);
}

static void write_index(uint32_t *index, uint32_t value)
{
    __atomic_store_n(index, value, __ATOMIC_RELEASE);
}

static void set_interval(struct rp_load_interval *to, const struct rp_load_interval *from)
{
    rp_counter_set(&to->accepted, rp_counter_get(&from->accepted));
    rp_counter_set(&to->refused, rp_counter_get(&from->refused));
    rp_counter_set(&to->errors, rp_counter_get(&from->errors));
    rp_counter_set(&to->octets, rp_counter_get(&from->octets));
    rp_counter_set(&to->latency_sum_ns, rp_counter_get(&from->latency_sum_ns));
    rp_counter_set(&to->latency_max_ns, rp_counter_get(&from->latency_max_ns));
    rp_counter_set(&to->latency_max_end_ns, rp_counter_get(&from->latency_max_end_ns));
}

static void raise_counter(uint64_t *counter, uint64_t value)
{
    if (value > rp_counter_get(counter)) {
        rp_counter_set(counter, value);
    }
}

static void raise_largest(struct rp_load_interval *interval, uint64_t latency_ns, uint64_t end_ns)
{
    if (latency_ns > rp_counter_get(&interval->latency_max_ns)) {
        rp_counter_set(&interval->latency_max_ns, latency_ns);
        rp_counter_set(&interval->latency_max_end_ns, end_ns);
    }
}

static void add_interval(struct rp_load_interval *to, const struct rp_load_interval *from)
{
    rp_counter_add(&to->accepted, rp_counter_get(&from->accepted));
    rp_counter_add(&to->refused, rp_counter_get(&from->refused));
    rp_counter_add(&to->errors, rp_counter_get(&from->errors));
    rp_counter_add(&to->octets, rp_counter_get(&from->octets));
    rp_counter_add(&to->latency_sum_ns, rp_counter_get(&from->latency_sum_ns));
    raise_largest(to, rp_counter_get(&from->latency_max_ns),
                  rp_counter_get(&from->latency_max_end_ns));
}

static const struct rp_load_interval empty_interval;

/* Each interval becomes twice as long. */
static void fold_series(struct rp_load_stats *stats)
{
    uint32_t count = stats->series_count;
    uint32_t half = (count + 1) / 2;
    for (uint32_t index = 0; index < half; index++) {
        set_interval(&stats->series[index], &stats->series[2 * index]);
        if (2 * index + 1 < count) {
            add_interval(&stats->series[index], &stats->series[2 * index + 1]);
        }
    }
    for (uint32_t index = half; index < count; index++) {
        set_interval(&stats->series[index], &empty_interval);
    }
    write_index(&stats->series_count, half);
    rp_counter_set(&stats->interval_ns, rp_counter_get(&stats->interval_ns) * 2);
}

/* The interval of an instant. What was under way before the begin counts as of the first. */
static struct rp_load_interval *interval_at(struct rp_load_stats *stats, uint64_t now_ns)
{
    uint64_t begin_ns = rp_counter_get(&stats->begin_ns);
    uint64_t passed_ns = now_ns > begin_ns ? now_ns - begin_ns : 0;
    uint64_t index = passed_ns / stats->interval_ns;
    while (index >= RP_LOAD_SERIES_MAX) {
        fold_series(stats);
        index = passed_ns / stats->interval_ns;
    }
    if (index >= stats->series_count) {
        write_index(&stats->series_count, (uint32_t)index + 1);
    }
    return &stats->series[index];
}

void rp_load_stats_begin(struct rp_load_stats *stats, uint64_t now_ns)
{
    uint64_t *const counters[] = {
        &stats->accepted,
        &stats->refused,
        &stats->octets,
        &stats->connections,
        &stats->connections_refused,
        &stats->started,
        &stats->recipients_refused,
        &stats->late,
        &stats->end_ns,
        &stats->never_sent,
    };
    for (size_t index = 0; index < sizeof(counters) / sizeof(counters[0]); index++) {
        rp_counter_set(counters[index], 0);
    }
    for (unsigned error = 0; error < RP_LOAD_ERROR_COUNT; error++) {
        rp_counter_set(&stats->errors[error], 0);
    }
    for (unsigned phase = 0; phase < RP_LOAD_PHASE_COUNT; phase++) {
        rp_histogram_clear(&stats->latency[phase]);
        for (unsigned code = 0; code < RP_LOAD_CODES_MAX; code++) {
            rp_counter_clear(&stats->codes[phase][code]);
        }
    }
    for (uint32_t index = 0; index < stats->series_count; index++) {
        set_interval(&stats->series[index], &empty_interval);
    }
    write_index(&stats->series_count, 0);
    write_index(&stats->sample_count, 0);
    rp_counter_set(&stats->interval_ns, RP_LOAD_INTERVAL_NS);
    rp_counter_set(&stats->begin_ns, now_ns);
}

void rp_load_stats_latency(struct rp_load_stats *stats, enum rp_load_phase phase, uint64_t ns)
{
    assert(phase < RP_LOAD_PHASE_COUNT);
    rp_histogram_add(&stats->latency[phase], ns, 1);
}

void rp_load_stats_reply(struct rp_load_stats *stats, enum rp_load_phase phase, unsigned code)
{
    assert(phase < RP_LOAD_PHASE_COUNT && code < RP_LOAD_CODES_MAX);
    rp_counter_add(&stats->codes[phase][code], 1);
}

void rp_load_stats_accepted(struct rp_load_stats *stats,
                            uint64_t now_ns,
                            uint64_t latency_ns,
                            uint64_t body_len)
{
    struct rp_load_interval *interval = interval_at(stats, now_ns);
    rp_counter_add(&interval->accepted, 1);
    rp_counter_add(&interval->octets, body_len);
    rp_counter_add(&interval->latency_sum_ns, latency_ns);
    raise_largest(interval, latency_ns, now_ns);
    rp_histogram_add(&stats->latency[RP_LOAD_PHASE_MESSAGE], latency_ns, 1);
    rp_counter_add(&stats->octets, body_len);
    rp_counter_add(&stats->accepted, 1);
}

void rp_load_stats_refused(struct rp_load_stats *stats, uint64_t now_ns)
{
    rp_counter_add(&interval_at(stats, now_ns)->refused, 1);
    rp_counter_add(&stats->refused, 1);
}

void rp_load_stats_error(struct rp_load_stats *stats, uint64_t now_ns, enum rp_load_error error)
{
    assert(error < RP_LOAD_ERROR_COUNT);
    rp_counter_add(&interval_at(stats, now_ns)->errors, 1);
    rp_counter_add(&stats->errors[error], 1);
}

uint64_t rp_load_stats_errors(const struct rp_load_stats *stats)
{
    uint64_t sum = 0;
    for (unsigned error = 0; error < RP_LOAD_ERROR_COUNT; error++) {
        sum += rp_counter_get(&stats->errors[error]);
    }
    return sum;
}

/* Octets up to which two texts must agree to be of a kind: "rcpt: 550". 0: never of a kind. */
static size_t kind_len(const char *sample)
{
    const char *colon = strstr(sample, ": ");
    size_t len = colon == NULL ? 0 : (size_t)(colon - sample) + strlen(": ") + 3;
    return strlen(sample) >= len ? len : 0;
}

static bool is_welcome(const struct rp_load_stats *stats, const char *sample)
{
    uint32_t count = stats->sample_count;
    size_t len = kind_len(sample);
    unsigned alike = 0;
    for (uint32_t index = 0; index < count; index++) {
        if (strcmp(stats->samples[index], sample) == 0) {
            return false;
        }
        alike += len > 0 && strncmp(stats->samples[index], sample, len) == 0 ? 1 : 0;
    }
    return count < RP_LOAD_SAMPLES_MAX && alike < RP_LOAD_SAMPLES_ALIKE;
}

/* Octet by octet, atomically: rp_load_stats_begin gives slots away again, so that a text may
 * be written while another thread still reads what stood there. */
static void copy_text(char *to, const char *from)
{
    for (size_t index = 0; index <= RP_LOAD_SAMPLE_LEN; index++) {
        char octet = __atomic_load_n(&from[index], __ATOMIC_RELAXED);
        octet = index < RP_LOAD_SAMPLE_LEN ? octet : '\0';
        __atomic_store_n(&to[index], octet, __ATOMIC_RELAXED);
        if (octet == '\0') {
            return;
        }
    }
}

static void keep_sample(struct rp_load_stats *stats, const char *sample)
{
    if (is_welcome(stats, sample)) {
        copy_text(stats->samples[stats->sample_count], sample);
        write_index(&stats->sample_count, stats->sample_count + 1);
    }
}

void rp_load_stats_sample(struct rp_load_stats *stats,
                          const char *what,
                          const char *text,
                          size_t text_len)
{
    char sample[RP_LOAD_SAMPLE_LEN + 1];
    if (stats->sample_count == RP_LOAD_SAMPLES_MAX) {
        return; /* a server that refuses all shall not cost a search each time */
    }
    while (text_len > 0 && (text[text_len - 1] == '\r' || text[text_len - 1] == '\n')) {
        text_len--;
    }
    int what_len = snprintf(sample, sizeof(sample), "%s: ", what);
    assert(what_len > 0 && (size_t)what_len < sizeof(sample));
    size_t room = sizeof(sample) - 1 - (size_t)what_len;
    size_t len = text_len < room ? text_len : room;
    for (size_t index = 0; index < len; index++) {
        sample[(size_t)what_len + index] = text[index] == '\0' ? '?' : text[index];
    }
    sample[(size_t)what_len + len] = '\0';
    keep_sample(stats, sample);
}

static void add_series(struct rp_load_stats *sum, const struct rp_load_stats *other)
{
    uint64_t other_ns = rp_counter_get(&other->interval_ns);
    uint64_t begin_ns = rp_counter_get(&other->begin_ns);
    uint32_t count = read_index(&other->series_count);
    assert(count <= RP_LOAD_SERIES_MAX);
    while (sum->interval_ns < other_ns) {
        fold_series(sum); /* both began with the same length: they meet */
    }
    for (uint32_t index = 0; index < count; index++) {
        uint64_t middle_ns = begin_ns + index * other_ns + other_ns / 2;
        add_interval(interval_at(sum, middle_ns), &other->series[index]);
    }
}

void rp_load_stats_add(struct rp_load_stats *sum, const struct rp_load_stats *other)
{
    rp_counter_add(&sum->accepted, rp_counter_get(&other->accepted));
    rp_counter_add(&sum->refused, rp_counter_get(&other->refused));
    rp_counter_add(&sum->octets, rp_counter_get(&other->octets));
    rp_counter_add(&sum->connections, rp_counter_get(&other->connections));
    rp_counter_add(&sum->connections_refused, rp_counter_get(&other->connections_refused));
    rp_counter_add(&sum->recipients_refused, rp_counter_get(&other->recipients_refused));
    rp_counter_add(&sum->started, rp_counter_get(&other->started));
    rp_counter_add(&sum->late, rp_counter_get(&other->late));
    rp_counter_add(&sum->never_sent, rp_counter_get(&other->never_sent));
    for (unsigned error = 0; error < RP_LOAD_ERROR_COUNT; error++) {
        rp_counter_add(&sum->errors[error], rp_counter_get(&other->errors[error]));
    }
    for (unsigned phase = 0; phase < RP_LOAD_PHASE_COUNT; phase++) {
        rp_histogram_merge(&sum->latency[phase], &other->latency[phase]);
        for (unsigned code = 0; code < RP_LOAD_CODES_MAX; code++) {
            uint64_t times = rp_counter_get(&other->codes[phase][code]);
            if (times > 0) {
                rp_counter_add(&sum->codes[phase][code], times);
            }
        }
    }
    raise_counter(&sum->end_ns, rp_counter_get(&other->end_ns));
    add_series(sum, other);
    uint32_t sample_count = read_index(&other->sample_count);
    for (uint32_t index = 0; index < sample_count; index++) {
        char sample[RP_LOAD_SAMPLE_LEN + 1];
        copy_text(sample, other->samples[index]);
        keep_sample(sum, sample);
    }
}
