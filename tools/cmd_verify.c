/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cmd_verify.c - ringpost-spool verify: read everything, check every checksum.
 */
#include "command.h"
#include "json.h"
#include "text.h"
#include "walk.h"

#include <inttypes.h>
#include <string.h>
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
    uint64_t unfinished;  /* messages lost from writes that were never finished */
    uint64_t problems;    /* what is wrong but is no message */
    bool is_json;
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

static const char *const damage_names[RP_PICK_DAMAGE_COUNT] = {
    [RP_PICK_DAMAGED] = "damaged",
    [RP_PICK_UNREADABLE] = "unreadable",
    [RP_PICK_MISSING] = "missing",
};

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
    rp_json_set_text(&json, "kind", damage_names[verify->walk.kind]);
    rp_json_set_text(&json, "damage", verify->walk.damage);
    return rp_json_put(&json, &verify->output);
}

/* ---- what is wrong but is no message ---- */

static const char *kind_name(enum rp_spool_problem_kind kind)
{
    switch (kind) {
    case RP_SPOOL_PROBLEM_META: return "meta";
    case RP_SPOOL_PROBLEM_MISSING: return "missing";
    case RP_SPOOL_PROBLEM_DAMAGED: return "damaged";
    case RP_SPOOL_PROBLEM_UNREADABLE: return "unreadable";
    case RP_SPOOL_PROBLEM_UNFINISHED: break;
    }
    return "unfinished";
}

static void put_problem_text(struct rp_output *output, const struct rp_spool_problem *problem)
{
    if (problem->kind == RP_SPOOL_PROBLEM_META) {
        rp_output_text(output, "spool.meta: damaged or gone; the other files say what it said, and "
                               "the next start of ringpostd writes it again\n");
        return;
    }
    rp_output_text(output, "lane-%03" PRIu32, problem->lane);
    if (problem->kind == RP_SPOOL_PROBLEM_MISSING) {
        rp_output_text(output,
                       ": %" PRIu64 " message%s missing, sequences %" PRIu64 " to %" PRIu64
                       ": no file has them\n",
                       problem->count, problem->count == 1 ? "" : "s", problem->sequence,
                       problem->sequence + problem->count - 1);
        return;
    }
    rp_output_text(output, "/" RP_SPOOL_SEGMENT_FORMAT ": ", (unsigned long long)problem->segment);
    switch (problem->kind) {
    case RP_SPOOL_PROBLEM_DAMAGED:
        rp_output_text(output, "damaged behind its last message: there may have been others\n");
        break;
    case RP_SPOOL_PROBLEM_UNREADABLE:
        rp_output_text(output, "unreadable behind its last message: there may be others\n");
        break;
    case RP_SPOOL_PROBLEM_UNFINISHED:
        rp_output_text(output,
                       "the last write was not finished; %" PRIu64
                       " of its messages are not there, and nobody was told of them\n",
                       problem->count);
        break;
    case RP_SPOOL_PROBLEM_META:
    case RP_SPOOL_PROBLEM_MISSING: break;
    }
}

static int put_problem_json(struct rp_output *output, const struct rp_spool_problem *problem)
{
    struct rp_json json;
    rp_json_open(&json);
    rp_json_set_text(&json, "problem", kind_name(problem->kind));
    rp_json_set_number(&json, "lane", problem->lane);
    rp_json_set_number(&json, "segment", problem->segment);
    rp_json_set_number(&json, "sequence", problem->sequence);
    rp_json_set_number(&json, "count", problem->count);
    return rp_json_put(&json, output);
}

static int look_at_problem(void *context, const struct rp_spool_problem *problem)
{
    struct verify *verify = context;
    switch (problem->kind) {
    case RP_SPOOL_PROBLEM_UNFINISHED: verify->unfinished += problem->count; break;
    case RP_SPOOL_PROBLEM_MISSING:
        verify->problems++;
        verify->walk.by_kind[RP_PICK_MISSING] += problem->count;
        break;
    case RP_SPOOL_PROBLEM_META:
    case RP_SPOOL_PROBLEM_DAMAGED:
    case RP_SPOOL_PROBLEM_UNREADABLE: verify->problems++; break;
    }
    if (verify->is_json) {
        return put_problem_json(&verify->output, problem);
    }
    put_problem_text(&verify->output, problem);
    return 0;
}

/* ---- the sum ---- */

static void put_summary_text(struct verify *verify)
{
    const uint64_t *by_kind = verify->walk.by_kind;
    char size[RP_TEXT_SIZE_LEN + 1];
    rp_text_size(verify->octets, size);
    rp_output_text(&verify->output,
                   "%" PRIu64 " whole message%s with %" PRIu64 " octets (%s), %" PRIu64
                   " damaged, %" PRIu64 " unreadable, %" PRIu64 " missing",
                   verify->messages, verify->messages == 1 ? "" : "s", verify->octets, size,
                   by_kind[RP_PICK_DAMAGED], by_kind[RP_PICK_UNREADABLE], by_kind[RP_PICK_MISSING]);
    if (verify->unfinished > 0) {
        rp_output_text(&verify->output, ", %" PRIu64 " never finished", verify->unfinished);
    }
    rp_output_text(&verify->output, "\n");
}

static int put_summary(struct verify *verify)
{
    clear_progress(verify);
    if (!verify->is_json) {
        put_summary_text(verify);
        return 0;
    }
    const uint64_t *by_kind = verify->walk.by_kind;
    struct rp_json json;
    rp_json_open(&json);
    rp_json_set_number(&json, "messages", verify->messages);
    rp_json_set_number(&json, "octets", verify->octets);
    rp_json_set_number(&json, "damaged", by_kind[RP_PICK_DAMAGED]);
    rp_json_set_number(&json, "unreadable", by_kind[RP_PICK_UNREADABLE]);
    rp_json_set_number(&json, "missing", by_kind[RP_PICK_MISSING]);
    rp_json_set_number(&json, "unfinished", verify->unfinished);
    rp_json_set_number(&json, "problems", verify->problems);
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
    verify.is_json = options->is_json;
    enum rp_walk_step step = check_all(&verify, options->is_json);
    int failed = 0;
    if (step != RP_WALK_FAILED) {
        failed = rp_spool_reader_problems(verify.walk.reader, look_at_problem, &verify);
        failed = failed == 0 ? put_summary(&verify) : failed;
    }
    if (step == RP_WALK_FAILED || verify.walk.damaged + verify.problems > 0) {
        outcome = RP_EXIT_FAILED;
    }
    if (failed != 0) {
        outcome = rp_failure("%s: cannot read on: %s", options->operands[0], strerror(-failed));
    }
    rp_walk_close(&verify.walk);
    int error = rp_output_flush(&verify.output);
    return error == 0 ? outcome : rp_failure_stdout(error);
}
