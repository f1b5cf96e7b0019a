/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * items.c - the items of an envelope by name.
 */
#include "items.h"

#include "text.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define NAME_COLUMNS 18 /* the longest name, and two blanks */

/* clang-format off */
static const struct rp_items_row rows[] = {
    {RP_SPOOL_TAG_CLIENT_ADDR,      RP_ITEMS_TEXT,      "client"},
    {RP_SPOOL_TAG_CLIENT_PORT,      RP_ITEMS_NUMBER,    "client_port"},
    {RP_SPOOL_TAG_LISTENER,         RP_ITEMS_TEXT,      "listener"},
    {RP_SPOOL_TAG_HELO,             RP_ITEMS_TEXT,      "helo"},
    {RP_SPOOL_TAG_PROTOCOL,         RP_ITEMS_TEXT,      "protocol"},
    {RP_SPOOL_TAG_SENDER,           RP_ITEMS_PATH,      "sender"},
    {RP_SPOOL_TAG_SENDER_PARAMS,    RP_ITEMS_TEXT,      "sender_params"},
    {RP_SPOOL_TAG_RECIPIENT,        RP_ITEMS_PATH,      "recipient"},
    {RP_SPOOL_TAG_RECIPIENT_PARAMS, RP_ITEMS_TEXT,      "recipient_params"},
    {RP_SPOOL_TAG_BODY_TYPE,        RP_ITEMS_BODY_TYPE, "body_type"},
    {RP_SPOOL_TAG_SMTPUTF8,         RP_ITEMS_FLAG,      "smtputf8"},
    {RP_SPOOL_TAG_ARRIVAL_NS,       RP_ITEMS_TIME,      "arrival"},
    {RP_SPOOL_TAG_BIG_ID,           RP_ITEMS_BIG_ID,    "big_id"},
    {RP_SPOOL_TAG_TLS_VERSION,      RP_ITEMS_TEXT,      "tls_version"},
    {RP_SPOOL_TAG_TLS_CIPHER,       RP_ITEMS_TEXT,      "tls_cipher"},
    {RP_SPOOL_TAG_AUTH_IDENTITY,    RP_ITEMS_TEXT,      "auth_identity"},
};
/* clang-format on */

static const char *const body_types[] = {"7BIT", "8BITMIME", "BINARYMIME"};
#define BODY_TYPE_COUNT (sizeof(body_types) / sizeof(body_types[0]))

static bool has_length(enum rp_items_kind kind, const struct rp_spool_item *item)
{
    switch (kind) {
    case RP_ITEMS_TEXT:
    case RP_ITEMS_PATH: return true;
    case RP_ITEMS_FLAG: return item->len == 0;
    case RP_ITEMS_NUMBER: return item->len == 2;
    case RP_ITEMS_BODY_TYPE: return item->len == 1 && item->value[0] < BODY_TYPE_COUNT;
    case RP_ITEMS_TIME:
    case RP_ITEMS_BIG_ID: return item->len == 8;
    }
    assert(kind <= RP_ITEMS_BIG_ID); /* each has its case above */
    return false;
}

const struct rp_items_row *rp_items_find(const struct rp_spool_item *item)
{
    for (size_t index = 0; index < sizeof(rows) / sizeof(rows[0]); index++) {
        if ((unsigned)rows[index].tag == item->tag) {
            return has_length(rows[index].kind, item) ? &rows[index] : NULL;
        }
    }
    return NULL;
}

/* Little-endian, of any length up to 8. */
static uint64_t number(const struct rp_spool_item *item)
{
    uint64_t value = 0;
    for (uint32_t index = item->len; index > 0; index--) {
        value = value << 8 | item->value[index - 1];
    }
    return value;
}

static void put_value(struct rp_output *output,
                      enum rp_items_kind kind,
                      const struct rp_spool_item *item)
{
    char time[RP_TEXT_TIME_LEN + 1];
    switch (kind) {
    case RP_ITEMS_TEXT: rp_output_escaped(output, item->value, item->len); return;
    case RP_ITEMS_PATH:
        if (item->len == 0) {
            rp_output_text(output, "<>");
        }
        rp_output_escaped(output, item->value, item->len);
        return;
    case RP_ITEMS_FLAG: rp_output_text(output, "yes"); return;
    case RP_ITEMS_NUMBER: rp_output_text(output, "%u", (unsigned)number(item)); return;
    case RP_ITEMS_BODY_TYPE: rp_output_text(output, "%s", body_types[item->value[0]]); return;
    case RP_ITEMS_TIME:
        rp_text_time(number(item), time);
        rp_output_text(output, "%s", time);
        return;
    case RP_ITEMS_BIG_ID:
        rp_output_text(output, "%016llx", (unsigned long long)number(item));
        return;
    }
}

void rp_items_put(struct rp_output *output, const struct rp_spool_item *item)
{
    const struct rp_items_row *row = rp_items_find(item);
    if (item->tag == RP_SPOOL_TAG_FILLER) {
        return;
    }
    if (row != NULL) {
        rp_output_text(output, "%-*s", NAME_COLUMNS, row->name);
        put_value(output, row->kind, item);
    } else {
        char name[16];
        (void)snprintf(name, sizeof(name), "tag-%u", (unsigned)item->tag);
        rp_output_text(output, "%-*s", NAME_COLUMNS, name);
        rp_output_hex(output, item->value, item->len);
    }
    rp_output_text(output, "\n");
}

static json_t *hex_string(const struct rp_spool_item *item)
{
    static const char digits[] = "0123456789abcdef";
    json_t *string = NULL;
    size_t len = (size_t)item->len * 2;
    char *text = malloc(len + 1);
    if (text != NULL) {
        for (uint32_t index = 0; index < item->len; index++) {
            text[2 * (size_t)index] = digits[item->value[index] >> 4];
            text[2 * (size_t)index + 1] = digits[item->value[index] & 15];
        }
        string = json_stringn(text, len);
        free(text);
    }
    return string;
}

/* Append to the array of this name, which begins when it is first needed. */
static void append(struct rp_json *json, const char *name, json_t *value)
{
    json_t *array = json_object_get(json->object, name);
    if (array == NULL) {
        array = json_array();
        rp_json_set(json, name, array);
    }
    if (json_array_append_new(array, value) != 0) {
        json->has_failed = true;
    }
}

static void set_unknown(struct rp_json *json, const struct rp_spool_item *item)
{
    char name[16];
    (void)snprintf(name, sizeof(name), "tag-%u", (unsigned)item->tag);
    append(json, name, hex_string(item));
}

static void set_value(struct rp_json *json,
                      const struct rp_items_row *row,
                      const struct rp_spool_item *item)
{
    char text[17];
    switch (row->kind) {
    case RP_ITEMS_TEXT:
    case RP_ITEMS_PATH: rp_json_set_octets(json, row->name, item->value, item->len); return;
    case RP_ITEMS_FLAG: rp_json_set(json, row->name, json_true()); return;
    case RP_ITEMS_NUMBER: rp_json_set_number(json, row->name, number(item)); return;
    case RP_ITEMS_BODY_TYPE: rp_json_set_text(json, row->name, body_types[item->value[0]]); return;
    case RP_ITEMS_TIME: rp_json_set_time(json, row->name, number(item)); return;
    case RP_ITEMS_BIG_ID:
        (void)snprintf(text, sizeof(text), "%016llx", (unsigned long long)number(item));
        rp_json_set_text(json, row->name, text);
        return;
    }
}

/* The parameters of a recipient follow its item at once. */
static void append_recipient(struct rp_json *json,
                             const struct rp_spool_item *item,
                             const struct rp_spool_item *params)
{
    struct rp_json recipient;
    rp_json_open(&recipient);
    rp_json_set_octets(&recipient, "address", item->value, item->len);
    if (params != NULL) {
        rp_json_set_octets(&recipient, "params", params->value, params->len);
    }
    append(json, "recipients", rp_json_take(&recipient));
}

void rp_items_set_json(struct rp_json *json, const struct rp_spool_message_view *view)
{
    size_t position = 0;
    struct rp_spool_item item;
    bool is_item = rp_spool_view_item(view, &position, &item);
    while (is_item) {
        struct rp_spool_item next;
        bool is_next = rp_spool_view_item(view, &position, &next);
        const struct rp_items_row *row = rp_items_find(&item);
        if (item.tag == RP_SPOOL_TAG_FILLER) {
            /* it says nothing */
        } else if (row == NULL) {
            set_unknown(json, &item);
        } else if (row->tag == RP_SPOOL_TAG_RECIPIENT) {
            bool has_params = is_next && next.tag == RP_SPOOL_TAG_RECIPIENT_PARAMS;
            append_recipient(json, &item, has_params ? &next : NULL);
            if (has_params) {
                is_next = rp_spool_view_item(view, &position, &next);
            }
        } else {
            set_value(json, row, &item);
        }
        item = next;
        is_item = is_next;
    }
}
