/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * json.c - one JSON object a line.
 */
#include "json.h"

#include "base64.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

void rp_json_open(struct rp_json *json)
{
    json->object = json_object();
    json->has_failed = json->object == NULL;
}

void rp_json_set(struct rp_json *json, const char *name, json_t *value)
{
    /* json_object_set_new takes NULL for either, says -1 and lets go of the other. */
    if (json_object_set_new(json->object, name, value) != 0) {
        json->has_failed = true;
    }
}

void rp_json_set_text(struct rp_json *json, const char *name, const char *text)
{
    rp_json_set(json, name, json_string(text));
}

/* Counts and sizes; what may use all 64 bits is given as text. */
void rp_json_set_number(struct rp_json *json, const char *name, uint64_t number)
{
    rp_json_set(json, name, json_integer((json_int_t)number));
}

void rp_json_set_time(struct rp_json *json, const char *name, uint64_t time_ns)
{
    char text[RP_TEXT_TIME_LEN + 1];
    rp_text_time(time_ns, text);
    rp_json_set_text(json, name, text);
}

json_t *rp_json_base64(const uint8_t *ptr, size_t len)
{
    size_t text_len = rp_base64_len(len);
    char *text = malloc(text_len + 1);
    if (text == NULL) {
        return NULL;
    }
    rp_base64_encode(ptr, len, text);
    json_t *string = json_stringn(text, text_len);
    free(text);
    return string;
}

void rp_json_set_octets(struct rp_json *json, const char *name, const uint8_t *ptr, size_t len)
{
    if (rp_text_is_utf8(ptr, len)) {
        /* jansson takes no NULL, which an empty value may well be. */
        rp_json_set(json, name, json_stringn(len > 0 ? (const char *)ptr : "", len));
        return;
    }
    char base64_name[64];
    (void)snprintf(base64_name, sizeof(base64_name), "%s_base64", name);
    rp_json_set(json, base64_name, rp_json_base64(ptr, len));
}

static int put_piece(const char *ptr, size_t len, void *output)
{
    rp_output_put(output, ptr, len);
    return 0;
}

static int dump(struct rp_json *json, struct rp_output *output, size_t flags)
{
    bool has_failed =
        json->has_failed || json_dump_callback(json->object, put_piece, output,
                                               JSON_COMPACT | JSON_ENSURE_ASCII | flags) != 0;
    json_decref(json->object);
    *json = (struct rp_json){0};
    return has_failed ? -ENOMEM : 0;
}

int rp_json_put(struct rp_json *json, struct rp_output *output)
{
    int error = dump(json, output, 0);
    if (error == 0) {
        rp_output_put(output, "\n", 1);
    }
    return error;
}

int rp_json_embed(struct rp_json *json, struct rp_output *output)
{
    return dump(json, output, JSON_EMBED);
}

json_t *rp_json_take(struct rp_json *json)
{
    json_t *object = json->object;
    bool has_failed = json->has_failed;
    *json = (struct rp_json){0};
    if (has_failed) {
        json_decref(object);
        return NULL;
    }
    return object;
}
