# SPDX-License-Identifier: GPL-3.0-or-later
"""Write small spools of version 2, octet by octet as spool/FORMAT.md says, for tests of readers.

    spool = Writer(path)
    segment = spool.segment(lane=0, number=1, first=0)
    batch = segment.batch([b"one", b"two"])     # batch.begin, .records, .end: offsets
    segment.octets[batch.records[0]] ^= 1       # damage it
    spool.save()

It shares no code with the readers.
"""

import contextlib
import errno
import os
import struct
from unittest import mock

import xxhash

SIZE = 1 << 20
BLOCK = 4096
IDENTITY = b"python's writer\0"


def digest(octets, seed=0):
    return xxhash.xxh3_64_intdigest(bytes(octets), seed)


def padded(length, unit):
    return -(-length // unit) * unit


def hashed(octets, seed=0):
    """The hash, then the octets that it is of."""
    return struct.pack("<Q", digest(octets, seed)) + octets


class Batch:
    """Where what was written: offsets in the segment."""

    def __init__(self, first):
        self.first = first
        self.begin = self.end = self.behind = 0
        self.records = []


class Segment:
    def __init__(self, spool, lane, number, first, skipped=0, size=SIZE):
        self.spool = spool
        self.lane = lane
        self.number = number
        self.first = self.next = first
        self.octets = bytearray(size)
        self.used = BLOCK
        self.batches = []
        self.rows = []  # of the index
        self.has_index = self.has_segment = True
        self.seed = digest(spool.identity + struct.pack("<IQ", lane, number))
        header = struct.pack(
            "<QIIQQQ16sQ56s",
            0x474553544C4F4F50,
            2,
            lane,
            number,
            first,
            size,
            spool.identity,
            skipped,
            b"",
        )
        self.octets[:128] = hashed(header)

    def record(self, index, batch_off, body, sequence, big_id):
        envelope = struct.pack("<HHI", 6, 0, 10) + b"me@example"
        flags = 0
        if big_id:
            flags = 2
            envelope += struct.pack("<HHIQ", 13, 0, 8, big_id)
        time_ns = 1000 * (sequence + 1) + self.lane
        header = struct.pack(
            "<IIIIIIQQQQ",
            0x43525052 ^ (self.seed >> 32),
            flags,
            index,
            batch_off,
            len(envelope),
            self.used // 64,
            len(body),
            digest(body),
            sequence,
            time_ns,
        )
        octets = hashed(header + envelope, self.seed)
        offset = self.used
        row = (offset, len(body), sequence, time_ns, big_id, digest(header + envelope, self.seed))
        self.rows.append(struct.pack("<QQQQQQII8s", *row, len(envelope), flags, b""))
        octets += b"" if big_id else body
        if big_id:
            self.spool.big[(self.lane, big_id)] = body
        return octets + bytes(-len(octets) % 64)

    def batch(self, bodies, big_ids=()):
        batch = Batch(self.next)
        batch.begin = self.used
        self.used += 64
        for index, body in enumerate(bodies):
            big_id = big_ids[index] if index < len(big_ids) else 0
            octets = self.record(index, batch.begin // BLOCK, body, self.next, big_id)
            batch.records.append(self.used)
            self.octets[self.used : self.used + len(octets)] = octets
            self.spool.written[(self.lane, self.next)] = body
            self.used += len(octets)
            self.next += 1
        batch.end = self.used
        self.mark(batch, len(bodies))
        self.used = batch.behind = padded(batch.end + 64, BLOCK)
        self.batches.append(batch)
        return batch

    def mark(self, batch, count):
        zeros = 0
        for sector in range(batch.begin, batch.end + 64, 512):
            # The marks are not there yet, and never zeros.
            has_mark = sector == batch.begin or batch.end < sector + 512
            zeros += not has_mark and not any(self.octets[sector : sector + 512])
        length = batch.end + 64 - batch.begin
        for offset, magic in ((batch.begin, 0x47454252), (batch.end, 0x444E4552)):
            mark = struct.pack(
                "<IIIIQI28s",
                magic ^ (self.seed >> 32),
                batch.begin // BLOCK,
                length,
                count,
                batch.first,
                zeros,
                b"",
            )
            self.octets[offset : offset + 64] = hashed(mark, self.seed)

    def index(self):
        header = struct.pack(
            "<QIIQQQ16s",
            0x584449544C4F4F50,
            2,
            self.lane,
            self.number,
            self.first,
            len(self.rows),
            self.spool.identity,
        )
        return hashed(header + bytes(BLOCK - 64) + b"".join(self.rows))

    def places(self):
        """(sequence, begin, end) of each record that is no big one."""
        for batch in self.batches:
            for sequence, begin in enumerate(batch.records, batch.first):
                body = self.spool.written[(self.lane, sequence)]
                yield sequence, begin, begin + 64 + 18 + len(body)

    def batch_of(self, offset):
        return [batch for batch in self.batches if batch.begin < offset][-1]

    def zero_sector(self, offset):
        begin = offset // 512 * 512
        self.octets[begin : begin + 512] = bytes(512)


class Writer:
    def __init__(self, path, lanes=1, identity=IDENTITY):
        self.path = path
        self.lanes = lanes
        self.identity = identity
        self.segments = []
        self.written = {}  # (lane, sequence): body
        self.big = {}  # (lane, big id): body
        self.sectors = {}  # lane: (next segment, next sequence)

    def segment(self, lane, number, first, skipped=0, is_indexed=False):
        segment = Segment(self, lane, number, first, skipped)
        segment.has_index = is_indexed
        self.segments.append(segment)
        return segment

    def meta(self):
        first = struct.pack(
            "<QIIQ16sQ8s", 0x4154454D4C4F4F50, 2, self.lanes, SIZE, self.identity, 77, b""
        )
        octets = bytearray(131072)
        octets[:64] = hashed(first)
        for lane, (segment, sequence) in self.sectors.items():
            sector = struct.pack(
                "<QIIQQQ16s",
                0x454E414C4C4F4F50,
                2,
                lane,
                segment,
                sequence,
                77,
                self.identity,
            )
            octets[512 + 512 * lane : 576 + 512 * lane] = hashed(sector)
        return octets

    def doorbell(self, places, boot_id=b"another boot's\0\0", generation=1, check=0):
        """`places`: {lane: (tail, segment)}; `check` not 0: the checks are wrong."""
        octets = bytearray(16384)
        head = (0x4C4C45424C4F4F50, 2, self.lanes, boot_id, self.identity, 0, 0, generation, 0)
        octets[:64] = struct.pack("<QII16s16sIIII", *head)
        for lane, (tail, segment) in places.items():
            line = (tail, segment, check ^ tail ^ digest(self.identity + struct.pack("<I", lane)))
            octets[64 + 64 * lane : 88 + 64 * lane] = struct.pack("<QQQ", *line)
        self.put("doorbell", octets)

    def put(self, name, octets):
        path = os.path.join(self.path, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        # In place: what is open stays open, and no lock is lost.
        fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            used = bytes(octets).rstrip(b"\0")
            os.ftruncate(fd, len(used))
            os.pwrite(fd, used, 0)
            os.ftruncate(fd, len(octets))
        finally:
            os.close(fd)

    def name(self, segment, suffix):
        return "lane-%03d/%016x.%s" % (segment.lane, segment.number, suffix)

    def save(self):
        for segment in self.segments:
            _, sequence = self.sectors.get(segment.lane, (1, 0))
            self.sectors[segment.lane] = (segment.number + 1, max(sequence, segment.first))
            if segment.has_segment:
                self.put(self.name(segment, "seg"), segment.octets)
            if segment.has_index:
                self.put(self.name(segment, "idx"), segment.index())
        for (lane, big_id), body in self.big.items():
            self.put("big/%03d-%016x.body" % (lane, big_id), body)
        self.put("spool.meta", self.meta())


def random_spool(choose, path):
    """A small one."""
    writer = Writer(path, lanes=2)
    for lane in range(2):
        sequence = 0
        for number in range(1, choose.randint(2, 4)):
            is_indexed = choose.random() < 0.3
            segment = writer.segment(lane, number, sequence, is_indexed=is_indexed)
            for _ in range(choose.randint(1, 4)):
                bodies = [
                    choose.choice((bytes, choose.randbytes))(choose.choice((0, 9, 500, 6000)))
                    for _ in range(choose.randint(1, 5))
                ]
                segment.batch(bodies)
            sequence = segment.next
    writer.save()
    return writer


def random_lanes(choose, path):
    """Another small one, with what daemons leave behind that were ended: failed batches, headers
    alone, skipped sequences, numbers that are not there, prepared segments, big bodies."""
    writer = Writer(path, lanes=2)
    for lane in range(2):
        number, sequence, skipped = 1, 0, 0
        for _ in range(choose.randint(1, 4)):
            is_indexed = choose.random() < 0.3
            segment = writer.segment(lane, number, sequence, skipped, is_indexed)
            for _ in range(choose.choice((0, 1, 1, 2, 3))):
                bodies = [
                    choose.choice((bytes, choose.randbytes))(choose.choice((0, 9, 500, 3000)))
                    for _ in range(choose.randint(1, 5))
                ]
                is_big = choose.random() < 0.1
                segment.batch(bodies, [choose.randrange(1, 1 << 64)] if is_big else [])
            sequence, skipped = segment.next, 0
            if segment.batches and choose.random() < 0.2:  # the last one failed
                sequence = segment.batches[-1].first
            elif choose.random() < 0.2 and not is_indexed:  # and nobody knows what this is
                segment.octets[segment.used : segment.used + 5] = b"what?"
                skipped = SIZE // 1024
                sequence += skipped
            number += choose.choice((1, 1, 1, 1, 2))
        if choose.random() < 0.3:  # the next one is prepared
            segment = writer.segment(lane, number, sequence)
            segment.octets[:128] = bytes(128)
        writer.sectors[lane] = (number + 1, sequence if choose.random() < 0.5 else 0)
    writer.save()
    if choose.random() < 0.5:
        writer.doorbell({})
    return writer


def break_file(choose, path):
    """Somehow."""
    kind = choose.randrange(6)
    if not os.path.isfile(path):
        return
    if kind == 0:
        os.remove(path)
    elif kind == 1:
        os.remove(path)
        os.mkdir(path)
    elif kind == 2:
        os.truncate(path, choose.randrange(os.path.getsize(path) + 1))
    else:
        with open(path, "r+b") as file:
            file.seek(choose.randrange(min(30000, os.path.getsize(path) + 1)) // 64 * 64)
            file.write(choose.randbytes(choose.choice((1, 64, 5000))))


@contextlib.contextmanager
def refusing(name, begin, end):
    """A disk that refuses the blocks of these octets in files whose path ends so: os.pread and
    os.preadv do."""
    begin, end = begin // BLOCK * BLOCK, padded(end, BLOCK)

    def guarded(real, length_of):
        def read(fd, what, offset):
            path = os.readlink(f"/proc/self/fd/{fd}")
            reach = offset + length_of(what)
            if path.endswith("/" + name) and offset < end and begin < reach:
                raise OSError(errno.EIO, "I/O error")
            return real(fd, what, offset)

        return read

    preadv = guarded(os.preadv, lambda buffers: sum(len(buffer) for buffer in buffers))
    with mock.patch("os.pread", guarded(os.pread, int)), mock.patch("os.preadv", preadv):
        yield
