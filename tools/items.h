/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * items.h - the items of an envelope (enum rp_spool_tag) by name.
 *
 * One table row a tag. An item of a tag without a row, or whose value has not the
 * length that its kind asks for, is shown as tag-N with its octets in hexadecimal.
 */
#ifndef TOOLS_ITEMS_H
#define TOOLS_ITEMS_H

#include "json.h"
#include "output.h"
#include "spool/rp_spool_reader.h"

enum rp_items_kind {
    RP_ITEMS_TEXT,
    RP_ITEMS_PATH,      /* text; where it is empty: the null path, "<>" */
    RP_ITEMS_FLAG,      /* no value: being there says it */
    RP_ITEMS_NUMBER,    /* 16 bits */
    RP_ITEMS_BODY_TYPE, /* 8 bits */
    RP_ITEMS_TIME,      /* 64 bits, nanoseconds since 1970 */
    RP_ITEMS_BIG_ID,    /* 64 bits: shown as its file's name has it */
};

struct rp_items_row {
    enum rp_spool_tag tag;
    enum rp_items_kind kind;
    const char *name;
};

/* NULL: the tag is unknown, or the item is malformed. */
const struct rp_items_row *rp_items_find(const struct rp_spool_item *item);

/* "NAME  VALUE" and a line end; of filler nothing, as below. */
void rp_items_put(struct rp_output *output, const struct rp_spool_item *item);

/*
 * All items of a message as members: "sender", ... ; "recipients", an array of objects with
 * "address" and perhaps "params"; "tag-N", an array of strings in hexadecimal. (In an
 * item that is there twice the later one counts; writers put each once.)
 */
void rp_items_set_json(struct rp_json *json, const struct rp_spool_message_view *view);

#endif
