/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_walk.c - all messages in turn, whatever becomes of some of them.
 *
 * Goal: whole messages are handed out, damaged ones named, those that went away with their
 * segment passed over, and an error ends the walk; one message is open at a time. Method:
 * a scripted reader (fake_reader.h); every row of up to four kinds of message against
 * what the row itself says must come out, at every limit.
 */
#include "capture.h"
#include "fake_reader.h"
#include "suite.h"
#include "tools/walk.h"

#include <errno.h>
#include <stdbool.h>

static struct capture capture;
static struct rp_walk walk;

enum kind {
    WHOLE,
    DAMAGED,
    LOST, /* recovery found no record */
    UNREADABLE,
    SEGMENT_GONE,
    GONE, /* with its segment, after next */
    BIG_GONE,
    NO_MEMORY,
    NEXT_FAILS,
    KIND_COUNT,
};

static const struct {
    struct fake_message message;
    enum rp_walk_step step; /* what the walk says of it; END: passed over */
} kinds[KIND_COUNT] = {
    [WHOLE] = {{.id = "w"},                                             RP_WALK_MESSAGE},
    [DAMAGED] = {{.id = "d", .view_error = -EBADMSG},                     RP_WALK_DAMAGED},
    [LOST] = {{.id = "l", .view_error = -EBADMSG, .is_damaged = true}, RP_WALK_DAMAGED},
    [UNREADABLE] = {{.id = "u", .view_error = -EIO},                         RP_WALK_DAMAGED},
    [SEGMENT_GONE] = {{.id = "s", .view_error = -ENOENT, .is_damaged = true},  RP_WALK_DAMAGED},
    [GONE] = {{.id = "g", .view_error = -ENOENT},                      RP_WALK_END    },
    [BIG_GONE] = {{.id = "b", .view_error = -ENOENT, .is_big = true},      RP_WALK_DAMAGED},
    [NO_MEMORY] = {{.id = "m", .view_error = -ENOMEM},                      RP_WALK_FAILED },
    [NEXT_FAILS] = {{.id = "n", .next_error = -EIO},                         RP_WALK_FAILED },
};

/* False: the walk did other than the row of kinds says. */
static bool check_row(const enum kind *row, size_t count, uint64_t limit)
{
    if (rp_walk_open(&walk, "d", "start", limit) != RP_EXIT_FINE) {
        return false;
    }
    bool is_right = true;
    uint64_t left = limit;
    uint64_t damaged = 0;
    size_t at = 0;
    for (;;) {
        while (left > 0 && at < count && kinds[row[at]].step == RP_WALK_END) {
            at++;
        }
        enum rp_walk_step wanted = left == 0     ? RP_WALK_LIMIT
                                   : at == count ? RP_WALK_END
                                                 : kinds[row[at]].step;
        is_right = is_right && rp_walk_next(&walk) == wanted;
        is_right = is_right && (walk.view != NULL) == (wanted == RP_WALK_MESSAGE);
        is_right = is_right && (walk.damage != NULL) == (wanted == RP_WALK_DAMAGED);
        is_right = is_right && fake.views_open == (wanted == RP_WALK_MESSAGE);
        if (wanted > RP_WALK_DAMAGED || !is_right) {
            break;
        }
        is_right = strcmp(walk.entry.id.text, kinds[row[at]].message.id) == 0;
        damaged += wanted == RP_WALK_DAMAGED;
        left--;
        at++;
    }
    is_right = is_right && walk.damaged == damaged;
    rp_walk_close(&walk);
    return is_right && fake.views_open == 0 && fake.readers_open == 0;
}

static void test_all_rows(void)
{
    size_t failures = 0;
    size_t combinations = 1;
    int old = capture_stderr(&capture);
    for (size_t count = 0; count <= 4; count++, combinations *= KIND_COUNT) {
        for (size_t number = 0; number < combinations; number++) {
            enum kind row[4] = {WHOLE};
            struct fake_message messages[4];
            size_t rest = number;
            for (size_t index = 0; index < count; index++, rest /= KIND_COUNT) {
                row[index] = (enum kind)(rest % KIND_COUNT);
                messages[index] = kinds[row[index]].message;
            }
            fake = (struct fake){.messages = messages, .message_count = count};
            for (uint64_t limit = 1; limit <= 5; limit++) {
                failures += !check_row(row, count, limit);
            }
            failures += !check_row(row, count, UINT64_MAX);
        }
    }
    (void)capture_end_stderr(&capture, old);
    CU_ASSERT_EQUAL(failures, 0);
}

static void test_from(void)
{
    const struct fake_message messages[] = {{.id = "a"}, {.id = "b"}, {.id = "c"}};
    fake = (struct fake){.messages = messages, .message_count = 3};
    CU_ASSERT_EQUAL_FATAL(rp_walk_open(&walk, "d", "b", UINT64_MAX), RP_EXIT_FINE);
    CU_ASSERT_EQUAL(rp_walk_next(&walk), RP_WALK_MESSAGE);
    CU_ASSERT_STRING_EQUAL(walk.entry.id.text, "b");
    rp_walk_close(&walk);

    CU_ASSERT_EQUAL_FATAL(rp_walk_open(&walk, "d", "end", UINT64_MAX), RP_EXIT_FINE);
    CU_ASSERT_EQUAL(rp_walk_next(&walk), RP_WALK_END);
    /* It goes on when a message lands. */
    const struct fake_message more[] = {{.id = "a"}, {.id = "b"}, {.id = "c"}, {.id = "e"}};
    fake.messages = more;
    fake.message_count = 4;
    CU_ASSERT_EQUAL(rp_walk_next(&walk), RP_WALK_MESSAGE);
    CU_ASSERT_STRING_EQUAL(walk.entry.id.text, "e");
    rp_walk_close(&walk);
}

static void check_open(const struct fake *script,
                       const char *from,
                       enum rp_failure_exit outcome,
                       const char *text)
{
    fake = *script;
    int old = capture_stderr(&capture);
    enum rp_failure_exit actual = rp_walk_open(&walk, "d", from, 1);
    rp_walk_close(&walk);
    const char *said = capture_end_stderr(&capture, old);
    CU_ASSERT_EQUAL(actual, outcome);
    CU_ASSERT_PTR_NOT_NULL(strstr(said, text));
    CU_ASSERT_EQUAL(fake.readers_open, 0);
}

static void test_open_fails(void)
{
    check_open(&(struct fake){.open_error = -EINVAL}, "start", RP_EXIT_FAILED,
               "d: no spool here (there is no spool.meta)");
    check_open(&(struct fake){.seek_error = -EINVAL}, "middle", RP_EXIT_USAGE,
               "middle: this is no ID");
    check_open(&(struct fake){.seek_error = -ENOENT}, "x", RP_EXIT_FAILED,
               "x: no such message in d");
    check_open(&(struct fake){.seek_end_error = -EIO}, "end", RP_EXIT_FAILED,
               "d: Input/output error");
}

static void test_conclude(void)
{
    const struct fake_message messages[] = {kinds[DAMAGED].message, kinds[WHOLE].message};
    fake = (struct fake){.messages = messages, .message_count = 2};
    CU_ASSERT_EQUAL_FATAL(rp_walk_open(&walk, "d", "start", UINT64_MAX), RP_EXIT_FINE);
    CU_ASSERT_EQUAL(rp_walk_conclude(&walk), RP_EXIT_FINE);
    CU_ASSERT_EQUAL(rp_walk_next(&walk), RP_WALK_DAMAGED);
    int old = capture_stderr(&capture);
    enum rp_failure_exit outcome = rp_walk_conclude(&walk);
    const char *said = capture_end_stderr(&capture, old);
    CU_ASSERT_EQUAL(outcome, RP_EXIT_FAILED);
    CU_ASSERT_STRING_EQUAL(said, "ringpost-spool: d: 1 damaged message; ringpost-spool verify d "
                                 "says what is wrong\n");
    rp_walk_close(&walk);
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"all rows of up to four messages", test_all_rows  },
        {"where it begins",                 test_from      },
        {"it cannot begin",                 test_open_fails},
        {"the conclusion",                  test_conclude  },
    };
    capture_open(&capture);
    int outcome = SUITE_RUN("tools/walk", tests, argc, argv);
    capture_close(&capture);
    return outcome;
}
