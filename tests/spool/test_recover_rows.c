/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_recover_rows.c - recovery's table of actions, cell by cell, and its verdict on the last
 * batch, rule by rule.
 *
 * Segments made by hand, also such as no writer leaves: what is found in each, and what becomes of
 * it as entries.
 */
#include "spool/recover.h"

#include "lane.h"
#include "spool/format.h"
#include "tests/proto/guard.h"

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>

#define BLOCKS 6u
#define SIZE   (BLOCKS * RP_SPOOL_BLOCK)
#define CAP    RP_SPOOL_INDEX_CAP(RP_SPOOL_SEGMENT_MIN)

static const uint8_t identity[16] = "recover's spool.";
static struct guard guard;
static struct rp_spool_index_entry got_entries[CAP];

/*
 * What stands behind the header page, one thing behind the other:
 *     m a message, 128 octets; b one with a damaged body; f one that fills up its block;
 *     l, q, r as m, b, m, but the body reaches over what follows, 128 octets of it; all with their
 *       sequence (r: made for sequences that were there before)
 *     B BEGIN, at the next block; first sequence and count. Its END is where the e or x is
 *       that follows, else behind the last thing before the next B
 *     e END; first sequence of its batch, and the sequence behind it
 *     E as e, but what follows stands right behind it, not in the next block
 *     x noise in END's place
 *     . 64 octets of noise; z 64 zeros; Z zeros to the next sector's end and one sector more
 */
static size_t width(char kind)
{
    return strchr("BeE", kind) != NULL ? 3 : strchr(".xzZ", kind) != NULL ? 1 : 2;
}

static uint64_t step(const char *at, uint64_t off)
{
    switch (*at) {
    case 'B': return (off + RP_SPOOL_BLOCK - 1) / RP_SPOOL_BLOCK * RP_SPOOL_BLOCK + 64;
    case 'x':
    case 'e': return (off + 64 + RP_SPOOL_BLOCK - 1) / RP_SPOOL_BLOCK * RP_SPOOL_BLOCK;
    case 'E':
    case '.':
    case 'z': return off + 64;
    case 'Z': return (off + 511) / 512 * 512 + 512;
    case 'f': return off / RP_SPOOL_BLOCK * RP_SPOOL_BLOCK + RP_SPOOL_BLOCK;
    default: return off + 128;
    }
}

/* Where the batch whose BEGIN is at `at` ends: behind its END. */
static uint64_t find_end(const char *at, uint64_t off)
{
    do {
        off = step(at, off);
        at += width(*at);
    } while (*at != '\0' && strchr("BeEx", *at) == NULL);
    return off + 64;
}

static void put_mark(uint8_t *place, uint32_t magic, const struct rp_spool_batch_mark *mark)
{
    struct rp_spool_batch_mark sealed = *mark;
    rp_format_mark_seal(&sealed, magic, rp_format_seed(identity, 1, 2));
    memcpy(place, &sealed, sizeof sealed);
}

static uint64_t digit(const char *at)
{
    return (uint64_t)(*at - '0');
}

static void put_record(uint8_t *image, uint64_t off, const char *at, uint64_t batch_off)
{
    const uint64_t seed = rp_format_seed(identity, 1, 2);
    const bool is_long = strchr("lqr", *at) != NULL;
    const uint64_t end = step(at, off) + (is_long ? 128 : 0);
    struct rp_spool_record record = {
        .magic = rp_format_record_magic(seed),
        .batch_off = (uint32_t)((batch_off < off ? batch_off : off - 1) / RP_SPOOL_BLOCK),
        .place = (uint32_t)(off / RP_SPOOL_ALIGN),
        .body_len = end - off - 64 - 44,
        .sequence = digit(at + 1),
    };
    if (!is_long) {
        memset(image + off + 64, 'x', record.body_len);
    }
    record.body_hash = rp_format_hash(image + off + 64, record.body_len, 0);
    record.body_hash ^= *at == 'b' || *at == 'q';
    memcpy(image + off, &record, sizeof record);
    record.hash = rp_format_record_hash(image + off, 0, seed);
    memcpy(image + off, &record, sizeof record);
}

/* One thing; long records come in a second pass, when what they reach over is there. */
static void put(uint8_t *image, uint64_t off, const char *at, uint64_t batch_off, bool is_second)
{
    if (is_second == (strchr("lqr", *at) == NULL)) {
        return;
    }
    const uint64_t begin_off = step(at, off) - 64;
    struct rp_spool_batch_mark mark = {.batch_off = (uint32_t)(batch_off / RP_SPOOL_BLOCK)};
    switch (*at) {
    case 'B':
        mark.batch_off = (uint32_t)(begin_off / RP_SPOOL_BLOCK);
        mark.len = (uint32_t)(find_end(at, off) - begin_off);
        mark.first_sequence = digit(at + 1);
        mark.count = (uint32_t)digit(at + 2);
        put_mark(image + begin_off, RP_SPOOL_BEGIN_MAGIC, &mark);
        return;
    case 'e':
    case 'E':
        mark.len = (uint32_t)(off + 64 - batch_off);
        mark.first_sequence = digit(at + 1);
        mark.count = (uint32_t)(digit(at + 2) - mark.first_sequence);
        put_mark(image + off, RP_SPOOL_END_MAGIC, &mark);
        return;
    case 'x':
    case '.': memset(image + off, 0xee, 64); return;
    case 'z':
    case 'Z': return;
    default: put_record(image, off, at, batch_off);
    }
}

/* Lay a row's things out; returns the octets used. */
static uint64_t make_row(const char *things, uint8_t *image)
{
    uint64_t off = 0;
    memset(image, 0, SIZE);
    for (int pass = 0; pass < 2; pass++) {
        uint64_t batch_off = RP_SPOOL_BLOCK;
        off = RP_SPOOL_BLOCK;
        for (const char *at = things; *at != '\0'; at += width(*at)) {
            batch_off = *at == 'B' ? step(at, off) - 64 : batch_off;
            put(image, off, at, batch_off, pass == 1);
            off = step(at, off);
        }
    }
    assert(off <= SIZE);
    return off;
}

/* ---- what is found ---- */

/* clang-format off */
/* M message, S suspect, K mark, L lost before this sequence, V void, E end; with their sequences. */
static const struct row {
    const char *things;
    uint64_t limit;
    const char *found;
} rows[] = {
    {"",                   9, "E"              },
    {".",                  9, "E"              },
    {"m0m1m2",             9, "M0M1M2E"        },
    {"B02m0m1e02",         9, "K0M0M1K2E"      },
    {"B02m0m1e02B21m2e23", 9, "K0M0M1K2K2M2K3E"},
    {"B01f0B11m1e12",      9, "K0M0K1M1K2E"    },
    {"m0E01m1m2",           9, "M0K1E"             }, /* the next place is the next block */
    /* sequences are missing without a damaged place */
    {"m0m2",               9, "M0L2M2E"        },
    {"m2",                 9, "L2M2E"          },
    {"B11m1",              9, "L1K1M1E"        },
    {"B03m0e03",           9, "K0M0L3K3E"      },
    {"B03m0e03B31m3",      9, "K0M0L3K3K3M3E"  },
    {"B01f0B21m2",         9, "K0M0L2K2M2E"    },
    /* an invalid place, closed by each kind */
    {"m0.m1",              9, "M0L1M1E"        },
    {"m0..m3m4",           9, "M0L3M3M4E"      },
    {"m0.e01",             9, "M0L1K1E"        },
    {"m0.e02",             9, "M0L2K2E"        },
    {"m0.B11m1",           9, "M0L1K1M1E"      },
    {"m0.B21m2",           9, "M0L2K2M2E"      },
    {"B01m0zzB11m1",       9, "K0M0L1K1M1E"    },
    {"m0.",                9, "M0E"            },
    {"m0Z",                9, "M0E"            },
    /* suspects */
    {"m0b1m2",             9, "M0S1L2M2E"      },
    {"m0b1b2m3",           9, "M0S1S2L3M3E"    },
    {"m0b1.b4e05",         9, "M0S1S4L5K5E"    },
    {"m0.b1m2",            9, "M0S1L2M2E"      },
    {"m0b2m3",             9, "M0S2L3M3E"      },
    {"m0b1",               9, "M0S1E"          },
    {"b0.m0m1",            9, "S0L1M1E"        },
    {"m0q1m2m3",           9, "M0S1L3M3E"      }, /* goes behind its body */
    {"m0.q1m2m3",          9, "M0S1L3M3E"      },
    /* repeated: passed over behind a whole record, looked into when searching */
    {"m0m1m0m1m2",         9, "M0M1M2E"        },
    {"m0m1b0m2",           9, "M0M1M2E"        },
    {"m0m1e01B21m2",       9, "M0M1K2M2E"      },
    {"m0m1e01.m2",         9, "M0M1L2M2E"      },
    {"B02m0m1B02m2",       9, "K0M0M1L2M2E"    },
    {"m0m1.m0m2",          9, "M0M1L2M2E"      },
    {"m0m1r0m2m3",         9, "M0M1L3M3E"      },
    {"m0m1.r0m2m3",        9, "M0M1L2M2M3E"    },
    {"m0m1l0m2m3",         9, "M0M1L3M3E"      },
    {"m0m1.e01m2",         9, "M0M1L2M2E"      },
    {"m0l1m2m2",           9, "M0M1M2E"        }, /* what is in a body is not looked at */
  /* void */
    {"m0m1m2e03",          1, "M0V1V2E"        },
    {"m0m1m2e13",          1, "M0V1V2V1E"      }, /* END's sequence is no greater than the limit */
    {"m0e12",              1, "M0V1E"          },
    {"m0.m1m2",            1, "M0V1V2E"        },
    {"m0.e12",             1, "M0V1E"          },
    {"m0b1m2",             1, "M0V1V2E"        },
    {"m0.b1m2",            1, "M0V1V2E"        },
    {"B01m0e01B12m1m2e13", 1, "K0M0K1V1V1V2V1E"},
    {"B03m0m1m2e03",       2, "K0M0M1V2E"      }, /* of a batch that is void in part the rest counts */
    {"B03m0m1.e03",        2, "K0M0M1L2K2E"    },
    {"B03m0.e03",          2, "K0M0L2K2E"      },
    {"m0m2.m3",            2, "M0V2V3E"        },
    {"m0m3m1",             3, "M0V3E"          },
    {"m0m3m2",             3, "M0V3E"          },
    {"m0m3m0m4",           3, "M0V3V4E"        },
    {"m0m3m1m4",           3, "M0V3V4E"        },
    {"m0m3m2m4",           3, "M0V3V4E"        },
    {"m0m3b1m4",           3, "M0V3V4E"        },
    {"m0m3.m4",            3, "M0V3V4E"        },
    {"m0m3.m1m2",          3, "M0V3E"          },
    {"m0m3m1.m2m4",        3, "M0V3V4E"        },
    {"m0m3q1m4m5",         3, "M0V3V5E"        }, /* each goes over what is in its body */
    {"m0m3l1m4m5",         3, "M0V3V5E"        },
    {"m0m3l2m4m5",         3, "M0V3V5E"        },
    {"m0m3r0m4m5",         3, "M0V3V5E"        },
    {"m0m3E01m4",           3, "M0V3E"             },
    {"m0m3E02m4",           3, "M0V3E"             },
    {"m0m1m3E01m4",         3, "M0M1V3E"           },
    {"m0m3e01m4",          3, "M0V3V4E"        },
    {"m0m3e02m4",          3, "M0V3V4E"        },
    {"m0l3m4m5",           3, "M0V3V5E"        },
    {"m0.l3m4m5",          3, "M0V3V5E"        },
    {"m0m3l4m5m5",         3, "M0V3V4V5E"      },
};
/* clang-format on */

/* Where the first lost place is, in 64 octets behind the header page; a message takes two. */
static const struct {
    const char *things;
    uint64_t from;
    uint64_t to;
} lost[] = {
    {"m0.m1",      2, 3},
    {"m0..m2",     2, 4},
    {"m0m2",       2, 2},
    {"m0.m0m2",    2, 5}, /* it does not begin anew behind what was there before */
    {"m0m1.E01m2", 4, 6},
    {"m0b1m2",     2, 4},
    {"m0.b1.m2",   2, 6},
    {"m0b1.E02",   2, 5},
};

static void test_lost(void)
{
    static uint8_t image[SIZE];
    for (size_t i = 0; i < sizeof lost / sizeof lost[0]; i++) {
        (void)make_row(lost[i].things, image);
        const struct rp_recover_source source = {
            .base = guard_copy(&guard, image, SIZE),
            .len = SIZE,
            .seed = rp_format_seed(identity, 1, 2),
            .limit = 9,
            .cap = CAP,
        };
        struct rp_recover recover;
        struct rp_recover_found found;
        rp_recover_init(&recover, &source);
        do {
            rp_recover_next(&recover, &found);
        } while (found.kind != RP_RECOVER_LOST && found.kind != RP_RECOVER_END);
        CU_ASSERT_EQUAL(found.kind, RP_RECOVER_LOST);
        CU_ASSERT_EQUAL(found.from, RP_SPOOL_BLOCK + 64 * lost[i].from);
        CU_ASSERT_EQUAL(found.to, RP_SPOOL_BLOCK + 64 * lost[i].to);
    }
}

/* What is found, as a row says it; places are checked, too. */
static void find_row(const struct rp_recover_source *source, char *text, size_t text_len)
{
    static const char letters[] = "MSKLVE";
    struct rp_recover recover;
    struct rp_recover_found found;
    size_t len = 0;
    const uint64_t end = (source->len + RP_SPOOL_BLOCK - 1) / RP_SPOOL_BLOCK * RP_SPOOL_BLOCK;
    rp_recover_init(&recover, source);
    do {
        rp_recover_next(&recover, &found);
        CU_ASSERT_TRUE(found.from <= found.to && found.from <= end);
        len += (size_t)snprintf(text + len, text_len - len, "%c", letters[found.kind]);
        if (found.kind != RP_RECOVER_END) {
            len += (size_t)snprintf(text + len, text_len - len, "%u", (unsigned)found.sequence);
        }
    } while (found.kind != RP_RECOVER_END && len + 4 < text_len);
    rp_recover_next(&recover, &found);
    CU_ASSERT_EQUAL(found.kind, RP_RECOVER_END);
}

static void test_rows(void)
{
    static uint8_t image[SIZE];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t len = (size_t)make_row(rows[i].things, image);
        const struct rp_recover_source source = {
            .base = guard_copy(&guard, image, len),
            .len = len,
            .seed = rp_format_seed(identity, 1, 2),
            .limit = rows[i].limit,
            .cap = CAP,
        };
        char text[64];
        find_row(&source, text, sizeof text);
        if (strcmp(text, rows[i].found) != 0) {
            (void)fprintf(stderr, "%s: %s, not %s\n", rows[i].things, text, rows[i].found);
        }
        CU_ASSERT_STRING_EQUAL(text, rows[i].found);
    }
}

/* ---- what becomes of it ---- */

/* clang-format off */
/* W whole, D damaged, U unfinished; n no tail, u unfinished, d damaged. */
static const struct place {
    const char *things;
    uint64_t limit;
    uint64_t proven;
    const char *entries;
    char tail;
    uint64_t unfinished;
    uint64_t keep_end; /* in 64 octets behind the header page; a block has 64 of them */
} places[] = {
    {"",                 9, 0, "",     'n', 0, 0  },
    {"",                 9, 2, "",     'n', 0, 0  }, /* nothing says where it would begin */
    {"B02m0m1e02",       9, 0, "WW",   'n', 0, 64 },
    {"B02m0m1e02",       9, 2, "WW",   'n', 0, 64 },
    /* END never reached the disk: its whole sector is zeros */
    {"B02m0m1Z",         9, 0, "WW",   'u', 0, 5  },
    {"B02m0m1Z",         9, 1, "WW",   'u', 0, 5  },
    {"B02m0m1Z",         9, 2, "WW",   'n', 0, 64 },
    {"B03m0m1b2Z",       9, 0, "WWU",  'u', 1, 5  },
    {"B03m0m1b2Z",       9, 3, "WWD",  'n', 0, 64 },
    {"B03m0m1Z",         9, 0, "WWU",  'u', 1, 5  },
    {"B03m0m1.Z",        9, 0, "WWU",  'u', 1, 5  },
    {"B03m0m1.Z",        9, 3, "WWD",  'n', 0, 64 },
    {"B03m0.m2Z",        9, 0, "WUW",  'u', 1, 6  },
    {"B03m0.m2Z",        9, 3, "WDW",  'n', 0, 64 },
    {"B03m0b1m2Z",       9, 0, "WUW",  'u', 1, 7  },
    {"B03.Z",            9, 0, "UUU",  'u', 3, 1  },
    {"B03.Z",            9, 3, "DDD",  'n', 0, 64 },
    /* a proof that ends within it is that of another batch: what it proves was there, no more */
    {"B03m0m1Z",         9, 2, "WWU",  'u', 1, 5  },
    {"B03m0.m2Z",        9, 2, "WDW",  'u', 0, 6  },
    {"B03.Z",            9, 1, "DUU",  'u', 2, 1  },
    {"B03.Z",            9, 2, "DDU",  'u', 1, 1  },
    /* END is zeros, but not its sector: it was there */
    {"B02m0m1",          9, 0, "WW",   'n', 0, 64 },
    {"B02m0m1",          9, 2, "WW",   'n', 0, 64 },
    {"B02m0m1zz",        9, 0, "WW",   'n', 0, 64 },
    {"B03m0m1b2",        9, 0, "WWD",  'n', 0, 64 },
    {"B03m0m1.",         9, 0, "WWD",  'n', 0, 64 },
    {"B03m0.m2",         9, 0, "WDW",  'n', 0, 64 },
    {"B03m0b1m2",        9, 0, "WDW",  'n', 0, 64 },
    {"B03.",             9, 0, "DDD",  'n', 0, 64 },
    /* END is there: damage, unless a sector is zeros that was none */
    {"B03m0.m2e03",      9, 0, "WDW",  'n', 0, 64 },
    {"B03m0b1m2e03",     9, 0, "WDW",  'n', 0, 64 },
    {"B03m0Zm2e03",      9, 0, "WUW",  'u', 1, 64 },
    {"B03m0Zm2e03",      9, 3, "WDW",  'n', 0, 64 },
    {"B02m0m1Ze02",      9, 0, "WW",   'u', 0, 64 },
    {".m0m1e02",         9, 0, "WW",   'n', 0, 64 },
    {"zm0m1e02",         9, 0, "WW",   'n', 0, 64 },
    {"zm0Zm2e03",        9, 0, "WUW",  'u', 1, 64 },
    {".Ze03",            9, 0, "UUU",  'u', 3, 64 },
    {"..e03",            9, 0, "DDD",  'n', 0, 64 },
    /* END is something else: the write was complete */
    {"B03m0b1x",         9, 0, "WDD",  'n', 0, 64 },
    {"B02m0m1x",         9, 0, "WW",   'n', 0, 64 },
    /* a later batch proves the earlier one */
    {"B03m0Zm2B31m3e34", 9, 0, "WDWW", 'n', 0, 128},
    {"B03m0m1ZB31m3Z",   9, 0, "WWDW", 'u', 0, 67 },
    {"B03m0m1B31m3",     9, 0, "WWDW", 'n', 0, 128},
    {"B03m0m1B31b3Z",    9, 0, "WWDU", 'u', 1, 65 },
    {"B03m0m1B31b3Z",    9, 3, "WWDU", 'u', 1, 65 },
    {"B03m0m1B31b3Z",    9, 4, "WWDD", 'n', 0, 128},
    {"B03m0m1B31b3",     9, 0, "WWDD", 'n', 0, 128},
    {"B01m0B11b1e12",    9, 0, "WD",   'n', 0, 128},
    {"B03m0.B31b3Z",     9, 0, "WDDU", 'u', 1, 65 },
    {"B03m0m1Zb2",       9, 0, "WWU",  'u', 1, 5  },
    /* neither mark: BEGIN's place says it; how far the batch went nobody knows */
    {".m0m1.",           9, 0, "WW",   'd', 0, 5  },
    {"zm0m1.",           9, 0, "WW",   'd', 0, 5  }, /* its sector has something */
    {"Zm0m1.",           9, 0, "WW",   'u', 0, 12 },
    {"Zm0m1",            9, 0, "WW",   'u', 0, 12 },
    {"Zm0m1",            9, 1, "WW",   'd', 0, 12 },
    {".m0b1.m2",         9, 0, "WDW",  'd', 0, 8  },
    {"zm0b1.m2",         9, 0, "WDW",  'd', 0, 8  },
    {"Zm0b1.m2",         9, 0, "WUW",  'u', 1, 15 },
    {".m0b1.",           9, 0, "WD",   'd', 0, 3  },
    {"zm0b1.",           9, 0, "WD",   'd', 0, 3  },
    {"Zm0b1.",           9, 0, "WU",   'u', 1, 10 },
    {"Zm0b1.",           9, 1, "WD",   'd', 0, 10 },
    {".b0.",             9, 0, "D",    'd', 0, 0  },
    {"Zb0.",             9, 0, "U",    'u', 1, 0  },
    /* nothing whole of the batch behind */
    {"B01m0e01..",       9, 0, "W",    'd', 0, 64 },
    {"B01m0e01z.",       9, 0, "W",    'd', 0, 64 },
    {"B01m0e01Z.",       9, 0, "W",    'u', 0, 64 },
    {"..",               9, 0, "",     'd', 0, 0  },
    {"z.",               9, 0, "",     'd', 0, 0  },
    {"Z.",               9, 0, "",     'u', 0, 0  },
    {"B02m0m1zzB21x.",   9, 0, "WWD",  'd', 0, 128},
    {"B02m0Zx..",        9, 0, "WU",   'd', 1, 3  },
    {"B02m0Zxz.",        9, 0, "WU",   'd', 1, 3  },
    {"B02m0ZxZ.",        9, 0, "WU",   'u', 1, 3  },
    /* void: what is before was committed */
    {"B01m0e01B11m1e12", 1, 0, "W",    'n', 0, 64 },
    {"B03m0Zm2B31m3",    3, 0, "WDW",  'n', 0, 64 },
    {"B03m0m1B31m3",     3, 0, "WWD",  'n', 0, 64 },
    {"B03m0m1.B31.m3",   3, 0, "WWD",  'n', 0, 64 },
};
/* clang-format on */

static const char *entries_text(const struct rp_recover_result *result)
{
    static char text[CAP + 1];
    for (uint64_t i = 0; i < result->count; i++) {
        const uint32_t flags = got_entries[i].flags;
        text[i] = flags == 0                           ? 'W'
                  : flags == RP_SPOOL_INDEX_DAMAGED    ? 'D'
                  : flags == RP_SPOOL_INDEX_UNFINISHED ? 'U'
                                                       : '?';
    }
    text[result->count] = '\0';
    return text;
}

static void test_places(void)
{
    static uint8_t image[SIZE];
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        const struct place *place = &places[i];
        (void)make_row(place->things, image);
        const struct rp_recover_source source = {
            .base = guard_copy(&guard, image, SIZE),
            .len = SIZE,
            .file_size = SIZE,
            .seed = rp_format_seed(identity, 1, 2),
            .first_sequence = i == 1 ? RP_FORMAT_SEQUENCE_NONE : 0,
            .limit = place->limit,
            .proven = place->proven,
            .cap = CAP,
        };
        struct rp_recover_result result;
        memset(got_entries, 0, sizeof got_entries);
        rp_recover_entries(&source, got_entries, &result);
        const char *text = entries_text(&result);
        bool is_fine = strcmp(text, place->entries) == 0 && "nudr"[result.tail] == place->tail &&
                       result.unfinished == place->unfinished &&
                       result.keep_end == RP_SPOOL_BLOCK + 64 * place->keep_end;
        if (!is_fine) {
            (void)fprintf(stderr, "%s (%u): %s tail %c unfinished %u keep %u\n", place->things,
                          (unsigned)place->proven, text, "nudr"[result.tail],
                          (unsigned)result.unfinished,
                          (unsigned)((result.keep_end - RP_SPOOL_BLOCK) / 64));
        }
        CU_ASSERT_TRUE(is_fine);
    }
}

/* ---- numbers that no index has room for ---- */

static void check_cap(const uint8_t *image, uint64_t first, uint64_t cap, uint64_t count)
{
    const struct rp_recover_source source = {
        .base = guard_copy(&guard, image, SIZE),
        .len = SIZE,
        .seed = rp_format_seed(identity, 1, 2),
        .first_sequence = first,
        .limit = RP_FORMAT_SEQUENCE_NONE,
        .proven = first == 7 ? 9 : 0,
        .cap = cap,
    };
    struct rp_recover_result result;
    memset(got_entries, 0, sizeof got_entries);
    rp_recover_entries(&source, got_entries, &result);
    CU_ASSERT_EQUAL(result.count, count);
    CU_ASSERT_TRUE(rp_format_is_zero((const uint8_t *)(got_entries + count),
                                     (CAP - count) * sizeof got_entries[0]));
}

static void test_cap(void)
{
    static uint8_t image[SIZE];
    (void)make_row("B08m0m7e08", image);
    for (int knows = 0; knows <= 1; knows++) {
        const uint64_t first = knows != 0 ? 0 : RP_FORMAT_SEQUENCE_NONE;
        check_cap(image, first, 9, 8);
        check_cap(image, first, 8, 8);
        check_cap(image, first, 7, 1);
        check_cap(image, first, 1, 1);
    }
    /* A mark alone, and a record alone, whose batch has more messages than there is room for. */
    const uint64_t seed = rp_format_seed(identity, 1, 2);
    for (uint64_t count = 3; count <= UINT32_MAX; count = count * 3000 + 5) {
        const struct rp_spool_batch_mark mark = {
            .batch_off = 1,
            .len = 640,
            .count = (uint32_t)count,
            .first_sequence = 7,
        };
        memset(image, 0, SIZE);
        put_mark(image + RP_SPOOL_BLOCK + 576, RP_SPOOL_END_MAGIC, &mark);
        check_cap(image, RP_FORMAT_SEQUENCE_NONE, CAP, count < CAP ? count : 0);
        /* BEGIN alone, with something in END's place. */
        memset(image, 0, SIZE);
        put_mark(image + RP_SPOOL_BLOCK, RP_SPOOL_BEGIN_MAGIC, &mark);
        memset(image + RP_SPOOL_BLOCK + 576, 0xee, 64);
        check_cap(image, 7, CAP, count < CAP ? count : 2);
        memset(image, 0, SIZE);
        struct rp_spool_record record = {
            .magic = rp_format_record_magic(seed),
            .batch_off = 1,
            .index = (uint32_t)count,
            .place = RP_SPOOL_BLOCK / RP_SPOOL_ALIGN + 1,
            .body_hash = rp_format_hash("", 0, 0),
            .sequence = 7 + count,
        };
        uint8_t *place = image + RP_SPOOL_BLOCK + 64;
        memcpy(place, &record, sizeof record);
        record.hash = rp_format_record_hash(place, 0, seed);
        memcpy(place, &record, sizeof record);
        check_cap(image, RP_FORMAT_SEQUENCE_NONE, CAP, count < CAP ? count + 1 : 0);
    }
}

int main(void)
{
    if (CU_initialize_registry() != CUE_SUCCESS) {
        return 1;
    }
    guard_open(&guard, SIZE);
    CU_pSuite suite = CU_add_suite("recover_rows", NULL, NULL);
    CU_ADD_TEST(suite, test_rows);
    CU_ADD_TEST(suite, test_lost);
    CU_ADD_TEST(suite, test_places);
    CU_ADD_TEST(suite, test_cap);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    unsigned run = CU_get_number_of_tests_run();
    CU_cleanup_registry();
    guard_close(&guard);
    return failures == 0 && run == 4 ? 0 : 1;
}
