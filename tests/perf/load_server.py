# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers for the tests of ringpost-load: one that answers as it is told, and aiosmtpd.

    with Server({"RCPT": "550 5.1.1 no"}) as server:
        load(server.target, ...)
        server.sessions[0].commands

A reply is a text (CRLF is added), octets (sent as they are), None (close without a word), or a
function of the session and the line that returns one of these. The server keeps the rules of
RFC 5321 as well: a client that breaks them stands in `server.faults`.
"""
import asyncio
import contextlib
import logging
import socket
import threading

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, AuthResult

logging.getLogger("mail.log").setLevel(logging.ERROR)
WAIT_S = 60  # until what shall come has failed to come

REPLIES = {
    "greeting": "220 fake.test ESMTP",
    "EHLO": "250-fake.test\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 SIZE 1000000000",
    "LHLO": "250-fake.test\r\n250-PIPELINING\r\n250 CHUNKING",
    "HELO": "250 fake.test",
    "MAIL": "250 2.1.0 ok",
    "RCPT": "250 2.1.5 ok",
    "DATA": "354 go on",
    "end": "250 2.0.0 taken",
    "RSET": "250 2.0.0 ok",
    "QUIT": "221 2.0.0 bye",
}


class Session:
    """One connection, on a thread of its own."""

    def __init__(self, server, connection, peer):
        self.server = server
        self.socket = connection
        self.peer = peer
        self.commands = []
        self.recipients = 0
        self.ends = 0  # bodies that were answered
        self.has_mail = False
        self.file = connection.makefile("rb")

    def answer(self, what, line=""):
        """Send the reply; None where the connection is to be closed, else its first digit."""
        reply = self.server.replies[what]
        if callable(reply):
            reply = reply(self, line)
        if reply is None:
            return None
        octets = reply.encode() + b"\r\n" if isinstance(reply, str) else reply
        pieces = [octets[at:at + 1] for at in range(len(octets))] if self.server.is_slow_spoken \
            else [octets]
        for piece in pieces:
            self.socket.sendall(piece)
        return octets[:1]

    def end(self, body):
        """The replies to a whole body: with LMTP one a recipient."""
        with self.server.lock:
            self.server.bodies.append(body)
        count = self.recipients if self.server.is_lmtp else 1
        self.has_mail, self.recipients = False, 0
        for _ in range(count):
            self.ends += 1
            if self.answer("end") is None:
                return False
        return True

    def data(self):
        """The body of DATA, dot-stuffing undone."""
        lines = []
        while (line := self.file.readline()) != b".\r\n":
            if not line:
                return None
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)

    def command(self, line):
        """Obey one line; False: close."""
        words = line.split()
        verb = words[0].upper() if words else ""
        self.commands.append(line)
        if verb == "BDAT":
            body = self.file.read(int(words[1]))
            if self.recipients == 0:
                self.socket.sendall(b"503 5.5.1 no recipients\r\n")
                return True
            return self.end(body)
        if verb == "MAIL" and self.has_mail:
            self.server.faults.append("MAIL in a transaction")
        if verb not in self.server.replies:
            self.server.faults.append(f"unknown command {line!r}")
            self.socket.sendall(b"500 5.5.2 what?\r\n")
            return True
        if verb in ("RCPT", "DATA") and not self.has_mail or verb == "DATA" and \
                self.recipients == 0:
            self.socket.sendall(b"503 5.5.1 not now\r\n")
            return True
        digit = self.answer(verb, line)
        if verb == "MAIL":
            self.has_mail = digit == b"2"
        elif verb == "RCPT":
            self.recipients += digit == b"2"
        elif verb in ("RSET", "EHLO", "LHLO"):
            self.has_mail, self.recipients = False, 0
        elif verb == "DATA" and digit == b"3":
            body = self.data()
            return body is not None and self.end(body)
        return digit is not None and verb != "QUIT"

    def serve(self):
        if self.answer("greeting") is None:
            return
        while line := self.file.readline():
            if not line.endswith(b"\r\n"):
                self.server.faults.append(f"unfinished line {line!r}")
            if not self.command(line.decode().rstrip("\r\n")):
                return

    def run(self):
        # The socket closes with the file that was made of it, and not before.
        with contextlib.suppress(OSError), self.socket, self.file:
            self.serve()


class Server:
    def __init__(self, replies=None, is_lmtp=False, is_slow_spoken=False, path=None,
                 is_listening=True):
        self.replies = {**REPLIES, **(replies or {})}
        self.is_lmtp = is_lmtp
        self.is_slow_spoken = is_slow_spoken  # replies come an octet at a time
        self.sessions = []
        self.bodies = []
        self.faults = []
        self.lock = threading.Lock()
        self.threads = []
        self.listener = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        self.listener.bind(path or ("127.0.0.1", 0))
        self.target = f"unix:{path}" if path else "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.is_stopped = False
        if is_listening:
            self.listen()

    def listen(self):
        self.listener.listen(128)
        thread = threading.Thread(target=self.accept)
        self.threads.append(thread)
        thread.start()

    def accept(self):
        while True:
            try:
                connection, peer = self.listener.accept()
            except OSError:
                return
            if connection.family == socket.AF_INET:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            session = Session(self, connection, peer)
            thread = threading.Thread(target=session.run)
            with self.lock:
                self.sessions.append(session)
                self.threads.append(thread)
            thread.start()

    def commands(self):
        return [line for session in self.sessions for line in session.commands]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for session in list(self.sessions):
            with contextlib.suppress(OSError):
                session.socket.shutdown(socket.SHUT_RDWR)
        for thread in list(self.threads):
            thread.join(WAIT_S)
            assert not thread.is_alive(), "a thread of the server hangs"


class Sink:
    """The handler of aiosmtpd: keeps bodies and who sent them."""

    def __init__(self):
        self.mail = []

    async def handle_DATA(self, _server, session, envelope):
        self.mail.append((session.auth_data, envelope.mail_from, envelope.rcpt_tos,
                          envelope.original_content))
        return "250 2.0.0 taken"


class Aiosmtpd:
    """aiosmtpd on a thread of its own; with `users` it wants AUTH."""

    def __init__(self, users=None, is_lmtp=False, exclude=()):
        self.users = users
        self.is_lmtp = is_lmtp
        self.exclude = exclude
        self.sink = Sink()
        self.mechanisms = []
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.target = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.loop = asyncio.new_event_loop()
        self.is_ready = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def authenticate(self, _server, _session, _envelope, mechanism, data):
        self.mechanisms.append(mechanism)
        good = self.users.get(data.login.decode()) == data.password.decode()
        return AuthResult(success=good, handled=good, auth_data=data.login.decode())

    def make(self):
        options = {"hostname": "aiosmtpd.test", "loop": self.loop}
        if self.users is not None:
            options.update(authenticator=self.authenticate, auth_required=True,
                           auth_require_tls=False, auth_exclude_mechanism=self.exclude)
        return (LMTP if self.is_lmtp else SMTP)(self.sink, **options)

    def run(self):
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(
            self.loop.create_server(self.make, sock=self.listener))
        self.loop.call_soon(self.is_ready.set)
        self.loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()

    def __enter__(self):
        self.thread.start()
        assert self.is_ready.wait(WAIT_S)
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(WAIT_S)
        assert not self.thread.is_alive(), "aiosmtpd hangs"
