/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * markup.h - texts of strangers inside HTML and SVG.
 *
 *     rp_markup_text(&output, sample);
 *
 * What comes out is text and nothing else: in an element, and in a quoted attribute.
 */
#ifndef PERF_MARKUP_H
#define PERF_MARKUP_H

#include "tools/output.h"

#include <stddef.h>

/* & < > " ' as references; what a terminal would not be shown either (control characters, marks
 * that turn the direction of writing, octets that are no UTF-8) as \xNN. */
void rp_markup_text(struct rp_output *output, const char *text);

#endif
