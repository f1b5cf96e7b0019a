/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * config.c - fills struct rp_config from defaults, files and the command line.
 *
 * The only file that uses libconfig. It parses; what a value means, config_key.c says.
 */
#include "engine/config.h"

#include "engine/config_key.h"
#include "engine/config_source.h"
#include "engine/config_value.h"
#include "engine/limits.h"
#include "engine/message.h"
#include "proto/rp_addr.h"
#include "spool/rp_spool_format.h"

#include <assert.h>
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <libconfig.h>
#include <pwd.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* Longer than any key, and than a misspelt one that is worth showing. */
#define KEY_LEN         80

#define HOSTS_FILE      "/etc/hosts"

/* RFC 5321, 4.5.3.1.2. */
#define DOMAIN_LEN_MAX  255u

/* Octets of items in an envelope besides sender and recipients, with their headers: at most. */
#define ENVELOPE_OTHERS 1024u

/* What RCPTMAX promises: so many of the longest addresses that a command line and limits.local_part
 * allow fit an envelope. Of shorter ones limits.recipients may be reached. */
static uint32_t count_told_recipients(const struct rp_smtp_config *smtp)
{
    uint64_t longest = smtp->command_line_max - strlen("RCPT TO:\r\n");
    uint64_t most = smtp->local_part_max + 1ull + DOMAIN_LEN_MAX;
    if (smtp->local_part_max != 0 && most < longest) {
        longest = most;
    }
    uint64_t room = (uint64_t)RP_MESSAGE_BLOCKS_MAX * RP_BLOCK_DATA_LEN - ENVELOPE_OTHERS -
                    (smtp->command_line_max + RP_SMTP_LINE_EXTRA);
    uint64_t count = room / (RP_SPOOL_ITEM_HEADER + longest);
    return count < smtp->recipients_max ? (uint32_t)count : smtp->recipients_max;
}

/* What is made of other members must follow them: spans that point into the struct, RCPTMAX. */
static void bind_members(struct rp_config *config)
{
    config->smtp.recipients_told = count_told_recipients(&config->smtp);
    config->smtp.hostname =
        (struct rp_span){.ptr = (const uint8_t *)config->hostname, .len = strlen(config->hostname)};
    config->smtp.ident =
        (struct rp_span){.ptr = (const uint8_t *)config->ident, .len = strlen(config->ident)};
}

/* Values and file names stand in errors: what is a control character there must not make a
 * second line, nor reach a terminal. */
static int finish(char *error, int result)
{
    for (char *at = error; result != 0 && *at != '\0'; at++) {
        unsigned char octet = (unsigned char)*at;
        if (octet < 0x20 || octet == 0x7f) {
            *at = '?';
        }
    }
    return result;
}

/* ---- defaults ---- */

/* The word of a hosts line, cut off behind it, that is `host` with a domain; NULL: none. */
static char *find_domain(char *line, const char *host)
{
    size_t host_len = strlen(host);
    line[strcspn(line, "#\n")] = '\0';
    char *word = line + strcspn(line, " \t"); /* behind the address */
    while (*(word += strspn(word, " \t")) != '\0') {
        size_t len = strcspn(word, " \t");
        if (len > host_len && strncasecmp(word, host, host_len) == 0 && word[host_len] == '.') {
            word[len] = '\0';
            return word;
        }
        word += len;
    }
    return NULL;
}

/*
 * What getaddrinfo would call the canonical name, where the hosts file has it: asking the
 * network for it may hang.
 */
static void add_domain(char *host, size_t host_cap)
{
    char line[1024];
    const char *found = NULL;
    FILE *hosts = fopen(HOSTS_FILE, "re");
    if (hosts == NULL) {
        return;
    }
    while (found == NULL && fgets(line, sizeof(line), hosts) != NULL) {
        found = find_domain(line, host);
    }
    if (found != NULL && strlen(found) < host_cap) {
        memcpy(host, found, strlen(found) + 1);
    }
    (void)fclose(hosts); /* only read */
}

static void set_machine_name(struct rp_config *config)
{
    char problem[RP_CONFIG_ERROR_MAX];
    char name[256] = {0};
    if (gethostname(name, sizeof(name) - 1) != 0) {
        name[0] = '\0';
    }
    if (name[0] != '\0' && strchr(name, '.') == NULL) {
        add_domain(name, sizeof(name));
    }
    const struct rp_config_key *key = rp_config_key_find("hostname");
    /* Where nobody has set it, Linux says "(none)". */
    if (!rp_addr_is_domain((struct rp_span){(const uint8_t *)name, strlen(name)}) ||
        rp_config_key_assign(key, config, RP_CONFIG_GIVEN_BARE, name, problem, sizeof(problem)) !=
            0) {
        int result = rp_config_key_assign(key, config, RP_CONFIG_GIVEN_BARE, "localhost", problem,
                                          sizeof(problem));
        assert(result == 0);
    }
}

void rp_config_init(struct rp_config *config)
{
    char problem[RP_CONFIG_ERROR_MAX];
    const struct rp_config_key *key = NULL;
    *config = (struct rp_config){0};
    set_machine_name(config);
    for (size_t i = 0; (key = rp_config_key_get(i)) != NULL; i++) {
        if (strcmp(key->name, "hostname") == 0) {
            continue;
        }
        int result = rp_config_key_assign(key, config, RP_CONFIG_GIVEN_BARE, key->preset, problem,
                                          sizeof(problem));
        assert(result == 0); /* every row's default is within its range */
    }
    bind_members(config);
}

/* ---- what libconfig has parsed ---- */

struct reading {
    struct rp_config *config;
    const struct rp_config_source *source; /* NULL: the command line */
    char *error;
    size_t error_len;
};

/* "FILE:LINE: KEY: PROBLEM" or "--set KEY: PROBLEM". */
static int refuse(const struct reading *reading,
                  const config_setting_t *setting,
                  const char *key,
                  const char *problem)
{
    unsigned line = config_setting_source_line(setting);
    if (reading->source == NULL) {
        (void)snprintf(reading->error, reading->error_len, "--set %s: %s", key, problem);
    } else {
        struct rp_config_place place = rp_config_source_place(reading->source, line > 0 ? line : 1);
        (void)snprintf(reading->error, reading->error_len, "%s:%u: %s: %s", place.file, place.line,
                       key, problem);
    }
    return -EINVAL;
}

static int refuse_unknown(const struct reading *reading,
                          const config_setting_t *setting,
                          const char *name)
{
    char problem[160];
    const struct rp_config_key *guess = rp_config_key_guess(name);
    (void)snprintf(problem, sizeof(problem), "unknown key; %s%s%s",
                   guess != NULL ? "did you mean "
                                 : "ringpostd.conf(5) and --print-config have all",
                   guess != NULL ? guess->name : "", guess != NULL ? "?" : "");
    return refuse(reading, setting, name, problem);
}

/*
 * A setting as text, with the type it has. `buffer` (RP_CONFIG_VALUE_LEN) holds a number.
 */
static enum rp_config_given text_of(const config_setting_t *setting,
                                    char *buffer,
                                    const char **text_out)
{
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        (void)snprintf(buffer, RP_CONFIG_VALUE_LEN, "%lld", config_setting_get_int64(setting));
        *text_out = buffer; /* any 64-bit number fits */
        return RP_CONFIG_GIVEN_NUMBER;
    case CONFIG_TYPE_STRING:
        *text_out = config_setting_get_string(setting);
        return RP_CONFIG_GIVEN_STRING;
    case CONFIG_TYPE_BOOL:
        *text_out = config_setting_get_bool(setting) ? "true" : "false";
        return RP_CONFIG_GIVEN_BOOL;
    case CONFIG_TYPE_FLOAT: *text_out = "a number with a fraction"; break;
    case CONFIG_TYPE_GROUP: *text_out = "a group"; break;
    case CONFIG_TYPE_ARRAY: *text_out = "an array"; break;
    default: *text_out = "a list"; break; /* libconfig's types are ints, no enumeration */
    }
    return RP_CONFIG_GIVEN_OTHER;
}

/* limits.command_calls = { NOOP = 5; * = 20; }: "*" first, then the verbs with their own. */
static int read_calls(const struct reading *reading,
                      const struct rp_config_key *key,
                      const config_setting_t *group)
{
    char problem[256];
    char right[160];
    char number[RP_CONFIG_VALUE_LEN];
    uint32_t calls[RP_SMTP_VERB_COUNT] = {0};
    bool is_set[RP_SMTP_VERB_COUNT] = {false};
    for (unsigned i = 0; i < (unsigned)config_setting_length(group); i++) {
        const config_setting_t *member = config_setting_get_elem(group, i);
        const char *name = config_setting_name(member);
        const char *text = NULL;
        uint64_t value = 0;
        int verb = rp_config_key_verb(name);
        rp_config_key_describe(key, right, sizeof(right));
        if (verb < 0 || is_set[verb]) {
            (void)snprintf(problem, sizeof(problem), "%.32s %s; right: %s", name,
                           verb < 0 ? "is no verb" : "stands there twice", right);
            return refuse(reading, member, key->name, problem);
        }
        if (text_of(member, number, &text) != RP_CONFIG_GIVEN_NUMBER ||
            rp_config_value_number(text, &value) != RP_CONFIG_VALUE_GOOD || value > key->most) {
            (void)snprintf(problem, sizeof(problem), "%s = %.32s is no such number; right: %s",
                           name, text, right);
            return refuse(reading, member, key->name, problem);
        }
        calls[verb] = (uint32_t)value;
        is_set[verb] = true;
    }
    for (unsigned i = 0; i < RP_SMTP_VERB_COUNT; i++) {
        reading->config->smtp.calls_max[i] = is_set[i] ? calls[i] : calls[RP_SMTP_VERB_UNKNOWN];
    }
    return 0;
}

static int read_value(const struct reading *reading,
                      const struct rp_config_key *key,
                      const config_setting_t *setting)
{
    char problem[RP_CONFIG_ERROR_MAX];
    char number[RP_CONFIG_VALUE_LEN];
    const char *text = NULL;
    if (key->kind == RP_CONFIG_KIND_CALLS && config_setting_is_group(setting)) {
        return read_calls(reading, key, setting);
    }
    enum rp_config_given given = text_of(setting, number, &text);
    if (rp_config_key_assign(key, reading->config, given, text, problem, sizeof(problem)) != 0) {
        return refuse(reading, setting, key->name, problem);
    }
    bind_members(reading->config);
    return 0;
}

/* A member of the root, or of a group of the root ("group." is then the prefix). */
static int read_setting(const struct reading *reading,
                        const char *prefix,
                        const config_setting_t *setting)
{
    char name[KEY_LEN];
    (void)snprintf(name, sizeof(name), "%.32s%s%.40s", prefix, prefix[0] == '\0' ? "" : ".",
                   config_setting_name(setting)); /* one that is cut is no key either */
    const struct rp_config_key *key = rp_config_key_find(name);
    return key != NULL ? read_value(reading, key, setting) : refuse_unknown(reading, setting, name);
}

static int read_group(const struct reading *reading, const config_setting_t *group)
{
    const char *name = config_setting_name(group);
    int count = config_setting_length(group);
    if (count == 0 && !rp_config_key_is_group(name)) {
        return refuse_unknown(reading, group, name);
    }
    int result = 0;
    for (unsigned i = 0; i < (unsigned)count && result == 0; i++) {
        result = read_setting(reading, name, config_setting_get_elem(group, i));
    }
    return result;
}

static int read_root(const struct reading *reading, const config_setting_t *root)
{
    int result = 0;
    for (unsigned i = 0; i < (unsigned)config_setting_length(root) && result == 0; i++) {
        const config_setting_t *setting = config_setting_get_elem(root, i);
        const char *name = config_setting_name(setting);
        if (rp_config_key_is_group(name) && !config_setting_is_group(setting)) {
            char problem[160];
            (void)snprintf(problem, sizeof(problem), "is a group; right: %.32s = { KEY = VALUE; };",
                           name);
            result = refuse(reading, setting, name, problem);
        } else if (config_setting_is_group(setting) && rp_config_key_find(name) == NULL) {
            result = read_group(reading, setting);
        } else {
            result = read_setting(reading, "", setting);
        }
    }
    return result;
}

int rp_config_load(struct rp_config *config, const char *path, char *error, size_t error_len)
{
    struct rp_config_source source;
    int result = rp_config_source_read(&source, path, error, error_len);
    if (result != 0) {
        return finish(error, result);
    }
    config_t parsed;
    config_init(&parsed);
    if (config_read_string(&parsed, source.text) == CONFIG_TRUE) {
        const struct reading reading = {
            .config = config, .source = &source, .error = error, .error_len = error_len};
        result = read_root(&reading, config_root_setting(&parsed));
    } else {
        int line = config_error_line(&parsed);
        struct rp_config_place place =
            rp_config_source_place(&source, line > 0 ? (unsigned)line : 1);
        const char *what = config_error_text(&parsed);
        (void)snprintf(error, error_len, "%s:%u: %s; right: KEY = VALUE; or GROUP = { ... };",
                       place.file, place.line, what != NULL ? what : "it cannot be read");
        result = -EINVAL;
    }
    config_destroy(&parsed);
    rp_config_source_close(&source);
    return finish(error, result);
}

/* ---- the command line ---- */

/* A value in quotes or brackets: as in a file, so libconfig reads it. */
static int set_parsed(struct rp_config *config,
                      const struct rp_config_key *key,
                      const char *value,
                      char *error,
                      size_t error_len)
{
    size_t len = strlen(value) + sizeof("value = ;");
    char *text = malloc(len);
    if (text == NULL) {
        (void)snprintf(error, error_len, "--set %s: no memory", key->name);
        return -ENOMEM;
    }
    (void)snprintf(text, len, "value = %s;", value); /* just fits */
    struct rp_config_source source;
    int result = rp_config_source_take(&source, "--set", text, error, error_len);
    free(text);
    if (result != 0) {
        return result;
    }
    const struct reading reading = {.config = config, .error = error, .error_len = error_len};
    config_t parsed;
    config_init(&parsed);
    /* One setting: what closes the value and opens another is no value. */
    if (config_read_string(&parsed, source.text) == CONFIG_TRUE &&
        config_setting_length(config_root_setting(&parsed)) == 1) {
        result =
            read_value(&reading, key, config_setting_get_elem(config_root_setting(&parsed), 0));
    } else {
        char right[160];
        rp_config_key_describe(key, right, sizeof(right));
        (void)snprintf(error, error_len, "--set %s: %.64s is no value; right: %s", key->name, value,
                       right);
        result = -EINVAL;
    }
    config_destroy(&parsed);
    rp_config_source_close(&source);
    return result;
}

int rp_config_assign(struct rp_config *config,
                     const char *key,
                     const char *text,
                     char *error,
                     size_t error_len)
{
    char problem[RP_CONFIG_ERROR_MAX];
    const struct rp_config_key *row = rp_config_key_find(key);
    assert(row != NULL);
    int result =
        rp_config_key_assign(row, config, RP_CONFIG_GIVEN_BARE, text, problem, sizeof(problem));
    if (result != 0) {
        (void)snprintf(error, error_len, "%s: %s", key, problem);
    }
    bind_members(config);
    return finish(error, result);
}

int rp_config_set(struct rp_config *config, const char *setting, char *error, size_t error_len)
{
    char name[KEY_LEN];
    const char *equals = strchr(setting, '=');
    if (equals == NULL || equals == setting) {
        (void)snprintf(error, error_len, "--set %.64s: right: --set KEY=VALUE", setting);
        return finish(error, -EINVAL);
    }
    size_t len = (size_t)(equals - setting);
    while (len > 0 && setting[len - 1] == ' ') {
        len--;
    }
    (void)snprintf(name, sizeof(name), "%.*s", len < KEY_LEN ? (int)len : KEY_LEN - 1, setting);
    const struct rp_config_key *key = rp_config_key_find(name);
    if (key == NULL) {
        const struct rp_config_key *guess = rp_config_key_guess(name);
        (void)snprintf(error, error_len, "--set %s: unknown key; %s%s%s", name,
                       guess != NULL ? "did you mean "
                                     : "ringpostd.conf(5) and --print-config have all",
                       guess != NULL ? guess->name : "", guess != NULL ? "?" : "");
        return finish(error, -EINVAL);
    }
    const char *value = equals + 1;
    value += strspn(value, " ");
    if (value[0] != '\0' && strchr("\"{[(", value[0]) != NULL) {
        return finish(error, set_parsed(config, key, value, error, error_len));
    }
    char problem[RP_CONFIG_ERROR_MAX];
    int result = rp_config_assign(config, key->name, value, problem, sizeof(problem));
    if (result != 0) {
        (void)snprintf(error, error_len, "--set %.*s", (int)sizeof(problem) - 1, problem);
    }
    return finish(error, result);
}

int rp_config_add_listener(struct rp_config *config,
                           const char *listener,
                           char *error,
                           size_t error_len)
{
    static const char right[] = "127.0.0.1:2525, [::1]:2525, localhost:2525, *:2525 (every "
                                "address) or unix:/PATH of at most 107 octets";
    struct sockaddr_storage address;
    socklen_t address_len = 0;
    size_t len = strcspn(listener, ",");
    const char *what = NULL;
    char text[sizeof(config->listeners[0])] = {0};
    if (len < sizeof(text)) {
        memcpy(text, listener, len);
    }
    if (listener[len] != '\0') {
        (void)snprintf(error, error_len,
                       "-l %.*s: %.64s: unknown option; this version has none, right: -l %.*s",
                       (int)(len < 128 ? len : 128), listener, listener + len + 1,
                       (int)(len < 128 ? len : 128), listener);
        return finish(error, -EINVAL);
    }
    switch (rp_config_value_address(text, &address, &address_len)) {
    case RP_CONFIG_VALUE_GOOD: break;
    case RP_CONFIG_VALUE_MALFORMED: what = "is no address to listen on"; break;
    case RP_CONFIG_VALUE_HUGE: what = "has a port above 65535, or a path that is too long"; break;
    }
    for (uint32_t i = 0; i < config->listener_count && what == NULL; i++) {
        what = strcmp(config->listeners[i], text) == 0 ? "was given twice" : NULL;
    }
    if (what != NULL) {
        (void)snprintf(error, error_len, "-l %.128s: %s; right: %s", listener, what, right);
        return finish(error, -EINVAL);
    }
    if (config->listener_count == RP_CONFIG_LISTENERS_MAX) {
        (void)snprintf(error, error_len, "-l %.128s: too many listeners; right: at most %d",
                       listener, RP_CONFIG_LISTENERS_MAX);
        return finish(error, -EINVAL);
    }
    memcpy(config->listeners[config->listener_count++], text, sizeof(text));
    return 0;
}

/* ---- the whole ---- */

static uint32_t count_cpus(void)
{
    cpu_set_t usable;
    if (sched_getaffinity(0, sizeof(usable), &usable) == 0 && CPU_COUNT(&usable) > 0) {
        return (uint32_t)CPU_COUNT(&usable);
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN); /* a machine with more than CPU_SETSIZE */
    return online > 0 ? (uint32_t)online : 1;
}

uint32_t rp_config_worker_count(const struct rp_config *config)
{
    if (config->workers != 0) {
        return config->workers;
    }
    uint64_t count = count_cpus();
    uint64_t for_memory = config->limit_memory / RP_CONFIG_WORKER_MEMORY;
    count = count < for_memory ? count : for_memory;
    count = count < RP_SPOOL_LANES_MAX ? count : RP_SPOOL_LANES_MAX;
    count = count < config->limit_connections ? count : config->limit_connections;
    return count > 0 ? (uint32_t)count : 1;
}

/* RFC 5321, 4.5.3.1.5: a reply line has at most 512 octets. */
#define GREETING_MAX (512 - (sizeof("220  ESMTP \r\n") - 1))

int rp_config_check(const struct rp_config *config, char *error, size_t error_len)
{
    uint32_t workers = rp_config_worker_count(config);
    if (config->smtp.hostname.len + config->smtp.ident.len > GREETING_MAX) {
        (void)snprintf(error, error_len,
                       "hostname and ident: too long for one greeting; right: at most %zu octets "
                       "together",
                       GREETING_MAX);
    } else if (config->spool_segment_size % RP_SPOOL_BLOCK != 0) {
        (void)snprintf(error, error_len,
                       "spool.segment_size: %" PRIu64 " is no multiple of %u; right: \"64mb\"",
                       config->spool_segment_size, RP_SPOOL_BLOCK);
    } else if (config->limit_memory < workers * RP_CONFIG_WORKER_MEMORY) {
        (void)snprintf(error, error_len,
                       "limits.memory: %" PRIu64 " is too little for %" PRIu32
                       " workers; right: at least %llumb for each, or fewer workers",
                       config->limit_memory, workers, RP_CONFIG_WORKER_MEMORY >> 20);
    } else if (config->limit_connections < workers) {
        (void)snprintf(error, error_len,
                       "limits.connections: %" PRIu32 " is less than one for each of %" PRIu32
                       " workers; right: more connections or fewer workers",
                       config->limit_connections, workers);
    } else if (config->user[0] != '\0' && getpwnam(config->user) == NULL) {
        (void)snprintf(error, error_len,
                       "user: there is no user \"%s\"; right: one of getent passwd", config->user);
    } else if (config->group[0] != '\0' && getgrnam(config->group) == NULL) {
        (void)snprintf(error, error_len,
                       "group: there is no group \"%s\"; right: one of getent group",
                       config->group);
    } else {
        return 0;
    }
    return -EINVAL;
}

void rp_config_print(const struct rp_config *config, FILE *stream)
{
    const struct rp_config_key *key = NULL;
    char group[KEY_LEN] = "";
    for (uint32_t i = 0; i < config->listener_count; i++) {
        (void)fprintf(stream, "# -l %s\n", config->listeners[i]); /* errors stay in the stream */
    }
    for (size_t i = 0; (key = rp_config_key_get(i)) != NULL; i++) {
        const char *dot = strchr(key->name, '.');
        size_t group_len = dot == NULL ? 0 : (size_t)(dot - key->name);
        if (group_len != strlen(group) || strncmp(group, key->name, group_len) != 0) {
            if (group[0] != '\0') {
                (void)fputs("};\n", stream);
            }
            (void)snprintf(group, sizeof(group), "%.*s", (int)group_len, key->name);
            if (group[0] != '\0') {
                (void)fprintf(stream, "%s = {\n", group);
            }
        }
        const char *indent = dot == NULL ? "" : "    ";
        (void)fprintf(stream, "%s# %s\n%s%s = ", indent, key->what, indent,
                      dot == NULL ? key->name : dot + 1);
        rp_config_key_print(key, config, stream);
        (void)fputs(";\n", stream);
    }
    if (group[0] != '\0') {
        (void)fputs("};\n", stream);
    }
}

void rp_config_copy(struct rp_config *to, const struct rp_config *from)
{
    *to = *from;
    to->user_count = NULL;
    bind_members(to);
}

void rp_config_hold(const struct rp_config *config)
{
    if (config->user_count != NULL) {
        (void)atomic_fetch_add_explicit(config->user_count, 1, memory_order_relaxed);
    }
}

void rp_config_release(const struct rp_config *config)
{
    if (config->user_count != NULL) {
        uint32_t before = atomic_fetch_sub_explicit(config->user_count, 1, memory_order_release);
        assert(before > 0);
    }
}
