# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of ringpost-spool share: spools with known messages, and the program.

The messages are chosen here and handed to make_spool, which writes them; so a test
compares what ringpost-spool says with what it was given, not with another reader.

The environment names the programs: RINGPOST_SPOOL and MAKE_SPOOL.
"""
import dataclasses
import datetime
import json
import os
import shutil
import struct
import subprocess
import tempfile
import unittest

PROGRAM = os.environ["RINGPOST_SPOOL"]
MAKE_SPOOL = os.environ["MAKE_SPOOL"]
SEGMENT_SIZE = 1 << 20
START_NS = 1767323045678000000  # 2026-01-02T03:04:05.678Z
TIMEOUT = 30  # seconds until a program that hangs is a failure

(CLIENT_ADDR, CLIENT_PORT, LISTENER, HELO, PROTOCOL, SENDER, SENDER_PARAMS, RECIPIENT,
 RECIPIENT_PARAMS, BODY_TYPE, SMTPUTF8, ARRIVAL_NS, BIG_ID, TLS_VERSION, TLS_CIPHER,
 AUTH_IDENTITY) = range(1, 17)


def item(tag, value=b""):
    return struct.pack("<HHI", tag, 0, len(value)) + value


@dataclasses.dataclass
class Message:
    """As it was given to make_spool, which gave it its id."""
    body: bytes
    sender: bytes = b"sender@example.org"
    recipients: tuple = (b"rcpt@example.net",)
    lane: int = 0
    time_ns: int = 0
    is_big: bool = False
    extra: bytes = b""  # more items, encoded
    id: str = ""

    def envelope(self, big_id):
        items = [item(CLIENT_ADDR, b"192.0.2.7"), item(CLIENT_PORT, struct.pack("<H", 40123)),
                 item(HELO, b"client.example"), item(PROTOCOL, b"ESMTP"),
                 item(SENDER, self.sender)]
        items += [item(RECIPIENT, recipient) for recipient in self.recipients]
        if big_id:
            items.append(item(BIG_ID, struct.pack("<Q", big_id)))
        return b"".join(items) + self.extra

    @property
    def time(self):
        seconds, rest = divmod(self.time_ns, 10**9)
        stamp = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
        return f"{stamp:%Y-%m-%dT%H:%M:%S}.{rest // 10**6:03d}Z"


class Spool:
    """A spool that is being written: add messages, commit, close (or kill) the writer."""

    def __init__(self, path, lanes=1):
        self.path = path
        self.messages = []
        self.bodies = tempfile.mkdtemp()
        self.big_id = 0
        self.writer = subprocess.Popen([MAKE_SPOOL, path, str(lanes), str(SEGMENT_SIZE)],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.answer("the start") == "ready"

    def answer(self, line):
        answer = self.writer.stdout.readline().rstrip("\n")
        if not answer:
            raise RuntimeError(f"make_spool gave up at {line[:200]}")
        return answer

    def say(self, line):
        self.writer.stdin.write(line + "\n")
        self.writer.stdin.flush()
        return self.answer(line)

    def add(self, message):
        if not message.time_ns:
            message.time_ns = START_NS + len(self.messages) * 1_500_000_000
        big_id = 0
        if message.is_big:
            self.big_id += 1
            big_id = self.big_id
        path = os.path.join(self.bodies, str(len(self.messages)))
        with open(path, "wb") as file:
            file.write(message.body)
        message.id = self.say(f"message {message.lane} {message.time_ns} {big_id} {path} "
                              f"{message.envelope(big_id).hex()}")
        self.messages.append(message)
        return message

    def commit(self):
        assert self.say("commit") == "committed"

    def end(self, is_killed=False):
        if is_killed:
            self.writer.kill()
        self.writer.stdin.close()
        self.writer.wait(TIMEOUT)
        self.writer.stdout.close()
        shutil.rmtree(self.bodies)
        if not is_killed and self.writer.returncode != 0:
            raise RuntimeError("make_spool failed")


BODIES = [
    b"",
    b"x",
    b"Subject: plain\r\n\r\nhello\r\n",
    b"\0" * 5 + b"Subject: NULs\r\n\r\na\0b\r\n",
    b"Subject: dots\r\n\r\n.\r\n..\r\n.leading\r\n",
    b"Subject: from\r\n\r\nFrom me to you\r\n>From here\r\n>>>From there\r\n From x\r\nFrom",
    b"Subject: 8 bit\r\n\r\n" + bytes(range(128, 256)) + b"\r\n",
    b"Subject: bare\r\n\r\nlone\nFrom LF\rand CR\r\n\r\n\r\n",
    b"Subject: no end of line\r\n\r\nthe end",
    b"Subject: long\r\n\r\n" + b"0123456789" * 7000 + b"\r\n",
]


def fixed_messages():
    """Every kind of message that matters, over two lanes."""
    messages = [Message(body, lane=number % 2) for number, body in enumerate(BODIES)]
    messages += [
        Message(b"Subject: bounce\r\n\r\n", sender=b""),
        Message(b"Subject: utf8\r\n\r\n", sender="grün@пример.example".encode(),
                recipients=("名前@例え.jp".encode(), b"b@x"), extra=item(SMTPUTF8)),
        Message(b"Subject: not utf8\r\n\r\n", sender=b"gr\xfcn@x", recipients=(b"a@x", b"\xff@x")),
        Message(b"Subject: control\r\n\r\n", sender=b'"a\x1b[31m\\b c"@x',
                recipients=(b"\x7f\xc2\x9b@x",)),
        Message(b"Subject: many\r\n\r\n",
                recipients=tuple(b"user%d@example.net" % number for number in range(100)), lane=1),
        Message(bytes(range(256)) * (3 * 4096), is_big=True),
        Message(b"Subject: big, small\r\n\r\nFrom a\r\n", is_big=True, lane=1),
        Message(b"Subject: last\r\n\r\n"),
    ]
    return messages


def read_terminal(leader):
    """All that was written to a terminal whose other end is closed; closes it."""
    octets = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:  # the other end is closed, and everything is read
            break
        octets += piece
        if not piece:
            break
    os.close(leader)
    return octets


def run(*arguments, **options):
    """The program's outcome: returncode, stdout and stderr in octets."""
    command = [PROGRAM] + [str(argument) for argument in arguments]
    options.setdefault("stdout", subprocess.PIPE)
    return subprocess.run(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                          timeout=TIMEOUT, check=False, **options)


class SpoolCase(unittest.TestCase):
    """A work directory per test, and `self.spool` with the fixed messages per class."""
    maxDiff = 2000

    @classmethod
    def setUpClass(cls):
        cls.class_dir = tempfile.mkdtemp()
        cls.spool = Spool(os.path.join(cls.class_dir, "spool"), lanes=2)
        for message in fixed_messages():
            cls.spool.add(message)
            if message.lane == 0:
                cls.spool.commit()
        cls.spool.end()
        cls.dir = cls.spool.path
        cls.messages = cls.spool.messages

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.class_dir)

    def setUp(self):
        self.work = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.work)

    def good(self, *arguments, **options):
        """Run it, insist on exit 0 and silence on stderr; returns stdout."""
        outcome = run(*arguments, **options)
        self.assertEqual((outcome.returncode, outcome.stderr), (0, b""))
        return outcome.stdout

    def bad(self, status, text, *arguments, **options):
        """Run it, insist on this status and on one line with `text` on stderr."""
        outcome = run(*arguments, **options)
        self.assertEqual(outcome.returncode, status, outcome)
        self.assertEqual(outcome.stderr.count(b"\n"), 1, outcome.stderr)
        self.assertTrue(outcome.stderr.startswith(b"ringpost-spool: "), outcome.stderr)
        self.assertIn(text, outcome.stderr.decode())
        return outcome.stdout

    def objects(self, *arguments):
        return [json.loads(line) for line in self.good(*arguments, "--json").splitlines()]

    def copy_spool(self):
        """A copy that a test may damage."""
        path = os.path.join(self.work, "copy")
        shutil.copytree(self.dir, path)
        return path


def flip(path, offset, bit=1):
    """Damage one octet of a file."""
    with open(path, "r+b") as file:
        file.seek(offset)
        octet = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([octet ^ bit]))


def place(spool_path, message_id):
    """Of a message's record: its segment's file, its offset, the length of its envelope."""
    lane, segment, block = message_id.split("-")
    path = os.path.join(spool_path, f"lane-{int(lane, 16):03d}", f"{int(segment, 16):016x}.seg")
    offset = int(block, 16) * 64
    with open(path, "rb") as file:
        file.seek(offset)
        header = file.read(64)
    return path, offset, struct.unpack_from("<I", header, 24)[0]


def damage_body(spool_path, message):
    """Flip one bit of a body, in the log or in its own file."""
    if message.is_big:
        names = sorted(os.listdir(os.path.join(spool_path, "big")))
        lane = [name for name in names if name.startswith(f"{message.lane:03d}-")]
        path = os.path.join(spool_path, "big", lane[0])
        flip(path, len(message.body) // 2)
        return path
    path, offset, envelope_len = place(spool_path, message.id)
    flip(path, offset + 64 + envelope_len + len(message.body) // 2)
    return path
