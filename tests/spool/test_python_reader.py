#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two readers, the C library and the Python module, say the same.

usage: test_python_reader.py [--from SEED] [--count N] GOLDEN MODULE_DIR TEST_GOLDEN RINGPOST_SPOOL

First of the golden spool, whose GOLDEN.expected has a line an entry and GOLDEN.problems one a
problem. Then of spools that are damaged at random, N of each kind: copies of the golden one, small
ones that python_spool.py makes, and those of the C writer (TEST_GOLDEN --random). What the C
library sees is told by `TEST_GOLDEN --print`, `RINGPOST_SPOOL verify --json` and `cat`. Exit 77
where python3-xxhash is missing.
"""

import argparse
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

PARSER = argparse.ArgumentParser()
PARSER.add_argument("--from", type=int, default=0, dest="first")
PARSER.add_argument("--count", type=int, default=60)
PARSER.add_argument("golden")
PARSER.add_argument("modules")
PARSER.add_argument("test_golden")
PARSER.add_argument("ringpost_spool")
ARGS = PARSER.parse_args()
sys.path[:0] = [ARGS.modules, os.path.dirname(os.path.abspath(__file__))]
sys.dont_write_bytecode = True

try:
    import xxhash
except ImportError:
    print("python3-xxhash is missing")
    sys.exit(77)

from python_damage import damage, files_of, used_of
from python_spool import BLOCK, IDENTITY, Writer, padded, random_lanes, refusing
from ringpost_spool import DamagedError, MissingError, Spool, SpoolError

GOLDEN_IDENTITY = b"test's identity\0"
MAXIMUM_S = 60  # for one command


def expected(suffix):
    with open(ARGS.golden + suffix, encoding="ascii") as file:
        return [line.split() for line in file]


def line_of(spool, entry):
    """As test_golden.c prints it; and what is wrong, or None."""
    try:
        message = spool.read(entry)
    except DamagedError as error:
        kind = "missing" if isinstance(error, MissingError) else "damaged"
        return [entry.id, str(entry.sequence), "damaged"], kind
    envelope = b"".join(
        struct.pack("<HHI", tag, 0, len(value)) + value for tag, value in message.items
    )
    line = [
        entry.id,
        str(entry.sequence),
        str(message.time_ns),
        "big" if entry.is_big else "log",
        str(len(message.body)),
        "%016x" % xxhash.xxh3_64_intdigest(message.body),
        "%016x" % xxhash.xxh3_64_intdigest(envelope),
    ]
    return line, None


def problems_of(spool):
    """Sorted, as the C library has them: it tells of spool.meta as a whole only."""
    return sorted(
        [p.kind, p.lane or 0, p.segment or 0, p.first_sequence or 0, p.count]
        for p in spool.problems()
        if p.kind != "meta" or p.lane is None
    )


def python_says(path):
    """{"entries": lines, "damage": [[id, kind]], "problems": rows}; None: it is no spool."""
    try:
        spool = Spool(path)
    except SpoolError:
        return None
    with spool:
        seen = [line_of(spool, entry) for entry in spool]
        return {
            "entries": [line for line, _ in seen],
            "damage": [[line[0], kind] for line, kind in seen if kind is not None],
            "problems": problems_of(spool),
        }


def python_says_of_lines(path):
    """The same as test_golden.c prints it; None: it is no spool."""
    try:
        spool = Spool(path)
    except SpoolError:
        return None
    lines = []
    with spool:
        for entry in spool:
            try:
                spool.read(entry)
            except DamagedError as error:
                is_refused = "unreadable" in str(error) or "cannot be read" in str(error)
                kind = "unreadable" if is_refused else "damaged"
                lines.append([entry.id, str(entry.sequence), kind])
            else:
                lines.append(line_of(spool, entry)[0])
        return {"entries": lines, "problems": problems_of(spool)}


def c_says_of_lines(path, *refused):
    """Likewise; on a disk that cannot read FROM, LEN of a FILE."""
    said = {}
    for name, option in (("entries", "--print"), ("problems", "--problems")):
        printed = run(ARGS.test_golden, option, path, *refused)
        assert printed.returncode == 0, printed
        said[name] = [line.split() for line in printed.stdout.splitlines()]
    said["problems"] = sorted([row[0], *map(int, row[1:])] for row in said["problems"])
    return said


def run(*command, text=True):
    return subprocess.run(
        command, capture_output=True, text=text, timeout=MAXIMUM_S, check=False
    )


def c_says(path):
    verified = run(ARGS.ringpost_spool, "verify", "--json", path)
    rows = [json.loads(line) for line in verified.stdout.splitlines()]
    if verified.returncode == 1 and not rows:
        return None
    assert verified.returncode in (0, 1) and "messages" in rows[-1], verified
    printed = run(ARGS.test_golden, "--print", path)
    assert printed.returncode == 0, printed
    names = ("problem", "lane", "segment", "sequence", "count")
    return {
        "entries": [line.split() for line in printed.stdout.splitlines()],
        "damage": [[row["id"], row["kind"]] for row in rows if "id" in row],
        "problems": sorted([row[name] for name in names] for row in rows if "problem" in row),
    }


def differences(python, c):
    """Of what they say, as lines."""
    if python is None or c is None:
        return [] if python is c else [f"no spool, says {'Python' if python is None else 'C'}"]
    lines = []
    for name in python:
        lines += [f"{name}: C alone: {row}" for row in c[name] if row not in python[name]]
        lines += [f"{name}: Python alone: {row}" for row in python[name] if row not in c[name]]
    return lines or [f"{name}: another order" for name in python if python[name] != c[name]]


class Golden(unittest.TestCase):
    def test_lines(self):
        with Spool(ARGS.golden) as spool:
            self.assertEqual([line_of(spool, entry)[0] for entry in spool], expected(".expected"))
            self.assertEqual(
                [list(map(str, row)) for row in problems_of(spool)], expected(".problems")
            )

    def test_info(self):
        with Spool(ARGS.golden) as spool:
            self.assertEqual(spool.info.lane_count, 4)
            self.assertEqual(spool.info.segment_size, 1 << 20)
            self.assertEqual(spool.info.identity, GOLDEN_IDENTITY)

    def test_find(self):
        with Spool(ARGS.golden) as spool:
            for fields in expected(".expected"):
                self.assertEqual(line_of(spool, spool.find(fields[0]))[0], fields)
            for absent in ("000-0000000001-000042", "fff-0000000001-000041"):
                with self.assertRaises(KeyError):
                    spool.find(absent)
            for bad in ("", "x", "000-0000000001-00004", "000-0000000001-00004G", "0-1-2"):
                with self.assertRaises(ValueError):
                    spool.find(bad)

    def test_message(self):
        with Spool(ARGS.golden) as spool:
            message = spool.read(spool.find(expected(".expected")[3][0]))
            self.assertEqual(message.sender, "sender-3@example.org")
            self.assertEqual(
                [str(r) for r in message.recipients], ["rcpt-%d@example.net" % i for i in range(4)]
            )
            self.assertEqual(message.get("client_port"), 1027)
            self.assertEqual(message.get("helo"), "client.example.org")
            self.assertTrue(message.get("smtputf8"))
            self.assertIsNone(message.get("tls_version"))
            null = spool.read(spool.find(expected(".expected")[0][0]))
            self.assertEqual(null.sender, "")

    def test_verify(self):
        damaged = [line[0] for line in expected(".expected") if line[2] == "damaged"]
        with Spool(ARGS.golden) as spool:
            found = list(spool.verify())
            self.assertEqual([entry.id for entry, _ in found if entry is not None], damaged)
            self.assertEqual([what.kind for entry, what in found if entry is None], ["unfinished"])


class Agreement(unittest.TestCase):
    """Both on the same spool, whatever became of it."""

    def setUp(self):
        self.base = tempfile.mkdtemp(prefix="rp-python-")
        self.path = os.path.join(self.base, "spool")

    def tearDown(self):
        shutil.rmtree(self.base)

    def compare(self):
        for file in files_of(self.path):
            if not os.path.islink(file):
                os.utime(file, (1, 1))  # nobody is writing to it from another machine
        said = c_says(self.path)
        found = differences(python_says(self.path), said)
        if found:
            self.fail("\n".join(["they differ", *found]))
        return said

    def cat(self, choose, entries):
        """One message by its id. Two that are lost may have the same; whole ones come first."""
        whole = {line[0]: line for line in entries if line[2] != "damaged"}
        chosen = choose.choice([line[0] for line in entries])
        shown = run(ARGS.ringpost_spool, "cat", self.path, chosen, text=False)
        with Spool(self.path) as spool:
            if chosen in whole:
                self.assertEqual(shown.returncode, 0)
                self.assertEqual(spool.read(spool.find(chosen)).body, shown.stdout)
            else:
                self.assertEqual((shown.returncode, shown.stdout), (1, b""))
                with self.assertRaises(DamagedError):
                    spool.read(spool.find(chosen))

    def compare_damaged(self, kind, make, identity):
        """`make`(choose) makes a spool."""
        for seed in range(ARGS.first, ARGS.first + ARGS.count):
            choose = random.Random(f"{kind} {seed}")
            make(choose)
            with self.subTest(kind=kind, seed=seed):
                if choose.random() < 0.9:
                    damage(choose, self.path, identity)
                said = self.compare()
                if said is not None and said["entries"] and choose.random() < 0.2:
                    self.cat(choose, said["entries"])
            shutil.rmtree(self.path)

    def test_golden(self):
        self.compare_damaged(
            "golden", lambda _: shutil.copytree(ARGS.golden, self.path), GOLDEN_IDENTITY
        )

    def test_of_python(self):
        self.compare_damaged("python", lambda choose: random_lanes(choose, self.path), IDENTITY)

    def test_of_c(self):
        def make(choose):
            made = run(ARGS.test_golden, "--random", str(choose.random()), self.path)
            self.assertEqual(made.returncode, 0, made)

        self.compare_damaged("c", make, GOLDEN_IDENTITY)

    def damage_of(self):
        """{sequence in lane 0: what is wrong with it or None}, says C as well."""
        said = self.compare()
        damage_by_id = dict(said["damage"])
        return {
            int(line[1]): damage_by_id.get(line[0])
            for line in said["entries"]
            if line[0].startswith("000-")
        }

    def compare_unreadable(self, choose):
        """Some blocks of a segment, an index or a big body cannot be read."""
        files = [file for file in files_of(self.path) if file.endswith((".seg", ".idx", ".body"))]
        files = [file for file in files if not os.path.islink(file) and os.path.getsize(file) > 0]
        if not files or c_says(self.path) is None:
            return
        file = choose.choice(files)
        begin = choose.randrange(min(used_of(file) + 2 * BLOCK, os.path.getsize(file)))
        begin = begin // BLOCK * BLOCK
        length = BLOCK * choose.choice((1, 1, 1, 2, 8, 300))
        length = min(length, padded(os.path.getsize(file), BLOCK) - begin)  # no disk is behind it
        name = os.path.relpath(file, self.path)
        for other in files:
            os.utime(other, (1, 1))
        said = c_says_of_lines(self.path, name, str(begin), str(length))
        with refusing(name, begin, begin + length):
            found = differences(python_says_of_lines(self.path), said)
        if found:
            self.fail("\n".join([f"they differ: {name} {begin} {length}", *found]))

    def test_unreadable(self):
        for seed in range(ARGS.first, ARGS.first + ARGS.count):
            choose = random.Random(f"unreadable {seed}")
            random_lanes(choose, self.path)
            with self.subTest(seed=seed):
                if choose.random() < 0.5:
                    damage(choose, self.path, IDENTITY)
                self.compare_unreadable(choose)
            shutil.rmtree(self.path)

    def test_no_files(self):
        """What is no regular file counts as gone."""
        shutil.copytree(ARGS.golden, self.path)
        for name in ("lane-000/0000000000000001.seg", "big/000-0000000000000abc.body"):
            path = os.path.join(self.path, name)
            for make in (os.mkdir, lambda at: os.symlink("/dev/zero", at)):
                os.rename(path, path + ".away")
                make(path)
                lost = [5] if name.startswith("big") else range(6)
                self.assertEqual(
                    self.damage_of(), {i: "missing" if i in lost else None for i in range(8)}
                )
                os.remove(path) if os.path.islink(path) else os.rmdir(path)
                os.rename(path + ".away", path)

    def test_void_by_index(self):
        """An index without an entry says where its segment begins, if the header does not."""
        writer = Writer(self.path)
        first = writer.segment(0, 1, 0)
        first.batch([b"0", b"1"])
        first.batch([b"void"])
        later = writer.segment(0, 2, 2, is_indexed=True)
        for octet in (later.octets[17], later.octets[17] ^ 1):
            later.octets[17] = octet
            writer.save()
            self.assertEqual(self.damage_of(), {0: None, 1: None})
        later.has_index = False
        os.remove(os.path.join(self.path, writer.name(later, "idx")))
        writer.save()
        self.assertEqual(self.damage_of(), {0: None, 1: None, 2: None})

    def test_doorbell(self):
        """It proves nothing if it is shorter than it must be, or not of this spool."""
        writer = Writer(self.path)
        segment = writer.segment(0, 1, 0)
        batch = segment.batch([b"0", b"1" * 600, b"2" * 600])
        for sector in range(batch.records[1] + 512, batch.end + 512, 512):
            segment.zero_sector(sector)
        writer.save()
        bell = os.path.join(self.path, "doorbell")
        for altered, is_proven in ((None, True), (0, False), (8, False), (32, False), (80, False)):
            writer.doorbell({0: (3, 1)})
            if altered is not None:
                with open(bell, "r+b") as file:
                    file.seek(altered)
                    file.write(b"?")
            lost = {1: "damaged", 2: "damaged"} if is_proven else {}
            self.assertEqual(self.damage_of(), {0: None, **lost}, altered)
        writer.doorbell({0: (3, 1)})
        os.truncate(bell, 16383)
        self.assertEqual(self.damage_of(), {0: None})

    def test_proof_of_another_batch(self):
        """A tail amid the last batch is not of it: that is unfinished, as far as it is lost."""
        writer = Writer(self.path)
        segment = writer.segment(0, 1, 0)
        batch = segment.batch([b"0" * 600, b"1" * 600, b"2" * 600])
        for record in batch.records:
            segment.zero_sector(record + 300)
        writer.save()
        self.assertEqual(self.damage_of(), {})
        for tail in (1, 2, 3):
            writer.doorbell({0: (tail, 1)})
            self.assertEqual(self.damage_of(), {i: "damaged" for i in range(tail)})
        segment.octets[batch.end] ^= 1
        segment.zero_sector(batch.begin)
        writer.save()
        writer.doorbell({0: (0, 1)})
        self.assertEqual(self.damage_of(), {})

    def test_indexes_lost(self):
        """The segments say the same as their indexes."""
        shutil.copytree(ARGS.golden, self.path)
        for name in ("0000000000000001.idx", "0000000000000002.idx"):
            os.remove(os.path.join(self.path, "lane-000", name))
            self.assertEqual(self.compare()["entries"], expected(".expected"))

    def test_each_octet(self):
        """Each octet of a record: it is found, and only that message is damaged."""
        shutil.copytree(ARGS.golden, self.path)
        fields = expected(".expected")[3]
        offset = int(fields[0].split("-")[2], 16) * 64
        with Spool(self.path) as spool:
            entry = spool.find(fields[0])
            path = os.path.join(self.path, "lane-000", "0000000000000001.seg")
            with open(path, "r+b", buffering=0) as file:
                octets = os.pread(file.fileno(), 64 + entry.envelope_len + entry.body_len, offset)
                for at, octet in enumerate(octets):
                    os.pwrite(file.fileno(), bytes([octet ^ 1]), offset + at)
                    with self.assertRaises(DamagedError):
                        spool.read(entry)
                    os.pwrite(file.fileno(), bytes([octet]), offset + at)
            self.assertEqual([line_of(spool, e)[0] for e in spool], expected(".expected"))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
