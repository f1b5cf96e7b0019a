/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * listing.h - a message as one line: id, time, size, sender, recipients.
 *
 * Columns have fixed widths: a line goes out before the next message is looked at.
 */
#ifndef TOOLS_LISTING_H
#define TOOLS_LISTING_H

#include "json.h"
#include "output.h"
#include "spool/rp_spool_reader.h"

/* The names of the columns. */
void rp_listing_put_head(struct rp_output *output);

/* A NULL view is a damaged message. 0 or -ENOMEM. */
int rp_listing_put(struct rp_output *output,
                   const struct rp_spool_entry *entry,
                   const struct rp_spool_message_view *view,
                   bool is_json) __attribute__((warn_unused_result));

/*
 * The members "id", "time", "size", "sender" and "recipients". Where an address is no
 * UTF-8 they are "sender_base64" and "recipients_base64" (all of them then).
 */
void rp_listing_set_json(struct rp_json *json,
                         const struct rp_spool_entry *entry,
                         const struct rp_spool_message_view *view);

/* The first item of a tag. Its value is the view's. */
bool rp_listing_find(const struct rp_spool_message_view *view,
                     enum rp_spool_tag tag,
                     struct rp_spool_item *item_out);

#endif
