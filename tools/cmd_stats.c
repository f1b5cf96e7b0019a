/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cmd_stats.c - ringpost-spool stats: how much there is.
 */
#include "command.h"
#include "json.h"
#include "spool/rp_spool_reader.h"
#include "text.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct figures {
    struct rp_spool_info info;
    struct rp_spool_stats stats;
    char identity[2 * 16 + 1];
};

static enum rp_failure_exit read_figures(const char *dir, struct figures *figures_out)
{
    struct rp_spool_reader *reader = NULL;
    int error = rp_spool_reader_open(dir, &reader);
    if (error != 0) {
        return rp_failure_open(dir, error);
    }
    struct figures figures = {0};
    rp_spool_reader_info(reader, &figures.info);
    error = rp_spool_reader_stats(reader, &figures.stats);
    rp_spool_reader_close(reader);
    if (error != 0) {
        return rp_failure("%s: cannot count the messages: %s", dir, strerror(-error));
    }
    for (size_t index = 0; index < sizeof(figures.info.identity); index++) {
        (void)snprintf(figures.identity + 2 * index, 3, "%02x", figures.info.identity[index]);
    }
    *figures_out = figures;
    return RP_EXIT_FINE;
}

static void put_number(struct rp_output *output, const char *name, uint64_t number)
{
    rp_output_text(output, "%-14s%llu\n", name, (unsigned long long)number);
}

static void put_octets(struct rp_output *output, const char *name, uint64_t octets)
{
    char size[RP_TEXT_SIZE_LEN + 1];
    rp_text_size(octets, size);
    rp_output_text(output, "%-14s%llu (%s)\n", name, (unsigned long long)octets, size);
}

/* 0: there is no message that has one. */
static void put_time(struct rp_output *output, const char *name, uint64_t time_ns)
{
    char time[RP_TEXT_TIME_LEN + 1] = "-";
    if (time_ns != 0) {
        rp_text_time(time_ns, time);
    }
    rp_output_text(output, "%-14s%s\n", name, time);
}

static void put_text(struct rp_output *output, const struct figures *figures)
{
    rp_output_text(output, "%-14s%s\n", "spool", figures->identity);
    put_number(output, "version", figures->info.version);
    put_time(output, "created", figures->info.created_ns);
    put_number(output, "lanes", figures->info.lane_count);
    put_octets(output, "segment_size", figures->info.segment_size);
    put_number(output, "messages", figures->stats.messages);
    put_octets(output, "octets", figures->stats.body_octets);
    put_number(output, "big", figures->stats.big_messages);
    put_number(output, "damaged", figures->stats.damaged);
    put_number(output, "segments", figures->stats.segments);
    put_octets(output, "disk", figures->stats.disk_octets);
    put_time(output, "oldest", figures->stats.oldest_ns);
    put_time(output, "newest", figures->stats.newest_ns);
}

static void set_time(struct rp_json *json, const char *name, uint64_t time_ns)
{
    if (time_ns != 0) {
        rp_json_set_time(json, name, time_ns);
    } else {
        rp_json_set(json, name, json_null());
    }
}

static int put_json(struct rp_output *output, const struct figures *figures)
{
    struct rp_json json;
    rp_json_open(&json);
    rp_json_set_text(&json, "spool", figures->identity);
    rp_json_set_number(&json, "version", figures->info.version);
    set_time(&json, "created", figures->info.created_ns);
    rp_json_set_number(&json, "lanes", figures->info.lane_count);
    rp_json_set_number(&json, "segment_size", figures->info.segment_size);
    rp_json_set_number(&json, "messages", figures->stats.messages);
    rp_json_set_number(&json, "octets", figures->stats.body_octets);
    rp_json_set_number(&json, "big", figures->stats.big_messages);
    rp_json_set_number(&json, "damaged", figures->stats.damaged);
    rp_json_set_number(&json, "segments", figures->stats.segments);
    rp_json_set_number(&json, "disk", figures->stats.disk_octets);
    set_time(&json, "oldest", figures->stats.oldest_ns);
    set_time(&json, "newest", figures->stats.newest_ns);
    return rp_json_put(&json, output);
}

enum rp_failure_exit rp_cmd_stats(const struct rp_options *options)
{
    static struct rp_output output;
    struct figures figures = {0};
    enum rp_failure_exit outcome = read_figures(options->operands[0], &figures);
    if (outcome != RP_EXIT_FINE) {
        return outcome;
    }
    rp_output_init(&output, STDOUT_FILENO);
    if (!options->is_json) {
        put_text(&output, &figures);
    } else if (put_json(&output, &figures) != 0) {
        return rp_failure("out of memory");
    }
    return rp_failure_finish(RP_EXIT_FINE, rp_output_flush(&output));
}
