#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SMTP session over a socket: every reply, limits, pipelining, cuts, time-outs, smuggling.

Method: scripts of (command, start of the reply) on a raw socket against the
built daemon; what lands in the spool is read back with ringpost-spool.
"""
import re
import signal
import socket
import time

import harness

# (name, settings, rows): a row is what is sent and how its one reply must begin.
SCRIPTS = [
    ("helo", {}, [
        ("HELO", "501 5.5.4 Syntax: HELO hostname"),
        ("HELO client.example", "250 mx.test"),
        ("HELO again", "250 mx.test"),
        ("EHLO", "501 5.5.4 Syntax: EHLO hostname"),
        ("ehlo [127.0.0.1]", "250-mx.test"),
        ("EHLO [IPv6:::1]", "250-mx.test"),
    ]),
    ("order", {}, [
        ("MAIL FROM:<a@example.org>", "503 5.5.1 Error: send HELO first"),
        ("RCPT TO:<a@example.org>", "503 5.5.1"),
        ("DATA", "503 5.5.1"),
        ("EHLO c", "250-"),
        ("RCPT TO:<b@example.org>", "503 5.5.1 Error: need MAIL command"),
        ("DATA", "503 5.5.1"),
        ("MAIL FROM:<a@example.org>", "250 2.1.0"),
        ("MAIL FROM:<a@example.org>", "503 5.5.1 Error: nested MAIL command"),
        ("DATA", "503 5.5.1 Error: need RCPT command"),
        ("RCPT TO:<b@example.org>", "250 2.1.5"),
        ("RSET", "250 2.0.0 OK"),
        ("RCPT TO:<b@example.org>", "503 5.5.1"),
        ("MAIL FROM:<a@example.org>", "250 2.1.0"),
        ("RCPT TO:<b@example.org>", "250 2.1.5"),
        ("EHLO c", "250-"),
        ("DATA", "503 5.5.1"),
        ("MAIL FROM:<a@example.org>", "250 2.1.0"),
        ("HELO c", "250 mx.test"),
        ("RCPT TO:<b@example.org>", "503 5.5.1"),
        ("QUIT", "221 2.0.0 Bye"),
    ]),
    ("any time", {}, [
        ("NOOP", "250 2.0.0 OK"),
        ("NOOP with words", "250 2.0.0 OK"),
        ("noop  ", "250 2.0.0 OK"),
        ("RSET", "250 2.0.0 OK"),
        ("RSET now", "501 5.5.4 Syntax: RSET"),
        ("VRFY someone@example.org",
         "252 2.1.5 Cannot VRFY user, but will accept message and attempt delivery"),
        ("VRFY", "501 5.5.4 Syntax: VRFY <address>"),
        ("EXPN list", "502 5.5.1 EXPN not implemented"),
        ("HELP", "250 2.0.0 Supported commands: DATA EHLO HELO HELP MAIL NOOP QUIT RCPT RSET VRFY"),
        ("HELP MAIL", "250 2.0.0 Syntax: MAIL FROM: <address>"),
        ("help data", "250 2.0.0 Syntax: DATA"),
        ("HELP NONSENSE", "501 5.5.4 Supported commands: "),
        ("EHLO c", "250-"),
        ("HELP MAIL", "250 2.0.0 Syntax: MAIL FROM: <address> [SP <mail-parameters>]"),
        ("QUIT now", "501 5.5.4 Syntax: QUIT"),
        ("QUIT", "221 2.0.0 Bye"),
    ]),
    ("unknown", {}, [
        ("", "500 5.5.2"),
        ("PING", "500 5.5"),
        ("STARTTLS", "500 5.5"),
        ("BDAT 5", "500 5.5"),
        ("AUTH PLAIN AAAA", "500 5.5"),
        ("MAILFROM:<a@example.org>", "500 5.5"),
        (" NOOP", "500 5.5"),
        (b"N\xd6\xd6P", "500 5.5"),
        (b"NOOP\0", "500 5.5.2"),
        (b"NOOP \x01", "500 5.5.2"),
        ("NOOP", "250 2.0.0"),
    ]),
    ("mail", {}, [
        ("EHLO c", "250-"),
        ("MAIL", "501 5.5.4 Syntax: MAIL FROM: <address> [SP <mail-parameters>]"),
        ("MAIL FROM", "501 5.5.4"),
        ("MAIL FROM:", "501 5.5.4"),
        ("MAIL TO:<a@example.org>", "501 5.5.4"),
        ("MAIL FROM:<a@example.org", "553 5.1.3"),
        ("MAIL FROM:<a b@example.org>", "553 5.1.3"),
        ("MAIL FROM:<a@example.org> FOO=bar", "555 5.5.4 MAIL FROM parameters not recognized"),
        ("MAIL FROM:<a@example.org> SIZE", "501 5.5.4"),
        ("MAIL FROM:<a@example.org> SIZE=", "501 5.5.4"),
        ("MAIL FROM:<a@example.org> SIZE=ten", "501 5.5.4"),
        ("MAIL FROM:<a@example.org> SIZE=33554433",
         "552 5.3.4 Error: message size exceeds fixed maximum message size"),
        ("MAIL FROM:<a@example.org> SIZE=99999999999999999999", "552 5.3.4"),
        ("MAIL FROM:<a@example.org> BODY=9BIT", "501 5.5.4"),
        ("MAIL FROM:<a@example.org> SMTPUTF8=x", "501 5.5.4"),
        ("MAIL FROM:<a@example.org> SIZE=1 SIZE=1", "501 5.5.4"),
        ("MAIL FROM:<grüße@example.org>", "553 5.6.7"),
        ("MAIL FROM:<grüße@example.org> SMTPUTF8", "250 2.1.0 OK"),
        ("RSET", "250"),
        ("MAIL FROM:<a@example.org> size=33554432 body=8bitmime SMTPUTF8", "250 2.1.0 OK"),
        ("RSET", "250"),
        ("MAIL FROM:<>", "250 2.1.0 OK"),
        ("RSET", "250"),
        ("mail from: \t <a@example.org>".replace("\t", ""), "250 2.1.0 OK"),
        ("RSET", "250"),
        ("MAIL FROM:a@example.org", "250 2.1.0 OK"),
        ("RSET", "250"),
        ("MAIL FROM:<\"a b\\\"c>@\"@example.org>", "250 2.1.0 OK"),
        ("RSET", "250"),
        ("MAIL FROM:<@relay.example,@other.example:a@example.org>", "250 2.1.0 OK"),
        ("RSET", "250"),
        ("MAIL FROM:<a@[192.0.2.1]> BODY=7BIT", "250 2.1.0 OK"),
        ("HELO c", "250"),
        ("MAIL FROM:<a@example.org> SIZE=1", "501 5.5.4"),
        ("MAIL", "501 5.5.4 Syntax: MAIL FROM: <address>"),
    ]),
    ("rcpt", {}, [
        ("EHLO c", "250-"),
        ("MAIL FROM:<a@example.org>", "250"),
        ("RCPT", "501 5.5.4 Syntax: RCPT TO: <address> [SP <mail-parameters>]"),
        ("RCPT FROM:<a@example.org>", "501 5.5.4"),
        ("RCPT TO:<>", "501 5.1.3"),
        ("RCPT TO:<a@example.org> FOO=bar", "555 5.5.4 RCPT TO parameters not recognized"),
        ("RCPT TO:<a@@example.org>", "553 5.1.3"),
        ("RCPT TO:<Postmaster>", "250 2.1.5 OK"),
        ("RCPT TO:<a@example.org>", "250 2.1.5 OK"),
        ("RCPT TO:<a@example.org>", "250 2.1.5 OK"),
        ("rcpt to:b@example.org", "250 2.1.5 OK"),
        ("DATA now", "501 5.5.4 Syntax: DATA"),
        ("DATA", "354 End data with <CR><LF>.<CR><LF>"),
        (".", "250 2.0.0 OK queued as "),
        ("RCPT TO:<a@example.org>", "503 5.5.1"),
    ]),
    ("switched off", {"smtp.vrfy": "false", "smtp.help": "false", "smtp.smtputf8": "false"}, [
        ("EHLO c", "250-"),
        ("VRFY a@example.org", "502 5.5.1"),
        ("HELP", "502 5.5.1"),
        ("MAIL FROM:<a@example.org> SMTPUTF8", "555 5.5.4"),
    ]),
    ("strict addresses", {"smtp.strict_addresses": "true", "limits.local_part": "12"}, [
        ("EHLO c", "250-"),
        ("MAIL FROM:a@example.org", "5"),
        ("MAIL FROM:<a>", "553 5.1.3"),
        ("MAIL FROM:<1234567890123@example.org>", "553 5.1.3"),
        ("MAIL FROM:<123456789012@example.org>", "250 2.1.0"),
        ("RCPT TO:<Postmaster>", "250 2.1.5"),
        ("RCPT TO:<postmistress>", "553 5.1.3"),
    ]),
    ("command line", {"limits.command_line": "512"}, [
        ("NOOP " + "x" * 505, "250 2.0.0"),
        ("NOOP " + "x" * 506, "500 5.5.2"),
        ("EHLO c", "250-"),
        ("MAIL FROM:<a@example.org>" + " " * 0 + " SIZE=" + "0" * 19 + "1", "250 2.1.0"),
        ("RCPT TO:<" + "x" * 600 + "@example.org>", "500 5.5.2"),
        ("RCPT TO:<" + "x" * 488 + "@example.org>", "250 2.1.5"),
        (b"NOOP\nNOOP", "500 5.5.2"),
        (b"NOOP\rNOOP", "500 5.5.2"),
        (b"NOOP\n", "500 5.5.2"),
        (b"NOOP\r", "500 5.5.2"),
        ("NOOP", "250 2.0.0"),
    ]),
    ("recipients", {"limits.recipients": "2"}, [
        ("EHLO c", "250-"),
        ("MAIL FROM:<a@example.org>", "250"),
        ("RCPT TO:<b@example.org>", "250"),
        ("RCPT TO:<c@example.org>", "250"),
        ("RCPT TO:<d@example.org>", "452 4.5.3"),
        ("DATA", "354"),
        (".", "250 2.0.0"),
    ]),
]

# Body lines of a length (octets with CRLF) and whether 1001 allows them.
LINE_LENGTHS = [(b"a" * 999, True), (b"a" * 1000, False), (b".." + b"a" * 998, False),
                (b".." + b"a" * 997, True)]

# What might pass for the end of a body: only the first is one (RFC 5321, 4.1.1.4).
ENDS = [b"\r\n.\r\n", b"\n.\r\n", b"\n.\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r",
        b"\r\n\0.\r\n", b"\r.\n", b"\r\n.\r\r\n", b"\r\n.\0\r\n", b"\r\n .\r\n", b"\r\n\r.\r\n"]


class Scripts(harness.Case):
    def test_replies(self):
        for name, settings, rows in SCRIPTS:
            with self.subTest(script=name):
                daemon = self.start(settings, spool=f"{self.work}/{name}")
                with daemon.client() as client:
                    for line, start in rows:
                        client.expect(line, start)
                    if rows[-1][1].startswith("221"):
                        self.assertTrue(client.is_closed())
                daemon.stop()

    def test_replies_at_every_octet(self):
        """The same replies when each octet comes alone, and when all come at once."""
        daemon = self.start({"limits.errors": "0"})
        for name, settings, rows in SCRIPTS:
            if settings:
                continue
            lines = [line.encode() if isinstance(line, str) else line for line, _ in rows]
            octets = b"\r\n".join(lines) + b"\r\nQUIT\r\n"
            if len(octets) > 3000:
                continue
            with self.subTest(script=name):
                replies = [self.exchange(daemon, octets, size) for size in (len(octets), 1, 7)]
                self.assertEqual(replies[0], replies[1])
                self.assertEqual(replies[0], replies[2])
                self.assertEqual(len(replies[0]), len(replies[1]))

    def exchange(self, daemon, octets, size):
        """All replies to the octets sent in pieces of that size; ids made equal."""
        with daemon.client() as client:
            for at in range(0, len(octets), size):
                client.send(octets[at:at + size])
            return re.sub(rb"queued as \S+", b"queued as ID", client.rest())


class Greeting(harness.Case):
    def test_greeting_and_extensions(self):
        daemon = self.start()
        with daemon.client() as client:
            self.assertEqual(client.greeting, "220 mx.test ESMTP e2e")
            self.assertEqual(client.ehlo().split("\n"), [
                "250-mx.test", "250-PIPELINING", "250-SIZE 33554432", "250-8BITMIME",
                "250-SMTPUTF8", "250-LIMITS RCPTMAX=1000", "250-ENHANCEDSTATUSCODES", "250 HELP"])

    def test_extensions_follow_the_configuration(self):
        daemon = self.start({"limits.message_size": "0", "limits.recipients": "7",
                             "limits.messages": "3", "smtp.smtputf8": "false",
                             "smtp.pipelining": "false", "smtp.help": "false"})
        with daemon.client() as client:
            self.assertEqual(client.ehlo().split("\n"), [
                "250-mx.test", "250-SIZE", "250-8BITMIME", "250-LIMITS RCPTMAX=7 MAILMAX=3",
                "250 ENHANCEDSTATUSCODES"])

    def test_enhanced_codes_everywhere(self):
        """RFC 2034: every reply but greeting, HELO, EHLO and 3xx has one, of its own class."""
        daemon = self.start()
        with daemon.client() as client:
            for _, settings, rows in SCRIPTS:
                if settings:
                    continue
                for line, _ in rows:
                    verb = line[:4].upper()
                    if verb in ("HELO", "EHLO", "QUIT"):
                        continue
                    reply = client.command(line)
                    if not reply.startswith("354"):
                        self.assertRegex(reply, r"^([245])\d\d \1\.\d\.\d+ ", line)
                    if reply.startswith("421"):
                        return


class Pipelining(harness.Case):
    def test_replies_of_a_batch_come_in_one_piece(self):
        daemon = self.start()
        with daemon.client() as client:
            client.send(b"EHLO c\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\n"
                        b"RCPT TO:<>\r\nNOOP\r\nDATA\r\n")
            octets = client.socket.recv(65536)
            self.assertEqual([line[:4] for line in octets.decode().split("\r\n")][-7:],
                             ["250 ", "250 ", "250 ", "501 ", "250 ", "354 ", ""])

    def test_order_of_replies_over_commits(self):
        """Ten messages and what follows them, all sent at once."""
        daemon = self.start()
        batch = b"".join(
            b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n"
            b"number %d\r\n.\r\nVRFY x@example.org\r\n" % number for number in range(10))
        with daemon.client() as client:
            client.ehlo()
            client.send(batch + b"QUIT\r\n")
            bodies = {}
            for number in range(10):
                for start in ("250 2.1.0", "250 2.1.5", "354 "):
                    self.assertTrue(client.reply().startswith(start))
                bodies[harness.queued_id(client.reply())] = b"number %d\r\n" % number
                self.assertTrue(client.reply().startswith("252 "))
            self.assertEqual(client.reply(), "221 2.0.0 Bye")
            self.assertTrue(client.is_closed())
        self.assertEqual(len(bodies), 10)
        for ident, body in bodies.items():
            self.assertEqual(daemon.spool.cat(ident), body)


class Timeouts(harness.Case):
    def timed_out(self, client, since, low, high):
        self.assertRegex(client.reply(), r"^421 4\.4\.2 ")
        self.assertTrue(client.is_closed())
        self.assertGreater(time.monotonic() - since, low)
        self.assertLess(time.monotonic() - since, high)

    def test_command(self):
        daemon = self.start({"timeouts.command": "300ms"})
        with daemon.client() as client:
            client.ehlo()
            self.timed_out(client, time.monotonic(), 0.2, 5)

    def test_octets_without_a_line_are_no_progress(self):
        daemon = self.start({"timeouts.command": "600ms"})
        with daemon.client() as client:
            client.ehlo()
            since = time.monotonic()
            client.socket.settimeout(0.1)
            for _ in range(100):
                try:
                    client.send(b"N")
                    client.buffer = client.socket.recv(1000)
                    break
                except TimeoutError:
                    continue
                except ConnectionError:
                    break
            client.socket.settimeout(harness.REPLY_S)
            self.assertTrue(client.buffer.startswith(b"421 4.4.2"), client.buffer)
            self.assertLess(time.monotonic() - since, 6)

    def test_data(self):
        daemon = self.start({"timeouts.data": "800ms", "timeouts.command": "300s"})
        with daemon.client() as client:
            client.ehlo()
            client.begin()
            for _ in range(10):
                client.send(b"x")  # A slow body is no idle one.
                time.sleep(0.2)
            self.timed_out(client, time.monotonic(), 0.2, 5)
        self.assertEqual(daemon.spool.ids(), [])

    def test_data_is_not_cut_by_the_command_timer(self):
        daemon = self.start({"timeouts.command": "300ms"})
        with daemon.client() as client:
            client.ehlo()
            client.begin()
            time.sleep(1)
            client.send(b"late\r\n.\r\n")
            self.assertEqual(daemon.spool.cat(harness.queued_id(client.reply())), b"late\r\n")

    def test_session(self):
        daemon = self.start({"timeouts.session": "700ms"})
        with daemon.client() as client:
            since = time.monotonic()
            with self.assertRaises(EOFError):
                while True:
                    reply = client.command("NOOP")
                    if reply.startswith("421 4.4.2"):
                        self.assertGreater(time.monotonic() - since, 0.5)
                        client.line()
                    time.sleep(0.05)
                    self.assertLess(time.monotonic() - since, 10)

    def test_pause(self):
        """After a pause longer than the limits what has come is read first, whatever the limit."""
        for key in ("command", "session"):
            with self.subTest(limit=key):
                self.pause(self.start({f"timeouts.{key}": "3s", "timeouts.data": "3s"},
                                      spool=f"{self.work}/{key}"))

    def pause(self, daemon):
        clients = [daemon.client() for _ in range(400)]  # More than there are lent buffers.
        for client in clients:
            self.addCleanup(client.close)
            client.ehlo()
        in_body = clients[::4]
        for client in in_body:
            client.begin()
        daemon.signal(signal.SIGSTOP)
        began = time.monotonic()
        silent = clients.pop()
        for client in clients:
            envelope = b"MAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n"
            client.send((b"" if client in in_body else envelope) + b"late\r\n.\r\n")
        time.sleep(max(0, began + 4 - time.monotonic()))
        daemon.signal(signal.SIGCONT)
        for client in clients:
            replies = [client.reply() for _ in range(1 if client in in_body else 4)]
            self.assertIn("queued as", replies[-1])
        self.assertRegex(silent.reply(), r"^421 4\.4\.2 ")


class Limits(harness.Case):
    def test_connections(self):
        daemon = self.start({"limits.connections": "3", "workers": "1"})
        time.sleep(0.2)  # The harness' first connection is gone by then.
        clients = [daemon.client() for _ in range(3)]
        for client in clients:
            self.assertTrue(client.greeting.startswith("220 "))
        with daemon.client() as refused:
            self.assertRegex(refused.greeting, r"^421 4\.3\.2 ")
            self.assertTrue(refused.is_closed())
        clients[0].expect("NOOP", "250")
        clients[1].close()
        deadline = time.monotonic() + 10
        while not (again := daemon.client()).greeting.startswith("220"):
            again.close()
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        again.close()
        for client in clients:
            client.close()

    def test_errors(self):
        daemon = self.start({"limits.errors": "3"})
        with daemon.client() as client:
            replies = [client.command("NONSENSE")]
            while not replies[-1].startswith("421") and len(replies) < 10:
                replies.append(client.command("NONSENSE"))
            self.assertRegex(replies[-1], r"^421 4\.7\.0 ")
            self.assertIn(len(replies), (3, 4))
            self.assertTrue(client.is_closed())

    def test_errors_of_4xx_do_not_count(self):
        daemon = self.start({"limits.errors": "3", "limits.recipients": "1"})
        with daemon.client() as client:
            client.ehlo()
            client.expect("MAIL FROM:<a@example.org>", "250")
            client.expect("RCPT TO:<b@example.org>", "250")
            for _ in range(20):
                client.expect("RCPT TO:<b@example.org>", "452")

    def test_command_calls(self):
        daemon = self.start({"limits.command_calls": '{ NOOP = 2, "*" = 5 }'})
        with daemon.client() as client:
            client.expect("NOOP", "250")
            client.expect("NOOP", "250")
            client.expect("RSET", "250")
            client.expect("NOOP", "421 4.7.0 NOOP sent too many times")
            self.assertTrue(client.is_closed())
        with daemon.client() as client:
            for _ in range(5):
                client.expect("RSET", "250")
            client.expect("RSET", "421 4.7.0 RSET sent too many times")

    def test_messages(self):
        daemon = self.start({"limits.messages": "2"})
        with daemon.client() as client:
            client.ehlo()
            client.deliver(b"one\r\n")
            client.deliver(b"two\r\n")
            client.expect("MAIL FROM:<a@example.org>", "421 4.7.0")
            self.assertTrue(client.is_closed())

    def test_message_size(self):
        """Over the limit: one 552, at the dot; the session goes on; the limit itself is fine."""
        daemon = self.start({"limits.message_size": "100kb"})
        limit = 100 * 1024
        lines = (b"x" * 98 + b"\r\n") * (limit // 100 - 1)
        lines += b"y" * (limit - len(lines) - 2) + b"\r\n"
        self.assertEqual(len(lines), limit)
        with daemon.client() as client:
            client.ehlo()
            self.assertEqual(daemon.spool.cat(client.deliver(lines)), lines)
            for body in (b"z" + lines, lines * 30):
                client.begin()
                client.socket.settimeout(0.3)
                client.send(body)
                with self.assertRaises(TimeoutError):
                    client.reply()
                client.socket.settimeout(harness.REPLY_S)
                client.expect(".", "552 5.3.4 ")
            client.expect(f"MAIL FROM:<a@example.org> SIZE={limit + 1}", "552 5.3.4")
            client.expect(f"MAIL FROM:<a@example.org> SIZE={limit}", "250")
            client.expect("RSET", "250")
            client.deliver(b"after\r\n")
        self.assertEqual(len(daemon.spool.ids()), 2)

    def test_line_length(self):
        daemon = self.start()
        with daemon.client() as client:
            client.ehlo()
            for line, is_good in LINE_LENGTHS:
                client.begin()
                client.send(b"first\r\n" + line + b"\r\nlast\r\n.\r\n")
                self.assertRegex(client.reply(), "^250 2.0.0" if is_good else r"^500 5\.6\.0 ")
        self.assertEqual(len(daemon.spool.ids()), 2)

    def test_no_line_length(self):
        daemon = self.start({"limits.line_length": "0"})
        body = b"a" * (1 << 20) + b"\r\n"
        self.assertEqual(daemon.spool.cat(daemon.deliver(body)), body)


class Newlines(harness.Case):
    BODY = b"one\ntwo\rthree\r\r\nfour\n\r\n\nfive\r\n"

    def send(self, mode):
        daemon = self.start({"body.bare_newline": mode})
        with daemon.client() as client:
            client.ehlo()
            client.begin()
            client.send(self.BODY + b".\r\n")
            reply = client.reply()
            client.expect("NOOP", "250")
        return daemon, reply

    def test_reject(self):
        daemon, reply = self.send("reject")
        self.assertRegex(reply, r"^550 5\.6\.11 ")
        self.assertEqual(daemon.spool.ids(), [])

    def test_keep(self):
        daemon, reply = self.send("keep")
        self.assertEqual(daemon.spool.cat(harness.queued_id(reply)), self.BODY)

    def test_normalize(self):
        daemon, reply = self.send("normalize")
        wanted = re.sub(rb"\r\n|\r|\n", b"\r\n", self.BODY)
        self.assertEqual(daemon.spool.cat(harness.queued_id(reply)), wanted)


class Smuggling(harness.Case):
    """Whatever stands in the middle of a body, only CRLF.CRLF makes two messages of it."""

    def attempt(self, daemon, end):
        """Replies to a body with a second transaction behind `end`."""
        with daemon.client() as client:
            client.ehlo()
            client.begin()
            client.send(b"innocent" + end + b"MAIL FROM:<smuggled@example.org>\r\n"
                        b"RCPT TO:<victim@example.org>\r\nDATA\r\nevil\r\n.\r\nQUIT\r\n")
            return client.rest().decode().split("\r\n")[:-1]

    def run_mode(self, mode):
        daemon = self.start({"body.bare_newline": mode})
        for end in ENDS:
            with self.subTest(mode=mode, end=end):
                before = len(daemon.spool.ids())
                replies = self.attempt(daemon, end)
                rows = daemon.spool.ls()[before:]
                if end == ENDS[0]:
                    self.assertEqual([reply[:3] for reply in replies],
                                     ["250", "250", "250", "354", "250", "221"])
                    self.assertEqual(len(rows), 2)
                    continue
                self.assertEqual(len(replies), 2, replies)
                self.assertIn(replies[0][:10], ("250 2.0.0 ", "550 5.6.11"))
                self.assertEqual(len(rows), 1 if replies[0].startswith("250") else 0)
                for row in rows:
                    self.assertEqual(row["sender"], "a@example.org")
                    body = daemon.spool.cat(row["id"])
                    self.assertTrue(body.startswith(b"innocent") and body.endswith(b"evil\r\n"))
                    if mode == "normalize":
                        self.assertNotRegex(body, rb"\r(?!\n)|(?<!\r)\n")

    def test_reject(self):
        self.run_mode("reject")

    def test_normalize(self):
        self.run_mode("normalize")

    def test_keep(self):
        self.run_mode("keep")


class Listeners(harness.Case):
    def test_two_listeners_and_a_unix_socket(self):
        path = f"{self.work}/in.sock"
        daemon = self.start(arguments=["-l", f"unix:{path}"])
        daemon.deliver(b"tcp\r\n")
        with socket.socket(socket.AF_UNIX) as plain:
            plain.settimeout(harness.REPLY_S)
            plain.connect(path)
            plain.sendall(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n"
                          b"unix\r\n.\r\nQUIT\r\n")
            octets = b""
            while more := plain.recv(65536):
                octets += more
        self.assertIn(b"OK queued as", octets)
        rows = daemon.spool.ls()
        self.assertEqual(sorted(daemon.spool.cat(row["id"]) for row in rows),
                         [b"tcp\r\n", b"unix\r\n"])

    def test_every_address(self):
        """An IPv4 client of a listener for both families is stored as what it is."""
        daemon = self.start(arguments=["-l", "*:0"])
        port = int(re.search(r"listening on \*:(\d+)", daemon.log()).group(1))
        for host in ("127.0.0.1", "::1"):
            with self.subTest(host=host):
                try:
                    client = harness.Client(port, host=host)
                except OSError:
                    self.assertEqual(host, "::1")
                    continue  # a machine without IPv6
                with client:
                    client.ehlo()
                    ident = client.deliver(b"body\r\n")
                self.assertEqual(daemon.spool.show(ident)["client"], host)


if __name__ == "__main__":
    harness.main()
