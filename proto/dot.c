/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * dot.c - the DATA body: dot-stuffing undone, the end found (RFC 5321, 4.1.1.4 and 4.5.2).
 *
 * The table below is the truth. The scanners of dot_scan.c only pass by octets that belong
 * to the body as they are, and leave every other octet to the table.
 *
 * "As sent" in comments means octets of the connection, before anything is removed.
 */
#include "rp_dot.h"

#include "dot_scan.h"

#include <assert.h>

enum byte_class {
    IS_OTHER,
    IS_CR,
    IS_LF,
    IS_DOT,
    CLASS_COUNT,
};

/* What is not named is IS_OTHER. */
static const uint8_t class_of[256] = {
    ['\r'] = IS_CR,
    ['\n'] = IS_LF,
    ['.'] = IS_DOT,
};

enum state {
    LINE_START,  /* behind a CRLF, and before the first octet: "." CRLF there is an empty body */
    LINE,        /* inside a line, or behind a bare CR or LF, which starts no line */
    LINE_CR,     /* behind a CR that is already in the body: half of a line end, or bare? */
    LINE_DOT,    /* behind a leading ".", which never reaches the body */
    LINE_DOT_CR, /* behind a leading "." and a CR that is held back: the end, or bare? */
    LIVE_COUNT,  /* the state below is final and has no row */
    END = LIVE_COUNT,
    STATE_COUNT,
};

enum action {
    KEEP,    /* read the octet: it belongs to the body */
    DROP,    /* read the octet: it does not */
    BARE_LF, /* read the octet: it is an LF without CR */
    BARE_CR, /* read nothing: the CR before, which the body has, is without LF */
    HELD_CR, /* read nothing: the CR before, which was held back, is without LF */
    ACTION_COUNT,
};

struct cell {
    uint8_t action;
    uint8_t next;
};

/*
 * The whole decoder: one row a state, one column a class. Cells that read nothing
 * lead to LINE, whose row reads always: so each octet takes two steps at most.
 */
/* clang-format off */
static const struct cell cells[LIVE_COUNT][CLASS_COUNT] = {
    /*               any other        CR                    LF                  "."              */
    [LINE_START]  = {{KEEP, LINE},    {KEEP, LINE_CR},     {BARE_LF, LINE},    {DROP, LINE_DOT}},
    [LINE]        = {{KEEP, LINE},    {KEEP, LINE_CR},     {BARE_LF, LINE},    {KEEP, LINE}},
    [LINE_CR]     = {{BARE_CR, LINE}, {BARE_CR, LINE},     {KEEP, LINE_START}, {BARE_CR, LINE}},
    [LINE_DOT]    = {{KEEP, LINE},    {DROP, LINE_DOT_CR}, {BARE_LF, LINE},    {KEEP, LINE}},
    [LINE_DOT_CR] = {{HELD_CR, LINE}, {HELD_CR, LINE},     {DROP, END},        {HELD_CR, LINE}},
};
/* clang-format on */

/* What an action does to input and body. KEEP is nearly always done by the walks below. */
struct effect {
    bool reads;         /* takes the octet off the input */
    bool keeps;         /* ... and adds it to the body */
    bool bare;          /* a CR or LF was found to be bare */
    uint8_t insert_off; /* octets of crlf[] that go to the body: from where ... */
    uint8_t insert_len; /* ... and how many */
};

static const uint8_t crlf[2] = {'\r', '\n'};

/* The columns are "keep as it is" (reject and keep differ only for the caller) and "normalize". */
/* clang-format off */
static const struct effect effects[ACTION_COUNT][2] = {
    /*           reads  keeps  bare   off len    reads  keeps  bare   off len */
    [KEEP]    = {{true,  true,  false, 0, 0},   {true,  true,  false, 0, 0}},
    [DROP]    = {{true,  false, false, 0, 0},   {true,  false, false, 0, 0}},
    [BARE_LF] = {{true,  true,  true,  0, 0},   {true,  false, true,  0, 2}},
    [BARE_CR] = {{false, false, true,  0, 0},   {false, false, true,  1, 1}},
    [HELD_CR] = {{false, false, true,  0, 1},   {false, false, true,  0, 2}},
};
/* clang-format on */

/* Shorter inputs are left to the table: to begin a walk costs about as much. */
#define SCAN_MIN 16u

void rp_dot_init(struct rp_dot *dot, enum rp_dot_newline newline, uint32_t line_max)
{
    *dot = (struct rp_dot){
        .line_max = line_max,
        .state = LINE_START,
        .newline = (uint8_t)newline,
    };
}

static void skip(struct rp_span *in, size_t len)
{
    in->ptr += len;
    in->len -= len;
}

/*
 * A line that is still open counts too: a caller need not wait for its end. The last "."
 * CRLF is no line of the body, so nothing that may become it is measured.
 */
static void check_line(struct rp_dot *dot)
{
    bool may_be_end = dot->state == LINE_DOT || dot->state == LINE_DOT_CR || dot->state == END;
    if (!may_be_end && dot->line_max > 0 && dot->line_len > dot->line_max) {
        dot->has_long_line = true;
    }
    if (dot->state == LINE_START || dot->state == END) {
        dot->line_len = 0;
    }
}

/* Walk over the octets at the front of `in` that the table keeps; answers how many. */
static size_t walk_by_table(struct rp_dot *dot, struct rp_span in)
{
    size_t at = 0;
    while (at < in.len) {
        struct cell cell = cells[dot->state][class_of[in.ptr[at]]];
        if (cell.action != KEEP) {
            break;
        }
        at++;
        dot->state = cell.next;
        dot->line_len++;
        if (cell.next == LINE_START) {
            check_line(dot);
        }
    }
    check_line(dot);
    return at;
}

/* The same by a scanner, from the states and with the limits that scanners know. */
static size_t walk_by_scanner(rp_dot_scan_fn scan, struct rp_dot *dot, struct rp_span in)
{
    struct rp_dot_walk walk = {
        .line_len = dot->line_len,
        .line_max = dot->line_max,
        .stops_at_bare = dot->newline == RP_DOT_NORMALIZE,
        .is_after_cr = dot->state == LINE_CR,
        .is_line_start = dot->state == LINE_START,
        .has_bare = dot->has_bare,
        .has_long_line = dot->has_long_line,
    };
    size_t walked = scan(&walk, in);
    dot->state = walk.is_after_cr ? LINE_CR : walk.is_line_start ? LINE_START : LINE;
    dot->line_len = walk.line_len;
    dot->has_bare = walk.has_bare;
    dot->has_long_line = walk.has_long_line;
    return walked;
}

/* By the scanner where it can; behind a leading "." the table takes one octet, and no more. */
static size_t walk(rp_dot_scan_fn scan, struct rp_dot *dot, struct rp_span in)
{
    bool is_measurable = dot->line_max == 0 || dot->line_max >= RP_DOT_SCAN_LINE_MAX_MIN;
    if (scan == NULL || in.len < SCAN_MIN || !is_measurable) {
        return walk_by_table(dot, in);
    }
    if (dot->state == LINE_START || dot->state == LINE || dot->state == LINE_CR) {
        return walk_by_scanner(scan, dot, in);
    }
    return walk_by_table(dot, (struct rp_span){.ptr = in.ptr, .len = 1});
}

/*
 * A line that begins with a ".", when what follows it is in the input too: the steps that
 * the table would take, at once. False: nothing is done, ask the table.
 */
static bool take_leading_dot(struct rp_dot *dot, struct rp_span *in)
{
    if (in->len < 3 || in->ptr[0] != '.') {
        return false;
    }
    if (in->ptr[1] != '\r') {
        dot->state = LINE; /* the "." goes; from LINE_DOT all but a CR leads to where LINE does */
        dot->line_len = 1;
        skip(in, 1);
        return true;
    }
    if (in->ptr[2] == '\n') {
        dot->state = END;
        dot->line_len = 0;
        skip(in, 3);
        return true;
    }
    return false;
}

static enum rp_dot_step decode(rp_dot_scan_fn scan,
                               struct rp_dot *dot,
                               struct rp_span *in,
                               struct rp_span *body_out)
{
    assert(dot->state < STATE_COUNT);
    assert(in->ptr != NULL || in->len == 0);

    bool normalizes = dot->newline == RP_DOT_NORMALIZE;
    struct rp_span body = {.ptr = in->ptr, .len = 0};
    while (dot->state < LIVE_COUNT && in->len > 0) {
        if (scan != NULL && dot->state == LINE_START && body.len == 0 &&
            take_leading_dot(dot, in)) {
            body.ptr = in->ptr;
            continue;
        }
        size_t walked = walk(scan, dot, *in);
        body.len += walked;
        skip(in, walked);
        if (in->len == 0 || (body.len > 0 && dot->state == LINE_START && *in->ptr == '.')) {
            break; /* a leading "." is not of the body: hand out what comes before it */
        }
        struct cell cell = cells[dot->state][class_of[*in->ptr]];
        const struct effect *effect = &effects[cell.action][normalizes];
        bool drops = effect->reads && !effect->keeps;
        if (body.len > 0 && (drops || effect->insert_len > 0)) {
            break; /* hand out what we have; this octet is looked at again */
        }
        dot->state = cell.next;
        dot->has_bare = dot->has_bare || effect->bare;
        if (effect->reads) {
            skip(in, 1);
            dot->line_len++;
            check_line(dot);
        }
        if (effect->insert_len > 0) {
            *body_out = (struct rp_span){crlf + effect->insert_off, effect->insert_len};
            return RP_DOT_BODY;
        }
        if (effect->keeps) {
            body.len++;
        } else if (drops) {
            body.ptr = in->ptr;
        }
    }

    if (body.len > 0) {
        *body_out = body;
        return RP_DOT_BODY;
    }
    return dot->state == END ? RP_DOT_END : RP_DOT_MORE;
}

enum rp_dot_step rp_dot_next(struct rp_dot *dot, struct rp_span *in, struct rp_span *body_out)
{
    return decode(rp_dot_scan_best(), dot, in, body_out);
}

bool rp_dot_has_scanner(enum rp_dot_scanner scanner)
{
    return scanner == RP_DOT_SCAN_TABLE || rp_dot_scan_find(scanner) != NULL;
}

enum rp_dot_step rp_dot_next_with(enum rp_dot_scanner scanner,
                                  struct rp_dot *dot,
                                  struct rp_span *in,
                                  struct rp_span *body_out)
{
    assert(rp_dot_has_scanner(scanner));
    return decode(rp_dot_scan_find(scanner), dot, in, body_out);
}
