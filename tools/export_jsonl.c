/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * export_jsonl.c - one JSON object a line: envelope, and the body in base64.
 *
 * The body does not pass through the JSON library, which would hold all of it in
 * memory, twice: its member is written behind the others, piece by piece.
 */
#include "export.h"
#include "json.h"
#include "listing.h"

static enum rp_failure_exit begin(struct rp_export *export)
{
    return rp_target_open(&export->target, export->path);
}

static void set_text_item(struct rp_json *json,
                          const char *name,
                          const struct rp_spool_message_view *view,
                          enum rp_spool_tag tag)
{
    struct rp_spool_item item;
    if (rp_listing_find(view, tag, &item)) {
        rp_json_set_octets(json, name, item.value, item.len);
    }
}

static int put_line(struct rp_export *export,
                    const struct rp_spool_entry *entry,
                    const struct rp_spool_message_view *view)
{
    struct rp_output *output = &export->target.output;
    struct rp_json json;
    rp_json_open(&json);
    rp_listing_set_json(&json, entry, view);
    set_text_item(&json, "client", view, RP_SPOOL_TAG_CLIENT_ADDR);
    set_text_item(&json, "helo", view, RP_SPOOL_TAG_HELO);
    rp_json_set_text(&json, "spool", export->identity);

    rp_output_put(output, "{", 1);
    int error = rp_json_embed(&json, output);
    if (error != 0) {
        return error;
    }
    size_t len = 0;
    const uint8_t *body = rp_spool_view_body(view, &len);
    rp_output_text(output, ",\"body_base64\":\"");
    rp_output_base64(output, body, len);
    rp_output_text(output, "\"}\n");
    return output->error;
}

static enum rp_export_outcome put(struct rp_export *export,
                                  const struct rp_spool_entry *entry,
                                  const struct rp_spool_message_view *view)
{
    int error = put_line(export, entry, view);
    if (error != 0) {
        (void)rp_target_failure(&export->target, error);
        return RP_EXPORT_FAILED;
    }
    return RP_EXPORT_WRITTEN;
}

static enum rp_failure_exit end(struct rp_export *export, bool is_whole)
{
    if (is_whole) {
        return rp_target_commit(&export->target);
    }
    rp_target_abort(&export->target);
    return RP_EXIT_FAILED;
}

const struct rp_export_format rp_export_jsonl = {"jsonl", begin, put, end};
