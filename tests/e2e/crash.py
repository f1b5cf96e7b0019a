#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 under load, again and again: what had its 250 is there, once, octet for octet.

    crash.py [--rounds N] [--seed S] [--clients N] [--set KEY=VALUE]...

A round: the daemon starts on the spool of the round before, client threads send
numbered messages of all sizes, pipelined and not, and note each 250 with its id.
At a random moment it gets SIGKILL; sometimes again while it recovers. Workers
(lanes), segment size and spool.io differ from round to round. Then, while it is down and
again while it is up, everything is read back in bulk:
  - each message with a 250 is there under its id, exact, and nowhere else;
  - so is each one that `ringpost-spool ls` showed under load;
  - whatever else is there was sent whole by a client that got no reply, exact,
    and is there once;
  - ringpost-spool verify finds no damage.
The content of a message follows from its number, so nothing needs to be kept.
Exit status 0, or 1 with the seed and what was wrong.
"""
import argparse
import base64
import contextlib
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import harness

SPOOL_MAX = 256 << 20  # Octets: then the spool is emptied between two rounds.
SIZES = ((60, 20), (25, 1000), (10, 10000), (3, 150000), (2, 700000))  # weight, most lines' octets


def body_of(number):
    """The body of message `number`: its size and octets follow from the number alone."""
    generator = random.Random(number)
    most = generator.choices([size for _, size in SIZES], [weight for weight, _ in SIZES])[0]
    size = generator.randrange(most)
    seed = hashlib.sha256(b"%d" % number).hexdigest().encode()
    line = b"." * (number % 3) + seed + b"\r\n"
    return b"number %d\r\n" % number + line * (size // len(line))


class Load(threading.Thread):
    """One client: sends until its daemon dies. Counts on nobody else."""

    def __init__(self, port, first, step, pipelined):
        super().__init__()
        self.port, self.number, self.step, self.pipelined = port, first, step, pipelined
        self.accepted = {}  # id: number
        self.uncertain = set()  # numbers that were sent, maybe whole, without a reply
        self.refused = []
        self.error = None

    def run(self):
        try:
            while True:
                with harness.Client(self.port) as client:
                    client.ehlo()
                    for _ in range(20):
                        self.send_some(client)
        except (OSError, EOFError):
            pass  # The daemon is dead: what this round is about.
        except Exception as error:  # Told by the main thread.
            self.error = error

    def send_some(self, client):
        numbers = [self.number + self.step * index for index in range(5 if self.pipelined else 1)]
        self.number = numbers[-1] + self.step
        head = b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n"
        if self.pipelined:
            self.uncertain.update(numbers)
            client.send(b"".join(head + harness.stuff(body_of(number)) for number in numbers))
            for number in numbers:
                for start in ("250 2.1.0", "250 2.1.5", "354"):
                    self.want(client.reply(), start)
                self.settle(number, client.reply())
            return
        client.begin()
        self.uncertain.add(numbers[0])
        client.send(harness.stuff(body_of(numbers[0])))
        self.settle(numbers[0], client.reply())

    def settle(self, number, reply):
        self.uncertain.discard(number)
        match = harness.QUEUED.match(reply)
        if not match:
            raise AssertionError(f"message {number}: {reply}")
        if match.group(1) in self.accepted:
            raise AssertionError(f"message {number}: the id {match.group(1)} came before")
        self.accepted[match.group(1)] = number

    @staticmethod
    def want(reply, start):
        if not reply.startswith(start):
            raise AssertionError(f"want {start}, got {reply}")


class Crash:
    def __init__(self, options):
        self.options = options
        self.random = random.Random(options.seed)
        self.work = tempfile.mkdtemp(prefix="ringpost-crash-")
        self.fixed = dict(pair.partition("=")[::2] for pair in options.settings)
        self.daemon = harness.Daemon(self.work, {"log.level": "warning"})
        self.known = {}  # digest of a body in base64: its number
        self.shown = set()  # ids that a reader saw under load
        self.accepted = {}
        self.uncertain = set()
        self.number = 1

    def close(self):
        self.daemon.release()
        shutil.rmtree(self.work, ignore_errors=True)

    def read_all(self):
        """(id, body in base64) of every message, by one command."""
        path = os.path.join(self.work, "all.jsonl")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        self.daemon.spool.run("export", "--format", "jsonl", "--to", path)
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                yield row["id"], row["body_base64"].encode()
        os.unlink(path)

    def number_of(self, text):
        """The number of the message whose body this is, in base64; 0 for an altered one."""
        digest = hashlib.sha1(text).digest()
        if digest not in self.known:
            body = base64.b64decode(text)
            match = re.match(rb"number (\d+)\r\n", body)
            if not match or body != body_of(int(match.group(1))):
                return 0
            self.known[digest] = int(match.group(1))
        return self.known[digest]

    def check(self, when, is_recovered):
        """Raises where the promise is broken. What is there once must stay; what a recovery has
        not brought back never comes."""
        self.daemon.spool.verify()
        found = {}
        numbers = set()
        for ident, text in self.read_all():
            number = self.number_of(text)
            if not number:
                raise AssertionError(f"{when}: {ident}: an altered body")
            if ident in found or number in numbers:
                raise AssertionError(f"{when}: {ident}: message {number} is there twice")
            if self.accepted.get(ident, number) != number:
                raise AssertionError(f"{when}: {ident}: {number}, not {self.accepted[ident]}")
            if ident not in self.accepted and number not in self.uncertain:
                raise AssertionError(f"{when}: {ident}: {number} was never sent, or refused")
            found[ident] = number
            numbers.add(number)
        hidden = self.shown - found.keys()
        if hidden:
            raise AssertionError(f"{when}: shown before, and gone: {' '.join(sorted(hidden)[:5])}")
        lost = [f"{ident} ({number})" for ident, number in self.accepted.items()
                if found.get(ident) != number]
        if lost:
            raise AssertionError(f"{when}: {len(lost)} with a 250 are lost: {' '.join(lost[:5])}")
        self.accepted = found
        if is_recovered:
            self.uncertain = set()

    def start(self):
        """Settings of this round; sometimes a first start that dies in its recovery."""
        self.daemon.settings.update({
            "workers": str(self.random.choice((1, 2, 2, 3))),
            "spool.io": self.random.choice(("buffered", "buffered", "direct")),
            "spool.segment_size": self.random.choice(("1mb", "4mb", "4mb", "16mb")), **self.fixed})
        while self.random.random() < 0.3:
            self.daemon.spawn()
            time.sleep(self.random.uniform(0, 0.05))
            self.daemon.kill()
        self.daemon.start()

    def round(self, index):
        self.start()
        self.check(f"round {index}, after the start", True)
        count = self.options.clients
        loads = [Load(self.daemon.port, self.number + place, count, place % 2 == 0)
                 for place in range(count)]
        for load in loads:
            load.start()
        time.sleep(self.random.uniform(0.02, self.options.seconds / 2))
        self.shown = set(self.daemon.spool.ids()) if index % 2 else set()
        time.sleep(self.random.uniform(0, self.options.seconds / 2))
        self.daemon.process.kill()
        self.daemon.process.wait()
        for load in loads:
            load.join(60)
            if load.is_alive() or load.error:
                raise AssertionError(f"round {index}: a client: {load.error or 'hangs'}")
            if load.accepted.keys() & self.accepted.keys():
                raise AssertionError(f"round {index}: an id was given twice")
            self.accepted.update(load.accepted)
            self.uncertain.update(load.uncertain)
            self.number = max(self.number, load.number + count)
        log = self.daemon.log()
        if harness.TROUBLE.search(log):
            raise AssertionError(f"round {index}: the log:\n{log}")
        self.daemon.process = None
        self.check(f"round {index}, daemon dead", False)
        return sum(len(load.accepted) for load in loads)

    def empty_when_big(self):
        done = subprocess.run(["du", "-s", "-B1", self.daemon.spool.path], capture_output=True,
                              check=True, timeout=60)
        if int(done.stdout.split()[0]) > SPOOL_MAX:
            shutil.rmtree(self.daemon.spool.path)
            self.accepted, self.known, self.shown = {}, {}, set()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=0.8, help="the longest load of a round")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(31))
    parser.add_argument("--set", dest="settings", action="append", default=[],
                        metavar="KEY=VALUE")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    crash = Crash(options)
    total = 0
    try:
        for index in range(1, options.rounds + 1):
            total += crash.round(index)
            crash.empty_when_big()
        print(f"{options.rounds} rounds, {total} messages with a 250, none lost")
        return 0 if total else 1
    except AssertionError as error:
        print(f"seed {options.seed}: {error}\nthe daemon's log:\n{crash.daemon.log()[-3000:]}")
        return 1
    finally:
        crash.close()


if __name__ == "__main__":
    sys.exit(main())
