/* SPDX-License-Identifier: GPL-3.0-or-later */
/* message.c - see message.h. */
#include "message.h"

#include "limits.h"

#include <errno.h>
#include <string.h>

int rp_message_store_open(struct rp_message_store *store,
                          uint64_t buffer_octets,
                          uint32_t message_count,
                          uint32_t reply_blocks,
                          struct rp_stats *stats)
{
    uint64_t part = buffer_octets / RP_ENVELOPE_PART / RP_BLOCK_SIZE;
    uint32_t shared = RP_ENVELOPE_MIN;
    if (part > shared) {
        shared = part < RP_NONE / 4 ? (uint32_t)part : RP_NONE / 4;
    }
    *store = (struct rp_message_store){.compact = RP_NONE, .stats = stats};
    rp_owners_init(&store->owners, shared);
    int err = rp_bufpool_open(&store->buffers, buffer_octets);
    if (err == 0) {
        uint64_t slices = (uint64_t)store->buffers.pool.count * RP_SLICES_PER_BUFFER;
        err = rp_pool_open(&store->slices, sizeof(struct rp_slice),
                           slices < RP_NONE ? (uint32_t)slices : RP_NONE - 1);
    }
    if (err == 0) {
        err = rp_pool_open(&store->blocks, RP_BLOCK_SIZE,
                           reply_blocks + RP_MESSAGE_BLOCKS_OWN * message_count + shared);
    }
    if (err == 0) {
        err = rp_pool_open(&store->messages, sizeof(struct rp_message), message_count);
    }
    if (err == 0) {
        err = rp_pool_open(&store->hashes, sizeof(struct rp_spool_hash), message_count);
    }
    if (err < 0) {
        rp_message_store_close(store);
    }
    return err;
}

void rp_message_store_close(struct rp_message_store *store)
{
    rp_bufpool_close(&store->buffers);
    rp_pool_close(&store->slices);
    rp_pool_close(&store->blocks);
    rp_pool_close(&store->messages);
    rp_pool_close(&store->hashes);
}

uint32_t rp_block_take(struct rp_message_store *store)
{
    uint32_t index = rp_pool_take(&store->blocks);
    if (index != RP_NONE) {
        struct rp_block *block = rp_block_at(store, index);
        block->next = RP_NONE;
        block->start = block->end = 0;
        block->is_waiting = false;
    }
    return index;
}

/* Of so many blocks of an envelope those that are not its own. */
static uint32_t count_shared(uint32_t block_count)
{
    return block_count > RP_MESSAGE_BLOCKS_OWN ? block_count - RP_MESSAGE_BLOCKS_OWN : 0;
}

bool rp_message_has_room(const struct rp_message_store *store,
                         const struct rp_message *message,
                         size_t len)
{
    size_t room = RP_BLOCK_DATA_LEN - rp_block_at(store, message->last_block)->end;
    if (len <= room) {
        return true;
    }
    size_t more = (len - room + RP_BLOCK_DATA_LEN - 1) / RP_BLOCK_DATA_LEN;
    if (message->block_count + more > RP_MESSAGE_BLOCKS_MAX) {
        return false;
    }
    uint32_t shared =
        count_shared(message->block_count + (uint32_t)more) - count_shared(message->block_count);
    return shared == 0 || rp_owners_may_take(&store->owners, message->owner, shared);
}

/* The next block of an envelope. There is always one where its owner may have it. */
static uint32_t take_envelope_block(struct rp_message_store *store, struct rp_message *message)
{
    uint32_t shared = count_shared(message->block_count + 1) - count_shared(message->block_count);
    if (shared > 0 && !rp_owners_may_take(&store->owners, message->owner, shared)) {
        return RP_NONE;
    }
    uint32_t index = rp_block_take(store);
    if (index != RP_NONE) {
        rp_owners_take(&store->owners, message->owner, shared);
        message->block_count++;
    }
    return index;
}

uint32_t rp_message_take(struct rp_message_store *store, uint32_t conn, uint32_t conn_generation)
{
    uint32_t index = rp_pool_take(&store->messages);
    if (index == RP_NONE) {
        return RP_NONE;
    }
    uint32_t block_index = rp_block_take(store);
    if (block_index == RP_NONE) {
        rp_pool_give(&store->messages, index);
        return RP_NONE;
    }
    rp_block_at(store, block_index)->end = sizeof(struct rp_spool_record);
    *rp_message_at(store, index) = (struct rp_message){
        .next = RP_NONE,
        .conn = conn,
        .conn_generation = conn_generation,
        .out_block = RP_NONE,
        .big = RP_NONE,
        .hash = RP_NONE,
        .first_block = block_index,
        .last_block = block_index,
        .block_count = 1,
        .slices = RP_SLICES_EMPTY,
    };
    return index;
}

void rp_slices_drop(struct rp_message_store *store, struct rp_slices *slices)
{
    while (slices->first != RP_NONE) {
        uint32_t index = slices->first;
        struct rp_slice *slice = rp_slice_at(store, index);
        slices->first = slice->next;
        rp_bufpool_release(&store->buffers, slice->buffer);
        rp_pool_give(&store->slices, index);
    }
    *slices = RP_SLICES_EMPTY;
}

void rp_slices_take(struct rp_message_store *store,
                    struct rp_slices *slices,
                    uint32_t max,
                    struct rp_slices *to)
{
    assert(to->first == RP_NONE && max > 0);
    while (slices->first != RP_NONE && to->count < max) {
        uint32_t index = slices->first;
        struct rp_slice *slice = rp_slice_at(store, index);
        if (to->first == RP_NONE) {
            to->first = index;
        }
        to->last = index;
        to->count++;
        to->len += slice->len;
        slices->first = slice->next;
        slices->count--;
        slices->len -= slice->len;
    }
    if (to->last != RP_NONE) {
        rp_slice_at(store, to->last)->next = RP_NONE;
    }
    if (slices->first == RP_NONE) {
        *slices = RP_SLICES_EMPTY;
    }
}

/* Take the first octets of a list, `room` at most, to `place`; answers how many. */
static uint32_t take_octets(struct rp_message_store *store,
                            struct rp_slices *slices,
                            uint8_t *place,
                            uint32_t room)
{
    uint32_t index = slices->first;
    struct rp_slice *slice = rp_slice_at(store, index);
    uint32_t part = slice->len < room ? slice->len : room;
    memcpy(place, rp_bufpool_ptr(&store->buffers, slice->buffer) + slice->off, part);
    slice->off += part;
    slice->len -= part;
    slices->len -= part;
    if (slice->len == 0) {
        slices->first = slice->next;
        slices->count--;
        rp_bufpool_release(&store->buffers, slice->buffer);
        rp_pool_give(&store->slices, index);
        if (slices->first == RP_NONE) {
            *slices = RP_SLICES_EMPTY;
        }
    }
    return part;
}

bool rp_slices_take_aligned(struct rp_message_store *store,
                            struct rp_slices *slices,
                            uint64_t len,
                            struct rp_slices *to)
{
    assert(to->first == RP_NONE && len > 0 && len <= slices->len);
    uint64_t count = (len + RP_BUFFER_SIZE - 1) / RP_BUFFER_SIZE;
    if (rp_pool_free_count(&store->buffers.pool) < count ||
        rp_pool_free_count(&store->slices) < count) {
        return false;
    }
    rp_stats_add(&store->stats->body_bytes_copied, len);
    while (len > 0) {
        uint32_t index = rp_pool_take(&store->slices);
        uint32_t buffer = rp_bufpool_take(&store->buffers);
        uint32_t room = len < RP_BUFFER_SIZE ? (uint32_t)len : RP_BUFFER_SIZE;
        uint8_t *place = rp_bufpool_ptr(&store->buffers, buffer);
        for (uint32_t filled = 0; filled < room;) {
            filled += take_octets(store, slices, place + filled, room - filled);
        }
        *rp_slice_at(store, index) =
            (struct rp_slice){.buffer = buffer, .len = room, .next = RP_NONE};
        if (to->last == RP_NONE) {
            to->first = index;
        } else {
            rp_slice_at(store, to->last)->next = index;
        }
        to->last = index;
        to->count++;
        to->len += room;
        len -= room;
    }
    return true;
}

void rp_message_drop(struct rp_message_store *store, uint32_t index)
{
    struct rp_message *message = rp_message_at(store, index);
    assert(message->big == RP_NONE);
    rp_slices_drop(store, &message->slices);
    if (message->hash != RP_NONE) {
        rp_pool_give(&store->hashes, message->hash);
    }
    rp_owners_give(&store->owners, message->owner, count_shared(message->block_count));
    while (message->first_block != RP_NONE) {
        uint32_t block = message->first_block;
        message->first_block = rp_block_at(store, block)->next;
        rp_pool_give(&store->blocks, block);
    }
    rp_pool_give(&store->messages, index);
}

/* ---- the envelope ---- */

static bool put_octets(struct rp_message_store *store,
                       struct rp_message *message,
                       const uint8_t *ptr,
                       size_t len)
{
    struct rp_block *block = rp_block_at(store, message->last_block);
    while (len > 0) {
        size_t room = RP_BLOCK_DATA_LEN - block->end;
        if (room == 0) {
            uint32_t index = take_envelope_block(store, message);
            if (index == RP_NONE) {
                return false;
            }
            block->next = index;
            message->last_block = index;
            block = rp_block_at(store, index);
            room = RP_BLOCK_DATA_LEN;
        }
        size_t part = len < room ? len : room;
        memcpy(block->data + block->end, ptr, part);
        block->end = (uint16_t)(block->end + part);
        ptr += part;
        len -= part;
    }
    return true;
}

bool rp_message_put_item(struct rp_message_store *store,
                         struct rp_message *message,
                         enum rp_spool_tag tag,
                         const void *value,
                         size_t len)
{
    struct rp_block *block = rp_block_at(store, message->last_block);
    if (RP_BLOCK_DATA_LEN - block->end >= rp_spool_item_len(len)) {
        uint8_t *end = rp_spool_item_put(block->data + block->end, tag, value, len);
        block->end = (uint16_t)(end - block->data);
        return true;
    }
    uint8_t header[RP_SPOOL_ITEM_HEADER];
    (void)rp_spool_item_put(header, tag, NULL, 0);
    uint32_t value_len = (uint32_t)len;
    memcpy(header + 4, &value_len, sizeof(value_len)); /* FORMAT.md: length at 4, little-endian */
    return put_octets(store, message, header, sizeof(header)) &&
           put_octets(store, message, value, len);
}

/* ---- the body ---- */

void rp_message_hash(struct rp_message_store *store,
                     struct rp_message *message,
                     const uint8_t *ptr,
                     size_t len)
{
    if (message->hash == RP_NONE) {
        message->hash = rp_pool_take(&store->hashes);
        assert(message->hash != RP_NONE); /* there is one for each message */
        rp_spool_hash_init(rp_pool_at(&store->hashes, message->hash));
    }
    rp_spool_hash_add(rp_pool_at(&store->hashes, message->hash), ptr, len);
}

void rp_message_end_hash(struct rp_message_store *store, struct rp_message *message)
{
    if (message->hash == RP_NONE) {
        rp_message_hash(store, message, NULL, 0);
    }
    const struct rp_spool_hash *hash = rp_pool_at(&store->hashes, message->hash);
    message->body_hash = rp_spool_hash_get(hash);
    message->has_zeros = rp_spool_hash_has_zeros(hash);
    rp_pool_give(&store->hashes, message->hash);
    message->hash = RP_NONE;
}

static bool add_slice(struct rp_message_store *store,
                      struct rp_message *message,
                      uint32_t buffer,
                      size_t off,
                      size_t len)
{
    uint32_t index = rp_pool_take(&store->slices);
    if (index == RP_NONE) {
        return false;
    }
    *rp_slice_at(store, index) = (struct rp_slice){
        .buffer = buffer, .off = (uint32_t)off, .len = (uint32_t)len, .next = RP_NONE};
    rp_bufpool_hold(&store->buffers, buffer);
    struct rp_slices *slices = &message->slices;
    if (slices->last == RP_NONE) {
        slices->first = index;
    } else {
        rp_slice_at(store, slices->last)->next = index;
    }
    slices->last = index;
    slices->count++;
    slices->len += len;
    message->body_len += len;
    return true;
}

static void grow_last(struct rp_message *message, struct rp_slice *last, size_t len)
{
    last->len += (uint32_t)len;
    message->slices.len += len;
    message->body_len += len;
}

/* The last slice, if it may still grow. */
static struct rp_slice *last_slice(struct rp_message_store *store, struct rp_message *message)
{
    uint32_t index = message->slices.last;
    return index == RP_NONE ? NULL : rp_slice_at(store, index);
}

/* It ends where the next copy will begin. */
static bool ends_compact(const struct rp_message_store *store, const struct rp_slice *slice)
{
    return slice != NULL && slice->buffer == store->compact &&
           slice->off + slice->len == store->compact_len;
}

static void count_copied(struct rp_message_store *store, size_t len)
{
    rp_stats_add(&store->stats->body_bytes_copied, len);
}

/* Copy as much as there is memory for; answers how much that was. */
static size_t copy_some(struct rp_message_store *store,
                        struct rp_message *message,
                        const uint8_t *ptr,
                        size_t len)
{
    size_t copied = 0;
    while (copied < len) {
        if (store->compact != RP_NONE && store->compact_len == RP_BUFFER_SIZE) {
            rp_bufpool_release(&store->buffers, store->compact);
            store->compact = RP_NONE;
        }
        if (store->compact == RP_NONE) {
            store->compact = rp_bufpool_take(&store->buffers);
            store->compact_len = 0;
            if (store->compact == RP_NONE) {
                break;
            }
        }
        size_t room = RP_BUFFER_SIZE - store->compact_len;
        size_t part = len - copied < room ? len - copied : room;
        struct rp_slice *last = last_slice(store, message);
        if (ends_compact(store, last)) {
            grow_last(message, last, part);
        } else if (!add_slice(store, message, store->compact, store->compact_len, part)) {
            break;
        }
        memcpy(rp_bufpool_ptr(&store->buffers, store->compact) + store->compact_len, ptr + copied,
               part);
        count_copied(store, part);
        store->compact_len += (uint32_t)part;
        copied += part;
    }
    return copied;
}

bool rp_message_append_copy(struct rp_message_store *store,
                            struct rp_message *message,
                            const uint8_t *ptr,
                            size_t len)
{
    return copy_some(store, message, ptr, len) == len;
}

bool rp_message_append_slice(struct rp_message_store *store,
                             struct rp_message *message,
                             uint32_t buffer,
                             const uint8_t *ptr,
                             size_t len)
{
    uint8_t *start = rp_bufpool_ptr(&store->buffers, buffer);
    size_t off = (size_t)(ptr - start);
    assert(off + len <= RP_BUFFER_SIZE);
    struct rp_slice *last = last_slice(store, message);
    if (last != NULL && last->buffer == buffer) {
        /* What stood between the two was a dot (or a held-back CR). */
        size_t end = last->off + last->len;
        if (end != off && len < RP_SLICE_MOVE_MAX) {
            memmove(start + end, ptr, len);
            count_copied(store, len);
            off = end;
        }
        if (end == off) {
            grow_last(message, last, len);
            return true;
        }
    }
    /* A short piece goes behind one that was copied before it (else a body of bare LFs takes two
     * slices for each); and where memory is short, no slice may hold a buffer it hardly uses. */
    bool is_behind_copy = ends_compact(store, last) && len < RP_SLICE_MOVE_MAX;
    bool is_wasteful = len < RP_BUFFER_SIZE / 4 && rp_bufpool_is_short(&store->buffers);
    size_t copied = is_behind_copy || is_wasteful ? copy_some(store, message, ptr, len) : 0;
    return copied == len || add_slice(store, message, buffer, off + copied, len - copied);
}

/* Bring what there is of the body together. False: there are not enough buffers. */
static bool begin_gathering(struct rp_message_store *store, struct rp_message *message)
{
    struct rp_slices gathered = RP_SLICES_EMPTY;
    struct rp_slices *slices = &message->slices;
    if (slices->len > 0 && !rp_slices_take_aligned(store, slices, slices->len, &gathered)) {
        return false;
    }
    *slices = gathered;
    return true;
}

/* The last slice, with room; NULL: no buffer, or no slice, is left. */
static struct rp_slice *make_room(struct rp_message_store *store, struct rp_message *message)
{
    struct rp_slice *last = last_slice(store, message);
    if (last != NULL && last->off + last->len < RP_BUFFER_SIZE) {
        return last;
    }
    uint32_t buffer = rp_bufpool_take(&store->buffers);
    if (buffer == RP_NONE) {
        return NULL;
    }
    bool ok = add_slice(store, message, buffer, 0, 0);
    rp_bufpool_release(&store->buffers, buffer); /* the slice holds it, where there is one */
    return ok ? last_slice(store, message) : NULL;
}

bool rp_message_append_gathered(struct rp_message_store *store,
                                struct rp_message *message,
                                uint32_t buffer,
                                const uint8_t *ptr,
                                size_t len)
{
    if (!message->is_gathered && !message->is_scattered) {
        message->is_scattered = !begin_gathering(store, message);
    }
    while (!message->is_scattered && len > 0) {
        struct rp_slice *last = make_room(store, message);
        if (last == NULL) {
            message->is_scattered = true;
            break;
        }
        size_t room = RP_BUFFER_SIZE - last->off - last->len;
        size_t part = len < room ? len : room;
        memcpy(rp_bufpool_ptr(&store->buffers, last->buffer) + last->off + last->len, ptr, part);
        grow_last(message, last, part);
        count_copied(store, part);
        ptr += part;
        len -= part;
    }
    message->is_gathered = !message->is_scattered;
    if (len == 0) {
        return true;
    }
    return buffer != RP_NONE ? rp_message_append_slice(store, message, buffer, ptr, len)
                             : rp_message_append_copy(store, message, ptr, len);
}

/* ---- what is written ---- */

void rp_message_head_iov(const struct rp_message_store *store,
                         const struct rp_message *message,
                         struct iovec *iov)
{
    for (uint32_t i = message->first_block; i != RP_NONE; iov++) {
        struct rp_block *block = rp_block_at(store, i);
        *iov = (struct iovec){.iov_base = block->data, .iov_len = block->end};
        i = block->next;
    }
}

void rp_slices_iov(const struct rp_message_store *store,
                   const struct rp_slices *slices,
                   struct iovec *iov)
{
    for (uint32_t i = slices->first; i != RP_NONE; iov++) {
        const struct rp_slice *slice = rp_slice_at(store, i);
        *iov =
            (struct iovec){.iov_base = rp_bufpool_ptr(&store->buffers, slice->buffer) + slice->off,
                           .iov_len = slice->len};
        i = slice->next;
    }
}
