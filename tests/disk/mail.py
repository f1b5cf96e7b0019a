# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail whose fate is known: what was sent, and where the disk's log was when its 250 had come.

    messages = mail.make(400, seed)
    mail.deliver(messages, daemon.port, disk, clients=6)
"""
import random
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


class Message:
    def __init__(self, number, seed):
        generator = random.Random(f"{seed} {number}")
        self.number = number
        self.sender = f"m{number}.{generator.getrandbits(64):016x}@example.org"
        self.recipient = f"r{number}.{generator.getrandbits(64):016x}@example.com"
        _, shape, most = generator.choices(SHAPES, [row[0] for row in SHAPES])[0]
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


class Client(threading.Thread):
    def __init__(self, port, disk, messages):
        super().__init__()
        self.port, self.disk, self.messages = port, disk, messages
        self.error = None

    def run(self):
        try:
            with harness.Client(self.port) as client:
                client.ehlo()
                for message in self.messages:
                    self.send(client, message)
        except Exception as error:  # Told by the main thread.
            self.error = error

    def send(self, client, message):
        client.begin(sender=message.sender, recipients=(message.recipient,))
        message.sent_at = self.disk.place()
        client.send(harness.stuff(message.body))
        message.ident = harness.queued_id(client.reply())
        message.kept_at = self.disk.place()


def deliver(messages, port, disk, clients):
    """Sends all of them over so many connections at once; each gets its 250."""
    threads = [Client(port, disk, messages[first::clients]) for first in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(JOIN_S)
        if thread.is_alive() or thread.error:
            raise AssertionError(f"a client: {thread.error or 'hangs'}")
