/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * smtp_oracle.c - the second SMTP session: straight-line code over the whole script.
 */
#include "smtp_oracle.h"

#include <inttypes.h>
#include <strings.h>

/* What the second session knows of MAIL and RCPT: a row a line. */
struct known {
    const char *line;
    const char *refusal;    /* after EHLO; NULL: none */
    const char *helo;       /* after HELO, NULL: the same */
    const char *event;      /* what is written down of it */
    const char *ascii_only; /* the refusal without SMTPUTF8, NULL: the same */
    bool has_smtputf8;      /* MAIL says so */
};

#define MAIL_SYNTAX "501 5.5.4 Syntax: MAIL FROM: <address>"
#define RCPT_SYNTAX "501 5.5.4 Syntax: RCPT TO: <address>"
#define LONGER      " [SP <mail-parameters>]"
#define BAD         "553 5.1.3 Error: malformed address"
#define NO_PARAM    "555 5.5.4 MAIL FROM parameters not recognized or not implemented"

static const struct known known[SMTP_ORACLE_LINE_COUNT] = {
    {"MAIL FROM:<s@a.example>",         NULL,                                                             NULL,        "MAIL s@a.example size=0 []",           NULL,     false},
    {"mail from: <s@a.example>  ",      NULL,                                                             NULL,        "MAIL s@a.example size=0 []",           NULL,     false},
    {"MAIL FROM:<>",                    NULL,                                                             NULL,        "MAIL  null size=0 []",                 NULL,     false},
    {"MAIL FROM:<s@a> SIZE=12",         NULL,                                                             MAIL_SYNTAX, "MAIL s@a size=12 [SIZE=12]",           NULL,     false},
    {"MAIL FROM:<s@a> SIZE=1 SIZE=1",   "501 5.5.4 Error: parameter given twice",                         MAIL_SYNTAX, NULL,
     NULL,                                                                                                                                                               false},
    {"MAIL FROM:<s@a> BODY=8BITMIME",   NULL,                                                             MAIL_SYNTAX, "MAIL s@a size=0 8bit [BODY=8BITMIME]",
     NULL,                                                                                                                                                               false},
    {"MAIL FROM:<s@a> SMTPUTF8",        NULL,                                                             MAIL_SYNTAX, "MAIL s@a size=0 smtputf8 [SMTPUTF8]",  NO_PARAM,
     true                                                                                                                                                                     },
    {"MAIL FROM:<\xC3\xA4@a> SMTPUTF8", NULL,                                                             MAIL_SYNTAX,
     "MAIL \xC3\xA4@a utf8 size=0 smtputf8 [SMTPUTF8]",                                                                                                        NO_PARAM, true },
    {"MAIL FROM:<\xC3\xA4@a>",          "553 5.6.7 Error: a non-ASCII address needs SMTPUTF8",            NULL,        NULL,
     NULL,                                                                                                                                                               false},
    {"MAIL FROM:<s@a> X=1",             NO_PARAM,                                                         MAIL_SYNTAX, NULL,                                   NULL,     false},
    {"MAIL FROM:<s@@a>",                BAD,                                                              NULL,        NULL,                                   NULL,     false},
    {"MAIL",                            MAIL_SYNTAX LONGER,                                               MAIL_SYNTAX, NULL,                                   NULL,     false},
    {"MAIL TO:<s@a>",                   MAIL_SYNTAX LONGER,                                               MAIL_SYNTAX, NULL,                                   NULL,     false},
    {"RCPT TO:<r@b.example>",           NULL,                                                             NULL,        "RCPT r@b.example []",                  NULL,     false},
    {"rcpt  to:<q@b>",                  NULL,                                                             NULL,        "RCPT q@b []",                          NULL,     false},
    {"RCPT TO:<Postmaster>",            NULL,                                                             NULL,        "RCPT Postmaster []",                   NULL,     false},
    {"RCPT TO:<>",                      "501 5.1.3 Error: a recipient cannot be empty",                   NULL,        NULL,                                   NULL,     false},
    {"RCPT TO:<r@b> X",                 "555 5.5.4 RCPT TO parameters not recognized or not implemented",
     RCPT_SYNTAX,                                                                                                      NULL,                                   NULL,     false},
    {"RCPT TO:<\xC3\xB6@b>",            NULL,                                                             NULL,        "RCPT \xC3\xB6@b utf8 []",              NULL,     false},
    {"RCPT TO r",                       RCPT_SYNTAX LONGER,                                               RCPT_SYNTAX, NULL,                                   NULL,     false},
    {"RCPT",                            RCPT_SYNTAX LONGER,                                               RCPT_SYNTAX, NULL,                                   NULL,     false},
};

const char *smtp_oracle_line(size_t index)
{
    assert(index < SMTP_ORACLE_LINE_COUNT);
    return known[index].line;
}

/* The second session. */
struct slow {
    const struct rp_smtp_config *config;
    const char *answers;
    struct dialog_result *result;
    bool has_helo;
    bool is_extended;
    bool has_mail;
    bool is_utf8;
    bool is_closed;
    unsigned rcpt_count;
    unsigned message_count;
    unsigned error_count;
    unsigned calls[RP_SMTP_VERB_COUNT];
    unsigned line_count;
};

static void slow_event(struct slow *slow, const char *text)
{
    dialog_append(&slow->result->events, text, strlen(text));
    dialog_append(&slow->result->events, "\n", 1);
}

static void slow_end_transaction(struct slow *slow, bool with_reset)
{
    if (slow->has_mail && with_reset) {
        slow_event(slow, "RESET");
    }
    slow->has_mail = false;
    slow->rcpt_count = 0;
}

static void slow_say(struct slow *slow, const char *reply)
{
    if (reply[0] == '5') {
        if (slow->config->errors_max != 0 && slow->error_count == slow->config->errors_max) {
            reply = "421 4.7.0 Error: too many errors";
        } else {
            slow->error_count++;
        }
    }
    dialog_append(&slow->result->replies, reply, strlen(reply));
    dialog_append(&slow->result->replies, "\r\n", 2);
    if (strncmp(reply, "421", 3) == 0 || strncmp(reply, "221", 3) == 0) {
        slow_end_transaction(slow, true);
        slow_event(slow, "CLOSE");
        slow->is_closed = true;
    }
}

static char slow_letter(struct slow *slow)
{
    return *slow->answers == '\0' ? 'a' : *slow->answers++;
}

/* The caller's answer: true where it is yes; else the refusal is said. */
static bool slow_ask(struct slow *slow, char letter)
{
    switch (letter) {
    case 't': slow_say(slow, "450 4.7.1 Later"); return false;
    case 'r': slow_say(slow, "550 5.7.1 Never"); return false;
    case 'c': slow_say(slow, "421 4.3.2 Closing"); return false;
    default: return true;
    }
}

static void slow_ehlo(struct slow *slow)
{
    const struct rp_smtp_config *config = slow->config;
    char text[512];
    char size[32] = "";
    char mailmax[32] = "";
    if (config->message_size_max != 0) {
        (void)snprintf(size, sizeof(size), " %" PRIu64, config->message_size_max);
    }
    if (config->messages_max != 0) {
        (void)snprintf(mailmax, sizeof(mailmax), " MAILMAX=%u", config->messages_max);
    }
    (void)snprintf(text, sizeof(text),
                   "250-mx.example\r\n%s250-SIZE%s\r\n250-8BITMIME\r\n%s250-LIMITS RCPTMAX=%u%s\r\n"
                   "250%sENHANCEDSTATUSCODES%s",
                   config->pipelining ? "250-PIPELINING\r\n" : "", size,
                   config->smtputf8 ? "250-SMTPUTF8\r\n" : "", config->recipients_max, mailmax,
                   config->help ? "-" : " ", config->help ? "\r\n250 HELP" : "");
    slow_say(slow, text);
}

static void slow_helo(struct slow *slow, bool is_extended, const char *arg)
{
    if (*arg == '\0') {
        slow_say(slow, is_extended ? "501 5.5.4 Syntax: EHLO hostname"
                                   : "501 5.5.4 Syntax: HELO hostname");
        return;
    }
    if (strchr(arg, '<') != NULL) {
        slow_say(slow, "501 5.5.2 Error: malformed host name");
        return;
    }
    slow_end_transaction(slow, true);
    slow_event(slow, is_extended ? "EHLO c.example" : "HELO c.example");
    if (!slow_ask(slow, slow_letter(slow))) {
        return;
    }
    slow->has_helo = true;
    slow->is_extended = is_extended;
    if (is_extended) {
        slow_ehlo(slow);
    } else {
        slow_say(slow, "250 mx.example");
    }
}

static const char *slow_refusal(const struct slow *slow, const struct known *row)
{
    if (!slow->is_extended && row->helo != NULL) {
        return row->helo;
    }
    if (!slow->config->smtputf8 && row->ascii_only != NULL) {
        return row->ascii_only;
    }
    return row->refusal;
}

static void slow_mail(struct slow *slow, const struct known *row)
{
    const struct rp_smtp_config *config = slow->config;
    if (!slow->has_helo) {
        slow_say(slow, "503 5.5.1 Error: send HELO first");
    } else if (slow->has_mail) {
        slow_say(slow, "503 5.5.1 Error: nested MAIL command");
    } else if (config->messages_max != 0 && slow->message_count >= config->messages_max) {
        slow_say(slow, "421 4.7.0 Error: too many messages in this session");
    } else if (slow_refusal(slow, row) != NULL) {
        slow_say(slow, slow_refusal(slow, row));
    } else {
        slow_event(slow, row->event);
        if (slow_ask(slow, slow_letter(slow))) {
            slow->has_mail = true;
            slow->is_utf8 = row->has_smtputf8;
            slow_say(slow, "250 2.1.0 OK");
        }
    }
}

static void slow_rcpt(struct slow *slow, const struct known *row)
{
    if (!slow->has_helo) {
        slow_say(slow, "503 5.5.1 Error: send HELO first");
    } else if (!slow->has_mail) {
        slow_say(slow, "503 5.5.1 Error: need MAIL command");
    } else if (slow_refusal(slow, row) != NULL) {
        slow_say(slow, slow_refusal(slow, row));
    } else if (strstr(row->event, "utf8") != NULL && !slow->is_utf8) {
        slow_say(slow, "553 5.6.7 Error: a non-ASCII address needs SMTPUTF8 with MAIL");
    } else if (slow->rcpt_count >= slow->config->recipients_max) {
        slow_say(slow, "452 4.5.3 Error: too many recipients");
    } else {
        slow_event(slow, row->event);
        if (slow_ask(slow, slow_letter(slow))) {
            slow->rcpt_count++;
            slow_say(slow, "250 2.1.5 OK");
        }
    }
}

/* Where `text` begins in the octets; len: nowhere. */
static size_t slow_find(const char *octets, size_t len, const char *text)
{
    const size_t text_len = strlen(text);
    for (size_t at = 0; at + text_len <= len; at++) {
        if (memcmp(octets + at, text, text_len) == 0) {
            return at;
        }
    }
    return len;
}

/* A body as a whole: decoded into *body_out; what is wrong with it, NULL: nothing. */
static const char *slow_decode(const struct rp_smtp_config *config,
                               const char *raw,
                               size_t len,
                               struct dialog_text *body_out)
{
    bool has_bare = false;
    bool has_long_line = false;
    body_out->len = 0;
    while (len > 0) {
        const size_t line_len = slow_find(raw, len, "\r\n");
        has_long_line |= config->line_length_max != 0 && line_len + 2 > config->line_length_max;
        for (size_t i = raw[0] == '.' ? 1 : 0; i < line_len; i++) {
            const bool is_bare = raw[i] == '\r' || raw[i] == '\n';
            has_bare |= is_bare;
            if (is_bare && config->bare_newline == RP_DOT_NORMALIZE) {
                dialog_append(body_out, "\r\n", 2);
            } else {
                dialog_append(body_out, raw + i, 1);
            }
        }
        dialog_append(body_out, "\r\n", 2);
        raw += line_len + 2;
        len -= line_len + 2;
    }
    if (config->message_size_max != 0 && body_out->len > config->message_size_max) {
        return "552 5.3.4 Error: Too much mail data";
    }
    if (has_bare && config->bare_newline == RP_DOT_REJECT) {
        return "550 5.6.11 Error: bare CR or LF in message body";
    }
    return has_long_line ? "500 5.6.0 Line too long (see RFC5321 4.5.3.1.6)" : NULL;
}

/* DATA and its body, which begins at `text`. Returns the octets that belong to the body. */
static size_t slow_data(struct slow *slow, const char *text, size_t len)
{
    static struct dialog_text body;
    if (!slow->has_helo) {
        slow_say(slow, "503 5.5.1 Error: send HELO first");
        return 0;
    }
    if (slow->rcpt_count == 0) {
        slow_say(slow, "503 5.5.1 Error: need RCPT command");
        return 0;
    }
    slow_event(slow, "DATA");
    const char letter = slow_letter(slow);
    if (!slow_ask(slow, letter)) {
        return 0;
    }
    slow_say(slow, "354 End data with <CR><LF>.<CR><LF>");

    size_t body_len = 0; /* as sent */
    if (len < 3 || memcmp(text, ".\r\n", 3) != 0) {
        const size_t end = slow_find(text, len, "\r\n.\r\n");
        assert(end < len); /* every script ends so */
        body_len = end + 2;
    }
    const char *fault = slow_decode(slow->config, text, body_len, &body);
    const bool is_refused = letter == 'b' && body.len > 0;
    slow_end_transaction(slow, fault != NULL && !is_refused);
    if (is_refused) {
        slow_say(slow, "452 4.3.1 Full");
    } else if (fault != NULL) {
        slow_say(slow, fault);
    } else {
        dialog_print(&slow->result->events, "MESSAGE %zu:", body.len);
        dialog_append(&slow->result->events, body.ptr, body.len);
        dialog_append(&slow->result->events, "\n", 1);
        if (slow_ask(slow, slow_letter(slow))) {
            slow->message_count++;
            slow_say(slow, "250 2.0.0 OK queued as 7");
        }
    }
    return body_len + 3;
}

static void slow_help(struct slow *slow, const char *arg)
{
    char text[256];
    const bool is_list = *arg == '\0';
    if (!slow->config->help) {
        slow_say(slow, "502 5.5.1 HELP not implemented");
    } else if (strcmp(arg, "RCPT") == 0) {
        slow_say(slow, slow->is_extended ? "250 2.0.0 Syntax: RCPT TO: <address>" LONGER
                                         : "250 2.0.0 Syntax: RCPT TO: <address>");
    } else {
        (void)snprintf(text, sizeof(text),
                       "%s Supported commands: DATA EHLO HELO HELP MAIL NOOP QUIT RCPT RSET%s",
                       is_list ? "250 2.0.0" : "501 5.5.4", slow->config->vrfy ? " VRFY" : "");
        slow_say(slow, text);
    }
}

static void slow_vrfy(struct slow *slow, const char *arg)
{
    if (!slow->config->vrfy) {
        slow_say(slow, "502 5.5.1 VRFY not implemented");
    } else if (*arg == '\0') {
        slow_say(slow, "501 5.5.4 Syntax: VRFY <address>");
    } else {
        slow_say(slow, "252 2.1.5 Cannot VRFY user, but will accept message and attempt delivery");
    }
}

static enum rp_smtp_verb slow_verb(const char *name)
{
    static const char *const verbs[] = {"helo", "ehlo", "mail", "rcpt", "data", "rset",
                                        "noop", "quit", "vrfy", "expn", "help"};
    size_t verb = 0;
    while (verb < DIALOG_ROW_COUNT(verbs) && strcasecmp(name, verbs[verb]) != 0) {
        verb++;
    }
    return (enum rp_smtp_verb)verb;
}

static void slow_path(struct slow *slow, enum rp_smtp_verb verb, const char *line)
{
    size_t at = 0;
    while (at < SMTP_ORACLE_LINE_COUNT && strcmp(known[at].line, line) != 0) {
        at++;
    }
    assert(at < SMTP_ORACLE_LINE_COUNT); /* such lines are in a script whole or not at all */
    if (verb == RP_SMTP_VERB_MAIL) {
        slow_mail(slow, &known[at]);
    } else {
        slow_rcpt(slow, &known[at]);
    }
}

static void slow_unknown(struct slow *slow, const char *name)
{
    char text[128];
    (void)snprintf(text, sizeof(text), "500 5.5.2 Error: command \"%.32s\" not recognized", name);
    slow_say(slow, text);
}

/* Whether the limit of calls ended the session. */
static bool slow_count(struct slow *slow, enum rp_smtp_verb verb)
{
    static const char *const verbs[] = {"HELO", "EHLO", "MAIL", "RCPT", "DATA", "RSET",
                                        "NOOP", "QUIT", "VRFY", "EXPN", "HELP"};
    char text[64] = "421 4.7.0 Too many unrecognized commands";
    slow->calls[verb]++;
    if (slow->config->calls_max[verb] == 0 || slow->calls[verb] <= slow->config->calls_max[verb]) {
        return false;
    }
    if (verb != RP_SMTP_VERB_UNKNOWN) {
        (void)snprintf(text, sizeof(text), "421 4.7.0 %s sent too many times", verbs[verb]);
    }
    slow_say(slow, text);
    return true;
}

/* A good line; `rest` is what follows it. Returns the octets of a body that it began. */
static size_t slow_command(struct slow *slow, const char *line, const char *rest, size_t rest_len)
{
    char name[512];
    char arg[512];
    size_t len = strlen(line); /* without the blanks at the end */
    while (len > 0 && (line[len - 1] == ' ' || line[len - 1] == '\t')) {
        len--;
    }
    for (const char *at = line; at < line + len; at++) {
        if (*at == 127 || (*at >= 0 && *at < 32)) {
            slow_say(slow, "500 5.5.2 Error: control character in command");
            return 0;
        }
    }
    if (len == 0 || *line == ' ') {
        slow_say(slow, "500 5.5.2 Error: bad syntax");
        return 0;
    }
    name[0] = arg[0] = '\0';
    (void)sscanf(line, "%511[^ \t] %511[^\n]", name, arg);
    while (*arg != '\0' && strchr(" \t", arg[strlen(arg) - 1]) != NULL) {
        arg[strlen(arg) - 1] = '\0';
    }

    const enum rp_smtp_verb verb = slow_verb(name);
    if (slow_count(slow, verb)) {
        return 0;
    }
    if (verb != RP_SMTP_VERB_MAIL && verb != RP_SMTP_VERB_RCPT && strchr(line, 0xC3) != NULL) {
        slow_say(slow, "500 5.5.2 Error: non-ASCII octet in command");
        return 0;
    }
    switch (verb) {
    case RP_SMTP_VERB_HELO: slow_helo(slow, false, arg); break;
    case RP_SMTP_VERB_EHLO: slow_helo(slow, true, arg); break;
    case RP_SMTP_VERB_MAIL:
    case RP_SMTP_VERB_RCPT: slow_path(slow, verb, line); break;
    case RP_SMTP_VERB_DATA:
        if (slow->has_helo && slow->rcpt_count > 0 && *arg != '\0') {
            slow_say(slow, "501 5.5.4 Syntax: DATA");
            break;
        }
        return slow_data(slow, rest, rest_len);
    case RP_SMTP_VERB_RSET:
        slow_say(slow, *arg == '\0' ? "250 2.0.0 OK" : "501 5.5.4 Syntax: RSET");
        if (*arg == '\0') {
            slow_end_transaction(slow, true);
        }
        break;
    case RP_SMTP_VERB_NOOP: slow_say(slow, "250 2.0.0 OK"); break;
    case RP_SMTP_VERB_QUIT:
        slow_say(slow, *arg == '\0' ? "221 2.0.0 Bye" : "501 5.5.4 Syntax: QUIT");
        break;
    case RP_SMTP_VERB_VRFY: slow_vrfy(slow, arg); break;
    case RP_SMTP_VERB_EXPN: slow_say(slow, "502 5.5.1 EXPN not implemented"); break;
    case RP_SMTP_VERB_HELP: slow_help(slow, arg); break;
    case RP_SMTP_VERB_UNKNOWN:
    case RP_SMTP_VERB_COUNT: slow_unknown(slow, name); break;
    }
    return 0;
}

/* Where in a line of `len` octets, its CRLF among them, the first bare CR or LF is seen. */
static size_t slow_find_bare(const char *line, size_t len)
{
    for (size_t i = 0; i + 2 < len; i++) {
        if (line[i] == '\n') {
            return i;
        }
        if (line[i] == '\r') {
            return i + 1;
        }
    }
    return len;
}

void smtp_oracle_play(const struct dialog_script *script, struct dialog_result *result)
{
    struct slow slow = {.config = script->config, .answers = script->answers, .result = result};
    result->replies.len = result->events.len = 0;
    result->replies.ptr[0] = result->events.ptr[0] = '\0';
    for (size_t at = 0; at < script->input_len && !slow.is_closed;) {
        const char *line = script->input + at;
        const size_t end = slow_find(line, script->input_len - at, "\r\n");
        assert(end < script->input_len - at);
        const size_t len = end + 2;
        at += len;

        size_t line_max = script->config->command_line_max;
        if (strncasecmp(line, "MAIL ", 5) == 0) {
            line_max += script->config->smtputf8 ? 36 : 26;
        }
        const size_t bare = slow_find_bare(line, len);
        if (len > line_max && line_max <= bare) {
            slow_say(&slow, "500 5.5.2 Command line too long");
        } else if (bare < len) {
            slow_say(&slow, "500 5.5.2 Error: bare CR or LF, command lines end in CRLF");
        } else {
            char text[512];
            assert(len - 2 < sizeof(text));
            memcpy(text, line, len - 2);
            text[len - 2] = '\0';
            slow.line_count++;
            at += slow_command(&slow, text, script->input + at, script->input_len - at);
            continue;
        }
        /* A line that ends the session at its fault is not read to its end. */
        slow.line_count += slow.is_closed ? 0 : 1;
    }
    dialog_print(&result->events, "%u lines, %u recipients, %u messages\n", slow.line_count,
                 slow.rcpt_count, slow.message_count);
}
