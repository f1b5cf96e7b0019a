/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * listing.c - a message as one line.
 */
#include "listing.h"

#include "text.h"

#define SIZE_COLUMNS   10 /* 9999999999: octets of what is far beyond any limit in use */
#define SENDER_COLUMNS 30 /* a longer sender moves what is right of it */

void rp_listing_put_head(struct rp_output *output)
{
    rp_output_text(output, "%-*s  %-*s  %*s  %-*s  %s\n", RP_SPOOL_ID_LEN, "ID", RP_TEXT_TIME_LEN,
                   "TIME", SIZE_COLUMNS, "SIZE", SENDER_COLUMNS, "SENDER", "RECIPIENTS");
}

bool rp_listing_find(const struct rp_spool_message_view *view,
                     enum rp_spool_tag tag,
                     struct rp_spool_item *item_out)
{
    size_t position = 0;
    struct rp_spool_item item;
    while (rp_spool_view_item(view, &position, &item)) {
        if (item.tag == (unsigned)tag) {
            *item_out = item;
            return true;
        }
    }
    return false;
}

static void put_address(struct rp_output *output, const struct rp_spool_item *item, size_t columns)
{
    size_t taken = 2;
    if (item->len == 0) {
        rp_output_text(output, "<>");
    } else {
        rp_output_escaped(output, item->value, item->len);
        taken = columns > 0 ? rp_text_columns(item->value, item->len) : 0;
    }
    if (taken < columns) {
        rp_output_text(output, "%*s", (int)(columns - taken), "");
    }
}

static void put_recipients(struct rp_output *output, const struct rp_spool_message_view *view)
{
    const char *separator = "";
    size_t position = 0;
    struct rp_spool_item item;
    while (rp_spool_view_item(view, &position, &item)) {
        if (item.tag == RP_SPOOL_TAG_RECIPIENT) {
            rp_output_text(output, "%s", separator);
            put_address(output, &item, 0);
            separator = ",";
        }
    }
}

static void put_text(struct rp_output *output,
                     const struct rp_spool_entry *entry,
                     const struct rp_spool_message_view *view)
{
    char time[RP_TEXT_TIME_LEN + 1] = "-";
    if (!entry->is_damaged) {
        rp_text_time(entry->time_ns, time);
    }
    rp_output_text(output, "%s  %-*s  ", entry->id.text, RP_TEXT_TIME_LEN, time);
    if (view == NULL) {
        rp_output_text(output, "%*s  (damaged)\n", SIZE_COLUMNS, "-");
        return;
    }
    rp_output_text(output, "%*llu  ", SIZE_COLUMNS, (unsigned long long)entry->body_len);
    struct rp_spool_item sender = {0};
    (void)rp_listing_find(view, RP_SPOOL_TAG_SENDER, &sender); /* none: shown as the null one */
    put_address(output, &sender, SENDER_COLUMNS);
    rp_output_text(output, "  ");
    put_recipients(output, view);
    rp_output_text(output, "\n");
}

static bool are_recipients_utf8(const struct rp_spool_message_view *view)
{
    size_t position = 0;
    struct rp_spool_item item;
    while (rp_spool_view_item(view, &position, &item)) {
        if (item.tag == RP_SPOOL_TAG_RECIPIENT && !rp_text_is_utf8(item.value, item.len)) {
            return false;
        }
    }
    return true;
}

static void set_recipients(struct rp_json *json, const struct rp_spool_message_view *view)
{
    bool is_utf8 = are_recipients_utf8(view);
    json_t *array = json_array();
    size_t position = 0;
    struct rp_spool_item item;
    while (rp_spool_view_item(view, &position, &item)) {
        if (item.tag != RP_SPOOL_TAG_RECIPIENT) {
            continue;
        }
        json_t *address = is_utf8
                              ? json_stringn(item.len > 0 ? (const char *)item.value : "", item.len)
                              : rp_json_base64(item.value, item.len);
        if (json_array_append_new(array, address) != 0) {
            json->has_failed = true;
        }
    }
    rp_json_set(json, is_utf8 ? "recipients" : "recipients_base64", array);
}

void rp_listing_set_json(struct rp_json *json,
                         const struct rp_spool_entry *entry,
                         const struct rp_spool_message_view *view)
{
    rp_json_set_text(json, "id", entry->id.text);
    rp_json_set_time(json, "time", entry->time_ns);
    rp_json_set_number(json, "size", entry->body_len);
    struct rp_spool_item sender = {0};
    (void)rp_listing_find(view, RP_SPOOL_TAG_SENDER, &sender);
    rp_json_set_octets(json, "sender", sender.value, sender.len);
    set_recipients(json, view);
}

int rp_listing_put(struct rp_output *output,
                   const struct rp_spool_entry *entry,
                   const struct rp_spool_message_view *view,
                   bool is_json)
{
    if (!is_json) {
        put_text(output, entry, view);
        return 0;
    }
    struct rp_json json;
    rp_json_open(&json);
    if (view != NULL) {
        rp_listing_set_json(&json, entry, view);
    } else {
        rp_json_set_text(&json, "id", entry->id.text);
        rp_json_set(&json, "damaged", json_true());
    }
    return rp_json_put(&json, output);
}
