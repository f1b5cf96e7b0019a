/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_pick.c - one message by its id, or one line why not.
 *
 * Goal: only a whole message is handed out; every error of the reader has its words and
 * its exit status; nothing stays open. Method: a reader that is scripted (fake_reader.h)
 * gives each error in turn.
 */
#include "capture.h"
#include "fake_reader.h"
#include "suite.h"
#include "tools/pick.h"

#include <errno.h>
#include <stdbool.h>

#define ID "000-0000000001-000040"

static struct capture capture;

static void test_whole(void)
{
    const struct fake_message messages[] = {
        {.id = ID, .body = (const uint8_t *)"body", .body_len = 4},
    };
    fake = (struct fake){.messages = messages, .message_count = 1};
    struct rp_pick pick;
    CU_ASSERT_EQUAL_FATAL(rp_pick_open(&pick, "d", ID), RP_EXIT_FINE);
    CU_ASSERT_STRING_EQUAL(pick.entry.id.text, ID);
    CU_ASSERT_PTR_NOT_NULL(pick.view);
    CU_ASSERT_EQUAL(fake.readers_open, 1);
    CU_ASSERT_EQUAL(fake.views_open, 1);
    rp_pick_close(&pick);
    CU_ASSERT_EQUAL(fake.readers_open, 0);
    CU_ASSERT_EQUAL(fake.views_open, 0);
    rp_pick_close(&pick); /* a zeroed one is fine */
}

static void check(const struct fake *script,
                  const char *id,
                  enum rp_failure_exit outcome,
                  const char *text)
{
    fake = *script;
    struct rp_pick pick;
    int old = capture_stderr(&capture);
    enum rp_failure_exit actual = rp_pick_open(&pick, "d", id);
    const char *said = capture_end_stderr(&capture, old);
    CU_ASSERT_EQUAL(actual, outcome);
    CU_ASSERT_STRING_EQUAL(said, text);
    CU_ASSERT_EQUAL(fake.readers_open, 0);
    CU_ASSERT_EQUAL(fake.views_open, 0);
}

static void test_no_message(void)
{
    check(&(struct fake){.open_error = -ENOTDIR}, ID, RP_EXIT_FAILED,
          "ringpost-spool: d: this is no directory; give the directory that ringpostd's -s "
          "names\n");
    check(&(struct fake){.seek_error = -EINVAL}, "x\n", RP_EXIT_USAGE,
          "ringpost-spool: x\\x0a: this is no ID; one looks like 000-0000000001-000040, see "
          "ringpost-spool ls d\n");
    check(&(struct fake){.seek_error = -ENOENT}, ID, RP_EXIT_FAILED,
          "ringpost-spool: " ID ": no such message in d; ringpost-spool ls d lists them\n");
    check(&(struct fake){.seek_error = -ENOMEM}, ID, RP_EXIT_FAILED,
          "ringpost-spool: d: message " ID ": Cannot allocate memory\n");
}

static void check_damage(struct fake_message message, const char *text)
{
    message.id = ID;
    check(&(struct fake){.messages = &message, .message_count = 1}, ID, RP_EXIT_FAILED, text);
}

static void test_damage(void)
{
#define DAMAGED "ringpost-spool: d: message " ID " is damaged: "
    check_damage((struct fake_message){.is_damaged = true, .view_error = -EBADMSG},
                 DAMAGED "recovery found its record, or its body, lost\n");
    check_damage((struct fake_message){.is_damaged = true, .view_error = -EIO},
                 DAMAGED "the disk cannot read it (I/O error)\n");
    check_damage((struct fake_message){.is_damaged = true, .view_error = -ENOENT},
                 DAMAGED "the file of its segment is missing\n");
    check_damage((struct fake_message){.view_error = -EBADMSG},
                 DAMAGED "the checksum of the record is wrong\n");
    check_damage((struct fake_message){.view_error = -EBADMSG, .is_big = true},
                 DAMAGED "a checksum is wrong, of the record or of its body's file\n");
    check_damage((struct fake_message){.view_error = -ENOENT, .is_big = true},
                 DAMAGED "the file of its body is missing\n");
    check_damage((struct fake_message){.view_error = -EIO},
                 DAMAGED "the disk cannot read it (I/O error)\n");
    check_damage((struct fake_message){.view_error = -ENOENT},
                 "ringpost-spool: " ID ": no such message in d; ringpost-spool ls d lists them\n");
    check_damage((struct fake_message){.view_error = -EMFILE},
                 "ringpost-spool: d: message " ID ": Too many open files\n");
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"a whole message",   test_whole     },
        {"no message",        test_no_message},
        {"a damaged message", test_damage    },
    };
    capture_open(&capture);
    int outcome = SUITE_RUN("tools/pick", tests, argc, argv);
    capture_close(&capture);
    return outcome;
}
