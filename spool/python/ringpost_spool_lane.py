# SPDX-License-Identifier: BSD-2-Clause
"""A lane of a spool: its segments among their neighbours, and what of them may be seen now.
Private to ringpost_spool.py, which has the names that are public."""

import dataclasses
import os
import stat
import time
from dataclasses import dataclass, field

from ringpost_spool_scan import (
    ALIGN,
    BIG,
    BLOCK,
    DAMAGED,
    SEGMENT_MAX,
    SEGMENT_MIN,
    UNFINISHED,
    Image,
    Scan,
    padded,
    read_header,
    read_index,
    seed_of,
    segment_number,
    thing_at,
)

QUIET_S = 1.0  # a file of another boot's daemon that did not change for so long is at rest


@dataclass(frozen=True)
class Entry:
    """One message. Of a lost one only id, lane, segment and sequence may be known (hash: 0)."""

    lane: int
    segment: int
    sequence: int
    offset: int
    time_ns: int = 0
    body_len: int = 0
    envelope_len: int = 0
    is_big: bool = False
    big_id: int = 0
    hash: int = field(default=0, repr=False)
    damage: str = None  # "damaged", "unreadable" (the disk refuses), "missing" (its file is gone)

    @property
    def id(self):
        return "%03x-%010x-%06x" % (self.lane, self.segment, self.offset // ALIGN)

    @property
    def is_damaged(self):
        return self.damage is not None


@dataclass(frozen=True)
class Problem:
    """What is wrong and is no entry.

    missing     `count` sequences from `first_sequence` on are in no segment
    unreadable  the disk refuses octets behind the last known message of the segment
    damaged     nobody knows what is there, or the header is damaged and no record is there
    unfinished  the segment's last batch is; `count` messages are known to be lost from it
    meta        spool.meta (lane None) or the lane's part of it is damaged
    """

    kind: str
    lane: int = None
    segment: int = None
    first_sequence: int = None
    count: int = 0


@dataclass
class Segment:
    """What a segment has."""

    first: int = None  # sequence
    entries: tuple = ()  # None: unfinished, no message
    problems: tuple = ()  # (kind, count)
    is_unknown: bool = False  # nobody knows what is behind the last one
    is_trusted: bool = False  # its index tells it: there will never be more
    unsure: int = None  # from this sequence on the last batch may just be under way

    @property
    def end(self):
        return None if self.first is None else self.first + len(self.entries)


class Lane:
    def __init__(self, spool, number):
        self.spool = spool
        self.number = number
        self.path = os.path.join(spool.path, "lane-%03d" % number)
        self.numbers = []  # of segments that have a file of their own or an index
        self.marks = None  # by which one sees that files have changed
        self.changed = 0.0  # when that was seen
        self.is_resting = False  # nothing has changed for a while
        self.forget()
        self.refresh()

    def forget(self):
        self.headers = {}
        self.firsts = {}
        self.ends = {}
        self.loaded = {}  # segment number: Segment; a few
        self.over = set()  # those of them that nobody wrote to any more when they were loaded
        self.live = None  # [segment, offset of the next batch, first sequence, entries]

    def name(self, segment, suffix):
        return os.path.join(self.path, "%016x.%s" % (segment, suffix))

    def refresh(self):
        marks = {}
        try:
            with os.scandir(self.path) as files:
                for file in files:
                    number = segment_number(file.name)
                    if number is not None:
                        marks[(number, file.name)] = self.mark_of(file)
        except (FileNotFoundError, NotADirectoryError):
            pass
        self.numbers = sorted({number for number, _ in marks})
        live = self.live if self.spool.is_same else None
        now = time.monotonic()
        marks[None] = None if self.spool.is_live else self.spool.proof(self.number)
        if self.spool.is_live or marks != self.marks:
            self.changed, self.is_resting = now, False
            self.forget()
            self.live = live
        elif not self.is_resting and now - self.changed > QUIET_S:
            # Once more: what is written within a tick of the clock leaves the time as it is.
            self.is_resting = True
            self.forget()
        self.marks = marks

    def mark_of(self, file):
        if self.spool.is_live:
            return None
        try:
            status = file.stat(follow_symlinks=False)
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_size, status.st_mtime_ns

    def header(self, segment):
        if segment not in self.headers:
            identity = self.spool.info.identity
            path = self.name(segment, "seg")
            self.headers[segment] = read_header(path, identity, self.number, segment)[0]
        return self.headers[segment]

    def index(self, segment):
        """(first sequence, rows) of a trusted index, or None."""
        path = self.name(segment, "idx")
        index = read_index(path, self.spool.info.identity, self.number, segment)
        header = self.header(segment)
        if index is None or (header.kind == "good" and header.first != index[0]):
            return None
        return index

    def entry(self, segment, row, damage):
        offset, body_len, sequence, at, big_id, digest, envelope_len, flags, _ = row
        is_sane = offset % ALIGN == 0 and offset < SEGMENT_MAX
        if flags & UNFINISHED:
            return None
        return Entry(
            lane=self.number,
            segment=segment,
            sequence=sequence,
            offset=offset if is_sane else 0,
            time_ns=at,
            body_len=body_len,
            envelope_len=envelope_len,
            is_big=bool(flags & BIG),
            big_id=big_id,
            hash=digest,
            damage=damage or ("damaged" if flags & DAMAGED or not is_sane else None),
        )

    def checked(self, entry):
        """A big body whose file is gone or has another length is damage, too."""
        if entry is None or not entry.is_big or entry.is_damaged:
            return entry
        damage = None
        try:
            status = os.stat(self.spool.big_path(entry), follow_symlinks=False)
            if not stat.S_ISREG(status.st_mode):
                damage = "missing"
            elif status.st_size != entry.body_len:
                damage = "damaged"
        except (FileNotFoundError, NotADirectoryError):
            damage = "missing"
        return dataclasses.replace(entry, damage=damage)

    def scan(self, segment, first=None, limit=None):
        header = self.header(segment)
        try:
            image = Image(self.name(segment, "seg"))
        except FileNotFoundError:
            return None
        seed = seed_of(self.spool.info.identity, self.number, segment)
        cap = header.size // 1024
        if header.kind != "good":
            cap = min(len(image) // ALIGN + 1, SEGMENT_MAX // 1024)
        return Scan(image, seed, cap, header.first if header.kind == "good" else first, limit)

    def first_of(self, segment, probe):
        """(first sequence, where the segment before ends or None) or None: nothing is known."""
        header = self.header(segment)
        if header.kind == "good":
            return header.first, header.first - header.skipped
        if (segment, probe) not in self.firsts:
            index = self.index(segment)
            known = None
            if index is not None:
                known = index[0], index[0]
            elif probe:
                scan = self.scan(segment)
                if scan is not None and scan.first is not None:
                    known = scan.first, None
            self.firsts[(segment, probe)] = known
        return self.firsts[(segment, probe)]

    def bounds(self, segment, probe):
        """(first void sequence, where the segment ends), each None if no later segment says it."""
        for later in self.numbers:
            known = self.first_of(later, probe) if later > segment else None
            if known is not None:
                return known[0], known[1] if later == segment + 1 else None
        return None, None

    def is_closed(self, segment):
        """The very next header says that no sequence was left out behind this segment."""
        later = self.header(segment + 1) if segment + 1 in self.numbers else None
        return later is not None and later.kind == "good" and later.skipped == 0

    def may_reach_tail(self, segment):
        """What a tail proves may be in this segment: none behind it has anything, or just the
        very next one, whose header is damaged."""
        later = (n for n in self.numbers if n > segment and self.first_of(n, True) is not None)
        nearest = next(later, None)
        is_next = nearest == segment + 1
        return nearest is None or (is_next and self.header(nearest).kind != "good")

    def open(self, segment, is_over=False):
        """The segment, as it is when nobody writes to it. is_over: nobody does any more, so what
        was loaded while somebody did is loaded again."""
        if segment not in self.loaded or (is_over and segment not in self.over):
            if len(self.loaded) > 2:
                self.loaded.clear()
                self.over.clear()
            loaded = self.loaded[segment] = self.load(segment)
            self.ends[segment] = None if loaded.is_unknown else loaded.end
            if is_over:
                self.over.add(segment)
        return self.loaded[segment]

    def end_before(self, segment):
        """Where the segment before ends, as far as it is known."""
        begin = segment
        while begin - 1 in self.numbers and begin - 1 not in self.ends:
            begin -= 1
            if self.header(begin).kind == "good" or self.index(begin) is not None:
                break
        for number in range(begin, segment):
            self.open(number)
        return self.ends.get(segment - 1)

    def load(self, segment):
        header, index = self.header(segment), self.index(segment)
        limit = self.bounds(segment, False)[0]
        if index is not None:
            first, rows = index
            if limit is None or first + len(rows) <= limit:
                damage = "missing" if header.kind == "none" else None
                entries = [self.entry(segment, row, damage) for row in rows]
                unfinished = entries.count(None)
                problems = [("unfinished", unfinished)] if unfinished else []
                return Segment(first, entries, problems, is_trusted=True)
        limit, known_end = self.bounds(segment, True)
        is_exact = known_end is not None
        proven = known_end or 0
        proof = self.spool.proof(self.number)
        if proof is not None and self.spool.is_live:
            tail, current = proof
            if limit is None or segment >= current:
                limit = tail if limit is None else min(limit, tail)
                is_exact = segment == current
                known_end = tail if is_exact else None
                proven = max(proven, tail)
        elif proof is not None and known_end is None and self.may_reach_tail(segment):
            proven = known_end = proof[0] if limit is None else min(proof[0], limit)
        first = None
        if header.kind != "good" and header.kind != "none":
            before = self.end_before(segment)
            known = self.first_of(segment, True)
            cap = SEGMENT_MAX // 1024
            if before is not None and (known is None or before <= known[0] < before + cap):
                first = before
        scan = self.scan(segment, first, limit)
        if scan is None:
            # Its index, if there is one, does not tell what it had.
            is_unknown = os.path.lexists(self.name(segment, "idx")) and not self.is_closed(segment)
            return Segment(problems=[("damaged", 0)] if is_unknown else (), is_unknown=is_unknown)
        # Without a header it may still be on its way to its size.
        size = header.size or (0 if header.kind == "blank" else SEGMENT_MIN)
        if self.is_closed(segment) or (is_exact and known_end == limit and self.spool.is_live):
            size = None
        rows = scan.settle(proven, known_end, is_exact, size)
        if header.kind in ("damaged", "unreadable") and not rows and not scan.is_unknown:
            scan.problems.append((header.kind, 0))
        return Segment(
            scan.first,
            self.as_entries(segment, scan, rows),
            scan.problems,
            scan.is_unknown,
            unsure=self.unsure_of(scan, rows),
        )

    def unsure_of(self, scan, rows):
        """In a segment that is written to by a daemon of another boot."""
        if scan.unfinished is not None or scan.first is None:
            return scan.unfinished
        first = scan.first if scan.batch is None else scan.batch.first
        return next((s for s in range(first, scan.confirmed) if rows[s][2] is not None), None)

    def as_entries(self, segment, scan, rows):
        entries = []
        at = 0
        for sequence in range(scan.first, scan.confirmed) if scan.first is not None else ():
            offset, thing, damage = rows[sequence]
            if damage == "unfinished":
                entries.append(None)
            elif thing is None:
                entry = Entry(self.number, segment, sequence, offset, at, damage=damage)
                entries.append(entry)
            else:
                entries.append(self.of_thing(segment, thing, damage))
                at = entries[-1].time_ns
        return entries

    def of_thing(self, segment, thing, damage):
        flags, envelope_len, body_len, _, at, digest, big_id = thing.record
        flags |= DAMAGED if flags & BIG and big_id == 0 else 0
        row = (thing.offset, body_len, thing.low, at, big_id, digest, envelope_len, flags, b"")
        return self.entry(segment, row, damage)

    def is_last(self, segment):
        """No later one is in use."""
        return not any(
            self.header(n).kind not in ("blank", "none") or self.first_of(n, True) is not None
            for n in self.numbers
            if n > segment
        )

    def entries(self, segment, position, is_held=False):
        """(entries from `position` on, whether no more will come). None stands for what is no
        message. is_held: without those of a batch that may be under way."""
        bell = self.spool.bell(self.number)
        if bell is None:
            # Asked before the segment is looked at: then all that it will ever have is seen.
            is_over = not self.is_last(segment)
            opened = self.open(segment, is_over)
            is_over = is_over or opened.is_trusted
            entries = opened.entries
            is_unsure = opened.unsure is not None and not is_over
            if is_held and is_unsure and not self.is_resting:
                self.spool.is_holding = True
                entries = entries[: max(0, opened.unsure - opened.first)]
            return [self.checked(entry) for entry in entries[position:]], is_over
        tail, current = bell
        is_over = segment != current and not self.is_last(segment)
        entries = None
        if self.header(segment).kind == "blank" and self.index(segment) is None:
            return [], is_over  # prepared
        if segment == current and self.index(segment) is None:
            entries = self.follow(segment, tail)
        if entries is None:
            if segment == current:
                self.loaded.pop(segment, None)
            entries = self.open(segment).entries
        return [self.checked(entry) for entry in entries[position:]], is_over

    def follow(self, segment, tail):
        """Entries of the segment that is written to; None: it is damaged."""
        header = self.header(segment)
        if header.kind != "good":
            return None
        if self.live is None or self.live[0] != segment:
            self.live = [segment, BLOCK, header.first, []]
        _, offset, first, entries = self.live
        seed = seed_of(self.spool.info.identity, self.number, segment)
        path = self.name(segment, "seg")
        while first + len(entries) < tail:
            try:
                begin = thing_at(Image(path, 64, offset), offset, seed, offset)
                if begin is None or begin.mark is None or begin.low != first + len(entries):
                    return None
                batch = Image(path, begin.mark[0], offset)
                if batch.bad:
                    return None
            except FileNotFoundError:
                return None
            at, found = offset + 64, []
            while len(found) < begin.mark[1]:
                thing = thing_at(batch, at, seed, offset)
                if thing is None or not thing.record or thing.low != begin.low + len(found):
                    return None
                found.append(self.of_thing(segment, thing, None))
                at = thing.behind
            entries += found
            offset = self.live[1] = padded(offset + begin.mark[0], BLOCK)
        return entries[: max(0, tail - first)]

    def problems(self, sector):
        """`sector`: the lane's part of spool.meta, (next segment, next sequence) or None."""
        end = 0
        room = 0
        proof = self.spool.proof(self.number)
        for segment in self.numbers:
            if self.spool.is_live and proof is not None and segment == proof[1]:
                entries = self.follow(segment, proof[0])
            else:
                entries = None
            if entries is not None:
                opened = Segment(self.live[2], entries)
            else:
                opened = self.open(segment)
            header = self.header(segment)
            for kind, count in opened.problems:
                yield Problem(kind, self.number, segment, count=count)
            if opened.first is not None:
                begin = opened.first - header.skipped
                if header.kind != "good" and begin - end >= room:
                    begin -= room  # nobody knows whether its header said so
                if begin > end:
                    yield Problem("missing", self.number, None, end, begin - end)
                end = max(end, opened.end)
            if opened.is_unknown:
                room = (header.size or SEGMENT_MAX) // 1024
            elif opened.entries or header.kind not in ("blank", "none"):  # else never used
                room = 0
        known = max(proof[0] if proof else 0, sector[1] if sector else 0)
        if known - end >= room:
            known -= room  # behind what nobody knows the lane went on with later sequences
        if known > end:
            yield Problem("missing", self.number, None, end, known - end)
