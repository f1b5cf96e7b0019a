#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""ringpost-load against servers that do what no server should: nonsense, silence, hanging up.

Goal: each lost message is counted once and as what it was; the run ends, however the server stalls,
and its exit status tells.
Method: as test_load_main.py, whose cases this uses.
"""
import os
import resource
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from test_load_main import MODES, Case, harness  # noqa: E402
from load_server import WAIT_S, Server  # noqa: E402


class Trouble(Case):
    """Servers that do what no server should."""

    def sometimes(self, what, good):
        """`what` for the 5th, 10th, ... time that it is asked; `good` else."""
        counter = iter(range(1, 10**6))
        lock = threading.Lock()

        def answer(_session, _line):
            with lock:
                is_time = next(counter) % 5 == 0
            return what if is_time else good
        return answer

    def check(self, replies, kind, words, *arguments, refused=False):
        with Server(replies) as server:
            run = self.load(server.target, "--messages", 50, "--connections", 3, *arguments)
        self.assertEqual(run.status, 0 if refused else 1, run.stderr)
        if not refused:
            self.assertRegex(run.stderr, rf"(?m)^ringpost-load: .*: errors: .*{kind} \d+")
        lost = run.json["refused"] if refused else run.json["errors"][kind]
        self.assertGreaterEqual(lost, 8)
        self.assertEqual(run.json["begun"], 50)
        self.assertEqual(run.json["accepted"] + run.json["refused"] +
                         sum(run.json["errors"].values()), 50)
        self.assertTrue(any(words in sample for sample in run.json["samples"]),
                        run.json["samples"])
        return run.json

    def test_nonsense(self):
        for verb, name, good in (("MAIL", "mail", "250 ok"), ("DATA", "data", "354 ok"),
                                 ("end", "end", "250 ok")):
            for reply in ("nonsense", "2500 ok", b"250 ok\n", "199 ok", b"250-a\r\n251 b\r\n"):
                with self.subTest(verb=verb, reply=reply):
                    text = reply if isinstance(reply, str) else reply.split(b"\n")[-2].decode()
                    self.check({verb: self.sometimes(reply, good)}, "protocol",
                               f"no reply to {name}: {text.strip()}")

    def test_wrong_kind(self):
        """A reply that has no sense here."""
        self.check({"MAIL": self.sometimes("354 go on", "250 ok")}, "protocol",
                   "no reply to mail: 354 go on")
        self.check({"DATA": self.sometimes("250 ok", "354 ok")}, "protocol",
                   "no reply to data: 250 ok")

    def test_too_many_replies(self):
        with Server({"end": self.sometimes(b"250 a\r\n250 b\r\n", "250 ok")}) as server:
            run = self.load(server.target, "--messages", 50, "--connections", 3)
            self.assertEqual(run.status, 1, run.stderr)
            allowed = self.load(server.target, "--messages", 50, "--connections", 3,
                                "--threshold", "errors=1000")
            self.assertEqual(allowed.status, 0, allowed.stderr)
            self.bad(1, "threshold missed: errors: ", server.target, "--messages", 50,
                     "--connections", 3, "--threshold", "errors=1")
        self.assertGreaterEqual(run.json["errors"]["protocol"], 8)
        self.assertLessEqual(run.json["accepted"], 50)

    def test_endless_line(self):
        self.check({"RCPT": self.sometimes(b"250 " + 5000 * b"x", "250 ok")}, "protocol",
                   "no reply to rcpt: 250 xxx")

    def test_closing(self):
        """421, then the end of the connection."""
        for verb, good in (("MAIL", "250 ok"), ("RCPT", "250 ok"), ("end", "250 ok")):
            with self.subTest(verb=verb):
                def answer(session, line, inner=self.sometimes(True, False), good=good):
                    if inner(session, line) is True:
                        session.socket.sendall(b"421 4.3.2 shutting down\r\n")
                        return None
                    return good
                self.check({verb: answer}, None, ": 421 4.3.2 shutting down", refused=True)

    def test_closed(self):
        """No word, and the end of the connection."""
        for verb, name, good in (("MAIL", "mail", "250 ok"), ("DATA", "data", "354 ok"),
                                 ("end", "end", "250 ok")):
            for mode in MODES[:2]:
                with self.subTest(verb=verb, mode=mode):
                    self.check({verb: self.sometimes(None, good)}, "closed",
                               "closed: while the answer to", *mode)

    def test_closed_amid_body(self):
        """The body is far larger than what the sockets hold, and the server stops reading."""
        self.check({"DATA": self.closing_early()}, "closed", "closed: ", "--size", "8mb")

    def closing_early(self):
        inner = self.sometimes(True, False)

        def answer(session, line):
            if inner(session, line) is True:
                session.socket.sendall(b"354 go on\r\n")
                session.file.read(100000)
                return None
            return "354 go on"
        return answer

    def test_refused_amid_body(self):
        """The reply comes before the body has been read, and counts."""
        inner = self.sometimes(True, False)

        def answer(session, line):
            if inner(session, line) is True:
                session.socket.sendall(b"354 go on\r\n")
                session.file.read(100000)
                session.socket.sendall(b"552 5.3.4 too big\r\n")
                while session.file.readline() not in (b".\r\n", b""):
                    pass
                session.has_mail, session.recipients = False, 0
                return b""
            return "354 go on"
        self.check({"DATA": answer}, None, "end: 552 5.3.4 too big", "--size", "3mb", refused=True)

    def test_silent(self):
        held = threading.Event()

        def hold(_session, _line):
            held.wait(WAIT_S)
        with Server({"RCPT": hold}) as server:
            run = self.load(server.target, "--messages", 3, "--connections", 1, "--timeout",
                            "300ms")
            held.set()
        self.assertEqual(run.status, 1)
        self.assertEqual(run.json["errors"]["timeout"], 3)
        self.assertIn("timeout: while the answer to rcpt was awaited", run.json["samples"])

    def stalling(self, verb, good):
        """Replies of a server that goes silent, new connections included, after 10 of `verb`."""
        held = threading.Event()
        self.addCleanup(held.set)
        counter = iter(range(10**6))

        def answer(_session, _line):
            if next(counter) >= 10:
                held.wait(WAIT_S)
            return good

        def greet(_session, _line):
            if next(counter) >= 10:
                held.wait(WAIT_S)
            return "220 fake"
        return held, {verb: answer, "greeting": greet}

    def test_stalling(self):
        """The run ends, however it was to end, and fails."""
        for ends in (("--messages", 1000), ("--duration", "1500ms"),
                     ("--rate", 100, "--messages", 1000),
                     ("--rate", 100, "--duration", "1500ms")):
            for verb, good in (("MAIL", "250 ok"), ("end", "250 ok")):
                held, replies = self.stalling(verb, good)
                with self.subTest(ends=ends, verb=verb), Server(replies) as server:
                    run = self.load(server.target, *ends, "--connections", 2, "--timeout", "400ms",
                                    "--quiet")
                    held.set()
                    self.assertEqual(run.status, 1, run.stderr)
                    self.assertGreater(run.json["accepted"], 0)
                    self.assertGreater(run.json["errors"]["timeout"], 0)
                    self.assertIs(run.json["verdict"]["passed"], False)

    def test_trickle(self):
        """Line after line, and no end of the reply: that is no reply."""
        def trickle(session, _line):
            while not self.is_over.wait(0.02):
                session.socket.sendall(b"250-more\r\n")
            return None
        self.is_over = threading.Event()
        self.addCleanup(self.is_over.set)
        with Server({"EHLO": trickle}) as server:
            run = self.bad(1, "timeout: while the answer to ehlo was awaited", server.target,
                           "--messages", 3, "--connections", 1, "--timeout", "400ms")
            self.is_over.set()
        self.assertGreater(run.json["errors"]["timeout"], 0)

    def test_no_greeting(self):
        """It closes, is no mail server, or says nothing: told as that, also at the end."""
        held = threading.Event()
        self.addCleanup(held.set)

        def hold(_session, _line):
            held.wait(WAIT_S)
        for greeting, words, *more in (
                (None, "closed: no greeting came"),
                (b"SSH-2.0-x\r\n", "no greeting: SSH-2.0-x"),
                (hold, "timeout: no greeting came", "--timeout", "300ms"),
                (hold, "no message was accepted; at the end: no greeting came", "--duration",
                 "500ms")):
            held.clear()
            with self.subTest(words=words), Server({"greeting": greeting}) as server:
                self.bad(1, words, server.target, "--connections", 2, *more)
                held.set()

    def test_nobody(self):
        with Server(is_listening=False) as server:
            run = self.bad(1, "connect: Connection refused; is the server running there?",
                           server.target, "--messages", 5)
            self.assertEqual(run.json["accepted"], 0)
            self.assertGreater(run.json["errors"]["connect"], 1)
        self.bad(1, "connect: No such file or directory", f"unix:{self.work}/none")

    def test_too_many_files(self):
        def lower():
            resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
        self.bad(1, "1000 connections need 1128 open files, and the hard limit is 256",
                 "127.0.0.1:1", "--connections", 1000, preexec_fn=lower)


if __name__ == "__main__":
    harness.main()
