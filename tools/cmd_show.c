/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cmd_show.c - ringpost-spool show: all that is known of a message but its body.
 */
#include "command.h"
#include "items.h"
#include "pick.h"
#include "text.h"

#include <unistd.h>

static void put_text(struct rp_output *output, const struct rp_pick *pick)
{
    const struct rp_spool_entry *entry = &pick->entry;
    char time[RP_TEXT_TIME_LEN + 1];
    rp_text_time(entry->time_ns, time);
    rp_output_text(output, "%-18s%s\n", "id", entry->id.text);
    rp_output_text(output, "%-18s%s\n", "time", time);
    rp_output_text(output, "%-18s%llu\n", "size", (unsigned long long)entry->body_len);
    rp_output_text(output, "%-18s%u\n", "lane", (unsigned)entry->lane);
    rp_output_text(output, "%-18s%llu\n", "segment", (unsigned long long)entry->segment);
    rp_output_text(output, "%-18s%llu\n", "sequence", (unsigned long long)entry->sequence);
    size_t position = 0;
    struct rp_spool_item item;
    while (rp_spool_view_item(pick->view, &position, &item)) {
        rp_items_put(output, &item);
    }
}

static int put_json(struct rp_output *output, const struct rp_pick *pick)
{
    const struct rp_spool_entry *entry = &pick->entry;
    struct rp_json json;
    rp_json_open(&json);
    rp_json_set_text(&json, "id", entry->id.text);
    rp_json_set_time(&json, "time", entry->time_ns);
    rp_json_set_number(&json, "size", entry->body_len);
    rp_json_set_number(&json, "lane", entry->lane);
    rp_json_set_number(&json, "segment", entry->segment);
    rp_json_set_number(&json, "sequence", entry->sequence);
    rp_items_set_json(&json, pick->view);
    return rp_json_put(&json, output);
}

enum rp_failure_exit rp_cmd_show(const struct rp_options *options)
{
    static struct rp_output output;
    struct rp_pick pick;
    enum rp_failure_exit outcome = rp_pick_open(&pick, options->operands[0], options->operands[1]);
    if (outcome != RP_EXIT_FINE) {
        return outcome;
    }
    rp_output_init(&output, STDOUT_FILENO);
    if (!options->is_json) {
        put_text(&output, &pick);
    } else if (put_json(&output, &pick) != 0) {
        outcome = rp_failure("out of memory");
    }
    rp_pick_close(&pick);
    if (outcome != RP_EXIT_FINE) {
        return outcome;
    }
    return rp_failure_finish(RP_EXIT_FINE, rp_output_flush(&output));
}
