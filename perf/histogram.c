/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * histogram.c - log-linear histogram of 64-bit values.
 *
 * The bucket of a value is its highest RP_HISTOGRAM_SUB_BITS + 1 bits and how far they are
 * shifted. With shift 0 that is the value itself; each further shift has 1024 buckets, as the
 * highest bit is always set there, and they follow without a gap.
 */
#include "histogram.h"

#include "counter.h"

#include <assert.h>

#define VALUE_MAX ((UINT64_C(1) << RP_HISTOGRAM_VALUE_BITS_MAX) - 1)

static size_t bucket_of(uint64_t value)
{
    const uint64_t first_split = UINT64_C(1) << RP_HISTOGRAM_SUB_BITS;
    unsigned highest_bit = 63u - (unsigned)__builtin_clzll(value | first_split);
    unsigned shift = highest_bit - RP_HISTOGRAM_SUB_BITS;
    return ((size_t)shift << RP_HISTOGRAM_SUB_BITS) + (size_t)(value >> shift);
}

static uint64_t lowest_of(size_t bucket)
{
    if (bucket < (size_t)2 << RP_HISTOGRAM_SUB_BITS) {
        return bucket;
    }
    size_t shift = (bucket >> RP_HISTOGRAM_SUB_BITS) - 1;
    return (uint64_t)(bucket - (shift << RP_HISTOGRAM_SUB_BITS)) << shift;
}

static uint64_t highest_of(size_t bucket)
{
    return lowest_of(bucket + 1) - 1;
}

/* Released by the writer after all else: who sees a count sees the bounds and buckets of it. */
static uint64_t read_count(const struct rp_histogram *histogram)
{
    return __atomic_load_n(&histogram->count, __ATOMIC_ACQUIRE);
}

static void write_count(struct rp_histogram *histogram, uint64_t count)
{
    __atomic_store_n(&histogram->count, count, __ATOMIC_RELEASE);
}

static void widen(struct rp_histogram *histogram, uint64_t count, uint64_t low, uint64_t high)
{
    if (count == 0 || low < rp_counter_get(&histogram->min)) {
        rp_counter_set(&histogram->min, low);
    }
    if (high > rp_counter_get(&histogram->max)) {
        rp_counter_set(&histogram->max, high);
    }
}

void rp_histogram_add(struct rp_histogram *histogram, uint64_t value, uint64_t times)
{
    if (times == 0) {
        return;
    }
    value = value < VALUE_MAX ? value : VALUE_MAX;
    uint64_t count = rp_counter_get(&histogram->count);
    widen(histogram, count, value, value);
    rp_counter_add(&histogram->buckets[bucket_of(value)], times);
    rp_counter_add(&histogram->sum, value * times);
    write_count(histogram, count + times);
}

void rp_histogram_clear(struct rp_histogram *histogram)
{
    if (read_count(histogram) == 0) {
        return;
    }
    size_t last = bucket_of(rp_counter_get(&histogram->max));
    for (size_t bucket = bucket_of(rp_counter_get(&histogram->min)); bucket <= last; bucket++) {
        rp_counter_clear(&histogram->buckets[bucket]);
    }
    rp_counter_set(&histogram->sum, 0);
    rp_counter_set(&histogram->min, 0);
    rp_counter_set(&histogram->max, 0);
    write_count(histogram, 0);
}

void rp_histogram_merge(struct rp_histogram *histogram, const struct rp_histogram *other)
{
    if (read_count(other) == 0) {
        return;
    }
    uint64_t low = rp_counter_get(&other->min);
    uint64_t high = rp_counter_get(&other->max);
    uint64_t count = rp_counter_get(&histogram->count);
    uint64_t added = 0;
    widen(histogram, count, low, high);
    size_t last = bucket_of(high);
    for (size_t bucket = bucket_of(low); bucket <= last; bucket++) {
        uint64_t times = rp_counter_get(&other->buckets[bucket]);
        if (times > 0) {
            rp_counter_add(&histogram->buckets[bucket], times);
            added += times;
        }
    }
    rp_counter_add(&histogram->sum, rp_counter_get(&other->sum));
    write_count(histogram, count + added);
}

/* How many of `count` must not be above the quantile: rounded up, but a product such as
 * 0.07 * 100, which is 7.000000000000001, is no reason for one more. */
static uint64_t rank_of(uint64_t count, double quantile)
{
    assert(quantile >= 0 && quantile <= 1);
    double exact = (double)count * quantile * (1 - 1e-12);
    uint64_t rank = (uint64_t)exact;
    rank += (double)rank < exact ? 1 : 0;
    if (rank == 0) {
        return 1;
    }
    return rank < count ? rank : count;
}

static uint64_t times_since(const struct rp_histogram *histogram,
                            const struct rp_histogram *before,
                            size_t bucket)
{
    uint64_t now = rp_counter_get(&histogram->buckets[bucket]);
    uint64_t then = before == NULL ? 0 : rp_counter_get(&before->buckets[bucket]);
    return now > then ? now - then : 0;
}

uint64_t rp_histogram_quantile_since(const struct rp_histogram *histogram,
                                     const struct rp_histogram *before,
                                     double quantile)
{
    uint64_t count = read_count(histogram);
    uint64_t count_before = before == NULL ? 0 : read_count(before);
    if (count <= count_before) {
        return 0;
    }
    uint64_t max = rp_counter_get(&histogram->max);
    uint64_t rank = rank_of(count - count_before, quantile);
    uint64_t seen = 0;
    size_t last = bucket_of(max);
    for (size_t bucket = bucket_of(rp_counter_get(&histogram->min)); bucket < last; bucket++) {
        seen += times_since(histogram, before, bucket);
        if (seen >= rank) {
            return highest_of(bucket);
        }
    }
    return max;
}

uint64_t rp_histogram_quantile(const struct rp_histogram *histogram, double quantile)
{
    return rp_histogram_quantile_since(histogram, NULL, quantile);
}

double rp_histogram_mean(const struct rp_histogram *histogram)
{
    uint64_t count = read_count(histogram);
    return count == 0 ? 0 : (double)rp_counter_get(&histogram->sum) / (double)count;
}

bool rp_histogram_next(const struct rp_histogram *histogram,
                       size_t *position,
                       uint64_t *low_out,
                       uint64_t *high_out,
                       uint64_t *count_out)
{
    for (size_t bucket = *position; bucket < RP_HISTOGRAM_BUCKETS; bucket++) {
        uint64_t times = rp_counter_get(&histogram->buckets[bucket]);
        if (times > 0) {
            *position = bucket + 1;
            *low_out = lowest_of(bucket);
            *high_out = highest_of(bucket);
            *count_out = times;
            return true;
        }
    }
    *position = RP_HISTOGRAM_BUCKETS;
    return false;
}
