# SPDX-License-Identifier: GPL-3.0-or-later
"""Was the message on stable storage before the 250?  Measured, alike for every server.

The server's directory lies on an ext4 of its own, on a loop device over a file. Messages
are sent one by one; right after the last 250 the file under the device is copied as it is:
what a disk would have when the power fails then. The copy is mounted, which replays its
journal, and searched for the text of each message. Neither the server nor what it calls
(system calls, io_uring) needs to be known.

A disk may keep what was written in a cache of its own and lose it; so it also counts for
how many messages the device was told to flush before the 250.
"""
import contextlib
import mmap
import os
import shutil
import socket
import tempfile
import uuid

import comparison.place as place
import comparison.process as process

MESSAGES = 20
IMAGE_SIZE = 2 << 30  # with holes: only what is written takes space
LOG_SIZE = "64mb"  # of the floors
# No commit of the journal by the clock: it would take along what the server did not sync.
OPTIONS = ",commit=600"


class Client:
    """Speaks to any of the servers, one command at a time."""

    def __init__(self, port):
        self.link = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = self.link.makefile("rb")
        self.expect("220")
        self.say("EHLO compare.example", "250")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()
        self.link.close()

    def expect(self, code):
        reply = process.read_reply(self.stream)
        if not reply[-1].startswith(code):
            raise process.Trouble(f"it said {reply[-1]!r}, not {code}")

    def say(self, line, code):
        self.link.sendall(line.encode() + b"\r\n")
        self.expect(code)

    def begin(self, marker):
        """All but the end of the body."""
        self.say("MAIL FROM:<compare@example.org>", "250")
        self.say("RCPT TO:<someone@example.com>", "250")
        self.say("DATA", "354")
        self.link.sendall(b"Subject: power cut\r\n\r\n" + marker + b"\r\n" + b"x" * 70 + b"\r\n")

    def finish(self):
        self.link.sendall(b".\r\n")
        self.expect("250")


def markers():
    return [b"power-cut-%s-%02d-" % (uuid.uuid4().hex.encode(), number)
            for number in range(MESSAGES)]


def send(port, texts, count_flushes):
    """How many of the messages saw a flush before their 250; None: that cannot be counted."""
    flushed = 0
    with Client(port) as client:
        for text in [b"first-time-work"] + texts:
            client.begin(text)
            before = count_flushes()
            client.finish()
            after = count_flushes()
            if before is None or after is None:
                flushed = None
            elif text in texts and after > before:
                flushed += 1
    return flushed


def find_in(path, texts):
    """Those of the texts that stand in a file."""
    if not os.path.isfile(path) or os.path.islink(path):
        return set()  # a FIFO would wait for somebody who writes
    try:
        with open(path, "rb") as file, \
                mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as octets:
            return {text for text in texts if octets.find(text) >= 0}
    except (OSError, ValueError):  # unreadable, or empty
        return set()


def search(folder, texts):
    found = set()
    for at, _, names in os.walk(folder):
        for name in names:
            found |= find_in(os.path.join(at, name), [t for t in texts if t not in found])
    return found


def copy_image(image, target):
    """As the device has it now: holes stay holes."""
    place.run("cp", "--sparse=always", image, target)


def inspect(image, work, texts):
    """Mount a copy as after a power cut, and search it."""
    device = place.attach(image)
    folder = tempfile.mkdtemp(prefix="ringpost-compare-", dir=work)
    try:
        place.run("mount", device, folder)
        try:
            return search(folder, texts)
        finally:
            place.unmount(folder)
    finally:
        place.detach(device)
        with contextlib.suppress(OSError):
            os.rmdir(folder)


def judge(kept, flushed):
    """The verdict in a word: "yes", "no", "unflushed" or "unknown"."""
    if kept < MESSAGES:
        return "no"
    if flushed is None:
        return "unknown"
    return "yes" if flushed == MESSAGES else "unflushed"


def explain(result):
    """One cell of a table."""
    if result is None:
        return "not measured"
    kept, flushed = result["kept"], result["flushed"]
    of = f"{kept} of {result['messages']} kept"
    return {
        "yes": f"yes: {of}",
        "no": f"no: {of}",
        "unflushed": f"no: {of}, but {flushed} flushed",
        "unknown": f"{of}; flushes not counted",
    }[result["verdict"]]


def check(server, options, cgroup):
    """The result for one server; raises Trouble of place or process."""
    texts = markers()
    copy = os.path.join(options.work, f"ringpost-compare-copy-{os.getpid()}")
    with contextlib.ExitStack() as stack:
        disk = place.Loop(options.work)
        stack.callback(disk.close)
        disk.open(IMAGE_SIZE, is_sparse=True, options=OPTIONS)
        stack.callback(lambda: os.path.exists(copy) and os.unlink(copy))
        running = process.Process(server, options)
        stack.callback(running.stop)
        running.start(disk.path, cgroup, LOG_SIZE)
        flushed = send(running.port, texts, disk.flushes)
        copy_image(disk.image, copy)
        running.stop()
        kept = inspect(copy, options.work, texts)
    return {"messages": MESSAGES, "kept": len(kept), "flushed": flushed,
            "verdict": judge(len(kept), flushed)}


def why_not():
    """None, or why it cannot be measured here."""
    reason = place.why_not_loop()
    if reason is None and shutil.which("cp") is None:
        reason = "cp is missing"
    return reason
