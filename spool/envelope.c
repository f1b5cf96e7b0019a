/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * envelope.c - the row of items between a record's header and its body.
 */
#include "envelope.h"

#include <string.h>

/* An item's first octets: little-endian and without padding, as everything here. */
struct item_header {
    uint16_t tag;
    uint16_t flags;
    uint32_t len;
};
static_assert(sizeof(struct item_header) == RP_SPOOL_ITEM_HEADER, "an item's header is 8 octets");

bool rp_envelope_next(const uint8_t *envelope,
                      size_t len,
                      size_t *position,
                      struct rp_spool_item *item_out)
{
    struct item_header header;
    if (*position > len || len - *position < sizeof header) {
        return false;
    }
    memcpy(&header, envelope + *position, sizeof header);
    if (header.len > len - *position - sizeof header) {
        return false;
    }
    *item_out = (struct rp_spool_item){
        .tag = header.tag,
        .value = envelope + *position + sizeof header,
        .len = header.len,
    };
    *position += sizeof header + header.len;
    return true;
}

uint64_t rp_envelope_big_id(const uint8_t *envelope, size_t len)
{
    size_t position = 0;
    struct rp_spool_item item;
    while (rp_envelope_next(envelope, len, &position, &item)) {
        uint64_t big_id;
        if (item.tag == RP_SPOOL_TAG_BIG_ID) {
            if (item.len != sizeof big_id) {
                return 0;
            }
            memcpy(&big_id, item.value, sizeof big_id);
            return big_id;
        }
    }
    return 0;
}
