#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""ringpostd on a disk with blocks that cannot be read.

Goal: an unreadable block is no zeros. What lies beside it is served, what lies in it is reported,
nothing is cut or deleted for it, new mail comes in; and when the disk is good again, all of it is
there.
Method: a daemon takes mail and is killed. Blocks of the spool's files are found on the disk
(FIEMAP) and made to fail; a daemon starts, on a file system mounted anew, and is judged by the
clients' books (judge.py). Then the disk is healed, and judged again after a third start. ext4 and
xfs: btrfs does not say where a file lies.
"""
import os

import logdisk  # First: it says where harness.py is.
import damage
import harness
import judge
import mail

BLOCK = 4096
MESSAGES = 120
FEW = 8  # of them, all in one segment
MORE = 20  # messages while the disk is bad
CLIENTS = 4
SETTINGS = {"workers": "1", "spool.segment_size": "1mb", "spool.min_free": "0",
            "log.level": "warning"}


def whole_blocks(begin, end):
    return begin - begin % BLOCK, end + -end % BLOCK


class Unreadable:
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
        self.messages = mail.make(MESSAGES + MORE, self.id())

    def take_mail(self, count):
        daemon = self.make(SETTINGS, spool=self.spool).start()
        # A big one is the first of all.
        mail.deliver(self.messages[:1], daemon.port, self.disk, 1)
        mail.deliver(self.messages[1:count], daemon.port, self.disk, CLIENTS)
        daemon.kill()
        self.sizes = self.read_sizes()

    def mounted(self):
        """Mounted anew: nothing is in memory."""
        return logdisk.mounted(self.disk.path, self.name, self.folder)

    def read_sizes(self):
        return {path: os.path.getsize(path) for ending in (".seg", ".body")
                for path in damage.files(self.spool, ending)}

    def segments(self):
        """Those with messages, the last one last."""
        found = [damage.Segment(path, self.messages)
                 for path in damage.files(self.spool, ".seg")]
        return [segment for segment in found if segment.ends]

    def judge(self, harm):
        faults = judge.judge(judge.read(self.spool), self.messages, self.disk.place(), harm)
        self.assertEqual(faults, [])

    def check(self, choose, is_countable=True, count=0, messages=MESSAGES):
        """`choose` gives [(path, begin, end)] that cannot be read (`count` times; 0: for ever),
        and whose octets these are."""
        with self.mounted():
            self.take_mail(messages)
        with self.mounted():
            bad, touched = choose()
            places = [part for row in bad for part in logdisk.on_disk(*row)]
            self.assertTrue(places)
        for offset, length in places:
            self.disk.command(f"fail read {offset} {length} {count}")
        with self.mounted():
            with self.subTest("while it is bad"):
                self.run_while_bad(judge.Harm(touched=touched, is_countable=is_countable))
            if count == 0:  # Else a second look may have found that there is nothing at its end.
                with self.subTest("nothing cut or deleted"):
                    self.check_sizes({path for path, _, _ in bad})
        self.disk.command("heal")
        with self.mounted(), self.subTest("when it is good again"):
            daemon = self.make(SETTINGS, spool=self.spool).start()
            daemon.stop()
            self.judge(judge.WHOLE)

    def check_sizes(self, paths):
        """Of files with messages that could not be read."""
        now = self.read_sizes()
        changed = [f"{os.path.relpath(path, self.spool)}: {self.sizes[path]} -> {now.get(path)}"
                   for path in paths & self.sizes.keys() if now.get(path) != self.sizes[path]]
        self.assertEqual(changed, [])

    def run_while_bad(self, harm):
        daemon = self.make(SETTINGS, spool=self.spool)
        try:
            daemon.start()
            mail.deliver(self.messages[MESSAGES:], daemon.port, self.disk, CLIENTS)
            self.judge(harm)
            daemon.stop()
            self.judge(harm)
        finally:
            daemon.kill()

    def part_of(self, segment, begin, end):
        begin, end = whole_blocks(begin, end)
        return [(segment.path, begin, end)], segment.touched(begin, end)

    def last_segment(self):
        last = self.segments()[-1]
        return self.part_of(last, 0, len(last.octets))

    def test_block_of_last_message(self):
        def choose():
            last = self.segments()[-1]
            return self.part_of(last, last.heads[-1], last.heads[-1] + 1)
        self.check(choose)

    def test_block_in_the_middle(self):
        def choose():
            last = self.segments()[-1]
            at = last.heads[len(last.heads) // 2]
            return self.part_of(last, at, at + 1)
        self.check(choose)

    def test_first_block_of_last_segment(self):
        self.check(lambda: self.part_of(self.segments()[-1], 0, 1))

    def test_last_segment(self):
        # Nothing else says how many there were.
        self.check(self.last_segment, is_countable=False)

    def test_last_segment_once(self):
        self.check(self.last_segment, is_countable=False, count=1)

    def test_last_segment_for_a_while(self):
        self.check(self.last_segment, is_countable=False, count=5)

    def test_last_segment_for_longer(self):
        self.check(self.last_segment, is_countable=False, count=25)

    def test_first_segment(self):
        def choose():
            first = self.segments()[0]
            return self.part_of(first, 0, len(first.octets))
        self.check(choose)

    def test_record_of_first_big_body(self):
        """The lane's first, in a segment with no index yet: its record is all that names its
        body's file."""
        def choose():
            first, = self.segments()
            self.assertFalse(first.has_body[0])
            return self.part_of(first, 0, first.heads[0] + 1)
        self.check(choose, messages=FEW)

    def test_every_segment(self):
        def choose():
            parts = [self.part_of(segment, 0, len(segment.octets))
                     for segment in self.segments()]
            return [row for bad, _ in parts for row in bad], \
                set().union(*(touched for _, touched in parts))
        self.check(choose, is_countable=False)

    def test_indexes(self):
        def choose():
            return [(path, *whole_blocks(0, os.path.getsize(path)))
                    for path in damage.files(self.spool, ".idx") if os.path.getsize(path)], set()
        self.check(choose)

    def test_meta(self):
        self.check(lambda: ([(os.path.join(self.spool, "spool.meta"), 0, BLOCK)], set()))

    def test_big_body(self):
        def choose():
            path = damage.files(self.spool, ".body")[0]
            with open(path, "rb") as stream:
                octets = stream.read()
            return [(path, BLOCK, 2 * BLOCK)], \
                {message.number for message in self.messages if message.body == octets}
        self.check(choose)


class Ext4(Unreadable, harness.Case):
    name = "ext4"


class Xfs(Unreadable, harness.Case):
    name = "xfs"


if __name__ == "__main__":
    logdisk.main()
