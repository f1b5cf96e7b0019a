# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail whose fate is known: what was sent, and where the disk's log was when its 250 had come.

    messages = mail.make(400, seed)
    mail.deliver(messages, daemon.port, disk, clients=6)
"""
import random
import re
import threading

import harness

# weight, maker of lines, most octets
SHAPES = (
    (40, "text", 3000),
    (30, "nul", 6000),
    (6, "text", 70 << 10),
    (4, "nul", 70 << 10),
    (2, "text", 400 << 10),
    (1, "nul", 400 << 10),
)
JOIN_S = 120
SENDER = re.compile(rb"m\d+\.[0-9a-f]{16}@example\.org")


class Message:
    def __init__(self, number, seed):
        generator = random.Random(f"{seed} {number}")
        self.number = number
        self.sender = f"m{number}.{generator.getrandbits(64):016x}@example.org"
        self.recipient = f"r{number}.{generator.getrandbits(64):016x}@example.com"
        _, shape, most = generator.choices(SHAPES, [row[0] for row in SHAPES])[0]
        if number == 1:  # There is always one with a body that is a file of its own.
            shape, most = "text", 400 << 10
        size = generator.randrange(most)
        if most > 6000:
            size = most - size % 1000
        self.body = b"number %d %016x\r\n" % (number, generator.getrandbits(64))
        if shape == "nul":
            self.body += (bytes(998) + b"\r\n") * (size // 1000) + bytes(size % 999) + b"\r\n"
        else:
            line = b"%064x" % generator.getrandbits(256)
            self.body += (b"." * (number % 3) + line + b"\r\n") * (size // 64)
        self.sent_at = None  # the log's length before the first octet of its body was sent
        self.ident = None
        self.kept_at = None  # the log's length when its 250 had come

    def is_kept(self, place):
        """Whether it had its 250 before this place of the log."""
        return self.kept_at is not None and self.kept_at <= place

    def is_sent(self, place):
        return self.sent_at is not None and self.sent_at < place


def make(count, seed):
    return [Message(number, seed) for number in range(1, count + 1)]


def make_more(messages, count, seed="more"):
    """Further ones, with numbers of their own; they are in `messages` then."""
    first = len(messages) + 1
    more = [Message(number, seed) for number in range(first, first + count)]
    messages.extend(more)
    return more


class Client(threading.Thread):
    def __init__(self, port, disk, messages, may_refuse):
        super().__init__()
        self.port, self.disk, self.messages, self.may_refuse = port, disk, messages, may_refuse
        self.error = None

    def run(self):
        try:
            left = list(self.messages)
            while left:
                with harness.Client(self.port) as client:
                    client.ehlo()
                    self.send_all(client, left)
        except Exception as error:  # Told by the main thread.
            self.error = error

    def send_all(self, client, left):
        """All that are left, or until the daemon closes the connection where it may refuse: it does
        so without a reply where it cannot know what is on the disk."""
        try:
            while left:
                if not self.send(client, left.pop(0)):
                    client.expect("RSET", "250")
        except (EOFError, ConnectionError):
            if not self.may_refuse:
                raise

    def send(self, client, message):
        for line, start in ((f"MAIL FROM:<{message.sender}>", "250"),
                            (f"RCPT TO:<{message.recipient}>", "250"), ("DATA", "354")):
            if not self.is_good(client.command(line), start):
                return False
        message.sent_at = self.disk.place()
        client.send(harness.stuff(message.body))
        reply = client.reply()
        if not self.is_good(reply, "250"):
            return False
        message.ident = harness.queued_id(reply)
        message.kept_at = self.disk.place()
        return True

    def is_good(self, reply, start):
        if not reply.startswith(start) and not (self.may_refuse and reply.startswith("45")):
            raise AssertionError(f"want {start}, got {reply}")
        return reply.startswith(start)


def deliver(messages, port, disk, clients, may_refuse=False):
    """Sends all of them, each once, over so many connections at once. Each gets its 250, or where
    they may be refused 45x or no reply instead."""
    threads = [Client(port, disk, messages[first::clients], may_refuse)
               for first in range(min(clients, len(messages)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(JOIN_S)
        if thread.is_alive() or thread.error:
            raise AssertionError(f"a client: {thread.error or 'hangs'}")
