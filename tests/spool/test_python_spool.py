#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python reader on spools that are made here, and damaged: it is known what was written.

usage: test_python_spool.py MODULE_DIR

Exit 77 where python3-xxhash is missing.
"""

import fcntl
import os
import shutil
import struct
import sys
import tempfile
import unittest
from unittest import mock

sys.path[:0] = [sys.argv[1], os.path.dirname(os.path.abspath(__file__))]
sys.dont_write_bytecode = True

try:
    import ringpost_spool_scan
except ImportError as error:
    print(error)
    sys.exit(77)

from python_spool import Writer, hashed, refusing
from ringpost_spool import DamagedError, MissingError, Spool, SpoolError

KINDS = {"w": None, "d": "damaged", "u": "unreadable", "m": "missing"}
BODY = b"a line of text\r\n" * 100  # more than three sectors


class Test(unittest.TestCase):
    def setUp(self):
        self.base = tempfile.mkdtemp(prefix="rp-python-")
        self.path = os.path.join(self.base, "spool")
        self.writer = Writer(self.path)

    def tearDown(self):
        shutil.rmtree(self.base)

    def look(self):
        """([(sequence, damage)], [(kind, count)]); whole ones have the octets written."""
        with Spool(self.path) as spool:
            seen = []
            for entry in spool:
                if entry.damage is None:
                    body = self.writer.written[(entry.lane, entry.sequence)]
                    self.assertEqual(spool.read(entry).body, body)
                else:
                    with self.assertRaises(DamagedError):
                        spool.read(entry)
                seen.append((entry.sequence, entry.damage))
            return seen, [(problem.kind, problem.count) for problem in spool.problems()]

    def expect(self, entries, problems=()):
        """`entries`: a letter a sequence, of KINDS, or - where there is none."""
        self.writer.save()
        self.see(entries, problems)

    def see(self, entries, problems=()):
        wanted = [(i, KINDS[letter]) for i, letter in enumerate(entries) if letter != "-"]
        self.assertEqual(self.look(), (wanted, list(problems)))


class LastBatch(Test):
    """One batch of four messages at the end of what there is: unfinished or damaged?"""

    def setUp(self):
        super().setUp()
        self.build()

    def build(self):
        self.segment = self.writer.segment(0, 1, 0)
        self.segment.batch([b"before"])
        self.last = self.segment.batch([BODY] * 4)

    def flip(self, offset):
        self.segment.octets[offset] ^= 0x10

    def test_whole(self):
        self.expect("wwwww")

    def test_body_flipped(self):
        for number in range(4):
            with self.subTest(number):
                self.flip(self.last.records[number] + 500)
                self.expect("w" + "w" * number + "d" + "w" * (3 - number))
                self.flip(self.last.records[number] + 500)

    def test_header_flipped(self):
        for number in range(4):
            with self.subTest(number):
                self.flip(self.last.records[number] + 20)
                self.expect("w" + "w" * number + "d" + "w" * (3 - number))
                self.flip(self.last.records[number] + 20)

    def test_sector_lost(self):
        """Every sector of the batch: who is in it is no message, and it is said."""
        octets = bytes(self.segment.octets)
        for sector in range(self.last.begin, self.last.end + 64, 512):
            with self.subTest(sector):
                self.segment.zero_sector(sector)
                lost = []
                for number, begin in enumerate(self.last.records):
                    if begin < sector + 512 and sector < begin + 64 + 18 + len(BODY):
                        lost.append(number)
                if self.last.end - 512 < sector <= self.last.end:
                    lost = [3] if 3 in lost else []
                letters = "w" + "".join("-" if i in lost else "w" for i in range(4))
                self.expect(letters, [("unfinished", len(lost))])
                self.segment.octets[:] = octets

    def test_sector_lost_and_proven(self):
        """The same, where a later batch, a later header or a tail says that it was committed."""
        for proof in ("batch", "segment", "tail"):
            for sector in range(self.last.begin, self.last.end + 64, 512):
                shutil.rmtree(self.path, ignore_errors=True)
                self.writer = Writer(self.path)
                self.build()
                self.segment.zero_sector(sector)
                more = ""
                if proof == "batch":
                    self.segment.batch([b"later"])
                    more = "w"
                elif proof == "segment":
                    self.writer.segment(0, 2, 5).batch([b"later"])
                    more = "w"
                else:
                    self.writer.doorbell({0: (5, 1)})
                lost = [
                    begin < sector + 512 and sector < begin + 64 + 18 + len(BODY)
                    for begin in self.last.records
                ]
                with self.subTest(proof=proof, sector=sector):
                    letters = "w" + "".join("d" if is_lost else "w" for is_lost in lost) + more
                    self.expect(letters)

    def test_marks_flipped(self):
        """A mark says nothing any more, and nothing else is lost."""
        self.flip(self.last.begin + 8)
        self.expect("wwwww")
        self.flip(self.last.end + 9)
        self.expect("wwwww", [("damaged", 0)])
        self.flip(self.last.records[3] + 20)
        self.expect("wwww", [("damaged", 0)])

    def test_end_flipped(self):
        """BEGIN says how many there were."""
        self.flip(self.last.end + 9)
        self.flip(self.last.records[3] + 20)
        self.flip(self.last.records[2] + 20)
        self.expect("wwwdd")

    def test_begin_lost_end_flipped(self):
        self.segment.zero_sector(self.last.begin)
        self.flip(self.last.end + 9)
        self.expect("w-www", [("unfinished", 1)])

    def test_all_marks_flipped(self):
        """A sector that is not all zeros was written, whatever is in it."""
        self.flip(self.last.begin + 9)
        self.flip(self.last.end + 9)
        self.flip(self.last.records[1] + 20)
        self.expect("wwdww", [("damaged", 0)])

    def test_lost_before(self):
        """What was before the batch was committed, whatever became of the batch."""
        self.flip(self.segment.batches[0].records[0])
        self.segment.zero_sector(self.last.records[0] + 600)
        self.expect("d-www", [("unfinished", 1)])

    def test_all_lost(self):
        """Nothing of the batch is whole."""
        for offset in (self.last.begin, self.last.end, *self.last.records):
            self.flip(offset)
        self.expect("w", [("damaged", 0)])
        self.segment.zero_sector(self.last.begin)
        self.expect("w", [("unfinished", 0)])
        self.writer.doorbell({0: (5, 1)})
        self.expect("wdddd", [("unfinished", 0)])
        self.writer.doorbell({0: (5, 1)}, check=1)
        self.expect("w", [("unfinished", 0)])  # a tail whose check is wrong

    def test_cut(self):
        """What was cut off is not what was never written."""
        self.writer.save()
        name = os.path.join(self.path, self.writer.name(self.segment, "seg"))
        os.truncate(name, self.last.records[2] + 100)
        self.see("wwwdd", [("damaged", 0)])
        os.truncate(name, self.last.begin)
        self.see("w", [("damaged", 0)])

    def test_zero_sectors_of_messages(self):
        """Sectors that are rightly zeros are none that are missing."""
        segment = self.segment
        last = segment.batch([b"x" * 600, bytes(5000), b"y" * 600])
        self.expect("w" * 8)
        segment.octets[last.records[2] + 200] ^= 1
        self.expect("w" * 7 + "d")
        segment.zero_sector(last.records[2] + 500)
        self.expect("w" * 7, [("unfinished", 1)])


class Lanes(Test):
    """Segments among their neighbours."""

    def three(self, is_indexed=False):
        for number in (1, 2, 3):
            segment = self.writer.segment(0, number, 4 * number - 4, is_indexed=is_indexed)
            segment.batch([b"%d" % number, BODY])
            segment.batch([BODY, b"end"])
        return self.writer.segments

    def test_indexed_or_not(self):
        for is_indexed in (False, True):
            self.writer.segments.clear()
            self.three(is_indexed)
            self.expect("w" * 12)

    def test_segment_gone(self):
        segments = self.three(True)
        segments[1].has_segment = False
        self.expect("wwwwmmmmwwww")

    def test_hole(self):
        segments = self.three()
        self.writer.save()
        os.remove(os.path.join(self.path, self.writer.name(segments[1], "seg")))
        self.see("wwww----wwww", [("missing", 4)])

    def test_end_says_how_many(self):
        first = self.writer.segment(0, 1, 0).batch([b"0", b"1"])
        self.writer.segment(0, 3, 2).batch([b"2"])
        for offset in (first.begin, first.records[1]):
            self.writer.segments[0].octets[offset] ^= 1
        self.expect("wdw")

    def test_tail_before_damaged_header(self):
        first = self.writer.segment(0, 1, 0).batch([b"0", BODY])
        self.writer.segment(0, 2, 2).batch([b"2"])
        self.writer.segments[0].zero_sector(first.records[1] + 500)
        self.writer.segments[1].octets[0] ^= 1
        self.expect("w-w", [("unfinished", 1)])
        self.writer.doorbell({0: (3, 2)})
        self.expect("wdw")

    def test_tail_before_hole(self):
        """What a tail proves was in the segment that is gone, says the number of the later one."""
        segments = self.three()
        self.writer.doorbell({0: (9, 3)})
        segments[2].octets[17] ^= 1
        self.expect("w" * 12)
        os.remove(os.path.join(self.path, self.writer.name(segments[1], "seg")))
        self.see("wwww----wwww", [("missing", 4)])

    def test_tail_in_blank_segment(self):
        """Behind an index comes the next segment, also where nothing of that is left but proof."""
        self.three(True)
        segment = self.writer.segment(0, 4, 12)
        segment.batch([b"12", b"13"])
        segment.octets[:] = bytes(len(segment.octets))
        self.writer.doorbell({0: (14, 4)})
        self.expect("w" * 12 + "dd")

    def test_end_gone(self):
        segments = self.three()
        self.writer.save()
        os.remove(os.path.join(self.path, self.writer.name(segments[2], "seg")))
        self.see("wwwwwwww")  # spool.meta knows of no message in it
        self.writer.doorbell({0: (12, 3)})
        self.see("wwwwwwwwdddd")  # the last segment that there is has them
        self.writer.put(self.writer.name(segments[1], "idx"), segments[1].index())
        self.see("wwwwwwww", [("missing", 4)])
        os.remove(os.path.join(self.path, self.writer.name(segments[1], "idx")))
        os.remove(os.path.join(self.path, self.writer.name(segments[1], "seg")))
        self.see("wwwwdddddddd")
        os.remove(os.path.join(self.path, "doorbell"))
        self.see("wwww", [("missing", 4)])

    def test_header_lost(self):
        """It begins where the one before ends."""
        segment = self.three()[1]
        segment.octets[0:128] = b"?" * 128
        self.expect("w" * 12)
        segment.octets[segment.batches[0].begin] ^= 1
        segment.octets[segment.batches[0].records[0]] ^= 1
        self.expect("wwwwdwwwwwww")

    def test_header_lost_alone(self):
        """It begins with the first batch of which something is whole."""
        segment = self.writer.segment(0, 5, 10)
        batch = segment.batch([b"10", b"11"])
        for offset in (0, batch.begin, batch.records[0]):
            segment.octets[offset] ^= 1
        self.expect("-" * 10 + "dw", [("missing", 10)])

    def test_header_without_record(self):
        segments = self.three()
        segments[1].octets[:] = b"?" * len(segments[1].octets)
        self.expect("wwwwddddwwww")
        segments[0].octets[:] = segments[1].octets
        self.expect("--------wwww", [("damaged", 0), ("damaged", 0), ("missing", 8)])
        for segment in segments[:2]:
            segment.octets[:] = bytes(len(segment.octets))
        self.expect("--------wwww", [("missing", 8)])

    def test_void(self):
        """What a later segment uses again was never there."""
        self.three()
        self.writer.segments[2].batch([b"void", BODY])
        later = self.writer.segment(0, 4, 12)
        self.expect("w" * 12)
        later.batch([b"again"])
        self.expect("w" * 13)
        later.octets[:128] = b"?" * 128
        self.expect("w" * 13)

    def test_void_in_index(self):
        self.writer.segment(0, 1, 0, is_indexed=True).batch([b"0", b"1", b"void"])
        self.writer.segment(0, 2, 2).batch([b"again"])
        self.expect("www")

    def test_void_in_index_alone(self):
        """Without its segment such an index says nothing; the next header does."""
        self.writer.segment(0, 1, 0, is_indexed=True).batch([b"0", b"1", b"void"])
        self.writer.segments[0].has_segment = False
        self.writer.segment(0, 2, 2).batch([b"again"])
        self.expect("--w", [("missing", 2)])

    def test_skipped(self):
        """Nobody knows what was behind the end: later sequences are no hole."""
        segments = self.three()[2:]
        for offset in range(segments[0].used, segments[0].used + 128):
            segments[0].octets[offset] = 7
        self.expect("w" * 12, [("damaged", 0)])
        later = self.writer.segment(0, 4, 14, skipped=2)
        later.batch([b"later"])
        self.expect("w" * 12 + "--w", [("damaged", 0)])

    def test_index_does_not_close(self):
        """Only a header says that nothing was left out, its index does not."""
        segments = self.three()
        segments[0].octets[segments[0].used] = 7
        self.expect("w" * 12)
        segments[1].has_index = True
        segments[1].octets[17] ^= 1
        self.expect("w" * 12, [("damaged", 0)])

    def test_skipped_and_damaged(self):
        """The header that says what was left out is damaged."""
        segment = self.three()[2]
        segment.octets[segment.used : segment.used + 9] = b"no batch."
        later = self.writer.segment(0, 4, 12 + 1024, skipped=1024)
        later.batch([b"later"])
        later.octets[17] ^= 1
        self.expect("w" * 12 + "-" * 1024 + "w", [("damaged", 0)])

    def test_skipped_and_prepared(self):
        """The daemon has gone on behind an end that nobody knows, and has written nothing yet."""
        segment = self.three()[2]
        segment.octets[segment.used : segment.used + 9] = b"no batch."
        prepared = self.writer.segment(0, 4, 12 + 1024)
        prepared.octets[:128] = bytes(128)
        self.expect("w" * 12, [("damaged", 0)])
        self.writer.sectors = {0: (5, 12 + 1024 + 3)}
        self.expect("w" * 12, [("damaged", 0), ("missing", 3)])
        self.writer.sectors = {0: (5, 12 + 1023)}
        prepared.first = 0
        self.expect("w" * 12, [("damaged", 0), ("missing", 1023)])  # so it did not go on

    def test_index_alone_damaged(self):
        """An index without its segment that does not tell what it had."""
        segment = self.three()[1]
        segment.has_segment = False
        self.writer.save()
        self.writer.put(self.writer.name(segment, "idx"), b"no index")
        self.see("wwww----wwww", [("missing", 4)])  # says the next one
        os.remove(os.path.join(self.path, self.writer.name(self.writer.segments[2], "seg")))
        for next_sequence, missing in ((4 + (1 << 20), []), (9, [("missing", 5)])):
            self.writer.sectors = {0: (9, next_sequence)}
            self.writer.put("spool.meta", self.writer.meta())
            self.see("wwww", [("damaged", 0), *missing])

    def test_header_damaged_alone(self):
        """What it voided is not known any more: not passed over in silence."""
        self.three()[2].batch([b"void"])
        later = self.writer.segment(0, 4, 12)
        self.expect("w" * 12)
        later.octets[17] ^= 1
        self.expect("w" * 13, [("damaged", 0)])

    def test_index_knows_unfinished(self):
        segment = self.writer.segment(0, 1, 0, is_indexed=True)
        segment.batch([b"0", b"1", b"2"])
        row = bytearray(segment.rows[1])
        row[40:48] = bytes(8)
        row[52] |= 8
        segment.rows[1] = bytes(row)
        row = bytearray(segment.rows[2])
        row[52] |= 4
        segment.rows[2] = bytes(row)
        segment.octets[segment.batches[0].records[2]] ^= 1
        self.expect("w-d", [("unfinished", 1)])
        with Spool(self.path) as spool:
            cursor = {}
            self.assertEqual(next(spool.entries(cursor)).sequence, 0)
            self.assertEqual([e.sequence for e in spool.entries(cursor)], [2])

    def test_index_damaged(self):
        segments = self.three(True)
        octets = segments[0].index()
        for offset in [*range(0, 64), 100, 4096, 4100, len(octets) - 1]:
            self.writer.save()
            altered = bytearray(octets)
            altered[offset] ^= 2
            self.writer.put(self.writer.name(segments[0], "idx"), altered)
            self.see("w" * 12)

    def test_big(self):
        segment = self.writer.segment(0, 1, 0)
        segment.batch([b"small", BODY, b"small"], [0, 0xABC])
        self.expect("www")
        path = os.path.join(self.path, "big", "000-0000000000000abc.body")
        with Spool(self.path) as spool:
            entry = spool.find("000-0000000001-000043")
            os.rename(path, path + ".gone")
            with self.assertRaises(MissingError):
                spool.read(entry)
        self.see("wmw")
        os.symlink(path + ".gone", path)
        self.see("wmw")
        os.remove(path)
        with open(path, "wb") as file:
            file.write(BODY[1:])
        self.see("wdw")

    def test_prepared(self):
        """A segment of zeros is nothing, however long it is."""
        self.three()
        blank = self.writer.segment(0, 4, 12)
        blank.octets[:128] = bytes(128)
        self.expect("w" * 12)
        for length in (0, 64, 128, 4096, 5000):
            del blank.octets[length:]
            self.expect("w" * 12)

    def test_blank_header_with_messages(self):
        """With messages in it the file had its size: it was cut."""
        blank = self.writer.segment(0, 1, 0)
        batch = blank.batch([b"0", b"1"])
        blank.octets[:128] = bytes(128)
        del blank.octets[batch.behind :]
        self.expect("ww", [("damaged", 0)])
        blank.octets[:128] = b"?" * 128
        self.expect("ww", [("damaged", 0)])

    def test_unfinished_is_not_used_again(self):
        """Sequences lost at the end of an unfinished batch are that segment's: no hole, whatever
        is behind them."""
        segment = self.writer.segment(0, 1, 0)
        last = segment.batch([b"0", BODY, BODY])
        segment.octets[last.records[1] + 600 : last.end + 64] = bytes(
            last.end + 64 - last.records[1] - 600
        )
        self.expect("w", [("unfinished", 2)])
        self.writer.sectors = {0: (1, 3)}
        self.expect("w", [("unfinished", 2)])
        self.writer.sectors = {0: (1, 4)}
        self.expect("w", [("unfinished", 2), ("missing", 1)])

    def test_record_elsewhere(self):
        """A whole record is none where it was not written: at another place, or in a body."""
        segment = self.writer.segment(0, 1, 0)
        first = segment.batch([b"0", b"1"])
        lost = bytes(segment.octets[first.records[1] : first.end])
        segment.octets[first.records[1]] ^= 1
        body = bytes(-(segment.used + 64 + 64 + 18) % 64) + lost + b"and more" * 20
        inner = segment.batch([body])
        at = inner.records[0] + 64 + 18 + body.index(lost)
        self.assertEqual((at % 64, segment.octets[at : at + len(lost)]), (0, lost))
        self.expect("wdw")
        segment.octets[inner.records[0]] ^= 1
        self.expect("wdd", [])
        segment.octets[inner.begin] ^= 1
        segment.octets[inner.end] ^= 1
        self.expect("wd", [("damaged", 0)])

    def unreadable(self, begin, end):
        return refusing("0000000000000001.seg", begin, end)

    def test_unreadable(self):
        """Blocks that cannot be read are no zeros."""
        segment = self.writer.segment(0, 1, 0)
        first = segment.batch([b"0", b"1" * 9000, b"2"])
        last = segment.batch([b"3", b"4" * 9000, b"5"])
        self.writer.save()
        with self.unreadable(first.begin + 4096, first.begin + 8192):
            self.see("wuwwww")
        with self.unreadable(last.begin + 4096, last.begin + 8192):
            self.see("wwwwuw")
        with self.unreadable(last.begin, last.begin + 4096):
            self.see("wwwuuw")
        with self.unreadable(last.end, last.end + 64):
            self.see("wwwwuu")
        with self.unreadable(0, 4096):
            self.see("wwwwww")
        with self.unreadable(last.begin, last.behind):
            self.see("www", [("unreadable", 0)])
        with self.unreadable(0, len(segment.octets)):
            self.see("", [("unreadable", 0)])
        segment.octets[last.behind + 5000] = 1
        self.expect("w" * 6, [("unfinished", 0)])
        with self.unreadable(last.behind + 8192, last.behind + 8193):
            self.see("w" * 6, [("unreadable", 0)])  # there may be proof
        segment.octets[last.behind + 5000] = 0
        segment.zero_sector(last.begin)
        self.writer.save()
        with self.unreadable(last.begin + 4096, last.begin + 8192):
            # Which of the two was in the block that cannot be read, nobody knows.
            self.see("wwwuuw", [("unfinished", 0)])


class Meta(Test):
    def setUp(self):
        super().setUp()
        self.writer.lanes = 3
        for lane in (0, 2):
            self.writer.segment(lane, 1, 0, is_indexed=lane == 2).batch([b"in lane %d" % lane])
        self.writer.save()

    def check(self, problems, created=77):
        with Spool(self.path) as spool:
            self.assertEqual(spool.info.identity, self.writer.identity)
            self.assertEqual(spool.info.lane_count, 3)
            self.assertEqual(spool.info.created_ns, created)
            self.assertEqual([(e.lane, e.sequence) for e in spool], [(0, 0), (2, 0)])
            self.assertEqual([(p.kind, p.lane) for p in spool.problems()], problems)

    def test_whole(self):
        self.check([])

    def test_first_sector(self):
        for offset in range(64):
            octets = self.writer.meta()
            octets[offset] ^= 4
            self.writer.put("spool.meta", octets)
            self.check([("meta", None)])

    def test_other_version(self):
        octets = self.writer.meta()
        octets[16] = 3
        octets[:64] = hashed(bytes(octets[8:64]))
        self.writer.put("spool.meta", octets)
        with self.assertRaisesRegex(SpoolError, "version 3"):
            Spool(self.path)

    def test_lane_sector(self):
        octets = self.writer.meta()
        octets[1536] ^= 1
        self.writer.put("spool.meta", octets)
        self.check([("meta", 2)])
        octets[0:512] = bytes(512)
        self.writer.put("spool.meta", octets)
        self.check([("meta", None), ("meta", 2)])

    def test_gone(self):
        os.remove(os.path.join(self.path, "spool.meta"))
        self.check([("meta", None), ("meta", 0), ("meta", 1), ("meta", 2)], 0)
        os.remove(os.path.join(self.path, "lane-000", "0000000000000001.seg"))
        with Spool(self.path) as spool:
            self.assertEqual([(e.lane, e.damage) for e in spool], [(2, None)])
        os.remove(os.path.join(self.path, "lane-002", "0000000000000001.seg"))
        with self.assertRaises(SpoolError):
            Spool(self.path)

    def test_cut(self):
        self.writer.put("spool.meta", self.writer.meta()[:1000])
        self.check([("meta", 1), ("meta", 2)])
        self.writer.put("spool.meta", b"")
        self.check([("meta", None), ("meta", 0), ("meta", 1), ("meta", 2)], 0)


class Live(Test):
    """A daemon is at work: this test is it."""

    def setUp(self):
        super().setUp()
        self.segment = self.writer.segment(0, 1, 0)
        self.segment.batch([b"0", b"1"])
        self.writer.save()
        self.lock = os.open(os.path.join(self.path, "spool.meta"), os.O_RDWR)
        self.boot_id = ringpost_spool_scan.boot_id()

    def tearDown(self):
        os.close(self.lock)
        super().tearDown()

    def take_lock(self):
        flock = struct.pack("@hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0)
        fcntl.fcntl(self.lock, 37, flock)  # F_OFD_SETLK

    def publish(self, tail, segment=1, generation=1):
        self.writer.save()
        self.writer.doorbell({0: (tail, segment)}, self.boot_id, generation)

    def sequences(self, spool, cursor=None):
        return [entry.sequence for entry in spool.entries(cursor)]

    def test_tail(self):
        self.take_lock()
        self.publish(0)
        cursor = {}
        with Spool(self.path) as spool:
            self.assertEqual(self.sequences(spool, cursor), [])
            self.publish(2)
            self.assertEqual(self.sequences(spool, cursor), [0, 1])
            self.segment.batch([b"2", BODY])
            self.segment.batch([b"4"])
            self.publish(4)
            self.assertEqual(self.sequences(spool, cursor), [2, 3])
            self.publish(5)
            self.assertEqual(self.sequences(spool, cursor), [4])
            self.assertEqual(self.sequences(spool), [0, 1, 2, 3, 4])
            self.assertEqual(list(spool.problems()), [])

    def test_next_segment(self):
        self.take_lock()
        self.publish(2)
        cursor = {}
        with Spool(self.path) as spool:
            self.assertEqual(self.sequences(spool, cursor), [0, 1])
            blank = self.writer.segment(0, 2, 2)
            header = bytes(blank.octets[:128])
            blank.octets[:128] = bytes(128)
            self.publish(2)
            self.assertEqual(self.sequences(spool, cursor), [])
            blank.octets[:128] = header
            blank.batch([b"2"])
            self.publish(2, 1)  # written, not told
            self.assertEqual(self.sequences(spool, cursor), [])
            self.publish(3, 2)
            self.assertEqual(self.sequences(spool, cursor), [2])

    def test_damaged(self):
        """What cannot be read in the segment that is written to is damage, never a stop."""
        self.take_lock()
        second = self.segment.batch([b"2", b"3"])
        self.segment.octets[second.begin] ^= 1
        self.segment.octets[second.records[0]] ^= 1
        self.publish(4)
        self.see("wwdw")
        self.segment.octets[second.end] ^= 1
        self.segment.octets[second.records[1]] ^= 1
        self.publish(4)
        self.see("wwdd")

    def test_no_lock(self):
        """A copy of the disk in the same boot: its files say what is there."""
        self.publish(1)
        with Spool(self.path) as spool:
            self.assertFalse(spool.is_live)
            self.assertEqual(self.sequences(spool), [0, 1])
        self.take_lock()
        with Spool(self.path) as spool:
            self.assertTrue(spool.is_live)
            self.assertEqual(self.sequences(spool), [0])

    def test_other_boot(self):
        self.take_lock()
        self.writer.doorbell({0: (1, 1)})
        with Spool(self.path) as spool:
            self.assertFalse(spool.is_live)
            self.assertEqual(self.sequences(spool), [0, 1])

    def test_restart(self):
        """Another generation: what was known of the files is forgotten."""
        self.take_lock()
        self.publish(2)
        with Spool(self.path) as spool:
            self.assertEqual(self.sequences(spool), [0, 1])
            os.remove(os.path.join(self.path, "doorbell"))
            self.segment.batch([b"2"])
            self.publish(3, 1, generation=2)
            self.assertEqual(self.sequences(spool), [0, 1, 2])

    def test_follow_before_start(self):
        """Recovery removes a prepared segment while somebody follows."""
        prepared = self.writer.segment(0, 2, 2)
        prepared.octets[:128] = bytes(128)
        self.writer.save()
        with Spool(self.path) as spool:
            entries = spool.follow(timeout=0, interval=0.001)
            self.assertEqual(next(entries).sequence, 0)
            os.remove(os.path.join(self.path, self.writer.name(prepared, "seg")))
            self.writer.segments.pop()
            self.take_lock()
            self.publish(2)
            self.assertEqual([entry.sequence for entry in entries], [1])

    def test_follow_other_boot(self):
        """A batch that is under way is held back as long as its file changes."""
        self.writer.doorbell({0: (2, 1)})
        last = self.segment.batch([b"2", BODY, b"4"])
        octets = bytes(self.segment.octets)
        self.segment.zero_sector(last.records[1] + 1000)
        self.writer.save()
        with Spool(self.path) as spool:
            entries = spool.follow(interval=0.001)
            self.assertEqual([next(entries).sequence for _ in range(2)], [0, 1])
            self.segment.octets[:] = octets
            self.writer.save()
            self.assertEqual([next(entries).sequence for _ in range(3)], [2, 3, 4])
        self.segment.zero_sector(last.records[1] + 1000)
        self.writer.save()
        with Spool(self.path) as spool:
            entries = spool.follow(timeout=0, interval=0.01)
            self.assertEqual([entry.sequence for entry in entries], [0, 1, 2, 4])

    def test_follow_other_boot_tail(self):
        """The tail is seen before what it speaks of."""
        with Spool(self.path) as spool:
            entries = spool.follow(interval=0.001)
            self.assertEqual([next(entries).sequence for _ in range(2)], [0, 1])
            before = bytes(self.segment.octets)
            self.segment.batch([b"2", b"3"])
            after = bytes(self.segment.octets)
            self.segment.octets[:] = before
            self.writer.doorbell({0: (4, 1)})
            self.writer.save()
            self.assertEqual([e.damage for e in spool], [None, None, "damaged", "damaged"])
            with mock.patch("time.sleep", lambda _: self.come(after)):
                seen = [next(entries) for _ in range(2)]
            self.assertEqual([(e.sequence, e.damage) for e in seen], [(2, None), (3, None)])

    def come(self, octets):
        self.segment.octets[:] = octets
        self.writer.save()

    def test_removed(self):
        with Spool(self.path) as spool:
            shutil.rmtree(self.path)
            with self.assertRaisesRegex(SpoolError, "removed"):
                self.sequences(spool)
            with self.assertRaises(SpoolError):
                Spool(self.path)
            Writer(self.path, identity=b"another spool is").save()
            with self.assertRaisesRegex(SpoolError, "another spool"):
                self.sequences(spool)
            os.makedirs(self.path, exist_ok=True)


class Cursor(Test):
    def test_text(self):
        self.writer.lanes = 20
        for lane in (0, 16):
            segment = self.writer.segment(lane, 0xABCDEF, 0)
            segment.batch([b"0", b"1", b"2"])
        self.writer.save()
        with Spool(self.path) as spool:
            text = spool.dump_cursor({})
            seen = []
            while True:
                cursor = spool.load_cursor(text)
                entry = next(spool.entries(cursor), None)
                if entry is None:
                    break
                seen.append((entry.lane, entry.sequence))
                text = spool.dump_cursor(cursor)
            self.assertEqual(seen, [(0, 0), (16, 0), (0, 1), (16, 1), (0, 2), (16, 2)])
            self.assertRegex(
                text, "^ringpost-cursor 1 [0-9a-f]{32} 0:abcdef:3 16:abcdef:3 [0-9a-f]{16}$"
            )
            self.assertEqual(spool.load_cursor(text + "\n"), {0: (0xABCDEF, 3), 16: (0xABCDEF, 3)})
            for at in range(len(text)):
                for octet in "0 :x\nf":
                    if text[at] != octet:
                        with self.assertRaises(ValueError):
                            spool.load_cursor(text[:at] + octet + text[at + 1 :])
                with self.assertRaises(ValueError):
                    spool.load_cursor(text[:at])
        other = Writer(os.path.join(self.base, "other"), identity=b"another spool is")
        other.segment(0, 1, 0).batch([b"x"])
        other.save()
        with Spool(other.path) as spool:
            with self.assertRaisesRegex(ValueError, "another spool"):
                spool.load_cursor(text)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[2:])
