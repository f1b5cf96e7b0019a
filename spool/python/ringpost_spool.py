# SPDX-License-Identifier: BSD-2-Clause
"""Read a ringpost spool: list, find, load, check and follow its messages.

    with Spool("/var/spool/ringpost") as spool:
        for entry in spool:
            message = spool.read(entry)      # raises DamagedError
            print(message.id, message.sender, message.recipients, len(message.body))

It needs the standard library and python3-xxhash. The daemon may be running or not; nothing is
ever written and no lock is taken. Only committed messages are seen, and only with the octets that
were committed. spool/FORMAT.md describes the files; this is a second implementation of it and
shares no code with the C library.

A program that goes on where it stopped keeps a cursor, as a line of text:

    cursor = spool.load_cursor(line) if line else {}
    for entry in spool.follow(cursor=cursor):
        ...
        line = spool.dump_cursor(cursor)     # behind `entry`

Bugs: waiting is polling (Python has no futex). On machines with weak memory order (aarch64) an
entry may be seen before its octets: read() then raises DamagedError, once.
"""

import fcntl
import os
import struct
import time
from dataclasses import dataclass

from ringpost_spool_lane import Entry, Lane, Problem
from ringpost_spool_scan import (
    ALIGN,
    BIG,
    DOORBELL,
    DOORBELL_MAGIC,
    LANE,
    LANES_MAX,
    LANE_MAGIC,
    META,
    META_LEN,
    META_MAGIC,
    SECTOR,
    SEGMENT_MAX,
    VERSION,
    Image,
    boot_id,
    hash_of,
    items_of,
    open_file,
    read_header,
    seed_of,
    segment_number,
    thing_at,
)

__all__ = [
    "DamagedError",
    "Entry",
    "Info",
    "Message",
    "MissingError",
    "Problem",
    "Recipient",
    "Spool",
    "SpoolError",
]

F_OFD_GETLK = 36
BELL_LEN = 16384
FLOCK = struct.Struct("@hhqqi4x")  # struct flock with 64 bits

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
    17: "filler",
}
NUMBERS = {"client_port", "body_type", "arrival_ns", "big_id"}


class SpoolError(Exception):
    """It is no spool, or one that this version cannot read."""


class DamagedError(SpoolError):
    """The octets are not those that were written, or cannot be read."""


class MissingError(DamagedError, FileNotFoundError):
    """The file that the message was in is gone."""


@dataclass(frozen=True)
class Info:
    identity: bytes
    version: int
    lane_count: int
    segment_size: int  # of new segments; 0: spool.meta is damaged
    created_ns: int


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


class Spool:
    """A spool, opened for reading. Iterate over it, or use entries(), find(), read(), verify()."""

    def __init__(self, path):
        self.path = os.fspath(path)
        self.is_live = False  # a daemon is at work: what is behind a tail is not there yet
        self.is_same = False  # and it was when we looked before, with the same files
        self.generation = None
        self.is_holding = False
        self._bell = None
        self._boot_id = boot_id()
        self._lanes = []
        self.info = None
        self.refresh()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self._bell is not None:
            os.close(self._bell)
            self._bell = None

    # -- spool.meta --

    def _read_meta(self):
        """The file's image; what is not there or cannot be read is damaged."""
        try:
            image = Image(os.path.join(self.path, "spool.meta"), META_LEN)
        except FileNotFoundError:
            image = None
        info = None
        if image is not None and len(image) >= META.size and image.is_readable(0, META.size):
            digest, magic, version, lanes, size, identity, created, _ = META.unpack_from(
                image.octets
            )
            if digest == hash_of(image.octets[8:64]) and magic == META_MAGIC:
                if version != VERSION:
                    raise SpoolError(f"{self.path}: version {version}; this reads {VERSION}")
                if not 1 <= lanes <= LANES_MAX:
                    raise SpoolError(f"{self.path}/spool.meta: {lanes} lanes")
                info = Info(identity, version, lanes, size, created)
        return image, info

    def _sector(self, image, lane, identity):
        """(next segment, next sequence, identity, created_ns); None: damaged, (): blank."""
        offset = SECTOR * (1 + lane)
        if image is None or image.is_zero(offset, offset + LANE.size):
            return () if image is not None else None
        if len(image) < offset + LANE.size or not image.is_readable(offset, offset + LANE.size):
            return None
        fields = LANE.unpack_from(image.octets, offset)
        digest, magic, version, number, segment, sequence, created, of_spool = fields
        if (
            (magic, version, number) != (LANE_MAGIC, VERSION, lane)
            or digest != hash_of(image.octets[offset + 8 : offset + LANE.size])
            or of_spool != (identity or of_spool)
        ):
            return None
        return segment, sequence, of_spool, created

    def _rebuild_info(self, image):
        """The spool's part of spool.meta, from what else there is; None: it is no spool."""
        identity, created, lanes = None, 0, 0
        for lane in range(LANES_MAX):
            if os.path.isdir(self._lane_path(lane)):
                lanes = lane + 1
            sector = self._sector(image, lane, identity)
            if sector:
                lanes = lane + 1
                if identity is None:
                    identity, created = sector[2:]
        for lane in range(lanes if identity is None else 0):
            try:
                names = sorted(os.listdir(self._lane_path(lane)))
            except (FileNotFoundError, NotADirectoryError):
                continue
            for name in names:
                if identity is None and name.endswith(".seg") and segment_number(name):
                    path = os.path.join(self._lane_path(lane), name)
                    identity = read_header(path, None, lane, segment_number(name))[1]
        return None if identity is None else Info(identity, VERSION, max(lanes, 1), 0, created)

    def _lane_path(self, lane):
        return os.path.join(self.path, "lane-%03d" % lane)

    # -- the doorbell --

    def _look_at_bell(self):
        """Open it anew where it is another file; is a daemon at work?"""
        generation, was_live = self.generation, self.is_live
        self.close()
        self.is_live, self.generation = False, None
        try:
            self._bell = open_file(os.path.join(self.path, "doorbell"))
        except FileNotFoundError:
            return
        if os.fstat(self._bell).st_size < BELL_LEN:
            self.close()
        fields = self._bell_head()
        if fields is not None:
            magic, version, _, boot, identity, _, _, self.generation, _ = fields
            self.is_live = (
                (magic, version, boot) == (DOORBELL_MAGIC, VERSION, self._boot_id)
                and identity == self.info.identity
                and self._is_locked()
            )
        self.is_same = was_live and self.is_live and generation == self.generation

    def _bell_head(self):
        octets = self._bell_octets(DOORBELL.size, 0)
        return None if octets is None else DOORBELL.unpack(octets)

    def _bell_octets(self, length, offset):
        try:
            octets = b"" if self._bell is None else os.pread(self._bell, length, offset)
        except OSError:
            octets = b""
        return octets if len(octets) == length else None

    def _is_locked(self):
        """Does a daemon hold its lock on spool.meta?"""
        try:
            fd = open_file(os.path.join(self.path, "spool.meta"))
        except FileNotFoundError:
            return False
        try:
            asked = FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            return FLOCK.unpack(fcntl.fcntl(fd, F_OFD_GETLK, asked))[0] != fcntl.F_UNLCK
        except OSError:
            return False  # this file system has no locks
        finally:
            os.close(fd)

    def proof(self, lane):
        """(tail, segment) of the lane in a doorbell of whatever boot; None: it is none of this
        spool, or the check is wrong."""
        head = self._bell_head()
        if head is None or (head[0], head[1], head[4]) != (
            DOORBELL_MAGIC,
            VERSION,
            self.info.identity,
        ):
            return None
        key = hash_of(self.info.identity + struct.pack("<I", lane))
        for _ in range(100):  # the daemon may be between tail and check
            octets = self._bell_octets(8, 64 * (1 + lane))
            rest = self._bell_octets(16, 64 * (1 + lane) + 8)
            if octets is None or rest is None:
                return None
            segment, check = struct.unpack("<QQ", rest)
            tail = int.from_bytes(octets, "little")
            if tail ^ key == check:
                return (tail, segment) if tail >> 63 == 0 else None
            if not self.is_live:
                return None
        return (tail, segment) if tail >> 63 == 0 else None

    def bell(self, lane):
        """(tail, segment) of a lane that a daemon writes to, else None."""
        return self.proof(lane) if self.is_live else None

    def refresh(self):
        """See what has come since: segments, lanes, a daemon. SpoolError: the spool is gone."""
        image, info = self._read_meta()
        if self.info is None:
            self.info = info or self._rebuild_info(image)
            if self.info is None:
                raise SpoolError(f"{self.path}: no spool here, or spool.meta is damaged")
        elif not os.path.isdir(self.path):
            raise SpoolError(f"{self.path}: the spool was removed")
        elif info is not None and info.identity != self.info.identity:
            raise SpoolError(f"{self.path}: another spool is in its place")
        lanes = info or self._rebuild_info(image) or self.info
        self._look_at_bell()
        for lane in self._lanes:
            lane.refresh()
        for number in range(len(self._lanes), lanes.lane_count):
            self._lanes.append(Lane(self, number))

    # -- messages --

    def __iter__(self):
        return self.entries()

    def entries(self, cursor=None):
        """All that is there, by time as far as the lanes' heads tell; `cursor` (a dict that begins
        empty) remembers where it was, for a later call to go on there. Beside a daemon of another
        boot (a network file system) use follow(): what is being written looks damaged."""
        return self._entries({} if cursor is None else cursor, False)

    def _entries(self, cursor, is_held):
        self.refresh()
        self.is_holding = False
        heads = {}
        streams = {lane.number: self._lane_entries(lane, cursor, is_held) for lane in self._lanes}
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

    def _lane_entries(self, lane, cursor, is_held):
        """(entry, cursor behind it) of the lane, from the cursor on."""
        segment, position = cursor.get(lane.number, (0, 0))
        for number in list(lane.numbers):
            if number < segment:
                continue
            position = position if number == segment else 0
            while True:
                entries, is_settled = lane.entries(number, position, is_held)
                for entry in entries:
                    position += 1
                    if entry is not None:
                        yield entry, (number, position)
                if is_settled or not entries:
                    break
            if not is_settled:
                return

    def dump_cursor(self, cursor):
        """The cursor as a line (without its end) to be stored. It says for each lane the segment
        and how many of its sequences are done; lanes that come later begin with their first."""
        places = "".join(" %d:%x:%d" % (lane, *cursor[lane]) for lane in sorted(cursor))
        text = f"ringpost-cursor 1 {self.info.identity.hex()}{places}"
        return "%s %016x" % (text, hash_of(text.encode("ascii")))

    def load_cursor(self, text):
        """What dump_cursor() gave. ValueError: it is damaged, or of another spool."""
        words = text.rstrip("\n").split(" ")
        if len(words) < 4 or words[:2] != ["ringpost-cursor", "1"]:
            raise ValueError("no cursor of a ringpost spool")
        cursor = {}
        for word in words[3:-1]:
            lane, segment, position = word.split(":")
            cursor[int(lane)] = (int(segment, 16), int(position))
        if words[2] != self.info.identity.hex():
            raise ValueError("the cursor is of another spool")
        if self.dump_cursor(cursor) != text.rstrip("\n"):
            raise ValueError("the cursor is damaged")
        return cursor

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
            matching = [entry for entry in entries if entry and entry.offset == offset * ALIGN]
            for entry in sorted(matching, key=lambda entry: entry.is_damaged):
                return entry
        raise KeyError(message_id)

    def read(self, entry):
        """The message, every octet of it checked. DamagedError; MissingError: its file is gone."""
        if entry.damage == "missing" and not entry.is_big:
            raise MissingError(f"{entry.id}: its segment is gone")
        if entry.hash == 0 and entry.is_damaged:
            raise DamagedError(f"{entry.id}: {entry.damage}, no whole record was found")
        path = self._lanes[entry.lane].name(entry.segment, "seg")
        length = 64 + entry.envelope_len + (0 if entry.is_big else entry.body_len)
        if length > SEGMENT_MAX:
            raise DamagedError(f"{entry.id}: an impossible length")
        image = self._load(entry, path, length, entry.offset)
        seed = seed_of(self.info.identity, entry.lane, entry.segment)
        thing = thing_at(image, entry.offset, seed, entry.offset)
        if thing is None or not thing.record:
            raise DamagedError(f"{entry.id}: the record is damaged")
        flags, envelope_len, body_len, body_hash, time_ns, digest, _ = thing.record
        seen = (digest, envelope_len, body_len, bool(flags & BIG), thing.low)
        known = (entry.hash, entry.envelope_len, entry.body_len, entry.is_big, entry.sequence)
        if seen != known:
            raise DamagedError(f"{entry.id}: the record is another one")
        items = tuple(items_of(image.octets[64 : 64 + envelope_len]))
        if entry.is_big:
            body = self._load(entry, self.big_path(entry), body_len, size=body_len).octets
        else:
            body = image.octets[64 + envelope_len :]
        if len(body) != body_len or hash_of(body) != body_hash:
            raise DamagedError(f"{entry.id}: the body is damaged")
        return _message(entry.id, time_ns, body, items)

    def _load(self, entry, path, length, offset=0, size=None):
        try:
            image = Image(path, length, offset)
        except FileNotFoundError as error:
            raise MissingError(f"{entry.id}: {path} is gone") from error
        if size is not None and image.size != size:
            raise DamagedError(f"{entry.id}: {path} has another length")
        if image.bad:
            raise DamagedError(f"{entry.id}: {path} cannot be read")
        return image

    def big_path(self, entry):
        return os.path.join(self.path, "big", "%03d-%016x.body" % (entry.lane, entry.big_id))

    def verify(self):
        """Read everything; yields (entry, error) for each entry that cannot be read, then
        (None, problem) for each problem."""
        for entry in self.entries():
            try:
                self.read(entry)
            except DamagedError as error:
                yield entry, error
        for problem in self.problems():
            yield None, problem

    def problems(self):
        """What is wrong and is no entry: see Problem."""
        self.refresh()
        image, info = self._read_meta()
        if info is None:
            yield Problem("meta")
        for lane in self._lanes:
            sector = self._sector(image, lane.number, self.info.identity)
            if sector is None or (sector == () and lane.numbers):
                yield Problem("meta", lane.number)
            yield from lane.problems(sector)

    def follow(self, timeout=None, cursor=None, interval=0.05):
        """Entries as they come, for ever, or until none has come for `timeout` seconds. Beside a
        daemon of another boot what is not whole waits until its file is at rest."""
        cursor = {} if cursor is None else cursor
        last = time.monotonic()
        while True:
            for entry in self._entries(cursor, True):
                yield entry
                last = time.monotonic()
            is_over = timeout is not None and time.monotonic() - last >= timeout
            if is_over and not self.is_holding:
                return
            time.sleep(interval)


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
