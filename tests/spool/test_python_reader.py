#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python reader on the golden spool, and on damaged copies of it.

usage: test_python_reader.py GOLDEN MODULE_DIR TEST_GOLDEN

GOLDEN.expected has a line an entry, written by the C reader: both must say the same. For copies
with random damage `TEST_GOLDEN --print DIR` says what the C reader sees. Exit 77 where
python3-xxhash is missing.
"""

import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

GOLDEN = sys.argv[1]
sys.path.insert(0, sys.argv[2])
sys.dont_write_bytecode = True

try:
    import xxhash
except ImportError:
    print("python3-xxhash is missing")
    sys.exit(77)

import ringpost_spool
from ringpost_spool import DamagedError, Spool, SpoolError


def expected():
    with open(GOLDEN + ".expected", encoding="ascii") as file:
        return [line.split() for line in file]


def line_of(spool, entry):
    """As test_golden.c prints it."""
    try:
        message = spool.read(entry)
    except DamagedError:
        return [entry.id, str(entry.sequence), "damaged"]
    envelope = b"".join(
        struct.pack("<HHI", tag, 0, len(value)) + value for tag, value in message.items
    )
    return [
        entry.id,
        str(entry.sequence),
        str(message.time_ns),
        "big" if entry.is_big else "log",
        str(len(message.body)),
        "%016x" % xxhash.xxh3_64_intdigest(message.body),
        "%016x" % xxhash.xxh3_64_intdigest(envelope),
    ]


class Golden(unittest.TestCase):
    def test_lines(self):
        with Spool(GOLDEN) as spool:
            self.assertEqual([line_of(spool, entry) for entry in spool], expected())

    def test_info(self):
        with Spool(GOLDEN) as spool:
            self.assertEqual(spool.info.lane_count, 2)
            self.assertEqual(spool.info.segment_size, 1 << 20)
            self.assertEqual(spool.info.identity, b"test's identity\0")

    def test_find(self):
        with Spool(GOLDEN) as spool:
            for fields in expected():
                self.assertEqual(line_of(spool, spool.find(fields[0])), fields)
            with self.assertRaises(KeyError):
                spool.find("000-0000000001-000041")
            with self.assertRaises(KeyError):
                spool.find("fff-0000000001-000040")
            for bad in ("", "x", "000-0000000001-00004", "000-0000000001-00004G", "0-1-2"):
                with self.assertRaises(ValueError):
                    spool.find(bad)

    def test_message(self):
        with Spool(GOLDEN) as spool:
            message = spool.read(spool.find(expected()[3][0]))
            self.assertEqual(message.sender, "sender-3@example.org")
            self.assertEqual(
                [str(r) for r in message.recipients], ["rcpt-%d@example.net" % i for i in range(4)]
            )
            self.assertEqual(message.get("client_port"), 1027)
            self.assertEqual(message.get("helo"), "client.example.org")
            self.assertTrue(message.get("smtputf8"))
            self.assertIsNone(message.get("tls_version"))
            null = spool.read(spool.find(expected()[0][0]))
            self.assertEqual(null.sender, "")

    def test_verify(self):
        with Spool(GOLDEN) as spool:
            self.assertEqual([entry.sequence for entry, _ in spool.verify()], [1])

    def test_cursor(self):
        with Spool(GOLDEN) as spool:
            cursor = {}
            ids = []
            while True:
                entry = next(spool.entries(cursor), None)
                if entry is None:
                    break
                ids.append(entry.id)
            self.assertEqual(ids, [fields[0] for fields in expected()])

    def test_follow(self):
        with Spool(GOLDEN) as spool:
            self.assertEqual(len(list(spool.follow(timeout=0.1, interval=0.01))), len(expected()))


class Damaged(unittest.TestCase):
    def setUp(self):
        self.base = tempfile.mkdtemp(prefix="rp-python-")
        self.path = os.path.join(self.base, "spool")
        shutil.copytree(GOLDEN, self.path)

    def tearDown(self):
        shutil.rmtree(self.base)

    def write_at(self, name, offset, octets):
        with open(os.path.join(self.path, name), "r+b") as file:
            file.seek(offset)
            file.write(octets)

    def lines(self):
        with Spool(self.path) as spool:
            return [line_of(spool, entry) for entry in spool]

    def test_indexes_lost(self):
        """The segments say the same as their indexes."""
        for name in ("0000000000000001.idx", "0000000000000002.idx"):
            os.remove(os.path.join(self.path, "lane-000", name))
            self.assertEqual(self.lines(), expected())

    def test_index_altered(self):
        for offset in list(range(0, 64)) + [BLOCK + 3 for BLOCK in (4096, 4160)]:
            name = os.path.join("lane-000", "0000000000000001.idx")
            with open(os.path.join(self.path, name), "rb") as file:
                octet = file.read()[offset]
            self.write_at(name, offset, bytes([octet ^ 0x10]))
            self.assertEqual(self.lines(), expected(), offset)
            self.write_at(name, offset, bytes([octet]))

    def test_body_altered(self):
        """Each octet of a record: found, and only that message is."""
        fields = expected()[3]
        offset = int(fields[0].split("-")[2], 16) * 64
        with Spool(self.path) as spool:
            entry = spool.find(fields[0])
        name = os.path.join("lane-000", "0000000000000001.seg")
        with open(os.path.join(self.path, name), "rb") as file:
            octets = file.read()
        for at in range(offset, offset + 64 + entry.envelope_len + entry.body_len):
            self.write_at(name, at, bytes([octets[at] ^ 1]))
            with Spool(self.path) as spool:
                with self.assertRaises(DamagedError):
                    spool.read(entry)
            self.write_at(name, at, octets[at : at + 1])
        self.assertEqual(self.lines(), expected())

    def test_big_body(self):
        big = os.path.join(self.path, "big", "000-0000000000000abc.body")
        fields = expected()[5]
        with Spool(self.path) as spool:
            entry = spool.find(fields[0])
            with open(big, "r+b") as file:
                file.write(b"?")
            with self.assertRaises(DamagedError):
                spool.read(entry)
            os.truncate(big, 10)
            with self.assertRaises(DamagedError):
                spool.read(entry)
            os.remove(big)
            with self.assertRaises(FileNotFoundError):
                spool.read(entry)
            os.symlink("/dev/zero", big)
            with self.assertRaises(DamagedError):
                spool.read(entry)

    def test_headers_lost(self):
        """Without its header a segment begins where the one before ends."""
        self.write_at(os.path.join("lane-000", "0000000000000002.seg"), 0, b"?" * 64)
        os.remove(os.path.join(self.path, "lane-000", "0000000000000002.idx"))
        self.assertEqual(self.lines(), expected())

    def test_void(self):
        """Without the header that voids it, the record of the failed batch is seen."""
        os.remove(os.path.join(self.path, "lane-001", "0000000000000002.seg"))
        lines = self.lines()
        self.assertEqual(lines[:-1], expected())
        self.assertEqual(lines[-1][1], "4")

    def test_cut(self):
        """A segment cut anywhere: what is whole is seen, and nothing else."""
        name = os.path.join(self.path, "lane-001", "0000000000000001.seg")
        os.remove(os.path.join(self.path, "lane-001", "0000000000000002.seg"))
        size = os.path.getsize(name)
        good = {fields[0]: fields for fields in expected()}
        for length in range(size, 0, -512):
            os.truncate(name, length)
            for fields in self.lines():
                if fields[-1] != "damaged" and fields[1] != "4":
                    self.assertEqual(fields, good[fields[0]])

    def test_random_damage(self):
        """Both readers say the same of every damaged spool."""
        names = sorted(
            os.path.join(lane, name)
            for lane in ("lane-000", "lane-001")
            for name in os.listdir(os.path.join(self.path, lane))
        )
        for seed in range(80):
            choose = random.Random(seed)
            shutil.rmtree(self.path)
            shutil.copytree(GOLDEN, self.path)
            for _ in range(choose.randint(1, 5)):
                name = choose.choice(names)
                path = os.path.join(self.path, name)
                if not os.path.exists(path) or os.path.getsize(path) == 0:
                    continue
                at = choose.randrange(os.path.getsize(path)) // 64 * 64
                kind = choose.randrange(8)
                if kind == 0:
                    os.remove(path)
                elif kind == 1:
                    os.truncate(path, at + choose.randrange(64))
                elif kind == 2:
                    self.write_at(name, 0, bytes(64))
                elif kind < 5:
                    self.write_at(name, at // 512 * 512, bytes(512))
                else:
                    self.write_at(name, at + choose.randrange(64), b"!")
            seen = subprocess.run(
                [sys.argv[3], "--print", self.path], stdout=subprocess.PIPE, check=True, text=True
            )
            c_lines = [line.split() for line in seen.stdout.splitlines()]
            self.assertEqual(self.lines(), c_lines, f"seed {seed}")

    def test_meta(self):
        path = os.path.join(self.path, "spool.meta")
        with open(path, "rb") as file:
            octets = file.read()
        for at in range(64):
            self.write_at("spool.meta", at, bytes([octets[at] ^ 4]))
            with self.assertRaises(DamagedError):
                Spool(self.path)
            self.write_at("spool.meta", at, octets[at : at + 1])
        newer = octets[8:16] + struct.pack("<I", 2) + octets[20:]
        digest = struct.pack("<Q", xxhash.xxh3_64_intdigest(newer))
        self.write_at("spool.meta", 0, digest + newer)
        with self.assertRaises(SpoolError):
            Spool(self.path)
        os.remove(path)
        with self.assertRaises(SpoolError):
            Spool(self.path)

    def live(self, tails):
        """A doorbell as a daemon of this boot has it."""
        with Spool(self.path) as spool:
            identity = spool.info.identity
        head = ringpost_spool.DOORBELL.pack(
            ringpost_spool.DOORBELL_MAGIC, 1, 2, ringpost_spool._boot_id(), identity, 0, 0, 1, b""
        )
        lanes = b"".join(struct.pack("<Q56x", tail) for tail in tails)
        with open(os.path.join(self.path, "doorbell"), "wb") as file:
            file.write(head + lanes + bytes(64 * (255 - len(tails))))

    def test_live(self):
        """With a doorbell, what is beyond a lane's tail is not there."""
        # The open index of lane 1 has no entries in the golden spool: they are written here.
        name = os.path.join("lane-001", "0000000000000001.idx")
        entry = ringpost_spool.ENTRY.pack(4096, 128, 0, 0, 7, 0, 0, 0, 1)
        self.write_at(name, 4096, entry)
        self.live([8, 0])
        self.assertEqual(self.lines(), expected()[:8])
        self.live([8, 1])
        self.assertEqual(len(self.lines()), 9)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
