/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * smtp_line.c - the table that finds the ends of command lines, and a faster way beside it.
 *
 * Ordinary lines do not come here, see smtp_line.h. Of the others those that lie in the
 * input whole are found by memchr; the table does the rest.
 */
#include "smtp_line.h"

#include "smtp_verb.h"

#include <assert.h>
#include <string.h>

enum octet_class {
    IS_CR,
    IS_LF,
    IS_OTHER,
    CLASS_COUNT,
};

struct cell {
    uint8_t next; /* enum rp_smtp_line_state */
    uint8_t step; /* enum rp_smtp_line_step; RP_SMTP_LINE_MORE: read on */
};

/* clang-format off */
#define ON(state)         {RP_SMTP_LINE_##state, RP_SMTP_LINE_MORE}
#define SAY(step, state)  {RP_SMTP_LINE_##state, RP_SMTP_LINE_##step}
static const struct cell cells[RP_SMTP_LINE_STATE_COUNT][CLASS_COUNT] = {
    /*                         CR                   LF                  any other     */
    [RP_SMTP_LINE_OPEN]    = {ON(OPEN_CR),         SAY(BARE, SKIP),    ON(OPEN)},
    [RP_SMTP_LINE_OPEN_CR] = {SAY(BARE, SKIP_CR),  SAY(WHOLE, OPEN),   SAY(BARE, SKIP)},
    [RP_SMTP_LINE_SKIP]    = {ON(SKIP_CR),         ON(SKIP),           ON(SKIP)},
    [RP_SMTP_LINE_SKIP_CR] = {ON(SKIP_CR),         SAY(SKIPPED, OPEN), ON(SKIP)},
};
/* clang-format on */

static enum octet_class classify(uint8_t octet)
{
    switch (octet) {
    case '\r': return IS_CR;
    case '\n': return IS_LF;
    default: return IS_OTHER;
    }
}

static void take(struct rp_span *in, size_t len)
{
    in->ptr += len;
    in->len -= len;
}

static enum rp_smtp_line_step step_once(struct rp_smtp *smtp, uint8_t octet)
{
    const struct cell cell = cells[smtp->line_state][classify(octet)];
    smtp->line_state = cell.next;
    return (enum rp_smtp_line_step)cell.step;
}

/* The usual case: the whole line lies at the front of the input, and nothing is wrong with it. */
static bool find_whole(const struct rp_smtp *smtp, struct rp_span in, size_t *len_out)
{
    const size_t most = (size_t)smtp->config->command_line_max + RP_SMTP_LINE_EXTRA;
    const uint8_t *lf = memchr(in.ptr, '\n', in.len < most ? in.len : most);
    if (lf == NULL) {
        return false;
    }

    const size_t len = (size_t)(lf - in.ptr) + 1;
    if (len < 2 || memchr(in.ptr, '\r', len) != lf - 1) {
        return false;
    }
    if (len > smtp->config->command_line_max &&
        len > rp_smtp_verb_line_max(smtp->config, (struct rp_span){in.ptr, len})) {
        return false;
    }
    *len_out = len;
    return true;
}

/* A cut or faulty line: an octet a step, each one kept until the line is known to be faulty. */
static enum rp_smtp_line_step gather(struct rp_smtp *smtp, struct rp_span *in)
{
    const uint32_t line_max = smtp->config->command_line_max;
    while (in->len > 0) {
        const struct rp_span head = {smtp->line, smtp->line_len};
        if (head.len >= line_max && head.len >= rp_smtp_verb_line_max(smtp->config, head)) {
            /* The octet is not taken: it may be the LF that ends the line. */
            smtp->line_state =
                smtp->line_state == RP_SMTP_LINE_OPEN_CR ? RP_SMTP_LINE_SKIP_CR : RP_SMTP_LINE_SKIP;
            return RP_SMTP_LINE_LONG;
        }

        const uint8_t octet = *in->ptr;
        assert(smtp->line_len < smtp->line_cap);
        smtp->line[smtp->line_len++] = octet;
        take(in, 1);

        const enum rp_smtp_line_step step = step_once(smtp, octet);
        if (step != RP_SMTP_LINE_MORE) {
            return step;
        }
    }
    return RP_SMTP_LINE_MORE;
}

static enum rp_smtp_line_step skip(struct rp_smtp *smtp, struct rp_span *in)
{
    while (in->len > 0) {
        if (smtp->line_state == RP_SMTP_LINE_SKIP) {
            /* Nothing but a CR leads out of this state. */
            const uint8_t *cr = memchr(in->ptr, '\r', in->len);
            take(in, cr == NULL ? in->len : (size_t)(cr - in->ptr));
            if (cr == NULL) {
                break;
            }
        }

        const uint8_t octet = *in->ptr;
        take(in, 1);
        if (step_once(smtp, octet) == RP_SMTP_LINE_SKIPPED) {
            return RP_SMTP_LINE_SKIPPED;
        }
    }
    return RP_SMTP_LINE_MORE;
}

/* The same octet eight times. */
#define EIGHT(octet) (UINT64_C(0x0101010101010101) * (octet))

/* What a word of eight octets adds: bit 7 of `high` is that of any octet, `control` is not 0. */
struct octet_bits {
    uint64_t high;
    uint64_t control;
};

static void add_word(struct octet_bits *bits, uint64_t word)
{
    /*
     * The sums are exact for octets below 128, since they do not carry into the next
     * one: bit 7 of (octet + 96) is 0 for 0 to 31, bit 7 of (octet + 1) is 1 for 127.
     */
    const uint64_t low = word & EIGHT(0x7F);
    const uint64_t is_printable = (low + EIGHT(96)) & ~(low + EIGHT(1));
    bits->high |= word;
    bits->control |= ~(is_printable | word) & EIGHT(0x80);
}

enum rp_smtp_line_octets rp_smtp_line_classify(struct rp_span line)
{
    struct octet_bits bits = {0, 0};
    uint64_t word;
    size_t at = 0;
    for (; line.len - at >= sizeof(word); at += sizeof(word)) {
        memcpy(&word, line.ptr + at, sizeof(word));
        add_word(&bits, word);
    }
    if (at < line.len) {
        word = EIGHT(' ');
        memcpy(&word, line.ptr + at, line.len - at);
        add_word(&bits, word);
    }

    if (bits.control != 0) {
        return RP_SMTP_LINE_CONTROL;
    }
    return (bits.high & EIGHT(0x80)) != 0 ? RP_SMTP_LINE_8BIT : RP_SMTP_LINE_ASCII;
}

void rp_smtp_line_drop_blanks(struct rp_smtp_line *line)
{
    struct rp_span *text = &line->text;
    while (text->len > 0 && (text->ptr[text->len - 1] == ' ' || text->ptr[text->len - 1] == '\t')) {
        text->len--;
    }
    line->octets = rp_smtp_line_classify(*text);
}

static struct rp_smtp_line classified(const uint8_t *ptr, size_t len)
{
    const struct rp_span text = {ptr, len};
    return (struct rp_smtp_line){.text = text, .octets = rp_smtp_line_classify(text)};
}

enum rp_smtp_line_step rp_smtp_line_next_slowly(struct rp_smtp *smtp,
                                                struct rp_span *in,
                                                struct rp_smtp_line *line_out)
{
    assert(smtp->line_state < RP_SMTP_LINE_STATE_COUNT);
    assert(in->ptr != NULL || in->len == 0);

    if (smtp->line_state >= RP_SMTP_LINE_SKIP) {
        return skip(smtp, in);
    }

    size_t len = 0;
    if (smtp->line_len == 0 && in->len > 0 && find_whole(smtp, *in, &len)) {
        *line_out = classified(in->ptr, len - 2);
        take(in, len);
        return RP_SMTP_LINE_WHOLE;
    }

    const enum rp_smtp_line_step step = gather(smtp, in);
    if (step == RP_SMTP_LINE_WHOLE) {
        *line_out = classified(smtp->line, smtp->line_len - 2);
    }
    if (step != RP_SMTP_LINE_MORE) {
        smtp->line_len = 0; /* what is in smtp->line stays there until the next call */
    }
    return step;
}
