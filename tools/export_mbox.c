/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * export_mbox.c - all messages in one mbox file (mboxrd.h has its form).
 */
#include "export.h"
#include "listing.h"
#include "mboxrd.h"
#include "text.h"

static enum rp_failure_exit begin(struct rp_export *export)
{
    return rp_target_open(&export->target, export->path);
}

static enum rp_export_outcome put(struct rp_export *export,
                                  const struct rp_spool_entry *entry,
                                  const struct rp_spool_message_view *view)
{
    struct rp_output *output = &export->target.output;
    struct rp_spool_item sender = {0};
    (void)rp_listing_find(view, RP_SPOOL_TAG_SENDER, &sender); /* none: as the null one */
    char word[512];
    char time[RP_TEXT_CTIME_LEN + 1];
    rp_mboxrd_sender(sender.value, sender.len, word, sizeof(word));
    rp_text_ctime(entry->time_ns, time);
    rp_output_text(output, "From %s %s\n", word, time);

    size_t len = 0;
    const uint8_t *body = rp_spool_view_body(view, &len);
    struct rp_mboxrd mbox;
    const uint8_t *piece = NULL;
    size_t piece_len = 0;
    rp_mboxrd_init(&mbox, body, len);
    while (output->error == 0 && rp_mboxrd_next(&mbox, &piece, &piece_len)) {
        rp_output_put(output, piece, piece_len);
    }
    if (output->error != 0) {
        (void)rp_target_failure(&export->target, output->error);
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

const struct rp_export_format rp_export_mbox = {"mbox", begin, put, end};
