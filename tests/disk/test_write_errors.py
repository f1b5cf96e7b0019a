#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""ringpostd on a disk whose writes fail for a while.

Goal: no 250 for what was not written; what has one stays; the daemon lives, and takes mail again
without a restart.
Method: while mail comes, writes to the places of the spool's segments (FIEMAP) fail a few times.
Then the daemon is killed, another recovers the spool on a file system mounted anew, and the
clients' books are compared with it (judge.py). The journal of the file system is spared: without
it nobody can write at all. ext4 and xfs: btrfs does not say where a file lies.
"""
import contextlib
import os
import time

import logdisk  # First: it says where harness.py is.
import damage
import harness
import judge
import mail

ROUNDS = 6
A_ROUND = 40  # messages
LAST = 20
CLIENTS = 4
HEAL_S = 30


class Failing:
    """A class with `name` and TestCase makes it one."""

    name = None

    def setUp(self):
        super().setUp()
        reason = logdisk.why_not(logdisk.FILE_SYSTEMS[self.name].mkfs[0])
        if reason:
            self.skipTest(reason)
        self.folder = os.path.join(self.work, "mounted")
        self.spool = os.path.join(self.folder, "spool")
        base = logdisk.make_base(self.work, self.name)
        self.disk = logdisk.LogDisk(self.work, base)
        self.addCleanup(self.disk.close)

    def mounted(self):
        return logdisk.mounted(self.disk.path, self.name, self.folder)

    def fail_writes(self, count):
        """Each part of each segment that there is fails so many times."""
        with contextlib.suppress(AssertionError):  # It tells of failures of the round before.
            logdisk.run("sync", "-f", self.folder)
        for path in damage.files(self.spool, ".seg"):
            for offset, length in logdisk.on_disk(path, 0, os.path.getsize(path)):
                self.disk.command(f"fail write {offset} {length} {count}")

    def deliver_when_healed(self, messages, port):
        """Until one of them is taken; how many were tried."""
        deadline = time.monotonic() + HEAL_S
        for tried, message in enumerate(messages, 1):
            mail.deliver([message], port, self.disk, 1, may_refuse=True)
            if message.ident:
                return tried
            self.assertLess(time.monotonic(), deadline, "the disk is good, mail is refused")
            time.sleep(0.1)
        self.fail("the disk is good, mail is refused")

    def check(self, io):
        settings = {"workers": "1", "spool.segment_size": "1mb", "spool.min_free": "0",
                    "log.level": "error", "spool.io": io}
        messages = mail.make(ROUNDS * A_ROUND + LAST, self.id())
        with self.mounted():
            daemon = self.make(settings, spool=self.spool).start()
            mail.deliver(messages[:A_ROUND], daemon.port, self.disk, CLIENTS)
            for number in range(1, ROUNDS):
                part = messages[number * A_ROUND:(number + 1) * A_ROUND]
                self.fail_writes(number % 3 + 1)
                mail.deliver(part, daemon.port, self.disk, CLIENTS, may_refuse=True)
                self.disk.command("heal")
                self.deliver_when_healed(mail.make_more(messages, A_ROUND), daemon.port)
            mail.deliver(messages[-LAST:], daemon.port, self.disk, CLIENTS)
            daemon.kill()
        refused = [message for message in messages if message.ident is None]
        self.assertTrue(refused, "no write failed")
        with self.mounted():
            self.make(settings, spool=self.spool).start().stop()
            faults = judge.judge(judge.read(self.spool), messages, self.disk.place(), judge.WHOLE)
        self.assertEqual(faults, [])

    def test_buffered(self):
        self.check("buffered")

    def test_direct(self):
        self.check("direct")


class Ext4(Failing, harness.Case):
    name = "ext4"


class Xfs(Failing, harness.Case):
    name = "xfs"


if __name__ == "__main__":
    logdisk.main()
