#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Damage of every kind, from outside: nothing with a 250 vanishes without being told.

Method: a spool is filled over SMTP, the daemon is killed or stopped, files are flipped, scrambled,
cut, removed or swapped. Then, before a start and after it, each message that was acknowledged is
there octet for octet, or verify has counted it and exits with 1; both readers say the same.
Random places come from a seed that every failure names.
"""
import contextlib
import os
import random
import re
import resource
import shutil
import sys
import time

import harness

sys.path.insert(0, os.path.join(harness.ROOT, "spool", "python"))
try:
    import ringpost_spool
    import ringpost_spool_scan
    HAS_PYTHON = getattr(ringpost_spool_scan, "VERSION", 0) == 2
except ImportError:
    HAS_PYTHON = False

BLOCK = 4096
ENVELOPE = b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n"
SETTINGS = {"workers": "1", "spool.segment_size": "1mb", "spool.min_free": "0"}
LOST = ("damaged", "unreadable", "missing")


def with_nuls(number):
    return b"%d\0" % number + b"\0" * 50 + b"\r\n"


def plain(number):
    return b"%d\r\n" % number + b"0123456789 plain text, the same in every line of it\r\n" * 1350


def pipeline(client, bodies):
    """All at once, so that most of them share a batch: the ids, in order."""
    client.send(b"".join(ENVELOPE + harness.stuff(body) for body in bodies))
    ids = []
    for _ in bodies:
        for start in ("250 2.1.0", "250 2.1.5", "354"):
            reply = client.reply()
            if not reply.startswith(start):
                raise AssertionError(f"want {start}, got {reply}")
        ids.append(harness.queued_id(client.reply()))
    return ids


class Case(harness.Case):
    def setUp(self):
        super().setUp()
        self.seed = random.SystemRandom().getrandbits(32)
        self.random = random.Random(self.seed)
        self.copies = 0

    def serve(self, spool=None, **settings):
        return self.make({**SETTINGS, **settings}, spool=spool).start()

    def copy(self, path):
        """A copy of a spool."""
        self.copies += 1
        to = os.path.join(self.work, f"copy-{self.copies}")
        shutil.copytree(path, to)
        return harness.Spool(to)

    @staticmethod
    def segments(path, suffix=".seg", lane="lane-000"):
        folder = os.path.join(path, lane)
        return sorted(os.path.join(folder, name) for name in os.listdir(folder)
                      if name.endswith(suffix))

    def judge(self, spool, sent, note=""):
        """Who is whole, and what verify says of the others: (ids that are whole, summary)."""
        done = spool.run("verify", "--json", check=False)
        rows = [harness.json.loads(line) for line in done.stdout.splitlines()]
        self.assertTrue(rows, done.stderr)
        summary = rows[-1]
        note = f"{note} seed {self.seed}: {done.stdout.decode()}"
        whole = set()
        for ident, body in sent.items():
            got = spool.run("cat", ident, check=False)
            if got.returncode == 0:
                self.assertEqual(got.stdout, body, note)
                whole.add(ident)
        self.assertEqual(summary["messages"], len(whole), note)
        lost = len(sent) - len(whole)
        told = sum(summary[kind] for kind in LOST)
        self.assertEqual(done.returncode, 1 if told + summary["problems"] else 0, note)
        if lost:
            self.assertEqual(done.returncode, 1, note)
            self.assertTrue(told == lost or summary["problems"] > 0, note)
        else:
            self.assertEqual(told, 0, note)
        self.compare_python(spool, whole, told, note)
        return whole, summary

    def compare_python(self, spool, whole, told, note):
        """The other reader comes to the same."""
        if not HAS_PYTHON:
            return
        with ringpost_spool.Spool(spool.path) as reader:
            ids = {entry.id for entry in reader.entries()}
            lost = 0
            for entry, error in reader.verify():
                if entry is not None:
                    ids.discard(entry.id)
                    lost += 1
                elif error.kind == "missing":
                    lost += error.count
        self.assertEqual((ids, lost), (whole, told), note)

    def start_on(self, spool, sent, whole, **settings):
        """A start takes nothing away from what readers saw, and what comes then is new."""
        daemon = self.make({**SETTINGS, **settings}, spool=spool.path)
        daemon.start()
        body = b"after the start\r\n"
        ident = daemon.deliver(body)
        self.assertNotIn(ident, sent)
        now = {**sent, ident: body}
        seen, summary = self.judge(spool, now, "running")
        self.assertEqual(seen, whole | {ident}, f"seed {self.seed}\n{daemon.log()}")
        daemon.stop()
        seen, summary = self.judge(spool, now, "stopped")
        self.assertEqual(seen, whole | {ident}, f"seed {self.seed}\n{daemon.log()}")
        daemon.release()
        return summary


# ---- the last batch ----

class LastBatch(Case):
    def fill(self, bodies):
        """Acknowledged, and the daemon is gone at once; the spool and what is in it."""
        daemon = self.serve()
        sent = {}
        with daemon.client() as client:
            client.ehlo()
            sent[client.deliver(b"first\r\n")] = b"first\r\n"
            sent.update(zip(pipeline(client, bodies), bodies))
        daemon.kill()
        daemon.release()
        return daemon.spool, sent

    @staticmethod
    def used(path):
        """Octets up to the end of the last block that is not zeros."""
        with open(path, "rb") as stream:
            return -(-len(stream.read().rstrip(b"\0")) // BLOCK) * BLOCK

    def damage(self, spool, sent, change, keep_bell):
        copy = self.copy(spool.path)
        segment = self.segments(copy.path)[0]
        with open(segment, "r+b") as stream:
            change(stream, self.used(segment))
        if not keep_bell:
            os.unlink(os.path.join(copy.path, "doorbell"))
        whole, summary = self.judge(copy, sent)
        again = self.start_on(copy, sent, whole)
        self.assertEqual(sum(again[kind] for kind in LOST), sum(summary[kind] for kind in LOST))
        shutil.rmtree(copy.path)
        return len(sent) - len(whole), summary

    def flip(self, stream, used):
        at = self.random.randrange(max(BLOCK, used - 5 * BLOCK), used)
        stream.seek(at)
        octet = stream.read(1)[0]
        stream.seek(at)
        stream.write(bytes([octet ^ 1 << self.random.randrange(8)]))

    def flip_many(self, bodies, rounds):
        spool, sent = self.fill(bodies)
        for number in range(rounds):
            lost, _ = self.damage(spool, sent, self.flip, number % 2 == 0)
            self.assertLessEqual(lost, 1, f"seed {self.seed}")

    def test_flipped_bit_among_nuls(self):
        self.flip_many([with_nuls(number) for number in range(16)], 14)

    def test_flipped_bit_in_text(self):
        self.flip_many([plain(number) for number in range(3)], 8)

    def test_scrambled_last_block(self):
        """With a doorbell exactly so many are told as are lost; without one, at least that."""
        spool, sent = self.fill([with_nuls(number) for number in range(40)])

        def scramble(stream, used):
            stream.seek(used - BLOCK)
            stream.write(self.random.randbytes(BLOCK))

        for keep_bell in (True, False):
            lost, summary = self.damage(spool, sent, scramble, keep_bell)
            self.assertGreater(lost, 0)
            if keep_bell:
                self.assertEqual(sum(summary[kind] for kind in LOST), lost)

    def test_all_blocks_scrambled(self):
        spool, sent = self.fill([with_nuls(number) for number in range(16)])

        def scramble(stream, used):
            stream.seek(BLOCK)
            stream.write(self.random.randbytes(used - BLOCK))

        lost, summary = self.damage(spool, sent, scramble, True)
        self.assertEqual((lost, sum(summary[kind] for kind in LOST)), (17, 17))
        lost, _ = self.damage(spool, sent, scramble, False)
        self.assertEqual(lost, 17)

    def test_header_and_first_record(self):
        """The first 8 KiB, with a big message's record: its file stays."""
        daemon = self.serve()
        body = b"big\r\n" * 1200000
        sent = {}
        with daemon.client() as client:
            client.ehlo()
            for text in [body] + [with_nuls(number) for number in range(5)]:
                sent[client.deliver(text)] = text
        daemon.kill()
        daemon.release()
        copy = self.copy(daemon.spool.path)
        with open(self.segments(copy.path)[0], "r+b") as stream:
            stream.write(self.random.randbytes(2 * BLOCK))
        whole, _ = self.judge(copy, sent)
        self.assertEqual(len(whole), 5)
        self.start_on(copy, sent, whole)
        self.assertEqual(len(os.listdir(os.path.join(copy.path, "big"))), 1)


# ---- spool.meta ----

class Meta(Case):
    def check(self, change, is_told):
        daemon = self.serve()
        sent = {}
        for number in range(5):
            sent[daemon.deliver(with_nuls(number))] = with_nuls(number)
        daemon.stop()
        identity = daemon.spool.stats().get("identity")
        change(os.path.join(daemon.spool.path, "spool.meta"))
        whole, summary = self.judge(daemon.spool, sent)
        self.assertEqual(len(whole), 5)
        self.assertEqual(summary["problems"] > 0, is_told)
        self.assertEqual(daemon.spool.ids(), list(sent))
        self.assertEqual(daemon.spool.stats().get("identity"), identity)
        summary = self.start_on(daemon.spool, sent, whole)
        self.assertEqual(summary["problems"], 0)  # the start has written it again
        self.assertEqual(daemon.spool.stats().get("identity"), identity)

    @staticmethod
    def write(path, off, octets):
        with open(path, "r+b") as stream:
            stream.seek(off)
            stream.write(octets)

    def test_first_sector(self):
        self.check(lambda path: self.write(path, 20, b"damaged"), True)

    def test_zeros(self):
        self.check(lambda path: self.write(path, 0, bytes(512)), True)

    def test_gone(self):
        self.check(os.unlink, True)

    def test_empty(self):
        self.check(lambda path: os.truncate(path, 0), True)

    def test_undamaged(self):
        self.check(lambda path: None, False)


# ---- copies ----

class Copies(Case):
    def test_copy_of_a_running_spool(self):
        """With the doorbell of a moment before: what was acknowledged is there all the same."""
        daemon = self.serve()
        self.addCleanup(self.end, daemon)
        sent = {}
        with daemon.client() as client:
            client.ehlo()
            for number in range(5):
                sent[client.deliver(with_nuls(number))] = with_nuls(number)
            old = self.copy(daemon.spool.path)
            for number in range(5, 60):
                sent[client.deliver(with_nuls(number))] = with_nuls(number)
        copy = self.copy(daemon.spool.path)
        shutil.copy(os.path.join(old.path, "doorbell"), os.path.join(copy.path, "doorbell"))
        whole, summary = self.judge(copy, sent)
        self.assertEqual(len(whole), 60)
        self.assertEqual(summary["problems"], 0)
        self.start_on(copy, sent, whole)


# ---- files that are gone ----

class Gone(Case):
    def fill(self):
        """Several segments, a big message in the last: the spool, what is in it, by segment."""
        daemon = self.serve()
        by_segment = {}
        sent = {}
        with daemon.client() as client:
            client.ehlo()
            number = 0
            while len(by_segment) < 5 or len(by_segment[max(by_segment)]) < 2:
                body = plain(number)
                ident = client.deliver(body)
                sent[ident] = body
                by_segment.setdefault(int(ident.split("-")[1], 16), set()).add(ident)
                number += 1
            body = b"big\r\n" * 1200000
            ident = client.deliver(body)
            sent[ident] = body
            by_segment[int(ident.split("-")[1], 16)].add(ident)
        daemon.stop()
        daemon.release()
        return daemon.spool, sent, by_segment

    def test_segments(self):
        spool, sent, by_segment = self.fill()
        numbers = sorted(by_segment)
        ends = {"first": numbers[0], "middle": numbers[2], "last": numbers[-1]}
        for which, number in ends.items():
            for how in ("segment", "directory", "both"):
                with self.subTest(which=which, how=how):
                    self.lose(spool, sent, by_segment[number], number, how)

    def lose(self, spool, sent, lost, number, how):
        copy = self.copy(spool.path)
        segment = os.path.join(copy.path, "lane-000", f"{number:016x}.seg")
        os.unlink(segment)
        if how == "directory":
            os.mkdir(segment)
        if how == "both":
            os.unlink(segment[:-4] + ".idx")
        whole, summary = self.judge(copy, sent, how)
        self.assertEqual(whole, set(sent) - lost)
        self.assertEqual(sum(summary[kind] for kind in LOST), len(lost), summary)
        bigs = os.listdir(os.path.join(copy.path, "big"))
        summary = self.start_on(copy, sent, whole)
        self.assertEqual(sum(summary[kind] for kind in LOST), len(lost), summary)
        self.assertEqual(os.listdir(os.path.join(copy.path, "big")), bigs)
        shutil.rmtree(copy.path)

    def test_big_body(self):
        spool, sent, _ = self.fill()
        folder = os.path.join(spool.path, "big")
        os.unlink(os.path.join(folder, os.listdir(folder)[0]))
        whole, summary = self.judge(spool, sent)
        self.assertEqual(len(sent) - len(whole), 1)
        self.assertEqual(sum(summary[kind] for kind in LOST), 1)
        self.start_on(spool, sent, whole)

    def follow(self, spool, cursor, sent):
        """A consumer that goes on from its cursor sees what is new."""
        if HAS_PYTHON:
            with ringpost_spool.Spool(spool.path) as reader:
                self.assertEqual([entry.id for entry in reader.entries(cursor)], sent)

    def test_all_segments(self):
        """Neither a number nor a sequence is used again: ids are unique for ever."""
        daemon = self.serve()
        seen = []
        cursor = {}
        for _ in range(3):
            sent = [daemon.deliver(b"%d\r\n" % number) for number in range(4)]
            seen += sent
            daemon.stop()
            self.follow(daemon.spool, cursor, sent)
            for path in self.segments(daemon.spool.path) + \
                    self.segments(daemon.spool.path, ".idx"):
                os.unlink(path)
            daemon.start()
        seen.append(daemon.deliver(b"last\r\n"))
        daemon.stop()
        self.assertEqual(len(set(seen)), len(seen))
        self.assertEqual(sorted(seen), seen)
        self.assertEqual(daemon.spool.ids(), seen[-1:])
        summary = harness.json.loads(
            daemon.spool.run("verify", "--json", check=False).stdout.splitlines()[-1])
        self.assertEqual((summary["messages"], summary["missing"]), (1, 12))


class Running(Case):
    """Files go while the daemon runs: whoever gets a 250 finds the message."""

    def send(self, daemon, body):
        """The id, or None for a refusal or a connection that was closed without a word."""
        with contextlib.suppress(EOFError, ConnectionError), daemon.client() as client:
            client.ehlo()
            for line in ("MAIL FROM:<a@example.org>", "RCPT TO:<b@example.com>", "DATA"):
                reply = client.command(line)
                if reply.startswith("45"):
                    return None
            client.send(harness.stuff(body))
            reply = client.reply()
            if reply.startswith("250"):
                return harness.queued_id(reply)
            self.assertRegex(reply, r"^45[12] 4\.3\.")
        return None

    def check(self, remove, heals, body=b"text\r\n"):
        daemon = self.serve()
        self.addCleanup(self.end, daemon)
        for number in range(3):
            daemon.deliver(b"%d\r\n" % number)
        remove(daemon.spool.path)
        accepted = 0
        for number in range(30):
            text = b"%d " % number + body
            ident = self.send(daemon, text)
            if ident is not None:
                accepted += 1
                self.assertEqual(daemon.spool.cat(ident), text, daemon.log())
            elif heals:
                time.sleep(0.1)  # the next segment is tried for twice a second
        self.assertTrue(daemon.is_alive(), daemon.log())
        if heals:
            self.assertGreater(accepted, 10, daemon.log())
        else:
            self.assertEqual(accepted, 0, daemon.log())
        return daemon

    def test_current_segment(self):
        daemon = self.check(lambda path: os.unlink(self.segments(path)[0]), True)
        errors = [line for line in daemon.log().splitlines() if '"error"' in line]
        self.assertEqual(len(errors), 1, daemon.log())

    def test_all_segments(self):
        def remove(path):
            for name in self.segments(path):
                os.unlink(name)
        self.check(remove, True)

    def test_prepared_segment(self):
        daemon = self.check(lambda path: os.unlink(self.segments(path)[-1]), True, plain(1))
        self.assertGreater(len(self.segments(daemon.spool.path)), 2)

    def test_lane(self):
        self.check(lambda path: shutil.rmtree(os.path.join(path, "lane-000")), False)

    def test_spool(self):
        self.check(shutil.rmtree, False)

    def test_directory_of_big_bodies(self):
        daemon = self.check(lambda path: shutil.rmtree(os.path.join(path, "big")), True)
        self.assertIsNone(self.send(daemon, b"big\r\n" * 1200000))

    def test_big_body_under_way(self):
        daemon = self.serve()
        self.addCleanup(self.end, daemon)
        folder = os.path.join(daemon.spool.path, "big")
        with daemon.client() as client:
            client.ehlo()
            client.begin()
            client.send(b"big\r\n" * 1200000)
            deadline = time.monotonic() + 20
            while not os.listdir(folder):
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.01)
            os.unlink(os.path.join(folder, os.listdir(folder)[0]))
            client.send(b".\r\n")
            self.assertRegex(client.reply(), r"^451 4\.3\.0 ")
            client.deliver(b"small\r\n")
        daemon.spool.verify()

    def test_second_daemon(self):
        """With everything swapped that can be: the spool has its daemon."""
        daemon = self.serve()
        self.addCleanup(self.end, daemon)
        path = daemon.spool.path
        sent = {daemon.deliver(b"one\r\n"): b"one\r\n"}
        for name in ("spool.meta", "doorbell"):
            shutil.copy(os.path.join(path, name), os.path.join(path, "copy"))
            os.rename(os.path.join(path, "copy"), os.path.join(path, name))
            self.refuse(path)
            os.unlink(os.path.join(path, name))
            self.refuse(path)
            sent[daemon.deliver(b"more\r\n")] = b"more\r\n"
            whole, _ = self.judge(daemon.spool, sent)  # readers go by the files
            self.assertEqual(whole, set(sent))
        daemon.stop()
        whole, _ = self.judge(daemon.spool, sent)
        self.assertEqual(whole, set(sent))
        daemon.start()

    def refuse(self, path):
        second = self.make(SETTINGS, spool=path)
        second.spawn()
        self.assertEqual(second.wait(), 1, second.log())
        self.assertRegex(second.log(), "another daemon")
        second.release()

    def test_doorbell_cut(self):
        """The disk cannot take its pages: nobody dies, readers go by the files, it is told once."""
        daemon = self.serve()
        sent = {daemon.deliver(b"one\r\n"): b"one\r\n"}
        os.truncate(os.path.join(daemon.spool.path, "doorbell"), 0)
        for number in range(5):
            sent[daemon.deliver(with_nuls(number))] = with_nuls(number)
        whole, _ = self.judge(daemon.spool, sent)
        self.assertEqual(whole, set(sent))
        self.assertEqual(len(re.findall("doorbell", daemon.log())), 1, daemon.log())
        daemon.kill()
        whole, _ = self.judge(daemon.spool, sent)
        self.assertEqual(whole, set(sent))
        self.start_on(daemon.spool, sent, whole)


class Space(Case):
    def test_failed_commits_take_no_space(self):
        """A disk that fails again and again: what is given up does not eat it."""
        daemon = self.serve()
        self.addCleanup(self.end, daemon)
        pid = daemon.process.pid
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        sent = {}
        failures = 0
        for number in range(12):
            sent[self.deliver(daemon, number)] = plain(number)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (2 * BLOCK, hard))
            with contextlib.suppress(EOFError, ConnectionError), daemon.client() as client:
                client.ehlo()
                if client.command("MAIL FROM:<a@example.org>").startswith("250"):
                    client.expect("RCPT TO:<b@example.com>", "250")
                    client.expect("DATA", "354")
                    client.send(harness.stuff(plain(number)))
                    self.assertRegex(client.reply(), "^45[12] 4")
            failures += 1
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, hard))
        whole, summary = self.judge(daemon.spool, sent)
        self.assertEqual(whole, set(sent))
        taken = sum(os.stat(path).st_blocks * 512 for path in self.segments(daemon.spool.path))
        self.assertGreater(len(self.segments(daemon.spool.path)), failures // 2)
        self.assertLess(taken, 4 << 20, daemon.log())
        self.assertEqual(summary["problems"], 0)

    def deliver(self, daemon, number):
        """It heals by itself."""
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(AssertionError, EOFError, ConnectionError):
                return daemon.deliver(plain(number))
            self.assertLess(time.monotonic(), deadline, daemon.log())
            time.sleep(0.05)


if __name__ == "__main__":
    harness.main()
