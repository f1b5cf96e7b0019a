#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The oracle of this folder: it must see each way in which a spool can be wrong, and no other.

Method: what was read is made by hand, without a spool or a disk; so are the files that damage is
looked up in.
"""
import os
import random
import shutil
import tempfile
import unittest

import logdisk  # noqa: F401  First: it says where harness.py is.
import damage
import harness
import judge
import mail

PLACE = 1000


def make(count=4):
    """Messages of which the first half had its 250 before the place."""
    messages = mail.make(count, "judge")
    for message in messages:
        message.ident = f"000-0000000001-{message.number:06x}"
        message.sent_at = PLACE - 100
        message.kept_at = PLACE if message.number <= count // 2 else PLACE + 1
    return messages


def row(message):
    return message.ident, message.body, message.sender, (message.recipient,)


def found(rows, status=0, reported=0):
    it = judge.Found()
    it.rows, it.python_rows = list(rows), list(rows)
    it.listed = [each[0] for each in rows]
    it.status, it.reported = status, reported
    return it


class Judge(unittest.TestCase):
    def setUp(self):
        self.messages = make()
        self.rows = [row(message) for message in self.messages]

    def faults(self, it, harm=judge.WHOLE):
        return judge.judge(it, self.messages, PLACE, harm)

    def refuse(self, it, pattern, harm=judge.WHOLE):
        faults = self.faults(it, harm)
        self.assertEqual(len(faults), 1, faults)
        self.assertRegex(faults[0], pattern)

    def test_good(self):
        for count in (2, 3, 4):
            self.assertEqual(self.faults(found(self.rows[:count])), [])

    def test_lost(self):
        self.refuse(found(self.rows[1:]), "untouched and not there: 1: 1 ")
        self.refuse(found(self.rows[1:], 1, 1), "untouched and not there",
                    judge.Harm(touched={2}))

    def test_touched(self):
        harm = judge.Harm(touched={1, 2})
        self.assertEqual(self.faults(found(self.rows[:2]), harm), [])
        self.assertEqual(self.faults(found(self.rows[:1], 1, 1), harm), [])
        self.assertEqual(self.faults(found([], 1, 2), harm), [])
        self.refuse(found(self.rows[:1]), "touched and not there, verify reports 0", harm)
        self.refuse(found(self.rows[:1], 0, 1), "status 0", harm)
        self.refuse(found(self.rows[:1], 1, 0), "status 1", harm)
        self.refuse(found([], 1, 1), "touched and not there", harm)
        self.assertEqual(self.faults(found([], 1, 1), harm._replace(is_countable=False)), [])
        self.refuse(found([]), "touched and not there", harm._replace(is_countable=False))

    def test_altered(self):
        ident, body, sender, recipients = self.rows[0]
        for bad in ((ident, body + b"x", sender, recipients), (ident, body[1:], sender, recipients),
                    (ident, body, "x" + sender, recipients), (ident, body, sender, ())):
            self.refuse(found([self.rows[1], self.rows[0], bad]), "none of the messages")

    def test_twice(self):
        other = ("000-0000000001-0000ff", *self.rows[2][1:])
        self.refuse(found(self.rows + [other]), "message 3 is there twice")

    def test_another_id(self):
        self.rows[0] = ("000-0000000001-0000ff", *self.rows[0][1:])
        faults = self.faults(found(self.rows))
        self.assertRegex("\n".join(faults), "message 1 is 000-0000000001-0000ff, its 250 said")

    def test_before_it_was_sent(self):
        self.messages[3].sent_at = PLACE
        self.refuse(found(self.rows), "message 4 is there before it was sent")

    def test_told_as_unfinished(self):
        """Only where whole sectors became zeros, and only as many as are said to be."""
        harm = judge.Harm(touched={1, 2}, is_zeroed=True)
        it = found([])
        it.unfinished = 2
        self.assertEqual(self.faults(it, harm), [])
        self.refuse(it, "touched and not there", harm._replace(is_zeroed=False))
        it.unfinished = 1
        self.refuse(it, "touched and not there", harm)

    def test_reported_without_harm(self):
        self.refuse(found(self.rows, 1, 1), "nothing was harmed")
        self.refuse(found(self.rows, 1, 0), "nothing was harmed")
        self.assertEqual(self.faults(found(self.rows, 1, 1), judge.Harm()), [])

    def test_readers_that_disagree(self):
        it = found(self.rows)
        it.python_rows.pop()
        self.refuse(it, "the Python reader gives 3")
        it = found(self.rows)
        it.listed.pop()
        self.refuse(it, "ls shows 3")
        it = found(self.rows)
        it.python_error = "KeyError: 1"
        self.refuse(it, "KeyError")
        it = found(self.rows)
        it.errors = ["verify: status -7"]
        self.refuse(it, "-7")


class Damage(unittest.TestCase):
    """A file with messages as a spool may keep them: some octets, envelope, body, some octets."""

    def setUp(self):
        self.messages = make(3)
        self.spool = tempfile.mkdtemp(prefix="ringpost-judge-")
        self.addCleanup(shutil.rmtree, self.spool)
        self.path = os.path.join(self.spool, "1.seg")
        octets = b"H" * 100
        self.bounds = []
        for message in self.messages:
            # The second one's body is elsewhere.
            head = b"R" * 64 + message.sender.encode() + b"E" * 50
            body = message.body if message.number != 2 else b""
            self.bounds.append((len(octets), len(octets) + len(head + body)))
            octets += head + body + bytes(64)
        with open(self.path, "wb") as stream:
            stream.write(octets)
        self.size = len(octets)

    def test_touched(self):
        segment = damage.Segment(self.path, self.messages)
        for begin in range(self.size):
            own = {number for number, bound in enumerate(self.bounds, 1)
                   if bound[0] <= begin < bound[1]}
            told = segment.touched(begin, begin + 1)
            self.assertLessEqual(own, told, begin)
            # At most the one that lies behind, or the one before whose body is elsewhere.
            self.assertLessEqual(len(told), 2 if 2 in told else 1, begin)
        self.assertEqual(segment.touched(0, self.size), {1, 2, 3})
        begin, end = self.bounds[0][1], self.bounds[1][1]
        self.assertEqual(segment.touched(begin, end), {2, 3})

    def test_strike(self):
        with open(self.path, "rb") as stream:
            before = stream.read()
        for seed in range(50):
            striker = damage.Damage(self.spool, self.messages, random.Random(seed))
            self.assertRegex(striker.strike("segment"), r"^\w+ \d+-\d+ of 1\.seg$")
            with open(self.path, "rb") as stream:
                after = stream.read()
            changed = [at for at in range(self.size) if before[at] != after[at]]
            self.assertTrue(changed)
            self.assertLessEqual(changed[-1] - changed[0], 511)
            for number, bound in enumerate(self.bounds, 1):
                if any(bound[0] <= at < bound[1] for at in changed):
                    self.assertIn(number, striker.touched)
            with open(self.path, "wb") as stream:
                stream.write(before)
        self.assertIsNone(striker.strike("index"))


if __name__ == "__main__":
    harness.main(needs_build=False)
