/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * json.h - one JSON object a line, its members in the order they are set.
 *
 *     struct rp_json json;
 *     rp_json_open(&json);
 *     rp_json_set_text(&json, "id", entry.id.text);
 *     if (rp_json_put(&json, &output) != 0) { ...out of memory... }
 *
 * Only ASCII is written: other characters are \uNNNN, so that no terminal acts on them.
 * Octets that are no UTF-8 cannot be a JSON string: they become the member NAME_base64
 * instead of NAME. Nothing is lost, and a reader that looks only for NAME sees none
 * rather than an altered one.
 */
#ifndef TOOLS_JSON_H
#define TOOLS_JSON_H

#include "output.h"

#include <jansson.h>
#include <stdbool.h>

struct rp_json {
    json_t *object;  /* owned until put, embed, take or close */
    bool has_failed; /* memory ran out: put and embed will say so */
};

void rp_json_open(struct rp_json *json);

/* Takes over `value`, NULL too (what jansson gives where memory ran out). */
void rp_json_set(struct rp_json *json, const char *name, json_t *value);

void rp_json_set_text(struct rp_json *json, const char *name, const char *text);
void rp_json_set_number(struct rp_json *json, const char *name, uint64_t number);
void rp_json_set_time(struct rp_json *json, const char *name, uint64_t time_ns);
void rp_json_set_octets(struct rp_json *json, const char *name, const uint8_t *ptr, size_t len);

/* A base64 string; NULL where memory ran out. */
json_t *rp_json_base64(const uint8_t *ptr, size_t len);

/* Write the object and a line end; or its members alone, without braces. Either ends it.
 * 0, or -ENOMEM: the line is not whole. Errors of the output are the output's to tell. */
int rp_json_put(struct rp_json *json, struct rp_output *output) __attribute__((warn_unused_result));
int rp_json_embed(struct rp_json *json, struct rp_output *output)
    __attribute__((warn_unused_result));

/* Hand out the object, to become a value elsewhere; NULL where memory ran out. */
json_t *rp_json_take(struct rp_json *json);

#endif
