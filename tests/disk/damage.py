# SPDX-License-Identifier: GPL-3.0-or-later
"""Damage to the files of a spool that nobody writes to, and which messages it touches.

    damage = Damage(spool_path, messages, generator)
    what = damage.strike("segment")     # or "index", "meta", "big"
    damage.touched                      # numbers of messages whose octets may have been hit

Where a message lies is found by looking for octets that only it has: its body, and its sender's
address, which is in its envelope. What the spool puts around them is not looked at: octets between
two messages are taken for those of the second one, and for those of the first one too where its
body is in a file of its own.
"""
import bisect
import os
import random

import mail

SECTOR = 512
ENVELOPE_MAX = 8192  # octets between a sender's address and the body
TRIES = 200
LAST = 4  # messages of a lane


class Segment:
    """A file .seg and the messages in it."""

    def __init__(self, path, messages):
        self.path = path
        with open(path, "rb") as stream:
            self.octets = stream.read()
        self.ends = []  # of messages, rising
        self.numbers = []  # whose
        self.heads = []  # of messages: where the sender's address begins
        self.has_body = []
        for begin, message in self.find_all(messages):
            marker_end = begin + len(message.sender)
            body = self.octets.find(message.body, marker_end,
                                    marker_end + ENVELOPE_MAX + len(message.body))
            self.heads.append(begin)
            self.numbers.append(message.number)
            self.has_body.append(body >= 0)
            self.ends.append(body + len(message.body) if body >= 0 else marker_end)

    def find_all(self, messages):
        """(offset of the sender's address, message), rising."""
        known = {message.sender.encode(): message for message in messages}
        for match in mail.SENDER.finditer(self.octets):
            if match.group() in known:
                yield match.start(), known[match.group()]

    def touched(self, begin, end):
        """Numbers of the messages that own octets in [begin, end), or may do so."""
        numbers = set()
        first = bisect.bisect_right(self.ends, begin)
        for index in range(first, len(self.ends)):
            lower = self.ends[index - 1] if index else 0
            if lower >= end:
                break
            numbers.add(self.numbers[index])
        # Behind the address, as far as the next message's: the rest of an envelope, perhaps.
        before = bisect.bisect_right(self.heads, end - 1) - 1
        for index in (before, before - 1):
            if index >= 0 and not self.has_body[index]:
                upper = self.heads[index + 1] if index + 1 < len(self.heads) else len(self.octets)
                if begin < upper:
                    numbers.add(self.numbers[index])
        return numbers


def files(spool, ending):
    found = []
    for folder, _, names in os.walk(spool):
        found += [os.path.join(folder, name) for name in sorted(names) if name.endswith(ending)]
    return sorted(found)


class Damage:
    def __init__(self, spool, messages, generator):
        self.spool, self.messages, self.random = spool, messages, generator
        self.touched = set()

    def strike(self, kind):
        """One flipped bit, zeroed or scrambled sector in a file of this kind; says what was
        done, or returns None where there is nothing to damage."""
        choose = {"segment": self.in_segment, "index": self.in_any, "meta": self.in_any,
                  "big": self.in_big}[kind]
        paths = files(self.spool, {"segment": ".seg", "index": ".idx", "meta": "spool.meta",
                                   "big": ".body"}[kind])
        paths = [path for path in paths if os.path.getsize(path) > 0]
        for _ in range(TRIES if paths else 0):
            path, at, owners = choose(self.random.choice(paths))
            way = self.random.choice(("flip", "zero", "scramble"))
            span = self.change(path, at, way)
            if span:
                self.touched |= owners(*span)
                return f"{way} {span[0]}-{span[1]} of {os.path.relpath(path, self.spool)}"
        return None

    def in_any(self, path):
        return path, self.random.randrange(os.path.getsize(path)), lambda begin, end: set()

    def in_segment(self, path):
        """In a message, before one, or anywhere; most often in the last messages of the lane."""
        where = self.random.choice(("last", "last", "body", "gap", "any"))
        segment = self.last_of(path) if where == "last" else Segment(path, self.messages)
        if where == "any" or not segment.ends:
            return segment.path, self.random.randrange(len(segment.octets)), segment.touched
        count = len(segment.ends)
        index = self.random.randrange(max(0, count - LAST) if where == "last" else 0, count)
        begin, end = segment.ends[index - 1] if index else 0, segment.heads[index]
        if where == "body" or (where == "last" and self.random.random() < 0.7):
            begin, end = segment.heads[index], segment.ends[index]
        return segment.path, self.random.randrange(begin, end), segment.touched

    def last_of(self, path):
        """The last segment of this one's lane that has messages: the one behind it is prepared."""
        for later in reversed(files(os.path.dirname(path), ".seg")):
            segment = Segment(later, self.messages)
            if segment.ends or later == path:
                return segment
        return Segment(path, self.messages)

    def in_big(self, path):
        with open(path, "rb") as stream:
            octets = stream.read()
        # Of an unfinished one it is the beginning.
        numbers = {message.number for message in self.messages
                   if message.body.startswith(octets[:64]) or octets.startswith(message.body[:64])}
        return path, self.random.randrange(len(octets)), lambda begin, end: numbers

    def change(self, path, at, way):
        """The octets that were changed, as [begin, end); None where that changed nothing."""
        begin, length = (at, 1) if way == "flip" else (at - at % SECTOR, SECTOR)
        with open(path, "r+b", buffering=0) as stream:
            old = os.pread(stream.fileno(), length, begin)
            if way == "flip":
                new = bytes((old[0] ^ 1 << self.random.randrange(8),))
            elif way == "zero":
                new = bytes(len(old))
            else:
                new = self.random.randbytes(len(old))
            if new == old:
                return None
            os.pwrite(stream.fileno(), new, begin)
        return begin, begin + len(new)


def change_boot(spool):
    """As after a start of the machine: wherever this boot's id stands, it is another's."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
        boot_id = bytes.fromhex(stream.read().strip().replace("-", ""))
    other = random.Random(boot_id).randbytes(len(boot_id))
    for folder, _, names in os.walk(spool):
        for name in names:
            path = os.path.join(folder, name)
            if not name.endswith((".seg", ".body")):
                with open(path, "r+b") as stream:
                    octets = stream.read()
                    if boot_id in octets:
                        stream.seek(0)
                        stream.write(octets.replace(boot_id, other))
