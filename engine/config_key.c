/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * config_key.c - the table of keys and the kinds of values.
 *
 * Every value is text first, whether it comes from a file, from --set or is the
 * default: so there is one way in for each kind, and one way out.
 */
#include "engine/config_key.h"

#include "engine/config_keys.h"
#include "engine/config_value.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define ROW(name_, member, kind_, preset_, least_, most_, what_) \
    {.name = (name_),                                            \
     .preset = (preset_),                                        \
     .what = (what_),                                            \
     .kind = RP_CONFIG_KIND_##kind_,                             \
     .off = offsetof(struct rp_config, member),                  \
     .len = sizeof(((struct rp_config *)NULL)->member),          \
     .least = (least_),                                          \
     .most = (most_)},
static const struct rp_config_key keys[] = {RP_CONFIG_KEYS(ROW)};
#undef ROW

/* The longest row's name fits, with what a misspelt one may be longer. */
#define NAME_MAX_LEN 48

#define NUMBERS      (1u << RP_CONFIG_GIVEN_NUMBER)
#define STRINGS      (1u << RP_CONFIG_GIVEN_STRING)
#define BOOLS        (1u << RP_CONFIG_GIVEN_BOOL)

struct kind {
    unsigned takes; /* bits: the types that a value in a file may have */
    const char *right;
    const char *choices[5]; /* indexed by the enumeration; NULL behind the last */
};

/* clang-format off */
static const struct kind kinds[RP_CONFIG_KIND_COUNT] = {
    [RP_CONFIG_KIND_NUMBER]  = {NUMBERS,           "a whole number", {NULL}},
    [RP_CONFIG_KIND_AUTO]    = {NUMBERS | STRINGS, "\"auto\" or a whole number", {NULL}},
    [RP_CONFIG_KIND_SIZE]    = {NUMBERS | STRINGS, "octets, or a size in quotes (\"10kb\", mb, gb)", {NULL}},
    [RP_CONFIG_KIND_TIME]    = {NUMBERS | STRINGS, "seconds, or a time in quotes (\"10ms\", s, min, h, d)", {NULL}},
    [RP_CONFIG_KIND_SHARE]   = {NUMBERS | STRINGS, "\"0%\" to \"99%\", or a size", {NULL}},
    [RP_CONFIG_KIND_BOOL]    = {BOOLS,             "true or false", {NULL}},
    [RP_CONFIG_KIND_TEXT]    = {STRINGS,           "a string of printable ASCII", {NULL}},
    [RP_CONFIG_KIND_WORD]    = {STRINGS,           "a string of printable ASCII without spaces", {NULL}},
    [RP_CONFIG_KIND_PATH]    = {STRINGS,           "a path: a string without control characters", {NULL}},
    [RP_CONFIG_KIND_CALLS]   = {0,                 "{ VERB = NUMBER; * = NUMBER; } with * for the rest", {NULL}},
    [RP_CONFIG_KIND_NEWLINE] = {STRINGS, NULL, {[RP_DOT_REJECT] = "reject", [RP_DOT_NORMALIZE] = "normalize", [RP_DOT_KEEP] = "keep"}},
    [RP_CONFIG_KIND_SYNC]    = {STRINGS, NULL, {[RP_CONFIG_SYNC_COMMIT] = "commit", [RP_CONFIG_SYNC_NONE] = "none"}},
    [RP_CONFIG_KIND_IO]      = {STRINGS, NULL, {[RP_CONFIG_IO_BUFFERED] = "buffered", [RP_CONFIG_IO_DIRECT] = "direct"}},
    [RP_CONFIG_KIND_FORMAT]  = {STRINGS, NULL, {[RP_CONFIG_LOG_AUTO] = "auto", [RP_CONFIG_LOG_TEXT] = "text", [RP_CONFIG_LOG_JSON] = "json"}},
    [RP_CONFIG_KIND_LEVEL]   = {STRINGS, NULL, {[RP_CONFIG_LOG_ERROR] = "error", [RP_CONFIG_LOG_WARNING] = "warning", [RP_CONFIG_LOG_INFO] = "info", [RP_CONFIG_LOG_DEBUG] = "debug"}},
};

/* proto has the names, too, but tells them only the other way round; a test compares. */
static const char *const verbs[RP_SMTP_VERB_COUNT] = {
    [RP_SMTP_VERB_HELO] = "HELO", [RP_SMTP_VERB_EHLO] = "EHLO", [RP_SMTP_VERB_MAIL] = "MAIL",
    [RP_SMTP_VERB_RCPT] = "RCPT", [RP_SMTP_VERB_DATA] = "DATA", [RP_SMTP_VERB_RSET] = "RSET",
    [RP_SMTP_VERB_NOOP] = "NOOP", [RP_SMTP_VERB_QUIT] = "QUIT", [RP_SMTP_VERB_VRFY] = "VRFY",
    [RP_SMTP_VERB_EXPN] = "EXPN", [RP_SMTP_VERB_HELP] = "HELP", [RP_SMTP_VERB_UNKNOWN] = "*",
};
/* clang-format on */

const struct rp_config_key *rp_config_key_get(size_t index)
{
    return index < COUNT(keys) ? &keys[index] : NULL;
}

const struct rp_config_key *rp_config_key_find(const char *name)
{
    for (size_t i = 0; i < COUNT(keys); i++) {
        if (strcmp(keys[i].name, name) == 0) {
            return &keys[i];
        }
    }
    return NULL;
}

bool rp_config_key_is_group(const char *group)
{
    size_t len = strlen(group);
    for (size_t i = 0; i < COUNT(keys); i++) {
        if (strncmp(keys[i].name, group, len) == 0 && keys[i].name[len] == '.') {
            return true;
        }
    }
    return false;
}

/* Levenshtein's distance, a row at a time; both texts are shorter than NAME_MAX_LEN. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[NAME_MAX_LEN];
    size_t b_len = strlen(b);
    assert(b_len < NAME_MAX_LEN);
    for (unsigned j = 0; j <= b_len; j++) {
        row[j] = j;
    }
    for (unsigned i = 0; a[i] != '\0'; i++) {
        unsigned corner = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < b_len; j++) {
            unsigned changed = corner + (a[i] != b[j]);
            unsigned shorter = row[j] < row[j + 1] ? row[j] + 1 : row[j + 1] + 1;
            corner = row[j + 1];
            row[j + 1] = changed < shorter ? changed : shorter;
        }
    }
    return row[b_len];
}

const struct rp_config_key *rp_config_key_guess(const char *name)
{
    const struct rp_config_key *nearest = NULL;
    unsigned least = 3; /* a swap of two letters is 2; beyond it is another word */
    if (strlen(name) >= NAME_MAX_LEN) {
        return NULL;
    }
    for (size_t i = 0; i < COUNT(keys); i++) {
        unsigned far = distance(name, keys[i].name);
        /* The word behind the dot alone is what one forgets the group of. */
        const char *dot = strchr(keys[i].name, '.');
        if (dot != NULL && strcmp(dot + 1, name) == 0) {
            far = 0;
        }
        if (far < least) {
            least = far;
            nearest = &keys[i];
        }
    }
    return nearest;
}

/* ---- values ---- */

static void *member_of(const struct rp_config_key *key, struct rp_config *config)
{
    return (char *)config + key->off;
}

static const void *look_at(const struct rp_config_key *key, const struct rp_config *config)
{
    return (const char *)config + key->off;
}

/* Store a number in a member of 32 or 64 bits; false: it is out of the key's range. */
static bool store(const struct rp_config_key *key, struct rp_config *config, uint64_t number)
{
    bool is_auto = key->kind == RP_CONFIG_KIND_AUTO && number == 0;
    if (!is_auto && (number < key->least || number > key->most)) {
        return false;
    }
    assert(key->len == sizeof(uint64_t) ||
           (key->len == sizeof(uint32_t) && key->most <= UINT32_MAX));
    if (key->len == sizeof(uint64_t)) {
        memcpy(member_of(key, config), &number, sizeof(number));
    } else {
        uint32_t small = (uint32_t)number;
        memcpy(member_of(key, config), &small, sizeof(small));
    }
    return true;
}

static uint64_t load(const struct rp_config_key *key, const struct rp_config *config)
{
    uint64_t number = 0;
    uint32_t small = 0;
    assert(key->len == sizeof(number) || key->len == sizeof(small));
    if (key->len == sizeof(number)) {
        memcpy(&number, look_at(key, config), sizeof(number));
        return number;
    }
    memcpy(&small, look_at(key, config), sizeof(small));
    return small;
}

static bool is_printable(unsigned char octet, enum rp_config_kind kind)
{
    if (kind == RP_CONFIG_KIND_PATH) {
        return octet >= 0x20 && octet != 0x7f;
    }
    return octet >= (kind == RP_CONFIG_KIND_WORD ? 0x21 : 0x20) && octet < 0x7f;
}

static enum rp_config_value assign_string(const struct rp_config_key *key,
                                          struct rp_config *config,
                                          const char *text)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++) {
        if (!is_printable((unsigned char)text[i], key->kind)) {
            return RP_CONFIG_VALUE_MALFORMED;
        }
    }
    assert(key->most < key->len);
    if (len < key->least || len > key->most) {
        return RP_CONFIG_VALUE_HUGE;
    }
    memset(member_of(key, config), 0, key->len);
    memcpy(member_of(key, config), text, len);
    return RP_CONFIG_VALUE_GOOD;
}

static enum rp_config_value assign_choice(const struct rp_config_key *key,
                                          struct rp_config *config,
                                          const char *text)
{
    const char *const *choices = kinds[key->kind].choices;
    for (unsigned i = 0; choices[i] != NULL; i++) {
        if (strcmp(choices[i], text) == 0) {
            assert(key->len == sizeof(i)); /* an enumeration without negative values */
            memcpy(member_of(key, config), &i, sizeof(i));
            return RP_CONFIG_VALUE_GOOD;
        }
    }
    return RP_CONFIG_VALUE_MALFORMED;
}

static enum rp_config_value assign_share(const struct rp_config_key *key,
                                         struct rp_config *config,
                                         const char *text)
{
    struct rp_config_share share;
    enum rp_config_value result = rp_config_value_share(text, &share);
    if (result != RP_CONFIG_VALUE_GOOD) {
        return result;
    }
    if (share.octets > key->most) {
        return RP_CONFIG_VALUE_HUGE;
    }
    assert(key->len == sizeof(share));
    memcpy(member_of(key, config), &share, sizeof(share));
    return RP_CONFIG_VALUE_GOOD;
}

static enum rp_config_value assign_bool(const struct rp_config_key *key,
                                        struct rp_config *config,
                                        const char *text)
{
    bool is_true = false;
    enum rp_config_value result = rp_config_value_bool(text, &is_true);
    if (result == RP_CONFIG_VALUE_GOOD) {
        assert(key->len == sizeof(is_true));
        memcpy(member_of(key, config), &is_true, sizeof(is_true));
    }
    return result;
}

static enum rp_config_value assign_number(const struct rp_config_key *key,
                                          struct rp_config *config,
                                          const char *text)
{
    uint64_t number = 0;
    enum rp_config_value result = RP_CONFIG_VALUE_GOOD;
    if (key->kind == RP_CONFIG_KIND_SIZE) {
        result = rp_config_value_size(text, &number);
    } else if (key->kind == RP_CONFIG_KIND_TIME) {
        result = rp_config_value_time(text, &number);
    } else if (key->kind == RP_CONFIG_KIND_NUMBER || strcmp(text, "auto") != 0) {
        result = rp_config_value_number(text, &number);
        if (result == RP_CONFIG_VALUE_GOOD && number < key->least) {
            result = RP_CONFIG_VALUE_HUGE; /* 0 means auto only inside */
        }
    }
    if (result == RP_CONFIG_VALUE_GOOD && !store(key, config, number)) {
        result = RP_CONFIG_VALUE_HUGE;
    }
    return result;
}

static enum rp_config_value assign(const struct rp_config_key *key,
                                   struct rp_config *config,
                                   const char *text)
{
    switch (key->kind) {
    case RP_CONFIG_KIND_NUMBER:
    case RP_CONFIG_KIND_AUTO:
    case RP_CONFIG_KIND_SIZE:
    case RP_CONFIG_KIND_TIME: return assign_number(key, config, text);
    case RP_CONFIG_KIND_SHARE: return assign_share(key, config, text);
    case RP_CONFIG_KIND_BOOL: return assign_bool(key, config, text);
    case RP_CONFIG_KIND_TEXT:
    case RP_CONFIG_KIND_WORD:
    case RP_CONFIG_KIND_PATH: return assign_string(key, config, text);
    case RP_CONFIG_KIND_CALLS:
        if (strcmp(text, "{}") != 0) {
            return RP_CONFIG_VALUE_MALFORMED;
        }
        memset(member_of(key, config), 0, key->len);
        return RP_CONFIG_VALUE_GOOD;
    case RP_CONFIG_KIND_NEWLINE:
    case RP_CONFIG_KIND_SYNC:
    case RP_CONFIG_KIND_IO:
    case RP_CONFIG_KIND_FORMAT:
    case RP_CONFIG_KIND_LEVEL: return assign_choice(key, config, text);
    case RP_CONFIG_KIND_COUNT: break;
    }
    assert(false);
    return RP_CONFIG_VALUE_MALFORMED;
}

int rp_config_key_assign(const struct rp_config_key *key,
                         struct rp_config *config,
                         enum rp_config_given given,
                         const char *text,
                         char *problem,
                         size_t problem_len)
{
    char right[160];
    const char *quote = given == RP_CONFIG_GIVEN_STRING ? "\"" : "";
    const char *what = "is of another type";
    if (given == RP_CONFIG_GIVEN_BARE || (kinds[key->kind].takes & (1u << given)) != 0) {
        switch (assign(key, config, text)) {
        case RP_CONFIG_VALUE_GOOD: return 0;
        case RP_CONFIG_VALUE_MALFORMED: what = "is not of that form"; break;
        case RP_CONFIG_VALUE_HUGE: what = "is out of range"; break;
        }
    }
    rp_config_key_describe(key, right, sizeof(right));
    (void)snprintf(problem, problem_len, "%s%.64s%s %s; right: %s", quote, text, quote, what,
                   right); /* a long value may be cut */
    return -EINVAL;
}

/* ---- texts ---- */

int rp_config_key_verb(const char *name)
{
    for (int i = 0; i < RP_SMTP_VERB_COUNT; i++) {
        if (strcasecmp(verbs[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

const char *rp_config_key_verb_name(enum rp_smtp_verb verb)
{
    assert(verb < RP_SMTP_VERB_COUNT && verbs[verb] != NULL);
    return verbs[verb];
}

/* The range in the unit that people write. Returns false where the kind has none. */
static bool print_range(const struct rp_config_key *key,
                        char *least,
                        char *most,
                        const char **unit_out)
{
    *unit_out = "";
    switch (key->kind) {
    case RP_CONFIG_KIND_NUMBER:
    case RP_CONFIG_KIND_AUTO:
    case RP_CONFIG_KIND_CALLS:
        (void)snprintf(least, RP_CONFIG_VALUE_LEN, "%" PRIu64, key->least); /* fits any number */
        (void)snprintf(most, RP_CONFIG_VALUE_LEN, "%" PRIu64, key->most);
        return true;
    case RP_CONFIG_KIND_TEXT:
    case RP_CONFIG_KIND_WORD:
    case RP_CONFIG_KIND_PATH:
        *unit_out = " octets";
        (void)snprintf(least, RP_CONFIG_VALUE_LEN, "%" PRIu64, key->least);
        (void)snprintf(most, RP_CONFIG_VALUE_LEN, "%" PRIu64, key->most);
        return true;
    case RP_CONFIG_KIND_SIZE:
    case RP_CONFIG_KIND_SHARE:
        rp_config_value_print_size(key->least, least);
        rp_config_value_print_size(key->most, most);
        return true;
    case RP_CONFIG_KIND_TIME:
        rp_config_value_print_time(key->least, least);
        rp_config_value_print_time(key->most, most);
        return true;
    case RP_CONFIG_KIND_BOOL:
    case RP_CONFIG_KIND_NEWLINE:
    case RP_CONFIG_KIND_SYNC:
    case RP_CONFIG_KIND_IO:
    case RP_CONFIG_KIND_FORMAT:
    case RP_CONFIG_KIND_LEVEL:
    case RP_CONFIG_KIND_COUNT: break;
    }
    return false;
}

void rp_config_key_describe(const struct rp_config_key *key, char *text, size_t text_len)
{
    char least[RP_CONFIG_VALUE_LEN];
    char most[RP_CONFIG_VALUE_LEN];
    const char *unit = NULL;
    const struct kind *kind = &kinds[key->kind];
    if (kind->right == NULL) {
        size_t used = 0;
        for (unsigned i = 0; kind->choices[i] != NULL && used < text_len; i++) {
            int len = snprintf(text + used, text_len - used, "%s\"%s\"", i == 0 ? "" : " or ",
                               kind->choices[i]);
            assert(len > 0);
            used += (size_t)len;
        }
    } else if (print_range(key, least, most, &unit)) {
        (void)snprintf(text, text_len, "%s, %s to %s%s", kind->right, least, most, unit);
    } else {
        (void)snprintf(text, text_len, "%s", kind->right);
    }
}

void rp_config_key_print_string(const char *string, FILE *stream)
{
    (void)fputc('"', stream); /* errors stay in the stream: rp_config_print */
    for (const char *at = string; *at != '\0'; at++) {
        unsigned char octet = (unsigned char)*at;
        if (octet == '"' || octet == '\\') {
            (void)fprintf(stream, "\\%c", octet);
        } else if (octet < 0x20 || octet == 0x7f) {
            (void)fprintf(stream, "\\x%02x", octet);
        } else {
            (void)fputc(octet, stream);
        }
    }
    (void)fputc('"', stream);
}

/* A limit that most verbs have is told as "*", and each of the others by name. */
static void print_calls(const uint32_t *calls, FILE *stream)
{
    uint32_t rest = calls[RP_SMTP_VERB_UNKNOWN];
    (void)fputs("{", stream);
    for (unsigned i = 0; i < RP_SMTP_VERB_UNKNOWN; i++) {
        if (calls[i] != rest) {
            (void)fprintf(stream, " %s = %" PRIu32 ";", verbs[i], calls[i]);
        }
    }
    if (rest != 0) {
        (void)fprintf(stream, " * = %" PRIu32 ";", rest);
    }
    (void)fputs(" }", stream);
}

/* A plain number as such; what has a unit, or is beyond what every libconfig reads, quoted. */
static void print_amount(const char *text, FILE *stream)
{
    uint64_t number = 0;
    bool is_plain =
        rp_config_value_number(text, &number) == RP_CONFIG_VALUE_GOOD && number <= INT32_MAX;
    (void)fprintf(stream, is_plain ? "%s" : "\"%s\"", text);
}

static unsigned choice_of(const struct rp_config_key *key, const struct rp_config *config)
{
    unsigned choice = 0;
    assert(key->len == sizeof(choice));
    memcpy(&choice, look_at(key, config), sizeof(choice));
    return choice;
}

void rp_config_key_print(const struct rp_config_key *key,
                         const struct rp_config *config,
                         FILE *stream)
{
    char text[RP_CONFIG_VALUE_LEN];
    switch (key->kind) {
    case RP_CONFIG_KIND_NUMBER: (void)fprintf(stream, "%" PRIu64, load(key, config)); break;
    case RP_CONFIG_KIND_AUTO:
        if (load(key, config) == 0) {
            (void)fputs("\"auto\"", stream);
        } else {
            (void)fprintf(stream, "%" PRIu64, load(key, config));
        }
        break;
    case RP_CONFIG_KIND_SIZE:
        rp_config_value_print_size(load(key, config), text);
        print_amount(text, stream);
        break;
    case RP_CONFIG_KIND_TIME:
        rp_config_value_print_time(load(key, config), text);
        print_amount(text, stream);
        break;
    case RP_CONFIG_KIND_SHARE:
        rp_config_value_print_share(look_at(key, config), text);
        print_amount(text, stream);
        break;
    case RP_CONFIG_KIND_BOOL: {
        bool is_true = false;
        memcpy(&is_true, look_at(key, config), sizeof(is_true));
        (void)fputs(is_true ? "true" : "false", stream);
        break;
    }
    case RP_CONFIG_KIND_TEXT:
    case RP_CONFIG_KIND_WORD:
    case RP_CONFIG_KIND_PATH: rp_config_key_print_string(look_at(key, config), stream); break;
    case RP_CONFIG_KIND_CALLS: print_calls(look_at(key, config), stream); break;
    case RP_CONFIG_KIND_NEWLINE:
    case RP_CONFIG_KIND_SYNC:
    case RP_CONFIG_KIND_IO:
    case RP_CONFIG_KIND_FORMAT:
    case RP_CONFIG_KIND_LEVEL:
        rp_config_key_print_string(kinds[key->kind].choices[choice_of(key, config)], stream);
        break;
    case RP_CONFIG_KIND_COUNT: assert(false); break;
    }
}
