#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""export --format mbox: what a mail reader finds there.

Goal: Python's mailbox.mbox finds as many messages as there are, each with its sender and
date, and after taking one ">" off, its text: the body with LF line ends.
"""
import mailbox
import os
import re
import time
import unittest

from spool_case import SpoolCase, damage_body, run


def as_text(body):
    """The body as an mbox can hold it."""
    text = body.replace(b"\r\n", b"\n")
    return text if text.endswith(b"\n") or not text else text + b"\n"


def unquote(octets):
    return re.sub(rb"(?m)^>(>*From )", rb"\1", octets)


class Mbox(SpoolCase):
    def setUp(self):
        super().setUp()
        self.path = os.path.join(self.work, "mbox")

    def export(self, directory, *more):
        return self.good("export", directory, "--format", "mbox", "--to", self.path,
                         *more).decode()

    def check(self, messages):
        box = mailbox.mbox(self.path, create=False)
        self.addCleanup(box.close)
        self.assertEqual(len(box), len(messages))
        for found, message in zip(box.keys(), messages):
            self.assertEqual(unquote(box.get_bytes(found)), as_text(message.body), message.id)
            sender, date = box[found].get_from().split(" ", 1)
            word = re.sub(rb"[^!-~]", b"-", message.sender).decode() or "MAILER-DAEMON"
            self.assertEqual(sender, word)
            self.assertEqual(date, time.asctime(time.gmtime(message.time_ns // 10**9)))

    def test_all(self):
        count = len(self.messages)
        self.assertEqual(self.export(self.dir),
                         f"{count} messages exported, 0 there already, 0 damaged\n")
        self.check(self.messages)
        self.assertEqual(os.listdir(self.work), ["mbox"])

    def test_replaced(self):
        """What is there is replaced, but only at the end."""
        self.export(self.dir)
        self.export(self.dir, "--from", self.messages[2].id, "--limit", 3)
        self.check(self.messages[2:5])

    def test_stdout(self):
        self.export(self.dir)
        with open(self.path, "rb") as file:
            wanted = file.read()
        with open(self.path + "2", "wb") as file:
            text = b"%d messages exported, 0 there already, 0 damaged\n" % len(self.messages)
            outcome = run("export", self.dir, "--format", "mbox", "--to", "-", stdout=file)
        self.assertEqual((outcome.returncode, outcome.stderr), (0, text))
        with open(self.path + "2", "rb") as file:
            self.assertEqual(file.read(), wanted)

    def test_damaged(self):
        copy = self.copy_spool()
        damage_body(copy, self.messages[4])
        self.bad(1, f"message {self.messages[4].id} is damaged, left out", "export", copy,
                 "--format", "mbox", "--to", self.path)
        self.check(self.messages[:4] + self.messages[5:])


if __name__ == "__main__":
    unittest.main()
