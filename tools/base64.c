/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * base64.c - octets as base64.
 */
#include "base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void rp_base64_encode(const uint8_t *ptr, size_t len, char *text_out)
{
    while (len >= RP_BASE64_GROUP) {
        uint32_t bits = (uint32_t)ptr[0] << 16 | (uint32_t)ptr[1] << 8 | ptr[2];
        text_out[0] = alphabet[bits >> 18];
        text_out[1] = alphabet[bits >> 12 & 63];
        text_out[2] = alphabet[bits >> 6 & 63];
        text_out[3] = alphabet[bits & 63];
        ptr += RP_BASE64_GROUP;
        len -= RP_BASE64_GROUP;
        text_out += 4;
    }
    if (len > 0) {
        uint32_t bits = (uint32_t)ptr[0] << 16 | (len > 1 ? (uint32_t)ptr[1] << 8 : 0);
        text_out[0] = alphabet[bits >> 18];
        text_out[1] = alphabet[bits >> 12 & 63];
        text_out[2] = '=';
        text_out[3] = '=';
        if (len > 1) {
            text_out[2] = alphabet[bits >> 6 & 63];
        }
    }
}
