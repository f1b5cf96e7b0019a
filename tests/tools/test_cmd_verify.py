#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""ringpost-spool verify: all damage is found, and named.

Goal: a whole spool gives exit 0 and the right sums; each damaged message gives one line with
its id and exit 1; the others are still counted. Method: one bit flipped in one message
after another, then in several; big bodies cut, altered, missing; progress on a terminal.
"""
import json
import os
import pty
import re
import subprocess
import unittest

from spool_case import PROGRAM, TIMEOUT, SpoolCase, damage_body, read_terminal, run


class Verify(SpoolCase):
    def setUp(self):
        super().setUp()
        self.octets = sum(len(message.body) for message in self.messages)

    def test_whole(self):
        self.assertRegex(self.good("verify", self.dir).decode(),
                         rf"^{len(self.messages)} whole messages with {self.octets} octets "
                         r"\(\d+\.\d MiB\), 0 damaged, 0 unreadable, 0 missing\n$")
        self.assertEqual(self.objects("verify", self.dir),
                         [{"messages": len(self.messages), "octets": self.octets, "damaged": 0,
                           "unreadable": 0, "missing": 0, "unfinished": 0, "problems": 0}])

    def check_damaged(self, copy, damaged, kind="damaged"):
        outcome = run("verify", copy, "--json")
        self.assertEqual((outcome.returncode, outcome.stderr), (1, b""))
        lines = [json.loads(line) for line in outcome.stdout.splitlines()]
        self.assertEqual([line["id"] for line in lines[:-1]], [m.id for m in damaged])
        self.assertTrue(all(line["damage"] for line in lines[:-1]))
        self.assertTrue(all(line["kind"] == kind for line in lines[:-1]))
        whole = self.octets - sum(len(message.body) for message in damaged)
        wanted = {"messages": len(self.messages) - len(damaged), "octets": whole, "damaged": 0,
                  "unreadable": 0, "missing": 0, "unfinished": 0, "problems": 0}
        wanted[kind] = len(damaged)
        self.assertEqual(lines[-1], wanted)
        text = run("verify", copy)
        self.assertEqual(text.returncode, 1)
        self.assertEqual(len(text.stdout.splitlines()), len(damaged) + 1)
        for message, line in zip(damaged, text.stdout.decode().splitlines()):
            self.assertTrue(line.startswith(message.id + ": "), line)

    def test_each(self):
        copy = self.copy_spool()
        for message in self.messages:
            if message.body and not message.is_big:
                damage_body(copy, message)
                self.check_damaged(copy, [message])
                damage_body(copy, message)  # the same bit back
        self.good("verify", copy)

    def test_several(self):
        copy = self.copy_spool()
        damaged = [m for number, m in enumerate(self.messages) if number % 3 == 1 or m.is_big]
        for message in damaged:
            damage_body(copy, message)
        self.check_damaged(copy, damaged)

    def test_missing_big_body(self):
        copy = self.copy_spool()
        for name in os.listdir(os.path.join(copy, "big")):
            os.unlink(os.path.join(copy, "big", name))
        self.check_damaged(copy, [message for message in self.messages if message.is_big],
                           "missing")
        self.assertIn(b"the file of its body is missing", run("verify", copy).stdout)

    def test_progress(self):
        """Only on a terminal, and it is gone at the end."""
        copy = self.copy_spool()
        damage_body(copy, self.messages[9])
        leader, follower = pty.openpty()
        with subprocess.Popen([PROGRAM, "verify", copy], stderr=follower,
                              stdout=subprocess.PIPE) as process:
            os.close(follower)
            out = process.stdout.read()
            self.assertEqual(process.wait(TIMEOUT), 1)
        shown = read_terminal(leader).decode()
        self.assertNotIn(b"\r", out)
        self.assertRegex(shown, r"\r\d+ messages, \d+ MB, \d+%")
        self.assertTrue(shown.endswith("\r\x1b[K"), repr(shown))
        self.assertTrue(all(int(percent) <= 100 for percent in re.findall(r"(\d+)%", shown)))


if __name__ == "__main__":
    unittest.main()
