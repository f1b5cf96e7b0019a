/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_corpus.h - messages of the user's own: a directory of files, a maildir, an mbox.
 *
 *     rp_load_corpus_open("eml:DIR", &corpus, error, sizeof(error));
 *     message = rp_load_corpus_get(corpus, number % rp_load_corpus_count(corpus));
 *     rp_load_corpus_close(corpus);
 *
 * eml:DIR    each file in DIR is a message, in the order of their names; where DIR has cur/ and
 *            new/, it is a maildir, and the files in these two are, those of cur/ first.
 *            Directories, hidden and empty files are passed over.
 * mbox:FILE  a message begins at each line "From " that is the first or follows an empty line;
 *            that line, and the empty one at the end of a message, do not belong to it. Of lines
 *            that begin with ">From ", behind any number of ">", one ">" is taken off: this is
 *            how mboxrd quotes, and mboxo as far as it can be undone.
 *
 * A message is sent in whole lines that end with CRLF: where a file has LF alone, CRLF is sent,
 * and so it is for a CR alone, which mail servers refuse (these are counted). A last line
 * without an end gets one. All else is sent as it is.
 *
 * Memory: each message once, and once more dot-stuffed where it has a line that begins with a
 * dot; while it is loaded, its file too. Immutable after open: all threads share it.
 */
#ifndef PERF_LOAD_CORPUS_H
#define PERF_LOAD_CORPUS_H

#include "proto/rp_span.h"

#include <stddef.h>
#include <stdint.h>

struct rp_load_corpus;

struct rp_load_corpus_message {
    struct rp_span plain;   /* never empty */
    struct rp_span stuffed; /* for DATA, with "." CRLF at its end */
};

/* 0; -EINVAL, -ENOMEM or -errno of a file, with one line in `error`. There is a message then. */
int rp_load_corpus_open(const char *source,
                        struct rp_load_corpus **corpus_out,
                        char *error,
                        size_t error_len);
void rp_load_corpus_close(struct rp_load_corpus *corpus); /* NULL is fine */

size_t rp_load_corpus_count(const struct rp_load_corpus *corpus);
const struct rp_load_corpus_message *rp_load_corpus_get(const struct rp_load_corpus *corpus,
                                                        size_t index);
uint64_t rp_load_corpus_lone_cr(const struct rp_load_corpus *corpus); /* how many became CRLF */

#endif
