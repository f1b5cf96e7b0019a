/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim_script.c - what a client says next: transactions, and noise around and in them.
 */
#include "sim_client.h"

#include <stdio.h>

/* ---- saying something ---- */

static void expect(struct sim_client *client, enum sim_ask ask, uint32_t index, uint64_t end_off)
{
    sim_model_expect(
        &client->model,
        &(struct sim_expect){.ask = ask, .mail = client->mail, .index = index, .end_off = end_off});
}

static void put(struct sim_client *client, const void *ptr, size_t len)
{
    sim_bytes_put(&client->out, ptr, len);
    client->made_off += len;
}

/* A command line, and the reply it asks for. */
static void say(struct sim_client *client, enum sim_ask ask, uint32_t index, const char *line)
{
    put(client, line, strlen(line));
    put(client, "\r\n", 2);
    expect(client, ask, index, client->made_off);
}

/* ---- noise ---- */

static void say_long_line(struct sim_client *client)
{
    uint32_t line_max = client->model.rules->config->smtp.command_line_max;
    uint64_t start = client->made_off;
    static const char octets[] = "NOOPxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    uint64_t len = line_max + sim_random_spread(&client->random, 0, 70000);
    for (uint64_t said = 0; said < len; said += sizeof(octets) - 1) {
        put(client, octets, sizeof(octets) - 1);
    }
    put(client, "\r\n", 2);
    expect(client, SIM_ASK_BAD, 0, start + line_max);
}

/* A line that is refused as soon as its `early` octets are there. */
static void say_bad(struct sim_client *client, const char *line, uint64_t early)
{
    uint64_t start = client->made_off;
    say(client, SIM_ASK_BAD, 0, line);
    client->model.expects[client->model.count - 1].end_off = start + early;
}

static void make_noise(struct sim_client *client)
{
    switch (sim_random_below(&client->random, 17)) {
    case 0: say(client, SIM_ASK_NOOP, 0, "NOOP"); break;
    case 1: say(client, SIM_ASK_NOOP, 0, "noop some words"); break;
    case 2: say(client, SIM_ASK_VRFY, 0, "VRFY <someone@recipient.example>"); break;
    case 3: say(client, SIM_ASK_HELP, 0, "HELP"); break;
    case 4: say(client, SIM_ASK_HELP, 0, "Help MAIL"); break;
    case 5: say(client, SIM_ASK_EXPN, 0, "EXPN list"); break;
    case 6: say(client, SIM_ASK_BAD, 0, "FROB nicate"); break;
    case 7: say(client, SIM_ASK_BAD, 0, ""); break;
    case 8: say(client, SIM_ASK_BAD, 0, " NOOP"); break;
    case 9: say(client, SIM_ASK_BAD, 0, "NOOP \001 \177"); break;
    case 10: say(client, SIM_ASK_BAD, 0, "HELP \303\244"); break;
    case 11: say_bad(client, "NOOP\nNOOP", 5); break;
    case 12: say_bad(client, "NOOP\rRSET", 6); break;
    case 13: say_bad(client, "RSET\n.\nRSET", 5); break;
    case 14: say(client, SIM_ASK_RCPT_BAD, 0, "RCPT TO:<>"); break;
    case 15: say(client, SIM_ASK_MAIL_BAD, 0, "MAIL FROM:<a@b@c>"); break;
    default: say_long_line(client); break;
    }
}

/* ---- sessions and transactions ---- */

static void say_hello(struct sim_client *client)
{
    bool is_extended = sim_random_chance(&client->random, 900000);
    client->is_extended = is_extended;
    if (is_extended) {
        say(client, SIM_ASK_EHLO, 0, "EHLO client.example");
    } else {
        say(client, SIM_ASK_HELO, 0, "helo [192.0.2.1]");
    }
}

/* What the next body shall be like. */
static void choose_body(struct sim_client *client, const struct sim_load *load)
{
    struct sim_random *random = &client->random;
    struct sim_mail *mail = client->mail;
    const struct rp_smtp_config *smtp = &client->model.rules->config->smtp;
    static const size_t tops[] = {200, 2000, 2000, 20000, 20000, 300000, 3 << 20};
    size_t top = tops[sim_random_below(random, sizeof(tops) / sizeof(tops[0]))];
    top = top < load->size_max ? top : load->size_max;
    mail->size = (size_t)sim_random_spread(random, 0, top);
    mail->dot_ppm = sim_random_chance(random, 300000) ? 300000 : 1000;
    mail->nul_ppm = sim_random_chance(random, 200000) ? 100000 : 0;
    mail->wants_bare = load->is_nasty && sim_random_chance(random, 60000);
    mail->wants_long = load->is_nasty && sim_random_chance(random, 30000);
    if (sim_random_chance(random, 30000)) {
        mail->size = 0;
        mail->is_exact = true;
    }
    bool is_edge = load->is_nasty && smtp->message_size_max != 0 &&
                   smtp->message_size_max < load->size_max && sim_random_chance(random, 60000);
    if (is_edge) {
        mail->is_exact = true;
        mail->size = (size_t)(smtp->message_size_max - 1 + sim_random_below(random, 3));
    }
}

static void say_mail(struct sim_client *client)
{
    struct sim_random *random = &client->random;
    const struct rp_smtp_config *smtp = &client->model.rules->config->smtp;
    uint32_t index = sim_mail_add_sender(client->mail, sim_random_chance(random, 30000));
    char line[SIM_MAIL_ADDRESS_LEN + 80];
    int len = snprintf(line, sizeof(line), "MAIL FROM:<%s>", client->mail->senders[index]);
    size_t size = client->mail->size;
    bool tells_size = smtp->message_size_max == 0 || size < smtp->message_size_max;
    if (client->is_extended && tells_size && sim_random_chance(random, 300000)) {
        len += snprintf(line + len, sizeof(line) - (size_t)len, " SIZE=%zu", size);
    }
    if (client->is_extended && sim_random_chance(random, 300000)) {
        (void)snprintf(line + len, sizeof(line) - (size_t)len, " BODY=8BITMIME");
    }
    say(client, SIM_ASK_MAIL, index, line);
}

static void begin_mail(struct sim_client *client, const struct sim_load *load)
{
    struct sim_random *random = &client->random;
    const struct rp_smtp_config *smtp = &client->model.rules->config->smtp;
    if (client->style == SIM_STYLE_WILD) {
        /* A body that was not wanted may have left a transaction open: end it, or its sender
         * would become this message's. */
        say(client, SIM_ASK_RSET, 0, "RSET");
    }
    client->mail = sim_mail_new();
    choose_body(client, load);
    if (load->is_nasty && smtp->message_size_max != 0 && sim_random_chance(random, 20000)) {
        char line[80];
        (void)snprintf(line, sizeof(line), "MAIL FROM:<big@sender.example> SIZE=%llu",
                       (unsigned long long)smtp->message_size_max + 1);
        say(client, SIM_ASK_MAIL_BIG, 0, line);
    }
    say_mail(client);
    uint64_t most = load->recipient_max;
    client->recipient_left = (uint32_t)sim_random_spread(random, 1, most);
    if (load->is_nasty && sim_random_chance(random, 10000)) {
        client->recipient_left = 0;
    }
    client->stage = SIM_STAGE_RCPT;
}

/* The transaction is dropped: nothing of it may ever be in the spool. */
static void drop_mail(struct sim_client *client)
{
    client->mail->fate = SIM_FATE_REFUSED;
    client->mail = NULL;
    if (sim_random_chance(&client->random, 200000)) {
        say_hello(client);
    } else {
        say(client, SIM_ASK_RSET, 0, "RSET");
    }
    client->stage = SIM_STAGE_IDLE;
}

static void say_body(struct sim_client *client)
{
    struct sim_mail *mail = client->mail;
    size_t before = sim_bytes_len(&client->out);
    sim_mail_make_body(mail, &client->out, NULL);
    size_t len = sim_bytes_len(&client->out) - before;
    if (client->doom_left > 0 && --client->doom_left == 0) {
        client->doom_off = client->made_off + sim_random_below(&client->random, len + 1);
    }
    client->made_off += len;
    expect(client, SIM_ASK_BODY, 0, client->made_off);
    client->mail = NULL;
    client->message_left--;
    client->stage = SIM_STAGE_IDLE;
}

static void say_in_transaction(struct sim_client *client, const struct sim_load *load)
{
    struct sim_random *random = &client->random;
    if (load->is_nasty && sim_random_chance(random, 5000)) {
        client->message_left--; /* so that it comes to an end */
        drop_mail(client);
        return;
    }
    if (sim_random_chance(random, client->noise_ppm)) {
        bool is_nested = client->mail->sender_count < SIM_MAIL_SENDERS;
        if (is_nested && sim_random_chance(random, 200000)) {
            say_mail(client);
        } else {
            make_noise(client);
        }
        return;
    }
    if (client->recipient_left == 0) {
        say(client, SIM_ASK_DATA, 0, "DATA");
        client->stage = SIM_STAGE_DATA;
        client->mail->is_wild = client->style == SIM_STYLE_WILD;
        return;
    }
    char address[SIM_MAIL_ADDRESS_LEN];
    char line[SIM_MAIL_ADDRESS_LEN + 20];
    uint32_t index = sim_mail_add_recipient(client->mail);
    sim_mail_recipient(client->mail, index, address);
    (void)snprintf(line, sizeof(line), "RCPT TO:<%s>", address);
    say(client, SIM_ASK_RCPT, index, line);
    client->recipient_left--;
}

static void say_between(struct sim_client *client, const struct sim_load *load)
{
    struct sim_random *random = &client->random;
    if (client->message_left == 0) {
        if (client->ending == SIM_ENDING_QUIT) {
            say(client, SIM_ASK_QUIT, 0, "QUIT");
        }
        client->stage = SIM_STAGE_LAST;
    } else if (sim_random_chance(random, client->noise_ppm)) {
        uint64_t kind = sim_random_below(random, 8);
        if (kind == 0) {
            say(client, SIM_ASK_RSET, 0, "rset");
        } else if (kind == 1) {
            say_hello(client);
        } else if (kind == 2) {
            say(client, SIM_ASK_DATA, 0, "DATA");
        } else {
            make_noise(client);
        }
    } else {
        begin_mail(client, load);
    }
}

bool sim_script_next(struct sim_client *client, const struct sim_load *load)
{
    size_t pending = sim_model_pending(&client->model);
    bool is_wild = client->style == SIM_STYLE_WILD;
    bool is_greeting = client->stage == SIM_STAGE_GREETING;
    if (pending > 0 && (client->style == SIM_STYLE_PLAIN || (is_greeting && !is_wild))) {
        return false;
    }
    switch (client->stage) {
    case SIM_STAGE_GREETING:
        client->stage = SIM_STAGE_IDLE;
        if (!load->is_nasty || sim_random_chance(&client->random, 950000)) {
            say_hello(client);
        }
        return true;
    case SIM_STAGE_IDLE:
        if ((pending > 0 && client->style == SIM_STYLE_GROUP) || pending > 200) {
            return false;
        }
        say_between(client, load);
        return true;
    case SIM_STAGE_RCPT: say_in_transaction(client, load); return true;
    case SIM_STAGE_DATA:
        if (pending > 0 && !is_wild) {
            return false;
        }
        if (is_wild || client->model.is_body_next) {
            say_body(client);
        } else {
            client->message_left--;
            drop_mail(client);
        }
        return true;
    case SIM_STAGE_LAST: break;
    }
    return false;
}
