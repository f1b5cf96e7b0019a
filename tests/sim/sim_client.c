/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_client.c - how clients send, read, stall and go away.
 */
#include "sim_client.h"

#include "sim_agenda.h"
#include "sim_trace.h"

#include <stdio.h>

#define OUT_ENOUGH (64u << 10) /* octets waiting to be sent: no more is said before they are gone */

static struct {
    struct sim_load load;
    struct sim_rules const *rules;
    struct sim_client *clients;
    sim_client_done_fn done;
    uint32_t left;
} crowd;

/* ---- going away ---- */

/* What the engine had said to a client that is gone, or never read it, counts all the same. */
static void hear_the_rest(struct sim_client *client)
{
    struct sim_bytes rest = {0};
    sim_net_client_lost(client->socket, &rest);
    if (sim_bytes_len(&rest) > 0) {
        sim_model_feed(&client->model, rest.ptr, sim_bytes_len(&rest),
                       sim_net_received(client->socket));
    }
    sim_bytes_free(&rest);
}

static void go(struct sim_client *client, bool is_reset)
{
    assert(!client->is_done);
    sim_trace_add("client goes reset", client->number, is_reset, 0);
    client->is_done = true;
    sim_net_client_close(client->socket, is_reset);
    hear_the_rest(client);
    sim_bytes_free(&client->out);
    if (--crowd.left == 0) {
        crowd.done();
    }
}

/* The engine has ended the connection: it must have had a reason. */
static void end_came(struct sim_client *client)
{
    struct sim_model *model = &client->model;
    hear_the_rest(client);
    bool has_answered = true;
    for (size_t i = model->first; i < model->count; i++) {
        has_answered = has_answered && model->expects[i].end_off > client->sent_off;
    }
    bool is_all = client->has_ended && has_answered;
    /* may_fail: where nobody can know whether a message is in the spool, no reply is the true one;
     * may_refuse: of many connections beyond the limit some are closed unheard. */
    bool may_close = crowd.rules->may_fail || crowd.rules->may_refuse || model->is_wild;
    if (!model->is_closed && !is_all && !may_close && !sim_model_may_dismiss(model)) {
        sim_trace_fail("client %u: the connection was closed, %zu commands have no reply",
                       client->number, sim_model_pending(model));
    }
    go(client, false);
}

/* ---- reading ---- */

static void step_soon(struct sim_client *client, uint64_t delay_ns);

static void read_replies(void *subject, uint64_t detail)
{
    (void)detail; /* there is one look at a time */
    struct sim_client *client = subject;
    client->is_reading = false;
    if (client->is_done) {
        return;
    }
    struct sim_bytes octets = {0};
    size_t len = sim_net_client_read(client->socket, &octets, client->read_max);
    if (len > 0) {
        sim_model_feed(&client->model, octets.ptr, len, sim_net_received(client->socket));
    }
    sim_bytes_free(&octets);
    if (sim_net_client_at_end(client->socket)) {
        end_came(client);
        return;
    }
    if (len > 0) {
        client->is_reading = true;
        sim_agenda_after(sim_random_spread(&client->random, 0, client->read_delay_ns), read_replies,
                         client, 0);
        step_soon(client, sim_random_spread(&client->random, 0, 20 * SIM_US));
    }
}

/* sim_net calls it: there are octets, or their end, or room to send. */
static void wake(void *subject)
{
    struct sim_client *client = subject;
    if (client->is_done) {
        return;
    }
    if (!client->is_reading && !client->never_reads) {
        client->is_reading = true;
        sim_agenda_after(sim_random_spread(&client->random, 0, client->read_delay_ns), read_replies,
                         client, 0);
    }
    step_soon(client, sim_random_spread(&client->random, 0, 20 * SIM_US));
}

/* ---- sending ---- */

/* Commands that were sent to their end, messages among them. */
static void note_sent(struct sim_client *client)
{
    struct sim_model *model = &client->model;
    while (client->sent_index < model->count &&
           model->expects[client->sent_index].end_off <= client->sent_off) {
        const struct sim_expect *expect = &model->expects[client->sent_index++];
        model->progress_ns = sim_agenda_now();
        if (expect->ask == SIM_ASK_BODY) {
            expect->mail->is_sent = true;
        }
    }
    if (client->sent_index < model->count &&
        model->expects[client->sent_index].ask == SIM_ASK_BODY) {
        model->progress_ns = sim_agenda_now();
    }
}

/* The end of a script, or doom: how the client leaves, or does not. */
static void leave(struct sim_client *client, enum sim_ending ending)
{
    client->has_ended = true;
    switch (ending) {
    case SIM_ENDING_HALF: sim_net_client_shutdown(client->socket); break;
    case SIM_ENDING_CLOSE: go(client, false); break;
    case SIM_ENDING_RESET: go(client, true); break;
    case SIM_ENDING_QUIT:
    case SIM_ENDING_SILENT:
    case SIM_ENDING_COUNT: break;
    }
}

/* Nothing is left to say and to send. */
static void finish_script(struct sim_client *client)
{
    bool must_wait = client->ending == SIM_ENDING_CLOSE || client->ending == SIM_ENDING_QUIT;
    if (!client->has_ended && (!must_wait || sim_model_pending(&client->model) == 0)) {
        sim_trace_add("client has said all", client->number, client->ending, 0);
        leave(client, client->ending);
    }
}

/* The next octets, up to where doom waits. False: the other end takes none now. */
static bool send_piece(struct sim_client *client)
{
    size_t len = sim_bytes_len(&client->out);
    size_t piece_max = client->piece_max;
    if (len / 300 > piece_max) {
        piece_max = len / 300; /* a great body in single octets would take for ever */
    }
    size_t piece = (size_t)sim_random_between(&client->random, 1, piece_max);
    piece = piece < len ? piece : len;
    uint64_t room = client->doom_off - client->sent_off;
    piece = piece < room ? piece : (size_t)room;
    size_t sent =
        piece == 0 ? 0 : sim_net_client_send(client->socket, sim_bytes_first(&client->out), piece);
    sim_bytes_drop(&client->out, sent);
    client->sent_off += sent;
    note_sent(client);
    return sent == piece;
}

static void step(void *subject, uint64_t detail)
{
    (void)detail; /* there is one step at a time */
    struct sim_client *client = subject;
    client->is_stepping = false;
    if (client->is_done || client->has_ended) {
        return;
    }
    if (client->model.is_closed && !client->is_deaf) {
        return; /* the end comes, and read_replies sees it */
    }
    while (sim_bytes_len(&client->out) < OUT_ENOUGH && sim_script_next(client, &crowd.load)) {
    }
    if (sim_bytes_len(&client->out) == 0) {
        if (client->stage == SIM_STAGE_LAST) {
            finish_script(client);
        }
        return;
    }
    bool is_taken = send_piece(client);
    if (client->sent_off == client->doom_off) {
        static const enum sim_ending dooms[] = {SIM_ENDING_HALF, SIM_ENDING_CLOSE, SIM_ENDING_RESET,
                                                SIM_ENDING_SILENT};
        sim_trace_add("client is doomed", client->number, 0, 0);
        leave(client, dooms[sim_random_below(&client->random, 4)]);
        return;
    }
    if (!is_taken) {
        return; /* sim_net wakes us */
    }
    uint64_t gap_ns = sim_random_spread(&client->random, 0, client->gap_ns);
    if (sim_random_chance(&client->random, client->stall_ppm)) {
        gap_ns = sim_random_between(&client->random, 0, client->stall_ns);
    }
    step_soon(client, gap_ns);
}

static void step_soon(struct sim_client *client, uint64_t delay_ns)
{
    if (!client->is_stepping) {
        client->is_stepping = true;
        sim_agenda_after(delay_ns, step, client, 0);
    }
}

/* ---- coming ---- */

static void give_up(void *subject, uint64_t detail)
{
    (void)detail;
    struct sim_client *client = subject;
    if (!client->is_done) {
        go(client, sim_random_chance(&client->random, 500000));
    }
}

static void arrive(void *subject, uint64_t detail)
{
    (void)detail;
    struct sim_client *client = subject;
    sim_model_init(&client->model, crowd.rules, client->number);
    client->socket = sim_net_connect(&client->line, wake, client);
    /* wake may have been called already: a listener that is shut down resets at once. */
    if (client->never_reads) {
        sim_agenda_after(sim_random_between(&client->random, SIM_S, 1000 * SIM_S), give_up, client,
                         0);
    }
    step_soon(client, sim_random_spread(&client->random, 0, SIM_MS));
}

static size_t choose_size(struct sim_random *random, size_t count, const size_t choices[])
{
    return choices[sim_random_below(random, count)];
}

/* What every client has. */
static void choose_manners(struct sim_client *client)
{
    static const size_t pieces[] = {1, 7, 100, 1460, 1460, 16384, 1 << 20, 1 << 20};
    static const size_t gaps[] = {1, 1000, 20000, 200000, 5000000};
    static const size_t lines[] = {2048, 8192, 65536, 262144};
    struct sim_random *random = &client->random;
    client->style = (enum sim_style)sim_random_below(random, SIM_STYLE_WILD);
    client->ending = SIM_ENDING_QUIT;
    client->piece_max = choose_size(random, 8, pieces);
    client->gap_ns = choose_size(random, 5, gaps);
    client->read_max = 1 << 20;
    client->read_delay_ns = choose_size(random, 4, gaps);
    client->noise_ppm = 5000;
    client->line.to_server_max = choose_size(random, 4, lines);
    client->line.to_client_max = choose_size(random, 4, lines);
    client->doom_off = UINT64_MAX;
    client->message_left = (uint32_t)sim_random_between(random, 0, crowd.load.message_max);
}

/* What makes some of them a nuisance. */
static void choose_vices(struct sim_client *client)
{
    struct sim_random *random = &client->random;
    if (sim_random_chance(random, 70000)) {
        client->style = SIM_STYLE_WILD;
    }
    if (sim_random_chance(random, 400000)) {
        client->ending = (enum sim_ending)sim_random_below(random, SIM_ENDING_COUNT);
    }
    if (sim_random_chance(random, 200000)) {
        client->stall_ppm = 20000;
        client->stall_ns = sim_random_spread(random, SIM_MS, 200 * SIM_S);
    }
    if (sim_random_chance(random, 150000)) {
        client->noise_ppm = 300000;
    }
    if (sim_random_chance(random, 150000)) {
        client->doom_left = (uint32_t)sim_random_between(random, 1, client->message_left + 1);
    }
    if (sim_random_chance(random, 50000)) {
        client->doom_off = sim_random_spread(random, 0, 5000);
    }
    if (sim_random_chance(random, 100000)) {
        client->read_max = (size_t)sim_random_between(random, 1, 20);
        client->line.to_client_max = (size_t)sim_random_between(random, 1, 3000);
        client->read_delay_ns = 10 * SIM_MS;
    }
    if (sim_random_chance(random, 30000)) {
        client->never_reads = true;
        client->style = SIM_STYLE_WILD;
        client->line.to_client_max = (size_t)sim_random_between(random, 1, 3000);
    }
    client->is_deaf = sim_random_chance(random, 300000);
}

void sim_client_start(uint64_t seed,
                      const struct sim_load *load,
                      const struct sim_rules *rules,
                      sim_client_done_fn done)
{
    struct sim_random random = sim_random_from(seed, "clients");
    crowd.load = *load;
    crowd.rules = rules;
    crowd.done = done;
    crowd.left = load->client_count;
    crowd.clients = calloc(load->client_count, sizeof(*crowd.clients));
    assert(crowd.clients != NULL && load->client_count > 0);
    for (uint32_t i = 0; i < load->client_count; i++) {
        struct sim_client *client = &crowd.clients[i];
        client->number = i;
        client->random = (struct sim_random){.state = sim_random_next(&random)};
        choose_manners(client);
        if (load->is_nasty) {
            choose_vices(client);
        }
        sim_agenda_after(sim_random_below(&random, load->arrival_ns + 1), arrive, client, 0);
    }
}

uint32_t sim_client_left(void)
{
    return crowd.left;
}

void sim_client_describe(char *line, size_t line_len)
{
    for (uint32_t i = 0; i < crowd.load.client_count; i++) {
        const struct sim_client *client = &crowd.clients[i];
        if (!client->is_done) {
            (void)snprintf(
                line, line_len,
                "client %u: style %u, ending %u, %zu commands without reply, "
                "%llu octets of %llu sent, %llu received",
                client->number, client->style, client->ending, sim_model_pending(&client->model),
                (unsigned long long)client->sent_off, (unsigned long long)client->made_off,
                client->socket == NULL ? 0ULL
                                       : (unsigned long long)sim_net_received(client->socket));
            return;
        }
    }
    (void)snprintf(line, line_len, "no client is left");
}

/* A client that is still there, reads, and has sent a whole command has its reply. */
static void require_answers(const struct sim_client *client)
{
    const struct sim_model *model = &client->model;
    if (client->never_reads) {
        return;
    }
    for (size_t i = model->first; i < client->sent_index && !model->is_closed; i++) {
        if (!client->is_done && !model->is_wild && sim_net_is_accepted(client->socket)) {
            sim_trace_fail("client %u: the engine has drained and owes it %zu replies",
                           client->number, client->sent_index - i);
        }
    }
}

void sim_client_stop(bool must_answer)
{
    for (uint32_t i = 0; i < crowd.load.client_count; i++) {
        struct sim_client *client = &crowd.clients[i];
        if (client->socket != NULL) {
            hear_the_rest(client);
            if (must_answer) {
                require_answers(client);
            }
            sim_model_free(&client->model);
        }
        sim_bytes_free(&client->out);
    }
    free(crowd.clients);
    crowd.clients = NULL;
    crowd.left = 0;
}
