#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""export --format jsonl: nothing is lost.

Goal: Python's json reads every line, and gets back body, envelope and identity exactly,
addresses that are no UTF-8 included.
"""
import base64
import json
import os
import unittest

from spool_case import SpoolCase, damage_body


class Jsonl(SpoolCase):
    def setUp(self):
        super().setUp()
        self.path = os.path.join(self.work, "mail.jsonl")

    def check(self, messages):
        with open(self.path, "rb") as file:
            lines = [json.loads(line) for line in file]
        self.assertEqual([line["id"] for line in lines], [message.id for message in messages])
        identity = {line["spool"] for line in lines}
        self.assertEqual(len(identity), 1)
        with open(os.path.join(self.dir, "spool.meta"), "rb") as file:
            self.assertIn(bytes.fromhex(identity.pop()), file.read())
        for line, message in zip(lines, messages):
            self.assertEqual(base64.b64decode(line["body_base64"], validate=True), message.body)
            self.assertEqual((line["time"], line["size"]), (message.time, len(message.body)))
            self.assertEqual((line["client"], line["helo"]), ("192.0.2.7", "client.example"))
            sender = base64.b64decode(line["sender_base64"]) if "sender_base64" in line \
                else line["sender"].encode()
            recipients = map(base64.b64decode, line["recipients_base64"]) \
                if "recipients_base64" in line else [r.encode() for r in line["recipients"]]
            self.assertEqual((sender, tuple(recipients)), (message.sender, message.recipients))

    def test_all(self):
        out = self.good("export", self.dir, "--format", "jsonl", "--to", self.path)
        self.assertEqual(out, b"%d messages exported, 0 there already, 0 damaged\n"
                         % len(self.messages))
        self.check(self.messages)
        with open(self.path, "rb") as file:
            self.assertTrue(file.read().isascii())

    def test_damaged(self):
        copy = self.copy_spool()
        damage_body(copy, self.messages[1])
        self.bad(1, f"message {self.messages[1].id} is damaged, left out", "export", copy,
                 "--format=jsonl", "--to", self.path)
        self.check(self.messages[:1] + self.messages[2:])


if __name__ == "__main__":
    unittest.main()
