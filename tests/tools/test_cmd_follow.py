#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""ringpost-spool follow: new messages, each at once, each once.

Goal: a message is printed as soon as it is published, while the writer goes on; SIGINT
and SIGTERM end it with 0. Method: a writer and a follower side by side, in step with each
other, so that no time is guessed: what is awaited is the line itself.
"""
import json
import os
import select
import signal
import subprocess
import unittest

from spool_case import PROGRAM, TIMEOUT, Message, Spool, SpoolCase


class Follow(SpoolCase):
    def start(self, *arguments):
        process = subprocess.Popen([PROGRAM, "follow", *arguments, "--json"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait, TIMEOUT)
        self.addCleanup(process.kill)
        return process

    def finish(self, process, number=signal.SIGINT):
        process.send_signal(number)
        out, err = process.communicate(timeout=TIMEOUT)
        self.assertEqual((process.returncode, out, err), (0, b"", b""))

    def next_id(self, process):
        return json.loads(process.stdout.readline())["id"]

    def test_as_they_land(self):
        """From the start of a spool that has no message yet; over lanes and segments."""
        spool = Spool(os.path.join(self.work, "spool"), lanes=2)
        process = self.start(spool.path, "--from", "start")
        for number in range(12):
            message = spool.add(Message(b"x" * 300_000, lane=number % 2))
            spool.commit()
            self.assertEqual(self.next_id(process), message.id)
        spool.end()
        self.finish(process)

    def test_from_the_end(self):
        spool = Spool(os.path.join(self.work, "spool"))
        old = spool.add(Message(b"old"))
        spool.commit()
        # It prints nothing of the old one, and when it has begun only it knows: so
        # messages are added until one shows.
        process = self.start(spool.path)
        while not select.select([process.stdout], [], [], 0.05)[0]:
            spool.add(Message(b"new"))
            spool.commit()
        line = process.stdout.readline()
        first = json.loads(line)["id"]
        ids = [message.id for message in spool.messages]
        self.assertNotEqual(first, old.id)
        for wanted in ids[ids.index(first) + 1:]:
            self.assertEqual(self.next_id(process), wanted)
        self.finish(process, signal.SIGTERM)
        spool.end()

    def test_from_an_id(self):
        process = self.start(self.dir, "--from", self.messages[3].id)
        for message in self.messages[3:]:
            self.assertEqual(self.next_id(process), message.id)
        self.finish(process)

    def test_limit(self):
        self.assertEqual(len(self.objects("follow", self.dir, "--from", "start", "--limit", 4)), 4)
        lines = self.good("follow", self.dir, "--from", "start", "--limit", 2).decode()
        self.assertEqual(lines, self.good("ls", self.dir, "--limit", 2).decode())

    def test_signals_at_rest(self):
        """Also while it waits, and with nothing printed."""
        for number in (signal.SIGINT, signal.SIGTERM):
            process = self.start(self.dir, "--from", self.messages[-1].id)
            self.assertEqual(self.next_id(process), self.messages[-1].id)
            self.finish(process, number)

    def test_reader_gone(self):
        """It ends, also when nothing more is to be printed."""
        process = self.start(self.dir, "--from", "start")
        process.stdout.close()
        self.assertEqual(process.wait(TIMEOUT), 0)
        self.assertEqual(process.stderr.read(), b"")


if __name__ == "__main__":
    unittest.main()
