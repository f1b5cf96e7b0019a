#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""ringpost-spool cat: the body byte for byte, or nothing.

Goal: each body comes out as it went in; of a damaged message not one octet does.
Method: every fixed message; then every kind of damage to some of them, at both ends and
in the middle of header, envelope and body.
"""
import os
import unittest

from spool_case import SpoolCase, damage_body, flip, place


class Cat(SpoolCase):
    def test_bodies(self):
        for message in self.messages:
            self.assertEqual(self.good("cat", self.dir, message.id), message.body)

    def test_no_such_message(self):
        self.bad(2, "this is no ID", "cat", self.dir, "1")
        self.bad(2, "this is no ID", "cat", self.dir, self.messages[0].id + "0")
        self.bad(1, "no such message in", "cat", self.dir, "000-00000000ff-000040")
        # Between two messages there is none.
        lane, segment, block = self.messages[4].id.split("-")
        inside = f"{lane}-{segment}-{int(block, 16) + 1:06x}"
        self.bad(1, "no such message in", "cat", self.dir, inside)

    def test_damage(self):
        copy = self.copy_spool()
        for message in (self.messages[2], self.messages[9], self.messages[14]):
            path, offset, envelope_len = place(copy, message.id)
            end = offset + 64 + envelope_len + len(message.body)
            for at in (offset, offset + 20, offset + 63, offset + 64, offset + 64 + envelope_len,
                       end - 1):
                flip(path, at)
                out = self.bad(1, f"message {message.id} is damaged: ", "cat", copy, message.id)
                self.assertEqual(out, b"")
                flip(path, at)
            self.assertEqual(self.good("cat", copy, message.id), message.body)

    def test_damage_of_big_bodies(self):
        copy = self.copy_spool()
        for message in self.messages:
            if not message.is_big:
                continue
            path = damage_body(copy, message)
            self.assertEqual(self.bad(1, f"message {message.id} is damaged: a checksum is wrong",
                                      "cat", copy, message.id), b"")
            with open(path, "wb") as file:
                file.write(message.body[:-1])
            self.assertEqual(self.bad(1, "is damaged: a checksum is wrong", "cat", copy,
                                      message.id), b"")
            os.unlink(path)
            self.assertEqual(self.bad(1, "is damaged: the file of its body is missing", "cat",
                                      copy, message.id), b"")


if __name__ == "__main__":
    unittest.main()
