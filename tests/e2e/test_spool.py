#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the socket to the spool and back: exact octets, flat memory, restarts, refusals.

Method: bodies from a seeded generator (the seed is in every failure) go in over
SMTP and are compared with what ringpost-spool gives back.
"""
import base64
import contextlib
import grp
import mailbox
import os
import pwd
import random
import re
import resource
import signal
import subprocess
import time

import harness

try:
    import xxhash
except ImportError:
    xxhash = None

MIB = 1 << 20


def make_body(generator, size):
    """CRLF lines of at most 998 octets: any octet but CR and LF, many leading dots."""
    body = bytearray()
    while len(body) + 2 < size:
        line = generator.randbytes(generator.choice((0, 1, 2, 60, 78, 500, 998)))
        line = line.translate(None, b"\r\n")[:998]
        if generator.random() < 0.3:
            line = b"." + line[:997]
        body += line[:size - len(body) - 2] + b"\r\n"
    return bytes(body)



class Exactness(harness.Case):
    SIZES = [0, 2, 3, 4, 63, 64, 65, 4095, 4096, 4097, 16383, 16384, 16385, 65536, 100000,
             256 * 1024, 300 * 1024, 511 * 1024, 600 * 1024, MIB, 2 * MIB, 5 * MIB]

    def test_random_bodies(self):
        self.send_random_bodies("buffered")

    def test_random_bodies_direct(self):
        self.send_random_bodies("direct")

    def send_random_bodies(self, io):
        seed = random.SystemRandom().getrandbits(32)
        generator = random.Random(seed)
        daemon = self.start({"spool.io": io})
        sent = {}
        with daemon.client() as client:
            client.ehlo()
            for size in self.SIZES + [generator.randrange(200000) for _ in range(40)]:
                body = make_body(generator, size) if size else b""
                sent[client.deliver(body)] = body
        self.compare(daemon, sent, seed)

    def test_random_pieces(self):
        """Bodies cut anywhere by the sender, over a few connections at a time."""
        seed = random.SystemRandom().getrandbits(32)
        generator = random.Random(seed)
        daemon = self.start()
        clients = [daemon.client() for _ in range(4)]
        sent = {}
        for client in clients:
            client.ehlo()
        for _ in range(6):
            bodies = [make_body(generator, generator.randrange(40000)) for _ in clients]
            pending = []
            for client, body in zip(clients, bodies):
                client.begin()
                pending.append((client, bytearray(harness.stuff(body))))
            while any(octets for _, octets in pending):
                client, octets = generator.choice([item for item in pending if item[1]])
                size = min(len(octets), generator.choice((1, 2, 3, 1000, 1460, 16384)))
                client.send(octets[:size])
                del octets[:size]
            for client, body in zip(clients, bodies):
                sent[harness.queued_id(client.reply())] = body
        for client in clients:
            client.close()
        self.compare(daemon, sent, seed)

    def compare(self, daemon, sent, seed):
        self.assertEqual(sorted(daemon.spool.ids()), sorted(sent), f"seed {seed}")
        for ident, body in sent.items():
            if daemon.spool.cat(ident) != body:
                self.fail(f"seed {seed}: {ident} ({len(body)} octets) is not what was sent")
        daemon.spool.verify()


class BigBodies(harness.Case):
    def test_memory_stays_flat(self):
        """Six bodies of 40 MiB at once: of 240 MiB the process holds a fraction."""
        daemon = self.start({"limits.message_size": "64mb"})
        daemon.deliver(make_body(random.Random(1), 3 * MIB))
        before = daemon.rss()
        piece = (b"." + b"x" * 76 + b"\r\n") * 1000
        pieces = 40 * MIB // len(piece)
        wire = piece.replace(b".x", b"..x")
        clients = [daemon.client() for _ in range(6)]
        most = 0
        for client in clients:
            client.ehlo()
            client.begin()
        for number in range(pieces):
            for client in clients:
                client.send(wire)
            if number % 20 == 0:
                most = max(most, daemon.rss())
        ids = []
        for client in clients:
            client.send(b".\r\n")
            ids.append(harness.queued_id(client.reply()))
            client.close()
        for ident in ids[:2]:
            body = daemon.spool.cat(ident)
            self.assertEqual(len(body), pieces * len(piece))
            self.assertTrue(body == piece * pieces)
        daemon.spool.verify()
        if not harness.IS_SANITIZED:
            self.assertLess(most - before, 64 * MIB)

    def test_big_and_small_together(self):
        """A small message gets its 250 while a big one is half-way."""
        daemon = self.start()
        with daemon.client() as big, daemon.client() as small:
            big.ehlo()
            big.begin()
            big.send(b"x" * 98 + b"\r\n")
            big.send((b"x" * 98 + b"\r\n") * 50000)
            small.ehlo()
            since = time.monotonic()
            for _ in range(20):
                small.deliver(b"small\r\n")
            self.assertLess(time.monotonic() - since, 10)
            big.send(b".\r\n")
            self.assertEqual(len(daemon.spool.cat(harness.queued_id(big.reply()))), 5000100)

    def test_aborted_big_body_leaves_nothing(self):
        daemon = self.start()
        client = daemon.client()
        client.ehlo()
        client.begin()
        client.send((b"x" * 98 + b"\r\n") * 50000)
        client.reset()
        with daemon.client() as client:
            client.ehlo()
            client.begin()
            client.send((b"x" * 998 + b"\r\n" + b"y" * 2000 + b"\r\n") * 2000 + b".\r\n")
            self.assertRegex(client.reply(), r"^500 5\.6\.0 ")
        self.assertEqual(daemon.spool.ids(), [])
        folder = os.path.join(daemon.spool.path, "big")
        deadline = time.monotonic() + 10
        while os.path.isdir(folder) and (names := os.listdir(folder)):
            self.assertLess(time.monotonic(), deadline, f"left behind: {names}")
            time.sleep(0.05)


class Tool(harness.Case):
    def test_listing_follows_what_was_sent(self):
        daemon = self.start()
        with daemon.client() as client:
            client.ehlo("tool.example")
            first = client.deliver(b"one\r\n", params=" SIZE=5 BODY=8BITMIME")
            second = client.deliver(b"", sender="", recipients=("x@example.com", "Postmaster"))
            third = client.deliver(b"three\r\n")
        rows = daemon.spool.ls()
        self.assertEqual([row["id"] for row in rows].count(first), 1)
        by_id = {row["id"]: row for row in rows}
        self.assertEqual(list(by_id), [first, second, third])
        self.assertEqual([row["size"] for row in rows], [5, 0, 7])
        self.assertEqual(by_id[second]["sender"], "")
        self.assertEqual(by_id[second]["recipients"], ["x@example.com", "Postmaster"])
        self.assertEqual([row["id"] for row in daemon.spool.ls("--from", second)], [second, third])
        self.assertEqual(len(daemon.spool.ls("--limit", "1")), 1)
        shown = daemon.spool.show(first)
        self.assertEqual((shown["id"], shown["helo"]), (first, "tool.example"))
        self.assertIn("127.0.0.1", str(shown))
        self.assertIn("SIZE=5 BODY=8BITMIME", str(shown))
        self.assertEqual(daemon.spool.stats()["messages"], 3)

    def test_show_of_a_large_message(self):
        """Filler before a body that direct I/O wrote is no part of the envelope."""
        daemon = self.start({"spool.io": "direct"})
        ident = daemon.deliver(b"large\r\n" * 50000)
        shown = daemon.spool.run("show", ident).stdout
        self.assertLess(len(shown), 1000)
        self.assertEqual([name for name in daemon.spool.show(ident) if name.startswith("tag-")], [])

    def test_follow(self):
        daemon = self.start()
        daemon.deliver(b"before\r\n")
        with subprocess.Popen([harness.TOOL, "follow", "--json", daemon.spool.path],
                              stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as follow:
            try:
                time.sleep(0.5)
                ids = [daemon.deliver(b"%d\r\n" % number) for number in range(5)]
                lines = [follow.stdout.readline().decode() for _ in ids]
                for ident, line in zip(ids, lines):
                    self.assertIn(ident, line)
                follow.send_signal(signal.SIGINT)
                self.assertEqual(follow.wait(10), 0)
            finally:
                if follow.poll() is None:
                    follow.kill()

    def test_exports(self):
        generator = random.Random(7)
        daemon = self.start()
        bodies = [b"Subject: %d\r\n\r\n" % number + make_body(generator, 3000)
                  for number in range(8)]
        sent = {daemon.deliver(body): body for body in bodies}
        to = os.path.join(self.work, "out")
        daemon.spool.run("export", "--format", "eml", "--to", to + ".eml")
        for ident, body in sent.items():
            with open(os.path.join(to + ".eml", ident + ".eml"), "rb") as stream:
                self.assertEqual(stream.read(), body)
        daemon.spool.run("export", "--format", "jsonl", "--to", to + ".jsonl")
        with open(to + ".jsonl", encoding="utf-8") as stream:
            rows = [harness.json.loads(line) for line in stream]
        self.assertEqual({row["id"]: base64.b64decode(row["body_base64"]) for row in rows}, sent)
        daemon.spool.run("export", "--format", "maildir", "--to", to)
        self.assertEqual(len(mailbox.Maildir(to, create=False)), len(sent))
        daemon.spool.run("export", "--format", "mbox", "--to", to + ".mbox")
        self.assertEqual(len(mailbox.mbox(to + ".mbox", create=False)), len(sent))

    def test_unknown_id(self):
        daemon = self.start()
        daemon.deliver(b"x\r\n")
        for ident in ("000-0000000099-000040", "nonsense", ""):
            done = daemon.spool.run("cat", ident, check=False)
            self.assertIn(done.returncode, (1, 2))
            self.assertEqual(done.stdout, b"")
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)


class FileSizes(harness.Case):
    """A limit on file sizes (ulimit -f, LimitFSIZE=) is a disk that is full, not the end."""

    def limit(self, daemon, size):
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (size, size))

    def test_big_body(self):
        """What its own file cannot hold is 452 for that message only."""
        daemon = self.start({"spool.segment_size": "2mb"})
        self.limit(daemon, 4 * MIB)
        with daemon.client() as client:
            client.ehlo()
            for size in (64 << 10, 1 * MIB, 3 * MIB):
                client.deliver(b"small enough\r\n" * (size // 14))
            for _ in range(3):
                client.begin()
                client.send(harness.stuff(b"too large\r\n" * MIB))
                self.assertRegex(client.reply(), r"^452 4\.3\.1 ")
                client.deliver(b"next\r\n")
        self.assertEqual(len(daemon.spool.ids()), 6)
        daemon.spool.verify()

    def test_log_of_many_failures(self):
        """Lines of one kind are limited in rate; how many were left out is told."""
        daemon = self.start({"spool.segment_size": "2mb", "log.format": "text"})
        self.limit(daemon, 2 * MIB)
        rounds = 60
        with daemon.client() as client:
            client.ehlo()
            for _ in range(rounds):
                client.begin()
                client.send(harness.stuff(b"too large\r\n" * (4 * MIB // 11)))
                self.assertRegex(client.reply(), r"^452 4\.3\.1 ")
        daemon.signal(signal.SIGTERM)
        self.assertEqual(daemon.wait(), 0)
        lines = re.findall(r"error .*File too large(?: \(and (\d+) more like this in \d+ s\))?$",
                           daemon.log(), re.M)
        told = sum(1 if count == "" else int(count) for count in lines)
        self.assertEqual(told, rounds)
        self.assertLess(len(lines), rounds)
        daemon.start()

    def test_segments(self):
        """No segment can be written: 452, until the next start without that limit."""
        daemon = self.start({"spool.segment_size": "2mb", "workers": "1"})
        sent = [daemon.deliver(b"x\r\n")]
        self.limit(daemon, MIB)
        for _ in range(400):
            with daemon.client() as client:
                client.ehlo()
                reply = client.command("MAIL FROM:<a@example.org>")
                if not reply.startswith("250"):
                    break
                client.expect("RCPT TO:<b@example.com>", "250")
                client.expect("DATA", "354")
                client.send(harness.stuff(b"0123456789abcde\r\n" * 1500))
                with contextlib.suppress(EOFError):  # No reply: nobody can know.
                    reply = client.reply()
                    self.assertRegex(reply, r"^(250 2\.0\.0|452 4\.3\.1) ")
                    sent += [harness.queued_id(reply)] if reply.startswith("250") else []
        self.assertRegex(reply, r"^452 4\.3\.1 ")
        self.assertGreater(len(sent), 10)
        daemon.stop()
        daemon.start()
        sent.append(daemon.deliver(b"y\r\n"))
        self.assertLessEqual(set(sent), set(daemon.spool.ids()))
        daemon.spool.verify()


class Restarts(harness.Case):
    def test_all_is_kept_and_ids_are_new(self):
        """Four lives with two kinds of end; also one with fewer workers."""
        sent = {}
        for life, (settings, how) in enumerate([({"workers": "2"}, "stop"), ({}, "kill"),
                                                ({"workers": "1"}, "stop"), ({}, "kill")]):
            daemon = self.make({"spool.segment_size": "1mb", **settings})
            daemon.start()
            for number in range(30):
                body = b"%d in life %d\r\n" % (number, life) * (1 + number * 50)
                ident = daemon.deliver(body)
                self.assertNotIn(ident, sent)
                sent[ident] = body
            if how == "stop":
                daemon.stop()
            daemon.release()
        daemon = self.start()
        self.assertEqual(sorted(daemon.spool.ids()), sorted(sent))
        for ident, body in sent.items():
            self.assertEqual(daemon.spool.cat(ident), body)
        daemon.spool.verify()

    def test_reading_without_a_daemon(self):
        daemon = self.make().start()
        ident = daemon.deliver(b"still there\r\n")
        daemon.stop()
        self.assertEqual(daemon.spool.cat(ident), b"still there\r\n")
        self.assertEqual(daemon.spool.ids(), [ident])


class Refusals(harness.Case):
    def refused(self, pattern, path=None, settings=None):
        """A daemon must end at once with status 1 and one line that matches."""
        daemon = self.make(settings, spool=path)
        daemon.spawn()
        status = daemon.wait(20)
        lines = [line for line in daemon.log().splitlines() if line]
        self.assertEqual(status, 1, daemon.log())
        self.assertTrue(any(re.search(pattern, line, re.IGNORECASE) for line in lines),
                        daemon.log())
        self.assertLessEqual(len(lines), 3, daemon.log())

    def test_second_daemon(self):
        daemon = self.start()
        ident = daemon.deliver(b"x\r\n")
        self.refused(r"spool.*(daemon|lock|use)|(daemon|lock|use).*spool")
        self.assertEqual(daemon.spool.cat(ident), b"x\r\n")

    def test_newer_version(self):
        """A whole spool.meta of a version beyond ours is refused and left as it is."""
        if xxhash is None:
            self.skipTest("no python3-xxhash here")
        daemon = self.make().start()
        daemon.deliver(b"x\r\n")
        daemon.stop()
        path = os.path.join(daemon.spool.path, "spool.meta")
        with open(path, "r+b") as meta:
            octets = bytearray(meta.read())
            octets[16:20] = (99).to_bytes(4, "little")
            octets[:8] = xxhash.xxh3_64_intdigest(bytes(octets[8:64])).to_bytes(8, "little")
            meta.seek(0)
            meta.write(octets)
        self.refused("version")
        with open(path, "rb") as meta:
            self.assertEqual(meta.read(), octets)
        done = daemon.spool.run("ls", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr.decode(), "version")

    def test_something_else(self):
        path = os.path.join(self.work, "not-a-spool")
        os.mkdir(path)
        with open(os.path.join(path, "letter.txt"), "w", encoding="ascii") as stream:
            stream.write("mine\n")
        self.refused("not-a-spool", path)
        self.assertEqual(os.listdir(path), ["letter.txt"])

    def test_a_file(self):
        path = os.path.join(self.work, "file")
        with open(path, "w", encoding="ascii"):
            pass
        self.refused("file", path)

    def test_no_parent(self):
        self.refused("absent", os.path.join(self.work, "absent", "spool"))

    def test_port_taken(self):
        with harness.socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            daemon = self.make()
            daemon.port = taken.getsockname()[1]
            daemon.spawn()
            self.assertEqual(daemon.wait(20), 1, daemon.log())
            self.assertRegex(daemon.log(), str(daemon.port))


class Rights(harness.Case):
    """Started as root, the daemon becomes somebody else."""

    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("needs root to become somebody else")
        os.chmod(self.work, 0o711)
        self.nobody = pwd.getpwnam("nobody")

    def check(self, path, uid, gid):
        status = os.stat(path)
        self.assertEqual((status.st_uid, status.st_gid), (uid, gid))
        self.assertEqual(status.st_mode & 0o7777, 0o750)

    def test_new_spool(self):
        """The directory is made and handed over before the rights are dropped."""
        for settings, uid, gid in (
                ({"user": "nobody"}, self.nobody.pw_uid, self.nobody.pw_gid),
                ({"user": "nobody", "group": "mail"}, self.nobody.pw_uid,
                 grp.getgrnam("mail").gr_gid),
                ({"group": "mail"}, 0, grp.getgrnam("mail").gr_gid)):
            with self.subTest(settings=settings):
                daemon = self.start(settings, spool=f"{self.work}/{'-'.join(settings.values())}")
                self.check(daemon.spool.path, uid, gid)
                first = daemon.deliver(b"x\r\n")
                daemon.stop()
                daemon.start()
                second = daemon.deliver(b"y\r\n")
                self.assertEqual(sorted(daemon.spool.ids()), sorted([first, second]))

    def test_directory_of_root(self):
        """What is there already is not given away."""
        path = f"{self.work}/spool"
        os.mkdir(path, 0o750)
        daemon = self.make({"user": "nobody"})
        daemon.spawn()
        self.assertEqual(daemon.wait(), 1)
        self.assertIn("Permission denied", daemon.log())
        self.check(path, 0, 0)


class Settings(harness.Case):
    def test_discard(self):
        daemon = self.start({"spool.discard": "true"})
        with daemon.client() as client:
            client.ehlo()
            for _ in range(5):
                client.begin()
                client.send(b"gone\r\n.\r\n")
                self.assertRegex(client.reply(), "^250 2.0.0 ")
        self.assertEqual(daemon.spool.run("ls", "--json", check=False).stdout, b"")

    def test_no_sync(self):
        daemon = self.start({"spool.sync": "none"})
        ids = [daemon.deliver(b"%d\r\n" % number) for number in range(20)]
        self.assertEqual(sorted(daemon.spool.ids()), sorted(ids))

    def test_min_free(self):
        daemon = self.start({"spool.min_free": "1000000gb"})
        with daemon.client() as client:
            client.ehlo()
            for _ in range(3):
                client.expect("MAIL FROM:<a@example.org>", "452 4.3.1")
            client.expect("NOOP", "250")

    def test_segment_size(self):
        daemon = self.start({"spool.segment_size": "1mb", "workers": "1"})
        body = make_body(random.Random(3), 90000)
        ids = [daemon.deliver(body) for _ in range(40)]
        self.assertEqual(daemon.spool.ids(), ids)
        self.assertGreater(daemon.spool.stats()["segments"], 2)
        self.assertEqual(daemon.spool.cat(ids[-1]), body)


if __name__ == "__main__":
    harness.main()
