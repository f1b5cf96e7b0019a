/* SPDX-License-Identifier: GPL-3.0-or-later */
/* log_limit.c - see log_limit.h. */
#include "engine/log_limit.h"

#include <string.h>

static struct rp_log_limit_kind *get_kind(struct rp_log_limit *limit, const char *format)
{
    for (uint32_t i = 0; i < limit->count; i++) {
        if (limit->kinds[i].format == format) {
            return &limit->kinds[i];
        }
    }
    if (limit->count == RP_LOG_LIMIT_KINDS) {
        return &limit->kinds[limit->count - 1];
    }
    struct rp_log_limit_kind *kind = &limit->kinds[limit->count++];
    *kind = (struct rp_log_limit_kind){.format = format};
    return kind;
}

static bool is_over(const struct rp_log_limit_kind *kind, uint64_t now_ns)
{
    return now_ns >= kind->start_ns && now_ns - kind->start_ns >= RP_LOG_LIMIT_SPAN_NS;
}

struct rp_log_limit_kind *rp_log_limit_take(struct rp_log_limit *limit,
                                            enum rp_config_log_level level,
                                            const char *format,
                                            uint64_t now_ns)
{
    struct rp_log_limit_kind *kind = get_kind(limit, format);
    /* What an older span left out is told first: until then it goes on. */
    if (kind->written == 0 || (is_over(kind, now_ns) && kind->left_out == 0)) {
        kind->start_ns = now_ns;
        kind->written = 0;
    }
    kind->level = level;
    if (kind->written < RP_LOG_LIMIT_LINES) {
        kind->written++;
        return kind;
    }
    kind->left_out++;
    kind->last_ns = now_ns;
    return NULL;
}

bool rp_log_limit_next(struct rp_log_limit *limit,
                       uint64_t now_ns,
                       struct rp_log_limit_summary *summary_out)
{
    for (uint32_t i = 0; i < limit->count; i++) {
        struct rp_log_limit_kind *kind = &limit->kinds[i];
        if (kind->left_out > 0 && is_over(kind, now_ns)) {
            summary_out->level = kind->level;
            summary_out->left_out = kind->left_out;
            summary_out->time_ns = kind->last_ns - kind->start_ns;
            memcpy(summary_out->text, kind->text, sizeof(summary_out->text));
            kind->left_out = 0;
            return true;
        }
    }
    return false;
}

uint64_t rp_log_limit_due_ns(const struct rp_log_limit *limit)
{
    uint64_t due_ns = UINT64_MAX;
    for (uint32_t i = 0; i < limit->count; i++) {
        const struct rp_log_limit_kind *kind = &limit->kinds[i];
        if (kind->left_out > 0 && kind->start_ns + RP_LOG_LIMIT_SPAN_NS < due_ns) {
            due_ns = kind->start_ns + RP_LOG_LIMIT_SPAN_NS;
        }
    }
    return due_ns;
}
