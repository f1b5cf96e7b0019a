/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * limits.h - every size and limit of the engine that no key sets, with its reason.
 */
#ifndef LIMITS_H
#define LIMITS_H

#include "engine/io.h"
#include "proto/rp_reply.h"
#include "spool/rp_spool_writer.h"

#include <assert.h>

/* A receive buffer holds a 10 KiB mail whole, and one largest TLS record; of a large body it takes
 * what one segment of the peer brought (half of that cost 3 % more at 100 KiB). */
#define RP_BUFFER_SIZE        32768u

/* Buffers lent to the kernel at a time. Few: what is received next is then still in the
 * cache from the last use. Enough for a burst from all connections of one loop. */
#define RP_BUFFERS_LENT       128u

/* Requests that may wait for one submission; more are sent off in between. */
#define RP_RING_REQUESTS      1024u

/* Blocks hold replies and envelopes: room for the longest reply behind half a block of others. */
#define RP_BLOCK_SIZE         2048u

/* The reply to a message is put before the replies behind it, which are there already. */
#define RP_REPLY_RESERVE      160u

/* Messages of a connection that wait for their commit; then its input is left where it is. */
#define RP_PENDING_MAX        16u

/* Reply blocks of a connection whose client does not read; then it is not served further. */
#define RP_OUT_BLOCKS_MAX     4u

/* Received buffers that a connection may have waiting unread before receiving is paused. */
#define RP_INPUT_BUFFERS_MAX  8u

/* Batches with more octets of bodies than this go past the page cache: under load that takes less
 * CPU. Smaller ones, where there is time, stay in it for readers that follow closely. A body
 * beyond it is copied, as it comes and while it is in the cache, into buffers that direct I/O can
 * write as they are. */
#define RP_DIRECT_THRESHOLD   (64u << 10)

/* A body beyond this goes to a file of its own, so that a connection holds little memory however
 * large its message is; where memory is short, beyond the smaller one already. No more than this
 * part of a segment, and the smaller one fits any segment beside the largest envelope. */
#define RP_BIG_THRESHOLD      (4u << 20)
#define RP_BIG_THRESHOLD_MIN  (256u << 10)
#define RP_BIG_SEGMENT_PART   4u

/* Commits of this size on average: the next segment is allocated, not written with zeros. */
#define RP_BULK_COMMIT        (1u << 20)

/* What a batch for direct I/O copies together (record heads, small bodies); and its iovecs: each
 * of the batch's at most in two pieces. */
#define RP_STAGE_SIZE         (2u << 20)
#define RP_STAGE_IOV          (2u * RP_SPOOL_BATCH_IOV)

/* Slices of a body in one record. With head and padding they fit a batch of their own. */
#define RP_MESSAGE_SLICES_MAX 512u

/* Blocks that every envelope can have, whoever holds how many others: some hundred recipients. */
#define RP_MESSAGE_BLOCKS_OWN 2u

/* What envelopes beyond that have together, as a part of limits.memory for each worker, which is
 * not taken from it; at least eight of the largest. */
#define RP_ENVELOPE_PART      32u
#define RP_ENVELOPE_MIN       (8u * RP_MESSAGE_BLOCKS_MAX)

/* Which part of these one client and one network may hold: each of them a largest one, and others
 * still another. And the places in which they are counted. */
#define RP_OWNER_CLIENT_PART  4u
#define RP_OWNER_NETWORK_PART 2u
#define RP_OWNERS             1024u

/* Blocks of one envelope; then 452 4.5.3. Half a MiB: the smallest segment holds any record. */
#define RP_MESSAGE_BLOCKS_MAX 256u

/* A slice behind a removed dot is moved up to the slice before where it is shorter than this:
 * so a buffer of nothing but dots takes no more slices than it has such pieces. */
#define RP_SLICE_MOVE_MAX     512u

/* Slices for each buffer: RP_BUFFER_SIZE / RP_SLICE_MOVE_MAX pieces in the worst case, and one
 * for each message of its connection. */
#define RP_SLICES_PER_BUFFER  (RP_BUFFER_SIZE / RP_SLICE_MOVE_MAX + RP_PENDING_MAX + 2)

/* Memory is short below count / this free buffers: then small slices are copied together. */
#define RP_BUFFERS_SHORT_PART 4u

/* Octets of a big body that wait for its file before its connection's receiving is paused. */
#define RP_BIG_WAITING_MAX    (2u << 20)

/* A big body's file is written when this much of it is there, at its end, or when memory is
 * short: each write is a trip to a kernel worker. Not more than RP_BIG_IOV buffers. */
#define RP_BIG_WRITE_MIN      (512u << 10)

/* Slices of a big body that wait for its file, likewise. */
#define RP_BIG_SLICES_MAX     256u

/* Writes and syncs of big bodies under way at a time. The kernel does them on a few threads (four
 * a CPU), in order: with one for each of 100 bodies a commit waited 44 ms for its turn, not 1. */
#define RP_BIG_BUSY_MAX       4u

/* Slices of one write to a big body's file. */
#define RP_BIG_IOV            64u

/* Connections beyond limits.connections that are told so (421) instead of being closed unheard. */
#define RP_REFUSALS_MAX       64u

/* How long a closed session's client may go on sending before its socket goes (ns). Without
 * this the reset that unread octets cause may destroy the last reply. */
#define RP_LINGER_NS          (2ull * 1000000000ull)

/* Completions that the kernel has ready and hands out in a round, at least: from 6.13 on it stops
 * after 20 requests. */
#define RP_ROUND_REQUESTS_MIN 16u

/* After accept(2) or a segment failed: when to try again (ns). */
#define RP_RETRY_NS           (100ull * 1000000ull)
#define RP_SEGMENT_RETRY_NS   (500ull * 1000000ull)

/* How old a figure of the free disk space may be (ns). */
#define RP_DISK_FREE_AGE_NS   (250ull * 1000000ull)

/* Full segments of a lane whose pages stay in the page cache, for readers that follow closely. The
 * pages of older ones are given up, and so used again for new ones: pages that a virtual machine
 * has not touched yet cost 2 ms a MiB, ten times as much as others. */
#define RP_SEGMENTS_CACHED    2u

/* A prepared segment is written in pieces of at least and at most this many octets: a commit waits
 * behind one of them at most. Large commits pay for large pieces, which take less CPU. */
#define RP_ZERO_PIECE         (128u << 10)
#define RP_ZERO_PIECE_MAX     (1u << 20)

/* For each octet that is committed so much more than one octet of the next segment is written, as a
 * part of it: the segment is ready well before it is needed. */
#define RP_ZERO_LEAD_PART     2u

/* Space behind the last batch of a segment that is given back, if it is no less. */
#define RP_PUNCH_MIN          (256u << 10)

/* The timer wheel: 1024 ticks of 64 ms are 65 s; longer deadlines are looked at on the way. */
#define RP_TIMER_TICK_NS      (64ull * 1000000ull)
#define RP_TIMER_SLOTS        1024u

static_assert(RP_BIG_WRITE_MIN <= RP_BIG_IOV * RP_BUFFER_SIZE, "one write takes that much");
static_assert(RP_ENVELOPE_MIN / RP_OWNER_CLIENT_PART >= RP_MESSAGE_BLOCKS_MAX,
              "a client that has no other can have the largest envelope");
static_assert(RP_BLOCK_SIZE >= 2 * RP_REPLY_MAX, "two replies to a block");
static_assert((RP_BUFFERS_LENT & (RP_BUFFERS_LENT - 1)) == 0, "a ring's size is a power of two");
static_assert(RP_MESSAGE_SLICES_MAX + RP_MESSAGE_BLOCKS_MAX + 4 < RP_SPOOL_BATCH_IOV,
              "any message fits a batch");
static_assert(RP_BIG_THRESHOLD_MIN + RP_BUFFER_SIZE + RP_MESSAGE_BLOCKS_MAX * RP_BLOCK_SIZE +
                      5 * RP_SPOOL_BLOCK <=
                  RP_SPOOL_SEGMENT_MIN,
              "any record fits any segment");
static_assert(RP_BIG_THRESHOLD / RP_BUFFER_SIZE + 8 < RP_MESSAGE_SLICES_MAX,
              "a gathered body has its slices");
static_assert(RP_BIG_THRESHOLD_MIN + RP_BUFFER_SIZE + RP_MESSAGE_BLOCKS_MAX * RP_BLOCK_SIZE +
                      4 * RP_SPOOL_BLOCK <=
                  RP_STAGE_SIZE,
              "any message that was not gathered fits the stage");

#endif
