/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cmd_verify.c - ringpost-spool verify: read everything, check every checksum.
 */
#include "command.h"
#include "json.h"
#include "text.h"
#include "walk.h"

#include <inttypes.h>
#include <time.h>
#include <unistd.h>

#define PROGRESS_NS 200000000u /* how often the line on the terminal is renewed */

struct verify {
    struct rp_walk walk;
    struct rp_output output;   /* stdout */
    struct rp_output progress; /* stderr, where it is a terminal */
    bool has_progress;
    bool is_progress_shown;
    uint64_t progress_ns; /* when it was renewed last, monotonic */
    uint64_t octets_all;  /* of bodies, when the run began; 0: unknown */
    uint64_t octets;      /* of bodies checked so far */
    uint64_t messages;    /* whole ones */
};

static uint64_t now_ns(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* this clock is always there */
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Take the line off the terminal: something else is to be printed there. */
static void clear_progress(struct verify *verify)
{
    if (verify->is_progress_shown) {
        rp_output_text(&verify->progress, "\r\033[K");
        (void)rp_output_flush(&verify->progress); /* decoration: its failure is none */
        verify->is_progress_shown = false;
    }
}

static void show_progress(struct verify *verify)
{
    if (!verify->has_progress || now_ns() - verify->progress_ns < PROGRESS_NS) {
        return;
    }
    verify->progress_ns = now_ns();
    rp_output_text(&verify->progress, "\r%" PRIu64 " messages, %" PRIu64 " MB", verify->messages,
                   verify->octets / 1000000);
    if (verify->octets_all > 0) {
        /* Messages that land meanwhile make it more than was there at the start. */
        uint64_t percent = verify->octets / (verify->octets_all / 100 + 1);
        rp_output_text(&verify->progress, ", %" PRIu64 "%%", percent < 100 ? percent : 100);
    }
    rp_output_text(&verify->progress, "\033[K");
    (void)rp_output_flush(&verify->progress); /* as above */
    verify->is_progress_shown = true;
}

static int put_damage(struct verify *verify, bool is_json)
{
    clear_progress(verify);
    if (!is_json) {
        rp_output_text(&verify->output, "%s: %s\n", verify->walk.entry.id.text,
                       verify->walk.damage);
        return 0;
    }
    struct rp_json json;
    rp_json_open(&json);
    rp_json_set_text(&json, "id", verify->walk.entry.id.text);
    rp_json_set_text(&json, "damage", verify->walk.damage);
    return rp_json_put(&json, &verify->output);
}

static int put_summary(struct verify *verify, bool is_json)
{
    clear_progress(verify);
    if (!is_json) {
        char size[RP_TEXT_SIZE_LEN + 1];
        rp_text_size(verify->octets, size);
        rp_output_text(&verify->output,
                       "%" PRIu64 " whole message%s with %" PRIu64 " octets (%s), %" PRIu64
                       " damaged\n",
                       verify->messages, verify->messages == 1 ? "" : "s", verify->octets, size,
                       verify->walk.damaged);
        return 0;
    }
    struct rp_json json;
    rp_json_open(&json);
    rp_json_set_number(&json, "messages", verify->messages);
    rp_json_set_number(&json, "octets", verify->octets);
    rp_json_set_number(&json, "damaged", verify->walk.damaged);
    return rp_json_put(&json, &verify->output);
}

static enum rp_walk_step check_all(struct verify *verify, bool is_json)
{
    enum rp_walk_step step = RP_WALK_END;
    while (verify->output.error == 0 && (step = rp_walk_next(&verify->walk)) <= RP_WALK_DAMAGED) {
        if (step == RP_WALK_MESSAGE) {
            verify->messages++;
            verify->octets += verify->walk.entry.body_len;
        } else if (put_damage(verify, is_json) != 0) {
            (void)rp_failure("out of memory");
            return RP_WALK_FAILED;
        } else {
            (void)rp_output_flush(&verify->output); /* at once; the error is kept */
        }
        show_progress(verify);
    }
    clear_progress(verify);
    return step;
}

enum rp_failure_exit rp_cmd_verify(const struct rp_options *options)
{
    static struct verify verify;
    enum rp_failure_exit outcome =
        rp_walk_open(&verify.walk, options->operands[0], "start", UINT64_MAX);
    if (outcome != RP_EXIT_FINE) {
        rp_walk_close(&verify.walk);
        return outcome;
    }
    rp_output_init(&verify.output, STDOUT_FILENO);
    rp_output_init(&verify.progress, STDERR_FILENO);
    verify.has_progress = isatty(STDERR_FILENO) == 1;
    struct rp_spool_stats stats;
    if (verify.has_progress && rp_spool_reader_stats(verify.walk.reader, &stats) == 0) {
        verify.octets_all = stats.body_octets;
    }
    enum rp_walk_step step = check_all(&verify, options->is_json);
    if (step == RP_WALK_FAILED || verify.walk.damaged > 0) {
        outcome = RP_EXIT_FAILED;
    }
    if (step != RP_WALK_FAILED && put_summary(&verify, options->is_json) != 0) {
        outcome = rp_failure("out of memory");
    }
    rp_walk_close(&verify.walk);
    int error = rp_output_flush(&verify.output);
    return error == 0 ? outcome : rp_failure_stdout(error);
}
