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

    def run_until(self, count, *arguments):
        """The ids that a follower prints that ends after so many."""
        return [line["id"] for line in self.objects("follow", *arguments, "--limit", str(count))]

    def run_and_stop(self, *arguments):
        """The ids that a follower prints until SIGTERM ends it, after the first one or later."""
        process = self.start(*arguments)
        first = process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
        self.assertEqual((process.wait(TIMEOUT), process.stderr.read()), (0, b""))
        return [json.loads(line)["id"] for line in [first, *rest.splitlines()]]

    def test_cursor_file(self):
        """Stopped and started again and again, while two lanes take turns: each message once."""
        spool = Spool(os.path.join(self.work, "spool"), lanes=2)
        cursor = os.path.join(self.work, "cursor")
        arguments = (spool.path, "--from", "start", "--cursor-file", cursor)
        seen = []
        for number in range(12):
            # The lane that comes second has the older message: an id would pass it over.
            for lane in ((0, 1), (1, 0))[number % 2]:
                spool.add(Message(b"x" * 200_000, lane=lane))
                spool.commit()
                if number % 3 == 1:
                    seen += self.run_until(1, *arguments)
                elif number % 3 == 2:
                    seen += self.run_and_stop(*arguments)
        left = len(spool.messages) - len(seen)
        seen += self.run_until(left, *arguments) if left > 0 else []
        self.assertEqual(sorted(seen), sorted(message.id for message in spool.messages))
        spool.end()

    def test_cursor_at_the_end(self):
        """Where it began is kept, too, though nothing was printed."""
        spool = Spool(os.path.join(self.work, "spool"))
        cursor = os.path.join(self.work, "cursor")
        spool.add(Message(b"old"))
        spool.commit()
        process = self.start(spool.path, "--cursor-file", cursor)
        while not os.path.exists(cursor):
            self.assertIsNone(process.poll())
        self.finish(process)
        new = spool.add(Message(b"new"))
        spool.commit()
        self.assertEqual(self.run_until(1, spool.path, "--cursor-file", cursor), [new.id])
        spool.end()

    def test_bad_cursor_file(self):
        spool = Spool(os.path.join(self.work, "spool"))
        spool.add(Message(b"one"))
        spool.commit()
        cursor = os.path.join(self.work, "cursor")
        arguments = ("follow", spool.path, "--from", "start", "--cursor-file", cursor)
        self.good(*arguments, "--limit", "1")
        with open(cursor, encoding="ascii") as file:
            line = file.read()
        other = Spool(os.path.join(self.work, "other"))
        self.bad(1, "of another spool", "follow", other.path, "--cursor-file", cursor)
        other.end()
        for text, reason in (("", "no cursor"), ("x" * 80, "no cursor"),
                             (line.replace(":1 ", ":0 "), "damaged"), (line[:-2], "damaged")):
            with open(cursor, "w", encoding="ascii") as file:
                file.write(text)
            self.bad(1, reason, *arguments)
        spool.end()

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
