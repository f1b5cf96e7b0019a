# SPDX-License-Identifier: BSD-2-Clause
"""Read a ringpost spool: list, find, load, check and follow its messages.

    with Spool("/var/spool/ringpost") as spool:
        for entry in spool:
            message = spool.read(entry)      # raises DamagedError
            print(message.id, message.sender, message.recipients, len(message.body))

One module, the standard library and python3-xxhash. The daemon may be running or not; nothing
is ever written and no lock is taken. Only committed messages are seen, and only with the octets
that were committed. spool/FORMAT.md describes the files; this is a second implementation of it and
shares no code with the C library.

Bugs: waiting is polling (Python has no futex). On machines with weak memory order (aarch64) an
entry may be seen before its octets: read() then raises DamagedError, once.
"""

import errno
import mmap
import os
import stat
import struct
import time
from dataclasses import dataclass, field

import xxhash

VERSION = 1
BLOCK = 4096
ALIGN = 64
SECTOR = 512  # octets that a disk writes wholly or not at all
LANES_MAX = 255
SEGMENT_MAX = 1 << 30
ENVELOPE_MAX = 8 << 20
SEGMENT_NUMBER_MAX = (1 << 40) - 1

META_MAGIC = 0x4154454D4C4F4F50
SEGMENT_MAGIC = 0x474553544C4F4F50
INDEX_MAGIC = 0x584449544C4F4F50
DOORBELL_MAGIC = 0x4C4C45424C4F4F50
RECORD_MAGIC = 0x43525052
INDEX_OPEN = (1 << 64) - 1

META = struct.Struct("<QQIIQ16sQ8s")
SEGMENT = struct.Struct("<QQIIQQQ16s")
RECORD = struct.Struct("<QIIQIIQQQQ")
INDEX = struct.Struct("<QIIQQQQ16s")
ENTRY = struct.Struct("<QQQQQQIIQ")
DOORBELL = struct.Struct("<QII16s16sIII4s")
ITEM = struct.Struct("<HHI")
assert all(s.size == 64 for s in (META, SEGMENT, RECORD, INDEX, ENTRY, DOORBELL))

PAD, BIG = 1, 2  # of a record
INDEX_BIG, INDEX_DAMAGED = 2, 4

TAGS = {
    1: "client_addr",
    2: "client_port",
    3: "listener",
    4: "helo",
    5: "protocol",
    6: "sender",
    7: "sender_params",
    8: "recipient",
    9: "recipient_params",
    10: "body_type",
    11: "smtputf8",
    12: "arrival_ns",
    13: "big_id",
    14: "tls_version",
    15: "tls_cipher",
    16: "auth_identity",
}
NUMBERS = {"client_port", "body_type", "arrival_ns", "big_id"}


class SpoolError(Exception):
    """It is no spool, or one that this version cannot read."""


class DamagedError(SpoolError):
    """The octets are not those that were written."""


@dataclass(frozen=True)
class Info:
    identity: bytes
    version: int
    lane_count: int
    segment_size: int
    created_ns: int


@dataclass(frozen=True)
class Entry:
    """One message, or one damaged place (then only id, lane, segment and sequence count)."""

    lane: int
    segment: int
    sequence: int
    offset: int
    time_ns: int
    body_len: int
    envelope_len: int
    is_big: bool
    is_damaged: bool
    hash: int = field(repr=False)

    @property
    def id(self):
        return "%03x-%010x-%06x" % (self.lane, self.segment, self.offset // ALIGN)


@dataclass(frozen=True)
class Recipient:
    address: str
    params: str = ""

    def __str__(self):
        return self.address


@dataclass(frozen=True)
class Message:
    """Text is UTF-8; octets that are not are kept as surrogates (os.fsencode gives them back)."""

    id: str
    time_ns: int
    body: bytes
    sender: str  # "" is the null sender
    sender_params: str
    recipients: tuple
    items: tuple  # (tag, value) as stored, in order

    def get(self, name, default=None):
        """The first item of this name (TAGS): a number, True for smtputf8, else text."""
        for tag, value in self.items:
            if TAGS.get(tag) == name:
                if name == "smtputf8":
                    return True
                return int.from_bytes(value, "little") if name in NUMBERS else _text(value)
        return default


def _text(value):
    return value.decode("utf-8", "surrogateescape")


def _hash(octets, seed=0):
    return xxhash.xxh3_64_intdigest(octets, seed)


def _seed(identity, lane, segment):
    return _hash(identity + struct.pack("<IQ", lane, segment))


def _padded(length):
    return (length + ALIGN - 1) // ALIGN * ALIGN


def _open(path):
    """A regular file and nothing else; the caller closes it. FileNotFoundError, DamagedError."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise DamagedError(f"{path}: no regular file") from error
        raise
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise DamagedError(f"{path}: no regular file")
    return fd


def _read(path, length=None, offset=0):
    fd = _open(path)
    try:
        # No more than is there: memory is taken for all that is asked for.
        there = max(0, os.fstat(fd).st_size - offset)
        length = min(there, SEGMENT_MAX) if length is None else min(there, length)
        parts = []
        while length > 0:
            part = os.pread(fd, length, offset)
            if not part:
                break
            parts.append(part)
            offset += len(part)
            length -= len(part)
        return b"".join(parts)
    finally:
        os.close(fd)


def _boot_id():
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return bytes.fromhex(file.read().strip().replace("-", ""))


# ---- records ----


def _record(image, offset, seed):
    """The header at `offset` if it is whole with its envelope, else None."""
    if offset + 64 > len(image):
        return None
    fields = RECORD.unpack_from(image, offset)
    digest, magic, flags, total, envelope_len, batch_off, body_len, body_hash, sequence, at = fields
    if magic != RECORD_MAGIC ^ (seed >> 32) or flags not in (0, PAD, BIG):
        return None
    if envelope_len > ENVELOPE_MAX or offset + total > SEGMENT_MAX:
        return None
    if batch_off * BLOCK > offset or sequence >> 63:
        return None
    if flags == PAD:
        if envelope_len or body_len or total != BLOCK - offset % BLOCK:
            return None
    elif total != _padded(64 + envelope_len + (0 if flags == BIG else body_len)):
        return None
    end = offset + 64 + envelope_len
    if end > len(image) or digest != _hash(image[offset + 8 : end], seed):
        return None
    return flags, total, envelope_len, body_len, body_hash, sequence, at, digest, batch_off * BLOCK


def _body_is_whole(image, offset, record):
    flags, _, envelope_len, body_len, body_hash = record[:5]
    if flags == BIG:
        return True
    begin = offset + 64 + envelope_len
    end = begin + body_len
    return end <= len(image) and _hash(image[begin:end]) == body_hash


def _fill(found, pending, sequences, begin, end):
    """The damaged place [begin, end) has these sequences: those of which nothing is known get
    offsets of their own there, as long as there are enough."""
    offset = min(begin, SEGMENT_MAX - ALIGN)
    for sequence in sequences:
        if sequence in pending:
            offset = pending[sequence][0]
        else:
            found[sequence] = (offset, None, False)
        later = [pending[s][0] for s in pending if sequence < s < sequences.stop]
        if min(later, default=end) > offset + ALIGN:
            offset += ALIGN
    found.update(pending)
    pending.clear()


def _has_untouched_sector(image, begin, end):
    begin = (begin + SECTOR - 1) // SECTOR * SECTOR
    return any(
        image[at : at + SECTOR] == bytes(SECTOR) for at in range(begin, end - SECTOR + 1, SECTOR)
    )


def _scan(image, seed, first, limit, cap, known_end):
    """(first sequence, {sequence: (offset, record or None, is_whole)}, sequence behind the last):
    FORMAT.md, Recovery."""
    result, torn = _walk(image, seed, first, limit, cap, known_end)
    if torn is not None and known_end is None:
        result, _ = _walk(image[:torn], seed, first, limit, cap, None)
    return result


def _walk(image, seed, first, limit, cap, known_end):
    """What _scan gives, and where the last batch is torn (None: it is not)."""
    found = {}
    torn = None
    pending = {}  # records of which only the header is whole, until something whole follows
    offset, upcoming, place = BLOCK, first, None
    confirmed = first  # the sequence behind the last one that is known to have been
    while offset + 64 <= len(image):
        record = _record(image, offset, seed)
        if record is None:
            place = offset if place is None else place
            offset += ALIGN
            continue
        flags, total, sequence = record[0], record[1], record[5]
        if limit is not None and (sequence > limit if flags == PAD else sequence >= limit):
            break
        is_old = upcoming is not None and sequence < upcoming
        is_far = first is not None and sequence - first + (flags != PAD) > cap
        if is_far or (is_old and place is not None):
            place = offset if place is None else place
            offset += ALIGN
            continue
        if is_old:
            offset += total
            continue
        if first is None:
            first = confirmed = sequence
        if flags != PAD and not _body_is_whole(image, offset, record):
            pending[sequence] = (offset, record, False)
            place = offset if place is None else place
            upcoming = sequence + 1
            offset += total
            continue
        begin = offset if place is None else place
        _fill(found, pending, range(confirmed, sequence), begin, offset)
        if torn is None and _has_untouched_sector(image, begin, offset):
            torn = begin
        place = None
        if flags != PAD:
            found[sequence] = (offset, record, True)
            if torn is not None and torn < record[8]:
                torn = None  # a later batch is there, so this one was committed
        upcoming = confirmed = sequence + (flags != PAD)
        offset += total
    if known_end is not None and first is not None and confirmed < known_end <= first + cap:
        begin = offset if place is None else place
        _fill(found, pending, range(confirmed, known_end), begin, max(begin, len(image)))
        confirmed = known_end
    return (first, found, confirmed), torn


# ---- the spool ----


class _Lane:
    def __init__(self, spool, number):
        self.spool = spool
        self.number = number
        self.path = os.path.join(spool.path, "lane-%03d" % number)
        self.numbers = []
        self.settled = {}  # segment number: entries; a few
        self.refresh()

    def name(self, segment, suffix):
        return os.path.join(self.path, "%016x.%s" % (segment, suffix))

    def refresh(self):
        self.settled.clear()
        numbers = []
        try:
            names = os.listdir(self.path)
        except (FileNotFoundError, NotADirectoryError):
            names = []
        for name in names:
            stem, dot, suffix = name.partition(".")
            if dot and suffix == "seg" and len(stem) == 16 and set(stem) <= set("0123456789abcdef"):
                if 0 < int(stem, 16) <= SEGMENT_NUMBER_MAX:
                    numbers.append(int(stem, 16))
        self.numbers = sorted(numbers)

    def header(self, segment):
        """(kind, first sequence, size): kind is "good", "blank" or "bad"."""
        try:
            octets = _read(self.name(segment, "seg"), 64).ljust(64, b"\0")
        except (FileNotFoundError, DamagedError):
            return "none", None, 0
        if octets == bytes(64):
            return "blank", None, 0
        digest, magic, version, lane, number, first, size, identity = SEGMENT.unpack(octets)
        if (
            (magic, version, lane, number) != (SEGMENT_MAGIC, VERSION, self.number, segment)
            or digest != _hash(octets[8:])
            or identity != self.spool.info.identity
        ):
            return "bad", None, 0
        return "good", first, size

    def index(self, segment, octets=None):
        """(first sequence, count) of an index of this segment, or None; count None: it is open."""
        try:
            octets = _read(self.name(segment, "idx"), 64) if octets is None else octets[:64]
        except (FileNotFoundError, DamagedError):
            return None
        if len(octets) < 64:
            return None
        magic, version, lane, number, first, _, count, identity = INDEX.unpack(octets)
        if (magic, version, lane, number) != (INDEX_MAGIC, VERSION, self.number, segment):
            return None
        if identity != self.spool.info.identity:
            return None
        return first, None if count == INDEX_OPEN else count

    def sealed(self, segment):
        """(first sequence, entries) of a sealed index whose hash is right, or None."""
        try:
            octets = _read(self.name(segment, "idx"), BLOCK + SEGMENT_MAX // 1024 * 64)
        except (FileNotFoundError, DamagedError):
            return None
        header = self.index(segment, octets)
        if header is None or header[1] is None:
            return None
        first, count = header
        entries = octets[BLOCK : BLOCK + count * 64]
        if len(entries) != count * 64 or INDEX.unpack_from(octets)[5] != _hash(entries):
            return None
        kind, segment_first, _ = self.header(segment)
        if kind == "good" and segment_first != first:
            return None
        rows = [ENTRY.unpack_from(entries, i * 64) for i in range(count)]
        if any(row[3] != first + i for i, row in enumerate(rows)):
            return None
        return first, [self.entry(segment, first + i, row) for i, row in enumerate(rows)]

    def entry(self, segment, sequence, row):
        offset, _, body_len, row_sequence, at, _, envelope_len, flags, digest = row
        is_sane = row_sequence == sequence and offset % ALIGN == 0 and offset < SEGMENT_MAX
        return Entry(
            lane=self.number,
            segment=segment,
            sequence=sequence,
            offset=offset if is_sane else 0,
            time_ns=at,
            body_len=body_len,
            envelope_len=envelope_len,
            is_big=bool(flags & INDEX_BIG),
            is_damaged=not is_sane or bool(flags & INDEX_DAMAGED),
            hash=digest,
        )

    def first_of(self, segment, probe):
        """(first sequence as far as hashes vouch for it, whether header or index say so)."""
        kind, first, _ = self.header(segment)
        if kind == "good":
            return first, True
        sealed = self.sealed(segment)
        if sealed is not None:
            return (sealed[0], True) if sealed[1] else (None, True)
        if probe and kind != "none":
            first, found, _ = self.scan(segment, None, None, None)
            whole = [s for s, (_, _, is_whole) in found.items() if is_whole]
            return (min(whole) if whole else None), False
        return None, True

    def scan(self, segment, first, limit, known_end):
        kind, header_first, size = self.header(segment)
        image = _read(self.name(segment, "seg"))
        cap = size // 1024 if kind == "good" else min(len(image) // ALIGN + 1, SEGMENT_MAX // 1024)
        seed = _seed(self.spool.info.identity, self.number, segment)
        if kind == "good":
            first = header_first
        return _scan(image, seed, first, limit, cap, known_end)

    def bounds(self, segment, probe):
        """(sequence that a later segment begins with, the same if it is the very next one's)."""
        for later in self.numbers:
            if later > segment:
                first, is_exact = self.first_of(later, probe)
                if first is not None:
                    return first, first if is_exact and later == segment + 1 else None
        return None, None

    def open_settled(self, segment):
        if segment not in self.settled:
            if len(self.settled) > 2:
                self.settled.clear()
            self.settled[segment] = self.load(segment)
        return self.settled[segment]

    def load(self, segment):
        """Entries of a segment that nobody writes to any more."""
        sealed = self.sealed(segment)
        if sealed is not None:
            limit, _ = self.bounds(segment, False)
            if limit is None or sealed[0] + len(sealed[1]) <= limit:
                return sealed[1]
        kind = self.header(segment)[0]
        if kind == "none":
            return []
        limit, known_end = self.bounds(segment, True)
        tail = self.spool.tail(self.number)
        if tail is not None:
            limit = tail if limit is None else min(limit, tail)
        first = None
        if kind != "good" and segment - 1 in self.numbers:
            before = self.open_settled(segment - 1)
            guess = before[-1].sequence + 1 if before else None
            begins = self.first_of(segment, True)[0]
            if guess is not None and (begins is None or guess <= begins):
                first = guess
        first, found, end = self.scan(segment, first, limit, known_end)
        return self.as_entries(segment, first, found, end)

    def as_entries(self, segment, first, found, end):
        entries = []
        at = 0
        for sequence in range(first, end) if first is not None else ():
            offset, record, is_whole = found[sequence]
            if record is None:
                row = (offset, 0, 0, sequence, at, 0, 0, INDEX_DAMAGED, 0)
            else:
                flags, total, envelope_len, body_len, _, _, at, digest, _ = record
                index_flags = INDEX_BIG if flags == BIG else 0
                index_flags |= 0 if is_whole else INDEX_DAMAGED
                row = (offset, total, body_len, sequence, at, 0, envelope_len, index_flags, digest)
            entries.append(self.entry(segment, sequence, row))
        return entries

    def entries(self, segment, position):
        """(entries from `position` on that are published, whether no more will come)."""
        tail = self.spool.tail(self.number)  # before the index: see FORMAT.md, Publishing
        if tail is not None:
            index = self.index(segment)
            if index is None and self.header(segment)[0] == "blank":
                # Prepared, not in use yet; unless a later one is: then it is what a failed
                # preparation left behind, and nothing will come of it.
                return [], any(self.index(n) is not None for n in self.numbers if n > segment)
            if index is not None and index[1] is None:
                first = index[0]
                count = max(0, min(tail - first, SEGMENT_MAX // 1024))
                octets = b""
                if count > position:
                    length = (count - position) * 64
                    octets = _read(self.name(segment, "idx"), length, BLOCK + position * 64)
                rows = [ENTRY.unpack_from(octets, i * 64) for i in range(len(octets) // 64)]
                return [
                    self.entry(segment, first + position + i, row) for i, row in enumerate(rows)
                ], False
        return self.open_settled(segment)[position:], True


class Spool:
    """A spool, opened for reading. Iterate over it, or use entries(), find(), read(), verify()."""

    def __init__(self, path):
        self.path = os.fspath(path)
        self._bell = None
        try:
            octets = _read(os.path.join(self.path, "spool.meta"), META.size)
        except FileNotFoundError as error:
            raise SpoolError(f"{self.path}: no spool here (there is no spool.meta)") from error
        if len(octets) < META.size or _hash(octets[8:]) != META.unpack(octets)[0]:
            raise DamagedError(f"{self.path}/spool.meta: damaged")
        _, magic, version, lanes, size, identity, created, _ = META.unpack(octets)
        if magic != META_MAGIC or not 1 <= lanes <= LANES_MAX or version == 0:
            raise SpoolError(f"{self.path}/spool.meta: not of a spool")
        if version > VERSION:
            raise SpoolError(f"{self.path}: version {version}; this reads up to {VERSION}")
        self.info = Info(identity, version, lanes, size, created)
        self._boot_id = _boot_id()
        self._generation = None
        self._open_bell()
        self._lanes = [_Lane(self, i) for i in range(lanes)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self._bell is not None:
            self._bell.close()
            self._bell = None

    # -- the doorbell --

    def _open_bell(self):
        self.close()
        try:
            fd = _open(os.path.join(self.path, "doorbell"))
        except (FileNotFoundError, DamagedError):
            return
        try:
            if os.fstat(fd).st_size >= 64 * (1 + LANES_MAX):
                self._bell = mmap.mmap(fd, 64 * (1 + LANES_MAX), prot=mmap.PROT_READ)
        finally:
            os.close(fd)

    def _bell_fields(self):
        """(lane count, generation) where the doorbell is of this boot, else None."""
        if self._bell is None:
            return None
        fields = DOORBELL.unpack_from(self._bell)
        magic, version, lanes, boot_id, identity, _, _, generation, _ = fields
        if (magic, version, boot_id) != (DOORBELL_MAGIC, VERSION, self._boot_id):
            return None
        return (lanes, generation) if identity == self.info.identity else None

    def tail(self, lane):
        """The sequence behind the lane's last published one; None: no doorbell of this boot."""
        if self._bell_fields() is None:
            return None
        return struct.unpack_from("<Q", self._bell, 64 * (1 + lane))[0]

    def refresh(self):
        """See what has come since: segments, lanes, a daemon."""
        if self._bell_fields() is None:
            self._open_bell()
        octets = _read(os.path.join(self.path, "spool.meta"), META.size)
        if len(octets) == META.size and _hash(octets[8:]) == META.unpack(octets)[0]:
            for number in range(len(self._lanes), META.unpack(octets)[3]):
                self._lanes.append(_Lane(self, number))
        for lane in self._lanes:
            lane.refresh()

    # -- messages --

    def __iter__(self):
        return self.entries()

    def entries(self, cursor=None):
        """All that is there, by time as far as the lanes' heads tell; `cursor` (a dict that begins
        empty) remembers where it was, for a later call to go on there."""
        cursor = {} if cursor is None else cursor
        self.refresh()
        heads = {}
        streams = {lane.number: self._lane_entries(lane, cursor) for lane in self._lanes}
        for number, stream in streams.items():
            heads[number] = next(stream, None)
        while any(head is not None for head in heads.values()):
            number = min(
                (n for n, head in heads.items() if head is not None),
                key=lambda n: (heads[n][0].time_ns, n),
            )
            entry, after = heads[number]
            cursor[number] = after
            yield entry
            heads[number] = next(streams[number], None)

    def _lane_entries(self, lane, cursor):
        """(entry, cursor behind it) of the lane, from the cursor on."""
        segment, position = cursor.get(lane.number, (0, 0))
        for number in list(lane.numbers):
            if number < segment:
                continue
            position = position if number == segment else 0
            while True:
                entries, is_settled = lane.entries(number, position)
                for entry in entries:
                    position += 1
                    yield entry, (number, position)
                if is_settled or not entries:
                    break
            if not is_settled:
                return

    def find(self, message_id):
        """The entry of this id. ValueError: no id; KeyError: no such message."""
        parts = message_id.split("-")
        if [len(part) for part in parts] != [3, 10, 6] or set("".join(parts)) - set(
            "0123456789abcdef"
        ):
            raise ValueError(f"{message_id!r} is no id, they look like 000-0000000001-000040")
        lane, segment, offset = (int(part, 16) for part in parts)
        self.refresh()
        if lane < len(self._lanes) and segment in self._lanes[lane].numbers:
            entries, _ = self._lanes[lane].entries(segment, 0)
            matching = [entry for entry in entries if entry.offset == offset * ALIGN]
            for entry in sorted(matching, key=lambda entry: entry.is_damaged):
                return entry
        raise KeyError(message_id)

    def read(self, entry):
        """The message, every octet of it checked. DamagedError, FileNotFoundError."""
        if entry.is_damaged and entry.hash == 0:
            raise DamagedError(f"{entry.id}: recovery found no whole record")
        lane = self._lanes[entry.lane]
        seed = _seed(self.info.identity, entry.lane, entry.segment)
        length = 64 + entry.envelope_len + (0 if entry.is_big else entry.body_len)
        if length > SEGMENT_MAX:
            raise DamagedError(f"{entry.id}: an impossible length")
        image = _read(lane.name(entry.segment, "seg"), length, entry.offset)
        if len(image) < length:
            raise DamagedError(f"{entry.id}: the segment is too short")
        fields = RECORD.unpack_from(image)
        digest, magic, flags, _, envelope_len, _, body_len, body_hash, _, time_ns = fields
        if (
            digest != entry.hash
            or magic != RECORD_MAGIC ^ (seed >> 32)
            or (envelope_len, body_len) != (entry.envelope_len, entry.body_len)
            or digest != _hash(image[8 : 64 + envelope_len], seed)
        ):
            raise DamagedError(f"{entry.id}: the record is damaged")
        items = tuple(_items(image[64 : 64 + envelope_len]))
        if flags & BIG:
            body = self._read_big(entry, dict(items).get(13, b""))
        else:
            body = image[64 + envelope_len :]
        if len(body) != body_len or _hash(body) != body_hash:
            raise DamagedError(f"{entry.id}: the body is damaged")
        return _message(entry.id, time_ns, body, items)

    def _read_big(self, entry, big_id):
        if len(big_id) != 8:
            raise DamagedError(f"{entry.id}: the envelope does not name the body's file")
        name = "%03d-%016x.body" % (entry.lane, int.from_bytes(big_id, "little"))
        path = os.path.join(self.path, "big", name)
        fd = _open(path)
        try:
            if os.fstat(fd).st_size != entry.body_len:
                raise DamagedError(f"{entry.id}: {path} has another length")
        finally:
            os.close(fd)
        return _read(path, entry.body_len)

    def verify(self):
        """Read everything; yields (entry, error) for each entry that cannot be read."""
        for entry in self.entries():
            try:
                self.read(entry)
            except (DamagedError, FileNotFoundError) as error:
                yield entry, error

    def follow(self, timeout=None, cursor=None, interval=0.05):
        """Entries as they come, for ever, or until none has come for `timeout` seconds."""
        cursor = {} if cursor is None else cursor
        last = time.monotonic()
        while True:
            for entry in self.entries(cursor):
                yield entry
                last = time.monotonic()
            if timeout is not None and time.monotonic() - last >= timeout:
                return
            time.sleep(interval)


def _items(envelope):
    position = 0
    while len(envelope) - position >= ITEM.size:
        tag, _, length = ITEM.unpack_from(envelope, position)
        position += ITEM.size
        if length > len(envelope) - position:
            return
        yield tag, envelope[position : position + length]
        position += length


def _message(message_id, time_ns, body, items):
    sender, sender_params, recipients = "", "", []
    for tag, value in items:
        if tag == 6:
            sender = _text(value)
        elif tag == 7:
            sender_params = _text(value)
        elif tag == 8:
            recipients.append(Recipient(_text(value)))
        elif tag == 9 and recipients:
            recipients[-1] = Recipient(recipients[-1].address, _text(value))
    return Message(message_id, time_ns, body, sender, sender_params, tuple(recipients), items)
