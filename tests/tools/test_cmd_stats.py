#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""ringpost-spool stats: how much there is, exactly.

Goal: the figures are those of the messages that were put in and of the files on disk.
"""
import glob
import os
import unittest

from spool_case import SEGMENT_SIZE, Spool, SpoolCase


class Stats(SpoolCase):
    def wanted(self):
        return {
            "version": 2, "lanes": 2, "segment_size": SEGMENT_SIZE,
            "messages": len(self.messages),
            "octets": sum(len(message.body) for message in self.messages),
            "big": sum(message.is_big for message in self.messages), "damaged": 0,
            "segments": len(glob.glob(os.path.join(self.dir, "lane-*", "*.seg"))),
            "oldest": self.messages[0].time, "newest": self.messages[-1].time,
        }

    def test_json(self):
        figures, = self.objects("stats", self.dir)
        self.assertEqual({name: figures[name] for name in self.wanted()}, self.wanted())
        self.assertRegex(figures["spool"], r"^[0-9a-f]{32}$")
        with open(os.path.join(self.dir, "spool.meta"), "rb") as file:
            self.assertIn(bytes.fromhex(figures["spool"]), file.read())
        files = [path for part in ("lane-*/*.seg", "lane-*/*.idx", "big/*")
                 for path in glob.glob(os.path.join(self.dir, part))]
        self.assertEqual(figures["disk"], sum(os.stat(path).st_blocks * 512 for path in files))

    def test_text(self):
        lines = dict(line.split(maxsplit=1)
                     for line in self.good("stats", self.dir).decode().splitlines())
        for name, value in self.wanted().items():
            self.assertEqual(lines[name].split()[0], str(value), name)
        self.assertEqual(lines["segment_size"], "1048576 (1.0 MiB)")
        figures, = self.objects("stats", self.dir)
        self.assertEqual(list(lines), list(figures))

    def test_empty(self):
        spool = Spool(os.path.join(self.work, "spool"))
        spool.end()
        figures, = self.objects("stats", spool.path)
        self.assertEqual((figures["messages"], figures["octets"], figures["oldest"],
                          figures["newest"]), (0, 0, None, None))
        self.assertRegex(self.good("stats", spool.path).decode(), r"(?m)^oldest +-$")


if __name__ == "__main__":
    unittest.main()
