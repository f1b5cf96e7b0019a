#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that misbehave cost only themselves: clear replies, bounded memory, others unharmed.

Method: each kind of abuse beside a good client that must go on getting its 250s
in ordinary time; the daemon's memory is read from /proc.
"""
import contextlib
import random
import re
import select
import socket
import time

import harness

MIB = 1 << 20


class Abuse(harness.Case):
    def good(self, daemon, seconds=10):
        """A good client's message, and within what time."""
        since = time.monotonic()
        ident = daemon.deliver(b"good\r\n")
        self.assertLess(time.monotonic() - since, seconds)
        return ident

    def raw(self, daemon):
        return harness.Client(daemon.port, greeting=False)

    def quietly(self, client, octets):
        """Send until the server has had enough."""
        with contextlib.suppress(ConnectionError):
            client.send(octets)

    def replies(self, client):
        with contextlib.suppress(ConnectionError):
            client.socket.shutdown(socket.SHUT_WR)
        return client.rest().split(b"\r\n")[:-1]

    def bounded(self, daemon, before, growth):
        if not harness.IS_SANITIZED:
            self.assertLess(daemon.rss() - before, growth)


class BadInput(Abuse):
    def test_garbage(self):
        seed = random.SystemRandom().getrandbits(32)
        generator = random.Random(seed)
        daemon = self.start()
        for size in [1, 2, 10, 1000, 100000] * 6:
            with self.raw(daemon) as client:
                self.quietly(client, generator.randbytes(size))
                for line in self.replies(client):
                    self.assertRegex(line, rb"^[2-5]\d\d[ -]", f"seed {seed}")
        self.good(daemon)

    def test_garbage_lines(self):
        """Each line gets one reply until the errors are too many, then 421 and the end."""
        generator = random.Random(5)
        daemon = self.start({"limits.errors": "50"})
        with self.raw(daemon) as client:
            lines = [bytes(generator.randrange(33, 127) for _ in range(30)) for _ in range(30)]
            client.send(b"\r\n".join(lines) + b"\r\n")
            replies = self.replies(client)
        self.assertEqual(len(replies), 31)
        for reply in replies[1:]:
            self.assertRegex(reply, rb"^50\d 5\.5\.\d ")
        with self.raw(daemon) as client:
            self.quietly(client, b"\r\n".join(lines * 4) + b"\r\n")
            replies = self.replies(client)
            # Of what the peer sends after the end nothing is read: a reset may eat replies.
            self.assertLessEqual(len(replies), 52)
        self.good(daemon)

    def test_http_request(self):
        daemon = self.start()
        with self.raw(daemon) as client:
            client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: x\r\nAccept: */*\r\n"
                        b"\r\n")
            replies = self.replies(client)
        self.assertEqual(len(replies), 6)
        for reply in replies[1:]:
            self.assertRegex(reply, rb"^50\d 5\.5\.\d ")

    def test_tls_hello(self):
        daemon = self.start()
        with self.raw(daemon) as client:
            self.quietly(client, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500))
            self.replies(client)
        self.good(daemon)

    def test_endless_line(self):
        """1 MiB, then 64 MiB without a line end: one 500, no memory; the session lives."""
        daemon = self.start()
        with daemon.client() as client:
            before = daemon.rss()
            for size in (MIB, 64 * MIB):
                for _ in range(size // MIB):
                    client.send(b"x" * MIB)
                client.send(b"\r\n")
                self.assertRegex(client.reply(), r"^500 5\.5\.2 ")
                client.expect("NOOP", "250")
            self.bounded(daemon, before, 8 * MIB)

    def test_nuls(self):
        daemon = self.start({"limits.errors": "0"})
        with daemon.client() as client:
            for line in (b"\0", b"\0" * 400, b"NOOP\0\0", b"MAIL FROM:<a\0@example.org>"):
                self.assertRegex(client.command(line), "^500 5.5.2 ")
            client.ehlo()
            body = b"\0\r\n\0\0.\0\r\n" + b"\0" * 900 + b"\r\n"
            ident = client.deliver(body)
        self.assertEqual(daemon.spool.cat(ident), body)

    def test_long_argument_lists(self):
        daemon = self.start()
        with daemon.client() as client:
            client.ehlo()
            line = "MAIL FROM:<a@example.org>" + " A=1" * 100
            client.expect(line, "555 5.5.4")
            client.expect("MAIL FROM:<" + '"' + "\\x" * 200 + '"@example.org>', "250")


class Departures(Abuse):
    STATES = [b"", b"EH", b"EHLO c\r\n", b"EHLO c\r\nMAIL FROM:<a@example.org>\r\n",
              b"EHLO c\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\n",
              b"EHLO c\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n",
              b"EHLO c\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\nhalf",
              b"EHLO c\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\nx\r\n.",
              b"EHLO c\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n"
              + b"x" * 500000, b"QUIT\r\n"]

    def test_half_close(self):
        """What came before the FIN is answered, then the server closes, too."""
        daemon = self.start()
        for octets in self.STATES:
            with self.subTest(octets=octets[-20:]), self.raw(daemon) as client:
                client.send(octets)
                client.socket.shutdown(socket.SHUT_WR)
                replies = client.rest()
                self.assertTrue(replies.startswith(b"220 "), replies)
                if octets.startswith(b"EHLO"):
                    self.assertIn(b"250 HELP\r\n", replies)
        self.assertEqual(daemon.spool.ids(), [])

    def test_half_close_after_the_message(self):
        """A client that says all at once and shuts its side still gets every reply."""
        daemon = self.start()
        with self.raw(daemon) as client:
            client.send(self.STATES[5] + b"whole\r\n.\r\nQUIT\r\n")
            client.socket.shutdown(socket.SHUT_WR)
            replies = client.rest()
        self.assertIn(b"OK queued as", replies)
        self.assertTrue(replies.endswith(b"221 2.0.0 Bye\r\n"), replies)
        self.assertEqual(len(daemon.spool.ids()), 1)

    def test_reset(self):
        daemon = self.start()
        for octets in self.STATES * 3:
            client = self.raw(daemon)
            client.send(octets)
            if len(octets) % 2:
                time.sleep(0.02)
            client.reset()
        self.good(daemon)
        self.assertEqual(len(daemon.spool.ids()), 1)

    def test_reset_while_committing(self):
        """The client is gone when its 250 comes: whole and once in the spool, or not there."""
        daemon = self.start()
        for number in range(60):
            client = self.raw(daemon)
            client.send(self.STATES[5] + b"%d\r\n.\r\n" % number)
            if number % 3:
                time.sleep(0.001 * (number % 5))
            client.reset()
        self.good(daemon)
        time.sleep(0.3)
        bodies = [daemon.spool.cat(ident) for ident in daemon.spool.ids()]
        self.assertEqual(len(bodies), len(set(bodies)))
        self.assertLessEqual(set(bodies), {b"%d\r\n" % number for number in range(60)}
                             | {b"good\r\n"})


class NoReading(Abuse):
    def test_replies_are_not_read(self):
        """Thousands of pipelined commands and nobody reads: the server stops reading, too."""
        daemon = self.start({"limits.errors": "0"})
        before = daemon.rss()
        clients = []
        for _ in range(20):
            client = self.raw(daemon)
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.socket.setblocking(False)
            clients.append(client)
        batch = b"HELP\r\n" * 4000
        sent = 0
        deadline = time.monotonic() + 4
        while time.monotonic() < deadline:
            for client in clients:
                with contextlib.suppress(BlockingIOError):
                    sent += client.socket.send(batch)
            select.select([], [client.socket for client in clients], [], 0.1)
        self.good(daemon)
        self.assertGreater(sent, 0)
        self.bounded(daemon, before, 64 * MIB)
        for client in clients:
            client.close()

    def test_late_reader_gets_every_reply(self):
        daemon = self.start({"limits.errors": "0"})
        with self.raw(daemon) as client:
            count = 5000
            client.socket.settimeout(60)
            octets = b"NOOP\r\n" * count + b"QUIT\r\n"
            client.socket.setblocking(False)
            at, got = 0, b""
            until = time.monotonic() + 2
            while at < len(octets):
                with contextlib.suppress(BlockingIOError):
                    at += client.socket.send(octets[at:at + 5000])
                if time.monotonic() > until:
                    with contextlib.suppress(BlockingIOError):
                        got += client.socket.recv(65536)
            client.socket.settimeout(harness.REPLY_S)
            got += client.rest()
        lines = got.split(b"\r\n")[:-1]
        self.assertEqual(lines[1:-1], [b"250 2.0.0 OK"] * count)
        self.assertEqual(lines[-1], b"221 2.0.0 Bye")


class Envelopes(Abuse):
    """Clients that hold the largest envelopes they may, for as long as they say NOOP."""
    LONGEST = b"RCPT TO:<" + b"%06d" + b"x" * 482 + b"@b.example>\r\n"  # 512 octets

    def hog(self, daemon, address):
        client = harness.Client(daemon.port, source=address)
        client.ehlo()
        client.expect("MAIL FROM:<a@example.org>", "250")
        return client

    def fill(self, clients, count):
        """So many recipients each, all at once; how many of them were taken."""
        taken = []
        for number in range(0, count, 50):
            for client in clients:
                client.send(b"".join(self.LONGEST % at for at in range(number, number + 50)))
            taken += [client.reply() for client in clients for _ in range(50)]
        for reply in taken:
            self.assertRegex(reply, r"^(250 2\.1\.5|452 4\.5\.3) ")
        return sum(reply.startswith("250") for reply in taken)

    def envelope(self, daemon, count, **options):
        """A message with so many ordinary recipients."""
        with harness.Client(daemon.port, **options) as client:
            client.ehlo()
            recipients = [f"recipient-{at}@example.com" for at in range(count)]
            ident = client.deliver(b"body\r\n", recipients=recipients)
        self.assertEqual(len(daemon.spool.show(ident)["recipients"]), count)

    def test_many_hogs(self):
        """Nobody else is kept from a small message, wherever he comes from."""
        daemon = self.start({"workers": "1", "limits.memory": "32mb", "limits.connections": "200"})
        before = daemon.rss()
        clients = [self.hog(daemon, f"127.0.{at}.1") for at in range(60)]
        self.assertGreater(self.fill(clients, 1000), 0)
        for client in clients:
            client.expect("NOOP", "250")
        self.bounded(daemon, before, 32 * MIB)
        for source in ("127.0.0.1", "127.0.5.1", "127.9.9.9"):
            self.envelope(daemon, 1, source=source)
            self.envelope(daemon, 50, source=source)
        for client in clients:
            client.expect("DATA", "354")
            client.send(b"x\r\n.\r\n")
            harness.queued_id(client.reply())
            client.close()
        self.envelope(daemon, 1000)

    def test_one_client_and_one_network(self):
        """One client, or one network, leaves others room for a large envelope."""
        for sources in (["127.0.1.1"] * 40, [f"127.0.1.{at + 1}" for at in range(40)]):
            with self.subTest(sources=sources[:2]):
                daemon = self.start({"workers": "1", "limits.memory": "32mb"},
                                    spool=f"{self.work}/{sources[1]}")
                clients = [self.hog(daemon, source) for source in sources]
                self.assertLess(self.fill(clients, 1000), 40000)
                self.envelope(daemon, 1000, source="127.0.2.1")
                self.envelope(daemon, 50, source=sources[-1])
                for client in clients:
                    client.close()

    def test_told_recipients_can_be_reached(self):
        """RCPTMAX is what the longest addresses leave room for, whatever limits.recipients says."""
        for settings in ({}, {"limits.recipients": "100000"}, {"limits.recipients": "7"},
                         {"limits.recipients": "100000", "limits.local_part": "64"}):
            with self.subTest(settings=settings):
                daemon = self.start(settings, spool=f"{self.work}/{len(str(settings))}")
                with daemon.client() as client:
                    told = int(re.search(r"RCPTMAX=(\d+)", client.ehlo()).group(1))
                    self.assertLessEqual(told, int(settings.get("limits.recipients", 1000)))
                    client.expect("MAIL FROM:<" + "s" * 64 + "@" + "b" * 60 + ".example>", "250")
                    local = int(settings.get("limits.local_part", 488))
                    for at in range(told):
                        client.expect(f"RCPT TO:<{at:06}{'x' * (local - 6)}@b.example>", "250")
                    client.expect("DATA", "354")
                    client.send(b"x\r\n.\r\n")
                    ident = harness.queued_id(client.reply())
                self.assertEqual(len(daemon.spool.show(ident)["recipients"]), told)


class Crowds(Abuse):
    def test_bodies_that_never_end(self):
        """200 clients push bodies into 32 MiB; a good client still gets its 250."""
        daemon = self.start({"limits.memory": "32mb", "limits.message_size": "0",
                             "limits.line_length": "0", "timeouts.data": "300s"})
        self.good(daemon)
        before = daemon.rss()
        count = 40 if harness.IS_SANITIZED else 200
        clients = []
        for _ in range(count):
            client = daemon.client()
            client.ehlo()
            client.begin()
            client.socket.setblocking(False)
            clients.append(client)
        piece = b"x" * 65536
        most = 0
        for turn in range(12):
            for client in clients:
                with contextlib.suppress(BlockingIOError):
                    client.socket.send(piece)
            if turn % 3 == 2:
                self.good(daemon, 30)
            most = max(most, daemon.rss())
        if not harness.IS_SANITIZED:
            # What the configuration allows, and as much again for all else.
            self.assertLess(most - before, 64 * MIB)
        # Those who finish after all get their 250.
        for client in clients[:5]:
            client.socket.settimeout(60)
            client.send(b"\r\n.\r\n")
            harness.queued_id(client.reply())
        for client in clients:
            client.close()
        self.good(daemon)
        self.assertEqual(len([row for row in daemon.spool.ls() if row["size"] > 10000]), 5)

    def test_small_unfinished_bodies(self):
        """1,000 bodies of which each is a few octets: slices must not pin whole buffers each."""
        daemon = self.start({"limits.memory": "32mb"})
        count = 200 if harness.IS_SANITIZED else 1000
        clients = []
        for _ in range(count):
            client = self.raw(daemon)
            client.send(Departures.STATES[5] + b"only this\r\n")
            clients.append(client)
        for turn in range(5):
            for client in clients:
                client.send(b"and %d\r\n" % turn)
        self.good(daemon)
        for client in clients[:20]:
            client.send(b".\r\n")
            while not (reply := client.reply()).startswith("250 2.0.0 OK queued"):
                self.assertRegex(reply, "^(220|250|354)")
        for client in clients:
            client.close()
        self.assertEqual(len(daemon.spool.ids()), 21)

    def test_idle_connections(self):
        """2,000 idle connections: little memory each; mail still goes through."""
        daemon = self.start()
        self.good(daemon)
        before = daemon.rss()
        clients = [daemon.client() for _ in range(2000)]
        growth = daemon.rss() - before
        if not harness.IS_SANITIZED:
            self.assertLess(growth / len(clients), 8 * 1024)
        self.good(daemon)
        for client in clients[::100]:
            client.expect("NOOP", "250")
        for client in clients:
            client.close()
        self.good(daemon)

    def test_connections_come_and_go(self):
        daemon = self.start()
        for _ in range(3000):
            with socket.create_connection(("127.0.0.1", daemon.port), timeout=30):
                pass
        self.good(daemon)
        deadline = time.monotonic() + 10
        while len(harness.os.listdir(f"/proc/{daemon.process.pid}/fd")) > 200:
            self.assertLess(time.monotonic(), deadline, "sockets are left open")
            time.sleep(0.1)

    def test_out_of_file_descriptors(self):
        """With 80 descriptors and 150 clients those who are in are served; later all are."""
        daemon = self.make({"spool.segment_size": "1mb"})
        daemon.spawn = self.spawn_with_files(daemon, 80)
        daemon.start()
        self.addCleanup(self.end, daemon)
        inside = daemon.client()
        inside.ehlo()
        waiting = []
        for _ in range(150):
            waiting.append(socket.create_connection(("127.0.0.1", daemon.port), timeout=30))
        time.sleep(0.3)
        # While those are refused who are too many, a 4xx may come; for seconds, not for ever.
        deadline = time.monotonic() + 20
        while not (reply := inside.command("MAIL FROM:<a@example.org>")).startswith("250"):
            self.assertTrue(reply.startswith("4"), reply)
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)
        inside.expect("RSET", "250")
        time.sleep(3)
        for number in range(30):
            inside.deliver(b"%d\r\n" % number * 5000)
        for plain in waiting:
            plain.close()
        deadline = time.monotonic() + 20
        while not (late := daemon.client()).greeting.startswith("220"):
            self.assertRegex(late.greeting, r"^421 4\.3\.2 ")
            late.close()
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        late.close()
        self.good(daemon)
        inside.close()

    def spawn_with_files(self, daemon, count):
        def spawn():
            with open(daemon.log_path, "ab") as log:
                line = ["/bin/sh", "-c", f'ulimit -n {count}; exec "$0" "$@"']
                daemon.process = harness.subprocess.Popen(
                    line + daemon.command_line(), stdin=harness.subprocess.DEVNULL,
                    stdout=log, stderr=log)
        return spawn


if __name__ == "__main__":
    harness.main()
