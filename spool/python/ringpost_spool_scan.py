# SPDX-License-Identifier: BSD-2-Clause
"""What is in a file of a spool, and what became of the rest: the half of ringpost_spool.py that
knows octets and nothing of lanes. Private to it. spool/FORMAT.md is the description."""

import bisect
import errno
import mmap
import os
import stat
import struct
from dataclasses import dataclass, replace

try:
    import xxhash
except ImportError as missing:
    raise ImportError(
        "ringpost_spool needs the module xxhash: apt-get install python3-xxhash"
    ) from missing

VERSION = 2
BLOCK = 4096
ALIGN = 64
SECTOR = 512  # octets that a disk writes wholly or not at all
LANES_MAX = 255
SEGMENT_MIN = 1 << 20
SEGMENT_MAX = 1 << 30
ENVELOPE_MAX = 8 << 20
SEGMENT_NUMBER_MAX = (1 << 40) - 1
META_LEN = SECTOR * (1 + LANES_MAX)

META_MAGIC = 0x4154454D4C4F4F50
LANE_MAGIC = 0x454E414C4C4F4F50
SEGMENT_MAGIC = 0x474553544C4F4F50
INDEX_MAGIC = 0x584449544C4F4F50
DOORBELL_MAGIC = 0x4C4C45424C4F4F50
RECORD_MAGIC = 0x43525052
BEGIN_MAGIC = 0x47454252
END_MAGIC = 0x444E4552

META = struct.Struct("<QQIIQ16sQ8s")
LANE = struct.Struct("<QQIIQQQ16s")
SEGMENT = struct.Struct("<QQIIQQQ16sQ56s")
MARK = struct.Struct("<QIIIIQI28s")
RECORD = struct.Struct("<QIIIIIIQQQQ")
INDEX = struct.Struct("<QQIIQQQ16s")
ENTRY = struct.Struct("<QQQQQQII8s")
DOORBELL = struct.Struct("<QII16s16sIII4s")
ITEM = struct.Struct("<HHI")
assert all(s.size == 64 for s in (META, LANE, MARK, RECORD, INDEX, ENTRY, DOORBELL))
assert SEGMENT.size == 128

BIG, DAMAGED, UNFINISHED = 2, 4, 8  # flags of an index's entry; BIG of a record, too


def hash_of(octets, seed=0):
    return xxhash.xxh3_64_intdigest(octets, seed)


def seed_of(identity, lane, segment):
    return hash_of(identity + struct.pack("<IQ", lane, segment))


def padded(length, unit=ALIGN):
    return (length + unit - 1) // unit * unit


# ---- files ----


def open_file(path):
    """A regular file; the caller closes it. What is none counts as gone: FileNotFoundError."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.ENOTDIR):
            raise FileNotFoundError(errno.ENOENT, "no regular file", path) from error
        raise
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise FileNotFoundError(errno.ENOENT, "no regular file", path)
    return fd


def read_block(path, offset):
    """The octets from `offset` to the end of its block, past the page cache: that reads more than
    it is asked for, and gives none of it where the disk refuses a part. OSError."""
    begin = offset - offset % BLOCK
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_DIRECT)
    try:
        with mmap.mmap(-1, BLOCK) as block:  # aligned, as the disk wants it
            got = os.preadv(fd, [block], begin)
            return block[offset - begin : got]
    finally:
        os.close(fd)


class Image:
    """Octets of a file, zeros for those that the disk refuses, and which blocks these are."""

    def __init__(self, path, length=SEGMENT_MAX, offset=0):
        self.bad = set()  # numbers of blocks
        fd = open_file(path)
        try:
            # No more than is there: memory is taken for all that is asked for.
            self.size = os.fstat(fd).st_size  # of the file
            end = min(self.size, offset + length)
            parts = []
            step = BLOCK * 256
            while offset < end:
                try:
                    part = os.pread(fd, min(step, end - offset), offset)
                except OSError as error:
                    if error.errno != errno.EIO:
                        raise
                    step = BLOCK
                    try:
                        part = read_block(path, offset)[: end - offset]
                    except OSError:
                        self.bad.add(offset // BLOCK)
                        part = bytes(min(BLOCK - offset % BLOCK, end - offset))
                if not part:
                    break
                parts.append(part)
                offset += len(part)
                if step == BLOCK and offset % (BLOCK * 256) == 0:
                    step = BLOCK * 256
            self.octets = b"".join(parts)
        finally:
            os.close(fd)

    def __len__(self):
        return len(self.octets)

    def is_readable(self, begin, end):
        blocks = range(begin // BLOCK, (end - 1) // BLOCK + 1) if begin < end else ()
        if len(blocks) < len(self.bad):
            return not any(number in self.bad for number in blocks)
        return not any(number in blocks for number in self.bad)

    def is_zero(self, begin, end):
        """All of it is there, can be read, and is zeros."""
        part = self.octets[begin:end]
        return len(part) == end - begin and not part.strip(b"\0") and self.is_readable(begin, end)

    def has_something(self, begin):
        """From there on are other octets than zeros, or some that cannot be read."""
        return len(self) > begin and not (
            self.octets.count(0, begin) == len(self) - begin and self.is_readable(begin, len(self))
        )


def boot_id():
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return bytes.fromhex(file.read().strip().replace("-", ""))
    except OSError:
        return b""


# ---- a segment's octets ----


def items_of(envelope):
    """(tag, value) of each item."""
    position = 0
    while len(envelope) - position >= ITEM.size:
        tag, _, length = ITEM.unpack_from(envelope, position)
        position += ITEM.size
        if length > len(envelope) - position:
            return
        yield tag, envelope[position : position + length]
        position += length


@dataclass(frozen=True)
class Thing:
    """A whole mark, or a record whose header and envelope are whole."""

    offset: int
    behind: int  # where the next one should be
    batch: int  # offset of its batch
    first: int  # sequence of the batch's first message
    low: int  # a record: its sequence; a mark: which one comes next
    due: int  # which sequence comes next
    mark: tuple = None  # (len, count, zero_sectors) of the batch
    record: tuple = None  # (flags, envelope_len, body_len, body_hash, time_ns, hash, big id)

    @property
    def is_end(self):
        return self.mark is not None and self.offset != self.batch


def thing_at(image, offset, seed, base=0):
    """What is whole at `offset`, else None. The image begins at `base`."""
    at = offset - base
    if at + 64 > len(image):
        return None
    magic = int.from_bytes(image.octets[at + 8 : at + 12], "little") ^ (seed >> 32)
    if magic == RECORD_MAGIC:
        return _record(image, offset, seed, at)
    if magic not in (BEGIN_MAGIC, END_MAGIC) or not image.is_readable(offset, offset + 64):
        return None
    octets = image.octets[at : at + 64]
    digest, _, batch, length, count, first, zeros, _ = MARK.unpack(octets)
    begin = batch * BLOCK
    is_begin = magic == BEGIN_MAGIC
    if (
        digest != hash_of(octets[8:], seed)
        or not 1 <= count <= SEGMENT_MAX // 1024
        or (first + count) >> 63
        or length % ALIGN
        or length < 64 * (2 + count)
        or begin < BLOCK
        or begin + length > SEGMENT_MAX
        or offset != (begin if is_begin else begin + length - 64)
    ):
        return None
    behind = offset + 64 if is_begin else padded(begin + length, BLOCK)
    due = first if is_begin else first + count
    return Thing(offset, behind, begin, first, due, due, mark=(length, count, zeros))


def _record(image, offset, seed, at):
    fields = RECORD.unpack_from(image.octets, at)
    digest, _, flags, index, batch, envelope_len, place = fields[:7]
    body_len, body_hash, sequence, time_ns = fields[7:]
    octets = image.octets[at + 8 : at + 64 + envelope_len]
    behind = offset + padded(64 + envelope_len + (0 if flags == BIG else body_len))
    if (
        flags not in (0, BIG)
        or envelope_len > ENVELOPE_MAX
        or behind > SEGMENT_MAX
        or place * ALIGN != offset
        or not BLOCK <= batch * BLOCK < offset
        or sequence >> 63
        or index > sequence
        or len(octets) < 56 + envelope_len
        or not image.is_readable(offset, offset + 64 + envelope_len)
        or digest != hash_of(octets, seed)
    ):
        return None
    big_id = 0
    if flags == BIG:
        value = dict(items_of(octets[56:])).get(13, b"")
        big_id = int.from_bytes(value, "little") if len(value) == 8 else 0
    record = (flags, envelope_len, body_len, body_hash, time_ns, digest, big_id)
    first = sequence - index
    return Thing(offset, behind, batch * BLOCK, first, sequence, sequence + 1, record=record)


def _body_is_whole(image, thing):
    flags, envelope_len, body_len, body_hash = thing.record[:4]
    if flags == BIG:
        return True
    begin = thing.offset + 64 + envelope_len
    body = image.octets[begin : begin + body_len]
    return (
        len(body) == body_len
        and image.is_readable(begin, begin + body_len)
        and hash_of(body) == body_hash
    )


def _places(octets, seed):
    """Where the magic of a mark or a record is."""
    places = []
    for magic in (RECORD_MAGIC, BEGIN_MAGIC, END_MAGIC):
        needle = struct.pack("<I", magic ^ (seed >> 32))
        at = octets.find(needle, BLOCK)
        while at >= 0:
            if at % ALIGN == 8:
                places.append(at - 8)
            at = octets.find(needle, at + 1)
    return sorted(places)


class Scan:
    """What is in a segment: FORMAT.md, Recovery.

    First walk() finds what is whole; then settle() says what became of the rest.
    """

    def __init__(self, image, seed, cap, first=None, limit=None):
        self.image = image
        self.seed = seed
        self.cap = cap  # at most so many messages
        self.first = self.confirmed = first  # sequences: the first, the one that is due
        self.limit = limit  # the first void one
        self.whole = {}  # sequence: record
        self.pending = {}  # the same, of those whose body is damaged
        self.suspects = []  # their sequences
        self.gaps = []  # (sequence, sequence behind the last, begin, end of the place)
        self.batch = self.mark = None  # a thing of the last batch, a mark of it
        self.is_void = False
        self.rest = BLOCK  # nothing is known from there on
        self.unfinished = None  # the sequence from which on the last batch is unfinished
        self.problems = []  # (kind, count)
        self.walk()

    def walk(self):
        places = _places(self.image.octets, self.seed)
        offset, place, upcoming = BLOCK, None, self.first
        while True:
            if place is not None:
                at = bisect.bisect_left(places, offset)
                if at == len(places):
                    break
                offset = places[at]
            thing = thing_at(self.image, offset, self.seed)
            if thing is None or (self.first is not None and thing.due - self.first > self.cap):
                if place is None:
                    place = offset
                offset += ALIGN
                continue
            if self.limit is not None:
                if (thing.first if thing.mark else thing.low) >= self.limit:
                    self.is_void = True
                    break
                if thing.due > self.limit:  # END of a batch that is void in part
                    thing = replace(thing, low=self.limit, due=self.limit)
            if upcoming is not None and thing.low < upcoming:
                offset = thing.behind if place is None else offset + ALIGN
                continue
            if self.batch is None or thing.batch > self.batch.batch:
                self.batch, self.mark = thing, None
            self.mark = self.mark or thing.mark
            if self.first is None:
                self.first = self.confirmed = thing.first
            upcoming = thing.due
            if thing.record and not _body_is_whole(self.image, thing):
                self.pending[thing.low] = thing
                place = offset if place is None else place
                offset = thing.behind
                continue
            if self.confirmed < thing.low:
                begin = offset if place is None else place
                self.gaps.append((self.confirmed, thing.low, begin, offset))
            if thing.record:
                self.whole[thing.low] = thing
            place, self.confirmed, offset = None, thing.due, thing.behind
        self.rest = offset if place is None else place

    def is_blank_begin(self, begin):
        """What was written there is unfinished, says the place of BEGIN."""
        return self.image.is_zero(begin, begin + SECTOR)

    def is_unfinished(self):
        """The last batch is, as far as its octets tell."""
        begin = self.batch.batch
        if self.mark is None:
            return self.is_blank_begin(begin)
        end = begin + self.mark[0]
        at = (end - 64) // SECTOR * SECTOR  # END's
        if self.image.is_zero(at, at + SECTOR):
            return True
        zeros = sum(self.image.is_zero(at, at + SECTOR) for at in range(begin, end, SECTOR))
        return zeros > self.mark[2]

    def settle(self, proven, known_end, is_exact, size):
        """{sequence: (offset, thing or None, damage)}. Committed are all below `proven`, at least
        those below `known_end` are in this segment (or just those: is_exact). `size` is what the
        header says that the file has; None: it does not matter what is behind the last message."""
        count_end = 0
        if self.batch is not None:
            proven = max(proven, self.batch.first)
            wanted = self.batch.first + 1
            if self.mark is not None:
                wanted = count_end = self.batch.first + self.mark[1]
                if self.limit is not None:
                    wanted = min(wanted, self.limit)
            # It was committed as a whole: a proof that ends within it is that of another one.
            if proven < wanted and not self.is_void and self.is_unfinished():
                self.unfinished = proven
        rows = {s: (thing.offset, thing, None) for s, thing in self.whole.items()}
        if self.first is not None:
            end = self.confirmed
            if not is_exact:
                end = max([end, count_end] + [s + 1 for s in self.pending])
            if known_end is not None and known_end - self.first <= self.cap:
                end = max(end, known_end)
            bound = self.first + self.cap
            end = min(end, bound if self.limit is None else min(bound, self.limit))
            self.suspects = sorted(self.pending)
            for lost, behind, begin, to in self.gaps:
                self.fill(rows, range(lost, behind), begin, to)
            self.fill_end(rows, end, count_end)
            self.confirmed = max(end, self.confirmed)
        if not self.is_void and size is not None:
            self.judge(rows, size)
        return rows

    def fill_end(self, rows, end, count_end):
        """Lost sequences at the end: those of the last batch in it, if its length is known."""
        begin, place = self.confirmed, self.rest
        batch_end = 0 if self.mark is None else self.batch.batch + self.mark[0]
        if 0 < batch_end < len(self.image):
            own = min(end, max([count_end] + [s + 1 for s in self.pending]))
            if own > begin:
                self.fill(rows, range(begin, own), place, batch_end)
                begin = own
            place = max(place, batch_end)
        if end > begin:
            self.fill(rows, range(begin, end), place, max(place, len(self.image)))

    def fill(self, rows, lost, begin, to):
        """The lost sequences of the place [begin, to): those of which nothing is known get offsets
        of their own there, as long as there are enough."""
        offset = min(begin, SEGMENT_MAX - ALIGN)
        at = bisect.bisect_left(self.suspects, lost.start)

        def bound_of(limit):
            """Where the next suspect of the place begins."""
            if at < len(self.suspects) and self.suspects[at] < lost.stop:
                return self.pending[self.suspects[at]].offset
            return limit

        is_place_readable = self.image.is_readable(begin, bound_of(to))
        for sequence in lost:
            thing, is_readable = self.pending.get(sequence), is_place_readable
            if thing is not None:
                at += 1
                offset = thing.offset
                is_readable = self.image.is_readable(offset, thing.behind)
                is_place_readable = self.image.is_readable(offset, bound_of(to))
            damage = "damaged" if is_readable else "unreadable"
            if is_readable and self.unfinished is not None and sequence >= self.unfinished:
                damage = "unfinished"
            rows[sequence] = (offset, thing, damage)
            offset += ALIGN if bound_of(to) > offset + ALIGN else 0

    def judge(self, rows, size):
        """What is behind the last known message?"""
        image, kind = self.image, None
        lost = [s for s, (_, _, damage) in rows.items() if damage == "unfinished"]
        is_unfinished = self.unfinished is not None
        after = self.rest
        if self.mark is not None:
            after = padded(self.batch.batch + self.mark[0], BLOCK)
        is_prepared = size == 0 and self.batch is None and not image.has_something(BLOCK)
        if not image.is_readable(after, len(image)):
            kind = "unreadable"  # there may be proof of what seems to be unfinished
        elif len(image) < (size or SEGMENT_MIN) and not is_prepared:
            kind = "damaged"  # it was cut
        elif self.batch is not None and self.mark is None:
            kind = None if is_unfinished else "damaged"
        elif image.has_something(after):
            if self.is_blank_begin(after):
                is_unfinished = True
            else:
                kind = "damaged"
        if lost or (is_unfinished and kind is None):
            self.problems.append(("unfinished", len(lost)))
        if kind is not None:
            self.problems.append((kind, 0))

    @property
    def is_unknown(self):
        return any(kind != "unfinished" for kind, _ in self.problems)


# ---- header and index ----


@dataclass(frozen=True)
class Header:
    kind: str  # "good", "blank", "damaged", "unreadable", "none": there is no such file
    first: int = None
    size: int = 0
    skipped: int = 0


def read_header(path, identity, lane, segment):
    """identity None: any will do."""
    try:
        image = Image(path, SEGMENT.size)
    except FileNotFoundError:
        return Header("none"), None
    octets = image.octets.ljust(SEGMENT.size, b"\0")
    if image.bad:
        return Header("unreadable"), None
    if octets == bytes(SEGMENT.size):
        return Header("blank"), None
    fields = SEGMENT.unpack(octets)
    digest, magic, version, of_lane, number, first, size, of_spool, skipped, _ = fields
    is_good = (
        (magic, version, of_lane, number) == (SEGMENT_MAGIC, VERSION, lane, segment)
        and digest == hash_of(octets[8:])
        and of_spool == (identity or of_spool)
        and skipped <= first < 1 << 63
        and size <= SEGMENT_MAX
    )
    if not is_good:
        return Header("damaged"), None
    return Header("good", first, size, skipped), of_spool


def read_index(path, identity, lane, segment):
    """(first sequence, rows) of an index that is whole, or None."""
    try:
        image = Image(path, BLOCK + SEGMENT_MAX // 1024 * 64)
    except FileNotFoundError:
        return None
    octets = image.octets
    if len(octets) < BLOCK or image.bad:
        return None
    digest, magic, version, of_lane, number, first, count, of_spool = INDEX.unpack_from(octets)
    end = BLOCK + 64 * count
    if (
        (magic, version, of_lane, number) != (INDEX_MAGIC, VERSION, lane, segment)
        or of_spool != identity
        or end > len(octets)
        or digest != hash_of(octets[8:end])
    ):
        return None
    rows = [ENTRY.unpack_from(octets, BLOCK + i * 64) for i in range(count)]
    if any(row[2] != first + i for i, row in enumerate(rows)):
        return None
    return first, rows


def segment_number(name):
    """Of a segment's file or its index, by the file's name; None: it is neither."""
    stem, suffix = name[:16], name[16:]
    if suffix not in (".seg", ".idx") or set(stem) - set("0123456789abcdef") or len(stem) != 16:
        return None
    return int(stem, 16) if 0 < int(stem, 16) <= SEGMENT_NUMBER_MAX else None
