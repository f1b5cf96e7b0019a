/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * markup.c - texts of strangers inside HTML and SVG.
 */
#include "markup.h"

#include "tools/text.h"

#include <string.h>

static const char *reference_of(char octet)
{
    switch (octet) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    case '\'': return "&#39;";
    default: return NULL;
    }
}

static void put_plain(struct rp_output *output, const char *ptr, size_t len)
{
    size_t begin = 0;
    for (size_t index = 0; index < len; index++) {
        const char *reference = reference_of(ptr[index]);
        if (reference != NULL) {
            rp_output_put(output, ptr + begin, index - begin);
            rp_output_put(output, reference, strlen(reference));
            begin = index + 1;
        }
    }
    rp_output_put(output, ptr + begin, len - begin);
}

void rp_markup_text(struct rp_output *output, const char *text)
{
    size_t len = strlen(text);
    while (len > 0) {
        size_t plain = rp_text_plain_len((const uint8_t *)text, len);
        put_plain(output, text, plain);
        text += plain;
        len -= plain;
        if (len > 0) {
            rp_output_text(output, "\\x%02x", (unsigned)(unsigned char)*text);
            text++;
            len--;
        }
    }
}
