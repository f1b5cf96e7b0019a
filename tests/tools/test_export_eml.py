#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""export --format eml: one file a message, byte for byte.

Goal: the directory holds each body under its id; a second export adds only what is new
and never touches what is there.
"""
import os
import unittest

from spool_case import SpoolCase, damage_body


class Eml(SpoolCase):
    def setUp(self):
        super().setUp()
        self.path = os.path.join(self.work, "out")

    def export(self, directory, *more):
        return self.good("export", directory, "--format", "eml", "--to", self.path,
                         *more).decode()

    def check(self, messages):
        self.assertEqual(sorted(os.listdir(self.path)), sorted(m.id + ".eml" for m in messages))
        for message in messages:
            with open(os.path.join(self.path, message.id + ".eml"), "rb") as file:
                self.assertEqual(file.read(), message.body)

    def test_all(self):
        count = len(self.messages)
        self.assertEqual(self.export(self.dir),
                         f"{count} messages exported, 0 there already, 0 damaged\n")
        self.check(self.messages)
        self.assertEqual(os.stat(self.path).st_mode & 0o777, 0o700)

    def test_again(self):
        self.export(self.dir, "--limit", 4)
        self.check(self.messages[:4])
        stamp = os.stat(os.path.join(self.path, self.messages[0].id + ".eml")).st_mtime_ns
        self.assertEqual(self.export(self.dir, "--limit", 6),
                         "2 messages exported, 4 there already, 0 damaged\n")
        self.check(self.messages[:6])
        self.assertEqual(os.stat(os.path.join(self.path, self.messages[0].id + ".eml")).st_mtime_ns,
                         stamp)

    def test_from(self):
        self.export(self.dir, "--from", self.messages[3].id, "--limit", 1)
        self.check(self.messages[3:4])

    def test_conflict(self):
        """Another file of that name stays as it is; the other messages are still exported."""
        os.mkdir(self.path)
        taken = os.path.join(self.path, self.messages[2].id + ".eml")
        with open(taken, "wb") as file:
            file.write(b"mine")
        out = self.bad(1, f"{taken}: another file has this name", "export", self.dir, "--format",
                       "eml", "--to", self.path)
        self.assertIn(b"0 there already", out)
        with open(taken, "rb") as file:
            self.assertEqual(file.read(), b"mine")
        self.assertEqual(len(os.listdir(self.path)), len(self.messages))

    def test_damaged(self):
        copy = self.copy_spool()
        damage_body(copy, self.messages[6])
        out = self.bad(1, f"message {self.messages[6].id} is damaged, left out", "export", copy,
                       "--format", "eml", "--to", self.path)
        self.assertIn(b"1 damaged", out)
        self.check(self.messages[:6] + self.messages[7:])

    def test_no_directory(self):
        with open(self.path, "wb"):
            pass
        self.bad(1, f"{self.path}: cannot use it as a directory: Not a directory", "export",
                 self.dir, "--format", "eml", "--to", self.path)


if __name__ == "__main__":
    unittest.main()
