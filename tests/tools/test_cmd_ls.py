#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""ringpost-spool ls: every message once, in order, as it was written.

Goal: list, --from, --limit and --json agree with the messages that were put in, of a
spool that was closed, one whose writer was killed, and one with damage in it.
"""
import base64
import os
import pty
import unittest

from spool_case import START_NS, Message, Spool, SpoolCase, damage_body, read_terminal, run


def as_object(message):
    """What --json must say of a message."""
    wanted = {"id": message.id, "time": message.time, "size": len(message.body)}
    try:
        wanted["sender"] = message.sender.decode()
    except UnicodeDecodeError:
        wanted["sender_base64"] = base64.b64encode(message.sender).decode()
    try:
        wanted["recipients"] = [recipient.decode() for recipient in message.recipients]
    except UnicodeDecodeError:
        wanted["recipients_base64"] = [base64.b64encode(recipient).decode()
                                       for recipient in message.recipients]
    return wanted


def escaped(octets):
    """As text shows an address: \\xNN for controls, backslashes and what is no UTF-8."""
    text = ""
    for character in octets.decode("utf-8", "surrogateescape"):
        if not character.isprintable() or character == "\\":
            text += "".join(f"\\x{octet:02x}"
                            for octet in character.encode("utf-8", "surrogateescape"))
        else:
            text += character
    return text


class Ls(SpoolCase):
    def test_json(self):
        self.assertEqual(self.objects("ls", self.dir), [as_object(m) for m in self.messages])

    def test_text(self):
        lines = self.good("ls", self.dir).decode().splitlines()
        self.assertEqual(len(lines), len(self.messages))
        for line, message in zip(lines, self.messages):
            id_text, time, size, rest = line.split(maxsplit=3)
            self.assertEqual((id_text, time, int(size)),
                             (message.id, message.time, len(message.body)))
            sender = escaped(message.sender) or "<>"
            recipients = ",".join(escaped(recipient) for recipient in message.recipients)
            self.assertEqual(rest, f"{sender:30}  {recipients}")

    def test_from_and_limit(self):
        ids = [message.id for message in self.messages]
        for start in (0, 5, len(ids) - 1):
            for limit in (1, 3, 100):
                listed = self.objects("ls", self.dir, "--from", ids[start], "--limit", limit)
                self.assertEqual([entry["id"] for entry in listed], ids[start:start + limit])

    def test_no_such_id(self):
        self.bad(2, "nonsense: this is no ID; one looks like 000-", "ls", self.dir, "--from",
                 "nonsense")
        self.bad(1, "00f-0000000001-000040: no such message", "ls", self.dir, "--from",
                 "00f-0000000001-000040")

    def test_terminal(self):
        """On a terminal there is a head, and nothing that the terminal acts on."""
        leader, follower = pty.openpty()
        outcome = run("ls", self.dir, stdout=follower)
        os.close(follower)
        octets = read_terminal(leader)
        self.assertEqual(outcome.returncode, 0)
        lines = octets.decode().split("\r\n")
        self.assertRegex(lines[0], r"^ID +TIME +SIZE +SENDER +RECIPIENTS$")
        self.assertEqual(len(lines), len(self.messages) + 2)
        self.assertFalse(any(ord(c) < 32 or 127 <= ord(c) < 160 for line in lines for c in line))

    def test_damaged(self):
        copy = self.copy_spool()
        damage_body(copy, self.messages[4])
        listed = self.bad(1, f"{copy}: 1 damaged message; ringpost-spool verify {copy} says",
                          "ls", copy).decode().splitlines()
        self.assertEqual(len(listed), len(self.messages))
        self.assertRegex(listed[4], rf"^{self.messages[4].id} .* \(damaged\)$")

    def test_empty_spool(self):
        spool = Spool(os.path.join(self.work, "spool"))
        spool.end()
        self.assertEqual(self.good("ls", spool.path), b"")

    def test_open_and_killed_writer(self):
        """What was committed is listed, what was not is not; also after the writer is gone."""
        spool = Spool(os.path.join(self.work, "spool"))
        for number in range(3):
            spool.add(Message(b"%d" % number))
        spool.commit()
        spool.add(Message(b"never committed", time_ns=START_NS))
        for is_killed in (False, True):
            if is_killed:
                spool.end(is_killed=True)
            self.assertEqual(self.objects("ls", spool.path),
                             [as_object(m) for m in spool.messages[:3]])


if __name__ == "__main__":
    unittest.main()
