#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python reader on small random spools, damaged at random: it is known what was written.

usage: test_python_random.py MODULE_DIR

Exit 77 where python3-xxhash is missing.
"""

import os
import random
import shutil
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

sys.path[:0] = [sys.argv[1], os.path.dirname(os.path.abspath(__file__))]
sys.dont_write_bytecode = True

try:
    from ringpost_spool import DamagedError, Spool, SpoolError
except ImportError as error:
    print(error)
    sys.exit(77)

from python_spool import break_file, random_spool


class RandomDamage(unittest.TestCase):
    """Whatever happens to the files: what is whole is shown as it was written, whatever was
    proven to be committed and is not whole is damage, and nothing is lost without a word."""

    def setUp(self):
        self.base = tempfile.mkdtemp(prefix="rp-python-")
        self.path = os.path.join(self.base, "spool")
        self.writer = None  # of the spool that is looked at

    def tearDown(self):
        shutil.rmtree(self.base)

    def damage(self, choose):
        for _ in range(choose.randint(1, 4)):
            segment = choose.choice(self.writer.segments)
            path = os.path.join(self.path, self.writer.name(segment, "seg"))
            at = choose.randrange(segment.used)
            kind = choose.randrange(5)
            if kind == 0:
                segment.octets[at] ^= 1 << choose.randrange(8)
            elif kind < 4:
                length = choose.choice((512, 512, 4096, 20000))
                begin = at // 512 * 512
                segment.octets[begin : begin + length] = bytes(length)
            elif os.path.exists(path):
                self.writer.put(self.writer.name(segment, "idx"), b"no index")
                segment.has_index = False
        for segment in self.writer.segments:
            self.writer.put(self.writer.name(segment, "seg"), segment.octets)

    def test_random(self):
        for seed in range(100):
            choose = random.Random(seed)
            shutil.rmtree(self.path, ignore_errors=True)
            self.writer = random_spool(choose, self.path)
            before = {id(s): bytes(s.octets) for s in self.writer.segments}
            self.damage(choose)
            with self.subTest(seed=seed):
                self.judge(before)

    def test_any_file(self):
        """Nothing but SpoolError, and no octets that were not written."""
        for seed in range(100):
            choose = random.Random(seed)
            shutil.rmtree(self.path, ignore_errors=True)
            self.writer = random_spool(choose, self.path)
            self.writer.doorbell({0: (choose.randrange(30), 1), 1: (choose.randrange(30), 2)})
            names = sorted(
                os.path.join(folder, name)
                for folder, _, files in os.walk(self.path)
                for name in files
            )
            for _ in range(choose.randint(1, 6)):
                break_file(choose, choose.choice(names))
            with self.subTest(seed=seed):
                self.read_what_is_there()

    def read_what_is_there(self):
        try:
            spool = Spool(self.path)
        except SpoolError:
            return
        with spool:
            entries = list(spool)
            with mock.patch("ringpost_spool_lane.QUIET_S", 0):
                followed = [e.id for e in spool.follow(timeout=0, interval=0.001)]
            self.assertEqual(sorted(followed), sorted(e.id for e in entries))
            for entry in entries:
                try:
                    body = spool.read(entry).body
                    self.assertEqual(body, self.writer.written[(entry.lane, entry.sequence)])
                except DamagedError:  # not known before where an index speaks for the segment
                    index = "lane-%03d/%016x.idx" % (entry.lane, entry.segment)
                    is_indexed = os.path.exists(os.path.join(self.path, index))
                    self.assertTrue(entry.is_damaged or is_indexed)
                matching = [e for e in entries if e.id == entry.id]
                self.assertIn(spool.find(entry.id), matching)
            list(spool.problems())
            list(spool.verify())

    def judge(self, before):
        with Spool(self.path) as spool:
            shown = {}
            for entry in spool:
                try:
                    body = spool.read(entry).body
                    self.assertEqual(body, self.writer.written[(entry.lane, entry.sequence)])
                    is_whole = True
                except DamagedError:
                    is_whole = False
                self.assertNotIn((entry.lane, entry.sequence), shown)
                shown[(entry.lane, entry.sequence)] = is_whole
            problems = list(spool.problems())
        for segment in self.writer.segments:
            lane = segment.lane
            of_lane = [s for s in self.writer.segments if s.lane == lane]
            after = [s for s in of_lane if s.number > segment.number]
            heads = [s.octets[:128] == before[id(s)][:128] for s in [segment, *after[:1]]]
            for sequence, begin, end in segment.places():
                is_whole = segment.octets[begin:end] == before[id(segment)][begin:end]
                seen = shown.get((lane, sequence))
                told = seen is False or any(
                    p.segment == segment.number
                    or (p.kind == "missing" and 0 <= sequence - p.first_sequence < p.count)
                    for p in problems
                    if p.lane == lane
                )
                if is_whole:
                    self.assertTrue(seen, (lane, sequence))
                elif after and heads == [True, True]:
                    self.assertIs(seen, False, (lane, sequence))
                else:
                    self.assertFalse(seen, (lane, sequence))
                    is_traceless = not any(segment.octets[segment.batch_of(begin).begin :])
                    is_last = not any(any(s.octets) for s in after)
                    self.assertTrue(told or (is_traceless and is_last), (lane, sequence))


class Import(unittest.TestCase):
    def test_no_xxhash(self):
        program = "import sys; sys.modules['xxhash'] = None; import ringpost_spool"
        command = [sys.executable, "-B", "-c", program]
        ran = subprocess.run(
            command, env={"PYTHONPATH": sys.argv[1]}, capture_output=True, text=True, check=False
        )
        self.assertEqual(ran.returncode, 1)
        self.assertIn("apt-get install python3-xxhash", ran.stderr.splitlines()[-1])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[2:])
