#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disk that the tests of this folder stand on.

Goal: its log is the truth. Replayed on the first octets it gives the last ones; what was synced is
before the place that the log had then; faults fall where they were asked for and nowhere else.
Method: the file itself, then each file system on a loop device over it.
"""
import errno
import hashlib
import os
import random
import time

import logdisk  # First: it says where harness.py is.
import harness

SIZE = 1 << 20
BLOCK = 4096


def octets_of(number, length):
    return random.Random(number).randbytes(length)


def digest(path):
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class Alone(harness.Case):
    """Without a file system."""

    def setUp(self):
        super().setUp()
        base = os.path.join(self.work, "base")
        with open(base, "wb") as stream:
            stream.write(octets_of(0, SIZE))
        self.disk = logdisk.LogDisk(self.work, base)
        self.addCleanup(self.disk.close)
        self.fd = os.open(self.disk.path, os.O_RDWR)
        self.addCleanup(os.close, self.fd)

    def heads(self):
        return [(entry.kind, entry.offset, entry.length)
                for entry in logdisk.read_log(self.disk.log_path)]

    def refused(self, call, *arguments):
        with self.assertRaises(OSError) as caught:
            call(*arguments)
        return caught.exception.errno

    def test_order_and_octets(self):
        os.pwrite(self.fd, b"a" * BLOCK, BLOCK)
        self.assertEqual(self.heads(), [(logdisk.WRITE, BLOCK, BLOCK)])
        os.fdatasync(self.fd)
        os.pwrite(self.fd, b"b" * 512, BLOCK + 512)
        place = self.disk.place()
        os.fsync(self.fd)
        self.assertEqual(self.heads(), [(logdisk.WRITE, BLOCK, BLOCK), (logdisk.FLUSH, 0, 0),
                                        (logdisk.WRITE, BLOCK + 512, 512), (logdisk.FLUSH, 0, 0)])
        last = logdisk.read_log(self.disk.log_path)[2]
        self.assertEqual(last.end, place)
        with open(self.disk.log_path, "rb") as log:
            log.seek(last.begin)
            self.assertEqual(log.read(last.length), b"b" * 512)
        self.assertEqual(os.pread(self.fd, BLOCK, BLOCK), b"a" * 512 + b"b" * 512 + b"a" * 3072)

    def test_size_is_kept(self):
        self.assertEqual(os.fstat(self.fd).st_size, SIZE)
        self.assertEqual(self.refused(os.pwrite, self.fd, b"x", SIZE), errno.ENOSPC)
        self.assertEqual(os.pread(self.fd, BLOCK, SIZE), b"")
        self.assertEqual(self.heads(), [])

    def test_reads_fail(self):
        self.disk.command(f"fail read {BLOCK} {BLOCK} 2")
        for _ in range(2):
            self.assertEqual(self.refused(os.pread, self.fd, 1, 2 * BLOCK - 1), errno.EIO)
            self.assertEqual(os.pread(self.fd, BLOCK, 0), octets_of(0, BLOCK))
        self.assertEqual(os.pread(self.fd, 3 * BLOCK, 0), octets_of(0, 3 * BLOCK))

    def test_fault_for_ever_until_healed(self):
        self.disk.command(f"fail read 0 {BLOCK} 0")
        for _ in range(20):
            self.assertEqual(self.refused(os.pread, self.fd, 2 * BLOCK, 0), errno.EIO)
        self.disk.command("heal")
        self.assertEqual(os.pread(self.fd, BLOCK, 0), octets_of(0, BLOCK))

    def test_writes_fail(self):
        self.disk.command(f"fail write {BLOCK} {BLOCK} 1")
        os.pwrite(self.fd, b"a" * BLOCK, 0)
        os.pwrite(self.fd, b"a" * BLOCK, 2 * BLOCK)
        self.assertEqual(self.refused(os.pwrite, self.fd, b"b" * 3 * BLOCK, 0), errno.EIO)
        self.assertEqual(os.pread(self.fd, BLOCK, 0), b"a" * BLOCK)
        self.assertEqual(len(self.heads()), 2)
        os.pwrite(self.fd, b"b" * BLOCK, BLOCK)
        self.assertEqual(len(self.heads()), 3)

    def test_flush_is_delayed(self):
        self.disk.command("delay 50")
        begin = time.monotonic()
        os.fsync(self.fd)
        self.assertGreaterEqual(time.monotonic() - begin, 0.05)

    def test_commands_that_are_none(self):
        for line in ("", "fail", "fail read 0 1", "fail erase 0 1 1", "fail read 0 1 1 1",
                     "fail read 0 1 1x", "fail read -1 1 1", "fail read  0 1 1", "heal 1", "delay",
                     "delay 60001", "delay 1 ", f"fail read 0 {SIZE + 1} 1",
                     f"fail read {SIZE + 1} 0 1"):
            with self.subTest(line=line), self.assertRaises(AssertionError):
                self.disk.command(line)
        self.disk.command("heal")


class Images(harness.Case):
    """What Replay makes of a log: only what the disk allows, and all of it."""

    def test_all_parts(self):
        base = os.path.join(self.work, "base")
        with open(base, "wb") as stream:
            stream.truncate(SIZE)
        with logdisk.LogDisk(self.work, base) as disk:
            fd = os.open(disk.path, os.O_RDWR)
            os.pwrite(fd, b"a" * BLOCK, 0)
            os.fsync(fd)
            os.pwrite(fd, b"b" * BLOCK, 0)
            os.pwrite(fd, b"c" * BLOCK, BLOCK)
            place = disk.place()
            os.pwrite(fd, b"d" * BLOCK, 2 * BLOCK)
            os.close(fd)
        replay = logdisk.Replay(self.work, base, disk)
        self.addCleanup(replay.close)
        replay.advance(place)
        seen = set()
        for seed in range(200):
            path = os.path.join(self.work, "image")
            replay.image(path, place, random.Random(seed), "xfs")
            with open(path, "rb") as stream:
                image = stream.read()
            self.assertEqual(len(image), SIZE)
            sectors = [image[at:at + 512] for at in range(0, 2 * BLOCK, 512)]
            for number, sector in enumerate(sectors):
                allowed = (b"a", b"b") if number < 8 else (b"\0", b"c")
                self.assertIn(sector, [octet * 512 for octet in allowed])
            self.assertEqual(image[2 * BLOCK:], bytes(SIZE - 2 * BLOCK))
            seen.add(b"".join(sector[:1] for sector in sectors))
        for first in (b"a" * 8, b"b" * 8):
            for second in (b"\0" * 8, b"c" * 8):
                self.assertIn(first + second, seen)
        self.assertGreater(len(seen), 20)


class OnIt(harness.Case):
    """A file system on a loop device on the disk."""

    def fill(self, disk, folder):
        """Files, some of them synced: [(name, octets, place when it was durable or None)]."""
        files = []
        for number in range(30):
            name = f"file-{number}"
            octets = octets_of(number, random.Random(-number - 1).randrange(1, 200000))
            with open(os.path.join(folder, name), "wb", buffering=0) as stream:
                stream.write(octets)
                if number % 2:
                    os.fsync(stream.fileno())
            files.append((name, octets, disk.place() if number % 2 else None))
        return files

    def check(self, name):
        reason = logdisk.why_not(logdisk.FILE_SYSTEMS[name].mkfs[0])
        if reason:
            self.skipTest(reason)
        base = logdisk.make_base(self.work, name)
        folder = os.path.join(self.work, "mnt")
        with logdisk.LogDisk(self.work, base) as disk:
            with logdisk.mounted(disk.path, name, folder):
                files = self.fill(disk, folder)
            end = disk.place()
        replay = logdisk.Replay(self.work, base, disk)
        self.addCleanup(replay.close)
        path = os.path.join(self.work, "image")
        for number in range(1, len(files), 6):
            # At the moment when its fsync returned, with nothing that was not flushed.
            replay.advance(files[number][2])
            logdisk.copy(replay.durable_path, path)
            with logdisk.mounted(path, name, folder):
                self.compare(folder, files[1:number + 1:2])
        # The last unmount ends with a flush: with it, all that was written.
        replay.advance(end)
        self.assertEqual(digest(replay.durable_path), digest(disk.data))
        with logdisk.mounted(disk.data, name, folder):
            self.compare(folder, files)

    def compare(self, folder, files):
        for name, octets, _ in files:
            with open(os.path.join(folder, name), "rb") as stream:
                self.assertTrue(stream.read() == octets, f"{name} is not what was synced")

    def test_ext4(self):
        self.check("ext4")

    def test_xfs(self):
        self.check("xfs")

    def test_btrfs(self):
        self.check("btrfs")


if __name__ == "__main__":
    logdisk.main()
