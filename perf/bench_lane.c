/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_lane.c - a lane of a spool that benchmarks write.
 */
#include "bench_lane.h"

#include "bench_case.h"
#include "bench_mail.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define HEAD_ROOM 512u                          /* a header and the envelope below */
#define TIME_NS   UINT64_C(1767323045678000000) /* any time, and always the same */

static uint8_t *put_text(uint8_t *place, enum rp_spool_tag tag, const char *text)
{
    return rp_spool_item_put(place, tag, text, strlen(text));
}

/* The items that the daemon puts, for one recipient. Returns the octets of the head. */
static size_t fill_head(uint8_t *head)
{
    const uint16_t port = 40123;
    const uint64_t arrival_ns = TIME_NS;
    const uint8_t body_type = 0;
    uint8_t *end = head + sizeof(struct rp_spool_record);
    end = put_text(end, RP_SPOOL_TAG_CLIENT_ADDR, "127.0.0.1");
    end = rp_spool_item_put(end, RP_SPOOL_TAG_CLIENT_PORT, &port, sizeof(port));
    end = put_text(end, RP_SPOOL_TAG_LISTENER, "127.0.0.1:2525");
    end = put_text(end, RP_SPOOL_TAG_HELO, "client.bench.example");
    end = put_text(end, RP_SPOOL_TAG_PROTOCOL, "ESMTP");
    end = rp_spool_item_put(end, RP_SPOOL_TAG_ARRIVAL_NS, &arrival_ns, sizeof(arrival_ns));
    end = rp_spool_item_put(end, RP_SPOOL_TAG_BODY_TYPE, &body_type, sizeof(body_type));
    end = put_text(end, RP_SPOOL_TAG_SENDER, "sender@bench.example");
    end = put_text(end, RP_SPOOL_TAG_RECIPIENT, "r0@sink.example");
    const size_t len = (size_t)(end - head);
    assert(len <= HEAD_ROOM);
    return len;
}

int rp_bench_lane_open(struct rp_bench_lane *lane,
                       size_t body_len,
                       size_t message_max,
                       const uint8_t identity[16],
                       struct rp_spool_doorbell *doorbell)
{
    memset(lane, 0, sizeof(*lane));
    lane->message_max = message_max;
    lane->body_len = body_len;
    lane->heads = rp_bench_case_alloc(message_max * HEAD_ROOM);
    lane->bodies = rp_bench_case_alloc(message_max * body_len);
    if (lane->heads == NULL || lane->bodies == NULL) {
        rp_bench_lane_close(lane);
        return -ENOMEM;
    }
    for (size_t at = 0; at < message_max; at++) {
        uint8_t *body = lane->bodies + at * body_len;
        lane->head_len = fill_head(lane->heads + at * HEAD_ROOM);
        rp_bench_mail_fill(RP_BENCH_MAIL_TEXT, body, body_len);
        memcpy(body, &at, sizeof(at)); /* no two bodies are the same */
    }
    const struct rp_spool_writer_place place = {0};
    rp_spool_writer_init(&lane->writer, identity, &place, doorbell);
    return 0;
}

void rp_bench_lane_close(struct rp_bench_lane *lane)
{
    free(lane->heads);
    free(lane->bodies);
    lane->heads = NULL;
    lane->bodies = NULL;
}

void rp_bench_lane_enter(struct rp_bench_lane *lane,
                         uint64_t segment,
                         uint64_t size,
                         uint8_t *index)
{
    if (lane->writer.segment != 0) {
        (void)rp_spool_writer_close_segment(&lane->writer); /* nobody reads it */
    }
    rp_spool_writer_open_segment(&lane->writer, segment, size, index);
}

static int append(struct rp_bench_lane *lane, size_t at)
{
    const struct iovec head = {
        .iov_base = lane->heads + at * HEAD_ROOM,
        .iov_len = lane->head_len,
    };
    const struct iovec body = {
        .iov_base = lane->bodies + at * lane->body_len,
        .iov_len = lane->body_len,
    };
    struct rp_spool_hash hash; /* the daemon hashes a body as it comes: part of the price */
    rp_spool_hash_init(&hash);
    rp_spool_hash_add(&hash, body.iov_base, body.iov_len);
    const struct rp_spool_message message = {
        .head = &head,
        .head_count = 1,
        .body = &body,
        .body_count = 1,
        .body_len = lane->body_len,
        .time_ns = TIME_NS,
        .body_hash = rp_spool_hash_get(&hash),
        .has_zeros = rp_spool_hash_has_zeros(&hash),
    };
    struct rp_spool_id id;
    return rp_spool_batch_append(&lane->batch, &message, &id);
}

int rp_bench_lane_plan(struct rp_bench_lane *lane, size_t count)
{
    assert(count >= 1 && count <= lane->message_max);
    rp_spool_batch_begin(&lane->batch, &lane->writer);
    for (size_t at = 0; at < count; at++) {
        int error = append(lane, at);
        if (error != 0) {
            assert(error == -ENOSPC); /* -ENOBUFS: more messages than a batch has iovecs for */
            rp_spool_batch_abandon(&lane->batch);
            return error;
        }
    }
    rp_spool_batch_seal(&lane->batch);
    return 0;
}

uint64_t rp_bench_lane_sum(const struct rp_bench_lane *lane)
{
    uint64_t sum = lane->batch.count;
    for (size_t at = 0; at < lane->batch.count; at++) {
        struct rp_spool_record record;
        memcpy(&record, lane->heads + at * HEAD_ROOM, sizeof(record));
        sum = rp_bench_mix(sum, record.body_hash ^ record.envelope_len);
    }
    return sum;
}

void rp_bench_lane_copy(const struct rp_bench_lane *lane, uint8_t *image)
{
    uint8_t *place = image + lane->batch.off;
    for (size_t at = 0; at < lane->batch.iov_count; at++) {
        memcpy(place, lane->batch.iov[at].iov_base, lane->batch.iov[at].iov_len);
        place += lane->batch.iov[at].iov_len;
    }
}

int rp_bench_lane_write(const struct rp_bench_lane *lane, int fd, int flags)
{
    const struct rp_spool_batch *batch = &lane->batch;
    const off_t off = (off_t)batch->off;
    const ssize_t written = pwritev2(fd, batch->iov, (int)batch->iov_count, off, flags);
    if (written < 0) {
        return -errno;
    }
    if ((uint64_t)written == batch->len) {
        return 0;
    }
    /* Why it was cut short is what the very next octet is told. */
    const uint8_t octet = 0;
    return pwrite(fd, &octet, sizeof(octet), off + written) < 0 ? -errno : -EIO;
}
